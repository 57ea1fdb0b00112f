/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many against one: who takes all there is to take, or never stops coming, keeps nobody else from
 * the DSP; and what two want at once only one gets.
 */
#include "command.h"
#include "peer.h"
#include "stranger.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "qda_bad.h"
#include "qda_null.h"

#define CLIENTS	 64u
#define CONNECTS (100000u / slowness())

enum { GREEDY = 54361, ROUNDS = 10 };

/* Less of what takes long to use up than is usual. */
static int setup_users(void **state)
{
	return broker_setup_with(state, &(struct broker_options){
						.config = "[policy a]\nkind=unsigned\nallow=yes\n"
							  "[connection]\nbuffers=64\ncalls=64\n"
							  "[quota default]\nbuffers=128\ncalls=128\n"
							  "[domain cdsp]\nin_flight=4\n",
						.system = true,
					});
}

/* --- 64 greedy clients --- */

/* All that one connection can get. Calls never end. False: it was refused for no good reason. */
static bool take_all(struct peer *p)
{
	uint64_t session = 0, handle;
	uint32_t code;

	while (!(code = peer_call(p, REQUEST(BUFFER_ALLOC, .buffer_alloc = { 1 }))->status.code))
		;
	if (code != EDQUOT)
		return false;
	while (!(code = peer_call(p, REQUEST(SESSION_OPEN))->status.code))
		session = p->reply.session_open.session;
	if (code != EDQUOT || !session)
		return code == EDQUOT; /* others of the user have them all */
	if (peer_call(p, REQUEST(MODULE_OPEN, .module_open = { session, QDA_BAD_URI }))->status.code)
		return false;
	handle = p->reply.module_open.handle;
	for (unsigned i = 0; i < 100; i++)
		post_number(p, handle, QDA_BAD_HANG, QDA_BAD_FOREVER, 0);
	while (peer_next(p)) /* what is answered is refused, the last one, too */
		if (p->reply.status.code != EDQUOT || p->frame.serial == p->serial)
			return p->reply.status.code == EDQUOT;
	return false;
}

/* Until there are as many as may be, or all descriptors are taken. */
static char be_greedy(const char *socket)
{
	int n;

	for (unsigned i = 0; i <= CLIENTS; i++) {
		struct peer *p = peer_try_connect(socket);

		if (!p)
			return 'c';
		/* The one too many may be refused, and its connection ended, before it says Hello.
		 */
		n = qda_request_encode(p->out, sizeof(p->out), ++p->serial,
				       REQUEST(HELLO, .hello = { 1, 1, "greedy" }));
		peer_send_raw(p, p->out, (size_t)n, NULL, 0);
		if (!peer_next(p))
			return 'e';
		if (p->reply.status.code)
			return i && p->reply.status.code == EDQUOT ? 'y' : 'r';
		if (!take_all(p))
			return 'n';
	}
	return 'm';
}

static void use_the_dsp(const struct broker *b, unsigned calls)
{
	struct peer *p = peer_new(b);
	uint64_t handle = peer_open(p, QDA_NULL_URI);

	peer_buffer(p, 1 << 20, NULL);
	for (unsigned i = 0; i < calls; i++)
		invocation_run(p, invocation_new(handle, QDA_NULL_NOTHING));
	peer_free(p);
}

static void sixty_four_greedy_clients_leave_the_dsp_to_a_polite_one(void **state)
{
	struct stranger greedy;

	need_root();
	greedy = stranger_new(*state, GREEDY, GREEDY, NULL, be_greedy);
	assert_int_equal(stranger_said(&greedy), 'y');
	for (unsigned i = 0; i < 10; i++)
		use_the_dsp(*state, 50);
	stranger_free(&greedy);
}

/* --- users who take all context banks --- */

static int setup_many_sessions(void **state)
{
	return broker_setup_with(state, &(struct broker_options){
						.config = "[policy a]\nkind=unsigned\nallow=yes\n"
							  "[connection]\nsessions=1000\n"
							  "buffer_bytes=4G\nfds=10000\n"
							  "[quota default]\nsessions=1000\n"
							  "buffer_bytes=4G\nfds=10000\n",
						.system = true,
					});
}

static char take_all_banks(const char *socket)
{
	struct peer *p = peer_try_connect(socket);
	unsigned n = 0;

	if (!p || peer_call(p, REQUEST(HELLO, .hello = { 1, 1, "greedy" }))->status.code)
		return 'c';
	while (!peer_call(p, REQUEST(SESSION_OPEN))->status.code)
		n++;
	return n && p->reply.status.code == EUSERS ? 'y' : 'n';
}

static void users_who_take_all_context_banks_leave_some_to_others(void **state)
{
	struct stranger greedy[2];
	struct peer *p;
	unsigned banks, reserved;
	const struct qda_msg_status *status;

	need_root();
	p = peer_new(*state);
	banks = peer_domain_row(p).sessions_max;
	reserved = banks / 4;
	assert_true(reserved >= 2);
	for (unsigned i = 0; i < 2; i++) {
		greedy[i] = stranger_new(*state, GREEDY + i, GREEDY + i, NULL, take_all_banks);
		assert_int_equal(stranger_said(&greedy[i]), 'y');
		assert_int_equal(peer_domain_row(p).sessions, banks - reserved + i);
	}
	peer_session(p);
	status = peer_refused(p, REQUEST(SESSION_OPEN), EUSERS);
	if (reserved > 2) {
		assert_non_null(strstr(status->text, "lower reserved_sessions in [domain cdsp]"));
		assert_int_equal(status->limit, banks - reserved);
	}
	stranger_free(&greedy[0]);
	UNTIL (peer_domain_row(p).sessions == 2)
		;
	peer_session(p);
	stranger_free(&greedy[1]);
	peer_free(p);
}

/* --- one who connects again and again --- */

/* Shared with the one who connects: others have done what they wanted meanwhile. */
static atomic_bool *enough;

/* So that more than it may have are open, and some are refused. */
static char connect_again_and_again(const char *socket_path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fds[2 * CLIENTS];

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	memset(fds, -1, sizeof(fds));
	for (unsigned i = 0; i < CONNECTS || !atomic_load(enough); i++) {
		int *fd = &fds[i % (2 * CLIENTS)];

		if (*fd >= 0)
			close(*fd);
		*fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		if (connect(*fd, (struct sockaddr *)&address, sizeof(address)) < 0)
			return 'n';
	}
	return 'y';
}

static bool is_over(const struct stranger *s)
{
	struct pollfd p = { s->said, POLLIN, 0 };

	return poll(&p, 1, 0) == 1;
}

static void await_alone(struct peer *p)
{
	UNTIL (peer_daemon_row(p).clients == 1 && peer_daemon_row(p).sessions == 0)
		;
}

static void a_hundred_thousand_connects_keep_no_other_user_from_calling(void **state)
{
	struct stranger storm;
	unsigned rounds = 0, fds;
	struct peer *p;

	need_root();
	enough = mmap(NULL, sizeof(*enough), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	assert_ptr_not_equal(enough, MAP_FAILED);
	use_the_dsp(*state, 1);
	p = peer_new(*state);
	await_alone(p);
	fds = broker_fds(*state);
	storm = stranger_new(*state, GREEDY, GREEDY, NULL, connect_again_and_again);
	while (!is_over(&storm)) {
		use_the_dsp(*state, 1);
		atomic_store(enough, ++rounds >= ROUNDS);
	}
	assert_int_equal(stranger_said(&storm), 'y');
	stranger_free(&storm);
	print_message("# meanwhile: %u times connect, open and call\n", rounds);
	assert_true(rounds >= ROUNDS);
	await_alone(p);
	UNTIL (broker_fds(*state) <= fds)
		;
	peer_free(p);
	munmap(enough, sizeof(*enough));
}

/* --- two at the last unit --- */

static int setup_one_each(void **state)
{
	return broker_setup_with(state, &(struct broker_options){
						.config = "[quota default]\nbuffers=1\nsessions=1\n" });
}

/* Both ask before either is answered. The one who got it, and what it got. */
static struct peer *race(struct peer *const peers[2], unsigned first, const char *resource,
			 const struct qda_msg_request *request)
{
	uint64_t serials[2];
	struct peer *winner = NULL;

	for (unsigned i = 0; i < 2; i++)
		serials[(first + i) % 2] = peer_post(peers[(first + i) % 2], request, NULL, 0, NULL, 0);
	for (unsigned i = 0; i < 2; i++) {
		const struct qda_msg_status *status = &peer_await(peers[i], serials[i])->status;

		if (!status->code) {
			assert_null(winner);
			winner = peers[i];
			continue;
		}
		assert_int_equal(status->code, EDQUOT);
		assert_string_equal(status->resource, resource);
		assert_string_equal(status->scope, "uid");
		assert_int_equal(status->limit, 1);
		assert_int_equal(status->used, 1);
	}
	assert_non_null(winner);
	return winner;
}

static void two_connections_of_a_user_at_its_last_unit_get_one(void **state)
{
	struct peer *peers[2] = { peer_new(*state), peer_new(*state) }, *p;

	for (unsigned i = 0; i < 100 / slowness() + 5; i++) {
		p = race(peers, i % 2, "buffers", REQUEST(BUFFER_ALLOC, .buffer_alloc = { 1 }));
		peer_ok(p, REQUEST(BUFFER_FREE, .buffer_free = { p->reply.buffer.buffer }));
		p = race(peers, i % 2, "sessions", REQUEST(SESSION_OPEN));
		peer_ok(p, REQUEST(SESSION_CLOSE,
				   .session_close = { p->reply.session_open.session }));
	}
	peer_free(peers[0]);
	peer_free(peers[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH(sixty_four_greedy_clients_leave_the_dsp_to_a_polite_one, setup_users),
		TEST_WITH(users_who_take_all_context_banks_leave_some_to_others, setup_many_sessions),
		TEST_WITH(a_hundred_thousand_connects_keep_no_other_user_from_calling, setup_users),
		TEST_WITH(two_connections_of_a_user_at_its_last_unit_get_one, setup_one_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
