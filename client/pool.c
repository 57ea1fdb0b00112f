/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The objects that calls are made of. They are kept for the next call, so that a warm one needs no
 * memory, and freed with the client.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>

static struct qda_call *call_alloc(struct qda_client *c)
{
	struct qda_call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	if (pthread_cond_init(&call->cond, NULL)) {
		free(call);
		return NULL;
	}
	call->client = c;
	call->args = call->small_args;
	call->outputs = call->small_outputs;
	call->room = CALL_ARGS_SMALL;
	return call;
}

struct qda_call *qda_call_new(struct qda_client *c, uint16_t type, enum qda_call_kind kind,
			      struct qda_error *err)
{
	struct qda_call *call;

	pthread_mutex_lock(&c->lock);
	call = TAILQ_FIRST(&c->free_calls);
	if (call) {
		TAILQ_REMOVE(&c->free_calls, call, link);
	} else {
		call = call_alloc(c);
		if (call)
			SLIST_INSERT_HEAD(&c->all_calls, call, all);
	}
	pthread_mutex_unlock(&c->lock);
	if (!call) {
		qda_fail(err, -ENOMEM, "no memory for another call");
		return NULL;
	}
	call->type = type;
	call->kind = kind;
	call->done = false;
	call->result = 0;
	call->take = NULL;
	call->err = kind == CALL_SYNC ? err : &call->own_err;
	call->n_outputs = call->n_out_handles = 0;
	call->in_bytes = call->out_bytes = 0;
	return call;
}

/* Modules that were made for outputs and did not come to be. */
static void drop_outputs(struct qda_call *call)
{
	for (unsigned i = 0; i < call->n_outputs; i++) {
		if (call->outputs[i].type == QDA_OUT_MODULE)
			free(call->outputs[i].fresh);
	}
	call->n_outputs = 0;
}

void qda_call_recycle(struct qda_call *call)
{
	drop_outputs(call);
	TAILQ_INSERT_HEAD(&call->client->free_calls, call, link);
}

void qda_call_free(struct qda_call *call)
{
	pthread_mutex_lock(&call->client->lock);
	qda_call_recycle(call);
	pthread_mutex_unlock(&call->client->lock);
}

void qda_calls_free(struct qda_client *c)
{
	struct qda_call *call;

	while ((call = SLIST_FIRST(&c->all_calls))) {
		SLIST_REMOVE_HEAD(&c->all_calls, all);
		drop_outputs(call);
		if (call->args != call->small_args) {
			free(call->args);
			free(call->outputs);
		}
		free(call);
	}
}
