/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Header and datagrams of the protocol, for both ends: see frame.h. Every byte and descriptor that
 * comes in here was chosen by the other side. No state, no allocation; callable from any thread.
 */
#include "frame.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* The kernel's own limit for one message (SCM_MAX_FD): with room for all of them, descriptors are
 * only ever lost when the process has none left. */
#define KERNEL_FDS_MAX 253

union control {
	char bytes[CMSG_SPACE(sizeof(int) * KERNEL_FDS_MAX)];
	struct cmsghdr align;
};

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = v & 255;
	p[1] = v >> 8;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

void qda_frame_write(uint8_t out[QDA_FRAME_SIZE], const struct qda_frame *frame)
{
	put16(out, QDA_FRAME_MAGIC);
	out[2] = frame->version;
	out[3] = frame->flags;
	put16(out + 4, frame->type);
	put16(out + 6, frame->body_len);
	for (unsigned i = 0; i < 8; i++)
		out[8 + i] = frame->serial >> 8 * i & 255;
}

int qda_frame_read(const uint8_t *bytes, size_t n, struct qda_frame *frame)
{
	if (n < QDA_FRAME_SIZE || get16(bytes) != QDA_FRAME_MAGIC)
		return -EBADMSG;
	*frame = (struct qda_frame){
		.version = bytes[2],
		.flags = bytes[3],
		.type = get16(bytes + 4),
		.body_len = get16(bytes + 6),
	};
	for (unsigned i = 0; i < 8; i++)
		frame->serial |= (uint64_t)bytes[8 + i] << 8 * i;
	if (frame->flags > QDA_FRAME_EVENT || frame->body_len > n - QDA_FRAME_SIZE)
		return -EBADMSG;
	return 0;
}

void qda_packet_close_fds(struct qda_packet *packet)
{
	for (unsigned i = 0; i < packet->n_fds; i++)
		close(packet->fds[i]);
	packet->n_fds = 0;
}

/* Keep the descriptors that fit and close the others; says whether there were any such. */
static int take_fds(struct msghdr *msg, struct qda_packet *packet)
{
	int surplus = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (packet->n_fds < QDA_FDS_MAX) {
				packet->fds[packet->n_fds++] = fd;
			} else {
				close(fd);
				surplus = 1;
			}
		}
	}
	return surplus;
}

int qda_packet_recv(int fd, void *buf, size_t size, int flags, struct qda_packet *packet)
{
	union control control;
	struct iovec iov = { buf, size };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	int surplus;
	ssize_t n;

	packet->n = 0;
	packet->n_fds = 0;
	do
		n = recvmsg(fd, &msg, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;

	surplus = take_fds(&msg, packet);
	if (surplus || msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		qda_packet_close_fds(packet);
		packet->n = msg.msg_flags & MSG_TRUNC ? 0 : (size_t)n;
		return -EMSGSIZE;
	}
	if (n == 0) {
		/* An empty record cannot be told from the end; nobody may send one. */
		qda_packet_close_fds(packet);
		return 0;
	}
	packet->n = (size_t)n;
	return 1;
}

static void put_fds(struct msghdr *msg, union control *control, const int *fds, unsigned n_fds)
{
	struct cmsghdr *c;

	memset(control, 0, CMSG_SPACE(sizeof(int) * n_fds));
	msg->msg_control = control->bytes;
	msg->msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
}

int qda_packet_send(int fd, const struct iovec *iov, unsigned n_iov, const int *fds, unsigned n_fds,
		    int flags)
{
	union control control;
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = n_iov };
	ssize_t n;

	if (n_iov > 4 || n_fds > QDA_FDS_MAX)
		return -EINVAL;
	if (n_fds)
		put_fds(&msg, &control, fds, n_fds);
	do
		n = sendmsg(fd, &msg, flags | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	return 0;
}
