/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libqda_sum_skel: the calculator, the smallest useful skel. Method numbers and argument layout,
 * for callers and for the skel itself. All numbers are little endian.
 */
#pragma once

#include <stdint.h>

#define QDA_SUM_URI "file:///libqda_sum_skel.so?qda_sum_skel_handle_invoke&_modver=1.0"

enum qda_sum_method {
	/* For callers without a stub, the bytes are the argument.
	 * in 0: int32_t[]; out 0: int64_t, their sum. */
	QDA_SUM_PLAIN = 2,
	/* As the IDL compiler lays out  long sum(in sequence<long> vec, rout long long result):
	 * in 0: struct qda_sum_in; in 1: the elements; out 0: int64_t. */
	QDA_SUM_SUM = 3,
	/* long max(in sequence<long> vec, rout long result): the same, out 0: int32_t. The
	 * sequence must not be empty. */
	QDA_SUM_MAX = 4,
};

/* "primIn": all primitive arguments, and the length of each sequence, in elements. */
struct qda_sum_in {
	uint32_t vec_length;
};
