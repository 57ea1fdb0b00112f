/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop's stalls.
 */
#include "util/stall.h"

#include <stdbool.h>
#include <time.h>
#include <uv.h>

#define CARE_NS	  200000u  /* shorter by the wall: that will do */
#define DRIFT_NS 5000000u  /* of short ones, before the clocks are compared anew */

static struct {
	bool counting;
	uint64_t since_ns;		/* when the callback that runs began; 0: none does */
	uint64_t cpu_ns;		/* when it was last read */
	uint64_t short_ns;		/* what short ones took since */
	struct qda_stall stall;
} s;

static uint64_t thread_cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void qda_stall_begin(void)
{
	s.counting = true;
	s.cpu_ns = thread_cpu();
}

static void count(uint64_t ns)
{
	unsigned i = 0;

	while (i < QDA_STALL_BUCKETS - 1 && ns > 2000ull << i)
		i++;
	s.stall.bucket[i]++;
	s.stall.sum_ns += ns;
	if (ns > s.stall.longest_ns)
		s.stall.longest_ns = ns;
}

/* CPU time since the last reading that short callbacks do not explain; starts anew. */
static uint64_t unexplained(void)
{
	uint64_t cpu = thread_cpu(), spent = cpu - s.cpu_ns;
	uint64_t rest = spent > s.short_ns ? spent - s.short_ns : 0;

	s.cpu_ns = cpu;
	s.short_ns = 0;
	return rest;
}

static void end(uint64_t now)
{
	uint64_t ns = now - s.since_ns, cpu;

	if (ns < CARE_NS) {
		s.short_ns += ns;
		count(ns);
		if (s.short_ns > DRIFT_NS)
			unexplained();
		return;
	}
	cpu = unexplained();
	count(cpu < ns ? cpu : ns);
}

void qda_stall_mark(void)
{
	uint64_t now;

	if (!s.counting)
		return;
	now = uv_hrtime();
	if (s.since_ns)
		end(now);
	s.since_ns = now;
}

void qda_stall_rest(void)
{
	if (s.since_ns)
		end(uv_hrtime());
	s.since_ns = 0;
}

const struct qda_stall *qda_stall_get(void)
{
	return &s.stall;
}
