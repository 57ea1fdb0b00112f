// SPDX-License-Identifier: BSD-3-Clause
/*
 * The soft device's link to its DSP: connect to it or start it, wait for its HELLO, and try again,
 * more and more patiently, when it is gone.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "device/soft.h"
#include "util/stall.h"

#define DELAY_MIN_MS 100u
#define DELAY_MAX_MS 5000u
#define HELLO_MS 10000u		/* for HELLO to come */
#define END_MS 2000u		/* for a program whose channel ended to end */
#define STEADY_MS 10000u	/* up that long, a DSP is restarted at once */
#define PROGRAM_FD 3

static void on_retry(uv_timer_t *timer);

/* --- state, as the owner hears of it --- */

static void tell(struct soft *soft, enum qda_device_state state, const char *why)
{
	if (!soft->freed)
		soft->device.events->state(soft->device.owner, state, why);
}

/* No DSP: say why, once, and try again later. */
static void __attribute__((format(printf, 2, 3))) down(struct soft *soft, const char *format, ...)
{
	char why[sizeof(soft->why)];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	soft->link = SOFT_LINK_DOWN;
	if (soft->freed)
		return;
	uv_timer_start(&soft->retry, on_retry, soft->delay_ms, 0);
	soft->delay_ms = soft->delay_ms * 2 < DELAY_MAX_MS ? soft->delay_ms * 2 : DELAY_MAX_MS;
	if (strcmp(why, soft->why)) {
		memcpy(soft->why, why, sizeof(why));
		tell(soft, QDA_DEVICE_DOWN, why);
	}
}

/* What an operator should know about a DSP that is up: its PDs can do more than they should. */
static const char *confinement(uint32_t confined)
{
	if (!(confined & SOFTDSP_CONFINED_SECCOMP))
		return "PDs are not confined: system calls are not filtered (no seccomp)";
	if (!(confined & SOFTDSP_CONFINED_LANDLOCK))
		return "PDs may read this user's files: the kernel has no Landlock";
	if (!(confined & SOFTDSP_CONFINED_MEMORY))
		return "PDs have no limit of memory (built with a sanitizer)";
	return "";
}

void soft_link_up(struct soft *soft, const struct softdsp_hello *hello)
{
	soft->hello = *hello;
	soft->link = SOFT_LINK_UP;
	soft->up_since = uv_now(soft->loop);
	soft->why[0] = '\0';
	uv_timer_stop(&soft->retry);
	tell(soft, QDA_DEVICE_UP, confinement(soft->hello.confined));
}

/* --- the end of a connection --- */

static void on_control_closed(uv_handle_t *handle)
{
	struct soft_channel *channel = handle->data;
	struct soft *soft = channel->soft;

	free(channel);
	soft_handle_closed(soft);
}

static void close_control(struct soft *soft)
{
	struct soft_channel *control = soft->control;

	soft->control = NULL;
	if (control && !soft_channel_close(control, on_control_closed))
		free(control);
}

static void end_sessions(struct soft *soft, const char *why)
{
	struct qda_device_session *session, *next;

	for (session = TAILQ_FIRST(&soft->sessions); session; session = next) {
		next = TAILQ_NEXT(session, link);
		soft_session_dsp_gone(session, why);
	}
	memset(soft->banks, 0, sizeof(soft->banks));
}

void soft_link_gone(struct soft *soft, bool misbehaved, const char *format, ...)
{
	char why[sizeof(soft->why)];
	bool was_up = soft->link == SOFT_LINK_UP;
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	close_control(soft);
	soft->link = SOFT_LINK_DOWN;
	end_sessions(soft, why);
	if (was_up && uv_now(soft->loop) - soft->up_since >= STEADY_MS)
		soft->delay_ms = DELAY_MIN_MS;
	if (!soft->process) {
		down(soft, "%s", why);
		return;
	}
	/* How the program ended is the better reason. What misbehaved needs no time to tidy up. */
	snprintf(soft->reason, sizeof(soft->reason), "%s", misbehaved ? why : "");
	if (misbehaved)
		uv_process_kill(soft->process, SIGKILL);
	uv_timer_start(&soft->retry, on_retry, END_MS, 0);
}

/* --- a DSP that is a program of ours --- */

static void on_process_closed(uv_handle_t *handle)
{
	struct soft *soft = handle->data;

	free(handle);
	soft_handle_closed(soft);
}

static void on_program_end(uv_process_t *process, int64_t status, int signal)
{
	struct soft *soft = process->data;
	char why[sizeof(soft->reason)];

	qda_stall_mark();
	if (signal)
		snprintf(why, sizeof(why), "%.200s was killed by SIG%s", soft->program,
			 sigabbrev_np(signal) ? sigabbrev_np(signal) : "?");
	else
		snprintf(why, sizeof(why), "%.200s exited with status %d", soft->program,
			 (int)status);
	soft->process = NULL;
	uv_close((uv_handle_t *)process, on_process_closed);
	if (soft->freed)
		uv_close((uv_handle_t *)&soft->retry, soft_on_closed);
	else if (soft->control)
		soft_link_gone(soft, false, "%s", why);
	else
		down(soft, "%s", soft->reason[0] ? soft->reason : why);
}

/* The argument vector, in one piece; strings stay the configuration's. */
static char **program_args(struct soft *soft)
{
	size_t n = 0, i = 0;
	char **args;

	while (soft->module_dirs[n])
		n++;
	args = calloc(7 + 2 * n, sizeof(*args));
	if (!args)
		return NULL;
	args[i++] = soft->program;
	args[i++] = (char *)"--name";
	args[i++] = soft->name;
	args[i++] = (char *)"--fd";
	args[i++] = (char *)"3";
	if (soft->client_dirs)
		args[i++] = (char *)"--client-dirs";
	for (size_t dir = 0; dir < n; dir++) {
		args[i++] = (char *)"--modules";
		args[i++] = soft->module_dirs[dir];
	}
	return args;
}

static int spawn(struct soft *soft, int fd)
{
	uv_stdio_container_t stdio[PROGRAM_FD + 1] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_IGNORE },
		{ .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
		{ .flags = UV_INHERIT_FD, .data.fd = fd },
	};
	uv_process_options_t options = {
		.file = soft->program,
		.args = program_args(soft),
		.exit_cb = on_program_end,
		.stdio = stdio,
		.stdio_count = PROGRAM_FD + 1,
	};
	uv_process_t *process = calloc(1, sizeof(*process));
	int r = -ENOMEM;

	if (process && options.args) {
		r = uv_spawn(soft->loop, process, &options);
		process->data = soft;
		soft->handles++;
		if (r < 0)
			uv_close((uv_handle_t *)process, on_process_closed);
		else
			soft->process = process;
	} else {
		free(process);
	}
	free(options.args);
	return r;
}

/* Start the program with one end of a socket pair; the other end or a negative errno. */
static int start_program(struct soft *soft)
{
	int r, fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	r = spawn(soft, fds[1]);
	close(fds[1]);
	if (r < 0)
		close(fds[0]);
	return r < 0 ? r : fds[0];
}

/* --- beginning --- */

static int connect_socket(struct soft *soft)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int r, fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	memcpy(addr.sun_path, soft->socket_path, strlen(soft->socket_path));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* What to do when nothing answers there. */
static const char *remedy(int error)
{
	if (error == EACCES)
		return "let the user of this daemon write to it";
	if (error == EAGAIN)
		return "it serves another host, and more wait; give each broker its own";
	return "start qda-softdsp.service";
}

static int open_control(struct soft *soft, int fd)
{
	struct soft_channel *control = malloc(sizeof(*control));
	int r;

	if (!control)
		return -ENOMEM;
	soft_channel_init(control, soft);
	soft->control = control;
	r = soft_channel_start(control, soft->loop, fd, soft_control_ready);
	soft->handles += control->polled;
	return r;
}

static void attempt(struct soft *soft)
{
	int r, fd = soft->program ? start_program(soft) : connect_socket(soft);

	if (fd < 0 && soft->program) {
		down(soft, "cannot start %.200s: %s", soft->program, strerrordesc_np(-fd));
		return;
	}
	if (fd < 0) {
		down(soft, "no software DSP at %s (%s): %s", soft->socket_path,
		     strerrordesc_np(-fd), remedy(-fd));
		return;
	}
	r = open_control(soft, fd);
	if (r < 0) {
		close(fd);
		soft_link_gone(soft, true, "the software DSP's channel failed: %s",
			       strerrordesc_np(-r));
		return;
	}
	soft->link = SOFT_LINK_HELLO;
	soft->why[0] = '\0';
	uv_timer_start(&soft->retry, on_retry, HELLO_MS, 0);
	tell(soft, QDA_DEVICE_STARTING, "");
}

static void on_retry(uv_timer_t *timer)
{
	struct soft *soft = timer->data;

	qda_stall_mark();
	if (soft->link == SOFT_LINK_HELLO)
		soft_link_gone(soft, true, "the software DSP said nothing for %u s",
			       HELLO_MS / 1000);
	else if (soft->process)
		uv_process_kill(soft->process, SIGKILL);
	else
		attempt(soft);
}

void soft_link_start(struct soft *soft)
{
	soft->delay_ms = DELAY_MIN_MS;
	uv_timer_start(&soft->retry, on_retry, 0, 0);
}

void soft_link_stop(struct soft *soft)
{
	close_control(soft);
	soft->link = SOFT_LINK_DOWN;
	if (soft->process)
		uv_timer_start(&soft->retry, on_retry, END_MS, 0);
	else
		uv_close((uv_handle_t *)&soft->retry, soft_on_closed);
}
