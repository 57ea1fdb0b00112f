/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Short names for writing argument tables down, and a generator of numbers that is the same in
 * every run. For the tests and fuzzers of driver/fastrpc.
 */
#pragma once

#include <linux/errno.h>
#include <string.h>

#include "fastrpc.h"

#define LEN(array)  (sizeof(array) / sizeof((array)[0]))
#define ALIGN_UP(x) (((x) + FASTRPC_ALIGN - 1) / FASTRPC_ALIGN * FASTRPC_ALIGN)

#define INLINE(at, len)                                                                            \
	((struct fastrpc_arg){ .kind = FASTRPC_ARG_INLINE, .addr = (at), .length = (len) })
#define BUFFER(at, len)                                                                            \
	((struct fastrpc_arg){ .kind = FASTRPC_ARG_BUFFER, .addr = (at), .length = (len) })
#define NUMBER(n) ((struct fastrpc_arg){ .kind = FASTRPC_ARG_NUMBER, .addr = (n) })
#define KEY(k, at, off, len, whole)                                                                \
	((struct fastrpc_arg){ .kind = FASTRPC_ARG_KEY,                                            \
			       .key = (k),                                                         \
			       .addr = (at),                                                       \
			       .offset = (off),                                                    \
			       .length = (len),                                                    \
			       .size = (whole) })

static inline __u64 next_random(__u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static inline __u32 below(__u64 *state, __u32 n)
{
	return (next_random(state) >> 16) % n;
}

static inline __u64 load64(const void *from, __u32 offset)
{
	__u64 word;

	memcpy(&word, (const char *)from + offset, sizeof(word));
	return word;
}

static inline void store64(void *to, __u32 offset, __u64 word)
{
	memcpy((char *)to + offset, &word, sizeof(word));
}
