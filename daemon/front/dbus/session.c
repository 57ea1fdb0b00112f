/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The methods and properties of a session.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "codec.h"
#include "core/buffer.h"
#include "core/module.h"
#include "core/domain.h"
#include "front/dbus/internal.h"

/* --- modules --- */

static int open_module(struct qda_dbus_request *r, struct qda_fail *fail)
{
	struct qda_dbus_answer *answer;
	struct qda_reply_to to;
	const char *uri;

	if (sd_bus_message_read(r->message, "s", &uri) < 0)
		return qda_dbus_bad_message(fail);
	if (!*uri || strlen(uri) > QDA_URI_MAX)
		return qda_fail(fail, EINVAL, "the URI has %zu bytes: 1 to %u are allowed",
				strlen(uri), QDA_URI_MAX);
	answer = qda_dbus_answer_new(r, false, 0, fail);
	if (!answer)
		return -ENOMEM;
	to = qda_dbus_reply_to(answer, 0);
	return qda_dbus_started(answer, qda_module_open(r->peer->client, r->session->handle, uri,
							&to, fail));
}

static int answer_id(struct qda_dbus_answer *answer, const struct qda_outcome *outcome)
{
	return sd_bus_reply_method_return(answer->message, "t", outcome->id);
}

static int close_module(struct qda_dbus_request *r, struct qda_fail *fail)
{
	const struct qda_module *module;
	struct qda_dbus_answer *answer;
	struct qda_reply_to to;
	uint64_t handle;

	if (sd_bus_message_read(r->message, "t", &handle) < 0)
		return qda_dbus_bad_message(fail);
	module = qda_module_find(r->peer->client, handle, fail);
	if (!module)
		return -fail->code;
	if (module->session != r->session)
		return qda_fail(fail, ENOENT, "module %#" PRIx64 " is none of this session", handle);
	answer = qda_dbus_answer_new(r, false, 0, fail);
	if (!answer)
		return -ENOMEM;
	to = qda_dbus_reply_to(answer, 0);
	return qda_dbus_started(answer, qda_module_close(r->peer->client, handle, &to, fail));
}

/* --- buffers --- */

static int check_size(uint64_t size, uint64_t least, struct qda_fail *fail)
{
	if (size >= least && size <= QDA_BUFFER_MAX)
		return 0;
	return qda_fail(fail, EINVAL, "size %" PRIu64 ": %" PRIu64 " to %u are allowed", size, least,
			QDA_BUFFER_MAX);
}

static int allocate_buffer(struct qda_dbus_request *r, struct qda_fail *fail)
{
	struct qda_buffer *buffer;
	uint64_t size;
	int fd, e;

	if (sd_bus_message_read(r->message, "t", &size) < 0)
		return qda_dbus_bad_message(fail);
	e = check_size(size, 1, fail);
	if (e == 0)
		e = qda_buffer_alloc(r->peer->client, r->session->domain->name, size, &buffer, &fd,
				     fail);
	if (e == 0)
		sd_bus_reply_method_return(r->message, "tth", buffer->id, buffer->size, fd);
	return e;
}

static int import_buffer(struct qda_dbus_request *r, struct qda_fail *fail)
{
	struct qda_buffer *buffer;
	int fd, read_only, e;
	uint64_t size;

	if (sd_bus_message_read(r->message, "htb", &fd, &size, &read_only) < 0)
		return qda_dbus_bad_message(fail);
	e = check_size(size, 0, fail);
	if (e == 0)
		e = qda_buffer_import(r->peer->client, r->session->domain->name, fd, size, read_only,
				      &buffer, fail);
	if (e == 0)
		sd_bus_reply_method_return(r->message, "tt", buffer->id, buffer->size);
	return e;
}

static int free_buffer(struct qda_dbus_request *r, struct qda_fail *fail)
{
	uint64_t buffer;
	int e;

	if (sd_bus_message_read(r->message, "t", &buffer) < 0)
		return qda_dbus_bad_message(fail);
	e = qda_buffer_free(r->peer->client, buffer, fail);
	return e < 0 ? e : qda_dbus_answer_done(r);
}

static int check_map(uint32_t key, uint64_t offset, uint64_t size, struct qda_fail *fail)
{
	uint64_t end;

	if (key > QDA_KEY_MAX)
		return qda_fail(fail, EINVAL, "key %u: at most %u is allowed", key, QDA_KEY_MAX);
	if (offset % QDA_PAGE || size % QDA_PAGE)
		return qda_fail(fail, EINVAL,
				"offset %" PRIu64 " and size %" PRIu64 " must be multiples of %u",
				offset, size, QDA_PAGE);
	if (__builtin_add_overflow(offset, size, &end) || end > QDA_BUFFER_MAX)
		return qda_fail(fail, EINVAL,
				"offset %" PRIu64 " and size %" PRIu64 " end beyond any buffer",
				offset, size);
	return 0;
}

static int map_buffer(struct qda_dbus_request *r, struct qda_fail *fail)
{
	struct qda_dbus_answer *answer;
	uint64_t buffer, offset, size;
	struct qda_reply_to to;
	uint32_t key;
	int e;

	if (sd_bus_message_read(r->message, "tutt", &buffer, &key, &offset, &size) < 0)
		return qda_dbus_bad_message(fail);
	e = check_map(key, offset, size, fail);
	if (e < 0)
		return e;
	answer = qda_dbus_answer_new(r, false, 0, fail);
	if (!answer)
		return -ENOMEM;
	to = qda_dbus_reply_to(answer, 0);
	return qda_dbus_started(answer,
				qda_session_map(r->peer->client, r->session->handle, buffer, key,
						offset, size, &to, fail));
}

static int answer_map(struct qda_dbus_answer *answer, const struct qda_outcome *outcome)
{
	return sd_bus_reply_method_return(answer->message, "t", outcome->dsp_addr);
}

static int unmap_buffer(struct qda_dbus_request *r, struct qda_fail *fail)
{
	struct qda_dbus_answer *answer;
	struct qda_reply_to to;
	uint32_t key;

	if (sd_bus_message_read(r->message, "u", &key) < 0)
		return qda_dbus_bad_message(fail);
	if (key > QDA_KEY_MAX)
		return qda_fail(fail, EINVAL, "key %u: at most %u is allowed", key, QDA_KEY_MAX);
	answer = qda_dbus_answer_new(r, false, 0, fail);
	if (!answer)
		return -ENOMEM;
	to = qda_dbus_reply_to(answer, 0);
	return qda_dbus_started(answer, qda_session_unmap(r->peer->client, r->session->handle, key,
							  &to, fail));
}

/* --- calls, close --- */

static int cancel(struct qda_dbus_request *r, struct qda_fail *fail)
{
	static const char *const was[] = {
		[QDA_CALL_WAS_GONE] = "gone",
		[QDA_CALL_WAS_QUEUED] = "queued",
		[QDA_CALL_WAS_RUNNING] = "running",
	};
	uint64_t tag;

	if (sd_bus_message_read(r->message, "t", &tag) < 0)
		return qda_dbus_bad_message(fail);
	if (!tag || tag >> 63)
		return qda_fail(fail, EINVAL, "tag %" PRIu64 ": it is that of a call, 1 to 2^63 - 1",
				tag);
	sd_bus_reply_method_return(r->message, "s", was[qda_call_cancel(r->peer->client, tag)]);
	return 0;
}

static int close_session(struct qda_dbus_request *r, struct qda_fail *fail)
{
	struct qda_dbus_answer *answer = qda_dbus_answer_new(r, false, 0, fail);
	char path[QDA_DBUS_PATH_MAX];
	struct qda_reply_to to;
	int e;

	if (!answer)
		return -ENOMEM;
	qda_dbus_session_path(r->session, path);
	to = qda_dbus_reply_to(answer, 0);
	e = qda_session_close(r->peer->client, r->session->handle, &to, fail);
	if (e == 0)
		qda_dbus_session_removed(r->peer, path);
	return qda_dbus_started(answer, e);
}

/* --- the table --- */

#define METHOD(name, function, answer_function)                                                    \
	static int on_##name(sd_bus_message *message, void *userdata, sd_bus_error *error)         \
	{                                                                                          \
		static const struct qda_dbus_method method = {                                     \
			.run = function,                                                           \
			.answer = answer_function,                                                 \
			.needs_access = true,                                                      \
			.of_session = true,                                                        \
		};                                                                                 \
		return qda_dbus_serve(userdata, message, &method);                                 \
	}

METHOD(open_module, open_module, answer_id)
METHOD(close_module, close_module, NULL)
METHOD(allocate_buffer, allocate_buffer, NULL)
METHOD(import_buffer, import_buffer, NULL)
METHOD(free_buffer, free_buffer, NULL)
METHOD(map_buffer, map_buffer, answer_map)
METHOD(unmap_buffer, unmap_buffer, NULL)
METHOD(cancel, cancel, NULL)
METHOD(close, close_session, NULL)

static int on_invoke(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	return qda_dbus_serve(userdata, message, &qda_dbus_invoke);
}

static int get(sd_bus *bus, const char *path, const char *interface, const char *property,
	       sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const struct qda_session *s = qda_dbus_session_find(userdata, path);

	if (!s)
		return -ENOENT;
	if (!strcmp(property, "Number"))
		return sd_bus_message_append(reply, "t", s->number);
	if (!strcmp(property, "Domain"))
		return sd_bus_message_append(reply, "s", s->domain->name);
	if (!strcmp(property, "Client"))
		return sd_bus_message_append(reply, "t", s->client->id);
	if (!strcmp(property, "Kind"))
		return sd_bus_message_append(reply, "s", qda_session_kind_name(s->kind));
	if (!strcmp(property, "State"))
		return sd_bus_message_append(reply, "s", qda_session_state_name(s->state));
	return sd_bus_message_append(reply, "a{sv}", 4, "modules", "u", s->n_modules, "in_flight",
				     "u", s->in_flight, "calls", "t", s->n_calls, "busy_ns", "t",
				     s->busy_ns);
}

const sd_bus_vtable qda_dbus_session_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Number", "t", get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Domain", "s", get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Client", "t", get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Kind", "s", get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("State", "s", get, 0, 0),
	SD_BUS_PROPERTY("Use", "a{sv}", get, 0, 0),
	SD_BUS_METHOD_WITH_ARGS("OpenModule", SD_BUS_ARGS("s", uri), SD_BUS_RESULT("t", module),
				on_open_module, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("CloseModule", SD_BUS_ARGS("t", module), SD_BUS_NO_RESULT,
				on_close_module, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("AllocateBuffer", SD_BUS_ARGS("t", size),
				SD_BUS_RESULT("t", buffer, "t", actual_size, "h", memory),
				on_allocate_buffer, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("ImportBuffer",
				SD_BUS_ARGS("h", memory, "t", size, "b", read_only),
				SD_BUS_RESULT("t", buffer, "t", actual_size), on_import_buffer,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("FreeBuffer", SD_BUS_ARGS("t", buffer), SD_BUS_NO_RESULT,
				on_free_buffer, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("MapBuffer",
				SD_BUS_ARGS("t", buffer, "u", key, "t", offset, "t", size),
				SD_BUS_RESULT("t", address), on_map_buffer,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("UnmapBuffer", SD_BUS_ARGS("u", key), SD_BUS_NO_RESULT,
				on_unmap_buffer, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Invoke",
				SD_BUS_ARGS("t", module, "u", method, "a(sv)", arguments, "a{sv}",
					    options),
				SD_BUS_RESULT("i", result, "av", outputs, "a{sv}", times),
				on_invoke, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_ARGS("t", tag), SD_BUS_RESULT("s", was), on_cancel,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Close", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, on_close,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_SIGNAL_WITH_ARGS("Lost", SD_BUS_ARGS("u", signal, "s", text), 0),
	SD_BUS_SIGNAL_WITH_ARGS("Log", SD_BUS_ARGS("u", level, "u", dropped, "s", text), 0),
	SD_BUS_VTABLE_END,
};
