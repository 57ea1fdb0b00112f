/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Context banks of a DSP, and what is mapped in them. A bank belongs to one session until the DSP
 * has said that the session's PD is gone, or is gone itself; a bank whose PD may still run has an
 * owner without a file, and is nobody else's.
 */
#ifndef __QDA_BANK_H__
#define __QDA_BANK_H__

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>

struct dma_buf_attachment;
struct drm_gem_object;
struct qda_device;
struct qda_session;
struct qda_transport_info;
struct sg_table;

/**
 * struct qda_bank - an address space of the DSP
 * @base: stream id, where it stands in an address
 * @lock: protects all below, and sgt, attach and node of the bank's mappings
 * @dev: what to map for; NULL once the DSP is gone
 * @owner: the session it belongs to; NULL: free. Compared only, never followed.
 * @lost: its PD cannot be ended
 * @mappings: what the DSP can reach in it
 */
struct qda_bank {
	u64 base;
	struct mutex lock;	/* protects what follows, and the DMA part of mappings */
	struct device *dev;
	const struct qda_session *owner;
	bool lost;
	struct list_head mappings;
};

/**
 * struct qda_mapping - a buffer in a bank
 * @ref: held by handles in use, keys, calls. The buffer leaves the bank with the last of them, or
 *	when the bank is cleared; then the mapping is a husk that maps nothing.
 * @bank: where
 * @obj: counted
 * @node: in the bank's list
 * @sgt: NULL for a husk
 * @attach: of an import
 * @addr: of the first byte, as the DSP is told
 * @writable: the DSP may write
 */
struct qda_mapping {
	struct kref ref;
	struct qda_bank *bank;
	struct drm_gem_object *obj;
	struct list_head node;
	struct sg_table *sgt;
	struct dma_buf_attachment *attach;
	unsigned long attrs;	/* DMA_ATTR_* */
	u64 addr;
	bool writable;
};

int qda_banks_init(struct qda_device *qdev, const struct qda_transport_info *info);
/* Take a free bank; NULL when there is none. */
struct qda_bank *qda_bank_take(struct qda_device *qdev, const struct qda_session *owner);
/* Give it back. Only when no PD can be in it any more: everything in it is unmapped. */
void qda_bank_give(struct qda_bank *bank);
/* The DSP is gone: unmap everything, and never use the bank's device again. */
void qda_bank_kill(struct qda_bank *bank);
unsigned int qda_banks_free(struct qda_device *qdev);
/* It stays with its owner until the DSP is gone. */
void qda_bank_lose(struct qda_bank *bank);
unsigned int qda_banks_lost(struct qda_device *qdev);

int qda_mapping_new(struct qda_bank *bank, const struct qda_session *owner,
		    struct drm_gem_object *obj, struct qda_mapping **out);
size_t qda_mapping_size(const struct qda_mapping *mapping);
struct qda_mapping *qda_mapping_get(struct qda_mapping *mapping);
/* Takes NULL too. Process context. */
void qda_mapping_put(struct qda_mapping *mapping);

#endif
