/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The skel side of FastRPC: what the entry function of a DSP library is given. A skel exports one
 * function,
 *
 *	int NAME_skel_handle_invoke(remote_handle64 handle, uint32_t sc, remote_arg *pra);
 *
 * (the older kind: int NAME_skel_invoke(uint32_t sc, remote_arg *pra);) and gets every call there.
 * `sc` (scalars) holds the method and how many arguments of each group `pra` has; their order is in
 * buffers, out buffers, in handles, out handles. Method 0 opens the module (in 0: u32 length of the
 * URI with its NUL, in 1: the URI; out handle: the skel's own value, given back as `handle` with
 * each later call), method 1 closes it (in handle: that value). Methods of the interface begin at
 * 2. A method number of 31 or more travels as 31 with the real number as the first u32 of the first
 * in buffer.
 *
 * Calls may come on several threads at once. What is not 0 is a failure (AEEStdErr.h), and out
 * buffers are then not used.
 */
#ifndef REMOTE_H
#define REMOTE_H

#include <stddef.h>
#include <stdint.h>

#include "AEEStdDef.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef uint32_t remote_handle;
typedef uint64_t remote_handle64;

typedef struct {
	void *pv;
	size_t nLen;
} remote_buf;

/* A buffer mapped under a key (`fd`: the number the host's program knows it by). */
typedef struct {
	int32_t fd;
	uint32_t offset;
} remote_dma_handle;

typedef union {
	remote_buf buf;
	remote_handle h;
	remote_handle64 h64;
	remote_dma_handle dma;
} remote_arg;

#define REMOTE_SCALARS_METHOD_ATTR(sc)	(((sc) >> 29) & 0x7)
#define REMOTE_SCALARS_METHOD(sc)	(((sc) >> 24) & 0x1f)
#define REMOTE_SCALARS_INBUFS(sc)	(((sc) >> 16) & 0xff)
#define REMOTE_SCALARS_OUTBUFS(sc)	(((sc) >> 8) & 0xff)
#define REMOTE_SCALARS_INHANDLES(sc)	(((sc) >> 4) & 0xf)
#define REMOTE_SCALARS_OUTHANDLES(sc)	((sc) & 0xf)
#define REMOTE_SCALARS_LENGTH(sc)                                                                 \
	(REMOTE_SCALARS_INBUFS(sc) + REMOTE_SCALARS_OUTBUFS(sc) + REMOTE_SCALARS_INHANDLES(sc) + \
	 REMOTE_SCALARS_OUTHANDLES(sc))
#define REMOTE_SCALARS_MAKEX(attr, method, in, out, in_handles, out_handles)                       \
	((((uint32_t)(attr) & 0x7) << 29) | (((uint32_t)(method) & 0x1f) << 24) |                 \
	 (((uint32_t)(in) & 0xff) << 16) | (((uint32_t)(out) & 0xff) << 8) |                      \
	 (((uint32_t)(in_handles) & 0xf) << 4) | ((uint32_t)(out_handles) & 0xf))
#define REMOTE_SCALARS_MAKE(method, in, out) REMOTE_SCALARS_MAKEX(0, method, in, out, 0, 0)

/* Methods every interface has, and the one that says "look into the first in buffer". */
#define REMOTE_METHOD_OPEN	0
#define REMOTE_METHOD_CLOSE	1
#define REMOTE_METHOD_FIRST	2
#define REMOTE_METHOD_EXTENDED	31

#ifdef __cplusplus
}
#endif

#endif
