/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blocks that are kept: which fits whom, and how many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/blocks.h"

#define LONGEST ((size_t)QDA_BLOCK_LEAST << (QDA_BLOCK_KINDS - 1))

static struct qda_blocks blocks;

static int teardown(void **state)
{
	qda_blocks_deinit(&blocks);
	assert_int_equal(blocks.n_kept, 0);
	return 0;
}

/* All of it can be written. */
static void *take(size_t n)
{
	void *block = qda_blocks_take(&blocks, n);

	assert_non_null(block);
	memset(block, 0xa5, n);
	return block;
}

static void the_next_of_a_like_length_gets_it(void **state)
{
	void *small = take(1), *large = take(257);

	qda_blocks_give(&blocks, small, 1);
	qda_blocks_give(&blocks, large, 257);
	assert_int_equal(blocks.n_kept, 256 + 512);
	assert_ptr_equal(take(512), large);
	assert_ptr_equal(take(256), small);
	assert_int_equal(blocks.n_kept, 0);
	qda_blocks_give(&blocks, small, 256);
	qda_blocks_give(&blocks, large, 512);
	qda_blocks_give(&blocks, NULL, 5);
	assert_int_equal(blocks.n_kept, 256 + 512);
}

static void no_more_is_kept_than_the_limit_says(void **state)
{
	enum { N = QDA_BLOCKS_KEPT / QDA_BLOCK_LEAST + 1 };
	static void *some[N];

	for (unsigned i = 0; i < N; i++)
		some[i] = take(QDA_BLOCK_LEAST);
	for (unsigned i = 0; i < N; i++)
		qda_blocks_give(&blocks, some[i], QDA_BLOCK_LEAST);
	assert_int_equal(blocks.n_kept, QDA_BLOCKS_KEPT);
}

static void what_is_too_long_is_not_kept(void **state)
{
	void *longest = take(LONGEST), *longer = take(LONGEST + 1);

	qda_blocks_give(&blocks, longer, LONGEST + 1);
	assert_int_equal(blocks.n_kept, 0);
	qda_blocks_give(&blocks, longest, LONGEST);
	assert_int_equal(blocks.n_kept, LONGEST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(the_next_of_a_like_length_gets_it, teardown),
		cmocka_unit_test_teardown(no_more_is_kept_than_the_limit_says, teardown),
		cmocka_unit_test_teardown(what_is_too_long_is_not_kept, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
