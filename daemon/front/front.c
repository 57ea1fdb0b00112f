/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The listener. Running out of descriptors must neither end the daemon nor spin its loop: the
 * newcomer is taken on a reserve descriptor and dropped, then accepting rests for a moment.
 */
#include "front/front.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/monitor.h"
#include "front/conn.h"
#include "front/disposer.h"
#include "front/principal.h"
#include "util/stall.h"

#define BACKLOG	     128
#define ACCEPT_BATCH 4 /* connections a round: each costs looks into /proc, and others wait */
#define REST_MS	     100

static int open_reserve(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_rested(uv_timer_t *timer);
static void on_listener(uv_poll_t *poll, int status, int events);

static void rest(struct qda_front *front)
{
	uv_poll_stop(&front->listener);
	uv_timer_start(&front->retry, on_rested, REST_MS, 0);
}

static void on_rested(uv_timer_t *timer)
{
	struct qda_front *front = timer->data;

	if (front->reserve_fd < 0)
		front->reserve_fd = open_reserve();
	if (front->listening)
		uv_poll_start(&front->listener, UV_READABLE, on_listener);
}

/* No descriptor is left: end one newcomer, so that it sees an end instead of silence. */
static void turn_away(struct qda_front *front)
{
	int fd;

	if (front->reserve_fd >= 0) {
		close(front->reserve_fd);
		fd = accept4(front->socket.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			qda_dispose_socket(front->disposer, fd);
		front->reserve_fd = open_reserve();
	}
	rest(front);
}

static void tell_refused(struct qda_core *core, const struct qda_principal *who,
			 const struct qda_fail *fail)
{
	core->refused += fail->code == EDQUOT;
	qda_refusals_count(&core->refusals, fail);
	qda_monitor_refused_newcomer(core, who, fail);
}

/* False: no more for now. */
static bool accept_one(struct qda_front *front)
{
	struct qda_principal who;
	struct qda_fail fail;
	int fd, pidfd;

	if (qda_disposer_is_full(front->disposer)) {
		rest(front);
		return false;
	}
	fd = accept4(front->socket.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno == ECONNABORTED || errno == EINTR)
			return true;
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			turn_away(front);
		return false;
	}
	if (qda_principal_read(fd, &who, &pidfd) < 0) {
		qda_dispose_socket(front->disposer, fd);
		return true;
	}
	if (qda_conn_new(front, fd, &who, pidfd, &fail) < 0) {
		tell_refused(front->core, &who, &fail);
		free(who.groups);
		front->n_dropped++;
	}
	return true;
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
	struct qda_front *front = poll->data;

	qda_stall_mark();
	for (int i = 0; i < ACCEPT_BATCH && accept_one(front); i++)
		;
}

int qda_front_new(uv_loop_t *loop, struct qda_core *core, const struct qda_front_config *config,
		  struct qda_front **out)
{
	struct qda_front *front = calloc(1, sizeof(*front));
	int r = 0;

	if (!front)
		return -ENOMEM;
	if (config->handed_fd >= 0)
		qda_listen_handed(&front->socket, config->handed_fd);
	else
		r = qda_listen_at(&front->socket, config->socket_path, SOCK_SEQPACKET, config->mode,
				  BACKLOG);
	if (r == 0 && qda_disposer_new(loop, &front->disposer) < 0) {
		qda_listen_unlink(&front->socket);
		qda_listen_close(&front->socket);
		r = -ENOMEM;
	}
	if (r < 0) {
		free(front);
		return r;
	}
	front->config = *config;
	front->core = core;
	front->loop = loop;
	front->reserve_fd = open_reserve();
	front->epoch = (uint64_t)core->config.random() << 32 | core->config.random();
	TAILQ_INIT(&front->conns);
	front->listener.data = front->retry.data = front;
	uv_timer_init(loop, &front->retry);
	uv_poll_init(loop, &front->listener, front->socket.fd);
	front->listening = true;
	*out = front;
	return 0;
}

void qda_front_begin(struct qda_front *front)
{
	if (front->listening)
		uv_poll_start(&front->listener, UV_READABLE, on_listener);
}

void qda_front_set_hello_ms(struct qda_front *front, uint32_t hello_ms)
{
	front->config.hello_ms = hello_ms;
}

void qda_front_stop(struct qda_front *front)
{
	if (!front->listening)
		return;
	front->listening = false;
	qda_listen_unlink(&front->socket);
	uv_close((uv_handle_t *)&front->listener, NULL);
	uv_close((uv_handle_t *)&front->retry, NULL);
	qda_listen_close(&front->socket);
	if (front->reserve_fd >= 0)
		close(front->reserve_fd);
}

void qda_front_close(struct qda_front *front)
{
	struct qda_conn *conn;

	qda_front_stop(front);
	while ((conn = TAILQ_FIRST(&front->conns)))
		qda_conn_close(conn);
	qda_disposer_stop(front->disposer);
}

struct qda_front *qda_front_free(struct qda_front *front)
{
	if (front)
		qda_disposer_free(front->disposer);
	free(front);
	return NULL;
}
