/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Administration.
 */
#include "core/admin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/domain.h"
#include "core/monitor.h"
#include "core/session.h"

/* One's own needs no right. Whoever has none is told the same of what is others' and of what is not
 * there (no victim): numbers that exist are not to be found by trying. */
static int check_kill(struct qda_client *by, const struct qda_client *victim, const char *what,
		      uint64_t number, struct qda_fail *fail)
{
	uid_t uid = by->principal.uid;
	struct qda_fail why;

	if (victim && uid == victim->principal.uid && uid != QDA_ID_UNMAPPED)
		return 0;
	if (qda_client_check_admin(by, QDA_ADMIN_KILL, &why) == 0)
		return 0;
	return qda_fail(fail, EACCES, "%s %" PRIu64 " is none of yours; %.400s", what, number,
			why.text);
}

static void tell_kill(const struct qda_client *by, struct qda_happening *happening)
{
	char text[64];

	snprintf(text, sizeof(text), "by client %" PRIu64 " (uid %u)", by->id, by->principal.uid);
	happening->what = "kill";
	happening->text = text;
	if (qda_monitored(by->core))
		qda_monitor(by->core, happening);
	happening->text = NULL; /* it ends here */
}

int qda_admin_kill_client(struct qda_client *by, uint64_t id, struct qda_fail *fail)
{
	struct qda_client *client;
	int r;

	TAILQ_FOREACH (client, &by->core->clients, link)
		if (client->id == id)
			break;
	r = check_kill(by, client, "client", id, fail);
	if (r < 0)
		return r;
	if (!client)
		return qda_fail(fail, ENOENT,
				"there is no client %" PRIu64 ": qdactl list shows those there are",
				id);
	tell_kill(by, &(struct qda_happening){ .client = client });
	client->ops->end(client->front);
	return 0;
}

static struct qda_session *find_session(const struct qda_core *core, uint64_t number)
{
	struct qda_client *client;
	struct qda_session *session;

	TAILQ_FOREACH (client, &core->clients, link)
		TAILQ_FOREACH (session, &client->sessions, link)
			if (session->number == number)
				return session;
	return NULL;
}

int qda_admin_kill_session(struct qda_client *by, uint64_t number, struct qda_fail *fail)
{
	struct qda_session *session = find_session(by->core, number);
	char text[96];
	int r;

	r = check_kill(by, session ? session->client : NULL, "session", number, fail);
	if (r < 0)
		return r;
	if (!session)
		return qda_fail(fail, ENOENT,
				"there is no session %" PRIu64 ": qdactl list shows those there are",
				number);
	if (session->state != QDA_SESSION_OPEN)
		return qda_fail(fail, EBUSY, "session %" PRIu64 " is %s: there is nothing to end",
				number, qda_session_state_name(session->state));
	tell_kill(by, &(struct qda_happening){ .client = session->client,
					       .session = number,
					       .domain = session->domain->name });
	snprintf(text, sizeof(text), "ended by the administrator (uid %u)", by->principal.uid);
	qda_session_lost(session, &(struct qda_device_lost){ .text = text });
	return 0;
}

static bool find_wish(const char *action, struct qda_question *question)
{
	static const struct { const char *name; enum qda_wish wish; } wishes[] = {
		{ "use", QDA_WISH_USE },	 { "session", QDA_WISH_SESSION },
		{ "dirs", QDA_WISH_DIRS },	 { "urgent", QDA_WISH_URGENT },
		{ "parked", QDA_WISH_PARKED },	 { "module", QDA_WISH_MODULE },
	};

	for (unsigned i = 0; i < sizeof(wishes) / sizeof(*wishes); i++) {
		question->wish = wishes[i].wish;
		if (!strcmp(wishes[i].name, action))
			return true;
	}
	question->wish = QDA_WISH_ADMIN;
	for (unsigned i = 0; i < QDA_ADMIN_N; i++) {
		question->admin = i;
		if (!strcmp(qda_admin_name(i), action))
			return true;
	}
	return false;
}

int qda_question_parse(const struct qda_core *core, const char *action, const char *domain,
		       const char *module, enum qda_session_kind kind,
		       struct qda_question *question, struct qda_fail *fail)
{
	const struct qda_domain *first = TAILQ_FIRST(&core->domains);

	*question = (struct qda_question){ .domain = domain, .module = module, .kind = kind };
	if (!*domain)
		question->domain = first ? first->name : "";
	else if (!qda_core_find_domain(core, domain))
		return qda_fail(fail, ENODEV,
				"there is no domain \"%s\": qdactl list shows those there are",
				domain);
	if (!find_wish(action, question))
		return qda_fail(fail, EINVAL,
				"there is no action \"%s\": use, session, dirs, urgent, parked, module, "
				"status, reload, quota, kill",
				action);
	if (question->wish == QDA_WISH_MODULE && !*module)
		return qda_fail(fail, EINVAL, "the action module wants the URI of one (--module URI)");
	return 0;
}

int qda_admin_check_ask(const struct qda_client *by, uid_t uid, struct qda_fail *fail)
{
	if (qda_client_may_see(by, uid))
		return 0;
	return qda_client_check_admin(by, QDA_ADMIN_STATUS, fail);
}
