# SPDX-License-Identifier: BSD-3-Clause
"""libqdaclient itself, by cffi: the declarations of <qda/client.h>, the library, and its errors.

Declarations stand here word for word as in the header; a test compares them. The library is looked for as every
program's libraries are, so a user of this package needs no compiler.
"""
from __future__ import annotations

import errno
import os
from typing import Any, Optional, Union

from cffi import FFI  # type: ignore[import]

LIBRARY = 'libqdaclient.so.0'

DECLARATIONS = """
struct qda_client;
struct qda_session;
struct qda_module;
struct qda_buffer;
struct qda_call;

struct qda_error {
	int code;
	int32_t dsp_result;
	uint32_t aee;
	char resource[32];
	uint64_t limit, used;
	char text[512];
};

struct qda_domain {
	char name[16];
	char state[16];
	char device[16];
	uint32_t arch;
	int unsigned_pd;
	uint32_t sessions_max, sessions;
	uint32_t in_flight, queued;
	uint64_t calls, busy_ns;
};

struct qda_session_options {
	const char *domain;
	const char *const *module_dirs;
	uint32_t wait_ms;
	uint32_t hang_ms;
	int privileged;
};

enum qda_arg_type {
	QDA_IN,
	QDA_OUT,
	QDA_IN_BUFFER,
	QDA_OUT_BUFFER,
	QDA_IN_KEY,
	QDA_IN_NUMBER,
	QDA_IN_MODULE,
	QDA_OUT_MODULE,
	QDA_OUT_NUMBER,
};

enum qda_buffer_flags { QDA_BUFFER_READ_ONLY = 1 };

struct qda_arg {
	enum qda_arg_type type;
	uint32_t key;
	union {
		const void *in;
		void *out;
		const struct qda_buffer *buffer;
		uint64_t number;
		const struct qda_module *module;
		struct qda_module **out_module;
		uint64_t *out_number;
	};
	size_t offset;
	size_t length;
};

enum qda_priority {
	QDA_PRIORITY_LOW = -1,
	QDA_PRIORITY_NORMAL = 0,
	QDA_PRIORITY_HIGH = 1,
	QDA_PRIORITY_URGENT = 2,
};

struct qda_call_options {
	uint64_t timeout_us;
	int priority;
	int parked;
	uint64_t dsp_ns;
	uint64_t queue_ns;
};

typedef void (*qda_log_fn)(void *data, struct qda_session *session, unsigned level,
			   const char *text, unsigned dropped);
typedef void (*qda_call_fn)(void *data, const struct qda_error *err,
			    const struct qda_call_options *times);

int qda_connect(const char *path, const char *name, struct qda_client **out, struct qda_error *err);
struct qda_client *qda_disconnect(struct qda_client *client);
int qda_domains(struct qda_client *client, struct qda_domain *domains, size_t max,
		struct qda_error *err);
int qda_session_open(struct qda_client *client, const struct qda_session_options *options,
		     struct qda_session **out, struct qda_error *err);
struct qda_session *qda_session_close(struct qda_session *session);
int qda_session_alive(struct qda_session *session, struct qda_error *err);
int qda_log(struct qda_client *client, qda_log_fn fn, void *data, struct qda_error *err);
int qda_buffer_alloc(struct qda_client *client, const char *domain, size_t size,
		     struct qda_buffer **out, struct qda_error *err);
int qda_buffer_import(struct qda_client *client, const char *domain, int fd, size_t size,
		      unsigned flags, struct qda_buffer **out, struct qda_error *err);
void *qda_buffer_data(const struct qda_buffer *buffer);
size_t qda_buffer_size(const struct qda_buffer *buffer);
int qda_buffer_fd(const struct qda_buffer *buffer);
struct qda_buffer *qda_buffer_free(struct qda_buffer *buffer);
int qda_buffer_map(struct qda_session *session, struct qda_buffer *buffer, uint32_t key,
		   size_t offset, size_t size, uint64_t *dsp_addr, struct qda_error *err);
int qda_buffer_unmap(struct qda_session *session, uint32_t key, struct qda_error *err);
int qda_module_open(struct qda_session *session, const char *uri, struct qda_module **out,
		    struct qda_error *err);
struct qda_module *qda_module_close(struct qda_module *module);
int qda_invoke(struct qda_module *module, uint32_t method, const struct qda_arg *args,
	       unsigned n_args, struct qda_call_options *options, struct qda_error *err);
int qda_submit(struct qda_module *module, uint32_t method, const struct qda_arg *args,
	       unsigned n_args, const struct qda_call_options *options, qda_call_fn fn, void *data,
	       struct qda_call **out, struct qda_error *err);
int qda_cancel(struct qda_client *client, struct qda_call *call);
int qda_fd(const struct qda_client *client);
int qda_dispatch(struct qda_client *client, int timeout_ms);
const char *qda_strcode(uint32_t aee);
"""

ffi: Any = FFI()
ffi.cdef(DECLARATIONS)


def _load() -> Any:
    try:
        return ffi.dlopen(LIBRARY)
    except OSError as e:
        why = str(e).split('.  ')[0]  # cffi adds where else it looked, which is of no use
        raise ImportError('%s: install qdad, or name its directory in LD_LIBRARY_PATH' % why) from None


lib: Any = _load()


class QdaError(OSError):
    """Why something failed.

    errno       as everywhere in Python: errno.EDQUOT, errno.ETIME (the deadline passed), errno.ECONNRESET (the
                session or the broker is gone), errno.EREMOTEIO (the DSP refused, or the method returned non-zero),
                errno.EBADF (closed before), ...; <qda/client.h> lists them
    text        for a person: what was wrong, the value, the limit, what to do; str() gives the same
    dsp_result  what the method returned (EREMOTEIO of a call), else 0
    aee         FastRPC's code, 0: none; strcode() puts it into words
    resource    the quota that refused: 'sessions', 'buffer_bytes', ...; or ''
    limit, used of that quota
    """
    dsp_result: int = 0
    aee: int = 0
    resource: str = ''
    limit: int = 0
    used: int = 0

    @property
    def text(self) -> str:
        return str(self.strerror)

    def __str__(self) -> str:
        return self.text


def text(string: Any) -> str:
    """Of a char[] or char *."""
    return str(ffi.string(string).decode(errors='replace'))


def error_of(err: Any) -> QdaError:
    """The exception for a struct qda_error that was filled."""
    e = QdaError(-err.code, text(err.text))
    e.dsp_result, e.aee = err.dsp_result, err.aee
    e.resource, e.limit, e.used = text(err.resource), err.limit, err.used
    return e


def error_code(code: int) -> QdaError:
    """The exception for a function that gives a negative errno and no text."""
    return QdaError(-code, os.strerror(-code))


def new_error() -> Any:
    return ffi.new('struct qda_error *')


def c_string(what: str, value: Optional[Union[str, bytes, 'os.PathLike[str]']]) -> Any:
    """A NUL-terminated copy, or NULL for None. ValueError: a NUL inside would end it early."""
    if value is None:
        return ffi.NULL
    data = os.fsencode(value)
    if b'\0' in data:
        raise ValueError('%s %r: no NUL is possible in it' % (what, value))
    return ffi.new('char[]', data)


def in_range(what: str, value: int, most: int) -> int:
    """Numbers that C would cut off, or cffi refuse without a word about which it was."""
    if not 0 <= value <= most:
        raise QdaError(errno.EINVAL, '%s %d: 0 to %d are possible' % (what, value, most))
    return value


def strcode(aee: int) -> str:
    """A FastRPC code in words, or 'unknown code'."""
    return text(lib.qda_strcode(aee & 0xffffffff))
