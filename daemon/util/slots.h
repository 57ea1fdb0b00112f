/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A table from 64-bit ids to objects: handles given to one client, cookies given to a device. An id
 * is index, generation and a random tag; a stale, guessed or foreign id finds nothing. Look-up is
 * constant time, ids of removed entries are not used again until the generation wraps (2^20 reuses
 * of one index) and then with another tag.
 */
#pragma once

#include <stdint.h>

struct qda_slot {
	void *object;		/* NULL: free */
	uint32_t generation;
	uint32_t tag;		/* 24 bits */
	uint32_t kind;
	uint32_t next_free;
};

struct qda_slots {
	struct qda_slot *slots;
	uint32_t n_slots;	/* allocated */
	uint32_t n_used;
	uint32_t free_head;	/* index + 1 of the one freed longest ago; 0 none */
	uint32_t free_tail;
};

#define QDA_SLOTS_NULL ((struct qda_slots){ 0 })
#define QDA_SLOTS_MAX (1u << 20)

void qda_slots_deinit(struct qda_slots *slots);

/* Give `object` an id that is never 0. `random` is 24 bits from the caller. 0, -ENOMEM, -ENOSPC. */
int qda_slots_add(struct qda_slots *slots, void *object, uint32_t kind, uint32_t random,
		  uint64_t *id);

/* The object behind an id, or NULL when there is none or it is of another kind. */
void *qda_slots_get(const struct qda_slots *slots, uint64_t id, uint32_t kind);

/* The same for any kind, which goes to *kind. */
void *qda_slots_get_any(const struct qda_slots *slots, uint64_t id, uint32_t *kind);

void qda_slots_remove(struct qda_slots *slots, uint64_t id);

/* Walk: the first object of `kind` at or after index *at (then advanced behind it), or NULL at the
 * end. */
void *qda_slots_next(const struct qda_slots *slots, uint32_t kind, uint32_t *at);
