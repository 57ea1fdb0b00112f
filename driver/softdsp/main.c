// SPDX-License-Identifier: BSD-3-Clause
/*
 * qda-softdsp: the software DSP. Plays the firmware of one DSP domain for a host that connects to
 * a socket, or that started it with one end of a pair, or for the kernel behind the device of a
 * virtual DSP. This file: the loop, the listener, the signals.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "attributes.h"
#include "driver/include/uapi/drm/qda_vdsp.h"
#include "dsp.h"
#include "landlock.h"
#include "options.h"

#define NOFILE_SPARE 64
#define RETRY_MS 200

struct machine {
	struct dsp dsp; /* first */
	uv_loop_t loop;
	uv_poll_t listener;
	uv_timer_t retry;
	uv_signal_t terminate, interrupt;
	int listen_fd;
	bool ending;
};

static struct options options;
static struct machine machine;

/* --- listening --- */

static int accept_host(struct machine *m)
{
	int fd = accept4(m->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	return fd < 0 ? -errno : host_open_socket(&m->dsp.host, &m->dsp, fd);
}

static void wait_for_host(struct machine *m);

static void on_retry(uv_timer_t *timer)
{
	wait_for_host(timer->data);
}

/* One host at a time: the others wait in the backlog until this one is gone. When the machine is
 * out of descriptors the connection stays there too: asked again at once, it would spin. */
static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct machine *m = poll->data;
	const int err = accept_host(m);

	if (err == -EAGAIN || err == -ECONNABORTED)
		return;
	uv_poll_stop(poll);
	if (err)
		uv_timer_start(&m->retry, on_retry, RETRY_MS, 0);
}

static void wait_for_host(struct machine *m)
{
	uv_poll_start(&m->listener, UV_READABLE, on_connection);
}

/* A socket file that nobody answers at was left by one who died. One who serves a host, and has
 * others waiting, is there, too, though connecting to it would take long. */
static int remove_stale(const struct sockaddr_un *address)
{
	struct stat st;
	int fd, err;

	if (lstat(address->sun_path, &st) < 0)
		return 0; /* if it is not for want of a file, bind() says so */
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	err = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;
	close(fd);
	if (!err || err == EAGAIN)
		return -EADDRINUSE;
	if (err == ECONNREFUSED && unlink(address->sun_path) < 0)
		return -errno;
	return 0;
}

/* The file's mode decides who may be the host: its owner and group. */
static int bind_socket(int fd, const struct sockaddr_un *address)
{
	const mode_t mask = umask(0117);
	int err = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	umask(mask);
	return err;
}

static int listen_at(struct machine *m, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int err;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	err = remove_stale(&address);
	if (err)
		return err;
	m->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (m->listen_fd < 0)
		return -errno;
	err = bind_socket(m->listen_fd, &address);
	if (!err && listen(m->listen_fd, 4) < 0)
		err = -errno;
	if (!err)
		err = uv_poll_init(&m->loop, &m->listener, m->listen_fd);
	return err;
}

/* --- the end --- */

static void stop(struct machine *m)
{
	uv_close((uv_handle_t *)&m->terminate, NULL);
	uv_close((uv_handle_t *)&m->interrupt, NULL);
	uv_close((uv_handle_t *)&m->retry, NULL);
	if (m->listen_fd < 0)
		return;
	uv_close((uv_handle_t *)&m->listener, NULL);
	unlink(options.socket_path);
}

static void on_vacant(struct dsp *dsp)
{
	struct machine *m = (struct machine *)dsp;

	if (m->ending || m->listen_fd < 0)
		stop(m);
	else
		wait_for_host(m);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct machine *m = handle->data;

	if (m->ending)
		return;
	m->ending = true;
	if (host_is_closed(&m->dsp.host) && !m->dsp.n_pds)
		stop(m);
	else
		dsp_detach(&m->dsp);
}

/* --- the beginning --- */

static uint32_t what_confines(void)
{
	uint32_t held = landlock_version() ? SOFTDSP_CONFINED_LANDLOCK : 0;

	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0)
		held |= SOFTDSP_CONFINED_SECCOMP;
#ifndef SOFTDSP_SANITIZED
	held |= SOFTDSP_CONFINED_MEMORY;
#endif
	return held;
}

/* A host can make us hold so many descriptors: all of them must be there before it comes. */
static int check_descriptors(uint32_t n_banks)
{
	const rlim_t need = n_banks * (BANK_MAPS_MAX + 2 * SOFTDSP_MAX_DIRS + 5) + NOFILE_SPARE;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	if (limit.rlim_max < need) {
		fprintf(stderr,
			"qda-softdsp: %u banks may need %llu open files, the limit is %llu: "
			"raise it (ulimit -n) or lower --banks\n",
			n_banks, (unsigned long long)need, (unsigned long long)limit.rlim_max);
		return -EMFILE;
	}
	if (limit.rlim_cur < need)
		limit.rlim_cur = need;
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

static int adopt(struct machine *m, int fd)
{
	int type = 0;
	socklen_t n = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0)
		return -errno;
	if (type != SOCK_SEQPACKET)
		return -ESOCKTNOSUPPORT;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return host_open_socket(&m->dsp.host, &m->dsp, fd);
}

/* The device is this DSP for as long as it is held. */
static int open_vdsp(struct machine *m)
{
	static struct qda_vdsp_info info;
	const int fd = open(options.vdsp_path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, QDA_VDSP_INFO, &info) < 0)
		err = -errno;
	else if (!options_take_device(&options, info.name, info.banks))
		err = -EPROTO;
	if (!err)
		return host_open_vdsp(&m->dsp.host, &m->dsp, fd);
	close(fd);
	return err;
}

static void catch(struct machine *m, uv_signal_t *handle, int number)
{
	uv_signal_init(&m->loop, handle);
	handle->data = m;
	uv_signal_start(handle, on_signal, number);
}

static int find_host(struct machine *m)
{
	int err;

	if (options.fd >= 0) {
		err = adopt(m, options.fd);
		if (err)
			fprintf(stderr, "qda-softdsp: --fd %d: %s; it is to be a connected "
					"SOCK_SEQPACKET socket\n",
				options.fd, strerror(-err));
		return err;
	}
	if (options.vdsp_path) {
		err = open_vdsp(m);
		if (err)
			fprintf(stderr, "qda-softdsp: --vdsp %s: %s%s\n", options.vdsp_path,
				strerror(-err),
				err == -EBUSY ? "; another program is this DSP" : "");
		return err;
	}
	err = listen_at(m, options.socket_path);
	if (err)
		fprintf(stderr, "qda-softdsp: cannot listen at %s: %s\n", options.socket_path,
			strerror(-err));
	else
		wait_for_host(m);
	return err;
}

static int start(struct machine *m)
{
	m->listener.data = m;
	m->retry.data = m;
	uv_timer_init(&m->loop, &m->retry);
	catch(m, &m->terminate, SIGTERM);
	catch(m, &m->interrupt, SIGINT);
	return find_host(m);
}

int main(int argc, char **argv)
{
	struct machine *m = &machine;
	const int code = options_parse(&options, argc, argv);

	if (code >= 0)
		return code;
	if (check_descriptors(options.dsp.n_banks) < 0)
		return EXIT_FAILURE;
	m->listen_fd = -1;
	m->dsp.config = &options.dsp;
	m->dsp.loop = &m->loop;
	m->dsp.confined = what_confines();
	m->dsp.on_vacant = on_vacant;
	attributes_set_arch(options.dsp.arch);
	signal(SIGPIPE, SIG_IGN); /* our stderr may be a pipe whose reader is gone */
	if (uv_loop_init(&m->loop) < 0 || start(m) < 0)
		return EXIT_FAILURE;
	uv_run(&m->loop, UV_RUN_DEFAULT);
	uv_loop_close(&m->loop);
	if (m->listen_fd >= 0)
		close(m->listen_fd);
	options_free(&options);
	return EXIT_SUCCESS;
}
