/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which buffers the handles of one file name, and the mapping that such a buffer keeps in the
 * session's bank until its last handle is closed.
 */
#ifndef __QDA_USE_H__
#define __QDA_USE_H__

struct drm_file;
struct drm_gem_object;
struct qda_mapping;
struct qda_session;

/* GEM object operations: a handle was made, a handle goes. */
int qda_use_open(struct drm_gem_object *obj, struct drm_file *file);
void qda_use_close(struct drm_gem_object *obj, struct drm_file *file);

/*
 * The buffer's mapping in the session's bank, made when there is none. The caller gets a reference.
 * -ENOMEM, -ERANGE, -EIO, -EPIPE.
 */
int qda_use_map(struct qda_session *session, struct drm_gem_object *obj, struct qda_mapping **out);
/* The same for a handle; -ENOENT. */
int qda_use_map_handle(struct qda_session *session, struct drm_file *file, u32 handle,
		       struct qda_mapping **out);
/* The session leaves its bank: no buffer is mapped any more. */
void qda_use_unmap_all(struct qda_session *session);

#endif
