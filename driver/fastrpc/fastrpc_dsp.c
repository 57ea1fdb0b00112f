// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/*
 * The DSP's half of FastRPC: a request's descriptors are read out of shared memory. Owns nothing
 * and keeps nothing; may be called from anywhere. The host may be hostile and may write while we
 * read: every word is loaded once, checked in the copy, and only the copy is handed on.
 */
#include <linux/errno.h>
#include <linux/types.h>

#include "fastrpc.h"
#include "payload.h"

/* The size is that of whole pages; it holds the metadata, is mapped here, and stays in the bank. */
static int check_size(const struct fastrpc_msg *msg, __u64 readable)
{
	if (!msg->addr || msg->addr != page_floor(msg->addr) || msg->size != page_floor(msg->size))
		return -EBADMSG;
	if (msg->size < fastrpc_meta_size(msg->sc) || msg->size > readable)
		return -EBADMSG;
	return in_bank(msg->addr, msg->size) ? 0 : -EBADMSG;
}

/*
 * Where a DSP finds the buffer, in its page entry at the low bits of pv, must be where pv says it
 * is: this also refuses a page that is not aligned. The entry holds every byte, and no page more.
 */
static int parse_page(const struct payload_page *entry, __u64 pv, __u32 length, __u64 payload_addr,
		      __u32 *addr)
{
	const __u64 base = LOAD_ONCE(entry->addr);
	const __u64 size = LOAD_ONCE(entry->size);
	const __u64 start = base + (pv & (FASTRPC_PAGE - 1));

	if (pv != (__u32)start || size != page_span(start, length))
		return -EBADMSG;
	if (!same_bank(base, payload_addr) || !in_bank(start, length))
		return -EFAULT;
	*addr = start;
	return 0;
}

static int parse_buffer(const union payload_arg *rarg, const struct payload_page *page, __u32 num,
			__u64 payload_addr, struct fastrpc_dsp_arg *arg)
{
	const __u64 pv = LOAD_ONCE(rarg->buf.pv);
	const __u64 length = LOAD_ONCE(rarg->buf.len);

	arg->kind = FASTRPC_ARG_BUFFER;
	if (length >= BANK_SIZE || num != !!length)
		return -EBADMSG;
	arg->length = length;
	return length ? parse_page(page, pv, length, payload_addr, &arg->addr) : 0;
}

static int parse_in_handle(const union payload_arg *rarg, __u32 num, struct fastrpc_dsp_arg *arg)
{
	union payload_arg copy;

	copy.word[0] = LOAD_ONCE(rarg->word[0]);
	copy.word[1] = LOAD_ONCE(rarg->word[1]);
	if (!num) {
		arg->kind = FASTRPC_ARG_NUMBER;
		arg->number = copy.word[0];
		return copy.word[1] ? -EBADMSG : 0;
	}
	arg->kind = FASTRPC_ARG_KEY;
	if (num != 1 || copy.dma.fd < 0 || copy.dma.pad || !in_bank(copy.dma.offset, copy.dma.len))
		return -EBADMSG;
	arg->key = copy.dma.fd;
	arg->offset = copy.dma.offset;
	arg->length = copy.dma.len;
	return 0;
}

static int parse_arg(const struct fastrpc_msg *msg, const void *payload, __u32 i,
		     struct fastrpc_dsp_arg *arg)
{
	const __u32 n = fastrpc_sc_args(msg->sc);
	const union payload_arg *rargs = payload;
	const struct payload_buf *bufs = (const struct payload_buf *)(rargs + n);
	const struct payload_page *pages = (const struct payload_page *)(bufs + n);
	const __u32 num = LOAD_ONCE(bufs[i].num);

	if (LOAD_ONCE(bufs[i].pgidx) != i)
		return -EBADMSG;
	if (i < fastrpc_sc_bufs(msg->sc))
		return parse_buffer(&rargs[i], &pages[i], num, msg->addr, arg);
	return parse_in_handle(&rargs[i], num, arg);
}

int fastrpc_parse(const struct fastrpc_msg *msg, const void *payload, __u64 readable,
		  struct fastrpc_dsp_arg *args)
{
	const __u32 n = fastrpc_sc_args(msg->sc);
	const __u32 in_end = n - fastrpc_sc_out_handles(msg->sc);
	__u32 i;
	int err;

	if (!n)
		return 0;
	err = check_size(msg, readable);
	for (i = 0; i < n && !err; i++) {
		args[i] = (struct fastrpc_dsp_arg){ .kind = FASTRPC_ARG_NUMBER };
		if (i < in_end)
			err = parse_arg(msg, payload, i, &args[i]);
		else
			args[i].number =
				LOAD_ONCE(((const union payload_arg *)payload)[i].word[0]);
	}
	return err;
}

void fastrpc_set_out_handle(void *payload, __u32 sc, __u32 i, __u64 number)
{
	union payload_arg *rargs = payload;
	const int index = out_handle_index(sc, i);

	if (index >= 0)
		*(volatile __u64 *)&rargs[index].word[0] = number;
}
