// SPDX-License-Identifier: BSD-3-Clause
/*
 * Landlock by its system calls: see landlock.h. The structs are declared here, because the headers
 * of a distribution may be older than the kernel this runs on; the kernel takes the prefix it is
 * told about.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "landlock.h"

#define FS_READ_FILE		(1ull << 2)
#define SCOPE_ABSTRACT_SOCKET	(1ull << 0)
#define SCOPE_SIGNAL		(1ull << 1)
#define NET_BIND_CONNECT_TCP	3ull
#define CREATE_VERSION		1u
#define RULE_PATH_BENEATH	1

struct ruleset_attr {
	uint64_t fs;		/* version 1 */
	uint64_t net;		/* version 4 */
	uint64_t scoped;	/* version 6 */
};

struct path_beneath {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

int landlock_version(void)
{
	const long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

	return version > 0 ? (int)version : 0;
}

/* Rights came one version at a time; an unknown one would be refused. */
static uint64_t all_file_rights(int version)
{
	unsigned bits = 13;

	if (version >= 2)
		bits = 14; /* linking between directories */
	if (version >= 3)
		bits = 15; /* truncate */
	if (version >= 5)
		bits = 16; /* ioctl of devices */
	return (1ull << bits) - 1;
}

int landlock_new(int version)
{
	struct ruleset_attr attr = { .fs = all_file_rights(version) };
	size_t size = offsetof(struct ruleset_attr, net);
	long fd;

	if (version >= 4) {
		attr.net = NET_BIND_CONNECT_TCP;
		size = offsetof(struct ruleset_attr, scoped);
	}
	if (version >= 6) {
		attr.scoped = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
		size = sizeof(attr);
	}
	fd = syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	return fd < 0 ? -errno : (int)fd;
}

int landlock_allow_read(int ruleset, int dir_fd)
{
	const struct path_beneath rule = { .allowed = FS_READ_FILE, .parent_fd = dir_fd };

	if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0)
		return -errno;
	return 0;
}

int landlock_enforce(int ruleset)
{
	int err = syscall(SYS_landlock_restrict_self, ruleset, 0) < 0 ? -errno : 0;

	close(ruleset);
	return err;
}
