/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ends of sessions' PDs.
 */
#ifndef __QDA_RELEASE_H__
#define __QDA_RELEASE_H__

#include <linux/types.h>

struct drm_device;
struct drm_file;
struct qda_device;
struct qda_session;

void qda_release_init(struct qda_session *session);
/* Make the message that will end the PD, so that this cannot fail for want of memory. */
int qda_release_prepare(struct qda_session *session);
/* Send it in the background, for a session whose state is RELEASING. */
void qda_release_start(struct qda_session *session);
/* The DSP does not have the PD any more, or never had: all that was its own is taken back. */
void qda_session_end(struct qda_session *session);

/* The DSP says what has become of a client's PD. Any context. False: nobody's. */
bool qda_session_notify(struct qda_device *qdev, s32 client, u32 status);
/* See whether it has said something. Any context, for a session that somebody else counts, too. */
void qda_release_look(struct qda_session *session);
/* The DSP is gone, and with it what it kept others from using. */
void qda_sessions_free_quarantine(struct qda_device *qdev);

/* Driver operation. */
int qda_ioctl_release(struct drm_device *drm, void *data, struct drm_file *file);

#endif
