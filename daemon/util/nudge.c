/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nudges, see nudge.h.
 */
#include "util/nudge.h"

#include <signal.h>
#include <unistd.h>

#define NUDGE_NS 1000000

static void on_nudge(int number)
{
}

static void every(struct qda_nudge *nudge, long ns)
{
	const struct itimerspec spec = { { 0, ns }, { 0, ns } };

	if (nudge->made)
		timer_settime(nudge->timer, 0, &spec, NULL);
}

void qda_nudge_init(struct qda_nudge *nudge)
{
	const struct sigaction action = { .sa_handler = on_nudge, .sa_flags = SA_RESTART };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGURG };

	event._sigev_un._tid = gettid();
	*nudge = (struct qda_nudge){ 0 };
	nudge->made = sigaction(SIGURG, &action, NULL) == 0 &&
		      timer_create(CLOCK_MONOTONIC, &event, &nudge->timer) == 0;
}

void qda_nudge_begin(struct qda_nudge *nudge)
{
	if (!nudge->depth++)
		every(nudge, NUDGE_NS);
}

void qda_nudge_end(struct qda_nudge *nudge)
{
	if (!--nudge->depth)
		every(nudge, 0);
}

void qda_nudge_deinit(struct qda_nudge *nudge)
{
	if (nudge->made)
		timer_delete(nudge->timer);
	nudge->made = false;
}
