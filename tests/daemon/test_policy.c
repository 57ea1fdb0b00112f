/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Policy as clients meet it: what each of several users may do, what a refusal says, what a reload
 * changes, and that a unit is never taken from a process that is not the client.
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
#include "qda_bad.h"
#include "qda_null.h"

#define UNIT_A "qda-test-a.service"
#define UNIT_B "qda-test-b.service"

enum { BARRED = 54320, NULL_ONLY, OPERATOR, BRINGER, PLAIN, IN_A_UNIT };

#define RULES                                                                                      \
	"[policy 10-barred]\nuser=54320\nallow=no\n"                                               \
	"[policy 20-null]\nuser=54321\nmodule=file:///libqda_null_skel.so\nallow=yes\n"            \
	"[policy 30-operator]\nuser=54322\nadmin=status,reload\nallow=yes\n"                       \
	"[policy 40-bringer]\nuser=54323\ndirs=yes\nallow=yes\n"                                   \
	"[policy 50-unit]\nunit=" UNIT_A "\nallow=yes\n"                                           \
	"[policy 60-no-args]\nmodule=file:///libqda_args*\nallow=no\n"                             \
	"[policy 70-plain]\nuser=54324\nkind=unsigned\nallow=yes\n"

static int setup(void **state)
{
	return broker_setup_with(state,
				 &(struct broker_options){ .config = RULES, .system = true });
}

static void need_root(void)
{
	if (getuid())
		SKIP("only root can be other users");
}

static struct peer *greet(const char *socket)
{
	struct peer *p = peer_try_connect(socket);

	return p && !peer_call(p, REQUEST(HELLO, .hello = { 1, 1, "stranger" }))->status.code ? p :
												NULL;
}

/* The status of a reply: 'y' when it succeeded, 'n' when it was refused by a rule of this name (or
 * for want of one), '?' for anything else. */
static char judge(const struct qda_msg_reply *reply, uid_t uid, const char *says)
{
	char who[16];

	snprintf(who, sizeof(who), "uid %u", uid);
	if (!reply->status.code)
		return 'y';
	return reply->status.code == EACCES && strstr(reply->status.text, who) &&
			       strstr(reply->status.text, says) ?
		       'n' :
		       '?';
}

/* --- what each may do --- */

static char say_hello(const char *socket)
{
	struct peer *p = peer_try_connect(socket);

	return p ? judge(peer_call(p, REQUEST(HELLO, .hello = { 1, 1, "x" })), getuid(),
			 getuid() == BARRED ? "rule 10-barred" : "no rule") :
		   '?';
}

static void who_is_barred_or_unknown_is_told_why_at_hello(void **state)
{
	need_root();
	assert_int_equal(stranger_says(*state, BARRED, BARRED, say_hello), 'n');
	assert_int_equal(stranger_says(*state, 60000, 60000, say_hello), 'n');
	assert_int_equal(stranger_says(*state, PLAIN, PLAIN, say_hello), 'y');
}

/* 'y' when the null module is loaded, and no other, however it is written. */
static char load_modules(const char *socket)
{
	static const char *const others[] = {
		QDA_ARGS_URI, "qda_args", "libqda_args_skel.so?qda_args_skel_handle_invoke",
		"file:///libqda_null_skel.so/../libqda_args_skel.so?qda_args_skel_handle_invoke",
		"file:///%6cibqda_args_skel.so?qda_args_skel_handle_invoke",
		"file:///libqda_args_skel.so?libqda_null_skel",
	};
	struct peer *p = greet(socket);
	const char *says = getuid() == PLAIN ? "rule 60-no-args" : "60-no-args";
	uint64_t session;

	if (!p || judge(peer_call(p, REQUEST(SESSION_OPEN)), getuid(), "") != 'y')
		return '1';
	session = p->reply.session_open.session;
	if (peer_call(p, REQUEST(MODULE_OPEN, .module_open = { session, QDA_NULL_URI }))
		    ->status.code)
		return '2';
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (judge(peer_call(p, REQUEST(MODULE_OPEN,
					       .module_open = { session, others[i] })),
			  getuid(), says) != 'n')
			return 'a' + (char)i;
	return 'y';
}

static void modules_are_judged_by_what_is_loaded(void **state)
{
	need_root();
	assert_int_equal(stranger_says(*state, NULL_ONLY, NULL_ONLY, load_modules), 'y');
	assert_int_equal(stranger_says(*state, PLAIN, PLAIN, load_modules), 'y');
}

static char open_kinds(const char *socket)
{
	struct peer *p = greet(socket);

	if (!p)
		return '?';
	if (judge(peer_call(p, REQUEST(SESSION_OPEN, .session_open = { .kind = 1 })), getuid(),
		  "privileged sessions on cdsp") != 'n')
		return '1';
	return judge(peer_call(p, REQUEST(SESSION_OPEN)), getuid(), "");
}

static void privileged_sessions_need_a_rule(void **state)
{
	need_root();
	assert_int_equal(stranger_says(*state, PLAIN, PLAIN, open_kinds), 'y');
}

static char bring_directory(const char *socket)
{
	struct peer *p = greet(socket);
	int fd = open(SKELS, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (!p || fd < 0)
		return '?';
	if (p->reply.hello.client_dirs != (getuid() == BRINGER))
		return '1';
	return judge(peer_await(p, peer_post(p, REQUEST(SESSION_OPEN), NULL, 0, &fd, 1)), getuid(),
		     "dirs=yes");
}

static void directories_need_a_rule(void **state)
{
	device_need(DEVICE_CLIENT_DIRS);
	need_root();
	assert_int_equal(stranger_says(*state, BRINGER, BRINGER, bring_directory), 'y');
	assert_int_equal(stranger_says(*state, PLAIN, PLAIN, bring_directory), 'n');
}

/* An operator sees all, opens nothing, and may reload but not kill. */
static char operate(const char *socket)
{
	struct peer *p = greet(socket);

	if (!p)
		return '?';
	if (judge(peer_call(p, REQUEST(SESSION_OPEN)), getuid(), "no rule") != 'n')
		return '1';
	if (peer_call(p, REQUEST(GET_STATUS, .get_status = { 2 }))->status.code ||
	    p->reply.get_status.n_clients != 2)
		return '2';
	if (peer_call(p, REQUEST(RELOAD))->status.code)
		return '3';
	return judge(peer_call(p, REQUEST(KILL, .kill = { 0, 1 })), getuid(), "kill") == 'n' ?
		       'y' :
		       '4';
}

static void operators_do_what_their_rule_says(void **state)
{
	struct peer *p;

	need_root();
	p = peer_new(*state);
	assert_int_equal(stranger_says(*state, OPERATOR, OPERATOR, operate), 'y');
	peer_free(p);
}

/* --- reload --- */

static unsigned said(const struct broker *b, const char *what)
{
	unsigned n = 0;

	for (const char *at = broker_log(b); (at = strstr(at, what)); at++)
		n++;
	return n;
}

/* Half of them hold the DSP while the configuration is read. */
static void call_and_reload(struct broker *b, struct peer *p, uint64_t handle)
{
	for (unsigned k = 0; k < 16; k++) {
		post_number(p, handle, QDA_NULL_HOLD, 1000, 0);
		invocation_post(p, invocation_new(handle, QDA_NULL_NOTHING));
		if (k == 8)
			broker_signal(b, SIGHUP);
	}
	for (unsigned k = 0; k < 32; k++) { /* in any order */
		assert_true(peer_next(p) && p->frame.type == QDA_TYPE_INVOKE);
		assert_int_equal(p->reply.status.code, 0);
		assert_int_equal(p->reply.invoke.dsp_result, 0);
	}
}

/* One call is on the DSP all the time. */
static void reload_changes_the_policy_under_load(void **state)
{
	static const char allow[] = "[policy a]\nuser=54324\nallow=yes\n";
	static const char refuse[] = "[policy a]\nuser=54324\nallow=no\n";
	unsigned reloads = 200 / slowness() & ~1u;
	struct broker *b = *state;
	struct peer *p, *waits;
	uint64_t handle, call;

	need_root();
	p = peer_new(b);
	handle = peer_open(p, QDA_NULL_URI);
	waits = peer_new(b);
	call = post_number(waits, peer_open(waits, QDA_BAD_URI), QDA_BAD_HANG, QDA_BAD_FOREVER, 0);
	for (unsigned i = 0; i < reloads; i++) {
		broker_configure(b, i % 2 ? allow : refuse);
		call_and_reload(b, p, handle);
		UNTIL (said(b, "read anew") == i + 1)
			;
	}
	assert_int_equal(stranger_says(b, PLAIN, PLAIN, say_hello), 'y');
	broker_configure(b, refuse);
	broker_signal(b, SIGHUP);
	UNTIL (said(b, "read anew") == reloads + 1)
		;
	assert_int_equal(stranger_says(b, PLAIN, PLAIN, say_hello), '?'); /* refused, by rule a */
	assert_true(peer_is_silent(waits));
	peer_post(waits, REQUEST(CANCEL, .cancel = { call }), NULL, 0, NULL, 0);
	assert_int_equal(peer_await(waits, call)->status.code, ECANCELED);
	assert_int_equal(peer_await(waits, waits->serial)->cancel.was, 2); /* running */
	peer_free(waits);
	peer_free(p);
}

static void a_bad_configuration_changes_nothing_and_is_said(void **state)
{
	struct broker *b = *state;

	need_root();
	broker_configure(b, "[policy a]\nuser=54324\nallow=no\n[connection]\nsessions=0\nsessions=many\n");
	broker_signal(b, SIGHUP);
	UNTIL (said(b, "conf:6: sessions=many: "))
		;
	assert_int_equal(said(b, "is kept"), 1);
	assert_int_equal(stranger_says(b, PLAIN, PLAIN, open_kinds), 'y');
}

static void what_cannot_change_while_running_is_said_and_the_rest_applied(void **state)
{
	struct broker *b = *state;

	need_root();
	broker_configure(b, "[domain other]\nin_flight=2\n[policy a]\nuser=54324\nallow=no\n");
	broker_signal(b, SIGHUP);
	UNTIL (said(b, "[domain other]: needs a restart"))
		;
	assert_int_equal(stranger_says(b, PLAIN, PLAIN, say_hello), '?');
}

/* --- units --- */

static char cgroup_a[128], cgroup_b[128];

static bool make_cgroups(void)
{
	static const char *const roots[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	char path[96];

	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/cgroup.controllers", roots[i]);
		if (access(path, F_OK) < 0)
			continue;
		snprintf(path, sizeof(path), "%s/system.slice", roots[i]);
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
	need_root();
	if (!make_cgroups())
		SKIP("no control groups (version 2) can be made here to be units");
}

/* Only when empty, and system.slice only when it is our own. */
static void remove_cgroups(void)
{
	char slice[128];

	UNTIL ((rmdir(cgroup_a) == 0 || errno == ENOENT) &&
	       (rmdir(cgroup_b) == 0 || errno == ENOENT))
		;
	snprintf(slice, sizeof(slice), "%.*s", (int)(strrchr(cgroup_a, '/') - cgroup_a), cgroup_a);
	rmdir(slice);
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
	assert_string_equal(p->reply.get_status.clients[0].program, "test_policy");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH(who_is_barred_or_unknown_is_told_why_at_hello, setup),
		TEST_WITH(modules_are_judged_by_what_is_loaded, setup),
		TEST_WITH(privileged_sessions_need_a_rule, setup),
		TEST_WITH(directories_need_a_rule, setup),
		TEST_WITH(operators_do_what_their_rule_says, setup),
		TEST_WITH(reload_changes_the_policy_under_load, setup),
		TEST_WITH(a_bad_configuration_changes_nothing_and_is_said, setup),
		TEST_WITH(what_cannot_change_while_running_is_said_and_the_rest_applied, setup),
		TEST_WITH(rules_match_units_and_status_shows_them, setup),
		TEST_WITH(a_pid_used_again_gives_nobody_its_unit, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
