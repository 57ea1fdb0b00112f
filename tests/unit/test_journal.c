/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is written into the journal, and how much of it a user can cause.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/monitor.h"
#include "journal.h"

#define SECOND	1000000000ull
#define MINUTE	(60 * SECOND)

static struct qda_journal_limit limit;

static int begin(void **state)
{
	memset(&limit, 0, sizeof(limit));
	return 0;
}

static unsigned taken(uid_t uid, unsigned kind, uint64_t now, unsigned tries)
{
	unsigned n = 0, left_out;

	for (unsigned i = 0; i < tries; i++)
		n += qda_journal_take(&limit, uid, kind, now, &left_out);
	return n;
}

static void a_burst_is_cut_and_counted(void **state)
{
	unsigned left_out;

	assert_int_equal(taken(1000, 1, SECOND, 1000), QDA_JOURNAL_BURST);
	assert_int_equal(taken(1000, 1, MINUTE, 1000), 0);
	assert_true(qda_journal_take(&limit, 1000, 1, MINUTE + SECOND, &left_out));
	assert_int_equal(left_out, 2000 - QDA_JOURNAL_BURST);
	assert_true(qda_journal_take(&limit, 1000, 1, MINUTE + SECOND, &left_out));
	assert_int_equal(left_out, 0);
}

static void kinds_are_limited_apart(void **state)
{
	assert_int_equal(taken(1000, 1, SECOND, 100), QDA_JOURNAL_BURST);
	assert_int_equal(taken(1000, 2, SECOND, 100), QDA_JOURNAL_BURST);
}

static void many_users_together_are_limited_too(void **state)
{
	unsigned n = 0;

	for (uid_t uid = 1; uid <= 10000; uid++)
		n += taken(uid, 1, SECOND, 20);
	assert_int_equal(n, QDA_JOURNAL_SLOTS * QDA_JOURNAL_BURST);
}

/* --- entries --- */

static char entry[1024]; /* the last one, a line for each field */

/* In place of libsystemd's, which would write it. */
int sd_journal_sendv_with_location(const char *file, const char *line, const char *func,
				   const struct iovec *iov, int n);
int sd_journal_sendv_with_location(const char *file, const char *line, const char *func,
				   const struct iovec *iov, int n)
{
	size_t used = 0;

	for (int i = 0; i < n; i++)
		used += (size_t)snprintf(entry + used, sizeof(entry) - used, "%.*s\n",
					 (int)iov[i].iov_len, (const char *)iov[i].iov_base);
	return 0;
}

static uint64_t no_time(void)
{
	return 0;
}

static int begin_entries(void **state)
{
	assert_int_equal(setenv("JOURNAL_STREAM", "1:2", 1), 0);
	assert_true(qda_journal_begin(no_time, false));
	return 0;
}

static void a_reload_is_written_good_or_failed(void **state)
{
	struct qda_client by = { .id = 7, .principal.uid = 1000 };

	qda_journal_happened(&(struct qda_happening){ .what = "reload", .text = "" });
	assert_string_equal(entry, "MESSAGE_ID=3c0d2f6b8a5e4a0f9b7d1c2e4f6a8b08\nPRIORITY=5\n"
				   "MESSAGE=the configuration was read anew\n");
	qda_journal_happened(&(struct qda_happening){
		.what = "reload", .client = &by, .code = EINVAL, .text = "conf:2: a=b" });
	assert_string_equal(entry,
			    "MESSAGE_ID=3c0d2f6b8a5e4a0f9b7d1c2e4f6a8b0a\nPRIORITY=3\n"
			    "QDA_UID=1000\nQDA_CLIENT=7\nMESSAGE=the configuration is wrong, that "
			    "which was read before is kept: conf:2: a=b\n");
}

static void refusals_are_written_by_their_code(void **state)
{
	const struct qda_client by = { .id = 7,
				       .principal = { .uid = 1000, .unit = "a.service" } };
	struct qda_happening refused = { .what = "refused", .code = EACCES, .text = "no" };

	qda_journal_happened(&refused);
	assert_non_null(strstr(entry, "MESSAGE=refused by the policy: no\n"));
	refused.code = EDQUOT;
	qda_journal_happened(&refused);
	assert_non_null(strstr(entry, "MESSAGE=refused by a quota: no\n"));
	refused.client = &by;
	qda_journal_happened(&refused);
	assert_non_null(strstr(entry, "MESSAGE=refused by a quota: uid 1000 in a.service: no\n"));
	*entry = '\0';
	refused.code = ENOENT;
	qda_journal_happened(&refused);
	assert_string_equal(entry, "");
}

static void what_was_ended_is_written(void **state)
{
	const struct qda_client victim = { .id = 7, .principal = { .uid = 1000 } };
	struct qda_happening kill = { .what = "kill", .client = &victim,
				      .text = "by client 37 (uid 0)" };

	qda_journal_happened(&kill);
	assert_non_null(strstr(entry, "MESSAGE=ended by an administrator: client 7 (uid 1000), by "
				      "client 37 (uid 0)\n"));
	kill.session = 4;
	qda_journal_happened(&kill);
	assert_non_null(strstr(entry, ": session 4 of client 7 (uid 1000), by client 37"));
}

/* A service of another manager, or none: what lines they are, and that they cannot become two. */
static void without_a_journal_they_are_lines(void **state)
{
	static const char expected[] = "qdad: cdsp: a session was lost: a?b [client 7, uid 1000]\n";
	const struct qda_client client = { .id = 7, .principal = { .uid = 1000 } };
	int saved = dup(2), file = memfd_create("lines", MFD_CLOEXEC);
	char line[128] = "";

	assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
	assert_false(qda_journal_begin(no_time, false));
	assert_true(qda_journal_begin(no_time, true));
	assert_false(qda_journal_is_open());
	assert_int_equal(dup2(file, 2), 2);
	qda_journal_happened(&(struct qda_happening){
		.what = "session-lost", .client = &client, .domain = "cdsp", .text = "a\nb" });
	qda_journal_happened(&(struct qda_happening){ .what = "reload", .text = "" });
	assert_int_equal(dup2(saved, 2), 2);
	close(saved);
	assert_int_equal(pread(file, line, sizeof(line) - 1, 0), strlen(expected));
	assert_string_equal(line, expected);
	close(file);
}

/* What anybody can bring about must not have the loop wait for whoever reads the lines. */
static void lines_that_nobody_reads_are_lost(void **state)
{
	const struct qda_client client = { .id = 7, .principal = { .uid = 1000 } };
	int saved = dup(2), fds[2];
	char full[4096] = "";

	assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
	assert_true(qda_journal_begin(no_time, true));
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(fcntl(fds[1], F_SETPIPE_SZ, sizeof(full)), sizeof(full));
	assert_int_equal(write(fds[1], full, sizeof(full)), sizeof(full));
	assert_int_equal(dup2(fds[1], 2), 2);
	qda_journal_happened(&(struct qda_happening){ .what = "session-lost", .client = &client,
						      .domain = "cdsp", .text = "x" });
	assert_int_equal(dup2(saved, 2), 2);
	close(saved);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_burst_is_cut_and_counted, begin),
		cmocka_unit_test_setup(kinds_are_limited_apart, begin),
		cmocka_unit_test_setup(many_users_together_are_limited_too, begin),
		cmocka_unit_test_setup(a_reload_is_written_good_or_failed, begin_entries),
		cmocka_unit_test_setup(refusals_are_written_by_their_code, begin_entries),
		cmocka_unit_test_setup(what_was_ended_is_written, begin_entries),
		cmocka_unit_test(without_a_journal_they_are_lines),
		cmocka_unit_test(lines_that_nobody_reads_are_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
