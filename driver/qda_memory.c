// SPDX-License-Identifier: GPL-2.0-only
/*
 * Message memory. Pages are given out and taken back in any context; the rest is process context.
 */
#include <linux/iosys-map.h>

#include <drm/drm_gem.h>

#include "qda_bank.h"
#include "qda_compat.h"
#include "qda_drv.h"
#include "qda_gem.h"
#include "qda_memory.h"
#include "qda_session.h"

void qda_memory_init(struct qda_memory *memory)
{
	spin_lock_init(&memory->lock);
}

static int make(struct qda_memory *memory, struct drm_device *drm)
{
	struct drm_gem_object *obj;
	struct iosys_map map;
	int err;

	if (memory->obj)
		return 0;
	obj = qda_gem_new(drm, QDA_MEMORY_PAGES * FASTRPC_PAGE);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	err = qda_gem_vmap(obj, &map);
	if (err) {
		drm_gem_object_put(obj);
		return err;
	}
	memory->cpu = map.vaddr;
	memory->obj = obj;
	return 0;
}

int qda_memory_map(struct qda_session *session)
{
	struct qda_memory *memory = &session->memory;
	int err = make(memory, &session->qdev->drm);

	if (err)
		return err;
	return qda_mapping_new(session->bank, session, memory->obj, &memory->mapping);
}

void qda_memory_unmap(struct qda_memory *memory)
{
	qda_mapping_put(memory->mapping);
	memory->mapping = NULL;
}

void qda_memory_fini(struct qda_memory *memory)
{
	struct iosys_map map;

	if (!memory->obj)
		return;
	iosys_map_set_vaddr(&map, memory->cpu);
	qda_gem_vunmap(memory->obj, &map);
	drm_gem_object_put(memory->obj);
	memory->obj = NULL;
}

int qda_payload_alloc(struct qda_memory *memory, u32 size, struct qda_payload *payload)
{
	const u32 pages = DIV_ROUND_UP(size, FASTRPC_PAGE);
	unsigned long flags, page;

	if (size > QDA_PAYLOAD_MAX)
		return -E2BIG;
	spin_lock_irqsave(&memory->lock, flags);
	page = bitmap_find_next_zero_area(memory->used, QDA_MEMORY_PAGES, 0, pages, 0);
	if (page < QDA_MEMORY_PAGES)
		bitmap_set(memory->used, page, pages);
	spin_unlock_irqrestore(&memory->lock, flags);
	if (page >= QDA_MEMORY_PAGES)
		return -EBUSY;
	payload->cpu = memory->cpu + page * FASTRPC_PAGE;
	payload->addr = memory->mapping->addr + page * FASTRPC_PAGE;
	payload->pages = pages;
	return 0;
}

void qda_payload_free(struct qda_memory *memory, struct qda_payload *payload)
{
	unsigned long flags;

	if (!payload->pages)
		return;
	spin_lock_irqsave(&memory->lock, flags);
	bitmap_clear(memory->used, (payload->cpu - memory->cpu) / FASTRPC_PAGE, payload->pages);
	spin_unlock_irqrestore(&memory->lock, flags);
	payload->pages = 0;
}
