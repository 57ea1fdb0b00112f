/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A module: a remote handle of a session, opened by URI or made by a method as an out handle. The
 * client names it by a handle of its own; the wire handle never leaves the daemon.
 */
#pragma once

#include "core/session.h"

struct qda_module {
	TAILQ_ENTRY(qda_module) link;	/* session->modules */
	struct qda_session *session;	/* owns the module */
	struct qda_charge charge;
	uint64_t handle;
	uint32_t wire;
	char uri[96];		/* how it was opened, cut; empty: a method made it. For people */
};

/* Load by URI; the answer carries the handle. */
int qda_module_open(struct qda_client *client, uint64_t session, const char *uri,
		    const struct qda_reply_to *to, struct qda_fail *fail);
/* The handle is gone at once; the answer comes when the DSP has closed its side. Calls under way
 * end by themselves. */
int qda_module_close(struct qda_client *client, uint64_t handle, const struct qda_reply_to *to,
		     struct qda_fail *fail);

struct qda_module *qda_module_find(struct qda_client *client, uint64_t handle,
				   struct qda_fail *fail);

/* Take a wire handle into the session under a charge made before. NULL when memory is short, or the
 * session is not open any more. */
struct qda_module *qda_module_adopt(struct qda_session *session, uint32_t wire,
				    struct qda_charge *charge);
/* Forget the object; the DSP side is somebody else's care. */
void qda_module_free(struct qda_module *module);

/* Have the DSP close a wire handle that nobody will name. */
void qda_module_drop_wire(struct qda_session *session, uint32_t wire);

/* The answers of remotectl, from qda_call. */
void qda_module_opened(struct qda_call *call, int32_t result);
void qda_module_closed(struct qda_call *call, int32_t result);
