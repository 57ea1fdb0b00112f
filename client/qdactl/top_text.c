/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl top: lines of text. What is not ASCII is counted by its columns, for which the locale must
 * be set.
 */
#include "top.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <wchar.h>

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

/* Bytes and columns of the next character; what is no character takes one column as '?'. */
static size_t next(const char *s, int *columns, bool *good)
{
	mbstate_t state = { 0 };
	wchar_t wide;
	size_t n = mbrtowc(&wide, s, MB_LEN_MAX, &state);

	*good = n != (size_t)-1 && n != (size_t)-2;
	*columns = *good ? wcwidth(wide) : 1;
	if (*columns < 0) {
		*good = false;
		*columns = 1;
	}
	return *good ? n : 1;
}

/* As much of s as fits `width` columns, then blanks up to there (width < 0: blanks in front). */
static void put(struct line *l, const char *s, int width)
{
	int room = width < 0 ? -width : width, used = 0, columns;
	char field[TOP_LINE];
	size_t n = 0, bytes;
	bool good;

	if (room > l->left)
		room = l->left;
	for (; *s && n + MB_LEN_MAX < sizeof(field); s += bytes) {
		bytes = next(s, &columns, &good);
		if (used + columns > room)
			break;
		memcpy(field + n, good ? s : "?", good ? bytes : 1);
		n += good ? bytes : 1;
		used += columns;
	}
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
	snprintf(s + strlen(s), sizeof(s) - strlen(s), "; by %s%s", top_key_name(t->key),
		 t->reverse ? ", reversed" : "");
	if (*t->only_user)
		snprintf(s + strlen(s), sizeof(s) - strlen(s), "; user %s", t->only_user);
	if (*t->only_text)
		snprintf(s + strlen(s), sizeof(s) - strlen(s), "; \"%s\"", t->only_text);
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

void top_line_client(const struct top_client *c, int width, char out[TOP_LINE])
{
	struct line l = line_new(out, width);
	char bytes[SHORT_TEXT], s[TOP_LINE];

	putf(&l, -7, "%" PRIu64, c->id);
	put(&l, " ", 1);
	put(&l, c->user, 9);
	put(&l, " ", 1);
	put(&l, *c->program ? c->program : c->name, 15);
	putf(&l, -9, "%.*f", c->calls_s < 99.5 ? 1 : 0, c->calls_s);
	putf(&l, -7, "%.1f%%", c->share * 100);
	putf(&l, -5, "%" PRIu64, c->in_flight);
	putf(&l, -7, "%" PRIu64, c->calls_now - c->in_flight);
	put(&l, format_bytes(c->memory, bytes), -11);
	putf(&l, -8, "%" PRIu64, c->refused);
	if (width < NAME_FROM)
		return;
	snprintf(s, sizeof(s), "  %s%s%s", c->name, *c->unit ? ", " : "", c->unit);
	put(&l, s, l.left);
}
