/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients: made and ended by fronts, kept alive by what still charges them.
 */
#include "core/client.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "core/call_internal.h"
#include "core/module.h"
#include "core/monitor.h"
#include "core/session.h"

static int charge_connection(struct qda_client *client, unsigned n_fds, struct qda_fail *fail)
{
	int r = qda_charge_init(&client->connection, &client->account, QDA_RES_CONNECTIONS, 1,
				fail);

	if (r < 0)
		return r;
	r = qda_charge_init(&client->fds, &client->account, QDA_RES_FDS, n_fds, fail);
	if (r < 0)
		qda_charge_deinit(&client->connection);
	return r;
}

int qda_client_new(struct qda_core *core, const struct qda_principal *principal,
		   const struct qda_client_ops *ops, void *front, unsigned n_fds,
		   struct qda_client **out, struct qda_fail *fail)
{
	struct qda_client *client = calloc(1, sizeof(*client));
	int r;

	if (!client)
		return qda_fail(fail, ENOMEM, "the daemon is out of memory for a connection");
	client->core = core;
	client->refs = 1;
	client->ops = ops;
	client->front = front;
	client->principal = *principal;
	TAILQ_INIT(&client->sessions);
	TAILQ_INIT(&client->calls);
	memcpy(client->limits, core->rules->connection_limits, sizeof(client->limits));
	r = qda_user_ref(core, principal, &client->user);
	if (r < 0) {
		free(client);
		return qda_fail(fail, -r, "the daemon is out of memory for a connection");
	}
	client->account = (struct qda_account){
		.scope = "connection",
		.parent = &client->user->account,
		.limit = client->limits,
	};
	r = charge_connection(client, n_fds, fail);
	if (r < 0) {
		qda_user_unref(client->user);
		free(client);
		return r;
	}
	client->id = ++core->next_id;
	client->since_ns = qda_core_now(core);
	TAILQ_INSERT_TAIL(&core->clients, client, link);
	core->n_clients++;
	*out = client;
	return 0;
}

struct qda_client *qda_client_ref(struct qda_client *client)
{
	client->refs++;
	return client;
}

void qda_client_unref(struct qda_client *client)
{
	if (--client->refs)
		return;
	assert(!client->front);
	for (unsigned i = 0; i < QDA_RES_N; i++)
		assert(!client->account.used[i]);
	qda_user_unref(client->user);
	free(client->principal.groups);
	free(client);
}

static void drop_buffers(struct qda_client *client)
{
	struct qda_buffer *buffer;
	uint32_t at = 0;

	while ((buffer = qda_slots_next(&client->handles, QDA_HANDLE_BUFFER, &at)))
		qda_buffer_unref(buffer);
}

void qda_client_gone(struct qda_client *client)
{
	struct qda_session *session;

	qda_client_watch(client, false);
	if (qda_monitored(client->core))
		qda_monitor(client->core, &(struct qda_happening){ .what = "client-gone",
								   .client = client,
								   .text = client->name });
	client->front = NULL;
	TAILQ_REMOVE(&client->core->clients, client, link);
	client->core->n_clients--;
	while ((session = TAILQ_FIRST(&client->sessions)))
		qda_session_abandon(session);
	drop_buffers(client);
	qda_slots_deinit(&client->handles);
	qda_charge_deinit(&client->connection);
	qda_charge_deinit(&client->fds);
	qda_client_unref(client);
}

/* What may be waited for is at most a second away; what will never come, a minute. */
static uint32_t retry_ms(uint64_t wait_ns)
{
	return wait_ns < UINT64_MAX ? wait_ns / 1000000 + 1 : 60000;
}

int qda_client_take_request(struct qda_client *client, struct qda_fail *fail)
{
	struct qda_user *user = client->user;
	char remedy[128];
	uint64_t wait_ns;

	if (qda_rate_take(&user->rate, user->requests, user->burst, qda_core_now(client->core),
			  &wait_ns))
		return 0;
	user->n_hasty++;
	qda_account_remedy(&user->account, "requests and burst", QDA_BY_HAND_RATE, remedy,
			   sizeof(remedy));
	qda_fail(fail, EDQUOT,
		 "uid %u sends requests too fast: %" PRIu64 " a second are allowed, %" PRIu64
		 " at once (calls are not counted); wait %u ms, or %s",
		 user->uid, user->requests, user->burst, retry_ms(wait_ns), remedy);
	fail->resource = "requests";
	fail->scope = user->account.scope;
	fail->limit = fail->used = user->burst;
	fail->retry_ms = retry_ms(wait_ns);
	return -EDQUOT;
}

void qda_client_set_name(struct qda_client *client, const char *name)
{
	snprintf(client->name, sizeof(client->name), "%s", name);
}

int qda_client_add_handle(struct qda_client *client, void *object, enum qda_handle_kind kind,
			  uint64_t *id, struct qda_fail *fail)
{
	int r = qda_slots_add(&client->handles, object, kind, client->core->config.random(), id);

	return r < 0 ? qda_fail(fail, -r, "the daemon is out of memory for a handle") : 0;
}

void qda_reply(struct qda_client *client, struct qda_reply_to *to,
	       const struct qda_outcome *outcome)
{
	struct qda_reply_to once = *to;

	*to = (struct qda_reply_to){ 0 };
	if (once.end && client->front)
		once.end(&once, outcome);
}

void qda_reply_fail(struct qda_client *client, struct qda_reply_to *to, const struct qda_fail *fail)
{
	qda_reply(client, to, &(struct qda_outcome){ .fail = fail });
}
