/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl quota: limits and what is used of them, and changing them.
 */
#include "qdactl.h"

#include "internal.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PAGES_MAX 100000

struct quota {
	const struct verb *verb;
	bool all;
	struct qda_msg_request set;
	bool has_user, has_client;
};

/* --- get --- */

struct page {
	const struct quota *quota;
	struct json_object *rows;
	uint64_t next;
};

static const char *const scopes[] = { "total", "uid", "connection" };

static struct json_object *entry_json(const struct qda_msg_quota_entry *e)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "limit", json_object_new_uint64(e->limit));
	json_object_object_add(o, "used", json_object_new_uint64(e->used));
	json_object_object_add(o, "peak", json_object_new_uint64(e->peak));
	json_object_object_add(o, "refused", json_object_new_uint64(e->refused));
	return o;
}

static struct json_object *row_json(const struct qda_msg_quota_row *row)
{
	struct json_object *o = json_object_new_object(), *entries = json_object_new_object();

	json_object_object_add(o, "scope", json_object_new_string(scopes[row->scope]));
	if (row->scope != QDA_QUOTA_TOTAL) {
		json_object_object_add(o, "uid", json_object_new_uint64(row->uid));
		json_object_object_add(o, "rule", json_object_new_string(row->rule));
	}
	if (row->scope == QDA_QUOTA_UID) {
		json_object_object_add(o, "weight", json_object_new_uint64(row->weight));
		json_object_object_add(o, "requests", json_object_new_uint64(row->requests));
		json_object_object_add(o, "burst", json_object_new_uint64(row->burst));
	}
	if (row->scope == QDA_QUOTA_CONNECTION) {
		json_object_object_add(o, "client", json_object_new_uint64(row->client));
		json_object_object_add(o, "name", json_object_new_string(row->name));
	}
	for (uint32_t i = 0; i < row->n_entries; i++)
		json_object_object_add(entries, row->entries[i].resource,
				       entry_json(&row->entries[i]));
	json_object_object_add(o, "resources", entries);
	return o;
}

/* All, what a user has with its clients, or one client. */
static bool is_wanted(const struct quota *q, const struct qda_msg_quota_row *row)
{
	if (q->has_client)
		return row->scope == QDA_QUOTA_CONNECTION && row->client == q->set.quota_set.client;
	if (q->has_user && (row->scope == QDA_QUOTA_TOTAL || row->uid != q->set.quota_set.uid))
		return false;
	return !q->set.quota_set.rule || !strcmp(row->rule, q->set.quota_set.rule);
}

static int take_page(void *data, const struct qda_delivery *in, struct qda_error *err)
{
	struct page *page = data;

	for (uint32_t i = 0; i < in->reply->quota_get.n; i++)
		if (is_wanted(page->quota, &in->reply->quota_get.rows[i]))
			json_object_array_add(page->rows, row_json(&in->reply->quota_get.rows[i]));
	page->next = in->reply->quota_get.next;
	return 0;
}

static void print_amount(const char *resource, uint64_t n)
{
	char bytes[SHORT_TEXT];

	if (strstr(resource, "bytes"))
		printf(" %10s", format_bytes(n, bytes));
	else
		printf(" %10" PRIu64, n);
}

static void print_entries(const struct quota *q, struct json_object *entries)
{
	json_object_object_foreach(entries, resource, e) {
		if (!q->all && !number(e, "used") && !number(e, "refused"))
			continue;
		printf("  %-14s", resource);
		print_amount(resource, number(e, "used"));
		print_amount(resource, number(e, "limit"));
		print_amount(resource, number(e, "peak"));
		printf(" %10" PRIu64 "\n", number(e, "refused"));
	}
}

static void print_row(const struct quota *q, struct json_object *row)
{
	const char *scope = text(row, "scope");
	char user[SHORT_TEXT];

	if (!strcmp(scope, "total"))
		printf("ALL CLIENTS TOGETHER\n");
	else if (!strcmp(scope, "uid"))
		printf("\nUSER %s (uid %" PRIu64 "), rule %s, weight %" PRIu64 ", requests %" PRIu64
		       ", burst %" PRIu64 "\n",
		       user_name(number(row, "uid"), user), number(row, "uid"), text(row, "rule"),
		       number(row, "weight"), number(row, "requests"), number(row, "burst"));
	else
		printf("\nCLIENT %" PRIu64 " %s, user %s\n", number(row, "client"),
		       text(row, "name"), user_name(number(row, "uid"), user));
	print_entries(q, json_object_object_get(row, "resources"));
}

static int get(const struct quota *q, struct qda_client *client)
{
	struct page page = { q, json_object_new_array(), 0 };
	struct qda_error e;
	int r = 0;

	for (unsigned n = 0; n < PAGES_MAX; n++) {
		struct qda_msg_request request = { .type = QDA_TYPE_QUOTA_GET,
						   .quota_get = { page.next } };

		r = qda_request(client, &request, NULL, 0, take_page, &page, &e);
		if (r || !page.next)
			break;
	}
	if (r || !json_object_array_length(page.rows)) {
		json_object_put(page.rows);
		return r ? fail_error(&e)
			 : fail(-ENOENT, "there is nothing of that %s, or it is not yours to see",
				q->has_client ? "client" : "user");
	}
	if (common.json) {
		print_json(page.rows);
		return EXIT_OK;
	}
	printf("  %-14s %10s %10s %10s %10s\n", "RESOURCE", "USED", "LIMIT", "PEAK", "REFUSED");
	for (size_t i = 0; i < json_object_array_length(page.rows); i++)
		print_row(q, json_object_array_get_idx(page.rows, i));
	json_object_put(page.rows);
	return EXIT_OK;
}

/* --- set --- */

/* "8", "64K", "256M", "4G". */
static bool parse_amount(const char *s, uint64_t *out)
{
	static const char units[] = "KMG";
	const char *unit;
	char *end;

	errno = 0;
	*out = strtoull(s, &end, 10);
	if (errno || end == s || *s == '-')
		return false;
	if (!*end)
		return true;
	unit = strchr(units, *end);
	if (!unit || end[1] || *out >> (54 - 10 * (unit - units)))
		return false;
	*out <<= 10 * (unit - units + 1);
	return true;
}

static int set_one(struct quota *q, struct qda_client *client, char *word)
{
	char *value = strchr(word, '=');
	struct qda_error e;

	if (!value || !parse_amount(value + 1, &q->set.quota_set.limit))
		return usage_error(q->verb, "RESOURCE=LIMIT is wanted (sessions=4, "
				   "buffer_bytes=256M), not \"%s\"", word);
	*value = '\0';
	q->set.quota_set.resource = word;
	if (qda_request(client, &q->set, NULL, 0, NULL, NULL, &e))
		return fail_error(&e);
	if (!common.json)
		printf("%s=%s set\n", word, value + 1);
	return EXIT_OK;
}

/* One after the other: when one fails, those before it have been said to be set. */
static int set(struct quota *q, struct qda_client *client, int argc, char **argv)
{
	int r = EXIT_OK;

	for (int i = 0; i < argc && r == EXIT_OK; i++)
		r = set_one(q, client, argv[i]);
	if (r == EXIT_OK && common.json)
		print_json(json_object_new_object());
	return r;
}

/* total, or what the options say. */
static int take_scope(struct quota *q, int argc, char **argv, int *first)
{
	bool total = argc > 1 && !strcmp(argv[1], "total");

	if (q->has_user + q->has_client + total != 1)
		return usage_error(q->verb, "one of these is needed: total, --user, --client");
	q->set.quota_set.scope = total	       ? QDA_QUOTA_TOTAL
				 : q->has_user ? QDA_QUOTA_UID
					       : QDA_QUOTA_CONNECTION;
	*first = total ? 2 : 1;
	if (*first >= argc)
		return usage_error(q->verb, "which RESOURCE=LIMIT?");
	return -1;
}

/* --- the verb --- */

static int take_option(struct quota *q, int c)
{
	switch (c) {
	case 'a':
		q->all = true;
		return -1;
	case 'u':
		q->has_user = true;
		if (!parse_user(optarg, &q->set.quota_set.uid))
			return usage_error(q->verb, "there is no user \"%s\" here", optarg);
		return -1;
	case 'r':
		q->set.quota_set.rule = optarg;
		return -1;
	case 'c':
		q->has_client = true;
		if (!parse_uint(optarg, UINT64_MAX, &q->set.quota_set.client))
			return usage_error(q->verb, "no number of a client: \"%s\"", optarg);
		return -1;
	default:
		return common_option(q->verb, c);
	}
}

static int run_quota(const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_OPTIONS,
		{ "all", no_argument, NULL, 'a' },
		{ "user", required_argument, NULL, 'u' },
		{ "rule", required_argument, NULL, 'r' },
		{ "client", required_argument, NULL, 'c' },
		{ 0 },
	};
	struct quota q = { .verb = verb, .set = { .type = QDA_TYPE_QUOTA_SET } };
	struct qda_client *client;
	int c, r, first = 0;
	bool setting;

	while ((c = getopt_long(argc, argv, "ha", options, NULL)) >= 0) {
		r = take_option(&q, c);
		if (r >= 0)
			return r;
	}
	argc -= optind;
	argv += optind;
	setting = argc && !strcmp(argv[0], "set");
	if (argc && !setting)
		return usage_error(verb, "what is \"%s\"?", argv[0]);
	if (!setting && q.has_user && q.has_client)
		return usage_error(verb, "--user or --client, not both");
	r = setting ? take_scope(&q, argc, argv, &first) : -1;
	if (r < 0 && q.set.quota_set.rule && !q.has_user)
		return usage_error(verb, "--rule goes with --user");
	if (r >= 0)
		return r;
	r = connect_broker(&client);
	if (r)
		return r;
	r = setting ? set(&q, client, argc - first, argv + first) : get(&q, client);
	qda_disconnect(client);
	return r;
}

const struct verb verb_quota = {
	"quota",
	"limits and what is used of them; change them",
	"Usage: qdactl quota [--all] [--json]\n"
	"                    [--user NAME|UID [--rule RULE] | --client ID]\n"
	"       qdactl quota set total RESOURCE=LIMIT...\n"
	"       qdactl quota set --user NAME|UID [--rule RULE] RESOURCE=LIMIT...\n"
	"       qdactl quota set --client ID RESOURCE=LIMIT...\n"
	"Shows what all clients together, each user, and each client use, may use, used at\n"
	"most, and how often they were refused more, or one of them; --all: also what is\n"
	"not in use.\n"
	"set changes limits, one after the other, and says each that is set. They hold until\n"
	"the configuration is read again (those of a client: until it goes). LIMIT may end\n"
	"in K, M or G. A limit below what is in use takes nothing away: it refuses the\n"
	"next. Of users, weight (of DSP time; 100 is usual), requests (a second) and burst\n"
	"can be set, too. For root, and whom the policy gives admin=quota.\n",
	run_quota,
};
