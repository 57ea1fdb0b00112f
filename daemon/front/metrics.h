/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Metrics: OpenMetrics text for whoever asks with HTTP on a socket of its own
 * (curl --unix-socket PATH http://localhost/metrics). What the policy lets see other users' clients
 * may read it.
 *
 * The text is made a piece at a time, so that many users do not hold up the loop.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct qda_core;
struct qda_front;
struct qda_metrics;

/* Listen at `path`, which everybody may connect to: of the front's core. handed_fd: listens
 * already, its file is another's; -1: none. 0 or a negative errno. */
int qda_metrics_new(uv_loop_t *loop, const struct qda_front *front, int handed_fd, const char *path,
		    struct qda_metrics **out);
/* Ends all; memory goes when the loop has run the close callbacks, by itself. NULL is fine. */
void qda_metrics_close(struct qda_metrics *metrics);

/* --- the text: metrics_text.c --- */

#define QDA_METRICS_PIECE 16384u

/* Where the text is at: a family of metrics, and the last object of it that was shown. */
struct qda_metrics_cursor {
	unsigned family;
	bool begun;		/* its head was shown */
	bool any;		/* an object was: which one is below */
	char domain[16];
	uint32_t uid;
	char rule[48];
};

/* The next piece, at most QDA_METRICS_PIECE bytes. Returns its length, 0 after the last. */
size_t qda_metrics_text(const struct qda_core *core, struct qda_metrics_cursor *cursor, char *out);
