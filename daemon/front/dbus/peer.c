/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who calls. The first message of a bus name waits until the bus has said who that is (uid, gids,
 * pid, label); then it is put back into the queue of messages, and everything behind the filter
 * finds a client of core. Clients go when their name leaves the bus.
 *
 * A process that the bus names by a descriptor is looked up in its unit; a bare pid is not, since
 * by then it may be another's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/monitor.h"
#include "front/dbus/internal.h"
#include "front/principal.h"
#include "util/stall.h"

#define COUNT_MS      10000u
#define BUS_NAME      "org.freedesktop.DBus"
#define BUS_PATH      "/org/freedesktop/DBus"
#define GROUPS_MAX    65536u
#define NAME_MAX_BYTES 255u /* of paths, and of what D-Bus itself does not let be longer */

int qda_dbus_peer_compare(const struct qda_dbus_peer *a, const struct qda_dbus_peer *b)
{
	return strcmp(a->name, b->name);
}

RB_GENERATE(qda_dbus_peers, qda_dbus_peer, node, qda_dbus_peer_compare)

static struct qda_dbus_peer *find(struct qda_dbus *dbus, const char *name)
{
	struct qda_dbus_peer key;

	if (!name || strlen(name) >= sizeof(key.name))
		return NULL;
	strcpy(key.name, name);
	return RB_FIND(qda_dbus_peers, &dbus->peers, &key);
}

struct qda_dbus_peer *qda_dbus_peer_of(struct qda_dbus *dbus, sd_bus_message *message)
{
	struct qda_dbus_peer *peer = find(dbus, sd_bus_message_get_sender(message));

	return peer && peer->client && !peer->doomed ? peer : NULL;
}

struct qda_dbus_peer *qda_dbus_peer_of_client(const struct qda_client *client)
{
	return client->ops == &qda_dbus_client_ops ? client->front : NULL;
}

struct qda_dbus_peer *qda_dbus_peer_first(struct qda_dbus *dbus)
{
	struct qda_dbus_peer *peer;

	RB_FOREACH (peer, qda_dbus_peers, &dbus->peers)
		if (peer->client)
			return peer;
	return NULL;
}

/* --- the end --- */

static void drop_parked(struct qda_dbus_peer *peer, const struct qda_fail *fail)
{
	for (unsigned i = 0; i < peer->n_parked; i++) {
		if (fail)
			qda_dbus_refuse(peer->dbus, NULL, peer->parked[i], fail);
		qda_dbus_forget(peer->dbus, peer->parked[i]);
	}
	peer->n_parked = 0;
}

static void stop_asking(struct qda_dbus_peer *peer)
{
	if (peer->asking)
		peer->dbus->n_asking--;
	peer->asking = sd_bus_slot_unref(peer->asking);
}

/* fail: what those who wait are told; NULL when nobody is there to hear it. */
static void end(struct qda_dbus_peer *peer, const struct qda_fail *fail)
{
	struct qda_dbus_answer *answer;
	struct qda_client *client = peer->client;

	RB_REMOVE(qda_dbus_peers, &peer->dbus->peers, peer);
	if (peer->doomed)
		TAILQ_REMOVE(&peer->dbus->doomed, peer, doomed_link);
	stop_asking(peer);
	drop_parked(peer, fail);
	peer->client = NULL;
	if (client)
		qda_client_gone(client);
	while ((answer = TAILQ_FIRST(&peer->answers))) {
		if (fail)
			qda_dbus_refuse(peer->dbus, NULL, answer->message, fail);
		qda_dbus_answer_free(answer);
	}
	free(peer);
}

void qda_dbus_peers_end(struct qda_dbus *dbus)
{
	struct qda_dbus_peer *peer;

	uv_timer_stop(&dbus->roll);
	dbus->calling = sd_bus_slot_unref(dbus->calling);
	while ((peer = RB_MIN(qda_dbus_peers, &dbus->peers)))
		end(peer, NULL);
}

void qda_dbus_peer_doom(struct qda_dbus_peer *peer)
{
	if (peer->doomed)
		return;
	peer->doomed = true;
	TAILQ_INSERT_TAIL(&peer->dbus->doomed, peer, doomed_link);
	uv_idle_start(&peer->dbus->reaper, qda_dbus_peers_reap);
}

/* Not before the loop waits: what comes of it for others must still be sent. */
void qda_dbus_peers_reap(uv_idle_t *reaper)
{
	struct qda_dbus *dbus = reaper->data;
	struct qda_dbus_peer *peer;
	struct qda_fail fail;

	qda_fail(&fail, ECANCELED, "an administrator ended this client; its sessions and buffers are "
		 "gone");
	qda_stall_mark();
	uv_idle_stop(reaper);
	while ((peer = TAILQ_FIRST(&dbus->doomed)))
		end(peer, &fail);
}

static int on_name_owner_changed(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	const char *name, *was, *is;
	struct qda_dbus_peer *peer;

	if (sd_bus_message_read(message, "sss", &name, &was, &is) < 0 || *is)
		return 0;
	peer = find(userdata, name);
	if (peer)
		end(peer, NULL);
	return 0;
}

/* --- the roll --- */

/* dbus-daemon says nobody's end to whom too much waits for, which anybody can bring about. So it is
 * asked now and then who is there. Names are never used again, and who is known here by the time of
 * the answer was on the bus when it was made, or is gone. */
static int on_names(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct qda_dbus *dbus = userdata;
	struct qda_dbus_peer *peer, *next;
	const char *name;
	int r = sd_bus_message_is_method_error(message, NULL) ? -EIO : 0;

	if (r == 0)
		r = sd_bus_message_enter_container(message, 'a', "s");
	while (r >= 0 && (r = sd_bus_message_read(message, "s", &name)) > 0)
		if ((peer = find(dbus, name)))
			peer->is_there = true;
	RB_FOREACH_SAFE (peer, qda_dbus_peers, &dbus->peers, next) {
		if (r == 0 && !peer->is_there)
			end(peer, NULL);
		else
			peer->is_there = false;
	}
	dbus->calling = sd_bus_slot_unref(dbus->calling);
	if (!RB_EMPTY(&dbus->peers))
		uv_timer_start(&dbus->roll, qda_dbus_peers_count, COUNT_MS, 0);
	return 1;
}

void qda_dbus_peers_count(uv_timer_t *roll)
{
	struct qda_dbus *dbus = roll->data;

	qda_stall_mark();
	if (sd_bus_call_method_async(dbus->bus, &dbus->calling, BUS_NAME, BUS_PATH, BUS_NAME,
				     "ListNames", on_names, dbus, NULL) < 0)
		uv_timer_start(&dbus->roll, qda_dbus_peers_count, COUNT_MS, 0);
}

/* --- what the bus says of a name --- */

/* In the order of the bus. 0, or a negative errno. */
static int read_groups(sd_bus_message *message, struct qda_principal *who)
{
	const uint32_t *groups;
	size_t size;
	int r = sd_bus_message_enter_container(message, 'v', "au");

	if (r >= 0)
		r = sd_bus_message_read_array(message, 'u', (const void **)&groups, &size);
	if (r < 0)
		return r;
	if (who->groups || size > GROUPS_MAX * sizeof(*groups))
		return -EBADMSG;
	if (size) {
		who->groups = malloc(size);
		if (!who->groups)
			return -ENOMEM;
		memcpy(who->groups, groups, size);
		who->n_groups = size / sizeof(*groups);
	}
	return sd_bus_message_exit_container(message);
}

static int read_label(sd_bus_message *message, struct qda_principal *who)
{
	const char *label;
	size_t size;
	int r = sd_bus_message_enter_container(message, 'v', "ay");

	if (r >= 0)
		r = sd_bus_message_read_array(message, 'y', (const void **)&label, &size);
	if (r < 0)
		return r;
	if (size >= sizeof(who->label))
		size = sizeof(who->label) - 1;
	memcpy(who->label, label, size);
	for (size_t i = 0; i < size && who->label[i]; i++)
		if (who->label[i] < ' ' || who->label[i] > '~')
			who->label[i] = '?';
	return sd_bus_message_exit_container(message);
}

/* *pidfd stays the message's. */
static int read_credential(sd_bus_message *message, struct qda_principal *who, int *pidfd)
{
	uint32_t number;
	const char *key;
	int r = sd_bus_message_read(message, "s", &key);

	if (r < 0)
		return r;
	if (!strcmp(key, "UnixUserID")) {
		r = sd_bus_message_read(message, "v", "u", &number);
		who->uid = number;
	} else if (!strcmp(key, "ProcessID")) {
		r = sd_bus_message_read(message, "v", "u", &number);
		who->pid = (pid_t)number;
	} else if (!strcmp(key, "UnixGroupIDs")) {
		r = read_groups(message, who);
	} else if (!strcmp(key, "LinuxSecurityLabel")) {
		r = read_label(message, who);
	} else if (!strcmp(key, "ProcessFD")) {
		r = sd_bus_message_read(message, "v", "h", pidfd);
	} else {
		r = sd_bus_message_skip(message, "v");
	}
	return r;
}

static int read_credentials(sd_bus_message *message, struct qda_principal *who, int *pidfd)
{
	int r = sd_bus_message_enter_container(message, 'a', "{sv}");

	*who = (struct qda_principal){ .uid = QDA_ID_UNMAPPED, .gid = QDA_ID_UNMAPPED };
	*pidfd = -1;
	while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
		r = read_credential(message, who, pidfd);
		if (r >= 0)
			r = sd_bus_message_exit_container(message);
	}
	return r;
}

/* --- from a name to a client --- */

static int make_client(struct qda_dbus_peer *peer, sd_bus_message *message, struct qda_fail *fail)
{
	struct qda_principal who;
	int pidfd, r = -EPERM;

	if (sd_bus_message_is_method_error(message, NULL) ||
	    (r = read_credentials(message, &who, &pidfd)) < 0) {
		if (r != -EPERM)
			free(who.groups);
		return qda_fail(fail, EPERM, "the bus does not say who %s is", peer->name);
	}
	qda_principal_complete(&who, pidfd);
	r = qda_client_new(peer->dbus->front->core, &who, &qda_dbus_client_ops, peer, 0,
			   &peer->client, fail);
	if (r == 0) {
		qda_client_set_name(peer->client, peer->name);
		return 0;
	}
	qda_monitor_refused_newcomer(peer->dbus->front->core, &who, fail);
	free(who.groups);
	return r;
}

/* Behind what was read since: in the same order, see take_turn(). */
static int replay(struct qda_dbus_peer *peer)
{
	for (unsigned i = 0; i < peer->n_parked; i++)
		if (sd_bus_enqueue_for_read(peer->dbus->bus, peer->parked[i]) < 0)
			return -ENOMEM;
	return 0;
}

static int on_credentials(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct qda_dbus_peer *peer = userdata;
	struct qda_fail fail;
	int r = make_client(peer, message, &fail);

	stop_asking(peer);
	if (r == 0 && replay(peer) < 0)
		r = qda_fail(&fail, ENOMEM, "the daemon is out of memory for messages");
	if (r < 0)
		end(peer, &fail);
	return 1;
}

static struct qda_dbus_peer *new_peer(struct qda_dbus *dbus, const char *name)
{
	struct qda_dbus_peer *peer = calloc(1, sizeof(*peer));

	if (!peer || strlen(name) >= sizeof(peer->name)) {
		free(peer);
		return NULL;
	}
	peer->dbus = dbus;
	TAILQ_INIT(&peer->answers);
	strcpy(peer->name, name);
	if (sd_bus_call_method_async(dbus->bus, &peer->asking, BUS_NAME, BUS_PATH, BUS_NAME,
				     "GetConnectionCredentials", on_credentials, peer, "s",
				     name) < 0) {
		free(peer);
		return NULL;
	}
	dbus->n_asking++;
	if (RB_EMPTY(&dbus->peers) && !dbus->calling)
		uv_timer_start(&dbus->roll, qda_dbus_peers_count, COUNT_MS, 0);
	RB_INSERT(qda_dbus_peers, &dbus->peers, peer);
	return peer;
}

/* --- the filter --- */

/* again: put it behind what was read already. */
static int park(struct qda_dbus_peer *peer, sd_bus_message *message, bool again)
{
	struct qda_fail fail;

	if (peer->n_parked == QDA_DBUS_PARKED_MAX) {
		qda_fail(&fail, EAGAIN,
			 "%u messages of %s wait already: wait for the first answer before sending "
			 "more",
			 peer->n_parked, peer->name);
		return qda_dbus_refuse(peer->dbus, NULL, message, &fail);
	}
	if (again && sd_bus_enqueue_for_read(peer->dbus->bus, message) < 0) {
		qda_fail(&fail, ENOMEM, "the daemon is out of memory for a message");
		return qda_dbus_refuse(peer->dbus, NULL, message, &fail);
	}
	peer->parked[peer->n_parked++] = sd_bus_message_ref(message);
	return 1;
}

static int meet(struct qda_dbus *dbus, sd_bus_message *message, const char *sender)
{
	struct qda_dbus_peer *peer = NULL;
	struct qda_fail fail;

	qda_fail(&fail, EAGAIN, "%u programs are just arriving: try again", dbus->n_asking);
	if (dbus->n_asking < QDA_DBUS_ASKING_MAX && sender)
		peer = new_peer(dbus, sender);
	return peer ? park(peer, message, false) : qda_dbus_refuse(dbus, NULL, message, &fail);
}

/* True when it is this message's. One that comes while older ones are still behind it in the queue
 * goes behind them. */
static bool take_turn(struct qda_dbus_peer *peer, sd_bus_message *message)
{
	if (!peer->n_parked)
		return true;
	if (peer->parked[0] != message)
		return false;
	sd_bus_message_unref(message);
	memmove(peer->parked, peer->parked + 1, --peer->n_parked * sizeof(*peer->parked));
	return true;
}

/* sd-bus looks for what serves each beginning of a path: a long one of many parts holds up the loop
 * for a second. Paths of objects here are short. */
static int refuse_path(struct qda_dbus *dbus, sd_bus_message *message)
{
	size_t n = strlen(sd_bus_message_get_path(message));
	struct qda_fail fail;

	if (n <= NAME_MAX_BYTES)
		return 0;
	qda_fail(&fail, ENOENT, "a path of %zu bytes: there is no such object", n);
	return qda_dbus_refuse(dbus, NULL, message, &fail);
}

/* An interface or property that sd-bus does not know is repeated in its answer, megabytes of it if
 * need be. Those that there are have short names. */
static int refuse_property(struct qda_dbus *dbus, struct qda_dbus_peer *peer,
			   sd_bus_message *message)
{
	const char *name, *bad = NULL;
	struct qda_fail fail;
	char type;

	if (sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Properties", NULL) <= 0)
		return 0;
	while (!bad && sd_bus_message_peek_type(message, &type, NULL) > 0 && type == 's' &&
	       sd_bus_message_read(message, "s", &name) > 0)
		bad = strlen(name) > NAME_MAX_BYTES ? name : NULL;
	sd_bus_message_rewind(message, 1);
	if (!bad)
		return 0;
	qda_fail(&fail, ENOENT, "%.32s...: nothing here has such a name", bad);
	return qda_dbus_refuse(dbus, peer, message, &fail);
}

static bool is_free(sd_bus_message *message)
{
	return sd_bus_message_is_method_call(message, QDA_DBUS_SESSION, "Invoke") > 0 ||
	       sd_bus_message_is_method_call(message, QDA_DBUS_SESSION, "Cancel") > 0;
}

static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct qda_dbus *dbus = userdata;
	struct qda_dbus_peer *peer;
	struct qda_fail fail;
	uint8_t type;

	if (sd_bus_message_get_type(message, &type) < 0 || type != SD_BUS_MESSAGE_METHOD_CALL)
		return 0;
	if (refuse_path(dbus, message))
		return 1;
	if (sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Peer", NULL) > 0)
		return 0;
	peer = find(dbus, sd_bus_message_get_sender(message));
	if (!peer)
		return meet(dbus, message, sd_bus_message_get_sender(message));
	if (!peer->client || !take_turn(peer, message))
		return park(peer, message, peer->client);
	if (!is_free(message) && qda_client_take_request(peer->client, &fail) < 0)
		return qda_dbus_refuse(dbus, peer, message, &fail);
	return refuse_property(dbus, peer, message);
}

int qda_dbus_peers_start(struct qda_dbus *dbus)
{
	int r = sd_bus_add_filter(dbus->bus, NULL, on_message, dbus);

	if (r < 0)
		return r;
	return sd_bus_add_match_async(dbus->bus, NULL,
				      "type='signal',sender='" BUS_NAME "',path='" BUS_PATH
				      "',interface='" BUS_NAME "',member='NameOwnerChanged',arg2=''",
				      on_name_owner_changed, NULL, dbus);
}
