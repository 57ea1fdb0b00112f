// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions: a PD is started, or joined, and ended. Only the answer of the DSP, or its end, gives a
 * context bank back; nobody waits for that. Process context.
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

static void set_state(struct qda_session *session, enum qda_session_state state)
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

/* --- the end of a PD --- */

/* No notification finds the session under this name any more. */
static void drop_client(struct qda_session *session)
{
	struct xarray *clients = &session->qdev->clients;

	if (!session->client)
		return;
	xa_lock_irq(clients);
	__xa_erase(clients, session->client);
	WRITE_ONCE(session->ended, 0);
	xa_unlock_irq(clients);
	session->client = 0;
}

/* The DSP does not have it any more, or never had: all that was the PD's is taken back. */
static void end(struct qda_session *session)
{
	struct qda_device *qdev = session->qdev;

	qda_ctx_fail(qdev, session, -ECONNRESET);
	mutex_lock(&session->lock);
	trace_qda_session(session->client, "ended");
	qda_event_free(&qdev->drm, session->end_event);
	session->end_event = NULL;
	qda_maps_drop(session);
	session->epoch++;
	qda_use_unmap_all(session);
	qda_mapping_put(session->initial);
	session->initial = NULL;
	qda_ctx_put(session->release);
	session->release = NULL;
	qda_memory_unmap(&session->memory);
	if (session->bank)
		qda_bank_give(session->bank);
	session->bank = NULL;
	drop_client(session);
	set_state(session, QDA_SESSION_IDLE);
	mutex_unlock(&session->lock);
}

/* The PD may still run, and nothing will tell when it does not: keep all it can reach. */
static void quarantine(struct qda_session *session, int error, s32 result)
{
	struct qda_device *qdev = session->qdev;

	drm_warn(&qdev->drm,
		 "client %d cannot be ended (error %d, result %#x): its context bank is lost until the DSP restarts\n",
		 session->client, error, result);
	qda_bank_lose(session->bank);
	mutex_lock(&session->lock);
	set_state(session, QDA_SESSION_STUCK);
	mutex_unlock(&session->lock);
	mutex_lock(&qdev->sessions_lock);
	list_add(&qda_session_get(session)->stuck_node, &qdev->quarantine);
	mutex_unlock(&qdev->sessions_lock);
}

static void settle_release(struct qda_ctx *ctx)
{
	/* It was dead already. */
	if (ctx->error == -EREMOTEIO && (u32)ctx->result == FASTRPC_EBADSTATE) {
		ctx->error = 0;
		ctx->result = 0;
	}
	if (!ctx->error || ctx->error == -EPIPE) {
		end(ctx->session);
	} else {
		quarantine(ctx->session, ctx->error, ctx->result);
		ctx->error = -ENOTRECOVERABLE;
	}
}

static void release_work(struct work_struct *work)
{
	struct qda_session *session = container_of(work, struct qda_session, release_work);
	struct qda_ctx *ctx;
	int err;

	mutex_lock(&session->lock);
	ctx = session->release;
	session->release = NULL;
	mutex_unlock(&session->lock);
	err = qda_ctx_send(ctx);
	if (err) {
		ctx->error = err;
		settle_release(ctx);
	}
	qda_ctx_put(ctx);
	qda_session_put(session);
}

static void start_release(struct qda_session *session)
{
	queue_work(qda_wq, &qda_session_get(session)->release_work);
}

/* Any context, for a session that somebody else counts, too. */
static void queue_ended(struct qda_session *session)
{
	qda_session_get(session);
	if (!queue_work(qda_wq, &session->ended_work))
		kref_put(&session->ref, session_free);
}

void qda_sessions_free_quarantine(struct qda_device *qdev)
{
	struct qda_session *session, *next;
	LIST_HEAD(list);

	mutex_lock(&qdev->sessions_lock);
	list_splice_init(&qdev->quarantine, &list);
	mutex_unlock(&qdev->sessions_lock);
	list_for_each_entry_safe(session, next, &list, stuck_node) {
		end(session);
		qda_session_put(session);
	}
}

/* Nothing is made for the PD any more when this returns 0, and the message that ends it is out. */
static int begin_release(struct qda_session *session, enum qda_session_state *before,
			 struct qda_ctx **ctx)
{
	int err = down_write_killable(&session->gate);

	if (err)
		return err;
	mutex_lock(&session->lock);
	*before = session->state;
	if (*before == QDA_SESSION_OPEN || *before == QDA_SESSION_LOST) {
		set_state(session, QDA_SESSION_RELEASING);
		*ctx = session->release;
		session->release = NULL;
	} else {
		err = *before == QDA_SESSION_STUCK ? -ENOTRECOVERABLE : -ENOTCONN;
	}
	mutex_unlock(&session->lock);
	up_write(&session->gate);
	return err;
}

static void undo_release(struct qda_session *session, enum qda_session_state before,
			 struct qda_ctx *ctx)
{
	mutex_lock(&session->lock);
	session->release = ctx;
	if (ctx->event) {
		qda_event_set_type(ctx->event, DRM_QDA_EVENT_ENDED, 0);
		session->end_event = ctx->event;
		ctx->event = NULL;
	}
	set_state(session, before);
	mutex_unlock(&session->lock);
	/* What the DSP said meanwhile, nobody listened to. */
	queue_ended(session);
}

/* The event that would have told the PD's end tells this one; it was sent if the PD is lost. */
static int get_event(struct qda_session *session, struct drm_file *file, u64 user_data,
		     struct qda_event **event)
{
	mutex_lock(&session->lock);
	*event = session->end_event;
	session->end_event = NULL;
	mutex_unlock(&session->lock);
	if (!*event)
		return qda_event_new(&session->qdev->drm, file, DRM_QDA_EVENT_DONE, user_data, 0,
				     event);
	qda_event_set_type(*event, DRM_QDA_EVENT_DONE, user_data);
	return 0;
}

int qda_ioctl_release(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct qda_session *session = file->driver_priv;
	struct drm_qda_release *args = data;
	enum qda_session_state before;
	struct qda_ctx *ctx;
	int err;

	args->result = 0;
	if (args->flags & ~DRM_QDA_ASYNC || (!args->flags && args->user_data))
		return -EINVAL;
	err = begin_release(session, &before, &ctx);
	if (err)
		return err;
	if (args->flags)
		err = get_event(session, file, args->user_data, &ctx->event);
	if (!err)
		err = qda_ctx_send(ctx);
	if (err) {
		undo_release(session, before, ctx);
		return err;
	}
	if (!args->flags) {
		err = qda_ctx_wait(ctx);
		args->result = ctx->result;
	}
	qda_ctx_put(ctx);
	return err;
}

/* --- a PD that ends by itself --- */

static bool notify(struct qda_session *session, u32 status)
{
	if (!session || session->ended)
		return false;
	WRITE_ONCE(session->ended, status);
	queue_ended(session);
	return true;
}

bool qda_session_notify(struct qda_device *qdev, s32 client, u32 status)
{
	unsigned long flags;
	bool taken;

	if (status < FASTRPC_PD_EXIT || status > FASTRPC_PD_EXCEPTION)
		return false;
	xa_lock_irqsave(&qdev->clients, flags);
	taken = notify(xa_load(&qdev->clients, client), status);
	xa_unlock_irqrestore(&qdev->clients, flags);
	return taken;
}

/* Not if it is being ended, or not there yet: then settle_open() looks again. */
static u32 set_lost(struct qda_session *session, struct qda_event **event)
{
	u32 status = 0;

	mutex_lock(&session->lock);
	if (session->state == QDA_SESSION_OPEN) {
		xa_lock_irq(&session->qdev->clients);
		status = session->ended;
		xa_unlock_irq(&session->qdev->clients);
	}
	if (status) {
		trace_qda_session(session->client, "lost");
		set_state(session, QDA_SESSION_LOST);
		*event = session->end_event;
		session->end_event = NULL;
	}
	mutex_unlock(&session->lock);
	return status;
}

/* Its calls end; all that it could reach stays its own until the DSP has confirmed a RELEASE. */
static void ended_work(struct work_struct *work)
{
	struct qda_session *session = container_of(work, struct qda_session, ended_work);
	struct drm_device *drm = &session->qdev->drm;
	struct qda_event *event = NULL;
	u32 status;
	int idx;

	if (drm_dev_enter(drm, &idx)) {
		status = set_lost(session, &event);
		if (status)
			qda_ctx_fail(session->qdev, session, -ECONNRESET);
		if (event)
			qda_event_send(drm, event, -ECONNRESET, status, 0);
		drm_dev_exit(idx);
	}
	qda_session_put(session);
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

/* Made before there is a PD, so that ending it cannot fail for want of memory. */
static int prepare_release(struct qda_session *session)
{
	const struct fastrpc_ctl ctl = {
		.method = FASTRPC_PROCESS_RELEASE,
		.client_id = session->client,
	};
	struct qda_ctx *ctx = qda_control_new(session, QDA_CTX_PROCESS, 0, settle_release);
	int err;

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	err = qda_control_write(ctx, &ctl);
	if (err)
		qda_ctx_put(ctx);
	else
		session->release = ctx;
	return err;
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
		err = prepare_release(session);
	return err;
}

/* From here on to the answer, the caller is alone with the session. */
static int begin(struct qda_session *session, struct drm_file *file, u32 pd)
{
	int err = 0;

	mutex_lock(&session->lock);
	if (session->state == QDA_SESSION_IDLE)
		set_state(session, QDA_SESSION_OPENING);
	else
		err = session->state == QDA_SESSION_STUCK ? -ENOTRECOVERABLE : -EISCONN;
	mutex_unlock(&session->lock);
	if (err)
		return err;
	err = prepare(session, file, pd);
	if (err)
		end(session);
	return err;
}

static void settle_open(struct qda_ctx *ctx)
{
	struct qda_session *session = ctx->session;
	bool closed;

	if (ctx->error) {
		end(session);
		return;
	}
	mutex_lock(&session->lock);
	/* CREATE: the second mapping, if any, is the initial memory. */
	if (ctx->n_mappings > 1)
		session->initial = qda_mapping_get(ctx->mappings[1]);
	trace_qda_session(session->client, "open");
	closed = session->closed;
	set_state(session, closed ? QDA_SESSION_RELEASING : QDA_SESSION_OPEN);
	/* Within the lock, so that the event of the PD's end comes after it. */
	qda_ctx_tell(ctx);
	mutex_unlock(&session->lock);
	if (closed)
		start_release(session);
	else
		queue_ended(session);
}

static int open_pd(struct qda_ctx *ctx, struct drm_file *file, const struct fastrpc_ctl *ctl,
		   u32 flags, u64 user_data, s32 *result)
{
	int err = qda_control_write(ctx, ctl);

	if (err) {
		end(ctx->session);
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
		end(session);
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
		end(session);
		return PTR_ERR(ctx);
	}
	err = map_buffers(ctx, file, args);
	if (err) {
		end(session);
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
	INIT_WORK(&session->release_work, release_work);
	INIT_WORK(&session->ended_work, ended_work);
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
		set_state(session, QDA_SESSION_RELEASING);
	mutex_unlock(&session->lock);
	qda_event_free(drm, event);
	if (open)
		start_release(session);
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
