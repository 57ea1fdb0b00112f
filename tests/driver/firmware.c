// SPDX-License-Identifier: BSD-3-Clause
/*
 * The software DSP under the driver: see firmware.h. Runs in the test machine, where programs are
 * in /bin and skels in /skels.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "driver/softdsp/wire.h"
#include "firmware.h"

#define WAIT_MS 30000
#define OPEN_SC DRM_QDA_SC(2, 2, 2, 0, 0)

/* --- the device comes and goes --- */

static int uevents_open(void)
{
	const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* A uevent is "ACTION@/devices/...", then NAME=VALUE with a 0 each. */
static bool is_accel(const char *event, size_t n, const char *action)
{
	const size_t length = strlen(action);
	bool ours = false;

	if (strncmp(event, action, length) || event[length] != '@')
		return false;
	for (size_t i = 0; i < n; i += strlen(event + i) + 1)
		ours |= !strncmp(event + i, "DEVNAME=accel/", 14);
	return ours;
}

static void wait_accel(int uevents, const char *action)
{
	struct pollfd pollfd = { .fd = uevents, .events = POLLIN };
	char event[4096];
	ssize_t n;

	do {
		assert_int_equal(poll(&pollfd, 1, WAIT_MS), 1);
		n = recv(uevents, event, sizeof(event) - 1, 0);
		assert_true(n > 0);
		event[n] = '\0';
	} while (!is_accel(event, n, action));
}

/* --- the process --- */

static void run(int said)
{
	dup2(said, STDERR_FILENO);
	execl("/bin/qda-softdsp", "qda-softdsp", "--vdsp", "/dev/qda-vdsp0", "--modules", "/skels",
	      "--arch", "v73", NULL);
	_exit(127);
}

void firmware_start(struct firmware *f)
{
	int fds[2];

	*f = (struct firmware){ .uevents = uevents_open() };
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	f->said = fds[0];
	f->pid = fork();
	if (!f->pid)
		run(fds[1]);
	assert_true(f->pid > 0);
	close(fds[1]);
	wait_accel(f->uevents, "add");
}

static int end(struct firmware *f, int signal)
{
	int status;

	assert_int_equal(kill(f->pid, signal), 0);
	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	wait_accel(f->uevents, "remove");
	close(f->uevents);
	close(f->said);
	return status;
}

void firmware_stop(struct firmware *f)
{
	assert_int_equal(end(f, SIGTERM), 0);
}

void firmware_crash(struct firmware *f)
{
	assert_int_equal(end(f, SIGKILL), SIGKILL);
}

const char *firmware_line(struct firmware *f)
{
	static char line[sizeof(f->text)];
	struct pollfd pollfd = { .fd = f->said, .events = POLLIN };
	size_t length;
	char *end;
	ssize_t n;

	while (!(end = memchr(f->text, '\n', f->n))) {
		assert_int_equal(poll(&pollfd, 1, WAIT_MS), 1);
		n = read(f->said, f->text + f->n, sizeof(f->text) - f->n);
		assert_true(n > 0);
		f->n += n;
	}
	length = end - f->text;
	memcpy(line, f->text, length);
	line[length] = '\0';
	f->n -= length + 1;
	memmove(f->text, end + 1, f->n);
	return line;
}

bool firmware_quiet(const struct firmware *f)
{
	struct pollfd pollfd = { .fd = f->said, .events = POLLIN };

	return !f->n && poll(&pollfd, 1, 0) == 0;
}

/* --- sessions and modules --- */

int firmware_create(int fd, const void *image, size_t n, int32_t *result)
{
	struct drm_qda_init_create create = { .attrs = DRM_QDA_ATTR_UNSIGNED, .shell_size = n };
	void *memory;
	int ret;

	create.shell = buffer_new(fd, 4096, &memory);
	memcpy(memory, image, n);
	munmap(memory, 4096); /* it would keep the file open */
	ret = accel_ioctl(fd, DRM_IOCTL_QDA_INIT_CREATE, &create);
	buffer_close(fd, create.shell);
	if (result)
		*result = create.result;
	return ret;
}

int firmware_session(void)
{
	const int fd = accel_open();

	assert_int_equal(firmware_create(fd, SOFTDSP_SHELL_MAGIC, strlen(SOFTDSP_SHELL_MAGIC),
					 NULL), 0);
	return fd;
}

int32_t firmware_open(int fd, const char *uri, uint32_t *handle)
{
	char text[256] = "";
	const uint32_t in[2] = { strlen(uri) + 1, sizeof(text) };
	uint32_t out[2] = { 0, 0 };
	const struct drm_qda_arg args[] = {
		arg_inline(in, sizeof(in)),
		arg_inline(uri, in[0]),
		arg_inline(out, sizeof(out)),
		arg_inline(text, sizeof(text)),
	};

	assert_int_equal(invoke(fd, 8, OPEN_SC, args, NULL), 0);
	*handle = out[0];
	if (out[1])
		print_message("%s\n", text);
	return out[1];
}

uint32_t firmware_open_probe(int fd)
{
	uint32_t handle;

	assert_int_equal(firmware_open(fd, "file:///libsoftdsp_probe_skel.so"
					   "?softdsp_probe_skel_handle_invoke", &handle), 0);
	return handle;
}
