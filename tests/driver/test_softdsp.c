// SPDX-License-Identifier: BSD-3-Clause
/*
 * The software DSP as firmware of a virtual DSP, from the caller's side of the driver: modules run,
 * PDs die in every way there is and take nobody along, and memory is seen for as long as it is
 * lent.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "driver/softdsp/wire.h"
#include "fastrpc.h"
#include "firmware.h"
#include "qda_bad.h"
#include "qda_sum.h"
#include "qda_vdsp.h"
#include "softdsp_probe.h"

#define PROBE "libsoftdsp_probe_skel.so"

static struct firmware firmware;

static int setup(void **state)
{
	firmware_start(&firmware);
	return 0;
}

static int teardown(void **state)
{
	firmware_stop(&firmware);
	return 0;
}

static uint64_t query(int fd, uint32_t type, uint32_t index)
{
	struct drm_qda_query query = { .type = type, .index = index };

	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_QUERY, &query), 0);
	return query.value;
}

static void wait_banks_free(int fd, uint64_t n)
{
	while (query(fd, DRM_QDA_QUERY_BANKS_FREE, 0) != n)
		sched_yield();
}

/* A file that stays: it sees how many banks are free. */
static uint64_t banks(int fd)
{
	return query(fd, DRM_QDA_QUERY_BANKS, 0);
}

static int probe(int fd, uint32_t handle, uint32_t method, uint32_t in, int32_t *result)
{
	const struct drm_qda_arg args[] = { arg_inline(&in, sizeof(in)) };

	return invoke(fd, handle, DRM_QDA_SC(method, 1, 0, 0, 0), args, result);
}

static void assert_inverts(int fd, uint32_t handle)
{
	uint8_t in[300], out[300];
	const struct drm_qda_arg args[] = { arg_inline(in, 300), arg_inline(out, 300) };

	pattern(in, sizeof(in), handle);
	assert_int_equal(invoke(fd, handle, DRM_QDA_SC(PROBE_INVERT, 1, 1, 0, 0), args, NULL), 0);
	for (size_t i = 0; i < sizeof(in); i++)
		assert_int_equal(out[i], (uint8_t)~in[i]);
}

/* --- calls --- */

static void a_module_computes(void **state)
{
	const int fd = firmware_session();
	int32_t numbers[1000];
	int64_t sum = 0, expected = 0;
	const struct drm_qda_arg args[] = { arg_inline(numbers, sizeof(numbers)),
					    arg_inline(&sum, sizeof(sum)) };
	uint32_t handle;

	for (int i = 0; i < 1000; i++)
		expected += numbers[i] = (i - 300) * 7919 * (i % 17);
	assert_int_equal(firmware_open(fd, QDA_SUM_URI, &handle), 0);
	assert_int_equal(invoke(fd, handle, DRM_QDA_SC(QDA_SUM_PLAIN, 1, 1, 0, 0), args, NULL), 0);
	assert_int_equal(sum, expected);
	close(fd);
}

static void buffers_are_seen_where_they_are(void **state)
{
	const size_t size = 3 << 20, in_at = 5000, out_at = (2 << 20) + 17, n = 700001;
	const int fd = firmware_session();
	const uint32_t handle = firmware_open_probe(fd);
	uint8_t *memory, *expected = malloc(size);
	const uint32_t buffer = buffer_new(fd, size, (void **)&memory);
	const struct drm_qda_arg args[] = { arg_buffer(buffer, in_at, n),
					    arg_buffer(buffer, out_at, n) };
	struct drm_qda_event event;

	pattern(memory, size, 4711);
	memcpy(expected, memory, size);
	for (size_t i = 0; i < n; i++)
		expected[out_at + i] = ~expected[in_at + i];
	assert_int_equal(submit(fd, handle, DRM_QDA_SC(PROBE_INVERT, 1, 1, 0, 0), args, 99, NULL),
			 0);
	event = event_next(fd);
	assert_int_equal(event.user_data, 99);
	assert_int_equal(event.error, 0);
	assert_memory_equal(memory, expected, size);
	free(expected);
	munmap(memory, size);
	close(fd);
}

static void a_key_names_memory_at_the_module(void **state)
{
	const int fd = firmware_session();
	const uint32_t handle = firmware_open_probe(fd);
	struct probe_key seen;
	uint8_t *memory;
	struct drm_qda_map map = { .kind = DRM_QDA_MAP_KEY, .key = 77, .size = 8192 };
	struct drm_qda_unmap unmap = { .kind = DRM_QDA_MAP_KEY, .key = 77 };
	const struct drm_qda_arg args[] = { arg_inline(&seen, sizeof(seen)), arg_key(77, 4321, 8) };
	const uint32_t sc = DRM_QDA_SC(PROBE_KEY, 0, 1, 1, 0);

	map.handle = buffer_new(fd, 8192, (void **)&memory);
	memcpy(memory + 4321, "by key!", 8);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_MAP, &map), 0);
	buffer_close(fd, map.handle);
	assert_int_equal(invoke(fd, handle, sc, args, NULL), 0);
	assert_int_equal(seen.length, 8192);
	assert_int_equal(seen.offset, 4321);
	assert_int_equal(seen.address, (uint32_t)map.dsp_addr);
	assert_memory_equal(seen.bytes, "by key!", 8);
	assert_int_equal(memory[4321], (uint8_t)~'b');
	munmap(memory, 8192);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_UNMAP, &unmap), 0);
	assert_int_equal(invoke(fd, handle, sc, args, NULL), -ENOENT);
	close(fd);
}

static void heap_comes_and_goes(void **state)
{
	const int fd = firmware_session();
	struct drm_qda_map map = { .kind = DRM_QDA_MAP_HEAP, .size = 1 << 20 };
	struct drm_qda_unmap unmap = { .kind = DRM_QDA_MAP_HEAP };

	map.handle = buffer_new(fd, 1 << 20, NULL);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_MAP, &map), 0);
	assert_int_not_equal(map.dsp_addr, 0);
	unmap.dsp_addr = map.dsp_addr;
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_UNMAP, &unmap), 0);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_UNMAP, &unmap), -ENOENT);
	close(fd);
}

#define FOR_EVER 1000

/* Sixty calls wait in a PD until there are n. */
static void submit_waiting(int fd, uint32_t handle, uint32_t n)
{
	uint32_t *number;
	const struct drm_qda_arg args[] = { arg_buffer(buffer_new(fd, 4096, (void **)&number), 0,
						       4) };

	*number = n;
	munmap(number, 4096);
	for (uint64_t i = 0; i < 60; i++)
		assert_int_equal(submit(fd, handle, DRM_QDA_SC(PROBE_RENDEZVOUS, 1, 0, 0, 0), args,
					i, NULL), 0);
}

static void as_many_calls_run_at_once_as_wait_for_each_other(void **state)
{
	const int fd = firmware_session();
	uint64_t seen = 0;

	submit_waiting(fd, firmware_open_probe(fd), 60);
	for (int i = 0; i < 60; i++) {
		const struct drm_qda_event event = event_next(fd);

		assert_int_equal(event.error, 0);
		seen |= 1ull << event.user_data;
	}
	assert_int_equal(seen, (1ull << 60) - 1);
	close(fd);
}

static void the_dsp_says_what_it_is(void **state)
{
	const int fd = firmware_session();

	assert_int_equal(query(fd, DRM_QDA_QUERY_CAPABILITY, 6), 0x73);
	assert_int_equal(query(fd, DRM_QDA_QUERY_CAPABILITY, 1), 1);
	assert_int_equal(query(fd, DRM_QDA_QUERY_CAPABILITY, 5), 0);
	close(fd);
}

/* --- beginnings and ends --- */

static void only_its_own_shell_is_started(void **state)
{
	static const char like[] = "\177ELF, or so";
	const int fd = accel_open();
	int32_t result;

	for (int i = 0; i < 2; i++) {
		const char *image = i ? SOFTDSP_SHELL_MAGIC : like;

		assert_int_equal(firmware_create(fd, image, i ? 5 : sizeof(like), &result),
				 -EREMOTEIO);
		assert_int_equal(result, (int32_t)FASTRPC_EUNABLETOLOAD);
		image = firmware_line(&firmware);
		if (!strstr(image, "begins with the line \"qda-softdsp shell\""))
			fail_msg("%s", image);
	}
	wait_banks_free(fd, banks(fd));
	assert_int_equal(firmware_create(fd, SOFTDSP_SHELL_MAGIC, sizeof(SOFTDSP_SHELL_MAGIC) - 1,
					 &result), 0);
	close(fd);
}

static void every_bank_has_a_pd_of_its_own(void **state)
{
	const int spare = accel_open();
	const uint64_t n = banks(spare);
	int files[16];
	uint32_t handles[16];
	int32_t result;

	for (int round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < n; i++) {
			files[i] = firmware_session();
			handles[i] = firmware_open_probe(files[i]);
		}
		assert_int_equal(firmware_create(spare, SOFTDSP_SHELL_MAGIC, 18, &result),
				 -EUSERS);
		for (uint64_t i = 0; i < n; i++)
			assert_inverts(files[i], handles[i]);
		for (uint64_t i = 0; i < n; i++)
			close(files[i]);
		wait_banks_free(spare, n);
	}
	close(spare);
}

/* A bank is free again, and the next one in it finds nothing of the last. */
static void assert_all_banks_free(void)
{
	const int fd = accel_open();

	wait_banks_free(fd, banks(fd));
	close(fd);
}

static void assert_says(const char *expected)
{
	const char *line = firmware_line(&firmware);
	const char *text = strchr(line, ' ');

	assert_int_equal(strncmp(line, "cdsp[", 5), 0);
	assert_non_null(text);
	assert_string_equal(text + 1, expected);
}

/* Of the PD that was started last. */
static pid_t pd_pid(void)
{
	char path[64], name[32];
	struct dirent *entry;
	pid_t last = 0, pid;
	DIR *proc = opendir("/proc");
	FILE *file;

	assert_non_null(proc);
	while ((entry = readdir(proc))) {
		pid = atoi(entry->d_name);
		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		file = pid > last ? fopen(path, "r") : NULL;
		if (!file)
			continue;
		if (fgets(name, sizeof(name), file) && !strcmp(name, "qda-softdsp-pd\n"))
			last = pid;
		fclose(file);
	}
	closedir(proc);
	assert_int_not_equal(last, 0);
	return last;
}

static void assert_gone(int fd, uint32_t handle)
{
	struct drm_qda_map map = { .kind = DRM_QDA_MAP_KEY, .key = 1, .size = 4096 };

	assert_int_equal(probe(fd, handle, PROBE_RETURN, 0, NULL), -ECONNRESET);
	map.handle = buffer_new(fd, 4096, NULL);
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_MAP, &map), -ECONNRESET);
}

static void assert_ended(int fd, int32_t reason)
{
	const struct drm_qda_event event = event_next(fd);

	assert_int_equal(event.base.type, DRM_QDA_EVENT_ENDED);
	assert_int_equal(event.result, reason);
}

static void die(uint32_t how, const char *told, int32_t reason)
{
	struct drm_qda_release release = { 0 };
	const int fd = firmware_session(), other = firmware_session();
	const uint32_t handle = firmware_open_probe(fd), in_other = firmware_open_probe(other);

	submit_waiting(fd, handle, FOR_EVER);
	assert_int_equal(probe(fd, handle, PROBE_DIE, how, NULL), -ECONNRESET);
	for (int i = 0; i < 60; i++)
		assert_int_equal(event_next(fd).error, -ECONNRESET);
	assert_ended(fd, reason);
	assert_says(told);
	assert_gone(fd, handle);
	assert_true(event_none(fd));
	assert_int_equal(accel_ioctl(fd, DRM_IOCTL_QDA_RELEASE, &release), 0);
	assert_int_equal(firmware_create(fd, SOFTDSP_SHELL_MAGIC, 18, NULL), 0);
	assert_inverts(fd, firmware_open_probe(fd));
	assert_inverts(other, in_other);
	close(fd);
	close(other);
	assert_all_banks_free();
}

static void a_fault_ends_one_session_and_is_told(void **state)
{
	die(SIGSEGV, "fatal SIGSEGV in method 4 of " PROBE, DRM_QDA_ENDED_EXCEPTION);
}

static void abort_ends_one_session_and_is_told(void **state)
{
	die(SIGABRT, "fatal SIGABRT in method 4 of " PROBE, DRM_QDA_ENDED_EXCEPTION);
}

static void exit_ends_one_session_and_is_told(void **state)
{
	die(PROBE_DIE_EXIT, "fatal exit with status 5 in method 4 of " PROBE, DRM_QDA_ENDED_EXIT);
}

static void a_killed_pd_is_told_without_any_call(void **state)
{
	const int fd = firmware_session();
	const uint32_t handle = firmware_open_probe(fd);

	kill(pd_pid(), SIGKILL);
	assert_ended(fd, DRM_QDA_ENDED_KILLED);
	assert_says("fatal SIGKILL outside any call");
	assert_gone(fd, handle);
	close(fd);
	assert_all_banks_free();
}

/* Whoever looks at a process in /proc keeps its address space, and with it the file of the PD. */
static void a_bank_is_free_though_somebody_looks_at_its_last_pd(void **state)
{
	const int spare = accel_open();
	const uint64_t n = banks(spare);
	int looks[16], files[16];
	char path[64];

	for (int round = 0; round < 2; round++) {
		for (uint64_t i = 0; i < n; i++) {
			files[i] = firmware_session();
			assert_inverts(files[i], firmware_open_probe(files[i]));
			snprintf(path, sizeof(path), "/proc/%d/mem", pd_pid());
			looks[i] = open(path, O_RDONLY | O_CLOEXEC);
			assert_true(looks[i] >= 0);
			if (round)
				kill(pd_pid(), SIGKILL);
			if (round)
				assert_ended(files[i], DRM_QDA_ENDED_KILLED);
			if (round)
				assert_says("fatal SIGKILL outside any call");
		}
		for (uint64_t i = 0; i < n; i++)
			close(files[i]);
		wait_banks_free(spare, n);
		for (uint64_t i = 0; i < n; i++) {
			files[i] = firmware_session();
			assert_inverts(files[i], firmware_open_probe(files[i]));
		}
		for (uint64_t i = 0; i < n; i++) {
			close(files[i]);
			close(looks[i]);
		}
		wait_banks_free(spare, n);
	}
	close(spare);
}

/* The skel goes on writing to a buffer that its caller has taken back. */
static void memory_taken_back_is_out_of_reach(void **state)
{
	const int fd = firmware_session();
	uint32_t handle, *threads, numbers = buffer_new(fd, 4096, (void **)&threads);
	uint8_t *memory;
	const uint32_t buffer = buffer_new(fd, 1 << 20, (void **)&memory);
	const struct drm_qda_arg args[] = { arg_buffer(numbers, 0, 4), arg_buffer(buffer, 64, 64) };

	assert_int_equal(firmware_open(fd, QDA_BAD_URI, &handle), 0);
	*threads = 3;
	munmap(threads, 4096);
	assert_int_equal(invoke(fd, handle, DRM_QDA_SC(QDA_BAD_THREADS, 1, 1, 0, 0), args, NULL),
			 0);
	buffer_close(fd, buffer);
	assert_says("fatal SIGBUS outside any call");
	memset(memory, 0x5a, 4096);
	assert_gone(fd, handle);
	for (int i = 0; i < 4096; i++)
		assert_int_equal(memory[i], 0x5a);
	munmap(memory, 1 << 20);
	close(fd);
	assert_all_banks_free();
}

static void a_session_that_hangs_can_be_closed(void **state)
{
	const int fd = firmware_session();
	const uint32_t handle = firmware_open_probe(fd);

	submit_waiting(fd, handle, FOR_EVER);
	assert_int_equal(submit(fd, handle, DRM_QDA_SC(PROBE_SPIN, 0, 0, 0, 0), NULL, 0, NULL), 0);
	close(fd);
	assert_all_banks_free();
}

/* A check that fails in the child ends the child, not the list of tests in it. */
static pid_t fork_test(void)
{
	const pid_t pid = fork();

	if (!pid)
		setenv("CMOCKA_TEST_ABORT", "1", 1);
	return pid;
}

static void a_killed_caller_leaves_nothing(void **state)
{
	int ready[2], status;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork_test();
	if (!pid) {
		const int fd = firmware_session();
		const uint32_t handle = firmware_open_probe(fd);

		submit_waiting(fd, handle, FOR_EVER);
		if (write(ready[1], "", 1) == 1)
			probe(fd, handle, PROBE_RENDEZVOUS, 1000, NULL);
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, SIGKILL);
	close(ready[0]);
	close(ready[1]);
	assert_all_banks_free();
}

/* Sessions that were closed hold their banks until the DSP has let go of them. */
static int session_when_free(void)
{
	const int fd = accel_open();
	int ret;

	do
		ret = firmware_create(fd, SOFTDSP_SHELL_MAGIC, 18, NULL);
	while (ret == -EUSERS);
	assert_int_equal(ret, 0);
	return fd;
}

/* Three at a time come and go, one of them by a crash of its PD. */
static void come_and_go(int who)
{
	for (int i = 0; i < 12; i++) {
		const int fd = session_when_free();
		const uint32_t handle = firmware_open_probe(fd);

		assert_inverts(fd, handle);
		if (who == 0)
			assert_int_equal(probe(fd, handle, PROBE_DIE, SIGKILL, NULL), -ECONNRESET);
		close(fd);
	}
	_exit(0);
}

static void sessions_come_and_go_side_by_side(void **state)
{
	pid_t pids[3];
	int status;

	for (int i = 0; i < 3; i++) {
		pids[i] = fork_test();
		assert_true(pids[i] >= 0);
		if (!pids[i])
			come_and_go(i);
	}
	for (int i = 0; i < 3; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_all_banks_free();
}

static void when_the_firmware_crashes_every_wait_ends(void **state)
{
	const int fd = firmware_session();
	const uint32_t handle = firmware_open_probe(fd);
	struct drm_qda_event event;

	submit_waiting(fd, handle, FOR_EVER);
	firmware_crash(&firmware);
	for (int i = 0; i < 60; i++) {
		event = event_next(fd);
		assert_int_equal(event.base.type, DRM_QDA_EVENT_DONE);
		assert_int_equal(event.error, -EPIPE);
	}
	event = event_next(fd);
	assert_int_equal(event.base.type, DRM_QDA_EVENT_LOST);
	assert_int_equal(probe(fd, handle, PROBE_RETURN, 0, NULL), -ENODEV);
	firmware_start(&firmware);
	assert_int_equal(probe(fd, handle, PROBE_RETURN, 0, NULL), -ENODEV);
	close(fd);
	a_module_computes(state);
}

/* --- what a PD may --- */

static struct qda_bad_result bad_syscall(int fd, uint32_t handle, struct qda_bad_syscall call,
					 const void *in1, size_t n)
{
	struct qda_bad_result result;
	const struct drm_qda_arg args[] = { arg_inline(&call, sizeof(call)), arg_inline(in1, n),
					    arg_inline(&result, sizeof(result)) };

	assert_int_equal(invoke(fd, handle, DRM_QDA_SC(QDA_BAD_SYSCALL, 2, 1, 0, 0), args, NULL),
			 0);
	return result;
}

static void a_pd_answers_for_itself_only(void **state)
{
	const int fd = firmware_session();
	const struct { uint64_t ctx; int64_t rest; } forged = { 0x0000000100000100, 0 };
	struct qda_bad_result result;
	uint32_t handle;

	assert_int_equal(firmware_open(fd, QDA_BAD_URI, &handle), 0);
	result = bad_syscall(fd, handle, (struct qda_bad_syscall){ SYS_write, { 3, QDA_BAD_IN1,
				16 } }, &forged, sizeof(forged));
	assert_int_equal(result.value, -1);
	assert_int_equal(result.error, ENOENT);
	close(fd);
}

static void a_pd_sees_its_bank_only_and_opens_no_other(void **state)
{
	const int fd = firmware_session();
	const uint64_t open = 2ull << 32 | 1234; /* struct qda_vdsp_pd_open */
	struct qda_bad_result result;
	uint32_t handle;

	assert_int_equal(firmware_open(fd, QDA_BAD_URI, &handle), 0);
	result = bad_syscall(fd, handle, (struct qda_bad_syscall){ SYS_mmap, { 0, 4096, PROT_READ,
				MAP_SHARED, 3, 1ll << 32 } }, &open, sizeof(open));
	assert_int_equal(result.value, -1);
	assert_int_equal(result.error, EINVAL);
	result = bad_syscall(fd, handle, (struct qda_bad_syscall){ SYS_ioctl, { 3,
				QDA_VDSP_PD_OPEN, QDA_BAD_IN1 } }, &open, sizeof(open));
	assert_int_equal(result.value, -1);
	assert_int_equal(result.error, EPERM);
	close(fd);
}

/* Where the driver's message that ends the session is kept ready. */
static void a_pd_cannot_change_what_is_said_about_it(void **state)
{
	const int fd = firmware_session(), other = firmware_session();
	const uint32_t handle = firmware_open_probe(fd), in_other = firmware_open_probe(other);

	assert_int_equal(probe(fd, handle, PROBE_OVERWRITE, 0, NULL), 0);
	close(fd);
	wait_banks_free(other, banks(other) - 1);
	assert_inverts(other, in_other);
	close(other);
	assert_all_banks_free();
}

/* --- what it says --- */

static void say(int fd, uint32_t handle, const char *text)
{
	struct { uint32_t level; char text[60]; } line = { .level = 3 };
	const struct drm_qda_arg args[] = { arg_inline(&line, 4 + strlen(text)) };

	memcpy(line.text, text, strlen(text));
	assert_int_equal(invoke(fd, handle, DRM_QDA_SC(PROBE_LOG, 1, 0, 0, 0), args, NULL), 0);
}

static void lines_are_told_and_cannot_forge_others(void **state)
{
	const int fd = firmware_session();
	const uint32_t handle = firmware_open_probe(fd);

	say(fd, handle, "is \033[31mred\ncdsp[1] fatal not so");
	assert_says("error probe.c:7: is ?[31mred?cdsp[1] fatal not so");
	close(fd);
}

/* None of them is told twice or forgotten in silence: those lost are counted. */
static void a_flood_is_counted_and_harms_nobody(void **state)
{
	const int fd = firmware_session(), other = firmware_session();
	const uint32_t handle = firmware_open_probe(fd), in_other = firmware_open_probe(other);
	unsigned long told = 0, lost = 0, lost_here, ends = 0;
	const char *line, *mark;

	assert_int_equal(probe(fd, handle, PROBE_FLOOD, 3000, NULL), 0);
	assert_inverts(other, in_other);
	do {
		say(fd, handle, "end");
		ends++;
		while (!firmware_quiet(&firmware)) {
			line = firmware_line(&firmware);
			told++;
			mark = strchr(line, '(');
			if (mark && sscanf(mark, "(%lu lines lost)", &lost_here) == 1)
				lost += lost_here;
		}
	} while (told + lost != 3000 + ends);
	assert_true(told < 3000);
	close(fd);
	close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_module_computes),
		cmocka_unit_test(buffers_are_seen_where_they_are),
		cmocka_unit_test(a_key_names_memory_at_the_module),
		cmocka_unit_test(heap_comes_and_goes),
		cmocka_unit_test(as_many_calls_run_at_once_as_wait_for_each_other),
		cmocka_unit_test(the_dsp_says_what_it_is),
		cmocka_unit_test(only_its_own_shell_is_started),
		cmocka_unit_test(every_bank_has_a_pd_of_its_own),
		cmocka_unit_test(a_fault_ends_one_session_and_is_told),
		cmocka_unit_test(abort_ends_one_session_and_is_told),
		cmocka_unit_test(exit_ends_one_session_and_is_told),
		cmocka_unit_test(a_killed_pd_is_told_without_any_call),
		cmocka_unit_test(a_bank_is_free_though_somebody_looks_at_its_last_pd),
		cmocka_unit_test(memory_taken_back_is_out_of_reach),
		cmocka_unit_test(a_session_that_hangs_can_be_closed),
		cmocka_unit_test(a_killed_caller_leaves_nothing),
		cmocka_unit_test(a_pd_answers_for_itself_only),
		cmocka_unit_test(a_pd_sees_its_bank_only_and_opens_no_other),
		cmocka_unit_test(a_pd_cannot_change_what_is_said_about_it),
		cmocka_unit_test(lines_are_told_and_cannot_forge_others),
		cmocka_unit_test(a_flood_is_counted_and_harms_nobody),
		cmocka_unit_test(sessions_come_and_go_side_by_side),
		cmocka_unit_test(when_the_firmware_crashes_every_wait_ends),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
