// SPDX-License-Identifier: BSD-3-Clause
/*
 * driver/fastrpc: where fastrpc_plan() lays inline arguments. Written-down cases first, then random
 * tables against a model that compares every pair of arguments instead of sorting them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fastrpc_table.h"

#define MAX_BYTES 131072

static struct fastrpc_place places[FASTRPC_MAX_ARGS];
static __u16 order[FASTRPC_MAX_BUFS];

static __u32 sc_of_bufs(__u32 n)
{
	return fastrpc_sc(0, 0, n > 255 ? 255 : n, n > 255 ? n - 255 : 0, 0, 0);
}

static __u32 plan(const struct fastrpc_arg *args, __u32 n, __u32 head)
{
	__u32 size = 0;

	memset(places, 0xa5, sizeof(places));
	assert_int_equal(fastrpc_check(sc_of_bufs(n), args, n), 0);
	assert_int_equal(fastrpc_plan(sc_of_bufs(n), args, head, ~0u, places, order, &size), 0);
	return size;
}

static void assert_place(__u32 i, __u32 offset, __u32 length)
{
	assert_int_equal(places[i].offset, offset);
	assert_int_equal(places[i].length, length);
}

static void no_arguments_take_no_room(void **state)
{
	__u32 size = 1;

	assert_int_equal(fastrpc_plan(0, NULL, 384, 384, NULL, NULL, &size), 0);
	assert_int_equal(size, 384);
	assert_int_equal(fastrpc_plan(0, NULL, 0, 0, NULL, NULL, &size), 0);
	assert_int_equal(size, 0);
	assert_int_equal(fastrpc_plan(0, NULL, 384, 383, NULL, NULL, &size), -E2BIG);
}

static void arguments_apart_begin_at_multiples_of_128(void **state)
{
	const struct fastrpc_arg args[] = { INLINE(0x1000, 1), INLINE(0x2000, 129),
					    INLINE(0x3000, 128), INLINE(0x4000, 7) };

	assert_int_equal(plan(args, 4, 544), 1159);
	assert_place(0, 640, 1);
	assert_place(1, 768, 129);
	assert_place(2, 1024, 128);
	assert_place(3, 1152, 7);
}

static void arguments_that_touch_are_apart(void **state)
{
	const struct fastrpc_arg args[] = { INLINE(100, 10), INLINE(110, 10) };

	assert_int_equal(plan(args, 2, 0), 138);
	assert_place(0, 0, 10);
	assert_place(1, 128, 10);
}

static void empty_arguments_take_no_part(void **state)
{
	const struct fastrpc_arg args[] = { INLINE(100, 0), INLINE(90, 20), INLINE(~0ull, 0) };

	assert_int_equal(plan(args, 3, 0), 20);
	assert_place(0, 0, 0);
	assert_place(1, 0, 20);
	assert_place(2, 0, 0);
}

static void the_same_range_twice_is_one_range(void **state)
{
	const struct fastrpc_arg args[] = { INLINE(50, 40), INLINE(50, 40), INLINE(50, 39) };

	assert_int_equal(plan(args, 3, 10), 168);
	assert_place(0, 128, 40);
	assert_place(1, 128, 40);
	assert_place(2, 128, 39);
}

/* The end that counts is the highest so far, not that of the argument before. */
static void a_long_argument_holds_two_short_ones(void **state)
{
	const struct fastrpc_arg args[] = { INLINE(1000, 300), INLINE(1010, 5), INLINE(1200, 200) };

	assert_int_equal(plan(args, 3, 0), 400);
	assert_place(0, 0, 300);
	assert_place(1, 10, 5);
	assert_place(2, 200, 200);
}

static void a_chain_of_overlaps_stays_in_one_piece(void **state)
{
	const struct fastrpc_arg args[] = { INLINE(30, 20), INLINE(0, 20), INLINE(15, 20),
					    INLINE(49, 2) };

	assert_int_equal(plan(args, 4, 0), 51);
	assert_place(1, 0, 20);
	assert_place(2, 15, 20);
	assert_place(0, 30, 20);
	assert_place(3, 49, 2);
}

/* A buffer around an inline argument would pull its place below the payload (or out above it). */
static void buffers_do_not_move_inline_arguments(void **state)
{
	const struct fastrpc_arg args[] = { BUFFER(0x1000, 0x100000), INLINE(0x80000, 64),
					    BUFFER(0x80010, 0x1000) };

	assert_int_equal(plan(args, 3, 504), 576);
	assert_place(0, 0, 0);
	assert_place(1, 512, 64);
	assert_place(2, 0, 0);
}

static void handles_get_empty_places(void **state)
{
	const struct fastrpc_arg args[] = { INLINE(1, 1), KEY(1, 0, 0, 1, 1), NUMBER(1),
					    NUMBER(1) };
	const __u32 sc = fastrpc_sc(0, 0, 1, 0, 2, 1);
	__u32 size;

	memset(places, 0xa5, sizeof(places));
	assert_int_equal(fastrpc_plan(sc, args, 0, 1, places, order, &size), 0);
	assert_place(0, 0, 1);
	assert_place(1, 0, 0);
	assert_place(2, 0, 0);
	assert_place(3, 0, 0);
}

static void addresses_at_the_very_top_work(void **state)
{
	const struct fastrpc_arg args[] = { INLINE(~0ull - 10, 10), INLINE(~0ull - 1, 1),
					    INLINE(0, 1) };

	assert_int_equal(plan(args, 3, 0), 138);
	assert_place(2, 0, 1);
	assert_place(0, 128, 10);
	assert_place(1, 137, 1);
}

static void the_limit_is_exact(void **state)
{
	const struct fastrpc_arg args[] = { INLINE(0, 100), INLINE(1000, 100) };
	const __u32 sc = sc_of_bufs(2);
	__u32 size = 7;

	assert_int_equal(fastrpc_plan(sc, args, 464, 739, places, order, &size), -E2BIG);
	assert_int_equal(size, 7);
	assert_int_equal(fastrpc_plan(sc, args, 464, 740, places, order, &size), 0);
	assert_int_equal(size, 740);
	assert_int_equal(fastrpc_plan(sc, args, 464, 463, places, order, &size), -E2BIG);
	assert_int_equal(fastrpc_plan(sc, args, ~0u, ~0u, places, order, &size), -E2BIG);
	assert_int_equal(fastrpc_plan(sc, args, 0, 0, places, order, &size), -E2BIG);
}

/* 510 times 4 GiB: a sum that 32 bits would bring back below the limit many times over. */
static void the_sum_of_lengths_does_not_wrap(void **state)
{
	static struct fastrpc_arg args[FASTRPC_MAX_BUFS];
	__u32 i, size;

	for (i = 0; i < LEN(args); i++)
		args[i] = INLINE((__u64)i << 33, 0xffffffff - i % 2 * 0xfffffff0);
	assert_int_equal(fastrpc_check(sc_of_bufs(LEN(args)), args, LEN(args)), 0);
	for (i = 2; i <= LEN(args); i++)
		assert_int_equal(fastrpc_plan(sc_of_bufs(i), args, 0, ~0u, places, order, &size),
				 -E2BIG);
}

/* --- the model --- */

static int overlap(const struct fastrpc_arg *a, const struct fastrpc_arg *b)
{
	return a->kind == FASTRPC_ARG_INLINE && b->kind == FASTRPC_ARG_INLINE && a->length &&
	       b->length && a->addr < b->addr + b->length && b->addr < a->addr + a->length;
}

/* Name the groups of arguments that hang together: each gets the lowest index of its group. */
static void model_groups(const struct fastrpc_arg *args, __u32 n, __u16 *group)
{
	__u32 i, j, k, from, to;

	for (i = 0; i < n; i++)
		group[i] = i;
	for (i = 0; i < n; i++) {
		for (j = 0; j < i; j++) {
			if (group[i] == group[j] || !overlap(&args[i], &args[j]))
				continue;
			from = group[i] > group[j] ? group[i] : group[j];
			to = group[i] < group[j] ? group[i] : group[j];
			for (k = 0; k <= i; k++)
				group[k] = group[k] == from ? to : group[k];
		}
	}
}

static __u32 model_size(const struct fastrpc_arg *args, __u32 n, __u32 head, const __u16 *group,
			struct fastrpc_place *expected)
{
	__u64 start, end, low = 0;
	__u32 i, size = head, first;
	int done[FASTRPC_MAX_BUFS] = { 0 };

	for (;;) {
		first = n;
		for (i = 0; i < n; i++) {
			if (done[i] || args[i].kind != FASTRPC_ARG_INLINE || !args[i].length)
				continue;
			if (first == n || args[i].addr < low) {
				first = i;
				low = args[i].addr;
			}
		}
		if (first == n)
			return size;
		start = low;
		end = low;
		size = ALIGN_UP(size);
		for (i = 0; i < n; i++) {
			if (group[i] != group[first])
				continue;
			done[i] = 1;
			expected[i].offset = size + (args[i].addr - start);
			expected[i].length = args[i].length;
			if (args[i].addr + args[i].length > end)
				end = args[i].addr + args[i].length;
		}
		size += end - start;
	}
}

/* No byte of the payload stands for two of the caller's, and none of the caller's for two. */
static void assert_same_bytes_seen(const struct fastrpc_arg *args, __u32 n, __u64 base, __u32 head,
				   __u32 size)
{
	static __u32 caller_of[MAX_BYTES], payload_of[MAX_BYTES];
	__u32 i, x, at, caller, span = 0;

	for (i = 0; i < n; i++) {
		if (places[i].length && args[i].addr + places[i].length - base > span)
			span = args[i].addr + places[i].length - base;
	}
	assert_true(size <= MAX_BYTES && span <= MAX_BYTES);
	memset(caller_of, 0xff, size * sizeof(__u32));
	memset(payload_of, 0xff, span * sizeof(__u32));
	for (i = 0; i < n; i++) {
		for (x = 0; x < places[i].length; x++) {
			at = places[i].offset + x;
			caller = args[i].addr - base + x;
			assert_true(at >= head && at < size && caller < span);
			assert_true(caller_of[at] == ~0u || caller_of[at] == caller);
			assert_true(payload_of[caller] == ~0u || payload_of[caller] == at);
			caller_of[at] = caller;
			payload_of[caller] = at;
		}
	}
}

static void assert_plan_is_the_models(const struct fastrpc_arg *args, __u32 n, __u64 base,
				      __u32 head)
{
	struct fastrpc_place expected[FASTRPC_MAX_BUFS];
	__u16 group[FASTRPC_MAX_BUFS];
	__u32 size, i;

	memset(expected, 0, sizeof(expected));
	model_groups(args, n, group);
	size = plan(args, n, head);
	assert_int_equal(size, model_size(args, n, head, group, expected));
	for (i = 0; i < n; i++)
		assert_place(i, expected[i].offset, expected[i].length);
	assert_same_bytes_seen(args, n, base, head, size);
	assert_int_equal(fastrpc_plan(sc_of_bufs(n), args, head, size, places, order, &i), 0);
	if (size)
		assert_int_equal(fastrpc_plan(sc_of_bufs(n), args, head, size - 1, places, order,
					      &i),
				 -E2BIG);
}

static void random_tables_are_laid_out_as_the_model_says(void **state)
{
	static const __u64 bases[] = { 0, 0x7f0000000000, 1ull << 63, ~0ull - 4096 };
	struct fastrpc_arg args[24];
	__u64 seed = 0x9e3779b97f4a7c15ull, base;
	__u32 round, n, i, span, longest;

	for (round = 0; round < 30000; round++) {
		n = below(&seed, LEN(args) + 1);
		span = 1 + below(&seed, round % 2 ? 60 : 2000);
		longest = 1 + below(&seed, round % 3 ? 20 : 900);
		base = bases[below(&seed, LEN(bases))];
		for (i = 0; i < n; i++) {
			args[i] = INLINE(base + below(&seed, span), below(&seed, longest));
			if (!below(&seed, 6))
				args[i].kind = FASTRPC_ARG_BUFFER;
			if (args[i].kind == FASTRPC_ARG_BUFFER)
				args[i].addr &= 0xffff;
		}
		assert_plan_is_the_models(args, n, base, below(&seed, 1000));
	}
}

/* The orders that sorting gets wrong or slow: rising, falling, all alike, nested, a saw. */
static void full_tables_in_any_order_are_laid_out_as_the_model_says(void **state)
{
	static struct fastrpc_arg args[FASTRPC_MAX_BUFS];
	const __u32 n = LEN(args);
	__u32 shape, i, n_used;

	for (shape = 0; shape < 5; shape++) {
		for (i = 0; i < n; i++) {
			const struct fastrpc_arg orders[] = {
				INLINE(i * 20, 21 - i % 3),	INLINE((n - i) * 20, 20 + i % 3),
				INLINE(77, 5),			INLINE(i, 2 * (n - i)),
				INLINE(i % 17 * 40 + i / 17, 39 - i % 2),
			};

			args[i] = orders[shape];
		}
		for (n_used = n - 2; n_used <= n; n_used++)
			assert_plan_is_the_models(args, n_used, 0, 40 * n + 384);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_arguments_take_no_room),
		cmocka_unit_test(arguments_apart_begin_at_multiples_of_128),
		cmocka_unit_test(arguments_that_touch_are_apart),
		cmocka_unit_test(empty_arguments_take_no_part),
		cmocka_unit_test(the_same_range_twice_is_one_range),
		cmocka_unit_test(a_long_argument_holds_two_short_ones),
		cmocka_unit_test(a_chain_of_overlaps_stays_in_one_piece),
		cmocka_unit_test(buffers_do_not_move_inline_arguments),
		cmocka_unit_test(handles_get_empty_places),
		cmocka_unit_test(addresses_at_the_very_top_work),
		cmocka_unit_test(the_limit_is_exact),
		cmocka_unit_test(the_sum_of_lengths_does_not_wrap),
		cmocka_unit_test(random_tables_are_laid_out_as_the_model_says),
		cmocka_unit_test(full_tables_in_any_order_are_laid_out_as_the_model_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
