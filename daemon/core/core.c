/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The core: users, deadlines, start and end.
 */
#include "core/core.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/call_internal.h"
#include "core/client.h"
#include "core/domain.h"
#include "util/container.h"

static int user_cmp(const struct qda_user *a, const struct qda_user *b)
{
	if (a->uid != b->uid)
		return a->uid < b->uid ? -1 : 1;
	return strcmp(a->rule, b->rule);
}

RB_GENERATE_STATIC(qda_users, qda_user, node, user_cmp)

int qda_core_new(const struct qda_core_config *config, struct qda_rules *rules,
		 struct qda_core **out)
{
	struct qda_core *core = calloc(1, sizeof(*core));

	if (!core)
		return -ENOMEM;
	core->config = *config;
	core->rules = rules;
	memcpy(core->total_limits, rules->total_limits, sizeof(core->total_limits));
	core->total = (struct qda_account){
		.scope = "total",
		.limit = core->total_limits,
		.shared = !config->user_mode,
	};
	RB_INIT(&core->users);
	RB_INIT(&core->deadlines.tree);
	TAILQ_INIT(&core->domains);
	TAILQ_INIT(&core->clients);
	TAILQ_INIT(&core->watchers);
	if (qda_call_pools_init(&core->pools) < 0) {
		free(core);
		return -ENOMEM;
	}
	core->started_ns = qda_core_now(core);
	*out = core;
	return 0;
}

struct qda_domain *qda_core_find_domain(const struct qda_core *core, const char *name)
{
	struct qda_domain *domain;

	if (!*name)
		return TAILQ_FIRST(&core->domains);
	TAILQ_FOREACH (domain, &core->domains, link)
		if (!strcmp(domain->name, name))
			return domain;
	return NULL;
}

void qda_user_weigh(struct qda_user *user, uint32_t weight)
{
	struct qda_domain *domain;

	user->weight = weight;
	TAILQ_FOREACH (domain, &user->core->domains, link)
		qda_schedule_reweigh(domain, user);
}

static void set_limits(struct qda_user *user, const struct qda_quota_rule *rule)
{
	memcpy(user->limits, rule->limits, sizeof(user->limits));
	qda_user_weigh(user, rule->weight);
	user->requests = rule->requests;
	user->burst = rule->burst;
	user->account.by_hand = 0;
}

static void take(struct qda_user *user)
{
	qda_deadline_disarm(&user->core->deadlines, &user->recovered);
	user->refs++;
}

int qda_user_ref(struct qda_core *core, const struct qda_principal *principal,
		 struct qda_user **out)
{
	const struct qda_quota_rule *rule = qda_rules_quota(core->rules, principal);
	struct qda_user key = { .uid = principal->uid }, *user;

	memcpy(key.rule, rule->name, sizeof(key.rule));
	user = RB_FIND(qda_users, &core->users, &key);

	if (!user) {
		user = calloc(1, sizeof(*user));
		if (!user)
			return -ENOMEM;
		user->core = core;
		user->uid = principal->uid;
		memcpy(user->rule, rule->name, sizeof(user->rule));
		set_limits(user, rule);
		qda_rate_init(&user->rate, user->burst, qda_core_now(core));
		user->account = (struct qda_account){
			.scope = "uid",
			.rule = user->rule,
			.parent = &core->total,
			.limit = user->limits,
		};
		RB_INSERT(qda_users, &core->users, user);
	}
	take(user);
	*out = user;
	return 0;
}

struct qda_user *qda_user_first(struct qda_core *core, uid_t uid)
{
	struct qda_user key = { .uid = uid };

	return RB_NFIND(qda_users, &core->users, &key);
}

struct qda_user *qda_user_next(struct qda_user *user)
{
	return RB_NEXT(qda_users, &user->core->users, user);
}

void qda_user_keep(struct qda_user *user)
{
	if (!user->kept)
		take(user);
	user->kept = true;
}

const struct qda_user *qda_user_after(const struct qda_core *core, uid_t uid, const char *rule)
{
	struct qda_users *users = (struct qda_users *)&core->users;
	struct qda_user key = { .uid = uid }, *user;

	if (!rule)
		return RB_MIN(qda_users, users);
	snprintf(key.rule, sizeof(key.rule), "%s", rule);
	user = RB_NFIND(qda_users, users, &key);
	return user && user_cmp(user, &key) == 0 ? RB_NEXT(qda_users, users, user) : user;
}

static void forget(struct qda_user *user)
{
	qda_deadline_disarm(&user->core->deadlines, &user->recovered);
	RB_REMOVE(qda_users, &user->core->users, user);
	free(user);
}

static void on_recovered(struct qda_deadline *deadline)
{
	forget(container_of(deadline, struct qda_user, recovered));
}

/* Who comes back at once must not find a full burst again. */
void qda_user_unref(struct qda_user *user)
{
	struct qda_core *core = user->core;
	uint64_t now = qda_core_now(core), rest;

	if (--user->refs)
		return;
	for (unsigned i = 0; i < QDA_RES_N; i++)
		assert(!user->account.used[i]);
	rest = qda_rate_rest_ns(&user->rate, user->requests, user->burst, now);
	if (rest)
		qda_deadline_arm(&core->deadlines, &user->recovered, now + rest, on_recovered);
	else
		forget(user);
}

static const struct qda_quota_rule *find_rule(const struct qda_rules *rules, const char *name)
{
	for (unsigned i = 0; i < rules->n_quotas; i++)
		if (!strcmp(rules->quotas[i].name, name))
			return &rules->quotas[i];
	return &rules->fallback;
}

static void let_go(struct qda_user *user)
{
	bool kept = user->kept;

	user->kept = false;
	if (kept)
		qda_user_unref(user);
}

void qda_core_apply(struct qda_core *core, struct qda_rules *rules)
{
	struct qda_client *client;
	struct qda_user *user, *next;

	qda_rules_free(core->rules);
	core->rules = rules;
	memcpy(core->total_limits, rules->total_limits, sizeof(core->total_limits));
	core->total.by_hand = 0;
	RB_FOREACH_SAFE (user, qda_users, &core->users, next) {
		set_limits(user, find_rule(rules, user->rule));
		let_go(user);
	}
	TAILQ_FOREACH (client, &core->clients, link) {
		memcpy(client->limits, rules->connection_limits, sizeof(client->limits));
		client->account.by_hand = 0;
	}
}

struct qda_core *qda_core_free(struct qda_core *core)
{
	struct qda_user *user, *next;

	if (!core)
		return NULL;
	RB_FOREACH_SAFE (user, qda_users, &core->users, next)
		let_go(user);
	RB_FOREACH_SAFE (user, qda_users, &core->users, next)
		if (!user->refs)
			forget(user);
	assert(TAILQ_EMPTY(&core->clients));
	assert(TAILQ_EMPTY(&core->domains));
	assert(RB_EMPTY(&core->users));
	assert(RB_EMPTY(&core->deadlines.tree));
	assert(!core->pending.n_used);
	for (unsigned i = 0; i < QDA_RES_N; i++)
		assert(!core->total.used[i]);
	qda_call_pools_deinit(&core->pools);
	qda_rules_free(core->rules);
	qda_slots_deinit(&core->pending);
	free(core);
	return NULL;
}

void qda_core_drain(struct qda_core *core)
{
	struct qda_domain *domain;
	struct qda_fail fail;

	core->draining = true;
	qda_fail(&fail, ESHUTDOWN, "the daemon is stopping: try again after its restart");
	TAILQ_FOREACH (domain, &core->domains, link)
		qda_waiting_end(domain, &fail);
}

bool qda_core_idle(const struct qda_core *core)
{
	struct qda_client *client;

	TAILQ_FOREACH (client, &core->clients, link)
		if (client->calls_now > client->parked_now)
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
