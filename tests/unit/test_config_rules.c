/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration: sections [policy NAME] and [quota NAME], each of their keys, and what does not go
 * together. And the file that is installed.
 */
#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"

static struct qda_config config;

static int begin(void **state)
{
	return qda_config_init(&config, false);
}

static int begin_user(void **state)
{
	return qda_config_init(&config, true);
}

static int end(void **state)
{
	qda_config_deinit(&config);
	return 0;
}

static int read_text(const char *text)
{
	char path[] = "/tmp/qdad-rules-XXXXXX";
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	*config.error = '\0';
	r = qda_config_read(&config, path);
	unlink(path);
	return r;
}

static void accept(const char *text)
{
	if (read_text(text))
		fail_msg("%s", config.error);
}

static void finish(const char *text)
{
	accept(text);
	if (qda_config_check(&config))
		fail_msg("%s", config.error);
}

/* In line `line` of `text`; `says` is in the message. */
static void refuse(unsigned line, const char *text, const char *says)
{
	char where[32];

	snprintf(where, sizeof(where), ":%u: ", line);
	assert_int_equal(read_text(text), -EINVAL);
	if (!strstr(config.error, where) || !strstr(config.error, says))
		fail_msg("%s ... %s%s was expected", config.error, where, says);
}

static void refuse_all(const char *text, const char *says)
{
	accept(text);
	assert_int_equal(qda_config_check(&config), -EINVAL);
	if (!strstr(config.error, says))
		fail_msg("%s ... %s was expected", config.error, says);
}

/* --- policy --- */

static void policy_takes_each_key(void **state)
{
	const struct qda_policy_rule *rule;

	finish("[policy a]\nuser=1000\ngroup=1001\nunit=camera@1.service\ndomain=cdsp\n"
	       "kind=unsigned,privileged\nmodule=file:///libcam_*\nurgent=yes\nparked=yes\nallow=yes\n"
	       "[policy b]\ndirs=yes\nkind=privileged\nallow=yes\n"
	       "[policy c]\nadmin=status, kill\nallow=yes\n"
	       "[policy d]\nadmin=all\nallow=no\n");
	rule = config.rules->policy;
	assert_int_equal(config.rules->n_policy, 4);
	assert_string_equal(rule->name, "a");
	assert_true(rule->who.has_uid && rule->who.uid == 1000);
	assert_true(rule->who.has_gid && rule->who.gid == 1001);
	assert_string_equal(rule->who.unit, "camera@1.service");
	assert_string_equal(rule->domain, "cdsp");
	assert_int_equal(rule->kinds, 3);
	assert_string_equal(rule->module, "file:///libcam_*");
	assert_true(rule->allow && rule->urgent && rule->parked && !rule->dirs && !rule->admin);
	rule++;
	assert_true(rule->dirs && !rule->urgent && !rule->parked && !rule->who.has_uid &&
		    !rule->who.has_gid);
	assert_int_equal(rule->kinds, 1u << QDA_SESSION_PRIVILEGED);
	rule++;
	assert_int_equal(rule->admin, 1u << QDA_ADMIN_STATUS | 1u << QDA_ADMIN_KILL);
	rule++;
	assert_int_equal(rule->admin, (1u << QDA_ADMIN_N) - 1);
	assert_false(rule->allow);
}

static void names_of_users_and_groups_are_looked_up(void **state)
{
	finish("[policy a]\nuser=root\ngroup=root\nallow=yes\n");
	assert_true(config.rules->policy->who.has_uid && !config.rules->policy->who.uid);
	assert_true(config.rules->policy->who.has_gid && !config.rules->policy->who.gid);
}

static void nobody_by_that_name_is_an_error(void **state)
{
	refuse(3, "[policy a]\nallow=yes\nuser=no-such-user\n", "user=no-such-user: there is no such user");
	refuse(2, "[policy a]\ngroup=no-such-group\n", "group=no-such-group: there is no such group");
	refuse(2, "[policy a]\nuser=\n", "a name or a number");
	refuse(2, "[policy a]\nuser=4294967295\n", "0 to 4294967294");
	refuse(2, "[policy a]\ngroup=99999999999999999999999\n", "0 to 4294967294");
	refuse(2, "[policy a]\nuser=-1\n", "no such user");
	refuse(2, "[quota a]\nuser=no-such-user\n", "no such user");
}

static void values_that_are_none_are_refused(void **state)
{
	refuse(2, "[policy a]\nkind=signed\n", "unsigned, privileged");
	refuse(2, "[policy a]\nkind=\n", "unsigned, privileged");
	refuse(2, "[policy a]\nkind=unsigned,\n", "unsigned, privileged");
	refuse(2, "[policy a]\nkind=unsigned privileged\n", "unsigned, privileged");
	refuse(2, "[policy a]\nadmin=root\n", "status, reload, quota, kill");
	refuse(2, "[policy a]\nallow=maybe\n", "yes or no");
	refuse(2, "[policy a]\ndirs=\n", "yes or no");
	refuse(2, "[policy a]\nmodule=libcam_*\n", "begins with file:///");
	refuse(2, "[policy a]\nmodule=file:///a/b\n", "others are never loaded");
	refuse(2, "[policy a]\ndomain=../x\n", "name of a domain");
	refuse(2, "[policy a]\nunit=camera\n", "NAME.service or NAME.scope");
	refuse(2, "[policy a]\nunit=.service\n", "NAME.service or NAME.scope");
	refuse(2, "[policy a]\nunit=user.slice/x.service\n", "NAME.service or NAME.scope");
	refuse(2, "[policy a]\ncolour=red\n", "user, group, unit, domain, kind");
	refuse(2, "[quota a]\nweight=0\n", "must be 1 to");
	refuse(2, "[quota a]\ncolour=red\n", "user, group, unit, weight");
}

static void names_of_rules_have_1_to_40_characters(void **state)
{
	char text[128];

	snprintf(text, sizeof(text), "[policy %040u]\nallow=yes\n[quota %040u]\nweight=1\n", 1, 1);
	accept(text);
	snprintf(text, sizeof(text), "[policy %041u]\nallow=yes\n", 1);
	refuse(2, text, "1 to 40 characters");
	snprintf(text, sizeof(text), "[quota %060u]\nweight=1\n", 1); /* libinih cuts it */
	refuse(2, text, "1 to 40 characters");
	refuse(2, "[policy ]\nallow=yes\n", "1 to 40 characters");
	refuse(2, "[policy a b]\nallow=yes\n", "1 to 40 characters");
	refuse(2, "[policy built-in]\nallow=yes\n", "built-in");
	refuse(2, "[policy]\nallow=yes\n", "no such section");
}

static void contradictions_are_refused_where_they_stand(void **state)
{
	refuse(3, "[policy a]\nadmin=all\ndomain=cdsp\n", "in [policy a]: admin= is about no session");
	refuse(3, "[policy b]\nkind=unsigned\nadmin=kill\n", "admin= is about no session");
	refuse(3, "[policy c]\nadmin=kill\nurgent=yes\n", "admin= is about no session");
	refuse(3, "[policy d]\ndirs=yes\nallow=no\n", "dirs=yes goes with allow=yes");
	refuse(3, "[policy e]\nallow=no\ndirs=yes\n", "dirs=yes goes with allow=yes");
	refuse(3, "[policy f]\nallow=no\nurgent=yes\n", "urgent=yes goes with allow=yes");
	refuse(3, "[policy j]\nallow=no\nparked=yes\n", "parked=yes goes with allow=yes");
	refuse(3, "[policy k]\nadmin=kill\nparked=yes\n", "admin= is about no session");
	refuse(3, "[policy g]\nmodule=file:///a*\ndirs=yes\n", "module= restricts nothing");
	refuse(3, "[policy h]\nuser=root\nallow=no\n", "no rule can refuse");
	refuse(2, "[quota default]\nuser=root\n", "[quota default] is for everybody else");
	accept("[policy i]\nallow=no\ndirs=no\nurgent=no\nparked=no\n");
}

static void units_are_not_for_user_mode(void **state)
{
	refuse(2, "[policy a]\nunit=a.service\n", "qdad --user");
	refuse(2, "[quota a]\nunit=a.service\n", "qdad --user");
}

static void a_rule_must_say_allow(void **state)
{
	refuse_all("\n[policy a]\nuser=1000\ngroup=1000\n", ":3: [policy a] must say allow=yes or");
}

static void a_rule_about_a_domain_that_is_not_there_is_refused(void **state)
{
	refuse_all("[domain cdsp]\nin_flight=1\n[policy a]\nallow=no\ndomain=cdps\n",
		   ":4: [policy a] is about domain=cdps");
}

static void rules_stand_in_the_order_of_their_names(void **state)
{
	finish("[policy b]\nallow=yes\n[policy 10]\nallow=yes\n[policy B]\nallow=yes\n"
	       "[policy a]\nallow=yes\n[policy b]\ndomain=x\n"
	       "[quota z]\nweight=1\n[quota y]\nweight=2\n");
	assert_int_equal(config.rules->n_policy, 4);
	assert_string_equal(config.rules->policy[0].name, "10");
	assert_string_equal(config.rules->policy[1].name, "B");
	assert_string_equal(config.rules->policy[2].name, "a");
	assert_string_equal(config.rules->policy[3].name, "b");
	assert_string_equal(config.rules->policy[3].domain, "x");
	assert_string_equal(config.rules->quotas[0].name, "y");
	assert_int_equal(config.rules->quotas[1].weight, 1);
}

static void rules_are_at_most_256(void **state)
{
	char text[64];

	for (unsigned i = 0; i < 256; i++) {
		snprintf(text, sizeof(text), "[policy %u]\nallow=yes\n[quota %u]\nweight=1\n", i, i);
		accept(text);
	}
	refuse(2, "[policy x]\nallow=yes\n", "more than 256");
	refuse(2, "[quota x]\nweight=1\n", "more than 256");
	finish("[policy 255]\nallow=no\n");
	assert_int_equal(config.rules->n_policy, 256);
	assert_int_equal(config.rules->n_quotas, 256);
}

/* --- what holds without any rule --- */

static void default_is(const struct qda_rules *rules, gid_t gid)
{
	const struct qda_policy_rule *rule = rules->policy;

	assert_int_equal(rules->n_policy, 1);
	assert_string_equal(rule->name, "default");
	assert_true(rule->who.has_gid && rule->who.gid == gid && !rule->who.has_uid);
	assert_int_equal(rule->kinds, 1u << QDA_SESSION_UNSIGNED);
	assert_true(rule->allow && !rule->dirs && !rule->urgent && !rule->parked && !rule->admin);
	assert_string_equal(rule->domain, "");
	assert_string_equal(rule->module, "");
	assert_string_equal(rule->who.unit, "");
}

static void without_rules_group_qda_may_use_unsigned_sessions(void **state)
{
	const struct group *group = getgrnam("qda");
	gid_t gid = group ? group->gr_gid : 0;

	finish("");
	if (group)
		default_is(config.rules, gid);
	else
		assert_int_equal(config.rules->n_policy, 0);
}

static void user_mode_has_no_rule_by_itself(void **state)
{
	finish("");
	assert_int_equal(config.rules->n_policy, 0);
}

/* The installed file says the same, on any machine that has the group. */
static void the_installed_file_has_that_rule_written_out(void **state)
{
	const struct group *group = getgrnam("qda");
	FILE *file = fopen(SHIPPED, "r");
	char text[8192], *name;
	size_t n;

	assert_non_null(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	name = strstr(text, "\ngroup=qda\n");
	assert_non_null(name);
	if (!group)
		memcpy(name, "\ngroup=123\n", 11);
	finish(text);
	default_is(config.rules, group ? group->gr_gid : 123);
	assert_int_equal(config.rules->n_quotas, 0);
	assert_int_equal(config.n_domains, 0);
}

/* --- quotas --- */

static void quotas_take_what_they_do_not_say_from_the_default(void **state)
{
	const struct qda_quota_rule *rule;

	finish("[quota a]\nuser=7\nsessions=0\nweight=400\nrequests=5\nburst=6\n"
	       "[quota b]\ngroup=8\n"
	       "[quota default]\nsessions=3\nweight=50\nbuffers=9\n");
	rule = config.rules->quotas;
	assert_true(rule->who.has_uid && rule->who.uid == 7);
	assert_int_equal(rule->limits[QDA_RES_SESSIONS], 0);
	assert_int_equal(rule->limits[QDA_RES_BUFFERS], 9);
	assert_int_equal(rule->weight, 400);
	assert_int_equal(rule->requests, 5);
	assert_int_equal(rule->burst, 6);
	rule++;
	assert_true(rule->who.has_gid && rule->who.gid == 8);
	assert_int_equal(rule->weight, 50);
	assert_int_equal(rule->requests, QDA_REQUESTS_USUAL);
	assert_int_equal(rule->limits[QDA_RES_SESSIONS], 3);
	for (unsigned i = 0; i < QDA_RES_N; i++)
		assert_int_equal(rule->limits[i], config.rules->fallback.limits[i]);
}

static void quotas_take_each_resource(void **state)
{
	char text[64];

	for (unsigned i = 0; i < QDA_RES_N; i++) {
		snprintf(text, sizeof(text), "[quota x]\n%s=%u\n", qda_resource_name(i), 100 + i);
		accept(text);
	}
	finish("");
	for (unsigned i = 0; i < QDA_RES_N; i++)
		assert_int_equal(config.rules->quotas->limits[i], 100 + i);
}

static void hang_ms_is_two_minutes_if_nothing_is_said(void **state)
{
	finish("[domain a]\nin_flight=1\n[domain b]\nhang_ms=0\n[domain c]\nhang_ms=86400000\n");
	assert_int_equal(config.domains[0].hang_ms, 120000);
	assert_int_equal(config.domains[1].hang_ms, 0);
	assert_int_equal(config.domains[2].hang_ms, 86400000);
	refuse(2, "[domain a]\nhang_ms=86400001\n", "must be 0 to 86400000");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
#define TEST_USER(name) cmocka_unit_test_setup_teardown(name, begin_user, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(policy_takes_each_key),
		TEST(names_of_users_and_groups_are_looked_up),
		TEST(nobody_by_that_name_is_an_error),
		TEST(values_that_are_none_are_refused),
		TEST(names_of_rules_have_1_to_40_characters),
		TEST(contradictions_are_refused_where_they_stand),
		TEST_USER(units_are_not_for_user_mode),
		TEST(a_rule_must_say_allow),
		TEST(a_rule_about_a_domain_that_is_not_there_is_refused),
		TEST(rules_stand_in_the_order_of_their_names),
		TEST(rules_are_at_most_256),
		TEST(without_rules_group_qda_may_use_unsigned_sessions),
		TEST_USER(user_mode_has_no_rule_by_itself),
		TEST(the_installed_file_has_that_rule_written_out),
		TEST(quotas_take_what_they_do_not_say_from_the_default),
		TEST(quotas_take_each_resource),
		TEST(hang_ms_is_two_minutes_if_nothing_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
