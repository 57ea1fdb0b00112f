/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blocks of memory of any length that come and go. Some are kept for those to come, so that a
 * steady load needs no heap; what a burst took beyond that goes back. A block has a power of two of
 * bytes: it fits the next one of about its length.
 */
#pragma once

#include <stddef.h>
#include <sys/queue.h>

#define QDA_BLOCK_LEAST	 256u
#define QDA_BLOCK_KINDS	 12u		/* 256 bytes to 512 KiB; what is longer is not kept */
#define QDA_BLOCKS_KEPT (1024u * 1024u)	/* bytes, of all kinds together */

struct qda_block {
	SLIST_ENTRY(qda_block) link;
};

SLIST_HEAD(qda_block_stack, qda_block);

/* Zeroed: nothing is kept. */
struct qda_blocks {
	struct qda_block_stack kept[QDA_BLOCK_KINDS];
	size_t n_kept; /* bytes */
};

void qda_blocks_deinit(struct qda_blocks *blocks);

/* At least n bytes, with whatever was in them; NULL: memory is short. */
void *qda_blocks_take(struct qda_blocks *blocks, size_t n);
/* n as it was taken; block may be NULL. */
void qda_blocks_give(struct qda_blocks *blocks, void *block, size_t n);
