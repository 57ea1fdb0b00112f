/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A request while it is served, for the files that hold handlers: dispatch.c with the table and
 * what clients do, admin.c with what administrators do.
 *
 * A handler returns 0 when it has answered or will, or a negative errno with *fail filled: then the
 * refusal is sent by its caller.
 */
#pragma once

#include "front/conn.h"

struct qda_request {
	struct qda_conn *conn;
	const struct qda_frame *frame;
	const struct qda_msg_request *msg;
	struct qda_packet *packet;
	bool whole;	     /* all descriptors of the message arrived */
	const uint8_t *rest; /* inline data behind the body */
	size_t n_rest;
};

/* Send the reply. fd is lent, or -1. */
void qda_request_answer(const struct qda_request *r, const struct qda_msg_reply *reply, int fd);
/* When e is 0, a reply that says nothing but success. Returns e. */
int qda_request_answer_done(const struct qda_request *r, int e);

/* In admin.c. */
int qda_handle_reload(const struct qda_request *r, struct qda_fail *fail);
int qda_handle_quota_get(const struct qda_request *r, struct qda_fail *fail);
int qda_handle_quota_set(const struct qda_request *r, struct qda_fail *fail);
int qda_handle_kill(const struct qda_request *r, struct qda_fail *fail);
int qda_handle_policy_check(const struct qda_request *r, struct qda_fail *fail);
