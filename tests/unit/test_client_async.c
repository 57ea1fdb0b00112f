/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libqdaclient with many calls at once: threads that read for each other, asynchronous calls,
 * cancel, a full socket, fork; and what a call costs once everything is warm.
 */
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_broker.h"

/* --- what our own thread does, counted by the linker's --wrap --- */

static __thread unsigned n_allocations, n_system_calls;
static __thread sem_t *tell_poll; /* posted when our thread waits in poll() */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __real_recvmsg(int fd, struct msghdr *msg, int flags);
int __real_poll(struct pollfd *p, nfds_t n, int timeout);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags);
int __wrap_poll(struct pollfd *p, nfds_t n, int timeout);

void *__wrap_malloc(size_t n)
{
	n_allocations++;
	return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	n_allocations++;
	return __real_calloc(n, size);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	n_system_calls++;
	return __real_sendmsg(fd, msg, flags);
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	n_system_calls++;
	return __real_recvmsg(fd, msg, flags);
}

int __wrap_poll(struct pollfd *p, nfds_t n, int timeout)
{
	n_system_calls++;
	if (tell_poll)
		sem_post(tell_poll);
	return __real_poll(p, n, timeout);
}

/* --- a broker that answers late and in reverse --- */

#define BATCH 32

struct held {
	uint64_t serial;
	uint8_t bytes[64];
	size_t n;
};

static struct fake fake;
static struct qda_error e;

static void flush(struct fake *f, struct held *held, unsigned *n)
{
	while (*n) {
		struct held *h = &held[--*n];
		struct qda_msg_reply reply = { .type = QDA_TYPE_INVOKE };

		for (size_t i = 0; i < h->n; i++)
			h->bytes[i]++;
		fake_reply(f, h->serial, &reply, h->bytes, h->n, NULL, 0);
	}
}

/* Each call's answer is its input with one added to each byte. */
static void echo_reversed(struct fake *f)
{
	struct held held[BATCH];
	unsigned n = 0;

	for (;;) {
		struct pollfd p = { f->fd, POLLIN, 0 };

		if (n == BATCH || __real_poll(&p, 1, 0) == 0)
			flush(f, held, &n);
		if (!fake_recv(f))
			return;
		if (fake_usual(f))
			continue;
		held[n].serial = f->frame.serial;
		held[n].n = f->n_tail;
		memcpy(held[n++].bytes, f->tail, f->n_tail);
	}
}

/* --- threads --- */

#define THREADS 8
#define CALLS 2000

static void *call_often(void *data)
{
	struct qda_module *module = data;

	for (uint64_t i = 0; i < CALLS; i++) {
		uint64_t in = (i << 32) ^ (uintptr_t)&in, out = 0, expected;
		struct qda_arg args[] = { qda_in(&in, sizeof(in)), qda_out(&out, sizeof(out)) };

		in &= 0x7f7f7f7f7f7f7f7f; /* no carry when each byte grows by one */
		expected = in + 0x0101010101010101;
		if (qda_invoke(module, 2, args, 2, NULL, NULL) || out != expected)
			return (void *)1;
	}
	return NULL;
}

static void threads_share_a_connection(void **state)
{
	struct qda_client *client;
	struct qda_module *module;
	pthread_t threads[THREADS];
	void *failed;

	fake_start(&fake, echo_reversed);
	client = fake_connect(&fake);
	module = fake_module(client);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_often, module), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	fake_stop(&fake, client);
}

/* --- asynchronous calls --- */

struct job {
	struct qda_module *module;
	uint8_t in[8], out[8];
	unsigned ended;
	int code;
	unsigned again; /* how often the callback submits once more */
	bool late;	/* there was no room to do so */
};

static void submit_job(struct job *job);

static void end_job(void *data, const struct qda_error *err, const struct qda_call_options *times)
{
	struct job *job = data;

	job->ended++;
	job->code = err ? err->code : 0;
	if (job->again) {
		job->again--;
		submit_job(job);
	}
}

static void submit_job(struct job *job)
{
	struct qda_arg args[] = { qda_in(job->in, 8), qda_out(job->out, 8) };
	int r = qda_submit(job->module, 2, args, 2, NULL, end_job, job, NULL, &e);

	if (r && r != -EAGAIN)
		abort();
	job->late = r;
}

static void asynchronous_calls_end_in_dispatch(void **state)
{
	static struct job jobs[500];
	struct qda_client *client;
	struct qda_module *module;
	int ended = 0;

	fake_start(&fake, echo_reversed);
	client = fake_connect(&fake);
	module = fake_module(client);
	for (unsigned i = 0; i < 500; i++) {
		jobs[i] = (struct job){ .module = module, .again = i % 3 };
		memset(jobs[i].in, (int)(i % 200), 8);
		submit_job(&jobs[i]);
	}
	while (ended < 500 + 499) {
		struct pollfd p = { qda_fd(client), POLLIN, 0 };
		int n;

		assert_int_equal(poll(&p, 1, 60000), 1);
		n = qda_dispatch(client, 0);
		assert_true(n >= 0);
		ended += n;
		for (unsigned i = 0; i < 500; i++)
			if (jobs[i].late)
				submit_job(&jobs[i]);
	}
	assert_int_equal(ended, 999);
	for (unsigned i = 0; i < 500; i++) {
		uint8_t expected[8];

		memset(expected, (int)(i % 200 + 1), 8);
		assert_memory_equal(jobs[i].out, expected, 8);
		assert_int_equal(jobs[i].ended, 1 + i % 3);
		assert_int_equal(jobs[i].code, 0);
	}
	assert_int_equal(qda_dispatch(client, 0), 0);
	fake_stop(&fake, client);
}

static void a_waiting_thread_takes_in_what_others_submitted(void **state)
{
	struct job job = { .in = "abcdefg" };
	struct qda_client *client;

	fake_start(&fake, echo_reversed);
	client = fake_connect(&fake);
	job.module = fake_module(client);
	submit_job(&job);
	/* the broker answers in order here or reversed: either way the job has ended soon after */
	assert_null(call_often(job.module));
	assert_int_equal(job.ended, 1);
	assert_memory_equal(job.out, "bcdefgh\1", 8);
	fake_stop(&fake, client);
}

static void *dispatch_all(void *data)
{
	struct qda_client *client = data;

	while (qda_dispatch(client, 1000) >= 0)
		;
	return NULL;
}

static void dispatch_and_waiting_threads_get_along(void **state)
{
	struct qda_client *client;
	struct qda_module *module;
	pthread_t dispatcher, caller;
	void *failed;

	fake_start(&fake, echo_reversed);
	client = fake_connect(&fake);
	module = fake_module(client);
	assert_int_equal(pthread_create(&dispatcher, NULL, dispatch_all, client), 0);
	assert_int_equal(pthread_create(&caller, NULL, call_often, module), 0);
	assert_null(call_often(module));
	pthread_join(caller, &failed);
	assert_null(failed);
	shutdown(qda_fd(client), SHUT_RDWR); /* the end of the connection ends the dispatcher */
	pthread_join(dispatcher, NULL);
	fake_stop(&fake, client);
}

/* --- callbacks hold nobody up --- */

struct meeting {
	struct qda_module *module;
	pthread_t reader;
	sem_t other_is_done;
	bool met; /* the callback ran in the reader's thread, and waited there */
};

/* Three calls: the submitted one, the reader's, the other thread's. The answers: the callback's
 * first, so that it runs while the other two wait; the reader's last. */
static void answer_second_last(struct fake *f)
{
	struct qda_msg_reply reply = { .type = QDA_TYPE_INVOKE };
	uint64_t serials[3];
	unsigned n = 0;

	while (fake_recv(f)) {
		if (fake_usual(f))
			continue;
		serials[n++] = f->frame.serial;
		if (n < 3)
			continue;
		fake_reply(f, serials[0], &reply, NULL, 0, NULL, 0);
		fake_reply(f, serials[2], &reply, NULL, 0, NULL, 0);
		fake_reply(f, serials[1], &reply, NULL, 0, NULL, 0);
		n = 0;
	}
}

static void meet(void *data, const struct qda_error *err, const struct qda_call_options *times)
{
	struct meeting *m = data;

	if (!pthread_equal(pthread_self(), m->reader))
		return; /* the other thread had the role: it cannot wait for itself */
	sem_wait(&m->other_is_done);
	m->met = true;
}

static void *call_once(void *data)
{
	struct meeting *m = data;

	if (qda_invoke(m->module, 2, NULL, 0, NULL, NULL))
		abort();
	sem_post(&m->other_is_done);
	return NULL;
}

static void a_callback_may_wait_for_what_another_thread_does(void **state)
{
	struct meeting m = { .reader = pthread_self() };
	struct qda_client *client;
	pthread_t other;
	unsigned met = 0;

	fake_start(&fake, answer_second_last);
	client = fake_connect(&fake);
	m.module = fake_module(client);
	sem_init(&m.other_is_done, 0, 0);
	for (unsigned i = 0; i < 50; i++) {
		m.met = false;
		assert_int_equal(qda_submit(m.module, 2, NULL, 0, NULL, meet, &m, NULL, &e), 0);
		assert_int_equal(pthread_create(&other, NULL, call_once, &m), 0);
		assert_int_equal(qda_invoke(m.module, 2, NULL, 0, NULL, &e), 0);
		pthread_join(other, NULL);
		met += m.met;
		if (!m.met)
			sem_wait(&m.other_is_done);
	}
	assert_true(met > 0);
	sem_destroy(&m.other_is_done);
	fake_stop(&fake, client);
}

static void swallow_until_cancel(struct fake *f)
{
	struct qda_msg_reply was = { .type = QDA_TYPE_CANCEL, .cancel = { 2 } };
	struct qda_msg_reply given_up = { .type = QDA_TYPE_INVOKE,
					  .status = { .code = ECANCELED } };

	while (fake_recv(f)) {
		if (fake_usual(f) || f->frame.type != QDA_TYPE_CANCEL)
			continue;
		fake_reply(f, f->frame.serial, &was, NULL, 0, NULL, 0);
		fake_reply(f, f->request.cancel.serial, &given_up, NULL, 0, NULL, 0);
	}
}

static void a_cancelled_call_ends_so(void **state)
{
	struct job jobs[2] = { 0 };
	struct qda_call *calls[2];
	struct qda_client *client;
	struct qda_module *module;

	fake_start(&fake, swallow_until_cancel);
	client = fake_connect(&fake);
	module = fake_module(client);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(qda_submit(module, 2, NULL, 0, NULL, end_job, &jobs[i], &calls[i],
					    &e), 0);
	assert_int_equal(qda_dispatch(client, 0), 0);
	assert_int_equal(qda_cancel(client, calls[1]), 0);
	assert_int_equal(qda_dispatch(client, -1), 1);
	assert_int_equal(jobs[1].ended, 1);
	assert_int_equal(jobs[1].code, -ECANCELED);
	assert_int_equal(jobs[0].ended, 0);
	/* what is left ends with the connection; its callback is not called */
	fake_stop(&fake, client);
	assert_int_equal(jobs[0].ended, 0);
}

static void hang_up_after_three(struct fake *f)
{
	unsigned n = 0;

	while (n < 3 && fake_recv(f))
		n += !fake_usual(f);
}

static void the_end_reaches_every_callback(void **state)
{
	struct job jobs[3] = { 0 };
	struct qda_client *client;
	struct qda_module *module;
	int n, total = 0;

	fake_start(&fake, hang_up_after_three);
	client = fake_connect(&fake);
	module = fake_module(client);
	for (unsigned i = 0; i < 3; i++) {
		jobs[i].module = module;
		submit_job(&jobs[i]);
	}
	while ((n = qda_dispatch(client, -1)) > 0)
		total += n;
	assert_int_equal(n, -ECONNRESET);
	assert_int_equal(total, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(jobs[i].ended, 1);
		assert_int_equal(jobs[i].code, -ECONNRESET);
	}
	assert_int_equal(qda_submit(module, 2, NULL, 0, NULL, end_job, jobs, NULL, &e),
			 -ECONNRESET);
	fake_stop(&fake, client);
}

/* --- a socket that is full in both directions --- */

static sem_t client_waits;

#define LARGE 8192

/* Reads nothing until the client waits for room. Then each request has a large answer, so
 * that the broker's own socket is full long before it has read them all: it waits for the client
 * to read. */
static void slow_reader(struct fake *f)
{
	static const uint8_t answer[LARGE] = { [0] = 1, [LARGE - 1] = 2 };
	struct qda_msg_reply reply = { .type = QDA_TYPE_INVOKE };
	unsigned usual = 0;

	while (usual < 2 && fake_recv(f))
		usual += fake_usual(f);
	sem_wait(&client_waits);
	while (fake_recv(f))
		fake_reply(f, f->frame.serial, &reply, answer, sizeof(answer), NULL, 0);
}

static void count_end(void *data, const struct qda_error *err, const struct qda_call_options *times)
{
	(*(unsigned *)data)++;
}

static void a_full_socket_is_no_deadlock(void **state)
{
	static uint8_t out[LARGE], last[LARGE];
	unsigned submitted = 0, ended = 0;
	struct qda_arg args[] = { qda_out(out, LARGE) }, last_args[] = { qda_out(last, LARGE) };
	struct qda_client *client;
	struct qda_module *module;
	int r;

	sem_init(&client_waits, 0, 0);
	fake_start(&fake, slow_reader);
	client = fake_connect(&fake);
	module = fake_module(client);
	while ((r = qda_submit(module, 2, args, 1, NULL, count_end, &ended, NULL, &e)) == 0)
		assert_true(++submitted < 100000);
	assert_int_equal(r, -EAGAIN);
	assert_true(submitted > 10);
	/* waits for room, and reads meanwhile */
	tell_poll = &client_waits;
	assert_int_equal(qda_invoke(module, 2, last_args, 1, NULL, &e), 0);
	tell_poll = NULL;
	assert_true(last[0] == 1 && last[LARGE - 1] == 2);
	while (ended < submitted)
		assert_true(qda_dispatch(client, 10000) > 0);
	assert_int_equal(ended, submitted);
	assert_true(out[0] == 1 && out[LARGE - 1] == 2);
	sem_destroy(&client_waits);
	fake_stop(&fake, client);
}

/* --- fork --- */

static struct qda_session *session_of_parent;

static int child(struct qda_client *client, struct qda_module *module)
{
	struct qda_session *session;
	struct qda_call *call;
	struct qda_buffer *buffer;
	unsigned ended = 0;

	if (qda_invoke(module, 2, NULL, 0, NULL, &e) != -ECHILD || e.code != -ECHILD)
		return 1;
	if (qda_submit(module, 2, NULL, 0, NULL, count_end, &ended, &call, NULL) != -ECHILD)
		return 2;
	if (qda_session_open(client, NULL, &session, NULL) != -ECHILD ||
	    qda_buffer_alloc(client, NULL, 1, &buffer, NULL) != -ECHILD)
		return 3;
	if (qda_dispatch(client, 0) != -ECHILD || qda_fd(client) != -ECHILD)
		return 4;
	if (qda_session_alive(session_of_parent, &e) != 0 || e.code != -ECHILD)
		return 5;
	qda_module_close(module);
	qda_disconnect(client);
	return 0;
}

static void a_forked_child_is_told(void **state)
{
	struct qda_client *client;
	struct qda_module *module;
	int status;
	pid_t pid;

	fake_start(&fake, echo_reversed);
	client = fake_connect(&fake);
	module = fake_module(client);
	assert_int_equal(qda_session_open(client, NULL, &session_of_parent, &e), 0);
	for (unsigned i = 0; i < 20; i++) {
		pid = fork();
		if (pid == 0)
			_exit(child(client, module));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		assert_int_equal(qda_invoke(module, 2, NULL, 0, NULL, &e), 0);
	}
	fake_stop(&fake, client);
}

/* --- cost --- */

static void a_warm_call_is_two_system_calls_and_no_memory(void **state)
{
	uint8_t in[64] = { 0 }, out[64];
	struct qda_arg args[] = { qda_in(in, 64), qda_out(out, 64) };
	struct qda_client *client;
	struct qda_module *module;

	fake_start(&fake, echo_reversed);
	client = fake_connect(&fake);
	module = fake_module(client);
	assert_int_equal(qda_invoke(module, 2, args, 2, NULL, &e), 0);
	n_allocations = n_system_calls = 0;
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(qda_invoke(module, 2, args, 2, NULL, &e), 0);
	assert_int_equal(n_allocations, 0);
	assert_int_equal(n_system_calls, 2000);
	fake_stop(&fake, client);
}

static void many_arguments_are_warm_after_the_first_time(void **state)
{
	static uint8_t bytes[64];
	struct qda_arg args[64];
	struct qda_client *client;
	struct qda_module *module;

	for (unsigned i = 0; i < 64; i++)
		args[i] = i < 32 ? qda_in(bytes + i, 1) : qda_out(bytes + i, 1);
	fake_start(&fake, echo_reversed);
	client = fake_connect(&fake);
	module = fake_module(client);
	assert_int_equal(qda_invoke(module, 2, args, 64, NULL, &e), 0);
	n_allocations = 0;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(qda_invoke(module, 2, args, 64, NULL, &e), 0);
	assert_int_equal(n_allocations, 0);
	for (unsigned i = 32; i < 64; i++)
		assert_int_equal(bytes[i], 1);
	fake_stop(&fake, client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_share_a_connection),
		cmocka_unit_test(asynchronous_calls_end_in_dispatch),
		cmocka_unit_test(a_waiting_thread_takes_in_what_others_submitted),
		cmocka_unit_test(dispatch_and_waiting_threads_get_along),
		cmocka_unit_test(a_callback_may_wait_for_what_another_thread_does),
		cmocka_unit_test(a_cancelled_call_ends_so),
		cmocka_unit_test(the_end_reaches_every_callback),
		cmocka_unit_test(a_full_socket_is_no_deadlock),
		cmocka_unit_test(a_forked_child_is_told),
		cmocka_unit_test(a_warm_call_is_two_system_calls_and_no_memory),
		cmocka_unit_test(many_arguments_are_warm_after_the_first_time),
	};

	return cmocka_run_group_tests_name("client_async", tests, NULL, NULL);
}
