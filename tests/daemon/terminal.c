/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VT52 behind a pty: see terminal.h.
 */
#include "terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 16

/* --- the screen --- */

static void clear_from(struct terminal *t, int y, int x, bool all)
{
	for (; y < t->rows; y++, x = 0) {
		for (; x < t->columns; x++) {
			memset(t->cells[y][x], 0, sizeof(t->cells[0][0]));
			t->cells[y][x][0] = ' ';
		}
		if (!all)
			return;
	}
}

static int within(int n, int end)
{
	return n < 0 ? 0 : n < end ? n : end - 1;
}

/* What was under way when the size changed may go to places that are no more: it is cleared. */
static void move_to(struct terminal *t, int y, int x)
{
	if (!t->resized) {
		assert_in_range(y, 0, t->rows - 1);
		assert_in_range(x, 0, t->columns - 1);
	}
	t->y = within(y, t->rows);
	t->x = within(x, t->columns);
}

static void line_feed(struct terminal *t)
{
	if (t->y + 1 < t->rows) {
		t->y++;
		return;
	}
	memmove(t->cells[0], t->cells[1], sizeof(t->cells[0]) * (size_t)(t->rows - 1));
	clear_from(t, t->y, 0, false);
}

static void put_character(struct terminal *t, const char *bytes, size_t n, int width)
{
	char *cell;

	if (width == 0 && t->x > 0) {
		int x = t->x - 1;

		while (x > 0 && !*t->cells[t->y][x])
			x--;
		cell = t->cells[t->y][x];
		if (strlen(cell) + n < sizeof(t->cells[0][0]))
			memcpy(cell + strlen(cell), bytes, n); /* behind are zeros */
		return;
	}
	if (t->x + width > t->columns)
		return; /* a VT52 does not wrap */
	memset(t->cells[t->y][t->x], 0, sizeof(t->cells[0][0]));
	memcpy(t->cells[t->y][t->x], bytes, n);
	if (width == 2)
		*t->cells[t->y][t->x + 1] = '\0';
	t->x += width;
}

/* A whole sequence; false: it is not whole yet. */
static bool take_escape(struct terminal *t, const char *s, unsigned n)
{
	if (n < 2 || (s[1] == 'Y' && n < 4))
		return false;
	switch (s[1]) {
	case 'A':
		t->y -= t->y > 0;
		break;
	case 'B':
		t->y += t->y + 1 < t->rows;
		break;
	case 'C':
		t->x += t->x + 1 < t->columns;
		break;
	case 'D':
		t->x -= t->x > 0;
		break;
	case 'H':
		t->y = t->x = 0;
		break;
	case 'F': /* graphics characters, keypad: nothing to see */
	case 'G':
	case '=':
	case '>':
		break;
	case 'J':
		t->resized &= t->y > 0 || t->x > 0;
		clear_from(t, t->y, t->x, true);
		break;
	case 'K':
		clear_from(t, t->y, t->x, false);
		break;
	case 'Y':
		move_to(t, (unsigned char)s[2] - 32, (unsigned char)s[3] - 32);
		break;
	default:
		fail_msg("a VT52 knows no escape sequence %c", s[1]);
	}
	return true;
}

static bool take_control(struct terminal *t, char c)
{
	if (c == '\r')
		t->x = 0;
	else if (c == '\n')
		line_feed(t);
	else if (c == '\b')
		t->x -= t->x > 0;
	else if (c == '\t')
		t->x = (t->x + 8) & ~7;
	else if (c != '\a' && c != '\0')
		return false;
	return true;
}

static bool take_pending(struct terminal *t)
{
	mbstate_t state = { 0 };
	wchar_t wide;
	size_t n;

	if (t->pending[0] == '\033')
		return take_escape(t, t->pending, t->n_pending);
	if (take_control(t, t->pending[0]))
		return true;
	n = mbrtowc(&wide, t->pending, t->n_pending, &state);
	if (n == (size_t)-2)
		return false;
	if (n == (size_t)-1 || wcwidth(wide) < 0)
		fail_msg("a byte 0x%02x that is no character", (unsigned char)t->pending[0]);
	put_character(t, t->pending, n, wcwidth(wide));
	return true;
}

/* Everything that has come. False at its end. */
static bool take_all(struct terminal *t)
{
	struct pollfd p = { t->fd, POLLIN, 0 };
	char bytes[4096];
	ssize_t n;

	while (poll(&p, 1, 0) == 1) {
		n = read(t->fd, bytes, sizeof(bytes));
		if (n <= 0)
			return false;
		for (ssize_t i = 0; i < n; i++) {
			t->pending[t->n_pending++] = bytes[i];
			if (take_pending(t))
				t->n_pending = 0;
			assert_true(t->n_pending < sizeof(t->pending));
		}
	}
	return true;
}

/* --- the program --- */

void terminal_start(struct terminal *t, const char *socket, int rows, int columns,
		    const char *const *words)
{
	struct winsize size = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns };
	const char *argv[WORDS_MAX + 2] = { QDACTL };

	*t = (struct terminal){ .rows = rows, .columns = columns };
	clear_from(t, 0, 0, true);
	for (unsigned i = 0; words[i] && i < WORDS_MAX; i++)
		argv[i + 1] = words[i];
	t->pid = forkpty(&t->fd, NULL, NULL, &size);
	assert_true(t->pid >= 0);
	if (t->pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setenv("TERM", "vt52", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	setenv("QDAD_SOCKET", socket, 1);
	unsetenv("COLUMNS");
	unsetenv("LINES");
	execv(QDACTL, (char *const *)argv);
	_exit(99);
}

/* Lines stay where they are, as on a terminal of another size: curses draws all of it again. */
void terminal_resize(struct terminal *t, int rows, int columns)
{
	struct winsize size = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns };

	take_all(t);
	t->rows = rows;
	t->columns = columns;
	t->resized = true;
	move_to(t, t->y, t->x);
	clear_from(t, 0, 0, true);
	assert_int_equal(ioctl(t->fd, TIOCSWINSZ, &size), 0);
}

void terminal_type(struct terminal *t, const char *keys)
{
	assert_int_equal(write(t->fd, keys, strlen(keys)), (ssize_t)strlen(keys));
}

static const char *join(const struct terminal *t, int y, int x)
{
	static char line[sizeof(t->cells[0])];
	size_t n = 0;

	for (; x < t->columns; x++)
		n += (size_t)sprintf(line + n, "%s", t->cells[y][x]);
	while (n && line[n - 1] == ' ')
		n--;
	line[n] = '\0';
	return line;
}

const char *terminal_line(struct terminal *t, int y)
{
	take_all(t);
	return join(t, y, 0);
}

static void show(const struct terminal *t)
{
	for (int y = 0; y < t->rows; y++)
		print_error("|%s\n", join(t, y, 0));
}

void terminal_await(struct terminal *t, int y, const char *part)
{
	uint64_t since = clock_ms();

	while (!strstr(terminal_line(t, y), part)) {
		if (clock_ms() - since > PATIENCE_MS) {
			show(t);
			fail_msg("line %d has no \"%s\"", y, part);
		}
		poll(NULL, 0, 1);
	}
}

void terminal_expect_at(struct terminal *t, int y, int x, const char *text)
{
	if (strncmp(join(t, y, x), text, strlen(text))) {
		show(t);
		fail_msg("line %d has no \"%s\" from column %d on", y, text, x);
	}
}

void terminal_close(struct terminal *t)
{
	if (t->fd > 0)
		close(t->fd);
	t->fd = 0;
}

int terminal_end(struct terminal *t)
{
	int status;

	UNTIL (!take_all(t))
		;
	terminal_close(t);
	assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
	assert_false(t->resized); /* all was drawn anew */
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
