/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl top: its numbers as text and JSON, and the screen: its shape, its keys, other sizes, a
 * broker that goes and comes, and names that were chosen to break it. list and status show the same
 * names.
 */
#include "command.h"
#include "library.h"
#include "terminal.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qda_null.h"

#define HEAD " CLIENT USER      PROGRAM          CALLS/S  SHARE  RUN  QUEUE    MEMORY REFUSED"
#define N(array) (sizeof(array) / sizeof(*(array)))

static int setup(void **state)
{
	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	setenv("LC_ALL", "C.UTF-8", 1);
	return broker_setup(state);
}

static struct terminal terminal;

static int teardown(void **state)
{
	terminal_close(&terminal); /* of a test that has failed */
	return broker_teardown(state);
}

static struct terminal *top(const char *socket, int rows, int columns)
{
	terminal_start(&terminal, socket, rows, columns,
		       (const char *const[]){ "top", "--delay", "0.2", "--sort", "id", NULL });
	return &terminal;
}

/* --- somebody to look at --- */

static void call_for_ever(const struct broker *b)
{
	struct qda_client *client;
	struct qda_session *session;
	struct qda_module *module;
	struct qda_arg arg = qda_in(&(uint32_t){ 500 }, 4);
	struct qda_error e;

	if (qda_connect(b->socket, "caller", &client, &e) ||
	    qda_session_open(client, NULL, &session, &e) ||
	    qda_module_open(session, QDA_NULL_URI, &module, &e))
		_exit(1);
	while (!qda_invoke(module, QDA_NULL_HOLD, &arg, 1, NULL, &e))
		;
	_exit(1);
}

static pid_t caller_start(const struct broker *b)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		call_for_ever(b);
	}
	return pid;
}

static void caller_stop(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status)); /* it has not ended by itself */
}

static struct qda_client *client_named(const struct broker *b, const char *name)
{
	struct qda_client *client;

	must(qda_connect(b->socket, name, &client, &library_error));
	return client;
}

/* --- once --- */

static struct json_object *find_client(struct json_object *all, const char *name)
{
	struct json_object *clients = json_member(all, "clients");

	for (size_t i = 0; i < json_object_array_length(clients); i++) {
		struct json_object *c = json_object_array_get_idx(clients, i);

		if (!strcmp(json_text(c, "name"), name))
			return c;
	}
	fail_msg("there is no client %s in %s", name, json_object_to_json_string(all));
	return NULL;
}

static double real(struct json_object *o, const char *key)
{
	return json_object_get_double(json_member(o, key));
}

static void the_one_who_calls_has_all_of_the_dsp_time(void **state)
{
	struct qda_client *idle = client_named(*state, "idle");
	pid_t pid = caller_start(*state);
	struct json_object *all = NULL, *c;

	do { /* until it calls */
		json_object_put(all);
		assert_int_equal(QDACTL_RUN(*state, "top", "--json", "--delay", "0.5"), 0);
		all = parse_json(said.out);
		c = json_member(all, "clients");
	} while (json_object_array_length(c) < 3 || !real(find_client(all, "caller"), "share"));
	c = find_client(all, "caller");
	assert_int_equal(json_number(c, "pid"), pid);
	assert_int_equal(json_number(c, "sessions"), 1);
	assert_true(real(c, "calls_per_second") > 0);
	assert_true(real(c, "share") > 0.5 && real(c, "share") <= 1);
	assert_true(real(find_client(all, "idle"), "share") == 0);
	c = json_object_array_get_idx(json_member(all, "domains"), 0);
	assert_string_equal(json_text(c, "name"), "cdsp");
	assert_string_equal(json_text(c, "device"), device_kind());
	assert_true(real(c, "load") > 0 && real(c, "load") <= 1);
	assert_int_equal(json_number(c, "sessions"), 1);
	json_object_put(all);
	caller_stop(pid);
	qda_disconnect(idle);
}

static void once_is_text_of_80_columns(void **state)
{
	struct qda_client *client = client_named(*state, "somebody");
	char *save = NULL, *line;

	assert_int_equal(QDACTL_RUN(*state, "top", "--once", "--delay", "0.1"), 0);
	expect_text(said.out, "\n\n" HEAD "\n");
	expect_text(said.out, "; 2 clients; by share\n");
	expect_text(said.out, "\ncdsp     ");
	for (line = strtok_r(said.out, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		assert_true(strlen(line) <= 80);
	qda_disconnect(client);
}

static void users_are_filtered_by_name_or_number(void **state)
{
	char uid[16];

	snprintf(uid, sizeof(uid), "%u", getuid());
	assert_int_equal(QDACTL_RUN(*state, "top", "--once", "--delay", "0.1", "--user", uid), 0);
	expect_text(said.out, "; 1 client; ");
	expect_text(said.out, "qdactl ");
	assert_int_equal(QDACTL_RUN(*state, "top", "--once", "--delay", "0.1", "--user", "59999"), 0);
	expect_text(said.out, "; 1 client, 0 shown; ");
}

/* --- the screen --- */

static void the_screen_has_its_shape_and_keys(void **state)
{
	struct qda_client *a = client_named(*state, "first"), *b = client_named(*state, "second");
	struct terminal *t = top(((struct broker *)*state)->socket, 24, 80);

	terminal_await(t, 0, "; 3 clients; by id");
	terminal_await(t, 1, "cdsp ");
	terminal_await(t, 3, HEAD);
	terminal_await(t, 4, "      1 ");
	terminal_await(t, 5, "      2 ");
	terminal_await(t, 6, " qdactl ");
	terminal_await(t, 23, "h help  q quit");
	terminal_type(t, "r");
	terminal_await(t, 0, "by id, reversed");
	terminal_await(t, 4, " qdactl ");
	terminal_type(t, "M");
	terminal_await(t, 0, "by memory");
	terminal_type(t, "h");
	terminal_await(t, 3, "P   sort by share of DSP time");
	terminal_type(t, "h");
	terminal_await(t, 3, HEAD);
	terminal_type(t, "/");
	terminal_await(t, 23, "Only what has this text");
	terminal_type(t, "second\r");
	terminal_await(t, 0, "1 shown");
	terminal_await(t, 4, "      2 ");
	terminal_type(t, "/\r");
	terminal_await(t, 0, "3 clients; by");
	terminal_type(t, "q");
	assert_int_equal(terminal_end(t), 0);
	qda_disconnect(a);
	qda_disconnect(b);
}

static void a_client_is_ended_from_the_screen(void **state)
{
	struct qda_client *a = client_named(*state, "first");
	struct terminal *t = top(((struct broker *)*state)->socket, 24, 80);

	terminal_await(t, 0, "; 2 clients");
	terminal_type(t, "k");
	terminal_await(t, 23, "End which client?");
	terminal_type(t, "99\r");
	terminal_await(t, 23, "There is no client 99.");
	terminal_type(t, "k1\r");
	terminal_await(t, 23, "End client 1 (test_top of ");
	terminal_type(t, "n\r");
	terminal_await(t, 23, "h help");
	terminal_await(t, 0, "; 2 clients");
	terminal_type(t, "k1\ry\r");
	terminal_await(t, 23, "Client 1 was ended.");
	terminal_await(t, 0, "; 1 client;");
	UNTIL (qda_dispatch(a, 0) == -ECONNRESET)
		;
	terminal_type(t, "q");
	assert_int_equal(terminal_end(t), 0);
	qda_disconnect(a);
}

static void many_clients_are_scrolled(void **state)
{
	struct qda_client *clients[30];
	struct terminal *t;

	for (size_t i = 0; i < N(clients); i++)
		clients[i] = client_named(*state, "one of many");
	t = top(((struct broker *)*state)->socket, 24, 80);
	terminal_await(t, 4, "      1 ");
	terminal_await(t, 22, "     19 ");
	terminal_await(t, 23, "clients 1 to 19 of 31");
	terminal_type(t, "\033B"); /* down */
	terminal_await(t, 4, "      2 ");
	for (unsigned i = 0; i < 20; i++)
		terminal_type(t, "\033B");
	terminal_await(t, 22, "     31 ");
	terminal_await(t, 23, "clients 13 to 31 of 31");
	terminal_type(t, "q");
	assert_int_equal(terminal_end(t), 0);
	for (size_t i = 0; i < N(clients); i++)
		qda_disconnect(clients[i]);
}

static void other_sizes_are_drawn_anew(void **state)
{
	struct qda_client *client = client_named(*state, "its name");
	struct terminal *t = top(((struct broker *)*state)->socket, 24, 80);

	terminal_await(t, 3, HEAD);
	terminal_resize(t, 30, 120);
	terminal_await(t, 3, HEAD "   NAME, UNIT");
	terminal_await(t, 4, "  its name");
	terminal_await(t, 29, "h help");
	terminal_resize(t, 8, 42);
	terminal_await(t, 3, " CLIENT USER      PROGRAM          CALLS/S");
	terminal_await(t, 7, "h help");
	terminal_resize(t, 3, 10);
	terminal_await(t, 2, "h help");
	terminal_resize(t, 24, 80);
	terminal_await(t, 3, HEAD);
	terminal_await(t, 4, "      1 ");
	terminal_type(t, "q");
	assert_int_equal(terminal_end(t), 0);
	qda_disconnect(client);
}

/* Its way to the broker is taken away, and the connection it has. */
static void a_broker_that_goes_is_waited_for(void **state)
{
	const struct broker *b = *state;
	char link[128];
	struct terminal *t;

	snprintf(link, sizeof(link), "%s/link", b->dir);
	assert_int_equal(symlink(b->socket, link), 0);
	t = top(link, 24, 80);
	terminal_await(t, 4, " qdactl ");
	assert_int_equal(unlink(link), 0);
	assert_int_equal(QDACTL_RUN(b, "kill", "client", "1"), 0);
	terminal_await(t, 23, "There is no broker now; waiting for one.");
	assert_int_equal(symlink(b->socket, link), 0);
	terminal_await(t, 23, "h help");
	terminal_await(t, 4, "      3 ");
	assert_int_equal(unlink(link), 0);
	terminal_type(t, "q");
	assert_int_equal(terminal_end(t), 0);
}

static void a_terminal_that_cannot_is_said(void **state)
{
	const struct broker *b = *state;
	const char *argv[] = { "/usr/bin/env", "TERM=no-such-terminal", "/bin/sh", "-c",
			       "exec </dev/ptmx >/dev/ptmx; exec " QDACTL " top", NULL };
	char out[1024];

	assert_int_equal(run_program(b, argv, out, sizeof(out)), 1);
	expect_text(out, "the terminal no-such-terminal cannot show a screen");
}

/* --- names --- */

#define TIMES_4(s) s s s s
#define WIDE	   TIMES_4("宽字名") TIMES_4("大") "末末末末末"	/* 63 bytes, 42 columns */
#define COMBINING  "e" TIMES_4(TIMES_4("\u0301")) "x" TIMES_4("\u0308a")
#define BACKWARDS  "a\u202eb\u200bc"				/* its end before its beginning */

static const char *const names[] = { WIDE, COMBINING, BACKWARDS };

static void names_do_not_move_columns(void **state)
{
	struct qda_client *clients[N(names)];
	struct terminal *t;

	for (size_t i = 0; i < N(names); i++)
		clients[i] = client_named(*state, names[i]);
	t = top(((struct broker *)*state)->socket, 24, 110);
	terminal_await(t, 7, " qdactl ");
	for (int y = 4; y < 7; y++) {
		terminal_expect_at(t, y, 6, (const char *[]){ "1 ", "2 ", "3 " }[y - 4]);
		terminal_expect_at(t, y, 18, "test_top ");
	}
	terminal_expect_at(t, 4, 80, "  宽字名宽字名宽字名宽字名大大"); /* 30 columns */
	terminal_expect_at(t, 5, 82, "e\u0301");
	terminal_expect_at(t, 6, 82, "a?b?c");
	terminal_type(t, "q");
	assert_int_equal(terminal_end(t), 0);
	for (size_t i = 0; i < N(names); i++)
		qda_disconnect(clients[i]);
}

/* Columns of text, all of which must be characters. */
static int columns(const char *line)
{
	wchar_t wide[512];
	size_t n = mbstowcs(wide, line, N(wide));

	assert_true(n < N(wide));
	return wcswidth(wide, n);
}

static void names_fit_the_lines_of_list_and_status(void **state)
{
	static const char *const verbs[] = { "list", "status" };
	struct qda_client *clients[N(names)];

	for (size_t i = 0; i < N(names); i++)
		clients[i] = client_named(*state, names[i]);
	for (size_t i = 0; i < N(verbs); i++) {
		char *save = NULL, *line;

		assert_int_equal(QDACTL_RUN(*state, verbs[i]), 0);
		expect_text(said.out, "宽字名宽");
		expect_text(said.out, "a?b?c\n");
		for (line = strtok_r(said.out, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save))
			assert_in_range(columns(line), 1, 80);
	}
	for (size_t i = 0; i < N(names); i++)
		qda_disconnect(clients[i]);
}

#define SCREEN_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCREEN_TEST(the_one_who_calls_has_all_of_the_dsp_time),
		SCREEN_TEST(once_is_text_of_80_columns),
		SCREEN_TEST(users_are_filtered_by_name_or_number),
		SCREEN_TEST(the_screen_has_its_shape_and_keys),
		SCREEN_TEST(a_client_is_ended_from_the_screen),
		SCREEN_TEST(many_clients_are_scrolled),
		SCREEN_TEST(other_sizes_are_drawn_anew),
		SCREEN_TEST(a_broker_that_goes_is_waited_for),
		SCREEN_TEST(a_terminal_that_cannot_is_said),
		SCREEN_TEST(names_do_not_move_columns),
		SCREEN_TEST(names_fit_the_lines_of_list_and_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
