/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The threads of a PD that run calls. Started once; they never end before the process does.
 */
#pragma once

#include <stdint.h>

struct transport;

/* Start the first thread; there will be at most `max`. 0 or -errno. */
int workers_start(struct transport *transport, uint32_t max);
