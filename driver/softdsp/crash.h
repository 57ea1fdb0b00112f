/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is known of a PD when it dies. Each thread keeps its place in the status page up to date;
 * handlers of fatal signals, and exit(), mark the place of the thread that ended the process.
 */
#pragma once

#include <stdint.h>

struct pd_status;

/* Once, by the first thread; `status` is shared with the supervisor. */
int crash_init(struct pd_status *status);

/* Once per thread of ours; `index` < n_slots. Gives it a stack for handlers. 0 or -errno. */
int crash_thread(uint32_t index);

/* Around everything that runs code of a skel. Nothing on threads that are not ours. */
void crash_enter(const char module[64], uint32_t method);
void crash_leave(void);
