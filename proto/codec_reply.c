/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Replies: what the daemon sends and programs decode. A program trusts the daemon no more than the
 * daemon trusts it: the same checks, one take_ function for each message. See codec.h.
 */
#include "codec_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define ERRNO_MAX 4095u

static int take_status(struct qda_decoder *d, const Qda__Status *m, struct qda_msg_status *out)
{
	*out = (struct qda_msg_status){ .text = "", .resource = "", .scope = "" };
	if (!m)
		return 0;
	if (m->code > ERRNO_MAX)
		return qda_codec_fail(d, "Status.code: %u, at most %u is allowed", m->code,
				      ERRNO_MAX);
	out->code = m->code;
	out->aee = m->aee;
	out->limit = m->limit;
	out->used = m->used;
	out->retry_ms = m->retry_ms;
	if (qda_codec_string(d, "Status.text", m->text, QDA_TEXT_MAX, &out->text) ||
	    qda_codec_string(d, "Status.resource", m->resource, QDA_WORD_MAX, &out->resource))
		return -EINVAL;
	return qda_codec_string(d, "Status.scope", m->scope, QDA_WORD_MAX, &out->scope);
}

/* Numbers of objects that a successful reply gives. */
static int take_number(struct qda_decoder *d, const char *field, uint64_t number, uint64_t *out)
{
	if (number == 0)
		return qda_codec_fail(d, "%s: 0 names nothing", field);
	*out = number;
	return 0;
}

static int take_hello(struct qda_decoder *d, const void *message, struct qda_msg_reply *out)
{
	const Qda__HelloReply *m = message;
	const Qda__Limits *l = m->limits;

	out->hello.version = m->version;
	out->hello.epoch = m->epoch;
	out->hello.client_dirs = m->client_dirs;
	if (l)
		out->hello.limits = (struct qda_msg_limits){
			.message_bytes = l->message_bytes,
			.fds = l->fds,
			.inline_bytes = l->inline_bytes,
			.buffer_bytes = l->buffer_bytes,
			.buffers = l->buffers,
			.sessions = l->sessions,
			.handles = l->handles,
			.calls = l->calls,
		};
	return qda_codec_string(d, "HelloReply.daemon", m->daemon, QDA_NAME_MAX,
				&out->hello.daemon);
}

static int take_domain(struct qda_decoder *d, const Qda__Domain *m, struct qda_msg_domain *out)
{
	*out = (struct qda_msg_domain){
		.arch = m->arch,
		.unsigned_pd = m->unsigned_pd,
		.sessions_max = m->sessions_max,
		.sessions = m->sessions,
		.in_flight = m->in_flight,
		.queued = m->queued,
		.in_flight_max = m->in_flight_max,
		.parked = m->parked,
		.quarantined = m->quarantined,
		.waiting = m->waiting,
		.calls = m->calls,
		.busy_ns = m->busy_ns,
	};
	if (qda_codec_string(d, "Domain.name", m->name, QDA_DOMAIN_MAX, &out->name) ||
	    qda_codec_string(d, "Domain.state", m->state, QDA_DOMAIN_MAX, &out->state) ||
	    qda_codec_string(d, "Domain.device", m->device, QDA_DOMAIN_MAX, &out->device))
		return -EINVAL;
	return qda_codec_string(d, "Domain.text", m->text, QDA_TEXT_MAX, &out->text);
}

/* Room for the plain rows of a reply. */
static int take_rows(struct qda_decoder *d, const char *field, size_t n, size_t row, void *out)
{
	void *rows;

	if (n > QDA_ROWS_MAX)
		return qda_codec_fail(d, "%s: %zu rows, at most %u are allowed", field, n,
				      QDA_ROWS_MAX);
	rows = qda_codec_alloc(d, n * row);
	if (!rows)
		return qda_codec_fail(d, "%s: no room for %zu rows", field, n);
	memcpy(out, &rows, sizeof(rows));
	return 0;
}

static int take_domains(struct qda_decoder *d, const char *field, Qda__Domain *const *list,
			size_t n, const struct qda_msg_domain **out)
{
	struct qda_msg_domain *rows;

	if (take_rows(d, field, n, sizeof(*rows), &rows))
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (take_domain(d, list[i], &rows[i]))
			return -EINVAL;
	*out = rows;
	return 0;
}

static int take_list_domains(struct qda_decoder *d, const void *message, struct qda_msg_reply *out)
{
	const Qda__ListDomainsReply *m = message;

	out->list_domains.n = (uint32_t)m->n_domains;
	return take_domains(d, "ListDomainsReply.domains", m->domains, m->n_domains,
			    &out->list_domains.rows);
}

static int take_daemon(struct qda_decoder *d, const Qda__DaemonRow *m,
		       struct qda_msg_daemon_row *out)
{
	*out = (struct qda_msg_daemon_row){
		.pid = m->pid,
		.uid = m->uid,
		.user_mode = m->user_mode,
		.uptime_ns = m->uptime_ns,
		.clients = m->clients,
		.sessions = m->sessions,
		.buffer_bytes = m->buffer_bytes,
		.calls = m->calls,
		.refused = m->refused,
	};
	if (qda_codec_string(d, "DaemonRow.version", m->version, QDA_NAME_MAX, &out->version) ||
	    qda_codec_string(d, "DaemonRow.state", m->state, QDA_WORD_MAX, &out->state))
		return -EINVAL;
	return qda_codec_string(d, "DaemonRow.socket", m->socket, QDA_TEXT_MAX, &out->socket);
}

static int take_client_texts(struct qda_decoder *d, const Qda__ClientRow *m,
			     struct qda_msg_client_row *out)
{
	if (qda_codec_string(d, "ClientRow.name", m->name, QDA_NAME_MAX, &out->name) ||
	    qda_codec_string(d, "ClientRow.unit", m->unit, QDA_LABEL_MAX, &out->unit) ||
	    qda_codec_string(d, "ClientRow.program", m->program, QDA_NAME_MAX, &out->program) ||
	    qda_codec_string(d, "ClientRow.label", m->label, QDA_LABEL_MAX, &out->label))
		return -EINVAL;
	return qda_codec_string(d, "ClientRow.rule", m->rule, QDA_NAME_MAX, &out->rule);
}

static int take_clients(struct qda_decoder *d, const Qda__GetStatusReply *m,
			struct qda_msg_reply *out)
{
	struct qda_msg_client_row *rows;

	if (take_rows(d, "GetStatusReply.clients", m->n_clients, sizeof(*rows), &rows))
		return -EINVAL;
	for (size_t i = 0; i < m->n_clients; i++) {
		const Qda__ClientRow *c = m->clients[i];

		rows[i] = (struct qda_msg_client_row){
			.id = c->id,
			.uid = c->uid,
			.pid = c->pid,
			.sessions = c->sessions,
			.buffers = c->buffers,
			.buffer_bytes = c->buffer_bytes,
			.handles = c->handles,
			.calls_now = c->calls_now,
			.calls = c->calls,
			.refused = c->refused,
			.busy_ns = c->busy_ns,
			.age_ns = c->age_ns,
			.in_flight = c->in_flight,
		};
		if (take_client_texts(d, c, &rows[i]))
			return -EINVAL;
	}
	out->get_status.n_clients = (uint32_t)m->n_clients;
	out->get_status.clients = rows;
	return 0;
}

static int take_sessions(struct qda_decoder *d, const Qda__GetStatusReply *m,
			 struct qda_msg_reply *out)
{
	struct qda_msg_session_row *rows;

	if (take_rows(d, "GetStatusReply.sessions", m->n_sessions, sizeof(*rows), &rows))
		return -EINVAL;
	for (size_t i = 0; i < m->n_sessions; i++) {
		const Qda__SessionRow *s = m->sessions[i];

		rows[i] = (struct qda_msg_session_row){
			.id = s->id,
			.client = s->client,
			.modules = s->modules,
			.calls_now = s->calls_now,
			.calls = s->calls,
			.busy_ns = s->busy_ns,
			.age_ns = s->age_ns,
			.kind = s->kind,
			.queued = s->queued,
			.parked = s->parked,
		};
		if (qda_codec_string(d, "SessionRow.domain", s->domain, QDA_DOMAIN_MAX,
				     &rows[i].domain) ||
		    qda_codec_string(d, "SessionRow.state", s->state, QDA_WORD_MAX, &rows[i].state))
			return -EINVAL;
	}
	out->get_status.n_sessions = (uint32_t)m->n_sessions;
	out->get_status.sessions = rows;
	return 0;
}

static int take_get_status(struct qda_decoder *d, const void *message, struct qda_msg_reply *out)
{
	const Qda__GetStatusReply *m = message;

	out->get_status.next = m->next;
	out->get_status.has_daemon = m->daemon;
	if (m->daemon && take_daemon(d, m->daemon, &out->get_status.daemon))
		return -EINVAL;
	out->get_status.n_domains = (uint32_t)m->n_domains;
	if (take_domains(d, "GetStatusReply.domains", m->domains, m->n_domains,
			 &out->get_status.domains) ||
	    take_clients(d, m, out))
		return -EINVAL;
	return take_sessions(d, m, out);
}

static int take_buffer(struct qda_decoder *d, const void *message, struct qda_msg_reply *out)
{
	const Qda__BufferReply *m = message;

	if (m->size == 0 || m->size > QDA_BUFFER_MAX)
		return qda_codec_fail(d, "BufferReply.size: %" PRIu64 ", 1 to %u are allowed",
				      m->size, QDA_BUFFER_MAX);
	out->buffer.size = m->size;
	return take_number(d, "BufferReply.buffer", m->buffer, &out->buffer.buffer);
}

static int take_done(struct qda_decoder *d, const void *message, struct qda_msg_reply *out)
{
	return 0;
}

static int take_session_open(struct qda_decoder *d, const void *message, struct qda_msg_reply *out)
{
	return take_number(d, "SessionReply.session", ((const Qda__SessionReply *)message)->session,
			   &out->session_open.session);
}

static int take_buffer_map(struct qda_decoder *d, const void *message, struct qda_msg_reply *out)
{
	out->buffer_map.dsp_addr = ((const Qda__BufferMapReply *)message)->dsp_addr;
	return 0;
}

static int take_module_open(struct qda_decoder *d, const void *message, struct qda_msg_reply *out)
{
	return take_number(d, "ModuleReply.handle", ((const Qda__ModuleReply *)message)->handle,
			   &out->module_open.handle);
}

static int take_invoke(struct qda_decoder *d, const void *message, struct qda_msg_reply *out)
{
	const Qda__InvokeReply *m = message;
	struct qda_msg_out_handle *handles;

	if (m->n_out_handles > QDA_OUT_HANDLES_MAX)
		return qda_codec_fail(d, "InvokeReply.out_handles: %zu, at most %u are allowed",
				      m->n_out_handles, QDA_OUT_HANDLES_MAX);
	handles = qda_codec_alloc(d, m->n_out_handles * sizeof(*handles));
	if (!handles)
		return qda_codec_fail(d, "InvokeReply: more fields than any valid message has");
	for (size_t i = 0; i < m->n_out_handles; i++) {
		handles[i].handle = m->out_handles[i]->handle;
		handles[i].number = m->out_handles[i]->number;
	}
	out->invoke.dsp_result = m->dsp_result;
	out->invoke.dsp_ns = m->dsp_ns;
	out->invoke.queue_ns = m->queue_ns;
	out->invoke.n_out_handles = (uint32_t)m->n_out_handles;
	out->invoke.out_handles = handles;
	return 0;
}

static int take_cancel(struct qda_decoder *d, const void *message, struct qda_msg_reply *out)
{
	const Qda__CancelReply *m = message;

	if (m->was > 2)
		return qda_codec_fail(d, "CancelReply.was: %u, at most 2 is allowed", m->was);
	out->cancel.was = m->was;
	return 0;
}

static void put_hello(struct qda_writer *w, const struct qda_msg_reply *in)
{
	const struct qda_msg_limits *l = &in->hello.limits;
	Qda__HelloReply m = QDA__HELLO_REPLY__INIT;
	Qda__Limits limits = QDA__LIMITS__INIT;
	char daemon[QDA_NAME_MAX + 1];

	limits.message_bytes = l->message_bytes;
	limits.fds = l->fds;
	limits.inline_bytes = l->inline_bytes;
	limits.buffer_bytes = l->buffer_bytes;
	limits.buffers = l->buffers;
	limits.sessions = l->sessions;
	limits.handles = l->handles;
	limits.calls = l->calls;
	m.version = in->hello.version;
	m.daemon = qda_codec_clean(in->hello.daemon, daemon, QDA_NAME_MAX);
	m.epoch = in->hello.epoch;
	m.client_dirs = in->hello.client_dirs;
	m.limits = &limits;
	qda_writer_append(w, &m.base);
}

static void make_domain(Qda__Domain *m, const struct qda_msg_domain *in, char *text)
{
	qda__domain__init(m);
	m->name = qda_codec_plain(in->name);
	m->state = qda_codec_plain(in->state);
	m->device = qda_codec_plain(in->device);
	m->arch = in->arch;
	m->unsigned_pd = in->unsigned_pd;
	m->sessions_max = in->sessions_max;
	m->sessions = in->sessions;
	m->in_flight = in->in_flight;
	m->queued = in->queued;
	m->in_flight_max = in->in_flight_max;
	m->parked = in->parked;
	m->quarantined = in->quarantined;
	m->waiting = in->waiting;
	m->calls = in->calls;
	m->busy_ns = in->busy_ns;
	m->text = qda_codec_clean(in->text, text, QDA_TEXT_MAX);
}

static void put_list_domains(struct qda_writer *w, const struct qda_msg_reply *in)
{
	char text[QDA_TEXT_MAX + 1];

	for (uint32_t i = 0; i < in->list_domains.n; i++) {
		Qda__ListDomainsReply m = QDA__LIST_DOMAINS_REPLY__INIT;
		Qda__Domain row, *list = &row;

		make_domain(&row, &in->list_domains.rows[i], text);
		m.n_domains = 1;
		m.domains = &list;
		qda_writer_append(w, &m.base);
	}
}

static void put_daemon(struct qda_writer *w, const struct qda_msg_daemon_row *in)
{
	Qda__GetStatusReply m = QDA__GET_STATUS_REPLY__INIT;
	Qda__DaemonRow row = QDA__DAEMON_ROW__INIT;
	char version[QDA_NAME_MAX + 1], socket[QDA_TEXT_MAX + 1];

	row.version = qda_codec_clean(in->version, version, QDA_NAME_MAX);
	row.pid = in->pid;
	row.uid = in->uid;
	row.user_mode = in->user_mode;
	row.state = qda_codec_plain(in->state);
	row.uptime_ns = in->uptime_ns;
	row.clients = in->clients;
	row.sessions = in->sessions;
	row.buffer_bytes = in->buffer_bytes;
	row.calls = in->calls;
	row.refused = in->refused;
	row.socket = qda_codec_clean(in->socket, socket, QDA_TEXT_MAX);
	m.daemon = &row;
	qda_writer_append(w, &m.base);
}

static void put_status_domain(struct qda_writer *w, const struct qda_msg_domain *in)
{
	Qda__GetStatusReply m = QDA__GET_STATUS_REPLY__INIT;
	Qda__Domain row, *list = &row;
	char text[QDA_TEXT_MAX + 1];

	make_domain(&row, in, text);
	m.n_domains = 1;
	m.domains = &list;
	qda_writer_append(w, &m.base);
}

static void put_client(struct qda_writer *w, const struct qda_msg_client_row *in)
{
	Qda__GetStatusReply m = QDA__GET_STATUS_REPLY__INIT;
	Qda__ClientRow row = QDA__CLIENT_ROW__INIT, *list = &row;
	char name[QDA_NAME_MAX + 1], unit[QDA_LABEL_MAX + 1], program[QDA_NAME_MAX + 1];
	char label[QDA_LABEL_MAX + 1], rule[QDA_NAME_MAX + 1];

	row.id = in->id;
	row.unit = qda_codec_clean(in->unit, unit, QDA_LABEL_MAX);
	row.program = qda_codec_clean(in->program, program, QDA_NAME_MAX);
	row.label = qda_codec_clean(in->label, label, QDA_LABEL_MAX);
	row.rule = qda_codec_clean(in->rule, rule, QDA_NAME_MAX);
	row.in_flight = in->in_flight;
	row.uid = in->uid;
	row.pid = in->pid;
	row.name = qda_codec_clean(in->name, name, QDA_NAME_MAX);
	row.sessions = in->sessions;
	row.buffers = in->buffers;
	row.buffer_bytes = in->buffer_bytes;
	row.handles = in->handles;
	row.calls_now = in->calls_now;
	row.calls = in->calls;
	row.refused = in->refused;
	row.busy_ns = in->busy_ns;
	row.age_ns = in->age_ns;
	m.n_clients = 1;
	m.clients = &list;
	qda_writer_append(w, &m.base);
}

static void put_session(struct qda_writer *w, const struct qda_msg_session_row *in)
{
	Qda__GetStatusReply m = QDA__GET_STATUS_REPLY__INIT;
	Qda__SessionRow row = QDA__SESSION_ROW__INIT, *list = &row;

	row.id = in->id;
	row.client = in->client;
	row.domain = qda_codec_plain(in->domain);
	row.state = qda_codec_plain(in->state);
	row.modules = in->modules;
	row.kind = in->kind;
	row.queued = in->queued;
	row.parked = in->parked;
	row.calls_now = in->calls_now;
	row.calls = in->calls;
	row.busy_ns = in->busy_ns;
	row.age_ns = in->age_ns;
	m.n_sessions = 1;
	m.sessions = &list;
	qda_writer_append(w, &m.base);
}

static void put_get_status(struct qda_writer *w, const struct qda_msg_reply *in)
{
	Qda__GetStatusReply last = QDA__GET_STATUS_REPLY__INIT;

	if (in->get_status.has_daemon)
		put_daemon(w, &in->get_status.daemon);
	for (uint32_t i = 0; i < in->get_status.n_domains; i++)
		put_status_domain(w, &in->get_status.domains[i]);
	for (uint32_t i = 0; i < in->get_status.n_clients; i++)
		put_client(w, &in->get_status.clients[i]);
	for (uint32_t i = 0; i < in->get_status.n_sessions; i++)
		put_session(w, &in->get_status.sessions[i]);
	last.next = in->get_status.next;
	qda_writer_append(w, &last.base);
}

static void put_buffer(struct qda_writer *w, const struct qda_msg_reply *in)
{
	Qda__BufferReply m = QDA__BUFFER_REPLY__INIT;

	m.buffer = in->buffer.buffer;
	m.size = in->buffer.size;
	qda_writer_append(w, &m.base);
}

static void put_done(struct qda_writer *w, const struct qda_msg_reply *in)
{
}

static void put_session_open(struct qda_writer *w, const struct qda_msg_reply *in)
{
	Qda__SessionReply m = QDA__SESSION_REPLY__INIT;

	m.session = in->session_open.session;
	qda_writer_append(w, &m.base);
}

static void put_buffer_map(struct qda_writer *w, const struct qda_msg_reply *in)
{
	Qda__BufferMapReply m = QDA__BUFFER_MAP_REPLY__INIT;

	m.dsp_addr = in->buffer_map.dsp_addr;
	qda_writer_append(w, &m.base);
}

static void put_module_open(struct qda_writer *w, const struct qda_msg_reply *in)
{
	Qda__ModuleReply m = QDA__MODULE_REPLY__INIT;

	m.handle = in->module_open.handle;
	qda_writer_append(w, &m.base);
}

static void put_invoke(struct qda_writer *w, const struct qda_msg_reply *in)
{
	Qda__InvokeReply m = QDA__INVOKE_REPLY__INIT;
	Qda__OutHandle handles[QDA_OUT_HANDLES_MAX];
	Qda__OutHandle *list[QDA_OUT_HANDLES_MAX];

	m.dsp_result = in->invoke.dsp_result;
	m.dsp_ns = in->invoke.dsp_ns;
	m.queue_ns = in->invoke.queue_ns;
	m.out_handles = list;
	if (in->invoke.n_out_handles > QDA_OUT_HANDLES_MAX) {
		w->error = -EMSGSIZE;
		return;
	}
	for (; m.n_out_handles < in->invoke.n_out_handles; m.n_out_handles++) {
		const struct qda_msg_out_handle *h = &in->invoke.out_handles[m.n_out_handles];

		handles[m.n_out_handles] = (Qda__OutHandle){
			PROTOBUF_C_MESSAGE_INIT(&qda__out_handle__descriptor), h->handle, h->number,
		};
		list[m.n_out_handles] = &handles[m.n_out_handles];
	}
	qda_writer_append(w, &m.base);
}

static void put_cancel(struct qda_writer *w, const struct qda_msg_reply *in)
{
	Qda__CancelReply m = QDA__CANCEL_REPLY__INIT;

	m.was = in->cancel.was;
	qda_writer_append(w, &m.base);
}

/* Every reply has its Status in field 1, and its C struct has it where Done has it: a refusal is
 * the same message for all types. */
static void put_refusal(struct qda_writer *w, const struct qda_msg_status *in)
{
	Qda__Done m = QDA__DONE__INIT;
	Qda__Status status = QDA__STATUS__INIT;
	char text[QDA_TEXT_MAX + 1], resource[QDA_WORD_MAX + 1], scope[QDA_WORD_MAX + 1];

	status.code = in->code;
	status.aee = in->aee;
	status.text = qda_codec_clean(in->text, text, QDA_TEXT_MAX);
	status.resource = qda_codec_clean(in->resource, resource, QDA_WORD_MAX);
	status.scope = qda_codec_clean(in->scope, scope, QDA_WORD_MAX);
	status.limit = in->limit;
	status.used = in->used;
	status.retry_ms = in->retry_ms;
	m.status = &status;
	qda_writer_append(w, &m.base);
}

#define STATUS_IS_FIRST(type)                                                                      \
	_Static_assert(offsetof(type, status) == offsetof(Qda__Done, status), "status comes first")

STATUS_IS_FIRST(Qda__HelloReply);
STATUS_IS_FIRST(Qda__ListDomainsReply);
STATUS_IS_FIRST(Qda__GetStatusReply);
STATUS_IS_FIRST(Qda__BufferReply);
STATUS_IS_FIRST(Qda__SessionReply);
STATUS_IS_FIRST(Qda__BufferMapReply);
STATUS_IS_FIRST(Qda__ModuleReply);
STATUS_IS_FIRST(Qda__InvokeReply);
STATUS_IS_FIRST(Qda__CancelReply);
STATUS_IS_FIRST(Qda__ReloadReply);
STATUS_IS_FIRST(Qda__QuotaGetReply);
STATUS_IS_FIRST(Qda__PolicyCheckReply);

static const struct {
	const ProtobufCMessageDescriptor *type;
	int (*take)(struct qda_decoder *d, const void *message, struct qda_msg_reply *out);
	void (*put)(struct qda_writer *w, const struct qda_msg_reply *in);
} replies[] = {
	[QDA_TYPE_HELLO] = { &qda__hello_reply__descriptor, take_hello, put_hello },
	[QDA_TYPE_LIST_DOMAINS] = { &qda__list_domains_reply__descriptor, take_list_domains,
				    put_list_domains },
	[QDA_TYPE_GET_STATUS] = { &qda__get_status_reply__descriptor, take_get_status,
				  put_get_status },
	[QDA_TYPE_BUFFER_ALLOC] = { &qda__buffer_reply__descriptor, take_buffer, put_buffer },
	[QDA_TYPE_BUFFER_IMPORT] = { &qda__buffer_reply__descriptor, take_buffer, put_buffer },
	[QDA_TYPE_BUFFER_FREE] = { &qda__done__descriptor, take_done, put_done },
	[QDA_TYPE_SESSION_OPEN] = { &qda__session_reply__descriptor, take_session_open,
				    put_session_open },
	[QDA_TYPE_SESSION_CLOSE] = { &qda__done__descriptor, take_done, put_done },
	[QDA_TYPE_BUFFER_MAP] = { &qda__buffer_map_reply__descriptor, take_buffer_map,
				  put_buffer_map },
	[QDA_TYPE_BUFFER_UNMAP] = { &qda__done__descriptor, take_done, put_done },
	[QDA_TYPE_MODULE_OPEN] = { &qda__module_reply__descriptor, take_module_open,
				   put_module_open },
	[QDA_TYPE_MODULE_CLOSE] = { &qda__done__descriptor, take_done, put_done },
	[QDA_TYPE_INVOKE] = { &qda__invoke_reply__descriptor, take_invoke, put_invoke },
	[QDA_TYPE_CANCEL] = { &qda__cancel_reply__descriptor, take_cancel, put_cancel },
	[QDA_TYPE_SUBSCRIBE] = { &qda__done__descriptor, take_done, put_done },
	[QDA_TYPE_RELOAD] = { &qda__reload_reply__descriptor, qda_codec_take_reloaded,
			      qda_codec_put_reloaded },
	[QDA_TYPE_QUOTA_GET] = { &qda__quota_get_reply__descriptor, qda_codec_take_quota_rows,
				 qda_codec_put_quota_rows },
	[QDA_TYPE_QUOTA_SET] = { &qda__done__descriptor, take_done, put_done },
	[QDA_TYPE_KILL] = { &qda__done__descriptor, take_done, put_done },
	[QDA_TYPE_POLICY_CHECK] = { &qda__policy_check_reply__descriptor, qda_codec_take_verdict,
				    qda_codec_put_verdict },
};

static bool known(uint16_t type)
{
	return type < sizeof(replies) / sizeof(replies[0]) && replies[type].take;
}

int qda_reply_decode(struct qda_decoder *d, uint16_t type, const uint8_t *body, size_t n,
		     struct qda_msg_reply *out)
{
	ProtobufCMessage *message;
	int r;

	d->error[0] = '\0';
	memset(out, 0, sizeof(*out));
	out->type = type;
	if (!known(type))
		return -EOPNOTSUPP;
	r = qda_codec_unpack(d, replies[type].type, body, n, &message);
	if (r)
		return r;
	r = take_status(d, ((const Qda__Done *)message)->status, &out->status);
	return r || out->status.code ? r : replies[type].take(d, message, out);
}

int qda_reply_encode(uint8_t *out, size_t size, uint64_t serial, const struct qda_msg_reply *in)
{
	struct qda_writer w;

	if (!known(in->type) && !in->status.code)
		return -EOPNOTSUPP;
	qda_writer_init(&w, out, size);
	if (in->status.code)
		put_refusal(&w, &in->status); /* also of a request that nobody knows */
	else
		replies[in->type].put(&w, in);
	return qda_writer_finish(&w, in->type, QDA_FRAME_REPLY, serial);
}
