/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of the soft device: what a kernel driver with an SMMU does for real hardware, done over
 * the records of driver/softdsp/wire.h. Included by soft*.c only.
 *
 * Two rules keep the callbacks of device.h safe. Operations never complete anything: they send, or
 * leave a session to the idle step (soft_later()). And a session object is freed only by
 * soft_session_end(), a device only in its idle step; whoever calls an event may therefore go on
 * with the session he holds.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>
#include <uv/tree.h>

#include "device/device.h"
#include "device/soft_channel.h"
#include "device/soft_ids.h"
#include "device/space.h"
#include "fastrpc.h"
#include "util/runs.h"
#include "wire.h"

#define SOFT_PAGE SPACE_PAGE
#define SOFT_BANKS_MAX 255u
#define SOFT_SESSION_CALLS 127u		/* as the event space of a file of the driver allows */
#define SOFT_MESSAGE_PAGES QDA_RUNS_MAX
#define SOFT_KEYS_MAX 1024u
#define SOFT_GOING_MAX 256u		/* mappings of a session that wait to be unmapped */
#define SOFT_EXIT_WAIT_MS 1000u		/* for the EXIT of a PD whose channel ended */

/* Process control memory of a session: fixed place in its bank, seen by the DSP's supervisor only.
 */
#define SOFT_CTL_ADDR 0x1000u
enum soft_ctl_page { SOFT_CTL_OP, SOFT_CTL_RELEASE, SOFT_CTL_SHELL, SOFT_CTL_PAGES };
#define SOFT_SPACE_LOW 16u		/* first page for everything else */

struct soft;
struct qda_device_session;

/* --- buffers and their mappings --- */

struct soft_mapping;
LIST_HEAD(soft_buffer_mappings, soft_mapping);
TAILQ_HEAD(soft_mappings, soft_mapping);

/* Pages that both sides may see: a memfd. Alive as long as its owner or a mapping wants it. */
struct qda_device_buffer {
	int fd;
	bool read_only;
	bool released;			/* the owner let go */
	unsigned refs;			/* owner, mappings */
	uint64_t size;
	void *view;			/* the daemon's own, or NULL */
	struct soft_buffer_mappings mappings;	/* one a session at most */
	uv_loop_t *loop;
	uv_work_t closing;
};

/* A buffer in the address space of one session. Made at first use, kept while the buffer is; owned
 * by the session. */
struct soft_mapping {
	LIST_ENTRY(soft_mapping) of_buffer;
	TAILQ_ENTRY(soft_mapping) of_session;	/* session->mapped; ->idle while uses is 0 */
	struct qda_device_session *session;
	struct qda_device_buffer *buffer;	/* ref */
	struct space_range range;
	unsigned uses;			/* calls in flight, keys */
	bool going;			/* UNMAP is under way */
	struct softdsp_record map_record, unmap_record;
	struct soft_item map, unmap;
};

int soft_buffer_create(struct qda_device *dev, uint64_t size, struct qda_device_buffer **out);
int soft_buffer_import(struct qda_device *dev, int fd, uint64_t size, bool read_only,
		       struct qda_device_buffer **out);
int soft_buffer_fd(struct qda_device_buffer *buffer);
void *soft_buffer_view(struct qda_device_buffer *buffer);
void soft_buffer_release(struct qda_device_buffer *buffer);

/* The buffer's mapping in an open session, with one more use; made when there is none. */
int soft_mapping_get(struct qda_device_session *session, struct qda_device_buffer *buffer,
		     struct soft_mapping **out);
void soft_mapping_put(struct soft_mapping *mapping);
/* The session is gone: nothing of it is mapped any more. */
void soft_mappings_drop(struct qda_device_session *session);

/* DSP address with the stream id, as it goes on the wire. */
static inline uint64_t soft_addr(uint32_t bank, uint32_t addr)
{
	return (uint64_t)bank << 32 | addr;
}

/* --- process control: one call on handle 1 --- */

/* Embedded in a session (create, release) or a key. */
struct soft_op {
	struct soft_wait wait;		/* first */
	TAILQ_ENTRY(soft_op) link;	/* dev->starved, while it waits for an id */
	bool starved;
	enum soft_pool_name pool;
	enum soft_ctl_page page;	/* where its payload goes */
	struct fastrpc_ctl ctl;
	struct fastrpc_place rsp;
	struct softdsp_record record;
	struct soft_item item;
	/* err 0, or -EREMOTEIO and the DSP's code; `answer` is its 8 bytes, if the method has any.
	 */
	void (*done)(struct soft_op *op, int err, int32_t result, uint64_t answer);
};

TAILQ_HEAD(soft_ops, soft_op);

/* The answer comes to op->done, never from inside. */
void soft_op_start(struct qda_device_session *session, struct soft_op *op);
void soft_op_response(struct soft_op *op, int32_t result);
/* Forget it: no answer comes any more. */
void soft_op_cancel(struct soft_op *op);
/* Ids were given back: start who waited for one. */
void soft_ops_feed(struct soft *soft);

/* --- keys --- */

enum soft_key_state { SOFT_KEY_MAPPING, SOFT_KEY_MAPPED, SOFT_KEY_UNMAPPING };

/* A window of a buffer that the skel knows under a number. Owned by the session. */
struct soft_key {
	RB_ENTRY(soft_key) node;
	TAILQ_ENTRY(soft_key) link;	/* session->key_queue while an operation is under way */
	enum soft_key_state state;
	struct qda_device_session *session;
	struct soft_mapping *mapping;	/* use */
	uint32_t key;
	uint32_t addr;			/* of the window, in the bank */
	uint64_t size;
	uint64_t dsp_addr;		/* what the DSP calls it */
	uint64_t cookie;
	struct soft_op op;
};

RB_HEAD(soft_key_tree, soft_key);
TAILQ_HEAD(soft_key_queue, soft_key);

int soft_map(struct qda_device_session *session, struct qda_device_buffer *buffer, uint32_t key,
	     uint64_t offset, uint64_t size, uint64_t cookie);
int soft_unmap(struct qda_device_session *session, uint32_t key, uint64_t cookie);
/* A key that calls may name, or NULL. */
struct soft_key *soft_key_find(struct qda_device_session *session, uint64_t key);
/* Complete all operations on keys with `err`. */
void soft_keys_fail(struct qda_device_session *session, int err);
void soft_keys_drop(struct qda_device_session *session);

/* --- calls --- */

struct soft_call {
	struct soft_wait wait;		/* first */
	TAILQ_ENTRY(soft_call) link;	/* session->calls in flight, or session->spare */
	uint64_t cookie;
	uint32_t sc;
	uint16_t first, pages;		/* its payload, in message memory */
	unsigned n_uses, room;
	struct soft_mapping **uses;	/* grown to the most this object ever carried */
	struct softdsp_record record;
	struct soft_item item;
};

TAILQ_HEAD(soft_calls, soft_call);

int soft_submit(struct qda_device_session *session, const struct qda_device_call *call,
		uint64_t cookie);
void soft_call_response(struct soft_call *call, int32_t result);
/* Complete all calls in flight with `err`. */
void soft_calls_fail(struct qda_device_session *session, int err);
void soft_calls_drop(struct qda_device_session *session);

/* --- sessions --- */

enum soft_session_state {
	SOFT_OPENING,	/* CREATE has no answer yet */
	SOFT_OPEN,
	SOFT_DYING,	/* the PD's channel ended; its EXIT may still come */
	SOFT_LOST,	/* lost() was told; close comes */
	SOFT_CLOSING,	/* RELEASE has no answer yet */
};

struct qda_device_session {
	struct soft *soft;
	TAILQ_ENTRY(qda_device_session) link;		/* soft->sessions */
	TAILQ_ENTRY(qda_device_session) later_link;	/* soft->later */
	TAILQ_ENTRY(qda_device_session) dying_link;	/* soft->dying */
	enum soft_session_state state;
	bool later;
	bool closing;			/* session_close was called */
	bool open_told;			/* the completion of open was given */
	uint64_t cookie, open_cookie, close_cookie;
	uint32_t bank;			/* 0: the DSP it was on is gone */
	int32_t client;
	char name[FASTRPC_CTL_NAME];
	int open_err;			/* why an open that the DSP granted is given up; 0 */

	struct soft_channel pd;
	int pd_fd;			/* channel that waits for CREATE's answer, or -1 */
	uint32_t maps;			/* MAP and UNMAP records put on the PD channel */
	struct space space;
	struct soft_mappings mapped, idle;
	unsigned n_going;
	struct qda_device_buffer *messages;	/* payloads of calls */
	struct soft_mapping *messages_mapping;	/* use */
	struct qda_runs runs;

	struct soft_calls calls, spare;
	unsigned n_calls;		/* objects, in both lists */
	struct soft_key_tree keys;
	struct soft_key_queue key_queue;
	unsigned n_keys;

	struct qda_device_buffer *control;
	struct softdsp_record control_record, dirs_record;
	struct soft_item control_map, dirs;
	int dir_fds[SOFTDSP_MAX_DIRS];
	struct soft_op create, release;

	uint64_t exit_due;		/* DYING: when waiting for EXIT ends */
	bool exited;
	uint32_t exit_signal;
	char exit_text[SOFTDSP_TEXT_MAX + 1];
};

TAILQ_HEAD(soft_sessions, qda_device_session);

int soft_session_open(struct qda_device *dev, const struct qda_device_open *open, uint64_t cookie,
		      struct qda_device_session **out);
void soft_session_close(struct qda_device_session *session, uint64_t cookie);
/* The deferred part of a close. */
void soft_session_step(struct qda_device_session *session);
void soft_session_dsp_gone(struct qda_device_session *session, const char *why);
/* Free everything, without any event. */
void soft_session_destroy(struct qda_device_session *session);

/* --- protection domains --- */

/* PD record: takes over fd. */
void soft_pd_channel(struct qda_device_session *session, int fd);
void soft_pd_ready(struct soft_channel *channel);
/* EXIT record, of at least its fixed size. */
void soft_pd_exit(struct qda_device_session *session, const struct softdsp_record *record,
		  size_t size);
/* EXIT did not come in time. */
void soft_pd_give_up(struct qda_device_session *session);
/* Complete everything with `err`, then tell that the session is lost. */
void soft_pd_gone(struct qda_device_session *session, int err, const char *why);

/* --- the device --- */

struct soft_bank {
	bool taken;
	struct softdsp_record record;
	struct soft_item unmap;		/* of control memory; the bank is free once it was sent */
};

enum soft_link {
	SOFT_LINK_DOWN,		/* waiting to try again, or for the program to end */
	SOFT_LINK_HELLO,	/* connected, HELLO is to come */
	SOFT_LINK_UP,
};

struct soft {
	struct qda_device device;	/* first */
	uv_loop_t *loop;
	/* configuration */
	char name[16];
	char *socket_path, *program;
	char **module_dirs;		/* NULL-terminated */
	bool client_dirs;

	enum soft_link link;
	struct soft_channel *control;	/* NULL: none */
	struct softdsp_hello hello;
	uv_timer_t retry;		/* next attempt; limit for HELLO, for the program */
	uint64_t delay_ms, up_since;
	uv_process_t *process;		/* NULL: none */
	char why[256];			/* last told with DOWN */
	char reason[256];		/* why a program that is yet to end was given up, or "" */

	struct soft_ids ids;
	struct soft_ops starved;
	struct soft_bank banks[SOFT_BANKS_MAX + 1];
	uint32_t last_bank;
	int32_t last_client;
	struct soft_sessions sessions, later, dying;
	struct soft_channel *posted;	/* has something to send before the loop waits; or NULL.
					 * Nobody posts while it goes to wait (uv_prepare_t). */
	uv_idle_t idle;
	uv_prepare_t before_wait;
	uv_timer_t exit_timer, stall_timer;
	struct soft_batch batch;
	struct fastrpc_arg args[FASTRPC_MAX_ARGS];
	struct fastrpc_place places[FASTRPC_MAX_ARGS];	/* zeroes: no argument is inline */

	bool freed;			/* by its owner: no events */
	unsigned handles;		/* of libuv, still to be closed */
};

static inline struct soft *soft_of(struct qda_device *dev)
{
	return (struct soft *)dev;
}

/* Events, unless the owner has freed the device. */
void soft_done(struct soft *soft, uint64_t cookie, const struct qda_device_done *done);
void soft_done_err(struct soft *soft, uint64_t cookie, int err, int32_t result);

/* Let the idle step look at this session. */
void soft_later(struct qda_device_session *session);
/* Wait for the EXIT of this session's PD, but not for ever; or no longer. */
void soft_dying(struct qda_device_session *session);
void soft_undying(struct qda_device_session *session);
/* A handle of libuv was closed; the device goes with the last one. */
void soft_handle_closed(struct soft *soft);
/* The same as a callback of uv_close(), for handles with data = the device. */
void soft_on_closed(uv_handle_t *handle);

/* The link to the DSP: soft_link.c */
void soft_link_start(struct soft *soft);
/* Closes soft->retry, at once or when the program has ended. */
void soft_link_stop(struct soft *soft);
/* HELLO was good. */
void soft_link_up(struct soft *soft, const struct softdsp_hello *hello);
/* The DSP is gone, or is ended by us because of what it did. */
void soft_link_gone(struct soft *soft, bool misbehaved, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Records of the control channel: soft_control.c */
void soft_control_ready(struct soft_channel *channel);
