/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modules: remotectl open and close are calls like any other, made by core and answered here.
 */
#include "core/module.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/call_internal.h"

#define ERROR_TEXT     480u /* bytes the DSP may say about a failed open */
#define STATIC_HANDLES 256u /* objects below are there in every PD, and no client's */

struct open_in {
	uint32_t name_len;
	uint32_t error_len;
};

struct open_out {
	uint32_t handle;
	uint32_t dlerr;
};

struct close_in {
	uint32_t handle;
	uint32_t error_len;
};

struct qda_module *qda_module_find(struct qda_client *client, uint64_t handle,
				   struct qda_fail *fail)
{
	struct qda_module *module = qda_slots_get(&client->handles, handle, QDA_HANDLE_MODULE);

	if (!module)
		qda_fail(fail, ENOENT, "no remote handle %#" PRIx64 " on this connection", handle);
	return module;
}

struct qda_module *qda_module_adopt(struct qda_session *session, uint32_t wire,
				    struct qda_charge *charge)
{
	struct qda_module *module;
	struct qda_fail fail;

	if (session->state != QDA_SESSION_OPEN)
		return NULL;
	module = calloc(1, sizeof(*module));
	if (!module)
		return NULL;
	if (qda_client_add_handle(session->client, module, QDA_HANDLE_MODULE, &module->handle,
				  &fail) < 0) {
		free(module);
		return NULL;
	}
	module->session = session;
	module->wire = wire;
	module->charge = qda_charge_split(charge, 1);
	TAILQ_INSERT_TAIL(&session->modules, module, link);
	session->n_modules++;
	session->client->n_modules++;
	return module;
}

void qda_module_free(struct qda_module *module)
{
	struct qda_session *session = module->session;

	TAILQ_REMOVE(&session->modules, module, link);
	session->n_modules--;
	session->client->n_modules--;
	qda_slots_remove(&session->client->handles, module->handle);
	qda_charge_deinit(&module->charge);
	free(module);
}

/* By the URI that the DSP gets, byte for byte. */
static int check_policy(const struct qda_session *session, const char *uri, struct qda_fail *fail)
{
	const struct qda_question question = {
		.wish = QDA_WISH_MODULE,
		.domain = session->domain->name,
		.kind = session->kind,
		.module = uri,
		.granted = session->granted,
	};

	return qda_client_check(session->client, &question, fail);
}

int qda_module_open(struct qda_client *client, uint64_t handle, const char *uri,
		    const struct qda_reply_to *to, struct qda_fail *fail)
{
	struct qda_session *session;
	struct open_in in = { strlen(uri) + 1, ERROR_TEXT };
	uint8_t bytes[sizeof(in) + 1024];
	struct qda_call_arg args[] = {
		{ QDA_CALL_INLINE, 0, 0, sizeof(in) },
		{ QDA_CALL_INLINE, 4096, 0, in.name_len },
		{ QDA_CALL_INLINE, 8192, 0, sizeof(struct open_out) },
		{ QDA_CALL_INLINE, 12288, 0, ERROR_TEXT },
	};
	struct qda_call_request request = {
		.sc = fastrpc_sc(0, FASTRPC_REMOTECTL_OPEN, 2, 2, 0, 0),
		.n_args = 4,
		.args = args,
		.in = bytes,
		.n_in = sizeof(in) + in.name_len,
	};
	struct qda_call_spec spec = { QDA_CALL_MODULE_OPEN, FASTRPC_HANDLE_REMOTECTL, &request,
				      to };

	if (client->core->draining)
		return qda_fail(fail, ESHUTDOWN,
				"the daemon is stopping: try again after its restart");
	if (!*uri || request.n_in > sizeof(bytes))
		return qda_fail(fail, EINVAL, "a module URI has 1 to 1023 bytes, this one %u",
				in.name_len - 1);
	session = qda_session_find_open(client, handle, fail);
	if (!session || check_policy(session, uri, fail) < 0)
		return -fail->code;
	memcpy(bytes, &in, sizeof(in));
	memcpy(bytes + sizeof(in), uri, in.name_len);
	return qda_call_start(session, &spec, fail);
}

static int start_close(struct qda_session *session, uint32_t wire, const struct qda_reply_to *to,
		       struct qda_fail *fail)
{
	struct close_in in = { wire, 0 };
	struct qda_call_arg args[] = {
		{ QDA_CALL_INLINE, 0, 0, sizeof(in) },
		{ QDA_CALL_INLINE, 4096, 0, sizeof(uint32_t) },
		{ QDA_CALL_INLINE, 8192, 0, 0 },
	};
	struct qda_call_request request = {
		.sc = fastrpc_sc(0, FASTRPC_REMOTECTL_CLOSE, 1, 2, 0, 0),
		.n_args = 3,
		.args = args,
		.in = (const uint8_t *)&in,
		.n_in = sizeof(in),
	};
	struct qda_call_spec spec = { QDA_CALL_MODULE_CLOSE, FASTRPC_HANDLE_REMOTECTL, &request,
				      to };

	return qda_call_start(session, &spec, fail);
}

int qda_module_close(struct qda_client *client, uint64_t handle, const struct qda_reply_to *to,
		     struct qda_fail *fail)
{
	struct qda_module *module = qda_module_find(client, handle, fail);
	struct qda_session *session;
	int r = 0;

	if (!module)
		return -fail->code;
	session = module->session;
	if (session->state == QDA_SESSION_OPEN) {
		r = start_close(session, module->wire, to, fail);
	} else {
		struct qda_reply_to now = *to;

		qda_reply(client, &now, &(struct qda_outcome){ 0 });
	}
	if (r == 0)
		qda_module_free(module);
	return r;
}

/* Best effort: when the quota of calls is used up, the DSP keeps the object until the session
 * ends. */
void qda_module_drop_wire(struct qda_session *session, uint32_t wire)
{
	struct qda_fail fail;

	if (session->state == QDA_SESSION_OPEN && start_close(session, wire, NULL, &fail) < 0)
		return;
}

static void clean(char *text)
{
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
}

static void fail_open(struct qda_call *call, uint32_t code)
{
	struct qda_fail fail;
	size_t length = 0;
	const char *said = (const char *)qda_call_out(call, 1, &length);

	length = said ? strnlen(said, length) : 0;
	if (length)
		qda_fail(&fail, EREMOTEIO, "the DSP did not open the module (%#x): %.*s", code,
			 (int)length, said);
	else
		qda_fail(&fail, EREMOTEIO, "the DSP did not open the module (%#x)", code);
	clean(fail.text); /* a skel may have said anything */
	fail.aee = code;
	qda_reply_fail(call->client, &call->to, &fail);
}

/* As it stands in staging, where the PD may have written other text: it is for people only. */
static void note_uri(struct qda_module *module, const struct qda_call *call)
{
	size_t length = 0;
	const char *uri = (const char *)qda_call_bytes(call, 1, &length);

	if (!uri)
		return;
	snprintf(module->uri, sizeof(module->uri), "%.*s", (int)strnlen(uri, length), uri);
	clean(module->uri);
}

void qda_module_opened(struct qda_call *call, int32_t result)
{
	struct qda_session *session = call->session;
	struct open_out out;
	struct qda_module *module;
	struct qda_fail fail;
	size_t length;
	const uint8_t *bytes = qda_call_out(call, 0, &length);

	if (result || !bytes) {
		fail_open(call, result);
		return;
	}
	memcpy(&out, bytes, sizeof(out)); /* the PD may still write there: read it once */
	if (out.dlerr) {
		fail_open(call, out.dlerr);
		return;
	}
	if (out.handle < STATIC_HANDLES) {
		qda_fail(&fail, EREMOTEIO, "the DSP named its static object %u as the module",
			 out.handle);
		qda_reply_fail(call->client, &call->to, &fail);
		return;
	}
	if (session->state != QDA_SESSION_OPEN) { /* the device was quicker than the close */
		qda_fail(&fail, ECANCELED, "the session was closed while the module opened");
		qda_reply_fail(call->client, &call->to, &fail);
		return;
	}
	module = qda_module_adopt(session, out.handle, &call->out_handles);
	if (module) {
		note_uri(module, call);
		qda_reply(call->client, &call->to, &(struct qda_outcome){ .id = module->handle });
		return;
	}
	qda_module_drop_wire(session, out.handle);
	qda_fail(&fail, ENOMEM, "the daemon is out of memory for a module");
	qda_reply_fail(call->client, &call->to, &fail);
}

void qda_module_closed(struct qda_call *call, int32_t result)
{
	uint32_t code = result;
	struct qda_fail fail;
	size_t length;
	const uint8_t *dlerr = qda_call_out(call, 0, &length);

	if (!code && dlerr)
		memcpy(&code, dlerr, sizeof(code));
	if (!code) {
		qda_reply(call->client, &call->to, &(struct qda_outcome){ 0 });
		return;
	}
	qda_fail(&fail, EREMOTEIO, "the module's close failed on the DSP (%#x)", code);
	fail.aee = code;
	qda_reply_fail(call->client, &call->to, &fail);
}
