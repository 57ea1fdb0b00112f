/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Remote handles of the PD: 32 bits, index and generation with the top bit set, so that none is
 * ever a static handle and a closed one is not found again. One table a process; any thread.
 */
#pragma once

#include <stdint.h>

struct module;

#define HANDLES_MAX 4096u

/* Take `n` free places at once, all or none. 0 or -ENOSPC. */
int handle_reserve(uint32_t *out, uint32_t n);

/* A reserved place begins to name (module, value) and holds a reference of its own. */
void handle_open(uint32_t handle, struct module *module, uint64_t value);

/* A reserved place is free again. */
void handle_cancel(uint32_t handle);

/* What an open handle names, with a reference to the module. 0 or -ENOENT. */
int handle_get(uint32_t handle, struct module **module, uint64_t *value);

/* The handle is not found any more; its reference becomes the caller's. 0 or -ENOENT. */
int handle_close(uint32_t handle, struct module **module, uint64_t *value);
