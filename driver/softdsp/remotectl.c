// SPDX-License-Identifier: BSD-3-Clause
/*
 * Opening and closing modules for the host. What is sent is copied before it is looked at, for the
 * host may change it meanwhile.
 */
#include <stdio.h>
#include <string.h>

#include "driver/fastrpc/fastrpc.h"
#include "handle.h"
#include "module.h"
#include "remotectl.h"

#define CODE_OFFSETS	0x400u /* a skel's own codes are below; the DSP's have FASTRPC_DSP_OFFSET */

struct open_in { uint32_t name_len, text_len; };
struct open_out { uint32_t handle, dlerr; };
struct close_in { uint32_t handle, text_len; };

/* A skel answers its open in its own numbers; dlerr is the DSP's word about it. */
static uint32_t as_dsp_code(int result)
{
	const uint32_t code = result;

	return code < CODE_OFFSETS ? FASTRPC_DSP_OFFSET | code : code;
}

static void put_text(uint8_t *base, const struct fastrpc_dsp_arg *arg, const char *text)
{
	size_t n = strlen(text) + 1;

	if (!arg->length)
		return;
	if (n > arg->length)
		n = arg->length;
	memcpy(base + arg->addr, text, n);
	base[arg->addr + n - 1] = '\0';
}

static uint32_t open_skel(struct module *module, const char *uri, uint32_t handle, char *text,
			  size_t size)
{
	uint64_t value = 0;
	int result = module->has_handles ? module_open(module, uri, &value) : 0;
	const uint32_t code = result ? as_dsp_code(result) : 0;

	if (!code) {
		handle_open(handle, module, value);
		return 0;
	}
	snprintf(text, size, "%s refused to open: %#x%s", module->name, code,
		 code == FASTRPC_EVERSION ? ", its interface has another version" : "");
	return code;
}

static uint32_t open_module(const char *uri, uint32_t *handle, char *text, size_t size)
{
	struct module *module;
	uint32_t code;

	if (handle_reserve(handle, 1) < 0) {
		snprintf(text, size, "this PD has %u remote handles open: close some", HANDLES_MAX);
		return FASTRPC_ENOMEMORY;
	}
	code = module_load(uri, &module, text, size);
	if (!code) {
		code = open_skel(module, uri, *handle, text, size);
		module_unref(module);
	}
	if (code) {
		handle_cancel(*handle);
		*handle = 0;
	}
	return code;
}

static uint32_t do_open(uint8_t *base, const struct fastrpc_dsp_arg *args)
{
	const struct fastrpc_dsp_arg *name = &args[1];
	struct open_out out = { 0 };
	char uri[MODULE_URI_MAX];
	char text[MODULE_URI_MAX] = "";
	struct open_in in;

	if (args[0].length != sizeof(in) || args[2].length != sizeof(out))
		return FASTRPC_EBADPARM;
	memcpy(&in, base + args[0].addr, sizeof(in));
	if (in.name_len != name->length || in.text_len != args[3].length || !in.name_len ||
	    in.name_len > sizeof(uri))
		return FASTRPC_EBADPARM;
	memcpy(uri, base + name->addr, in.name_len);
	if (in.name_len == sizeof(uri) && uri[sizeof(uri) - 1])
		return FASTRPC_EBADPARM;
	if (in.name_len < sizeof(uri))
		uri[in.name_len] = '\0';
	out.dlerr = open_module(uri, &out.handle, text, sizeof(text));
	memcpy(base + args[2].addr, &out, sizeof(out));
	put_text(base, &args[3], text);
	return 0;
}

/* The handle is gone whatever the skel says: after a failed close there is nothing to try again. */
static uint32_t close_handle(uint32_t handle, char *text, size_t size)
{
	struct module *module;
	uint64_t value;
	int result = 0;

	if (handle_close(handle, &module, &value) < 0) {
		snprintf(text, size, "%#x is not an open remote handle", handle);
		return FASTRPC_EINVHANDLE;
	}
	if (module->has_handles)
		result = module_close(module, value);
	if (result)
		snprintf(text, size, "%s failed to close: %#x", module->name, result);
	module_unref(module);
	return result ? as_dsp_code(result) : 0;
}

static uint32_t do_close(uint8_t *base, const struct fastrpc_dsp_arg *args)
{
	char text[MODULE_URI_MAX] = "";
	struct close_in in;
	uint32_t dlerr;

	if (args[0].length != sizeof(in) || args[1].length != sizeof(dlerr))
		return FASTRPC_EBADPARM;
	memcpy(&in, base + args[0].addr, sizeof(in));
	if (in.text_len != args[2].length)
		return FASTRPC_EBADPARM;
	dlerr = close_handle(in.handle, text, sizeof(text));
	memcpy(base + args[1].addr, &dlerr, sizeof(dlerr));
	put_text(base, &args[2], text);
	return 0;
}

uint32_t remotectl_call(uint8_t *base, uint32_t method, uint32_t sc,
			const struct fastrpc_dsp_arg *args)
{
	const uint32_t shape = sc & 0xffffff;

	switch (method) {
	case FASTRPC_REMOTECTL_OPEN:
		return shape == 0x020200 ? do_open(base, args) : FASTRPC_EBADPARM;
	case FASTRPC_REMOTECTL_CLOSE:
		return shape == 0x010200 ? do_close(base, args) : FASTRPC_EBADPARM;
	}
	return FASTRPC_EUNSUPPORTED;
}
