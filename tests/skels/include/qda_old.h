/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libqda_old_skel: the older kind of interface, without a handle. Its module is opened by the bare
 * name QDA_OLD_NAME, its entry is qda_old_skel_invoke(sc, pra), and its methods begin at 0: there
 * is no open and no close in the interface.
 */
#pragma once

#include <stdint.h>

#define QDA_OLD_NAME "qda_old"

enum qda_old_method {
	/* in 0: struct qda_old_in; in 1: bytes; out 0: the same number of bytes, last one first. */
	QDA_OLD_REVERSE = 0,
	/* in 0: int32_t[2]; out 0: int32_t, their product modulo 2^32. */
	QDA_OLD_MULTIPLY = 1,
	/* out 0: uint32_t, how many calls this process of the module has had, this one included. */
	QDA_OLD_CALLS = 2,
	/* in handles 0..n-1, out handles 0..n-1, all plain numbers here: each out is its in plus
	 * 1. */
	QDA_OLD_NUMBERS = 3,
};

struct qda_old_in {
	uint32_t in_length;
	uint32_t out_length;
};
