/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl kill and qdactl reload.
 */
#include "qdactl.h"

#include "internal.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

/* Options of a verb that has none of its own. -1: go on with argv[optind]. */
static int no_options(const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = { COMMON_OPTIONS, { 0 } };
	int c, r;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		r = common_option(verb, c);
		if (r >= 0)
			return r;
	}
	return -1;
}

/* --- kill --- */

static int run_kill(const struct verb *verb, int argc, char **argv)
{
	struct qda_msg_request request = { .type = QDA_TYPE_KILL };
	struct qda_client *client;
	struct qda_error e;
	int r = no_options(verb, argc, argv);

	if (r >= 0)
		return r;
	if (argc - optind != 2)
		return usage_error(verb, "client or session, and its number, are needed");
	if (!strcmp(argv[optind], "session"))
		request.kill.kind = QDA_KILL_SESSION;
	else if (strcmp(argv[optind], "client"))
		return usage_error(verb, "neither client nor session: \"%s\"", argv[optind]);
	if (!parse_uint(argv[optind + 1], UINT64_MAX, &request.kill.id))
		return usage_error(verb, "no number: \"%s\"", argv[optind + 1]);
	r = connect_broker(&client);
	if (r)
		return r;
	if (qda_request(client, &request, NULL, 0, NULL, NULL, &e))
		r = fail_error(&e);
	else if (common.json)
		print_json(json_object_new_object());
	else
		printf("%s %s ended\n", argv[optind], argv[optind + 1]);
	qda_disconnect(client);
	return r;
}

const struct verb verb_kill = {
	"kill",
	"end a client's connection, or a session",
	"Usage: qdactl kill client ID | session ID\n"
	"Ends a connection with all it has, or one session: its client is told, and may\n"
	"open another. IDs are those of qdactl list and qdactl status. Your own may always\n"
	"be ended; others by root, and whom the policy gives admin=kill.\n",
	run_kill,
};

/* --- reload --- */

static int take_text(void *data, const struct qda_delivery *in, struct qda_error *err)
{
	snprintf(data, QDA_TEXT_MAX + 1, "%s", in->reply->reload.text);
	return 0;
}

static int run_reload(const struct verb *verb, int argc, char **argv)
{
	struct qda_msg_request request = { .type = QDA_TYPE_RELOAD };
	char text[QDA_TEXT_MAX + 1];
	struct json_object *o;
	struct qda_client *client;
	struct qda_error e;
	int r = no_options(verb, argc, argv);

	if (r >= 0)
		return r;
	if (optind < argc)
		return usage_error(verb, "what is \"%s\"?", argv[optind]);
	r = connect_broker(&client);
	if (r)
		return r;
	if (qda_request(client, &request, NULL, 0, take_text, text, &e)) {
		r = fail_error(&e);
	} else if (common.json) {
		o = json_object_new_object();
		json_object_object_add(o, "text", json_object_new_string(text));
		print_json(o);
	} else {
		printf("the configuration was read again%s%s\n", *text ? "; " : "", text);
	}
	qda_disconnect(client);
	return r;
}

const struct verb verb_reload = {
	"reload",
	"have the broker read its configuration again",
	"Usage: qdactl reload\n"
	"Has qdad read its configuration again, as SIGHUP does. With an error in it, what\n"
	"held before goes on to hold, and the error is shown. Limits that qdactl quota set\n"
	"changed are again those of the configuration. For root, and whom the policy gives\n"
	"admin=reload.\n",
	run_reload,
};
