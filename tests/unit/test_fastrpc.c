// SPDX-License-Identifier: BSD-3-Clause
/*
 * driver/fastrpc, host side: scalars, the check of argument tables at their limits, the bytes of
 * the metadata, requests, responses and notifications. The layout of inline data has
 * test_fastrpc_plan.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fastrpc_table.h"

/* What goes wrong, goes wrong beside these. */
static const __u64 edges[] = { 0,
			       1,
			       127,
			       4095,
			       4096,
			       (1ull << 31) - 1,
			       1ull << 31,
			       (1ull << 32) - 2,
			       (1ull << 32) - 1,
			       1ull << 32,
			       (1ull << 32) + 1,
			       1ull << 63,
			       ~0ull - 1,
			       ~0ull };

static void scalars_are_the_bits_of_the_wire(void **state)
{
	/* remotectl1 open and close as firmware knows them */
	assert_int_equal(fastrpc_sc(0, 2, 2, 2, 0, 0), 0x02020200);
	assert_int_equal(fastrpc_sc(0, 3, 1, 2, 0, 0), 0x03010200);
	assert_int_equal(fastrpc_sc(7, 31, 255, 255, 15, 15), 0xffffffff);
	assert_int_equal(fastrpc_sc_attr(0xa0000000), 5);
	assert_int_equal(fastrpc_sc_method(0xf5ffffff), 0x15);
	assert_int_equal(fastrpc_sc_in(0x00ab0000), 0xab);
	assert_int_equal(fastrpc_sc_out(0x0000cd00), 0xcd);
	assert_int_equal(fastrpc_sc_in_handles(0x000000e0), 14);
	assert_int_equal(fastrpc_sc_out_handles(0x00000009), 9);
	assert_int_equal(fastrpc_sc_args(0xffffffff), FASTRPC_MAX_ARGS);
	assert_int_equal(fastrpc_sc_bufs(0xffffffff), FASTRPC_MAX_BUFS);
}

static void context_word_is_the_bits_of_the_wire(void **state)
{
	const __u64 ctx = fastrpc_ctx(0x123456789abcull, 0xfe, FASTRPC_PD_USER);

	assert_true(ctx == 0x123456789abcfe01ull);
	assert_int_equal(fastrpc_ctx_id(ctx), 0xfe);
	assert_int_equal(fastrpc_ctx_pd_type(ctx), 1);
	assert_true(fastrpc_ctx_generation(ctx) == 0x123456789abcull);
	/* An id or type too wide for its field stays in its field. */
	assert_true(fastrpc_ctx(0, 0x1ff, 0x12) == 0xff02);
}

static void count_must_be_that_of_the_scalars(void **state)
{
	static struct fastrpc_arg args[FASTRPC_MAX_ARGS + 1];
	__u32 i;

	for (i = FASTRPC_MAX_BUFS; i < LEN(args); i++)
		args[i] = NUMBER(0);
	assert_int_equal(fastrpc_check(0xffffffff, args, 540), 0);
	assert_int_equal(fastrpc_check(0xffffffff, args, 541), -EINVAL);
	assert_int_equal(fastrpc_check(0xffffffff, args, 539), -EINVAL);
	assert_int_equal(fastrpc_check(0, args, 0), 0);
	assert_int_equal(fastrpc_check(0, NULL, 0), 0);
	assert_int_equal(fastrpc_check(0, args, 1), -EINVAL);
	assert_int_equal(fastrpc_check(fastrpc_sc(0, 0, 1, 0, 0, 0), args, 0), -EINVAL);
	assert_int_equal(fastrpc_check(0, args, 1u << 31), -EINVAL);
	assert_int_equal(fastrpc_check(0, args, 0xffffffff), -EINVAL);
}

static void each_group_takes_its_kinds_only(void **state)
{
	static const struct {
		__u32 sc;
		__u8 good[5];
	} groups[] = {
		{ 1 << 16, { 1, 1, 0, 0, 0 } },
		{ 1 << 8, { 1, 1, 0, 0, 0 } },
		{ 1 << 4, { 0, 0, 1, 1, 0 } },
		{ 1 << 0, { 0, 0, 0, 1, 0 } },
	};
	struct fastrpc_arg arg;
	__u32 g, kind;

	for (g = 0; g < LEN(groups); g++) {
		for (kind = 0; kind < LEN(groups[g].good); kind++) {
			arg = (struct fastrpc_arg){ .kind = kind };
			assert_int_equal(fastrpc_check(groups[g].sc, &arg, 1),
					 groups[g].good[kind] ? 0 : -EINVAL);
		}
		arg.kind = 0xffffffff;
		assert_int_equal(fastrpc_check(groups[g].sc, &arg, 1), -EINVAL);
	}
}

static void every_argument_is_checked(void **state)
{
	static struct fastrpc_arg args[FASTRPC_MAX_ARGS];
	__u32 i, kind;

	for (i = FASTRPC_MAX_BUFS; i < LEN(args); i++)
		args[i] = NUMBER(0);
	for (i = 0; i < LEN(args); i++) {
		kind = args[i].kind;
		args[i].kind = 9;
		assert_int_equal(fastrpc_check(0xffffffff, args, LEN(args)), -EINVAL);
		args[i].kind = kind;
	}
	assert_int_equal(fastrpc_check(0xffffffff, args, LEN(args)), 0);
}

static void inline_range_may_not_wrap(void **state)
{
	const __u32 sc = fastrpc_sc(0, 0, 0, 1, 0, 0);
	unsigned __int128 end;
	struct fastrpc_arg arg;
	__u32 i, j;

	for (i = 0; i < LEN(edges); i++) {
		for (j = 0; j < LEN(edges); j++) {
			arg = INLINE(edges[i], edges[j]);
			end = (unsigned __int128)edges[i] + edges[j];
			assert_int_equal(fastrpc_check(sc, &arg, 1),
					 edges[j] > 0xffffffff || end > ~0ull ? -EOVERFLOW : 0);
		}
	}
}

static void buffer_may_not_leave_its_bank(void **state)
{
	const __u32 sc = fastrpc_sc(0, 0, 1, 0, 0, 0);
	struct fastrpc_arg arg;
	__u32 i, j;
	int bad;

	for (i = 0; i < LEN(edges); i++) {
		for (j = 0; j < LEN(edges); j++) {
			arg = BUFFER(edges[i], edges[j]);
			bad = edges[j] > 0xffffffff ||
			      (edges[i] & 0xffffffff) + edges[j] > 1ull << 32;
			assert_int_equal(fastrpc_check(sc, &arg, 1), bad ? -EOVERFLOW : 0);
		}
	}
}

static int key_is_good(__u64 addr, __u32 offset, __u64 length, __u32 size)
{
	const unsigned __int128 reach = (unsigned __int128)offset + length;

	if (length > 0xffffffff || (size && reach > size))
		return 0;
	return (addr & 0xffffffff) + (size ? size : (__u64)reach) <= 1ull << 32;
}

static void key_range_may_not_leave_its_buffer(void **state)
{
	const __u32 sc = fastrpc_sc(0, 0, 0, 0, 1, 0);
	struct fastrpc_arg arg;
	__u32 a, o, l, s;

	for (a = 0; a < LEN(edges); a++)
		for (o = 0; o < LEN(edges); o++)
			for (l = 0; l < LEN(edges); l++)
				for (s = 0; s < LEN(edges); s++) {
					arg = KEY(7, edges[a], edges[o], edges[l], edges[s]);
					assert_int_equal(fastrpc_check(sc, &arg, 1),
							 key_is_good(edges[a], arg.offset, edges[l],
								     arg.size) ?
								 0 :
								 -EOVERFLOW);
				}
}

static void key_is_at_most_int_max(void **state)
{
	const __u32 sc = fastrpc_sc(0, 0, 0, 0, 1, 0);
	struct fastrpc_arg arg = KEY(0x7fffffff, 0, 0, 1, 4096);

	assert_int_equal(fastrpc_check(sc, &arg, 1), 0);
	arg.key = 0x80000000;
	assert_int_equal(fastrpc_check(sc, &arg, 1), -EINVAL);
	arg.key = 0xffffffff;
	assert_int_equal(fastrpc_check(sc, &arg, 1), -EINVAL);
}

static void number_has_no_length(void **state)
{
	struct fastrpc_arg arg = NUMBER(~0ull);

	assert_int_equal(fastrpc_check(fastrpc_sc(0, 0, 0, 0, 1, 0), &arg, 1), 0);
	arg.length = 1;
	assert_int_equal(fastrpc_check(fastrpc_sc(0, 0, 0, 0, 1, 0), &arg, 1), -EINVAL);
	assert_int_equal(fastrpc_check(fastrpc_sc(0, 0, 0, 0, 0, 1), &arg, 1), -EINVAL);
}

static void out_handle_is_a_number_or_a_remote_one(void **state)
{
	const __u32 sc = fastrpc_sc(0, 0, 0, 0, 0, 1);
	struct fastrpc_arg arg = NUMBER(FASTRPC_OUT_NUMBER);

	assert_int_equal(fastrpc_check(sc, &arg, 1), 0);
	arg.addr = FASTRPC_OUT_REMOTE;
	assert_int_equal(fastrpc_check(sc, &arg, 1), 0);
	arg.addr = FASTRPC_OUT_REMOTE + 1;
	assert_int_equal(fastrpc_check(sc, &arg, 1), -EINVAL);
	arg.addr = ~0ull;
	assert_int_equal(fastrpc_check(sc, &arg, 1), -EINVAL);
}

static void meta_size_is_40_n_and_384(void **state)
{
	assert_int_equal(fastrpc_meta_size(0), 384);
	assert_int_equal(fastrpc_meta_size(0x1f000000), 384);
	assert_int_equal(fastrpc_meta_size(fastrpc_sc(0, 0, 1, 1, 1, 1)), 384 + 160);
	assert_int_equal(fastrpc_meta_size(0xffffffff), 384 + 540 * 40);
}

/* A table with one of everything, and every word of its metadata as firmware expects it. */
#define WHOLE_SC   fastrpc_sc(0, 5, 3, 1, 2, 1)
#define WHOLE_ADDR 0x0000000500400000ull

static const struct fastrpc_arg whole_args[] = {
	{ .kind = FASTRPC_ARG_INLINE, .addr = 0x7f0012345678, .length = 5 },
	{ .kind = FASTRPC_ARG_BUFFER, .addr = 0x0000000520000f81, .length = 0x80 },
	{ .kind = FASTRPC_ARG_BUFFER, .addr = 0x0000000520000000, .length = 0 },
	{ .kind = FASTRPC_ARG_INLINE, .addr = 0x1000, .length = 4000 },
	{ .kind = FASTRPC_ARG_KEY, .key = 33, .addr = 0x530000000, .offset = 0x1010,
	  .length = 0x20, .size = 0x8000 },
	{ .kind = FASTRPC_ARG_NUMBER, .addr = 0xfedcba9876543210 },
	{ .kind = FASTRPC_ARG_NUMBER, .addr = FASTRPC_OUT_REMOTE },
};

static const __u64 whole_meta[(7 * 40 + 384) / 8] = {
	/* remote arguments: pv, len; key and offset, len; number, 0; out handle */
	[0] = 0x00401300, [1] = 5,
	[2] = 0x20000f81, [3] = 0x80,
	[4] = 0, [5] = 0,
	[6] = 0x00400300, [7] = 4000,
	[8] = 0x0000101000000021, [9] = 0x20,
	[10] = 0xfedcba9876543210, [11] = 0,
	[12] = 1, [13] = 0,
	/* invoke buffers: number of pages below, index of the first above */
	[14] = 0x0000000000000001,
	[15] = 0x0000000100000001,
	[16] = 0x0000000200000000,
	[17] = 0x0000000300000001,
	[18] = 0x0000000400000001,
	[19] = 0x0000000500000000,
	[20] = 0x0000000600000000,
	/* pages: address with stream id, size */
	[21] = 0x0000000500401000, [22] = 0x1000,
	[23] = 0x0000000520000000, [24] = 0x2000,
	[25] = 0, [26] = 0,
	[27] = 0x0000000500400000, [28] = 0x2000,
	[29] = 0x0000000530000000, [30] = 0x8000,
	[31] = 0, [32] = 0,
	[33] = 0, [34] = 0,
	/* fd list and CRC list: zero */
};

static void metadata_is_byte_for_byte_that_of_the_wire(void **state)
{
	struct fastrpc_place places[LEN(whole_args)];
	__u64 payload[LEN(whole_meta) + 1];
	__u16 order[4];
	__u32 size;

	assert_int_equal(fastrpc_check(WHOLE_SC, whole_args, LEN(whole_args)), 0);
	assert_int_equal(fastrpc_meta_size(WHOLE_SC), sizeof(whole_meta));
	assert_int_equal(fastrpc_plan(WHOLE_SC, whole_args, sizeof(whole_meta), 8192, places, order,
				      &size),
			 0);
	assert_int_equal(places[3].offset, 0x300);
	assert_int_equal(places[0].offset, 0x1300);
	assert_int_equal(size, 0x1305);
	memset(payload, 0xa5, sizeof(payload));
	fastrpc_write_meta(payload, WHOLE_ADDR, WHOLE_SC, whole_args, places);
	assert_memory_equal(payload, whole_meta, sizeof(whole_meta));
	assert_true(payload[LEN(whole_meta)] == 0xa5a5a5a5a5a5a5a5ull);
}

/* The pages of an argument follow from its true offset and length (CVE-2025-21734). */
static void page_entry_spans_what_the_argument_touches(void **state)
{
	static const struct {
		__u64 addr, length, page, size;
	} cases[] = {
		{ 0x200000000, 1, 0x200000000, 4096 },
		{ 0x200000fff, 1, 0x200000000, 4096 },
		{ 0x200000fff, 2, 0x200000000, 8192 },
		{ 0x200000000, 4096, 0x200000000, 4096 },
		{ 0x200000000, 4097, 0x200000000, 8192 },
		{ 0x200000001, 4096, 0x200000000, 8192 },
		{ 0x200001800, 4096, 0x200001000, 8192 },
		{ 0x2fffff000, 4096, 0x2fffff000, 4096 },
		{ 0x2ffffffff, 1, 0x2fffff000, 4096 },
		{ 0x200000000, 0xffffffff, 0x200000000, 0x100000000 },
		{ 0xffffffffffffffff, 1, 0xfffffffffffff000, 4096 },
	};
	const __u32 sc = fastrpc_sc(0, 0, 0, 1, 0, 0);
	struct fastrpc_place place = { 0 };
	struct fastrpc_arg arg;
	__u64 payload[(40 + 384) / 8];
	__u32 i;

	for (i = 0; i < LEN(cases); i++) {
		arg = BUFFER(cases[i].addr, cases[i].length);
		assert_int_equal(fastrpc_check(sc, &arg, 1), 0);
		fastrpc_write_meta(payload, 0x200000000, sc, &arg, &place);
		assert_true(payload[0] == (cases[i].addr & 0xffffffff));
		assert_true(payload[3] == cases[i].page);
		assert_true(payload[4] == cases[i].size);
	}
}

/* Without a size the page entry of a key reaches as far as its range does. */
static void key_without_a_size_spans_its_range(void **state)
{
	const __u32 sc = fastrpc_sc(0, 0, 0, 0, 1, 0);
	struct fastrpc_arg arg = KEY(1, 0x300010000, 0x1ff0, 0x11, 0);
	__u64 payload[(40 + 384) / 8];

	assert_int_equal(fastrpc_check(sc, &arg, 1), 0);
	fastrpc_write_meta(payload, 0, sc, &arg, NULL);
	assert_true(payload[2] == 1);
	assert_true(payload[3] == 0x300010000);
	assert_true(payload[4] == 0x3000);
}

static void out_handles_are_read_where_the_dsp_leaves_them(void **state)
{
	const __u32 sc = fastrpc_sc(0, 0, 2, 1, 1, 15);
	__u64 payload[(19 * 40 + 384) / 8] = { 0 };
	__u32 i;

	for (i = 0; i < 15; i++)
		fastrpc_set_out_handle(payload, sc, i, ~0ull - i);
	for (i = 0; i < 15; i++) {
		assert_true(payload[2 * (4 + i)] == ~0ull - i);
		assert_true(fastrpc_out_handle(payload, sc, i) == ~0ull - i);
	}
	/* A handle that the scalars lack is nowhere. */
	fastrpc_set_out_handle(payload, sc, 15, 1);
	fastrpc_set_out_handle(payload, sc, ~0u, 1);
	assert_true(payload[2 * 19] == 0);
	assert_true(payload[2 * 3] == 0);
	assert_true(fastrpc_out_handle(payload, fastrpc_sc(0, 0, 0, 0, 0, 1), 1) == 0);
	assert_true(fastrpc_out_handle(payload, sc, ~0u) == 0);
}

static void request_is_byte_for_byte_that_of_the_wire(void **state)
{
	static const __u8 expected[40] = {
		0x04, 0x03, 0x02, 0x81, 0xff, 0xff, 0xff, 0xff, 0x01, 0x2a, 0x07, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x02, 0x00, 0x10, 0x40, 0x00,
		0x03, 0x00, 0x00, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	};
	struct fastrpc_msg msg;

	memset(&msg, 0xa5, sizeof(msg));
	fastrpc_request(&msg, (__s32)0x81020304, -1, fastrpc_ctx(7, 42, 1), 8, 0x02020200,
			0x300401000, 4097);
	assert_memory_equal(&msg, expected, sizeof(expected));
}

static void request_size_is_rounded_up_to_pages(void **state)
{
	struct fastrpc_msg msg;

	fastrpc_request(&msg, 0, 0, 0, 0, 0, 0, 0);
	assert_true(msg.size == 0);
	fastrpc_request(&msg, 0, 0, 0, 0, 0, 0, 1);
	assert_true(msg.size == 4096);
	fastrpc_request(&msg, 0, 0, 0, 0, 0, 0, 4096);
	assert_true(msg.size == 4096);
	fastrpc_request(&msg, 0, 0, 0, 0, 0, 0, 0xffffffff);
	assert_true(msg.size == 1ull << 32);
}

static void response_is_read_whole(void **state)
{
	static const __u8 bytes[20] = { 0x01, 0x2a, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12, 0x0d, 0x04,
					0x00, 0x80, 0xee, 0xee, 0xee, 0xee, 1,	  2,	3,    4 };
	struct fastrpc_rsp rsp;

	assert_int_equal(fastrpc_response(bytes, 16, &rsp), 0);
	assert_true(rsp.ctx == fastrpc_ctx(0x123456789abc, 42, 1));
	assert_int_equal((__u32)rsp.retval, FASTRPC_EBADSTATE);
	assert_int_equal(rsp.pad, 0);
	assert_int_equal(fastrpc_response(bytes, 20, &rsp), 0);
}

static void response_that_cannot_be_ours_is_refused(void **state)
{
	__u8 bytes[16] = { 0x01, 0x2a };
	struct fastrpc_rsp rsp;
	__u32 n, bit;

	for (n = 0; n < 16; n++)
		assert_int_equal(fastrpc_response(bytes, n, &rsp), -EBADMSG);
	for (bit = 5; bit < 8; bit++) {
		bytes[0] = 0x01 | 1 << bit;
		assert_int_equal(fastrpc_response(bytes, 16, &rsp), -EBADMSG);
	}
	bytes[0] = 0x11; /* the async bit is none of the reserved ones */
	assert_int_equal(fastrpc_response(bytes, 16, &rsp), 0);
	bytes[1] = 0; /* id 0 */
	assert_int_equal(fastrpc_response(bytes, 16, &rsp), -EBADMSG);
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(fastrpc_response(bytes, 16, &rsp), -EBADMSG);
}

static void notification_is_the_bytes_of_the_wire(void **state)
{
	static const uint8_t wire[24] = { 0xcd, 0xab, 0xcd, 0xab, 0, 0, 0, 0, 4, 0, 0, 0,
					  0x78, 0x56, 0x34, 0x12, 3, 0, 0, 0 };
	struct fastrpc_notification notification;
	uint8_t bytes[25];

	fastrpc_notify(&notification, 0x12345678, FASTRPC_PD_EXCEPTION);
	assert_memory_equal(&notification, wire, sizeof(wire));
	memset(bytes, 0xff, sizeof(bytes));
	memcpy(bytes, wire, 20);
	for (__u32 n = 24; n <= 25; n++) {
		memset(&notification, 0, sizeof(notification));
		assert_int_equal(fastrpc_notification(bytes, n, &notification), 0);
		assert_memory_equal(&notification, wire, sizeof(wire));
	}
}

static void what_is_no_notification_is_refused(void **state)
{
	struct fastrpc_notification good, bad, out;
	struct fastrpc_rsp rsp;
	__u32 n;

	fastrpc_notify(&good, 1, FASTRPC_PD_EXIT);
	for (n = 0; n < sizeof(good); n++)
		assert_int_equal(fastrpc_notification(&good, n, &out), -EBADMSG);
	for (n = 0; n < 64 + 32; n++) {		/* each bit of context and type */
		bad = good;
		((uint8_t *)&bad)[n / 8] ^= 1 << n % 8;
		assert_int_equal(fastrpc_notification(&bad, sizeof(bad), &out), -EBADMSG);
	}
	bad = good;
	bad.client_id = 0;
	assert_int_equal(fastrpc_notification(&bad, sizeof(bad), &out), -EBADMSG);
	bad.client_id = -1;
	assert_int_equal(fastrpc_notification(&bad, sizeof(bad), &out), -EBADMSG);
	bad.client_id = 0x7fffffff;
	bad.status = 0xffffffff;	/* for the caller to make something of */
	assert_int_equal(fastrpc_notification(&bad, sizeof(bad), &out), 0);
	/* Neither can be taken for the other. */
	assert_int_equal(fastrpc_response(&good, sizeof(good), &rsp), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalars_are_the_bits_of_the_wire),
		cmocka_unit_test(context_word_is_the_bits_of_the_wire),
		cmocka_unit_test(count_must_be_that_of_the_scalars),
		cmocka_unit_test(each_group_takes_its_kinds_only),
		cmocka_unit_test(every_argument_is_checked),
		cmocka_unit_test(inline_range_may_not_wrap),
		cmocka_unit_test(buffer_may_not_leave_its_bank),
		cmocka_unit_test(key_range_may_not_leave_its_buffer),
		cmocka_unit_test(key_is_at_most_int_max),
		cmocka_unit_test(number_has_no_length),
		cmocka_unit_test(out_handle_is_a_number_or_a_remote_one),
		cmocka_unit_test(meta_size_is_40_n_and_384),
		cmocka_unit_test(metadata_is_byte_for_byte_that_of_the_wire),
		cmocka_unit_test(page_entry_spans_what_the_argument_touches),
		cmocka_unit_test(key_without_a_size_spans_its_range),
		cmocka_unit_test(out_handles_are_read_where_the_dsp_leaves_them),
		cmocka_unit_test(request_is_byte_for_byte_that_of_the_wire),
		cmocka_unit_test(request_size_is_rounded_up_to_pages),
		cmocka_unit_test(response_is_read_whole),
		cmocka_unit_test(response_that_cannot_be_ours_is_refused),
		cmocka_unit_test(notification_is_the_bytes_of_the_wire),
		cmocka_unit_test(what_is_no_notification_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
