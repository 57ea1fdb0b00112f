// SPDX-License-Identifier: BSD-3-Clause
/*
 * The caller's side of the driver tests. Knows the driver from its header only.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "accel.h"

const uint64_t edges[] = {
	0,	     1,
	2,	     4095,
	4096,	     4097,
	0x7fffffff,  0x80000000,
	0xfffff000,  0xfffffffe,
	0xffffffff,  0x100000000,
	0x100000001, 0x7fffffffffffffff,
	1ull << 63,  0xffffffff80000000,
	~0ull - 1,   ~0ull,
};
const size_t n_edges = DIM(edges);

const uint64_t bad_addresses[] = {
	0,		    1,			4095,
	0x7ffffffff000,	    0x800000000000,	0xffff800000000000,
	0xffffffff81000000, 0xffffffffff600000, 0xfffffffffffff000,
	~0ull,
};
const size_t n_bad_addresses = DIM(bad_addresses);

int accel_ioctl(int fd, unsigned long request, void *argument)
{
	const int ret = ioctl(fd, request, argument);

	return ret < 0 ? -errno : ret;
}

static int try_open(void)
{
	struct drm_qda_query query = { .type = DRM_QDA_QUERY_NAME };
	char path[32];

	for (int i = 0; i < 64; i++) {
		snprintf(path, sizeof(path), "/dev/accel/accel%d", i);

		const int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);

		if (fd < 0)
			continue;
		if (accel_ioctl(fd, DRM_IOCTL_QDA_QUERY, &query) == 0)
			return fd;
		close(fd);
	}
	return -1;
}

/* DRM tells of a node a little before it can be opened (drm_minor_register() in 6.12). */
int accel_open(void)
{
	int fd = try_open();

	for (int ms = 0; fd < 0 && ms < 60000; ms += 10) {
		usleep(10000);
		fd = try_open();
	}
	if (fd < 0)
		fail_msg("there is no accel device");
	return fd;
}

uint32_t buffer_new(int fd, size_t size, void **memory)
{
	struct drm_qda_gem_create create = { .size = size };

	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_GEM_CREATE, &create), 0);
	assert_int_not_equal(create.handle, 0);
	if (memory) {
		struct drm_qda_gem_mmap_offset place = { .handle = create.handle };

		assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_GEM_MMAP_OFFSET, &place), 0);
		*memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			       (off_t)place.offset);
		assert_true(*memory != MAP_FAILED);
	}
	return create.handle;
}

void buffer_close(int fd, uint32_t handle)
{
	struct drm_gem_close arg = { .handle = handle };

	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_GEM_CLOSE, &arg), 0);
}

int session_create(int fd, uint32_t attrs)
{
	struct drm_qda_init_create create = { .attrs = attrs, .shell_size = 100 };
	int ret;

	create.shell = buffer_new(fd, 4096, NULL);
	strcpy((char *)create.name, "test");
	ret = accel_ioctl(fd, DRM_IOCTL_QDA_INIT_CREATE, &create);
	buffer_close(fd, create.shell);
	return ret;
}

int session_open(void)
{
	const int fd = accel_open();

	assert_int_equal(session_create(fd, DRM_QDA_ATTR_UNSIGNED), 0);
	return fd;
}

int invoke(int fd, uint32_t handle, uint32_t sc, const struct drm_qda_arg *args, int32_t *result)
{
	struct drm_qda_invoke arg = { .handle = handle, .sc = sc, .args = (uintptr_t)args };
	const int ret = accel_ioctl(fd, DRM_IOCTL_QDA_INVOKE, &arg);

	if (result)
		*result = arg.result;
	return ret;
}

int submit(int fd, uint32_t handle, uint32_t sc, const struct drm_qda_arg *args, uint64_t user_data,
	   uint64_t *call)
{
	struct drm_qda_submit arg = {
		.handle = handle, .sc = sc, .args = (uintptr_t)args, .user_data = user_data
	};
	const int ret = accel_ioctl(fd, DRM_IOCTL_QDA_SUBMIT, &arg);

	if (call)
		*call = arg.call;
	return ret;
}

struct drm_qda_event event_next(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	struct drm_qda_event event;

	assert_int_equal(poll(&poll_fd, 1, 60000), 1);
	assert_int_equal(read(fd, &event, sizeof(event)), sizeof(event));
	return event;
}

bool event_none(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 0;
}

void pattern(void *data, size_t n, uint32_t seed)
{
	uint8_t *bytes = data;

	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		bytes[i] = seed >> 24;
	}
}

void *page(int protection)
{
	void *memory = mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(memory != MAP_FAILED);
	return memory;
}

static void *invoker_main(void *arg)
{
	struct invoker *i = arg;

	i->ret = invoke(i->fd, i->handle, i->sc, i->args, &i->result);
	return NULL;
}

void invoker_start(struct invoker *i)
{
	assert_int_equal(pthread_create(&i->thread, NULL, invoker_main, i), 0);
}

void invoker_join(struct invoker *i)
{
	assert_int_equal(pthread_join(i->thread, NULL), 0);
}
