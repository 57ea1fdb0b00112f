/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of the accel device: a DSP behind the qda driver. Included by accel*.c only, which are the
 * only place with ioctls of a device.
 *
 * Files: the device keeps one open file for its buffers, and each session has one more, which owns
 * its context bank. A buffer is a dma-buf; a session's file gets a handle of it at first use.
 *
 * Threads: what may take long (it allocates or maps many pages, attaches memory of another driver,
 * reads files) is a job for a worker of libuv's pool; everything else happens on the loop. One job
 * at a time runs for each queue, and each session has a queue, so what belongs to a session's file
 * is never touched by two threads. The calls of a session whose buffers were all used in it before
 * need no worker.
 *
 * As in the soft device, operations never complete anything, sessions are freed only from the end
 * of their last job, and the device only when nothing of it is left.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <uv.h>
#include <uv/tree.h>
#include <xf86drm.h>

#include "device/device.h"
#include "drm/qda_accel.h"
#include "fastrpc.h"

#define ACCEL_PAGE 4096u
#define ACCEL_WORKERS 2u	/* jobs of one device at one time */
#define ACCEL_OPS 128u		/* of one session; a file has room for fewer events */
#define ACCEL_CONTROL_OPS 7u	/* of which calls take none, so that keys can be mapped */
#define ACCEL_AGAIN_MS 10u	/* until a job that met -EBUSY is tried again */
#define ACCEL_DEAD_MAX 512u	/* memories that wait to be closed; then no new ones are made */

struct accel;
struct qda_device_session;

static inline int accel_ioctl(int fd, unsigned long request, void *arg)
{
	return drmIoctl(fd, request, arg) < 0 ? -errno : 0;
}

/* --- jobs: accel_job.c --- */

struct accel_job {
	uv_work_t work;
	TAILQ_ENTRY(accel_job) link;
	struct accel_queue *queue;
	void (*run)(struct accel_job *job);	/* on a worker */
	/* On the loop, after run; or instead of it, when the queue is dropped. Who frees the job
	 * frees it here. True: run it again, a little later. */
	bool (*done)(struct accel_job *job);
	bool dropped;
};

TAILQ_HEAD(accel_jobs, accel_job);

enum accel_queue_state {
	ACCEL_QUEUE_IDLE,	/* no jobs */
	ACCEL_QUEUE_READY,	/* in accel->ready */
	ACCEL_QUEUE_RUNNING,
	ACCEL_QUEUE_WAITING,	/* in accel->waiting, to try again */
};

/* Jobs that run in order, one at a time. */
struct accel_queue {
	struct accel *accel;
	TAILQ_ENTRY(accel_queue) link;
	struct accel_jobs jobs;		/* the first one is the one that runs */
	enum accel_queue_state state;
};

TAILQ_HEAD(accel_queues, accel_queue);

void accel_queue_init(struct accel_queue *queue, struct accel *accel);
/* The job must have run and done set. */
void accel_job_start(struct accel_queue *queue, struct accel_job *job);
/* End all jobs that do not run yet. */
void accel_queue_drop(struct accel_queue *queue);

/* --- memory and buffers: accel_buffer.c --- */

struct accel_use;
LIST_HEAD(accel_uses, accel_use);

/* One dma-buf. The same one imported twice is one memory: a file has one handle of it, too. */
struct accel_memory {
	RB_ENTRY(accel_memory) node;	/* accel->handles, while handle is not 0 */
	TAILQ_ENTRY(accel_memory) link;	/* accel->memories, then ->dead, then ->burning */
	struct accel *accel;
	unsigned refs;			/* buffers; requests under way; the shell image */
	uint32_t handle;		/* in the device's own file */
	bool is_memfd;
	int fd;				/* as it came */
	int dma_buf;			/* the same, or made of the memfd at first use, by a worker,
					 * under accel->convert; -1: not yet */
	uint64_t size;
	struct accel_uses uses;		/* one a session at most */
};

RB_HEAD(accel_handles, accel_memory);
TAILQ_HEAD(accel_memories, accel_memory);

struct qda_device_buffer {
	struct accel_memory *memory;	/* ref */
	uint64_t size;
	bool read_only;
	void *view;			/* the daemon's own, or NULL */
};

/* A memory in the file of one session. Made at first use; goes with the memory or the file. */
struct accel_use {
	LIST_ENTRY(accel_use) of_memory;
	LIST_ENTRY(accel_use) of_session;	/* session->uses */
	struct accel_memory *memory;
	struct qda_device_session *session;
	uint32_t handle;		/* written by the session's jobs; read elsewhere if warm */
	bool warm;			/* the driver has it mapped: naming it costs nothing */
	struct accel_job close;
};

int accel_buffer_create(struct qda_device *dev, uint64_t size, struct qda_device_buffer **out);
int accel_buffer_import(struct qda_device *dev, int fd, uint64_t size, bool read_only,
			struct qda_device_buffer **out);
int accel_buffer_fd(struct qda_device_buffer *buffer);
void *accel_buffer_view(struct qda_device_buffer *buffer);
void accel_buffer_release(struct qda_device_buffer *buffer);

/* Takes over fd, and the handle of the device's own file, on success. */
int accel_memory_new(struct accel *accel, uint32_t handle, int fd, uint64_t size,
		     struct accel_memory **out);
struct accel_memory *accel_memory_ref(struct accel_memory *memory);
void accel_memory_unref(struct accel_memory *memory);
/* The device's own file is another one: its handles are new. */
void accel_memories_forget(struct accel *accel);
void accel_memories_enter(struct accel *accel);

int accel_use_get(struct qda_device_session *session, struct accel_memory *memory,
		  struct accel_use **out);
/* On a worker: see to it that the use has a handle. */
int accel_use_import(struct accel_use *use);
/* The session's file is closed. */
void accel_uses_drop(struct qda_device_session *session);

/* --- sessions: accel_session.c, and what runs in them: accel_call.c --- */

enum accel_op_kind {
	ACCEL_OP_FREE,
	ACCEL_OP_CREATE,
	ACCEL_OP_RELEASE,
	ACCEL_OP_CALL,
	ACCEL_OP_MAP,
	ACCEL_OP_UNMAP,
};

/* What an event tells the end of. Its user_data is index and generation. */
struct accel_op {
	TAILQ_ENTRY(accel_op) link;	/* session->ops or ->free_ops */
	uint64_t cookie;
	uint64_t generation;
	enum accel_op_kind kind;
};

TAILQ_HEAD(accel_ops, accel_op);

enum accel_session_state {
	ACCEL_OPENING,	/* the open job, then the event of INIT_CREATE */
	ACCEL_OPEN,
	ACCEL_LOST,	/* lost() was told; close comes */
	ACCEL_RELEASING, /* the event of INIT_CREATE, if it is under way, then that of RELEASE */
	ACCEL_ENDING,	/* its file is being closed */
};

LIST_HEAD(accel_session_uses, accel_use);

struct qda_device_session {
	struct accel *accel;
	TAILQ_ENTRY(qda_device_session) link;		/* accel->sessions */
	TAILQ_ENTRY(qda_device_session) later_link;	/* accel->later */
	enum accel_session_state state;
	bool later;
	bool closing;			/* session_close was called */
	bool open_told;			/* the completion of open was given */
	bool polled;			/* poll is a live handle */
	uint64_t cookie, open_cookie, close_cookie;

	int fd;
	uv_poll_t poll;
	struct accel_queue queue;
	struct accel_job open_job, ask_job, release_job, close_job;
	struct accel_memory *shell;	/* ref, until it is open */
	struct drm_qda_init_create create;
	struct drm_qda_release release;
	uint64_t memory_size;		/* initial memory of the PD, or 0 */
	uint64_t arch;			/* what the ask job heard */
	char path[64];
	char name[16];			/* of the domain that it must be */
	int err;			/* of the job that ran */

	struct accel_session_uses uses;
	struct accel_op op[ACCEL_OPS];
	struct accel_ops ops, free_ops;	/* in flight; oldest first */
	unsigned n_calls;		/* of ops */
};

TAILQ_HEAD(accel_sessions, qda_device_session);

int accel_session_open(struct qda_device *dev, const struct qda_device_open *open, uint64_t cookie,
		       struct qda_device_session **out);
void accel_session_close(struct qda_device_session *session, uint64_t cookie);
/* The deferred part of a close. */
void accel_session_step(struct qda_device_session *session);
/* Read what has come, then take the session for lost. */
void accel_session_dsp_gone(struct qda_device_session *session, const char *why);
/* The PD is gone: complete everything with `err`, then tell. */
void accel_session_lost(struct qda_device_session *session, int err, const char *why);
/* The driver says that the PD has ended, open or about to be. */
void accel_session_ended(struct qda_device_session *session, const char *why);
/* The device is freed: go without any event. */
void accel_session_abandon(struct qda_device_session *session);
/* The answers to INIT_CREATE and to RELEASE. */
void accel_session_created(struct qda_device_session *session, int err, int32_t result);
void accel_session_released(struct qda_device_session *session);

int accel_submit(struct qda_device_session *session, const struct qda_device_call *call,
		 uint64_t cookie);
int accel_map(struct qda_device_session *session, struct qda_device_buffer *buffer, uint32_t key,
	      uint64_t offset, uint64_t size, uint64_t cookie);
int accel_unmap(struct qda_device_session *session, uint32_t key, uint64_t cookie);

/* Operations in flight: accel_op.c. A new one is in flight at once; NULL: none is left. */
struct accel_op *accel_op_new(struct qda_device_session *session, enum accel_op_kind kind,
			      uint64_t cookie);
void accel_op_free(struct qda_device_session *session, struct accel_op *op);
uint64_t accel_op_user_data(const struct qda_device_session *session, const struct accel_op *op);
/* Which it is, or NULL when it has ended. */
struct accel_op *accel_op_find(struct qda_device_session *session, uint64_t user_data);
/* Complete one, or all, before any event came. */
void accel_op_fail(struct qda_device_session *session, struct accel_op *op, int err,
		   int32_t result);
void accel_ops_fail(struct qda_device_session *session, int err);
/* Read a batch of events of a session that has a file. Returns whether there were any. */
bool accel_ops_read(struct qda_device_session *session);

/* --- the device --- */

struct accel_limits {
	uint64_t attrs, banks, calls, file_calls;
};

/* What a worker found behind the node. */
struct accel_probe {
	struct accel_job job;
	int err;
	int stale_fd;			/* of a DSP that is gone, to be closed; or -1 */
	int fd;				/* or -1 */
	char path[64];
	struct accel_limits limits;
	bool is_virtual;
	uint32_t shell_handle, shell_size;
	int shell_fd;
	char why[256];
};

enum accel_link {
	ACCEL_LINK_DOWN,	/* waiting for something to happen */
	ACCEL_LINK_PROBING,	/* a worker looks for the DSP */
	ACCEL_LINK_UP,
	ACCEL_LINK_LEAVING,	/* the DSP is gone, the handle of its file is being closed */
};

struct accel {
	struct qda_device device;	/* first */
	uv_loop_t *loop;
	/* configuration */
	char name[16];
	char *node, *shell_path;	/* or NULL */

	enum accel_link link;
	struct accel_probe probe;
	bool probe_again;		/* something happened during the probe */
	int fd;				/* the device's own file; -1: none */
	char path[64];
	struct accel_limits limits;
	bool is_virtual;
	struct accel_memory *shell;	/* ref; NULL: down */
	uint32_t shell_size;
	uv_poll_t poll;			/* of fd */
	uv_fs_event_t watch;		/* of the folder with the node */
	uv_timer_t retry;
	char why[256];			/* last told with DOWN */

	struct accel_handles handles;
	struct accel_memories memories;
	struct accel_memories dead;	/* their descriptors are to be closed */
	struct accel_memories burning;	/* a worker is about it */
	unsigned n_dead;		/* in both: descriptors that nobody is charged for any more */
	struct accel_job closer;
	bool closer_started;
	uv_mutex_t convert;

	struct accel_queue queue;	/* of the device's own jobs */
	struct accel_queues ready, waiting;
	unsigned running;
	uv_timer_t again;

	struct accel_sessions sessions, later;
	unsigned n_sessions;		/* in sessions */
	uint32_t arch;			/* of the DSP; 0: not known */
	bool asked;			/* ... and some session has asked */
	uv_idle_t idle;
	struct drm_qda_arg args[FASTRPC_MAX_ARGS];
	struct accel_use *uses[FASTRPC_MAX_ARGS];
	uint64_t events[512];		/* as much as a file can hold */

	bool freed;			/* by its owner: no events */
	bool closing;			/* its handles are being closed */
	unsigned n_handles;		/* of libuv, still to be closed */
};

static inline struct accel *accel_of(struct qda_device *dev)
{
	return (struct accel *)dev;
}

/* Calls that one session may have in flight. */
uint32_t accel_session_calls(const struct accel *accel);

/* Events, unless the owner has freed the device. */
void accel_done(struct accel *accel, uint64_t cookie, const struct qda_device_done *done);
void accel_done_err(struct accel *accel, uint64_t cookie, int err, int32_t result);
void accel_tell(struct accel *accel, enum qda_device_state state, const char *why);

/* Let the idle step look at this session. */
void accel_later(struct qda_device_session *session);
/* Something that kept a freed device is gone. */
void accel_try_end(struct accel *accel);
/* A handle of libuv was closed; the device goes with the last one. */
void accel_handle_closed(struct accel *accel);
/* The same as a callback of uv_close(), for handles with data = the device. */
void accel_on_closed(uv_handle_t *handle);

/* The node: accel_node.c */
void accel_node_start(struct accel *accel);
/* The DSP is gone: all sessions are lost, and it is looked for again. */
void accel_node_gone(struct accel *accel, const char *why);
/* Close all handles of the node. */
void accel_node_stop(struct accel *accel);

/* What is behind a node, on any thread: accel_probe.c */
void accel_probe_run(struct accel *accel, struct accel_probe *probe);
/* Close what a probe opened. */
void accel_probe_close(struct accel_probe *probe);
/* 0 when an open file is that of a DSP of the qda driver, whose name goes to name[16]. */
int accel_query_name(int fd, char *name);
/* DRM_QDA_QUERY_*; those that do not wait for the DSP, on any thread. */
int accel_query(int fd, uint32_t type, uint32_t index, uint64_t *value);
