/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of the software DSP share: a DSP of its own for each test, and calls of the probe
 * skel.
 */
#pragma once

#include "softdsp_host.h"
#include "softdsp_probe.h"

#define PROBE_ENTRY "?softdsp_probe_skel_handle_invoke&_modver=1.0"
#define PROBE_URI "file:///libsoftdsp_probe_skel.so" PROBE_ENTRY

extern struct host host;
extern char text[512]; /* what the last open or close of a module said */

/* The initial state is the options, NULL-terminated, or NULL. The end of a test is the end of all
 * processes and descriptors it had. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
#define T_WITH(f, options) { #f, f, fixture_setup, fixture_teardown, (void *)(options) }

/* Opens a session and the probe skel in it; returns the remote handle. */
uint32_t open_probe(struct session *s, uint32_t bank, int32_t client);

/* A method with one u32 in. */
uint32_t call_with(struct session *s, uint32_t handle, uint32_t method, uint32_t number);

/* A kilobyte goes there and comes back inverted. */
void assert_inverts(struct session *s, uint32_t handle);

/* The whole way from create to release is there. */
void assert_serves(uint32_t bank, int32_t client);

/* Control calls for a key of 8192 bytes at `addr`; *got as of host_control(). */
uint32_t map_key(uint32_t bank, int32_t client, int32_t key, uint32_t addr, uint64_t *got);
uint32_t unmap_key(uint32_t bank, int32_t client, int32_t key);
