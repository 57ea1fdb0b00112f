/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl against a daemon whose state is known, and what `qdactl run` leaves behind however it
 * ends: no process, no directory.
 */
#include "library.h"

#include <dirent.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qda_null.h"
#include "qda_sum.h"

static char out[65536];

/* --- against a daemon --- */

static struct json_object *qdactl_json(const struct broker *b, const char *verb)
{
	const char *argv[] = { QDACTL, verb, "--json", NULL };
	struct json_object *object;

	assert_int_equal(run_program(b, argv, out, sizeof(out)), 0);
	object = json_tokener_parse(out);
	if (!object)
		fail_msg("%s", out);
	return object;
}

static struct json_object *member(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value))
		fail_msg("there is no \"%s\" in %s", key, out);
	return value;
}

static int64_t number(struct json_object *object, const char *key)
{
	return json_object_get_int64(member(object, key));
}

static const char *text(struct json_object *object, const char *key)
{
	return json_object_get_string(member(object, key));
}

static struct json_object *first(struct json_object *object, const char *key)
{
	struct json_object *array = member(object, key);

	assert_true(json_object_is_type(array, json_type_array));
	assert_true(json_object_array_length(array) > 0);
	return json_object_array_get_idx(array, 0);
}

static void status_tells_what_the_daemon_knows(void **state)
{
	struct broker *b = *state;
	struct user u = user_new(b, QDA_NULL_URI);
	struct json_object *status, *row;

	library_buffer(u.client, 4096);
	INVOKE(u.module, QDA_NULL_HOLD, qda_in(&(uint32_t){ 1000 }, 4));
	status = qdactl_json(b, "status");
	row = member(status, "daemon");
	assert_int_equal(number(row, "pid"), b->pid);
	assert_string_equal(text(row, "state"), "running");
	assert_string_equal(text(row, "socket"), b->socket);
	assert_int_equal(number(row, "sessions"), 1);
	assert_int_equal(number(row, "clients"), 2); /* this one and qdactl */
	row = first(status, "domains");
	assert_string_equal(text(row, "name"), "cdsp");
	assert_string_equal(text(row, "state"), "up");
	row = first(status, "clients");
	assert_string_equal(text(row, "name"), "test");
	assert_int_equal(number(row, "pid"), getpid());
	assert_int_equal(number(row, "buffers"), 1);
	row = first(status, "sessions");
	assert_string_equal(text(row, "state"), "open");
	assert_int_equal(number(row, "modules"), 1);
	json_object_put(status);
	user_free(&u);
}

static void status_as_text_says_the_same(void **state)
{
	struct broker *b = *state;
	const char *argv[] = { QDACTL, "status", NULL };
	struct user u = user_new(b, QDA_NULL_URI);
	char pid[24];

	assert_int_equal(run_program(b, argv, out, sizeof(out)), 0);
	snprintf(pid, sizeof(pid), "%d", b->pid);
	assert_non_null(strstr(out, pid));
	assert_non_null(strstr(out, "cdsp"));
	assert_non_null(strstr(out, "test"));
	user_free(&u);
}

static void list_tells_the_domains(void **state)
{
	struct json_object *list = qdactl_json(*state, "list"), *row = first(list, "domains");

	assert_string_equal(text(row, "name"), "cdsp");
	assert_string_equal(text(row, "device"), device_kind());
	json_object_put(list);
}

static void health_is_good_and_then_bad(void **state)
{
	const char *argv[] = { QDACTL, "health", NULL };
	struct broker *b = *state;

	json_object_put(qdactl_json(b, "health"));
	assert_int_equal(run_program(b, argv, out, sizeof(out)), 0);
	broker_stop(b);
	assert_int_equal(run_program(b, argv, out, sizeof(out)), 3);
	assert_non_null(strstr(out, b->socket));
}

static void invoke_gives_the_sum(void **state)
{
	const char *argv[] = { QDACTL, "invoke",      "--json", QDA_SUM_URI,
			       "2",    "in:u32:40,2", "out:8",	NULL };

	assert_int_equal(run_program(*state, argv, out, sizeof(out)), 0);
	assert_non_null(strstr(out, "2a00000000000000"));
}

static void explain_needs_no_daemon(void **state)
{
	const char *argv[] = { QDACTL, "explain", "0x80000406", NULL };

	assert_int_equal(run_program(NULL, argv, out, sizeof(out)), 0);
	assert_non_null(strstr(out, "0x80000406"));
}

static void verbs_without_a_daemon_end_with_3(void **state)
{
	static const char *const verbs[] = { "list", "status", "health" };

	for (size_t i = 0; i < 3; i++) {
		const char *argv[] = { QDACTL, verbs[i], "--socket", "/nonexistent/q.sock", NULL };

		assert_int_equal(run_program(NULL, argv, out, sizeof(out)), 3);
		assert_non_null(strstr(out, "/nonexistent/q.sock"));
	}
}

/* --- run --- */

/* A place of its own for what it makes. */
static char room[64];

static int setup_room(void **state)
{
	const char *tmp = getenv("TMPDIR");

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	snprintf(room, sizeof(room), "%.32s/qdactl-run.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(room));
	return 0;
}

static bool no_child_left(void)
{
	pid_t pid;

	do
		pid = waitpid(-1, NULL, WNOHANG);
	while (pid > 0);
	return pid < 0 && errno == ECHILD;
}

/* Whatever was started is gone, and so is what it made. */
static int teardown_room(void **state)
{
	DIR *dir;

	UNTIL (no_child_left())
		;
	dir = opendir(room);
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));)
		if (entry->d_name[0] != '.')
			fail_msg("%s was left behind", entry->d_name);
	closedir(dir);
	assert_int_equal(rmdir(room), 0);
	return 0;
}

/* qdactl run ... -- sh -c SCRIPT, with its output on a pipe. */
static pid_t start_run(const char *script, int *output)
{
	const char *argv[] = { QDACTL,	  "run", "--modules", SKELS, "--",
			       "/bin/sh", "-c",	 script,      NULL };
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(fds[1], STDOUT_FILENO);
		setenv("TMPDIR", room, 1);
		setenv("QDAD_PROGRAM", QDAD, 1);
		unsetenv("XDG_RUNTIME_DIR");
		unsetenv("QDAD_SOCKET");
		execv(QDACTL, (char *const *)argv);
		_exit(99);
	}
	close(fds[1]);
	*output = fds[0];
	return pid;
}

static void await_line(int fd, const char *line)
{
	char got[256];
	size_t n = 0;

	do {
		struct pollfd p = { fd, POLLIN, 0 };

		assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		assert_int_equal(read(fd, got + n, 1), 1);
		assert_true(n + 1 < sizeof(got));
	} while (got[n++] != '\n');
	got[n] = '\0';
	assert_string_equal(got, line);
}

static int exit_status(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void run_gives_a_program_a_broker(void **state)
{
	int output;
	pid_t pid = start_run(QDACTL " invoke --json '" QDA_SUM_URI "' 2 in:u32:40,2 out:8 | "
				     "grep -q 2a00000000000000 && echo good; exit 7",
			      &output);

	await_line(output, "good\n");
	assert_int_equal(exit_status(pid), 7);
	close(output);
}

static void run_of_a_program_that_is_killed_leaves_nothing(void **state)
{
	int output;
	pid_t pid = start_run("echo here; kill -KILL $$", &output);

	await_line(output, "here\n");
	assert_int_equal(exit_status(pid), 128 + SIGKILL);
	close(output);
}

static void run_that_gets_sigterm_leaves_nothing(void **state)
{
	int output;
	pid_t pid = start_run("echo here; exec sleep 1000", &output);

	await_line(output, "here\n");
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(exit_status(pid), 128 + SIGTERM);
	close(output);
}

static void run_with_sessions_open_leaves_nothing(void **state)
{
	int output;
	pid_t pid = start_run(QDACTL " invoke '" QDA_NULL_URI "' 3 in:u32:4000000000 2>/dev/null & "
				     "echo here; kill -KILL $$",
			      &output);

	await_line(output, "here\n");
	assert_int_equal(exit_status(pid), 128 + SIGKILL);
	close(output);
}

static void run_of_no_program_says_127(void **state)
{
	const char *argv[] = {
		QDACTL, "run", "--modules", SKELS, "--", "/nonexistent/program", NULL
	};

	setenv("TMPDIR", room, 1);
	setenv("QDAD_PROGRAM", QDAD, 1);
	assert_int_equal(run_program(NULL, argv, out, sizeof(out)), 127);
	unsetenv("TMPDIR");
	assert_non_null(strstr(out, "/nonexistent/program"));
}

#define RUN_TEST(name) cmocka_unit_test_setup_teardown(name, setup_room, teardown_room)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(status_tells_what_the_daemon_knows),
		TEST(status_as_text_says_the_same),
		TEST(list_tells_the_domains),
		TEST(health_is_good_and_then_bad),
		TEST(invoke_gives_the_sum),
		cmocka_unit_test(explain_needs_no_daemon),
		cmocka_unit_test(verbs_without_a_daemon_end_with_3),
		RUN_TEST(run_gives_a_program_a_broker),
		RUN_TEST(run_of_a_program_that_is_killed_leaves_nothing),
		RUN_TEST(run_that_gets_sigterm_leaves_nothing),
		RUN_TEST(run_with_sessions_open_leaves_nothing),
		RUN_TEST(run_of_no_program_says_127),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
