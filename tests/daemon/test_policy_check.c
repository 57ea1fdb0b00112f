/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl policy check: what it says about somebody is what that one gets when it tries.
 */
#include "command.h"
#include "peer.h"
#include "stranger.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "qda_args.h"
#include "qda_null.h"

#define N(array) (sizeof(array) / sizeof(*(array)))

/* A plain user, one who may do nothing but administer, one whom no rule knows, one who may bring
 * directories and make urgent and parked calls, and one who may do what is usual. */
enum { PLAIN = 54331, ADMIN, UNKNOWN, BRINGER, USUAL };

static int setup_system(void **state)
{
	return broker_setup_with(
		state, &(struct broker_options){
			       .config = "[policy 10-admin]\nuser=54332\nadmin=all\nallow=yes\n"
					 "[policy 15-bringer]\nuser=54334\ndirs=yes\nurgent=yes\n"
					 "parked=yes\nallow=yes\n"
					 "[policy 20-no-args]\nuser=54331\nmodule=file:///libqda_args*\n"
					 "allow=no\n"
					 "[policy 30-plain]\nuser=54331\nkind=unsigned\nallow=yes\n"
					 "[policy 40-group]\ngroup=54336\nallow=yes\n"
					 "[policy 50-usual]\nuser=54335\nallow=yes\n",
			       .system = true,
		       });
}

static char verdict(const struct qda_msg_reply *reply)
{
	return !reply->status.code ? 'y' : reply->status.code == EACCES ? 'n' : '?';
}

static struct peer *who_greets(const char *socket, char *why)
{
	struct peer *p = peer_try_connect(socket);

	*why = p ? verdict(peer_call(p, REQUEST(HELLO, .hello = { 1, 1, "x" }))) : '?';
	return *why == 'y' ? p : NULL;
}

static char try_use(const char *socket)
{
	char why;

	who_greets(socket, &why);
	return why;
}

static char try_session_of(const char *socket, uint32_t kind)
{
	char why;
	struct peer *p = who_greets(socket, &why);

	return p ? verdict(peer_call(p, REQUEST(SESSION_OPEN, .session_open = { .kind = kind }))) :
		   why;
}

static char try_session(const char *socket)
{
	return try_session_of(socket, 0);
}

static char try_privileged(const char *socket)
{
	return try_session_of(socket, 1);
}

static char try_module(const char *socket)
{
	char why;
	struct peer *p = who_greets(socket, &why);

	if (!p)
		return why;
	why = verdict(peer_call(p, REQUEST(SESSION_OPEN)));
	if (why != 'y')
		return why;
	return verdict(peer_call(p, REQUEST(MODULE_OPEN,
					    .module_open = { p->reply.session_open.session,
							     QDA_ARGS_URI })));
}

static char try_dirs(const char *socket)
{
	int fd = open(SKELS, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char why;
	struct peer *p = who_greets(socket, &why);

	return p ? verdict(peer_await(p, peer_post(p, REQUEST(SESSION_OPEN), NULL, 0, &fd, 1))) : why;
}

static char try_call(const char *socket, int32_t priority, uint32_t flags)
{
	char why;
	struct peer *p = who_greets(socket, &why);
	struct invocation *i;
	uint64_t session;

	if (!p || (why = verdict(peer_call(p, REQUEST(SESSION_OPEN)))) != 'y')
		return why;
	session = p->reply.session_open.session;
	why = verdict(peer_call(p, REQUEST(MODULE_OPEN, .module_open = { session, QDA_NULL_URI })));
	if (why != 'y')
		return why;
	i = invocation_new(p->reply.module_open.handle, QDA_NULL_NOTHING);
	i->request.invoke.priority = priority;
	i->request.invoke.flags = flags;
	return verdict(peer_await(p, invocation_post(p, i)));
}

static char try_urgent(const char *socket)
{
	return try_call(socket, 2, 0);
}

static char try_parked(const char *socket)
{
	return try_call(socket, 0, QDA_INVOKE_PARKED);
}

static char try_reload(const char *socket)
{
	char why;
	struct peer *p = who_greets(socket, &why);

	return p ? verdict(peer_call(p, REQUEST(RELOAD))) : why;
}

static char try_quota(const char *socket)
{
	char why;
	struct peer *p = who_greets(socket, &why);
	struct qda_msg_request r = { .type = QDA_TYPE_QUOTA_SET };

	r.quota_set.resource = "sessions";
	r.quota_set.rule = "";
	r.quota_set.limit = 100;
	return p ? verdict(peer_call(p, &r)) : why;
}

/* Client 1 is root's, so what is refused is that. */
static char try_status(const char *socket)
{
	char why;
	struct peer *p = who_greets(socket, &why);

	if (!p)
		return why;
	peer_call(p, REQUEST(GET_STATUS, .get_status = { 2 }));
	return p->reply.get_status.n_clients > 1 ? 'y' : 'n';
}

/* 'y' when there is another's to end, which is then gone: the last of the attempts. */
static char try_kill(const char *socket)
{
	char why;
	struct peer *p = who_greets(socket, &why);

	return p ? verdict(peer_call(p, REQUEST(KILL, .kill = { .kind = QDA_KILL_CLIENT, .id = 1 }))) :
		   why;
}

static void policy_check_says_what_an_attempt_gives(void **state)
{
	static const struct {
		const char *action, *option, *value;
		char (*attempt)(const char *socket);
	} actions[] = {
		{ "use", "--kind", "unsigned", try_use },
		{ "session", "--kind", "unsigned", try_session },
		{ "session", "--kind", "privileged", try_privileged },
		{ "module", "--module", QDA_ARGS_URI, try_module },
		{ "urgent", "--kind", "unsigned", try_urgent },
		{ "parked", "--kind", "unsigned", try_parked },
		{ "dirs", "--kind", "unsigned", try_dirs },
		{ "status", "--kind", "unsigned", try_status },
		{ "reload", "--kind", "unsigned", try_reload },
		{ "quota", "--kind", "unsigned", try_quota },
		{ "kill", "--kind", "unsigned", try_kill },
	};
	static const uid_t users[] = { UNKNOWN, PLAIN, USUAL, BRINGER, ADMIN };
	static const char expected[N(users)][N(actions) + 1] = {
		"nnnnnnnnnnn", "yynnnnnnnnn", "yyyynnnnnnn", "yyyyyyynnnn", "ynnnnnnyyyy",
	};
	struct peer *p;
	char uid[16];

	need_root();
	p = peer_new(*state);
	for (size_t u = 0; u < N(users); u++) {
		snprintf(uid, sizeof(uid), "%u", users[u]);
		for (size_t a = 0; a < N(actions); a++) {
			int status = QDACTL_RUN(*state, "policy", "check", "--action",
						actions[a].action, "--user", uid,
						actions[a].option, actions[a].value);
			if (actions[a].attempt == try_dirs && !device_has(DEVICE_CLIENT_DIRS))
				continue;
			char told = status == 0 ? 'y' : status == 1 && !*said.err ? 'n' : '?';
			char got = stranger_says(*state, users[u], users[u], actions[a].attempt);

			if (told != got || got != expected[u][a])
				fail_msg("uid %s, %s: told %c, got %c, expected %c", uid,
					 actions[a].action, told, got, expected[u][a]);
		}
	}
	peer_free(p);
}

static void policy_check_names_the_rule(void **state)
{
	struct json_object *o;

	assert_int_equal(QDACTL_RUN(*state, "policy", "check", "--action", "module", "--module",
				    QDA_ARGS_URI, "--user", "54331"), 1);
	expect_text(said.out, "54331 may not load this module: rule \"20-no-args\" says so\n");
	assert_int_equal(QDACTL_RUN(*state, "--json", "policy", "check", "--action", "session",
				    "--user", "54331"), 0);
	o = parse_json(said.out);
	assert_true(json_object_get_boolean(json_member(o, "allow")));
	assert_string_equal(json_text(o, "rule"), "30-plain");
	json_object_put(o);
	assert_int_equal(QDACTL_RUN(*state, "policy", "check", "--action", "session", "--user",
				    "54333"), 1);
	expect_text(said.out, "54333 may not open such a session: no rule allows it\n");
	assert_int_equal(QDACTL_RUN(*state, "policy", "check", "--action", "kill"), 0);
	QDACTL_FAILS(*state, getuid(), 1, "there is no action \"frob\"", "policy", "check",
		     "--action", "frob");
	QDACTL_FAILS(*state, getuid(), 1, "there is no domain \"xdsp\"", "policy", "check",
		     "--action", "session", "--domain", "xdsp");
	QDACTL_FAILS(*state, getuid(), 1, "(--module URI)", "policy", "check", "--action", "module");
}

static void policy_about_others_is_told_with_a_rule_only(void **state)
{
	need_root();
	QDACTL_FAILS(*state, PLAIN, 1, "administrators do (status)", "policy", "check",
		     "--action", "use", "--user", "0");
	assert_int_equal(QDACTL_AS(*state, PLAIN, "policy", "check", "--action", "use"), 0);
	assert_int_equal(QDACTL_AS(*state, ADMIN, "policy", "check", "--action", "use", "--user",
				   "0"), 0);
}

/* Of a user who is in no group on this machine. */
static void the_caller_has_the_groups_of_its_process(void **state)
{
	need_root();
	assert_int_equal(QDACTL_AS(*state, 54330, "policy", "check", "--action", "session"), 1);
	command_group = 54336;
	assert_int_equal(QDACTL_AS(*state, 54330, "policy", "check", "--action", "session"), 0);
	command_group = 0;
	assert_string_equal(said.out,
			    "54330 may open such a session: rule \"40-group\" says so\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH(policy_check_says_what_an_attempt_gives, setup_system),
		TEST_WITH(policy_check_names_the_rule, setup_system),
		TEST_WITH(policy_about_others_is_told_with_a_rule_only, setup_system),
		TEST_WITH(the_caller_has_the_groups_of_its_process, setup_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
