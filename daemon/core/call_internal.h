/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of a call, for the files of core only: call.c (acceptance), call_run.c (submission to
 * end), module.c (the two calls that core makes for itself), domain.c and session.c (queues).
 */
#pragma once

#include "core/domain.h"
#include "core/session.h"
#include "fastrpc.h"

struct qda_buffer;

enum qda_call_purpose { QDA_CALL_INVOKE, QDA_CALL_MODULE_OPEN, QDA_CALL_MODULE_CLOSE };

enum qda_call_state { QDA_CALL_QUEUED, QDA_CALL_RUNNING, QDA_CALL_DOOMED };

/* An argument while the call lives. */
struct qda_call_slot {
	struct qda_buffer *buffer;	/* ref; BUFFER */
	struct fastrpc_place place;	/* in the call's staging; INLINE */
	bool is_inline;
};

struct qda_call {
	TAILQ_ENTRY(qda_call) link;		/* client->calls, until answered */
	TAILQ_ENTRY(qda_call) queue_link;	/* one of the session's lists, by state */
	SLIST_ENTRY(qda_call) pool_link;
	struct qda_deadline deadline;		/* of the client's */
	struct qda_client *client;		/* ref */
	struct qda_session *session;		/* ref */
	struct qda_reply_to to;
	enum qda_call_purpose purpose;
	enum qda_call_state state;
	bool answered;
	bool staged;
	bool parked;
	uint8_t level;		/* of its queue: enum of schedule.h */
	uint16_t capacity;	/* arguments there is room for */
	uint16_t n_args;
	uint32_t sc;
	uint32_t handle;	/* on the wire */
	uint64_t cookie;
	uint64_t accepted_ns, submitted_ns;
	uint64_t expected_ns;	/* on the DSP, as the schedule thought */
	struct qda_charge count, parked_charge, out_bytes, out_handles, held_charge;
	uint32_t staging_size;	/* bytes; 0: no inline argument */
	int staging_first;	/* page */
	uint8_t *held;		/* inline in bytes while not staged; as many as its charge */
	struct qda_device_arg *args;
	struct qda_call_slot *slots;
};

/* What core needs to know to make a call; args as in qda_call_request. */
struct qda_call_spec {
	enum qda_call_purpose purpose;
	uint32_t handle;
	const struct qda_call_request *request;
	const struct qda_reply_to *to;	/* NULL: nobody waits */
};

/* Validate, charge, pack, queue, and start if the domain has room. */
int qda_call_start(struct qda_session *session, const struct qda_call_spec *spec,
		   struct qda_fail *fail) __attribute__((warn_unused_result));

/* Pack the inline bytes into staging. 0 or -ENOSPC. */
int qda_call_stage(struct qda_call *call, const uint8_t *in);

/* From the domain. Send the session's next call: 0, -EBUSY (try again later); after any other
 * failure the call has left the queue. */
int qda_session_submit(struct qda_session *session);
/* Send what parked calls of it the device has room for. */
void qda_session_submit_parked(struct qda_session *session);
void qda_call_done(struct qda_call *call, const struct qda_device_done *done);

/* Answer all that run; they are abandoned. */
void qda_session_abandon_calls(struct qda_session *session, const struct qda_fail *fail);

/* End a call that is queued or doomed. */
void qda_call_drop(struct qda_call *call, const struct qda_fail *fail);
/* Its deadline has passed. */
void qda_call_expire(struct qda_deadline *deadline);

/* Inline out argument i (0-based among the out buffers) as bytes in staging; NULL when it has
 * none. */
const uint8_t *qda_call_out(const struct qda_call *call, uint32_t i, size_t *length);
/* The same for argument i of all buffers, in ones first. */
const uint8_t *qda_call_bytes(const struct qda_call *call, uint32_t i, size_t *length);

void qda_call_free_held(struct qda_call *call);
void qda_call_free(struct qda_call *call);
int qda_call_pools_init(struct qda_call_pools *pools);
void qda_call_pools_deinit(struct qda_call_pools *pools);
