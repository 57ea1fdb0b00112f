// SPDX-License-Identifier: BSD-3-Clause
/*
 * Keys of the soft device: buffers shown to a PD under a number. One operation at a time runs in a
 * session, since they share its control page; a PD that never answers holds up nobody but itself.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "device/soft.h"

static int compare(const struct soft_key *a, const struct soft_key *b)
{
	return a->key < b->key ? -1 : a->key > b->key;
}

RB_GENERATE_STATIC(soft_key_tree, soft_key, node, compare)

static struct soft_key *key_of(struct soft_op *op)
{
	return (struct soft_key *)((char *)op - offsetof(struct soft_key, op));
}

static struct soft_key *find(struct qda_device_session *session, uint64_t number)
{
	struct soft_key wanted = { .key = (uint32_t)number };

	return number > INT_MAX ? NULL : RB_FIND(soft_key_tree, &session->keys, &wanted);
}

struct soft_key *soft_key_find(struct qda_device_session *session, uint64_t number)
{
	struct soft_key *key = find(session, number);

	return key && key->state == SOFT_KEY_MAPPED ? key : NULL;
}

static void key_free(struct soft_key *key)
{
	RB_REMOVE(soft_key_tree, &key->session->keys, key);
	key->session->n_keys--;
	soft_mapping_put(key->mapping);
	free(key);
}

static void start_next(struct qda_device_session *session)
{
	struct soft_key *key = TAILQ_FIRST(&session->key_queue);

	if (key)
		soft_op_start(session, &key->op);
}

/* Queue key->op; it runs when those before it have ended. */
static void enqueue(struct soft_key *key, enum soft_key_state state, uint64_t cookie)
{
	struct qda_device_session *session = key->session;
	bool idle = TAILQ_EMPTY(&session->key_queue);

	key->state = state;
	key->cookie = cookie;
	TAILQ_INSERT_TAIL(&session->key_queue, key, link);
	if (idle)
		start_next(session);
}

/* The key's own state is settled before its owner hears of it. */
static void on_op_done(struct soft_op *op, int err, int32_t result, uint64_t answer)
{
	struct soft_key *key = key_of(op);
	struct qda_device_session *session = key->session;
	struct qda_device_done done = { .err = err, .result = result };
	uint64_t cookie = key->cookie;
	bool unknown = (uint32_t)result == FASTRPC_ENOSUCHMAP;

	TAILQ_REMOVE(&session->key_queue, key, link);
	if (key->state == SOFT_KEY_MAPPING && !err) {
		key->state = SOFT_KEY_MAPPED;
		key->dsp_addr = done.dsp_addr = answer;
	} else if (key->state == SOFT_KEY_UNMAPPING && err && !unknown) {
		key->state = SOFT_KEY_MAPPED;
	} else {
		key_free(key);
	}
	start_next(session);
	soft_done(session->soft, cookie, &done);
}

static void fill_op(struct soft_key *key, enum fastrpc_process_method method)
{
	key->op.pool = SOFT_POOL_CALLS;
	key->op.page = SOFT_CTL_OP;
	key->op.done = on_op_done;
	key->op.ctl = (struct fastrpc_ctl){
		.method = method,
		.client_id = key->session->client,
		.key = (int32_t)key->key,
		.mem_addr = soft_addr(key->session->bank, key->addr),
		.mem_len = key->size,
		.vaddr = method == FASTRPC_PROCESS_MEM_UNMAP ? key->dsp_addr : 0,
	};
}

static int usable(const struct qda_device_session *session)
{
	if (session->closing)
		return -ECANCELED;
	/* While sessions hear one by one that the DSP is gone, the rest of them are still open. */
	if (session->soft->link != SOFT_LINK_UP)
		return -EPIPE;
	if (session->state == SOFT_OPEN)
		return 0;
	return session->state == SOFT_OPENING ? -ENOTCONN : -ECONNRESET;
}

int soft_map(struct qda_device_session *session, struct qda_device_buffer *buffer, uint32_t number,
	     uint64_t offset, uint64_t size, uint64_t cookie)
{
	struct soft_key *key;
	uint64_t end;
	int r = usable(session);

	if (r < 0)
		return r;
	if (number > INT_MAX || !size || (offset | size) % SOFT_PAGE ||
	    __builtin_add_overflow(offset, size, &end) || end > buffer->size)
		return -EINVAL;
	if (find(session, number))
		return -EEXIST;
	if (session->n_keys >= SOFT_KEYS_MAX)
		return -ENOSPC;
	key = calloc(1, sizeof(*key));
	if (!key)
		return -ENOMEM;
	r = soft_mapping_get(session, buffer, &key->mapping);
	if (r < 0) {
		free(key);
		return r;
	}
	key->session = session;
	key->key = number;
	key->addr = space_addr(&key->mapping->range) + (uint32_t)offset;
	key->size = size;
	RB_INSERT(soft_key_tree, &session->keys, key);
	session->n_keys++;
	fill_op(key, FASTRPC_PROCESS_MEM_MAP);
	enqueue(key, SOFT_KEY_MAPPING, cookie);
	return 0;
}

int soft_unmap(struct qda_device_session *session, uint32_t number, uint64_t cookie)
{
	struct soft_key *key = find(session, number);
	int r = usable(session);

	if (r < 0)
		return r;
	if (!key)
		return -ENOENT;
	if (key->state != SOFT_KEY_MAPPED)
		return -EBUSY;
	fill_op(key, FASTRPC_PROCESS_MEM_UNMAP);
	enqueue(key, SOFT_KEY_UNMAPPING, cookie);
	return 0;
}

void soft_keys_fail(struct qda_device_session *session, int err)
{
	struct soft_key *key;

	while ((key = TAILQ_FIRST(&session->key_queue))) {
		TAILQ_REMOVE(&session->key_queue, key, link);
		/* The object stays: its record may still be in the queue of the control channel. */
		soft_op_cancel(&key->op);
		soft_done_err(session->soft, key->cookie, err, 0);
	}
}

void soft_keys_drop(struct qda_device_session *session)
{
	struct soft_key *key;

	while ((key = RB_MIN(soft_key_tree, &session->keys))) {
		soft_op_cancel(&key->op);
		key_free(key);
	}
}
