// SPDX-License-Identifier: BSD-3-Clause
/*
 * The rig for tests of a device, see device_rig.h.
 */
#include "device_rig.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fastrpc.h"

#define LIMIT_MS 60000	/* nothing here takes a tenth of it */
#define PAGE 4096u

/* --- events --- */

static void on_done(void *owner, uint64_t cookie, const struct qda_device_done *done)
{
	struct rig *rig = owner;

	assert_false(rig->inside);
	assert_false(rig_has(rig, cookie));
	assert_true(rig->n_done < RIG_EVENTS);
	rig->done[rig->n_done++] = (struct rig_done){ .cookie = cookie, .done = *done };
	if (rig->on_done)
		rig->on_done(rig, cookie);
}

static void on_lost(void *owner, uint64_t cookie, const struct qda_device_lost *lost)
{
	struct rig *rig = owner;
	struct rig_lost *kept = &rig->lost[rig->n_lost++];

	assert_false(rig->inside);
	assert_true(rig->n_lost < 64);
	*kept = (struct rig_lost){
		.cookie = cookie,
		.signal = lost->signal,
		.n_done = rig->n_done,
	};
	snprintf(kept->text, sizeof(kept->text), "%s", lost->text);
}

static void on_log(void *owner, uint64_t cookie, const struct qda_log_line *line)
{
	struct rig *rig = owner;
	struct rig_log *kept = &rig->log[rig->n_log++];

	assert_false(rig->inside);
	assert_true(rig->n_log < RIG_EVENTS);
	*kept = (struct rig_log){ .cookie = cookie, .level = line->level };
	snprintf(kept->text, sizeof(kept->text), "%.*s", (int)line->n, line->text);
}

static void on_state(void *owner, enum qda_device_state state, const char *why)
{
	struct rig *rig = owner;

	assert_false(rig->inside);
	rig->state = state;
	rig->n_states++;
	snprintf(rig->why, sizeof(rig->why), "%s", why);
}

static const struct qda_device_events events = {
	.done = on_done,
	.lost = on_lost,
	.log = on_log,
	.state = on_state,
};

/* --- waiting --- */

static void on_watchdog(uv_timer_t *timer)
{
	fail_msg("waited %d ms for something that did not come", LIMIT_MS);
}

static void run_once(struct rig *rig)
{
	uv_run(&rig->loop, UV_RUN_ONCE);
}

static void watch(struct rig *rig)
{
	uv_timer_start(&rig->watchdog, on_watchdog, LIMIT_MS, 0);
}

void rig_wait_state(struct rig *rig, enum qda_device_state state)
{
	watch(rig);
	while (rig->state != state)
		run_once(rig);
}

void rig_wait_states(struct rig *rig, unsigned n)
{
	watch(rig);
	while (rig->n_states < n)
		run_once(rig);
}

static struct rig_done *find(struct rig *rig, uint64_t cookie)
{
	for (size_t i = rig->n_done; i-- > 0;)
		if (rig->done[i].cookie == cookie && !rig->done[i].taken)
			return &rig->done[i];
	return NULL;
}

bool rig_has(const struct rig *rig, uint64_t cookie)
{
	return find((struct rig *)rig, cookie);
}

struct qda_device_done rig_wait(struct rig *rig, uint64_t cookie)
{
	struct rig_done *found;

	watch(rig);
	while (!(found = find(rig, cookie)))
		run_once(rig);
	found->taken = true;
	return found->done;
}

const struct rig_lost *rig_wait_lost(struct rig *rig, uint64_t cookie)
{
	watch(rig);
	for (;;) {
		for (size_t i = 0; i < rig->n_lost; i++) {
			if (rig->lost[i].cookie != cookie || rig->lost[i].taken)
				continue;
			rig->lost[i].taken = true;
			return &rig->lost[i];
		}
		run_once(rig);
	}
}

void rig_wait_log(struct rig *rig, size_t n)
{
	watch(rig);
	while (rig->n_log < n)
		run_once(rig);
}

static void on_fd(uv_poll_t *poll, int status, int what)
{
	uv_poll_stop(poll);
	*(bool *)poll->data = true;
}

static void on_fd_closed(uv_handle_t *handle)
{
	handle->data = NULL;
}

void rig_wait_fd(struct rig *rig, int fd)
{
	bool ready = false;
	uv_poll_t handle;

	watch(rig);
	assert_int_equal(uv_poll_init(&rig->loop, &handle, fd), 0);
	handle.data = &ready;
	uv_poll_start(&handle, UV_READABLE | UV_DISCONNECT, on_fd);
	while (!ready)
		run_once(rig);
	uv_close((uv_handle_t *)&handle, on_fd_closed);
	while (handle.data)
		uv_run(&rig->loop, UV_RUN_NOWAIT);
}

void rig_settle(struct rig *rig)
{
	for (int i = 0; i < 64; i++)
		uv_run(&rig->loop, UV_RUN_NOWAIT);
}

/* --- life --- */

static unsigned count(const char *path)
{
	DIR *dir = opendir(path);
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static unsigned count_children(void)
{
	FILE *file = fopen("/proc/thread-self/children", "re");
	unsigned n = 0;
	int pid;

	assert_non_null(file);
	while (fscanf(file, "%d", &pid) == 1)
		n++;
	fclose(file);
	return n;
}

static void begin(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	/* libuv keeps a pipe of its own for ever, from the first loop on. */
	assert_int_equal(uv_loop_init(&rig->loop), 0);
	assert_int_equal(uv_loop_close(&rig->loop), 0);
	rig->n_fds = count("/proc/self/fd");
	rig->n_children = count_children();
	rig->state = QDA_DEVICE_DOWN;
	assert_int_equal(uv_loop_init(&rig->loop), 0);
	uv_timer_init(&rig->loop, &rig->watchdog);
	uv_unref((uv_handle_t *)&rig->watchdog);
}

void rig_start(struct rig *rig, const struct qda_soft_config *config)
{
	begin(rig);
	assert_int_equal(qda_soft_new(&rig->loop, config, &events, rig, &rig->device), 0);
	rig->ops = rig->device->ops;
}

void rig_start_accel(struct rig *rig, const struct qda_accel_config *config)
{
	begin(rig);
	assert_int_equal(qda_accel_new(&rig->loop, config, &events, rig, &rig->device), 0);
	rig->ops = rig->device->ops;
}

void rig_stop(struct rig *rig)
{
	size_t n_states = rig->n_states;

	for (size_t i = 0; i < rig->n_done; i++)
		if (!rig->done[i].taken)
			fail_msg("completion %llu was not expected",
				 (unsigned long long)rig->done[i].cookie);
	for (size_t i = 0; i < rig->n_lost; i++)
		if (!rig->lost[i].taken)
			fail_msg("loss of %llu was not expected: %s",
				 (unsigned long long)rig->lost[i].cookie, rig->lost[i].text);
	watch(rig);
	rig->ops->free(rig->device);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
	assert_int_equal(rig->n_states, n_states);
	uv_close((uv_handle_t *)&rig->watchdog, NULL);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&rig->loop), 0);
	assert_int_equal(count("/proc/self/fd"), rig->n_fds);
	assert_int_equal(count_children(), rig->n_children);
}

/* --- operations --- */

int rig_open(struct rig *rig, const struct qda_device_open *open, uint64_t cookie,
	     struct qda_device_session **out)
{
	int r;

	rig->inside = true;
	r = rig->ops->session_open(rig->device, open, cookie, out);
	rig->inside = false;
	return r;
}

int rig_submit(struct rig *rig, struct qda_device_session *session,
	       const struct qda_device_call *call, uint64_t cookie)
{
	bool inside = rig->inside;
	int r;

	rig->inside = true;
	r = rig->ops->submit(session, call, cookie);
	rig->inside = inside;
	return r;
}

int rig_map(struct rig *rig, struct qda_device_session *session, struct qda_device_buffer *buffer,
	    uint32_t key, uint64_t offset, uint64_t size, uint64_t cookie)
{
	int r;

	rig->inside = true;
	r = rig->ops->map(session, buffer, key, offset, size, cookie);
	rig->inside = false;
	return r;
}

int rig_unmap(struct rig *rig, struct qda_device_session *session, uint32_t key, uint64_t cookie)
{
	int r;

	rig->inside = true;
	r = rig->ops->unmap(session, key, cookie);
	rig->inside = false;
	return r;
}

void rig_close(struct rig *rig, struct qda_device_session *session, uint64_t cookie)
{
	rig->inside = true;
	rig->ops->session_close(session, cookie);
	rig->inside = false;
}

/* --- the common cases --- */

#define COOKIE_OWN (1ull << 40)	/* of what the rig does by itself */

struct qda_device_session *rig_session(struct rig *rig, uint64_t cookie)
{
	const struct qda_device_open open = { .session_cookie = cookie, .name = "test" };
	struct qda_device_session *session;

	assert_int_equal(rig_open(rig, &open, COOKIE_OWN, &session), 0);
	assert_int_equal(rig_wait(rig, COOKIE_OWN).err, 0);
	return session;
}

void rig_end(struct rig *rig, struct qda_device_session *session)
{
	rig_close(rig, session, COOKIE_OWN);
	assert_int_equal(rig_wait(rig, COOKIE_OWN).err, 0);
}

struct qda_device_buffer *rig_buffer(struct rig *rig, uint64_t size, void **view)
{
	struct qda_device_buffer *buffer;

	assert_int_equal(rig->ops->buffer_create(rig->device, size, &buffer), 0);
	*view = rig->ops->buffer_view(buffer);
	assert_non_null(*view);
	return buffer;
}

uint32_t rig_module(struct rig *rig, struct qda_device_session *session, const char *uri,
		    uint32_t *dlerr)
{
	uint32_t n = (uint32_t)strlen(uri) + 1, *words, answer[2];
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(rig, PAGE, &view);
	const struct qda_device_arg args[] = {
		{ .buffer = buffer, .offset = 0, .length = 8 },
		{ .buffer = buffer, .offset = 128, .length = n },
		{ .buffer = buffer, .offset = 2048, .length = 8 },
		{ .buffer = buffer, .offset = 2176, .length = 256 },
	};
	const struct qda_device_call call = {
		.handle = FASTRPC_HANDLE_REMOTECTL,
		.sc = fastrpc_sc(0, FASTRPC_REMOTECTL_OPEN, 2, 2, 0, 0),
		.args = args,
	};
	struct qda_device_done done;

	words = view;
	words[0] = n;
	words[1] = 256;
	memcpy((char *)view + 128, uri, n);
	assert_int_equal(rig_submit(rig, session, &call, COOKIE_OWN), 0);
	done = rig_wait(rig, COOKIE_OWN);
	assert_int_equal(done.err, 0);
	assert_int_equal(done.result, 0);
	memcpy(answer, (char *)view + 2048, sizeof(answer));
	rig->ops->buffer_release(buffer);
	if (dlerr)
		*dlerr = answer[1];
	else if (answer[1])
		fail_msg("%s: dlerr %#x", uri, answer[1]);
	return answer[1] ? 0 : answer[0];
}
