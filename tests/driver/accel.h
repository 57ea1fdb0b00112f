/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The caller's side of the driver tests: raw ioctls of an accel device, results as 0 or negative
 * errno. A helper that cannot do its part fails the running test; so only a test's own thread may
 * call it, unless it says otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drm.h"
#include "qda_accel.h"

#define DIM(array) (sizeof(array) / sizeof((array)[0]))

/* What goes wrong, goes wrong beside these. */
extern const uint64_t edges[];
extern const size_t n_edges;

/* A file of the one accel device that has a DSP behind it. */
int accel_open(void);

/* One ioctl, not repeated: 0 or more, or negative errno. Any thread. */
int accel_ioctl(int fd, unsigned long request, void *argument);

/* A buffer's handle; *memory gets its mapping, unless NULL. */
uint32_t buffer_new(int fd, size_t size, void **memory);
void buffer_close(int fd, uint32_t handle);

/* A file with a session. */
int session_open(void);
int session_create(int fd, uint32_t attrs);

/* INVOKE as 0 or -errno; *result may be NULL. Any thread. */
int invoke(int fd, uint32_t handle, uint32_t sc, const struct drm_qda_arg *args, int32_t *result);

/* SUBMIT as 0 or -errno; *call may be NULL. Any thread. */
int submit(int fd, uint32_t handle, uint32_t sc, const struct drm_qda_arg *args, uint64_t user_data,
	   uint64_t *call);

/* The next event, waited for; of a call without handles out. */
struct drm_qda_event event_next(int fd);
/* Is there none at this moment? */
bool event_none(int fd);

static inline struct drm_qda_arg arg_inline(const void *data, uint64_t length)
{
	return (struct drm_qda_arg){ .value = (uintptr_t)data,
				     .length = length,
				     .kind = DRM_QDA_ARG_INLINE };
}

static inline struct drm_qda_arg arg_buffer(uint32_t handle, uint64_t offset, uint64_t length)
{
	return (struct drm_qda_arg){ .handle = handle,
				     .offset = offset,
				     .length = length,
				     .kind = DRM_QDA_ARG_BUFFER };
}

static inline struct drm_qda_arg arg_key(uint32_t key, uint64_t offset, uint64_t length)
{
	return (struct drm_qda_arg){ .handle = key,
				     .offset = offset,
				     .length = length,
				     .kind = DRM_QDA_ARG_KEY };
}

static inline struct drm_qda_arg arg_number(uint64_t number)
{
	return (struct drm_qda_arg){ .value = number, .kind = DRM_QDA_ARG_NUMBER };
}

/* Bytes that differ from place to place and from seed to seed. */
void pattern(void *data, size_t n, uint32_t seed);

/* A page of memory with this protection; it stays until the program ends. */
void *page(int protection);

/* Addresses that no caller may name: NULL, unmapped, of the kernel, not canonical. */
extern const uint64_t bad_addresses[];
extern const size_t n_bad_addresses;

/* A thread that makes one INVOKE; ret and result are there when it has been joined. */
struct invoker {
	int fd;
	uint32_t handle;
	uint32_t sc;
	const struct drm_qda_arg *args;
	int ret;
	int32_t result;
	unsigned long thread;
};
void invoker_start(struct invoker *i);
void invoker_join(struct invoker *i);
