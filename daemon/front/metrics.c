/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket of metrics: as much of HTTP/1.0 as a scraper needs. One request a connection, without
 * descriptors; what follows is sent a piece at a time, the next when the kernel has taken the one
 * before.
 */
#include "front/metrics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/client.h"
#include "front/disposer.h"
#include "front/front.h"
#include "front/listen.h"
#include "front/principal.h"
#include "util/stall.h"

#define READERS_MAX 8u	    /* more wait in the kernel's queue */
#define BACKLOG	    128
#define REST_MS	    100u
#define REQUEST_MAX 4096u
#define PATIENCE_MS 5000u   /* for the request to be whole, and for each piece to be taken */

struct reader {
	LIST_ENTRY(reader) link;
	struct qda_metrics *metrics;
	uv_poll_t poll;
	uv_timer_t timer;
	struct qda_metrics_cursor cursor;
	unsigned open_handles;
	int fd;
	bool allowed;
	bool answering;		/* more of the text follows */
	size_t n;		/* of the request; then of the piece, */
	size_t sent;		/* of which so much is sent */
	char request[REQUEST_MAX];
	char piece[QDA_METRICS_PIECE];
};

struct qda_metrics {
	uv_poll_t listener;
	uv_timer_t retry;
	uv_loop_t *loop;
	struct qda_core *core;
	struct qda_disposer *disposer;
	LIST_HEAD(, reader) readers;
	unsigned n_readers;
	unsigned open_handles;
	struct qda_listen socket;
	char *path;
	bool closing;
};

static void on_listener(uv_poll_t *poll, int status, int events);

static void free_when_empty(struct qda_metrics *m)
{
	if (!m->closing || m->n_readers || m->open_handles)
		return;
	free(m->path);
	free(m);
}

static void on_closed(uv_handle_t *handle)
{
	struct reader *r = handle->data;
	struct qda_metrics *m = r->metrics;

	if (--r->open_handles)
		return;
	qda_dispose_socket(m->disposer, r->fd);
	free(r);
	m->n_readers--;
	if (!m->closing)
		uv_poll_start(&m->listener, UV_READABLE, on_listener);
	free_when_empty(m);
}

static void close_reader(struct reader *r)
{
	if (uv_is_closing((uv_handle_t *)&r->poll))
		return;
	LIST_REMOVE(r, link);
	shutdown(r->fd, SHUT_RDWR);
	uv_close((uv_handle_t *)&r->poll, on_closed);
	uv_close((uv_handle_t *)&r->timer, on_closed);
}

static void on_late(uv_timer_t *timer)
{
	qda_stall_mark();
	close_reader(timer->data);
}

static void on_writable(uv_poll_t *poll, int status, int events);

/* The first n bytes of the piece. */
static void begin_piece(struct reader *r, size_t n)
{
	r->n = n;
	r->sent = 0;
	uv_timer_start(&r->timer, on_late, PATIENCE_MS, 0);
	uv_poll_start(&r->poll, UV_WRITABLE, on_writable);
}

static void on_writable(uv_poll_t *poll, int status, int events)
{
	struct reader *r = poll->data;
	ssize_t n;

	qda_stall_mark();
	n = send(r->fd, r->piece + r->sent, r->n - r->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	r->sent += n > 0 ? (size_t)n : 0;
	if (n > 0 && r->sent < r->n)
		return;
	r->n = n > 0 && r->answering ? qda_metrics_text(r->metrics->core, &r->cursor, r->piece) : 0;
	if (r->n)
		begin_piece(r, r->n);
	else
		close_reader(r);
}

static void refuse(struct reader *r, const char *status, const char *text)
{
	begin_piece(r, (size_t)snprintf(r->piece, sizeof(r->piece),
					"HTTP/1.0 %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
					"Connection: close\r\n\r\n%s\n",
					status, text));
}

/* Other users' numbers are for those who may see their clients. */
static bool may_read(struct reader *r)
{
	const struct qda_core *core = r->metrics->core;
	const struct qda_question question = { .wish = QDA_WISH_ADMIN, .admin = QDA_ADMIN_STATUS };
	const struct qda_policy_rule *rule;
	struct qda_principal who;
	int pidfd;

	if (qda_principal_read(r->fd, &who, &pidfd) < 0)
		return false;
	if (pidfd >= 0)
		close(pidfd);
	rule = qda_rules_decide(core->rules, core->config.daemon_uid, &who, &question);
	free(who.groups);
	return rule && rule->allow;
}

static void answer(struct reader *r)
{
	static const char head[] =
		"HTTP/1.0 200 OK\r\n"
		"Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"
		"Connection: close\r\n\r\n";
	const char *path = r->request + 4;

	if (!r->allowed)
		refuse(r, "403 Forbidden",
		       "metrics tell of other users: a rule of the policy must give yours admin=status");
	else if (strncmp(r->request, "GET ", 4) != 0)
		refuse(r, "405 Method Not Allowed", "only GET is served here");
	else if (strncmp(path, "/metrics", 8) != 0 || !strchr(" ?\r\n", path[8]))
		refuse(r, "404 Not Found", "what is served here is /metrics");
	else {
		r->answering = true;
		memcpy(r->piece, head, sizeof(head) - 1);
		begin_piece(r, sizeof(head) - 1);
	}
}

/* What comes next, up to size bytes, but nothing that carries descriptors: they would be closed
 * here. 0 then, and at the end; or a negative errno. */
static ssize_t receive(int fd, char *to, size_t size)
{
	struct iovec iov = { to, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = recvmsg(fd, &msg, MSG_PEEK | MSG_DONTWAIT);

	if (n > 0)
		n = msg.msg_flags & MSG_CTRUNC ? 0 : recv(fd, to, (size_t)n, MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct reader *r = poll->data;
	ssize_t n;

	qda_stall_mark();
	n = receive(r->fd, r->request + r->n, sizeof(r->request) - 1 - r->n);
	if (n == -EAGAIN || n == -EINTR)
		return;
	r->n += n > 0 ? (size_t)n : 0;
	r->request[r->n] = '\0';
	if (n <= 0 || memchr(r->request, '\0', r->n) || r->n == sizeof(r->request) - 1)
		close_reader(r);
	else if (strstr(r->request, "\r\n\r\n") || strstr(r->request, "\n\n"))
		answer(r);
}

/* Nobody waits behind those who get nothing: when there is no room, one of them goes unheard. */
static void make_room(struct qda_metrics *m)
{
	struct reader *r;

	LIST_FOREACH (r, &m->readers, link)
		if (!r->allowed)
			break;
	if (r)
		close_reader(r);
}

static void add_reader(struct qda_metrics *m, int fd)
{
	struct reader *r = calloc(1, sizeof(*r));

	if (!r || uv_poll_init(m->loop, &r->poll, fd) < 0) {
		free(r);
		qda_dispose_socket(m->disposer, fd);
		return;
	}
	r->metrics = m;
	r->fd = fd;
	r->poll.data = r->timer.data = r;
	r->open_handles = 2;
	m->n_readers++;
	LIST_INSERT_HEAD(&m->readers, r, link);
	uv_timer_init(m->loop, &r->timer);
	uv_timer_start(&r->timer, on_late, PATIENCE_MS, 0);
	uv_poll_start(&r->poll, UV_READABLE, on_readable);
	r->allowed = may_read(r);
}

static void on_rested(uv_timer_t *timer)
{
	struct qda_metrics *m = timer->data;

	uv_poll_start(&m->listener, UV_READABLE, on_listener);
}

/* One a round: others wait. Who cannot be taken now is when a reader goes, or a little later. */
static void on_listener(uv_poll_t *poll, int status, int events)
{
	struct qda_metrics *m = poll->data;
	int fd;

	qda_stall_mark();
	if (m->n_readers == READERS_MAX) {
		uv_poll_stop(poll);
		make_room(m);
		return;
	}
	fd = qda_disposer_is_full(m->disposer) ? -1 :
			accept4(m->socket.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		add_reader(m, fd);
	} else {
		uv_poll_stop(poll);
		uv_timer_start(&m->retry, on_rested, REST_MS, 0);
	}
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct qda_metrics *m = handle->data;

	if (!--m->open_handles)
		qda_listen_close(&m->socket);
	free_when_empty(m);
}

static int init_listener(struct qda_metrics *m, int handed_fd, const char *path)
{
	int r;

	if (handed_fd >= 0) {
		qda_listen_handed(&m->socket, handed_fd);
	} else {
		m->path = strdup(path);
		if (!m->path)
			return -ENOMEM;
		r = qda_listen_at(&m->socket, m->path, SOCK_STREAM, 0666, BACKLOG);
		if (r < 0)
			return r;
	}
	r = uv_poll_init(m->loop, &m->listener, m->socket.fd);
	if (r == 0)
		return 0;
	qda_listen_unlink(&m->socket);
	qda_listen_close(&m->socket);
	return r;
}

int qda_metrics_new(uv_loop_t *loop, const struct qda_front *front, int handed_fd, const char *path,
		    struct qda_metrics **out)
{
	struct qda_metrics *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	m->loop = loop;
	m->core = front->core;
	m->disposer = front->disposer;
	r = init_listener(m, handed_fd, path);
	if (r < 0) {
		free(m->path);
		free(m);
		return r;
	}
	m->listener.data = m->retry.data = m;
	m->open_handles = 2;
	LIST_INIT(&m->readers);
	uv_timer_init(loop, &m->retry);
	uv_poll_start(&m->listener, UV_READABLE, on_listener);
	*out = m;
	return 0;
}

void qda_metrics_close(struct qda_metrics *m)
{
	struct reader *r;

	if (!m || m->closing)
		return;
	m->closing = true;
	qda_listen_unlink(&m->socket);
	uv_close((uv_handle_t *)&m->listener, on_listener_closed);
	uv_close((uv_handle_t *)&m->retry, on_listener_closed);
	while ((r = LIST_FIRST(&m->readers)))
		close_reader(r);
}
