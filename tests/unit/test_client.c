/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libqdaclient against a scripted broker: what goes over the wire, what comes back, and that a
 * broker which lies can neither make it write beyond an output nor leak a descriptor. Threads,
 * asynchronous calls and fork have test_client_async.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_broker.h"

static struct fake fake;
static struct qda_error e;

static void usual(struct fake *f)
{
	while (fake_recv(f))
		if (!fake_usual(f))
			abort();
}

/* --- connecting --- */

static void no_broker_says_what_to_do(void **state)
{
	struct qda_client *client = (void *)1;

	assert_int_equal(qda_connect("/nowhere/qdad.sock", NULL, &client, &e), -ENOENT);
	assert_null(client);
	assert_int_equal(e.code, -ENOENT);
	assert_string_equal(e.text, "no broker at /nowhere/qdad.sock (No such file or directory), "
				    "which is the path that was given: start qdad there");
	assert_int_equal(setenv("QDAD_SOCKET", "/elsewhere", 1), 0);
	assert_int_equal(qda_connect(NULL, NULL, &client, NULL), -ENOENT);
	assert_int_equal(qda_connect(NULL, NULL, &client, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/elsewhere (No such file or directory), which is what "
					     "QDAD_SOCKET says: start qdad there"));
	unsetenv("QDAD_SOCKET");
}

static void long_paths_are_refused(void **state)
{
	struct qda_client *client;
	char path[300];

	memset(path, '/', sizeof(path));
	path[108] = '\0';
	assert_int_equal(qda_connect(path, NULL, &client, &e), -ENAMETOOLONG);
	path[107] = '\0';
	assert_int_not_equal(qda_connect(path, NULL, &client, &e), -ENAMETOOLONG);
}

static void refuse_hello(struct fake *f)
{
	struct qda_msg_reply reply = { .status = { EACCES, .text = "not in group qda" } };

	fake_recv(f);
	fake_reply(f, f->frame.serial, &reply, NULL, 0, NULL, 0);
}

static void other_version(struct fake *f)
{
	struct qda_msg_reply reply = { .hello = { .version = 2 } };

	fake_recv(f);
	fake_reply(f, f->frame.serial, &reply, NULL, 0, NULL, 0);
}

static void refuse_unasked(struct fake *f)
{
	struct qda_msg_reply reply = { .type = QDA_TYPE_HELLO,
				       .status = { EDQUOT, .text = "quota of connections",
						   .resource = "connections", .limit = 1 } };

	fake_reply(f, 0, &reply, NULL, 0, NULL, 0);
	shutdown(f->fd, SHUT_RDWR);
	while (fake_recv(f)) /* what is left unread would take the reply away */
		;
}

static void hang_up(struct fake *f)
{
	fake_recv(f);
}

static void refused_greetings_leave_nothing(void **state)
{
	static const struct {
		void (*script)(struct fake *f);
		int code;
		const char *text;
	} cases[] = {
		{ refuse_hello, -EACCES, "not in group qda" },
		{ other_version, -EPROTONOSUPPORT, "version 2" },
		{ refuse_unasked, -EDQUOT, "quota of connections" },
		{ hang_up, -ECONNRESET, "hung up" },
	};
	unsigned before = count_fds();

	fake.no_hello = true;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct qda_client *client;

		fake_start(&fake, cases[i].script);
		assert_int_equal(qda_connect(fake.path, NULL, &client, &e), cases[i].code);
		assert_null(client);
		assert_non_null(strstr(e.text, cases[i].text));
		fake_stop(&fake, NULL);
		assert_int_equal(count_fds(), before);
	}
	fake.no_hello = false;
}

/* --- a call that goes well --- */

static uint8_t seen[64];
static size_t n_seen;
static struct qda_msg_arg seen_args[8];
static struct qda_msg_request seen_request;

static void answer_call(struct fake *f)
{
	struct qda_msg_out_handle handles[] = { { 0x61, 0 }, { 0, 0x1234567890 } };
	struct qda_msg_reply reply = { .invoke = { 0, 2, 111, 222, handles } };

	while (fake_recv(f)) {
		if (fake_usual(f))
			continue;
		seen_request = f->request;
		memcpy(seen_args, f->request.invoke.args,
		       f->request.invoke.n_args * sizeof(seen_args[0]));
		memcpy(seen, f->tail, f->n_tail);
		n_seen = f->n_tail;
		fake_reply(f, f->frame.serial, &reply, "ABCDEF", 6, NULL, 0);
	}
}

static void a_call_carries_every_argument(void **state)
{
	char memory[32] = "0123456789abcdef";
	struct qda_module *made = NULL;
	uint64_t number = 0;
	struct qda_arg args[] = {
		qda_in(memory + 8, 4), qda_in(memory + 10, 6),	/* they overlap */
		qda_out(memory + 20, 4), qda_out(memory + 26, 2),
		qda_in_number(UINT64_MAX), qda_in_key(7, 16, 32),
		qda_out_module(&made), qda_out_number(&number),
	};
	struct qda_call_options options = { .timeout_us = 5000 };
	struct qda_client *client;
	struct qda_module *module;

	fake_start(&fake, answer_call);
	client = fake_connect(&fake);
	module = fake_module(client);
	assert_int_equal(qda_invoke(module, 5, args, 8, &options, &e), 0);

	assert_int_equal(seen_request.invoke.sc, 0x05020222);
	assert_int_equal(seen_request.invoke.handle, 0x60);
	assert_int_equal(seen_request.invoke.timeout_us, 5000);
	assert_int_equal(seen_request.invoke.n_args, 8);
	assert_int_equal(n_seen, 10);
	assert_memory_equal(seen, "89ababcdef", 10);
	/* relative to the lowest, so that only differences leave the program */
	static const struct qda_msg_arg wire[8] = {
		{ QDA_ARG_INLINE, 0, 0, 4 },  { QDA_ARG_INLINE, 2, 0, 6 },
		{ QDA_ARG_INLINE, 12, 0, 4 }, { QDA_ARG_INLINE, 18, 0, 2 },
		{ QDA_ARG_NUMBER, UINT64_MAX, 0, 0 }, { QDA_ARG_KEY, 7, 16, 32 },
		{ QDA_ARG_MODULE, 0, 0, 0 },  { QDA_ARG_NUMBER, 0, 0, 0 },
	};
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(seen_args[i].kind, wire[i].kind);
		assert_true(seen_args[i].ref == wire[i].ref);
		assert_true(seen_args[i].offset == wire[i].offset);
		assert_true(seen_args[i].length == wire[i].length);
	}

	assert_memory_equal(memory, "0123456789abcdef\0\0\0\0ABCD\0\0EF\0\0\0\0", 32);
	assert_true(number == 0x1234567890);
	assert_non_null(made);
	assert_int_equal(options.dsp_ns, 111);
	assert_int_equal(options.queue_ns, 222);
	assert_int_equal(options.timeout_us, 5000);
	qda_module_close(made);
	fake_stop(&fake, client);
}

/* --- calls that do not --- */

static struct qda_msg_status status;

static void refuse_call(struct fake *f)
{
	struct qda_msg_reply reply = { .status = status };

	while (fake_recv(f))
		if (!fake_usual(f))
			fake_reply(f, f->frame.serial, &reply, NULL, 0, NULL, 0);
}

static void refusals_fill_the_error(void **state)
{
	struct qda_client *client;
	struct qda_module *module;

	status = (struct qda_msg_status){
		EDQUOT, 0x8000040d, "too many", "buffers", "uid", 5, 6, 0
	};
	fake_start(&fake, refuse_call);
	client = fake_connect(&fake);
	module = fake_module(client);
	assert_int_equal(qda_invoke(module, 2, NULL, 0, NULL, NULL), -EDQUOT);
	assert_int_equal(qda_invoke(module, 2, NULL, 0, NULL, &e), -EDQUOT);
	assert_int_equal(e.code, -EDQUOT);
	assert_int_equal(e.aee, 0x8000040d);
	assert_string_equal(e.text, "too many");
	assert_string_equal(e.resource, "buffers");
	assert_int_equal(e.limit, 5);
	assert_int_equal(e.used, 6);
	fake_stop(&fake, client);
}

static void fail_method(struct fake *f)
{
	struct qda_msg_reply reply = { .invoke = { .dsp_result = (int32_t)0x8000040e } };

	while (fake_recv(f))
		if (!fake_usual(f))
			fake_reply(f, f->frame.serial, &reply, NULL, 0, NULL, 0);
}

static void a_failed_method_leaves_outputs_alone(void **state)
{
	char out[4] = "keep";
	struct qda_module *made = (void *)5;
	uint64_t number = 6;
	struct qda_arg args[] = { qda_out(out, 4), qda_out_module(&made), qda_out_number(&number) };
	struct qda_client *client;
	struct qda_module *module;

	fake_start(&fake, fail_method);
	client = fake_connect(&fake);
	module = fake_module(client);
	assert_int_equal(qda_invoke(module, 3, args, 3, NULL, &e), -EREMOTEIO);
	assert_int_equal(e.dsp_result, (int32_t)0x8000040e);
	assert_int_equal(e.aee, 0x8000040e);
	assert_non_null(strstr(e.text, "method 3"));
	assert_non_null(strstr(e.text, "bad parameter"));
	assert_memory_equal(out, "keep", 4);
	assert_ptr_equal(made, (void *)5);
	assert_int_equal(number, 6);
	fake_stop(&fake, client);
}

static void wrong_arguments_are_explained(void **state)
{
	static uint8_t big[QDA_MESSAGE_MAX + 1];
	uint32_t forty = 40, other = 41;
	struct qda_arg backwards[] = { qda_out(big, 1), qda_in(big, 1) };
	struct qda_arg huge[] = { qda_in(big, sizeof(big)) };
	struct qda_arg sum[] = { qda_in(big, 40000), qda_out(big, 25537) };
	struct qda_arg null[] = { qda_in(NULL, 1) };
	struct qda_arg wrong[] = { qda_in(&other, 4) }, right[] = { qda_in(&forty, 4) };
	struct qda_arg untyped[] = { { .type = 99 } };
	struct qda_client *client;
	struct qda_module *module;

	status = (struct qda_msg_status){ .code = EBUSY };
	fake_start(&fake, refuse_call);
	client = fake_connect(&fake);
	module = fake_module(client);
	assert_int_equal(qda_invoke(module, 2, backwards, 2, NULL, &e), -EINVAL);
	assert_non_null(strstr(e.text, "argument 1"));
	assert_int_equal(qda_invoke(module, 2, huge, 1, NULL, &e), -EMSGSIZE);
	assert_non_null(strstr(e.text, "use a buffer"));
	assert_int_equal(qda_invoke(module, 2, sum, 2, NULL, &e), -EMSGSIZE);
	assert_int_equal(qda_invoke(module, 2, null, 1, NULL, &e), -EINVAL);
	assert_int_equal(qda_invoke(module, 2, untyped, 1, NULL, &e), -EINVAL);
	assert_int_equal(qda_invoke(module, 40, wrong, 1, NULL, &e), -EINVAL);
	assert_non_null(strstr(e.text, "method 40"));
	assert_int_equal(qda_invoke(module, 40, NULL, 0, NULL, &e), -EINVAL);
	/* these get as far as the broker */
	assert_int_equal(qda_invoke(module, 40, right, 1, NULL, &e), -EBUSY);
	sum[1].length--;
	sum[0].length -= 100;
	sum[1].length += 100;
	assert_int_equal(qda_invoke(module, 2, sum, 2, NULL, &e), -EBUSY);
	assert_non_null(strstr(e.text, "busy"));
	fake_stop(&fake, client);
}

/* --- a broker that lies --- */

/* What the broker sends when it is called; the call has outputs of 4 and 2 bytes and a handle. */
struct lie {
	size_t n_tail;
	uint32_t n_handles;
	int32_t result;
	uint32_t code;
	uint16_t type;
	bool garbage;
};

static const struct lie lies[] = {
	{ .n_tail = 5, .n_handles = 1 },
	{ .n_tail = 7, .n_handles = 1 },
	{ .n_tail = 0, .n_handles = 1 },
	{ .n_tail = 60000, .n_handles = 1 },
	{ .n_tail = 6, .n_handles = 0 },
	{ .n_tail = 6, .n_handles = 2 },
	{ .n_tail = 6, .n_handles = 1, .result = 5 },
	{ .n_tail = 0, .n_handles = 1, .result = 5 },
	{ .n_tail = 6, .code = EIO },
	{ .n_tail = 0, .type = QDA_TYPE_SESSION_CLOSE },
	{ .n_tail = 6, .type = QDA_TYPE_SESSION_CLOSE },
	{ .garbage = true },
};

static void tell_lie(struct fake *f)
{
	static const uint8_t zeros[60000];
	const struct qda_msg_out_handle handles[2] = { { 0, 1 }, { 0, 2 } };
	const struct lie *lie = f->data;
	struct qda_msg_reply reply = { .type = lie->type, .status = { .code = lie->code } };

	while (fake_recv(f)) {
		if (fake_usual(f))
			continue;
		if (lie->garbage) {
			fake_bytes(f, zeros, 100);
			continue;
		}
		if (!lie->type) {
			reply.invoke.dsp_result = lie->result;
			reply.invoke.n_out_handles = lie->n_handles;
			reply.invoke.out_handles = handles;
		}
		fake_reply(f, f->frame.serial, &reply, zeros, lie->n_tail, NULL, 0);
	}
}

static void a_reply_that_does_not_fit_ends_the_connection(void **state)
{
	unsigned before = count_fds();

	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		char out[16] = "................";
		uint64_t number = 77;
		struct qda_arg args[] = { qda_out(out + 4, 4), qda_out(out + 10, 2),
					  qda_out_number(&number) };
		struct qda_client *client;
		struct qda_module *module;

		fake.data = (void *)&lies[i];
		fake_start(&fake, tell_lie);
		client = fake_connect(&fake);
		module = fake_module(client);
		assert_int_equal(qda_invoke(module, 3, args, 3, NULL, &e), -ECONNRESET);
		assert_non_null(strstr(e.text, "connect again"));
		assert_memory_equal(out, "................", 16);
		assert_int_equal(number, 77);
		assert_int_equal(qda_invoke(module, 3, NULL, 0, NULL, &e), -ECONNRESET);
		assert_int_equal(qda_session_alive((void *)*(void **)module, &e), 0);
		fake_stop(&fake, client);
		assert_int_equal(count_fds(), before);
	}
}

static void answer_as_another(struct fake *f)
{
	struct qda_msg_reply reply = { .type = QDA_TYPE_SUBSCRIBE };

	while (fake_recv(f))
		if (!fake_usual(f))
			fake_reply(f, f->frame.serial, &reply, NULL, 0, NULL, 0);
}

static void success_of_another_request_is_no_success(void **state)
{
	struct qda_client *client;
	struct qda_module *module;

	fake_start(&fake, answer_as_another);
	client = fake_connect(&fake);
	module = fake_module(client);
	assert_int_equal(qda_invoke(module, 3, NULL, 0, NULL, &e), -ECONNRESET);
	fake_stop(&fake, client);
}

static void confuse(struct fake *f)
{
	struct qda_msg_event unknown = { .type = QDA_TYPE_LOG, .log = { 999, 1, 0, "?" } };
	struct qda_msg_reply other = { .type = QDA_TYPE_INVOKE };
	struct qda_msg_reply reply = { .type = QDA_TYPE_INVOKE };
	int fds[16];

	for (unsigned i = 0; i < 16; i++)
		fds[i] = f->fd;
	while (fake_recv(f)) {
		if (fake_usual(f))
			continue;
		fake_event(f, &unknown);
		fake_reply(f, f->frame.serial + 1, &other, "XXXX", 4, fds, 16);
		fake_reply(f, 0, &other, "XXXX", 4, NULL, 0);
		fake_reply(f, UINT64_MAX, &other, "XXXX", 4, NULL, 0);
		fake_reply(f, f->frame.serial, &reply, "good", 4, fds, 16);
		fake_reply(f, f->frame.serial, &reply, "YYYY", 4, NULL, 0);
	}
}

static void strange_serials_and_descriptors_do_no_harm(void **state)
{
	unsigned before = count_fds();
	struct qda_client *client;
	struct qda_module *module;
	char out[4];
	struct qda_arg args[] = { qda_out(out, 4) };

	fake_start(&fake, confuse);
	client = fake_connect(&fake);
	module = fake_module(client);
	for (unsigned i = 0; i < 100; i++) {
		memset(out, 0, 4);
		assert_int_equal(qda_invoke(module, 3, args, 1, NULL, &e), 0);
		assert_memory_equal(out, "good", 4);
	}
	fake_stop(&fake, client);
	assert_int_equal(count_fds(), before);
}

static void hang_up_in_call(struct fake *f)
{
	while (fake_recv(f) && fake_usual(f))
		;
}

static void the_end_in_mid_call_is_an_error(void **state)
{
	struct qda_client *client;
	struct qda_module *module;

	fake_start(&fake, hang_up_in_call);
	client = fake_connect(&fake);
	module = fake_module(client);
	assert_int_equal(qda_invoke(module, 3, NULL, 0, NULL, &e), -ECONNRESET);
	assert_non_null(strstr(e.text, "hung up"));
	assert_int_equal(qda_dispatch(client, -1), -ECONNRESET);
	fake_stop(&fake, client);
}

/* --- events --- */

struct line {
	struct qda_session *session;
	unsigned level, dropped, n;
	char text[64];
};

static void take_line(void *data, struct qda_session *session, unsigned level, const char *text,
		      unsigned dropped)
{
	struct line *line = data;

	line->session = session;
	line->level = level;
	line->dropped = dropped;
	line->n++;
	strncpy(line->text, text, sizeof(line->text) - 1);
}

static void events_between(struct fake *f)
{
	struct qda_msg_event log = { .type = QDA_TYPE_LOG, .log = { 0x50, 3, 9, "from the skel" } };
	struct qda_msg_event changed = { .type = QDA_TYPE_DOMAIN_CHANGED,
					 .domain_changed = { "cdsp", "down" } };
	struct qda_msg_event lost = { .type = QDA_TYPE_SESSION_LOST,
				      .session_lost = { 0x50, 11, "SIGSEGV in method 7" } };
	struct qda_msg_reply reply = { 0 };

	while (fake_recv(f)) {
		if (fake_usual(f))
			continue;
		fake_event(f, &log);
		fake_event(f, &changed);
		fake_event(f, &lost);
		fake_reply(f, f->frame.serial, &reply, NULL, 0, NULL, 0);
	}
}

static void same_session_again(struct fake *f)
{
	while (fake_recv(f)) {
		f->n_sessions = 0;
		assert_true(fake_usual(f));
	}
}

static void a_session_number_is_not_given_twice(void **state)
{
	struct qda_session *session, *again;
	struct qda_client *client;

	fake_start(&fake, same_session_again);
	client = fake_connect(&fake);
	assert_int_equal(qda_session_open(client, NULL, &session, &e), 0);
	assert_int_equal(qda_session_open(client, NULL, &again, &e), -ECONNRESET);
	fake_stop(&fake, client);
}

static void events_come_between_replies(void **state)
{
	struct line line = { 0 };
	struct qda_session *session;
	struct qda_module *module;
	struct qda_client *client;

	fake_start(&fake, events_between);
	client = fake_connect(&fake);
	assert_int_equal(qda_log(client, take_line, &line, &e), 0);
	assert_int_equal(qda_session_open(client, NULL, &session, &e), 0);
	assert_int_equal(qda_module_open(session, "a", &module, &e), 0);
	assert_int_equal(qda_session_alive(session, &e), 1);
	assert_int_equal(qda_invoke(module, 3, NULL, 0, NULL, &e), 0);
	assert_int_equal(line.n, 1);
	assert_ptr_equal(line.session, session);
	assert_int_equal(line.level, 3);
	assert_int_equal(line.dropped, 9);
	assert_string_equal(line.text, "from the skel");
	assert_int_equal(qda_session_alive(session, &e), 0);
	assert_int_equal(e.code, -ECONNRESET);
	assert_string_equal(e.text, "SIGSEGV in method 7");
	qda_session_close(session);
	fake_stop(&fake, client);
}

/* --- buffers --- */

struct give {
	int fd;
	unsigned n_fds;
	uint64_t size;
};

static void give_buffer(struct fake *f)
{
	struct give *give = f->data;
	struct qda_msg_reply reply = { .buffer = { 0x70, give->size } };
	int fds[2] = { give->fd, give->fd };

	while (fake_recv(f))
		if (!fake_usual(f))
			fake_reply(f, f->frame.serial, &reply, NULL, 0, fds, give->n_fds);
}

static int try_buffer(struct give give, struct qda_client **client, struct qda_buffer **buffer)
{
	fake.data = &give;
	fake_start(&fake, give_buffer);
	*client = fake_connect(&fake);
	return qda_buffer_alloc(*client, NULL, 5000, buffer, &e);
}

static int sealable(void)
{
	return memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

static void a_buffer_is_shared_memory(void **state)
{
	int fd = sealable();
	unsigned before = count_fds();
	struct qda_client *client;
	struct qda_buffer *buffer;
	char bytes[6] = "";

	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(try_buffer((struct give){ fd, 1, 8192 }, &client, &buffer), 0);
	assert_int_equal(qda_buffer_size(buffer), 8192);
	memcpy((char *)qda_buffer_data(buffer) + 8186, "shared", 6);
	assert_int_equal(pread(fd, bytes, 6, 8186), 6);
	assert_memory_equal(bytes, "shared", 6);
	assert_null(qda_buffer_free(buffer));
	fake_stop(&fake, client);
	assert_int_equal(count_fds(), before);
	close(fd);
}

static void a_buffer_that_is_not_there_is_refused(void **state)
{
	int fd = sealable(), loose = sealable();
	unsigned before = count_fds();
	const struct {
		struct give give;
		int code;
	} cases[] = {
		{ { loose, 1, 8192 }, -EPERM },	   /* it could shrink later */
		{ { fd, 1, 8192 }, -ERANGE },	   /* shorter than it says */
		{ { fd, 1, 4096 }, -ERANGE },	   /* less than was asked for */
		{ { fd, 0, 8192 }, -ECONNRESET },  /* no descriptor */
		{ { fd, 2, 8192 }, -ECONNRESET },  /* two of them */
		{ { 0, 1, 0xfffff000 }, -ERANGE }, /* no memory at all */
	};

	assert_int_equal(ftruncate(loose, 8192), 0);
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	for (unsigned i = 0; i < 6; i++) {
		struct qda_client *client;
		struct qda_buffer *buffer;
		int r = try_buffer(cases[i].give, &client, &buffer);

		if (i == 5)
			assert_true(r < 0);
		else
			assert_int_equal(r, cases[i].code);
		assert_null(buffer);
		fake_stop(&fake, client);
		assert_int_equal(count_fds(), before);
	}
	close(fd);
	close(loose);
}

static void arguments_stay_inside_their_buffer(void **state)
{
	int fd = sealable();
	static const struct {
		size_t offset, length;
	} bad[] = { { 0, 8193 }, { 8192, 1 }, { 8193, 0 }, { SIZE_MAX, 1 }, { 1, SIZE_MAX } };
	struct qda_client *client;
	struct qda_buffer *buffer;
	struct qda_module *module;

	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(try_buffer((struct give){ fd, 1, 8192 }, &client, &buffer), 0);
	module = fake_module(client);
	for (unsigned i = 0; i < 5; i++) {
		struct qda_arg in = qda_in_buffer(buffer, bad[i].offset, bad[i].length);
		struct qda_arg out = qda_out_buffer(buffer, bad[i].offset, bad[i].length);

		assert_int_equal(qda_invoke(module, 2, &in, 1, NULL, &e), -EINVAL);
		assert_int_equal(qda_invoke(module, 2, &out, 1, NULL, &e), -EINVAL);
		assert_non_null(strstr(e.text, "argument 0"));
	}
	fake_stop(&fake, client);
	close(fd);
}

/* --- the rest --- */

static void names_that_do_not_fit_are_refused_here(void **state)
{
	struct qda_session_options options = { .domain = "a-domain-of-16-b" };
	struct qda_session *session;
	struct qda_buffer *buffer;
	struct qda_module *module;
	struct qda_client *client;
	char uri[1025];

	memset(uri, 'u', 1024);
	uri[1024] = '\0';
	fake_start(&fake, usual);
	client = fake_connect(&fake);
	assert_int_equal(qda_session_open(client, &options, &session, &e), -EINVAL);
	assert_int_equal(qda_buffer_alloc(client, options.domain, 1, &buffer, &e), -EINVAL);
	assert_int_equal(qda_buffer_alloc(client, NULL, 0, &buffer, &e), -EINVAL);
	options.domain = "a-domain-of-15-";
	assert_int_equal(qda_session_open(client, &options, &session, &e), 0);
	assert_int_equal(qda_module_open(session, uri, &module, &e), -EINVAL);
	uri[1023] = '\0';
	assert_int_equal(qda_module_open(session, uri, &module, &e), 0);
	options.module_dirs = (const char *const[]){ "/", NULL };
	assert_int_equal(qda_session_open(client, &options, &session, &e), -EPERM);
	fake_stop(&fake, client);
}

static void codes_in_words(void **state)
{
	assert_non_null(
		strstr(qda_strcode(0x80000406), "0x80000406 AEE_EUNABLETOLOAD: the library could not be loaded"));
	assert_non_null(strstr(qda_strcode(6), "0x6 AEE_EUNABLETOLOAD: "));
	assert_non_null(strstr(qda_strcode(0x80000594), "different versions"));
	assert_string_equal(qda_strcode(0x12345678), "unknown code");
}

static void null_is_nothing(void **state)
{
	assert_null(qda_disconnect(NULL));
	assert_null(qda_session_close(NULL));
	assert_null(qda_module_close(NULL));
	assert_null(qda_buffer_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_broker_says_what_to_do),
		cmocka_unit_test(long_paths_are_refused),
		cmocka_unit_test(refused_greetings_leave_nothing),
		cmocka_unit_test(a_call_carries_every_argument),
		cmocka_unit_test(refusals_fill_the_error),
		cmocka_unit_test(a_failed_method_leaves_outputs_alone),
		cmocka_unit_test(wrong_arguments_are_explained),
		cmocka_unit_test(a_reply_that_does_not_fit_ends_the_connection),
		cmocka_unit_test(success_of_another_request_is_no_success),
		cmocka_unit_test(strange_serials_and_descriptors_do_no_harm),
		cmocka_unit_test(the_end_in_mid_call_is_an_error),
		cmocka_unit_test(a_session_number_is_not_given_twice),
		cmocka_unit_test(events_come_between_replies),
		cmocka_unit_test(a_buffer_is_shared_memory),
		cmocka_unit_test(a_buffer_that_is_not_there_is_refused),
		cmocka_unit_test(arguments_stay_inside_their_buffer),
		cmocka_unit_test(names_that_do_not_fit_are_refused_here),
		cmocka_unit_test(codes_in_words),
		cmocka_unit_test(null_is_nothing),
	};

	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
