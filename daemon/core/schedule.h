/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose call goes next on a domain: weighted fair queueing on DSP time, the time a call holds a
 * slot. Users (accounts of uids) share a domain by their weights, clients of a user equally,
 * sessions of a client by turns; calls of a session keep their order.
 *
 * A session waits while it has a call that may go: it is open, has fewer calls in flight than it
 * may, and the device had room for it. A client waits while one of its sessions does and it has
 * fewer in flight than it may, a user while one of its clients does.
 *
 * Of each user and client (a flow) it is known how much DSP time it was served, divided by its
 * weight: of calls that have ended exactly, by the weight of then; of those that run as much as
 * they have used until now, by the weight of now. Who was served least goes next. For that
 * comparison each running call counts what a call of its session usually took when it began,
 * besides: else many calls sent at once would get all slots before the first of them has used any
 * time. Among equals goes who was placed first: a flow is placed when it begins to wait, when a
 * call of it begins or ends, and when its level or its weight changes. Sessions of a client stand
 * in a line: at its end when they begin to wait, when their level changes, and when a call of them
 * was sent.
 *
 * What a call usually takes is an average: each that ends moves that of its session, and that of
 * the domain, by an eighth towards the time it took, of which 100 ms count at most. A session
 * begins with that of the domain.
 *
 * Time that was not wanted is not saved up: a flow that begins to wait is set to virtual time, if
 * it was served less. There is one among users, and one among the clients of each. It never goes
 * back. When a slot is given, and before a flow begins to wait, it rises to what those were served
 * who are first on their levels then, to the least of them. When nothing runs and nothing waits,
 * all are even again: it rises to the most that anybody was served when a call of it ended. What a
 * user was served more than others is not forgotten when its sessions are closed while others
 * wait: the record stays until they have caught up.
 *
 * Priorities are levels: within a user the highest level that waits goes first. Only the top one,
 * urgent, goes before other users, too; it costs the same DSP time. Users at 3/4 of the slots,
 * rounded up, get no more: calls that never end must leave some.
 *
 * Parked calls are apart: they go at once and cost nothing, since they wait for something outside
 * the DSP. That one does is what its caller says. All that is seen of a call is when it begins and
 * when it ends, and both are the same for a method that waits and one that computes: charged, their
 * time would ruin who waits; bounded, it would be free for who computes longer. So it is a matter
 * of trust: the policy says who may (parked=yes), and quotas how many.
 *
 * Owned by the domain. Nothing here allocates but when a session opens. A decision costs a look at
 * the first of a few trees, and one step more for each flow in front that has calls running: as
 * many as there are slots at most.
 */
#pragma once

#include "core/client.h"

struct qda_call;
struct qda_domain;

enum { QDA_LEVEL_LOW, QDA_LEVEL_NORMAL, QDA_LEVEL_HIGH, QDA_LEVEL_URGENT, QDA_LEVELS };

/* DSP time divided by a weight, in 1/65536 ns, cut: wide enough never to wrap. */
__extension__ typedef unsigned __int128 qda_vtime;

struct qda_flow {
	RB_ENTRY(qda_flow) node;
	const uint32_t *weight;
	qda_vtime used;		/* by calls that have ended */
	qda_vtime key;		/* in the tree: at least that much counts for it now */
	uint64_t turn;		/* in the tree, among equals */
	uint64_t starts_ns;	/* of running calls: sum of when they began, modulo 2^64, */
	uint64_t expected_ns;	/* and of what they usually take */
	uint32_t running;
	int level;		/* of the tree it is in; -1: nothing of it may go */
};

RB_HEAD(qda_flow_tree, qda_flow);

/* Flows that compete. */
struct qda_fair {
	struct qda_flow_tree levels[QDA_LEVELS];	/* those that wait */
	qda_vtime now;		/* virtual time */
	qda_vtime finish;	/* what anybody was served at most when a call ended */
	uint64_t turns;
	uint32_t n_waiting, n_running;
};

RB_HEAD(qda_shares, qda_share);
RB_HEAD(qda_client_shares, qda_client_share);

/* A user on a domain. Named by uid and quota rule, since it may outlive the user's object. */
struct qda_share {
	struct qda_flow flow;
	RB_ENTRY(qda_share) node;	/* schedule->shares */
	struct qda_fair clients;
	struct qda_client_shares members;	/* none: all its sessions are gone */
	uint32_t parked;		/* calls */
	uint32_t banks;			/* context banks that its sessions hold */
	uid_t uid;
	char rule[QDA_RULE_NAME_MAX + 1];
};

/* A client on a domain. Counted by its sessions there. */
struct qda_client_share {
	struct qda_flow flow;
	RB_ENTRY(qda_client_share) node;	/* share->members */
	struct qda_client *client;
	struct qda_share *share;
	struct qda_session_list ready[QDA_LEVELS];	/* by their highest level */
	unsigned refs;
};

struct qda_schedule {
	struct qda_fair users;
	struct qda_shares shares;
	struct qda_flow_tree left;	/* shares without sessions, until others have caught up */
	unsigned n_left;
	struct qda_session_list stalled;	/* the device had no room for their next call */
	uint64_t usual_ns;		/* what a call takes, where a session does not know yet */
};

void qda_schedule_init(struct qda_schedule *schedule);
/* No session is left. */
void qda_schedule_deinit(struct qda_schedule *schedule);

/* A session that is made, and one whose last call has ended: its client and user share the domain
 * as long as they have one. 0 or -ENOMEM. */
int qda_schedule_join(struct qda_session *session) __attribute__((warn_unused_result));
void qda_schedule_leave(struct qda_session *session);

/* Something changed that decides whether the session's calls may go: its state, queue or limits. */
void qda_schedule_update(struct qda_session *session);
/* The user's weight is another one. */
void qda_schedule_reweigh(struct qda_domain *domain, const struct qda_user *user);

/* Whose turn it is, or NULL when nothing may go. */
struct qda_session *qda_schedule_next(struct qda_domain *domain);
/* A call of the session was sent: call->submitted_ns is set. It has left the queue. */
void qda_schedule_begin(struct qda_call *call);
/* It has ended, and held its slot that long. */
void qda_schedule_end(struct qda_call *call, uint64_t dsp_ns);

/* The device had no room for the session's next call: it is passed over until a call of it leaves
 * the queue unsent, or anything has ended on the device. Then all that were passed over wait again,
 * in that order. */
void qda_schedule_stall(struct qda_session *session);
void qda_schedule_unstall(struct qda_session *session);
void qda_schedule_retry(struct qda_domain *domain);
