/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Limits while the daemon runs: changed by an administrator, replaced by a reload; and the rate of
 * requests.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core_scene.h"

#define SECOND	1000000000ull
#define BY_HAND "(it was set while running: qdactl quota set)"

static struct scene s;
static struct guest g;

static int setup(void **state)
{
	scene_begin(&s);
	guest_come(&g, &s, 1000);
	return 0;
}

static int teardown(void **state)
{
	guest_free(&g);
	scene_end(&s);
	return 0;
}

static int take_request(void)
{
	return qda_client_take_request(g.client, &s.fail);
}

static int set_uid(const char *rule, const char *resource, uint64_t n)
{
	return qda_quota_set_uid(s.core, 1000, rule, resource, n, &s.fail);
}

/* Everybody under the default with as many sessions, and uid 1000 in camera.service by a rule. */
static struct qda_rules *rules_with(const char *name, uint64_t sessions, uint32_t weight)
{
	struct qda_rules *rules = qda_rules_new();

	assert_non_null(rules);
	memcpy(rules->connection_limits, s.core->rules->connection_limits,
	       sizeof(rules->connection_limits));
	memcpy(rules->total_limits, s.core->rules->total_limits, sizeof(rules->total_limits));
	memcpy(rules->fallback.limits, s.core->rules->fallback.limits,
	       sizeof(rules->fallback.limits));
	rules->policy = calloc(1, sizeof(*rules->policy));
	rules->quotas = calloc(1, sizeof(*rules->quotas));
	assert_true(rules->policy && rules->quotas);
	*rules->policy = (struct qda_policy_rule){ .name = "all", .allow = true };
	rules->n_policy = rules->n_quotas = 1;
	*rules->quotas = rules->fallback;
	strcpy(rules->quotas->name, name);
	rules->quotas->limits[QDA_RES_SESSIONS] = sessions;
	rules->quotas->weight = weight;
	return rules;
}

static void burst_then_rate(void **state)
{
	set_uid("", "requests", 100);
	set_uid("", "burst", 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(take_request(), 0);
	assert_int_equal(take_request(), -EDQUOT);
	assert_string_equal(s.fail.resource, "requests");
	assert_string_equal(s.fail.scope, "uid");
	assert_int_equal(s.fail.limit, 5);
	assert_int_equal(s.fail.retry_ms, 11); /* 10 ms, rounded up */
	assert_non_null(strstr(s.fail.text, "wait 11 ms, or raise requests and burst " BY_HAND));
	scene_clock += SECOND / 100 - 1;
	assert_int_equal(take_request(), -EDQUOT);
	scene_clock++;
	assert_int_equal(take_request(), 0);
	assert_int_equal(take_request(), -EDQUOT);
	scene_clock += SECOND;
	for (unsigned i = 0; i < 5; i++) /* no more than the burst */
		assert_int_equal(take_request(), 0);
	assert_int_equal(take_request(), -EDQUOT);
	assert_int_equal(g.client->user->n_hasty, 4);
}

static void connections_of_a_uid_share_its_rate(void **state)
{
	struct guest other, stranger;

	set_uid("", "burst", 2);
	guest_come(&other, &s, 1000);
	guest_come(&stranger, &s, 1001);
	assert_int_equal(take_request(), 0);
	assert_int_equal(qda_client_take_request(other.client, &s.fail), 0);
	assert_int_equal(take_request(), -EDQUOT);
	assert_int_equal(qda_client_take_request(stranger.client, &s.fail), 0);
	guest_free(&other);
	guest_free(&stranger);
}

static void who_comes_back_at_once_finds_its_rate_used_up(void **state)
{
	struct qda_quota_rule *rule = &s.core->rules->fallback;

	rule->requests = g.client->user->requests = 10;
	rule->burst = g.client->user->burst = 2;
	for (unsigned i = 0; i < 3; i++) {
		while (take_request() == 0)
			;
		guest_free(&g);
		assert_non_null(qda_user_first(s.core, 1000));
		guest_come(&g, &s, 1000);
		assert_int_equal(take_request(), -EDQUOT);
	}
	guest_go(&g);
	scene_clock += SECOND;
	assert_int_equal(qda_core_expire(s.core), 0);
	assert_null(qda_user_first(s.core, 1000));
}

static void rates_of_nothing_and_of_everything(void **state)
{
	set_uid("", "requests", 0);
	assert_int_equal(take_request(), -EDQUOT);
	assert_int_equal(s.fail.retry_ms, 60000);
	set_uid("", "requests", QDA_LIMIT_MAX);
	set_uid("", "burst", 0);
	assert_int_equal(take_request(), -EDQUOT);
	set_uid("", "burst", QDA_LIMIT_MAX);
	scene_clock += 1ull << 62;
	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(take_request(), 0);
	assert_int_equal(g.client->user->rate.tokens, QDA_LIMIT_MAX - 10000);
}

static void lowered_limit_takes_nothing_and_refuses_the_next(void **state)
{
	open_session(&g);
	open_session(&g);
	assert_int_equal(qda_quota_set_client(s.core, g.client->id, "sessions", 1, &s.fail), 0);
	assert_int_equal(ask_open(&g), 0);
	assert_string_equal(s.fail.scope, "connection");
	assert_int_equal(s.fail.used, 2);
	assert_non_null(strstr(s.fail.text, "raise sessions " BY_HAND));
	qda_quota_set_client(s.core, g.client->id, "sessions", 9, &s.fail);
	assert_int_equal(set_uid("", "sessions", 2), 0);
	assert_int_equal(ask_open(&g), 0);
	assert_string_equal(s.fail.scope, "uid");
	assert_non_null(strstr(s.fail.text, "raise sessions " BY_HAND));
	set_uid("", "sessions", 9);
	assert_int_equal(qda_quota_set_total(s.core, "sessions", 0, &s.fail), 0);
	assert_int_equal(ask_open(&g), 0);
	assert_string_equal(s.fail.scope, "total");
	assert_non_null(strstr(s.fail.text, "raise sessions " BY_HAND));
	qda_quota_set_total(s.core, "sessions", 9, &s.fail);
	open_session(&g);
}

static void what_makes_no_sense_is_refused_with_words(void **state)
{
	uint64_t id = g.client->id;

	assert_int_equal(set_uid("", "weights", 5), -EINVAL);
	assert_non_null(strstr(s.fail.text, "\"weights\": a uid has no such limit; there are "));
	assert_int_equal(set_uid("", "weight", 0), -ERANGE);
	assert_int_equal(set_uid("", "weight", QDA_WEIGHT_MAX + 1), -ERANGE);
	assert_string_equal(s.fail.text, "weight=10001: must be 1 to 10000");
	assert_int_equal(set_uid("", "calls", QDA_LIMIT_MAX + 1), -ERANGE);
	assert_int_equal(set_uid("", "calls", UINT64_MAX), -ERANGE);
	assert_int_equal(set_uid("10-camera", "calls", 1), -ENOENT);
	assert_int_equal(qda_quota_set_uid(s.core, 77, "", "calls", 1, &s.fail), -ENOENT);
	assert_int_equal(qda_quota_set_client(s.core, id + 1, "calls", 1, &s.fail), -ENOENT);
	assert_int_equal(qda_quota_set_client(s.core, id, "weight", 1, &s.fail), -EINVAL);
	assert_int_equal(qda_quota_set_client(s.core, id, "connections", 1, &s.fail), -EINVAL);
	assert_int_equal(qda_quota_set_total(s.core, "burst", 1, &s.fail), -EINVAL);
	s.core->rules->total_limits[QDA_RES_FDS] = 500;
	assert_int_equal(qda_quota_set_total(s.core, "fds", 501, &s.fail), -ERANGE);
	assert_int_equal(qda_quota_set_total(s.core, "fds", 500, &s.fail), 0);
	ask_ping(&g, 1); /* ENOENT, and nothing was changed: */
	assert_int_equal(g.client->user->limits[QDA_RES_CALLS], 1ull << 40);
}

static void changed_limits_of_a_uid_outlive_its_connections_until_a_reload(void **state)
{
	set_uid("default", "sessions", 1);
	set_uid("", "weight", 700);
	guest_free(&g);
	guest_come(&g, &s, 1000);
	assert_int_equal(g.client->user->limits[QDA_RES_SESSIONS], 1);
	assert_int_equal(g.client->user->weight, 700);
	guest_free(&g);
	qda_core_apply(s.core, rules_with("10-camera", 5, 300));
	assert_true(RB_EMPTY(&s.core->users));
	guest_come(&g, &s, 1000);
	assert_int_equal(g.client->user->limits[QDA_RES_SESSIONS], 5);
}

/* What was set while running is no longer what refuses: the text names the section again. */
static void refusals_name_the_section_after_a_reload(void **state)
{
	struct qda_rules *rules = rules_with("10-camera", 5, 300);

	rules->fallback.limits[QDA_RES_SESSIONS] = 0;
	set_uid("", "sessions", 0);
	set_uid("", "requests", 0);
	set_uid("", "burst", 0);
	assert_int_equal(ask_open(&g), 0);
	assert_non_null(strstr(s.fail.text, BY_HAND));
	qda_core_apply(s.core, rules);
	assert_int_equal(ask_open(&g), 0);
	assert_non_null(strstr(s.fail.text, "or raise sessions in [quota default]"));
	g.client->user->requests = g.client->user->burst = 0;
	assert_int_equal(take_request(), -EDQUOT);
	assert_non_null(strstr(s.fail.text, "or raise requests and burst in [quota default]"));
	rules = rules_with("10-camera", 5, 300);
	rules->connection_limits[QDA_RES_SESSIONS] = 0;
	qda_quota_set_client(s.core, g.client->id, "sessions", 0, &s.fail);
	qda_core_apply(s.core, rules);
	assert_int_equal(ask_open(&g), 0);
	assert_non_null(strstr(s.fail.text, "or raise sessions in [connection]"));
	rules = rules_with("10-camera", 5, 300);
	rules->connection_limits[QDA_RES_SESSIONS] = rules->fallback.limits[QDA_RES_SESSIONS] = 9;
	rules->total_limits[QDA_RES_SESSIONS] = 0;
	qda_quota_set_total(s.core, "sessions", 0, &s.fail);
	qda_core_apply(s.core, rules);
	assert_int_equal(ask_open(&g), 0);
	assert_non_null(strstr(s.fail.text, "or raise sessions in [total]"));
}

/* A rule appears, changes, and goes; accounts keep their name. */
static void reload_keeps_accounts_and_matches_anew(void **state)
{
	struct guest later;

	open_session(&g);
	qda_core_apply(s.core, rules_with("10-camera", 5, 300));
	assert_string_equal(g.client->user->rule, "default");
	assert_int_equal(g.client->user->weight, QDA_WEIGHT_USUAL);
	guest_come(&later, &s, 1000);
	assert_string_equal(later.client->user->rule, "10-camera");
	assert_int_equal(later.client->user->weight, 300);
	open_session(&later);
	qda_core_apply(s.core, rules_with("10-camera", 1, 400));
	assert_int_equal(later.client->user->weight, 400);
	assert_int_equal(ask_open(&later), 0);
	assert_int_equal(s.fail.limit, 1);
	assert_int_equal(s.core->total.used[QDA_RES_SESSIONS], 2);
	qda_core_apply(s.core, rules_with("20-other", 7, 500));
	assert_string_equal(later.client->user->rule, "10-camera");
	assert_int_equal(later.client->user->weight, QDA_WEIGHT_USUAL);
	assert_int_equal(later.client->user->limits[QDA_RES_SESSIONS], 1ull << 40);
	open_session(&later);
	guest_free(&later);
}

static void peaks_and_refusals_are_counted_where_they_happen(void **state)
{
	const struct qda_account *client = &g.client->account, *user = client->parent;
	uint64_t first = open_session(&g);

	open_session(&g);
	ask_close(&g, first);
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	assert_int_equal(client->peak[QDA_RES_SESSIONS], 2);
	assert_int_equal(s.core->total.peak[QDA_RES_SESSIONS], 2);
	set_uid("", "sessions", 1);
	ask_open(&g);
	limit(&g, QDA_RES_SESSIONS, 1);
	ask_open(&g);
	assert_int_equal(client->refused[QDA_RES_SESSIONS], 2);
	assert_int_equal(user->refused[QDA_RES_SESSIONS], 1);
	assert_int_equal(s.core->total.refused[QDA_RES_SESSIONS], 0);
	assert_int_equal(client->peak[QDA_RES_SESSIONS], 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(burst_then_rate),
		TEST(connections_of_a_uid_share_its_rate),
		TEST(who_comes_back_at_once_finds_its_rate_used_up),
		TEST(rates_of_nothing_and_of_everything),
		TEST(lowered_limit_takes_nothing_and_refuses_the_next),
		TEST(what_makes_no_sense_is_refused_with_words),
		TEST(changed_limits_of_a_uid_outlive_its_connections_until_a_reload),
		TEST(refusals_name_the_section_after_a_reload),
		TEST(reload_keeps_accounts_and_matches_anew),
		TEST(peaks_and_refusals_are_counted_where_they_happen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
