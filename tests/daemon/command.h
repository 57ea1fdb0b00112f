/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl against the broker under test, by us or by another user. Everything here fails the test
 * that calls it when it does not work.
 */
#pragma once

#include <json-c/json.h>
#include <stdio.h>

#include "fixture.h"

/* What the last one wrote. */
struct said {
	char out[1 << 18], err[1 << 14];
};
extern struct said said;

/* A group that processes of other uids have besides; 0: none. */
extern gid_t command_group;

/* To its end; the exit status. A uid that is not ours takes root; such a process has no group but
 * that of the same number, and command_group. */
int command_as(const struct broker *b, uid_t uid, const char *const *words);
#define QDACTL_AS(b, uid, ...) command_as(b, uid, (const char *const[]){ __VA_ARGS__, NULL })
#define QDACTL_RUN(b, ...)     QDACTL_AS(b, getuid(), __VA_ARGS__)
/* It must end so, and have said this on standard error. */
#define QDACTL_FAILS(b, uid, status, text, ...)                                                    \
	do {                                                                                       \
		assert_int_equal(QDACTL_AS(b, uid, __VA_ARGS__), status);                          \
		expect_text(said.err, text);                                                       \
	} while (0)

/* One that runs, with its standard output on a pipe. */
struct command {
	pid_t pid;
	FILE *out;
};
struct command command_start(const struct broker *b, uid_t uid, const char *const *words);
/* Its next line, without the end of line; static. NULL: there are no more. */
const char *command_line(struct command *c);
/* End it with a signal, or (0) await its end: the exit status, 128 + signal. */
int command_end(struct command *c, int signal);

void expect_text(const char *text, const char *part);
/* Just one value, and nothing behind it. */
struct json_object *parse_json(const char *text);
/* Those of a member that must be there. */
struct json_object *json_member(struct json_object *object, const char *key);
int64_t json_number(struct json_object *object, const char *key);
const char *json_text(struct json_object *object, const char *key);

void need_root(void);
