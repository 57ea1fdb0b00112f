// SPDX-License-Identifier: GPL-2.0-only
/*
 * INVOKE, SUBMIT and CANCEL. The thread that makes a call owns its arguments; the message owns what
 * the DSP uses, and stays when the thread goes. Process context.
 */
#include <linux/pid.h>
#include <linux/sched.h>

#include <drm/drm_file.h>
#include <drm/qda_accel.h>

#include "qda_args.h"
#include "qda_ctx.h"
#include "qda_drv.h"
#include "qda_event.h"
#include "qda_invoke.h"
#include "qda_session.h"

/* Who may forge process control may have any memory mapped. */
static int check(const struct qda_session *session, u32 handle, u32 sc)
{
	if (fastrpc_sc_attr(sc))
		return -EINVAL;
	if (handle == FASTRPC_HANDLE_PROCESS || handle == FASTRPC_HANDLE_UTIL)
		return -EPERM;
	return qda_session_check(session);
}

/* A message ready to be sent; ERR_PTR. */
static struct qda_ctx *prepare(struct qda_session *session, struct drm_file *file,
			       enum qda_ctx_kind kind, u32 handle, struct qda_args *args)
{
	struct qda_ctx *ctx = qda_ctx_new(session, kind, args->n);
	int err;

	if (!ctx)
		return ERR_PTR(-ENOMEM);
	err = qda_args_resolve(args, ctx, file);
	if (!err)
		err = qda_args_write(args, ctx);
	if (err) {
		qda_ctx_put(ctx);
		return ERR_PTR(err);
	}
	fastrpc_request(&ctx->msg, session->client, task_pid_nr(current), 0, handle, args->sc,
			ctx->payload.addr, args->size);
	return ctx;
}

static int send_invoke(struct qda_session *session, struct drm_file *file, u32 handle,
		       struct qda_args *args, struct qda_ctx **out)
{
	struct qda_ctx *ctx;
	int err = qda_session_enter(session);

	if (err)
		return err;
	ctx = prepare(session, file, QDA_CTX_INVOKE, handle, args);
	err = PTR_ERR_OR_ZERO(ctx);
	if (!err) {
		err = qda_ctx_send(ctx);
		if (err)
			qda_ctx_put(ctx);
	}
	qda_session_leave(session);
	*out = ctx;
	return err;
}

static int finish_invoke(struct qda_ctx *ctx, const struct qda_args *args, s32 *result)
{
	int err = qda_ctx_wait(ctx);
	int fault;

	if (err && err != -EREMOTEIO)
		return err;
	*result = ctx->result;
	fault = qda_args_return(args, ctx);
	return fault ? fault : err;
}

int qda_ioctl_invoke(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct qda_session *session = file->driver_priv;
	struct drm_qda_invoke *invoke = data;
	struct qda_args args = {};
	struct qda_ctx *ctx;
	int err;

	invoke->result = 0;
	if (invoke->pad)
		return -EINVAL;
	err = check(session, invoke->handle, invoke->sc);
	if (err)
		return err;
	err = qda_args_read(&args, invoke->sc, invoke->args);
	if (!err)
		err = send_invoke(session, file, invoke->handle, &args, &ctx);
	if (!err) {
		err = finish_invoke(ctx, &args, &invoke->result);
		qda_ctx_put(ctx);
	}
	qda_args_free(&args);
	return err;
}

static int start_submit(struct qda_ctx *ctx, struct drm_file *file, u64 user_data, u64 *name)
{
	struct qda_session *session = ctx->session;
	int err;

	ctx->call = atomic64_inc_return(&session->next_call);
	*name = ctx->call;
	err = qda_event_new(&session->qdev->drm, file, DRM_QDA_EVENT_DONE, user_data,
			    fastrpc_sc_out_handles(ctx->msg.sc), &ctx->event);
	return err ? err : qda_ctx_send(ctx);
}

static int send_submit(struct qda_session *session, struct drm_file *file,
		       struct qda_args *call_args, struct drm_qda_submit *args)
{
	struct qda_ctx *ctx;
	int err = qda_session_enter(session);

	if (err)
		return err;
	ctx = prepare(session, file, QDA_CTX_SUBMIT, args->handle, call_args);
	err = PTR_ERR_OR_ZERO(ctx);
	if (!err) {
		err = start_submit(ctx, file, args->user_data, &args->call);
		qda_ctx_put(ctx);
	}
	qda_session_leave(session);
	return err;
}

int qda_ioctl_submit(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct qda_session *session = file->driver_priv;
	struct drm_qda_submit *args = data;
	struct qda_args call_args = {};
	int err;

	args->call = 0;
	if (args->flags || args->pad)
		return -EINVAL;
	err = check(session, args->handle, args->sc);
	if (err)
		return err;
	err = qda_args_read(&call_args, args->sc, args->args);
	if (!err)
		err = send_submit(session, file, &call_args, args);
	qda_args_free(&call_args);
	return err;
}

int qda_ioctl_cancel(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_qda_cancel *args = data;

	return qda_ctx_cancel(file->driver_priv, args->call);
}
