// SPDX-License-Identifier: BSD-3-Clause
/*
 * The DSP side of driver/fastrpc as a fuzzer sees it: 40 bytes of request, then the payload. What
 * is accepted must be within bounds, and an accepted control call must survive being written again.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fastrpc.h"

#define REQUIRE(what)                                                                              \
	do {                                                                                       \
		if (!(what))                                                                       \
			abort();                                                                   \
	} while (0)

static void require_in_bounds(const struct fastrpc_dsp_arg *arg)
{
	switch (arg->kind) {
	case FASTRPC_ARG_BUFFER:
		REQUIRE((__u64)arg->addr + arg->length <= 1ull << 32);
		REQUIRE(arg->length || !arg->addr);
		break;
	case FASTRPC_ARG_KEY:
		REQUIRE(arg->key <= 0x7fffffff);
		REQUIRE((__u64)arg->offset + arg->length <= 1ull << 32);
		break;
	default:
		REQUIRE(arg->kind == FASTRPC_ARG_NUMBER);
	}
}

static void fuzz_parse(const struct fastrpc_msg *msg, const void *payload, size_t size)
{
	const __u32 n = fastrpc_sc_args(msg->sc);
	struct fastrpc_dsp_arg *args = malloc((n ? n : 1) * sizeof(*args));
	__u32 i;

	REQUIRE(args);
	if (!fastrpc_parse(msg, payload, size, args)) {
		for (i = 0; i < n; i++)
			require_in_bounds(&args[i]);
	}
	free(args);
}

/* CREATE with attributes is written as CREATE_ATTR; all else stays as it was read. */
static void require_same(const struct fastrpc_ctl *a, const struct fastrpc_ctl *b)
{
	REQUIRE(a->method == b->method ||
		(a->method == FASTRPC_PROCESS_CREATE && b->method == FASTRPC_PROCESS_CREATE_ATTR));
	REQUIRE(a->client_id == b->client_id && a->flags == b->flags && a->vaddr == b->vaddr);
	REQUIRE(a->file_addr == b->file_addr && a->file_len == b->file_len);
	REQUIRE(a->mem_addr == b->mem_addr && a->mem_len == b->mem_len);
	REQUIRE(a->attrs == b->attrs && a->siglen == b->siglen);
	REQUIRE(a->key == b->key && a->offset == b->offset);
	REQUIRE(!a->name == !b->name && (!a->name || !strcmp(a->name, b->name)));
}

static void fuzz_ctl(const struct fastrpc_msg *msg, const void *payload, size_t size)
{
	static __u64 page[FASTRPC_CTL_PAYLOAD / sizeof(__u64)];
	char name[FASTRPC_CTL_NAME], name_again[FASTRPC_CTL_NAME];
	struct fastrpc_place rsp, written, read;
	struct fastrpc_ctl ctl, again;
	struct fastrpc_msg back;
	__u64 addr;
	__u32 sc;

	if (fastrpc_ctl_read(msg, payload, size, &ctl, name, &rsp))
		return;
	REQUIRE(memchr(name, 0, sizeof(name)));
	REQUIRE((__u64)rsp.offset + rsp.length <= size);
	addr = (msg->addr & ~0xffffffffull) | FASTRPC_PAGE;
	REQUIRE(!fastrpc_ctl_write(page, addr, &ctl, &sc, &written));
	fastrpc_request(&back, 0, 0, 0, FASTRPC_HANDLE_PROCESS, sc, addr, sizeof(page));
	REQUIRE(!fastrpc_ctl_read(&back, page, sizeof(page), &again, name_again, &read));
	REQUIRE(read.offset == written.offset && read.length == written.length);
	require_same(&ctl, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fastrpc_msg msg;
	void *payload;

	if (size < sizeof(msg))
		return -1;
	memcpy(&msg, data, sizeof(msg));
	size -= sizeof(msg);
	payload = malloc(size ? size : 1); /* of this size exactly, so that a byte beyond is seen */
	REQUIRE(payload);
	memcpy(payload, data + sizeof(msg), size);
	fuzz_parse(&msg, payload, size);
	fuzz_ctl(&msg, payload, size);
	free(payload);
	return 0;
}
