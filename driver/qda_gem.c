// SPDX-License-Identifier: GPL-2.0-only
/*
 * GEM objects. A GEM object holds pages; its address in a bank is a mapping (qda_bank.c), and which
 * file holds handles of it is the session's (qda_use.c).
 */
#include <linux/dma-buf.h>
#include <linux/slab.h>

#include <drm/drm_gem_shmem_helper.h>
#include <drm/drm_prime.h>
#include <drm/qda_accel.h>

#include "qda_drv.h"
#include "qda_gem.h"
#include "qda_use.h"

struct qda_memory_object {
	struct drm_gem_shmem_object base;	/* first: the shmem helper frees it */
	unsigned int n_mapped;			/* banks it is mapped in; under resv */
};

struct qda_import {
	struct drm_gem_object base;
	struct dma_buf *dma_buf;	/* counted */
};

static const struct drm_gem_object_funcs import_funcs;

static struct qda_import *to_import(const struct drm_gem_object *obj)
{
	return container_of(obj, struct qda_import, base);
}

struct dma_buf *qda_gem_import(const struct drm_gem_object *obj)
{
	return obj->funcs == &import_funcs ? to_import(obj)->dma_buf : NULL;
}

bool qda_gem_writable(const struct drm_gem_object *obj)
{
	const struct dma_buf *dma_buf = qda_gem_import(obj);

	return !dma_buf || dma_buf->file->f_mode & FMODE_WRITE;
}

/* --- export: as the DRM helpers do it, but recognised when it comes back --- */

static const struct dma_buf_ops dma_buf_ops = {
	.cache_sgt_mapping = true,
	.attach = drm_gem_map_attach,
	.detach = drm_gem_map_detach,
	.map_dma_buf = drm_gem_map_dma_buf,
	.unmap_dma_buf = drm_gem_unmap_dma_buf,
	.release = drm_gem_dmabuf_release,
	.mmap = drm_gem_dmabuf_mmap,
	.vmap = drm_gem_dmabuf_vmap,
	.vunmap = drm_gem_dmabuf_vunmap,
};

static struct dma_buf *export(struct drm_gem_object *obj, int flags)
{
	struct dma_buf_export_info info = {
		.exp_name = KBUILD_MODNAME,
		.owner = THIS_MODULE,
		.ops = &dma_buf_ops,
		.size = obj->size,
		.flags = flags,
		.priv = obj,
		.resv = obj->resv,
	};

	return drm_gem_dmabuf_export(obj->dev, &info);
}

/* --- own memory --- */

unsigned int *qda_gem_mapped(struct drm_gem_object *obj)
{
	struct drm_gem_shmem_object *shmem = to_drm_gem_shmem_obj(obj);

	dma_resv_assert_held(obj->resv);
	return &container_of(shmem, struct qda_memory_object, base)->n_mapped;
}

static const struct drm_gem_object_funcs shmem_funcs = {
	.free = drm_gem_shmem_object_free,
	.open = qda_use_open,
	.close = qda_use_close,
	.print_info = drm_gem_shmem_object_print_info,
	.export = export,
	.pin = drm_gem_shmem_object_pin,
	.unpin = drm_gem_shmem_object_unpin,
	.get_sg_table = drm_gem_shmem_object_get_sg_table,
	.vmap = drm_gem_shmem_object_vmap,
	.vunmap = drm_gem_shmem_object_vunmap,
	.mmap = drm_gem_shmem_object_mmap,
	.vm_ops = &drm_gem_shmem_vm_ops,
};

struct drm_gem_object *qda_gem_create_object(struct drm_device *drm, size_t size)
{
	struct qda_memory_object *memory;

	memory = kzalloc(sizeof(*memory), GFP_KERNEL);
	if (!memory)
		return ERR_PTR(-ENOMEM);
	memory->base.base.funcs = &shmem_funcs;
	/* Where the DSP does not snoop, nobody's caches hold a buffer: nothing to clean per call */
	memory->base.map_wc = !to_qda_device(drm)->coherent;
	return &memory->base.base;
}

struct drm_gem_object *qda_gem_new(struct drm_device *drm, size_t size)
{
	struct drm_gem_shmem_object *shmem = drm_gem_shmem_create(drm, size);

	return IS_ERR(shmem) ? ERR_CAST(shmem) : &shmem->base;
}

int qda_ioctl_gem_create(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_qda_gem_create *args = data;
	struct drm_gem_object *obj;
	int err;

	if (args->pad || !args->size)
		return -EINVAL;
	if (args->size > qda_buffer_max())
		return -E2BIG;
	obj = qda_gem_new(drm, PAGE_ALIGN(args->size));
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	err = drm_gem_handle_create(file, obj, &args->handle);
	drm_gem_object_put(obj);
	return err;
}

int qda_ioctl_gem_mmap_offset(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_qda_gem_mmap_offset *args = data;
	struct drm_gem_object *obj;
	int err = 0;

	if (args->pad)
		return -EINVAL;
	obj = drm_gem_object_lookup(file, args->handle);
	if (!obj)
		return -ENOENT;
	if (qda_gem_import(obj))
		err = -EOPNOTSUPP;
	else
		args->offset = drm_vma_node_offset_addr(&obj->vma_node);
	drm_gem_object_put(obj);
	return err;
}

/* --- imports --- */

static void import_free(struct drm_gem_object *obj)
{
	struct qda_import *import = to_import(obj);

	drm_gem_object_release(obj);
	/* The reservation lock is the dma-buf's. */
	dma_buf_put(import->dma_buf);
	kfree(import);
}

static const struct drm_gem_object_funcs import_funcs = {
	.free = import_free,
	.open = qda_use_open,
	.close = qda_use_close,
};

struct drm_gem_object *qda_gem_prime_import(struct drm_device *drm, struct dma_buf *dma_buf)
{
	struct drm_gem_object *obj = dma_buf->priv;
	struct qda_import *import;

	if (dma_buf->ops == &dma_buf_ops && obj->dev == drm) {
		drm_gem_object_get(obj);
		return obj;
	}
	if (!dma_buf->size || dma_buf->size >= QDA_BANK_SIZE || !PAGE_ALIGNED(dma_buf->size))
		return ERR_PTR(-EINVAL);
	import = kzalloc(sizeof(*import), GFP_KERNEL);
	if (!import)
		return ERR_PTR(-ENOMEM);
	import->base.funcs = &import_funcs;
	drm_gem_private_object_init(drm, &import->base, dma_buf->size);
	get_dma_buf(dma_buf);
	import->dma_buf = dma_buf;
	import->base.resv = dma_buf->resv;
	return &import->base;
}
