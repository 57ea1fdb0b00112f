// SPDX-License-Identifier: BSD-3-Clause
/*
 * The cage of a PD: what a skel tries there and must not get. Each attempt is made by the probe
 * skel, which tells the errno it met.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "softdsp_fixture.h"

static int attempt(struct session *s, uint32_t handle, uint32_t what)
{
	int err = -1;
	const struct value values[] = { { &what, 4 }, { &err, 4 } };

	assert_int_equal(session_call(s, handle, fastrpc_sc(0, PROBE_ATTEMPT, 1, 1, 0, 0), values,
				      NULL), 0);
	return err;
}

/* The last thing that a skipped case says is its reason. */
#define skip_since(why)                          \
	do {                                     \
		print_message("# %s\n", why);    \
		skip();                          \
	} while (0)

static void a_skel_cannot_get_out(void **state)
{
	static const uint32_t refused[] = {
		PROBE_SOCKET, PROBE_CONNECT, PROBE_FORK, PROBE_EXEC, PROBE_KILL_PARENT,
		PROBE_TGKILL_PARENT, PROBE_PTRACE, PROBE_READ_PARENT, PROBE_MOUNT, PROBE_UNSHARE,
		PROBE_IO_URING, PROBE_MEMFD, PROBE_SIGNAL_OWNER, PROBE_DIRECTORY, PROBE_UNLINK,
		PROBE_MAP_SHARED, PROBE_MAP_GROWING, PROBE_OPEN_WRITE, PROBE_PRCTL,
	};
	struct session s;
	uint32_t handle;

	if (!(host.hello.confined & SOFTDSP_CONFINED_SECCOMP))
		skip_since("this system has no seccomp: system calls are not filtered");
	handle = open_probe(&s, 1, 1);
	for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_int_equal(attempt(&s, handle, refused[i]), EPERM);
	assert_int_equal(attempt(&s, handle, PROBE_CLONE3), ENOSYS);
	session_close(&s);
}

static void a_skel_reads_libraries_only(void **state)
{
	struct session s;
	uint32_t handle;

	if (!(host.hello.confined & SOFTDSP_CONFINED_LANDLOCK))
		skip_since("this kernel has no Landlock: files are not held back");
	handle = open_probe(&s, 1, 1);
	assert_int_equal(attempt(&s, handle, PROBE_OPEN_READ), EACCES);
	assert_int_equal(attempt(&s, handle, PROBE_OPEN_LIBRARY), 0);
	session_close(&s);
}

static void a_skels_memory_has_a_limit(void **state)
{
	struct session s;
	uint32_t handle;

	if (!(host.hello.confined & SOFTDSP_CONFINED_MEMORY))
		skip_since("a sanitizer needs memory without limit");
	handle = open_probe(&s, 1, 1);
	assert_int_equal(attempt(&s, handle, PROBE_MAP_MUCH), ENOMEM);
	assert_int_equal(attempt(&s, handle, PROBE_MAP_LITTLE), 0);
	session_close(&s);
}

static void a_skel_may_start_threads(void **state)
{
	struct session s;
	uint32_t handle = open_probe(&s, 1, 1);

	assert_int_equal(attempt(&s, handle, PROBE_THREAD), 0);
	session_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_skel_cannot_get_out),
		T(a_skel_reads_libraries_only),
		T(a_skels_memory_has_a_limit),
		T(a_skel_may_start_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
