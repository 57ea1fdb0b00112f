/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many calls at once, calls that are given up, and what happens to calls when what they hang on
 * goes away.
 */
#include "library.h"
#include "peer.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "qda_args.h"
#include "qda_bad.h"
#include "qda_null.h"

#define MS 1000u

/* --- at the same time --- */

/* 15 calls that do not end: one after the other, the next would never be answered. */
static void calls_of_one_session_run_at_the_same_time(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_BAD_URI), serial;

	for (unsigned i = 0; i < 15; i++)
		post_number(p, handle, QDA_BAD_HANG, QDA_BAD_FOREVER, 0);
	serial = post_number(p, handle, QDA_BAD_HANG, 200, 0);
	assert_int_equal(peer_await(p, serial)->status.code, 0);
	assert_int_equal(p->reply.invoke.dsp_result, 0);
	assert_true(p->reply.invoke.dsp_ns >= 200000000);
	assert_int_equal(peer_domain_row(p).in_flight, 15);
	peer_free(p);
}

static void the_domain_shows_what_is_in_flight(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_NULL_URI), serial;
	pid_t pd = broker_pause_pd(*state);
	struct counts c;

	serial = post_number(p, handle, QDA_NULL_HOLD, 200 * MS, 0);
	c = peer_counts(p);
	assert_int_equal(c.calls_now, 1);
	assert_int_equal(c.in_flight, 1);
	assert_int_equal(c.queued, 0);
	kill(pd, SIGCONT);
	peer_await(p, serial);
	c = peer_counts(p);
	assert_int_equal(c.calls_now, 0);
	assert_int_equal(c.in_flight, 0);
	assert_int_equal(peer_domain_row(p).calls, 2); /* the module's open is one */
	assert_true(peer_domain_row(p).busy_ns >= 200000000);
	peer_free(p);
}

static void a_slow_call_holds_up_no_other(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t session = peer_session(p), bad = peer_module(p, session, QDA_BAD_URI);
	uint64_t null = peer_module(p, session, QDA_NULL_URI), slow;

	slow = post_number(p, bad, QDA_BAD_HANG, QDA_BAD_FOREVER, 0);
	for (unsigned i = 0; i < 10; i++)
		invocation_run(p, invocation_new(null, QDA_NULL_NOTHING));
	peer_post(p, REQUEST(SESSION_CLOSE, .session_close = { session }), NULL, 0, NULL, 0);
	assert_int_equal(peer_await(p, slow)->status.code, ECANCELED);
	peer_free(p);
}

/* Each thread echoes bytes of its own and compares them; what went wrong is looked at afterwards,
 * since only the main thread may fail the test. */
struct worker {
	pthread_t thread;
	struct qda_module *module;
	unsigned seed, rounds;
	unsigned right;
};

static void *echo_rounds(void *data)
{
	struct worker *w = data;
	uint8_t in[2000], out[2000];

	for (unsigned i = 0; i < w->rounds; i++) {
		size_t n = (w->seed * 37 + i * 101) % sizeof(in);
		struct qda_arg args[] = { qda_in(in, n), qda_out(out, n) };

		fill_pattern(in, n, w->seed << 16 | i);
		memset(out, 0, n);
		if (qda_invoke(w->module, QDA_ARGS_ECHO, args, 2, NULL, NULL))
			continue;
		w->right += !memcmp(in, out, n);
	}
	return NULL;
}

static void run_workers(struct worker *workers, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, echo_rounds, &workers[i]),
				 0);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(workers[i].right, workers[i].rounds);
}

static void many_threads_share_one_client(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	struct worker workers[16];

	for (unsigned i = 0; i < 16; i++)
		workers[i] = (struct worker){ .module = u.module, .seed = i, .rounds = 200 };
	run_workers(workers, 16);
	user_free(&u);
}

static void many_sessions_of_one_client_each_have_their_own(void **state)
{
	struct qda_client *c = library_connect(*state);
	struct qda_module *modules[12];
	struct worker workers[12];

	for (unsigned i = 0; i < 12; i++) {
		modules[i] = library_module(library_session(c), QDA_ARGS_URI);
		workers[i] = (struct worker){ .module = modules[i], .seed = i, .rounds = 50 };
	}
	assert_int_equal(broker_processes(*state, "qda-softdsp-pd"), 12);
	run_workers(workers, 12);
	for (unsigned i = 0; i < 12; i++) {
		struct qda_module *counter = NULL;
		uint32_t objects = 0;
		int32_t start = 0;

		for (unsigned k = 0; k < i; k++)
			INVOKE(modules[i], QDA_ARGS_COUNTER_NEW, qda_in(&start, 4),
			       qda_out_module(&counter));
		INVOKE(modules[i], QDA_ARGS_OBJECTS, qda_out(&objects, 4));
		assert_int_equal(objects, 1 + i); /* no session sees another's */
	}
	qda_disconnect(c);
}

static void many_clients_at_once_get_their_own_bytes(void **state)
{
	struct user users[8];
	struct worker workers[8];

	for (unsigned i = 0; i < 8; i++) {
		users[i] = user_new(*state, QDA_ARGS_URI);
		workers[i] = (struct worker){ .module = users[i].module,
					      .seed = 100 + i,
					      .rounds = 100 };
	}
	run_workers(workers, 8);
	for (unsigned i = 0; i < 8; i++)
		user_free(&users[i]);
}

#define FLOOD	    200u
#define FLOOD_BYTES 12000u

static void post_echo(struct peer *p, uint64_t handle, uint32_t seed)
{
	struct invocation *call = invocation_new(handle, QDA_ARGS_ECHO);
	uint8_t in[FLOOD_BYTES];

	fill_pattern(in, sizeof(in), seed);
	invocation_in(call, in, sizeof(in));
	invocation_out(call, sizeof(in));
	invocation_post(p, call);
}

static void take_echo(struct peer *p, uint64_t first, bool *seen)
{
	uint8_t expected[FLOOD_BYTES];
	uint64_t which;

	assert_true(peer_next(p));
	which = p->frame.serial - first;
	assert_true(which < FLOOD && !seen[which]);
	seen[which] = true;
	assert_int_equal(p->reply.status.code, 0);
	fill_pattern(expected, sizeof(expected), (uint32_t)which);
	assert_int_equal(p->n_tail, sizeof(expected));
	assert_memory_equal(p->tail, expected, sizeof(expected));
}

/* More than may be in flight, more than staging holds: all are answered, all are right. */
static void a_flood_of_calls_is_queued_and_answered(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_ARGS_URI), first = p->serial + 1;
	bool seen[FLOOD] = { false };
	unsigned sent = 0, got = 0;

	while (got < FLOOD) {
		struct pollfd both = { p->fd, sent < FLOOD ? POLLIN | POLLOUT : POLLIN, 0 };

		assert_int_equal(poll(&both, 1, PATIENCE_MS), 1);
		if (both.revents & POLLOUT)
			post_echo(p, handle, sent++);
		if (both.revents & POLLIN) {
			take_echo(p, first, seen);
			got++;
		}
	}
	peer_free(p);
}

/* --- asynchronous --- */

struct ended {
	unsigned calls, good;
	int last;
};

static void on_end(void *data, const struct qda_error *err, const struct qda_call_options *times)
{
	struct ended *ended = data;

	ended->calls++;
	ended->good += !err && times->dsp_ns > 0;
	ended->last = err ? err->code : 0;
}

static void asynchronous_calls_end_in_callbacks(void **state)
{
	struct user u = user_new(*state, QDA_ARGS_URI);
	static uint8_t in[64][500], out[64][500];
	struct ended ended = { 0 };

	for (unsigned i = 0; i < 64; i++) {
		struct qda_arg args[] = { qda_in(in[i], 500), qda_out(out[i], 500) };
		uint8_t copy[500];

		fill_pattern(in[i], 500, i);
		memcpy(copy, in[i], 500);
		must(qda_submit(u.module, QDA_ARGS_ECHO, args, 2, NULL, on_end, &ended, NULL,
				&library_error));
		memset(in[i], 0, 500); /* what goes in was copied */
		memcpy(in[i], copy, 500);
	}
	while (ended.calls < 64)
		must(qda_dispatch(u.client, PATIENCE_MS));
	assert_int_equal(ended.good, 64);
	for (unsigned i = 0; i < 64; i++)
		assert_memory_equal(in[i], out[i], 500);
	assert_int_equal(qda_dispatch(u.client, 0), 0);
	user_free(&u);
}

static void a_submitted_call_is_cancelled_by_name(void **state)
{
	struct user u = user_new(*state, QDA_BAD_URI);
	struct ended ended = { 0 };
	uint32_t ms = QDA_BAD_FOREVER;
	struct qda_arg args[] = { qda_in(&ms, 4) };
	struct qda_call *call;

	must(qda_submit(u.module, QDA_BAD_HANG, args, 1, NULL, on_end, &ended, &call,
			&library_error));
	must(qda_cancel(u.client, call));
	while (!ended.calls)
		must(qda_dispatch(u.client, PATIENCE_MS));
	assert_int_equal(ended.last, -ECANCELED);
	user_free(&u);
}

/* --- deadlines --- */

static int setup_narrow(void **state)
{
	return broker_setup_with(
		state, &(struct broker_options){ .config = "[domain cdsp]\nin_flight=1\n" });
}

static uint64_t calls_counted(struct peer *p, uint64_t handle)
{
	struct invocation *i = invocation_new(handle, QDA_NULL_COUNT);
	uint64_t count;

	invocation_out(i, sizeof(count));
	invocation_run(p, i);
	assert_int_equal(p->n_tail, sizeof(count));
	memcpy(&count, p->tail, sizeof(count));
	return count;
}

static uint64_t post_count(struct peer *p, uint64_t handle, uint64_t timeout_us)
{
	struct invocation *i = invocation_new(handle, QDA_NULL_COUNT);

	invocation_out(i, 8);
	i->request.invoke.timeout_us = timeout_us;
	return invocation_post(p, i);
}

static void a_queued_call_past_its_deadline_never_reaches_the_dsp(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_NULL_URI), hold, late[5];
	pid_t pd;

	assert_int_equal(calls_counted(p, handle), 1);
	pd = broker_pause_pd(*state);
	hold = post_number(p, handle, QDA_NULL_HOLD, 0, 0);
	for (unsigned i = 0; i < 5; i++)
		late[i] = post_count(p, handle, 20 * MS);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(peer_await(p, late[i])->status.code, ETIME);
	assert_non_null(strstr(p->reply.status.text, "before the call reached the DSP"));
	kill(pd, SIGCONT);
	assert_int_equal(peer_await(p, hold)->status.code, 0);
	assert_int_equal(calls_counted(p, handle), 2);
	peer_free(p);
}

static void a_running_call_past_its_deadline_is_answered_and_abandoned(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_NULL_URI), since = clock_ms(), serial;
	pid_t pd = broker_pause_pd(*state);
	const struct qda_msg_status *status;

	serial = post_number(p, handle, QDA_NULL_HOLD, 0, 500 * MS);
	status = &peer_await(p, serial)->status;
	assert_int_equal(status->code, ETIME);
	assert_non_null(strstr(status->text, "abandoned"));
	assert_true(clock_ms() - since >= 500);
	/* It still runs, and its place is taken until it has ended. */
	assert_int_equal(peer_domain_row(p).in_flight, 1);
	assert_int_equal(peer_counts(p).calls_now, 1);
	kill(pd, SIGCONT);
	UNTIL (peer_domain_row(p).in_flight == 0)
		;
	assert_int_equal(peer_counts(p).calls_now, 0);
	invocation_run(p, invocation_new(handle, QDA_NULL_NOTHING));
	peer_free(p);
}

static void a_deadline_that_is_not_reached_changes_nothing(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_NULL_URI);

	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(peer_await(p, post_number(p, handle, QDA_NULL_HOLD, 100,
							   i % 2 ? 5000 * MS : UINT64_MAX))
					 ->status.code,
				 0);
	peer_free(p);
}

static void deadlines_end_in_their_own_order(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_BAD_URI);
	/* Later than anything takes, however long the next ones need to get there. */
	uint64_t third = post_number(p, handle, QDA_BAD_HANG, QDA_BAD_FOREVER,
				     10 * PATIENCE_MS * MS);
	uint64_t first = post_number(p, handle, QDA_BAD_HANG, QDA_BAD_FOREVER, 100 * MS);
	uint64_t second = post_number(p, handle, QDA_BAD_HANG, QDA_BAD_FOREVER, 200 * MS);

	assert_int_equal(peer_await(p, first)->status.code, ETIME);
	assert_int_equal(peer_await(p, second)->status.code, ETIME);
	peer_post(p, REQUEST(CANCEL, .cancel = { third }), NULL, 0, NULL, 0);
	assert_int_equal(peer_await(p, third)->status.code, ECANCELED);
	peer_free(p);
}

/* An abandoned call keeps its buffer, and what it costs, until it has ended. */
static void an_abandoned_call_keeps_its_buffer(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_BAD_URI), before = peer_counts(p).buffer_bytes;
	uint64_t buffer = peer_buffer(p, 1 << 20, NULL), serial;
	struct invocation *i = invocation_new(handle, QDA_BAD_HANG);
	pid_t pd = broker_pause_pd(*state);

	invocation_in(i, &(uint32_t){ 0 }, 4);
	invocation_arg(i, 0, QDA_ARG_BUFFER, buffer, 0, 1 << 20);
	i->request.invoke.timeout_us = 500 * MS;
	serial = invocation_post(p, i);
	assert_int_equal(peer_await(p, serial)->status.code, ETIME);
	peer_ok(p, REQUEST(BUFFER_FREE, .buffer_free = { buffer }));
	assert_int_equal(peer_counts(p).buffer_bytes, before + (1 << 20));
	kill(pd, SIGCONT);
	UNTIL (peer_domain_row(p).in_flight == 0)
		;
	assert_int_equal(peer_counts(p).buffer_bytes, before);
	peer_free(p);
}

/* --- cancel --- */

static void a_queued_call_that_is_cancelled_never_reaches_the_dsp(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_NULL_URI), hold, queued;
	pid_t pd = broker_pause_pd(*state);
	uint32_t code;

	hold = post_number(p, handle, QDA_NULL_HOLD, 0, 0);
	queued = post_count(p, handle, 0);
	assert_int_equal(peer_cancel(p, queued, &code), 1);
	assert_int_equal(code, ECANCELED);
	kill(pd, SIGCONT);
	peer_await(p, hold);
	assert_int_equal(calls_counted(p, handle), 1);
	peer_free(p);
}

static void a_running_call_that_is_cancelled_is_abandoned(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_NULL_URI), running;
	pid_t pd = broker_pause_pd(*state);
	uint32_t code;

	running = post_number(p, handle, QDA_NULL_HOLD, 0, 0);
	assert_int_equal(peer_cancel(p, running, &code), 2);
	assert_int_equal(code, ECANCELED);
	assert_int_equal(peer_domain_row(p).in_flight, 1);
	kill(pd, SIGCONT);
	UNTIL (peer_domain_row(p).in_flight == 0)
		;
	peer_free(p);
}

static void what_has_ended_cannot_be_cancelled(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_NULL_URI), done;

	done = post_number(p, handle, QDA_NULL_HOLD, 1, 0);
	assert_int_equal(peer_await(p, done)->status.code, 0);
	assert_int_equal(peer_ok(p, REQUEST(CANCEL, .cancel = { done }))->cancel.was, 0);
	assert_int_equal(peer_ok(p, REQUEST(CANCEL, .cancel = { 0 }))->cancel.was, 0);
	assert_int_equal(peer_ok(p, REQUEST(CANCEL, .cancel = { UINT64_MAX }))->cancel.was, 0);
	peer_free(p);
}

static void nobody_cancels_anothers_call(void **state)
{
	struct peer *p = peer_new(*state), *other = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_NULL_URI), running;
	pid_t pd = broker_pause_pd(*state);

	running = post_number(p, handle, QDA_NULL_HOLD, 0, 0);
	other->serial = running + 10;
	assert_int_equal(peer_ok(other, REQUEST(CANCEL, .cancel = { running }))->cancel.was, 0);
	kill(pd, SIGCONT);
	assert_int_equal(peer_await(p, running)->status.code, 0);
	peer_free(p);
	peer_free(other);
}

static void a_call_and_its_cancel_race_without_loss(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_NULL_URI);

	for (unsigned i = 0; i < 300; i++) {
		uint64_t call = post_number(p, handle, QDA_NULL_HOLD, i, 0);
		uint32_t code, was = peer_cancel(p, call, &code);

		assert_int_equal(code, was ? ECANCELED : 0);
	}
	peer_free(p);
}

/* --- the end of a session --- */

static void closing_a_session_ends_its_calls(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t session = peer_session(p), handle = peer_module(p, session, QDA_BAD_URI), close;
	unsigned cancelled = 0;

	for (unsigned i = 0; i < 40; i++) /* some run, some wait */
		post_number(p, handle, QDA_BAD_HANG, QDA_BAD_FOREVER, 0);
	close = peer_post(p, REQUEST(SESSION_CLOSE, .session_close = { session }), NULL, 0, NULL,
			  0);
	for (;;) {
		assert_true(peer_next(p));
		if (p->frame.serial == close)
			break;
		assert_int_equal(p->reply.status.code, ECANCELED);
		cancelled++;
	}
	assert_int_equal(p->reply.status.code, 0);
	assert_int_equal(cancelled, 40);
	assert_int_equal(peer_domain_row(p).in_flight, 0);
	UNTIL (broker_processes(*state, "qda-softdsp-pd") == 0) /* a driver does not wait for it */
		;
	invocation_run(p, invocation_new(peer_open(p, QDA_NULL_URI), QDA_NULL_NOTHING));
	peer_free(p);
}

static void configure_anew(const struct broker *b, struct peer *p, const char *text)
{
	broker_configure(b, text);
	peer_ok(p, REQUEST(RELOAD));
}

/* The limit is there for this call alone: to open a module may take as long on a machine that is
 * busy. */
static void a_call_that_hangs_ends_its_session_and_no_other(void **state)
{
	struct peer *p = peer_new(*state), *other = peer_new(*state);
	uint64_t good = peer_open(other, QDA_NULL_URI), bad = peer_open(p, QDA_BAD_URI), serial;
	const struct qda_msg_status *status;

	configure_anew(*state, other, "[domain cdsp]\nhang_ms=200\n");
	serial = post_number(p, bad, QDA_BAD_HANG, QDA_BAD_FOREVER, 0);
	status = &peer_await(p, serial)->status;
	assert_int_equal(status->code, ECONNRESET);
	assert_non_null(strstr(status->text, "ran longer than hang_ms=200"));
	configure_anew(*state, other, "");
	UNTIL (peer_domain_row(other).in_flight == 0)
		;
	UNTIL (broker_processes(*state, "qda-softdsp-pd") == 1) /* that of the other */
		;
	invocation_run(other, invocation_new(good, QDA_NULL_NOTHING));
	peer_free(other);
	peer_free(p);
}

static void closing_a_session_ends_its_modules(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t session = peer_session(p), handle = peer_module(p, session, QDA_NULL_URI);

	peer_ok(p, REQUEST(SESSION_CLOSE, .session_close = { session }));
	invocation_refused(p, invocation_new(handle, QDA_NULL_NOTHING), ENOENT);
	peer_refused(p, REQUEST(MODULE_CLOSE, .module_close = { handle }), ENOENT);
	peer_refused(p, REQUEST(MODULE_OPEN, .module_open = { session, QDA_NULL_URI }), ENOENT);
	peer_refused(p, REQUEST(SESSION_CLOSE, .session_close = { session }), ENOENT);
	peer_free(p);
}

/* On a machine that is slow the call may have ended before. */
static void a_module_may_be_closed_while_it_is_called(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_NULL_URI), late;

	post_number(p, handle, QDA_NULL_HOLD, 1000 * MS, 0);
	peer_post(p, REQUEST(MODULE_CLOSE, .module_close = { handle }), NULL, 0, NULL, 0);
	late = invocation_post(p, invocation_new(handle, QDA_NULL_NOTHING));
	for (unsigned i = 0; i < 3; i++) {
		assert_true(peer_next(p));
		assert_int_equal(p->reply.status.code, p->frame.serial == late ? ENOENT : 0);
	}
	peer_free(p);
}

static void a_buffer_freed_under_a_call_stays_until_its_end(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_BAD_URI), before = peer_counts(p).buffer_bytes, serial;
	uint64_t buffer = peer_buffer(p, 65536, NULL);
	struct invocation *i = invocation_new(handle, QDA_BAD_HANG);
	pid_t pd = broker_pause_pd(*state);

	invocation_in(i, &(uint32_t){ 0 }, 4);
	invocation_arg(i, 1, QDA_ARG_BUFFER, buffer, 100, 60000);
	serial = invocation_post(p, i);
	peer_ok(p, REQUEST(BUFFER_FREE, .buffer_free = { buffer }));
	peer_refused(p, REQUEST(BUFFER_FREE, .buffer_free = { buffer }), ENOENT);
	assert_int_equal(peer_counts(p).buffer_bytes, before + 65536);
	kill(pd, SIGCONT);
	assert_int_equal(peer_await(p, serial)->status.code, 0);
	assert_int_equal(peer_counts(p).buffer_bytes, before);
	peer_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(calls_of_one_session_run_at_the_same_time),
		TEST(the_domain_shows_what_is_in_flight),
		TEST(a_slow_call_holds_up_no_other),
		TEST(many_threads_share_one_client),
		TEST(many_sessions_of_one_client_each_have_their_own),
		TEST(many_clients_at_once_get_their_own_bytes),
		TEST(a_flood_of_calls_is_queued_and_answered),
		TEST(asynchronous_calls_end_in_callbacks),
		TEST(a_submitted_call_is_cancelled_by_name),
		TEST_WITH(a_queued_call_past_its_deadline_never_reaches_the_dsp, setup_narrow),
		TEST(a_running_call_past_its_deadline_is_answered_and_abandoned),
		TEST(a_deadline_that_is_not_reached_changes_nothing),
		TEST(deadlines_end_in_their_own_order),
		TEST(an_abandoned_call_keeps_its_buffer),
		TEST_WITH(a_queued_call_that_is_cancelled_never_reaches_the_dsp, setup_narrow),
		TEST(a_running_call_that_is_cancelled_is_abandoned),
		TEST(what_has_ended_cannot_be_cancelled),
		TEST(nobody_cancels_anothers_call),
		TEST(a_call_and_its_cancel_race_without_loss),
		TEST(closing_a_session_ends_its_calls),
		TEST(a_call_that_hangs_ends_its_session_and_no_other),
		TEST(closing_a_session_ends_its_modules),
		TEST(a_module_may_be_closed_while_it_is_called),
		TEST(a_buffer_freed_under_a_call_stays_until_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
