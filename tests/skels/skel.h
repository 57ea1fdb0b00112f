/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every skel of this directory begins with. The IDL compiler writes such code out in full for
 * each interface; here it stands once. Used by skels only: it runs on the DSP, inside a protection
 * domain.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "AEEStdErr.h"
#include "HAP_farf.h"
#include "remote.h"

/* The entry function is all that a skel exports. */
#define SKEL_ENTRY __attribute__((visibility("default")))

/* Do the groups of arguments have these sizes? */
static inline bool skel_counts(uint32_t sc, unsigned in, unsigned out, unsigned in_handles,
			       unsigned out_handles)
{
	return REMOTE_SCALARS_INBUFS(sc) == in && REMOTE_SCALARS_OUTBUFS(sc) == out &&
	       REMOTE_SCALARS_INHANDLES(sc) == in_handles &&
	       REMOTE_SCALARS_OUTHANDLES(sc) == out_handles;
}

/*
 * Take the primitive arguments out of a buffer. They are copied: the host chooses where a buffer
 * begins, so nothing is known about alignment, and it may change the bytes while the skel looks at
 * them.
 */
static inline bool skel_get(const remote_arg *arg, void *to, size_t size)
{
	if (arg->buf.nLen < size)
		return false;
	memcpy(to, arg->buf.pv, size);
	return true;
}

static inline bool skel_put(const remote_arg *arg, const void *from, size_t size)
{
	if (arg->buf.nLen < size)
		return false;
	memcpy(arg->buf.pv, from, size);
	return true;
}

/* Method 0, open: a length and a text that ends in NUL just there, and room for one handle. */
static inline bool skel_open_ok(uint32_t sc, const remote_arg *pra)
{
	uint32_t length;

	return skel_counts(sc, 2, 0, 0, 1) && skel_get(&pra[0], &length, sizeof(length)) &&
	       length > 0 && length <= pra[1].buf.nLen &&
	       !((const char *)pra[1].buf.pv)[length - 1];
}

/* Method 1, close: one handle and nothing else. */
static inline bool skel_close_ok(uint32_t sc)
{
	return skel_counts(sc, 0, 0, 1, 0);
}

/* The method's number; numbers that five bits cannot hold stand at the start of the first in
 * buffer. */
static inline uint32_t skel_method(uint32_t sc, const remote_arg *pra)
{
	uint32_t method = REMOTE_SCALARS_METHOD(sc);

	if (method == REMOTE_METHOD_EXTENDED &&
	    (REMOTE_SCALARS_INBUFS(sc) == 0 || !skel_get(&pra[0], &method, sizeof(method))))
		return UINT32_MAX;
	return method;
}

/* Say in the log why a call was refused; the value is the method's return value. */
#define SKEL_REFUSE(sc, why)                                                                       \
	(HAP_debug_v2(HAP_LEVEL_ERROR, __FILE__, __LINE__, "%s: %s (scalars 0x%08x)", __func__,    \
		      why, sc),                                                                    \
	 AEE_EBADPARM)
