/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl, the command line of qdad: what its verbs share. A verb parses its own options, does its
 * work and returns an exit status. What the broker tells is kept as JSON objects; text is printed
 * from those, so that both outputs say the same.
 */
#pragma once

#include <json-c/json.h>
#include <qda/client.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NO_BROKER = 3 };

struct verb {
	const char *name;
	const char *summary;
	const char *usage;
	int (*run)(const struct verb *verb, int argc, char **argv);
};

extern const struct verb verb_list, verb_status, verb_health, verb_invoke, verb_run, verb_explain,
	verb_quota, verb_kill, verb_reload, verb_policy, verb_monitor, verb_top;

/* Options that every verb has, for its getopt_long table and its switch. */
/* clang-format off */
#define COMMON_OPTIONS                                                                             \
	{ "help", no_argument, NULL, 'h' },                                                        \
	{ "json", no_argument, NULL, 'j' },                                                        \
	{ "socket", required_argument, NULL, 'S' }
/* clang-format on */

extern struct common {
	bool json;
	bool lines;		/* JSON objects take one line each */
	const char *socket;
} common; /* what was given; main.c's */

/* One of the common options, or an unknown one. -1: go on; else the exit status to end with. */
int common_option(const struct verb *verb, int c);

/* A usage error of a verb; returns EXIT_USAGE. */
int usage_error(const struct verb *verb, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Says it on stderr, and with --json as an object on stdout; returns EXIT_FAILED. The code is a
 * negative errno. */
int fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
int fail_error(const struct qda_error *e);
/* Its JSON. */
struct json_object *error_json(const struct qda_error *e);

/* EXIT_OK, or the message is printed and the status to end with. */
/* What qdactl exits with when qda_connect() fails with that. */
int connect_status(int r);
int connect_broker(struct qda_client **out);

/* What somebody else wrote, at most n bytes and up to the first NUL: characters that a terminal
 * might obey are shown as dots. */
void put_text(FILE *f, const char *s, size_t n);

/* As much of s as takes at most `width` columns, into `out`; returns how many it takes. What would
 * confuse a terminal stands there as '?'. */
int fit_columns(char *out, size_t size, const char *s, int width);
/* The same with blanks behind it up to `width`, which is less than 100. */
#define COLUMN_TEXT 512
const char *pad_columns(char out[COLUMN_TEXT], const char *s, int width);

/* Print an object and give up our reference. */
void print_json(struct json_object *object);
/* Members of objects, 0 or "" when they are missing. */
uint64_t number(struct json_object *object, const char *key);
const char *text(struct json_object *object, const char *key);

/* The number of a user, by name or number. False: there is none. */
bool parse_user(const char *s, uint32_t *uid);
/* A whole number, decimal or 0x. */
bool parse_uint(const char *s, uint64_t max, uint64_t *out);

/* Into `out`, short for people: "1.5 MiB", "3.2 ms", "2 h 5 min". */
#define SHORT_TEXT 32
const char *format_bytes(uint64_t bytes, char out[SHORT_TEXT]);
const char *format_time(uint64_t ns, char out[SHORT_TEXT]);

/* The name of a user, or its number; of a uid that is none on this machine: "unmapped". */
const char *user_name(uint64_t uid, char out[SHORT_TEXT]);

/* Rows of GetStatus as a JSON array, all pages. Kinds as in the protocol. */
enum status_kind { STATUS_DAEMON, STATUS_DOMAINS, STATUS_CLIENTS, STATUS_SESSIONS };
int get_rows(struct qda_client *client, enum status_kind kind, struct json_object **out,
	     struct qda_error *err);

/* Arguments of `qdactl invoke`. */
#define INVOKE_ARGS_MAX 64
struct argument {
	struct qda_arg arg;
	struct qda_buffer *buffer; /* or */
	void *memory;
	enum { SHOW_HEX, SHOW_TEXT, SHOW_U32, SHOW_FILE } show;
	const char *path;
	const char *why; /* it cannot be read */
};

/* Parse one argument; `client` and `domain` for shared buffers. 0 or EXIT_USAGE, EXIT_FAILED,
 * said. */
int argument_parse(const struct verb *verb, struct qda_client *client, const char *domain,
		   const char *spec, struct argument *out);
void argument_free(struct argument *a);
/* After a successful call: write an output to its file if it has one; EXIT_OK or EXIT_FAILED. */
int argument_save(const struct argument *a);
/* Print an output; nothing for inputs. */
void argument_show(const struct argument *a, unsigned index);
/* The same for --json: an object, or NULL for inputs. */
struct json_object *argument_json(const struct argument *a, unsigned index);
