/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * libqdaclient: calls functions on a Hexagon DSP through the broker qdad.
 *
 * A minimal program:
 *
 *     struct qda_client *c; struct qda_session *s; struct qda_module *m; struct qda_error e;
 *     int64_t sum; int32_t v[4] = { 1, 2, 3, 4 };
 *     struct qda_arg args[] = { qda_in(v, sizeof(v)), qda_out(&sum, sizeof(sum)) };
 *
 *     if (qda_connect(NULL, "sum", &c, &e) || qda_session_open(c, NULL, &s, &e) ||
 *         qda_module_open(s, SUM_URI, &m, &e) || qda_invoke(m, 2, args, 2, NULL, &e))
 *             errx(1, "%s", e.text);
 *     printf("%lld\n", (long long)sum);
 *     qda_disconnect(c);
 *
 * with "file:///libqda_sum_skel.so?qda_sum_skel_handle_invoke&_modver=1.0" as SUM_URI. Build it
 * with `cc sum.c $(pkg-config --cflags --libs qdaclient)`; the header wants C11 or C++.
 *
 * Objects: a client is one connection. A session is one protection domain (PD) on the DSP: a
 * process of its own there, with its own address space. A module is a DSP library (skel) loaded in
 * a session. A buffer is memory that both sides see; it belongs to the client and may be used in
 * several sessions. Freeing an object frees what it holds, and that must then neither be used nor
 * closed any more: qda_session_close() frees the session's modules, qda_disconnect() everything
 * that was obtained through the client.
 *
 * Returns: 0, or a negative errno; where a struct qda_error is given (it may be NULL) it is filled
 * on failure with the reason in words. Errors worth knowing: -ECONNREFUSED, -ENOENT no broker
 * there; -EDQUOT a quota (error.resource says which); -EUSERS no context bank is free; -ETIME the
 * deadline passed; -ECANCELED cancelled; -ECONNRESET the PD or the broker is gone; -EREMOTEIO the
 * DSP refused or the method returned non-zero (error.dsp_result); -EMSGSIZE too much is passed by
 * value; -EINVAL, -ENOENT, -EACCES as usual. Texts count arguments from 0, like the array.
 *
 * Threads: all functions may be called from any thread on the same client at the same time, except
 * that an object must not be freed while another thread uses it. No threads are started, no signal
 * handlers installed, nothing is printed, the program is never ended. After fork() the child must
 * not use the parent's client: calls there return -ECHILD (free with qda_disconnect(), which then
 * only releases memory).
 *
 * Callbacks run on whichever thread is inside the library at that time: in qda_dispatch(), or in
 * any function that waits for the broker, those that close and free included. That of a call may
 * use the library freely, and wait: other callbacks of the client then run when it has returned.
 * But there is no qda_dispatch() in it (-EDEADLK), and no qda_disconnect(). That of qda_log() must
 * not wait either (-EDEADLK).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default)

#ifdef __cplusplus
extern "C" {
#endif

struct qda_client;
struct qda_session;
struct qda_module;
struct qda_buffer;

/** Why a call failed. Owned by the caller, filled only on failure, never allocated. */
struct qda_error {
	int code;	      /**< negative errno, the same as returned */
	int32_t dsp_result;   /**< what the method returned (qda_invoke: -EREMOTEIO), else 0 */
	uint32_t aee;	      /**< FastRPC code (0x80000406: not loadable, ...), 0: none */
	char resource[32];    /**< quota that refused: "sessions", "buffer_bytes", ...; or "" */
	uint64_t limit, used; /**< of that quota */
	char text[512];	      /**< for a person: what was wrong, value, limit, what to do */
};

/* --- connection --- */

/** Connect. `path` NULL: $QDAD_SOCKET, else /run/qdad/qdad.sock, else
 *  $XDG_RUNTIME_DIR/qdad/qdad.sock. `name` (may be NULL: the program's name) shows up in qdactl.
 *  Free with qda_disconnect(). */
int qda_connect(const char *path, const char *name, struct qda_client **out, struct qda_error *err);

/** Ends the connection and frees everything obtained through it: sessions, modules, buffers (their
 *  memory is unmapped), pending asynchronous calls (their callbacks are not called). NULL is fine.
 *  Returns NULL. */
struct qda_client *qda_disconnect(struct qda_client *client);

/** A domain as qdad describes it. */
struct qda_domain {
	char name[16];		/**< "cdsp" */
	char state[16];		/**< "up", "down", "starting" */
	char device[16];	/**< "soft", "accel" */
	uint32_t arch;		/**< 0x68 = Hexagon v68; 0 unknown */
	int unsigned_pd;	/**< 1: unprivileged sessions can be opened */
	uint32_t sessions_max, sessions;
	uint32_t in_flight, queued;
	uint64_t calls, busy_ns;
};

/** Fill at most `max` elements; returns how many domains there are (may be more), or a negative
 * errno. */
int qda_domains(struct qda_client *client, struct qda_domain *domains, size_t max,
		struct qda_error *err);

/* --- sessions --- */

/** Options of a session; zero-initialise. */
struct qda_session_options {
	/** NULL: the first one that qdad has. */
	const char *domain;
	/** NULL-terminated list of at most 8 directories searched first for modules, opened
	 *  by this call, with the rights of the program. -EPERM: this broker takes none from this
	 *  program (a software DSP, and dirs=yes in the policy, are needed). May be NULL. */
	const char *const *module_dirs;
	/** How long to wait for a context bank when all of the domain are in use, or the last ones
	 *  are for users that have none; 0: not at all (-EUSERS). Waiting is in fair order: who
	 *  holds the fewest comes first. */
	uint32_t wait_ms;
	/** End the session (-ECONNRESET for its calls) when a call of it holds the DSP longer than
	 *  this; 0, or what is more than the domain's own limit: that limit. Parked calls may. */
	uint32_t hang_ms;
	/** 1: a PD with the rights of signed ones; only by policy (-EACCES otherwise). */
	int privileged;
};

/** Open a PD on a DSP. `options` may be NULL. */
int qda_session_open(struct qda_client *client, const struct qda_session_options *options,
		     struct qda_session **out, struct qda_error *err);

/** End the PD, whatever runs in it. Calls in flight end with -ECANCELED; their callbacks may run
 *  before this returns. Frees the session and its modules. NULL is fine. Returns NULL. */
struct qda_session *qda_session_close(struct qda_session *session);

/** 1 while the PD lives as far as is known, 0 after it was lost; `err` (may be NULL) then gets the
 *  reason: signal, module, method. In a forked child it is 0, with -ECHILD in err->code. A lost
 *  session must still be closed; open a new one to go on. */
int qda_session_alive(struct qda_session *session, struct qda_error *err);

/** Lines that skels log (FARF, HAP_debug) arrive here. Level: 0 low, 1 medium, 2 high, 3 error,
 *  4 fatal. Text: "FILE.c:LINE: what the skel said", cut at 1023 bytes. `dropped`: lines lost
 *  before this one. fn NULL: no more. What a skel prints with printf() goes nowhere. */
typedef void (*qda_log_fn)(void *data, struct qda_session *session, unsigned level,
			   const char *text, unsigned dropped);
int qda_log(struct qda_client *client, qda_log_fn fn, void *data, struct qda_error *err);

/* --- buffers --- */

/** Memory that both sides see, mapped here once; `size` > 0, rounded up to pages, zeroed. It may
 *  be used in all sessions of the domain (`domain` NULL: the first one). */
int qda_buffer_alloc(struct qda_client *client, const char *domain, size_t size,
		     struct qda_buffer **out, struct qda_error *err);

enum qda_buffer_flags { QDA_BUFFER_READ_ONLY = 1 /**< the DSP may only read it */ };

/** The same for memory that exists: a memfd with F_SEAL_SHRINK (or, on a board, a dma-buf). fd
 *  stays the caller's. size 0: all of it, for a memfd whose size is a multiple of 4096; other sizes
 *  are rounded up to pages, which must be there (-ERANGE). It is mapped here too when its access
 *  mode allows it, else qda_buffer_data() is NULL. */
int qda_buffer_import(struct qda_client *client, const char *domain, int fd, size_t size,
		      unsigned flags, struct qda_buffer **out, struct qda_error *err);

void *qda_buffer_data(const struct qda_buffer *buffer);
size_t qda_buffer_size(const struct qda_buffer *buffer);
/** A descriptor of the memory, to be shared with other processes; the library's own: duplicate it
 * to keep it. */
int qda_buffer_fd(const struct qda_buffer *buffer);

/** Free and unmap. Calls in flight keep the DSP's view until they end. NULL is fine. Returns NULL.
 */
struct qda_buffer *qda_buffer_free(struct qda_buffer *buffer);

/** Show a buffer to the skels of a session under a number that travels in payload (HAP_mmap(key),
 *  dmahandle arguments). key 0..0x3fffffff, one use per session; offset and size page multiples,
 *  size 0: to the end. dsp_addr may be NULL. Buffers that are only arguments need no map. */
int qda_buffer_map(struct qda_session *session, struct qda_buffer *buffer, uint32_t key,
		   size_t offset, size_t size, uint64_t *dsp_addr, struct qda_error *err);
int qda_buffer_unmap(struct qda_session *session, uint32_t key, struct qda_error *err);

/* --- modules and calls --- */

/** Load a skel: "file:///libNAME_skel.so?NAME_skel_handle_invoke&_modver=1.0", or just "NAME" for
 *  the older kind (library libNAME_skel.so, symbol NAME_skel_invoke). What begins with & is not
 *  needed to find the function: the skel's open gets the whole URI and may look at it.
 *  `_modver=1.0` is what IDL compilers write there, the version of this way of opening modules;
 *  real DSPs ask for it, the software DSP does not. A refusal of the DSP is -EREMOTEIO with its
 *  code in err->aee and its words, which name every path tried, in err->text. */
int qda_module_open(struct qda_session *session, const char *uri, struct qda_module **out,
		    struct qda_error *err);
/** Have the skel close it, and free it. NULL is fine. Returns NULL. */
struct qda_module *qda_module_close(struct qda_module *module);

enum qda_arg_type {
	QDA_IN,			/* bytes to the DSP, copied with the message */
	QDA_OUT,		/* bytes from the DSP, copied with the reply */
	QDA_IN_BUFFER,		/* part of a buffer, read by the DSP: never copied */
	QDA_OUT_BUFFER,		/* part of a buffer, written by the DSP: never copied */
	QDA_IN_KEY,		/* IDL dmahandle: part of a buffer mapped under a key */
	QDA_IN_NUMBER,		/* any number where the method takes a handle */
	QDA_IN_MODULE,		/* a module of this session */
	QDA_OUT_MODULE,		/* a remote handle that the method makes: becomes a module */
	QDA_OUT_NUMBER,		/* a number where the method gives a handle */
};

/** One argument. Make them with the functions below. They stand in the order of FastRPC: all in,
 *  all out, handles in, handles out. IN and OUT together are limited to 61440 bytes a call: use
 *  buffers for what is large. */
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

static inline struct qda_arg qda_in(const void *data, size_t length)
{
	struct qda_arg a = { QDA_IN, 0, { 0 }, 0, length };
	a.in = data;
	return a;
}

static inline struct qda_arg qda_out(void *data, size_t length)
{
	struct qda_arg a = { QDA_OUT, 0, { 0 }, 0, length };
	a.out = data;
	return a;
}

static inline struct qda_arg qda_in_buffer(const struct qda_buffer *buffer, size_t offset,
					   size_t length)
{
	struct qda_arg a = { QDA_IN_BUFFER, 0, { 0 }, offset, length };
	a.buffer = buffer;
	return a;
}

static inline struct qda_arg qda_out_buffer(const struct qda_buffer *buffer, size_t offset,
					    size_t length)
{
	struct qda_arg a = { QDA_OUT_BUFFER, 0, { 0 }, offset, length };
	a.buffer = buffer;
	return a;
}

static inline struct qda_arg qda_in_key(uint32_t key, size_t offset, size_t length)
{
	struct qda_arg a = { QDA_IN_KEY, key, { 0 }, offset, length };
	return a;
}

static inline struct qda_arg qda_in_number(uint64_t number)
{
	struct qda_arg a = { QDA_IN_NUMBER, 0, { 0 }, 0, 0 };
	a.number = number;
	return a;
}

static inline struct qda_arg qda_in_module(const struct qda_module *module)
{
	struct qda_arg a = { QDA_IN_MODULE, 0, { 0 }, 0, 0 };
	a.module = module;
	return a;
}

static inline struct qda_arg qda_out_module(struct qda_module **module)
{
	struct qda_arg a = { QDA_OUT_MODULE, 0, { 0 }, 0, 0 };
	a.out_module = module;
	return a;
}

static inline struct qda_arg qda_out_number(uint64_t *number)
{
	struct qda_arg a = { QDA_OUT_NUMBER, 0, { 0 }, 0, 0 };
	a.out_number = number;
	return a;
}

enum qda_priority {
	QDA_PRIORITY_LOW = -1,	  /**< after the other calls of the same user */
	QDA_PRIORITY_NORMAL = 0,
	QDA_PRIORITY_HIGH = 1,	  /**< before the other calls of the same user */
	QDA_PRIORITY_URGENT = 2,  /**< before those of other users, too; only by policy */
};

/** Options of one call; zero-initialise. In: timeout, priority, parked. Out: times. */
struct qda_call_options {
	/** In: 0 none. Expired: -ETIME. A method that runs already cannot be stopped: it goes on,
	 *  abandoned. Until it returns or its session is closed it may still read and write the
	 *  buffers of its arguments (QDA_OUT memory is no longer touched), and it keeps its place
	 *  among the calls that its session may have on the DSP (session_in_flight of the broker,
	 *  32 as a rule) and among the connection's calls. When abandoned calls hold all places the
	 *  session takes no more: close it. */
	uint64_t timeout_us;
	int priority; /**< in: enum qda_priority */
	/** In: 1: the method waits for something outside the DSP (a listener, a queue): the call
	 *  takes no slot from others and may run for as long as it likes; only by policy (EACCES).
	 *  How many of these there may be has a limit of its own. */
	int parked;
	uint64_t dsp_ns;   /**< out: time holding a DSP slot; 0 if the call was given up */
	uint64_t queue_ns; /**< out: time waiting for one; 0 if the call was given up */
};

/** Call method `method` and wait. Methods of a handle interface begin at 2; 0 and 1 are its open
 *  and close, which qda_module_open() and qda_module_close() call. They are not refused here: in
 *  interfaces of the older kind they are methods like any other. Methods from 31 on do not fit the
 *  wire's 5 bits and are sent as 31: the first in argument must then begin with the number as u32,
 *  as stubs of the IDL compiler arrange it (checked: -EINVAL). Returns 0 when the method returned
 *  0; -EREMOTEIO when it returned something else (err->dsp_result), outputs are then not touched.
 *  `options` may be NULL. */
int qda_invoke(struct qda_module *module, uint32_t method, const struct qda_arg *args,
	       unsigned n_args, struct qda_call_options *options, struct qda_error *err);

/* --- asynchronous form --- */

struct qda_call;

/** The outcome of an asynchronous call. `err` is NULL on success. Called once; see "Callbacks" at
 *  the top. The call is gone when it returns. */
typedef void (*qda_call_fn)(void *data, const struct qda_error *err,
			    const struct qda_call_options *times);

/** Start a call. What `args` points at for IN is copied before return, what it points at for OUT
 *  must stay until the callback. `out` (may be NULL) names the call for qda_cancel(). -EAGAIN: too
 *  much is on its way, dispatch first; as a rule that are 256 calls (`calls` of the broker's
 *  [connection]). Others of the same user, and abandoned calls, count at the broker too: then the
 *  callback gets -EDQUOT. */
int qda_submit(struct qda_module *module, uint32_t method, const struct qda_arg *args,
	       unsigned n_args, const struct qda_call_options *options, qda_call_fn fn, void *data,
	       struct qda_call **out, struct qda_error *err);

/** Give a submitted call up; its callback comes with -ECANCELED unless it had ended already. A
 *  call that waits is dropped, one that runs is abandoned (see timeout_us). Only valid until the
 *  callback. Returns at once; -EAGAIN: too much is on its way, dispatch first. */
int qda_cancel(struct qda_client *client, struct qda_call *call);

/** For an event loop: poll this for reading, then call qda_dispatch(). -ECHILD in a forked
 *  child. */
int qda_fd(const struct qda_client *client);

/** Take in what has arrived and call callbacks. Waits for something at most timeout_ms (0 not at
 *  all, -1 without limit) when nothing is there. Returns how many calls ended, or a negative errno
 *  (-ECONNRESET: the broker is gone; all calls have got their callback; -EDEADLK: in a callback of
 *  this client). */
int qda_dispatch(struct qda_client *client, int timeout_ms);

/* --- texts --- */

/** A FastRPC code in words ("0xe AEE_EBADPARM: bad parameter"), or "unknown code".
 * Static. */
const char *qda_strcode(uint32_t aee);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop
