/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The machine: one DSP domain, its context banks, the PDs in them, and the host it has at the
 * moment. Everything in the supervisor hangs on this and runs on its one loop; nothing here
 * blocks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "bank.h"
#include "host.h"

#define DSP_BANKS_MAX	64u
#define DSP_MODULES_MAX 16u

struct pd;

struct dsp_config {
	const char *name;
	uint32_t arch;
	uint32_t n_banks;
	uint32_t pd_threads;
	uint64_t pd_memory;
	uint64_t pd_cpu_seconds; /* 0: no limit */
	bool client_dirs;
	char *modules[DSP_MODULES_MAX]; /* absolute */
	unsigned n_modules;
	char *pd_program;
};

struct dsp {
	const struct dsp_config *config;
	uv_loop_t *loop;
	uint32_t confined; /* enum softdsp_confined: what this kernel lets us do to PDs */
	struct host host;
	struct bank banks[DSP_BANKS_MAX + 1]; /* by stream id, from 1 */
	struct pd *pds[DSP_BANKS_MAX + 1];    /* the one in each bank */
	unsigned n_pds;			      /* not freed yet, also those leaving */
	/* The host is gone and all it had is cleared away: ready for another. */
	void (*on_vacant)(struct dsp *dsp);
};

/* The host is gone, or to be dropped: ends all PDs; on_vacant follows. */
void dsp_detach(struct dsp *dsp);

/* Called by host and PDs when one of them has closed. */
void dsp_settle(struct dsp *dsp);
