/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One protection domain as the supervisor knows it: a child process, its private socket and its
 * status page. It stays in its bank after its process died, so that a host learns of the death by
 * every call until it releases the PD. Loop thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct dsp;
struct pd;
struct pd_order;

/* Whom to answer when an order is done. */
struct pd_answer {
	uint64_t ctx;
	uint32_t addr; /* in the bank: where 8 bytes of DSP address go; 0: nowhere */
};

/* Start one in a free bank; `ctx` is answered when it is ready, or not to be. 0, or a code: nothing
 * was started. */
uint32_t pd_create(struct dsp *dsp, uint32_t bank, int32_t client, uint64_t ctx);

/* NULL when the client has none. */
struct pd *pd_find(struct dsp *dsp, int32_t client);
uint32_t pd_bank(const struct pd *pd);
/* Its process is there, or nobody has been told that it is not. */
bool pd_runs(const struct pd *pd);

/* 0: `answer` is given when the PD did it. Or a code. */
uint32_t pd_order(struct pd *pd, const struct pd_order *order, const struct pd_answer *answer);

/* Kill, reap, then answer `ctx`; the bank is free with the answer. */
void pd_release(struct pd *pd, uint64_t ctx);

/* The host is gone: kill, reap, answer nobody. */
void pd_abandon(struct pd *pd);
