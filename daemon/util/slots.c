/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ids to objects. Free slots form a queue, so that an index rests as long as possible before it is
 * used again.
 */
#include "util/slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_BITS	20
#define GENERATION_BITS 20
#define GENERATION_MASK ((1u << GENERATION_BITS) - 1)
#define TAG_MASK	0xffffffu

static uint64_t make_id(uint32_t index, const struct qda_slot *slot)
{
	return (uint64_t)slot->tag << (INDEX_BITS + GENERATION_BITS) |
	       (uint64_t)slot->generation << INDEX_BITS | index;
}

static struct qda_slot *find(const struct qda_slots *slots, uint64_t id)
{
	uint32_t index = id & (QDA_SLOTS_MAX - 1);
	struct qda_slot *slot;

	if (index >= slots->n_slots)
		return NULL;
	slot = &slots->slots[index];
	return slot->object && make_id(index, slot) == id ? slot : NULL;
}

static void put_free(struct qda_slots *slots, uint32_t index)
{
	slots->slots[index].object = NULL;
	slots->slots[index].next_free = 0;
	if (slots->free_tail)
		slots->slots[slots->free_tail - 1].next_free = index + 1;
	else
		slots->free_head = index + 1;
	slots->free_tail = index + 1;
}

static int grow(struct qda_slots *slots)
{
	uint32_t n = slots->n_slots ? slots->n_slots * 2 : 8;
	struct qda_slot *bigger;

	if (n > QDA_SLOTS_MAX)
		return -ENOSPC;
	bigger = realloc(slots->slots, n * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	memset(bigger + slots->n_slots, 0, (n - slots->n_slots) * sizeof(*bigger));
	slots->slots = bigger;
	for (uint32_t i = slots->n_slots; i < n; i++)
		put_free(slots, i);
	slots->n_slots = n;
	return 0;
}

void qda_slots_deinit(struct qda_slots *slots)
{
	free(slots->slots);
	*slots = QDA_SLOTS_NULL;
}

int qda_slots_add(struct qda_slots *slots, void *object, uint32_t kind, uint32_t random,
		  uint64_t *id)
{
	struct qda_slot *slot;
	uint32_t index;

	if (!slots->free_head) {
		int r = grow(slots);

		if (r < 0)
			return r;
	}
	index = slots->free_head - 1;
	slot = &slots->slots[index];
	slots->free_head = slot->next_free;
	if (!slots->free_head)
		slots->free_tail = 0;
	slot->generation = (slot->generation + 1) & GENERATION_MASK;
	if (!slot->generation)
		slot->generation = 1; /* so that no id is ever 0 */
	slot->tag = random & TAG_MASK;
	slot->object = object;
	slot->kind = kind;
	slots->n_used++;
	*id = make_id(index, slot);
	return 0;
}

void *qda_slots_get(const struct qda_slots *slots, uint64_t id, uint32_t kind)
{
	const struct qda_slot *slot = find(slots, id);

	return slot && slot->kind == kind ? slot->object : NULL;
}

void *qda_slots_get_any(const struct qda_slots *slots, uint64_t id, uint32_t *kind)
{
	const struct qda_slot *slot = find(slots, id);

	if (!slot)
		return NULL;
	*kind = slot->kind;
	return slot->object;
}

void qda_slots_remove(struct qda_slots *slots, uint64_t id)
{
	if (!find(slots, id))
		return;
	put_free(slots, id & (QDA_SLOTS_MAX - 1));
	slots->n_used--;
}

void *qda_slots_next(const struct qda_slots *slots, uint32_t kind, uint32_t *at)
{
	while (*at < slots->n_slots) {
		const struct qda_slot *slot = &slots->slots[(*at)++];

		if (slot->object && slot->kind == kind)
			return slot->object;
	}
	return NULL;
}
