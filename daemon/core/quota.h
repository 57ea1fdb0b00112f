/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Quotas: what a client holds is charged to its connection, its uid and the whole daemon, in that
 * order, before it exists. A charge is an object embedded in what it pays for; giving it back is
 * its deinit, which may run twice. An account is owned by the object it is embedded in (client,
 * user, core) and outlives every charge on it.
 *
 * Fair share. What all uids together may hold of a resource (the total) is more than one of them
 * may (its limit), but many could use it up. So a uid may hold at most
 *
 *	(total - what other uids hold) / (uids that hold some, itself counted, + 1), rounded up:
 *
 * what the others leave is divided by everybody who holds some, and one more, who has yet to come.
 * Alone, a uid gets half of the total. Of 1024, uids that come one after the other and take what
 * they can get 512, 171, 86, ...; two that take turns get 256 each. However many there are, the
 * next finds something. It depends on what is held now, not on who came when: who held more
 * when there were fewer keeps that, and gets no more until its use is below its share. It never
 * refuses a uid that holds nothing one unit of what is left.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct qda_fail;

enum qda_resource {
	QDA_RES_CONNECTIONS,
	QDA_RES_SESSIONS,
	QDA_RES_BUFFERS,
	QDA_RES_BUFFER_BYTES,	/* shared buffers and the staging of sessions */
	QDA_RES_HANDLES,	/* remote handles */
	QDA_RES_MAPS,		/* buffers shown to a session under a key */
	QDA_RES_CALLS,		/* queued and in flight, abandoned ones too */
	QDA_RES_PARKED,		/* of these: parked ones */
	QDA_RES_INLINE_BYTES,	/* inline data of queued calls that found no room in staging */
	QDA_RES_OUT_BYTES,	/* replies: reserved at acceptance, held while unsent */
	QDA_RES_FDS,		/* descriptors the daemon keeps for a client */
	QDA_RES_N,
};

struct qda_account {
	const char *scope;		/* "connection", "uid", "total" */
	const char *rule;		/* of a uid: the name of its [quota ...]; else NULL */
	struct qda_account *parent;
	uint64_t used[QDA_RES_N];
	const uint64_t *limit;		/* QDA_RES_N numbers, owned by who owns the account */
	uint32_t by_hand;		/* bits 1 << QDA_RES_*: limits that were set while running */
	bool shared;			/* its limits are divided fairly among the accounts below */
	uint32_t holders[QDA_RES_N];	/* shared: accounts below that hold some */
	uint64_t peak[QDA_RES_N];	/* the most that ever was in use */
	uint64_t refused[QDA_RES_N];	/* charges that were asked of it, or below, and refused here
					 * or above */
};

struct qda_charge {
	struct qda_account *account;	/* NULL: nothing is charged */
	uint64_t amount;
	enum qda_resource resource;
};

#define QDA_CHARGE_NULL ((struct qda_charge){ 0 })

/* The name of a resource as configuration and refusals spell it. */
const char *qda_resource_name(enum qda_resource resource);
/* QDA_RES_N when no resource is called that. */
enum qda_resource qda_resource_find(const char *name);

/* Bit of `by_hand` for the rate of requests, which is no resource. */
#define QDA_BY_HAND_RATE (1u << QDA_RES_N)

/* What to do when `what` (bit of `by_hand`: which) is too little, as the end of a sentence: where
 * its limit was set. Text for `size` bytes. */
void qda_account_remedy(const struct qda_account *account, const char *what, uint32_t which,
			char *out, size_t size);

/* Charge an account and its parents. 0, or -EDQUOT with resource, scope, limit and use in *fail;
 * nothing is charged then. Nothing (amount 0) is never refused. */
int qda_charge_init(struct qda_charge *charge, struct qda_account *account,
		    enum qda_resource resource, uint64_t amount, struct qda_fail *fail)
	__attribute__((warn_unused_result));
void qda_charge_deinit(struct qda_charge *charge);
/* Take a part of a charge into an object of its own; `amount` is at most what is there. */
struct qda_charge qda_charge_split(struct qda_charge *from, uint64_t amount);
