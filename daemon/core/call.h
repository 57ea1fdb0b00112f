/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A call: one invocation on its way through the broker. It owns its charges and references to
 * client, session and buffers, and is answered exactly once: by the DSP, by its deadline, by
 * cancel, or by the end of its session. A call that was answered while it ran is abandoned: its
 * memory and charges stay until the DSP lets go.
 *
 * Inline arguments are packed into the session's staging memory by the rules of driver/fastrpc, so
 * that to the device all arguments are places in buffers. If staging is full the bytes wait in
 * `held`.
 *
 * Objects come from two pools, for few and for many arguments, and `held` from a third, that keep
 * what a steady load needs: no heap then. What a burst took beyond that goes back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "util/blocks.h"

struct qda_call;
struct qda_client;
struct qda_core;
struct qda_device_done;
struct qda_fail;
struct qda_module;
struct qda_outcome;
struct qda_reply_to;
struct qda_session;

enum { QDA_CALL_FEW_ARGS = 16, QDA_CALL_MAX_ARGS = 540, QDA_CALL_MAX_OUT_HANDLES = 15 };

TAILQ_HEAD(qda_call_list, qda_call);
SLIST_HEAD(qda_call_stack, qda_call);

/* Free objects, and room to plan one call in. */
struct qda_call_pools {
	struct qda_call_stack few, many;
	unsigned n_few, n_many;
	struct qda_blocks held;
	struct qda_call_scratch *scratch;
};

enum qda_call_arg_kind {
	QDA_CALL_INLINE,	/* in or out buffer; ref: where it stands at the caller */
	QDA_CALL_BUFFER,	/* in or out buffer; ref: handle of a buffer */
	QDA_CALL_KEY,		/* in handle; ref: key */
	QDA_CALL_NUMBER,	/* in handle; ref: the number. Out handle: a number is wanted */
	QDA_CALL_MODULE,	/* in handle; ref: a module. Out handle: a module is wanted */
};

/* Order among the queued calls of one uid: a higher one goes first. Urgent ones go before calls of
 * other uids, too: only where the policy allows it (QDA_WISH_URGENT). */
enum { QDA_CALL_LOW = -1, QDA_CALL_NORMAL, QDA_CALL_HIGH, QDA_CALL_URGENT };

/* One argument as a front gives it. Order as in FastRPC: in, out, in handles, out handles. */
struct qda_call_arg {
	uint32_t kind;
	uint64_t ref;
	uint64_t offset;
	uint64_t length;
};

struct qda_call_request {
	uint64_t module;		/* handle */
	uint32_t sc;
	uint32_t n_args;		/* exactly what sc says */
	const struct qda_call_arg *args;
	const uint8_t *in;		/* inline bytes, one argument after the other */
	size_t n_in;
	uint64_t timeout_us;		/* 0 none */
	int32_t priority;		/* QDA_CALL_LOW to QDA_CALL_URGENT */
	/* It waits in its method for something outside (a listener, a queue), maybe for ever: it
	 * takes no slot from others, counts as no DSP time, and may not be many. Nobody can see
	 * whether it does: only where the policy allows it (QDA_WISH_PARKED). */
	bool parked;
};

struct qda_out_handle {
	uint64_t handle;
	uint64_t number;
};

/* The result of a call that ran. */
struct qda_invoked {
	const struct qda_call *call;	/* for qda_call_copy_outs() */
	int32_t dsp_result;
	uint64_t dsp_ns, queue_ns;
	uint32_t n_out_handles;
	struct qda_out_handle out_handles[QDA_CALL_MAX_OUT_HANDLES];
};

enum qda_call_was { QDA_CALL_WAS_GONE, QDA_CALL_WAS_QUEUED, QDA_CALL_WAS_RUNNING };

int qda_call_invoke(struct qda_client *client, const struct qda_call_request *request,
		    const struct qda_reply_to *to, struct qda_fail *fail);
/* Also a request for a session that waits for a context bank. */
enum qda_call_was qda_call_cancel(struct qda_client *client, uint64_t serial);

/* Bytes of the inline out arguments, one after the other. They fit: the sum was checked at
 * acceptance. */
size_t qda_call_copy_outs(const struct qda_call *call, uint8_t *to, size_t room);
