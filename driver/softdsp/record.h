/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One record, one datagram, its descriptors. Used by the supervisor and by PDs on every socket
 * they have; knows nothing of what is in a record. Keeps nothing; may be called from any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "wire.h"

/* What came with a record. Descriptors are owned by the holder: take one by setting it to -1. */
struct record_fds {
	int fd[SOFTDSP_MAX_DIRS];
	unsigned n;
	bool cut; /* there were more, or no room for them: the kernel closed those */
};

void record_fds_close(struct record_fds *fds);

/* The record's whole length (which may be more than `size`: it was cut then), 0 at end of file, or
 * -errno. Descriptors are close-on-exec; with `fds` NULL none is taken, and the kernel drops what
 * came: closing a descriptor of unknown kind oneself may block. `flags` as of recvmsg. */
long record_recv(int sock, void *record, size_t size, struct record_fds *fds, int flags);

/* 0 or -errno; -EAGAIN with MSG_DONTWAIT only. `fd` is lent, -1 for none. Never raises SIGPIPE. */
int record_send(int sock, const void *record, size_t n, int fd, int flags);
