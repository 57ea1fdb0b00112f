/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A listening socket and the file that it is found by. Only a socket that nobody answers at is
 * replaced, and only the own file is removed.
 */
#pragma once

#include <sys/types.h>

struct qda_listen {
	int fd;
	const char *path;	/* owned by the caller; NULL: the file is another's */
	dev_t dev;		/* which file it is */
	ino_t inode;
};

/* Listen at `path` with a socket of this kind (SOCK_STREAM, ...). 0 or a negative errno:
 * -EADDRINUSE somebody listens there, -EEXIST there is something else. */
int qda_listen_at(struct qda_listen *l, const char *path, int kind, mode_t mode, int backlog);
/* One that listens already. */
void qda_listen_handed(struct qda_listen *l, int fd);
/* Nobody can connect any more; who did waits until qda_listen_close(). */
void qda_listen_unlink(const struct qda_listen *l);
void qda_listen_close(struct qda_listen *l);
