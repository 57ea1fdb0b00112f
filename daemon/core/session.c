/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sessions: open, close, loss. Key maps are in map.c.
 */
#include "core/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "core/call_internal.h"
#include "core/module.h"
#include "core/monitor.h"
#include "core/waiting.h"
#include "core/watch.h"

static const char *const state_names[] = {
	[QDA_SESSION_WAITING] = "waiting",
	[QDA_SESSION_OPENING] = "opening",
	[QDA_SESSION_OPEN] = "open",
	[QDA_SESSION_CLOSING] = "closing",
	[QDA_SESSION_LOST] = "lost",
};

const char *qda_session_state_name(enum qda_session_state state)
{
	return state_names[state];
}

struct qda_session *qda_session_ref(struct qda_session *session)
{
	session->refs++;
	return session;
}

/* Staging goes with the device session; what is left here is the object. */
void qda_session_unref(struct qda_session *session)
{
	if (--session->refs)
		return;
	qda_schedule_leave(session);
	qda_charge_deinit(&session->fd);
	qda_charge_deinit(&session->bytes);
	qda_charge_deinit(&session->count);
	qda_client_unref(session->client);
	free(session);
}

static void tell(const struct qda_session *session, const char *what, const char *text)
{
	struct qda_core *core = session->client->core;

	if (qda_monitored(core))
		qda_monitor(core, &(struct qda_happening){ .what = what,
							   .client = session->client,
							   .session = session->number,
							   .domain = session->domain->name,
							   .text = text });
}

static int charge(struct qda_session *session, struct qda_fail *fail)
{
	struct qda_account *account = &session->client->account;
	int r = qda_charge_init(&session->count, account, QDA_RES_SESSIONS, 1, fail);

	if (r < 0)
		return r;
	r = qda_charge_init(&session->bytes, account, QDA_RES_BUFFER_BYTES, QDA_STAGING_BYTES,
			    fail);
	if (r < 0)
		return r;
	return qda_charge_init(&session->fd, account, QDA_RES_FDS, QDA_SESSION_FDS, fail);
}

static void init_lists(struct qda_session *session)
{
	for (int level = 0; level < QDA_LEVELS; level++)
		TAILQ_INIT(&session->queue[level]);
	TAILQ_INIT(&session->parked_queue);
	TAILQ_INIT(&session->running);
	TAILQ_INIT(&session->parked_running);
	TAILQ_INIT(&session->doomed);
	TAILQ_INIT(&session->modules);
	TAILQ_INIT(&session->maps);
}

static int new_session(struct qda_client *client, struct qda_domain *domain,
		       struct qda_session **out, struct qda_fail *fail)
{
	struct qda_session *session = calloc(1, sizeof(*session));
	int r;

	if (!session)
		return qda_fail(fail, ENOMEM, "the daemon is out of memory for a session");
	session->client = qda_client_ref(client);
	session->domain = domain;
	session->refs = 1;
	session->since_ns = qda_core_now(client->core);
	init_lists(session);
	qda_runs_init(&session->runs, QDA_STAGING_PAGES);
	r = charge(session, fail);
	if (r == 0 && qda_schedule_join(session) < 0)
		r = qda_fail(fail, ENOMEM, "the daemon is out of memory for a session");
	if (r < 0) {
		qda_session_unref(session);
		return r;
	}
	*out = session;
	return 0;
}

static void drop_staging(struct qda_session *session)
{
	if (session->staging)
		session->domain->device->ops->buffer_release(session->staging);
	session->staging = NULL;
	session->staging_view = NULL;
}

static int make_staging(struct qda_session *session)
{
	struct qda_device *device = session->domain->device;
	int r = device->ops->buffer_create(device, QDA_STAGING_BYTES, &session->staging);

	if (r < 0)
		return r;
	session->staging_view = device->ops->buffer_view(session->staging);
	return session->staging_view ? 0 : -ENOMEM;
}

static void remove_cookies(struct qda_session *session)
{
	struct qda_slots *pending = &session->client->core->pending;

	qda_slots_remove(pending, session->cookie);
	qda_slots_remove(pending, session->open_cookie);
	qda_slots_remove(pending, session->close_cookie);
	session->cookie = session->open_cookie = session->close_cookie = 0;
}

/* All that a session may ever need a cookie for, so that closing cannot fail. */
static int add_cookies(struct qda_session *session)
{
	struct qda_slots *pending = &session->client->core->pending;
	int r = qda_slots_add(pending, session, QDA_PENDING_SESSION, 0, &session->cookie);

	if (r == 0)
		r = qda_slots_add(pending, session, QDA_PENDING_OPEN, 0, &session->open_cookie);
	if (r == 0)
		r = qda_slots_add(pending, session, QDA_PENDING_CLOSE, 0, &session->close_cookie);
	return r;
}

static int short_of_memory(int err, struct qda_fail *fail)
{
	return qda_fail(fail, -err, "the daemon is short of memory for a session: %s",
			qda_strerror(err));
}

static int open_device(struct qda_session *session, const int *dir_fds, unsigned n_dirs)
{
	struct qda_device *device = session->domain->device;
	struct qda_device_open open = {
		.session_cookie = session->cookie,
		.dir_fds = dir_fds,
		.n_dirs = n_dirs,
		.privileged = session->kind == QDA_SESSION_PRIVILEGED,
	};
	char name[32];

	snprintf(name, sizeof(name), "qda-%" PRIu64, session->number);
	open.name = name;
	return device->ops->session_open(device, &open, session->open_cookie, &session->device);
}

static int try_start(struct qda_session *session, const int *dir_fds, unsigned n_dirs,
		     struct qda_fail *fail)
{
	const struct qda_domain *domain = session->domain;
	int r;

	if (!qda_waiting_has_bank(session))
		return qda_waiting_explain(session, fail);
	r = make_staging(session);
	if (r == 0)
		r = add_cookies(session);
	if (r < 0)
		return short_of_memory(r, fail);
	r = open_device(session, dir_fds, n_dirs);
	if (r == -EUSERS)
		return qda_waiting_explain(session, fail);
	if (r < 0)
		return qda_fail(fail, -r, "domain %s could not open a session: %s", domain->name,
				qda_strerror(r));
	return 0;
}

int qda_session_start(struct qda_session *session, const int *dir_fds, unsigned n_dirs,
		      struct qda_fail *fail)
{
	int r = try_start(session, dir_fds, n_dirs, fail);

	if (r < 0) {
		remove_cookies(session);
		drop_staging(session);
		return r;
	}
	session->state = QDA_SESSION_OPENING;
	session->client->core->n_sessions++;
	session->share->share->banks++;
	session->domain->sessions++;
	return 0;
}

static int start_or_wait(struct qda_session *session, const struct qda_session_request *request,
			 struct qda_fail *fail)
{
	int r;

	qda_waiting_serve(session->domain);
	r = qda_waiting_is_next(session)
		    ? qda_session_start(session, request->dir_fds, request->n_dirs, fail)
		    : qda_waiting_explain(session, fail);
	return r == -EUSERS && request->wait_ms ? qda_waiting_add(session, request, fail) : r;
}

int qda_session_check_policy(const struct qda_client *client, const struct qda_domain *domain,
			     enum qda_session_kind kind, unsigned n_dirs, bool granted,
			     struct qda_fail *fail)
{
	struct qda_question question = {
		.wish = QDA_WISH_SESSION,
		.domain = domain->name,
		.kind = kind,
		.granted = granted,
	};
	int r = qda_client_check(client, &question, fail);

	question.wish = QDA_WISH_DIRS;
	if (r == 0 && n_dirs)
		r = qda_client_check(client, &question, fail);
	return r;
}

/* What the policy says, then what the domain can do. */
static int check_request(const struct qda_client *client, const struct qda_domain *domain,
			 const struct qda_session_request *request, struct qda_fail *fail)
{
	int r = qda_session_check_policy(client, domain, request->kind, request->n_dirs,
					 client->granted & QDA_GRANT_PRIVILEGED, fail);

	if (r < 0)
		return r;
	if (request->kind == QDA_SESSION_UNSIGNED && !domain->info.unsigned_pd)
		return qda_fail(fail, EOPNOTSUPP,
				"the firmware of domain %s has no unsigned sessions, only "
				"privileged ones",
				domain->name);
	if (request->n_dirs && !domain->info.client_dirs)
		return qda_fail(fail, EOPNOTSUPP,
				"domain %s takes no module directories of programs; ask the "
				"administrator to install the module",
				domain->name);
	return 0;
}

int qda_session_open(struct qda_client *client, const struct qda_session_request *request,
		     const struct qda_reply_to *to, struct qda_fail *fail)
{
	struct qda_domain *domain;
	struct qda_session *session = NULL;
	int r;

	if (client->core->draining)
		return qda_fail(fail, ESHUTDOWN,
				"the daemon is stopping: try again after its restart");
	domain = qda_domain_get_up(client->core, request->domain, fail);
	if (!domain)
		return -fail->code;
	r = check_request(client, domain, request, fail);
	if (r == 0)
		r = new_session(client, domain, &session, fail);
	if (r < 0)
		return r;
	session->kind = request->kind;
	session->granted = client->granted & QDA_GRANT_PRIVILEGED;
	session->number = ++client->core->next_id;
	session->hang_ms = request->hang_ms;
	r = start_or_wait(session, request, fail);
	if (r < 0) {
		qda_session_unref(session);
		return r;
	}
	session->open_to = *to;
	TAILQ_INSERT_TAIL(&client->sessions, session, link);
	client->n_sessions++;
	return 0;
}

/* No client names it any more. */
static void unlink_session(struct qda_session *session)
{
	struct qda_client *client = session->client;

	TAILQ_REMOVE(&client->sessions, session, link);
	client->n_sessions--;
	qda_slots_remove(&client->handles, session->handle);
	session->handle = 0;
}

/* The device's side is gone: so is the memory it saw. */
static void device_gone(struct qda_session *session)
{
	qda_watch_ended(session);
	remove_cookies(session);
	drop_staging(session);
	qda_charge_deinit(&session->fd);
	qda_charge_deinit(&session->bytes);
	session->device = NULL;
	session->client->core->n_sessions--;
	session->share->share->banks--;
	session->domain->sessions--;
}

void qda_session_give_up(struct qda_session *session, const struct qda_fail *fail)
{
	unlink_session(session);
	qda_reply_fail(session->client, &session->open_to, fail);
	qda_session_unref(session);
}

static void drop_calls(struct qda_session *session, const struct qda_fail *fail)
{
	struct qda_call *call;

	while ((call = TAILQ_FIRST(&session->doomed)))
		qda_call_drop(call, fail);
	while ((call = TAILQ_FIRST(&session->parked_queue)))
		qda_call_drop(call, fail);
	for (int level = QDA_LEVELS - 1; level >= 0; level--)
		while ((call = TAILQ_FIRST(&session->queue[level])))
			qda_call_drop(call, fail);
}

static void drop_modules(struct qda_session *session)
{
	struct qda_module *module;

	while ((module = TAILQ_FIRST(&session->modules)))
		qda_module_free(module);
}

/* Have the device end the PD. Its completion comes to qda_session_closed(). */
static void close_device(struct qda_session *session)
{
	qda_watch_closing(session);
	session->domain->device->ops->session_close(session->device, session->close_cookie);
}

static void begin_close(struct qda_session *session)
{
	struct qda_fail fail;

	qda_fail(&fail, ECANCELED, "the session was closed");
	drop_modules(session);
	session->state = QDA_SESSION_CLOSING;
	drop_calls(session, &fail);
	qda_schedule_update(session);
	close_device(session);
}

static void report_open(struct qda_session *session, const struct qda_device_done *done)
{
	struct qda_fail fail;

	if (done->err == -EACCES && session->kind == QDA_SESSION_PRIVILEGED)
		qda_fail(&fail, EACCES,
			 "domain %s: the driver gives privileged sessions to whom has "
			 "CAP_SYS_ADMIN, and the daemon has not; ask the administrator "
			 "(privileged.conf of qdad's examples gives it)",
			 session->domain->name);
	else
		qda_fail(&fail, -done->err, "domain %s could not start a protection domain: %s%s",
			 session->domain->name, qda_strerror(done->err),
			 done->err == -EREMOTEIO ? " (the DSP refused)" : "");
	if (done->err == -EREMOTEIO)
		fail.aee = done->result;
	qda_reply_fail(session->client, &session->open_to, &fail);
}

void qda_session_opened(struct qda_session *session, const struct qda_device_done *done)
{
	struct qda_client *client = session->client;
	struct qda_domain *domain = session->domain;
	struct qda_fail fail;

	qda_slots_remove(&client->core->pending, session->open_cookie);
	session->open_cookie = 0;
	if (done->err) {
		report_open(session, done);
		device_gone(session);
		if (session->state == QDA_SESSION_OPENING)
			unlink_session(session);
		qda_session_unref(session);
		qda_waiting_serve(domain);
		return;
	}
	if (session->state == QDA_SESSION_CLOSING) { /* the client went meanwhile */
		close_device(session);
		return;
	}
	if (qda_client_add_handle(client, session, QDA_HANDLE_SESSION, &session->handle, &fail) <
	    0) {
		qda_reply_fail(client, &session->open_to, &fail);
		unlink_session(session);
		begin_close(session);
		return;
	}
	session->state = QDA_SESSION_OPEN;
	tell(session, "session-open", NULL);
	qda_reply(client, &session->open_to, &(struct qda_outcome){ .id = session->handle });
}

/* Give up the client's side; the object stays until the device has let go. */
static void release(struct qda_session *session)
{
	unlink_session(session);
	switch (session->state) {
	case QDA_SESSION_WAITING:
		qda_waiting_remove(session);
		qda_session_unref(session);
		break;
	case QDA_SESSION_OPENING:
		session->state = QDA_SESSION_CLOSING; /* closed when it has opened */
		qda_watch_closing(session);
		break;
	case QDA_SESSION_OPEN:
		begin_close(session);
		break;
	case QDA_SESSION_LOST:
		drop_modules(session);
		if (session->device)
			session->state = QDA_SESSION_CLOSING;
		else
			qda_session_unref(session);
		break;
	case QDA_SESSION_CLOSING:
		break;
	}
}

void qda_session_abandon(struct qda_session *session)
{
	release(session);
}

int qda_session_close(struct qda_client *client, uint64_t handle, const struct qda_reply_to *to,
		      struct qda_fail *fail)
{
	struct qda_session *session = qda_slots_get(&client->handles, handle, QDA_HANDLE_SESSION);

	if (!session)
		return qda_fail(fail, ENOENT, "no session %#" PRIx64 " on this connection", handle);
	session->close_to = *to;
	if (session->state == QDA_SESSION_LOST)
		qda_reply(client, &session->close_to, &(struct qda_outcome){ 0 });
	release(session);
	return 0;
}

void qda_session_closed(struct qda_session *session)
{
	struct qda_domain *domain = session->domain;

	tell(session, "session-closed", NULL);
	qda_session_drop_maps(session);
	device_gone(session);
	if (session->state != QDA_SESSION_LOST) { /* else the client still names it */
		qda_reply(session->client, &session->close_to, &(struct qda_outcome){ 0 });
		qda_session_unref(session);
	}
	qda_waiting_serve(domain);
}

static void count_lost(struct qda_stats *stats, bool hung)
{
	stats->lost += !hung;
	stats->hung += hung;
}

void qda_session_lost(struct qda_session *session, const struct qda_device_lost *lost)
{
	struct qda_client *client = session->client;
	struct qda_fail fail;

	if (session->state != QDA_SESSION_OPEN)
		return; /* being closed anyway */
	session->state = QDA_SESSION_LOST;
	count_lost(&session->domain->stats, lost->hung);
	count_lost(&client->user->stats, lost->hung);
	session->lost_signal = lost->signal;
	snprintf(session->lost_text, sizeof(session->lost_text), "%s", lost->text);
	qda_session_check_open(session, &fail);
	tell(session, lost->hung ? "session-hung" : "session-lost", session->lost_text);
	if (client->front)
		client->ops->session_lost(client->front, session->handle, lost->signal,
					  session->lost_text);
	drop_calls(session, &fail);
	qda_schedule_update(session);
	close_device(session);
}

int qda_session_check_open(const struct qda_session *session, struct qda_fail *fail)
{
	if (session->state == QDA_SESSION_OPEN)
		return 0;
	if (session->state == QDA_SESSION_LOST)
		return qda_fail(fail, ECONNRESET,
				"the protection domain is gone: %s; close the session and open "
				"a new one",
				session->lost_text);
	return qda_fail(fail, ENOTCONN, "the session is %s", state_names[session->state]);
}

struct qda_session *qda_session_find_open(struct qda_client *client, uint64_t handle,
					  struct qda_fail *fail)
{
	struct qda_session *session = qda_slots_get(&client->handles, handle, QDA_HANDLE_SESSION);

	if (!session) {
		qda_fail(fail, ENOENT, "no session %#" PRIx64 " on this connection", handle);
		return NULL;
	}
	return qda_session_check_open(session, fail) < 0 ? NULL : session;
}
