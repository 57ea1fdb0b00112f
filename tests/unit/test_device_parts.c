// SPDX-License-Identifier: BSD-3-Clause
/*
 * The parts the soft device is built from: page runs, address space, context ids.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device/soft_ids.h"
#include "device/space.h"
#include "fastrpc.h"
#include "util/runs.h"

/* --- runs --- */

static void runs_fill_a_region_exactly(void **state)
{
	static const unsigned sizes[] = { 1, 63, 64, 65, 255, 256 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct qda_runs runs;

		qda_runs_init(&runs, sizes[i]);
		assert_int_equal(qda_runs_take(&runs, 0), -EINVAL);
		assert_int_equal(qda_runs_take(&runs, sizes[i] + 1), -ENOSPC);
		assert_int_equal(qda_runs_take(&runs, sizes[i]), 0);
		assert_int_equal(qda_runs_take(&runs, 1), -ENOSPC);
		qda_runs_give(&runs, 0, sizes[i]);
		for (unsigned page = 0; page < sizes[i]; page++)
			assert_int_equal(qda_runs_take(&runs, 1), page);
		assert_int_equal(qda_runs_take(&runs, 1), -ENOSPC);
	}
}

static void runs_cross_words(void **state)
{
	struct qda_runs runs;

	qda_runs_init(&runs, 256);
	assert_int_equal(qda_runs_take(&runs, 60), 0);
	assert_int_equal(qda_runs_take(&runs, 130), 60);
	assert_int_equal(qda_runs_take(&runs, 66), 190);
	qda_runs_give(&runs, 60, 130);
	assert_int_equal(qda_runs_take(&runs, 131), -ENOSPC);
	assert_int_equal(qda_runs_take(&runs, 130), 60);
	assert_int_equal(qda_runs_take(&runs, 1), -ENOSPC);
}

/* First fit, against a model that looks at every page. */
static void runs_agree_with_a_model(void **state)
{
	struct { unsigned first, n; } held[256];
	unsigned pages = 200, n_held = 0;
	uint8_t used[256] = { 0 };
	struct qda_runs runs;

	srand(1);
	qda_runs_init(&runs, pages);
	for (unsigned round = 0; round < 100000; round++) {
		unsigned n = 1 + (unsigned)rand() % 9, first = 0, free = 0;

		if (n_held && rand() % 2) {
			unsigned i = (unsigned)rand() % n_held;

			qda_runs_give(&runs, held[i].first, held[i].n);
			memset(used + held[i].first, 0, held[i].n);
			held[i] = held[--n_held];
			continue;
		}
		for (; first + free < pages && free < n;)
			if (used[first + free])
				first += free + 1, free = 0;
			else
				free++;
		assert_int_equal(qda_runs_take(&runs, n), free == n ? (int)first : -ENOSPC);
		if (free != n)
			continue;
		memset(used + first, 1, n);
		held[n_held].first = first;
		held[n_held++].n = n;
	}
}

/* --- address space --- */

static void space_begins_above_what_is_kept(void **state)
{
	struct space_range range, rest, none;
	struct space space;

	space_init(&space, 16);
	assert_int_equal(space_take(&space, &range, 1), 0);
	assert_int_equal(range.first, 16);
	assert_int_equal(space_addr(&range), 16 * 4096);
	assert_int_equal(space_take(&space, &none, SPACE_END - 16), -ENOSPC);
	assert_int_equal(space_take(&space, &rest, SPACE_END - 17), 0);
	assert_int_equal(rest.first, 17);
	assert_int_equal(space_take(&space, &none, 1), -ENOSPC);
	space_give(&space, &range);
	assert_int_equal(space_take(&space, &range, 1), 0);
	assert_int_equal(range.first, 16);
}

static void space_refuses_absurd_sizes(void **state)
{
	static const uint32_t sizes[] = { 0, SPACE_END, SPACE_END + 1, 1u << 31, UINT32_MAX };
	struct space_range range;
	struct space space;

	space_init(&space, 1);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_int_equal(space_take(&space, &range, sizes[i]), -ENOSPC);
	assert_int_equal(space_take(&space, &range, SPACE_END - 1), 0);
	assert_int_equal(range.first, 1);
}

static void space_is_reused_late(void **state)
{
	struct space_range range;
	struct space space;

	space_init(&space, 1);
	for (uint32_t i = 0; i < SPACE_END - 1; i++) {
		assert_int_equal(space_take(&space, &range, 1), 0);
		assert_int_equal(range.first, 1 + i);
		space_give(&space, &range);
	}
	assert_int_equal(space_take(&space, &range, 1), 0);
	assert_int_equal(range.first, 1);
}

/* Ranges never overlap, and a refusal is true: no hole of that size exists. */
static void space_agrees_with_a_model(void **state)
{
	enum { PAGES = 600, N = 64 };
	struct space_range ranges[N], blocker;
	uint8_t used[PAGES] = { 0 };
	struct space space;

	srand(2);
	space_init(&space, 1);
	/* Leave pages 1..PAGES-1 of the whole. */
	assert_int_equal(space_take(&space, &blocker, PAGES - 1), 0);
	{
		static struct space_range rest;

		assert_int_equal(space_take(&space, &rest, SPACE_END - PAGES), 0);
	}
	space_give(&space, &blocker);
	memset(ranges, 0, sizeof(ranges));
	for (unsigned round = 0; round < 100000; round++) {
		struct space_range *range = &ranges[rand() % N];
		uint32_t pages = 1 + (uint32_t)rand() % 40, hole = 0, most = 0;
		int r;

		if (range->pages) {
			memset(used + range->first, 0, range->pages);
			space_give(&space, range);
			assert_int_equal(range->pages, 0);
			continue;
		}
		for (unsigned page = 1; page < PAGES; page++) {
			hole = used[page] ? 0 : hole + 1;
			most = hole > most ? hole : most;
		}
		r = space_take(&space, range, pages);
		assert_int_equal(r, pages <= most ? 0 : -ENOSPC);
		if (r < 0)
			continue;
		assert_in_range(range->first, 1, PAGES - pages);
		for (unsigned page = range->first; page < range->first + pages; page++) {
			assert_int_equal(used[page], 0);
			used[page] = 1;
		}
	}
}

/* --- ids --- */

static void ids_are_255_in_two_pools(void **state)
{
	struct soft_wait waits[256] = { 0 }, none = { 0 };
	uint8_t seen[256] = { 0 };
	struct soft_ids ids;

	soft_ids_init(&ids);
	for (unsigned i = 0; i < 255; i++) {
		enum soft_pool_name pool = i < 16 ? SOFT_POOL_CONTROL : SOFT_POOL_CALLS;
		uint32_t id;

		assert_int_equal(soft_ids_take(&ids, pool, &waits[i]), 0);
		id = fastrpc_ctx_id(waits[i].ctx);
		assert_in_range(id, i < 16 ? 1 : 17, i < 16 ? 16 : 255);
		assert_int_equal(seen[id]++, 0);
	}
	assert_int_equal(soft_ids_take(&ids, SOFT_POOL_CONTROL, &none), -EBUSY);
	assert_int_equal(soft_ids_take(&ids, SOFT_POOL_CALLS, &none), -EBUSY);
	for (unsigned i = 0; i < 255; i++)
		assert_ptr_equal(soft_ids_find(&ids, waits[i].ctx), &waits[i]);
	soft_ids_give(&ids, &waits[3]);
	assert_int_equal(soft_ids_take(&ids, SOFT_POOL_CALLS, &none), -EBUSY);
	assert_int_equal(soft_ids_take(&ids, SOFT_POOL_CONTROL, &none), 0);
}

static void ids_are_found_by_their_generation_only(void **state)
{
	struct soft_wait wait = { 0 };
	struct soft_ids ids;
	uint64_t old;

	soft_ids_init(&ids);
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(soft_ids_take(&ids, SOFT_POOL_CALLS, &wait), 0);
		old = wait.ctx;
		assert_null(soft_ids_find(&ids, old + (1ull << 16)));
		assert_null(soft_ids_find(&ids, old - (1ull << 16)));
		assert_null(soft_ids_find(&ids, old ^ 1));
		assert_null(soft_ids_find(&ids, old & 0xffff));
		assert_null(soft_ids_find(&ids, 0));
		soft_ids_give(&ids, &wait);
		assert_int_equal(wait.ctx, 0);
		assert_null(soft_ids_find(&ids, old));
		soft_ids_give(&ids, &wait);	/* nothing to give */
	}
}

static void ids_are_reused_late(void **state)
{
	struct soft_wait wait = { 0 };
	uint8_t seen[256] = { 0 };
	struct soft_ids ids;

	soft_ids_init(&ids);
	for (unsigned i = 0; i < 239; i++) {
		assert_int_equal(soft_ids_take(&ids, SOFT_POOL_CALLS, &wait), 0);
		assert_int_equal(seen[fastrpc_ctx_id(wait.ctx)]++, 0);
		soft_ids_give(&ids, &wait);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_fill_a_region_exactly),
		cmocka_unit_test(runs_cross_words),
		cmocka_unit_test(runs_agree_with_a_model),
		cmocka_unit_test(space_begins_above_what_is_kept),
		cmocka_unit_test(space_refuses_absurd_sizes),
		cmocka_unit_test(space_is_reused_late),
		cmocka_unit_test(space_agrees_with_a_model),
		cmocka_unit_test(ids_are_255_in_two_pools),
		cmocka_unit_test(ids_are_found_by_their_generation_only),
		cmocka_unit_test(ids_are_reused_late),
	};

	return cmocka_run_group_tests_name("device_parts", tests, NULL, NULL);
}
