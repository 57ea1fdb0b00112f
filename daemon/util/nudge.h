/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whoever closes the last descriptor of a socket that lingers waits as long as its owner likes, but
 * for a signal. A nudge is a signal to the thread that made it, each millisecond between begin and
 * end: what is closed there waits no longer than that. Signals do nothing else.
 *
 * Begin and end cost nothing where they follow close upon each other: the timer goes on until a
 * signal comes outside of them.
 *
 * Nothing helps where a file is somebody else's (FUSE).
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <time.h>

/* Stays where it is from init to deinit. */
struct qda_nudge {
	timer_t timer;
	bool made;			/* without a timer nobody is nudged */
	volatile sig_atomic_t depth;	/* begun and not ended */
	volatile sig_atomic_t runs;	/* the timer */
};

void qda_nudge_init(struct qda_nudge *nudge);
/* May be within another begin and end. */
void qda_nudge_begin(struct qda_nudge *nudge);
void qda_nudge_end(struct qda_nudge *nudge);
void qda_nudge_deinit(struct qda_nudge *nudge);
