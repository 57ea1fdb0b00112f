/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Acceptance of calls: every check of arguments, what is charged, where inline bytes go.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core_scene.h"

#define REPLY_HEAD 1024u

static struct scene s;
static struct guest g;
static uint64_t session, module, buffer;

static int begin(void **state)
{
	scene_begin(&s);
	guest_come(&g, &s, 1000);
	session = open_session(&g);
	module = open_module(&g, session, 0x80000010);
	buffer = new_buffer(&g, 2);
	return 0;
}

static int end(void **state)
{
	guest_free(&g);
	scene_end(&s);
	return 0;
}

static uint8_t zeros[QDA_STAGING_BYTES + 1];

static uint64_t ask(uint32_t sc, unsigned n, const struct qda_call_arg *args, size_t n_in)
{
	struct qda_call_request request = {
		.module = module, .sc = sc, .n_args = n, .args = args, .in = zeros, .n_in = n_in,
	};

	return ask_invoke(&g, &request);
}

static void assert_nothing_held(void)
{
	assert_int_equal(used(&g, QDA_RES_CALLS), 0);
	assert_int_equal(used(&g, QDA_RES_OUT_BYTES), 0);
	assert_int_equal(used(&g, QDA_RES_INLINE_BYTES), 0);
	assert_int_equal(used(&g, QDA_RES_HANDLES), 1);
	assert_int_equal(s.domain->queued, 0);
	assert_int_equal(g.client->calls_now, 0);
	for (unsigned i = 0; i < QDA_RUNS_MAX / 64; i++)
		assert_int_equal(session_of(&g, session)->runs.used[i], 0);
}

static void refuse(uint32_t sc, unsigned n, const struct qda_call_arg *args, size_t n_in, int code)
{
	unsigned submits = s.fake->n_submits;

	assert_int_equal(ask(sc, n, args, n_in), 0);
	assert_int_equal(s.fail.code, code);
	assert_int_equal(s.fake->n_submits, submits);
	assert_nothing_held();
}

#define IN(n)	     fastrpc_sc(0, 1, n, 0, 0, 0)
#define OUT(n)	     fastrpc_sc(0, 1, 0, n, 0, 0)
#define IN_HANDLE(n) fastrpc_sc(0, 1, 0, 0, n, 0)
#define OUT_HANDLE(n) fastrpc_sc(0, 1, 0, 0, 0, n)

static void number_of_arguments_is_what_the_scalars_say(void **state)
{
	struct qda_call_arg args[QDA_CALL_MAX_ARGS + 1] = { 0 };

	refuse(IN(2), 1, args, 0, EINVAL);
	refuse(IN(2), 3, args, 0, EINVAL);
	refuse(0, 1, args, 0, EINVAL);
	refuse(fastrpc_sc(0, 1, 255, 255, 15, 15), QDA_CALL_MAX_ARGS + 1, args, 0, EINVAL);
	refuse(fastrpc_sc(0, 1, 255, 255, 15, 15), 0, args, 0, EINVAL);
	refuse(IN(2), UINT32_MAX, args, 0, EINVAL);
}

static void each_group_takes_its_kinds_only(void **state)
{
	const struct { uint32_t sc; unsigned allowed; } groups[] = {
		{ IN(1), 1u << QDA_CALL_INLINE | 1u << QDA_CALL_BUFFER },
		{ OUT(1), 1u << QDA_CALL_INLINE | 1u << QDA_CALL_BUFFER },
		{ IN_HANDLE(1), 1u << QDA_CALL_NUMBER },
		{ OUT_HANDLE(1), 1u << QDA_CALL_NUMBER | 1u << QDA_CALL_MODULE },
	};

	for (unsigned i = 0; i < 4; i++) {
		for (uint32_t kind = 0; kind < 7; kind++) {
			struct qda_call_arg arg = { .kind = kind };
			/* allowed there, but there is none of number 0 */
			bool names = groups[i].sc == IN_HANDLE(1) &&
				     (kind == QDA_CALL_MODULE || kind == QDA_CALL_KEY);

			if (!(groups[i].allowed & 1u << kind)) {
				refuse(groups[i].sc, 1, &arg, 0, names ? ENOENT : EINVAL);
				continue;
			}
			assert_int_not_equal(ask(groups[i].sc, 1, &arg, 0), 0);
			fake_done(fake_find(s.fake, FAKE_CALL), 0, 0);
		}
	}
	refuse(IN(1), 1, &(struct qda_call_arg){ .kind = UINT32_MAX }, 0, EINVAL);
}

static void buffer_arguments_are_checked(void **state)
{
	static const struct { uint64_t offset, length; int code; } rows[] = {
		{ 0, 2 * PAGE + 1, ERANGE }, { 2 * PAGE, 1, ERANGE }, { UINT64_MAX, 2, ERANGE },
		{ 1, UINT64_MAX, ERANGE }, { 2 * PAGE + 1, 0, ERANGE },
	};
	struct qda_call_arg arg = { QDA_CALL_BUFFER, buffer, 0, 2 * PAGE };

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		arg.offset = rows[i].offset;
		arg.length = rows[i].length;
		refuse(OUT(1), 1, &arg, 0, rows[i].code);
	}
	arg = (struct qda_call_arg){ QDA_CALL_BUFFER, buffer ^ 1ull << 50, 0, 1 };
	refuse(IN(1), 1, &arg, 0, ENOENT);
	arg.ref = session;
	refuse(IN(1), 1, &arg, 0, ENOENT);
	arg.ref = 0;
	refuse(IN(1), 1, &arg, 0, ENOENT);
}

static void empty_arguments_name_no_memory(void **state)
{
	struct qda_call_arg args[] = {
		{ QDA_CALL_BUFFER, 0, 0, 0 }, { QDA_CALL_BUFFER, buffer, 2 * PAGE, 0 },
		{ QDA_CALL_INLINE, UINT64_MAX, 0, 0 },
	};
	uint64_t call = ask(IN(3), 3, args, 0);
	struct fake_op *op = fake_find(s.fake, FAKE_CALL);

	for (unsigned i = 0; i < 3; i++) {
		assert_null(op->args[i].buffer);
		assert_int_equal(op->args[i].length, 0);
	}
	assert_int_equal(qda_buffer_free(g.client, buffer, &s.fail), 0);
	assert_int_equal(used(&g, QDA_RES_BUFFERS), 0);
	fake_done(op, 0, 0);
	assert_success(&g, call);
	assert_int_equal(answer(&g, call)->n_outs, 0);
}

static void output_into_a_read_only_buffer_is_refused(void **state)
{
	struct qda_buffer *imported;
	struct qda_call_arg arg = { QDA_CALL_BUFFER, 0, 0, 1 };

	assert_int_equal(qda_buffer_import(g.client, "", 3, PAGE, true, &imported, &s.fail), 0);
	arg.ref = imported->id;
	refuse(OUT(1), 1, &arg, 0, EACCES);
	assert_int_not_equal(ask(IN(1), 1, &arg, 0), 0);
}

static void inline_bytes_must_add_up(void **state)
{
	struct qda_call_arg args[] = {
		{ QDA_CALL_INLINE, 0, 0, 10 }, { QDA_CALL_BUFFER, buffer, 0, 100 },
		{ QDA_CALL_INLINE, 100, 0, 5 },
	};

	refuse(IN(3), 3, args, 14, EINVAL);
	refuse(IN(3), 3, args, 16, EINVAL);
	refuse(IN(3), 3, args, 0, EINVAL);
	args[2].length = UINT64_MAX;
	refuse(IN(3), 3, args, 9, EOVERFLOW);
	args[2].length = 5;
	assert_int_not_equal(ask(IN(3), 3, args, 15), 0);
}

static void huge_outputs_are_refused_whatever_they_add_up_to(void **state)
{
	static const uint64_t lengths[] = { QDA_STAGING_BYTES + 1, 1ull << 32, 1ull << 63,
					    UINT64_MAX - REPLY_HEAD, UINT64_MAX - REPLY_HEAD + 1,
					    UINT64_MAX };
	struct qda_call_arg args[2] = { { .kind = QDA_CALL_INLINE },
					{ .kind = QDA_CALL_INLINE, .length = 1 } };

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		args[0].length = lengths[i];
		assert_int_equal(ask(OUT(2), 2, args, 0), 0);
		assert_nothing_held();
	}
	args[0] = (struct qda_call_arg){ QDA_CALL_INLINE, UINT64_MAX - 5, 0, 10 };
	refuse(OUT(2), 2, args, 0, EOVERFLOW);
}

static void staging_takes_256_kib_and_not_a_byte_more(void **state)
{
	struct qda_call_arg arg = { QDA_CALL_INLINE, 0, 0, QDA_STAGING_BYTES + 1 };

	refuse(IN(1), 1, &arg, arg.length, E2BIG);
	arg.length = QDA_STAGING_BYTES;
	assert_int_not_equal(ask(IN(1), 1, &arg, arg.length), 0);
	fake_done(fake_find(s.fake, FAKE_CALL), 0, 0);
	assert_nothing_held();
}

static void largest_call_of_all_is_carried(void **state)
{
	static struct qda_call_arg args[QDA_CALL_MAX_ARGS];
	struct qda_device_done done = { 0 };
	uint64_t call;

	for (unsigned i = 0; i < 510; i++)
		args[i] = (struct qda_call_arg){ QDA_CALL_INLINE, 1000 * i, 0, 1 };
	for (unsigned i = 510; i < 540; i++)
		args[i] = (struct qda_call_arg){ QDA_CALL_NUMBER, 0x1000000000 + i, 0, 0 };
	call = ask(fastrpc_sc(0, 1, 255, 255, 15, 15), 540, args, 255);
	assert_int_not_equal(call, 0);
	for (unsigned i = 0; i < 15; i++) {
		assert_int_equal(fake_find(s.fake, FAKE_CALL)->args[510 + i].number,
				 0x1000000000 + 510 + i);
		done.out_handles[i] = i + 1;
	}
	for (unsigned i = 255; i < 510; i++)
		*fake_bytes(fake_find(s.fake, FAKE_CALL), i) = i;
	fake_complete(fake_find(s.fake, FAKE_CALL), &done);
	assert_success(&g, call);
	assert_int_equal(answer(&g, call)->n_outs, 255);
	for (unsigned i = 0; i < 255; i++)
		assert_int_equal(answer(&g, call)->outs[i], (uint8_t)(255 + i));
	for (unsigned i = 0; i < 15; i++)
		assert_int_equal(answer(&g, call)->out_handles[i].number, i + 1);
	assert_nothing_held();
}

static void inline_bytes_go_there_and_back(void **state)
{
	uint64_t call = ask_copy(&g, module, 200);
	struct fake_op *op = fake_find(s.fake, FAKE_CALL);
	uint8_t expected[200];

	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(fake_bytes(op, 0)[i], i + 1);
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(fake_bytes(op, 1)[i], 0);
		expected[i] = fake_bytes(op, 1)[i] = 255 - i;
	}
	scene_clock += 5000;
	fake_done(op, 0, 0);
	assert_success(&g, call);
	assert_int_equal(answer(&g, call)->n_outs, 200);
	assert_memory_equal(answer(&g, call)->outs, expected, 200);
	assert_int_equal(answer(&g, call)->dsp_ns, 5000);
	assert_int_equal(answer(&g, call)->queue_ns, 0);
}

/* Nothing of an earlier call of whoever used the same pages. */
static void outputs_begin_as_zeros(void **state)
{
	struct qda_call_arg out = { QDA_CALL_INLINE, 0, 0, 200 };
	uint64_t call = ask_copy(&g, module, 100);

	memset(fake_bytes(fake_find(s.fake, FAKE_CALL), 1), 0xee, 100);
	fake_done(fake_find(s.fake, FAKE_CALL), 0, 0);
	assert_success(&g, call);
	call = ask(OUT(1), 1, &out, 0);
	fake_done(fake_find(s.fake, FAKE_CALL), 0, 0);
	assert_int_equal(answer(&g, call)->n_outs, 200);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(answer(&g, call)->outs[i], 0);
}

static void arguments_that_overlap_at_the_caller_overlap_on_the_dsp(void **state)
{
	struct qda_call_arg args[] = {
		{ QDA_CALL_INLINE, 0x1000, 0, 16 }, { QDA_CALL_INLINE, 0x1008, 0, 16 },
	};
	uint64_t call = ask(fastrpc_sc(0, 1, 1, 1, 0, 0), 2, args, 16);
	struct fake_op *op = fake_find(s.fake, FAKE_CALL);

	assert_ptr_equal(fake_bytes(op, 1), fake_bytes(op, 0) + 8);
	memset(fake_bytes(op, 1), 9, 16);
	fake_done(op, 0, 0);
	assert_int_equal(answer(&g, call)->n_outs, 16);
	assert_int_equal(answer(&g, call)->outs[15], 9);
}

static void result_of_the_method_is_passed_on(void **state)
{
	uint64_t call = ask_copy(&g, module, 4);

	fake_done(fake_find(s.fake, FAKE_CALL), 0, -77);
	assert_success(&g, call);
	assert_int_equal(answer(&g, call)->dsp_result, -77);
	assert_int_equal(answer(&g, call)->n_outs, 0);
}

static void key_arguments_go_on_as_they_are(void **state)
{
	struct qda_call_arg arg = { QDA_CALL_KEY, 7, 16, 32 };
	uint64_t call, map = ask_map(&g, session, buffer, 7);
	struct fake_op *op;

	refuse(IN_HANDLE(1), 1, &arg, 0, ENOENT);	/* not yet */
	fake_done(fake_find(s.fake, FAKE_MAP), 0, 0);
	assert_success(&g, map);
	call = ask(IN_HANDLE(1), 1, &arg, 0);
	op = fake_find(s.fake, FAKE_CALL);

	assert_int_equal(op->args[0].kind, QDA_DEVICE_ARG_KEY);
	assert_int_equal(op->args[0].number, 7);
	assert_int_equal(op->args[0].offset, 16);
	assert_int_equal(op->args[0].length, 32);
	fake_done(op, 0, 0);
	assert_success(&g, call);
	arg.offset = 2 * PAGE - 31;
	refuse(IN_HANDLE(1), 1, &arg, 0, ERANGE);
	arg.offset = UINT64_MAX;
	refuse(IN_HANDLE(1), 1, &arg, 0, ERANGE);
	arg = (struct qda_call_arg){ QDA_CALL_KEY, 8, 0, 0 };
	refuse(IN_HANDLE(1), 1, &arg, 0, ENOENT);
	assert_non_null(strstr(s.fail.text, "key 8"));
	arg.ref = 1ull << 32 | 7;
	refuse(IN_HANDLE(1), 1, &arg, 0, ENOENT);
	assert_nothing_held();
}

static void each_resource_of_a_call_is_charged_and_refused(void **state)
{
	struct qda_call_arg args[] = {
		{ QDA_CALL_INLINE, 0, 0, 50 }, { QDA_CALL_MODULE, 0, 0, 0 },
	};
	uint32_t sc = fastrpc_sc(0, 1, 0, 1, 0, 1);

	limit(&g, QDA_RES_CALLS, 0);
	refuse(sc, 2, args, 0, EDQUOT);
	assert_string_equal(s.fail.resource, "calls");
	limit(&g, QDA_RES_CALLS, 1);
	limit(&g, QDA_RES_OUT_BYTES, REPLY_HEAD + 49);
	refuse(sc, 2, args, 0, EDQUOT);
	assert_string_equal(s.fail.resource, "out_bytes");
	limit(&g, QDA_RES_OUT_BYTES, REPLY_HEAD + 50);
	limit(&g, QDA_RES_HANDLES, 1);
	refuse(sc, 2, args, 0, EDQUOT);
	assert_string_equal(s.fail.resource, "handles");
	limit(&g, QDA_RES_HANDLES, 2);
	assert_int_not_equal(ask(sc, 2, args, 0), 0);
	assert_int_equal(used(&g, QDA_RES_OUT_BYTES), REPLY_HEAD + 50);
	assert_int_equal(ask_ping(&g, module), 0);
	assert_int_equal(s.fail.code, EDQUOT);
	fake_done(fake_find(s.fake, FAKE_CALL), 0, 0);
	assert_int_equal(used(&g, QDA_RES_CALLS), 0);
}

/* The front charges what it cannot send at once: the reservation must have made room for it. */
static void reservation_ends_before_the_answer(void **state)
{
	uint64_t calls[5];

	s.domain->session_in_flight_max = 3;
	limit(&g, QDA_RES_CALLS, 6);
	for (unsigned i = 0; i < 5; i++)
		calls[i] = ask_ping_until(&g, module, 1000);
	assert_int_equal(used(&g, QDA_RES_OUT_BYTES), 5 * REPLY_HEAD);
	fake_done(fake_find(s.fake, FAKE_CALL), 0, 0);
	assert_int_equal(answer(&g, calls[0])->reserved, 4 * REPLY_HEAD);
	qda_call_cancel(g.client, calls[1]);
	assert_int_equal(answer(&g, calls[1])->reserved, 3 * REPLY_HEAD);
	qda_call_cancel(g.client, calls[4]);
	assert_int_equal(answer(&g, calls[4])->reserved, 2 * REPLY_HEAD);
	scene_clock += 1000000;
	qda_core_expire(s.core);
	assert_int_equal(answer(&g, calls[2])->reserved + answer(&g, calls[3])->reserved,
			 REPLY_HEAD);
	assert_int_equal(used(&g, QDA_RES_OUT_BYTES), 0);
	calls[0] = ask_module(&g, session, "file:///a");
	while (fake_find(s.fake, FAKE_CALL)) {
		struct fake_op *op = fake_find(s.fake, FAKE_CALL);

		if (op->handle == FASTRPC_HANDLE_REMOTECTL)
			finish_module(op, 0x80000020, 0, NULL);
		else
			fake_done(op, 0, 0);
	}
	assert_int_equal(answer(&g, calls[0])->reserved, 0);
}

static void draining_refuses_new_calls_and_waits_for_the_others(void **state)
{
	uint64_t call = ask_ping(&g, module);

	qda_core_drain(s.core);
	assert_int_equal(ask_ping(&g, module), 0);
	assert_int_equal(s.fail.code, ESHUTDOWN);
	assert_false(qda_core_idle(s.core));
	fake_done(fake_find(s.fake, FAKE_CALL), 0, 0);
	assert_success(&g, call);
	assert_true(qda_core_idle(s.core));
}

static void buffer_of_another_domain_is_refused(void **state)
{
	struct qda_call_arg arg = { QDA_CALL_BUFFER, 0, 0, 1 };
	struct qda_reply_to to = guest_to(&g);
	struct qda_domain *adsp;
	struct fake_device *fake;
	struct qda_buffer *theirs;
	int fd;

	assert_int_equal(qda_domain_new(s.core, "adsp", 0, &adsp), 0);
	fake = fake_new(&qda_domain_events, adsp);
	qda_domain_attach(adsp, &fake->device);
	adsp->state = QDA_DEVICE_UP;
	assert_int_equal(qda_buffer_alloc(g.client, "adsp", PAGE, &theirs, &fd, &s.fail), 0);
	arg.ref = theirs->id;
	refuse(IN(1), 1, &arg, 0, EXDEV);
	assert_int_equal(qda_session_map(g.client, session, theirs->id, 1, 0, 0, &to, &s.fail),
			 -EXDEV);
	assert_int_equal(qda_buffer_free(g.client, theirs->id, &s.fail), 0);
	qda_domain_free(adsp);
}

/* Few and many arguments in turns: what was used once is used again. */
static void objects_are_used_again(void **state)
{
	static struct qda_call_arg args[QDA_CALL_FEW_ARGS + 1];
	const struct qda_call_pools *pools = &s.core->pools;
	const struct qda_call *few, *many = NULL;

	few = SLIST_FIRST(&pools->few);
	assert_non_null(few);
	assert_true(SLIST_EMPTY(&pools->many));
	for (unsigned i = 0; i < 100; i++) {
		assert_int_not_equal(ask(IN(QDA_CALL_FEW_ARGS), QDA_CALL_FEW_ARGS, args, 0), 0);
		assert_int_not_equal(ask(IN(QDA_CALL_FEW_ARGS + 1), QDA_CALL_FEW_ARGS + 1, args,
					 0), 0);
		assert_true(SLIST_EMPTY(&pools->few) && SLIST_EMPTY(&pools->many));
		fake_done(fake_find(s.fake, FAKE_CALL), 0, 0);
		fake_done(fake_find(s.fake, FAKE_CALL), 0, 0);
		assert_ptr_equal(SLIST_FIRST(&pools->few), few);
		assert_null(SLIST_NEXT(few, pool_link));
		if (!many)
			many = SLIST_FIRST(&pools->many);
		assert_ptr_equal(SLIST_FIRST(&pools->many), many);
		assert_null(SLIST_NEXT(many, pool_link));
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(number_of_arguments_is_what_the_scalars_say),
		TEST(each_group_takes_its_kinds_only),
		TEST(buffer_arguments_are_checked),
		TEST(empty_arguments_name_no_memory),
		TEST(output_into_a_read_only_buffer_is_refused),
		TEST(inline_bytes_must_add_up),
		TEST(huge_outputs_are_refused_whatever_they_add_up_to),
		TEST(staging_takes_256_kib_and_not_a_byte_more),
		TEST(largest_call_of_all_is_carried),
		TEST(inline_bytes_go_there_and_back),
		TEST(outputs_begin_as_zeros),
		TEST(arguments_that_overlap_at_the_caller_overlap_on_the_dsp),
		TEST(result_of_the_method_is_passed_on),
		TEST(key_arguments_go_on_as_they_are),
		TEST(each_resource_of_a_call_is_charged_and_refused),
		TEST(reservation_ends_before_the_answer),
		TEST(draining_refuses_new_calls_and_waits_for_the_others),
		TEST(buffer_of_another_domain_is_refused),
		TEST(objects_are_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
