/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FARF(LEVEL, format, ...): one log line from a skel. LEVEL is
 *	ERROR, FATAL, ALWAYS		always compiled in;
 *	LOW, MEDIUM, HIGH		compiled in with -D_DEBUG, or where the source asks for one
 *					(#define FARF_HIGH 1) before this include;
 *	RUNTIME_LOW .. RUNTIME_FATAL	compiled in; the DSP decides at run time.
 */
#ifndef HAP_FARF_H
#define HAP_FARF_H

#include "HAP_debug.h"

#ifdef _DEBUG
#define FARF_DEBUG_ 1
#else
#define FARF_DEBUG_ 0
#endif

#ifndef FARF_LOW
#define FARF_LOW FARF_DEBUG_
#endif
#ifndef FARF_MEDIUM
#define FARF_MEDIUM FARF_DEBUG_
#endif
#ifndef FARF_HIGH
#define FARF_HIGH FARF_DEBUG_
#endif
#ifndef FARF_ERROR
#define FARF_ERROR 1
#endif
#ifndef FARF_FATAL
#define FARF_FATAL 1
#endif
#ifndef FARF_ALWAYS
#define FARF_ALWAYS 1
#endif
#define FARF_RUNTIME_LOW 1
#define FARF_RUNTIME_MEDIUM 1
#define FARF_RUNTIME_HIGH 1
#define FARF_RUNTIME_ERROR 1
#define FARF_RUNTIME_FATAL 1

#define FARF_LOW_LEVEL			HAP_LEVEL_LOW
#define FARF_MEDIUM_LEVEL		HAP_LEVEL_MEDIUM
#define FARF_HIGH_LEVEL			HAP_LEVEL_HIGH
#define FARF_ERROR_LEVEL		HAP_LEVEL_ERROR
#define FARF_FATAL_LEVEL		HAP_LEVEL_FATAL
#define FARF_ALWAYS_LEVEL		HAP_LEVEL_HIGH
#define FARF_RUNTIME_LOW_LEVEL		(HAP_LEVEL_RUNTIME | HAP_LEVEL_LOW)
#define FARF_RUNTIME_MEDIUM_LEVEL	(HAP_LEVEL_RUNTIME | HAP_LEVEL_MEDIUM)
#define FARF_RUNTIME_HIGH_LEVEL		(HAP_LEVEL_RUNTIME | HAP_LEVEL_HIGH)
#define FARF_RUNTIME_ERROR_LEVEL	(HAP_LEVEL_RUNTIME | HAP_LEVEL_ERROR)
#define FARF_RUNTIME_FATAL_LEVEL	(HAP_LEVEL_RUNTIME | HAP_LEVEL_FATAL)

#define FARF_PRINT_(level, ...)                                                                    \
	do {                                                                                      \
		if ((level) & HAP_LEVEL_RUNTIME)                                                  \
			HAP_debug_runtime((level) & ~HAP_LEVEL_RUNTIME, __FILE__, __LINE__,       \
					  __VA_ARGS__);                                           \
		else                                                                              \
			HAP_debug_v2(level, __FILE__, __LINE__, __VA_ARGS__);                     \
	} while (0)

#define FARF(LEVEL, ...)                                                                           \
	do {                                                                                      \
		if (FARF_##LEVEL)                                                                 \
			FARF_PRINT_(FARF_##LEVEL##_LEVEL, __VA_ARGS__);                           \
	} while (0)

#endif
