/* SPDX-License-Identifier: BSD-3-Clause */
/* From an embedded member to what it is embedded in. */
#pragma once

#include <stddef.h>

#define container_of(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))
