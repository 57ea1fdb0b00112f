/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests of administrators: translated to core's words, and its answers back.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/admin.h"
#include "core/limits.h"
#include "core/monitor.h"
#include "front/request.h"

static void tell(const struct qda_request *r, const char *what, const char *text)
{
	struct qda_core *core = r->conn->front->core;

	if (qda_monitored(core))
		qda_monitor(core, &(struct qda_happening){ .what = what,
							   .client = r->conn->client,
							   .text = text });
}

int qda_handle_reload(const struct qda_request *r, struct qda_fail *fail)
{
	const struct qda_front_config *config = &r->conn->front->config;
	struct qda_msg_reply reply = { .type = QDA_TYPE_RELOAD };
	int e = qda_client_check_admin(r->conn->client, QDA_ADMIN_RELOAD, fail);

	if (e < 0)
		return e;
	if (!config->reload)
		return qda_fail(fail, EOPNOTSUPP, "this daemon has no configuration to read again");
	e = config->reload(config->owner, r->conn->client, fail);
	if (e < 0)
		return e;
	reply.reload.text = fail->text;
	qda_request_answer(r, &reply, -1);
	return 0;
}

/* --- quotas --- */

/* A page of rows, while the reply is encoded. The cursor is a kind of row and where it goes on:
 * users by their place in the list, connections by id. */
struct page {
	struct qda_msg_quota_row rows[QDA_QUOTA_ROWS_MAX];
	struct qda_msg_quota_entry entries[QDA_QUOTA_ROWS_MAX][QDA_RES_N];
	uint32_t n;
	uint64_t next;
};

#define CURSOR(scope, at) ((uint64_t)(scope) << 56 | (at))

static struct qda_msg_quota_row *add_row(struct page *page, const struct qda_account *account)
{
	struct qda_msg_quota_row *row = &page->rows[page->n];
	struct qda_msg_quota_entry *entries = page->entries[page->n++];

	for (unsigned i = 0; i < QDA_RES_N; i++)
		entries[i] = (struct qda_msg_quota_entry){
			.resource = qda_resource_name(i),
			.limit = account->limit[i],
			.used = account->used[i],
			.peak = account->peak[i],
			.refused = account->refused[i],
		};
	*row = (struct qda_msg_quota_row){ .n_entries = QDA_RES_N, .entries = entries };
	return row;
}

/* False: the page is full. */
static bool add_users(const struct qda_conn *conn, uint64_t from, struct page *page)
{
	const struct qda_core *core = conn->front->core;
	const struct qda_user *user = qda_user_after(core, 0, NULL);
	uint64_t at = 0;

	for (; user; user = qda_user_after(core, user->uid, user->rule)) {
		struct qda_msg_quota_row *row;

		if (at++ < from || !qda_client_may_see(conn->client, user->uid))
			continue;
		if (page->n == QDA_QUOTA_ROWS_MAX) {
			page->next = CURSOR(QDA_QUOTA_UID, at - 1);
			return false;
		}
		row = add_row(page, &user->account);
		row->scope = QDA_QUOTA_UID;
		row->uid = user->uid;
		row->rule = user->rule;
		row->weight = user->weight;
		row->requests = user->requests;
		row->burst = user->burst;
	}
	return true;
}

static void add_clients(const struct qda_conn *conn, uint64_t after, struct page *page)
{
	const struct qda_client *client;
	uint64_t last = after;

	TAILQ_FOREACH (client, &conn->front->core->clients, link) {
		struct qda_msg_quota_row *row;

		if (client->id <= after ||
		    !qda_client_may_see(conn->client, client->principal.uid))
			continue;
		if (page->n == QDA_QUOTA_ROWS_MAX) {
			page->next = CURSOR(QDA_QUOTA_CONNECTION, last);
			return;
		}
		row = add_row(page, &client->account);
		row->scope = QDA_QUOTA_CONNECTION;
		row->uid = client->principal.uid;
		row->client = last = client->id;
		row->name = client->name;
		row->rule = client->user->rule;
	}
}

int qda_handle_quota_get(const struct qda_request *r, struct qda_fail *fail)
{
	uint64_t cursor = r->msg->quota_get.cursor, at = cursor & (CURSOR(1, 0) - 1);
	struct qda_msg_reply reply = { .type = QDA_TYPE_QUOTA_GET };
	struct page page = { .n = 0 };
	bool more = true;

	if (cursor == 0)
		add_row(&page, &r->conn->front->core->total);
	if (cursor >> 56 <= QDA_QUOTA_UID)
		more = add_users(r->conn, cursor >> 56 == QDA_QUOTA_UID ? at : 0, &page);
	if (more)
		add_clients(r->conn, cursor >> 56 == QDA_QUOTA_CONNECTION ? at : 0, &page);
	reply.quota_get.n = page.n;
	reply.quota_get.rows = page.rows;
	reply.quota_get.next = page.next;
	qda_request_answer(r, &reply, -1);
	return 0;
}

static int set_quota(struct qda_core *core, const struct qda_msg_request *msg,
		     struct qda_fail *fail)
{
	switch ((enum qda_quota_scope)msg->quota_set.scope) {
	case QDA_QUOTA_TOTAL:
		return qda_quota_set_total(core, msg->quota_set.resource, msg->quota_set.limit,
					   fail);
	case QDA_QUOTA_UID:
		return qda_quota_set_uid(core, msg->quota_set.uid, msg->quota_set.rule,
					 msg->quota_set.resource, msg->quota_set.limit, fail);
	case QDA_QUOTA_CONNECTION:
		return qda_quota_set_client(core, msg->quota_set.client, msg->quota_set.resource,
					    msg->quota_set.limit, fail);
	}
	return qda_fail(fail, EINVAL, "there is no such kind of quota");
}

static void tell_quota(const struct qda_request *r)
{
	const struct qda_msg_request *msg = r->msg;
	char whose[32] = "all together", text[128];

	if (msg->quota_set.scope == QDA_QUOTA_UID)
		snprintf(whose, sizeof(whose), "uid %" PRIu32, msg->quota_set.uid);
	else if (msg->quota_set.scope == QDA_QUOTA_CONNECTION)
		snprintf(whose, sizeof(whose), "client %" PRIu64, msg->quota_set.client);
	snprintf(text, sizeof(text), "%s: %s=%" PRIu64, whose, msg->quota_set.resource,
		 msg->quota_set.limit);
	tell(r, "quota-set", text);
}

int qda_handle_quota_set(const struct qda_request *r, struct qda_fail *fail)
{
	int e = qda_client_check_admin(r->conn->client, QDA_ADMIN_QUOTA, fail);

	if (e == 0)
		e = set_quota(r->conn->front->core, r->msg, fail);
	if (e == 0)
		tell_quota(r);
	return qda_request_answer_done(r, e);
}

/* --- clients, policy --- */

/* The answer goes first: who ends itself does not hear it else. */
int qda_handle_kill(const struct qda_request *r, struct qda_fail *fail)
{
	struct qda_client *by = r->conn->client;
	uint64_t id = r->msg->kill.id;
	int e;

	if (r->msg->kill.kind == QDA_KILL_CLIENT && id == by->id)
		return qda_fail(fail, EINVAL, "client %" PRIu64 " is this connection: just close it",
				id);
	e = r->msg->kill.kind == QDA_KILL_CLIENT ? qda_admin_kill_client(by, id, fail)
						 : qda_admin_kill_session(by, id, fail);
	return qda_request_answer_done(r, e);
}

int qda_handle_policy_check(const struct qda_request *r, struct qda_fail *fail)
{
	const struct qda_core *core = r->conn->front->core;
	const struct qda_msg_request *msg = r->msg;
	struct qda_msg_reply reply = { .type = QDA_TYPE_POLICY_CHECK };
	struct qda_principal who = {
		.uid = msg->policy_check.uid,
		.gid = msg->policy_check.gid,
		.groups = (gid_t *)msg->policy_check.groups,
		.n_groups = msg->policy_check.n_groups,
	};
	const struct qda_policy_rule *rule;
	struct qda_question question;
	int e = qda_admin_check_ask(r->conn->client, who.uid, fail);

	if (e == 0)
		e = qda_question_parse(core, msg->policy_check.action, msg->policy_check.domain,
				       msg->policy_check.module, msg->policy_check.kind, &question,
				       fail);
	if (e < 0)
		return e;
	snprintf(who.unit, sizeof(who.unit), "%s", msg->policy_check.unit);
	rule = qda_rules_decide(core->rules, core->config.daemon_uid, &who, &question);
	reply.policy_check.allow = rule && rule->allow;
	reply.policy_check.rule = rule ? rule->name : "";
	qda_request_answer(r, &reply, -1);
	return 0;
}
