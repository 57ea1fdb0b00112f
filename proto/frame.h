/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Framing that both ends of the protocol share: the 16-byte header and its checks, and one datagram
 * with its descriptors out of or into a SOCK_SEQPACKET socket. Little endian on the wire. Knows
 * nothing of message bodies (proto/codec.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define QDA_PROTOCOL_VERSION 1
#define QDA_FRAME_MAGIC 0x6471u /* bytes "qd" */
#define QDA_FRAME_SIZE 16u
#define QDA_MESSAGE_MAX 65536u /* header, body and inline data */
#define QDA_BODY_MAX 65520u    /* what a message has room for behind its header */
#define QDA_FDS_MAX 16u
#define QDA_FDS_ROOM 253u		/* the most that Linux passes with one message */

enum qda_frame_flags { QDA_FRAME_REPLY = 1, QDA_FRAME_EVENT = 2 };

enum qda_type {
	QDA_TYPE_HELLO = 1,
	QDA_TYPE_LIST_DOMAINS = 2,
	QDA_TYPE_GET_STATUS = 3,
	QDA_TYPE_BUFFER_ALLOC = 4,
	QDA_TYPE_BUFFER_IMPORT = 5,
	QDA_TYPE_BUFFER_FREE = 6,
	QDA_TYPE_SESSION_OPEN = 7,
	QDA_TYPE_SESSION_CLOSE = 9,
	QDA_TYPE_BUFFER_MAP = 10,
	QDA_TYPE_BUFFER_UNMAP = 11,
	QDA_TYPE_MODULE_OPEN = 12,
	QDA_TYPE_MODULE_CLOSE = 13,
	QDA_TYPE_INVOKE = 14,
	QDA_TYPE_CANCEL = 15,
	QDA_TYPE_SUBSCRIBE = 16,
	QDA_TYPE_RELOAD = 64,
	QDA_TYPE_QUOTA_GET = 65,
	QDA_TYPE_QUOTA_SET = 66,
	QDA_TYPE_KILL = 67,
	QDA_TYPE_POLICY_CHECK = 68,
	QDA_TYPE_SESSION_LOST = 128,
	QDA_TYPE_DOMAIN_CHANGED = 129,
	QDA_TYPE_LOG = 130,
	QDA_TYPE_MONITOR = 132,
};

struct qda_frame {
	uint8_t version;
	uint8_t flags; /* enum qda_frame_flags */
	uint16_t type; /* enum qda_type */
	uint16_t body_len;
	uint64_t serial; /* rising per connection; 0 in events */
};

void qda_frame_write(uint8_t out[QDA_FRAME_SIZE], const struct qda_frame *frame);

/* 0; -EBADMSG when `n` is too short, the magic is not ours, the body does not fit in n, or the
 * flags are no combination that is defined. The version is returned, not judged: Hello decides. */
int qda_frame_read(const uint8_t *bytes, size_t n, struct qda_frame *frame);

/* What came in with one datagram. fds are the receiver's to close, CLOEXEC. */
struct qda_packet {
	size_t n;
	int fds[QDA_FDS_ROOM];	/* at most QDA_FDS_MAX of them after success */
	unsigned n_fds;
	bool end;	/* end of file for certain, where SO_PASSCRED marks every record */
};

/* One datagram into buf. Returns 1; 0 at end of file; -EAGAIN when there is none (flags
 * MSG_DONTWAIT); -EMSGSIZE when it was longer than `size`, had more than QDA_FDS_MAX descriptors,
 * or the kernel could not deliver all of them: whatever came is closed already, and packet->n is
 * the length of the datagram if its bytes are complete, else 0. Other negative errno: the socket
 * is broken. Interrupted waits go on. */
int qda_packet_recv(int fd, void *buf, size_t size, int flags, struct qda_packet *packet);

/* The same, but closes nothing: also after a failure the descriptors that came are in packet->fds.
 * For a receiver whom close() of a stranger's file must not hold up. */
int qda_packet_recv_open(int fd, void *buf, size_t size, int flags, struct qda_packet *packet);

/* One datagram made of `n_iov` (<= 4) pieces, with descriptors that stay the caller's. Never raises
 * SIGPIPE. Returns 0, -EAGAIN when the socket is full, or another negative errno. */
struct iovec;
int qda_packet_send(int fd, const struct iovec *iov, unsigned n_iov, const int *fds, unsigned n_fds,
		    int flags);

void qda_packet_close_fds(struct qda_packet *packet);
