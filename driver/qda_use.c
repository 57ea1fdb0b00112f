// SPDX-License-Identifier: GPL-2.0-only
/*
 * The buffers of a file. A tree by object: a file may have several handles of one (by name and by
 * dma-buf), and no list here may become long to search. Process context.
 */
#include <linux/rbtree.h>
#include <linux/slab.h>

#include <drm/drm_file.h>
#include <drm/drm_gem.h>

#include "qda_bank.h"
#include "qda_session.h"
#include "qda_use.h"

struct qda_use {
	struct rb_node node;
	const struct drm_gem_object *obj;	/* kept by the handles */
	unsigned int handles;
	struct qda_mapping *mapping;		/* counted; NULL: not used in a call yet */
};

static int compare(const void *key, const struct rb_node *node)
{
	const struct drm_gem_object *obj = rb_entry(node, struct qda_use, node)->obj;

	if (key == obj)
		return 0;
	return (uintptr_t)key < (uintptr_t)obj ? -1 : 1;
}

static int compare_nodes(struct rb_node *a, const struct rb_node *b)
{
	return compare(rb_entry(a, struct qda_use, node)->obj, b);
}

static struct qda_use *find(struct qda_session *session, const struct drm_gem_object *obj)
{
	struct rb_node *node;

	lockdep_assert_held(&session->uses_lock);
	node = rb_find(obj, &session->uses, compare);
	return node ? rb_entry(node, struct qda_use, node) : NULL;
}

int qda_use_open(struct drm_gem_object *obj, struct drm_file *file)
{
	struct qda_session *session = file->driver_priv;
	struct rb_node *there;
	struct qda_use *use;

	use = kzalloc(sizeof(*use), GFP_KERNEL);
	if (!use)
		return -ENOMEM;
	use->obj = obj;
	use->handles = 1;
	mutex_lock(&session->uses_lock);
	there = rb_find_add(&use->node, &session->uses, compare_nodes);
	if (there)
		rb_entry(there, struct qda_use, node)->handles++;
	mutex_unlock(&session->uses_lock);
	if (there)
		kfree(use);
	return 0;
}

void qda_use_close(struct drm_gem_object *obj, struct drm_file *file)
{
	struct qda_session *session = file->driver_priv;
	struct qda_use *use;

	mutex_lock(&session->uses_lock);
	use = find(session, obj);
	if (use && --use->handles)
		use = NULL;
	if (use)
		rb_erase(&use->node, &session->uses);
	mutex_unlock(&session->uses_lock);
	if (!use)
		return;
	qda_mapping_put(use->mapping);
	kfree(use);
}

static struct qda_mapping *get_kept(struct qda_session *session, struct drm_gem_object *obj)
{
	struct qda_mapping *mapping = NULL;
	struct qda_use *use;

	mutex_lock(&session->uses_lock);
	use = find(session, obj);
	if (use && use->mapping)
		mapping = qda_mapping_get(use->mapping);
	mutex_unlock(&session->uses_lock);
	return mapping;
}

/*
 * Keep it, unless the last handle was closed in the meantime, or another thread was first: then the
 * mapping serves this one caller and goes with it.
 */
static void keep(struct qda_session *session, struct drm_gem_object *obj,
		 struct qda_mapping *mapping)
{
	struct qda_use *use;

	mutex_lock(&session->uses_lock);
	use = find(session, obj);
	if (use && !use->mapping)
		use->mapping = qda_mapping_get(mapping);
	mutex_unlock(&session->uses_lock);
}

int qda_use_map(struct qda_session *session, struct drm_gem_object *obj, struct qda_mapping **out)
{
	int err;

	*out = get_kept(session, obj);
	if (*out)
		return 0;
	err = qda_mapping_new(session->bank, session, obj, out);
	if (!err)
		keep(session, obj, *out);
	return err;
}

int qda_use_map_handle(struct qda_session *session, struct drm_file *file, u32 handle,
		       struct qda_mapping **out)
{
	struct drm_gem_object *obj = drm_gem_object_lookup(file, handle);
	int err;

	if (!obj)
		return -ENOENT;
	err = qda_use_map(session, obj, out);
	drm_gem_object_put(obj);
	return err;
}

void qda_use_unmap_all(struct qda_session *session)
{
	struct qda_use *use, *next;

	mutex_lock(&session->uses_lock);
	rbtree_postorder_for_each_entry_safe(use, next, &session->uses, node) {
		qda_mapping_put(use->mapping);
		use->mapping = NULL;
	}
	mutex_unlock(&session->uses_lock);
}
