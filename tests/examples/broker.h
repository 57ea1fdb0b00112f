/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A qdad --user with a software DSP, started for one test program in a directory of its own, and a
 * way to run programs that use it. $QDAD_SOCKET of this process, and so of those, names its socket.
 */
#pragma once

#include <sys/types.h>

struct broker {
	pid_t pid;
	char dir[64];		/* scratch too: everything in it is removed at the end */
};

/* Start it and wait until it listens. 0 or -1. */
int broker_start(struct broker *broker, const char *qdad, const char *modules);
/* Stop it; its exit status (0 when it ended well). */
int broker_stop(struct broker *broker);

/* Run a program to its end, with what it prints in `out` and `err` (files in broker->dir). Its
 * exit status, or 128 + signal. */
int broker_run(const struct broker *broker, char *const *argv, const char *out, const char *err);

/* Read a file whole; NUL is put behind it. To be freed; NULL on failure. */
char *file_read(const char *path, size_t *size);
