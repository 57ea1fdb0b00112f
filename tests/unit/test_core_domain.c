/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Domains and clients: states, limits, who may come in.
 */
#include <errno.h>
#include <string.h>

#include "core_scene.h"

static struct scene s;
static struct guest g;
static uint64_t session, module;

static int begin(void **state)
{
	scene_begin(&s);
	guest_come(&g, &s, 1000);
	session = open_session(&g);
	module = open_module(&g, session, 0x80000010);
	return 0;
}

static int end(void **state)
{
	guest_free(&g);
	scene_end(&s);
	return 0;
}

static void domain_that_is_down_says_why(void **state)
{
	struct qda_buffer *buffer;
	int fd;

	fake_die(device_session_of(&g, session), -EPIPE);
	fake_lost(device_session_of(&g, session), 0, "the DSP went");
	fake_down(s.fake, "its socket was closed");
	assert_string_equal(g.state, "down");
	assert_int_equal(ask_open(&g), 0);
	assert_int_equal(s.fail.code, ENOTCONN);
	assert_int_equal(s.fail.retry_ms, 1000);
	assert_string_equal(s.fail.text, "domain cdsp is down: its socket was closed");
	assert_int_equal(qda_buffer_alloc(g.client, "", PAGE, &buffer, &fd, &s.fail), -ENOTCONN);
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	fake_up(s.fake);
	assert_string_equal(g.state, "up");
	assert_int_equal(g.n_changed, 2);
	ask_ping(&g, open_module(&g, open_session(&g), 0x80000010));
	assert_int_equal(fake_count(s.fake, FAKE_CALL), 1);
	assert_int_equal(ask_ping(&g, module), 0);
	assert_int_equal(s.fail.code, ECONNRESET);
}

static void limits_follow_the_device(void **state)
{
	s.core->rules->session_in_flight = 7;
	s.domain->in_flight_wanted = 200;
	fake_up(s.fake);
	assert_int_equal(s.domain->in_flight_max, 64);
	assert_int_equal(s.domain->session_in_flight_max, 7);
	s.domain->in_flight_wanted = 5;
	s.fake->info.session_calls_max = 3;
	fake_up(s.fake);
	assert_int_equal(s.domain->in_flight_max, 5);
	assert_int_equal(s.domain->session_in_flight_max, 3);
	assert_int_equal(s.domain->parked_max, 59);
	s.domain->in_flight_wanted = 0;
	fake_up(s.fake);
	assert_int_equal(s.domain->in_flight_max, 48);
	assert_int_equal(s.domain->parked_max, 16);
}

static void domain_is_found_by_name_or_as_the_first(void **state)
{
	assert_ptr_equal(qda_core_find_domain(s.core, ""), s.domain);
	assert_ptr_equal(qda_core_find_domain(s.core, "cdsp"), s.domain);
	assert_null(qda_core_find_domain(s.core, "cds"));
	assert_null(qda_domain_get_up(s.core, "no%sne", &s.fail));
	assert_int_equal(s.fail.code, ENODEV);
	assert_non_null(strstr(s.fail.text, "\"no%sne\""));
}

static void connections_are_counted_per_uid(void **state)
{
	struct qda_principal principal = { .uid = 1000 };
	struct qda_client *client = NULL;
	struct guest other;

	g.client->user->limits[QDA_RES_CONNECTIONS] = 2;
	guest_come(&other, &s, 1000);
	assert_int_equal(qda_client_new(s.core, &principal, other.client->ops, &other, 1, &client,
					&s.fail), -EDQUOT);
	assert_string_equal(s.fail.resource, "connections");
	assert_string_equal(s.fail.scope, "uid");
	assert_int_equal(s.fail.used, 2);
	g.client->user->limits[QDA_RES_FDS] = 1 + 1 + QDA_SESSION_FDS + 1;
	g.client->user->limits[QDA_RES_CONNECTIONS] = 3;
	assert_int_equal(qda_client_new(s.core, &principal, other.client->ops, &other, 2, &client,
					&s.fail), -EDQUOT);
	assert_string_equal(s.fail.resource, "fds");
	assert_int_equal(s.core->total.used[QDA_RES_CONNECTIONS], 2);
	assert_int_equal(s.core->n_clients, 2);
	guest_free(&other);
	guest_come(&other, &s, 1000);
	guest_free(&other);
}

static void access_is_for_root_the_daemon_and_whom_a_rule_allows(void **state)
{
	static const struct { uid_t uid; bool in_group, user_mode; int r; } rows[] = {
		{ 0, false, false, 0 }, { 999, false, false, 0 }, { 1000, true, false, 0 },
		{ 1000, false, false, -EACCES }, { 0, false, true, 0 }, { 999, false, true, 0 },
		{ 1000, true, true, 0 }, { 1000, false, true, -EACCES },
	};

	s.core->rules->policy->who = (struct qda_who){ .has_gid = true, .gid = 77 };

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		g.client->principal.uid = rows[i].uid;
		g.client->principal.gid = rows[i].in_group ? 77 : 78;
		s.core->config.user_mode = rows[i].user_mode;
		assert_int_equal(qda_client_check_access(g.client, &s.fail), rows[i].r);
	}
	g.client->principal.uid = 1000;
	assert_true(qda_client_may_see(g.client, 1000));
	assert_false(qda_client_may_see(g.client, 1001));
	g.client->principal.uid = 999;
	assert_true(qda_client_may_see(g.client, 1001));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(domain_that_is_down_says_why),
		TEST(limits_follow_the_device),
		TEST(domain_is_found_by_name_or_as_the_first),
		TEST(connections_are_counted_per_uid),
		TEST(access_is_for_root_the_daemon_and_whom_a_rule_allows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
