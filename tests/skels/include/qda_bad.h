/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libqda_bad_skel: does everything that a skel must not, when asked to. Method numbers and layouts,
 * for tests and for the skel itself. Opening it with another interface version than QDA_BAD_IDLVER
 * is refused, as code of the IDL compiler refuses it.
 */
#pragma once

#include <stdint.h>

#define QDA_BAD_URI "file:///libqda_bad_skel.so?qda_bad_skel_handle_invoke&_modver=1.0"
#define QDA_BAD_IDLVER "1.2.3"	/* QDA_BAD_URI "&_idlver=1.2.3" opens, "&_idlver=1.2.4" does not */

enum qda_bad_method {
	/* in 0: uint32_t signal. SIGSEGV reads address 0, SIGFPE divides by 0, SIGABRT calls
	 * abort(), SIGILL runs an invalid instruction; others are raised. */
	QDA_BAD_SIGNAL = 2,
	/* in 0: int32_t status: ends the process. */
	QDA_BAD_EXIT = 3,
	/* in 0: uint32_t milliseconds, QDA_BAD_FOREVER without end: asleep meanwhile. */
	QDA_BAD_HANG = 4,
	/* in 0: uint32_t milliseconds, likewise: burning time. */
	QDA_BAD_SPIN = 5,
	/* Any buffers: overwrites every page that one of them touches with QDA_BAD_BYTE, in and
	 * out alike, descriptors and what else lies there. */
	QDA_BAD_SCRIBBLE = 6,
	/* in 0: int32_t: returned as it is. */
	QDA_BAD_RETURN = 7,
	/* in 0: uint32_t beyond; out 0: writes its length and `beyond` bytes more of
	 * QDA_BAD_BYTE, and gives the argument a false address and length. */
	QDA_BAD_OVERRUN = 8,
	/* in 0: uint32_t threads; out 0: they write to it for ever, also after the call. */
	QDA_BAD_THREADS = 9,
	/* in 0: struct qda_bad_logs: that many lines of that length. */
	QDA_BAD_LOGS = 10,
	/* in 0: struct qda_bad_syscall; out 0: struct qda_bad_result. An argument QDA_BAD_IN1
	 * stands for the address of in 1 (at most one more in buffer). */
	QDA_BAD_SYSCALL = 11,
	/* in 0: uint64_t bytes; out 0: uint64_t, how many of them could be had and written. */
	QDA_BAD_EAT = 12,
	/* Any out handles: each becomes QDA_BAD_HANDLE, which nobody made. */
	QDA_BAD_HANDLES = 13,
};

#define QDA_BAD_FOREVER UINT32_MAX
#define QDA_BAD_BYTE 0xee
#define QDA_BAD_IN1 0x31626e695f716461ll
#define QDA_BAD_HANDLE 0xdeadbeefdeadbeefull

struct qda_bad_logs {
	uint32_t lines;
	uint32_t length;
};

struct qda_bad_syscall {
	int64_t number;
	int64_t args[6];
};

struct qda_bad_result {
	int64_t value;		/* what the call returned */
	int32_t error;		/* errno, when value is -1 */
	int32_t pad;
};
