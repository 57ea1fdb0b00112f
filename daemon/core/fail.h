/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why a request was refused or failed, in the form that every front turns into its own (Status,
 * D-Bus error). On the stack of whoever asks; never allocated. The functions return the negative
 * errno, so that `return qda_fail(...)` reads well.
 */
#pragma once

#include <stdint.h>

struct qda_fail {
	int code;		/* positive errno; 0 success */
	uint32_t aee;		/* FastRPC code, 0 none */
	const char *resource;	/* static strings, NULL none */
	const char *scope;
	uint64_t limit;
	uint64_t used;
	uint32_t retry_ms;
	char text[512];
};

/* One sentence: what was wrong, the value, the limit, what to do. `code` is a positive errno. */
int qda_fail(struct qda_fail *fail, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A negative errno in words, for the end of such a sentence. Static text. */
const char *qda_strerror(int err);
