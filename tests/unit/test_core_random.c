/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The core under random steps of many guests and an unruly device, from fixed seeds. After each
 * step: what accounts say is used is the sum of what exists, queues and slots agree with what the
 * device has, nothing runs that was sent after its deadline, limits that were lowered meanwhile are
 * exceeded by no more than before, and no request was answered twice (the guests see to that). At
 * the end every request of a guest that stayed is answered, and nothing is left.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/admin.h"
#include "core/limits.h"
#include "core_scene.h"

enum { GUESTS = 6, KEEP = 8, STEPS = 40000, PLAYERS_MAX = 512, BANKS = 8 };

/* What a guest remembers of its handles; some are stale on purpose. */
struct player {
	struct guest guest;
	struct qda_client *client;	/* ref: its accounts are looked at after it has gone */
	uint64_t sessions[KEEP], modules[KEEP], buffers[KEEP];
};

struct world {
	struct scene scene;
	struct player *playing[GUESTS];
	struct player *all[PLAYERS_MAX];	/* those that went, too */
	unsigned n_all;
	uint64_t state;			/* of the random numbers */
	unsigned n_given, n_failed, n_refused, n_lost;
	unsigned n_waited, n_killed;
	uint32_t in_flight, parked;	/* of the domain, before the step */
	uint32_t session_most;		/* the highest limit of calls in flight so far */
};

static struct world w;

static uint32_t pick(uint32_t n)
{
	w.state = w.state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(w.state >> 33) % n;
}

/* --- what exists, summed up --- */

struct sums {
	uint64_t used[QDA_RES_N];
};

static void add(struct sums *sums, const struct qda_client *client, const struct qda_charge *charge)
{
	if (!charge->account)
		return;
	assert_ptr_equal(charge->account, &client->account);
	sums->used[charge->resource] += charge->amount;
}

/* Buffers are met by their handle, in calls and in maps: each counts once. */
struct met {
	const struct qda_buffer *buffers[8192];
	unsigned n;
};

static void add_buffer(struct sums *sums, struct met *met, const struct qda_buffer *buffer)
{
	for (unsigned i = 0; i < met->n; i++)
		if (met->buffers[i] == buffer)
			return;
	assert_true(met->n < 8192);
	met->buffers[met->n++] = buffer;
	add(sums, buffer->client, &buffer->count);
	add(sums, buffer->client, &buffer->bytes);
	add(sums, buffer->client, &buffer->fd);
}

static void add_call(struct sums *sums, struct met *met, const struct qda_call *call)
{
	add(sums, call->client, &call->count);
	add(sums, call->client, &call->parked_charge);
	add(sums, call->client, &call->out_bytes);
	add(sums, call->client, &call->out_handles);
	add(sums, call->client, &call->held_charge);
	for (unsigned i = 0; i < call->n_args; i++)
		if (call->slots[i].buffer)
			add_buffer(sums, met, call->slots[i].buffer);
}

static unsigned staged_pages(const struct qda_call *call)
{
	return call->staging_first < 0 ? 0 : (call->staging_size + PAGE - 1) / PAGE;
}

static void add_session(struct sums *sums, struct met *met, const struct qda_session *session)
{
	const struct qda_module *module;
	const struct qda_map *map;

	add(sums, session->client, &session->count);
	add(sums, session->client, &session->bytes);
	add(sums, session->client, &session->fd);
	TAILQ_FOREACH (module, &session->modules, link)
		add(sums, session->client, &module->charge);
	TAILQ_FOREACH (map, &session->maps, link) {
		add(sums, session->client, &map->charge);
		add_buffer(sums, met, map->buffer);
	}
}

/* Sessions that the device has, and lost ones that only their client still names. */
static void add_sessions(struct sums *sums, struct met *met, const struct qda_client *client)
{
	const struct qda_session *session;
	uint32_t at = 0;

	while ((session = qda_slots_next(&w.scene.core->pending, QDA_PENDING_SESSION, &at)))
		if (session->client == client)
			add_session(sums, met, session);
	TAILQ_FOREACH (session, &client->sessions, link)
		if (!session->device)
			add_session(sums, met, session);
}

/* Not answered yet, and abandoned ones that run. */
static void add_calls(struct sums *sums, struct met *met, const struct qda_client *client)
{
	const struct qda_call *call;
	uint32_t at = 0;

	TAILQ_FOREACH (call, &client->calls, link)
		add_call(sums, met, call);
	while ((call = qda_slots_next(&w.scene.core->pending, QDA_PENDING_CALL, &at)))
		if (call->client == client && call->answered)
			add_call(sums, met, call);
}

static void check_client(const struct qda_client *client)
{
	static struct met met;
	struct sums sums = { 0 };
	const struct qda_buffer *buffer;
	uint32_t at = 0;

	met.n = 0;
	add(&sums, client, &client->connection);
	add(&sums, client, &client->fds);
	while (client->front && (buffer = qda_slots_next(&client->handles, QDA_HANDLE_BUFFER, &at)))
		add_buffer(&sums, &met, buffer);
	add_sessions(&sums, &met, client);
	add_calls(&sums, &met, client);
	assert_memory_equal(sums.used, client->account.used, sizeof(sums.used));
}

/* --- what the device has --- */

struct there {
	unsigned queued, parked, parked_running;
};

static unsigned n_calls(const struct qda_call_list *list, enum qda_call_state state, bool parked)
{
	const struct qda_call *call;
	unsigned n = 0;

	TAILQ_FOREACH (call, list, queue_link) {
		assert_int_equal(call->state, state);
		assert_int_equal(call->parked, parked);
		n++;
	}
	return n;
}

static unsigned queued_pages(const struct qda_call_list *queue)
{
	const struct qda_call *call;
	unsigned pages = 0;

	TAILQ_FOREACH (call, queue, queue_link) {
		assert_int_equal(!call->staged, !!call->held);
		pages += staged_pages(call);
	}
	return pages;
}

static void check_session(const struct qda_session *session, struct there *there)
{
	const struct qda_call *call;
	unsigned running = 0, queued = 0, pages = 0, taken = 0;
	unsigned waiting = n_calls(&session->parked_queue, QDA_CALL_QUEUED, true);
	unsigned parked = n_calls(&session->parked_running, QDA_CALL_RUNNING, true);
	uint32_t at = 0;

	while ((call = qda_slots_next(&w.scene.core->pending, QDA_PENDING_CALL, &at))) {
		if (call->session != session)
			continue;
		assert_int_equal(call->state, QDA_CALL_RUNNING);
		assert_true(!call->deadline.at_ns || call->submitted_ns < call->deadline.at_ns);
		running += !call->parked;
		pages += staged_pages(call);
	}
	for (int level = 0; level < QDA_LEVELS; level++) {
		queued += n_calls(&session->queue[level], QDA_CALL_QUEUED, false);
		pages += queued_pages(&session->queue[level]);
	}
	pages += queued_pages(&session->parked_queue);
	for (unsigned i = 0; i < QDA_RUNS_MAX / 64; i++)
		taken += __builtin_popcountll(session->runs.used[i]);
	assert_int_equal(taken, pages);
	assert_int_equal(session->queued, queued);
	assert_int_equal(session->in_flight, running);
	assert_int_equal(n_calls(&session->running, QDA_CALL_RUNNING, false), running);
	assert_int_equal(session->parked, waiting + parked);
	assert_true(running <= w.session_most);
	assert_int_equal(session->level >= 0, session->state == QDA_SESSION_OPEN &&
			 session->queued && !session->stalled &&
			 running < w.scene.domain->session_in_flight_max);
	there->queued += queued;
	there->parked += session->parked;
	there->parked_running += parked;
}

static void check_domain(void)
{
	const struct qda_domain *domain = w.scene.domain;
	const struct qda_session *session;
	struct there there = { 0 };
	unsigned sessions = 0;
	uint32_t at = 0;

	while ((session = qda_slots_next(&w.scene.core->pending, QDA_PENDING_SESSION, &at))) {
		check_session(session, &there);
		sessions++;
	}
	assert_int_equal(domain->queued, there.queued);
	assert_int_equal(domain->parked, there.parked);
	assert_true(domain->parked <= domain->parked_max || domain->parked <= w.parked);
	assert_int_equal(domain->in_flight + there.parked_running, w.scene.fake->n_calls);
	assert_true(domain->in_flight <= domain->in_flight_max || domain->in_flight <= w.in_flight);
	assert_int_equal(domain->schedule.users.n_running, domain->in_flight);
	assert_true(domain->schedule.users.n_waiting <= GUESTS);
	assert_int_equal(domain->sessions, sessions);
	assert_true(domain->sessions <= BANKS);
	assert_int_equal(w.scene.core->n_sessions, sessions);
	assert_int_equal(w.scene.fake->n_sessions, sessions);
}

static void check_accounts(void)
{
	uint64_t total[QDA_RES_N] = { 0 };

	for (unsigned i = 0; i < w.n_all; i++) {
		if (!w.all[i]->client)
			continue;
		check_client(w.all[i]->client);
		for (unsigned r = 0; r < QDA_RES_N; r++)
			total[r] += w.all[i]->client->account.used[r];
	}
	assert_memory_equal(total, w.scene.core->total.used, sizeof(total));
}

/* --- steps of guests --- */

static uint64_t any(const uint64_t *handles)
{
	return handles[pick(KEEP)];
}

static void keep(uint64_t *handles, uint64_t handle)
{
	handles[pick(KEEP)] = handle;
}

/* Now and then all handles are learned anew; in between some become stale. */
static void learn(struct player *p)
{
	struct qda_slots *handles = &p->guest.client->handles;
	const struct qda_session *session;
	const struct qda_module *module;
	const struct qda_buffer *buffer;
	uint32_t at = 0, from = 0, next = 0;

	while ((session = qda_slots_next(handles, QDA_HANDLE_SESSION, &at)))
		keep(p->sessions, session->handle);
	while ((module = qda_slots_next(handles, QDA_HANDLE_MODULE, &from)))
		keep(p->modules, module->handle);
	while ((buffer = qda_slots_next(handles, QDA_HANDLE_BUFFER, &next)))
		keep(p->buffers, buffer->id);
}

static uint64_t ask_call(struct player *p)
{
	struct qda_call_arg args[6];
	static uint8_t bytes[2 * QDA_STAGING_BYTES];
	struct qda_call_request request = { .module = any(p->modules), .args = args, .in = bytes };
	unsigned in = pick(3), out = pick(3), outs = pick(3);

	for (unsigned i = 0; i < in + out; i++) {
		bool is_inline = pick(3);
		uint64_t length = pick(8) ? pick(2000) : pick(QDA_STAGING_BYTES);

		args[i] = (struct qda_call_arg){ is_inline ? QDA_CALL_INLINE : QDA_CALL_BUFFER,
						 is_inline ? pick(1 << 20) : any(p->buffers),
						 is_inline ? 0 : pick(PAGE), length };
		request.n_in += is_inline && i < in ? length : 0;
	}
	for (unsigned i = in + out; i < in + out + outs; i++)
		args[i] = (struct qda_call_arg){ .kind = pick(2) ? QDA_CALL_MODULE
								 : QDA_CALL_NUMBER };
	request.n_args = in + out + outs;
	request.sc = fastrpc_sc(0, pick(31), in, out, 0, outs);
	request.timeout_us = pick(3) ? 0 : 1 + pick(200);
	request.priority = (int32_t)pick(4) - 1;
	request.parked = !pick(8);
	return ask_invoke(&p->guest, &request);
}

static void step_buffer(struct player *p)
{
	struct qda_buffer *buffer;
	int fd;

	if (pick(2))
		qda_buffer_free(p->guest.client, any(p->buffers), &w.scene.fail);
	else if (qda_buffer_alloc(p->guest.client, "", 1 + pick(4 * PAGE), &buffer, &fd,
				  &w.scene.fail) == 0)
		keep(p->buffers, buffer->id);
}

static bool open_some(struct player *p)
{
	const struct qda_session_request request = {
		.domain = "",
		.wait_ms = pick(3) ? 1 + pick(3) : 0,
		.hang_ms = pick(4) ? 0 : 1 + pick(2),
	};
	bool accepted = ask_open_as(&p->guest, &request);

	w.n_waited += accepted && !TAILQ_EMPTY(&w.scene.domain->waiting);
	return accepted;
}

static bool step_session(struct player *p)
{
	uint64_t handle = any(p->sessions);
	const struct qda_session *session =
		qda_slots_get(&p->guest.client->handles, handle, QDA_HANDLE_SESSION);

	switch (pick(7)) {
	case 0:
	case 1:
		return open_some(p);
	case 2:
		return (session && session->state != QDA_SESSION_LOST && pick(8)) ||
		       ask_close(&p->guest, handle);
	case 3:
	case 4:
		return ask_map(&p->guest, any(p->sessions), any(p->buffers), pick(6));
	default:
		return ask_unmap(&p->guest, any(p->sessions), pick(6));
	}
}

static void step_guest(struct player *p)
{
	bool accepted = true;

	if (pick(4))
		learn(p);
	switch (pick(12)) {
	case 0:
		step_buffer(p);
		break;
	case 1:
	case 2:
		accepted = step_session(p);
		break;
	case 3:
		accepted = ask_module(&p->guest, any(p->sessions), "file:///a");
		break;
	case 4:
		accepted = pick(3) || ask_module_close(&p->guest, any(p->modules));
		break;
	case 5:
		if (p->guest.serial > 20)
			qda_call_cancel(p->guest.client, p->guest.serial - pick(20));
		break;
	default:
		accepted = ask_call(p);
		break;
	}
	w.n_refused += !accepted;
}

/* --- steps of administrators --- */

static void step_kill(void)
{
	struct player *p = w.playing[pick(GUESTS)];
	const struct qda_session *session = qda_slots_get(&p->guest.client->handles,
							  any(p->sessions), QDA_HANDLE_SESSION);

	if (session && qda_admin_kill_session(p->guest.client, session->number, &w.scene.fail) == 0)
		w.n_killed++;
}

/* But of what lets guests in. */
static void step_quota(void)
{
	static const char *const names[] = { "sessions", "buffers", "buffer_bytes", "handles",
					     "maps", "calls", "parked", "inline_bytes",
					     "out_bytes" };
	unsigned i = pick(sizeof(names) / sizeof(*names)), guest = pick(GUESTS);
	bool bytes = strstr(names[i], "bytes");
	uint64_t limit = pick(6) ? (bytes ? 1 << 20 : 10) + pick(bytes ? 4 << 20 : 40) : pick(3);
	struct qda_fail *fail = &w.scene.fail;
	struct qda_core *core = w.scene.core;

	switch (pick(4)) {
	case 0:
		assert_int_equal(qda_quota_set_total(core, names[i], 4 * limit, fail), 0);
		break;
	case 1:
		assert_int_equal(qda_quota_set_uid(core, 1000 + guest / 2, "", names[i], limit,
						   fail), 0);
		break;
	case 2:
		assert_int_equal(qda_quota_set_uid(core, 1000 + guest / 2, "", "weight",
						   pick(4) ? 1 + pick(400) : QDA_WEIGHT_MAX, fail),
				 0);
		break;
	default:
		assert_int_equal(qda_quota_set_client(core, w.playing[guest]->guest.client->id,
						      names[i], limit, fail), 0);
		break;
	}
}

static void set_limits(struct qda_rules *rules)
{
	static const uint64_t connection[QDA_RES_N] = { 1, 4, 12, 2 << 20, 24, 10, 24, 4, 1 << 20,
							1 << 20, 40 };

	for (unsigned i = 0; i < QDA_RES_N; i++) {
		rules->connection_limits[i] = connection[i];
		rules->fallback.limits[i] = connection[i] * 3 / 2;
		rules->total_limits[i] = connection[i] * 8;
	}
	/* A guest that comes is always let in. */
	rules->fallback.limits[QDA_RES_CONNECTIONS] = rules->total_limits[QDA_RES_CONNECTIONS] = 1000;
	rules->fallback.limits[QDA_RES_FDS] = rules->total_limits[QDA_RES_FDS] = 1000;
	rules->session_in_flight = 5;
}

/* Another configuration: who may be urgent or park, how many calls may be in flight. */
static void step_rules(void)
{
	struct qda_rules *rules = qda_rules_new();
	struct qda_domain *domain = w.scene.domain;
	unsigned rights = pick(8);

	assert_non_null(rules);
	set_limits(rules);
	rules->policy = calloc(1, sizeof(*rules->policy));
	assert_non_null(rules->policy);
	rules->n_policy = 1;
	*rules->policy = (struct qda_policy_rule){ .name = "all", .allow = true,
						   .urgent = rights & 1, .parked = rights & 6 };
	rules->session_in_flight = 1 + pick(8);
	rules->client_in_flight = 1 + pick(8);
	qda_core_apply(w.scene.core, rules);
	qda_domain_configure(domain, pick(2) ? 0 : 1 + pick(12), pick(3), pick(4));
	if (domain->session_in_flight_max > w.session_most)
		w.session_most = domain->session_in_flight_max;
}

static void step_admin(void)
{
	switch (pick(8)) {
	case 0:
		step_rules();
		break;
	case 1:
	case 2:
		step_kill();
		break;
	default:
		step_quota();
		break;
	}
}

/* --- steps of the device --- */

static struct fake_op *any_op(void)
{
	struct fake_op *op;
	unsigned n = 0;

	TAILQ_FOREACH (op, &w.scene.fake->ops, link)
		n++;
	if (!n)
		return NULL;
	n = pick(n);
	TAILQ_FOREACH (op, &w.scene.fake->ops, link)
		if (!n--)
			break;
	return op;
}

static void complete_call(struct fake_op *op)
{
	struct qda_device_done done = { .result = pick(8) ? 0 : -5 };
	unsigned outs = fastrpc_sc_out_handles(op->sc);

	if (op->sc == fastrpc_sc(0, FASTRPC_REMOTECTL_OPEN, 2, 2, 0, 0) &&
	    op->handle == FASTRPC_HANDLE_REMOTECTL) {
		finish_module(op, pick(8) ? 0x80000000 + pick(1000) : pick(300), !pick(8), "no");
		return;
	}
	for (unsigned i = 0; i < outs; i++)
		done.out_handles[i] = pick(2) ? 0x80000000 + pick(1000) : pick(1000);
	fake_complete(op, &done);
}

static void step_done(void)
{
	struct fake_op *op = any_op();

	if (!op)
		return;
	if (op->kind == FAKE_CALL)
		complete_call(op);
	else if (op->kind == FAKE_CLOSE || pick(6))
		fake_done(op, 0, 0);
	else
		fake_done(op, -EREMOTEIO,
			  (int32_t)(pick(2) ? FASTRPC_EFAILED : FASTRPC_ENOSUCHMAP));
}

static struct qda_device_session *any_pd(void)
{
	struct qda_session *session;
	uint32_t at = pick(w.scene.core->pending.n_slots + 1);

	session = qda_slots_next(&w.scene.core->pending, QDA_PENDING_SESSION, &at);
	return session ? session->device : NULL;
}

/* Death and its reason are apart: anything may happen in between. */
static void step_death(void)
{
	struct qda_device_session *pd = any_pd();

	if (!pd || !pd->open)
		return;
	if (!pd->dead)
		fake_die(pd, pick(2) ? -ECONNRESET : -EPIPE);
	else if (!pd->closing)
		fake_lost(pd, pick(2) ? 11 : 0, "SIGSEGV");
}

/* The DSP goes, with all that ran on it, or comes back. */
static void step_dsp(void)
{
	struct qda_session *session;
	struct fake_op *op;
	uint32_t at = 0;

	if (w.scene.domain->state == QDA_DEVICE_DOWN) {
		fake_up(w.scene.fake);
		return;
	}
	while ((op = fake_find(w.scene.fake, FAKE_OPEN)))
		fake_done(op, -EPIPE, 0);
	while ((session = qda_slots_next(&w.scene.core->pending, QDA_PENDING_SESSION, &at))) {
		fake_die(session->device, -EPIPE);
		if (!session->device->closing)
			fake_lost(session->device, 0, "the DSP went");
	}
	fake_down(w.scene.fake, "the DSP went");
}

static void step_device(void)
{
	static const int errors[] = { -EBUSY, -EBUSY, -ENOMEM, -EINVAL };

	switch (pick(24)) {
	case 0:
		fake_refuse(w.scene.fake, pick(FAKE_KINDS), errors[pick(4)], 1 + pick(3));
		w.scene.fake->refusals[FAKE_CLOSE] = 0;
		break;
	case 1:
		w.scene.fake->room = 1 + pick(20);
		break;
	case 2:
		if (!pick(4))
			step_death();
		break;
	case 3:
		scene_clock += pick(100000);
		if (pick(2)) /* else it will be noticed later */
			qda_core_expire(w.scene.core);
		break;
	case 4:
		if (w.scene.domain->state == QDA_DEVICE_DOWN || !pick(40))
			step_dsp();
		break;
	default:
		step_done();
		break;
	}
}

/* --- coming and going --- */

static void come(unsigned i)
{
	struct player *p = calloc(1, sizeof(*p));

	assert_true(p && w.n_all < PLAYERS_MAX);
	guest_come(&p->guest, &w.scene, 1000 + i / 2);
	p->client = qda_client_ref(p->guest.client);
	w.playing[i] = w.all[w.n_all++] = p;
}

/* Nobody but this test holds the client any more. */
static void forget(struct player *p)
{
	if (!p->client || p->client->refs > 1)
		return;
	qda_client_unref(p->client);
	p->client = NULL;
}

/* What was accepted is answered, if its guest stayed; what was refused is not. */
static void check_answers(const struct guest *g, bool stayed)
{
	for (uint64_t serial = 1; serial <= g->serial; serial++) {
		const struct answer *a = &g->answers[serial];

		assert_true(a->accepted || !a->given);
		assert_true(a->given || !a->accepted || !stayed);
		w.n_given += a->given;
		w.n_failed += a->given && a->code;
	}
	w.n_lost += g->n_lost;
}

static void go(struct player *p)
{
	check_answers(&p->guest, false);
	guest_go(&p->guest);
}

static void step(void)
{
	unsigned i = pick(GUESTS);

	w.in_flight = w.scene.domain->in_flight;
	w.parked = w.scene.domain->parked;
	if (!pick(500)) {
		go(w.playing[i]);
		come(i);
	} else if (!pick(50)) {
		step_admin();
	} else if (pick(2)) {
		step_guest(w.playing[i]);
	} else {
		step_device();
	}
	for (unsigned n = 0; n < w.n_all; n++)
		forget(w.all[n]);
	check_domain();
	check_accounts();
}

/* --- the whole --- */

static void complete_all(void)
{
	struct qda_session *session;
	struct fake_op *op;
	uint32_t at = 0;

	w.scene.fake->room = 1000;
	memset(w.scene.fake->refusals, 0, sizeof(w.scene.fake->refusals));
	while ((session = qda_slots_next(&w.scene.core->pending, QDA_PENDING_SESSION, &at)))
		if (session->device->dead && !session->device->closing)
			fake_lost(session->device, 0, "at the end");
	qda_domain_pump(w.scene.domain);
	while ((op = TAILQ_FIRST(&w.scene.fake->ops)))
		fake_done(op, 0, 0);
}

static void end_world(void)
{
	complete_all();
	scene_clock += 1000000000; /* nobody waits that long for a session */
	while (qda_core_expire(w.scene.core))
		complete_all();
	for (unsigned i = 0; i < GUESTS; i++) {
		check_answers(&w.playing[i]->guest, true);
		assert_int_equal(w.playing[i]->client->calls_now, 0);
		guest_go(&w.playing[i]->guest);
	}
	complete_all();
	for (unsigned r = 0; r < QDA_RES_N; r++)
		assert_int_equal(w.scene.core->total.used[r], 0);
	for (unsigned i = 0; i < w.n_all; i++) {
		forget(w.all[i]);
		assert_null(w.all[i]->client);
		guest_free(&w.all[i]->guest);
		free(w.all[i]);
	}
	scene_end(&w.scene);
}

static void accounts_stay_true(void **seed)
{
	memset(&w, 0, sizeof(w));
	w.state = *(uint64_t *)*seed;
	scene_begin(&w.scene);
	set_limits(w.scene.core->rules);
	memcpy(w.scene.core->total_limits, w.scene.core->rules->total_limits,
	       sizeof(w.scene.core->total_limits));
	w.scene.core->rules->policy->urgent = true;
	w.scene.fake->info.sessions_max = w.scene.domain->info.sessions_max = BANKS;
	qda_domain_configure(w.scene.domain, 0, 0, 0);
	w.session_most = w.scene.domain->session_in_flight_max;
	for (unsigned i = 0; i < GUESTS; i++)
		come(i);
	for (unsigned i = 0; i < STEPS; i++)
		step();
	end_world();
	/* It went where it should. */
	assert_true(w.n_given - w.n_failed > 1000 && w.n_failed > 300);
	assert_true(w.n_refused > 4000 && w.n_lost > 80);
	assert_true(w.n_waited > 50 && w.n_killed > 20);
}

int main(void)
{
	static uint64_t seeds[] = { 1, 20261122, 0xfeedfacecafebeef };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(accounts_stay_true, &seeds[0]),
		cmocka_unit_test_prestate(accounts_stay_true, &seeds[1]),
		cmocka_unit_test_prestate(accounts_stay_true, &seeds[2]),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
