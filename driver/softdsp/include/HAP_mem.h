/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers that the host mapped into this protection domain under a key (`fd`). The number arrives
 * in the payload or as a dmahandle argument. Functions that return int give an AEE code
 * (AEEStdErr.h).
 */
#ifndef HAP_MEM_H
#define HAP_MEM_H

#include <stddef.h>

#include "AEEStdDef.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HAP_PROT_READ	1
#define HAP_PROT_WRITE	2

/* The buffer's first byte, or (void *)-1. `addr`, `flags` and `offset` are to be 0; `len` at most
 * the buffer's size. Each success asks for one HAP_munmap() of what it returned. */
void *HAP_mmap(void *addr, int len, int prot, int flags, int fd, long offset);
int HAP_munmap(void *addr, int len);

/* The same by reference: each get asks for one put. `vaddr` and `paddr` may be NULL; paddr is the
 * address in the DSP's context bank. */
int HAP_mmap_get(int fd, void **vaddr, uint64_t *paddr);
int HAP_mmap_put(int fd);

/* How long the buffer under a key is. */
int adsp_mmap_fd_getinfo(int fd, uint32_t *len);

#ifdef __cplusplus
}
#endif

#endif
