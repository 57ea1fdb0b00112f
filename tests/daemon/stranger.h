/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Processes of other users, as clients of the broker. Only root can have them.
 */
#pragma once

#include "fixture.h"

struct stranger {
	pid_t pid;
	int said; /* a byte when it has done what it does */
	int go;	  /* a byte there: it may end */
};

/* A process of this uid and gid, without other groups, that does `act` and says what it returned.
 * It stays, with its connections, until stranger_free(). cgroup: a directory to run in, or NULL. */
struct stranger stranger_new(const struct broker *b, uid_t uid, gid_t gid, const char *cgroup,
			     char (*act)(const char *socket));
char stranger_said(const struct stranger *s);
void stranger_free(const struct stranger *s);
/* All of it: what it said. */
char stranger_says(const struct broker *b, uid_t uid, gid_t gid, char (*act)(const char *socket));
