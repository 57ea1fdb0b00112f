/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the malloc hook tells the test: a page of memory that both map. The descriptor's number
 * stands in $QDA_HEAP_FD.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct heap {
	_Atomic int64_t live;		/* bytes, as malloc rounds them */
	_Atomic uint64_t allocations;	/* since the start */
};
