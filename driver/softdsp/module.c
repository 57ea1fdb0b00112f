// SPDX-License-Identifier: BSD-3-Clause
/*
 * Finding, loading and unloading skels: see module.h. URIs come from clients and are hostile: a
 * library is a plain file name, looked for in the configured directories and nowhere else.
 */
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crash.h"
#include "driver/fastrpc/fastrpc.h"
#include "module.h"

#define MAX_DIRS	32u
#define SUFFIX		"_handle_invoke"

struct target {
	char library[MODULE_NAME_MAX];
	char symbol[MODULE_NAME_MAX];
};

static struct {
	const char *path;
	const char *label;
} dirs[MAX_DIRS];
static unsigned n_dirs;
static const char *the_domain = "";

int modules_add_dir(const char *path, const char *label)
{
	if (n_dirs == MAX_DIRS)
		return -E2BIG;
	dirs[n_dirs].path = path;
	dirs[n_dirs].label = label;
	n_dirs++;
	return 0;
}

void modules_set_domain(const char *domain)
{
	the_domain = domain;
}

/* --- names --- */

static bool is_plain(const char *name, const char *extra)
{
	if (!*name || *name == '.')
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr(extra, *name))
			return false;
	return true;
}

static bool take(char *out, const char *from, size_t n)
{
	if (n >= MODULE_NAME_MAX)
		return false;
	memcpy(out, from, n);
	out[n] = '\0';
	return true;
}

/* file:///LIBRARY?SYMBOL&... or a bare NAME for libNAME_skel.so, NAME_skel_invoke. */
static bool parse_uri(const char *uri, struct target *target)
{
	static const char scheme[] = "file:///";
	const size_t skip = strncmp(uri, scheme, sizeof(scheme) - 1) ? 0 : sizeof(scheme) - 1;
	const char *question = strchr(uri, '?');
	char name[MODULE_NAME_MAX - 16];
	int n;

	if (question) {
		const char *symbol = question + 1;

		uri += skip;
		if (!take(target->library, uri, question - uri) ||
		    !take(target->symbol, symbol, strcspn(symbol, "&")))
			return false;
	} else {
		n = snprintf(name, sizeof(name), "%.*s", (int)strcspn(uri, "&"), uri);
		if (skip || n >= (int)sizeof(name) || !is_plain(name, "_+-"))
			return false;
		snprintf(target->library, sizeof(target->library), "lib%s_skel.so", name);
		snprintf(target->symbol, sizeof(target->symbol), "%s_skel_invoke", name);
	}
	return is_plain(target->library, "._+-") && !strstr(target->library, "..") &&
	       is_plain(target->symbol, "_");
}

/* --- text --- */

__attribute__((format(printf, 3, 4)))
static void append(char *text, size_t size, const char *format, ...)
{
	const size_t n = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + n, size - n, format, args);
	va_end(args);
}

/* --- loading --- */

/* A file that is there but does not load ends the search: the one in the next directory would
 * hide what is wrong. */
static void *try_path(const char *dir, const char *label, const char *sub, const char *library,
		      char *tried, size_t size, bool *found)
{
	char path[2048];
	int n = snprintf(path, sizeof(path), "%s/%s%s%s", dir, sub, *sub ? "/" : "", library);

	append(tried, size, "%s%s/%s%s%s", *tried ? ", " : "", label, sub, *sub ? "/" : "",
	       library);
	if (n >= (int)sizeof(path) || access(path, F_OK) < 0)
		return NULL;
	*found = true;
	return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

static void *load(const char *library, char *text, size_t size)
{
	char tried[1024] = "";
	bool found = false;
	void *dl = NULL;
	const char *why;

	for (unsigned i = 0; i < n_dirs * 2 && !found; i++)
		dl = try_path(dirs[i / 2].path, dirs[i / 2].label, i % 2 ? "" : the_domain, library,
			      tried, sizeof(tried), &found);
	if (dl)
		return dl;
	why = found ? dlerror() : NULL;
	if (found)
		snprintf(text, size, "%s does not load: %s", library, why ? why : "unknown");
	else
		snprintf(text, size, "%s not found; tried %s", library,
			 *tried ? tried : "nothing: no module directory is configured");
	return NULL;
}

static struct module *make(void *library, void *entry, const struct target *target)
{
	const size_t n = strlen(target->symbol), suffix = sizeof(SUFFIX) - 1;
	struct module *module = calloc(1, sizeof(*module));

	if (!module)
		return NULL;
	atomic_init(&module->refs, 1);
	module->library = library;
	module->has_handles = n > suffix && !strcmp(target->symbol + n - suffix, SUFFIX);
	if (module->has_handles)
		*(void **)&module->invoke_handle = entry;
	else
		*(void **)&module->invoke = entry;
	snprintf(module->name, sizeof(module->name), "%.63s", target->library);
	return module;
}

static uint32_t load_target(const struct target *target, struct module **out, char *text,
			    size_t size)
{
	void *library, *entry;

	library = load(target->library, text, size);
	if (!library)
		return FASTRPC_EUNABLETOLOAD;
	entry = dlsym(library, target->symbol);
	if (!entry) {
		snprintf(text, size, "%s has no function %s", target->library, target->symbol);
		dlclose(library);
		return FASTRPC_ENOSUCHSYMBOL;
	}
	*out = make(library, entry, target);
	if (*out)
		return 0;
	snprintf(text, size, "out of memory loading %s", target->library);
	dlclose(library);
	return FASTRPC_ENOMEMORY;
}

uint32_t module_load(const char *uri, struct module **out, char *text, size_t size)
{
	struct target target;
	char name[64] = "";
	uint32_t code;

	if (!parse_uri(uri, &target)) {
		snprintf(text, size,
			 "\"%.200s\" names no module: use file:///LIBRARY?SYMBOL&_modver=1.0", uri);
		return FASTRPC_EBADPARM;
	}
	snprintf(name, sizeof(name), "%.63s", target.library);
	crash_enter(name, 0); /* constructors of the library run in here */
	code = load_target(&target, out, text, size);
	crash_leave();
	return code;
}

void module_ref(struct module *module)
{
	atomic_fetch_add(&module->refs, 1);
}

struct module *module_unref(struct module *module)
{
	if (module && atomic_fetch_sub(&module->refs, 1) == 1) {
		crash_enter(module->name, 1);
		dlclose(module->library);
		crash_leave();
		free(module);
	}
	return NULL;
}

/* --- the skel's own open and close --- */

int module_open(struct module *module, const char *uri, uint64_t *value)
{
	uint32_t length = strlen(uri) + 1;
	remote_arg pra[3] = {
		{ .buf = { &length, sizeof(length) } },
		{ .buf = { (void *)uri, length } },
	};
	int result;

	crash_enter(module->name, REMOTE_METHOD_OPEN);
	result = module->invoke_handle(0, fastrpc_sc(0, REMOTE_METHOD_OPEN, 2, 0, 0, 1), pra);
	crash_leave();
	*value = pra[2].h64;
	return result;
}

int module_close(struct module *module, uint64_t value)
{
	remote_arg pra[1] = { { .h64 = value } };
	int result;

	crash_enter(module->name, REMOTE_METHOD_CLOSE);
	result = module->invoke_handle(0, fastrpc_sc(0, REMOTE_METHOD_CLOSE, 0, 0, 1, 0), pra);
	crash_leave();
	return result;
}
