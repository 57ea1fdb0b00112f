/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls that the kernel makes: process control and the DSP's utilities. What is in them comes from
 * the kernel's own structs; nothing here takes a user pointer.
 */
#ifndef __QDA_CONTROL_H__
#define __QDA_CONTROL_H__

#include <linux/types.h>

#include "qda_ctx.h"

struct drm_file;
struct fastrpc_ctl;

/*
 * A message with one page of payload. ERR_PTR. Until qda_control_start() or qda_ctx_send(), nothing
 * is settled.
 */
struct qda_ctx *qda_control_new(struct qda_session *session, enum qda_ctx_kind kind, u32 mappings,
				void (*settle)(struct qda_ctx *ctx));
/* Fill it in. -EINVAL when it cannot be sent. */
int qda_control_write(struct qda_ctx *ctx, const struct fastrpc_ctl *ctl);
/* Send it, with an event if the flags have DRM_QDA_ASYNC. It is settled also when this fails. */
int qda_control_start(struct qda_ctx *ctx, struct drm_file *file, u32 flags, u64 user_data);
/* Wait for its end, unless an event tells. */
int qda_control_wait(struct qda_ctx *ctx, u32 flags);
/* The answer of a method that has one; any value is possible. */
u64 qda_control_answer(const struct qda_ctx *ctx);

/*
 * What the DSP says about itself, asked once in a session, since the answer lies where the PD can
 * write: no other session is to believe it. -ENOTCONN: no session to ask through.
 */
int qda_control_capability(struct qda_session *session, u32 index, u64 *value);
/* The PD is gone. */
void qda_control_forget(struct qda_session *session);

#endif
