/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A method call: from the vtable to its answer, now or later.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/monitor.h"
#include "core/session.h"
#include "front/dbus/internal.h"

/* --- refusals --- */

/* Documented in the interface files, policy/org.qdad.Broker1.*.xml. */
const char *qda_dbus_error_name(const struct qda_fail *fail)
{
	static const struct { int code; const char *name; } names[] = {
		{ EACCES, "org.qdad.Error.AccessDenied" },
		{ EPERM, "org.qdad.Error.AccessDenied" },
		{ EDQUOT, "org.qdad.Error.QuotaExceeded" },
		{ EINVAL, "org.qdad.Error.InvalidArgument" },
		{ ERANGE, "org.qdad.Error.InvalidArgument" },
		{ EMSGSIZE, "org.qdad.Error.TooLarge" },
		{ ENOENT, "org.qdad.Error.NotFound" },
		{ EEXIST, "org.qdad.Error.Exists" },
		{ EBUSY, "org.qdad.Error.Busy" },
		{ EAGAIN, "org.qdad.Error.Busy" },
		{ EUSERS, "org.qdad.Error.NoContextBank" },
		{ ENOTCONN, "org.qdad.Error.DomainDown" },
		{ ENODEV, "org.qdad.Error.DomainDown" },
		{ EPIPE, "org.qdad.Error.DomainDown" },
		{ ECONNRESET, "org.qdad.Error.SessionLost" },
		{ ETIME, "org.qdad.Error.TimedOut" },
		{ ETIMEDOUT, "org.qdad.Error.TimedOut" },
		{ ECANCELED, "org.qdad.Error.Cancelled" },
		{ ESHUTDOWN, "org.qdad.Error.Stopping" },
		{ EREMOTEIO, "org.qdad.Error.Dsp" },
		{ EOPNOTSUPP, "org.qdad.Error.NotSupported" },
		{ ENOMEM, "org.qdad.Error.NoMemory" },
		{ ENOSPC, "org.qdad.Error.NoMemory" },
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].code == fail->code)
			return names[i].name;
	return "org.qdad.Error.Failed";
}

/* The bus ends connections that send what is no UTF-8. Of text that a skel wrote, or that was cut,
 * nothing is known: what is not ASCII becomes a question mark. */
const char *qda_dbus_clean(const char *text, char *to, size_t size)
{
	size_t n = 0;

	for (; text[n] && n < size - 1; n++)
		to[n] = (text[n] >= ' ' && text[n] <= '~') || text[n] == '\n' || text[n] == '\t'
				? text[n]
				: '?';
	to[n] = '\0';
	return to;
}

static void count(struct qda_dbus *dbus, struct qda_dbus_peer *peer, const struct qda_fail *fail)
{
	struct qda_core *core = dbus->front->core;
	struct qda_client *client = peer ? peer->client : NULL;

	core->refused += fail->code == EDQUOT;
	qda_refusals_count(&core->refusals, fail);
	if (!client)
		return;
	client->n_refused += fail->code == EDQUOT;
	qda_monitor_refused(client, fail);
}

int qda_dbus_refuse(struct qda_dbus *dbus, struct qda_dbus_peer *peer, sd_bus_message *message,
		    const struct qda_fail *fail)
{
	char text[sizeof(fail->text)];

	count(dbus, peer, fail);
	sd_bus_reply_method_errorf(message, qda_dbus_error_name(fail), "%s",
				   qda_dbus_clean(fail->text, text, sizeof(text)));
	return 1;
}

int qda_dbus_bad_message(struct qda_fail *fail)
{
	return qda_fail(fail, EINVAL, "the arguments are not what the signature says");
}

/* known: "wait_ms (u), log (b)"; type: what the option that was not taken came with. */
static int refuse_option(const char *known, const char *name, const char *type,
			 struct qda_fail *fail)
{
	size_t n = strlen(name);
	const char *at = known;

	while (n && (at = strstr(at, name)) && (at[n] != ' ' || (at > known && at[-1] != ' ')))
		at++;
	if (!n || !at || strncmp(at + n, " (", 2) != 0)
		return qda_fail(fail, EINVAL, "option %.32s: there are %s", name, known);
	at += n + 2;
	if (strcspn(at, ")") == strlen(type) && !strncmp(at, type, strlen(type)))
		return qda_fail(fail, EINVAL, "option %.32s: its value is out of range", name);
	return qda_fail(fail, EINVAL, "option %.32s is of type %.16s, %.*s is wanted", name, type,
			(int)strcspn(at, ")"), at);
}

/* No matter how many a message has, few are looked at. */
int qda_dbus_read_options(sd_bus_message *m, const char *known,
			  int (*read_one)(sd_bus_message *m, const char *name, void *to), void *to,
			  struct qda_fail *fail)
{
	const char *name, *type;
	unsigned n = 0;
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		if (++n > QDA_DBUS_OPTIONS_MAX)
			return qda_fail(fail, EINVAL, "more than %u options: there are %s",
					QDA_DBUS_OPTIONS_MAX, known);
		if (sd_bus_message_read(m, "s", &name) < 0 ||
		    sd_bus_message_peek_type(m, NULL, &type) < 0)
			return qda_dbus_bad_message(fail);
		if (read_one(m, name, to) < 0)
			return refuse_option(known, name, type, fail);
		r = sd_bus_message_exit_container(m);
	}
	return r < 0 ? qda_dbus_bad_message(fail) : 0;
}

/* --- serving --- */

static int find_session(struct qda_dbus_request *r, struct qda_fail *fail)
{
	const char *path = sd_bus_message_get_path(r->message);

	r->session = qda_dbus_session_find(r->dbus, path);
	if (!r->session)
		return qda_fail(fail, ENOENT, "%s: there is no such session (any more)", path);
	if (r->session->client != r->peer->client)
		return qda_fail(fail, EACCES, "%s belongs to another client: open one of your own",
				path);
	return 0;
}

static int run(struct qda_dbus_request *r, struct qda_fail *fail)
{
	int e = 0;

	r->grant = 0;
	if (r->method->needs_access)
		e = qda_client_check_access(r->peer->client, fail);
	if (e == 0 && r->method->of_session)
		e = find_session(r, fail);
	if (e < 0)
		return e;
	r->grant = r->method->grant;
	return r->method->run(r, fail);
}

int qda_dbus_serve(struct qda_dbus *dbus, sd_bus_message *message,
		   const struct qda_dbus_method *method)
{
	struct qda_dbus_request r = {
		.dbus = dbus,
		.peer = qda_dbus_peer_of(dbus, message),
		.message = message,
		.method = method,
	};
	struct qda_fail fail;
	int e;

	if (r.peer)
		e = run(&r, &fail);
	else
		e = qda_fail(&fail, ECANCELED, "this client was ended by an administrator");
	if (e == -EACCES && r.grant && qda_dbus_polkit_ask(&r, r.grant, &fail) == 0)
		return 1;
	return e < 0 ? qda_dbus_refuse(dbus, r.peer, message, &fail) : 1;
}

/* A grant is over with its request. What is done in a session that came of it is core's to know. */
int qda_dbus_serve_granted(struct qda_dbus_answer *answer, unsigned grant)
{
	struct qda_dbus_peer *peer = answer->peer;
	struct qda_dbus_request r = {
		.dbus = peer->dbus,
		.peer = peer,
		.message = answer->message,
		.method = answer->method,
	};
	struct qda_client *client = peer->client;
	struct qda_fail fail;
	int e;

	sd_bus_message_rewind(r.message, 1);
	client->granted |= grant;
	e = run(&r, &fail);
	client->granted &= ~grant;
	return e < 0 ? qda_dbus_refuse(peer->dbus, peer, r.message, &fail) : 1;
}

int qda_dbus_answer_done(const struct qda_dbus_request *r)
{
	sd_bus_reply_method_return(r->message, NULL);
	return 0;
}

/* --- later --- */

/* The call again, with nothing but what an answer needs; polkit's yes needs its arguments, too.
 * What else it brought, any number of descriptors, nobody is charged for. */
static int keep_call(const struct qda_dbus_request *r, bool with_arguments, sd_bus_message **out)
{
	sd_bus_message *call = r->message, *m = NULL;
	uint64_t cookie;
	int e = sd_bus_message_get_cookie(call, &cookie);

	if (e >= 0)
		e = sd_bus_message_new_method_call(r->dbus->bus, &m, NULL,
						   sd_bus_message_get_path(call),
						   sd_bus_message_get_interface(call),
						   sd_bus_message_get_member(call));
	if (e >= 0)
		e = sd_bus_message_set_sender(m, r->peer->name);
	if (e >= 0)
		e = sd_bus_message_set_expect_reply(m, sd_bus_message_get_expect_reply(call));
	if (e >= 0 && with_arguments)
		e = sd_bus_message_rewind(call, 1);
	if (e >= 0 && with_arguments)
		e = sd_bus_message_copy(m, call, 1);
	if (e >= 0)
		e = sd_bus_message_seal(m, cookie, 0);
	if (e >= 0)
		*out = m;
	else
		sd_bus_message_unref(m);
	return e;
}

struct qda_dbus_answer *qda_dbus_answer_new(const struct qda_dbus_request *r, bool again,
					    unsigned n_outs, struct qda_fail *fail)
{
	struct qda_dbus_answer *answer =
		calloc(1, sizeof(*answer) + n_outs * sizeof(*answer->outs));

	if (!answer || keep_call(r, again, &answer->message) < 0) {
		free(answer);
		qda_fail(fail, ENOMEM, "the daemon is out of memory for a request");
		return NULL;
	}
	answer->peer = r->peer;
	answer->method = r->method;
	TAILQ_INSERT_TAIL(&r->peer->answers, answer, link);
	return answer;
}

void qda_dbus_answer_free(struct qda_dbus_answer *answer)
{
	TAILQ_REMOVE(&answer->peer->answers, answer, link);
	sd_bus_slot_unref(answer->slot);
	qda_dbus_forget(answer->peer->dbus, answer->message);
	free(answer);
}

static void on_end(const struct qda_reply_to *to, const struct qda_outcome *outcome)
{
	struct qda_dbus_answer *answer = to->front;

	if (outcome->fail)
		qda_dbus_refuse(answer->peer->dbus, answer->peer, answer->message, outcome->fail);
	else if (answer->method->answer)
		answer->method->answer(answer, outcome);
	else
		sd_bus_reply_method_return(answer->message, NULL);
	qda_dbus_answer_free(answer);
}

struct qda_reply_to qda_dbus_reply_to(struct qda_dbus_answer *answer, uint64_t serial)
{
	if (!serial)
		serial = 1ull << 63 | ++answer->peer->dbus->next_serial;
	return (struct qda_reply_to){ on_end, answer, serial, 0 };
}

int qda_dbus_started(struct qda_dbus_answer *answer, int e)
{
	if (e < 0)
		qda_dbus_answer_free(answer);
	return e;
}
