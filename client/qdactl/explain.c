/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl explain: FastRPC codes in words. Needs no broker.
 */
#include "qdactl.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Codes are written in hex or decimal, and as the negative numbers that 32 bits make of them. */
static bool parse_code(const char *s, uint32_t *out)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(s, &end, 0);
	if (errno || end == s || *end || v < INT32_MIN || v > UINT32_MAX)
		return false;
	*out = (uint32_t)v;
	return true;
}

/* Negative numbers look like options. */
static bool is_number(const char *s)
{
	return s && s[0] == '-' && s[1] >= '0' && s[1] <= '9';
}

/* What a code is called; the errno that qdad and the kernel give are small and negative. */
static const char *find_words(uint32_t code, char *out, size_t size)
{
	const char *words = qda_strcode(code);
	int err = -(int)code;

	if (err > 0 && err < 4096 && strerrorname_np(err)) {
		snprintf(out, size, "-%d: %s, %s (an errno of qdad or the kernel)", err,
			 strerrorname_np(err), strerrordesc_np(err));
		return out;
	}
	if (words[0] == '0')
		return words;
	snprintf(out, size, "%#x: %s", code, words);
	return out;
}

/* NULL when it is no code, said. */
static struct json_object *explain(const char *word)
{
	struct json_object *o;
	const char *found;
	char words[128];
	uint32_t code;

	if (!parse_code(word, &code))
		return NULL;
	o = json_object_new_object();
	found = find_words(code, words, sizeof(words));
	json_object_object_add(o, "code", found[0] == '-' ? json_object_new_int((int32_t)code)
							  : json_object_new_uint64(code));
	json_object_object_add(o, "text", json_object_new_string(found));
	return o;
}

/* All of them, whatever is wrong with one. */
static int explain_all(char **words)
{
	struct json_object *all = json_object_new_array();
	int r = EXIT_OK;

	for (; *words; words++) {
		struct json_object *o = explain(*words);

		if (!o) {
			fprintf(stderr, "qdactl explain: \"%s\" is no 32-bit number\n", *words);
			r = EXIT_USAGE;
		} else {
			json_object_array_add(all, o);
		}
	}
	for (size_t i = 0; !common.json && i < json_object_array_length(all); i++)
		printf("%s\n", text(json_object_array_get_idx(all, i), "text"));
	if (common.json)
		print_json(all);
	else
		json_object_put(all);
	return r;
}

static int run_explain(const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = { COMMON_OPTIONS, { 0 } };
	int c, r;

	while (!is_number(argv[optind]) &&
	       (c = getopt_long(argc, argv, "+h", options, NULL)) >= 0) {
		r = common_option(verb, c);
		if (r >= 0)
			return r;
	}
	return optind == argc ? usage_error(verb, "which code?") : explain_all(argv + optind);
}

const struct verb verb_explain = {
	"explain",
	"a FastRPC code in words",
	"Usage: qdactl explain [--json] CODE...\n"
	"Says what codes mean: those of FastRPC (0x80000406, 14, -2147482618), and errno\n"
	"as qdad and the kernel give them, negative (-22). Exit status: 0, or 2 if one of\n"
	"them is no number.\n",
	run_explain,
};
