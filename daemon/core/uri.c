/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading module URIs, and patterns of them. The same grammar as the software DSP's, which is
 * narrower than what a file system would take: what is not in it matches no pattern.
 */
#include "core/uri.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#define SCHEME	   "file:///"
#define SCHEME_LEN (sizeof(SCHEME) - 1)
#define PLAIN	   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

static bool take(char *to, const char *from, size_t n)
{
	if (!n || n >= QDA_MODULE_PART_MAX)
		return false;
	memcpy(to, from, n);
	to[n] = '\0';
	return true;
}

static bool is_library(const char *text)
{
	return *text != '.' && !text[strspn(text, PLAIN ".+-")] && !strstr(text, "..");
}

static bool is_function(const char *text)
{
	return !text[strspn(text, PLAIN)];
}

static bool read_short(const char *uri, struct qda_module_name *name)
{
	char base[QDA_MODULE_PART_MAX - 16];
	size_t n = strcspn(uri, "&");

	if (!n || n >= sizeof(base) || strspn(uri, PLAIN "+-") != n)
		return false;
	memcpy(base, uri, n);
	base[n] = '\0';
	snprintf(name->library, sizeof(name->library), "lib%s_skel.so", base);
	snprintf(name->function, sizeof(name->function), "%s_skel_invoke", base);
	return is_function(name->function);
}

bool qda_module_name_read(const char *uri, struct qda_module_name *name)
{
	const char *divide = strchr(uri, '?');

	if (!divide)
		return read_short(uri, name);
	if (!strncmp(uri, SCHEME, SCHEME_LEN))
		uri += SCHEME_LEN;
	return divide >= uri && take(name->library, uri, divide - uri) &&
	       take(name->function, divide + 1, strcspn(divide + 1, "&")) &&
	       is_library(name->library) && is_function(name->function);
}

bool qda_module_name_matches(const struct qda_module_name *name, const char *pattern)
{
	const char *part = pattern + SCHEME_LEN, *divide = strchr(pattern, '?');
	char library[QDA_MODULE_PART_MAX];

	snprintf(library, sizeof(library), "%.*s",
		 divide ? (int)(divide - part) : (int)strlen(part), part);
	return !fnmatch(library, name->library, FNM_NOESCAPE) &&
	       (!divide || !fnmatch(divide + 1, name->function, FNM_NOESCAPE));
}

const char *qda_module_pattern_fault(const char *pattern)
{
	const char *part = pattern + SCHEME_LEN, *divide;

	if (strncmp(pattern, SCHEME, SCHEME_LEN) != 0)
		return "a pattern of modules begins with file:///";
	divide = strchr(part, '?');
	if (part[strspn(part, PLAIN "*[]!.+-?")] || (divide && strchr(divide + 1, '?')))
		return "a pattern of modules is file:///LIBRARY or file:///LIBRARY?FUNCTION, of "
		       "letters, digits, ._+-, * and [...]; others are never loaded";
	if (!*part || divide == part || (divide && !divide[1]))
		return "a pattern of modules has no empty part: * is any";
	return NULL;
}
