/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much a user can have written into the journal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "journal.h"

#define SECOND	1000000000ull
#define MINUTE	(60 * SECOND)

static struct qda_journal_limit limit;

static int begin(void **state)
{
	memset(&limit, 0, sizeof(limit));
	return 0;
}

static unsigned taken(uid_t uid, unsigned kind, uint64_t now, unsigned tries)
{
	unsigned n = 0, left_out;

	for (unsigned i = 0; i < tries; i++)
		n += qda_journal_take(&limit, uid, kind, now, &left_out);
	return n;
}

static void a_burst_is_cut_and_counted(void **state)
{
	unsigned left_out;

	assert_int_equal(taken(1000, 1, SECOND, 1000), QDA_JOURNAL_BURST);
	assert_int_equal(taken(1000, 1, MINUTE, 1000), 0);
	assert_true(qda_journal_take(&limit, 1000, 1, MINUTE + SECOND, &left_out));
	assert_int_equal(left_out, 2000 - QDA_JOURNAL_BURST);
	assert_true(qda_journal_take(&limit, 1000, 1, MINUTE + SECOND, &left_out));
	assert_int_equal(left_out, 0);
}

static void kinds_are_limited_apart(void **state)
{
	assert_int_equal(taken(1000, 1, SECOND, 100), QDA_JOURNAL_BURST);
	assert_int_equal(taken(1000, 2, SECOND, 100), QDA_JOURNAL_BURST);
}

static void many_users_together_are_limited_too(void **state)
{
	unsigned n = 0;

	for (uid_t uid = 1; uid <= 10000; uid++)
		n += taken(uid, 1, SECOND, 20);
	assert_int_equal(n, QDA_JOURNAL_SLOTS * QDA_JOURNAL_BURST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_burst_is_cut_and_counted, begin),
		cmocka_unit_test_setup(kinds_are_limited_apart, begin),
		cmocka_unit_test_setup(many_users_together_are_limited_too, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
