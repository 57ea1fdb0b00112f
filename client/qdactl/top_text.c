/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl top: lines of text. What is not ASCII is counted by its columns, for which the locale must
 * be set.
 */
#include "top.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define NAME_FROM 100 /* columns from which there is room for names of clients */

/* A line in the making. */
struct line {
	char *out;
	size_t n;
	int left; /* columns */
};

static struct line line_new(char *out, int width)
{
	*out = '\0';
	return (struct line){ out, 0, width };
}

/* As much of s as fits `width` columns, then blanks up to there. With width < 0: blanks in front,
 * and nothing at all where there is too little room, for a part of a number would be another one.
 */
static void put(struct line *l, const char *s, int width)
{
	int room = width < 0 ? -width : width, used, cut = 0;
	char field[TOP_LINE];
	size_t n;

	if (room > l->left) {
		cut = width < 0;
		room = l->left;
	}
	used = fit_columns(field, sizeof(field), cut ? "" : s, room);
	n = strlen(field);
	if (l->n + n + (size_t)(room - used) + 1 > TOP_LINE)
		return;
	if (width < 0)
		for (int i = used; i < room; i++)
			l->out[l->n++] = ' ';
	memcpy(l->out + l->n, field, n);
	l->n += n;
	if (width >= 0)
		for (int i = used; i < room; i++)
			l->out[l->n++] = ' ';
	l->out[l->n] = '\0';
	l->left -= room;
}

static void putf(struct line *l, int width, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void putf(struct line *l, int width, const char *format, ...)
{
	char s[128];
	va_list args;

	va_start(args, format);
	vsnprintf(s, sizeof(s), format, args);
	va_end(args);
	put(l, s, width);
}

void top_line_broker(const struct top *t, int width, char out[TOP_LINE])
{
	struct line l = line_new(out, width);
	char up[SHORT_TEXT], s[TOP_LINE];

	snprintf(s, sizeof(s), "%s, %s for %s; %" PRIu64 " client%s", t->version, t->state,
		 format_time(t->uptime_ns, up), t->n_all, t->n_all == 1 ? "" : "s");
	if (t->n_clients < t->n_all)
		snprintf(s + strlen(s), sizeof(s) - strlen(s), ", %u shown", t->n_clients);
	if (*t->only_user)
		snprintf(s + strlen(s), sizeof(s) - strlen(s), "; user %s", t->only_user);
	if (*t->only_text)
		snprintf(s + strlen(s), sizeof(s) - strlen(s), "; \"%s\"", t->only_text);
	snprintf(s + strlen(s), sizeof(s) - strlen(s), "; by %s%s", top_key_name(t->key),
		 t->reverse ? ", reversed" : "");
	put(&l, s, width);
}

static void put_history(struct line *l, const struct top_domain *d, int columns, bool fancy)
{
	static const char *const bars[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const plain[] = { " ", ".", ":", "-", "=", "+", "*", "#", "@" };

	if (columns > TOP_HISTORY)
		columns = TOP_HISTORY;
	for (int i = TOP_HISTORY - columns; i < TOP_HISTORY; i++) {
		double load = d->history[i];
		unsigned level = load > 0.005 ? (unsigned)(load * 7.99) + 1 : 0;

		put(l, fancy ? bars[level] : plain[level], 1);
	}
}

void top_line_domain(const struct top_domain *d, int width, bool fancy, char out[TOP_LINE])
{
	struct line l = line_new(out, width);
	char s[TOP_LINE];
	int n;

	n = snprintf(s, sizeof(s), "%" PRIu64 "/%" PRIu64 " run  %" PRIu64 " queued  %" PRIu64
		     "/%" PRIu64 " sessions", d->in_flight, d->in_flight_max, d->queued,
		     d->sessions, d->sessions_max);
	if (d->parked)
		n += snprintf(s + n, sizeof(s) - (size_t)n, "  %" PRIu64 " parked", d->parked);
	if (d->waiting)
		n += snprintf(s + n, sizeof(s) - (size_t)n, "  %" PRIu64 " wait", d->waiting);
	if (d->quarantined)
		n += snprintf(s + n, sizeof(s) - (size_t)n, "  %" PRIu64 " stuck",
			      d->quarantined);
	put(&l, d->name, 8);
	put(&l, " ", 1);
	if (strcmp(d->state, "up")) {
		put(&l, d->state, l.left);
		return;
	}
	put(&l, d->device, 5);
	putf(&l, 6, " %3.0f%% ", d->load * 100);
	put(&l, "|", 1);
	put_history(&l, d, l.left - n - 3, fancy);
	put(&l, "|", 1);
	put(&l, s, -l.left);
}

void top_line_head(int width, char out[TOP_LINE])
{
	struct line l = line_new(out, width);

	put(&l, " CLIENT USER      PROGRAM          CALLS/S  SHARE  RUN  QUEUE    MEMORY REFUSED",
	    width < 80 ? width : 80);
	if (width >= NAME_FROM)
		put(&l, "  NAME, UNIT", l.left);
	else
		put(&l, "", l.left);
}

/* A count in its column, in thousands or millions when it is too long for that. */
static void put_count(struct line *l, uint64_t n, int width)
{
	if (n < 1000000)
		putf(l, -width, "%" PRIu64, n);
	else if (n < 1000000000)
		putf(l, -width, "%" PRIu64 "k", n / 1000);
	else
		putf(l, -width, "%" PRIu64 "M", n / 1000000);
}

void top_line_client(const struct top_client *c, int width, char out[TOP_LINE])
{
	struct line l = line_new(out, width);
	char bytes[SHORT_TEXT], id[24], s[TOP_LINE];
	int n = snprintf(id, sizeof(id), "%" PRIu64, c->id);
	int more = n > 7 ? n - 7 : 0; /* that a long number takes of the program's column */

	put(&l, id, -7 - more);
	put(&l, " ", 1);
	put(&l, c->user, 9);
	put(&l, " ", 1);
	put(&l, *c->program ? c->program : c->name, more < 15 ? 15 - more : 0);
	putf(&l, -9, "%.*f", c->calls_s < 99.5 ? 1 : 0, c->calls_s);
	putf(&l, -7, "%.1f%%", c->share * 100);
	put_count(&l, c->in_flight, 5);
	put_count(&l, c->calls_now - c->in_flight, 7);
	put(&l, format_bytes(c->memory, bytes), -11);
	put_count(&l, c->refused, 8);
	if (width < NAME_FROM)
		return;
	snprintf(s, sizeof(s), "  %s%s%s", c->name, *c->unit ? ", " : "", c->unit);
	put(&l, s, l.left);
}
