/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long the loop was held up: CPU time of this thread per callback, since everybody waits for
 * the one that runs. One loop in a process, so there is one of these; counted from
 * qda_stall_begin() on, before that nothing is.
 *
 * Marks are set where callbacks begin, so that nobody has to ask how long the loop slept: libuv
 * would look for events once more before each wait to know that.
 *
 * Reading the CPU clock of a thread costs more than a callback does, so it is read only when a
 * callback took long by the wall, which bounds its CPU time, and now and then to keep in step.
 */
#pragma once

#include <stdint.h>

#define QDA_STALL_BUCKETS 14u	/* up to 2 us, 4 us, ... 8 ms, 16 ms; the last: more */

struct qda_stall {
	uint64_t bucket[QDA_STALL_BUCKETS];
	uint64_t sum_ns;
	uint64_t longest_ns;
};

void qda_stall_begin(void);
/* A callback begins: the one before has ended, unless the loop waited in between. */
void qda_stall_mark(void);
/* The loop is about to wait: the last callback has ended. */
void qda_stall_rest(void);
const struct qda_stall *qda_stall_get(void);
