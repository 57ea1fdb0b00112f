/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl on a terminal: a pty behind which stands a VT52, the plainest terminal that curses can
 * draw on. Its screen is kept as text that tests can look at.
 */
#pragma once

#include <sys/types.h>
#include <wchar.h>

#include "fixture.h"

#define TERMINAL_ROWS 60
#define TERMINAL_COLUMNS 140

struct terminal {
	pid_t pid;
	int fd;
	int rows, columns, y, x;
	bool resized;		/* and not yet cleared since */
	char pending[16];	/* the beginning of a sequence or a character */
	unsigned n_pending;
	/* In a cell: a character with what combines with it; empty behind a wide one. */
	char cells[TERMINAL_ROWS][TERMINAL_COLUMNS][32];
};

/* qdactl with these words, its broker at `socket`. */
void terminal_start(struct terminal *t, const char *socket, int rows, int columns,
		    const char *const *words);
void terminal_resize(struct terminal *t, int rows, int columns);
void terminal_type(struct terminal *t, const char *keys);
/* A line as it is now, without blanks at its end; static. */
const char *terminal_line(struct terminal *t, int y);
/* Wait until there is such a text in the line. */
void terminal_await(struct terminal *t, int y, const char *part);
/* From this column on the line has this text. */
void terminal_expect_at(struct terminal *t, int y, int x, const char *text);
/* Hang up, if that has not been done; may be said twice. */
void terminal_close(struct terminal *t);
/* Await its end: the exit status. */
int terminal_end(struct terminal *t);
