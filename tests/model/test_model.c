/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Core against the model: the same random program on both, and after each step the same use of each
 * resource by each client, uid and all together, the same sessions in the same state, and for each
 * refusal the same reason. argv: how many steps, seed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core_scene.h"
#include "model.h"

enum { TIME_MAX = 2000000 /* ns */, RESIDENTS = M_UIDS };

static const enum qda_resource resources[M_RESOURCES] = {
	[M_CONNECTIONS] = QDA_RES_CONNECTIONS, [M_SESSIONS] = QDA_RES_SESSIONS,
	[M_BUFFERS] = QDA_RES_BUFFERS,	       [M_BYTES] = QDA_RES_BUFFER_BYTES,
	[M_FDS] = QDA_RES_FDS,
};

static struct scene s;
static struct model m;
static struct guest guests[M_CLIENTS];	/* the first ones stay for ever: one for each uid */
static uint64_t buffer_ids[M_THINGS];
static uint64_t n_steps = 50000, seed = 1, n_refused, n_waited, n_given;

static uint32_t pick(uint32_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % n;
}

/* --- comparison --- */

static void same(uint64_t model, uint64_t core, const char *what, int who, int resource)
{
	if (model != core)
		fail_msg("%s %d, %s: %ju by the model, %ju by core", what, who,
			 qda_resource_name(resources[resource]), model, core);
}

static void same_use(void)
{
	for (int r = 0; r < M_RESOURCES; r++) {
		enum qda_resource res = resources[r];

		for (int i = 0; i < M_CLIENTS; i++)
			if (m.clients[i].there)
				same(m_used_client(&m, i, r), used(&guests[i], res), "client", i, r);
		for (int i = 0; i < RESIDENTS; i++)
			same(m_used_uid(&m, i, r), guests[i].client->user->account.used[res], "uid",
			     i, r);
		same(m_used_total(&m, r), s.core->total.used[res], "total", 0, r);
	}
	assert_int_equal(m_banks_used(&m), s.fake->n_sessions);
}

static enum m_state state_of(const struct qda_session *session)
{
	static const enum m_state states[] = {
		[QDA_SESSION_WAITING] = M_WAITING, [QDA_SESSION_OPENING] = M_OPENING,
		[QDA_SESSION_OPEN] = M_OPEN,	   [QDA_SESSION_CLOSING] = M_CLOSING,
		[QDA_SESSION_LOST] = M_LOST,
	};

	return states[session->state];
}

static struct qda_session *session_numbered(int client, uint64_t number)
{
	struct qda_session *session;

	TAILQ_FOREACH (session, &guests[client].client->sessions, link)
		if (session->number == number)
			return session;
	return NULL;
}

static void same_sessions(void)
{
	for (int i = 0; i < m.n_sessions; i++) {
		const struct m_session *model = &m.sessions[i];
		const struct qda_session *core;

		if (model->state == M_NONE || model->state == M_CLOSING)
			continue;
		core = session_numbered(model->client, model->number);
		assert_non_null(core);
		assert_int_equal(state_of(core), model->state);
	}
}

/* The same answer, for the same reason. */
static void same_refusal(const struct m_refusal *model, bool refused)
{
	assert_int_equal(refused, model->code != 0);
	if (!refused)
		return;
	n_refused++;
	assert_int_equal(s.fail.code, model->code);
	assert_string_equal(s.fail.resource, qda_resource_name(resources[model->resource]));
	assert_string_equal(s.fail.scope, model->scope);
	assert_int_equal(s.fail.limit, model->limit);
	assert_int_equal(s.fail.used, model->used);
}

/* --- steps --- */

static void come(int i, int uid)
{
	static const struct qda_client_ops ops;
	const struct qda_principal principal = { .uid = 1000 + uid, .gid = 1000 + uid };
	struct m_refusal refusal = m_come(&m, i, uid);
	struct qda_client *client;

	if (!refusal.code) {
		guest_come(&guests[i], &s, 1000 + uid);
		return;
	}
	assert_int_equal(qda_client_new(s.core, &principal, &ops, &s, 1, &client, &s.fail),
			 -EDQUOT);
	same_refusal(&refusal, true);
}

static void step_client(int i)
{
	if (!m.clients[i].there) {
		come(i, pick(M_UIDS));
	} else if (i >= RESIDENTS) {
		m_go(&m, i);
		guest_free(&guests[i]);
	}
}

static void step_alloc(int i)
{
	uint64_t pages = 1 + pick(40);
	struct qda_buffer *buffer;
	int fd, model = -1;
	struct m_refusal refusal = m_alloc(&m, i, pages * PAGE, &model);
	int r = qda_buffer_alloc(guests[i].client, "", pages * PAGE, &buffer, &fd, &s.fail);

	same_refusal(&refusal, r < 0);
	if (r == 0)
		buffer_ids[model] = buffer->id;
}

static void step_free(void)
{
	int i = m.n_buffers ? (int)pick(m.n_buffers) : -1;

	if (i < 0 || !m.buffers[i].there)
		return;
	assert_int_equal(qda_buffer_free(guests[m.buffers[i].client].client, buffer_ids[i],
					 &s.fail), 0);
	m_free(&m, i);
}

static void step_open(int i)
{
	uint32_t wait_ms = pick(3) ? 1 + pick(50) : 0;
	struct qda_session_request request = { .domain = "", .wait_ms = wait_ms };
	int model = -1;
	struct m_refusal refusal =
		m_open(&m, i, guests[i].serial + 1, wait_ms * 1000000ull, &model);

	same_refusal(&refusal, ask_open_as(&guests[i], &request) == 0);
	n_waited += model >= 0 && m.sessions[model].state == M_WAITING;
}

static int any_session(void)
{
	return m.n_sessions ? (int)pick(m.n_sessions) : -1;
}

static void step_close(void)
{
	int i = any_session();
	const struct m_session *session = i < 0 ? NULL : &m.sessions[i];

	if (!session || (session->state != M_OPEN && session->state != M_LOST))
		return;
	assert_int_not_equal(ask_close(&guests[session->client],
				       session_numbered(session->client, session->number)->handle),
			     0);
	m_close(&m, i);
}

static void step_cancel(void)
{
	int i = any_session();
	int client = i < 0 ? -1 : m.sessions[i].client;
	uint64_t serial = i < 0 ? 0 : m.sessions[i].serial;

	if (client < 0 || m.sessions[i].state == M_NONE)
		return;
	assert_int_equal(qda_call_cancel(guests[client].client, serial) == QDA_CALL_WAS_QUEUED,
			 m_cancel(&m, client, serial));
}

static void step_lost(void)
{
	int i = any_session();

	if (i < 0 || m.sessions[i].state != M_OPEN)
		return;
	fake_lost(session_numbered(m.sessions[i].client, m.sessions[i].number)->device, 11, "it");
	m_lost(&m, i);
}

static void step_device(void)
{
	unsigned n = pick(4);
	struct fake_op *op = TAILQ_FIRST(&s.fake->ops);
	uint64_t number = 0;
	bool well = pick(8);
	int i = 0;

	for (; op && n; n--)
		op = TAILQ_NEXT(op, link);
	if (!op)
		return;
	assert_int_equal(sscanf(op->session->name, "qda-%ju", &number), 1);
	while (m.sessions[i].number != number)
		i++;
	if (op->kind == FAKE_OPEN)
		m_opened(&m, i, well);
	else
		m_closed(&m, i);
	n_given++;
	fake_done(op, op->kind == FAKE_OPEN && !well ? -EREMOTEIO : 0, 1);
}

static void step_time(void)
{
	uint64_t ns = pick(TIME_MAX);

	m_pass(&m, ns);
	scene_clock += ns;
	qda_core_expire(s.core);
}

static void step_request(int i)
{
	bool granted = qda_client_take_request(guests[i].client, &s.fail) == 0;

	assert_int_equal(granted, m_request(&m, m.clients[i].uid));
}

/* Also to nothing, and below what is in use. */
static void step_limit(int i)
{
	static const uint64_t usual[M_RESOURCES] = { 4, 3, 6, 5 * M_STAGING, 40 };
	int r = pick(M_RESOURCES), uid = pick(M_UIDS);
	uint64_t limit = pick(12) ? usual[r] * (1 + pick(4)) / 2 : pick(2);
	const char *name = qda_resource_name(resources[r]);

	switch (pick(3)) {
	case 0:
		if (r == M_CONNECTIONS || !m.clients[i].there)
			return;
		m.clients[i].limit[r] = limit;
		assert_int_equal(qda_quota_set_client(s.core, guests[i].client->id, name, limit,
						      &s.fail), 0);
		break;
	case 1:
		m.uid_limit[uid][r] = 2 * limit;
		assert_int_equal(qda_quota_set_uid(s.core, 1000 + uid, "", name, 2 * limit,
						   &s.fail), 0);
		break;
	default:
		limit *= 1 + pick(9);
		m.total_limit[r] = limit;
		assert_int_equal(qda_quota_set_total(s.core, name, limit, &s.fail), 0);
		break;
	}
}

static void step(void)
{
	int i = pick(M_CLIENTS);
	unsigned what = pick(40);

	if (what == 0)
		step_client(i);
	else if (what == 1)
		step_limit(i);
	else if (what < 5)
		step_time();
	else if (what < 15)
		step_device();
	else if (what < 18)
		step_close();
	else if (what == 18)
		step_lost();
	else if (what < 22)
		step_free();
	else if (what == 22)
		step_cancel();
	else if (!m.clients[i].there)
		come(i, pick(M_UIDS));
	else if (what < 27)
		step_request(i);
	else if (what < 34)
		step_open(i);
	else
		step_alloc(i);
}

/* Forget what is no more, so that a long program needs no more room than a short one. */
static void tidy(void)
{
	int n = 0;

	for (int i = 0; i < m.n_sessions; i++)
		if (m.sessions[i].state != M_NONE)
			m.sessions[n++] = m.sessions[i];
	m.n_sessions = n;
	n = 0;
	for (int i = 0; i < m.n_buffers; i++) {
		if (!m.buffers[i].there)
			continue;
		buffer_ids[n] = buffer_ids[i];
		m.buffers[n++] = m.buffers[i];
	}
	m.n_buffers = n;
}

static void begin(void)
{
	scene_begin(&s);
	m.banks = s.fake->info.sessions_max = s.domain->info.sessions_max = 5;
	m.now = scene_clock;
	m.burst = 7;
	m.period = 1000000;
	for (int r = 0; r < M_RESOURCES; r++) {
		m.connection_limit[r] = m.total_limit[r] = 1ull << 40;
		for (int i = 0; i < M_UIDS; i++)
			m.uid_limit[i][r] = 1ull << 40;
	}
	for (int i = 0; i < RESIDENTS; i++) {
		come(i, i);
		qda_quota_set_uid(s.core, 1000 + i, "", "requests", 1000, &s.fail);
		qda_quota_set_uid(s.core, 1000 + i, "", "burst", m.burst, &s.fail);
		m.credit[i] = m.burst * m.period;
		m.credited[i] = m.now;
	}
}

static void core_does_what_the_model_says(void **state)
{
	begin();
	for (uint64_t i = 0; i < n_steps; i++) {
		step();
		same_use();
		same_sessions();
		tidy();
	}
	for (int i = 0; i < M_CLIENTS; i++)
		if (m.clients[i].there)
			guest_free(&guests[i]);
	scene_end(&s);
	print_message("%ju steps: %ju refusals, %ju waited, %ju operations of the device\n",
		      (uintmax_t)n_steps, (uintmax_t)n_refused, (uintmax_t)n_waited,
		      (uintmax_t)n_given);
	/* It went where it should. */
	assert_true(n_refused > n_steps / 50 && n_waited > n_steps / 1000 && n_given > n_steps / 100);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(core_does_what_the_model_says),
	};

	if (argc > 1)
		n_steps = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
