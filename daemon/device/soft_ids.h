/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Context ids of one DSP: who waits for which response. An id is one byte on the wire, so there are
 * 255 of them; some are kept for the creation and release of protection domains, which calls can
 * then never starve. Ids are reused as late as possible, and each use has a generation of its own:
 * a late, duplicate or forged context word finds nobody.
 */
#pragma once

#include <stdint.h>

#define SOFT_IDS_CONTROL 16u			/* ids 1..16 */
#define SOFT_IDS_CALLS (255u - SOFT_IDS_CONTROL)	/* ids 17..255 */

struct qda_device_session;

enum soft_wait_kind { SOFT_WAIT_CALL, SOFT_WAIT_OP };

/* Somebody who waits for a response; first member of what it is embedded in. */
struct soft_wait {
	uint64_t ctx;		/* 0: waits for none */
	enum soft_wait_kind kind;
	struct qda_device_session *session;
};

enum soft_pool_name { SOFT_POOL_CONTROL, SOFT_POOL_CALLS, SOFT_POOLS };

struct soft_pool {
	uint8_t ring[256];	/* free ids, the one freed longest ago at head */
	uint8_t head, tail;
	unsigned n_free;
};

struct soft_ids {
	struct soft_wait *owner[256];
	uint64_t generation;
	struct soft_pool pools[SOFT_POOLS];
};

void soft_ids_init(struct soft_ids *ids);

/* Sets wait->ctx. -EBUSY when all ids of that pool are in use. */
int soft_ids_take(struct soft_ids *ids, enum soft_pool_name pool, struct soft_wait *wait);

/* Nothing when it waits for none. */
void soft_ids_give(struct soft_ids *ids, struct soft_wait *wait);

/* Who waits for exactly this context word, or NULL. */
struct soft_wait *soft_ids_find(const struct soft_ids *ids, uint64_t ctx);
