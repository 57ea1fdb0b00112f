/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table from ids to objects: what it must never find, and the order indices come back in.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/slots.h"

static int objects[8];

static uint64_t add(struct qda_slots *slots, void *object, uint32_t kind, uint32_t random)
{
	uint64_t id = 0;

	assert_int_equal(qda_slots_add(slots, object, kind, random, &id), 0);
	assert_int_not_equal(id, 0);
	return id;
}

static uint32_t index_of(uint64_t id)
{
	return id & (QDA_SLOTS_MAX - 1);
}

static void finds_what_was_added_by_kind(void **state)
{
	struct qda_slots slots = QDA_SLOTS_NULL;
	uint64_t a = add(&slots, &objects[0], 1, 7), b = add(&slots, &objects[1], 2, 7);
	uint32_t kind = 0;

	assert_ptr_equal(qda_slots_get(&slots, a, 1), &objects[0]);
	assert_null(qda_slots_get(&slots, a, 2));
	assert_ptr_equal(qda_slots_get(&slots, b, 2), &objects[1]);
	assert_ptr_equal(qda_slots_get_any(&slots, b, &kind), &objects[1]);
	assert_int_equal(kind, 2);
	assert_int_equal(slots.n_used, 2);
	qda_slots_deinit(&slots);
	assert_null(qda_slots_get(&slots, a, 1));
}

static void empty_table_finds_nothing(void **state)
{
	struct qda_slots slots = QDA_SLOTS_NULL;
	uint32_t at = 0, kind;

	assert_null(qda_slots_get(&slots, 0, 0));
	assert_null(qda_slots_get_any(&slots, UINT64_MAX, &kind));
	assert_null(qda_slots_next(&slots, 1, &at));
	qda_slots_remove(&slots, 1);
	qda_slots_deinit(&slots);
}

static void stale_id_finds_nothing_after_reuse(void **state)
{
	struct qda_slots slots = QDA_SLOTS_NULL;
	uint64_t old = add(&slots, &objects[0], 1, 7), now = 0;

	qda_slots_remove(&slots, old);
	assert_null(qda_slots_get(&slots, old, 1));
	for (unsigned i = 0; i < 8; i++)
		now = add(&slots, &objects[i], 1, 7);
	assert_int_equal(index_of(now), index_of(old));
	assert_int_not_equal(now, old);
	assert_null(qda_slots_get(&slots, old, 1));
	qda_slots_remove(&slots, old);
	assert_ptr_equal(qda_slots_get(&slots, now, 1), &objects[7]);
	assert_int_equal(slots.n_used, 8);
	qda_slots_deinit(&slots);
}

/* Every bit of an id counts. */
static void guessed_ids_find_nothing(void **state)
{
	struct qda_slots slots = QDA_SLOTS_NULL;
	uint64_t id = add(&slots, &objects[0], 1, 0xabcdef);

	for (unsigned bit = 0; bit < 64; bit++)
		assert_null(qda_slots_get(&slots, id ^ 1ull << bit, 1));
	for (uint64_t guess = 0; guess < 100000; guess++)
		assert_null(qda_slots_get(&slots, guess, 1));
	assert_int_equal(id >> 40, 0xabcdef);
	qda_slots_deinit(&slots);
}

static void tag_takes_24_bits_of_the_random_number(void **state)
{
	struct qda_slots slots = QDA_SLOTS_NULL;
	uint64_t id = add(&slots, &objects[0], 1, 0xffffffff);

	assert_int_equal(id >> 40, 0xffffff);
	assert_ptr_equal(qda_slots_get(&slots, id, 1), &objects[0]);
	qda_slots_deinit(&slots);
}

static void index_that_rested_longest_comes_first(void **state)
{
	struct qda_slots slots = QDA_SLOTS_NULL;
	uint64_t ids[8];

	for (unsigned i = 0; i < 8; i++) {
		ids[i] = add(&slots, &objects[i], 1, 0);
		assert_int_equal(index_of(ids[i]), i);
	}
	qda_slots_remove(&slots, ids[5]);
	qda_slots_remove(&slots, ids[2]);
	qda_slots_remove(&slots, ids[7]);
	assert_int_equal(index_of(add(&slots, &objects[0], 1, 0)), 5);
	assert_int_equal(index_of(add(&slots, &objects[0], 1, 0)), 2);
	assert_int_equal(index_of(add(&slots, &objects[0], 1, 0)), 7);
	assert_int_equal(slots.n_slots, 8);
	assert_int_equal(index_of(add(&slots, &objects[0], 1, 0)), 8);
	assert_int_equal(slots.n_slots, 16);
	qda_slots_deinit(&slots);
}

/* 2^20 reuses of one index: no id comes twice before, and none is 0 at the wrap. */
static void generation_wraps_past_zero(void **state)
{
	struct qda_slots slots = QDA_SLOTS_NULL;
	uint64_t first = 0, id;
	uint32_t turns = (1u << 20) - 1;

	for (unsigned i = 0; i < 7; i++)
		add(&slots, &objects[i], 1, 0);
	first = add(&slots, &objects[7], 1, 0);
	id = first;
	for (uint32_t i = 1; i < turns; i++) {
		qda_slots_remove(&slots, id);
		id = add(&slots, &objects[7], 1, 0);
		assert_int_not_equal(id, first);
		assert_int_not_equal(id >> 20 & 0xfffff, 0);
	}
	qda_slots_remove(&slots, id);
	assert_int_equal(add(&slots, &objects[7], 1, 0), first);
	qda_slots_deinit(&slots);
}

static void walk_meets_one_kind_in_order_of_index(void **state)
{
	struct qda_slots slots = QDA_SLOTS_NULL;
	uint32_t at = 0;
	uint64_t removed;

	add(&slots, &objects[0], 2, 0);
	add(&slots, &objects[1], 1, 0);
	removed = add(&slots, &objects[2], 2, 0);
	add(&slots, &objects[3], 2, 0);
	qda_slots_remove(&slots, removed);
	assert_ptr_equal(qda_slots_next(&slots, 2, &at), &objects[0]);
	assert_ptr_equal(qda_slots_next(&slots, 2, &at), &objects[3]);
	assert_null(qda_slots_next(&slots, 2, &at));
	qda_slots_deinit(&slots);
}

static void grows_to_the_limit_and_no_further(void **state)
{
	struct qda_slots slots = QDA_SLOTS_NULL;
	uint64_t id, last = 0;

	for (uint32_t i = 0; i < QDA_SLOTS_MAX; i++)
		last = add(&slots, &objects[i % 8], 1, 0);
	assert_int_equal(qda_slots_add(&slots, &objects[0], 1, 0, &id), -ENOSPC);
	assert_int_equal(slots.n_used, QDA_SLOTS_MAX);
	assert_ptr_equal(qda_slots_get(&slots, last, 1), &objects[7]);
	qda_slots_remove(&slots, last);
	assert_int_equal(index_of(add(&slots, &objects[1], 1, 0)), QDA_SLOTS_MAX - 1);
	qda_slots_deinit(&slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_was_added_by_kind),
		cmocka_unit_test(empty_table_finds_nothing),
		cmocka_unit_test(stale_id_finds_nothing_after_reuse),
		cmocka_unit_test(guessed_ids_find_nothing),
		cmocka_unit_test(tag_takes_24_bits_of_the_random_number),
		cmocka_unit_test(index_that_rested_longest_comes_first),
		cmocka_unit_test(generation_wraps_past_zero),
		cmocka_unit_test(walk_meets_one_kind_in_order_of_index),
		cmocka_unit_test(grows_to_the_limit_and_no_further),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
