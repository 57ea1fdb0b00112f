/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Deadlines, in a tree by time.
 */
#include "core/deadline.h"

#include <stddef.h>

#define AT_ONCE 64u /* so that others get their turn, however many pass in one moment */

static int compare(const struct qda_deadline *a, const struct qda_deadline *b)
{
	if (a->at_ns != b->at_ns)
		return a->at_ns < b->at_ns ? -1 : 1;
	return a->turn < b->turn ? -1 : a->turn > b->turn;
}

RB_GENERATE_STATIC(qda_deadline_tree, qda_deadline, node, compare)

void qda_deadline_disarm(struct qda_deadlines *all, struct qda_deadline *deadline)
{
	if (deadline->armed)
		RB_REMOVE(qda_deadline_tree, &all->tree, deadline);
	deadline->armed = false;
}

void qda_deadline_arm(struct qda_deadlines *all, struct qda_deadline *deadline, uint64_t at_ns,
		      void (*passed)(struct qda_deadline *deadline))
{
	qda_deadline_disarm(all, deadline);
	deadline->at_ns = at_ns;
	deadline->turn = ++all->turns;
	deadline->passed = passed;
	deadline->armed = true;
	RB_INSERT(qda_deadline_tree, &all->tree, deadline);
}

struct qda_deadline *qda_deadline_first(struct qda_deadlines *all)
{
	return RB_MIN(qda_deadline_tree, &all->tree);
}

void qda_deadlines_expire(struct qda_deadlines *all, uint64_t now_ns)
{
	struct qda_deadline *deadline;
	unsigned n = 0;

	while (n++ < AT_ONCE && (deadline = qda_deadline_first(all)) && deadline->at_ns <= now_ns) {
		qda_deadline_disarm(all, deadline);
		deadline->passed(deadline);
	}
}
