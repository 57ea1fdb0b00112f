/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text of metrics: what a parser of the format wants, whatever comes and goes between pieces.
 */
#include "core_scene.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front/metrics.h"

static struct scene s;

static int begin(void **state)
{
	scene_begin(&s);
	return 0;
}

static int end(void **state)
{
	scene_end(&s);
	return 0;
}

/* All of it; `between` runs after each piece. */
static char *whole_text(unsigned *pieces, void (*between)(unsigned piece))
{
	struct qda_metrics_cursor cursor = { 0 };
	char *text = calloc(1, 1), piece[QDA_METRICS_PIECE];
	size_t n, all = 0;

	for (*pieces = 0; (n = qda_metrics_text(s.core, &cursor, piece)); ++*pieces) {
		assert_true(n <= sizeof(piece));
		text = realloc(text, all + n + 1);
		assert_non_null(text);
		memcpy(text + all, piece, n);
		all += n;
		text[all] = '\0';
		if (between)
			between(*pieces);
	}
	return text;
}

/* Families stand together, each sample belongs to the family above it, no sample is there twice,
 * and the end is said. */
static void check_format(char *text)
{
	static char seen[20000][200];
	unsigned n_seen = 0;
	char family[80] = "", *save = NULL, *line;
	bool ended = false;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		assert_false(ended);
		if (!strncmp(line, "# TYPE ", 7)) {
			assert_int_equal(sscanf(line, "# TYPE %79s", family), 1);
			continue;
		}
		if (!strcmp(line, "# EOF")) {
			ended = true;
			continue;
		}
		if (*line == '#') {
			assert_int_equal(strncmp(line + 7, family, strlen(family)), 0);
			continue;
		}
		assert_int_equal(strncmp(line, family, strlen(family)), 0);
		assert_true(n_seen < 20000);
		snprintf(seen[n_seen], sizeof(seen[0]), "%.*s",
			 (int)(strrchr(line, ' ') - line), line);
		n_seen++;
	}
	assert_true(ended);
	qsort(seen, n_seen, sizeof(seen[0]), (int (*)(const void *, const void *))strcmp);
	for (unsigned i = 1; i < n_seen; i++)
		assert_string_not_equal(seen[i - 1], seen[i]);
}

static void assert_has(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("there is no \"%s\"", line);
}

static void text_of_a_quiet_daemon(void **state)
{
	unsigned pieces;
	char *text = whole_text(&pieces, NULL);

	assert_has(text, "\nqdad_clients 0\n");
	assert_has(text, "\nqdad_domain_up{domain=\"cdsp\"} 1\n");
	assert_has(text, "\nqdad_refusals_total{reason=\"quota\",resource=\"sessions\"} 0\n");
	assert_has(text, "\nqdad_domain_dsp_seconds_count{domain=\"cdsp\"} 0\n");
	assert_null(strstr(text, "uid="));
	check_format(text);
	free(text);
}

static void calls_are_counted_for_domain_and_user(void **state)
{
	unsigned pieces;
	struct guest g;
	char *text;

	guest_come(&g, &s, 1000);
	qda_stats_call(&s.domain->stats, 2000, 1000000);
	qda_stats_call(&g.client->user->stats, 2000, 1000000);
	g.client->user->stats.expired = 3;
	text = whole_text(&pieces, NULL);
	assert_has(text, "\nqdad_domain_queue_seconds_bucket{domain=\"cdsp\",le=\"0.000001000\"} 0\n");
	assert_has(text, "\nqdad_domain_queue_seconds_bucket{domain=\"cdsp\",le=\"0.000002000\"} 1\n");
	assert_has(text, "\nqdad_domain_queue_seconds_bucket{domain=\"cdsp\",le=\"+Inf\"} 1\n");
	assert_has(text, "\nqdad_user_dsp_seconds_sum{uid=\"1000\",rule=\"default\"} 0.001000000\n");
	assert_has(text, "\nqdad_user_calls_given_up_total{uid=\"1000\",rule=\"default\",how=\"expired\"} 3\n");
	assert_has(text, "\nqdad_user_usage{uid=\"1000\",rule=\"default\",resource=\"connections\"} 1\n");
	check_format(text);
	free(text);
	guest_free(&g);
}

#define CROWD 60

static struct guest crowd[CROWD];
static unsigned n_gone;

/* Some of those that were just shown, and some that were not. */
static void somebody_goes(unsigned piece)
{
	for (unsigned i = 0; i < 3 && n_gone < CROWD; i++)
		guest_free(&crowd[(n_gone++ * 7) % CROWD]);
}

static void users_may_go_between_pieces(void **state)
{
	unsigned pieces;
	char *text;

	for (unsigned i = 0; i < CROWD; i++)
		guest_come(&crowd[i], &s, 2000 + i);
	text = whole_text(&pieces, NULL);
	assert_true(pieces > 8);
	for (unsigned i = 0; i < CROWD; i++) {
		char line[80];

		snprintf(line, sizeof(line), "\nqdad_user_weight{uid=\"%u\",rule=\"default\"} 100\n",
			 2000 + i);
		assert_has(text, line);
	}
	check_format(text);
	free(text);
	text = whole_text(&pieces, somebody_goes);
	check_format(text);
	free(text);
	while (n_gone < CROWD)
		somebody_goes(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(text_of_a_quiet_daemon, begin, end),
		cmocka_unit_test_setup_teardown(calls_are_counted_for_domain_and_user, begin, end),
		cmocka_unit_test_setup_teardown(users_may_go_between_pieces, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
