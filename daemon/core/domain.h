/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A DSP domain: one device, its state, and the calls for it. Queued calls wait in their session;
 * the schedule says whose goes next. All calls of core into a device, and all its completions, pass
 * here.
 */
#pragma once

#include "core/schedule.h"
#include "core/waiting.h"
#include "device/device.h"

struct qda_domain {
	TAILQ_ENTRY(qda_domain) link;
	struct qda_core *core;
	struct qda_device *device;
	struct qda_device_info info;
	enum qda_device_state state;
	struct qda_schedule schedule;
	struct qda_session_list parkers;	/* with parked calls that wait for the device */
	struct qda_waiting_list waiting; /* sessions that wait for a context bank */
	uint32_t in_flight_wanted;	/* configured; 0: what the device can do */
	uint32_t hang_ms;		/* configured; how long a call may hold its slot; 0: ever */
	uint32_t reserved_wanted;	/* configured; context banks, or QDA_RESERVED_USUAL */
	uint32_t in_flight_max, session_in_flight_max;	/* as the device allows */
	uint32_t in_flight, queued;	/* parked ones apart, */
	uint32_t parked, parked_max;	/* that is, here, queued and running ones */
	uint32_t sessions;
	uint32_t sessions_reserved;	/* the last so many are for users that have none here */
	uint32_t quarantined;		/* sessions that were closed and do not end */
	uint64_t calls, busy_ns;
	bool known;			/* to be up or down: it was, once */
	bool pumping;
	struct qda_stats stats;
	char name[16];
	char why[160];
	char note[160];			/* what is wrong with it while it is up */
};

/* What a domain's device is to be created with: owner is the domain. */
extern const struct qda_device_events qda_domain_events;

/* in_flight_max 0: what the device can do. */
int qda_domain_new(struct qda_core *core, const char *name, uint32_t in_flight_max,
		   struct qda_domain **out);
/* A quarter of what the device has. */
#define QDA_RESERVED_USUAL UINT32_MAX

/* Of the configuration, and again after qda_core_apply(). Fewer calls in flight or sessions than
 * there are take nothing away. */
void qda_domain_configure(struct qda_domain *domain, uint32_t in_flight_max, uint32_t hang_ms,
			  uint32_t reserved_sessions);
void qda_domain_attach(struct qda_domain *domain, struct qda_device *device);
struct qda_domain *qda_domain_free(struct qda_domain *domain);

/* NULL and a reason in *fail when there is none of that name or it is not up. Empty name: the first
 * one. */
struct qda_domain *qda_domain_get_up(struct qda_core *core, const char *name,
				     struct qda_fail *fail);

/* Send what may go. */
void qda_domain_pump(struct qda_domain *domain);
/* Something ended on the device: the same for those it had no room for, too. Parked calls go first,
 * sessions in the order in which theirs began to wait for it. */
void qda_domain_retry(struct qda_domain *domain);

const char *qda_domain_state_name(enum qda_device_state state);
