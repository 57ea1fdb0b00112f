// SPDX-License-Identifier: BSD-3-Clause
/*
 * Records over SEQPACKET sockets: see record.h. A record may carry descriptors nobody asked for;
 * all of them are given to the caller or closed, so that no record can leak one.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "record.h"

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * SOFTDSP_MAX_DIRS)];
};

void record_fds_close(struct record_fds *fds)
{
	for (unsigned i = 0; i < fds->n; i++)
		if (fds->fd[i] >= 0)
			close(fds->fd[i]);
	fds->n = 0;
}

static void take_fds(struct msghdr *msg, struct record_fds *fds)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		/* The kernel makes one such header, and the buffer bounds it. */
		fds->n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds->fd, CMSG_DATA(c), fds->n * sizeof(int));
	}
}

long record_recv(int sock, void *record, size_t size, struct record_fds *fds, int flags)
{
	union control control;
	struct iovec iov = { .iov_base = record, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (fds) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		fds->n = 0;
	}
	do
		n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (fds) {
		take_fds(&msg, fds);
		fds->cut = msg.msg_flags & MSG_CTRUNC;
	}
	return n;
}

int record_send(int sock, const void *record, size_t n, int fd, int flags)
{
	union control control = { 0 };
	struct iovec iov = { .iov_base = (void *)record, .iov_len = n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	if (fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int));
		control.align = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_RIGHTS,
						  .cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(int));
	}
	do
		sent = sendmsg(sock, &msg, flags | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}
