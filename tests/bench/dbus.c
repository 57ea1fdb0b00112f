/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dbus: what a management call costs through a bus, against a bare echo between two programs on the
 * same bus in the same run. Both are asked in turns, so that what else the machine does hits both.
 * Prints a table and, for each bus, the ratio of the medians.
 */
#include <err.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#define WARMUP 300u
#define ECHO   "org.example.Echo"
#define QDAD   "org.qdad.Broker1"

static char dir[] = "/tmp/qda-bench-XXXXXX";
static char address[128], bus_path[96];

static void check(int r, const char *what)
{
	if (r < 0)
		errx(1, "%s: %s", what, strerror(-r));
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- programs --- */

static pid_t begin(void)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static FILE *open_in_dir(const char *name, char *path, size_t size)
{
	FILE *file;

	snprintf(path, size, "%s/%s", dir, name);
	file = fopen(path, "w");
	if (!file)
		err(1, "%s", path);
	return file;
}

static pid_t start_bus(const char *kind)
{
	char path[96];
	FILE *file = open_in_dir("bus.conf", path, sizeof(path));
	pid_t pid;

	snprintf(bus_path, sizeof(bus_path), "%s/bus", dir);
	snprintf(address, sizeof(address), "unix:path=%s", bus_path);
	unlink(bus_path);
	fprintf(file,
		"<busconfig><type>session</type><listen>%s</listen><auth>EXTERNAL</auth>"
		"<policy context=\"default\"><allow send_destination=\"*\"/>"
		"<allow eavesdrop=\"true\"/><allow own=\"*\"/><allow user=\"*\"/></policy></busconfig>\n",
		address);
	fclose(file);
	pid = begin();
	if (pid)
		return pid;
	if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
		_exit(1);
	if (!strcmp(kind, "dbus-broker"))
		execl(BENCH_BUS_CONTROLLER, "broker", bus_path, NULL);
	else
		execlp("dbus-daemon", "dbus-daemon", "--nofork", "--config-file", path, NULL);
	_exit(1);
}

static pid_t start_qdad(void)
{
	char config[96], socket[96];
	FILE *file = open_in_dir("qdad.conf", config, sizeof(config));
	pid_t pid;

	fprintf(file,
		"[daemon]\nbus=%s\n[domain cdsp]\nprogram=%s\n[quota default]\n"
		"requests=1000000\nburst=1000000\n", address, BENCH_SOFTDSP);
	fclose(file);
	snprintf(socket, sizeof(socket), "%s/qdad.sock", dir);
	pid = begin();
	if (pid)
		return pid;
	execl(BENCH_QDAD, "qdad", "--user", "--config", config, "--socket", socket, "--modules",
	      BENCH_SKELS, NULL);
	_exit(1);
}

/* --- the bus --- */

static sd_bus *join(void)
{
	sd_bus *bus;

	for (int i = 0; i < 500; i++) {
		check(sd_bus_new(&bus), "bus");
		sd_bus_set_address(bus, address);
		sd_bus_set_bus_client(bus, 1);
		if (sd_bus_start(bus) >= 0 && sd_bus_get_unique_name(bus, &(const char *){ NULL }) >= 0)
			return bus;
		sd_bus_unref(bus);
		usleep(10000);
	}
	errx(1, "%s: nobody listens", address);
}

/* The same signature as what it is compared with. */
static int on_echo(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	sd_bus_message *reply;

	check(sd_bus_message_new_method_return(message, &reply), "reply");
	check(sd_bus_message_append(reply, "a(soss)", 1, "cdsp", "/org/qdad/Broker1/domain/cdsp", "up",
				    "soft"), "reply");
	check(sd_bus_send(NULL, reply, NULL), "reply");
	sd_bus_message_unref(reply);
	return 1;
}

static pid_t start_echo(void)
{
	static const sd_bus_vtable vtable[] = {
		SD_BUS_VTABLE_START(0),
		SD_BUS_METHOD("ListDomains", "", "a(soss)", on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
		SD_BUS_VTABLE_END,
	};
	pid_t pid = begin();
	sd_bus *bus;
	int r;

	if (pid)
		return pid;
	bus = join();
	check(sd_bus_add_object_vtable(bus, NULL, "/org/qdad/Broker1", QDAD ".Manager", vtable, NULL),
	      "vtable");
	check(sd_bus_request_name(bus, ECHO, 0), ECHO);
	while ((r = sd_bus_process(bus, NULL)) >= 0)
		if (r == 0)
			sd_bus_wait(bus, UINT64_MAX);
	_exit(0);
}

static int call(sd_bus *bus, const char *name)
{
	return sd_bus_call_method(bus, name, "/org/qdad/Broker1", QDAD ".Manager", "ListDomains",
				  NULL, NULL, NULL);
}

static void wait_for_name(sd_bus *bus, const char *name)
{
	for (int i = 0; i < 6000; i++) {
		if (call(bus, name) >= 0)
			return;
		usleep(10000);
	}
	errx(1, "%s does not come", name);
}

/* --- measuring --- */

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double us(const uint64_t *times, unsigned n, unsigned percent)
{
	return (double)times[(uint64_t)n * percent / 100] / 1e3;
}

static void measure(const char *kind, unsigned n)
{
	static const char *const names[] = { ECHO, QDAD };
	uint64_t *times[2] = { calloc(n, sizeof(**times)), calloc(n, sizeof(**times)) };
	pid_t bus_pid = start_bus(kind), echo, qdad;
	sd_bus *bus = join();

	echo = start_echo();
	qdad = start_qdad();
	for (int i = 0; i < 2; i++)
		wait_for_name(bus, names[i]);
	for (unsigned i = 0; i < n + WARMUP; i++)
		for (int which = 0; which < 2; which++) {
			uint64_t start = now_ns();

			check(call(bus, names[which]), names[which]);
			if (i >= WARMUP)
				times[which][i - WARMUP] = now_ns() - start;
		}
	for (int which = 0; which < 2; which++) {
		qsort(times[which], n, sizeof(**times), compare);
		printf("%-12s %-12s %9.1f %9.1f %9.1f\n", kind, which ? "qdad" : "echo",
		       us(times[which], n, 50), us(times[which], n, 90), us(times[which], n, 99));
	}
	printf("%-12s ratio        %9.2f %9.2f %9.2f\n", kind,
	       us(times[1], n, 50) / us(times[0], n, 50), us(times[1], n, 90) / us(times[0], n, 90),
	       us(times[1], n, 99) / us(times[0], n, 99));
	sd_bus_unref(bus);
	kill(qdad, SIGTERM);
	waitpid(qdad, NULL, 0);
	end(echo);
	end(bus_pid);
	free(times[0]);
	free(times[1]);
}

static bool installed(const char *program)
{
	char command[64];

	snprintf(command, sizeof(command), "command -v %s >/dev/null", program);
	return system(command) == 0;
}

int main(int argc, char **argv)
{
	static const char *const kinds[] = { "dbus-daemon", "dbus-broker" };
	unsigned n = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5000, ran = 0;
	char command[64];

	if (!n || n > 1000000)
		errx(2, "usage: dbus [CALLS], 1 to 1000000");
	if (!mkdtemp(dir))
		err(1, "%s", dir);
	printf("%u calls each, in turns     us: p50       p90       p99\n", n);
	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		if (installed(kinds[i])) {
			measure(kinds[i], n);
			ran++;
		} else {
			printf("SKIP %s: it is not installed\n", kinds[i]);
		}
		fflush(stdout);
	}
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command) || !ran ? (ran ? 1 : 77) : 0;
}
