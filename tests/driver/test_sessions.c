// SPDX-License-Identifier: BSD-3-Clause
/*
 * Sessions from their beginning to their end: context banks, who may have what, mappings under
 * keys, DSPs that refuse, do not answer, or go.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "accel.h"
#include "dsp.h"

#define HOLD DRM_QDA_SC(DSP_HOLD, 0, 0, 0, 0)

static struct dsp dsp;

static int setup(void **state)
{
	dsp_start(&dsp);
	return 0;
}

static int teardown(void **state)
{
	dsp_stop(&dsp);
	return 0;
}

static void wait_banks_free(int fd, uint64_t n)
{
	struct drm_qda_query query = { .type = DRM_QDA_QUERY_BANKS_FREE };

	do {
		assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_QUERY, &query), 0);
	} while (query.value != n);
}

/* A bank is somebody else's only when the DSP has confirmed that its PD is gone. */
static void banks_come_back_when_the_dsp_says_so(void **state)
{
	const int spare = accel_open();
	int files[DSP_BANKS];
	struct fastrpc_msg msg;

	for (int i = 0; i < DSP_BANKS; i++)
		files[i] = session_open();
	assert_int_equal(session_create(spare, DRM_QDA_ATTR_UNSIGNED), -EUSERS);
	dsp_hold(&dsp, FASTRPC_PROCESS_RELEASE, true);
	close(files[0]);
	msg = dsp_take(&dsp, 0);
	assert_int_equal(fastrpc_sc_method(msg.sc), FASTRPC_PROCESS_RELEASE);
	assert_int_equal(session_create(spare, DRM_QDA_ATTR_UNSIGNED), -EUSERS);
	dsp_answer(&dsp, msg.ctx, 0);
	dsp_hold(&dsp, FASTRPC_PROCESS_RELEASE, false);
	wait_banks_free(spare, 1);
	assert_int_equal(session_create(spare, DRM_QDA_ATTR_UNSIGNED), 0);
	for (int i = 1; i < DSP_BANKS; i++)
		close(files[i]);
	wait_banks_free(spare, DSP_BANKS - 1);
	close(spare);
}

/* A DSP that refuses to end a PD keeps its bank. */
static void a_refused_release_keeps_the_bank(void **state)
{
	const int spare = accel_open();
	const unsigned released = dsp_seen(&dsp, FASTRPC_PROCESS_RELEASE);
	struct drm_qda_query query = { .type = DRM_QDA_QUERY_BANKS_FREE };

	dsp_refuse(&dsp, FASTRPC_PROCESS_RELEASE, (int32_t)FASTRPC_EFAILED);
	close(session_open());
	dsp_wait_seen(&dsp, FASTRPC_PROCESS_RELEASE, released + 1);
	close(session_open());
	dsp_wait_seen(&dsp, FASTRPC_PROCESS_RELEASE, released + 2);
	assert_int_equal(accel_ioctl(spare, DRM_IOCTL_QDA_QUERY, &query), 0);
	assert_int_equal(query.value, DSP_BANKS - 2);
	close(spare);
}

static void close_does_not_wait_for_calls(void **state)
{
	const int fd = session_open(), spare = accel_open();
	const unsigned released = dsp_seen(&dsp, FASTRPC_PROCESS_RELEASE);
	struct fastrpc_msg msg;

	for (uint64_t i = 0; i < 20; i++)
		assert_int_equal(submit(fd, DSP_HANDLE, HOLD, NULL, i, NULL), 0);
	msg = dsp_take(&dsp, 0);
	close(fd);
	dsp_wait_seen(&dsp, FASTRPC_PROCESS_RELEASE, released + 1);
	wait_banks_free(spare, DSP_BANKS);
	dsp_answer_all(&dsp, 0);	/* too late, for sessions that are gone */
	dsp_answer(&dsp, msg.ctx, 0);
	close(session_open());
	close(spare);
}

static void a_refused_create_may_be_repeated(void **state)
{
	const int fd = accel_open();
	struct drm_qda_init_create create = { .shell = buffer_new(fd, 4096, NULL),
					      .shell_size = 4096,
					      .attrs = DRM_QDA_ATTR_UNSIGNED };

	dsp_refuse(&dsp, FASTRPC_PROCESS_CREATE, (int32_t)FASTRPC_EUNABLETOLOAD);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_INIT_CREATE, &create), -EREMOTEIO);
	assert_int_equal(create.result, (int32_t)FASTRPC_EUNABLETOLOAD);
	assert_int_equal(invoke(fd, DSP_HANDLE, HOLD, NULL, NULL), -ENOTCONN);
	wait_banks_free(fd, DSP_BANKS);
	dsp_refuse(&dsp, FASTRPC_PROCESS_CREATE, 0);
	create.result = 0;
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_INIT_CREATE, &create), 0);
	assert_int_equal(invoke(fd, DSP_HANDLE, DRM_QDA_SC(DSP_SILENT, 0, 0, 0, 0), NULL, NULL), 0);
	close(fd);
}

static void the_dsp_hears_what_create_says(void **state)
{
	const int fd = accel_open();
	uint8_t *shell, *memory;
	struct drm_qda_init_create create = { .shell_size = 5000,
					      .siglen = 17,
					      .attrs = DRM_QDA_ATTR_UNSIGNED | DRM_QDA_ATTR_DEBUG };
	const struct fastrpc_ctl *ctl = &dsp.control[FASTRPC_PROCESS_CREATE];

	create.shell = buffer_new(fd, 8192, (void **)&shell);
	create.memory = buffer_new(fd, 65536, (void **)&memory);
	pattern(shell, 8192, 1);
	pattern(memory, 65536, 2);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_INIT_CREATE, &create), 0);
	assert_int_equal(ctl->file_len, 5000);
	assert_int_equal(ctl->siglen, 17);
	assert_int_equal(ctl->attrs, create.attrs);
	assert_int_equal(ctl->mem_len, 65536);
	assert_int_not_equal(ctl->client_id, 0);
	assert_memory_equal(dsp_memory(&dsp, ctl->file_addr), shell, 5000);
	assert_memory_equal(dsp_memory(&dsp, ctl->mem_addr), memory, 65536);
	/* the PD's own memory is its own until its end, handle or not */
	buffer_close(fd, create.memory);
	buffer_close(fd, create.shell);
	wait_gone(dsp_memory(&dsp, ctl->file_addr));
	assert_int_equal(touch(dsp_memory(&dsp, ctl->mem_addr)), memory[0]);
	munmap(shell, 8192);
	munmap(memory, 65536);	/* a mapping keeps the file open */
	close(fd);
	wait_gone(dsp_memory(&dsp, ctl->mem_addr));
}

/* Each in a child that is nobody; a node that everybody may open stands for a group's. */
static int as_nobody(int (*what)(int fd), int fd)
{
	const pid_t child = fork();
	int status;

	if (child == 0) {
		if (setgid(65534) || setuid(65534))
			_exit(99);
		_exit(what(fd < 0 ? accel_open() : fd));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int try_attach(int fd)
{
	struct drm_qda_init_attach attach = { .pd = DRM_QDA_PD_ROOT };

	return -accel_ioctl(fd, DRM_IOCTL_QDA_INIT_ATTACH, &attach);
}

static int try_signed(int fd)
{
	return -session_create(fd, 0);
}

static int try_unsigned(int fd)
{
	return -session_create(fd, DRM_QDA_ATTR_UNSIGNED);
}

static void only_the_openers_rights_count(void **state)
{
	int (*const tries[])(int) = { try_attach, try_signed, try_unsigned };
	static const int as_opener[] = { EACCES, EACCES, 0 };
	const unsigned controls = dsp_seen(&dsp, FASTRPC_PROCESS_ATTACH);
	char path[32];
	int fd;

	for (int i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), "/dev/accel/accel%d", i);
		chmod(path, 0666);
	}
	for (size_t i = 0; i < DIM(tries); i++) {
		assert_int_equal(as_nobody(tries[i], -1), as_opener[i]);
		fd = accel_open();	/* root opens, nobody uses */
		assert_int_equal(as_nobody(tries[i], fd), 0);
		close(fd);
	}
	assert_int_equal(dsp_seen(&dsp, FASTRPC_PROCESS_ATTACH), controls + 1);
}

static void asynchronous_forms_tell_their_end(void **state)
{
	const int fd = accel_open();
	struct drm_qda_init_create create = { .shell = buffer_new(fd, 4096, NULL),
					      .shell_size = 1,
					      .attrs = DRM_QDA_ATTR_UNSIGNED,
					      .flags = DRM_QDA_ASYNC,
					      .user_data = 1 };
	struct drm_qda_map map = { .handle = create.shell, .key = 3, .size = 4096,
				   .flags = DRM_QDA_ASYNC, .user_data = 2 };
	struct drm_qda_unmap unmap = { .key = 3, .flags = DRM_QDA_ASYNC, .user_data = 3 };
	struct drm_qda_event event;

	dsp_hold(&dsp, FASTRPC_PROCESS_CREATE, true);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_INIT_CREATE, &create), 0);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_INIT_CREATE, &create), -EISCONN);
	assert_int_equal(invoke(fd, DSP_HANDLE, HOLD, NULL, NULL), -ENOTCONN);
	dsp_answer(&dsp, dsp_take(&dsp, 0).ctx, 9);
	event = event_next(fd);
	assert_int_equal(event.user_data, 1);
	assert_int_equal(event.error, -EREMOTEIO);
	assert_int_equal(event.result, 9);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_INIT_CREATE, &create), 0);
	dsp_answer(&dsp, dsp_take(&dsp, 0).ctx, 0);
	assert_int_equal(event_next(fd).error, 0);

	dsp_hold(&dsp, FASTRPC_PROCESS_MEM_MAP, true);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_MAP, &map), 0);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_MAP, &map), -EEXIST);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_UNMAP, &unmap), -EALREADY);
	assert_true(event_none(fd));
	dsp_answer(&dsp, dsp_take(&dsp, 0).ctx, 0);
	event = event_next(fd);
	assert_int_equal(event.user_data, 2);
	assert_int_equal(event.error, 0);

	dsp_hold(&dsp, FASTRPC_PROCESS_MEM_UNMAP, true);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_UNMAP, &unmap), 0);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_UNMAP, &unmap), -EALREADY);
	dsp_answer(&dsp, dsp_take(&dsp, 0).ctx, 0);
	event = event_next(fd);
	assert_int_equal(event.user_data, 3);
	assert_int_equal(event.error, 0);
	assert_true(event_none(fd));
	close(fd);
}

static void the_dsp_hears_what_map_says(void **state)
{
	const int fd = session_open();
	uint8_t *memory;
	const uint32_t buffer = buffer_new(fd, 16384, (void **)&memory);
	struct drm_qda_map map = { .handle = buffer, .key = 41, .attrs = DRM_QDA_MAP_FD_DELAYED,
				   .offset = 4096, .size = 8192 };
	struct drm_qda_unmap unmap = { .key = 41 };
	const struct fastrpc_ctl *mapped = &dsp.control[FASTRPC_PROCESS_MEM_MAP];
	const struct fastrpc_ctl *unmapped = &dsp.control[FASTRPC_PROCESS_MEM_UNMAP];

	pattern(memory, 16384, 3);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_MAP, &map), 0);
	assert_int_equal(mapped->key, 41);
	assert_int_equal(mapped->flags, DRM_QDA_MAP_FD_DELAYED);
	assert_int_equal(mapped->mem_len, 8192);
	assert_memory_equal(dsp_memory(&dsp, mapped->mem_addr), memory + 4096, 8192);
	assert_int_equal(mapped->client_id, dsp.control[FASTRPC_PROCESS_CREATE].client_id);
	buffer_close(fd, buffer);
	assert_int_equal(touch(dsp_memory(&dsp, mapped->mem_addr)), memory[4096]);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_UNMAP, &unmap), 0);
	assert_int_equal(unmapped->key, 41);
	assert_int_equal(unmapped->mem_len, 8192);
	wait_gone(dsp_memory(&dsp, mapped->mem_addr));
	munmap(memory, 16384);
	close(fd);
}

static void a_dsp_may_refuse_to_map_and_to_unmap(void **state)
{
	const int fd = session_open();
	struct drm_qda_map map = { .handle = buffer_new(fd, 4096, NULL), .key = 6, .size = 4096 };
	struct drm_qda_unmap unmap = { .key = 6 };

	dsp_refuse(&dsp, FASTRPC_PROCESS_MEM_MAP, 33);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_MAP, &map), -EREMOTEIO);
	assert_int_equal(map.result, 33);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_UNMAP, &unmap), -ENOENT);
	dsp_refuse(&dsp, FASTRPC_PROCESS_MEM_MAP, 0);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_MAP, &map), 0);
	assert_int_equal(map.result, 0);

	dsp_refuse(&dsp, FASTRPC_PROCESS_MEM_UNMAP, 34);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_UNMAP, &unmap), -EREMOTEIO);
	assert_int_equal(unmap.result, 34);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_MAP, &map), -EEXIST);
	dsp_refuse(&dsp, FASTRPC_PROCESS_MEM_UNMAP, (int32_t)FASTRPC_ENOSUCHMAP);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_UNMAP, &unmap), -EREMOTEIO);
	dsp_refuse(&dsp, FASTRPC_PROCESS_MEM_UNMAP, 0);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_UNMAP, &unmap), -ENOENT);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_MAP, &map), 0);
	close(fd);
}

static void heap_memory_goes_by_its_address(void **state)
{
	const int fd = session_open();
	struct drm_qda_map map = { .handle = buffer_new(fd, 8192, NULL),
				   .kind = DRM_QDA_MAP_HEAP,
				   .size = 8192 };
	struct drm_qda_unmap unmap = { .kind = DRM_QDA_MAP_HEAP };

	dsp.heap = 0x7654321000;
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_MAP, &map), 0);
	assert_true(map.dsp_addr == 0x7654321000);
	assert_int_equal(dsp.control[FASTRPC_PROCESS_MMAP].mem_len, 8192);
	unmap.dsp_addr = 0x7654321000 + 4096;
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_UNMAP, &unmap), -ENOENT);
	unmap.dsp_addr = 0x7654321000;
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_UNMAP, &unmap), 0);
	assert_true(dsp.control[FASTRPC_PROCESS_MUNMAP].vaddr == 0x7654321000);
	assert_int_equal(dsp.control[FASTRPC_PROCESS_MUNMAP].mem_len, 8192);
	close(fd);
}

static void mappings_have_a_limit(void **state)
{
	const int fd = session_open();
	struct drm_qda_map map = { .handle = buffer_new(fd, 4096, NULL), .size = 4096 };
	struct drm_qda_unmap unmap = { .key = 0 };

	for (map.key = 0; map.key < 4096; map.key++)
		assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_MAP, &map), 0);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_MAP, &map), -ENOSPC);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_UNMAP, &unmap), 0);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_MAP, &map), 0);
	close(fd);
}

static void a_dead_dsp_ends_every_wait(void **state)
{
	const int fd = session_open();
	struct invoker calls[4];
	struct drm_qda_gem_create create = { .size = 4096 };
	struct drm_qda_event event;

	for (size_t i = 0; i < DIM(calls); i++) {
		calls[i] = (struct invoker){ .fd = fd, .handle = DSP_HANDLE, .sc = HOLD };
		invoker_start(&calls[i]);
	}
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(submit(fd, DSP_HANDLE, HOLD, NULL, i, NULL), 0);
	dsp_wait_held(&dsp, 104);
	dsp_stop(&dsp);
	for (size_t i = 0; i < DIM(calls); i++) {
		invoker_join(&calls[i]);
		assert_int_equal(calls[i].ret, -EPIPE);
	}
	for (uint64_t i = 0; i < 100; i++) {
		event = event_next(fd);
		assert_int_equal(event.base.type, DRM_QDA_EVENT_DONE);
		assert_int_equal(event.error, -EPIPE);
	}
	event = event_next(fd);
	assert_int_equal(event.base.type, DRM_QDA_EVENT_LOST);
	assert_int_equal(event.error, -EPIPE);
	assert_true(event_none(fd));
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_GEM_CREATE, &create), -ENODEV);
	assert_int_equal(invoke(fd, DSP_HANDLE, HOLD, NULL, NULL), -ENODEV);
	dsp_start(&dsp);
	close(session_open());
	close(fd);
}

static void sessions_end_in_every_state(void **state)
{
	static const uint32_t methods[] = { FASTRPC_PROCESS_CREATE, FASTRPC_PROCESS_RELEASE,
					    FASTRPC_PROCESS_MEM_MAP };

	for (size_t i = 0; i < 3 * DIM(methods); i++) {
		const int fd = accel_open();
		struct drm_qda_init_create create = { .shell = buffer_new(fd, 4096, NULL),
						      .shell_size = 1,
						      .attrs = DRM_QDA_ATTR_UNSIGNED,
						      .flags = DRM_QDA_ASYNC };
		struct drm_qda_map map = { .handle = create.shell, .size = 4096,
					   .flags = DRM_QDA_ASYNC };
		const uint32_t method = methods[i / 3];

		dsp_hold(&dsp, method, true);
		assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_INIT_CREATE, &create), 0);
		if (method != FASTRPC_PROCESS_CREATE) {
			assert_int_equal(event_next(fd).error, 0);
			assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_MAP, &map), 0);
		}
		if (i % 3 == 0)		/* the DSP goes first */
			dsp_wait_held(&dsp, method != FASTRPC_PROCESS_RELEASE);
		else
			close(fd);
		if (i % 3 == 1) {	/* it answers what it held */
			dsp_wait_held(&dsp, 1);
			dsp_hold(&dsp, method, false);
			dsp_answer_all(&dsp, 0);
		}
		dsp_stop(&dsp);
		if (i % 3 == 0)
			close(fd);
		dsp_start(&dsp);
	}
	close(session_open());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(banks_come_back_when_the_dsp_says_so),
		TEST(a_refused_release_keeps_the_bank),
		TEST(close_does_not_wait_for_calls),
		TEST(a_refused_create_may_be_repeated),
		TEST(the_dsp_hears_what_create_says),
		TEST(only_the_openers_rights_count),
		TEST(asynchronous_forms_tell_their_end),
		TEST(the_dsp_hears_what_map_says),
		TEST(a_dsp_may_refuse_to_map_and_to_unmap),
		TEST(heap_memory_goes_by_its_address),
		TEST(mappings_have_a_limit),
		TEST(a_dead_dsp_ends_every_wait),
		TEST(sessions_end_in_every_state),
	};

	alarm(600);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
