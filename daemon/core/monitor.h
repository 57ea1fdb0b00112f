/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens, for clients who asked to be told: the events of qdactl monitor. Costs nothing while
 * nobody watches.
 */
#pragma once

#include <stdint.h>

#include "core/client.h"

/* Texts live until the call returns. */
struct qda_happening {
	const char *what;		/* "client-new", "session-lost", ...: see monitor.c */
	const struct qda_client *client;	/* whom it is about, or NULL */
	bool is_private;		/* of none: only for who may see other users' rows */
	uint64_t session;		/* its number, or 0 */
	const char *domain;		/* or NULL */
	int code;			/* errno, or 0 */
	const char *text;		/* or NULL */
};

void qda_client_watch(struct qda_client *client, bool watch);

static inline bool qda_monitored(const struct qda_core *core)
{
	return core->config.happened || !TAILQ_EMPTY(&core->watchers);
}

/* Tell those who may see the client that it is about; what is about none and not private is told to
 * all. */
void qda_monitor(struct qda_core *core, const struct qda_happening *happening);
/* A client was refused something; or somebody was, to be one: those who are told hear of a client
 * that came and went. */
void qda_monitor_refused(const struct qda_client *client, const struct qda_fail *fail);
void qda_monitor_refused_newcomer(struct qda_core *core, const struct qda_principal *who,
				  const struct qda_fail *fail);
