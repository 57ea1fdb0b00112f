// SPDX-License-Identifier: BSD-3-Clause
/*
 * The threads of a PD: see worker.h. Whoever takes a call runs it itself, for a hand-off to
 * another thread would cost more than most calls. One idle thread is always wanted, so that a call
 * that waits for another one is never in its way; a thread that takes the last idle one's place
 * starts the next.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "call.h"
#include "crash.h"
#include "order.h"
#include "transport.h"
#include "worker.h"

#define STACK_SIZE (1024u * 1024)

static struct transport *the_transport;
static uint32_t max_workers;
static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER; /* guards n_workers */
static uint32_t n_workers;
static atomic_uint n_idle;

static int start_one(void);

/* The answer goes out last: once the host has it, the next call may come, and then this thread must
 * count as idle or a needless one is started. */
static void *serve(void *arg)
{
	struct call_scratch *scratch = arg;
	struct fastrpc_msg msg;
	uint32_t result;

	while (the_transport->ops->next(the_transport, &msg) > 0) {
		if (atomic_fetch_sub(&n_idle, 1) == 1)
			start_one();
		result = call_run(the_transport, scratch, &msg);
		atomic_fetch_add(&n_idle, 1);
		the_transport->ops->reply(the_transport, msg.ctx, result);
	}
	_exit(PD_EXIT_DONE);
}

struct start {
	struct call_scratch scratch;
	uint32_t index;
};

static void *begin(void *arg)
{
	struct start *start = arg;

	crash_thread(start->index); /* without it, only a stack overflow goes unexplained */
	return serve(&start->scratch);
}

static int spawn(uint32_t index)
{
	struct start *start = calloc(1, sizeof(*start));
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	if (!start)
		return -ENOMEM;
	start->index = index;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&thread, &attr, begin, start);
	pthread_attr_destroy(&attr);
	if (err)
		free(start);
	return -err;
}

/* Failure is no harm: the calls wait in the channel until a thread is free. */
static int start_one(void)
{
	int err = -EAGAIN;

	pthread_mutex_lock(&starting);
	if (n_workers < max_workers) {
		atomic_fetch_add(&n_idle, 1);
		err = spawn(n_workers);
		if (err)
			atomic_fetch_sub(&n_idle, 1);
		else
			n_workers++;
	}
	pthread_mutex_unlock(&starting);
	return err;
}

int workers_start(struct transport *transport, uint32_t max)
{
	the_transport = transport;
	max_workers = max;
	return start_one();
}
