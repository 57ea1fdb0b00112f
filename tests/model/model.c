/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model. Slow on purpose: every question is answered by looking at all there is.
 */
#include "model.h"

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

static struct m_refusal charge(const struct model *m, int client, int resource, uint64_t amount)
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
	r = charge(m, client, M_CONNECTIONS, 1);
	if (!r.code)
		r = charge(m, client, M_FDS, 1);
	if (r.code)
		return r;
	c->there = true;
	m->numbers++;
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
		s->client = -1;
		s->state = s->bank ? M_CLOSING : M_NONE;
	}
	m->clients[client].there = false;
}

struct m_refusal m_alloc(struct model *m, int client, uint64_t bytes, int *buffer)
{
	struct m_refusal r = charge(m, client, M_BUFFERS, 1);

	if (!r.code)
		r = charge(m, client, M_BYTES, bytes);
	if (!r.code)
		r = charge(m, client, M_FDS, 1);
	if (r.code)
		return r;
	*buffer = m->n_buffers;
	m->buffers[m->n_buffers++] = (struct m_buffer){ true, client, bytes };
	return granted;
}

void m_free(struct model *m, int buffer)
{
	m->buffers[buffer].there = false;
}

/* --- sessions --- */

/* Banks go to the uid that has fewest, then to who asked first. */
static void serve(struct model *m)
{
	for (;;) {
		struct m_session *best = NULL;
		uint64_t fewest = UINT64_MAX;

		for (int i = 0; i < m->n_sessions; i++) {
			struct m_session *s = &m->sessions[i];
			uint64_t has = 0;

			if (s->state != M_WAITING)
				continue;
			for (int k = 0; k < m->n_sessions; k++)
				has += m->sessions[k].bank && m->sessions[k].uid == s->uid;
			if (has < fewest) {
				best = s;
				fewest = has;
			}
		}
		if (!best || m_banks_used(m) >= m->banks)
			return;
		best->state = M_OPENING;
		best->bank = true;
	}
}

struct m_refusal m_open(struct model *m, int client, uint64_t serial, uint64_t wait, int *session)
{
	struct m_refusal r = charge(m, client, M_SESSIONS, 1);
	struct m_session s = { M_OPENING, client, m->clients[client].uid, true, 0, serial, 0 };

	if (!r.code)
		r = charge(m, client, M_BYTES, M_STAGING);
	if (!r.code)
		r = charge(m, client, M_FDS, M_SESSION_FDS);
	if (r.code)
		return r;
	s.number = ++m->numbers;
	if (m_banks_used(m) >= m->banks && !wait)
		return (struct m_refusal){ EUSERS, M_SESSIONS, "device", m->banks,
					   m_banks_used(m) };
	if (m_banks_used(m) >= m->banks) {
		s.state = M_WAITING;
		s.bank = false;
		s.deadline = m->now + wait;
	}
	*session = m->n_sessions;
	m->sessions[m->n_sessions++] = s;
	return granted;
}

void m_close(struct model *m, int session)
{
	struct m_session *s = &m->sessions[session];

	s->client = s->bank ? s->client : -1;
	s->state = s->bank ? M_CLOSING : M_NONE;
}

static void end(struct model *m, struct m_session *s)
{
	s->bank = false;
	s->state = s->state == M_LOST ? M_LOST : M_NONE; /* its client still names a lost one */
	serve(m);
}

void m_opened(struct model *m, int session, bool well)
{
	struct m_session *s = &m->sessions[session];

	if (!well)
		end(m, s);
	else if (s->state == M_OPENING)
		s->state = M_OPEN;
}

void m_closed(struct model *m, int session)
{
	end(m, &m->sessions[session]);
}

void m_lost(struct model *m, int session)
{
	m->sessions[session].state = M_LOST;
}

bool m_cancel(struct model *m, int client, uint64_t serial)
{
	for (int i = 0; i < m->n_sessions; i++) {
		struct m_session *s = &m->sessions[i];

		if (s->state != M_WAITING || s->client != client || s->serial != serial)
			continue;
		s->state = M_NONE;
		return true;
	}
	return false;
}

/* --- time --- */

void m_pass(struct model *m, uint64_t ns)
{
	m->now += ns;
	for (int i = 0; i < m->n_sessions; i++)
		if (m->sessions[i].state == M_WAITING && m->sessions[i].deadline <= m->now)
			m->sessions[i].state = M_NONE;
}

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
