/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What calls cost of the daemon's heap, whatever they carry and however they end: nothing, once its
 * pools have what a load needs. Each load is run some times, and must allocate nothing in as many
 * runs more.
 */
#include "command.h"
#include "peer.h"
#include "stranger.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "qda_args.h"
#include "qda_bad.h"
#include "qda_null.h"

#define N(array) (sizeof(array) / sizeof(*(array)))

enum { SESSIONS = 3, WARM = 5, FIRST_USER = 54351, USERS = 3 };
#define RUNS (100u / slowness() + 5)
/* More than any load has at once: of all users, in a session, and of those that are large. */
enum { AT_ONCE = 48, PARKED = 12, LARGE = 16 };

/* More than a message of a page, and more than one page. */
static const uint32_t sizes[] = { 0, 4, 1000, 9000, 25000 };

/* One call at a time is on the DSP, so that the others wait. */
#define ONE_SLOT                                                                                   \
	"[connection]\ncalls=512\nparked=64\n[quota default]\ncalls=2000\nparked=64\n"             \
	"[domain cdsp]\nin_flight=1\n"

static int setup(void **state)
{
	return broker_setup_with(state,
				 &(struct broker_options){ .config = ONE_SLOT, .heap = true });
}

static int setup_users(void **state)
{
	return broker_setup_with(state, &(struct broker_options){
						.config = ONE_SLOT "[policy a]\nurgent=yes\nparked=yes\nallow=yes\n",
						.heap = true,
						.system = true,
					});
}

/* --- a client, and what it does --- */

struct caller {
	struct peer *p;
	uint64_t null[SESSIONS], args[SESSIONS]; /* a module in each session */
	uint64_t buffer;
	uint32_t expired, cancelled; /* calls, so far */
	uint32_t hold_us;	     /* so long that there is time to cancel */
};

static bool caller_init(struct caller *c, const char *socket)
{
	*c = (struct caller){ .p = peer_try_connect(socket), .hold_us = 1000 };
	if (!c->p || peer_call(c->p, REQUEST(HELLO, .hello = { 1, 1, "caller" }))->status.code)
		return false;
	for (unsigned i = 0; i < SESSIONS; i++) {
		uint64_t session = peer_session(c->p);

		c->null[i] = peer_module(c->p, session, QDA_NULL_URI);
		c->args[i] = peer_module(c->p, session, QDA_ARGS_URI);
	}
	c->buffer = peer_buffer(c->p, 1 << 20, NULL);
	return true;
}

static struct invocation *hold(const struct caller *c, unsigned session, uint32_t us)
{
	struct invocation *i = invocation_new(c->null[session], QDA_NULL_HOLD);

	invocation_in(i, &us, sizeof(us));
	return i;
}

/* Bytes there and back. */
static struct invocation *echo(const struct caller *c, unsigned session, uint32_t size)
{
	static const uint8_t bytes[32768];
	struct invocation *i = invocation_new(c->args[session], QDA_ARGS_ECHO);

	invocation_in(i, bytes, size);
	invocation_out(i, size);
	return i;
}

static uint64_t post(struct caller *c, struct invocation *i, int32_t priority, uint64_t timeout_us,
		     bool parked)
{
	i->request.invoke.priority = priority;
	i->request.invoke.timeout_us = timeout_us;
	i->request.invoke.flags = parked ? QDA_INVOKE_PARKED : 0;
	return invocation_post(c->p, i);
}

/* As many answers, in any order. */
static void take(struct caller *c, unsigned n)
{
	while (n) {
		assert_true(peer_next(c->p));
		if (c->p->frame.flags == QDA_FRAME_EVENT)
			continue;
		n--;
		c->expired += c->p->reply.status.code == ETIME;
		c->cancelled += c->p->reply.status.code == ECANCELED;
		if (c->p->reply.status.code && c->p->reply.status.code != ETIME &&
		    c->p->reply.status.code != ECANCELED)
			fail_msg("a call failed with %u: %s", c->p->reply.status.code,
				 c->p->reply.status.text);
	}
}

/* Calls that wait, of each size, until the session is closed whose call does not end; what one of
 * them took is kept for all. */
static void fill_queue(struct caller *c)
{
	uint64_t session = peer_session(c->p), bad = peer_module(c->p, session, QDA_BAD_URI);
	unsigned n = 2;

	post_number(c->p, bad, QDA_BAD_HANG, QDA_BAD_FOREVER, 0);
	for (unsigned k = 0; k < N(sizes); k++)
		for (unsigned i = 0; i < (sizes[k] > 5000 ? LARGE : AT_ONCE); i++, n++)
			post(c, echo(c, 0, sizes[k]), 0, 0, false);
	peer_post(c->p, REQUEST(SESSION_CLOSE, .session_close = { session }), NULL, 0, NULL, 0);
	take(c, n);
	c->cancelled = 0;
}

/* Calls on the DSP, in each session and of all together, with as many arguments as any has. False:
 * some have ended before all were there. */
static bool are_at_once(struct caller *c, uint32_t us)
{
	uint64_t behind;
	bool first;

	for (unsigned i = 0; i < SESSIONS * PARKED; i++) {
		struct invocation *call = invocation_new(c->args[i % SESSIONS], QDA_ARGS_TIME);

		invocation_in(call, &us, sizeof(us));
		invocation_out(call, sizeof(struct qda_args_time));
		post(c, call, 0, 0, true);
	}
	behind = peer_post(c->p, REQUEST(CANCEL, .cancel = { UINT64_MAX }), NULL, 0, NULL, 0);
	assert_true(peer_next(c->p));
	first = c->p->frame.serial == behind;
	take(c, SESSIONS * PARKED);
	return first;
}

static void fill_device(struct caller *c)
{
	for (uint32_t us = 100000; !are_at_once(c, us); us *= 2)
		;
}

/* --- loads --- */

/* By value and in buffers, each way. */
static void arguments(struct caller *c)
{
	for (unsigned k = 0; k < N(sizes); k++) {
		struct invocation *i = echo(c, 0, sizes[k]);

		invocation_run(c->p, i);
		i = invocation_new(c->args[0], QDA_ARGS_ECHO);
		invocation_arg(i, 0, QDA_ARG_BUFFER, c->buffer, 7, sizes[k]);
		invocation_arg(i, 1, QDA_ARG_BUFFER, c->buffer, 70000, sizes[k]);
		invocation_run(c->p, i);
		i = invocation_new(c->args[0], QDA_ARGS_ECHO);
		invocation_arg(i, 0, QDA_ARG_BUFFER, c->buffer, 7, sizes[k]);
		invocation_out(i, sizes[k]);
		invocation_run(c->p, i);
	}
}

/* They wait for the slot, and overtake each other. */
static void priorities(struct caller *c)
{
	post(c, hold(c, 0, 300), 0, 0, false);
	for (int32_t priority = -1; priority <= 2; priority++) {
		post(c, echo(c, 0, sizes[1 + priority % 4 % 2]), priority, 0, false);
		post(c, echo(c, 0, 9000), priority, 0, false);
	}
	take(c, 9);
}

static void parked(struct caller *c)
{
	for (unsigned i = 0; i < 4; i++) {
		post(c, hold(c, 0, 300), 0, 0, true);
		post(c, echo(c, 0, 1000), 0, 0, true);
		post(c, echo(c, 0, 1000), 0, 0, false);
	}
	take(c, 12);
}

/* Kept, passed while the call waits, and passed while it runs; and calls that are given up. */
static void deadlines(struct caller *c)
{
	uint32_t cancelled = c->cancelled;
	uint64_t running, queued;

	post(c, hold(c, 0, 2000), 0, 1000, false);
	post(c, echo(c, 0, 1000), 0, 1000, false);
	post(c, echo(c, 0, 1000), 0, 20000000, false);
	take(c, 3);
	running = post(c, hold(c, 0, c->hold_us), 0, 20000000, false);
	queued = post(c, echo(c, 0, 1000), 0, 20000000, false);
	peer_post(c->p, REQUEST(CANCEL, .cancel = { queued }), NULL, 0, NULL, 0);
	peer_post(c->p, REQUEST(CANCEL, .cancel = { running }), NULL, 0, NULL, 0);
	take(c, 4);
	if (c->cancelled == cancelled)
		c->hold_us *= 2;
}

static void sessions(struct caller *c)
{
	for (unsigned i = 0; i < SESSIONS; i++) {
		post(c, hold(c, i, 100), 0, 0, false);
		post(c, echo(c, i, 1000), 0, 0, false);
	}
	take(c, 2 * SESSIONS);
}

static void all(struct caller *c)
{
	arguments(c);
	priorities(c);
	parked(c);
	deadlines(c);
	sessions(c);
}

/* --- one client, and some of one user --- */

static void assert_needs_no_heap(const struct broker *b, void (*load)(struct caller *c),
				 struct caller *callers, unsigned n)
{
	uint64_t before = 0;

	fill_queue(callers);
	for (unsigned i = 0; i < n; i++)
		fill_device(&callers[i]);
	for (unsigned round = 0; round < WARM + RUNS; round++) {
		if (round == WARM)
			before = broker_allocations(b);
		for (unsigned i = 0; i < n; i++)
			load(&callers[i]);
	}
	assert_int_equal(broker_allocations(b), before);
}

static void alone(const struct broker *b, void (*load)(struct caller *c), struct caller *c)
{
	broker_need_heap(b);
	assert_true(caller_init(c, b->socket));
	assert_needs_no_heap(b, load, c, 1);
	peer_free(c->p);
}

static void arguments_need_no_heap(void **state)
{
	struct caller c;

	alone(*state, arguments, &c);
}

static void calls_that_wait_need_no_heap(void **state)
{
	struct caller c;

	alone(*state, priorities, &c);
}

static void parked_calls_need_no_heap(void **state)
{
	struct caller c;

	alone(*state, parked, &c);
}

static void deadlines_and_cancelled_calls_need_no_heap(void **state)
{
	struct caller c;

	alone(*state, deadlines, &c);
	assert_true(c.expired && c.cancelled);
}

static void calls_of_several_sessions_need_no_heap(void **state)
{
	struct caller c;

	alone(*state, sessions, &c);
}

static void calls_of_several_clients_need_no_heap(void **state)
{
	struct caller callers[3];

	broker_need_heap(*state);
	for (unsigned i = 0; i < N(callers); i++)
		assert_true(caller_init(&callers[i], ((struct broker *)*state)->socket));
	assert_needs_no_heap(*state, all, callers, N(callers));
	for (unsigned i = 0; i < N(callers); i++)
		peer_free(callers[i].p);
}

/* --- several users --- */

/* Between the users' processes and ours: how many are warm, how many have done all, and how much
 * they all have done so far. */
static struct meeting {
	atomic_uint warm, go, done, rounds;
} *meeting;

static void do_all(struct caller *c, unsigned rounds)
{
	for (unsigned round = 0; round < rounds; round++) {
		all(c);
		atomic_fetch_add(&meeting->rounds, 1);
	}
}

/* As long as they get on. */
static void await_users(atomic_uint *n)
{
	while (atomic_load(n) < USERS) {
		unsigned rounds = atomic_load(&meeting->rounds);

		UNTIL (atomic_load(n) == USERS || atomic_load(&meeting->rounds) != rounds)
			;
	}
}

static char work(const char *socket)
{
	struct caller c;

	if (!caller_init(&c, socket))
		return 'n';
	fill_device(&c);
	do_all(&c, WARM);
	atomic_fetch_add(&meeting->warm, 1);
	while (!atomic_load(&meeting->go))
		poll(NULL, 0, 1);
	do_all(&c, RUNS / 4);
	atomic_fetch_add(&meeting->done, 1);
	return 'y';
}

static void calls_of_several_users_need_no_heap(void **state)
{
	struct stranger users[USERS];
	struct caller first;
	uint64_t before, after;

	broker_need_heap(*state);
	need_root();
	meeting = mmap(NULL, sizeof(*meeting), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	assert_ptr_not_equal(meeting, MAP_FAILED);
	assert_true(caller_init(&first, ((struct broker *)*state)->socket));
	fill_queue(&first);
	fill_device(&first);
	for (unsigned i = 0; i < USERS; i++)
		users[i] = stranger_new(*state, FIRST_USER + i, FIRST_USER + i, NULL, work);
	await_users(&meeting->warm);
	before = broker_allocations(*state);
	atomic_store(&meeting->go, 1);
	await_users(&meeting->done);
	after = broker_allocations(*state);
	for (unsigned i = 0; i < USERS; i++) {
		assert_int_equal(stranger_said(&users[i]), 'y');
		stranger_free(&users[i]);
	}
	assert_int_equal(after, before);
	peer_free(first.p);
	munmap(meeting, sizeof(*meeting));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH(arguments_need_no_heap, setup),
		TEST_WITH(calls_that_wait_need_no_heap, setup),
		TEST_WITH(parked_calls_need_no_heap, setup),
		TEST_WITH(deadlines_and_cancelled_calls_need_no_heap, setup),
		TEST_WITH(calls_of_several_sessions_need_no_heap, setup),
		TEST_WITH(calls_of_several_clients_need_no_heap, setup),
		TEST_WITH(calls_of_several_users_need_no_heap, setup_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
