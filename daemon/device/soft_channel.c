// SPDX-License-Identifier: BSD-3-Clause
/*
 * Channels, see soft_channel.h. The common case is one sendmsg() straight from soft_channel_send()
 * and one recvmmsg() per wake-up.
 */
#include "device/soft_channel.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

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

static int send_item(int fd, const struct soft_item *item)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * SEND_FDS_MAX)];
	} control;
	struct iovec vector = { .iov_base = (void *)item->record, .iov_len = item->size };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
	ssize_t n;

	if (item->n_fds) {
		size_t bytes = sizeof(int) * item->n_fds;

		assert(item->n_fds <= SEND_FDS_MAX);
		memset(&control, 0, sizeof(control));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(bytes);
		memcpy(CMSG_DATA(&control.header), item->fds, bytes);
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(bytes);
	}
	do
		n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
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

void soft_channel_send(struct soft_channel *channel, struct soft_item *item)
{
	int r;

	assert(!item->queued);
	if (!channel->on_readable)
		return;
	if (TAILQ_EMPTY(&channel->queue)) {
		r = send_item(channel->fd, item);
		if (!r) {
			if (item->sent)
				item->sent(item);
			return;
		}
		wait_for(channel, r);
	}
	item->queued = true;
	TAILQ_INSERT_TAIL(&channel->queue, item, link);
}

void soft_channel_flush(struct soft_channel *channel)
{
	struct soft_item *item;
	int r = 0;

	while (channel->on_readable && (item = TAILQ_FIRST(&channel->queue))) {
		r = send_item(channel->fd, item);
		if (r)
			break;
		item->queued = false;
		TAILQ_REMOVE(&channel->queue, item, link);
		if (item->sent)
			item->sent(item);
	}
	if (channel->on_readable)
		wait_for(channel, r);
}

void soft_channel_mute(struct soft_channel *channel)
{
	struct soft_item *item;

	if (channel->polled)
		uv_poll_stop(&channel->poll);
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
