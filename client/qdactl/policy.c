/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl policy check: what the policy says to somebody, and which rule says it. Names of users and
 * groups are looked up here; the broker knows numbers only.
 */
#include "qdactl.h"

#include "internal.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct check {
	const struct verb *verb;
	uint32_t groups[QDA_GROUPS_MAX];
	struct qda_msg_request request;
	bool has_user, allow;
	char rule[QDA_NAME_MAX + 1];
};

static int add_group(struct check *c, uint32_t gid)
{
	uint32_t *n = &c->request.policy_check.n_groups;

	if (*n == QDA_GROUPS_MAX)
		return usage_error(c->verb, "more than %u groups", QDA_GROUPS_MAX);
	c->groups[(*n)++] = gid;
	return -1;
}

/* A user comes with the groups that it has on this machine. */
static int take_user(struct check *c, const char *name)
{
	const struct passwd *p;
	gid_t groups[QDA_GROUPS_MAX];
	int n = QDA_GROUPS_MAX;
	uint32_t uid;

	if (!parse_user(name, &uid))
		return usage_error(c->verb, "there is no user \"%s\" here", name);
	c->has_user = true;
	c->request.policy_check.uid = uid;
	c->request.policy_check.gid = uid;
	p = getpwuid(uid);
	if (!p)
		return -1; /* a number without a name: no groups either */
	c->request.policy_check.gid = p->pw_gid;
	if (getgrouplist(p->pw_name, p->pw_gid, groups, &n) < 0)
		n = QDA_GROUPS_MAX;
	for (int i = 0; i < n; i++)
		add_group(c, groups[i]);
	return -1;
}

/* As the broker sees this process, which need not have the groups that its user would get today. */
static int take_self(struct check *c)
{
	gid_t groups[QDA_GROUPS_MAX];
	int n = getgroups(QDA_GROUPS_MAX, groups), r = -1;

	c->request.policy_check.uid = geteuid();
	c->request.policy_check.gid = getegid();
	if (n < 0)
		return fail(-errno, "the groups of this process cannot be had: %s",
			    strerror(errno));
	for (int i = 0; i < n && r < 0; i++)
		r = add_group(c, groups[i]);
	return r;
}

static int take_group(struct check *c, const char *name)
{
	const struct group *g = getgrnam(name);
	uint64_t gid;

	if (g)
		return add_group(c, g->gr_gid);
	if (!parse_uint(name, UINT32_MAX - 1, &gid))
		return usage_error(c->verb, "there is no group \"%s\" here", name);
	return add_group(c, (uint32_t)gid);
}

static int take_kind(struct check *c, const char *kind)
{
	c->request.policy_check.kind = !strcmp(kind, "privileged");
	if (!c->request.policy_check.kind && strcmp(kind, "unsigned"))
		return usage_error(c->verb, "--kind is unsigned or privileged, not \"%s\"", kind);
	return -1;
}

static int take_option(struct check *c, int option)
{
	switch (option) {
	case 'u':
		return take_user(c, optarg);
	case 'g':
		return take_group(c, optarg);
	case 'k':
		return take_kind(c, optarg);
	case 'U':
		c->request.policy_check.unit = optarg;
		return -1;
	case 'a':
		c->request.policy_check.action = optarg;
		return -1;
	case 'd':
		c->request.policy_check.domain = optarg;
		return -1;
	case 'm':
		c->request.policy_check.module = optarg;
		return -1;
	default:
		return common_option(c->verb, option);
	}
}

static int parse_command(struct check *c, int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_OPTIONS,
		{ "user", required_argument, NULL, 'u' },
		{ "group", required_argument, NULL, 'g' },
		{ "unit", required_argument, NULL, 'U' },
		{ "action", required_argument, NULL, 'a' },
		{ "domain", required_argument, NULL, 'd' },
		{ "kind", required_argument, NULL, 'k' },
		{ "module", required_argument, NULL, 'm' },
		{ 0 },
	};
	int o, r;

	while ((o = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		r = take_option(c, o);
		if (r >= 0)
			return r;
	}
	if (optind + 1 != argc || strcmp(argv[optind], "check"))
		return usage_error(c->verb, "what can be done is: check");
	if (!c->request.policy_check.action)
		return usage_error(c->verb, "--action is needed");
	return c->has_user ? -1 : take_self(c);
}

static int take_verdict(void *data, const struct qda_delivery *in, struct qda_error *err)
{
	struct check *c = data;

	c->allow = in->reply->policy_check.allow;
	snprintf(c->rule, sizeof(c->rule), "%s", in->reply->policy_check.rule);
	return 0;
}

/* An action in words; one that is not known here is the broker's, and its own word for it. */
static const char *in_words(const char *action)
{
	static const char *const words[][2] = {
		{ "use", "use the DSP" },
		{ "session", "open such a session" },
		{ "module", "load this module" },
		{ "dirs", "bring module directories" },
		{ "urgent", "make urgent calls" },
		{ "parked", "make parked calls" },
		{ "status", "see what others do" },
		{ "reload", "reload the configuration" },
		{ "quota", "change quotas" },
		{ "kill", "end what is others'" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(words[i][0], action))
			return words[i][1];
	return action;
}

static void print_verdict(const struct check *c)
{
	struct json_object *o;
	char user[SHORT_TEXT];

	if (common.json) {
		o = json_object_new_object();
		json_object_object_add(o, "allow", json_object_new_boolean(c->allow));
		json_object_object_add(o, "rule", json_object_new_string(c->rule));
		print_json(o);
		return;
	}
	printf("%s %s %s: ", user_name(c->request.policy_check.uid, user),
	       c->allow ? "may" : "may not", in_words(c->request.policy_check.action));
	if (*c->rule)
		printf("rule \"%s\" says so\n", c->rule);
	else
		printf("no rule allows it\n");
}

static int run_policy(const struct verb *verb, int argc, char **argv)
{
	struct check c = { .verb = verb, .request = { .type = QDA_TYPE_POLICY_CHECK } };
	struct qda_client *client;
	struct qda_error e;
	int r;

	c.request.policy_check.groups = c.groups;
	r = parse_command(&c, argc, argv);
	if (r >= 0)
		return r;
	r = connect_broker(&client);
	if (r)
		return r;
	if (qda_request(client, &c.request, NULL, 0, take_verdict, &c, &e)) {
		r = fail_error(&e);
	} else {
		print_verdict(&c);
		r = c.allow ? EXIT_OK : EXIT_FAILED;
	}
	qda_disconnect(client);
	return r;
}

const struct verb verb_policy = {
	"policy",
	"who may do what, and which rule says so",
	"Usage: qdactl policy check --action ACTION [OPTION]...\n"
	"Asks the broker what its policy says, without doing it. ACTION is one of\n"
	"  use       anything at all\n"
	"  session   open a session\n"
	"  module    load a module (--module URI)\n"
	"  dirs      bring module directories\n"
	"  urgent    make calls that go before those of others\n"
	"  parked    make calls that hold no slot\n"
	"  status, reload, quota, kill   what administrators do\n"
	"Who and where:\n"
	"  --user NAME|UID    with its groups on this machine; default: you, with those of\n"
	"                     this process\n"
	"  --group NAME|GID   one more group; may be given several times\n"
	"  --unit UNIT        as if run by this system unit\n"
	"  --domain DOMAIN    default: the first one\n"
	"  --kind KIND        of the session: unsigned (default) or privileged\n"
	"Exit status: 0 allowed, 1 not (or it failed). About other users only for root, and\n"
	"whom the policy gives admin=status.\n",
	run_policy,
};
