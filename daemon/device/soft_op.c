// SPDX-License-Identifier: BSD-3-Clause
/*
 * Process control calls of the soft device: handle 1, on the control channel, with a payload in the
 * session's control memory.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "device/soft.h"

/* With an id in hand, write the payload and send it. */
static void op_send(struct soft_op *op)
{
	struct qda_device_session *session = op->wait.session;
	uint32_t offset = op->page * SOFT_PAGE;
	uint64_t addr = soft_addr(session->bank, SOFT_CTL_ADDR + offset);
	uint8_t *payload = (uint8_t *)session->control->view + offset;
	struct fastrpc_msg msg;
	uint32_t sc = 0;
	int r;

	r = fastrpc_ctl_write(payload, addr, &op->ctl, &sc, &op->rsp);
	assert(!r);
	fastrpc_request(&msg, 0, 0, op->wait.ctx, FASTRPC_HANDLE_PROCESS, sc, addr,
			FASTRPC_CTL_PAYLOAD);
	op->record = (struct softdsp_record){
		.kind = SOFTDSP_CALL,
		.bank = session->bank,
		.client = session->client,
	};
	memcpy(op->record.call.msg, &msg, sizeof(msg));
	op->item = (struct soft_item){ .record = &op->record, .size = SOFTDSP_SIZE(call) };
	soft_channel_send(session->soft->control, &op->item);
}

void soft_op_start(struct qda_device_session *session, struct soft_op *op)
{
	struct soft *soft = session->soft;

	op->wait.kind = SOFT_WAIT_OP;
	op->wait.session = session;
	if (soft_ids_take(&soft->ids, op->pool, &op->wait) < 0) {
		op->starved = true;
		TAILQ_INSERT_TAIL(&soft->starved, op, link);
		return;
	}
	op_send(op);
}

void soft_ops_feed(struct soft *soft)
{
	struct soft_op *op, *next;

	for (op = TAILQ_FIRST(&soft->starved); op; op = next) {
		next = TAILQ_NEXT(op, link);
		if (soft_ids_take(&soft->ids, op->pool, &op->wait) < 0)
			continue;
		op->starved = false;
		TAILQ_REMOVE(&soft->starved, op, link);
		op_send(op);
	}
}

void soft_op_response(struct soft_op *op, int32_t result)
{
	struct qda_device_session *session = op->wait.session;
	uint64_t answer = 0;

	soft_ids_give(&session->soft->ids, &op->wait);
	if (!TAILQ_EMPTY(&session->soft->starved))
		soft_later(session);
	if (op->rsp.length == sizeof(answer))
		memcpy(&answer, (uint8_t *)session->control->view + op->page * SOFT_PAGE +
		       op->rsp.offset, sizeof(answer));
	op->done(op, result ? -EREMOTEIO : 0, result, answer);
}

void soft_op_cancel(struct soft_op *op)
{
	if (op->starved)
		TAILQ_REMOVE(&op->wait.session->soft->starved, op, link);
	op->starved = false;
	if (op->wait.session)
		soft_ids_give(&op->wait.session->soft->ids, &op->wait);
}
