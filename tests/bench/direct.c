/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device without a broker: this process drives daemon/device/soft or accel itself, as qdad does
 * (on accel that is a SUBMIT and its event), and calls the null skel with one in and one out
 * buffer.
 */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <uv.h>

#include "device/device.h"
#include "fastrpc.h"
#include "qda_null.h"
#include "way.h"

#define BYTES 64

enum { COOKIE_SESSION = 1, COOKIE_OPEN, COOKIE_CLOSE, COOKIE_CALL };

static uv_loop_t loop;
static struct qda_device *device;
static struct qda_device_session *session;
static struct qda_device_buffer *buffer;
static struct qda_device_done last;
static uint64_t finished; /* cookie of the last completion */
static bool up;
static uint32_t handle;

static void on_done(void *owner, uint64_t cookie, const struct qda_device_done *done)
{
	last = *done;
	finished = cookie;
}

static void on_lost(void *owner, uint64_t cookie, const struct qda_device_lost *lost)
{
	die("the session was lost: %s", lost->text);
}

static void on_log(void *owner, uint64_t cookie, const struct qda_log_line *line)
{
}

static void on_state(void *owner, enum qda_device_state state, const char *why)
{
	up = state == QDA_DEVICE_UP;
}

static const struct qda_device_events events = { on_done, on_lost, on_log, on_state };

static void wait_for(uint64_t cookie)
{
	while (finished != cookie)
		uv_run(&loop, UV_RUN_ONCE);
	finished = 0;
	if (last.err)
		die("the device answered with error %d", last.err);
}

static void submit(uint32_t to, uint32_t sc, const struct qda_device_arg *args)
{
	struct qda_device_call call = { to, sc, args };
	int r = device->ops->submit(session, &call, COOKIE_CALL);

	if (r < 0)
		die("submit failed: %s", strerror(-r));
	wait_for(COOKIE_CALL);
}

/* remotectl open, laid out by hand in the shared buffer. */
static void open_null(void)
{
	uint8_t *view = device->ops->buffer_view(buffer);
	uint32_t in[2] = { sizeof(QDA_NULL_URI), 256 }, out[2];
	struct qda_device_arg args[] = {
		{ buffer, 0, sizeof(in), 0, QDA_DEVICE_ARG_BUFFER },
		{ buffer, 256, sizeof(QDA_NULL_URI), 0, QDA_DEVICE_ARG_BUFFER },
		{ buffer, 1024, sizeof(out), 0, QDA_DEVICE_ARG_BUFFER },
		{ buffer, 1280, 256, 0, QDA_DEVICE_ARG_BUFFER },
	};

	memcpy(view, in, sizeof(in));
	memcpy(view + 256, QDA_NULL_URI, sizeof(QDA_NULL_URI));
	submit(FASTRPC_HANDLE_REMOTECTL, fastrpc_sc(0, FASTRPC_REMOTECTL_OPEN, 2, 2, 0, 0), args);
	memcpy(out, view + 1024, sizeof(out));
	if (last.result || out[1])
		die("the null skel did not open: %#x %.256s", out[1], (char *)view + 1280);
	handle = out[0];
}

static int new_device(void)
{
	static const char *const dirs[] = { BENCH_SKELS, NULL };
	struct qda_soft_config config = { .name = "cdsp",
					  .program = BENCH_SOFTDSP,
					  .module_dirs = dirs };
	const struct qda_accel_config accel = { .name = "cdsp" };

	if (on_accel)
		return qda_accel_new(&loop, &accel, &events, NULL, &device);
	return qda_soft_new(&loop, &config, &events, NULL, &device);
}

static void start(void)
{
	struct qda_device_open open = { .session_cookie = COOKIE_SESSION, .name = "bench" };

	uv_loop_init(&loop);
	if (new_device() < 0)
		die("the device did not start");
	while (!up)
		uv_run(&loop, UV_RUN_ONCE);
	if (device->ops->session_open(device, &open, COOKIE_OPEN, &session) < 0)
		die("no session on the device");
	wait_for(COOKIE_OPEN);
	if (device->ops->buffer_create(device, 4096, &buffer) < 0)
		die("no buffer on the device");
	open_null();
}

static void call(void)
{
	struct qda_device_arg args[] = {
		{ buffer, 0, BYTES, 0, QDA_DEVICE_ARG_BUFFER },
		{ buffer, 2048, BYTES, 0, QDA_DEVICE_ARG_BUFFER },
	};

	submit(handle, fastrpc_sc(0, QDA_NULL_NOTHING, 1, 1, 0, 0), args);
	if (last.result)
		die("the null skel returned %#x", last.result);
}

static void stop(void)
{
	device->ops->buffer_release(buffer);
	device->ops->session_close(session, COOKIE_CLOSE);
	wait_for(COOKIE_CLOSE);
	device->ops->free(device);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
}

const struct way way_direct = { "direct", "the device without a broker", start, call, stop };
