// SPDX-License-Identifier: BSD-3-Clause
/*
 * The soft device against the real qda-softdsp: sessions, calls, keys, faults of the PD. argv[1] is
 * the program, argv[2] the directory of the skels.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "device_rig.h"
#include "fastrpc.h"
#include "qda_args.h"
#include "qda_bad.h"
#include "qda_null.h"

#define MUCH (4u << 20)
#define PAGE 4096u

static const char *softdsp;
static const char *module_dirs[2];

static int setup(void **state)
{
	const struct qda_soft_config config = {
		.name = "cdsp",
		.program = softdsp,
		.module_dirs = module_dirs,
	};
	struct rig *rig = malloc(sizeof(*rig));

	rig_start(rig, &config);
	rig_wait_state(rig, QDA_DEVICE_UP);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	rig_stop(*state);
	free(*state);
	return 0;
}

static struct qda_device_call call_of(uint32_t handle, uint32_t sc,
				      const struct qda_device_arg *args)
{
	return (struct qda_device_call){ .handle = handle, .sc = sc, .args = args };
}

/* A call that must be carried out; what its method returned. */
static int32_t invoke(struct rig *rig, struct qda_device_session *session, uint32_t handle,
		      uint32_t sc, const struct qda_device_arg *args)
{
	const struct qda_device_call call = call_of(handle, sc, args);
	struct qda_device_done done;

	assert_int_equal(rig_submit(rig, session, &call, 99), 0);
	done = rig_wait(rig, 99);
	assert_int_equal(done.err, 0);
	return done.result;
}

/* --- sessions --- */

static void info_is_what_the_dsp_said(void **state)
{
	struct rig *rig = *state;
	struct qda_device_info info;

	rig->ops->info(rig->device, &info);
	assert_string_equal(info.name, "cdsp");
	assert_string_equal(info.kind, "soft");
	assert_int_equal(info.sessions_max, 16);
	assert_int_equal(info.calls_max, 239);
	assert_int_equal(info.session_calls_max, 127);
	assert_int_equal(info.arch, 0x68);
	assert_true(info.unsigned_pd);
	assert_false(info.client_dirs);
}

static void sessions_end_at_the_last_bank(void **state)
{
	struct rig *rig = *state;
	const struct qda_device_open open = { .session_cookie = 50, .name = "one too many" };
	struct qda_device_session *sessions[16], *none;

	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(rig_open(rig, &open, 1 + i, &sessions[i]), 0);
	assert_int_equal(rig_open(rig, &open, 17, &none), -EUSERS);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(rig_wait(rig, 1 + i).err, 0);
	rig_end(rig, sessions[7]);
	sessions[7] = rig_session(rig, 51);
	for (unsigned i = 0; i < 16; i++)
		rig_end(rig, sessions[i]);
}

static void bank_is_reused_without_what_was_in_it(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < 40; i++) {
		struct qda_device_session *session = rig_session(rig, 1);
		uint64_t count;
		void *view;
		struct qda_device_buffer *buffer = rig_buffer(rig, PAGE, &view);
		const struct qda_device_arg out = { .buffer = buffer, .length = 8 };
		uint32_t handle = rig_module(rig, session, QDA_NULL_URI, NULL);

		assert_int_equal(invoke(rig, session, handle,
					fastrpc_sc(0, QDA_NULL_COUNT, 0, 1, 0, 0), &out), 0);
		memcpy(&count, view, sizeof(count));
		assert_int_equal(count, 1);
		rig->ops->buffer_release(buffer);
		rig_end(rig, session);
	}
}

static void close_while_opening_completes_both(void **state)
{
	struct rig *rig = *state;
	const struct qda_device_open open = { .session_cookie = 1, .name = "short" };
	struct qda_device_session *session;

	assert_int_equal(rig_open(rig, &open, 2, &session), 0);
	rig_close(rig, session, 3);
	assert_int_equal(rig_wait(rig, 2).err, -ECANCELED);
	assert_int_equal(rig_wait(rig, 3).err, 0);
}

static void directories_need_a_dsp_that_takes_them(void **state)
{
	struct rig *rig = *state;
	const int fd = open(module_dirs[0], O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct qda_device_open open = { .session_cookie = 1, .dir_fds = &fd, .n_dirs = 1 };
	struct qda_device_session *session;

	assert_true(fd >= 0);
	assert_int_equal(rig_open(rig, &open, 2, &session), -EOPNOTSUPP);
	close(fd);
}

/* --- calls --- */

static void outputs_come_back_byte_for_byte(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1);
	uint32_t handle = rig_module(rig, session, QDA_ARGS_URI, NULL);
	void *in_view, *out_view;
	struct qda_device_buffer *in = rig_buffer(rig, 2 * PAGE, &in_view);
	struct qda_device_buffer *out = rig_buffer(rig, 3 * PAGE, &out_view);
	const struct qda_device_arg args[] = {
		{ .buffer = in, .offset = 1, .length = 5000 },
		{ .buffer = in, .offset = 2 * PAGE - 1, .length = 1 },
		{ .length = 0 },
		{ .buffer = out, .offset = 4095, .length = 5000 },
		{ .buffer = out, .offset = 3, .length = 1 },
		{ .length = 0 },
	};
	uint8_t *i8 = in_view, *o8 = out_view, expected[3 * PAGE];

	for (unsigned i = 0; i < 2 * PAGE; i++)
		i8[i] = (uint8_t)(i * 7 + i / 256);
	memset(o8, 0xa5, 3 * PAGE);
	memset(expected, 0xa5, sizeof(expected));
	memcpy(expected + 4095, i8 + 1, 5000);
	expected[3] = i8[2 * PAGE - 1];
	assert_int_equal(invoke(rig, session, handle, fastrpc_sc(0, QDA_ARGS_ECHO, 3, 3, 0, 0),
				args), 0);
	assert_memory_equal(o8, expected, sizeof(expected));
	rig->ops->buffer_release(in);
	rig->ops->buffer_release(out);
	rig_end(rig, session);
}

static void a_call_has_as_many_arguments_as_the_format(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1);
	uint32_t handle = rig_module(rig, session, QDA_ARGS_URI, NULL);
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(rig, 8 * PAGE, &view);
	struct qda_device_arg args[510];
	uint8_t *bytes = view;

	for (unsigned i = 0; i < 510; i++)
		args[i] = (struct qda_device_arg){ .buffer = buffer, .offset = i * 64,
						   .length = 1 + i % 255 % 64 };
	for (unsigned i = 0; i < 255 * 64; i++)
		bytes[i] = (uint8_t)(i % 251);
	assert_int_equal(invoke(rig, session, handle, fastrpc_sc(0, QDA_ARGS_ECHO, 255, 255, 0, 0),
				args), 0);
	for (unsigned i = 0; i < 255; i++) {
		assert_memory_equal(bytes + (255 + i) * 64, bytes + i * 64, args[i].length);
		if (args[i].length < 64)
			assert_int_equal(bytes[(255 + i) * 64 + args[i].length], 0);
	}
	rig->ops->buffer_release(buffer);
	rig_end(rig, session);
}

static void every_buffer_of_a_call_may_be_another(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1);
	uint32_t handle = rig_module(rig, session, QDA_ARGS_URI, NULL);
	struct qda_device_buffer *buffers[100];
	struct qda_device_arg args[100];
	uint8_t *views[100];

	for (unsigned i = 0; i < 100; i++) {
		void *view;

		buffers[i] = rig_buffer(rig, PAGE, &view);
		views[i] = view;
		args[i] = (struct qda_device_arg){ .buffer = buffers[i], .length = PAGE };
		memset(view, (int)i + 1, PAGE);
	}
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 50; i < 100; i++)
			memset(views[i], 0, PAGE);
		assert_int_equal(invoke(rig, session, handle,
					fastrpc_sc(0, QDA_ARGS_ECHO, 50, 50, 0, 0), args), 0);
		for (unsigned i = 0; i < 50; i++)
			assert_memory_equal(views[50 + i], views[i], PAGE);
	}
	for (unsigned i = 0; i < 100; i++)
		rig->ops->buffer_release(buffers[i]);
	rig_end(rig, session);
}

static void what_the_method_returns_passes_untouched(void **state)
{
	static const int32_t values[] = { 0, 1, -1, 14, (int32_t)0x80000406, INT32_MAX, INT32_MIN };
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1);
	uint32_t handle = rig_module(rig, session, QDA_BAD_URI, NULL);
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(rig, PAGE, &view);
	const struct qda_device_arg in = { .buffer = buffer, .length = 4 };

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		memcpy(view, &values[i], 4);
		assert_int_equal(invoke(rig, session, handle,
					fastrpc_sc(0, QDA_BAD_RETURN, 1, 0, 0, 0), &in), values[i]);
	}
	rig->ops->buffer_release(buffer);
	rig_end(rig, session);
}

static void arguments_outside_a_buffer_are_refused(void **state)
{
	static const struct { uint64_t offset, length; } bad[] = {
		{ 0, PAGE + 1 }, { PAGE, 1 }, { 1, PAGE }, { UINT64_MAX, 2 }, { 2, UINT64_MAX },
		{ 1ull << 32, 1 }, { 0, 1ull << 32 }, { 1ull << 63, 1ull << 63 },
	};
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1);
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(rig, PAGE, &view);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct qda_device_arg arg = { .buffer = buffer, .offset = bad[i].offset,
						    .length = bad[i].length };
		struct qda_device_call call = call_of(0, fastrpc_sc(0, 2, 1, 0, 0, 0), &arg);

		assert_int_equal(rig_submit(rig, session, &call, 2), -EINVAL);
		call.sc = fastrpc_sc(0, 2, 0, 1, 0, 0);
		assert_int_equal(rig_submit(rig, session, &call, 2), -EINVAL);
	}
	rig->ops->buffer_release(buffer);
	rig_end(rig, session);
}

static void kinds_must_fit_their_group(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1);
	const struct qda_device_arg number = { .kind = QDA_DEVICE_ARG_NUMBER, .number = 5 };
	const struct qda_device_arg key = { .kind = QDA_DEVICE_ARG_KEY, .number = 5 };
	const struct qda_device_arg buffer = { .kind = QDA_DEVICE_ARG_BUFFER };
	const struct qda_device_arg unknown = { .kind = 17 };
	const struct {
		const struct qda_device_arg *arg;
		uint32_t sc;
		int err;
	} bad[] = {
		{ &number, fastrpc_sc(0, 2, 1, 0, 0, 0), -EINVAL },
		{ &key, fastrpc_sc(0, 2, 0, 1, 0, 0), -EINVAL },
		{ &buffer, fastrpc_sc(0, 2, 0, 0, 1, 0), -EINVAL },
		{ &key, fastrpc_sc(0, 2, 0, 0, 0, 1), -EINVAL },
		{ &unknown, fastrpc_sc(0, 2, 1, 0, 0, 0), -EINVAL },
		{ &unknown, fastrpc_sc(0, 2, 0, 0, 1, 0), -EINVAL },
		{ &key, fastrpc_sc(0, 2, 0, 0, 1, 0), -ENOENT },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct qda_device_call call = call_of(0, bad[i].sc, bad[i].arg);

		assert_int_equal(rig_submit(rig, session, &call, 2), bad[i].err);
	}
	rig_end(rig, session);
}

static void process_control_is_not_callable(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1);
	struct qda_device_call call = call_of(FASTRPC_HANDLE_PROCESS, 0, NULL);

	assert_int_equal(rig_submit(rig, session, &call, 2), -EPERM);
	call.handle = FASTRPC_HANDLE_UTIL;
	assert_int_equal(rig_submit(rig, session, &call, 2), -EPERM);
	rig_end(rig, session);
}

static void no_more_than_127_calls_are_in_flight(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1);
	uint32_t handle = rig_module(rig, session, QDA_NULL_URI, NULL), *us;
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(rig, PAGE, &view);
	const struct qda_device_arg in = { .buffer = buffer, .length = 4 };
	const struct qda_device_call call =
		call_of(handle, fastrpc_sc(0, QDA_NULL_HOLD, 1, 0, 0, 0), &in);

	us = view;
	*us = 1000;
	for (unsigned i = 0; i < 127; i++)
		assert_int_equal(rig_submit(rig, session, &call, 100 + i), 0);
	assert_int_equal(rig_submit(rig, session, &call, 227), -EBUSY);
	for (unsigned i = 0; i < 127; i++) {
		const struct qda_device_done done = rig_wait(rig, 100 + i);

		assert_int_equal(done.err, 0);
		assert_int_equal(done.result, 0);
	}
	assert_int_equal(invoke(rig, session, handle, call.sc, &in), 0);
	rig->ops->buffer_release(buffer);
	rig_end(rig, session);
}

static void ids_of_the_dsp_are_shared_and_come_back(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *sessions[2], *third;
	uint32_t handles[2], *us;
	unsigned n = 0;
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(rig, PAGE, &view);
	const struct qda_device_arg in = { .buffer = buffer, .length = 4 };

	us = view;
	*us = QDA_BAD_FOREVER;
	for (unsigned i = 0; i < 2; i++) {
		sessions[i] = rig_session(rig, 1 + i);
		handles[i] = rig_module(rig, sessions[i], QDA_BAD_URI, NULL);
	}
	for (unsigned i = 0; i < 2 * 127; i++) {
		const struct qda_device_call call = call_of(
			handles[i / 127], fastrpc_sc(0, QDA_BAD_HANG, 1, 0, 0, 0), &in);
		int r = rig_submit(rig, sessions[i / 127], &call, 1000 + i);

		assert_int_equal(r, i < 239 ? 0 : -EBUSY);
		n += !r;
	}
	assert_int_equal(n, 239);
	/* Creation and release have ids of their own. */
	third = rig_session(rig, 3);
	rig_end(rig, third);
	rig_end(rig, sessions[0]);
	for (unsigned i = 0; i < 127; i++)
		assert_int_equal(rig_wait(rig, 1000 + i).err, -ECANCELED);
	assert_non_null(sessions[0] = rig_session(rig, 4));
	assert_true(rig_module(rig, sessions[0], QDA_NULL_URI, NULL));
	rig_end(rig, sessions[0]);
	rig_end(rig, sessions[1]);
	for (unsigned i = 127; i < 239; i++)
		assert_int_equal(rig_wait(rig, 1000 + i).err, -ECANCELED);
	rig->ops->buffer_release(buffer);
}

/* Submit from inside a completion, as core does. */
static struct {
	struct qda_device_session *session;
	struct qda_device_call call;
	unsigned left;
} chain;

static void submit_next(struct rig *rig, uint64_t cookie)
{
	if (cookie < 1000 || !chain.left)
		return;
	chain.left--;
	assert_int_equal(rig_submit(rig, chain.session, &chain.call, cookie + 1), 0);
}

static void calls_may_be_submitted_from_completions(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1);
	uint32_t handle = rig_module(rig, session, QDA_NULL_URI, NULL);

	chain.session = session;
	chain.call = call_of(handle, fastrpc_sc(0, QDA_NULL_NOTHING, 0, 0, 0, 0), NULL);
	chain.left = 999;
	rig->on_done = submit_next;
	assert_int_equal(rig_submit(rig, session, &chain.call, 1000), 0);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(rig_wait(rig, 1000 + i).err, 0);
	rig->on_done = NULL;
	rig_end(rig, session);
}

static void out_handles_become_remote_handles(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1);
	uint32_t handle = rig_module(rig, session, QDA_ARGS_URI, NULL);
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(rig, PAGE, &view);
	const struct qda_device_arg create[] = {
		{ .buffer = buffer, .length = 4 },
		{ .kind = QDA_DEVICE_ARG_NUMBER, .number = FASTRPC_OUT_REMOTE },
	};
	const struct qda_device_arg add[] = {
		{ .buffer = buffer, .length = 4 },
		{ .buffer = buffer, .offset = 128, .length = 4 },
	};
	const struct qda_device_call call =
		call_of(handle, fastrpc_sc(0, QDA_ARGS_COUNTER_NEW, 1, 0, 0, 1), create);
	struct qda_device_done done;
	int32_t *words = view;

	words[0] = 40;
	assert_int_equal(rig_submit(rig, session, &call, 2), 0);
	done = rig_wait(rig, 2);
	assert_int_equal(done.err, 0);
	assert_int_equal(done.result, 0);
	assert_int_not_equal(done.out_handles[0], 0);
	words[0] = 2;
	assert_int_equal(invoke(rig, session, (uint32_t)done.out_handles[0],
				fastrpc_sc(0, QDA_ARGS_COUNTER_ADD, 1, 1, 0, 0), add), 0);
	assert_int_equal(words[32], 42);
	rig->ops->buffer_release(buffer);
	rig_end(rig, session);
}

/* That takes time by its size: so much of it is done by a thread. */
static void much_memory_is_not_given_back_in_the_loop(void **state)
{
	struct rig *rig = *state;
	struct qda_device_buffer *little, *much;
	void *view;
	int fd;

	little = rig_buffer(rig, MUCH, &view);
	memset(view, 1, PAGE);
	rig->ops->buffer_release(little);
	assert_int_equal(rig->loop.active_reqs.count, 0);
	much = rig_buffer(rig, MUCH, &view);
	memset(view, 1, MUCH);
	fd = rig->ops->buffer_fd(much);
	rig->ops->buffer_release(much);
	assert_int_equal(rig->loop.active_reqs.count, 1);
	while (rig->loop.active_reqs.count)
		uv_run(&rig->loop, UV_RUN_ONCE);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void released_buffers_serve_calls_in_flight(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1);
	uint32_t handle = rig_module(rig, session, QDA_NULL_URI, NULL), *us;
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(rig, PAGE, &view);
	const struct qda_device_arg in = { .buffer = buffer, .length = 4 };
	const struct qda_device_call call =
		call_of(handle, fastrpc_sc(0, QDA_NULL_HOLD, 1, 0, 0, 0), &in);

	us = view;
	*us = 20000;
	assert_int_equal(rig_submit(rig, session, &call, 2), 0);
	rig->ops->buffer_release(buffer);
	assert_int_equal(rig_wait(rig, 2).result, 0);
	rig_end(rig, session);
}

static void address_space_is_given_back(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1);
	uint32_t handle = rig_module(rig, session, QDA_ARGS_URI, NULL);
	struct qda_device_buffer *buffers[5];
	void *view;
	struct qda_device_buffer *out = rig_buffer(rig, PAGE, &view);
	struct qda_args_sum sum;

	/* Five gigabytes pass through four, because idle buffers make room for the next. */
	for (unsigned i = 0; i < 5; i++) {
		struct qda_device_arg args[] = {
			{ .offset = 1ull << 20, .length = 4096 },
			{ .buffer = out, .length = sizeof(sum) },
		};

		assert_int_equal(rig->ops->buffer_create(rig->device, 1ull << 30, &buffers[i]), 0);
		args[0].buffer = buffers[i];
		assert_int_equal(invoke(rig, session, handle,
					fastrpc_sc(0, QDA_ARGS_CHECKSUM, 1, 1, 0, 0), args), 0);
		memcpy(&sum, view, sizeof(sum));
		assert_int_equal(sum.bytes, 4096);
	}
	for (unsigned i = 0; i < 5; i++)
		rig->ops->buffer_release(buffers[i]);
	rig->ops->buffer_release(out);
	rig_end(rig, session);
}

static void too_much_for_the_address_space_is_refused(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1);
	uint32_t handle = rig_module(rig, session, QDA_NULL_URI, NULL);
	struct qda_device_arg args[5];
	struct qda_device_call call =
		call_of(handle, fastrpc_sc(0, QDA_NULL_NOTHING, 5, 0, 0, 0), args);

	for (unsigned i = 0; i < 5; i++) {
		args[i] = (struct qda_device_arg){ .length = 1 };
		assert_int_equal(rig->ops->buffer_create(rig->device, 1ull << 30,
							 &args[i].buffer), 0);
	}
	assert_int_equal(rig_submit(rig, session, &call, 2), -ENOSPC);
	call.sc = fastrpc_sc(0, QDA_NULL_NOTHING, 3, 0, 0, 0);
	assert_int_equal(rig_submit(rig, session, &call, 2), 0);
	assert_int_equal(rig_wait(rig, 2).result, 0);
	for (unsigned i = 0; i < 5; i++)
		rig->ops->buffer_release(args[i].buffer);
	rig_end(rig, session);
}

/* --- keys --- */

static void a_key_names_a_window_of_a_buffer(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1);
	uint32_t handle = rig_module(rig, session, QDA_ARGS_URI, NULL);
	void *view, *small;
	struct qda_device_buffer *buffer = rig_buffer(rig, 4 * PAGE, &view);
	struct qda_device_buffer *words = rig_buffer(rig, PAGE, &small);
	const uint32_t length = 1000;
	const struct qda_device_arg args[] = {
		{ .buffer = words, .length = 4 },
		{ .buffer = words, .offset = 128, .length = sizeof(struct qda_args_key) },
		{ .kind = QDA_DEVICE_ARG_KEY, .number = 7, .offset = 100, .length = 2000 },
	};
	struct qda_args_key found;
	uint8_t *bytes = view;

	for (unsigned i = 0; i < 4 * PAGE; i++)
		bytes[i] = (uint8_t)(i * 3 + i / 256);
	assert_int_equal(rig_map(rig, session, buffer, 7, PAGE, 2 * PAGE, 2), 0);
	assert_int_equal(rig_map(rig, session, buffer, 7, 0, PAGE, 3), -EEXIST);
	assert_int_equal(rig_wait(rig, 2).err, 0);
	memcpy(small, &length, sizeof(length));
	assert_int_equal(invoke(rig, session, handle, fastrpc_sc(0, QDA_ARGS_KEY_SUM, 1, 1, 1, 0),
				args), 0);
	memcpy(&found, (char *)small + 128, sizeof(found));
	assert_int_equal(found.key, 7);
	assert_int_equal(found.offset, 100);
	assert_int_equal(found.size, 2 * PAGE);
	assert_true(found.fnv == qda_args_fnv(QDA_ARGS_FNV_START, bytes + PAGE + 100, length));
	for (unsigned i = 0; i < 3; i++) {
		static const struct { uint64_t offset, length; } bad[] = {
			{ 2 * PAGE, 1 }, { 1, 2 * PAGE }, { UINT64_MAX, 2 },
		};
		const struct qda_device_arg outside = { .kind = QDA_DEVICE_ARG_KEY, .number = 7,
							.offset = bad[i].offset,
							.length = bad[i].length };
		const struct qda_device_call call =
			call_of(handle, fastrpc_sc(0, QDA_ARGS_KEY_SUM, 0, 0, 1, 0), &outside);

		assert_int_equal(rig_submit(rig, session, &call, 3), -EINVAL);
	}
	assert_int_equal(rig_unmap(rig, session, 7, 4), 0);
	assert_int_equal(rig_unmap(rig, session, 7, 5), -EBUSY);
	assert_int_equal(rig_wait(rig, 4).err, 0);
	assert_int_equal(rig_unmap(rig, session, 7, 5), -ENOENT);
	rig->ops->buffer_release(buffer);
	rig->ops->buffer_release(words);
	rig_end(rig, session);
}

static void key_ranges_are_checked(void **state)
{
	static const struct { uint32_t key; uint64_t offset, size; } bad[] = {
		{ 1, 0, 0 }, { 1, 0, 3 * PAGE }, { 1, PAGE, 2 * PAGE }, { 1, 1, PAGE },
		{ 1, 0, PAGE + 1 }, { 1, UINT64_MAX - PAGE + 1, 2 * PAGE },
		{ 1, PAGE, UINT64_MAX - PAGE + 1 }, { 0x80000000u, 0, PAGE },
		{ UINT32_MAX, 0, PAGE },
	};
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1);
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(rig, 2 * PAGE, &view);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(rig_map(rig, session, buffer, bad[i].key, bad[i].offset,
					 bad[i].size, 2), -EINVAL);
	assert_int_equal(rig_map(rig, session, buffer, INT32_MAX, 0, 2 * PAGE, 2), 0);
	assert_int_equal(rig_wait(rig, 2).err, 0);
	rig->ops->buffer_release(buffer);
	rig_end(rig, session);
}

static void many_keys_at_once_all_complete(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1);
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(rig, PAGE, &view);

	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(rig_map(rig, session, buffer, i, 0, PAGE, 1000 + i), 0);
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(rig_wait(rig, 1000 + i).err, 0);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(rig_unmap(rig, session, i, 1000 + i), 0);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(rig_wait(rig, 1000 + i).err, 0);
	rig->ops->buffer_release(buffer);
	rig_end(rig, session);
}

/* --- buffers --- */

static int memory(uint64_t size, unsigned seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static int reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

static void imports_are_checked(void **state)
{
	struct rig *rig = *state;
	int good = memory(2 * PAGE, F_SEAL_SHRINK), loose = memory(2 * PAGE, 0);
	int fixed = memory(2 * PAGE, F_SEAL_SHRINK | F_SEAL_WRITE);
	int read_only = reopen(good, O_RDONLY), write_only = reopen(good, O_WRONLY);
	int path = reopen(good, O_PATH), null = open("/dev/zero", O_RDWR | O_CLOEXEC);
	int huge = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
	int file = open(module_dirs[0], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int pipes[2], made = pipe2(pipes, O_CLOEXEC);
	const struct {
		int fd;
		uint64_t size;
		bool read_only;
		int err;
	} cases[] = {
		{ good, 2 * PAGE, false, 0 },	      { good, PAGE, false, 0 },
		{ good, 2 * PAGE, true, 0 },	      { good, 3 * PAGE, false, -ERANGE },
		{ good, 0, false, -EINVAL },	      { good, PAGE + 1, false, -EINVAL },
		{ good, 1ull << 32, false, -EINVAL }, { good, UINT64_MAX, false, -EINVAL },
		{ loose, PAGE, false, -EPERM },	      { loose, PAGE, true, -EPERM },
		{ fixed, PAGE, false, -EPERM },	      { fixed, PAGE, true, 0 },
		{ read_only, PAGE, false, -EPERM },   { read_only, PAGE, true, 0 },
		{ write_only, PAGE, false, -EPERM },  { write_only, PAGE, true, -EPERM },
		{ path, PAGE, true, -EINVAL },	      { null, PAGE, false, -EINVAL },
		{ file, PAGE, true, -EINVAL },	      { pipes[0], PAGE, true, -EINVAL },
		{ -1, PAGE, true, -EINVAL },	      { 1 << 20, PAGE, true, -EINVAL },
		{ huge, 2u << 20, false, -EINVAL },
	};

	assert_int_equal(made, 0);
	if (huge >= 0)	/* the kernel may have none; then it is one more bad descriptor */
		assert_int_equal(ftruncate(huge, 2 << 20) | fcntl(huge, F_ADD_SEALS, F_SEAL_SHRINK),
				 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = cases[i].fd, r;
		struct qda_device_buffer *buffer;

		r = rig->ops->buffer_import(rig->device, fd, cases[i].size,
					    cases[i].read_only, &buffer);
		if (r != cases[i].err)
			fail_msg("case %zu: %d instead of %d", i, r, cases[i].err);
		if (!r)
			rig->ops->buffer_release(buffer);
	}
	if (huge >= 0)
		close(huge);
	close(good);
	close(loose);
	close(fixed);
	close(read_only);
	close(write_only);
	close(path);
	close(null);
	close(file);
	close(pipes[0]);
	close(pipes[1]);
}

static void imported_memory_is_the_same_pages(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1);
	uint32_t handle = rig_module(rig, session, QDA_ARGS_URI, NULL);
	int fd = memory(PAGE, F_SEAL_SHRINK), lent;
	uint8_t *bytes = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct qda_device_buffer *buffer, *seen;
	struct qda_device_call call;

	assert_int_equal(rig->ops->buffer_import(rig->device, fd, PAGE, false, &buffer), 0);
	assert_int_equal(rig->ops->buffer_import(rig->device, fd, PAGE, true, &seen), 0);
	lent = rig->ops->buffer_fd(buffer);
	assert_int_not_equal(lent, fd);
	assert_int_equal(fcntl(lent, F_GETFD), FD_CLOEXEC);
	for (unsigned i = 0; i < 100; i++)
		bytes[i] = (uint8_t)(200 - i);
	{
		const struct qda_device_arg args[] = {
			{ .buffer = seen, .length = 100 },
			{ .buffer = buffer, .offset = 1000, .length = 100 },
		};

		assert_int_equal(invoke(rig, session, handle,
					fastrpc_sc(0, QDA_ARGS_ADD_ONE, 1, 1, 0, 0), args), 0);
		for (unsigned i = 0; i < 100; i++)
			assert_int_equal(bytes[1000 + i], 201 - i);
		call = call_of(handle, fastrpc_sc(0, QDA_ARGS_ADD_ONE, 0, 1, 0, 0), args);
		assert_int_equal(rig_submit(rig, session, &call, 2), -EACCES);
	}
	rig->ops->buffer_release(buffer);
	rig->ops->buffer_release(seen);
	munmap(bytes, PAGE);
	close(fd);
	rig_end(rig, session);
}

static void created_memory_cannot_shrink(void **state)
{
	struct rig *rig = *state;
	struct qda_device_buffer *buffer;
	int fd;

	assert_int_equal(rig->ops->buffer_create(rig->device, PAGE, &buffer), 0);
	fd = rig->ops->buffer_fd(buffer);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, 2 * PAGE), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	rig->ops->buffer_release(buffer);
	assert_int_equal(rig->ops->buffer_create(rig->device, 0, &buffer), -EINVAL);
	assert_int_equal(rig->ops->buffer_create(rig->device, 1, &buffer), -EINVAL);
	assert_int_equal(rig->ops->buffer_create(rig->device, 1ull << 32, &buffer), -EINVAL);
	assert_int_equal(rig->ops->buffer_create(rig->device, (1ull << 32) - PAGE, &buffer), 0);
	rig->ops->buffer_release(buffer);
}

/* --- faults --- */

static void a_crash_ends_one_session_and_says_where(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *crashing = rig_session(rig, 1), *other = rig_session(rig, 2);
	uint32_t bad = rig_module(rig, crashing, QDA_BAD_URI, NULL), *word;
	uint32_t null = rig_module(rig, other, QDA_NULL_URI, NULL);
	const struct rig_lost *lost;
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(rig, PAGE, &view);
	const struct qda_device_arg in = { .buffer = buffer, .length = 4 };
	const struct qda_device_arg hang = { .buffer = buffer, .offset = 128, .length = 4 };
	struct qda_device_call call = call_of(bad, fastrpc_sc(0, QDA_BAD_HANG, 1, 0, 0, 0), &hang);

	word = view;
	word[0] = SIGSEGV;
	word[32] = QDA_BAD_FOREVER;
	assert_int_equal(rig_submit(rig, crashing, &call, 3), 0);
	call = call_of(bad, fastrpc_sc(0, QDA_BAD_SIGNAL, 1, 0, 0, 0), &in);
	assert_int_equal(rig_submit(rig, crashing, &call, 4), 0);
	lost = rig_wait_lost(rig, 1);
	assert_int_equal(lost->signal, SIGSEGV);
	assert_string_equal(lost->text, "SIGSEGV in method 2 of libqda_bad_skel.so");
	assert_true(rig_has(rig, 3) && rig_has(rig, 4));
	assert_int_equal(rig_wait(rig, 3).err, -ECONNRESET);
	assert_int_equal(rig_wait(rig, 4).err, -ECONNRESET);
	assert_int_equal(rig_submit(rig, crashing, &call, 5), -ECONNRESET);
	assert_int_equal(rig_map(rig, crashing, buffer, 1, 0, PAGE, 5), -ECONNRESET);
	assert_int_equal(invoke(rig, other, null, fastrpc_sc(0, QDA_NULL_NOTHING, 0, 0, 0, 0),
				NULL), 0);
	rig->ops->buffer_release(buffer);
	rig_end(rig, crashing);
	rig_end(rig, other);
}

static void an_exit_is_told_apart_from_a_crash(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1);
	uint32_t bad = rig_module(rig, session, QDA_BAD_URI, NULL);
	const int32_t status = 7;
	const struct rig_lost *lost;
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(rig, PAGE, &view);
	const struct qda_device_arg in = { .buffer = buffer, .length = 4 };
	const struct qda_device_call call =
		call_of(bad, fastrpc_sc(0, QDA_BAD_EXIT, 1, 0, 0, 0), &in);

	memcpy(view, &status, sizeof(status));
	assert_int_equal(rig_submit(rig, session, &call, 2), 0);
	lost = rig_wait_lost(rig, 1);
	assert_int_equal(lost->signal, 0);
#ifdef __SANITIZE_ADDRESS__
	/* The leak checker of the PD cannot work under its confinement and changes the status. */
	assert_non_null(strstr(lost->text, " in method 3 of libqda_bad_skel.so"));
#else
	assert_string_equal(lost->text, "exit with status 7 in method 3 of libqda_bad_skel.so");
#endif
	assert_int_equal(rig_wait(rig, 2).err, -ECONNRESET);
	rig->ops->buffer_release(buffer);
	rig_end(rig, session);
}

static void close_gives_up_calls_that_hang(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1);
	uint32_t bad = rig_module(rig, session, QDA_BAD_URI, NULL);
	const uint32_t forever = QDA_BAD_FOREVER;
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(rig, PAGE, &view);
	const struct qda_device_arg in = { .buffer = buffer, .length = 4 };
	const struct qda_device_call call =
		call_of(bad, fastrpc_sc(0, QDA_BAD_HANG, 1, 0, 0, 0), &in);

	memcpy(view, &forever, sizeof(forever));
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(rig_submit(rig, session, &call, 10 + i), 0);
	rig->ops->buffer_release(buffer);
	rig_close(rig, session, 2);
	assert_int_equal(rig_wait(rig, 2).err, 0);
	for (unsigned i = 0; i < 5; i++) {
		assert_true(rig_has(rig, 10 + i));
		assert_int_equal(rig_wait(rig, 10 + i).err, -ECANCELED);
	}
}

static void a_skel_that_scribbles_harms_only_itself(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1);
	uint32_t bad = rig_module(rig, session, QDA_BAD_URI, NULL);
	uint32_t sc = fastrpc_sc(0, QDA_BAD_SCRIBBLE, 1, 1, 0, 0);
	void *view, *mine;
	struct qda_device_buffer *buffer = rig_buffer(rig, 2 * PAGE, &view);
	struct qda_device_buffer *untouched = rig_buffer(rig, PAGE, &mine);
	const struct qda_device_arg args[] = {
		{ .buffer = buffer, .length = 16 },
		{ .buffer = buffer, .offset = PAGE, .length = 16 },
	};
	uint8_t zeroes[PAGE] = { 0 };

	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(invoke(rig, session, bad, sc, args), 0);
	assert_int_equal(*(uint8_t *)view, QDA_BAD_BYTE);
	assert_memory_equal(mine, zeroes, PAGE);
	rig->ops->buffer_release(buffer);
	rig->ops->buffer_release(untouched);
	rig_end(rig, session);
}

static void log_lines_carry_their_session(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 77);
	uint32_t handle = rig_module(rig, session, QDA_ARGS_URI, NULL);
	const struct qda_args_log log = { .text_length = 6, .level = 2, .lines = 3 };
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(rig, PAGE, &view);
	const struct qda_device_arg args[] = {
		{ .buffer = buffer, .length = sizeof(log) },
		{ .buffer = buffer, .offset = 128, .length = 6 },
	};
	size_t before = rig->n_log;

	memcpy(view, &log, sizeof(log));
	memcpy((char *)view + 128, "hello", 6);
	assert_int_equal(invoke(rig, session, handle, fastrpc_sc(0, QDA_ARGS_LOG, 2, 0, 0, 0),
				args), 0);
	rig_wait_log(rig, before + 3);
	for (size_t i = 0; i < 3; i++) {
		char expected[16];

		snprintf(expected, sizeof(expected), "hello %zu", i);
		assert_int_equal(rig->log[before + i].cookie, 77);
		assert_int_equal(rig->log[before + i].level, 2);
		assert_non_null(strstr(rig->log[before + i].text, expected));
	}
	rig->ops->buffer_release(buffer);
	rig_end(rig, session);
}

static pid_t first_child(void)
{
	FILE *file = fopen("/proc/thread-self/children", "re");
	int pid = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &pid), 1);
	fclose(file);
	return pid;
}

static void a_dsp_that_dies_comes_back(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1), *again;
	uint32_t bad = rig_module(rig, session, QDA_BAD_URI, NULL);
	const uint32_t forever = QDA_BAD_FOREVER;
	void *view;
	int err;
	struct qda_device_buffer *buffer = rig_buffer(rig, PAGE, &view);
	const struct qda_device_arg in = { .buffer = buffer, .length = 4 };
	const struct qda_device_call call =
		call_of(bad, fastrpc_sc(0, QDA_BAD_HANG, 1, 0, 0, 0), &in);
	const struct qda_device_open open = { .session_cookie = 5 };

	memcpy(view, &forever, sizeof(forever));
	assert_int_equal(rig_submit(rig, session, &call, 2), 0);
	rig_settle(rig);
	kill(first_child(), SIGKILL);
	assert_non_null(strstr(rig_wait_lost(rig, 1)->text, "gone"));
	/* Its PDs die with it, and may be seen to do so first. */
	err = rig_wait(rig, 2).err;
	assert_true(err == -EPIPE || err == -ECONNRESET);
	assert_int_equal(rig_open(rig, &open, 3, &again), -ENOTCONN);
	rig_wait_state(rig, QDA_DEVICE_DOWN);
	assert_non_null(strstr(rig->why, "was killed by SIGKILL"));
	rig_wait_state(rig, QDA_DEVICE_UP);
	again = rig_session(rig, 5);
	/* A session of the dead DSP does not keep a bank, and its buffers serve the next. */
	assert_int_equal(invoke(rig, again, rig_module(rig, again, QDA_NULL_URI, NULL),
				fastrpc_sc(0, QDA_NULL_NOTHING, 1, 0, 0, 0), &in), 0);
	rig_end(rig, session);
	rig->ops->buffer_release(buffer);
	rig_end(rig, again);
}

static void free_ends_sessions_that_are_open(void **state)
{
	struct rig *rig = *state;
	struct qda_device_session *session = rig_session(rig, 1);
	uint32_t handle = rig_module(rig, session, QDA_NULL_URI, NULL);
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(rig, PAGE, &view);
	const struct qda_device_arg in = { .buffer = buffer, .length = 4 };
	const struct qda_device_call call =
		call_of(handle, fastrpc_sc(0, QDA_NULL_HOLD, 1, 0, 0, 0), &in);
	const struct qda_device_open open = { .session_cookie = 2 };

	memcpy(view, &(uint32_t){ 100000 }, 4);
	assert_int_equal(rig_submit(rig, session, &call, 3), 0);
	assert_int_equal(rig_open(rig, &open, 4, &session), 0);
	rig->ops->buffer_release(buffer);
}

static void a_program_that_cannot_run_is_named(void **state)
{
	const struct qda_soft_config config = { .name = "cdsp", .program = "/nowhere/qda-softdsp" };
	struct rig *rig = malloc(sizeof(*rig));

	rig_start(rig, &config);
	rig_wait_states(rig, 1);
	assert_int_equal(rig->state, QDA_DEVICE_DOWN);
	assert_string_equal(rig->why,
			    "cannot start /nowhere/qda-softdsp: No such file or directory");
	rig_stop(rig);
	free(rig);
}

static void a_program_that_ends_at_once_is_named(void **state)
{
	const struct qda_soft_config config = { .name = "cdsp", .program = "/bin/false" };
	struct rig *rig = malloc(sizeof(*rig));

	rig_start(rig, &config);
	rig_wait_states(rig, 2);
	assert_int_equal(rig->state, QDA_DEVICE_DOWN);
	assert_string_equal(rig->why, "/bin/false exited with status 1");
	rig_stop(rig);
	free(rig);
}

#define WITH_DSP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_DSP(info_is_what_the_dsp_said),
		WITH_DSP(sessions_end_at_the_last_bank),
		WITH_DSP(bank_is_reused_without_what_was_in_it),
		WITH_DSP(close_while_opening_completes_both),
		WITH_DSP(directories_need_a_dsp_that_takes_them),
		WITH_DSP(outputs_come_back_byte_for_byte),
		WITH_DSP(a_call_has_as_many_arguments_as_the_format),
		WITH_DSP(every_buffer_of_a_call_may_be_another),
		WITH_DSP(what_the_method_returns_passes_untouched),
		WITH_DSP(arguments_outside_a_buffer_are_refused),
		WITH_DSP(kinds_must_fit_their_group),
		WITH_DSP(process_control_is_not_callable),
		WITH_DSP(no_more_than_127_calls_are_in_flight),
		WITH_DSP(ids_of_the_dsp_are_shared_and_come_back),
		WITH_DSP(calls_may_be_submitted_from_completions),
		WITH_DSP(out_handles_become_remote_handles),
		WITH_DSP(much_memory_is_not_given_back_in_the_loop),
		WITH_DSP(released_buffers_serve_calls_in_flight),
		WITH_DSP(address_space_is_given_back),
		WITH_DSP(too_much_for_the_address_space_is_refused),
		WITH_DSP(a_key_names_a_window_of_a_buffer),
		WITH_DSP(key_ranges_are_checked),
		WITH_DSP(many_keys_at_once_all_complete),
		WITH_DSP(imports_are_checked),
		WITH_DSP(imported_memory_is_the_same_pages),
		WITH_DSP(created_memory_cannot_shrink),
		WITH_DSP(a_crash_ends_one_session_and_says_where),
		WITH_DSP(an_exit_is_told_apart_from_a_crash),
		WITH_DSP(close_gives_up_calls_that_hang),
		WITH_DSP(a_skel_that_scribbles_harms_only_itself),
		WITH_DSP(log_lines_carry_their_session),
		WITH_DSP(a_dsp_that_dies_comes_back),
		WITH_DSP(free_ends_sessions_that_are_open),
		cmocka_unit_test(a_program_that_cannot_run_is_named),
		cmocka_unit_test(a_program_that_ends_at_once_is_named),
	};

	if (argc < 3) {
		fprintf(stderr, "usage: %s QDA-SOFTDSP MODULE-DIRECTORY [PATTERN]\n", argv[0]);
		return 2;
	}
	softdsp = argv[1];
	module_dirs[0] = argv[2];
	if (argc > 3)
		cmocka_set_test_filter(argv[3]);
	return cmocka_run_group_tests_name("device_soft", tests, NULL, NULL);
}
