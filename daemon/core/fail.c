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

/* Everything but the text, which is written right after: zeroing it would cost more than the
 * rest. */
static void reset(struct qda_fail *fail, int code)
{
	fail->code = code;
	fail->aee = 0;
	fail->resource = NULL;
	fail->scope = NULL;
	fail->limit = 0;
	fail->used = 0;
	fail->retry_ms = 0;
}

int qda_fail(struct qda_fail *fail, int code, const char *format, ...)
{
	va_list ap;

	reset(fail, code);
	va_start(ap, format);
	vsnprintf(fail->text, sizeof(fail->text), format, ap);
	va_end(ap);
	return -code;
}

int qda_fail_quota(struct qda_fail *fail, const char *resource, const char *scope, uint64_t limit,
		   uint64_t used, uint64_t wanted)
{
	reset(fail, EDQUOT);
	fail->resource = resource;
	fail->scope = scope;
	fail->limit = limit;
	fail->used = used;
	snprintf(fail->text, sizeof(fail->text),
		 "quota of %s per %s: %" PRIu64 " wanted, %" PRIu64 " of %" PRIu64
		 " in use; free some, or raise %s in the configuration",
		 resource, scope, wanted, used, limit, resource);
	return -EDQUOT;
}

const char *qda_strerror(int err)
{
	const char *text = strerrordesc_np(-err);

	return text ? text : "unknown error";
}
