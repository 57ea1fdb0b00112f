/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One DSP domain as the daemon's core sees it: sessions (protection domains with a context bank),
 * buffers both sides see, calls. Implementations: soft (qda-softdsp over a socket) and, with the
 * driver, accel. The only layer that talks to a device. Nothing above knows which one it has.
 *
 * Every operation that waits for the DSP is start(op): it returns 0 when the operation was started,
 * and then exactly one completion arrives later through events->done, never from inside the
 * starting call. A negative return starts nothing and completes nothing. Cookies are the caller's
 * numbers, returned untouched; they are never pointers.
 *
 * Ownership: sessions and buffers are the device's objects. A session is gone after the completion
 * of session_close (also when it was lost before: a lost session must still be closed). Calls in
 * flight keep their buffers: the device takes its own references at submit.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uv_loop_s;
struct qda_device;
struct qda_device_session;
struct qda_device_buffer;

enum qda_device_state { QDA_DEVICE_DOWN, QDA_DEVICE_STARTING, QDA_DEVICE_UP };

/* What a device is and can do; valid while the state is UP. Some of it is known later: whoever
 * wants it as it is now asks again. */
struct qda_device_info {
	char name[16];			/* domain: "cdsp" */
	const char *kind;		/* "soft", "accel" */
	uint32_t arch;			/* 0x68 = v68; 0 unknown; accel: until a session was open */
	uint32_t sessions_max;		/* context banks */
	uint32_t sessions_lost;		/* of which are, since the DSP did not end their PDs */
	uint32_t calls_max;		/* in flight on the whole device */
	uint32_t session_calls_max;	/* in flight in one session */
	bool unsigned_pd;
	bool client_dirs;		/* session_open may carry module directories */
};

/* The outcome of a started operation. */
struct qda_device_done {
	/* 0, or why it did not happen: -ECONNRESET PD gone, -EPIPE DSP gone, -ECANCELED given up by
	 * close, -EREMOTEIO the DSP refused a control request. */
	int err;
	/* submit: what the method returned; control: the DSP's code with -EREMOTEIO. */
	int32_t result;
	uint64_t dsp_addr;		/* map */
	uint64_t out_handles[15];	/* submit with out handles: what the DSP left there */
};

struct qda_device_lost {
	uint32_t signal;		/* what killed it, 0 if none */
	const char *text;		/* "SIGSEGV in method 7 of libfoo_skel.so" */
	bool hung;			/* not the device says so, but core: it is ended */
};

/* What a skel logged. */
struct qda_log_line {
	uint32_t level;			/* as in HAP: 0 low .. 4 fatal */
	uint32_t dropped;		/* lines lost before this one */
	const char *text;		/* not terminated */
	size_t n;
};

/* How a device tells its owner. Called from the loop, never from inside an operation. */
struct qda_device_events {
	/* Completion of the operation started with `cookie`. */
	void (*done)(void *owner, uint64_t cookie, const struct qda_device_done *done);
	/* The PD behind an open session is gone. All its operations in flight were completed
	 * before, with -ECONNRESET (PD death) or -EPIPE (DSP gone); it is to be closed. */
	void (*lost)(void *owner, uint64_t session_cookie, const struct qda_device_lost *lost);
	/* A line that a skel of this session logged. */
	void (*log)(void *owner, uint64_t session_cookie, const struct qda_log_line *line);
	/* The DSP came up or went down; its sessions were reported lost before. */
	void (*state)(void *owner, enum qda_device_state state, const char *why);
};

struct qda_device_open {
	uint64_t session_cookie;	/* names the session in lost() and log() from its open on */
	const char *name;		/* what the PD is called: for people */
	const int *dir_fds;		/* client's module directories; duplicated before return */
	unsigned n_dirs;
	bool privileged;		/* signed PD; only policy sets it */
};

enum qda_device_arg_kind { QDA_DEVICE_ARG_BUFFER, QDA_DEVICE_ARG_KEY, QDA_DEVICE_ARG_NUMBER };

/* One argument of a call: no bytes, only places. Order: in buffers, out buffers, in handles, out
 * handles. */
struct qda_device_arg {
	struct qda_device_buffer *buffer;	/* BUFFER (NULL when length is 0) */
	uint64_t offset;			/* BUFFER, KEY; the device checks it again */
	uint64_t length;
	uint64_t number;	/* NUMBER (out handle: enum fastrpc_out_handle); KEY: the key */
	uint32_t kind;				/* enum qda_device_arg_kind */
};

struct qda_device_call {
	uint32_t handle;			/* wire handle: 0, 8, or one the DSP gave */
	uint32_t sc;
	const struct qda_device_arg *args;	/* as many as sc says; copied before return */
};

struct qda_device_ops {
	void (*info)(struct qda_device *dev, struct qda_device_info *out);

	/* Sessions. *out is valid at once for close only; for the rest after the completion with
	 * err 0. After a completion with an error the session is gone. -EUSERS: no context bank is
	 * free. -ENOTCONN: the DSP is not up. */
	int (*session_open)(struct qda_device *dev, const struct qda_device_open *open,
			    uint64_t cookie, struct qda_device_session **out);
	/* Ends the PD. Calls in flight complete with -ECANCELED first. Never fails, completes once;
	 * that may take as long as the DSP takes to answer, or until it is gone. */
	void (*session_close)(struct qda_device_session *session, uint64_t cookie);

	/* Buffers: no pages are taken here, so these do not block. Size is a page multiple, at most
	 * 4 GiB - 1 page. import duplicates fd; -EINVAL when it is not memory the DSP can be shown,
	 * -EPERM when it could shrink or lacks the access wanted, -ERANGE when it is smaller than
	 * size. -EAGAIN: many that were released are not closed yet. fd() lends the descriptor for
	 * passing to the client. */
	int (*buffer_create)(struct qda_device *dev, uint64_t size, struct qda_device_buffer **out);
	int (*buffer_import)(struct qda_device *dev, int fd, uint64_t size, bool read_only,
			     struct qda_device_buffer **out);
	int (*buffer_fd)(struct qda_device_buffer *buffer);
	/* Daemon-side view, for its own staging buffers only. NULL and errno on failure. */
	void *(*buffer_view)(struct qda_device_buffer *buffer);
	/* Drop the owner's reference. The mappings it has in sessions go when the last call that
	 * uses them has ended. */
	void (*buffer_release)(struct qda_device_buffer *buffer);

	/* Under a key for the skel. Offset and size are page multiples inside the buffer. -EEXIST,
	 * -ENOSPC (address space). */
	int (*map)(struct qda_device_session *session, struct qda_device_buffer *buffer,
		   uint32_t key, uint64_t offset, uint64_t size, uint64_t cookie);
	/* -ENOENT, -EBUSY while an operation on that key is under way. When the DSP refuses, the
	 * mapping stays, unless the DSP knew of none (result FASTRPC_ENOSUCHMAP). */
	int (*unmap)(struct qda_device_session *session, uint32_t key, uint64_t cookie);

	/* A call. -EBUSY: ids, slots or message memory are used up; try again after a completion.
	 * Nothing is copied but descriptors. */
	int (*submit)(struct qda_device_session *session, const struct qda_device_call *call,
		      uint64_t cookie);

	/* All buffers are released; no event comes afterwards, also none for sessions that still
	 * were to be closed. The loop has to run until its handles are closed. */
	void (*free)(struct qda_device *dev);
};

/* First member of every implementation. */
struct qda_device {
	const struct qda_device_ops *ops;
	const struct qda_device_events *events;
	void *owner;
};

/* How the soft device finds its DSP: a socket to connect to (and to connect to again after it is
 * gone), or a program to start by itself (again after it ended) with one end of a socket pair. */
struct qda_soft_config {
	const char *name;		/* domain */
	const char *socket_path;	/* or NULL */
	const char *program;		/* qda-softdsp, when socket_path is NULL */
	const char *const *module_dirs;	/* NULL-terminated; for program */
	bool client_dirs;		/* for program */
};

int qda_soft_new(struct uv_loop_s *loop, const struct qda_soft_config *config,
		 const struct qda_device_events *events, void *owner, struct qda_device **out);

/* Which DSP the accel device is, and what it starts PDs from. */
struct qda_accel_config {
	const char *name;		/* domain: what the driver must call it */
	const char *node;		/* "/dev/accel/accel0"; NULL: found by name */
	/* Shell image: a file, or QDA_ACCEL_SHELL_BUILTIN for the one of the software DSP. NULL:
	 * the latter if the DSP is a virtual one, else the device stays down and says so. */
	const char *shell;
};

#define QDA_ACCEL_SHELL_BUILTIN "builtin"

int qda_accel_new(struct uv_loop_s *loop, const struct qda_accel_config *config,
		  const struct qda_device_events *events, void *owner, struct qda_device **out);

/* Names of the domains that have a node this process may open; how many. Blocks: before the loop
 * only. */
unsigned qda_accel_find(char (*names)[16], unsigned room);

/* In confine.c. From here on, for all threads and for programs started later, no ioctls but those
 * that devices here make: others fail with ENOSYS and are logged by the kernel; kill: they end the
 * process. 0 or a negative errno: nothing has changed (a kernel without seccomp, a container that
 * forbids it). */
int qda_device_confine(bool kill);
