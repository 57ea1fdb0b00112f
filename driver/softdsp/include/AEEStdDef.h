/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The short type names that skel sources written for the Hexagon SDK use. Nothing of this project
 * needs them; they are here so that such a source compiles for the software DSP unchanged.
 */
#ifndef AEESTDDEF_H
#define AEESTDDEF_H

#include <stdint.h>

typedef int AEEResult;		/* AEEStdErr.h */
typedef unsigned char boolean;
typedef unsigned char byte;

typedef int8_t int8;
typedef int16_t int16;
typedef int32_t int32;
typedef int64_t int64;
typedef uint8_t uint8;
typedef uint16_t uint16;
typedef uint32_t uint32;
typedef uint64_t uint64;

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif

#endif
