/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a PD's calls come from and where its answers go. The core (worker, call, module, handle)
 * knows this table and nothing of sockets or devices. All functions may be called from any thread
 * at once.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct fastrpc_msg;
struct transport;

struct transport_ops {
	/* Wait for a call and all that must precede it. 1, or 0 when there will be no more. */
	int (*next)(struct transport *t, struct fastrpc_msg *msg);
	/* Answer it. A host that is gone is not an error: next() says so. */
	void (*reply)(struct transport *t, uint64_t ctx, int32_t retval);
	/* A line for the host; lost when the host does not read. */
	void (*log)(struct transport *t, uint32_t level, const char *text, size_t n);
	/* How many of `want` bytes at a DSP address can be read. */
	uint64_t (*readable)(struct transport *t, uint32_t addr, uint64_t want);
};

struct transport {
	const struct transport_ops *ops;
	uint8_t *base; /* DSP address a is at base + (uint32_t)a */
	int32_t client;
	uint32_t bank;
};

/* One of these a process. Both adopt `fd` and take 4 GiB of addresses. 0 or -errno. */

/* A socket that speaks wire.h. */
int transport_socket_init(int fd, int32_t client, uint32_t bank, uint32_t max_threads,
			  struct transport **out);

/* A PD file of a virtual DSP. */
int transport_vdsp_init(int fd, int32_t client, uint32_t bank, struct transport **out);
