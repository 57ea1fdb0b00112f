/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules: matching, and the first that decides.
 */
#include "core/rules.h"

#include <stdlib.h>
#include <string.h>

#include "core/client.h"
#include "core/uri.h"

static const char *const admin_names[QDA_ADMIN_N] = {
	[QDA_ADMIN_STATUS] = "status",
	[QDA_ADMIN_RELOAD] = "reload",
	[QDA_ADMIN_QUOTA] = "quota",
	[QDA_ADMIN_KILL] = "kill",
};

static const char *const kind_names[QDA_SESSION_KINDS] = {
	[QDA_SESSION_UNSIGNED] = "unsigned",
	[QDA_SESSION_PRIVILEGED] = "privileged",
};

const char *qda_admin_name(enum qda_admin admin)
{
	return admin_names[admin];
}

const char *qda_session_kind_name(enum qda_session_kind kind)
{
	return kind_names[kind];
}

struct qda_rules *qda_rules_new(void)
{
	struct qda_rules *rules = calloc(1, sizeof(*rules));

	if (!rules)
		return NULL;
	strcpy(rules->fallback.name, "default");
	rules->fallback.weight = QDA_WEIGHT_USUAL;
	rules->fallback.requests = QDA_REQUESTS_USUAL;
	rules->fallback.burst = QDA_BURST_USUAL;
	rules->session_in_flight = 32;
	rules->client_in_flight = 64;
	return rules;
}

struct qda_rules *qda_rules_free(struct qda_rules *rules)
{
	if (!rules)
		return NULL;
	free(rules->quotas);
	free(rules->policy);
	free(rules);
	return NULL;
}

static bool in_group(const struct qda_principal *principal, gid_t gid)
{
	if (principal->gid == gid)
		return true;
	for (unsigned i = 0; i < principal->n_groups; i++)
		if (principal->groups[i] == gid)
			return true;
	return false;
}

bool qda_who_matches(const struct qda_who *who, const struct qda_principal *principal)
{
	return (!who->has_uid || who->uid == principal->uid) &&
	       (!who->has_gid || in_group(principal, who->gid)) &&
	       (!*who->unit || !strcmp(who->unit, principal->unit));
}

const struct qda_quota_rule *qda_rules_quota(const struct qda_rules *rules,
					     const struct qda_principal *principal)
{
	for (unsigned i = 0; i < rules->n_quotas; i++)
		if (qda_who_matches(&rules->quotas[i].who, principal))
			return &rules->quotas[i];
	return &rules->fallback;
}

static bool refuses_all(const struct qda_policy_rule *rule)
{
	return !rule->allow && !rule->admin && !*rule->domain && !rule->kinds && !*rule->module;
}

static bool matches_module(const struct qda_policy_rule *rule, const char *uri)
{
	struct qda_module_name name;

	if (!*rule->module)
		return true;
	if (!qda_module_name_read(uri, &name))
		return !rule->allow;
	return qda_module_name_matches(&name, rule->module);
}

static bool is_about_session(const struct qda_policy_rule *rule, const struct qda_question *q)
{
	if (rule->admin || (*rule->domain && strcmp(rule->domain, q->domain) != 0) ||
	    (rule->kinds && !(rule->kinds & 1u << q->kind)))
		return false;
	if (q->wish == QDA_WISH_MODULE)
		return matches_module(rule, q->module);
	if (!rule->allow)
		return !*rule->module;
	return (q->wish != QDA_WISH_DIRS || rule->dirs) &&
	       (q->wish != QDA_WISH_URGENT || rule->urgent) &&
	       (q->wish != QDA_WISH_PARKED || rule->parked);
}

static bool is_about(const struct qda_policy_rule *rule, const struct qda_question *q)
{
	if (q->wish == QDA_WISH_USE)
		return rule->allow || refuses_all(rule);
	if (q->wish == QDA_WISH_ADMIN)
		return rule->admin & 1u << q->admin || refuses_all(rule);
	return is_about_session(rule, q);
}

const struct qda_policy_rule *qda_rules_decide(const struct qda_rules *rules, uid_t daemon_uid,
					       const struct qda_principal *principal,
					       const struct qda_question *question)
{
	static const struct qda_policy_rule built_in = { .name = "built-in", .allow = true };

	if (principal->uid == 0 || principal->uid == daemon_uid)
		return &built_in;
	for (unsigned i = 0; i < rules->n_policy; i++)
		if (qda_who_matches(&rules->policy[i].who, principal) &&
		    is_about(&rules->policy[i], question))
			return &rules->policy[i];
	return NULL;
}
