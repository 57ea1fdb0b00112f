/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lines of PDs on the supervisor's stderr, where they have no host to go to. What they say is
 * hostile, and so is how often. Never waits for whoever reads them. Loop thread only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define LINES_A_SECOND 20u

struct line_gate {
	uint64_t since; /* when this second began, in ms */
	uint32_t lines; /* written in it */
	uint64_t lost;	/* since the last one written */
};

/* One line "domain[client] level text". `now` in ms; `level` of HAP; what cannot be printed of the
 * `n` bytes becomes a question mark. `lost` were lost before it, by others. */
void line_write(struct line_gate *gate, uint64_t now, const char *domain, int32_t client,
		uint32_t level, uint64_t lost, const char *text, size_t n);
