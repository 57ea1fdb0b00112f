/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl as a child: see command.h.
 */
#include "command.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 32

struct said said;
gid_t command_group;

/* In the child. The program is opened before: another user may have no way to it. */
static void exec_command(const struct broker *b, uid_t uid, const char *const *words)
{
	const char *argv[WORDS_MAX + 2] = { QDACTL };
	int program = open(QDACTL, O_PATH | O_CLOEXEC);

	for (unsigned i = 0; words[i] && i < WORDS_MAX; i++)
		argv[i + 1] = words[i];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (b)
		setenv("QDAD_SOCKET", b->socket, 1);
	if (uid != getuid() &&
	    (setgroups(command_group != 0, &command_group) || setgid(uid) || setuid(uid)))
		_exit(98);
	fexecve(program, (char *const *)argv, environ);
	_exit(99);
}

static void take(int fd, char *text, size_t size)
{
	ssize_t n = pread(fd, text, size - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	close(fd);
}

static int exit_status(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int command_as(const struct broker *b, uid_t uid, const char *const *words)
{
	int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC), status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
		exec_command(b, uid, words);
	}
	status = exit_status(pid);
	take(out, said.out, sizeof(said.out));
	take(err, said.err, sizeof(said.err));
	return status;
}

struct command command_start(const struct broker *b, uid_t uid, const char *const *words)
{
	struct command c;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	c.pid = fork();
	assert_true(c.pid >= 0);
	if (!c.pid) {
		dup2(fds[1], STDOUT_FILENO);
		exec_command(b, uid, words);
	}
	close(fds[1]);
	c.out = fdopen(fds[0], "r");
	assert_non_null(c.out);
	setvbuf(c.out, NULL, _IONBF, 0); /* poll() sees all there is */
	return c;
}

const char *command_line(struct command *c)
{
	static char line[4096];
	size_t n = 0;
	int byte;

	do {
		struct pollfd p = { fileno(c->out), POLLIN, 0 };

		assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		byte = getc(c->out);
		if (byte == EOF && !n)
			return NULL;
		line[n++] = (char)byte;
		assert_true(n < sizeof(line));
	} while (byte != '\n' && byte != EOF);
	line[n - 1] = '\0';
	return line;
}

int command_end(struct command *c, int signal)
{
	int status;

	if (signal)
		assert_int_equal(kill(c->pid, signal), 0);
	status = exit_status(c->pid);
	fclose(c->out);
	return status;
}

void expect_text(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("there is no \"%s\" in: %s", part, text);
}

struct json_object *parse_json(const char *text)
{
	struct json_tokener *parser = json_tokener_new();
	struct json_object *object;
	size_t end;

	json_tokener_set_flags(parser, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
	object = json_tokener_parse_ex(parser, text, (int)strlen(text));
	end = json_tokener_get_parse_end(parser);
	json_tokener_free(parser);
	if (!object || strspn(text + end, " \n") != strlen(text + end))
		fail_msg("this is not JSON, or more: %s", text);
	return object;
}

struct json_object *json_member(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value))
		fail_msg("there is no \"%s\" in %s", key, json_object_to_json_string(object));
	return value;
}

int64_t json_number(struct json_object *object, const char *key)
{
	struct json_object *value = json_member(object, key);

	assert_true(json_object_is_type(value, json_type_int));
	return json_object_get_int64(value);
}

const char *json_text(struct json_object *object, const char *key)
{
	struct json_object *value = json_member(object, key);

	assert_true(json_object_is_type(value, json_type_string));
	return json_object_get_string(value);
}

void need_root(void)
{
	if (getuid())
		SKIP("only root can be other users");
}
