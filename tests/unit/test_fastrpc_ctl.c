// SPDX-License-Identifier: BSD-3-Clause
/*
 * driver/fastrpc: process control calls. Bodies byte for byte as firmware reads them, every method
 * there and back, and the refusals of both sides.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fastrpc_table.h"
#include "load_count.h"

#define STREAM	     0x300000000ull
#define PAYLOAD_ADDR (STREAM + 0x7000)
#define IMAGE_ADDR   (STREAM + 0x100000)
#define MEM_ADDR     (STREAM + 0x200000)

static char payload[FASTRPC_CTL_PAYLOAD] __attribute__((aligned(4096)));
static char name[FASTRPC_CTL_NAME];
static struct fastrpc_place written_rsp, read_rsp;
static struct fastrpc_ctl got;
static struct fastrpc_msg msg;

/* One good call of each method. The fields that it has not are zero, as reading leaves them. */
static const struct fastrpc_ctl calls[] = {
	{ .method = FASTRPC_PROCESS_ATTACH, .client_id = 5 },
	{ .method = FASTRPC_PROCESS_RELEASE, .client_id = -6 },
	{ .method = FASTRPC_PROCESS_MMAP, .client_id = 7, .flags = 0x1000,
	  .vaddr = 0x1122334455667788, .mem_addr = MEM_ADDR, .mem_len = 0x3000 },
	{ .method = FASTRPC_PROCESS_MUNMAP, .client_id = 8, .vaddr = 0x8877665544332211,
	  .mem_len = 0x123456789a },
	{ .method = FASTRPC_PROCESS_CREATE, .client_id = 9, .name = "camera",
	  .file_addr = IMAGE_ADDR + 1, .file_len = 0x12345, .mem_addr = MEM_ADDR,
	  .mem_len = 0x400000 },
	{ .method = FASTRPC_PROCESS_CREATE_ATTR, .client_id = 10, .name = "", .attrs = 0x88,
	  .siglen = 77, .file_addr = IMAGE_ADDR, .file_len = 1 },
	{ .method = FASTRPC_PROCESS_MEM_MAP, .client_id = 11, .key = 0x7fffffff,
	  .offset = 0x7fffffff, .flags = 2, .vaddr = ~0ull, .mem_addr = MEM_ADDR,
	  .mem_len = 0x1000 },
	{ .method = FASTRPC_PROCESS_MEM_UNMAP, .client_id = 12, .key = 0, .vaddr = 1,
	  .mem_len = ~0ull },
};

#define MMAP	(&calls[2])
#define CREATE	(&calls[4])
#define MEM_MAP (&calls[6])

static int write_call(const struct fastrpc_ctl *ctl)
{
	__u32 sc = 0;
	int err;

	memset(payload, 0xa5, sizeof(payload));
	err = fastrpc_ctl_write(payload, PAYLOAD_ADDR, ctl, &sc, &written_rsp);
	fastrpc_request(&msg, 0, 99, fastrpc_ctx(1, 1, 0), FASTRPC_HANDLE_PROCESS, sc, PAYLOAD_ADDR,
			FASTRPC_CTL_PAYLOAD);
	return err;
}

static int read_call(void)
{
	memset(&got, 0xa5, sizeof(got));
	memset(name, 0xa5, sizeof(name));
	return fastrpc_ctl_read(&msg, payload, sizeof(payload), &got, name, &read_rsp);
}

/* Offset of argument `i` in the payload, as the DSP would find it. */
static __u32 argument(__u32 i)
{
	return load64(payload, 16 * i) - (__u32)PAYLOAD_ADDR;
}

/* --- bytes --- */

static void assert_argument(__u32 i, const void *bytes, __u32 n)
{
	assert_int_equal(load64(payload, 16 * i + 8), n);
	assert_int_equal(argument(i) % FASTRPC_ALIGN, 0);
	assert_true(argument(i) + n <= sizeof(payload));
	assert_memory_equal(payload + argument(i), bytes, n);
}

static void attach_and_release_carry_the_client(void **state)
{
	static const __u8 body[4] = { 5, 0, 0, 0 }, other[4] = { 0xfa, 0xff, 0xff, 0xff };

	assert_int_equal(write_call(&calls[0]), 0);
	assert_int_equal(msg.sc, 0x00010000);
	assert_argument(0, body, sizeof(body));
	assert_int_equal(written_rsp.length, 0);
	assert_int_equal(write_call(&calls[1]), 0);
	assert_int_equal(msg.sc, 0x01010000);
	assert_argument(0, other, sizeof(other));
}

static void mmap_is_as_firmware_reads_it(void **state)
{
	static const __u32 body[6] = { 7, 0x1000, 0x55667788, 0x11223344, 16, 0 };
	static const __u64 pages[2] = { MEM_ADDR, 0x3000 };

	assert_int_equal(write_call(MMAP), 0);
	assert_int_equal(msg.sc, 0x04020100);
	assert_argument(0, body, 24);
	assert_argument(1, pages, 16);
	assert_argument(2, "\0\0\0\0\0\0\0", 8);
	assert_int_equal(written_rsp.offset, argument(2));
	assert_int_equal(written_rsp.length, 8);
}

static void munmap_is_as_firmware_reads_it(void **state)
{
	static const __u32 body[6] = { 8, 0, 0x44332211, 0x88776655, 0x3456789a, 0x12 };

	assert_int_equal(write_call(&calls[3]), 0);
	assert_int_equal(msg.sc, 0x05010000);
	assert_argument(0, body, 24);
}

static void create_is_as_firmware_reads_it(void **state)
{
	static const __u32 body[6] = { 9, 7, 0x12345, 1, 0, 0 };
	static const __u64 pages[2] = { MEM_ADDR, 0x400000 };

	assert_int_equal(write_call(CREATE), 0);
	assert_int_equal(msg.sc, 0x06040000);
	assert_argument(0, body, 24);
	assert_argument(1, "camera", 7);
	assert_argument(3, pages, 16);
	/* the image stays where it is: pv, length, pages */
	assert_true(load64(payload, 32) == 0x100001);
	assert_true(load64(payload, 40) == 0x12345);
	assert_true(load64(payload, 24 * 4 + 32) == IMAGE_ADDR);
	assert_true(load64(payload, 24 * 4 + 40) == 0x13000);
}

static void create_with_attributes_is_create_attr(void **state)
{
	static const __u32 body[6] = { 9, 7, 0x12345, 1, FASTRPC_ATTR_UNSIGNED, 0 };
	struct fastrpc_ctl ctl = *CREATE;

	ctl.attrs = FASTRPC_ATTR_UNSIGNED;
	assert_int_equal(write_call(&ctl), 0);
	assert_int_equal(msg.sc, 0x07040000);
	assert_argument(0, body, 24);
	ctl.attrs = 0;
	ctl.siglen = 1;
	assert_int_equal(write_call(&ctl), 0);
	assert_int_equal(msg.sc, 0x07040000);
}

static void mem_map_is_as_firmware_reads_it(void **state)
{
	static const __u32 body[8] = { 11, 0x7fffffff, 0x7fffffff, 2, ~0u, ~0u, 16, 0 };
	static const __u64 pages[2] = { MEM_ADDR, 0x1000 };

	assert_int_equal(write_call(MEM_MAP), 0);
	assert_int_equal(msg.sc, 0x0a030100);
	assert_argument(0, body, 32);
	assert_argument(1, pages, 16);
	assert_true(load64(payload, 32) == 0 && load64(payload, 40) == 0);
	assert_argument(3, "\0\0\0\0\0\0\0", 8);
	assert_int_equal(written_rsp.offset, argument(3));
	assert_int_equal(written_rsp.length, 8);
}

static void mem_unmap_is_as_firmware_reads_it(void **state)
{
	static const __u32 body[6] = { 12, 0, 1, 0, ~0u, ~0u };

	assert_int_equal(write_call(&calls[7]), 0);
	assert_int_equal(msg.sc, 0x0b010000);
	assert_argument(0, body, 24);
	assert_int_equal(written_rsp.length, 0);
}

/* What is neither metadata nor argument is zero, whatever the page held before. */
static void the_rest_of_the_page_is_zero(void **state)
{
	__u32 i, j;

	for (i = 0; i < LEN(calls); i++) {
		assert_int_equal(write_call(&calls[i]), 0);
		for (j = 1024 + 128; j < sizeof(payload); j++)
			assert_int_equal(payload[j], 0);
		for (j = fastrpc_meta_size(msg.sc); j < 640; j++)
			if (j < argument(0))
				assert_int_equal(payload[j], 0);
	}
}

/* --- there and back --- */

static void assert_same_call(const struct fastrpc_ctl *want)
{
	struct fastrpc_ctl copy = *want;

	if (want->name) {
		assert_ptr_equal(got.name, name);
		assert_string_equal(name, want->name);
		copy.name = name;
	}
	assert_memory_equal(&got, &copy, sizeof(copy));
	assert_memory_equal(&read_rsp, &written_rsp, sizeof(read_rsp));
}

static void every_method_comes_back_as_written(void **state)
{
	__u32 i;

	for (i = 0; i < LEN(calls); i++) {
		assert_int_equal(write_call(&calls[i]), 0);
		assert_int_equal(read_call(), 0);
		assert_same_call(&calls[i]);
	}
}

static void long_names_are_cut(void **state)
{
	struct fastrpc_ctl ctl = *CREATE;
	char longer[300];
	__u32 n;

	ctl.name = longer;
	for (n = 126; n < sizeof(longer); n++) {
		memset(longer, 'x', n);
		longer[n] = '\0';
		assert_int_equal(write_call(&ctl), 0);
		assert_int_equal(read_call(), 0);
		assert_int_equal(load64(payload, 16 + 8), n < 127 ? n + 1 : 128);
		assert_int_equal(strlen(name), n < 127 ? n : 127);
		assert_memory_equal(name, longer, strlen(name));
	}
}

static void a_name_without_terminator_gets_one(void **state)
{
	assert_int_equal(write_call(CREATE), 0);
	memset(payload + argument(1), 'y', 7);
	assert_int_equal(read_call(), 0);
	assert_string_equal(name, "yyyyyy");
}

/* --- refusals of the writer --- */

static void assert_not_written(struct fastrpc_ctl ctl)
{
	__u32 i;

	assert_int_equal(write_call(&ctl), -EINVAL);
	assert_int_equal(msg.sc, 0);
	for (i = 0; i < sizeof(payload); i++)
		assert_int_equal((__u8)payload[i], 0xa5);
}

static struct fastrpc_ctl with_mem(const struct fastrpc_ctl *ctl, __u64 addr, __u64 length)
{
	struct fastrpc_ctl copy = *ctl;

	copy.mem_addr = addr;
	copy.mem_len = length;
	return copy;
}

static void memory_that_is_not_pages_of_a_bank_is_not_written(void **state)
{
	const struct fastrpc_ctl *const takers[] = { MMAP, CREATE, MEM_MAP };
	__u32 i;

	for (i = 0; i < LEN(takers); i++) {
		assert_not_written(with_mem(takers[i], MEM_ADDR + 1, 0x1000));
		assert_not_written(with_mem(takers[i], MEM_ADDR, 0xfff));
		assert_not_written(with_mem(takers[i], MEM_ADDR, 1ull << 32));
		assert_not_written(with_mem(takers[i], MEM_ADDR, 1ull << 63));
		assert_not_written(with_mem(takers[i], MEM_ADDR, ~0ull << 12));
		assert_not_written(with_mem(takers[i], STREAM + 0xfffff000, 0x2000));
	}
	assert_not_written(with_mem(MMAP, MEM_ADDR, 0));
	assert_not_written(with_mem(MEM_MAP, MEM_ADDR, 0));
}

static void fields_that_cannot_be_sent_are_not_written(void **state)
{
	static const __u32 unknown[] = { 2, 3, 8, 9, 12, 31, 32, 0xffffffff };
	struct fastrpc_ctl ctl;
	__u32 i;

	for (i = 0; i < LEN(unknown); i++) {
		ctl = *CREATE;
		ctl.method = unknown[i];
		assert_not_written(ctl);
	}
	ctl = *CREATE;
	ctl.name = NULL;
	assert_not_written(ctl);
	ctl = *CREATE;
	ctl.file_len = 0;
	assert_not_written(ctl);
	ctl = *CREATE;
	ctl.file_addr = STREAM + 0xffffffff;
	assert_not_written(ctl);
	ctl = *MEM_MAP;
	ctl.key = -1;
	assert_not_written(ctl);
	ctl = *MEM_MAP;
	ctl.offset = 0x80000000;
	assert_not_written(ctl);
	ctl = calls[7];
	ctl.key = -2147483647 - 1;
	assert_not_written(ctl);
}

/* --- refusals of the reader --- */

static void only_known_calls_of_handle_1_are_read(void **state)
{
	const __u32 known = 1 << 0 | 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 10 | 1 << 11;
	__u32 method;

	assert_int_equal(write_call(MMAP), 0);
	msg.handle = FASTRPC_HANDLE_UTIL;
	assert_int_equal(read_call(), -EBADMSG);
	msg.handle = FASTRPC_HANDLE_PROCESS;
	for (method = 0; method < 32; method++) {
		msg.sc = fastrpc_sc(0, method, 9, 9, 0, 0);
		assert_int_equal(read_call(), known >> method & 1 ? -EBADMSG : -EOPNOTSUPP);
	}
}

static void scalars_other_than_the_methods_are_refused(void **state)
{
	__u32 i, bit;

	for (i = 0; i < LEN(calls); i++) {
		assert_int_equal(write_call(&calls[i]), 0);
		for (bit = 0; bit < 32; bit++) {
			if (bit >= 24 && bit < 29)
				continue;
			msg.sc ^= 1u << bit;
			assert_int_equal(read_call(), -EBADMSG);
			msg.sc ^= 1u << bit;
		}
		assert_int_equal(read_call(), 0);
	}
}

/* A word of argument `arg` that is bent, and the answer; argument -1 is the metadata. */
struct bend {
	const struct fastrpc_ctl *call;
	int arg;
	__u32 at;
	__u64 word;
	int err;
};

static void assert_bends(const struct bend *bends, __u32 n)
{
	__u32 i, at;

	for (i = 0; i < n; i++) {
		assert_int_equal(write_call(bends[i].call), 0);
		at = bends[i].at + (bends[i].arg < 0 ? 0 : argument(bends[i].arg));
		assert_true(load64(payload, at) != bends[i].word);
		store64(payload, at, bends[i].word);
		if (read_call() != bends[i].err)
			fail_msg("bend %u: %d, expected %d", i, read_call(), bends[i].err);
	}
}

static void bodies_that_do_not_fit_are_refused(void **state)
{
	static const struct bend bends[] = {
		/* MMAP: bytes of the page list */
		{ MMAP, 0, 16, 0, -EBADMSG },
		{ MMAP, 0, 16, 32, -EBADMSG },
		{ MMAP, 0, 16, 0xfffffff0, -EBADMSG },
		/* CREATE: lengths of name and image, number of pages */
		{ CREATE, 0, 0, 0x0000000600000009, -EBADMSG },
		{ CREATE, 0, 0, 0xffffffff00000009, -EBADMSG },
		{ CREATE, 0, 8, 0x0000000100012344, -EBADMSG },
		{ CREATE, 0, 8, 0x0000000100000000, -EBADMSG },
		{ CREATE, 0, 8, 0x0000000200012345, -EBADMSG },
		{ CREATE, 0, 8, 0x0000000000012345, -EBADMSG },
		/* MEM_MAP: key, offset, bytes of the page list, extra data */
		{ MEM_MAP, 0, 0, 0xffffffff0000000b, -EBADMSG },
		{ MEM_MAP, 0, 8, 0x0000000280000000, -EBADMSG },
		{ MEM_MAP, 0, 24, 15, -EBADMSG },
		{ MEM_MAP, 0, 24, 0x0000000100000010, -EBADMSG },
		/* MEM_UNMAP: key */
		{ &calls[7], 0, 0, 0x800000000000000c, -EBADMSG },
	};

	assert_bends(bends, LEN(bends));
}

static void page_lists_that_do_not_fit_are_refused(void **state)
{
	static const struct bend bends[] = {
		{ MMAP, 1, 0, MEM_ADDR + 0x800, -EBADMSG },
		{ MMAP, 1, 0, MEM_ADDR + (1ull << 32), -EFAULT },
		{ MMAP, 1, 0, 0, -EFAULT },
		{ MMAP, 1, 0, STREAM + 0xffffe000, -EBADMSG },
		{ MMAP, 1, 8, 0, -EBADMSG },
		{ MMAP, 1, 8, 0x2fff, -EBADMSG },
		{ MMAP, 1, 8, 1ull << 32, -EBADMSG },
		{ MMAP, 1, 8, ~0ull << 12, -EBADMSG },
		{ MEM_MAP, 1, 8, 0, -EBADMSG },
		{ CREATE, 3, 8, 0, 0 },
		{ CREATE, 3, 8, 1, -EBADMSG },
		{ CREATE, 3, 0, 0, -EFAULT },
	};

	assert_bends(bends, LEN(bends));
}

/* A descriptor whose pv and pages agree, but which points where no body or answer can be. */
static void assert_refused_at(const struct fastrpc_ctl *call, __u32 arg, __u32 length, __u32 addr,
			      int err)
{
	__u32 n;

	assert_int_equal(write_call(call), 0);
	n = fastrpc_sc_args(msg.sc);
	store64(payload, 16 * arg, addr);
	store64(payload, 16 * arg + 8, length);
	store64(payload, 24 * n + 16 * arg, STREAM + addr / 4096 * 4096);
	store64(payload, 24 * n + 16 * arg + 8,
		((__u64)addr + length + 4095) / 4096 * 4096 - addr / 4096 * 4096);
	assert_int_equal(read_call(), err);
}

static void arguments_outside_the_payload_are_refused(void **state)
{
	static const struct {
		const struct fastrpc_ctl *call;
		__u32 arg, length;
	} args[] = { { MMAP, 0, 24 },	{ MMAP, 1, 16 },    { MMAP, 2, 8 },
		     { CREATE, 1, 7 },	{ CREATE, 3, 16 },  { MEM_MAP, 0, 32 },
		     { MEM_MAP, 1, 16 }, { MEM_MAP, 3, 8 }, { &calls[0], 0, 4 } };
	const __u32 begin = (__u32)PAYLOAD_ADDR, end = begin + FASTRPC_CTL_PAYLOAD;
	__u32 i;

	for (i = 0; i < LEN(args); i++) {
		assert_refused_at(args[i].call, args[i].arg, args[i].length, 0, -EBADMSG);
		assert_refused_at(args[i].call, args[i].arg, args[i].length, begin - 1, -EBADMSG);
		assert_refused_at(args[i].call, args[i].arg, args[i].length, end, -EBADMSG);
		assert_refused_at(args[i].call, args[i].arg, args[i].length,
				  end - args[i].length + 1, -EBADMSG);
		assert_refused_at(args[i].call, args[i].arg, args[i].length,
				  0xffffffff - args[i].length, -EBADMSG);
		/* too long or too short where it lies */
		assert_refused_at(args[i].call, args[i].arg, args[i].length + 1, begin + 2048,
				  -EBADMSG);
		assert_refused_at(args[i].call, args[i].arg, args[i].length - 1, begin + 2048,
				  -EBADMSG);
	}
	/* at the very end is inside */
	assert_refused_at(MMAP, 2, 8, end - 8, 0);
	assert_int_equal(read_rsp.offset, FASTRPC_CTL_PAYLOAD - 8);
}

static void names_that_do_not_fit_are_refused(void **state)
{
	const __u32 lengths[] = { 0, 129, 1000 };
	__u32 i;

	for (i = 0; i < LEN(lengths); i++) {
		assert_int_equal(write_call(CREATE), 0);
		store64(payload, 16 + 8, lengths[i]);
		if (!lengths[i])
			store64(payload, 16 * 4 + 8, 1ull << 32);
		store64(payload, argument(0), 9 | (__u64)lengths[i] << 32);
		assert_int_equal(read_call(), -EBADMSG);
		assert_string_equal(name, "");
	}
}

/* An empty argument has address 0, which is inside a payload that begins there. */
static void empty_name_or_image_is_refused_also_at_address_0(void **state)
{
	__u32 arg, sc;

	for (arg = 1; arg <= 2; arg++) {
		assert_int_equal(fastrpc_ctl_write(payload, STREAM, CREATE, &sc, &written_rsp), 0);
		fastrpc_request(&msg, 0, 99, fastrpc_ctx(1, 1, 0), FASTRPC_HANDLE_PROCESS, sc,
				STREAM, FASTRPC_CTL_PAYLOAD);
		assert_int_equal(read_call(), 0);
		store64(payload, 16 * arg + 8, 0);
		store64(payload, 16 * 4 + 8 * arg, (__u64)arg << 32);
		if (arg == 1)
			store64(payload, load64(payload, 0), 9);
		else
			store64(payload, load64(payload, 0) + 8, 1ull << 32);
		assert_int_equal(read_call(), -EBADMSG);
	}
}

static void every_byte_is_loaded_once(void **state)
{
	__u32 i;
	int err;

	if (!LOAD_COUNT_WORKS)
		skip();
	for (i = 0; i < LEN(calls); i++) {
		assert_int_equal(write_call(&calls[i]), 0);
		load_count_start(payload, sizeof(payload));
		err = fastrpc_ctl_read(&msg, payload, sizeof(payload), &got, name, &read_rsp);
		load_count_stop();
		assert_int_equal(err, 0);
		assert_int_equal(load_count_most(), 1);
		assert_true(load_count_addresses() >= 6 + 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attach_and_release_carry_the_client),
		cmocka_unit_test(mmap_is_as_firmware_reads_it),
		cmocka_unit_test(munmap_is_as_firmware_reads_it),
		cmocka_unit_test(create_is_as_firmware_reads_it),
		cmocka_unit_test(create_with_attributes_is_create_attr),
		cmocka_unit_test(mem_map_is_as_firmware_reads_it),
		cmocka_unit_test(mem_unmap_is_as_firmware_reads_it),
		cmocka_unit_test(the_rest_of_the_page_is_zero),
		cmocka_unit_test(every_method_comes_back_as_written),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(a_name_without_terminator_gets_one),
		cmocka_unit_test(memory_that_is_not_pages_of_a_bank_is_not_written),
		cmocka_unit_test(fields_that_cannot_be_sent_are_not_written),
		cmocka_unit_test(only_known_calls_of_handle_1_are_read),
		cmocka_unit_test(scalars_other_than_the_methods_are_refused),
		cmocka_unit_test(bodies_that_do_not_fit_are_refused),
		cmocka_unit_test(page_lists_that_do_not_fit_are_refused),
		cmocka_unit_test(arguments_outside_the_payload_are_refused),
		cmocka_unit_test(names_that_do_not_fit_are_refused),
		cmocka_unit_test(empty_name_or_image_is_refused_also_at_address_0),
		cmocka_unit_test(every_byte_is_loaded_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
