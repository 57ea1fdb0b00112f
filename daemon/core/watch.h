/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a session may not do for ever: hold a slot with one call longer than the hang limit, and,
 * once it is closed, not end. Parked calls are exempt: they hold no slot.
 *
 * A session that hangs is lost, like one whose PD has died: its client is told, its calls are
 * answered, its PD is ended. One that the DSP does not end is in quarantine: its domain shows it,
 * and what it holds stays taken until the DSP lets go.
 */
#pragma once

#include "core/session.h"

#define QDA_QUARANTINE_MS 10000u

/* A call of it was sent: call->submitted_ns is set. */
void qda_watch_call(struct qda_call *call);
/* Its limit may be another one. */
void qda_watch_renew(struct qda_session *session);
/* The device was told to end it, or will be when it has opened. May be said twice. */
void qda_watch_closing(struct qda_session *session);
/* The device has nothing of it any more. */
void qda_watch_ended(struct qda_session *session);
