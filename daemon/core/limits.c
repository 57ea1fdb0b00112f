/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Limits changed while running. Nothing is changed before everything is checked.
 */
#include "core/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/client.h"

static int check_number(const char *resource, uint64_t limit, uint64_t low, uint64_t high,
			struct qda_fail *fail)
{
	if (limit >= low && limit <= high)
		return 0;
	return qda_fail(fail, ERANGE, "%s=%" PRIu64 ": must be %" PRIu64 " to %" PRIu64, resource,
			limit, low, high);
}

static int no_such(const char *resource, const char *what, const char *more, struct qda_fail *fail)
{
	return qda_fail(fail, EINVAL,
			"\"%.40s\": %s has no such limit; there are sessions, buffers, "
			"buffer_bytes, handles, maps, calls, parked, inline_bytes, out_bytes, "
			"fds%s",
			resource, what, more);
}

/* Where the limit stands in an account of a user; NULL and *fail when it may not be set. */
static uint64_t *find_of_user(struct qda_user *user, const char *resource)
{
	enum qda_resource found = qda_resource_find(resource);

	if (found != QDA_RES_N)
		return &user->limits[found];
	if (!strcmp(resource, "requests"))
		return &user->requests;
	return !strcmp(resource, "burst") ? &user->burst : NULL;
}

static void set_of_user(struct qda_user *user, const char *resource, uint64_t limit)
{
	enum qda_resource found = qda_resource_find(resource);

	if (!strcmp(resource, "weight")) {
		qda_user_weigh(user, limit);
	} else {
		*find_of_user(user, resource) = limit;
		/* QDA_RES_N: requests or burst. */
		user->account.by_hand |= 1u << found;
	}
	qda_user_keep(user);
}

static int check_of_user(const char *resource, uint64_t limit, struct qda_fail *fail)
{
	struct qda_user any;

	if (!strcmp(resource, "weight"))
		return check_number(resource, limit, 1, QDA_WEIGHT_MAX, fail);
	if (!find_of_user(&any, resource))
		return no_such(resource, "a uid", ", connections, requests, burst, weight", fail);
	return check_number(resource, limit, 0, QDA_LIMIT_MAX, fail);
}

int qda_quota_set_uid(struct qda_core *core, uid_t uid, const char *rule, const char *resource,
		      uint64_t limit, struct qda_fail *fail)
{
	int r = check_of_user(resource, limit, fail);
	struct qda_user *user;
	unsigned n = 0;

	if (r < 0)
		return r;
	for (user = qda_user_first(core, uid); user && user->uid == uid;
	     user = qda_user_next(user)) {
		if (*rule && strcmp(user->rule, rule) != 0)
			continue;
		set_of_user(user, resource, limit);
		n++;
	}
	if (n)
		return 0;
	return qda_fail(fail, ENOENT,
			"uid %u has no account%s%.40s: one is made when it connects; set limits of "
			"who is not there in the configuration",
			uid, *rule ? " under the rule " : "", rule);
}

int qda_quota_set_client(struct qda_core *core, uint64_t id, const char *resource, uint64_t limit,
			 struct qda_fail *fail)
{
	enum qda_resource found = qda_resource_find(resource);
	struct qda_client *client;
	int r;

	/* A connection is always one. */
	if (found == QDA_RES_N || found == QDA_RES_CONNECTIONS)
		return no_such(resource, "a client", "", fail);
	r = check_number(resource, limit, 0, QDA_LIMIT_MAX, fail);
	if (r < 0)
		return r;
	TAILQ_FOREACH (client, &core->clients, link)
		if (client->id == id)
			break;
	if (!client)
		return qda_fail(fail, ENOENT,
				"there is no client %" PRIu64 ": qdactl status shows those there "
				"are",
				id);
	client->limits[found] = limit;
	client->account.by_hand |= 1u << found;
	return 0;
}

int qda_quota_set_total(struct qda_core *core, const char *resource, uint64_t limit,
			struct qda_fail *fail)
{
	enum qda_resource found = qda_resource_find(resource);
	uint64_t most = QDA_LIMIT_MAX;
	int r;

	if (found == QDA_RES_N)
		return no_such(resource, "the total", ", connections", fail);
	if (found == QDA_RES_FDS)
		most = core->rules->total_limits[found]; /* what RLIMIT_NOFILE leaves */
	r = check_number(resource, limit, 0, most, fail);
	if (r < 0)
		return r;
	core->total_limits[found] = limit;
	core->total.by_hand |= 1u << found;
	return 0;
}
