/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every kind of argument from a program to a skel and back, compared byte for byte.
 */
#include "library.h"

#include <stdlib.h>

#include "qda_args.h"
#include "qda_bad.h"
#include "qda_sum.h"

#define N(array) (sizeof(array) / sizeof(*(array)))

/* --- inline --- */

static void the_calculator_calculates(void **state)
{
	struct user u = user_new(*state, QDA_SUM_URI);
	const int32_t numbers[] = { INT32_MAX, 5, -7, INT32_MAX };
	const struct qda_sum_in in = { N(numbers) };
	int64_t sum = 0;
	int32_t max = 0;

	INVOKE(u.module, QDA_SUM_PLAIN, qda_in(numbers, sizeof(numbers)),
	       qda_out(&sum, sizeof(sum)));
	assert_int_equal(sum, 2ll * INT32_MAX - 2);
	sum = 0;
	INVOKE(u.module, QDA_SUM_SUM, qda_in(&in, sizeof(in)), qda_in(numbers, sizeof(numbers)),
	       qda_out(&sum, sizeof(sum)));
	assert_int_equal(sum, 2ll * INT32_MAX - 2);
	INVOKE(u.module, QDA_SUM_MAX, qda_in(&in, sizeof(in)), qda_in(numbers, sizeof(numbers)),
	       qda_out(&max, sizeof(max)));
	assert_int_equal(max, INT32_MAX);
	user_free(&u);
}

static void inline_bytes_of_any_length_come_back(void **state)
{
	static const size_t lengths[] = { 0,	1,    2,    7,	  8,	 127,	128,  129,
					  4095, 4096, 4097, 8192, 12345, 30719, 30720 };
	struct user u = user_new(*state, QDA_ARGS_URI);
	uint8_t *in = malloc(30720), *out = malloc(30721);

	for (size_t i = 0; i < N(lengths); i++) {
		fill_pattern(in, lengths[i], (uint32_t)i);
		memset(out, 0xa5, 30721);
		INVOKE(u.module, QDA_ARGS_ECHO, qda_in(in, lengths[i]), qda_out(out, lengths[i]));
		assert_memory_equal(in, out, lengths[i]);
		assert_int_equal(out[lengths[i]], 0xa5);
	}
	free(in);
	free(out);
	user_free(&u);
}

static void inline_bytes_at_any_address_come_back(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	uint8_t in[300], out[300];

	fill_pattern(in, sizeof(in), 3);
	for (unsigned shift = 0; shift < 130; shift++) {
		memset(out, 0, sizeof(out));
		INVOKE(u.module, QDA_ARGS_ECHO, qda_in(in + shift, 150),
		       qda_out(out + 130 - shift, 150));
		assert_memory_equal(in + shift, out + 130 - shift, 150);
		assert_int_equal(out[130 - shift + 150], 0);
	}
	user_free(&u);
}

static void more_inline_bytes_than_the_limit_are_refused(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	uint8_t *bytes = calloc(1, 61441);
	struct qda_args_sum sum;

	INVOKE(u.module, QDA_ARGS_CHECKSUM, qda_in(bytes, 61440 - sizeof(sum)),
	       qda_out(&sum, sizeof(sum)));
	assert_int_equal(sum.bytes, 61440 - sizeof(sum));
	INVOKE_FAILS(-EMSGSIZE, u.module, QDA_ARGS_CHECKSUM, qda_in(bytes, 61441 - sizeof(sum)),
		     qda_out(&sum, sizeof(sum)));
	free(bytes);
	user_free(&u);
}

static void in_255_and_out_255_inline_arguments_come_back(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	struct qda_arg args[510];
	uint8_t in[255][100], out[255][100];

	fill_pattern(in, sizeof(in), 4);
	memset(out, 0, sizeof(out));
	for (unsigned i = 0; i < 255; i++) {
		args[i] = qda_in(in[i], i % 101);
		args[255 + i] = qda_out(out[i], i % 101);
	}
	must(qda_invoke(u.module, QDA_ARGS_ECHO, args, 510, NULL, &library_error));
	for (unsigned i = 0; i < 255; i++) {
		assert_memory_equal(in[i], out[i], i % 101);
		for (unsigned k = i % 101; k < 100; k++)
			assert_int_equal(out[i][k], 0);
	}
	user_free(&u);
}

static void outputs_are_filled_each_with_its_own(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	struct qda_args_fill in = { 99 };
	uint8_t out[3][5000];

	INVOKE(u.module, QDA_ARGS_FILL, qda_in(&in, sizeof(in)), qda_out(out[0], 5000),
	       qda_out(out[1], 0), qda_out(out[2], 4999));
	for (uint32_t i = 0; i < 4999; i++) {
		assert_int_equal(out[0][i], qda_args_byte(99, 0, i));
		assert_int_equal(out[2][i], qda_args_byte(99, 2, i));
	}
	user_free(&u);
}

static void inputs_that_overlap_overlap_on_the_dsp(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	uint8_t bytes[1000];
	struct qda_args_view views[4];

	fill_pattern(bytes, sizeof(bytes), 5);
	INVOKE(u.module, QDA_ARGS_VIEW, qda_in(bytes, 600), qda_in(bytes + 250, 700),
	       qda_in(bytes + 100, 50), qda_out(views, sizeof(views)));
	assert_int_equal(views[0].length, 600);
	assert_int_equal(views[1].distance, 250);
	assert_int_equal(views[1].length, 700);
	assert_int_equal(views[2].distance, 100);
	assert_int_equal(views[2].length, 50);
	user_free(&u);
}

static void an_output_may_be_its_own_input(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	uint8_t bytes[700], expected[700];

	fill_pattern(bytes, sizeof(bytes), 6);
	for (size_t i = 0; i < sizeof(bytes); i++)
		expected[i] = bytes[i] + 1;
	INVOKE(u.module, QDA_ARGS_ADD_ONE, qda_in(bytes, sizeof(bytes)),
	       qda_out(bytes, sizeof(bytes)));
	assert_memory_equal(bytes, expected, sizeof(bytes));
	user_free(&u);
}

static void an_output_may_overlap_its_input_by_half(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	uint8_t bytes[900], expected[900];

	fill_pattern(bytes, sizeof(bytes), 7);
	memcpy(expected, bytes, sizeof(bytes));
	for (size_t i = 0; i < 600; i++)
		expected[300 + i] = bytes[i] + 1;
	INVOKE(u.module, QDA_ARGS_ADD_ONE, qda_in(bytes, 600), qda_out(bytes + 300, 600));
	assert_memory_equal(bytes, expected, sizeof(bytes));
	user_free(&u);
}

static void what_a_method_returns_arrives_and_outputs_stay(void **state)
{
	static const int32_t values[] = { 1, -1, 0x27, (int32_t)0x80000402, INT32_MAX, INT32_MIN };
	struct user u = user_new(*state, QDA_BAD_URI);
	uint8_t out[32], before[32];

	memset(out, 0x5a, sizeof(out));
	memcpy(before, out, sizeof(out));
	for (size_t i = 0; i < N(values); i++) {
		INVOKE_FAILS(-EREMOTEIO, u.module, QDA_BAD_RETURN, qda_in(&values[i], 4),
			     qda_out(out, sizeof(out)));
		assert_int_equal(library_error.dsp_result, values[i]);
		assert_memory_equal(out, before, sizeof(out));
	}
	user_free(&u);
}

static void a_method_that_is_not_there_is_the_skels_to_refuse(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);

	INVOKE_FAILS(-EREMOTEIO, u.module, 30, qda_in("", 1));
	assert_int_not_equal(library_error.dsp_result, 0);
	user_free(&u);
}

static void method_40_travels_as_31(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	struct qda_args_extended in = { QDA_ARGS_EXTENDED, 1000, 1234 };
	int32_t out = 0;

	INVOKE(u.module, QDA_ARGS_EXTENDED, qda_in(&in, sizeof(in)), qda_out(&out, sizeof(out)));
	assert_int_equal(out, -234);
	in.method = 41;
	INVOKE_FAILS(-EINVAL, u.module, QDA_ARGS_EXTENDED, qda_in(&in, sizeof(in)),
		     qda_out(&out, sizeof(out)));
	user_free(&u);
}

/* --- buffers --- */

static void buffer_arguments_come_back_from_any_place(void **state)
{
	static const size_t places[][2] = { { 0, 0 },	   { 0, 1 },	  { 1, 1 },
					    { 4095, 2 },   { 5, 4096 },	  { 4096, 4096 },
					    { 1, 131071 }, { 131071, 1 }, { 131072, 0 },
					    { 0, 131072 } };
	struct user u = user_new(*state, QDA_ARGS_URI);
	struct qda_buffer *from = library_buffer(u.client, 131072);
	struct qda_buffer *to = library_buffer(u.client, 131072);
	uint8_t *in = qda_buffer_data(from), *out = qda_buffer_data(to);

	fill_pattern(in, 131072, 8);
	for (size_t i = 0; i < N(places); i++) {
		size_t at = places[i][0], n = places[i][1];

		memset(out, 0x77, 131072);
		INVOKE(u.module, QDA_ARGS_ECHO, qda_in_buffer(from, at, n),
		       qda_out_buffer(to, at, n));
		assert_memory_equal(in + at, out + at, n);
		for (size_t k = 0; k < 131072; k++)
			if (k < at || k >= at + n)
				assert_int_equal(out[k], 0x77);
	}
	user_free(&u);
}

static void buffers_are_zero_and_rounded_up(void **state)
{
	struct qda_client *c = library_connect(*state);
	struct qda_buffer *buffer = library_buffer(c, 4097);
	const uint8_t *data = qda_buffer_data(buffer);

	assert_int_equal(qda_buffer_size(buffer), 8192);
	for (size_t i = 0; i < 8192; i++)
		assert_int_equal(data[i], 0);
	qda_disconnect(c);
}

static void the_skel_sees_buffers_where_they_were_placed(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	struct qda_buffer *buffer = library_buffer(u.client, 65536);
	struct qda_args_view views[4];

	INVOKE(u.module, QDA_ARGS_VIEW, qda_in_buffer(buffer, 4097, 100),
	       qda_in_buffer(buffer, 20000, 3000), qda_in_buffer(buffer, 4100, 9000),
	       qda_out(views, sizeof(views)));
	assert_int_equal(views[0].length, 100);
	assert_int_equal(views[0].misalign, 1);
	assert_int_equal(views[1].distance, 20000 - 4097);
	assert_int_equal(views[2].distance, 3);
	assert_int_equal(views[2].length, 9000);
	user_free(&u);
}

static void a_buffer_may_be_input_and_output_at_once(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	struct qda_buffer *buffer = library_buffer(u.client, 16384);
	uint8_t *data = qda_buffer_data(buffer), expected[16384];

	fill_pattern(data, 16384, 9);
	memcpy(expected, data, sizeof(expected));
	for (size_t i = 0; i < 10000; i++)
		expected[1000 + i] = data[500 + i] + 1;
	INVOKE(u.module, QDA_ARGS_ADD_ONE, qda_in_buffer(buffer, 500, 10000),
	       qda_out_buffer(buffer, 1000, 10000));
	assert_memory_equal(data, expected, sizeof(expected));
	user_free(&u);
}

static void inline_and_buffer_arguments_may_be_mixed(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	struct qda_buffer *buffer = library_buffer(u.client, 1 << 20);
	uint8_t *data = qda_buffer_data(buffer), in[255][16], out[255][16];
	struct qda_arg args[510];

	fill_pattern(in, sizeof(in), 10);
	fill_pattern(data, 1 << 19, 11);
	for (unsigned i = 0; i < 255; i++) {
		bool is_inline = i % 3 == 0;

		args[i] = is_inline ? qda_in(in[i], 16) : qda_in_buffer(buffer, i * 2001, 1999);
		args[255 + i] = is_inline ? qda_out(out[i], 16)
					  : qda_out_buffer(buffer, (1 << 19) + i * 2000, 1999);
	}
	must(qda_invoke(u.module, QDA_ARGS_ECHO, args, 510, NULL, &library_error));
	for (unsigned i = 0; i < 255; i++) {
		if (i % 3 == 0)
			assert_memory_equal(in[i], out[i], 16);
		else
			assert_memory_equal(data + i * 2001, data + (1 << 19) + i * 2000, 1999);
	}
	user_free(&u);
}

static void one_buffer_serves_several_sessions(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	struct qda_module *second = library_module(library_session(u.client), QDA_ARGS_URI);
	struct qda_buffer *buffer = library_buffer(u.client, 8192);
	uint8_t *data = qda_buffer_data(buffer);
	struct qda_args_fill seed = { 5 };
	struct qda_args_sum sum;

	INVOKE(u.module, QDA_ARGS_FILL, qda_in(&seed, sizeof(seed)),
	       qda_out_buffer(buffer, 0, 8192));
	INVOKE(second, QDA_ARGS_CHECKSUM, qda_in_buffer(buffer, 0, 8192),
	       qda_out(&sum, sizeof(sum)));
	assert_int_equal(sum.bytes, 8192);
	assert_int_equal(sum.fnv, qda_args_fnv(QDA_ARGS_FNV_START, data, 8192));
	assert_int_equal(data[8191], qda_args_byte(5, 0, 8191));
	user_free(&u);
}

/* --- skels that misbehave with their arguments --- */

/* A skel may spoil what it was given, but nothing else of the client's. */
static void a_skel_that_scribbles_spoils_only_what_it_was_given(void **state)
{
	struct user u = user_new(*state, QDA_BAD_URI);
	struct qda_module *args = library_module(u.session, QDA_ARGS_URI);
	uint8_t in[100], out[100], copy[100];

	fill_pattern(in, sizeof(in), 15);
	memcpy(copy, in, sizeof(in));
	INVOKE(u.module, QDA_BAD_SCRIBBLE, qda_in(in, sizeof(in)), qda_out(out, sizeof(out)));
	for (unsigned i = 0; i < sizeof(out); i++)
		assert_int_equal(out[i], QDA_BAD_BYTE);
	assert_memory_equal(in, copy, sizeof(in));
	/* And the session goes on with the next call. */
	INVOKE(args, QDA_ARGS_ECHO, qda_in(in, sizeof(in)), qda_out(out, sizeof(out)));
	assert_memory_equal(in, out, sizeof(out));
	user_free(&u);
}

static void an_overrun_output_has_the_length_that_was_asked_for(void **state)
{
	struct user u = user_new(*state, QDA_BAD_URI);
	uint8_t out[80];
	uint32_t beyond = 64;

	memset(out, 0, sizeof(out));
	INVOKE(u.module, QDA_BAD_OVERRUN, qda_in(&beyond, 4), qda_out(out, 64));
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(out[i], QDA_BAD_BYTE);
	for (unsigned i = 64; i < 80; i++)
		assert_int_equal(out[i], 0);
	user_free(&u);
}

static void an_output_into_a_read_only_buffer_is_refused(void **state)
{
	struct qda_args_fill seed = { 1 };
	struct qda_args_sum sum;
	struct qda_buffer *buffer;
	struct user u;
	int fd;

	device_need(DEVICE_READS_ONLY);
	u = user_new(*state, QDA_ARGS_URI);
	fd = qda_buffer_fd(library_buffer(u.client, 4096));
	must(qda_buffer_import(u.client, NULL, fd, 0, QDA_BUFFER_READ_ONLY, &buffer,
			       &library_error));
	INVOKE(u.module, QDA_ARGS_CHECKSUM, qda_in_buffer(buffer, 0, 4096),
	       qda_out(&sum, sizeof(sum)));
	assert_int_equal(sum.bytes, 4096);
	INVOKE_FAILS(-EACCES, u.module, QDA_ARGS_FILL, qda_in(&seed, sizeof(seed)),
		     qda_out_buffer(buffer, 0, 4096));
	user_free(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_calculator_calculates),
		TEST(inline_bytes_of_any_length_come_back),
		TEST(inline_bytes_at_any_address_come_back),
		TEST(more_inline_bytes_than_the_limit_are_refused),
		TEST(in_255_and_out_255_inline_arguments_come_back),
		TEST(outputs_are_filled_each_with_its_own),
		TEST(inputs_that_overlap_overlap_on_the_dsp),
		TEST(an_output_may_be_its_own_input),
		TEST(an_output_may_overlap_its_input_by_half),
		TEST(what_a_method_returns_arrives_and_outputs_stay),
		TEST(a_method_that_is_not_there_is_the_skels_to_refuse),
		TEST(method_40_travels_as_31),
		TEST(buffer_arguments_come_back_from_any_place),
		TEST(buffers_are_zero_and_rounded_up),
		TEST(the_skel_sees_buffers_where_they_were_placed),
		TEST(a_buffer_may_be_input_and_output_at_once),
		TEST(inline_and_buffer_arguments_may_be_mixed),
		TEST(one_buffer_serves_several_sessions),
		TEST(a_skel_that_scribbles_spoils_only_what_it_was_given),
		TEST(an_overrun_output_has_the_length_that_was_asked_for),
		TEST(an_output_into_a_read_only_buffer_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
