/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket front: listens, takes connections, translates the protocol to calls of core and back.
 * Owned by main; one loop.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <uv.h>

#include "codec.h"
#include "core/core.h"
#include "frame.h"
#include "front/listen.h"

TAILQ_HEAD(qda_conn_list, qda_conn);

struct qda_front_config {
	const char *socket_path;
	int handed_fd;			/* listens already, its file is another's; -1: none */
	mode_t mode;			/* of the socket file */
	uint32_t hello_ms;		/* a connection must say Hello within */
	const char *version;		/* "qdad 0.1.0" */
	/* Read the configuration anew, for this client, and tell those who watch. 0: it holds now,
	 * and fail->text says what of it needs a restart ("" is nothing). Else a negative errno
	 * with *fail, and the old one holds. */
	int (*reload)(void *owner, const struct qda_client *by, struct qda_fail *fail);
	void *owner;
};

struct qda_disposer;

struct qda_front {
	uv_poll_t listener;
	uv_timer_t retry;		/* accept again after running out of descriptors */
	struct qda_front_config config;
	struct qda_core *core;
	uv_loop_t *loop;
	struct qda_disposer *disposer;	/* of descriptors that clients sent */
	struct qda_conn_list conns;
	uint64_t epoch;
	uint64_t n_dropped;		/* connections ended for misbehaviour */
	struct qda_listen socket;
	int reserve_fd;			/* given up to turn one more client away */
	bool listening;
	struct qda_decoder decoder;
	uint8_t rx[QDA_MESSAGE_MAX];
	uint8_t tx[QDA_MESSAGE_MAX];
};

/* Listen at config->socket_path (its directory must exist; a stale socket is replaced). Nobody is
 * served yet. */
int qda_front_new(uv_loop_t *loop, struct qda_core *core, const struct qda_front_config *config,
		  struct qda_front **out);
/* Take connections; those who came before wait. */
void qda_front_begin(struct qda_front *front);
/* For connections from now on. */
void qda_front_set_hello_ms(struct qda_front *front, uint32_t hello_ms);
/* Take no more connections; the socket file goes. */
void qda_front_stop(struct qda_front *front);
/* End all connections. Memory goes when the loop has run the close callbacks: call qda_front_free()
 * after that. */
void qda_front_close(struct qda_front *front);
struct qda_front *qda_front_free(struct qda_front *front);
