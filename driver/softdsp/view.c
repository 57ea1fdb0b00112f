// SPDX-License-Identifier: BSD-3-Clause
/*
 * Banks of a virtual DSP: see view.h.
 */
#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "view.h"

#define BANK_SIZE (1ull << 32)

int view_scratch(void)
{
	const int fd = memfd_create("qda-softdsp-scratch", MFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int view_open(struct view *view, int control, uint32_t stream, int scratch)
{
	void *base = mmap(NULL, BANK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, control,
			  (off_t)stream << 32);

	if (base == MAP_FAILED)
		return -errno;
	*view = (struct view){ .base = base, .scratch = scratch };
	return 0;
}

void view_close(struct view *view)
{
	if (view->base)
		munmap(view->base, BANK_SIZE);
	*view = (struct view)VIEW_NULL;
}

static bool inside(uint64_t addr, size_t n)
{
	return addr <= BANK_SIZE && n <= BANK_SIZE - addr;
}

/* A copy that ends early is none: what is behind it in the scratch file is of an older one. */
int view_read(const struct view *view, uint64_t addr, void *buf, size_t n)
{
	if (!inside(addr, n) ||
	    pwrite(view->scratch, view->base + addr, n, 0) != (ssize_t)n ||
	    pread(view->scratch, buf, n, 0) != (ssize_t)n)
		return -EFAULT;
	return 0;
}

int view_write(const struct view *view, uint64_t addr, const void *buf, size_t n)
{
	if (!inside(addr, n) || pwrite(view->scratch, buf, n, 0) != (ssize_t)n ||
	    pread(view->scratch, view->base + addr, n, 0) != (ssize_t)n)
		return -EFAULT;
	return 0;
}
