// SPDX-License-Identifier: BSD-3-Clause
/*
 * Sessions of the accel device: an open file of the node, with the context bank and the PD that
 * INIT_CREATE gave it.
 *
 * A session ends with RELEASE, whose event tells that its bank is free; then a worker closes its
 * file, and the end is complete. One that is still opening is opened first. When the DSP does not
 * let go of a bank, the driver keeps it and counts it; nobody is told here.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/accel.h"
#include "util/stall.h"

#define MIB (1ull << 20)
#define ATTRIBUTE_ARCH 6u	/* of DRM_QDA_QUERY_CAPABILITY */

/* --- end --- */

static struct qda_device_session *session_of_close(struct accel_job *job)
{
	return (struct qda_device_session *)((char *)job -
					     offsetof(struct qda_device_session, close_job));
}

static void run_close(struct accel_job *job)
{
	struct qda_device_session *session = session_of_close(job);

	if (session->fd >= 0)
		close(session->fd);
}

static bool on_file_closed(struct accel_job *job)
{
	struct qda_device_session *session = session_of_close(job);
	struct accel *accel = session->accel;
	uint64_t cookie = session->close_cookie;
	bool closing = session->closing;

	accel_uses_drop(session);
	TAILQ_REMOVE(&accel->sessions, session, link);
	if (session->later)
		TAILQ_REMOVE(&accel->later, session, later_link);
	accel->n_sessions--;
	if (session->shell)
		accel_memory_unref(session->shell);
	free(session);
	if (closing)
		accel_done_err(accel, cookie, 0, 0);
	return false;
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct qda_device_session *session = handle->data;

	accel_job_start(&session->queue, &session->close_job);
	accel_handle_closed(session->accel);
}

/* What a worker does in the session just now ends before its file is closed. */
static void end(struct qda_device_session *session)
{
	if (session->state == ACCEL_ENDING)
		return;
	session->state = ACCEL_ENDING;
	accel_queue_drop(&session->queue);
	if (session->polled)
		uv_close((uv_handle_t *)&session->poll, on_poll_closed);
	else
		accel_job_start(&session->queue, &session->close_job);
}

static void run_release(struct accel_job *job)
{
	struct qda_device_session *session =
		(struct qda_device_session *)((char *)job -
					      offsetof(struct qda_device_session, release_job));

	session->err = accel_ioctl(session->fd, DRM_IOCTL_QDA_RELEASE, &session->release);
}

/* Busy: events that nobody wants are to be read first. Anything else means that there is no PD. */
static bool on_release_run(struct accel_job *job)
{
	struct qda_device_session *session =
		(struct qda_device_session *)((char *)job -
					      offsetof(struct qda_device_session, release_job));

	if (job->dropped || session->state != ACCEL_RELEASING)
		return false;
	if (session->err == -EBUSY)
		return true;
	if (session->err < 0)
		end(session);
	return false;
}

static void on_readable(uv_poll_t *poll, int status, int what);

static void start_release(struct qda_device_session *session)
{
	struct accel_op *op = accel_op_new(session, ACCEL_OP_RELEASE, 0);

	session->release = (struct drm_qda_release){
		.flags = DRM_QDA_ASYNC,
		.user_data = accel_op_user_data(session, op),
	};
	uv_poll_start(&session->poll, UV_READABLE, on_readable);
	accel_job_start(&session->queue, &session->release_job);
}

void accel_session_released(struct qda_device_session *session)
{
	end(session);
}

/* No operation but a creation is in flight. It is waited for: its PD is to be ended, too. */
static void leave(struct qda_device_session *session)
{
	session->state = ACCEL_RELEASING;
	accel_queue_drop(&session->queue);
	if (session->state == ACCEL_RELEASING && TAILQ_EMPTY(&session->ops))
		start_release(session);
}

/* The session that was to be opened will not be, and there is no PD. */
static void fail_open(struct qda_device_session *session, int err, int32_t result)
{
	bool told = session->open_told;

	session->open_told = true;
	end(session);
	if (!told)
		accel_done_err(session->accel, session->open_cookie, err, result);
}

void accel_session_close(struct qda_device_session *session, uint64_t cookie)
{
	session->closing = true;
	session->close_cookie = cookie;
	accel_later(session);
}

void accel_session_step(struct qda_device_session *session)
{
	if (!session->closing || session->state == ACCEL_ENDING)
		return;
	if (session->state == ACCEL_RELEASING)
		return;
	if (session->state != ACCEL_OPENING) {
		session->state = ACCEL_RELEASING;
		accel_ops_fail(session, -ECANCELED);
	} else if (!session->open_told) {
		session->open_told = true;
		accel_done_err(session->accel, session->open_cookie, -ECANCELED, 0);
	}
	leave(session);
}

void accel_session_abandon(struct qda_device_session *session)
{
	session->closing = false;
	session->open_told = true;
	if (session->state != ACCEL_ENDING)
		end(session);
}

void accel_session_lost(struct qda_device_session *session, int err, const char *why)
{
	struct accel *accel = session->accel;
	const struct qda_device_lost lost = { .text = why };

	session->state = ACCEL_LOST;
	uv_poll_stop(&session->poll);
	accel_ops_fail(session, err);
	accel_queue_drop(&session->queue);
	if (!accel->freed && !session->closing)
		accel->device.events->lost(accel->device.owner, session->cookie, &lost);
}

/* Everything that was answered before the DSP went counts. */
void accel_session_dsp_gone(struct qda_device_session *session, const char *why)
{
	while (session->state == ACCEL_OPEN && accel_ops_read(session))
		;
	if (session->state == ACCEL_OPENING)
		fail_open(session, -EPIPE, 0);
	else if (session->state == ACCEL_OPEN)
		accel_session_lost(session, -EPIPE, why);
	else if (session->state == ACCEL_RELEASING)
		end(session);
}

/* --- open --- */

static struct qda_device_session *session_of_open(struct accel_job *job)
{
	return (struct qda_device_session *)((char *)job -
					     offsetof(struct qda_device_session, open_job));
}

/* The node may have become another DSP's since it was looked at. */
static int open_file(struct qda_device_session *session)
{
	char name[16];
	int r;

	session->fd = open(session->path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (session->fd < 0)
		return errno == ENOENT || errno == ENXIO ? -ENODEV : -errno;
	r = accel_query_name(session->fd, name);
	if (!r && strcmp(name, session->name))
		r = -ENODEV;
	return r;
}

static int import_shell(struct qda_device_session *session)
{
	struct drm_prime_handle prime = { .fd = session->shell->fd };
	int r = accel_ioctl(session->fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime);

	session->create.shell = prime.handle;
	return r;
}

static int make_memory(struct qda_device_session *session)
{
	struct drm_qda_gem_create create = { .size = session->memory_size };
	int r = create.size ? accel_ioctl(session->fd, DRM_IOCTL_QDA_GEM_CREATE, &create) : 0;

	session->create.memory = create.handle;
	return r;
}

/* The driver keeps both while it needs them. */
static void close_handles(struct qda_device_session *session)
{
	struct drm_gem_close shell = { .handle = session->create.shell };
	struct drm_gem_close memory = { .handle = session->create.memory };

	accel_ioctl(session->fd, DRM_IOCTL_GEM_CLOSE, &shell);
	if (memory.handle)
		accel_ioctl(session->fd, DRM_IOCTL_GEM_CLOSE, &memory);
}

static void run_open(struct accel_job *job)
{
	struct qda_device_session *session = session_of_open(job);
	int r = open_file(session);

	if (!r)
		r = import_shell(session);
	if (!r)
		r = make_memory(session);
	if (!r)
		r = accel_ioctl(session->fd, DRM_IOCTL_QDA_INIT_CREATE, &session->create);
	if (!r)
		close_handles(session);
	session->err = r;
}

static void on_readable(uv_poll_t *poll, int status, int what)
{
	struct qda_device_session *session = poll->data;

	qda_stall_mark();
	if (status < 0)
		accel_node_gone(session->accel, "the device's file cannot be waited for");
	else
		accel_ops_read(session);
}

static int start_poll(struct qda_device_session *session)
{
	int r = uv_poll_init(session->accel->loop, &session->poll, session->fd);

	if (r < 0)
		return r;
	session->poll.data = session;
	session->polled = true;
	session->accel->n_handles++;
	return uv_poll_start(&session->poll, UV_READABLE, on_readable);
}

/* Dropped, it was closed before it began. */
static bool on_open_run(struct accel_job *job)
{
	struct qda_device_session *session = session_of_open(job);
	int r = job->dropped ? -ECANCELED : session->err;

	if (session->state == ACCEL_ENDING)
		return false;
	if (!r)
		r = start_poll(session);
	if (r < 0)
		fail_open(session, r == -ENODEV ? -EPIPE : r, session->create.result);
	return false;
}

static void opened(struct qda_device_session *session)
{
	session->state = ACCEL_OPEN;
	session->open_told = true;
	accel_done_err(session->accel, session->open_cookie, 0, 0);
}

/* --- what the DSP is: there must be a session to ask through, which opens a little later --- */

static struct qda_device_session *session_of_ask(struct accel_job *job)
{
	return (struct qda_device_session *)((char *)job -
					     offsetof(struct qda_device_session, ask_job));
}

/* The driver waits for the DSP, but not for long. */
static void run_ask(struct accel_job *job)
{
	struct qda_device_session *session = session_of_ask(job);

	session->err = accel_query(session->fd, DRM_QDA_QUERY_CAPABILITY, ATTRIBUTE_ARCH,
				   &session->arch);
}

/* A DSP that does not say is not asked again, unless the session was ended under the question. */
static bool on_asked(struct accel_job *job)
{
	struct qda_device_session *session = session_of_ask(job);
	struct accel *accel = session->accel;

	if (accel->link == ACCEL_LINK_UP) {
		if (job->dropped || session->err == -ECONNRESET || session->err == -ENOTCONN)
			accel->asked = false;
		else if (!session->err)
			accel->arch = (uint32_t)session->arch;
	}
	if (session->state == ACCEL_OPENING && !session->closing)
		opened(session);
	return false;
}

void accel_session_created(struct qda_device_session *session, int err, int32_t result)
{
	if (session->state == ACCEL_ENDING)
		return;
	if (err) {
		fail_open(session, err, result);
		return;
	}
	accel_memory_unref(session->shell);
	session->shell = NULL;
	if (session->closing) {
		if (!session->open_told)
			accel_done_err(session->accel, session->open_cookie, -ECANCELED, 0);
		session->open_told = true;
		session->state = ACCEL_RELEASING;
		start_release(session);
		return;
	}
	if (session->accel->asked) {
		opened(session);
		return;
	}
	session->accel->asked = true;
	accel_job_start(&session->queue, &session->ask_job);
}

void accel_session_ended(struct qda_device_session *session, const char *why)
{
	if (session->state == ACCEL_OPEN) {
		accel_session_lost(session, -ECONNRESET, why);
	} else if (session->state == ACCEL_OPENING && !session->closing) {
		session->open_told = true;
		accel_done_err(session->accel, session->open_cookie, -ECONNRESET, 0);
		leave(session);
	}
}

static struct qda_device_session *session_new(struct accel *accel)
{
	struct qda_device_session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->accel = accel;
	session->fd = -1;
	session->shell = accel_memory_ref(accel->shell);
	memcpy(session->path, accel->path, sizeof(session->path));
	memcpy(session->name, accel->name, sizeof(session->name));
	session->open_job.run = run_open;
	session->open_job.done = on_open_run;
	session->ask_job.run = run_ask;
	session->ask_job.done = on_asked;
	session->release_job.run = run_release;
	session->release_job.done = on_release_run;
	session->close_job.run = run_close;
	session->close_job.done = on_file_closed;
	accel_queue_init(&session->queue, accel);
	LIST_INIT(&session->uses);
	TAILQ_INIT(&session->ops);
	TAILQ_INIT(&session->free_ops);
	for (unsigned i = 0; i < ACCEL_OPS; i++)
		TAILQ_INSERT_TAIL(&session->free_ops, &session->op[i], link);
	TAILQ_INSERT_TAIL(&accel->sessions, session, link);
	accel->n_sessions++;
	return session;
}

/* Firmware runs the shell in this memory: four times its size, and not less than 3 MiB, is what
 * the FastRPC driver of mainline gives. */
static uint64_t memory_size(const struct accel *accel)
{
	uint64_t size = (4ull * accel->shell_size + MIB - 1) & ~(MIB - 1);

	if (accel->is_virtual)
		return 0;
	return size > 3 * MIB ? size : 3 * MIB;
}

int accel_session_open(struct qda_device *dev, const struct qda_device_open *open, uint64_t cookie,
		       struct qda_device_session **out)
{
	struct accel *accel = accel_of(dev);
	struct qda_device_session *session;
	struct accel_op *op;

	if (accel->link != ACCEL_LINK_UP)
		return -ENOTCONN;
	if (open->n_dirs)
		return -EOPNOTSUPP;
	if (accel->n_sessions >= accel->limits.banks)
		return -EUSERS;
	session = session_new(accel);
	if (!session)
		return -ENOMEM;
	session->cookie = open->session_cookie;
	session->open_cookie = cookie;
	session->memory_size = memory_size(accel);
	op = accel_op_new(session, ACCEL_OP_CREATE, cookie);
	session->create = (struct drm_qda_init_create){
		.shell_size = accel->shell_size,
		.attrs = open->privileged ? 0 : DRM_QDA_ATTR_UNSIGNED,
		.flags = DRM_QDA_ASYNC,
		.user_data = accel_op_user_data(session, op),
	};
	snprintf((char *)session->create.name, sizeof(session->create.name), "%s",
		 open->name ? open->name : "");
	accel_job_start(&session->queue, &session->open_job);
	*out = session;
	return 0;
}
