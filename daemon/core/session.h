/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A session: one protection domain on the DSP with the calls that wait for it, the staging memory
 * that inline arguments are packed into, the modules opened in it and the keys its buffers are
 * known under.
 *
 * Life: WAITING, when all context banks are in use and the client will wait for one (waiting.h),
 * OPENING until the device answers, OPEN, then CLOSING (client closed it or went) or LOST
 * (the PD died). A lost session keeps its handle, so that calls on it learn why, until the client
 * closes it; its context bank is given back at once. The object goes when neither the client's
 * handle nor the device's session nor a running call refers to it.
 */
#pragma once

#include "core/schedule.h"
#include "util/runs.h"

struct qda_buffer;
struct qda_device_session;
struct qda_device_buffer;
struct qda_device_done;
struct qda_device_lost;
struct qda_waiting;

#define QDA_STAGING_PAGES 64u
#define QDA_SESSION_FDS 5u	/* descriptors a session costs: staging and what the device keeps */
#define QDA_SESSION_DIRS 8u
#define QDA_STAGING_BYTES (QDA_STAGING_PAGES * 4096u)

enum qda_session_state {
	QDA_SESSION_WAITING,
	QDA_SESSION_OPENING,
	QDA_SESSION_OPEN,
	QDA_SESSION_CLOSING,
	QDA_SESSION_LOST,
};

TAILQ_HEAD(qda_module_list, qda_module);
TAILQ_HEAD(qda_map_list, qda_map);

struct qda_session {
	TAILQ_ENTRY(qda_session) link;		/* client->sessions while it has a handle */
	TAILQ_ENTRY(qda_session) ready_link;	/* share->ready, or stalled, of the schedule */
	TAILQ_ENTRY(qda_session) parked_link;	/* domain->parkers */
	struct qda_client *client;		/* ref */
	struct qda_domain *domain;
	struct qda_device_session *device;	/* NULL while there is none, and once given back */
	struct qda_waiting *waiting;		/* owned; WAITING */
	struct qda_call_list queue[QDA_LEVELS];	/* waiting for a slot */
	struct qda_call_list parked_queue;	/* parked ones that the device had no room for */
	struct qda_call_list running;		/* on the DSP, in the order of their start */
	struct qda_call_list parked_running;
	struct qda_call_list doomed;		/* ended with the PD, to be told why it died */
	struct qda_module_list modules;
	struct qda_map_list maps;
	struct qda_reply_to open_to, close_to;
	struct qda_device_buffer *staging;
	uint8_t *staging_view;
	struct qda_runs runs;			/* of staging */
	struct qda_charge count, bytes, fd;
	enum qda_session_state state;
	enum qda_session_kind kind;
	uint32_t hang_ms;			/* as the client asked; 0: the domain's */
	uint64_t handle;			/* the client's; 0 when it has none (any more) */
	uint64_t number;			/* for people */
	uint64_t cookie, open_cookie, close_cookie;
	uint64_t since_ns, n_calls, busy_ns;
	uint32_t queued, in_flight, n_modules;
	uint32_t abandoned;			/* of in_flight: answered, but still on the DSP */
	uint32_t parked;			/* calls, waiting and running ones */
	struct qda_deadline hang, late;		/* of its oldest call; of its end: core/watch.h */
	bool quarantined;
	struct qda_client_share *share;
	uint64_t usual_ns;			/* what a call of it takes */
	int level;				/* of share->ready; -1: in none */
	unsigned refs;				/* the session itself, and its calls */
	bool stalled;				/* in the schedule's list of those */
	unsigned may;				/* 1 << QDA_WISH_*: policy was asked and said so */
	bool granted;				/* privileged by a grant: so are modules in it */
	uint32_t lost_signal;
	char lost_text[512];
};

/* A buffer shown to the PD under a key. */
struct qda_map {
	TAILQ_ENTRY(qda_map) link;	/* session->maps */
	struct qda_session *session;	/* owns the map */
	struct qda_buffer *buffer;	/* ref */
	struct qda_charge charge;
	struct qda_reply_to to;
	uint64_t cookie;
	uint64_t size;			/* of the part that is shown */
	uint32_t key;
	enum { QDA_MAP_MAKING, QDA_MAP_MADE, QDA_MAP_UNMAKING } state;
};

struct qda_session_request {
	const char *domain;		/* empty: the first one */
	enum qda_session_kind kind;
	const int *dir_fds;		/* module directories; they stay the caller's */
	unsigned n_dirs;
	uint32_t wait_ms;		/* for a context bank when all are in use; 0: not at all */
	uint32_t hang_ms;		/* how long a call may hold its slot; 0: as the domain says */
};

/* The answer carries the session's handle. */
int qda_session_open(struct qda_client *client, const struct qda_session_request *request,
		     const struct qda_reply_to *to, struct qda_fail *fail);
int qda_session_close(struct qda_client *client, uint64_t handle, const struct qda_reply_to *to,
		      struct qda_fail *fail);
/* The client is gone. */
void qda_session_abandon(struct qda_session *session);

int qda_session_map(struct qda_client *client, uint64_t handle, uint64_t buffer, uint32_t key,
		    uint64_t offset, uint64_t size, const struct qda_reply_to *to,
		    struct qda_fail *fail);
int qda_session_unmap(struct qda_client *client, uint64_t handle, uint32_t key,
		      const struct qda_reply_to *to, struct qda_fail *fail);

/* offset and length lie in what is mapped under `key`. */
int qda_session_check_key(struct qda_session *session, uint64_t key, uint64_t offset,
			  uint64_t length, struct qda_fail *fail);

/* The client's session, open; or NULL with the reason in *fail. */
struct qda_session *qda_session_find_open(struct qda_client *client, uint64_t handle,
					  struct qda_fail *fail);
/* 0 when calls may be sent there, else why not. */
int qda_session_check_open(const struct qda_session *session, struct qda_fail *fail);

struct qda_session *qda_session_ref(struct qda_session *session);
void qda_session_unref(struct qda_session *session);

/* For waiting.c. What the policy, or who granted it, says of such a session. */
int qda_session_check_policy(const struct qda_client *client, const struct qda_domain *domain,
			     enum qda_session_kind kind, unsigned n_dirs, bool granted,
			     struct qda_fail *fail);
/* Have the device open it: 0, -EUSERS when no context bank is free, or another
 * failure with *fail; after one nothing of the device's is left. */
int qda_session_start(struct qda_session *session, const int *dir_fds, unsigned n_dirs,
		      struct qda_fail *fail);
/* It waits no more and will not be opened: answer with *fail and forget it. */
void qda_session_give_up(struct qda_session *session, const struct qda_fail *fail);

/* Forget the key maps; the device has. */
void qda_session_drop_maps(struct qda_session *session);

/* From the domain: completions and events. */
void qda_session_opened(struct qda_session *session, const struct qda_device_done *done);
void qda_session_closed(struct qda_session *session);
void qda_session_lost(struct qda_session *session, const struct qda_device_lost *lost);
void qda_map_done(struct qda_map *map, const struct qda_device_done *done);
void qda_unmap_done(struct qda_map *map, const struct qda_device_done *done);
const char *qda_session_state_name(enum qda_session_state state);
