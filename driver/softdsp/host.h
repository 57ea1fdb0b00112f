/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control channel: one host, records in and out. What does not fit waits in a queue; while
 * something waits, nothing more is read, so the queue is bounded by what PDs can cause.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <uv.h>

struct dsp;
struct host_out;

enum host_state { HOST_CLOSED = 0, HOST_OPEN, HOST_CLOSING };

struct host {
	struct dsp *dsp;
	uv_poll_t poll;
	int fd;
	enum host_state state;
	STAILQ_HEAD(, host_out) queue;
	bool noted; /* a record of this host was refused, and a person told */
};

/* Takes fd (also when it fails). 0 or -errno. */
int host_open(struct host *host, struct dsp *dsp, int fd);

/* Drops what waits; the host is closed when dsp_settle() finds it so. */
void host_close(struct host *host);
bool host_is_closed(const struct host *host);

/* Takes fd (-1: none). Nothing once the host is closed; a failure closes it. */
void host_send(struct host *host, const void *record, size_t n, int fd);

/* The answer to a call. */
void host_respond(struct host *host, uint64_t ctx, uint32_t retval);
