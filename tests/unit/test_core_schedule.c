/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose call goes next: shares of DSP time, exact to the call, priorities, parked calls, and what a
 * session may not do for ever.
 */
#include <errno.h>
#include <string.h>

#include "core/limits.h"
#include "core/watch.h"
#include "core_scene.h"

enum { GREEDY = 64, RIVALS = GREEDY + 1 };

/* A guest with one session that is to be kept busy. */
struct rival {
	struct guest guest;
	uint64_t session, module;
	uint64_t takes;		/* ns that its calls take */
	unsigned depth;		/* how many calls it has on their way */
	uint64_t got;		/* DSP time */
};

static struct scene s;
static struct rival rivals[RIVALS];
static unsigned n_rivals;

static struct rival *come(uid_t uid, uint32_t weight)
{
	struct rival *r = &rivals[n_rivals++];

	*r = (struct rival){ .takes = 1000, .depth = 8 };
	guest_come(&r->guest, &s, uid);
	r->guest.client->user->weight = weight;
	r->session = open_session(&r->guest);
	r->module = open_module(&r->guest, r->session, 0x80000010);
	return r;
}

static int begin(void **state)
{
	scene_begin(&s);
	s.domain->session_in_flight_max = 16;
	n_rivals = 0;
	return 0;
}

static int end(void **state)
{
	for (unsigned i = 0; i < n_rivals; i++)
		guest_free(&rivals[i].guest);
	scene_end(&s);
	return 0;
}

static struct rival *owner_of(const struct fake_op *op)
{
	for (unsigned i = 0; i < n_rivals; i++)
		if (!rivals[i].guest.gone &&
		    device_session_of(&rivals[i].guest, rivals[i].session) == op->session)
			return &rivals[i];
	return NULL;
}

static struct qda_call *call_of(const struct fake_op *op)
{
	return qda_slots_get(&s.core->pending, op->cookie, QDA_PENDING_CALL);
}

static uint64_t due(struct fake_op *op)
{
	return call_of(op)->submitted_ns + owner_of(op)->takes;
}

static struct fake_op *first_due(void)
{
	struct fake_op *op, *first = NULL;

	TAILQ_FOREACH (op, &s.fake->ops, link)
		if (op->kind == FAKE_CALL && (!first || due(op) < due(first)))
			first = op;
	assert_non_null(first);
	return first;
}

/* The call that ends next ends; its owner makes another one. */
static struct rival *step(void)
{
	struct fake_op *op = first_due();
	struct rival *r = owner_of(op);

	scene_clock = due(op);
	r->got += r->takes;
	fake_done(op, 0, 0);
	assert_int_not_equal(ask_ping(&r->guest, r->module), 0);
	return r;
}

/* All begin at once. */
static void fill(unsigned slots)
{
	s.domain->in_flight_max = 0;
	for (unsigned i = 0; i < n_rivals; i++)
		for (unsigned n = 0; n < rivals[i].depth; n++)
			assert_int_not_equal(ask_ping(&rivals[i].guest, rivals[i].module), 0);
	s.domain->in_flight_max = slots;
	qda_domain_pump(s.domain);
}

/* Who runs, in the order of their start. */
static struct rival *runs(unsigned i)
{
	struct fake_op *op;

	TAILQ_FOREACH (op, &s.fake->ops, link)
		if (op->kind == FAKE_CALL && !i--)
			return owner_of(op);
	return NULL;
}

static void assert_near(uint64_t value, uint64_t wanted, uint64_t by)
{
	assert_in_range(value, wanted - by, wanted + by);
}

static void weights_divide_the_time_of_one_slot(void **state)
{
	struct rival *one = come(1001, 100), *two = come(1002, 200), *four = come(1004, 400);

	fill(1);
	for (unsigned i = 0; i < 700; i++)
		step();
	assert_near(one->got, 100 * 1000, 1000);
	assert_near(two->got, 200 * 1000, 1000);
	assert_near(four->got, 400 * 1000, 1000);
}

static void weights_divide_the_time_of_four_slots(void **state)
{
	struct rival *one = come(1001, 100), *two = come(1002, 200), *four = come(1004, 400);

	fill(4);
	for (unsigned i = 0; i < 7000; i++)
		step();
	assert_near(one->got, 1000 * 1000, 10000);
	assert_near(two->got, 2000 * 1000, 10000);
	assert_near(four->got, 4000 * 1000, 10000);
}

static void it_is_time_that_is_divided_not_calls(void **state)
{
	struct rival *slow = come(1001, 100), *quick = come(1002, 100);

	slow->takes = 5000;
	fill(1);
	for (unsigned i = 0; i < 6000; i++)
		step();
	assert_near(slow->got, quick->got, 5000);
}

static void many_queued_calls_get_no_more_than_one(void **state)
{
	struct rival *greedy = come(1000, 100);
	uint64_t sum = 0;

	greedy->depth = 32;
	for (unsigned i = 0; i < 9; i++)
		come(1001 + i, 100)->depth = 1;
	fill(4);
	for (unsigned i = 0; i < 10000; i++)
		step();
	for (unsigned i = 0; i < n_rivals; i++)
		sum += rivals[i].got;
	for (unsigned i = 0; i < n_rivals; i++)
		assert_near(rivals[i].got, sum / 10, sum / 1000);
}

/* One call at a time against many each: of 64 users it gets what each of them gets, and against 64
 * clients of one user all that it wants, which is one slot. */
static void a_polite_one_among_64_greedy_ones(void **state)
{
	s.fake->info.sessions_max = RIVALS;
	come(2000, 100)->depth = 1;
	for (unsigned i = 0; i < GREEDY; i++)
		come(1000 + i, 100);
	fill(4);
	for (unsigned i = 0; i < RIVALS * 100; i++)
		step();
	for (unsigned i = 0; i < RIVALS; i++)
		assert_near(rivals[i].got, 100 * 1000, 1000);
}

static void a_polite_user_against_64_greedy_clients_of_another(void **state)
{
	struct rival *polite;

	s.fake->info.sessions_max = RIVALS;
	polite = come(2000, 100);
	polite->depth = 1;
	for (unsigned i = 0; i < GREEDY; i++)
		come(1000, 100);
	fill(4);
	for (unsigned i = 0; i < 4000; i++)
		step();
	assert_near(polite->got, 1000 * 1000, 1000);
}

static void clients_of_a_user_share_its_time(void **state)
{
	struct rival *first = come(1001, 100), *second = come(1001, 100), *other = come(1002, 100);

	first->depth = 16;
	fill(1);
	for (unsigned i = 0; i < 4000; i++)
		step();
	assert_near(other->got, 2000 * 1000, 1000);
	assert_near(first->got, 1000 * 1000, 1000);
	assert_near(second->got, 1000 * 1000, 1000);
}

static void who_was_idle_has_saved_up_nothing(void **state)
{
	struct rival *busy = come(1001, 100), *late = come(1002, 100);

	late->depth = 0;
	fill(1);
	for (unsigned i = 0; i < 1000; i++)
		step();
	busy->got = 0;
	for (unsigned n = 0; n < 8; n++)
		ask_ping(&late->guest, late->module);
	for (unsigned i = 0; i < 100; i++)
		step();
	assert_near(late->got, 50 * 1000, 1000);
	assert_near(busy->got, 50 * 1000, 1000);
}

/* Its calls run, and have run for long; nothing of them has ended. */
static void a_call_that_runs_long_counts_while_it_runs(void **state)
{
	struct rival *slow = come(1001, 100), *quick = come(1002, 100);
	uint32_t has;

	fill(8);
	for (unsigned i = 0; i < 100; i++)
		step();
	slow->takes = 1000000;
	for (unsigned i = 0; i < 20; i++)
		step();
	/* By now it has had what is its own, and more: no further slot while the other waits. */
	has = session_of(&slow->guest, slow->session)->in_flight;
	for (unsigned i = 0; i < 200; i++)
		assert_ptr_equal(step(), quick);
	assert_int_equal(session_of(&slow->guest, slow->session)->in_flight, has);
	assert_in_range(has, 4, 5); /* of the 6 that one user may have */
}

static void a_debt_is_not_left_behind_with_the_session(void **state)
{
	struct rival *hog = come(1001, 100), *other = come(1002, 100);
	const struct qda_share *share;

	hog->takes = 100000;
	hog->depth = 1;
	fill(1);
	while (step() != hog)
		;
	guest_go(&hog->guest);
	fake_done(fake_find(s.fake, FAKE_CLOSE), -ECANCELED, 0);
	assert_int_equal(s.domain->schedule.n_left, 1);
	guest_free(&hog->guest);
	guest_come(&hog->guest, &s, 1001);
	hog->session = open_session(&hog->guest);
	assert_int_equal(s.domain->schedule.n_left, 0);
	share = session_of(&hog->guest, hog->session)->share->share;
	assert_true(share->flow.used > s.domain->schedule.users.now);
	guest_go(&hog->guest);
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	for (unsigned i = 0; i < 90; i++)
		step();
	assert_int_equal(s.domain->schedule.n_left, 1);
	for (unsigned i = 0; i < 90; i++)
		step();
	assert_int_equal(s.domain->schedule.n_left, 0);
	assert_true(other->got > hog->got);
}

static void after_a_rest_all_are_even(void **state)
{
	struct rival *other = come(1002, 100), *hog = come(1001, 100);

	hog->takes = 1000000;
	s.domain->in_flight_max = 1;
	ask_ping(&hog->guest, hog->module);
	scene_clock += hog->takes;
	fake_done(fake_find(s.fake, FAKE_CALL), 0, 0);
	hog->takes = 1000;
	fill(1);
	for (unsigned i = 0; i < 100; i++)
		step();
	assert_near(other->got, 50 * 1000, 1000);
}

/* Nothing of them has run yet: what they usually take decides. */
static void slots_that_are_given_at_once_are_divided_by_weight(void **state)
{
	struct rival *one = come(1001, 100), *three = come(1003, 300);

	for (unsigned i = 0; i < 100; i++) {
		ask_ping(&rivals[i % 2].guest, rivals[i % 2].module);
		scene_clock += 1000;
		fake_done(fake_find(s.fake, FAKE_CALL), 0, 0);
	}
	fill(4);
	assert_int_equal(session_of(&one->guest, one->session)->in_flight, 1);
	assert_int_equal(session_of(&three->guest, three->session)->in_flight, 3);
}

static void finish_of(const struct rival *r)
{
	struct fake_op *op;

	TAILQ_FOREACH (op, &s.fake->ops, link)
		if (op->kind == FAKE_CALL && owner_of(op) == r)
			break;
	assert_non_null(op);
	fake_done(op, 0, 0);
}

static uint32_t n_running(struct rival *r)
{
	return session_of(&r->guest, r->session)->in_flight;
}

/* It has waited alone for long, with calls that were thought to take long and did not. */
static void who_waits_alone_is_weighed_anew_when_another_comes(void **state)
{
	struct rival *quick = come(1001, 100), *slow = come(1002, 100);

	quick->depth = 8;
	slow->depth = 6;
	for (unsigned i = 0; i < 60; i++) {
		ask_ping(&rivals[i % 2].guest, rivals[i % 2].module);
		scene_clock += 1000000;
		finish_of(&rivals[i % 2]);
	}
	fill(12);
	for (unsigned i = 0; i < 60; i++) {
		finish_of(quick);
		ask_ping(&quick->guest, quick->module);
	}
	assert_int_equal(n_running(quick), 6);
	assert_int_equal(n_running(slow), 6);
	ask_ping(&slow->guest, slow->module);
	finish_of(slow);
	assert_int_equal(n_running(quick), 7);
	assert_int_equal(n_running(slow), 5);
}

static void a_weight_that_is_raised_counts_at_once(void **state)
{
	struct rival *light = come(1001, 1), *other = come(1002, 100);

	fill(2);
	scene_clock += 1000000;
	finish_of(other);
	assert_int_equal(n_running(other), 1);
	assert_int_equal(qda_quota_set_uid(s.core, 1001, "", "weight", 10000, &s.fail), 0);
	scene_clock += 1000000;
	finish_of(other);
	assert_int_equal(n_running(light), 2);
	assert_int_equal(n_running(other), 0);
}

/* --- priorities --- */

static uint64_t ask(struct rival *r, int32_t priority, bool parked)
{
	struct qda_call_request request = {
		.module = r->module,
		.sc = fastrpc_sc(0, 5, 0, 0, 0, 0),
		.priority = priority,
		.parked = parked,
	};

	return ask_invoke(&r->guest, &request);
}

static void finish_one(void)
{
	fake_done(fake_find(s.fake, FAKE_CALL), 0, 0);
}

static void priorities_order_the_calls_of_one_user(void **state)
{
	struct rival *r = come(1001, 100), *same = come(1001, 100);
	uint64_t low, normal, high;

	s.domain->in_flight_max = 1;
	ask(r, 0, false);
	low = ask(r, QDA_CALL_LOW, false);
	normal = ask(r, QDA_CALL_NORMAL, false);
	high = ask(same, QDA_CALL_HIGH, false);
	finish_one();
	finish_one();
	assert_true(answered(&same->guest, high) && !answered(&r->guest, normal));
	finish_one();
	assert_true(answered(&r->guest, normal) && !answered(&r->guest, low));
	finish_one();
	assert_success(&r->guest, low);
}

static void priorities_take_nothing_from_other_users(void **state)
{
	struct rival *high = come(1001, 100), *other = come(1002, 100);

	other->depth = high->depth = 0;
	fill(1);
	for (unsigned i = 0; i < 8; i++) {
		ask(high, QDA_CALL_HIGH, false);
		ask(other, QDA_CALL_LOW, false);
	}
	for (unsigned i = 0; i < 8; i++) {
		struct rival *first = runs(0);

		scene_clock += 1000;
		finish_one();
		assert_ptr_not_equal(runs(0), first);
		scene_clock += 1000;
		finish_one();
	}
}

static void urgent_is_for_whom_a_rule_allows_it(void **state)
{
	struct rival *r = come(1001, 100);

	assert_int_equal(ask(r, QDA_CALL_URGENT, false), 0);
	assert_int_equal(s.fail.code, EACCES);
	assert_non_null(strstr(s.fail.text, "urgent"));
	s.core->rules->policy->urgent = true;
	assert_int_not_equal(ask(r, QDA_CALL_URGENT, false), 0);
	assert_int_equal(ask(r, 3, false), 0);
	assert_int_equal(s.fail.code, EINVAL);
	assert_int_equal(ask(r, -2, false), 0);
}

static void urgent_goes_before_other_users_and_costs_the_same(void **state)
{
	struct rival *r = come(1001, 100), *other = come(1002, 100);

	s.core->rules->policy->urgent = true;
	r->depth = 0;
	fill(1);
	for (unsigned i = 0; i < 10; i++)
		ask(r, QDA_CALL_URGENT, false);
	ask(r, 0, false);
	step();
	for (unsigned i = 0; i < 10; i++) {
		assert_ptr_equal(runs(0), r);
		scene_clock += 1000;
		finish_one();
	}
	for (unsigned i = 0; i < 9; i++)
		assert_ptr_equal(step(), other);
}

/* --- parked calls --- */

/* It costs nothing, so it is not for everybody; asked anew when the rules are others. */
static void parked_is_for_whom_a_rule_allows_it(void **state)
{
	struct rival *r = come(1001, 100);

	s.core->rules->policy->parked = false;
	assert_int_equal(ask(r, 0, true), 0);
	assert_int_equal(s.fail.code, EACCES);
	assert_non_null(strstr(s.fail.text, "uid 1001 may not make parked calls on cdsp"));
	assert_non_null(strstr(s.fail.text, "parked=yes"));
	assert_int_equal(s.domain->parked, 0);
	s.core->rules->policy->parked = true;
	assert_int_not_equal(ask(r, 0, true), 0);
	assert_int_equal(ask(r, QDA_CALL_URGENT, false), 0); /* another right */
	assert_int_equal(s.fail.code, EACCES);
	s.core->rules->policy->parked = false;
	qda_domain_configure(s.domain, 0, 0, 0);
	assert_int_equal(ask(r, 0, true), 0);
	assert_int_equal(s.fail.code, EACCES);
	assert_int_equal(s.domain->parked, 1); /* which goes on */
}

static void parked_calls_hold_no_slot_and_are_bounded(void **state)
{
	struct rival *r = come(1001, 100), *other = come(1002, 100);

	s.domain->in_flight_max = 1;
	s.domain->parked_max = 40;
	for (unsigned i = 0; i < 16; i++)
		assert_int_not_equal(ask(r, 0, true), 0);
	assert_int_equal(ask(r, 0, true), 0);
	assert_int_equal(s.fail.code, EDQUOT);
	assert_string_equal(s.fail.resource, "parked");
	assert_string_equal(s.fail.scope, "session");
	assert_int_equal(s.fail.limit, 16);
	/* 24 are left: half of them, so that a third user finds some. */
	for (unsigned i = 0; i < 12; i++)
		assert_int_not_equal(ask(other, 0, true), 0);
	assert_int_equal(ask(other, 0, true), 0);
	assert_string_equal(s.fail.scope, "uid");
	assert_int_equal(s.fail.limit, 12);
	assert_int_equal(s.fail.used, 12);
	limit(&other->guest, QDA_RES_PARKED, 12);
	s.domain->parked_max = 60;
	assert_int_equal(ask(other, 0, true), 0);
	assert_string_equal(s.fail.scope, "connection");
	assert_int_equal(s.domain->in_flight, 0);
	ask(r, 0, false);
	assert_int_equal(s.domain->in_flight, 1);
	scene_clock += 1000;
	while (fake_find(s.fake, FAKE_CALL))
		finish_one();
	assert_int_equal(r->guest.client->busy_ns, 1000);
	assert_int_equal(s.domain->parked, 0);
	assert_int_equal(used(&r->guest, QDA_RES_PARKED), 0);
}

static void a_parked_call_waits_for_a_device_that_is_full(void **state)
{
	struct rival *r = come(1001, 100);
	uint64_t parked;

	s.fake->room = 1;
	ask(r, 0, false);
	parked = ask(r, 0, true);
	assert_int_equal(fake_count(s.fake, FAKE_CALL), 1);
	finish_one();
	assert_int_equal(fake_count(s.fake, FAKE_CALL), 1);
	finish_one();
	assert_success(&r->guest, parked);
	ask(r, 0, false);
	parked = ask(r, 0, true);
	assert_int_equal(qda_call_cancel(r->guest.client, parked), QDA_CALL_WAS_QUEUED);
	assert_int_equal(s.domain->parked, 0);
}

/* --- for ever --- */

static void a_session_that_hangs_is_ended_and_its_client_told(void **state)
{
	struct rival *r = come(1001, 100), *other = come(1002, 100);
	uint64_t call, parked, theirs;

	s.domain->hang_ms = 100;
	parked = ask(r, 0, true);
	scene_clock += 200000000;
	assert_int_equal(qda_core_expire(s.core), 0);
	call = ask(r, 0, false);
	scene_clock += 60000000;
	theirs = ask(other, 0, false);
	scene_clock += 39999999;
	qda_core_expire(s.core);
	assert_int_equal(r->guest.n_lost, 0);
	scene_clock += 1;
	qda_core_expire(s.core);
	assert_int_equal(r->guest.n_lost, 1);
	assert_int_equal(s.domain->stats.hung, 1);
	assert_int_equal(s.domain->stats.lost, 0);
	assert_int_equal(r->guest.client->user->stats.hung, 1);
	assert_string_equal(r->guest.lost_text, "method 5 of file:///libtest_skel.so ran longer "
						"than hang_ms=100");
	assert_failure(&r->guest, call, ECONNRESET);
	assert_failure(&r->guest, parked, ECONNRESET);
	assert_int_equal(s.domain->in_flight, 2);
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	assert_int_equal(s.domain->in_flight, 1);
	assert_int_equal(used(&r->guest, QDA_RES_CALLS), 0);
	assert_int_equal(other->guest.n_lost, 0);
	finish_one();
	assert_success(&other->guest, theirs);
}

static void calls_that_end_in_time_end_no_session(void **state)
{
	struct rival *r = come(1001, 100);

	s.domain->hang_ms = 100;
	session_of(&r->guest, r->session)->hang_ms = 50;
	for (unsigned i = 0; i < 10; i++) {
		ask(r, 0, false);
		scene_clock += 49000000;
		qda_core_expire(s.core);
		finish_one();
	}
	assert_int_equal(r->guest.n_lost, 0);
	ask(r, 0, false);
	scene_clock += 50000000;
	qda_core_expire(s.core);
	assert_int_equal(r->guest.n_lost, 1);
}

static void a_session_that_does_not_end_is_shown_and_stays_charged(void **state)
{
	struct rival *r = come(1001, 100);

	ask(r, 0, false);
	guest_go(&r->guest);
	scene_clock += QDA_QUARANTINE_MS * 1000000ull - 1;
	qda_core_expire(s.core);
	assert_int_equal(s.domain->quarantined, 0);
	scene_clock += 1;
	assert_int_equal(qda_core_expire(s.core), 0);
	assert_int_equal(s.domain->quarantined, 1);
	assert_non_null(strstr(s.domain->note, "1 sessions that the DSP did not end"));
	assert_int_equal(s.domain->in_flight, 1);
	assert_int_equal(s.core->total.used[QDA_RES_SESSIONS], 1);
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	assert_int_equal(s.domain->quarantined, 0);
	assert_string_equal(s.domain->note, "");
	assert_int_equal(s.core->total.used[QDA_RES_SESSIONS], 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(weights_divide_the_time_of_one_slot),
		TEST(weights_divide_the_time_of_four_slots),
		TEST(it_is_time_that_is_divided_not_calls),
		TEST(many_queued_calls_get_no_more_than_one),
		TEST(a_polite_one_among_64_greedy_ones),
		TEST(a_polite_user_against_64_greedy_clients_of_another),
		TEST(clients_of_a_user_share_its_time),
		TEST(who_was_idle_has_saved_up_nothing),
		TEST(a_call_that_runs_long_counts_while_it_runs),
		TEST(a_debt_is_not_left_behind_with_the_session),
		TEST(after_a_rest_all_are_even),
		TEST(slots_that_are_given_at_once_are_divided_by_weight),
		TEST(who_waits_alone_is_weighed_anew_when_another_comes),
		TEST(a_weight_that_is_raised_counts_at_once),
		TEST(priorities_order_the_calls_of_one_user),
		TEST(priorities_take_nothing_from_other_users),
		TEST(urgent_is_for_whom_a_rule_allows_it),
		TEST(urgent_goes_before_other_users_and_costs_the_same),
		TEST(parked_is_for_whom_a_rule_allows_it),
		TEST(parked_calls_hold_no_slot_and_are_bounded),
		TEST(a_parked_call_waits_for_a_device_that_is_full),
		TEST(a_session_that_hangs_is_ended_and_its_client_told),
		TEST(calls_that_end_in_time_end_no_session),
		TEST(a_session_that_does_not_end_is_shown_and_stays_charged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
