/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counts loads from memory, one instruction at a time: the pages are taken away, each access
 * faults, is counted by its address and let through as a single step. So a test can say "read once"
 * and be certain, where a second thread that scribbles could only be lucky. One counter a process,
 * one thread; x86-64 only.
 */
#pragma once

#include <stddef.h>

#if defined(__x86_64__)
#define LOAD_COUNT_WORKS 1
#else
#define LOAD_COUNT_WORKS 0
#endif

#define LOAD_COUNT_MAX 65536 /* bytes watched */

/* Watch `size` bytes of whole pages until load_count_stop(); counts begin at 0. */
void load_count_start(void *pages, size_t size);
void load_count_stop(void);

/* How often the most loaded address was loaded, and how many addresses were loaded at all. */
unsigned load_count_most(void);
unsigned load_count_addresses(void);
