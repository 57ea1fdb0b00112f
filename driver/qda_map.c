// SPDX-License-Identifier: GPL-2.0-only
/*
 * MAP and UNMAP. A key is in its tree from the moment it is asked for, so that nobody can ask for
 * it twice; a piece of heap only when the DSP has said where it is. What is on its way in or out
 * belongs to its message. Process context.
 */
#include <linux/rbtree.h>
#include <linux/slab.h>

#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/qda_accel.h>

#include "qda_bank.h"
#include "qda_control.h"
#include "qda_drv.h"
#include "qda_map.h"
#include "qda_session.h"
#include "qda_use.h"

/* Wire flags of MMAP: pages for the heap. */
#define ADD_PAGES	0x1000
#define ADD_PAGES_LLC	0x3000

struct qda_map {
	struct rb_node node;
	u32 kind;			/* DRM_QDA_MAP_* */
	u32 key;
	bool moving;			/* being mapped or unmapped */
	u64 dsp_addr;			/* as the DSP said: never used as an address here */
	u64 addr;			/* in the bank */
	u64 size;
	struct qda_mapping *mapping;	/* counted */
};

static struct qda_map *to_map(const struct rb_node *node)
{
	return rb_entry(node, struct qda_map, node);
}

static struct rb_root *tree(struct qda_session *session, const struct qda_map *map)
{
	return map->kind == DRM_QDA_MAP_KEY ? &session->keys : &session->heaps;
}

static int order(u64 a, u64 b)
{
	return a < b ? -1 : a > b;
}

static int compare_key(const void *key, const struct rb_node *node)
{
	return order(*(const u32 *)key, to_map(node)->key);
}

static int compare_addr(const void *addr, const struct rb_node *node)
{
	return order(*(const u64 *)addr, to_map(node)->dsp_addr);
}

static int compare_keys(struct rb_node *a, const struct rb_node *b)
{
	return order(to_map(a)->key, to_map(b)->key);
}

/* A DSP may well say the same address twice. */
static bool less_addr(struct rb_node *a, const struct rb_node *b)
{
	return to_map(a)->dsp_addr < to_map(b)->dsp_addr;
}

static void map_free(struct qda_map *map)
{
	qda_mapping_put(map->mapping);
	kfree(map);
}

int qda_map_find_key(struct qda_session *session, u32 key, struct qda_mapping **mapping, u64 *addr,
		     u64 *size)
{
	struct rb_node *node;
	int err = -ENOENT;

	mutex_lock(&session->lock);
	node = rb_find(&key, &session->keys, compare_key);
	if (node && !to_map(node)->moving) {
		*mapping = qda_mapping_get(to_map(node)->mapping);
		*addr = to_map(node)->addr;
		*size = to_map(node)->size;
		err = 0;
	}
	mutex_unlock(&session->lock);
	return err;
}

static void drop(struct rb_root *root)
{
	struct rb_node *node;

	while ((node = rb_first(root))) {
		rb_erase(node, root);
		if (!to_map(node)->moving)
			map_free(to_map(node));
	}
}

void qda_maps_drop(struct qda_session *session)
{
	lockdep_assert_held(&session->lock);
	drop(&session->keys);
	drop(&session->heaps);
	session->n_maps = 0;
}

/* --- MAP --- */

static int check_attrs(u32 kind, u32 attrs)
{
	if (kind == DRM_QDA_MAP_HEAP)
		return attrs & ~DRM_QDA_MAP_LLC ? -EINVAL : 0;
	switch (attrs) {
	case DRM_QDA_MAP_STATIC:
	case DRM_QDA_MAP_FD:
	case DRM_QDA_MAP_FD_DELAYED:
	case DRM_QDA_MAP_FD_NOMAP:
		return 0;
	default:
		return -EINVAL;
	}
}

static int check_map(const struct drm_qda_map *args)
{
	if (args->flags & ~DRM_QDA_ASYNC || (!args->flags && args->user_data))
		return -EINVAL;
	if (args->kind != DRM_QDA_MAP_KEY && args->kind != DRM_QDA_MAP_HEAP)
		return -EINVAL;
	if (args->key > (args->kind == DRM_QDA_MAP_KEY ? S32_MAX : 0))
		return -EINVAL;
	if (!args->size || !IS_ALIGNED(args->size | args->offset, FASTRPC_PAGE))
		return -EINVAL;
	return check_attrs(args->kind, args->attrs);
}

static struct qda_map *map_new(struct qda_session *session, struct drm_file *file,
			       const struct drm_qda_map *args)
{
	struct qda_map *map;
	u64 end;
	int err;

	map = kzalloc(sizeof(*map), GFP_KERNEL);
	if (!map)
		return ERR_PTR(-ENOMEM);
	map->kind = args->kind;
	map->key = args->key;
	map->size = args->size;
	map->moving = true;
	err = qda_use_map_handle(session, file, args->handle, &map->mapping);
	if (!err && (check_add_overflow(args->offset, args->size, &end) ||
		     end > qda_mapping_size(map->mapping)))
		err = -EINVAL;
	if (err) {
		map_free(map);
		return ERR_PTR(err);
	}
	map->addr = map->mapping->addr + args->offset;
	return map;
}

static int reserve(struct qda_session *session, struct qda_map *map)
{
	int err = 0;

	mutex_lock(&session->lock);
	if (session->n_maps >= QDA_MAPS_MAX)
		err = -ENOSPC;
	else if (map->kind == DRM_QDA_MAP_KEY &&
		 rb_find_add(&map->node, &session->keys, compare_keys))
		err = -EEXIST;
	else
		session->n_maps++;
	mutex_unlock(&session->lock);
	return err;
}

/* The PD has ended, and qda_maps_drop() left the rest to the message. */
static bool is_late(const struct qda_ctx *ctx)
{
	lockdep_assert_held(&ctx->session->lock);
	return ctx->epoch != ctx->session->epoch;
}

/* Not mapped after all, or not any more. With the session's lock held. */
static void forget(struct qda_session *session, struct qda_map *map, bool in_tree)
{
	lockdep_assert_held(&session->lock);
	if (in_tree)
		rb_erase(&map->node, tree(session, map));
	session->n_maps--;
	map_free(map);
}

static void settle_map(struct qda_ctx *ctx)
{
	struct qda_session *session = ctx->session;
	struct qda_map *map = ctx->map;

	mutex_lock(&session->lock);
	if (is_late(ctx)) {
		map_free(map);
	} else if (ctx->error) {
		forget(session, map, map->kind == DRM_QDA_MAP_KEY);
	} else {
		ctx->value = qda_control_answer(ctx);
		map->dsp_addr = ctx->value;
		map->moving = false;
		if (map->kind == DRM_QDA_MAP_HEAP)
			rb_add(&map->node, &session->heaps, less_addr);
	}
	mutex_unlock(&session->lock);
}

static struct fastrpc_ctl map_ctl(const struct qda_session *session, const struct qda_map *map,
				  u32 attrs)
{
	struct fastrpc_ctl ctl = {
		.client_id = session->client,
		.mem_addr = map->addr,
		.mem_len = map->size,
	};

	if (map->kind == DRM_QDA_MAP_KEY) {
		ctl.method = FASTRPC_PROCESS_MEM_MAP;
		ctl.key = map->key;
		ctl.flags = attrs;
	} else {
		ctl.method = FASTRPC_PROCESS_MMAP;
		ctl.flags = attrs & DRM_QDA_MAP_LLC ? ADD_PAGES_LLC : ADD_PAGES;
	}
	return ctl;
}

static int start_map(struct qda_ctx *ctx, struct drm_file *file, const struct drm_qda_map *args)
{
	struct qda_session *session = ctx->session;
	struct fastrpc_ctl ctl;
	struct qda_map *map;
	int err;

	map = map_new(session, file, args);
	if (IS_ERR(map))
		return PTR_ERR(map);
	ctl = map_ctl(session, map, args->attrs);
	err = qda_control_write(ctx, &ctl);
	if (!err)
		err = reserve(session, map);
	if (err) {
		map_free(map);
		return err;
	}
	ctx->map = map;
	return qda_control_start(ctx, file, args->flags, args->user_data);
}

/* Without a session, or with one that ends, nothing was made. ERR_PTR. */
static struct qda_ctx *send_map(struct qda_session *session, struct drm_file *file,
				const struct drm_qda_map *args)
{
	struct qda_ctx *ctx;
	int err = qda_session_enter(session);

	if (err)
		return ERR_PTR(err);
	ctx = qda_control_new(session, QDA_CTX_CONTROL, 0, settle_map);
	if (!IS_ERR(ctx)) {
		err = start_map(ctx, file, args);
		if (err) {
			qda_ctx_put(ctx);
			ctx = ERR_PTR(err);
		}
	}
	qda_session_leave(session);
	return ctx;
}

int qda_ioctl_map(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_qda_map *args = data;
	struct qda_ctx *ctx;
	int err;

	args->dsp_addr = 0;
	args->result = 0;
	err = check_map(args);
	if (err)
		return err;
	ctx = send_map(file->driver_priv, file, args);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	err = qda_control_wait(ctx, args->flags);
	if (!args->flags && (!err || err == -EREMOTEIO)) {
		args->dsp_addr = ctx->value;
		args->result = ctx->result;
	}
	qda_ctx_put(ctx);
	return err;
}

/* --- UNMAP --- */

static int check_unmap(const struct drm_qda_unmap *args)
{
	if (args->flags & ~DRM_QDA_ASYNC || (!args->flags && args->user_data))
		return -EINVAL;
	switch (args->kind) {
	case DRM_QDA_MAP_KEY:
		return args->dsp_addr || args->key > S32_MAX ? -EINVAL : 0;
	case DRM_QDA_MAP_HEAP:
		return args->key ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

/* From here on the mapping is the message's. */
static int take(struct qda_session *session, const struct drm_qda_unmap *args,
		struct qda_map **map)
{
	struct rb_node *node;
	int err = 0;

	mutex_lock(&session->lock);
	if (args->kind == DRM_QDA_MAP_KEY)
		node = rb_find(&args->key, &session->keys, compare_key);
	else
		node = rb_find(&args->dsp_addr, &session->heaps, compare_addr);
	if (!node) {
		err = -ENOENT;
	} else if (to_map(node)->moving) {
		err = -EALREADY;
	} else {
		*map = to_map(node);
		(*map)->moving = true;
	}
	mutex_unlock(&session->lock);
	return err;
}

static void settle_unmap(struct qda_ctx *ctx)
{
	const bool unknown = ctx->error == -EREMOTEIO && (u32)ctx->result == FASTRPC_ENOSUCHMAP;
	struct qda_session *session = ctx->session;

	mutex_lock(&session->lock);
	if (is_late(ctx))
		map_free(ctx->map);
	else if (!ctx->error || unknown)
		forget(session, ctx->map, true);
	else
		ctx->map->moving = false;
	mutex_unlock(&session->lock);
}

static int write_unmap(struct qda_ctx *ctx, const struct qda_map *map)
{
	const struct fastrpc_ctl ctl = {
		.method = map->kind == DRM_QDA_MAP_KEY ? FASTRPC_PROCESS_MEM_UNMAP :
							 FASTRPC_PROCESS_MUNMAP,
		.client_id = ctx->session->client,
		.key = map->key,
		.vaddr = map->dsp_addr,
		.mem_len = map->size,
	};

	return qda_control_write(ctx, &ctl);
}

static int start_unmap(struct qda_ctx *ctx, struct drm_file *file,
		       const struct drm_qda_unmap *args)
{
	int err = take(ctx->session, args, &ctx->map);

	if (err)
		return err;
	err = write_unmap(ctx, ctx->map);
	if (err) {
		ctx->error = err;
		settle_unmap(ctx);
		return err;
	}
	return qda_control_start(ctx, file, args->flags, args->user_data);
}

static struct qda_ctx *send_unmap(struct qda_session *session, struct drm_file *file,
				  const struct drm_qda_unmap *args)
{
	struct qda_ctx *ctx;
	int err = qda_session_enter(session);

	if (err)
		return ERR_PTR(err);
	ctx = qda_control_new(session, QDA_CTX_CONTROL, 0, settle_unmap);
	if (!IS_ERR(ctx)) {
		err = start_unmap(ctx, file, args);
		if (err) {
			qda_ctx_put(ctx);
			ctx = ERR_PTR(err);
		}
	}
	qda_session_leave(session);
	return ctx;
}

int qda_ioctl_unmap(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_qda_unmap *args = data;
	struct qda_ctx *ctx;
	int err;

	args->result = 0;
	err = check_unmap(args);
	if (err)
		return err;
	ctx = send_unmap(file->driver_priv, file, args);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	err = qda_control_wait(ctx, args->flags);
	if (!args->flags && err == -EREMOTEIO)
		args->result = ctx->result;
	qda_ctx_put(ctx);
	return err;
}
