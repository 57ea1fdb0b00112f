/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connection to the bus: made, hung into the loop, made again. sd-bus says what it waits for
 * (descriptor, events, moment); before each wait of the loop that is asked anew, for anything
 * may have sent something since.
 */
#include <errno.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "front/dbus/internal.h"
#include "util/stall.h"

#define RETRY_MS      5000u
#define PATIENCE_MS   20000u /* for the bus to take something */
#define TURN_NS	      500000u /* of messages a round, so that others get their turn */
#define QUEUED_MAX    256u   /* messages that the bus does not take, until no more are read */

static void on_timer(uv_timer_t *timer);

/* --- the end of a connection --- */

static void on_poll_closed(uv_handle_t *handle)
{
	free(handle);
}

/* Everything that belongs to the names of that bus goes with it. */
static void disconnect(struct qda_dbus *dbus)
{
	if (!dbus->bus)
		return;
	qda_dbus_peers_end(dbus);
	if (dbus->poll)
		uv_close((uv_handle_t *)dbus->poll, on_poll_closed);
	uv_timer_stop(&dbus->patience);
	dbus->poll = NULL;
	dbus->events = 0;
	dbus->lost = false;
	qda_nudge_begin(&dbus->nudge);
	dbus->bus = sd_bus_close_unref(dbus->bus);
	qda_nudge_end(&dbus->nudge);
}

/* Said once, until there is a bus again. */
static void rest(struct qda_dbus *dbus, const char *what, int err)
{
	if (!dbus->told)
		dbus->config.say("D-Bus (%s): %s: %s; trying again now and then", dbus->config.bus,
				 what, qda_strerror(err));
	dbus->told = true;
	disconnect(dbus);
	uv_timer_start(&dbus->timer, on_timer, RETRY_MS, 0);
}

/* --- processing --- */

/* dbus-daemon reads no more from whom it has many messages of that lie unread. Those that we make
 * then wait in sd-bus, which takes any number. */
bool qda_dbus_is_stuck(const struct qda_dbus *dbus)
{
	uint64_t n;

	return sd_bus_get_n_queued_write(dbus->bus, &n) >= 0 && n >= QUEUED_MAX;
}

void qda_dbus_forget(struct qda_dbus *dbus, sd_bus_message *message)
{
	qda_nudge_begin(&dbus->nudge);
	sd_bus_message_unref(message);
	qda_nudge_end(&dbus->nudge);
}

static void process(struct qda_dbus *dbus)
{
	uint64_t end = uv_hrtime() + TURN_NS;
	int r;

	qda_nudge_begin(&dbus->nudge);
	do
		r = sd_bus_process(dbus->bus, NULL);
	while (r > 0 && !dbus->lost && !qda_dbus_is_stuck(dbus) && uv_hrtime() < end);
	qda_nudge_end(&dbus->nudge);
	if (r < 0)
		rest(dbus, "the connection ended", r);
	else if (dbus->lost)
		rest(dbus, "cannot serve " QDA_DBUS_NAME " there (taken, or not allowed?)", -EPERM);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct qda_dbus *dbus = poll->data;

	qda_stall_mark();
	if (events & UV_WRITABLE)
		uv_timer_stop(&dbus->patience);
	process(dbus);
}

/* Bytes that the bus has not read. The kernel lets more be written when most of them were. */
static uint32_t unread(const struct qda_dbus *dbus)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t size = sizeof(info);

	if (getsockopt(sd_bus_get_fd(dbus->bus), SOL_SOCKET, SO_MEMINFO, info, &size) < 0)
		return 0;
	return info[SK_MEMINFO_WMEM_ALLOC];
}

/* Waiting may never end it: one program that does not read keeps everybody from being served. With
 * the connection go its sessions, and with them what it is sent. */
static void on_patience(uv_timer_t *timer)
{
	struct qda_dbus *dbus = timer->data;
	uint32_t was = dbus->unread;

	qda_stall_mark();
	dbus->unread = unread(dbus);
	if (dbus->unread == was)
		rest(dbus, "the bus takes no messages", -ETIMEDOUT);
	else
		uv_timer_start(timer, on_patience, PATIENCE_MS, 0);
}

static void be_patient(struct qda_dbus *dbus, bool waits)
{
	if (!waits) {
		uv_timer_stop(&dbus->patience);
	} else if (!uv_is_active((uv_handle_t *)&dbus->patience)) {
		dbus->unread = unread(dbus);
		uv_timer_start(&dbus->patience, on_patience, PATIENCE_MS, 0);
	}
}

/* sd-bus counts microseconds of CLOCK_MONOTONIC. */
static uint64_t ms_until(uint64_t usec)
{
	struct timespec t;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
	return usec > now ? (usec - now + 999) / 1000 : 0;
}

static void arm(struct qda_dbus *dbus)
{
	int events = sd_bus_get_events(dbus->bus), wanted = 0;
	bool stuck = qda_dbus_is_stuck(dbus);
	uint64_t usec = UINT64_MAX;

	if (events < 0 || sd_bus_get_timeout(dbus->bus, &usec) < 0) {
		uv_timer_start(&dbus->timer, on_timer, 0, 0); /* process() sees why */
		return;
	}
	wanted |= events & POLLIN && !stuck ? UV_READABLE : 0;
	wanted |= events & POLLOUT ? UV_WRITABLE : 0;
	if (wanted != dbus->events)
		uv_poll_start(dbus->poll, wanted, on_event);
	dbus->events = wanted;
	be_patient(dbus, wanted & UV_WRITABLE);
	if (usec == UINT64_MAX || stuck)
		uv_timer_stop(&dbus->timer);
	else
		uv_timer_start(&dbus->timer, on_timer, ms_until(usec), 0);
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct qda_dbus *dbus = prepare->data;

	if (dbus->bus)
		arm(dbus);
}

/* --- the beginning of one --- */

static int on_name(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
	struct qda_dbus *dbus = userdata;
	uint32_t result = 0;

	if (sd_bus_message_is_method_error(message, NULL) ||
	    sd_bus_message_read(message, "u", &result) < 0 || result != 1)
		dbus->lost = true;
	else
		dbus->told = false;
	return 1;
}

static const char *default_address(const char *bus, char *room, size_t size)
{
	const char *address, *runtime = getenv("XDG_RUNTIME_DIR");

	if (!strcmp(bus, "system")) {
		address = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
		return address ? address : "unix:path=/run/dbus/system_bus_socket";
	}
	if (strcmp(bus, "session") != 0)
		return bus;
	address = secure_getenv("DBUS_SESSION_BUS_ADDRESS");
	if (address)
		return address;
	snprintf(room, size, "unix:path=%s/bus", runtime ? runtime : "/nonexistent");
	return room;
}

/* What is sent before the bus has said hello waits in sd-bus. */
static int connect_bus(struct qda_dbus *dbus)
{
	char room[512];
	int r = sd_bus_new(&dbus->bus);

	if (r >= 0)
		r = sd_bus_set_address(dbus->bus, default_address(dbus->config.bus, room,
								  sizeof(room)));
	if (r >= 0)
		r = sd_bus_set_bus_client(dbus->bus, 1);
	if (r >= 0)
		r = sd_bus_negotiate_fds(dbus->bus, 1);
	if (r >= 0)
		r = sd_bus_start(dbus->bus);
	if (r >= 0)
		r = qda_dbus_peers_start(dbus);
	if (r >= 0)
		r = qda_dbus_objects_add(dbus);
	if (r >= 0)
		r = sd_bus_request_name_async(dbus->bus, NULL, QDA_DBUS_NAME, 0, on_name, dbus);
	return r;
}

static int attach(struct qda_dbus *dbus)
{
	int fd = sd_bus_get_fd(dbus->bus);
	uv_poll_t *poll = fd < 0 ? NULL : calloc(1, sizeof(*poll));

	if (!poll)
		return fd < 0 ? fd : -ENOMEM;
	if (uv_poll_init(dbus->front->loop, poll, fd) < 0) {
		free(poll);
		return -ENOMEM;
	}
	poll->data = dbus;
	dbus->poll = poll;
	return 0;
}

static void try_connect(struct qda_dbus *dbus)
{
	int r = connect_bus(dbus);

	if (r >= 0)
		r = attach(dbus);
	if (r < 0)
		rest(dbus, "there is no bus to serve", r);
	else
		arm(dbus); /* this may be the last thing before the loop waits */
}

static void on_timer(uv_timer_t *timer)
{
	struct qda_dbus *dbus = timer->data;

	qda_stall_mark();
	if (dbus->bus)
		process(dbus);
	else
		try_connect(dbus);
}

/* --- from main --- */

int qda_dbus_new(struct qda_front *front, const struct qda_dbus_config *config,
		 struct qda_dbus **out)
{
	struct qda_dbus *dbus = calloc(1, sizeof(*dbus));

	if (!dbus)
		return -ENOMEM;
	dbus->front = front;
	dbus->config = *config;
	qda_nudge_init(&dbus->nudge);
	dbus->timer.data = dbus->patience.data = dbus->roll.data = dbus;
	dbus->prepare.data = dbus->reaper.data = dbus;
	dbus->open_handles = 5;
	RB_INIT(&dbus->peers);
	TAILQ_INIT(&dbus->doomed);
	uv_timer_init(front->loop, &dbus->timer);
	uv_timer_init(front->loop, &dbus->patience);
	uv_timer_init(front->loop, &dbus->roll);
	uv_idle_init(front->loop, &dbus->reaper);
	uv_prepare_init(front->loop, &dbus->prepare);
	uv_prepare_start(&dbus->prepare, on_prepare);
	try_connect(dbus);
	*out = dbus;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct qda_dbus *dbus = handle->data;

	if (--dbus->open_handles)
		return;
	qda_nudge_deinit(&dbus->nudge);
	free(dbus);
}

void qda_dbus_close(struct qda_dbus *dbus)
{
	if (!dbus)
		return;
	disconnect(dbus);
	uv_close((uv_handle_t *)&dbus->timer, on_closed);
	uv_close((uv_handle_t *)&dbus->patience, on_closed);
	uv_close((uv_handle_t *)&dbus->roll, on_closed);
	uv_close((uv_handle_t *)&dbus->prepare, on_closed);
	uv_close((uv_handle_t *)&dbus->reaper, on_closed);
}
