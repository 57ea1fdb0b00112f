/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests for a session that wait. Few do (sessions are charged), so the next is looked for by
 * going through all of them.
 */
#include "core/waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/domain.h"
#include "core/session.h"
#include "util/container.h"

struct qda_waiting {
	TAILQ_ENTRY(qda_waiting) link;	/* domain->waiting, in order of arrival */
	struct qda_session *session;	/* owns it */
	struct qda_deadline deadline;
	struct qda_charge fds;
	unsigned n_dirs;
	int dir_fds[QDA_SESSION_DIRS];
};

static uint32_t banks_of(const struct qda_session *session)
{
	return session->share->share->banks;
}

/* How many may be in use before its user gets one. */
static uint32_t banks_for(const struct qda_session *session)
{
	uint32_t all = session->domain->info.sessions_max;
	uint32_t reserved = banks_of(session) ? session->domain->sessions_reserved : 0;

	return all > reserved ? all - reserved : 0;
}

bool qda_waiting_has_bank(const struct qda_session *session)
{
	return session->domain->sessions < banks_for(session);
}

bool qda_waiting_is_next(const struct qda_session *session)
{
	const struct qda_waiting *waiting;

	TAILQ_FOREACH (waiting, &session->domain->waiting, link)
		if (banks_of(waiting->session) <= banks_of(session))
			return false;
	return true;
}

static void say_all_used(const struct qda_session *session, struct qda_fail *fail)
{
	const struct qda_domain *domain = session->domain;
	const struct qda_waiting *waiting;
	unsigned n = 0;

	TAILQ_FOREACH (waiting, &domain->waiting, link)
		n += waiting->session != session;
	qda_fail(fail, EUSERS,
		 "domain %s has no free context bank: %u of %u are in use, this uid holds %u "
		 "sessions, %u other requests wait; close a session, or wait longer (wait_ms)",
		 domain->name, domain->sessions, domain->info.sessions_max, banks_of(session), n);
}

static void say_reserved(const struct qda_session *session, struct qda_fail *fail)
{
	const struct qda_domain *domain = session->domain;

	qda_fail(fail, EUSERS,
		 "domain %s has no context bank for another session of this uid: %u of %u are in "
		 "use, %u of them by this uid, and the last %u are for users that have none; close "
		 "a session, wait longer (wait_ms), or lower reserved_sessions in [domain %s]",
		 domain->name, domain->sessions, domain->info.sessions_max, banks_of(session),
		 domain->sessions_reserved, domain->name);
}

int qda_waiting_explain(const struct qda_session *session, struct qda_fail *fail)
{
	const struct qda_domain *domain = session->domain;

	if (domain->sessions < domain->info.sessions_max && !qda_waiting_has_bank(session))
		say_reserved(session, fail);
	else
		say_all_used(session, fail);
	fail->resource = "sessions";
	fail->scope = "device";
	fail->limit = banks_for(session);
	fail->used = domain->sessions;
	return -EUSERS;
}

static void free_waiting(struct qda_waiting *waiting)
{
	for (unsigned i = 0; i < waiting->n_dirs; i++)
		close(waiting->dir_fds[i]);
	qda_charge_deinit(&waiting->fds);
	free(waiting);
}

void qda_waiting_remove(struct qda_session *session)
{
	struct qda_waiting *waiting = session->waiting;

	qda_deadline_disarm(&session->client->core->deadlines, &waiting->deadline);
	TAILQ_REMOVE(&session->domain->waiting, waiting, link);
	session->waiting = NULL;
	free_waiting(waiting);
}

static void give_up(struct qda_session *session, const struct qda_fail *fail)
{
	qda_waiting_remove(session);
	qda_session_give_up(session, fail);
}

static void on_deadline(struct qda_deadline *deadline)
{
	struct qda_waiting *waiting = container_of(deadline, struct qda_waiting, deadline);
	struct qda_fail fail;

	qda_waiting_explain(waiting->session, &fail);
	give_up(waiting->session, &fail);
}

static int keep_dirs(struct qda_waiting *waiting, const struct qda_session_request *request,
		     struct qda_fail *fail)
{
	int r;

	if (request->n_dirs > QDA_SESSION_DIRS)
		return qda_fail(fail, EINVAL, "%u module directories: at most %u are taken",
				request->n_dirs, QDA_SESSION_DIRS);
	r = qda_charge_init(&waiting->fds, &waiting->session->client->account, QDA_RES_FDS,
			    request->n_dirs, fail);

	if (r < 0)
		return r;
	for (; waiting->n_dirs < request->n_dirs; waiting->n_dirs++) {
		int fd = fcntl(request->dir_fds[waiting->n_dirs], F_DUPFD_CLOEXEC, 3);

		if (fd < 0)
			return qda_fail(fail, errno,
					"the descriptor of a module directory cannot be kept: %s",
					qda_strerror(-errno));
		waiting->dir_fds[waiting->n_dirs] = fd;
	}
	return 0;
}

int qda_waiting_add(struct qda_session *session, const struct qda_session_request *request,
		    struct qda_fail *fail)
{
	struct qda_waiting *waiting = calloc(1, sizeof(*waiting));
	struct qda_core *core = session->client->core;
	int r;

	if (!waiting)
		return qda_fail(fail, ENOMEM, "the daemon is out of memory for a session");
	waiting->session = session;
	r = keep_dirs(waiting, request, fail);
	if (r < 0) {
		free_waiting(waiting);
		return r;
	}
	session->state = QDA_SESSION_WAITING;
	session->waiting = waiting;
	TAILQ_INSERT_TAIL(&session->domain->waiting, waiting, link);
	qda_deadline_arm(&core->deadlines, &waiting->deadline,
			 qda_core_now(core) + request->wait_ms * 1000000ull, on_deadline);
	return 0;
}

static struct qda_session *find_next(const struct qda_domain *domain)
{
	const struct qda_waiting *waiting, *best = TAILQ_FIRST(&domain->waiting);

	TAILQ_FOREACH (waiting, &domain->waiting, link)
		if (banks_of(waiting->session) < banks_of(best->session))
			best = waiting;
	return best->session;
}

/* The policy may be another one than when it began to wait. */
static int start(struct qda_session *session, struct qda_fail *fail)
{
	const struct qda_waiting *waiting = session->waiting;
	int r = qda_session_check_policy(session->client, session->domain, session->kind,
					 waiting->n_dirs, session->granted, fail);

	return r < 0 ? r : qda_session_start(session, waiting->dir_fds, waiting->n_dirs, fail);
}

void qda_waiting_serve(struct qda_domain *domain)
{
	while (domain->state == QDA_DEVICE_UP && !TAILQ_EMPTY(&domain->waiting)) {
		struct qda_session *session = find_next(domain);
		struct qda_fail fail;
		int r;

		if (!qda_waiting_has_bank(session))
			return; /* nor for others: they hold as many */
		r = start(session, &fail);
		if (r == -EUSERS)
			return; /* the device knows better */
		if (r < 0)
			give_up(session, &fail);
		else
			qda_waiting_remove(session);
	}
}

void qda_waiting_end(struct qda_domain *domain, const struct qda_fail *fail)
{
	struct qda_waiting *waiting;

	while ((waiting = TAILQ_FIRST(&domain->waiting)))
		give_up(waiting->session, fail);
}

bool qda_waiting_cancel(struct qda_client *client, uint64_t serial)
{
	struct qda_session *session;
	struct qda_fail fail;

	TAILQ_FOREACH (session, &client->sessions, link)
		if (session->waiting && session->open_to.serial == serial)
			break;
	if (!session)
		return false;
	qda_fail(&fail, ECANCELED, "cancelled while it waited for a context bank");
	give_up(session, &fail);
	return true;
}

uint32_t qda_waiting_count(const struct qda_domain *domain)
{
	const struct qda_waiting *waiting;
	uint32_t n = 0;

	TAILQ_FOREACH (waiting, &domain->waiting, link)
		n++;
	return n;
}
