/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The header byte by byte, and datagrams with descriptors over a real socket pair: what is refused,
 * and that no descriptor is ever left behind.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include <frame.h>

static const uint8_t example[QDA_FRAME_SIZE] = {
	'q', 'd', 1, QDA_FRAME_REPLY, 14, 0, 0x34, 0x12,
	0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12,
};

static unsigned count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void header_is_written_byte_by_byte(void **state)
{
	struct qda_frame frame = { 1, QDA_FRAME_REPLY, QDA_TYPE_INVOKE, 0x1234,
				   0x123456789abcdef0 };
	uint8_t out[QDA_FRAME_SIZE];

	qda_frame_write(out, &frame);
	assert_memory_equal(out, example, sizeof(out));
}

static void header_is_read_back(void **state)
{
	static uint8_t message[QDA_FRAME_SIZE + 0x1234];
	struct qda_frame frame;

	memcpy(message, example, sizeof(example));
	assert_int_equal(qda_frame_read(message, sizeof(message), &frame), 0);
	assert_int_equal(frame.version, 1);
	assert_int_equal(frame.flags, QDA_FRAME_REPLY);
	assert_int_equal(frame.type, QDA_TYPE_INVOKE);
	assert_int_equal(frame.body_len, 0x1234);
	assert_true(frame.serial == 0x123456789abcdef0);
}

static void body_must_fit_in_the_message(void **state)
{
	static uint8_t message[QDA_FRAME_SIZE + 0x1234];
	struct qda_frame frame;

	memcpy(message, example, sizeof(example));
	for (size_t n = 0; n < sizeof(message); n++)
		assert_int_equal(qda_frame_read(message, n, &frame), -EBADMSG);
}

static void magic_must_be_ours(void **state)
{
	uint8_t message[QDA_FRAME_SIZE];
	struct qda_frame frame;

	for (unsigned bit = 0; bit < 16; bit++) {
		memcpy(message, example, sizeof(message));
		memset(message + 6, 0, 2);
		assert_int_equal(qda_frame_read(message, sizeof(message), &frame), 0);
		message[bit / 8] ^= 1 << bit % 8;
		assert_int_equal(qda_frame_read(message, sizeof(message), &frame), -EBADMSG);
	}
}

static void only_defined_flags_are_read(void **state)
{
	uint8_t message[QDA_FRAME_SIZE];
	struct qda_frame frame;

	memcpy(message, example, sizeof(message));
	memset(message + 6, 0, 2);
	for (unsigned flags = 0; flags < 256; flags++) {
		message[3] = (uint8_t)flags;
		assert_int_equal(qda_frame_read(message, sizeof(message), &frame),
				 flags <= 2 ? 0 : -EBADMSG);
	}
}

static void pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
}

static void pieces_arrive_as_one_datagram(void **state)
{
	char bytes[] = "onetwothreex";
	struct iovec iov[5] = {
		{ bytes, 3 }, { bytes, 0 }, { bytes + 3, 3 }, { bytes + 6, 5 }, { bytes + 11, 1 },
	};
	struct qda_packet packet;
	char buf[64];
	int s[2];

	pair(s);
	assert_int_equal(qda_packet_send(s[0], iov, 4, NULL, 0, 0), 0);
	assert_int_equal(qda_packet_send(s[0], iov, 5, NULL, 0, 0), -EINVAL);
	assert_int_equal(qda_packet_recv(s[1], buf, sizeof(buf), 0, &packet), 1);
	assert_int_equal(packet.n, 11);
	assert_int_equal(packet.n_fds, 0);
	assert_memory_equal(buf, "onetwothree", 11);
	assert_int_equal(qda_packet_recv(s[1], buf, sizeof(buf), MSG_DONTWAIT, &packet), -EAGAIN);
	close(s[0]);
	assert_int_equal(qda_packet_recv(s[1], buf, sizeof(buf), 0, &packet), 0);
	close(s[1]);
}

static void descriptors_arrive_and_are_cloexec(void **state)
{
	char bytes[] = "x";
	struct iovec iov = { bytes, 1 };
	struct qda_packet packet;
	int fds[QDA_FDS_MAX], s[2];
	unsigned before = count_fds();
	char buf[8];

	pair(s);
	for (unsigned i = 0; i < QDA_FDS_MAX; i++)
		fds[i] = i % 2 ? s[0] : STDIN_FILENO;
	assert_int_equal(qda_packet_send(s[0], &iov, 1, fds, QDA_FDS_MAX, 0), 0);
	assert_int_equal(qda_packet_send(s[0], &iov, 1, fds, QDA_FDS_MAX + 1, 0), -EINVAL);
	assert_int_equal(qda_packet_recv(s[1], buf, sizeof(buf), 0, &packet), 1);
	assert_int_equal(packet.n_fds, QDA_FDS_MAX);
	for (unsigned i = 0; i < QDA_FDS_MAX; i++) {
		struct stat a, b;

		assert_int_equal(fcntl(packet.fds[i], F_GETFD), FD_CLOEXEC);
		assert_int_equal(fstat(packet.fds[i], &a), 0);
		assert_int_equal(fstat(fds[i], &b), 0);
		assert_true(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	}
	qda_packet_close_fds(&packet);
	assert_int_equal(packet.n_fds, 0);
	close(s[0]);
	close(s[1]);
	assert_int_equal(count_fds(), before);
}

/* More descriptors than our own sender would send. */
static void send_raw(int fd, const void *bytes, size_t n, unsigned n_fds)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 253)];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (void *)bytes, n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (n_fds) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		for (unsigned i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(fd));
	}
	assert_int_equal(sendmsg(fd, &msg, 0), n);
}

static void too_many_descriptors_are_all_closed(void **state)
{
	static const unsigned numbers[] = { 17, 18, 100, 252, 253 };
	struct qda_packet packet;
	char buf[8];
	int s[2];

	pair(s);
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		unsigned before = count_fds();

		send_raw(s[0], "abc", 3, numbers[i]);
		assert_int_equal(qda_packet_recv(s[1], buf, sizeof(buf), 0, &packet), -EMSGSIZE);
		assert_int_equal(packet.n, 3);
		assert_int_equal(packet.n_fds, 0);
		assert_int_equal(count_fds(), before);
	}
	close(s[0]);
	close(s[1]);
}

static void descriptors_beyond_the_process_limit_are_noticed(void **state)
{
	struct rlimit old, tight;
	struct qda_packet packet;
	unsigned before;
	char buf[8];
	int s[2], top;

	pair(s);
	send_raw(s[0], "abc", 3, 5);
	before = count_fds();
	top = dup(s[0]);
	close(top);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	tight = old;
	tight.rlim_cur = (rlim_t)top + 2; /* room for two */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	assert_int_equal(qda_packet_recv(s[1], buf, sizeof(buf), 0, &packet), -EMSGSIZE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(packet.n, 3);
	assert_memory_equal(buf, "abc", 3);
	assert_int_equal(packet.n_fds, 0);
	assert_int_equal(count_fds(), before);
	close(s[0]);
	close(s[1]);
}

static void too_long_datagrams_are_refused(void **state)
{
	static char bytes[300];
	struct qda_packet packet;
	unsigned before;
	char buf[200];
	int s[2];

	pair(s);
	before = count_fds();
	for (size_t n = 199; n <= 201; n++) {
		send_raw(s[0], bytes, n, 2);
		assert_int_equal(qda_packet_recv(s[1], buf, sizeof(buf), 0, &packet),
				 n <= 200 ? 1 : -EMSGSIZE);
		assert_int_equal(packet.n, n <= 200 ? n : 0);
		qda_packet_close_fds(&packet);
		assert_int_equal(count_fds(), before);
	}
	close(s[0]);
	close(s[1]);
}

static void empty_datagram_with_descriptors_leaves_none(void **state)
{
	struct qda_packet packet;
	unsigned before;
	char buf[8];
	int s[2];

	pair(s);
	before = count_fds();
	send_raw(s[0], "", 0, 3);
	assert_int_equal(qda_packet_recv(s[1], buf, sizeof(buf), 0, &packet), 0);
	assert_int_equal(count_fds(), before);
	close(s[0]);
	close(s[1]);
}

static void full_and_closed_sockets_are_errors_not_signals(void **state)
{
	static char bytes[4096];
	struct iovec iov = { bytes, sizeof(bytes) };
	unsigned n = 0;
	int s[2], r;

	pair(s);
	while ((r = qda_packet_send(s[0], &iov, 1, NULL, 0, MSG_DONTWAIT)) == 0)
		assert_true(++n < 100000);
	assert_int_equal(r, -EAGAIN);
	close(s[1]);
	/* What was not read is lost, and said so once. */
	assert_int_equal(qda_packet_send(s[0], &iov, 1, NULL, 0, MSG_DONTWAIT), -ECONNRESET);
	assert_int_equal(qda_packet_send(s[0], &iov, 1, NULL, 0, MSG_DONTWAIT), -EPIPE);
	close(s[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_is_written_byte_by_byte),
		cmocka_unit_test(header_is_read_back),
		cmocka_unit_test(body_must_fit_in_the_message),
		cmocka_unit_test(magic_must_be_ours),
		cmocka_unit_test(only_defined_flags_are_read),
		cmocka_unit_test(pieces_arrive_as_one_datagram),
		cmocka_unit_test(descriptors_arrive_and_are_cloexec),
		cmocka_unit_test(too_many_descriptors_are_all_closed),
		cmocka_unit_test(descriptors_beyond_the_process_limit_are_noticed),
		cmocka_unit_test(too_long_datagrams_are_refused),
		cmocka_unit_test(empty_datagram_with_descriptors_leaves_none),
		cmocka_unit_test(full_and_closed_sockets_are_errors_not_signals),
	};

	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
