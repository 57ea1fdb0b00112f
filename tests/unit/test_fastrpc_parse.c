// SPDX-License-Identifier: BSD-3-Clause
/*
 * driver/fastrpc, DSP side: what the host wrote is read back as it was meant, and what no honest
 * host writes is refused, also while it changes under the reader.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fastrpc_table.h"
#include "load_count.h"

#define PAYLOAD_SIZE 32768
#define STREAM	     0x700000000ull
#define PAYLOAD_ADDR (STREAM + 0x10000)

static char payload[PAYLOAD_SIZE] __attribute__((aligned(4096)));
static struct fastrpc_place places[FASTRPC_MAX_ARGS];
static struct fastrpc_dsp_arg parsed[FASTRPC_MAX_ARGS + 1];
static __u16 order[FASTRPC_MAX_BUFS];
static struct fastrpc_msg msg;

static void write_payload(__u32 sc, const struct fastrpc_arg *args)
{
	__u32 size;

	memset(payload, 0xa5, sizeof(payload));
	assert_int_equal(fastrpc_check(sc, args, fastrpc_sc_args(sc)), 0);
	assert_int_equal(fastrpc_plan(sc, args, fastrpc_meta_size(sc), sizeof(payload), places,
				      order, &size),
			 0);
	fastrpc_write_meta(payload, PAYLOAD_ADDR, sc, args, places);
	fastrpc_request(&msg, 1, 2, fastrpc_ctx(3, 4, 1), 5, sc, PAYLOAD_ADDR, size);
}

static int parse(void)
{
	memset(parsed, 0xa5, sizeof(parsed));
	return fastrpc_parse(&msg, payload, sizeof(payload), parsed);
}

static void assert_parsed(__u32 i, struct fastrpc_dsp_arg expected)
{
	assert_memory_equal(&parsed[i], &expected, sizeof(expected));
}

/* One argument of each sort; the words that the tests below bend are named by their offset. */
#define SC	    fastrpc_sc(0, 3, 3, 1, 2, 1)
#define N	    7
#define PV(i)	    (16 * (i))
#define LENGTH(i)   (16 * (i) + 8)
#define INVOKE(i)   (16 * N + 8 * (i)) /* num below, index above */
#define PAGE(i)	    (24 * N + 16 * (i))
#define PAGE_LEN(i) (24 * N + 16 * (i) + 8)

enum { IN_INLINE, IN_BUFFER, IN_EMPTY, OUT_INLINE, IN_KEY, IN_NUMBER, OUT_HANDLE };

static const struct fastrpc_arg table[N] = {
	[IN_INLINE] = { .kind = FASTRPC_ARG_INLINE, .addr = 0x2000, .length = 5 },
	[IN_BUFFER] = { .kind = FASTRPC_ARG_BUFFER, .addr = STREAM + 0xfff, .length = 4098 },
	[IN_EMPTY] = { .kind = FASTRPC_ARG_BUFFER, .addr = STREAM + 0x123, .length = 0 },
	[OUT_INLINE] = { .kind = FASTRPC_ARG_INLINE, .addr = 0x1000, .length = 4000 },
	[IN_KEY] = { .kind = FASTRPC_ARG_KEY, .addr = STREAM + 0x30000, .key = 0x7fffffff,
		     .offset = 0x123, .length = 0x456, .size = 0x1000 },
	[IN_NUMBER] = { .kind = FASTRPC_ARG_NUMBER, .addr = 0xfedcba9876543210 },
	[OUT_HANDLE] = { .kind = FASTRPC_ARG_NUMBER, .addr = 0 },
};

static void what_the_host_writes_the_dsp_reads(void **state)
{
	write_payload(SC, table);
	assert_int_equal(parse(), 0);
	assert_parsed(IN_INLINE, (struct fastrpc_dsp_arg){ .kind = FASTRPC_ARG_BUFFER,
							   .addr = 0x10000 + 0x1300,
							   .length = 5 });
	assert_parsed(IN_BUFFER, (struct fastrpc_dsp_arg){ .kind = FASTRPC_ARG_BUFFER,
							   .addr = 0xfff,
							   .length = 4098 });
	assert_parsed(IN_EMPTY, (struct fastrpc_dsp_arg){ .kind = FASTRPC_ARG_BUFFER });
	assert_parsed(OUT_INLINE, (struct fastrpc_dsp_arg){ .kind = FASTRPC_ARG_BUFFER,
							    .addr = 0x10000 + 0x300,
							    .length = 4000 });
	assert_parsed(IN_KEY, (struct fastrpc_dsp_arg){ .kind = FASTRPC_ARG_KEY,
							.key = 0x7fffffff,
							.offset = 0x123,
							.length = 0x456 });
	assert_parsed(IN_NUMBER, (struct fastrpc_dsp_arg){ .kind = FASTRPC_ARG_NUMBER,
							   .number = 0xfedcba9876543210 });
	assert_parsed(OUT_HANDLE, (struct fastrpc_dsp_arg){ .kind = FASTRPC_ARG_NUMBER });
	/* and nothing behind the last */
	assert_true(load64(&parsed[N], 0) == 0xa5a5a5a5a5a5a5a5ull);
}

static void a_call_without_arguments_needs_no_payload(void **state)
{
	fastrpc_request(&msg, 1, 2, 3, 4, fastrpc_sc(0, 9, 0, 0, 0, 0), 0, 0);
	assert_int_equal(fastrpc_parse(&msg, NULL, 0, parsed), 0);
}

static struct fastrpc_arg random_arg(__u64 *seed, __u32 group)
{
	static const __u32 kinds[3][2] = { { FASTRPC_ARG_INLINE, FASTRPC_ARG_BUFFER },
					   { FASTRPC_ARG_KEY, FASTRPC_ARG_NUMBER },
					   { FASTRPC_ARG_NUMBER, FASTRPC_ARG_NUMBER } };

	switch (kinds[group][below(seed, 2)]) {
	case FASTRPC_ARG_INLINE:
		return INLINE(next_random(seed) >> 8, below(seed, 8) ? below(seed, 40) : 0);
	case FASTRPC_ARG_BUFFER:
		return BUFFER(STREAM + (next_random(seed) & 0x7fffffff), below(seed, 1 << 30));
	case FASTRPC_ARG_KEY:
		return KEY(next_random(seed) & 0x7fffffff, STREAM, below(seed, 1 << 20),
			   below(seed, 1 << 20), 1 << 21);
	default:
		return NUMBER(group == 2 ? 0 : next_random(seed));
	}
}

static void assert_parsed_as_written(__u32 i, const struct fastrpc_arg *arg)
{
	struct fastrpc_dsp_arg want = { .kind = arg->kind };

	switch (arg->kind) {
	case FASTRPC_ARG_INLINE:
		want.kind = FASTRPC_ARG_BUFFER;
		want.length = arg->length;
		want.addr = arg->length ? (__u32)PAYLOAD_ADDR + places[i].offset : 0;
		break;
	case FASTRPC_ARG_BUFFER:
		want.length = arg->length;
		want.addr = arg->length ? (__u32)arg->addr : 0;
		break;
	case FASTRPC_ARG_KEY:
		want.key = arg->key;
		want.offset = arg->offset;
		want.length = arg->length;
		break;
	case FASTRPC_ARG_NUMBER:
		want.number = arg->addr;
		break;
	}
	assert_parsed(i, want);
}

static void random_tables_come_back_as_written(void **state)
{
	static struct fastrpc_arg args[FASTRPC_MAX_ARGS];
	__u64 seed = 0x2545f4914f6cdd1dull;
	__u32 round, sc, i, group;

	for (round = 0; round < 20000; round++) {
		sc = fastrpc_sc(below(&seed, 8), below(&seed, 32), below(&seed, 16),
				below(&seed, 16), below(&seed, 16), below(&seed, 16));
		for (i = 0; i < fastrpc_sc_args(sc); i++) {
			group = (i >= fastrpc_sc_bufs(sc)) +
				(i >= fastrpc_sc_bufs(sc) + fastrpc_sc_in_handles(sc));
			args[i] = random_arg(&seed, group);
		}
		write_payload(sc, args);
		assert_int_equal(parse(), 0);
		for (i = 0; i < fastrpc_sc_args(sc); i++)
			assert_parsed_as_written(i, &args[i]);
	}
}

static void fill_whole_table(struct fastrpc_arg *args)
{
	__u32 i;

	for (i = 0; i < FASTRPC_MAX_ARGS; i++) {
		if (i < FASTRPC_MAX_BUFS)
			args[i] = INLINE(7 * i, 9);
		else
			args[i] = i < FASTRPC_MAX_BUFS + 15 ? NUMBER(~0ull - i) : NUMBER(0);
	}
}

static void all_540_arguments_come_back_as_written(void **state)
{
	static struct fastrpc_arg args[FASTRPC_MAX_ARGS];
	__u32 i;

	fill_whole_table(args);
	write_payload(0xffffffff, args);
	assert_int_equal(parse(), 0);
	for (i = 0; i < FASTRPC_MAX_ARGS; i++)
		assert_parsed_as_written(i, &args[i]);
	assert_true(load64(&parsed[FASTRPC_MAX_ARGS], 0) == 0xa5a5a5a5a5a5a5a5ull);
}

static void sizes_that_do_not_fit_are_refused(void **state)
{
	static const struct {
		__u64 addr, size, readable;
		int err;
	} cases[] = {
		{ PAYLOAD_ADDR, 8192, 8192, 0 },
		{ PAYLOAD_ADDR, 4096, 4096, 0 }, /* data behind it is found by its own pages */
		{ PAYLOAD_ADDR, 8192, 8191, -EBADMSG },
		{ PAYLOAD_ADDR, 8192, 0, -EBADMSG },
		{ PAYLOAD_ADDR, 8192, ~0ull, 0 },
		{ PAYLOAD_ADDR, 0, ~0ull, -EBADMSG },
		{ PAYLOAD_ADDR, 8191, ~0ull, -EBADMSG },
		{ PAYLOAD_ADDR, 1ull << 31, ~0ull, 0 },
		{ PAYLOAD_ADDR, (1ull << 32) - 0x10000, ~0ull, 0 },
		{ PAYLOAD_ADDR, (1ull << 32) - 0xf000, ~0ull, -EBADMSG },
		{ PAYLOAD_ADDR, 1ull << 32, ~0ull, -EBADMSG },
		{ PAYLOAD_ADDR, 1ull << 63, ~0ull, -EBADMSG },
		{ PAYLOAD_ADDR, ~0ull << 12, ~0ull, -EBADMSG },
		{ PAYLOAD_ADDR, ~0ull, ~0ull, -EBADMSG },
		{ PAYLOAD_ADDR + 1, 8192, 8192, -EBADMSG },
		{ PAYLOAD_ADDR + 2048, 8192, 8192, -EBADMSG },
		{ STREAM, 8192, 8192, 0 },
		{ STREAM + 0xffffe000, 8192, 8192, 0 },
		{ STREAM + 0xfffff000, 8192, 8192, -EBADMSG },
		{ 0, 8192, 8192, -EBADMSG },
		{ ~0ull, 8192, 8192, -EBADMSG },
	};
	__u32 i;

	write_payload(SC, table);
	for (i = 0; i < LEN(cases); i++) {
		msg.addr = cases[i].addr;
		msg.size = cases[i].size;
		assert_int_equal(fastrpc_parse(&msg, payload, cases[i].readable, parsed),
				 cases[i].err);
	}
}

static void metadata_must_fit_into_the_size(void **state)
{
	static struct fastrpc_arg args[FASTRPC_MAX_ARGS];

	fill_whole_table(args);
	write_payload(0xffffffff, args);
	msg.size = 6 * 4096; /* of 21984 bytes metadata */
	assert_int_equal(parse(), 0);
	msg.size = 5 * 4096;
	assert_int_equal(parse(), -EBADMSG);
}

/* Each line bends one word of a good payload. */
static void descriptors_that_do_not_fit_are_refused(void **state)
{
	static const struct {
		__u32 at;
		__u64 word;
		int err;
	} cases[] = {
		/* length: other than the pages say, beyond any bank, or zero with a page */
		{ LENGTH(IN_BUFFER), 4099, 0 },
		{ LENGTH(IN_BUFFER), 8193, 0 },
		{ LENGTH(IN_BUFFER), 8194, -EBADMSG },
		{ LENGTH(IN_BUFFER), 4097, -EBADMSG },
		{ LENGTH(IN_BUFFER), 0, -EBADMSG },
		{ LENGTH(IN_BUFFER), 1ull << 31, -EBADMSG },
		{ LENGTH(IN_BUFFER), 0xffffffff, -EBADMSG },
		{ LENGTH(IN_BUFFER), 1ull << 32, -EBADMSG },
		{ LENGTH(IN_BUFFER), (1ull << 32) + 4098, -EBADMSG },
		{ LENGTH(IN_BUFFER), 1ull << 63, -EBADMSG },
		{ LENGTH(IN_BUFFER), ~0ull, -EBADMSG },
		{ LENGTH(IN_EMPTY), 1, -EBADMSG },
		/* pv: another page, or a host pointer with the right low bits */
		{ PV(IN_BUFFER), 0x1fff, -EBADMSG },
		{ PV(IN_BUFFER), 0xffe, -EBADMSG },
		{ PV(IN_BUFFER), STREAM + 0xfff, -EBADMSG },
		{ PV(IN_BUFFER), 0xffff888000000fffull, -EBADMSG },
		{ PV(IN_BUFFER), 0, -EBADMSG },
		/* number and index of pages */
		{ INVOKE(IN_BUFFER), 0x100000000ull, -EBADMSG },
		{ INVOKE(IN_BUFFER), 0x100000002ull, -EBADMSG },
		{ INVOKE(IN_BUFFER), 0x1ffffffffull, -EBADMSG },
		{ INVOKE(IN_BUFFER), 0x000000001ull, -EBADMSG },
		{ INVOKE(IN_BUFFER), 0x700000001ull, -EBADMSG },
		{ INVOKE(IN_BUFFER), 0xffffffff00000001ull, -EBADMSG },
		{ INVOKE(IN_EMPTY), 0x200000001ull, -EBADMSG },
		{ INVOKE(IN_EMPTY), 0x300000000ull, -EBADMSG },
		/* pages: not whole, too few, too many, elsewhere */
		{ PAGE(IN_BUFFER), STREAM + 1, -EBADMSG },
		{ PAGE(IN_BUFFER), STREAM + 0x1000, -EBADMSG },
		{ PAGE(IN_BUFFER), 0, -EFAULT },
		{ PAGE(IN_BUFFER), STREAM + (1ull << 32), -EFAULT },
		{ PAGE(IN_BUFFER), ~0ull << 32, -EFAULT },
		{ PAGE_LEN(IN_BUFFER), 4096, -EBADMSG },
		{ PAGE_LEN(IN_BUFFER), 8192, -EBADMSG },
		{ PAGE_LEN(IN_BUFFER), 12289, -EBADMSG },
		{ PAGE_LEN(IN_BUFFER), 16384, -EBADMSG },
		{ PAGE_LEN(IN_BUFFER), 0, -EBADMSG },
		{ PAGE_LEN(IN_BUFFER), ~0ull, -EBADMSG },
		/* key: negative, or a range that no buffer has */
		{ PV(IN_KEY), 0x0000012380000000ull, -EBADMSG },
		{ PV(IN_KEY), 0x00000123ffffffffull, -EBADMSG },
		{ PV(IN_KEY), 0xfffffbaa00000000ull, 0 },
		{ PV(IN_KEY), 0xfffffbab00000000ull, -EBADMSG },
		{ LENGTH(IN_KEY), 0xfffffedd, 0 },
		{ LENGTH(IN_KEY), 0xfffffede, -EBADMSG },
		{ LENGTH(IN_KEY), 0x100000456ull, -EBADMSG },
		{ INVOKE(IN_KEY), 0x400000002ull, -EBADMSG },
		{ INVOKE(IN_KEY), 0x500000001ull, -EBADMSG },
		/* a key's pages are the caller's table to know; a number has no second word */
		{ PAGE(IN_KEY), ~0ull, 0 },
		{ LENGTH(IN_NUMBER), 1, -EBADMSG },
		{ INVOKE(IN_NUMBER), 0x400000000ull, -EBADMSG },
		{ PAGE(IN_NUMBER), ~0ull, 0 },
		/* an out handle is not read at all */
		{ PV(OUT_HANDLE), ~0ull, 0 },
		{ INVOKE(OUT_HANDLE), ~0ull, 0 },
	};
	__u64 was;
	__u32 i;

	write_payload(SC, table);
	/* Of every word only one reading is right: a case of err 0 differs from it on purpose. */
	for (i = 0; i < LEN(cases); i++) {
		was = load64(payload, cases[i].at);
		assert_true(was != cases[i].word);
		store64(payload, cases[i].at, cases[i].word);
		if (parse() != cases[i].err)
			fail_msg("case %u: %d, expected %d", i, parse(), cases[i].err);
		store64(payload, cases[i].at, was);
	}
	assert_int_equal(parse(), 0);
}

static void a_buffer_ends_at_the_end_of_the_bank(void **state)
{
	const __u32 sc = fastrpc_sc(0, 0, 1, 0, 0, 0);
	const struct fastrpc_arg last = BUFFER(STREAM + 0xfffff000, 4096);

	write_payload(sc, &last);
	assert_int_equal(parse(), 0);
	assert_int_equal(parsed[0].addr, 0xfffff000);
	store64(payload, 8, 4097);
	store64(payload, 24 + 8, 8192);
	assert_int_equal(parse(), -EFAULT);
}

static void every_word_is_loaded_once(void **state)
{
	static struct fastrpc_arg args[FASTRPC_MAX_ARGS];
	int err;

	if (!LOAD_COUNT_WORKS)
		skip();
	fill_whole_table(args);
	args[FASTRPC_MAX_BUFS] = KEY(5, STREAM, 0, 1, 4096);
	args[3] = INLINE(0, 0);
	write_payload(0xffffffff, args);
	load_count_start(payload, sizeof(payload));
	err = fastrpc_parse(&msg, payload, sizeof(payload), parsed);
	load_count_stop();
	assert_int_equal(err, 0);
	assert_int_equal(load_count_most(), 1);
	/* six words a buffer, four an empty one or an in handle, one an out handle */
	assert_int_equal(load_count_addresses(), 509 * 6 + 4 + 15 * 4 + 15);
}

static int writer_stops;

/* Write good words and random ones over all metadata, over and over. */
static void *scribble(void *good)
{
	__u64 seed = 0x853c49e6748fea9bull;
	__u32 at;

	while (!__atomic_load_n(&writer_stops, __ATOMIC_RELAXED)) {
		at = below(&seed, fastrpc_meta_size(SC) / 8) * 8;
		store64(payload, at, next_random(&seed) >> below(&seed, 64));
		store64(payload, at, load64(good, at));
	}
	return NULL;
}

static void assert_in_bounds(const struct fastrpc_dsp_arg *arg)
{
	if (arg->kind == FASTRPC_ARG_BUFFER)
		assert_true((__u64)arg->addr + arg->length <= 1ull << 32);
	else if (arg->kind == FASTRPC_ARG_KEY)
		assert_true(arg->key <= 0x7fffffff &&
			    (__u64)arg->offset + arg->length <= 1ull << 32);
	else
		assert_int_equal(arg->kind, FASTRPC_ARG_NUMBER);
}

static void a_writer_beside_the_reader_changes_results_not_bounds(void **state)
{
	static char good[4096];
	pthread_t writer;
	__u32 round, i, refused = 0, accepted = 0;
	int err;

	write_payload(SC, table);
	memcpy(good, payload, sizeof(good));
	writer_stops = 0;
	assert_int_equal(pthread_create(&writer, NULL, scribble, good), 0);
	for (round = 0; round < 20000000 && (refused < 1000 || accepted < 1000); round++) {
		err = parse();
		assert_true(err == 0 || err == -EBADMSG || err == -EFAULT);
		refused += err != 0;
		accepted += err == 0;
		for (i = 0; !err && i < N; i++)
			assert_in_bounds(&parsed[i]);
	}
	__atomic_store_n(&writer_stops, 1, __ATOMIC_RELAXED);
	pthread_join(writer, NULL);
	assert_true(refused >= 1000 && accepted >= 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_host_writes_the_dsp_reads),
		cmocka_unit_test(a_call_without_arguments_needs_no_payload),
		cmocka_unit_test(random_tables_come_back_as_written),
		cmocka_unit_test(all_540_arguments_come_back_as_written),
		cmocka_unit_test(sizes_that_do_not_fit_are_refused),
		cmocka_unit_test(metadata_must_fit_into_the_size),
		cmocka_unit_test(descriptors_that_do_not_fit_are_refused),
		cmocka_unit_test(a_buffer_ends_at_the_end_of_the_bank),
		cmocka_unit_test(every_word_is_loaded_once),
		cmocka_unit_test(a_writer_beside_the_reader_changes_results_not_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
