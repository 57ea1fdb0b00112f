/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Units: which service a client runs in is what it was when it connected, never what the process is
 * that has its pid later.
 */
#include "peer.h"
#include "stranger.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qda_args.h"
#include "qda_null.h"

#define UNIT_A "qda-test-a.service"
#define UNIT_B "qda-test-b.service"

enum { IN_A_UNIT = 54325 };

/* A may do everything; B nothing. */
static int setup(void **state)
{
	return broker_setup_with(state, &(struct broker_options){
						.config = "[policy a]\nunit=" UNIT_A "\nallow=yes\n",
						.system = true,
					});
}

/* A may do everything; B may load one module. */
static int setup_both(void **state)
{
	return broker_setup_with(state, &(struct broker_options){
						.config = "[policy a]\nunit=" UNIT_A "\nallow=yes\n"
							  "[policy b]\nunit=" UNIT_B "\n"
							  "module=file:///libqda_null*\nallow=yes\n",
						.system = true,
					});
}

/* 'y' when let in, 'n' when refused since no rule says anything. */
static char say_hello(const char *socket)
{
	struct peer *p = peer_try_connect(socket);
	const struct qda_msg_status *status;

	if (!p)
		return '?';
	status = &peer_call(p, REQUEST(HELLO, .hello = { 1, 1, "x" }))->status;
	if (!status->code)
		return 'y';
	return status->code == EACCES && strstr(status->text, "no rule") ? 'n' : '?';
}

static char cgroup_a[128], cgroup_b[128];

static bool make_cgroups(void)
{
	static const char *const roots[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	char path[96];

	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/cgroup.controllers", roots[i]);
		if (access(path, F_OK) < 0)
			continue;
		snprintf(path, sizeof(path), "%s/qdatest%d.slice", roots[i], getpid());
		snprintf(cgroup_a, sizeof(cgroup_a), "%s/" UNIT_A, path);
		snprintf(cgroup_b, sizeof(cgroup_b), "%s/" UNIT_B, path);
		return (mkdir(path, 0755) == 0 || errno == EEXIST) &&
		       (mkdir(cgroup_a, 0755) == 0 || errno == EEXIST) &&
		       (mkdir(cgroup_b, 0755) == 0 || errno == EEXIST);
	}
	return false;
}

static void need_units(void)
{
	if (getuid())
		SKIP("only root can be other users");
	if (!make_cgroups())
		SKIP("no control groups (version 2) can be made here to be units");
}

/* As soon as they are empty. */
static void remove_cgroups(void)
{
	char slice[128];

	UNTIL ((rmdir(cgroup_a) == 0 || errno == ENOENT) &&
	       (rmdir(cgroup_b) == 0 || errno == ENOENT))
		;
	snprintf(slice, sizeof(slice), "%.*s", (int)(strrchr(cgroup_a, '/') - cgroup_a), cgroup_a);
	assert_int_equal(rmdir(slice), 0);
}

static void rules_match_units_and_status_shows_them(void **state)
{
	struct broker *b = *state;
	struct stranger in, out;
	struct peer *p;

	need_units();
	in = stranger_new(b, IN_A_UNIT, IN_A_UNIT, cgroup_a, say_hello);
	assert_int_equal(stranger_said(&in), 'y');
	out = stranger_new(b, IN_A_UNIT, IN_A_UNIT, cgroup_b, say_hello);
	assert_int_equal(stranger_said(&out), 'n');
	p = peer_new(b);
	peer_ok(p, REQUEST(GET_STATUS, .get_status = { 2 }));
	assert_string_equal(p->reply.get_status.clients[0].unit, UNIT_A);
	assert_string_equal(p->reply.get_status.clients[0].program, "test_units");
	stranger_free(&in);
	stranger_free(&out);
	peer_free(p);
	remove_cgroups();
}

/* A child in a control group, with this pid when it is not 0. */
static pid_t clone_into(const char *cgroup, pid_t pid)
{
	int fd = open(cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)fd,
		.set_tid = pid ? (uintptr_t)&pid : 0,
		.set_tid_size = pid ? 1 : 0,
	};
	pid_t child = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (child)
		close(fd);
	return child;
}

/* A connection made by a process in unit B, which is gone, and whose pid a process in unit A has
 * now. 0: somebody else was quicker to take that pid. */
static pid_t try_swap(const struct broker *b, int fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	pid_t first, second;
	int status;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", b->socket);
	first = clone_into(cgroup_b, 0);
	if (!first)
		_exit(setgroups(0, NULL) || setgid(IN_A_UNIT) || setuid(IN_A_UNIT) ||
		      connect(fd, (struct sockaddr *)&address, sizeof(address)));
	assert_int_equal(waitpid(first, &status, 0), first);
	assert_int_equal(status, 0);
	second = clone_into(cgroup_a, first);
	if (!second) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	if (second < 0 && errno == EEXIST)
		return 0;
	assert_int_equal(second, first);
	return second;
}

static pid_t swap(const struct broker *b, int *fd)
{
	pid_t pid;

	for (;;) {
		*fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		pid = try_swap(b, *fd);
		if (pid)
			return pid;
		close(*fd);
	}
}

static int hello_code(int fd)
{
	static struct qda_decoder decoder;
	uint8_t bytes[4096];
	struct qda_frame frame;
	struct qda_msg_reply reply;
	int n = qda_request_encode(bytes, sizeof(bytes), 1,
				   REQUEST(HELLO, .hello = { 1, 1, "swapped" }));

	assert_int_equal(send(fd, bytes, (size_t)n, MSG_NOSIGNAL), n);
	n = (int)recv(fd, bytes, sizeof(bytes), 0);
	assert_true(n > 0 && qda_frame_read(bytes, (size_t)n, &frame) == 0);
	assert_int_equal(qda_reply_decode(&decoder, frame.type, bytes + QDA_FRAME_SIZE,
					  (size_t)n - QDA_FRAME_SIZE, &reply),
			 0);
	return reply.status.code;
}

/* In every other batch the daemon looks only when all are swapped. */
static void a_pid_used_again_gives_nobody_its_unit(void **state)
{
	enum { BATCH = 40, BATCHES = 25 };
	struct broker *b = *state;

	need_units();
	for (unsigned i = 0; i < BATCHES; i++) {
		int fds[BATCH];
		pid_t pids[BATCH];

		if (i % 2 == 0)
			broker_signal(b, SIGSTOP);
		for (unsigned k = 0; k < BATCH; k++)
			pids[k] = swap(b, &fds[k]);
		broker_signal(b, SIGCONT);
		for (unsigned k = 0; k < BATCH; k++) {
			assert_int_equal(hello_code(fds[k]), EACCES);
			kill(pids[k], SIGKILL);
			assert_int_equal(waitpid(pids[k], NULL, 0), pids[k]);
			close(fds[k]);
		}
	}
	remove_cgroups();
}

/* --- after it has connected --- */

/* Another program with the same process. By a descriptor, since its user may have no way to the
 * file. */
static void become_another(int program)
{
	static char name[] = "another", word[] = "wait";

	fexecve(program, (char *const[]){ name, word, NULL }, environ);
	_exit(1);
}

/* In unit B: connects, says so, and becomes another program when it is told. */
static void live_in_b(const struct broker *b, int fd, int said, int told)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int program = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	char byte;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", b->socket);
	if (setgroups(0, NULL) || setgid(IN_A_UNIT) || setuid(IN_A_UNIT) ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) || write(said, "c", 1) != 1 ||
	    read(told, &byte, 1) != 1)
		_exit(1);
	become_another(program);
}

static void move_to_a(pid_t pid)
{
	char path[192];
	FILE *file;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup_a);
	file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file, "%d", pid);
	assert_int_equal(fclose(file), 0);
}

static bool is_another(pid_t pid)
{
	char path[64], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_non_null(fgets(name, sizeof(name), file));
	fclose(file);
	return !strcmp(name, "another\n");
}

/* Who it is, as status shows it and as the rules take it. */
static void assert_still_of_b(struct peer *admin, struct peer *p, uint64_t session, pid_t pid)
{
	const struct qda_msg_client_row *row;
	const struct qda_msg_status *status;

	peer_ok(admin, REQUEST(GET_STATUS, .get_status = { 2 }));
	assert_int_equal(admin->reply.get_status.n_clients, 2);
	row = &admin->reply.get_status.clients[1]; /* in order of arrival */
	assert_int_equal(row->pid, (uint32_t)pid);
	assert_int_equal(row->uid, IN_A_UNIT);
	assert_string_equal(row->unit, UNIT_B);
	assert_string_equal(row->program, "test_units");
	status = peer_refused(p, REQUEST(MODULE_OPEN, .module_open = { session, QDA_ARGS_URI }), EACCES);
	assert_non_null(strstr(status->text, UNIT_B));
	peer_ok(p, REQUEST(MODULE_CLOSE,
			   .module_close = { peer_module(p, session, QDA_NULL_URI) }));
}

static pid_t live_in_a(pid_t pid)
{
	pid_t child = clone_into(cgroup_a, pid);

	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return child;
}

/* Its process goes to another unit, becomes another program, and ends; another process gets its
 * pid. The connection, which was passed on, is what it was. */
static void a_connection_is_who_made_it_whatever_becomes_of_the_process(void **state)
{
	struct broker *b = *state;
	struct peer *admin, *p;
	int said[2], told[2];
	uint64_t session;
	char byte;
	pid_t pid;

	need_units();
	admin = peer_new(b);
	p = calloc(1, sizeof(*p));
	assert_non_null(p);
	assert_int_equal(pipe2(said, O_CLOEXEC) | pipe2(told, O_CLOEXEC), 0);
	p->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	pid = clone_into(cgroup_b, 0);
	if (!pid)
		live_in_b(b, p->fd, said[1], told[0]);
	assert_int_equal(read(said[0], &byte, 1), 1);
	peer_ok(p, REQUEST(HELLO, .hello = { 1, 1, "passed on" }));
	session = peer_session(p);
	assert_still_of_b(admin, p, session, pid);

	move_to_a(pid);
	assert_still_of_b(admin, p, session, pid);

	assert_int_equal(write(told[1], "x", 1), 1);
	UNTIL (is_another(pid))
		;
	assert_still_of_b(admin, p, session, pid);

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_still_of_b(admin, p, session, pid);

	UNTIL (live_in_a(pid) == pid) /* when nobody else is quicker to take it */
		;
	assert_still_of_b(admin, p, session, pid);
	peer_ok(admin, REQUEST(RELOAD));
	assert_still_of_b(admin, p, session, pid);

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	for (unsigned i = 0; i < 2; i++) {
		close(said[i]);
		close(told[i]);
	}
	peer_free(admin);
	peer_free(p);
	remove_cgroups();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH(rules_match_units_and_status_shows_them, setup),
		TEST_WITH(a_pid_used_again_gives_nobody_its_unit, setup),
		TEST_WITH(a_connection_is_who_made_it_whatever_becomes_of_the_process, setup_both),
	};

	if (argc > 1) { /* the other program, until it is killed */
		prctl(PR_SET_NAME, argv[0]);
		pause();
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
