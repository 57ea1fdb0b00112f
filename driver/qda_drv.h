/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A DSP as qda.ko sees it, and the limits that hold for all of them.
 *
 * Who keeps whom alive: a session, whether its file is open or not, counts the DRM device; calls
 * and control requests count their session; mappings count their GEM object. What only calls
 * through the transport or to a bank's struct device must end with qda_device_unregister() does.
 *
 * Locks, each to be taken before those below it:
 *	qda_session.gate		that a message and its PD belong together; outermost, since
 *					user memory is touched in it
 *	qda_device.sessions_lock	lists of sessions
 *	qda_session.lock		state and tables of one session
 *	qda_session.uses_lock		which buffers its handles name
 *	qda_bank.lock			one bank: owner and mappings
 *	dma_resv of a buffer
 *	qda_device.ids_lock		(hard irq) ids, calls in flight; nothing is taken inside
 *	qda_memory.lock			(hard irq) pages in use; nothing is taken inside
 *	qda_device.clients		(hard irq) whose client ids are; nothing is taken inside
 */
#ifndef __QDA_DRV_H__
#define __QDA_DRV_H__

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <drm/drm_device.h>

#include "fastrpc/fastrpc.h"
#include "qda_transport.h"

struct qda_bank;
struct qda_ctx;

#define QDA_CONTROL_IDS		QDA_BANKS_MAX	/* id 1 + bank starts and ends its PDs */
#define QDA_CALLS_MAX		(FASTRPC_MAX_ID - QDA_CONTROL_IDS)
#define QDA_FILE_CALLS_MAX	126	/* calls and control requests of one file in flight */
#define QDA_CALLS_SHARED	(QDA_CALLS_MAX / 4)	/* of the DSP; each bank has a part of it */
#define QDA_MAPS_MAX		4096	/* of one session */
#define QDA_CAPABILITIES	256

#define QDA_BANK_SIZE		BIT_ULL(32)

/* What this machine can give without starving, since it is pinned; with the first page unused. */
static inline u64 qda_buffer_max(void)
{
	return min(QDA_BANK_SIZE - PAGE_SIZE, (u64)(totalram_pages() / 2) << PAGE_SHIFT);
}

struct qda_device {
	struct drm_device drm;
	const struct qda_transport_ops *ops;
	void *priv;
	void *devres;			/* group of what hangs on the parent */
	char name[16];
	bool coherent;			/* the DSP snoops the CPU's caches */

	struct qda_bank *banks;
	unsigned int n_banks;

	struct mutex sessions_lock;	/* protects the two lists */
	struct list_head sessions;	/* of open files */
	struct list_head quarantine;	/* the DSP may still use what they have */
	struct xarray clients;		/* (hard irq) client ids in use; its own lock */
	u32 next_client;

	spinlock_t ids_lock;		/* protects all down to generation, and in contexts */
	struct qda_ctx *ids[FASTRPC_MAX_ID + 1];
	unsigned int last_id;
	unsigned int calls;		/* ids in use, but for starts and ends of PDs */
	u64 generation;
};

static inline struct qda_device *to_qda_device(struct drm_device *drm)
{
	return container_of(drm, struct qda_device, drm);
}

/* For all that may not run where it is asked for. Nothing on it waits for a DSP. */
extern struct workqueue_struct *qda_wq;

#endif
