/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The protocol as a stranger would get it wrong. Whatever one connection says, it gets an answer or
 * its end; another connection never notices.
 */
#include "peer.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "qda_args.h"
#include "qda_null.h"

/* --- frames --- */

static size_t put_request(struct peer *p, const struct qda_msg_request *request, uint8_t *out)
{
	int n = qda_request_encode(out, QDA_MESSAGE_MAX, ++p->serial, request);

	assert_true(n > 0);
	return (size_t)n;
}

/* A connection that sends these bytes after its Hello is ended without a word. */
static void assert_ends(const struct broker *b, const void *bytes, size_t n)
{
	struct peer *p = peer_new(b);

	peer_send_raw(p, bytes, n, NULL, 0);
	peer_expect_end(p);
	peer_free(p);
}

static void a_short_header_ends_the_connection(void **state)
{
	uint8_t bytes[QDA_FRAME_SIZE];

	qda_frame_write(bytes, &(struct qda_frame){ 1, 0, QDA_TYPE_LIST_DOMAINS, 0, 2 });
	for (size_t n = 0; n < sizeof(bytes); n++)
		assert_ends(*state, bytes, n);
}

static void a_false_magic_ends_the_connection(void **state)
{
	uint8_t bytes[QDA_FRAME_SIZE];

	for (unsigned bit = 0; bit < 16; bit++) {
		qda_frame_write(bytes, &(struct qda_frame){ 1, 0, QDA_TYPE_LIST_DOMAINS, 0, 2 });
		bytes[bit / 8] ^= 1u << bit % 8;
		assert_ends(*state, bytes, sizeof(bytes));
	}
}

static void replies_and_events_from_a_client_end_the_connection(void **state)
{
	uint8_t bytes[QDA_FRAME_SIZE];

	for (unsigned flags = 1; flags < 256; flags = flags < 4 ? flags + 1 : flags * 2) {
		qda_frame_write(bytes,
				&(struct qda_frame){ 1, flags, QDA_TYPE_LIST_DOMAINS, 0, 2 });
		assert_ends(*state, bytes, sizeof(bytes));
	}
}

static void a_body_longer_than_the_message_ends_the_connection(void **state)
{
	uint8_t bytes[QDA_FRAME_SIZE + 3] = { 0 };
	const uint16_t lengths[] = { 4, 5, 255, 256, 32768, 65520, 65535 };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		qda_frame_write(bytes,
				&(struct qda_frame){ 1, 0, QDA_TYPE_LIST_DOMAINS, lengths[i], 2 });
		assert_ends(*state, bytes, sizeof(bytes));
	}
}

static void a_serial_that_does_not_rise_ends_the_connection(void **state)
{
	static const uint64_t second[] = { 0, 1, 6, 7 };

	for (size_t i = 0; i < sizeof(second) / sizeof(*second); i++) {
		struct peer *p = peer_connect(*state);
		uint8_t bytes[QDA_FRAME_SIZE];

		p->serial = 6;
		peer_ok(p, REQUEST(HELLO, .hello = { 1, 1, "seven" }));
		qda_frame_write(bytes,
				&(struct qda_frame){ 1, 0, QDA_TYPE_LIST_DOMAINS, 0, second[i] });
		peer_send_raw(p, bytes, sizeof(bytes), NULL, 0);
		peer_expect_end(p);
		peer_free(p);
	}
}

static void serials_may_leap(void **state)
{
	struct peer *p = peer_new(*state);

	p->serial = UINT64_MAX - 2;
	peer_ok(p, REQUEST(LIST_DOMAINS));
	peer_ok(p, REQUEST(LIST_DOMAINS));
	assert_int_equal(p->frame.serial, UINT64_MAX);
	peer_free(p);
}

static void a_message_over_64_kib_ends_the_connection(void **state)
{
	struct peer *p = peer_new(*state);
	uint8_t *bytes = calloc(1, QDA_MESSAGE_MAX + 1);

	qda_frame_write(bytes, &(struct qda_frame){ 1, 0, QDA_TYPE_LIST_DOMAINS, 0, 2 });
	peer_send_raw(p, bytes, QDA_MESSAGE_MAX + 1, NULL, 0);
	peer_expect_end(p);
	peer_free(p);
	free(bytes);
}

static void a_message_of_64_kib_is_answered(void **state)
{
	struct peer *p = peer_new(*state);
	uint8_t *bytes = calloc(1, QDA_MESSAGE_MAX);
	const struct qda_msg_reply *reply;

	qda_frame_write(bytes, &(struct qda_frame){ 1, 0, QDA_TYPE_LIST_DOMAINS, 0, ++p->serial });
	peer_send_raw(p, bytes, QDA_MESSAGE_MAX, NULL, 0);
	reply = peer_await(p, p->serial);
	assert_int_equal(reply->status.code, EINVAL); /* no inline data belongs there */
	assert_non_null(strstr(reply->status.text, "65520 bytes"));
	peer_ok(p, REQUEST(LIST_DOMAINS));
	peer_free(p);
	free(bytes);
}

static void an_unknown_type_is_refused_and_the_connection_stays(void **state)
{
	static const uint16_t types[] = { 0, 8, 17, 31, 32, 33, 63, 69, 127, 128, 130, 255, 256, 65535 };
	struct peer *p = peer_new(*state);

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		uint8_t bytes[QDA_FRAME_SIZE];

		qda_frame_write(bytes, &(struct qda_frame){ 1, 0, types[i], 0, ++p->serial });
		peer_send_raw(p, bytes, sizeof(bytes), NULL, 0);
		assert_true(peer_next(p));
		assert_int_equal(p->frame.serial, p->serial);
		assert_int_equal(p->frame.type, types[i]);
		/* Field 1, Status; in it field 1, code. */
		assert_true(p->frame.body_len > 4);
		assert_int_equal(p->in[QDA_FRAME_SIZE], 0x0a);
		assert_int_equal(p->in[QDA_FRAME_SIZE + 2], 0x08);
		assert_int_equal(p->in[QDA_FRAME_SIZE + 3], EOPNOTSUPP);
	}
	peer_ok(p, REQUEST(LIST_DOMAINS));
	peer_free(p);
}

/* --- Hello --- */

static void hello_tells_limits_and_version(void **state)
{
	struct peer *p = peer_connect(*state);
	const struct qda_msg_reply *reply = peer_ok(p, REQUEST(HELLO, .hello = { 1, 1, "limits" }));

	assert_int_equal(reply->hello.version, 1);
	assert_string_equal(reply->hello.daemon, "qdad " QDA_VERSION);
	assert_int_not_equal(reply->hello.epoch, 0);
	assert_int_equal(reply->hello.client_dirs, device_has(DEVICE_CLIENT_DIRS));
	assert_int_equal(reply->hello.limits.message_bytes, QDA_MESSAGE_MAX);
	assert_int_equal(reply->hello.limits.fds, 16);
	assert_int_equal(reply->hello.limits.inline_bytes, 61440);
	assert_int_equal(reply->hello.limits.sessions, 32);
	assert_int_equal(reply->hello.limits.buffers, 1024);
	assert_int_equal(reply->hello.limits.handles, 1024);
	assert_int_equal(reply->hello.limits.calls, 256);
	assert_true(reply->hello.limits.buffer_bytes > 1 << 20);
	peer_free(p);
}

static void versions_that_have_ours_among_them_are_met(void **state)
{
	static const uint32_t ranges[][2] = { { 0, 1 }, { 1, 1 }, { 1, 2 }, { 0, UINT32_MAX } };

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		struct peer *p = peer_connect(*state);

		assert_int_equal(
			peer_ok(p, REQUEST(HELLO, .hello = { ranges[i][0], ranges[i][1], "range" }))
				->hello.version,
			1);
		peer_free(p);
	}
}

static void other_versions_are_refused_and_ended(void **state)
{
	static const uint32_t ranges[][2] = { { 0, 0 }, { 2, 2 }, { 2, UINT32_MAX } };

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		struct peer *p = peer_connect(*state);

		peer_refused(p, REQUEST(HELLO, .hello = { ranges[i][0], ranges[i][1], "range" }),
			     EPROTONOSUPPORT);
		peer_expect_end(p);
		peer_free(p);
	}
}

static void a_range_upside_down_is_refused_and_ended(void **state)
{
	struct peer *p = peer_connect(*state);

	assert_non_null(strstr(peer_refused(p, REQUEST(HELLO, .hello = { 2, 1, "" }), EINVAL)->text,
			       "min_version"));
	peer_expect_end(p);
	peer_free(p);
}

static void whatever_comes_before_hello_ends_the_connection(void **state)
{
	for (uint16_t type = QDA_TYPE_HELLO + 1; type <= QDA_TYPE_SUBSCRIBE; type++) {
		struct peer *p = peer_connect(*state);
		uint8_t bytes[QDA_FRAME_SIZE];

		qda_frame_write(bytes, &(struct qda_frame){ 1, 0, type, 0, 1 });
		peer_send_raw(p, bytes, sizeof(bytes), NULL, 0);
		if (type == 8)
			assert_true(peer_next(p)); /* a type that does not exist is told so first */
		peer_expect_end(p);
		peer_free(p);
	}
}

static void a_second_hello_ends_the_connection(void **state)
{
	struct peer *p = peer_new(*state);

	peer_post(p, REQUEST(HELLO, .hello = { 1, 1, "again" }), NULL, 0, NULL, 0);
	peer_expect_end(p);
	peer_free(p);
}

static void silence_before_hello_ends_the_connection(void **state)
{
	struct peer *greeted = peer_new(*state), *silent;
	uint64_t since;

	/* Not from the start: to greet may take as long on a machine that is busy. */
	broker_configure(*state, "[daemon]\nhello_ms=100\n");
	peer_ok(greeted, REQUEST(RELOAD));
	since = clock_ms();
	silent = peer_connect(*state);
	peer_expect_end(silent);
	assert_true(clock_ms() - since >= 90); /* not before its time, however slow all is */
	peer_ok(greeted, REQUEST(LIST_DOMAINS)); /* for whom no time runs */
	peer_free(silent);
	peer_free(greeted);
}

/* --- bodies --- */

/* The body cut short at every byte: an answer each time, never an end, and the whole one works. */
static void assert_every_cut_is_answered(struct peer *p, const struct qda_msg_request *request)
{
	uint8_t whole[4096], bytes[4096];
	size_t n = put_request(p, request, whole);

	for (size_t cut = QDA_FRAME_SIZE; cut < n; cut++) {
		memcpy(bytes, whole, cut);
		qda_frame_write(bytes, &(struct qda_frame){ 1, 0, request->type,
							    cut - QDA_FRAME_SIZE, ++p->serial });
		peer_send_raw(p, bytes, cut, NULL, 0);
		peer_await(p, p->serial);
		if (p->reply.status.code)
			assert_true(strlen(p->reply.status.text) > 10);
	}
}

static void a_body_cut_at_any_byte_is_answered(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t session = peer_session(p), handle = peer_module(p, session, QDA_NULL_URI);
	struct qda_msg_arg args[] = { { QDA_ARG_INLINE, 1 << 20, 0, 0 },
				      { QDA_ARG_INLINE, 2 << 20, 0, 300 } };
	uint64_t buffer = peer_buffer(p, 8192, NULL);
	const struct qda_msg_request *requests[] = {
		REQUEST(GET_STATUS, .get_status = { 3, 1 << 20 }),
		REQUEST(BUFFER_ALLOC, .buffer_alloc = { 0x10000, "cdsp" }),
		REQUEST(BUFFER_MAP, .buffer_map = { session, buffer, 4096, 4096, 77 }),
		REQUEST(BUFFER_UNMAP, .buffer_unmap = { session, 77 }),
		REQUEST(MODULE_OPEN, .module_open = { session, QDA_NULL_URI }),
		REQUEST(INVOKE, .invoke = { handle, 0, 0x02010100, 2, args }),
		REQUEST(CANCEL, .cancel = { 1ull << 60 }),
		REQUEST(SUBSCRIBE, .subscribe = { 1 }),
		REQUEST(MODULE_CLOSE, .module_close = { handle }),
		REQUEST(SESSION_OPEN, .session_open = { "cdsp" }),
		REQUEST(SESSION_CLOSE, .session_close = { session }),
		REQUEST(BUFFER_FREE, .buffer_free = { buffer }),
	};

	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
		assert_every_cut_is_answered(p, requests[i]);
	peer_ok(p, REQUEST(LIST_DOMAINS));
	peer_free(p);
}

static void random_bodies_are_answered(void **state)
{
	struct peer *p = peer_new(*state);
	uint8_t bytes[QDA_FRAME_SIZE + 64];

	for (uint32_t round = 0; round < 4000; round++) {
		uint16_t type = 2 + round % 15, n = round * 7 % 64;

		if (type == QDA_TYPE_SESSION_OPEN || type == QDA_TYPE_BUFFER_IMPORT)
			continue; /* would succeed with next to any body, or wants a descriptor */
		fill_pattern(bytes + QDA_FRAME_SIZE, n, round);
		qda_frame_write(bytes, &(struct qda_frame){ 1, 0, type, n, ++p->serial });
		peer_send_raw(p, bytes, QDA_FRAME_SIZE + n, NULL, 0);
		assert_true(peer_next(p));
		assert_int_equal(p->frame.serial, p->serial);
	}
	peer_free(p);
}

static void random_datagrams_harm_nobody_else(void **state)
{
	struct peer *good = peer_new(*state);
	uint8_t bytes[512];

	for (uint32_t round = 0; round < 500; round++) {
		struct peer *bad = round % 2 ? peer_new(*state) : peer_connect(*state);

		fill_pattern(bytes, sizeof(bytes), round);
		peer_send_raw(bad, bytes, 1 + round % sizeof(bytes), NULL, 0);
		peer_expect_end(bad);
		peer_free(bad);
	}
	peer_ok(good, REQUEST(LIST_DOMAINS));
	assert_int_equal(peer_daemon_row(good).clients, 1);
	peer_free(good);
}

static void names_that_are_no_text_are_refused(void **state)
{
	static const char *const domains[] = { "cdsp\n", "\xff\xfe", "sixteen-letters!", "a\x7f" };
	struct peer *p = peer_new(*state);

	for (size_t i = 0; i < sizeof(domains) / sizeof(*domains); i++)
		peer_refused(p, REQUEST(SESSION_OPEN, .session_open = { domains[i] }), EINVAL);
	peer_refused(p, REQUEST(SESSION_OPEN, .session_open = { "adsp" }), ENODEV);
	peer_free(p);
}

/* --- replies --- */

static void requests_may_be_sent_ahead_of_their_replies(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t first = p->serial + 1;

	for (unsigned i = 0; i < 50; i++)
		peer_post(p, REQUEST(LIST_DOMAINS), NULL, 0, NULL, 0);
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(peer_await(p, first + i)->list_domains.n, 1);
	peer_free(p);
}

/* Sends until the broker takes no more. */
static unsigned send_until_full(struct peer *p)
{
	int n = qda_request_encode(p->out, sizeof(p->out), 0, REQUEST(GET_STATUS));
	struct iovec iov = { p->out, (size_t)n };
	unsigned sent = 0;
	struct pollfd writable = { p->fd, POLLOUT, 0 };

	/* Not once but for good: the broker may still be reading. */
	while (poll(&writable, 1, 200) == 1) {
		qda_request_encode(p->out, sizeof(p->out), ++p->serial, REQUEST(GET_STATUS));
		assert_int_equal(qda_packet_send(p->fd, &iov, 1, NULL, 0, MSG_DONTWAIT), 0);
		sent++;
	}
	return sent;
}

/* Nothing more is read from one who does not read, so its memory is bounded; the rest go on. */
static void a_client_that_never_reads_stops_only_itself(void **state)
{
	struct peer *deaf = peer_new(*state), *good = peer_new(*state);
	uint64_t first = deaf->serial + 1, since, cpu;
	unsigned sent = send_until_full(deaf);

	assert_true(sent > 10);
	for (unsigned i = 0; i < 1000; i++)
		peer_ok(good, REQUEST(LIST_DOMAINS));
	/* Nobody asks now, so there is nothing to do: what is not read makes it no work. */
	since = clock_ms();
	cpu = broker_cpu_ms(*state);
	poll(NULL, 0, 500);
	assert_true(broker_cpu_ms(*state) - cpu < (clock_ms() - since) / 8);
	/* When it reads at last, all is there and in order. */
	for (unsigned i = 0; i < sent; i++)
		peer_await(deaf, first + i);
	peer_free(deaf);
	peer_free(good);
}

static int setup_heap(void **state)
{
	return broker_setup_with(state, &(struct broker_options){ .heap = true });
}

static void a_client_that_never_reads_costs_little_memory(void **state)
{
	struct peer *deaf;
	int64_t before;

	broker_need_heap(*state);
	deaf = peer_new(*state);
	before = broker_heap(*state);
	send_until_full(deaf);
	assert_true(broker_heap(*state) - before < 128 * 1024);
	peer_free(deaf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_short_header_ends_the_connection),
		TEST(a_false_magic_ends_the_connection),
		TEST(replies_and_events_from_a_client_end_the_connection),
		TEST(a_body_longer_than_the_message_ends_the_connection),
		TEST(a_serial_that_does_not_rise_ends_the_connection),
		TEST(serials_may_leap),
		TEST(a_message_over_64_kib_ends_the_connection),
		TEST(a_message_of_64_kib_is_answered),
		TEST(an_unknown_type_is_refused_and_the_connection_stays),
		TEST(hello_tells_limits_and_version),
		TEST(versions_that_have_ours_among_them_are_met),
		TEST(other_versions_are_refused_and_ended),
		TEST(a_range_upside_down_is_refused_and_ended),
		TEST(whatever_comes_before_hello_ends_the_connection),
		TEST(a_second_hello_ends_the_connection),
		TEST(silence_before_hello_ends_the_connection),
		TEST(a_body_cut_at_any_byte_is_answered),
		TEST(random_bodies_are_answered),
		TEST(random_datagrams_harm_nobody_else),
		TEST(names_that_are_no_text_are_refused),
		TEST(requests_may_be_sent_ahead_of_their_replies),
		TEST(a_client_that_never_reads_stops_only_itself),
		TEST_WITH(a_client_that_never_reads_costs_little_memory, setup_heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
