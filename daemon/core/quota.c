/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accounts and charges. A refusal allocates nothing and leaves nothing behind.
 */
#include "core/quota.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"

static const char *const names[QDA_RES_N] = {
	[QDA_RES_CONNECTIONS] = "connections",
	[QDA_RES_SESSIONS] = "sessions",
	[QDA_RES_BUFFERS] = "buffers",
	[QDA_RES_BUFFER_BYTES] = "buffer_bytes",
	[QDA_RES_HANDLES] = "handles",
	[QDA_RES_MAPS] = "maps",
	[QDA_RES_CALLS] = "calls",
	[QDA_RES_PARKED] = "parked",
	[QDA_RES_INLINE_BYTES] = "inline_bytes",
	[QDA_RES_OUT_BYTES] = "out_bytes",
	[QDA_RES_FDS] = "fds",
};

const char *qda_resource_name(enum qda_resource resource)
{
	return names[resource];
}

enum qda_resource qda_resource_find(const char *name)
{
	for (unsigned i = 0; i < QDA_RES_N; i++)
		if (!strcmp(names[i], name))
			return i;
	return QDA_RES_N;
}

static void give_back(struct qda_account *from, const struct qda_account *end,
		      enum qda_resource resource, uint64_t amount)
{
	const struct qda_account *below = NULL;

	for (struct qda_account *a = from; a != end; below = a, a = a->parent) {
		assert(a->used[resource] >= amount);
		a->used[resource] -= amount;
		if (a->shared && below && amount && !below->used[resource])
			a->holders[resource]--;
	}
}

/* What the accounts below `all` other than one that holds `own` leave of the limit, and among how
 * many it is divided: those who hold some, that one counted, and one more. */
struct share {
	uint64_t left;
	uint64_t parts;
};

static struct share share_of(const struct qda_account *all, uint64_t own,
			     enum qda_resource resource)
{
	uint64_t others = all->used[resource] - own, limit = all->limit[resource];

	return (struct share){ others < limit ? limit - others : 0,
			       all->holders[resource] + !own + 1ull };
}

/* May what holds `own` have `amount` more? As quota.h says; own + amount <= left / parts, rounded
 * up, without the division. */
static bool is_fair(const struct share *share, uint64_t own, uint64_t amount)
{
	uint64_t sum, product;

	return !__builtin_add_overflow(own, amount, &sum) &&
	       !__builtin_mul_overflow(sum - 1, share->parts, &product) && product < share->left;
}

static bool has_room(const struct qda_account *a, const struct qda_account *below,
		     enum qda_resource resource, uint64_t amount)
{
	uint64_t used = a->used[resource], limit = a->limit[resource], own;
	struct share share;

	/* A lowered limit may be below what is in use already. */
	if (used > limit || amount > limit - used)
		return false;
	if (!a->shared || !below)
		return true;
	own = below->used[resource] - amount; /* that one has been charged */
	share = share_of(a, own, resource);
	return is_fair(&share, own, amount);
}

static void take(struct qda_account *a, const struct qda_account *below,
		 enum qda_resource resource, uint64_t amount)
{
	a->used[resource] += amount;
	if (a->shared && below && below->used[resource] == amount)
		a->holders[resource]++;
}

static void note_peaks(struct qda_account *a, enum qda_resource resource)
{
	for (; a; a = a->parent)
		if (a->used[resource] > a->peak[resource])
			a->peak[resource] = a->used[resource];
}

void qda_account_remedy(const struct qda_account *account, const char *what, uint32_t which,
			char *out, size_t size)
{
	if (account->by_hand & which)
		snprintf(out, size, "raise %s (it was set while running: qdactl quota set)", what);
	else if (account->rule)
		snprintf(out, size, "raise %s in [quota %s]", what, account->rule);
	else
		snprintf(out, size, "raise %s in [%s]", what, account->scope);
}

static void say_share(const struct qda_account *all, uint64_t own, enum qda_resource resource,
		      uint64_t amount, const char *remedy, struct qda_fail *fail)
{
	struct share share = share_of(all, own, resource);

	qda_fail(fail, EDQUOT,
		 "quota of %s in %s: %" PRIu64 " wanted, %" PRIu64 " of %" PRIu64
		 " in use, %" PRIu64 " of them by this uid; its fair share is %" PRIu64
		 " now, what others leave divided by %" PRIu64 ": each uid that uses some, and "
		 "one more; free some, or %s",
		 names[resource], all->scope, amount, all->used[resource], all->limit[resource], own,
		 share.left / share.parts + !!(share.left % share.parts), share.parts, remedy);
}

static void say_limit(const struct qda_account *at, enum qda_resource resource, uint64_t amount,
		      const char *remedy, struct qda_fail *fail)
{
	qda_fail(fail, EDQUOT,
		 "quota of %s per %s: %" PRIu64 " wanted, %" PRIu64 " of %" PRIu64
		 " in use; free some, or %s",
		 names[resource], at->scope, amount, at->used[resource], at->limit[resource],
		 remedy);
}

static int refuse(struct qda_account *account, struct qda_account *at,
		  const struct qda_account *below, enum qda_resource resource, uint64_t amount,
		  struct qda_fail *fail)
{
	char remedy[128];

	give_back(account, at, resource, amount);
	for (struct qda_account *a = account; a != at; a = a->parent)
		a->refused[resource]++;
	at->refused[resource]++;
	qda_account_remedy(at, names[resource], 1u << resource, remedy, sizeof(remedy));
	if (at->shared && below)
		say_share(at, below->used[resource], resource, amount, remedy, fail);
	else
		say_limit(at, resource, amount, remedy, fail);
	fail->resource = names[resource];
	fail->scope = at->scope;
	fail->limit = at->limit[resource];
	fail->used = at->used[resource];
	return -EDQUOT;
}

int qda_charge_init(struct qda_charge *charge, struct qda_account *account,
		    enum qda_resource resource, uint64_t amount, struct qda_fail *fail)
{
	const struct qda_account *below = NULL;

	*charge = QDA_CHARGE_NULL;
	if (!amount)
		return 0;
	for (struct qda_account *a = account; a; below = a, a = a->parent) {
		if (!has_room(a, below, resource, amount))
			return refuse(account, a, below, resource, amount, fail);
		take(a, below, resource, amount);
	}
	note_peaks(account, resource);
	*charge = (struct qda_charge){ account, amount, resource };
	return 0;
}

void qda_charge_deinit(struct qda_charge *charge)
{
	if (charge->account)
		give_back(charge->account, NULL, charge->resource, charge->amount);
	*charge = QDA_CHARGE_NULL;
}

struct qda_charge qda_charge_split(struct qda_charge *from, uint64_t amount)
{
	struct qda_charge part = { from->account, amount, from->resource };

	assert(from->account && from->amount >= amount);
	from->amount -= amount;
	return part;
}
