/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cage of a PD process. Built once, by its only thread, before the first skel is loaded; from
 * then on the process can compute, read its libraries, talk on the sockets it has, and nothing
 * else.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct confine {
	uint64_t memory;	/* bytes of private writable memory */
	uint64_t cpu_seconds;	/* 0: no limit */
	uint64_t files;		/* descriptors */
	const char *const *dirs; /* module directories, n_dirs of them */
	size_t n_dirs;
	const int *dir_fds; /* those of the client */
	size_t n_dir_fds;
};

/* 0 or -errno, with `text` saying which part failed. *held gets enum softdsp_confined. */
int confine(const struct confine *c, uint32_t *held, char *text, size_t size);
