// SPDX-License-Identifier: BSD-3-Clause
/*
 * Attributes of the software DSP: see attributes.h.
 */
#include <string.h>

#include "attributes.h"
#include "driver/fastrpc/fastrpc.h"

enum attribute {
	ATTRIBUTE_UNSIGNED_PD = 1,
	ATTRIBUTE_ARCH_VER = 6,
	ATTRIBUTE_STATUS_NOTIFICATION = 10,
};

static uint32_t the_arch;

void attributes_set_arch(uint32_t arch)
{
	the_arch = arch;
}

static uint32_t value_of(uint32_t attribute)
{
	switch (attribute) {
	case ATTRIBUTE_UNSIGNED_PD:
	case ATTRIBUTE_STATUS_NOTIFICATION:
		return 1;
	case ATTRIBUTE_ARCH_VER:
		return the_arch;
	}
	return 0;
}

void attributes_fill(uint32_t *out, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		out[i] = value_of(i + 1);
}

uint32_t attributes_call(uint8_t *base, uint32_t sc, const struct fastrpc_dsp_arg *args)
{
	uint32_t values[ATTRIBUTES_MAX];
	uint32_t n;

	if (fastrpc_sc_method(sc))
		return FASTRPC_EUNSUPPORTED;
	if ((sc & 0xffffff) != 0x010100 || args[0].length != sizeof(n))
		return FASTRPC_EBADPARM;
	memcpy(&n, base + args[0].addr, sizeof(n));
	if (n > ATTRIBUTES_MAX || args[1].length != n * sizeof(n))
		return FASTRPC_EBADPARM;
	attributes_fill(values, n);
	if (n)
		memcpy(base + args[1].addr, values, n * sizeof(n));
	return 0;
}
