/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blocks: a stack for each length.
 */
#include "util/blocks.h"

#include <stdlib.h>

static unsigned kind_of(size_t n)
{
	unsigned kind = 0;

	while (kind < QDA_BLOCK_KINDS && n > (size_t)QDA_BLOCK_LEAST << kind)
		kind++;
	return kind;
}

void qda_blocks_deinit(struct qda_blocks *blocks)
{
	for (unsigned kind = 0; kind < QDA_BLOCK_KINDS; kind++) {
		struct qda_block *block;

		while ((block = SLIST_FIRST(&blocks->kept[kind]))) {
			SLIST_REMOVE_HEAD(&blocks->kept[kind], link);
			free(block);
		}
	}
	blocks->n_kept = 0;
}

void *qda_blocks_take(struct qda_blocks *blocks, size_t n)
{
	unsigned kind = kind_of(n);
	struct qda_block *block;

	if (kind == QDA_BLOCK_KINDS)
		return malloc(n);
	block = SLIST_FIRST(&blocks->kept[kind]);
	if (!block)
		return malloc((size_t)QDA_BLOCK_LEAST << kind);
	SLIST_REMOVE_HEAD(&blocks->kept[kind], link);
	blocks->n_kept -= (size_t)QDA_BLOCK_LEAST << kind;
	return block;
}

void qda_blocks_give(struct qda_blocks *blocks, void *memory, size_t n)
{
	struct qda_block *block = memory;
	unsigned kind;
	size_t size;

	if (!block)
		return;
	kind = kind_of(n);
	size = (size_t)QDA_BLOCK_LEAST << kind;
	if (kind == QDA_BLOCK_KINDS || blocks->n_kept + size > QDA_BLOCKS_KEPT) {
		free(block);
		return;
	}
	blocks->n_kept += size;
	SLIST_INSERT_HEAD(&blocks->kept[kind], block, link);
}
