// SPDX-License-Identifier: BSD-3-Clause
/*
 * Lines of PDs: see line.h.
 */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "line.h"

#define LINE_ROOM 1280u /* a pipe that can be written has room for it */

/* A reader of our stderr that does not read must not hold up the DSP. */
static bool can_write(void)
{
	struct pollfd pollfd = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&pollfd, 1, 0) == 1 && pollfd.revents & POLLOUT;
}

static bool may_pass(struct line_gate *gate, uint64_t now)
{
	if (now - gate->since >= 1000) {
		gate->since = now;
		gate->lines = 0;
	}
	return gate->lines < LINES_A_SECOND && can_write();
}

static size_t put_text(char *line, size_t at, const char *text, size_t n)
{
	for (size_t i = 0; i < n && at < LINE_ROOM - 1; i++) {
		line[at++] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	}
	line[at++] = '\n';
	return at;
}

void line_write(struct line_gate *gate, uint64_t now, const char *domain, int32_t client,
		uint32_t level, uint64_t lost, const char *text, size_t n)
{
	static const char *const levels[] = { "low", "medium", "high", "error", "fatal" };
	const char *name = level < sizeof(levels) / sizeof(levels[0]) ? levels[level] : "?";
	char line[LINE_ROOM];
	int at;

	gate->lost += lost;
	if (!may_pass(gate, now)) {
		gate->lost++;
		return;
	}
	if (gate->lost)
		at = snprintf(line, sizeof(line), "%s[%d] %s (%llu lines lost) ", domain, client,
			      name, (unsigned long long)gate->lost);
	else
		at = snprintf(line, sizeof(line), "%s[%d] %s ", domain, client, name);
	if (write(STDERR_FILENO, line, put_text(line, at, text, n)) > 0) {
		gate->lines++;
		gate->lost = 0;
	}
}
