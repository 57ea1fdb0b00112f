// SPDX-License-Identifier: BSD-3-Clause
/*
 * Everything at once: files closed, buffers and keys taken away, callers killed and DSPs stopped
 * while calls are under way; then random commands. A test ends with a look whether everything is
 * there again: all banks free, and a call that brings its bytes back.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "accel.h"
#include "dsp.h"

#define THREADS 4
#define HOLD DRM_QDA_SC(DSP_HOLD, 0, 0, 0, 0)

static struct dsp dsp;
static pthread_t janitor;
static atomic_bool over;
static atomic_int rounds;
static atomic_int reached;	/* random commands that did something */
static atomic_int shared_fd;

/* Answers what is held, a little later. */
static void *janitor_main(void *arg)
{
	while (!atomic_load(&over)) {
		sched_yield();
		dsp_answer_all(&dsp, 0);
	}
	dsp_answer_all(&dsp, 0);
	return NULL;
}

static void serve(void)
{
	atomic_store(&over, false);
	dsp_start(&dsp);
	assert_int_equal(pthread_create(&janitor, NULL, janitor_main, NULL), 0);
}

static void stop_serving(void)
{
	atomic_store(&over, true);
	assert_int_equal(pthread_join(janitor, NULL), 0);
	dsp_stop(&dsp);
}

static int setup(void **state)
{
	serve();
	return 0;
}

static int teardown(void **state)
{
	stop_serving();
	return 0;
}

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* Nothing is left behind. */
static void all_is_well(void)
{
	struct drm_qda_query query = { .type = DRM_QDA_QUERY_BANKS_FREE };
	uint8_t in[5000], out[5000];
	const struct drm_qda_arg args[] = { arg_inline(in, 5000), arg_inline(out, 5000) };
	const int fd = accel_open();

	do {
		assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_QUERY, &query), 0);
	} while (query.value != DSP_BANKS);
	assert_int_equal(session_create(fd, DRM_QDA_ATTR_UNSIGNED), 0);
	pattern(in, 5000, 3);
	assert_int_equal(invoke(fd, DSP_HANDLE, DRM_QDA_SC(DSP_ECHO, 1, 1, 0, 0), args, NULL), 0);
	assert_memory_equal(in, out, 5000);
	close(fd);
}

/* Errors that a race with the end of something may give, and no other. */
static bool fair(int ret)
{
	static const int errors[] = { 0,	  -ENOENT, -ENOTCONN, -EBUSY,	 -EBADF,
				      -EPIPE,	  -ENODEV, -EREMOTEIO, -EUSERS,	 -EISCONN,
				      -EALREADY, -EEXIST, -ENOMEM,   -ECONNRESET };

	for (size_t i = 0; i < DIM(errors); i++)
		if (ret == errors[i])
			return true;
	fprintf(stderr, "error %d\n", ret);
	return false;
}

static void run(unsigned n, void *(*what)(void *), int times)
{
	pthread_t threads[THREADS];
	void *bad;

	atomic_store(&rounds, times);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, what,
						(void *)(uintptr_t)(i + 1)),
				 0);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(pthread_join(threads[i], &bad), 0);
		assert_null(bad);
	}
}

static int quiet_session(void)
{
	struct drm_qda_gem_create gem = { .size = 4096 };
	struct drm_qda_init_create create = { .shell_size = 1, .attrs = DRM_QDA_ATTR_UNSIGNED };
	const int fd = open("/dev/accel/accel0", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -1;
	if (accel_ioctl(fd, DRM_IOCTL_QDA_GEM_CREATE, &gem) == 0) {
		create.shell = gem.handle;
		accel_ioctl(fd, DRM_IOCTL_QDA_INIT_CREATE, &create);
	}
	return fd;
}

/* Calls of every kind on a file that may be another by now; buffer 1 is its shell image. */
static void *call_main(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg * 2654435761u;
	uint8_t data[300] = { 0 };
	uint64_t last = 0;
	int ret = 0;

	while (atomic_fetch_sub(&rounds, 1) > 0) {
		const int fd = atomic_load(&shared_fd);
		struct drm_qda_arg args[2] = { arg_buffer(1, 0, 100), arg_buffer(1, 50, 100) };
		struct drm_qda_map map = { .handle = 1, .key = seed % 4, .size = 4096 };
		struct drm_qda_unmap unmap = { .key = seed % 4 };
		struct drm_qda_cancel cancel = { .call = last };

		switch (next_random(&seed) % 7) {
		case 0:
			ret = submit(fd, DSP_HANDLE, DRM_QDA_SC(DSP_HOLD, 1, 1, 0, 0), args, 0,
				     &last);
			break;
		case 1:
			ret = accel_ioctl(fd, DRM_IOCTL_QDA_MAP, &map);
			break;
		case 2:
			ret = accel_ioctl(fd, DRM_IOCTL_QDA_UNMAP, &unmap);
			break;
		case 3:
			ret = accel_ioctl(fd, DRM_IOCTL_QDA_CANCEL, &cancel);
			break;
		case 4:
			args[0] = arg_inline(data, 300);
			args[1] = arg_inline(data, 300);
			ret = invoke(fd, DSP_HANDLE, DRM_QDA_SC(DSP_HOLD, 1, 1, 0, 0), args, NULL);
			break;
		default:
			ret = invoke(fd, DSP_HANDLE, DRM_QDA_SC(DSP_ECHO, 1, 1, 0, 0), args, NULL);
		}
		if (!fair(ret))
			return arg;
	}
	return NULL;
}

/* The first thread closes the file under the others' feet, again and again. */
static void *close_main(void *arg)
{
	if ((uintptr_t)arg != 1)
		return call_main(arg);
	while (atomic_load(&rounds) > 0) {
		const int fd = quiet_session();

		if (fd < 0)
			continue;
		dup2(fd, atomic_load(&shared_fd));
		close(fd);
		for (int i = 0; i < 50; i++)
			sched_yield();
	}
	return NULL;
}

static void files_close_under_calls(void **state)
{
	atomic_store(&shared_fd, session_open());
	run(THREADS, close_main, 4000);
	close(atomic_load(&shared_fd));
	all_is_well();
}

/* The first thread takes the buffer away and gives another, under the same handle. */
static void *take_main(void *arg)
{
	const int fd = atomic_load(&shared_fd);
	struct drm_gem_close gem_close = { .handle = 1 };
	uint8_t events[4096];

	if ((uintptr_t)arg != 1)
		return call_main(arg);
	while (atomic_load(&rounds) > 0) {
		struct drm_qda_gem_create create = { .size = 4096 };

		accel_ioctl(fd, DRM_IOCTL_GEM_CLOSE, &gem_close);
		accel_ioctl(fd, DRM_IOCTL_QDA_GEM_CREATE, &create);
		while (read(fd, events, sizeof(events)) > 0)
			;
	}
	return NULL;
}

static void buffers_go_under_calls(void **state)
{
	atomic_store(&shared_fd, session_open());
	run(THREADS, take_main, 4000);
	close(atomic_load(&shared_fd));
	all_is_well();
}

/* The first thread ends the session, one way or the other, and begins the next. */
static void *release_main(void *arg)
{
	const int fd = atomic_load(&shared_fd);
	struct drm_qda_init_create create = { .shell = 1, .shell_size = 1,
					      .attrs = DRM_QDA_ATTR_UNSIGNED };
	uint8_t events[4096];
	int ret;

	if ((uintptr_t)arg != 1)
		return call_main(arg);
	while (atomic_load(&rounds) > 0) {
		struct drm_qda_release release = { .flags = rounds % 2 };

		if (rounds % 3 == 0)
			dsp_notify(&dsp, dsp.control[FASTRPC_PROCESS_CREATE].client_id,
				   FASTRPC_PD_EXCEPTION);
		ret = accel_ioctl(fd, DRM_IOCTL_QDA_RELEASE, &release);
		if (!fair(ret))
			return arg;
		do {
			ret = accel_ioctl(fd, DRM_IOCTL_QDA_INIT_CREATE, &create);
			while (read(fd, events, sizeof(events)) > 0)
				;
		} while (ret == -EISCONN || ret == -EBUSY);
		if (ret)
			return arg;
	}
	return NULL;
}

static void sessions_end_under_calls(void **state)
{
	const int fd = accel_open();

	assert_int_equal(buffer_new(fd, 4096, NULL), 1);
	atomic_store(&shared_fd, fd);
	run(THREADS, release_main, 4000);
	close(fd);
	all_is_well();
}

static void callers_are_killed(void **state)
{
	uint32_t seed = 7;

	for (int i = 0; i < 60; i++) {
		const int fd = session_open();
		const pid_t child = fork();
		int status;

		if (child == 0) {
			atomic_store(&shared_fd, fd);
			atomic_store(&rounds, 1000000);
			call_main((void *)(uintptr_t)(i + 1));
			_exit(1);
		}
		close(fd);
		for (uint32_t n = next_random(&seed) % 400; n; n--)
			sched_yield();
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	all_is_well();
}

/* Callers go on, whatever becomes of the device; the test's own thread restarts the DSP. */
static void dsps_stop_under_calls(void **state)
{
	pthread_t threads[THREADS];
	void *bad;

	atomic_store(&rounds, 1 << 30);
	atomic_store(&shared_fd, session_open());
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, close_main, (void *)(i + 1)), 0);
	for (int i = 0; i < 25; i++) {
		stop_serving();
		serve();
	}
	atomic_store(&rounds, 0);
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &bad), 0);
		assert_null(bad);
	}
	close(atomic_load(&shared_fd));
	all_is_well();
}

/* --- random commands --- */

static uint64_t some_number(uint32_t *seed)
{
	switch (next_random(seed) % 4) {
	case 0:
		return edges[next_random(seed) % n_edges];
	case 1:
		return next_random(seed) % 8;
	case 2:
		return next_random(seed) % 3 * 4096;
	default:
		return 0;
	}
}

static uint64_t some_address(uint32_t *seed, uint8_t *memory, size_t n)
{
	if (next_random(seed) % 8 == 0)
		return bad_addresses[next_random(seed) % n_bad_addresses];
	return (uintptr_t)memory + next_random(seed) % n;
}

static struct drm_qda_arg some_argument(uint32_t *seed, uint8_t *memory, size_t n)
{
	struct drm_qda_arg arg = { .kind = next_random(seed) % 4 };

	if (arg.kind == DRM_QDA_ARG_INLINE) {
		arg.value = some_address(seed, memory, n / 2);
		arg.length = next_random(seed) % (n / 2);
	} else {
		arg.handle = (uint32_t)some_number(seed);
		arg.length = some_number(seed);
		arg.offset = some_number(seed);
	}
	if (arg.kind == DRM_QDA_ARG_NUMBER || next_random(seed) % 16 == 0)
		arg.value = some_number(seed);
	return arg;
}

static uint32_t some_scalars(uint32_t *seed)
{
	const uint32_t most = next_random(seed) % 16 ? 3 : 256;

	return DRM_QDA_SC(2 + next_random(seed) % 6, next_random(seed) % most,
			  next_random(seed) % most, next_random(seed) % 3, next_random(seed) % 3) |
	       (next_random(seed) % 64 == 0 ? next_random(seed) << 29 : 0);
}

static int random_command(int fd, uint32_t *seed)
{
	static const unsigned long requests[] = {
		DRM_IOCTL_QDA_QUERY,	   DRM_IOCTL_QDA_GEM_MMAP_OFFSET, DRM_IOCTL_QDA_INIT_ATTACH,
		DRM_IOCTL_QDA_INIT_CREATE, DRM_IOCTL_QDA_MAP,		  DRM_IOCTL_QDA_UNMAP,
		DRM_IOCTL_QDA_CANCEL,	   DRM_IOCTL_QDA_QUERY,		  DRM_IOCTL_GEM_CLOSE,
	};
	static __thread struct drm_qda_arg args[540];
	static __thread uint8_t memory[20000];
	struct drm_qda_gem_create create = { .size = next_random(seed) % 100000 };
	struct drm_qda_invoke call = { .handle = DSP_HANDLE };
	uint32_t words[32] = { 0 };

	switch (next_random(seed) % 8) {
	case 0:
		return accel_ioctl(fd, DRM_IOCTL_QDA_GEM_CREATE, &create);
	case 1:
	case 2:
		for (size_t i = 0; i < DIM(words); i++)
			words[i] = next_random(seed) % 3 ? 0 : (uint32_t)some_number(seed);
		return accel_ioctl(fd, requests[next_random(seed) % DIM(requests)], words);
	default:
		call.sc = some_scalars(seed);
		for (uint32_t i = 0; i < DRM_QDA_SC_ARGS(call.sc); i++)
			args[i] = some_argument(seed, memory, sizeof(memory));
		if (next_random(seed) % 32 == 0)
			call.handle = (uint32_t)some_number(seed);
		if (next_random(seed) % 2)
			return submit(fd, call.handle, call.sc, args, 0, NULL);
		return invoke(fd, call.handle, call.sc, args, NULL);
	}
}

/* Every error that the header tells of. */
static bool documented(int ret)
{
	static const int errors[] = {
		-EINVAL, -EFAULT, -E2BIG,      -EPERM,	 -EACCES, -EOPNOTSUPP, -ENOSPC,
		-ERANGE, -EIO,	  -EOVERFLOW,
	};

	for (size_t i = 0; i < DIM(errors); i++)
		if (ret == errors[i])
			return true;
	return fair(ret);
}

static void *random_main(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg * 40503u + (uint32_t)atomic_load(&shared_fd);
	uint8_t events[4096];
	int fd = quiet_session();

	for (int i = 1; atomic_fetch_sub(&rounds, 1) > 0; i++) {
		const int ret = random_command(fd, &seed);

		if (!documented(ret))
			return arg;
		if (ret == 0 || ret == -EREMOTEIO)
			atomic_fetch_add(&reached, 1);
		while (read(fd, events, sizeof(events)) > 0)
			;
		if (i % 2000 == 0) {
			close(fd);
			fd = quiet_session();
		}
	}
	close(fd);
	return NULL;
}

static void random_commands(void **state)
{
	const char *wanted = getenv("QDA_RANDOM_COMMANDS"), *seed = getenv("QDA_RANDOM_SEED");
	const int times = wanted ? atoi(wanted) : 100000;

	atomic_store(&shared_fd, seed ? atoi(seed) : 1);
	run(2, random_main, times);
	print_message("# %d of %d reached something\n", atomic_load(&reached), times);
	assert_true(atomic_load(&reached) > times / 10);	/* else the dice are loaded */
	all_is_well();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(files_close_under_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(buffers_go_under_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(sessions_end_under_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(callers_are_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(dsps_stop_under_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(random_commands, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
