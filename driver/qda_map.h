/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that a PD was shown on its own: buffers under a key, and pages for its heap.
 */
#ifndef __QDA_MAP_H__
#define __QDA_MAP_H__

#include <linux/types.h>

struct drm_device;
struct drm_file;
struct qda_mapping;
struct qda_session;

/* What is mapped under a key: its mapping (a reference), address and size. -ENOENT. */
int qda_map_find_key(struct qda_session *session, u32 key, struct qda_mapping **mapping, u64 *addr,
		     u64 *size);
/* The PD is gone. With the session's lock held. */
void qda_maps_drop(struct qda_session *session);

/* Driver operations. */
int qda_ioctl_map(struct drm_device *drm, void *data, struct drm_file *file);
int qda_ioctl_unmap(struct drm_device *drm, void *data, struct drm_file *file);

#endif
