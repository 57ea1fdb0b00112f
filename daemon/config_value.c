/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readers of values.
 */
#include "config_value.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NUMBER "a number is wanted, with K, M, G or % (of memory, at most 100) behind it if you like"

bool qda_complain(const struct qda_place *at, const char *format, ...)
{
	char *to = at->config->error;
	const size_t size = sizeof(at->config->error);
	va_list ap;
	size_t n;

	n = snprintf(to, size, "%.200s:%u: %s=%s: ", at->path, at->line, at->key, at->value);
	if (n >= size)
		return false;
	va_start(ap, format);
	vsnprintf(to + n, size - n, format, ap);
	va_end(ap);
	return false;
}

bool qda_take_string(const struct qda_place *at, char **to)
{
	char *copy;

	if (!*at->value)
		return qda_complain(at, "a value is wanted");
	copy = strdup(at->value);
	if (!copy)
		return qda_complain(at, "out of memory");
	free(*to);
	*to = copy;
	return true;
}

uint64_t qda_ram_share(unsigned percent)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 100 * percent;
}

bool qda_take_amount(const struct qda_place *at, uint64_t *to)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(at->value, &end, 10);
	if (errno || end == at->value || *at->value == '-')
		return qda_complain(at, "%s", NUMBER);
	if (!strcmp(end, "%") && n <= 100)
		n = qda_ram_share(n);
	else if (!strcmp(end, "K") && n < UINT64_MAX >> 10)
		n <<= 10;
	else if (!strcmp(end, "M") && n < UINT64_MAX >> 20)
		n <<= 20;
	else if (!strcmp(end, "G") && n < UINT64_MAX >> 30)
		n <<= 30;
	else if (*end)
		return qda_complain(at, "%s", NUMBER);
	*to = n;
	return true;
}

bool qda_take_u32(const struct qda_place *at, uint32_t low, uint32_t high, uint32_t *to)
{
	uint64_t n;

	if (!qda_take_amount(at, &n))
		return false;
	if (n < low || n > high)
		return qda_complain(at, "must be %" PRIu32 " to %" PRIu32, low, high);
	*to = n;
	return true;
}

bool qda_take_yes(const struct qda_place *at, bool *to)
{
	*to = !strcmp(at->value, "yes");
	return *to || !strcmp(at->value, "no") || qda_complain(at, "must be yes or no");
}

bool qda_take_limit(const struct qda_place *at, uint64_t *limits)
{
	for (unsigned i = 0; i < QDA_RES_N; i++)
		if (!strcmp(at->key, qda_resource_name(i)))
			return qda_take_amount(at, &limits[i]);
	return qda_complain(at, "no such resource: connections, sessions, buffers, buffer_bytes, "
				"handles, maps, calls, parked, inline_bytes, out_bytes, fds");
}

/* The names there are, for a complaint. */
static bool complain_of_names(const struct qda_place *at, const char *const *names, unsigned n,
			      const char *all)
{
	char text[128] = "";
	size_t used = 0;

	for (unsigned i = 0; i < n && used < sizeof(text); i++)
		used += snprintf(text + used, sizeof(text) - used, "%s%s", i ? ", " : "", names[i]);
	return qda_complain(at, "must be some of %s, with commas between them%s%s", text,
			    all ? ", or " : "", all ? all : "");
}

static bool take_name(const char *name, size_t length, const char *const *names, unsigned n,
		      unsigned *bits)
{
	for (unsigned i = 0; i < n; i++)
		if (strlen(names[i]) == length && !memcmp(names[i], name, length)) {
			*bits |= 1u << i;
			return true;
		}
	return false;
}

bool qda_take_names(const struct qda_place *at, const char *const *names, unsigned n,
		    const char *all, unsigned *bits)
{
	unsigned found = 0;

	if (all && !strcmp(at->value, all)) {
		*bits = (1u << n) - 1;
		return true;
	}
	for (const char *name = at->value;; name++) {
		size_t length;

		name += strspn(name, " ");
		length = strcspn(name, " ,");
		if (!take_name(name, length, names, n, &found))
			return complain_of_names(at, names, n, all);
		name += length;
		name += strspn(name, " ");
		if (!*name)
			break;
		if (*name != ',')
			return complain_of_names(at, names, n, all);
	}
	*bits = found;
	return true;
}

static bool is_number(const char *value)
{
	return *value && !value[strspn(value, "0123456789")];
}

/* -1 is no id: chown() and others mean by it that there is none. */
static bool take_id(const struct qda_place *at, uint32_t *to)
{
	unsigned long long n;

	errno = 0;
	n = strtoull(at->value, NULL, 10);
	if (errno || n >= UINT32_MAX)
		return qda_complain(at, "must be 0 to 4294967294, or a name");
	*to = n;
	return true;
}

/* A name service that says no may leave many things in errno; these are its failures. */
static bool complain_of_name(const struct qda_place *at, const char *unknown)
{
	if (!*at->value)
		return qda_complain(at, "a name or a number is wanted");
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EIO)
		return qda_complain(at, "cannot be looked up: %s", strerrordesc_np(errno));
	return qda_complain(at, "%s", unknown);
}

bool qda_take_user(const struct qda_place *at, uid_t *to)
{
	const struct passwd *user;

	if (is_number(at->value))
		return take_id(at, to);
	errno = 0;
	user = getpwnam(at->value);
	if (!user)
		return complain_of_name(at, "there is no such user");
	*to = user->pw_uid;
	return true;
}

bool qda_take_group(const struct qda_place *at, gid_t *to)
{
	const struct group *group;

	if (is_number(at->value))
		return take_id(at, to);
	errno = 0;
	group = getgrnam(at->value);
	if (!group)
		return complain_of_name(at, "there is no such group (groupadd --system makes one)");
	*to = group->gr_gid;
	return true;
}
