// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/*
 * The host's half of FastRPC: argument tables are checked, laid out and written as metadata, and a
 * response or notification is read. Owns nothing and keeps nothing; may be called from anywhere.
 * What it decides on are the host's private copies; of shared memory it reads only the numbers of
 * out handles.
 */
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/types.h>

#include "fastrpc.h"
#include "payload.h"

#define KEY_MAX	   0x7fffffffu
#define LENGTH_MAX 0xffffffffull

static int check_buffer(const struct fastrpc_arg *arg)
{
	__u64 end;

	if (arg->length > LENGTH_MAX)
		return -EOVERFLOW;
	switch (arg->kind) {
	case FASTRPC_ARG_INLINE:
		return __builtin_add_overflow(arg->addr, arg->length, &end) ? -EOVERFLOW : 0;
	case FASTRPC_ARG_BUFFER:
		return in_bank(arg->addr, arg->length) ? 0 : -EOVERFLOW;
	default:
		return -EINVAL;
	}
}

/* The whole buffer of a KEY: as the caller says, or as far as its range reaches. */
static __u64 key_size(const struct fastrpc_arg *arg)
{
	return arg->size ? arg->size : arg->offset + arg->length;
}

static int check_in_handle(const struct fastrpc_arg *arg)
{
	switch (arg->kind) {
	case FASTRPC_ARG_NUMBER:
		return arg->length ? -EINVAL : 0;
	case FASTRPC_ARG_KEY:
		if (arg->key > KEY_MAX)
			return -EINVAL;
		if (arg->length > LENGTH_MAX || arg->offset + arg->length > key_size(arg))
			return -EOVERFLOW;
		return in_bank(arg->addr, key_size(arg)) ? 0 : -EOVERFLOW;
	default:
		return -EINVAL;
	}
}

static int check_out_handle(const struct fastrpc_arg *arg)
{
	if (arg->kind != FASTRPC_ARG_NUMBER || arg->length)
		return -EINVAL;
	return arg->addr <= FASTRPC_OUT_REMOTE ? 0 : -EINVAL;
}

int fastrpc_check(__u32 sc, const struct fastrpc_arg *args, __u32 n)
{
	const __u32 bufs = fastrpc_sc_bufs(sc);
	const __u32 in_handles = bufs + fastrpc_sc_in_handles(sc);
	__u32 i;
	int err;

	if (n != fastrpc_sc_args(sc))
		return -EINVAL;
	for (i = 0; i < n; i++) {
		if (i < bufs)
			err = check_buffer(&args[i]);
		else if (i < in_handles)
			err = check_in_handle(&args[i]);
		else
			err = check_out_handle(&args[i]);
		if (err)
			return err;
	}
	return 0;
}

__u32 fastrpc_meta_size(__u32 sc)
{
	return fastrpc_sc_args(sc) * PAYLOAD_PER_ARG + PAYLOAD_LISTS;
}

/* Let order[root] sink until the heap order[0..n), highest start on top, is one below root. */
static void sift(const struct fastrpc_arg *args, __u16 *order, __u32 root, __u32 n)
{
	const __u16 sinking = order[root];
	__u32 child;

	while ((child = 2 * root + 1) < n) {
		if (child + 1 < n && args[order[child]].addr < args[order[child + 1]].addr)
			child++;
		if (args[sinking].addr >= args[order[child]].addr)
			break;
		order[root] = order[child];
		root = child;
	}
	order[root] = sinking;
}

/*
 * By start; in which order arguments of one start come makes no difference to their places.
 * Heapsort: no recursion, no scratch, and no input that makes it quadratic.
 */
static void sort(const struct fastrpc_arg *args, __u16 *order, __u32 n)
{
	__u32 i;
	__u16 last;

	for (i = n / 2; i-- > 0;)
		sift(args, order, i, n);
	for (i = n; i-- > 1;) {
		last = order[0];
		order[0] = order[i];
		order[i] = last;
		sift(args, order, 0, i);
	}
}

/*
 * Overlaps are judged among inline arguments only. A buffer that happens to stand around an inline
 * argument in the caller's address space must not drag its place out of the payload.
 */
static __u32 list_inline(__u32 sc, const struct fastrpc_arg *args, __u16 *order)
{
	__u32 i, n = 0;

	for (i = 0; i < fastrpc_sc_bufs(sc); i++) {
		if (args[i].kind == FASTRPC_ARG_INLINE && args[i].length)
			order[n++] = i;
	}
	return n;
}

/*
 * One pass over the arguments in order of their start. `end` is the highest caller address placed
 * so far and `cursor` is where it lies in the payload: an argument that begins below `end` lies as
 * far below `cursor`, and only what reaches beyond `end` takes new room.
 */
int fastrpc_plan(__u32 sc, const struct fastrpc_arg *args, __u32 head, __u32 limit,
		 struct fastrpc_place *places, __u16 *order, __u32 *size)
{
	const __u64 mask = FASTRPC_ALIGN - 1;
	const __u32 n = list_inline(sc, args, order);
	const struct fastrpc_arg *arg;
	__u64 cursor = head, end = 0;
	__u32 i;

	for (i = 0; i < fastrpc_sc_args(sc); i++)
		places[i] = (struct fastrpc_place){ 0 };
	sort(args, order, n);
	for (i = 0; i < n; i++) {
		arg = &args[order[i]];
		if (!i || arg->addr >= end) {
			cursor = (cursor + mask) & ~mask;
			end = arg->addr;
		}
		places[order[i]].offset = cursor - (end - arg->addr);
		places[order[i]].length = arg->length;
		if (arg->addr + arg->length > end) {
			cursor += arg->addr + arg->length - end;
			end = arg->addr + arg->length;
		}
	}
	if (cursor > limit)
		return -E2BIG;
	*size = cursor;
	return 0;
}

/* A buffer in the bank: pv is where it begins, the page entry spans exactly what it touches. */
static void write_buffer(union payload_arg *rarg, struct payload_buf *buf,
			 struct payload_page *page, __u64 addr, __u64 length)
{
	if (!length)
		return;
	rarg->buf.pv = (__u32)addr;
	rarg->buf.len = length;
	buf->num = 1;
	page->addr = page_floor(addr);
	page->size = page_span(addr, length);
}

static void write_key(union payload_arg *rarg, struct payload_buf *buf, struct payload_page *page,
		      const struct fastrpc_arg *arg)
{
	rarg->dma.fd = arg->key;
	rarg->dma.offset = arg->offset;
	rarg->dma.len = arg->length;
	buf->num = 1;
	page->addr = page_floor(arg->addr);
	page->size = page_span(arg->addr, key_size(arg));
}

void fastrpc_write_meta(void *payload, __u64 payload_addr, __u32 sc, const struct fastrpc_arg *args,
			const struct fastrpc_place *places)
{
	const __u32 n = fastrpc_sc_args(sc);
	union payload_arg *rargs = payload;
	struct payload_buf *bufs = (struct payload_buf *)(rargs + n);
	struct payload_page *pages = (struct payload_page *)(bufs + n);
	__u32 i;

	memset(payload, 0, fastrpc_meta_size(sc));
	for (i = 0; i < n; i++)
		bufs[i].pgidx = i;
	for (i = 0; i < n; i++) {
		switch (args[i].kind) {
		case FASTRPC_ARG_INLINE:
			write_buffer(&rargs[i], &bufs[i], &pages[i],
				     payload_addr + places[i].offset, places[i].length);
			break;
		case FASTRPC_ARG_BUFFER:
			write_buffer(&rargs[i], &bufs[i], &pages[i], args[i].addr, args[i].length);
			break;
		case FASTRPC_ARG_KEY:
			write_key(&rargs[i], &bufs[i], &pages[i], &args[i]);
			break;
		case FASTRPC_ARG_NUMBER:
			rargs[i].word[0] = args[i].addr;
			break;
		}
	}
}

__u64 fastrpc_out_handle(const void *payload, __u32 sc, __u32 i)
{
	const union payload_arg *rargs = payload;
	const int index = out_handle_index(sc, i);

	return index < 0 ? 0 : LOAD_ONCE(rargs[index].word[0]);
}

void fastrpc_request(struct fastrpc_msg *msg, __s32 client_id, __s32 tid, __u64 ctx, __u32 handle,
		     __u32 sc, __u64 addr, __u32 size)
{
	msg->client_id = client_id;
	msg->tid = tid;
	msg->ctx = ctx;
	msg->handle = handle;
	msg->sc = sc;
	msg->addr = addr;
	msg->size = page_ceil(size);
}

int fastrpc_response(const void *bytes, __u32 n, struct fastrpc_rsp *rsp)
{
	const __u64 reserved = 7 << 5;

	if (n < sizeof(*rsp))
		return -EBADMSG;
	memcpy(rsp, bytes, sizeof(*rsp));
	rsp->pad = 0;
	if (!fastrpc_ctx_id(rsp->ctx) || rsp->ctx & reserved)
		return -EBADMSG;
	return 0;
}

void fastrpc_notify(struct fastrpc_notification *notification, __s32 client_id, __u32 status)
{
	notification->ctx = FASTRPC_NOTIFICATION_CTX;
	notification->type = FASTRPC_NOTIFICATION_STATUS;
	notification->client_id = client_id;
	notification->status = status;
	notification->pad = 0;
}

int fastrpc_notification(const void *bytes, __u32 n, struct fastrpc_notification *notification)
{
	if (n < sizeof(*notification))
		return -EBADMSG;
	memcpy(notification, bytes, sizeof(*notification));
	notification->pad = 0;
	if (notification->ctx != FASTRPC_NOTIFICATION_CTX ||
	    notification->type != FASTRPC_NOTIFICATION_STATUS || notification->client_id <= 0)
		return -EBADMSG;
	return 0;
}
