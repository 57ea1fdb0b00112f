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
	return smp_load_acquire(&session->state) == QDA_SESSION_OPEN ? 0 : -ENOTCONN;
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

/* The DSP does not have it any more, or never had: all that was the PD's is taken back. */
static void end(struct qda_session *session)
{
	struct qda_device *qdev = session->qdev;

	qda_ctx_fail(qdev, session, -ECONNRESET);
	mutex_lock(&session->lock);
	session->state = QDA_SESSION_IDLE;
	qda_maps_drop(session);
	qda_use_unmap_all(session);
	qda_mapping_put(session->initial);
	session->initial = NULL;
	qda_ctx_put(session->release);
	session->release = NULL;
	qda_memory_unmap(&session->memory);
	if (session->bank)
		qda_bank_give(session->bank);
	session->bank = NULL;
	if (session->client)
		xa_erase(&qdev->clients, session->client);
	trace_qda_session(session->client, "ended");
	session->client = 0;
	mutex_unlock(&session->lock);
}

/* The PD may still run, and nothing will tell when it does not: keep all it can reach. */
static void quarantine(struct qda_session *session, int error, s32 result)
{
	struct qda_device *qdev = session->qdev;

	drm_warn(&qdev->drm,
		 "client %d cannot be ended (error %d, result %#x): its context bank is lost until the DSP restarts\n",
		 session->client, error, result);
	mutex_lock(&qdev->sessions_lock);
	list_add(&qda_session_get(session)->node, &qdev->quarantine);
	mutex_unlock(&qdev->sessions_lock);
}

static void settle_release(struct qda_ctx *ctx)
{
	const bool dead = ctx->error == -EREMOTEIO && (u32)ctx->result == FASTRPC_EBADSTATE;

	if (!ctx->error || ctx->error == -EPIPE || dead)
		end(ctx->session);
	else
		quarantine(ctx->session, ctx->error, ctx->result);
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

void qda_sessions_free_quarantine(struct qda_device *qdev)
{
	struct qda_session *session, *next;
	LIST_HEAD(list);

	mutex_lock(&qdev->sessions_lock);
	list_splice_init(&qdev->quarantine, &list);
	mutex_unlock(&qdev->sessions_lock);
	list_for_each_entry_safe(session, next, &list, node) {
		end(session);
		qda_session_put(session);
	}
}

/* --- the start of a PD --- */

static int new_client(struct qda_session *session)
{
	struct qda_device *qdev = session->qdev;
	u32 client;
	int err;

	err = xa_alloc_cyclic(&qdev->clients, &client, session, XA_LIMIT(1, S32_MAX),
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

static int prepare(struct qda_session *session, u32 pd)
{
	int err;

	session->pd = pd;
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
static int begin(struct qda_session *session, u32 pd)
{
	int err = 0;

	mutex_lock(&session->lock);
	if (session->state == QDA_SESSION_IDLE)
		session->state = QDA_SESSION_OPENING;
	else
		err = -EISCONN;
	mutex_unlock(&session->lock);
	if (err)
		return err;
	err = prepare(session, pd);
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
	/* Pairs with qda_session_check(). */
	smp_store_release(&session->state, QDA_SESSION_OPEN);
	closed = session->closed;
	mutex_unlock(&session->lock);
	if (closed)
		start_release(session);
}

static int open_pd(struct qda_ctx *ctx, struct drm_file *file, const struct fastrpc_ctl *ctl,
		   u32 flags, u64 user_data, s32 *result)
{
	int err = qda_control_write(ctx, ctl);

	if (err) {
		end(ctx->session);
		return err;
	}
	err = qda_control_run(ctx, file, flags, user_data);
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
	err = begin(session, args->pd);
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
		err = begin(session, FASTRPC_PD_USER);
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
	mutex_init(&session->lock);
	mutex_init(&session->uses_lock);
	session->keys = RB_ROOT;
	session->heaps = RB_ROOT;
	session->uses = RB_ROOT;
	qda_memory_init(&session->memory);
	INIT_WORK(&session->release_work, release_work);
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
	bool open;

	mutex_lock(&qdev->sessions_lock);
	list_del(&session->node);
	mutex_unlock(&qdev->sessions_lock);
	qda_event_free(drm, session->lost);
	mutex_lock(&session->lock);
	session->closed = true;
	open = session->state == QDA_SESSION_OPEN;
	mutex_unlock(&session->lock);
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
