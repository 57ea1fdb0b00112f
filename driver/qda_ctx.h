/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A message to the DSP and what it needs until the answer: an id, a payload, mappings. Owned by
 * whoever waits for it and, while the DSP has it, by the table of ids. Whoever waits may leave: the
 * rest stays until the DSP lets go of it.
 */
#ifndef __QDA_CTX_H__
#define __QDA_CTX_H__

#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "fastrpc/fastrpc.h"
#include "qda_memory.h"

struct qda_device;
struct qda_event;
struct qda_map;
struct qda_mapping;
struct qda_session;

enum qda_ctx_kind {
	QDA_CTX_INVOKE,		/* a user's call that is waited for */
	QDA_CTX_SUBMIT,		/* a user's call that ends with an event */
	QDA_CTX_CONTROL,	/* the kernel's: MAP, UNMAP, capabilities */
	QDA_CTX_PROCESS,	/* the kernel's: start or end of the session's PD */
};

/**
 * struct qda_ctx - one message
 * @ref: of those who wait, and of the table
 * @kind: see there
 * @session: counted
 * @msg: what is sent; its ctx word is the identity while in the table
 * @payload: in the session's message memory
 * @id: in the table; 0: not there. Under ids_lock.
 * @call: SUBMIT: name for CANCEL
 * @epoch: MAP, UNMAP: of the session when this was made
 * @event: to be sent at the end; who takes it, sends it. Under ids_lock.
 * @settle: the kernel's messages: what their end means. Runs once, in process context, before
 *	anybody hears of the end.
 * @map: MAP, UNMAP: owned until settled
 * @answer: of the kernel's messages: place in the payload
 * @sent: when
 * @work: to do in process context what ends in an interrupt
 * @done: nothing below changes any more
 * @error: 0 or a negative errno
 * @result: the DSP's
 * @value: for the event, or the caller
 * @n_mappings: in use
 * @mappings: counted; what the DSP may use for this message
 */
struct qda_ctx {
	struct kref ref;
	enum qda_ctx_kind kind;
	struct qda_session *session;
	struct fastrpc_msg msg;
	struct qda_payload payload;
	unsigned int id;
	u64 call;
	u64 epoch;
	struct qda_event *event;
	void (*settle)(struct qda_ctx *ctx);
	struct qda_map *map;
	struct fastrpc_place answer;
	ktime_t sent;
	struct work_struct work;
	struct completion done;
	int error;
	s32 result;
	u64 value;
	u32 n_mappings;
	struct qda_mapping *mappings[];
};

/* With room for so many mappings, of which there are none yet. NULL: out of memory. */
struct qda_ctx *qda_ctx_new(struct qda_session *session, enum qda_ctx_kind kind, u32 mappings);
/* Takes NULL too. Process context. */
void qda_ctx_put(struct qda_ctx *ctx);

/*
 * Send it. 0: it will end, and be settled, whatever happens. -EBUSY, -EPIPE, -EIO: it was not sent
 * and is as before.
 */
int qda_ctx_send(struct qda_ctx *ctx);
/* Wait for its end: ctx->error, or -ERESTARTSYS when the caller is being killed. */
int qda_ctx_wait(struct qda_ctx *ctx);
/* The same, or -ETIMEDOUT: it goes on without the caller. */
int qda_ctx_wait_for(struct qda_ctx *ctx, unsigned int ms);
/* Send a submitted call's event now. -ENOENT. */
int qda_ctx_cancel(struct qda_session *session, u64 call);

/* For settle(): send the event before the rest of the end. */
void qda_ctx_tell(struct qda_ctx *ctx);

/*
 * End all messages to a session's PD, or (NULL) of the whole device; those that start and end PDs
 * are not to the PD. All is settled and told when this returns: of a session also what the DSP was
 * ending at the same time. Process context.
 */
void qda_ctx_fail(struct qda_device *qdev, struct qda_session *session, int error);

#endif
