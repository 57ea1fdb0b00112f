/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the broker promises about sessions, buffers, quotas, waiting and the rate of requests, said
 * as plainly as possible: nothing is counted along, all is summed up anew from what exists. It
 * shares no code with the daemon. test_model.c runs both and compares.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { M_CONNECTIONS, M_SESSIONS, M_BUFFERS, M_BYTES, M_FDS, M_RESOURCES };
enum { M_UIDS = 3, M_CLIENTS = 9, M_THINGS = 4096, M_STAGING = 262144, M_SESSION_FDS = 5 };

enum m_state { M_NONE, M_WAITING, M_OPENING, M_OPEN, M_LOST, M_CLOSING };

struct m_session {
	enum m_state state;
	int client;		/* -1: gone */
	int uid;
	bool bank;		/* it holds one */
	uint64_t number;	/* as people see it */
	uint64_t serial;	/* of the request */
	uint64_t deadline;	/* WAITING */
};

struct m_buffer {
	bool there;
	int client;
	uint64_t bytes;
};

struct m_client {
	bool there;
	int uid;
	uint64_t limit[M_RESOURCES];
};

/* Why not. */
struct m_refusal {
	int code;		/* 0: granted */
	int resource;
	const char *scope;
	uint64_t limit, used;
};

struct model {
	struct m_client clients[M_CLIENTS];
	uint64_t uid_limit[M_UIDS][M_RESOURCES], total_limit[M_RESOURCES];
	struct m_session sessions[M_THINGS];	/* in the order of their requests */
	int n_sessions;
	struct m_buffer buffers[M_THINGS];
	int n_buffers;
	uint64_t connection_limit[M_RESOURCES];	/* of new ones */
	uint64_t banks, numbers, now;
	uint64_t period, burst, credit[M_UIDS], credited[M_UIDS];	/* requests: nanoseconds */
};

uint64_t m_used_client(const struct model *m, int client, int resource);
uint64_t m_used_uid(const struct model *m, int uid, int resource);
uint64_t m_used_total(const struct model *m, int resource);
uint64_t m_banks_used(const struct model *m);

struct m_refusal m_come(struct model *m, int client, int uid);
void m_go(struct model *m, int client);
struct m_refusal m_alloc(struct model *m, int client, uint64_t bytes, int *buffer);
void m_free(struct model *m, int buffer);
struct m_refusal m_open(struct model *m, int client, uint64_t serial, uint64_t wait, int *session);
void m_close(struct model *m, int session);
/* The device: opened or not, closed; the PD died. */
void m_opened(struct model *m, int session, bool well);
void m_closed(struct model *m, int session);
void m_lost(struct model *m, int session);
bool m_cancel(struct model *m, int client, uint64_t serial);
void m_pass(struct model *m, uint64_t ns);
bool m_request(struct model *m, int uid);
