/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Closes descriptors that came from strangers. close() of a file that somebody else serves (FUSE),
 * or of a socket that lingers, may wait as long as its owner likes; the loop must not. Memory
 * (anything with seals) and O_PATH descriptors close at once and are closed here and now; the rest
 * goes to one thread, made when it is first needed. Only those who sent such things wait for each
 * other there.
 *
 * What waits stays charged to its sender until it is closed: whoever has enough of it cannot
 * connect any more.
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

/* Shut a socket down and take the descriptors out of what was never read from it: closing it would
 * close them. The socket itself stays open, and cannot wait any more when it is closed. */
void qda_dispose_unread(struct qda_disposer *disposer, struct qda_client *client, int fd);

/* Close them all, now or later. `client` pays for what waits; NULL: nobody does. */
void qda_dispose(struct qda_disposer *disposer, struct qda_client *client, const int *fds,
		 unsigned n);
