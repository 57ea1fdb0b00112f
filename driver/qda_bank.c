// SPDX-License-Identifier: GPL-2.0-only
/*
 * Context banks and mappings. The only file that maps memory for a DSP. Process context only.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/sched.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include <drm/drm_gem_shmem_helper.h>
#include <drm/drm_managed.h>
#include <drm/drm_prime.h>

#include "qda_bank.h"
#include "qda_drv.h"
#include "qda_gem.h"
#include "qda_trace.h"

int qda_banks_init(struct qda_device *qdev, const struct qda_transport_info *info)
{
	struct qda_bank *bank;
	unsigned int i;
	int err;

	qdev->banks = drmm_kcalloc(&qdev->drm, info->n_banks, sizeof(*qdev->banks), GFP_KERNEL);
	if (!qdev->banks)
		return -ENOMEM;
	for (i = 0; i < info->n_banks; i++) {
		bank = &qdev->banks[i];
		err = drmm_mutex_init(&qdev->drm, &bank->lock);
		if (err)
			return err;
		INIT_LIST_HEAD(&bank->mappings);
		bank->dev = info->banks[i].dev;
		bank->base = (u64)info->banks[i].stream_id << info->stream_id_shift;
	}
	qdev->n_banks = info->n_banks;
	return 0;
}

struct qda_bank *qda_bank_take(struct qda_device *qdev, const struct qda_session *owner)
{
	struct qda_bank *bank;
	unsigned int i;
	bool taken;

	for (i = 0; i < qdev->n_banks; i++) {
		bank = &qdev->banks[i];
		mutex_lock(&bank->lock);
		taken = bank->dev && !bank->owner;
		if (taken)
			bank->owner = owner;
		mutex_unlock(&bank->lock);
		if (taken)
			return bank;
	}
	return NULL;
}

unsigned int qda_banks_free(struct qda_device *qdev)
{
	unsigned int i, n = 0;

	for (i = 0; i < qdev->n_banks; i++) {
		mutex_lock(&qdev->banks[i].lock);
		n += !qdev->banks[i].owner;
		mutex_unlock(&qdev->banks[i].lock);
	}
	return n;
}

unsigned int qda_banks_lost(struct qda_device *qdev)
{
	unsigned int i, n = 0;

	for (i = 0; i < qdev->n_banks; i++) {
		mutex_lock(&qdev->banks[i].lock);
		n += qdev->banks[i].lost;
		mutex_unlock(&qdev->banks[i].lock);
	}
	return n;
}

void qda_bank_lose(struct qda_bank *bank)
{
	mutex_lock(&bank->lock);
	bank->lost = true;
	mutex_unlock(&bank->lock);
}

static enum dma_data_direction direction(const struct qda_mapping *mapping)
{
	return mapping->writable ? DMA_BIDIRECTIONAL : DMA_TO_DEVICE;
}

/* --- own memory: the pages are pinned as long as the mapping lasts, husk or not --- */

static int pin(struct drm_gem_object *obj)
{
	int err;

	dma_resv_lock(obj->resv, NULL);
	err = drm_gem_shmem_pin_locked(to_drm_gem_shmem_obj(obj));
	dma_resv_unlock(obj->resv);
	return err;
}

static void unpin(struct drm_gem_object *obj)
{
	dma_resv_lock(obj->resv, NULL);
	drm_gem_shmem_unpin_locked(to_drm_gem_shmem_obj(obj));
	dma_resv_unlock(obj->resv);
}

/*
 * A table of its own for each mapping: one table can be mapped for one device only. The first one
 * cleans the caches of CPUs; what is in use in another bank already needs no more of that.
 */
static int map_pages(struct qda_mapping *mapping, struct device *dev)
{
	struct drm_gem_object *obj = mapping->obj;
	struct sg_table *sgt;
	int err;

	sgt = drm_gem_shmem_get_sg_table(to_drm_gem_shmem_obj(obj));
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	dma_resv_lock(obj->resv, NULL);
	mapping->attrs = *qda_gem_mapped(obj) ? DMA_ATTR_SKIP_CPU_SYNC : 0;
	err = dma_map_sgtable(dev, sgt, direction(mapping), mapping->attrs);
	if (!err)
		++*qda_gem_mapped(obj);
	dma_resv_unlock(obj->resv);
	if (err) {
		sg_free_table(sgt);
		kfree(sgt);
		return err;
	}
	mapping->sgt = sgt;
	return 0;
}

static void unmap_pages(struct qda_mapping *mapping, struct device *dev)
{
	dma_resv_lock(mapping->obj->resv, NULL);
	dma_unmap_sgtable(dev, mapping->sgt, direction(mapping), mapping->attrs);
	--*qda_gem_mapped(mapping->obj);
	dma_resv_unlock(mapping->obj->resv);
	sg_free_table(mapping->sgt);
	kfree(mapping->sgt);
}

/* --- imports --- */

static int map_import(struct qda_mapping *mapping, struct device *dev)
{
	struct dma_buf *dma_buf = qda_gem_import(mapping->obj);
	struct sg_table *sgt;

	mapping->attach = dma_buf_attach(dma_buf, dev);
	if (IS_ERR(mapping->attach))
		return PTR_ERR(mapping->attach);
	sgt = dma_buf_map_attachment_unlocked(mapping->attach, direction(mapping));
	if (IS_ERR(sgt)) {
		dma_buf_detach(dma_buf, mapping->attach);
		return PTR_ERR(sgt);
	}
	mapping->sgt = sgt;
	return 0;
}

static void unmap_import(struct qda_mapping *mapping)
{
	dma_buf_unmap_attachment_unlocked(mapping->attach, mapping->sgt, direction(mapping));
	dma_buf_detach(qda_gem_import(mapping->obj), mapping->attach);
}

/* --- both --- */

static void unmap(struct qda_mapping *mapping, struct device *dev)
{
	trace_qda_unmap(mapping->addr, mapping->obj->size);
	if (qda_gem_import(mapping->obj))
		unmap_import(mapping);
	else
		unmap_pages(mapping, dev);
	mapping->sgt = NULL;
	list_del_init(&mapping->node);
}

/* One range, and within what a bank can address: the DSP is told a start and a length only. */
static int check_range(const struct qda_mapping *mapping)
{
	const size_t size = mapping->obj->size;
	const u64 addr = sg_dma_address(mapping->sgt->sgl);

	if (drm_prime_get_contiguous_size(mapping->sgt) < size)
		return -ERANGE;
	if (addr < PAGE_SIZE || addr + size > QDA_BANK_SIZE || !PAGE_ALIGNED(addr))
		return -ERANGE;
	return 0;
}

static int map(struct qda_mapping *mapping, struct device *dev)
{
	int err;

	if (qda_gem_import(mapping->obj))
		err = map_import(mapping, dev);
	else
		err = map_pages(mapping, dev);
	/* What a device that is out of addresses, or an exporter, may say is theirs, not ours. */
	if (err)
		return err == -ENOMEM ? err : -EIO;
	mapping->addr = mapping->bank->base + sg_dma_address(mapping->sgt->sgl);
	list_add(&mapping->node, &mapping->bank->mappings);
	trace_qda_map(mapping->addr, mapping->obj->size);
	err = check_range(mapping);
	if (err)
		unmap(mapping, dev);
	return err;
}

static int map_in_bank(struct qda_mapping *mapping, const struct qda_session *owner)
{
	struct qda_bank *bank = mapping->bank;
	int err;

	mutex_lock(&bank->lock);
	if (bank->dev && bank->owner == owner)
		err = map(mapping, bank->dev);
	else
		err = -EPIPE;
	mutex_unlock(&bank->lock);
	return err;
}

int qda_mapping_new(struct qda_bank *bank, const struct qda_session *owner,
		    struct drm_gem_object *obj, struct qda_mapping **out)
{
	struct qda_mapping *mapping;
	int err;

	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL);
	if (!mapping)
		return -ENOMEM;
	if (!qda_gem_import(obj)) {
		err = pin(obj);
		if (err) {
			kfree(mapping);
			return err;
		}
	}
	kref_init(&mapping->ref);
	INIT_LIST_HEAD(&mapping->node);
	mapping->bank = bank;
	mapping->writable = qda_gem_writable(obj);
	drm_gem_object_get(obj);
	mapping->obj = obj;
	err = map_in_bank(mapping, owner);
	if (err) {
		qda_mapping_put(mapping);
		return err;
	}
	*out = mapping;
	return 0;
}

size_t qda_mapping_size(const struct qda_mapping *mapping)
{
	return mapping->obj->size;
}

struct qda_mapping *qda_mapping_get(struct qda_mapping *mapping)
{
	kref_get(&mapping->ref);
	return mapping;
}

static void mapping_free(struct kref *ref)
{
	struct qda_mapping *mapping = container_of(ref, struct qda_mapping, ref);
	struct qda_bank *bank = mapping->bank;

	mutex_lock(&bank->lock);
	if (mapping->sgt)
		unmap(mapping, bank->dev);
	mutex_unlock(&bank->lock);
	if (!qda_gem_import(mapping->obj))
		unpin(mapping->obj);
	drm_gem_object_put(mapping->obj);
	kfree(mapping);
}

void qda_mapping_put(struct qda_mapping *mapping)
{
	if (mapping)
		kref_put(&mapping->ref, mapping_free);
}

static void clear(struct qda_bank *bank)
{
	struct qda_mapping *mapping, *next;

	lockdep_assert_held(&bank->lock);
	list_for_each_entry_safe(mapping, next, &bank->mappings, node) {
		unmap(mapping, bank->dev);
		cond_resched();
	}
}

void qda_bank_give(struct qda_bank *bank)
{
	mutex_lock(&bank->lock);
	clear(bank);
	bank->owner = NULL;
	bank->lost = false;
	mutex_unlock(&bank->lock);
}

void qda_bank_kill(struct qda_bank *bank)
{
	mutex_lock(&bank->lock);
	clear(bank);
	bank->dev = NULL;
	mutex_unlock(&bank->lock);
}
