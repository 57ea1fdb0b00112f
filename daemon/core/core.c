/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The core: users, deadlines, start and end.
 */
#include "core/core.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/client.h"
#include "core/domain.h"

static int user_cmp(const struct qda_user *a, const struct qda_user *b)
{
	return (a->uid > b->uid) - (a->uid < b->uid);
}

RB_GENERATE_STATIC(qda_users, qda_user, node, user_cmp)

int qda_core_new(const struct qda_core_config *config, struct qda_core **out)
{
	struct qda_core *core = calloc(1, sizeof(*core));

	if (!core)
		return -ENOMEM;
	core->config = *config;
	core->total = (struct qda_account){ .scope = "total", .limit = core->config.total_limits };
	RB_INIT(&core->users);
	RB_INIT(&core->deadlines);
	TAILQ_INIT(&core->domains);
	TAILQ_INIT(&core->clients);
	if (qda_call_pools_init(&core->pools) < 0) {
		free(core);
		return -ENOMEM;
	}
	core->started_ns = qda_core_now(core);
	*out = core;
	return 0;
}

struct qda_core *qda_core_free(struct qda_core *core)
{
	if (!core)
		return NULL;
	assert(TAILQ_EMPTY(&core->clients));
	assert(TAILQ_EMPTY(&core->domains));
	assert(RB_EMPTY(&core->users));
	assert(RB_EMPTY(&core->deadlines));
	assert(!core->pending.n_used);
	for (unsigned i = 0; i < QDA_RES_N; i++)
		assert(!core->total.used[i]);
	qda_call_pools_deinit(&core->pools);
	qda_slots_deinit(&core->pending);
	free(core);
	return NULL;
}

struct qda_domain *qda_core_find_domain(struct qda_core *core, const char *name)
{
	struct qda_domain *domain;

	if (!*name)
		return TAILQ_FIRST(&core->domains);
	TAILQ_FOREACH (domain, &core->domains, link)
		if (!strcmp(domain->name, name))
			return domain;
	return NULL;
}

int qda_user_ref(struct qda_core *core, uid_t uid, struct qda_user **out)
{
	struct qda_user key = { .uid = uid }, *user = RB_FIND(qda_users, &core->users, &key);

	if (!user) {
		user = calloc(1, sizeof(*user));
		if (!user)
			return -ENOMEM;
		user->core = core;
		user->uid = uid;
		user->account = (struct qda_account){
			.scope = "uid",
			.parent = &core->total,
			.limit = core->config.uid_limits,
		};
		RB_INSERT(qda_users, &core->users, user);
	}
	user->refs++;
	*out = user;
	return 0;
}

void qda_user_unref(struct qda_user *user)
{
	if (--user->refs)
		return;
	for (unsigned i = 0; i < QDA_RES_N; i++)
		assert(!user->account.used[i]);
	RB_REMOVE(qda_users, &user->core->users, user);
	free(user);
}

void qda_core_drain(struct qda_core *core)
{
	core->draining = true;
}

bool qda_core_idle(const struct qda_core *core)
{
	struct qda_client *client;

	TAILQ_FOREACH (client, &core->clients, link)
		if (!TAILQ_EMPTY(&client->calls))
			return false;
	return true;
}

uint64_t qda_core_next_deadline(const struct qda_core *core)
{
	const struct qda_deadline *first =
		qda_deadline_first((struct qda_deadlines *)&core->deadlines);

	return first ? first->at_ns : 0;
}

uint64_t qda_core_expire(struct qda_core *core)
{
	qda_deadlines_expire(&core->deadlines, qda_core_now(core));
	return qda_core_next_deadline(core);
}
