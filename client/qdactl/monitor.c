/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl monitor: what happens at the broker, as it happens.
 */
#include "qdactl.h"

#include "internal.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

static void print_event_json(const struct qda_msg_event *e)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "at_ns", json_object_new_uint64(e->monitor.at_ns));
	json_object_object_add(o, "what", json_object_new_string(e->monitor.what));
	if (e->monitor.client) {
		json_object_object_add(o, "client", json_object_new_uint64(e->monitor.client));
		json_object_object_add(o, "uid", json_object_new_uint64(e->monitor.uid));
	}
	if (e->monitor.session)
		json_object_object_add(o, "session", json_object_new_uint64(e->monitor.session));
	if (*e->monitor.domain)
		json_object_object_add(o, "domain", json_object_new_string(e->monitor.domain));
	if (e->monitor.code)
		json_object_object_add(o, "error", json_object_new_int(-(int)e->monitor.code));
	if (e->monitor.dropped)
		json_object_object_add(o, "dropped", json_object_new_int((int)e->monitor.dropped));
	json_object_object_add(o, "text", json_object_new_string(e->monitor.text));
	print_json(o);
}

static void print_event(const struct qda_msg_event *e)
{
	time_t at = (time_t)(e->monitor.at_ns / 1000000000);
	char user[SHORT_TEXT], clock[16];
	struct tm tm;

	localtime_r(&at, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	if (e->monitor.dropped)
		printf("(%" PRIu32 " events were lost here: this reader was too slow)\n",
		       e->monitor.dropped);
	printf("%s.%03u %-15s", clock, (unsigned)(e->monitor.at_ns / 1000000 % 1000),
	       e->monitor.what);
	if (e->monitor.client)
		printf(" client %" PRIu64 " (%s)", e->monitor.client,
		       user_name(e->monitor.uid, user));
	if (e->monitor.session)
		printf(" session %" PRIu64, e->monitor.session);
	if (*e->monitor.domain)
		printf(" %s", e->monitor.domain);
	if (*e->monitor.text)
		printf(": %s", e->monitor.text);
	printf("\n");
}

static void on_event(void *data, const struct qda_msg_event *e)
{
	if (common.json)
		print_event_json(e);
	else
		print_event(e);
	fflush(stdout);
}

static int watch(struct qda_client *client)
{
	struct qda_msg_request request = {
		.type = QDA_TYPE_SUBSCRIBE,
		.subscribe = { QDA_EVENTS_MONITOR },
	};
	struct qda_error e;
	int r;

	client->monitor = on_event;
	if (qda_request(client, &request, NULL, 0, NULL, NULL, &e))
		return fail_error(&e);
	do
		r = qda_dispatch(client, -1);
	while (r >= 0 && !ferror(stdout));
	if (r < 0)
		return client->lost ? fail_error(&client->lost_why) : fail(r, "%s", strerror(-r));
	return EXIT_FAILED;
}

static int run_monitor(const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = { COMMON_OPTIONS, { 0 } };
	struct qda_client *client;
	int c, r;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		r = common_option(verb, c);
		if (r >= 0)
			return r;
	}
	common.lines = true;
	if (optind < argc)
		return usage_error(verb, "what is \"%s\"?", argv[optind]);
	r = connect_broker(&client);
	if (r)
		return r;
	r = watch(client);
	qda_disconnect(client);
	return r;
}

const struct verb verb_monitor = {
	"monitor",
	"events as they happen, until ^C",
	"Usage: qdactl monitor [--json]\n"
	"Prints what happens at the broker as it happens, a line each (with --json a JSON\n"
	"object each): client-new, client-gone, session-open, session-closed, session-lost,\n"
	"session-hung, refused, domain-up, domain-down, domain-starting, reload, quota-set,\n"
	"kill. Of clients of other users, and of the configuration, only for root, and\n"
	"whom the policy gives admin=status. Ends when the broker does.\n",
	run_monitor,
};
