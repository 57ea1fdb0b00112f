/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Failures in words.
 */
#include "core/fail.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int qda_fail(struct qda_fail *fail, int code, const char *format, ...)
{
	va_list ap;

	/* Everything but the text, which is written right after: zeroing it would cost more than
	 * the rest. */
	fail->code = code;
	fail->aee = 0;
	fail->resource = NULL;
	fail->scope = NULL;
	fail->limit = 0;
	fail->used = 0;
	fail->retry_ms = 0;
	va_start(ap, format);
	vsnprintf(fail->text, sizeof(fail->text), format, ap);
	va_end(ap);
	return -code;
}

const char *qda_strerror(int err)
{
	const char *text = strerrordesc_np(-err);

	return text ? text : "unknown error";
}
