/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accounts and charges: exact numbers at every border.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/fail.h"
#include "core/quota.h"

struct accounts {
	uint64_t total_limits[QDA_RES_N], uid_limits[QDA_RES_N], connection_limits[QDA_RES_N];
	struct qda_account total, uid, a, b;	/* two connections of one uid */
	struct qda_fail fail;
};

static void make(struct accounts *t, uint64_t connection, uint64_t uid, uint64_t total)
{
	memset(t, 0, sizeof(*t));
	t->connection_limits[QDA_RES_CALLS] = connection;
	t->uid_limits[QDA_RES_CALLS] = uid;
	t->total_limits[QDA_RES_CALLS] = total;
	t->total = (struct qda_account){ .scope = "total", .limit = t->total_limits };
	t->uid = (struct qda_account){ .scope = "uid", .rule = "lab", .parent = &t->total,
				       .limit = t->uid_limits };
	t->a = (struct qda_account){ .scope = "connection", .parent = &t->uid,
				     .limit = t->connection_limits };
	t->b = t->a;
}

static int charge(struct accounts *t, struct qda_charge *charge, struct qda_account *account,
		  uint64_t amount)
{
	return qda_charge_init(charge, account, QDA_RES_CALLS, amount, &t->fail);
}

static void assert_used(const struct accounts *t, uint64_t a, uint64_t b, uint64_t total)
{
	assert_int_equal(t->a.used[QDA_RES_CALLS], a);
	assert_int_equal(t->b.used[QDA_RES_CALLS], b);
	assert_int_equal(t->uid.used[QDA_RES_CALLS], total);
	assert_int_equal(t->total.used[QDA_RES_CALLS], total);
}

static void assert_refused(const struct accounts *t, const char *scope, uint64_t limit,
			   uint64_t used)
{
	assert_int_equal(t->fail.code, EDQUOT);
	assert_string_equal(t->fail.resource, "calls");
	assert_string_equal(t->fail.scope, scope);
	assert_int_equal(t->fail.limit, limit);
	assert_int_equal(t->fail.used, used);
	assert_int_equal(t->fail.aee, 0);
}

static void limit_of_nothing_refuses_the_first_unit(void **state)
{
	struct accounts t;
	struct qda_charge c;

	make(&t, 0, 10, 10);
	assert_int_equal(charge(&t, &c, &t.a, 1), -EDQUOT);
	assert_refused(&t, "connection", 0, 0);
	assert_string_equal(t.fail.text, "quota of calls per connection: 1 wanted, 0 of 0 in use; "
			    "free some, or raise calls in [connection]");
	assert_null(c.account);
	assert_used(&t, 0, 0, 0);
	assert_int_equal(charge(&t, &c, &t.a, 0), 0);
	qda_charge_deinit(&c);
}

/* The section where the limit stands, or that it was changed while running. */
static void refusals_say_where_the_limit_was_set(void **state)
{
	struct accounts t;
	struct qda_charge c;

	make(&t, 9, 1, 9);
	assert_int_equal(charge(&t, &c, &t.a, 2), -EDQUOT);
	assert_string_equal(t.fail.text, "quota of calls per uid: 2 wanted, 0 of 1 in use; "
					 "free some, or raise calls in [quota lab]");
	t.uid.by_hand = ~(1u << QDA_RES_CALLS);
	assert_int_equal(charge(&t, &c, &t.a, 2), -EDQUOT);
	assert_non_null(strstr(t.fail.text, "raise calls in [quota lab]"));
	t.uid.by_hand = 1u << QDA_RES_CALLS;
	assert_int_equal(charge(&t, &c, &t.a, 2), -EDQUOT);
	assert_non_null(strstr(t.fail.text, "free some, or raise calls (it was set while running: "
					    "qdactl quota set)"));
}

static void limit_of_one_serves_one_at_a_time(void **state)
{
	struct accounts t;
	struct qda_charge first, second;

	make(&t, 1, 10, 10);
	assert_int_equal(charge(&t, &first, &t.a, 1), 0);
	assert_used(&t, 1, 0, 1);
	assert_int_equal(charge(&t, &second, &t.a, 1), -EDQUOT);
	assert_refused(&t, "connection", 1, 1);
	assert_used(&t, 1, 0, 1);
	qda_charge_deinit(&first);
	assert_used(&t, 0, 0, 0);
	assert_int_equal(charge(&t, &second, &t.a, 1), 0);
	qda_charge_deinit(&second);
	assert_used(&t, 0, 0, 0);
}

static void limit_is_reached_exactly(void **state)
{
	struct accounts t;
	struct qda_charge c, rest;

	make(&t, 512, 512, 512);
	assert_int_equal(charge(&t, &c, &t.a, 513), -EDQUOT);
	assert_int_equal(charge(&t, &c, &t.a, 342), 0);
	assert_int_equal(charge(&t, &rest, &t.a, 171), -EDQUOT);
	assert_refused(&t, "connection", 512, 342);
	assert_int_equal(charge(&t, &rest, &t.a, 170), 0);
	assert_used(&t, 512, 0, 512);
	qda_charge_deinit(&c);
	assert_used(&t, 170, 0, 170);
	qda_charge_deinit(&rest);
	assert_used(&t, 0, 0, 0);
}

static void sums_that_overflow_are_refused(void **state)
{
	struct accounts t;
	struct qda_charge c, more;

	make(&t, UINT64_MAX, UINT64_MAX, UINT64_MAX);
	assert_int_equal(charge(&t, &c, &t.a, UINT64_MAX), 0);
	assert_int_equal(charge(&t, &more, &t.a, 1), -EDQUOT);
	assert_int_equal(charge(&t, &more, &t.a, UINT64_MAX), -EDQUOT);
	assert_refused(&t, "connection", UINT64_MAX, UINT64_MAX);
	assert_int_equal(charge(&t, &more, &t.b, 1), -EDQUOT);
	assert_refused(&t, "uid", UINT64_MAX, UINT64_MAX);
	assert_used(&t, UINT64_MAX, 0, UINT64_MAX);
	qda_charge_deinit(&c);
	assert_used(&t, 0, 0, 0);
}

static void two_connections_of_one_uid_meet_at_the_last_unit(void **state)
{
	struct accounts t;
	struct qda_charge a, b;

	make(&t, 8, 8, 100);
	assert_int_equal(charge(&t, &a, &t.a, 7), 0);
	assert_int_equal(charge(&t, &b, &t.b, 2), -EDQUOT);
	assert_refused(&t, "uid", 8, 7);
	assert_used(&t, 7, 0, 7);
	assert_int_equal(charge(&t, &b, &t.b, 1), 0);
	assert_used(&t, 7, 1, 8);
	qda_charge_deinit(&a);
	assert_used(&t, 0, 1, 1);
	qda_charge_deinit(&b);
}

static void refusal_at_the_top_is_undone_below(void **state)
{
	struct accounts t;
	struct qda_charge a, b;

	make(&t, 100, 100, 5);
	assert_int_equal(charge(&t, &a, &t.a, 5), 0);
	assert_int_equal(charge(&t, &b, &t.b, 1), -EDQUOT);
	assert_refused(&t, "total", 5, 5);
	assert_used(&t, 5, 0, 5);
	qda_charge_deinit(&a);
}

static void lowered_limit_refuses_until_use_has_sunk(void **state)
{
	struct accounts t;
	struct qda_charge a, b;

	make(&t, 10, 10, 10);
	assert_int_equal(charge(&t, &a, &t.a, 8), 0);
	t.connection_limits[QDA_RES_CALLS] = 4;
	assert_int_equal(charge(&t, &b, &t.a, 1), -EDQUOT);
	assert_refused(&t, "connection", 4, 8);
	qda_charge_deinit(&a);
	assert_int_equal(charge(&t, &b, &t.a, 4), 0);
	qda_charge_deinit(&b);
	assert_used(&t, 0, 0, 0);
}

static void deinit_may_run_twice(void **state)
{
	struct accounts t;
	struct qda_charge c, none = QDA_CHARGE_NULL;

	make(&t, 10, 10, 10);
	assert_int_equal(charge(&t, &c, &t.a, 3), 0);
	qda_charge_deinit(&c);
	qda_charge_deinit(&c);
	qda_charge_deinit(&none);
	assert_used(&t, 0, 0, 0);
}

static void parts_of_a_charge_are_given_back_on_their_own(void **state)
{
	struct accounts t;
	struct qda_charge c, part, all;

	make(&t, 10, 10, 10);
	assert_int_equal(charge(&t, &c, &t.a, 5), 0);
	part = qda_charge_split(&c, 2);
	assert_int_equal(part.amount, 2);
	assert_int_equal(c.amount, 3);
	assert_used(&t, 5, 0, 5);
	qda_charge_deinit(&c);
	assert_used(&t, 2, 0, 2);
	all = qda_charge_split(&part, 2);
	qda_charge_deinit(&part);
	assert_used(&t, 2, 0, 2);
	qda_charge_deinit(&all);
	assert_used(&t, 0, 0, 0);
}

/* Four uids with one connection each, and a total that is shared. */
struct crowd {
	struct accounts t;
	struct qda_account uids[4], connections[4];
	struct qda_charge held[4];
};

static void gather(struct crowd *c, uint64_t total)
{
	memset(c, 0, sizeof(*c));
	make(&c->t, UINT64_MAX, UINT64_MAX, total);
	c->t.total.shared = true;
	for (unsigned i = 0; i < 4; i++) {
		c->uids[i] = c->t.uid;
		c->connections[i] = c->t.a;
		c->connections[i].parent = &c->uids[i];
	}
}

static int hold(struct crowd *c, unsigned uid, uint64_t amount)
{
	return charge(&c->t, &c->held[uid], &c->connections[uid], amount);
}

/* It gets exactly `most`. */
static void assert_gets(struct crowd *c, unsigned uid, uint64_t most)
{
	assert_int_equal(hold(c, uid, most + 1), -EDQUOT);
	assert_string_equal(c->t.fail.scope, "total");
	assert_int_equal(hold(c, uid, most), 0);
	assert_int_equal(c->uids[uid].used[QDA_RES_CALLS], most);
}

static void disperse(struct crowd *c)
{
	for (unsigned i = 0; i < 4; i++)
		qda_charge_deinit(&c->held[i]);
	assert_int_equal(c->t.total.used[QDA_RES_CALLS], 0);
	assert_int_equal(c->t.total.holders[QDA_RES_CALLS], 0);
}

static void alone_a_uid_gets_half_and_newcomers_find_something(void **state)
{
	struct crowd c;

	gather(&c, 1024);
	assert_gets(&c, 0, 512);
	assert_gets(&c, 1, 171); /* 512 / 3, rounded up */
	assert_gets(&c, 2, 86);	 /* 341 / 4 */
	assert_gets(&c, 3, 51);	 /* 255 / 5 */
	assert_int_equal(c.t.total.holders[QDA_RES_CALLS], 4);
	disperse(&c);
}

/* Holding, total and share of whoever asks for the 1. */
static void refusal_says_share_use_and_number_of_uids(void **state)
{
	struct qda_charge more;
	struct crowd c;

	gather(&c, 1024);
	assert_int_equal(hold(&c, 0, 512), 0);
	assert_int_equal(hold(&c, 1, 170), 0);
	assert_int_equal(charge(&c.t, &more, &c.connections[0], 1), -EDQUOT);
	assert_refused(&c.t, "total", 1024, 682);
	assert_string_equal(c.t.fail.text,
			    "quota of calls in total: 1 wanted, 682 of 1024 in use, 512 of them by "
			    "this uid; its fair share is 285 now, what others leave divided by 3: "
			    "each uid that uses some, and one more; free some, or raise calls in "
			    "[total]");
	disperse(&c);
}

static void those_who_take_turns_get_the_same(void **state)
{
	struct qda_charge units[2][512];
	struct crowd c;
	unsigned n[2] = { 0 };

	gather(&c, 1024);
	for (unsigned i = 0; i < 1024; i++)
		n[i % 2] += charge(&c.t, &units[i % 2][n[i % 2]], &c.connections[i % 2], 1) == 0;
	assert_int_equal(n[0], 256);
	assert_int_equal(n[1], 256);
	for (unsigned i = 0; i < 512; i++)
		qda_charge_deinit(&units[i % 2][i / 2]);
	disperse(&c);
}

/* Who held more when there were fewer keeps it, and gets more when others have gone. */
static void share_follows_what_is_held_now(void **state)
{
	struct qda_charge more;
	struct crowd c;

	gather(&c, 1024);
	assert_int_equal(hold(&c, 0, 500), 0);
	assert_int_equal(hold(&c, 1, 100), 0);
	assert_int_equal(charge(&c.t, &more, &c.connections[0], 1), -EDQUOT);
	assert_int_equal(c.uids[0].used[QDA_RES_CALLS], 500);
	qda_charge_deinit(&c.held[1]);
	assert_int_equal(charge(&c.t, &more, &c.connections[0], 12), 0);
	qda_charge_deinit(&more);
	disperse(&c);
}

static void shares_of_nothing_one_and_everything(void **state)
{
	struct crowd c;

	gather(&c, 0);
	assert_int_equal(hold(&c, 0, 1), -EDQUOT);
	assert_int_equal(hold(&c, 0, UINT64_MAX), -EDQUOT);
	assert_int_equal(hold(&c, 0, 0), 0);
	gather(&c, 1);
	assert_gets(&c, 0, 1);
	assert_int_equal(hold(&c, 1, 1), -EDQUOT);
	disperse(&c);
	gather(&c, UINT64_MAX);
	assert_gets(&c, 0, 1ull << 63);
	assert_gets(&c, 1, 0x2aaaaaaaaaaaaaabull); /* (2^63 - 1) / 3, rounded up */
	disperse(&c);
}

/* However many there are: while any is left, a uid that holds nothing gets one. */
static void last_unit_is_for_who_has_none(void **state)
{
	struct qda_charge more;
	struct crowd c;

	gather(&c, 4);
	assert_gets(&c, 0, 2);
	assert_gets(&c, 1, 1);
	assert_int_equal(charge(&c.t, &more, &c.connections[1], 1), -EDQUOT);
	assert_gets(&c, 2, 1);
	assert_int_equal(hold(&c, 3, 1), -EDQUOT);
	assert_non_null(strstr(c.t.fail.text, "its fair share is 0 now"));
	disperse(&c);
}

static void total_below_use_refuses_every_share(void **state)
{
	struct crowd c;

	gather(&c, 100);
	assert_int_equal(hold(&c, 0, 50), 0);
	c.t.total_limits[QDA_RES_CALLS] = 10;
	assert_int_equal(hold(&c, 1, 1), -EDQUOT);
	assert_refused(&c.t, "total", 10, 50);
	disperse(&c);
}

static void resources_are_apart_and_have_names(void **state)
{
	static const char *const names[] = { "connections", "sessions", "buffers", "buffer_bytes",
					     "handles", "maps", "calls", "parked", "inline_bytes",
					     "out_bytes", "fds" };
	struct accounts t;
	struct qda_charge c;

	make(&t, 10, 10, 10);
	assert_int_equal(QDA_RES_N, 11);
	for (unsigned i = 0; i < QDA_RES_N; i++) {
		assert_string_equal(qda_resource_name(i), names[i]);
		t.connection_limits[i] = t.uid_limits[i] = t.total_limits[i] = 1;
	}
	assert_int_equal(qda_charge_init(&c, &t.a, QDA_RES_MAPS, 1, &t.fail), 0);
	for (unsigned i = 0; i < QDA_RES_N; i++)
		assert_int_equal(t.total.used[i], i == QDA_RES_MAPS);
	qda_charge_deinit(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limit_of_nothing_refuses_the_first_unit),
		cmocka_unit_test(refusals_say_where_the_limit_was_set),
		cmocka_unit_test(limit_of_one_serves_one_at_a_time),
		cmocka_unit_test(limit_is_reached_exactly),
		cmocka_unit_test(sums_that_overflow_are_refused),
		cmocka_unit_test(two_connections_of_one_uid_meet_at_the_last_unit),
		cmocka_unit_test(refusal_at_the_top_is_undone_below),
		cmocka_unit_test(lowered_limit_refuses_until_use_has_sunk),
		cmocka_unit_test(deinit_may_run_twice),
		cmocka_unit_test(parts_of_a_charge_are_given_back_on_their_own),
		cmocka_unit_test(alone_a_uid_gets_half_and_newcomers_find_something),
		cmocka_unit_test(refusal_says_share_use_and_number_of_uids),
		cmocka_unit_test(those_who_take_turns_get_the_same),
		cmocka_unit_test(share_follows_what_is_held_now),
		cmocka_unit_test(shares_of_nothing_one_and_everything),
		cmocka_unit_test(last_unit_is_for_who_has_none),
		cmocka_unit_test(total_below_use_refuses_every_share),
		cmocka_unit_test(resources_are_apart_and_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
