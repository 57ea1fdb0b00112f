// SPDX-License-Identifier: BSD-3-Clause
/*
 * Writes the first inputs of the fastrpc fuzzers: seed_fastrpc PARSE_DIR PLAN_DIR. Good calls, for
 * a fuzzer to bend: by itself it would hardly find a table whose counts, pages and lengths agree.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "../unit/fastrpc_table.h"

#define STREAM 0x300000000ull
#define SIZE   32768

static char payload[SIZE] __attribute__((aligned(4096)));
static const char *parse_dir, *plan_dir;

static void save(const char *dir, const char *name, const void *head, size_t n_head,
		 const void *body, size_t n_body)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "wb");
	if (!file || fwrite(head, 1, n_head, file) != n_head ||
	    fwrite(body, 1, n_body, file) != n_body || fclose(file)) {
		perror(path);
		exit(1);
	}
}

static void seed_table(const char *name, __u32 sc, const struct fastrpc_arg *args)
{
	static struct fastrpc_place places[FASTRPC_MAX_ARGS];
	static __u16 order[FASTRPC_MAX_BUFS];
	const __u32 header[3] = { sc, fastrpc_meta_size(sc), SIZE };
	struct fastrpc_msg msg;
	__u32 size;

	save(plan_dir, name, header, sizeof(header), args, fastrpc_sc_args(sc) * sizeof(*args));
	memset(payload, 0, sizeof(payload));
	if (fastrpc_check(sc, args, fastrpc_sc_args(sc)) ||
	    fastrpc_plan(sc, args, header[1], SIZE, places, order, &size))
		abort();
	fastrpc_write_meta(payload, STREAM + 0x1000, sc, args, places);
	fastrpc_request(&msg, 1, 1, fastrpc_ctx(1, 1, 1), 9, sc, STREAM + 0x1000, size);
	save(parse_dir, name, &msg, sizeof(msg), payload, msg.size);
}

static void seed_tables(void)
{
	const struct fastrpc_arg apart[] = { INLINE(0x1000, 100), INLINE(0x2000, 200),
					     INLINE(0x3000, 300) };
	const struct fastrpc_arg overlapping[] = { INLINE(100, 50), INLINE(120, 10),
						   INLINE(140, 50), INLINE(190, 5) };
	const struct fastrpc_arg mixed[] = { INLINE(0x1000, 5),
					     BUFFER(STREAM + 0x20fff, 4098),
					     INLINE(0x1004, 8),
					     BUFFER(STREAM, 0),
					     KEY(7, STREAM + 0x30000, 16, 32, 4096),
					     NUMBER(~0ull),
					     NUMBER(0) };
	static struct fastrpc_arg whole[FASTRPC_MAX_ARGS];
	__u32 i;

	for (i = 0; i < LEN(whole); i++)
		whole[i] = i < FASTRPC_MAX_BUFS ? INLINE(i * 7, 9) : NUMBER(0);
	seed_table("none", 0, NULL);
	seed_table("apart", fastrpc_sc(0, 2, 2, 1, 0, 0), apart);
	seed_table("overlapping", fastrpc_sc(0, 2, 1, 3, 0, 0), overlapping);
	seed_table("mixed", fastrpc_sc(0, 2, 3, 1, 2, 1), mixed);
	seed_table("whole", 0xffffffff, whole);
}

static void seed_calls(void)
{
	static const __u32 methods[] = { 0, 1, 4, 5, 6, 7, 10, 11 };
	struct fastrpc_ctl ctl = { .client_id = 5, .name = "a name", .file_addr = STREAM + 0x100000,
				   .file_len = 5000, .mem_addr = STREAM + 0x200000,
				   .mem_len = 0x400000, .key = 9, .offset = 0x1000, .flags = 2 };
	struct fastrpc_place rsp;
	struct fastrpc_msg msg;
	char name[32];
	__u32 i, sc;

	for (i = 0; i < LEN(methods); i++) {
		ctl.method = methods[i];
		if (fastrpc_ctl_write(payload, STREAM + 0x1000, &ctl, &sc, &rsp))
			abort();
		fastrpc_request(&msg, 0, 1, fastrpc_ctx(1, 1, 0), 1, sc, STREAM + 0x1000,
				FASTRPC_CTL_PAYLOAD);
		snprintf(name, sizeof(name), "control-%u", methods[i]);
		save(parse_dir, name, &msg, sizeof(msg), payload, FASTRPC_CTL_PAYLOAD);
	}
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s PARSE_DIR PLAN_DIR\n", argv[0]);
		return 2;
	}
	parse_dir = argv[1];
	plan_dir = argv[2];
	mkdir(parse_dir, 0777);
	mkdir(plan_dir, 0777);
	seed_tables();
	seed_calls();
	return 0;
}
