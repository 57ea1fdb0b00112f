/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Processes of other users.
 */
#include "stranger.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static bool enter(const char *cgroup)
{
	char path[256];
	int fd;
	bool entered;

	if (!cgroup)
		return true;
	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	entered = fd >= 0 && write(fd, "0", 1) == 1;
	close(fd);
	return entered;
}

struct stranger stranger_new(const struct broker *b, uid_t uid, gid_t gid, const char *cgroup,
			     char (*act)(const char *socket))
{
	int said[2], go[2];
	struct stranger s;
	char byte;

	assert_int_equal(pipe2(said, O_CLOEXEC), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	s.pid = fork();
	assert_true(s.pid >= 0);
	if (!s.pid) {
		/* A failure would go on with the tests, in this process. */
		setenv("CMOCKA_TEST_ABORT", "1", 1);
		close(go[1]);
		close(said[0]);
		if (!enter(cgroup) || setgroups(0, NULL) || setgid(gid) || setuid(uid))
			_exit(1);
		byte = act(b->socket);
		if (write(said[1], &byte, 1) != 1)
			_exit(1);
		_exit(read(go[0], &byte, 1) == 1 ? 0 : 1);
	}
	close(said[1]);
	close(go[0]);
	s.said = said[0];
	s.go = go[1];
	return s;
}

char stranger_said(const struct stranger *s)
{
	struct pollfd p = { s->said, POLLIN, 0 };
	char byte = 0;

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	assert_int_equal(read(s->said, &byte, 1), 1);
	return byte;
}

void stranger_free(const struct stranger *s)
{
	int status;

	assert_int_equal(write(s->go, "", 1), 1);
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	assert_int_equal(status, 0);
	close(s->go);
	close(s->said);
}

char stranger_says(const struct broker *b, uid_t uid, gid_t gid, char (*act)(const char *socket))
{
	struct stranger s = stranger_new(b, uid, gid, NULL, act);
	char said = stranger_said(&s);

	stranger_free(&s);
	return said;
}
