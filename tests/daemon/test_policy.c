/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Policy as clients meet it: what each of several users may do, what a refusal says, what a reload
 * changes.
 */
#include "peer.h"
#include "stranger.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "qda_args.h"
#include "qda_bad.h"
#include "qda_null.h"

enum { BARRED = 54320, NULL_ONLY, OPERATOR, BRINGER, PLAIN };

#define RULES                                                                                      \
	"[policy 10-barred]\nuser=54320\nallow=no\n"                                               \
	"[policy 20-null]\nuser=54321\nmodule=file:///libqda_null_skel.so\nallow=yes\n"            \
	"[policy 30-operator]\nuser=54322\nadmin=status,reload\nallow=yes\n"                       \
	"[policy 40-bringer]\nuser=54323\ndirs=yes\nallow=yes\n"                                   \
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
