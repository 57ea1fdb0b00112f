/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is counted for people who watch: per domain, per user, and refusals of the daemon as a
 * whole. Only ever rises. Numbers that the daemon itself decides by are elsewhere.
 */
#pragma once

#include <stdint.h>

#include "core/quota.h"

struct qda_fail;

#define QDA_HISTOGRAM_BUCKETS 26u	/* up to 1 us, 2 us, 4 us, ... 16 s; the last: more */

struct qda_histogram {
	uint64_t bucket[QDA_HISTOGRAM_BUCKETS];
	uint64_t sum_ns;
};

struct qda_stats {
	struct qda_histogram queue;	/* waiting for a slot */
	struct qda_histogram dsp;	/* holding one */
	uint64_t expired;		/* past their deadline */
	uint64_t cancelled;		/* by their client */
	uint64_t lost;			/* sessions whose PD died */
	uint64_t hung;			/* sessions ended since a call held the DSP too long */
};

/* Requests that were refused or failed in the daemon itself. */
struct qda_refusals {
	uint64_t quota[QDA_RES_N];
	uint64_t policy;		/* EACCES, EPERM */
	uint64_t device;		/* EUSERS, ENOTCONN: no context bank, domain not up */
	uint64_t other;			/* wrong arguments, unknown handles, ... */
};

/* Upper bound of a bucket in nanoseconds; not of the last one. */
static inline uint64_t qda_histogram_bound(unsigned bucket)
{
	return 1000ull << bucket;
}

void qda_histogram_add(struct qda_histogram *histogram, uint64_t ns);
/* How many values there were in all. */
uint64_t qda_histogram_count(const struct qda_histogram *histogram);

/* A call that the DSP has let go of. */
void qda_stats_call(struct qda_stats *stats, uint64_t queue_ns, uint64_t dsp_ns);
void qda_refusals_count(struct qda_refusals *refusals, const struct qda_fail *fail);
