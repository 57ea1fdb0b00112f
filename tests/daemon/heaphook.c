/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counts the heap of the program it is preloaded into: live bytes and allocations, in a page shared
 * with the test. The program's own children are left alone. Not for sanitizers, which have a malloc
 * of their own.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "heaphook.h"

#define EXPORT __attribute__((visibility("default")))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);

/* Before the page is there, and when there is none. */
static struct heap early;
static struct heap *heap = &early;

__attribute__((constructor)) static void attach(void)
{
	const char *text = getenv("QDA_HEAP_FD");
	int fd = text ? atoi(text) : -1;
	struct heap *page;

	unsetenv("LD_PRELOAD");
	unsetenv("QDA_HEAP_FD");
	if (fd < 0)
		return;
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (page == MAP_FAILED)
		return;
	page->live = early.live;
	page->allocations = early.allocations;
	heap = page;
}

static void *gained(void *p)
{
	if (p) {
		heap->live += (int64_t)malloc_usable_size(p);
		heap->allocations++;
	}
	return p;
}

EXPORT void *malloc(size_t size)
{
	return gained(__libc_malloc(size));
}

EXPORT void *calloc(size_t n, size_t size)
{
	return gained(__libc_calloc(n, size));
}

EXPORT void free(void *p)
{
	if (p)
		heap->live -= (int64_t)malloc_usable_size(p);
	__libc_free(p);
}

EXPORT void *realloc(void *p, size_t size)
{
	int64_t before = p ? (int64_t)malloc_usable_size(p) : 0;
	void *q = __libc_realloc(p, size);

	if (q || !size)
		heap->live -= before;
	return gained(q);
}

EXPORT void *memalign(size_t alignment, size_t size)
{
	return gained(__libc_memalign(alignment, size));
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

EXPORT int posix_memalign(void **out, size_t alignment, size_t size)
{
	void *p = memalign(alignment, size);

	if (!p)
		return ENOMEM;
	*out = p;
	return 0;
}
