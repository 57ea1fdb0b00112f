/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Limits that an administrator changes while the daemon runs. They hold until the next reload,
 * which brings those of the configuration back; those of a client until it disconnects. A limit
 * below what is in use takes nothing away: it refuses the next.
 *
 * `resource` is the name of one (qda_resource_name()); for a uid also "weight" (1 to
 * QDA_WEIGHT_MAX), "requests" and "burst" (control requests per second, and at once).
 *
 * All return 0 or a negative errno with the reason in *fail: -ENOENT, there is no such uid, rule or
 * client now; -EINVAL, no such resource there; -ERANGE, the number makes no sense.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct qda_core;
struct qda_fail;

/* Larger numbers could not be written in JSON. */
#define QDA_LIMIT_MAX (1ull << 53)

/* Of all accounts of a uid, or, when `rule` is not empty, of the one under that quota rule. */
int qda_quota_set_uid(struct qda_core *core, uid_t uid, const char *rule, const char *resource,
		      uint64_t limit, struct qda_fail *fail);
/* `client` is its id, as status shows it. */
int qda_quota_set_client(struct qda_core *core, uint64_t client, const char *resource,
			 uint64_t limit, struct qda_fail *fail);
/* Of everybody together. Of "fds" no more than was found at the start or reload to be there. */
int qda_quota_set_total(struct qda_core *core, const char *resource, uint64_t limit,
			struct qda_fail *fail);
