/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Errors in words, and FastRPC's codes. No state.
 */
#include "internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Cut a text that did not fit at a whole character. */
static void trim(char *text, size_t n)
{
	while (n && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
		n--;
	if (n && ((unsigned char)text[n - 1] & 0x80))
		n--;
	text[n] = '\0';
}

int qda_fail(struct qda_error *err, int code, const char *format, ...)
{
	va_list args;
	int n;

	if (!err)
		return code;
	memset(err, 0, offsetof(struct qda_error, text));
	err->code = code;
	va_start(args, format);
	n = vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	if (n >= (int)sizeof(err->text))
		trim(err->text, sizeof(err->text) - 1);
	return code;
}

void qda_fail_hint(struct qda_error *err, const char *hint)
{
	size_t room = sizeof(err->text) - sizeof("... ") - strlen(hint), n = strlen(err->text);
	bool cut = n > room;

	if (cut) {
		trim(err->text, room);
		n = strlen(err->text);
	}
	snprintf(err->text + n, sizeof(err->text) - n, "%s %s", cut ? "..." : "", hint);
}

int qda_fail_status(struct qda_error *err, const struct qda_msg_status *status)
{
	int code = -(int)status->code;

	if (!err)
		return code;
	if (status->text[0])
		qda_fail(err, code, "%s", status->text);
	else if (status->aee)
		qda_fail(err, code, "%s (%s)", strerror((int)status->code),
			 qda_strcode(status->aee));
	else
		qda_fail(err, code, "%s", strerror((int)status->code));
	err->aee = status->aee;
	err->limit = status->limit;
	err->used = status->used;
	snprintf(err->resource, sizeof(err->resource), "%s", status->resource);
	return code;
}

struct code {
	uint32_t aee;
	const char *text;
};

/* A code as it is made on the host, and with the DSP's offset of 0x80000400 added. */
#define BOTH(host, dsp, text)                                                                      \
	{ host, #host ": " text }, { dsp, #dsp ": " text " (said by the DSP)" }

static const struct code codes[] = {
	{ 0x0, "0x0: success" },
	BOTH(0x1, 0x80000401, "general failure"),
	BOTH(0x2, 0x80000402, "out of memory"),
	BOTH(0x5, 0x80000405, "already loaded"),
	BOTH(0x6, 0x80000406,
	     "the library could not be loaded: it is missing, made for another architecture, or "
	     "not signed"),
	BOTH(0xc, 0x8000040c, "expired, or no session left"),
	BOTH(0xd, 0x8000040d, "bad state: the protection domain is gone"),
	BOTH(0xe, 0x8000040e, "bad parameter"),
	BOTH(0x14, 0x80000414, "not supported"),
	BOTH(0x1a, 0x8000041a, "already done"),
	BOTH(0x20, 0x80000420, "the item is busy"),
	BOTH(0x2c, 0x8000042c, "invalid handle"),
	BOTH(0x42, 0x80000442, "no such symbol in the library"),
	BOTH(0x48, 0x80000448, "no such map"),
	BOTH(0x4b, 0x8000044b, "no such DSP domain"),
	BOTH(0x4e, 0x8000044e, "no permission"),
	BOTH(0x6b, 0x8000046b, "not initialized"),
	BOTH(0x72, 0x80000472, "connection refused: no DSP or no broker"),
	BOTH(0x8a, 0x8000048a, "no session is free"),
	BOTH(0x183, 0x80000583, "busy"),
	BOTH(0x194, 0x80000594, "stub and skel were made from different versions of the interface"),
	BOTH(0x200, 0x80000600, "the remote call itself failed"),
	BOTH(0x201, 0x80000601, "file error"),
	/* These have no offset on either side. */
	{ 39, "0x27: no such thing" },
	{ 46, "0x2e: interrupted" },
	{ 104, "0x68: connection reset: the protection domain or the DSP is gone" },
	{ 516, "0x204: would block" },
};

const char *qda_strcode(uint32_t aee)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].aee == aee)
			return codes[i].text;
	return "unknown code";
}
