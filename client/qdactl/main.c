/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl: the table of verbs and what they share. Prints what was asked for and nothing else.
 */
#include "qdactl.h"

#include "codec.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <locale.h>
#include <stdarg.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct verb *const verbs[] = {
	&verb_list,   &verb_status, &verb_health,  &verb_invoke, &verb_run,    &verb_explain,
	&verb_top,    &verb_quota,  &verb_kill,    &verb_monitor, &verb_policy, &verb_reload,
};

#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

struct common common;

int common_option(const struct verb *verb, int c)
{
	switch (c) {
	case 'h':
		printf("%s", verb->usage);
		return EXIT_OK;
	case 'j':
		common.json = true;
		return -1;
	case 'S':
		common.socket = optarg;
		return -1;
	default:
		/* getopt has said what is wrong */
		fprintf(stderr, "Try: qdactl %s --help\n", verb->name);
		return EXIT_USAGE;
	}
}

struct json_object *error_json(const struct qda_error *e)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "error", json_object_new_int(e->code));
	json_object_object_add(o, "dsp_result", json_object_new_int(e->dsp_result));
	json_object_object_add(o, "aee", json_object_new_uint64(e->aee));
	json_object_object_add(o, "resource", json_object_new_string(e->resource));
	json_object_object_add(o, "limit", json_object_new_uint64(e->limit));
	json_object_object_add(o, "used", json_object_new_uint64(e->used));
	json_object_object_add(o, "text", json_object_new_string(e->text));
	return o;
}

int usage_error(const struct verb *verb, const char *format, ...)
{
	struct qda_error e = { .code = -EINVAL };
	va_list args;

	va_start(args, format);
	vsnprintf(e.text, sizeof(e.text), format, args);
	va_end(args);
	fprintf(stderr, "qdactl %s: %s\nTry: qdactl %s --help\n", verb->name, e.text, verb->name);
	if (common.json)
		print_json(error_json(&e));
	return EXIT_USAGE;
}

int fail_error(const struct qda_error *e)
{
	fprintf(stderr, "qdactl: %s\n", e->text);
	if (common.json)
		print_json(error_json(e));
	return EXIT_FAILED;
}

int fail(int code, const char *format, ...)
{
	struct qda_error e = { .code = code };
	va_list args;

	va_start(args, format);
	vsnprintf(e.text, sizeof(e.text), format, args);
	va_end(args);
	return fail_error(&e);
}

int connect_status(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED ? EXIT_NO_BROKER : EXIT_FAILED;
}

int connect_broker(struct qda_client **out)
{
	struct qda_error e;
	int r = qda_connect(common.socket, "qdactl", out, &e);

	if (r == 0)
		return EXIT_OK;
	fail_error(&e);
	return connect_status(r);
}

void put_text(FILE *f, const char *s, size_t n)
{
	for (size_t i = 0, more; i < n && s[i]; i += more) {
		char one[5] = { 0 };

		memcpy(one, s + i, n - i < 4 ? n - i : 4);
		more = qda_codec_character(one);
		if (more)
			fwrite(one, 1, more, f);
		else
			putc(*one == '\n' || *one == '\t' ? *one : '.', f);
		more += !more;
	}
}

void print_json(struct json_object *object)
{
	int form = common.lines ? JSON_C_TO_STRING_PLAIN : JSON_C_TO_STRING_PRETTY;

	printf("%s\n", json_object_to_json_string_ext(object,
						      form | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

uint64_t number(struct json_object *object, const char *key)
{
	return json_object_get_uint64(json_object_object_get(object, key));
}

const char *text(struct json_object *object, const char *key)
{
	const char *s = json_object_get_string(json_object_object_get(object, key));

	return s ? s : "";
}

const char *format_bytes(uint64_t bytes, char out[SHORT_TEXT])
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	double v = (double)bytes / 1024;
	unsigned u = 0;

	if (bytes < 1024) {
		snprintf(out, SHORT_TEXT, "%" PRIu64 " B", bytes);
		return out;
	}
	for (; v >= 1024 && u < 3; u++)
		v /= 1024;
	snprintf(out, SHORT_TEXT, v < 10 ? "%.1f %s" : "%.0f %s", v, units[u]);
	return out;
}

const char *format_time(uint64_t ns, char out[SHORT_TEXT])
{
	uint64_t s = ns / 1000000000;

	if (ns < 1000)
		snprintf(out, SHORT_TEXT, "%" PRIu64 " ns", ns);
	else if (ns < 1000000)
		snprintf(out, SHORT_TEXT, "%.1f us", (double)ns / 1e3);
	else if (ns < 1000000000)
		snprintf(out, SHORT_TEXT, "%.1f ms", (double)ns / 1e6);
	else if (s < 60)
		snprintf(out, SHORT_TEXT, "%.1f s", (double)ns / 1e9);
	else if (s < 3600)
		snprintf(out, SHORT_TEXT, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, SHORT_TEXT, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
	else
		snprintf(out, SHORT_TEXT, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s / 3600 % 24);
	return out;
}

const char *user_name(uint64_t uid, char out[SHORT_TEXT])
{
	const struct passwd *p = uid == UINT32_MAX ? NULL : getpwuid((uid_t)uid);

	if (p)
		snprintf(out, SHORT_TEXT, "%s", p->pw_name);
	else if (uid == UINT32_MAX)
		snprintf(out, SHORT_TEXT, "unmapped");
	else
		snprintf(out, SHORT_TEXT, "%" PRIu64, uid);
	return out;
}

bool parse_uint(const char *s, uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(s, &end, 0);
	return !errno && end != s && !*end && *s != '-' && *out <= max;
}

bool parse_user(const char *s, uint32_t *uid)
{
	const struct passwd *p = getpwnam(s);
	uint64_t n;

	if (p) {
		*uid = p->pw_uid;
		return true;
	}
	if (!parse_uint(s, UINT32_MAX - 1, &n))
		return false;
	*uid = (uint32_t)n;
	return true;
}

static void print_help(void)
{
	printf("Usage: qdactl VERB [OPTION]... [ARGUMENT]...\n"
	       "Looks after qdad, the broker that shares the DSP of this machine.\n\n");
	for (size_t i = 0; i < N_VERBS; i++)
		printf("  %-9s %s\n", verbs[i]->name, verbs[i]->summary);
	printf("\n"
	       "Options of every verb, behind it or in front:\n"
	       "  --json         print JSON; what fails is {\"error\": -ERRNO, \"dsp_result\", \"aee\",\n"
	       "                 \"resource\", \"limit\", \"used\", \"text\"}\n"
	       "  --socket PATH  talk to the broker there; default: $QDAD_SOCKET, else the\n"
	       "                 system's (/run/qdad/qdad.sock), else the user's\n"
	       "                 ($XDG_RUNTIME_DIR/qdad/qdad.sock)\n"
	       "  --help         explain the verb\n"
	       "\n"
	       "Exit status: 0 success, 1 something failed, 2 wrong usage, 3 no broker.\n");
}

/* Options in front of the verb are the verb's, which is moved before them. Returns it, or NULL. */
static const char *take_verb(int argc, char **argv)
{
	int i = 1;
	char *verb;

	while (i < argc && argv[i][0] == '-')
		i += strcmp(argv[i], "--socket") ? 1 : 2;
	if (i >= argc)
		return NULL;
	verb = argv[i];
	memmove(&argv[2], &argv[1], (size_t)(i - 1) * sizeof(*argv));
	argv[1] = verb;
	return verb;
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
	char name[32];
	int r;

	snprintf(name, sizeof(name), "qdactl %s", verb->name);
	argv[0] = name; /* getopt complains in this name */
	r = verb->run(verb, argc, argv);
	if (fflush(stdout) && r == EXIT_OK)
		r = fail(-errno, "standard output: %s", strerror(errno));
	return r;
}

int main(int argc, char **argv)
{
	const char *first = argc > 1 ? argv[1] : "", *name;

	setlocale(LC_CTYPE, "");
	if (!strcmp(first, "--help") || !strcmp(first, "-h") || !strcmp(first, "help")) {
		print_help();
		return EXIT_OK;
	}
	if (!strcmp(first, "--version")) {
		printf("qdactl %s\n", QDA_VERSION);
		return EXIT_OK;
	}
	name = take_verb(argc, argv);
	if (!name) {
		fprintf(stderr, "qdactl: which verb?\nTry: qdactl --help\n");
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < N_VERBS; i++)
		if (!strcmp(name, verbs[i]->name))
			return run_verb(verbs[i], argc - 1, argv + 1);
	fprintf(stderr, "qdactl: no verb \"%s\"\nTry: qdactl --help\n", name);
	return EXIT_USAGE;
}
