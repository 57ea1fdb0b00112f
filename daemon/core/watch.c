/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hang limit and quarantine, see watch.h.
 */
#include "core/watch.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/call_internal.h"
#include "core/module.h"
#include "util/container.h"

#define NS_PER_MS 1000000ull

/* The shorter one of those that are set; 0: none. */
static uint32_t limit_ms(const struct qda_session *session)
{
	uint32_t own = session->hang_ms, all = session->domain->hang_ms;

	return own && (!all || own < all) ? own : all;
}

static const char *module_name(const struct qda_call *call)
{
	const struct qda_module *module;

	if (call->handle == FASTRPC_HANDLE_REMOTECTL)
		return "the loader of modules";
	TAILQ_FOREACH (module, &call->session->modules, link)
		if (module->wire == call->handle)
			return *module->uri ? module->uri : "an object that a method made";
	return "a module that is closed";
}

static void end_hung(struct qda_call *call, uint32_t limit)
{
	struct qda_session *session = call->session;
	struct qda_fail fail;
	char text[256];

	snprintf(text, sizeof(text), "method %u of %s ran longer than hang_ms=%" PRIu32,
		 fastrpc_sc_method(call->sc), module_name(call), limit);
	qda_session_lost(session, &(struct qda_device_lost){ .text = text, .hung = true });
	qda_session_check_open(session, &fail);
	qda_session_abandon_calls(session, &fail);
}

/* Moments are looked at when they come, not moved with each call. */
static void on_hang(struct qda_deadline *deadline)
{
	struct qda_session *session = container_of(deadline, struct qda_session, hang);
	struct qda_call *call = TAILQ_FIRST(&session->running);
	uint32_t limit = limit_ms(session);

	if (!call || !limit || session->state != QDA_SESSION_OPEN)
		return;
	if (call->submitted_ns + limit * NS_PER_MS <= qda_core_now(session->client->core))
		end_hung(call, limit);
	else
		qda_watch_call(call);
}

void qda_watch_call(struct qda_call *call)
{
	struct qda_session *session = call->session;
	uint32_t limit = limit_ms(session);

	if (limit && !session->hang.armed)
		qda_deadline_arm(&session->client->core->deadlines, &session->hang,
				 call->submitted_ns + limit * NS_PER_MS, on_hang);
}

void qda_watch_renew(struct qda_session *session)
{
	qda_deadline_disarm(&session->client->core->deadlines, &session->hang);
	if (!TAILQ_EMPTY(&session->running))
		qda_watch_call(TAILQ_FIRST(&session->running));
}

/* What status says of a domain that is up. */
static void show(struct qda_domain *domain)
{
	*domain->note = '\0';
	if (domain->quarantined)
		snprintf(domain->note, sizeof(domain->note),
			 "in quarantine: %u sessions that the DSP did not end within %u s; they "
			 "keep their context banks, ids and quota until it does",
			 domain->quarantined, QDA_QUARANTINE_MS / 1000);
}

static void on_late(struct qda_deadline *deadline)
{
	struct qda_session *session = container_of(deadline, struct qda_session, late);

	session->quarantined = true;
	session->domain->quarantined++;
	show(session->domain);
}

void qda_watch_closing(struct qda_session *session)
{
	struct qda_core *core = session->client->core;

	qda_deadline_disarm(&core->deadlines, &session->hang);
	if (!session->late.armed && !session->quarantined)
		qda_deadline_arm(&core->deadlines, &session->late,
				 qda_core_now(core) + QDA_QUARANTINE_MS * NS_PER_MS, on_late);
}

void qda_watch_ended(struct qda_session *session)
{
	struct qda_deadlines *deadlines = &session->client->core->deadlines;

	qda_deadline_disarm(deadlines, &session->hang);
	qda_deadline_disarm(deadlines, &session->late);
	if (!session->quarantined)
		return;
	session->quarantined = false;
	session->domain->quarantined--;
	show(session->domain);
}
