// SPDX-License-Identifier: BSD-3-Clause
/*
 * Births and deaths in the software DSP: sessions end in every way there is, each death is told,
 * neighbours live on, nothing is left behind; and the program's own life.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "softdsp_fixture.h"

#define IN_4 " in method 4 of libsoftdsp_probe_skel.so"

/* --- deaths --- */

struct death {
	uint32_t how;
	int signal, status;
	const char *text;
};

static void die_in(uint32_t method, const struct death *death)
{
	uint32_t number = PROBE_DIE_ESCAPED, how = death->how;
	const struct value one[] = { { &how, 4 } }, two[] = { { &number, 4 }, { &how, 4 } };
	struct session doomed, other;
	uint32_t handle = open_probe(&doomed, 1, 1), in_other = open_probe(&other, 2, 2);
	struct line line;

	if (method < 31)
		session_send(&doomed, 0, handle, fastrpc_sc(0, method, 1, 0, 0, 0), one);
	else
		session_send(&doomed, 0, handle, fastrpc_sc(0, 31, 2, 0, 0, 0), two);
	session_wait_end(&doomed);
	host_wait(&host, SOFTDSP_EXIT, &line);
	assert_int_equal(line.record.client, 1);
	assert_int_equal(line.record.bank, 1);
	assert_int_equal(line.record.exit.signal, death->signal);
	assert_int_equal(line.record.exit.status, death->status);
	assert_int_equal(line.record.exit.in_call, 1);
	assert_int_equal(line.record.exit.method, method);
	assert_string_equal(line.record.exit.module, "libsoftdsp_probe_skel.so");
	assert_string_equal(line_text(&line), death->text);
	assert_inverts(&other, in_other);
	assert_int_equal(map_key(1, 1, 5, 0x400000, NULL), FASTRPC_EBADSTATE);
	assert_int_equal(host_create(&host, 1, 3), FASTRPC_EBADSTATE);
	session_close(&doomed);
	session_close(&other);
	session_open(&doomed, &host, 1, 1);
	session_close(&doomed);
	assert_int_equal(host.n_exits, 1);
}

static void a_fault_is_told_with_module_and_method(void **state)
{
	die_in(PROBE_DIE, &(struct death){ SIGSEGV, SIGSEGV, 0, "SIGSEGV" IN_4 });
}

static void a_method_beyond_the_scalars_is_told_too(void **state)
{
	die_in(PROBE_DIE_ESCAPED,
	       &(struct death){ SIGFPE, SIGFPE, 0,
				"SIGFPE in method 40 of libsoftdsp_probe_skel.so" });
}

static void abort_is_told(void **state)
{
	die_in(PROBE_DIE, &(struct death){ SIGABRT, SIGABRT, 0, "SIGABRT" IN_4 });
}

static void a_kill_without_handler_is_told(void **state)
{
	die_in(PROBE_DIE, &(struct death){ SIGKILL, SIGKILL, 0, "SIGKILL" IN_4 });
}

static void exit_is_told(void **state)
{
	die_in(PROBE_DIE, &(struct death){ PROBE_DIE_EXIT, 0, 5, "exit with status 5" IN_4 });
}

static void a_quick_exit_is_told(void **state)
{
	die_in(PROBE_DIE, &(struct death){ PROBE_DIE_QUICK, 0, 6, "exit with status 6" IN_4 });
}

static void a_hung_session_can_be_released(void **state)
{
	uint32_t number = 2;
	const struct value values[] = { { &number, 4 } };
	struct session s;
	uint32_t handle = open_probe(&s, 1, 1);

	session_send(&s, 0, handle, fastrpc_sc(0, PROBE_RENDEZVOUS, 1, 0, 0, 0), values);
	session_close(&s);
	assert_int_equal(host.n_exits, 0);
	open_probe(&s, 1, 1);
	session_close(&s);
}

static void asked_to_exit_it_answers_first(void **state)
{
	struct line line;
	struct session s;

	session_open(&s, &host, 1, 1);
	assert_int_equal(session_call(&s, 4, fastrpc_sc(0, 2, 0, 0, 0, 0), NULL, NULL), 0);
	session_wait_end(&s);
	host_wait(&host, SOFTDSP_EXIT, &line);
	assert_int_equal(line.record.exit.signal, 0);
	assert_int_equal(line.record.exit.in_call, 0);
	assert_string_equal(line_text(&line), "exit with status 0 outside any call");
	session_close(&s);
}

static void one_session_a_bank_and_a_client(void **state)
{
	struct session s;

	session_open(&s, &host, 1, 1);
	assert_int_equal(host_create(&host, 1, 2), FASTRPC_EBADSTATE);
	assert_int_equal(host_create(&host, 2, 1), FASTRPC_EBADSTATE);
	assert_int_equal(host_release(&host, 2, 1), FASTRPC_EBADSTATE);
	session_close(&s);
	assert_int_equal(host_release(&host, 1, 1), FASTRPC_EBADSTATE);
}

static void nobody_joins_the_root_pd(void **state)
{
	const struct fastrpc_ctl ctl = { .method = FASTRPC_PROCESS_ATTACH, .client_id = 1 };

	assert_int_equal(host_control(&host, 1, &ctl, NULL), FASTRPC_EUNSUPPORTED);
}

static void sessions_leave_nothing_behind(void **state)
{
	struct session s;
	unsigned fds;

	open_probe(&s, 1, 1);
	session_close(&s);
	fds = count_fds(host.pid);
	for (int32_t i = 0; i < 20; i++) {
		open_probe(&s, i % 7 + 1, i + 1);
		session_close(&s);
	}
	assert_int_equal(count_fds(host.pid), fds);
}

static void a_host_that_leaves_takes_its_sessions_along(void **state)
{
	struct session a, b;

	open_probe(&a, 1, 1);
	open_probe(&b, 2, 2);
	shutdown(host.control, SHUT_RDWR);
	session_wait_end(&a);
	session_wait_end(&b);
	session_drop(&a);
	session_drop(&b);
}

static void a_session_whose_host_end_closes_ends(void **state)
{
	struct session s;
	struct line line;

	open_probe(&s, 1, 1);
	session_drop(&s);
	host_wait(&host, SOFTDSP_EXIT, &line);
	assert_int_equal(line.record.exit.signal, 0);
	assert_int_equal(host_release(&host, 1, 1), 0);
	assert_serves(1, 1);
}

/* Creates and releases without reading a single answer: the DSP stops reading, nobody else does. */
static void a_host_that_does_not_read_stops_itself_only(void **state)
{
	const struct fastrpc_ctl ctl = { .method = FASTRPC_PROCESS_RELEASE, .client_id = 77 };
	struct softdsp_record record = { .kind = SOFTDSP_CALL };
	struct session s;
	uint32_t handle = open_probe(&s, 1, 1), sc, sent = 0, got = 0;
	struct fastrpc_place place;
	struct fastrpc_msg msg;
	struct line line;

	assert_int_equal(fastrpc_ctl_write(host.page[2], 2ull << 32 | PAGE_AT, &ctl, &sc, &place),
			 0);
	fastrpc_request(&msg, 0, 1, fastrpc_ctx(1, 1, 0), 1, sc, 2ull << 32 | PAGE_AT, 4096);
	memcpy(record.call.msg, &msg, sizeof(msg));
	while (send(host.control, &record, SOFTDSP_SIZE(call), MSG_DONTWAIT) > 0)
		sent++;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(call_with(&s, handle, PROBE_RETURN, 5), 5);
	for (; got < sent; got++)
		host_wait(&host, SOFTDSP_RESPONSE, &line);
	session_close(&s);
	assert_serves(1, 1);
}

/* Its main thread stopped, the PD answers no order: 64 wait, the rest is refused, nobody else is
 * held up, and its release ends it all. */
static void a_pd_that_does_not_answer_holds_up_nobody(void **state)
{
	struct softdsp_record record = { .kind = SOFTDSP_CALL };
	struct fastrpc_ctl ctl = { .method = FASTRPC_PROCESS_MEM_UNMAP, .client_id = 1 };
	unsigned refused = 0, dropped = 0, released = 0;
	struct fastrpc_place place;
	struct fastrpc_msg msg;
	struct fastrpc_rsp rsp;
	struct session s;
	struct line line;
	uint32_t sc;

	session_open(&s, &host, 1, 1);
	assert_int_equal(kill(host_only_pd(&host), SIGSTOP), 0);
	fastrpc_ctl_write(host.page[1], 1ull << 32 | PAGE_AT, &ctl, &sc, &place);
	fastrpc_request(&msg, 0, 1, fastrpc_ctx(1, 1, 0), 1, sc, 1ull << 32 | PAGE_AT, 4096);
	memcpy(record.call.msg, &msg, sizeof(msg));
	for (unsigned i = 0; i < 70; i++)
		host_send_record(&host, &record, SOFTDSP_SIZE(call), -1);
	for (; refused < 6; refused++) {
		host_wait(&host, SOFTDSP_RESPONSE, &line);
		memcpy(&rsp, line.record.rsp, sizeof(rsp));
		assert_int_equal((uint32_t)rsp.retval, FASTRPC_ENOMEMORY);
	}
	assert_serves(2, 2);
	ctl.method = FASTRPC_PROCESS_RELEASE;
	fastrpc_ctl_write(host.page[1], 1ull << 32 | PAGE_AT, &ctl, &sc, &place);
	fastrpc_request(&msg, 0, 1, fastrpc_ctx(2, 1, 0), 1, sc, 1ull << 32 | PAGE_AT, 4096);
	memcpy(record.call.msg, &msg, sizeof(msg));
	host_send_record(&host, &record, SOFTDSP_SIZE(call), -1);
	while (!released) {
		host_wait(&host, SOFTDSP_RESPONSE, &line);
		memcpy(&rsp, line.record.rsp, sizeof(rsp));
		released = rsp.ctx == msg.ctx;
		dropped += !released;
		assert_int_equal((uint32_t)rsp.retval, released ? 0 : FASTRPC_EBADSTATE);
	}
	assert_int_equal(dropped, 64);
	session_drop(&s);
	assert_serves(1, 1);
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	assert_true(fd >= 0);
	/* The program has to get as far as listening. */
	for (int i = 0; connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0; i++) {
		assert_true(i < 2000 && (errno == ENOENT || errno == ECONNREFUSED));
		usleep(10000);
	}
	return fd;
}

static void the_next_host_is_served_when_the_first_is_gone(void **state)
{
	char dir[] = "/tmp/softdsp-test-XXXXXX", path[64];
	struct softdsp_record hello;
	int first, second, status;
	pid_t pid;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	pid = fork();
	if (!pid) {
		execl(SOFTDSP_PROGRAM, SOFTDSP_PROGRAM, "--socket", path, "--banks", "3", NULL);
		_exit(127);
	}
	first = connect_to(path);
	assert_int_equal(recv(first, &hello, sizeof(hello), 0), SOFTDSP_SIZE(hello));
	assert_int_equal(hello.hello.banks, 3);
	second = connect_to(path);
	assert_int_equal(recv(second, &hello, sizeof(hello), MSG_DONTWAIT), -1);
	close(first);
	assert_int_equal(recv(second, &hello, sizeof(hello), 0), SOFTDSP_SIZE(hello));
	close(second);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(access(path, F_OK), -1);
	rmdir(dir);
}

static int run_program(const char *a, const char *b, const char *c)
{
	int status;
	const pid_t pid = fork();

	if (!pid) {
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 2);
		dup2(2, 1);
		execl(SOFTDSP_PROGRAM, SOFTDSP_PROGRAM, a, b, c, NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* More hosts than may wait: connecting to it would block now. */
static void one_that_is_busy_keeps_its_socket(void **state)
{
	char dir[] = "/tmp/softdsp-test-XXXXXX", path[64];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fds[16], n = 0;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	memcpy(address.sun_path, path, sizeof(path));
	fds[n] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fds[n], (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fds[n++], 0), 0);
	do {
		assert_true(n < 16);
		fds[n] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	} while (!connect(fds[n++], (struct sockaddr *)&address, sizeof(address)));
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(run_program("--socket", path, NULL), 1);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	while (n)
		close(fds[--n]);
}

static void what_is_no_socket_is_left_alone(void **state)
{
	char file[] = "/tmp/softdsp-test-XXXXXX";
	int fd = mkostemp(file, O_CLOEXEC);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(run_program("--socket", file, NULL), 1);
	assert_int_equal(unlink(file), 0);
}

static void wrong_options_are_refused(void **state)
{
	assert_int_equal(run_program("--help", NULL, NULL), 0);
	assert_int_equal(run_program("--version", NULL, NULL), 0);
	assert_int_equal(run_program(NULL, NULL, NULL), 1);
	assert_int_equal(run_program("--fd", "77", NULL), 1);
	assert_int_equal(run_program("--fd", "0", "--socket=/tmp/x"), 1);
	assert_int_equal(run_program("--fd=0", "--banks", "65"), 1);
	assert_int_equal(run_program("--fd=0", "--banks", "-1"), 1);
	assert_int_equal(run_program("--fd=0", "--pd-memory", "1Q"), 1);
	assert_int_equal(run_program("--fd=0", "--pd-memory", "20000000000GiB"), 1);
	assert_int_equal(run_program("--fd=0", "--arch", "68"), 1);
	assert_int_equal(run_program("--fd=0", "--name", "../x"), 1);
	assert_int_equal(run_program("--fd=0", "--modules", "/nowhere"), 1);
	assert_int_equal(run_program("--fd=0", "surplus", NULL), 1);
}

static void a_skel_that_spins_runs_out_of_time(void **state)
{
	struct session s;
	uint32_t handle = open_probe(&s, 1, 1);
	struct line line;

	session_send(&s, 0, handle, fastrpc_sc(0, PROBE_SPIN, 0, 0, 0, 0), NULL);
	session_wait_end(&s);
	host_wait(&host, SOFTDSP_EXIT, &line);
	assert_int_equal(line.record.exit.signal, SIGXCPU);
	assert_string_equal(line_text(&line),
			    "SIGXCPU (its 1 s of CPU time are used up) in method 15 of "
			    "libsoftdsp_probe_skel.so");
	session_close(&s);
	assert_serves(1, 1);
}

int main(void)
{
	static const char *const one_second[] = { "--pd-cpu", "1", NULL };
	const struct CMUnitTest tests[] = {
		T(a_fault_is_told_with_module_and_method),
		T(a_method_beyond_the_scalars_is_told_too),
		T(abort_is_told),
		T(a_kill_without_handler_is_told),
		T(exit_is_told),
		T(a_quick_exit_is_told),
		T(a_hung_session_can_be_released),
		T(asked_to_exit_it_answers_first),
		T(one_session_a_bank_and_a_client),
		T(nobody_joins_the_root_pd),
		T(sessions_leave_nothing_behind),
		T(a_host_that_leaves_takes_its_sessions_along),
		T(a_session_whose_host_end_closes_ends),
		T(a_host_that_does_not_read_stops_itself_only),
		T(a_pd_that_does_not_answer_holds_up_nobody),
		T_WITH(a_skel_that_spins_runs_out_of_time, one_second),
		cmocka_unit_test(the_next_host_is_served_when_the_first_is_gone),
		cmocka_unit_test(one_that_is_busy_keeps_its_socket),
		cmocka_unit_test(what_is_no_socket_is_left_alone),
		cmocka_unit_test(wrong_options_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
