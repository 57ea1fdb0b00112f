/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long the loop was held up: CPU time of this thread per callback, since everybody waits for
 * the one that runs. One loop in a process, so there is one of these; counted from qda_stall_begin()
 * on, before that nothing is.
 *
 * Reading the CPU clock of a thread costs more than a callback does, so it is read only when a
 * callback took long by the wall, which bounds its CPU time, and now and then to keep in step.
 */
#pragma once

#include <stdint.h>

struct uv_loop_s;

#define QDA_STALL_BUCKETS 14u	/* up to 2 us, 4 us, ... 8 ms, 16 ms; the last: more */

struct qda_stall {
	uint64_t bucket[QDA_STALL_BUCKETS];
	uint64_t sum_ns;
	uint64_t longest_ns;
};

/* The loop must have been configured with UV_METRICS_IDLE_TIME. NULL: stop counting. */
void qda_stall_begin(struct uv_loop_s *loop);
/* A callback has ended; the time since the one before, less what the loop slept, was its. */
void qda_stall_mark(void);
const struct qda_stall *qda_stall_get(void);
