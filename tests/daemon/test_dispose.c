/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors that are slow to close: whoever has the daemon close such a thing keeps nobody
 * waiting, and the daemon holds few of them.
 */
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define N(array) (sizeof(array) / sizeof(*(array)))
#define FDS_MAX 300 /* that a user may have in the daemon */

/* Send something with the only copy of a lingering socket: the daemon sleeps meanwhile, so that
 * ours is never the last one to be closed. */
static void give_lingering(const struct broker *b, struct peer *p, const void *bytes, size_t n,
			   int *other)
{
	int fd = peer_lingering(other);

	kill(b->pid, SIGSTOP);
	assert_true(peer_send_raw(p, bytes, n, &fd, 1));
	close(fd);
	kill(b->pid, SIGCONT);
}

/* Whoever has such a thing closed by the daemon keeps nobody waiting: not with a message after
 * Hello, not with one before it, and not with one that is never read. */
static void a_descriptor_that_is_slow_to_close_stops_nobody(void **state)
{
	struct broker *b = *state;
	unsigned before = broker_fds(b);
	struct peer *late = peer_new(b), *early = peer_connect(b), *unread = peer_connect(b);
	int other[3];

	give_lingering(b, late, "rubbish", 7, &other[0]);
	peer_expect_end(late);
	peer_free(peer_new(b));

	give_lingering(b, early, "rubbish", 7, &other[1]);
	peer_expect_end(early);
	peer_free(peer_new(b));

	kill(b->pid, SIGSTOP);
	assert_true(peer_send_raw(unread, "rubbish", 7, NULL, 0));
	assert_int_equal(send(unread->fd, "", 0, 0), 0);
	give_lingering(b, unread, "more", 4, &other[2]);
	peer_expect_end(unread);
	peer_free(peer_new(b));

	peer_free(late);
	peer_free(early);
	peer_free(unread);
	UNTIL (broker_fds(b) == before) /* nor do any stay */
		;
	for (unsigned i = 0; i < N(other); i++)
		close(other[i]);
}

/* Give up the only copy of so much memory, with a message that is none. */
static void give_memory(const struct broker *b, size_t size)
{
	struct peer *p = peer_new(b);
	int fd = memfd_create("much", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(posix_fallocate(fd, 0, (off_t)size), 0);
	kill(b->pid, SIGSTOP);
	assert_true(peer_send_raw(p, "rubbish", 7, &fd, 1));
	close(fd);
	kill(b->pid, SIGCONT);
	peer_expect_end(p);
	peer_free(p);
}

/* Giving back memory takes time by its size: much of it is given back by a thread, made for the
 * first. */
static void much_memory_is_not_given_back_in_the_loop(void **state)
{
	const struct broker *b = *state;
	unsigned fds = broker_fds(b), threads = broker_threads(b);

	give_memory(b, 1 << 16);
	UNTIL (broker_fds(b) == fds)
		;
	assert_int_equal(broker_threads(b), threads);
	give_memory(b, 4 << 20);
	UNTIL (broker_fds(b) == fds)
		;
	assert_int_equal(broker_threads(b), threads + 1);
}

/* A socket in whose queue is the only copy of one that lingers: that is closed with the last of
 * it. */
static int lingering_inside(int *other)
{
	int fds[2], fd = peer_lingering(other);
	struct peer sender;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	sender = (struct peer){ .fd = fds[0] };
	assert_true(peer_send_raw(&sender, "x", 1, &fd, 1));
	close(fd);
	close(fds[0]);
	return fds[1];
}

/* Nor does it keep the daemon from closing what others sent. */
static void a_descriptor_that_waits_inside_another_is_closed(void **state)
{
	struct broker *b = *state;
	unsigned before = broker_fds(b);
	struct peer *p = peer_connect(b), *late = peer_connect(b);
	int other, fd = lingering_inside(&other), null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	kill(b->pid, SIGSTOP);
	assert_true(peer_send_raw(p, "rubbish", 7, &fd, 1));
	close(fd);
	kill(b->pid, SIGCONT);
	peer_expect_end(p);
	assert_true(peer_send_raw(late, "rubbish", 7, &null, 1));
	peer_expect_end(late);
	UNTIL (broker_fds(b) == before)
		;
	peer_free(p);
	peer_free(late);
	close(null);
	close(other);
}

/* --- a file that never says that it is closed --- */

struct endless {
	char path[32];
	int fd;
	pid_t server;
};

/* The server of a file system that is one file. */
static void serve(int device)
{
	static union {
		struct fuse_in_header head;
		char room[FUSE_MIN_READ_BUFFER * 2];
	} in;
	static struct {
		struct fuse_out_header head;
		union {
			struct fuse_init_out init;
			struct fuse_open_out open;
		};
	} out;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(device, &in, sizeof(in)) > 0) {
		out = (typeof(out)){ .head = { sizeof(out.head), -ENOSYS, in.head.unique } };
		if (in.head.opcode == FUSE_INIT) {
			out.head.len += sizeof(out.init);
			out.init = (struct fuse_init_out){ .major = FUSE_KERNEL_VERSION, .minor = 31,
							   .max_write = 4096 };
		} else if (in.head.opcode == FUSE_OPEN) {
			out.head.len += sizeof(out.open);
		} else if (in.head.opcode == FUSE_FLUSH) {
			continue;
		}
		if (out.head.len > sizeof(out.head))
			out.head.error = 0;
		if (write(device, &out, out.head.len) < 0)
			break;
	}
	_exit(0);
}

/* False: this machine has no FUSE for us. */
static bool endless_new(struct endless *e)
{
	int device = open("/dev/fuse", O_RDWR | O_CLOEXEC), file;
	char options[80];
	bool there;

	snprintf(e->path, sizeof(e->path), "/tmp/qdad-endless.XXXXXX");
	file = mkostemp(e->path, O_CLOEXEC);
	assert_true(file >= 0);
	close(file);
	snprintf(options, sizeof(options), "fd=%d,rootmode=100644,user_id=%u,group_id=%u", device,
		 getuid(), getgid());
	there = device >= 0 && mount("qdad-test", e->path, "fuse", MS_NOSUID | MS_NODEV, options) == 0;
	if (there) {
		e->server = fork();
		if (!e->server)
			serve(device);
		e->fd = open(e->path, O_RDONLY | O_CLOEXEC);
		assert_true(e->fd >= 0);
		assert_int_equal(umount2(e->path, MNT_DETACH), 0);
	}
	if (device >= 0)
		close(device);
	unlink(e->path);
	return there;
}

/* From here on it is like any file. */
static void endless_free(struct endless *e)
{
	assert_int_equal(kill(e->server, SIGKILL), 0);
	assert_int_equal(waitpid(e->server, NULL, 0), e->server);
	close(e->fd);
}

static int setup_few(void **state)
{
	return broker_setup_with(state,
				 &(struct broker_options){ .config = "[quota default]\nfds=300\n" });
}

/* As many as the quota allows, and those of the one message that passed it. */
static void descriptors_that_nobody_could_pay_for_are_few(void **state)
{
	struct broker *b = *state;
	unsigned before = broker_fds(b);
	struct peer *peers[30], *neighbour;
	int fds[QDA_FDS_MAX];
	struct endless e;

	if (!endless_new(&e))
		SKIP("only root can have a file system here");
	for (unsigned i = 0; i < N(fds); i++)
		fds[i] = e.fd;
	for (unsigned i = 0; i < N(peers); i++)
		peers[i] = peer_connect(b);
	for (unsigned i = 0; i < N(peers); i++) {
		assert_true(peer_send_raw(peers[i], "rubbish", 7, fds, N(fds)));
		while (peer_next(peers[i])) /* told why, some of them */
			;
	}
	assert_true(broker_fds(b) > before + FDS_MAX / 2);
	assert_true(broker_fds(b) <= before + FDS_MAX + N(fds));
	endless_free(&e);
	for (unsigned i = 0; i < N(peers); i++)
		peer_free(peers[i]);
	UNTIL (broker_fds(b) == before)
		;
	neighbour = peer_new(b);
	peer_ok(neighbour, REQUEST(LIST_DOMAINS));
	peer_free(neighbour);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_descriptor_that_is_slow_to_close_stops_nobody),
		TEST(much_memory_is_not_given_back_in_the_loop),
		TEST(a_descriptor_that_waits_inside_another_is_closed),
		cmocka_unit_test_setup_teardown(descriptors_that_nobody_could_pay_for_are_few,
						setup_few, broker_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
