/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading principals.
 */
#include "front/principal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

/* How ids of the daemon's user namespace are to be understood. In a container that knows some users
 * only, the kernel gives all others one number. */
struct id_map {
	bool is_read;
	bool knows_all_uids, knows_all_gids;
	uid_t overflow_uid;
	gid_t overflow_gid;
};

/* --- files of /proc --- */

/* Returns the length of what is in `text`, terminated; 0 when there is nothing. */
static size_t read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	*text = '\0';
	if (fd < 0)
		return 0;
	n = read(fd, text, size - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return n;
}

/* One range, of all numbers to themselves: there is no other user namespace around. */
static bool knows_all(const char *path)
{
	unsigned inside, outside, count;
	char text[128], more;

	return read_file(path, text, sizeof(text)) &&
	       sscanf(text, "%u %u %u %c", &inside, &outside, &count, &more) == 3 && !inside &&
	       !outside && count == UINT32_MAX;
}

static unsigned read_number(const char *path, unsigned otherwise)
{
	char text[32];

	return read_file(path, text, sizeof(text)) ? strtoul(text, NULL, 10) : otherwise;
}

/* It never changes while a process runs. */
static const struct id_map *get_id_map(void)
{
	static struct id_map map;

	if (map.is_read)
		return &map;
	map.knows_all_uids = knows_all("/proc/self/uid_map");
	map.knows_all_gids = knows_all("/proc/self/gid_map");
	map.overflow_uid = read_number("/proc/sys/kernel/overflowuid", 65534);
	map.overflow_gid = read_number("/proc/sys/kernel/overflowgid", 65534);
	map.is_read = true;
	return &map;
}

/* Where some ids are unmapped, those that really have the overflow number cannot be told from them:
 * both are taken for unmapped. */
static uid_t take_uid(const struct id_map *map, uid_t uid)
{
	return uid == map->overflow_uid && !map->knows_all_uids ? QDA_ID_UNMAPPED : uid;
}

static gid_t take_gid(const struct id_map *map, gid_t gid)
{
	return gid == map->overflow_gid && !map->knows_all_gids ? QDA_ID_UNMAPPED : gid;
}

/* --- what was noted at connect --- */

static int read_groups(const struct id_map *map, int fd, struct qda_principal *who)
{
	socklen_t size = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0 || errno != ERANGE)
		return 0; /* none, or not known */
	who->groups = malloc(size);
	if (!who->groups)
		return -ENOMEM;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, who->groups, &size) < 0)
		return 0;
	who->n_groups = size / sizeof(*who->groups);
	for (unsigned i = 0; i < who->n_groups; i++)
		who->groups[i] = take_gid(map, who->groups[i]);
	return 0;
}

/* Text that others chose, for people to read. */
static void take_text(char *to, size_t size, const char *from, size_t n)
{
	size_t i = 0;

	for (; i < n && i < size - 1 && from[i] && from[i] != '\n'; i++)
		to[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
	to[i] = '\0';
}

static void read_label(int fd, struct qda_principal *who)
{
	char label[1024];
	socklen_t size = sizeof(label);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERSEC, label, &size) == 0)
		take_text(who->label, sizeof(who->label), label, size);
}

/* --- what the process is now --- */

static bool still_lives(int pidfd)
{
	struct pollfd p = { pidfd, POLLIN, 0 };

	return poll(&p, 1, 0) == 0; /* readable from its end on */
}

/* The unit of the system that the process runs in; of those that a user's own manager started it is
 * that manager's, user@UID.service. */
static void read_unit(struct qda_principal *who)
{
	char *unit = NULL;

	if (sd_pid_get_unit(who->pid, &unit) >= 0 && strlen(unit) < sizeof(who->unit))
		strcpy(who->unit, unit);
	free(unit);
}

/* Not its command line: that is in memory of the process, which may make reading it wait. */
static void read_program(struct qda_principal *who)
{
	char path[32], text[32];
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/comm", who->pid);
	n = read_file(path, text, sizeof(text));
	take_text(who->program, sizeof(who->program), text, n);
}

/* Both are asked by number, and numbers are used again. That the process lives afterwards means
 * that the number was its own all the time. (To libsystemd, pid 0 would be the daemon itself.) */
static void read_process(struct qda_principal *who, int pidfd)
{
	if (pidfd < 0 || who->pid <= 0)
		return;
	read_unit(who);
	read_program(who);
	if (!still_lives(pidfd))
		*who->unit = *who->program = '\0';
}

void qda_principal_complete(struct qda_principal *who, int pidfd)
{
	const struct id_map *map = get_id_map();

	who->uid = take_uid(map, who->uid);
	who->gid = take_gid(map, who->gid);
	for (unsigned i = 0; i < who->n_groups; i++)
		who->groups[i] = take_gid(map, who->groups[i]);
	read_process(who, pidfd);
}

int qda_principal_read(int fd, struct qda_principal *who, int *pidfd)
{
	const struct id_map *map = get_id_map();
	struct ucred cred;
	socklen_t size = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		return -errno;
	*who = (struct qda_principal){
		.uid = take_uid(map, cred.uid),
		.gid = take_gid(map, cred.gid),
		.pid = cred.pid,
	};
	if (read_groups(map, fd, who) < 0)
		return -ENOMEM;
	read_label(fd, who);
	size = sizeof(*pidfd);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, pidfd, &size) < 0)
		*pidfd = -1;
	read_process(who, *pidfd);
	return 0;
}
