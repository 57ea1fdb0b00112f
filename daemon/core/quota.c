/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accounts and charges. A refusal allocates nothing and leaves nothing behind.
 */
#include "core/quota.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "core/fail.h"

static const char *const names[QDA_RES_N] = {
	[QDA_RES_CONNECTIONS] = "connections",
	[QDA_RES_SESSIONS] = "sessions",
	[QDA_RES_BUFFERS] = "buffers",
	[QDA_RES_BUFFER_BYTES] = "buffer_bytes",
	[QDA_RES_HANDLES] = "handles",
	[QDA_RES_MAPS] = "maps",
	[QDA_RES_CALLS] = "calls",
	[QDA_RES_INLINE_BYTES] = "inline_bytes",
	[QDA_RES_OUT_BYTES] = "out_bytes",
	[QDA_RES_FDS] = "fds",
};

const char *qda_resource_name(enum qda_resource resource)
{
	return names[resource];
}

static void give_back(struct qda_account *from, const struct qda_account *end,
		      enum qda_resource resource, uint64_t amount)
{
	for (struct qda_account *a = from; a != end; a = a->parent) {
		assert(a->used[resource] >= amount);
		a->used[resource] -= amount;
	}
}

int qda_charge_init(struct qda_charge *charge, struct qda_account *account,
		    enum qda_resource resource, uint64_t amount, struct qda_fail *fail)
{
	*charge = QDA_CHARGE_NULL;
	for (struct qda_account *a = account; a; a = a->parent) {
		uint64_t used = a->used[resource], limit = a->limit[resource];

		/* A lowered limit may be below what is in use already. */
		if (used > limit || amount > limit - used) {
			give_back(account, a, resource, amount);
			return qda_fail_quota(fail, names[resource], a->scope, limit, used, amount);
		}
		a->used[resource] = used + amount;
	}
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
