// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arguments of user space. Process context, and never inside drm_dev_enter(): a user's memory may
 * make anybody who touches it wait for ever.
 */
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/qda_accel.h>

#include "qda_args.h"
#include "qda_bank.h"
#include "qda_ctx.h"
#include "qda_map.h"
#include "qda_session.h"
#include "qda_use.h"

#define PER_ARG (sizeof(struct drm_qda_arg) + sizeof(struct fastrpc_arg) + \
		 sizeof(struct fastrpc_place) + sizeof(u16))

int qda_args_read(struct qda_args *args, u32 sc, u64 user)
{
	args->sc = sc;
	args->n = fastrpc_sc_args(sc);
	args->user = u64_to_user_ptr(user);
	if (!args->n != !user)
		return -EINVAL;
	if (!args->n)
		return 0;
	args->storage = kvmalloc_array(args->n, PER_ARG, GFP_KERNEL);
	if (!args->storage)
		return -ENOMEM;
	args->given = args->storage;
	args->wire = (struct fastrpc_arg *)(args->given + args->n);
	args->places = (struct fastrpc_place *)(args->wire + args->n);
	args->order = (u16 *)(args->places + args->n);
	if (copy_from_user(args->given, args->user, array_size(args->n, sizeof(*args->given))))
		return -EFAULT;
	return 0;
}

void qda_args_free(struct qda_args *args)
{
	kvfree(args->storage);
}

/* --- what is named --- */

static bool is_out(const struct qda_args *args, u32 i)
{
	return i >= fastrpc_sc_in(args->sc);
}

static int check_kind(const struct qda_args *args, u32 i, const struct qda_ctx *ctx)
{
	const bool buffer = i < fastrpc_sc_bufs(args->sc);
	const bool in_handle = i < fastrpc_sc_bufs(args->sc) + fastrpc_sc_in_handles(args->sc);

	switch (args->given[i].kind) {
	case DRM_QDA_ARG_INLINE:
		return buffer && ctx->kind == QDA_CTX_INVOKE ? 0 : -EINVAL;
	case DRM_QDA_ARG_BUFFER:
		return buffer ? 0 : -EINVAL;
	case DRM_QDA_ARG_KEY:
		return !buffer && in_handle ? 0 : -EINVAL;
	case DRM_QDA_ARG_NUMBER:
		return buffer ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

static int resolve_buffer(const struct drm_qda_arg *given, bool out, struct qda_ctx *ctx,
			  struct drm_file *file, struct fastrpc_arg *wire)
{
	struct qda_mapping *mapping;
	u64 end;
	int err;

	if (given->value)
		return -EINVAL;
	if (!given->length)
		return given->handle || given->offset ? -EINVAL : 0;
	err = qda_use_map_handle(ctx->session, file, given->handle, &mapping);
	if (err)
		return err;
	ctx->mappings[ctx->n_mappings++] = mapping;
	if (check_add_overflow(given->offset, given->length, &end) ||
	    end > qda_mapping_size(mapping))
		return -EOVERFLOW;
	if (out && !mapping->writable)
		return -EACCES;
	wire->addr = mapping->addr + given->offset;
	return 0;
}

static int resolve_key(const struct drm_qda_arg *given, struct qda_ctx *ctx,
		       struct fastrpc_arg *wire)
{
	struct qda_mapping *mapping;
	u64 size;
	int err;

	if (given->value || given->handle > S32_MAX)
		return -EINVAL;
	if (given->offset > U32_MAX)
		return -EOVERFLOW;
	err = qda_map_find_key(ctx->session, given->handle, &mapping, &wire->addr, &size);
	if (err)
		return err;
	ctx->mappings[ctx->n_mappings++] = mapping;
	wire->key = given->handle;
	wire->offset = given->offset;
	wire->size = size;
	return 0;
}

static int resolve(const struct qda_args *args, u32 i, struct qda_ctx *ctx, struct drm_file *file)
{
	const struct drm_qda_arg *given = &args->given[i];
	struct fastrpc_arg *wire = &args->wire[i];
	int err = check_kind(args, i, ctx);

	if (err)
		return err;
	*wire = (struct fastrpc_arg){ .length = given->length };
	switch (given->kind) {
	case DRM_QDA_ARG_BUFFER:
		wire->kind = FASTRPC_ARG_BUFFER;
		return resolve_buffer(given, is_out(args, i), ctx, file, wire);
	case DRM_QDA_ARG_KEY:
		wire->kind = FASTRPC_ARG_KEY;
		return resolve_key(given, ctx, wire);
	case DRM_QDA_ARG_INLINE:
		wire->kind = FASTRPC_ARG_INLINE;
		break;
	case DRM_QDA_ARG_NUMBER:
		wire->kind = FASTRPC_ARG_NUMBER;
		break;
	}
	if (given->offset || given->handle)
		return -EINVAL;
	wire->addr = given->value;
	return 0;
}

int qda_args_resolve(struct qda_args *args, struct qda_ctx *ctx, struct drm_file *file)
{
	u32 i;
	int err;

	for (i = 0; i < args->n; i++) {
		err = resolve(args, i, ctx, file);
		if (err)
			return err;
	}
	err = fastrpc_check(args->sc, args->wire, args->n);
	if (err)
		return err;
	return fastrpc_plan(args->sc, args->wire, fastrpc_meta_size(args->sc), QDA_PAYLOAD_MAX,
			    args->places, args->order, &args->size);
}

/* --- the payload --- */

static int copy_in(const struct qda_args *args, void *payload)
{
	const struct fastrpc_place *place;
	u32 i;

	for (i = 0; i < fastrpc_sc_in(args->sc); i++) {
		place = &args->places[i];
		if (place->length && copy_from_user(payload + place->offset,
						    u64_to_user_ptr(args->given[i].value),
						    place->length))
			return -EFAULT;
	}
	return 0;
}

int qda_args_write(struct qda_args *args, struct qda_ctx *ctx)
{
	const u32 meta = fastrpc_meta_size(args->sc);
	int err;

	err = qda_payload_alloc(&ctx->session->memory, args->size, &ctx->payload);
	if (err)
		return err;
	fastrpc_write_meta(ctx->payload.cpu, ctx->payload.addr, args->sc, args->wire,
			   args->places);
	memset(ctx->payload.cpu + meta, 0, ctx->payload.pages * FASTRPC_PAGE - meta);
	return copy_in(args, ctx->payload.cpu);
}

static int return_buffers(const struct qda_args *args, const void *payload)
{
	const struct fastrpc_place *place;
	u32 i;

	for (i = fastrpc_sc_in(args->sc); i < fastrpc_sc_bufs(args->sc); i++) {
		place = &args->places[i];
		if (place->length && copy_to_user(u64_to_user_ptr(args->given[i].value),
						  payload + place->offset, place->length))
			return -EFAULT;
	}
	return 0;
}

static int return_handles(const struct qda_args *args, const void *payload)
{
	const u32 first = args->n - fastrpc_sc_out_handles(args->sc);
	u64 number;
	u32 i;

	for (i = 0; i < fastrpc_sc_out_handles(args->sc); i++) {
		number = fastrpc_out_handle(payload, args->sc, i);
		if (copy_to_user(&args->user[first + i].value, &number, sizeof(number)))
			return -EFAULT;
	}
	return 0;
}

int qda_args_return(const struct qda_args *args, const struct qda_ctx *ctx)
{
	int err = return_buffers(args, ctx->payload.cpu);

	return err ? err : return_handles(args, ctx->payload.cpu);
}
