/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the supervisor sees of a context bank: the memory a host mapped on the control channel, or
 * the bank of a virtual DSP. It is read and written by system calls and never touched here: no
 * host can make the supervisor fault, and each word is read once by nature.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "line.h"
#include "view.h"
#include "wire.h"

#define BANK_MAPS_MAX 16u

struct bank_map {
	uint64_t addr;
	uint64_t size; /* 0: unused */
	uint64_t offset;
	int fd;
};

struct bank {
	struct bank_map maps[BANK_MAPS_MAX];
	int dirs[SOFTDSP_MAX_DIRS]; /* module directories for the next PD */
	unsigned n_dirs;
	struct view view;	/* vdsp: instead of maps */
	struct line_gate lines; /* what may be said on our stderr of this bank; vdsp: by its PDs */
};

/* Takes *fd (and sets it to -1) when it returns 0. -EPERM: not memory that is sealed against
 * shrinking; -EEXIST: overlaps another map; -ENOSPC: BANK_MAPS_MAX are there. */
int bank_map(struct bank *bank, const struct softdsp_map *map, int *fd);
int bank_unmap(struct bank *bank, const struct softdsp_map *map);

/* All `n` bytes or -EFAULT. `addr` is the DSP address without a stream id. */
int bank_read(const struct bank *bank, uint64_t addr, void *buf, size_t n);
int bank_write(const struct bank *bank, uint64_t addr, const void *buf, size_t n);

/* Forget maps, directories and view. */
void bank_clear(struct bank *bank);
void bank_clear_dirs(struct bank *bank);
