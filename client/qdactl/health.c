/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl health: is there a broker, is each domain up, can a session be had? One line a check.
 */
#include "qdactl.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct health {
	bool failed;
	struct json_object *checks;
};

static void report(struct health *h, const char *what, bool ok, const char *words)
{
	struct json_object *o;

	h->failed |= !ok;
	if (!common.json) {
		printf("%-6s  %-16s  %s\n", ok ? "ok" : "FAILED", what, words);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "check", json_object_new_string(what));
	json_object_object_add(o, "ok", json_object_new_boolean(ok));
	json_object_object_add(o, "text", json_object_new_string(words));
	json_object_array_add(h->checks, o);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void check_domain(struct health *h, struct qda_client *client, struct json_object *row)
{
	const char *name = text(row, "name"), *state = text(row, "state");
	struct qda_session_options options = { .domain = name };
	struct qda_session *session;
	struct qda_error e;
	char words[600], time[SHORT_TEXT];
	uint64_t start = now_ns();

	if (strcmp(state, "up")) {
		snprintf(words, sizeof(words), "%s%s%s", state, text(row, "text")[0] ? ": " : "",
			 text(row, "text"));
		report(h, name, false, words);
		return;
	}
	if (qda_session_open(client, &options, &session, &e)) {
		report(h, name, false, e.text);
		return;
	}
	qda_session_close(session);
	snprintf(words, sizeof(words), "up (%s); a session was opened and closed in %s",
		 text(row, "device"), format_time(now_ns() - start, time));
	report(h, name, true, words);
}

static int check_broker(struct health *h)
{
	struct json_object *rows;
	struct qda_client *client;
	struct qda_error e;
	size_t n;
	int r = qda_connect(common.socket, "qdactl health", &client, &e);

	if (r) {
		report(h, "broker", false, e.text);
		return connect_status(r);
	}
	if (get_rows(client, STATUS_DOMAINS, &rows, &e)) {
		report(h, "broker", false, e.text);
		qda_disconnect(client);
		return EXIT_FAILED;
	}
	n = json_object_array_length(rows);
	report(h, "broker", n, n ? "it answers" : "it serves no DSP domain: configure one");
	for (size_t i = 0; i < n; i++)
		check_domain(h, client, json_object_array_get_idx(rows, i));
	json_object_put(rows);
	qda_disconnect(client);
	return h->failed ? EXIT_FAILED : EXIT_OK;
}

static int run_health(const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = { COMMON_OPTIONS, { 0 } };
	struct health h = { 0 };
	int c, r;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		r = common_option(verb, c);
		if (r >= 0)
			return r;
	}
	if (optind < argc)
		return usage_error(verb, "what is \"%s\"?", argv[optind]);
	h.checks = json_object_new_array();
	r = check_broker(&h);
	if (common.json)
		print_json(h.checks);
	else
		json_object_put(h.checks);
	return r;
}

const struct verb verb_health = {
	"health",
	"check the broker and each domain; exit status 0 if all is well",
	"Usage: qdactl health [--json] [--socket PATH]\n"
	"Connects to the broker, looks whether each DSP domain is up, opens a session on\n"
	"it and closes it. One line for each check.\n"
	"Exit status: 0 all is well, 1 a check failed, 3 there is no broker.\n",
	run_health,
};
