/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Invocations: arguments of the program to arguments of the protocol, and outputs back. What the
 * reply says is only used where it is exactly what this call asked for; nothing is written beyond
 * an output.
 */
#include "internal.h"

#include <errno.h>
#include <fastrpc.h>
#include <stdlib.h>
#include <string.h>

/* The groups of arguments, in the order in which they stand. */
enum group { GROUP_IN, GROUP_OUT, GROUP_IN_HANDLE, GROUP_OUT_HANDLE, N_GROUPS };

static const struct {
	uint8_t group;
	uint8_t kind; /* enum qda_arg_kind */
} types[] = {
	[QDA_IN] = { GROUP_IN, QDA_ARG_INLINE },
	[QDA_IN_BUFFER] = { GROUP_IN, QDA_ARG_BUFFER },
	[QDA_OUT] = { GROUP_OUT, QDA_ARG_INLINE },
	[QDA_OUT_BUFFER] = { GROUP_OUT, QDA_ARG_BUFFER },
	[QDA_IN_KEY] = { GROUP_IN_HANDLE, QDA_ARG_KEY },
	[QDA_IN_NUMBER] = { GROUP_IN_HANDLE, QDA_ARG_NUMBER },
	[QDA_IN_MODULE] = { GROUP_IN_HANDLE, QDA_ARG_MODULE },
	[QDA_OUT_MODULE] = { GROUP_OUT_HANDLE, QDA_ARG_MODULE },
	[QDA_OUT_NUMBER] = { GROUP_OUT_HANDLE, QDA_ARG_NUMBER },
};

static const char *const group_names[N_GROUPS] = { "in", "out", "in handle", "out handle" };
static const unsigned group_max[N_GROUPS] = { 255, 255, 15, 15 };

/* --- checks --- */

/* Count the groups and make the scalars of them. */
static int make_scalars(uint32_t method, const struct qda_arg *args, unsigned n_args, uint32_t *sc,
			struct qda_error *err)
{
	unsigned counts[N_GROUPS] = { 0 };
	unsigned last = GROUP_IN;

	if (n_args && !args)
		return qda_fail(err, -EINVAL, "%u arguments at NULL", n_args);
	for (unsigned i = 0; i < n_args; i++) {
		unsigned group;

		if ((unsigned)args[i].type >= sizeof(types) / sizeof(types[0]))
			return qda_fail(err, -EINVAL, "argument %u has no known type (%u)", i,
					(unsigned)args[i].type);
		group = types[args[i].type].group;
		if (group < last)
			return qda_fail(
				err, -EINVAL,
				"argument %u (%s) stands behind an argument of "
				"kind \"%s\": the order is in, out, in handles, out handles",
				i, group_names[group], group_names[last]);
		if (++counts[group] > group_max[group])
			return qda_fail(err, -EINVAL, "more than %u arguments of kind \"%s\"",
					group_max[group], group_names[group]);
		last = group;
	}
	*sc = fastrpc_sc(0, method < 31 ? method : 31, counts[GROUP_IN], counts[GROUP_OUT],
			 counts[GROUP_IN_HANDLE], counts[GROUP_OUT_HANDLE]);
	return 0;
}

/* Methods whose number the scalars cannot hold: it must begin the first in argument. */
static int check_method(uint32_t method, const struct qda_arg *args, unsigned n_args,
			struct qda_error *err)
{
	const void *first = NULL;
	uint32_t number;

	if (method < 31)
		return 0;
	if (n_args && args[0].length >= sizeof(number)) {
		if (args[0].type == QDA_IN)
			first = args[0].in;
		else if (args[0].type == QDA_IN_BUFFER && args[0].buffer->data &&
			 args[0].offset <= args[0].buffer->size - sizeof(number))
			first = (const uint8_t *)args[0].buffer->data + args[0].offset;
	}
	if (first)
		memcpy(&number, first, sizeof(number));
	if (!first || number != method)
		return qda_fail(err, -EINVAL,
				"method %u: methods from 31 on are sent as 31, so the first in "
				"argument must begin with the number, as 32 bits",
				method);
	return 0;
}

static int check_arg(const struct qda_module *m, unsigned i, const struct qda_arg *a,
		     struct qda_error *err)
{
	size_t end;

	switch (a->type) {
	case QDA_IN:
	case QDA_OUT:
		if (a->length && !a->in)
			return qda_fail(err, -EINVAL, "argument %u: %zu bytes at NULL", i,
					a->length);
		return 0;
	case QDA_IN_BUFFER:
	case QDA_OUT_BUFFER:
		if (!a->buffer || a->buffer->client != m->session->client)
			return qda_fail(err, -EINVAL, "argument %u: no buffer of this connection",
					i);
		if (__builtin_add_overflow(a->offset, a->length, &end) || end > a->buffer->size)
			return qda_fail(err, -EINVAL,
					"argument %u: offset %zu and length %zu leave "
					"the buffer of %zu bytes",
					i, a->offset, a->length, a->buffer->size);
		return 0;
	case QDA_IN_MODULE:
		if (!a->module || a->module->session != m->session)
			return qda_fail(err, -EINVAL, "argument %u: no module of this session", i);
		return 0;
	case QDA_OUT_MODULE:
	case QDA_OUT_NUMBER:
		if (!a->out_number)
			return qda_fail(err, -EINVAL, "argument %u: NULL for an output", i);
		return 0;
	case QDA_IN_KEY:
	case QDA_IN_NUMBER:
		return 0;
	}
	return 0;
}

/* --- arguments of the protocol --- */

static int grow(struct qda_call *call, unsigned n, struct qda_error *err)
{
	struct qda_msg_arg *args;
	struct qda_output *outputs;

	if (n <= call->room)
		return 0;
	if (n > QDA_ARGS_MAX)
		return qda_fail(err, -EINVAL, "%u arguments, at most %u are possible", n,
				QDA_ARGS_MAX);
	args = calloc(n, sizeof(*args));
	outputs = calloc(n, sizeof(*outputs));
	if (!args || !outputs) {
		free(args);
		free(outputs);
		return qda_fail(err, -ENOMEM, "no memory for %u arguments", n);
	}
	if (call->args != call->small_args) {
		free(call->args);
		free(call->outputs);
	}
	call->args = args;
	call->outputs = outputs;
	call->room = n;
	return 0;
}

/* Where the lowest inline argument stands: all others are told relative to it, since only
 * differences matter and our addresses are nobody's business. */
static uintptr_t lowest(const struct qda_arg *args, unsigned n_args)
{
	uintptr_t low = UINTPTR_MAX;

	for (unsigned i = 0; i < n_args; i++) {
		if (types[args[i].type].kind != QDA_ARG_INLINE || !args[i].length)
			continue;
		if ((uintptr_t)args[i].in < low)
			low = (uintptr_t)args[i].in;
	}
	return low;
}

static struct qda_msg_arg wire_arg(const struct qda_arg *a, uintptr_t low)
{
	struct qda_msg_arg out = { .kind = types[a->type].kind };

	switch (a->type) {
	case QDA_IN:
	case QDA_OUT:
		out.ref = a->length ? (uintptr_t)a->in - low : 0;
		out.length = a->length;
		break;
	case QDA_IN_BUFFER:
	case QDA_OUT_BUFFER:
		out = (struct qda_msg_arg){ out.kind, a->buffer->number, a->offset, a->length };
		break;
	case QDA_IN_KEY:
		out = (struct qda_msg_arg){ out.kind, a->key, a->offset, a->length };
		break;
	case QDA_IN_NUMBER:
		out.ref = a->number;
		break;
	case QDA_IN_MODULE:
		out.ref = a->module->handle;
		break;
	case QDA_OUT_MODULE:
	case QDA_OUT_NUMBER:
		break;
	}
	return out;
}

/* Note down where an output goes. */
static int add_output(struct qda_call *call, const struct qda_arg *a, struct qda_error *err)
{
	struct qda_output *o = &call->outputs[call->n_outputs];

	*o = (struct qda_output){ .type = a->type, .length = a->length };
	switch (a->type) {
	case QDA_OUT:
		o->bytes = a->out;
		break;
	case QDA_OUT_NUMBER:
		o->number = a->out_number;
		call->n_out_handles++;
		break;
	case QDA_OUT_MODULE:
		o->module = a->out_module;
		o->fresh = calloc(1, sizeof(*o->fresh));
		if (!o->fresh)
			return qda_fail(err, -ENOMEM, "no memory for a module");
		call->n_out_handles++;
		break;
	default:
		return 0;
	}
	call->n_outputs++;
	return 0;
}

static size_t add_saturated(size_t a, size_t b)
{
	size_t sum;

	return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
}

/* What is passed by value, in and out, and that it fits. */
static int sum_sizes(struct qda_call *call, const struct qda_arg *args, unsigned n_args,
		     struct qda_error *err)
{
	size_t limit = call->client->limits.inline_bytes, all;

	for (unsigned i = 0; i < n_args; i++) {
		if (args[i].type == QDA_IN)
			call->in_bytes = add_saturated(call->in_bytes, args[i].length);
		else if (args[i].type == QDA_OUT)
			call->out_bytes = add_saturated(call->out_bytes, args[i].length);
	}
	all = add_saturated(call->in_bytes, call->out_bytes);
	if (all > limit)
		return qda_fail(err, -EMSGSIZE,
				"inputs and outputs passed by value come to %zu bytes, at most %zu "
				"fit: use a buffer (qda_buffer_alloc; qdactl: inbuf:, outbuf:)",
				all, limit);
	return 0;
}

static int prepare(struct qda_call *call, const struct qda_module *m, const struct qda_arg *args,
		   unsigned n_args, struct qda_error *err)
{
	uintptr_t low;
	int r = grow(call, n_args, err);

	for (unsigned i = 0; r == 0 && i < n_args; i++) {
		r = check_arg(m, i, &args[i], err);
		if (r == 0)
			r = add_output(call, &args[i], err);
	}
	if (r == 0)
		r = sum_sizes(call, args, n_args, err);
	if (r)
		return r;
	low = lowest(args, n_args);
	for (unsigned i = 0; i < n_args; i++)
		call->args[i] = wire_arg(&args[i], low);
	return 0;
}

/* --- outputs --- */

static void give_module(struct qda_call *call, struct qda_output *o, uint64_t handle)
{
	struct qda_session *s = qda_session_find(call->client, call->session);

	*o->module = NULL;
	if (!handle || !s)
		return;
	qda_module_adopt(o->fresh, s, handle);
	*o->module = o->fresh;
	o->fresh = NULL;
}

static void give_outputs(struct qda_call *call, const struct qda_delivery *in)
{
	const struct qda_msg_out_handle *handle = in->reply->invoke.out_handles;
	const uint8_t *p = in->tail;

	for (unsigned i = 0; i < call->n_outputs; i++) {
		struct qda_output *o = &call->outputs[i];

		switch (o->type) {
		case QDA_OUT:
			if (o->length)
				memcpy(o->bytes, p, o->length);
			p += o->length;
			break;
		case QDA_OUT_NUMBER:
			*o->number = (handle++)->number;
			break;
		case QDA_OUT_MODULE:
			give_module(call, o, (handle++)->handle);
			break;
		default:
			break;
		}
	}
}

static int take_invoke(void *data, const struct qda_delivery *in, struct qda_error *err)
{
	struct qda_call *call = data;
	int32_t result = in->reply->invoke.dsp_result;

	call->times.dsp_ns = in->reply->invoke.dsp_ns;
	call->times.queue_ns = in->reply->invoke.queue_ns;
	if (result) {
		if (in->n_tail || in->reply->invoke.n_out_handles)
			return TAKE_BROKEN;
		qda_fail(err, -EREMOTEIO, "method %u returned %d (%s)", call->method, result,
			 qda_strcode((uint32_t)result));
		if (err) {
			err->dsp_result = result;
			err->aee = (uint32_t)result;
		}
		return -EREMOTEIO;
	}
	if (in->n_tail != call->out_bytes ||
	    in->reply->invoke.n_out_handles != call->n_out_handles)
		return TAKE_BROKEN;
	give_outputs(call, in);
	return 0;
}

/* --- calls --- */

static int take_options(const struct qda_call_options *options, struct qda_call *call,
			struct qda_msg_request *request, struct qda_error *err)
{
	call->times = options ? *options : (struct qda_call_options){ 0 };
	call->times.dsp_ns = call->times.queue_ns = 0;
	if (call->times.priority < QDA_PRIORITY_LOW || call->times.priority > QDA_PRIORITY_URGENT)
		return qda_fail(err, -EINVAL, "priority %d: from low (%d) to urgent (%d)",
				call->times.priority, QDA_PRIORITY_LOW, QDA_PRIORITY_URGENT);
	request->invoke.timeout_us = call->times.timeout_us;
	request->invoke.priority = call->times.priority;
	request->invoke.flags = call->times.parked ? QDA_INVOKE_PARKED : 0;
	return 0;
}

static int start(struct qda_module *m, uint32_t method, const struct qda_arg *args, unsigned n_args,
		 const struct qda_call_options *options, struct qda_call *call,
		 struct qda_error *err)
{
	struct qda_msg_request request = { .type = QDA_TYPE_INVOKE };
	uint32_t sc = 0;
	int r;

	r = make_scalars(method, args, n_args, &sc, err);
	if (r == 0)
		r = prepare(call, m, args, n_args, err);
	if (r == 0)
		r = check_method(method, args, n_args, err);
	if (r)
		return r;
	call->take = take_invoke;
	call->take_data = call;
	call->session = m->session->number;
	call->method = method;
	r = take_options(options, call, &request, err);
	if (r)
		return r;
	request.invoke.handle = m->handle;
	request.invoke.sc = sc;
	request.invoke.n_args = n_args;
	request.invoke.args = call->args;
	return qda_call_send(call, &request, args, n_args, NULL, 0, call->kind == CALL_SYNC, err);
}

int qda_invoke(struct qda_module *m, uint32_t method, const struct qda_arg *args, unsigned n_args,
	       struct qda_call_options *options, struct qda_error *err)
{
	struct qda_client *c = m->session->client;
	struct qda_call *call;
	int r = qda_may_wait(c, err);

	if (r)
		return r;
	call = qda_call_new(c, QDA_TYPE_INVOKE, CALL_SYNC, err);
	if (!call)
		return -ENOMEM;
	r = start(m, method, args, n_args, options, call, err);
	if (r == 0) {
		r = qda_call_wait(call);
		if (options)
			*options = call->times;
	}
	qda_call_free(call);
	return r;
}

int qda_submit(struct qda_module *m, uint32_t method, const struct qda_arg *args, unsigned n_args,
	       const struct qda_call_options *options, qda_call_fn fn, void *data,
	       struct qda_call **out, struct qda_error *err)
{
	struct qda_client *c = m->session->client;
	struct qda_call *call;
	int r = qda_usable(c, err);

	if (r == 0 && !fn)
		r = qda_fail(err, -EINVAL, "no function to call when the call ends: fn is NULL");
	if (r)
		return r;
	call = qda_call_new(c, QDA_TYPE_INVOKE, CALL_ASYNC, err);
	if (!call)
		return -ENOMEM;
	call->fn = fn;
	call->data = data;
	/* Before it is sent: its callback may be over before we return. */
	if (out)
		*out = call;
	r = start(m, method, args, n_args, options, call, err);
	if (r) {
		if (out)
			*out = NULL;
		qda_call_free(call);
	}
	return r;
}

int qda_cancel(struct qda_client *c, struct qda_call *call)
{
	struct qda_msg_request request = { .type = QDA_TYPE_CANCEL };
	struct qda_call *mute;
	int r = call ? qda_usable(c, NULL) : -EINVAL;

	if (r)
		return r;
	request.cancel.serial = call->serial;
	mute = qda_call_new(c, QDA_TYPE_CANCEL, CALL_MUTE, NULL);
	if (!mute)
		return -ENOMEM;
	r = qda_call_send(mute, &request, NULL, 0, NULL, 0, false, NULL);
	if (r)
		qda_call_free(mute);
	return r;
}
