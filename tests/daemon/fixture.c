/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The broker under test. This process is made the one that inherits orphans, so that whatever a
 * broker leaves behind becomes a child of ours and cannot hide.
 */
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "heaphook.h"

#define READY_FD 3
#define HEAP_FD	 4

/* --- time --- */

uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void look_again(uint64_t since_ms, const char *what, const char *file, int line)
{
	if (clock_ms() - since_ms > PATIENCE_MS) {
		print_error("%s:%d: after %d ms still not: %s\n", file, line, PATIENCE_MS, what);
		_fail(file, line);
	}
	poll(NULL, 0, 1);
}

unsigned slowness(void)
{
	const char *text = getenv("QDAD_TEST_SLOWNESS");
	int n = text ? atoi(text) : 1;

	return n > 1 ? (unsigned)n : 1;
}

void fill_pattern(void *to, size_t n, uint32_t seed)
{
	uint8_t *bytes = to;
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		bytes[i] = x >> 24;
	}
}

/* --- the device --- */

static bool on_accel(void)
{
	return getenv("QDAD_TEST_ACCEL");
}

/* Why the accel device has it not; NULL: it has. The soft device has everything. */
static const char *const accel_lacks[] = {
	[DEVICE_OWN_DSP] = "a DSP behind the driver is not the broker's: it is there already",
	[DEVICE_LAST_WORDS] = "the driver tells that a PD has ended, not what it died of",
	[DEVICE_LOG_LINES] = "the driver carries no log lines: those of skels are on the DSP's stderr",
	[DEVICE_CLIENT_DIRS] = "a DSP behind the driver cannot be lent directories",
	[DEVICE_READS_ONLY] = "the driver's buffers are no memfds, which alone can be lent for reading",
};

bool device_has(enum device_trait trait)
{
	return !on_accel() || !accel_lacks[trait];
}

void device_need(enum device_trait trait)
{
	if (device_has(trait))
		return;
	print_message("# %s\n", accel_lacks[trait]);
	skip();
}

const char *device_kind(void)
{
	return on_accel() ? "accel" : "soft";
}

/* --- start --- */

void broker_configure(const struct broker *b, const char *text)
{
	FILE *file = fopen(b->conf, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	/* Tests ask faster than programs do, and on a machine that is busy they greet later. */
	if (!strstr(text, "requests="))
		assert_true(fputs("\n[quota default]\nrequests=10M\nburst=10M\n", file) >= 0);
	if (!strstr(text, "hello_ms="))
		assert_true(fputs("\n[daemon]\nhello_ms=600000\n", file) >= 0);
	if (b->system) /* the machine's bus is not for tests */
		assert_true(fputs("\n[daemon]\nbus=none\n", file) >= 0);
	if (on_accel())
		assert_true(fputs("\n[domain cdsp]\ndevice=accel\n", file) >= 0);
	else if (b->system)
		assert_true(fputs("\n[domain cdsp]\nmodules=" SKELS "\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void leave_socket(const struct broker *b)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", b->socket);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

static int heap_page(struct broker *b)
{
	int fd = memfd_create("heap", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, sizeof(*b->heap)), 0);
	b->heap = mmap(NULL, sizeof(*b->heap), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(b->heap, MAP_FAILED);
	return fd;
}

/* In the child. Descriptors from 5 up are the test's own and CLOEXEC. */
static void exec_broker(const struct broker *b, const struct broker_options *o, int ready, int heap)
{
	struct rlimit limit = { o->nofile, o->nofile };
	const char *argv[12] = {
		QDAD, "--socket", b->socket, "--config", b->conf, "--ready-fd", "3"
	};
	unsigned n = 7;

	if (!o->system)
		argv[n++] = "--user";
	if (!o->system && device_has(DEVICE_OWN_DSP)) {
		argv[n++] = "--modules";
		argv[n++] = o->modules ? o->modules : SKELS;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(b->log, STDOUT_FILENO);
	dup2(b->log, STDERR_FILENO);
	dup2(ready, READY_FD);
	if (heap >= 0) {
		dup2(heap, HEAP_FD);
		setenv("QDA_HEAP_FD", "4", 1);
		setenv("LD_PRELOAD", HEAPHOOK, 1);
	}
	unsetenv("QDAD_SOCKET");
	unsetenv("DSP_LIBRARY_PATH");
	unsetenv("JOURNAL_STREAM"); /* it is to write to b->log */
	if (o->nofile && setrlimit(RLIMIT_NOFILE, &limit) < 0)
		_exit(99);
	execv(QDAD, (char *const *)argv);
	_exit(99);
}

static void await_ready(const struct broker *b, int fd)
{
	uint64_t since = clock_ms();
	char got[8] = "";
	size_t n = 0;

	/* To its end: from then on the descriptors of qdad can be counted. */
	while (n < sizeof(got) - 1) {
		struct pollfd p = { fd, POLLIN, 0 };
		ssize_t more;

		if (poll(&p, 1, PATIENCE_MS) <= 0 || clock_ms() - since > PATIENCE_MS)
			break;
		more = read(fd, got + n, sizeof(got) - 1 - n);
		if (more <= 0)
			break;
		n += (size_t)more;
	}
	if (strcmp(got, "ready\n"))
		fail_msg("qdad did not become ready; it said: %s", broker_log(b));
}

/* Away from the numbers that the child gives new meanings. */
static int high(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, 10);

	assert_true(moved >= 0);
	close(fd);
	return moved;
}

void broker_start(struct broker *b, const struct broker_options *o)
{
	const char *tmp = getenv("TMPDIR");
	int ready[2], heap = -1;

	*b = (struct broker){
		.log = high(memfd_create("log", MFD_CLOEXEC)),
		.system = o->system,
		.ended = true,
	};
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	snprintf(b->dir, sizeof(b->dir), "%.32s/qdad-test.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(b->dir));
	if (o->system)
		assert_int_equal(chmod(b->dir, 0755), 0);
	snprintf(b->socket, sizeof(b->socket), "%s/qdad.sock", b->dir);
	snprintf(b->conf, sizeof(b->conf), "%s/conf", b->dir);
	broker_configure(b, o->config ? o->config : "");
	if (o->stale)
		leave_socket(b);
	if (o->heap && !SANITIZED)
		heap = high(heap_page(b));
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	ready[1] = high(ready[1]);
	b->pid = fork();
	assert_true(b->pid >= 0);
	if (!b->pid)
		exec_broker(b, o, ready[1], heap);
	b->ended = false;
	close(ready[1]);
	if (heap >= 0)
		close(heap);
	await_ready(b, ready[0]);
	close(ready[0]);
}

/* --- stop --- */

void broker_signal(struct broker *b, int signal)
{
	assert_int_equal(kill(b->pid, signal), 0);
}

static bool reap(struct broker *b)
{
	if (!b->ended)
		b->ended = waitpid(b->pid, &b->wait_status, WNOHANG) == b->pid;
	return b->ended;
}

/* Orphans come to us; those that have ended are reaped. */
static bool no_child_left(void)
{
	int status;
	pid_t pid;

	do
		pid = waitpid(-1, &status, WNOHANG);
	while (pid > 0);
	return pid < 0 && errno == ECHILD;
}

/* A DSP that stays must be there, without any PD. */
static void await_quiet_dsp(const struct broker *b)
{
	UNTIL (device_has(DEVICE_OWN_DSP) || broker_processes(b, "qda-softdsp") == 1)
		;
}

static void check_directory(const struct broker *b)
{
	DIR *dir = opendir(b->dir);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") &&
		    strcmp(entry->d_name, "conf"))
			fail_msg("qdad left %s behind", entry->d_name);
	closedir(dir);
	assert_int_equal(unlink(b->conf), 0);
	assert_int_equal(rmdir(b->dir), 0);
}

static void release(struct broker *b)
{
	if (b->heap)
		munmap(b->heap, sizeof(*b->heap));
	b->heap = NULL;
	close(b->log);
	b->log = -1;
}

void broker_wait_end(struct broker *b)
{
	UNTIL (reap(b))
		;
	if (!WIFEXITED(b->wait_status) || WEXITSTATUS(b->wait_status))
		fail_msg("qdad ended with %s %d; it said: %s",
			 WIFEXITED(b->wait_status) ? "status" : "signal",
			 WIFEXITED(b->wait_status) ? WEXITSTATUS(b->wait_status)
						   : WTERMSIG(b->wait_status),
			 broker_log(b));
	UNTIL (no_child_left())
		;
	await_quiet_dsp(b);
	check_directory(b);
	release(b);
}

void broker_forget(struct broker *b)
{
	UNTIL (reap(b))
		;
	UNTIL (no_child_left()) /* the DSP sees that its host is gone */
		;
	await_quiet_dsp(b);
	assert_int_equal(unlink(b->socket), 0);
	check_directory(b);
	release(b);
}

void broker_stop(struct broker *b)
{
	if (b->log < 0)
		return; /* the test has stopped it itself */
	if (!reap(b))
		broker_signal(b, SIGTERM);
	broker_wait_end(b);
}

int broker_setup_with(void **state, const struct broker_options *options)
{
	struct broker *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	*state = b;
	broker_start(b, options);
	return 0;
}

int broker_setup(void **state)
{
	return broker_setup_with(state, &(struct broker_options){ 0 });
}

int broker_teardown(void **state)
{
	struct broker *b = *state;

	broker_stop(b);
	free(b);
	return 0;
}

/* --- watching --- */

static unsigned count_entries(const struct broker *b, const char *name)
{
	char path[64];
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/%s", b->pid, name);
	dir = opendir(path);
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

unsigned broker_fds(const struct broker *b)
{
	return count_entries(b, "fd");
}

unsigned broker_threads(const struct broker *b)
{
	return count_entries(b, "task");
}

/* Name, parent and CPU ticks of a process, and its state; 0 when it is gone. */
static char read_stat(pid_t pid, char name[32], pid_t *parent, uint64_t *ticks)
{
	char path[64], text[1024], *end;
	unsigned long user, system;
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	end = strrchr(text, ')');
	if (!end || !strchr(text, '('))
		return 0;
	*end = '\0';
	snprintf(name, 32, "%s", strchr(text, '(') + 1);
	if (sscanf(end + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", parent, &user,
		   &system) != 3)
		return 0;
	*ticks = user + system;
	return end[2] == 'Z' ? 0 : end[2];
}

uint64_t broker_cpu_ms(const struct broker *b)
{
	uint64_t ticks = 0;
	char name[32];
	pid_t parent;

	assert_true(read_stat(b->pid, name, &parent, &ticks));
	return ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* Of a DSP that is not the broker's own there is only one in the machine. */
static bool is_below(const struct broker *b, pid_t pid)
{
	uint64_t ticks;
	char name[32];
	pid_t parent = 0;

	if (!device_has(DEVICE_OWN_DSP))
		return true;
	for (; pid > 1; pid = parent) {
		if (pid == b->pid)
			return true;
		if (!read_stat(pid, name, &parent, &ticks))
			return false;
	}
	return false;
}

static unsigned find_processes(const struct broker *b, const char *wanted, size_t n_wanted,
			       pid_t *one)
{
	DIR *dir = opendir("/proc");
	unsigned n = 0;

	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));) {
		pid_t pid = atoi(entry->d_name), parent;
		uint64_t ticks;
		char name[32];

		if (pid <= 0 || !read_stat(pid, name, &parent, &ticks) ||
		    strncmp(name, wanted, n_wanted) || !is_below(b, parent))
			continue;
		*one = pid;
		n++;
	}
	closedir(dir);
	return n;
}

unsigned broker_processes(const struct broker *b, const char *name)
{
	pid_t one;

	return find_processes(b, name, strlen(name), &one);
}

pid_t broker_process(const struct broker *b, const char *name)
{
	pid_t one = 0;

	assert_true(find_processes(b, name, strlen(name) + 1, &one) > 0);
	return one;
}

pid_t broker_pause_pd(const struct broker *b)
{
	pid_t pid = broker_process(b, "qda-softdsp-pd"), parent;
	uint64_t ticks;
	char name[32];

	assert_int_equal(broker_processes(b, "qda-softdsp-pd"), 1);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	UNTIL (read_stat(pid, name, &parent, &ticks) == 'T')
		;
	return pid;
}

void broker_need_heap(const struct broker *b)
{
	if (!b->heap)
		SKIP("a sanitizer's malloc cannot be hooked: heap bytes are not compared");
}

int64_t broker_heap(const struct broker *b)
{
	assert_true(atomic_load(&b->heap->allocations) > 0); /* the hook is there */
	return atomic_load(&b->heap->live);
}

uint64_t broker_allocations(const struct broker *b)
{
	return atomic_load(&b->heap->allocations);
}

const char *broker_log(const struct broker *b)
{
	static char text[16384];
	ssize_t n = pread(b->log, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* --- programs --- */

int run_program(const struct broker *b, const char *const *argv, char *out, size_t size)
{
	int fd = memfd_create("out", MFD_CLOEXEC), status;
	ssize_t n;
	pid_t pid;

	assert_true(fd >= 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		if (b)
			setenv("QDAD_SOCKET", b->socket, 1);
		execv(argv[0], (char *const *)argv);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	n = pread(fd, out, size - 1, 0);
	out[n > 0 ? n : 0] = '\0';
	close(fd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
