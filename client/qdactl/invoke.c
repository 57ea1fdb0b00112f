/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl invoke: one call of one method of a module, from the shell.
 */
#include "qdactl.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DIRS_MAX 8

struct invoke {
	const struct verb *verb;
	bool quiet;
	struct qda_session_options session;
	const char *dirs[DIRS_MAX + 1];
	unsigned n_dirs;
	struct qda_call_options call;
	const char *uri;
	uint32_t method;
	char **specs;
	unsigned n_args;
	struct argument args[INVOKE_ARGS_MAX];
	uint64_t took_ns;
};

/* "250ms", "2s", "500us"; a bare number is milliseconds. */
static bool parse_timeout(const char *s, uint64_t *us)
{
	uint64_t unit = 1000;
	char *end;
	double v;

	errno = 0;
	v = strtod(s, &end);
	if (!strcmp(end, "us"))
		unit = 1;
	else if (!strcmp(end, "s"))
		unit = 1000000;
	else if (*end && strcmp(end, "ms"))
		return false;
	if (errno || end == s || !(v > 0 && v * (double)unit < 1e15))
		return false;
	*us = (uint64_t)(v * (double)unit);
	return *us > 0;
}

static int take_option(struct invoke *in, int c)
{
	switch (c) {
	case 'd':
		in->session.domain = optarg;
		return -1;
	case 't':
		if (!parse_timeout(optarg, &in->call.timeout_us))
			return usage_error(in->verb, "no time: \"%s\" (try 500ms)", optarg);
		return -1;
	case 'q':
		in->quiet = true;
		return -1;
	case 'm':
		if (in->n_dirs == DIRS_MAX)
			return usage_error(in->verb, "more than %u times --modules", DIRS_MAX);
		in->dirs[in->n_dirs++] = optarg;
		return -1;
	default:
		return common_option(in->verb, c);
	}
}

static int parse_command(struct invoke *in, int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_OPTIONS,
		{ "domain", required_argument, NULL, 'd' },
		{ "timeout", required_argument, NULL, 't' },
		{ "modules", required_argument, NULL, 'm' },
		{ "quiet", no_argument, NULL, 'q' },
		{ 0 },
	};
	uint64_t method;
	int c, r;

	while ((c = getopt_long(argc, argv, "hd:t:m:q", options, NULL)) >= 0) {
		r = take_option(in, c);
		if (r >= 0)
			return r;
	}
	if (argc - optind < 2)
		return usage_error(in->verb, "a module's URI and a method are needed");
	in->uri = argv[optind];
	if (!parse_uint(argv[optind + 1], UINT32_MAX, &method))
		return usage_error(in->verb, "no method number: \"%s\"", argv[optind + 1]);
	in->method = (uint32_t)method;
	in->specs = argv + optind + 2;
	in->n_args = (unsigned)(argc - optind - 2);
	if (in->n_args > INVOKE_ARGS_MAX)
		return usage_error(in->verb, "more than %u arguments", INVOKE_ARGS_MAX);
	in->session.module_dirs = in->n_dirs ? in->dirs : NULL;
	return -1;
}

/* A line that the skel logs. */
static void print_line(void *data, struct qda_session *session, unsigned level, const char *line,
		       unsigned dropped)
{
	static const char *const names[] = { "low", "medium", "high", "error", "fatal" };

	if (dropped)
		fprintf(stderr, "skel: %u lines are lost\n", dropped);
	fprintf(stderr, "skel %s: ", names[level < 4 ? level : 4]);
	put_text(stderr, line, strlen(line));
	fputc('\n', stderr);
}

static int open_module(struct invoke *in, struct qda_client *client, struct qda_module **out)
{
	struct qda_session *session;
	struct qda_error e;

	if ((!in->quiet && qda_log(client, print_line, NULL, &e)) ||
	    qda_session_open(client, &in->session, &session, &e) ||
	    qda_module_open(session, in->uri, out, &e))
		return fail_error(&e);
	return EXIT_OK;
}

static int call(struct invoke *in, struct qda_client *client)
{
	struct qda_arg args[INVOKE_ARGS_MAX];
	struct qda_module *module;
	struct timespec start, end;
	struct qda_error e;

	for (unsigned i = 0; i < in->n_args; i++) {
		int r = argument_parse(in->verb, client, in->session.domain, in->specs[i],
				       &in->args[i]);

		if (r)
			return r;
		args[i] = in->args[i].arg;
	}
	if (open_module(in, client, &module))
		return EXIT_FAILED;
	clock_gettime(CLOCK_MONOTONIC, &start);
	if (qda_invoke(module, in->method, args, in->n_args, &in->call, &e))
		return fail_error(&e);
	clock_gettime(CLOCK_MONOTONIC, &end);
	qda_module_close(module); /* it may have something to log then */
	in->took_ns = (uint64_t)(end.tv_sec - start.tv_sec) * 1000000000 +
		      (uint64_t)(end.tv_nsec - start.tv_nsec);
	return EXIT_OK;
}

static void print_json_result(const struct invoke *in)
{
	struct json_object *all = json_object_new_object(), *outputs = json_object_new_array();

	json_object_object_add(all, "result", json_object_new_int(0));
	json_object_object_add(all, "took_ns", json_object_new_uint64(in->took_ns));
	json_object_object_add(all, "dsp_ns", json_object_new_uint64(in->call.dsp_ns));
	json_object_object_add(all, "queue_ns", json_object_new_uint64(in->call.queue_ns));
	for (unsigned i = 0; i < in->n_args; i++) {
		struct json_object *o = argument_json(&in->args[i], i);

		if (o)
			json_object_array_add(outputs, o);
	}
	json_object_object_add(all, "outputs", outputs);
	print_json(all);
}

static int print_result(const struct invoke *in)
{
	char took[SHORT_TEXT], dsp[SHORT_TEXT], queue[SHORT_TEXT];

	for (unsigned i = 0; i < in->n_args; i++)
		if (argument_save(&in->args[i]))
			return EXIT_FAILED;
	if (common.json) {
		print_json_result(in);
		return EXIT_OK;
	}
	for (unsigned i = 0; i < in->n_args; i++)
		argument_show(&in->args[i], i);
	printf("method %" PRIu32 " returned 0 in %s (%s on the DSP, %s in the queue)\n", in->method,
	       format_time(in->took_ns, took), format_time(in->call.dsp_ns, dsp),
	       format_time(in->call.queue_ns, queue));
	return EXIT_OK;
}

static int run_invoke(const struct verb *verb, int argc, char **argv)
{
	struct invoke in = { .verb = verb };
	struct qda_client *client;
	int r = parse_command(&in, argc, argv);

	if (r >= 0)
		return r;
	r = connect_broker(&client);
	if (r)
		return r;
	r = call(&in, client);
	if (r == EXIT_OK)
		r = print_result(&in);
	for (unsigned i = 0; i < in.n_args; i++)
		argument_free(&in.args[i]);
	qda_disconnect(client);
	return r;
}

const struct verb verb_invoke = {
	"invoke",
	"call a method of a module",
	"Usage: qdactl invoke [OPTION]... URI METHOD [ARGUMENT]...\n"
	"Opens a session, loads the module URI, calls METHOD and prints what came back.\n"
	"\n"
	"  -d, --domain NAME   the DSP domain; default: the first one\n"
	"  -t, --timeout TIME  give up after that: 500us, 20ms, 2s; without a unit: ms\n"
	"  -m, --modules DIR   look for the module there first; may be repeated (a broker of\n"
	"                      qdad --user allows it, others by a rule with dirs=yes)\n"
	"  -q, --quiet         do not print on stderr what the module logs\n"
	"  --json, --socket PATH, --help\n"
	"\n"
	"Arguments, in this order: inputs, outputs, numbers (\"in handles\"). Messages count\n"
	"them from 0.\n"
	"  in:hex:0011         bytes                  in:text:hello       text, without NUL\n"
	"  in:u32:5,6          32-bit numbers         in:file:PATH        a file's bytes\n"
	"  inbuf:...           the same, in a shared buffer: for what is larger than 60 KiB\n"
	"  out:LEN[:SHOW]      an output of LEN bytes\n"
	"  outbuf:LEN[:SHOW]   the same, in a shared buffer\n"
	"                      SHOW: hex (default), text (up to a NUL), u32, file:PATH\n"
	"  num:N               a number where the method takes a handle\n"
	"\n"
	"Exit status: 0 METHOD returned 0, 1 it did not or something failed, 2 wrong usage,\n"
	"3 there is no broker.\n"
	"\n"
	"Example: qdactl invoke "
	"'file:///libqda_sum_skel.so?qda_sum_skel_handle_invoke&_modver=1.0' \\\n"
	"             2 in:u32:1,2,3,4 out:8\n",
	run_invoke,
};
