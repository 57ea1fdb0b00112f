// SPDX-License-Identifier: BSD-3-Clause
/*
 * Calls: see call.h. The message and the payload are the host's and hostile; fastrpc_parse()
 * copies every descriptor once, and only the copies are used. What the buffers hold is the skel's
 * business.
 */
#include <string.h>
#include <unistd.h>

#include "attributes.h"
#include "call.h"
#include "crash.h"
#include "handle.h"
#include "module.h"
#include "order.h"
#include "remotectl.h"
#include "transport.h"

#define MAX_HANDLE_ARGS 15u
#define CURRENT_EXIT	2u
#define FIRST_DYNAMIC	0x100u

struct invocation {
	struct transport *transport;
	const struct fastrpc_msg *msg;
	struct call_scratch *scratch;
	struct module *module;
	uint64_t value;
	struct module *lent[MAX_HANDLE_ARGS]; /* modules of in handles, held while the call runs */
	uint32_t n_lent;
	uint32_t out[MAX_HANDLE_ARGS]; /* reserved for out handles that are to be remote */
	uint32_t n_out;
};

/* --- arguments --- */

static void place_buffers(struct invocation *inv)
{
	const struct fastrpc_dsp_arg *args = inv->scratch->args;
	remote_arg *pra = inv->scratch->pra;
	const uint32_t n = fastrpc_sc_bufs(inv->msg->sc);

	for (uint32_t i = 0; i < n; i++) {
		pra[i].buf.pv = args[i].length ? inv->transport->base + args[i].addr : NULL;
		pra[i].buf.nLen = args[i].length;
	}
}

/* A number that is an open remote handle of this PD stands for the skel's own value of it. */
static void place_in_handle(struct invocation *inv, const struct fastrpc_dsp_arg *arg,
			    remote_arg *pra)
{
	struct module *module;
	uint64_t value;

	memset(pra, 0, sizeof(*pra));
	if (arg->kind == FASTRPC_ARG_KEY) {
		pra->dma.fd = (int32_t)arg->key;
		pra->dma.offset = arg->offset;
		return;
	}
	pra->h64 = arg->number;
	if (arg->number > UINT32_MAX || handle_get(arg->number, &module, &value))
		return;
	pra->h64 = value;
	inv->lent[inv->n_lent++] = module;
}

/* The older entry has no handles: what it leaves are numbers. */
static bool wants_remote(const struct invocation *inv, uint32_t i)
{
	const uint32_t sc = inv->msg->sc;
	const uint32_t first = fastrpc_sc_args(sc) - fastrpc_sc_out_handles(sc);

	return inv->module->has_handles &&
	       inv->scratch->args[first + i].number == FASTRPC_OUT_REMOTE;
}

static int place_handles(struct invocation *inv)
{
	const uint32_t sc = inv->msg->sc;
	const uint32_t ins = fastrpc_sc_bufs(sc), outs = ins + fastrpc_sc_in_handles(sc);

	for (uint32_t i = ins; i < outs; i++)
		place_in_handle(inv, &inv->scratch->args[i], &inv->scratch->pra[i]);
	memset(&inv->scratch->pra[outs], 0, fastrpc_sc_out_handles(sc) * sizeof(remote_arg));
	for (uint32_t i = 0; i < fastrpc_sc_out_handles(sc); i++)
		inv->n_out += wants_remote(inv, i);
	return handle_reserve(inv->out, inv->n_out);
}

/* Where a remote handle is wanted, what the skel left becomes one of the same module. */
static void leave_out_handles(struct invocation *inv, void *payload)
{
	const uint32_t sc = inv->msg->sc;
	const uint32_t n = fastrpc_sc_out_handles(sc);
	const remote_arg *pra = &inv->scratch->pra[fastrpc_sc_args(sc) - n];

	for (uint32_t i = 0, made = 0; i < n; i++) {
		uint64_t number = pra[i].h64;

		if (wants_remote(inv, i)) {
			handle_open(inv->out[made], inv->module, number);
			number = inv->out[made++];
		}
		fastrpc_set_out_handle(payload, sc, i, number);
	}
}

/* --- skels --- */

/* Methods from 31 on do not fit the scalars: the number is then the first word sent. */
static void enter(const struct invocation *inv)
{
	const uint32_t method = fastrpc_sc_method(inv->msg->sc);
	const remote_arg *first = &inv->scratch->pra[0];
	uint32_t number;

	crash_enter(inv->module->name, method);
	if (method != REMOTE_METHOD_EXTENDED || !fastrpc_sc_in(inv->msg->sc) ||
	    first->buf.nLen < sizeof(number))
		return;
	memcpy(&number, first->buf.pv, sizeof(number));
	crash_enter(inv->module->name, number);
}

static uint32_t run(const struct invocation *inv)
{
	remote_arg *pra = inv->scratch->pra;
	uint32_t result;

	enter(inv);
	if (inv->module->has_handles)
		result = inv->module->invoke_handle(inv->value, inv->msg->sc, pra);
	else
		result = inv->module->invoke(inv->msg->sc, pra);
	crash_leave();
	return result;
}

static uint32_t invoke_skel(struct invocation *inv, void *payload)
{
	uint32_t result;

	if (handle_get(inv->msg->handle, &inv->module, &inv->value))
		return FASTRPC_EINVHANDLE;
	place_buffers(inv);
	if (place_handles(inv) < 0) {
		inv->n_out = 0;
		result = FASTRPC_ENOMEMORY;
	} else {
		result = run(inv);
		if (!result)
			leave_out_handles(inv, payload);
	}
	for (uint32_t i = 0; result && i < inv->n_out; i++)
		handle_cancel(inv->out[i]);
	for (uint32_t i = 0; i < inv->n_lent; i++)
		module_unref(inv->lent[i]);
	module_unref(inv->module);
	return result;
}

/* --- handles that always exist --- */

/* The response must be out before the process is gone. */
static uint32_t current_process(struct invocation *inv)
{
	if (fastrpc_sc_method(inv->msg->sc) != CURRENT_EXIT)
		return FASTRPC_EUNSUPPORTED;
	inv->transport->ops->reply(inv->transport, inv->msg->ctx, 0);
	_exit(PD_EXIT_DONE);
}

static uint32_t dispatch(struct invocation *inv, void *payload)
{
	const struct fastrpc_dsp_arg *args = inv->scratch->args;
	const uint32_t method = fastrpc_sc_method(inv->msg->sc);
	uint8_t *base = inv->transport->base;

	switch (inv->msg->handle) {
	case 0: /* the older form: the same methods, two lower */
		return remotectl_call(base, method + 2, inv->msg->sc, args);
	case FASTRPC_HANDLE_REMOTECTL:
		return remotectl_call(base, method, inv->msg->sc, args);
	case FASTRPC_HANDLE_UTIL:
		return attributes_call(base, inv->msg->sc, args);
	case FASTRPC_HANDLE_CURRENT:
		return current_process(inv);
	}
	return inv->msg->handle < FIRST_DYNAMIC ? FASTRPC_EUNSUPPORTED : invoke_skel(inv, payload);
}

uint32_t call_run(struct transport *transport, struct call_scratch *scratch,
		  const struct fastrpc_msg *msg)
{
	struct invocation inv = { .transport = transport, .msg = msg, .scratch = scratch };
	void *payload = transport->base + (uint32_t)msg->addr;
	uint64_t readable;

	if (msg->client_id != transport->client)
		return FASTRPC_EBADPARM;
	if (msg->size && msg->addr >> 32 != transport->bank)
		return FASTRPC_EBADPARM;
	readable = transport->ops->readable(transport, msg->addr, msg->size);
	if (fastrpc_parse(msg, payload, readable, scratch->args) < 0)
		return FASTRPC_EBADPARM;
	return dispatch(&inv, payload);
}
