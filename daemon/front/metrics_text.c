/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text of metrics: a table of families, each with how its objects are found and what is shown
 * of one. The text format wants all of a family together.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/domain.h"
#include "core/stats.h"
#include "front/metrics.h"
#include "util/stall.h"

#define OBJECT_MAX 6000u /* bytes that one object of a family takes at most */

struct text {
	char *at, *end;
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->at, (size_t)(t->end - t->at), format, args);
	va_end(args);
	t->at += n < t->end - t->at ? n : t->end - t->at;
}

/* Labels of the object that is shown: "domain=\"cdsp\"" or "uid=\"1000\",rule=\"default\"". */
struct subject {
	const struct qda_core *core;
	const struct qda_domain *domain;
	const struct qda_user *user;
	char labels[96];
};

static const char *seconds(uint64_t ns, char out[32])
{
	snprintf(out, 32, "%" PRIu64 ".%09" PRIu64, ns / 1000000000, ns % 1000000000);
	return out;
}

struct family {
	const char *name, *type, *unit, *help;
	enum { OF_DAEMON, OF_DOMAINS, OF_USERS } of;
	void (*show)(struct text *t, const char *name, const struct subject *s);
};

static void number(struct text *t, const char *name, const struct subject *s, uint64_t n)
{
	put(t, "%s{%s} %" PRIu64 "\n", name, s->labels, n);
}

static void duration(struct text *t, const char *name, const struct subject *s, uint64_t ns)
{
	char text[32];

	put(t, "%s{%s} %s\n", name, s->labels, seconds(ns, text));
}

static void buckets(struct text *t, const char *name, const struct subject *s,
		    const uint64_t *bucket, unsigned n, uint64_t first_ns, uint64_t sum_ns)
{
	const char *comma = *s->labels ? "," : "";
	uint64_t count = 0;
	char le[32];

	for (unsigned i = 0; i < n; i++) {
		count += bucket[i];
		if (i + 1 < n)
			put(t, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", name, s->labels, comma,
			    seconds(first_ns << i, le), count);
	}
	put(t, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, s->labels, comma, count);
	put(t, "%s_sum{%s} %s\n%s_count{%s} %" PRIu64 "\n", name, s->labels, seconds(sum_ns, le),
	    name, s->labels, count);
}

static void histogram(struct text *t, const char *name, const struct subject *s,
		      const struct qda_histogram *h)
{
	buckets(t, name, s, h->bucket, QDA_HISTOGRAM_BUCKETS, qda_histogram_bound(0), h->sum_ns);
}

/* --- the daemon --- */

static void show_build(struct text *t, const char *name, const struct subject *s)
{
	put(t, "%s_info{version=\"" QDA_VERSION "\"} 1\n", name);
}

static void show_uptime(struct text *t, const char *name, const struct subject *s)
{
	duration(t, name, s, qda_core_now(s->core) - s->core->started_ns);
}

static void show_clients(struct text *t, const char *name, const struct subject *s)
{
	put(t, "%s %" PRIu32 "\n", name, s->core->n_clients);
}

static void show_refusals(struct text *t, const char *name, const struct subject *s)
{
	const struct qda_refusals *r = &s->core->refusals;

	for (unsigned i = 0; i < QDA_RES_N; i++)
		put(t, "%s_total{reason=\"quota\",resource=\"%s\"} %" PRIu64 "\n", name,
		    qda_resource_name(i), r->quota[i]);
	put(t, "%s_total{reason=\"policy\",resource=\"\"} %" PRIu64 "\n", name, r->policy);
	put(t, "%s_total{reason=\"device\",resource=\"\"} %" PRIu64 "\n", name, r->device);
	put(t, "%s_total{reason=\"other\",resource=\"\"} %" PRIu64 "\n", name, r->other);
}

static void account(struct text *t, const char *name, const struct subject *s,
		    const uint64_t *values)
{
	for (unsigned i = 0; i < QDA_RES_N; i++)
		put(t, "%s{%s%sresource=\"%s\"} %" PRIu64 "\n", name, s->labels,
		    *s->labels ? "," : "", qda_resource_name(i), values[i]);
}

static void show_total_usage(struct text *t, const char *name, const struct subject *s)
{
	account(t, name, s, s->core->total.used);
}

static void show_total_limits(struct text *t, const char *name, const struct subject *s)
{
	account(t, name, s, s->core->total.limit);
}

static void show_callbacks(struct text *t, const char *name, const struct subject *s)
{
	const struct qda_stall *stall = qda_stall_get();

	buckets(t, name, s, stall->bucket, QDA_STALL_BUCKETS, 2000, stall->sum_ns);
}

static void show_longest(struct text *t, const char *name, const struct subject *s)
{
	char text[32];

	put(t, "%s %s\n", name, seconds(qda_stall_get()->longest_ns, text));
}

/* --- domains --- */

static void show_up(struct text *t, const char *name, const struct subject *s)
{
	number(t, name, s, s->domain->state == QDA_DEVICE_UP);
}

static void show_sessions(struct text *t, const char *name, const struct subject *s)
{
	number(t, name, s, s->domain->sessions);
}

static void show_banks(struct text *t, const char *name, const struct subject *s)
{
	number(t, name, s, s->domain->info.sessions_max);
}

static void show_running(struct text *t, const char *name, const struct subject *s)
{
	number(t, name, s, s->domain->in_flight);
}

static void show_slots(struct text *t, const char *name, const struct subject *s)
{
	number(t, name, s, s->domain->in_flight_max);
}

static void show_queued(struct text *t, const char *name, const struct subject *s)
{
	number(t, name, s, s->domain->queued);
}

static void show_domain_queue(struct text *t, const char *name, const struct subject *s)
{
	histogram(t, name, s, &s->domain->stats.queue);
}

static void show_domain_dsp(struct text *t, const char *name, const struct subject *s)
{
	histogram(t, name, s, &s->domain->stats.dsp);
}

static void ended(struct text *t, const char *name, const struct subject *s,
		  const struct qda_stats *stats)
{
	put(t, "%s_total{%s,how=\"expired\"} %" PRIu64 "\n", name, s->labels, stats->expired);
	put(t, "%s_total{%s,how=\"cancelled\"} %" PRIu64 "\n", name, s->labels, stats->cancelled);
}

static void lost(struct text *t, const char *name, const struct subject *s,
		 const struct qda_stats *stats)
{
	put(t, "%s_total{%s,why=\"died\"} %" PRIu64 "\n", name, s->labels, stats->lost);
	put(t, "%s_total{%s,why=\"hung\"} %" PRIu64 "\n", name, s->labels, stats->hung);
}

static void show_domain_given_up(struct text *t, const char *name, const struct subject *s)
{
	ended(t, name, s, &s->domain->stats);
}

static void show_domain_lost(struct text *t, const char *name, const struct subject *s)
{
	lost(t, name, s, &s->domain->stats);
}

/* --- users --- */

static void show_user_queue(struct text *t, const char *name, const struct subject *s)
{
	histogram(t, name, s, &s->user->stats.queue);
}

static void show_user_dsp(struct text *t, const char *name, const struct subject *s)
{
	histogram(t, name, s, &s->user->stats.dsp);
}

static void show_user_given_up(struct text *t, const char *name, const struct subject *s)
{
	ended(t, name, s, &s->user->stats);
}

static void show_user_lost(struct text *t, const char *name, const struct subject *s)
{
	lost(t, name, s, &s->user->stats);
}

static void show_user_usage(struct text *t, const char *name, const struct subject *s)
{
	account(t, name, s, s->user->account.used);
}

static void show_user_limits(struct text *t, const char *name, const struct subject *s)
{
	account(t, name, s, s->user->limits);
}

static void show_weight(struct text *t, const char *name, const struct subject *s)
{
	number(t, name, s, s->user->weight);
}

/* clang-format off */
static const struct family families[] = {
	{ "qdad_build", "info", "", "Version of the daemon.", OF_DAEMON, show_build },
	{ "qdad_uptime_seconds", "gauge", "seconds", "Time since the daemon started.", OF_DAEMON, show_uptime },
	{ "qdad_clients", "gauge", "", "Connections.", OF_DAEMON, show_clients },
	{ "qdad_refusals", "counter", "", "Requests refused or failed in the daemon, by reason.", OF_DAEMON, show_refusals },
	{ "qdad_usage", "gauge", "", "What all clients hold together, by resource.", OF_DAEMON, show_total_usage },
	{ "qdad_limit", "gauge", "", "What all clients may hold together, by resource.", OF_DAEMON, show_total_limits },
	{ "qdad_loop_callback_seconds", "histogram", "seconds", "CPU time of callbacks of the event loop.", OF_DAEMON, show_callbacks },
	{ "qdad_loop_longest_callback_seconds", "gauge", "seconds", "CPU time of the longest callback so far.", OF_DAEMON, show_longest },
	{ "qdad_domain_up", "gauge", "", "1 when the DSP of the domain is there.", OF_DOMAINS, show_up },
	{ "qdad_domain_sessions", "gauge", "", "Sessions that hold a context bank.", OF_DOMAINS, show_sessions },
	{ "qdad_domain_sessions_limit", "gauge", "", "Context banks of the DSP.", OF_DOMAINS, show_banks },
	{ "qdad_domain_calls_running", "gauge", "", "Calls on the DSP.", OF_DOMAINS, show_running },
	{ "qdad_domain_calls_running_limit", "gauge", "", "Calls on the DSP at one time, at most.", OF_DOMAINS, show_slots },
	{ "qdad_domain_calls_queued", "gauge", "", "Calls that wait for the DSP.", OF_DOMAINS, show_queued },
	{ "qdad_domain_queue_seconds", "histogram", "seconds", "Time calls waited for the DSP.", OF_DOMAINS, show_domain_queue },
	{ "qdad_domain_dsp_seconds", "histogram", "seconds", "Time calls held the DSP.", OF_DOMAINS, show_domain_dsp },
	{ "qdad_domain_calls_given_up", "counter", "", "Calls past their deadline, or cancelled.", OF_DOMAINS, show_domain_given_up },
	{ "qdad_domain_sessions_lost", "counter", "", "Sessions whose protection domain died, or was ended since a call hung.", OF_DOMAINS, show_domain_lost },
	{ "qdad_user_queue_seconds", "histogram", "seconds", "Time calls of the user waited for a DSP.", OF_USERS, show_user_queue },
	{ "qdad_user_dsp_seconds", "histogram", "seconds", "Time calls of the user held a DSP.", OF_USERS, show_user_dsp },
	{ "qdad_user_calls_given_up", "counter", "", "Calls of the user past their deadline, or cancelled.", OF_USERS, show_user_given_up },
	{ "qdad_user_sessions_lost", "counter", "", "Sessions of the user that died or hung.", OF_USERS, show_user_lost },
	{ "qdad_user_usage", "gauge", "", "What the clients of the user hold, by resource.", OF_USERS, show_user_usage },
	{ "qdad_user_limit", "gauge", "", "What the clients of the user may hold, by resource.", OF_USERS, show_user_limits },
	{ "qdad_user_weight", "gauge", "", "Weight of the user's DSP time against that of others.", OF_USERS, show_weight },
};
/* clang-format on */

#define N_FAMILIES (sizeof(families) / sizeof(families[0]))

static const struct qda_domain *next_domain(const struct qda_core *core,
					    const struct qda_metrics_cursor *c)
{
	const struct qda_domain *domain;

	if (!c->any)
		return TAILQ_FIRST(&core->domains);
	TAILQ_FOREACH (domain, &core->domains, link)
		if (!strcmp(domain->name, c->domain))
			return TAILQ_NEXT(domain, link);
	return NULL;
}

/* The next object of the family that is being shown. False: there is none. */
static bool next(const struct qda_core *core, struct qda_metrics_cursor *c, struct subject *s)
{
	*s = (struct subject){ .core = core };
	switch (families[c->family].of) {
	case OF_DAEMON:
		if (c->any)
			return false;
		break;
	case OF_DOMAINS:
		s->domain = next_domain(core, c);
		if (!s->domain)
			return false;
		snprintf(c->domain, sizeof(c->domain), "%s", s->domain->name);
		snprintf(s->labels, sizeof(s->labels), "domain=\"%s\"", c->domain);
		break;
	case OF_USERS:
		s->user = qda_user_after(core, c->uid, c->any ? c->rule : NULL);
		if (!s->user)
			return false;
		c->uid = s->user->uid;
		snprintf(c->rule, sizeof(c->rule), "%s", s->user->rule);
		snprintf(s->labels, sizeof(s->labels), "uid=\"%" PRIu32 "\",rule=\"%s\"", c->uid,
			 c->rule);
		break;
	}
	c->any = true;
	return true;
}

static void show_head(struct text *t, const struct family *f)
{
	put(t, "# TYPE %s %s\n", f->name, f->type);
	if (*f->unit)
		put(t, "# UNIT %s %s\n", f->name, f->unit);
	put(t, "# HELP %s %s\n", f->name, f->help);
}

size_t qda_metrics_text(const struct qda_core *core, struct qda_metrics_cursor *c, char *out)
{
	struct text t = { out, out + QDA_METRICS_PIECE };
	struct subject s;

	while (c->family < N_FAMILIES && t.end - t.at > OBJECT_MAX) {
		const struct family *f = &families[c->family];

		if (!c->begun)
			show_head(&t, f);
		c->begun = true;
		if (next(core, c, &s))
			f->show(&t, f->name, &s);
		else
			*c = (struct qda_metrics_cursor){ .family = c->family + 1 };
	}
	if (c->family == N_FAMILIES) {
		put(&t, "# EOF\n");
		c->family++;
	}
	return (size_t)(t.at - out);
}
