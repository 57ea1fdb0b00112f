// SPDX-License-Identifier: BSD-3-Clause
/*
 * Ends of sessions that somebody hears of: RELEASE, and PDs that end by themselves.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "accel.h"
#include "dsp.h"

#define HOLD DRM_QDA_SC(DSP_HOLD, 0, 0, 0, 0)
#define SILENT DRM_QDA_SC(DSP_SILENT, 0, 0, 0, 0)
#define RELEASED 77	/* user_data of RELEASE */

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

static uint64_t query(int fd, uint32_t type)
{
	struct drm_qda_query query = { .type = type };

	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_QUERY, &query), 0);
	return query.value;
}

static int release(int fd, int32_t *result)
{
	struct drm_qda_release release = { .result = 1 };
	const int ret = accel_ioctl(fd, DRM_IOCTL_QDA_RELEASE, &release);

	if (result)
		*result = release.result;
	return ret;
}

static int release_async(int fd)
{
	struct drm_qda_release release = { .flags = DRM_QDA_ASYNC, .user_data = RELEASED };

	return accel_ioctl(fd, DRM_IOCTL_QDA_RELEASE, &release);
}

static int map_async(int fd, uint32_t key, uint64_t user_data)
{
	struct drm_qda_map map = { .handle = buffer_new(fd, 4096, NULL), .key = key, .size = 4096,
				   .flags = DRM_QDA_ASYNC, .user_data = user_data };
	const int ret = accel_ioctl(fd, DRM_IOCTL_QDA_MAP, &map);

	buffer_close(fd, map.handle);
	return ret;
}

static int unmap(int fd, uint32_t key)
{
	struct drm_qda_unmap unmap = { .key = key };

	return accel_ioctl(fd, DRM_IOCTL_QDA_UNMAP, &unmap);
}

/* The client id of the session that was opened last. */
static int32_t client(void)
{
	return dsp.control[FASTRPC_PROCESS_CREATE].client_id;
}

static void assert_done(int fd, uint64_t user_data, int error)
{
	const struct drm_qda_event event = event_next(fd);

	assert_int_equal(event.base.type, DRM_QDA_EVENT_DONE);
	assert_int_equal(event.user_data, user_data);
	assert_int_equal(event.error, error);
}

static void assert_ended(int fd, int32_t reason)
{
	const struct drm_qda_event event = event_next(fd);

	assert_int_equal(event.base.type, DRM_QDA_EVENT_ENDED);
	assert_int_equal(event.base.length, sizeof(event));
	assert_int_equal(event.user_data, 0);
	assert_int_equal(event.error, -ECONNRESET);
	assert_int_equal(event.result, reason);
	assert_int_equal(event.value, 0);
}

static void assert_works(int fd)
{
	assert_int_equal(invoke(fd, DSP_HANDLE, SILENT, NULL, NULL), 0);
}

/* --- RELEASE --- */

static void a_release_ends_when_the_bank_is_free(void **state)
{
	const int fd = session_open();

	for (int i = 0; i < 3; i++) {
		assert_int_equal(query(fd, DRM_QDA_QUERY_BANKS_FREE), DSP_BANKS - 1);
		assert_works(fd);
		assert_int_equal(release(fd, NULL), 0);
		assert_int_equal(query(fd, DRM_QDA_QUERY_BANKS_FREE), DSP_BANKS);
		assert_int_equal(release(fd, NULL), -ENOTCONN);
		assert_int_equal(invoke(fd, DSP_HANDLE, SILENT, NULL, NULL), -ENOTCONN);
		assert_int_equal(session_create(fd, DRM_QDA_ATTR_UNSIGNED), 0);
	}
	assert_works(fd);
	assert_true(event_none(fd));
	close(fd);
}

/* A mapping keeps the file, and with it the PD: closing is no end then, RELEASE is. */
static void a_release_does_not_mind_mappings(void **state)
{
	const int fd = session_open(), spare = accel_open();
	const int other = session_open();
	uint8_t *memory, *others;

	buffer_new(fd, 4096, (void **)&memory);
	buffer_new(other, 4096, (void **)&others);
	close(other);
	assert_int_equal(release(fd, NULL), 0);
	assert_int_equal(query(spare, DRM_QDA_QUERY_BANKS_FREE), DSP_BANKS - 1);
	memory[0] = others[0] = 1;
	munmap(others, 4096);
	while (query(spare, DRM_QDA_QUERY_BANKS_FREE) != DSP_BANKS)
		;
	close(fd);
	assert_int_equal(memory[0], 1);
	munmap(memory, 4096);
	close(spare);
}

static void what_is_under_way_ends_before_the_release(void **state)
{
	const int fd = session_open();
	struct invoker call = { .fd = fd, .handle = DSP_HANDLE, .sc = HOLD };
	struct fastrpc_msg msg;

	invoker_start(&call);
	for (uint64_t i = 0; i < 20; i++)
		assert_int_equal(submit(fd, DSP_HANDLE, HOLD, NULL, i, NULL), 0);
	dsp_hold(&dsp, FASTRPC_PROCESS_MEM_MAP, true);
	assert_int_equal(map_async(fd, 5, 20), 0);
	dsp_wait_held(&dsp, 22);
	dsp_hold(&dsp, FASTRPC_PROCESS_RELEASE, true);
	assert_int_equal(release_async(fd), 0);
	dsp_wait_held(&dsp, 23);
	assert_int_equal(release(fd, NULL), -ENOTCONN);
	assert_int_equal(session_create(fd, DRM_QDA_ATTR_UNSIGNED), -EISCONN);
	assert_int_equal(submit(fd, DSP_HANDLE, SILENT, NULL, 99, NULL), -ENOTCONN);
	assert_true(event_none(fd));	/* the PD may still be at them */
	do {
		msg = dsp_take(&dsp, 0);
		if (msg.handle == FASTRPC_HANDLE_PROCESS &&
		    fastrpc_sc_method(msg.sc) == FASTRPC_PROCESS_RELEASE)
			break;
	} while (true);
	dsp_answer(&dsp, msg.ctx, 0);
	invoker_join(&call);
	assert_int_equal(call.ret, -ECONNRESET);
	for (uint64_t i = 0, seen = 0; i < 21; i++) {
		const struct drm_qda_event event = event_next(fd);

		assert_int_equal(event.error, -ECONNRESET);
		seen |= 1ull << event.user_data;
		assert_true(i < 20 || seen == (1 << 21) - 1);
	}
	assert_done(fd, RELEASED, 0);
	assert_true(event_none(fd));
	close(fd);
}

/* However many calls hang: the end of the session has its event from the beginning. */
static void a_full_file_can_be_released(void **state)
{
	const int fd = session_open();
	uint64_t n = 0;

	while (submit(fd, DSP_HANDLE, HOLD, NULL, n, NULL) == 0)
		n++;
	assert_int_equal(n, query(fd, DRM_QDA_QUERY_FILE_CALLS));
	assert_int_equal(release_async(fd), 0);
	for (uint64_t i = 0; i < n; i++)
		assert_done(fd, i, -ECONNRESET);
	assert_done(fd, RELEASED, 0);
	close(fd);
}

static void keys_of_one_pd_are_not_those_of_the_next(void **state)
{
	const int fd = session_open();
	struct fastrpc_msg msg;

	assert_int_equal(map_async(fd, 1, 1), 0);
	assert_done(fd, 1, 0);
	dsp_hold(&dsp, FASTRPC_PROCESS_MEM_MAP, true);
	assert_int_equal(map_async(fd, 2, 2), 0);
	msg = dsp_take(&dsp, 0);
	assert_int_equal(release(fd, NULL), 0);
	assert_done(fd, 2, -ECONNRESET);
	assert_int_equal(session_create(fd, DRM_QDA_ATTR_UNSIGNED), 0);
	dsp_hold(&dsp, FASTRPC_PROCESS_MEM_MAP, false);
	dsp_answer(&dsp, msg.ctx, 0);
	for (uint32_t key = 1; key <= 2; key++) {
		assert_int_equal(unmap(fd, key), -ENOENT);
		assert_int_equal(map_async(fd, key, 10 + key), 0);
		assert_done(fd, 10 + key, 0);
		assert_int_equal(unmap(fd, key), 0);
	}
	assert_true(event_none(fd));
	close(fd);
}

/* All that lies before the call in the message memory: also what will end the session. */
static void scribble(uint64_t addr)
{
	for (addr -= 4096; touch(dsp_memory(&dsp, addr)) >= 0; addr -= 4096)
		memset(dsp_memory(&dsp, addr), 0xff, 4096);
}

static void a_pd_cannot_change_what_ends_it(void **state)
{
	const int spare = accel_open();

	for (int i = 0; i < 2; i++) {
		const int fd = session_open();
		const int32_t ours = client();

		const struct drm_qda_arg arg = arg_buffer(buffer_new(fd, 4096, NULL), 0, 1);

		assert_int_equal(submit(fd, DSP_HANDLE, DRM_QDA_SC(DSP_HOLD, 1, 0, 0, 0), &arg, 1,
					NULL), 0);
		scribble(dsp_take(&dsp, 0).addr);
		if (i)
			assert_int_equal(release(fd, NULL), 0);
		close(fd);
		while (query(spare, DRM_QDA_QUERY_BANKS_FREE) != DSP_BANKS)
			assert_int_equal(query(spare, DRM_QDA_QUERY_BANKS_LOST), 0);
		assert_int_equal(dsp.control[FASTRPC_PROCESS_RELEASE].client_id, ours);
	}
	close(spare);
}

/* Its PD can write to where the answer lies: nobody else is told that. */
static void what_one_session_was_told_no_other_believes(void **state)
{
	const int fd = session_open(), other = session_open(), none = accel_open();
	struct drm_qda_query arch = { .type = DRM_QDA_QUERY_CAPABILITY, .index = 6 };

	dsp.arch = 0x66;
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_QUERY, &arch), 0);
	assert_int_equal(arch.value, 0x66);
	dsp.arch = 0x73;
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_QUERY, &arch), 0);
	assert_int_equal(arch.value, 0x66);
	assert_int_equal(accel_ioctl(other, DRM_IOCTL_QDA_QUERY, &arch), 0);
	assert_int_equal(arch.value, 0x73);
	assert_int_equal(accel_ioctl(none, DRM_IOCTL_QDA_QUERY, &arch), -ENOTCONN);
	assert_int_equal(release(fd, NULL), 0);
	assert_int_equal(session_create(fd, DRM_QDA_ATTR_UNSIGNED), 0);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_QUERY, &arch), 0);
	assert_int_equal(arch.value, 0x73);
	close(fd);
	close(other);
	close(none);
}

static void a_pd_that_cannot_be_ended_keeps_all_it_has(void **state)
{
	const int fd = session_open(), spare = accel_open();
	const uint32_t buffer = buffer_new(fd, 4096, NULL);
	const struct drm_qda_arg arg = arg_buffer(buffer, 0, 4096);
	struct fastrpc_dsp_arg parsed;
	struct fastrpc_msg msg;
	struct drm_qda_event event;
	uint8_t *seen;
	int32_t result;

	assert_int_equal(submit(fd, DSP_HANDLE, DRM_QDA_SC(DSP_HOLD, 1, 0, 0, 0), &arg, 1, NULL),
			 0);
	msg = dsp_take(&dsp, 0);
	assert_int_equal(fastrpc_parse(&msg, dsp_memory(&dsp, msg.addr), msg.size, &parsed), 0);
	seen = dsp_memory(&dsp, (msg.addr & ~0xffffffffull) | parsed.addr);
	buffer_close(fd, buffer);
	dsp_refuse(&dsp, FASTRPC_PROCESS_RELEASE, 42);
	assert_int_equal(release(fd, &result), -ENOTRECOVERABLE);
	assert_int_equal(result, 42);
	assert_int_equal(query(spare, DRM_QDA_QUERY_BANKS_LOST), 1);
	assert_int_equal(query(spare, DRM_QDA_QUERY_BANKS_FREE), DSP_BANKS - 1);
	assert_int_equal(release(fd, &result), -ENOTRECOVERABLE);
	assert_int_equal(result, 0);
	assert_int_equal(session_create(fd, DRM_QDA_ATTR_UNSIGNED), -ENOTRECOVERABLE);
	assert_int_equal(invoke(fd, DSP_HANDLE, SILENT, NULL, NULL), -ENOTRECOVERABLE);
	assert_int_equal(touch(seen), 0);
	close(fd);
	assert_int_equal(touch(seen), 0);

	/* told by an event, too */
	event.result = session_create(spare, DRM_QDA_ATTR_UNSIGNED);
	assert_int_equal(event.result, 0);
	assert_int_equal(release_async(spare), 0);
	event = event_next(spare);
	assert_int_equal(event.user_data, RELEASED);
	assert_int_equal(event.error, -ENOTRECOVERABLE);
	assert_int_equal(event.result, 42);
	assert_int_equal(query(spare, DRM_QDA_QUERY_BANKS_LOST), 2);

	/* a restart brings all banks back */
	dsp_stop(&dsp);
	dsp_start(&dsp);
	close(spare);
	close(session_open());
}

static void a_dead_pd_is_released_as_well(void **state)
{
	const int fd = session_open();
	int32_t result;

	dsp_refuse(&dsp, FASTRPC_PROCESS_RELEASE, (int32_t)FASTRPC_EBADSTATE);
	assert_int_equal(release(fd, &result), 0);
	assert_int_equal(result, 0);
	assert_int_equal(query(fd, DRM_QDA_QUERY_BANKS_LOST), 0);
	assert_int_equal(query(fd, DRM_QDA_QUERY_BANKS_FREE), DSP_BANKS);
	close(fd);
}

static void a_release_needs_a_session(void **state)
{
	const int fd = accel_open();
	struct drm_qda_init_create create = { .shell = buffer_new(fd, 4096, NULL),
					      .shell_size = 1,
					      .attrs = DRM_QDA_ATTR_UNSIGNED,
					      .flags = DRM_QDA_ASYNC };
	struct drm_qda_release bad = { .flags = 2 };

	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_RELEASE, &bad), -EINVAL);
	bad = (struct drm_qda_release){ .user_data = 1 };
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_RELEASE, &bad), -EINVAL);
	assert_int_equal(release(fd, NULL), -ENOTCONN);
	assert_int_equal(release_async(fd), -ENOTCONN);
	dsp_hold(&dsp, FASTRPC_PROCESS_CREATE, true);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_INIT_CREATE, &create), 0);
	assert_int_equal(release(fd, NULL), -ENOTCONN);
	dsp_answer(&dsp, dsp_take(&dsp, 0).ctx, 0);
	assert_done(fd, 0, 0);
	assert_int_equal(release(fd, NULL), 0);
	close(fd);
}

static void a_dsp_that_goes_ends_a_release(void **state)
{
	const int fd = session_open();
	struct drm_qda_event event;

	dsp_hold(&dsp, FASTRPC_PROCESS_RELEASE, true);
	assert_int_equal(release_async(fd), 0);
	dsp_wait_held(&dsp, 1);
	dsp_stop(&dsp);
	assert_done(fd, RELEASED, -EPIPE);
	event = event_next(fd);
	assert_int_equal(event.base.type, DRM_QDA_EVENT_LOST);
	close(fd);
	dsp_start(&dsp);
}

/* --- PDs that end by themselves --- */

static void a_pd_that_ends_takes_its_calls_along(void **state)
{
	static const uint32_t reasons[] = { FASTRPC_PD_EXIT, FASTRPC_PD_KILLED,
					    FASTRPC_PD_EXCEPTION };
	const int fd = accel_open(), other = session_open();

	for (size_t i = 0; i < DIM(reasons); i++) {
		struct invoker call = { .fd = fd, .handle = DSP_HANDLE, .sc = HOLD };
		uint64_t seen = 0;

		assert_int_equal(session_create(fd, DRM_QDA_ATTR_UNSIGNED), 0);
		invoker_start(&call);
		for (uint64_t j = 0; j < 50; j++)
			assert_int_equal(submit(fd, DSP_HANDLE, HOLD, NULL, j, NULL), 0);
		dsp_hold(&dsp, FASTRPC_PROCESS_MEM_MAP, true);
		assert_int_equal(map_async(fd, 5, 50), 0);
		dsp_wait_held(&dsp, 52);
		dsp_notify(&dsp, client(), reasons[i]);
		invoker_join(&call);
		assert_int_equal(call.ret, -ECONNRESET);
		for (int j = 0; j < 51; j++) {
			const struct drm_qda_event event = event_next(fd);

			assert_int_equal(event.base.type, DRM_QDA_EVENT_DONE);
			assert_int_equal(event.error, -ECONNRESET);
			seen |= 1ull << event.user_data;
		}
		assert_int_equal(seen, (1ull << 51) - 1);
		assert_ended(fd, (int32_t)reasons[i]);
		dsp_hold(&dsp, FASTRPC_PROCESS_MEM_MAP, false);
		dsp_answer_all(&dsp, 0);	/* too late */
		assert_int_equal(invoke(fd, DSP_HANDLE, SILENT, NULL, NULL), -ECONNRESET);
		assert_int_equal(submit(fd, DSP_HANDLE, SILENT, NULL, 1, NULL), -ECONNRESET);
		assert_int_equal(map_async(fd, 6, 1), -ECONNRESET);
		assert_int_equal(unmap(fd, 5), -ECONNRESET);
		assert_int_equal(session_create(fd, DRM_QDA_ATTR_UNSIGNED), -EISCONN);
		assert_int_equal(query(fd, DRM_QDA_QUERY_BANKS_FREE), DSP_BANKS - 2);
		assert_true(event_none(fd));
		assert_int_equal(i ? release_async(fd) : release(fd, NULL), 0);
		if (i)
			assert_done(fd, RELEASED, 0);
		assert_int_equal(query(fd, DRM_QDA_QUERY_BANKS_FREE), DSP_BANKS - 1);
	}
	assert_true(event_none(other));
	assert_works(other);
	close(fd);
	close(other);
}

/* Answered an instant before, and told elsewhere: the end of the PD is told last all the same. */
static void what_was_answered_is_told_before_the_end(void **state)
{
	const int fd = accel_open();

	dsp_hold(&dsp, FASTRPC_PROCESS_MEM_MAP, true);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(session_create(fd, DRM_QDA_ATTR_UNSIGNED), 0);
		for (uint32_t key = 1; key <= 4; key++)
			assert_int_equal(map_async(fd, key, key), 0);
		dsp_wait_held(&dsp, 4);
		dsp_answer_all(&dsp, 0);
		dsp_notify(&dsp, client(), FASTRPC_PD_EXIT);
		for (int j = 0; j < 4; j++)
			assert_int_equal(event_next(fd).base.type, DRM_QDA_EVENT_DONE);
		assert_ended(fd, DRM_QDA_ENDED_EXIT);
		assert_int_equal(release(fd, NULL), 0);
	}
	assert_true(event_none(fd));
	close(fd);
}

/* What comes of it is its answer: it ends nothing and tells nothing. */
static void assert_dropped(int fd, const void *bytes, size_t n)
{
	assert_int_equal(write(dsp.fd, bytes, n), n);
	assert_works(fd);
	assert_true(event_none(fd));
}

static void what_is_said_of_nobody_is_dropped(void **state)
{
	const int fd = session_open();
	const int32_t ours = client(), nobodies[] = { 0, -1, ours - 1, ours + 1, ours | 1 << 30 };
	static const uint32_t no_ends[] = { FASTRPC_PD_UP, 4, 5, 0x80000003, 0xffffffff };
	struct fastrpc_notification good, bad;

	fastrpc_notify(&good, ours, FASTRPC_PD_EXCEPTION);
	for (size_t i = 0; i < DIM(nobodies); i++) {
		fastrpc_notify(&bad, nobodies[i], FASTRPC_PD_EXCEPTION);
		assert_dropped(fd, &bad, sizeof(bad));
	}
	for (size_t i = 0; i < DIM(no_ends); i++) {
		fastrpc_notify(&bad, ours, no_ends[i]);
		assert_dropped(fd, &bad, sizeof(bad));
	}
	for (size_t n = 1; n < sizeof(good); n++)
		assert_dropped(fd, &good, n);
	for (int bit = 0; bit < 128; bit++) {	/* context, type, client */
		bad = good;
		((uint8_t *)&bad)[bit / 8] ^= 1 << bit % 8;
		assert_dropped(fd, &bad, sizeof(bad));
	}
	dsp_notify(&dsp, ours, FASTRPC_PD_EXCEPTION);
	assert_ended(fd, DRM_QDA_ENDED_EXCEPTION);
	for (int i = 0; i < 3; i++)		/* said again */
		dsp_notify(&dsp, ours, FASTRPC_PD_EXIT);
	assert_int_equal(release(fd, NULL), 0);
	dsp_notify(&dsp, ours, FASTRPC_PD_EXIT);	/* said late */
	assert_int_equal(session_create(fd, DRM_QDA_ATTR_UNSIGNED), 0);
	assert_int_not_equal(client(), ours);
	assert_dropped(fd, &good, sizeof(good));
	close(fd);
}

static void an_end_is_told_after_the_beginning(void **state)
{
	const int fd = accel_open();
	struct drm_qda_init_create create = { .shell = buffer_new(fd, 4096, NULL),
					      .shell_size = 1,
					      .attrs = DRM_QDA_ATTR_UNSIGNED,
					      .flags = DRM_QDA_ASYNC,
					      .user_data = 1 };
	struct fastrpc_msg msg;

	dsp_hold(&dsp, FASTRPC_PROCESS_CREATE, true);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_INIT_CREATE, &create), 0);
		msg = dsp_take(&dsp, 0);
		if (i % 2)
			dsp_notify(&dsp, client(), FASTRPC_PD_EXIT);
		dsp_answer(&dsp, msg.ctx, 0);
		if (!(i % 2))
			dsp_notify(&dsp, client(), FASTRPC_PD_EXIT);
		assert_done(fd, 1, 0);
		assert_ended(fd, DRM_QDA_ENDED_EXIT);
		assert_int_equal(release(fd, NULL), 0);
	}
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_INIT_CREATE, &create), 0);
	msg = dsp_take(&dsp, 0);
	dsp_notify(&dsp, client(), FASTRPC_PD_EXIT);
	dsp_answer(&dsp, msg.ctx, 8);	/* it never began */
	assert_done(fd, 1, -EREMOTEIO);
	assert_true(event_none(fd));
	close(fd);
}

static void an_end_that_is_asked_for_is_told_once(void **state)
{
	const int fd = session_open();
	struct fastrpc_msg msg;

	dsp_hold(&dsp, FASTRPC_PROCESS_RELEASE, true);
	assert_int_equal(release_async(fd), 0);
	msg = dsp_take(&dsp, 0);
	dsp_notify(&dsp, client(), FASTRPC_PD_EXIT);
	assert_true(event_none(fd));
	dsp_answer(&dsp, msg.ctx, 0);
	assert_done(fd, RELEASED, 0);
	assert_true(event_none(fd));
	close(fd);
}

static void a_file_can_be_closed_when_its_pd_has_ended(void **state)
{
	const int spare = accel_open();

	for (int i = 0; i < 50; i++) {
		const int fd = session_open();

		assert_int_equal(submit(fd, DSP_HANDLE, HOLD, NULL, 1, NULL), 0);
		dsp_notify(&dsp, client(), FASTRPC_PD_EXCEPTION);
		if (i % 2) {
			assert_done(fd, 1, -ECONNRESET);
			assert_ended(fd, DRM_QDA_ENDED_EXCEPTION);
		}
		close(fd);
		while (query(spare, DRM_QDA_QUERY_BANKS_FREE) != DSP_BANKS)
			;
		dsp_answer_all(&dsp, 0);
	}
	close(spare);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(a_release_ends_when_the_bank_is_free),
		TEST(a_release_does_not_mind_mappings),
		TEST(what_is_under_way_ends_before_the_release),
		TEST(a_full_file_can_be_released),
		TEST(keys_of_one_pd_are_not_those_of_the_next),
		TEST(a_pd_that_cannot_be_ended_keeps_all_it_has),
		TEST(a_pd_cannot_change_what_ends_it),
		TEST(what_one_session_was_told_no_other_believes),
		TEST(a_dead_pd_is_released_as_well),
		TEST(a_release_needs_a_session),
		TEST(a_dsp_that_goes_ends_a_release),
		TEST(a_pd_that_ends_takes_its_calls_along),
		TEST(what_was_answered_is_told_before_the_end),
		TEST(what_is_said_of_nobody_is_dropped),
		TEST(an_end_is_told_after_the_beginning),
		TEST(an_end_that_is_asked_for_is_told_once),
		TEST(a_file_can_be_closed_when_its_pd_has_ended),
	};

	alarm(600);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
