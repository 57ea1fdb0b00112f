// SPDX-License-Identifier: BSD-3-Clause
/*
 * Address space of a context bank, see space.h: a tree of the ranges that are taken, ordered by
 * address; what lies between two neighbours is free.
 */
#include "device/space.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

static int compare(const struct space_range *a, const struct space_range *b)
{
	return a->first < b->first ? -1 : a->first > b->first;
}

RB_GENERATE_STATIC(space_tree, space_range, node, compare)

void space_init(struct space *space, uint32_t low)
{
	assert(low && low < SPACE_END);
	*space = (struct space){ .low = low, .next = low };
	RB_INIT(&space->taken);
}

/* First page of a hole of `pages` at or after `from`; 0 when there is none. */
static uint32_t find_hole(struct space *space, uint32_t from, uint32_t pages)
{
	struct space_range key = { .first = from };
	struct space_range *range = RB_NFIND(space_tree, &space->taken, &key);
	struct space_range *before = range ? RB_PREV(space_tree, &space->taken, range) :
					     RB_MAX(space_tree, &space->taken);

	if (before && before->first + before->pages > from)
		from = before->first + before->pages;
	while (range && range->first - from < pages) {
		from = range->first + range->pages;
		range = RB_NEXT(space_tree, &space->taken, range);
	}
	return range || SPACE_END - from >= pages ? from : 0;
}

int space_take(struct space *space, struct space_range *range, uint32_t pages)
{
	uint32_t first;

	if (!pages || pages > SPACE_END)
		return -ENOSPC;
	first = find_hole(space, space->next, pages);
	if (!first)
		first = find_hole(space, space->low, pages);
	if (!first)
		return -ENOSPC;
	range->first = first;
	range->pages = pages;
	RB_INSERT(space_tree, &space->taken, range);
	space->next = first + pages;
	return 0;
}

void space_give(struct space *space, struct space_range *range)
{
	RB_REMOVE(space_tree, &space->taken, range);
	range->pages = 0;
}
