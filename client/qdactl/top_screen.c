/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl top: the screen and its keys, with ncurses. One thread: it waits for a key until it is
 * time to look again. When the broker goes, it is looked for at each turn.
 */
#include "top.h"

#include "internal.h"

#include <curses.h>
#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIRST_MS 250 /* until the second look */

struct screen {
	struct top *top;
	struct qda_client *client;	/* NULL: the broker is gone */
	struct qda_error error;
	double delay_s;
	bool fancy, help;
	unsigned first;			/* client that is shown first */
	char note[512];			/* in the last line, until the next key */
};

static const char *const help[] = {
	"P   sort by share of DSP time         M   by memory",
	"C   by calls a second                 R   by refusals",
	"N   by number of the client           r   the other way round",
	"u   only one user                     /   only what has a text in it",
	"k   end a client                      q   quit",
	"h   this help                         arrows, PgUp, PgDn, Home   move",
	"",
	"Load is the share of a domain's slots that calls held, SHARE the share of",
	"all DSP time that a client's calls held. A call counts when it has ended.",
	"A wider terminal shows names and units of clients, too.",
};

static void put_line(int y, const char *line, int attributes)
{
	attron(attributes);
	mvaddstr(y, 0, line);
	attroff(attributes);
}

static void draw_help(int y)
{
	for (size_t i = 0; i < sizeof(help) / sizeof(*help) && y < LINES - 1; i++)
		mvaddnstr(y++, 1, help[i], COLS - 2);
}

/* Returns how many of them. */
static unsigned draw_clients(struct screen *s, int y)
{
	const struct top *t = s->top;
	char line[TOP_LINE];
	unsigned room = y + 1 < LINES - 1 ? (unsigned)(LINES - 2 - y) : 0, i;

	if (s->first + room > t->n_clients)
		s->first = t->n_clients > room ? t->n_clients - room : 0;
	top_line_head(COLS, line);
	put_line(y++, line, A_REVERSE);
	for (i = s->first; i < t->n_clients && y < LINES - 1; i++) {
		top_line_client(&t->clients[i], COLS, line);
		put_line(y++, line, t->clients[i].in_flight ? A_BOLD : A_NORMAL);
	}
	return i - s->first;
}

/* What happened last; else that there is no broker; else which of the clients these are. */
static void draw_note(const struct screen *s, unsigned shown)
{
	const struct top *t = s->top;
	int y = LINES - 1;

	if (*s->note)
		mvaddnstr(y, 0, s->note, COLS - 1);
	else if (!s->client)
		mvaddnstr(y, 0, "There is no broker now; waiting for one. q quit", COLS - 1);
	else if (s->help || shown == t->n_clients)
		mvaddnstr(y, 0, "h help  q quit", COLS - 1);
	else
		mvprintw(y, 0, "h help  q quit  clients %u to %u of %u; more with arrows",
			 s->first + 1, s->first + shown, t->n_clients);
}

static void draw(struct screen *s)
{
	unsigned shown = 0;
	char line[TOP_LINE];
	int y = 0;

	erase();
	top_line_broker(s->top, COLS, line);
	put_line(y++, line, A_NORMAL);
	for (unsigned i = 0; i < s->top->n_domains && y < LINES - 3; i++) {
		top_line_domain(&s->top->domains[i], COLS, s->fancy, line);
		put_line(y++, line, A_NORMAL);
	}
	y++;
	if (s->help)
		draw_help(y);
	else
		shown = draw_clients(s, y);
	draw_note(s, shown);
	refresh();
}

/* --- the broker --- */

static void lose(struct screen *s)
{
	qda_disconnect(s->client);
	s->client = NULL;
	s->top->at_ns = 0; /* what comes back may be another one */
}

static void look(struct screen *s)
{
	if (!s->client && qda_connect(common.socket, "qdactl top", &s->client, &s->error))
		return;
	if (top_look(s->top, s->client, &s->error))
		lose(s);
}

/* --- keys --- */

/* Ask for a line at the bottom. False: Escape. */
static bool ask(struct screen *s, const char *question, char *out, size_t size)
{
	size_t n = 0;
	int c;

	timeout(-1);
	for (*out = '\0';;) {
		move(LINES - 1, 0);
		clrtoeol();
		printw("%s%s", question, out);
		refresh();
		c = getch();
		if (c == '\n' || c == KEY_ENTER || c == 13)
			return true;
		if (c == 27)
			return false;
		if ((c == KEY_BACKSPACE || c == 127 || c == 8) && n)
			out[--n] = '\0';
		else if (c >= 0x20 && c < 0x7f && n + 1 < size) {
			out[n++] = (char)c;
			out[n] = '\0';
		} else if (c == KEY_RESIZE) {
			draw(s);
		}
	}
}

static const struct top_client *find_client(const struct top *t, uint64_t id)
{
	for (unsigned i = 0; i < t->n_all; i++)
		if (t->all[i].id == id)
			return &t->all[i];
	return NULL;
}

static void kill_client(struct screen *s)
{
	struct qda_msg_request request = { .type = QDA_TYPE_KILL };
	const struct top_client *c;
	char word[24], question[128];
	uint64_t id;

	if (!ask(s, "End which client? ", word, sizeof(word)) || !*word)
		return;
	c = parse_uint(word, UINT64_MAX, &id) ? find_client(s->top, id) : NULL;
	if (!c) {
		snprintf(s->note, sizeof(s->note), "There is no client %s.", word);
		return;
	}
	snprintf(question, sizeof(question), "End client %" PRIu64 " (%s of %s)? y or n: ", id,
		 *c->program ? c->program : c->name, c->user);
	if (!ask(s, question, word, sizeof(word)) || strcmp(word, "y"))
		return;
	request.kill.id = id;
	if (!s->client)
		snprintf(s->note, sizeof(s->note), "The broker is gone.");
	else if (qda_request(s->client, &request, NULL, 0, NULL, NULL, &s->error))
		snprintf(s->note, sizeof(s->note), "%s", s->error.text);
	else
		snprintf(s->note, sizeof(s->note), "Client %" PRIu64 " was ended.", id);
}

static void sort_by(struct screen *s, enum top_key key)
{
	s->top->key = key;
	s->top->reverse = false;
	s->first = 0;
	top_arrange(s->top);
}

static void scroll_by(struct screen *s, int lines)
{
	if (lines < 0 && s->first < (unsigned)-lines)
		s->first = 0;
	else
		s->first += (unsigned)lines; /* draw() keeps it inside */
}

/* False: quit. */
static bool take_key(struct screen *s, int c)
{
	*s->note = '\0';
	switch (c) {
	case 'q':
	case 'Q':
		return false;
	case 'P':
		sort_by(s, TOP_SHARE);
		break;
	case 'C':
		sort_by(s, TOP_CALLS);
		break;
	case 'M':
		sort_by(s, TOP_MEMORY);
		break;
	case 'R':
		sort_by(s, TOP_REFUSED);
		break;
	case 'N':
		sort_by(s, TOP_ID);
		break;
	case 'r':
		s->top->reverse = !s->top->reverse;
		s->first = 0;
		break;
	case 'u':
		if (!ask(s, "Only which user? (nothing: all) ", s->top->only_user,
			 sizeof(s->top->only_user)))
			*s->top->only_user = '\0';
		break;
	case '/':
		if (!ask(s, "Only what has this text: (nothing: all) ", s->top->only_text,
			 sizeof(s->top->only_text)))
			*s->top->only_text = '\0';
		break;
	case 'k':
		kill_client(s);
		break;
	case 'h':
	case '?':
		s->help = !s->help;
		break;
	case KEY_UP:
		scroll_by(s, -1);
		break;
	case KEY_DOWN:
		scroll_by(s, 1);
		break;
	case KEY_PPAGE:
		scroll_by(s, -(LINES / 2));
		break;
	case KEY_NPAGE:
		scroll_by(s, LINES / 2);
		break;
	case KEY_HOME:
		s->first = 0;
		break;
	default:
		break;
	}
	top_arrange(s->top);
	return true;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void run(struct screen *s)
{
	int64_t next = now_ms() + FIRST_MS; /* the first look has nothing to compare with */

	for (;;) {
		int64_t left = next - now_ms();
		int c;

		if (left <= 0) {
			look(s);
			next = now_ms() + (int64_t)(s->delay_s * 1000);
			left = next - now_ms();
		}
		draw(s);
		timeout((int)left);
		c = getch();
		if (c != ERR && !take_key(s, c))
			return;
	}
}

int top_screen(const struct verb *verb, struct top *t, double delay_s)
{
	struct screen s = { .top = t, .delay_s = delay_s };
	int r = connect_broker(&s.client);
	SCREEN *terminal;

	if (r)
		return r;
	s.fancy = !strcmp(nl_langinfo(CODESET), "UTF-8");
	if (top_look(t, s.client, &s.error))
		lose(&s);
	set_escdelay(25);
	terminal = newterm(NULL, stdout, stdin); /* initscr() would end the program */
	if (!terminal) {
		qda_disconnect(s.client);
		return fail(-ENOTTY, "the terminal %s cannot show a screen",
			    getenv("TERM") ? getenv("TERM") : "(TERM is not set)");
	}
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	run(&s);
	endwin();
	delscreen(terminal);
	qda_disconnect(s.client);
	return EXIT_OK;
}
