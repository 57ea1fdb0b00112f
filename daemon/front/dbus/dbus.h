/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The D-Bus front: org.qdad.Broker1 on a bus. Translates messages to calls of core and back, as the
 * socket front does; every client meets the same checks, quotas and scheduler. Owned by main; the
 * same loop. Nothing waits: the bus is spoken to asynchronously from the first byte on.
 *
 * A bus that is not there, goes, or does not let us have the name is tried again now and then.
 */
#pragma once

#include <uv.h>

struct qda_dbus;
struct qda_front;

struct qda_dbus_config {
	const char *bus;		/* "system", "session", or an address; kept by pointer */
	/* A line for people. */
	void (*say)(const char *format, ...) __attribute__((format(printf, 1, 2)));
};

/* `front` gives core, loop, and what the daemon can do; it must outlive this. 0 or -ENOMEM. */
int qda_dbus_new(struct qda_front *front, const struct qda_dbus_config *config,
		 struct qda_dbus **out);
/* Ends all clients of the bus and leaves it. Memory goes by itself when the loop has run the close
 * callbacks. NULL is fine. */
void qda_dbus_close(struct qda_dbus *dbus);
