/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the broker promises about sessions, buffers, quotas, waiting and the rate of requests
 * (model.c), what becomes of calls (model_calls.c), and which of them goes to the DSP next
 * (model_schedule.c). Said as plainly as possible: nothing is counted along, all is summed up anew
 * from what exists, and who is first is found by looking at everybody. It shares no code with the
 * daemon. test_model.c runs both and compares.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	M_CONNECTIONS,
	M_SESSIONS,
	M_BUFFERS,
	M_BYTES,
	M_CALLS,
	M_PARKED,
	M_OUT_BYTES,
	M_FDS,
	M_RESOURCES
};
enum { M_UIDS = 3, M_CLIENTS = 9, M_FLOWS = 64, M_THINGS = 512 };
enum { M_STAGING = 262144, M_SESSION_FDS = 5, M_REPLY = 1024, M_SESSION_PARKED = 16 };
enum { M_NOWHERE = -1, M_LOW, M_NORMAL, M_HIGH, M_URGENT, M_LEVELS };

enum m_state { M_NONE, M_WAITING, M_OPENING, M_OPEN, M_LOST, M_CLOSING };
enum m_call_state { M_NO_CALL, M_QUEUED, M_RUNNING, M_DOOMED, M_ENDED };
enum m_was { M_WAS_GONE, M_WAS_QUEUED, M_WAS_RUNNING };

/* Nanoseconds of DSP time, divided by a weight. */
__extension__ typedef unsigned __int128 m_time;

/* Turns are numbers that rise: of two things the one with the lower number came first. */
struct m_session {
	enum m_state state;
	int client;		/* -1: gone */
	int uid;
	bool bank;		/* it holds one */
	bool dead;		/* its PD has died; why comes later */
	uint64_t number;	/* as people see it */
	uint64_t serial;	/* of the request */
	uint64_t deadline;	/* WAITING */
	int flow;		/* of its client */
	int level;		/* where it waits for a slot */
	uint64_t turn;		/* since when it waits there, or is stalled */
	bool stalled;
	uint64_t parked_turn;	/* since when parked calls wait for the device */
	uint64_t usual;		/* ns: what a call of it takes */
	uint64_t hang;		/* ns: how long a call may take; 0: as the domain says */
	uint64_t look, look_turn;	/* when to see whether it hangs; 0: not at all */
};

struct m_call {
	enum m_call_state state;
	int session;
	uint64_t serial;
	int level;
	bool parked;
	uint64_t deadline;	/* 0: none */
	uint64_t turn;		/* when it was accepted, */
	uint64_t sent_turn;	/* when it was sent, and in ns: */
	uint64_t sent;
	uint64_t expected;	/* ns that it was thought to take, and took: ENDED */
	uint64_t took;
	bool answered;		/* RUNNING: it is abandoned */
	int code;		/* of the answer */
};

/* A user or a client in the competition for slots. The first M_UIDS are the users. */
struct m_flow {
	int rivals;		/* whom it competes with */
	uint64_t weight;
	m_time used;		/* by calls that have ended */
	int level;		/* where it waits */
	uint64_t turn;		/* since when */
};

/* Those who compete: the clients of a user, or all users. */
struct m_rivals {
	m_time now;		/* what is made up for who begins to wait */
	m_time finish;		/* the most that anybody was served when a call ended */
};

struct m_buffer {
	bool there;
	int client;
	uint64_t bytes;
};

struct m_client {
	bool there;
	int uid;
	uint64_t number;
	uint64_t limit[M_RESOURCES];
};

/* Why not. */
struct m_refusal {
	int code;		/* 0: granted */
	int resource;		/* -1: it is not about one */
	const char *scope;
	uint64_t limit, used;
};

struct model {
	struct m_client clients[M_CLIENTS];
	uint64_t uid_limit[M_UIDS][M_RESOURCES], total_limit[M_RESOURCES];
	struct m_session sessions[M_THINGS];
	struct m_buffer buffers[M_THINGS];
	struct m_call calls[M_THINGS];
	int n_sessions, n_buffers, n_calls;	/* places ever used */
	uint64_t connection_limit[M_RESOURCES];	/* of new ones */
	uint64_t banks, reserved, numbers, now;
	uint64_t period, burst, credit[M_UIDS], credited[M_UIDS];	/* requests: nanoseconds */

	struct m_flow flows[M_FLOWS];
	struct m_rivals rivals[M_UIDS + 1];	/* the last: the users */
	uint64_t turns;
	uint64_t tries;				/* to give the device a call */
	uint64_t usual;				/* ns: what a call takes */
	uint64_t device_calls, device_session_calls;	/* what the device can do */
	uint64_t room, refusals;		/* what it has; how many it refuses all the same */
	uint64_t slots, session_slots, client_slots;	/* calls in flight, at most */
	uint64_t hang;				/* ns; 0: for ever */
	bool urgent;				/* everybody may */
};

/* --- model.c --- */

uint64_t m_used_client(const struct model *m, int client, int resource);
uint64_t m_used_uid(const struct model *m, int uid, int resource);
uint64_t m_used_total(const struct model *m, int resource);
uint64_t m_banks_used(const struct model *m);
/* Who waits for a bank gets it, as far as there are any. */
void m_serve(struct model *m);
struct m_refusal m_charge(const struct model *m, int client, int resource, uint64_t amount);

struct m_refusal m_come(struct model *m, int client, int uid);
void m_go(struct model *m, int client);
struct m_refusal m_alloc(struct model *m, int client, uint64_t bytes, int *buffer);
void m_free(struct model *m, int buffer);
struct m_refusal m_open(struct model *m, int client, uint64_t serial, uint64_t wait_ms,
			uint64_t hang_ms, int *session);
void m_close(struct model *m, int session);
/* The device: opened or not, closed; the PD died, and why is told. */
void m_opened(struct model *m, int session, bool well);
void m_closed(struct model *m, int session);
void m_died(struct model *m, int session);
void m_lost(struct model *m, int session);
bool m_request(struct model *m, int uid);

/* --- model_calls.c --- */

/* What is asked for: session, serial, level, parked, deadline. */
struct m_refusal m_invoke(struct model *m, const struct m_call *wish);
/* A call, or a session that is waited for. */
enum m_was m_cancel(struct model *m, int client, uint64_t serial);
/* The device is done with it. */
void m_done(struct model *m, int call);
/* What has come due by now. */
void m_expire(struct model *m);
/* Calls in flight of all (0: what the device can do), of a session, of a client; banks for those
 * who have none. */
void m_configure(struct model *m, uint64_t slots, uint64_t session_slots, uint64_t client_slots,
		 uint64_t hang_ms, uint64_t reserved, bool urgent);

/* Something has ended on the device: what it had no room for may fit, parked calls first. */
void m_retry(struct model *m);
/* The device ends what runs in a session; what was not sent will not be. */
void m_end_calls(struct model *m, int session, int code);
void m_drop_calls(struct model *m, int session, int code);

/* --- model_schedule.c --- */

void m_begin(struct model *m);
/* A session was asked for. */
void m_join(struct model *m, int session);
void m_weigh(struct model *m, int uid, uint64_t weight);
/* Something changed about a session; `anew`: a call of it began or ended. */
void m_settle(struct model *m, int session, bool anew);
/* A call that held a slot has ended. */
void m_served(struct model *m, const struct m_call *c);
/* Whose turn it is, or -1. */
int m_next_session(struct model *m);
/* What of it goes first, or NULL. */
struct m_call *m_first_queued(struct model *m, int session, bool parked);
/* Parked calls hold none. */
bool m_holds_slot(const struct m_call *c);
/* Calls of a session (-1: of all), abandoned ones too. */
uint64_t m_count(const struct model *m, int session, enum m_call_state state, bool parked);
