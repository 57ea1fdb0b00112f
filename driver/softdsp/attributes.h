/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the DSP says of itself (handle 2, method 0). Shared by the supervisor, which answers it on
 * the control channel, and by PDs.
 */
#pragma once

#include <stdint.h>

struct fastrpc_dsp_arg;

#define ATTRIBUTES_MAX 256u

/* Once, before any call: the low byte of ARCH_VER, e.g. 0x68. */
void attributes_set_arch(uint32_t arch);

/* Attributes 1, 2, ... into out[0], out[1], ...: number 0 is the host's own. Zero where the DSP
 * does not know one. */
void attributes_fill(uint32_t *out, uint32_t n);

/* The whole call with arguments at base + addr. 0 or a code of the DSP. */
uint32_t attributes_call(uint8_t *base, uint32_t sc, const struct fastrpc_dsp_arg *args);
