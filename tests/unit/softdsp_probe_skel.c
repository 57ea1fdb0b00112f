/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A skel for the tests of the software DSP: each method shows one thing that reached it, or tries
 * one thing that must be refused. Loaded by PDs only.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "AEEStdErr.h"
#include "HAP_debug.h"
#include "HAP_mem.h"
#include "HAP_perf.h"
#include "remote.h"
#include "softdsp_probe.h"

#define ENTRY __attribute__((visibility("default")))
#define VALUE 0x1122334455660000ull

static atomic_uint n_opened, n_closed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;
static unsigned n_arrived;
static volatile int *volatile nowhere = (int *)16;

static int result(long r)
{
	return r == -1 ? errno : 0;
}

static int try_open(const char *path, int flags)
{
	const int fd = open(path, flags, 0600);

	if (fd >= 0)
		close(fd);
	return result(fd);
}

static int try_map(size_t size, int flags)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (p == MAP_FAILED)
		return errno;
	munmap(p, size);
	return 0;
}

static void *nothing(void *arg)
{
	return arg;
}

/* 0 when the thread ran. */
static int try_thread(void)
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, nothing, NULL);

	return err ? err : pthread_join(thread, NULL);
}

/* Each kind of attempt gives 0 when it succeeded, or its errno. */
static int attempt(uint32_t what)
{
	char *const none[] = { NULL };
	struct sockaddr_storage address = { 0 };

	switch (what) {
	case PROBE_OPEN_READ:
		return try_open("/etc/passwd", O_RDONLY);
	case PROBE_OPEN_WRITE:
		return try_open("/tmp/softdsp-probe", O_WRONLY | O_CREAT);
	case PROBE_OPEN_LIBRARY:
		return try_open("/etc/ld.so.cache", O_RDONLY);
	case PROBE_SOCKET:
		return result(socket(AF_UNIX, SOCK_STREAM, 0));
	case PROBE_CONNECT:
		return result(connect(3, (struct sockaddr *)&address, sizeof(address)));
	case PROBE_FORK:
		return result(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
	case PROBE_CLONE3:
		return result(syscall(SYS_clone3, NULL, 0));
	case PROBE_EXEC:
		return result(execve("/bin/true", none, none));
	case PROBE_KILL_PARENT:
		return result(kill(getppid(), SIGKILL));
	case PROBE_TGKILL_PARENT:
		return result(syscall(SYS_tgkill, getppid(), getppid(), SIGKILL));
	case PROBE_PTRACE:
		return result(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
	case PROBE_READ_PARENT:
		return result(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
	case PROBE_MOUNT:
		return result(mount("none", "/mnt", "tmpfs", 0, NULL));
	case PROBE_UNSHARE:
		return result(unshare(CLONE_NEWUSER));
	case PROBE_IO_URING:
		return result(syscall(SYS_io_uring_setup, 1, NULL));
	case PROBE_MEMFD:
		return result(syscall(SYS_memfd_create, "probe", 0));
	case PROBE_SIGNAL_OWNER:
		return result(fcntl(3, F_SETOWN, getppid()));
	case PROBE_DIRECTORY:
		return result(mkdirat(AT_FDCWD, "/tmp/softdsp-probe-dir", 0700));
	case PROBE_UNLINK:
		return result(unlinkat(AT_FDCWD, "/tmp/softdsp-probe", 0));
	case PROBE_MAP_SHARED:
		return try_map(4096, MAP_SHARED | MAP_ANONYMOUS);
	case PROBE_MAP_GROWING:
		return try_map(4096, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN);
	case PROBE_MAP_MUCH:
		return try_map(1ull << 30, MAP_PRIVATE | MAP_ANONYMOUS);
	case PROBE_MAP_LITTLE:
		return try_map(1ull << 20, MAP_PRIVATE | MAP_ANONYMOUS);
	case PROBE_THREAD:
		return try_thread();
	case PROBE_PRCTL:
		return result(syscall(SYS_prctl, 4 /* PR_SET_DUMPABLE */, 1, 0, 0, 0));
	}
	return -1;
}

/* Returns when `n` calls are in here at once. */
static int rendezvous(uint32_t n)
{
	pthread_mutex_lock(&lock);
	n_arrived++;
	pthread_cond_broadcast(&arrived);
	while (n_arrived < n)
		pthread_cond_wait(&arrived, &lock);
	pthread_mutex_unlock(&lock);
	return 0;
}

static int by_key(const remote_arg *key, struct probe_key *out)
{
	int err = adsp_mmap_fd_getinfo(key->dma.fd, &out->length);
	const uint8_t *mapped;
	void *got = NULL;

	out->offset = key->dma.offset;
	if (err)
		return err;
	mapped = HAP_mmap(NULL, out->length, HAP_PROT_READ, 0, key->dma.fd, 0);
	if (mapped == (void *)-1 || HAP_mmap_get(key->dma.fd, &got, &out->address))
		return AEE_EFAILED;
	memcpy(out->bytes, mapped + key->dma.offset, sizeof(out->bytes));
	if (got != mapped || HAP_mmap_put(key->dma.fd) || HAP_munmap(got, out->length))
		return AEE_EFAILED;
	((uint8_t *)got)[key->dma.offset] ^= 0xff;
	return 0;
}

static int die(uint32_t how)
{
	if (how == PROBE_DIE_EXIT)
		exit(5);
	if (how == PROBE_DIE_QUICK)
		_exit(6);
	if (how == SIGSEGV)
		*nowhere = 1;
	if (how == SIGABRT)
		abort();
	raise(how);
	return AEE_EFAILED;
}

static int log_line(const remote_arg *in)
{
	uint32_t level;

	memcpy(&level, in->buf.pv, sizeof(level));
	HAP_debug_v2(level, "/a/path/probe.c", 7, "%.*s\n", (int)in->buf.nLen - 4,
		     (const char *)in->buf.pv + 4);
	return 0;
}

static int flood(uint32_t lines)
{
	for (uint32_t i = 0; i < lines; i++)
		HAP_debug("again", HAP_LEVEL_HIGH, "probe.c", (int)i);
	return 0;
}

static int clocks(uint64_t *out)
{
	out[0] = HAP_perf_get_time_us();
	out[1] = HAP_perf_get_qtimer_count();
	out[2] = HAP_perf_get_pcycles();
	return 0;
}

static int invert(const remote_arg *in, remote_arg *out)
{
	if (in->buf.nLen != out->buf.nLen)
		return AEE_EBADPARM;
	for (size_t i = 0; i < in->buf.nLen; i++)
		((uint8_t *)out->buf.pv)[i] = ~((const uint8_t *)in->buf.pv)[i];
	return 0;
}

static int do_open(const remote_arg *uri, remote_arg *out)
{
	if (strstr(uri->buf.pv, "_idlver=9"))
		return AEE_ESTUBSKELVERMISMATCH;
	out->h64 = VALUE + atomic_fetch_add(&n_opened, 1);
	return 0;
}

static int run(remote_handle64 h, uint32_t method, uint32_t sc, remote_arg *pra)
{
	volatile uint32_t spun = 0;
	uint32_t number = 0;

	if (REMOTE_SCALARS_INBUFS(sc) && pra[0].buf.nLen >= sizeof(number))
		memcpy(&number, pra[0].buf.pv, sizeof(number));
	switch (method) {
	case PROBE_INVERT:
		return invert(&pra[0], &pra[1]);
	case PROBE_ATTEMPT:
		number = attempt(number);
		memcpy(pra[1].buf.pv, &number, sizeof(number));
		return 0;
	case PROBE_DIE:
	case PROBE_DIE_ESCAPED:
		memcpy(&number, pra[REMOTE_SCALARS_INBUFS(sc) - 1].buf.pv, sizeof(number));
		return die(number);
	case PROBE_RENDEZVOUS:
		return rendezvous(number);
	case PROBE_KEY:
		return by_key(&pra[1], pra[0].buf.pv);
	case PROBE_DERIVE:
		for (unsigned i = 0; i < REMOTE_SCALARS_OUTHANDLES(sc); i++)
			pra[i].h64 = VALUE + 0x1000 + i;
		return 0;
	case PROBE_SELF:
		memcpy(pra[0].buf.pv, &h, sizeof(h));
		return 0;
	case PROBE_SHOW_HANDLE:
		memcpy(pra[0].buf.pv, &pra[1].h64, sizeof(h));
		return 0;
	case PROBE_LOG:
		return log_line(&pra[0]);
	case PROBE_FLOOD:
		return flood(number);
	case PROBE_RETURN:
		return (int)number;
	case PROBE_CLOSED:
		number = atomic_load(&n_closed);
		memcpy(pra[0].buf.pv, &number, sizeof(number));
		return 0;
	case PROBE_SPIN:
		for (;;)
			spun++;
	case PROBE_OVERWRITE:
		memset((void *)(((uintptr_t)pra[0].buf.pv & ~4095ul) - 4096), 0xff, 4096);
		return 0;
	case PROBE_CLOCKS:
		return clocks(pra[0].buf.pv);
	}
	return AEE_EUNSUPPORTED;
}

ENTRY int softdsp_probe_skel_handle_invoke(remote_handle64 h, uint32_t sc, remote_arg *pra);
ENTRY int softdsp_probe_skel_invoke(uint32_t sc, remote_arg *pra);

ENTRY int softdsp_probe_skel_handle_invoke(remote_handle64 h, uint32_t sc, remote_arg *pra)
{
	uint32_t method = REMOTE_SCALARS_METHOD(sc);

	if (method == REMOTE_METHOD_EXTENDED)
		memcpy(&method, pra[0].buf.pv, sizeof(method));
	if (method == REMOTE_METHOD_OPEN)
		return do_open(&pra[1], &pra[2]);
	if (method == REMOTE_METHOD_CLOSE) {
		atomic_fetch_add(&n_closed, 1);
		return pra[0].h64 >= VALUE ? 0 : AEE_EINVHANDLE;
	}
	return run(h, method, sc, pra);
}

/* The older form, in the same library. */
ENTRY int softdsp_probe_skel_invoke(uint32_t sc, remote_arg *pra)
{
	return run(0, REMOTE_SCALARS_METHOD(sc), sc, pra);
}
