/* SPDX-License-Identifier: BSD-3-Clause */
/* libqda_null_skel: does nothing, for measuring what is around it. */
#pragma once

#include <stdint.h>

#define QDA_NULL_URI "file:///libqda_null_skel.so?qda_null_skel_handle_invoke&_modver=1.0"

enum qda_null_method {
	/* Any arguments; returns 0 and touches none. */
	QDA_NULL_NOTHING = 2,
	/* in 0: uint32_t microseconds; returns after that time, asleep meanwhile. */
	QDA_NULL_HOLD = 3,
	/* out 0: uint64_t, calls of this method so far in this PD, this one included. */
	QDA_NULL_COUNT = 4,
};
