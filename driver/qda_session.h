/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An open file and its session: a PD with a context bank. A session outlives its file when the PD
 * behind it does: a worker ends the PD, and the bank is nobody else's until the DSP has confirmed.
 */
#ifndef __QDA_SESSION_H__
#define __QDA_SESSION_H__

#include <linux/atomic.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/rwsem.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "qda_drv.h"
#include "qda_memory.h"

struct drm_device;
struct drm_file;
struct qda_bank;
struct qda_ctx;
struct qda_device;
struct qda_event;
struct qda_mapping;

enum qda_session_state {
	QDA_SESSION_IDLE,	/* no PD, no bank */
	QDA_SESSION_OPENING,	/* whoever set this, and then the answer to CREATE, acts alone */
	QDA_SESSION_OPEN,
	QDA_SESSION_LOST,	/* the DSP said that the PD has ended; the bank is still held */
	QDA_SESSION_RELEASING,	/* the answer to RELEASE acts alone */
	QDA_SESSION_STUCK,	/* the DSP does not end the PD: in quarantine */
};

/**
 * struct qda_session - one open file
 * @ref: of the file, of its messages, of the release under way
 * @qdev: counted
 * @node: in the device's list while the file is open
 * @stuck_node: in the device's quarantine
 * @lost: event that says the DSP is gone; given up when sent
 * @gate: held for reading while a message to the PD is made and sent, so that everything in it
 *	belongs to this PD; for writing by who begins to end it. Outermost, user memory is touched
 *	in it.
 * @lock: protects all down to @capabilities
 * @state: read without the lock, too; it leaves OPEN and LOST for RELEASING under @gate
 * @epoch: PDs so far; a message of an earlier one has no place in @keys and @heaps
 * @closed: the file is
 * @end_event: tells the end of this PD, whether it is asked for or not; NULL when it was sent
 * @bank: with a PD, or one coming
 * @initial: initial memory of the PD; counted
 * @release: message that ends the PD, made before the PD is; NULL when it was sent
 * @keys: of struct qda_map by key
 * @heaps: of struct qda_map by address
 * @n_maps: in both, and under way
 * @have_capabilities: the DSP was asked
 * @capabilities: what it said
 * @client: the DSP's name for the session; as @pd, set while OPENING
 * @ended: what the DSP said has become of the PD: enum fastrpc_pd_status, 0 while it is up. Under
 *	the lock of the device's clients; read without it, too
 * @pd: enum fastrpc_pd_type
 * @memory: for payloads
 * @uses_lock: protects @uses and what is in it
 * @uses: buffers that have a handle in the file
 * @calls: in flight, without starts and ends of the PD; under the device's ids_lock
 * @telling: of those that have ended, or were cancelled, whose end is not told yet; likewise
 * @next_call: name of the latest submitted call
 * @busy_ns: time that messages were with the DSP
 * @release_work: sends @release
 * @ended_work: tells of @ended
 */
struct qda_session {
	struct kref ref;
	struct qda_device *qdev;
	struct list_head node;
	struct list_head stuck_node;
	struct qda_event *lost;
	struct rw_semaphore gate;	/* see above */

	struct mutex lock;		/* protects all down to capabilities */
	enum qda_session_state state;
	u64 epoch;
	bool closed;
	struct qda_event *end_event;
	struct qda_bank *bank;
	struct qda_mapping *initial;
	struct qda_ctx *release;
	struct rb_root keys;
	struct rb_root heaps;
	unsigned int n_maps;
	bool have_capabilities;
	u32 capabilities[QDA_CAPABILITIES];

	s32 client;
	u32 pd;
	u32 ended;
	struct qda_memory memory;

	struct mutex uses_lock;		/* protects uses */
	struct rb_root uses;

	unsigned int calls;
	unsigned int telling;
	atomic64_t next_call;
	atomic64_t busy_ns;
	struct work_struct release_work;
	struct work_struct ended_work;
};

struct qda_session *qda_session_get(struct qda_session *session);
/* Process context. */
void qda_session_put(struct qda_session *session);
/* Is there a PD to talk to? 0, -ENOTCONN, -ECONNRESET: it has ended, -ENOTRECOVERABLE. */
int qda_session_check(const struct qda_session *session);
/*
 * The same, and what is found of the PD stays until qda_session_leave(), which comes before any
 * wait for the DSP. -EINTR: the caller is being killed.
 */
int qda_session_enter(struct qda_session *session);
void qda_session_leave(struct qda_session *session);
/* Number of its bank. */
unsigned int qda_session_bank(const struct qda_session *session);
/* With its lock held. */
void qda_session_set_state(struct qda_session *session, enum qda_session_state state);
/* Tell all open files that the DSP is gone. */
void qda_sessions_lost(struct qda_device *qdev);

/* Driver operations. */
int qda_session_open(struct drm_device *drm, struct drm_file *file);
void qda_session_postclose(struct drm_device *drm, struct drm_file *file);
int qda_ioctl_init_attach(struct drm_device *drm, void *data, struct drm_file *file);
int qda_ioctl_init_create(struct drm_device *drm, void *data, struct drm_file *file);
/* Attributes that INIT_CREATE takes here. */
u32 qda_session_attrs(const struct qda_device *qdev);

#endif
