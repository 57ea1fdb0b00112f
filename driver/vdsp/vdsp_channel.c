// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages on their way to whoever reads them. Each is one object from send() until its answer: in
 * a channel's waiting list, then, read, in its taken list. A PD's channel that ends gives what is
 * left to control. Everything here is under vdsp.lock, in process context.
 */
#include <linux/poll.h>
#include <linux/slab.h>

#include "vdsp.h"

struct vdsp_call {
	struct list_head link;
	u32 kind;
	u64 seq;
	struct fastrpc_msg msg;
};

static void free_calls(struct list_head *calls)
{
	struct vdsp_call *call, *next;

	list_for_each_entry_safe(call, next, calls, link)
		kfree(call);
	INIT_LIST_HEAD(calls);
}

static bool channel_alive(const struct vdsp_channel *ch)
{
	lockdep_assert_held(&ch->dsp->lock);
	return ch->boot && ch->boot == ch->dsp->boot;
}

static void wake_reader(struct vdsp_channel *ch, __poll_t what)
{
	wake_up_interruptible_poll(&ch->wait, what);
}

/**
 * vdsp_channel_new - a channel that nothing is sent to yet
 * @dsp: of which DSP
 * @client: whose calls; 0 for control
 * @bank: of the PD; NULL for control
 * @mapping: of the control file; a reference to its inode is taken
 *
 * Return: the channel or NULL.
 */
struct vdsp_channel *vdsp_channel_new(struct vdsp *dsp, s32 client, struct vdsp_bank *bank,
				      struct address_space *mapping)
{
	struct vdsp_channel *ch = kzalloc(sizeof(*ch), GFP_KERNEL_ACCOUNT);

	if (!ch)
		return NULL;
	ch->dsp = dsp;
	ch->client = client;
	ch->bank = bank;
	ch->mapping = mapping;
	ihold(mapping->host);
	INIT_LIST_HEAD(&ch->link);
	INIT_LIST_HEAD(&ch->waiting);
	INIT_LIST_HEAD(&ch->taken);
	init_waitqueue_head(&ch->wait);
	return ch;
}

/**
 * vdsp_channel_free - with what is still in it
 * @ch: a channel that nothing is sent to any more
 */
void vdsp_channel_free(struct vdsp_channel *ch)
{
	free_calls(&ch->waiting);
	free_calls(&ch->taken);
	iput(ch->mapping->host);
	kfree(ch);
}

/**
 * vdsp_channel_start - a DSP boots
 * @dsp: the DSP
 * @control: where its messages go
 *
 * Return: 0, or -EBUSY: it runs already.
 */
int vdsp_channel_start(struct vdsp *dsp, struct vdsp_channel *control)
{
	int ret = -EBUSY;

	spin_lock(&dsp->lock);
	if (!dsp->held) {
		dsp->held = true;
		dsp->boot = ++dsp->boots;
		dsp->seq = 0;
		dsp->control = control;
		control->boot = dsp->boot;
		ret = 0;
	}
	spin_unlock(&dsp->lock);
	return ret;
}

/**
 * vdsp_channel_stop - a DSP is gone
 * @dsp: the DSP
 *
 * Sending fails from now on, and no channel is alive. vdsp.held is for the caller to clear.
 */
void vdsp_channel_stop(struct vdsp *dsp)
{
	struct vdsp_channel *pd, *next;

	spin_lock(&dsp->lock);
	dsp->control = NULL;
	dsp->boot = 0;
	list_for_each_entry_safe(pd, next, &dsp->pds, link) {
		list_del_init(&pd->link);
		wake_reader(pd, EPOLLIN | EPOLLHUP);
	}
	spin_unlock(&dsp->lock);
}

/**
 * vdsp_channel_add_pd - from now on the client's calls go to this channel
 * @pd: the channel
 * @boot: of the control file
 *
 * Return: 0; -EBUSY: there is one for this client or this bank.
 */
int vdsp_channel_add_pd(struct vdsp_channel *pd, u64 boot)
{
	struct vdsp *dsp = pd->dsp;
	struct vdsp_channel *other;
	int ret = 0;

	spin_lock(&dsp->lock);
	list_for_each_entry(other, &dsp->pds, link)
		if (other->client == pd->client || other->bank == pd->bank)
			ret = -EBUSY;
	if (!ret) {
		pd->boot = boot;
		list_add_tail(&pd->link, &dsp->pds);
	}
	spin_unlock(&dsp->lock);
	return ret;
}

static void orphan(struct list_head *calls, struct vdsp_channel *control)
{
	struct vdsp_call *call;

	list_for_each_entry(call, calls, link)
		call->kind = QDA_VDSP_ORPHAN;
	list_splice_tail_init(calls, &control->waiting);
}

/**
 * vdsp_channel_end_pd - control answers for a PD from now on
 * @pd: its channel; nothing is sent to it any more when this returns
 */
void vdsp_channel_end_pd(struct vdsp_channel *pd)
{
	struct vdsp *dsp = pd->dsp;

	spin_lock(&dsp->lock);
	list_del_init(&pd->link);
	if (channel_alive(pd)) {
		orphan(&pd->taken, dsp->control);
		orphan(&pd->waiting, dsp->control);
		if (!list_empty(&dsp->control->waiting))
			wake_reader(dsp->control, EPOLLIN);
	}
	spin_unlock(&dsp->lock);
}

/**
 * vdsp_channel_ready - is there something to read?
 * @ch: the channel
 * @alive: false when its DSP is gone
 *
 * Return: true when a read need not wait, also for its end.
 */
bool vdsp_channel_ready(struct vdsp_channel *ch, bool *alive)
{
	bool ready;

	spin_lock(&ch->dsp->lock);
	*alive = channel_alive(ch);
	ready = !*alive || !list_empty(&ch->waiting);
	spin_unlock(&ch->dsp->lock);
	return ready;
}

/**
 * vdsp_channel_take - the oldest message
 * @ch: the channel
 * @record: filled in
 *
 * Return: the message's number, or 0 when there is none.
 */
u64 vdsp_channel_take(struct vdsp_channel *ch, struct qda_vdsp_record *record)
{
	struct vdsp_call *call = NULL;
	u64 seq = 0;

	memset(record, 0, sizeof(*record));
	spin_lock(&ch->dsp->lock);
	if (channel_alive(ch))
		call = list_first_entry_or_null(&ch->waiting, struct vdsp_call, link);
	if (call) {
		list_move_tail(&call->link, &ch->taken);
		seq = call->seq;
		record->kind = call->kind;
		record->client = call->msg.client_id;
		record->seq = seq;
		memcpy(record->msg, &call->msg, sizeof(record->msg));
	}
	spin_unlock(&ch->dsp->lock);
	return seq;
}

/**
 * vdsp_channel_untake - a message could not be handed over: it waits again
 * @ch: the channel
 * @seq: its number
 */
void vdsp_channel_untake(struct vdsp_channel *ch, u64 seq)
{
	struct vdsp_call *call;

	spin_lock(&ch->dsp->lock);
	list_for_each_entry(call, &ch->taken, link)
		if (call->seq == seq) {
			list_move(&call->link, &ch->waiting);
			wake_reader(ch, EPOLLIN);
			break;
		}
	spin_unlock(&ch->dsp->lock);
}

static bool settle(struct vdsp_channel *ch, u64 ctx)
{
	struct vdsp_call *call;

	list_for_each_entry(call, &ch->taken, link)
		if (call->msg.ctx == ctx) {
			list_del(&call->link);
			kfree(call);
			return true;
		}
	return false;
}

/**
 * vdsp_channel_settle - a call has its answer
 * @ch: whose reader gave it; control answers for all
 * @ctx: of the call
 *
 * Return: false when nobody who may be answered for has read such a call.
 */
bool vdsp_channel_settle(struct vdsp_channel *ch, u64 ctx)
{
	struct vdsp *dsp = ch->dsp;
	struct vdsp_channel *pd;
	bool found = false;

	spin_lock(&dsp->lock);
	if (channel_alive(ch))
		found = settle(ch, ctx);
	if (!found && ch == dsp->control)
		list_for_each_entry(pd, &dsp->pds, link) {
			found = settle(pd, ctx);
			if (found)
				break;
		}
	spin_unlock(&dsp->lock);
	return found;
}

static struct vdsp_channel *route(struct vdsp *dsp, const struct fastrpc_msg *msg)
{
	struct vdsp_channel *pd;

	if (msg->handle != FASTRPC_HANDLE_PROCESS)
		list_for_each_entry(pd, &dsp->pds, link)
			if (pd->client == msg->client_id)
				return pd;
	return dsp->control;
}

/**
 * vdsp_channel_send - a message for the DSP
 * @dsp: the DSP
 * @msg: the message
 *
 * Return: 0; -EPIPE: the DSP is gone; -ENOMEM.
 */
int vdsp_channel_send(struct vdsp *dsp, const struct fastrpc_msg *msg)
{
	struct vdsp_call *call = kmalloc(sizeof(*call), GFP_KERNEL);
	struct vdsp_channel *ch;

	if (!call)
		return -ENOMEM;
	call->kind = QDA_VDSP_CALL;
	call->msg = *msg;
	spin_lock(&dsp->lock);
	ch = route(dsp, msg);
	if (ch) {
		call->seq = ++dsp->seq;
		list_add_tail(&call->link, &ch->waiting);
		wake_reader(ch, EPOLLIN);
	}
	spin_unlock(&dsp->lock);
	if (ch)
		return 0;
	kfree(call);
	return -EPIPE;
}
