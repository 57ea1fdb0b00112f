/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The core: domains, users, clients, and what they hold. It knows neither sockets nor D-Bus nor
 * protobuf; fronts call it with plain arguments and get answers through struct qda_reply_to. It
 * reads no clock and no randomness itself: both are handed to it, so that a test can drive it step
 * by step. One thread; nothing here blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <uv/tree.h>

#include "core/call.h"
#include "core/deadline.h"
#include "core/fail.h"
#include "core/quota.h"
#include "core/rate.h"
#include "core/rules.h"
#include "core/stats.h"
#include "util/slots.h"

struct qda_client;
struct qda_domain;
struct qda_happening;
struct qda_principal;

/* What an asynchronous request came to. */
struct qda_outcome {
	const struct qda_fail *fail;	/* NULL: it succeeded */
	uint64_t id;			/* session or module made */
	uint64_t dsp_addr;		/* map */
	const struct qda_invoked *invoked;	/* invoke */
};

/* Where an answer goes. Copied by value into whatever waits; end is called exactly once, and never
 * after qda_client_gone(). It may be called before the starting function returns, and from the
 * middle of core's work: it takes note and must not call core. */
struct qda_reply_to {
	void (*end)(const struct qda_reply_to *to, const struct qda_outcome *outcome);
	void *front;
	uint64_t serial;	/* the front's: names the request for cancel */
	uint32_t tag;		/* the front's: kind of request */
};

struct qda_core_config {
	uint64_t (*now)(void);		/* nanoseconds, monotonic */
	uint32_t (*random)(void);
	bool user_mode;			/* one uid is served: it needs no share */
	uid_t daemon_uid;
	/* Told what watchers are told, of everybody (core/monitor.h). NULL: nobody. */
	void (*happened)(const struct qda_happening *happening);
};

/* Everybody with one uid whom one quota rule is about. Counted by its clients. */
struct qda_user {
	RB_ENTRY(qda_user) node;
	struct qda_core *core;
	uid_t uid;
	char rule[QDA_RULE_NAME_MAX + 1];	/* name of its quota rule */
	unsigned refs;		/* 0: it stays until its rate of requests has recovered */
	struct qda_deadline recovered;
	bool kept;		/* limits were changed while running: a ref, until the next reload */
	uint32_t in_flight;	/* calls on DSPs, abandoned ones too */
	uint32_t weight;	/* of its DSP time against that of others */
	uint64_t limits[QDA_RES_N];
	struct qda_account account;
	uint64_t requests, burst;	/* of control requests: per second, and at once */
	struct qda_rate rate;
	uint64_t n_hasty;		/* requests that it refused */
	struct qda_stats stats;
};

RB_HEAD(qda_users, qda_user);
TAILQ_HEAD(qda_domain_list, qda_domain);
TAILQ_HEAD(qda_client_list, qda_client);

struct qda_core {
	struct qda_core_config config;
	struct qda_rules *rules;
	uint64_t total_limits[QDA_RES_N];
	struct qda_account total;
	struct qda_users users;
	struct qda_domain_list domains;
	struct qda_client_list clients;
	struct qda_client_list watchers;	/* those who are told what happens */
	struct qda_deadlines deadlines;
	struct qda_slots pending;	/* cookies of device operations and sessions */
	struct qda_call_pools pools;
	uint64_t next_id;		/* for people: clients and sessions in status */
	uint64_t started_ns;
	uint64_t calls, refused;
	struct qda_refusals refusals;
	uint32_t n_clients, n_sessions;
	bool draining;
};

/* What a cookie in core->pending names. */
enum qda_pending_kind {
	QDA_PENDING_SESSION = 1,	/* lost, log */
	QDA_PENDING_OPEN,
	QDA_PENDING_CLOSE,
	QDA_PENDING_CALL,
	QDA_PENDING_MAP,
	QDA_PENDING_UNMAP,
};

/* Takes `rules` over when it succeeds. */
int qda_core_new(const struct qda_core_config *config, struct qda_rules *rules,
		 struct qda_core **out);
/* From now on these rules hold; the old ones go, and with them what was changed while running
 * (core/limits.h). Limits below what is in use take nothing away: they refuse the next.
 *
 * Users keep their accounts: what they hold is charged there. An account gets the limits and weight
 * that the rule of its name has now, or those of the default when no rule is called so any more.
 * Connections made from now on are matched anew, and may meet another account of the same uid than
 * older ones; both count until the older ones have gone. */
void qda_core_apply(struct qda_core *core, struct qda_rules *rules);
/* All clients must be gone, all sessions ended and all domains freed: asserts that every account is
 * back at zero. */
struct qda_core *qda_core_free(struct qda_core *core);

struct qda_domain *qda_core_find_domain(const struct qda_core *core, const char *name);

/* The account of a principal's uid under the quota rule that is about it, made when it is not there
 * yet. */
int qda_user_ref(struct qda_core *core, const struct qda_principal *principal,
		 struct qda_user **out);
void qda_user_unref(struct qda_user *user);
/* The user that follows this uid and rule in the order of both; of rule NULL: the first. It need
 * not exist (any more). */
const struct qda_user *qda_user_after(const struct qda_core *core, uid_t uid, const char *rule);
/* The accounts of a uid, one after the other; those of the next uid follow. */
struct qda_user *qda_user_first(struct qda_core *core, uid_t uid);
struct qda_user *qda_user_next(struct qda_user *user);
/* It counts at once, also for calls that run. */
void qda_user_weigh(struct qda_user *user, uint32_t weight);
/* Until the next reload, also without clients. */
void qda_user_keep(struct qda_user *user);

/* From now on sessions and calls are refused with ESHUTDOWN, also sessions that are waited for;
 * what runs goes on. */
void qda_core_drain(struct qda_core *core);
/* No call is queued or running; abandoned and parked ones do not count. */
bool qda_core_idle(const struct qda_core *core);

/* End what has passed its deadline, or some of it: what is left goes when asked again. Returns the
 * next deadline in nanoseconds, which may have passed; 0 when there is none. */
uint64_t qda_core_expire(struct qda_core *core);
uint64_t qda_core_next_deadline(const struct qda_core *core);

static inline uint64_t qda_core_now(const struct qda_core *core)
{
	return core->config.now();
}
