/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of the PD that has a name: buffers the host mapped under a key, and pieces of heap it
 * gave. One table a process. The orders thread writes, skels read through the HAP API; any thread.
 */
#pragma once

#include <stdint.h>

struct pd_order;

/* Do an order of the supervisor: 0 or a code of the DSP; *addr is the DSP address. */
uint32_t keys_order(const struct pd_order *order, uint64_t *addr);

/* 0, or AEE_ENOSUCHMAP. */
int keys_find(uint32_t key, uint32_t *addr, uint64_t *size);
