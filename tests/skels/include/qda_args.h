/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libqda_args_skel: one method for every kind of argument FastRPC has, so that a test can compare
 * what arrived with what was sent, byte for byte. Method numbers and layouts, for callers and for
 * the skel itself.
 */
#pragma once

#include <stdint.h>

#define QDA_ARGS_URI "file:///libqda_args_skel.so?qda_args_skel_handle_invoke&_modver=1.0"

enum qda_args_method {
	/* in 0..n-1, out 0..n-1 (n up to 255), each out as long as its in: a copy. */
	QDA_ARGS_ECHO = 2,
	/* in 0..n-1; out 0: struct qda_args_sum over all bytes of all in buffers, in order. */
	QDA_ARGS_CHECKSUM = 3,
	/* in 0: struct qda_args_fill; out 0..n-1: byte i of buffer k becomes qda_args_byte(seed,
	 * k, i). */
	QDA_ARGS_FILL = 4,
	/* in 0..n-1, out 0..m-1: the last out buffer gets n + m struct qda_args_view, how the
	 * skel sees each of them. */
	QDA_ARGS_VIEW = 5,
	/* in 0, out 0 of one length, which may overlap: out = in with one added to each byte, as
	 * if the whole input had been read first. */
	QDA_ARGS_ADD_ONE = 6,
	/* in 0: int32_t start; out handle 0: a counter, closed like a module. */
	QDA_ARGS_COUNTER_NEW = 7,
	/* On a counter. in 0: int32_t by; out 0: int32_t, its new value. */
	QDA_ARGS_COUNTER_ADD = 8,
	/* in handles 0..n-1 (numbers), out handles 0..m-1; out 0: uint64_t[n], the skel's values
	 * of them. Out handle k gets the value of in handle k, or QDA_ARGS_NUMBER + k when there
	 * is none; to the host it is a remote handle that names this value. */
	QDA_ARGS_HANDLES = 9,
	/* in handle 0 (a key), in 0: uint32_t length; out 0: struct qda_args_key. */
	QDA_ARGS_KEY_SUM = 10,
	/* in 0: struct qda_args_key_fill, which names a key in the payload; fills as
	 * QDA_ARGS_FILL does. */
	QDA_ARGS_KEY_FILL = 11,
	/* in 0: uint32_t microseconds to spend; out 0: struct qda_args_time. */
	QDA_ARGS_TIME = 12,
	/* in 0: struct qda_args_log, in 1: text with NUL: that many lines in the log, "TEXT N". */
	QDA_ARGS_LOG = 13,
	/* out 0: uint32_t, objects (modules and counters) that are open in this PD. */
	QDA_ARGS_OBJECTS = 14,
	/* Travels as method 31. in 0: struct qda_args_extended; out 0: int32_t, a - b. */
	QDA_ARGS_EXTENDED = 40,
};

#define QDA_ARGS_NUMBER 0x123456789abcdef0ull

struct qda_args_sum {
	uint64_t bytes;
	uint64_t fnv;		/* qda_args_fnv() */
};

struct qda_args_fill {
	uint32_t seed;
};

struct qda_args_view {
	uint32_t length;
	uint32_t misalign;	/* address modulo 4096; 0 when there are no bytes */
	int64_t distance;	/* address less that of buffer 0; 0 when there are no bytes */
};

struct qda_args_key {
	uint32_t key;		/* as the skel was given it */
	uint32_t offset;
	uint32_t size;		/* adsp_mmap_fd_getinfo() */
	uint32_t pad;
	uint64_t fnv;		/* of length bytes from offset on */
};

struct qda_args_key_fill {
	uint32_t key;
	uint32_t offset;
	uint32_t length;
	uint32_t seed;
};

struct qda_args_time {
	uint64_t before_us, after_us;	/* HAP_perf_get_time_us() */
	uint64_t before_ticks, after_ticks;
	uint64_t before_cycles, after_cycles;
};

struct qda_args_log {
	uint32_t text_length;	/* with NUL */
	uint32_t level;		/* 0 low .. 4 fatal */
	uint32_t lines;
};

struct qda_args_extended {
	uint32_t method;	/* QDA_ARGS_EXTENDED */
	int32_t a, b;
};

#define QDA_ARGS_FNV_START 0xcbf29ce484222325ull

/* FNV-1a. Start with QDA_ARGS_FNV_START, go on with the result. */
static inline uint64_t qda_args_fnv(uint64_t fnv, const void *data, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		fnv = (fnv ^ ((const uint8_t *)data)[i]) * 0x100000001b3ull;
	return fnv;
}

static inline uint8_t qda_args_byte(uint32_t seed, uint32_t buffer, uint32_t i)
{
	return (uint8_t)(seed + buffer * 31 + i * 7 + (i >> 8) * 13);
}
