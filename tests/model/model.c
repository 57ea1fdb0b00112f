/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model of what is held, and for how long. Slow on purpose: every question is answered by
 * looking at all there is.
 */
#include "model.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static const struct m_refusal granted;

/* --- what is used --- */

static uint64_t of_session(const struct m_session *s, int resource)
{
	bool holds = s->bank || s->state == M_WAITING;

	if (s->state == M_NONE)
		return 0;
	switch (resource) {
	case M_SESSIONS:
		return 1;
	case M_BYTES:
		return holds ? M_STAGING : 0;
	case M_FDS:
		return holds ? M_SESSION_FDS : 0;
	default:
		return 0;
	}
}

static uint64_t of_buffer(const struct m_buffer *b, int resource)
{
	if (!b->there)
		return 0;
	return resource == M_BYTES ? b->bytes : resource == M_BUFFERS || resource == M_FDS;
}

/* What was answered needs no room for its answer. */
static uint64_t of_call(const struct m_call *c, int resource)
{
	if (c->state == M_NO_CALL || c->state == M_ENDED)
		return 0;
	if (resource == M_OUT_BYTES)
		return c->answered ? 0 : M_REPLY;
	return resource == M_CALLS || (resource == M_PARKED && c->parked);
}

static uint64_t of_client(const struct m_client *c, int resource)
{
	return c->there && (resource == M_CONNECTIONS || resource == M_FDS);
}

/* -1: anybody. */
static uint64_t sum(const struct model *m, int client, int uid, int resource)
{
	uint64_t used = 0;

	for (int i = 0; i < M_CLIENTS; i++)
		if ((client < 0 || i == client) && (uid < 0 || m->clients[i].uid == uid))
			used += of_client(&m->clients[i], resource);
	for (int i = 0; i < m->n_sessions; i++)
		if ((client < 0 || m->sessions[i].client == client) &&
		    (uid < 0 || m->sessions[i].uid == uid))
			used += of_session(&m->sessions[i], resource);
	for (int i = 0; i < m->n_calls; i++) {
		const struct m_session *s = &m->sessions[m->calls[i].session];

		if ((client < 0 || s->client == client) && (uid < 0 || s->uid == uid))
			used += of_call(&m->calls[i], resource);
	}
	for (int i = 0; i < m->n_buffers; i++)
		if ((client < 0 || m->buffers[i].client == client) &&
		    (uid < 0 || m->clients[m->buffers[i].client].uid == uid))
			used += of_buffer(&m->buffers[i], resource);
	return used;
}

uint64_t m_used_client(const struct model *m, int client, int resource)
{
	return sum(m, client, -1, resource);
}

uint64_t m_used_uid(const struct model *m, int uid, int resource)
{
	return sum(m, -1, uid, resource);
}

uint64_t m_used_total(const struct model *m, int resource)
{
	return sum(m, -1, -1, resource);
}

uint64_t m_banks_used(const struct model *m)
{
	uint64_t n = 0;

	for (int i = 0; i < m->n_sessions; i++)
		n += m->sessions[i].bank;
	return n;
}

/* --- quotas --- */

/* What others leave, divided by all who hold some, the one who asks, and one more; rounded up. */
static uint64_t share(const struct model *m, int uid, int resource)
{
	uint64_t left = m->total_limit[resource], parts = 1;

	for (int i = 0; i < M_UIDS; i++) {
		uint64_t used = m_used_uid(m, i, resource);

		parts += used || i == uid;
		if (i != uid)
			left -= used < left ? used : left;
	}
	return (left + parts - 1) / parts;
}

struct m_refusal m_charge(const struct model *m, int client, int resource, uint64_t amount)
{
	int uid = m->clients[client].uid;
	uint64_t of_connection = m_used_client(m, client, resource);
	uint64_t of_uid = m_used_uid(m, uid, resource), total = m_used_total(m, resource);

	if (of_connection + amount > m->clients[client].limit[resource])
		return (struct m_refusal){ EDQUOT, resource, "connection",
					   m->clients[client].limit[resource], of_connection };
	if (of_uid + amount > m->uid_limit[uid][resource])
		return (struct m_refusal){ EDQUOT, resource, "uid", m->uid_limit[uid][resource],
					   of_uid };
	if (total + amount > m->total_limit[resource] || of_uid + amount > share(m, uid, resource))
		return (struct m_refusal){ EDQUOT, resource, "total", m->total_limit[resource],
					   total };
	return granted;
}

/* --- clients and buffers --- */

struct m_refusal m_come(struct model *m, int client, int uid)
{
	struct m_client *c = &m->clients[client];
	struct m_refusal r;

	c->uid = uid;
	memcpy(c->limit, m->connection_limit, sizeof(c->limit));
	r = m_charge(m, client, M_CONNECTIONS, 1);
	if (!r.code)
		r = m_charge(m, client, M_FDS, 1);
	if (r.code)
		return r;
	c->there = true;
	c->number = ++m->numbers;
	return granted;
}

void m_go(struct model *m, int client)
{
	for (int i = 0; i < m->n_buffers; i++)
		if (m->buffers[i].client == client)
			m->buffers[i].there = false;
	for (int i = 0; i < m->n_sessions; i++) {
		struct m_session *s = &m->sessions[i];

		if (s->state == M_NONE || s->client != client)
			continue;
		m_close(m, i);
		s->client = -1;
	}
	m->clients[client].there = false;
}

struct m_refusal m_alloc(struct model *m, int client, uint64_t bytes, int *buffer)
{
	struct m_refusal r = m_charge(m, client, M_BUFFERS, 1);

	if (!r.code)
		r = m_charge(m, client, M_BYTES, bytes);
	if (!r.code)
		r = m_charge(m, client, M_FDS, 1);
	if (r.code)
		return r;
	*buffer = 0;
	while (*buffer < m->n_buffers && m->buffers[*buffer].there)
		++*buffer;
	m->n_buffers += *buffer == m->n_buffers;
	assert(m->n_buffers < M_THINGS);
	m->buffers[*buffer] = (struct m_buffer){ true, client, bytes };
	return granted;
}

void m_free(struct model *m, int buffer)
{
	m->buffers[buffer].there = false;
}

/* --- sessions --- */

static uint64_t banks_of(const struct model *m, int uid)
{
	uint64_t n = 0;

	for (int i = 0; i < m->n_sessions; i++)
		n += m->sessions[i].bank && m->sessions[i].uid == uid;
	return n;
}

/* The last ones are for those who have none. */
static uint64_t banks_for(const struct model *m, int uid)
{
	return banks_of(m, uid) ? m->banks - m->reserved : m->banks;
}

/* Banks go to the uid that has fewest, then to who asked first. */
void m_serve(struct model *m)
{
	for (;;) {
		struct m_session *best = NULL;
		uint64_t fewest = UINT64_MAX;

		for (int i = 0; i < m->n_sessions; i++) {
			struct m_session *s = &m->sessions[i];
			uint64_t has = banks_of(m, s->uid);

			if (s->state != M_WAITING)
				continue;
			if (has < fewest || (has == fewest && s->number < best->number)) {
				best = s;
				fewest = has;
			}
		}
		if (!best || m_banks_used(m) >= banks_for(m, best->uid))
			return;
		best->state = M_OPENING;
		best->bank = true;
	}
}

struct m_refusal m_open(struct model *m, int client, uint64_t serial, uint64_t wait_ms,
			uint64_t hang_ms, int *session)
{
	struct m_refusal r = m_charge(m, client, M_SESSIONS, 1);
	struct m_session s = {
		.state = M_OPENING,
		.client = client,
		.uid = m->clients[client].uid,
		.bank = true,
		.serial = serial,
	};

	if (!r.code)
		r = m_charge(m, client, M_BYTES, M_STAGING);
	if (!r.code)
		r = m_charge(m, client, M_FDS, M_SESSION_FDS);
	if (r.code)
		return r;
	s.number = ++m->numbers;
	if (m_banks_used(m) >= banks_for(m, s.uid) && !wait_ms)
		return (struct m_refusal){ EUSERS, M_SESSIONS, "device", banks_for(m, s.uid),
					   m_banks_used(m) };
	if (m_banks_used(m) >= banks_for(m, s.uid)) {
		s.state = M_WAITING;
		s.bank = false;
		s.deadline = m->now + wait_ms * 1000000;
	}
	s.hang = hang_ms * 1000000;
	*session = 0;
	while (*session < m->n_sessions && m->sessions[*session].state != M_NONE)
		++*session;
	m->n_sessions += *session == m->n_sessions;
	assert(m->n_sessions < M_THINGS);
	m->sessions[*session] = s;
	m_join(m, *session);
	return granted;
}

void m_close(struct model *m, int session)
{
	struct m_session *s = &m->sessions[session];

	s->state = s->bank ? M_CLOSING : M_NONE;
	m_drop_calls(m, session, ECANCELED);
}

static void end(struct model *m, struct m_session *s)
{
	s->bank = false;
	s->state = s->state == M_LOST ? M_LOST : M_NONE; /* its client still names a lost one */
	m_serve(m);
	m_retry(m);
}

void m_opened(struct model *m, int session, bool well)
{
	struct m_session *s = &m->sessions[session];

	if (!well) {
		end(m, s);
		return;
	}
	if (s->state == M_OPENING)
		s->state = M_OPEN;
	m_retry(m);
}

/* What runs in it ends with it. */
void m_closed(struct model *m, int session)
{
	m_end_calls(m, session, ECANCELED);
	end(m, &m->sessions[session]);
}

void m_died(struct model *m, int session)
{
	m->sessions[session].dead = true;
	m_end_calls(m, session, ECONNRESET);
}

void m_lost(struct model *m, int session)
{
	m->sessions[session].state = M_LOST;
	m_drop_calls(m, session, ECONNRESET);
}

/* --- requests --- */

/* Each request costs a period of time; of what was not used a burst is saved up. */
bool m_request(struct model *m, int uid)
{
	uint64_t most = m->burst * m->period, credit = m->credit[uid] + m->now - m->credited[uid];

	m->credited[uid] = m->now;
	m->credit[uid] = credit < most ? credit : most;
	if (m->credit[uid] < m->period)
		return false;
	m->credit[uid] -= m->period;
	return true;
}
