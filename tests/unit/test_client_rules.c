/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What client.h allows and refuses: callbacks that use the library, the number of calls on their
 * way, misuse, and the texts that say what to do.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_broker.h"

static struct fake fake;
static struct qda_error e;

/* Each call is answered at once, with no outputs. */
static void answer_in_order(struct fake *f)
{
	struct qda_msg_reply reply = { .type = QDA_TYPE_INVOKE };

	while (fake_recv(f))
		if (!fake_usual(f))
			fake_reply(f, f->frame.serial, &reply, NULL, 0, NULL, 0);
}

static void count_end(void *data, const struct qda_error *err, const struct qda_call_options *times)
{
	(*(unsigned *)data)++;
}

/* --- callbacks that use the library --- */

struct chain {
	struct qda_client *client;
	struct qda_module *module;
	unsigned left, ended, depth, deepest;
};

/* Each one starts the next, and then waits for a call whose answer comes behind the next one's. */
static void go_on(void *data, const struct qda_error *err, const struct qda_call_options *times)
{
	struct chain *chain = data;

	assert_null(err);
	chain->ended++;
	if (++chain->depth > chain->deepest)
		chain->deepest = chain->depth;
	if (chain->left) {
		chain->left--;
		assert_int_equal(qda_submit(chain->module, 2, NULL, 0, NULL, go_on, chain, NULL,
					    NULL), 0);
	}
	assert_int_equal(qda_dispatch(chain->client, -1), -EDEADLK);
	assert_int_equal(qda_invoke(chain->module, 3, NULL, 0, NULL, NULL), 0);
	chain->depth--;
}

static void callbacks_that_wait_do_not_nest(void **state)
{
	struct chain chain = { .left = 5000 };

	fake_start(&fake, answer_in_order);
	chain.client = fake_connect(&fake);
	chain.module = fake_module(chain.client);
	assert_int_equal(qda_submit(chain.module, 2, NULL, 0, NULL, go_on, &chain, NULL, &e), 0);
	while (chain.ended < 5001)
		assert_true(qda_dispatch(chain.client, 10000) > 0);
	assert_int_equal(chain.deepest, 1);
	assert_int_equal(qda_dispatch(chain.client, 0), 0);
	fake_stop(&fake, chain.client);
}

struct twin {
	struct qda_client *client;
	struct qda_module *module;
	unsigned ended;
};

/* In a callback of one connection, what is left of another's goes on as ever. */
static void use_another(void *data, const struct qda_error *err,
			const struct qda_call_options *times)
{
	struct twin *other = data;

	assert_int_equal(qda_submit(other->module, 2, NULL, 0, NULL, count_end, &other->ended, NULL,
				    NULL), 0);
	assert_int_equal(qda_invoke(other->module, 3, NULL, 0, NULL, NULL), 0);
	assert_int_equal(other->ended, 1);
	assert_int_equal(qda_dispatch(other->client, 0), 0);
}

static void a_callback_may_dispatch_another_connection(void **state)
{
	static struct fake second;
	struct twin other = { 0 };
	struct qda_client *client;

	fake_start(&fake, answer_in_order);
	fake_start(&second, answer_in_order);
	client = fake_connect(&fake);
	other.client = fake_connect(&second);
	other.module = fake_module(other.client);
	assert_int_equal(qda_submit(fake_module(client), 2, NULL, 0, NULL, use_another, &other,
				    NULL, &e), 0);
	assert_int_equal(qda_dispatch(client, -1), 1);
	assert_int_equal(other.ended, 1);
	fake_stop(&second, other.client);
	fake_stop(&fake, client);
}

/* A log line comes before each answer. */
static void log_and_answer(struct fake *f)
{
	struct qda_msg_event log = { .type = QDA_TYPE_LOG, .log = { 0x50, 3, 0, "line" } };
	struct qda_msg_reply reply = { .type = QDA_TYPE_INVOKE };

	while (fake_recv(f)) {
		if (fake_usual(f))
			continue;
		fake_event(f, &log);
		fake_reply(f, f->frame.serial, &reply, NULL, 0, NULL, 0);
	}
}

struct listener {
	struct qda_client *client;
	struct qda_module *module;
	unsigned lines, ended;
};

static void call_back(void *data, struct qda_session *session, unsigned level, const char *text,
		      unsigned dropped)
{
	struct listener *l = data;

	if (l->lines++)
		return;
	assert_int_equal(qda_invoke(l->module, 2, NULL, 0, NULL, &e), -EDEADLK);
	assert_non_null(strstr(e.text, "qda_log()"));
	assert_int_equal(qda_dispatch(l->client, -1), -EDEADLK);
	assert_int_equal(qda_session_alive(session, &e), 1);
	assert_int_equal(qda_submit(l->module, 2, NULL, 0, NULL, count_end, &l->ended, NULL, &e),
			 0);
}

static void a_log_function_may_submit_but_not_wait(void **state)
{
	struct listener l = { 0 };

	fake_start(&fake, log_and_answer);
	l.client = fake_connect(&fake);
	l.module = fake_module(l.client);
	assert_int_equal(qda_log(l.client, call_back, &l, &e), 0);
	assert_int_equal(qda_invoke(l.module, 2, NULL, 0, NULL, &e), 0);
	while (!l.ended)
		assert_true(qda_dispatch(l.client, 10000) >= 0);
	assert_int_equal(l.lines, 2);
	fake_stop(&fake, l.client);
}

/* --- how many calls --- */

/* Calls are answered when a fourth one comes, all of them. */
static void answer_four(struct fake *f)
{
	struct qda_msg_reply reply = { .type = QDA_TYPE_INVOKE };
	uint64_t serials[4];
	unsigned n = 0;

	while (fake_recv(f)) {
		if (fake_usual(f))
			continue;
		serials[n++] = f->frame.serial;
		if (n < 4)
			continue;
		for (n = 0; n < 4; n++)
			fake_reply(f, serials[n], &reply, NULL, 0, NULL, 0);
		n = 0;
	}
}

static void submit_ends_where_the_broker_would_refuse(void **state)
{
	struct qda_client *client;
	struct qda_module *module;
	unsigned ended = 0;

	fake = (struct fake){ .limits = { .calls = 3 } };
	fake_start(&fake, answer_four);
	client = fake_connect(&fake);
	module = fake_module(client);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(qda_submit(module, 2, NULL, 0, NULL, count_end, &ended,
						    NULL, &e), 0);
		assert_int_equal(qda_submit(module, 2, NULL, 0, NULL, count_end, &ended, NULL, &e),
				 -EAGAIN);
		assert_string_equal(e.text, "too much is on its way to the broker (at most 3 calls "
					    "at a time): call qda_dispatch() first");
		/* who waits may ask the broker, which decides */
		assert_int_equal(qda_invoke(module, 2, NULL, 0, NULL, &e), 0);
		assert_int_equal(ended, 3 * (round + 1));
	}
	fake_stop(&fake, client);
	fake = (struct fake){ 0 };
}

/* --- misuse --- */

static void misuse_is_refused(void **state)
{
	struct qda_client *client;
	struct qda_module *module;

	fake_start(&fake, answer_in_order);
	client = fake_connect(&fake);
	module = fake_module(client);
	assert_int_equal(qda_submit(module, 2, NULL, 0, NULL, NULL, NULL, NULL, &e), -EINVAL);
	assert_string_equal(e.text, "no function to call when the call ends: fn is NULL");
	assert_int_equal(qda_invoke(module, 2, NULL, 2, NULL, &e), -EINVAL);
	assert_string_equal(e.text, "2 arguments at NULL");
	assert_int_equal(qda_cancel(client, NULL), -EINVAL);
	assert_int_equal(qda_invoke(module, 31, NULL, 0, NULL, &e), -EINVAL);
	assert_string_equal(e.text, "method 31: methods from 31 on are sent as 31, so the first in "
				    "argument must begin with the number, as 32 bits");
	assert_int_equal(qda_invoke(module, 2, NULL, 0, NULL, &e), 0);
	fake_stop(&fake, client);
}

static void what_is_passed_by_value_is_summed_up(void **state)
{
	static uint8_t bytes[1000001];
	struct qda_arg args[] = { qda_in(bytes, 1000000), qda_out(bytes, 1) };
	struct qda_arg endless[] = { qda_in(bytes, SIZE_MAX), qda_in(bytes, SIZE_MAX) };
	struct qda_client *client;
	struct qda_module *module;

	fake = (struct fake){ .limits = { .inline_bytes = 61440 } };
	fake_start(&fake, answer_in_order);
	client = fake_connect(&fake);
	module = fake_module(client);
	assert_int_equal(qda_invoke(module, 2, args, 2, NULL, &e), -EMSGSIZE);
	assert_string_equal(e.text,
			    "inputs and outputs passed by value come to 1000001 bytes, at most "
			    "61440 fit: use a buffer (qda_buffer_alloc; qdactl: inbuf:, outbuf:)");
	assert_int_equal(qda_invoke(module, 2, endless, 2, NULL, &e), -EMSGSIZE);
	args[0].length = 61440;
	assert_int_equal(qda_invoke(module, 2, args, 1, NULL, &e), 0);
	args[0].length++;
	assert_int_equal(qda_invoke(module, 2, args, 1, NULL, &e), -EMSGSIZE);
	fake_stop(&fake, client);
	fake = (struct fake){ 0 };
}

/* --- what to do --- */

static const char *dsp_text;

static void refuse_modules(struct fake *f)
{
	struct qda_msg_reply reply = { .status = { EREMOTEIO, .aee = 0x80000406,
						   .text = dsp_text } };

	while (fake_recv(f)) {
		if (f->frame.type == QDA_TYPE_MODULE_OPEN)
			fake_reply(f, f->frame.serial, &reply, NULL, 0, NULL, 0);
		else if (!fake_usual(f))
			abort();
	}
}

static void open_refused(const char *text)
{
	struct qda_session *session;
	struct qda_module *module;
	struct qda_client *client;

	dsp_text = text;
	fake_start(&fake, refuse_modules);
	client = fake_connect(&fake);
	assert_int_equal(qda_session_open(client, NULL, &session, &e), 0);
	assert_int_equal(qda_module_open(session, "file:///a?a", &module, NULL), -EREMOTEIO);
	assert_int_equal(qda_module_open(session, "file:///a?a", &module, &e), -EREMOTEIO);
	assert_null(module);
	fake_stop(&fake, client);
}

#define REMEDY " (install it in one of these directories)"

static void a_module_that_is_not_found_comes_with_a_remedy(void **state)
{
	char text[600];

	open_refused("a not found; tried /x/a");
	assert_string_equal(e.text, "a not found; tried /x/a" REMEDY);
	open_refused("a does not load: no");
	assert_string_equal(e.text, "a does not load: no");
	memset(text, 'x', sizeof(text));
	memcpy(text, "not found", 9);
	text[599] = '\0';
	open_refused(text);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_string_equal(e.text + sizeof(e.text) - sizeof("x..." REMEDY), "x..." REMEDY);
}

/* A socket where nobody listens, as a broker leaves it that was killed. */
static void leave_socket(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	memcpy(addr.sun_path, path, strlen(path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
}

static void each_place_has_its_own_reason(void **state)
{
	char dir[] = "/tmp/qda-rules.XXXXXX", path[64], wanted[256];
	struct qda_client *client;

	if (access("/run/qdad", F_OK) == 0)
		skip(); /* the system's broker is none of our business */
	assert_non_null(mkdtemp(dir));
	assert_int_equal(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
	unsetenv("QDAD_SOCKET");
	snprintf(path, sizeof(path), "%s/qdad", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/qdad.sock");
	assert_int_equal(qda_connect(NULL, NULL, &client, &e), -ENOENT);
	leave_socket(path);
	assert_int_equal(qda_connect(NULL, NULL, &client, &e), -ECONNREFUSED);
	snprintf(wanted, sizeof(wanted),
		 "no broker at /run/qdad/qdad.sock (No such file or directory) nor at %s "
		 "(Connection refused): start qdad, or set QDAD_SOCKET", path);
	assert_string_equal(e.text, wanted);
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(callbacks_that_wait_do_not_nest),
		cmocka_unit_test(a_callback_may_dispatch_another_connection),
		cmocka_unit_test(a_log_function_may_submit_but_not_wait),
		cmocka_unit_test(submit_ends_where_the_broker_would_refuse),
		cmocka_unit_test(misuse_is_refused),
		cmocka_unit_test(what_is_passed_by_value_is_summed_up),
		cmocka_unit_test(a_module_that_is_not_found_comes_with_a_remedy),
		cmocka_unit_test(each_place_has_its_own_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
