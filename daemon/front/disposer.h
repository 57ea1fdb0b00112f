/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Closes what came from strangers. close() of a file that somebody else serves (FUSE), or of a
 * socket that lingers, may wait as long as its owner likes; the loop must not. Memory (anything
 * with seals), unless it is much, and O_PATH descriptors close at once and are closed here and now;
 * the rest goes to threads, made when they are first needed.
 *
 * One thread has the descriptors that were received. It may be stuck for ever, so what waits there
 * stays charged to its sender: whoever has enough of it cannot send any more.
 *
 * The other has sockets of ours with messages that nobody read. Descriptors in those were never
 * ours: the kernel lets go of them without asking who serves the file, and waits for one that
 * lingers only until a signal comes. So that thread gets on, whatever is sent.
 */
#pragma once

#include <uv.h>

#include "core/client.h"

struct qda_disposer;

int qda_disposer_new(uv_loop_t *loop, struct qda_disposer **out);
/* Forgets the thread, which may be stuck, and what waits for it: for the end of the process. */
void qda_disposer_stop(struct qda_disposer *disposer);
struct qda_disposer *qda_disposer_free(struct qda_disposer *disposer);

/* True when closing it cannot wait. */
bool qda_closes_at_once(int fd);

/* Shut a connection down and close it. What was never read from it goes with it, elsewhere. */
void qda_dispose_socket(struct qda_disposer *disposer, int fd);
/* True: so many of these wait that no more connections should be made. */
bool qda_disposer_is_full(const struct qda_disposer *disposer);

/* Close them all, now or later. `client` pays for what waits, if it can. */
void qda_dispose(struct qda_disposer *disposer, struct qda_client *client, const int *fds,
		 unsigned n);
/* True: some wait that nobody could pay for. No more of that kind should be received. */
bool qda_disposer_is_owed(const struct qda_disposer *disposer);
