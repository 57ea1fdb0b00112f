/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Drafts of rules. What goes together is checked with each key, so that a contradiction is reported
 * where it is written; what must be there, at the end.
 */
#include "config_rules.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/uri.h"

#define WHO_KEYS    "user, group, unit"
#define POLICY_KEYS WHO_KEYS ", domain, kind, module, dirs, urgent, parked, admin, allow"

struct policy_draft {
	struct qda_policy_rule rule;
	bool has_allow;
	char where[256]; /* its first key */
};

struct quota_draft {
	struct qda_quota_rule rule;
	bool has_limit[QDA_RES_N], has_requests, has_burst;
};

struct qda_drafts {
	unsigned n_policy, n_quotas;
	struct policy_draft policy[QDA_RULES_MAX];
	struct quota_draft quotas[QDA_RULES_MAX];
};

int qda_drafts_new(struct qda_drafts **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

struct qda_drafts *qda_drafts_free(struct qda_drafts *drafts)
{
	free(drafts);
	return NULL;
}

/* --- parts of both --- */

static bool check_name(const struct qda_place *at, const char *name)
{
	if (!*name || strlen(name) > QDA_RULE_NAME_MAX || name[strspn(name, QDA_NAME_BYTES)])
		return qda_complain(at, "the rule's name must have 1 to %u characters: letters, "
					"digits, - and _",
				    QDA_RULE_NAME_MAX);
	return strcmp(name, "built-in") != 0 || qda_complain(at, "a rule cannot be called built-in");
}

/* Of units that processes run in. */
static bool take_unit(const struct qda_place *at, char *to)
{
	const char *point = strrchr(at->value, '.');

	if (at->config->user_mode)
		return qda_complain(at, "unit= is about units of the system: qdad --user serves "
					"one user");
	if (strlen(at->value) >= QDA_UNIT_MAX)
		return qda_complain(at, "a unit's name has at most %u characters", QDA_UNIT_MAX - 1);
	if (!point || point == at->value || strchr(at->value, '/') ||
	    (strcmp(point, ".service") != 0 && strcmp(point, ".scope") != 0))
		return qda_complain(at, "a unit of the system is wanted: NAME.service or NAME.scope");
	strcpy(to, at->value);
	return true;
}

/* 1: it was none of these keys. */
static int take_who(const struct qda_place *at, struct qda_who *who)
{
	bool good;

	if (!strcmp(at->key, "user"))
		good = who->has_uid = qda_take_user(at, &who->uid);
	else if (!strcmp(at->key, "group"))
		good = who->has_gid = qda_take_group(at, &who->gid);
	else if (!strcmp(at->key, "unit"))
		good = take_unit(at, who->unit);
	else
		return 1;
	return good ? 0 : -EINVAL;
}

/* --- policy --- */

static struct policy_draft *get_policy(const struct qda_place *at, const char *name)
{
	struct qda_drafts *drafts = at->config->drafts;
	struct policy_draft *draft;

	for (unsigned i = 0; i < drafts->n_policy; i++)
		if (!strcmp(drafts->policy[i].rule.name, name))
			return &drafts->policy[i];
	if (!check_name(at, name))
		return NULL;
	if (drafts->n_policy == QDA_RULES_MAX) {
		qda_complain(at, "more than %u rules of policy", QDA_RULES_MAX);
		return NULL;
	}
	draft = &drafts->policy[drafts->n_policy++];
	strcpy(draft->rule.name, name);
	snprintf(draft->where, sizeof(draft->where), "%.200s:%u", at->path, at->line);
	return draft;
}

static bool take_domain(const struct qda_place *at, char *to, size_t size)
{
	if (!*at->value || strlen(at->value) >= size || at->value[strspn(at->value, QDA_NAME_BYTES)])
		return qda_complain(at, "the name of a domain is wanted");
	strcpy(to, at->value);
	return true;
}

static bool take_module(const struct qda_place *at, char *to)
{
	const char *fault = qda_module_pattern_fault(at->value);

	if (!fault && strlen(at->value) >= QDA_MODULE_PATTERN_MAX)
		return qda_complain(at, "a pattern of modules has at most %u characters",
				    QDA_MODULE_PATTERN_MAX - 1);
	if (fault)
		return qda_complain(at, "%s", fault);
	strcpy(to, at->value);
	return true;
}

static bool take_kinds(const struct qda_place *at, unsigned *kinds)
{
	const char *names[QDA_SESSION_KINDS];

	for (unsigned i = 0; i < QDA_SESSION_KINDS; i++)
		names[i] = qda_session_kind_name(i);
	return qda_take_names(at, names, QDA_SESSION_KINDS, NULL, kinds);
}

static bool take_admin(const struct qda_place *at, unsigned *rights)
{
	const char *names[QDA_ADMIN_N];

	for (unsigned i = 0; i < QDA_ADMIN_N; i++)
		names[i] = qda_admin_name(i);
	return qda_take_names(at, names, QDA_ADMIN_N, "all", rights);
}

static bool take_policy_key(const struct qda_place *at, struct policy_draft *draft)
{
	struct qda_policy_rule *rule = &draft->rule;
	int r = take_who(at, &rule->who);

	if (r <= 0)
		return r == 0;
	if (!strcmp(at->key, "domain"))
		return take_domain(at, rule->domain, sizeof(rule->domain));
	if (!strcmp(at->key, "kind"))
		return take_kinds(at, &rule->kinds);
	if (!strcmp(at->key, "module"))
		return take_module(at, rule->module);
	if (!strcmp(at->key, "dirs"))
		return qda_take_yes(at, &rule->dirs);
	if (!strcmp(at->key, "urgent"))
		return qda_take_yes(at, &rule->urgent);
	if (!strcmp(at->key, "parked"))
		return qda_take_yes(at, &rule->parked);
	if (!strcmp(at->key, "admin"))
		return take_admin(at, &rule->admin);
	if (!strcmp(at->key, "allow"))
		return draft->has_allow = qda_take_yes(at, &rule->allow);
	return qda_complain(at, "no such key in [policy]: " POLICY_KEYS);
}

/* NULL: its keys go together, as far as they are there. */
static const char *find_contradiction(const struct policy_draft *draft)
{
	const struct qda_policy_rule *rule = &draft->rule;
	bool refuses = draft->has_allow && !rule->allow;

	if (rule->admin && (*rule->domain || rule->kinds || *rule->module || rule->dirs ||
			    rule->urgent || rule->parked))
		return "admin= is about no session: it goes with " WHO_KEYS " and allow only";
	if (refuses && rule->dirs)
		return "allow=no refuses module directories already: dirs=yes goes with allow=yes";
	if (refuses && rule->urgent)
		return "allow=no refuses urgent calls already: urgent=yes goes with allow=yes";
	if (refuses && rule->parked)
		return "allow=no refuses parked calls already: parked=yes goes with allow=yes";
	if (*rule->module && rule->dirs)
		return "who brings directories says what is in them: module= restricts nothing "
		       "with dirs=yes";
	if (refuses && rule->who.has_uid && (rule->who.uid == 0 || rule->who.uid == getuid()))
		return "root, and the user whom qdad runs as, may do everything: no rule can refuse "
		       "them";
	return NULL;
}

bool qda_take_policy(const struct qda_place *at, const char *name)
{
	struct policy_draft *draft = get_policy(at, name);
	const char *contradiction;

	if (!draft || !take_policy_key(at, draft))
		return false;
	contradiction = find_contradiction(draft);
	return !contradiction || qda_complain(at, "in [policy %s]: %s", name, contradiction);
}

/* --- quotas --- */

static struct quota_draft *get_quota(const struct qda_place *at, const char *name)
{
	struct qda_drafts *drafts = at->config->drafts;
	struct quota_draft *draft;

	for (unsigned i = 0; i < drafts->n_quotas; i++)
		if (!strcmp(drafts->quotas[i].rule.name, name))
			return &drafts->quotas[i];
	if (!check_name(at, name))
		return NULL;
	if (drafts->n_quotas == QDA_RULES_MAX) {
		qda_complain(at, "more than %u rules of quota", QDA_RULES_MAX);
		return NULL;
	}
	draft = &drafts->quotas[drafts->n_quotas++];
	strcpy(draft->rule.name, name);
	return draft;
}

static bool take_rate(const struct qda_place *at, uint64_t *to)
{
	uint32_t n;

	if (!qda_take_u32(at, 0, 1000000000, &n))
		return false;
	*to = n;
	return true;
}

static bool take_quota_key(const struct qda_place *at, struct quota_draft *draft)
{
	struct qda_quota_rule *rule = &draft->rule;

	if (!strcmp(at->key, "weight"))
		return qda_take_u32(at, 1, QDA_WEIGHT_MAX, &rule->weight);
	if (!strcmp(at->key, "requests"))
		return draft->has_requests = take_rate(at, &rule->requests);
	if (!strcmp(at->key, "burst"))
		return draft->has_burst = take_rate(at, &rule->burst);
	for (unsigned i = 0; i < QDA_RES_N; i++)
		if (!strcmp(at->key, qda_resource_name(i)))
			return draft->has_limit[i] = qda_take_amount(at, &rule->limits[i]);
	return qda_complain(at, "no such key in [quota]: " WHO_KEYS ", weight, requests, burst, "
				"connections, sessions, buffers, buffer_bytes, handles, maps, "
				"calls, parked, inline_bytes, out_bytes, fds");
}

/* For whom no other matches. */
static bool take_default(const struct qda_place *at)
{
	struct quota_draft draft = { .rule = at->config->rules->fallback };

	if (!strcmp(at->key, "user") || !strcmp(at->key, "group") || !strcmp(at->key, "unit"))
		return qda_complain(at, "[quota default] is for everybody else: make another [quota "
					"NAME] for some");
	if (!take_quota_key(at, &draft))
		return false;
	at->config->rules->fallback = draft.rule;
	return true;
}

bool qda_take_quota(const struct qda_place *at, const char *name)
{
	struct quota_draft *draft;
	int r;

	if (!strcmp(name, "default"))
		return take_default(at);
	draft = get_quota(at, name);
	if (!draft)
		return false;
	r = take_who(at, &draft->rule.who);
	return r > 0 ? take_quota_key(at, draft) : r == 0;
}

/* --- the end --- */

static int by_policy_name(const void *a, const void *b)
{
	const struct qda_policy_rule *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int by_quota_name(const void *a, const void *b)
{
	const struct qda_quota_rule *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static bool is_domain(const struct qda_config *config, const char *name)
{
	for (unsigned i = 0; i < config->n_domains; i++)
		if (!strcmp(config->domains[i].name, name))
			return true;
	return false;
}

static int check_policy(struct qda_config *config, const struct policy_draft *draft)
{
	const struct qda_policy_rule *rule = &draft->rule;

	if (!draft->has_allow)
		snprintf(config->error, sizeof(config->error),
			 "%s: [policy %s] must say allow=yes or allow=no", draft->where,
			 rule->name);
	else if (*rule->domain && config->n_domains && !is_domain(config, rule->domain))
		snprintf(config->error, sizeof(config->error),
			 "%s: [policy %s] is about domain=%s: there is no [domain %s]",
			 draft->where, rule->name, rule->domain, rule->domain);
	else
		return 0;
	return -EINVAL;
}

/* Without any rule: members of group qda, if there is one, may use unprivileged sessions. */
static void default_policy(const struct qda_config *config, struct qda_policy_rule *rule)
{
	const struct group *group = config->user_mode ? NULL : getgrnam("qda");

	if (!group)
		return;
	*rule = (struct qda_policy_rule){
		.name = "default",
		.who = { .has_gid = true, .gid = group->gr_gid },
		.kinds = 1u << QDA_SESSION_UNSIGNED,
		.allow = true,
	};
	config->rules->n_policy = 1;
}

static int finish_policy(struct qda_config *config)
{
	const struct qda_drafts *drafts = config->drafts;
	struct qda_rules *rules = config->rules;
	int r;

	rules->policy = calloc(drafts->n_policy + 1, sizeof(*rules->policy));
	if (!rules->policy)
		return -ENOMEM;
	for (unsigned i = 0; i < drafts->n_policy; i++) {
		r = check_policy(config, &drafts->policy[i]);
		if (r < 0)
			return r;
		rules->policy[rules->n_policy++] = drafts->policy[i].rule;
	}
	if (!drafts->n_policy)
		default_policy(config, rules->policy);
	qsort(rules->policy, rules->n_policy, sizeof(*rules->policy), by_policy_name);
	return 0;
}

/* What a rule does not say is said by [quota default]. */
static struct qda_quota_rule complete(const struct quota_draft *draft,
				      const struct qda_quota_rule *fallback)
{
	struct qda_quota_rule rule = draft->rule;

	for (unsigned i = 0; i < QDA_RES_N; i++)
		if (!draft->has_limit[i])
			rule.limits[i] = fallback->limits[i];
	if (!rule.weight)
		rule.weight = fallback->weight;
	if (!draft->has_requests)
		rule.requests = fallback->requests;
	if (!draft->has_burst)
		rule.burst = fallback->burst;
	return rule;
}

static int finish_quotas(struct qda_config *config)
{
	const struct qda_drafts *drafts = config->drafts;
	struct qda_rules *rules = config->rules;

	rules->quotas = calloc(drafts->n_quotas + 1, sizeof(*rules->quotas));
	if (!rules->quotas)
		return -ENOMEM;
	for (unsigned i = 0; i < drafts->n_quotas; i++)
		rules->quotas[rules->n_quotas++] = complete(&drafts->quotas[i], &rules->fallback);
	qsort(rules->quotas, rules->n_quotas, sizeof(*rules->quotas), by_quota_name);
	return 0;
}

int qda_drafts_finish(struct qda_config *config)
{
	int r = finish_policy(config);

	if (r == 0)
		r = finish_quotas(config);
	config->drafts = qda_drafts_free(config->drafts);
	return r;
}
