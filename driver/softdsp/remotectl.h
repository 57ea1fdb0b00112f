/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The static handle through which modules are opened and closed. Any thread.
 */
#pragma once

#include <stdint.h>

struct fastrpc_dsp_arg;

/* `method` as of FASTRPC_HANDLE_REMOTECTL; arguments lie at base + addr. 0 or a code of the DSP;
 * what became of the module itself stands in the answer's dlerr and text. */
uint32_t remotectl_call(uint8_t *base, uint32_t method, uint32_t sc,
			const struct fastrpc_dsp_arg *args);
