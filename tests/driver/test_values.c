// SPDX-License-Identifier: BSD-3-Clause
/*
 * Every field of every command, one at a time, at every value where a check could be missing; and
 * every pointer at addresses that are not the caller's. What must come back is what the header
 * says. The DSP answers everything with 0 and must never hear of a refused command.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "accel.h"
#include "dsp.h"

static struct dsp dsp;
static int file;		/* with a session */
static uint32_t buffer;		/* of two pages */

static int setup(void **state)
{
	dsp_start(&dsp);
	file = session_open();
	buffer = buffer_new(file, 8192, NULL);
	return 0;
}

static int teardown(void **state)
{
	close(file);
	dsp_stop(&dsp);
	return 0;
}

/* A field of a struct, and what a value that `valid` does not take is refused with. */
struct field {
	const char *name;
	uint32_t offset, size;
	bool (*valid)(uint64_t value);
	int error;
};

#define FIELD(type, member, valid, error) \
	{ #type "." #member, offsetof(struct type, member), sizeof(((struct type *)0)->member), \
	  valid, error }

static bool any(uint64_t value)
{
	return true;
}

static bool zero(uint64_t value)
{
	return value == 0;
}

static bool zero_or_one(uint64_t value)
{
	return value <= 1;
}

static bool buffer_handle(uint64_t value)
{
	return value == buffer;
}

static bool no_or_buffer_handle(uint64_t value)
{
	return value == 0 || value == buffer;
}

static bool page_offset(uint64_t value)
{
	return value == 0;
}

static bool page_size(uint64_t value)
{
	return value == 4096 || value == 8192;
}

static bool one_to_4096(uint64_t value)
{
	return value >= 1 && value <= 8192;
}

static bool at_most_100(uint64_t value)
{
	return value <= 100;
}

static bool key(uint64_t value)
{
	return value <= INT32_MAX;
}

static bool allowed_attrs(uint64_t value)
{
	return (value & ~(uint64_t)(DRM_QDA_ATTR_DEBUG | DRM_QDA_ATTR_PTRACE |
				    DRM_QDA_ATTR_UNSIGNED | DRM_QDA_ATTR_ADAPTIVE_QOS)) == 0;
}

static bool key_attrs(uint64_t value)
{
	return value == 0 || value == 2 || value == 3 || value == 16;
}

static bool user_handle(uint64_t value)
{
	return value != 1 && value != 2;
}

static bool query_type(uint64_t value)
{
	return value <= DRM_QDA_QUERY_BUFFER;
}

static bool pd_kind(uint64_t value)
{
	return value == DRM_QDA_PD_ROOT || value == DRM_QDA_PD_SENSORS;
}

/*
 * Issue `request` with each edge in the field, the rest as in `base`. What is accepted is undone by
 * `undo`, which may look at the struct and whose file is a fresh one when it closed it.
 */
static void try_field(const struct field *f, unsigned long request, const void *base, size_t size,
		      int (*open_file)(void), void (*undo)(int fd, void *arg, int ret))
{
	const uint64_t limit = f->size == 8 ? ~0ull : (1ull << f->size * 8) - 1;
	uint8_t arg[256];

	for (size_t i = 0; i < n_edges; i++) {
		const int fd = open_file();
		int ret;

		if (edges[i] > limit)
			continue;
		memcpy(arg, base, size);
		memcpy(arg + f->offset, &edges[i], f->size);
		ret = accel_ioctl(fd, request, arg);
		if (f->valid(edges[i]) ? ret != 0 : ret != f->error)
			fail_msg("%s = %#llx: %d", f->name, (unsigned long long)edges[i], ret);
		undo(fd, arg, ret);
	}
}

#define TRY(fields, request, base, open_file, undo) \
	for (size_t f = 0; f < DIM(fields); f++) \
	try_field(&fields[f], request, base, sizeof(*(base)), open_file, undo)

static int same_file(void)
{
	return file;
}

static void leave(int fd, void *arg, int ret)
{
}

static void query_fields(void **state)
{
	const struct drm_qda_query base = { .type = DRM_QDA_QUERY_CALLS };
	const struct field fields[] = {
		FIELD(drm_qda_query, type, query_type, -EINVAL),
		FIELD(drm_qda_query, index, zero, -EINVAL),
		FIELD(drm_qda_query, value, any, 0),
	};
	struct drm_qda_query query = { .type = DRM_QDA_QUERY_CAPABILITY, .index = 256 };

	TRY(fields, DRM_IOCTL_QDA_QUERY, &base, same_file, leave);
	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_QUERY, &query), -EINVAL);
	query = (struct drm_qda_query){ .type = DRM_QDA_QUERY_BANKS };
	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_QUERY, &query), 0);
	assert_int_equal(query.value, DSP_BANKS);
	query.type = DRM_QDA_QUERY_BANKS_FREE;
	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_QUERY, &query), 0);
	assert_int_equal(query.value, DSP_BANKS - 1);
}

static uint64_t ask(uint32_t type)
{
	struct drm_qda_query query = { .type = type };

	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_QUERY, &query), 0);
	return query.value;
}

static void create_sizes(void **state)
{
	const uint64_t most = ask(DRM_QDA_QUERY_BUFFER);
	struct drm_qda_gem_create create;

	for (size_t i = 0; i < n_edges; i++) {
		int expected = edges[i] == 0 ? -EINVAL : edges[i] > most ? -E2BIG : 0;

		create = (struct drm_qda_gem_create){ .size = edges[i] };
		assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_GEM_CREATE, &create), expected);
		if (!expected)
			buffer_close(file, create.handle);
	}
	for (uint64_t size = most; size <= most + 1; size++) {
		create = (struct drm_qda_gem_create){ .size = size };
		assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_GEM_CREATE, &create),
				 size > most ? -E2BIG : 0);
		if (size == most)
			buffer_close(file, create.handle);
	}
	create.handle = 0;
	create.size = 4096;
	create.pad = 1;
	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_GEM_CREATE, &create), -EINVAL);
	assert_int_equal(create.handle, 0);
}

static void mmap_offset_fields(void **state)
{
	const struct drm_qda_gem_mmap_offset base = { .handle = buffer };
	const struct field fields[] = {
		FIELD(drm_qda_gem_mmap_offset, handle, buffer_handle, -ENOENT),
		FIELD(drm_qda_gem_mmap_offset, pad, zero, -EINVAL),
		FIELD(drm_qda_gem_mmap_offset, offset, any, 0),
	};

	TRY(fields, DRM_IOCTL_QDA_GEM_MMAP_OFFSET, &base, same_file, leave);
}

/* Each attempt at a session has a file of its own, with two pages under the same handle. */
static int fresh_file(void)
{
	const int fd = accel_open();

	assert_int_equal(buffer_new(fd, 8192, NULL), buffer);
	return fd;
}

static void close_session(int fd, void *arg, int ret)
{
	const unsigned released = dsp_seen(&dsp, FASTRPC_PROCESS_RELEASE);

	close(fd);
	if (ret == 0)
		dsp_wait_seen(&dsp, FASTRPC_PROCESS_RELEASE, released + 1);
}

static void attach_fields(void **state)
{
	const struct drm_qda_init_attach base = { 0 };
	const struct field fields[] = {
		FIELD(drm_qda_init_attach, pd, pd_kind, -EINVAL),
		FIELD(drm_qda_init_attach, flags, zero_or_one, -EINVAL),
		FIELD(drm_qda_init_attach, user_data, zero, -EINVAL),
		FIELD(drm_qda_init_attach, result, any, 0),
		FIELD(drm_qda_init_attach, pad, zero, -EINVAL),
	};

	TRY(fields, DRM_IOCTL_QDA_INIT_ATTACH, &base, fresh_file, close_session);
}

static void create_fields(void **state)
{
	struct drm_qda_init_create base = { .shell = buffer,
					    .shell_size = 100,
					    .attrs = DRM_QDA_ATTR_UNSIGNED,
					    .name = "x" };
	const struct field fields[] = {
		FIELD(drm_qda_init_create, shell, buffer_handle, -ENOENT),
		FIELD(drm_qda_init_create, shell_size, one_to_4096, -EINVAL),
		FIELD(drm_qda_init_create, memory, no_or_buffer_handle, -ENOENT),
		FIELD(drm_qda_init_create, attrs, allowed_attrs, -EINVAL),
		FIELD(drm_qda_init_create, siglen, at_most_100, -EINVAL),
		FIELD(drm_qda_init_create, flags, zero_or_one, -EINVAL),
		FIELD(drm_qda_init_create, user_data, zero, -EINVAL),
		FIELD(drm_qda_init_create, result, any, 0),
		FIELD(drm_qda_init_create, pad, zero, -EINVAL),
	};
	int fd;

	TRY(fields, DRM_IOCTL_QDA_INIT_CREATE, &base, fresh_file, close_session);
	fd = fresh_file();
	memset(base.name, 'x', sizeof(base.name));	/* without its 0 */
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_INIT_CREATE, &base), -EINVAL);
	close(fd);
	assert_int_equal(session_create(file, DRM_QDA_ATTR_UNSIGNED), -EISCONN);
}

/* The key or the address that a MAP made is taken back. */
static void unmap(int fd, void *arg, int ret)
{
	const struct drm_qda_map *map = arg;
	struct drm_qda_unmap unmap = { .kind = map->kind };

	if (ret)
		return;
	if (map->flags & DRM_QDA_ASYNC)
		assert_int_equal(event_next(fd).error, 0);
	if (map->kind == DRM_QDA_MAP_KEY)
		unmap.key = map->key;
	else
		unmap.dsp_addr = map->dsp_addr;
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_UNMAP, &unmap), 0);
}

static void map_fields(void **state)
{
	const struct drm_qda_map base = { .handle = buffer, .key = 9, .size = 4096 };
	const struct field fields[] = {
		FIELD(drm_qda_map, handle, buffer_handle, -ENOENT),
		FIELD(drm_qda_map, key, key, -EINVAL),
		FIELD(drm_qda_map, attrs, key_attrs, -EINVAL),
		FIELD(drm_qda_map, size, page_size, -EINVAL),
		FIELD(drm_qda_map, dsp_addr, any, 0),
		FIELD(drm_qda_map, user_data, zero, -EINVAL),
		FIELD(drm_qda_map, flags, zero_or_one, -EINVAL),
		FIELD(drm_qda_map, result, any, 0),
	};
	const struct drm_qda_map whole = { .handle = buffer, .key = 9, .size = 8192 };
	const struct field offset_fields[] = {
		FIELD(drm_qda_map, offset, page_offset, -EINVAL),
	};
	struct drm_qda_map odd = { .handle = buffer, .kind = 2, .size = 4096 };

	TRY(fields, DRM_IOCTL_QDA_MAP, &base, same_file, unmap);
	TRY(offset_fields, DRM_IOCTL_QDA_MAP, &whole, same_file, unmap);
	for (size_t i = 0; i < n_edges; i++) {
		odd.kind = (uint32_t)edges[i];
		if (odd.kind > 1)
			assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_MAP, &odd), -EINVAL);
	}
}

static void heap_fields(void **state)
{
	const struct drm_qda_map base = { .handle = buffer,
					  .kind = DRM_QDA_MAP_HEAP,
					  .size = 8192 };
	const struct field fields[] = {
		FIELD(drm_qda_map, handle, buffer_handle, -ENOENT),
		FIELD(drm_qda_map, key, zero, -EINVAL),
		FIELD(drm_qda_map, attrs, zero_or_one, -EINVAL),
		FIELD(drm_qda_map, offset, page_offset, -EINVAL),
		FIELD(drm_qda_map, size, page_size, -EINVAL),
		FIELD(drm_qda_map, flags, zero_or_one, -EINVAL),
	};

	for (size_t f = 0; f < DIM(fields); f++) {
		const struct field *field = &fields[f];

		/* asynchronous: the address is in the event, so it is looked at apart */
		if (strstr(field->name, "flags"))
			continue;
		try_field(field, DRM_IOCTL_QDA_MAP, &base, sizeof(base), same_file, unmap);
	}
}

static void unmap_fields(void **state)
{
	struct drm_qda_map map = { .handle = buffer, .key = 77, .size = 4096 };
	struct drm_qda_unmap unmap;

	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_MAP, &map), 0);
	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_MAP, &map), -EEXIST);
	for (size_t i = 0; i < n_edges; i++) {
		const uint32_t low = (uint32_t)edges[i];

		unmap = (struct drm_qda_unmap){ .key = low };
		assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_UNMAP, &unmap),
				 low > INT32_MAX ? -EINVAL : -ENOENT);
		unmap = (struct drm_qda_unmap){ .kind = DRM_QDA_MAP_HEAP, .dsp_addr = edges[i] };
		assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_UNMAP, &unmap), -ENOENT);
		if (low > 1) {
			unmap = (struct drm_qda_unmap){ .kind = low, .key = 77 };
			assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_UNMAP, &unmap), -EINVAL);
			unmap = (struct drm_qda_unmap){ .flags = low, .key = 77 };
			assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_UNMAP, &unmap), -EINVAL);
		}
		if (edges[i]) {
			unmap = (struct drm_qda_unmap){ .key = 77, .dsp_addr = edges[i] };
			assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_UNMAP, &unmap), -EINVAL);
			unmap = (struct drm_qda_unmap){ .key = 77, .user_data = edges[i] };
			assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_UNMAP, &unmap), -EINVAL);
		}
	}
	unmap = (struct drm_qda_unmap){ .key = 77 };
	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_UNMAP, &unmap), 0);
	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_UNMAP, &unmap), -ENOENT);
}

static void invoke_fields(void **state)
{
	const struct drm_qda_invoke base = { .handle = DSP_HANDLE,
					     .sc = DRM_QDA_SC(DSP_SILENT, 0, 0, 0, 0) };
	const struct field fields[] = {
		FIELD(drm_qda_invoke, handle, user_handle, -EPERM),
		FIELD(drm_qda_invoke, args, zero, -EINVAL),
		FIELD(drm_qda_invoke, result, any, 0),
		FIELD(drm_qda_invoke, pad, zero, -EINVAL),
	};

	TRY(fields, DRM_IOCTL_QDA_INVOKE, &base, same_file, leave);
	for (uint32_t attr = 1; attr < 8; attr++)
		assert_int_equal(invoke(file, DSP_HANDLE, base.sc | attr << 29, NULL, NULL),
				 -EINVAL);
}

static void submit_fields(void **state)
{
	const struct drm_qda_submit base = { .handle = DSP_HANDLE,
					     .sc = DRM_QDA_SC(DSP_SILENT, 0, 0, 0, 0) };
	const struct field fields[] = {
		FIELD(drm_qda_submit, handle, user_handle, -EPERM),
		FIELD(drm_qda_submit, args, zero, -EINVAL),
		FIELD(drm_qda_submit, call, any, 0),
		FIELD(drm_qda_submit, flags, zero, -EINVAL),
		FIELD(drm_qda_submit, pad, zero, -EINVAL),
	};
	struct drm_qda_cancel cancel;

	for (size_t f = 0; f < DIM(fields); f++)
		for (size_t i = 0; i < n_edges; i++) {
			struct drm_qda_submit arg = base;
			int ret;

			if (fields[f].size == 4 && edges[i] > UINT32_MAX)
				continue;
			memcpy((uint8_t *)&arg + fields[f].offset, &edges[i], fields[f].size);
			arg.user_data = edges[i];
			ret = accel_ioctl(file, DRM_IOCTL_QDA_SUBMIT, &arg);
			assert_int_equal(ret, fields[f].valid(edges[i]) ? 0 : fields[f].error);
			if (!ret) {
				struct drm_qda_event event = event_next(file);

				assert_true(event.user_data == edges[i]);
				assert_int_equal(event.error, 0);
			}
		}
	assert_true(event_none(file));
	for (size_t i = 0; i < n_edges; i++) {
		cancel.call = edges[i];
		assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_CANCEL, &cancel), -ENOENT);
	}
}

/* One argument of an INVOKE, each member at each edge, for each kind and each group. */
static int expected_of(const struct drm_qda_arg *a, bool in_or_out, bool out)
{
	const uint64_t end = a->offset + a->length;

	if (in_or_out && a->kind == DRM_QDA_ARG_BUFFER) {
		if (a->value)
			return -EINVAL;
		if (a->length == 0)
			return a->offset || a->handle ? 1 : 0;	/* open */
		if (a->handle != buffer)
			return -ENOENT;
		return end < a->offset || end > 8192 ? -EOVERFLOW : 0;
	}
	return -EINVAL;
}

static void buffer_arguments(void **state)
{
	static const uint32_t members[] = {
		offsetof(struct drm_qda_arg, value),  offsetof(struct drm_qda_arg, length),
		offsetof(struct drm_qda_arg, offset), offsetof(struct drm_qda_arg, handle),
		offsetof(struct drm_qda_arg, kind),
	};
	const unsigned controls = dsp_seen(&dsp, FASTRPC_PROCESS_MEM_MAP);

	for (int out = 0; out < 2; out++)
		for (size_t m = 0; m < DIM(members); m++)
			for (size_t i = 0; i < n_edges; i++) {
				struct drm_qda_arg arg = arg_buffer(buffer, 0, 100);
				const size_t size = m < 3 ? 8 : 4;
				const uint32_t sc = DRM_QDA_SC(DSP_SILENT, !out, out, 0, 0);
				int expected, ret;

				if (size == 4 && edges[i] > UINT32_MAX)
					continue;
				memcpy((uint8_t *)&arg + members[m], &edges[i], size);
				if (arg.kind == DRM_QDA_ARG_INLINE)
					continue;	/* see test_invoke */
				expected = expected_of(&arg, true, out);
				ret = invoke(file, DSP_HANDLE, sc, &arg, NULL);
				if (expected <= 0)
					assert_int_equal(ret, expected);
			}
	assert_int_equal(dsp_seen(&dsp, FASTRPC_PROCESS_MEM_MAP), controls);
}

static void handle_arguments(void **state)
{
	const uint32_t in = DRM_QDA_SC(DSP_SILENT, 0, 0, 1, 0);
	const uint32_t out = DRM_QDA_SC(DSP_SILENT, 0, 0, 0, 1);
	struct drm_qda_map map = { .handle = buffer, .key = 5, .size = 8192 };
	struct drm_qda_arg arg;

	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_MAP, &map), 0);
	for (size_t i = 0; i < n_edges; i++) {
		const uint64_t edge = edges[i];

		arg = arg_number(edge);
		assert_int_equal(invoke(file, DSP_HANDLE, in, &arg, NULL), 0);
		assert_int_equal(invoke(file, DSP_HANDLE, out, &arg, NULL),
				 edge <= DRM_QDA_OUT_REMOTE ? 0 : -EINVAL);
		arg = arg_number(0);
		arg.length = edge;
		assert_int_equal(invoke(file, DSP_HANDLE, in, &arg, NULL), edge ? -EINVAL : 0);
		arg = arg_number(0);
		arg.offset = edge;
		assert_int_equal(invoke(file, DSP_HANDLE, in, &arg, NULL), edge ? -EINVAL : 0);
		arg = arg_key((uint32_t)edge, 0, 1);
		assert_int_equal(invoke(file, DSP_HANDLE, in, &arg, NULL),
				 arg.handle > INT32_MAX ? -EINVAL : -ENOENT);
		assert_int_equal(invoke(file, DSP_HANDLE, out, &arg, NULL), -EINVAL);
		arg = arg_key(5, edge, 1);
		assert_int_equal(invoke(file, DSP_HANDLE, in, &arg, NULL),
				 edge < 8192 ? 0 : -EOVERFLOW);
		arg = arg_key(5, 0, edge);
		assert_int_equal(invoke(file, DSP_HANDLE, in, &arg, NULL),
				 edge <= 8192 ? 0 : -EOVERFLOW);
		arg = arg_key(5, 1, edge);
		assert_int_equal(invoke(file, DSP_HANDLE, in, &arg, NULL),
				 edge <= 8191 ? 0 : -EOVERFLOW);
		arg = arg_key(5, 0, 1);
		arg.value = edge;
		assert_int_equal(invoke(file, DSP_HANDLE, in, &arg, NULL), edge ? -EINVAL : 0);
	}
	unmap(file, &map, 0);
}

/* Each command's struct itself at addresses that are not the caller's. */
static void structs_at_bad_addresses(void **state)
{
	static const unsigned long requests[] = {
		DRM_IOCTL_QDA_QUERY,	   DRM_IOCTL_QDA_GEM_CREATE, DRM_IOCTL_QDA_GEM_MMAP_OFFSET,
		DRM_IOCTL_QDA_INIT_ATTACH, DRM_IOCTL_QDA_INIT_CREATE, DRM_IOCTL_QDA_MAP,
		DRM_IOCTL_QDA_UNMAP,	   DRM_IOCTL_QDA_INVOKE,     DRM_IOCTL_QDA_SUBMIT,
		DRM_IOCTL_QDA_CANCEL,	   DRM_IOCTL_QDA_RELEASE,
	};

	for (size_t r = 0; r < DIM(requests); r++)
		for (size_t i = 0; i < n_bad_addresses; i++)
			assert_int_equal(accel_ioctl(file, requests[r], (void *)bad_addresses[i]),
					 -EFAULT);
}

static void no_session_yet(void **state)
{
	const int fd = fresh_file();
	struct drm_qda_map map = { .handle = buffer, .size = 4096 };
	struct drm_qda_unmap unmap = { 0 };

	assert_int_equal(invoke(fd, DSP_HANDLE, DRM_QDA_SC(2, 0, 0, 0, 0), NULL, NULL), -ENOTCONN);
	assert_int_equal(submit(fd, DSP_HANDLE, DRM_QDA_SC(2, 0, 0, 0, 0), NULL, 0, NULL),
			 -ENOTCONN);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_MAP, &map), -ENOTCONN);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_UNMAP, &unmap), -ENOTCONN);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(query_fields),
		cmocka_unit_test(create_sizes),
		cmocka_unit_test(mmap_offset_fields),
		cmocka_unit_test(attach_fields),
		cmocka_unit_test(create_fields),
		cmocka_unit_test(map_fields),
		cmocka_unit_test(heap_fields),
		cmocka_unit_test(unmap_fields),
		cmocka_unit_test(invoke_fields),
		cmocka_unit_test(submit_fields),
		cmocka_unit_test(buffer_arguments),
		cmocka_unit_test(handle_arguments),
		cmocka_unit_test(structs_at_bad_addresses),
		cmocka_unit_test(no_session_yet),
	};

	alarm(600);
	return cmocka_run_group_tests(tests, setup, teardown);
}
