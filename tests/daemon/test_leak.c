/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is left when everybody has gone: nothing. After a first round that fills pools and caches,
 * any number of further rounds leaves descriptors, live heap bytes and status rows as they were.
 */
#include "peer.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qda_args.h"
#include "qda_bad.h"
#include "qda_null.h"

#define CONNECTIONS 100u
#define AT_ONCE	    (2 * CONNECTIONS) /* the ends of a round may be seen during the next */
#define ROUNDS	    ((SANITIZED ? 50u : 1000u) / slowness()) /* of connections; of sessions twice as many */

/* Everything that can be counted from outside. */
struct measure {
	unsigned fds;
	int64_t heap;
	struct counts counts;
};

/* Objects go a little after the answer that tells of it: look until nothing has changed for a
 * while. */
static int64_t settled_heap(const struct broker *b)
{
	int64_t last = 0;

	for (unsigned quiet = 0; quiet < 50; quiet++) {
		int64_t now = b->heap ? broker_heap(b) : 0;

		if (now != last)
			quiet = 0;
		last = now;
		poll(NULL, 0, 2);
	}
	return last;
}

/* The ends of connections and sessions are seen a little later. */
static void await_alone(const struct broker *b, struct peer *p)
{
	UNTIL (peer_daemon_row(p).clients == 1 && peer_daemon_row(p).sessions == 0 &&
	       peer_daemon_row(p).buffer_bytes == 0)
		;
	UNTIL (broker_processes(b, "qda-softdsp") == 1) /* the DSP, and no PD */
		;
}

static struct measure measure(const struct broker *b, struct peer *p)
{
	struct measure m;

	await_alone(b, p);
	m.heap = settled_heap(b);
	m.counts = peer_counts(p);
	m.fds = broker_fds(b);
	return m;
}

/* What was on its way out when it was first measured may be less by now. */
static void assert_back_at(const struct broker *b, struct peer *p, const struct measure *before)
{
	struct counts now;

	await_alone(b, p);
	UNTIL (broker_fds(b) <= before->fds)
		;
	UNTIL (!b->heap || broker_heap(b) <= before->heap)
		;
	now = peer_counts(p);
	assert_counts_equal(&now, &before->counts);
}

static int setup_heap(void **state)
{
	return broker_setup_with(
		state, &(struct broker_options){ .config = "[quota default]\nconnections=201\n"
							   "[connection]\nsessions=16\n",
						 .heap = true });
}

/* A client of a broker whose heap is counted; else the test is skipped. */
static struct peer *heap_peer(const struct broker *b)
{
	broker_need_heap(b);
	return peer_new(b);
}

/* --- coming and going --- */

static struct peer *ask(const struct broker *b)
{
	struct peer *p = peer_connect(b);

	peer_post(p, REQUEST(HELLO, .hello = { 1, 1, "round" }), NULL, 0, NULL, 0);
	peer_post(p, REQUEST(LIST_DOMAINS), NULL, 0, NULL, 0);
	return p;
}

static void await_answers(struct peer *p)
{
	assert_int_equal(peer_await(p, 1)->hello.version, 1);
	assert_int_equal(peer_await(p, 2)->list_domains.n, 1);
}

/* Each goes as soon as it is answered. */
static void connect_round(const struct broker *b)
{
	struct peer *peers[CONNECTIONS];

	for (unsigned i = 0; i < CONNECTIONS; i++)
		peers[i] = ask(b);
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		await_answers(peers[i]);
		peer_free(peers[i]);
	}
}

/* Tables as long as the highest descriptor (the loop has one) get as long as they will ever be. */
static void connect_all_at_once(const struct broker *b)
{
	struct peer *peers[AT_ONCE];

	for (unsigned i = 0; i < AT_ONCE; i++)
		await_answers(peers[i] = ask(b));
	for (unsigned i = 0; i < AT_ONCE; i++)
		peer_free(peers[i]);
}

static void a_hundred_thousand_connections_leave_nothing(void **state)
{
	struct peer *p = peer_new(*state);
	struct measure before;

	connect_all_at_once(*state);
	before = measure(*state, p);
	for (unsigned round = 0; round < ROUNDS; round++) {
		connect_round(*state);
		UNTIL (round % 100 || peer_daemon_row(p).clients == 1)
			;
	}
	assert_back_at(*state, p, &before);
	peer_free(p);
}

/* A session with all that can hang on it. */
static void session_round(struct peer *p, unsigned round)
{
	uint64_t session = peer_session(p), handle = peer_module(p, session, QDA_ARGS_URI);
	uint64_t buffer = peer_buffer(p, 65536, NULL);
	struct invocation *i = invocation_new(handle, QDA_ARGS_COUNTER_NEW);

	peer_ok(p, REQUEST(BUFFER_MAP, .buffer_map = { session, buffer, 0, 0, round }));
	invocation_in(i, "1234", 4);
	invocation_arg(i, 3, QDA_ARG_MODULE, 0, 0, 0);
	invocation_run(p, i);
	i = invocation_new(handle, QDA_ARGS_FILL);
	invocation_in(i, "1234", 4);
	invocation_arg(i, 1, QDA_ARG_BUFFER, buffer, round % 60000, 5000);
	invocation_run(p, i);
	if (round % 2)
		peer_ok(p, REQUEST(BUFFER_FREE, .buffer_free = { buffer }));
	if (round % 3)
		peer_ok(p, REQUEST(MODULE_CLOSE, .module_close = { handle }));
	peer_ok(p, REQUEST(SESSION_CLOSE, .session_close = { session }));
	if (!(round % 2))
		peer_ok(p, REQUEST(BUFFER_FREE, .buffer_free = { buffer }));
}

static void two_thousand_sessions_leave_nothing(void **state)
{
	struct peer *p = peer_new(*state);
	struct measure before;

	connect_all_at_once(*state);
	for (unsigned round = 0; round < 6; round++)
		session_round(p, round);
	before = measure(*state, p);
	for (unsigned round = 0; round < 2 * ROUNDS; round++)
		session_round(p, round);
	assert_back_at(*state, p, &before);
	peer_free(p);
}

static void a_hundred_crashes_leave_nothing(void **state)
{
	struct peer *p = peer_new(*state);
	struct measure before;

	connect_all_at_once(*state);
	for (unsigned round = 0; round < 105; round++) {
		uint64_t session = peer_session(p);
		uint64_t bad = peer_module(p, session, QDA_BAD_URI);

		for (unsigned k = 0; k < 5; k++)
			post_number(p, bad, QDA_BAD_HANG, QDA_BAD_FOREVER, 0);
		post_number(p, bad, QDA_BAD_SIGNAL, SIGABRT, 0);
		for (unsigned ended = 0; ended < 6;) {
			assert_true(peer_next(p));
			if (p->frame.flags == QDA_FRAME_EVENT)
				continue;
			assert_int_equal(p->reply.status.code, ECONNRESET);
			ended++;
		}
		peer_post(p, REQUEST(SESSION_CLOSE, .session_close = { session }), NULL, 0, NULL,
			  0);
		peer_await(p, p->serial);
		if (round == 4)
			before = measure(*state, p);
	}
	assert_back_at(*state, p, &before);
	peer_free(p);
}

/* --- refusals --- */

#define REFUSALS 100000u
#define BATCH	 50u

/* The same refused request many times over: each is refused alike, and nothing is kept of it. */
static void assert_refusals_cost_nothing(const struct broker *b, struct peer *p,
					 const struct qda_msg_request *request,
					 const char *resource)
{
	unsigned done = 0;
	int64_t before = 0;

	while (done < REFUSALS / slowness() + BATCH) {
		uint64_t first = p->serial + 1;

		for (unsigned i = 0; i < BATCH; i++)
			peer_post(p, request, NULL, 0, NULL, 0);
		for (unsigned i = 0; i < BATCH; i++) {
			assert_int_equal(peer_await(p, first + i)->status.code, EDQUOT);
			assert_string_equal(p->reply.status.resource, resource);
		}
		if (!done)
			before = settled_heap(b);
		done += BATCH;
	}
	UNTIL (broker_heap(b) <= before)
		;
}

#define SETUP(name, text)                                                                          \
	static int name(void **state)                                                              \
	{                                                                                          \
		return broker_setup_with(                                                          \
			state, &(struct broker_options){ .config = text, .heap = true });          \
	}

SETUP(no_sessions, "[connection]\nsessions=0\n")

static void refused_sessions_cost_nothing(void **state)
{
	struct peer *p = heap_peer(*state);

	assert_refusals_cost_nothing(*state, p, REQUEST(SESSION_OPEN), "sessions");
	peer_free(p);
}

SETUP(no_buffers, "[connection]\nbuffers=0\n")

static void refused_buffers_cost_nothing(void **state)
{
	struct peer *p = heap_peer(*state);

	assert_refusals_cost_nothing(*state, p, REQUEST(BUFFER_ALLOC, .buffer_alloc = { 1 }),
				     "buffers");
	peer_free(p);
}

SETUP(no_buffer_bytes, "[quota default]\nbuffer_bytes=4K\n")

static void refused_buffer_bytes_cost_nothing(void **state)
{
	struct peer *p = heap_peer(*state);

	assert_refusals_cost_nothing(*state, p, REQUEST(BUFFER_ALLOC, .buffer_alloc = { 4097 }),
				     "buffer_bytes");
	peer_free(p);
}

SETUP(no_fds, "[total]\nfds=2\n")

static void refused_descriptors_cost_nothing(void **state)
{
	struct peer *p = heap_peer(*state);

	peer_call(p, REQUEST(BUFFER_ALLOC, .buffer_alloc = { 1 })); /* where there are no pidfds */
	assert_refusals_cost_nothing(*state, p, REQUEST(BUFFER_ALLOC, .buffer_alloc = { 1 }),
				     "fds");
	peer_free(p);
}

SETUP(no_maps, "[connection]\nmaps=0\n")

static void refused_maps_cost_nothing(void **state)
{
	struct peer *p = heap_peer(*state);
	uint64_t session = peer_session(p), buffer = peer_buffer(p, 4096, NULL);

	assert_refusals_cost_nothing(
		*state, p, REQUEST(BUFFER_MAP, .buffer_map = { session, buffer, 0, 0, 1 }), "maps");
	peer_free(p);
}

SETUP(one_handle, "[connection]\nhandles=1\n")

static void refused_handles_cost_nothing(void **state)
{
	struct peer *p = heap_peer(*state);
	uint64_t handle = peer_open(p, QDA_ARGS_URI);
	struct qda_msg_arg args[] = { { QDA_ARG_INLINE, 0, 0, 0 }, { QDA_ARG_MODULE, 0, 0, 0 } };

	assert_refusals_cost_nothing(*state, p,
				     REQUEST(INVOKE, .invoke = { handle, 0, 0x07010001, 2, args }),
				     "handles");
	peer_free(p);
}

SETUP(no_calls_left, "[connection]\ncalls=1\n")

static void refused_calls_cost_nothing(void **state)
{
	struct peer *p = heap_peer(*state);
	uint64_t session = peer_session(p), handle = peer_module(p, session, QDA_BAD_URI);
	struct qda_msg_arg args[] = { { QDA_ARG_INLINE, 0, 0, 0 } };
	uint64_t running = post_number(p, handle, QDA_BAD_HANG, QDA_BAD_FOREVER, 0);
	uint32_t code;

	assert_int_equal(peer_cancel(p, running, &code), 2); /* it is abandoned */
	assert_refusals_cost_nothing(
		*state, p, REQUEST(INVOKE, .invoke = { handle, 0, 0x02010000, 1, args }), "calls");
	peer_free(p);
}

SETUP(few_out_bytes, "[connection]\nout_bytes=2048\n")

static void refused_out_bytes_cost_nothing(void **state)
{
	struct peer *p = heap_peer(*state);
	uint64_t handle = peer_open(p, QDA_NULL_URI);
	struct qda_msg_arg args[] = { { QDA_ARG_INLINE, 0, 0, 2000 } };

	assert_refusals_cost_nothing(*state, p,
				     REQUEST(INVOKE, .invoke = { handle, 0, 0x02000100, 1, args }),
				     "out_bytes");
	peer_free(p);
}

SETUP(no_inline_bytes, "[connection]\ninline_bytes=0\n[domain cdsp]\nin_flight=1\n")

static void refused_inline_bytes_cost_nothing(void **state)
{
	struct peer *p = heap_peer(*state);
	uint64_t handle = peer_open(p, QDA_BAD_URI);
	struct qda_msg_arg args[] = { { QDA_ARG_INLINE, 0, 0, 0 }, { QDA_ARG_INLINE, 0, 0, 8 } };

	post_number(p, handle, QDA_BAD_HANG, QDA_BAD_FOREVER, 0);
	post_number(p, handle, QDA_BAD_HANG, QDA_BAD_FOREVER, 0); /* waits, staged */
	assert_refusals_cost_nothing(*state, p,
				     REQUEST(INVOKE, .invoke = { handle, 0, 0x04010100, 2, args }),
				     "inline_bytes");
	peer_free(p);
}

SETUP(one_connection, "[quota default]\nconnections=1\n")

static void refused_connections_cost_nothing(void **state)
{
	struct peer *p = heap_peer(*state);
	int64_t before = 0;

	for (unsigned i = 0; i < REFUSALS / slowness(); i++) {
		struct peer *more = peer_connect(*state);

		peer_await(more, 0);
		assert_string_equal(more->reply.status.resource, "connections");
		peer_free(more);
		if (i == 100)
			before = settled_heap(*state);
	}
	UNTIL (broker_heap(*state) <= before)
		;
	peer_free(p);
}

/* --- the dead --- */

/* What a client does that is then killed: everything, and calls in flight most of the time. It may
 * not fail the test: it only ends. (A failure would go on with the tests, in this process.) */
static void live(const char *socket)
{
	struct peer *p = peer_try_connect(socket);
	uint64_t session, bad, null, buffer;

	if (!p)
		_exit(1);
	peer_ok(p, REQUEST(HELLO, .hello = { 1, 1, "victim" }));
	for (unsigned round = 0;; round++) {
		session = peer_session(p);
		buffer = peer_buffer(p, 1 << 20, NULL);
		bad = peer_module(p, session, QDA_BAD_URI);
		null = peer_module(p, session, QDA_NULL_URI);
		peer_ok(p, REQUEST(BUFFER_MAP, .buffer_map = { session, buffer, 0, 0, 9 }));
		for (unsigned i = 0; i < 40; i++)
			post_number(p, bad, QDA_BAD_HANG, i % 4 ? QDA_BAD_FOREVER : 1,
				    i % 3 * 2000);
		for (unsigned i = 0; i < 20; i++) {
			peer_post(p, REQUEST(BUFFER_ALLOC, .buffer_alloc = { 4096 }), NULL, 0, NULL,
				  0);
			post_number(p, null, QDA_NULL_HOLD, i * 50, 0);
		}
		for (unsigned i = 0; i < 30; i++)
			if (!peer_next(p))
				_exit(1);
		peer_post(p, REQUEST(SESSION_CLOSE, .session_close = { session }), NULL, 0, NULL,
			  0);
		while (peer_next(p) && p->frame.serial != p->serial)
			;
	}
}

static pid_t victim_new(const struct broker *b)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		setenv("CMOCKA_TEST_ABORT", "1", 1);
		live(b->socket);
	}
	return pid;
}

/* Killed later and later in what it does, by a step that meets every part of it. */
static void kill_victims(const struct broker *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		pid_t pid = victim_new(b);
		struct timespec delay = { 0, (long)(i * 37 % 211) * 100000 * slowness() };

		ppoll(NULL, 0, &delay, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
}

/* But for the pool of calls, which may have grown: heap bytes are not compared. */
static void clients_killed_at_any_point_leave_nothing(void **state)
{
	struct peer *p = peer_new(*state);
	struct measure before;

	kill_victims(*state, 12);
	before = measure(*state, p);
	kill_victims(*state, 250 / slowness());
	assert_back_at(*state, p, &before);
	invocation_run(p, invocation_new(peer_open(p, QDA_NULL_URI), QDA_NULL_NOTHING));
	peer_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH(a_hundred_thousand_connections_leave_nothing, setup_heap),
		TEST_WITH(two_thousand_sessions_leave_nothing, setup_heap),
		TEST_WITH(a_hundred_crashes_leave_nothing, setup_heap),
		TEST_WITH(refused_sessions_cost_nothing, no_sessions),
		TEST_WITH(refused_buffers_cost_nothing, no_buffers),
		TEST_WITH(refused_buffer_bytes_cost_nothing, no_buffer_bytes),
		TEST_WITH(refused_descriptors_cost_nothing, no_fds),
		TEST_WITH(refused_maps_cost_nothing, no_maps),
		TEST_WITH(refused_handles_cost_nothing, one_handle),
		TEST_WITH(refused_calls_cost_nothing, no_calls_left),
		TEST_WITH(refused_out_bytes_cost_nothing, few_out_bytes),
		TEST_WITH(refused_inline_bytes_cost_nothing, no_inline_bytes),
		TEST_WITH(refused_connections_cost_nothing, one_connection),
		TEST(clients_killed_at_any_point_leave_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
