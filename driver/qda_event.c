// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events, as struct drm_qda_event, by way of DRM's own: DRM frees one that was read, and one whose
 * file is gone.
 */
#include <linux/slab.h>

#include <drm/drm_file.h>
#include <drm/qda_accel.h>

#include "qda_event.h"

struct qda_event {
	struct drm_pending_event base;	/* first: DRM frees by it */
	struct drm_qda_event event;	/* what is read, to the end of out */
	u64 out[];
};

int qda_event_new(struct drm_device *drm, struct drm_file *file, u32 type, u64 user_data,
		  u32 n_out_handles, struct qda_event **out)
{
	struct qda_event *event;
	int err;

	BUILD_BUG_ON(sizeof(struct drm_qda_event) != 32);
	BUILD_BUG_ON(offsetof(struct qda_event, base));
	BUILD_BUG_ON(offsetof(struct qda_event, out) !=
		     offsetof(struct qda_event, event) + sizeof(event->event));
	event = kzalloc(struct_size(event, out, n_out_handles), GFP_KERNEL);
	if (!event)
		return -ENOMEM;
	event->event.base.type = type;
	event->event.base.length = sizeof(event->event) + n_out_handles * sizeof(u64);
	event->event.user_data = user_data;
	err = drm_event_reserve_init(drm, file, &event->base, &event->event.base);
	if (err) {
		kfree(event);
		return -EBUSY;
	}
	*out = event;
	return 0;
}

void qda_event_set_type(struct qda_event *event, u32 type, u64 user_data)
{
	event->event.base.type = type;
	event->event.user_data = user_data;
}

void qda_event_set_out_handle(struct qda_event *event, u32 i, u64 number)
{
	event->out[i] = number;
}

void qda_event_send(struct drm_device *drm, struct qda_event *event, int error, s32 result,
		    u64 value)
{
	event->event.error = error;
	event->event.result = result;
	event->event.value = value;
	drm_send_event(drm, &event->base);
}

void qda_event_free(struct drm_device *drm, struct qda_event *event)
{
	if (event)
		drm_event_cancel_free(drm, &event->base);
}
