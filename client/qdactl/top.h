/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl top: numbers between two looks at the broker (top_data.c), as lines of text (top_text.c),
 * on a screen (top_screen.c) or once (top.c).
 */
#pragma once

#include "qdactl.h"

#define TOP_DOMAINS 8
#define TOP_HISTORY 120
#define TOP_LINE 1024	/* bytes of a line: columns of at most four bytes */

struct top_domain {
	char name[16], state[16], device[16];
	uint64_t in_flight, in_flight_max, queued, parked, sessions, sessions_max;
	uint64_t waiting, quarantined;
	uint64_t busy_ns;		/* in all, for the next look */
	double load;			/* 0 to 1: share of its slots that were held */
	double history[TOP_HISTORY];	/* of load, the latest last */
};

struct top_client {
	uint64_t id, uid, pid;
	char user[SHORT_TEXT], program[65], name[65], unit[128];
	uint64_t in_flight, calls_now, memory, refused, sessions;
	uint64_t calls, busy_ns;	/* in all, for the next look */
	double calls_s;
	double share;			/* 0 to 1: of the DSP time of all domains */
};

enum top_key { TOP_SHARE, TOP_CALLS, TOP_MEMORY, TOP_REFUSED, TOP_ID, TOP_KEYS };

struct top {
	uint64_t at_ns;			/* of the latest look; 0: there was none */
	char version[65], state[32];
	uint64_t uptime_ns, n_all;
	struct top_domain domains[TOP_DOMAINS];
	unsigned n_domains;
	struct top_client *clients;	/* those that pass the filters, sorted */
	unsigned n_clients;
	struct top_client *all;		/* by id */
	enum top_key key;
	bool reverse;
	char only_user[SHORT_TEXT], only_text[65];	/* filters; empty: none */
};

/* Look at the broker. 0 or a negative errno. */
int top_look(struct top *t, struct qda_client *client, struct qda_error *err);
/* After a change of key or filters. */
void top_arrange(struct top *t);
void top_free(struct top *t);
const char *top_key_name(enum top_key key);

/* Lines of at most `width` columns, without an end of line. `fancy`: the terminal knows UTF-8. */
void top_line_broker(const struct top *t, int width, char out[TOP_LINE]);
void top_line_domain(const struct top_domain *d, int width, bool fancy, char out[TOP_LINE]);
void top_line_head(int width, char out[TOP_LINE]);
void top_line_client(const struct top_client *c, int width, char out[TOP_LINE]);

/* Until the user has enough of it. */
int top_screen(const struct verb *verb, struct top *t, double delay_s);
