/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop's stalls.
 */
#include "util/stall.h"

#include <time.h>
#include <uv.h>

#define CARE_NS	  200000u  /* shorter by the wall: that will do */
#define DRIFT_NS 5000000u  /* of short ones, before the clocks are compared anew */

static struct {
	uv_loop_t *loop;
	uint64_t wall_ns, idle_ns;	/* at the last mark */
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

void qda_stall_begin(uv_loop_t *loop)
{
	s.loop = loop;
	if (!loop)
		return;
	s.wall_ns = uv_hrtime();
	s.idle_ns = uv_metrics_idle_time(loop);
	s.cpu_ns = thread_cpu();
	s.short_ns = 0;
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

void qda_stall_mark(void)
{
	uint64_t now, idle, ns;

	if (!s.loop)
		return;
	now = uv_hrtime();
	idle = uv_metrics_idle_time(s.loop);
	ns = now - s.wall_ns - (idle - s.idle_ns);
	s.wall_ns = now;
	s.idle_ns = idle;
	if (ns >= CARE_NS) {
		uint64_t cpu = unexplained();

		count(cpu < ns ? cpu : ns);
		return;
	}
	s.short_ns += ns;
	count(ns);
	if (s.short_ns > DRIFT_NS)
		unexplained();
}

const struct qda_stall *qda_stall_get(void)
{
	return &s.stall;
}
