/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors: what may come in as memory, where they all go, and what happens when there are no
 * more of them.
 */
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "qda_args.h"
#include "qda_null.h"

#define N(array) (sizeof(array) / sizeof(*(array)))

/* --- memory that clients bring --- */

static int memory(size_t size, unsigned seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* The same file, opened in another way. */
static int reopened(int fd, int flags)
{
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags | O_CLOEXEC);
	assert_true(again >= 0);
	close(fd);
	return again;
}

/* Sends a descriptor for import and closes it here. Returns the code of the answer. */
static int import(struct peer *p, int fd, uint64_t size, bool read_only)
{
	struct qda_msg_request *request =
		REQUEST(BUFFER_IMPORT, .buffer_import = { size, NULL, read_only });
	const struct qda_msg_reply *reply;

	assert_true(fd >= 0);
	reply = peer_await(p, peer_post(p, request, NULL, 0, &fd, 1));
	close(fd);
	if (reply->status.code)
		assert_true(strlen(reply->status.text) > 10);
	else
		peer_ok(p, REQUEST(BUFFER_FREE, .buffer_free = { reply->buffer.buffer }));
	return (int)reply->status.code;
}

static int disk_file(void)
{
	char path[] = "/tmp/qdad-file.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ftruncate(fd, 65536), 0);
	return fd;
}

static int one_of(int fds[2], int which)
{
	close(fds[!which]);
	return fds[which];
}

static int pipe_end(int which)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	return one_of(fds, which);
}

static int stream_socket(void)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	return one_of(fds, 0);
}

static int signal_set(void)
{
	sigset_t set;

	sigemptyset(&set);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int wrong_kind(unsigned which)
{
	switch (which) {
	case 0:
		return pipe_end(0);
	case 1:
		return pipe_end(1);
	case 2:
		return stream_socket();
	case 3:
		return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	case 4:
		return disk_file();
	case 5:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case 6:
		return open("/dev/zero", O_RDWR | O_CLOEXEC);
	case 7:
		return open("/", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	case 8:
		return open("/", O_PATH | O_CLOEXEC);
	case 9:
		return epoll_create1(EPOLL_CLOEXEC);
	case 10:
		return eventfd(0, EFD_CLOEXEC);
	case 11:
		return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	case 12:
		return signal_set();
	case 13:
		return inotify_init1(IN_CLOEXEC);
	case 14:
		return (int)syscall(SYS_pidfd_open, getpid(), 0);
	case 15:
		return open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	case 16:
		return reopened(memory(65536, F_SEAL_SHRINK), O_PATH);
	case 17:
		return open("/dev/full", O_RDWR | O_CLOEXEC);
	default:
		return -1;
	}
}

static void what_is_no_memory_is_refused(void **state)
{
	struct peer *p = peer_new(*state);
	unsigned before = broker_fds(*state), kinds = 0;
	int fd;

	for (; (fd = wrong_kind(kinds)) >= 0; kinds++) {
		for (unsigned read_only = 0; read_only < 2; read_only++) {
			int code = import(p, wrong_kind(kinds), 4096, read_only);

			if (code != EINVAL && code != EPERM)
				fail_msg("kind %u: %d", kinds, code);
			code = import(p, wrong_kind(kinds), 0, read_only);
			if (code != EINVAL && code != EPERM)
				fail_msg("kind %u, its own size: %d", kinds, code);
		}
		close(fd);
	}
	assert_int_equal(kinds, 18);
	UNTIL (broker_fds(*state) == before) /* closed after the answer */
		;
	peer_free(p);
}

static void memory_must_be_sealed_against_shrinking(void **state)
{
	struct peer *p = peer_new(*state);

	assert_int_equal(import(p, memory(65536, 0), 0, false), EPERM);
	assert_int_equal(import(p, memory(65536, F_SEAL_GROW), 0, false), EPERM);
	assert_int_equal(import(p, memory(65536, 0), 0, true), EPERM);
	assert_int_equal(import(p, memory(65536, F_SEAL_SHRINK), 0, false), 0);
	assert_int_equal(
		import(p, memory(65536, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0, false), 0);
	peer_free(p);
}

static void memory_for_reading_is_for_reading(void **state)
{
	const int taken = device_has(DEVICE_READS_ONLY) ? 0 : EPERM;
	struct peer *p = peer_new(*state);

	assert_int_equal(import(p, reopened(memory(8192, F_SEAL_SHRINK), O_RDONLY), 0, false),
			 EPERM);
	assert_int_equal(import(p, reopened(memory(8192, F_SEAL_SHRINK), O_RDONLY), 0, true),
			 taken);
	assert_int_equal(import(p, reopened(memory(8192, F_SEAL_SHRINK), O_WRONLY), 0, false),
			 EPERM);
	assert_int_equal(import(p, memory(8192, F_SEAL_SHRINK | F_SEAL_WRITE), 0, false), EPERM);
	assert_int_equal(import(p, memory(8192, F_SEAL_SHRINK | F_SEAL_WRITE), 0, true), taken);
	assert_int_equal(import(p, memory(8192, F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE), 0, false),
			 EPERM);
	peer_free(p);
}

static void memory_must_be_as_large_as_said(void **state)
{
	static const struct {
		size_t has;
		uint64_t says;
		int code;
	} sizes[] = {
		{ 8192, 8192, 0 },
		{ 8192, 4097, 0 },
		{ 8192, 1, 0 },
		{ 8192, 8193, ERANGE },
		{ 8191, 8192, ERANGE },
		{ 8191, 0, EINVAL },
		{ 4095, 0, EINVAL },
		{ 0, 0, EINVAL },
		{ 0, 4096, ERANGE },
		{ 8192, 1ull << 32, EINVAL },
		{ 8192, UINT64_MAX, EINVAL },
	};
	struct peer *p = peer_new(*state);

	for (unsigned i = 0; i < N(sizes); i++) {
		int code = import(p, memory(sizes[i].has, F_SEAL_SHRINK), sizes[i].says, false);

		if (code != sizes[i].code)
			fail_msg("%zu bytes said to be %llu: %d", sizes[i].has,
				 (unsigned long long)sizes[i].says, code);
	}
	peer_free(p);
}

static void imported_memory_is_what_the_dsp_sees(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_ARGS_URI);
	int fd = memory(65536, F_SEAL_SHRINK);
	uint8_t *data = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct qda_args_sum sum;
	struct invocation *i;
	uint64_t buffer;

	assert_ptr_not_equal(data, MAP_FAILED);
	fill_pattern(data, 65536, 21);
	peer_await(p, peer_post(p, REQUEST(BUFFER_IMPORT), NULL, 0, &fd, 1));
	assert_int_equal(p->reply.status.code, 0);
	assert_int_equal(p->reply.buffer.size, 65536);
	buffer = p->reply.buffer.buffer;
	i = invocation_new(handle, QDA_ARGS_CHECKSUM);
	invocation_arg(i, 0, QDA_ARG_BUFFER, buffer, 100, 65000);
	invocation_out(i, sizeof(sum));
	invocation_run(p, i);
	memcpy(&sum, p->tail, sizeof(sum));
	assert_int_equal(sum.fnv, qda_args_fnv(QDA_ARGS_FNV_START, data + 100, 65000));
	i = invocation_new(handle, QDA_ARGS_FILL);
	invocation_in(i, &(uint32_t){ 3 }, 4);
	invocation_arg(i, 1, QDA_ARG_BUFFER, buffer, 4095, 2);
	invocation_run(p, i);
	assert_int_equal(data[4095], qda_args_byte(3, 0, 0));
	assert_int_equal(data[4096], qda_args_byte(3, 0, 1));
	munmap(data, 65536);
	close(fd);
	peer_free(p);
}

/* --- descriptors beside messages --- */

/* Up to what the kernel passes at once; frame.c sends no more than the protocol allows. */
static void send_with_fds(struct peer *p, size_t n, unsigned n_fds)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 253)];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { p->out, n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[253], fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct cmsghdr *c;

	for (unsigned i = 0; i < n_fds; i++)
		fds[i] = fd;
	if (n_fds) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	sendmsg(p->fd, &msg, MSG_NOSIGNAL);
	close(fd);
}

static void descriptors_with_any_message_are_closed(void **state)
{
	static const unsigned counts[] = { 0, 1, 2, 7, 8, 9, 15, 16, 17, 18, 64, 252, 253 };
	struct peer *p = peer_new(*state);
	unsigned before = broker_fds(*state);

	for (uint16_t type = 2; type <= QDA_TYPE_SUBSCRIBE + 1; type++) {
		for (unsigned i = 0; i < N(counts); i++) {
			if (type == QDA_TYPE_SESSION_OPEN && counts[i] <= 8)
				continue; /* would be let in */
			qda_frame_write(p->out, &(struct qda_frame){ 1, 0, type, 0, ++p->serial });
			send_with_fds(p, QDA_FRAME_SIZE, counts[i]);
			assert_true(peer_next(p));
			assert_int_equal(p->frame.serial, p->serial);
			UNTIL (broker_fds(*state) == before) /* closed after the answer */
				;
		}
	}
	peer_free(p);
}

static void more_than_16_descriptors_are_refused_and_the_connection_stays(void **state)
{
	struct peer *p = peer_new(*state);

	for (unsigned n = 16; n <= 17; n++) {
		qda_frame_write(p->out, &(struct qda_frame){ 1, 0, QDA_TYPE_BUFFER_IMPORT, 0,
							     ++p->serial });
		send_with_fds(p, QDA_FRAME_SIZE, n);
		assert_int_equal(peer_await(p, p->serial)->status.code, n > 16 ? EMFILE : EINVAL);
	}
	peer_ok(p, REQUEST(LIST_DOMAINS));
	peer_free(p);
}

static void descriptors_of_broken_messages_are_closed(void **state)
{
	unsigned before = broker_fds(*state);

	for (unsigned round = 0; round < 200; round++) {
		struct peer *p = round % 2 ? peer_new(*state) : peer_connect(*state);
		size_t n = 1 + round % 40;

		fill_pattern(p->out, n, round);
		send_with_fds(p, n, round % 254);
		while (peer_next(p)) /* told why, when too many wait to be closed */
			;
		peer_free(p);
	}
	UNTIL (broker_fds(*state) == before)
		;
}

static void a_client_that_takes_no_descriptors_still_gets_its_buffers(void **state)
{
	struct peer *p = peer_new(*state);
	unsigned before = broker_fds(*state);
	uint64_t first = p->serial + 1;

	for (unsigned i = 0; i < 40; i++)
		peer_post(p, REQUEST(BUFFER_ALLOC, .buffer_alloc = { 4096 }), NULL, 0, NULL, 0);
	for (unsigned i = 0; i < 40; i++) {
		uint8_t bytes[QDA_MESSAGE_MAX];

		assert_true(recv(p->fd, bytes, sizeof(bytes), 0) > 0); /* no room for any */
	}
	assert_int_equal(broker_fds(*state), before + 40);
	peer_ok(p, REQUEST(LIST_DOMAINS));
	assert_int_equal(p->frame.serial, first + 40);
	peer_free(p);
}

/* Descriptors on their way are limited for the daemon as a whole. */
static void descriptors_that_nobody_reads_are_few(void **state)
{
	struct peer *p = peer_new(*state);
	struct peer *other = peer_new(*state);
	uint64_t first = p->serial + 1;

	/* One by one, so that all of them lie unread when the last one is asked for. */
	for (unsigned i = 0; i < 64; i++) {
		unsigned before = broker_fds(*state);

		peer_post(p, REQUEST(BUFFER_ALLOC, .buffer_alloc = { 4096 }), NULL, 0, NULL, 0);
		UNTIL (broker_fds(*state) > before)
			;
	}
	peer_post(p, REQUEST(BUFFER_ALLOC, .buffer_alloc = { 4096 }), NULL, 0, NULL, 0);
	for (unsigned i = 0; i < 3; i++)
		peer_ok(other, REQUEST(LIST_DOMAINS)); /* in the daemon's turns after that */
	for (unsigned i = 0; i < 65; i++) {
		peer_await(p, first + i);
		assert_int_equal(p->reply.status.code, i < 64 ? 0 : EAGAIN);
	}
	peer_ok(p, REQUEST(BUFFER_ALLOC, .buffer_alloc = { 4096 }));
	peer_free(other);
	peer_free(p);
}

/* --- directories of a client's own --- */

static int setup_no_modules(void **state)
{
	return broker_setup_with(state, &(struct broker_options){ .modules = "/tmp" });
}

/* A client of a DSP that can be lent directories; else the test is skipped. */
static struct peer *directory_peer(const struct broker *b)
{
	device_need(DEVICE_CLIENT_DIRS);
	return peer_new(b);
}

static uint32_t open_with(struct peer *p, const int *fds, unsigned n)
{
	uint64_t session;

	peer_await(p, peer_post(p, REQUEST(SESSION_OPEN), NULL, 0, fds, n));
	assert_int_equal(p->reply.status.code, 0);
	session = p->reply.session_open.session;
	return peer_call(p, REQUEST(MODULE_OPEN, .module_open = { session, QDA_NULL_URI }))
		->status.code;
}

static void modules_are_found_in_the_clients_own_directories(void **state)
{
	struct peer *p = directory_peer(*state);
	unsigned before = broker_fds(*state);
	int dirs[3] = { open("/", O_PATH | O_CLOEXEC), open("/etc", O_RDONLY | O_CLOEXEC),
			open(SKELS, O_PATH | O_DIRECTORY | O_CLOEXEC) };
	const struct qda_msg_status *status;

	assert_int_equal(open_with(p, NULL, 0), EREMOTEIO);
	status = &p->reply.status;
	assert_non_null(strstr(status->text, "libqda_null_skel.so"));
	assert_int_not_equal(status->aee, 0);
	assert_int_equal(open_with(p, dirs, 2), EREMOTEIO);
	assert_int_equal(open_with(p, dirs + 2, 1), 0);
	assert_int_equal(open_with(p, dirs, 3), 0);
	for (int i = 0; i < 3; i++)
		close(dirs[i]);
	peer_free(p);
	p = peer_new(*state);
	UNTIL (broker_fds(*state) == before)
		;
	peer_free(p);
}

static void what_is_no_directory_is_refused(void **state)
{
	struct peer *p = peer_new(*state);

	for (unsigned kind = 0; kind < 7; kind++) {
		int fd = wrong_kind(kind);

		peer_await(p, peer_post(p, REQUEST(SESSION_OPEN), NULL, 0, &fd, 1));
		assert_int_equal(p->reply.status.code, ENOTDIR);
		close(fd);
	}
	peer_free(p);
}

/* --- none left --- */

#define FEW_FDS 60u

static int setup_few_fds(void **state)
{
	return broker_setup_with(state,
				 &(struct broker_options){ .config = "[connection]\nfds=1000\n",
							   .nofile = FEW_FDS });
}

/* 100 clients where there is room for some 20: those in surplus are ended, the loop neither stops
 * nor spins, the log says next to nothing, and when some go others may come. */
static void no_descriptor_for_a_newcomer_is_no_disaster(void **state)
{
	struct broker *b = *state;
	struct peer *peers[100], *late;
	unsigned n_turned_away = 0;
	uint64_t cpu, since;

	for (unsigned i = 0; i < N(peers); i++)
		peers[i] = peer_connect(b);
	UNTIL (broker_fds(b) >= FEW_FDS - 1)
		;
	since = clock_ms();
	cpu = broker_cpu_ms(b);
	/* Until ten newcomers have been ended: a second or so of being short. */
	while (n_turned_away < 10) {
		for (unsigned i = 0; i < N(peers); i++) {
			struct pollfd p = { peers[i] ? peers[i]->fd : -1, POLLIN, 0 };

			if (poll(&p, 1, 1) != 1)
				continue;
			peer_expect_end(peers[i]);
			peers[i] = peer_free(peers[i]);
			n_turned_away++;
		}
	}
	assert_true(broker_cpu_ms(b) - cpu < (clock_ms() - since) / 8);
	assert_true(strlen(broker_log(b)) < 2048);
	/* The first one was let in and is served all the time. */
	peer_ok(peers[0], REQUEST(HELLO, .hello = { 1, 1, "first" }));
	for (unsigned i = 1; i < N(peers); i++)
		peers[i] = peer_free(peers[i]);
	late = peer_new(b);
	peer_ok(late, REQUEST(LIST_DOMAINS));
	UNTIL (peer_daemon_row(late).clients == 2)
		;
	peer_free(late);
	peer_free(peers[0]);
}

/* Opening it again would wait until the holder of the lease lets go, or is made to. */
static void memory_under_a_lease_stops_nobody(void **state)
{
	struct peer *p = peer_new(*state);
	int fd = memory(4096, F_SEAL_SHRINK), code;
	char path[64];

	signal(SIGIO, SIG_IGN);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int leased = open(path, O_RDWR | O_CLOEXEC);

	assert_true(leased >= 0);
	close(fd);
	if (fcntl(leased, F_SETLEASE, F_WRLCK) < 0) {
		print_message("no lease on a memfd here: %s\n", strerror(errno));
		skip();
	}
	code = import(p, fcntl(leased, F_DUPFD_CLOEXEC, 0), 4096, true);
	/* A device that lends memory for reading would have to open it again. */
	assert_int_equal(code, device_has(DEVICE_READS_ONLY) ? EAGAIN : 0);
	assert_int_equal(fcntl(leased, F_SETLEASE, F_UNLCK), 0);
	close(leased);
	peer_free(p);
}

/* The kernel drops what it cannot deliver: that one request is refused, and nobody is ended. */
static void a_descriptor_that_cannot_be_received_is_refused(void **state)
{
	struct broker *b = *state;
	struct peer *peers[FEW_FDS], *first = peer_new(b);
	int fd = memory(4096, F_SEAL_SHRINK);

	for (unsigned i = 0; i < FEW_FDS; i++)
		peers[i] = peer_connect(b);
	UNTIL (broker_fds(b) >= FEW_FDS)
		;
	/* A DSP does not come up with so few, and each try has some of them for a moment: when it
	 * ends, there is room until the next newcomer is let in. */
	UNTIL (peer_await(first, peer_post(first, REQUEST(BUFFER_IMPORT), NULL, 0, &fd, 1))
		       ->status.code == EMFILE)
		assert_int_equal(first->reply.status.code, ENOTCONN);
	peer_ok(first, REQUEST(LIST_DOMAINS));
	close(fd);
	for (unsigned i = 0; i < FEW_FDS; i++)
		peer_free(peers[i]);
	peer_free(first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_no_memory_is_refused),
		TEST(memory_must_be_sealed_against_shrinking),
		TEST(memory_for_reading_is_for_reading),
		TEST(memory_must_be_as_large_as_said),
		TEST(imported_memory_is_what_the_dsp_sees),
		TEST(descriptors_with_any_message_are_closed),
		TEST(more_than_16_descriptors_are_refused_and_the_connection_stays),
		TEST(descriptors_of_broken_messages_are_closed),
		TEST(a_client_that_takes_no_descriptors_still_gets_its_buffers),
		TEST(descriptors_that_nobody_reads_are_few),
		TEST(memory_under_a_lease_stops_nobody),
		TEST_WITH(modules_are_found_in_the_clients_own_directories, setup_no_modules),
		TEST(what_is_no_directory_is_refused),
		TEST_WITH(no_descriptor_for_a_newcomer_is_no_disaster, setup_few_fds),
		TEST_WITH(a_descriptor_that_cannot_be_received_is_refused, setup_few_fds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
