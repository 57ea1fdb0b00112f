// SPDX-License-Identifier: BSD-3-Clause
/*
 * The host side of driver/fastrpc as a fuzzer sees it: scalars, head, limit, then arguments. A
 * table that passes the check is laid out, compared pair by pair, written, and read back.
 */
#include <linux/errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fastrpc.h"

#define HEADER 12
#define PAIRS  64	/* arguments that are compared with each other: the time is quadratic */
#define BANK   0xffffffff00000000ull

#define REQUIRE(what)                                                                              \
	do {                                                                                       \
		if (!(what))                                                                       \
			abort();                                                                   \
	} while (0)

static void *alloc(size_t n)
{
	void *memory = calloc(1, n ? n : 1);

	REQUIRE(memory);
	return memory;
}

/* Both see the same bytes of the payload exactly where they saw the same bytes at the caller. */
static void require_pair(const struct fastrpc_arg *args, const struct fastrpc_place *places,
			 __u32 i, __u32 j)
{
	const __u64 a = args[i].addr, b = args[j].addr;
	const __u32 x = places[i].offset, y = places[j].offset;

	if (a < b + args[j].length && b < a + args[i].length)
		REQUIRE(a - b == (__u64)x - (__u64)y);
	else
		REQUIRE(x >= y + places[j].length || y >= x + places[i].length);
}

static void require_places(__u32 sc, const struct fastrpc_arg *args,
			   const struct fastrpc_place *places, __u32 head, __u32 size)
{
	__u32 i, j;

	for (i = 0; i < fastrpc_sc_args(sc); i++) {
		if (args[i].kind != FASTRPC_ARG_INLINE || !args[i].length) {
			REQUIRE(!places[i].offset && !places[i].length);
			continue;
		}
		REQUIRE(places[i].length == args[i].length && places[i].offset >= head);
		REQUIRE((__u64)places[i].offset + places[i].length <= size);
		for (j = 0; j < i && j < PAIRS; j++) {
			if (places[j].length)
				require_pair(args, places, i, j);
		}
	}
}

/* The stream id of the buffers: of the first, if there is one; 0 when they differ. */
static int find_bank(__u32 sc, const struct fastrpc_arg *args, __u64 *bank)
{
	__u32 i, found = 0;

	*bank = BANK;
	for (i = 0; i < fastrpc_sc_bufs(sc); i++) {
		if (args[i].kind != FASTRPC_ARG_BUFFER || !args[i].length)
			continue;
		if (found && *bank != (args[i].addr & BANK))
			return 0;
		*bank = args[i].addr & BANK;
		found = 1;
	}
	return 1;
}

static void require_parsed(const struct fastrpc_arg *arg, const struct fastrpc_place *place,
			   const struct fastrpc_dsp_arg *got, __u64 payload_addr)
{
	switch (arg->kind) {
	case FASTRPC_ARG_INLINE:
	case FASTRPC_ARG_BUFFER:
		REQUIRE(got->kind == FASTRPC_ARG_BUFFER && got->length == arg->length);
		if (!arg->length)
			REQUIRE(!got->addr);
		else if (arg->kind == FASTRPC_ARG_BUFFER)
			REQUIRE(got->addr == (__u32)arg->addr);
		else
			REQUIRE(got->addr == (__u32)payload_addr + place->offset);
		break;
	case FASTRPC_ARG_KEY:
		REQUIRE(got->kind == FASTRPC_ARG_KEY && got->key == arg->key);
		REQUIRE(got->offset == arg->offset && got->length == arg->length);
		break;
	default:
		REQUIRE(got->kind == FASTRPC_ARG_NUMBER);
	}
}

/* Write the metadata into memory of its exact size, and read it as the DSP would. */
static void require_round_trip(__u32 sc, const struct fastrpc_arg *args,
			       const struct fastrpc_place *places, __u32 size)
{
	const __u32 n = fastrpc_sc_args(sc);
	struct fastrpc_dsp_arg *got = alloc(n * sizeof(*got));
	void *payload = alloc(fastrpc_meta_size(sc));
	struct fastrpc_msg msg;
	__u64 addr;
	__u32 i;
	int one_bank, err;

	one_bank = find_bank(sc, args, &addr);
	addr += FASTRPC_PAGE;
	fastrpc_write_meta(payload, addr, sc, args, places);
	fastrpc_request(&msg, 1, 1, fastrpc_ctx(1, 1, 1), 9, sc, addr, size);
	err = fastrpc_parse(&msg, payload, msg.size, got);
	if (msg.size > (1ull << 32) - FASTRPC_PAGE)
		REQUIRE(!n || err);
	else
		REQUIRE(err == (one_bank ? 0 : -EFAULT));
	for (i = 0; !err && i < n; i++)
		require_parsed(&args[i], &places[i], &got[i], addr);
	free(payload);
	free(got);
}

static void fuzz_plan(__u32 sc, __u32 head, __u32 limit, const struct fastrpc_arg *args)
{
	struct fastrpc_place *places = alloc(fastrpc_sc_args(sc) * sizeof(*places));
	__u16 *order = alloc(fastrpc_sc_bufs(sc) * sizeof(*order));
	const __u32 meta = fastrpc_meta_size(sc);
	__u32 size;

	if (!fastrpc_plan(sc, args, head, limit, places, order, &size)) {
		REQUIRE(size <= limit && size >= head);
		require_places(sc, args, places, head, size);
	}
	if (!fastrpc_plan(sc, args, meta, ~0u, places, order, &size))
		require_round_trip(sc, args, places, size);
	free(order);
	free(places);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fastrpc_arg *args;
	__u32 header[3], n;

	if (size < HEADER)
		return -1;
	memcpy(header, data, HEADER);
	size -= HEADER;
	n = size / sizeof(*args);
	args = alloc(n * sizeof(*args));
	memcpy(args, data + HEADER, n * sizeof(*args));
	if (!fastrpc_check(header[0], args, n))
		fuzz_plan(header[0], header[1], header[2], args);
	free(args);
	return 0;
}
