/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl list and qdactl status: what there is, and what it is doing. 80 columns.
 */
#include "qdactl.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *arch_name(uint64_t arch, char out[SHORT_TEXT])
{
	snprintf(out, SHORT_TEXT, arch ? "v%" PRIx64 : "-", arch);
	return out;
}

static struct json_object *row(struct json_object *rows, size_t i)
{
	return json_object_array_get_idx(rows, i);
}

static size_t count(struct json_object *rows)
{
	return json_object_array_length(rows);
}

/* --- list --- */

static void list_domains(struct json_object *rows)
{
	char arch[SHORT_TEXT];

	printf("DOMAIN           STATE     DEVICE  ARCH  SESSIONS\n");
	for (size_t i = 0; i < count(rows); i++) {
		struct json_object *d = row(rows, i);

		printf("%-16s %-9s %-7s %-5s %" PRIu64 " of %" PRIu64 "\n", text(d, "name"),
		       text(d, "state"), text(d, "device"), arch_name(number(d, "arch"), arch),
		       number(d, "sessions"), number(d, "sessions_max"));
		if (text(d, "text")[0])
			printf("  %s\n", text(d, "text"));
	}
}

static void list_clients(struct json_object *rows)
{
	char user[SHORT_TEXT], column[COLUMN_TEXT], name[COLUMN_TEXT];

	if (!count(rows))
		return;
	printf("\n CLIENT      PID  USER         SESSIONS  NAME\n");
	for (size_t i = 0; i < count(rows); i++) {
		struct json_object *c = row(rows, i);

		fit_columns(name, sizeof(name), text(c, "name"), 38);
		user_name(number(c, "uid"), user);
		printf("%7" PRIu64 "  %7" PRIu64 "  %s %8" PRIu64 "  %s\n", number(c, "id"),
		       number(c, "pid"), pad_columns(column, user, 12), number(c, "sessions"),
		       name);
	}
}

static void list_sessions(struct json_object *rows)
{
	if (!count(rows))
		return;
	printf("\nSESSION   CLIENT  DOMAIN           STATE    MODULES\n");
	for (size_t i = 0; i < count(rows); i++) {
		struct json_object *s = row(rows, i);

		printf("%7" PRIu64 "  %7" PRIu64 "  %-15s  %-8s %7" PRIu64 "\n", number(s, "id"),
		       number(s, "client"), text(s, "domain"), text(s, "state"),
		       number(s, "modules"));
	}
}

static void print_list(struct json_object *all)
{
	list_domains(json_object_object_get(all, "domains"));
	list_clients(json_object_object_get(all, "clients"));
	list_sessions(json_object_object_get(all, "sessions"));
}

/* --- status --- */

static void show_daemon(struct json_object *d)
{
	char user[SHORT_TEXT], up[SHORT_TEXT], memory[SHORT_TEXT];

	printf("%s, %s for %s\n", text(d, "version"), text(d, "state"),
	       format_time(number(d, "uptime_ns"), up));
	printf("     pid: %" PRIu64 ", user %s%s\n", number(d, "pid"),
	       user_name(number(d, "uid"), user), number(d, "user_mode") ? " (--user)" : "");
	printf("  socket: %s\n", text(d, "socket"));
	printf("   usage: %" PRIu64 " client%s, %" PRIu64 " session%s, %s in buffers\n",
	       number(d, "clients"), number(d, "clients") == 1 ? "" : "s", number(d, "sessions"),
	       number(d, "sessions") == 1 ? "" : "s",
	       format_bytes(number(d, "buffer_bytes"), memory));
	printf("   calls: %" PRIu64 " done, %" PRIu64 " requests refused for a quota\n",
	       number(d, "calls"), number(d, "refused"));
}

static void show_domains(struct json_object *rows)
{
	char arch[SHORT_TEXT], busy[SHORT_TEXT];

	printf("\nDOMAIN   STATE     DEVICE  ARCH  SESSIONS  RUNNING  QUEUED      CALLS   DSP TIME\n");
	for (size_t i = 0; i < count(rows); i++) {
		struct json_object *d = row(rows, i);

		printf("%-8s %-9s %-7s %-5s %4" PRIu64 "/%-3" PRIu64 "  %7" PRIu64 " %7" PRIu64
		       " %10" PRIu64 " %10s\n", text(d, "name"), text(d, "state"),
		       text(d, "device"), arch_name(number(d, "arch"), arch),
		       number(d, "sessions"), number(d, "sessions_max"), number(d, "in_flight"),
		       number(d, "queued"), number(d, "calls"),
		       format_time(number(d, "busy_ns"), busy));
		if (text(d, "text")[0])
			printf("  %s\n", text(d, "text"));
	}
}

static void show_clients(struct json_object *rows)
{
	char user[SHORT_TEXT], memory[SHORT_TEXT], busy[SHORT_TEXT];
	char column[COLUMN_TEXT], name[COLUMN_TEXT];

	if (!count(rows))
		return;
	printf("\nCLIENT     PID USER     SESS  BUFFERS RUNNING   CALLS REFUSED  DSP TIME NAME\n");
	for (size_t i = 0; i < count(rows); i++) {
		struct json_object *c = row(rows, i);

		fit_columns(name, sizeof(name), text(c, "name"), 8);
		user_name(number(c, "uid"), user);
		printf("%6" PRIu64 " %7" PRIu64 " %s %4" PRIu64 " %8s %7" PRIu64 " %7" PRIu64
		       " %7" PRIu64 " %9s %s\n", number(c, "id"), number(c, "pid"),
		       pad_columns(column, user, 8), number(c, "sessions"),
		       format_bytes(number(c, "buffer_bytes"), memory), number(c, "in_flight"),
		       number(c, "calls"), number(c, "refused"),
		       format_time(number(c, "busy_ns"), busy), name);
	}
}

static void show_sessions(struct json_object *rows)
{
	char age[SHORT_TEXT], busy[SHORT_TEXT];

	if (!count(rows))
		return;
	printf("\nSESSION  CLIENT DOMAIN   STATE    MODULES RUNNING QUEUED   CALLS  DSP TIME AGE\n");
	for (size_t i = 0; i < count(rows); i++) {
		struct json_object *s = row(rows, i);

		printf("%7" PRIu64 " %7" PRIu64 " %-8.8s %-8.8s %7" PRIu64 " %7" PRIu64 " %6" PRIu64
		       " %7" PRIu64 " %9s %s\n", number(s, "id"), number(s, "client"),
		       text(s, "domain"), text(s, "state"), number(s, "modules"),
		       number(s, "calls_now"), number(s, "queued"), number(s, "calls"),
		       format_time(number(s, "busy_ns"), busy),
		       format_time(number(s, "age_ns"), age));
	}
}

static void print_status(struct json_object *all)
{
	show_daemon(json_object_object_get(all, "daemon"));
	show_domains(json_object_object_get(all, "domains"));
	show_clients(json_object_object_get(all, "clients"));
	show_sessions(json_object_object_get(all, "sessions"));
}

/* --- both --- */

static const struct {
	const char *key;
	enum status_kind kind;
} parts[] = {
	{ "daemon", STATUS_DAEMON },
	{ "domains", STATUS_DOMAINS },
	{ "clients", STATUS_CLIENTS },
	{ "sessions", STATUS_SESSIONS },
};

/* The broker has one row about itself; as a member it is the row, not a list. */
static void add_rows(struct json_object *all, const char *key, enum status_kind kind,
		     struct json_object *rows)
{
	if (kind != STATUS_DAEMON) {
		json_object_object_add(all, key, rows);
		return;
	}
	json_object_object_add(all, key, json_object_get(row(rows, 0)));
	json_object_put(rows);
}

static int collect(size_t first, struct json_object **out)
{
	struct json_object *all = json_object_new_object(), *rows;
	struct qda_client *client;
	struct qda_error e;
	int status = connect_broker(&client);

	if (status) {
		json_object_put(all);
		return status;
	}
	for (size_t i = first; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (get_rows(client, parts[i].kind, &rows, &e)) {
			qda_disconnect(client);
			json_object_put(all);
			return fail_error(&e);
		}
		add_rows(all, parts[i].key, parts[i].kind, rows);
	}
	qda_disconnect(client);
	*out = all;
	return EXIT_OK;
}

static int show(const struct verb *verb, int argc, char **argv, size_t first,
		void (*print)(struct json_object *all))
{
	static const struct option options[] = { COMMON_OPTIONS, { 0 } };
	struct json_object *all;
	int c, r;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		r = common_option(verb, c);
		if (r >= 0)
			return r;
	}
	if (optind < argc)
		return usage_error(verb, "what is \"%s\"?", argv[optind]);
	r = collect(first, &all);
	if (r)
		return r;
	if (common.json) {
		print_json(all);
		return EXIT_OK;
	}
	print(all);
	json_object_put(all);
	return EXIT_OK;
}

static int run_list(const struct verb *verb, int argc, char **argv)
{
	return show(verb, argc, argv, 1, print_list);
}

static int run_status(const struct verb *verb, int argc, char **argv)
{
	return show(verb, argc, argv, 0, print_status);
}

const struct verb verb_list = {
	"list",
	"DSP domains, clients and sessions",
	"Usage: qdactl list [--json] [--socket PATH]\n"
	"Lists the DSP domains, and the clients and sessions that you may see: your own\n"
	"ones; all of them for root, and whom the policy gives admin=status.\n",
	run_list,
};

const struct verb verb_status = {
	"status",
	"what the broker, the domains and the clients are doing",
	"Usage: qdactl status [--json] [--socket PATH]\n"
	"Shows the broker, the DSP domains, and clients and sessions with their load:\n"
	"  RUNNING   calls on the DSP now, parked ones apart\n"
	"  QUEUED    calls that wait for the DSP\n"
	"  CALLS     calls that have ended\n"
	"  REFUSED   requests refused for a quota\n"
	"  DSP TIME  time during which calls held the DSP\n"
	"Clients and sessions are your own ones; all of them for root, and whom the policy\n"
	"gives admin=status.\n",
	run_status,
};
