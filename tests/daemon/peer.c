/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The raw client: see peer.h.
 */
#include "peer.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "fastrpc.h"

/* --- connection --- */

struct peer *peer_try_connect(const char *socket_path)
{
	const struct timeval patience = { PATIENCE_MS / 1000, 0 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct peer *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	p->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return peer_free(p);
	return p;
}

struct peer *peer_connect(const struct broker *b)
{
	struct peer *p = peer_try_connect(b->socket);

	assert_non_null(p);
	return p;
}

struct peer *peer_new(const struct broker *b)
{
	struct peer *p = peer_connect(b);
	const struct qda_msg_reply *reply;

	reply = peer_ok(p, REQUEST(HELLO, .hello = { 1, 1, "test" }));
	assert_int_equal(reply->hello.version, 1);
	return p;
}

struct peer *peer_free(struct peer *p)
{
	if (!p)
		return NULL;
	qda_packet_close_fds(&p->packet);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
	return NULL;
}

/* --- messages --- */

bool peer_send_raw(struct peer *p, const void *bytes, size_t n, const int *fds, unsigned n_fds)
{
	struct iovec iov = { (void *)bytes, n };
	int r = qda_packet_send(p->fd, &iov, 1, fds, n_fds, 0);

	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		fail_msg("sending failed: %s", strerror(-r));
	return r == 0;
}

uint64_t peer_post(struct peer *p, const struct qda_msg_request *request, const void *data,
		   size_t n_data, const int *fds, unsigned n_fds)
{
	int n = qda_request_encode(p->out, sizeof(p->out), ++p->serial, request);

	assert_true(n > 0 && n + n_data <= sizeof(p->out));
	if (n_data)
		memcpy(p->out + n, data, n_data);
	assert_true(peer_send_raw(p, p->out, (size_t)n + n_data, fds, n_fds));
	return p->serial;
}

static bool readable(struct peer *p, int timeout_ms)
{
	struct pollfd poll_fd = { p->fd, POLLIN, 0 };

	return poll(&poll_fd, 1, timeout_ms) == 1;
}

static void take_in(struct peer *p)
{
	const uint8_t *body = p->in + QDA_FRAME_SIZE;
	int r;

	assert_int_equal(qda_frame_read(p->in, p->packet.n, &p->frame), 0);
	assert_int_equal(p->frame.version, QDA_PROTOCOL_VERSION);
	p->tail = body + p->frame.body_len;
	p->n_tail = p->packet.n - QDA_FRAME_SIZE - p->frame.body_len;
	if (p->frame.flags == QDA_FRAME_EVENT) {
		assert_int_equal(p->frame.serial, 0);
		p->n_events++;
		r = qda_event_decode(&p->decoder, p->frame.type, body, p->frame.body_len,
				     &p->event);
	} else {
		assert_int_equal(p->frame.flags, QDA_FRAME_REPLY);
		r = qda_reply_decode(&p->decoder, p->frame.type, body, p->frame.body_len,
				     &p->reply);
	}
	if (r == -EOPNOTSUPP)
		p->reply.status.code = 0; /* a type that does not exist: the test looks at bytes */
	else if (r < 0)
		fail_msg("message type %u cannot be read: %s", p->frame.type, p->decoder.error);
}

bool peer_next(struct peer *p)
{
	int r;

	qda_packet_close_fds(&p->packet);
	if (!readable(p, PATIENCE_MS))
		fail_msg("nothing came within %d ms", PATIENCE_MS);
	r = qda_packet_recv(p->fd, p->in, sizeof(p->in), MSG_DONTWAIT, &p->packet);
	if (r == 0 || r == -ECONNRESET)
		return false;
	assert_int_equal(r, 1);
	take_in(p);
	return true;
}

bool peer_is_silent(struct peer *p)
{
	return !readable(p, 0);
}

void peer_expect_end(struct peer *p)
{
	if (peer_next(p))
		fail_msg("a message of type %u came instead of the end", p->frame.type);
}

const struct qda_msg_reply *peer_await(struct peer *p, uint64_t serial)
{
	do {
		if (!peer_next(p))
			fail_msg("the connection ended before the reply to %llu",
				 (unsigned long long)serial);
	} while (p->frame.flags == QDA_FRAME_EVENT);
	assert_int_equal(p->frame.serial, serial);
	return &p->reply;
}

const struct qda_msg_event *peer_await_event(struct peer *p, uint16_t type)
{
	do {
		assert_true(peer_next(p));
		assert_int_equal(p->frame.flags, QDA_FRAME_EVENT);
	} while (p->frame.type != type);
	return &p->event;
}

const struct qda_msg_reply *peer_call(struct peer *p, const struct qda_msg_request *request)
{
	return peer_await(p, peer_post(p, request, NULL, 0, NULL, 0));
}

const struct qda_msg_reply *peer_ok(struct peer *p, const struct qda_msg_request *request)
{
	const struct qda_msg_reply *reply = peer_call(p, request);

	if (reply->status.code)
		fail_msg("request type %u was refused with %u: %s", request->type,
			 reply->status.code, reply->status.text);
	assert_int_equal(p->frame.type, request->type);
	return reply;
}

const struct qda_msg_status *peer_refused(struct peer *p, const struct qda_msg_request *request,
					  int code)
{
	const struct qda_msg_reply *reply = peer_call(p, request);

	if (reply->status.code != (uint32_t)code)
		fail_msg("request type %u got %u instead of %d: %s", request->type,
			 reply->status.code, code, reply->status.text);
	assert_true(strlen(reply->status.text) > 10);
	return &reply->status;
}

static void check_quota(const struct qda_msg_status *status, const char *resource,
			const char *scope, uint64_t limit, uint64_t used)
{
	char number[24];

	assert_int_equal(status->code, EDQUOT);
	assert_string_equal(status->resource, resource);
	assert_string_equal(status->scope, scope);
	assert_int_equal(status->limit, limit);
	assert_int_equal(status->used, used);
	assert_non_null(strstr(status->text, resource));
	snprintf(number, sizeof(number), "%llu", (unsigned long long)limit);
	assert_non_null(strstr(status->text, number));
}

void peer_refused_quota(struct peer *p, const struct qda_msg_request *request, const char *resource,
			const char *scope, uint64_t limit, uint64_t used)
{
	check_quota(peer_refused(p, request, EDQUOT), resource, scope, limit, used);
}

/* --- requests --- */

uint64_t peer_session(struct peer *p)
{
	uint64_t session = peer_ok(p, REQUEST(SESSION_OPEN))->session_open.session;

	assert_int_not_equal(session, 0);
	return session;
}

uint64_t peer_module(struct peer *p, uint64_t session, const char *uri)
{
	uint64_t handle = peer_ok(p, REQUEST(MODULE_OPEN, .module_open = { session, uri }))
				  ->module_open.handle;

	assert_int_not_equal(handle, 0);
	return handle;
}

uint64_t peer_open(struct peer *p, const char *uri)
{
	return peer_module(p, peer_session(p), uri);
}

uint64_t peer_buffer(struct peer *p, uint64_t size, int *fd)
{
	const struct qda_msg_reply *reply =
		peer_ok(p, REQUEST(BUFFER_ALLOC, .buffer_alloc = { size, NULL }));

	assert_int_not_equal(reply->buffer.buffer, 0);
	assert_int_equal(reply->buffer.size, (size + 4095) & ~4095ull);
	assert_int_equal(p->packet.n_fds, 1);
	if (fd) {
		*fd = p->packet.fds[0];
		p->packet.n_fds = 0;
	}
	return reply->buffer.buffer;
}

struct invocation *invocation_new(uint64_t handle, unsigned method)
{
	struct invocation *i = calloc(1, sizeof(*i));

	assert_non_null(i);
	i->request.type = QDA_TYPE_INVOKE;
	i->request.invoke.handle = handle;
	i->request.invoke.sc = method << 24;
	i->data = i->bytes;
	return i;
}

void invocation_arg(struct invocation *i, unsigned which, enum qda_arg_kind kind, uint64_t ref,
		    uint64_t offset, uint64_t length)
{
	unsigned *counts[] = { &i->in, &i->out, &i->in_handles, &i->out_handles };

	assert_true(i->request.invoke.n_args < QDA_ARGS_MAX);
	i->args[i->request.invoke.n_args++] = (struct qda_msg_arg){ kind, ref, offset, length };
	++*counts[which];
}

/* Inline arguments of one call stand far apart unless a test says otherwise. */
static uint64_t next_ref(const struct invocation *i)
{
	return (uint64_t)(i->request.invoke.n_args + 1) << 20;
}

void invocation_in(struct invocation *i, const void *data, size_t n)
{
	invocation_arg(i, 0, QDA_ARG_INLINE, next_ref(i), 0, n);
	assert_true(i->n_data + n <= sizeof(i->bytes));
	if (n)
		memcpy(i->bytes + i->n_data, data, n);
	i->n_data += n;
}

void invocation_out(struct invocation *i, size_t n)
{
	invocation_arg(i, 1, QDA_ARG_INLINE, next_ref(i), 0, n);
}

uint64_t invocation_post(struct peer *p, struct invocation *i)
{
	uint64_t serial;

	i->request.invoke.sc |= fastrpc_sc(0, 0, i->in, i->out, i->in_handles, i->out_handles);
	i->request.invoke.args = i->args;
	serial = peer_post(p, &i->request, i->data, i->n_data, NULL, 0);
	free(i);
	return serial;
}

const struct qda_msg_reply *invocation_run(struct peer *p, struct invocation *i)
{
	const struct qda_msg_reply *reply = peer_await(p, invocation_post(p, i));

	if (reply->status.code)
		fail_msg("the call was refused with %u: %s", reply->status.code,
			 reply->status.text);
	assert_int_equal(reply->invoke.dsp_result, 0);
	return reply;
}

const struct qda_msg_status *invocation_refused(struct peer *p, struct invocation *i, int code)
{
	const struct qda_msg_reply *reply = peer_await(p, invocation_post(p, i));

	if (reply->status.code != (uint32_t)code)
		fail_msg("the call got %u instead of %d: %s", reply->status.code, code,
			 reply->status.text);
	return &reply->status;
}

uint64_t post_number(struct peer *p, uint64_t handle, unsigned method, uint32_t number,
		     uint64_t timeout_us)
{
	struct invocation *i = invocation_new(handle, method);

	invocation_in(i, &number, sizeof(number));
	i->request.invoke.timeout_us = timeout_us;
	return invocation_post(p, i);
}

uint32_t peer_cancel(struct peer *p, uint64_t victim, uint32_t *code)
{
	uint64_t serial = peer_post(p, REQUEST(CANCEL, .cancel = { victim }), NULL, 0, NULL, 0);
	uint32_t was = UINT32_MAX;

	/* Two replies, in either order. */
	*code = UINT32_MAX;
	for (int i = 0; i < 2; i++) {
		assert_true(peer_next(p));
		if (p->frame.serial == serial)
			was = p->reply.cancel.was;
		else if (p->frame.serial == victim)
			*code = p->reply.status.code;
		else
			fail_msg("a reply to %llu came", (unsigned long long)p->frame.serial);
	}
	return was;
}

/* --- status --- */

static void add_rows(struct counts *c, const struct qda_msg_reply *reply)
{
	for (uint32_t i = 0; i < reply->get_status.n_clients; i++) {
		const struct qda_msg_client_row *row = &reply->get_status.clients[i];

		c->clients++;
		c->buffers += row->buffers;
		c->buffer_bytes += row->buffer_bytes;
		c->modules += row->handles;
		c->calls_now += row->calls_now;
	}
	for (uint32_t i = 0; i < reply->get_status.n_domains; i++) {
		c->in_flight += reply->get_status.domains[i].in_flight;
		c->queued += reply->get_status.domains[i].queued;
	}
	c->sessions += reply->get_status.n_sessions;
}

struct counts peer_counts(struct peer *p)
{
	struct counts c = { 0 };
	struct qda_msg_daemon_row daemon;

	for (uint32_t kind = 1; kind <= 3; kind++) {
		uint64_t cursor = 0;

		do {
			const struct qda_msg_reply *reply =
				peer_ok(p, REQUEST(GET_STATUS, .get_status = { kind, cursor }));

			add_rows(&c, reply);
			cursor = reply->get_status.next;
		} while (cursor);
	}
	/* What belongs to connections that are gone is in the sums only. */
	daemon = peer_daemon_row(p);
	if (daemon.sessions > c.sessions)
		c.sessions = daemon.sessions;
	if (daemon.buffer_bytes > c.buffer_bytes)
		c.buffer_bytes = daemon.buffer_bytes;
	return c;
}

void assert_counts_equal(const struct counts *a, const struct counts *b)
{
	assert_int_equal(a->clients, b->clients);
	assert_int_equal(a->sessions, b->sessions);
	assert_int_equal(a->buffers, b->buffers);
	assert_int_equal(a->modules, b->modules);
	assert_int_equal(a->calls_now, b->calls_now);
	assert_int_equal(a->in_flight, b->in_flight);
	assert_int_equal(a->queued, b->queued);
	assert_int_equal(a->buffer_bytes, b->buffer_bytes);
}

struct qda_msg_daemon_row peer_daemon_row(struct peer *p)
{
	const struct qda_msg_reply *reply = peer_ok(p, REQUEST(GET_STATUS));

	assert_true(reply->get_status.has_daemon);
	return reply->get_status.daemon;
}

struct qda_msg_domain peer_domain_row(struct peer *p)
{
	const struct qda_msg_reply *reply = peer_ok(p, REQUEST(LIST_DOMAINS));

	assert_int_equal(reply->list_domains.n, 1);
	return reply->list_domains.rows[0];
}

int peer_lingering(int *other)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger linger = { .l_onoff = 1, .l_linger = 600 };
	socklen_t size = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	static const char bytes[65536];

	assert_int_equal(bind(listener, (struct sockaddr *)&at, size), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, size), 0);
	*other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(*other >= 0);
	close(listener);
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return fd;
}
