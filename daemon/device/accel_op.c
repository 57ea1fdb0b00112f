// SPDX-License-Identifier: BSD-3-Clause
/*
 * Operations in flight in a session of the accel device, and the events that end them. The driver
 * sends one for each; what it says of one that has ended here already finds nobody. It also tells
 * of PDs, and of a DSP, that are gone.
 */
#include <string.h>
#include <unistd.h>

#include "device/accel.h"

#define INDEX_BITS 8u

_Static_assert(ACCEL_OPS <= 1u << INDEX_BITS, "an index has its bits");

struct accel_op *accel_op_new(struct qda_device_session *session, enum accel_op_kind kind,
			      uint64_t cookie)
{
	struct accel_op *op = TAILQ_FIRST(&session->free_ops);

	if (!op || (kind == ACCEL_OP_CALL &&
		    session->n_calls >= accel_session_calls(session->accel)))
		return NULL;
	TAILQ_REMOVE(&session->free_ops, op, link);
	TAILQ_INSERT_TAIL(&session->ops, op, link);
	op->kind = kind;
	op->cookie = cookie;
	op->generation++;
	session->n_calls += kind == ACCEL_OP_CALL;
	return op;
}

void accel_op_free(struct qda_device_session *session, struct accel_op *op)
{
	session->n_calls -= op->kind == ACCEL_OP_CALL;
	op->kind = ACCEL_OP_FREE;
	TAILQ_REMOVE(&session->ops, op, link);
	TAILQ_INSERT_TAIL(&session->free_ops, op, link);
}

uint64_t accel_op_user_data(const struct qda_device_session *session, const struct accel_op *op)
{
	return op->generation << INDEX_BITS | (uint64_t)(op - session->op);
}

struct accel_op *accel_op_find(struct qda_device_session *session, uint64_t user_data)
{
	uint64_t index = user_data & ((1u << INDEX_BITS) - 1);
	struct accel_op *op = index < ACCEL_OPS ? &session->op[index] : NULL;

	return op && op->kind != ACCEL_OP_FREE && op->generation == user_data >> INDEX_BITS ? op
											    : NULL;
}

/* What it held is given back before its owner hears, so that he can go on from there. */
static void end(struct qda_device_session *session, struct accel_op *op,
		const struct qda_device_done *done)
{
	enum accel_op_kind kind = op->kind;
	uint64_t cookie = op->cookie;

	accel_op_free(session, op);
	if (kind == ACCEL_OP_CREATE)
		accel_session_created(session, done->err, done->result);
	else if (kind == ACCEL_OP_RELEASE)
		accel_session_released(session);
	else
		accel_done(session->accel, cookie, done);
}

void accel_op_fail(struct qda_device_session *session, struct accel_op *op, int err, int32_t result)
{
	const struct qda_device_done done = { .err = err, .result = result };

	end(session, op, &done);
}

/* Not for a session that opens: its one operation is the opening. */
void accel_ops_fail(struct qda_device_session *session, int err)
{
	struct accel_op *op;

	while ((op = TAILQ_FIRST(&session->ops)))
		accel_op_fail(session, op, err, 0);
}

/* Firmware that tells of no ends says so when it is asked for something. A method that returns this
 * code ends its session by it, and hurts nobody else. */
static bool says_pd_is_gone(const struct accel_op *op, const struct drm_qda_event *event)
{
	return op->kind != ACCEL_OP_CREATE && op->kind != ACCEL_OP_RELEASE &&
	       event->error == -EREMOTEIO && (uint32_t)event->result == FASTRPC_EBADSTATE;
}

static void on_done(struct qda_device_session *session, const struct drm_qda_event *event)
{
	struct accel_op *op = accel_op_find(session, event->user_data);
	uint32_t n = (event->base.length - sizeof(*event)) / sizeof(uint64_t);
	struct qda_device_done done = {
		.err = event->error,
		.result = event->result,
		.dsp_addr = event->value,
	};

	if (!op)
		return;
	if (says_pd_is_gone(op, event)) {
		accel_session_lost(session, -ECONNRESET, "the DSP says that the PD is gone");
		return;
	}
	if (op->kind == ACCEL_OP_CALL && done.err == -EREMOTEIO)
		done.err = 0;
	if (n > sizeof(done.out_handles) / sizeof(*done.out_handles))
		n = sizeof(done.out_handles) / sizeof(*done.out_handles);
	if (!done.err && !done.result)
		memcpy(done.out_handles, DRM_QDA_EVENT_OUT_HANDLES(event), n * sizeof(uint64_t));
	end(session, op, &done);
}

static void on_ended(struct qda_device_session *session, const struct drm_qda_event *event)
{
	const char *why = "the PD has ended";

	switch (event->result) {
	case DRM_QDA_ENDED_EXIT:
		why = "the PD has exited";
		break;
	case DRM_QDA_ENDED_KILLED:
		why = "the DSP has killed the PD";
		break;
	case DRM_QDA_ENDED_EXCEPTION:
		why = "an exception has ended the PD";
		break;
	}
	accel_session_ended(session, why);
}

static void on_event(struct qda_device_session *session, const struct drm_event *base)
{
	if (base->type == DRM_QDA_EVENT_LOST)
		accel_node_gone(session->accel, "the DSP is gone");
	else if (base->length < sizeof(struct drm_qda_event))
		return;
	else if (base->type == DRM_QDA_EVENT_DONE)
		on_done(session, (const struct drm_qda_event *)base);
	else if (base->type == DRM_QDA_EVENT_ENDED)
		on_ended(session, (const struct drm_qda_event *)base);
}

static bool hears(const struct qda_device_session *session)
{
	return !session->accel->freed && session->state != ACCEL_LOST &&
	       session->state != ACCEL_ENDING;
}

bool accel_ops_read(struct qda_device_session *session)
{
	struct accel *accel = session->accel;
	const uint8_t *at = (const uint8_t *)accel->events;
	ssize_t left = read(session->fd, accel->events, sizeof(accel->events));
	bool any = left > 0;

	while (left >= (ssize_t)sizeof(struct drm_event) && hears(session)) {
		const struct drm_event *base = (const struct drm_event *)at;

		if (base->length < sizeof(*base) || base->length > left)
			break;
		at += base->length;
		left -= base->length;
		on_event(session, base);
	}
	return any;
}
