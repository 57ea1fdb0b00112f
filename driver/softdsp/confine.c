// SPDX-License-Identifier: BSD-3-Clause
/*
 * The cage of a PD: see confine.h. Each part refuses what another refuses too: files by Landlock
 * and by the flags of openat, memory by a limit and by the kinds of mapping that would not count.
 *
 * A sanitizer maps terabytes of shadow memory and writes to our stderr, which may be a file: with
 * one, memory and files are not limited.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "confine.h"
#include "landlock.h"
#include "wire.h"

#ifdef SOFTDSP_SANITIZED
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* --- limits --- */

static int limit(int resource, uint64_t soft, uint64_t hard)
{
	const struct rlimit rlimit = { .rlim_cur = soft, .rlim_max = hard };

	return setrlimit(resource, &rlimit) < 0 ? -errno : 0;
}

static int confine_limits(const struct confine *c)
{
	int err = limit(RLIMIT_CORE, 0, 0);

	if (!err && !SANITIZED)
		err = limit(RLIMIT_FSIZE, 0, 0);
	if (!err)
		err = limit(RLIMIT_NOFILE, c->files, c->files);
	if (!err && c->cpu_seconds)
		err = limit(RLIMIT_CPU, c->cpu_seconds, c->cpu_seconds + 1);
	if (!err && !SANITIZED)
		err = limit(RLIMIT_DATA, c->memory, c->memory);
	return err;
}

/* --- files --- */

/* A system directory that is not there needs no rule; a module directory must be. */
static int allow_path(int ruleset, const char *path, bool optional)
{
	const int fd = open(path, O_PATH | O_CLOEXEC);
	int err;

	if (fd < 0)
		return optional && errno == ENOENT ? 0 : -errno;
	err = landlock_allow_read(ruleset, fd);
	close(fd);
	return err;
}

static int allow_paths(int ruleset, const struct confine *c)
{
	static const char *const system_paths[] = {
		"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache",
	};
	int err = 0;

	for (size_t i = 0; i < sizeof(system_paths) / sizeof(system_paths[0]) && !err; i++)
		err = allow_path(ruleset, system_paths[i], true);
	for (size_t i = 0; i < c->n_dirs && !err; i++)
		err = allow_path(ruleset, c->dirs[i], false);
	for (size_t i = 0; i < c->n_dir_fds && !err; i++)
		err = landlock_allow_read(ruleset, c->dir_fds[i]);
	return err;
}

static int confine_files(const struct confine *c, uint32_t *held)
{
	const int version = landlock_version();
	int ruleset, err;

	if (!version)
		return 0;
	ruleset = landlock_new(version);
	if (ruleset < 0)
		return ruleset;
	err = allow_paths(ruleset, c);
	if (err) {
		close(ruleset);
		return err;
	}
	*held |= SOFTDSP_CONFINED_LANDLOCK;
	return landlock_enforce(ruleset);
}

/* --- system calls --- */

/* Computing, threads, time, memory, descriptors that are there. None of these reaches outside. */
static const int allowed[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64),
	SCMP_SYS(pwrite64), SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(newfstatat),
	SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(statx), SCMP_SYS(access), SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd),
	SCMP_SYS(mprotect), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk),
	SCMP_SYS(mincore), SCMP_SYS(futex), SCMP_SYS(futex_waitv), SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_getparam), SCMP_SYS(sched_getscheduler),
	SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(times),
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid),
	SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getcpu), SCMP_SYS(getrandom), SCMP_SYS(uname),
	SCMP_SYS(sysinfo), SCMP_SYS(getrlimit), SCMP_SYS(getrusage), SCMP_SYS(set_robust_list),
	SCMP_SYS(get_robust_list), SCMP_SYS(set_tid_address), SCMP_SYS(rseq), SCMP_SYS(membarrier),
	SCMP_SYS(arch_prctl), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigtimedwait), SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

/* Calls that are harmless with some arguments only. */
static int allow_some(scmp_filter_ctx filter)
{
	const uint64_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);
	const uint64_t thread = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;
	const uint32_t allow = SCMP_ACT_ALLOW;
	const int fcntls[] = { F_GETFD, F_SETFD, F_GETFL, F_GET_SEALS };
	const int names[] = { PR_SET_NAME, PR_GET_NAME };
	int err = 0;

	/* Shared anonymous and growing mappings are not counted as private memory. */
	err |= seccomp_rule_add(filter, allow, SCMP_SYS(mmap), 1,
				SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_SHARED | MAP_GROWSDOWN, 0));
	err |= seccomp_rule_add(filter, allow, SCMP_SYS(mmap), 1,
				SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS | MAP_GROWSDOWN, 0));
	err |= seccomp_rule_add(filter, allow, SCMP_SYS(openat), 1,
				SCMP_A2(SCMP_CMP_MASKED_EQ, writing, 0));
	err |= seccomp_rule_add(filter, allow, SCMP_SYS(clone), 1,
				SCMP_A0(SCMP_CMP_MASKED_EQ, thread, thread));
	err |= seccomp_rule_add(filter, allow, SCMP_SYS(tgkill), 1,
				SCMP_A0(SCMP_CMP_EQ, (uint64_t)getpid()));
	err |= seccomp_rule_add(filter, allow, SCMP_SYS(prlimit64), 2, SCMP_A0(SCMP_CMP_EQ, 0),
				SCMP_A2(SCMP_CMP_EQ, 0));
	/* Its arguments lie in memory, where a filter cannot look: the C library falls back. */
	err |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	for (size_t i = 0; i < sizeof(fcntls) / sizeof(fcntls[0]); i++)
		err |= seccomp_rule_add(filter, allow, SCMP_SYS(fcntl), 1,
					SCMP_A1(SCMP_CMP_EQ, (uint64_t)fcntls[i]));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		err |= seccomp_rule_add(filter, allow, SCMP_SYS(prctl), 1,
					SCMP_A0(SCMP_CMP_EQ, (uint64_t)names[i]));
	return err;
}

static int load_filter(scmp_filter_ctx filter)
{
	int err = 0;

	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	if (!err && allow_some(filter))
		err = -EINVAL;
	if (!err)
		err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!err)
		err = seccomp_load(filter);
	return err;
}

static int confine_calls(uint32_t *held)
{
	scmp_filter_ctx filter;
	int err;

	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
		return 0;
	filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!filter)
		return -ENOMEM;
	err = load_filter(filter);
	seccomp_release(filter);
	if (!err)
		*held |= SOFTDSP_CONFINED_SECCOMP;
	return err;
}

/* --- */

static int part(int err, const char *what, char *text, size_t size)
{
	if (err)
		snprintf(text, size, "%s: %s", what, strerror(-err));
	return err;
}

int confine(const struct confine *c, uint32_t *held, char *text, size_t size)
{
	*held = SANITIZED ? 0 : SOFTDSP_CONFINED_MEMORY;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return part(-errno, "privileges", text, size);
	if (part(confine_files(c, held), "Landlock", text, size) ||
	    part(confine_limits(c), "limits", text, size) ||
	    part(confine_calls(held), "seccomp", text, size))
		return -EPERM;
	return 0;
}
