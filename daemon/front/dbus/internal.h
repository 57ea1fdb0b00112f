/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of the D-Bus front.
 *
 * bus.c      the connection, and how it hangs in the loop
 * peer.c     who calls: a core client for each bus name, made when the bus has said who that is
 * request.c  one method call, from the vtable to its answer; error names
 * polkit.c   asking polkit what the policy does not allow
 * objects.c  the tree: domains, clients, their properties, signals
 * manager.c, session.c, invoke.c: methods
 */
#pragma once

#include <systemd/sd-bus.h>
#include <uv/tree.h>

#include "core/client.h"
#include "core/fail.h"
#include "front/dbus/dbus.h"
#include "front/front.h"
#include "front/metrics.h"
#include "util/nudge.h"

#define QDA_DBUS_NAME	 "org.qdad.Broker1"
#define QDA_DBUS_PATH	 "/org/qdad/Broker1"
#define QDA_DBUS_MANAGER QDA_DBUS_NAME ".Manager"
#define QDA_DBUS_DOMAIN	 QDA_DBUS_NAME ".Domain"
#define QDA_DBUS_CLIENT	 QDA_DBUS_NAME ".Client"
#define QDA_DBUS_SESSION QDA_DBUS_NAME ".Session"

#define QDA_DBUS_OPTIONS_MAX 8u	   /* more than any method knows */
#define QDA_DBUS_INLINE_MAX 61440u /* in and out bytes of one Invoke, as on the socket */
#define QDA_DBUS_PARKED_MAX 16u	   /* messages of one name that wait for their turn */
#define QDA_DBUS_ASKING_MAX 128u   /* names that the bus is being asked about */
#define QDA_DBUS_POLKIT_MAX 4u	   /* questions of one name to polkit */

struct qda_dbus_peer;
struct qda_session;

RB_HEAD(qda_dbus_peers, qda_dbus_peer);
TAILQ_HEAD(qda_dbus_peer_list, qda_dbus_peer);
TAILQ_HEAD(qda_dbus_answers, qda_dbus_answer);

struct qda_dbus {
	struct qda_front *front;
	struct qda_dbus_config config;
	sd_bus *bus;			/* NULL: there is none now */
	uv_poll_t *poll;		/* of its descriptor; goes with it */
	int events;			/* that the poll waits for */
	uv_timer_t timer;		/* what sd-bus wants to do next, or the next try */
	uv_timer_t patience;		/* runs as long as the bus takes nothing */
	uint32_t unread;		/* by the bus, when it began */
	uv_prepare_t prepare;
	unsigned open_handles;
	bool told;			/* that there is no bus */
	bool lost;			/* the connection ended: seen to from the loop */
	struct qda_dbus_peers peers;
	struct qda_dbus_peer_list doomed;
	uv_idle_t reaper;		/* runs as long as there are some */
	uv_timer_t roll;		/* runs as long as there are peers, but while it is called */
	sd_bus_slot *calling;
	unsigned n_asking;
	struct qda_nudge nudge;		/* while messages go: with them go descriptors */
	uint64_t next_serial;		/* of requests that nobody can cancel */
	uint8_t bytes[QDA_DBUS_INLINE_MAX];	/* inline data of the call at hand */
};

/* One bus name. While the bus is asked who it is, its messages wait in `parked`; then they are put
 * behind what was read meanwhile, and what comes before them is put behind them. */
struct qda_dbus_peer {
	RB_ENTRY(qda_dbus_peer) node;
	TAILQ_ENTRY(qda_dbus_peer) doomed_link;
	struct qda_dbus *dbus;
	struct qda_client *client;	/* NULL: not known yet */
	sd_bus_slot *asking;
	sd_bus_message *parked[QDA_DBUS_PARKED_MAX];
	unsigned n_parked;
	struct qda_dbus_answers answers;
	unsigned n_polkit;
	struct qda_metrics_cursor metrics;
	bool doomed, logs;
	bool is_there;			/* while the roll is called */
	uint32_t logs_dropped;		/* lines since the last one that was sent */
	char name[256];			/* ":1.42"; none is longer */
};

/* An answer that is owed: what is kept of the message it answers, and what core or polkit will
 * say. */
struct qda_dbus_answer {
	TAILQ_ENTRY(qda_dbus_answer) link;	/* peer->answers */
	struct qda_dbus_peer *peer;
	sd_bus_message *message;
	sd_bus_slot *slot;		/* polkit */
	const struct qda_dbus_method *method;
	uint16_t n_outs, n_out_handles;
	uint32_t outs[];		/* Invoke: lengths of inline outputs */
};

/* A method call that is being served. */
struct qda_dbus_request {
	struct qda_dbus *dbus;
	struct qda_dbus_peer *peer;
	sd_bus_message *message;
	const struct qda_dbus_method *method;
	struct qda_session *session;	/* of its path, or NULL */
	unsigned grant;			/* out: what polkit may grant when the policy does not */
};

/* 0 when it has answered or will; a negative errno with *fail: then the caller refuses. It may be
 * called a second time when polkit has granted something, and checks everything anew. */
struct qda_dbus_method {
	int (*run)(struct qda_dbus_request *r, struct qda_fail *fail);
	/* Asynchronous ones: the answer when core's work succeeded. */
	int (*answer)(struct qda_dbus_answer *answer, const struct qda_outcome *outcome);
	bool needs_access;		/* to the DSP, by the policy */
	bool of_session;		/* its path names a session, which must be the caller's */
	unsigned grant;			/* what polkit may grant for it, always */
};

/* --- bus.c --- */

/* Nothing should be sent that can be left out. */
bool qda_dbus_is_stuck(const struct qda_dbus *dbus);
/* Give up a reference to a message of others, outside of what the bus calls us for. */
void qda_dbus_forget(struct qda_dbus *dbus, sd_bus_message *message);

/* --- peer.c --- */

int qda_dbus_peers_start(struct qda_dbus *dbus);
void qda_dbus_peers_end(struct qda_dbus *dbus);
/* Somebody has ended this one: its end comes from the loop. */
void qda_dbus_peer_doom(struct qda_dbus_peer *peer);
/* The roll is called. */
void qda_dbus_peers_count(uv_timer_t *roll);
/* The reaper. */
void qda_dbus_peers_reap(uv_idle_t *reaper);
/* Known ones only. NULL for messages of the bus itself. */
struct qda_dbus_peer *qda_dbus_peer_of(struct qda_dbus *dbus, sd_bus_message *message);
/* Of a client of core; NULL when it is not of the bus. */
struct qda_dbus_peer *qda_dbus_peer_of_client(const struct qda_client *client);
struct qda_dbus_peer *qda_dbus_peer_first(struct qda_dbus *dbus);
int qda_dbus_peer_compare(const struct qda_dbus_peer *a, const struct qda_dbus_peer *b);
RB_PROTOTYPE(qda_dbus_peers, qda_dbus_peer, node, qda_dbus_peer_compare)

/* --- request.c --- */

/* org.qdad.Error.* of a failure: the one place where errnos become names. */
const char *qda_dbus_error_name(const struct qda_fail *fail);
/* Text that others chose, as D-Bus allows it. Returns `to`. */
const char *qda_dbus_clean(const char *text, char *to, size_t size);
/* Refuse a message, and count that. `peer` may be NULL. */
int qda_dbus_refuse(struct qda_dbus *dbus, struct qda_dbus_peer *peer, sd_bus_message *message,
		    const struct qda_fail *fail);
/* From the handler of a vtable: what it returns. */
int qda_dbus_serve(struct qda_dbus *dbus, sd_bus_message *message,
		   const struct qda_dbus_method *method);
/* Again, with what polkit granted. */
int qda_dbus_serve_granted(struct qda_dbus_answer *answer, unsigned grant);
/* An a{sv} of options: read_one() is given each name, with the value to read, and refuses those it
 * does not know with a negative errno; `known` says which there are. */
int qda_dbus_read_options(sd_bus_message *m, const char *known,
			  int (*read_one)(sd_bus_message *m, const char *name, void *to), void *to,
			  struct qda_fail *fail);
/* Arguments were not what the signature says: cannot happen behind sd-bus's check, but is refused.
 */
int qda_dbus_bad_message(struct qda_fail *fail);
/* An answer that says nothing. */
int qda_dbus_answer_done(const struct qda_dbus_request *r);
/* An answer that comes later; n_outs lengths fit. again: the arguments are kept, for another run().
 * NULL: out of memory, with *fail. */
struct qda_dbus_answer *qda_dbus_answer_new(const struct qda_dbus_request *r, bool again,
					    unsigned n_outs, struct qda_fail *fail);
void qda_dbus_answer_free(struct qda_dbus_answer *answer);
/* Where core's answer goes. serial 0: one that nobody can name. */
struct qda_reply_to qda_dbus_reply_to(struct qda_dbus_answer *answer, uint64_t serial);
/* The end of a run() that gave `answer` to core: frees it when core refused. Returns e. */
int qda_dbus_started(struct qda_dbus_answer *answer, int e);

/* --- polkit.c --- */

/* Ask whether the caller may. 0: the answer comes later. A negative errno when it cannot be asked;
 * *fail stays as it is. `why` is the answer when polkit does not say yes. */
int qda_dbus_polkit_ask(const struct qda_dbus_request *r, unsigned grant,
			const struct qda_fail *why);

/* --- the tree --- */

int qda_dbus_objects_add(struct qda_dbus *dbus);		/* objects.c */
/* Userdata of each is the front: what a path names is looked up each time. */
extern const sd_bus_vtable qda_dbus_manager_vtable[];	/* manager.c */
extern const sd_bus_vtable qda_dbus_session_vtable[];	/* session.c */
extern const struct qda_client_ops qda_dbus_client_ops;	/* objects.c */
extern const struct qda_dbus_method qda_dbus_invoke;	/* invoke.c */

#define QDA_DBUS_PATH_MAX 64u

void qda_dbus_session_path(const struct qda_session *session, char path[QDA_DBUS_PATH_MAX]);
/* The session that a path names, whoever it belongs to, or NULL. */
struct qda_session *qda_dbus_session_find(struct qda_dbus *dbus, const char *path);
struct qda_session *qda_dbus_session_by_handle(const struct qda_client *client, uint64_t handle);
/* InterfacesAdded and InterfacesRemoved, for its owner. */
void qda_dbus_session_added(struct qda_dbus_peer *peer, const struct qda_session *session);
void qda_dbus_session_removed(struct qda_dbus_peer *peer, const char *path);
