/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls on their way: staging, a device that is full, limits, turns, deadlines, cancel.
 */
#include <errno.h>
#include <string.h>

#include "core/watch.h"
#include "core_scene.h"

static struct scene s;
static struct guest g;
static uint64_t session, module;

static int begin(void **state)
{
	scene_begin(&s);
	guest_come(&g, &s, 1000);
	session = open_session(&g);
	module = open_module(&g, session, 0x80000010);
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

static unsigned running(void)
{
	unsigned n = fake_count(s.fake, FAKE_CALL);

	assert_int_equal(s.domain->in_flight, n);
	return n;
}

/* --- staging --- */

#define HALF (QDA_STAGING_BYTES / 4) /* of staging, with as many bytes out */

static void call_without_room_in_staging_waits_for_it(void **state)
{
	uint64_t first = ask_copy(&g, module, HALF), second = ask_copy(&g, module, HALF), third;

	assert_int_equal(running(), 2);
	third = ask_copy(&g, module, 100);
	assert_int_equal(running(), 2);
	assert_int_equal(used(&g, QDA_RES_INLINE_BYTES), 101);
	fake_done(call_op(), 0, 0);
	assert_int_equal(running(), 2);
	assert_int_equal(used(&g, QDA_RES_INLINE_BYTES), 0);
	assert_success(&g, first);
	fake_done(call_op(), 0, 0);
	assert_success(&g, second);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(fake_bytes(call_op(), 0)[i], i + 1);
	memcpy(fake_bytes(call_op(), 1), "xyz", 3);
	fake_done(call_op(), 0, 0);
	assert_int_equal(answer(&g, third)->n_outs, 100);
	assert_memory_equal(answer(&g, third)->outs, "xyz", 4);
}

static void bytes_that_wait_are_charged(void **state)
{
	ask_copy(&g, module, HALF);
	ask_copy(&g, module, HALF);
	limit(&g, QDA_RES_INLINE_BYTES, 100);
	assert_int_equal(ask_copy(&g, module, 100), 0);
	assert_int_equal(s.fail.code, EDQUOT);
	assert_string_equal(s.fail.resource, "inline_bytes");
	assert_int_equal(used(&g, QDA_RES_CALLS), 2);
	assert_int_not_equal(ask_copy(&g, module, 99), 0);
	assert_int_equal(used(&g, QDA_RES_INLINE_BYTES), 100);
}

static void small_call_does_not_overtake_one_that_waits_for_staging(void **state)
{
	uint64_t big, small;

	ask_copy(&g, module, HALF);
	ask_copy(&g, module, HALF / 2);
	big = ask_copy(&g, module, HALF);
	small = ask_copy(&g, module, 8);
	assert_int_equal(running(), 2);
	fake_done(call_op(), 0, 0);
	assert_int_equal(running(), 3);
	fake_done(call_op(), 0, 0);
	assert_int_equal(fake_find(s.fake, FAKE_CALL)->args[0].length, HALF);
	fake_done(call_op(), 0, 0);
	fake_done(call_op(), 0, 0);
	assert_true(answer(&g, big)->order < answer(&g, small)->order);
}

/* A small one behind it, holding a page in the queue, would keep it from going for ever. */
static void call_that_needs_all_of_staging_gets_it(void **state)
{
	uint64_t big, small;

	ask_copy(&g, module, 8);
	big = ask_copy(&g, module, 2 * HALF);
	small = ask_copy(&g, module, 8);
	fake_done(call_op(), 0, 0);
	assert_int_equal(running(), 1);
	assert_int_equal(call_op()->args[0].length, 2 * HALF);
	fake_done(call_op(), 0, 0);
	assert_success(&g, big);
	fake_done(call_op(), 0, 0);
	assert_success(&g, small);
}

static void abandoned_call_keeps_its_staging(void **state)
{
	uint64_t first = ask_copy(&g, module, 2 * HALF), second;

	assert_int_equal(qda_call_cancel(g.client, first), QDA_CALL_WAS_RUNNING);
	second = ask_copy(&g, module, 10);
	assert_int_equal(running(), 1);
	memset(fake_bytes(call_op(), 1), 0xee, 2 * HALF);
	fake_done(call_op(), 0, 0);
	assert_int_equal(fake_bytes(call_op(), 0)[9], 10);
	assert_int_equal(fake_bytes(call_op(), 1)[9], 0);
	fake_done(call_op(), 0, 0);
	assert_success(&g, second);
}

/* The first hangs and holds all staging; what needs none goes when nobody is before it. */
static void end_of_the_call_in_front_lets_the_next_go(void **state)
{
	uint64_t held, ping;

	ask_copy(&g, module, 2 * HALF);
	held = ask_copy(&g, module, 10);
	ping = ask_ping(&g, module);
	assert_int_equal(running(), 1);
	assert_int_equal(qda_call_cancel(g.client, held), QDA_CALL_WAS_QUEUED);
	assert_int_equal(running(), 2);
	held = ask_copy(&g, module, 10);
	assert_int_equal(running(), 2);
	ping = ask_ping(&g, module);
	scene_clock += 1;
	qda_core_expire(s.core);
	assert_int_equal(running(), 2);
	qda_call_cancel(g.client, held);
	assert_int_equal(running(), 3);
	assert_false(answered(&g, ping));
}

static void deadline_of_the_call_in_front_lets_the_next_go(void **state)
{
	struct qda_call_arg arg = { QDA_CALL_INLINE, 0, 0, 1 };
	struct qda_call_request request = {
		.module = module, .sc = fastrpc_sc(0, 1, 1, 0, 0, 0), .n_args = 1, .args = &arg,
		.in = (const uint8_t *)"x", .n_in = 1, .timeout_us = 10,
	};
	uint64_t held;

	ask_copy(&g, module, 2 * HALF);
	held = ask_invoke(&g, &request);
	ask_ping(&g, module);
	assert_int_equal(running(), 1);
	scene_clock += 10000;
	assert_int_equal(qda_core_expire(s.core), 0);
	assert_failure(&g, held, ETIME);
	assert_int_equal(running(), 2);
}

/* --- a device that is full --- */

static void full_device_is_asked_again_after_an_end(void **state)
{
	uint64_t calls[3];

	s.fake->room = 1;
	for (unsigned i = 0; i < 3; i++)
		calls[i] = ask_ping(&g, module);
	assert_int_equal(running(), 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(running(), 1);
		fake_done(call_op(), 0, 0);
		assert_success(&g, calls[i]);
	}
}

static void session_without_calls_of_its_own_waits_for_others(void **state)
{
	struct guest other;
	uint64_t theirs, call;

	guest_come(&other, &s, 1001);
	theirs = open_module(&other, open_session(&other), 0x80000010);
	s.fake->room = 1;
	ask_ping(&g, module);
	call = ask_ping(&other, theirs);
	assert_int_equal(running(), 1);
	fake_done(call_op(), 0, 0);
	assert_int_equal(running(), 1);
	fake_done(call_op(), 0, 0);
	assert_success(&other, call);
	guest_free(&other);
}

/* A call that hangs in a session must not tie its next one to it. */
static void session_with_a_call_that_hangs_goes_on_when_others_end(void **state)
{
	struct guest other;
	uint64_t theirs, call;
	struct fake_op *hangs;

	guest_come(&other, &s, 1001);
	theirs = open_module(&other, open_session(&other), 0x80000010);
	ask_ping(&g, module);
	hangs = call_op();
	s.fake->room = 2;
	ask_ping(&other, theirs);
	call = ask_ping(&g, module);
	assert_int_equal(running(), 2);
	fake_done(TAILQ_NEXT(hangs, link), 0, 0);
	assert_int_equal(running(), 2);
	fake_done(TAILQ_NEXT(hangs, link), 0, 0);
	assert_success(&g, call);
	guest_free(&other);
}

/* Message memory is the session's own: one that is out of it holds up nobody else. */
static void session_that_the_device_refuses_holds_up_nobody(void **state)
{
	struct guest other;
	uint64_t theirs, call;

	guest_come(&other, &s, 1001);
	theirs = open_module(&other, open_session(&other), 0x80000010);
	s.domain->in_flight_max = 1;
	ask_ping(&g, module);
	ask_ping(&g, module);
	call = ask_ping(&other, theirs);
	fake_refuse(s.fake, FAKE_CALL, -EBUSY, 1);
	fake_done(call_op(), 0, 0);
	assert_int_equal(running(), 1);
	assert_ptr_equal(call_op()->session, device_session_of(&g, session));
	fake_done(call_op(), 0, 0);
	assert_int_equal(running(), 1);
	fake_done(call_op(), 0, 0);
	assert_success(&other, call);
	guest_free(&other);
}

static void who_is_refused_is_asked_again_after_an_end(void **state)
{
	struct guest other;
	uint64_t theirs;

	guest_come(&other, &s, 1001);
	theirs = open_module(&other, open_session(&other), 0x80000010);
	s.domain->in_flight_max = 0;
	ask_ping(&g, module);
	ask_ping(&other, theirs);
	ask_ping(&other, theirs);
	s.domain->in_flight_max = 64;
	fake_refuse(s.fake, FAKE_CALL, -EBUSY, 1);
	qda_domain_pump(s.domain);
	assert_int_equal(running(), 2);
	ask_ping(&other, theirs);
	assert_int_equal(running(), 3);
	fake_done(call_op(), 0, 0);
	assert_int_equal(running(), 3);
	guest_free(&other);
}

/* Control operations use up ids too. */
static void end_of_any_operation_makes_room(void **state)
{
	uint64_t buffer = new_buffer(&g, 1), call;

	ask_map(&g, session, buffer, 1);
	fake_refuse(s.fake, FAKE_CALL, -EBUSY, 1);
	call = ask_ping(&g, module);
	assert_int_equal(running(), 0);
	fake_done(fake_find(s.fake, FAKE_MAP), 0, 0);
	assert_int_equal(running(), 1);
	fake_done(call_op(), 0, 0);
	assert_success(&g, call);
}

static void refusal_that_lasts_ends_the_call_and_not_the_next(void **state)
{
	uint64_t first, second;

	fake_refuse(s.fake, FAKE_CALL, -EINVAL, 1);
	first = ask_copy(&g, module, 10);
	assert_failure(&g, first, EINVAL);
	assert_int_equal(used(&g, QDA_RES_CALLS), 0);
	s.domain->session_in_flight_max = 1;
	ask_ping(&g, module);
	first = ask_ping(&g, module);
	second = ask_ping(&g, module);
	fake_refuse(s.fake, FAKE_CALL, -EPERM, 1);
	fake_done(call_op(), 0, 0);
	assert_failure(&g, first, EPERM);
	assert_int_equal(running(), 1);
	fake_done(call_op(), 0, 0);
	assert_success(&g, second);
}

/* --- limits and turns --- */

static void sessions_take_turns_one_call_each(void **state)
{
	struct guest others[2];
	uint64_t modules[3] = { module }, sessions[3] = { session };
	static const unsigned expected[] = { 0, 1, 2, 0, 1, 2, 0, 1, 0, 0 };
	static const unsigned n_calls[] = { 5, 3, 2 };
	struct guest *guests[3] = { &g, &others[0], &others[1] };

	for (unsigned i = 1; i < 3; i++) {
		guest_come(guests[i], &s, 1000 + i);
		sessions[i] = open_session(guests[i]);
		modules[i] = open_module(guests[i], sessions[i], 0x80000010);
	}
	s.domain->in_flight_max = 0;
	for (unsigned i = 0; i < 3; i++)
		for (unsigned n = 0; n < n_calls[i]; n++)
			ask_ping(guests[i], modules[i]);
	s.domain->in_flight_max = 1;
	qda_domain_pump(s.domain);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(running(), 1);
		assert_ptr_equal(call_op()->session, device_session_of(guests[expected[i]],
								       sessions[expected[i]]));
		fake_done(call_op(), 0, 0);
	}
	assert_int_equal(running(), 0);
	guest_free(&others[0]);
	guest_free(&others[1]);
}

static void calls_of_a_session_keep_their_order(void **state)
{
	uint64_t calls[20];

	s.domain->session_in_flight_max = 4;
	for (unsigned i = 0; i < 20; i++)
		calls[i] = ask_copy(&g, module, 8 + i);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(call_op()->args[0].length, 8 + i);
		fake_done(call_op(), 0, 0);
		assert_int_equal(answer(&g, calls[i])->n_outs, 8 + i);
	}
}

static void limits_in_flight_are_kept_exactly(void **state)
{
	struct guest other;
	uint64_t theirs;

	guest_come(&other, &s, 1001);
	theirs = open_module(&other, open_session(&other), 0x80000010);
	s.domain->session_in_flight_max = 3;
	s.domain->in_flight_max = 5;
	for (unsigned i = 0; i < 10; i++) {
		ask_ping(&g, module);
		ask_ping(&other, theirs);
	}
	assert_int_equal(running(), 5);
	assert_int_equal(session_of(&g, session)->in_flight, 3);
	assert_int_equal(s.domain->queued, 15);
	guest_go(&other);
	assert_int_equal(s.domain->queued, 7);
	assert_int_equal(session_of(&g, session)->in_flight, 3);
	for (unsigned left = 12; left--;)
		if (fake_find(s.fake, FAKE_CALL))
			fake_done(call_op(), 0, 0);
	assert_int_equal(running(), 0);
	assert_int_equal(s.domain->queued, 0);
	guest_free(&other);
}

static void nobody_holds_the_last_quarter_of_the_slots(void **state)
{
	struct guest same, other;
	uint64_t again, theirs;

	guest_come(&same, &s, g.client->principal.uid);
	again = open_module(&same, open_session(&same), 0x80000011);
	guest_come(&other, &s, g.client->principal.uid + 1);
	theirs = open_module(&other, open_session(&other), 0x80000012);
	s.domain->in_flight_max = 8;
	for (unsigned i = 0; i < 8; i++) {
		ask_ping(&g, module);
		ask_ping(&same, again);
	}
	assert_int_equal(running(), 6);
	for (unsigned i = 0; i < 8; i++)
		ask_ping(&other, theirs);
	assert_int_equal(running(), 8);
	/* What the other gives back they do not get. */
	guest_go(&other);
	while (s.domain->queued || running())
		fake_done(call_op(), 0, 0);
	assert_int_equal(g.client->user->in_flight, 0);
	guest_go(&same);
	guest_free(&same);
	guest_free(&other);
}

static void abandoned_calls_keep_their_slots(void **state)
{
	uint64_t call;

	s.domain->session_in_flight_max = 1;
	call = ask_ping(&g, module);
	qda_call_cancel(g.client, call);
	assert_failure(&g, call, ECANCELED);
	assert_int_equal(used(&g, QDA_RES_CALLS), 1);
	call = ask_ping(&g, module);
	assert_int_equal(running(), 1);
	assert_false(answered(&g, call));
	fake_done(call_op(), 0, 0);
	fake_done(call_op(), 0, 0);
	assert_success(&g, call);
}

/* --- deadlines and cancel --- */

static void deadlines_pass_in_their_order(void **state)
{
	uint64_t later = ask_ping_until(&g, module, 20), sooner = ask_ping_until(&g, module, 10);
	uint64_t never = ask_ping_until(&g, module, 0);
	uint64_t far = ask_ping_until(&g, module, UINT64_MAX);
	uint64_t begun = scene_clock;

	assert_int_equal(qda_core_next_deadline(s.core), begun + 10000);
	scene_clock = begun + 9999;
	assert_int_equal(qda_core_expire(s.core), begun + 10000);
	assert_false(answered(&g, sooner));
	scene_clock = begun + 10000;
	assert_int_equal(qda_core_expire(s.core), begun + 20000);
	assert_failure(&g, sooner, ETIME);
	assert_false(answered(&g, later));
	scene_clock = UINT64_MAX;
	assert_int_equal(qda_core_expire(s.core), 0);
	assert_failure(&g, later, ETIME);
	assert_false(answered(&g, never));
	assert_false(answered(&g, far));
	assert_int_equal(used(&g, QDA_RES_CALLS), 4);
}

/* Wherever their objects lie: those that were used before are used again, the last one first. */
static void deadlines_of_one_moment_pass_as_they_were_set(void **state)
{
	uint64_t first;

	s.domain->in_flight_max = 0;
	for (unsigned i = 0; i < 8; i++)
		ask_ping(&g, module);
	for (unsigned i = 0; i < 8; i++)
		qda_call_cancel(g.client, g.serial - 7 + i);
	first = ask_ping_until(&g, module, 10);
	for (unsigned i = 1; i < 8; i++)
		ask_ping_until(&g, module, 10);
	scene_clock += 10000;
	qda_core_expire(s.core);
	for (unsigned i = 1; i < 8; i++)
		assert_true(answer(&g, first + i - 1)->order < answer(&g, first + i)->order);
}

static void deadline_of_a_queued_call_keeps_it_from_the_dsp(void **state)
{
	uint64_t first, second;

	s.domain->session_in_flight_max = 1;
	first = ask_ping(&g, module);
	second = ask_ping_until(&g, module, 10);
	scene_clock += 10000;
	qda_core_expire(s.core);
	assert_failure(&g, second, ETIME);
	assert_non_null(strstr(answer(&g, second)->text, "before the call reached the DSP"));
	assert_int_equal(used(&g, QDA_RES_CALLS), 1);
	fake_done(call_op(), 0, 0);
	assert_success(&g, first);
	assert_int_equal(running(), 0);
}

static void deadline_that_no_timer_told_of_keeps_it_from_the_dsp(void **state)
{
	uint64_t first, second, parked, third;

	s.domain->session_in_flight_max = 1;
	first = ask_ping(&g, module);
	second = ask_ping_until(&g, module, 10);
	third = ask_ping(&g, module);
	s.fake->room = 1;
	parked = ask_invoke(&g, &(struct qda_call_request){ .module = module, .parked = true,
							    .timeout_us = 10 });
	s.fake->room = 1000;
	scene_clock += 10000;
	fake_done(call_op(), 0, 0);
	assert_success(&g, first);
	assert_failure(&g, second, ETIME);
	assert_failure(&g, parked, ETIME);
	assert_int_equal(running(), 1);
	assert_int_equal(s.domain->stats.expired, 2);
	fake_done(call_op(), 0, 0);
	assert_success(&g, third);
}

static void many_that_pass_at_once_are_ended_in_parts(void **state)
{
	uint64_t calls[200], at;
	unsigned n = 0, rounds = 0;

	s.domain->session_in_flight_max = 1;
	ask_ping(&g, module);
	for (unsigned i = 0; i < 200; i++)
		calls[i] = ask_ping_until(&g, module, 10);
	at = scene_clock += 10000;
	while (qda_core_next_deadline(s.core) == at) {
		qda_core_expire(s.core);
		assert_true(g.n_given - n <= 100);
		n = g.n_given;
		rounds++;
	}
	assert_true(rounds > 1);
	for (unsigned i = 0; i < 200; i++)
		assert_failure(&g, calls[i], ETIME);
	assert_int_equal(s.domain->queued, 0);
}

static void answer_of_the_dsp_after_the_deadline_is_dropped(void **state)
{
	uint64_t call = ask_ping_until(&g, module, 10);

	scene_clock += 10000;
	qda_core_expire(s.core);
	assert_failure(&g, call, ETIME);
	assert_non_null(strstr(answer(&g, call)->text, "abandoned"));
	fake_done(call_op(), 0, 5);
	assert_int_equal(used(&g, QDA_RES_CALLS), 0);
}

static void answer_before_the_deadline_ends_it(void **state)
{
	uint64_t call = ask_ping_until(&g, module, 10);

	fake_done(call_op(), 0, 0);
	assert_success(&g, call);
	assert_int_equal(qda_core_next_deadline(s.core), 0);
}

static void cancel_says_where_it_found_the_call(void **state)
{
	uint64_t first, second;

	s.domain->session_in_flight_max = 1;
	first = ask_copy(&g, module, 10);
	second = ask_copy(&g, module, 10);
	assert_int_equal(qda_call_cancel(g.client, second), QDA_CALL_WAS_QUEUED);
	assert_int_equal(qda_call_cancel(g.client, first), QDA_CALL_WAS_RUNNING);
	assert_failure(&g, first, ECANCELED);
	assert_failure(&g, second, ECANCELED);
	assert_int_equal(qda_call_cancel(g.client, first), QDA_CALL_WAS_GONE);
	assert_int_equal(qda_call_cancel(g.client, second), QDA_CALL_WAS_GONE);
	assert_int_equal(qda_call_cancel(g.client, 12345), QDA_CALL_WAS_GONE);
	assert_int_equal(qda_call_cancel(g.client, 0), QDA_CALL_WAS_GONE);
	assert_int_equal(used(&g, QDA_RES_CALLS), 1);
	fake_done(call_op(), 0, 0);
	assert_int_equal(used(&g, QDA_RES_CALLS), 0);
}

static void cancel_reaches_own_invocations_only(void **state)
{
	struct guest other;
	uint64_t open, call;

	guest_come(&other, &s, 1000);
	open = ask_module(&g, session, "file:///a");
	assert_int_equal(qda_call_cancel(g.client, open), QDA_CALL_WAS_GONE);
	call = ask_ping(&g, module);
	assert_int_equal(qda_call_cancel(other.client, call), QDA_CALL_WAS_GONE);
	assert_false(answered(&g, call));
	guest_free(&other);
}

static void doomed_call_can_be_cancelled_and_expire(void **state)
{
	uint64_t cancelled = ask_ping(&g, module), expired = ask_ping_until(&g, module, 10);
	uint64_t waits = ask_ping(&g, module);

	fake_die(device_session_of(&g, session), -ECONNRESET);
	assert_int_equal(qda_call_cancel(g.client, cancelled), QDA_CALL_WAS_RUNNING);
	assert_failure(&g, cancelled, ECANCELED);
	scene_clock += 10000;
	qda_core_expire(s.core);
	assert_failure(&g, expired, ETIME);
	fake_lost(device_session_of(&g, session), 11, "why");
	assert_failure(&g, waits, ECONNRESET);
	assert_int_equal(used(&g, QDA_RES_CALLS), 0);
}

static void abandoned_call_of_a_pd_that_dies_is_just_dropped(void **state)
{
	uint64_t call = ask_copy(&g, module, 10);

	qda_call_cancel(g.client, call);
	fake_die(device_session_of(&g, session), -EPIPE);
	assert_int_equal(used(&g, QDA_RES_CALLS), 0);
	fake_lost(device_session_of(&g, session), 0, "why");
	assert_failure(&g, call, ECANCELED);
}

static void deadline_passes_after_the_client_has_gone(void **state)
{
	ask_ping_until(&g, module, 10);
	guest_go(&g);
	scene_clock += 10000;
	qda_core_expire(s.core);
	/* What is left is the one by which its session is to end. */
	assert_int_equal(qda_core_next_deadline(s.core),
			 scene_clock - 10000 + QDA_QUARANTINE_MS * 1000000ull);
	assert_int_equal(s.core->total.used[QDA_RES_CALLS], 1);
	fake_done(call_op(), -ECANCELED, 0);
	assert_int_equal(s.core->total.used[QDA_RES_CALLS], 0);
}

static void time_on_the_dsp_is_accounted(void **state)
{
	uint64_t first, second, begun = s.core->calls;

	s.domain->session_in_flight_max = 1;
	first = ask_ping(&g, module);
	second = ask_ping(&g, module);
	scene_clock += 1000;
	fake_done(call_op(), 0, 0);
	scene_clock += 500;
	fake_done(call_op(), 0, 0);
	assert_int_equal(answer(&g, first)->dsp_ns, 1000);
	assert_int_equal(answer(&g, first)->queue_ns, 0);
	assert_int_equal(answer(&g, second)->dsp_ns, 500);
	assert_int_equal(answer(&g, second)->queue_ns, 1000);
	assert_int_equal(g.client->busy_ns, 1500);
	assert_int_equal(s.domain->busy_ns, 1500);
	assert_int_equal(session_of(&g, session)->busy_ns, 1500);
	assert_int_equal(s.core->calls - begun, 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(call_without_room_in_staging_waits_for_it),
		TEST(bytes_that_wait_are_charged),
		TEST(small_call_does_not_overtake_one_that_waits_for_staging),
		TEST(call_that_needs_all_of_staging_gets_it),
		TEST(abandoned_call_keeps_its_staging),
		TEST(end_of_the_call_in_front_lets_the_next_go),
		TEST(deadline_of_the_call_in_front_lets_the_next_go),
		TEST(full_device_is_asked_again_after_an_end),
		TEST(session_without_calls_of_its_own_waits_for_others),
		TEST(session_with_a_call_that_hangs_goes_on_when_others_end),
		TEST(session_that_the_device_refuses_holds_up_nobody),
		TEST(who_is_refused_is_asked_again_after_an_end),
		TEST(end_of_any_operation_makes_room),
		TEST(refusal_that_lasts_ends_the_call_and_not_the_next),
		TEST(sessions_take_turns_one_call_each),
		TEST(calls_of_a_session_keep_their_order),
		TEST(limits_in_flight_are_kept_exactly),
		TEST(nobody_holds_the_last_quarter_of_the_slots),
		TEST(abandoned_calls_keep_their_slots),
		TEST(deadlines_pass_in_their_order),
		TEST(deadlines_of_one_moment_pass_as_they_were_set),
		TEST(deadline_of_a_queued_call_keeps_it_from_the_dsp),
		TEST(deadline_that_no_timer_told_of_keeps_it_from_the_dsp),
		TEST(many_that_pass_at_once_are_ended_in_parts),
		TEST(answer_of_the_dsp_after_the_deadline_is_dropped),
		TEST(answer_before_the_deadline_ends_it),
		TEST(cancel_says_where_it_found_the_call),
		TEST(cancel_reaches_own_invocations_only),
		TEST(doomed_call_can_be_cancelled_and_expire),
		TEST(abandoned_call_of_a_pd_that_dies_is_just_dropped),
		TEST(deadline_passes_after_the_client_has_gone),
		TEST(time_on_the_dsp_is_accounted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
