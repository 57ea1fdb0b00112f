/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What administrators do to clients, and what anybody may ask the policy. Whether somebody may is
 * asked before, with qda_client_check_admin(): except for what is one's own.
 */
#pragma once

#include "core/client.h"

/* End a connection. `by` is who wants it; -EACCES when it is none of that user's (there may be none
 * of that id) and `by` has not the right, -ENOENT when `by` has it and there is none. */
int qda_admin_kill_client(struct qda_client *by, uint64_t id, struct qda_fail *fail);
/* The same for a session, by its number as status shows it: its client sees it lost. -EBUSY: it is
 * being opened or closed. */
int qda_admin_kill_session(struct qda_client *by, uint64_t number, struct qda_fail *fail);

/* A question in words: action is "use", "session", "dirs", "urgent", "parked", "module", or the
 * name of what administrators do. -EINVAL when there is no such action. domain empty: the first
 * one. */
int qda_question_parse(const struct qda_core *core, const char *action, const char *domain,
		       const char *module, enum qda_session_kind kind,
		       struct qda_question *question, struct qda_fail *fail);
/* May `by` ask what the policy says about that uid? Its own, or with admin=status. */
int qda_admin_check_ask(const struct qda_client *by, uid_t uid, struct qda_fail *fail);
