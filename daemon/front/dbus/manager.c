/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The methods of the Manager: what is asked of the daemon as a whole, and what administrators do.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codec.h"
#include "core/admin.h"
#include "core/domain.h"
#include "core/limits.h"
#include "core/monitor.h"
#include "core/session.h"
#include "front/conn.h"
#include "front/dbus/internal.h"
#include "front/metrics.h"

#define QUOTA_ROWS 16u /* in a page */
#define WORD_MAX   64u /* bytes of a name that SetQuota takes */

/* A reply that is being put together: sd-bus remembers the first failure, and then nothing is sent
 * but an error. */
static int send_reply(const struct qda_dbus_request *r, sd_bus_message *reply, int e,
		      struct qda_fail *fail)
{
	if (e >= 0)
		e = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return e < 0 ? qda_fail(fail, ENOMEM, "the reply cannot be sent: %s", qda_strerror(e)) : 0;
}

static void tell(const struct qda_dbus_request *r, const char *what, const char *text)
{
	struct qda_core *core = r->dbus->front->core;

	if (qda_monitored(core))
		qda_monitor(core, &(struct qda_happening){ .what = what,
							   .client = r->peer->client,
							   .text = text });
}

/* --- for everybody --- */

static int append_domain(sd_bus_message *reply, const struct qda_domain *domain)
{
	char *path;
	int e = sd_bus_path_encode(QDA_DBUS_PATH "/domain", domain->name, &path);

	if (e < 0)
		return e;
	e = sd_bus_message_append(reply, "(soss)", domain->name, path,
				  qda_domain_state_name(domain->state),
				  domain->info.kind ? domain->info.kind : "");
	free(path);
	return e;
}

static int list_domains(struct qda_dbus_request *r, struct qda_fail *fail)
{
	const struct qda_domain *domain;
	sd_bus_message *reply = NULL;
	int e = sd_bus_message_new_method_return(r->message, &reply);

	if (e >= 0)
		e = sd_bus_message_open_container(reply, 'a', "(soss)");
	TAILQ_FOREACH (domain, &r->dbus->front->core->domains, link)
		if (e >= 0)
			e = append_domain(reply, domain);
	if (e >= 0)
		e = sd_bus_message_close_container(reply);
	return send_reply(r, reply, e, fail);
}

/* --- sessions and channels --- */

static int read_kind(const char *kind, enum qda_session_kind *out, struct qda_fail *fail)
{
	for (unsigned i = 0; i < QDA_SESSION_KINDS; i++) {
		*out = i;
		if (!strcmp(kind, qda_session_kind_name(i)))
			return 0;
	}
	return qda_fail(fail, EINVAL, "kind \"%.32s\": unsigned or privileged", kind);
}

/* Of OpenSession. */
struct options {
	struct qda_session_request *request;
	bool logs;
};

static int read_option(sd_bus_message *m, const char *name, void *to)
{
	struct options *options = to;
	int r, yes;

	if (!strcmp(name, "wait_ms"))
		return sd_bus_message_read(m, "v", "u", &options->request->wait_ms);
	if (!strcmp(name, "hang_ms"))
		return sd_bus_message_read(m, "v", "u", &options->request->hang_ms);
	if (strcmp(name, "log") != 0)
		return -EINVAL;
	r = sd_bus_message_read(m, "v", "b", &yes);
	options->logs = r >= 0 && yes;
	return r;
}

static int open_session(struct qda_dbus_request *r, struct qda_fail *fail)
{
	struct qda_session_request request = { 0 };
	struct options options = { &request, false };
	struct qda_dbus_answer *answer;
	struct qda_reply_to to;
	const char *kind;
	int e;

	if (sd_bus_message_read(r->message, "ss", &request.domain, &kind) < 0)
		return qda_dbus_bad_message(fail);
	e = read_kind(kind, &request.kind, fail);
	if (e == 0)
		e = qda_dbus_read_options(r->message, "wait_ms (u), hang_ms (u), log (b)",
					  read_option, &options, fail);
	if (e < 0)
		return e;
	if (request.kind == QDA_SESSION_PRIVILEGED)
		r->grant = QDA_GRANT_PRIVILEGED;
	answer = qda_dbus_answer_new(r, false, 0, fail);
	if (!answer)
		return -ENOMEM;
	to = qda_dbus_reply_to(answer, 0);
	e = qda_session_open(r->peer->client, &request, &to, fail);
	if (e == 0 && options.logs)
		r->peer->logs = true;
	return qda_dbus_started(answer, e);
}

static int answer_session(struct qda_dbus_answer *answer, const struct qda_outcome *outcome)
{
	const struct qda_session *session =
		qda_dbus_session_by_handle(answer->peer->client, outcome->id);
	char path[QDA_DBUS_PATH_MAX];

	qda_dbus_session_path(session, path);
	qda_dbus_session_added(answer->peer, session);
	return sd_bus_reply_method_return(answer->message, "o", path);
}

/* The socket front's end of a new pair; its client is the bus name's principal once more. */
static int give_channel(struct qda_dbus_request *r, int fd, struct qda_fail *fail)
{
	struct qda_principal who = r->peer->client->principal;
	size_t size = who.n_groups * sizeof(*who.groups);
	int e;

	who.groups = size ? malloc(size) : NULL;
	if (size && !who.groups) {
		close(fd);
		return qda_fail(fail, ENOMEM, "the daemon is out of memory for a connection");
	}
	if (size)
		memcpy(who.groups, r->peer->client->principal.groups, size);
	e = qda_conn_new(r->dbus->front, fd, &who, -1, fail);
	if (e < 0)
		free(who.groups);
	return e;
}

static int open_channel(struct qda_dbus_request *r, struct qda_fail *fail)
{
	int fds[2], e;

	if (r->dbus->front->core->draining)
		return qda_fail(fail, ESHUTDOWN,
				"the daemon is stopping: try again after its restart");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return qda_fail(fail, ENOMEM, "the kernel has no socket: %s", qda_strerror(-errno));
	e = give_channel(r, fds[0], fail);
	if (e == 0)
		sd_bus_reply_method_return(r->message, "h", fds[1]);
	close(fds[1]);
	return e;
}

/* --- administration --- */

static int reload(struct qda_dbus_request *r, struct qda_fail *fail)
{
	const struct qda_front_config *config = &r->dbus->front->config;
	char text[sizeof(fail->text)];
	int e = qda_client_check_admin(r->peer->client, QDA_ADMIN_RELOAD, fail);

	if (e < 0)
		return e;
	if (!config->reload)
		return qda_fail(fail, EOPNOTSUPP, "this daemon has no configuration to read again");
	e = config->reload(config->owner, r->peer->client, fail);
	if (e == -EACCES || e == -EPERM)
		fail->code = EINVAL; /* of a file, not of the caller */
	if (e < 0)
		return -fail->code;
	sd_bus_reply_method_return(r->message, "s", qda_dbus_clean(fail->text, text, sizeof(text)));
	return 0;
}

static int append_entries(sd_bus_message *reply, const struct qda_account *account)
{
	int e = sd_bus_message_open_container(reply, 'a', "(stttt)");

	for (unsigned i = 0; e >= 0 && i < QDA_RES_N; i++)
		e = sd_bus_message_append(reply, "(stttt)", qda_resource_name(i), account->limit[i],
					  account->used[i], account->peak[i], account->refused[i]);
	return e < 0 ? e : sd_bus_message_close_container(reply);
}

/* A page: the rows behind the first `skip`. */
struct page {
	sd_bus_message *reply;
	uint64_t at, skip;
	unsigned n;
	int e;
};

/* user: of a uid's row; else NULL. */
static void add_row(struct page *page, const char *scope, uid_t uid, const char *rule,
		    uint64_t client, const struct qda_user *user, const struct qda_account *account)
{
	if (page->e < 0 || page->at++ < page->skip || page->n == QUOTA_ROWS)
		return;
	page->n++;
	page->e = sd_bus_message_open_container(page->reply, 'r', "sustutta(stttt)");
	if (page->e >= 0)
		page->e = sd_bus_message_append(page->reply, "sustutt", scope, uid, rule, client,
						user ? user->weight : 0, user ? user->requests : 0,
						user ? user->burst : 0);
	if (page->e >= 0)
		page->e = append_entries(page->reply, account);
	if (page->e >= 0)
		page->e = sd_bus_message_close_container(page->reply);
}

static void add_rows(const struct qda_dbus_request *r, struct page *page)
{
	const struct qda_core *core = r->dbus->front->core;
	const struct qda_user *user = qda_user_after(core, 0, NULL);
	const struct qda_client *client;

	add_row(page, "total", 0, "", 0, NULL, &core->total);
	for (; user; user = qda_user_after(core, user->uid, user->rule))
		if (qda_client_may_see(r->peer->client, user->uid))
			add_row(page, "uid", user->uid, user->rule, 0, user, &user->account);
	TAILQ_FOREACH (client, &core->clients, link)
		if (qda_client_may_see(r->peer->client, client->principal.uid))
			add_row(page, "connection", client->principal.uid, client->user->rule,
				client->id, NULL, &client->account);
}

static int get_quota(struct qda_dbus_request *r, struct qda_fail *fail)
{
	struct page page = { .n = 0 };

	if (sd_bus_message_read(r->message, "t", &page.skip) < 0)
		return qda_dbus_bad_message(fail);
	page.e = sd_bus_message_new_method_return(r->message, &page.reply);
	if (page.e >= 0)
		page.e = sd_bus_message_open_container(page.reply, 'a', "(sustutta(stttt))");
	add_rows(r, &page);
	if (page.e >= 0)
		page.e = sd_bus_message_close_container(page.reply);
	if (page.e >= 0)
		page.e = sd_bus_message_append(page.reply, "t",
					       page.n == QUOTA_ROWS && page.at > page.skip + page.n
						       ? page.skip + page.n
						       : 0);
	return send_reply(r, page.reply, page.e, fail);
}

static int change_quota(struct qda_core *core, const char *scope, uint64_t whose, const char *rule,
			const char *resource, uint64_t limit, struct qda_fail *fail)
{
	if (!strcmp(scope, "total"))
		return qda_quota_set_total(core, resource, limit, fail);
	if (!strcmp(scope, "connection"))
		return qda_quota_set_client(core, whose, resource, limit, fail);
	if (strcmp(scope, "uid") != 0 || whose > UINT_MAX)
		return qda_fail(fail, EINVAL,
				"scope \"%.32s\" of %" PRIu64 ": total, uid and a uid, or connection "
				"and the id of a client",
				scope, whose);
	return qda_quota_set_uid(core, (uid_t)whose, rule, resource, limit, fail);
}

/* Before polkit is asked: the message waits for its answer, which may take minutes. */
static int set_quota(struct qda_dbus_request *r, struct qda_fail *fail)
{
	const char *scope, *rule, *resource;
	uint64_t whose, limit;
	char text[160];
	int e;

	if (sd_bus_message_read(r->message, "stsst", &scope, &whose, &rule, &resource, &limit) < 0)
		return qda_dbus_bad_message(fail);
	if (strlen(scope) > WORD_MAX || strlen(rule) > WORD_MAX || strlen(resource) > WORD_MAX)
		return qda_fail(fail, EINVAL,
				"scope, rule and resource have at most %u bytes each", WORD_MAX);
	e = qda_client_check_admin(r->peer->client, QDA_ADMIN_QUOTA, fail);
	if (e < 0)
		return e;
	e = change_quota(r->dbus->front->core, scope, whose, rule, resource, limit, fail);
	if (e < 0)
		return e;
	snprintf(text, sizeof(text), "%.16s %" PRIu64 ": %.32s=%" PRIu64, scope, whose, resource,
		 limit);
	tell(r, "quota-set", text);
	return qda_dbus_answer_done(r);
}

static int kill_client(struct qda_dbus_request *r, struct qda_fail *fail)
{
	struct qda_client *by = r->peer->client;
	uint64_t id;
	int e;

	if (sd_bus_message_read(r->message, "t", &id) < 0)
		return qda_dbus_bad_message(fail);
	if (id == by->id)
		return qda_fail(fail, EINVAL, "client %" PRIu64 " is this one: just leave the bus",
				id);
	e = qda_admin_kill_client(by, id, fail);
	return e < 0 ? e : qda_dbus_answer_done(r);
}

static int kill_session(struct qda_dbus_request *r, struct qda_fail *fail)
{
	uint64_t number;
	int e;

	if (sd_bus_message_read(r->message, "t", &number) < 0)
		return qda_dbus_bad_message(fail);
	e = qda_admin_kill_session(r->peer->client, number, fail);
	return e < 0 ? e : qda_dbus_answer_done(r);
}

/* --- policy, metrics --- */

static int check_policy(struct qda_dbus_request *r, struct qda_fail *fail)
{
	const struct qda_core *core = r->dbus->front->core;
	const char *unit, *action, *domain, *kind, *module;
	enum qda_session_kind session_kind;
	const struct qda_policy_rule *rule;
	struct qda_principal who = { 0 };
	struct qda_question question;
	size_t size;
	int e;

	if (sd_bus_message_read(r->message, "uu", &who.uid, &who.gid) < 0 ||
	    sd_bus_message_read_array(r->message, 'u', (const void **)&who.groups, &size) < 0 ||
	    sd_bus_message_read(r->message, "sssss", &unit, &action, &domain, &kind, &module) < 0)
		return qda_dbus_bad_message(fail);
	who.n_groups = size / sizeof(*who.groups);
	if (who.n_groups > QDA_GROUPS_MAX || strlen(unit) >= sizeof(who.unit))
		return qda_fail(fail, EINVAL,
				"%u groups and a unit of %zu bytes: at most %u and %zu are allowed",
				who.n_groups, strlen(unit), QDA_GROUPS_MAX, sizeof(who.unit) - 1);
	if (strlen(module) > QDA_URI_MAX)
		return qda_fail(fail, EINVAL, "the URI has %zu bytes: at most %u are allowed",
				strlen(module), QDA_URI_MAX);
	strcpy(who.unit, unit);
	e = qda_admin_check_ask(r->peer->client, who.uid, fail);
	if (e == 0)
		e = read_kind(*kind ? kind : "unsigned", &session_kind, fail);
	if (e == 0)
		e = qda_question_parse(core, action, domain, module, session_kind, &question, fail);
	if (e < 0)
		return e;
	rule = qda_rules_decide(core->rules, core->config.daemon_uid, &who, &question);
	sd_bus_reply_method_return(r->message, "bs", rule && rule->allow, rule ? rule->name : "");
	return 0;
}

/* A piece at a time, as it is made: many users do not hold up the loop. */
static int get_metrics(struct qda_dbus_request *r, struct qda_fail *fail)
{
	struct qda_metrics_cursor *cursor = &r->peer->metrics;
	char *text = (char *)r->dbus->bytes;
	int begin, e = qda_client_check_admin(r->peer->client, QDA_ADMIN_STATUS, fail);
	size_t n;

	_Static_assert(QDA_METRICS_PIECE < QDA_DBUS_INLINE_MAX, "a piece and its end fit");
	if (e < 0)
		return e;
	if (sd_bus_message_read(r->message, "b", &begin) < 0)
		return qda_dbus_bad_message(fail);
	if (begin)
		*cursor = (struct qda_metrics_cursor){ 0 };
	n = qda_metrics_text(r->dbus->front->core, cursor, text);
	text[n] = '\0';
	sd_bus_reply_method_return(r->message, "sb", text, n != 0);
	return 0;
}

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
		       sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const struct qda_dbus *dbus = userdata;

	return sd_bus_message_append(reply, "s", dbus->front->config.version);
}

/* --- the table --- */

#define METHOD(name, ...)                                                                          \
	static int on_##name(sd_bus_message *message, void *userdata, sd_bus_error *error)         \
	{                                                                                          \
		static const struct qda_dbus_method method = { __VA_ARGS__ };                      \
		return qda_dbus_serve(userdata, message, &method);                                 \
	}

METHOD(list_domains, .run = list_domains)
METHOD(open_session, .run = open_session, .answer = answer_session, .needs_access = true)
METHOD(open_channel, .run = open_channel, .needs_access = true)
METHOD(reload, .run = reload, .grant = 1u << QDA_ADMIN_RELOAD)
METHOD(get_quota, .run = get_quota)
METHOD(set_quota, .run = set_quota, .grant = 1u << QDA_ADMIN_QUOTA)
METHOD(kill_client, .run = kill_client, .grant = 1u << QDA_ADMIN_KILL)
METHOD(kill_session, .run = kill_session, .grant = 1u << QDA_ADMIN_KILL)
METHOD(check_policy, .run = check_policy)
METHOD(get_metrics, .run = get_metrics)

#define FREE SD_BUS_VTABLE_UNPRIVILEGED

const sd_bus_vtable qda_dbus_manager_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_METHOD_WITH_ARGS("ListDomains", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(soss)", domains),
				on_list_domains, FREE),
	SD_BUS_METHOD_WITH_ARGS("OpenSession",
				SD_BUS_ARGS("s", domain, "s", kind, "a{sv}", options),
				SD_BUS_RESULT("o", session), on_open_session, FREE),
	SD_BUS_METHOD_WITH_ARGS("OpenChannel", SD_BUS_NO_ARGS, SD_BUS_RESULT("h", channel),
				on_open_channel, FREE),
	SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", text), on_reload, FREE),
	SD_BUS_METHOD_WITH_ARGS("GetQuota", SD_BUS_ARGS("t", skip),
				SD_BUS_RESULT("a(sustutta(stttt))", rows, "t", next), on_get_quota,
				FREE),
	SD_BUS_METHOD_WITH_ARGS("SetQuota",
				SD_BUS_ARGS("s", scope, "t", whose, "s", rule, "s", resource, "t",
					    limit),
				SD_BUS_NO_RESULT, on_set_quota, FREE),
	SD_BUS_METHOD_WITH_ARGS("KillClient", SD_BUS_ARGS("t", client), SD_BUS_NO_RESULT,
				on_kill_client, FREE),
	SD_BUS_METHOD_WITH_ARGS("KillSession", SD_BUS_ARGS("t", number), SD_BUS_NO_RESULT,
				on_kill_session, FREE),
	SD_BUS_METHOD_WITH_ARGS("CheckPolicy",
				SD_BUS_ARGS("u", uid, "u", gid, "au", groups, "s", unit, "s", action,
					    "s", domain, "s", kind, "s", module),
				SD_BUS_RESULT("b", allowed, "s", rule), on_check_policy, FREE),
	SD_BUS_METHOD_WITH_ARGS("GetMetrics", SD_BUS_ARGS("b", begin),
				SD_BUS_RESULT("s", text, "b", more), on_get_metrics, FREE),
	SD_BUS_VTABLE_END,
};
