/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bare ioctls on a DSP behind the driver, with nothing of this tree in between: SUBMIT and the read
 * of its event, and INVOKE. One file, session and buffer serve all the raw ways.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "drm.h"
#include "fastrpc.h"
#include "qda_accel.h"
#include "qda_null.h"
#include "way.h"

#define BYTES 64
#define BIG   (16u << 20)

static int file = -1;
static unsigned users;
static uint32_t memory, null_handle;
static uint8_t *view;

static void command(unsigned long request, void *argument, const char *what)
{
	if (ioctl(file, request, argument) < 0)
		die("%s: %s", what, strerror(errno));
}

static int open_device(void)
{
	struct drm_qda_query query = { .type = DRM_QDA_QUERY_NAME };
	char path[32];

	for (unsigned i = 0; i < 64; i++) {
		snprintf(path, sizeof(path), "/dev/accel/accel%u", i);
		int fd = open(path, O_RDWR | O_CLOEXEC);

		if (fd >= 0 && ioctl(fd, DRM_IOCTL_QDA_QUERY, &query) == 0)
			return fd;
		if (fd >= 0)
			close(fd);
	}
	die("no /dev/accel/accelN is a DSP");
}

static uint32_t new_buffer(uint64_t size, uint8_t **map)
{
	struct drm_qda_gem_create create = { .size = size };
	struct drm_qda_gem_mmap_offset place = { 0 };

	command(DRM_IOCTL_QDA_GEM_CREATE, &create, "no buffer");
	place.handle = create.handle;
	command(DRM_IOCTL_QDA_GEM_MMAP_OFFSET, &place, "no place to map a buffer");
	*map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, (off_t)place.offset);
	if (*map == MAP_FAILED)
		die("a buffer cannot be mapped: %s", strerror(errno));
	return create.handle;
}

static struct drm_qda_arg part(uint64_t offset, uint64_t length)
{
	return (struct drm_qda_arg){ .handle = memory, .offset = offset, .length = length,
				     .kind = DRM_QDA_ARG_BUFFER };
}

static void invoke(uint32_t handle, uint32_t sc, const struct drm_qda_arg *args)
{
	struct drm_qda_invoke call = { .handle = handle, .sc = sc, .args = (uintptr_t)args };

	command(DRM_IOCTL_QDA_INVOKE, &call, "INVOKE");
	if (call.result)
		die("the null skel returned %#x", (unsigned)call.result);
}

static void submit(uint32_t sc, const struct drm_qda_arg *args)
{
	struct drm_qda_submit call = { .handle = null_handle, .sc = sc, .args = (uintptr_t)args };
	struct drm_qda_event event;

	command(DRM_IOCTL_QDA_SUBMIT, &call, "SUBMIT");
	if (read(file, &event, sizeof(event)) != sizeof(event) ||
	    event.base.type != DRM_QDA_EVENT_DONE || event.error || event.result)
		die("the event of a SUBMIT tells of no success");
}

/* The software DSP has its shell built in, and wants an image that says so. */
static void open_session(void)
{
	static const char image[] = "qda-softdsp shell\n";
	struct drm_qda_init_create create = { .shell_size = sizeof(image) - 1,
					      .attrs = DRM_QDA_ATTR_UNSIGNED };
	struct drm_gem_close shell = { 0 };
	uint8_t *map;

	create.shell = new_buffer(4096, &map);
	memcpy(map, image, sizeof(image) - 1);
	strcpy((char *)create.name, "bench");
	command(DRM_IOCTL_QDA_INIT_CREATE, &create, "no session");
	munmap(map, 4096);
	shell.handle = create.shell;
	command(DRM_IOCTL_GEM_CLOSE, &shell, "a buffer cannot be closed");
}

static void open_null(void)
{
	uint32_t in[2] = { sizeof(QDA_NULL_URI), 256 }, out[2];
	struct drm_qda_arg args[] = { part(0, sizeof(in)), part(256, sizeof(QDA_NULL_URI)),
				      part(1024, sizeof(out)), part(1280, 256) };

	memcpy(view, in, sizeof(in));
	memcpy(view + 256, QDA_NULL_URI, sizeof(QDA_NULL_URI));
	invoke(FASTRPC_HANDLE_REMOTECTL, fastrpc_sc(0, FASTRPC_REMOTECTL_OPEN, 2, 2, 0, 0), args);
	memcpy(out, view + 1024, sizeof(out));
	if (out[1])
		die("the null skel did not open: %#x %.256s", out[1], (char *)view + 1280);
	null_handle = out[0];
}

static void start(void)
{
	if (users++)
		return;
	file = open_device();
	open_session();
	memory = new_buffer(2 * BIG, &view);
	open_null();
}

static void stop(void)
{
	if (--users)
		return;
	munmap(view, 2 * BIG);
	close(file);
}

static void call_submit(void)
{
	struct drm_qda_arg args[] = { part(0, BYTES), part(2048, BYTES) };

	submit(fastrpc_sc(0, QDA_NULL_NOTHING, 1, 1, 0, 0), args);
}

static void call_invoke(void)
{
	struct drm_qda_arg args[] = { part(0, BYTES), part(2048, BYTES) };

	invoke(null_handle, fastrpc_sc(0, QDA_NULL_NOTHING, 1, 1, 0, 0), args);
}

static void call_submit_16m(void)
{
	struct drm_qda_arg args[] = { part(0, BIG), part(BIG, BIG) };

	submit(fastrpc_sc(0, QDA_NULL_NOTHING, 1, 1, 0, 0), args);
}

const struct way way_raw_submit = { "raw-submit", "bare SUBMIT and its event", start, call_submit,
				    stop };
const struct way way_raw_invoke = { "raw-invoke", "bare INVOKE", start, call_invoke, stop };
const struct way way_raw_16m = { "raw-submit-16m", "the same with 16 MiB in and out", start,
				 call_submit_16m, stop };
