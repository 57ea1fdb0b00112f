/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests out, replies and events in, for all threads of a client: see internal.h for the role
 * and the locks. Everything read here was written by the broker, which is believed no more than
 * any stranger: a reply that is not what was asked for ends the connection.
 */
#include "internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define DISPATCH_MAX 256 /* messages one qda_dispatch() takes in, so that it returns some time */
#define IDLE_MS 1	 /* how long somebody else's turn is waited for */

/* A callback that this thread is in. One that waits may make the thread enter another: of another
 * connection, or a log line. */
struct inside {
	const struct qda_client *client;
	bool log;
	struct inside *outer;
};

static __thread struct inside *inside;

/* The innermost callback of this connection that this thread is in. */
static const struct inside *find_inside(const struct qda_client *c)
{
	const struct inside *in = inside;

	while (in && in->client != c)
		in = in->outer;
	return in;
}

static bool forked(const struct qda_client *c)
{
	return !*c->alive || (c->pid && c->pid != getpid());
}

int qda_usable(const struct qda_client *c, struct qda_error *err)
{
	if (forked(c))
		return qda_fail(err, -ECHILD,
				"this connection belongs to the parent process: connect "
				"again after fork()");
	return 0;
}

int qda_may_wait(const struct qda_client *c, struct qda_error *err)
{
	const struct inside *in = find_inside(c);

	if (in && in->log) /* the lines that come meanwhile would call it again, without end */
		return qda_fail(err, -EDEADLK,
				"a function given to qda_log() must not wait for the broker");
	return qda_usable(c, err);
}

/* --- the end of calls and of the connection; all under `lock` --- */

static struct qda_calls *bucket(struct qda_client *c, uint64_t serial)
{
	return &c->pending[serial % CALL_BUCKETS];
}

static struct qda_call *find(struct qda_client *c, uint64_t serial)
{
	struct qda_call *call;

	TAILQ_FOREACH(call, bucket(c, serial), link)
		if (call->serial == serial)
			return call;
	return NULL;
}

static void enter(struct qda_call *call)
{
	TAILQ_INSERT_TAIL(bucket(call->client, call->serial), call, link);
	call->client->n_invokes += call->type == QDA_TYPE_INVOKE;
}

static void leave(struct qda_call *call)
{
	TAILQ_REMOVE(bucket(call->client, call->serial), call, link);
	call->client->n_invokes -= call->type == QDA_TYPE_INVOKE;
}

static void finish(struct qda_call *call, int result)
{
	struct qda_client *c = call->client;

	leave(call);
	call->result = result;
	call->done = true;
	switch (call->kind) {
	case CALL_SYNC:
		pthread_cond_signal(&call->cond);
		break;
	case CALL_ASYNC:
		TAILQ_INSERT_TAIL(&c->completed, call, link);
		break;
	case CALL_MUTE:
		qda_call_recycle(call);
		break;
	}
}

static int fail_lost(struct qda_client *c, struct qda_error *err)
{
	if (err)
		*err = c->lost_why;
	return c->lost_why.code;
}

static void end_all(struct qda_client *c)
{
	struct qda_call *call;

	c->lost = true;
	shutdown(c->fd, SHUT_RDWR);
	for (unsigned i = 0; i < CALL_BUCKETS; i++) {
		while ((call = TAILQ_FIRST(&c->pending[i])))
			finish(call, fail_lost(c, call->err));
	}
}

static void lose(struct qda_client *c, const char *why, const char *detail)
{
	if (c->lost)
		return;
	qda_fail(&c->lost_why, -ECONNRESET, "the connection to the broker ended: %s%s%s; connect again",
		 why, detail[0] ? ": " : "", detail);
	end_all(c);
}

/* The broker says why it ends the connection. */
static void take_farewell(struct qda_client *c, const struct qda_msg_status *status)
{
	if (c->lost)
		return;
	qda_fail_status(&c->lost_why, status);
	end_all(c);
}

/* --- what comes in; under `lock`, by whoever has the role --- */

/* A log line that is to be handed out as soon as no lock is held. */
struct line {
	qda_log_fn fn;
	void *data;
	struct qda_session *session;
	unsigned level, dropped;
	char text[QDA_TEXT_MAX + 1];
};

static void take_event(struct qda_client *c, const struct qda_msg_event *e, struct line *line)
{
	struct qda_session *s;

	switch (e->type) {
	case QDA_TYPE_SESSION_LOST:
		s = qda_session_find(c, e->session_lost.session);
		if (s && !s->lost) {
			s->lost = true;
			snprintf(s->text, sizeof(s->text), "%s", e->session_lost.text);
		}
		break;
	case QDA_TYPE_LOG:
		s = qda_session_find(c, e->log.session);
		if (s && c->log) {
			line->fn = c->log;
			line->data = c->log_data;
			line->session = s;
			line->level = e->log.level;
			line->dropped = e->log.dropped;
			snprintf(line->text, sizeof(line->text), "%s", e->log.text);
		}
		break;
	case QDA_TYPE_MONITOR:
		if (c->monitor)
			c->monitor(c->monitor_data, e);
		break;
	}
}

static void take_reply(struct qda_client *c, const struct qda_frame *frame,
		       struct qda_delivery *in)
{
	struct qda_call *call = find(c, frame->serial);
	const struct qda_msg_status *status = &in->reply->status;
	int r;

	if (!frame->serial && frame->type == QDA_TYPE_HELLO && status->code) {
		take_farewell(c, status);
		return;
	}
	if (!call)
		return; /* nobody waits for it: it can do no harm */
	if (call->type != frame->type ||
	    (in->n_tail && (call->type != QDA_TYPE_INVOKE || status->code))) {
		lose(c, "it sent a reply that does not fit the request", "");
		return;
	}
	if (status->code)
		r = qda_fail_status(call->err, status);
	else
		r = call->take ? call->take(call->take_data, in, call->err) : 0;
	if (r == TAKE_BROKEN)
		lose(c, "it sent a reply that does not fit the request", "");
	else
		finish(call, r);
}

static void take_packet(struct qda_client *c, struct qda_packet *packet, bool fds_lost,
			struct line *line)
{
	const uint8_t *body = c->in + QDA_FRAME_SIZE;
	struct qda_frame frame;
	struct qda_msg_event event;
	struct qda_msg_reply reply;
	struct qda_delivery in = { .reply = &reply, .packet = packet, .fds_lost = fds_lost };
	int r;

	if (qda_frame_read(c->in, packet->n, &frame)) {
		lose(c, "it sent what is no message", "");
		return;
	}
	if (frame.flags & QDA_FRAME_EVENT) {
		r = qda_event_decode(&c->decoder, frame.type, body, frame.body_len, &event);
		if (r == 0)
			take_event(c, &event, line);
		else if (r != -EOPNOTSUPP) /* events of a later version are not for us */
			lose(c, "it sent a broken event", c->decoder.error);
		return;
	}
	in.tail = body + frame.body_len;
	in.n_tail = packet->n - QDA_FRAME_SIZE - frame.body_len;
	if (!(frame.flags & QDA_FRAME_REPLY))
		lose(c, "it sent a request", "");
	else if (qda_reply_decode(&c->decoder, frame.type, body, frame.body_len, &reply))
		lose(c, "it sent a broken reply", c->decoder.error);
	else
		take_reply(c, &frame, &in);
}

/* Wake whoever may want the role now that it is free. */
static void pass_on(struct qda_client *c)
{
	struct qda_call *next = TAILQ_FIRST(&c->waiters);

	if (c->reading)
		return;
	if (next)
		pthread_cond_signal(&next->cond);
	if (c->n_idlers)
		pthread_cond_broadcast(&c->idle);
}

/* A callback that waits leaves what ends meanwhile to the loop that called it: were they nested, a
 * chain of them would need a stack without end. */
static void run_callbacks(struct qda_client *c)
{
	struct inside self = { c, false, inside };
	struct qda_call *call;

	if (find_inside(c))
		return;
	inside = &self;
	while ((call = TAILQ_FIRST(&c->completed))) {
		TAILQ_REMOVE(&c->completed, call, link);
		pthread_mutex_unlock(&c->lock);
		call->fn(call->data, call->result ? &call->own_err : NULL, &call->times);
		pthread_mutex_lock(&c->lock);
		c->ended++;
		qda_call_recycle(call);
	}
	inside = self.outer;
}

static void hand_out(struct qda_client *c, const struct line *line)
{
	struct inside self = { c, true, inside };

	pthread_mutex_unlock(&c->lock);
	inside = &self;
	line->fn(line->data, line->session, line->level, line->text, line->dropped);
	inside = self.outer;
	pthread_mutex_lock(&c->lock);
}

/* One turn of the role: wait for a datagram (or not: MSG_DONTWAIT), deal with it, give the role up.
 * Called and returns with `lock` held, which it lets go meanwhile. 0 or -EAGAIN. */
static int turn(struct qda_client *c, int flags)
{
	struct qda_packet packet;
	struct line line;
	int r;

	line.fn = NULL;
	c->reading = true;
	pthread_mutex_unlock(&c->lock);
	r = qda_packet_recv(c->fd, c->in, sizeof(c->in), flags, &packet);
	pthread_mutex_lock(&c->lock);

	if (r == 1 || (r == -EMSGSIZE && packet.n))
		take_packet(c, &packet, r != 1, &line);
	else if (r == 0)
		lose(c, "it hung up", "");
	else if (r != -EAGAIN)
		lose(c, "receiving failed", strerror(-r));
	qda_packet_close_fds(&packet);

	c->reading = false;
	if (line.fn || !TAILQ_EMPTY(&c->completed)) {
		pass_on(c);
		if (line.fn)
			hand_out(c, &line);
		run_callbacks(c);
	}
	return r == -EAGAIN ? r : 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void wait_idle(struct qda_client *c)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += IDLE_MS * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	c->n_idlers++;
	pthread_cond_timedwait(&c->idle, &c->lock, &t);
	c->n_idlers--;
}

/* Take one datagram in if there is any. Under `lock`, which has nobody reading. */
static int take_one(struct qda_client *c)
{
	int n = turn(c, MSG_DONTWAIT);

	pass_on(c);
	return n == 0;
}

/* Wait, without having the role, until something can be read (or written, if asked for), and take
 * one datagram in unless somebody else does. Under `lock`. Returns 1 if there was anything to do.
 */
static int step(struct qda_client *c, short events, int timeout_ms)
{
	struct pollfd p = { .fd = c->fd, .events = events };
	int n;

	if (events == POLLIN && !timeout_ms && !c->reading)
		return take_one(c); /* which tells as well as poll() */
	pthread_mutex_unlock(&c->lock);
	n = poll(&p, 1, timeout_ms);
	pthread_mutex_lock(&c->lock);
	if (n <= 0)
		return 0;
	if (!(p.revents & ~POLLOUT))
		return 1;
	if (c->reading) {
		wait_idle(c);
		return timeout_ms != 0;
	}
	return take_one(c);
}

/* --- sending and waiting --- */

/* The request's bytes into c->out; under `sending`. Returns their number or a negative errno. */
static int put_request(struct qda_client *c, const struct qda_msg_request *request,
		       const struct qda_arg *args, unsigned n_args, size_t in_bytes,
		       struct qda_error *err)
{
	int n = qda_request_encode(c->out, sizeof(c->out), c->serial + 1, request);
	uint8_t *p = c->out + n;

	if (n < 0)
		return qda_fail(err, n, "the request does not fit into a message: %s",
				strerror(-n));
	if (in_bytes > sizeof(c->out) - (size_t)n)
		return qda_fail(err, -EMSGSIZE,
				"inputs passed by value come to %zu bytes, %zu fit beside that "
				"many arguments: use a buffer (qda_buffer_alloc)",
				in_bytes, sizeof(c->out) - (size_t)n);
	for (unsigned i = 0; i < n_args; i++) {
		if (args[i].type != QDA_IN || !args[i].length)
			continue;
		memcpy(p, args[i].in, args[i].length);
		p += args[i].length;
	}
	return (int)(p - c->out);
}

/* Whether the broker would refuse another call, which its sender would learn too late. */
static bool is_full(const struct qda_client *c)
{
	return c->limits.calls && c->n_invokes >= c->limits.calls;
}

/* Enter the call among those that wait for a reply, before the reply can come. */
static int announce(struct qda_call *call, struct qda_error *err)
{
	struct qda_client *c = call->client;
	int r = 0;

	pthread_mutex_lock(&c->lock);
	if (c->lost) {
		r = fail_lost(c, err);
	} else if (call->kind == CALL_ASYNC && is_full(c)) {
		r = -EAGAIN;
	} else {
		call->serial = c->serial + 1;
		enter(call);
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

/* Take it back after sending failed; under `sending`. If the connection ended meanwhile, the call
 * ended with it as if it had been sent, and its object may be another call's by now: only the
 * bucket knows. One that waits for the answer reads what the broker said before it hung up. */
static int withdraw(struct qda_call *call, int result, struct qda_error *err)
{
	struct qda_client *c = call->client;
	bool ended = result == -EPIPE || result == -ECONNRESET;

	pthread_mutex_lock(&c->lock);
	if (find(c, c->serial + 1) != call || (ended && call->kind == CALL_SYNC))
		result = 0;
	else
		leave(call);
	pthread_mutex_unlock(&c->lock);
	if (result && ended)
		return qda_fail(err, -ECONNRESET,
				"the connection to the broker ended; connect again");
	if (result && result != -EAGAIN)
		qda_fail(err, result, "sending to the broker failed: %s", strerror(-result));
	return result;
}

static int try_send(struct qda_call *call, const struct qda_msg_request *request,
		    const struct qda_arg *args, unsigned n_args, const int *fds, unsigned n_fds,
		    struct qda_error *err)
{
	struct qda_client *c = call->client;
	struct iovec iov = { c->out, 0 };
	int n, r;

	pthread_mutex_lock(&c->sending);
	n = put_request(c, request, args, n_args, call->in_bytes, err);
	r = n < 0 ? n : announce(call, err);
	if (r == 0) {
		iov.iov_len = (size_t)n;
		r = qda_packet_send(c->fd, &iov, 1, fds, n_fds, MSG_DONTWAIT);
		if (r)
			r = withdraw(call, r, err);
		/* A number is never used twice, even if it was not sent. */
		c->serial++;
	}
	pthread_mutex_unlock(&c->sending);
	return r;
}

int qda_call_send(struct qda_call *call, const struct qda_msg_request *request,
		  const struct qda_arg *args, unsigned n_args, const int *fds, unsigned n_fds,
		  bool wait, struct qda_error *err)
{
	struct qda_client *c = call->client;
	int r;

	for (;;) {
		r = try_send(call, request, args, n_args, fds, n_fds, err);
		if (r != -EAGAIN)
			return r;
		if (!wait)
			return qda_fail(err, r,
					"too much is on its way to the broker (at most %u calls "
					"at a time): call qda_dispatch() first",
					c->limits.calls);
		/* The broker may be waiting for us to read: do that too. */
		pthread_mutex_lock(&c->lock);
		step(c, POLLIN | POLLOUT, -1);
		pthread_mutex_unlock(&c->lock);
	}
}

int qda_call_wait(struct qda_call *call)
{
	struct qda_client *c = call->client;
	int r;

	pthread_mutex_lock(&c->lock);
	while (!call->done) {
		if (!c->reading) {
			turn(c, 0);
			continue;
		}
		TAILQ_INSERT_TAIL(&c->waiters, call, waiting);
		pthread_cond_wait(&call->cond, &c->lock);
		TAILQ_REMOVE(&c->waiters, call, waiting);
	}
	pass_on(c);
	r = call->result;
	pthread_mutex_unlock(&c->lock);
	return r;
}

int qda_request(struct qda_client *c, const struct qda_msg_request *request, const int *fds,
		unsigned n_fds, qda_take_fn take, void *data, struct qda_error *err)
{
	struct qda_call *call;
	int r = qda_may_wait(c, err);

	if (r)
		return r;
	call = qda_call_new(c, request->type, CALL_SYNC, err);
	if (!call)
		return -ENOMEM;
	call->take = take;
	call->take_data = data;
	r = qda_call_send(call, request, NULL, 0, fds, n_fds, true, err);
	if (r == 0)
		r = qda_call_wait(call);
	qda_call_free(call);
	return r;
}

int qda_dispatch(struct qda_client *c, int timeout_ms)
{
	int64_t deadline = timeout_ms > 0 ? now_ms() + timeout_ms : 0;
	uint64_t before;
	int left = timeout_ms, r;

	if (qda_usable(c, NULL))
		return -ECHILD;
	if (find_inside(c))
		return -EDEADLK;
	pthread_mutex_lock(&c->lock);
	before = c->ended;
	run_callbacks(c);
	for (unsigned n = 0; n < DISPATCH_MAX && !c->lost; n++) {
		bool any = c->ended != before;

		if (timeout_ms > 0)
			left = (int)(deadline > now_ms() ? deadline - now_ms() : 0);
		if (step(c, POLLIN, any ? 0 : left))
			continue;
		if (any || timeout_ms == 0 || (timeout_ms > 0 && now_ms() >= deadline))
			break;
	}
	run_callbacks(c);
	r = c->ended != before || !c->lost ? (int)(c->ended - before) : -ECONNRESET;
	pthread_mutex_unlock(&c->lock);
	return r;
}
