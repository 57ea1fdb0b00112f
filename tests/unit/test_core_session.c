/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sessions: every way to begin and to end, in every order.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "core_scene.h"

static struct scene s;
static struct guest g;

static int begin(void **state)
{
	scene_begin(&s);
	guest_come(&g, &s, 1000);
	return 0;
}

static int end(void **state)
{
	guest_free(&g);
	scene_end(&s);
	return 0;
}

static void assert_session_charged(const struct guest *guest, unsigned sessions)
{
	assert_int_equal(used(guest, QDA_RES_SESSIONS), sessions);
	assert_int_equal(used(guest, QDA_RES_BUFFER_BYTES), sessions * QDA_STAGING_BYTES);
	assert_int_equal(used(guest, QDA_RES_FDS), 1 + sessions * QDA_SESSION_FDS);
}

static void opens_and_closes(void **state)
{
	uint64_t session = open_session(&g), serial;

	assert_session_charged(&g, 1);
	assert_int_equal(s.core->n_sessions, 1);
	assert_int_equal(s.domain->sessions, 1);
	assert_int_equal(g.client->n_sessions, 1);
	serial = ask_close(&g, session);
	assert_false(answered(&g, serial));
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	assert_success(&g, serial);
	assert_session_charged(&g, 0);
	assert_int_equal(s.core->n_sessions, 0);
	assert_int_equal(s.domain->sessions, 0);
	assert_int_equal(g.client->n_sessions, 0);
	assert_int_equal(s.fake->n_buffers, 0);
	assert_int_equal(s.core->pending.n_used, 0);
}

static void a_privileged_one_is_the_drivers_to_give(void **state)
{
	struct qda_session_request request = { .domain = "", .kind = QDA_SESSION_PRIVILEGED };
	uint64_t serial = ask_open_as(&g, &request);

	assert_true(fake_find(s.fake, FAKE_OPEN)->session->privileged);
	fake_done(fake_find(s.fake, FAKE_OPEN), -EACCES, 0);
	assert_failure(&g, serial, EACCES);
	serial = ask_open_as(&g, &request);
	fake_done(fake_find(s.fake, FAKE_OPEN), 0, 0);
	assert_success(&g, serial);
}

static void a_firmware_without_unsigned_ones_is_told(void **state)
{
	struct qda_session_request request = { .domain = "", .kind = QDA_SESSION_UNSIGNED };

	s.domain->info.unsigned_pd = false;
	assert_int_equal(ask_open_as(&g, &request), 0);
	assert_int_equal(s.fail.code, EOPNOTSUPP);
	assert_non_null(strstr(s.fail.text, "privileged"));
}

static void open_refused_by_the_dsp_carries_its_code(void **state)
{
	uint64_t serial = ask_open(&g);

	fake_done(fake_find(s.fake, FAKE_OPEN), -EREMOTEIO, (int32_t)FASTRPC_ENOMEMORY);
	assert_failure(&g, serial, EREMOTEIO);
	assert_int_equal(answer(&g, serial)->aee, FASTRPC_ENOMEMORY);
	assert_session_charged(&g, 0);
	assert_int_equal(s.core->pending.n_used, 0);
	assert_int_equal(s.core->n_sessions, 0);
	assert_int_equal(s.fake->n_buffers, 0);
}

static void open_lost_with_the_dsp_says_so(void **state)
{
	uint64_t serial = ask_open(&g);

	fake_done(fake_find(s.fake, FAKE_OPEN), -EPIPE, 0);
	assert_failure(&g, serial, EPIPE);
	assert_int_equal(answer(&g, serial)->aee, 0);
	assert_session_charged(&g, 0);
}

static void open_refused_at_once_leaves_nothing(void **state)
{
	static const struct { enum fake_kind kind; int err, code; } rows[] = {
		{ FAKE_OPEN, -EUSERS, EUSERS },
		{ FAKE_OPEN, -ENOTCONN, ENOTCONN },
		{ FAKE_OPEN, -ENOMEM, ENOMEM },
		{ FAKE_CREATE, -EMFILE, EMFILE },
		{ FAKE_VIEW, 0, ENOMEM },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		fake_refuse(s.fake, rows[i].kind, rows[i].err, 1);
		assert_int_equal(ask_open(&g), 0);
		assert_int_equal(s.fail.code, rows[i].code);
		assert_session_charged(&g, 0);
		assert_int_equal(s.core->pending.n_used, 0);
		assert_int_equal(s.core->n_sessions, 0);
		assert_int_equal(s.fake->n_buffers, 0);
	}
	assert_true(TAILQ_EMPTY(&g.client->sessions));
}

static void every_bank_taken_names_their_number(void **state)
{
	for (unsigned i = 0; i < 12; i++)
		open_session(&g);
	assert_int_equal(ask_open(&g), 0);
	assert_int_equal(s.fail.code, EUSERS);
	assert_non_null(strstr(s.fail.text, "12 of 12 are in use"));
	assert_session_charged(&g, 12);
}

static void quota_refuses_each_thing_a_session_costs(void **state)
{
	static const enum qda_resource resources[] = { QDA_RES_SESSIONS, QDA_RES_BUFFER_BYTES,
						       QDA_RES_FDS };
	static const uint64_t enough[] = { 1, QDA_STAGING_BYTES, 1 + QDA_SESSION_FDS };

	for (unsigned i = 0; i < 3; i++) {
		limit(&g, resources[i], enough[i] - 1);
		assert_int_equal(ask_open(&g), 0);
		assert_int_equal(s.fail.code, EDQUOT);
		assert_string_equal(s.fail.resource, qda_resource_name(resources[i]));
		assert_string_equal(s.fail.scope, "connection");
		assert_int_equal(s.fail.limit, enough[i] - 1);
		assert_session_charged(&g, 0);
		limit(&g, resources[i], enough[i]);
	}
	open_session(&g);
	assert_session_charged(&g, 1);
}

static void draining_refuses_new_sessions(void **state)
{
	uint64_t session = open_session(&g);

	qda_core_drain(s.core);
	assert_int_equal(ask_open(&g), 0);
	assert_int_equal(s.fail.code, ESHUTDOWN);
	assert_int_not_equal(ask_close(&g, session), 0);
}

static void directories_are_for_whom_policy_and_device_let_bring_them(void **state)
{
	struct qda_reply_to to = guest_to(&g);
	int fds[] = { 3, 4 };
	const struct qda_session_request request = {
		.domain = "cdsp", .dir_fds = fds, .n_dirs = 2,
	};

	assert_int_equal(qda_session_open(g.client, &request, &to, &s.fail), -EACCES);
	s.core->rules->policy->dirs = true;
	assert_int_equal(qda_session_open(g.client, &request, &to, &s.fail), 0);
	assert_int_equal(fake_find(s.fake, FAKE_OPEN)->session->n_dirs, 2);
	s.domain->info.client_dirs = false;
	assert_int_equal(qda_session_open(g.client, &request, &to, &s.fail), -EOPNOTSUPP);
}

static void handle_closes_once(void **state)
{
	uint64_t session = open_session(&g), first = ask_close(&g, session);

	assert_int_equal(ask_close(&g, session), 0);
	assert_int_equal(s.fail.code, ENOENT);
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	assert_success(&g, first);
	assert_int_equal(ask_close(&g, session), 0);
	assert_int_equal(s.fail.code, ENOENT);
}

static void foreign_and_made_up_handles_name_no_session(void **state)
{
	uint64_t session = open_session(&g), buffer = new_buffer(&g, 1);
	struct guest other;

	guest_come(&other, &s, 1000);
	assert_int_equal(ask_close(&other, session), 0);
	assert_int_equal(s.fail.code, ENOENT);
	assert_int_equal(ask_close(&g, buffer), 0);
	assert_int_equal(ask_close(&g, 0), 0);
	assert_int_equal(ask_close(&g, session + 1), 0);
	assert_int_equal(s.fail.code, ENOENT);
	assert_int_equal(session_of(&g, session)->state, QDA_SESSION_OPEN);
	guest_free(&other);
}

static void close_answers_what_waits_then_itself(void **state)
{
	uint64_t session = open_session(&g), module = open_module(&g, session, 0x80000010);
	uint64_t running, queued, close;

	s.domain->session_in_flight_max = 1;
	running = ask_copy(&g, module, 10);
	queued = ask_copy(&g, module, 10);
	close = ask_close(&g, session);
	assert_failure(&g, queued, ECANCELED);
	assert_false(answered(&g, running));
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	assert_failure(&g, running, ECANCELED);
	assert_success(&g, close);
	assert_true(answer(&g, running)->order < answer(&g, close)->order);
	assert_int_equal(used(&g, QDA_RES_CALLS), 0);
	assert_int_equal(used(&g, QDA_RES_HANDLES), 0);
	assert_int_equal(s.domain->in_flight, 0);
	assert_int_equal(s.domain->queued, 0);
}

static void call_that_ends_well_while_its_session_closes_is_answered(void **state)
{
	uint64_t session = open_session(&g), module = open_module(&g, session, 0x80000010);
	uint64_t call = ask_copy(&g, module, 3), close = ask_close(&g, session);

	memcpy(fake_bytes(fake_find(s.fake, FAKE_CALL), 1), "abc", 3);
	fake_done(fake_find(s.fake, FAKE_CALL), 0, 0);
	assert_success(&g, call);
	assert_int_equal(answer(&g, call)->n_outs, 3);
	assert_memory_equal(answer(&g, call)->outs, "abc", 3);
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	assert_success(&g, close);
}

static void module_that_opens_while_its_session_closes_is_answered(void **state)
{
	uint64_t session = open_session(&g), open = ask_module(&g, session, "file:///a");
	uint64_t close = ask_close(&g, session);

	finish_module(fake_find(s.fake, FAKE_CALL), 0x80000010, 0, NULL);
	assert_failure(&g, open, ECANCELED);
	assert_int_equal(g.client->n_modules, 0);
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	assert_success(&g, close);
	assert_int_equal(used(&g, QDA_RES_HANDLES), 0);
}

static uint64_t ask_out_handle(struct guest *guest, uint64_t module)
{
	struct qda_call_arg arg = { QDA_CALL_MODULE, 0, 0, 0 };
	struct qda_call_request request = {
		.module = module,
		.sc = fastrpc_sc(0, 1, 0, 0, 0, 1),
		.n_args = 1,
		.args = &arg,
	};

	return ask_invoke(guest, &request);
}

static void no_module_enters_a_session_that_closes(void **state)
{
	uint64_t session = open_session(&g), module = open_module(&g, session, 0x80000010);
	uint64_t call = ask_out_handle(&g, module);
	struct qda_device_done done = { .out_handles = { 0x80000011 } };

	ask_close(&g, session);
	fake_complete(fake_find(s.fake, FAKE_CALL), &done);
	assert_success(&g, call);
	assert_int_equal(answer(&g, call)->out_handles[0].handle, 0);
	assert_int_equal(g.client->n_modules, 0);
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	assert_int_equal(used(&g, QDA_RES_HANDLES), 0);
}

static void no_module_enters_the_table_of_a_client_that_went(void **state)
{
	uint64_t session = open_session(&g), module = open_module(&g, session, 0x80000010);
	struct qda_device_done done = { .out_handles = { 0x80000011 } };

	ask_out_handle(&g, module);
	guest_go(&g);
	fake_complete(fake_find(s.fake, FAKE_CALL), &done);
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	assert_int_equal(s.core->total.used[QDA_RES_HANDLES], 0);
	assert_true(RB_EMPTY(&s.core->users));
}

static void client_goes_while_its_session_opens(void **state)
{
	ask_open(&g);
	guest_go(&g);
	assert_int_equal(s.core->total.used[QDA_RES_SESSIONS], 1);
	fake_done(fake_find(s.fake, FAKE_OPEN), 0, 0);
	assert_int_equal(s.core->total.used[QDA_RES_SESSIONS], 1);
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	assert_int_equal(s.core->total.used[QDA_RES_SESSIONS], 0);
	assert_true(RB_EMPTY(&s.core->users));
}

static void client_goes_and_its_session_fails_to_open(void **state)
{
	struct qda_client *client = qda_client_ref(g.client);

	ask_open(&g);
	guest_go(&g);
	assert_int_equal(client->n_sessions, 0);
	fake_done(fake_find(s.fake, FAKE_OPEN), -EREMOTEIO, 1);
	assert_int_equal(client->n_sessions, 0);
	qda_client_unref(client);
	assert_null(fake_find(s.fake, FAKE_CLOSE));
	assert_int_equal(s.core->total.used[QDA_RES_SESSIONS], 0);
	assert_true(RB_EMPTY(&s.core->users));
}

static void client_goes_with_a_call_running(void **state)
{
	uint64_t session = open_session(&g), module = open_module(&g, session, 0x80000010);

	ask_copy(&g, module, 10);
	guest_go(&g);
	assert_int_equal(s.core->total.used[QDA_RES_CALLS], 1);
	fake_done(fake_find(s.fake, FAKE_CALL), 0, 0);
	assert_int_equal(s.core->total.used[QDA_RES_CALLS], 0);
	assert_int_equal(s.core->total.used[QDA_RES_SESSIONS], 1);
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	assert_int_equal(s.core->total.used[QDA_RES_FDS], 0);
}

static void lost_session_tells_why_to_all_its_calls(void **state)
{
	uint64_t session = open_session(&g), module = open_module(&g, session, 0x80000010);
	struct qda_device_session *pd = device_session_of(&g, session);
	uint64_t calls[6];

	s.domain->session_in_flight_max = 3;
	for (unsigned i = 0; i < 6; i++)
		calls[i] = ask_copy(&g, module, 10);
	fake_die(pd, -ECONNRESET);
	for (unsigned i = 0; i < 6; i++)
		assert_false(answered(&g, calls[i]));
	fake_lost(pd, SIGSEGV, "SIGSEGV in method 6 of libtest_skel.so");
	for (unsigned i = 0; i < 6; i++) {
		assert_failure(&g, calls[i], ECONNRESET);
		assert_non_null(strstr(answer(&g, calls[i])->text,
				       "SIGSEGV in method 6 of libtest_skel.so"));
	}
	assert_int_equal(g.n_lost, 1);
	assert_int_equal(g.lost_session, session);
	assert_int_equal(g.lost_signal, SIGSEGV);
	assert_string_equal(g.lost_text, "SIGSEGV in method 6 of libtest_skel.so");
	assert_int_equal(s.domain->in_flight, 0);
}

/* The device learns of the death before it learns the reason; the client hears both at once. */
static void call_made_while_the_reason_is_awaited_hears_it(void **state)
{
	uint64_t session = open_session(&g), module = open_module(&g, session, 0x80000010);
	struct qda_device_session *pd = device_session_of(&g, session);
	uint64_t call, other = open_module(&g, open_session(&g), 0x80000010);

	fake_die(pd, -ECONNRESET);
	call = ask_copy(&g, module, 10);
	assert_false(answered(&g, call));
	fake_lost(pd, 0, "the PD exited with status 3");
	assert_failure(&g, call, ECONNRESET);
	assert_non_null(strstr(answer(&g, call)->text, "exited with status 3"));
	assert_int_not_equal(ask_ping(&g, other), 0);
	assert_int_equal(fake_count(s.fake, FAKE_CALL), 1);
}

static void lost_session_keeps_its_handle_and_gives_its_bank_back(void **state)
{
	uint64_t session = open_session(&g), module = open_module(&g, session, 0x80000010);
	uint64_t close;

	fake_die(device_session_of(&g, session), -ECONNRESET);
	fake_lost(device_session_of(&g, session), 9, "killed");
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	assert_int_equal(s.core->n_sessions, 0);
	assert_int_equal(s.fake->n_sessions, 0);
	assert_int_equal(s.fake->n_buffers, 0);
	assert_int_equal(used(&g, QDA_RES_SESSIONS), 1);
	assert_int_equal(used(&g, QDA_RES_BUFFER_BYTES), 0);
	assert_int_equal(used(&g, QDA_RES_FDS), 1);
	assert_int_equal(ask_ping(&g, module), 0);
	assert_int_equal(s.fail.code, ECONNRESET);
	assert_non_null(strstr(s.fail.text, "killed"));
	assert_int_equal(ask_module(&g, session, "file:///a"), 0);
	assert_int_equal(s.fail.code, ECONNRESET);
	assert_success(&g, ask_module_close(&g, module));
	close = ask_close(&g, session);
	assert_success(&g, close);
	assert_session_charged(&g, 0);
	assert_int_equal(ask_close(&g, session), 0);
	assert_int_equal(s.fail.code, ENOENT);
}

static void lost_session_is_closed_before_the_device_has_let_go(void **state)
{
	uint64_t session = open_session(&g), close;

	open_module(&g, session, 0x80000010);
	fake_die(device_session_of(&g, session), -EPIPE);
	fake_lost(device_session_of(&g, session), 0, "the DSP went");
	close = ask_close(&g, session);
	assert_success(&g, close);
	assert_session_charged(&g, 1);
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	assert_session_charged(&g, 0);
	assert_null(fake_find(s.fake, FAKE_CLOSE));
}

static void lost_then_gone_and_gone_then_lost(void **state)
{
	struct guest other;
	uint64_t session = open_session(&g), theirs;
	struct qda_device_session *pd;

	guest_come(&other, &s, 1001);
	theirs = open_session(&other);
	pd = device_session_of(&other, theirs);
	fake_die(device_session_of(&g, session), -ECONNRESET);
	fake_lost(device_session_of(&g, session), 11, "first lost");
	guest_go(&g);
	guest_go(&other);
	fake_die(pd, -ECONNRESET);
	fake_lost(pd, 11, "first gone");
	assert_int_equal(fake_count(s.fake, FAKE_CLOSE), 2);
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	assert_int_equal(other.n_lost, 0);
	assert_true(RB_EMPTY(&s.core->users));
	guest_free(&other);
}

static void client_goes_after_its_lost_session_ended(void **state)
{
	uint64_t session = open_session(&g);

	fake_die(device_session_of(&g, session), -ECONNRESET);
	fake_lost(device_session_of(&g, session), 11, "lost");
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	guest_go(&g);
	assert_true(RB_EMPTY(&s.core->users));
	assert_int_equal(s.core->total.used[QDA_RES_SESSIONS], 0);
}

static void session_lost_while_it_closes_just_closes(void **state)
{
	uint64_t session = open_session(&g), module = open_module(&g, session, 0x80000010);
	struct qda_device_session *pd = device_session_of(&g, session);
	uint64_t call = ask_ping(&g, module), close = ask_close(&g, session);

	fake_die(pd, -ECONNRESET);
	assert_failure(&g, call, ECONNRESET);
	fake_lost(pd, 11, "late");
	assert_int_equal(g.n_lost, 0);
	assert_int_equal(fake_count(s.fake, FAKE_CLOSE), 1);
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	assert_success(&g, close);
}

static void close_between_death_and_its_reason_answers_everybody(void **state)
{
	uint64_t session = open_session(&g), module = open_module(&g, session, 0x80000010);
	struct qda_device_session *pd = device_session_of(&g, session);
	uint64_t call = ask_copy(&g, module, 10), close;

	fake_die(pd, -ECONNRESET);
	close = ask_close(&g, session);
	assert_failure(&g, call, ECANCELED);
	fake_lost(pd, 11, "late");
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	assert_success(&g, close);
}

static void log_lines_reach_the_client_of_their_session(void **state)
{
	uint64_t session = open_session(&g);
	const struct qda_device_events *events = s.fake->device.events;
	uint64_t cookie = device_session_of(&g, session)->cookie;
	const struct qda_log_line line = { 2, 7, "hello, world", 5 };

	events->log(s.domain, cookie, &line);
	assert_int_equal(g.n_logs, 1);
	assert_int_equal(g.log_session, session);
	assert_string_equal(g.log_text, "2 7 hello");
	events->log(s.domain, cookie + 1, &line);
	ask_close(&g, session);
	events->log(s.domain, cookie, &line);
	assert_int_equal(g.n_logs, 1);
	guest_go(&g);
	events->log(s.domain, cookie, &line);
}

static void made_up_cookies_do_nothing(void **state)
{
	uint64_t session = open_session(&g), cookie = device_session_of(&g, session)->cookie;
	const struct qda_device_events *events = s.fake->device.events;
	struct qda_device_done done = { 0 };
	struct qda_device_lost lost = { 0, "lost" };

	for (uint64_t guess = 0; guess < 64; guess++)
		events->done(s.domain, guess, &done);
	events->done(s.domain, cookie, &done);
	events->lost(s.domain, cookie ^ 1ull << 40, &lost);
	assert_int_equal(session_of(&g, session)->state, QDA_SESSION_OPEN);
	assert_int_equal(g.n_lost, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(opens_and_closes),
		TEST(a_privileged_one_is_the_drivers_to_give),
		TEST(a_firmware_without_unsigned_ones_is_told),
		TEST(open_refused_by_the_dsp_carries_its_code),
		TEST(open_lost_with_the_dsp_says_so),
		TEST(open_refused_at_once_leaves_nothing),
		TEST(every_bank_taken_names_their_number),
		TEST(quota_refuses_each_thing_a_session_costs),
		TEST(draining_refuses_new_sessions),
		TEST(directories_are_for_whom_policy_and_device_let_bring_them),
		TEST(handle_closes_once),
		TEST(foreign_and_made_up_handles_name_no_session),
		TEST(close_answers_what_waits_then_itself),
		TEST(call_that_ends_well_while_its_session_closes_is_answered),
		TEST(module_that_opens_while_its_session_closes_is_answered),
		TEST(no_module_enters_a_session_that_closes),
		TEST(no_module_enters_the_table_of_a_client_that_went),
		TEST(client_goes_while_its_session_opens),
		TEST(client_goes_and_its_session_fails_to_open),
		TEST(client_goes_with_a_call_running),
		TEST(lost_session_tells_why_to_all_its_calls),
		TEST(call_made_while_the_reason_is_awaited_hears_it),
		TEST(lost_session_keeps_its_handle_and_gives_its_bank_back),
		TEST(lost_session_is_closed_before_the_device_has_let_go),
		TEST(lost_then_gone_and_gone_then_lost),
		TEST(client_goes_after_its_lost_session_ended),
		TEST(session_lost_while_it_closes_just_closes),
		TEST(close_between_death_and_its_reason_answers_everybody),
		TEST(log_lines_reach_the_client_of_their_session),
		TEST(made_up_cookies_do_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
