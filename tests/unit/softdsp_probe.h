/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of the software DSP and their skel agree on.
 */
#pragma once

#include <stdint.h>

enum probe_method {
	PROBE_INVERT = 2,	/* in bytes; out the same, inverted */
	PROBE_ATTEMPT = 3,	/* in u32 enum probe_attempt; out i32: 0 it went, or errno */
	PROBE_DIE = 4,		/* in u32: a signal, or enum probe_die */
	PROBE_RENDEZVOUS = 5,	/* in u32 n: returns when n calls are in it */
	PROBE_KEY = 6,		/* out struct probe_key; in handle: a key. Inverts bytes[0] */
	PROBE_DERIVE = 7,	/* out handles */
	PROBE_SELF = 8,		/* out u64: the handle's value as the skel sees it */
	PROBE_SHOW_HANDLE = 9,	/* out u64: the in handle's value as the skel sees it */
	PROBE_LOG = 10,		/* in u32 level, text */
	PROBE_RETURN = 11,	/* in u32: what to return */
	PROBE_CLOSED = 12,	/* out u32: closes since the library was loaded */
	PROBE_CLOCKS = 13,	/* out u64[3]: us, qtimer, cycles */
	PROBE_FLOOD = 14,	/* in u32: so many log lines */
	PROBE_SPIN = 15,	/* never returns */
	PROBE_OVERWRITE = 16,	/* in bytes: overwrites the page before the one they are in */
	PROBE_DIE_ESCAPED = 40, /* in u32 40; in u32 as DIE */
};

enum probe_die { PROBE_DIE_EXIT = 1000, PROBE_DIE_QUICK };

enum probe_attempt {
	PROBE_OPEN_READ, PROBE_OPEN_WRITE, PROBE_OPEN_LIBRARY, PROBE_SOCKET, PROBE_CONNECT,
	PROBE_FORK, PROBE_CLONE3, PROBE_EXEC, PROBE_KILL_PARENT, PROBE_TGKILL_PARENT, PROBE_PTRACE,
	PROBE_READ_PARENT, PROBE_MOUNT, PROBE_UNSHARE, PROBE_IO_URING, PROBE_MEMFD,
	PROBE_SIGNAL_OWNER, PROBE_DIRECTORY, PROBE_UNLINK, PROBE_MAP_SHARED, PROBE_MAP_GROWING,
	PROBE_MAP_MUCH, PROBE_MAP_LITTLE, PROBE_THREAD, PROBE_PRCTL,
};

struct probe_key {
	uint32_t length;
	uint32_t offset;
	uint64_t address;
	uint8_t bytes[8];
};
