/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl top: the verb, and its numbers once.
 */
#include "top.h"

#include <errno.h>
#include <getopt.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct json_object *domain_json(const struct top_domain *d)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(d->name));
	json_object_object_add(o, "state", json_object_new_string(d->state));
	json_object_object_add(o, "device", json_object_new_string(d->device));
	json_object_object_add(o, "load", json_object_new_double(d->load));
	json_object_object_add(o, "in_flight", json_object_new_uint64(d->in_flight));
	json_object_object_add(o, "in_flight_max", json_object_new_uint64(d->in_flight_max));
	json_object_object_add(o, "queued", json_object_new_uint64(d->queued));
	json_object_object_add(o, "parked", json_object_new_uint64(d->parked));
	json_object_object_add(o, "sessions", json_object_new_uint64(d->sessions));
	json_object_object_add(o, "sessions_max", json_object_new_uint64(d->sessions_max));
	json_object_object_add(o, "waiting", json_object_new_uint64(d->waiting));
	json_object_object_add(o, "quarantined", json_object_new_uint64(d->quarantined));
	return o;
}

static struct json_object *client_json(const struct top_client *c)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "id", json_object_new_uint64(c->id));
	json_object_object_add(o, "uid", json_object_new_uint64(c->uid));
	json_object_object_add(o, "user", json_object_new_string(c->user));
	json_object_object_add(o, "pid", json_object_new_uint64(c->pid));
	json_object_object_add(o, "program", json_object_new_string(c->program));
	json_object_object_add(o, "name", json_object_new_string(c->name));
	json_object_object_add(o, "unit", json_object_new_string(c->unit));
	json_object_object_add(o, "calls_per_second", json_object_new_double(c->calls_s));
	json_object_object_add(o, "share", json_object_new_double(c->share));
	json_object_object_add(o, "in_flight", json_object_new_uint64(c->in_flight));
	json_object_object_add(o, "calls_now", json_object_new_uint64(c->calls_now));
	json_object_object_add(o, "buffer_bytes", json_object_new_uint64(c->memory));
	json_object_object_add(o, "refused", json_object_new_uint64(c->refused));
	json_object_object_add(o, "sessions", json_object_new_uint64(c->sessions));
	return o;
}

static void show_json(const struct top *t)
{
	struct json_object *o = json_object_new_object();
	struct json_object *domains = json_object_new_array(), *clients = json_object_new_array();

	for (unsigned i = 0; i < t->n_domains; i++)
		json_object_array_add(domains, domain_json(&t->domains[i]));
	for (unsigned i = 0; i < t->n_clients; i++)
		json_object_array_add(clients, client_json(&t->clients[i]));
	json_object_object_add(o, "domains", domains);
	json_object_object_add(o, "clients", clients);
	print_json(o);
}

/* A line, without the blanks at its end. */
static void print_line(char *line)
{
	size_t n = strlen(line);

	while (n && line[n - 1] == ' ')
		n--;
	printf("%.*s\n", (int)n, line);
}

static void show_text(const struct top *t)
{
	const char *columns = getenv("COLUMNS");
	bool fancy = !strcmp(nl_langinfo(CODESET), "UTF-8");
	uint64_t width = 80;
	char line[TOP_LINE];

	if (columns && (!parse_uint(columns, 200, &width) || width < 80))
		width = 80;
	top_line_broker(t, (int)width, line);
	print_line(line);
	for (unsigned i = 0; i < t->n_domains; i++) {
		top_line_domain(&t->domains[i], (int)width, fancy, line);
		print_line(line);
	}
	printf("\n");
	top_line_head((int)width, line);
	print_line(line);
	for (unsigned i = 0; i < t->n_clients; i++) {
		top_line_client(&t->clients[i], (int)width, line);
		print_line(line);
	}
}

/* Two looks, one after the other. */
static int once(struct top *t, double delay_s)
{
	struct timespec delay = { (time_t)delay_s, (long)((delay_s - (double)(time_t)delay_s) * 1e9) };
	struct qda_client *client;
	struct qda_error e;
	int r = connect_broker(&client);

	if (r)
		return r;
	r = top_look(t, client, &e);
	nanosleep(&delay, NULL);
	if (r == 0)
		r = top_look(t, client, &e);
	qda_disconnect(client);
	if (r)
		return fail_error(&e);
	if (common.json)
		show_json(t);
	else
		show_text(t);
	return EXIT_OK;
}

static bool parse_delay(const char *s, double *out)
{
	char *end;

	errno = 0;
	*out = strtod(s, &end);
	return !errno && end != s && !*end && *out >= 0.1 && *out <= 3600;
}

static bool parse_key(const char *s, enum top_key *out)
{
	for (*out = 0; *out < TOP_KEYS; ++*out)
		if (!strcmp(top_key_name(*out), s))
			return true;
	return false;
}

static int run_top(const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_OPTIONS,
		{ "once", no_argument, NULL, '1' },
		{ "delay", required_argument, NULL, 'd' },
		{ "sort", required_argument, NULL, 's' },
		{ "user", required_argument, NULL, 'u' },
		{ 0 },
	};
	struct top t = { .key = TOP_SHARE };
	bool only_once = false;
	double delay = 1;
	uint64_t number;
	uint32_t uid;
	int c, r;

	while ((c = getopt_long(argc, argv, "hd:s:u:", options, NULL)) >= 0) {
		switch (c) {
		case '1':
			only_once = true;
			break;
		case 'd':
			if (!parse_delay(optarg, &delay))
				return usage_error(verb, "--delay: 0.1 to 3600 seconds, not \"%s\"",
						   optarg);
			break;
		case 's':
			if (!parse_key(optarg, &t.key))
				return usage_error(verb, "--sort: share, calls, memory, refused or "
						   "id, not \"%s\"", optarg);
			break;
		case 'u':
			/* -1 is who has no number where the broker runs. */
			if (!parse_user(optarg, &uid) && !parse_uint(optarg, UINT32_MAX, &number))
				return usage_error(verb, "there is no user \"%s\" here", optarg);
			snprintf(t.only_user, sizeof(t.only_user), "%s", optarg);
			break;
		default:
			r = common_option(verb, c);
			if (r >= 0)
				return r;
		}
	}
	if (optind < argc)
		return usage_error(verb, "what is \"%s\"?", argv[optind]);
	if (only_once || common.json)
		r = once(&t, delay);
	else if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		r = usage_error(verb, "this is no terminal; try --once");
	else
		r = top_screen(verb, &t, delay);
	top_free(&t);
	return r;
}

const struct verb verb_top = {
	"top",
	"who uses the DSP now, on the whole screen",
	"Usage: qdactl top [--once] [--json] [--delay SECONDS] [--sort KEY] [--user USER]\n"
	"Shows each DSP domain with its load (share of its slots that calls held), and the\n"
	"clients with their calls a second, their share of all DSP time, calls that run\n"
	"and wait, memory in buffers and refusals, again every second. h shows the keys.\n"
	"  --once       print it once as text, after two looks at the broker\n"
	"  --json       the same as JSON\n"
	"  --delay N    seconds between looks (1)\n"
	"  --sort KEY   share (default), calls, memory, refused, id\n"
	"  --user USER  only clients of that user\n"
	"Clients are your own ones; all of them for root, and whom the policy gives\n"
	"admin=status.\n",
	run_top,
};
