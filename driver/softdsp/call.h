/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One FastRPC call in a PD: parse, find who is meant, run it, leave the results. Knows no
 * transport beyond its table. Any thread, each with a scratch of its own.
 */
#pragma once

#include <stdint.h>

#include "driver/fastrpc/fastrpc.h"
#include "remote.h"

struct transport;

/* Per thread, allocated once: a call takes nothing from the heap. */
struct call_scratch {
	struct fastrpc_dsp_arg args[FASTRPC_MAX_ARGS];
	remote_arg pra[FASTRPC_MAX_ARGS];
};

/* What the response carries: the skel's own return value or a code of the DSP. */
uint32_t call_run(struct transport *transport, struct call_scratch *scratch,
		  const struct fastrpc_msg *msg);
