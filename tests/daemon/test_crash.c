/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What dies: skels, protection domains, the DSP, the daemon. Whose calls end, with which words, and
 * whose go on.
 */
#include "library.h"
#include "peer.h"

#include <signal.h>
#include <stdio.h>

#include "qda_args.h"
#include "qda_bad.h"
#include "qda_null.h"

#define N(array) (sizeof(array) / sizeof(*(array)))

/* --- a skel --- */

struct obituary {
	uint32_t code, signal;
	char text[QDA_TEXT_MAX + 1]; /* of the event */
	char answer[QDA_TEXT_MAX + 1];
};

/* A call that kills the PD: its answer and the event, which may come in either order. */
static void crash(struct peer *p, uint64_t handle, unsigned method, uint32_t number,
		  struct obituary *o)
{
	uint64_t serial = post_number(p, handle, method, number, 0);

	memset(o, 0, sizeof(*o));
	while (!*o->text || !*o->answer) {
		assert_true(peer_next(p));
		if (p->frame.flags == QDA_FRAME_EVENT) {
			assert_int_equal(p->frame.type, QDA_TYPE_SESSION_LOST);
			o->signal = p->event.session_lost.signal;
			snprintf(o->text, sizeof(o->text), "%s", p->event.session_lost.text);
			continue;
		}
		assert_int_equal(p->frame.serial, serial);
		o->code = p->reply.status.code;
		snprintf(o->answer, sizeof(o->answer), "%s", p->reply.status.text);
	}
}

static uint64_t post_time(struct peer *p, uint64_t handle, uint32_t us)
{
	struct invocation *i = invocation_new(handle, QDA_ARGS_TIME);

	invocation_in(i, &us, sizeof(us));
	invocation_out(i, sizeof(struct qda_args_time));
	return invocation_post(p, i);
}

static void await_time(struct peer *p, uint64_t serial, uint32_t us)
{
	struct qda_args_time t;

	assert_true(peer_next(p));
	assert_int_equal(p->frame.serial, serial); /* and no event */
	assert_int_equal(p->reply.status.code, 0);
	assert_int_equal(p->n_tail, sizeof(t));
	memcpy(&t, p->tail, sizeof(t));
	assert_true(t.after_us - t.before_us >= us);
}

static void assert_fills(struct peer *p, uint64_t handle)
{
	struct invocation *i = invocation_new(handle, QDA_ARGS_FILL);

	invocation_in(i, &(struct qda_args_fill){ 8 }, 4);
	invocation_out(i, 1000);
	invocation_run(p, i);
	for (uint32_t k = 0; k < 1000; k++)
		assert_int_equal(p->tail[k], qda_args_byte(8, 0, k));
}

/* Every death is explained; as well as the device can. */
static void assert_names_method(const char *text, unsigned method, const char *word)
{
	char number[32];

	assert_true(strlen(text) > 10);
	if (!device_has(DEVICE_LAST_WORDS))
		return;
	snprintf(number, sizeof(number), "method %u", method);
	assert_non_null(strstr(text, number));
	assert_non_null(strstr(text, "qda_bad"));
	assert_non_null(strstr(text, word));
}

static void assert_crash_ends_only_its_session(struct broker *b, unsigned method, uint32_t number,
					       uint32_t signal, const char *word)
{
	struct peer *p = peer_new(b), *other = peer_new(b);
	uint64_t session = peer_session(p), bad = peer_module(p, session, QDA_BAD_URI);
	uint64_t second = peer_open(p, QDA_NULL_URI), elsewhere = peer_open(other, QDA_ARGS_URI);
	uint64_t running = post_time(other, elsewhere, 200000);
	const struct qda_msg_status *status;
	struct obituary o;

	crash(p, bad, method, number, &o);
	assert_int_equal(o.code, ECONNRESET);
	assert_int_equal(o.signal, device_has(DEVICE_LAST_WORDS) ? signal : 0);
	assert_names_method(o.text, method, word);
	assert_names_method(o.answer, method, word);
	status = peer_refused(p, REQUEST(MODULE_OPEN, .module_open = { session, QDA_NULL_URI }),
			      ECONNRESET);
	assert_names_method(status->text, method, word);
	/* The same client's other session, and a new one. */
	invocation_run(p, invocation_new(second, QDA_NULL_NOTHING));
	peer_ok(p, REQUEST(SESSION_CLOSE, .session_close = { session }));
	invocation_refused(p, invocation_new(bad, 2), ENOENT);
	bad = peer_open(p, QDA_BAD_URI);
	assert_int_equal(peer_await(p, post_number(p, bad, QDA_BAD_HANG, 0, 0))->status.code, 0);
	/* The other client, whose call ran all the while. */
	await_time(other, running, 200000);
	assert_fills(other, elsewhere);
	peer_free(p);
	peer_free(other);
}

static void a_segfault_ends_only_its_session(void **state)
{
	assert_crash_ends_only_its_session(*state, QDA_BAD_SIGNAL, SIGSEGV, SIGSEGV, "SIGSEGV");
}

static void an_abort_ends_only_its_session(void **state)
{
	assert_crash_ends_only_its_session(*state, QDA_BAD_SIGNAL, SIGABRT, SIGABRT, "SIGABRT");
}

static void a_division_by_zero_ends_only_its_session(void **state)
{
	assert_crash_ends_only_its_session(*state, QDA_BAD_SIGNAL, SIGFPE, SIGFPE, "SIGFPE");
}

static void an_illegal_instruction_ends_only_its_session(void **state)
{
	assert_crash_ends_only_its_session(*state, QDA_BAD_SIGNAL, SIGILL, SIGILL, "SIGILL");
}

static void an_exit_ends_only_its_session(void **state)
{
	/* A sanitizer may have an opinion of its own about the status. */
	assert_crash_ends_only_its_session(*state, QDA_BAD_EXIT, 3, 0,
					   SANITIZED ? "exit with status" : "exit with status 3");
	assert_crash_ends_only_its_session(*state, QDA_BAD_EXIT, 0, 0,
					   SANITIZED ? "exit with status" : "exit with status 0");
}

static void all_calls_of_a_crashed_session_learn_why(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t bad = peer_open(p, QDA_BAD_URI);
	unsigned ended = 0;

	for (unsigned i = 0; i < 50; i++) /* some run, some wait */
		post_number(p, bad, QDA_BAD_HANG, QDA_BAD_FOREVER, 0);
	kill(broker_process(*state, "qda-softdsp-pd"), SIGKILL);
	while (ended < 50) {
		assert_true(peer_next(p));
		if (p->frame.flags == QDA_FRAME_EVENT)
			continue;
		assert_int_equal(p->reply.status.code, ECONNRESET);
		if (device_has(DEVICE_LAST_WORDS))
			assert_non_null(strstr(p->reply.status.text, "SIGKILL"));
		ended++;
	}
	assert_int_equal(p->n_events, 1);
	assert_int_equal(peer_domain_row(p).in_flight, 0);
	assert_int_equal(peer_domain_row(p).queued, 0);
	peer_free(p);
}

static void a_lost_session_gives_its_bank_back_before_it_is_closed(void **state)
{
	struct peer *p = peer_new(*state);
	unsigned banks = peer_domain_row(p).sessions_max;

	for (unsigned i = 0; i < banks; i++)
		peer_session(p);
	for (unsigned i = 0; i < 3; i++) {
		kill(broker_process(*state, "qda-softdsp-pd"), SIGKILL);
		peer_await_event(p, QDA_TYPE_SESSION_LOST);
		UNTIL (peer_call(p, REQUEST(SESSION_OPEN))->status.code == 0)
			;
	}
	peer_free(p);
}

static void the_library_says_that_a_session_is_lost(void **state)
{
	struct user u = user_new(*state, QDA_BAD_URI);
	uint32_t signal = SIGSEGV;
	struct qda_error error = { 0 };

	assert_int_equal(qda_session_alive(u.session, NULL), 1);
	INVOKE_FAILS(-ECONNRESET, u.module, QDA_BAD_SIGNAL, qda_in(&signal, 4));
	assert_names_method(library_error.text, QDA_BAD_SIGNAL, "SIGSEGV");
	assert_int_equal(qda_session_alive(u.session, &error), 0);
	assert_names_method(error.text, QDA_BAD_SIGNAL, "SIGSEGV");
	qda_session_close(u.session);
	library_module(library_session(u.client), QDA_NULL_URI);
	user_free(&u);
}

/* --- modules that cannot be loaded --- */

static void refuse_module(struct peer *p, uint64_t session, const char *uri, const char *word)
{
	const struct qda_msg_status *status =
		peer_refused(p, REQUEST(MODULE_OPEN, .module_open = { session, uri }), EREMOTEIO);

	assert_int_not_equal(status->aee, 0);
	if (!strstr(status->text, word))
		fail_msg("%s: \"%s\" does not say \"%s\"", uri, status->text, word);
}

static void modules_that_cannot_be_loaded_are_explained(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t session = peer_session(p);

	refuse_module(p, session, "file:///libnone_skel.so?none_skel_handle_invoke&_modver=1.0",
		      "libnone_skel.so");
	refuse_module(p, session, "none", "libnone_skel.so");
	refuse_module(p, session, "file:///libqda_null_skel.so?no_such_symbol&_modver=1.0",
		      "no_such_symbol");
	refuse_module(p, session, QDA_BAD_URI "&_idlver=1.2.4", "");
	refuse_module(p, session, "file:///../../etc/passwd?x&_modver=1.0", "");
	peer_module(p, session, QDA_BAD_URI "&_idlver=1.2.3");
	peer_free(p);
}

static void uris_of_any_length_are_answered(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t session = peer_session(p);
	char uri[1100];

	peer_refused(p, REQUEST(MODULE_OPEN, .module_open = { session, "" }), EINVAL);
	for (unsigned n = 1; n < sizeof(uri); n += n < 1010 ? 101 : 1) {
		memset(uri, 'x', n);
		uri[n] = '\0';
		peer_refused(p, REQUEST(MODULE_OPEN, .module_open = { session, uri }),
			     n > QDA_URI_MAX ? EINVAL : EREMOTEIO);
	}
	peer_free(p);
}

/* --- log lines --- */

struct lines {
	unsigned n, wrong, dropped;
};

static void on_line(void *data, struct qda_session *session, unsigned level, const char *text,
		    unsigned dropped)
{
	struct lines *lines = data;
	char expected[64];

	lines->dropped += dropped;
	snprintf(expected, sizeof(expected), "hello %u", lines->n + lines->dropped);
	lines->wrong += level != 2 || !strstr(text, expected);
	lines->n++;
}

static void what_a_skel_logs_reaches_its_client(void **state)
{
	struct qda_args_log in = { sizeof("hello"), 2, 40 };
	struct lines lines = { 0 };
	struct user u;

	device_need(DEVICE_LOG_LINES);
	u = user_new(*state, QDA_ARGS_URI);
	must(qda_log(u.client, on_line, &lines, &library_error));
	INVOKE(u.module, QDA_ARGS_LOG, qda_in(&in, sizeof(in)), qda_in("hello", sizeof("hello")));
	while (lines.n + lines.dropped < 40)
		must(qda_dispatch(u.client, PATIENCE_MS));
	assert_int_equal(lines.wrong, 0);
	user_free(&u);
}

static void a_flood_of_lines_stops_no_call(void **state)
{
	struct peer *deaf = peer_new(*state), *good = peer_new(*state);
	uint64_t bad = peer_open(deaf, QDA_BAD_URI), null = peer_open(good, QDA_NULL_URI);
	struct invocation *i = invocation_new(bad, QDA_BAD_LOGS);
	struct qda_bad_logs logs = { 20000 / slowness(), 900 };

	peer_ok(deaf, REQUEST(SUBSCRIBE, .subscribe = { 1 }));
	invocation_in(i, &logs, sizeof(logs));
	invocation_post(deaf, i); /* and nobody reads the lines */
	for (unsigned k = 0; k < 200; k++)
		invocation_run(good, invocation_new(null, QDA_NULL_NOTHING));
	assert_int_equal(good->n_events, 0);
	UNTIL (peer_domain_row(good).in_flight == 0)
		;
	do /* what is there still, then the answer */
		assert_true(peer_next(deaf));
	while (deaf->frame.flags == QDA_FRAME_EVENT);
	assert_int_equal(deaf->reply.status.code, 0);
	peer_free(deaf);
	peer_free(good);
}

/* --- the DSP --- */

static uint64_t reopened_session(struct peer *p)
{
	UNTIL (peer_call(p, REQUEST(SESSION_OPEN))->status.code == 0)
		assert_int_equal(p->reply.status.code, ENOTCONN);
	return p->reply.session_open.session;
}

static void the_dsp_comes_back_after_it_was_killed_under_load(void **state)
{
	struct peer *p[3], *watcher = peer_new(*state);
	const struct qda_msg_event *event;

	for (unsigned i = 0; i < N(p); i++) {
		uint64_t bad;

		p[i] = peer_new(*state);
		bad = peer_open(p[i], QDA_BAD_URI);
		for (unsigned k = 0; k < 20; k++)
			post_number(p[i], bad, QDA_BAD_HANG, QDA_BAD_FOREVER, 0);
	}
	UNTIL (peer_domain_row(watcher).in_flight >= 20)
		;
	kill(broker_process(*state, "qda-softdsp"), SIGKILL);
	event = peer_await_event(watcher, QDA_TYPE_DOMAIN_CHANGED);
	assert_string_equal(event->domain_changed.state, "down");
	for (unsigned i = 0; i < N(p); i++) {
		unsigned ended = 0;

		while (ended < 20) {
			assert_true(peer_next(p[i]));
			if (p[i]->frame.flags == QDA_FRAME_EVENT)
				continue;
			assert_int_not_equal(p[i]->reply.status.code, 0);
			assert_true(strlen(p[i]->reply.status.text) > 10);
			ended++;
		}
	}
	do
		event = peer_await_event(watcher, QDA_TYPE_DOMAIN_CHANGED);
	while (strcmp(event->domain_changed.state, "up"));
	for (unsigned i = 0; i < N(p); i++) {
		assert_fills(p[i], peer_module(p[i], reopened_session(p[i]), QDA_ARGS_URI));
		peer_free(p[i]);
	}
	peer_free(watcher);
	UNTIL (broker_processes(*state, "qda-softdsp") == 1) /* one DSP, and no PD */
		;
}

static void without_a_dsp_requests_are_refused_with_the_reason(void **state)
{
	struct peer *p = peer_new(*state);
	const struct qda_msg_status *status;

	kill(broker_process(*state, "qda-softdsp"), SIGKILL);
	assert_string_equal(peer_await_event(p, QDA_TYPE_DOMAIN_CHANGED)->domain_changed.state,
			    "down");
	status = &peer_call(p, REQUEST(SESSION_OPEN))->status;
	if (status->code) { /* it may be up again already */
		assert_int_equal(status->code, ENOTCONN);
		assert_non_null(strstr(status->text, "cdsp"));
		assert_true(status->retry_ms > 0);
	}
	peer_module(p, reopened_session(p), QDA_NULL_URI);
	peer_free(p);
}

static void a_dsp_that_is_killed_ten_times_leaves_no_descriptor(void **state)
{
	struct peer *p = peer_new(*state);
	unsigned before = broker_fds(*state);

	for (unsigned i = 0; i < 10; i++) {
		uint64_t session = reopened_session(p);

		peer_module(p, session, QDA_NULL_URI);
		/* Those before have ended. */
		UNTIL (broker_processes(*state, "qda-softdsp-pd") == 1)
			;
		kill(broker_process(*state, i % 2 ? "qda-softdsp-pd" : "qda-softdsp"), SIGKILL);
		peer_await_event(p, QDA_TYPE_SESSION_LOST);
		peer_ok(p, REQUEST(SESSION_CLOSE, .session_close = { session }));
	}
	UNTIL (broker_fds(*state) == before)
		;
	peer_free(p);
}

/* --- the daemon --- */

/* For calls that do not end before the test has seen all else. */
static int setup_long_drain(void **state)
{
	return broker_setup_with(
		state, &(struct broker_options){ .config = "[daemon]\ndrain_ms=600000\n" });
}

static void sigterm_lets_calls_end_and_takes_no_more(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t session = peer_session(p), handle = peer_module(p, session, QDA_NULL_URI);
	pid_t pd = broker_pause_pd(*state);
	uint64_t hold = post_number(p, handle, QDA_NULL_HOLD, 0, 0), more[3];

	UNTIL (peer_counts(p).in_flight == 1)
		;
	broker_signal(*state, SIGTERM);
	UNTIL (!strcmp(peer_daemon_row(p).state, "draining"))
		;
	more[0] = peer_post(p, REQUEST(SESSION_OPEN), NULL, 0, NULL, 0);
	assert_int_equal(peer_await(p, more[0])->status.code, ESHUTDOWN);
	more[1] = invocation_post(p, invocation_new(handle, QDA_NULL_NOTHING));
	assert_int_equal(peer_await(p, more[1])->status.code, ESHUTDOWN);
	more[2] = peer_post(p, REQUEST(MODULE_OPEN, .module_open = { session, QDA_NULL_URI }), NULL,
			    0, NULL, 0);
	assert_int_equal(peer_await(p, more[2])->status.code, ESHUTDOWN);
	assert_null(peer_try_connect(((struct broker *)*state)->socket));
	kill(pd, SIGCONT);
	assert_int_equal(peer_await(p, hold)->status.code, 0);
	peer_expect_end(p);
	broker_wait_end(*state);
	peer_free(p);
}

/* Longer than by default: with that, or with none, it would end too soon. */
static int setup_drain(void **state)
{
	return broker_setup_with(state,
				 &(struct broker_options){ .config = "[daemon]\ndrain_ms=5500\n" });
}

static void calls_that_do_not_end_are_not_waited_for_longer_than_configured(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t since;

	post_number(p, peer_open(p, QDA_BAD_URI), QDA_BAD_HANG, QDA_BAD_FOREVER, 0);
	UNTIL (peer_counts(p).in_flight == 1)
		;
	since = clock_ms();
	broker_signal(*state, SIGTERM);
	broker_wait_end(*state);
	assert_true(clock_ms() - since >= 5490);
	peer_free(p);
}

static void a_second_sigterm_waits_for_nothing(void **state)
{
	struct peer *p = peer_new(*state);

	post_number(p, peer_open(p, QDA_BAD_URI), QDA_BAD_HANG, QDA_BAD_FOREVER, 0);
	UNTIL (peer_counts(p).in_flight == 1)
		;
	broker_signal(*state, SIGTERM);
	UNTIL (!strcmp(peer_daemon_row(p).state, "draining"))
		;
	broker_signal(*state, SIGTERM);
	broker_wait_end(*state);
	peer_free(p);
}

static void a_client_learns_that_the_daemon_was_killed(void **state)
{
	struct user u = user_new(*state, QDA_NULL_URI);
	struct broker *b = *state;

	broker_signal(b, SIGKILL);
	INVOKE_FAILS(-ECONNRESET, u.module, QDA_NULL_HOLD, qda_in(&(uint32_t){ 5000000 }, 4));
	user_free(&u);
	broker_forget(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_segfault_ends_only_its_session),
		TEST(an_abort_ends_only_its_session),
		TEST(a_division_by_zero_ends_only_its_session),
		TEST(an_illegal_instruction_ends_only_its_session),
		TEST(an_exit_ends_only_its_session),
		TEST(all_calls_of_a_crashed_session_learn_why),
		TEST(a_lost_session_gives_its_bank_back_before_it_is_closed),
		TEST(the_library_says_that_a_session_is_lost),
		TEST(modules_that_cannot_be_loaded_are_explained),
		TEST(uris_of_any_length_are_answered),
		TEST(what_a_skel_logs_reaches_its_client),
		TEST(a_flood_of_lines_stops_no_call),
		TEST(the_dsp_comes_back_after_it_was_killed_under_load),
		TEST(without_a_dsp_requests_are_refused_with_the_reason),
		TEST(a_dsp_that_is_killed_ten_times_leaves_no_descriptor),
		TEST_WITH(sigterm_lets_calls_end_and_takes_no_more, setup_long_drain),
		TEST_WITH(calls_that_do_not_end_are_not_waited_for_longer_than_configured,
			  setup_drain),
		TEST_WITH(a_second_sigterm_waits_for_nothing, setup_long_drain),
		TEST(a_client_learns_that_the_daemon_was_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
