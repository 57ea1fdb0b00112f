/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket of metrics: as much of HTTP/1.0 as a scraper needs. One request a connection; what
 * follows is sent a piece at a time, the next when the kernel has taken the one before.
 */
#include "front/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/client.h"
#include "front/disposer.h"
#include "front/front.h"
#include "front/principal.h"
#include "util/stall.h"

#define READERS_MAX 8u	    /* more wait in the kernel's queue */
#define REQUEST_MAX 4096u
#define PATIENCE_MS 5000u   /* for the request to be whole, and for each piece to be taken */

struct reader {
	LIST_ENTRY(reader) link;
	struct qda_metrics *metrics;
	uv_pipe_t pipe;
	uv_timer_t timer;
	uv_write_t write;
	struct qda_metrics_cursor cursor;
	unsigned open_handles;
	bool allowed;
	bool answering;
	size_t n;
	char request[REQUEST_MAX];
	char piece[QDA_METRICS_PIECE];
};

struct qda_metrics {
	uv_pipe_t listener;
	uv_loop_t *loop;
	struct qda_core *core;
	struct qda_disposer *disposer;
	LIST_HEAD(, reader) readers;
	unsigned n_readers;
	bool waiting;		/* somebody, for a reader to go */
	bool closing;
};

static void accept_one(struct qda_metrics *m);

static void free_when_empty(struct qda_metrics *m)
{
	if (m->closing && !m->n_readers && !m->listener.data)
		free(m);
}

static void on_closed(uv_handle_t *handle)
{
	struct reader *r = handle->data;
	struct qda_metrics *m = r->metrics;

	if (--r->open_handles)
		return;
	free(r);
	m->n_readers--;
	if (m->waiting && !m->closing)
		accept_one(m);
	free_when_empty(m);
}

/* Any user may have sent descriptors there that are slow to close. They go with the last descriptor of
 * the socket, which the disposer's thread closes. */
static void close_reader(struct reader *r)
{
	int last = -1;
	uv_os_fd_t fd;

	if (uv_is_closing((uv_handle_t *)&r->pipe))
		return;
	LIST_REMOVE(r, link);
	if (uv_fileno((uv_handle_t *)&r->pipe, &fd) == 0 &&
	    (last = fcntl(fd, F_DUPFD_CLOEXEC, 0)) >= 0)
		shutdown(last, SHUT_RDWR);
	uv_close((uv_handle_t *)&r->pipe, on_closed);
	if (last >= 0)
		qda_dispose(r->metrics->disposer, NULL, &last, 1);
	uv_close((uv_handle_t *)&r->timer, on_closed);
}

static void on_late(uv_timer_t *timer)
{
	qda_stall_mark();
	close_reader(timer->data);
}

static void on_written(uv_write_t *write, int status);

static bool put(struct reader *r, const char *bytes, size_t n)
{
	uv_buf_t buf = uv_buf_init((char *)bytes, (unsigned)n);

	uv_timer_start(&r->timer, on_late, PATIENCE_MS, 0);
	return uv_write(&r->write, (uv_stream_t *)&r->pipe, &buf, 1, on_written) == 0;
}

static void on_written(uv_write_t *write, int status)
{
	struct reader *r = write->data;
	size_t n = 0;

	qda_stall_mark();
	if (status == 0 && r->answering)
		n = qda_metrics_text(r->metrics->core, &r->cursor, r->piece);
	if (!n || !put(r, r->piece, n))
		close_reader(r);
}

static void refuse(struct reader *r, const char *status, const char *text)
{
	int n = snprintf(r->piece, sizeof(r->piece),
			 "HTTP/1.0 %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
			 "Connection: close\r\n\r\n%s\n",
			 status, text);

	if (!put(r, r->piece, (size_t)n))
		close_reader(r);
}

/* Other users' numbers are for those who may see their clients. */
static bool may_read(struct reader *r)
{
	const struct qda_core *core = r->metrics->core;
	const struct qda_question question = { .wish = QDA_WISH_ADMIN, .admin = QDA_ADMIN_STATUS };
	const struct qda_policy_rule *rule;
	struct qda_principal who;
	uv_os_fd_t fd;
	int pidfd;

	if (uv_fileno((uv_handle_t *)&r->pipe, &fd) < 0 || qda_principal_read(fd, &who, &pidfd) < 0)
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

	uv_read_stop((uv_stream_t *)&r->pipe);
	if (!r->allowed)
		refuse(r, "403 Forbidden",
		       "metrics tell of other users: a rule of the policy must give yours admin=status");
	else if (strncmp(r->request, "GET ", 4) != 0)
		refuse(r, "405 Method Not Allowed", "only GET is served here");
	else if (strncmp(path, "/metrics", 8) != 0 || !strchr(" ?\r\n", path[8]))
		refuse(r, "404 Not Found", "what is served here is /metrics");
	else {
		r->answering = true;
		if (!put(r, head, sizeof(head) - 1))
			close_reader(r);
	}
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	struct reader *r = handle->data;

	*buf = uv_buf_init(r->request + r->n, (unsigned)(sizeof(r->request) - 1 - r->n));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct reader *r = stream->data;

	qda_stall_mark();
	if (n > 0)
		r->n += (size_t)n;
	r->request[r->n] = '\0';
	if (n < 0 || memchr(r->request, '\0', r->n) || r->n == sizeof(r->request) - 1)
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

static void accept_one(struct qda_metrics *m)
{
	struct reader *r = NULL;

	m->waiting = m->n_readers == READERS_MAX;
	if (m->waiting)
		make_room(m);
	else
		r = calloc(1, sizeof(*r));
	if (!r)
		return;
	r->metrics = m;
	r->pipe.data = r->timer.data = r->write.data = r;
	uv_pipe_init(m->loop, &r->pipe, 0);
	uv_timer_init(m->loop, &r->timer);
	r->open_handles = 2;
	m->n_readers++;
	LIST_INSERT_HEAD(&m->readers, r, link);
	uv_timer_start(&r->timer, on_late, PATIENCE_MS, 0);
	if (uv_accept((uv_stream_t *)&m->listener, (uv_stream_t *)&r->pipe) < 0 ||
	    uv_read_start((uv_stream_t *)&r->pipe, on_alloc, on_read) < 0)
		close_reader(r);
	else
		r->allowed = may_read(r);
}

static void on_listener(uv_stream_t *listener, int status)
{
	qda_stall_mark();
	if (status == 0)
		accept_one(listener->data);
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct qda_metrics *m = handle->data;

	handle->data = NULL;
	free_when_empty(m);
}

static int bind_at(uv_pipe_t *listener, const char *path)
{
	struct stat st;
	int r;

	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path); /* of one that is gone: there is one qdad for a socket of requests */
	r = uv_pipe_bind(listener, path);
	if (r == 0)
		r = chmod(path, 0666) < 0 ? -errno : 0;
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
	m->listener.data = m;
	LIST_INIT(&m->readers);
	uv_pipe_init(loop, &m->listener, 0);
	r = handed_fd >= 0 ? uv_pipe_open(&m->listener, handed_fd) : bind_at(&m->listener, path);
	if (r == 0)
		r = uv_listen((uv_stream_t *)&m->listener, 16, on_listener);
	if (r < 0)
		qda_metrics_close(m);
	else
		*out = m;
	return r;
}

void qda_metrics_close(struct qda_metrics *m)
{
	struct reader *r;

	if (!m || m->closing)
		return;
	m->closing = true;
	uv_close((uv_handle_t *)&m->listener, on_listener_closed); /* its file goes, too */
	while ((r = LIST_FIRST(&m->readers)))
		close_reader(r);
}
