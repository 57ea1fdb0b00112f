/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The journal: what an administrator may want to know later, as entries with fields and message ids
 * (systemd/qdad.catalog explains them). Nothing is written while all goes well, and of what one
 * user can cause not more than a few entries a minute of each kind; what was left out is counted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct qda_happening;

#define QDA_JOURNAL_BURST 10u	/* entries a minute, for each user and kind */

/* Write entries from now on, if this program's errors go to the journal (it is a service); else, if
 * `plain`, each as a line to standard error. False: neither. */
bool qda_journal_begin(uint64_t (*now)(void), bool plain);
/* Entries go to the journal, those of reloads, too. */
bool qda_journal_is_open(void);
/* For core: as a watcher of everything. */
void qda_journal_happened(const struct qda_happening *happening);

/* --- the limit, to be tested alone --- */

#define QDA_JOURNAL_SLOTS 64u	/* a power of two; two that meet in one share it */

struct qda_journal_slot {
	uint64_t since_ns;
	uid_t uid;
	unsigned kind;
	unsigned n;		/* in this minute */
	bool used;
};

struct qda_journal_limit {
	struct qda_journal_slot slot[QDA_JOURNAL_SLOTS];
};

/* May an entry be written? *left_out gets how many were not since the last that was. */
bool qda_journal_take(struct qda_journal_limit *limit, uid_t uid, unsigned kind, uint64_t now_ns,
		      unsigned *left_out);
