// SPDX-License-Identifier: BSD-3-Clause
/*
 * INVOKE: what the DSP gets and what comes back, byte for byte; arguments that overlap, that lie at
 * bad addresses or only begin well; and a DSP that scribbles over what it was given.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "accel.h"
#include "dsp.h"

static struct dsp dsp;
static int file;

static int setup(void **state)
{
	dsp_start(&dsp);
	file = session_open();
	return 0;
}

static int teardown(void **state)
{
	close(file);
	dsp_stop(&dsp);
	return 0;
}

/* Two pages, of which the caller has only the first. */
static uint8_t *edge_of_memory(int protection)
{
	uint8_t *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(memory != MAP_FAILED);
	pattern(memory, 4096, 99);
	assert_int_equal(mprotect(memory + 4096, 4096, protection), 0);
	return memory;
}

static const size_t lengths[] = { 0, 1, 7, 127, 128, 129, 4095, 4096, 4097, 65536, 100000 };

static void inline_bytes_go_and_come_back(void **state)
{
	static uint8_t in[100000], out[100002];
	struct drm_qda_arg args[2];

	for (size_t i = 0; i < DIM(lengths); i++) {
		const size_t n = lengths[i];

		pattern(in, n, (uint32_t)n);
		memset(out, 0x11, sizeof(out));
		args[0] = arg_inline(in, n);
		args[1] = arg_inline(out + 1, n);
		assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_ECHO, 1, 1, 0, 0), args,
					NULL),
				 0);
		assert_memory_equal(out + 1, in, n);
		assert_int_equal(out[0], 0x11);
		assert_int_equal(out[n + 1], 0x11);
	}
}

static void what_the_dsp_does_not_write_is_zero(void **state)
{
	uint8_t secret[3000], out[3000], zeros[3000] = { 0 };
	struct drm_qda_arg arg = arg_inline(secret, sizeof(secret));

	memset(secret, 0x5e, sizeof(secret));
	for (int i = 0; i < 4; i++)
		assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_SILENT, 1, 0, 0, 0), &arg,
					NULL),
				 0);
	memset(out, 0x11, sizeof(out));
	arg = arg_inline(out, sizeof(out));
	assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_SILENT, 0, 1, 0, 0), &arg, NULL), 0);
	assert_memory_equal(out, zeros, sizeof(out));
}

static void buffers_are_seen_in_place(void **state)
{
	uint8_t *in, *out, expected[8192];
	const uint32_t a = buffer_new(file, 8192, (void **)&in);
	const uint32_t b = buffer_new(file, 8192, (void **)&out);
	static const struct {
		uint32_t from, to, n;
	} table[] = { { 0, 0, 8192 }, { 1, 4095, 4097 }, { 8191, 0, 1 }, { 0, 8191, 1 },
		      { 4096, 4096, 4096 }, { 100, 200, 300 } };

	for (size_t i = 0; i < DIM(table); i++) {
		const struct drm_qda_arg args[] = { arg_buffer(a, table[i].from, table[i].n),
						    arg_buffer(b, table[i].to, table[i].n) };

		pattern(in, 8192, (uint32_t)i);
		pattern(out, 8192, 1000);
		memcpy(expected, out, 8192);
		memcpy(expected + table[i].to, in + table[i].from, table[i].n);
		assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_ECHO, 1, 1, 0, 0), args,
					NULL),
				 0);
		assert_memory_equal(out, expected, 8192);
	}
	munmap(in, 8192);
	munmap(out, 8192);
	buffer_close(file, a);
	buffer_close(file, b);
}

/* Every place of every group is used: 255 in, 255 out, 15 handles in, 15 out. */
static void five_hundred_and_forty_arguments(void **state)
{
	static uint8_t in[255][40], out[255][40], expected[40];
	static struct drm_qda_arg args[540];
	const uint32_t sc = DRM_QDA_SC(DSP_ECHO, 255, 255, 15, 15);

	for (uint32_t i = 0; i < 255; i++) {
		pattern(in[i], 40, i);
		args[i] = arg_inline(in[i], i % 40);
		args[255 + i] = arg_inline(out[i], 40 - i % 7);
	}
	memset(out, 0x22, sizeof(out));
	for (uint32_t i = 0; i < 15; i++) {
		args[510 + i] = arg_number(0x1111111111111111ull * i);
		args[525 + i] = arg_number(i % 2);
	}
	assert_int_equal(DRM_QDA_SC_ARGS(sc), 540);
	assert_int_equal(invoke(file, DSP_HANDLE, sc, args, NULL), 0);
	for (uint32_t i = 0; i < 255; i++) {
		const size_t sent = i % 40, room = 40 - i % 7, n = sent < room ? sent : room;

		memset(expected, 0x22, 40);
		memset(expected, 0xa5, room);
		memcpy(expected, in[i], n);
		assert_memory_equal(out[i], expected, 40);
	}
	for (uint32_t i = 0; i < 15; i++)
		assert_true(args[525 + i].value == 0x1111111111111111ull * i);
}

static void no_arguments(void **state)
{
	assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_ECHO, 0, 0, 0, 0), NULL, NULL), 0);
}

static void results_are_numbers_of_the_dsp(void **state)
{
	static const int32_t results[] = { 1, -1, INT_MAX, INT_MIN, -EINTR, -512, 39,
					   (int32_t)0x8000040d };
	struct drm_qda_arg arg;
	int32_t result, wanted;

	for (size_t i = 0; i < DIM(results); i++) {
		wanted = results[i];
		arg = arg_inline(&wanted, sizeof(wanted));
		assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_RETURN, 1, 0, 0, 0), &arg,
					&result),
				 -EREMOTEIO);
		assert_int_equal(result, wanted);
	}
	wanted = 0;
	assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_RETURN, 1, 0, 0, 0), &arg, &result),
			 0);
	assert_int_equal(result, 0);
}

static void outs_are_written_whatever_the_result(void **state)
{
	uint8_t in[500], out[500];
	const struct drm_qda_arg args[] = { arg_inline(in, 500), arg_inline(out, 500) };
	struct invoker call = { .fd = file,
				.handle = DSP_HANDLE,
				.sc = DRM_QDA_SC(DSP_HOLD, 1, 1, 0, 0),
				.args = args };
	struct fastrpc_dsp_arg parsed[2];
	struct fastrpc_msg msg;

	pattern(in, sizeof(in), 4);
	invoker_start(&call);
	msg = dsp_take(&dsp, 0);
	assert_int_equal(fastrpc_parse(&msg, dsp_memory(&dsp, msg.addr), msg.size, parsed), 0);
	pattern(dsp_memory(&dsp, (msg.addr & ~0xffffffffull) | parsed[1].addr), 500, 5);
	dsp_answer(&dsp, msg.ctx, 123);
	invoker_join(&call);
	assert_int_equal(call.ret, -EREMOTEIO);
	assert_int_equal(call.result, 123);
	pattern(in, 500, 5);
	assert_memory_equal(out, in, 500);
}

/* What overlaps at the caller overlaps at the DSP in the same way. */
static void overlaps_are_kept(void **state)
{
	uint8_t data[2000], copy[2000];
	static const struct {
		uint32_t start, n;
	} in[] = { { 100, 300 }, { 150, 100 }, { 350, 200 }, { 100, 300 }, { 1000, 10 }, { 549, 2 },
		   { 100, 1 }, { 1009, 500 } };
	struct drm_qda_arg args[DIM(in) + 1];
	struct fastrpc_dsp_arg parsed[DIM(in) + 1];

	pattern(data, sizeof(data), 3);
	memcpy(copy, data, sizeof(data));
	for (size_t i = 0; i < DIM(in); i++)
		args[i] = arg_inline(data + in[i].start, in[i].n);
	args[DIM(in)] = arg_inline(parsed, sizeof(parsed));
	assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_LENGTHS, DIM(in), 1, 0, 0), args,
				NULL),
			 0);
	for (size_t i = 0; i < DIM(in); i++)
		assert_int_equal(parsed[i].length, in[i].n);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(parsed[i].addr - parsed[0].addr, in[i].start - in[0].start);
	assert_int_equal(parsed[5].addr - parsed[0].addr, in[5].start - in[0].start);
	assert_int_equal(parsed[6].addr, parsed[0].addr);
	assert_int_equal(parsed[7].addr - parsed[4].addr, 9);
	assert_int_not_equal(parsed[4].addr - parsed[0].addr, 900);
	assert_memory_equal(data, copy, sizeof(data));
}

/* In and out in one place: the DSP writes where it reads, as on the caller's side. */
static void in_and_out_may_be_one_place(void **state)
{
	uint8_t data[300], expected[300];
	const struct drm_qda_arg args[] = { arg_inline(data, 200), arg_inline(data + 100, 200) };

	pattern(data, sizeof(data), 8);
	memcpy(expected, data, sizeof(data));
	memcpy(expected + 100, data, 200);
	assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_ECHO, 1, 1, 0, 0), args, NULL), 0);
	assert_memory_equal(data, expected, sizeof(data));
}

static void handles_are_numbers_and_keys(void **state)
{
	const uint32_t buffer = buffer_new(file, 16384, NULL);
	struct drm_qda_map map = { .handle = buffer, .key = INT_MAX, .offset = 4096, .size = 8192 };
	struct drm_qda_unmap unmap = { .key = INT_MAX };
	struct drm_qda_arg args[6] = { arg_number(~0ull), arg_key(INT_MAX, 4097, 4095),
				       arg_number(1ull << 63), arg_number(0), arg_number(1),
				       arg_number(0) };
	const uint32_t sc = DRM_QDA_SC(DSP_ECHO, 0, 0, 3, 3);

	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_MAP, &map), 0);
	assert_int_not_equal(map.dsp_addr, 0);
	assert_int_equal(invoke(file, DSP_HANDLE, sc, args, NULL), 0);
	assert_true(args[3].value == ~0ull);
	assert_true(args[4].value == (4097ull << 32 | INT_MAX));
	assert_true(args[5].value == 1ull << 63);
	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_UNMAP, &unmap), 0);
	buffer_close(file, buffer);
}

static void data_at_bad_addresses(void **state)
{
	uint8_t good[64];
	struct drm_qda_arg arg;

	for (size_t i = 0; i < n_bad_addresses; i++) {
		const uint64_t bad = bad_addresses[i];
		/* what ends beyond the last address wraps */
		const int expected = bad + 64 < bad ? -EOVERFLOW : -EFAULT;

		arg = (struct drm_qda_arg){ .value = bad, .length = 64 };
		assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_SILENT, 1, 0, 0, 0), &arg,
					NULL),
				 expected);
		assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_SILENT, 0, 1, 0, 0), &arg,
					NULL),
				 expected);
		assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_SILENT, 1, 0, 0, 0),
					(void *)bad, NULL),
				 bad ? -EFAULT : -EINVAL);
	}
	arg = arg_inline(page(PROT_NONE), 1);
	assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_SILENT, 1, 0, 0, 0), &arg, NULL),
			 -EFAULT);
	arg = arg_inline(page(PROT_READ), 64);
	assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_SILENT, 1, 0, 0, 0), &arg, NULL),
			 0);
	assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_SILENT, 0, 1, 0, 0), &arg, NULL),
			 -EFAULT);
	/* the file lives on */
	arg = arg_inline(good, sizeof(good));
	assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_SILENT, 0, 1, 0, 0), &arg, NULL), 0);
}

static void data_that_only_begins_well(void **state)
{
	uint8_t *none = edge_of_memory(PROT_NONE), *read_only = edge_of_memory(PROT_READ);
	uint8_t out[8192];
	struct drm_qda_arg args[2] = { arg_inline(none + 4000, 97), arg_inline(out, 97) };
	struct drm_qda_arg *array = (void *)(none + 4096 - sizeof(args));

	assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_ECHO, 1, 1, 0, 0), args, NULL),
			 -EFAULT);
	args[0].length = 96;
	args[1].length = 96;
	assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_ECHO, 1, 1, 0, 0), args, NULL), 0);
	assert_memory_equal(out, none + 4000, 96);

	args[0] = arg_inline(none, 97);
	args[1] = arg_inline(read_only + 4000, 97);
	assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_ECHO, 1, 1, 0, 0), args, NULL),
			 -EFAULT);
	assert_int_equal(read_only[4096], 0);

	/* an array that runs out of memory after its last but one element, and one that fits */
	args[0] = arg_inline(out, 8);
	args[1] = arg_inline(out + 8, 8);
	memcpy(array, args, sizeof(args));
	assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_ECHO, 1, 1, 0, 0), array, NULL), 0);
	assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_ECHO, 2, 1, 0, 0), array, NULL),
			 -EFAULT);
	munmap(none, 8192);
	munmap(read_only, 8192);
}

static void out_handles_need_a_place_to_be_written(void **state)
{
	struct drm_qda_arg *array = page(PROT_READ | PROT_WRITE);

	array[0] = arg_number(0);
	assert_int_equal(mprotect(array, 4096, PROT_READ), 0);
	assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_ECHO, 0, 0, 0, 1), array, NULL),
			 -EFAULT);
	assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_ECHO, 0, 0, 1, 0), array, NULL), 0);
}

static void addresses_that_wrap(void **state)
{
	static const uint64_t long_ones[] = { UINT32_MAX, 1ull << 32, INT64_MAX, 1ull << 63,
					      ~0ull - 4095, ~0ull };
	uint8_t data[16];
	struct drm_qda_arg arg;

	for (size_t i = 0; i < DIM(long_ones); i++)
		for (int out = 0; out < 2; out++) {
			int ret;

			arg = arg_inline(data, long_ones[i]);
			ret = invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_SILENT, !out, out, 0, 0), &arg,
				     NULL);
			assert_true(ret == -EOVERFLOW || ret == -E2BIG);
		}
}

static void a_payload_has_a_limit(void **state)
{
	struct drm_qda_query query = { .type = DRM_QDA_QUERY_PAYLOAD };
	struct drm_qda_arg args[2];
	uint8_t *in, *out;
	size_t room;

	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_QUERY, &query), 0);
	in = calloc(2, query.value);
	out = calloc(2, query.value);
	assert_true(in && out);
	/* 40 for each of two arguments and 384, up to a multiple of 128; both multiples of 128 */
	room = (query.value - 512) / 2 & ~127ull;
	pattern(in, room, 6);
	args[0] = arg_inline(in, room);
	args[1] = arg_inline(out, room);
	assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_ECHO, 1, 1, 0, 0), args, NULL), 0);
	assert_memory_equal(out, in, room);
	args[0].length = query.value - 512 - room + 1;
	assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_ECHO, 1, 1, 0, 0), args, NULL),
			 -E2BIG);
	free(in);
	free(out);
}

static bool holds(const uint8_t *memory, size_t n, uint8_t byte, size_t run)
{
	size_t seen = 0;

	for (size_t i = 0; i < n; i++) {
		seen = memory[i] == byte ? seen + 1 : 0;
		if (seen == run)
			return true;
	}
	return false;
}

/* A payload holds no kernel pointer, and nothing of sessions before this one. */
static void a_payload_tells_nothing_else(void **state)
{
	uint8_t secret[4000], data[100];
	struct drm_qda_arg args[2] = { arg_inline(secret, sizeof(secret)) };
	struct invoker call = { .handle = DSP_HANDLE,
				.sc = DRM_QDA_SC(DSP_HOLD, 1, 1, 0, 0),
				.args = args };
	const unsigned released = dsp_seen(&dsp, FASTRPC_PROCESS_RELEASE);
	struct fastrpc_msg msg;
	const uint8_t *payload;
	int other = session_open();

	memset(secret, 0x5e, sizeof(secret));
	for (int i = 0; i < 8; i++)
		assert_int_equal(invoke(other, DSP_HANDLE, DRM_QDA_SC(DSP_SILENT, 1, 0, 0, 0), args,
					NULL),
				 0);
	close(other);
	dsp_wait_seen(&dsp, FASTRPC_PROCESS_RELEASE, released + 1);
	other = session_open();
	memset(data, 1, sizeof(data));
	args[0] = arg_inline(data, sizeof(data));
	args[1] = arg_inline(data, sizeof(data));
	call.fd = other;
	invoker_start(&call);
	msg = dsp_take(&dsp, 0);
	payload = dsp_memory(&dsp, msg.addr);
	assert_int_equal(msg.size % 4096, 0);
	assert_false(holds(payload, msg.size, 0x5e, 16));
	for (size_t i = 0; i + 8 <= msg.size; i += 8) {
		uint64_t word;

		memcpy(&word, payload + i, 8);
		assert_true(word >> 48 != 0xffff);
	}
	dsp_answer(&dsp, msg.ctx, 0);
	invoker_join(&call);
	assert_int_equal(call.ret, 0);
	close(other);
}

/* The DSP rewrites all descriptors of a call under way: the caller gets its bytes, no others. */
static void descriptors_are_not_read_back(void **state)
{
	struct {
		uint8_t before[256], data[256], after[256];
	} out, expected;
	struct drm_qda_arg args[] = { arg_inline(out.data, sizeof(out.data)), arg_number(0) };
	struct invoker call = { .fd = file,
				.handle = DSP_HANDLE,
				.sc = DRM_QDA_SC(DSP_HOLD, 0, 1, 0, 1),
				.args = args };
	static const uint8_t fill[] = { 0xff, 0x00, 0x80, 0x41 };
	struct fastrpc_dsp_arg parsed[2];
	struct fastrpc_msg msg;
	uint8_t *payload;

	for (size_t i = 0; i < DIM(fill); i++) {
		memset(&out, 0x33, sizeof(out));
		memset(&expected, 0x33, sizeof(expected));
		pattern(expected.data, sizeof(expected.data), 77);
		args[1] = arg_number(0);
		invoker_start(&call);
		msg = dsp_take(&dsp, 0);
		payload = dsp_memory(&dsp, msg.addr);
		assert_int_equal(fastrpc_parse(&msg, payload, msg.size, parsed), 0);
		memset(payload, fill[i], fastrpc_meta_size(msg.sc));
		memcpy(dsp_memory(&dsp, (msg.addr & ~0xffffffffull) | parsed[0].addr),
		       expected.data, sizeof(expected.data));
		dsp_answer(&dsp, msg.ctx, 0);
		invoker_join(&call);
		assert_int_equal(call.ret, 0);
		assert_memory_equal(&out, &expected, sizeof(out));
		assert_true(args[1].value == 0x0101010101010101ull * fill[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inline_bytes_go_and_come_back),
		cmocka_unit_test(what_the_dsp_does_not_write_is_zero),
		cmocka_unit_test(buffers_are_seen_in_place),
		cmocka_unit_test(five_hundred_and_forty_arguments),
		cmocka_unit_test(no_arguments),
		cmocka_unit_test(results_are_numbers_of_the_dsp),
		cmocka_unit_test(outs_are_written_whatever_the_result),
		cmocka_unit_test(overlaps_are_kept),
		cmocka_unit_test(in_and_out_may_be_one_place),
		cmocka_unit_test(handles_are_numbers_and_keys),
		cmocka_unit_test(data_at_bad_addresses),
		cmocka_unit_test(data_that_only_begins_well),
		cmocka_unit_test(out_handles_need_a_place_to_be_written),
		cmocka_unit_test(addresses_that_wrap),
		cmocka_unit_test(a_payload_has_a_limit),
		cmocka_unit_test(a_payload_tells_nothing_else),
		cmocka_unit_test(descriptors_are_not_read_back),
	};

	alarm(600);
	return cmocka_run_group_tests(tests, setup, teardown);
}
