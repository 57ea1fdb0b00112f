/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Invoke: arguments as pairs of a kind and a value, and the outputs back. What core gets is what
 * the socket front would give it: inline bytes one after the other, and where they would stand at a
 * caller that has all of them apart.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "codec.h"
#include "core/module.h"
#include "fastrpc.h"
#include "front/dbus/internal.h"

#define INLINE_APART 64u /* bytes between inline arguments, where they are said to stand */

/* In the order in which arguments stand. */
enum group { GROUP_IN, GROUP_OUT, GROUP_IN_HANDLE, GROUP_OUT_HANDLE, GROUPS };

enum shape { SHAPE_BYTES, SHAPE_LENGTH, SHAPE_PLACE, SHAPE_NUMBER, SHAPE_NOTHING };

static const struct kind {
	const char *name;
	enum group group;
	enum shape shape;
	enum qda_call_arg_kind kind;
} kinds[] = {
	{ "in", GROUP_IN, SHAPE_BYTES, QDA_CALL_INLINE },
	{ "in-buffer", GROUP_IN, SHAPE_PLACE, QDA_CALL_BUFFER },
	{ "out", GROUP_OUT, SHAPE_LENGTH, QDA_CALL_INLINE },
	{ "out-buffer", GROUP_OUT, SHAPE_PLACE, QDA_CALL_BUFFER },
	{ "in-key", GROUP_IN_HANDLE, SHAPE_PLACE, QDA_CALL_KEY },
	{ "in-number", GROUP_IN_HANDLE, SHAPE_NUMBER, QDA_CALL_NUMBER },
	{ "in-module", GROUP_IN_HANDLE, SHAPE_NUMBER, QDA_CALL_MODULE },
	{ "out-number", GROUP_OUT_HANDLE, SHAPE_NOTHING, QDA_CALL_NUMBER },
	{ "out-module", GROUP_OUT_HANDLE, SHAPE_NOTHING, QDA_CALL_MODULE },
};

static const char *const shapes[] = {
	[SHAPE_BYTES] = "ay",	 [SHAPE_LENGTH] = "t",	[SHAPE_PLACE] = "(ttt)",
	[SHAPE_NUMBER] = "t",	 [SHAPE_NOTHING] = "b",
};

static const unsigned group_max[GROUPS] = { 255, 255, 15, 15 };

/* A call while it is read. */
struct reading {
	struct qda_dbus *dbus;
	sd_bus_message *message;
	struct qda_call_arg args[QDA_CALL_MAX_ARGS];
	uint32_t n_args;
	unsigned counts[GROUPS];
	enum group last;
	size_t n_in;			/* bytes in dbus->bytes */
	uint64_t n_inline;		/* in and out */
	uint64_t at;			/* where the next one stands */
	uint32_t outs[255];
	uint16_t n_outs;
};

/* --- arguments --- */

static int take_inline(struct reading *r, struct qda_call_arg *arg, uint64_t length,
		       struct qda_fail *fail)
{
	if (length > QDA_DBUS_INLINE_MAX || r->n_inline + length > QDA_DBUS_INLINE_MAX)
		return qda_fail(fail, EMSGSIZE,
				"argument %u: more than %u bytes of inline arguments: put the large "
				"ones into buffers",
				r->n_args, QDA_DBUS_INLINE_MAX);
	r->n_inline += length;
	arg->ref = r->at;
	arg->length = length;
	r->at += (length + 2 * INLINE_APART - 1) / INLINE_APART * INLINE_APART;
	return 0;
}

static int take_bytes(struct reading *r, struct qda_call_arg *arg, struct qda_fail *fail)
{
	const void *bytes;
	size_t length;
	int e;

	if (sd_bus_message_read_array(r->message, 'y', &bytes, &length) < 0)
		return qda_dbus_bad_message(fail);
	e = take_inline(r, arg, length, fail);
	if (e == 0 && length)
		memcpy(r->dbus->bytes + r->n_in, bytes, length);
	if (e == 0)
		r->n_in += length;
	return e;
}

static int take_length(struct reading *r, struct qda_call_arg *arg, struct qda_fail *fail)
{
	uint64_t length;
	int e;

	if (sd_bus_message_read(r->message, "t", &length) < 0)
		return qda_dbus_bad_message(fail);
	e = take_inline(r, arg, length, fail);
	if (e == 0)
		r->outs[r->n_outs++] = (uint32_t)length;
	return e;
}

static int take_place(struct reading *r, struct qda_call_arg *arg, struct qda_fail *fail)
{
	uint64_t end;

	if (sd_bus_message_read(r->message, "(ttt)", &arg->ref, &arg->offset, &arg->length) < 0)
		return qda_dbus_bad_message(fail);
	if (arg->kind == QDA_CALL_KEY && arg->ref > QDA_KEY_MAX)
		return qda_fail(fail, EINVAL, "argument %u: key %" PRIu64 ": at most %u is allowed",
				r->n_args, arg->ref, QDA_KEY_MAX);
	if (__builtin_add_overflow(arg->offset, arg->length, &end) || end > QDA_BUFFER_MAX)
		return qda_fail(fail, EINVAL,
				"argument %u: offset %" PRIu64 " and length %" PRIu64
				" end beyond any buffer",
				r->n_args, arg->offset, arg->length);
	return 0;
}

static int take_value(struct reading *r, enum shape shape, struct qda_call_arg *arg,
		      struct qda_fail *fail)
{
	int nothing;

	switch (shape) {
	case SHAPE_BYTES:
		return take_bytes(r, arg, fail);
	case SHAPE_LENGTH:
		return take_length(r, arg, fail);
	case SHAPE_PLACE:
		return take_place(r, arg, fail);
	case SHAPE_NUMBER:
		return sd_bus_message_read(r->message, "t", &arg->ref) < 0
			       ? qda_dbus_bad_message(fail)
			       : 0;
	case SHAPE_NOTHING:
		return sd_bus_message_read(r->message, "b", &nothing) < 0
			       ? qda_dbus_bad_message(fail)
			       : 0;
	}
	return qda_dbus_bad_message(fail);
}

static const struct kind *find_kind(const char *name)
{
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

static int check_kind(struct reading *r, const struct kind *kind, const char *name,
		      struct qda_fail *fail)
{
	if (!kind)
		return qda_fail(fail, EINVAL,
				"argument %u: there is no kind \"%.32s\": in, in-buffer, out, "
				"out-buffer, in-key, in-number, in-module, out-number, out-module",
				r->n_args, name);
	if (kind->group < r->last)
		return qda_fail(fail, EINVAL,
				"argument %u (%s) stands too far behind: the order is inputs, outputs, "
				"in handles, out handles",
				r->n_args, name);
	if (++r->counts[kind->group] > group_max[kind->group])
		return qda_fail(fail, EINVAL, "more than %u arguments like \"%s\"",
				group_max[kind->group], name);
	r->last = kind->group;
	return 0;
}

/* Inside of "(sv)". */
static int read_arg(struct reading *r, struct qda_fail *fail)
{
	struct qda_call_arg *arg = &r->args[r->n_args];
	const struct kind *kind;
	const char *name;
	int e;

	if (sd_bus_message_read(r->message, "s", &name) < 0)
		return qda_dbus_bad_message(fail);
	kind = find_kind(name);
	e = check_kind(r, kind, name, fail);
	if (e < 0)
		return e;
	if (sd_bus_message_enter_container(r->message, 'v', shapes[kind->shape]) < 0)
		return qda_fail(fail, EINVAL, "argument %u (%s): its value is of type %s", r->n_args,
				name, shapes[kind->shape]);
	*arg = (struct qda_call_arg){ .kind = kind->kind };
	e = take_value(r, kind->shape, arg, fail);
	r->n_args++;
	if (e == 0 && sd_bus_message_exit_container(r->message) < 0)
		e = qda_dbus_bad_message(fail);
	return e;
}

static int read_args(struct reading *r, struct qda_fail *fail)
{
	int e = sd_bus_message_enter_container(r->message, 'a', "(sv)");

	while (e >= 0 && (e = sd_bus_message_enter_container(r->message, 'r', "sv")) > 0) {
		e = read_arg(r, fail);
		if (e < 0)
			return e;
		e = sd_bus_message_exit_container(r->message);
	}
	if (e >= 0)
		e = sd_bus_message_exit_container(r->message);
	return e < 0 ? qda_dbus_bad_message(fail) : 0;
}

/* --- options --- */

struct options {
	struct qda_call_request *request;
	uint64_t tag;
};

static int read_option(sd_bus_message *m, const char *name, void *to)
{
	struct options *options = to;
	struct qda_call_request *request = options->request;
	int r, parked;

	if (!strcmp(name, "timeout_us"))
		return sd_bus_message_read(m, "v", "t", &request->timeout_us);
	if (!strcmp(name, "priority"))
		return sd_bus_message_read(m, "v", "i", &request->priority);
	if (!strcmp(name, "tag"))
		return sd_bus_message_read(m, "v", "t", &options->tag);
	if (strcmp(name, "parked") != 0)
		return -EINVAL;
	r = sd_bus_message_read(m, "v", "b", &parked);
	request->parked = r >= 0 && parked;
	return r;
}

static int read_options(sd_bus_message *m, struct options *options, struct qda_fail *fail)
{
	const struct qda_call_request *request = options->request;
	int r = qda_dbus_read_options(m, "timeout_us (t), priority (i), parked (b), tag (t)",
				      read_option, options, fail);

	if (r < 0)
		return r;
	if (request->priority < QDA_CALL_LOW || request->priority > QDA_CALL_URGENT)
		return qda_fail(fail, EINVAL, "priority %d: %d to %d are allowed",
				request->priority, QDA_CALL_LOW, QDA_CALL_URGENT);
	if (options->tag >> 63)
		return qda_fail(fail, EINVAL, "tag %" PRIu64 ": 1 to 2^63 - 1 are allowed",
				options->tag);
	return 0;
}

/* --- the call --- */

static int start(const struct qda_dbus_request *r, const struct reading *reading,
		 const struct qda_call_request *request, uint64_t tag, struct qda_fail *fail)
{
	struct qda_dbus_answer *answer = qda_dbus_answer_new(r, false, reading->n_outs, fail);
	struct qda_reply_to to;

	if (!answer)
		return -ENOMEM;
	answer->n_outs = reading->n_outs;
	memcpy(answer->outs, reading->outs, reading->n_outs * sizeof(*answer->outs));
	to = qda_dbus_reply_to(answer, tag);
	return qda_dbus_started(answer, qda_call_invoke(r->peer->client, request, &to, fail));
}

static int invoke(struct qda_dbus_request *r, struct qda_fail *fail)
{
	struct reading reading;
	struct qda_call_request request = { .args = reading.args, .in = r->dbus->bytes };
	struct options options = { &request, 0 };
	const struct qda_module *module;
	uint32_t method;
	int e;

	reading.dbus = r->dbus;
	reading.message = r->message;
	reading.n_args = 0;
	memset(reading.counts, 0, sizeof(reading.counts));
	reading.last = GROUP_IN;
	reading.n_in = 0;
	reading.n_inline = 0;
	reading.at = INLINE_APART;
	reading.n_outs = 0;
	if (sd_bus_message_read(r->message, "tu", &request.module, &method) < 0)
		return qda_dbus_bad_message(fail);
	if (method > 31)
		return qda_fail(fail, EINVAL,
				"method %u: 0 to 31 are allowed; methods from 31 on are sent as 31, and "
				"the first input begins with the number",
				method);
	e = read_args(&reading, fail);
	if (e == 0)
		e = read_options(r->message, &options, fail);
	if (e < 0)
		return e;
	module = qda_module_find(r->peer->client, request.module, fail);
	if (!module)
		return -fail->code;
	if (module->session != r->session)
		return qda_fail(fail, ENOENT, "module %#" PRIx64 " is none of this session",
				request.module);
	request.sc = fastrpc_sc(0, method, reading.counts[GROUP_IN], reading.counts[GROUP_OUT],
				reading.counts[GROUP_IN_HANDLE], reading.counts[GROUP_OUT_HANDLE]);
	request.n_args = reading.n_args;
	request.n_in = reading.n_in;
	return start(r, &reading, &request, options.tag, fail);
}

/* --- the answer --- */

static void append_outs(sd_bus_message *m, const struct qda_dbus_answer *answer,
			const struct qda_invoked *invoked)
{
	uint8_t *bytes = answer->peer->dbus->bytes;
	size_t n = qda_call_copy_outs(invoked->call, bytes, sizeof(answer->peer->dbus->bytes)), at = 0;

	for (unsigned i = 0; i < answer->n_outs && at + answer->outs[i] <= n; i++) {
		sd_bus_message_open_container(m, 'v', "ay");
		sd_bus_message_append_array(m, 'y', bytes + at, answer->outs[i]);
		sd_bus_message_close_container(m);
		at += answer->outs[i];
	}
	for (uint32_t i = 0; i < invoked->n_out_handles; i++)
		sd_bus_message_append(m, "v", "t",
				      invoked->out_handles[i].handle ? invoked->out_handles[i].handle
								     : invoked->out_handles[i].number);
}

static int answer_invoke(struct qda_dbus_answer *answer, const struct qda_outcome *outcome)
{
	const struct qda_invoked *invoked = outcome->invoked;
	sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_return(answer->message, &m);

	if (r < 0)
		return r;
	sd_bus_message_append(m, "i", invoked->dsp_result);
	sd_bus_message_open_container(m, 'a', "v");
	if (!invoked->dsp_result)
		append_outs(m, answer, invoked);
	sd_bus_message_close_container(m);
	sd_bus_message_append(m, "a{sv}", 2, "dsp_ns", "t", invoked->dsp_ns, "queue_ns", "t",
			      invoked->queue_ns);
	r = sd_bus_send(NULL, m, NULL);
	sd_bus_message_unref(m);
	return r;
}

const struct qda_dbus_method qda_dbus_invoke = {
	.run = invoke,
	.answer = answer_invoke,
	.needs_access = true,
	.of_session = true,
};
