/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Watchers. What they are told of: client-new, client-gone; session-open, session-closed,
 * session-lost, session-hung; refused; domain-up, domain-down, domain-starting; reload, quota-set,
 * kill.
 */
#include "core/monitor.h"

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

void qda_monitor(struct qda_core *core, const struct qda_happening *happening)
{
	const struct qda_client *subject = happening->client;
	struct qda_client *watcher;

	if (core->config.happened)
		core->config.happened(happening);
	TAILQ_FOREACH (watcher, &core->watchers, watch_link)
		if (!subject || qda_client_may_see(watcher, subject->principal.uid))
			watcher->ops->happened(watcher->front, happening);
}
