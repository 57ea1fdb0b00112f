/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bodies that a stranger might send: fields beside their limits, strings that are none, messages
 * cut short, and ones made to use up memory.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <codec.h>
#include <frame.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

static struct qda_decoder decoder;
static uint8_t message[QDA_MESSAGE_MAX];

static int decode_request(uint16_t type, const uint8_t *body, size_t n)
{
	struct qda_msg_request out;

	return qda_request_decode(&decoder, type, body, n, &out);
}

/* What the other end says about a request that our own encoder made. */
static int judge(const struct qda_msg_request *in)
{
	int n = qda_request_encode(message, sizeof(message), 1, in);

	assert_true(n >= (int)QDA_FRAME_SIZE);
	return decode_request(in->type, message + QDA_FRAME_SIZE, (size_t)n - QDA_FRAME_SIZE);
}

static int judge_reply(const struct qda_msg_reply *in)
{
	struct qda_msg_reply out;
	int n = qda_reply_encode(message, sizeof(message), 1, in);

	assert_true(n >= (int)QDA_FRAME_SIZE);
	return qda_reply_decode(&decoder, in->type, message + QDA_FRAME_SIZE,
				(size_t)n - QDA_FRAME_SIZE, &out);
}

static int judge_event(const struct qda_msg_event *in)
{
	struct qda_msg_event out;
	int n = qda_event_encode(message, sizeof(message), in);

	assert_true(n >= (int)QDA_FRAME_SIZE);
	return qda_event_decode(&decoder, in->type, message + QDA_FRAME_SIZE,
				(size_t)n - QDA_FRAME_SIZE, &out);
}

/* Refused, and the text names the field. */
static void assert_refused(int r, const char *field)
{
	assert_int_equal(r, -EINVAL);
	assert_non_null(strstr(decoder.error, field));
}

/* --- numbers --- */

static const uint64_t edges[] = {
	0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 0x3fffffff, 0x40000000, 0x7fffffff, 0x80000000,
	0xffffefff, 0xfffff000, 0xfffff001, 0xffffffff, 0x100000000, 0x100001000,
	0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffff000, 0xffffffffffffffff,
};

static void sizes_of_buffers(void **state)
{
	for (unsigned i = 0; i < N(edges); i++) {
		uint64_t v = edges[i];
		struct qda_msg_request in = { .type = QDA_TYPE_BUFFER_ALLOC,
					      .buffer_alloc = { v, "" } };
		struct qda_msg_reply reply = { .type = QDA_TYPE_BUFFER_ALLOC, .buffer = { 1, v } };
		bool ok = v >= 1 && v <= 0xfffff000;

		assert_int_equal(judge(&in), ok ? 0 : -EINVAL);
		assert_int_equal(judge_reply(&reply), ok ? 0 : -EINVAL);
		in = (struct qda_msg_request){ .type = QDA_TYPE_BUFFER_IMPORT,
					       .buffer_import = { v, "", false } };
		assert_int_equal(judge(&in), v <= 0xfffff000 ? 0 : -EINVAL);
	}
}

static void places_of_maps(void **state)
{
	for (unsigned i = 0; i < N(edges); i++) {
		for (unsigned j = 0; j < N(edges); j++) {
			uint64_t a = edges[i], b = edges[j];
			struct qda_msg_request in = { .type = QDA_TYPE_BUFFER_MAP,
						      .buffer_map = { 1, 1, a, b, 0 } };
			bool ok = a % 4096 == 0 && b % 4096 == 0 && a <= 0xfffff000 &&
				  b <= 0xfffff000 && a + b <= 0xfffff000;

			assert_int_equal(judge(&in), ok ? 0 : -EINVAL);
		}
	}
}

static void keys(void **state)
{
	for (unsigned i = 0; i < N(edges); i++) {
		uint32_t key = (uint32_t)edges[i];
		struct qda_msg_request map = { .type = QDA_TYPE_BUFFER_MAP,
					       .buffer_map = { 1, 1, 0, 0, key } };
		struct qda_msg_request unmap = { .type = QDA_TYPE_BUFFER_UNMAP,
						 .buffer_unmap = { 1, key } };

		assert_int_equal(judge(&map), key <= 0x3fffffff ? 0 : -EINVAL);
		assert_int_equal(judge(&unmap), key <= 0x3fffffff ? 0 : -EINVAL);
	}
}

static void small_numbers(void **state)
{
	struct qda_msg_request in;
	struct qda_msg_reply reply;
	struct qda_msg_event event;

	in = (struct qda_msg_request){ .type = QDA_TYPE_HELLO, .hello = { 2, 1, "" } };
	assert_refused(judge(&in), "Hello.min_version");
	in = (struct qda_msg_request){ .type = QDA_TYPE_GET_STATUS, .get_status = { 4, 0 } };
	assert_refused(judge(&in), "GetStatus.kind");
	in = (struct qda_msg_request){ .type = QDA_TYPE_SUBSCRIBE, .subscribe = { 4 } };
	assert_refused(judge(&in), "Subscribe.mask");
	in = (struct qda_msg_request){ .type = QDA_TYPE_SESSION_OPEN, .session_open = { "", 2 } };
	assert_refused(judge(&in), "SessionOpen.kind");
	in = (struct qda_msg_request){ .type = QDA_TYPE_INVOKE, .invoke = { .flags = 2 } };
	assert_refused(judge(&in), "Invoke.flags");
	in = (struct qda_msg_request){ .type = QDA_TYPE_INVOKE, .invoke = { .priority = 3 } };
	assert_refused(judge(&in), "Invoke.priority");
	in = (struct qda_msg_request){ .type = QDA_TYPE_INVOKE, .invoke = { .priority = -2 } };
	assert_refused(judge(&in), "Invoke.priority");
	in = (struct qda_msg_request){ .type = QDA_TYPE_QUOTA_SET, .quota_set = { .scope = 3 } };
	assert_refused(judge(&in), "QuotaSet.scope");
	in = (struct qda_msg_request){ .type = QDA_TYPE_KILL, .kill = { 2, 1 } };
	assert_refused(judge(&in), "Kill.kind");
	in = (struct qda_msg_request){ .type = QDA_TYPE_POLICY_CHECK,
				       .policy_check = { .kind = 2 } };
	assert_refused(judge(&in), "PolicyCheck.kind");
	reply = (struct qda_msg_reply){ .type = QDA_TYPE_CANCEL, .cancel = { 3 } };
	assert_refused(judge_reply(&reply), "CancelReply.was");
	reply = (struct qda_msg_reply){ .type = QDA_TYPE_CANCEL, .status = { .code = 4095 } };
	assert_int_equal(judge_reply(&reply), 0);
	reply.status.code = 4096;
	assert_refused(judge_reply(&reply), "Status.code");
	reply.status.code = 0x80000000;
	assert_refused(judge_reply(&reply), "Status.code");
	event = (struct qda_msg_event){ .type = QDA_TYPE_LOG, .log = { 1, 5, 0, "" } };
	assert_refused(judge_event(&event), "Log.level");
	event = (struct qda_msg_event){ .type = QDA_TYPE_SESSION_LOST,
					.session_lost = { 1, 65, "" } };
	assert_refused(judge_event(&event), "SessionLost.signal");
}

static void objects_are_never_zero(void **state)
{
	struct qda_msg_reply reply = { .type = QDA_TYPE_SESSION_OPEN };
	struct qda_msg_event event = { .type = QDA_TYPE_LOG };

	assert_refused(judge_reply(&reply), "SessionReply.session");
	reply.type = QDA_TYPE_MODULE_OPEN;
	assert_refused(judge_reply(&reply), "ModuleReply.handle");
	reply = (struct qda_msg_reply){ .type = QDA_TYPE_BUFFER_ALLOC, .buffer = { 0, 4096 } };
	assert_refused(judge_reply(&reply), "BufferReply.buffer");
	assert_refused(judge_event(&event), "Log.session");
	event.type = QDA_TYPE_SESSION_LOST;
	assert_refused(judge_event(&event), "SessionLost.session");
}

/* --- arguments --- */

static int judge_args(uint32_t sc, const struct qda_msg_arg *args, uint32_t n)
{
	struct qda_msg_request in = { .type = QDA_TYPE_INVOKE, .invoke = { 1, 0, sc, n, args } };

	return judge(&in);
}

static void arguments_are_as_many_as_the_scalars_say(void **state)
{
	static struct qda_msg_arg args[QDA_ARGS_MAX + 1];

	assert_int_equal(judge_args(0, args, 0), 0);
	assert_refused(judge_args(0, args, 1), "Invoke.args");
	assert_int_equal(judge_args(0x00ffff00, args, 510), 0);
	assert_refused(judge_args(0x00ffff00, args, 509), "Invoke.args");
	assert_refused(judge_args(0x00ffff00, args, 511), "Invoke.args");
	assert_refused(judge_args(0x00ffffff, args, QDA_ARGS_MAX + 1), "Invoke.args");
}

static void kinds_stand_in_their_groups(void **state)
{
	static const uint32_t groups[] = { 0x00010000, 0x00000100, 0x00000010, 0x00000001 };
	static const bool allowed[4][6] = {
		{ true, true, false, false, false, false },
		{ true, true, false, false, false, false },
		{ false, false, true, true, true, false },
		{ false, false, false, true, true, false },
	};

	for (unsigned g = 0; g < 4; g++) {
		for (uint32_t kind = 0; kind < 6; kind++) {
			struct qda_msg_arg arg = { kind, 0, 0, 0 };

			assert_int_equal(judge_args(groups[g], &arg, 1),
					 allowed[g][kind] ? 0 : -EINVAL);
		}
	}
}

static void inline_arguments(void **state)
{
	for (unsigned i = 0; i < N(edges); i++) {
		for (unsigned j = 0; j < N(edges); j++) {
			struct qda_msg_arg arg = { QDA_ARG_INLINE, edges[i], 0, edges[j] };
			uint64_t end;
			bool ok = !__builtin_add_overflow(edges[i], edges[j], &end) &&
				  edges[j] <= QDA_MESSAGE_MAX;

			assert_int_equal(judge_args(0x00010000, &arg, 1), ok ? 0 : -EINVAL);
			assert_int_equal(judge_args(0x00000100, &arg, 1), ok ? 0 : -EINVAL);
		}
	}
	struct qda_msg_arg shifted = { QDA_ARG_INLINE, 0, 1, 4 };

	assert_refused(judge_args(0x00010000, &shifted, 1), "args[0]");
}

static void inline_bytes_are_counted_together(void **state)
{
	struct qda_msg_arg args[] = { { 0, 0, 0, 40000 }, { 0, 0, 0, 25536 } };
	uint32_t in, out;

	assert_int_equal(judge_args(0x00010100, args, 2), 0);
	assert_int_equal(qda_inline_sizes(0x00010100, args, &in, &out), 0);
	assert_int_equal(in, 40000);
	assert_int_equal(out, 25536);
	args[1].length++;
	assert_refused(judge_args(0x00010100, args, 2), "inline data");
	assert_int_equal(qda_inline_sizes(0x00010100, args, &in, &out), -EMSGSIZE);
	args[1].kind = QDA_ARG_BUFFER;
	assert_int_equal(judge_args(0x00010100, args, 2), 0);
}

static void places_in_buffers(void **state)
{
	for (unsigned i = 0; i < N(edges); i++) {
		for (unsigned j = 0; j < N(edges); j++) {
			struct qda_msg_arg arg = { QDA_ARG_BUFFER, 1, edges[i], edges[j] };
			bool ok = edges[i] <= 0xfffff000 && edges[j] <= 0xfffff000 &&
				  edges[i] + edges[j] <= 0xfffff000;

			assert_int_equal(judge_args(0x00010000, &arg, 1), ok ? 0 : -EINVAL);
			arg.kind = QDA_ARG_KEY;
			assert_int_equal(judge_args(0x00000010, &arg, 1), ok ? 0 : -EINVAL);
		}
	}
}

static void handles_have_no_place(void **state)
{
	struct qda_msg_arg arg = { QDA_ARG_KEY, 0x40000000, 0, 0 };

	assert_refused(judge_args(0x10, &arg, 1), "args[0]");
	arg = (struct qda_msg_arg){ QDA_ARG_NUMBER, 1, 1, 0 };
	assert_refused(judge_args(0x10, &arg, 1), "args[0]");
	arg = (struct qda_msg_arg){ QDA_ARG_MODULE, 1, 0, 1 };
	assert_refused(judge_args(0x10, &arg, 1), "args[0]");
	for (unsigned i = 0; i < 3; i++) {
		arg = (struct qda_msg_arg){ QDA_ARG_NUMBER, i == 0, i == 1, i == 2 };
		assert_refused(judge_args(0x01, &arg, 1), "args[0]");
		arg.kind = QDA_ARG_MODULE;
		assert_refused(judge_args(0x01, &arg, 1), "args[0]");
	}
}

/* --- strings --- */

static int judge_domain(const char *domain)
{
	struct qda_msg_request in = { .type = QDA_TYPE_SESSION_OPEN, .session_open = { domain } };

	return judge(&in);
}

static void strings_are_printable_utf8(void **state)
{
	static const char *const good[] = { "", "cdsp", "\xc2\xa0", "\xdf\xbf", "\xe0\xa0\x80",
					    "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80",
					    "\xf4\x8f\xbf\xbf", "123456789012345",
					    "\xd8\x9b", "\xe2\x80\x8d", "\xe2\x80\xaf" };
	static const char *const bad[] = {
		"\n", "a\x1b[31m", "\x7f", "a\x80", "\xc2", "\xc1\xbf", "\xc2\x9f", "\xc3(",
		"\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "1234567890123456",
		/* what would show a line backwards, or as two */
		"\xd8\x9c", "\xe2\x80\x8e", "\xe2\x80\xa8", "\xe2\x80\xae", "\xe2\x81\xa6",
	};
	static const uint8_t nul[] = { 0x0a, 3, 'a', 0, 'b' };

	for (unsigned i = 0; i < N(good); i++)
		assert_int_equal(judge_domain(good[i]), 0);
	for (unsigned i = 0; i < N(bad); i++)
		assert_refused(judge_domain(bad[i]), "SessionOpen.domain");
	assert_refused(decode_request(QDA_TYPE_SESSION_OPEN, nul, sizeof(nul)),
		       "SessionOpen.domain");
	assert_int_equal(decode_request(QDA_TYPE_SESSION_OPEN, nul, 0), 0);
}

static void uris_have_a_limit(void **state)
{
	char uri[QDA_URI_MAX + 2];
	struct qda_msg_request in = { .type = QDA_TYPE_MODULE_OPEN, .module_open = { 1, uri } };

	memset(uri, 'u', sizeof(uri));
	uri[QDA_URI_MAX] = '\0';
	assert_int_equal(judge(&in), 0);
	uri[QDA_URI_MAX] = 'u';
	uri[QDA_URI_MAX + 1] = '\0';
	assert_refused(judge(&in), "ModuleOpen.uri");
	uri[0] = '\0';
	assert_refused(judge(&in), "ModuleOpen.uri");
}

static void texts_are_made_fit_for_sending(void **state)
{
	static const char line[] = "a\tb\x1b[0m\n\xffz\xc3\xa4\xe2\x80\xae!";
	char longer[QDA_TEXT_MAX + 10];
	struct qda_msg_event in = { .type = QDA_TYPE_LOG, .log = { 1, 0, 0, line } }, out;
	int n = qda_event_encode(message, sizeof(message), &in);

	assert_int_equal(
		qda_event_decode(&decoder, QDA_TYPE_LOG, message + 16, (size_t)n - 16, &out), 0);
	assert_string_equal(out.log.text, "a b [0m ?z\xc3\xa4?!");

	/* Cut between two characters: the last one has two bytes and only one fits. */
	memset(longer, 'x', sizeof(longer));
	memcpy(longer + QDA_TEXT_MAX - 1, "\xc3\xa4", 3);
	in.log.text = longer;
	n = qda_event_encode(message, sizeof(message), &in);
	assert_int_equal(
		qda_event_decode(&decoder, QDA_TYPE_LOG, message + 16, (size_t)n - 16, &out), 0);
	assert_int_equal(strlen(out.log.text), QDA_TEXT_MAX - 1);
	in.log.text = NULL;
	assert_int_equal(judge_event(&in), 0);
}

/* --- whole messages --- */

static void unknown_types(void **state)
{
	static const uint16_t types[] = { 0, 8, 17, 32, 127, 131, 255, 256, 65535 };
	struct qda_msg_request request;
	struct qda_msg_reply reply;
	struct qda_msg_event event;

	for (unsigned i = 0; i < N(types); i++) {
		assert_int_equal(qda_request_decode(&decoder, types[i], message, 0, &request),
				 -EOPNOTSUPP);
		assert_int_equal(qda_reply_decode(&decoder, types[i], message, 0, &reply),
				 -EOPNOTSUPP);
		assert_int_equal(qda_event_decode(&decoder, types[i], message, 0, &event),
				 -EOPNOTSUPP);
		request.type = reply.type = event.type = types[i];
		reply.status.code = 0;
		assert_int_equal(qda_request_encode(message, 100, 1, &request), -EOPNOTSUPP);
		assert_int_equal(qda_reply_encode(message, 100, 1, &reply), -EOPNOTSUPP);
		assert_int_equal(qda_event_encode(message, 100, &event), -EOPNOTSUPP);
	}
}

static void unknown_fields_are_ignored(void **state)
{
	/* Cancel.serial = 7 between field 100 (varint), 101 (bytes), 102 (fixed32), 103 (fixed64)
	 * */
	static const uint8_t body[] = {
		0xa0, 0x06, 0x05, 0xaa, 0x06, 0x02, 0xff, 0x00, 0x08, 0x07,
		0xb5, 0x06, 1, 2, 3, 4, 0xb9, 0x06, 1, 2, 3, 4, 5, 6, 7, 8,
	};
	struct qda_msg_request out;

	assert_int_equal(qda_request_decode(&decoder, QDA_TYPE_CANCEL, body, sizeof(body), &out),
			 0);
	assert_true(out.cancel.serial == 7);
}

static void what_is_no_message_is_refused(void **state)
{
	static const uint8_t bodies[][4] = {
		{ 0x08, 0x80, 0x80, 0x80 }, /* a number without end */
		{ 0x0b, 0x0c, 0x0b, 0x0c }, /* groups */
		{ 0x00, 0x00, 0x00, 0x00 }, /* field 0 */
		{ 0x0f, 0x01, 0x02, 0x03 }, /* wire type 7 */
		{ 0x12, 0x7f, 0x01, 0x02 }, /* longer than the body */
	};

	for (unsigned i = 0; i < N(bodies); i++)
		assert_int_equal(decode_request(QDA_TYPE_BUFFER_ALLOC, bodies[i], 4), -EBADMSG);
}

/* Each prefix in memory of its own size, so that a read beyond it is seen by the sanitizer. */
static void try_truncations(const struct qda_msg_request *in)
{
	int n = qda_request_encode(message, sizeof(message), 1, in);

	for (size_t cut = 0; cut < (size_t)n - QDA_FRAME_SIZE; cut++) {
		uint8_t *part = malloc(cut ? cut : 1);
		int r;

		assert_non_null(part);
		memcpy(part, message + QDA_FRAME_SIZE, cut);
		r = decode_request(in->type, part, cut);
		free(part);
		assert_true(r == 0 || r == -EBADMSG || r == -EINVAL);
		/* An argument less than the scalars say, or half a field: never a call. */
		if (in->type == QDA_TYPE_INVOKE && cut > 16)
			assert_int_not_equal(r, 0);
	}
}

static void truncated_messages(void **state)
{
	const struct qda_msg_arg args[] = { { 0, 4, 0, 4 }, { 1, 1, 4096, 77 }, { 4, 9, 0, 0 },
					    { 3, 0, 0, 0 } };
	const struct qda_msg_request invoke = { .type = QDA_TYPE_INVOKE,
						.invoke = { 1ull << 60, 5, 0x02010111, 4, args } };
	const struct qda_msg_request open = { .type = QDA_TYPE_MODULE_OPEN,
					      .module_open = { 5, "file:///a.so" } };
	const struct qda_msg_request map = { .type = QDA_TYPE_BUFFER_MAP,
					     .buffer_map = { 1, 2, 4096, 4096, 5 } };

	try_truncations(&invoke);
	try_truncations(&open);
	try_truncations(&map);
}

static void messages_that_want_too_much_memory(void **state)
{
	static uint8_t body[QDA_BODY_MAX];

	/* 32 Ki empty arguments: 0x22 0x00 */
	for (size_t i = 0; i + 1 < sizeof(body); i += 2)
		body[i] = 0x22;
	assert_int_equal(decode_request(QDA_TYPE_INVOKE, body, sizeof(body) / 2 * 2), -EINVAL);
	/* 32 Ki unknown fields: 0x28 0x00 */
	for (size_t i = 0; i + 1 < sizeof(body); i += 2)
		body[i] = 0x28;
	assert_int_equal(decode_request(QDA_TYPE_INVOKE, body, sizeof(body) / 2 * 2), -EINVAL);
	/* the same message fits again afterwards */
	assert_int_equal(decode_request(QDA_TYPE_INVOKE, body, 4), 0);
	/* one more argument than a call can have is refused by count, not by memory */
	for (size_t i = 0; i < 2 * (QDA_ARGS_MAX + 1); i += 2)
		body[i] = 0x22;
	assert_refused(decode_request(QDA_TYPE_INVOKE, body, 2 * (QDA_ARGS_MAX + 1)),
		       "541 elements");
}

static void too_many_rows(void **state)
{
	static struct qda_msg_domain rows[QDA_ROWS_MAX + 1];
	struct qda_msg_reply in = { .type = QDA_TYPE_LIST_DOMAINS,
				    .list_domains = { QDA_ROWS_MAX, rows } };

	assert_int_equal(judge_reply(&in), 0);
	in.list_domains.n++;
	assert_refused(judge_reply(&in), "domains");
}

static void encoding_keeps_to_its_memory(void **state)
{
	const struct qda_msg_request in = { .type = QDA_TYPE_MODULE_OPEN,
					    .module_open = { 5, "file:///a.so" } };
	int whole = qda_request_encode(message, sizeof(message), 1, &in);

	for (int size = 0; size <= whole; size++) {
		uint8_t *out = malloc((size_t)size + 1);

		assert_non_null(out);
		out[size] = 0x5a;
		assert_int_equal(qda_request_encode(out, (size_t)size, 1, &in),
				 size < whole ? -EMSGSIZE : whole);
		assert_int_equal(out[size], 0x5a);
		free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_of_buffers),
		cmocka_unit_test(places_of_maps),
		cmocka_unit_test(keys),
		cmocka_unit_test(small_numbers),
		cmocka_unit_test(objects_are_never_zero),
		cmocka_unit_test(arguments_are_as_many_as_the_scalars_say),
		cmocka_unit_test(kinds_stand_in_their_groups),
		cmocka_unit_test(inline_arguments),
		cmocka_unit_test(inline_bytes_are_counted_together),
		cmocka_unit_test(places_in_buffers),
		cmocka_unit_test(handles_have_no_place),
		cmocka_unit_test(strings_are_printable_utf8),
		cmocka_unit_test(uris_have_a_limit),
		cmocka_unit_test(texts_are_made_fit_for_sending),
		cmocka_unit_test(unknown_types),
		cmocka_unit_test(unknown_fields_are_ignored),
		cmocka_unit_test(what_is_no_message_is_refused),
		cmocka_unit_test(truncated_messages),
		cmocka_unit_test(messages_that_want_too_much_memory),
		cmocka_unit_test(too_many_rows),
		cmocka_unit_test(encoding_keeps_to_its_memory),
	};

	return cmocka_run_group_tests_name("codec_limits", tests, NULL, NULL);
}
