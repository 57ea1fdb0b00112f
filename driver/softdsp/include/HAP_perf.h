/* SPDX-License-Identifier: BSD-3-Clause */
/* Clocks of the DSP, as a skel reads them. All rise from some start that means nothing. */
#ifndef HAP_PERF_H
#define HAP_PERF_H

#include "AEEStdDef.h"

#ifdef __cplusplus
extern "C" {
#endif

uint64_t HAP_perf_get_time_us(void);		/* microseconds */
uint64_t HAP_perf_get_qtimer_count(void);	/* ticks of 19.2 MHz */
uint64_t HAP_perf_get_pcycles(void);		/* cycles; the software DSP counts nanoseconds */

static inline uint64_t HAP_perf_qtimer_count_to_us(uint64_t count)
{
	return count * 10 / 192;
}

#ifdef __cplusplus
}
#endif

#endif
