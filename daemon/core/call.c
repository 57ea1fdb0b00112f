/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Acceptance of a call: gate, checks, charges, packing of inline arguments. Nothing is kept of a
 * call that is refused.
 */
#include "core/call.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "core/call_internal.h"
#include "core/module.h"

#define PAGE	   4096u
#define REPLY_HEAD 1024u /* reserved for a reply beside its inline data */
#define PARKED_MAX 16u	 /* parked calls of a session */
#define KEEP_FEW   1024u /* unused calls that are kept: about 1 KiB each */
#define KEEP_MANY  16u	 /* and 35 KiB each */

/* Room to plan one call in; the loop has one thread, so one is enough. */
struct qda_call_scratch {
	struct fastrpc_arg args[FASTRPC_MAX_BUFS];
	struct fastrpc_place places[FASTRPC_MAX_BUFS];
	__u16 order[FASTRPC_MAX_BUFS];
};

int qda_call_pools_init(struct qda_call_pools *pools)
{
	SLIST_INIT(&pools->few);
	SLIST_INIT(&pools->many);
	pools->scratch = calloc(1, sizeof(*pools->scratch));
	return pools->scratch ? 0 : -ENOMEM;
}

static void drain_stack(struct qda_call_stack *stack)
{
	struct qda_call *call;

	while ((call = SLIST_FIRST(stack))) {
		SLIST_REMOVE_HEAD(stack, pool_link);
		free(call);
	}
}

void qda_call_pools_deinit(struct qda_call_pools *pools)
{
	drain_stack(&pools->few);
	drain_stack(&pools->many);
	qda_blocks_deinit(&pools->held);
	free(pools->scratch);
}

/* One block: the call, its device arguments, its slots. */
static struct qda_call *new_call(unsigned capacity)
{
	struct qda_call *call =
		malloc(sizeof(*call) + capacity * (sizeof(*call->args) + sizeof(*call->slots)));

	if (!call)
		return NULL;
	call->capacity = capacity;
	call->args = (struct qda_device_arg *)(call + 1);
	call->slots = (struct qda_call_slot *)(call->args + capacity);
	return call;
}

static struct qda_call *take_call(struct qda_call_pools *pools, unsigned n_args)
{
	bool few = n_args <= QDA_CALL_FEW_ARGS;
	struct qda_call_stack *stack = few ? &pools->few : &pools->many;
	struct qda_call *call = SLIST_FIRST(stack);

	if (!call)
		return new_call(few ? QDA_CALL_FEW_ARGS : QDA_CALL_MAX_ARGS);
	SLIST_REMOVE_HEAD(stack, pool_link);
	--*(few ? &pools->n_few : &pools->n_many);
	return call;
}

static void give_call(struct qda_call_pools *pools, struct qda_call *call)
{
	bool few = call->capacity == QDA_CALL_FEW_ARGS;
	unsigned *n = few ? &pools->n_few : &pools->n_many;

	if (*n >= (few ? KEEP_FEW : KEEP_MANY)) {
		free(call);
		return;
	}
	++*n;
	SLIST_INSERT_HEAD(few ? &pools->few : &pools->many, call, pool_link);
}

void qda_call_free_held(struct qda_call *call)
{
	qda_blocks_give(&call->client->core->pools.held, call->held, call->held_charge.amount);
	call->held = NULL;
	qda_charge_deinit(&call->held_charge);
}

void qda_call_free(struct qda_call *call)
{
	struct qda_call_pools *pools = &call->client->core->pools;

	for (unsigned i = 0; i < call->n_args; i++)
		if (call->slots[i].buffer)
			qda_buffer_unref(call->slots[i].buffer);
	qda_call_free_held(call);
	qda_charge_deinit(&call->out_handles);
	qda_charge_deinit(&call->out_bytes);
	qda_charge_deinit(&call->parked_charge);
	qda_charge_deinit(&call->count);
	qda_session_unref(call->session);
	qda_client_unref(call->client);
	give_call(pools, call);
}

static int make_call(struct qda_session *session, const struct qda_call_spec *spec,
		     struct qda_call **out, struct qda_fail *fail)
{
	struct qda_call *call = take_call(&session->client->core->pools, spec->request->n_args);
	struct qda_device_arg *args;
	struct qda_call_slot *slots;
	unsigned capacity;

	if (!call)
		return qda_fail(fail, ENOMEM, "the daemon is out of memory for a call");
	args = call->args;
	slots = call->slots;
	capacity = call->capacity;
	*call = (struct qda_call){
		.client = qda_client_ref(session->client),
		.session = qda_session_ref(session),
		.purpose = spec->purpose,
		.capacity = capacity,
		.args = args,
		.slots = slots,
		.sc = spec->request->sc,
		.handle = spec->handle,
		.parked = spec->request->parked,
		.level = QDA_LEVEL_NORMAL + spec->request->priority,
		.staging_first = -1,
	};
	if (spec->to)
		call->to = *spec->to;
	*out = call;
	return 0;
}

static int refuse_arg(struct qda_fail *fail, unsigned i, uint32_t kind, const char *where)
{
	return qda_fail(fail, EINVAL, "argument %u: kind %u is not allowed among the %s", i, kind,
			where);
}

/* An in or out buffer of the client's. */
static int convert_buffer(struct qda_call *call, unsigned i, const struct qda_call_arg *arg,
			  bool out, struct qda_fail *fail)
{
	struct qda_buffer *buffer;
	int r;

	if (!arg->length && !arg->ref)
		return 0; /* nothing, of no buffer */
	buffer = qda_buffer_find(call->client, arg->ref, fail);
	if (!buffer)
		return -fail->code;
	r = qda_buffer_check(buffer, arg->offset, arg->length, fail);
	if (r < 0)
		return r;
	if (buffer->domain != call->session->domain)
		return qda_fail(fail, EXDEV,
				"argument %u: the buffer is of domain %s, the session of %s", i,
				buffer->domain->name, call->session->domain->name);
	if (out && buffer->read_only)
		return qda_fail(fail, EACCES,
				"argument %u: an output cannot go into a read-only buffer", i);
	if (!arg->length)
		return 0;
	call->slots[i].buffer = qda_buffer_ref(buffer);
	call->args[i].buffer = buffer->device;
	call->args[i].offset = arg->offset;
	return 0;
}

static int convert_buf(struct qda_call *call, unsigned i, const struct qda_call_arg *arg, bool out,
		       struct qda_fail *fail)
{
	call->args[i] = (struct qda_device_arg){
		.kind = QDA_DEVICE_ARG_BUFFER,
		.length = arg->length,
	};
	call->slots[i].is_inline = arg->kind == QDA_CALL_INLINE;
	if (arg->kind == QDA_CALL_INLINE)
		return 0;
	if (arg->kind != QDA_CALL_BUFFER)
		return refuse_arg(fail, i, arg->kind, "buffers (inline 0, buffer 1)");
	return convert_buffer(call, i, arg, out, fail);
}

static int convert_in_handle(struct qda_call *call, unsigned i, const struct qda_call_arg *arg,
			     struct qda_fail *fail)
{
	struct qda_device_arg *to = &call->args[i];
	struct qda_module *module;

	*to = (struct qda_device_arg){ .number = arg->ref, .kind = QDA_DEVICE_ARG_NUMBER };
	switch (arg->kind) {
	case QDA_CALL_NUMBER:
		return 0;
	case QDA_CALL_KEY:
		to->kind = QDA_DEVICE_ARG_KEY;
		to->offset = arg->offset;
		to->length = arg->length;
		return qda_session_check_key(call->session, arg->ref, arg->offset, arg->length,
					     fail);
	case QDA_CALL_MODULE:
		module = qda_module_find(call->client, arg->ref, fail);
		if (!module)
			return -fail->code;
		if (module->session != call->session)
			return qda_fail(fail, EXDEV,
					"argument %u: the module is of another session", i);
		to->number = module->wire;
		return 0;
	default:
		return refuse_arg(fail, i, arg->kind, "in handles (key 2, number 3, module 4)");
	}
}

/* The DSP is told whether a remote handle (1) or a plain number (0) is wanted. */
static int convert_out_handle(struct qda_call *call, unsigned i, const struct qda_call_arg *arg,
			      struct qda_fail *fail)
{
	if (arg->kind != QDA_CALL_NUMBER && arg->kind != QDA_CALL_MODULE)
		return refuse_arg(fail, i, arg->kind, "out handles (number 3, module 4)");
	call->args[i] = (struct qda_device_arg){
		.kind = QDA_DEVICE_ARG_NUMBER,
		.number = arg->kind == QDA_CALL_MODULE,
	};
	return 0;
}

static int convert_args(struct qda_call *call, const struct qda_call_request *request,
			struct qda_fail *fail)
{
	unsigned in = fastrpc_sc_in(call->sc), bufs = fastrpc_sc_bufs(call->sc);
	unsigned in_handles_end = bufs + fastrpc_sc_in_handles(call->sc);
	int r;

	if (request->n_args != fastrpc_sc_args(call->sc))
		return qda_fail(fail, EINVAL, "%u arguments, but the scalars %#x say %u",
				request->n_args, call->sc, fastrpc_sc_args(call->sc));
	for (unsigned i = 0; i < request->n_args; i++) {
		const struct qda_call_arg *arg = &request->args[i];

		call->slots[i] = (struct qda_call_slot){ 0 };
		call->n_args = i + 1;
		if (i < bufs)
			r = convert_buf(call, i, arg, i >= in, fail);
		else if (i < in_handles_end)
			r = convert_in_handle(call, i, arg, fail);
		else
			r = convert_out_handle(call, i, arg, fail);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Places of the inline arguments in the call's staging; there are some. */
static int plan(struct qda_call *call, const struct qda_call_request *request,
		struct qda_fail *fail)
{
	struct qda_call_scratch *s = call->client->core->pools.scratch;
	unsigned bufs = fastrpc_sc_bufs(call->sc);
	uint32_t sc = fastrpc_sc(0, 0, fastrpc_sc_in(call->sc), fastrpc_sc_out(call->sc), 0, 0);
	__u32 size;
	int r;

	for (unsigned i = 0; i < bufs; i++) {
		bool is_inline = call->slots[i].is_inline;

		s->args[i] = (struct fastrpc_arg){
			.addr = is_inline ? request->args[i].ref : 0,
			.length = is_inline ? request->args[i].length : 0,
			.kind = FASTRPC_ARG_INLINE,
		};
	}
	r = fastrpc_check(sc, s->args, bufs);
	if (r == 0)
		r = fastrpc_plan(sc, s->args, 0, QDA_STAGING_BYTES, s->places, s->order, &size);
	if (r < 0)
		return qda_fail(
			fail, -r,
			"the inline arguments do not fit the %u bytes of a session's staging "
			"memory, or wrap around; put large arguments into buffers",
			QDA_STAGING_BYTES);
	for (unsigned i = 0; i < bufs; i++)
		call->slots[i].place = s->places[i];
	call->staging_size = size;
	return 0;
}

static int sum_inline(struct qda_call *call, const struct qda_call_request *request,
		      uint64_t *out_bytes, struct qda_fail *fail)
{
	unsigned in = fastrpc_sc_in(call->sc), bufs = fastrpc_sc_bufs(call->sc);
	uint64_t sums[2] = { 0, 0 };

	for (unsigned i = 0; i < bufs; i++)
		if (call->slots[i].is_inline &&
		    __builtin_add_overflow(sums[i >= in], request->args[i].length, &sums[i >= in]))
			return qda_fail(fail, EOVERFLOW, "argument %u: the lengths overflow", i);
	if (sums[0] != request->n_in)
		return qda_fail(fail, EINVAL,
				"%zu bytes of inline data, but the inline in arguments add up "
				"to %" PRIu64,
				request->n_in, sums[0]);
	*out_bytes = sums[1];
	return 0;
}

/* Remote handles that the call may leave. */
static unsigned new_handles(const struct qda_call *call)
{
	return call->purpose == QDA_CALL_MODULE_OPEN ? 1 : fastrpc_sc_out_handles(call->sc);
}

static int charge(struct qda_call *call, uint64_t out_bytes, struct qda_fail *fail)
{
	struct qda_account *account = &call->client->account;
	unsigned out_handles = new_handles(call);
	int r = qda_charge_init(&call->count, account, QDA_RES_CALLS, 1, fail);

	if (r == 0 && call->parked)
		r = qda_charge_init(&call->parked_charge, account, QDA_RES_PARKED, 1, fail);
	if (r < 0)
		return r;
	r = qda_charge_init(&call->out_bytes, account, QDA_RES_OUT_BYTES, REPLY_HEAD + out_bytes,
			    fail);
	if (r < 0 || !out_handles)
		return r;
	return qda_charge_init(&call->out_handles, account, QDA_RES_HANDLES, out_handles, fail);
}

int qda_call_stage(struct qda_call *call, const uint8_t *in)
{
	struct qda_session *session = call->session;
	unsigned n_in = fastrpc_sc_in(call->sc), bufs = fastrpc_sc_bufs(call->sc);
	uint8_t *base;

	call->staging_first = qda_runs_take(&session->runs, (call->staging_size + PAGE - 1) / PAGE);
	if (call->staging_first < 0)
		return -ENOSPC;
	base = session->staging_view + (size_t)call->staging_first * PAGE;
	/* Outputs first: where one overlaps an input, the input's bytes count. */
	for (unsigned i = n_in; i < bufs; i++)
		if (call->slots[i].place.length)
			memset(base + call->slots[i].place.offset, 0, call->slots[i].place.length);
	for (unsigned i = 0; i < bufs; i++) {
		const struct fastrpc_place *place = &call->slots[i].place;

		if (!call->slots[i].is_inline || !place->length)
			continue;
		if (i < n_in) {
			memcpy(base + place->offset, in, place->length);
			in += place->length;
		}
		call->args[i].buffer = session->staging;
		call->args[i].offset = (uint64_t)call->staging_first * PAGE + place->offset;
	}
	return 0;
}

/* Into staging, or, when that is full, into memory of its own that is charged as such. */
static int place_inline(struct qda_call *call, const struct qda_call_request *request,
			struct qda_fail *fail)
{
	int r;

	/* A call that waits already goes first. */
	if (!call->staging_size ||
	    ((call->parked || !call->session->queued) && qda_call_stage(call, request->in) == 0)) {
		call->staged = true;
		return 0;
	}
	r = qda_charge_init(&call->held_charge, &call->client->account, QDA_RES_INLINE_BYTES,
			    request->n_in + 1, fail);
	if (r < 0)
		return r;
	call->held = qda_blocks_take(&call->client->core->pools.held, call->held_charge.amount);
	if (!call->held)
		return qda_fail(fail, ENOMEM, "the daemon is out of memory for inline data");
	memcpy(call->held, request->in, request->n_in);
	return 0;
}

static int accept_call(struct qda_call *call, const struct qda_call_request *request,
		       struct qda_fail *fail)
{
	uint64_t out_bytes = 0;
	int r = convert_args(call, request, fail);

	if (r < 0)
		return r;
	r = sum_inline(call, request, &out_bytes, fail);
	if (r < 0)
		return r;
	r = charge(call, out_bytes, fail);
	if (r < 0)
		return r;
	if (request->n_in || out_bytes)
		r = plan(call, request, fail);
	if (r < 0)
		return r;
	call->accepted_ns = qda_core_now(call->client->core);
	return place_inline(call, request, fail);
}

/* One so far away that it cannot be expressed is none. */
static void arm_deadline(struct qda_call *call, uint64_t timeout_us)
{
	uint64_t ns;

	if (timeout_us && !__builtin_mul_overflow(timeout_us, 1000, &ns) &&
	    !__builtin_add_overflow(call->accepted_ns, ns, &ns))
		qda_deadline_arm(&call->client->core->deadlines, &call->deadline, ns,
				 qda_call_expire);
}

static void link_call(struct qda_call *call)
{
	struct qda_session *session = call->session;

	TAILQ_INSERT_TAIL(&call->client->calls, call, link);
	call->client->calls_now++;
	if (!call->parked) {
		TAILQ_INSERT_TAIL(&session->queue[call->level], call, queue_link);
		session->queued++;
		session->domain->queued++;
		return;
	}
	if (TAILQ_EMPTY(&session->parked_queue))
		TAILQ_INSERT_TAIL(&session->domain->parkers, session, parked_link);
	TAILQ_INSERT_TAIL(&session->parked_queue, call, queue_link);
	session->parked++;
	session->share->share->parked++;
	session->domain->parked++;
	call->client->parked_now++;
}

/* Parked calls keep their places on the device, maybe for ever. */
static int refuse_parked(struct qda_fail *fail, const char *scope, uint32_t limit, uint32_t used)
{
	qda_fail(fail, EDQUOT,
		 "%u parked calls of this %s wait already, and it may have %u: end one, or make "
		 "the call without PARKED",
		 used, scope, limit);
	fail->resource = "parked";
	fail->scope = scope;
	fail->limit = limit;
	fail->used = used;
	return -EDQUOT;
}

static int check_parked(const struct qda_session *session, struct qda_fail *fail)
{
	const struct qda_domain *domain = session->domain;
	uint32_t limit = domain->info.session_calls_max - domain->session_in_flight_max;
	uint32_t own, left;

	if (limit > PARKED_MAX)
		limit = PARKED_MAX;
	if (session->parked >= limit)
		return refuse_parked(fail, "session", limit, session->parked);
	/* Of what others leave, a user may have half: there is something for whoever comes next. */
	own = session->share->share->parked;
	left = domain->parked_max > domain->parked - own ? domain->parked_max - (domain->parked - own)
							 : 0;
	if (own >= (left + 1) / 2)
		return refuse_parked(fail, "uid", (left + 1) / 2, own);
	return 0;
}

/* The policy is asked once for a session; its permission holds until the rules change. */
static int check_right(struct qda_session *session, enum qda_wish wish, struct qda_fail *fail)
{
	const struct qda_question question = {
		.wish = wish,
		.domain = session->domain->name,
		.kind = session->kind,
	};
	int r;

	if (session->may & 1u << wish)
		return 0;
	r = qda_client_check(session->client, &question, fail);
	if (r == 0)
		session->may |= 1u << wish;
	return r;
}

static int check_class(struct qda_session *session, const struct qda_call_request *request,
		       struct qda_fail *fail)
{
	int r;

	if (request->priority < QDA_CALL_LOW || request->priority > QDA_CALL_URGENT)
		return qda_fail(fail, EINVAL, "priority %d: -1 (low) to 2 (urgent) is wanted",
				request->priority);
	if (!request->parked && request->priority != QDA_CALL_URGENT)
		return 0;
	r = check_right(session, request->parked ? QDA_WISH_PARKED : QDA_WISH_URGENT, fail);
	return r == 0 && request->parked ? check_parked(session, fail) : r;
}

int qda_call_start(struct qda_session *session, const struct qda_call_spec *spec,
		   struct qda_fail *fail)
{
	struct qda_call *call = NULL;
	int r = check_class(session, spec->request, fail);

	if (r == 0)
		r = make_call(session, spec, &call, fail);
	if (r < 0)
		return r;
	r = accept_call(call, spec->request, fail);
	if (r < 0) {
		qda_call_free(call);
		return r;
	}
	link_call(call);
	arm_deadline(call, spec->request->timeout_us);
	if (spec->request->parked) {
		qda_session_submit_parked(session);
		return 0;
	}
	qda_schedule_update(session);
	qda_domain_pump(session->domain);
	return 0;
}

int qda_call_invoke(struct qda_client *client, const struct qda_call_request *request,
		    const struct qda_reply_to *to, struct qda_fail *fail)
{
	struct qda_module *module;
	struct qda_call_spec spec = { QDA_CALL_INVOKE, 0, request, to };
	int r;

	if (client->core->draining)
		return qda_fail(fail, ESHUTDOWN,
				"the daemon is stopping: try again after its restart");
	module = qda_module_find(client, request->module, fail);
	if (!module)
		return -fail->code;
	r = qda_session_check_open(module->session, fail);
	if (r < 0)
		return r;
	spec.handle = module->wire;
	return qda_call_start(module->session, &spec, fail);
}
