/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection: its socket, what could not be sent yet, and its client in core. While output
 * waits nothing is read, so a client that does not read its replies stops only itself.
 */
#pragma once

#include "core/client.h"
#include "front/front.h"

struct qda_out_packet;
TAILQ_HEAD(qda_out_list, qda_out_packet);

struct qda_conn {
	uv_poll_t poll;
	uv_timer_t timer;		/* until Hello; then to send again what the kernel had no
					 * memory for */
	TAILQ_ENTRY(qda_conn) link;
	struct qda_front *front;
	struct qda_client *client;	/* NULL once closing */
	struct qda_out_list out;
	uint64_t last_serial;
	uint32_t events;		/* subscription mask */
	uint32_t logs_dropped, events_dropped;
	uint32_t fds_sent;		/* since all that was sent was known to be read */
	int fd;
	int pidfd;			/* -1: the kernel has none to give */
	unsigned open_handles;		/* of uv, for freeing */
	bool greeted;
	bool doomed;			/* to be closed at its next event */
};

/* Takes the descriptors over, also on failure; principal->groups only when it succeeds. */
int qda_conn_new(struct qda_front *front, int fd, const struct qda_principal *principal, int pidfd,
		 struct qda_fail *fail);
void qda_conn_close(struct qda_conn *conn);

/* End it, from wherever: the socket is shut down now, the rest follows from the loop. */
void qda_conn_doom(struct qda_conn *conn);
/* The same, saying why as the protocol does: in a reply to Hello with serial 0. */
void qda_conn_end(struct qda_conn *conn, const struct qda_fail *fail);

/* Send `n` bytes of front->tx with at most one descriptor, now or when there is room. Returns false
 * when that would pass the client's out_bytes; the packet is gone then. */
bool qda_conn_send(struct qda_conn *conn, size_t n, int fd);

/* May one more descriptor be sent? Those that nobody has read yet count against the daemon's user
 * as a whole: no client may hold many of them. */
bool qda_conn_may_send_fd(struct qda_conn *conn);

/* In dispatch.c: one request, whose descriptors stay the caller's. whole: they all arrived. Returns
 * 0, or a negative errno for what ends the connection. */
int qda_dispatch_request(struct qda_conn *conn, struct qda_packet *packet, bool whole);
/* In dispatch.c: what core tells a client unasked. */
extern const struct qda_client_ops qda_conn_client_ops;

/* Rows of a status page, and where they lie while the reply is encoded. */
struct qda_rows {
	struct qda_msg_domain domains[QDA_ROWS_MAX];
	struct qda_msg_client_row clients[QDA_ROWS_MAX];
	struct qda_msg_session_row sessions[QDA_ROWS_MAX];
};

/* In rows.c: fill rows and the reply that points to them. */
void qda_rows_domains(struct qda_core *core, struct qda_rows *rows, uint32_t *n);
void qda_rows_status(struct qda_conn *conn, uint32_t kind, uint64_t cursor, struct qda_rows *rows,
		     struct qda_msg_reply *reply);
