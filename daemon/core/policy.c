/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the rules answer to a client, in words: who asked, for what, which rule decided, and what
 * can be done about it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/client.h"
#include "core/domain.h"

/* "uid 1000 in camera.service". */
static void say_who(const struct qda_principal *who, char *text, size_t size)
{
	int n;

	if (who->uid == QDA_ID_UNMAPPED)
		n = snprintf(text, size, "a uid that is unmapped here");
	else
		n = snprintf(text, size, "uid %u", who->uid);
	if (*who->unit)
		snprintf(text + n, size - n, " in %.64s", who->unit);
}

static void say_what(const struct qda_question *q, char *text, size_t size)
{
	const char *kind = qda_session_kind_name(q->kind);

	switch (q->wish) {
	case QDA_WISH_USE:
		snprintf(text, size, "use the DSP");
		break;
	case QDA_WISH_SESSION:
		snprintf(text, size, "open %s sessions on %s", kind, q->domain);
		break;
	case QDA_WISH_DIRS:
		snprintf(text, size, "bring module directories to %s sessions on %s", kind,
			 q->domain);
		break;
	case QDA_WISH_URGENT:
		snprintf(text, size, "make urgent calls on %s", q->domain);
		break;
	case QDA_WISH_PARKED:
		snprintf(text, size, "make parked calls on %s", q->domain);
		break;
	case QDA_WISH_MODULE:
		snprintf(text, size, "load %.128s on %s", q->module, q->domain);
		break;
	case QDA_WISH_ADMIN:
		snprintf(text, size, "do what administrators do (%s)", qda_admin_name(q->admin));
		break;
	}
}

/* The key that a rule must have to allow it. */
static void say_key(const struct qda_question *q, char *text, size_t size)
{
	switch (q->wish) {
	case QDA_WISH_USE:
		snprintf(text, size, "usually: to be made a member of group qda");
		break;
	case QDA_WISH_SESSION:
		snprintf(text, size, "a [policy] rule with kind=%s", qda_session_kind_name(q->kind));
		break;
	case QDA_WISH_DIRS:
		snprintf(text, size, "to install the module, or for a [policy] rule with dirs=yes");
		break;
	case QDA_WISH_URGENT:
		snprintf(text, size, "a [policy] rule with urgent=yes");
		break;
	case QDA_WISH_PARKED:
		snprintf(text, size, "a [policy] rule with parked=yes");
		break;
	case QDA_WISH_MODULE:
		snprintf(text, size, "a [policy] rule whose module= matches it");
		break;
	case QDA_WISH_ADMIN:
		snprintf(text, size, "a [policy] rule with admin=%s", qda_admin_name(q->admin));
		break;
	}
}

static int refuse(const struct qda_client *client, const struct qda_question *question,
		  const struct qda_policy_rule *rule, struct qda_fail *fail)
{
	char who[128], what[256], key[96];

	say_who(&client->principal, who, sizeof(who));
	say_what(question, what, sizeof(what));
	say_key(question, key, sizeof(key));
	if (rule)
		return qda_fail(fail, EACCES,
				"%s may not %s: rule %s of the policy refuses it; ask the "
				"administrator to change it",
				who, what, rule->name);
	return qda_fail(fail, EACCES,
			"%s may not %s: no rule of the policy allows it; ask the administrator (%s)",
			who, what, key);
}

static bool is_granted(const struct qda_client *client, const struct qda_question *q)
{
	if (q->wish == QDA_WISH_ADMIN)
		return client->granted & 1u << q->admin;
	return (q->wish == QDA_WISH_SESSION || q->wish == QDA_WISH_MODULE) &&
	       q->kind == QDA_SESSION_PRIVILEGED && q->granted;
}

int qda_client_check(const struct qda_client *client, const struct qda_question *question,
		     struct qda_fail *fail)
{
	const struct qda_core *core = client->core;
	const struct qda_policy_rule *rule = qda_rules_decide(
		core->rules, core->config.daemon_uid, &client->principal, question);

	if ((rule && rule->allow) || is_granted(client, question))
		return 0;
	return refuse(client, question, rule, fail);
}

int qda_client_check_access(const struct qda_client *client, struct qda_fail *fail)
{
	const struct qda_core_config *config = &client->core->config;
	const struct qda_question question = { .wish = QDA_WISH_USE };
	int r = qda_client_check(client, &question, fail);

	if (r < 0 && config->user_mode)
		return qda_fail(fail, EACCES,
				"uid %u: this broker serves only uid %u, who started it",
				client->principal.uid, config->daemon_uid);
	return r;
}

int qda_client_check_admin(const struct qda_client *client, enum qda_admin admin,
			   struct qda_fail *fail)
{
	const struct qda_question question = { .wish = QDA_WISH_ADMIN, .admin = admin };

	return qda_client_check(client, &question, fail);
}

bool qda_client_may_bring_dirs(const struct qda_client *client)
{
	const struct qda_core *core = client->core;
	const struct qda_policy_rule *rule;
	const struct qda_domain *domain;

	TAILQ_FOREACH (domain, &core->domains, link) {
		const struct qda_question question = {
			.wish = QDA_WISH_DIRS,
			.domain = domain->name,
			.kind = QDA_SESSION_UNSIGNED,
		};

		rule = qda_rules_decide(core->rules, core->config.daemon_uid, &client->principal,
					&question);
		if (rule && rule->allow && domain->info.client_dirs)
			return true;
	}
	return false;
}

/* Different users are all one here when they are unmapped: nobody's rows are theirs. */
bool qda_client_may_see(const struct qda_client *client, uid_t uid)
{
	const struct qda_core *core = client->core;
	const struct qda_question question = { .wish = QDA_WISH_ADMIN, .admin = QDA_ADMIN_STATUS };
	const struct qda_policy_rule *rule;

	if (client->principal.uid == uid && uid != QDA_ID_UNMAPPED)
		return true;
	rule = qda_rules_decide(core->rules, core->config.daemon_uid, &client->principal,
				&question);
	return rule && rule->allow;
}
