/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log lines of a skel. They go to the host program that owns the session, tagged with the level.
 * Use FARF() of HAP_farf.h.
 */
#ifndef HAP_DEBUG_H
#define HAP_DEBUG_H

#include "AEEStdDef.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HAP_LEVEL_LOW		0
#define HAP_LEVEL_MEDIUM	1
#define HAP_LEVEL_HIGH		2
#define HAP_LEVEL_ERROR		3
#define HAP_LEVEL_FATAL		4
#define HAP_LEVEL_RUNTIME	(1 << 5)	/* added to one of the above: HAP_debug_runtime() */

void HAP_debug_v2(int level, const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void HAP_debug_runtime(int level, const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* The oldest form; the text is printed as it is. */
void HAP_debug(const char *msg, int level, const char *filename, int line);

#ifdef __cplusplus
}
#endif

#endif
