// SPDX-License-Identifier: BSD-3-Clause
/*
 * Channels, see soft_channel.h. The common case is one sendmmsg() and one recvmmsg() per wake-up.
 */
#include "device/soft_channel.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "device/soft.h"
#include "util/stall.h"

#define SEND_FDS_MAX SOFTDSP_MAX_DIRS

void soft_channel_init(struct soft_channel *channel, struct soft *soft)
{
	*channel = (struct soft_channel){ .soft = soft, .fd = -1 };
	TAILQ_INIT(&channel->queue);
}

static void on_poll(uv_poll_t *poll, int status, int events);

static int watch(struct soft_channel *channel)
{
	return uv_poll_start(&channel->poll,
			     UV_READABLE | (channel->writable ? UV_WRITABLE : 0), on_poll);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct soft_channel *channel = poll->data;

	qda_stall_mark();
	/* libuv reports POLLERR, which a peer leaves that closed with records unread, as EBADF and
	 * stops. */
	if (status < 0) {
		watch(channel);
		events = UV_READABLE;
	}
	if (events & UV_WRITABLE)
		soft_channel_flush(channel);
	if (events & UV_READABLE && channel->on_readable)
		channel->on_readable(channel);
}

int soft_channel_start(struct soft_channel *channel, uv_loop_t *loop, int fd,
		       void (*on_readable)(struct soft_channel *channel))
{
	int r = uv_poll_init(loop, &channel->poll, fd);

	assert(channel->fd < 0 && !channel->polled);
	if (r < 0)
		return r;
	channel->polled = true;
	channel->poll.data = channel;
	channel->on_readable = on_readable;
	channel->fd = fd;
	r = watch(channel);
	if (r < 0) {
		channel->fd = -1;
		channel->on_readable = NULL;
	}
	return r;
}

/* Room to send some records in one system call. */
struct outgoing {
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * SEND_FDS_MAX)];
	} controls[SOFT_BATCH];
	struct iovec vectors[SOFT_BATCH];
	struct mmsghdr headers[SOFT_BATCH];
};

static void put_fds(struct msghdr *message, struct cmsghdr *header, const struct soft_item *item)
{
	size_t bytes = sizeof(int) * item->n_fds;

	assert(item->n_fds <= SEND_FDS_MAX);
	memset(header, 0, CMSG_SPACE(bytes));
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(bytes);
	memcpy(CMSG_DATA(header), item->fds, bytes);
	message->msg_control = header;
	message->msg_controllen = CMSG_SPACE(bytes);
}

/* The first ones of the queue: how many were sent, at least one, or a negative errno. */
static int send_some(const struct soft_channel *channel)
{
	struct outgoing out;
	const struct soft_item *item = TAILQ_FIRST(&channel->queue);
	unsigned n_items = 0;
	int n;

	for (; item && n_items < SOFT_BATCH; item = TAILQ_NEXT(item, link), n_items++) {
		struct msghdr *message = &out.headers[n_items].msg_hdr;

		out.vectors[n_items] = (struct iovec){ (void *)item->record, item->size };
		*message = (struct msghdr){ .msg_iov = &out.vectors[n_items], .msg_iovlen = 1 };
		if (item->n_fds)
			put_fds(message, &out.controls[n_items].header, item);
	}
	do
		n = sendmmsg(channel->fd, out.headers, n_items, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Decide how a record that could not be sent is tried again. A peer that is gone is left to the
 * reader. */
static void wait_for(struct soft_channel *channel, int err)
{
	channel->stalled = err == -ENOMEM || err == -ENOBUFS || err == -ETOOMANYREFS;
	if (channel->stalled)
		soft_stalled(channel->soft);
	if (channel->writable != (err == -EAGAIN)) {
		channel->writable = err == -EAGAIN;
		watch(channel);
	}
}

static void append(struct soft_channel *channel, struct soft_item *item)
{
	struct soft_channel *posted = channel->soft->posted;

	assert(!item->queued);
	if (posted && posted != channel)
		soft_channel_flush(posted);
	item->queued = true;
	TAILQ_INSERT_TAIL(&channel->queue, item, link);
}

/* What waits goes first. */
static bool waits(const struct soft_channel *channel)
{
	return channel->writable || channel->stalled;
}

void soft_channel_send(struct soft_channel *channel, struct soft_item *item)
{
	if (!channel->on_readable)
		return;
	append(channel, item);
	if (!waits(channel))
		soft_channel_flush(channel);
}

void soft_channel_post(struct soft_channel *channel, struct soft_item *item)
{
	if (!channel->on_readable)
		return;
	append(channel, item);
	if (waits(channel))
		return;
	if (!channel->n_posted++)
		soft_posted(channel);
	if (channel->n_posted == SOFT_BATCH)
		soft_channel_flush(channel);
}

static void unpost(struct soft_channel *channel)
{
	if (channel->n_posted)
		channel->soft->posted = NULL;
	channel->n_posted = 0;
}

static void on_sent(struct soft_channel *channel)
{
	struct soft_item *item = TAILQ_FIRST(&channel->queue);

	item->queued = false;
	TAILQ_REMOVE(&channel->queue, item, link);
	if (item->sent)
		item->sent(item);
}

void soft_channel_flush(struct soft_channel *channel)
{
	int n = 0;

	unpost(channel);
	while (n >= 0 && !TAILQ_EMPTY(&channel->queue)) {
		n = send_some(channel);
		for (int i = 0; i < n; i++)
			on_sent(channel);
	}
	if (channel->on_readable)
		wait_for(channel, n < 0 ? n : 0);
}

void soft_channel_mute(struct soft_channel *channel)
{
	struct soft_item *item;

	if (channel->polled)
		uv_poll_stop(&channel->poll);
	unpost(channel);
	channel->on_readable = NULL;
	channel->writable = channel->stalled = false;
	TAILQ_FOREACH(item, &channel->queue, link)
		item->queued = false;
	TAILQ_INIT(&channel->queue);
}

bool soft_channel_close(struct soft_channel *channel, uv_close_cb closed)
{
	soft_channel_mute(channel);
	if (channel->polled)
		uv_close((uv_handle_t *)&channel->poll, closed);
	if (channel->fd >= 0)
		close(channel->fd);
	channel->fd = -1;
	return channel->polled;
}

void soft_batch_init(struct soft_batch *batch)
{
	memset(batch, 0, sizeof(*batch));
	for (int i = 0; i < SOFT_BATCH; i++) {
		batch->vectors[i].iov_base = &batch->buffers[i];
		batch->vectors[i].iov_len = sizeof(batch->buffers[i]);
		batch->headers[i].msg_hdr.msg_iov = &batch->vectors[i];
		batch->headers[i].msg_hdr.msg_iovlen = 1;
	}
}

/* ECONNRESET says once that the peer left records unread; what it had sent before is still to be
 * read. */
static bool again(int err)
{
	return err == EINTR || err == ECONNRESET;
}

int soft_batch_read(struct soft_batch *batch, int fd)
{
	int n;

	do
		n = recvmmsg(fd, batch->headers, SOFT_BATCH, MSG_DONTWAIT, NULL);
	while (n < 0 && again(errno));
	return n < 0 ? -errno : n;
}

int soft_batch_size(const struct soft_batch *batch, int i)
{
	/* Without room for control data the kernel closes descriptors itself, and says so. */
	if (batch->headers[i].msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return -EBADMSG;
	return (int)batch->headers[i].msg_len;
}

static void take_fds(struct msghdr *message, int *fds, unsigned *n_fds)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds, CMSG_DATA(c), bytes);
		*n_fds = (unsigned)(bytes / sizeof(int));
	}
}

int soft_channel_read(int fd, union soft_buffer *buffer, int *fds, unsigned *n_fds)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * SOFT_FDS_MAX)];
	} control;
	struct iovec vector = { .iov_base = buffer, .iov_len = sizeof(*buffer) };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
	ssize_t n;

	*n_fds = 0;
	do {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && again(errno));
	if (n < 0)
		return -errno;
	take_fds(&message, fds, n_fds);
	return message.msg_flags & MSG_TRUNC ? -EBADMSG : (int)n;
}
