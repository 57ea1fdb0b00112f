// SPDX-License-Identifier: BSD-3-Clause
/*
 * Context ids, see soft_ids.h: two rings of free ids and a table of their owners.
 */
#include "device/soft_ids.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "fastrpc.h"

static void put(struct soft_pool *pool, uint8_t id)
{
	pool->ring[pool->tail++] = id;
	pool->n_free++;
}

void soft_ids_init(struct soft_ids *ids)
{
	memset(ids, 0, sizeof(*ids));
	for (unsigned id = 1; id <= FASTRPC_MAX_ID; id++)
		put(&ids->pools[id <= SOFT_IDS_CONTROL ? SOFT_POOL_CONTROL : SOFT_POOL_CALLS],
		    (uint8_t)id);
}

int soft_ids_take(struct soft_ids *ids, enum soft_pool_name name, struct soft_wait *wait)
{
	struct soft_pool *pool = &ids->pools[name];
	uint8_t id;

	assert(!wait->ctx);
	if (!pool->n_free)
		return -EBUSY;
	id = pool->ring[pool->head++];
	pool->n_free--;
	ids->owner[id] = wait;
	wait->ctx = fastrpc_ctx(++ids->generation, id, FASTRPC_PD_USER);
	return 0;
}

void soft_ids_give(struct soft_ids *ids, struct soft_wait *wait)
{
	uint32_t id = fastrpc_ctx_id(wait->ctx);

	if (!wait->ctx)
		return;
	assert(ids->owner[id] == wait);
	ids->owner[id] = NULL;
	wait->ctx = 0;
	put(&ids->pools[id <= SOFT_IDS_CONTROL ? SOFT_POOL_CONTROL : SOFT_POOL_CALLS], (uint8_t)id);
}

struct soft_wait *soft_ids_find(const struct soft_ids *ids, uint64_t ctx)
{
	struct soft_wait *wait = ids->owner[fastrpc_ctx_id(ctx)];

	return wait && wait->ctx == ctx ? wait : NULL;
}
