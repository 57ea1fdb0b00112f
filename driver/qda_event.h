/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events to user space. Room for one is reserved before what it tells of begins, so that it cannot
 * get lost. Once reserved, an event is sent, or given back: its file may have been closed then.
 */
#ifndef __QDA_EVENT_H__
#define __QDA_EVENT_H__

#include <linux/types.h>

struct drm_device;
struct drm_file;
struct qda_event;

/* -EBUSY when the file has no room for it; -ENOMEM. */
int qda_event_new(struct drm_device *drm, struct drm_file *file, u32 type, u64 user_data,
		  u32 n_out_handles, struct qda_event **out);
/* Tell of something else instead. */
void qda_event_set_type(struct qda_event *event, u32 type, u64 user_data);
/* Any context. */
void qda_event_set_out_handle(struct qda_event *event, u32 i, u64 number);
void qda_event_send(struct drm_device *drm, struct qda_event *event, int error, s32 result,
		    u64 value);
/* Takes NULL too. */
void qda_event_free(struct drm_device *drm, struct qda_event *event);

#endif
