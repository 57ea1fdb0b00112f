/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The arguments of a user's call. The only place where data of user space is copied to the DSP and
 * back, and it takes user pointers only: what the kernel sends for itself is in qda_control.c.
 */
#ifndef __QDA_ARGS_H__
#define __QDA_ARGS_H__

#include <linux/types.h>

#include "fastrpc/fastrpc.h"

struct drm_file;
struct drm_qda_arg;
struct qda_ctx;

/**
 * struct qda_args - arguments, as the caller meant them when it made the call
 * @user: where the caller's array is; written to for handles out only
 * @sc: scalars
 * @n: arguments
 * @storage: all the arrays are in it
 * @given: private copy of the caller's array
 * @wire: for driver/fastrpc
 * @places: of INLINE arguments in the payload: what is copied, and never read back from there
 * @order: scratch
 * @size: of the payload
 */
struct qda_args {
	struct drm_qda_arg __user *user;
	u32 sc;
	u32 n;
	void *storage;
	struct drm_qda_arg *given;
	struct fastrpc_arg *wire;
	struct fastrpc_place *places;
	u16 *order;
	u32 size;
};

/* Read the array, once. */
int qda_args_read(struct qda_args *args, u32 sc, u64 user);
void qda_args_free(struct qda_args *args);
/* Find what the arguments name; ctx keeps it, and has room for args->n mappings. */
int qda_args_resolve(struct qda_args *args, struct qda_ctx *ctx, struct drm_file *file);
/* Get and write the payload of ctx. */
int qda_args_write(struct qda_args *args, struct qda_ctx *ctx);
/* Give the caller what the DSP left. */
int qda_args_return(const struct qda_args *args, const struct qda_ctx *ctx);

#endif
