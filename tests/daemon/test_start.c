/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Start and stop of the daemon as a program: what it leaves, what it refuses to start with, and
 * what its exit status says.
 */
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "qda_null.h"

/* The fixture's own claims: exits 0, leaves no process and no file. */
static void starts_and_leaves_nothing(void **state)
{
	struct broker *b = *state;

	assert_int_equal(broker_processes(b, "qda-softdsp"), 1);
	broker_stop(b);
}

static void sessions_of_all_clients_end_with_the_daemon(void **state)
{
	struct broker *b = *state;
	struct peer *p = peer_new(b);

	peer_open(p, QDA_NULL_URI);
	peer_session(p);
	assert_int_equal(broker_processes(b, "qda-softdsp"), 3);
	broker_stop(b);
	peer_expect_end(p);
	peer_free(p);
}

static void the_socket_is_the_users_alone(void **state)
{
	struct broker *b = *state;
	struct stat st;

	assert_int_equal(stat(b->socket, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_second_daemon_at_one_socket_is_refused(void **state)
{
	struct broker *b = *state;
	const char *argv[] = { QDAD, "--user", "--socket", b->socket, "--config", b->conf, NULL };
	struct peer *p;
	char out[1024];

	assert_int_equal(run_program(NULL, argv, out, sizeof(out)), 1);
	assert_non_null(strstr(out, b->socket));
	assert_non_null(strstr(out, "another qdad listens there"));
	p = peer_new(b); /* the first one is unharmed */
	peer_free(p);
}

static int setup_stale(void **state)
{
	return broker_setup_with(state, &(struct broker_options){ .stale = true });
}

static void a_socket_that_nobody_answers_is_replaced(void **state)
{
	peer_free(peer_new(*state));
}

/* --- DSPs that never say a word --- */

struct mutes {
	char paths[2][96];
	int listeners[2], fds[2];
};

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 4) < 0)
		abort();
	return fd;
}

/* The file of a typing error is more than a socket that is gone. */
static void what_is_no_socket_is_left_alone(void **state)
{
	char file[] = "/tmp/qdad-start.XXXXXX", out[1024];
	const char *argv[] = { QDAD, "--user", "--socket", file, "--modules", SKELS, NULL };
	int fd = mkostemp(file, O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);
	assert_int_equal(run_program(NULL, argv, out, sizeof(out)), 1);
	assert_non_null(strstr(out, file));
	assert_non_null(strstr(out, "no socket"));
	assert_int_equal(unlink(file), 0);
}

/* Its queue is full: it is not asked whether it answers. */
static void a_daemon_that_is_too_busy_to_answer_is_not_replaced(void **state)
{
	char dir[] = "/tmp/qdad-start.XXXXXX", path[64], out[1024];
	const char *argv[] = { QDAD, "--user", "--socket", path, "--modules", SKELS, NULL };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener, waiting[8];
	unsigned n = 0;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sock", dir);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	listener = listen_at(path);
	do
		waiting[n] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	while (connect(waiting[n++], (struct sockaddr *)&address, sizeof(address)) == 0 && n < 8);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(run_program(NULL, argv, out, sizeof(out)), 1);
	assert_non_null(strstr(out, "another qdad listens there"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	while (n)
		close(waiting[--n]);
	close(listener);
}

/* Somebody has put something else where its socket was. */
static void at_its_end_it_removes_what_is_its_own(void **state)
{
	struct broker *b = *state;
	int fd;

	assert_int_equal(unlink(b->socket), 0);
	fd = open(b->socket, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	broker_signal(b, SIGTERM);
	broker_forget(b);
}

/* The first is not there, and the second is; then the first is there when the second goes. So each
 * was down, but never both. */
static void *play_mutes(void *data)
{
	struct mutes *m = data;

	m->fds[1] = accept(m->listeners[1], NULL, NULL);
	m->listeners[0] = listen_at(m->paths[0]);
	m->fds[0] = accept(m->listeners[0], NULL, NULL);
	close(m->fds[1]);
	return NULL;
}

static void dsps_that_say_nothing_do_not_keep_it_from_serving(void **state)
{
	char dir[] = "/tmp/qdad-mutes.XXXXXX", config[512], byte;
	struct mutes m;
	struct broker b;
	pthread_t thread;

	device_need(DEVICE_OWN_DSP);
	assert_non_null(mkdtemp(dir));
	for (int i = 0; i < 2; i++)
		snprintf(m.paths[i], sizeof(m.paths[i]), "%s/%d", dir, i);
	snprintf(config, sizeof(config), "[domain adsp]\nsocket=%s\n[domain cdsp]\nsocket=%s\n",
		 m.paths[0], m.paths[1]);
	m.listeners[1] = listen_at(m.paths[1]);
	assert_int_equal(pthread_create(&thread, NULL, play_mutes, &m), 0);
	broker_start(&b, &(struct broker_options){ .config = config });
	pthread_join(thread, NULL);
	/* The daemon still waits for its first word. */
	assert_int_equal(recv(m.fds[0], &byte, 1, MSG_DONTWAIT), -1);
	broker_stop(&b);
	close(m.fds[0]);
	for (int i = 0; i < 2; i++) {
		close(m.listeners[i]);
		assert_int_equal(unlink(m.paths[i]), 0);
	}
	assert_int_equal(rmdir(dir), 0);
}

/* --- configuration --- */

/* Have qdad judge a configuration. Returns its exit status; `out` is what it said. */
static int check_config(const char *text, char *out, size_t size)
{
	char path[] = "/tmp/qdad-conf.XXXXXX";
	const char *argv[] = { QDAD, "--user", "--check-config", "--config", path, NULL };
	int fd = mkostemp(path, O_CLOEXEC), status;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	status = run_program(NULL, argv, out, size);
	assert_int_equal(unlink(path), 0);
	return status;
}

static void good_configurations_are_good(void **state)
{
	static const char *const good[] = {
		"",
		"; nothing\n\n",
		"[daemon]\nhello_ms=1\ndrain_ms=0\nsession_in_flight=127\n",
		"[domain cdsp]\ndevice=soft\nin_flight=255\nmodules=/usr:/etc\n[domain adsp]\n"
		"socket=/run/x\n",
		"[connection]\nsessions=0\nbuffer_bytes=25%\n[quota default]\nbuffer_bytes=4G\n"
		"[total]\nfds=64K\nout_bytes=1M\n",
	};
	char out[2048];

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(check_config(good[i], out, sizeof(out)), 0);
		assert_string_equal(out, "");
	}
}

static void errors_in_a_configuration_name_place_key_and_value(void **state)
{
	static const struct {
		const char *text, *line, *what;
	} bad[] = {
		{ "[daemon]\nhello_ms=0\n", ":2:", "hello_ms=0" },
		{ "[daemon]\nhello_ms=3600001\n", ":2:", "3600000" },
		{ "[daemon]\n\n; x\ndrain_ms=soon\n", ":4:", "drain_ms=soon" },
		{ "[daemon]\ndrain_ms=-1\n", ":2:", "drain_ms=-1" },
		{ "[daemon]\nsession_in_flight=128\n", ":2:", "1 to 127" },
		{ "[daemon]\ncolour=red\n", ":2:", "colour=red" },
		{ "[demon]\nhello_ms=1\n", ":2:", "in [demon]: no such section" },
		{ "[connection]\nsession=1\n", ":2:", "session=1" },
		{ "[connection]\nsessions=1x\n", ":2:", "sessions=1x" },
		{ "[connection]\nsessions=\n", ":2:", "sessions=" },
		{ "[total]\nbuffer_bytes=101%\n", ":2:", "101%" },
		{ "[total]\nbuffer_bytes=99999999999999999999\n", ":2:", "99999999999999999999" },
		{ "[total]\nbuffer_bytes=18446744073709551615G\n", ":2:", "G" },
		{ "[domain cdsp]\ndevice=gpu\n", ":2:", "must be soft" },
		{ "[domain cdsp]\nin_flight=256\n", ":2:", "1 to 255" },
		{ "[domain ]\nin_flight=1\n", ":2:", "" },
		{ "[domain sixteen-letters!]\nin_flight=1\n", ":2:", "1 to 15" },
		{ "[daemon]\nwhat is this\n", ":2:", "key=value" },
		{ "[daemon\nhello_ms=5\n", ":1:", "" },
		{ "\n[domain cdsp]\ndevice=accel\nprogram=/x\n", ":3:", "program goes with" },
		{ "[domain cdsp]\nprogram=/nonexistent\n", ":2:", "/nonexistent cannot be run" },
		{ "[domain cdsp]\nmodules=/usr:/nonexistent\n", ":2:", "/nonexistent cannot" },
	};
	char out[2048];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		int status = check_config(bad[i].text, out, sizeof(out));

		if (status != 1 || !strstr(out, "/tmp/qdad-conf.") || !strstr(out, bad[i].line) ||
		    !strstr(out, bad[i].what))
			fail_msg("status %d, it said: %s, of: %s", status, out, bad[i].text);
	}
}

static void a_line_too_long_is_refused_not_cut(void **state)
{
	char text[400] = "[daemon]\nsocket=", out[2048];

	memset(text + strlen(text), 'x', 250);
	strcat(text, "\n");
	assert_int_equal(check_config(text, out, sizeof(out)), 1);
	assert_non_null(strstr(out, ":2:"));
	assert_non_null(strstr(out, "longer than"));
}

static void a_daemon_with_a_bad_configuration_does_not_start(void **state)
{
	const char *argv[] = { QDAD,	   "--user",
			       "--socket", "/tmp/qdad-none.sock",
			       "--config", "/nonexistent/qdad.conf",
			       NULL };
	char out[1024];

	assert_int_equal(run_program(NULL, argv, out, sizeof(out)), 1);
	assert_non_null(strstr(out, "/nonexistent/qdad.conf"));
	assert_int_not_equal(access("/tmp/qdad-none.sock", F_OK), 0);
}

static void options_that_are_none_are_refused(void **state)
{
	static const char *const bad[][3] = { { "--frobnicate" },
					      { "argument" },
					      { "--ready-fd", "x" },
					      { "--ready-fd", "-1" },
					      { "--socket" } };
	char out[2048];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const char *argv[] = { QDAD, bad[i][0], bad[i][1], NULL };

		assert_int_equal(run_program(NULL, argv, out, sizeof(out)), 2);
		assert_true(strlen(out) > 10);
	}
}

static void a_socket_that_cannot_be_made_is_explained(void **state)
{
	char path[200] = "/tmp/", out[1024];
	const char *argv[] = { QDAD,	    "--user",	"--config",
			       "/dev/null", "--socket", "/nonexistent/q.sock",
			       NULL };

	assert_int_equal(run_program(NULL, argv, out, sizeof(out)), 1);
	assert_non_null(strstr(out, "/nonexistent/q.sock"));
	memset(path + 5, 'x', 150);
	argv[5] = path;
	assert_int_equal(run_program(NULL, argv, out, sizeof(out)), 1);
	assert_non_null(strstr(out, path));
}

/* --- status --- */

static void status_rows_say_what_is_there(void **state)
{
	struct broker *b = *state;
	struct peer *p = peer_new(b);
	uint64_t session = peer_session(p);
	const struct qda_msg_client_row *client;
	const struct qda_msg_session_row *row;
	struct qda_msg_daemon_row daemon;
	struct qda_msg_domain domain;

	peer_module(p, session, QDA_NULL_URI);
	peer_buffer(p, 5000, NULL);
	daemon = peer_daemon_row(p);
	assert_string_equal(daemon.version, "qdad " QDA_VERSION);
	assert_string_equal(daemon.state, "running");
	assert_string_equal(daemon.socket, b->socket);
	assert_int_equal(daemon.pid, b->pid);
	assert_int_equal(daemon.uid, getuid());
	assert_true(daemon.user_mode);
	assert_int_equal(daemon.clients, 1);
	assert_int_equal(daemon.sessions, 1);
	assert_int_equal(daemon.buffer_bytes, 8192 + 256 * 1024); /* and the session's staging */
	domain = peer_domain_row(p);
	assert_string_equal(domain.name, "cdsp");
	assert_string_equal(domain.state, "up");
	assert_string_equal(domain.device, device_kind());
	assert_true(domain.unsigned_pd);
	assert_int_equal(domain.sessions, 1);
	peer_ok(p, REQUEST(GET_STATUS, .get_status = { 2 }));
	assert_int_equal(p->reply.get_status.n_clients, 1);
	client = &p->reply.get_status.clients[0];
	assert_string_equal(client->name, "test");
	assert_int_equal(client->pid, getpid());
	assert_int_equal(client->uid, getuid());
	assert_int_equal(client->sessions, 1);
	assert_int_equal(client->buffers, 1);
	assert_int_equal(client->handles, 1);
	peer_ok(p, REQUEST(GET_STATUS, .get_status = { 3 }));
	assert_int_equal(p->reply.get_status.n_sessions, 1);
	row = &p->reply.get_status.sessions[0];
	assert_string_equal(row->domain, "cdsp");
	assert_string_equal(row->state, "open");
	assert_int_equal(row->modules, 1);
	peer_free(p);
}

/* 50 clients with a session each do not fit one page of either kind. */
static int setup_many(void **state)
{
	return broker_setup_with(
		state, &(struct broker_options){ .config = "[quota default]\nconnections=200\n" });
}

static void status_comes_in_pages(void **state)
{
	struct peer *p[50];
	struct counts counts;
	unsigned sessions = 0, banks;

	for (unsigned i = 0; i < 50; i++)
		p[i] = peer_new(*state);
	banks = peer_domain_row(p[0]).sessions_max;
	for (unsigned i = 0; i < 50 && i < banks; i++, sessions++)
		peer_session(p[i]);
	counts = peer_counts(p[49]);
	assert_int_equal(counts.clients, 50);
	assert_int_equal(counts.sessions, sessions);
	peer_ok(p[49], REQUEST(GET_STATUS, .get_status = { 2 }));
	assert_in_range(p[49]->reply.get_status.n_clients, 1, 49);
	assert_int_not_equal(p[49]->reply.get_status.next, 0);
	for (unsigned i = 0; i < 50; i++)
		peer_free(p[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(starts_and_leaves_nothing),
		TEST(sessions_of_all_clients_end_with_the_daemon),
		TEST(the_socket_is_the_users_alone),
		TEST(a_second_daemon_at_one_socket_is_refused),
		TEST_WITH(a_socket_that_nobody_answers_is_replaced, setup_stale),
		cmocka_unit_test(what_is_no_socket_is_left_alone),
		cmocka_unit_test(a_daemon_that_is_too_busy_to_answer_is_not_replaced),
		TEST(at_its_end_it_removes_what_is_its_own),
		cmocka_unit_test(dsps_that_say_nothing_do_not_keep_it_from_serving),
		cmocka_unit_test(good_configurations_are_good),
		cmocka_unit_test(errors_in_a_configuration_name_place_key_and_value),
		cmocka_unit_test(a_line_too_long_is_refused_not_cut),
		cmocka_unit_test(a_daemon_with_a_bad_configuration_does_not_start),
		cmocka_unit_test(options_that_are_none_are_refused),
		cmocka_unit_test(a_socket_that_cannot_be_made_is_explained),
		TEST(status_rows_say_what_is_there),
		TEST_WITH(status_comes_in_pages, setup_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
