/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Message bodies, the common part: memory, strings, writer, and the events. See codec.h. Decoding
 * reads what a stranger wrote: memory is bounded by the decoder, and nothing of it is used
 * unchecked.
 */
#include "codec_internal.h"

#include <errno.h>
#include <fastrpc.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Each block is preceded by its size: the length of a string as it was sent, which its first NUL
 * would hide. Nothing that protobuf-c makes needs more than the alignment of a pointer. */
struct block {
	uint64_t size;
	uint8_t bytes[];
};

int qda_codec_fail(struct qda_decoder *d, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(d->error, sizeof(d->error), format, args);
	va_end(args);
	return -EINVAL;
}

void *qda_codec_alloc(struct qda_decoder *d, size_t size)
{
	size_t left = sizeof(d->mem) - d->used;
	struct block *block = (struct block *)(d->mem + d->used);

	if (left < sizeof(*block) || size > (left - sizeof(*block)) / 8 * 8) {
		d->full = true;
		return NULL;
	}
	block->size = size;
	d->used += sizeof(*block) + (size + 7) / 8 * 8;
	return block->bytes;
}

static void *arena_alloc(void *decoder, size_t size)
{
	return qda_codec_alloc(decoder, size);
}

static void arena_free(void *decoder, void *block)
{
	/* All of it is forgotten at the next use of the decoder. */
}

int qda_codec_unpack(struct qda_decoder *d, const ProtobufCMessageDescriptor *type,
		     const uint8_t *body, size_t n, ProtobufCMessage **out)
{
	ProtobufCAllocator arena = { arena_alloc, arena_free, d };

	d->used = 0;
	d->full = false;
	*out = protobuf_c_message_unpack(type, &arena, n, body);
	if (*out)
		return 0;
	if (d->full)
		return qda_codec_fail(d, "%s: more fields than any valid message has",
				      type->short_name);
	qda_codec_fail(d, "%s: the body is no such message", type->short_name);
	return -EBADMSG;
}

/* What ends a line, or has text around it shown in another order: U+2028, U+2029 and the marks of
 * bidirectional text. */
static bool rearranges(uint32_t code)
{
	return code == 0x61c || code == 0x200e || code == 0x200f ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

size_t qda_codec_character(const char *s)
{
	const uint8_t *u = (const uint8_t *)s;
	uint32_t code;
	size_t n;

	if (u[0] < 0x80)
		return u[0] >= 0x20 && u[0] != 0x7f;
	n = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
	if (u[0] < 0xc2 || u[0] > 0xf4)
		return 0;
	code = u[0] & (0xff >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (u[i] & 0x3f);
	}
	if (rearranges(code))
		return 0;
	if (n == 2)
		return code >= 0xa0 ? 2 : 0;
	if (n == 3)
		return code >= 0x800 && (code < 0xd800 || code > 0xdfff) ? 3 : 0;
	return code >= 0x10000 && code <= 0x10ffff ? 4 : 0;
}

/* Bytes of s up to the first that is not part of a printable character. */
static size_t printable(const char *s)
{
	size_t n = 0, more;

	while ((more = qda_codec_character(s + n)))
		n += more;
	return n;
}

int qda_codec_string(struct qda_decoder *d, const char *field, const char *string, size_t max,
		     const char **out)
{
	const uint8_t *p = (const uint8_t *)string;
	size_t n, good;

	*out = string;
	if (p < d->mem || p >= d->mem + sizeof(d->mem))
		return 0; /* protobuf-c's own empty string: the field was not sent */
	n = ((const struct block *)(p - sizeof(struct block)))->size - 1;
	if (n > max)
		return qda_codec_fail(d, "%s: %zu bytes, at most %zu are allowed", field, n, max);
	good = printable(string);
	if (good != n)
		return qda_codec_fail(d, "%s: byte %zu is 0x%02x: no control characters and only "
				      "UTF-8 are allowed", field, good, p[good]);
	return 0;
}

char *qda_codec_clean(const char *text, char *copy, size_t max)
{
	size_t in, n;

	if (!text)
		return qda_codec_plain(NULL);
	n = printable(text);
	if (n <= max && !text[n])
		return (char *)text;
	for (in = 0, n = 0; text[in] && n < max;) {
		size_t more = qda_codec_character(text + in);

		if (more > max - n)
			break;
		if (more)
			memcpy(copy + n, text + in, more);
		else
			copy[n] = (text[in] & 0x80) ? '?' : ' ';
		n += more ? more : 1;
		in += more ? more : 1;
		while (!more && (text[in] & 0xc0) == 0x80)
			in++; /* of the same character */
	}
	copy[n] = '\0';
	return copy;
}

void qda_writer_init(struct qda_writer *w, uint8_t *out, size_t size)
{
	*w = (struct qda_writer){ out, size < QDA_MESSAGE_MAX ? size : QDA_MESSAGE_MAX, 0, 0 };
	if (w->size < QDA_FRAME_SIZE)
		w->error = -EMSGSIZE;
	else
		w->n = QDA_FRAME_SIZE;
}

void qda_writer_append(struct qda_writer *w, const ProtobufCMessage *message)
{
	size_t n;

	if (w->error)
		return;
	n = protobuf_c_message_get_packed_size(message);
	if (n > w->size - w->n)
		w->error = -EMSGSIZE;
	else
		w->n += protobuf_c_message_pack(message, w->out + w->n);
}

int qda_writer_finish(struct qda_writer *w, uint16_t type, uint8_t flags, uint64_t serial)
{
	struct qda_frame frame = {
		.version = QDA_PROTOCOL_VERSION,
		.flags = flags,
		.type = type,
		.serial = serial,
	};

	if (w->error)
		return w->error;
	frame.body_len = (uint16_t)(w->n - QDA_FRAME_SIZE);
	qda_frame_write(w->out, &frame);
	return (int)w->n;
}

int qda_inline_sizes(uint32_t sc, const struct qda_msg_arg *args, uint32_t *in, uint32_t *out)
{
	uint32_t n_in = fastrpc_sc_in(sc), n = n_in + fastrpc_sc_out(sc);
	uint32_t sums[2] = { 0, 0 };
	uint32_t left = QDA_MESSAGE_MAX;

	for (uint32_t i = 0; i < n; i++) {
		if (args[i].kind != QDA_ARG_INLINE)
			continue;
		if (args[i].length > left)
			return -EMSGSIZE;
		left -= (uint32_t)args[i].length;
		sums[i >= n_in] += (uint32_t)args[i].length;
	}
	*in = sums[0];
	*out = sums[1];
	return 0;
}

#define FIRST_EVENT QDA_TYPE_SESSION_LOST

static int take_session_lost(struct qda_decoder *d, const void *message, struct qda_msg_event *out)
{
	const Qda__SessionLost *m = message;

	if (m->session == 0)
		return qda_codec_fail(d, "SessionLost.session: 0 is no session");
	if (m->signal > 64)
		return qda_codec_fail(d, "SessionLost.signal: %u, at most 64 is allowed",
				      m->signal);
	out->session_lost.session = m->session;
	out->session_lost.signal = m->signal;
	return qda_codec_string(d, "SessionLost.text", m->text, QDA_TEXT_MAX,
				&out->session_lost.text);
}

static int take_domain_changed(struct qda_decoder *d, const void *message,
			       struct qda_msg_event *out)
{
	const Qda__DomainChanged *m = message;

	if (qda_codec_string(d, "DomainChanged.domain", m->domain, QDA_DOMAIN_MAX,
			     &out->domain_changed.domain))
		return -EINVAL;
	return qda_codec_string(d, "DomainChanged.state", m->state, QDA_DOMAIN_MAX,
				&out->domain_changed.state);
}

static int take_log(struct qda_decoder *d, const void *message, struct qda_msg_event *out)
{
	const Qda__Log *m = message;

	if (m->session == 0)
		return qda_codec_fail(d, "Log.session: 0 is no session");
	if (m->level > 4)
		return qda_codec_fail(d, "Log.level: %u, at most 4 is allowed", m->level);
	out->log.session = m->session;
	out->log.level = m->level;
	out->log.dropped = m->dropped;
	return qda_codec_string(d, "Log.text", m->text, QDA_TEXT_MAX, &out->log.text);
}

static int take_monitor(struct qda_decoder *d, const void *message, struct qda_msg_event *out)
{
	const Qda__Monitor *m = message;

	out->monitor.at_ns = m->at_ns;
	out->monitor.uid = m->uid;
	out->monitor.client = m->client;
	out->monitor.session = m->session;
	out->monitor.code = m->code;
	out->monitor.dropped = m->dropped;
	if (qda_codec_string(d, "Monitor.what", m->what, QDA_WORD_MAX, &out->monitor.what) ||
	    qda_codec_string(d, "Monitor.domain", m->domain, QDA_DOMAIN_MAX, &out->monitor.domain))
		return -EINVAL;
	return qda_codec_string(d, "Monitor.text", m->text, QDA_TEXT_MAX, &out->monitor.text);
}

static const struct {
	const ProtobufCMessageDescriptor *type;
	int (*take)(struct qda_decoder *d, const void *message, struct qda_msg_event *out);
} events[] = {
	[QDA_TYPE_SESSION_LOST - FIRST_EVENT] = { &qda__session_lost__descriptor,
						  take_session_lost },
	[QDA_TYPE_DOMAIN_CHANGED - FIRST_EVENT] = { &qda__domain_changed__descriptor,
						    take_domain_changed },
	[QDA_TYPE_LOG - FIRST_EVENT] = { &qda__log__descriptor, take_log },
	[QDA_TYPE_MONITOR - FIRST_EVENT] = { &qda__monitor__descriptor, take_monitor },
};

int qda_event_decode(struct qda_decoder *d, uint16_t type, const uint8_t *body, size_t n,
		     struct qda_msg_event *out)
{
	unsigned i = type - FIRST_EVENT;
	ProtobufCMessage *message;
	int r;

	d->error[0] = '\0';
	memset(out, 0, sizeof(*out));
	out->type = type;
	if (type < FIRST_EVENT || i >= sizeof(events) / sizeof(events[0]) || !events[i].take)
		return -EOPNOTSUPP;
	r = qda_codec_unpack(d, events[i].type, body, n, &message);
	return r ? r : events[i].take(d, message, out);
}

static void put_session_lost(struct qda_writer *w, const struct qda_msg_event *in)
{
	Qda__SessionLost m = QDA__SESSION_LOST__INIT;
	char text[QDA_TEXT_MAX + 1];

	m.session = in->session_lost.session;
	m.signal = in->session_lost.signal;
	m.text = qda_codec_clean(in->session_lost.text, text, QDA_TEXT_MAX);
	qda_writer_append(w, &m.base);
}

static void put_domain_changed(struct qda_writer *w, const struct qda_msg_event *in)
{
	Qda__DomainChanged m = QDA__DOMAIN_CHANGED__INIT;

	m.domain = qda_codec_plain(in->domain_changed.domain);
	m.state = qda_codec_plain(in->domain_changed.state);
	qda_writer_append(w, &m.base);
}

static void put_log(struct qda_writer *w, const struct qda_msg_event *in)
{
	Qda__Log m = QDA__LOG__INIT;
	char text[QDA_TEXT_MAX + 1];

	m.session = in->log.session;
	m.level = in->log.level;
	m.dropped = in->log.dropped;
	m.text = qda_codec_clean(in->log.text, text, QDA_TEXT_MAX);
	qda_writer_append(w, &m.base);
}

static void put_monitor(struct qda_writer *w, const struct qda_msg_event *in)
{
	Qda__Monitor m = QDA__MONITOR__INIT;
	char what[QDA_WORD_MAX + 1], text[QDA_TEXT_MAX + 1];

	m.at_ns = in->monitor.at_ns;
	m.what = qda_codec_clean(in->monitor.what, what, QDA_WORD_MAX);
	m.uid = in->monitor.uid;
	m.client = in->monitor.client;
	m.session = in->monitor.session;
	m.domain = qda_codec_plain(in->monitor.domain);
	m.text = qda_codec_clean(in->monitor.text, text, QDA_TEXT_MAX);
	m.code = in->monitor.code;
	m.dropped = in->monitor.dropped;
	qda_writer_append(w, &m.base);
}

int qda_event_encode(uint8_t *out, size_t size, const struct qda_msg_event *in)
{
	struct qda_writer w;

	qda_writer_init(&w, out, size);
	switch (in->type) {
	case QDA_TYPE_SESSION_LOST:
		put_session_lost(&w, in);
		break;
	case QDA_TYPE_DOMAIN_CHANGED:
		put_domain_changed(&w, in);
		break;
	case QDA_TYPE_LOG:
		put_log(&w, in);
		break;
	case QDA_TYPE_MONITOR:
		put_monitor(&w, in);
		break;
	default:
		return -EOPNOTSUPP;
	}
	return qda_writer_finish(&w, in->type, QDA_FRAME_EVENT, 0);
}
