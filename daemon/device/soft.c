// SPDX-License-Identifier: BSD-3-Clause
/*
 * The soft device: qda-softdsp as a DSP. This file is its table of operations, its life, and the
 * steps that are taken from the loop instead of from inside an operation.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "device/soft.h"
#include "util/stall.h"

#define STALL_MS 10u

/* --- events --- */

void soft_done(struct soft *soft, uint64_t cookie, const struct qda_device_done *done)
{
	if (!soft->freed)
		soft->device.events->done(soft->device.owner, cookie, done);
}

void soft_done_err(struct soft *soft, uint64_t cookie, int err, int32_t result)
{
	const struct qda_device_done done = { .err = err, .result = result };

	soft_done(soft, cookie, &done);
}

/* --- steps from the loop --- */

static void destroy(struct soft *soft);

static void on_idle(uv_idle_t *idle)
{
	struct soft *soft = idle->data;
	struct qda_device_session *session;

	qda_stall_mark();
	uv_idle_stop(idle);
	while (!soft->freed && (session = TAILQ_FIRST(&soft->later))) {
		TAILQ_REMOVE(&soft->later, session, later_link);
		session->later = false;
		soft_session_step(session);
	}
	if (soft->freed)
		destroy(soft);
	else
		soft_ops_feed(soft);
}

void soft_later(struct qda_device_session *session)
{
	if (session->later)
		return;
	session->later = true;
	TAILQ_INSERT_TAIL(&session->soft->later, session, later_link);
	uv_idle_start(&session->soft->idle, on_idle);
}

/* No mark: what sends is part of the callback that posted. */
static void on_before_wait(uv_prepare_t *prepare)
{
	struct soft *soft = prepare->data;

	uv_prepare_stop(prepare);
	if (soft->posted)
		soft_channel_flush(soft->posted);
}

void soft_posted(struct soft_channel *channel)
{
	struct soft *soft = channel->soft;

	soft->posted = channel;
	uv_prepare_start(&soft->before_wait, on_before_wait);
}

static void on_exit_timer(uv_timer_t *timer)
{
	struct soft *soft = timer->data;
	struct qda_device_session *session;
	uint64_t now = uv_now(soft->loop);

	qda_stall_mark();
	while ((session = TAILQ_FIRST(&soft->dying)) && session->exit_due <= now)
		soft_pd_give_up(session);
	if (session)
		uv_timer_start(timer, on_exit_timer, session->exit_due - now, 0);
}

void soft_dying(struct qda_device_session *session)
{
	struct soft *soft = session->soft;

	session->exit_due = uv_now(soft->loop) + SOFT_EXIT_WAIT_MS;
	TAILQ_INSERT_TAIL(&soft->dying, session, dying_link);
	if (!uv_is_active((uv_handle_t *)&soft->exit_timer))
		uv_timer_start(&soft->exit_timer, on_exit_timer, SOFT_EXIT_WAIT_MS, 0);
}

void soft_undying(struct qda_device_session *session)
{
	if (session->exit_due)
		TAILQ_REMOVE(&session->soft->dying, session, dying_link);
	session->exit_due = 0;
}

static void on_stall_timer(uv_timer_t *timer)
{
	struct soft *soft = timer->data;
	struct qda_device_session *session;

	qda_stall_mark();
	if (soft->control && soft->control->stalled)
		soft_channel_flush(soft->control);
	TAILQ_FOREACH(session, &soft->sessions, link)
		if (session->pd.stalled)
			soft_channel_flush(&session->pd);
}

void soft_stalled(struct soft *soft)
{
	if (!uv_is_active((uv_handle_t *)&soft->stall_timer))
		uv_timer_start(&soft->stall_timer, on_stall_timer, STALL_MS, 0);
}

/* --- operations --- */

static void info(struct qda_device *dev, struct qda_device_info *out)
{
	const struct soft *soft = soft_of(dev);

	*out = (struct qda_device_info){
		.kind = "soft",
		.arch = soft->hello.arch,
		.sessions_max = soft->hello.banks,
		.calls_max = SOFT_IDS_CALLS,
		.session_calls_max = SOFT_SESSION_CALLS,
		.unsigned_pd = true,
		.client_dirs = soft->hello.client_dirs,
	};
	memcpy(out->name, soft->name, sizeof(out->name));
}

static void device_free(struct qda_device *dev)
{
	struct soft *soft = soft_of(dev);

	soft->freed = true;
	uv_idle_start(&soft->idle, on_idle);
}

static const struct qda_device_ops ops = {
	.info = info,
	.session_open = soft_session_open,
	.session_close = soft_session_close,
	.buffer_create = soft_buffer_create,
	.buffer_import = soft_buffer_import,
	.buffer_fd = soft_buffer_fd,
	.buffer_view = soft_buffer_view,
	.buffer_release = soft_buffer_release,
	.map = soft_map,
	.unmap = soft_unmap,
	.submit = soft_submit,
	.free = device_free,
};

/* --- life --- */

static void free_config(struct soft *soft)
{
	for (char **dir = soft->module_dirs; dir && *dir; dir++)
		free(*dir);
	free(soft->module_dirs);
	free(soft->program);
	free(soft->socket_path);
	free(soft);
}

void soft_handle_closed(struct soft *soft)
{
	assert(soft->handles);
	if (!--soft->handles && soft->freed)
		free_config(soft);
}

void soft_on_closed(uv_handle_t *handle)
{
	soft_handle_closed(handle->data);
}

static void destroy(struct soft *soft)
{
	struct qda_device_session *session;

	while ((session = TAILQ_FIRST(&soft->sessions)))
		soft_session_destroy(session);
	uv_close((uv_handle_t *)&soft->idle, soft_on_closed);
	uv_close((uv_handle_t *)&soft->before_wait, soft_on_closed);
	uv_close((uv_handle_t *)&soft->exit_timer, soft_on_closed);
	uv_close((uv_handle_t *)&soft->stall_timer, soft_on_closed);
	soft_link_stop(soft);
}

static void init_handles(struct soft *soft, struct uv_loop_s *loop)
{
	soft->loop = loop;
	uv_idle_init(loop, &soft->idle);
	uv_prepare_init(loop, &soft->before_wait);
	uv_timer_init(loop, &soft->retry);
	uv_timer_init(loop, &soft->exit_timer);
	uv_timer_init(loop, &soft->stall_timer);
	soft->idle.data = soft;
	soft->before_wait.data = soft;
	soft->retry.data = soft;
	soft->exit_timer.data = soft;
	soft->stall_timer.data = soft;
	soft->handles = 5;
}

static int copy_dirs(struct soft *soft, const char *const *dirs)
{
	size_t n = 0;

	while (dirs && dirs[n])
		n++;
	soft->module_dirs = calloc(n + 1, sizeof(*soft->module_dirs));
	if (!soft->module_dirs)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		soft->module_dirs[i] = strdup(dirs[i]);
		if (!soft->module_dirs[i])
			return -ENOMEM;
	}
	return 0;
}

static int copy_config(struct soft *soft, const struct qda_soft_config *config)
{
	const char *where = config->socket_path ? config->socket_path : config->program;
	char *copy;

	if (!where || !config->name || !config->name[0] ||
	    strlen(config->name) >= sizeof(soft->name))
		return -EINVAL;
	if (config->socket_path && strlen(where) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return -ENAMETOOLONG;
	memcpy(soft->name, config->name, strlen(config->name));
	soft->client_dirs = config->client_dirs;
	copy = strdup(where);
	if (!copy)
		return -ENOMEM;
	*(config->socket_path ? &soft->socket_path : &soft->program) = copy;
	return copy_dirs(soft, config->module_dirs);
}

int qda_soft_new(struct uv_loop_s *loop, const struct qda_soft_config *config,
		 const struct qda_device_events *events, void *owner, struct qda_device **out)
{
	struct soft *soft = calloc(1, sizeof(*soft));
	int r;

	if (!soft)
		return -ENOMEM;
	r = copy_config(soft, config);
	if (r < 0) {
		free_config(soft);
		return r;
	}
	soft->device.ops = &ops;
	soft->device.events = events;
	soft->device.owner = owner;
	TAILQ_INIT(&soft->sessions);
	TAILQ_INIT(&soft->later);
	TAILQ_INIT(&soft->dying);
	TAILQ_INIT(&soft->starved);
	soft_ids_init(&soft->ids);
	soft_batch_init(&soft->batch);
	init_handles(soft, loop);
	soft_link_start(soft);
	*out = &soft->device;
	return 0;
}
