/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line of qda-softdsp. Main only.
 */
#pragma once

#include "dsp.h"

struct options {
	struct dsp_config dsp;
	const char *socket_path;
	const char *vdsp_path;
	int fd; /* -1: none */
	bool named; /* --name or --banks was given */
};

/* -1: go on. Otherwise the exit status; what was to be said has been said. */
int options_parse(struct options *options, int argc, char **argv);

/* A virtual DSP says itself what it is called and how many banks it has; `name` must stay. False:
 * it cannot be called so. */
bool options_take_device(struct options *options, const char *name, uint32_t n_banks);

void options_free(struct options *options);
