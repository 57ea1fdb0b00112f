// SPDX-License-Identifier: BSD-3-Clause
/*
 * Calls of the soft device: the hot path. A call takes an object from the session's pool, an id, a
 * run of pages for its descriptors and one use of each mapping it names, and is sent with others of
 * the same round of the loop; its response gives all of it back before the owner hears of it, so
 * that the next call can be submitted from there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device/soft.h"

static int call_get(struct qda_device_session *session, unsigned n_args, struct soft_call **out)
{
	struct soft_call *call = TAILQ_FIRST(&session->spare);
	struct soft_mapping **uses;

	if (!call) {
		if (session->n_calls >= SOFT_SESSION_CALLS)
			return -EBUSY;
		call = calloc(1, sizeof(*call));
		if (!call)
			return -ENOMEM;
		call->wait.kind = SOFT_WAIT_CALL;
		call->wait.session = session;
		session->n_calls++;
		TAILQ_INSERT_HEAD(&session->spare, call, link);
	}
	if (n_args > call->room) {
		uses = reallocarray(call->uses, n_args, sizeof(*uses));
		if (!uses)
			return -ENOMEM;
		call->uses = uses;
		call->room = n_args;
	}
	TAILQ_REMOVE(&session->spare, call, link);
	*out = call;
	return 0;
}

/* Give back all that the call holds; it was in neither list. */
static void call_put(struct soft_call *call)
{
	struct qda_device_session *session = call->wait.session;

	while (call->n_uses)
		soft_mapping_put(call->uses[--call->n_uses]);
	if (call->pages)
		qda_runs_give(&session->runs, call->first, call->pages);
	call->pages = 0;
	soft_ids_give(&session->soft->ids, &call->wait);
	if (!TAILQ_EMPTY(&session->soft->starved))
		soft_later(session);
	TAILQ_INSERT_HEAD(&session->spare, call, link);
}

static int use(struct soft_call *call, struct qda_device_buffer *buffer, uint32_t *addr)
{
	struct soft_mapping *mapping;
	int r = soft_mapping_get(call->wait.session, buffer, &mapping);

	if (r < 0)
		return r;
	call->uses[call->n_uses++] = mapping;
	*addr = space_addr(&mapping->range);
	return 0;
}

static int put_buffer(struct soft_call *call, const struct qda_device_arg *arg, bool out,
		      struct fastrpc_arg *to)
{
	uint64_t end;
	uint32_t addr;
	int r;

	*to = (struct fastrpc_arg){ .kind = FASTRPC_ARG_BUFFER };
	if (!arg->length)
		return 0;
	if (!arg->buffer || __builtin_add_overflow(arg->offset, arg->length, &end) ||
	    end > arg->buffer->size)
		return -EINVAL;
	if (out && arg->buffer->read_only)
		return -EACCES;
	r = use(call, arg->buffer, &addr);
	if (r < 0)
		return r;
	to->addr = soft_addr(call->wait.session->bank, addr + (uint32_t)arg->offset);
	to->length = arg->length;
	return 0;
}

static int put_key(struct soft_call *call, const struct qda_device_arg *arg, struct fastrpc_arg *to)
{
	struct soft_key *key = soft_key_find(call->wait.session, arg->number);
	uint64_t end;

	if (!key)
		return -ENOENT;
	if (__builtin_add_overflow(arg->offset, arg->length, &end) || end > key->size)
		return -EINVAL;
	key->mapping->uses++;
	call->uses[call->n_uses++] = key->mapping;
	*to = (struct fastrpc_arg){
		.kind = FASTRPC_ARG_KEY,
		.key = key->key,
		.addr = soft_addr(call->wait.session->bank, key->addr),
		.offset = (uint32_t)arg->offset,
		.length = arg->length,
		.size = (uint32_t)key->size,
	};
	return 0;
}

/* Turn places in buffers into DSP addresses: in buffers, out buffers, in handles, out handles. */
static int put_args(struct soft_call *call, uint32_t sc, const struct qda_device_arg *args,
		    struct fastrpc_arg *to)
{
	uint32_t in = fastrpc_sc_in(sc), bufs = fastrpc_sc_bufs(sc), n = fastrpc_sc_args(sc);
	int r = 0;

	for (uint32_t i = 0; i < n && !r; i++) {
		if (i < bufs)
			r = args[i].kind == QDA_DEVICE_ARG_BUFFER ?
				    put_buffer(call, &args[i], i >= in, &to[i]) : -EINVAL;
		else if (args[i].kind == QDA_DEVICE_ARG_KEY && i < bufs + fastrpc_sc_in_handles(sc))
			r = put_key(call, &args[i], &to[i]);
		else if (args[i].kind == QDA_DEVICE_ARG_NUMBER)
			to[i] = (struct fastrpc_arg){
				.kind = FASTRPC_ARG_NUMBER,
				.addr = args[i].number,
			};
		else
			r = -EINVAL;
	}
	return r;
}

static uint8_t *payload_of(const struct soft_call *call)
{
	return (uint8_t *)call->wait.session->messages->view + (size_t)call->first * SOFT_PAGE;
}

static void call_send(struct soft_call *call, uint32_t handle)
{
	struct qda_device_session *session = call->wait.session;
	uint64_t addr = soft_addr(session->bank, space_addr(&session->messages_mapping->range) +
				  call->first * SOFT_PAGE);
	struct fastrpc_msg msg;

	fastrpc_write_meta(payload_of(call), addr, call->sc, session->soft->args,
			   session->soft->places);
	fastrpc_request(&msg, session->client, 0, call->wait.ctx, handle, call->sc, addr,
			call->pages * SOFT_PAGE);
	call->record.kind = SOFTDSP_CALL;
	call->record.bank = session->bank;
	call->record.client = session->client;
	memcpy(call->record.call.msg, &msg, sizeof(msg));
	call->record.call.maps = session->maps;
	call->item.record = &call->record;
	call->item.size = SOFTDSP_SIZE(call);
	if (call == TAILQ_FIRST(&session->calls))
		soft_channel_send(&session->pd, &call->item); /* the PD has nothing to do */
	else
		soft_channel_post(&session->pd, &call->item);
}

/* What a call needs besides its arguments. */
static int call_prepare(struct soft_call *call, uint32_t sc)
{
	struct qda_device_session *session = call->wait.session;
	uint32_t pages = (fastrpc_meta_size(sc) + SOFT_PAGE - 1) / SOFT_PAGE;
	int first = qda_runs_take(&session->runs, pages);

	if (first < 0)
		return -EBUSY;
	call->first = (uint16_t)first;
	call->pages = (uint16_t)pages;
	call->sc = sc;
	return soft_ids_take(&session->soft->ids, SOFT_POOL_CALLS, &call->wait);
}

static int usable(const struct qda_device_session *session, uint32_t handle)
{
	if (handle == FASTRPC_HANDLE_PROCESS || handle == FASTRPC_HANDLE_UTIL)
		return -EPERM;
	if (session->closing)
		return -ECANCELED;
	if (session->state == SOFT_OPEN)
		return 0;
	return session->state == SOFT_OPENING ? -ENOTCONN : -ECONNRESET;
}

int soft_submit(struct qda_device_session *session, const struct qda_device_call *request,
		uint64_t cookie)
{
	struct soft_call *call;
	int r = usable(session, request->handle);

	if (r < 0)
		return r;
	r = call_get(session, fastrpc_sc_args(request->sc), &call);
	if (r < 0)
		return r;
	r = call_prepare(call, request->sc);
	if (!r)
		r = put_args(call, request->sc, request->args, session->soft->args);
	if (r < 0) {
		call_put(call);
		return r;
	}
	call->cookie = cookie;
	TAILQ_INSERT_TAIL(&session->calls, call, link);
	call_send(call, request->handle);
	return 0;
}

static void call_end(struct soft_call *call, int err, int32_t result)
{
	struct soft *soft = call->wait.session->soft;
	struct qda_device_done done = { .err = err, .result = result };
	uint32_t n = err || result ? 0 : fastrpc_sc_out_handles(call->sc);

	for (uint32_t i = 0; i < n; i++)
		done.out_handles[i] = fastrpc_out_handle(payload_of(call), call->sc, i);
	TAILQ_REMOVE(&call->wait.session->calls, call, link);
	call_put(call);
	soft_done(soft, call->cookie, &done);
}

void soft_call_response(struct soft_call *call, int32_t result)
{
	call_end(call, 0, result);
}

void soft_calls_fail(struct qda_device_session *session, int err)
{
	struct soft_call *call;

	while ((call = TAILQ_FIRST(&session->calls)))
		call_end(call, err, 0);
}

static void drop(struct soft_calls *list)
{
	struct soft_call *call;

	while ((call = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, call, link);
		soft_ids_give(&call->wait.session->soft->ids, &call->wait);
		free(call->uses);
		free(call);
	}
}

void soft_calls_drop(struct qda_device_session *session)
{
	drop(&session->calls);
	drop(&session->spare);
}
