/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tree of objects and what it tells unasked.
 *
 *	/org/qdad/Broker1			Manager, ObjectManager
 *	/org/qdad/Broker1/domain/NAME		Domain
 *	/org/qdad/Broker1/client/ID		Client
 *	/org/qdad/Broker1/session/NUMBER	Session
 *
 * There are no objects beside those of core: a path is looked up in core each time. Domains are for
 * everybody; clients and sessions for whom the policy lets see them. So the tree depends on who
 * looks, and signals about sessions go to their owner alone.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/domain.h"
#include "core/session.h"
#include "front/dbus/internal.h"

#define DOMAINS	 QDA_DBUS_PATH "/domain"
#define CLIENTS	 QDA_DBUS_PATH "/client"
#define SESSIONS QDA_DBUS_PATH "/session"

/* --- from paths to objects --- */

static const char *below(const char *path, const char *prefix)
{
	size_t n = strlen(prefix);

	return !strncmp(path, prefix, n) && path[n] == '/' ? path + n + 1 : NULL;
}

static bool read_number(const char *text, uint64_t *number)
{
	char again[24];

	if (!text || sscanf(text, "%" SCNu64, number) != 1)
		return false;
	snprintf(again, sizeof(again), "%" PRIu64, *number);
	return !strcmp(text, again);
}

static struct qda_domain *find_domain(struct qda_dbus *dbus, const char *path)
{
	struct qda_domain *domain;
	char own[QDA_DBUS_PATH_MAX];

	TAILQ_FOREACH (domain, &dbus->front->core->domains, link) {
		char *encoded;
		bool same;

		snprintf(own, sizeof(own), "%s", DOMAINS);
		if (sd_bus_path_encode(own, domain->name, &encoded) < 0)
			return NULL;
		same = !strcmp(encoded, path);
		free(encoded);
		if (same)
			return domain;
	}
	return NULL;
}

static struct qda_client *find_client(struct qda_dbus *dbus, const char *path)
{
	struct qda_client *client;
	uint64_t id;

	if (!read_number(below(path, CLIENTS), &id))
		return NULL;
	TAILQ_FOREACH (client, &dbus->front->core->clients, link)
		if (client->id == id)
			return client;
	return NULL;
}

struct qda_session *qda_dbus_session_find(struct qda_dbus *dbus, const char *path)
{
	struct qda_client *client;
	struct qda_session *session;
	uint64_t number;

	if (!path || !read_number(below(path, SESSIONS), &number))
		return NULL;
	TAILQ_FOREACH (client, &dbus->front->core->clients, link)
		TAILQ_FOREACH (session, &client->sessions, link)
			if (session->number == number)
				return session;
	return NULL;
}

struct qda_session *qda_dbus_session_by_handle(const struct qda_client *client, uint64_t handle)
{
	struct qda_session *session;

	TAILQ_FOREACH (session, &client->sessions, link)
		if (session->handle == handle)
			return session;
	return NULL;
}

void qda_dbus_session_path(const struct qda_session *session, char path[QDA_DBUS_PATH_MAX])
{
	snprintf(path, QDA_DBUS_PATH_MAX, SESSIONS "/%" PRIu64, session->number);
}

/* May the sender of the message at hand see what is that client's? */
static bool may_see(struct qda_dbus *dbus, const struct qda_client *client)
{
	sd_bus_message *message = sd_bus_get_current_message(dbus->bus);
	struct qda_dbus_peer *peer = message ? qda_dbus_peer_of(dbus, message) : NULL;

	return peer && (peer->client == client ||
			qda_client_may_see(peer->client, client->principal.uid));
}

static int on_find_domain(sd_bus *bus, const char *path, const char *interface, void *userdata,
			  void **found, sd_bus_error *error)
{
	*found = userdata;
	return find_domain(userdata, path) != NULL;
}

static int on_find_client(sd_bus *bus, const char *path, const char *interface, void *userdata,
			  void **found, sd_bus_error *error)
{
	struct qda_client *client = find_client(userdata, path);

	*found = userdata;
	return client && may_see(userdata, client);
}

static int on_find_session(sd_bus *bus, const char *path, const char *interface, void *userdata,
			   void **found, sd_bus_error *error)
{
	struct qda_session *session = qda_dbus_session_find(userdata, path);

	*found = userdata;
	return session && may_see(userdata, session->client);
}

/* --- the list of paths --- */

struct paths {
	char **list;
	unsigned n, room;
};

static int add_path(struct paths *paths, char *path)
{
	char **list = paths->list;

	if (path && paths->n + 1 >= paths->room) {
		paths->room = paths->room ? 2 * paths->room : 16;
		list = realloc(list, paths->room * sizeof(*list));
	}
	if (!path || !list) {
		free(path);
		return -ENOMEM;
	}
	paths->list = list;
	list[paths->n++] = path;
	list[paths->n] = NULL;
	return 0;
}

static int add_number(struct paths *paths, const char *prefix, uint64_t number)
{
	char *path;

	return add_path(paths, asprintf(&path, "%s/%" PRIu64, prefix, number) < 0 ? NULL : path);
}

static int add_client(struct paths *paths, const struct qda_client *client)
{
	const struct qda_session *session;
	int r = add_number(paths, CLIENTS, client->id);

	TAILQ_FOREACH (session, &client->sessions, link)
		if (r == 0)
			r = add_number(paths, SESSIONS, session->number);
	return r;
}

static int on_list(sd_bus *bus, const char *prefix, void *userdata, char ***nodes,
		   sd_bus_error *error)
{
	struct qda_dbus *dbus = userdata;
	const struct qda_domain *domain;
	const struct qda_client *client;
	struct paths paths = { 0 };
	char *path;
	int r = 0;

	TAILQ_FOREACH (domain, &dbus->front->core->domains, link)
		if (r == 0)
			r = sd_bus_path_encode(DOMAINS, domain->name, &path) < 0
				    ? -ENOMEM
				    : add_path(&paths, path);
	TAILQ_FOREACH (client, &dbus->front->core->clients, link)
		if (r == 0 && may_see(dbus, client))
			r = add_client(&paths, client);
	if (r == 0) {
		*nodes = paths.list;
		return 0;
	}
	while (paths.n)
		free(paths.list[--paths.n]);
	free(paths.list);
	return r;
}

/* --- properties --- */

static int get_domain(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const struct qda_domain *d = find_domain(userdata, path);
	char text[sizeof(d->why)];

	if (!d)
		return -ENOENT;
	if (!strcmp(property, "Name"))
		return sd_bus_message_append(reply, "s", d->name);
	if (!strcmp(property, "State"))
		return sd_bus_message_append(reply, "s", qda_domain_state_name(d->state));
	if (!strcmp(property, "Text"))
		return sd_bus_message_append(reply, "s", qda_dbus_clean(d->why, text, sizeof(text)));
	if (!strcmp(property, "Device"))
		return sd_bus_message_append(reply, "s", d->info.kind ? d->info.kind : "");
	if (!strcmp(property, "Architecture"))
		return sd_bus_message_append(reply, "u", d->info.arch);
	if (!strcmp(property, "Capabilities"))
		return sd_bus_message_append(reply, "a{sv}", 3, "unsigned_pd", "b",
					     (int)d->info.unsigned_pd, "client_dirs", "b",
					     (int)d->info.client_dirs, "sessions_max", "u",
					     d->info.sessions_max);
	return sd_bus_message_append(reply, "a{sv}", 6, "sessions", "u", d->sessions, "in_flight",
				     "u", d->in_flight, "in_flight_max", "u", d->in_flight_max,
				     "queued", "u", d->queued, "calls", "t", d->calls, "busy_ns",
				     "t", d->busy_ns);
}

static int get_client(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const struct qda_client *c = find_client(userdata, path);
	char text[256];

	if (!c)
		return -ENOENT;
	if (!strcmp(property, "Id"))
		return sd_bus_message_append(reply, "t", c->id);
	if (!strcmp(property, "Name"))
		return sd_bus_message_append(reply, "s", qda_dbus_clean(c->name, text, sizeof(text)));
	if (!strcmp(property, "Uid"))
		return sd_bus_message_append(reply, "u", c->principal.uid);
	if (!strcmp(property, "Pid"))
		return sd_bus_message_append(reply, "u", (uint32_t)c->principal.pid);
	if (!strcmp(property, "Unit"))
		return sd_bus_message_append(reply, "s", qda_dbus_clean(c->principal.unit, text,
									 sizeof(text)));
	if (!strcmp(property, "Rule"))
		return sd_bus_message_append(reply, "s", c->user->rule);
	return sd_bus_message_append(reply, "a{sv}", 7, "sessions", "u", c->n_sessions, "buffers",
				     "u", c->n_buffers, "buffer_bytes", "t",
				     c->account.used[QDA_RES_BUFFER_BYTES], "modules", "u",
				     c->n_modules, "calls", "t", c->n_calls, "busy_ns", "t",
				     c->busy_ns, "refused", "t", c->n_refused);
}

static const sd_bus_vtable domain_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Name", "s", get_domain, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("State", "s", get_domain, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Text", "s", get_domain, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Device", "s", get_domain, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Architecture", "u", get_domain, 0, 0),
	SD_BUS_PROPERTY("Capabilities", "a{sv}", get_domain, 0, 0),
	SD_BUS_PROPERTY("Load", "a{sv}", get_domain, 0, 0),
	SD_BUS_VTABLE_END,
};

static const sd_bus_vtable client_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Id", "t", get_client, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Name", "s", get_client, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Uid", "u", get_client, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Pid", "u", get_client, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Unit", "s", get_client, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Rule", "s", get_client, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("Use", "a{sv}", get_client, 0, 0),
	SD_BUS_VTABLE_END,
};

int qda_dbus_objects_add(struct qda_dbus *dbus)
{
	sd_bus *bus = dbus->bus;
	int r = sd_bus_add_object_manager(bus, NULL, QDA_DBUS_PATH);

	if (r >= 0)
		r = sd_bus_add_object_vtable(bus, NULL, QDA_DBUS_PATH, QDA_DBUS_MANAGER,
					     qda_dbus_manager_vtable, dbus);
	if (r >= 0)
		r = sd_bus_add_fallback_vtable(bus, NULL, DOMAINS, QDA_DBUS_DOMAIN, domain_vtable,
					       on_find_domain, dbus);
	if (r >= 0)
		r = sd_bus_add_fallback_vtable(bus, NULL, CLIENTS, QDA_DBUS_CLIENT, client_vtable,
					       on_find_client, dbus);
	if (r >= 0)
		r = sd_bus_add_fallback_vtable(bus, NULL, SESSIONS, QDA_DBUS_SESSION,
					       qda_dbus_session_vtable, on_find_session, dbus);
	if (r >= 0)
		r = sd_bus_add_node_enumerator(bus, NULL, QDA_DBUS_PATH, on_list, dbus);
	return r;
}

/* --- what is told unasked --- */

static sd_bus_message *new_signal(struct qda_dbus_peer *peer, const char *path,
				  const char *interface, const char *name)
{
	sd_bus_message *message = NULL;

	if (sd_bus_message_new_signal(peer->dbus->bus, &message, path, interface, name) >= 0 &&
	    sd_bus_message_set_destination(message, peer->name) >= 0)
		return message;
	return sd_bus_message_unref(message);
}

static void send_signal(struct qda_dbus_peer *peer, sd_bus_message *message)
{
	sd_bus_send(peer->dbus->bus, message, NULL);
	sd_bus_message_unref(message);
}

void qda_dbus_session_added(struct qda_dbus_peer *peer, const struct qda_session *session)
{
	char path[QDA_DBUS_PATH_MAX];
	sd_bus_message *m = new_signal(peer, QDA_DBUS_PATH, "org.freedesktop.DBus.ObjectManager",
				       "InterfacesAdded");

	if (!m)
		return;
	qda_dbus_session_path(session, path);
	sd_bus_message_append(m, "oa{sa{sv}}", path, 1, QDA_DBUS_SESSION, 5, "Number", "t",
			      session->number, "Domain", "s", session->domain->name, "Client", "t",
			      session->client->id, "Kind", "s", qda_session_kind_name(session->kind),
			      "State", "s", qda_session_state_name(session->state));
	send_signal(peer, m);
}

void qda_dbus_session_removed(struct qda_dbus_peer *peer, const char *path)
{
	sd_bus_message *m = new_signal(peer, QDA_DBUS_PATH, "org.freedesktop.DBus.ObjectManager",
				       "InterfacesRemoved");

	if (!m)
		return;
	sd_bus_message_append(m, "oas", path, 1, QDA_DBUS_SESSION);
	send_signal(peer, m);
}

static void on_session_lost(void *front, uint64_t handle, uint32_t signal, const char *text)
{
	struct qda_dbus_peer *peer = front;
	const struct qda_session *session = qda_dbus_session_by_handle(peer->client, handle);
	char path[QDA_DBUS_PATH_MAX], clean[512];
	sd_bus_message *m;

	if (!session)
		return;
	qda_dbus_session_path(session, path);
	m = new_signal(peer, path, QDA_DBUS_SESSION, "Lost");
	if (!m)
		return;
	sd_bus_message_append(m, "us", signal, qda_dbus_clean(text, clean, sizeof(clean)));
	send_signal(peer, m);
}

static void on_log(void *front, uint64_t handle, const struct qda_log_line *line)
{
	struct qda_dbus_peer *peer = front;
	const struct qda_session *session = qda_dbus_session_by_handle(peer->client, handle);
	char path[QDA_DBUS_PATH_MAX], text[1024], clean[1024];
	sd_bus_message *m;

	if (!session || !peer->logs)
		return;
	peer->logs_dropped += line->dropped;
	qda_dbus_session_path(session, path);
	m = qda_dbus_is_stuck(peer->dbus) ? NULL
					  : new_signal(peer, path, QDA_DBUS_SESSION, "Log");
	if (!m) {
		peer->logs_dropped++;
		return;
	}
	snprintf(text, sizeof(text), "%.*s", (int)line->n, line->text);
	sd_bus_message_append(m, "uus", line->level, peer->logs_dropped,
			      qda_dbus_clean(text, clean, sizeof(clean)));
	peer->logs_dropped = 0;
	send_signal(peer, m);
}

/* Core tells each client; the bus needs to hear it once. */
static void on_domain_changed(void *front, const char *name, const char *state)
{
	struct qda_dbus_peer *peer = front;
	struct qda_dbus *dbus = peer->dbus;
	char *path;

	if (peer != qda_dbus_peer_first(dbus) || sd_bus_path_encode(DOMAINS, name, &path) < 0)
		return;
	sd_bus_emit_properties_changed(dbus->bus, path, QDA_DBUS_DOMAIN, "State", "Text", NULL);
	free(path);
}

static void on_end_of_client(void *front)
{
	qda_dbus_peer_doom(front);
}

/* Nobody watches from the bus: `happened` is never called. */
const struct qda_client_ops qda_dbus_client_ops = {
	.end = on_end_of_client,
	.session_lost = on_session_lost,
	.log = on_log,
	.domain_changed = on_domain_changed,
};
