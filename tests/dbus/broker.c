/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * broker PATH: a private dbus-broker that listens at PATH and allows everything. It plays the part
 * of dbus-broker-launch, which wants a systemd around it. Prints "ready" when programs may connect;
 * ends with dbus-broker.
 */
#include <err.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

/* What the controller of dbus-broker 33 is told: who may connect, own, send and receive. */
#define BATCH  "bt" "a(btbs)" "a(btssssuutt)" "a(btssssuutt)"
#define POLICY "a(u(" BATCH "))" "a(buu(" BATCH "))" "a(ss)" "bs"

static void check(int r, const char *what)
{
	if (r < 0)
		errx(1, "%s: %s", what, strerror(-r));
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 128) < 0 ||
	    chmod(path, 0666) < 0)
		err(1, "%s", path);
	return fd;
}

static void start_broker(int fd, int other)
{
	char number[16];

	if (fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(other);
	snprintf(number, sizeof(number), "%d", fd);
	execlp("dbus-broker", "dbus-broker", "--controller", number, "--machine-id",
	       "0123456789abcdef0123456789abcdef", NULL);
	_exit(1);
}

static sd_bus_message *everything(sd_bus *bus, int listener)
{
	sd_bus_message *m;

	check(sd_bus_message_new_method_call(bus, &m, NULL, "/org/bus1/DBus/Broker",
					     "org.bus1.DBus.Broker", "AddListener"), "AddListener");
	sd_bus_message_append(m, "oh", "/org/bus1/DBus/Listener/0", listener);
	sd_bus_message_open_container(m, 'v', "(" POLICY ")");
	sd_bus_message_open_container(m, 'r', POLICY);
	sd_bus_message_open_container(m, 'a', "(u(" BATCH "))");
	sd_bus_message_open_container(m, 'r', "u(" BATCH ")");
	sd_bus_message_append(m, "u", UINT32_MAX);
	sd_bus_message_open_container(m, 'r', BATCH);
	sd_bus_message_append(m, BATCH, 1, UINT64_C(1), 1, 1, UINT64_C(1), 1, "", 1, 1, UINT64_C(1),
			      "", "", "", "", 0, 0, UINT64_C(0), UINT64_MAX, 1, 1, UINT64_C(1), "",
			      "", "", "", 0, 0, UINT64_C(0), UINT64_MAX);
	sd_bus_message_close_container(m);
	sd_bus_message_close_container(m);
	sd_bus_message_close_container(m);
	sd_bus_message_open_container(m, 'a', "(buu(" BATCH "))");
	sd_bus_message_close_container(m);
	sd_bus_message_append(m, "a(ss)bs", 0, 0, "system");
	check(sd_bus_message_close_container(m), "policy");
	check(sd_bus_message_close_container(m), "policy");
	return m;
}

int main(int argc, char **argv)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int fds[2], r, listener;
	sd_bus_message *m;
	sd_bus *bus;

	if (argc != 2)
		errx(2, "usage: broker PATH");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	listener = listen_at(argv[1]);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
		err(1, "socketpair");
	start_broker(fds[1], fds[0]);
	close(fds[1]);
	check(sd_bus_new(&bus), "bus");
	check(sd_bus_set_fd(bus, fds[0], fds[0]), "bus");
	check(sd_bus_start(bus), "bus");
	m = everything(bus, listener);
	r = sd_bus_call(bus, m, 0, &error, NULL);
	if (r < 0)
		errx(1, "AddListener: %s: %s", error.name, error.message);
	sd_bus_message_unref(m);
	puts("ready");
	fflush(stdout);
	while ((r = sd_bus_process(bus, NULL)) >= 0)
		if (r == 0)
			sd_bus_wait(bus, UINT64_MAX);
	return 0;
}
