/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A call from its queue to its end: submission, completion, deadline, cancel. A call ends for its
 * client by answer() and for the device by its completion, in either order; the object goes when
 * both have happened.
 */
#include <errno.h>
#include <string.h>

#include "core/buffer.h"
#include "core/call_internal.h"
#include "core/module.h"
#include "core/watch.h"
#include "util/container.h"

#define PAGE	       4096u
#define STATIC_HANDLES 0x100u /* smaller ones always exist and are never given out */

/* From here on the client hears no more of this call. */
static void retire(struct qda_call *call)
{
	call->answered = true;
	TAILQ_REMOVE(&call->client->calls, call, link);
	call->client->calls_now--;
	call->client->parked_now -= call->parked;
	qda_deadline_disarm(&call->client->core->deadlines, &call->deadline);
}

/* The room reserved for the answer is given back before it: the front accounts what it cannot send
 * at once. */
static void answer_fail(struct qda_call *call, const struct qda_fail *fail)
{
	retire(call);
	qda_charge_deinit(&call->out_bytes);
	qda_reply_fail(call->client, &call->to, fail);
}

static void release_staging(struct qda_call *call)
{
	if (call->staging_first >= 0)
		qda_runs_give(&call->session->runs, call->staging_first,
			      (call->staging_size + PAGE - 1) / PAGE);
	call->staging_first = -1;
}

static void unqueue_parked(struct qda_call *call)
{
	struct qda_session *session = call->session;

	TAILQ_REMOVE(&session->parked_queue, call, queue_link);
	if (TAILQ_EMPTY(&session->parked_queue))
		TAILQ_REMOVE(&session->domain->parkers, session, parked_link);
}

static void unqueue(struct qda_call *call)
{
	struct qda_session *session = call->session;

	if (call->parked) {
		unqueue_parked(call);
		return;
	}
	TAILQ_REMOVE(&session->queue[call->level], call, queue_link);
	session->queued--;
	session->domain->queued--;
}

static void unpark(struct qda_call *call)
{
	call->session->parked--;
	call->session->share->share->parked--;
	call->session->domain->parked--;
}

/* A call that ends before it was sent. What waits behind it may fit where it did not. */
static void leave_queue(struct qda_call *call)
{
	struct qda_session *session = call->session;

	if (call->state == QDA_CALL_DOOMED) {
		TAILQ_REMOVE(&session->doomed, call, queue_link);
		return;
	}
	unqueue(call);
	if (call->parked) {
		unpark(call);
		return;
	}
	qda_schedule_unstall(session);
	qda_schedule_update(session);
}

void qda_call_drop(struct qda_call *call, const struct qda_fail *fail)
{
	leave_queue(call);
	release_staging(call);
	if (!call->answered)
		answer_fail(call, fail);
	qda_call_free(call);
}

static bool pd_died(const struct qda_call *call, int err)
{
	return call->session->state == QDA_SESSION_OPEN && (err == -ECONNRESET || err == -EPIPE);
}

/* The PD is dead; the reason, which is the answer, is on its way. */
static void doom(struct qda_call *call)
{
	release_staging(call);
	call->state = QDA_CALL_DOOMED;
	TAILQ_INSERT_TAIL(&call->session->doomed, call, queue_link);
}

/* A failure to submit that waiting will not mend. */
static void fail_submit(struct qda_call *call, int err)
{
	struct qda_fail fail;

	if (pd_died(call, err)) {
		leave_queue(call);
		doom(call);
		return;
	}
	qda_fail(&fail, -err, "domain %s did not take the call: %s", call->session->domain->name,
		 qda_strerror(err));
	qda_call_drop(call, &fail);
}

static int stage_held(struct qda_call *call)
{
	if (call->staged)
		return 0;
	if (qda_call_stage(call, call->held) < 0)
		return -ENOSPC;
	call->staged = true;
	qda_call_free_held(call);
	return 0;
}

/* It is on the DSP: parked ones hold no slot. */
static void set_running(struct qda_call *call)
{
	struct qda_session *session = call->session;

	unqueue(call);
	call->state = QDA_CALL_RUNNING;
	if (call->parked) {
		TAILQ_INSERT_TAIL(&session->parked_running, call, queue_link);
		return;
	}
	TAILQ_INSERT_TAIL(&session->running, call, queue_link);
	session->in_flight++;
	session->client->user->in_flight++;
	session->domain->in_flight++;
	qda_schedule_begin(call);
	qda_watch_call(call);
}

/* Count it, and say why. */
static void note_expiry(const struct qda_call *call, struct qda_fail *fail)
{
	const struct qda_session *session = call->session;

	session->domain->stats.expired++;
	call->client->user->stats.expired++;
	if (call->state == QDA_CALL_RUNNING)
		qda_fail(fail, ETIME,
			 "the deadline passed while the call ran; it is abandoned, and holds its "
			 "slot and its buffers until the method returns or the session is closed");
	else if (session->abandoned && session->in_flight >= session->domain->session_in_flight_max)
		qda_fail(fail, ETIME,
			 "the deadline passed before the call reached the DSP: all %u slots of the "
			 "session are held, %u of them by abandoned calls; close the session to "
			 "end them",
			 session->in_flight, session->abandoned);
	else
		qda_fail(fail, ETIME,
			 "the deadline passed before the call reached the DSP: %u calls of this "
			 "session and %u in all run on domain %s",
			 session->in_flight, session->domain->in_flight, session->domain->name);
}

/* Its deadline has passed, though nobody was woken for it yet: timers are coarse. */
static bool is_late(const struct qda_call *call)
{
	return call->deadline.armed && call->deadline.at_ns <= qda_core_now(call->client->core);
}

/* 0; -ENOSPC: no staging, -EBUSY: no room on the device; it stays queued. After any other failure
 * it has left the queue. */
static int submit(struct qda_call *call)
{
	struct qda_session *session = call->session;
	struct qda_domain *domain = session->domain;
	struct qda_core *core = domain->core;
	struct qda_device_call device_call = { call->handle, call->sc, call->args };
	struct qda_fail fail;
	int r;

	if (is_late(call)) {
		note_expiry(call, &fail);
		qda_call_drop(call, &fail);
		return -ETIME;
	}
	r = stage_held(call);
	if (r < 0)
		return r;
	r = qda_slots_add(&core->pending, call, QDA_PENDING_CALL, 0, &call->cookie);
	if (r == 0) {
		/* Before it is sent: the DSP may be done before this process runs again. */
		call->submitted_ns = qda_core_now(core);
		r = domain->device->ops->submit(session->device, &device_call, call->cookie);
		if (r < 0)
			qda_slots_remove(&core->pending, call->cookie);
	}
	if (r == 0)
		set_running(call);
	else if (r != -EBUSY)
		fail_submit(call, r);
	return r == -ENOSPC ? -EIO : r;
}

/* The highest level goes first. Where staging is full, it may be held by one that waits on a lower
 * level: that one must go, or none ever would. */
int qda_session_submit(struct qda_session *session)
{
	bool short_of_staging = false;

	for (int level = QDA_LEVELS - 1; level >= 0; level--) {
		struct qda_call *call = TAILQ_FIRST(&session->queue[level]);
		int r;

		if (!call || (short_of_staging && call->staging_first < 0))
			continue;
		r = submit(call);
		if (r != -ENOSPC)
			return r;
		short_of_staging = true;
	}
	return -EBUSY;
}

void qda_session_submit_parked(struct qda_session *session)
{
	struct qda_call *call;

	if (session->domain->state != QDA_DEVICE_UP)
		return;
	while ((call = TAILQ_FIRST(&session->parked_queue))) {
		int r = submit(call);

		if (r == -ENOSPC || r == -EBUSY)
			return;
	}
}

const uint8_t *qda_call_bytes(const struct qda_call *call, uint32_t i, size_t *length)
{
	const struct qda_call_slot *slot = &call->slots[i];

	if (!slot->is_inline || call->staging_first < 0)
		return NULL;
	*length = slot->place.length;
	return call->session->staging_view + (size_t)call->staging_first * PAGE +
	       slot->place.offset;
}

const uint8_t *qda_call_out(const struct qda_call *call, uint32_t i, size_t *length)
{
	return qda_call_bytes(call, fastrpc_sc_in(call->sc) + i, length);
}

size_t qda_call_copy_outs(const struct qda_call *call, uint8_t *to, size_t room)
{
	size_t at = 0;

	for (uint32_t i = 0; i < fastrpc_sc_out(call->sc); i++) {
		size_t length;
		const uint8_t *bytes = qda_call_out(call, i, &length);

		if (!bytes || length > room - at)
			continue;
		memcpy(to + at, bytes, length);
		at += length;
	}
	return at;
}

static bool is_wire_handle(uint64_t number)
{
	return number >= STATIC_HANDLES && number <= UINT32_MAX;
}

/* Out handles: remote handles become modules of the session, or are closed when nobody waits for
 * them any more. */
static void take_out_handles(struct qda_call *call, const struct qda_device_done *done,
			     struct qda_invoked *invoked)
{
	unsigned first = fastrpc_sc_bufs(call->sc) + fastrpc_sc_in_handles(call->sc);
	unsigned n = fastrpc_sc_out_handles(call->sc);

	invoked->n_out_handles = n;
	for (unsigned i = 0; i < n; i++) {
		uint64_t number = done->out_handles[i];
		struct qda_out_handle *out = &invoked->out_handles[i];
		struct qda_module *module;

		*out = (struct qda_out_handle){ .number = number };
		if (!call->args[first + i].number || !is_wire_handle(number))
			continue;
		out->number = 0;
		module = call->answered
				 ? NULL
				 : qda_module_adopt(call->session, number, &call->out_handles);
		if (module)
			out->handle = module->handle;
		else
			qda_module_drop_wire(call->session, number);
	}
}

static void finish_invoke(struct qda_call *call, const struct qda_device_done *done,
			  uint64_t dsp_ns)
{
	struct qda_invoked invoked;

	invoked.call = call;
	invoked.dsp_result = done->result;
	invoked.dsp_ns = dsp_ns;
	invoked.queue_ns = call->submitted_ns - call->accepted_ns;
	invoked.n_out_handles = 0;
	if (!done->result)
		take_out_handles(call, done, &invoked);
	if (call->answered)
		return;
	retire(call);
	qda_reply(call->client, &call->to, &(struct qda_outcome){ .invoked = &invoked });
}

static void finish_success(struct qda_call *call, const struct qda_device_done *done,
			   uint64_t dsp_ns)
{
	/* It pays for nothing any more: what ends it may start a call of its own. */
	qda_charge_deinit(&call->count);
	/* The reservation is the front's: it accounts what it cannot send at once. */
	qda_charge_deinit(&call->out_bytes);
	switch (call->purpose) {
	case QDA_CALL_INVOKE:
		finish_invoke(call, done, dsp_ns);
		return;
	case QDA_CALL_MODULE_OPEN:
		qda_module_opened(call, done->result);
		break;
	case QDA_CALL_MODULE_CLOSE:
		qda_module_closed(call, done->result);
		break;
	}
	if (!call->answered)
		retire(call);
}

static void explain(const struct qda_call *call, int err, struct qda_fail *fail)
{
	if (call->session->state == QDA_SESSION_LOST)
		qda_session_check_open(call->session, fail);
	else if (err == -ECANCELED)
		qda_fail(fail, ECANCELED, "the session was closed while the call ran");
	else
		qda_fail(fail, -err, "the call was lost: %s", qda_strerror(err));
}

/* Returns true when the call must wait for the reason its PD died. */
static bool finish_failure(struct qda_call *call, int err)
{
	struct qda_fail fail;

	if (call->answered)
		return false;
	if (pd_died(call, err)) {
		doom(call);
		return true;
	}
	explain(call, err, &fail);
	answer_fail(call, &fail);
	return false;
}

static void account(struct qda_call *call, uint64_t dsp_ns)
{
	struct qda_session *session = call->session;
	struct qda_domain *domain = session->domain;

	session->n_calls++;
	domain->calls++;
	call->client->n_calls++;
	call->client->core->calls++;
	if (call->parked) {
		TAILQ_REMOVE(&session->parked_running, call, queue_link);
		unpark(call);
		return;
	}
	TAILQ_REMOVE(&session->running, call, queue_link);
	session->in_flight--;
	session->client->user->in_flight--;
	session->abandoned -= call->answered;
	domain->in_flight--;
	session->busy_ns += dsp_ns;
	domain->busy_ns += dsp_ns;
	call->client->busy_ns += dsp_ns;
	qda_stats_call(&domain->stats, call->submitted_ns - call->accepted_ns, dsp_ns);
	qda_stats_call(&session->client->user->stats, call->submitted_ns - call->accepted_ns,
		       dsp_ns);
	qda_schedule_end(call, dsp_ns);
}

void qda_call_done(struct qda_call *call, const struct qda_device_done *done)
{
	struct qda_core *core = call->client->core;
	uint64_t dsp_ns = qda_core_now(core) - call->submitted_ns;
	bool doomed = false;

	qda_slots_remove(&core->pending, call->cookie);
	account(call, dsp_ns);
	if (done->err)
		doomed = finish_failure(call, done->err);
	else
		finish_success(call, done, dsp_ns);
	release_staging(call);
	if (!doomed)
		qda_call_free(call);
}

/* Answer now; what runs stays, abandoned, until the DSP lets go. What waited behind a queued call
 * may go. */
static void give_up(struct qda_call *call, const struct qda_fail *fail)
{
	struct qda_session *session = call->session;
	bool parked = call->parked;

	if (call->state == QDA_CALL_RUNNING) {
		session->abandoned += !parked;
		answer_fail(call, fail);
		return;
	}
	qda_call_drop(call, fail);
	if (parked)
		qda_session_submit_parked(session);
	qda_domain_pump(session->domain);
}

void qda_session_abandon_calls(struct qda_session *session, const struct qda_fail *fail)
{
	struct qda_call *call;

	TAILQ_FOREACH (call, &session->running, queue_link) {
		if (call->answered)
			continue;
		session->abandoned++;
		answer_fail(call, fail);
	}
	TAILQ_FOREACH (call, &session->parked_running, queue_link)
		if (!call->answered)
			answer_fail(call, fail);
}

void qda_call_expire(struct qda_deadline *deadline)
{
	struct qda_call *call = container_of(deadline, struct qda_call, deadline);
	struct qda_fail fail;

	note_expiry(call, &fail);
	give_up(call, &fail);
}

enum qda_call_was qda_call_cancel(struct qda_client *client, uint64_t serial)
{
	enum qda_call_was was;
	struct qda_fail fail;
	struct qda_call *call;

	TAILQ_FOREACH (call, &client->calls, link)
		if (call->to.serial == serial && call->purpose == QDA_CALL_INVOKE)
			break;
	if (!call)
		return qda_waiting_cancel(client, serial) ? QDA_CALL_WAS_QUEUED : QDA_CALL_WAS_GONE;
	call->session->domain->stats.cancelled++;
	client->user->stats.cancelled++;
	was = call->state == QDA_CALL_QUEUED ? QDA_CALL_WAS_QUEUED : QDA_CALL_WAS_RUNNING;
	qda_fail(&fail, ECANCELED,
		 was == QDA_CALL_WAS_QUEUED ? "cancelled before it reached the DSP"
					    : "cancelled while it ran; it is abandoned and goes on "
					      "until the method returns or "
					      "the session is closed");
	give_up(call, &fail);
	return was;
}
