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

/* With room for as many as the kernel ever passes, and for credentials, descriptors are only lost
 * when the process has none left. */
union control {
	char bytes[CMSG_SPACE(sizeof(int) * QDA_FDS_ROOM) + CMSG_SPACE(sizeof(struct ucred))];
	struct cmsghdr align;
};

/* The header as it is on the wire. */
struct header {
	uint16_t magic;
	uint8_t version, flags;
	uint16_t type, body_len;
	uint64_t serial;
};

_Static_assert(sizeof(struct header) == QDA_FRAME_SIZE, "no padding");

void qda_frame_write(uint8_t out[QDA_FRAME_SIZE], const struct qda_frame *frame)
{
	const struct header header = {
		.magic = QDA_FRAME_MAGIC,
		.version = frame->version,
		.flags = frame->flags,
		.type = frame->type,
		.body_len = frame->body_len,
		.serial = frame->serial,
	};

	memcpy(out, &header, sizeof(header));
}

int qda_frame_read(const uint8_t *bytes, size_t n, struct qda_frame *frame)
{
	struct header header;

	if (n < sizeof(header))
		return -EBADMSG;
	memcpy(&header, bytes, sizeof(header));
	if (header.magic != QDA_FRAME_MAGIC || header.flags > QDA_FRAME_EVENT ||
	    header.body_len > n - sizeof(header))
		return -EBADMSG;
	*frame = (struct qda_frame){
		.version = header.version,
		.flags = header.flags,
		.type = header.type,
		.body_len = header.body_len,
		.serial = header.serial,
	};
	return 0;
}

void qda_packet_close_fds(struct qda_packet *packet)
{
	for (unsigned i = 0; i < packet->n_fds; i++)
		close(packet->fds[i]);
	packet->n_fds = 0;
}

static void take_fds(struct msghdr *msg, struct qda_packet *packet)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (n > QDA_FDS_ROOM - packet->n_fds)
			n = QDA_FDS_ROOM - packet->n_fds; /* Linux never gives more */
		memcpy(packet->fds + packet->n_fds, CMSG_DATA(c), n * sizeof(int));
		packet->n_fds += n;
	}
}

int qda_packet_recv_open(int fd, void *buf, size_t size, int flags, struct qda_packet *packet)
{
	union control control;
	struct iovec iov = { buf, size };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n;

	packet->n = 0;
	packet->n_fds = 0;
	packet->end = false;
	do
		n = recvmsg(fd, &msg, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	take_fds(&msg, packet);
	if (packet->n_fds > QDA_FDS_MAX || msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		packet->n = msg.msg_flags & MSG_TRUNC ? 0 : (size_t)n;
		return -EMSGSIZE;
	}
	packet->n = (size_t)n;
	packet->end = !n && !msg.msg_controllen;
	/* An empty record cannot be told from the end; nobody may send one. */
	return n > 0;
}

int qda_packet_recv(int fd, void *buf, size_t size, int flags, struct qda_packet *packet)
{
	int r = qda_packet_recv_open(fd, buf, size, flags, packet);

	if (r <= 0)
		qda_packet_close_fds(packet);
	return r;
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
