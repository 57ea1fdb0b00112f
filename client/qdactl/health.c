/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl health: is there a broker, is each domain up, can a session be had? One line a check.
 */
#include "qdactl.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DOMAINS_MAX 64

struct health {
	bool json;
	bool failed;
	struct json_object *checks;
};

static void report(struct health *h, const char *what, bool ok, const char *words)
{
	struct json_object *o;

	h->failed |= !ok;
	if (!h->json) {
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

static void check_domain(struct health *h, struct qda_client *client,
			 const struct qda_domain *domain)
{
	struct qda_session_options options = { .domain = domain->name };
	struct qda_session *session;
	struct qda_error e;
	char words[128], time[SHORT_TEXT];
	uint64_t start = now_ns();

	if (strcmp(domain->state, "up")) {
		snprintf(words, sizeof(words), "the domain is %s, not up", domain->state);
		report(h, domain->name, false, words);
		return;
	}
	if (qda_session_open(client, &options, &session, &e)) {
		report(h, domain->name, false, e.text);
		return;
	}
	qda_session_close(session);
	snprintf(words, sizeof(words), "up (%s); a session was opened and closed in %s",
		 domain->device, format_time(now_ns() - start, time));
	report(h, domain->name, true, words);
}

static int check_broker(struct health *h, const struct common *common)
{
	struct qda_domain domains[DOMAINS_MAX];
	struct qda_client *client;
	struct qda_error e;
	int r, n;

	r = qda_connect(common->socket, "qdactl health", &client, &e);
	if (r) {
		report(h, "broker", false, e.text);
		return EXIT_NO_BROKER;
	}
	n = qda_domains(client, domains, DOMAINS_MAX, &e);
	if (n < 0)
		report(h, "broker", false, e.text);
	else if (n == 0)
		report(h, "broker", false, "it serves no DSP domain: configure one");
	else
		report(h, "broker", true, "it answers");
	for (int i = 0; i < n && i < DOMAINS_MAX; i++)
		check_domain(h, client, &domains[i]);
	qda_disconnect(client);
	return h->failed ? EXIT_FAILED : EXIT_OK;
}

static int run_health(const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = { COMMON_OPTIONS, { 0 } };
	struct common common = { 0 };
	struct health h = { 0 };
	int c, r;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		r = common_option(verb, &common, c);
		if (r >= 0)
			return r;
	}
	if (optind < argc)
		return usage_error(verb, "what is \"%s\"?", argv[optind]);
	h.json = common.json;
	h.checks = json_object_new_array();
	r = check_broker(&h, &common);
	if (h.json)
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
