/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line of qda-softdsp. Main only.
 */
#pragma once

#include "dsp.h"

struct options {
	struct dsp_config dsp;
	const char *socket_path;
	int fd; /* -1: none */
};

/* -1: go on. Otherwise the exit status; what was to be said has been said. */
int options_parse(struct options *options, int argc, char **argv);

void options_free(struct options *options);
