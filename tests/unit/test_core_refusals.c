/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Refusals leave nothing behind: as many as argv[1] says of each kind, and the heap holds as many
 * bytes, core as many objects, and the process as many descriptors as after the first ones.
 */
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core_scene.h"

enum { WARM_UP = 100 };

static struct scene s;
static struct guest g, rich;	/* rich holds its share of the total */
static uint64_t session, module, buffer;
static unsigned n_refusals = 100000;

static int refuse_connection(void)
{
	static const struct qda_client_ops ops;
	const struct qda_principal principal = { .uid = 1000, .gid = 1000 };
	struct qda_client *client;

	return qda_client_new(s.core, &principal, &ops, &g, 1, &client, &s.fail);
}

static int open_with(const struct qda_session_request *request)
{
	const struct qda_reply_to to = { .front = &g };

	return qda_session_open(g.client, request, &to, &s.fail);
}

static int refuse_session(void)
{
	return open_with(&(struct qda_session_request){ .domain = "" });
}

static int refuse_waiting(void)
{
	return open_with(&(struct qda_session_request){ .domain = "", .wait_ms = 1000 });
}

static int alloc_pages(struct guest *of, uint64_t pages)
{
	struct qda_buffer *made;
	int fd;

	return qda_buffer_alloc(of->client, "", pages * PAGE, &made, &fd, &s.fail);
}

static int refuse_buffer(void)
{
	return alloc_pages(&g, 1);
}

static int refuse_import(void)
{
	struct qda_buffer *made;

	return qda_buffer_import(g.client, "", 0, PAGE, false, &made, &s.fail);
}

static int refuse_share(void)
{
	return alloc_pages(&rich, 1);
}

static int refuse_module(void)
{
	const struct qda_reply_to to = { .front = &g };

	return qda_module_open(g.client, session, "file:///libtest_skel.so", &to, &s.fail);
}

static int refuse_map(void)
{
	const struct qda_reply_to to = { .front = &g };

	return qda_session_map(g.client, session, buffer, 1, 0, 0, &to, &s.fail);
}

static int refuse_call(void)
{
	const struct qda_reply_to to = { .front = &g };
	struct qda_call_arg args[] = { { QDA_CALL_INLINE, 0, 0, 100 } };
	static const uint8_t bytes[100];
	struct qda_call_request request = {
		.module = module,
		.sc = fastrpc_sc(0, 5, 1, 0, 0, 0),
		.n_args = 1,
		.args = args,
		.in = bytes,
		.n_in = sizeof(bytes),
	};

	return qda_call_invoke(g.client, &request, &to, &s.fail);
}

static int refuse_request(void)
{
	return qda_client_take_request(g.client, &s.fail);
}

static int refuse_live_limit(void)
{
	return qda_quota_set_uid(s.core, 1000, "", "calls", UINT64_MAX, &s.fail);
}

/* What is at its limit, or forbidden, while a kind of request is refused. */
struct kind {
	int (*refuse)(void);
	enum qda_resource resource;	/* of the connection: at its limit; N: none */
	int code;
	void (*before)(void), (*after)(void);
};

static void forbid(void)
{
	s.core->rules->policy->allow = false;
}

static void allow(void)
{
	s.core->rules->policy->allow = true;
}

static void take_banks(void)
{
	s.domain->info.sessions_max = s.domain->sessions;
}

static void give_banks(void)
{
	s.domain->info.sessions_max = 12;
}

static void slow_down(void)
{
	qda_quota_set_uid(s.core, 1000, "", "requests", 0, &s.fail);
}

static void speed_up(void)
{
	qda_quota_set_uid(s.core, 1000, "", "requests", QDA_REQUESTS_USUAL, &s.fail);
}

static void one_connection(void)
{
	qda_quota_set_uid(s.core, 1000, "", "connections", 1, &s.fail);
}

static void many_connections(void)
{
	qda_quota_set_uid(s.core, 1000, "", "connections", 1000, &s.fail);
}

/* Staging is full: what comes by value must wait in the heap, and is not allowed any. */
static void fill_staging(void)
{
	assert_int_not_equal(ask_copy(&g, module, QDA_STAGING_BYTES / 2), 0);
}

static void empty_staging(void)
{
	fake_done(fake_find(s.fake, FAKE_CALL), 0, 0);
}

/* As much as everybody together may hold, less what it would be refused. */
static void small_total(void)
{
	qda_quota_set_total(s.core, "buffers", s.core->total.used[QDA_RES_BUFFERS], &s.fail);
}

static void large_total(void)
{
	qda_quota_set_total(s.core, "buffers", 1ull << 40, &s.fail);
}

static const struct kind kinds[] = {
	{ refuse_connection, QDA_RES_N, EDQUOT, one_connection, many_connections },
	{ refuse_session, QDA_RES_SESSIONS, EDQUOT, NULL, NULL },
	{ refuse_session, QDA_RES_BUFFER_BYTES, EDQUOT, NULL, NULL },
	{ refuse_session, QDA_RES_FDS, EDQUOT, NULL, NULL },
	{ refuse_session, QDA_RES_N, EACCES, forbid, allow },
	{ refuse_session, QDA_RES_N, EUSERS, take_banks, give_banks },
	{ refuse_waiting, QDA_RES_SESSIONS, EDQUOT, take_banks, give_banks },
	{ refuse_buffer, QDA_RES_BUFFERS, EDQUOT, NULL, NULL },
	{ refuse_buffer, QDA_RES_BUFFER_BYTES, EDQUOT, NULL, NULL },
	{ refuse_buffer, QDA_RES_FDS, EDQUOT, NULL, NULL },
	{ refuse_import, QDA_RES_BUFFERS, EDQUOT, NULL, NULL },
	{ refuse_share, QDA_RES_N, EDQUOT, small_total, large_total },
	{ refuse_module, QDA_RES_HANDLES, EDQUOT, NULL, NULL },
	{ refuse_module, QDA_RES_CALLS, EDQUOT, NULL, NULL },
	{ refuse_module, QDA_RES_N, EACCES, forbid, allow },
	{ refuse_map, QDA_RES_MAPS, EDQUOT, NULL, NULL },
	{ refuse_call, QDA_RES_CALLS, EDQUOT, NULL, NULL },
	{ refuse_call, QDA_RES_OUT_BYTES, EDQUOT, NULL, NULL },
	{ refuse_call, QDA_RES_INLINE_BYTES, EDQUOT, fill_staging, empty_staging },
	{ refuse_request, QDA_RES_N, EDQUOT, slow_down, speed_up },
	{ refuse_live_limit, QDA_RES_N, ERANGE, NULL, NULL },
};

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void refuse(const struct kind *kind, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		int r = kind->refuse();

		if (r != -kind->code || s.fail.code != kind->code)
			fail_msg("kind %td: %d instead of %d: %s", kind - kinds, r, -kind->code,
				 s.fail.text);
	}
}

static void check_kind(const struct kind *kind)
{
	size_t bytes;
	unsigned fds, pending;
	uint64_t before[QDA_RES_N];

	if (kind->resource != QDA_RES_N)
		limit(&g, kind->resource, used(&g, kind->resource));
	if (kind->before)
		kind->before();
	memcpy(before, s.core->total.used, sizeof(before));
	refuse(kind, WARM_UP);
	bytes = mallinfo2().uordblks;
	fds = count_fds();
	pending = s.core->pending.n_used;
	refuse(kind, n_refusals);
	assert_int_equal(mallinfo2().uordblks, bytes);
	assert_int_equal(count_fds(), fds);
	assert_int_equal(s.core->pending.n_used, pending);
	assert_memory_equal(s.core->total.used, before, sizeof(before));
	if (kind->after)
		kind->after();
	if (kind->resource != QDA_RES_N)
		limit(&g, kind->resource, 1ull << 40);
}

static void no_refusal_leaves_anything(void **state)
{
	scene_begin(&s);
	guest_come(&g, &s, 1000);
	guest_come(&rich, &s, 1001);
	assert_int_equal(alloc_pages(&rich, 1), 0);
	session = open_session(&g);
	module = open_module(&g, session, 0x80000010);
	buffer = new_buffer(&g, 1);
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		check_kind(&kinds[i]);
	guest_free(&rich);
	guest_free(&g);
	scene_end(&s);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_refusal_leaves_anything),
	};

	if (argc > 1)
		n_refusals = strtoul(argv[1], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
