/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scenes, see core_scene.h.
 */
#include "core_scene.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fastrpc.h"

uint64_t scene_clock;

static uint64_t now(void)
{
	return scene_clock;
}

/* Any sequence will do; it is the same in every run. */
static uint32_t next_random(void)
{
	static uint32_t x = 1;

	return x = x * 1664525 + 1013904223;
}

/* Limits that nobody meets, and everybody may do everything but administrate. */
static struct qda_rules *rules_new(void)
{
	struct qda_rules *rules = qda_rules_new();

	assert_non_null(rules);
	for (unsigned i = 0; i < QDA_RES_N; i++)
		rules->connection_limits[i] = rules->fallback.limits[i] = rules->total_limits[i] =
			1ull << 40;
	rules->policy = calloc(1, sizeof(*rules->policy));
	assert_non_null(rules->policy);
	rules->n_policy = 1;
	*rules->policy = (struct qda_policy_rule){ .name = "all", .allow = true, .parked = true };
	return rules;
}

void scene_begin(struct scene *s)
{
	struct qda_core_config config = {
		.now = now,
		.random = next_random,
		.daemon_uid = 999,
	};
	struct qda_rules *rules = rules_new();

	scene_clock = 1000000;
	assert_int_equal(qda_core_new(&config, rules, &s->core), 0);
	assert_int_equal(qda_domain_new(s->core, "cdsp", 0, &s->domain), 0);
	s->fake = fake_new(&qda_domain_events, s->domain);
	qda_domain_attach(s->domain, &s->fake->device);
	fake_up(s->fake);
}

/* All operations complete, then everything must be gone by itself. */
void scene_end(struct scene *s)
{
	struct fake_op *op;

	while ((op = TAILQ_FIRST(&s->fake->ops)))
		fake_done(op, op->kind == FAKE_CALL ? -ECANCELED : 0, 0);
	qda_domain_free(s->domain);
	qda_core_free(s->core);
}

/* --- guests --- */

static void on_lost(void *front, uint64_t session, uint32_t signal, const char *text)
{
	struct guest *g = front;

	assert_false(g->gone);
	g->n_lost++;
	g->lost_session = session;
	g->lost_signal = signal;
	snprintf(g->lost_text, sizeof(g->lost_text), "%s", text);
}

static void on_log(void *front, uint64_t session, const struct qda_log_line *line)
{
	struct guest *g = front;

	assert_false(g->gone);
	g->n_logs++;
	g->log_session = session;
	snprintf(g->log_text, sizeof(g->log_text), "%u %u %.*s", line->level, line->dropped,
		 (int)line->n, line->text);
}

static void on_changed(void *front, const char *domain, const char *state)
{
	struct guest *g = front;

	assert_false(g->gone);
	assert_string_equal(domain, "cdsp");
	g->n_changed++;
	snprintf(g->state, sizeof(g->state), "%s", state);
}

static const struct qda_client_ops client_ops = {
	.session_lost = on_lost,
	.log = on_log,
	.domain_changed = on_changed,
};

void guest_come(struct guest *g, struct scene *s, uid_t uid)
{
	struct qda_principal principal = { .uid = uid, .gid = uid, .pid = 1 };

	*g = (struct guest){ .scene = s };
	assert_int_equal(qda_client_new(s->core, &principal, &client_ops, g, 1, &g->client,
					&s->fail), 0);
}

void guest_go(struct guest *g)
{
	g->gone = true;
	qda_client_gone(g->client);
}

void guest_free(struct guest *g)
{
	if (!g->gone)
		guest_go(g);
	free(g->answers);
}

static void copy_fail(struct answer *a, const struct qda_fail *fail)
{
	a->code = fail->code;
	a->aee = fail->aee;
	a->resource = fail->resource;
	a->scope = fail->scope;
	a->limit = fail->limit;
	a->used = fail->used;
	memcpy(a->text, fail->text, sizeof(a->text));
	assert_int_not_equal(fail->code, 0);
	assert_true(*fail->text);
}

static void copy_invoked(struct answer *a, const struct qda_invoked *invoked)
{
	a->dsp_result = invoked->dsp_result;
	a->dsp_ns = invoked->dsp_ns;
	a->queue_ns = invoked->queue_ns;
	a->n_out_handles = invoked->n_out_handles;
	memcpy(a->out_handles, invoked->out_handles,
	       invoked->n_out_handles * sizeof(*a->out_handles));
	if (!invoked->dsp_result)
		a->n_outs = qda_call_copy_outs(invoked->call, a->outs, sizeof(a->outs));
}

static void on_end(const struct qda_reply_to *to, const struct qda_outcome *outcome)
{
	struct guest *g = to->front;
	struct answer *a = &g->answers[to->serial];

	assert_false(g->gone);
	assert_false(a->given);
	a->given = true;
	a->order = ++g->n_given;
	a->reserved = g->client->account.used[QDA_RES_OUT_BYTES];
	a->id = outcome->id;
	a->dsp_addr = outcome->dsp_addr;
	if (outcome->fail)
		copy_fail(a, outcome->fail);
	else if (outcome->invoked)
		copy_invoked(a, outcome->invoked);
}

static void grow(struct guest *g)
{
	struct answer *more = fake_alloc((2 * g->room + 16) * sizeof(*more));

	if (g->answers)
		memcpy(more, g->answers, g->room * sizeof(*more));
	free(g->answers);
	g->answers = more;
	g->room = 2 * g->room + 16;
}

struct qda_reply_to guest_to(struct guest *g)
{
	uint64_t serial = ++g->serial;

	if (serial >= g->room)
		grow(g);
	return (struct qda_reply_to){ on_end, g, serial, 0 };
}

bool answered(const struct guest *g, uint64_t serial)
{
	assert_true(serial && serial <= g->serial);
	return g->answers[serial].given;
}

const struct answer *answer(const struct guest *g, uint64_t serial)
{
	assert_true(answered(g, serial));
	return &g->answers[serial];
}

void assert_success(const struct guest *g, uint64_t serial)
{
	assert_int_equal(answer(g, serial)->code, 0);
}

void assert_failure(const struct guest *g, uint64_t serial, int code)
{
	assert_int_equal(answer(g, serial)->code, code);
}

/* --- requests --- */

/* A refusal says why and is not answered besides. */
static uint64_t asked(struct guest *g, int r)
{
	g->answers[g->serial].accepted = r == 0;
	if (r == 0)
		return g->serial;
	assert_int_equal(r, -g->scene->fail.code);
	assert_true(r < 0 && *g->scene->fail.text);
	assert_false(answered(g, g->serial));
	return 0;
}

uint64_t ask_open_as(struct guest *g, const struct qda_session_request *request)
{
	struct qda_reply_to to = guest_to(g);

	return asked(g, qda_session_open(g->client, request, &to, &g->scene->fail));
}

uint64_t ask_open(struct guest *g)
{
	return ask_open_as(g, &(struct qda_session_request){ .domain = "" });
}

uint64_t ask_close(struct guest *g, uint64_t session)
{
	struct qda_reply_to to = guest_to(g);

	return asked(g, qda_session_close(g->client, session, &to, &g->scene->fail));
}

uint64_t ask_map(struct guest *g, uint64_t session, uint64_t buffer, uint32_t key)
{
	struct qda_reply_to to = guest_to(g);

	return asked(g, qda_session_map(g->client, session, buffer, key, 0, 0, &to,
					&g->scene->fail));
}

uint64_t ask_unmap(struct guest *g, uint64_t session, uint32_t key)
{
	struct qda_reply_to to = guest_to(g);

	return asked(g, qda_session_unmap(g->client, session, key, &to, &g->scene->fail));
}

uint64_t ask_module(struct guest *g, uint64_t session, const char *uri)
{
	struct qda_reply_to to = guest_to(g);

	return asked(g, qda_module_open(g->client, session, uri, &to, &g->scene->fail));
}

uint64_t ask_module_close(struct guest *g, uint64_t module)
{
	struct qda_reply_to to = guest_to(g);

	return asked(g, qda_module_close(g->client, module, &to, &g->scene->fail));
}

uint64_t ask_invoke(struct guest *g, const struct qda_call_request *request)
{
	struct qda_reply_to to = guest_to(g);

	return asked(g, qda_call_invoke(g->client, request, &to, &g->scene->fail));
}

uint64_t ask_ping_until(struct guest *g, uint64_t module, uint64_t timeout_us)
{
	struct qda_call_request request = {
		.module = module,
		.sc = fastrpc_sc(0, 5, 0, 0, 0, 0),
		.timeout_us = timeout_us,
	};

	return ask_invoke(g, &request);
}

uint64_t ask_ping(struct guest *g, uint64_t module)
{
	return ask_ping_until(g, module, 0);
}

uint64_t ask_copy(struct guest *g, uint64_t module, uint32_t n)
{
	struct qda_call_arg args[] = {
		{ QDA_CALL_INLINE, 0x1000, 0, n },
		{ QDA_CALL_INLINE, 0x10000000, 0, n },
	};
	struct qda_call_request request = {
		.module = module,
		.sc = fastrpc_sc(0, 6, 1, 1, 0, 0),
		.n_args = 2,
		.args = args,
		.n_in = n,
	};
	uint8_t *bytes = fake_alloc(n + 1);
	uint64_t serial;

	for (uint32_t i = 0; i < n; i++)
		bytes[i] = i + 1;
	request.in = bytes;
	serial = ask_invoke(g, &request);
	free(bytes);
	return serial;
}

/* --- the whole way --- */

uint64_t open_session(struct guest *g)
{
	uint64_t serial = ask_open(g);

	assert_int_not_equal(serial, 0);
	assert_false(answered(g, serial));
	fake_done(fake_find(g->scene->fake, FAKE_OPEN), 0, 0);
	assert_success(g, serial);
	return answer(g, serial)->id;
}

void finish_module(struct fake_op *op, uint32_t wire, uint32_t dlerr, const char *text)
{
	uint32_t out[2] = { wire, dlerr };

	assert_int_equal(op->handle, FASTRPC_HANDLE_REMOTECTL);
	assert_int_equal(op->sc, fastrpc_sc(0, FASTRPC_REMOTECTL_OPEN, 2, 2, 0, 0));
	memcpy(fake_bytes(op, 2), out, sizeof(out));
	if (text)
		memcpy(fake_bytes(op, 3), text, strlen(text) + 1);
	fake_done(op, 0, 0);
}

uint64_t open_module(struct guest *g, uint64_t session, uint32_t wire)
{
	uint64_t serial = ask_module(g, session, "file:///libtest_skel.so");

	assert_int_not_equal(serial, 0);
	finish_module(fake_find(g->scene->fake, FAKE_CALL), wire, 0, NULL);
	assert_success(g, serial);
	return answer(g, serial)->id;
}

uint64_t new_buffer(struct guest *g, uint64_t pages)
{
	struct qda_buffer *buffer;
	int fd = -1;

	assert_int_equal(qda_buffer_alloc(g->client, "cdsp", pages * PAGE, &buffer, &fd,
					  &g->scene->fail), 0);
	assert_true(fd > 0);
	return buffer->id;
}

struct qda_session *session_of(struct guest *g, uint64_t handle)
{
	struct qda_session *session =
		qda_slots_get(&g->client->handles, handle, QDA_HANDLE_SESSION);

	assert_non_null(session);
	return session;
}

struct qda_device_session *device_session_of(struct guest *g, uint64_t handle)
{
	return session_of(g, handle)->device;
}

uint64_t used(const struct guest *g, enum qda_resource resource)
{
	return g->client->account.used[resource];
}

void limit(struct guest *g, enum qda_resource resource, uint64_t n)
{
	g->client->limits[resource] = n;
}
