/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The service manager: the sockets that it hands over, and what it is told of the daemon. Without
 * one ($NOTIFY_SOCKET, $LISTEN_FDS) all of this does nothing.
 */
#pragma once

#include <stdbool.h>
#include <uv.h>

struct qda_core;

/* Listening sockets of the manager, which are served instead of own ones; -1: none. */
struct qda_handed {
	int requests;	/* SOCK_SEQPACKET */
	int metrics;	/* SOCK_STREAM */
};

struct qda_notify {
	uv_timer_t timer;	/* signs of life and status */
	struct qda_core *core;
	bool alive;		/* the timer is initialised and not closed */
	bool ready;		/* told, or nobody to tell */
	char status[256];	/* as last told */
	unsigned states;	/* of domains, two bits each, then */
};

/* What was handed over. 0, or -EINVAL when it is of no use; *why says then what. Before anything
 * else opens descriptors. */
int qda_notify_take_sockets(struct qda_handed *out, const char **why);

/* Signs of life from now on, as often as the manager's watchdog wants them. */
int qda_notify_init(struct qda_notify *notify, uv_loop_t *loop, struct qda_core *core);
/* What is true now. Ready is told once; reloading ends with reloaded. */
void qda_notify_ready(struct qda_notify *notify);
/* Before the loop waits: a domain that is up or down since is told at once, the rest now and then.
 */
void qda_notify_look(struct qda_notify *notify);
void qda_notify_reloading(struct qda_notify *notify);
void qda_notify_reloaded(struct qda_notify *notify);
/* Signs of life go on until deinit: the end may take as long as calls do. */
void qda_notify_stopping(struct qda_notify *notify);
/* Twice is fine. */
void qda_notify_deinit(struct qda_notify *notify);
