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
#define BOTH(host, dsp, name, text)                                                                \
	{ host, #host " " name ": " text },                                                        \
	{                                                                                          \
		dsp, #dsp " " name ": " text " (said by the DSP)"                                  \
	}

static const struct code codes[] = {
	{ 0x0, "0x0 AEE_SUCCESS: success" },
	BOTH(0x1, 0x80000401, "AEE_EFAILED", "general failure"),
	BOTH(0x2, 0x80000402, "AEE_ENOMEMORY", "out of memory"),
	BOTH(0x3, 0x80000403, "AEE_ECLASSNOTSUPPORT", "class not supported"),
	BOTH(0x4, 0x80000404, "AEE_EVERSIONNOTSUPPORT", "version not supported"),
	BOTH(0x5, 0x80000405, "AEE_EALREADYLOADED", "already loaded"),
	BOTH(0x6, 0x80000406, "AEE_EUNABLETOLOAD",
	     "the library could not be loaded: it is missing, made for another architecture, or "
	     "not signed"),
	BOTH(0x7, 0x80000407, "AEE_EUNABLETOUNLOAD", "the library could not be unloaded"),
	BOTH(0x8, 0x80000408, "AEE_EALARMPENDING", "an alarm is pending"),
	BOTH(0x9, 0x80000409, "AEE_EINVALIDTIME", "invalid time"),
	BOTH(0xa, 0x8000040a, "AEE_EBADCLASS", "bad class"),
	BOTH(0xb, 0x8000040b, "AEE_EBADMETRIC", "bad metric"),
	BOTH(0xc, 0x8000040c, "AEE_EEXPIRED", "expired, or no session left"),
	BOTH(0xd, 0x8000040d, "AEE_EBADSTATE", "bad state: the protection domain is gone"),
	BOTH(0xe, 0x8000040e, "AEE_EBADPARM", "bad parameter"),
	BOTH(0xf, 0x8000040f, "AEE_ESCHEMENOTSUPPORTED", "scheme not supported"),
	BOTH(0x10, 0x80000410, "AEE_EBADITEM", "malformed item"),
	BOTH(0x11, 0x80000411, "AEE_EINVALIDFORMAT", "invalid format"),
	BOTH(0x12, 0x80000412, "AEE_EINCOMPLETEITEM", "incomplete item"),
	BOTH(0x13, 0x80000413, "AEE_ENOPERSISTMEMORY", "no persistent memory left"),
	BOTH(0x14, 0x80000414, "AEE_EUNSUPPORTED", "not supported"),
	BOTH(0x15, 0x80000415, "AEE_EPRIVLEVEL", "not enough privilege"),
	BOTH(0x16, 0x80000416, "AEE_ERESOURCENOTFOUND", "resource not found"),
	BOTH(0x17, 0x80000417, "AEE_EREENTERED", "entered again"),
	BOTH(0x18, 0x80000418, "AEE_EBADTASK", "bad task"),
	BOTH(0x19, 0x80000419, "AEE_EALLOCATED", "still allocated"),
	BOTH(0x1a, 0x8000041a, "AEE_EALREADY", "already done"),
	BOTH(0x1b, 0x8000041b, "AEE_EADSAUTHBAD", "authentication failed"),
	BOTH(0x1c, 0x8000041c, "AEE_ENEEDSERVICEPROG", "needs service programming"),
	BOTH(0x1d, 0x8000041d, "AEE_EMEMPTR", "bad memory pointer"),
	BOTH(0x1e, 0x8000041e, "AEE_EHEAP", "the heap is damaged"),
	BOTH(0x1f, 0x8000041f, "AEE_EIDLE", "idle"),
	BOTH(0x20, 0x80000420, "AEE_EITEMBUSY", "the item is busy"),
	BOTH(0x21, 0x80000421, "AEE_EBADSID", "bad session id"),
	BOTH(0x22, 0x80000422, "AEE_ENOTYPE", "no such type"),
	BOTH(0x23, 0x80000423, "AEE_ENEEDMORE", "needs more data"),
	BOTH(0x24, 0x80000424, "AEE_EADSCAPS", "capability missing"),
	BOTH(0x25, 0x80000425, "AEE_EBADSHUTDOWN", "bad shutdown"),
	BOTH(0x26, 0x80000426, "AEE_EBUFFERTOOSMALL", "buffer too small"),
	BOTH(0x28, 0x80000428, "AEE_EACKPENDING", "acknowledgement pending"),
	BOTH(0x29, 0x80000429, "AEE_ENOTOWNER", "not the owner"),
	BOTH(0x2a, 0x8000042a, "AEE_EINVALIDITEM", "invalid item"),
	BOTH(0x2b, 0x8000042b, "AEE_ENOTALLOWED", "not allowed"),
	BOTH(0x2c, 0x8000042c, "AEE_EINVHANDLE", "invalid handle"),
	BOTH(0x2d, 0x8000042d, "AEE_EOUTOFHANDLES", "no handle left"),
	BOTH(0x2f, 0x8000042f, "AEE_ENOMORE", "no more items"),
	BOTH(0x30, 0x80000430, "AEE_ECPUEXCEPTION", "the DSP had a CPU exception"),
	BOTH(0x31, 0x80000431, "AEE_EREADONLY", "read only"),
	BOTH(0x42, 0x80000442, "AEE_ENOSUCHSYMBOL", "no such symbol in the library"),
	BOTH(0x48, 0x80000448, "AEE_ENOSUCHMAP", "no such map"),
	BOTH(0x4b, 0x8000044b, "AEE_EBADDOMAIN", "no such DSP domain"),
	BOTH(0x4e, 0x8000044e, "AEE_EBADPERMS", "no permission"),
	BOTH(0x6b, 0x8000046b, "AEE_ENOTINITIALIZED", "not initialized"),
	BOTH(0x72, 0x80000472, "AEE_ECONNREFUSED", "connection refused: no DSP or no broker"),
	BOTH(0x8a, 0x8000048a, "AEE_ENOSESSION", "no session is free"),
	BOTH(0x183, 0x80000583, "AEE_EBUSY", "busy"),
	BOTH(0x194, 0x80000594, "AEE_ESTUBSKELVERMISMATCH",
	     "stub and skel were made from different versions of the interface"),
	BOTH(0x200, 0x80000600, "AEE_ERPC", "the remote call itself failed"),
	BOTH(0x201, 0x80000601, "AEE_EFILE", "file error"),
	/* These have no offset on either side. */
	{ 39, "0x27 AEE_ENOSUCH: no such thing" },
	{ 46, "0x2e AEE_EINTERRUPTED: interrupted" },
	{ 104, "0x68 AEE_ECONNRESET: connection reset: the protection domain or the DSP is gone" },
	{ 516, "0x204 AEE_EWOULDBLOCK: would block" },
};

const char *qda_strcode(uint32_t aee)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].aee == aee)
			return codes[i].text;
	return "unknown code";
}
