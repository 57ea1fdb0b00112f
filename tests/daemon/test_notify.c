/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the service manager sees of qdad, by its own means: a socket for messages and one that is
 * handed over, both made here.
 */
#include "peer.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define LISTEN_FD 3

struct service {
	char dir[64], socket[96], conf[96], metrics[96];
	int told;	/* what it says to the manager comes here */
	int listen;	/* what is handed over */
	int second;	/* likewise; -1: nothing */
	int log;
	pid_t pid;
};

/* Away from the numbers that mean something. */
static int high(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, 10);

	assert_true(moved >= 0);
	close(fd);
	return moved;
}

static int bind_at(const char *path, int kind)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, kind | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (kind != SOCK_DGRAM)
		assert_int_equal(listen(fd, 8), 0);
	return high(fd);
}

static void write_conf(const struct service *s, const char *text)
{
	FILE *file = fopen(s->conf, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void exec_service(const struct service *s)
{
	char notify[96], pid[16];

	snprintf(notify, sizeof(notify), "%s/notify", s->dir);
	snprintf(pid, sizeof(pid), "%d", getpid());
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setenv("NOTIFY_SOCKET", notify, 1);
	setenv("WATCHDOG_USEC", "300000", 1);
	setenv("WATCHDOG_PID", pid, 1);
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", s->second < 0 ? "1" : "2", 1);
	dup2(s->listen, LISTEN_FD);
	if (s->second >= 0)
		dup2(s->second, LISTEN_FD + 1);
	dup2(s->log, STDOUT_FILENO);
	dup2(s->log, STDERR_FILENO);
	execl(QDAD, QDAD, "--user", "--socket", s->socket, "--config", s->conf, "--modules", SKELS,
	      NULL);
	_exit(99);
}

/* second: the kind of a socket for metrics, or 0. */
static void service_prepare_two(struct service *s, int kind, int second)
{
	char notify[96];

	*s = (struct service){ .log = high(memfd_create("log", MFD_CLOEXEC)) };
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	snprintf(s->dir, sizeof(s->dir), "/tmp/qdad-notify.XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->socket, sizeof(s->socket), "%s/qdad.sock", s->dir);
	snprintf(s->conf, sizeof(s->conf), "%s/conf", s->dir);
	snprintf(s->metrics, sizeof(s->metrics), "%s/metrics.sock", s->dir);
	snprintf(notify, sizeof(notify), "%s/notify", s->dir);
	write_conf(s, "");
	s->told = bind_at(notify, SOCK_DGRAM);
	s->listen = bind_at(s->socket, kind);
	s->second = second ? bind_at(s->metrics, second) : -1;
}

static void service_prepare(struct service *s, int kind)
{
	service_prepare_two(s, kind, 0);
}

static void service_start(struct service *s)
{
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (!s->pid)
		exec_service(s);
}

/* Wait for a message that begins so; what is told before it is let go. */
static const char *await_told(const struct service *s, const char *begin)
{
	static char text[1024];

	for (;;) {
		struct pollfd p = { s->told, POLLIN, 0 };
		ssize_t n = poll(&p, 1, PATIENCE_MS) > 0 ?
				    recv(s->told, text, sizeof(text) - 1, 0) : -1;

		if (n < 0)
			fail_msg("the manager was not told %s", begin);
		text[n] = '\0';
		if (!strncmp(text, begin, strlen(begin)))
			return text;
	}
}

static int reap(pid_t pid)
{
	int status = -1;

	UNTIL (waitpid(pid, &status, WNOHANG) == pid)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void service_end(struct service *s)
{
	char notify[96];

	UNTIL (waitpid(-1, NULL, WNOHANG) < 0) /* its DSP, too */
		;
	snprintf(notify, sizeof(notify), "%s/notify", s->dir);
	assert_int_equal(unlink(notify), 0);
	assert_int_equal(unlink(s->socket), 0); /* the manager's: qdad leaves it alone */
	assert_int_equal(unlink(s->conf), 0);
	if (s->second >= 0) {
		assert_int_equal(unlink(s->metrics), 0); /* likewise */
		close(s->second);
	}
	assert_int_equal(rmdir(s->dir), 0);
	close(s->told);
	close(s->listen);
	close(s->log);
}

static void service_stop(struct service *s)
{
	assert_int_equal(kill(s->pid, SIGTERM), 0);
	await_told(s, "STOPPING=1");
	assert_int_equal(reap(s->pid), 0);
	service_end(s);
}

static void who_came_before_it_is_served(void **state)
{
	struct service s;
	struct peer *p;

	service_prepare(&s, SOCK_SEQPACKET);
	p = peer_try_connect(s.socket);
	assert_non_null(p);
	service_start(&s);
	peer_ok(p, REQUEST(HELLO, .hello = { 1, 1, "early" }));
	peer_ok(p, REQUEST(SESSION_OPEN)); /* served means: the DSP is there */
	await_told(&s, "READY=1");
	peer_free(p);
	service_stop(&s);
}

static void status_tells_domains_and_clients(void **state)
{
	struct service s;
	struct peer *p;

	service_prepare(&s, SOCK_SEQPACKET);
	p = peer_try_connect(s.socket);
	service_start(&s);
	peer_ok(p, REQUEST(HELLO, .hello = { 1, 1, "one" }));
	await_told(&s, "READY=1");
	peer_ok(p, REQUEST(SESSION_OPEN));
	await_told(&s, "STATUS=cdsp up; clients: 1, sessions: 1");
	peer_free(p);
	await_told(&s, "STATUS=cdsp up; clients: 0, sessions: 0");
	service_stop(&s);
}

static void signs_of_life_come_again_and_again(void **state)
{
	struct service s;

	service_prepare(&s, SOCK_SEQPACKET);
	service_start(&s);
	for (int i = 0; i < 5; i++)
		await_told(&s, "WATCHDOG=1");
	service_stop(&s);
}

static void reloading_begins_and_ends(void **state)
{
	static const char *const texts[] = { "[daemon]\nhello_ms=100\n", "[nonsense]\na=b\n" };
	struct service s;

	service_prepare(&s, SOCK_SEQPACKET);
	service_start(&s);
	await_told(&s, "READY=1");
	for (int i = 0; i < 2; i++) {
		write_conf(&s, texts[i]);
		assert_int_equal(kill(s.pid, SIGHUP), 0);
		assert_non_null(strstr(await_told(&s, "RELOADING=1"), "\nMONOTONIC_USEC="));
		await_told(&s, "READY=1");
	}
	service_stop(&s);
}

static void metrics_are_served_on_the_managers_socket(void **state)
{
	static const char get[] = "GET /metrics HTTP/1.0\r\n\r\n";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct service s;
	char text[256];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	service_prepare_two(&s, SOCK_SEQPACKET, SOCK_STREAM);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", s.metrics);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(send(fd, get, sizeof(get) - 1, 0), sizeof(get) - 1);
	service_start(&s);
	assert_true(recv(fd, text, sizeof(text), 0) > 15);
	assert_memory_equal(text, "HTTP/1.0 200 OK", 15);
	close(fd);
	await_told(&s, "READY=1");
	service_stop(&s);
}

static void is_refused(struct service *s)
{
	char text[512];
	ssize_t n;

	service_start(s);
	assert_int_equal(reap(s->pid), 1);
	n = pread(s->log, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	assert_non_null(strstr(text, "SOCK_SEQPACKET"));
	service_end(s);
}

static void a_socket_of_another_kind_is_refused(void **state)
{
	struct service s;

	service_prepare(&s, SOCK_DGRAM);
	is_refused(&s);
}

static void two_sockets_of_one_kind_are_refused(void **state)
{
	struct service s;

	service_prepare_two(&s, SOCK_SEQPACKET, SOCK_SEQPACKET);
	is_refused(&s);
}

static int need_own_dsp(void **state)
{
	device_need(DEVICE_OWN_DSP);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_came_before_it_is_served),
		cmocka_unit_test(status_tells_domains_and_clients),
		cmocka_unit_test(signs_of_life_come_again_and_again),
		cmocka_unit_test(reloading_begins_and_ends),
		cmocka_unit_test(metrics_are_served_on_the_managers_socket),
		cmocka_unit_test(a_socket_of_another_kind_is_refused),
		cmocka_unit_test(two_sockets_of_one_kind_are_refused),
	};

	return cmocka_run_group_tests(tests, need_own_dsp, NULL);
}
