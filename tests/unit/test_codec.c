/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every message with every field, there and back; and the bytes of some of them, so that a change
 * of the protocol cannot pass unseen. Limits and hostile bodies have test_codec_limits.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <codec.h>
#include <frame.h>

#define SERIAL 0x1122334455667788
#define BIG UINT64_MAX

static struct qda_decoder decoder;
static uint8_t message[QDA_MESSAGE_MAX];

static size_t check_frame(int n, uint16_t type, uint8_t flags, uint64_t serial)
{
	struct qda_frame frame;

	assert_true(n >= (int)QDA_FRAME_SIZE);
	assert_int_equal(qda_frame_read(message, (size_t)n, &frame), 0);
	assert_int_equal(frame.version, QDA_PROTOCOL_VERSION);
	assert_int_equal(frame.flags, flags);
	assert_int_equal(frame.type, type);
	assert_true(frame.serial == serial);
	assert_int_equal(frame.body_len, n - (int)QDA_FRAME_SIZE);
	return frame.body_len;
}

static struct qda_msg_request request_there_and_back(const struct qda_msg_request *in)
{
	struct qda_msg_request out;
	size_t n = check_frame(qda_request_encode(message, sizeof(message), SERIAL, in), in->type,
			       0, SERIAL);

	assert_int_equal(qda_request_decode(&decoder, in->type, message + QDA_FRAME_SIZE, n, &out),
			 0);
	assert_int_equal(out.type, in->type);
	return out;
}

static struct qda_msg_reply reply_there_and_back(const struct qda_msg_reply *in)
{
	struct qda_msg_reply out;
	size_t n = check_frame(qda_reply_encode(message, sizeof(message), SERIAL, in), in->type,
			       QDA_FRAME_REPLY, SERIAL);

	assert_int_equal(qda_reply_decode(&decoder, in->type, message + QDA_FRAME_SIZE, n, &out),
			 0);
	assert_int_equal(out.type, in->type);
	return out;
}

static struct qda_msg_event event_there_and_back(const struct qda_msg_event *in)
{
	struct qda_msg_event out;
	size_t n = check_frame(qda_event_encode(message, sizeof(message), in), in->type,
			       QDA_FRAME_EVENT, 0);

	assert_int_equal(qda_event_decode(&decoder, in->type, message + QDA_FRAME_SIZE, n, &out),
			 0);
	assert_int_equal(out.type, in->type);
	return out;
}

#define assert_u64(a, b) assert_true((uint64_t)(a) == (uint64_t)(b))

/* --- bytes --- */

static void invoke_has_these_bytes(void **state)
{
	static const uint8_t bytes[] = {
		'q',  'd',  1,	  0,	14,   0,    32,	  0,	5,    0,
		0,    0,    0,	  0,	0,    0,	  /* header, serial 5 */
		0x08, 0x07,				  /* handle = 7 */
		0x15, 0x00, 0x01, 0x01, 0x02,		  /* sc = 0x02010100, fixed */
		0x18, 0xe8, 0x07,			  /* timeout_us = 1000 */
		0x22, 0x05, 0x10, 0x80, 0x01, 0x20, 0x04, /* args[0]: INLINE at 128, 4 bytes */
		0x22, 0x0d, 0x08, 0x01, 0x10, 0x09,	  /* args[1]: BUFFER 9 */
		0x18, 0x80, 0x20,			  /* at 4096 */
		0x20, 0x80, 0x80, 0x80, 0x80, 0x08,	  /* length 2 GiB */
	};
	const struct qda_msg_arg args[] = { { QDA_ARG_INLINE, 128, 0, 4 },
					    { QDA_ARG_BUFFER, 9, 4096, 1ull << 31 } };
	const struct qda_msg_request in = {
		.type = QDA_TYPE_INVOKE,
		.invoke = { 7, 1000, 0x02010100, 2, args },
	};

	assert_int_equal(qda_request_encode(message, sizeof(message), 5, &in), sizeof(bytes));
	assert_memory_equal(message, bytes, sizeof(bytes));
}

static void hello_has_these_bytes(void **state)
{
	static const uint8_t bytes[] = {
		'q', 'd', 1, 0, 1, 0, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0,
		0x08, 0x01, 0x10, 0x01, 0x1a, 0x03, 's', 'u', 'm',
	};
	const struct qda_msg_request in = { .type = QDA_TYPE_HELLO, .hello = { 1, 1, "sum" } };

	assert_int_equal(qda_request_encode(message, sizeof(message), 1, &in), sizeof(bytes));
	assert_memory_equal(message, bytes, sizeof(bytes));
}

static void success_of_nothing_has_no_body(void **state)
{
	static const uint8_t bytes[] = {
		'q', 'd', 1, 1, 9, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
	};
	const struct qda_msg_reply in = { .type = QDA_TYPE_SESSION_CLOSE };

	assert_int_equal(qda_reply_encode(message, sizeof(message), 2, &in), sizeof(bytes));
	assert_memory_equal(message, bytes, sizeof(bytes));
}

static void refusal_has_these_bytes(void **state)
{
	static const uint8_t bytes[] = {
		'q', 'd', 1, 1, 99, 0, 11, 0, 3, 0, 0, 0, 0, 0, 0, 0,
		0x0a, 0x09, 0x08, 0x5f, 0x1a, 0x05, 'w', 'h', 'a', 't', '?',
	};
	/* also of a request that this version does not know */
	const struct qda_msg_reply in = { .type = 99, .status = { .code = 95, .text = "what?" } };

	assert_int_equal(qda_reply_encode(message, sizeof(message), 3, &in), sizeof(bytes));
	assert_memory_equal(message, bytes, sizeof(bytes));
}

static void invoke_reply_has_these_bytes(void **state)
{
	static const uint8_t bytes[] = {
		'q', 'd', 1, 1, 14, 0, 12, 0, 4, 0, 0, 0, 0, 0, 0, 0,
		0x10, 0x01,		/* dsp_result = -1, zigzag */
		0x18, 0x05, 0x20, 0x06, /* dsp_ns, queue_ns */
		0x2a, 0x04, 0x08, 0x07, 0x10, 0x08, /* out_handles[0] */
	};
	const struct qda_msg_out_handle handle = { 7, 8 };
	const struct qda_msg_reply in = {
		.type = QDA_TYPE_INVOKE,
		.invoke = { -1, 1, 5, 6, &handle },
	};

	assert_int_equal(qda_reply_encode(message, sizeof(message), 4, &in), sizeof(bytes));
	assert_memory_equal(message, bytes, sizeof(bytes));
}

static void lost_session_has_these_bytes(void **state)
{
	static const uint8_t bytes[] = {
		'q', 'd', 1, 2, 128, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0x08, 0x09, 0x10, 0x0b, 0x1a, 0x05, 'c', 'r', 'a', 's', 'h',
	};
	const struct qda_msg_event in = {
		.type = QDA_TYPE_SESSION_LOST,
		.session_lost = { 9, 11, "crash" },
	};

	assert_int_equal(qda_event_encode(message, sizeof(message), &in), sizeof(bytes));
	assert_memory_equal(message, bytes, sizeof(bytes));
}

/* --- there and back --- */

static void requests_about_the_connection(void **state)
{
	struct qda_msg_request in, out;

	in = (struct qda_msg_request){ .type = QDA_TYPE_HELLO,
				       .hello = { 1, UINT32_MAX, "\xc3\xa4 b" } };
	out = request_there_and_back(&in);
	assert_int_equal(out.hello.min_version, 1);
	assert_int_equal(out.hello.max_version, UINT32_MAX);
	assert_string_equal(out.hello.name, "\xc3\xa4 b");

	in = (struct qda_msg_request){ .type = QDA_TYPE_LIST_DOMAINS };
	request_there_and_back(&in);

	in = (struct qda_msg_request){ .type = QDA_TYPE_GET_STATUS, .get_status = { 3, BIG } };
	out = request_there_and_back(&in);
	assert_int_equal(out.get_status.kind, 3);
	assert_u64(out.get_status.cursor, BIG);

	in = (struct qda_msg_request){ .type = QDA_TYPE_CANCEL, .cancel = { BIG - 1 } };
	assert_u64(request_there_and_back(&in).cancel.serial, BIG - 1);

	in = (struct qda_msg_request){ .type = QDA_TYPE_SUBSCRIBE, .subscribe = { 1 } };
	assert_int_equal(request_there_and_back(&in).subscribe.mask, 1);
}

static void requests_about_buffers(void **state)
{
	struct qda_msg_request in, out;

	in = (struct qda_msg_request){ .type = QDA_TYPE_BUFFER_ALLOC,
				       .buffer_alloc = { 4097, "cdsp" } };
	out = request_there_and_back(&in);
	assert_u64(out.buffer_alloc.size, 4097);
	assert_string_equal(out.buffer_alloc.domain, "cdsp");

	in = (struct qda_msg_request){ .type = QDA_TYPE_BUFFER_IMPORT,
				       .buffer_import = { 8192, "adsp", true } };
	out = request_there_and_back(&in);
	assert_u64(out.buffer_import.size, 8192);
	assert_string_equal(out.buffer_import.domain, "adsp");
	assert_true(out.buffer_import.read_only);

	in = (struct qda_msg_request){ .type = QDA_TYPE_BUFFER_FREE, .buffer_free = { BIG } };
	assert_u64(request_there_and_back(&in).buffer_free.buffer, BIG);

	in = (struct qda_msg_request){ .type = QDA_TYPE_BUFFER_MAP,
				       .buffer_map = { BIG, BIG - 1, 4096, 8192, QDA_KEY_MAX } };
	out = request_there_and_back(&in);
	assert_u64(out.buffer_map.session, BIG);
	assert_u64(out.buffer_map.buffer, BIG - 1);
	assert_u64(out.buffer_map.offset, 4096);
	assert_u64(out.buffer_map.size, 8192);
	assert_int_equal(out.buffer_map.key, QDA_KEY_MAX);

	in = (struct qda_msg_request){ .type = QDA_TYPE_BUFFER_UNMAP, .buffer_unmap = { BIG, 5 } };
	out = request_there_and_back(&in);
	assert_u64(out.buffer_unmap.session, BIG);
	assert_int_equal(out.buffer_unmap.key, 5);
}

static void requests_about_sessions_and_modules(void **state)
{
	struct qda_msg_request in, out;

	in = (struct qda_msg_request){ .type = QDA_TYPE_SESSION_OPEN, .session_open = { "cdsp1" } };
	assert_string_equal(request_there_and_back(&in).session_open.domain, "cdsp1");

	in = (struct qda_msg_request){ .type = QDA_TYPE_SESSION_CLOSE, .session_close = { BIG } };
	assert_u64(request_there_and_back(&in).session_close.session, BIG);

	in = (struct qda_msg_request){ .type = QDA_TYPE_MODULE_OPEN,
				       .module_open = { BIG,
							"file:///liba_skel.so?a&_modver=1.0" } };
	out = request_there_and_back(&in);
	assert_u64(out.module_open.session, BIG);
	assert_string_equal(out.module_open.uri, "file:///liba_skel.so?a&_modver=1.0");

	in = (struct qda_msg_request){ .type = QDA_TYPE_MODULE_CLOSE, .module_close = { BIG } };
	assert_u64(request_there_and_back(&in).module_close.handle, BIG);
}

static void invoke_with_every_kind_of_argument(void **state)
{
	const struct qda_msg_arg args[] = {
		{ QDA_ARG_INLINE, BIG - 10, 0, 10 },	  { QDA_ARG_BUFFER, BIG, 4096, 5 },
		{ QDA_ARG_INLINE, 3, 0, 0 },		  { QDA_ARG_BUFFER, 1, 0, 0 },
		{ QDA_ARG_KEY, QDA_KEY_MAX, 8, 0x1000 },  { QDA_ARG_NUMBER, BIG, 0, 0 },
		{ QDA_ARG_MODULE, BIG - 2, 0, 0 },	  { QDA_ARG_NUMBER, 0, 0, 0 },
	};
	const struct qda_msg_request in = {
		.type = QDA_TYPE_INVOKE,
		.invoke = { BIG, BIG, 0xff020231, 8, args },
	};
	struct qda_msg_request out = request_there_and_back(&in);

	assert_u64(out.invoke.handle, BIG);
	assert_u64(out.invoke.timeout_us, BIG);
	assert_int_equal(out.invoke.sc, 0xff020231);
	assert_int_equal(out.invoke.n_args, 8);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(out.invoke.args[i].kind, args[i].kind);
		assert_u64(out.invoke.args[i].ref, args[i].ref);
		assert_u64(out.invoke.args[i].offset, args[i].offset);
		assert_u64(out.invoke.args[i].length, args[i].length);
	}
}

static void invoke_with_as_many_arguments_as_there_can_be(void **state)
{
	static struct qda_msg_arg args[QDA_ARGS_MAX];
	struct qda_msg_request in = {
		.type = QDA_TYPE_INVOKE,
		.invoke = { 77, 5, 0x02ffffff, QDA_ARGS_MAX, args },
	};
	struct qda_msg_request out;
	uint32_t in_bytes, out_bytes;

	for (unsigned i = 0; i < QDA_ARGS_MAX; i++) {
		args[i] = (struct qda_msg_arg){ QDA_ARG_NUMBER, 0, 0, 0 };
		if (i < 510)
			args[i] =
				(struct qda_msg_arg){ QDA_ARG_INLINE, BIG - 1000 + i, 0, i % 100 };
		else if (i < 525)
			args[i].ref = BIG - i;
	}
	out = request_there_and_back(&in);
	assert_int_equal(out.invoke.handle, 77);
	assert_int_equal(out.invoke.timeout_us, 5);
	assert_int_equal(out.invoke.sc, 0x02ffffff);
	assert_int_equal(out.invoke.n_args, QDA_ARGS_MAX);
	for (unsigned i = 0; i < QDA_ARGS_MAX; i++) {
		assert_int_equal(out.invoke.args[i].kind, args[i].kind);
		assert_u64(out.invoke.args[i].ref, args[i].ref);
		assert_u64(out.invoke.args[i].length, args[i].length);
	}
	assert_int_equal(qda_inline_sizes(out.invoke.sc, out.invoke.args, &in_bytes, &out_bytes),
			 0);
	assert_int_equal(in_bytes, 11385);
	assert_int_equal(out_bytes, 13410);
}

static void reply_to_hello(void **state)
{
	const struct qda_msg_reply in = {
		.type = QDA_TYPE_HELLO,
		.hello = { 1, "qdad 9", BIG, true, { 1, 2, 3, 4, 5, 6, 7, 8 } },
	};
	struct qda_msg_reply out = reply_there_and_back(&in);

	assert_int_equal(out.status.code, 0);
	assert_int_equal(out.hello.version, 1);
	assert_string_equal(out.hello.daemon, "qdad 9");
	assert_u64(out.hello.epoch, BIG);
	assert_true(out.hello.client_dirs);
	assert_memory_equal(&out.hello.limits, &in.hello.limits, sizeof(in.hello.limits));
}

static const struct qda_msg_domain full_domain = {
	"cdsp", "up", "soft", "why not", 0x68, 16, 3, 4, 5, BIG, BIG - 1, true, 6, 7, 8, 9,
};

static void assert_domain(const struct qda_msg_domain *d)
{
	assert_string_equal(d->name, "cdsp");
	assert_string_equal(d->state, "up");
	assert_string_equal(d->device, "soft");
	assert_string_equal(d->text, "why not");
	assert_int_equal(d->arch, 0x68);
	assert_int_equal(d->sessions_max, 16);
	assert_int_equal(d->sessions, 3);
	assert_int_equal(d->in_flight, 4);
	assert_int_equal(d->queued, 5);
	assert_u64(d->calls, BIG);
	assert_u64(d->busy_ns, BIG - 1);
	assert_true(d->unsigned_pd);
	assert_int_equal(d->in_flight_max, 6);
	assert_int_equal(d->parked, 7);
	assert_int_equal(d->quarantined, 8);
	assert_int_equal(d->waiting, 9);
}

static void reply_to_list_domains(void **state)
{
	struct qda_msg_domain rows[QDA_ROWS_MAX];
	struct qda_msg_reply in = {
		.type = QDA_TYPE_LIST_DOMAINS,
		.list_domains = { QDA_ROWS_MAX, rows },
	};
	struct qda_msg_reply out;

	for (unsigned i = 0; i < QDA_ROWS_MAX; i++)
		rows[i] = full_domain;
	out = reply_there_and_back(&in);
	assert_int_equal(out.list_domains.n, QDA_ROWS_MAX);
	for (unsigned i = 0; i < QDA_ROWS_MAX; i++)
		assert_domain(&out.list_domains.rows[i]);
}

static void reply_to_get_status(void **state)
{
	const struct qda_msg_client_row client = {
		1, "name", 2, 3, 4, 5, 6, 7, BIG, 9, 10, 11, 12,
		"a.service", "prog", "label", "10-a", 13
	};
	const struct qda_msg_session_row sessions[] = {
		{ BIG, 2, "cdsp", "open", 3, 4, 5, 6, 7, 1, 20, 21 },
		{ 8, 9, "adsp", "lost", 10, 11, 12, 13, BIG },
	};
	const struct qda_msg_reply in = {
		.type = QDA_TYPE_GET_STATUS,
		.get_status = { true, { "v1", "running", "/run/x", 1, 2, 3, 4, BIG, 6, 7, 8, true },
				1, 1, 2, &full_domain, &client, sessions, BIG - 5 },
	};
	struct qda_msg_reply out = reply_there_and_back(&in);
	const struct qda_msg_daemon_row *d = &out.get_status.daemon;

	assert_true(out.get_status.has_daemon);
	assert_string_equal(d->version, "v1");
	assert_string_equal(d->state, "running");
	assert_string_equal(d->socket, "/run/x");
	assert_memory_equal(&d->pid, &in.get_status.daemon.pid,
			    offsetof(struct qda_msg_daemon_row, user_mode) -
				    offsetof(struct qda_msg_daemon_row, pid));
	assert_true(d->user_mode);
	assert_int_equal(out.get_status.n_domains, 1);
	assert_domain(&out.get_status.domains[0]);
	assert_int_equal(out.get_status.n_clients, 1);
	assert_u64(out.get_status.clients[0].id, 1);
	assert_string_equal(out.get_status.clients[0].name, "name");
	assert_memory_equal(&out.get_status.clients[0].uid, &client.uid,
			    offsetof(struct qda_msg_client_row, unit) -
				    offsetof(struct qda_msg_client_row, uid));
	assert_string_equal(out.get_status.clients[0].unit, "a.service");
	assert_string_equal(out.get_status.clients[0].program, "prog");
	assert_string_equal(out.get_status.clients[0].label, "label");
	assert_string_equal(out.get_status.clients[0].rule, "10-a");
	assert_int_equal(out.get_status.clients[0].in_flight, 13);
	assert_int_equal(out.get_status.n_sessions, 2);
	for (unsigned i = 0; i < 2; i++) {
		const struct qda_msg_session_row *s = &out.get_status.sessions[i];

		assert_u64(s->id, sessions[i].id);
		assert_u64(s->client, sessions[i].client);
		assert_string_equal(s->domain, sessions[i].domain);
		assert_string_equal(s->state, sessions[i].state);
		assert_memory_equal(&s->modules, &sessions[i].modules,
				    sizeof(*s) - offsetof(struct qda_msg_session_row, modules));
	}
	assert_u64(out.get_status.next, BIG - 5);
}

static void replies_with_numbers(void **state)
{
	struct qda_msg_reply in, out;

	in = (struct qda_msg_reply){ .type = QDA_TYPE_BUFFER_ALLOC,
				     .buffer = { BIG, QDA_BUFFER_MAX } };
	out = reply_there_and_back(&in);
	assert_u64(out.buffer.buffer, BIG);
	assert_u64(out.buffer.size, QDA_BUFFER_MAX);
	in.type = QDA_TYPE_BUFFER_IMPORT;
	assert_u64(reply_there_and_back(&in).buffer.buffer, BIG);

	in = (struct qda_msg_reply){ .type = QDA_TYPE_SESSION_OPEN, .session_open = { BIG } };
	assert_u64(reply_there_and_back(&in).session_open.session, BIG);
	in = (struct qda_msg_reply){ .type = QDA_TYPE_BUFFER_MAP, .buffer_map = { BIG } };
	assert_u64(reply_there_and_back(&in).buffer_map.dsp_addr, BIG);
	in = (struct qda_msg_reply){ .type = QDA_TYPE_MODULE_OPEN, .module_open = { BIG } };
	assert_u64(reply_there_and_back(&in).module_open.handle, BIG);
	in = (struct qda_msg_reply){ .type = QDA_TYPE_CANCEL, .cancel = { 2 } };
	assert_int_equal(reply_there_and_back(&in).cancel.was, 2);
}

static void replies_that_only_say_done(void **state)
{
	static const uint16_t types[] = { QDA_TYPE_BUFFER_FREE, QDA_TYPE_SESSION_CLOSE,
					  QDA_TYPE_BUFFER_UNMAP, QDA_TYPE_MODULE_CLOSE,
					  QDA_TYPE_SUBSCRIBE };

	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct qda_msg_reply in = { .type = types[i] };

		assert_int_equal(reply_there_and_back(&in).status.code, 0);
	}
}

static void reply_to_invoke(void **state)
{
	struct qda_msg_out_handle handles[QDA_OUT_HANDLES_MAX + 1];
	struct qda_msg_reply in = {
		.type = QDA_TYPE_INVOKE,
		.invoke = { INT32_MIN, QDA_OUT_HANDLES_MAX, BIG, BIG - 1, handles },
	};
	struct qda_msg_reply out;

	for (unsigned i = 0; i <= QDA_OUT_HANDLES_MAX; i++)
		handles[i] = (struct qda_msg_out_handle){ BIG - i, i };
	out = reply_there_and_back(&in);
	assert_int_equal(out.invoke.dsp_result, INT32_MIN);
	assert_u64(out.invoke.dsp_ns, BIG);
	assert_u64(out.invoke.queue_ns, BIG - 1);
	assert_int_equal(out.invoke.n_out_handles, QDA_OUT_HANDLES_MAX);
	assert_memory_equal(out.invoke.out_handles, handles,
			    QDA_OUT_HANDLES_MAX * sizeof(handles[0]));
	in.invoke.n_out_handles++;
	assert_int_equal(qda_reply_encode(message, sizeof(message), 1, &in), -EMSGSIZE);
}

static void refusal_of_every_request(void **state)
{
	const struct qda_msg_status status = { 122, 0x8000040d, "too much", "sessions", "uid", BIG,
					       BIG - 1, 250 };

	for (uint16_t type = 1; type <= 16; type++) {
		struct qda_msg_reply in = { .type = type, .status = status }, out;

		if (type == 8)
			continue; /* reserved */
		out = reply_there_and_back(&in);
		assert_int_equal(out.status.code, 122);
		assert_int_equal(out.status.aee, 0x8000040d);
		assert_string_equal(out.status.text, "too much");
		assert_string_equal(out.status.resource, "sessions");
		assert_string_equal(out.status.scope, "uid");
		assert_u64(out.status.limit, BIG);
		assert_u64(out.status.used, BIG - 1);
		assert_int_equal(out.status.retry_ms, 250);
	}
}

static void events(void **state)
{
	struct qda_msg_event in, out;

	in = (struct qda_msg_event){ .type = QDA_TYPE_SESSION_LOST,
				     .session_lost = { BIG, 64, "x" } };
	out = event_there_and_back(&in);
	assert_u64(out.session_lost.session, BIG);
	assert_int_equal(out.session_lost.signal, 64);
	assert_string_equal(out.session_lost.text, "x");

	in = (struct qda_msg_event){ .type = QDA_TYPE_DOMAIN_CHANGED,
				     .domain_changed = { "a", "up" } };
	out = event_there_and_back(&in);
	assert_string_equal(out.domain_changed.domain, "a");
	assert_string_equal(out.domain_changed.state, "up");

	in = (struct qda_msg_event){ .type = QDA_TYPE_LOG, .log = { BIG, 4, UINT32_MAX, "line" } };
	out = event_there_and_back(&in);
	assert_u64(out.log.session, BIG);
	assert_int_equal(out.log.level, 4);
	assert_int_equal(out.log.dropped, UINT32_MAX);
	assert_string_equal(out.log.text, "line");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(invoke_has_these_bytes),
		cmocka_unit_test(hello_has_these_bytes),
		cmocka_unit_test(success_of_nothing_has_no_body),
		cmocka_unit_test(refusal_has_these_bytes),
		cmocka_unit_test(invoke_reply_has_these_bytes),
		cmocka_unit_test(lost_session_has_these_bytes),
		cmocka_unit_test(requests_about_the_connection),
		cmocka_unit_test(requests_about_buffers),
		cmocka_unit_test(requests_about_sessions_and_modules),
		cmocka_unit_test(invoke_with_every_kind_of_argument),
		cmocka_unit_test(invoke_with_as_many_arguments_as_there_can_be),
		cmocka_unit_test(reply_to_hello),
		cmocka_unit_test(reply_to_list_domains),
		cmocka_unit_test(reply_to_get_status),
		cmocka_unit_test(replies_with_numbers),
		cmocka_unit_test(replies_that_only_say_done),
		cmocka_unit_test(reply_to_invoke),
		cmocka_unit_test(refusal_of_every_request),
		cmocka_unit_test(events),
	};

	return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
