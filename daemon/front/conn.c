/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections: few requests a round of the loop, replies at once or in order when there is room.
 */
#include "front/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "front/disposer.h"
#include "util/stall.h"

#define RETRY_MS       20
#define UNREAD_FDS_MAX 64
#define RECEIVE_BATCH  8 /* messages of one client a round, so that others get their turn */

/* A message that waits for room in the socket. */
struct qda_out_packet {
	TAILQ_ENTRY(qda_out_packet) link;
	struct qda_charge charge;
	size_t n;
	int fd; /* own duplicate, or -1 */
	uint8_t bytes[];
};

static void on_event(uv_poll_t *poll, int status, int events);
static void flush(struct qda_conn *conn);

static void free_packet(struct qda_conn *conn, struct qda_out_packet *packet)
{
	TAILQ_REMOVE(&conn->out, packet, link);
	qda_charge_deinit(&packet->charge);
	if (packet->fd >= 0)
		close(packet->fd);
	free(packet);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct qda_conn *conn = handle->data;

	if (--conn->open_handles)
		return;
	qda_dispose_socket(conn->front->disposer, conn->fd);
	free(conn);
}

void qda_conn_close(struct qda_conn *conn)
{
	struct qda_out_packet *packet;

	TAILQ_REMOVE(&conn->front->conns, conn, link);
	while ((packet = TAILQ_FIRST(&conn->out)))
		free_packet(conn, packet);
	shutdown(conn->fd, SHUT_RDWR);
	if (conn->client)
		qda_client_gone(conn->client);
	conn->client = NULL;
	if (conn->pidfd >= 0)
		close(conn->pidfd);
	uv_close((uv_handle_t *)&conn->poll, on_handle_closed);
	uv_close((uv_handle_t *)&conn->timer, on_handle_closed);
}

void qda_conn_doom(struct qda_conn *conn)
{
	conn->doomed = true;
	shutdown(conn->fd, SHUT_RDWR);
}

static void on_hello_late(uv_timer_t *timer)
{
	struct qda_conn *conn = timer->data;

	conn->front->n_dropped++;
	qda_conn_close(conn);
}

/* The last message of a connection that is ended: why. Best effort: it may have no room, or nobody
 * who reads it. */
static void send_farewell(struct qda_front *front, int fd, const struct qda_fail *fail)
{
	struct qda_msg_reply reply = {
		.type = QDA_TYPE_HELLO,
		.status = {
			.code = fail->code,
			.text = fail->text,
			.resource = fail->resource,
			.scope = fail->scope,
			.limit = fail->limit,
			.used = fail->used,
			.retry_ms = fail->retry_ms,
		},
	};
	int n = qda_reply_encode(front->tx, sizeof(front->tx), 0, &reply);
	struct iovec iov = { front->tx, n };

	if (n > 0 && qda_packet_send(fd, &iov, 1, NULL, 0, MSG_DONTWAIT) < 0)
		return; /* the end of file must do */
}

void qda_conn_end(struct qda_conn *conn, const struct qda_fail *fail)
{
	if (!conn->doomed && TAILQ_EMPTY(&conn->out))
		send_farewell(conn->front, conn->fd, fail);
	qda_conn_doom(conn);
}

static int make_client(struct qda_conn *conn, struct qda_front *front, int fd,
		       const struct qda_principal *principal, unsigned n_fds, struct qda_fail *fail)
{
	int r = qda_client_new(front->core, principal, &qda_conn_client_ops, conn, n_fds,
			       &conn->client, fail);

	if (r < 0 || uv_poll_init(front->loop, &conn->poll, fd) == 0)
		return r;
	conn->client->principal.groups = NULL; /* the caller's again */
	qda_client_gone(conn->client);
	return qda_fail(fail, ENOMEM, "the kernel is short of memory for a connection");
}

int qda_conn_new(struct qda_front *front, int fd, const struct qda_principal *principal, int pidfd,
		 struct qda_fail *fail)
{
	struct qda_conn *conn = calloc(1, sizeof(*conn));
	int r = conn ? 0 : qda_fail(fail, ENOMEM, "the daemon is out of memory for a connection");

	if (r == 0)
		r = make_client(conn, front, fd, principal, pidfd >= 0 ? 2 : 1, fail);
	if (r < 0) {
		fail->retry_ms = 1000;
		send_farewell(front, fd, fail);
		qda_dispose_socket(front->disposer, fd);
		if (pidfd >= 0)
			close(pidfd);
		free(conn);
		return r;
	}
	conn->front = front;
	conn->fd = fd;
	conn->pidfd = pidfd;
	conn->open_handles = 2;
	conn->poll.data = conn->timer.data = conn;
	TAILQ_INIT(&conn->out);
	TAILQ_INSERT_TAIL(&front->conns, conn, link);
	uv_timer_init(front->loop, &conn->timer);
	uv_timer_start(&conn->timer, on_hello_late, front->config.hello_ms, 0);
	uv_poll_start(&conn->poll, UV_READABLE, on_event);
	return 0;
}

static bool comes_back(int err)
{
	return err == -EAGAIN || err == -ETOOMANYREFS || err == -ENOMEM || err == -ENOBUFS;
}

static void on_retry(uv_timer_t *timer)
{
	flush(timer->data);
}

/* Nothing is read meanwhile. A full socket says when it has room; the kernel does not say when it
 * has memory, or others have read their descriptors. */
static void wait_for_room(struct qda_conn *conn, int err)
{
	uv_poll_start(&conn->poll, UV_WRITABLE, on_event);
	if (err == -EAGAIN || !conn->greeted)
		return;
	uv_poll_stop(&conn->poll);
	uv_timer_start(&conn->timer, on_retry, RETRY_MS, 0);
}

/* Keep the message of front->tx for later. */
static bool queue(struct qda_conn *conn, size_t n, int fd)
{
	struct qda_charge charge;
	struct qda_fail fail;
	struct qda_out_packet *packet;

	if (qda_charge_init(&charge, &conn->client->account, QDA_RES_OUT_BYTES, sizeof(*packet) + n,
			    &fail) < 0)
		return false;
	packet = malloc(sizeof(*packet) + n);
	if (!packet)
		goto refuse;
	packet->charge = charge;
	packet->n = n;
	packet->fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	if (fd >= 0 && packet->fd < 0)
		goto refuse;
	memcpy(packet->bytes, conn->front->tx, n);
	TAILQ_INSERT_TAIL(&conn->out, packet, link);
	return true;
refuse:
	free(packet);
	qda_charge_deinit(&charge);
	return false;
}

bool qda_conn_send(struct qda_conn *conn, size_t n, int fd)
{
	struct iovec iov = { conn->front->tx, n };
	int r;

	if (conn->doomed)
		return true; /* nobody will read it */
	conn->fds_sent += fd >= 0;
	if (!TAILQ_EMPTY(&conn->out))
		return queue(conn, n, fd);
	r = qda_packet_send(conn->fd, &iov, 1, &fd, fd >= 0, MSG_DONTWAIT);
	if (r == 0)
		return true;
	if (!comes_back(r)) {
		qda_conn_doom(conn);
		return true;
	}
	if (!queue(conn, n, fd))
		return false;
	wait_for_room(conn, r);
	return true;
}

bool qda_conn_may_send_fd(struct qda_conn *conn)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t size = sizeof(info);

	if (conn->fds_sent < UNREAD_FDS_MAX)
		return true;
	if (getsockopt(conn->fd, SOL_SOCKET, SO_MEMINFO, info, &size) < 0 ||
	    info[SK_MEMINFO_WMEM_ALLOC])
		return false;
	conn->fds_sent = 0;
	return true;
}

static void flush(struct qda_conn *conn)
{
	struct qda_out_packet *packet;

	while ((packet = TAILQ_FIRST(&conn->out))) {
		struct iovec iov = { packet->bytes, packet->n };
		int r = qda_packet_send(conn->fd, &iov, 1, &packet->fd, packet->fd >= 0,
					MSG_DONTWAIT);

		if (comes_back(r)) {
			wait_for_room(conn, r);
			return;
		}
		if (r < 0) {
			qda_conn_close(conn);
			return;
		}
		free_packet(conn, packet);
	}
	uv_poll_start(&conn->poll, UV_READABLE, on_event);
}

static bool next_has_fds(const struct qda_conn *conn)
{
	struct msghdr msg = { 0 };

	return recvmsg(conn->fd, &msg, MSG_PEEK | MSG_DONTWAIT) >= 0 && msg.msg_flags & MSG_CTRUNC;
}

/* While descriptors wait to be closed that nobody could pay for, none come in that nobody could: as
 * many as one message may have. */
static int check_fds(struct qda_conn *conn, struct qda_fail *fail)
{
	struct qda_charge charge;
	int r;

	if (!qda_disposer_is_owed(conn->front->disposer) || !next_has_fds(conn))
		return 0;
	r = qda_charge_init(&charge, &conn->client->account, QDA_RES_FDS, QDA_FDS_ROOM, fail);
	if (r == 0)
		qda_charge_deinit(&charge);
	return r;
}

/* One message. False: there is none, or the connection is gone. */
static bool receive(struct qda_conn *conn)
{
	struct qda_front *front = conn->front;
	struct qda_packet packet;
	struct qda_fail fail;
	bool handled;
	int r;

	if (check_fds(conn, &fail) < 0) {
		front->n_dropped++;
		qda_conn_end(conn, &fail);
		return false;
	}
	r = qda_packet_recv_open(conn->fd, front->rx, sizeof(front->rx), MSG_DONTWAIT, &packet);
	if (r == -EAGAIN)
		return false;
	handled = r > 0 || (r == -EMSGSIZE && packet.n);
	if (handled)
		r = qda_dispatch_request(conn, &packet, r > 0);
	qda_dispose(front->disposer, conn->client, packet.fds, packet.n_fds);
	if (handled && r == 0)
		return true;
	if (r < 0)
		front->n_dropped++;
	qda_conn_close(conn);
	return false;
}

/* A client that keeps several calls on their way likely has more to say: looking again is cheaper
 * than another round of the loop. One that waits for each answer is not asked in vain. */
static void receive_some(struct qda_conn *conn)
{
	for (int i = 0; i < RECEIVE_BATCH && receive(conn); i++)
		if (conn->client->calls_now < 2 || conn->doomed || !TAILQ_EMPTY(&conn->out))
			return;
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct qda_conn *conn = poll->data;

	qda_stall_mark();
	if (conn->doomed || status < 0)
		qda_conn_close(conn);
	else if (events & UV_WRITABLE)
		flush(conn);
	else
		receive_some(conn);
}
