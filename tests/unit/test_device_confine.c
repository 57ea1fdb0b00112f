/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which ioctls are left after qda_device_confine(). Each case is a process of its own, since there
 * is no way back.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <cmocka.h>
#include <drm.h>

#include "device/device.h"
#include "drm/qda_accel.h"

/* What the ioctl of that number says on a pipe, which has none but the general ones. */
static int answer_of(unsigned long request)
{
	int fds[2], one = 1;

	if (pipe(fds) < 0)
		return -1;
	return syscall(SYS_ioctl, fds[0], request, &one) < 0 ? errno : 0;
}

/* How a process ended that ran it, as wait() says. */
static int run(int (*body)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(body());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int others_do_not_exist(void)
{
	const unsigned long others[] = { TIOCSTI, TIOCGWINSZ, FIONREAD, DRM_IOCTL_MODE_GETRESOURCES,
					 DRM_IOCTL_GEM_FLINK, DRM_IOCTL_QDA_INIT_ATTACH,
					 DRM_IOCTL_QDA_INVOKE };
	int confined = qda_device_confine(false);

	if (confined < 0)
		return -confined;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (answer_of(others[i]) != ENOSYS)
			return 200 + (int)i;
	return 0;
}

static int ours_reach_the_device(void)
{
	const unsigned long ours[] = { DRM_IOCTL_VERSION, DRM_IOCTL_QDA_QUERY, DRM_IOCTL_QDA_SUBMIT,
				       DRM_IOCTL_QDA_RELEASE, DRM_IOCTL_PRIME_FD_TO_HANDLE };

	if (qda_device_confine(false) < 0)
		return 1;
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		if (answer_of(ours[i]) != ENOTTY)
			return 200 + (int)i;
	return answer_of(FIONBIO);
}

/* The kernel takes the lower half of the number: what is in the other makes no difference. */
static int upper_bits_do_not_count(void)
{
	const unsigned long bits = sizeof(long) > 4 ? 0xffffffff00000000ul : 0;

	if (qda_device_confine(false) < 0)
		return 1;
	return answer_of(bits | FIONBIO) ? 2 : answer_of(bits | FIONREAD) != ENOSYS;
}

static void *ask_in_thread(void *begin)
{
	char byte;

	if (read(*(int *)begin, &byte, 1) != 1)
		return (void *)(intptr_t)-1;
	return (void *)(intptr_t)answer_of(FIONREAD);
}

static int threads_that_run_are_held_too(void)
{
	pthread_t thread;
	void *answer;
	int begin[2];

	if (pipe(begin) < 0 || pthread_create(&thread, NULL, ask_in_thread, &begin[0]) ||
	    qda_device_confine(false) < 0 || write(begin[1], "", 1) != 1 ||
	    pthread_join(thread, &answer))
		return 1;
	return (intptr_t)answer != ENOSYS;
}

static int ask_where_it_kills(void)
{
	if (qda_device_confine(true) < 0)
		return 1;
	if (answer_of(FIONBIO))
		return 2;
	answer_of(FIONREAD);
	return 3;
}

static void run_well(void **state)
{
	int (**body)(void) = *state;
	int status = run(*body);

	if (status)
		fail_msg("wait status 0x%x", (unsigned)status);
}

static void a_stray_one_ends_the_process_where_it_is_to(void **state)
{
	int status = run(ask_where_it_kills);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

#define PROCESS(body) { #body, run_well, NULL, NULL, &(int (*)(void)){ body } }

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROCESS(others_do_not_exist),
		PROCESS(ours_reach_the_device),
		PROCESS(upper_bits_do_not_count),
		PROCESS(threads_that_run_are_held_too),
		cmocka_unit_test(a_stray_one_ends_the_process_where_it_is_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
