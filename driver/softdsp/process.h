/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Process control: what the host asks of the DSP itself (handles 1 and 2 on the control channel).
 */
#pragma once

struct dsp;
struct fastrpc_msg;

/* Answered at once or later, exactly once. */
void process_call(struct dsp *dsp, const struct fastrpc_msg *msg);
