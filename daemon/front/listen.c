/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listening sockets, see listen.h.
 */
#include "front/listen.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A socket file that nobody answers at was left by one who is gone; who is busy does not refuse. */
static int remove_stale(int fd, const struct sockaddr_un *address)
{
	struct stat st;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	    errno == EAGAIN || errno == EPROTOTYPE)
		return -EADDRINUSE;
	if (errno != ECONNREFUSED)
		return -errno;
	return unlink(address->sun_path) < 0 ? -errno : 0;
}

static int bind_and_listen(struct qda_listen *l, const struct sockaddr_un *address, mode_t mode,
			   int backlog)
{
	struct stat st;

	if (bind(l->fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
	    chmod(l->path, mode) < 0 || listen(l->fd, backlog) < 0 || lstat(l->path, &st) < 0)
		return -errno;
	l->dev = st.st_dev;
	l->inode = st.st_ino;
	return 0;
}

int qda_listen_at(struct qda_listen *l, const char *path, int kind, mode_t mode, int backlog)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int r;

	*l = (struct qda_listen){ .fd = -1, .path = path };
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	l->fd = socket(AF_UNIX, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return -errno;
	r = remove_stale(l->fd, &address);
	if (r == 0)
		r = bind_and_listen(l, &address, mode, backlog);
	if (r < 0)
		qda_listen_close(l);
	return r;
}

void qda_listen_handed(struct qda_listen *l, int fd)
{
	*l = (struct qda_listen){ .fd = fd };
}

void qda_listen_unlink(const struct qda_listen *l)
{
	struct stat st;

	if (l->path && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->inode)
		unlink(l->path);
}

void qda_listen_close(struct qda_listen *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}
