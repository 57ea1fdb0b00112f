/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nudges, see nudge.h.
 */
#include "util/nudge.h"

#include <errno.h>
#include <unistd.h>

#define NUDGE_NS 1000000

static void every(struct qda_nudge *nudge, long ns)
{
	const struct itimerspec spec = { { 0, ns }, { 0, ns } };

	timer_settime(nudge->timer, 0, &spec, NULL);
}

/* On the thread of the nudge: where it is interrupted, it finds all as it was. */
static void on_nudge(int number, siginfo_t *info, void *context)
{
	struct qda_nudge *nudge = info->si_code == SI_TIMER ? info->si_value.sival_ptr : NULL;
	int err = errno;

	if (!nudge || nudge->depth)
		return;
	every(nudge, 0);
	nudge->runs = 0;
	errno = err;
}

void qda_nudge_init(struct qda_nudge *nudge)
{
	const struct sigaction action = { .sa_sigaction = on_nudge,
					  .sa_flags = SA_RESTART | SA_SIGINFO };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGURG,
				  .sigev_value.sival_ptr = nudge };

	event._sigev_un._tid = gettid();
	*nudge = (struct qda_nudge){ 0 };
	nudge->made = sigaction(SIGURG, &action, NULL) == 0 &&
		      timer_create(CLOCK_MONOTONIC, &event, &nudge->timer) == 0;
}

void qda_nudge_begin(struct qda_nudge *nudge)
{
	nudge->depth++;
	if (nudge->runs || !nudge->made)
		return;
	nudge->runs = 1;
	every(nudge, NUDGE_NS);
}

void qda_nudge_end(struct qda_nudge *nudge)
{
	nudge->depth--;
}

void qda_nudge_deinit(struct qda_nudge *nudge)
{
	if (nudge->made)
		timer_delete(nudge->timer);
	nudge->made = false;
}
