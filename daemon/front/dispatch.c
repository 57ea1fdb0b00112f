/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dispatch table: message -> what it may carry, when it is allowed, who handles it. Handlers
 * translate and call core; they check no state. The one place where results of core become Status.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/buffer.h"
#include "core/module.h"
#include "core/monitor.h"
#include "core/session.h"
#include "device/device.h"
#include "front/request.h"

#define INLINE_MAX                                                                                 \
	61440u /* in and out bytes of one Invoke: both messages keep room for their bodies */

/* --- replies --- */

static void set_status(struct qda_msg_status *status, const struct qda_fail *fail)
{
	*status = (struct qda_msg_status){
		.code = fail->code,
		.aee = fail->aee,
		.text = fail->text,
		.resource = fail->resource,
		.scope = fail->scope,
		.limit = fail->limit,
		.used = fail->used,
		.retry_ms = fail->retry_ms,
	};
}

/* Replies are promised: a client whose replies do not even fit its quota of waiting output is
 * ended. */
static void send_reply(struct qda_conn *conn, uint64_t serial, const struct qda_msg_reply *reply,
		       size_t n_inline, int fd)
{
	struct qda_front *front = conn->front;
	int n = qda_reply_encode(front->tx, sizeof(front->tx) - n_inline, serial, reply);

	if (n < 0 || !qda_conn_send(conn, n + n_inline, fd))
		qda_conn_doom(conn);
}

static void send_fail(struct qda_conn *conn, uint64_t serial, uint16_t type,
		      const struct qda_fail *fail)
{
	struct qda_msg_reply reply = { .type = type };

	if (fail->code == EDQUOT && conn->client)
		conn->client->n_refused++;
	conn->front->core->refused += fail->code == EDQUOT;
	qda_refusals_count(&conn->front->core->refusals, fail);
	if (conn->client)
		qda_monitor_refused(conn->client, fail);
	set_status(&reply.status, fail);
	send_reply(conn, serial, &reply, 0, -1);
}

static void send_invoked(struct qda_conn *conn, uint64_t serial, const struct qda_invoked *invoked)
{
	struct qda_front *front = conn->front;
	struct qda_msg_out_handle handles[QDA_CALL_MAX_OUT_HANDLES];
	struct qda_msg_reply reply = { .type = QDA_TYPE_INVOKE };
	size_t n_outs = 0;
	int n;

	for (uint32_t i = 0; i < invoked->n_out_handles; i++)
		handles[i] = (struct qda_msg_out_handle){ invoked->out_handles[i].handle,
							  invoked->out_handles[i].number };
	reply.invoke.dsp_result = invoked->dsp_result;
	reply.invoke.dsp_ns = invoked->dsp_ns;
	reply.invoke.queue_ns = invoked->queue_ns;
	reply.invoke.n_out_handles = invoked->n_out_handles;
	reply.invoke.out_handles = handles;
	n = qda_reply_encode(front->tx, sizeof(front->tx) - INLINE_MAX, serial, &reply);
	if (n > 0 && !invoked->dsp_result)
		n_outs = qda_call_copy_outs(invoked->call, front->tx + n, sizeof(front->tx) - n);
	if (n < 0 || !qda_conn_send(conn, n + n_outs, -1))
		qda_conn_doom(conn);
}

static void send_outcome(struct qda_conn *conn, const struct qda_reply_to *to,
			 const struct qda_outcome *outcome)
{
	struct qda_msg_reply reply = { .type = to->tag };

	switch (to->tag) {
	case QDA_TYPE_SESSION_OPEN:
		reply.session_open.session = outcome->id;
		break;
	case QDA_TYPE_MODULE_OPEN:
		reply.module_open.handle = outcome->id;
		break;
	case QDA_TYPE_BUFFER_MAP:
		reply.buffer_map.dsp_addr = outcome->dsp_addr;
		break;
	default:
		break;
	}
	send_reply(conn, to->serial, &reply, 0, -1);
}

/* The end of every request that waited. */
static void on_end(const struct qda_reply_to *to, const struct qda_outcome *outcome)
{
	struct qda_conn *conn = to->front;

	if (outcome->fail)
		send_fail(conn, to->serial, to->tag, outcome->fail);
	else if (to->tag == QDA_TYPE_INVOKE)
		send_invoked(conn, to->serial, outcome->invoked);
	else
		send_outcome(conn, to, outcome);
}

static struct qda_reply_to reply_to(const struct qda_request *r)
{
	return (struct qda_reply_to){ on_end, r->conn, r->frame->serial, r->frame->type };
}

void qda_request_answer(const struct qda_request *r, const struct qda_msg_reply *reply, int fd)
{
	send_reply(r->conn, r->frame->serial, reply, 0, fd);
}

/* --- handlers: 0, or a negative errno with *fail filled: the refusal is sent by the caller --- */

static int handle_hello(const struct qda_request *r, struct qda_fail *fail)
{
	struct qda_conn *conn = r->conn;
	const uint64_t *limits = conn->client->limits;
	struct qda_msg_reply reply = { .type = QDA_TYPE_HELLO };
	int e = qda_client_check_access(conn->client, fail);

	if (e < 0)
		return e;
	if (r->msg->hello.min_version > QDA_PROTOCOL_VERSION ||
	    r->msg->hello.max_version < QDA_PROTOCOL_VERSION)
		return qda_fail(fail, EPROTONOSUPPORT,
				"protocol versions %u to %u are wanted, this daemon speaks %u: "
				"update the older one",
				r->msg->hello.min_version, r->msg->hello.max_version,
				QDA_PROTOCOL_VERSION);
	qda_client_set_name(conn->client, r->msg->hello.name);
	conn->greeted = true;
	uv_timer_stop(&conn->timer);
	if (qda_monitored(conn->front->core))
		qda_monitor(conn->front->core, &(struct qda_happening){ .what = "client-new",
							   .client = conn->client,
							   .text = conn->client->name });
	reply.hello.version = QDA_PROTOCOL_VERSION;
	reply.hello.daemon = conn->front->config.version;
	reply.hello.epoch = conn->front->epoch;
	reply.hello.client_dirs = qda_client_may_bring_dirs(conn->client);
	reply.hello.limits = (struct qda_msg_limits){
		.message_bytes = QDA_MESSAGE_MAX,
		.fds = QDA_FDS_MAX,
		.inline_bytes = INLINE_MAX,
		.buffer_bytes = limits[QDA_RES_BUFFER_BYTES],
		.buffers = limits[QDA_RES_BUFFERS],
		.sessions = limits[QDA_RES_SESSIONS],
		.handles = limits[QDA_RES_HANDLES],
		.calls = limits[QDA_RES_CALLS],
	};
	qda_request_answer(r, &reply, -1);
	return 0;
}

static int handle_list_domains(const struct qda_request *r, struct qda_fail *fail)
{
	struct qda_rows rows;
	struct qda_msg_reply reply = { .type = QDA_TYPE_LIST_DOMAINS };

	qda_rows_domains(r->conn->front->core, &rows, &reply.list_domains.n);
	reply.list_domains.rows = rows.domains;
	qda_request_answer(r, &reply, -1);
	return 0;
}

static int handle_get_status(const struct qda_request *r, struct qda_fail *fail)
{
	struct qda_msg_reply reply = { .type = QDA_TYPE_GET_STATUS };
	struct qda_rows rows;

	qda_rows_status(r->conn, r->msg->get_status.kind, r->msg->get_status.cursor, &rows, &reply);
	qda_request_answer(r, &reply, -1);
	return 0;
}

static void answer_buffer(const struct qda_request *r, const struct qda_buffer *buffer, int fd)
{
	struct qda_msg_reply reply = { .type = r->frame->type };

	reply.buffer.buffer = buffer->id;
	reply.buffer.size = buffer->size;
	qda_request_answer(r, &reply, fd);
}

static int handle_buffer_alloc(const struct qda_request *r, struct qda_fail *fail)
{
	struct qda_buffer *buffer;
	int fd, e;

	if (!qda_conn_may_send_fd(r->conn))
		return qda_fail(fail, EAGAIN,
				"many descriptors of buffers wait to be read on this connection: "
				"read the replies first");
	e = qda_buffer_alloc(r->conn->client, r->msg->buffer_alloc.domain,
			     r->msg->buffer_alloc.size, &buffer, &fd, fail);
	if (e == 0)
		answer_buffer(r, buffer, fd);
	return e;
}

static int handle_buffer_import(const struct qda_request *r, struct qda_fail *fail)
{
	struct qda_buffer *buffer;
	int e = qda_buffer_import(r->conn->client, r->msg->buffer_import.domain, r->packet->fds[0],
				  r->msg->buffer_import.size, r->msg->buffer_import.read_only,
				  &buffer, fail);

	if (e == 0)
		answer_buffer(r, buffer, -1);
	return e;
}

int qda_request_answer_done(const struct qda_request *r, int e)
{
	if (e == 0)
		qda_request_answer(r, &(struct qda_msg_reply){ .type = r->frame->type }, -1);
	return e;
}

static int handle_buffer_free(const struct qda_request *r, struct qda_fail *fail)
{
	uint64_t buffer = r->msg->buffer_free.buffer;

	return qda_request_answer_done(r, qda_buffer_free(r->conn->client, buffer, fail));
}

/* Anything else could keep whoever closes it waiting: the software DSP, last of all. The file
 * system is not asked, for it may be a program of the client's. */
static int check_dirs(const struct qda_packet *packet, struct qda_fail *fail)
{
	const int flags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC;
	struct statx sx;

	for (unsigned i = 0; i < packet->n_fds; i++)
		if (statx(packet->fds[i], "", flags, STATX_TYPE, &sx) < 0 || !S_ISDIR(sx.stx_mode))
			return qda_fail(fail, ENOTDIR,
					"descriptor %u beside SessionOpen is no directory", i + 1);
	return 0;
}

static int handle_session_open(const struct qda_request *r, struct qda_fail *fail)
{
	struct qda_reply_to to = reply_to(r);
	const struct qda_session_request request = {
		.domain = r->msg->session_open.domain,
		.kind = r->msg->session_open.kind,
		.dir_fds = r->packet->fds,
		.n_dirs = r->packet->n_fds,
		.wait_ms = r->msg->session_open.wait_ms,
		.hang_ms = r->msg->session_open.hang_ms,
	};
	int e = check_dirs(r->packet, fail);

	return e < 0 ? e : qda_session_open(r->conn->client, &request, &to, fail);
}

static int handle_session_close(const struct qda_request *r, struct qda_fail *fail)
{
	struct qda_reply_to to = reply_to(r);

	return qda_session_close(r->conn->client, r->msg->session_close.session, &to, fail);
}

static int handle_buffer_map(const struct qda_request *r, struct qda_fail *fail)
{
	struct qda_reply_to to = reply_to(r);

	return qda_session_map(r->conn->client, r->msg->buffer_map.session,
			       r->msg->buffer_map.buffer, r->msg->buffer_map.key,
			       r->msg->buffer_map.offset, r->msg->buffer_map.size, &to, fail);
}

static int handle_buffer_unmap(const struct qda_request *r, struct qda_fail *fail)
{
	struct qda_reply_to to = reply_to(r);

	return qda_session_unmap(r->conn->client, r->msg->buffer_unmap.session,
				 r->msg->buffer_unmap.key, &to, fail);
}

static int handle_module_open(const struct qda_request *r, struct qda_fail *fail)
{
	struct qda_reply_to to = reply_to(r);

	return qda_module_open(r->conn->client, r->msg->module_open.session,
			       r->msg->module_open.uri, &to, fail);
}

static int handle_module_close(const struct qda_request *r, struct qda_fail *fail)
{
	struct qda_reply_to to = reply_to(r);

	return qda_module_close(r->conn->client, r->msg->module_close.handle, &to, fail);
}

static int handle_invoke(const struct qda_request *r, struct qda_fail *fail)
{
	struct qda_reply_to to = reply_to(r);
	struct qda_call_arg args[QDA_ARGS_MAX];
	struct qda_call_request request = {
		.module = r->msg->invoke.handle,
		.sc = r->msg->invoke.sc,
		.n_args = r->msg->invoke.n_args,
		.args = args,
		.in = r->rest,
		.n_in = r->n_rest,
		.timeout_us = r->msg->invoke.timeout_us,
		.priority = r->msg->invoke.priority,
		.parked = r->msg->invoke.flags & QDA_INVOKE_PARKED,
	};
	uint32_t in, out;

	if (qda_inline_sizes(request.sc, r->msg->invoke.args, &in, &out) < 0 ||
	    in + out > INLINE_MAX)
		return qda_fail(fail, EMSGSIZE,
				"more than %u bytes of inline arguments: put the large ones into "
				"buffers",
				INLINE_MAX);
	for (uint32_t i = 0; i < request.n_args; i++)
		args[i] = (struct qda_call_arg){ r->msg->invoke.args[i].kind,
						 r->msg->invoke.args[i].ref,
						 r->msg->invoke.args[i].offset,
						 r->msg->invoke.args[i].length };
	return qda_call_invoke(r->conn->client, &request, &to, fail);
}

static int handle_cancel(const struct qda_request *r, struct qda_fail *fail)
{
	struct qda_msg_reply reply = { .type = QDA_TYPE_CANCEL };

	reply.cancel.was = qda_call_cancel(r->conn->client, r->msg->cancel.serial);
	qda_request_answer(r, &reply, -1);
	return 0;
}

static int handle_subscribe(const struct qda_request *r, struct qda_fail *fail)
{
	r->conn->events = r->msg->subscribe.mask;
	qda_client_watch(r->conn->client, r->conn->events & QDA_EVENTS_MONITOR);
	return qda_request_answer_done(r, 0);
}

/* --- the table --- */

struct row {
	int (*handle)(const struct qda_request *r, struct qda_fail *fail);
	bool before_hello, after_hello;
	uint8_t min_fds, max_fds;
	bool data; /* inline data may follow the body */
	bool free; /* does not count against the rate of requests */
};

static const struct row table[] = {
	[QDA_TYPE_HELLO] = { handle_hello, true, false, 0, 0, false, true },
	[QDA_TYPE_LIST_DOMAINS] = { handle_list_domains, false, true, 0, 0, false },
	[QDA_TYPE_GET_STATUS] = { handle_get_status, false, true, 0, 0, false },
	[QDA_TYPE_BUFFER_ALLOC] = { handle_buffer_alloc, false, true, 0, 0, false },
	[QDA_TYPE_BUFFER_IMPORT] = { handle_buffer_import, false, true, 1, 1, false },
	[QDA_TYPE_BUFFER_FREE] = { handle_buffer_free, false, true, 0, 0, false },
	[QDA_TYPE_SESSION_OPEN] = { handle_session_open, false, true, 0, 8, false },
	[QDA_TYPE_SESSION_CLOSE] = { handle_session_close, false, true, 0, 0, false },
	[QDA_TYPE_BUFFER_MAP] = { handle_buffer_map, false, true, 0, 0, false },
	[QDA_TYPE_BUFFER_UNMAP] = { handle_buffer_unmap, false, true, 0, 0, false },
	[QDA_TYPE_MODULE_OPEN] = { handle_module_open, false, true, 0, 0, false },
	[QDA_TYPE_MODULE_CLOSE] = { handle_module_close, false, true, 0, 0, false },
	[QDA_TYPE_INVOKE] = { handle_invoke, false, true, 0, 0, true, true },
	[QDA_TYPE_CANCEL] = { handle_cancel, false, true, 0, 0, false, true },
	[QDA_TYPE_SUBSCRIBE] = { handle_subscribe, false, true, 0, 0, false },
	[QDA_TYPE_RELOAD] = { qda_handle_reload, false, true, 0, 0, false },
	[QDA_TYPE_QUOTA_GET] = { qda_handle_quota_get, false, true, 0, 0, false },
	[QDA_TYPE_QUOTA_SET] = { qda_handle_quota_set, false, true, 0, 0, false },
	[QDA_TYPE_KILL] = { qda_handle_kill, false, true, 0, 0, false },
	[QDA_TYPE_POLICY_CHECK] = { qda_handle_policy_check, false, true, 0, 0, false },
};

/* What the table says about a message, before its body is looked at. */
static int check_row(const struct row *row, const struct qda_request *r, struct qda_fail *fail)
{
	unsigned n_fds = r->packet->n_fds;

	if (!r->whole)
		return qda_fail(
			fail, EMFILE,
			"the descriptors of this message could not be received: send at most %u, "
			"or the daemon is short of them",
			QDA_FDS_MAX);
	if (n_fds < row->min_fds || n_fds > row->max_fds)
		return qda_fail(fail, EINVAL, "message type %u carries %u descriptors, %u came",
				r->frame->type, row->max_fds, n_fds);
	if (r->n_rest && !row->data)
		return qda_fail(fail, EINVAL,
				"message type %u carries no inline data, %zu bytes came",
				r->frame->type, r->n_rest);
	return 0;
}

static int decode(struct qda_request *r, struct qda_msg_request *msg, struct qda_fail *fail)
{
	struct qda_front *front = r->conn->front;
	int e = qda_request_decode(&front->decoder, r->frame->type, front->rx + QDA_FRAME_SIZE,
				   r->frame->body_len, msg);

	r->msg = msg;
	if (e == -EINVAL)
		return qda_fail(fail, EINVAL, "%s", front->decoder.error);
	if (e < 0)
		return qda_fail(fail, -e, "the body of a message of type %u is malformed",
				r->frame->type);
	return 0;
}

/* The request is known to be allowed now. */
static int serve(struct qda_request *r, const struct row *row)
{
	struct qda_msg_request msg;
	struct qda_fail fail;
	int e = row->free ? 0 : qda_client_take_request(r->conn->client, &fail);

	if (e == 0)
		e = check_row(row, r, &fail);
	if (e == 0)
		e = decode(r, &msg, &fail);
	if (e == 0)
		e = row->handle(r, &fail);
	if (e < 0)
		send_fail(r->conn, r->frame->serial, r->frame->type, &fail);
	return e;
}

/* Nothing but a Hello that succeeds keeps a connection that has not said it. */
int qda_dispatch_request(struct qda_conn *conn, struct qda_packet *packet, bool whole)
{
	struct qda_frame frame;
	struct qda_request r = { .conn = conn, .frame = &frame, .packet = packet, .whole = whole };
	const struct row *row;
	bool greeted = conn->greeted;
	int e = qda_frame_read(conn->front->rx, packet->n, &frame);

	if (e == 0 && (frame.flags || frame.serial <= conn->last_serial))
		e = -EPROTO;
	if (e < 0)
		return e;
	conn->last_serial = frame.serial;
	r.rest = conn->front->rx + QDA_FRAME_SIZE + frame.body_len;
	r.n_rest = packet->n - QDA_FRAME_SIZE - frame.body_len;
	row = frame.type < sizeof(table) / sizeof(*table) ? &table[frame.type] : NULL;
	if (!row || !row->handle) {
		struct qda_fail fail;

		qda_fail(&fail, EOPNOTSUPP, "message type %u is not known to this daemon",
			 frame.type);
		send_fail(conn, frame.serial, frame.type, &fail);
		return greeted ? 0 : -EPROTO;
	}
	if (greeted ? !row->after_hello : !row->before_hello)
		return -EPROTO;
	e = serve(&r, row);
	return greeted ? 0 : e;
}

/* --- events --- */

static bool send_event(struct qda_conn *conn, const struct qda_msg_event *event)
{
	int n = qda_event_encode(conn->front->tx, sizeof(conn->front->tx), event);

	return n > 0 && qda_conn_send(conn, n, -1);
}

static void on_session_lost(void *front, uint64_t session, uint32_t signal, const char *text)
{
	struct qda_conn *conn = front;
	struct qda_msg_event event = { .type = QDA_TYPE_SESSION_LOST };

	event.session_lost.session = session;
	event.session_lost.signal = signal;
	event.session_lost.text = text;
	if (conn->greeted && !send_event(conn, &event))
		qda_conn_doom(conn);
}

/* Lines are dropped, and counted, for a reader that is slow. */
static void on_log(void *front, uint64_t session, const struct qda_log_line *line)
{
	struct qda_conn *conn = front;
	struct qda_msg_event event = { .type = QDA_TYPE_LOG };
	char text[QDA_TEXT_MAX + 1];

	if (!(conn->events & QDA_EVENTS_LOG))
		return;
	conn->logs_dropped += line->dropped;
	snprintf(text, sizeof(text), "%.*s", (int)line->n, line->text);
	event.log.session = session;
	event.log.level = line->level;
	event.log.dropped = conn->logs_dropped;
	event.log.text = text;
	if (TAILQ_EMPTY(&conn->out) && send_event(conn, &event))
		conn->logs_dropped = 0;
	else
		conn->logs_dropped++;
}

static void on_domain_changed(void *front, const char *domain, const char *state)
{
	struct qda_conn *conn = front;
	struct qda_msg_event event = { .type = QDA_TYPE_DOMAIN_CHANGED };

	event.domain_changed.domain = domain;
	event.domain_changed.state = state;
	if (conn->greeted && !send_event(conn, &event))
		qda_conn_doom(conn);
}

/* Events are dropped, and counted, for a reader that is slow. */
static void on_happened(void *front, const struct qda_happening *happening)
{
	struct qda_conn *conn = front;
	const struct qda_client *client = happening->client;
	struct qda_msg_event event = { .type = QDA_TYPE_MONITOR };
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	event.monitor.at_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	event.monitor.what = happening->what;
	event.monitor.uid = client ? client->principal.uid : 0;
	event.monitor.client = client ? client->id : 0;
	event.monitor.session = happening->session;
	event.monitor.domain = happening->domain;
	event.monitor.text = happening->text;
	event.monitor.code = happening->code;
	event.monitor.dropped = conn->events_dropped;
	if (TAILQ_EMPTY(&conn->out) && send_event(conn, &event))
		conn->events_dropped = 0;
	else
		conn->events_dropped++;
}

static void on_end_of_client(void *front)
{
	struct qda_fail fail;

	qda_fail(&fail, ECONNRESET,
		 "the connection to the broker was ended by an administrator; connect again");
	qda_conn_end(front, &fail);
}

const struct qda_client_ops qda_conn_client_ops = {
	.happened = on_happened,
	.end = on_end_of_client,
	.session_lost = on_session_lost,
	.log = on_log,
	.domain_changed = on_domain_changed,
};
