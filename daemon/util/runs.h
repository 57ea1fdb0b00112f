/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs of pages inside a fixed region of at most 256 pages: first fit over a bitmap, no heap.
 * Whoever owns the region owns this; it knows nothing of the memory itself. Low pages are given out
 * first, so that a region which is mostly idle keeps touching the same few pages.
 */
#pragma once

#include <stdint.h>

#define QDA_RUNS_MAX 256

struct qda_runs {
	uint64_t used[QDA_RUNS_MAX / 64];	/* bit n: page n is taken */
	unsigned pages;
};

/* All `pages` (at most QDA_RUNS_MAX) are free. */
void qda_runs_init(struct qda_runs *runs, unsigned pages);

/* First of `n` free neighbours, taken from now on; -ENOSPC when there are none, -EINVAL for 0. */
int qda_runs_take(struct qda_runs *runs, unsigned n);

/* Give back exactly what one qda_runs_take() returned. */
void qda_runs_give(struct qda_runs *runs, unsigned first, unsigned n);
