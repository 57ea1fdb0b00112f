/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * polkit: asked when the policy does not allow what an administrator does. The answer may take as
 * long as a person takes to type a password; meanwhile the request waits, and when it comes, all is
 * checked anew. Without polkit on the bus the policy's no is the answer.
 */
#include <errno.h>
#include <stdlib.h>

#include "front/dbus/internal.h"

#define POLKIT	     "org.freedesktop.PolicyKit1"
#define POLKIT_PATH  "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_IFACE "org.freedesktop.PolicyKit1.Authority"
#define INTERACTIVE  1u
#define PATIENCE_US  (120ull * 1000000)

/* A question, and the refusal that it may turn round. */
struct question {
	struct qda_dbus_answer *answer;
	unsigned grant;
	struct qda_fail why;
};

static const char *action(unsigned grant)
{
	if (grant == 1u << QDA_ADMIN_RELOAD)
		return "org.qdad.broker1.reload";
	if (grant == 1u << QDA_ADMIN_QUOTA)
		return "org.qdad.broker1.quota";
	if (grant == 1u << QDA_ADMIN_KILL)
		return "org.qdad.broker1.kill";
	if (grant == QDA_GRANT_PRIVILEGED)
		return "org.qdad.broker1.privileged-session";
	return NULL;
}

/* Anything but a clear yes is a no. */
static bool says_yes(sd_bus_message *message)
{
	int authorized;

	return !sd_bus_message_is_method_error(message, NULL) &&
	       sd_bus_message_enter_container(message, 'r', "bba{ss}") > 0 &&
	       sd_bus_message_read(message, "b", &authorized) > 0 && authorized;
}

static int on_answer(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct question *question = userdata;
	struct qda_dbus_answer *answer = question->answer;
	struct qda_dbus_peer *peer = answer->peer;

	peer->n_polkit--;
	if (peer->doomed)
		return 1; /* refused with the rest of it */
	if (says_yes(message))
		qda_dbus_serve_granted(answer, question->grant);
	else
		qda_dbus_refuse(peer->dbus, peer, answer->message, &question->why);
	qda_dbus_answer_free(answer);
	return 1;
}

int qda_dbus_polkit_ask(const struct qda_dbus_request *r, unsigned grant,
			const struct qda_fail *why)
{
	struct question *question = NULL;
	struct qda_dbus_answer *answer = NULL;
	sd_bus_message *m = NULL;
	struct qda_fail fail;
	int e = -EAGAIN;

	if (!action(grant) || r->peer->n_polkit == QDA_DBUS_POLKIT_MAX)
		return e;
	question = malloc(sizeof(*question));
	answer = question ? qda_dbus_answer_new(r, true, 0, &fail) : NULL;
	if (!answer) {
		free(question);
		return -ENOMEM;
	}
	*question = (struct question){ answer, grant, *why };
	e = sd_bus_message_new_method_call(r->dbus->bus, &m, POLKIT, POLKIT_PATH, POLKIT_IFACE,
					   "CheckAuthorization");
	if (e >= 0)
		e = sd_bus_message_append(
			m, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s", r->peer->name,
			action(grant), 0,
			sd_bus_message_get_allow_interactive_authorization(r->message) > 0
				? INTERACTIVE
				: 0,
			"");
	if (e >= 0)
		e = sd_bus_call_async(r->dbus->bus, &answer->slot, m, on_answer, question,
				      PATIENCE_US);
	sd_bus_message_unref(m);
	if (e >= 0) {
		sd_bus_slot_set_destroy_callback(answer->slot, free);
		r->peer->n_polkit++;
		return 0;
	}
	qda_dbus_answer_free(answer);
	free(question);
	return e;
}
