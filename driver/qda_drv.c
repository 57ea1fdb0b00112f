// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DRM accel driver: devices come and go with their DSP, and commands are handed on.
 */
#include <linux/dma-map-ops.h>
#include <linux/export.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <drm/drm_accel.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_managed.h>
#include <drm/drm_print.h>
#include <drm/qda_accel.h>

#include "qda_bank.h"
#include "qda_compat.h"
#include "qda_control.h"
#include "qda_ctx.h"
#include "qda_drv.h"
#include "qda_gem.h"
#include "qda_invoke.h"
#include "qda_map.h"
#include "qda_memory.h"
#include "qda_release.h"
#include "qda_rpmsg.h"
#include "qda_session.h"

struct workqueue_struct *qda_wq;

static int query_value(struct qda_device *qdev, struct qda_session *session,
		       struct drm_qda_query *args)
{
	switch (args->type) {
	case DRM_QDA_QUERY_NAME:
		break;
	case DRM_QDA_QUERY_ATTRS:
		args->value = qda_session_attrs(qdev);
		break;
	case DRM_QDA_QUERY_BANKS:
		args->value = qdev->n_banks;
		break;
	case DRM_QDA_QUERY_BANKS_FREE:
		args->value = qda_banks_free(qdev);
		break;
	case DRM_QDA_QUERY_BANKS_LOST:
		args->value = qda_banks_lost(qdev);
		break;
	case DRM_QDA_QUERY_CALLS:
		args->value = QDA_CALLS_MAX;
		break;
	case DRM_QDA_QUERY_FILE_CALLS:
		args->value = QDA_FILE_CALLS_MAX;
		break;
	case DRM_QDA_QUERY_PAYLOAD:
		args->value = QDA_PAYLOAD_MAX;
		break;
	case DRM_QDA_QUERY_BUFFER:
		args->value = qda_buffer_max();
		break;
	case DRM_QDA_QUERY_CAPABILITY:
		return qda_control_capability(session, args->index, &args->value);
	default:
		return -EINVAL;
	}
	return 0;
}

static int qda_ioctl_query(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct qda_device *qdev = to_qda_device(drm);
	struct drm_qda_query *args = data;

	args->value = 0;
	strscpy_pad(args->dsp_name, qdev->name, sizeof(args->dsp_name));
	if (args->index >= (args->type == DRM_QDA_QUERY_CAPABILITY ? QDA_CAPABILITIES : 1))
		return -EINVAL;
	return query_value(qdev, file->driver_priv, args);
}

static void show_fdinfo(struct drm_printer *printer, struct drm_file *file)
{
	struct qda_session *session = file->driver_priv;

	drm_printf(printer, "drm-engine-dsp:\t%lld ns\n", atomic64_read(&session->busy_ns));
	drm_show_memory_stats(printer, file);
}

static const struct drm_ioctl_desc ioctls[] = {
	DRM_IOCTL_DEF_DRV(QDA_QUERY, qda_ioctl_query, 0),
	DRM_IOCTL_DEF_DRV(QDA_GEM_CREATE, qda_ioctl_gem_create, 0),
	DRM_IOCTL_DEF_DRV(QDA_GEM_MMAP_OFFSET, qda_ioctl_gem_mmap_offset, 0),
	DRM_IOCTL_DEF_DRV(QDA_INIT_ATTACH, qda_ioctl_init_attach, 0),
	DRM_IOCTL_DEF_DRV(QDA_INIT_CREATE, qda_ioctl_init_create, 0),
	DRM_IOCTL_DEF_DRV(QDA_MAP, qda_ioctl_map, 0),
	DRM_IOCTL_DEF_DRV(QDA_UNMAP, qda_ioctl_unmap, 0),
	DRM_IOCTL_DEF_DRV(QDA_INVOKE, qda_ioctl_invoke, 0),
	DRM_IOCTL_DEF_DRV(QDA_SUBMIT, qda_ioctl_submit, 0),
	DRM_IOCTL_DEF_DRV(QDA_CANCEL, qda_ioctl_cancel, 0),
	DRM_IOCTL_DEF_DRV(QDA_RELEASE, qda_ioctl_release, 0),
};

static const struct file_operations fops = {
	.owner = THIS_MODULE,
	DRM_ACCEL_FOPS,
	.show_fdinfo = drm_show_fdinfo,
};

static const struct drm_driver driver = {
	.driver_features = DRIVER_COMPUTE_ACCEL | DRIVER_GEM,
	.fops = &fops,
	.name = "qda",
	.desc = "Qualcomm DSP accelerator",
	QDA_DRIVER_DATE
	.major = 1,
	.minor = 0,
	.ioctls = ioctls,
	.num_ioctls = ARRAY_SIZE(ioctls),
	.open = qda_session_open,
	.postclose = qda_session_postclose,
	.show_fdinfo = show_fdinfo,
	.gem_create_object = qda_gem_create_object,
	.gem_prime_import = qda_gem_prime_import,
};

/* --- devices --- */

static int check_info(const struct qda_transport_info *info)
{
	const size_t length = strlen(info->name);

	if (!length || length >= sizeof_field(struct qda_device, name))
		return -EINVAL;
	if (!info->n_banks || info->n_banks > QDA_BANKS_MAX || info->stream_id_shift < 32 ||
	    info->stream_id_shift > 63)
		return -EINVAL;
	return 0;
}

static bool is_coherent(const struct qda_transport_info *info)
{
	unsigned int i;

	for (i = 0; i < info->n_banks; i++) {
		if (!dev_is_dma_coherent(info->banks[i].dev))
			return false;
	}
	return true;
}

static void clients_fini(struct drm_device *drm, void *unused)
{
	xa_destroy(&to_qda_device(drm)->clients);
}

static int init(struct qda_device *qdev, const struct qda_transport_info *info)
{
	int err;

	strscpy(qdev->name, info->name, sizeof(qdev->name));
	qdev->coherent = is_coherent(info);
	qdev->last_id = QDA_CONTROL_IDS;
	INIT_LIST_HEAD(&qdev->sessions);
	INIT_LIST_HEAD(&qdev->quarantine);
	spin_lock_init(&qdev->ids_lock);
	xa_init_flags(&qdev->clients, XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_IRQ);
	err = drmm_add_action_or_reset(&qdev->drm, clients_fini, NULL);
	if (!err)
		err = drmm_mutex_init(&qdev->drm, &qdev->sessions_lock);
	if (!err)
		err = qda_banks_init(qdev, info);
	return err;
}

/* All that hangs on the parent is in a group, for the parent may have many a device in its life. */
struct qda_device *qda_device_register(struct device *parent, const struct qda_transport_ops *ops,
				       void *priv, const struct qda_transport_info *info)
{
	struct qda_device *qdev;
	void *group;
	int err;

	err = check_info(info);
	if (err)
		return ERR_PTR(err);
	group = devres_open_group(parent, NULL, GFP_KERNEL);
	if (!group)
		return ERR_PTR(-ENOMEM);
	qdev = devm_drm_dev_alloc(parent, &driver, struct qda_device, drm);
	if (IS_ERR(qdev)) {
		err = PTR_ERR(qdev);
		goto release;
	}
	qdev->ops = ops;
	qdev->priv = priv;
	qdev->devres = group;
	err = init(qdev, info);
	if (err)
		goto release;
	if (ops->ready)
		ops->ready(priv, qdev);
	err = drm_dev_register(&qdev->drm, 0);
	if (err)
		goto release;
	devres_close_group(parent, group);
	return qdev;

release:
	devres_release_group(parent, group);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_GPL(qda_device_register);

void qda_device_unregister(struct qda_device *qdev)
{
	unsigned int i;

	/* Nothing is sent any more, and then nothing waits any more. */
	drm_dev_unplug(&qdev->drm);
	qda_ctx_fail(qdev, NULL, -EPIPE);
	flush_workqueue(qda_wq);
	qda_sessions_lost(qdev);
	for (i = 0; i < qdev->n_banks; i++)
		qda_bank_kill(&qdev->banks[i]);
	qda_sessions_free_quarantine(qdev);
	devres_release_group(qdev->drm.dev, qdev->devres);
}
EXPORT_SYMBOL_GPL(qda_device_unregister);

/* --- module --- */

static int __init qda_init(void)
{
	int err;

	qda_wq = alloc_workqueue("qda", WQ_UNBOUND, 0);
	if (!qda_wq)
		return -ENOMEM;
	err = qda_rpmsg_init();
	if (err)
		destroy_workqueue(qda_wq);
	return err;
}

static void __exit qda_exit(void)
{
	qda_rpmsg_exit();
	destroy_workqueue(qda_wq);
}

module_init(qda_init);
module_exit(qda_exit);

MODULE_DESCRIPTION("Qualcomm DSP accelerator driver");
MODULE_LICENSE("GPL");
QDA_IMPORT_NS(DMA_BUF);
