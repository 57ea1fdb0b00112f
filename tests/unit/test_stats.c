/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counting: which bucket a time falls into, and what a refusal is counted as.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/fail.h"
#include "core/stats.h"

#include <errno.h>

static unsigned bucket_of(uint64_t ns)
{
	struct qda_histogram h = { 0 };

	qda_histogram_add(&h, ns);
	assert_true(h.sum_ns == ns);
	assert_int_equal(qda_histogram_count(&h), 1);
	for (unsigned i = 0; i < QDA_HISTOGRAM_BUCKETS; i++)
		if (h.bucket[i])
			return i;
	return QDA_HISTOGRAM_BUCKETS;
}

static void a_bucket_holds_what_is_at_most_its_bound(void **state)
{
	assert_int_equal(bucket_of(0), 0);
	for (unsigned i = 0; i < QDA_HISTOGRAM_BUCKETS - 1; i++) {
		assert_int_equal(bucket_of(qda_histogram_bound(i)), i);
		assert_int_equal(bucket_of(qda_histogram_bound(i) + 1), i + 1);
	}
	assert_int_equal(bucket_of(UINT64_MAX), QDA_HISTOGRAM_BUCKETS - 1);
}

static void a_call_is_counted_by_both_its_times(void **state)
{
	struct qda_stats stats = { 0 };

	qda_stats_call(&stats, 1500, 3000000);
	qda_stats_call(&stats, 1600, 500);
	assert_int_equal(stats.queue.bucket[1], 2);
	assert_int_equal(stats.queue.sum_ns, 3100);
	assert_int_equal(stats.dsp.bucket[12], 1);
	assert_int_equal(stats.dsp.bucket[0], 1);
}

static void refusals_are_counted_by_what_refused(void **state)
{
	struct qda_refusals r = { 0 };
	struct qda_fail fail = { 0 };

	qda_fail(&fail, EDQUOT, "too many");
	fail.resource = "sessions";
	qda_refusals_count(&r, &fail);
	qda_fail(&fail, EACCES, "no");
	qda_refusals_count(&r, &fail);
	qda_fail(&fail, EPERM, "no");
	qda_refusals_count(&r, &fail);
	qda_fail(&fail, EUSERS, "no bank");
	qda_refusals_count(&r, &fail);
	qda_fail(&fail, EINVAL, "what?");
	qda_refusals_count(&r, &fail);
	assert_int_equal(r.quota[QDA_RES_SESSIONS], 1);
	assert_int_equal(r.policy, 2);
	assert_int_equal(r.device, 1);
	assert_int_equal(r.other, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bucket_holds_what_is_at_most_its_bound),
		cmocka_unit_test(a_call_is_counted_by_both_its_times),
		cmocka_unit_test(refusals_are_counted_by_what_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
