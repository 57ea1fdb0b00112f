/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls of user space: INVOKE, SUBMIT, CANCEL.
 */
#ifndef __QDA_INVOKE_H__
#define __QDA_INVOKE_H__

struct drm_device;
struct drm_file;

/* Driver operations. */
int qda_ioctl_invoke(struct drm_device *drm, void *data, struct drm_file *file);
int qda_ioctl_submit(struct drm_device *drm, void *data, struct drm_file *file);
int qda_ioctl_cancel(struct drm_device *drm, void *data, struct drm_file *file);

#endif
