/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside qda_vdsp.ko. A struct vdsp is one DSP socket of the machine: it has context banks
 * (vdsp_bank.c) and a character device. While a program holds that device (vdsp_file.c), a DSP is
 * plugged in and registered with qda.ko. Messages wait in channels (vdsp_channel.c): one for
 * control, one for each protection domain.
 *
 * Locks, outermost first: vdsp.life; mmap_lock (of whoever faults); vdsp_bank.lock; vdsp.lock is a
 * leaf.
 */
#ifndef __VDSP_H__
#define __VDSP_H__

#include <linux/device.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include <drm/drm_mm.h>

#include "../fastrpc/fastrpc.h"
#include "../qda_transport.h"
#include "../include/uapi/drm/qda_vdsp.h"

#define VDSP_BANK_PAGES	(1UL << (32 - PAGE_SHIFT))

/**
 * struct vdsp_bank - a context bank: an address space, and the software IOMMU that fills it
 * @dev: what qda.ko maps memory for
 * @dma_parms: of @dev
 * @dma_mask: of @dev
 * @stream_id: from 1
 * @lock: protects what follows; held while page tables of viewers are filled and emptied
 * @mm: struct vdsp_range, in pages
 * @next: where the search for free addresses begins, so that a freed one is not soon used again
 * @mapping: the viewers; NULL while there is no DSP
 * @boot: which run of the DSP may look; 0 for none
 */
struct vdsp_bank {
	struct device dev;
	struct device_dma_parameters dma_parms;
	u64 dma_mask;
	u32 stream_id;
	struct mutex lock; /* see above */
	struct drm_mm mm;
	u64 next;
	struct address_space *mapping;
	u64 boot;
};

struct vdsp_bank *vdsp_bank_create(struct device *parent, const char *node, u32 stream_id);
void vdsp_bank_destroy(struct vdsp_bank *bank);
void vdsp_banks_wait(void);
void vdsp_bank_show(struct vdsp_bank *bank, struct address_space *mapping, u64 boot);
void vdsp_bank_hide(struct vdsp_bank *bank);
void vdsp_bank_blink(struct vdsp_bank *bank);
vm_fault_t vdsp_bank_fault(struct vdsp_bank *bank, const u64 *boot, struct vm_fault *vmf);
vm_fault_t vdsp_bank_write_fault(struct vdsp_bank *bank, const u64 *boot, struct vm_fault *vmf);

/**
 * struct vdsp_channel - messages to one reader, and the file it reads them from
 * @dsp: of which DSP; outlives the file
 * @boot: in which run of the DSP it was made; 0: never, or its PD is ended. Read by viewers under
 *	vdsp_bank.lock, which vdsp_bank_blink() takes after this has changed.
 * @client: whose calls; 0 for control
 * @bank: of the protection domain; NULL for control, which sees all
 * @mapping: of the control file, shared by all viewers of the banks; counted
 * @link: in vdsp.pds; protected by vdsp.lock, as all below
 * @waiting: struct vdsp_call, oldest first, not read yet
 * @taken: read, not answered yet
 * @wait: for something in @waiting, or the end
 */
struct vdsp_channel {
	struct vdsp *dsp;
	u64 boot;
	s32 client;
	struct vdsp_bank *bank;
	struct address_space *mapping;
	struct list_head link;
	struct list_head waiting;
	struct list_head taken;
	wait_queue_head_t wait;
};

/**
 * struct vdsp - a DSP socket
 * @node: name of the character device
 * @name: of the domain
 * @misc: the character device
 * @parent: of the DRM device; the module's root device
 * @n_banks: how many
 * @banks: made when the module is loaded
 * @life: held for reading while a PD's response is delivered, for writing when the DSP stops
 * @qdev: qda.ko's device; set while the control file is open, before its open() and until after
 *	its release() begins
 * @lock: protects what follows, and the channels
 * @held: the control file is open
 * @boot: which run of the DSP this is; channels of another are dead
 * @boots: runs so far
 * @seq: messages in this run so far
 * @control: the control channel; NULL while there is no DSP
 * @pds: struct vdsp_channel of protection domains that live
 */
struct vdsp {
	char node[24];
	char name[16];
	struct miscdevice misc;
	struct device *parent;
	u32 n_banks;
	struct vdsp_bank **banks;
	struct rw_semaphore life;
	struct qda_device *qdev;
	spinlock_t lock; /* see above */
	bool held;
	u64 boot;
	u64 boots;
	u64 seq;
	struct vdsp_channel *control;
	struct list_head pds;
};

struct vdsp_channel *vdsp_channel_new(struct vdsp *dsp, s32 client, struct vdsp_bank *bank,
				      struct address_space *mapping);
void vdsp_channel_free(struct vdsp_channel *ch);
int vdsp_channel_start(struct vdsp *dsp, struct vdsp_channel *control);
void vdsp_channel_stop(struct vdsp *dsp);
int vdsp_channel_add_pd(struct vdsp_channel *pd, u64 boot);
void vdsp_channel_end_pd(struct vdsp_channel *pd);
struct vdsp_bank *vdsp_channel_end_client(struct vdsp *dsp, s32 client);
bool vdsp_channel_ready(struct vdsp_channel *ch, bool *alive);
u64 vdsp_channel_take(struct vdsp_channel *ch, struct qda_vdsp_record *record);
void vdsp_channel_untake(struct vdsp_channel *ch, u64 seq);
bool vdsp_channel_settle(struct vdsp_channel *ch, u64 ctx);
int vdsp_channel_send(struct vdsp *dsp, const struct fastrpc_msg *msg);

extern const struct file_operations vdsp_control_fops;
extern bool vdsp_scatter;
extern bool vdsp_hard_irq;

#endif
