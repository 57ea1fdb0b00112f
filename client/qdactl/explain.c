/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl explain: FastRPC codes in words. Needs no broker.
 */
#include "qdactl.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

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

static struct json_object *explain(uint32_t code)
{
	struct json_object *o = json_object_new_object();
	const char *words = qda_strcode(code);
	char unknown[32];

	if (words[0] != '0') {
		snprintf(unknown, sizeof(unknown), "%#x: %s", code, words);
		words = unknown;
	}
	json_object_object_add(o, "code", json_object_new_uint64(code));
	json_object_object_add(o, "text", json_object_new_string(words));
	return o;
}

static int run_explain(const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = { COMMON_OPTIONS, { 0 } };
	struct common common = { 0 };
	struct json_object *all;
	int c, r;

	while (!is_number(argv[optind]) &&
	       (c = getopt_long(argc, argv, "+h", options, NULL)) >= 0) {
		r = common_option(verb, &common, c);
		if (r >= 0)
			return r;
	}
	if (optind == argc)
		return usage_error(verb, "which code?");
	all = json_object_new_array();
	for (; optind < argc; optind++) {
		uint32_t code;

		if (!parse_code(argv[optind], &code)) {
			json_object_put(all);
			return usage_error(verb, "\"%s\" is no 32-bit number", argv[optind]);
		}
		json_object_array_add(all, explain(code));
	}
	for (size_t i = 0; !common.json && i < json_object_array_length(all); i++)
		printf("%s\n", text(json_object_array_get_idx(all, i), "text"));
	if (common.json)
		print_json(all);
	else
		json_object_put(all);
	return EXIT_OK;
}

const struct verb verb_explain = {
	"explain",
	"a FastRPC code in words",
	"Usage: qdactl explain [--json] CODE...\n"
	"Says what FastRPC codes mean: 0x80000406, 14, -2147482618.\n",
	run_explain,
};
