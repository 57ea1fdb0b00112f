/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What watchers are told: everything that happens to those whom they may see, in order; and that a
 * watcher who does not read loses events, is told how many, and costs nobody anything.
 */
#include "command.h"
#include "library.h"
#include "peer.h"
#include "stranger.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "qda_bad.h"
#include "qda_null.h"

enum { PLAIN = 54341, WATCHER };

#define RULES                                                                                      \
	"[policy 10-watcher]\nuser=54342\nadmin=status\nallow=yes\n"                               \
	"[policy 20-plain]\nuser=54341\nallow=yes\n"

static int setup_system(void **state)
{
	return broker_setup_with(state,
				 &(struct broker_options){ .config = RULES, .system = true });
}

static bool has_said(const struct command *c)
{
	struct pollfd p = { fileno(c->out), POLLIN, 0 };

	return poll(&p, 1, 0) == 1;
}

/* The next line, as an object that lives until the one after it; NULL: there are no more. */
static struct json_object *next_event(struct command *c)
{
	static struct json_object *event;
	const char *line = command_line(c);

	json_object_put(event);
	event = line ? parse_json(line) : NULL;
	return event;
}

/* It must be of this kind. */
static struct json_object *expect(struct command *c, const char *what)
{
	struct json_object *event = next_event(c);

	assert_non_null(event);
	if (strcmp(json_text(event, "what"), what))
		fail_msg("%s was to come, not %s", what, json_object_to_json_string(event));
	return event;
}

/* The same, with others in between. */
static struct json_object *await(struct command *c, const char *what)
{
	struct json_object *event;

	do {
		event = next_event(c);
		assert_non_null(event);
	} while (strcmp(json_text(event, "what"), what));
	return event;
}

/* Something of that uid which a line can be told by. */
static void make_mark(const struct broker *b, uid_t uid)
{
	QDACTL_FAILS(b, uid, 1, "client 4711", "kill", "client", "4711");
}

static bool is_mark(struct json_object *event)
{
	return !strcmp(json_text(event, "what"), "refused") &&
	       strstr(json_text(event, "text"), "client 4711");
}

/* A monitor that watches already and has told all there was. */
static struct command monitor_new(const struct broker *b, uid_t uid)
{
	struct command c =
		command_start(b, uid, (const char *const[]){ "monitor", "--json", NULL });

	UNTIL (has_said(&c))
		assert_int_equal(QDACTL_AS(b, uid, "list"), 0);
	make_mark(b, uid);
	while (!is_mark(next_event(&c)))
		;
	expect(&c, "client-gone");
	return c;
}

static void what_happens_is_told_in_order(void **state)
{
	const struct broker *b = *state;
	struct command c = monitor_new(b, getuid());
	struct user u = user_new(b, QDA_NULL_URI);
	struct json_object *e = expect(&c, "client-new");
	int64_t client = json_number(e, "client"), session, at = json_number(e, "at_ns");

	assert_int_equal(json_number(e, "uid"), getuid());
	assert_string_equal(json_text(e, "text"), "test");
	e = expect(&c, "session-open");
	assert_true(json_number(e, "at_ns") >= at);
	assert_int_equal(json_number(e, "client"), client);
	assert_string_equal(json_text(e, "domain"), "cdsp");
	session = json_number(e, "session");
	qda_session_close(u.session);
	e = expect(&c, "session-closed");
	assert_int_equal(json_number(e, "session"), session);
	u.session = library_session(u.client);
	e = expect(&c, "session-open");
	assert_true(json_number(e, "session") != session);
	u.module = library_module(u.session, QDA_BAD_URI);
	INVOKE_FAILS(-ECONNRESET, u.module, QDA_BAD_SIGNAL, qda_in(&(uint32_t){ SIGSEGV }, 4));
	e = expect(&c, "session-lost");
	assert_int_equal(json_number(e, "client"), client);
	assert_true(*json_text(e, "text"));
	e = expect(&c, "refused"); /* the call that was on its way */
	assert_int_equal(json_number(e, "error"), -ECONNRESET);
	user_free(&u);
	e = await(&c, "client-gone"); /* before or after the end of its PD */
	assert_int_equal(json_number(e, "client"), client);
	assert_int_equal(command_end(&c, SIGTERM), 128 + SIGTERM);
}

static void a_connection_too_many_is_refused_in_words_and_told(void **state)
{
	const struct broker *b = *state;
	struct command c = monitor_new(b, getuid());
	char uid[16];
	struct json_object *e;

	snprintf(uid, sizeof(uid), "%u", getuid());
	assert_int_equal(QDACTL_RUN(b, "quota", "set", "--user", uid, "connections=0"), 0);
	expect(&c, "client-new");
	expect(&c, "quota-set");
	expect(&c, "client-gone");
	for (unsigned i = 0; i < 20; i++) { /* before and after it has said Hello */
		QDACTL_FAILS(b, getuid(), 1, "quota of connections per uid: 1 wanted, 1 of 0",
			     "list");
		e = expect(&c, "refused");
		assert_int_equal(json_number(e, "error"), -EDQUOT);
		assert_int_equal(json_number(e, "uid"), getuid());
		expect_text(json_text(e, "text"), "quota of connections");
	}
	assert_int_equal(QDACTL_RUN(b, "health"), 1);
	assert_int_equal(QDACTL_RUN(b, "--json", "list"), 1);
	e = parse_json(said.out);
	assert_string_equal(json_text(e, "resource"), "connections");
	json_object_put(e);
	assert_int_equal(command_end(&c, SIGTERM), 128 + SIGTERM);
}

static void what_administrators_do_is_told(void **state)
{
	const struct broker *b = *state;
	struct command c = monitor_new(b, getuid());
	struct peer *p = peer_new(b);
	int64_t client = json_number(expect(&c, "client-new"), "client");
	char id[24];

	assert_int_equal(QDACTL_RUN(b, "quota", "set", "total", "calls=77"), 0);
	assert_string_equal(json_text(await(&c, "quota-set"), "text"), "all together: calls=77");
	snprintf(id, sizeof(id), "%" PRId64, client);
	assert_int_equal(QDACTL_RUN(b, "kill", "client", id), 0);
	assert_int_equal(json_number(await(&c, "kill"), "client"), client);
	while (json_number(await(&c, "client-gone"), "client") != client) /* qdactl may be first */
		;
	peer_free(p);
	command_end(&c, SIGTERM);
}

/* What is told of a reload, whichever way it was asked for; error 0: it succeeded. */
static const char *reload(struct command *c, struct broker *b, bool by_signal, int error)
{
	struct json_object *event;

	if (by_signal)
		broker_signal(b, SIGHUP);
	else
		assert_int_equal(QDACTL_RUN(b, "reload"), error ? 1 : 0);
	event = await(c, "reload");
	assert_int_equal(json_object_object_get_ex(event, "client", NULL), !by_signal);
	assert_int_equal(json_object_object_get_ex(event, "error", NULL), error != 0);
	if (error)
		assert_int_equal(json_number(event, "error"), error);
	return json_text(event, "text");
}

static void a_reload_is_told_whoever_asked_for_it_good_or_failed(void **state)
{
	struct broker *b = *state;
	struct command c = monitor_new(b, getuid());

	for (int by_signal = 0; by_signal < 2; by_signal++) {
		broker_configure(b, "[daemon]\nhello_ms=5001\n");
		assert_string_equal(reload(&c, b, by_signal, 0), "");
		broker_configure(b, "[daemon]\nmetrics=/elsewhere\n");
		assert_string_equal(reload(&c, b, by_signal, 0), "[daemon] metrics: needs a restart");
		broker_configure(b, "[connection]\nsessions=many\n");
		expect_text(reload(&c, b, by_signal, -EINVAL), "conf:2: sessions=many");
	}
	command_end(&c, SIGTERM);
}

static void a_domain_that_goes_and_comes_is_told(void **state)
{
	struct command c;

	device_need(DEVICE_OWN_DSP);
	c = monitor_new(*state, getuid());
	assert_int_equal(kill(broker_process(*state, "qda-softdsp"), SIGKILL), 0);
	assert_string_equal(json_text(await(&c, "domain-down"), "domain"), "cdsp");
	assert_string_equal(json_text(await(&c, "domain-up"), "domain"), "cdsp");
	command_end(&c, SIGTERM);
}

static void lines_for_people_say_when_what_and_who(void **state)
{
	struct command c = command_start(*state, getuid(),
					 (const char *const[]){ "monitor", NULL });
	unsigned hour, minute, second, ms, client;
	char user[64];

	UNTIL (has_said(&c))
		make_mark(*state, getuid());
	make_mark(*state, getuid()); /* of which all is seen */
	for (;;) {
		const char *line = command_line(&c);

		assert_non_null(line);
		assert_int_equal(line[12], ' ');
		if (strncmp(line + 13, "refused", 7))
			continue;
		assert_int_equal(sscanf(line, "%2u:%2u:%2u.%3u refused client %u (%63[^)]", &hour,
					&minute, &second, &ms, &client, user), 6);
		expect_text(line, "): there is no client 4711");
		break;
	}
	command_end(&c, SIGTERM);
}

static void a_monitor_ends_with_the_broker(void **state)
{
	struct broker *b = *state;
	struct command c = monitor_new(b, getuid());
	const char *line;
	struct json_object *last = NULL;

	broker_signal(b, SIGTERM);
	while ((line = command_line(&c))) { /* each line is one object, the last one too */
		json_object_put(last);
		last = parse_json(line);
	}
	assert_int_equal(json_number(last, "error"), -ECONNRESET);
	json_object_put(last);
	assert_int_equal(command_end(&c, 0), 1);
	broker_wait_end(b);
}

static int64_t client_of(const struct broker *b, pid_t pid)
{
	struct json_object *all, *rows;
	int64_t id = 0;

	assert_int_equal(QDACTL_RUN(b, "list", "--json"), 0);
	all = parse_json(said.out);
	rows = json_member(all, "clients");
	for (size_t i = 0; i < json_object_array_length(rows); i++)
		if (json_number(json_object_array_get_idx(rows, i), "pid") == pid)
			id = json_number(json_object_array_get_idx(rows, i), "id");
	json_object_put(all);
	return id;
}

static void a_monitor_that_is_ended_says_by_whom(void **state)
{
	const struct broker *b = *state;
	struct command c = monitor_new(b, getuid());
	char id[24];
	struct json_object *e;

	snprintf(id, sizeof(id), "%" PRId64, client_of(b, c.pid));
	assert_int_equal(QDACTL_RUN(b, "kill", "client", id), 0);
	do
		e = next_event(&c);
	while (!json_object_object_get_ex(e, "error", NULL) ||
	       json_object_object_get_ex(e, "what", NULL));
	expect_text(json_text(e, "text"), "administrator");
	assert_int_equal(command_end(&c, 0), 1);
}

/* --- others --- */

static void only_who_may_sees_others(void **state)
{
	struct command plain, watcher;
	struct json_object *event;
	struct user u;

	need_root();
	plain = monitor_new(*state, PLAIN);
	watcher = monitor_new(*state, WATCHER);
	u = user_new(*state, QDA_NULL_URI);
	user_free(&u);
	make_mark(*state, PLAIN);
	do {
		event = next_event(&plain);
		assert_int_equal(json_number(event, "uid"), PLAIN);
	} while (!is_mark(event));
	while (json_number(expect(&watcher, "client-new"), "uid") == PLAIN) {
		do
			event = next_event(&watcher);
		while (strcmp(json_text(event, "what"), "client-gone"));
	}
	assert_int_equal(json_number(expect(&watcher, "session-open"), "uid"), 0);
	command_end(&plain, SIGTERM);
	command_end(&watcher, SIGTERM);
}

/* What is wrong in the configuration is not for everybody. */
static void a_reload_by_signal_is_told_to_who_may_see_all(void **state)
{
	struct command plain, watcher;

	need_root();
	plain = monitor_new(*state, PLAIN);
	watcher = monitor_new(*state, WATCHER);
	broker_configure(*state, "[connection]\nsessions=many\n");
	expect_text(reload(&watcher, *state, true, -EINVAL), "sessions=many");
	make_mark(*state, PLAIN);
	assert_string_equal(json_text(next_event(&plain), "what"), "client-new");
	assert_true(is_mark(next_event(&plain))); /* nothing before */
	command_end(&plain, SIGTERM);
	command_end(&watcher, SIGTERM);
}

/* --- slow ones --- */

static int setup_heap(void **state)
{
	return broker_setup_with(state, &(struct broker_options){ .heap = true });
}

static struct peer *watch(const struct broker *b)
{
	struct peer *p = peer_new(b);

	peer_ok(p, REQUEST(SUBSCRIBE, .subscribe = { QDA_EVENTS_MONITOR }));
	return p;
}

/* As many events, each read by the reader at once. */
static void cause(struct peer *by, struct peer *reader, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		peer_refused(by, REQUEST(MODULE_CLOSE, .module_close = { 1 }), ENOENT);
		assert_string_equal(peer_await_event(reader, QDA_TYPE_MONITOR)->monitor.what,
				    "refused");
		assert_int_equal(reader->event.monitor.dropped, 0);
	}
}

/* A slow one comes, and the reader has been told. */
static struct peer *watch_beside(const struct broker *b, struct peer *reader)
{
	struct peer *slow = watch(b);

	assert_string_equal(peer_await_event(reader, QDA_TYPE_MONITOR)->monitor.what, "client-new");
	return slow;
}

static void read_all(struct peer *p, unsigned *received, unsigned *dropped)
{
	while (!peer_is_silent(p)) {
		*dropped += peer_await_event(p, QDA_TYPE_MONITOR)->monitor.dropped;
		++*received;
	}
}

static void a_watcher_who_does_not_read_loses_events_and_costs_nothing(void **state)
{
	enum { FIRST = 2000, MORE = 4000 };
	const struct broker *b = *state;
	struct peer *by, *reader, *slow;
	int64_t heap;

	broker_need_heap(b);
	by = peer_new(b);
	reader = watch(b);
	slow = watch_beside(b, reader);
	cause(by, reader, FIRST);
	heap = broker_heap(b);
	cause(by, reader, MORE);
	assert_int_equal(broker_heap(b), heap);
	peer_ok(slow, REQUEST(SUBSCRIBE, .subscribe = { QDA_EVENTS_MONITOR }));
	assert_true(slow->n_events > 0 && slow->n_events < FIRST + MORE);
	peer_free(by);
	peer_free(reader);
	peer_free(slow);
}

static void lost_events_are_counted(void **state)
{
	struct peer *by = peer_new(*state), *reader = watch(*state);
	struct peer *slow = watch_beside(*state, reader);
	unsigned received = 0, dropped = 0, caused = 3000;

	cause(by, reader, caused);
	UNTIL (received + dropped == caused) {
		read_all(slow, &received, &dropped);
		cause(by, reader, 1);
		caused++;
		read_all(slow, &received, &dropped);
	}
	assert_in_range(dropped, 1, caused - 1);
	peer_free(by);
	peer_free(reader);
	peer_free(slow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_happens_is_told_in_order),
		TEST(a_connection_too_many_is_refused_in_words_and_told),
		TEST(what_administrators_do_is_told),
		TEST(a_reload_is_told_whoever_asked_for_it_good_or_failed),
		TEST(a_domain_that_goes_and_comes_is_told),
		TEST(lines_for_people_say_when_what_and_who),
		TEST(a_monitor_ends_with_the_broker),
		TEST(a_monitor_that_is_ended_says_by_whom),
		TEST_WITH(only_who_may_sees_others, setup_system),
		TEST_WITH(a_reload_by_signal_is_told_to_who_may_see_all, setup_system),
		TEST_WITH(a_watcher_who_does_not_read_loses_events_and_costs_nothing, setup_heap),
		TEST(lost_events_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
