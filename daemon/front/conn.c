/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections: few requests a round of the loop, replies at once or in order when there is room.
 */
#include "front/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define RECEIVE_BATCH 8		/* messages of one client a round, so that others get their turn */

/* A message that waits for room in the socket. */
struct qda_out_packet {
	TAILQ_ENTRY(qda_out_packet) link;
	struct qda_charge charge;
	size_t n;
	int fd; /* own duplicate, or -1 */
	uint8_t bytes[];
};

static void on_event(uv_poll_t *poll, int status, int events);

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
	close(conn->fd);
	free(conn);
}

void qda_conn_close(struct qda_conn *conn)
{
	struct qda_out_packet *packet;

	TAILQ_REMOVE(&conn->front->conns, conn, link);
	while ((packet = TAILQ_FIRST(&conn->out)))
		free_packet(conn, packet);
	if (conn->client)
		qda_client_gone(conn->client);
	conn->client = NULL;
	if (conn->pidfd >= 0)
		close(conn->pidfd);
	uv_close((uv_handle_t *)&conn->poll, on_handle_closed);
	uv_close((uv_handle_t *)&conn->hello, on_handle_closed);
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

/* The one message that a connection over its uid's limit gets: why. */
static void refuse(struct qda_front *front, int fd, const struct qda_fail *fail)
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
			.retry_ms = 1000,
		},
	};
	int n = qda_reply_encode(front->tx, sizeof(front->tx), 0, &reply);
	struct iovec iov = { front->tx, n };

	if (n > 0 && qda_packet_send(fd, &iov, 1, NULL, 0, MSG_DONTWAIT) < 0)
		return; /* nobody listens: the end of file must do */
}

int qda_conn_new(struct qda_front *front, int fd, const struct qda_principal *principal, int pidfd)
{
	struct qda_conn *conn = calloc(1, sizeof(*conn));
	struct qda_fail fail;
	int r = conn ? 0 : qda_fail(&fail, ENOMEM, "the daemon is out of memory for a connection");

	if (r == 0)
		r = qda_client_new(front->core, principal, &qda_conn_client_ops, conn,
				   pidfd >= 0 ? 2 : 1, &conn->client, &fail);
	if (r < 0) {
		refuse(front, fd, &fail);
		close(fd);
		if (pidfd >= 0)
			close(pidfd);
		free(conn);
		return r;
	}
	conn->front = front;
	conn->fd = fd;
	conn->pidfd = pidfd;
	conn->open_handles = 2;
	conn->poll.data = conn->hello.data = conn;
	TAILQ_INIT(&conn->out);
	TAILQ_INSERT_TAIL(&front->conns, conn, link);
	uv_timer_init(front->loop, &conn->hello);
	uv_timer_start(&conn->hello, on_hello_late, front->config.hello_ms, 0);
	uv_poll_init(front->loop, &conn->poll, fd);
	uv_poll_start(&conn->poll, UV_READABLE, on_event);
	return 0;
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
	if (!packet) {
		qda_charge_deinit(&charge);
		return false;
	}
	packet->charge = charge;
	packet->n = n;
	packet->fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	memcpy(packet->bytes, conn->front->tx, n);
	if (TAILQ_EMPTY(&conn->out))
		uv_poll_start(&conn->poll, UV_WRITABLE, on_event);
	TAILQ_INSERT_TAIL(&conn->out, packet, link);
	return true;
}

bool qda_conn_send(struct qda_conn *conn, size_t n, int fd)
{
	struct iovec iov = { conn->front->tx, n };
	int r;

	if (conn->doomed)
		return true; /* nobody will read it */
	if (!TAILQ_EMPTY(&conn->out))
		return queue(conn, n, fd);
	r = qda_packet_send(conn->fd, &iov, 1, &fd, fd >= 0, MSG_DONTWAIT);
	if (r == -EAGAIN)
		return queue(conn, n, fd);
	if (r < 0)
		qda_conn_doom(conn);
	return true;
}

static void flush(struct qda_conn *conn)
{
	struct qda_out_packet *packet;

	while ((packet = TAILQ_FIRST(&conn->out))) {
		struct iovec iov = { packet->bytes, packet->n };
		int r = qda_packet_send(conn->fd, &iov, 1, &packet->fd, packet->fd >= 0,
					MSG_DONTWAIT);

		if (r == -EAGAIN)
			return;
		if (r < 0) {
			qda_conn_close(conn);
			return;
		}
		free_packet(conn, packet);
	}
	uv_poll_start(&conn->poll, UV_READABLE, on_event);
}

/* One message. False: there is none, or the connection is gone. */
static bool receive(struct qda_conn *conn)
{
	struct qda_front *front = conn->front;
	struct qda_packet packet;
	int r = qda_packet_recv(conn->fd, front->rx, sizeof(front->rx), MSG_DONTWAIT, &packet);

	if (r == -EAGAIN)
		return false;
	if (r > 0 || (r == -EMSGSIZE && packet.n)) {
		if (r < 0)
			packet.n_fds = QDA_FDS_MAX + 1; /* told to dispatch: closed already */
		r = qda_dispatch_request(conn, &packet);
		if (r == 0)
			return true;
	}
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

	if (conn->doomed || status < 0)
		qda_conn_close(conn);
	else if (events & UV_WRITABLE)
		flush(conn);
	else
		receive_some(conn);
}
