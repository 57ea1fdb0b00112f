/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sections [policy NAME] and [quota NAME]: drafts of rules, by name, until everything is read;
 * then the rules themselves. Internal to the files config*.c.
 */
#pragma once

#include "config_value.h"

int qda_drafts_new(struct qda_drafts **out);
struct qda_drafts *qda_drafts_free(struct qda_drafts *drafts);

/* One key of a section. */
bool qda_take_policy(const struct qda_place *at, const char *name);
bool qda_take_quota(const struct qda_place *at, const char *name);

/* Put the drafts into config->rules, in the order of their names. 0, or a negative errno with
 * config->error. */
int qda_drafts_finish(struct qda_config *config);
