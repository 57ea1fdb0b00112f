/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The comparison, see compare.h.
 */
#include "compare.h"

#include <errno.h>

static const enum qda_resource resources[M_RESOURCES] = {
	[M_CONNECTIONS] = QDA_RES_CONNECTIONS, [M_SESSIONS] = QDA_RES_SESSIONS,
	[M_BUFFERS] = QDA_RES_BUFFERS,	       [M_BYTES] = QDA_RES_BUFFER_BYTES,
	[M_CALLS] = QDA_RES_CALLS,	       [M_PARKED] = QDA_RES_PARKED,
	[M_OUT_BYTES] = QDA_RES_OUT_BYTES,     [M_FDS] = QDA_RES_FDS,
};

static const enum m_state states[] = {
	[QDA_SESSION_WAITING] = M_WAITING, [QDA_SESSION_OPENING] = M_OPENING,
	[QDA_SESSION_OPEN] = M_OPEN,	   [QDA_SESSION_CLOSING] = M_CLOSING,
	[QDA_SESSION_LOST] = M_LOST,
};

const char *compare_name(int resource)
{
	return qda_resource_name(resources[resource]);
}

/* --- what is used --- */

static void compare_used(uint64_t model, uint64_t core, const char *what, int who, int resource)
{
	if (model != core)
		fail_msg("%s %d, %s: %ju by the model, %ju by core", what, who,
			 compare_name(resource), (uintmax_t)model, (uintmax_t)core);
}

static void compare_use(struct pair *p)
{
	for (int r = 0; r < M_RESOURCES; r++) {
		enum qda_resource res = resources[r];

		for (int i = 0; i < M_CLIENTS; i++)
			if (p->m.clients[i].there)
				compare_used(m_used_client(&p->m, i, r), used(&p->guests[i], res),
					     "client", i, r);
		for (int i = 0; i < M_UIDS; i++)
			compare_used(m_used_uid(&p->m, i, r),
				     qda_user_first(p->s.core, 1000 + i)->account.used[res], "uid",
				     i, r);
		compare_used(m_used_total(&p->m, r), p->s.core->total.used[res], "total", 0, r);
	}
	assert_int_equal(m_banks_used(&p->m), p->s.fake->n_sessions);
}

/* --- sessions --- */

struct qda_session *compare_session(struct pair *p, int i)
{
	const struct m_session *model = &p->m.sessions[i];
	struct qda_session *session;

	TAILQ_FOREACH (session, &p->guests[model->client].client->sessions, link)
		if (session->number == model->number)
			break;
	assert_non_null(session);
	return session;
}

static void compare_sessions(struct pair *p)
{
	for (int i = 0; i < p->m.n_sessions; i++) {
		const struct m_session *model = &p->m.sessions[i];
		const struct qda_session *core;

		if (model->state == M_NONE || model->state == M_CLOSING)
			continue;
		core = compare_session(p, i);
		assert_int_equal(states[core->state], model->state);
		assert_int_equal(core->queued, m_count(&p->m, i, M_QUEUED, false));
		assert_int_equal(core->in_flight, m_count(&p->m, i, M_RUNNING, false));
		assert_int_equal(core->parked, m_count(&p->m, i, M_QUEUED, true) +
				 m_count(&p->m, i, M_RUNNING, true));
	}
}

/* --- calls --- */

/* The call that runs and was sent next after that turn. */
static int sent_after(const struct model *m, uint64_t turn)
{
	int next = -1;

	for (int i = 0; i < m->n_calls; i++)
		if (m->calls[i].state == M_RUNNING && m->calls[i].sent_turn > turn &&
		    (next < 0 || m->calls[i].sent_turn < m->calls[next].sent_turn))
			next = i;
	return next;
}

/* It is known by its serial until it is answered. */
static void compare_call(struct pair *p, const struct fake_op *op, int i)
{
	const struct m_call *model = &p->m.calls[i];
	const struct qda_call *core =
		qda_slots_get(&p->s.core->pending, op->cookie, QDA_PENDING_CALL);

	if (!p->cookies[i]) {
		assert_int_equal(core->session->number, p->m.sessions[model->session].number);
		assert_int_equal(core->to.serial, model->serial);
		p->cookies[i] = op->cookie;
	}
	assert_int_equal(op->cookie, p->cookies[i]);
}

static void compare_order(struct pair *p)
{
	const struct fake_op *op;
	uint64_t turn = 0;
	int i;

	TAILQ_FOREACH (op, &p->s.fake->ops, link) {
		if (op->kind != FAKE_CALL)
			continue;
		i = sent_after(&p->m, turn);
		assert_true(i >= 0);
		compare_call(p, op, i);
		turn = p->m.calls[i].sent_turn;
	}
	assert_int_equal(sent_after(&p->m, turn), -1);
	assert_int_equal(p->s.fake->n_submits, p->m.tries);
	assert_int_equal(p->s.domain->in_flight, m_count(&p->m, -1, M_RUNNING, false));
}

/* There is none when the client has gone. */
static void compare_answer(struct pair *p, const struct m_call *model)
{
	int client = p->m.sessions[model->session].client;
	const struct answer *core;

	if (client < 0)
		return;
	assert_int_equal(answered(&p->guests[client], model->serial), model->answered);
	if (!model->answered)
		return;
	core = answer(&p->guests[client], model->serial);
	assert_int_equal(core->code, model->code);
	if (!model->code)
		assert_int_equal(core->dsp_ns, model->took);
}

static void forget(struct pair *p, int i)
{
	p->n_done += p->m.calls[i].code == 0;
	p->n_late += p->m.calls[i].code == ETIME;
	p->n_cancelled += p->m.calls[i].code == ECANCELED;
	p->n_lost += p->m.calls[i].code == ECONNRESET;
	p->m.calls[i].state = M_NO_CALL;
	p->cookies[i] = 0;
}

static void compare_answers(struct pair *p)
{
	for (int i = 0; i < p->m.n_calls; i++) {
		if (p->m.calls[i].state == M_NO_CALL)
			continue;
		compare_answer(p, &p->m.calls[i]);
		if (p->m.calls[i].state == M_ENDED)
			forget(p, i);
	}
}

void compare(struct pair *p)
{
	unsigned n = 0;

	compare_use(p);
	compare_sessions(p);
	compare_order(p);
	compare_answers(p);
	for (int uid = 0; uid < M_UIDS; uid++)
		n += p->m.flows[uid].level != M_NOWHERE;
	p->n_competed += n > 1;
}

void compare_refusal(struct pair *p, const struct m_refusal *model, bool refused)
{
	const struct qda_fail *core = &p->s.fail;

	assert_int_equal(refused, model->code != 0);
	p->n_refused += refused;
	if (!refused)
		return;
	assert_int_equal(core->code, model->code);
	if (model->resource < 0)
		return;
	assert_string_equal(core->resource, compare_name(model->resource));
	assert_string_equal(core->scope, model->scope);
	assert_int_equal(core->limit, model->limit);
	assert_int_equal(core->used, model->used);
}
