/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counting.
 */
#include "core/stats.h"

#include <errno.h>
#include <string.h>

#include "core/fail.h"

void qda_histogram_add(struct qda_histogram *histogram, uint64_t ns)
{
	unsigned i = ns <= 1000 ? 0 : 64 - (unsigned)__builtin_clzll((ns - 1) / 1000);

	if (i > QDA_HISTOGRAM_BUCKETS - 1)
		i = QDA_HISTOGRAM_BUCKETS - 1;
	histogram->bucket[i]++;
	histogram->sum_ns += ns;
}

uint64_t qda_histogram_count(const struct qda_histogram *histogram)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < QDA_HISTOGRAM_BUCKETS; i++)
		n += histogram->bucket[i];
	return n;
}

void qda_stats_call(struct qda_stats *stats, uint64_t queue_ns, uint64_t dsp_ns)
{
	qda_histogram_add(&stats->queue, queue_ns);
	qda_histogram_add(&stats->dsp, dsp_ns);
}

static int find_resource(const char *name)
{
	for (int i = 0; i < QDA_RES_N; i++)
		if (!strcmp(qda_resource_name(i), name))
			return i;
	return -1;
}

void qda_refusals_count(struct qda_refusals *refusals, const struct qda_fail *fail)
{
	int resource = fail->resource ? find_resource(fail->resource) : -1;

	if (fail->code == EDQUOT && resource >= 0)
		refusals->quota[resource]++;
	else if (fail->code == EACCES || fail->code == EPERM)
		refusals->policy++;
	else if (fail->code == EUSERS || fail->code == ENOTCONN)
		refusals->device++;
	else
		refusals->other++;
}
