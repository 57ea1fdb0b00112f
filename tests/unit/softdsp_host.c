// SPDX-License-Identifier: BSD-3-Clause
/*
 * The host's side for tests: see softdsp_host.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "softdsp_host.h"

static const char shell[] = SOFTDSP_SHELL_MAGIC "and the rest is never looked at";

int memory_new(size_t size, int seals)
{
	const int fd = memfd_create("softdsp-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	if (seals)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* --- records --- */

static void send_to(int sock, const void *record, size_t n, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)record, n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(int));
	}
	assert_int_equal(sendmsg(sock, &msg, MSG_NOSIGNAL), n);
}

/* Bytes of the record, 0 at end of file; *fd or -1. */
static size_t receive_from(int sock, struct line *line, int *fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { line, sizeof(*line) - 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	struct pollfd poller = { .fd = sock, .events = POLLIN };
	ssize_t n;

	memset(line, 0, sizeof(*line));
	assert_int_equal(poll(&poller, 1, WAIT_MS), 1);
	n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	if (n < 0 && errno == ECONNRESET)
		n = 0;
	assert_true(n >= 0);
	*fd = -1;
	if (msg.msg_controllen)
		memcpy(fd, CMSG_DATA(&control.align), sizeof(int));
	return n;
}

const char *line_text(const struct line *line)
{
	return (const char *)line +
	       (line->record.kind == SOFTDSP_EXIT ? SOFTDSP_SIZE(exit) : SOFTDSP_SIZE(log));
}

void host_send_record(struct host *host, const struct softdsp_record *record, size_t n, int fd)
{
	send_to(host->control, record, n, fd);
}

void host_wait(struct host *host, uint32_t kind, struct line *out)
{
	int fd;

	for (;;) {
		assert_true(receive_from(host->control, out, &fd) >= SOFTDSP_HEAD);
		assert_int_equal(fd >= 0, out->record.kind == SOFTDSP_PD);
		if (out->record.kind == SOFTDSP_PD)
			host->pd_fd = fd;
		if (out->record.kind == SOFTDSP_EXIT) {
			host->exit = *out;
			host->n_exits++;
		}
		if (out->record.kind == kind)
			return;
	}
}

/* --- host --- */

static void share(struct host *host, uint32_t bank, int fd, uint32_t at, size_t size)
{
	const struct softdsp_record record = { .kind = SOFTDSP_MAP,
					       .bank = bank,
					       .map = { .addr = at, .size = size } };

	host_send_record(host, &record, SOFTDSP_SIZE(map), fd);
}

static void prepare_banks(struct host *host)
{
	host->shell_fd = memory_new(4096, F_SEAL_SHRINK);
	assert_int_equal(pwrite(host->shell_fd, shell, sizeof(shell), 0), sizeof(shell));
	for (uint32_t i = 1; i < 8 && i <= host->hello.banks; i++) {
		host->page_fd[i] = memory_new(4096, F_SEAL_SHRINK);
		host->page[i] = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
				     host->page_fd[i], 0);
		assert_true(host->page[i] != MAP_FAILED);
		share(host, i, host->page_fd[i], PAGE_AT, 4096);
		share(host, i, host->shell_fd, SHELL_AT, 4096);
	}
}

void host_start(struct host *host, const char *const *options)
{
	const char *args[32] = { SOFTDSP_PROGRAM, "--fd", "3", "--modules", SOFTDSP_TEST_MODULES };
	unsigned n = 5;
	struct line line;
	int fds[2];

	memset(host, 0, sizeof(*host));
	host->pd_fd = -1;
	for (; options && *options; options++)
		args[n++] = *options;
	/* What the DSP leaves behind becomes ours, and host_end() would see it. */
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	host->pid = fork();
	assert_true(host->pid >= 0);
	if (!host->pid) {
		if (fds[1] == 3)
			fcntl(3, F_SETFD, 0);
		else
			dup2(fds[1], 3);
		execv(args[0], (char *const *)args);
		_exit(127);
	}
	close(fds[1]);
	host->control = fds[0];
	host_wait(host, SOFTDSP_HELLO, &line);
	host->hello = line.record.hello;
	prepare_banks(host);
}

static void reap(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(waitpid(-1, &status, 0), -1);
	assert_int_equal(errno, ECHILD);
}

void host_end(struct host *host)
{
	close(host->control);
	reap(host->pid);
	for (uint32_t i = 1; i < 8 && i <= host->hello.banks; i++) {
		munmap(host->page[i], 4096);
		close(host->page_fd[i]);
	}
	close(host->shell_fd);
	if (host->pd_fd >= 0)
		close(host->pd_fd);
}

uint32_t host_control(struct host *host, uint32_t bank, const struct fastrpc_ctl *ctl,
		      uint64_t *vaddr)
{
	struct softdsp_record record = { .kind = SOFTDSP_CALL, .bank = bank };
	const uint64_t at = (uint64_t)bank << 32 | PAGE_AT;
	const uint64_t ctx = fastrpc_ctx(++host->generation, 200, FASTRPC_PD_ROOT);
	struct fastrpc_place place;
	struct fastrpc_msg msg;
	struct fastrpc_rsp rsp;
	struct line line;
	uint32_t sc;

	assert_int_equal(fastrpc_ctl_write(host->page[bank], at, ctl, &sc, &place), 0);
	fastrpc_request(&msg, 0, 1, ctx, FASTRPC_HANDLE_PROCESS, sc, at, 4096);
	memcpy(record.call.msg, &msg, sizeof(msg));
	host_send_record(host, &record, SOFTDSP_SIZE(call), -1);
	host_wait(host, SOFTDSP_RESPONSE, &line);
	assert_int_equal(fastrpc_response(line.record.rsp, 16, &rsp), 0);
	assert_int_equal(rsp.ctx, ctx);
	if (vaddr && place.length == sizeof(*vaddr))
		memcpy(vaddr, host->page[bank] + place.offset, sizeof(*vaddr));
	return rsp.retval;
}

uint32_t host_create(struct host *host, uint32_t bank, int32_t client)
{
	const struct fastrpc_ctl ctl = { .method = FASTRPC_PROCESS_CREATE_ATTR,
					 .client_id = client,
					 .name = "test",
					 .file_addr = (uint64_t)bank << 32 | SHELL_AT,
					 .file_len = sizeof(shell),
					 .attrs = FASTRPC_ATTR_UNSIGNED };

	return host_control(host, bank, &ctl, NULL);
}

uint32_t host_release(struct host *host, uint32_t bank, int32_t client)
{
	const struct fastrpc_ctl ctl = { .method = FASTRPC_PROCESS_RELEASE, .client_id = client };

	return host_control(host, bank, &ctl, NULL);
}

/* --- sessions --- */

void session_open(struct session *s, struct host *host, uint32_t bank, int32_t client)
{
	memset(s, 0, sizeof(*s));
	s->host = host;
	s->bank = bank;
	s->client = client;
	assert_int_equal(host_create(host, bank, client), 0);
	assert_true(host->pd_fd >= 0);
	s->fd = host->pd_fd;
	host->pd_fd = -1;
	s->memory_fd = memory_new(MESSAGES_SIZE, F_SEAL_SHRINK);
	s->memory = mmap(NULL, MESSAGES_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, s->memory_fd, 0);
	assert_true(s->memory != MAP_FAILED);
	session_map(s, SOFTDSP_MAP, s->memory_fd, MESSAGES_AT, MESSAGES_SIZE, 0);
}

void session_drop(struct session *s)
{
	close(s->fd);
	close(s->memory_fd);
	munmap(s->memory, MESSAGES_SIZE);
}

void session_close(struct session *s)
{
	assert_int_equal(host_release(s->host, s->bank, s->client), 0);
	session_drop(s);
}

void session_send_record(struct session *s, const struct softdsp_record *record, size_t n, int fd)
{
	send_to(s->fd, record, n, fd);
}

void session_map(struct session *s, uint32_t kind, int fd, uint32_t addr, uint64_t size,
		 uint32_t flags)
{
	const struct softdsp_record record = {
		.kind = kind,
		.bank = s->bank,
		.map = { .addr = addr, .size = size, .flags = flags, .maps = ++s->maps },
	};

	send_to(s->fd, &record, SOFTDSP_SIZE(map), fd);
}

/* Made-up caller addresses far apart, so that nothing overlaps. */
static void describe(uint32_t sc, const struct value *values, struct fastrpc_arg *args)
{
	for (uint32_t i = 0; i < fastrpc_sc_args(sc); i++) {
		args[i] = (struct fastrpc_arg){ .addr = (i + 1) * 0x100000ull,
						.length = values[i].length };
		if (i >= fastrpc_sc_bufs(sc) || values[i].handle.kind == FASTRPC_ARG_BUFFER)
			args[i] = values[i].handle;
	}
}

static void plan(uint32_t sc, const struct fastrpc_arg *args, struct fastrpc_place *places,
		 uint32_t *size)
{
	uint16_t order[FASTRPC_MAX_BUFS];

	assert_int_equal(fastrpc_check(sc, args, fastrpc_sc_args(sc)), 0);
	assert_int_equal(fastrpc_plan(sc, args, fastrpc_meta_size(sc), SLOT_SIZE, places, order,
				      size), 0);
}

void session_send(struct session *s, uint32_t slot, uint32_t handle, uint32_t sc,
		  const struct value *values)
{
	struct softdsp_record record = { .kind = SOFTDSP_CALL, .bank = s->bank };
	uint8_t *payload = s->memory + slot * SLOT_SIZE;
	const uint64_t at = (uint64_t)s->bank << 32 | (MESSAGES_AT + slot * SLOT_SIZE);
	struct fastrpc_arg args[FASTRPC_MAX_ARGS];
	struct fastrpc_place places[FASTRPC_MAX_ARGS];
	struct fastrpc_msg msg;
	uint32_t size = 0;

	if (fastrpc_sc_args(sc)) {
		describe(sc, values, args);
		plan(sc, args, places, &size);
		memset(payload, 0xa5, size);
		fastrpc_write_meta(payload, at, sc, args, places);
		for (uint32_t i = 0; i < fastrpc_sc_in(sc); i++)
			if (places[i].length)
				memcpy(payload + places[i].offset, values[i].bytes,
				       places[i].length);
	}
	fastrpc_request(&msg, s->client, 1, fastrpc_ctx(++s->host->generation, slot + 1, 1), handle,
			sc, size ? at : 0, size);
	memcpy(record.call.msg, &msg, sizeof(msg));
	record.call.maps = s->maps;
	send_to(s->fd, &record, SOFTDSP_SIZE(call), -1);
}

uint32_t session_receive(struct session *s, uint32_t *retval)
{
	struct fastrpc_rsp rsp;
	struct line line;
	int fd;

	for (;;) {
		assert_true(receive_from(s->fd, &line, &fd) >= SOFTDSP_HEAD);
		assert_int_equal(fd, -1);
		if (line.record.kind == SOFTDSP_RESPONSE)
			break;
		assert_int_equal(line.record.kind, SOFTDSP_LOG);
		s->log = line;
		s->n_logs++;
	}
	assert_int_equal(fastrpc_response(line.record.rsp, 16, &rsp), 0);
	*retval = rsp.retval;
	return fastrpc_ctx_id(rsp.ctx) - 1;
}

void session_collect(struct session *s, uint32_t slot, uint32_t sc, const struct value *values,
		     uint64_t *handles)
{
	const uint8_t *payload = s->memory + slot * SLOT_SIZE;
	struct fastrpc_arg args[FASTRPC_MAX_ARGS];
	struct fastrpc_place places[FASTRPC_MAX_ARGS];
	uint32_t size;

	if (!fastrpc_sc_args(sc))
		return;
	describe(sc, values, args);
	plan(sc, args, places, &size);
	for (uint32_t i = fastrpc_sc_in(sc); i < fastrpc_sc_bufs(sc); i++)
		if (places[i].length)
			memcpy(values[i].bytes, payload + places[i].offset, places[i].length);
	for (uint32_t i = 0; i < fastrpc_sc_out_handles(sc); i++)
		handles[i] = fastrpc_out_handle(payload, sc, i);
}

uint32_t session_call(struct session *s, uint32_t handle, uint32_t sc,
		      const struct value *values, uint64_t *handles)
{
	uint32_t retval;

	session_send(s, 0, handle, sc, values);
	assert_int_equal(session_receive(s, &retval), 0);
	session_collect(s, 0, sc, values, handles);
	return retval;
}

uint32_t session_open_module(struct session *s, const char *uri, uint32_t *handle, char *text)
{
	uint32_t in[2] = { strlen(uri) + 1, 512 };
	uint32_t out[2] = { 0xdead, 0xdead };
	const struct value values[] = { { in, 8 }, { (void *)uri, in[0] }, { out, 8 },
					{ text, 512 } };

	assert_int_equal(session_call(s, 8, 0x02020200, values, NULL), 0);
	*handle = out[0];
	return out[1];
}

uint32_t session_close_module(struct session *s, uint32_t handle, char *text)
{
	uint32_t in[2] = { handle, 512 };
	uint32_t dlerr = 0xdead;
	const struct value values[] = { { in, 8 }, { &dlerr, 4 }, { text, 512 } };

	assert_int_equal(session_call(s, 8, 0x03010200, values, NULL), 0);
	return dlerr;
}

void session_wait_end(struct session *s)
{
	struct line line;
	int fd;

	while (receive_from(s->fd, &line, &fd))
		assert_int_equal(line.record.kind, SOFTDSP_LOG);
}

unsigned count_fds(pid_t pid)
{
	char path[64];
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

pid_t host_only_pd(const struct host *host)
{
	char path[64];
	int pid = 0, other = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", host->pid, host->pid);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d %d", &pid, &other), 1);
	fclose(file);
	return pid;
}
