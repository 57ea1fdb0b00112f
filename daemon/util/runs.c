// SPDX-License-Identifier: BSD-3-Clause
/*
 * Page runs, see runs.h. A search walks from hole to hole in words of 64 pages, never page by page.
 */
#include "util/runs.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>

void qda_runs_init(struct qda_runs *runs, unsigned pages)
{
	assert(pages <= QDA_RUNS_MAX);
	*runs = (struct qda_runs){ .pages = pages };
}

/* The first page at or after `from` that is taken (or free); QDA_RUNS_MAX when there is none. */
static unsigned next_page(const struct qda_runs *runs, unsigned from, bool taken)
{
	for (unsigned word = from / 64; word < QDA_RUNS_MAX / 64; word++) {
		uint64_t bits = taken ? runs->used[word] : ~runs->used[word];

		if (word == from / 64)
			bits &= ~0ull << from % 64;
		if (bits)
			return word * 64 + (unsigned)__builtin_ctzll(bits);
	}
	return QDA_RUNS_MAX;
}

static uint64_t mask(unsigned word, unsigned first, unsigned n)
{
	unsigned low = word * 64, end = first + n;
	uint64_t bits = ~0ull;

	if (first > low)
		bits &= ~0ull << (first - low);
	if (end < low + 64)
		bits &= ~(~0ull << (end - low));
	return bits;
}

int qda_runs_take(struct qda_runs *runs, unsigned n)
{
	if (!n)
		return -EINVAL;
	for (unsigned first = next_page(runs, 0, false); first < runs->pages;) {
		unsigned end = next_page(runs, first, true);

		if (end > runs->pages)
			end = runs->pages;
		if (end - first >= n) {
			for (unsigned word = first / 64; word <= (first + n - 1) / 64; word++)
				runs->used[word] |= mask(word, first, n);
			return (int)first;
		}
		first = next_page(runs, end, false);
	}
	return -ENOSPC;
}

void qda_runs_give(struct qda_runs *runs, unsigned first, unsigned n)
{
	assert(n && first < runs->pages && n <= runs->pages - first);
	for (unsigned word = first / 64; word <= (first + n - 1) / 64; word++) {
		assert((runs->used[word] & mask(word, first, n)) == mask(word, first, n));
		runs->used[word] &= ~mask(word, first, n);
	}
}
