/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Message memory of a session: where the payloads of its calls lie. One buffer without a handle,
 * mapped like any other and given out by the page, so that no call needs a mapping of its own.
 */
#ifndef __QDA_MEMORY_H__
#define __QDA_MEMORY_H__

#include <linux/bitmap.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct drm_gem_object;
struct qda_mapping;
struct qda_session;

#define QDA_MEMORY_PAGES  256u		/* of FASTRPC_PAGE bytes: two for each call of a file */
#define QDA_PAYLOAD_MAX	  (128u * 4096)	/* bytes of one call */

/**
 * struct qda_memory - the memory itself
 * @obj: counted; made once, stays as long as the session, since a caller may still read what a call
 *	left here after the PD is gone
 * @cpu: where the kernel sees it
 * @mapping: where the DSP sees it; counted, NULL without a bank
 * @lock: protects @used
 * @used: pages
 */
struct qda_memory {
	struct drm_gem_object *obj;
	void *cpu;
	struct qda_mapping *mapping;
	spinlock_t lock;	/* protects used */
	DECLARE_BITMAP(used, QDA_MEMORY_PAGES);
};

/* A run of pages; no pages: not there, and may be freed all the same. */
struct qda_payload {
	void *cpu;
	u64 addr;
	u32 pages;
};

void qda_memory_init(struct qda_memory *memory);
void qda_memory_fini(struct qda_memory *memory);
/* Map it in the session's bank. */
int qda_memory_map(struct qda_session *session);
void qda_memory_unmap(struct qda_memory *memory);

/* -EBUSY, or -E2BIG. The contents are as the last call left them. */
int qda_payload_alloc(struct qda_memory *memory, u32 size, struct qda_payload *payload);
/* Once or more; any context. */
void qda_payload_free(struct qda_memory *memory, struct qda_payload *payload);

#endif
