/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules: whom they match, what they are about, and the first that decides. And URIs of modules:
 * what is loaded decides, not how it is written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/client.h"
#include "core/uri.h"

#define DAEMON 999

static struct qda_rules *rules;
static struct qda_policy_rule policy[4];
static struct qda_principal who;

static int begin(void **state)
{
	rules = qda_rules_new();
	assert_non_null(rules);
	memset(policy, 0, sizeof(policy));
	rules->policy = policy;
	who = (struct qda_principal){ .uid = 1000, .gid = 1000 };
	return 0;
}

static int end(void **state)
{
	rules->policy = NULL;
	qda_rules_free(rules);
	return 0;
}

static void add(struct qda_policy_rule rule)
{
	static const char *const names[] = { "first", "second", "third", "fourth" };

	strcpy(rule.name, names[rules->n_policy]);
	policy[rules->n_policy++] = rule;
}

static void decides(enum qda_wish wish, const char *module, const char *expected)
{
	const struct qda_question question = {
		.wish = wish, .domain = "cdsp", .module = module, .admin = QDA_ADMIN_KILL,
	};
	const struct qda_policy_rule *rule = qda_rules_decide(rules, DAEMON, &who, &question);

	assert_string_equal(rule ? rule->name : "none", expected);
}

#define ALLOW(...) ((struct qda_policy_rule){ .allow = true, ##__VA_ARGS__ })
#define REFUSE(...) ((struct qda_policy_rule){ .allow = false, ##__VA_ARGS__ })

/* --- whom --- */

static void without_rules_nothing_is_allowed(void **state)
{
	for (enum qda_wish wish = QDA_WISH_USE; wish <= QDA_WISH_ADMIN; wish++)
		decides(wish, "file:///a.so?b", "none");
}

static void root_and_the_daemons_user_may_do_everything(void **state)
{
	add(REFUSE());
	for (enum qda_wish wish = QDA_WISH_USE; wish <= QDA_WISH_ADMIN; wish++) {
		who.uid = 0;
		decides(wish, "x", "built-in");
		who.uid = DAEMON;
		decides(wish, "x", "built-in");
		who.uid = 1;
		decides(wish, "x", "first");
	}
}

static void all_that_a_rule_says_of_whom_must_match(void **state)
{
	gid_t groups[] = { 5, 6 };
	struct qda_who rule = { .has_uid = true, .uid = 1000, .has_gid = true, .gid = 6,
				.unit = "camera.service" };

	who.groups = groups;
	who.n_groups = 2;
	strcpy(who.unit, "camera.service");
	assert_true(qda_who_matches(&rule, &who));
	who.uid = 1001;
	assert_false(qda_who_matches(&rule, &who));
	who.uid = 1000;
	who.n_groups = 1;
	assert_false(qda_who_matches(&rule, &who));
	who.gid = 6; /* the primary one will do */
	assert_true(qda_who_matches(&rule, &who));
	strcpy(who.unit, "camera.servic");
	assert_false(qda_who_matches(&rule, &who));
	*who.unit = '\0'; /* not known */
	assert_false(qda_who_matches(&rule, &who));
	assert_true(qda_who_matches(&(struct qda_who){ 0 }, &who));
	who.groups = NULL;
}

static void who_is_unmapped_matches_rules_for_everybody_only(void **state)
{
	add(ALLOW(.who = { .has_uid = true, .uid = 65534 }));
	add(ALLOW(.who = { .has_gid = true, .gid = 65534 }));
	who.uid = who.gid = QDA_ID_UNMAPPED;
	decides(QDA_WISH_SESSION, NULL, "none");
	add(ALLOW());
	decides(QDA_WISH_SESSION, NULL, "third");
}

/* --- what --- */

static void the_first_that_is_about_it_decides(void **state)
{
	add(REFUSE(.domain = "adsp"));
	add(ALLOW(.domain = "cdsp", .who = { .has_uid = true, .uid = 1000 }));
	add(REFUSE());
	decides(QDA_WISH_SESSION, NULL, "second");
	who.uid = 1001;
	decides(QDA_WISH_SESSION, NULL, "third");
}

static void kinds_are_asked_for(void **state)
{
	struct qda_question question = { .wish = QDA_WISH_SESSION, .domain = "cdsp" };

	add(ALLOW(.kinds = 1u << QDA_SESSION_PRIVILEGED));
	assert_null(qda_rules_decide(rules, DAEMON, &who, &question));
	question.kind = QDA_SESSION_PRIVILEGED;
	assert_ptr_equal(qda_rules_decide(rules, DAEMON, &who, &question), &policy[0]);
}

static void anything_allowed_lets_one_in(void **state)
{
	add(REFUSE(.domain = "adsp"));
	decides(QDA_WISH_USE, NULL, "none");
	add(ALLOW(.admin = 1u << QDA_ADMIN_STATUS));
	decides(QDA_WISH_USE, NULL, "second");
	policy[0] = REFUSE(); /* of everything */
	strcpy(policy[0].name, "first");
	decides(QDA_WISH_USE, NULL, "first");
	decides(QDA_WISH_ADMIN, NULL, "first");
}

static void administration_is_apart(void **state)
{
	add(ALLOW());
	decides(QDA_WISH_ADMIN, NULL, "none");
	add(ALLOW(.admin = 1u << QDA_ADMIN_RELOAD));
	decides(QDA_WISH_ADMIN, NULL, "none");
	add(ALLOW(.admin = 1u << QDA_ADMIN_KILL));
	decides(QDA_WISH_ADMIN, NULL, "third");
	rules->policy = policy + 2; /* and gives no session */
	rules->n_policy = 1;
	decides(QDA_WISH_SESSION, NULL, "none");
	rules->policy = policy;
}

static void directories_urgency_and_parking_must_be_said(void **state)
{
	add(ALLOW());
	decides(QDA_WISH_DIRS, NULL, "none");
	decides(QDA_WISH_URGENT, NULL, "none");
	decides(QDA_WISH_PARKED, NULL, "none");
	add(ALLOW(.dirs = true));
	decides(QDA_WISH_DIRS, NULL, "second");
	decides(QDA_WISH_URGENT, NULL, "none");
	add(ALLOW(.urgent = true));
	decides(QDA_WISH_URGENT, NULL, "third");
	decides(QDA_WISH_PARKED, NULL, "none");
	add(ALLOW(.parked = true));
	decides(QDA_WISH_PARKED, NULL, "fourth");
}

static void module_rules_allow_the_session_and_refuse_only_modules(void **state)
{
	add(REFUSE(.module = "file:///libbad*"));
	decides(QDA_WISH_SESSION, NULL, "none");
	add(ALLOW(.module = "file:///libcam_*"));
	decides(QDA_WISH_SESSION, NULL, "second");
	decides(QDA_WISH_MODULE, "file:///libcam_a.so?x&_modver=1.0", "second");
	decides(QDA_WISH_MODULE, "file:///libbad.so?x", "first");
	decides(QDA_WISH_MODULE, "file:///libother.so?x", "none");
}

/* --- modules --- */

/* However it is written, what is not certainly libcam_* is not let in, and what may be libbad* is
 * kept out. */
static void ways_around_a_pattern_end_nowhere(void **state)
{
	static const char *const uris[] = {
		"file:///libcam_/../libbad.so?x", "file:///libcam_%2e%2e/libbad.so?x",
		"file:///%6cibbad.so?x", "FILE:///libbad.so?x", "file://libbad.so?x",
		"file:////libbad.so?x", "file:///./libbad.so?x", "/libbad.so?x", "../libbad.so?x",
		"file:///libbad.so", "file:///libbad.so?", "file:///?x", "", "?", "&", "?x",
		"file:///libbad.so ?x", " file:///libbad.so?x", "file:///libcam_..so?x",
		"file:///.libcam_?x", "file:///libcam_a.so?x/y", "file:///libcam_a.so&?x",
		"file:///libcam_a.so\n?x", "bad", "bad&file:///libcam_a.so", "libbad.so?x",
		"libbad.so?libcam_", "file:///libbad.so?libcam_", "file:///libbad.so?x?libcam_",
	};
	char longest[700];

	add(REFUSE(.module = "file:///libbad*"));
	add(ALLOW(.module = "file:///libcam_*"));
	for (unsigned i = 0; i < sizeof(uris) / sizeof(*uris); i++)
		decides(QDA_WISH_MODULE, uris[i], "first");
	snprintf(longest, sizeof(longest), "file:///libcam_%0600u.so?x", 0);
	decides(QDA_WISH_MODULE, longest, "first");
}

static void names_are_what_the_dsp_makes_of_them(void **state)
{
	static const struct { const char *uri, *library, *function; } rows[] = {
		{ "file:///liba_skel.so?a_skel_handle_invoke&_modver=1.0", "liba_skel.so",
		  "a_skel_handle_invoke" },
		{ "liba.so?f", "liba.so", "f" },
		{ "a_b", "liba_b_skel.so", "a_b_skel_invoke" },
		{ "a_b&_dom=cdsp", "liba_b_skel.so", "a_b_skel_invoke" },
		{ "file:///a+b-c.1.so?F_1&x?y/z", "a+b-c.1.so", "F_1" },
	};
	struct qda_module_name name;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_true(qda_module_name_read(rows[i].uri, &name));
		assert_string_equal(name.library, rows[i].library);
		assert_string_equal(name.function, rows[i].function);
	}
}

static bool matches(const char *uri, const char *pattern)
{
	struct qda_module_name name;

	assert_null(qda_module_pattern_fault(pattern));
	assert_true(qda_module_name_read(uri, &name));
	return qda_module_name_matches(&name, pattern);
}

static void a_pattern_has_two_parts(void **state)
{
	assert_true(matches("file:///libcam.so?f", "file:///*"));
	assert_true(matches("file:///libcam.so?f", "file:///libcam.so"));
	assert_true(matches("libcam.so?f&x", "file:///libcam.so?f"));
	assert_true(matches("file:///libcam1.so?f", "file:///libcam[12].so"));
	assert_true(matches("cam", "file:///libcam_skel.so?cam_*"));
	assert_false(matches("file:///libcam.so?f", "file:///libcam.s"));
	assert_false(matches("file:///libcam.so?f", "file:///libcam.so?g"));
	assert_false(matches("file:///libcam.so?f", "file:///LIBCAM.so"));
	assert_false(matches("file:///libcam3.so?f", "file:///libcam[12].so"));
	assert_false(matches("file:///libevil.so?libcam", "file:///*libcam"));
}

static void patterns_that_match_nothing_are_refused(void **state)
{
	static const char *const bad[] = {
		"", "*", "libcam_*", "file://libcam", "FILE:///a", "file:///", "file:///?f",
		"file:///a?", "file:///a?b?c", "file:///a/b", "file:///a%2e", "file:///a&b",
		"file:///a b", "file:///a\\*",
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (!qda_module_pattern_fault(bad[i]))
			fail_msg("%s was taken", bad[i]);
}

/* --- quotas --- */

static void the_first_quota_rule_that_matches_counts(void **state)
{
	struct qda_quota_rule quotas[2] = { { .name = "a", .who = { .unit = "x.service" } },
					    { .name = "b", .who = { .has_uid = true, .uid = 1000 } } };

	rules->quotas = quotas;
	rules->n_quotas = 2;
	assert_string_equal(qda_rules_quota(rules, &who)->name, "b");
	strcpy(who.unit, "x.service");
	assert_string_equal(qda_rules_quota(rules, &who)->name, "a");
	*who.unit = '\0';
	who.uid = 1;
	assert_string_equal(qda_rules_quota(rules, &who)->name, "default");
	rules->quotas = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_rules_nothing_is_allowed),
		TEST(root_and_the_daemons_user_may_do_everything),
		TEST(all_that_a_rule_says_of_whom_must_match),
		TEST(who_is_unmapped_matches_rules_for_everybody_only),
		TEST(the_first_that_is_about_it_decides),
		TEST(kinds_are_asked_for),
		TEST(anything_allowed_lets_one_in),
		TEST(administration_is_apart),
		TEST(directories_urgency_and_parking_must_be_said),
		TEST(module_rules_allow_the_session_and_refuse_only_modules),
		TEST(ways_around_a_pattern_end_nowhere),
		TEST(names_are_what_the_dsp_makes_of_them),
		TEST(a_pattern_has_two_parts),
		TEST(patterns_that_match_nothing_are_refused),
		TEST(the_first_quota_rule_that_matches_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
