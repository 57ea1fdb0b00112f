/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Core against the model: the same random program on both, compared after each step. argv: how many
 * steps, seed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "compare.h"
#include "core/limits.h"

enum { A_WHILE = 1000000, LONG = 300000000 /* ns */, CALLS = 16, SESSION_CALLS = 8 };

static struct pair p;
static uint64_t buffer_ids[M_THINGS];
static uint64_t n_steps = 100000, seed = 1, at_step, n_waited;
static unsigned quiet = 4;	/* of eight steps, how many ask for nothing */

static uint32_t pick(uint32_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % n;
}

/* --- steps --- */

static void come(int i, int uid)
{
	static const struct qda_client_ops ops;
	const struct qda_principal principal = { .uid = 1000 + uid, .gid = 1000 + uid };
	struct m_refusal refusal = m_come(&p.m, i, uid);
	struct qda_client *client;

	if (!refusal.code) {
		guest_come(&p.guests[i], &p.s, 1000 + uid);
		return;
	}
	assert_int_equal(qda_client_new(p.s.core, &principal, &ops, &p.s, 1, &client, &p.s.fail),
			 -EDQUOT);
	compare_refusal(&p, &refusal, true);
}

static void go(int i)
{
	m_go(&p.m, i);
	guest_free(&p.guests[i]);
}

/* One, or all of its user's. */
static void step_go(int i)
{
	bool all = pick(2);

	for (int k = 0; k < M_CLIENTS; k++)
		if (p.m.clients[k].there && p.m.clients[k].uid == p.m.clients[i].uid &&
		    (all || k == i))
			go(k);
}

static void step_alloc(int i)
{
	uint64_t pages = 1 + pick(40);
	struct qda_buffer *buffer;
	int fd, model = -1;
	struct m_refusal refusal = m_alloc(&p.m, i, pages * PAGE, &model);
	int r = qda_buffer_alloc(p.guests[i].client, "", pages * PAGE, &buffer, &fd, &p.s.fail);

	compare_refusal(&p, &refusal, r < 0);
	if (r == 0)
		buffer_ids[model] = buffer->id;
}

static void step_free(void)
{
	int i = p.m.n_buffers ? (int)pick(p.m.n_buffers) : -1;

	if (i < 0 || !p.m.buffers[i].there)
		return;
	assert_int_equal(qda_buffer_free(p.guests[p.m.buffers[i].client].client, buffer_ids[i],
					 &p.s.fail), 0);
	m_free(&p.m, i);
}

static void step_open(int i)
{
	uint32_t wait_ms = pick(3) ? 1 + pick(50) : 0;
	uint32_t hang_ms = pick(4) ? 0 : 3 + pick(6);
	struct qda_session_request request = { .domain = "", .wait_ms = wait_ms,
					       .hang_ms = hang_ms };
	int model = -1;
	struct m_refusal refusal =
		m_open(&p.m, i, p.guests[i].serial + 1, wait_ms, hang_ms, &model);

	compare_refusal(&p, &refusal, ask_open_as(&p.guests[i], &request) == 0);
	n_waited += model >= 0 && p.m.sessions[model].state == M_WAITING;
}

/* One of those in that state that a client still names, or -1. */
static int any_session(enum m_state state)
{
	int from = p.m.n_sessions ? (int)pick(p.m.n_sessions) : 0;

	for (int n = 0; n < p.m.n_sessions; n++) {
		int i = (from + n) % p.m.n_sessions;

		if (p.m.sessions[i].state == state && p.m.sessions[i].client >= 0)
			return i;
	}
	return -1;
}

static void step_close(void)
{
	int i = any_session(pick(2) ? M_OPEN : M_LOST);
	int client = i < 0 ? -1 : p.m.sessions[i].client;

	if (i < 0)
		return;
	assert_int_not_equal(ask_close(&p.guests[client], compare_session(&p, i)->handle), 0);
	m_close(&p.m, i);
}

/* Of a client, any of its last requests: a call in whatever state, a session, or neither. */
static void step_cancel(int i)
{
	static const enum qda_call_was was[] = {
		[M_WAS_GONE] = QDA_CALL_WAS_GONE,
		[M_WAS_QUEUED] = QDA_CALL_WAS_QUEUED,
		[M_WAS_RUNNING] = QDA_CALL_WAS_RUNNING,
	};
	uint64_t back = pick(12), serial = p.guests[i].serial;

	serial = serial > back ? serial - back : 0;
	assert_int_equal(qda_call_cancel(p.guests[i].client, serial),
			 was[m_cancel(&p.m, i, serial)]);
}

/* Its PD dies; why is told at once, or later. */
static void step_lost(void)
{
	int i = any_session(M_OPEN);
	struct qda_device_session *pd = i < 0 ? NULL : compare_session(&p, i)->device;

	if (i < 0)
		return;
	if (!p.m.sessions[i].dead) {
		m_died(&p.m, i);
		fake_die(pd, -ECONNRESET);
	}
	if (pick(2))
		return;
	m_lost(&p.m, i);
	fake_lost(pd, 11, "it");
}

static void step_call(void)
{
	int session = any_session(pick(20) ? M_OPEN : M_LOST);
	struct m_call call = { .session = session, .level = (int)pick(4), .parked = !pick(8) };
	struct qda_call_request request = {
		.sc = fastrpc_sc(0, 5, 0, 0, 0, 0),
		.priority = call.level - M_NORMAL,
		.timeout_us = pick(2) ? 0 : 500 * (1 + pick(8)),
		.parked = call.parked,
	};
	struct m_refusal refusal;
	struct guest *g;

	if (session < 0)
		return;
	g = &p.guests[p.m.sessions[session].client];
	call.serial = g->serial + 1;
	call.deadline = request.timeout_us ? p.m.now + request.timeout_us * 1000 : 0;
	request.module = TAILQ_FIRST(&compare_session(&p, session)->modules)->handle;
	refusal = m_invoke(&p.m, &call);
	compare_refusal(&p, &refusal, ask_invoke(g, &request) == 0);
}

/* A module that is there: opening one is a call like any other. */
static void put_module(int i)
{
	struct qda_session *session = compare_session(&p, i);
	struct qda_charge charge;

	assert_int_equal(qda_charge_init(&charge, &session->client->account, QDA_RES_HANDLES, 1,
					 &p.s.fail), 0);
	assert_non_null(qda_module_adopt(session, 0x80000000, &charge));
}

static void end_session(struct fake_op *op, bool opens)
{
	bool well = !opens || pick(8);
	uint64_t number = 0;
	int i = 0;

	assert_int_equal(sscanf(op->session->name, "qda-%ju", &number), 1);
	while (i < p.m.n_sessions && p.m.sessions[i].number != number)
		i++;
	assert_true(i < p.m.n_sessions);
	if (opens)
		m_opened(&p.m, i, well);
	else
		m_closed(&p.m, i);
	fake_done(op, well ? 0 : -EREMOTEIO, 1);
	if (opens && p.m.sessions[i].state == M_OPEN)
		put_module(i);
}

static void end_call(struct fake_op *op)
{
	int i = 0;

	while (i < p.m.n_calls && p.cookies[i] != op->cookie)
		i++;
	assert_true(i < p.m.n_calls);
	m_done(&p.m, i);
	fake_done(op, 0, 0);
}

static void step_device(void)
{
	unsigned n = pick(8);
	struct fake_op *op = TAILQ_FIRST(&p.s.fake->ops);

	for (; op && n; n--)
		op = TAILQ_NEXT(op, link);
	if (!op)
		return;
	if (op->kind == FAKE_CALL)
		end_call(op);
	else
		end_session(op, op->kind == FAKE_OPEN);
}

/* It has room for less than there are slots, or refuses a few for reasons of its own. */
static void step_room(void)
{
	p.m.refusals = pick(3);
	fake_refuse(p.s.fake, FAKE_CALL, -EBUSY, p.m.refusals);
	p.m.room = p.s.fake->room = pick(3) ? CALLS : pick(CALLS);
}

/* Timers are coarse: what has come due is seen at once, or later. */
static void step_time(void)
{
	uint64_t ns = pick(pick(200) ? A_WHILE : LONG), next = 0;

	p.m.now += ns;
	scene_clock += ns;
	if (!pick(3))
		return;
	m_expire(&p.m);
	do
		next = qda_core_expire(p.s.core);
	while (next && next <= scene_clock);
}

static void step_request(int i)
{
	bool granted = qda_client_take_request(p.guests[i].client, &p.s.fail) == 0;

	assert_int_equal(granted, m_request(&p.m, p.m.clients[i].uid));
}

/* Also to nothing, and below what is in use. */
static void step_limit(int i)
{
	static const uint64_t usual[M_RESOURCES] = { 4, 3, 6, 5 * M_STAGING, 12, 3, 14 * M_REPLY,
						     40 };
	int r = pick(M_RESOURCES), uid = pick(M_UIDS);
	uint64_t limit = pick(30) ? usual[r] * (2 + pick(4)) / 2 : pick(2);
	const char *name = compare_name(r);

	switch (pick(3)) {
	case 0:
		if (r == M_CONNECTIONS || !p.m.clients[i].there)
			return;
		p.m.clients[i].limit[r] = limit;
		assert_int_equal(qda_quota_set_client(p.s.core, p.guests[i].client->id, name, limit,
						      &p.s.fail), 0);
		break;
	case 1:
		p.m.uid_limit[uid][r] = 2 * limit;
		assert_int_equal(qda_quota_set_uid(p.s.core, 1000 + uid, "", name, 2 * limit,
						   &p.s.fail), 0);
		break;
	default:
		limit *= 5 + pick(5);
		p.m.total_limit[r] = limit;
		assert_int_equal(qda_quota_set_total(p.s.core, name, limit, &p.s.fail), 0);
		break;
	}
}

static void step_weight(void)
{
	int uid = pick(M_UIDS);
	uint64_t weight = pick(2) ? 50 * (1 + pick(4)) : pick(2) ? 1 : QDA_WEIGHT_MAX;

	m_weigh(&p.m, uid, weight);
	assert_int_equal(qda_quota_set_uid(p.s.core, 1000 + uid, "", "weight", weight, &p.s.fail),
			 0);
}

/* Another configuration. */
static void configure(uint32_t slots, uint32_t session_slots, uint32_t client_slots,
		      uint32_t hang_ms, uint32_t reserved, bool urgent)
{
	m_configure(&p.m, slots, session_slots, client_slots, hang_ms, reserved, urgent);
	p.s.core->rules->session_in_flight = session_slots;
	p.s.core->rules->client_in_flight = client_slots;
	p.s.core->rules->policy->urgent = urgent;
	qda_domain_configure(p.s.domain, slots, hang_ms, reserved);
}

static void step_rules(void)
{
	configure(pick(4) ? 1 + pick(6) : 0, 1 + pick(SESSION_CALLS), 1 + pick(8),
		  pick(3) ? 0 : 3 + pick(6), pick(4), pick(3));
}

static void step_client_asks(int i)
{
	unsigned what = pick(50);

	if (what < 2)
		step_request(i);
	else if (what < 8)
		step_open(i);
	else if (what < 10)
		step_alloc(i);
	else if (what < 12)
		step_cancel(i);
	else
		step_call();
}

static void step_rare(int i)
{
	switch (pick(8)) {
	case 0:
		step_go(i);
		break;
	case 1:
		step_limit(i);
		break;
	case 2:
		step_rules();
		break;
	case 3:
		step_room();
		break;
	case 4:
		step_lost();
		break;
	case 5:
		quiet = 2 + pick(5);
		break;
	default:
		step_weight();
		break;
	}
}

static void step_world(int i)
{
	unsigned what = pick(50);

	if (what < 2)
		step_rare(i);
	else if (what < 4)
		step_close();
	else if (what < 6)
		step_free();
	else if (what < 14)
		step_time();
	else
		step_device();
}

static void step(void)
{
	int i = pick(M_CLIENTS);

	if (pick(8) < quiet)
		step_world(i);
	else if (p.m.clients[i].there)
		step_client_asks(i);
	else
		come(i, pick(M_UIDS));
}

static void begin_device(void)
{
	struct qda_device_info *info = &p.s.fake->info;

	p.m.banks = info->sessions_max = 6;
	p.m.device_calls = info->calls_max = CALLS;
	p.m.device_session_calls = info->session_calls_max = SESSION_CALLS;
	p.m.room = p.s.fake->room = CALLS;
	p.s.domain->info = *info;
	configure(0, SESSION_CALLS, CALLS, 0, 1, true);
}

static void begin(void)
{
	static const uint64_t most[M_RESOURCES] = { 100, 40, 100, 100 * M_STAGING, 150, 20,
						    200 * M_REPLY, 1000 };

	scene_begin(&p.s);
	m_begin(&p.m);
	begin_device();
	p.m.now = scene_clock;
	p.m.burst = 7;
	p.m.period = 1000000;
	for (int r = 0; r < M_RESOURCES; r++) {
		p.m.connection_limit[r] = 1ull << 40;
		p.m.total_limit[r] = most[r];
		qda_quota_set_total(p.s.core, compare_name(r), most[r], &p.s.fail);
		for (int i = 0; i < M_UIDS; i++)
			p.m.uid_limit[i][r] = 1ull << 40;
	}
	for (int i = 0; i < M_UIDS; i++) {
		come(i, i);
		qda_quota_set_uid(p.s.core, 1000 + i, "", "requests", 1000, &p.s.fail);
		qda_quota_set_uid(p.s.core, 1000 + i, "", "burst", p.m.burst, &p.s.fail);
		p.m.credit[i] = p.m.burst * p.m.period;
		p.m.credited[i] = p.m.now;
	}
}

static int say_where(void **state)
{
	if (at_step < n_steps)
		print_message("at step %ju\n", (uintmax_t)at_step);
	return 0;
}

static void core_does_what_the_model_says(void **state)
{
	begin();
	for (at_step = 0; at_step < n_steps; at_step++) {
		step();
		compare(&p);
	}
	for (int i = 0; i < M_CLIENTS; i++)
		if (p.m.clients[i].there)
			guest_free(&p.guests[i]);
	scene_end(&p.s);
	print_message("%ju steps: %ju refused, %ju waited for a bank, in %ju users competed\n"
		      "calls: %ju done, %ju late, %ju cancelled, %ju lost\n",
		      (uintmax_t)n_steps, (uintmax_t)p.n_refused, (uintmax_t)n_waited,
		      (uintmax_t)p.n_competed, (uintmax_t)p.n_done, (uintmax_t)p.n_late,
		      (uintmax_t)p.n_cancelled, (uintmax_t)p.n_lost);
	/* It went where it should. */
	assert_true(p.n_refused > n_steps / 50 && n_waited > n_steps / 1000);
	assert_true(p.n_competed > n_steps / 20 && p.n_done > n_steps / 20);
	assert_true(p.n_late > n_steps / 100 && p.n_cancelled > n_steps / 100);
	assert_true(p.n_lost > n_steps / 500);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(core_does_what_the_model_says, say_where),
	};

	if (argc > 1)
		n_steps = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
