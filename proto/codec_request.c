/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests: what programs send and the daemon decodes. One take_ function for each message checks
 * every field that has a range; whether numbers name something that exists is the daemon's core to
 * say. See codec.h.
 */
#include "codec_internal.h"

#include <errno.h>
#include <fastrpc.h>
#include <inttypes.h>
#include <string.h>

/* Arguments packed at a time: bounds the stack that a caller of the library must have. */
#define ARGS_AT_ONCE 16

static int take_hello(struct qda_decoder *d, const void *message, struct qda_msg_request *out)
{
	const Qda__Hello *m = message;

	if (m->min_version > m->max_version)
		return qda_codec_fail(d, "Hello.min_version: %u, greater than max_version %u",
				      m->min_version, m->max_version);
	out->hello.min_version = m->min_version;
	out->hello.max_version = m->max_version;
	return qda_codec_string(d, "Hello.name", m->name, QDA_NAME_MAX, &out->hello.name);
}

static int take_nothing(struct qda_decoder *d, const void *message, struct qda_msg_request *out)
{
	return 0;
}

static int take_get_status(struct qda_decoder *d, const void *message, struct qda_msg_request *out)
{
	const Qda__GetStatus *m = message;

	if (m->kind > 3)
		return qda_codec_fail(d, "GetStatus.kind: %u, at most 3 is allowed", m->kind);
	out->get_status.kind = m->kind;
	out->get_status.cursor = m->cursor;
	return 0;
}

static int take_buffer_alloc(struct qda_decoder *d, const void *message,
			     struct qda_msg_request *out)
{
	const Qda__BufferAlloc *m = message;

	if (m->size == 0 || m->size > QDA_BUFFER_MAX)
		return qda_codec_fail(d, "BufferAlloc.size: %" PRIu64 ", 1 to %u are allowed",
				      m->size, QDA_BUFFER_MAX);
	out->buffer_alloc.size = m->size;
	return qda_codec_string(d, "BufferAlloc.domain", m->domain, QDA_DOMAIN_MAX,
				&out->buffer_alloc.domain);
}

static int take_buffer_import(struct qda_decoder *d, const void *message,
			      struct qda_msg_request *out)
{
	const Qda__BufferImport *m = message;

	if (m->size > QDA_BUFFER_MAX)
		return qda_codec_fail(d, "BufferImport.size: %" PRIu64 ", at most %u is allowed",
				      m->size, QDA_BUFFER_MAX);
	out->buffer_import.size = m->size;
	out->buffer_import.read_only = m->read_only;
	return qda_codec_string(d, "BufferImport.domain", m->domain, QDA_DOMAIN_MAX,
				&out->buffer_import.domain);
}

static int take_buffer_free(struct qda_decoder *d, const void *message, struct qda_msg_request *out)
{
	out->buffer_free.buffer = ((const Qda__BufferFree *)message)->buffer;
	return 0;
}

static int take_session_open(struct qda_decoder *d, const void *message,
			     struct qda_msg_request *out)
{
	const Qda__SessionOpen *m = message;

	if (m->kind > 1)
		return qda_codec_fail(d, "SessionOpen.kind: %u; unsigned (0) or privileged (1)",
				      m->kind);
	out->session_open.kind = m->kind;
	out->session_open.hang_ms = m->hang_ms;
	out->session_open.wait_ms = m->wait_ms;
	return qda_codec_string(d, "SessionOpen.domain", m->domain, QDA_DOMAIN_MAX,
				&out->session_open.domain);
}

static int take_session_close(struct qda_decoder *d, const void *message,
			      struct qda_msg_request *out)
{
	out->session_close.session = ((const Qda__SessionClose *)message)->session;
	return 0;
}

static int take_buffer_map(struct qda_decoder *d, const void *message, struct qda_msg_request *out)
{
	const Qda__BufferMap *m = message;
	uint64_t end;

	if (m->key > QDA_KEY_MAX)
		return qda_codec_fail(d, "BufferMap.key: %u, at most %u is allowed", m->key,
				      QDA_KEY_MAX);
	if (m->offset % QDA_PAGE || m->size % QDA_PAGE)
		return qda_codec_fail(d, "BufferMap: offset %" PRIu64 " and size %" PRIu64
				      " must be multiples of %u", m->offset, m->size, QDA_PAGE);
	if (__builtin_add_overflow(m->offset, m->size, &end) || end > QDA_BUFFER_MAX)
		return qda_codec_fail(d, "BufferMap: offset %" PRIu64 " and size %" PRIu64
				      " end beyond any buffer", m->offset, m->size);
	out->buffer_map.session = m->session;
	out->buffer_map.buffer = m->buffer;
	out->buffer_map.key = m->key;
	out->buffer_map.offset = m->offset;
	out->buffer_map.size = m->size;
	return 0;
}

static int take_buffer_unmap(struct qda_decoder *d, const void *message,
			     struct qda_msg_request *out)
{
	const Qda__BufferUnmap *m = message;

	if (m->key > QDA_KEY_MAX)
		return qda_codec_fail(d, "BufferUnmap.key: %u, at most %u is allowed", m->key,
				      QDA_KEY_MAX);
	out->buffer_unmap.session = m->session;
	out->buffer_unmap.key = m->key;
	return 0;
}

static int take_module_open(struct qda_decoder *d, const void *message, struct qda_msg_request *out)
{
	const Qda__ModuleOpen *m = message;

	if (!m->uri[0])
		return qda_codec_fail(d, "ModuleOpen.uri: empty");
	out->module_open.session = m->session;
	return qda_codec_string(d, "ModuleOpen.uri", m->uri, QDA_URI_MAX, &out->module_open.uri);
}

static int take_module_close(struct qda_decoder *d, const void *message,
			     struct qda_msg_request *out)
{
	out->module_close.handle = ((const Qda__ModuleClose *)message)->handle;
	return 0;
}

static int wrong_arg(struct qda_decoder *d, uint32_t i, const Qda__Arg *a, const char *why)
{
	return qda_codec_fail(d, "Invoke.args[%u]: kind %u, ref %#" PRIx64 ", offset %" PRIu64
			      ", length %" PRIu64 ": %s", i, a->kind, a->ref, a->offset, a->length,
			      why);
}

static int check_buffer_arg(struct qda_decoder *d, uint32_t i, const Qda__Arg *a)
{
	uint64_t end;

	if (a->kind == QDA_ARG_INLINE) {
		if (a->offset)
			return wrong_arg(d, i, a, "inline data has no offset");
		if (__builtin_add_overflow(a->ref, a->length, &end))
			return wrong_arg(d, i, a, "ref and length wrap around");
		return 0;
	}
	if (a->kind != QDA_ARG_BUFFER)
		return wrong_arg(d, i, a, "in and out buffers are INLINE (0) or BUFFER (1)");
	if (__builtin_add_overflow(a->offset, a->length, &end) || end > QDA_BUFFER_MAX)
		return wrong_arg(d, i, a, "offset and length end beyond any buffer");
	return 0;
}

static int check_in_handle(struct qda_decoder *d, uint32_t i, const Qda__Arg *a)
{
	uint64_t end;

	if (a->kind == QDA_ARG_KEY) {
		if (a->ref > QDA_KEY_MAX)
			return wrong_arg(d, i, a, "keys end at 0x3fffffff");
		if (__builtin_add_overflow(a->offset, a->length, &end) || end > QDA_BUFFER_MAX)
			return wrong_arg(d, i, a, "offset and length end beyond any buffer");
		return 0;
	}
	if (a->kind != QDA_ARG_NUMBER && a->kind != QDA_ARG_MODULE)
		return wrong_arg(d, i, a, "in handles are KEY (2), NUMBER (3) or MODULE (4)");
	if (a->offset || a->length)
		return wrong_arg(d, i, a, "numbers and modules have no offset and no length");
	return 0;
}

static int check_arg(struct qda_decoder *d, uint32_t sc, uint32_t i, const Qda__Arg *a)
{
	if (i < fastrpc_sc_bufs(sc))
		return check_buffer_arg(d, i, a);
	if (i < fastrpc_sc_bufs(sc) + fastrpc_sc_in_handles(sc))
		return check_in_handle(d, i, a);
	if ((a->kind != QDA_ARG_NUMBER && a->kind != QDA_ARG_MODULE) || a->ref || a->offset ||
	    a->length)
		return wrong_arg(d, i, a,
				 "out handles are NUMBER (3) or MODULE (4), the rest zero");
	return 0;
}

static int take_invoke(struct qda_decoder *d, const void *message, struct qda_msg_request *out)
{
	const Qda__Invoke *m = message;
	struct qda_msg_arg *args;
	uint32_t in, out_bytes;

	if (m->flags > QDA_INVOKE_PARKED)
		return qda_codec_fail(d, "Invoke.flags: %#x, only bit 0 is defined", m->flags);
	if (m->priority < -1 || m->priority > 2)
		return qda_codec_fail(d, "Invoke.priority: %d, -1 to 2 are allowed", m->priority);
	if (m->n_args != fastrpc_sc_args(m->sc))
		return qda_codec_fail(d, "Invoke.args: %zu elements, but the scalars 0x%08x say %u",
				      m->n_args, m->sc, fastrpc_sc_args(m->sc));
	args = qda_codec_alloc(d, m->n_args * sizeof(*args));
	if (!args)
		return qda_codec_fail(d, "Invoke: more fields than any valid message has");
	for (uint32_t i = 0; i < m->n_args; i++) {
		const Qda__Arg *a = m->args[i];

		if (check_arg(d, m->sc, i, a))
			return -EINVAL;
		args[i] = (struct qda_msg_arg){ a->kind, a->ref, a->offset, a->length };
	}
	if (qda_inline_sizes(m->sc, args, &in, &out_bytes))
		return qda_codec_fail(d, "Invoke.args: inline data of more than %u bytes; use "
				      "buffers", QDA_MESSAGE_MAX);
	out->invoke.handle = m->handle;
	out->invoke.sc = m->sc;
	out->invoke.timeout_us = m->timeout_us;
	out->invoke.flags = m->flags;
	out->invoke.priority = m->priority;
	out->invoke.n_args = (uint32_t)m->n_args;
	out->invoke.args = args;
	return 0;
}

static int take_cancel(struct qda_decoder *d, const void *message, struct qda_msg_request *out)
{
	out->cancel.serial = ((const Qda__Cancel *)message)->serial;
	return 0;
}

static int take_subscribe(struct qda_decoder *d, const void *message, struct qda_msg_request *out)
{
	const Qda__Subscribe *m = message;

	if (m->mask > (QDA_EVENTS_LOG | QDA_EVENTS_MONITOR))
		return qda_codec_fail(d, "Subscribe.mask: %#x, only bits 0 and 1 are defined",
				      m->mask);
	out->subscribe.mask = m->mask;
	return 0;
}

static void put_hello(struct qda_writer *w, const struct qda_msg_request *in)
{
	Qda__Hello m = QDA__HELLO__INIT;
	char name[QDA_NAME_MAX + 1];

	m.min_version = in->hello.min_version;
	m.max_version = in->hello.max_version;
	m.name = qda_codec_clean(in->hello.name, name, QDA_NAME_MAX);
	qda_writer_append(w, &m.base);
}

static void put_get_status(struct qda_writer *w, const struct qda_msg_request *in)
{
	Qda__GetStatus m = QDA__GET_STATUS__INIT;

	m.kind = in->get_status.kind;
	m.cursor = in->get_status.cursor;
	qda_writer_append(w, &m.base);
}

static void put_buffer_alloc(struct qda_writer *w, const struct qda_msg_request *in)
{
	Qda__BufferAlloc m = QDA__BUFFER_ALLOC__INIT;

	m.size = in->buffer_alloc.size;
	m.domain = qda_codec_plain(in->buffer_alloc.domain);
	qda_writer_append(w, &m.base);
}

static void put_buffer_import(struct qda_writer *w, const struct qda_msg_request *in)
{
	Qda__BufferImport m = QDA__BUFFER_IMPORT__INIT;

	m.size = in->buffer_import.size;
	m.domain = qda_codec_plain(in->buffer_import.domain);
	m.read_only = in->buffer_import.read_only;
	qda_writer_append(w, &m.base);
}

static void put_buffer_free(struct qda_writer *w, const struct qda_msg_request *in)
{
	Qda__BufferFree m = QDA__BUFFER_FREE__INIT;

	m.buffer = in->buffer_free.buffer;
	qda_writer_append(w, &m.base);
}

static void put_session_open(struct qda_writer *w, const struct qda_msg_request *in)
{
	Qda__SessionOpen m = QDA__SESSION_OPEN__INIT;

	m.domain = qda_codec_plain(in->session_open.domain);
	m.kind = in->session_open.kind;
	m.hang_ms = in->session_open.hang_ms;
	m.wait_ms = in->session_open.wait_ms;
	qda_writer_append(w, &m.base);
}

static void put_session_close(struct qda_writer *w, const struct qda_msg_request *in)
{
	Qda__SessionClose m = QDA__SESSION_CLOSE__INIT;

	m.session = in->session_close.session;
	qda_writer_append(w, &m.base);
}

static void put_buffer_map(struct qda_writer *w, const struct qda_msg_request *in)
{
	Qda__BufferMap m = QDA__BUFFER_MAP__INIT;

	m.session = in->buffer_map.session;
	m.buffer = in->buffer_map.buffer;
	m.key = in->buffer_map.key;
	m.offset = in->buffer_map.offset;
	m.size = in->buffer_map.size;
	qda_writer_append(w, &m.base);
}

static void put_buffer_unmap(struct qda_writer *w, const struct qda_msg_request *in)
{
	Qda__BufferUnmap m = QDA__BUFFER_UNMAP__INIT;

	m.session = in->buffer_unmap.session;
	m.key = in->buffer_unmap.key;
	qda_writer_append(w, &m.base);
}

static void put_module_open(struct qda_writer *w, const struct qda_msg_request *in)
{
	Qda__ModuleOpen m = QDA__MODULE_OPEN__INIT;

	m.session = in->module_open.session;
	m.uri = qda_codec_plain(in->module_open.uri);
	qda_writer_append(w, &m.base);
}

static void put_module_close(struct qda_writer *w, const struct qda_msg_request *in)
{
	Qda__ModuleClose m = QDA__MODULE_CLOSE__INIT;

	m.handle = in->module_close.handle;
	qda_writer_append(w, &m.base);
}

static void put_invoke(struct qda_writer *w, const struct qda_msg_request *in)
{
	Qda__Invoke m = QDA__INVOKE__INIT;
	Qda__Arg args[ARGS_AT_ONCE];
	Qda__Arg *list[ARGS_AT_ONCE];
	uint32_t done = 0;

	m.handle = in->invoke.handle;
	m.sc = in->invoke.sc;
	m.timeout_us = in->invoke.timeout_us;
	m.args = list;
	do {
		for (m.n_args = 0; m.n_args < ARGS_AT_ONCE && done < in->invoke.n_args; done++) {
			const struct qda_msg_arg *a = &in->invoke.args[done];

			args[m.n_args] = (Qda__Arg){ PROTOBUF_C_MESSAGE_INIT(&qda__arg__descriptor),
						     a->kind, a->ref, a->offset, a->length };
			list[m.n_args] = &args[m.n_args];
			m.n_args++;
		}
		qda_writer_append(w, &m.base);
		m = (Qda__Invoke)QDA__INVOKE__INIT;
		m.args = list;
	} while (done < in->invoke.n_args);
	if (!in->invoke.flags && !in->invoke.priority)
		return;
	m.flags = in->invoke.flags;
	m.priority = in->invoke.priority;
	qda_writer_append(w, &m.base);
}

static void put_cancel(struct qda_writer *w, const struct qda_msg_request *in)
{
	Qda__Cancel m = QDA__CANCEL__INIT;

	m.serial = in->cancel.serial;
	qda_writer_append(w, &m.base);
}

static void put_subscribe(struct qda_writer *w, const struct qda_msg_request *in)
{
	Qda__Subscribe m = QDA__SUBSCRIBE__INIT;

	m.mask = in->subscribe.mask;
	qda_writer_append(w, &m.base);
}

static void put_nothing(struct qda_writer *w, const struct qda_msg_request *in)
{
}

static const struct {
	const ProtobufCMessageDescriptor *type;
	int (*take)(struct qda_decoder *d, const void *message, struct qda_msg_request *out);
	void (*put)(struct qda_writer *w, const struct qda_msg_request *in);
} requests[] = {
	[QDA_TYPE_HELLO] = { &qda__hello__descriptor, take_hello, put_hello },
	[QDA_TYPE_LIST_DOMAINS] = { &qda__list_domains__descriptor, take_nothing,
		put_nothing },
	[QDA_TYPE_GET_STATUS] = { &qda__get_status__descriptor, take_get_status, put_get_status },
	[QDA_TYPE_BUFFER_ALLOC] = { &qda__buffer_alloc__descriptor, take_buffer_alloc,
		put_buffer_alloc },
	[QDA_TYPE_BUFFER_IMPORT] = { &qda__buffer_import__descriptor, take_buffer_import,
		put_buffer_import },
	[QDA_TYPE_BUFFER_FREE] = { &qda__buffer_free__descriptor, take_buffer_free,
		put_buffer_free },
	[QDA_TYPE_SESSION_OPEN] = { &qda__session_open__descriptor, take_session_open,
		put_session_open },
	[QDA_TYPE_SESSION_CLOSE] = { &qda__session_close__descriptor, take_session_close,
		put_session_close },
	[QDA_TYPE_BUFFER_MAP] = { &qda__buffer_map__descriptor, take_buffer_map, put_buffer_map },
	[QDA_TYPE_BUFFER_UNMAP] = { &qda__buffer_unmap__descriptor, take_buffer_unmap,
		put_buffer_unmap },
	[QDA_TYPE_MODULE_OPEN] = { &qda__module_open__descriptor, take_module_open,
		put_module_open },
	[QDA_TYPE_MODULE_CLOSE] = { &qda__module_close__descriptor, take_module_close,
		put_module_close },
	[QDA_TYPE_INVOKE] = { &qda__invoke__descriptor, take_invoke, put_invoke },
	[QDA_TYPE_CANCEL] = { &qda__cancel__descriptor, take_cancel, put_cancel },
	[QDA_TYPE_SUBSCRIBE] = { &qda__subscribe__descriptor, take_subscribe, put_subscribe },
	[QDA_TYPE_RELOAD] = { &qda__reload__descriptor, take_nothing, put_nothing },
	[QDA_TYPE_QUOTA_GET] = { &qda__quota_get__descriptor, qda_codec_take_quota_get,
		qda_codec_put_quota_get },
	[QDA_TYPE_QUOTA_SET] = { &qda__quota_set__descriptor, qda_codec_take_quota_set,
		qda_codec_put_quota_set },
	[QDA_TYPE_KILL] = { &qda__kill__descriptor, qda_codec_take_kill, qda_codec_put_kill },
	[QDA_TYPE_POLICY_CHECK] = { &qda__policy_check__descriptor, qda_codec_take_policy_check,
		qda_codec_put_policy_check },
};

int qda_request_decode(struct qda_decoder *d, uint16_t type, const uint8_t *body, size_t n,
		       struct qda_msg_request *out)
{
	ProtobufCMessage *message;
	int r;

	d->error[0] = '\0';
	memset(out, 0, sizeof(*out));
	out->type = type;
	if (type >= sizeof(requests) / sizeof(requests[0]) || !requests[type].take)
		return -EOPNOTSUPP;
	r = qda_codec_unpack(d, requests[type].type, body, n, &message);
	return r ? r : requests[type].take(d, message, out);
}

int qda_request_encode(uint8_t *out, size_t size, uint64_t serial, const struct qda_msg_request *in)
{
	struct qda_writer w;

	if (in->type >= sizeof(requests) / sizeof(requests[0]) || !requests[in->type].put)
		return -EOPNOTSUPP;
	qda_writer_init(&w, out, size);
	requests[in->type].put(&w, in);
	return qda_writer_finish(&w, in->type, 0, serial);
}
