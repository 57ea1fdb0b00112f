// SPDX-License-Identifier: BSD-3-Clause
/*
 * Calls and keys of the accel device. A call whose buffers were all used in the session before is
 * one ioctl on the loop: the driver finds them mapped, and what else it does is short. With any
 * other, the driver would take and map the buffer's pages first, so a worker submits it; such a
 * call may be overtaken by later ones, as it may on the DSP itself. Keys are always a worker's:
 * nobody is in a hurry there, and a full event queue is waited for.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "device/accel.h"

/* What a worker has to send. Keeps the memories it names. */
struct request {
	struct accel_job job;		/* first */
	struct qda_device_session *session;
	uint64_t user_data;
	unsigned long number;
	int err;
	union {
		struct drm_qda_submit submit;
		struct drm_qda_map map;
		struct drm_qda_unmap unmap;
	};
	uint32_t n;			/* of both arrays: arguments of a call, buffer of a map */
	struct accel_use **uses;	/* NULL: no buffer */
	struct drm_qda_arg args[];
};

/* The driver's words, as device.h has them. */
static int translate(int err)
{
	switch (err) {
	case -ENODEV:
		return -EPIPE;
	case -EALREADY:
		return -EBUSY;
	case -EOVERFLOW:
		return -EINVAL;
	case -ENOTCONN:
		return -ECONNRESET;
	default:
		return err;
	}
}

static int usable(const struct qda_device_session *session)
{
	if (session->closing)
		return -ECANCELED;
	if (session->accel->link != ACCEL_LINK_UP)
		return -EPIPE;
	if (session->state == ACCEL_OPEN)
		return 0;
	return session->state == ACCEL_OPENING ? -ENOTCONN : -ECONNRESET;
}

/* --- what a worker does --- */

static void run_request(struct accel_job *job)
{
	struct request *request = (struct request *)job;

	request->err = 0;
	for (uint32_t i = 0; i < request->n && !request->err; i++) {
		if (!request->uses[i])
			continue;
		request->err = accel_use_import(request->uses[i]);
		request->args[i].handle = request->uses[i]->handle;
	}
	if (request->number == DRM_IOCTL_QDA_MAP)
		request->map.handle = request->args[0].handle;
	if (!request->err)
		request->err = accel_ioctl(request->session->fd, request->number, &request->submit);
}

static void request_free(struct request *request)
{
	for (uint32_t i = 0; i < request->n; i++)
		if (request->uses[i])
			accel_memory_unref(request->uses[i]->memory);
	free(request);
}

/* Its event may have come already. An operation that failed because of its session is gone, too. */
static bool on_request_done(struct accel_job *job)
{
	struct request *request = (struct request *)job;
	struct qda_device_session *session = request->session;
	struct accel_op *op = accel_op_find(session, request->user_data);
	int err = job->dropped ? 0 : request->err;

	if (err == -EBUSY && op)
		return true;
	for (uint32_t i = 0; i < request->n && !err && !job->dropped; i++)
		if (request->uses[i])
			request->uses[i]->warm = true;
	if (err && op)
		accel_op_fail(session, op, translate(err), 0);
	request_free(request);
	return false;
}

/* The operation is in flight from here on. */
static int request_new(struct qda_device_session *session, unsigned long number,
		       enum accel_op_kind kind, uint64_t cookie, uint32_t n, struct request **out)
{
	struct request *request = calloc(1, sizeof(*request) + n * (sizeof(*request->args) +
								     sizeof(*request->uses)));
	struct accel_op *op;

	if (!request)
		return -ENOMEM;
	op = accel_op_new(session, kind, cookie);
	if (!op) {
		free(request);
		return -EBUSY;
	}
	request->job.run = run_request;
	request->job.done = on_request_done;
	request->session = session;
	request->user_data = accel_op_user_data(session, op);
	request->number = number;
	request->n = n;
	request->uses = (struct accel_use **)&request->args[n];
	*out = request;
	return 0;
}

/* --- calls --- */

static int put_buffer(struct qda_device_session *session, const struct qda_device_arg *arg,
		      bool out, struct drm_qda_arg *to, struct accel_use **use)
{
	uint64_t end;

	to->kind = DRM_QDA_ARG_BUFFER;
	if (!arg->length)
		return 0;
	if (!arg->buffer || __builtin_add_overflow(arg->offset, arg->length, &end) ||
	    end > arg->buffer->size)
		return -EINVAL;
	if (out && arg->buffer->read_only)
		return -EACCES;
	to->offset = arg->offset;
	to->length = arg->length;
	return accel_use_get(session, arg->buffer->memory, use);
}

static int put_key(const struct qda_device_arg *arg, struct drm_qda_arg *to)
{
	if (arg->number > INT_MAX)
		return -ENOENT;
	to->kind = DRM_QDA_ARG_KEY;
	to->handle = (uint32_t)arg->number;
	to->offset = arg->offset;
	to->length = arg->length;
	return 0;
}

/* In the driver's terms, with what each names in accel->uses. Sets *cold when a buffer is new. */
static int put_args(struct qda_device_session *session, const struct qda_device_call *call,
		    bool *cold)
{
	uint32_t in = fastrpc_sc_in(call->sc), bufs = fastrpc_sc_bufs(call->sc);
	uint32_t n = fastrpc_sc_args(call->sc);
	struct accel *accel = session->accel;
	int r = 0;

	memset(accel->args, 0, n * sizeof(*accel->args));
	memset(accel->uses, 0, n * sizeof(struct accel_use *));
	for (uint32_t i = 0; i < n && !r; i++) {
		const struct qda_device_arg *arg = &call->args[i];
		struct drm_qda_arg *to = &accel->args[i];

		if (i < bufs) {
			r = arg->kind != QDA_DEVICE_ARG_BUFFER ? -EINVAL :
			    put_buffer(session, arg, i >= in, to, &accel->uses[i]);
			*cold = *cold || (accel->uses[i] && !accel->uses[i]->warm);
		} else if (arg->kind == QDA_DEVICE_ARG_KEY &&
			   i < bufs + fastrpc_sc_in_handles(call->sc)) {
			r = put_key(arg, to);
		} else if (arg->kind == QDA_DEVICE_ARG_NUMBER) {
			to->kind = DRM_QDA_ARG_NUMBER;
			to->value = arg->number;
		} else {
			r = -EINVAL;
		}
	}
	return r;
}

static int submit_cold(struct qda_device_session *session, const struct qda_device_call *call,
		       uint64_t cookie)
{
	struct accel *accel = session->accel;
	uint32_t n = fastrpc_sc_args(call->sc);
	struct request *request;
	int r = request_new(session, DRM_IOCTL_QDA_SUBMIT, ACCEL_OP_CALL, cookie, n, &request);

	if (r < 0)
		return r;
	memcpy(request->args, accel->args, n * sizeof(*request->args));
	memcpy(request->uses, accel->uses, n * sizeof(struct accel_use *));
	for (uint32_t i = 0; i < n; i++)
		if (request->uses[i])
			accel_memory_ref(request->uses[i]->memory);
	request->submit = (struct drm_qda_submit){
		.handle = call->handle,
		.sc = call->sc,
		.args = (uintptr_t)request->args,
		.user_data = request->user_data,
	};
	accel_job_start(&session->queue, &request->job);
	return 0;
}

static int submit_warm(struct qda_device_session *session, const struct qda_device_call *call,
		       uint64_t cookie)
{
	struct accel *accel = session->accel;
	struct accel_op *op = accel_op_new(session, ACCEL_OP_CALL, cookie);
	struct drm_qda_submit submit = { .handle = call->handle, .sc = call->sc };
	uint32_t bufs = fastrpc_sc_bufs(call->sc);
	int r;

	if (!op)
		return -EBUSY;
	for (uint32_t i = 0; i < bufs; i++)
		if (accel->uses[i])
			accel->args[i].handle = accel->uses[i]->handle;
	if (fastrpc_sc_args(call->sc))
		submit.args = (uintptr_t)accel->args;
	submit.user_data = accel_op_user_data(session, op);
	r = accel_ioctl(session->fd, DRM_IOCTL_QDA_SUBMIT, &submit);
	if (r < 0)
		accel_op_free(session, op);
	return translate(r);
}

int accel_submit(struct qda_device_session *session, const struct qda_device_call *call,
		 uint64_t cookie)
{
	bool cold = false;
	int r = usable(session);

	if (r < 0)
		return r;
	if (call->handle == FASTRPC_HANDLE_PROCESS || call->handle == FASTRPC_HANDLE_UTIL)
		return -EPERM;
	r = put_args(session, call, &cold);
	if (r < 0)
		return r;
	return cold ? submit_cold(session, call, cookie) : submit_warm(session, call, cookie);
}

/* --- keys --- */

int accel_map(struct qda_device_session *session, struct qda_device_buffer *buffer, uint32_t key,
	      uint64_t offset, uint64_t size, uint64_t cookie)
{
	struct request *request;
	struct accel_use *use;
	uint64_t end;
	int r = usable(session);

	if (r < 0)
		return r;
	if (key > INT_MAX || !size || (offset | size) % ACCEL_PAGE ||
	    __builtin_add_overflow(offset, size, &end) || end > buffer->size)
		return -EINVAL;
	r = accel_use_get(session, buffer->memory, &use);
	if (!r)
		r = request_new(session, DRM_IOCTL_QDA_MAP, ACCEL_OP_MAP, cookie, 1, &request);
	if (r < 0)
		return r;
	request->uses[0] = use;
	accel_memory_ref(use->memory);
	request->map = (struct drm_qda_map){
		.kind = DRM_QDA_MAP_KEY,
		.key = key,
		.offset = offset,
		.size = size,
		.user_data = request->user_data,
		.flags = DRM_QDA_ASYNC,
	};
	accel_job_start(&session->queue, &request->job);
	return 0;
}

int accel_unmap(struct qda_device_session *session, uint32_t key, uint64_t cookie)
{
	struct request *request;
	int r = usable(session);

	if (!r)
		r = request_new(session, DRM_IOCTL_QDA_UNMAP, ACCEL_OP_UNMAP, cookie, 0, &request);
	if (r < 0)
		return r;
	request->unmap = (struct drm_qda_unmap){
		.kind = DRM_QDA_MAP_KEY,
		.key = key,
		.user_data = request->user_data,
		.flags = DRM_QDA_ASYNC,
	};
	accel_job_start(&session->queue, &request->job);
	return 0;
}
