/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which ioctls the process may still make: those of the drivers that devices here use, and the few
 * that the C library and libuv make on any descriptor. A unit file cannot say that: it knows system
 * calls, not their arguments.
 *
 * Whoever takes over the daemon finds no other command of the drivers, and no other driver.
 */
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <linux/udmabuf.h>
#include <seccomp.h>
#include <stdlib.h>

#include <drm.h>

#include "device/device.h"
#include "drm/qda_accel.h"

#define SYSCALLS_MAX 1024 /* numbers of native ones are smaller */

static const uint32_t requests[] = {
	/* isatty(), non-blocking, close-on-exec */
	TCGETS, TCGETS2, FIONBIO, FIOCLEX, FIONCLEX,
	UDMABUF_CREATE,
	DRM_IOCTL_VERSION, DRM_IOCTL_GEM_CLOSE, DRM_IOCTL_PRIME_HANDLE_TO_FD,
	DRM_IOCTL_PRIME_FD_TO_HANDLE,
	DRM_IOCTL_QDA_QUERY, DRM_IOCTL_QDA_GEM_CREATE, DRM_IOCTL_QDA_INIT_CREATE,
	DRM_IOCTL_QDA_MAP, DRM_IOCTL_QDA_UNMAP, DRM_IOCTL_QDA_SUBMIT, DRM_IOCTL_QDA_RELEASE,
};

/* The kernel reads 32 bits of the number, so the filter does. */
static int allow_requests(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(requests) / sizeof(*requests); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, requests[i]));
	return r;
}

/* Every system call that libseccomp knows. Newer ones do not exist: the C library does without. */
static int allow_other_calls(scmp_filter_ctx filter)
{
	int r = 0;

	for (int n = 0; r == 0 && n < SYSCALLS_MAX; n++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, n);

		if (name && n != SCMP_SYS(ioctl))
			r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, n, 0);
		free(name);
	}
	return r;
}

int qda_device_confine(bool kill)
{
	scmp_filter_ctx filter =
		seccomp_init(kill ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(ENOSYS));
	int r = filter ? 0 : -ENOMEM;

	if (r == 0)
		r = allow_requests(filter);
	if (r == 0)
		r = allow_other_calls(filter);
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}
