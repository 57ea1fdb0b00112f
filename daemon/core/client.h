/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client: one connection of one principal, and the table of everything it may name. Made by a
 * front, which owns the connection; counted, since calls and sessions that outlive the connection
 * still charge it.
 */
#pragma once

#include "core/core.h"

struct qda_happening;
struct qda_log_line;
struct qda_session;

/* A uid or gid that has no number in the daemon's user namespace. The kernel calls all of them
 * `nobody`; here no rule about a user or a group matches them. */
#define QDA_ID_UNMAPPED ((uid_t)-1)

/* Who is behind a connection, as the kernel said when it was made. */
struct qda_principal {
	uid_t uid;	/* or QDA_ID_UNMAPPED */
	gid_t gid;	/* or QDA_ID_UNMAPPED */
	pid_t pid;	/* 0: not visible from here (another pid namespace) */
	gid_t *groups;	/* supplementary ones; malloc()ed, taken over by the client */
	unsigned n_groups;
	char unit[QDA_UNIT_MAX];	/* system unit; empty: none, or not known */
	/* For people only, no rule looks at them. Printable; empty: not known. */
	char label[128];	/* of the security module, cut when longer */
	char program[16];	/* what the process calls itself, so it proves nothing */
};

/* What core tells a client unasked. `session` is the client's handle for it. */
struct qda_client_ops {
	void (*session_lost)(void *front, uint64_t session, uint32_t signal, const char *text);
	void (*log)(void *front, uint64_t session, const struct qda_log_line *line);
	void (*domain_changed)(void *front, const char *domain, const char *state);
	/* Only to those who watch (core/monitor.h). */
	void (*happened)(void *front, const struct qda_happening *happening);
	/* Somebody ends the connection: qda_client_gone() follows from the loop. */
	void (*end)(void *front);
};

/* What somebody else than the policy may allow a client: bits 1 << QDA_ADMIN_*, and this one. */
#define QDA_GRANT_PRIVILEGED (1u << QDA_ADMIN_N)	/* a session, and modules in it */

/* Kinds of handles. */
enum qda_handle_kind { QDA_HANDLE_SESSION = 1, QDA_HANDLE_BUFFER, QDA_HANDLE_MODULE };

TAILQ_HEAD(qda_session_list, qda_session);

struct qda_client {
	TAILQ_ENTRY(qda_client) link;	/* core->clients, while connected */
	TAILQ_ENTRY(qda_client) watch_link;	/* core->watchers */
	struct qda_core *core;
	struct qda_user *user;
	const struct qda_client_ops *ops;
	void *front;			/* NULL once gone */
	unsigned refs;
	struct qda_principal principal;
	uint64_t limits[QDA_RES_N];
	struct qda_account account;
	struct qda_charge connection;
	struct qda_charge fds;
	struct qda_slots handles;
	struct qda_session_list sessions;
	struct qda_call_list calls;	/* queued and running, not yet answered */
	uint64_t id;
	uint64_t since_ns;
	uint64_t n_calls, n_refused, busy_ns;
	uint32_t n_sessions, n_buffers, n_modules, calls_now;
	uint32_t parked_now;	/* of calls_now */
	unsigned granted;	/* QDA_GRANT_*, by whom the front asked: while a request is served */
	bool watching;
	char name[65];
};

/* Charge a connection (and the descriptors it keeps) and make its client. principal->groups is
 * taken over when it succeeds. */
int qda_client_new(struct qda_core *core, const struct qda_principal *principal,
		   const struct qda_client_ops *ops, void *front, unsigned n_fds,
		   struct qda_client **out, struct qda_fail *fail);

/* The connection ended: nothing is answered or told any more; sessions are closed, buffers freed,
 * calls cancelled. The front's pointer must not be used afterwards. */
void qda_client_gone(struct qda_client *client);

struct qda_client *qda_client_ref(struct qda_client *client);
void qda_client_unref(struct qda_client *client);

/* May this principal use the DSP at all? 0 or -EACCES with the reason: the answer to Hello. */
int qda_client_check_access(const struct qda_client *client, struct qda_fail *fail);

/* Count a control request: any but Invoke and Cancel. 0, or -EDQUOT with retry_ms: the uid has sent
 * them faster than its quota says. */
int qda_client_take_request(struct qda_client *client, struct qda_fail *fail)
	__attribute__((warn_unused_result));

void qda_client_set_name(struct qda_client *client, const char *name);

/* What the policy answers to this client: 0, or -EACCES with the rule that decided (or that none
 * did), who asked for what, and what to do. In policy.c, as the next three. */
int qda_client_check(const struct qda_client *client, const struct qda_question *question,
		     struct qda_fail *fail);
int qda_client_check_admin(const struct qda_client *client, enum qda_admin admin,
			   struct qda_fail *fail);
/* Is there a domain where its unsigned sessions may have module directories of its own? */
bool qda_client_may_bring_dirs(const struct qda_client *client);
/* May this client see rows of that uid? Its own, or all by admin=status. */
bool qda_client_may_see(const struct qda_client *client, uid_t uid);

/* A handle for an object, charged by the object itself. */
int qda_client_add_handle(struct qda_client *client, void *object, enum qda_handle_kind kind,
			  uint64_t *id, struct qda_fail *fail);

/* Answer a request. No-op for a client that is gone or an empty `to`. Empties it: an answer is
 * given once. */
void qda_reply(struct qda_client *client, struct qda_reply_to *to,
	       const struct qda_outcome *outcome);
void qda_reply_fail(struct qda_client *client, struct qda_reply_to *to,
		    const struct qda_fail *fail);
