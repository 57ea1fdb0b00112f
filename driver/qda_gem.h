/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Buffers: own memory (shmem), or a dma-buf of somebody else that is only kept here and attached to
 * a bank when it is first mapped there.
 */
#ifndef __QDA_GEM_H__
#define __QDA_GEM_H__

#include <linux/types.h>

struct dma_buf;
struct drm_device;
struct drm_file;
struct drm_gem_object;

/* Own memory without a handle. ERR_PTR on failure. */
struct drm_gem_object *qda_gem_new(struct drm_device *drm, size_t size);
/* The dma-buf of an import; NULL for own memory. */
struct dma_buf *qda_gem_import(const struct drm_gem_object *obj);
/* Of own memory: in how many banks it is mapped. The caller holds obj->resv. */
unsigned int *qda_gem_mapped(struct drm_gem_object *obj);
bool qda_gem_writable(const struct drm_gem_object *obj);

/* Driver operations. */
struct drm_gem_object *qda_gem_create_object(struct drm_device *drm, size_t size);
struct drm_gem_object *qda_gem_prime_import(struct drm_device *drm, struct dma_buf *dma_buf);
int qda_ioctl_gem_create(struct drm_device *drm, void *data, struct drm_file *file);
int qda_ioctl_gem_mmap_offset(struct drm_device *drm, void *data, struct drm_file *file);

#endif
