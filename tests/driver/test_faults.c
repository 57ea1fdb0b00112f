// SPDX-License-Identifier: BSD-3-Clause
/*
 * The kernel finds no memory, at each allocation in turn: every command fails cleanly or succeeds,
 * and works when there is memory again. What is left behind or freed twice, KASAN and kmemleak of a
 * debug kernel tell; others cannot fail allocations on demand, and skip this.
 */
#include <errno.h>
#include <fcntl.h>
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
#define NTH_MAX 400

static struct dsp dsp;
static int fail_nth = -1;
static int file;
static uint32_t buffer;

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

static void arm(unsigned n)
{
	char text[16];
	const int length = snprintf(text, sizeof(text), "%u", n);

	assert_int_equal(pwrite(fail_nth, text, (size_t)length, 0), length);
}

/* Did it fail? */
static bool disarm(void)
{
	char text[16] = "";

	assert_true(pread(fail_nth, text, sizeof(text) - 1, 0) > 0);
	arm(0);
	return text[0] == '0';
}

static unsigned nth;	/* allocation from now on is to fail; 0: none */
static bool hit;	/* it did */

static int starved_ioctl(unsigned long request, void *argument)
{
	int r;

	arm(nth);
	r = accel_ioctl(file, request, argument);
	hit = disarm();
	return r;
}

/* A transport without memory for a message is busy; the DRM core has no number for a handle. */
static bool is_shortage(int r)
{
	return r == -ENOMEM || r == -EBUSY || r == -ENOSPC;
}

/*
 * One allocation after the other fails in `act`, until it needs no more. It returns what its one
 * starved ioctl did, and takes back what that did.
 */
static void each_allocation_fails(int (*act)(void))
{
	unsigned failed = 0;

	nth = 0;
	assert_int_equal(act(), 0); /* what is made once is there */
	for (nth = 1; nth < NTH_MAX; nth++) {
		const int r = act();

		if (r) {
			assert_true(is_shortage(r));
			assert_true(hit);
			failed++;
		}
		if (!hit)
			break;
	}
	printf("# %u allocations, %u of them needed\n", nth - 1, failed);
	assert_true(nth < NTH_MAX);
	assert_true(failed > 0);
	nth = 0;
	assert_int_equal(act(), 0);
}

static int act_gem_create(void)
{
	struct drm_qda_gem_create create = { .size = 4096 };
	const int r = starved_ioctl(DRM_IOCTL_QDA_GEM_CREATE, &create);

	if (!r)
		buffer_close(file, create.handle);
	return r;
}

static int starved_invoke(const struct drm_qda_arg *args)
{
	struct drm_qda_invoke call = { .handle = DSP_HANDLE, .sc = ECHO_1_1,
				       .args = (uintptr_t)args };

	return starved_ioctl(DRM_IOCTL_QDA_INVOKE, &call);
}

static int act_invoke(void)
{
	uint8_t in[300] = { 1 }, out[300];
	const struct drm_qda_arg args[] = { arg_inline(in, sizeof(in)),
					    arg_inline(out, sizeof(out)) };

	return starved_invoke(args);
}

/* A buffer of its own, so that it is mapped anew each time. */
static int act_invoke_buffer(void)
{
	const uint32_t handle = buffer_new(file, 8192, NULL);
	const struct drm_qda_arg args[] = { arg_buffer(handle, 0, 100),
					    arg_buffer(handle, 4096, 101) };
	const int r = starved_invoke(args);

	buffer_close(file, handle);
	return r;
}

static int act_submit(void)
{
	const struct drm_qda_arg args[] = { arg_buffer(buffer, 0, 100),
					    arg_buffer(buffer, 4096, 101) };
	struct drm_qda_submit call = { .handle = DSP_HANDLE, .sc = ECHO_1_1,
				       .args = (uintptr_t)args, .user_data = 7 };
	const int r = starved_ioctl(DRM_IOCTL_QDA_SUBMIT, &call);

	if (!r)
		assert_int_equal(event_next(file).error, 0);
	return r;
}

static int act_map(void)
{
	struct drm_qda_map map = { .handle = buffer, .key = 5, .size = 4096 };
	struct drm_qda_unmap unmap = { .key = 5 };
	const int r = starved_ioctl(DRM_IOCTL_QDA_MAP, &map);

	if (!r)
		assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_UNMAP, &unmap), 0);
	return r;
}

static int act_unmap(void)
{
	struct drm_qda_map map = { .handle = buffer, .key = 6, .size = 4096 };
	struct drm_qda_unmap unmap = { .key = 6 };
	int r;

	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_MAP, &map), 0);
	r = starved_ioctl(DRM_IOCTL_QDA_UNMAP, &unmap);
	if (r)
		assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_UNMAP, &unmap), 0);
	return r;
}

static int act_prime(void)
{
	const uint32_t handle = buffer_new(file, 4096, NULL);
	struct drm_prime_handle prime = { .handle = handle, .flags = DRM_CLOEXEC };
	const int r = starved_ioctl(DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime);

	if (!r)
		close(prime.fd);
	buffer_close(file, handle);
	return r;
}

static int act_create(void)
{
	struct drm_qda_init_create create = { .attrs = DRM_QDA_ATTR_UNSIGNED, .shell_size = 100,
					      .name = "test" };
	struct drm_qda_release release = { 0 };
	int r;

	assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_RELEASE, &release), 0);
	create.shell = buffer_new(file, 4096, NULL);
	r = starved_ioctl(DRM_IOCTL_QDA_INIT_CREATE, &create);
	buffer_close(file, create.shell);
	if (r)
		assert_int_equal(session_create(file, DRM_QDA_ATTR_UNSIGNED), 0);
	return r;
}

static void making_a_buffer(void **state)
{
	each_allocation_fails(act_gem_create);
}

static void calls_with_inline_data(void **state)
{
	each_allocation_fails(act_invoke);
}

static void calls_with_buffers(void **state)
{
	each_allocation_fails(act_invoke_buffer);
}

static void submitted_calls(void **state)
{
	each_allocation_fails(act_submit);
}

static void keys(void **state)
{
	each_allocation_fails(act_map);
}

static void exported_buffers(void **state)
{
	each_allocation_fails(act_prime);
}

static void taking_keys_back(void **state)
{
	each_allocation_fails(act_unmap);
}

static void the_start_of_a_session(void **state)
{
	each_allocation_fails(act_create);
}

/* It needs no memory that was not set aside at its start, but what the transport wants. */
static void the_end_of_a_session(void **state)
{
	for (nth = 1; nth < 20; nth++) {
		struct drm_qda_release release = { 0 };
		const int r = starved_ioctl(DRM_IOCTL_QDA_RELEASE, &release);

		if (r) {
			assert_int_equal(r, -EBUSY);
			assert_int_equal(accel_ioctl(file, DRM_IOCTL_QDA_RELEASE, &release), 0);
		}
		assert_int_equal(session_create(file, DRM_QDA_ATTR_UNSIGNED), 0);
	}
}

static void tell(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		printf("# %s cannot be set to %s\n", path, text);
	if (fd >= 0)
		close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(making_a_buffer, setup, teardown),
		cmocka_unit_test_setup_teardown(calls_with_inline_data, setup, teardown),
		cmocka_unit_test_setup_teardown(calls_with_buffers, setup, teardown),
		cmocka_unit_test_setup_teardown(submitted_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(keys, setup, teardown),
		cmocka_unit_test_setup_teardown(taking_keys_back, setup, teardown),
		cmocka_unit_test_setup_teardown(exported_buffers, setup, teardown),
		cmocka_unit_test_setup_teardown(the_start_of_a_session, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_of_a_session, setup, teardown),
	};

	alarm(600);
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fail_nth < 0) {
		puts("1..0 # SKIP this kernel fails no allocation on demand (CONFIG_FAULT_INJECTION)");
		return 0;
	}
	/* Else only allocations in atomic context fail, and each is told of in the kernel's log. */
	tell("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	tell("/sys/kernel/debug/failslab/verbose", "0");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
