// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's own calls. Process context.
 */
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/string.h>

#include <drm/qda_accel.h>

#include "qda_control.h"
#include "qda_drv.h"
#include "qda_event.h"
#include "qda_session.h"

struct qda_ctx *qda_control_new(struct qda_session *session, enum qda_ctx_kind kind, u32 mappings,
				void (*settle)(struct qda_ctx *ctx))
{
	struct qda_ctx *ctx = qda_ctx_new(session, kind, mappings);
	int err;

	if (!ctx)
		return ERR_PTR(-ENOMEM);
	err = qda_payload_alloc(&session->memory, FASTRPC_CTL_PAYLOAD, &ctx->payload);
	if (err) {
		qda_ctx_put(ctx);
		return ERR_PTR(err);
	}
	ctx->settle = settle;
	return ctx;
}

static void request(struct qda_ctx *ctx, u32 handle, u32 sc)
{
	fastrpc_request(&ctx->msg, 0, task_pid_nr(current), 0, handle, sc, ctx->payload.addr,
			FASTRPC_CTL_PAYLOAD);
}

int qda_control_write(struct qda_ctx *ctx, const struct fastrpc_ctl *ctl)
{
	u32 sc;
	int err = fastrpc_ctl_write(ctx->payload.cpu, ctx->payload.addr, ctl, &sc, &ctx->answer);

	if (!err)
		request(ctx, FASTRPC_HANDLE_PROCESS, sc);
	return err;
}

int qda_control_start(struct qda_ctx *ctx, struct drm_file *file, u32 flags, u64 user_data)
{
	int err = 0;

	if (flags & DRM_QDA_ASYNC)
		err = qda_event_new(&ctx->session->qdev->drm, file, DRM_QDA_EVENT_DONE, user_data,
				    0, &ctx->event);
	if (!err)
		err = qda_ctx_send(ctx);
	if (err) {
		ctx->error = err;
		ctx->settle(ctx);
	}
	return err;
}

int qda_control_wait(struct qda_ctx *ctx, u32 flags)
{
	return flags & DRM_QDA_ASYNC ? 0 : qda_ctx_wait(ctx);
}

u64 qda_control_answer(const struct qda_ctx *ctx)
{
	u64 answer;

	if (ctx->answer.length != sizeof(answer))
		return 0;
	memcpy(&answer, ctx->payload.cpu + ctx->answer.offset, sizeof(answer));
	return answer;
}

/* --- capabilities: handle 2, method 0: in {u32 count}; out u32[count], for attributes 1.. --- */

#define CAPABILITIES_MS 10000
#define CAPABILITIES_SC fastrpc_sc(0, 0, 1, 1, 0, 0)

static int write_question(struct qda_ctx *ctx)
{
	/* Addresses that are made up, so that the two do not overlap. */
	const struct fastrpc_arg args[2] = {
		{ .addr = 0, .length = sizeof(u32) },
		{ .addr = FASTRPC_PAGE, .length = (QDA_CAPABILITIES - 1) * sizeof(u32) },
	};
	const u32 count = QDA_CAPABILITIES - 1;
	struct fastrpc_place places[2];
	u16 order[2];
	u32 size;
	int err;

	err = fastrpc_plan(CAPABILITIES_SC, args, fastrpc_meta_size(CAPABILITIES_SC),
			   FASTRPC_CTL_PAYLOAD, places, order, &size);
	if (err)
		return err;
	memset(ctx->payload.cpu, 0, FASTRPC_CTL_PAYLOAD);
	fastrpc_write_meta(ctx->payload.cpu, ctx->payload.addr, CAPABILITIES_SC, args, places);
	memcpy(ctx->payload.cpu + places[0].offset, &count, sizeof(count));
	ctx->answer = places[1];
	request(ctx, FASTRPC_HANDLE_UTIL, CAPABILITIES_SC);
	return 0;
}

static void settle_capabilities(struct qda_ctx *ctx)
{
	struct qda_session *session = ctx->session;

	if (ctx->error)
		return;
	mutex_lock(&session->lock);
	if (ctx->epoch == session->epoch) {
		memcpy(session->capabilities + 1, ctx->payload.cpu + ctx->answer.offset,
		       ctx->answer.length);
		session->have_capabilities = true;
	}
	mutex_unlock(&session->lock);
}

static int send_question(struct qda_session *session, struct qda_ctx **out)
{
	struct qda_ctx *ctx = qda_control_new(session, QDA_CTX_CONTROL, 0, settle_capabilities);
	int err;

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	err = write_question(ctx);
	if (!err)
		err = qda_control_start(ctx, NULL, 0, 0);
	if (err)
		qda_ctx_put(ctx);
	else
		*out = ctx;
	return err;
}

static int ask(struct qda_session *session)
{
	struct qda_ctx *ctx;
	int err = qda_session_enter(session);

	if (err)
		return err;
	err = send_question(session, &ctx);
	qda_session_leave(session);
	if (err)
		return err;
	err = qda_ctx_wait_for(ctx, CAPABILITIES_MS);
	qda_ctx_put(ctx);
	return err == -EREMOTEIO ? -EOPNOTSUPP : err;
}

static bool known(struct qda_session *session, u32 index, u64 *value)
{
	bool have;

	mutex_lock(&session->lock);
	have = session->have_capabilities;
	*value = have ? session->capabilities[index] : 0;
	mutex_unlock(&session->lock);
	return have;
}

void qda_control_forget(struct qda_session *session)
{
	lockdep_assert_held(&session->lock);
	session->have_capabilities = false;
}

int qda_control_capability(struct qda_session *session, u32 index, u64 *value)
{
	int err;

	if (known(session, index, value))
		return 0;
	err = ask(session);
	if (err)
		return err;
	/* Not known: the PD that was asked is not the session's any more. */
	return known(session, index, value) ? 0 : -ECONNRESET;
}
