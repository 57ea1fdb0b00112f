/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket of metrics, with HTTP as scrapers speak it and as others do: who may read, what comes
 * for what is no request, and that nobody who reads slowly or not at all holds up the rest.
 */
#include "peer.h"
#include "stranger.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define GET	    "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define READERS_MAX 8 /* served at one time */
#define STRANGER    54321

static char dir[64], path[96];

static int setup_with(void **state, const char *policy)
{
	static char config[512];

	snprintf(dir, sizeof(dir), "/tmp/qdad-metrics.XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0755), 0);
	snprintf(path, sizeof(path), "%s/metrics.sock", dir);
	snprintf(config, sizeof(config), "[daemon]\nmetrics=%s\n%s", path, policy);
	return broker_setup_with(state,
				 &(struct broker_options){ .config = config, .system = true });
}

static int setup(void **state)
{
	return setup_with(state, "");
}

static int setup_operator(void **state)
{
	return setup_with(state, "[policy operator]\nuser=54321\nadmin=status\nallow=yes\n");
}

/* Its file goes with the daemon: otherwise the directory stays. */
static int teardown(void **state)
{
	int r = broker_teardown(state);

	assert_int_equal(rmdir(dir), 0);
	return r;
}

static int dial(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	return -1;
}

static bool tell(int fd, const char *text, size_t n)
{
	return send(fd, text, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* All that comes to its end, terminated; NULL when the end does not come. The caller's to free. */
static char *hear(int fd)
{
	size_t size = 1 << 22, n = 0;
	char *text = malloc(size);

	while (text && n < size - 1) {
		struct pollfd p = { fd, POLLIN, 0 };
		ssize_t more = poll(&p, 1, PATIENCE_MS) > 0 ? read(fd, text + n, size - 1 - n) : -1;

		if (more < 0 && errno != ECONNRESET)
			break;
		if (more <= 0) {
			text[n] = '\0';
			close(fd);
			return text;
		}
		n += (size_t)more;
	}
	free(text);
	close(fd);
	return NULL;
}

static char *ask(const char *request)
{
	int fd = dial();

	assert_true(fd >= 0);
	tell(fd, request, strlen(request));
	return hear(fd);
}

static bool begins(const char *text, const char *with)
{
	return text && !strncmp(text, with, strlen(with));
}

static bool is_whole(const char *text)
{
	size_t n = text ? strlen(text) : 0;

	return begins(text, "HTTP/1.0 200 ") && n > 6 && !strcmp(text + n - 6, "# EOF\n");
}

/* The value of a sample, named with its labels. */
static double value(const char *text, const char *sample)
{
	char line[128];
	const char *at;

	snprintf(line, sizeof(line), "\n%s ", sample);
	at = strstr(text, line);
	if (!at)
		fail_msg("there is no %s", sample);
	return strtod(at + strlen(line), NULL);
}

static void a_scraper_gets_all_of_it(void **state)
{
	struct peer *p = peer_new(*state);
	char *text = ask(GET);

	assert_true(is_whole(text));
	assert_non_null(strstr(text, "\r\nContent-Type: application/openmetrics-text; version=1.0.0"));
	assert_true(value(text, "qdad_clients") == 1);
	assert_true(value(text, "qdad_loop_callback_seconds_count{}") > 0);
	free(text);
	peer_free(p);
}

/* Another daemon, at another socket of requests, with the same one of metrics. */
static void a_second_daemon_does_not_take_it(void **state)
{
	struct broker *b = *state;
	char other[96], out[1024];
	const char *argv[] = { QDAD, "--config", b->conf, "--socket", other, NULL };

	snprintf(other, sizeof(other), "%s/other.sock", dir);
	assert_int_equal(run_program(NULL, argv, out, sizeof(out)), 1);
	assert_non_null(strstr(out, "cannot listen for metrics: Address already in use"));
	close(dial());
}

static void only_metrics_are_served(void **state)
{
	static const char *const requests[][2] = {
		{ "GET /metrics HTTP/1.0\r\n\r\n", "HTTP/1.0 200 " },
		{ "GET /metrics?x=1 HTTP/1.0\n\n", "HTTP/1.0 200 " },
		{ "GET / HTTP/1.1\r\n\r\n", "HTTP/1.0 404 " },
		{ "GET /metricsx HTTP/1.1\r\n\r\n", "HTTP/1.0 404 " },
		{ "GET /metrics/../x HTTP/1.1\r\n\r\n", "HTTP/1.0 404 " },
		{ "POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.0 405 " },
		{ "\r\n\r\n", "HTTP/1.0 405 " },
	};

	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		char *text = ask(requests[i][0]);

		if (!begins(text, requests[i][1]))
			fail_msg("request %zu: %s", i, text ? text : "no end");
		free(text);
	}
}

/* What it gets is nothing, and an end. */
static void ends_unheard(const char *bytes, size_t n)
{
	int fd = dial();
	char *text;

	assert_true(fd >= 0);
	tell(fd, bytes, n);
	text = hear(fd);
	assert_non_null(text);
	assert_string_equal(text, "");
	free(text);
}

static void what_is_no_request_is_ended(void **state)
{
	static char garbage[8192];
	char *text;

	fill_pattern(garbage, sizeof(garbage), 7);
	garbage[100] = '\0';
	ends_unheard(garbage, sizeof(garbage));
	memset(garbage, 'a', sizeof(garbage));
	ends_unheard(garbage, sizeof(garbage)); /* longer than a request may be */
	ends_unheard("GET /metrics\0 HTTP/1.1\r\n\r\n", 26);
	text = ask(GET);
	assert_true(is_whole(text));
	free(text);
}

/* More than are served at one time: the one too many is, when another has gone. */
static void who_is_one_too_many_waits(void **state)
{
	int idle[READERS_MAX], late;
	char *text;

	for (int i = 0; i < READERS_MAX; i++) {
		idle[i] = dial();
		assert_true(idle[i] >= 0);
		assert_true(tell(idle[i], "GET ", 4));
	}
	late = dial();
	assert_true(late >= 0 && tell(late, GET, strlen(GET)));
	close(idle[3]);
	text = hear(late);
	assert_true(is_whole(text));
	free(text);
	idle[3] = dial();
	for (int i = 0; i < READERS_MAX; i++) {
		const char *rest = i == 3 ? GET : &GET[4];

		assert_true(tell(idle[i], rest, strlen(rest)));
		text = hear(idle[i]);
		assert_true(is_whole(text));
		free(text);
	}
}

/* Nothing is waited for with who reads nothing: clients are served, and the daemon can end. */
static void who_does_not_read_holds_up_nobody(void **state)
{
	int idle[READERS_MAX], small = 1;
	struct peer *p;

	for (int i = 0; i < READERS_MAX; i++) {
		idle[i] = dial();
		assert_true(idle[i] >= 0);
		setsockopt(idle[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
		assert_true(tell(idle[i], GET, strlen(GET)));
	}
	p = peer_new(*state);
	peer_ok(p, REQUEST(SESSION_OPEN));
	peer_free(p);
	broker_stop(*state);
	for (int i = 0; i < READERS_MAX; i++)
		close(idle[i]);
}

/* '2', '4': the first digit of the status; '?' for what is neither whole nor a refusal. */
static char scrape(const char *socket)
{
	int fd = dial();
	char *text = fd >= 0 && tell(fd, GET, strlen(GET)) ? hear(fd) : NULL;

	if (is_whole(text))
		return '2';
	return begins(text, "HTTP/1.0 403 ") && strstr(text, "admin=status") ? '4' : '?';
}

static void other_users_are_told_what_they_would_need(void **state)
{
	if (getuid())
		SKIP("only root can be other users");
	assert_int_equal(stranger_says(*state, STRANGER, STRANGER, scrape), '4');
}

/* 'y' when more than are served at one time were accepted, and say nothing. */
static char idle_about(const char *socket)
{
	for (unsigned i = 0; i < READERS_MAX + 4; i++)
		if (dial() < 0)
			return '?';
	return 'y';
}

static void who_may_not_read_keeps_nobody_waiting(void **state)
{
	struct stranger idle;
	char *text;

	if (getuid())
		SKIP("only root can be other users");
	idle = stranger_new(*state, STRANGER, STRANGER, NULL, idle_about);
	assert_int_equal(stranger_said(&idle), 'y');
	for (int i = 0; i < 3 * READERS_MAX; i++) {
		text = ask(GET);
		assert_true(is_whole(text));
		free(text);
	}
	stranger_free(&idle);
}

/* 'y' when n bytes came before a descriptor that is slow to close, one with it, and ours is
 * closed. */
static char slow_descriptor_after(size_t n)
{
	static char bytes[65536];
	int other, slow = peer_lingering(&other), fd = dial();
	struct iovec iov = { bytes, 1 };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.header), &slow, sizeof(slow));
	if (fd < 0 || !tell(fd, bytes, n) || sendmsg(fd, &msg, 0) < 0)
		return '?';
	close(slow);
	return 'y';
}

static char unread_descriptor(const char *socket)
{
	return slow_descriptor_after(65536);
}

static char descriptor_with_a_request(const char *socket)
{
	return slow_descriptor_after(0);
}

/* The daemon sleeps until the descriptor is its own. */
static void check_slow(struct broker *b, char (*act)(const char *socket))
{
	unsigned before = broker_fds(b);
	struct stranger slow;

	if (getuid())
		SKIP("only root can be other users");
	kill(b->pid, SIGSTOP);
	slow = stranger_new(b, STRANGER, STRANGER, NULL, act);
	assert_int_equal(stranger_said(&slow), 'y');
	kill(b->pid, SIGCONT);
	peer_free(peer_new(b));
	UNTIL (broker_fds(b) == before) /* nor does it stay, while its other end does */
		;
	stranger_free(&slow);
	peer_free(peer_new(b));
}

static void an_unread_descriptor_that_is_slow_to_close_stops_nobody(void **state)
{
	check_slow(*state, unread_descriptor);
}

static void a_request_with_a_descriptor_that_is_slow_to_close_stops_nobody(void **state)
{
	check_slow(*state, descriptor_with_a_request);
}

static void who_may_see_clients_may_read(void **state)
{
	if (getuid())
		SKIP("only root can be other users");
	assert_int_equal(stranger_says(*state, STRANGER, STRANGER, scrape), '2');
	assert_int_equal(stranger_says(*state, STRANGER + 1, STRANGER + 1, scrape), '4');
}

static bool is_named(const char *manual, const char *family)
{
	char quoted[96];

	snprintf(quoted, sizeof(quoted), "`%s`", family);
	if (strstr(manual, quoted))
		return true;
	snprintf(quoted, sizeof(quoted), "`%s_total`", family);
	if (strstr(manual, quoted))
		return true;
	snprintf(quoted, sizeof(quoted), "`%s_info`", family);
	return strstr(manual, quoted);
}

static void every_family_is_in_the_manual(void **state)
{
	static char manual[65536];
	FILE *file = fopen(METRICS_MANUAL, "re");
	char *text = ask(GET), *save = NULL, family[80];
	unsigned n = 0;

	assert_non_null(file);
	manual[fread(manual, 1, sizeof(manual) - 1, file)] = '\0';
	fclose(file);
	assert_true(is_whole(text));
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "# TYPE %79s", family) != 1)
			continue;
		if (!is_named(manual, family))
			fail_msg("%s is not in docs/metrics.md", family);
		n++;
	}
	assert_true(n > 10);
	free(text);
}

#define METRICS_TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		METRICS_TEST(a_scraper_gets_all_of_it, setup),
		METRICS_TEST(a_second_daemon_does_not_take_it, setup),
		METRICS_TEST(only_metrics_are_served, setup),
		METRICS_TEST(what_is_no_request_is_ended, setup),
		METRICS_TEST(who_is_one_too_many_waits, setup),
		METRICS_TEST(who_does_not_read_holds_up_nobody, setup),
		METRICS_TEST(other_users_are_told_what_they_would_need, setup),
		METRICS_TEST(who_may_not_read_keeps_nobody_waiting, setup),
		METRICS_TEST(an_unread_descriptor_that_is_slow_to_close_stops_nobody, setup),
		METRICS_TEST(a_request_with_a_descriptor_that_is_slow_to_close_stops_nobody, setup),
		METRICS_TEST(who_may_see_clients_may_read, setup_operator),
		METRICS_TEST(every_family_is_in_the_manual, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
