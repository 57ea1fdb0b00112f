/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model of the competition for slots: what daemon/core/schedule.h says.
 */
#include "model.h"

#include <assert.h>
#include <stddef.h>

enum { USERS = M_UIDS, SCALE = 65536, USUAL_MAX = 100000000, CLIENT_WEIGHT = 100 };

/* --- calls --- */

uint64_t m_count(const struct model *m, int session, enum m_call_state state, bool parked)
{
	uint64_t n = 0;

	for (int i = 0; i < m->n_calls; i++)
		n += m->calls[i].state == state && m->calls[i].parked == parked &&
		     (session < 0 || m->calls[i].session == session);
	return n;
}

bool m_holds_slot(const struct m_call *c)
{
	return c->state == M_RUNNING && !c->parked;
}

struct m_call *m_first_queued(struct model *m, int session, bool parked)
{
	struct m_call *first = NULL;

	for (int i = 0; i < m->n_calls; i++) {
		struct m_call *c = &m->calls[i];

		if (c->state != M_QUEUED || c->session != session || c->parked != parked)
			continue;
		if (!first || (!parked && c->level > first->level) ||
		    ((parked || c->level == first->level) && c->turn < first->turn))
			first = c;
	}
	return first;
}

/* --- DSP time --- */

static bool holds_slot_of(const struct model *m, const struct m_call *c, int flow)
{
	const struct m_session *s = &m->sessions[c->session];

	return m_holds_slot(c) && (flow == s->uid || flow == s->flow);
}

static uint64_t slots_of(const struct model *m, int flow)
{
	uint64_t n = 0;

	for (int i = 0; i < m->n_calls; i++)
		n += holds_slot_of(m, &m->calls[i], flow);
	return n;
}

static m_time divided(const struct m_flow *flow, uint64_t ns)
{
	return (m_time)ns * SCALE / flow->weight;
}

/* Until now. `expected`: and what running calls usually take besides. */
static m_time served(const struct model *m, int flow, bool expected)
{
	uint64_t ns = 0;

	for (int i = 0; i < m->n_calls; i++)
		if (holds_slot_of(m, &m->calls[i], flow))
			ns += m->now - m->calls[i].sent + (expected ? m->calls[i].expected : 0);
	return m->flows[flow].used + divided(&m->flows[flow], ns);
}

/* Users at 3/4 of the slots get no more. */
static bool may_have_more(const struct model *m, int flow)
{
	return flow >= M_UIDS || 4 * slots_of(m, flow) < 3 * m->slots;
}

/* Who of those that wait on a level was served least, or -1; among equals who was placed first. */
static int first_of(const struct model *m, int rivals, int level, bool may)
{
	m_time least = 0;
	int first = -1;

	for (int i = 0; i < M_FLOWS; i++) {
		const struct m_flow *flow = &m->flows[i];
		m_time has;

		if (flow->rivals != rivals || flow->level != level || (may && !may_have_more(m, i)))
			continue;
		has = served(m, i, true);
		if (first >= 0 && (has > least || (has == least && flow->turn > m->flows[first].turn)))
			continue;
		first = i;
		least = has;
	}
	return first;
}

/* Virtual time: what those who are first on their levels were served at least. */
static void advance(struct model *m, int rivals)
{
	m_time least = 0;
	bool any = false;

	for (int level = M_LOW; level <= M_URGENT; level++) {
		int flow = first_of(m, rivals, level, false);

		if (flow < 0 || (any && served(m, flow, false) >= least))
			continue;
		least = served(m, flow, false);
		any = true;
	}
	if (least > m->rivals[rivals].now)
		m->rivals[rivals].now = least;
}

/* When nothing runs and nothing waits, all are even. */
static void rest(struct model *m, int rivals)
{
	struct m_rivals *r = &m->rivals[rivals];

	for (int i = 0; i < M_FLOWS; i++)
		if (m->flows[i].rivals == rivals &&
		    (m->flows[i].level != M_NOWHERE || slots_of(m, i)))
			return;
	if (r->finish > r->now)
		r->now = r->finish;
}

/* --- who waits, and where --- */

static int session_level(struct model *m, int session)
{
	const struct m_session *s = &m->sessions[session];
	const struct m_call *first = m_first_queued(m, session, false);

	if (!first || s->state != M_OPEN || s->stalled ||
	    m_count(m, session, M_RUNNING, false) >= m->session_slots)
		return M_NOWHERE;
	return first->level;
}

static int client_level(const struct model *m, int flow)
{
	int level = M_NOWHERE;

	for (int i = 0; i < m->n_sessions; i++)
		if (m->sessions[i].state != M_NONE && m->sessions[i].flow == flow &&
		    m->sessions[i].level > level)
			level = m->sessions[i].level;
	return slots_of(m, flow) < m->client_slots ? level : M_NOWHERE;
}

/* To other users only what is urgent counts. */
static int user_level(const struct model *m, int uid)
{
	int level = M_NOWHERE;

	for (int i = M_UIDS; i < M_FLOWS; i++)
		if (m->flows[i].rivals == uid && m->flows[i].level > level)
			level = m->flows[i].level;
	return level == M_NOWHERE || level == M_URGENT ? level : M_NORMAL;
}

static void place(struct model *m, int flow, int level)
{
	struct m_flow *f = &m->flows[flow];
	struct m_rivals *r = &m->rivals[f->rivals];

	if (level != M_NOWHERE && f->level == M_NOWHERE) {
		advance(m, f->rivals);
		if (served(m, flow, false) < r->now)
			f->used += r->now - served(m, flow, false);
	}
	f->level = level;
	f->turn = ++m->turns;
	rest(m, f->rivals);
}

void m_settle(struct model *m, int session, bool anew)
{
	struct m_session *s = &m->sessions[session];
	int level = session_level(m, session);

	if (level != s->level)
		s->turn = ++m->turns;
	s->level = level;
	level = client_level(m, s->flow);
	if (anew || level != m->flows[s->flow].level)
		place(m, s->flow, level);
	level = user_level(m, s->uid);
	if (anew || level != m->flows[s->uid].level)
		place(m, s->uid, level);
}

int m_next_session(struct model *m)
{
	int user = -1, client = -1, next = -1;

	for (int level = M_URGENT; level >= M_LOW && user < 0; level--)
		user = first_of(m, USERS, level, true);
	if (user < 0)
		return -1;
	advance(m, USERS);
	advance(m, user);
	for (int level = M_URGENT; level >= M_LOW && client < 0; level--)
		client = first_of(m, user, level, false);
	for (int i = 0; i < m->n_sessions; i++)
		if (m->sessions[i].state == M_OPEN && m->sessions[i].flow == client &&
		    m->sessions[i].level == m->flows[client].level &&
		    (next < 0 || m->sessions[i].turn < m->sessions[next].turn))
			next = i;
	return next;
}

/* --- what changes it --- */

/* An average that follows in about eight calls. */
static void learn(uint64_t *usual, uint64_t ns)
{
	*usual = *usual - *usual / 8 + (ns < USUAL_MAX ? ns : USUAL_MAX) / 8;
}

void m_served(struct model *m, const struct m_call *c)
{
	struct m_session *s = &m->sessions[c->session];
	int flows[] = { s->flow, s->uid };

	for (int i = 0; i < 2; i++) {
		struct m_flow *flow = &m->flows[flows[i]];
		struct m_rivals *r = &m->rivals[flow->rivals];

		flow->used += divided(flow, c->took);
		if (served(m, flows[i], false) > r->finish)
			r->finish = served(m, flows[i], false);
	}
	learn(&s->usual, c->took);
	learn(&m->usual, c->took);
	m_settle(m, c->session, true);
}

void m_weigh(struct model *m, int uid, uint64_t weight)
{
	m->flows[uid].weight = weight;
	place(m, uid, m->flows[uid].level);
}

void m_begin(struct model *m)
{
	for (int i = 0; i < M_FLOWS; i++)
		m->flows[i] = (struct m_flow){ .rivals = i < M_UIDS ? USERS : -1,
					       .weight = CLIENT_WEIGHT,
					       .level = M_NOWHERE };
}

/* What a user was served is remembered; of a client it is, while it has a session. */
void m_join(struct model *m, int session)
{
	struct m_session *s = &m->sessions[session];
	bool taken[M_FLOWS] = { false };

	s->flow = -1;
	s->level = M_NOWHERE;
	s->usual = m->usual;
	for (int i = 0; i < m->n_sessions; i++) {
		if (i == session || m->sessions[i].state == M_NONE)
			continue;
		taken[m->sessions[i].flow] = true;
		if (m->sessions[i].client == s->client)
			s->flow = m->sessions[i].flow;
	}
	for (int i = M_UIDS; i < M_FLOWS && s->flow < 0; i++) {
		if (taken[i])
			continue;
		s->flow = i;
		m->flows[i] = (struct m_flow){ s->uid, CLIENT_WEIGHT, 0, M_NOWHERE, 0 };
	}
	assert(s->flow >= 0);
}
