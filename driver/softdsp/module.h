/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A skel: one library, opened once by one remotectl open, and its entry function. Counted: handles
 * and running calls hold references; the library is unloaded with the last one. The search
 * directories are set once, before the first thread starts.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote.h"

#define MODULE_NAME_MAX	256u
#define MODULE_URI_MAX	1024u

struct module {
	atomic_uint refs;
	bool has_handles; /* the newer entry, with a handle */
	void *library;
	int (*invoke_handle)(remote_handle64 handle, uint32_t sc, remote_arg *pra);
	int (*invoke)(uint32_t sc, remote_arg *pra);
	char name[64]; /* of the library, cut and padded with NUL, for the status page */
};

/* Where skels are looked for, in this order. `label` is what a person is told. Strings are kept. */
int modules_add_dir(const char *path, const char *label);
void modules_set_domain(const char *domain);

/* Load what a URI (or a bare name) names. 0 and a reference, or a code of the DSP with `text`. */
uint32_t module_load(const char *uri, struct module **out, char *text, size_t size);

void module_ref(struct module *module);
struct module *module_unref(struct module *module);

/* The skel's own open and close (newer entry only). What they return is the skel's. */
int module_open(struct module *module, const char *uri, uint64_t *value);
int module_close(struct module *module, uint64_t value);
