// SPDX-License-Identifier: BSD-3-Clause
/*
 * The accel device: a DSP behind the qda driver. This file is its table of operations, its life,
 * and the steps that are taken from the loop instead of from inside an operation.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "device/accel.h"
#include "util/stall.h"

/* --- events --- */

void accel_done(struct accel *accel, uint64_t cookie, const struct qda_device_done *done)
{
	if (!accel->freed)
		accel->device.events->done(accel->device.owner, cookie, done);
}

void accel_done_err(struct accel *accel, uint64_t cookie, int err, int32_t result)
{
	const struct qda_device_done done = { .err = err, .result = result };

	accel_done(accel, cookie, &done);
}

void accel_tell(struct accel *accel, enum qda_device_state state, const char *why)
{
	if (!accel->freed)
		accel->device.events->state(accel->device.owner, state, why);
}

/* --- operations --- */

/* Keys must be mappable while all calls run, and the driver counts both. */
uint32_t accel_session_calls(const struct accel *accel)
{
	uint64_t n = accel->limits.file_calls < ACCEL_OPS ? accel->limits.file_calls : ACCEL_OPS;

	return n > ACCEL_CONTROL_OPS ? (uint32_t)n - ACCEL_CONTROL_OPS : 1;
}

static uint32_t to_u32(uint64_t n)
{
	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static void info(struct qda_device *dev, struct qda_device_info *out)
{
	const struct accel *accel = accel_of(dev);
	uint64_t lost = 0;

	if (accel->link == ACCEL_LINK_UP)
		accel_query(accel->fd, DRM_QDA_QUERY_BANKS_LOST, 0, &lost);
	*out = (struct qda_device_info){
		.kind = "accel",
		.arch = accel->arch,
		.sessions_lost = to_u32(lost),
		.sessions_max = to_u32(accel->limits.banks),
		.calls_max = to_u32(accel->limits.calls),
		.session_calls_max = accel_session_calls(accel),
		.unsigned_pd = accel->limits.attrs & DRM_QDA_ATTR_UNSIGNED,
	};
	memcpy(out->name, accel->name, sizeof(out->name));
}

static void on_idle(uv_idle_t *idle);

static void device_free(struct qda_device *dev)
{
	struct accel *accel = accel_of(dev);

	accel->freed = true;
	uv_idle_start(&accel->idle, on_idle);
}

static const struct qda_device_ops ops = {
	.info = info,
	.session_open = accel_session_open,
	.session_close = accel_session_close,
	.buffer_create = accel_buffer_create,
	.buffer_import = accel_buffer_import,
	.buffer_fd = accel_buffer_fd,
	.buffer_view = accel_buffer_view,
	.buffer_release = accel_buffer_release,
	.map = accel_map,
	.unmap = accel_unmap,
	.submit = accel_submit,
	.free = device_free,
};

/* --- life --- */

static void destroy(struct accel *accel)
{
	assert(TAILQ_EMPTY(&accel->memories));
	uv_mutex_destroy(&accel->convert);
	free(accel->shell_path);
	free(accel->node);
	free(accel);
}

void accel_handle_closed(struct accel *accel)
{
	assert(accel->n_handles);
	accel->n_handles--;
	if (!accel->n_handles && accel->closing)
		destroy(accel);
	else
		accel_try_end(accel);
}

void accel_on_closed(uv_handle_t *handle)
{
	accel_handle_closed(handle->data);
}

/* Jobs, sessions and the node's file go first; then the rest of the handles. */
void accel_try_end(struct accel *accel)
{
	if (!accel->freed || accel->closing || accel->running || !TAILQ_EMPTY(&accel->sessions) ||
	    !TAILQ_EMPTY(&accel->queue.jobs) || accel->link != ACCEL_LINK_DOWN)
		return;
	accel->closing = true;
	uv_close((uv_handle_t *)&accel->idle, accel_on_closed);
	uv_close((uv_handle_t *)&accel->again, accel_on_closed);
}

static void end(struct accel *accel)
{
	struct qda_device_session *session;

	TAILQ_FOREACH(session, &accel->sessions, link)
		accel_session_abandon(session);
	accel_node_stop(accel);
	accel_try_end(accel);
}

/* --- steps from the loop --- */

static void on_idle(uv_idle_t *idle)
{
	struct accel *accel = idle->data;
	struct qda_device_session *session;

	qda_stall_mark();
	uv_idle_stop(idle);
	while (!accel->freed && (session = TAILQ_FIRST(&accel->later))) {
		TAILQ_REMOVE(&accel->later, session, later_link);
		session->later = false;
		accel_session_step(session);
	}
	if (accel->freed)
		end(accel);
}

void accel_later(struct qda_device_session *session)
{
	if (session->later)
		return;
	session->later = true;
	TAILQ_INSERT_TAIL(&session->accel->later, session, later_link);
	uv_idle_start(&session->accel->idle, on_idle);
}

/* --- start --- */

static int copy_config(struct accel *accel, const struct qda_accel_config *config)
{
	if (!config->name || !config->name[0] || strlen(config->name) >= sizeof(accel->name))
		return -EINVAL;
	if (config->node && strlen(config->node) >= sizeof(accel->path))
		return -ENAMETOOLONG;
	memcpy(accel->name, config->name, strlen(config->name));
	if (config->node && !(accel->node = strdup(config->node)))
		return -ENOMEM;
	if (config->shell && !(accel->shell_path = strdup(config->shell)))
		return -ENOMEM;
	return 0;
}

static void init_handles(struct accel *accel, struct uv_loop_s *loop)
{
	accel->loop = loop;
	uv_idle_init(loop, &accel->idle);
	uv_timer_init(loop, &accel->retry);
	uv_timer_init(loop, &accel->again);
	uv_fs_event_init(loop, &accel->watch);
	accel->idle.data = accel->retry.data = accel->again.data = accel->watch.data = accel;
	accel->n_handles = 4;
}

int qda_accel_new(struct uv_loop_s *loop, const struct qda_accel_config *config,
		  const struct qda_device_events *events, void *owner, struct qda_device **out)
{
	struct accel *accel = calloc(1, sizeof(*accel));
	int r = accel ? copy_config(accel, config) : -ENOMEM;

	if (!r)
		r = uv_mutex_init(&accel->convert);
	if (r < 0) {
		if (accel) {
			free(accel->node);
			free(accel->shell_path);
		}
		free(accel);
		return r;
	}
	accel->device = (struct qda_device){ .ops = &ops, .events = events, .owner = owner };
	accel->fd = -1;
	TAILQ_INIT(&accel->memories);
	TAILQ_INIT(&accel->dead);
	TAILQ_INIT(&accel->burning);
	RB_INIT(&accel->handles);
	TAILQ_INIT(&accel->ready);
	TAILQ_INIT(&accel->waiting);
	TAILQ_INIT(&accel->sessions);
	TAILQ_INIT(&accel->later);
	accel_queue_init(&accel->queue, accel);
	init_handles(accel, loop);
	accel_node_start(accel);
	*out = &accel->device;
	return 0;
}
