/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the supervisor sees of a context bank of a virtual DSP: a mapping that it never touches
 * itself. Memory in the bank is anybody's and may be taken away at any moment, which would be a
 * SIGBUS; so the kernel copies, between the mapping and a scratch file in memory, and says EFAULT
 * where nothing is.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct view {
	uint8_t *base; /* of 4 GiB; NULL: there is no view */
	int scratch;   /* lent */
};

#define VIEW_NULL { NULL, -1 }

/* A file for the copies, one for all views of a thread. Its descriptor or -errno. */
int view_scratch(void);

/* Of the bank with this stream id; both descriptors are lent. 0 or -errno. */
int view_open(struct view *view, int control, uint32_t stream, int scratch);
void view_close(struct view *view);

/* All `n` bytes or -EFAULT; each is read once. */
int view_read(const struct view *view, uint64_t addr, void *buf, size_t n);
int view_write(const struct view *view, uint64_t addr, const void *buf, size_t n);
