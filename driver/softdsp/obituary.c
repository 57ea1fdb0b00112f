// SPDX-License-Identifier: BSD-3-Clause
/*
 * EXIT records: see obituary.h. A thread that a signal or exit() ended has marked its place. When
 * nobody could (SIGKILL, _exit), the only thread that was in a call is named, if there was only
 * one.
 */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "obituary.h"
#include "order.h"

#define TEXT_ROOM 256

static const struct pd_slot *find_slot(const struct pd_status *status)
{
	const struct pd_slot *only = NULL;

	if (status->faulted && status->faulted <= PD_THREADS_MAX)
		return &status->slot[status->faulted - 1];
	for (unsigned i = 0; i < PD_THREADS_MAX; i++) {
		if (!status->slot[i].in_call)
			continue;
		if (only)
			return NULL;
		only = &status->slot[i];
	}
	return only;
}

static void fill_call(struct softdsp_exit *exit, int status_fd)
{
	static struct pd_status status; /* large, and used by one thread */
	const struct pd_slot *slot;

	if (pread(status_fd, &status, sizeof(status), 0) != sizeof(status))
		return;
	slot = find_slot(&status);
	if (!slot || !slot->in_call)
		return;
	exit->in_call = 1;
	exit->method = slot->method;
	for (unsigned i = 0; i < sizeof(exit->module) - 1 && slot->module[i]; i++)
		exit->module[i] = isgraph((unsigned char)slot->module[i]) ? slot->module[i] : '?';
}

static void describe(char *text, int signal, int status, uint64_t cpu_seconds)
{
	const char *name = sigabbrev_np(signal);

	if (signal == SIGXCPU && cpu_seconds)
		snprintf(text, TEXT_ROOM, "SIGXCPU (its %llu s of CPU time are used up)",
			 (unsigned long long)cpu_seconds);
	else if (signal && name)
		snprintf(text, TEXT_ROOM, "SIG%s", name);
	else if (signal)
		snprintf(text, TEXT_ROOM, "signal %d", signal);
	else
		snprintf(text, TEXT_ROOM, "exit with status %d", status);
}

size_t obituary_write(struct obituary *o, int status_fd, int signal, int status,
		      uint64_t cpu_seconds)
{
	struct softdsp_exit *exit = &o->record.exit;
	char cause[TEXT_ROOM];
	int n;

	memset(o, 0, sizeof(*o));
	o->record.kind = SOFTDSP_EXIT;
	exit->signal = signal;
	exit->status = status;
	fill_call(exit, status_fd);
	describe(cause, signal, status, cpu_seconds);
	if (exit->in_call)
		n = snprintf((char *)o + SOFTDSP_SIZE(exit), SOFTDSP_TEXT_MAX,
			     "%s in method %u of %s", cause, exit->method, exit->module);
	else
		n = snprintf((char *)o + SOFTDSP_SIZE(exit), SOFTDSP_TEXT_MAX,
			     "%s outside any call", cause);
	return SOFTDSP_SIZE(exit) + n;
}
