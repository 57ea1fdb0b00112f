/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Weighted fair queueing, see schedule.h.
 */
#include "core/schedule.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/call_internal.h"

#define SCALE	     65536u /* so that the division by a weight loses nothing that counts */
#define USUAL_NS_MAX 100000000u /* what takes longer counts while it runs */
#define LEFT_MAX     256u	/* shares without sessions that are remembered */

static int flow_cmp(const struct qda_flow *a, const struct qda_flow *b)
{
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	if (a->turn != b->turn)
		return a->turn < b->turn ? -1 : 1;
	return (a > b) - (a < b);
}

static int share_cmp(const struct qda_share *a, const struct qda_share *b)
{
	if (a->uid != b->uid)
		return a->uid < b->uid ? -1 : 1;
	return strcmp(a->rule, b->rule);
}

static int client_cmp(const struct qda_client_share *a, const struct qda_client_share *b)
{
	return (a->client > b->client) - (a->client < b->client);
}

RB_GENERATE_STATIC(qda_flow_tree, qda_flow, node, flow_cmp)
RB_GENERATE_STATIC(qda_shares, qda_share, node, share_cmp)
RB_GENERATE_STATIC(qda_client_shares, qda_client_share, node, client_cmp)

/* --- flows --- */

/* The usual division is one instruction, the wide one is a loop. */
static qda_vtime weigh(const struct qda_flow *flow, uint64_t ns)
{
	if (ns <= UINT64_MAX / SCALE)
		return ns * SCALE / *flow->weight;
	return (qda_vtime)ns * SCALE / *flow->weight;
}

static uint64_t running_ns(const struct qda_flow *flow, uint64_t now)
{
	return flow->running * now - flow->starts_ns;
}

static qda_vtime served(const struct qda_flow *flow, uint64_t now)
{
	return flow->used + weigh(flow, running_ns(flow, now));
}

static qda_vtime rank(const struct qda_flow *flow, uint64_t now)
{
	return flow->used + weigh(flow, running_ns(flow, now) + flow->expected_ns);
}

static void flow_init(struct qda_flow *flow, const uint32_t *weight)
{
	flow->weight = weight;
	flow->level = -1;
}

/* The next of a level after one that was returned before, or its first (after NULL), as of now:
 * keys of flows with running calls have grown since they were put there. */
static struct qda_flow *next(struct qda_fair *fair, int level, struct qda_flow *after, uint64_t now)
{
	struct qda_flow_tree *tree = &fair->levels[level];
	struct qda_flow *flow;
	qda_vtime key;

	for (;;) {
		flow = after ? RB_NEXT(qda_flow_tree, tree, after) : RB_MIN(qda_flow_tree, tree);
		if (!flow || fair->n_waiting == 1)
			return flow; /* compared to nobody */
		key = rank(flow, now);
		if (key <= flow->key)
			return flow;
		RB_REMOVE(qda_flow_tree, tree, flow);
		flow->key = key;
		RB_INSERT(qda_flow_tree, tree, flow);
	}
}

/* Most levels are empty. */
static struct qda_flow *first(struct qda_fair *fair, int level, uint64_t now)
{
	return RB_EMPTY(&fair->levels[level]) ? NULL : next(fair, level, NULL, now);
}

static void advance(struct qda_fair *fair, uint64_t now)
{
	qda_vtime least = -1; /* more than anybody's */

	if (!fair->n_waiting)
		return;
	for (int level = 0; level < QDA_LEVELS; level++) {
		const struct qda_flow *flow = first(fair, level, now);
		qda_vtime has = flow ? served(flow, now) : least;

		if (has < least)
			least = has;
	}
	if (least > fair->now)
		fair->now = least;
}

/* Nothing runs, nothing waits: nobody has lost anything to anybody. */
static void rest(struct qda_fair *fair)
{
	if (!fair->n_waiting && !fair->n_running && fair->finish > fair->now)
		fair->now = fair->finish;
}

static void begin_to_wait(struct qda_fair *fair, struct qda_flow *flow, uint64_t now)
{
	qda_vtime has;

	advance(fair, now);
	has = served(flow, now);
	if (has < fair->now)
		flow->used += fair->now - has;
	fair->n_waiting++;
}

/* As of now. Among equals it is the last. */
static void set_key(struct qda_fair *fair, struct qda_flow *flow, uint64_t now)
{
	flow->key = rank(flow, now);
	flow->turn = ++fair->turns;
}

/* Put it where it belongs now; -1: nowhere. */
static void place(struct qda_fair *fair, struct qda_flow *flow, int level, uint64_t now)
{
	if (level >= 0 && level == flow->level && fair->n_waiting == 1) {
		set_key(fair, flow, now); /* alone in its tree */
		return;
	}
	if (flow->level >= 0)
		RB_REMOVE(qda_flow_tree, &fair->levels[flow->level], flow);
	else if (level >= 0)
		begin_to_wait(fair, flow, now);
	if (flow->level >= 0 && level < 0)
		fair->n_waiting--;
	flow->level = level;
	if (level < 0) {
		rest(fair);
		return;
	}
	set_key(fair, flow, now);
	RB_INSERT(qda_flow_tree, &fair->levels[level], flow);
}

static void begin(struct qda_fair *fair, struct qda_flow *flow, const struct qda_call *call)
{
	flow->running++;
	flow->starts_ns += call->submitted_ns;
	flow->expected_ns += call->expected_ns;
	fair->n_running++;
}

static void finish(struct qda_fair *fair, struct qda_flow *flow, const struct qda_call *call,
		   uint64_t dsp_ns, uint64_t now)
{
	qda_vtime has;

	flow->running--;
	flow->starts_ns -= call->submitted_ns;
	flow->expected_ns -= call->expected_ns;
	flow->used += weigh(flow, dsp_ns);
	fair->n_running--;
	has = served(flow, now);
	if (has > fair->finish)
		fair->finish = has;
}

/* --- shares that have gone --- */

static struct qda_share *share_of(struct qda_flow *flow)
{
	return (struct qda_share *)flow; /* its first member */
}

static void free_share(struct qda_schedule *schedule, struct qda_share *share)
{
	RB_REMOVE(qda_shares, &schedule->shares, share);
	free(share);
}

static void forget(struct qda_schedule *schedule, struct qda_flow *flow)
{
	RB_REMOVE(qda_flow_tree, &schedule->left, flow);
	schedule->n_left--;
	free_share(schedule, share_of(flow));
}

/* Those that the others have caught up with: two at a time, more than ever can be added. */
static void forget_some(struct qda_schedule *schedule)
{
	for (unsigned i = 0; i < 2; i++) {
		struct qda_flow *flow = RB_MIN(qda_flow_tree, &schedule->left);

		if (!flow || (flow->used > schedule->users.now && schedule->n_left <= LEFT_MAX))
			return;
		forget(schedule, flow);
	}
}

static void leave_share(struct qda_schedule *schedule, struct qda_share *share)
{
	share->flow.key = share->flow.used;
	share->flow.weight = NULL; /* the user's, who may go */
	RB_INSERT(qda_flow_tree, &schedule->left, &share->flow);
	schedule->n_left++;
	forget_some(schedule);
}

/* --- coming and going --- */

void qda_schedule_init(struct qda_schedule *schedule)
{
	*schedule = (struct qda_schedule){ 0 };
	TAILQ_INIT(&schedule->stalled);
}

void qda_schedule_deinit(struct qda_schedule *schedule)
{
	struct qda_flow *flow;

	while ((flow = RB_MIN(qda_flow_tree, &schedule->left)))
		forget(schedule, flow);
	assert(RB_EMPTY(&schedule->shares) && TAILQ_EMPTY(&schedule->stalled));
}

static struct qda_share *new_share(struct qda_schedule *schedule, const struct qda_user *user)
{
	struct qda_share *share = calloc(1, sizeof(*share));

	if (!share)
		return NULL;
	share->uid = user->uid;
	memcpy(share->rule, user->rule, sizeof(share->rule));
	RB_INSERT(qda_shares, &schedule->shares, share);
	return share;
}

static struct qda_share *find_share(struct qda_schedule *schedule, const struct qda_user *user)
{
	struct qda_share key = { .uid = user->uid };

	memcpy(key.rule, user->rule, sizeof(key.rule));
	return RB_FIND(qda_shares, &schedule->shares, &key);
}

/* With at least one member soon, or freed again. */
static struct qda_share *get_share(struct qda_schedule *schedule, const struct qda_user *user)
{
	struct qda_share *share = find_share(schedule, user);

	if (share && !RB_EMPTY(&share->members))
		return share;
	if (share) {
		RB_REMOVE(qda_flow_tree, &schedule->left, &share->flow);
		schedule->n_left--;
	} else {
		share = new_share(schedule, user);
	}
	if (share)
		flow_init(&share->flow, &user->weight);
	return share;
}

static struct qda_client_share *new_client_share(struct qda_share *share,
						 struct qda_client *client)
{
	static const uint32_t weight = QDA_WEIGHT_USUAL;
	struct qda_client_share *member = calloc(1, sizeof(*member));

	if (!member)
		return NULL;
	member->client = client;
	member->share = share;
	flow_init(&member->flow, &weight);
	for (int level = 0; level < QDA_LEVELS; level++)
		TAILQ_INIT(&member->ready[level]);
	RB_INSERT(qda_client_shares, &share->members, member);
	return member;
}

int qda_schedule_join(struct qda_session *session)
{
	struct qda_schedule *schedule = &session->domain->schedule;
	struct qda_share *share = get_share(schedule, session->client->user);
	struct qda_client_share key = { .client = session->client }, *member;

	session->level = -1;
	if (!share)
		return -ENOMEM;
	member = RB_FIND(qda_client_shares, &share->members, &key);
	if (!member)
		member = new_client_share(share, session->client);
	if (!member) {
		if (RB_EMPTY(&share->members))
			leave_share(schedule, share);
		return -ENOMEM;
	}
	member->refs++;
	session->share = member;
	session->usual_ns = schedule->usual_ns;
	return 0;
}

void qda_schedule_leave(struct qda_session *session)
{
	struct qda_client_share *member = session->share;
	struct qda_share *share;

	if (!member)
		return;
	assert(session->level < 0 && !session->stalled);
	session->share = NULL;
	if (--member->refs)
		return;
	share = member->share;
	assert(!member->flow.running && member->flow.level < 0);
	RB_REMOVE(qda_client_shares, &share->members, member);
	free(member);
	if (RB_EMPTY(&share->members))
		leave_share(&session->domain->schedule, share);
}

/* --- who may go --- */

static int session_level(const struct qda_session *session)
{
	if (!session->queued || session->state != QDA_SESSION_OPEN || session->stalled ||
	    session->in_flight >= session->domain->session_in_flight_max)
		return -1;
	for (int level = QDA_LEVELS - 1; level >= 0; level--)
		if (!TAILQ_EMPTY(&session->queue[level]))
			return level;
	return -1;
}

static int client_level(const struct qda_client_share *member)
{
	if (member->flow.running >= member->client->core->rules->client_in_flight)
		return -1;
	for (int level = QDA_LEVELS - 1; level >= 0; level--)
		if (!TAILQ_EMPTY(&member->ready[level]))
			return level;
	return -1;
}

/* Among users there are two levels only: priorities are a user's own affair. */
static int user_level(const struct qda_share *share)
{
	if (!RB_EMPTY(&share->clients.levels[QDA_LEVEL_URGENT]))
		return QDA_LEVEL_URGENT;
	return share->clients.n_waiting ? QDA_LEVEL_NORMAL : -1;
}

static void move_session(struct qda_session *session, int level)
{
	struct qda_client_share *member = session->share;

	if (session->level >= 0)
		TAILQ_REMOVE(&member->ready[session->level], session, ready_link);
	session->level = level;
	if (level >= 0)
		TAILQ_INSERT_TAIL(&member->ready[level], session, ready_link);
}

/* Without `anew` what has not changed its level keeps its place. */
static void update(struct qda_session *session, bool anew, uint64_t now)
{
	struct qda_client_share *member = session->share;
	struct qda_share *share = member->share;
	struct qda_fair *users = &session->domain->schedule.users;
	int level = session_level(session);

	if (level != session->level)
		move_session(session, level);
	level = client_level(member);
	if (anew || level != member->flow.level)
		place(&share->clients, &member->flow, level, now);
	level = user_level(share);
	if (anew || level != share->flow.level)
		place(users, &share->flow, level, now);
}

void qda_schedule_update(struct qda_session *session)
{
	update(session, false, qda_core_now(session->domain->core));
}

void qda_schedule_reweigh(struct qda_domain *domain, const struct qda_user *user)
{
	struct qda_share *share = find_share(&domain->schedule, user);

	if (share && share->flow.level >= 0)
		place(&domain->schedule.users, &share->flow, share->flow.level,
		      qda_core_now(domain->core));
}

static bool has_slots(const struct qda_domain *domain, const struct qda_flow *user)
{
	return user->running < domain->in_flight_max - domain->in_flight_max / 4;
}

/* At most one user can be at the limit while a slot is free. */
static struct qda_flow *next_user(struct qda_domain *domain, uint64_t now)
{
	for (int level = QDA_LEVELS - 1; level >= 0; level--) {
		struct qda_flow *flow = first(&domain->schedule.users, level, now);

		while (flow && !has_slots(domain, flow))
			flow = next(&domain->schedule.users, level, flow, now);
		if (flow)
			return flow;
	}
	return NULL;
}

struct qda_session *qda_schedule_next(struct qda_domain *domain)
{
	struct qda_flow *user, *client = NULL;
	struct qda_fair *clients;
	int level = QDA_LEVELS;
	uint64_t now;

	if (!domain->schedule.users.n_waiting)
		return NULL;
	now = qda_core_now(domain->core);
	user = next_user(domain, now);
	if (!user)
		return NULL;
	clients = &share_of(user)->clients;
	advance(&domain->schedule.users, now);
	advance(clients, now);
	while (!client)
		client = first(clients, --level, now); /* one waits, or the user would not */
	return TAILQ_FIRST(&((struct qda_client_share *)client)->ready[level]);
}

/* --- calls --- */

/* An average that follows in about eight calls. */
static void learn(uint64_t *usual, uint64_t ns)
{
	if (ns > USUAL_NS_MAX)
		ns = USUAL_NS_MAX;
	*usual = *usual - *usual / 8 + ns / 8;
}

void qda_schedule_begin(struct qda_call *call)
{
	struct qda_session *session = call->session;
	struct qda_client_share *member = session->share;

	call->expected_ns = session->usual_ns;
	begin(&member->share->clients, &member->flow, call);
	begin(&session->domain->schedule.users, &member->share->flow, call);
	move_session(session, session_level(session)); /* the others' turn */
	update(session, true, call->submitted_ns);
}

void qda_schedule_end(struct qda_call *call, uint64_t dsp_ns)
{
	struct qda_session *session = call->session;
	struct qda_schedule *schedule = &session->domain->schedule;
	struct qda_client_share *member = session->share;
	struct qda_share *share = member->share;
	uint64_t now = call->submitted_ns + dsp_ns;

	finish(&share->clients, &member->flow, call, dsp_ns, now);
	finish(&schedule->users, &share->flow, call, dsp_ns, now);
	learn(&session->usual_ns, dsp_ns);
	learn(&schedule->usual_ns, dsp_ns);
	update(session, true, now);
	forget_some(schedule);
}

/* --- a device that is full --- */

void qda_schedule_stall(struct qda_session *session)
{
	session->stalled = true;
	qda_schedule_update(session);
	TAILQ_INSERT_TAIL(&session->domain->schedule.stalled, session, ready_link);
}

void qda_schedule_unstall(struct qda_session *session)
{
	if (!session->stalled)
		return;
	TAILQ_REMOVE(&session->domain->schedule.stalled, session, ready_link);
	session->stalled = false;
	qda_schedule_update(session);
}

void qda_schedule_retry(struct qda_domain *domain)
{
	struct qda_session *session;

	while ((session = TAILQ_FIRST(&domain->schedule.stalled)))
		qda_schedule_unstall(session);
}
