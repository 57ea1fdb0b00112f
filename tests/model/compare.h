/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Core and the model side by side: what must be the same after each step. A difference fails the
 * test.
 */
#pragma once

#include "core_scene.h"
#include "model.h"

struct pair {
	struct scene s;
	struct model m;
	struct guest guests[M_CLIENTS];
	uint64_t cookies[M_THINGS];	/* of calls that run */
	/* How it went: requests refused; steps after which more than one user waited for a slot;
	 * calls that ended well, too late, cancelled, and with their session. */
	uint64_t n_refused, n_competed, n_done, n_late, n_cancelled, n_lost;
};

/* Of a resource of the model's. */
const char *compare_name(int resource);

/* Core's object for a session that its client still names. */
struct qda_session *compare_session(struct pair *p, int session);

/* The use of each resource by each client, uid and all together; the sessions and their states; the
 * calls on the device, in the order in which it got them; the answers. Forgets calls that have
 * ended. */
void compare(struct pair *p);
/* One that both give, for the same reason (p->s.fail), or none. */
void compare_refusal(struct pair *p, const struct m_refusal *model, bool refused);
