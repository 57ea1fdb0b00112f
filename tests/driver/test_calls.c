// SPDX-License-Identifier: BSD-3-Clause
/*
 * Calls under way: SUBMIT and its events, limits to the last call, CANCEL, and answers that come
 * late, twice, forged or never.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "accel.h"
#include "dsp.h"

#define HOLD DRM_QDA_SC(DSP_HOLD, 0, 0, 0, 0)

static struct dsp dsp;
static int file;

static int setup(void **state)
{
	dsp_start(&dsp);
	file = session_open();
	return 0;
}

static int teardown(void **state)
{
	close(file);
	dsp_stop(&dsp);
	return 0;
}

static uint64_t ask(int fd, uint32_t type)
{
	struct drm_qda_query query = { .type = type };

	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_QUERY, &query), 0);
	return query.value;
}

static int cancel(int fd, uint64_t call)
{
	struct drm_qda_cancel arg = { .call = call };

	return accel_ioctl(fd, DRM_IOCTL_QDA_CANCEL, &arg);
}

static void an_event_tells_how_a_call_ended(void **state)
{
	static const int32_t results[] = { 0, 1, -1, 0x7fffffff, (int32_t)0x80000000 };

	for (size_t i = 0; i < DIM(results); i++) {
		const uint64_t user_data = 0xfedcba9876543210 + i;
		struct fastrpc_msg msg;
		struct drm_qda_event event;

		assert_int_equal(submit(file, DSP_HANDLE, HOLD, NULL, user_data, NULL), 0);
		msg = dsp_take(&dsp, 0);
		assert_int_equal(msg.handle, DSP_HANDLE);
		assert_int_equal(msg.sc, HOLD);
		assert_true(event_none(file));
		dsp_answer(&dsp, msg.ctx, results[i]);
		event = event_next(file);
		assert_int_equal(event.base.type, DRM_QDA_EVENT_DONE);
		assert_int_equal(event.base.length, sizeof(event));
		assert_true(event.user_data == user_data);
		assert_int_equal(event.error, results[i] ? -EREMOTEIO : 0);
		assert_int_equal(event.result, results[i]);
		assert_int_equal(event.value, 0);
		assert_true(event_none(file));
	}
}

static void an_event_has_the_handles_out(void **state)
{
	struct drm_qda_arg args[4] = { arg_number(5), arg_number(1ull << 63), arg_number(0),
				       arg_number(1) };
	struct {
		struct drm_qda_event event;
		uint64_t out[2];
		uint64_t more;
	} got;
	struct pollfd poll_fd = { .fd = file, .events = POLLIN };

	assert_int_equal(submit(file, DSP_HANDLE, DRM_QDA_SC(DSP_ECHO, 0, 0, 2, 2), args, 9, NULL),
			 0);
	assert_int_equal(poll(&poll_fd, 1, 60000), 1);
	assert_int_equal(read(file, &got, sizeof(got)), sizeof(got) - 8);
	assert_int_equal(got.event.base.length, sizeof(got) - 8);
	assert_int_equal(got.event.user_data, 9);
	assert_true(got.out[0] == 5);
	assert_true(got.out[1] == 1ull << 63);
	assert_ptr_equal(DRM_QDA_EVENT_OUT_HANDLES(&got.event), got.out);
}

static void bytes_in_buffers_arrive(void **state)
{
	uint8_t *in, *out;
	const uint32_t a = buffer_new(file, 65536, (void **)&in);
	const uint32_t b = buffer_new(file, 65536, (void **)&out);
	const struct drm_qda_arg args[] = { arg_buffer(a, 1, 65535), arg_buffer(b, 0, 65535) };

	pattern(in, 65536, 12);
	assert_int_equal(submit(file, DSP_HANDLE, DRM_QDA_SC(DSP_ECHO, 1, 1, 0, 0), args, 1, NULL),
			 0);
	assert_int_equal(event_next(file).error, 0);
	assert_memory_equal(out, in + 1, 65535);
	assert_int_equal(out[65535], 0);
	munmap(in, 65536);
	munmap(out, 65536);
	buffer_close(file, a);
	buffer_close(file, b);
}

/* Nobody could copy back into a caller that has gone on. */
static void inline_arguments_are_refused(void **state)
{
	uint8_t data[8] = { 0 };
	const struct drm_qda_arg arg = arg_inline(data, sizeof(data));

	assert_int_equal(submit(file, DSP_HANDLE, DRM_QDA_SC(DSP_HOLD, 1, 0, 0, 0), &arg, 0, NULL),
			 -EINVAL);
	assert_int_equal(submit(file, DSP_HANDLE, DRM_QDA_SC(DSP_HOLD, 0, 1, 0, 0), &arg, 0, NULL),
			 -EINVAL);
	assert_true(event_none(file));
}

/* All that a file may have under way, events not read: one more is refused, one read frees. */
static void a_file_has_a_limit(void **state)
{
	const unsigned most = (unsigned)ask(file, DRM_QDA_QUERY_FILE_CALLS);

	assert_int_equal(most, 126);
	for (unsigned i = 0; i < most; i++)
		assert_int_equal(submit(file, DSP_HANDLE, HOLD, NULL, i, NULL), 0);
	assert_int_equal(submit(file, DSP_HANDLE, HOLD, NULL, 0, NULL), -EBUSY);
	dsp_wait_held(&dsp, most);
	for (unsigned i = 0; i < most; i++)
		dsp_answer(&dsp, dsp_take(&dsp, 0).ctx, 0);
	/* answered, but not read */
	assert_int_equal(submit(file, DSP_HANDLE, HOLD, NULL, 0, NULL), -EBUSY);
	assert_int_equal(event_next(file).user_data, 0);
	assert_int_equal(submit(file, DSP_HANDLE, HOLD, NULL, most, NULL), 0);
	dsp_answer(&dsp, dsp_take(&dsp, 0).ctx, 0);
	for (unsigned i = 1; i <= most; i++)
		assert_int_equal(event_next(file).user_data, i);
	assert_true(event_none(file));
}

/* What is left to a file when others have all they can get: its bank's part of the last quarter. */
static unsigned share(void)
{
	return (unsigned)(ask(file, DRM_QDA_QUERY_CALLS) / 4 / ask(file, DRM_QDA_QUERY_BANKS));
}

static unsigned submit_all(int fd, unsigned first)
{
	unsigned n = 0;

	while (submit(fd, DSP_HANDLE, HOLD, NULL, first + n, NULL) == 0)
		n++;
	assert_int_equal(submit(fd, DSP_HANDLE, HOLD, NULL, 0, NULL), -EBUSY);
	assert_int_equal(invoke(fd, DSP_HANDLE, HOLD, NULL, NULL), -EBUSY);
	return n;
}

/* Two that take all they can get do not keep others out; nor do those keep out each other. */
static void greedy_files_leave_a_share_to_the_others(void **state)
{
	const int files[] = { file, session_open(), session_open(), session_open() };
	const unsigned most = (unsigned)ask(file, DRM_QDA_QUERY_CALLS), each = share();
	const unsigned shared = most / 4;
	unsigned n[4];

	assert_true(each > 1);
	for (unsigned i = 0; i < 4; i++)
		n[i] = submit_all(files[i], 1000 * i);
	assert_int_equal(n[0], 126);
	assert_int_equal(n[1], most - shared - 126);
	assert_int_equal(n[2], each);
	assert_int_equal(n[3], each);
	dsp_wait_held(&dsp, n[0] + n[1] + 2 * each);
	dsp_answer(&dsp, dsp_take(&dsp, 0).ctx, 0);
	assert_int_equal(event_next(file).error, 0);
	assert_int_equal(submit(file, DSP_HANDLE, HOLD, NULL, 0, NULL), -EBUSY);
	assert_int_equal(submit(files[2], DSP_HANDLE, HOLD, NULL, 0, NULL), -EBUSY);
	dsp_answer_all(&dsp, 0);
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned j = i ? 0 : 1; j < n[i]; j++)
			assert_int_equal(event_next(files[i]).user_data / 1000, i);
		assert_true(event_none(files[i]));
		if (i)
			close(files[i]);
	}
	while (ask(file, DRM_QDA_QUERY_BANKS_FREE) != DSP_BANKS - 1)
		;
}

/* Three that take turns get the DSP but for the last quarter; answered backwards, each event comes
 * once, at its own file. */
static void a_dsp_has_a_limit(void **state)
{
	const int files[] = { file, session_open(), session_open() };
	const unsigned most = (unsigned)ask(file, DRM_QDA_QUERY_CALLS);
	uint8_t seen[3][256] = { 0 };
	unsigned n = 0;

	while (n < 3 * 126 && submit(files[n % 3], DSP_HANDLE, HOLD, NULL, n, NULL) == 0)
		n++;
	assert_int_equal(n, most - most / 4);
	assert_int_equal(submit(files[n % 3], DSP_HANDLE, HOLD, NULL, n, NULL), -EBUSY);
	assert_int_equal(invoke(files[n % 3], DSP_HANDLE, HOLD, NULL, NULL), -EBUSY);
	dsp_wait_held(&dsp, n);
	for (unsigned i = 0; i < n; i++) {	/* newest first */
		uint64_t ctx;

		pthread_mutex_lock(&dsp.lock);
		ctx = dsp.held[--dsp.n_held].ctx;
		pthread_mutex_unlock(&dsp.lock);
		dsp_answer(&dsp, ctx, 0);
	}
	for (unsigned i = 0; i < n; i++) {
		const struct drm_qda_event event = event_next(files[i % 3]);

		assert_int_equal(event.error, 0);
		assert_int_equal(event.user_data % 3, i % 3);
		assert_int_equal(seen[i % 3][event.user_data / 3]++, 0);
	}
	for (unsigned i = 0; i < 3; i++)
		assert_true(event_none(files[i]));
	close(files[1]);
	close(files[2]);
}

/* All that can be had is taken: sessions still end, and open. */
static void full_does_not_mean_stuck(void **state)
{
	const int other = session_open(), third = session_open();
	const int files[] = { file, other, third };
	const unsigned released = dsp_seen(&dsp, FASTRPC_PROCESS_RELEASE);
	unsigned n = 0;

	while (n < 3 * 126 && submit(files[n % 3], DSP_HANDLE, HOLD, NULL, n, NULL) == 0)
		n++;
	close(third);
	dsp_wait_seen(&dsp, FASTRPC_PROCESS_RELEASE, released + 1);
	close(session_open());
	dsp_wait_seen(&dsp, FASTRPC_PROCESS_RELEASE, released + 2);
	close(other);
	dsp_wait_seen(&dsp, FASTRPC_PROCESS_RELEASE, released + 3);
	dsp_wait_held(&dsp, n);
	dsp_answer_all(&dsp, 0);
	for (unsigned i = 0; i < (n + 2) / 3; i++)
		assert_int_equal(event_next(file).error, 0);
}

static void an_answer_counts_once(void **state)
{
	struct fastrpc_msg msg;

	assert_int_equal(submit(file, DSP_HANDLE, HOLD, NULL, 1, NULL), 0);
	msg = dsp_take(&dsp, 0);
	dsp_answer(&dsp, msg.ctx, 0);
	dsp_answer(&dsp, msg.ctx, 7);
	assert_int_equal(event_next(file).result, 0);
	/* its id comes up again; the old answer must not end another call */
	for (unsigned i = 0; i < 600; i++) {
		struct fastrpc_msg next;

		assert_int_equal(submit(file, DSP_HANDLE, HOLD, NULL, 1000 + i, NULL), 0);
		next = dsp_take(&dsp, 0);
		assert_true(next.ctx != msg.ctx);
		dsp_answer(&dsp, msg.ctx, 7);
		assert_true(event_none(file));
		dsp_answer(&dsp, next.ctx, (int32_t)i);
		assert_int_equal(event_next(file).result, i);
	}
}

static void forged_answers_are_dropped(void **state)
{
	struct fastrpc_msg msg;

	assert_int_equal(submit(file, DSP_HANDLE, HOLD, NULL, 1, NULL), 0);
	msg = dsp_take(&dsp, 0);
	for (uint32_t id = 0; id < 256; id++)	/* every id, in this generation and beside it */
		for (int generation = -2; generation <= 2; generation++)
			for (uint32_t low = 0; low < 256; low += 17) {
				const uint64_t ctx = ((msg.ctx >> 16) + generation) << 16 |
						     id << 8 | low;

				if (ctx != msg.ctx)
					dsp_answer(&dsp, ctx, 9);
			}
	assert_true(event_none(file));
	dsp_answer(&dsp, msg.ctx, 3);
	assert_int_equal(event_next(file).result, 3);
}

static void a_cancelled_call_ends_once_and_at_once(void **state)
{
	uint64_t call, other;
	struct drm_qda_event event;
	struct fastrpc_msg msg;

	assert_int_equal(submit(file, DSP_HANDLE, HOLD, NULL, 1, &call), 0);
	assert_int_equal(submit(file, DSP_HANDLE, HOLD, NULL, 2, &other), 0);
	assert_true(call && other && call != other);
	msg = dsp_take(&dsp, 0);
	assert_int_equal(cancel(file, call), 0);
	event = event_next(file);
	assert_int_equal(event.user_data, 1);
	assert_int_equal(event.error, -ECANCELED);
	assert_int_equal(cancel(file, call), -ENOENT);
	dsp_answer(&dsp, msg.ctx, 0);
	assert_true(event_none(file));
	dsp_answer(&dsp, dsp_take(&dsp, 0).ctx, 0);
	assert_int_equal(event_next(file).user_data, 2);
	assert_int_equal(cancel(file, other), -ENOENT);
}

/* The number of a call is that of one file. */
static void calls_of_others_cannot_be_cancelled(void **state)
{
	const int other = session_open();
	uint64_t call;

	assert_int_equal(submit(file, DSP_HANDLE, HOLD, NULL, 1, &call), 0);
	assert_int_equal(cancel(other, call), -ENOENT);
	dsp_answer(&dsp, dsp_take(&dsp, 0).ctx, 0);
	assert_int_equal(event_next(file).error, 0);
	close(other);
}

/* Given up, but not gone: what the DSP has not answered counts, and its memory stays. */
static void a_cancelled_call_is_in_flight_until_it_is_answered(void **state)
{
	uint8_t *memory;
	const uint32_t buffer = buffer_new(file, 4096, (void **)&memory);
	const struct drm_qda_arg arg = arg_buffer(buffer, 0, 4096);
	struct fastrpc_dsp_arg parsed;
	struct fastrpc_msg msg;
	uint64_t call, addr;

	pattern(memory, 4096, 5);
	assert_int_equal(submit(file, DSP_HANDLE, DRM_QDA_SC(DSP_HOLD, 0, 1, 0, 0), &arg, 1, &call),
			 0);
	msg = dsp_take(&dsp, 0);
	assert_int_equal(cancel(file, call), 0);
	assert_int_equal(event_next(file).error, -ECANCELED);
	buffer_close(file, buffer);
	assert_int_equal(fastrpc_parse(&msg, dsp_memory(&dsp, msg.addr), msg.size, &parsed), 0);
	addr = (msg.addr & ~0xffffffffull) | parsed.addr;
	assert_memory_equal(dsp_memory(&dsp, addr), memory, 4096);
	memset(dsp_memory(&dsp, addr), 0x77, 4096);
	assert_int_equal(memory[4095], 0x77);
	dsp_answer(&dsp, msg.ctx, 0);
	wait_gone(dsp_memory(&dsp, addr));
	assert_int_equal(memory[0], 0x77);
	munmap(memory, 4096);
}

static void *answer_main(void *arg)
{
	for (int i = 0; i < 300; i++)
		dsp_answer(&dsp, dsp_take(&dsp, 0).ctx, 0);
	return NULL;
}

static void cancel_and_answer_race(void **state)
{
	unsigned done = 0, cancelled = 0;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, answer_main, NULL), 0);
	for (uint64_t i = 0; i < 300; i++) {
		struct drm_qda_event event;
		uint64_t call;
		int ret;

		/* those given up count until they are answered */
		while ((ret = submit(file, DSP_HANDLE, HOLD, NULL, i, &call)) == -EBUSY)
			sched_yield();
		assert_int_equal(ret, 0);
		ret = cancel(file, call);
		event = event_next(file);
		assert_int_equal(event.user_data, i);
		assert_int_equal(event.error, ret == 0 ? -ECANCELED : 0);
		assert_true(ret == 0 || ret == -ENOENT);
		done += ret != 0;
		cancelled += ret == 0;
	}
	pthread_join(thread, NULL);
	assert_int_equal(done + cancelled, 300);
	assert_true(event_none(file));
}

/* Death ends the wait; the DSP keeps what it was given. */
static void a_killed_caller_leaves_its_call(void **state)
{
	uint8_t data[4000];
	const struct drm_qda_arg arg = arg_inline(data, sizeof(data));
	const uint32_t sc = DRM_QDA_SC(DSP_HOLD, 1, 0, 0, 0);
	struct fastrpc_dsp_arg parsed;
	struct fastrpc_msg msg;
	int status;
	pid_t child;

	pattern(data, sizeof(data), 31);
	child = fork();
	if (child == 0)
		_exit(invoke(file, DSP_HANDLE, sc, &arg, NULL) != 0);
	msg = dsp_take(&dsp, 0);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(fastrpc_parse(&msg, dsp_memory(&dsp, msg.addr), msg.size, &parsed), 0);
	assert_memory_equal(dsp_memory(&dsp, (msg.addr & ~0xffffffffull) | parsed.addr), data,
			    sizeof(data));
	dsp_answer(&dsp, msg.ctx, 0);
	assert_int_equal(invoke(file, DSP_HANDLE, DRM_QDA_SC(DSP_ECHO, 0, 0, 0, 0), NULL, NULL), 0);
}

static void on_signal(int signal)
{
}

static void a_signal_does_not_end_a_call(void **state)
{
	const struct sigaction action = { .sa_handler = on_signal };
	struct invoker call = { .fd = file, .handle = DSP_HANDLE, .sc = HOLD };
	struct fastrpc_msg msg;

	sigaction(SIGUSR1, &action, NULL);
	invoker_start(&call);
	msg = dsp_take(&dsp, 0);
	for (int i = 0; i < 10; i++)
		pthread_kill(call.thread, SIGUSR1);
	dsp_answer(&dsp, msg.ctx, 0);
	invoker_join(&call);
	assert_int_equal(call.ret, 0);
}

static void many_threads_on_one_file(void **state)
{
	struct invoker calls[32];

	for (size_t i = 0; i < DIM(calls); i++) {
		calls[i] = (struct invoker){ .fd = file, .handle = DSP_HANDLE, .sc = HOLD };
		invoker_start(&calls[i]);
	}
	dsp_wait_held(&dsp, DIM(calls));
	dsp_answer_all(&dsp, 4);
	for (size_t i = 0; i < DIM(calls); i++) {
		invoker_join(&calls[i]);
		assert_int_equal(calls[i].ret, -EREMOTEIO);
		assert_int_equal(calls[i].result, 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_tells_how_a_call_ended),
		cmocka_unit_test(an_event_has_the_handles_out),
		cmocka_unit_test(bytes_in_buffers_arrive),
		cmocka_unit_test(inline_arguments_are_refused),
		cmocka_unit_test(a_file_has_a_limit),
		cmocka_unit_test(greedy_files_leave_a_share_to_the_others),
		cmocka_unit_test(a_dsp_has_a_limit),
		cmocka_unit_test(full_does_not_mean_stuck),
		cmocka_unit_test(an_answer_counts_once),
		cmocka_unit_test(forged_answers_are_dropped),
		cmocka_unit_test(a_cancelled_call_ends_once_and_at_once),
		cmocka_unit_test(calls_of_others_cannot_be_cancelled),
		cmocka_unit_test(a_cancelled_call_is_in_flight_until_it_is_answered),
		cmocka_unit_test(cancel_and_answer_race),
		cmocka_unit_test(a_killed_caller_leaves_its_call),
		cmocka_unit_test(a_signal_does_not_end_a_call),
		cmocka_unit_test(many_threads_on_one_file),
	};

	alarm(600);
	return cmocka_run_group_tests(tests, setup, teardown);
}
