// SPDX-License-Identifier: BSD-3-Clause
/*
 * qda-softdsp-pd: one protection domain of the software DSP, one process. The supervisor starts it
 * with the descriptors of order.h; it confines itself, then serves calls until it is killed. The
 * main thread does the supervisor's orders and nothing else.
 *
 * Arguments: NAME ARCH CLIENT BANK THREADS MEMORY CPU CLIENT-DIRS PARENT [MODULE-DIR...]
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attributes.h"
#include "confine.h"
#include "crash.h"
#include "hap.h"
#include "keys.h"
#include "module.h"
#include "order.h"
#include "record.h"
#include "transport.h"
#include "worker.h"

#define PATH_ROOM 4096u

enum argument {
	ARG_NAME = 1, ARG_ARCH, ARG_CLIENT, ARG_BANK, ARG_THREADS, ARG_MEMORY, ARG_CPU,
	ARG_CLIENT_DIRS, ARG_PARENT, ARG_MODULES,
};

static char client_paths[SOFTDSP_MAX_DIRS][32];
static char client_labels[SOFTDSP_MAX_DIRS][PATH_ROOM];
static int client_fds[SOFTDSP_MAX_DIRS];

static void send_report(const struct pd_report *report)
{
	/* The supervisor keeps at most one order open, so there is room, or will be when it has
	 * read the lines of the skels. */
	if (record_send(PD_FD_ORDERS, report, sizeof(*report), -1, 0) < 0)
		_exit(PD_EXIT_DONE);
}

__attribute__((noreturn, format(printf, 1, 2)))
static void fail(const char *format, ...)
{
	struct pd_report report = { .kind = PD_REPORT_FAILED };
	va_list args;

	va_start(args, format);
	vsnprintf(report.text, sizeof(report.text), format, args);
	va_end(args);
	send_report(&report);
	_exit(PD_EXIT_START);
}

static uint64_t number(char **argv, enum argument i)
{
	return strtoull(argv[i], NULL, 0);
}

/* Die with the supervisor, also when it died before we asked for that. */
static void tie_to_parent(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		fail("parent death signal: %s", strerror(errno));
	if (getppid() != parent)
		_exit(PD_EXIT_START);
}

static struct pd_status *map_status(void)
{
	void *status = mmap(NULL, sizeof(struct pd_status), PROT_READ | PROT_WRITE, MAP_SHARED,
			    PD_FD_STATUS, 0);

	if (status == MAP_FAILED)
		fail("status page: %s", strerror(errno));
	close(PD_FD_STATUS);
	return status;
}

/* The client's directories are searched through their descriptors: the paths may not exist here. */
static void add_client_dir(unsigned i)
{
	const int fd = PD_FD_DIRS + i;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
		fail("module directory %u of the client is not a directory", i + 1);
	snprintf(client_paths[i], sizeof(client_paths[i]), "/proc/self/fd/%d", fd);
	n = readlink(client_paths[i], client_labels[i], PATH_ROOM - 1);
	if (n <= 0)
		snprintf(client_labels[i], PATH_ROOM, "client directory %u", i + 1);
	client_fds[i] = fd;
	if (modules_add_dir(client_paths[i], client_labels[i]) < 0)
		fail("too many module directories");
}

static void add_dirs(unsigned n_client_dirs, char **dirs, size_t n_dirs)
{
	if (n_client_dirs > SOFTDSP_MAX_DIRS)
		fail("too many module directories of the client");
	for (unsigned i = 0; i < n_client_dirs; i++)
		add_client_dir(i);
	for (size_t i = 0; i < n_dirs; i++)
		if (modules_add_dir(dirs[i], dirs[i]) < 0)
			fail("too many module directories");
}

static struct transport *start_transport(char **argv)
{
	const int32_t client = number(argv, ARG_CLIENT);
	const uint32_t bank = number(argv, ARG_BANK);
	struct transport *transport;
	struct stat st;
	int err;

	if (fstat(PD_FD_CHANNEL, &st) < 0)
		fail("channel: %s", strerror(errno));
	if (S_ISSOCK(st.st_mode))
		err = transport_socket_init(PD_FD_CHANNEL, client, bank,
					    number(argv, ARG_THREADS), &transport);
	else
		err = transport_vdsp_init(PD_FD_CHANNEL, client, bank, &transport);
	if (err)
		fail("4 GiB of addresses: %s", strerror(-err));
	return transport;
}

static uint32_t enter_cage(char **argv, size_t n_dirs)
{
	const struct confine cage = {
		.memory = number(argv, ARG_MEMORY),
		.cpu_seconds = number(argv, ARG_CPU),
		.files = 64 + number(argv, ARG_THREADS),
		.dirs = (const char *const *)&argv[ARG_MODULES],
		.n_dirs = n_dirs,
		.dir_fds = client_fds,
		.n_dir_fds = number(argv, ARG_CLIENT_DIRS),
	};
	char text[128];
	uint32_t held;

	if (confine(&cage, &held, text, sizeof(text)) < 0)
		fail("cannot confine the PD: %s", text);
	return held;
}

/* Never returns: the process ends with the supervisor's end of the socket, or killed. */
__attribute__((noreturn))
static void obey(void)
{
	struct pd_report report = { .kind = PD_REPORT_DONE };
	struct pd_order order;

	for (;;) {
		if (record_recv(PD_FD_ORDERS, &order, sizeof(order), NULL, 0) != sizeof(order))
			_exit(PD_EXIT_DONE);
		report.result = keys_order(&order, &report.addr);
		send_report(&report);
	}
}

#ifdef SOFTDSP_SANITIZED
/* The search for leaks needs to trace the process, which the cage forbids. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

int main(int argc, char **argv)
{
	struct pd_report ready = { .kind = PD_REPORT_READY };
	struct transport *transport;
	int err;

	if (argc < ARG_MODULES) {
		fprintf(stderr, "qda-softdsp-pd is started by qda-softdsp, not by hand\n");
		return PD_EXIT_START;
	}
	tie_to_parent(number(argv, ARG_PARENT));
	err = crash_init(map_status());
	if (err)
		fail("signal handlers: %s", strerror(-err));
	attributes_set_arch(number(argv, ARG_ARCH));
	modules_set_domain(argv[ARG_NAME]);
	add_dirs(number(argv, ARG_CLIENT_DIRS), &argv[ARG_MODULES], argc - ARG_MODULES);
	transport = start_transport(argv);
	hap_init(transport);
	ready.confined = enter_cage(argv, argc - ARG_MODULES);
	err = workers_start(transport, number(argv, ARG_THREADS));
	if (err)
		fail("first thread: %s", strerror(-err));
	send_report(&ready);
	obey();
}
