// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ends of PDs: those that are asked for, by RELEASE or by closing the file, those that the DSP
 * tells of, and those that it refuses. Only the answer of the DSP, or its end, gives a context bank
 * back; nobody waits for that. Process context, unless it says otherwise.
 */
#include <linux/delay.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_print.h>
#include <drm/qda_accel.h>

#include "qda_bank.h"
#include "qda_control.h"
#include "qda_drv.h"
#include "qda_event.h"
#include "qda_map.h"
#include "qda_release.h"
#include "qda_session.h"
#include "qda_trace.h"
#include "qda_use.h"

#define RETRY_MS 100

/* No notification finds the session under this name any more. */
static void drop_client(struct qda_session *session)
{
	struct xarray *clients = &session->qdev->clients;

	if (!session->client)
		return;
	xa_lock_irq(clients);
	__xa_erase(clients, session->client);
	WRITE_ONCE(session->ended, 0);
	xa_unlock_irq(clients);
	session->client = 0;
}

/* The DSP does not have it any more, or never had: all that was the PD's is taken back. */
void qda_session_end(struct qda_session *session)
{
	struct qda_device *qdev = session->qdev;

	qda_ctx_fail(qdev, session, -ECONNRESET);
	mutex_lock(&session->lock);
	trace_qda_session(session->client, "ended");
	qda_event_free(&qdev->drm, session->end_event);
	session->end_event = NULL;
	qda_maps_drop(session);
	session->epoch++;
	qda_use_unmap_all(session);
	qda_mapping_put(session->initial);
	session->initial = NULL;
	qda_ctx_put(session->release);
	session->release = NULL;
	qda_memory_unmap(&session->memory);
	if (session->bank)
		qda_bank_give(session->bank);
	session->bank = NULL;
	drop_client(session);
	qda_control_forget(session);
	qda_session_set_state(session, QDA_SESSION_IDLE);
	mutex_unlock(&session->lock);
}

/* The PD may still run, and nothing will tell when it does not: keep all it can reach. */
static void quarantine(struct qda_session *session, int error, s32 result)
{
	struct qda_device *qdev = session->qdev;

	drm_warn(&qdev->drm,
		 "client %d cannot be ended (error %d, result %#x): its context bank is lost until the DSP restarts\n",
		 session->client, error, result);
	qda_bank_lose(session->bank);
	mutex_lock(&session->lock);
	qda_session_set_state(session, QDA_SESSION_STUCK);
	mutex_unlock(&session->lock);
	mutex_lock(&qdev->sessions_lock);
	list_add(&qda_session_get(session)->stuck_node, &qdev->quarantine);
	mutex_unlock(&qdev->sessions_lock);
}

static void settle_release(struct qda_ctx *ctx)
{
	/* It was dead already. */
	if (ctx->error == -EREMOTEIO && (u32)ctx->result == FASTRPC_EBADSTATE) {
		ctx->error = 0;
		ctx->result = 0;
	}
	if (!ctx->error || ctx->error == -EPIPE) {
		qda_session_end(ctx->session);
	} else {
		quarantine(ctx->session, ctx->error, ctx->result);
		ctx->error = -ENOTRECOVERABLE;
	}
}

static int write_release(struct qda_ctx *ctx)
{
	const struct fastrpc_ctl ctl = {
		.method = FASTRPC_PROCESS_RELEASE,
		.client_id = ctx->session->client,
	};

	return qda_control_write(ctx, &ctl);
}

/* Its payload lies where the PD can write and had all its life to do so: it is written anew. */
static int send_release(struct qda_ctx *ctx)
{
	int err = write_release(ctx);

	return err ? err : qda_ctx_send(ctx);
}

/* Made before there is a PD, so that ending it cannot fail for want of memory. */
int qda_release_prepare(struct qda_session *session)
{
	struct qda_ctx *ctx = qda_control_new(session, QDA_CTX_PROCESS, 0, settle_release);
	int err;

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	err = write_release(ctx);
	if (err)
		qda_ctx_put(ctx);
	else
		session->release = ctx;
	return err;
}

static void release_work(struct work_struct *work)
{
	struct qda_session *session = container_of(work, struct qda_session, release_work);
	struct qda_ctx *ctx;
	int err;

	mutex_lock(&session->lock);
	ctx = session->release;
	session->release = NULL;
	mutex_unlock(&session->lock);
	/* A transport that is full for a moment does not cost a bank; unplugging ends this, too. */
	while ((err = send_release(ctx)) == -EBUSY)
		msleep(RETRY_MS);
	if (err) {
		ctx->error = err;
		settle_release(ctx);
	}
	qda_ctx_put(ctx);
	qda_session_put(session);
}

void qda_release_start(struct qda_session *session)
{
	queue_work(qda_wq, &qda_session_get(session)->release_work);
}

void qda_release_look(struct qda_session *session)
{
	qda_session_get(session);
	if (!queue_work(qda_wq, &session->ended_work))
		qda_session_put(session);	/* not the last */
}

void qda_sessions_free_quarantine(struct qda_device *qdev)
{
	struct qda_session *session, *next;
	LIST_HEAD(list);

	mutex_lock(&qdev->sessions_lock);
	list_splice_init(&qdev->quarantine, &list);
	mutex_unlock(&qdev->sessions_lock);
	list_for_each_entry_safe(session, next, &list, stuck_node) {
		qda_session_end(session);
		qda_session_put(session);
	}
}

/* Nothing is made for the PD any more when this returns 0, and the message that ends it is out. */
static int begin_release(struct qda_session *session, enum qda_session_state *before,
			 struct qda_ctx **ctx)
{
	int err = down_write_killable(&session->gate);

	if (err)
		return err;
	mutex_lock(&session->lock);
	*before = session->state;
	if (*before == QDA_SESSION_OPEN || *before == QDA_SESSION_LOST) {
		qda_session_set_state(session, QDA_SESSION_RELEASING);
		*ctx = session->release;
		session->release = NULL;
	} else {
		err = *before == QDA_SESSION_STUCK ? -ENOTRECOVERABLE : -ENOTCONN;
	}
	mutex_unlock(&session->lock);
	up_write(&session->gate);
	return err;
}

static void undo_release(struct qda_session *session, enum qda_session_state before,
			 struct qda_ctx *ctx)
{
	mutex_lock(&session->lock);
	session->release = ctx;
	if (ctx->event) {
		qda_event_set_type(ctx->event, DRM_QDA_EVENT_ENDED, 0);
		session->end_event = ctx->event;
		ctx->event = NULL;
	}
	qda_session_set_state(session, before);
	mutex_unlock(&session->lock);
	/* What the DSP said meanwhile, nobody listened to. */
	qda_release_look(session);
}

/* The event that would have told the PD's end tells this one; it was sent if the PD is lost. */
static int get_event(struct qda_session *session, struct drm_file *file, u64 user_data,
		     struct qda_event **event)
{
	mutex_lock(&session->lock);
	*event = session->end_event;
	session->end_event = NULL;
	mutex_unlock(&session->lock);
	if (!*event)
		return qda_event_new(&session->qdev->drm, file, DRM_QDA_EVENT_DONE, user_data, 0,
				     event);
	qda_event_set_type(*event, DRM_QDA_EVENT_DONE, user_data);
	return 0;
}

int qda_ioctl_release(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct qda_session *session = file->driver_priv;
	struct drm_qda_release *args = data;
	enum qda_session_state before;
	struct qda_ctx *ctx;
	int err;

	args->result = 0;
	if (args->flags & ~DRM_QDA_ASYNC || (!args->flags && args->user_data))
		return -EINVAL;
	err = begin_release(session, &before, &ctx);
	if (err)
		return err;
	/* Calls that it ends are of this PD, not of the next. */
	flush_work(&session->ended_work);
	if (args->flags)
		err = get_event(session, file, args->user_data, &ctx->event);
	if (!err)
		err = send_release(ctx);
	if (err) {
		undo_release(session, before, ctx);
		return err;
	}
	if (!args->flags) {
		err = qda_ctx_wait(ctx);
		args->result = ctx->result;
	}
	qda_ctx_put(ctx);
	return err;
}

/* --- a PD that ends by itself --- */

static bool notify(struct qda_session *session, u32 status)
{
	if (!session || session->ended)
		return false;
	WRITE_ONCE(session->ended, status);
	qda_release_look(session);
	return true;
}

bool qda_session_notify(struct qda_device *qdev, s32 client, u32 status)
{
	unsigned long flags;
	bool taken;

	if (status < FASTRPC_PD_EXIT || status > FASTRPC_PD_EXCEPTION)
		return false;
	xa_lock_irqsave(&qdev->clients, flags);
	taken = notify(xa_load(&qdev->clients, client), status);
	xa_unlock_irqrestore(&qdev->clients, flags);
	return taken;
}

/* Not if it is being ended, or not there yet: then settle_open() looks again. */
static u32 set_lost(struct qda_session *session, struct qda_event **event)
{
	u32 status = 0;

	mutex_lock(&session->lock);
	if (session->state == QDA_SESSION_OPEN) {
		xa_lock_irq(&session->qdev->clients);
		status = session->ended;
		xa_unlock_irq(&session->qdev->clients);
	}
	if (status) {
		trace_qda_session(session->client, "lost");
		qda_session_set_state(session, QDA_SESSION_LOST);
		*event = session->end_event;
		session->end_event = NULL;
	}
	mutex_unlock(&session->lock);
	return status;
}

/* Its calls end; all that it could reach stays its own until the DSP has confirmed a RELEASE. */
static void ended_work(struct work_struct *work)
{
	struct qda_session *session = container_of(work, struct qda_session, ended_work);
	struct drm_device *drm = &session->qdev->drm;
	struct qda_event *event = NULL;
	u32 status;
	int idx;

	if (drm_dev_enter(drm, &idx)) {
		status = set_lost(session, &event);
		if (status)
			qda_ctx_fail(session->qdev, session, -ECONNRESET);
		if (event)
			qda_event_send(drm, event, -ECONNRESET, status, 0);
		drm_dev_exit(idx);
	}
	qda_session_put(session);
}

void qda_release_init(struct qda_session *session)
{
	INIT_WORK(&session->release_work, release_work);
	INIT_WORK(&session->ended_work, ended_work);
}
