/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting for a session when all context banks are in use: who gets the next one, and what else can
 * end the wait. The domain has two banks here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core_scene.h"

#define MS 1000000ull

static struct scene s;
static struct guest a, b, c;	/* of three uids */

static int setup(void **state)
{
	scene_begin(&s);
	s.fake->info.sessions_max = s.domain->info.sessions_max = 2;
	guest_come(&a, &s, 1000);
	guest_come(&b, &s, 1001);
	guest_come(&c, &s, 1002);
	return 0;
}

static int teardown(void **state)
{
	assert_true(TAILQ_EMPTY(&s.domain->waiting));
	guest_free(&a);
	guest_free(&b);
	guest_free(&c);
	scene_end(&s);
	return 0;
}

static uint64_t ask_wait(struct guest *g, uint32_t wait_ms)
{
	uint64_t serial = ask_open_as(g, &(struct qda_session_request){ .domain = "",
									 .wait_ms = wait_ms });

	assert_int_not_equal(serial, 0);
	assert_false(answered(g, serial));
	return serial;
}

static void close_session(struct guest *g, uint64_t session)
{
	ask_close(g, session);
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
}

/* The one session that opens now is answered. */
static void finish_open(void)
{
	assert_int_equal(fake_count(s.fake, FAKE_OPEN), 1);
	fake_done(fake_find(s.fake, FAKE_OPEN), 0, 0);
}

static void one_that_closes_lets_the_next_in(void **state)
{
	uint64_t first = open_session(&a), serial;

	open_session(&a);
	serial = ask_wait(&b, 1000);
	assert_int_equal(fake_count(s.fake, FAKE_OPEN), 0);
	assert_int_equal(used(&b, QDA_RES_SESSIONS), 1);
	close_session(&a, first);
	finish_open();
	assert_success(&b, serial);
	assert_int_equal(used(&b, QDA_RES_SESSIONS), 1);
	assert_int_equal(s.core->next_id, 3 + 3); /* clients, sessions */
	scene_clock += 2000 * MS; /* its deadline is no more */
	assert_int_equal(qda_core_expire(s.core), 0);
}

static void who_may_no_longer_gets_none(void **state)
{
	uint64_t first = open_session(&a), forbidden, allowed;
	struct qda_rules *rules = qda_rules_new();

	open_session(&a);
	forbidden = ask_wait(&b, 1000);
	allowed = ask_wait(&c, 1000);
	for (unsigned i = 0; i < QDA_RES_N; i++)
		rules->connection_limits[i] = rules->fallback.limits[i] = rules->total_limits[i] =
			1 << 20;
	rules->policy = calloc(1, sizeof(*rules->policy));
	*rules->policy = (struct qda_policy_rule){ .name = "c", .allow = true,
						   .who = { .has_uid = true, .uid = 1002 } };
	rules->n_policy = 1;
	qda_core_apply(s.core, rules);
	close_session(&a, first);
	assert_failure(&b, forbidden, EACCES);
	finish_open();
	assert_success(&c, allowed);
}

static void without_wait_it_is_refused_at_once_with_numbers(void **state)
{
	open_session(&a);
	open_session(&b);
	ask_wait(&a, 1000);
	assert_int_equal(ask_open(&c), 0);
	assert_int_equal(s.fail.code, EUSERS);
	assert_string_equal(s.fail.resource, "sessions");
	assert_string_equal(s.fail.scope, "device");
	assert_int_equal(s.fail.limit, 2);
	assert_int_equal(s.fail.used, 2);
	assert_non_null(strstr(s.fail.text, "2 of 2 are in use, this uid holds 0 sessions, "
					    "1 other requests wait"));
	assert_int_equal(used(&c, QDA_RES_SESSIONS), 0);
	guest_go(&a);
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
}

static void deadline_ends_the_wait_with_numbers(void **state)
{
	uint64_t serial;

	open_session(&a);
	open_session(&b);
	serial = ask_wait(&b, 5);
	scene_clock += 5 * MS - 1;
	qda_core_expire(s.core);
	assert_false(answered(&b, serial));
	scene_clock++;
	assert_int_equal(qda_core_expire(s.core), 0);
	assert_failure(&b, serial, EUSERS);
	assert_string_equal(answer(&b, serial)->scope, "device");
	assert_int_equal(answer(&b, serial)->used, 2);
	assert_non_null(strstr(answer(&b, serial)->text, "this uid holds 1 sessions, 0 other"));
	assert_int_equal(used(&b, QDA_RES_SESSIONS), 1);
}

static void who_holds_fewest_is_first_then_who_came_first(void **state)
{
	uint64_t of_a = open_session(&a), of_b = open_session(&b);
	uint64_t again = ask_wait(&a, 1000), early = ask_wait(&c, 1000), late = ask_wait(&c, 1000);

	close_session(&b, of_b); /* a holds one, c none */
	finish_open();
	assert_success(&c, early);
	close_session(&a, of_a); /* c holds one now, a none */
	finish_open();
	assert_success(&a, again);
	close_session(&c, answer(&c, early)->id);
	finish_open();
	assert_success(&c, late);
}

static void equals_are_served_in_order_of_arrival(void **state)
{
	uint64_t first = open_session(&a), second = open_session(&a);
	uint64_t of_c = ask_wait(&c, 1000), of_b = ask_wait(&b, 1000);

	close_session(&a, first);
	finish_open();
	assert_success(&c, of_c);
	assert_false(answered(&b, of_b));
	close_session(&a, second);
	finish_open();
	assert_success(&b, of_b);
}

static void quota_of_sessions_bounds_those_that_wait(void **state)
{
	open_session(&a);
	open_session(&a);
	limit(&b, QDA_RES_SESSIONS, 2);
	ask_wait(&b, 10);
	ask_wait(&b, 10);
	assert_int_equal(ask_open_as(&b, &(struct qda_session_request){ .domain = "",
									 .wait_ms = 10 }), 0);
	assert_int_equal(s.fail.code, EDQUOT);
	assert_string_equal(s.fail.resource, "sessions");
	scene_clock += 10 * MS;
	qda_core_expire(s.core);
	assert_int_equal(used(&b, QDA_RES_SESSIONS), 0);
}

static void client_that_goes_waits_no_more(void **state)
{
	uint64_t first = open_session(&a);

	open_session(&a);
	ask_wait(&b, 1000);
	guest_go(&b);
	assert_int_equal(s.core->total.used[QDA_RES_SESSIONS], 2);
	close_session(&a, first);
	assert_int_equal(fake_count(s.fake, FAKE_OPEN), 0);
}

static void cancel_ends_the_wait(void **state)
{
	uint64_t serial;

	open_session(&a);
	open_session(&a);
	serial = ask_wait(&b, 1000);
	assert_int_equal(qda_call_cancel(a.client, serial), QDA_CALL_WAS_GONE);
	assert_int_equal(qda_call_cancel(b.client, serial), QDA_CALL_WAS_QUEUED);
	assert_failure(&b, serial, ECANCELED);
	assert_int_equal(qda_call_cancel(b.client, serial), QDA_CALL_WAS_GONE);
	assert_int_equal(used(&b, QDA_RES_SESSIONS), 0);
}

static void domain_that_goes_down_ends_the_wait(void **state)
{
	uint64_t serial;

	open_session(&a);
	open_session(&a);
	serial = ask_wait(&b, 1000);
	fake_down(s.fake, "it was unplugged");
	assert_failure(&b, serial, ENOTCONN);
	assert_non_null(strstr(answer(&b, serial)->text, "it was unplugged"));
}

static void drain_ends_the_wait(void **state)
{
	uint64_t serial;

	open_session(&a);
	open_session(&a);
	serial = ask_wait(&b, 1000);
	qda_core_drain(s.core);
	assert_failure(&b, serial, ESHUTDOWN);
}

static void open_that_fails_lets_the_next_in(void **state)
{
	uint64_t of_b, of_c;

	open_session(&a);
	of_b = ask_open(&b);
	of_c = ask_wait(&c, 1000);
	fake_done(fake_find(s.fake, FAKE_OPEN), -EREMOTEIO, 1);
	assert_failure(&b, of_b, EREMOTEIO);
	finish_open();
	assert_success(&c, of_c);
}

static void one_that_the_device_refuses_does_not_hold_up_the_rest(void **state)
{
	uint64_t first = open_session(&a), of_b, of_c;

	open_session(&a);
	of_b = ask_wait(&b, 1000);
	of_c = ask_wait(&c, 1000);
	fake_refuse(s.fake, FAKE_OPEN, -ENOMEM, 1);
	close_session(&a, first);
	assert_failure(&b, of_b, ENOMEM);
	finish_open();
	assert_success(&c, of_c);
}

static void device_without_a_bank_is_asked_again_when_one_comes_back(void **state)
{
	uint64_t first = open_session(&a), serial;

	fake_refuse(s.fake, FAKE_OPEN, -EUSERS, 1);
	serial = ask_wait(&b, 1000);
	assert_int_equal(fake_count(s.fake, FAKE_OPEN), 0);
	close_session(&a, first);
	finish_open();
	assert_success(&b, serial);
}

/* --- banks for those who have none --- */

/* Banks, and how many of them are for those who have none. */
static void have_banks(uint32_t banks, uint32_t reserved)
{
	s.fake->info.sessions_max = s.domain->info.sessions_max = banks;
	qda_domain_configure(s.domain, 0, 0, reserved);
}

static void last_banks_are_for_users_that_have_none(void **state)
{
	have_banks(4, 2);
	open_session(&a);
	open_session(&a);
	assert_int_equal(ask_open(&a), 0);
	assert_int_equal(s.fail.code, EUSERS);
	assert_int_equal(s.fail.limit, 2);
	assert_int_equal(s.fail.used, 2);
	assert_string_equal(s.fail.text,
			    "domain cdsp has no context bank for another session of this uid: 2 of 4 "
			    "are in use, 2 of them by this uid, and the last 2 are for users that have "
			    "none; close a session, wait longer (wait_ms), or lower reserved_sessions "
			    "in [domain cdsp]");
	open_session(&b);
	assert_int_equal(ask_open(&b), 0);
	open_session(&c);
	assert_int_equal(ask_open(&c), 0);
	assert_non_null(strstr(s.fail.text, "4 of 4 are in use, this uid holds 1 sessions"));
}

/* Who has one waits until the others are content; who has none does not wait behind them. */
static void who_has_none_goes_before_those_who_wait_for_more(void **state)
{
	uint64_t first, more, of_b;

	have_banks(3, 1);
	first = open_session(&a);
	open_session(&a);
	more = ask_wait(&a, 1000);
	of_b = open_session(&b);
	assert_false(answered(&a, more));
	close_session(&b, of_b); /* the last one stays free */
	assert_int_equal(fake_count(s.fake, FAKE_OPEN), 0);
	close_session(&a, first);
	finish_open();
	assert_success(&a, more);
}

static void a_quarter_is_reserved_where_nothing_is_said(void **state)
{
	static const uint32_t banks[] = { 3, 4, 7, 8, 16 }, reserved[] = { 0, 1, 1, 2, 4 };

	for (unsigned i = 0; i < 5; i++) {
		have_banks(banks[i], QDA_RESERVED_USUAL);
		assert_int_equal(s.domain->sessions_reserved, reserved[i]);
	}
	have_banks(2, 3); /* more than there are: one for each */
	open_session(&a);
	assert_int_equal(ask_open(&a), 0);
	assert_int_equal(s.fail.limit, 0);
	open_session(&b);
}

/* Another configuration: who waited for what was reserved gets it. */
static void fewer_reserved_lets_those_in_who_wait(void **state)
{
	uint64_t serial;

	have_banks(2, 1);
	open_session(&a);
	serial = ask_wait(&a, 1000);
	have_banks(2, 0);
	finish_open();
	assert_success(&a, serial);
}

/* Descriptors are kept, and paid for, while it waits. */
static void directories_are_kept_while_it_waits(void **state)
{
	int fds[2] = { open("/", O_PATH | O_CLOEXEC), open("/", O_PATH | O_CLOEXEC) }, next;
	struct qda_session_request request = { "", QDA_SESSION_UNSIGNED, fds, 2, 1000, 0 };
	uint64_t first = open_session(&a), before = used(&b, QDA_RES_FDS), serial;

	open_session(&a);
	s.core->rules->policy->dirs = true;
	serial = ask_open_as(&b, &request);
	assert_int_equal(used(&b, QDA_RES_FDS), before + QDA_SESSION_FDS + 2);
	close(fds[0]);
	close(fds[1]);
	close_session(&a, first);
	assert_int_equal(fake_find(s.fake, FAKE_OPEN)->session->n_dirs, 2);
	assert_int_equal(used(&b, QDA_RES_FDS), before + QDA_SESSION_FDS);
	finish_open();
	assert_success(&b, serial);
	/* None was left behind: what was free before is free. */
	next = fcntl(0, F_DUPFD_CLOEXEC, fds[1]);
	assert_int_equal(next, fds[1]);
	assert_int_equal(fcntl(0, F_DUPFD_CLOEXEC, next + 1), next + 1);
	close(next + 1);
	close(next);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_that_closes_lets_the_next_in),
		TEST(who_may_no_longer_gets_none),
		TEST(without_wait_it_is_refused_at_once_with_numbers),
		TEST(deadline_ends_the_wait_with_numbers),
		TEST(who_holds_fewest_is_first_then_who_came_first),
		TEST(equals_are_served_in_order_of_arrival),
		TEST(quota_of_sessions_bounds_those_that_wait),
		TEST(client_that_goes_waits_no_more),
		TEST(cancel_ends_the_wait),
		TEST(domain_that_goes_down_ends_the_wait),
		TEST(drain_ends_the_wait),
		TEST(open_that_fails_lets_the_next_in),
		TEST(one_that_the_device_refuses_does_not_hold_up_the_rest),
		TEST(device_without_a_bank_is_asked_again_when_one_comes_back),
		TEST(last_banks_are_for_users_that_have_none),
		TEST(who_has_none_goes_before_those_who_wait_for_more),
		TEST(a_quarter_is_reserved_where_nothing_is_said),
		TEST(fewer_reserved_lets_those_in_who_wait),
		TEST(directories_are_kept_while_it_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
