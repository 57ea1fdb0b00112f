/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * The metadata of a payload as it stands in shared memory, for the sources of this directory only.
 * With n arguments, from byte 0 and without gaps: n remote arguments, n invoke buffers, n pages,
 * the fd list, the CRC list. Both lists are the DSP's to fill and nobody here reads them: the fd
 * list would let a DSP name the host's memory for release.
 */
#ifndef QDA_FASTRPC_PAYLOAD_H
#define QDA_FASTRPC_PAYLOAD_H

#include <linux/types.h>

#include "fastrpc.h"

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "FastRPC is little endian on the wire and these structs are read as they lie"
#endif

union payload_arg {
	struct {
		__u64 pv;
		__u64 len;
	} buf;
	struct {
		__s32 fd;	/* the key */
		__u32 offset;
		__u32 len;
		__u32 pad;
	} dma;
	__u64 word[2];
};

struct payload_buf {
	__u32 num;		/* page entries: 0 or 1 */
	__u32 pgidx;		/* the first of them */
};

struct payload_page {
	__u64 addr;		/* page aligned, with the stream id */
	__u64 size;		/* whole pages */
};

#define PAYLOAD_PER_ARG                                                                            \
	(sizeof(union payload_arg) + sizeof(struct payload_buf) + sizeof(struct payload_page))
#define PAYLOAD_LISTS (FASTRPC_MAX_FDLIST * sizeof(__u64) + FASTRPC_MAX_CRCLIST * sizeof(__u32))

_Static_assert(PAYLOAD_PER_ARG == 40, "40 bytes of metadata an argument");
_Static_assert(PAYLOAD_LISTS == 384, "and 384 for the lists");

#define BANK_SIZE (1ull << 32)

/* A word of shared memory, loaded exactly once: the other side may change it at any moment. */
#define LOAD_ONCE(word) (*(const volatile __typeof__(word) *)&(word))

static inline __u64 page_floor(__u64 x)
{
	return x & ~(__u64)(FASTRPC_PAGE - 1);
}

static inline __u64 page_ceil(__u64 x)
{
	return page_floor(x + FASTRPC_PAGE - 1);
}

/* Bytes of the pages that `length` bytes at `addr` touch. */
static inline __u64 page_span(__u64 addr, __u64 length)
{
	return page_ceil(addr + length) - page_floor(addr);
}

/* Does [addr, addr + length) end within the bank of addr? */
static inline int in_bank(__u64 addr, __u64 length)
{
	return length <= BANK_SIZE && (__u32)addr <= BANK_SIZE - length;
}

static inline int same_bank(__u64 a, __u64 b)
{
	return a >> 32 == b >> 32;
}

/* Where out handle `i` stands among the remote arguments; -1 when `sc` has no such handle. */
static inline int out_handle_index(__u32 sc, __u32 i)
{
	if (i >= fastrpc_sc_out_handles(sc))
		return -1;
	return fastrpc_sc_bufs(sc) + fastrpc_sc_in_handles(sc) + i;
}

#endif
