/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The service manager. Signs of life come from a timer of the loop: a loop that is stuck gives
 * none.
 */
#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "core/domain.h"
#include "util/stall.h"

#define STATUS_MS 5000u /* without a watchdog */

static int take_socket(struct qda_handed *handed, int fd, const char **why)
{
	bool requests = sd_is_socket_unix(fd, SOCK_SEQPACKET, 1, NULL, 0) > 0;
	bool metrics = sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) > 0;
	int *place = requests ? &handed->requests : &handed->metrics, flags;

	if ((!requests && !metrics) || *place >= 0) {
		*why = "at most one listening socket of kind SOCK_SEQPACKET "
		       "(ListenSequentialPacket=), for requests, and one of kind SOCK_STREAM "
		       "(ListenStream=), for metrics, are wanted";
		return -EINVAL;
	}
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		*why = "one cannot be made non-blocking";
		return -EINVAL;
	}
	*place = fd;
	return 0;
}

int qda_notify_take_sockets(struct qda_handed *out, const char **why)
{
	int n = sd_listen_fds(true), r = 0;

	*out = (struct qda_handed){ -1, -1 };
	if (n < 0) {
		*why = "LISTEN_FDS or LISTEN_PID is no number";
		return -EINVAL;
	}
	for (int i = 0; i < n && r == 0; i++)
		r = take_socket(out, SD_LISTEN_FDS_START + i, why);
	return r;
}

/* "cdsp up; clients: 3, sessions: 2" */
static void describe(const struct qda_core *core, char *out, size_t size)
{
	const struct qda_domain *domain;
	size_t n = 0;

	*out = '\0';
	TAILQ_FOREACH (domain, &core->domains, link) {
		n += (size_t)snprintf(out + n, size - n, "%s%s %s", n ? ", " : "", domain->name,
				      qda_domain_state_name(domain->state));
		if (n >= size)
			return;
	}
	snprintf(out + n, size - n, "; clients: %" PRIu32 ", sessions: %" PRIu32, core->n_clients,
		 core->n_sessions);
}

static void tell_status(struct qda_notify *notify)
{
	char status[sizeof(notify->status)];

	describe(notify->core, status, sizeof(status));
	if (!strcmp(status, notify->status))
		return;
	memcpy(notify->status, status, sizeof(status));
	sd_notifyf(false, "STATUS=%s", status);
}

void qda_notify_look(struct qda_notify *notify)
{
	const struct qda_domain *domain;
	unsigned states = 0;

	if (!notify->alive)
		return;
	TAILQ_FOREACH (domain, &notify->core->domains, link)
		states = states << 2 | domain->state;
	if (states == notify->states)
		return;
	notify->states = states;
	tell_status(notify);
}

static void on_timer(uv_timer_t *timer)
{
	qda_stall_mark();
	sd_notify(false, "WATCHDOG=1");
	tell_status(timer->data);
}

int qda_notify_init(struct qda_notify *notify, uv_loop_t *loop, struct qda_core *core)
{
	uint64_t period_us = 0, period_ms;

	*notify = (struct qda_notify){ .core = core, .ready = !getenv("NOTIFY_SOCKET") };
	if (notify->ready)
		return 0;
	uv_timer_init(loop, &notify->timer);
	notify->timer.data = notify;
	notify->alive = true;
	period_ms = sd_watchdog_enabled(false, &period_us) > 0 ? period_us / 3000 : STATUS_MS;
	return uv_timer_start(&notify->timer, on_timer, 0, period_ms ? period_ms : 1);
}

void qda_notify_ready(struct qda_notify *notify)
{
	if (notify->ready)
		return;
	notify->ready = true;
	sd_notify(false, "READY=1");
	tell_status(notify);
}

void qda_notify_reloading(struct qda_notify *notify)
{
	struct timespec now;

	if (!notify->alive)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		   (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

void qda_notify_reloaded(struct qda_notify *notify)
{
	if (notify->alive)
		sd_notify(false, "READY=1");
}

void qda_notify_stopping(struct qda_notify *notify)
{
	if (notify->alive)
		sd_notify(false, "STOPPING=1");
}

void qda_notify_deinit(struct qda_notify *notify)
{
	if (!notify->alive)
		return;
	notify->alive = false;
	uv_close((uv_handle_t *)&notify->timer, NULL);
}
