/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several users at the system service: who is let in, who is locked out by whom, and who sees what.
 */
#include "peer.h"
#include "stranger.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <unistd.h>

#include "qda_null.h"

/* A group that every system has, whose number is that of no user's own. */
static gid_t some_group(const char **name)
{
	struct group *group;

	for (gid_t gid = 1; gid < 100; gid++) {
		group = getgrgid(gid);
		if (!group)
			continue;
		*name = group->gr_name;
		return gid;
	}
	SKIP("there is no group to let in");
	return 0;
}

static gid_t the_group;

static int setup_system(void **state)
{
	static char config[512];
	const char *name = "?";

	if (getuid() == 0)
		the_group = some_group(&name);
	snprintf(config, sizeof(config),
		 "[policy default]\ngroup=%s\nkind=unsigned\nallow=yes\n",
		 *name == '?' ? "0" : name);
	return broker_setup_with(state,
				 &(struct broker_options){ .config = config, .system = true });
}

/* 'y' when let in and served, 'n' when refused with a reason. */
static char say_hello(const char *socket)
{
	struct peer *p = peer_try_connect(socket);
	const struct qda_msg_reply *reply;

	if (!p)
		return '?';
	reply = peer_call(p, REQUEST(HELLO, .hello = { 1, 1, "stranger" }));
	if (!reply->status.code)
		return peer_call(p, REQUEST(SESSION_OPEN))->status.code ? 's' : 'y';
	return reply->status.code == EACCES && strstr(reply->status.text, "group") ? 'n' : '?';
}

/* As many as one may have, all silent. */
static char connect_and_idle(const char *socket)
{
	for (unsigned i = 0; i < 200; i++)
		if (!peer_try_connect(socket))
			return '?';
	return 'y';
}

static void only_the_group_is_let_in(void **state)
{
	struct stranger in, out;

	if (getuid())
		SKIP("only root can be other users");
	in = stranger_new(*state, 54321, the_group, NULL, say_hello);
	out = stranger_new(*state, 54322, 54322, NULL, say_hello);
	assert_int_equal(stranger_said(&in), 'y');
	assert_int_equal(stranger_said(&out), 'n');
	stranger_free(&in);
	stranger_free(&out);
}

static void idle_connections_of_one_user_lock_no_other_out(void **state)
{
	struct stranger idle, other;
	struct peer *p;

	if (getuid())
		SKIP("only root can be other users");
	idle = stranger_new(*state, 54321, the_group, NULL, connect_and_idle);
	assert_int_equal(stranger_said(&idle), 'y');
	p = peer_new(*state);
	assert_in_range(peer_daemon_row(p).clients, 2, 65); /* 64 of them, and this */
	other = stranger_new(*state, 54322, the_group, NULL, say_hello);
	assert_int_equal(stranger_said(&other), 'y');
	stranger_free(&other);
	stranger_free(&idle);
	peer_free(p);
}

/* Rows of others are not shown: 'y' when there is one row. */
static char look_around(const char *socket)
{
	struct peer *p = peer_try_connect(socket);

	if (!p || peer_call(p, REQUEST(HELLO, .hello = { 1, 1, "looker" }))->status.code)
		return '?';
	if (peer_call(p, REQUEST(GET_STATUS, .get_status = { 2 }))->status.code)
		return '?';
	return p->reply.get_status.n_clients == 1 && !p->reply.get_status.next ? 'y' : 'n';
}

static void a_user_sees_only_rows_of_its_own(void **state)
{
	struct stranger looker;
	struct peer *p;

	if (getuid())
		SKIP("only root can be other users");
	p = peer_new(*state);
	looker = stranger_new(*state, 54321, the_group, NULL, look_around);
	assert_int_equal(stranger_said(&looker), 'y');
	peer_ok(p, REQUEST(GET_STATUS, .get_status = { 2 }));
	assert_int_equal(p->reply.get_status.n_clients, 2); /* root sees all */
	stranger_free(&looker);
	peer_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH(only_the_group_is_let_in, setup_system),
		TEST_WITH(idle_connections_of_one_user_lock_no_other_out, setup_system),
		TEST_WITH(a_user_sees_only_rows_of_its_own, setup_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
