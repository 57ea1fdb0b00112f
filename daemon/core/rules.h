/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules of the house: who may do what, how much of it, and with which weight. Made from the
 * configuration, where names of users and groups were resolved; from then on only read. Core owns
 * one set and drops it for the next one (qda_core_apply()).
 *
 * Rules are looked at in the order of their names; the first that matches decides. Where none does,
 * the answer is no.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/quota.h"

struct qda_fail;
struct qda_principal;

#define QDA_RULES_MAX	   256u
#define QDA_RULE_NAME_MAX  40u	/* libinih cuts the names of sections */
#define QDA_UNIT_MAX	   128u
#define QDA_MODULE_PATTERN_MAX 160u
#define QDA_WEIGHT_USUAL   100u
#define QDA_WEIGHT_MAX	   10000u
#define QDA_REQUESTS_USUAL 1000u
#define QDA_BURST_USUAL	   2000u

/* Whom a rule is about: all that is given must match. Nothing given: everybody. */
struct qda_who {
	bool has_uid, has_gid;
	uid_t uid;
	gid_t gid;			/* primary or supplementary */
	char unit[QDA_UNIT_MAX];	/* system unit: "camera.service"; empty: any */
};

/* What the clients of one uid may hold together, and their share of DSP time against others. Who is
 * matched by another rule of the same uid (by its unit) is counted apart. */
struct qda_quota_rule {
	char name[QDA_RULE_NAME_MAX + 1];
	struct qda_who who;
	uint64_t limits[QDA_RES_N];
	uint64_t requests;	/* per second: everything but calls and their cancel */
	uint64_t burst;		/* of them at once, after some quiet */
	uint32_t weight;
};

/* Kinds of protection domains. */
enum qda_session_kind { QDA_SESSION_UNSIGNED, QDA_SESSION_PRIVILEGED, QDA_SESSION_KINDS };

/* What only administrators do. */
enum qda_admin {
	QDA_ADMIN_STATUS,	/* see other users' clients, watch events */
	QDA_ADMIN_RELOAD,
	QDA_ADMIN_QUOTA,	/* change limits */
	QDA_ADMIN_KILL,
	QDA_ADMIN_N,
};

struct qda_policy_rule {
	char name[QDA_RULE_NAME_MAX + 1];
	struct qda_who who;
	bool allow;
	unsigned admin;		/* bits 1 << QDA_ADMIN_*: the rule is about these and nothing else */
	char domain[16];	/* empty: any */
	unsigned kinds;		/* bits 1 << QDA_SESSION_*; 0: any */
	char module[QDA_MODULE_PATTERN_MAX];	/* pattern, see uri.h; empty: any */
	bool dirs;		/* allow: module directories of the client's own, too */
	bool urgent;		/* allow: calls that go before those of others, too */
	bool parked;		/* allow: calls that hold no slot, too */
};

struct qda_rules {
	uint64_t connection_limits[QDA_RES_N];
	uint64_t total_limits[QDA_RES_N];
	struct qda_quota_rule fallback;		/* "default": for whom no other matches */
	struct qda_quota_rule *quotas;		/* sorted by name */
	unsigned n_quotas;
	struct qda_policy_rule *policy;		/* sorted by name */
	unsigned n_policy;
	uint32_t session_in_flight;		/* calls of one session on the DSP at a time */
	uint32_t client_in_flight;		/* of one client on one domain */
};

/* What somebody wants to do. */
enum qda_wish {
	QDA_WISH_USE,		/* anything at all: the answer to Hello */
	QDA_WISH_SESSION,	/* domain, kind */
	QDA_WISH_DIRS,		/* domain, kind */
	QDA_WISH_URGENT,	/* domain, kind */
	QDA_WISH_PARKED,	/* domain, kind */
	QDA_WISH_MODULE,	/* domain, kind, module */
	QDA_WISH_ADMIN,		/* admin */
};

struct qda_question {
	enum qda_wish wish;
	const char *domain;
	enum qda_session_kind kind;
	const char *module;	/* URI, as the DSP gets it */
	enum qda_admin admin;
	bool granted;		/* by somebody else than the policy, for this session */
};

/* All limits 0, no rule, weight and requests the usual. NULL: out of memory. */
struct qda_rules *qda_rules_new(void);
struct qda_rules *qda_rules_free(struct qda_rules *rules);

/*
 * What a rule is about, beside who asks:
 *
 * - USE is allowed by any rule that allows anything, and refused by one that refuses everything
 *   (allow=no and nothing else).
 * - ADMIN is allowed only by rules that name the right, and refused by those and by one that refuses
 *   everything.
 * - DIRS, URGENT and PARKED are allowed only by rules that say so.
 * - A rule with a module pattern that allows, allows the session that such modules are loaded in;
 *   one that refuses says nothing about the session. A URI of which it cannot be told what a DSP
 *   would load matches no pattern that allows, and every one that refuses.
 */
bool qda_who_matches(const struct qda_who *who, const struct qda_principal *principal);
/* Never NULL. */
const struct qda_quota_rule *qda_rules_quota(const struct qda_rules *rules,
					     const struct qda_principal *principal);
/* The rule that decides, whose `allow` is the answer; NULL: none does, so no. In a question about
 * sessions and what is done in them, domain is never NULL. uid 0 and
 * `daemon_uid` may do everything: a rule named "built-in" says so. */
const struct qda_policy_rule *qda_rules_decide(const struct qda_rules *rules, uid_t daemon_uid,
					       const struct qda_principal *principal,
					       const struct qda_question *question);

/* "status", "reload", ... */
const char *qda_admin_name(enum qda_admin admin);
const char *qda_session_kind_name(enum qda_session_kind kind);
