/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is at the other end of a connection, as the kernel says: what it noted at connect (uid, gids,
 * pid, label), and what it says now about the process that had that pid (unit, program), if that
 * process still lives. Nothing a client says about itself is used. Reads files of /proc, which are
 * in memory; no name service.
 */
#pragma once

#include "core/client.h"

/* Works on any connected Unix socket. who->groups is malloc()ed, or NULL. *pidfd is -1 where the
 * kernel has none to give (before 6.5): unit and program are unknown then. A negative errno when
 * the kernel does not know the uid, or memory is short; nothing is to be freed then. */
int qda_principal_read(int fd, struct qda_principal *who, int *pidfd)
	__attribute__((warn_unused_result));

/* Of somebody whom another daemon vouches for: uid, gids and pid are filled in as that one said.
 * What is unmapped here is known as such then, and unit and program are read when there is a
 * pidfd. */
void qda_principal_complete(struct qda_principal *who, int pidfd);
