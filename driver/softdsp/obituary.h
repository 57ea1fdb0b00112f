/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The EXIT record of a PD: what killed it and what it was doing.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "wire.h"

struct obituary {
	struct softdsp_record record;
	char space[SOFTDSP_TEXT_MAX];
};

/* `status_fd`: the page that the PD wrote, hostile. Returns the bytes to send; bank and client are
 * for the caller to fill in. */
size_t obituary_write(struct obituary *o, int status_fd, int signal, int status,
		      uint64_t cpu_seconds);
