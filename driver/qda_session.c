// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions: a file, and the PD that is started, or joined, for it. Process context.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_print.h>
#include <drm/qda_accel.h>

#include "qda_bank.h"
#include "qda_control.h"
#include "qda_drv.h"
#include "qda_event.h"
#include "qda_map.h"
#include "qda_release.h"
#include "qda_session.h"
#include "qda_trace.h"
#include "qda_use.h"

#define ATTRS_KNOWN (DRM_QDA_ATTR_DEBUG | DRM_QDA_ATTR_PTRACE | DRM_QDA_ATTR_UNSIGNED | \
		     DRM_QDA_ATTR_ADAPTIVE_QOS)

struct qda_session *qda_session_get(struct qda_session *session)
{
	kref_get(&session->ref);
	return session;
}

static void session_free(struct kref *ref)
{
	struct qda_session *session = container_of(ref, struct qda_session, ref);
	struct drm_device *drm = &session->qdev->drm;

	qda_memory_fini(&session->memory);
	mutex_destroy(&session->uses_lock);
	mutex_destroy(&session->lock);
	kfree(session);
	drm_dev_put(drm);
}

void qda_session_put(struct qda_session *session)
{
	kref_put(&session->ref, session_free);
}

int qda_session_check(const struct qda_session *session)
{
	/* Pairs with the release in settle_open(): bank, memory and client are set. */
	switch (smp_load_acquire(&session->state)) {
	case QDA_SESSION_OPEN:
		return READ_ONCE(session->ended) ? -ECONNRESET : 0;
	case QDA_SESSION_LOST:
		return -ECONNRESET;
	case QDA_SESSION_STUCK:
		return -ENOTRECOVERABLE;
	default:
		return -ENOTCONN;
	}
}

int qda_session_enter(struct qda_session *session)
{
	int err = down_read_killable(&session->gate);

	if (err)
		return err;
	err = qda_session_check(session);
	if (err)
		up_read(&session->gate);
	return err;
}

void qda_session_leave(struct qda_session *session)
{
	up_read(&session->gate);
}

void qda_session_set_state(struct qda_session *session, enum qda_session_state state)
{
	lockdep_assert_held(&session->lock);
	/* Pairs with qda_session_check(). */
	smp_store_release(&session->state, state);
}

unsigned int qda_session_bank(const struct qda_session *session)
{
	return session->bank - session->qdev->banks;
}

u32 qda_session_attrs(const struct qda_device *qdev)
{
	/* Only compute DSPs have a shell for unsigned PDs. */
	if (!strncmp(qdev->name, "cdsp", 4) || !strncmp(qdev->name, "gdsp", 4))
		return ATTRS_KNOWN;
	return ATTRS_KNOWN & ~DRM_QDA_ATTR_UNSIGNED;
}

/* --- the start of a PD --- */

static int new_client(struct qda_session *session)
{
	struct qda_device *qdev = session->qdev;
	u32 client;
	int err;

	/* A name is used again late: what the DSP says of an old one is about nobody. */
	err = xa_alloc_cyclic_irq(&qdev->clients, &client, session, XA_LIMIT(1, S32_MAX),
				  &qdev->next_client, GFP_KERNEL);
	if (err < 0)
		return -ENOMEM;
	session->client = client;
	return 0;
}

static int prepare(struct qda_session *session, struct drm_file *file, u32 pd)
{
	int err;

	session->pd = pd;
	err = qda_event_new(&session->qdev->drm, file, DRM_QDA_EVENT_ENDED, 0, 0,
			    &session->end_event);
	if (err)
		return err;
	session->bank = qda_bank_take(session->qdev, session);
	if (!session->bank)
		return -EUSERS;
	err = new_client(session);
	if (!err)
		err = qda_memory_map(session);
	if (!err)
		err = qda_release_prepare(session);
	return err;
}

/* From here on to the answer, the caller is alone with the session. */
static int begin(struct qda_session *session, struct drm_file *file, u32 pd)
{
	int err = 0;

	mutex_lock(&session->lock);
	if (session->state == QDA_SESSION_IDLE)
		qda_session_set_state(session, QDA_SESSION_OPENING);
	else
		err = session->state == QDA_SESSION_STUCK ? -ENOTRECOVERABLE : -EISCONN;
	mutex_unlock(&session->lock);
	if (err)
		return err;
	err = prepare(session, file, pd);
	if (err)
		qda_session_end(session);
	return err;
}

static void settle_open(struct qda_ctx *ctx)
{
	struct qda_session *session = ctx->session;
	bool closed;

	if (ctx->error) {
		qda_session_end(session);
		return;
	}
	mutex_lock(&session->lock);
	/* CREATE: the second mapping, if any, is the initial memory. */
	if (ctx->n_mappings > 1)
		session->initial = qda_mapping_get(ctx->mappings[1]);
	trace_qda_session(session->client, "open");
	closed = session->closed;
	qda_session_set_state(session, closed ? QDA_SESSION_RELEASING : QDA_SESSION_OPEN);
	/* Within the lock, so that the event of the PD's end comes after it. */
	qda_ctx_tell(ctx);
	mutex_unlock(&session->lock);
	if (closed)
		qda_release_start(session);
	else
		qda_release_look(session);
}

static int open_pd(struct qda_ctx *ctx, struct drm_file *file, const struct fastrpc_ctl *ctl,
		   u32 flags, u64 user_data, s32 *result)
{
	int err = qda_control_write(ctx, ctl);

	if (err) {
		qda_session_end(ctx->session);
		return err;
	}
	err = qda_control_start(ctx, file, flags, user_data);
	if (!err)
		err = qda_control_wait(ctx, flags);
	if (err == -EREMOTEIO)
		*result = ctx->result;
	return err;
}

/* Whoever opened the file decides, not whoever got it from there. */
static bool opener_is_admin(struct drm_file *file)
{
	return file_ns_capable(file->filp, &init_user_ns, CAP_SYS_ADMIN);
}

int qda_ioctl_init_attach(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct qda_session *session = file->driver_priv;
	struct drm_qda_init_attach *args = data;
	struct qda_ctx *ctx;
	int err;

	args->result = 0;
	if (args->pad || args->flags & ~DRM_QDA_ASYNC || (!args->flags && args->user_data))
		return -EINVAL;
	if (args->pd != DRM_QDA_PD_ROOT && args->pd != DRM_QDA_PD_SENSORS)
		return -EINVAL;
	if (!opener_is_admin(file))
		return -EACCES;
	err = begin(session, file, args->pd);
	if (err)
		return err;
	ctx = qda_control_new(session, QDA_CTX_PROCESS, 0, settle_open);
	if (IS_ERR(ctx)) {
		qda_session_end(session);
		return PTR_ERR(ctx);
	}
	err = open_pd(ctx, file, &(struct fastrpc_ctl){
				.method = FASTRPC_PROCESS_ATTACH,
				.client_id = session->client,
			}, args->flags, args->user_data, &args->result);
	qda_ctx_put(ctx);
	return err;
}

static int check_create(struct qda_device *qdev, struct drm_file *file,
			const struct drm_qda_init_create *args)
{
	if (args->pad || args->flags & ~DRM_QDA_ASYNC || (!args->flags && args->user_data))
		return -EINVAL;
	if (strnlen(args->name, sizeof(args->name)) == sizeof(args->name))
		return -EINVAL;
	if (!args->shell_size || args->siglen > args->shell_size || args->attrs & ~ATTRS_KNOWN)
		return -EINVAL;
	if (args->attrs & ~qda_session_attrs(qdev))
		return -EOPNOTSUPP;
	if (!(args->attrs & DRM_QDA_ATTR_UNSIGNED) && !opener_is_admin(file))
		return -EACCES;
	return 0;
}

/* The PD's buffers; the message keeps them. */
static int map_buffers(struct qda_ctx *ctx, struct drm_file *file,
		       const struct drm_qda_init_create *args)
{
	int err = qda_use_map_handle(ctx->session, file, args->shell, &ctx->mappings[0]);

	if (err)
		return err;
	ctx->n_mappings++;
	if (args->shell_size > qda_mapping_size(ctx->mappings[0]))
		return -EINVAL;
	if (!args->memory)
		return 0;
	err = qda_use_map_handle(ctx->session, file, args->memory, &ctx->mappings[1]);
	if (err)
		return err;
	ctx->n_mappings++;
	return ctx->mappings[1]->writable ? 0 : -EINVAL;
}

static void describe(const struct qda_ctx *ctx, const struct drm_qda_init_create *args,
		     const char *comm, struct fastrpc_ctl *ctl)
{
	*ctl = (struct fastrpc_ctl){
		.method = FASTRPC_PROCESS_CREATE,
		.client_id = ctx->session->client,
		.name = args->name[0] ? (const char *)args->name : comm,
		.file_addr = ctx->mappings[0]->addr,
		.file_len = args->shell_size,
		.attrs = args->attrs,
		.siglen = args->siglen,
	};
	if (ctx->n_mappings > 1) {
		ctl->mem_addr = ctx->mappings[1]->addr;
		ctl->mem_len = qda_mapping_size(ctx->mappings[1]);
	}
}

int qda_ioctl_init_create(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct qda_session *session = file->driver_priv;
	struct drm_qda_init_create *args = data;
	char comm[TASK_COMM_LEN];
	struct fastrpc_ctl ctl;
	struct qda_ctx *ctx;
	int err;

	args->result = 0;
	err = check_create(session->qdev, file, args);
	if (!err)
		err = begin(session, file, FASTRPC_PD_USER);
	if (err)
		return err;
	ctx = qda_control_new(session, QDA_CTX_PROCESS, 2, settle_open);
	if (IS_ERR(ctx)) {
		qda_session_end(session);
		return PTR_ERR(ctx);
	}
	err = map_buffers(ctx, file, args);
	if (err) {
		qda_session_end(session);
	} else {
		get_task_comm(comm, current);
		describe(ctx, args, comm, &ctl);
		err = open_pd(ctx, file, &ctl, args->flags, args->user_data, &args->result);
	}
	qda_ctx_put(ctx);
	return err;
}

/* --- the file --- */

static int list_file(struct qda_device *qdev, struct qda_session *session)
{
	int err = 0;

	mutex_lock(&qdev->sessions_lock);
	/* Unplugging looks at the list after this became true. */
	if (drm_dev_is_unplugged(&qdev->drm))
		err = -ENODEV;
	else
		list_add(&session->node, &qdev->sessions);
	mutex_unlock(&qdev->sessions_lock);
	return err;
}

int qda_session_open(struct drm_device *drm, struct drm_file *file)
{
	struct qda_device *qdev = to_qda_device(drm);
	struct qda_session *session;
	int err;

	session = kzalloc(sizeof(*session), GFP_KERNEL);
	if (!session)
		return -ENOMEM;
	drm_dev_get(drm);
	session->qdev = qdev;
	kref_init(&session->ref);
	init_rwsem(&session->gate);
	mutex_init(&session->lock);
	mutex_init(&session->uses_lock);
	session->keys = RB_ROOT;
	session->heaps = RB_ROOT;
	session->uses = RB_ROOT;
	qda_memory_init(&session->memory);
	qda_release_init(session);
	err = qda_event_new(drm, file, DRM_QDA_EVENT_LOST, 0, 0, &session->lost);
	if (!err)
		err = list_file(qdev, session);
	if (err) {
		qda_event_free(drm, session->lost);
		qda_session_put(session);
		return err;
	}
	file->driver_priv = session;
	return 0;
}

/* DRM has closed all handles, and thus dropped the mappings that no call and no key uses. */
void qda_session_postclose(struct drm_device *drm, struct drm_file *file)
{
	struct qda_session *session = file->driver_priv;
	struct qda_device *qdev = session->qdev;
	struct qda_event *event;
	bool open;

	mutex_lock(&qdev->sessions_lock);
	list_del(&session->node);
	mutex_unlock(&qdev->sessions_lock);
	qda_event_free(drm, session->lost);
	mutex_lock(&session->lock);
	session->closed = true;
	event = session->end_event;
	session->end_event = NULL;
	open = session->state == QDA_SESSION_OPEN || session->state == QDA_SESSION_LOST;
	if (open)
		qda_session_set_state(session, QDA_SESSION_RELEASING);
	mutex_unlock(&session->lock);
	qda_event_free(drm, event);
	if (open)
		qda_release_start(session);
	qda_session_put(session);
}

void qda_sessions_lost(struct qda_device *qdev)
{
	struct qda_session *session;

	mutex_lock(&qdev->sessions_lock);
	list_for_each_entry(session, &qdev->sessions, node) {
		qda_event_send(&qdev->drm, session->lost, -EPIPE, 0, 0);
		session->lost = NULL;
	}
	mutex_unlock(&qdev->sessions_lock);
}
