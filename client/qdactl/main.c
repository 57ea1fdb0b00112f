/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl: the table of verbs and what they share. Prints what was asked for and nothing else.
 */
#include "qdactl.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct verb *const verbs[] = {
	&verb_list, &verb_status, &verb_health, &verb_invoke, &verb_run, &verb_explain,
};

#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

int common_option(const struct verb *verb, struct common *common, int c)
{
	switch (c) {
	case 'h':
		printf("%s", verb->usage);
		return EXIT_OK;
	case 'j':
		common->json = true;
		return -1;
	case 'S':
		common->socket = optarg;
		return -1;
	default:
		/* getopt has said what is wrong */
		fprintf(stderr, "Try: qdactl %s --help\n", verb->name);
		return EXIT_USAGE;
	}
}

int usage_error(const struct verb *verb, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "qdactl %s: ", verb->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nTry: qdactl %s --help\n", verb->name);
	return EXIT_USAGE;
}

int fail(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "qdactl: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	return EXIT_FAILED;
}

int connect_broker(const struct common *common, struct qda_client **out)
{
	struct qda_error e;
	int r = qda_connect(common->socket, "qdactl", out, &e);

	if (r == 0)
		return EXIT_OK;
	fail("%s", e.text);
	return r == -ENOENT || r == -ECONNREFUSED ? EXIT_NO_BROKER : EXIT_FAILED;
}

void print_json(struct json_object *object)
{
	printf("%s\n", json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
						      JSON_C_TO_STRING_NOSLASHESCAPE));
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

static void print_help(void)
{
	printf("Usage: qdactl VERB [OPTION]... [ARGUMENT]...\n"
	       "Looks after qdad, the broker that shares the DSP of this machine.\n\n");
	for (size_t i = 0; i < N_VERBS; i++)
		printf("  %-9s %s\n", verbs[i]->name, verbs[i]->summary);
	printf("\n"
	       "Options of every verb:\n"
	       "  --json         print JSON\n"
	       "  --socket PATH  talk to the broker there; default: $QDAD_SOCKET, else the\n"
	       "                 system's (/run/qdad/qdad.sock), else the user's\n"
	       "                 ($XDG_RUNTIME_DIR/qdad/qdad.sock)\n"
	       "  --help         explain the verb\n"
	       "\n"
	       "Exit status: 0 success, 1 something failed, 2 wrong usage, 3 no broker.\n");
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;
	int r;

	if (!name) {
		fprintf(stderr, "qdactl: which verb?\nTry: qdactl --help\n");
		return EXIT_USAGE;
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
		print_help();
		return EXIT_OK;
	}
	if (!strcmp(name, "--version")) {
		printf("qdactl %s\n", QDA_VERSION);
		return EXIT_OK;
	}
	for (size_t i = 0; i < N_VERBS; i++) {
		if (strcmp(name, verbs[i]->name))
			continue;
		r = verbs[i]->run(verbs[i], argc - 1, argv + 1);
		if (fflush(stdout) && r == EXIT_OK)
			r = fail("standard output: %s", strerror(errno));
		return r;
	}
	fprintf(stderr, "qdactl: no verb \"%s\"\nTry: qdactl --help\n", name);
	return EXIT_USAGE;
}
