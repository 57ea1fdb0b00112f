/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Deadlines: moments at which core wants to do something. Embedded in what they are about; armed
 * and disarmed at any time, also from the function of another one. Core has no clock: whoever
 * drives it asks for the next moment and calls qda_core_expire() then.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <uv/tree.h>

struct qda_deadline {
	RB_ENTRY(qda_deadline) node;
	uint64_t at_ns;
	uint64_t turn;	/* among those of one moment */
	bool armed;
	void (*passed)(struct qda_deadline *deadline);	/* disarmed before */
};

RB_HEAD(qda_deadline_tree, qda_deadline);

struct qda_deadlines {
	struct qda_deadline_tree tree;
	uint64_t turns;
};

/* Also moves one that is armed. */
void qda_deadline_arm(struct qda_deadlines *all, struct qda_deadline *deadline, uint64_t at_ns,
		      void (*passed)(struct qda_deadline *deadline));
void qda_deadline_disarm(struct qda_deadlines *all, struct qda_deadline *deadline);
/* The first one, or NULL. */
struct qda_deadline *qda_deadline_first(struct qda_deadlines *all);
/* Call those that have passed at `now_ns`, in their order, those of one moment as they were armed:
 * some at once, the rest when asked again. */
void qda_deadlines_expire(struct qda_deadlines *all, uint64_t now_ns);
