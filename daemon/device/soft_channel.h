/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One SEQPACKET channel to the software DSP: records out, in order and without ever blocking, and
 * records in. What does not fit into the socket waits in a queue of items that are embedded in what
 * they speak for (a call, a mapping), so the queue needs no memory of its own and is bounded by the
 * number of those.
 *
 * Its owner is the device (control) or a session (PD). Nothing here calls back into the owner from
 * inside soft_channel_send() except item->sent.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <uv.h>

#include "wire.h"

struct soft;

/* One record on its way out. Bytes and descriptors stay the owner's, and stay put until it was
 * sent. */
struct soft_item {
	TAILQ_ENTRY(soft_item) link;
	const struct softdsp_record *record;
	const int *fds;
	uint16_t size;
	uint8_t n_fds;
	bool queued;
	void (*sent)(struct soft_item *item);	/* or NULL; sends nothing itself */
};

TAILQ_HEAD(soft_items, soft_item);

struct soft_channel {
	struct soft *soft;
	int fd;				/* -1: closed */
	bool polled;			/* the poll handle is initialised */
	bool writable;			/* waiting for room */
	bool stalled;			/* the kernel lacked memory; soft_stalled() was told */
	uv_poll_t poll;
	struct soft_items queue;
	unsigned n_posted;		/* of the queue: nobody tried to send them yet */
	void (*on_readable)(struct soft_channel *channel);	/* NULL: not started, or muted */
};

#define SOFT_RECORD_MAX (sizeof(struct softdsp_record) + SOFTDSP_TEXT_MAX)
#define SOFT_BATCH 8	/* records in one system call */
#define SOFT_FDS_MAX 4

/* A record as it came in; `size` is what was sent, and never more than fits. */
union soft_buffer {
	struct softdsp_record record;
	uint8_t bytes[SOFT_RECORD_MAX];
};

/* Room for several records of one read. */
struct soft_batch {
	union soft_buffer buffers[SOFT_BATCH];
	struct iovec vectors[SOFT_BATCH];
	struct mmsghdr headers[SOFT_BATCH];
};

void soft_channel_init(struct soft_channel *channel, struct soft *soft);

/* Takes over `fd`, a SEQPACKET socket, on success only. on_readable() is called when there is
 * something to read or the other end is gone. */
int soft_channel_start(struct soft_channel *channel, uv_loop_t *loop, int fd,
		       void (*on_readable)(struct soft_channel *channel));

/* Send now or as soon as there is room; never fails: a dead channel is noticed by its reader. */
void soft_channel_send(struct soft_channel *channel, struct soft_item *item);

/* The same, but those that follow may go with it: until there are enough of them, or one for
 * another channel, or the loop is about to wait. */
void soft_channel_post(struct soft_channel *channel, struct soft_item *item);

/* The device's: have soft_channel_flush() called for all channels after a while. */
void soft_stalled(struct soft *soft);
/* The same for this channel, before the loop waits. */
void soft_posted(struct soft_channel *channel);

/* Send what waits. */
void soft_channel_flush(struct soft_channel *channel);

/* Read and send no more. What is queued is forgotten: no item->sent will come. */
void soft_channel_mute(struct soft_channel *channel);

/* Close the socket, and the poll handle when there is one: true when closed() will be called for
 * it. */
bool soft_channel_close(struct soft_channel *channel, uv_close_cb closed);

void soft_batch_init(struct soft_batch *batch);

/* Read up to SOFT_BATCH records in one system call; descriptors are refused. Number of records,
 * -EAGAIN. The end of file reads as records of 0 bytes. */
int soft_batch_read(struct soft_batch *batch, int fd);
/* Size of record i; -EBADMSG when it was cut or carried descriptors. */
int soft_batch_size(const struct soft_batch *batch, int i);

/* Read one record and the descriptors with it (CLOEXEC, the caller's; at most SOFT_FDS_MAX, and
 * fewer than were sent when this process may open no more). Its size, 0 at the end of file,
 * -EAGAIN, or -EBADMSG when it was cut. */
int soft_channel_read(int fd, union soft_buffer *buffer, int *fds, unsigned *n_fds);
