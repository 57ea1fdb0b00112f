/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl top: what changed between two looks at the broker.
 */
#include "top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void copy(char *out, size_t size, const char *s)
{
	snprintf(out, size, "%s", s);
}

/* What was added since; a counter that went back belongs to a broker that was started again. */
static uint64_t added(uint64_t now, uint64_t before)
{
	return now >= before ? now - before : now;
}

static struct top_domain *find_domain(struct top_domain *domains, unsigned n, const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(domains[i].name, name))
			return &domains[i];
	return NULL;
}

static void take_domain(struct top_domain *d, struct json_object *row,
			const struct top_domain *before, uint64_t dt)
{
	uint64_t busy = number(row, "busy_ns");

	if (before)
		memcpy(d->history, before->history + 1, sizeof(d->history) - sizeof(double));
	copy(d->name, sizeof(d->name), text(row, "name"));
	copy(d->state, sizeof(d->state), text(row, "state"));
	copy(d->device, sizeof(d->device), text(row, "device"));
	d->in_flight = number(row, "in_flight");
	d->in_flight_max = number(row, "in_flight_max");
	d->queued = number(row, "queued");
	d->parked = number(row, "parked");
	d->sessions = number(row, "sessions");
	d->sessions_max = number(row, "sessions_max");
	d->waiting = number(row, "waiting");
	d->quarantined = number(row, "quarantined");
	d->busy_ns = busy;
	if (before && dt && d->in_flight_max)
		d->load = (double)added(busy, before->busy_ns) / (double)dt /
			  (double)d->in_flight_max;
	/* Calls count when they end: one that is long may bring more than there was time for. */
	if (d->load > 1)
		d->load = 1;
	d->history[TOP_HISTORY - 1] = d->load;
}

/* Returns the DSP time of all domains since the look before. */
static uint64_t take_domains(struct top *t, struct json_object *rows, uint64_t dt)
{
	struct top_domain old[TOP_DOMAINS];
	unsigned n_old = t->n_domains;
	uint64_t busy = 0;

	memcpy(old, t->domains, sizeof(old));
	memset(t->domains, 0, sizeof(t->domains));
	t->n_domains = 0;
	for (size_t i = 0; i < json_object_array_length(rows) && i < TOP_DOMAINS; i++) {
		struct json_object *row = json_object_array_get_idx(rows, i);
		struct top_domain *before = find_domain(old, n_old, text(row, "name"));

		take_domain(&t->domains[t->n_domains++], row, before, dt);
		if (before)
			busy += added(number(row, "busy_ns"), before->busy_ns);
	}
	return busy;
}

static int by_id(const void *a, const void *b)
{
	const struct top_client *c = a, *d = b;

	return (c->id > d->id) - (c->id < d->id);
}

static void take_client(struct top_client *c, struct json_object *row)
{
	*c = (struct top_client){
		.id = number(row, "id"),
		.uid = number(row, "uid"),
		.pid = number(row, "pid"),
		.in_flight = number(row, "in_flight"),
		.calls_now = number(row, "calls_now"),
		.memory = number(row, "buffer_bytes"),
		.refused = number(row, "refused"),
		.sessions = number(row, "sessions"),
		.calls = number(row, "calls"),
		.busy_ns = number(row, "busy_ns"),
	};
	user_name(c->uid, c->user);
	copy(c->name, sizeof(c->name), text(row, "name"));
	copy(c->program, sizeof(c->program), text(row, "program"));
	copy(c->unit, sizeof(c->unit), text(row, "unit"));
}

static int take_clients(struct top *t, struct json_object *rows, uint64_t dt, uint64_t busy)
{
	size_t n = json_object_array_length(rows);
	struct top_client *all = calloc(n + 1, sizeof(*all)), *before;
	struct top_client *shown = calloc(n + 1, sizeof(*shown));

	if (!all || !shown) {
		free(all);
		free(shown);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		struct top_client *c = &all[i];

		take_client(c, json_object_array_get_idx(rows, i));
		before = t->all ? bsearch(c, t->all, t->n_all, sizeof(*c), by_id) : NULL;
		if (!before || !dt)
			continue;
		c->calls_s = (double)added(c->calls, before->calls) * 1e9 / (double)dt;
		if (busy)
			c->share = (double)added(c->busy_ns, before->busy_ns) / (double)busy;
		/* Clients are looked at a moment after the domains. */
		if (c->share > 1)
			c->share = 1;
	}
	qsort(all, n, sizeof(*all), by_id);
	free(t->all);
	free(t->clients);
	t->all = all;
	t->clients = shown;
	t->n_all = n;
	return 0;
}

static int get_all(struct qda_client *client, struct json_object *rows[3], struct qda_error *err)
{
	static const enum status_kind kinds[] = { STATUS_DAEMON, STATUS_DOMAINS, STATUS_CLIENTS };

	for (unsigned i = 0; i < 3; i++) {
		int r = get_rows(client, kinds[i], &rows[i], err);

		if (!r)
			continue;
		while (i--)
			json_object_put(rows[i]);
		return r;
	}
	return 0;
}

int top_look(struct top *t, struct qda_client *client, struct qda_error *err)
{
	struct json_object *rows[3], *daemon;
	uint64_t now, dt, busy;
	int r = get_all(client, rows, err);

	if (r)
		return r;
	now = now_ns();
	dt = t->at_ns ? now - t->at_ns : 0;
	t->at_ns = now;
	daemon = json_object_array_get_idx(rows[0], 0);
	copy(t->version, sizeof(t->version), text(daemon, "version"));
	copy(t->state, sizeof(t->state), text(daemon, "state"));
	t->uptime_ns = number(daemon, "uptime_ns");
	busy = take_domains(t, rows[1], dt);
	r = take_clients(t, rows[2], dt, busy);
	for (unsigned i = 0; i < 3; i++)
		json_object_put(rows[i]);
	if (r == 0)
		top_arrange(t);
	return r;
}

/* --- filters and order --- */

static bool passes(const struct top *t, const struct top_client *c)
{
	uint64_t uid;

	if (*t->only_user && strcmp(t->only_user, c->user) &&
	    !(parse_uint(t->only_user, UINT32_MAX, &uid) && uid == c->uid))
		return false;
	return !*t->only_text || strcasestr(c->program, t->only_text) ||
	       strcasestr(c->name, t->only_text) || strcasestr(c->unit, t->only_text);
}

static double value(const struct top_client *c, enum top_key key)
{
	switch (key) {
	case TOP_SHARE:
		return c->share;
	case TOP_CALLS:
		return c->calls_s;
	case TOP_MEMORY:
		return (double)c->memory;
	case TOP_REFUSED:
		return (double)c->refused;
	default:
		return -(double)c->id;
	}
}

/* The greatest first; equals by id, so that lines do not jump about. */
static int compare(const void *a, const void *b, void *top)
{
	const struct top *t = top;
	double x = value(a, t->key), y = value(b, t->key);
	int r = (x < y) - (x > y);

	if (!r)
		return by_id(a, b);
	return t->reverse ? -r : r;
}

void top_arrange(struct top *t)
{
	t->n_clients = 0;
	for (unsigned i = 0; i < t->n_all; i++)
		if (passes(t, &t->all[i]))
			t->clients[t->n_clients++] = t->all[i];
	qsort_r(t->clients, t->n_clients, sizeof(*t->clients), compare, t);
}

void top_free(struct top *t)
{
	free(t->all);
	free(t->clients);
}

const char *top_key_name(enum top_key key)
{
	static const char *const names[TOP_KEYS] = { "share", "calls", "memory", "refused", "id" };

	return names[key];
}
