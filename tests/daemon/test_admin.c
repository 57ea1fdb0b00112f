/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What administrators do with qdactl: quota, kill, reload. What each prints, who may, and what
 * becomes of those it is done to.
 */
#include "command.h"
#include "library.h"
#include "peer.h"
#include "stranger.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "qda_null.h"

#define N(array) (sizeof(array) / sizeof(*(array)))

/* A plain user, and one who may do nothing but administer. */
enum { PLAIN = 54331, ADMIN, SOME_USER = 54400 };

#define RULES                                                                                      \
	"[policy 10-admin]\nuser=54332\nadmin=all\nallow=yes\n"                                    \
	"[policy 30-plain]\nuser=54331\nkind=unsigned\nallow=yes\n"

static int setup_system(void **state)
{
	static char config[4096];
	int n = snprintf(config, sizeof(config), "%s", RULES);

	for (uid_t uid = SOME_USER; uid < SOME_USER + 20; uid++)
		n += snprintf(config + n, sizeof(config) - (size_t)n,
			      "[policy 50-%u]\nuser=%u\nallow=yes\n", uid, uid);
	return broker_setup_with(state,
				 &(struct broker_options){ .config = config, .system = true });
}

static char greet(const char *socket)
{
	struct peer *p = peer_try_connect(socket);

	return p && !peer_call(p, REQUEST(HELLO, .hello = { 1, 1, "stranger" }))->status.code ? 'y' :
												'n';
}

/* --- wrong usage --- */

static void wrong_arguments_are_said_and_end_with_2(void **state)
{
	static const struct {
		const char *says;
		const char *words[8];
	} wrong[] = {
		{ "what is \"frob\"", { "quota", "frob" } },
		{ "one of these is needed", { "quota", "set" } },
		{ "one of these is needed", { "quota", "set", "total", "--client", "1", "calls=1" } },
		{ "one of these is needed", { "quota", "set", "--user", "0", "--client", "1", "calls=1" } },
		{ "which RESOURCE=LIMIT", { "quota", "set", "total" } },
		{ "--rule goes with --user", { "quota", "set", "total", "--rule", "x", "calls=1" } },
		{ "--user or --client, not both", { "quota", "--user", "0", "--client", "1" } },
		{ "--rule goes with --user", { "quota", "--rule", "x" } },
		{ "no user \"no-such-user\"", { "top", "--user", "no-such-user" } },
		{ "no user \"no-such-user\"", { "quota", "set", "--user", "no-such-user", "calls=1" } },
		{ "no number of a client: \"x\"", { "quota", "set", "--client", "x", "calls=1" } },
		{ "are needed", { "kill" } },
		{ "are needed", { "kill", "client" } },
		{ "are needed", { "kill", "client", "1", "2" } },
		{ "neither client nor session: \"1\"", { "kill", "1", "1" } },
		{ "no number: \"one\"", { "kill", "client", "one" } },
		{ "no number: \"-1\"", { "kill", "session", "--", "-1" } },
		{ "what is \"now\"", { "reload", "now" } },
		{ "what is \"now\"", { "monitor", "now" } },
		{ "what can be done is: check", { "policy" } },
		{ "what can be done is: check", { "policy", "ask", "--action", "use" } },
		{ "--action is needed", { "policy", "check" } },
		{ "no user \"no-such-user\"", { "policy", "check", "--user", "no-such-user" } },
		{ "no group \"no-such-group\"", { "policy", "check", "--group", "no-such-group" } },
		{ "unsigned or privileged, not \"odd\"", { "policy", "check", "--kind", "odd" } },
		{ "what is \"now\"", { "top", "now" } },
		{ "0.1 to 3600 seconds, not \"0\"", { "top", "--delay", "0" } },
		{ "share, calls, memory, refused or id, not \"x\"", { "top", "--sort", "x" } },
		{ "this is no terminal; try --once", { "top" } },
		{ "unrecognized option", { "monitor", "--frobnicate" } },
	};

	for (size_t i = 0; i < N(wrong); i++) {
		assert_int_equal(command_as(NULL, getuid(), wrong[i].words), 2);
		expect_text(said.err, wrong[i].says);
		expect_text(said.err, "Try: qdactl ");
		assert_string_equal(said.out, "");
	}
}

static void what_is_no_limit_is_said(void **state)
{
	static const char *const wrong[] = { "calls", "calls=", "calls=x", "calls=-1", "calls=1T",
					     "calls=1KK", "calls=99999999999G" };

	for (size_t i = 0; i < N(wrong); i++)
		QDACTL_FAILS(*state, getuid(), 2, "RESOURCE=LIMIT is wanted", "quota", "set",
			     "total", wrong[i]);
	QDACTL_FAILS(*state, getuid(), 1, "\"frobs\": the total has no such limit", "quota", "set",
		     "total", "frobs=1");
	QDACTL_FAILS(*state, getuid(), 1, "\"frobs\"", "quota", "set", "total", "calls=900",
		     "frobs=3", "maps=1");
	assert_string_equal(said.out, "calls=900 set\n");
	QDACTL_FAILS(*state, getuid(), 1, "a client has no such limit", "quota", "set", "--client",
		     "1", "weight=1");
	QDACTL_FAILS(*state, getuid(), 1, "weight=0: must be 1 to 10000", "quota", "set", "--user",
		     "0", "weight=0");
	QDACTL_FAILS(*state, getuid(), 1, "there is no client 4711", "quota", "set", "--client",
		     "4711", "calls=1");
	QDACTL_FAILS(*state, getuid(), 1, "uid 59999 has no account", "quota", "set", "--user",
		     "59999", "calls=1");
	json_object_put(parse_json(said.out[0] ? said.out : "{}"));
	QDACTL_FAILS(*state, getuid(), 1, "there is no client 4711", "--json", "quota", "set",
		     "--client", "4711", "calls=1");
	struct json_object *o = parse_json(said.out);

	assert_int_equal(json_number(o, "error"), -ENOENT);
	json_object_put(o);
}

static void verbs_without_a_broker_end_with_3(void **state)
{
	static const char *const verbs[][6] = {
		{ "quota" },  { "quota", "set", "total", "calls=1" }, { "kill", "client", "1" },
		{ "reload" }, { "policy", "check", "--action", "use" }, { "monitor" },
		{ "top", "--once" },
	};

	for (size_t i = 0; i < N(verbs); i++) {
		const char *words[8] = { "--socket", "/nonexistent/q.sock" };

		memcpy(words + 2, verbs[i], sizeof(verbs[i]));
		assert_int_equal(command_as(NULL, getuid(), words), 3);
		expect_text(said.err, "/nonexistent/q.sock");
	}
}

/* --- quota --- */

static struct json_object *quota_rows(const struct broker *b, uid_t uid)
{
	struct json_object *rows;

	assert_int_equal(QDACTL_AS(b, uid, "quota", "--json"), 0);
	rows = parse_json(said.out);
	assert_true(json_object_is_type(rows, json_type_array));
	return rows;
}

static struct json_object *find_row(struct json_object *rows, const char *scope, const char *key,
				    int64_t value)
{
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		struct json_object *row = json_object_array_get_idx(rows, i);

		if (!strcmp(json_text(row, "scope"), scope) &&
		    (!key || json_number(row, key) == value))
			return row;
	}
	fail_msg("no row of scope %s: %s", scope, said.out);
	return NULL;
}

static struct json_object *entry(struct json_object *row, const char *resource)
{
	return json_member(json_member(row, "resources"), resource);
}

static int setup_two_sessions(void **state)
{
	return broker_setup_with(
		state, &(struct broker_options){ .config = "[connection]\nsessions=2\n" });
}

static void quota_tells_use_limit_peak_and_refusals(void **state)
{
	const struct broker *b = *state;
	struct peer *p = peer_new(b);
	uint64_t session = peer_session(p);
	struct json_object *rows, *row;

	peer_session(p);
	peer_refused_quota(p, REQUEST(SESSION_OPEN), "sessions", "connection", 2, 2);
	peer_ok(p, REQUEST(SESSION_CLOSE, .session_close = { session }));
	rows = quota_rows(b, getuid());
	row = find_row(rows, "connection", "client", 1);
	assert_int_equal(json_number(row, "uid"), getuid());
	assert_int_equal(json_number(entry(row, "sessions"), "used"), 1);
	assert_int_equal(json_number(entry(row, "sessions"), "limit"), 2);
	assert_int_equal(json_number(entry(row, "sessions"), "peak"), 2);
	assert_int_equal(json_number(entry(row, "sessions"), "refused"), 1);
	row = find_row(rows, "uid", "uid", getuid());
	assert_int_equal(json_number(row, "weight"), 100);
	assert_string_equal(json_text(row, "rule"), "default");
	assert_int_equal(json_number(entry(row, "connections"), "used"), 2);
	row = find_row(rows, "total", NULL, 0);
	assert_int_equal(json_number(entry(row, "connections"), "used"), 2);
	assert_int_equal(json_number(entry(row, "sessions"), "peak"), 2);
	json_object_put(rows);
	peer_free(p);
}

static void quota_as_text_says_the_same(void **state)
{
	struct user u = user_new(*state, QDA_NULL_URI);

	assert_int_equal(QDACTL_RUN(*state, "quota"), 0);
	expect_text(said.out, "ALL CLIENTS TOGETHER\n  connections             2 ");
	expect_text(said.out, ", rule default, weight 100, requests 10485760, burst 10485760\n");
	expect_text(said.out, "CLIENT 1 test, user ");
	assert_null(strstr(said.out, "  maps "));
	assert_int_equal(QDACTL_RUN(*state, "quota", "--all"), 0);
	expect_text(said.out, "  maps                    0 ");
	user_free(&u);
}

static void quota_of_one_is_that_ones(void **state)
{
	struct user u = user_new(*state, QDA_NULL_URI);
	char uid[16];

	snprintf(uid, sizeof(uid), "%u", getuid());
	assert_int_equal(QDACTL_RUN(*state, "quota", "--user", uid, "--rule", "default"), 0);
	assert_null(strstr(said.out, "ALL CLIENTS TOGETHER"));
	expect_text(said.out, "USER ");
	expect_text(said.out, "CLIENT 1 test, user ");
	assert_int_equal(QDACTL_RUN(*state, "quota", "--client", "1"), 0);
	assert_null(strstr(said.out, "USER "));
	expect_text(said.out, "CLIENT 1 test, user ");
	QDACTL_FAILS(*state, getuid(), 1, "nothing of that client", "quota", "--client", "4711");
	QDACTL_FAILS(*state, getuid(), 1, "nothing of that user", "quota", "--user", uid, "--rule",
		     "another");
	user_free(&u);
}

static unsigned count_rows(struct json_object *rows, const char *scope, const char *key)
{
	int64_t last = -1;
	unsigned n = 0;

	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		struct json_object *row = json_object_array_get_idx(rows, i);

		if (strcmp(json_text(row, "scope"), scope))
			continue;
		n++;
		if (!key)
			continue;
		assert_true(json_number(row, key) > last); /* each once, in order */
		last = json_number(row, key);
	}
	return n;
}

static void quota_of_many_clients_is_told_once_each(void **state)
{
	struct peer *peers[40];
	struct json_object *rows;

	for (size_t i = 0; i < N(peers); i++)
		peers[i] = peer_new(*state);
	rows = quota_rows(*state, getuid());
	assert_int_equal(count_rows(rows, "total", NULL), 1);
	assert_int_equal(count_rows(rows, "uid", "uid"), 1);
	assert_int_equal(count_rows(rows, "connection", "client"), N(peers) + 1);
	json_object_put(rows);
	for (size_t i = 0; i < N(peers); i++)
		peer_free(peers[i]);
}

static void quota_of_many_users_is_told_once_each_and_to_each_its_own(void **state)
{
	struct stranger users[20];
	struct json_object *rows;

	need_root();
	for (unsigned i = 0; i < N(users); i++) {
		users[i] = stranger_new(*state, SOME_USER + i, SOME_USER + i, NULL, greet);
		assert_int_equal(stranger_said(&users[i]), 'y');
	}
	rows = quota_rows(*state, 0);
	assert_int_equal(count_rows(rows, "uid", "uid"), N(users) + 1);
	assert_int_equal(count_rows(rows, "connection", "client"), N(users) + 1);
	json_object_put(rows);
	rows = quota_rows(*state, SOME_USER + 3);
	assert_int_equal(count_rows(rows, "total", NULL), 1);
	assert_int_equal(count_rows(rows, "uid", "uid"), 1);
	assert_int_equal(count_rows(rows, "connection", "client"), 2); /* its two */
	json_object_put(rows);
	for (unsigned i = 0; i < N(users); i++)
		stranger_free(&users[i]);
}

static void quota_set_changes_what_is_refused_until_reload(void **state)
{
	const struct broker *b = *state;
	struct peer *p = peer_new(b);
	struct json_object *rows;
	char uid[16];

	snprintf(uid, sizeof(uid), "%u", getuid());
	assert_int_equal(QDACTL_RUN(b, "quota", "set", "--client", "1", "sessions=1"), 0);
	assert_string_equal(said.out, "sessions=1 set\n");
	peer_session(p);
	peer_refused_quota(p, REQUEST(SESSION_OPEN), "sessions", "connection", 1, 1);
	assert_int_equal(QDACTL_RUN(b, "--json", "quota", "set", "total", "buffer_bytes=64M",
				    "sessions=7"), 0);
	json_object_put(parse_json(said.out));
	assert_int_equal(QDACTL_RUN(b, "quota", "set", "--user", uid, "weight=7", "buffers=3", "burst=9"), 0);
	rows = quota_rows(b, getuid());
	assert_int_equal(json_number(find_row(rows, "uid", "uid", getuid()), "weight"), 7);
	assert_int_equal(json_number(find_row(rows, "uid", "uid", getuid()), "burst"), 9);
	assert_int_equal(json_number(entry(find_row(rows, "uid", "uid", getuid()), "buffers"),
				     "limit"), 3);
	assert_int_equal(json_number(entry(find_row(rows, "total", NULL, 0), "buffer_bytes"),
				     "limit"), 64 << 20);
	json_object_put(rows);
	assert_int_equal(QDACTL_RUN(b, "reload"), 0);
	rows = quota_rows(b, getuid());
	assert_int_equal(json_number(find_row(rows, "uid", "uid", getuid()), "weight"), 100);
	assert_int_equal(json_number(entry(find_row(rows, "total", NULL, 0), "sessions"), "limit"),
			 256);
	json_object_put(rows);
	peer_free(p);
}

static void quota_set_of_others_takes_a_rule(void **state)
{
	need_root();
	QDACTL_FAILS(*state, PLAIN, 1, "administrators do (quota)", "quota", "set", "total",
		     "sessions=1");
	assert_int_equal(QDACTL_AS(*state, ADMIN, "quota", "set", "total", "sessions=1"), 0);
}

/* --- kill --- */

static void first_session(const struct broker *b, char id[24])
{
	struct json_object *list, *row;

	assert_int_equal(QDACTL_RUN(b, "list", "--json"), 0);
	list = parse_json(said.out);
	row = json_object_array_get_idx(json_member(list, "sessions"), 0);
	snprintf(id, 24, "%" PRId64, json_number(row, "id"));
	json_object_put(list);
}

static void a_killed_session_is_lost_and_another_may_be_opened(void **state)
{
	const struct broker *b = *state;
	struct user u = user_new(b, QDA_NULL_URI);
	struct qda_error e;
	char id[24];

	first_session(b, id);
	assert_int_equal(QDACTL_RUN(b, "kill", "session", id), 0);
	expect_text(said.out, " ended\n");
	assert_int_equal(qda_invoke(u.module, QDA_NULL_NOTHING, NULL, 0, NULL, &e), -ECONNRESET);
	expect_text(e.text, "ended by the administrator");
	UNTIL (QDACTL_RUN(b, "kill", "session", id) == 1)
		;
	qda_session_close(u.session);
	u.session = library_session(u.client);
	u.module = library_module(u.session, QDA_NULL_URI);
	INVOKE(u.module, QDA_NULL_NOTHING, qda_in(NULL, 0));
	user_free(&u);
}

/* Its number as people read it is the one that kill takes, also when it has two digits. */
static void a_session_is_killed_by_the_number_that_list_prints(void **state)
{
	struct qda_client *client = library_connect(*state);
	struct qda_session *session = NULL;
	char id[24] = "";
	const char *at;

	for (unsigned i = 0; i < 20; i++) {
		qda_session_close(session);
		session = library_session(client);
	}
	UNTIL (QDACTL_RUN(*state, "list") == 0 && strstr(said.out, "open") &&
	       !strstr(said.out, "clos"))
		;
	at = strstr(said.out, "\nSESSION");
	assert_non_null(at);
	assert_int_equal(sscanf(strchr(at + 1, '\n'), " %23s", id), 1);
	assert_int_equal(QDACTL_RUN(*state, "kill", "session", id), 0);
	UNTIL (!qda_session_alive(session, NULL))
		qda_dispatch(client, 0);
	qda_disconnect(client);
}

static void a_killed_client_is_told_and_may_connect_again(void **state)
{
	struct user u = user_new(*state, QDA_NULL_URI);
	struct qda_error e;

	assert_int_equal(QDACTL_RUN(*state, "--json", "kill", "client", "1"), 0);
	json_object_put(parse_json(said.out));
	assert_int_equal(qda_invoke(u.module, QDA_NULL_NOTHING, NULL, 0, NULL, &e), -ECONNRESET);
	expect_text(e.text, "ended by an administrator; connect again");
	user_free(&u);
	u = user_new(*state, QDA_NULL_URI);
	user_free(&u);
}

static void kill_of_what_is_not_there_is_said(void **state)
{
	QDACTL_FAILS(*state, getuid(), 1, "there is no client 4711", "kill", "client", "4711");
	QDACTL_FAILS(*state, getuid(), 1, "there is no session 4711", "kill", "session", "4711");
	QDACTL_FAILS(*state, getuid(), 1, "is this connection", "kill", "client", "3");
}

static void others_are_killed_only_with_a_rule(void **state)
{
	struct peer *p;
	char id[24];

	need_root();
	p = peer_new(*state);
	peer_session(p);
	first_session(*state, id);
	QDACTL_FAILS(*state, PLAIN, 1, "administrators do (kill)", "kill", "client", "1");
	QDACTL_FAILS(*state, PLAIN, 1, "administrators do (kill)", "kill", "session", id);
	peer_session(p); /* it is well */
	assert_int_equal(QDACTL_AS(*state, ADMIN, "kill", "client", "1"), 0);
	while (peer_next(p)) /* events may come before the end */
		;
	peer_free(p);
}

/* What this user is told who wants to end it, without the numbers in it. */
static const char *kill_refused(const struct broker *b, uid_t uid, const char *what, const char *id)
{
	static char texts[2][512];
	static unsigned which;
	char *text = texts[which++ % 2], *end = text;

	assert_int_equal(QDACTL_AS(b, uid, "kill", what, id), 1);
	for (const char *at = said.err; *at && end < text + sizeof(texts[0]) - 1; at++)
		if (*at < '0' || *at > '9')
			*end++ = *at;
	*end = '\0';
	return text;
}

static void who_may_not_kill_cannot_tell_what_is_there(void **state)
{
	struct peer *p;
	char id[24];

	need_root();
	p = peer_new(*state);
	peer_session(p);
	first_session(*state, id);
	expect_text(kill_refused(*state, PLAIN, "client", "1"), "client  is none of yours");
	assert_string_equal(kill_refused(*state, PLAIN, "client", "1"),
			    kill_refused(*state, PLAIN, "client", "4711"));
	assert_string_equal(kill_refused(*state, PLAIN, "session", id),
			    kill_refused(*state, PLAIN, "session", "4711"));
	QDACTL_FAILS(*state, ADMIN, 1, "there is no client 4711", "kill", "client", "4711");
	QDACTL_FAILS(*state, ADMIN, 1, "there is no session 4711", "kill", "session", "4711");
	peer_free(p);
}

static void quota_set_asks_for_the_right_first(void **state)
{
	need_root();
	QDACTL_FAILS(*state, PLAIN, 1, "administrators do (quota)", "quota", "set", "--client",
		     "4711", "sessions=1");
	QDACTL_FAILS(*state, PLAIN, 1, "administrators do (quota)", "quota", "set", "--user", "4711",
		     "sessions=1");
	QDACTL_FAILS(*state, PLAIN, 1, "administrators do (quota)", "quota", "set", "total",
		     "apples=1");
}

/* --- reload --- */

static void reload_says_what_it_cannot_change_and_what_is_wrong(void **state)
{
	const struct broker *b = *state;
	struct json_object *o;

	assert_int_equal(QDACTL_RUN(b, "reload"), 0);
	assert_string_equal(said.out, "the configuration was read again\n");
	broker_configure(b, "[daemon]\nsocket=/elsewhere\n");
	assert_int_equal(QDACTL_RUN(b, "--json", "reload"), 0);
	o = parse_json(said.out);
	json_text(o, "text");
	json_object_put(o);
	broker_configure(b, "[connection]\nsessions=many\n");
	QDACTL_FAILS(b, getuid(), 1, "conf:2: sessions=many", "reload");
	assert_string_equal(said.out, "");
}

static void write_conf(const struct broker *b, const char *bytes, size_t n)
{
	FILE *file = fopen(b->conf, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, n, file), n);
	assert_int_equal(fclose(file), 0);
}

/* Some megabytes, most of them comments, with as many rules as there may be, and some more. */
static size_t write_huge(char *text, size_t size, unsigned rules)
{
	size_t n = 0;

	for (unsigned i = 0; i < rules; i++)
		n += (size_t)snprintf(text + n, size - n, "[policy r%u]\nuser=%u\nallow=yes\n", i, i + 1);
	while (size - n > 64)
		n += (size_t)snprintf(text + n, size - n, "; %zu is nothing to anybody\n", n);
	return n;
}

/* Who is there is served on, whatever the file is. */
static void reload_takes_or_refuses_any_file(void **state)
{
	static const char contradiction[] = "[policy a]\nallow=no\nurgent=yes\n";
	static char huge[4 << 20], binary[65536];
	const struct broker *b = *state;
	struct user u = user_new(b, QDA_NULL_URI);

	write_conf(b, "", 0);
	assert_int_equal(QDACTL_RUN(b, "reload"), 0);
	write_conf(b, huge, write_huge(huge, sizeof(huge), 256));
	assert_int_equal(QDACTL_RUN(b, "reload"), 0);
	INVOKE(u.module, QDA_NULL_NOTHING, qda_in(NULL, 0));
	write_conf(b, huge, write_huge(huge, sizeof(huge), 257));
	QDACTL_FAILS(b, getuid(), 1, "256", "reload");
	fill_pattern(binary, sizeof(binary), 7);
	write_conf(b, binary, sizeof(binary));
	QDACTL_FAILS(b, getuid(), 1, "conf:1: ", "reload");
	write_conf(b, contradiction, sizeof(contradiction) - 1);
	QDACTL_FAILS(b, getuid(), 1, "conf:3: urgent=yes: in [policy a]: allow=no",
		     "reload");
	INVOKE(u.module, QDA_NULL_NOTHING, qda_in(NULL, 0));
	user_free(&u);
}

static void reload_takes_a_rule(void **state)
{
	need_root();
	QDACTL_FAILS(*state, PLAIN, 1, "administrators do (reload)", "reload");
	assert_int_equal(QDACTL_AS(*state, ADMIN, "reload"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_arguments_are_said_and_end_with_2),
		cmocka_unit_test(verbs_without_a_broker_end_with_3),
		TEST(what_is_no_limit_is_said),
		TEST_WITH(quota_tells_use_limit_peak_and_refusals, setup_two_sessions),
		TEST(quota_as_text_says_the_same),
		TEST(quota_of_one_is_that_ones),
		TEST(quota_of_many_clients_is_told_once_each),
		TEST_WITH(quota_of_many_users_is_told_once_each_and_to_each_its_own, setup_system),
		TEST(quota_set_changes_what_is_refused_until_reload),
		TEST_WITH(quota_set_of_others_takes_a_rule, setup_system),
		TEST(a_killed_session_is_lost_and_another_may_be_opened),
		TEST(a_session_is_killed_by_the_number_that_list_prints),
		TEST(a_killed_client_is_told_and_may_connect_again),
		TEST(kill_of_what_is_not_there_is_said),
		TEST_WITH(others_are_killed_only_with_a_rule, setup_system),
		TEST_WITH(who_may_not_kill_cannot_tell_what_is_there, setup_system),
		TEST_WITH(quota_set_asks_for_the_right_first, setup_system),
		TEST(reload_says_what_it_cannot_change_and_what_is_wrong),
		TEST(reload_takes_or_refuses_any_file),
		TEST_WITH(reload_takes_a_rule, setup_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
