/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: what the DSP may say to an open or a close, and out handles of calls.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core_scene.h"

static struct scene s;
static struct guest g;
static uint64_t session;

static int begin(void **state)
{
	scene_begin(&s);
	guest_come(&g, &s, 1000);
	session = open_session(&g);
	return 0;
}

static int end(void **state)
{
	guest_free(&g);
	scene_end(&s);
	return 0;
}

static struct fake_op *call_op(void)
{
	struct fake_op *op = fake_find(s.fake, FAKE_CALL);

	assert_non_null(op);
	return op;
}

static void open_speaks_remotectl(void **state)
{
	static const uint32_t lengths[] = { 8, 10, 8, 480 };
	uint64_t open = ask_module(&g, session, "file:///a");
	struct fake_op *op = call_op();
	uint32_t in[2];

	assert_int_equal(op->handle, FASTRPC_HANDLE_REMOTECTL);
	assert_int_equal(op->sc, fastrpc_sc(0, FASTRPC_REMOTECTL_OPEN, 2, 2, 0, 0));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(op->args[i].length, lengths[i]);
	memcpy(in, fake_bytes(op, 0), sizeof(in));
	assert_int_equal(in[0], 10);
	assert_int_equal(in[1], 480);
	assert_memory_equal(fake_bytes(op, 1), "file:///a", 10);
	finish_module(op, 0x80000010, 0, NULL);
	assert_success(&g, open);
	assert_int_equal(used(&g, QDA_RES_HANDLES), 1);
	assert_int_equal(used(&g, QDA_RES_CALLS), 0);
	assert_int_equal(g.client->n_modules, 1);
}

static void wire_handle_stays_in_the_daemon(void **state)
{
	uint64_t module = open_module(&g, session, 0x80000010);

	assert_int_not_equal(module, 0x80000010);
	assert_int_equal(ask_ping(&g, 0x80000010), 0);
	assert_int_equal(s.fail.code, ENOENT);
	ask_ping(&g, module);
	assert_int_equal(call_op()->handle, 0x80000010);
}

static void uri_has_1_to_1023_bytes(void **state)
{
	char uri[1100];

	memset(uri, 'a', sizeof(uri));
	uri[1024] = '\0';
	assert_int_equal(ask_module(&g, session, uri), 0);
	assert_int_equal(s.fail.code, EINVAL);
	assert_non_null(strstr(s.fail.text, "this one 1024"));
	assert_int_equal(ask_module(&g, session, ""), 0);
	assert_int_equal(s.fail.code, EINVAL);
	uri[1023] = '\0';
	assert_int_not_equal(ask_module(&g, session, uri), 0);
	assert_memory_equal(fake_bytes(call_op(), 1), uri, 1024);
}

static void refusal_of_the_dsp_comes_with_its_words(void **state)
{
	uint64_t open = ask_module(&g, session, "file:///a");

	finish_module(call_op(), 0, FASTRPC_EUNABLETOLOAD, "liba.so: no such file");
	assert_failure(&g, open, EREMOTEIO);
	assert_int_equal(answer(&g, open)->aee, FASTRPC_EUNABLETOLOAD);
	assert_string_equal(answer(&g, open)->text,
			    "the DSP did not open the module (0x80000406): liba.so: no such file");
	open = ask_module(&g, session, "file:///a");
	finish_module(call_op(), 0x80000010, FASTRPC_EVERSION, NULL);
	assert_failure(&g, open, EREMOTEIO);
	assert_string_equal(answer(&g, open)->text,
			    "the DSP did not open the module (0x80000594)");
	open = ask_module(&g, session, "file:///a");
	fake_done(call_op(), 0, (int32_t)FASTRPC_EBADPARM);
	assert_failure(&g, open, EREMOTEIO);
	assert_int_equal(answer(&g, open)->aee, FASTRPC_EBADPARM);
	assert_int_equal(used(&g, QDA_RES_HANDLES), 0);
}

static void control_characters_of_the_dsp_become_blanks(void **state)
{
	uint64_t open = ask_module(&g, session, "file:///a");
	char text[36], cleaned[128];

	for (unsigned i = 1; i < 32; i++)
		text[i - 1] = i;
	memcpy(text + 31, "\x7f" "end", 5);
	finish_module(call_op(), 0, 1, text);
	snprintf(cleaned, sizeof(cleaned), "the DSP did not open the module (0x1): %32send", "");
	assert_string_equal(answer(&g, open)->text, cleaned);
}

static void text_without_an_end_is_cut(void **state)
{
	uint64_t open = ask_module(&g, session, "file:///a");
	uint32_t out[2] = { 0, 5 };

	memcpy(fake_bytes(call_op(), 2), out, sizeof(out));
	memset(fake_bytes(call_op(), 3), 'x', 480);
	fake_done(call_op(), 0, 0);
	assert_failure(&g, open, EREMOTEIO);
	assert_true(strlen(answer(&g, open)->text) < 512);
	assert_int_equal(strspn(strchr(answer(&g, open)->text, ':') + 2, "x"), 511 - 39);
}

/* Static objects of the DSP (process control, remotectl, ...) are the daemon's own. */
static void handle_of_a_static_object_is_not_taken(void **state)
{
	static const uint32_t handles[] = { 0, 1, 2, 3, 8, 20, 0xff };

	for (unsigned i = 0; i < sizeof(handles) / sizeof(*handles); i++) {
		uint64_t open = ask_module(&g, session, "file:///a");

		finish_module(call_op(), handles[i], 0, NULL);
		assert_failure(&g, open, EREMOTEIO);
		assert_int_equal(g.client->n_modules, 0);
		assert_int_equal(used(&g, QDA_RES_HANDLES), 0);
	}
	assert_int_equal(fake_count(s.fake, FAKE_CALL), 0);
}

static void quota_refuses_before_the_dsp_is_asked(void **state)
{
	unsigned submits = s.fake->n_submits;

	limit(&g, QDA_RES_HANDLES, 1);
	assert_int_not_equal(ask_module(&g, session, "file:///a"), 0);
	assert_int_equal(ask_module(&g, session, "file:///b"), 0);
	assert_int_equal(s.fail.code, EDQUOT);
	assert_string_equal(s.fail.resource, "handles");
	assert_int_equal(s.fake->n_submits, submits + 1);
	finish_module(call_op(), 0, FASTRPC_EFAILED, NULL);
	assert_int_equal(used(&g, QDA_RES_HANDLES), 0);
	open_module(&g, session, 0x80000010);
	assert_int_equal(used(&g, QDA_RES_HANDLES), 1);
}

static void close_is_answered_by_the_dsp(void **state)
{
	uint64_t module = open_module(&g, session, 0x80000010);
	uint64_t close = ask_module_close(&g, module);
	struct fake_op *op = call_op();
	uint32_t in[2];

	assert_int_equal(op->handle, FASTRPC_HANDLE_REMOTECTL);
	assert_int_equal(op->sc, fastrpc_sc(0, FASTRPC_REMOTECTL_CLOSE, 1, 2, 0, 0));
	memcpy(in, fake_bytes(op, 0), sizeof(in));
	assert_int_equal(in[0], 0x80000010);
	assert_int_equal(in[1], 0);
	assert_int_equal(op->args[1].length, 4);
	assert_int_equal(op->args[2].length, 0);
	assert_int_equal(used(&g, QDA_RES_HANDLES), 0);
	assert_int_equal(ask_module_close(&g, module), 0);
	assert_int_equal(s.fail.code, ENOENT);
	assert_false(answered(&g, close));
	fake_done(op, 0, 0);
	assert_success(&g, close);
}

static void close_that_the_skel_refuses_says_so(void **state)
{
	uint64_t close = ask_module_close(&g, open_module(&g, session, 0x80000010));
	uint32_t dlerr = FASTRPC_EINVHANDLE;

	memcpy(fake_bytes(call_op(), 1), &dlerr, sizeof(dlerr));
	fake_done(call_op(), 0, 0);
	assert_failure(&g, close, EREMOTEIO);
	assert_int_equal(answer(&g, close)->aee, FASTRPC_EINVHANDLE);
	close = ask_module_close(&g, open_module(&g, session, 0x80000010));
	fake_done(call_op(), 0, (int32_t)FASTRPC_EBADPARM);
	assert_failure(&g, close, EREMOTEIO);
	assert_int_equal(answer(&g, close)->aee, FASTRPC_EBADPARM);
}

static void calls_under_way_end_by_themselves_after_close(void **state)
{
	uint64_t module = open_module(&g, session, 0x80000010), running, queued, close;

	s.domain->session_in_flight_max = 1;
	running = ask_ping(&g, module);
	queued = ask_ping(&g, module);
	close = ask_module_close(&g, module);
	assert_int_equal(ask_ping(&g, module), 0);
	assert_int_equal(s.fail.code, ENOENT);
	fake_done(call_op(), 0, 7);
	assert_int_equal(answer(&g, running)->dsp_result, 7);
	assert_int_equal(call_op()->handle, 0x80000010);
	fake_done(call_op(), 0, 0);
	assert_success(&g, queued);
	fake_done(call_op(), 0, 0);
	assert_success(&g, close);
}

static void close_without_quota_keeps_the_module(void **state)
{
	uint64_t module = open_module(&g, session, 0x80000010);

	limit(&g, QDA_RES_CALLS, 0);
	assert_int_equal(ask_module_close(&g, module), 0);
	assert_int_equal(s.fail.code, EDQUOT);
	assert_int_equal(g.client->n_modules, 1);
	limit(&g, QDA_RES_CALLS, 1);
	assert_int_not_equal(ask_module_close(&g, module), 0);
}

static void draining_lets_modules_close_but_not_open(void **state)
{
	uint64_t module = open_module(&g, session, 0x80000010);

	qda_core_drain(s.core);
	assert_int_equal(ask_module(&g, session, "file:///a"), 0);
	assert_int_equal(s.fail.code, ESHUTDOWN);
	assert_int_not_equal(ask_module_close(&g, module), 0);
	assert_false(qda_core_idle(s.core));
	fake_done(call_op(), 0, 0);
	assert_true(qda_core_idle(s.core));
}

/* --- out handles --- */

static uint64_t ask_outs(uint64_t module, unsigned n, const struct qda_call_arg *args)
{
	struct qda_call_request request = {
		.module = module,
		.sc = fastrpc_sc(0, 1, 0, 0, 0, n),
		.n_args = n,
		.args = args,
	};

	return ask_invoke(&g, &request);
}

static const struct qda_call_arg wanted[] = {
	{ QDA_CALL_MODULE, 0, 0, 0 }, { QDA_CALL_NUMBER, 0, 0, 0 }, { QDA_CALL_MODULE, 0, 0, 0 },
};

static void out_handles_become_modules_or_numbers_as_wanted(void **state)
{
	uint64_t call = ask_outs(open_module(&g, session, 0x80000010), 3, wanted);
	struct qda_device_done done = { .out_handles = { 0x80000011, 0x80000012, 0x180000013 } };
	const struct qda_out_handle *outs;

	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(call_op()->args[i].number, i != 1);
	assert_int_equal(used(&g, QDA_RES_HANDLES), 4);
	fake_complete(call_op(), &done);
	assert_success(&g, call);
	assert_int_equal(answer(&g, call)->n_out_handles, 3);
	outs = answer(&g, call)->out_handles;
	assert_int_not_equal(outs[0].handle, 0);
	assert_int_equal(outs[0].number, 0);
	assert_int_equal(outs[1].handle, 0);
	assert_int_equal(outs[1].number, 0x80000012);
	assert_int_equal(outs[2].handle, 0);
	assert_int_equal(outs[2].number, 0x180000013);
	assert_int_equal(used(&g, QDA_RES_HANDLES), 2);
	ask_ping(&g, outs[0].handle);
	assert_int_equal(call_op()->handle, 0x80000011);
}

static void out_handles_of_a_method_that_failed_are_not_taken(void **state)
{
	uint64_t call = ask_outs(open_module(&g, session, 0x80000010), 3, wanted);
	struct qda_device_done done = { .result = -1, .out_handles = { 0x80000011 } };

	fake_complete(call_op(), &done);
	assert_int_equal(answer(&g, call)->dsp_result, -1);
	assert_int_equal(answer(&g, call)->n_out_handles, 0);
	assert_int_equal(used(&g, QDA_RES_HANDLES), 1);
}

static void out_handles_are_charged_before_they_exist(void **state)
{
	uint64_t module = open_module(&g, session, 0x80000010);

	limit(&g, QDA_RES_HANDLES, 3);
	assert_int_equal(ask_outs(module, 3, wanted), 0);
	assert_string_equal(s.fail.resource, "handles");
	assert_int_equal(used(&g, QDA_RES_CALLS), 0);
	assert_int_equal(used(&g, QDA_RES_OUT_BYTES), 0);
	limit(&g, QDA_RES_HANDLES, 4);
	assert_int_not_equal(ask_outs(module, 3, wanted), 0);
}

static void out_handles_that_nobody_waits_for_are_closed(void **state)
{
	uint64_t call = ask_outs(open_module(&g, session, 0x80000010), 3, wanted);
	struct qda_device_done done = { .out_handles = { 0x80000011, 0x80000012, 0x80000013 } };
	static const uint32_t closed[] = { 0x80000011, 0x80000013 };

	assert_int_equal(qda_call_cancel(g.client, call), QDA_CALL_WAS_RUNNING);
	assert_failure(&g, call, ECANCELED);
	assert_int_equal(used(&g, QDA_RES_HANDLES), 4);
	fake_complete(call_op(), &done);
	assert_int_equal(used(&g, QDA_RES_HANDLES), 1);
	assert_int_equal(fake_count(s.fake, FAKE_CALL), 2);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t wire;

		assert_int_equal(call_op()->sc, fastrpc_sc(0, FASTRPC_REMOTECTL_CLOSE, 1, 2, 0, 0));
		memcpy(&wire, fake_bytes(call_op(), 0), sizeof(wire));
		assert_int_equal(wire, closed[i]);
		fake_done(call_op(), 0, 0);
	}
	assert_int_equal(used(&g, QDA_RES_CALLS), 0);
}

/* The call that left it has ended: its own unit of the quota pays for the close. */
static void out_handle_is_closed_within_a_quota_of_one_call(void **state)
{
	uint64_t call = ask_outs(open_module(&g, session, 0x80000010), 1, wanted);
	struct qda_device_done done = { .out_handles = { 0x80000011 } };

	limit(&g, QDA_RES_CALLS, 1);
	qda_call_cancel(g.client, call);
	fake_complete(call_op(), &done);
	assert_int_equal(call_op()->sc, fastrpc_sc(0, FASTRPC_REMOTECTL_CLOSE, 1, 2, 0, 0));
	fake_done(call_op(), 0, 0);
	assert_int_equal(used(&g, QDA_RES_CALLS), 0);
}

static void module_of_another_session_is_no_argument(void **state)
{
	uint64_t module = open_module(&g, session, 0x80000010);
	uint64_t theirs = open_module(&g, open_session(&g), 0x80000020);
	struct qda_call_arg arg = { QDA_CALL_MODULE, theirs, 0, 0 };
	struct qda_call_request request = {
		.module = module,
		.sc = fastrpc_sc(0, 1, 0, 0, 1, 0),
		.n_args = 1,
		.args = &arg,
	};

	assert_int_equal(ask_invoke(&g, &request), 0);
	assert_int_equal(s.fail.code, EXDEV);
	arg.ref = 12345;
	assert_int_equal(ask_invoke(&g, &request), 0);
	assert_int_equal(s.fail.code, ENOENT);
	arg.ref = module;
	assert_int_not_equal(ask_invoke(&g, &request), 0);
	assert_int_equal(call_op()->args[0].number, 0x80000010);
	assert_int_equal(call_op()->args[0].kind, QDA_DEVICE_ARG_NUMBER);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(open_speaks_remotectl),
		TEST(wire_handle_stays_in_the_daemon),
		TEST(uri_has_1_to_1023_bytes),
		TEST(refusal_of_the_dsp_comes_with_its_words),
		TEST(control_characters_of_the_dsp_become_blanks),
		TEST(text_without_an_end_is_cut),
		TEST(handle_of_a_static_object_is_not_taken),
		TEST(quota_refuses_before_the_dsp_is_asked),
		TEST(close_is_answered_by_the_dsp),
		TEST(close_that_the_skel_refuses_says_so),
		TEST(calls_under_way_end_by_themselves_after_close),
		TEST(close_without_quota_keeps_the_module),
		TEST(draining_lets_modules_close_but_not_open),
		TEST(out_handles_become_modules_or_numbers_as_wanted),
		TEST(out_handles_of_a_method_that_failed_are_not_taken),
		TEST(out_handles_are_charged_before_they_exist),
		TEST(out_handles_that_nobody_waits_for_are_closed),
		TEST(out_handle_is_closed_within_a_quota_of_one_call),
		TEST(module_of_another_session_is_no_argument),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
