/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model of calls: acceptance, the way to the device, and every way to end.
 */
#include "model.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>

static const struct m_refusal granted;

static struct m_session *session_of(struct model *m, const struct m_call *c)
{
	return &m->sessions[c->session];
}

/* Things that come one after the other: by their moment, those of one moment by their turn. */
static bool is_before(uint64_t at, uint64_t turn, uint64_t other, uint64_t other_turn)
{
	return at < other || (at == other && turn < other_turn);
}

/* --- hanging --- */

static uint64_t limit_of(const struct model *m, const struct m_session *s)
{
	return s->hang && (!m->hang || s->hang < m->hang) ? s->hang : m->hang;
}

/* Since when the oldest call runs; 0: none does. */
static uint64_t oldest(const struct model *m, int session)
{
	uint64_t since = 0;

	for (int i = 0; i < m->n_calls; i++)
		if (m_holds_slot(&m->calls[i]) && m->calls[i].session == session &&
		    (!since || m->calls[i].sent < since))
			since = m->calls[i].sent;
	return since;
}

static void look_later(struct model *m, int session)
{
	struct m_session *s = &m->sessions[session];
	uint64_t since = oldest(m, session), limit = limit_of(m, s);

	s->look = since && limit ? since + limit : 0;
	s->look_turn = ++m->turns;
}

/* --- to the device --- */

static void answer(struct m_call *c, int code)
{
	c->answered = true;
	c->code = code;
}

/* It leaves the queue unsent; what the device had no room for is tried again. */
static void leave(struct model *m, struct m_call *c, enum m_call_state state)
{
	c->state = state;
	if (c->parked)
		return;
	session_of(m, c)->stalled = false;
	m_settle(m, c->session, false);
}

static void begin(struct model *m, struct m_call *c)
{
	struct m_session *s = session_of(m, c);

	c->state = M_RUNNING;
	c->sent = m->now;
	c->sent_turn = ++m->turns;
	if (c->parked)
		return;
	c->expected = s->usual;
	s->turn = ++m->turns;
	m_settle(m, c->session, true);
	if (!s->look)
		look_later(m, c->session);
}

/* false: the device has no room for it. */
static bool try_send(struct model *m, struct m_call *c)
{
	if (c->deadline && c->deadline <= m->now) {
		answer(c, ETIME);
		leave(m, c, M_ENDED);
		return true;
	}
	m->tries++;
	if (session_of(m, c)->dead) {
		leave(m, c, M_DOOMED);
		return true;
	}
	if (m->refusals) {
		m->refusals--;
		return false;
	}
	if (m_count(m, -1, M_RUNNING, false) + m_count(m, -1, M_RUNNING, true) >= m->room)
		return false;
	begin(m, c);
	return true;
}

static void send_parked(struct model *m, int session)
{
	struct m_call *c;

	while ((c = m_first_queued(m, session, true)) && try_send(m, c))
		;
}

/* As long as there is a slot, and somebody who may have it. */
static void fill_slots(struct model *m)
{
	int session;

	while (m_count(m, -1, M_RUNNING, false) < m->slots && (session = m_next_session(m)) >= 0) {
		if (try_send(m, m_first_queued(m, session, false)))
			continue;
		m->sessions[session].stalled = true;
		m_settle(m, session, false);
	}
}

/* The one whose parked calls wait for the device next after that turn, or -1. */
static int next_parker(struct model *m, uint64_t turn)
{
	int next = -1;

	for (int i = 0; i < m->n_sessions; i++)
		if (m_first_queued(m, i, true) && m->sessions[i].parked_turn > turn &&
		    (next < 0 || m->sessions[i].parked_turn < m->sessions[next].parked_turn))
			next = i;
	return next;
}

static int first_stalled(const struct model *m)
{
	int first = -1;

	for (int i = 0; i < m->n_sessions; i++)
		if (m->sessions[i].stalled &&
		    (first < 0 || m->sessions[i].turn < m->sessions[first].turn))
			first = i;
	return first;
}

void m_retry(struct model *m)
{
	for (int i = next_parker(m, 0); i >= 0; i = next_parker(m, m->sessions[i].parked_turn))
		send_parked(m, i);
	for (int i = first_stalled(m); i >= 0; i = first_stalled(m)) {
		m->sessions[i].stalled = false;
		m_settle(m, i, false);
	}
	fill_slots(m);
}

/* --- acceptance --- */

/* Of what others leave on the domain, a user may have half. */
static struct m_refusal check_parked(const struct model *m, int session)
{
	uint64_t most = m->device_session_calls - m->session_slots, left, own = 0;
	uint64_t has = m_count(m, session, M_QUEUED, true) + m_count(m, session, M_RUNNING, true);

	most = most < M_SESSION_PARKED ? most : M_SESSION_PARKED;
	if (has >= most)
		return (struct m_refusal){ EDQUOT, M_PARKED, "session", most, has };
	left = m->device_calls - m->slots;
	for (int i = 0; i < m->n_sessions; i++) {
		has = m_count(m, i, M_QUEUED, true) + m_count(m, i, M_RUNNING, true);
		if (m->sessions[i].uid == m->sessions[session].uid)
			own += has;
		else
			left -= has < left ? has : left;
	}
	if (own >= (left + 1) / 2)
		return (struct m_refusal){ EDQUOT, M_PARKED, "uid", (left + 1) / 2, own };
	return granted;
}

static struct m_refusal check(const struct model *m, const struct m_call *wish)
{
	int client = m->sessions[wish->session].client;
	struct m_refusal r = granted;

	if (m->sessions[wish->session].state == M_LOST)
		return (struct m_refusal){ ECONNRESET, -1, NULL, 0, 0 };
	if (wish->parked)
		r = check_parked(m, wish->session);
	else if (wish->level == M_URGENT && !m->urgent)
		return (struct m_refusal){ EACCES, -1, NULL, 0, 0 };
	if (!r.code)
		r = m_charge(m, client, M_CALLS, 1);
	if (!r.code && wish->parked)
		r = m_charge(m, client, M_PARKED, 1);
	return r.code ? r : m_charge(m, client, M_OUT_BYTES, M_REPLY);
}

struct m_refusal m_invoke(struct model *m, const struct m_call *wish)
{
	struct m_refusal r = check(m, wish);
	int i = 0;

	if (r.code)
		return r;
	while (i < m->n_calls && m->calls[i].state != M_NO_CALL)
		i++;
	m->n_calls += i == m->n_calls;
	assert(m->n_calls < M_THINGS);
	if (wish->parked && !m_first_queued(m, wish->session, true))
		m->sessions[wish->session].parked_turn = ++m->turns;
	m->calls[i] = *wish;
	m->calls[i].state = M_QUEUED;
	m->calls[i].turn = ++m->turns;
	if (wish->parked) {
		send_parked(m, wish->session);
		return granted;
	}
	m_settle(m, wish->session, false);
	fill_slots(m);
	return granted;
}

/* --- the end --- */

/* The device has let go of it. */
static void let_go(struct model *m, struct m_call *c)
{
	c->state = M_ENDED;
	c->took = m->now - c->sent;
	if (!c->parked)
		m_served(m, c);
}

void m_done(struct model *m, int call)
{
	let_go(m, &m->calls[call]);
	if (!m->calls[call].answered)
		answer(&m->calls[call], 0);
	m_retry(m);
}

static struct m_call *first_running(struct model *m, int session)
{
	struct m_call *first = NULL;

	for (int i = 0; i < m->n_calls; i++)
		if (m->calls[i].state == M_RUNNING && m->calls[i].session == session &&
		    (!first || m->calls[i].sent_turn < first->sent_turn))
			first = &m->calls[i];
	return first;
}

/* While the session is open, they wait for the reason why its PD died. */
void m_end_calls(struct model *m, int session, int code)
{
	struct m_call *c;

	while ((c = first_running(m, session))) {
		let_go(m, c);
		if (!c->answered && m->sessions[session].state == M_OPEN)
			c->state = M_DOOMED;
		else if (!c->answered)
			answer(c, m->sessions[session].state == M_LOST ? ECONNRESET : code);
		m_retry(m);
	}
}

void m_drop_calls(struct model *m, int session, int code)
{
	for (int i = 0; i < m->n_calls; i++) {
		struct m_call *c = &m->calls[i];

		if (c->session != session || (c->state != M_QUEUED && c->state != M_DOOMED))
			continue;
		answer(c, code);
		c->state = M_ENDED;
	}
	m->sessions[session].stalled = false;
	m->sessions[session].look = 0;
	m_settle(m, session, false);
}

/* What runs stays, abandoned, with all it holds but the room for its answer. */
static void give_up(struct model *m, struct m_call *c, int code)
{
	answer(c, code);
	if (c->state == M_RUNNING)
		return;
	if (c->state == M_QUEUED)
		leave(m, c, M_ENDED);
	c->state = M_ENDED;
	if (c->parked)
		send_parked(m, c->session);
	fill_slots(m);
}

enum m_was m_cancel(struct model *m, int client, uint64_t serial)
{
	for (int i = 0; i < m->n_calls; i++) {
		struct m_call *c = &m->calls[i];
		bool queued = c->state == M_QUEUED;

		if (c->state == M_NO_CALL || c->answered || c->serial != serial ||
		    session_of(m, c)->client != client)
			continue;
		give_up(m, c, ECANCELED);
		return queued ? M_WAS_QUEUED : M_WAS_RUNNING;
	}
	for (int i = 0; i < m->n_sessions; i++) {
		struct m_session *s = &m->sessions[i];

		if (s->state != M_WAITING || s->client != client || s->serial != serial)
			continue;
		s->state = M_NONE;
		return M_WAS_QUEUED;
	}
	return M_WAS_GONE;
}

/* --- time --- */

/* A session that hangs is lost, and its calls are answered. */
static void look(struct model *m, int session)
{
	struct m_session *s = &m->sessions[session];
	uint64_t since = oldest(m, session);

	if (!since || !limit_of(m, s) || since + limit_of(m, s) > m->now) {
		look_later(m, session);
		return;
	}
	m_lost(m, session);
	for (int i = 0; i < m->n_calls; i++)
		if (m->calls[i].state == M_RUNNING && m->calls[i].session == session &&
		    !m->calls[i].answered)
			answer(&m->calls[i], ECONNRESET);
}

/* What comes due next by now: a call's deadline, or the moment to look at a session. */
static bool expire_one(struct model *m)
{
	uint64_t at = m->now, turn = UINT64_MAX;
	int call = -1, session = -1;

	for (int i = 0; i < m->n_calls; i++) {
		const struct m_call *c = &m->calls[i];

		if (c->state == M_NO_CALL || c->answered || !c->deadline ||
		    !is_before(c->deadline, c->turn, at, turn))
			continue;
		call = i;
		at = c->deadline;
		turn = c->turn;
	}
	for (int i = 0; i < m->n_sessions; i++) {
		const struct m_session *s = &m->sessions[i];

		if (!s->look || !is_before(s->look, s->look_turn, at, turn))
			continue;
		session = i;
		at = s->look;
		turn = s->look_turn;
	}
	if (session >= 0)
		look(m, session);
	else if (call >= 0)
		give_up(m, &m->calls[call], ETIME);
	return session >= 0 || call >= 0;
}

void m_expire(struct model *m)
{
	for (int i = 0; i < m->n_sessions; i++)
		if (m->sessions[i].state == M_WAITING && m->sessions[i].deadline <= m->now)
			m->sessions[i].state = M_NONE;
	while (expire_one(m))
		;
}

/* --- another configuration --- */

/* The session that follows in the order of the clients, as they came, and of their sessions. */
static int next_named(const struct model *m, int last)
{
	uint64_t client = 0, number = 0;
	int next = -1;

	if (last >= 0) {
		client = m->clients[m->sessions[last].client].number;
		number = m->sessions[last].number;
	}
	for (int i = 0; i < m->n_sessions; i++) {
		const struct m_session *s = &m->sessions[i];
		const struct m_session *n = &m->sessions[next < 0 ? i : next];

		if (s->state == M_NONE || s->state == M_CLOSING)
			continue;
		if (is_before(client, number, m->clients[s->client].number, s->number) &&
		    (next < 0 || is_before(m->clients[s->client].number, s->number,
					   m->clients[n->client].number, n->number)))
			next = i;
	}
	return next;
}

void m_configure(struct model *m, uint64_t slots, uint64_t session_slots, uint64_t client_slots,
		 uint64_t hang_ms, uint64_t reserved, bool urgent)
{
	m->slots = slots ? slots : m->device_calls - m->device_calls / 4;
	m->session_slots = session_slots;
	m->client_slots = client_slots;
	m->hang = hang_ms * 1000000;
	m->reserved = reserved;
	m->urgent = urgent;
	for (int i = next_named(m, -1); i >= 0; i = next_named(m, i)) {
		m_settle(m, i, false);
		if (m->sessions[i].state == M_OPEN)
			look_later(m, i);
	}
	m_serve(m);
	fill_slots(m);
}
