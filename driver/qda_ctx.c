// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages in flight. The table of ids is the only thing that a response can reach, and it answers
 * to the whole context word: id, generation, PD type. A message leaves the table once, under the
 * lock; who took it out ends it.
 */
#define CREATE_TRACE_POINTS
#include "qda_trace.h"

#include <linux/export.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include <drm/drm_drv.h>

#include "qda_bank.h"
#include "qda_ctx.h"
#include "qda_drv.h"
#include "qda_event.h"
#include "qda_release.h"
#include "qda_session.h"

struct qda_ctx *qda_ctx_new(struct qda_session *session, enum qda_ctx_kind kind, u32 mappings)
{
	struct qda_ctx *ctx;

	ctx = kzalloc(struct_size(ctx, mappings, mappings), GFP_KERNEL);
	if (!ctx)
		return NULL;
	kref_init(&ctx->ref);
	ctx->kind = kind;
	ctx->session = qda_session_get(session);
	ctx->epoch = session->epoch;
	init_completion(&ctx->done);
	return ctx;
}

static void ctx_free(struct qda_ctx *ctx)
{
	u32 i;

	for (i = 0; i < ctx->n_mappings; i++)
		qda_mapping_put(ctx->mappings[i]);
	qda_payload_free(&ctx->session->memory, &ctx->payload);
	qda_event_free(&ctx->session->qdev->drm, ctx->event);
	qda_session_put(ctx->session);
	kfree(ctx);
}

static void free_now(struct kref *ref)
{
	ctx_free(container_of(ref, struct qda_ctx, ref));
}

void qda_ctx_put(struct qda_ctx *ctx)
{
	if (ctx)
		kref_put(&ctx->ref, free_now);
}

static void free_work(struct work_struct *work)
{
	ctx_free(container_of(work, struct qda_ctx, work));
}

static void free_later(struct kref *ref)
{
	struct qda_ctx *ctx = container_of(ref, struct qda_ctx, ref);

	INIT_WORK(&ctx->work, free_work);
	queue_work(qda_wq, &ctx->work);
}

/* --- the table --- */

/* Starts and ends of PDs have ids of their own. */
static void count(struct qda_ctx *ctx, int n)
{
	if (ctx->kind == QDA_CTX_PROCESS)
		return;
	ctx->session->qdev->calls += n;
	ctx->session->calls += n;
}

/* An id that is free, the one used longest ago first; 0 when there is none. */
static unsigned int find_id(struct qda_device *qdev, const struct qda_ctx *ctx)
{
	unsigned int id = qdev->last_id, i;

	if (ctx->kind == QDA_CTX_PROCESS) {
		id = 1 + qda_session_bank(ctx->session);
		return qdev->ids[id] ? 0 : id;
	}
	for (i = 0; i < QDA_CALLS_MAX; i++) {
		id = id >= FASTRPC_MAX_ID ? QDA_CONTROL_IDS + 1 : id + 1;
		if (!qdev->ids[id]) {
			qdev->last_id = id;
			return id;
		}
	}
	return 0;
}

/* The last ids are for those who have few: no two files can keep the others from the DSP. */
static bool may_call(const struct qda_device *qdev, const struct qda_session *session)
{
	lockdep_assert_held(&qdev->ids_lock);
	if (session->calls >= QDA_FILE_CALLS_MAX)
		return false;
	return qdev->calls < QDA_CALLS_MAX - QDA_CALLS_SHARED ||
	       session->calls < max(QDA_CALLS_SHARED / qdev->n_banks, 1u);
}

/* The table's reference is taken before anything can find it. */
static int insert(struct qda_device *qdev, struct qda_ctx *ctx)
{
	struct qda_session *session = ctx->session;
	unsigned long flags;
	int err = -EBUSY;

	spin_lock_irqsave(&qdev->ids_lock, flags);
	/* Whoever ends the session's messages has changed its state before. */
	if (ctx->kind != QDA_CTX_PROCESS && qda_session_check(session))
		err = qda_session_check(session);
	else if (ctx->kind == QDA_CTX_PROCESS || may_call(qdev, session))
		ctx->id = find_id(qdev, ctx);
	if (ctx->id) {
		ctx->msg.ctx = fastrpc_ctx(++qdev->generation, ctx->id, session->pd);
		ctx->sent = ktime_get();
		kref_get(&ctx->ref);
		qdev->ids[ctx->id] = ctx;
		count(ctx, 1);
		err = 0;
	}
	spin_unlock_irqrestore(&qdev->ids_lock, flags);
	return err;
}

static void take(struct qda_device *qdev, struct qda_ctx *ctx)
{
	lockdep_assert_held(&qdev->ids_lock);
	qdev->ids[ctx->id] = NULL;
	ctx->id = 0;
	count(ctx, -1);
}

/* It is out, or its event is, and its end is not told yet. */
static void begin_telling(struct qda_session *session)
{
	lockdep_assert_held(&session->qdev->ids_lock);
	session->telling++;
}

static void end_telling(struct qda_session *session)
{
	struct qda_device *qdev = session->qdev;
	unsigned long flags;

	spin_lock_irqsave(&qdev->ids_lock, flags);
	if (!--session->telling)
		wake_up_var(&session->telling);
	spin_unlock_irqrestore(&qdev->ids_lock, flags);
}

static bool is_telling(struct qda_session *session)
{
	struct qda_device *qdev = session->qdev;
	unsigned long flags;
	bool telling;

	spin_lock_irqsave(&qdev->ids_lock, flags);
	telling = session->telling;
	spin_unlock_irqrestore(&qdev->ids_lock, flags);
	return telling;
}

/* Out again, unless somebody else was first. */
static bool try_take(struct qda_device *qdev, struct qda_ctx *ctx)
{
	unsigned long flags;
	bool there;

	spin_lock_irqsave(&qdev->ids_lock, flags);
	there = ctx->id;
	if (there)
		take(qdev, ctx);
	spin_unlock_irqrestore(&qdev->ids_lock, flags);
	return there;
}

/* --- the end --- */

static struct qda_event *take_event(struct qda_ctx *ctx)
{
	struct qda_device *qdev = ctx->session->qdev;
	struct qda_event *event;
	unsigned long flags;

	spin_lock_irqsave(&qdev->ids_lock, flags);
	event = ctx->event;
	ctx->event = NULL;
	spin_unlock_irqrestore(&qdev->ids_lock, flags);
	return event;
}

/*
 * Tell those who wait. What the DSP left is read first and the memory given back before: whoever
 * hears of the end may send the next call at once.
 */
void qda_ctx_tell(struct qda_ctx *ctx)
{
	struct qda_session *session = ctx->session;
	struct qda_event *event = take_event(ctx);
	u32 i;

	if (event && ctx->kind == QDA_CTX_SUBMIT) {
		for (i = 0; i < fastrpc_sc_out_handles(ctx->msg.sc); i++)
			qda_event_set_out_handle(event, i, fastrpc_out_handle(ctx->payload.cpu,
									      ctx->msg.sc, i));
	}
	if (ctx->kind != QDA_CTX_INVOKE)
		qda_payload_free(&session->memory, &ctx->payload);
	if (event)
		qda_event_send(&session->qdev->drm, event, ctx->error, ctx->result, ctx->value);
}

static void conclude(struct qda_ctx *ctx)
{
	qda_ctx_tell(ctx);
	complete_all(&ctx->done);
	if (ctx->kind != QDA_CTX_PROCESS)
		end_telling(ctx->session);
}

static void settle_work(struct work_struct *work)
{
	struct qda_ctx *ctx = container_of(work, struct qda_ctx, work);

	ctx->settle(ctx);
	conclude(ctx);
	qda_ctx_put(ctx);
}

static void set_result(struct qda_ctx *ctx, int error, s32 result)
{
	atomic64_add(ktime_to_ns(ktime_sub(ktime_get(), ctx->sent)), &ctx->session->busy_ns);
	trace_qda_done(&ctx->msg, error, result);
	ctx->error = error;
	ctx->result = result;
}

/* Of a message that the caller took out of the table, with the table's reference. Any context. */
static void finish(struct qda_ctx *ctx, int error, s32 result)
{
	set_result(ctx, error, result);
	if (ctx->settle) {
		INIT_WORK(&ctx->work, settle_work);
		queue_work(qda_wq, &ctx->work);
		return;
	}
	conclude(ctx);
	kref_put(&ctx->ref, free_later);
}

/* By whoever ends it. Starts and ends of PDs are what others wait in. */
static void take_to_tell(struct qda_device *qdev, struct qda_ctx *ctx)
{
	take(qdev, ctx);
	if (ctx->kind != QDA_CTX_PROCESS)
		begin_telling(ctx->session);
}

void qda_transport_response(struct qda_device *qdev, const void *bytes, unsigned int n)
{
	struct fastrpc_notification notification;
	struct qda_ctx *ctx = NULL;
	struct fastrpc_rsp rsp;
	unsigned long flags;

	if (!fastrpc_notification(bytes, n, &notification)) {
		if (!qda_session_notify(qdev, notification.client_id, notification.status))
			trace_qda_drop(n, notification.ctx);
		return;
	}
	if (fastrpc_response(bytes, n, &rsp)) {
		trace_qda_drop(n, 0);
		return;
	}
	spin_lock_irqsave(&qdev->ids_lock, flags);
	ctx = qdev->ids[fastrpc_ctx_id(rsp.ctx)];
	if (ctx && ctx->msg.ctx == rsp.ctx)
		take_to_tell(qdev, ctx);
	else
		ctx = NULL;
	spin_unlock_irqrestore(&qdev->ids_lock, flags);
	if (!ctx) {
		trace_qda_drop(n, rsp.ctx);
		return;
	}
	dma_rmb();	/* what the DSP wrote before it answered */
	/* What it answers for a PD that has ended is no result of a call. */
	if (ctx->kind != QDA_CTX_PROCESS && READ_ONCE(ctx->session->ended))
		finish(ctx, -ECONNRESET, 0);
	else
		finish(ctx, rsp.retval ? -EREMOTEIO : 0, rsp.retval);
}
EXPORT_SYMBOL_GPL(qda_transport_response);

static struct qda_ctx *take_any(struct qda_device *qdev, const struct qda_session *session)
{
	struct qda_ctx *ctx = NULL;
	unsigned long flags;
	unsigned int id;

	spin_lock_irqsave(&qdev->ids_lock, flags);
	for (id = 1; id <= FASTRPC_MAX_ID && !ctx; id++) {
		ctx = qdev->ids[id];
		if (ctx && session &&
		    (ctx->session != session || ctx->kind == QDA_CTX_PROCESS))
			ctx = NULL;
	}
	if (ctx)
		take_to_tell(qdev, ctx);
	spin_unlock_irqrestore(&qdev->ids_lock, flags);
	return ctx;
}

void qda_ctx_fail(struct qda_device *qdev, struct qda_session *session, int error)
{
	struct qda_ctx *ctx;

	while ((ctx = take_any(qdev, session))) {
		set_result(ctx, error, 0);
		if (ctx->settle)
			ctx->settle(ctx);
		conclude(ctx);
		qda_ctx_put(ctx);
	}
	/* Those that the DSP, or a CANCEL, was just ending. */
	if (session)
		wait_var_event(&session->telling, !is_telling(session));
}

/* --- what users of it do --- */

/* What a transport says in its own words. */
static int send_error(int err)
{
	switch (err) {
	case -EPIPE:
		return err;
	case -EAGAIN:
	case -ENOMEM:
	case -ENOBUFS:
	case -ETIMEDOUT:	/* so rpmsg says that no room came free */
	case -ERESTARTSYS:
		return -EBUSY;
	default:
		return -EIO;
	}
}

int qda_ctx_send(struct qda_ctx *ctx)
{
	struct qda_device *qdev = ctx->session->qdev;
	int idx, err;

	if (!drm_dev_enter(&qdev->drm, &idx))
		return -EPIPE;
	err = insert(qdev, ctx);
	if (err)
		goto exit;
	trace_qda_send(&ctx->msg);
	dma_wmb();	/* the payload before the message */
	err = qdev->ops->send(qdev->priv, &ctx->msg);
	/* A DSP may have answered what it was never sent: then this has ended already. */
	if (err && try_take(qdev, ctx)) {
		err = send_error(err);
		qda_ctx_put(ctx);
	} else {
		err = 0;
	}
exit:
	drm_dev_exit(idx);
	return err;
}

int qda_ctx_wait(struct qda_ctx *ctx)
{
	int err = wait_for_completion_state(&ctx->done, TASK_KILLABLE | TASK_FREEZABLE);

	return err ? err : ctx->error;
}

int qda_ctx_wait_for(struct qda_ctx *ctx, unsigned int ms)
{
	long left = wait_for_completion_killable_timeout(&ctx->done, msecs_to_jiffies(ms));

	if (left < 0)
		return left;
	return left ? ctx->error : -ETIMEDOUT;
}

static struct qda_event *find_event(struct qda_session *session, u64 call)
{
	struct qda_device *qdev = session->qdev;
	struct qda_event *event = NULL;
	struct qda_ctx *ctx;
	unsigned long flags;
	unsigned int id;

	spin_lock_irqsave(&qdev->ids_lock, flags);
	for (id = QDA_CONTROL_IDS + 1; id <= FASTRPC_MAX_ID && !event; id++) {
		ctx = qdev->ids[id];
		if (!ctx || ctx->session != session || ctx->kind != QDA_CTX_SUBMIT ||
		    ctx->call != call)
			continue;
		event = ctx->event;
		ctx->event = NULL;
	}
	if (event)
		begin_telling(session);
	spin_unlock_irqrestore(&qdev->ids_lock, flags);
	return event;
}

int qda_ctx_cancel(struct qda_session *session, u64 call)
{
	struct qda_event *event = find_event(session, call);

	if (!event)
		return -ENOENT;
	qda_event_send(&session->qdev->drm, event, -ECANCELED, 0, 0);
	end_telling(session);
	return 0;
}
