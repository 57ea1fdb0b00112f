/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Domains: the queue into a device, and its completions.
 */
#include "core/domain.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/call_internal.h"
#include "core/watch.h"
#include "core/monitor.h"

static const char *const state_names[] = {
	[QDA_DEVICE_DOWN] = "down",
	[QDA_DEVICE_STARTING] = "starting",
	[QDA_DEVICE_UP] = "up",
};

const char *qda_domain_state_name(enum qda_device_state state)
{
	return state_names[state];
}

int qda_domain_new(struct qda_core *core, const char *name, uint32_t in_flight_max,
		   struct qda_domain **out)
{
	struct qda_domain *domain = calloc(1, sizeof(*domain));

	if (!domain)
		return -ENOMEM;
	domain->core = core;
	domain->in_flight_wanted = in_flight_max;
	domain->state = QDA_DEVICE_STARTING;
	qda_schedule_init(&domain->schedule);
	TAILQ_INIT(&domain->parkers);
	TAILQ_INIT(&domain->waiting);
	snprintf(domain->name, sizeof(domain->name), "%s", name);
	TAILQ_INSERT_TAIL(&core->domains, domain, link);
	*out = domain;
	return 0;
}

void qda_domain_attach(struct qda_domain *domain, struct qda_device *device)
{
	domain->device = device;
}

struct qda_domain *qda_domain_free(struct qda_domain *domain)
{
	if (!domain)
		return NULL;
	assert(TAILQ_EMPTY(&domain->parkers) && TAILQ_EMPTY(&domain->waiting) &&
	       !domain->sessions && !domain->parked);
	qda_schedule_deinit(&domain->schedule);
	TAILQ_REMOVE(&domain->core->domains, domain, link);
	if (domain->device)
		domain->device->ops->free(domain->device);
	free(domain);
	return NULL;
}

static void explain_down(const struct qda_domain *domain, struct qda_fail *fail)
{
	qda_fail(fail, ENOTCONN, "domain %s is %s: %s", domain->name, state_names[domain->state],
		 domain->why);
	fail->retry_ms = 1000;
}

struct qda_domain *qda_domain_get_up(struct qda_core *core, const char *name, struct qda_fail *fail)
{
	struct qda_domain *domain = qda_core_find_domain(core, name);

	if (!domain) {
		qda_fail(fail, ENODEV,
			 *name ? "there is no domain \"%s\": qdactl list shows those there are"
			       : "no domain is configured%s",
			 name);
		return NULL;
	}
	if (domain->state != QDA_DEVICE_UP) {
		explain_down(domain, fail);
		return NULL;
	}
	return domain;
}

void qda_domain_pump(struct qda_domain *domain)
{
	struct qda_session *session;

	if (domain->pumping)
		return; /* a call that ended in here made room: the loop sees it */
	domain->pumping = true;
	while (domain->state == QDA_DEVICE_UP && domain->in_flight < domain->in_flight_max &&
	       (session = qda_schedule_next(domain)))
		if (qda_session_submit(session) == -EBUSY)
			qda_schedule_stall(session);
	domain->pumping = false;
}

void qda_domain_retry(struct qda_domain *domain)
{
	struct qda_session *session = TAILQ_FIRST(&domain->parkers);

	while (session) {
		struct qda_session *next = TAILQ_NEXT(session, parked_link);

		qda_session_submit_parked(session);
		session = next;
	}
	qda_schedule_retry(domain);
	qda_domain_pump(domain);
}

static uint32_t at_most(uint32_t wanted, uint32_t most)
{
	return wanted && wanted < most ? wanted : most;
}

static void fit_reserved(struct qda_domain *domain)
{
	uint32_t banks = domain->info.sessions_max, wanted = domain->reserved_wanted;

	if (wanted == QDA_RESERVED_USUAL)
		wanted = banks / 4;
	domain->sessions_reserved = wanted < banks ? wanted : banks;
}

/* What is configured, as far as the device can do it. Where nothing is, a quarter is left for
 * parked calls, which never take what calls in flight may need. */
static void fit_device(struct qda_domain *domain)
{
	uint32_t most = domain->info.calls_max, usual = most - most / 4;

	domain->in_flight_max = at_most(domain->in_flight_wanted ? domain->in_flight_wanted : usual,
					most);
	domain->parked_max = most - domain->in_flight_max;
	fit_reserved(domain);
	domain->session_in_flight_max = at_most(domain->core->rules->session_in_flight,
						domain->info.session_calls_max);
}

/* The rules may be others. */
static void renew(struct qda_session *session)
{
	session->may = 0;
	qda_schedule_update(session);
	qda_watch_renew(session);
}

void qda_domain_configure(struct qda_domain *domain, uint32_t in_flight_max, uint32_t hang_ms,
			  uint32_t reserved_sessions)
{
	struct qda_client *client;
	struct qda_session *session;

	domain->in_flight_wanted = in_flight_max;
	domain->hang_ms = hang_ms;
	domain->reserved_wanted = reserved_sessions;
	fit_device(domain);
	TAILQ_FOREACH (client, &domain->core->clients, link)
		TAILQ_FOREACH (session, &client->sessions, link)
			if (session->domain == domain)
				renew(session);
	qda_waiting_serve(domain);
	qda_domain_pump(domain);
}

static void on_done(void *owner, uint64_t cookie, const struct qda_device_done *done)
{
	struct qda_domain *domain = owner;
	uint32_t kind;
	void *object = qda_slots_get_any(&domain->core->pending, cookie, &kind);

	if (!object)
		return;
	switch ((enum qda_pending_kind)kind) {
	case QDA_PENDING_CALL:
		qda_call_done(object, done);
		break;
	case QDA_PENDING_OPEN:
		domain->device->ops->info(domain->device, &domain->info);
		qda_session_opened(object, done);
		break;
	case QDA_PENDING_CLOSE:
		domain->device->ops->info(domain->device, &domain->info);
		qda_session_closed(object);
		break;
	case QDA_PENDING_MAP:
		qda_map_done(object, done);
		break;
	case QDA_PENDING_UNMAP:
		qda_unmap_done(object, done);
		break;
	case QDA_PENDING_SESSION:
		break;
	}
	qda_domain_retry(domain);
}

static struct qda_session *find_session(struct qda_domain *domain, uint64_t cookie)
{
	return qda_slots_get(&domain->core->pending, cookie, QDA_PENDING_SESSION);
}

static void on_lost(void *owner, uint64_t cookie, const struct qda_device_lost *lost)
{
	struct qda_session *session = find_session(owner, cookie);

	if (session)
		qda_session_lost(session, lost);
}

static void on_log(void *owner, uint64_t cookie, const struct qda_log_line *line)
{
	struct qda_session *session = find_session(owner, cookie);

	if (session && session->handle && session->client->front)
		session->client->ops->log(session->client->front, session->handle, line);
}

static void tell_state(struct qda_domain *domain)
{
	static const char *const whats[] = {
		[QDA_DEVICE_DOWN] = "domain-down",
		[QDA_DEVICE_STARTING] = "domain-starting",
		[QDA_DEVICE_UP] = "domain-up",
	};

	if (qda_monitored(domain->core))
		qda_monitor(domain->core, &(struct qda_happening){ .what = whats[domain->state],
								   .domain = domain->name,
								   .text = domain->why });
}

/* Who waits for a context bank will get none, or may get one. */
static void settle_waiting(struct qda_domain *domain)
{
	struct qda_fail fail;

	if (domain->state == QDA_DEVICE_UP) {
		qda_waiting_serve(domain);
		return;
	}
	explain_down(domain, &fail);
	qda_waiting_end(domain, &fail);
}

static void on_state(void *owner, enum qda_device_state state, const char *why)
{
	struct qda_domain *domain = owner;
	struct qda_client *client;

	domain->state = state;
	domain->known |= state != QDA_DEVICE_STARTING;
	snprintf(domain->why, sizeof(domain->why), "%s", why ? why : "");
	if (state == QDA_DEVICE_UP) {
		domain->device->ops->info(domain->device, &domain->info);
		fit_device(domain);
	}
	tell_state(domain);
	TAILQ_FOREACH (client, &domain->core->clients, link)
		client->ops->domain_changed(client->front, domain->name, state_names[state]);
	settle_waiting(domain);
	qda_domain_pump(domain);
}

const struct qda_device_events qda_domain_events = {
	.done = on_done,
	.lost = on_lost,
	.log = on_log,
	.state = on_state,
};
