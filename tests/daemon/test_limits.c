/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a client may hold and what it may name. A refusal says which resource, whose limit, how much
 * and how much is used; a number that was not given to this connection names nothing.
 */
#include "peer.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "qda_args.h"
#include "qda_bad.h"
#include "qda_null.h"

#define N(array) (sizeof(array) / sizeof(*(array)))

#define SETUP(name, text)                                                                          \
	static int name(void **state)                                                              \
	{                                                                                          \
		return broker_setup_with(state, &(struct broker_options){ .config = text });       \
	}

/* --- quotas --- */

SETUP(one_session, "[connection]\nsessions=1\n")

static void sessions_are_limited(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t session = peer_session(p);

	peer_refused_quota(p, REQUEST(SESSION_OPEN), "sessions", "connection", 1, 1);
	peer_ok(p, REQUEST(SESSION_CLOSE, .session_close = { session }));
	peer_session(p);
	peer_free(p);
}

SETUP(three_sessions_of_a_uid, "[quota default]\nsessions=3\n")

static void sessions_of_a_uid_are_limited(void **state)
{
	struct peer *a = peer_new(*state), *b = peer_new(*state);

	peer_session(a);
	peer_session(a);
	peer_session(b);
	peer_refused_quota(a, REQUEST(SESSION_OPEN), "sessions", "uid", 3, 3);
	peer_refused_quota(b, REQUEST(SESSION_OPEN), "sessions", "uid", 3, 3);
	peer_free(a);
	UNTIL (peer_daemon_row(b).sessions == 1)
		;
	peer_session(b);
	peer_free(b);
}

SETUP(two_sessions_in_all, "[total]\nsessions=2\n")

static void sessions_in_all_are_limited(void **state)
{
	struct peer *p = peer_new(*state);

	peer_session(p);
	peer_session(p);
	peer_refused_quota(p, REQUEST(SESSION_OPEN), "sessions", "total", 2, 2);
	peer_free(p);
}

SETUP(sessions_without_end, "[connection]\nsessions=1000\nbuffer_bytes=4G\nfds=10000\n"
			    "[quota default]\nsessions=1000\nbuffer_bytes=4G\nfds=10000\n")

static void context_banks_run_out_with_words(void **state)
{
	struct peer *p = peer_new(*state);
	unsigned banks = peer_domain_row(p).sessions_max;
	const struct qda_msg_status *status;
	uint64_t last = 0;
	char number[16];

	assert_in_range(banks, 1, 256);
	for (unsigned i = 0; i < banks; i++)
		last = peer_session(p);
	status = peer_refused(p, REQUEST(SESSION_OPEN), EUSERS);
	snprintf(number, sizeof(number), "%u", banks);
	assert_non_null(strstr(status->text, number));
	assert_non_null(strstr(status->text, "context bank"));
	peer_ok(p, REQUEST(SESSION_CLOSE, .session_close = { last }));
	peer_session(p);
	peer_free(p);
}

/* The first message is the answer to whoever waits: it comes when a bank does, or the time is up.
 */
static void session_is_waited_for(void **state)
{
	struct peer *p = peer_new(*state), *waits = peer_new(*state);
	unsigned banks = peer_domain_row(p).sessions_max;
	const struct qda_msg_reply *reply;
	uint64_t last = 0, serial;

	for (unsigned i = 0; i < banks; i++)
		last = peer_session(p);
	serial = peer_post(waits, REQUEST(SESSION_OPEN, .session_open = { .wait_ms = 1 }), NULL, 0,
			   NULL, 0);
	reply = peer_await(waits, serial);
	assert_int_equal(reply->status.code, EUSERS);
	assert_string_equal(reply->status.scope, "device");
	assert_int_equal(reply->status.limit, banks);
	serial = peer_post(waits, REQUEST(SESSION_OPEN, .session_open = { .wait_ms = 600000 }),
			   NULL, 0, NULL, 0);
	peer_ok(p, REQUEST(SESSION_CLOSE, .session_close = { last }));
	reply = peer_await(waits, serial);
	assert_int_equal(reply->status.code, 0);
	assert_int_not_equal(reply->session_open.session, 0);
	peer_free(waits);
	peer_free(p);
}

SETUP(few_requests, "[quota default]\nrequests=1\nburst=3\n")

/* Hello is not counted. */
static void requests_have_a_rate(void **state)
{
	struct peer *p = peer_new(*state);
	const struct qda_msg_status *status;
	unsigned n = 0;

	do
		status = &peer_call(p, REQUEST(LIST_DOMAINS))->status;
	while (!status->code && ++n < 10000); /* more than three only if it took seconds */
	assert_true(n >= 3);
	assert_int_equal(status->code, EDQUOT);
	assert_string_equal(status->resource, "requests");
	assert_string_equal(status->scope, "uid");
	assert_in_range(status->retry_ms, 1, 1001);
	peer_free(p);
}

SETUP(two_buffers, "[connection]\nbuffers=2\n")

static void buffers_are_limited(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t buffer = peer_buffer(p, 1, NULL);

	peer_buffer(p, 1, NULL);
	peer_refused_quota(p, REQUEST(BUFFER_ALLOC, .buffer_alloc = { 1 }), "buffers", "connection",
			   2, 2);
	peer_ok(p, REQUEST(BUFFER_FREE, .buffer_free = { buffer }));
	peer_buffer(p, 1, NULL);
	peer_free(p);
}

SETUP(a_megabyte, "[connection]\nbuffer_bytes=1M\n")

static void buffer_bytes_are_limited(void **state)
{
	struct peer *p = peer_new(*state);

	peer_refused_quota(p, REQUEST(BUFFER_ALLOC, .buffer_alloc = { (1 << 20) + 1 }),
			   "buffer_bytes", "connection", 1 << 20, 0);
	peer_buffer(p, (1 << 20) - 4096, NULL);
	peer_buffer(p, 1, NULL); /* a page, in truth */
	peer_refused_quota(p, REQUEST(BUFFER_ALLOC, .buffer_alloc = { 1 }), "buffer_bytes",
			   "connection", 1 << 20, 1 << 20);
	peer_refused_quota(p, REQUEST(SESSION_OPEN), "buffer_bytes", "connection", 1 << 20,
			   1 << 20);
	peer_free(p);
}

static void sizes_no_buffer_can_have_are_refused(void **state)
{
	static const uint64_t sizes[] = { 0,	      0xfffff001,	 0x100000000,
					  1ull << 63, UINT64_MAX - 4095, UINT64_MAX };
	struct peer *p = peer_new(*state);

	for (unsigned i = 0; i < N(sizes); i++)
		peer_refused(p, REQUEST(BUFFER_ALLOC, .buffer_alloc = { sizes[i] }), EINVAL);
	peer_free(p);
}

SETUP(one_handle, "[connection]\nhandles=1\n")

static void remote_handles_are_limited(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t session = peer_session(p), handle = peer_module(p, session, QDA_ARGS_URI);
	struct invocation *i = invocation_new(handle, QDA_ARGS_COUNTER_NEW);
	uint32_t objects;

	peer_refused_quota(p, REQUEST(MODULE_OPEN, .module_open = { session, QDA_NULL_URI }),
			   "handles", "connection", 1, 1);
	invocation_in(i, "1234", 4);
	invocation_arg(i, 3, QDA_ARG_MODULE, 0, 0, 0);
	assert_string_equal(invocation_refused(p, i, EDQUOT)->resource, "handles");
	/* The refused ones left nothing on the DSP. */
	i = invocation_new(handle, QDA_ARGS_OBJECTS);
	invocation_out(i, 4);
	invocation_run(p, i);
	memcpy(&objects, p->tail, 4);
	assert_int_equal(objects, 1);
	peer_ok(p, REQUEST(MODULE_CLOSE, .module_close = { handle }));
	peer_module(p, session, QDA_NULL_URI);
	peer_free(p);
}

SETUP(one_map, "[connection]\nmaps=1\n")

static void key_maps_are_limited(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t session = peer_session(p), buffer = peer_buffer(p, 8192, NULL);

	peer_ok(p, REQUEST(BUFFER_MAP, .buffer_map = { session, buffer, 0, 0, 1 }));
	peer_refused_quota(p, REQUEST(BUFFER_MAP, .buffer_map = { session, buffer, 0, 0, 2 }),
			   "maps", "connection", 1, 1);
	peer_ok(p, REQUEST(BUFFER_UNMAP, .buffer_unmap = { session, 1 }));
	peer_ok(p, REQUEST(BUFFER_MAP, .buffer_map = { session, buffer, 4096, 4096, 2 }));
	peer_free(p);
}

static void refuse_call(struct peer *p, struct invocation *i, const char *resource, uint64_t limit,
			uint64_t used)
{
	const struct qda_msg_status *status = invocation_refused(p, i, EDQUOT);

	assert_string_equal(status->resource, resource);
	assert_string_equal(status->scope, "connection");
	assert_int_equal(status->limit, limit);
	assert_int_equal(status->used, used);
	assert_non_null(strstr(status->text, resource));
}

SETUP(two_calls, "[connection]\ncalls=2\n")

static void calls_are_limited(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t session = peer_session(p), handle = peer_module(p, session, QDA_BAD_URI);
	pid_t pd = broker_pause_pd(*state);
	uint64_t first = post_number(p, handle, QDA_BAD_HANG, 0, 0);
	uint64_t second = post_number(p, handle, QDA_BAD_HANG, QDA_BAD_FOREVER, 0);
	uint32_t code;

	assert_int_equal(peer_cancel(p, second, &code), 2);
	assert_int_equal(code, ECANCELED);
	/* The abandoned one counts until it has ended. */
	refuse_call(p, invocation_new(handle, 30), "calls", 2, 2);
	kill(pd, SIGCONT);
	assert_int_equal(peer_await(p, first)->status.code, 0);
	assert_int_equal(peer_await(p, post_number(p, handle, QDA_BAD_HANG, 0, 0))->status.code, 0);
	peer_ok(p, REQUEST(SESSION_CLOSE, .session_close = { session }));
	peer_free(p);
}

SETUP(few_inline_bytes, "[connection]\ninline_bytes=100\n[domain cdsp]\nin_flight=1\n")

static void inline_bytes_of_waiting_calls_are_limited(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_NULL_URI);
	struct invocation *i = invocation_new(handle, QDA_NULL_NOTHING);
	uint8_t bytes[100] = { 0 };
	pid_t pd = broker_pause_pd(*state);
	uint64_t first = post_number(p, handle, QDA_NULL_HOLD, 1, 0);
	uint64_t second = post_number(p, handle, QDA_NULL_HOLD, 1, 0);

	invocation_in(i, bytes, sizeof(bytes));
	refuse_call(p, i, "inline_bytes", 100, 0);
	kill(pd, SIGCONT);
	assert_int_equal(peer_await(p, first)->status.code, 0);
	assert_int_equal(peer_await(p, second)->status.code, 0);
	peer_free(p);
}

SETUP(few_out_bytes, "[connection]\nout_bytes=4096\n")

static void bytes_to_come_are_limited(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t handle = peer_open(p, QDA_ARGS_URI);
	struct invocation *i = invocation_new(handle, QDA_ARGS_FILL);

	invocation_in(i, "seed", 4);
	invocation_out(i, 4000);
	refuse_call(p, i, "out_bytes", 4096, 0);
	i = invocation_new(handle, QDA_ARGS_FILL);
	invocation_in(i, "seed", 4);
	invocation_out(i, 2000);
	invocation_run(p, i);
	peer_free(p);
}

SETUP(few_fds, "[connection]\nfds=6\n")

static void descriptors_are_limited(void **state)
{
	struct peer *p = peer_new(*state);
	const struct qda_msg_reply *reply;
	unsigned buffers = 0;

	/* One or two belong to the connection itself, as the kernel has it. */
	while (!(reply = peer_call(p, REQUEST(BUFFER_ALLOC, .buffer_alloc = { 1 })))->status.code)
		buffers++;
	assert_in_range(buffers, 4, 5);
	assert_int_equal(reply->status.code, EDQUOT);
	assert_string_equal(reply->status.resource, "fds");
	assert_int_equal(reply->status.limit, 6);
	assert_int_equal(reply->status.used, 6);
	peer_refused_quota(p, REQUEST(SESSION_OPEN), "fds", "connection", 6, 6);
	peer_free(p);
}

SETUP(three_connections, "[quota default]\nconnections=3\n")

static void connections_are_limited_and_told_so(void **state)
{
	struct peer *p[3], *more;

	for (int i = 0; i < 3; i++)
		p[i] = peer_new(*state);
	more = peer_connect(*state);
	peer_await(more, 0); /* it need not even ask */
	assert_int_equal(more->reply.status.code, EDQUOT);
	assert_string_equal(more->reply.status.resource, "connections");
	assert_string_equal(more->reply.status.scope, "uid");
	assert_int_equal(more->reply.status.limit, 3);
	assert_int_equal(more->reply.status.used, 3);
	peer_expect_end(more);
	peer_free(more);
	peer_free(p[0]);
	UNTIL (peer_daemon_row(p[1]).clients == 2)
		;
	p[0] = peer_new(*state);
	for (int i = 0; i < 3; i++)
		peer_free(p[i]);
}

/* As an administrator sets it, of the first client or its user. */
static void set_limit(struct peer *admin, uint32_t scope, const char *resource, uint64_t limit)
{
	struct qda_msg_request r = { .type = QDA_TYPE_QUOTA_SET };

	r.quota_set.scope = scope;
	r.quota_set.uid = getuid();
	r.quota_set.client = 1;
	r.quota_set.rule = "";
	r.quota_set.resource = resource;
	r.quota_set.limit = limit;
	peer_ok(admin, &r);
}

/* Who has a session, a buffer and a module whose calls do not end. */
struct holder {
	struct peer *p;
	uint64_t session, buffer, module;
	uint32_t key;
};

/* A call that is accepted is not answered, but what is asked behind it is. */
static struct qda_msg_status take_call(struct holder *h, bool parked)
{
	struct invocation *i = invocation_new(h->module, QDA_BAD_HANG);
	struct qda_msg_status status = { .code = 0 };
	uint64_t serial;

	invocation_in(i, &(uint32_t){ QDA_BAD_FOREVER }, 4);
	i->request.invoke.flags = parked ? QDA_INVOKE_PARKED : 0;
	serial = invocation_post(h->p, i);
	peer_post(h->p, REQUEST(CANCEL, .cancel = { UINT64_MAX }), NULL, 0, NULL, 0);
	assert_true(peer_next(h->p));
	if (h->p->frame.serial == serial) {
		status = h->p->reply.status;
		peer_await(h->p, h->p->serial);
	}
	return status;
}

static struct qda_msg_status take_one(struct holder *h, const char *resource)
{
	if (!strcmp(resource, "sessions"))
		return peer_call(h->p, REQUEST(SESSION_OPEN))->status;
	if (!strcmp(resource, "buffers"))
		return peer_call(h->p, REQUEST(BUFFER_ALLOC, .buffer_alloc = { 1 }))->status;
	if (!strcmp(resource, "handles"))
		return peer_call(h->p, REQUEST(MODULE_OPEN, .module_open = { h->session, QDA_NULL_URI }))
			->status;
	if (!strcmp(resource, "maps"))
		return peer_call(h->p, REQUEST(BUFFER_MAP, .buffer_map = { h->session, h->buffer, 0, 0,
									   ++h->key }))
			->status;
	return take_call(h, !strcmp(resource, "parked"));
}

static void assert_full(struct holder *h, const char *resource, uint64_t limit, uint64_t used)
{
	struct qda_msg_status status = take_one(h, resource);

	if (status.code != EDQUOT || status.limit != limit || status.used != used)
		fail_msg("%s: code %u, limit %llu, used %llu", resource, status.code,
			 (unsigned long long)status.limit, (unsigned long long)status.used);
}

/* Of nothing, of one more than there is, and the largest there can be. */
static void every_limit_holds_from_nothing_to_the_most(void **state)
{
	static const struct { const char *name; uint64_t has; } resources[] = {
		{ "sessions", 1 }, { "buffers", 1 }, { "handles", 1 },
		{ "maps", 0 },	   { "calls", 0 },   { "parked", 0 },
	};
	struct holder h = { .p = peer_new(*state) };
	struct peer *admin = peer_new(*state);

	h.session = peer_session(h.p);
	h.module = peer_module(h.p, h.session, QDA_BAD_URI);
	h.buffer = peer_buffer(h.p, 4096, NULL);
	for (unsigned i = 0; i < N(resources); i++) {
		const char *name = resources[i].name;
		uint64_t has = resources[i].has;

		set_limit(admin, QDA_QUOTA_CONNECTION, name, 0);
		assert_full(&h, name, 0, has);
		set_limit(admin, QDA_QUOTA_CONNECTION, name, has + 1);
		assert_int_equal(take_one(&h, name).code, 0);
		assert_full(&h, name, has + 1, has + 1);
		set_limit(admin, QDA_QUOTA_CONNECTION, name, 1ull << 53);
		assert_int_equal(take_one(&h, name).code, 0);
	}
	peer_free(h.p);
	peer_free(admin);
}

static void a_user_without_connections_keeps_those_it_has(void **state)
{
	struct peer *p = peer_new(*state), *more;

	set_limit(p, QDA_QUOTA_UID, "connections", 0);
	more = peer_connect(*state);
	assert_int_equal(peer_await(more, 0)->status.code, EDQUOT);
	assert_int_equal(more->reply.status.limit, 0);
	assert_int_equal(more->reply.status.used, 1);
	peer_free(more);
	set_limit(p, QDA_QUOTA_UID, "connections", 1ull << 53);
	more = peer_new(*state);
	peer_free(more);
	peer_free(p);
}

static void refusals_are_counted(void **state)
{
	struct peer *p = peer_new(*state);

	peer_buffer(p, 1, NULL);
	peer_buffer(p, 1, NULL);
	for (unsigned i = 0; i < 7; i++)
		peer_refused(p, REQUEST(BUFFER_ALLOC, .buffer_alloc = { 1 }), EDQUOT);
	assert_int_equal(peer_daemon_row(p).refused, 7);
	peer_ok(p, REQUEST(GET_STATUS, .get_status = { .kind = 2 }));
	assert_int_equal(p->reply.get_status.n_clients, 1);
	assert_int_equal(p->reply.get_status.clients[0].refused, 7);
	peer_free(p);
}

/* --- numbers --- */

/* All requests that name something, with these numbers in place of the right ones. */
static void assert_names_nothing(struct peer *p, uint64_t session, uint64_t buffer, uint64_t handle)
{
	struct invocation *i;

	peer_refused(p, REQUEST(BUFFER_FREE, .buffer_free = { buffer }), ENOENT);
	peer_refused(p, REQUEST(SESSION_CLOSE, .session_close = { session }), ENOENT);
	peer_refused(p, REQUEST(BUFFER_MAP, .buffer_map = { session, buffer, 0, 0, 1 }), ENOENT);
	peer_refused(p, REQUEST(BUFFER_UNMAP, .buffer_unmap = { session, 1 }), ENOENT);
	peer_refused(p, REQUEST(MODULE_OPEN, .module_open = { session, QDA_NULL_URI }), ENOENT);
	peer_refused(p, REQUEST(MODULE_CLOSE, .module_close = { handle }), ENOENT);
	i = invocation_new(handle, QDA_NULL_NOTHING);
	invocation_refused(p, i, ENOENT);
}

static void anothers_numbers_name_nothing(void **state)
{
	struct peer *owner = peer_new(*state), *thief = peer_new(*state);
	uint64_t session = peer_session(owner), buffer = peer_buffer(owner, 4096, NULL);
	uint64_t handle = peer_module(owner, session, QDA_NULL_URI), own;
	struct invocation *i;

	assert_names_nothing(thief, session, buffer, handle);
	/* Nor among what is one's own. */
	own = peer_open(thief, QDA_NULL_URI);
	i = invocation_new(own, QDA_NULL_NOTHING);
	invocation_arg(i, 0, QDA_ARG_BUFFER, buffer, 0, 16);
	invocation_refused(thief, i, ENOENT);
	i = invocation_new(own, QDA_NULL_NOTHING);
	invocation_arg(i, 2, QDA_ARG_MODULE, handle, 0, 0);
	invocation_refused(thief, i, ENOENT);
	/* The owner has lost nothing. */
	invocation_run(owner, invocation_new(handle, QDA_NULL_NOTHING));
	peer_ok(owner, REQUEST(BUFFER_FREE, .buffer_free = { buffer }));
	peer_ok(owner, REQUEST(SESSION_CLOSE, .session_close = { session }));
	peer_free(owner);
	peer_free(thief);
}

static void numbers_of_another_kind_name_nothing(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t session = peer_session(p), buffer = peer_buffer(p, 4096, NULL);
	uint64_t handle = peer_module(p, session, QDA_NULL_URI);

	assert_names_nothing(p, buffer, handle, session);
	assert_names_nothing(p, handle, session, buffer);
	invocation_run(p, invocation_new(handle, QDA_NULL_NOTHING));
	peer_free(p);
}

static void numbers_of_what_is_gone_name_nothing(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t session = peer_session(p), buffer = peer_buffer(p, 4096, NULL);
	uint64_t handle = peer_module(p, session, QDA_NULL_URI);

	peer_ok(p, REQUEST(BUFFER_FREE, .buffer_free = { buffer }));
	peer_ok(p, REQUEST(MODULE_CLOSE, .module_close = { handle }));
	peer_ok(p, REQUEST(SESSION_CLOSE, .session_close = { session }));
	/* Not even when the places are taken again. */
	for (unsigned i = 0; i < 20; i++) {
		assert_names_nothing(p, session, buffer, handle);
		peer_buffer(p, 4096, NULL);
	}
	assert_names_nothing(p, 0, 0, 0);
	peer_free(p);
}

/* 100 000 tries with all that could be a number: none, small ones, neighbours of a right one. */
static void a_guesser_finds_nothing(void **state)
{
	struct peer *owner = peer_new(*state), *thief = peer_new(*state);
	uint64_t handle = peer_open(owner, QDA_NULL_URI), own = peer_buffer(thief, 4096, NULL);
	uint32_t x = 1;

	for (uint32_t i = 0; i < 100000 / slowness(); i++) {
		uint64_t guess;

		x = x * 1664525u + 1013904223u;
		switch (i % 4) {
		case 0:
			guess = i;
			break;
		case 1: /* the generation and tag unknown, the index known */
			guess = (handle & 0xfffff) | (uint64_t)x << 20;
			break;
		case 2:
			guess = own ^ 1ull << x % 64;
			break;
		default:
			guess = (uint64_t)x << 32 | (x * 2246822519u);
			break;
		}
		if (guess == own)
			continue;
		peer_call(thief, REQUEST(MODULE_CLOSE, .module_close = { guess }));
		assert_int_equal(thief->reply.status.code, ENOENT);
	}
	invocation_run(owner, invocation_new(handle, QDA_NULL_NOTHING));
	peer_free(owner);
	peer_free(thief);
}

/* --- keys --- */

static void keys_out_of_range_are_refused(void **state)
{
	struct peer *p = peer_new(*state);
	uint64_t session = peer_session(p), buffer = peer_buffer(p, 8192, NULL);

	peer_refused(p, REQUEST(BUFFER_MAP, .buffer_map = { session, buffer, 0, 0, 0x40000000 }),
		     EINVAL);
	peer_refused(p, REQUEST(BUFFER_MAP, .buffer_map = { session, buffer, 0, 0, UINT32_MAX }),
		     EINVAL);
	peer_ok(p, REQUEST(BUFFER_MAP, .buffer_map = { session, buffer, 0, 0, 0 }));
	peer_ok(p, REQUEST(BUFFER_UNMAP, .buffer_unmap = { session, 0 }));
	peer_free(p);
}

static void maps_outside_the_buffer_are_refused(void **state)
{
	static const struct {
		uint64_t offset, size;
		int code;
	} places[] = {
		{ 8192, 0, EINVAL },	      { 8192, 4096, ERANGE },
		{ 4096, 8192, ERANGE },	      { 1, 4096, EINVAL },
		{ 0, 4095, EINVAL },	      { 1ull << 63, 4096, EINVAL },
		{ 4096, 1ull << 63, EINVAL }, { UINT64_MAX - 4095, 4096, EINVAL },
	};
	struct peer *p = peer_new(*state);
	uint64_t session = peer_session(p), buffer = peer_buffer(p, 8192, NULL);

	for (unsigned i = 0; i < N(places); i++)
		peer_refused(p,
			     REQUEST(BUFFER_MAP, .buffer_map = { session, buffer, places[i].offset,
								 places[i].size, 1 }),
			     places[i].code);
	peer_refused(p, REQUEST(BUFFER_UNMAP, .buffer_unmap = { session, 1 }), ENOENT);
	peer_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_WITH(sessions_are_limited, one_session),
		TEST_WITH(sessions_of_a_uid_are_limited, three_sessions_of_a_uid),
		TEST_WITH(sessions_in_all_are_limited, two_sessions_in_all),
		TEST_WITH(context_banks_run_out_with_words, sessions_without_end),
		TEST_WITH(session_is_waited_for, sessions_without_end),
		TEST_WITH(requests_have_a_rate, few_requests),
		TEST_WITH(buffers_are_limited, two_buffers),
		TEST_WITH(buffer_bytes_are_limited, a_megabyte),
		TEST(sizes_no_buffer_can_have_are_refused),
		TEST_WITH(remote_handles_are_limited, one_handle),
		TEST_WITH(key_maps_are_limited, one_map),
		TEST_WITH(calls_are_limited, two_calls),
		TEST_WITH(inline_bytes_of_waiting_calls_are_limited, few_inline_bytes),
		TEST_WITH(bytes_to_come_are_limited, few_out_bytes),
		TEST_WITH(descriptors_are_limited, few_fds),
		TEST_WITH(connections_are_limited_and_told_so, three_connections),
		TEST(every_limit_holds_from_nothing_to_the_most),
		TEST(a_user_without_connections_keeps_those_it_has),
		TEST_WITH(refusals_are_counted, two_buffers),
		TEST(anothers_numbers_name_nothing),
		TEST(numbers_of_another_kind_name_nothing),
		TEST(numbers_of_what_is_gone_name_nothing),
		TEST(a_guesser_finds_nothing),
		TEST(keys_out_of_range_are_refused),
		TEST(maps_outside_the_buffer_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
