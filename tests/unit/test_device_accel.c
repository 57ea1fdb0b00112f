// SPDX-License-Identifier: BSD-3-Clause
/*
 * The accel device on the real driver, with a virtual DSP whose firmware is played by this test:
 * tests/driver/dsp.c answers, holds and refuses as it is told. Runs where qda.ko and qda_vdsp.ko
 * are loaded (4 banks), which is the test machine of tests/driver; elsewhere it is skipped.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "../driver/dsp.h"
#include "device_rig.h"

#define PAGE 4096u
#define SESSION 100u
#define HOLD fastrpc_sc(0, DSP_HOLD, 0, 0, 0, 0)
#define SHELL "qda-softdsp shell\n"

static struct rig rig;
static struct dsp dsp;
static const struct qda_accel_config config = { .name = "cdsp" };

static int begin(void **state)
{
	dsp_start(&dsp);
	rig_start_accel(&rig, &config);
	rig_wait_state(&rig, QDA_DEVICE_UP);
	return 0;
}

static int end(void **state)
{
	rig_stop(&rig);
	dsp_stop(&dsp);
	return 0;
}

static int call(struct qda_device_session *session, uint32_t sc, const struct qda_device_arg *args,
		uint64_t cookie)
{
	const struct qda_device_call call = { .handle = DSP_HANDLE, .sc = sc, .args = args };

	return rig_submit(&rig, session, &call, cookie);
}

/* Until the DSP holds so many, while the loop runs. */
static void run_until_held(unsigned n)
{
	unsigned held;

	do {
		rig_settle(&rig);
		pthread_mutex_lock(&dsp.lock);
		held = dsp.n_held;
		pthread_mutex_unlock(&dsp.lock);
	} while (held < n);
}

static void fill(uint8_t *to, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)((seed += 0x9e3779b9u) >> 24);
}

/* One call that echoes `n` bytes from the buffer's start to `out` in it. */
static struct qda_device_done echo(struct qda_device_session *session,
				   struct qda_device_buffer *buffer, uint64_t out, uint64_t n)
{
	const struct qda_device_arg args[] = {
		{ .buffer = buffer, .offset = 0, .length = n },
		{ .buffer = buffer, .offset = out, .length = n },
	};

	assert_int_equal(call(session, fastrpc_sc(0, DSP_ECHO, 1, 1, 0, 0), args, 1), 0);
	return rig_wait(&rig, 1);
}

/* --- the DSP comes and goes --- */

static void a_dsp_is_found_when_it_comes_and_missed_when_it_goes(void **state)
{
	rig_start_accel(&rig, &config);
	rig_wait_states(&rig, 1);
	assert_int_equal(rig.state, QDA_DEVICE_DOWN);
	assert_string_equal(rig.why, "no device in /dev/accel is domain cdsp of the qda driver");
	for (unsigned i = 0; i < 3; i++) {
		dsp_start(&dsp);
		rig_wait_state(&rig, QDA_DEVICE_UP);
		assert_string_equal(rig.why, "");
		dsp_stop(&dsp);
		rig_wait_state(&rig, QDA_DEVICE_DOWN);
	}
	rig_stop(&rig);
}

static void the_device_says_what_it_is(void **state)
{
	struct qda_device_info info;
	char names[8][16];

	rig.ops->info(rig.device, &info);
	assert_string_equal(info.name, "cdsp");
	assert_string_equal(info.kind, "accel");
	assert_int_equal(info.sessions_max, DSP_BANKS);
	assert_int_equal(info.calls_max, 239);
	assert_int_equal(info.session_calls_max, 119);
	assert_int_equal(info.arch, 0);
	assert_int_equal(info.sessions_lost, 0);
	assert_true(info.unsigned_pd);
	assert_false(info.client_dirs);
	assert_int_equal(qda_accel_find(names, 8), 1);
	assert_string_equal(names[0], "cdsp");
}

/* One question per DSP, through the first session there is. */
static void the_architecture_is_known_when_there_was_a_session(void **state)
{
	struct qda_device_session *session;
	struct qda_device_info info;

	dsp.arch = 0x75;
	for (unsigned i = 0; i < 2; i++) {
		session = rig_session(&rig, SESSION);
		rig.ops->info(rig.device, &info);
		assert_int_equal(info.arch, 0x75);
		rig_end(&rig, session);
		dsp.arch = 0x68;
	}
	dsp_stop(&dsp);
	rig_wait_state(&rig, QDA_DEVICE_DOWN);
	dsp_start(&dsp);
	rig_wait_state(&rig, QDA_DEVICE_UP);
	rig_end(&rig, rig_session(&rig, SESSION));
	rig.ops->info(rig.device, &info);
	assert_int_equal(info.arch, 0);
}

static void start_refused(const struct qda_accel_config *bad, const char *why)
{
	rig_start_accel(&rig, bad);
	rig_wait_states(&rig, 1);
	assert_int_equal(rig.state, QDA_DEVICE_DOWN);
	assert_string_equal(rig.why, why);
	rig_stop(&rig);
}

static void what_is_wrong_with_a_node_is_said(void **state)
{
	char node[64], why[128];

	dsp_start(&dsp);
	start_refused(&(struct qda_accel_config){ .name = "cdsp", .node = "/dev/null" },
		      "/dev/null is not a device of the qda driver");
	start_refused(&(struct qda_accel_config){ .name = "cdsp", .node = "/dev/accel/none" },
		      "/dev/accel/none: No such file or directory");
	start_refused(&(struct qda_accel_config){ .name = "adsp" },
		      "no device in /dev/accel is domain adsp of the qda driver");
	for (unsigned i = 0; i < 64; i++) {
		snprintf(node, sizeof(node), "/dev/accel/accel%u", i);
		if (access(node, F_OK) == 0)
			break;
	}
	snprintf(why, sizeof(why), "%s is domain cdsp, not adsp", node);
	start_refused(&(struct qda_accel_config){ .name = "adsp", .node = node }, why);
	start_refused(&(struct qda_accel_config){ .name = "cdsp", .shell = "/none" },
		      "shell=/none: No such file or directory");
	start_refused(&(struct qda_accel_config){ .name = "cdsp", .shell = "/dev/zero" },
		      "shell=/dev/zero: not a file of 1 byte to 64 MiB");
	dsp_stop(&dsp);
}

static void a_lost_dsp_ends_calls_and_sessions_first(void **state)
{
	struct qda_device_session *one = rig_session(&rig, SESSION);
	struct qda_device_session *two = rig_session(&rig, SESSION + 1);
	struct qda_device_session *opening;
	const struct qda_device_open open = { .session_cookie = SESSION + 2 };
	struct qda_device_buffer *buffer;
	const struct rig_lost *lost;
	void *view;

	buffer = rig_buffer(&rig, PAGE, &view);
	assert_int_equal(call(one, HOLD, NULL, 1), 0);
	assert_int_equal(call(one, HOLD, NULL, 2), 0);
	dsp_wait_held(&dsp, 2);
	dsp_hold(&dsp, FASTRPC_PROCESS_MEM_MAP, true);
	assert_int_equal(rig_map(&rig, two, buffer, 5, 0, PAGE, 3), 0);
	dsp_wait_seen(&dsp, FASTRPC_PROCESS_MEM_MAP, 1);
	dsp_hold(&dsp, FASTRPC_PROCESS_CREATE, true);
	assert_int_equal(rig_open(&rig, &open, 4, &opening), 0);
	dsp_wait_seen(&dsp, FASTRPC_PROCESS_CREATE, 3);
	dsp_stop(&dsp);
	lost = rig_wait_lost(&rig, SESSION);
	assert_true(lost->n_done >= 4);
	assert_int_equal(lost->signal, 0);
	assert_true(rig_has(&rig, 1) && rig_has(&rig, 2));
	assert_int_equal(rig_wait(&rig, 1).err, -EPIPE);
	assert_int_equal(rig_wait(&rig, 2).err, -EPIPE);
	rig_wait_lost(&rig, SESSION + 1);
	assert_int_equal(rig_wait(&rig, 3).err, -EPIPE);
	assert_int_equal(rig_wait(&rig, 4).err, -EPIPE);
	rig_wait_state(&rig, QDA_DEVICE_DOWN);
	assert_int_equal(call(one, HOLD, NULL, 5), -EPIPE);
	rig_end(&rig, one);
	rig_end(&rig, two);
	rig.ops->buffer_release(buffer);
	dsp_start(&dsp);
	rig_wait_state(&rig, QDA_DEVICE_UP);
	rig_end(&rig, rig_session(&rig, SESSION));
}

static void a_buffer_outlives_its_dsp(void **state)
{
	struct qda_device_session *session = rig_session(&rig, SESSION);
	struct qda_device_buffer *buffer, *again;
	uint8_t pattern[PAGE];
	void *view;

	buffer = rig_buffer(&rig, 2 * PAGE, &view);
	fill(pattern, PAGE, 1);
	memcpy(view, pattern, PAGE);
	assert_int_equal(echo(session, buffer, PAGE, PAGE).err, 0);
	dsp_stop(&dsp);
	rig_wait_lost(&rig, SESSION);
	rig_end(&rig, session);
	memset((uint8_t *)view + PAGE, 0, PAGE);
	dsp_start(&dsp);
	rig_wait_state(&rig, QDA_DEVICE_UP);
	session = rig_session(&rig, SESSION);
	assert_int_equal(echo(session, buffer, PAGE, PAGE).err, 0);
	assert_memory_equal((uint8_t *)view + PAGE, pattern, PAGE);
	/* It is still known for what it is when it comes back. */
	assert_int_equal(rig.ops->buffer_import(rig.device, rig.ops->buffer_fd(buffer), 2 * PAGE,
						false, &again), 0);
	rig.ops->buffer_release(buffer);
	assert_int_equal(echo(session, again, PAGE, PAGE).err, 0);
	rig.ops->buffer_release(again);
	rig_end(&rig, session);
}

/* --- sessions --- */

static void a_session_is_an_unsigned_pd_with_the_shell(void **state)
{
	struct qda_device_session *session = rig_session(&rig, SESSION);
	const struct fastrpc_ctl *create = &dsp.control[FASTRPC_PROCESS_CREATE];

	assert_int_equal(create->attrs, FASTRPC_ATTR_UNSIGNED);
	assert_int_equal(create->file_len, sizeof(SHELL) - 1);
	assert_int_equal(dsp_seen(&dsp, FASTRPC_PROCESS_RELEASE), 0);
	rig_end(&rig, session);
	dsp_wait_seen(&dsp, FASTRPC_PROCESS_RELEASE, 1);
	assert_int_equal(dsp.control[FASTRPC_PROCESS_RELEASE].client_id, create->client_id);
}

static void a_shell_comes_from_the_configured_file(void **state)
{
	char path[] = "/tmp/shell-XXXXXX";
	const struct qda_accel_config own = { .name = "cdsp", .shell = path };
	const struct qda_device_open open = { .session_cookie = SESSION, .privileged = true };
	struct qda_device_session *session;
	static uint8_t image[3 * PAGE + 77];
	int fd = mkstemp(path);

	fill(image, sizeof(image), 7);
	assert_int_equal(write(fd, image, sizeof(image)), sizeof(image));
	close(fd);
	dsp_start(&dsp);
	dsp_hold(&dsp, FASTRPC_PROCESS_CREATE, true);
	rig_start_accel(&rig, &own);
	rig_wait_state(&rig, QDA_DEVICE_UP);
	assert_int_equal(rig_open(&rig, &open, 1, &session), 0);
	dsp_wait_seen(&dsp, FASTRPC_PROCESS_CREATE, 1);
	assert_int_equal(dsp.control[FASTRPC_PROCESS_CREATE].attrs, 0);
	assert_int_equal(dsp.control[FASTRPC_PROCESS_CREATE].file_len, sizeof(image));
	assert_memory_equal(dsp_memory(&dsp, dsp.control[FASTRPC_PROCESS_CREATE].file_addr), image,
			    sizeof(image));
	dsp_answer(&dsp, dsp_take(&dsp, 0).ctx, 0);
	assert_int_equal(rig_wait(&rig, 1).err, 0);
	rig_end(&rig, session);
	end(state);
	unlink(path);
}

static void a_refusal_has_the_number_of_the_dsp(void **state)
{
	const struct qda_device_open open = { .session_cookie = SESSION };
	struct qda_device_session *session;
	struct qda_device_done done;

	dsp_refuse(&dsp, FASTRPC_PROCESS_CREATE, 0x4e);
	assert_int_equal(rig_open(&rig, &open, 1, &session), 0);
	done = rig_wait(&rig, 1);
	assert_int_equal(done.err, -EREMOTEIO);
	assert_int_equal(done.result, 0x4e);
	dsp_refuse(&dsp, FASTRPC_PROCESS_CREATE, 0);
	rig_end(&rig, rig_session(&rig, SESSION));
}

static void an_open_that_is_closed_ends_twice(void **state)
{
	const struct qda_device_open open = { .session_cookie = SESSION };
	struct qda_device_session *session;
	unsigned released;

	/* before anything was done for it */
	assert_int_equal(rig_open(&rig, &open, 1, &session), 0);
	rig_close(&rig, session, 2);
	assert_int_equal(rig_wait(&rig, 1).err, -ECANCELED);
	assert_int_equal(rig_wait(&rig, 2).err, 0);
	/* while the DSP thinks about it */
	dsp_hold(&dsp, FASTRPC_PROCESS_CREATE, true);
	assert_int_equal(rig_open(&rig, &open, 3, &session), 0);
	run_until_held(1);
	released = dsp_seen(&dsp, FASTRPC_PROCESS_RELEASE);
	rig_close(&rig, session, 4);
	assert_int_equal(rig_wait(&rig, 3).err, -ECANCELED);
	rig_settle(&rig);
	assert_false(rig_has(&rig, 4));	/* there is a PD still, or will be */
	dsp_hold(&dsp, FASTRPC_PROCESS_CREATE, false);
	dsp_answer_all(&dsp, 0);
	assert_int_equal(rig_wait(&rig, 4).err, 0);
	assert_int_equal(dsp_seen(&dsp, FASTRPC_PROCESS_RELEASE), released + 1);
	/* and the DSP does not want to */
	dsp_hold(&dsp, FASTRPC_PROCESS_CREATE, true);
	assert_int_equal(rig_open(&rig, &open, 5, &session), 0);
	run_until_held(1);
	rig_close(&rig, session, 6);
	assert_int_equal(rig_wait(&rig, 5).err, -ECANCELED);
	dsp_answer_all(&dsp, 7);
	assert_int_equal(rig_wait(&rig, 6).err, 0);
	assert_int_equal(dsp_seen(&dsp, FASTRPC_PROCESS_RELEASE), released + 1);
}

static void a_bank_is_free_when_the_close_is_complete(void **state)
{
	const struct qda_device_open open = { .session_cookie = SESSION + 9 };
	struct qda_device_session *sessions[DSP_BANKS], *late;

	for (unsigned i = 0; i < DSP_BANKS; i++)
		sessions[i] = rig_session(&rig, SESSION + i);
	assert_int_equal(rig_open(&rig, &open, 1, &late), -EUSERS);
	dsp_hold(&dsp, FASTRPC_PROCESS_RELEASE, true);
	rig_close(&rig, sessions[0], 1);
	run_until_held(1);
	assert_false(rig_has(&rig, 1));
	assert_int_equal(rig_open(&rig, &open, 2, &late), -EUSERS);
	dsp_hold(&dsp, FASTRPC_PROCESS_RELEASE, false);
	dsp_answer_all(&dsp, 0);
	assert_int_equal(rig_wait(&rig, 1).err, 0);
	rig_end(&rig, rig_session(&rig, SESSION + 9));
	for (unsigned i = 1; i < DSP_BANKS; i++)
		rig_end(&rig, sessions[i]);
}

static void a_bank_that_is_lost_is_counted(void **state)
{
	const struct qda_device_open open = { .session_cookie = SESSION + 9 };
	struct qda_device_session *sessions[DSP_BANKS], *late;
	struct qda_device_info info;

	for (unsigned i = 0; i < DSP_BANKS; i++)
		sessions[i] = rig_session(&rig, SESSION + i);
	dsp_refuse(&dsp, FASTRPC_PROCESS_RELEASE, 3);
	rig_end(&rig, sessions[0]);
	rig.ops->info(rig.device, &info);
	assert_int_equal(info.sessions_lost, 1);
	assert_int_equal(info.sessions_max, DSP_BANKS);
	assert_int_equal(rig_open(&rig, &open, 1, &late), 0);
	assert_int_equal(rig_wait(&rig, 1).err, -EUSERS);
	dsp_refuse(&dsp, FASTRPC_PROCESS_RELEASE, 0);
	for (unsigned i = 1; i < DSP_BANKS; i++)
		rig_end(&rig, sessions[i]);
	rig.ops->info(rig.device, &info);
	assert_int_equal(info.sessions_lost, 1);
}

static void a_dsp_that_goes_completes_a_close(void **state)
{
	struct qda_device_session *session = rig_session(&rig, SESSION), *opening;
	const struct qda_device_open open = { .session_cookie = SESSION + 1 };

	dsp_hold(&dsp, FASTRPC_PROCESS_RELEASE, true);
	dsp_hold(&dsp, FASTRPC_PROCESS_CREATE, true);
	rig_close(&rig, session, 1);
	assert_int_equal(rig_open(&rig, &open, 2, &opening), 0);
	run_until_held(2);
	rig_close(&rig, opening, 3);
	assert_int_equal(rig_wait(&rig, 2).err, -ECANCELED);
	assert_false(rig_has(&rig, 1) || rig_has(&rig, 3));
	dsp_stop(&dsp);
	assert_int_equal(rig_wait(&rig, 1).err, 0);
	assert_int_equal(rig_wait(&rig, 3).err, 0);
	dsp_start(&dsp);
}

/* The first thing that happens in it is the question what the DSP is. */
static void a_pd_may_end_before_it_is_open(void **state)
{
	const struct qda_device_open open = { .session_cookie = SESSION };
	struct qda_device_session *session;
	struct fastrpc_msg msg;

	dsp_hold(&dsp, FASTRPC_PROCESS_CREATE, true);
	assert_int_equal(rig_open(&rig, &open, 1, &session), 0);
	run_until_held(1);
	msg = dsp_take(&dsp, 0);
	dsp_notify(&dsp, dsp.control[FASTRPC_PROCESS_CREATE].client_id, FASTRPC_PD_EXIT);
	dsp_answer(&dsp, msg.ctx, 0);
	assert_int_equal(rig_wait(&rig, 1).err, -ECONNRESET);
	dsp_hold(&dsp, FASTRPC_PROCESS_CREATE, false);
	for (unsigned i = 0; i < DSP_BANKS; i++)	/* its bank came back */
		do {
			rig_settle(&rig);
		} while (rig_open(&rig, &open, 10 + i, &session) == -EUSERS);
	for (unsigned i = 0; i < DSP_BANKS; i++)
		assert_int_equal(rig_wait(&rig, 10 + i).err, 0);
}

/* Without a call that would ask for it. */
static void the_end_of_a_pd_is_told(void **state)
{
	static const char *const texts[] = {
		[FASTRPC_PD_EXIT] = "the PD has exited",
		[FASTRPC_PD_KILLED] = "the DSP has killed the PD",
		[FASTRPC_PD_EXCEPTION] = "an exception has ended the PD",
	};
	struct qda_device_session *other = rig_session(&rig, SESSION + 9);
	const struct rig_lost *lost;

	for (unsigned i = FASTRPC_PD_EXIT; i <= FASTRPC_PD_EXCEPTION; i++) {
		struct qda_device_session *session = rig_session(&rig, SESSION + i);
		const unsigned n_done = rig.n_done;

		for (unsigned j = 1; j <= 119; j++)
			assert_int_equal(call(session, HOLD, NULL, j), 0);
		dsp_wait_held(&dsp, 119);
		dsp_notify(&dsp, dsp.control[FASTRPC_PROCESS_CREATE].client_id, i);
		lost = rig_wait_lost(&rig, SESSION + i);
		assert_string_equal(lost->text, texts[i]);
		assert_int_equal(lost->signal, 0);
		assert_int_equal(lost->n_done, n_done + 119);
		for (unsigned j = 1; j <= 119; j++)
			assert_int_equal(rig_wait(&rig, j).err, -ECONNRESET);
		assert_int_equal(call(session, HOLD, NULL, 1), -ECONNRESET);
		dsp_answer_all(&dsp, 0);
		rig_end(&rig, session);
	}
	assert_int_equal(call(other, fastrpc_sc(0, DSP_SILENT, 0, 0, 0, 0), NULL, 1), 0);
	assert_int_equal(rig_wait(&rig, 1).err, 0);
	rig_end(&rig, other);
}

static void a_pd_that_is_gone_takes_its_calls_along(void **state)
{
	struct qda_device_session *session = rig_session(&rig, SESSION);
	struct qda_device_session *other = rig_session(&rig, SESSION + 1);
	const struct rig_lost *lost;
	struct fastrpc_msg msg;

	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(call(session, HOLD, NULL, i), 0);
		dsp_wait_held(&dsp, i);
	}
	msg = dsp_take(&dsp, 0);
	dsp_answer(&dsp, msg.ctx, (int32_t)FASTRPC_EBADSTATE);
	lost = rig_wait_lost(&rig, SESSION);
	assert_int_equal(lost->n_done, 2 + 3);
	assert_string_equal(lost->text, "the DSP says that the PD is gone");
	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(rig_wait(&rig, i).err, -ECONNRESET);
	assert_int_equal(call(session, HOLD, NULL, 4), -ECONNRESET);
	dsp_answer_all(&dsp, 0);
	rig_end(&rig, session);
	assert_int_equal(call(other, fastrpc_sc(0, DSP_SILENT, 0, 0, 0, 0), NULL, 5), 0);
	assert_int_equal(rig_wait(&rig, 5).err, 0);
	rig_end(&rig, other);
}

static void closing_does_not_wait_for_calls(void **state)
{
	struct qda_device_session *session = rig_session(&rig, SESSION);

	assert_int_equal(call(session, HOLD, NULL, 1), 0);
	assert_int_equal(call(session, HOLD, NULL, 2), 0);
	dsp_wait_held(&dsp, 2);
	rig_close(&rig, session, 3);
	assert_int_equal(call(session, HOLD, NULL, 4), -ECANCELED);
	assert_int_equal(rig_wait(&rig, 1).err, -ECANCELED);
	assert_int_equal(rig_wait(&rig, 2).err, -ECANCELED);
	assert_int_equal(rig_wait(&rig, 3).err, 0);
	dsp_answer_all(&dsp, 0);
}

/* The worker's last word about a buffer comes when the session has nothing to hear any more. */
static void a_session_can_be_closed_while_a_worker_is_at_it(void **state)
{
	for (unsigned i = 0; i < 50; i++) {
		struct qda_device_session *session = rig_session(&rig, SESSION);
		struct qda_device_arg arg = { .length = 1 };
		void *view;

		arg.buffer = rig_buffer(&rig, PAGE, &view);
		assert_int_equal(call(session, fastrpc_sc(0, DSP_SILENT, 1, 0, 0, 0), &arg, 1), 0);
		assert_int_equal(rig_map(&rig, session, arg.buffer, 5, 0, PAGE, 2), 0);
		rig.ops->buffer_release(arg.buffer);
		rig_end(&rig, session);
		assert_int_equal(rig_wait(&rig, 1).err, -ECANCELED);
		assert_int_equal(rig_wait(&rig, 2).err, -ECANCELED);
	}
}

/* Far more than a process may have open. */
static void memory_is_let_go_as_fast_as_it_is_made(void **state)
{
	for (unsigned i = 0; i < 5000; i++) {
		struct qda_device_buffer *buffer;
		int r;

		while ((r = rig.ops->buffer_create(rig.device, PAGE, &buffer)) == -EAGAIN)
			uv_run(&rig.loop, UV_RUN_ONCE); /* workers are slower than this */
		assert_int_equal(r, 0);
		rig.ops->buffer_release(buffer);
		if (i % 64 == 0)
			uv_run(&rig.loop, UV_RUN_NOWAIT);
	}
}

static void a_device_can_be_freed_with_all_under_way(void **state)
{
	const struct qda_device_open open = { .session_cookie = SESSION + 1 };
	struct qda_device_session *session = rig_session(&rig, SESSION), *opening;

	assert_int_equal(call(session, HOLD, NULL, 1), 0);
	dsp_wait_held(&dsp, 1);
	assert_int_equal(rig_open(&rig, &open, 2, &opening), 0);
	rig_close(&rig, opening, 3);
}

/* --- calls --- */

static void bytes_arrive_and_come_back(void **state)
{
	static const uint64_t sizes[] = { 1, 127, PAGE, 100001, 4 << 20 };
	struct qda_device_session *session = rig_session(&rig, SESSION);
	static uint8_t pattern[4 << 20];

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct qda_device_buffer *buffer;
		void *view;

		buffer = rig_buffer(&rig, 8 << 20, &view);
		for (unsigned round = 0; round < 3; round++) {
			fill(pattern, sizes[i], i * 3 + round);
			memcpy(view, pattern, sizes[i]);
			assert_int_equal(echo(session, buffer, 4 << 20, sizes[i]).err, 0);
			assert_memory_equal((uint8_t *)view + (4 << 20), pattern, sizes[i]);
		}
		rig.ops->buffer_release(buffer);
	}
	rig_end(&rig, session);
}

static void results_and_handles_come_back(void **state)
{
	struct qda_device_session *session = rig_session(&rig, SESSION);
	struct qda_device_arg args[30];
	struct qda_device_buffer *buffer;
	struct qda_device_done done;
	int32_t *view;

	buffer = rig_buffer(&rig, PAGE, (void **)&view);
	args[0] = (struct qda_device_arg){ .buffer = buffer, .length = 4 };
	*view = -7;
	assert_int_equal(call(session, fastrpc_sc(0, DSP_RETURN, 1, 0, 0, 0), args, 1), 0);
	done = rig_wait(&rig, 1);
	assert_int_equal(done.err, 0);
	assert_int_equal(done.result, -7);
	for (unsigned i = 0; i < 30; i++)
		args[i] = (struct qda_device_arg){ .kind = QDA_DEVICE_ARG_NUMBER,
						   .number = i < 15 ? 0x1111 * i : 0 };
	assert_int_equal(call(session, fastrpc_sc(0, DSP_ECHO, 0, 0, 15, 15), args, 2), 0);
	done = rig_wait(&rig, 2);
	assert_int_equal(done.err, 0);
	for (unsigned i = 0; i < 15; i++)
		assert_int_equal(done.out_handles[i], 0x1111 * i);
	rig.ops->buffer_release(buffer);
	rig_end(&rig, session);
}

static void what_is_no_call_is_refused(void **state)
{
	struct qda_device_session *session = rig_session(&rig, SESSION);
	struct qda_device_call bad = { .handle = FASTRPC_HANDLE_PROCESS, .sc = HOLD };
	struct qda_device_arg arg = { .length = 1 };
	struct qda_device_buffer *buffer;
	void *view;

	buffer = rig_buffer(&rig, PAGE, &view);
	assert_int_equal(rig_submit(&rig, session, &bad, 1), -EPERM);
	bad.handle = FASTRPC_HANDLE_UTIL;
	assert_int_equal(rig_submit(&rig, session, &bad, 1), -EPERM);
	assert_int_equal(call(session, fastrpc_sc(0, 2, 1, 0, 0, 0), &arg, 1), -EINVAL);
	arg = (struct qda_device_arg){ .buffer = buffer, .offset = PAGE, .length = 1 };
	assert_int_equal(call(session, fastrpc_sc(0, 2, 1, 0, 0, 0), &arg, 1), -EINVAL);
	arg = (struct qda_device_arg){ .buffer = buffer, .offset = UINT64_MAX, .length = 2 };
	assert_int_equal(call(session, fastrpc_sc(0, 2, 0, 1, 0, 0), &arg, 1), -EINVAL);
	arg = (struct qda_device_arg){ .kind = QDA_DEVICE_ARG_KEY, .number = 7 };
	assert_int_equal(call(session, fastrpc_sc(0, 2, 0, 0, 1, 0), &arg, 1), -ENOENT);
	assert_int_equal(call(session, fastrpc_sc(0, 2, 0, 0, 0, 1), &arg, 1), -EINVAL);
	rig.ops->buffer_release(buffer);
	rig_end(&rig, session);
}

static void a_full_session_is_busy_but_maps_keys(void **state)
{
	struct qda_device_session *session = rig_session(&rig, SESSION);
	struct qda_device_buffer *buffer;
	void *view;

	buffer = rig_buffer(&rig, PAGE, &view);
	for (unsigned i = 1; i <= 119; i++)
		assert_int_equal(call(session, HOLD, NULL, i), 0);
	assert_int_equal(call(session, HOLD, NULL, 120), -EBUSY);
	assert_int_equal(rig_map(&rig, session, buffer, 1, 0, PAGE, 200), 0);
	assert_int_equal(rig_wait(&rig, 200).err, 0);
	dsp_wait_held(&dsp, 119);
	dsp_answer_all(&dsp, 3);
	for (unsigned i = 1; i <= 119; i++)
		assert_int_equal(rig_wait(&rig, i).result, 3);
	assert_int_equal(call(session, fastrpc_sc(0, DSP_SILENT, 0, 0, 0, 0), NULL, 122), 0);
	assert_int_equal(rig_wait(&rig, 122).err, 0);
	rig.ops->buffer_release(buffer);
	rig_end(&rig, session);
}

/* Of 239 calls the DSP keeps a quarter for those who have few; what a worker was given waits for
 * its turn. */
static void a_full_dsp_lets_new_buffers_wait(void **state)
{
	struct qda_device_session *sessions[3];
	struct qda_device_arg arg = { .length = 1 };
	void *view;

	for (unsigned i = 0; i < 3; i++)
		sessions[i] = rig_session(&rig, SESSION + i);
	arg.buffer = rig_buffer(&rig, PAGE, &view);
	for (unsigned i = 1; i <= 180; i++)
		assert_int_equal(call(sessions[i % 3], HOLD, NULL, i), 0);
	assert_int_equal(call(sessions[0], HOLD, NULL, 181), -EBUSY);
	assert_int_equal(call(sessions[0], fastrpc_sc(0, DSP_SILENT, 1, 0, 0, 0), &arg, 181), 0);
	dsp_wait_held(&dsp, 180);
	rig_settle(&rig);
	assert_false(rig_has(&rig, 181));
	dsp_answer_all(&dsp, 0);
	for (unsigned i = 1; i <= 181; i++)
		assert_int_equal(rig_wait(&rig, i).err, 0);
	rig.ops->buffer_release(arg.buffer);
	for (unsigned i = 0; i < 3; i++)
		rig_end(&rig, sessions[i]);
}

static void a_released_buffer_serves_its_call_to_the_end(void **state)
{
	struct qda_device_session *session = rig_session(&rig, SESSION);
	struct qda_device_arg arg = { .length = 3 };
	struct fastrpc_dsp_arg parsed[1];
	struct fastrpc_msg msg;
	void *view;

	arg.buffer = rig_buffer(&rig, PAGE, &view);
	memcpy(view, "abc", 3);
	assert_int_equal(call(session, fastrpc_sc(0, DSP_HOLD, 1, 0, 0, 0), &arg, 1), 0);
	rig.ops->buffer_release(arg.buffer);
	run_until_held(1);
	msg = dsp_take(&dsp, 0);
	assert_int_equal(fastrpc_parse(&msg, dsp_memory(&dsp, msg.addr), msg.size, parsed), 0);
	assert_memory_equal(dsp_memory(&dsp, (msg.addr & ~0xffffffffull) | parsed[0].addr), "abc",
			    3);
	dsp_answer(&dsp, msg.ctx, 0);
	assert_int_equal(rig_wait(&rig, 1).err, 0);
	wait_gone(dsp_memory(&dsp, (msg.addr & ~0xffffffffull) | parsed[0].addr));
	rig_end(&rig, session);
}

/* --- keys --- */

static void keys_are_mapped_used_and_unmapped(void **state)
{
	struct qda_device_session *session = rig_session(&rig, SESSION);
	struct qda_device_arg args[] = {
		{ .kind = QDA_DEVICE_ARG_KEY, .number = 77, .offset = 8, .length = 16 },
		{ .kind = QDA_DEVICE_ARG_NUMBER },
	};
	struct qda_device_done done;
	struct qda_device_buffer *buffer;
	void *view;

	buffer = rig_buffer(&rig, 4 * PAGE, &view);
	assert_int_equal(rig_map(&rig, session, buffer, 77, PAGE, 2 * PAGE, 1), 0);
	done = rig_wait(&rig, 1);
	assert_int_equal(done.err, 0);
	assert_int_equal(done.dsp_addr, 0x5000000);
	assert_int_equal(dsp.control[FASTRPC_PROCESS_MEM_MAP].key, 77);
	assert_int_equal(dsp.control[FASTRPC_PROCESS_MEM_MAP].mem_len, 2 * PAGE);
	assert_int_equal(call(session, fastrpc_sc(0, DSP_ECHO, 0, 0, 1, 1), args, 2), 0);
	assert_int_equal(rig_wait(&rig, 2).out_handles[0], 8ull << 32 | 77);
	assert_int_equal(rig_map(&rig, session, buffer, 77, 0, PAGE, 3), 0);
	assert_int_equal(rig_wait(&rig, 3).err, -EEXIST);
	assert_int_equal(rig_unmap(&rig, session, 77, 4), 0);
	assert_int_equal(rig_wait(&rig, 4).err, 0);
	assert_int_equal(rig_unmap(&rig, session, 77, 5), 0);
	assert_int_equal(rig_wait(&rig, 5).err, -ENOENT);
	assert_int_equal(rig_map(&rig, session, buffer, 1u << 31, 0, PAGE, 6), -EINVAL);
	assert_int_equal(rig_map(&rig, session, buffer, 1, 0, 5 * PAGE, 6), -EINVAL);
	assert_int_equal(rig_map(&rig, session, buffer, 1, 1, PAGE, 6), -EINVAL);
	assert_int_equal(rig_map(&rig, session, buffer, 1, 0, 0, 6), -EINVAL);
	rig.ops->buffer_release(buffer);
	rig_end(&rig, session);
}

static void refused_keys_have_the_number_of_the_dsp(void **state)
{
	struct qda_device_session *session = rig_session(&rig, SESSION);
	struct qda_device_buffer *buffer;
	struct qda_device_done done;
	void *view;

	buffer = rig_buffer(&rig, PAGE, &view);
	dsp_refuse(&dsp, FASTRPC_PROCESS_MEM_MAP, 5);
	assert_int_equal(rig_map(&rig, session, buffer, 9, 0, PAGE, 1), 0);
	done = rig_wait(&rig, 1);
	assert_int_equal(done.err, -EREMOTEIO);
	assert_int_equal(done.result, 5);
	dsp_refuse(&dsp, FASTRPC_PROCESS_MEM_MAP, 0);
	assert_int_equal(rig_map(&rig, session, buffer, 9, 0, PAGE, 2), 0);
	assert_int_equal(rig_wait(&rig, 2).err, 0);
	dsp_refuse(&dsp, FASTRPC_PROCESS_MEM_UNMAP, (int32_t)FASTRPC_ENOSUCHMAP);
	assert_int_equal(rig_unmap(&rig, session, 9, 3), 0);
	done = rig_wait(&rig, 3);
	assert_int_equal(done.err, -EREMOTEIO);
	assert_int_equal((uint32_t)done.result, FASTRPC_ENOSUCHMAP);
	rig.ops->buffer_release(buffer);
	rig_end(&rig, session);
}

/* --- memory of others --- */

static int sealed_memfd(size_t size, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static int import(int fd, uint64_t size, bool read_only)
{
	struct qda_device_buffer *buffer;
	int r = rig.ops->buffer_import(rig.device, fd, size, read_only, &buffer);

	if (!r)
		rig.ops->buffer_release(buffer);
	return r;
}

static void a_dma_buf_that_comes_back_is_the_same_memory(void **state)
{
	struct qda_device_session *session = rig_session(&rig, SESSION);
	struct qda_device_buffer *buffer, *one, *two;
	uint8_t *view;
	int fd;

	buffer = rig_buffer(&rig, 2 * PAGE, (void **)&view);
	fill(view, PAGE, 3);
	fd = rig.ops->buffer_fd(buffer);
	assert_int_equal(rig.ops->buffer_import(rig.device, fd, 2 * PAGE, false, &one), 0);
	assert_int_equal(rig.ops->buffer_import(rig.device, fd, PAGE, true, &two), 0);
	assert_int_equal(import(fd, 3 * PAGE, false), -ERANGE);
	assert_int_equal(echo(session, one, PAGE, PAGE).err, 0);
	assert_memory_equal(view, view + PAGE, PAGE);
	/* Handles of one file are one: who lets go first takes nobody else's away. */
	rig.ops->buffer_release(one);
	assert_int_equal(echo(session, buffer, PAGE, PAGE).err, 0);
	rig.ops->buffer_release(buffer);
	assert_int_equal(call(session, fastrpc_sc(0, DSP_SILENT, 1, 0, 0, 0),
			      &(struct qda_device_arg){ .buffer = two, .length = PAGE }, 2), 0);
	assert_int_equal(rig_wait(&rig, 2).err, 0);
	assert_int_equal(call(session, fastrpc_sc(0, DSP_SILENT, 0, 1, 0, 0),
			      &(struct qda_device_arg){ .buffer = two, .length = 1 }, 3), -EACCES);
	rig.ops->buffer_release(two);
	rig_end(&rig, session);
}

static void a_memfd_is_shown_by_a_udmabuf(void **state)
{
	struct qda_device_session *one = rig_session(&rig, SESSION);
	struct qda_device_session *two = rig_session(&rig, SESSION + 1);
	int fd = sealed_memfd(4 * PAGE, F_SEAL_SHRINK);
	uint8_t *view = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct qda_device_buffer *buffer;

	assert_true(view != MAP_FAILED);
	fill(view, PAGE, 4);
	assert_int_equal(rig.ops->buffer_import(rig.device, fd, 4 * PAGE, false, &buffer), 0);
	assert_int_equal(echo(one, buffer, PAGE, PAGE).err, 0);
	assert_memory_equal(view, view + PAGE, PAGE);
	assert_int_equal(echo(two, buffer, 2 * PAGE, PAGE).err, 0);
	assert_memory_equal(view, view + 2 * PAGE, PAGE);
	assert_int_equal(rig_map(&rig, two, buffer, 3, PAGE, PAGE, 2), 0);
	assert_int_equal(rig_wait(&rig, 2).err, 0);
	rig.ops->buffer_release(buffer);
	munmap(view, 4 * PAGE);
	close(fd);
	rig_end(&rig, one);
	rig_end(&rig, two);
}

static void memory_that_cannot_be_shown_is_refused(void **state)
{
	int fd = sealed_memfd(PAGE, F_SEAL_SHRINK), open_fd = sealed_memfd(PAGE, 0), only, pipes[2];
	char path[64];

	assert_int_equal(import(fd, 2 * PAGE, false), -ERANGE);
	assert_int_equal(import(fd, PAGE - 1, false), -EINVAL);
	assert_int_equal(import(fd, 0, false), -EINVAL);
	assert_int_equal(import(open_fd, PAGE, false), -EPERM);
	/* A udmabuf would let the DSP write, whatever the descriptor may do. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	only = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(only >= 0);
	assert_int_equal(import(only, PAGE, true), -EPERM);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	assert_int_equal(import(fd, PAGE, true), -EPERM);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(import(pipes[0], PAGE, false), -EINVAL);
	assert_int_equal(import(-1, PAGE, false), -EINVAL);
	close(pipes[0]);
	close(pipes[1]);
	close(only);
	close(open_fd);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dsp_is_found_when_it_comes_and_missed_when_it_goes),
		cmocka_unit_test(what_is_wrong_with_a_node_is_said),
		cmocka_unit_test(a_shell_comes_from_the_configured_file),
		TEST(the_device_says_what_it_is),
		TEST(the_architecture_is_known_when_there_was_a_session),
		TEST(a_lost_dsp_ends_calls_and_sessions_first),
		TEST(a_buffer_outlives_its_dsp),
		TEST(a_session_is_an_unsigned_pd_with_the_shell),
		TEST(a_refusal_has_the_number_of_the_dsp),
		TEST(an_open_that_is_closed_ends_twice),
		TEST(a_bank_is_free_when_the_close_is_complete),
		TEST(a_bank_that_is_lost_is_counted),
		TEST(a_dsp_that_goes_completes_a_close),
		TEST(a_pd_may_end_before_it_is_open),
		TEST(the_end_of_a_pd_is_told),
		TEST(a_pd_that_is_gone_takes_its_calls_along),
		TEST(closing_does_not_wait_for_calls),
		TEST(a_session_can_be_closed_while_a_worker_is_at_it),
		TEST(memory_is_let_go_as_fast_as_it_is_made),
		TEST(a_device_can_be_freed_with_all_under_way),
		TEST(bytes_arrive_and_come_back),
		TEST(results_and_handles_come_back),
		TEST(what_is_no_call_is_refused),
		TEST(a_full_session_is_busy_but_maps_keys),
		TEST(a_full_dsp_lets_new_buffers_wait),
		TEST(a_released_buffer_serves_its_call_to_the_end),
		TEST(keys_are_mapped_used_and_unmapped),
		TEST(refused_keys_have_the_number_of_the_dsp),
		TEST(a_dma_buf_that_comes_back_is_the_same_memory),
		TEST(a_memfd_is_shown_by_a_udmabuf),
		TEST(memory_that_cannot_be_shown_is_refused),
	};

	if (access("/dev/qda-vdsp0", R_OK | W_OK) < 0) {
		puts("no /dev/qda-vdsp0: qda.ko and qda_vdsp.ko are needed");
		return 77;
	}
	alarm(600);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
