/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The 4 GiB of DSP addresses of one context bank, in pages. A range is embedded in what it is taken
 * for, so nothing is allocated here. Addresses are reused as late as possible: the search goes on
 * where the last one ended, which makes a stale address on the DSP fault instead of reaching
 * somebody else's bytes, and keeps the walk short.
 */
#pragma once

#include <stdint.h>
#include <uv/tree.h>

#define SPACE_PAGE 4096u
#define SPACE_END (1u << 20)	/* in pages */

struct space_range {
	RB_ENTRY(space_range) node;
	uint32_t first;
	uint32_t pages;
};

RB_HEAD(space_tree, space_range);

struct space {
	struct space_tree taken;
	uint32_t low;		/* pages below are never given out */
	uint32_t next;		/* where the next search begins */
};

/* `low` is at least 1: DSP address 0 means "none". */
void space_init(struct space *space, uint32_t low);

/* Find `pages` neighbours and enter them as `range`. -ENOSPC. */
int space_take(struct space *space, struct space_range *range, uint32_t pages);
void space_give(struct space *space, struct space_range *range);

static inline uint32_t space_addr(const struct space_range *range)
{
	return range->first * SPACE_PAGE;
}
