/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Watchers. What they are told of: client-new, client-gone; session-open, session-closed,
 * session-lost, session-hung; refused; domain-up, domain-down, domain-starting; reload, quota-set,
 * kill.
 */
#include "core/monitor.h"

#include "core/fail.h"

void qda_client_watch(struct qda_client *client, bool watch)
{
	if (watch == client->watching)
		return;
	client->watching = watch;
	if (watch)
		TAILQ_INSERT_TAIL(&client->core->watchers, client, watch_link);
	else
		TAILQ_REMOVE(&client->core->watchers, client, watch_link);
}

static bool may_know(const struct qda_client *watcher, const struct qda_happening *happening)
{
	if (happening->client)
		return qda_client_may_see(watcher, happening->client->principal.uid);
	return !happening->is_private || qda_client_may_see(watcher, QDA_ID_UNMAPPED);
}

void qda_monitor(struct qda_core *core, const struct qda_happening *happening)
{
	struct qda_client *watcher;

	if (core->config.happened)
		core->config.happened(happening);
	TAILQ_FOREACH (watcher, &core->watchers, watch_link)
		if (may_know(watcher, happening))
			watcher->ops->happened(watcher->front, happening);
}

void qda_monitor_refused(const struct qda_client *client, const struct qda_fail *fail)
{
	if (qda_monitored(client->core))
		qda_monitor(client->core,
			    &(struct qda_happening){ .what = "refused", .client = client,
						     .code = fail->code, .text = fail->text });
}

void qda_monitor_refused_newcomer(struct qda_core *core, const struct qda_principal *who,
				  const struct qda_fail *fail)
{
	const struct qda_client nobody = { .core = core, .principal = *who,
					   .id = ++core->next_id };

	qda_monitor_refused(&nobody, fail);
}
