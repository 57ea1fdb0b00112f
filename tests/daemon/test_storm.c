/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients that do everything at once and in any order: requests of all kinds with right, stale and
 * made-up numbers, many on their way at a time, skels that crash and hang among them. Every request
 * gets exactly one answer, and in the end nothing is left. The order is that of a seed, another one
 * with $QDA_STORM_SEED.
 */
#include "peer.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "qda_args.h"
#include "qda_bad.h"
#include "qda_null.h"

#define STORM_PEERS 6u
#define STORM_STEPS ((SANITIZED ? 6000u : 20000u) / slowness())
#define KNOWN	    8u	 /* numbers of each kind that a client remembers */
#define AHEAD	    30u	 /* requests on their way */

struct stormer {
	struct peer *peer;
	uint32_t random;
	uint64_t first;			/* serial of the oldest that is not answered */
	bool answered[AHEAD * 2];	/* from `first` on */
	uint64_t sessions[KNOWN], buffers[KNOWN], modules[KNOWN];
	unsigned ok, refused;
};

static uint32_t dice(struct stormer *s, uint32_t n)
{
	s->random = s->random * 1664525u + 1013904223u;
	return (s->random >> 8) % n;
}

/* One that is or was right, now and then one that never was. */
static uint64_t pick(struct stormer *s, const uint64_t *numbers)
{
	return dice(s, 50) ? numbers[dice(s, KNOWN)] : (uint64_t)dice(s, UINT32_MAX) << 21;
}

static void keep(struct stormer *s, uint64_t *numbers, uint64_t number)
{
	numbers[dice(s, KNOWN)] = number;
}

/* --- what they do --- */

static void call(struct stormer *s)
{
	static const uint32_t methods[] = { QDA_BAD_HANG, QDA_BAD_SCRIBBLE, QDA_BAD_RETURN,
					    QDA_BAD_EXIT, QDA_ARGS_COUNTER_NEW, 31, 0, 1 };
	unsigned which = dice(s, 8);
	struct invocation *i = invocation_new(pick(s, s->modules), methods[which]);
	uint32_t number = methods[which] == QDA_BAD_HANG ? dice(s, 4) : dice(s, 3);
	unsigned n = dice(s, 20000);

	if (methods[which] == QDA_BAD_EXIT && dice(s, 10))
		i->request.invoke.sc = QDA_BAD_HANG << 24;
	if (!dice(s, 200))
		number = QDA_BAD_FOREVER;
	invocation_in(i, &number, sizeof(number));
	if (dice(s, 2))
		invocation_out(i, n);
	if (dice(s, 2))
		invocation_arg(i, 1, QDA_ARG_BUFFER, pick(s, s->buffers), dice(s, 5000),
			       dice(s, 5000));
	if (!dice(s, 3))
		invocation_arg(i, 3, QDA_ARG_MODULE, 0, 0, 0);
	i->request.invoke.timeout_us = dice(s, 3) ? 5000000 : 1 + dice(s, 3000); /* 0 is none */
	invocation_post(s->peer, i);
}

static void post(struct stormer *s, const struct qda_msg_request *request)
{
	peer_post(s->peer, request, NULL, 0, NULL, 0);
}

static void act(struct stormer *s)
{
	static const char *const uris[] = { QDA_NULL_URI, QDA_BAD_URI, QDA_ARGS_URI, "none" };

	switch (dice(s, 24)) {
	case 0:
		post(s, REQUEST(SESSION_OPEN));
		break;
	case 1:
		if (!dice(s, 4))
			post(s, REQUEST(SESSION_CLOSE, .session_close = { pick(s, s->sessions) }));
		else
			post(s, REQUEST(LIST_DOMAINS));
		break;
	case 2:
	case 3:
		post(s, REQUEST(MODULE_OPEN, .module_open = { pick(s, s->sessions),
							      uris[dice(s, 4)] }));
		break;
	case 4:
		post(s, REQUEST(MODULE_CLOSE, .module_close = { pick(s, s->modules) }));
		break;
	case 5:
	case 6:
		post(s, REQUEST(BUFFER_ALLOC, .buffer_alloc = { 1 + dice(s, 100000) }));
		break;
	case 7:
		post(s, REQUEST(BUFFER_FREE, .buffer_free = { pick(s, s->buffers) }));
		break;
	case 8:
		post(s, REQUEST(BUFFER_MAP, .buffer_map = { pick(s, s->sessions),
							    pick(s, s->buffers), 0, 0,
							    dice(s, 4) }));
		break;
	case 9:
		post(s, REQUEST(BUFFER_UNMAP, .buffer_unmap = { pick(s, s->sessions),
								dice(s, 4) }));
		break;
	case 10:
		post(s, REQUEST(CANCEL, .cancel = { s->peer->serial - dice(s, 20) }));
		break;
	case 11:
		post(s, REQUEST(GET_STATUS, .get_status = { dice(s, 4) }));
		break;
	default:
		call(s);
		break;
	}
}

/* --- what they get --- */

static void learn(struct stormer *s)
{
	const struct qda_msg_reply *reply = &s->peer->reply;

	switch (s->peer->frame.type) {
	case QDA_TYPE_SESSION_OPEN:
		keep(s, s->sessions, reply->session_open.session);
		break;
	case QDA_TYPE_MODULE_OPEN:
		keep(s, s->modules, reply->module_open.handle);
		break;
	case QDA_TYPE_BUFFER_ALLOC:
		assert_int_equal(s->peer->packet.n_fds, 1);
		keep(s, s->buffers, reply->buffer.buffer);
		break;
	case QDA_TYPE_INVOKE:
		for (uint32_t i = 0; i < reply->invoke.n_out_handles; i++)
			keep(s, s->modules, reply->invoke.out_handles[i].handle);
		break;
	default:
		break;
	}
}

static void take(struct stormer *s)
{
	uint64_t which;

	assert_true(peer_next(s->peer));
	if (s->peer->frame.flags == QDA_FRAME_EVENT)
		return;
	which = s->peer->frame.serial - s->first;
	assert_true(which < s->peer->serial + 1 - s->first);
	assert_false(s->answered[which]); /* each one once */
	s->answered[which] = true;
	while (s->answered[0]) {
		memmove(s->answered, s->answered + 1, sizeof(s->answered) - 1);
		s->answered[sizeof(s->answered) - 1] = false;
		s->first++;
	}
	if (s->peer->reply.status.code) {
		assert_true(strlen(s->peer->reply.status.text) > 5);
		s->refused++;
	} else {
		s->ok++;
		learn(s);
	}
}

/* False: it could do nothing. */
static bool step(struct stormer *s)
{
	bool may_send = s->peer->serial + 1 - s->first < AHEAD;
	struct pollfd p = { s->peer->fd, may_send ? POLLIN | POLLOUT : POLLIN, 0 };

	if (poll(&p, 1, may_send ? PATIENCE_MS : 1) < 1)
		return false; /* what is ahead hangs: others act, and deadlines end it */
	if (p.revents & POLLIN)
		take(s);
	else if (p.revents & POLLOUT)
		act(s);
	return true;
}

static void stormer_init(struct stormer *s, const struct broker *b, uint32_t seed)
{
	*s = (struct stormer){ .peer = peer_new(b), .random = seed };
	for (unsigned i = 0; i < 2; i++)
		s->sessions[i] = peer_session(s->peer);
	peer_ok(s->peer, REQUEST(SUBSCRIBE, .subscribe = { 1 }));
	s->first = s->peer->serial + 1;
}

static void a_storm_of_requests_is_answered_and_leaves_nothing(void **state)
{
	const char *seed = getenv("QDA_STORM_SEED");
	struct stormer stormers[STORM_PEERS];
	unsigned ok = 0, refused = 0;
	struct peer *p = peer_new(*state);

	for (unsigned i = 0; i < STORM_PEERS; i++)
		stormer_init(&stormers[i], *state, i + (seed ? (uint32_t)atoi(seed) * 100 : 1));
	for (unsigned turn = 0, steps = 0; steps < STORM_STEPS; turn++)
		steps += step(&stormers[turn * 7 % 13 % STORM_PEERS]);
	for (unsigned i = 0; i < STORM_PEERS; i++) {
		struct stormer *s = &stormers[i];

		while (i % 2 && s->first <= s->peer->serial)
			take(s); /* half of them wait for the last answer, half just go */
		peer_free(s->peer);
		ok += s->ok;
		refused += s->refused;
	}
	print_message("# %u answers, %u refusals\n", ok, refused);
	assert_true(ok > STORM_STEPS / 20);
	assert_true(refused > STORM_STEPS / 20);
	UNTIL (peer_daemon_row(p).sessions == 0 && peer_daemon_row(p).clients == 1 &&
	       peer_daemon_row(p).buffer_bytes == 0)
		;
	UNTIL (broker_processes(*state, "qda-softdsp") == 1)
		;
	assert_int_equal(peer_domain_row(p).in_flight, 0);
	assert_int_equal(peer_domain_row(p).queued, 0);
	invocation_run(p, invocation_new(peer_open(p, QDA_NULL_URI), QDA_NULL_NOTHING));
	peer_free(p);
}

/* Sessions whose client is gone before they are open. */
static void sessions_nobody_waited_for_are_closed(void **state)
{
	struct peer *p = peer_new(*state);

	for (unsigned i = 0; i < 200; i++) {
		struct peer *hasty = peer_new(*state);

		peer_post(hasty, REQUEST(SESSION_OPEN), NULL, 0, NULL, 0);
		if (i % 3)
			peer_post(hasty, REQUEST(BUFFER_ALLOC, .buffer_alloc = { 4096 }), NULL, 0,
				  NULL, 0);
		peer_free(hasty);
	}
	UNTIL (peer_daemon_row(p).sessions == 0 && peer_daemon_row(p).clients == 1)
		;
	UNTIL (broker_processes(*state, "qda-softdsp") == 1)
		;
	assert_int_equal(peer_daemon_row(p).buffer_bytes, 0);
	peer_free(p);
}

static int setup_heap(void **state)
{
	return broker_setup_with(state, &(struct broker_options){
						.config = "[connection]\nout_bytes=1M\n",
						.heap = true });
}

/* Large answers to one who does not read: no more is kept than the quota says. */
static void unread_outputs_are_bounded_by_their_quota(void **state)
{
	struct peer *deaf, *good;
	uint64_t handle;
	int64_t before;

	broker_need_heap(*state);
	deaf = peer_new(*state);
	good = peer_new(*state);
	handle = peer_open(deaf, QDA_ARGS_URI);
	before = broker_heap(*state);
	for (struct pollfd p = { deaf->fd, POLLOUT, 0 }; poll(&p, 1, 300) == 1;) {
		struct invocation *i = invocation_new(handle, QDA_ARGS_FILL);

		invocation_in(i, "seed", 4);
		invocation_out(i, 60000);
		invocation_post(deaf, i);
	}
	assert_true(broker_heap(*state) - before < (1 << 20) + (1 << 18));
	invocation_run(good, invocation_new(peer_open(good, QDA_NULL_URI), QDA_NULL_NOTHING));
	peer_free(deaf);
	peer_free(good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_storm_of_requests_is_answered_and_leaves_nothing),
		TEST(sessions_nobody_waited_for_are_closed),
		TEST_WITH(unread_outputs_are_bounded_by_their_quota, setup_heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
