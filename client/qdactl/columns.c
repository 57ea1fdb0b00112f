/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl: text by the columns it takes on a terminal. Names are chosen by programs: their
 * characters may be wide, or of no width, or not known to this locale.
 */
#include "qdactl.h"

#include <limits.h>
#include <string.h>
#include <wchar.h>

/* Marks that change the order of other characters, and blanks that nobody sees. */
static bool deceives(wchar_t c)
{
	return (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0x061c || c == 0xfeff;
}

/* Bytes and columns of the next character; a bad one takes one column, as '?'. */
static size_t next(const char *s, int *columns, bool *good)
{
	mbstate_t state = { 0 };
	wchar_t wide;
	size_t n = mbrtowc(&wide, s, MB_LEN_MAX, &state);
	bool known = n != (size_t)-1 && n != (size_t)-2;

	*columns = known ? wcwidth(wide) : 1;
	*good = known && *columns >= 0 && !deceives(wide);
	if (!*good)
		*columns = 1;
	return known ? n : 1;
}

int fit_columns(char *out, size_t size, const char *s, int width)
{
	int used = 0, columns;
	size_t n = 0, bytes;
	bool good;

	for (; *s && n + MB_LEN_MAX < size; s += bytes) {
		bytes = next(s, &columns, &good);
		if (used + columns > width)
			break;
		memcpy(out + n, good ? s : "?", good ? bytes : 1);
		n += good ? bytes : 1;
		used += columns;
	}
	out[n] = '\0';
	return used;
}

const char *pad_columns(char out[COLUMN_TEXT], const char *s, int width)
{
	int used = fit_columns(out, COLUMN_TEXT - (size_t)width, s, width);
	size_t n = strlen(out);

	memset(out + n, ' ', (size_t)(width - used));
	out[n + (size_t)(width - used)] = '\0';
	return out;
}
