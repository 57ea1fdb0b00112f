// SPDX-License-Identifier: BSD-3-Clause
/*
 * Buffers: other files' handles, buffers shared by dma-buf and by name, memory of others, what may
 * be closed while a call uses it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "accel.h"
#include "dsp.h"

#define ECHO_1_1 DRM_QDA_SC(DSP_ECHO, 1, 1, 0, 0)
#define SILENT_IN DRM_QDA_SC(DSP_SILENT, 1, 0, 0, 0)
#define SILENT_OUT DRM_QDA_SC(DSP_SILENT, 0, 1, 0, 0)

static struct dsp dsp;
static int file, other;		/* both with a session */

static int setup(void **state)
{
	dsp_start(&dsp);
	file = session_open();
	other = session_open();
	return 0;
}

static int teardown(void **state)
{
	close(file);
	close(other);
	dsp_stop(&dsp);
	return 0;
}

static int to_fd(int fd, uint32_t handle)
{
	struct drm_prime_handle prime = { .handle = handle, .flags = DRM_CLOEXEC | DRM_RDWR };

	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime), 0);
	return prime.fd;
}

static uint32_t from_fd(int fd, int dmabuf)
{
	struct drm_prime_handle prime = { .fd = dmabuf };

	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime), 0);
	return prime.handle;
}

/* A dma-buf of somebody else: pages of a memfd, in an order of their own. */
static int udmabuf_new(size_t pages, uint8_t **memory)
{
	struct udmabuf_create_list *list;
	const int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	const int memfd = memfd_create("test", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	uint8_t bytes[sizeof(*list) + 64 * sizeof(list->list[0])] = { 0 };
	int fd;

	assert_true(device >= 0 && memfd >= 0 && pages <= 64);
	assert_int_equal(ftruncate(memfd, (off_t)(pages * 4096)), 0);
	assert_int_equal(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	*memory = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	assert_true(*memory != MAP_FAILED);
	list = (void *)bytes;
	list->flags = UDMABUF_FLAGS_CLOEXEC;
	list->count = (uint32_t)pages;
	for (size_t i = 0; i < pages; i++) {
		list->list[i].memfd = (uint32_t)memfd;
		list->list[i].offset = (pages - 1 - i) * 4096;
		list->list[i].size = 4096;
	}
	fd = ioctl(device, UDMABUF_CREATE_LIST, list);
	assert_true(fd >= 0);
	close(device);
	close(memfd);
	return fd;
}

static void set_scatter(bool on)
{
	const int fd = open("/sys/module/qda_vdsp/parameters/scatter", O_WRONLY);

	assert_int_equal(write(fd, on ? "Y" : "N", 1), 1);
	close(fd);
}

/* Whoever closes the last handle of one file, the memory there is gone, and only there. */
static void handles_are_of_one_file(void **state)
{
	uint8_t *memory;
	const uint32_t buffer = buffer_new(file, 4096, (void **)&memory);
	const struct drm_qda_arg arg = arg_buffer(buffer, 0, 4096);
	struct drm_qda_gem_mmap_offset place = { .handle = buffer };
	struct drm_qda_map map = { .handle = buffer, .size = 4096 };
	struct drm_qda_init_create create = { .shell = buffer, .shell_size = 1,
					      .attrs = DRM_QDA_ATTR_UNSIGNED };
	struct drm_gem_close gem_close = { .handle = buffer };
	const int third = accel_open();

	assert_int_equal(invoke(other, DSP_HANDLE, SILENT_IN, &arg, NULL), -ENOENT);
	assert_int_equal(submit(other, DSP_HANDLE, SILENT_IN, &arg, 0, NULL), -ENOENT);
	assert_int_equal(accel_ioctl(other, DRM_IOCTL_QDA_MAP, &map), -ENOENT);
	assert_int_equal(accel_ioctl(other, DRM_IOCTL_QDA_GEM_MMAP_OFFSET, &place), -ENOENT);
	assert_int_equal(accel_ioctl(other, DRM_IOCTL_GEM_CLOSE, &gem_close), -EINVAL);
	assert_int_equal(accel_ioctl(third, DRM_IOCTL_QDA_INIT_CREATE, &create), -ENOENT);
	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_GEM_MMAP_OFFSET, &place), 0);
	assert_true(mmap(NULL, 4096, PROT_READ, MAP_SHARED, other, (off_t)place.offset) ==
		    MAP_FAILED);
	assert_int_equal(errno, EACCES);
	assert_true(mmap(NULL, 8192, PROT_READ, MAP_SHARED, file, (off_t)place.offset) ==
		    MAP_FAILED);
	munmap(memory, 4096);
	buffer_close(file, buffer);
	assert_int_equal(invoke(file, DSP_HANDLE, SILENT_IN, &arg, NULL), -ENOENT);
	close(third);
}

static void keys_are_of_one_session(void **state)
{
	struct drm_qda_map map = { .handle = buffer_new(file, 4096, NULL), .key = 8, .size = 4096 };
	struct drm_qda_unmap unmap = { .key = 8 };
	const struct drm_qda_arg arg = arg_key(8, 0, 1);

	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_MAP, &map), 0);
	assert_int_equal(invoke(other, DSP_HANDLE, DRM_QDA_SC(DSP_SILENT, 0, 0, 1, 0), &arg, NULL),
			 -ENOENT);
	assert_int_equal(accel_ioctl(other, DRM_IOCTL_QDA_UNMAP, &unmap), -ENOENT);
	map.handle = buffer_new(other, 4096, NULL);
	assert_int_equal(accel_ioctl(other, DRM_IOCTL_QDA_MAP, &map), 0);
	assert_int_equal(accel_ioctl(other, DRM_IOCTL_QDA_UNMAP, &unmap), 0);
	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_UNMAP, &unmap), 0);
	buffer_close(other, map.handle);
}

/* The addresses of the one argument of a held call. */
static uint64_t address_of(int fd, uint32_t handle, struct fastrpc_msg *msg)
{
	const struct drm_qda_arg arg = arg_buffer(handle, 0, 4096);
	struct fastrpc_dsp_arg parsed;

	assert_int_equal(submit(fd, DSP_HANDLE, DRM_QDA_SC(DSP_HOLD, 1, 0, 0, 0), &arg, 0, NULL), 0);
	*msg = dsp_take(&dsp, 0);
	assert_int_equal(fastrpc_parse(msg, dsp_memory(&dsp, msg->addr), msg->size, &parsed), 0);
	return (msg->addr & ~0xffffffffull) | parsed.addr;
}

static void a_shared_buffer_has_an_address_in_each_bank(void **state)
{
	uint8_t *memory;
	const uint32_t mine = buffer_new(file, 4096, (void **)&memory);
	const int dmabuf = to_fd(file, mine);
	const uint32_t theirs = from_fd(other, dmabuf);
	struct fastrpc_msg here, there;
	uint64_t a, b;

	close(dmabuf);
	pattern(memory, 4096, 9);
	a = address_of(file, mine, &here);
	b = address_of(other, theirs, &there);
	assert_int_not_equal(a >> 32, b >> 32);
	assert_memory_equal(dsp_memory(&dsp, a), memory, 4096);
	assert_memory_equal(dsp_memory(&dsp, b), memory, 4096);
	dsp_answer(&dsp, here.ctx, 0);
	dsp_answer(&dsp, there.ctx, 0);
	assert_int_equal(event_next(file).error, 0);
	assert_int_equal(event_next(other).error, 0);
	munmap(memory, 4096);
	buffer_close(file, mine);
	wait_gone(dsp_memory(&dsp, a));
	assert_true(touch(dsp_memory(&dsp, b)) >= 0);
	buffer_close(other, theirs);
	wait_gone(dsp_memory(&dsp, b));
}

static void importing_twice_is_one_buffer(void **state)
{
	const uint32_t mine = buffer_new(file, 4096, NULL);
	const int dmabuf = to_fd(file, mine);

	assert_int_equal(from_fd(file, dmabuf), mine);
	buffer_close(file, mine);
	close(dmabuf);
}

/* By name: root's old way to share. Two handles of one buffer in one file are possible so. */
static void flinked_buffers_are_buffers(void **state)
{
	uint8_t *memory;
	const uint32_t mine = buffer_new(file, 4096, (void **)&memory);
	struct drm_gem_flink flink = { .handle = mine };
	struct drm_gem_open opened = { 0 }, again = { 0 };
	struct fastrpc_msg msg;
	uint64_t addr;

	assert_int_equal(accel_ioctl(file, DRM_IOCTL_GEM_FLINK, &flink), 0);
	opened.name = again.name = flink.name;
	assert_int_equal(accel_ioctl(other, DRM_IOCTL_GEM_OPEN, &opened), 0);
	assert_int_equal(accel_ioctl(other, DRM_IOCTL_GEM_OPEN, &again), 0);
	pattern(memory, 4096, 10);
	buffer_close(file, mine);
	addr = address_of(other, opened.handle, &msg);
	assert_memory_equal(dsp_memory(&dsp, addr), memory, 4096);
	dsp_answer(&dsp, msg.ctx, 0);
	assert_int_equal(event_next(other).error, 0);
	buffer_close(other, opened.handle);
	if (again.handle != opened.handle) {
		assert_true(touch(dsp_memory(&dsp, addr)) >= 0);
		buffer_close(other, again.handle);
	}
	wait_gone(dsp_memory(&dsp, addr));
	munmap(memory, 4096);
}

static void memory_of_others_is_one_range_for_the_dsp(void **state)
{
	uint8_t *in, *out, expected[16 * 4096];
	const int a = udmabuf_new(16, &in), b = udmabuf_new(16, &out);
	const uint32_t from = from_fd(file, a), to = from_fd(file, b);
	const struct drm_qda_arg args[] = { arg_buffer(from, 1, 65535), arg_buffer(to, 0, 65535) };
	struct drm_qda_gem_mmap_offset place = { .handle = from };

	close(a);
	close(b);
	pattern(expected, sizeof(expected), 11);
	for (size_t i = 0; i < 16; i++)	/* the dma-buf's order of pages is the reverse */
		memcpy(in + (15 - i) * 4096, expected + i * 4096, 4096);
	assert_int_equal(invoke(file, DSP_HANDLE, ECHO_1_1, args, NULL), 0);
	for (size_t i = 0; i < 15; i++)
		assert_memory_equal(out + (15 - i) * 4096, expected + i * 4096 + 1, 4096);
	assert_memory_equal(out, expected + 15 * 4096 + 1, 4095);
	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_GEM_MMAP_OFFSET, &place), -EOPNOTSUPP);
	buffer_close(file, from);
	buffer_close(file, to);
	munmap(in, 16 * 4096);
	munmap(out, 16 * 4096);
}

static void scattered_memory_is_refused(void **state)
{
	uint8_t *one, *many;
	const int a = udmabuf_new(1, &one), b = udmabuf_new(16, &many);
	const uint32_t single = from_fd(file, a), scattered = from_fd(file, b);
	const uint32_t own = buffer_new(file, 64 * 4096, NULL);
	struct drm_qda_map map = { .handle = scattered, .key = 1, .size = 4096 };
	struct drm_qda_arg arg;

	close(a);
	close(b);
	set_scatter(true);
	arg = arg_buffer(scattered, 0, 1);
	assert_int_equal(invoke(file, DSP_HANDLE, SILENT_IN, &arg, NULL), -ERANGE);
	assert_int_equal(submit(file, DSP_HANDLE, SILENT_IN, &arg, 0, NULL), -ERANGE);
	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_MAP, &map), -ERANGE);
	arg = arg_buffer(single, 0, 4096);
	assert_int_equal(invoke(file, DSP_HANDLE, SILENT_IN, &arg, NULL), 0);
	set_scatter(false);
	arg = arg_buffer(scattered, 0, 16 * 4096);
	assert_int_equal(invoke(file, DSP_HANDLE, SILENT_IN, &arg, NULL), 0);
	buffer_close(file, single);
	buffer_close(file, scattered);
	buffer_close(file, own);
	munmap(one, 4096);
	munmap(many, 16 * 4096);
	assert_true(event_none(file));
}

static void what_may_not_be_written_is_not(void **state)
{
	struct dma_heap_allocation_data heap = { .len = 4096, .fd_flags = O_RDONLY | O_CLOEXEC };
	const int device = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);
	struct drm_qda_arg arg;

	assert_true(device >= 0);
	assert_int_equal(ioctl(device, DMA_HEAP_IOCTL_ALLOC, &heap), 0);
	close(device);
	arg = arg_buffer(from_fd(file, (int)heap.fd), 0, 4096);
	close((int)heap.fd);
	assert_int_equal(invoke(file, DSP_HANDLE, SILENT_OUT, &arg, NULL), -EACCES);
	assert_int_equal(submit(file, DSP_HANDLE, SILENT_OUT, &arg, 0, NULL), -EACCES);
	assert_int_equal(invoke(file, DSP_HANDLE, SILENT_IN, &arg, NULL), 0);
	buffer_close(file, arg.handle);
}

static void what_is_no_buffer_is_not_imported(void **state)
{
	const int fds[] = { -1, 9999, file, dsp.fd, open("/dev/zero", O_RDWR), memfd_create("x", 0) };
	struct drm_prime_handle prime;

	for (size_t i = 0; i < DIM(fds); i++) {
		prime = (struct drm_prime_handle){ .fd = fds[i] };
		assert_int_equal(accel_ioctl(file, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime),
				 i < 2 ? -EBADF : -EINVAL);
	}
	close(fds[4]);
	close(fds[5]);
}

/* What a call or a key uses stays, whatever is closed in the meantime. */
static void a_call_keeps_what_it_uses(void **state)
{
	uint8_t *memory;
	const uint32_t buffer = buffer_new(file, 4096, (void **)&memory);
	struct drm_qda_map map = { .handle = buffer, .key = 2, .size = 4096 };
	struct drm_qda_unmap unmap = { .key = 2 };
	const struct drm_qda_arg args[] = { arg_buffer(buffer, 0, 4096), arg_key(2, 0, 4096) };
	struct fastrpc_dsp_arg parsed[2];
	struct fastrpc_msg msg;
	uint64_t addr;

	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_MAP, &map), 0);
	assert_int_equal(submit(file, DSP_HANDLE, DRM_QDA_SC(DSP_HOLD, 0, 1, 1, 0), args, 0, NULL),
			 0);
	msg = dsp_take(&dsp, 0);
	assert_int_equal(fastrpc_parse(&msg, dsp_memory(&dsp, msg.addr), msg.size, parsed), 0);
	addr = (msg.addr & ~0xffffffffull) | parsed[0].addr;
	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_UNMAP, &unmap), 0);
	buffer_close(file, buffer);
	pattern(dsp_memory(&dsp, addr), 4096, 21);
	assert_memory_equal(memory, dsp_memory(&dsp, addr), 4096);
	dsp_answer(&dsp, msg.ctx, 0);
	assert_int_equal(event_next(file).error, 0);
	wait_gone(dsp_memory(&dsp, addr));
	munmap(memory, 4096);
}

static void usage_is_shown(void **state)
{
	char path[64], text[4096];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", file);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = 0;
	assert_non_null(strstr(text, "drm-driver:\tqda\n"));
	assert_non_null(strstr(text, "drm-total-"));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handles_are_of_one_file),
		cmocka_unit_test(keys_are_of_one_session),
		cmocka_unit_test(a_shared_buffer_has_an_address_in_each_bank),
		cmocka_unit_test(importing_twice_is_one_buffer),
		cmocka_unit_test(flinked_buffers_are_buffers),
		cmocka_unit_test(memory_of_others_is_one_range_for_the_dsp),
		cmocka_unit_test(scattered_memory_is_refused),
		cmocka_unit_test(what_may_not_be_written_is_not),
		cmocka_unit_test(what_is_no_buffer_is_not_imported),
		cmocka_unit_test(a_call_keeps_what_it_uses),
		cmocka_unit_test(usage_is_shown),
	};

	alarm(600);
	return cmocka_run_group_tests(tests, setup, teardown);
}
