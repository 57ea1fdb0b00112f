/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Start and stop of the daemon as a program: what it leaves, what it refuses to start with, and
 * what its exit status says.
 */
#include "peer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(starts_and_leaves_nothing),
		TEST(sessions_of_all_clients_end_with_the_daemon),
		TEST(the_socket_is_the_users_alone),
		TEST(a_second_daemon_at_one_socket_is_refused),
		TEST_WITH(a_socket_that_nobody_answers_is_replaced, setup_stale),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
