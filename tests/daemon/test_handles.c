/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arguments that name something: handles in and out, keys, the numbers of the older interface; and
 * lists of arguments that are wrong.
 */
#include "library.h"
#include "peer.h"

#include "qda_args.h"
#include "qda_bad.h"
#include "qda_old.h"

#define N(array) (sizeof(array) / sizeof(*(array)))

/* --- handles --- */

static uint32_t objects(struct qda_module *m)
{
	uint32_t n = 0;

	INVOKE(m, QDA_ARGS_OBJECTS, qda_out(&n, sizeof(n)));
	return n;
}

static void an_out_handle_is_called_and_closed_like_a_module(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	struct qda_module *counter = NULL, *other = NULL;
	int32_t start = 40, by = 2, now = 0;

	assert_int_equal(objects(u.module), 1);
	INVOKE(u.module, QDA_ARGS_COUNTER_NEW, qda_in(&start, 4), qda_out_module(&counter));
	assert_non_null(counter);
	start = -5;
	INVOKE(u.module, QDA_ARGS_COUNTER_NEW, qda_in(&start, 4), qda_out_module(&other));
	assert_non_null(other);
	assert_int_equal(objects(u.module), 3);
	INVOKE(counter, QDA_ARGS_COUNTER_ADD, qda_in(&by, 4), qda_out(&now, 4));
	assert_int_equal(now, 42);
	INVOKE(other, QDA_ARGS_COUNTER_ADD, qda_in(&by, 4), qda_out(&now, 4));
	assert_int_equal(now, -3);
	qda_module_close(counter);
	assert_int_equal(objects(u.module), 2);
	INVOKE(other, QDA_ARGS_COUNTER_ADD, qda_in(&by, 4), qda_out(&now, 4));
	assert_int_equal(now, -1);
	qda_module_close(other);
	assert_int_equal(objects(u.module), 1);
	user_free(&u);
}

static void fifteen_out_handles_come_at_once(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	struct qda_module *out[15] = { NULL };
	struct qda_arg args[16] = { qda_out(NULL, 0) };

	for (unsigned i = 0; i < 15; i++)
		args[1 + i] = qda_out_module(&out[i]);
	must(qda_invoke(u.module, QDA_ARGS_HANDLES, args, 16, NULL, &library_error));
	for (unsigned i = 0; i < 15; i++)
		assert_non_null(out[i]);
	user_free(&u);
}

/* A number that happens to be a remote handle of the PD would stand for what that names; those are
 * 0x80000000 and up, counted by generation and place, so 0x80000fff is none yet. */
static void in_handles_arrive_as_the_numbers_they_are(void **state)
{
	static const uint64_t numbers[15] = { 0,	   1,	       2,
					      0x7fffffff,  0x80000fff, 0xffffffff,
					      0x100000000, UINT64_MAX, 0x8000000000000000 };
	struct user u = user_new(*state, QDA_ARGS_URI);
	struct qda_arg args[16];
	uint64_t seen[15];

	args[0] = qda_out(seen, sizeof(seen));
	for (unsigned i = 0; i < 15; i++)
		args[1 + i] = qda_in_number(numbers[i]);
	must(qda_invoke(u.module, QDA_ARGS_HANDLES, args, 16, NULL, &library_error));
	assert_memory_equal(seen, numbers, sizeof(seen));
	user_free(&u);
}

/* A module as an in handle names to the skel what the skel gave out for it. */
static void a_module_as_in_handle_is_the_skels_own_value(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	struct qda_module *counter;
	int32_t start = 1;
	uint64_t seen[2];

	INVOKE(u.module, QDA_ARGS_COUNTER_NEW, qda_in(&start, 4), qda_out_module(&counter));
	INVOKE(u.module, QDA_ARGS_HANDLES, qda_out(seen, sizeof(seen)), qda_in_module(u.module),
	       qda_in_module(counter));
	assert_int_equal(seen[0], 1); /* the first place of its table, and the second */
	assert_int_equal(seen[1], 2);
	user_free(&u);
}

static void a_module_of_another_session_is_refused(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	struct qda_module *other = library_module(library_session(u.client), QDA_ARGS_URI);
	uint64_t seen;

	/* The library knows already. */
	INVOKE_FAILS(-EINVAL, u.module, QDA_ARGS_HANDLES, qda_out(&seen, 8), qda_in_module(other));
	user_free(&u);
}

static void a_module_of_another_session_is_refused_by_the_daemon(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t first = peer_open(p, QDA_ARGS_URI), second = peer_open(p, QDA_ARGS_URI);
	struct invocation *i = invocation_new(first, QDA_ARGS_HANDLES);

	invocation_out(i, 8);
	invocation_arg(i, 2, QDA_ARG_MODULE, second, 0, 0);
	invocation_refused(p, i, EXDEV);
	peer_free(p);
}

static void handles_that_no_skel_made_are_no_handles(void **state)
{
	struct user u = user_new(*state, QDA_BAD_URI);
	struct qda_module *out[3] = { NULL };

	INVOKE(u.module, QDA_BAD_HANDLES, qda_out_module(&out[0]), qda_out_module(&out[1]),
	       qda_out_module(&out[2]));
	/* Remote handles they are, but closing and calling them concerns the skel alone. */
	for (unsigned i = 0; i < 3; i++)
		qda_module_close(out[i]);
	assert_int_equal(qda_session_alive(u.session, NULL), 1);
	user_free(&u);
}

/* --- keys --- */

static void a_key_names_a_buffer_to_the_skel(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	struct qda_buffer *buffer = library_buffer(u.client, 65536);
	uint8_t *data = qda_buffer_data(buffer);
	uint32_t length = 3000;
	struct qda_args_key seen;
	uint64_t address = 0;

	fill_pattern(data, 65536, 12);
	must(qda_buffer_map(u.session, buffer, 0x3fffffff, 4096, 32768, &address, &library_error));
	assert_int_not_equal(address, 0);
	INVOKE(u.module, QDA_ARGS_KEY_SUM, qda_in(&length, 4), qda_out(&seen, sizeof(seen)),
	       qda_in_key(0x3fffffff, 777, 3000));
	assert_int_equal(seen.offset, 777);
	assert_int_equal(seen.size, 32768);
	assert_int_equal(seen.fnv, qda_args_fnv(QDA_ARGS_FNV_START, data + 4096 + 777, 3000));
	user_free(&u);
}

static void a_key_in_the_payload_reaches_the_buffer(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	struct qda_buffer *buffer = library_buffer(u.client, 16384);
	struct qda_args_key_fill in = { 7, 100, 9000, 55 };
	uint8_t *data = qda_buffer_data(buffer);

	must(qda_buffer_map(u.session, buffer, 7, 0, 0, NULL, &library_error));
	INVOKE(u.module, QDA_ARGS_KEY_FILL, qda_in(&in, sizeof(in)));
	for (uint32_t i = 0; i < 9000; i++)
		assert_int_equal(data[100 + i], qda_args_byte(55, 0, i));
	assert_int_equal(data[99], 0);
	assert_int_equal(data[9100], 0);
	user_free(&u);
}

static void a_key_that_was_unmapped_names_nothing(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	struct qda_buffer *buffer = library_buffer(u.client, 4096);
	struct qda_args_key_fill in = { 7, 0, 16, 1 };

	must(qda_buffer_map(u.session, buffer, 7, 0, 0, NULL, &library_error));
	assert_int_equal(qda_buffer_map(u.session, buffer, 7, 0, 0, NULL, &library_error), -EEXIST);
	INVOKE(u.module, QDA_ARGS_KEY_FILL, qda_in(&in, sizeof(in)));
	must(qda_buffer_unmap(u.session, 7, &library_error));
	INVOKE_FAILS(-EREMOTEIO, u.module, QDA_ARGS_KEY_FILL, qda_in(&in, sizeof(in)));
	assert_int_equal(qda_buffer_unmap(u.session, 7, &library_error), -ENOENT);
	must(qda_buffer_map(u.session, buffer, 7, 0, 0, NULL, &library_error));
	INVOKE(u.module, QDA_ARGS_KEY_FILL, qda_in(&in, sizeof(in)));
	user_free(&u);
}

static void a_buffer_freed_under_its_key_stays_for_the_skel(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	struct qda_buffer *buffer = library_buffer(u.client, 4096);
	struct qda_args_key seen;
	uint8_t copy[4096];
	uint32_t length = 4096;

	fill_pattern(qda_buffer_data(buffer), 4096, 13);
	fill_pattern(copy, 4096, 13);
	must(qda_buffer_map(u.session, buffer, 1, 0, 0, NULL, &library_error));
	qda_buffer_free(buffer);
	INVOKE(u.module, QDA_ARGS_KEY_SUM, qda_in(&length, 4), qda_out(&seen, sizeof(seen)),
	       qda_in_key(1, 0, 4096));
	assert_int_equal(seen.fnv, qda_args_fnv(QDA_ARGS_FNV_START, copy, 4096));
	user_free(&u);
}

/* --- the older kind of skel --- */

static void the_older_interface_has_no_handle(void **state)
{
	struct user u = user_new(*state, QDA_OLD_NAME);
	const struct qda_old_in lengths = { 1000, 1000 };
	const uint32_t factors[2] = { 100003, 70001 };
	uint8_t in[1000], out[1000];
	uint32_t product = 0;

	fill_pattern(in, sizeof(in), 14);
	INVOKE(u.module, QDA_OLD_REVERSE, qda_in(&lengths, sizeof(lengths)), qda_in(in, sizeof(in)),
	       qda_out(out, sizeof(out)));
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(out[i], in[999 - i]);
	INVOKE(u.module, QDA_OLD_MULTIPLY, qda_in(factors, sizeof(factors)), qda_out(&product, 4));
	assert_int_equal(product, (uint32_t)(100003u * 70001u));
	user_free(&u);
}

static void numbers_of_the_older_interface_are_numbers(void **state)
{
	static const uint64_t in[4] = { 0, 41, 0x80000ffe, 0x123456789a };
	struct user u = user_new(*state, QDA_OLD_NAME);
	uint64_t out[4] = { 0 };
	struct qda_arg args[8];

	for (unsigned i = 0; i < 4; i++) {
		args[i] = qda_in_number(in[i]);
		args[4 + i] = qda_out_number(&out[i]);
	}
	must(qda_invoke(u.module, QDA_OLD_NUMBERS, args, 8, NULL, &library_error));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(out[i], in[i] + 1);
	user_free(&u);
}

/* --- lists that are wrong --- */

static void argument_lists_that_do_not_fit_the_scalars_are_refused(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_ARGS_URI);
	struct qda_msg_arg args[4] = { { QDA_ARG_INLINE, 0, 0, 0 }, { QDA_ARG_INLINE, 0, 0, 0 } };

	for (uint32_t n = 0; n < 4; n++) {
		struct qda_msg_request *request =
			REQUEST(INVOKE, .invoke = { handle, 0, 0x02010100, n, args });

		if (n != 2)
			peer_refused(p, request, EINVAL);
		else
			peer_ok(p, request);
	}
	peer_free(p);
}

/* An argument of this kind in this group (0 in .. 3 out handle) of an otherwise good call. */
static int try_kind(struct peer *p, uint64_t handle, unsigned group, uint32_t kind)
{
	struct invocation *i = invocation_new(handle, QDA_ARGS_HANDLES);

	if (group == 0)
		invocation_arg(i, 0, kind, 0, 0, 0);
	invocation_arg(i, 1, group == 1 ? kind : QDA_ARG_INLINE, 0, 0, 0);
	if (group >= 2)
		invocation_arg(i, group, kind, group == 2 && kind == QDA_ARG_MODULE ? handle : 0, 0,
			       0);
	return (int)peer_await(p, invocation_post(p, i))->status.code;
}

static void arguments_of_a_kind_that_does_not_belong_there_are_refused(void **state)
{
	static const bool allowed[4][6] = {
		{ true, true, false, false, false, false },
		{ true, true, false, false, false, false },
		{ false, false, true, true, true, false },
		{ false, false, false, true, true, false },
	};
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_ARGS_URI);

	for (unsigned group = 0; group < 4; group++) {
		for (uint32_t kind = 0; kind < 6; kind++) {
			int code = try_kind(p, handle, group, kind);

			if (group == 2 && kind == QDA_ARG_KEY)
				assert_int_not_equal(code, 0); /* there is no such key */
			else if (allowed[group][kind])
				assert_int_equal(code, 0);
			else
				assert_int_equal(code, EINVAL);
		}
	}
	peer_free(p);
}

static void inline_bytes_that_do_not_add_up_are_refused(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_ARGS_URI);

	for (int extra = -1; extra <= 1; extra++) {
		struct invocation *i = invocation_new(handle, QDA_ARGS_CHECKSUM);

		invocation_in(i, "0123456789", 10);
		invocation_out(i, sizeof(struct qda_args_sum));
		i->n_data += (size_t)extra;
		if (extra)
			invocation_refused(p, i, EINVAL);
		else
			invocation_run(p, i);
	}
	peer_free(p);
}

static void lengths_at_every_border_are_refused_or_right(void **state)
{
	static const uint64_t lengths[] = { 61441,
					    65535,
					    65536,
					    1u << 31,
					    UINT32_MAX,
					    1ull << 32,
					    (1ull << 32) + 8,
					    1ull << 63,
					    UINT64_MAX - 7,
					    UINT64_MAX };
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_ARGS_URI);

	for (unsigned i = 0; i < N(lengths); i++) {
		for (unsigned out = 0; out < 2; out++) {
			struct invocation *call = invocation_new(handle, QDA_ARGS_ECHO);
			const struct qda_msg_reply *reply;

			invocation_arg(call, 0, QDA_ARG_INLINE, 0, 0, out ? 0 : lengths[i]);
			invocation_arg(call, 1, QDA_ARG_INLINE, 1 << 20, 0, out ? lengths[i] : 0);
			reply = peer_await(p, invocation_post(p, call));
			assert_true(reply->status.code == EMSGSIZE ||
				    reply->status.code == EINVAL ||
				    reply->status.code == EOVERFLOW);
		}
	}
	peer_free(p);
}

static void inline_arguments_that_wrap_around_are_refused(void **state)
{
	struct peer *p = peer_new(*state);
	struct invocation *i = invocation_new(peer_open(p, QDA_ARGS_URI), QDA_ARGS_CHECKSUM);
	const struct qda_msg_reply *reply;

	invocation_arg(i, 0, QDA_ARG_INLINE, UINT64_MAX - 3, 0, 8);
	i->n_data = 8;
	invocation_out(i, sizeof(struct qda_args_sum));
	reply = peer_await(p, invocation_post(p, i));
	assert_int_not_equal(reply->status.code, 0);
	assert_true(strlen(reply->status.text) > 10);
	peer_free(p);
}

static void places_outside_a_buffer_are_refused(void **state)
{
	static const uint64_t places[][2] = {
		{ 0, 8193 },	   { 1, 8192 },
		{ 8192, 1 },	   { 8193, 0 },
		{ 1ull << 32, 1 }, { 0, 1ull << 32 },
		{ UINT64_MAX, 1 }, { UINT64_MAX, UINT64_MAX },
		{ 1, UINT64_MAX }, { 4096, (1ull << 32) - 4096 },
	};
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_ARGS_URI), buffer = peer_buffer(p, 8192, NULL);

	for (unsigned i = 0; i < N(places); i++) {
		struct invocation *call = invocation_new(handle, QDA_ARGS_CHECKSUM);
		const struct qda_msg_reply *reply;

		invocation_arg(call, 0, QDA_ARG_BUFFER, buffer, places[i][0], places[i][1]);
		invocation_out(call, sizeof(struct qda_args_sum));
		reply = peer_await(p, invocation_post(p, call));
		assert_true(reply->status.code == ERANGE || reply->status.code == EINVAL);
	}
	peer_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_out_handle_is_called_and_closed_like_a_module),
		TEST(fifteen_out_handles_come_at_once),
		TEST(in_handles_arrive_as_the_numbers_they_are),
		TEST(a_module_as_in_handle_is_the_skels_own_value),
		TEST(a_module_of_another_session_is_refused),
		TEST(a_module_of_another_session_is_refused_by_the_daemon),
		TEST(handles_that_no_skel_made_are_no_handles),
		TEST(a_key_names_a_buffer_to_the_skel),
		TEST(a_key_in_the_payload_reaches_the_buffer),
		TEST(a_key_that_was_unmapped_names_nothing),
		TEST(a_buffer_freed_under_its_key_stays_for_the_skel),
		TEST(the_older_interface_has_no_handle),
		TEST(numbers_of_the_older_interface_are_numbers),
		TEST(argument_lists_that_do_not_fit_the_scalars_are_refused),
		TEST(arguments_of_a_kind_that_does_not_belong_there_are_refused),
		TEST(inline_bytes_that_do_not_add_up_are_refused),
		TEST(lengths_at_every_border_are_refused_or_right),
		TEST(inline_arguments_that_wrap_around_are_refused),
		TEST(places_outside_a_buffer_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
