/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The disposer: a list that the loop fills and a thread empties, and the way back for the charges.
 * The thread touches descriptors and the two lists, nothing of core.
 */
#include "front/disposer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame.h"
#include "util/stall.h"

#define UNREAD_MAX 1024 /* more messages than a socket holds by default */

struct item {
	STAILQ_ENTRY(item) link;
	struct qda_client *client; /* ref, or NULL */
	struct qda_charge charge;
	int fd;
};

STAILQ_HEAD(item_list, item);

/* Shared with the thread; outlives the disposer when the thread is stuck. */
struct shared {
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t more;
	struct item_list waiting, closed;
	struct item *busy; /* being closed */
	uv_async_t *wake;  /* NULL: nobody wants to know any more */
};

struct qda_disposer {
	uv_async_t wake;
	struct shared *shared;
	bool has_thread;
};

bool qda_closes_at_once(int fd)
{
	int flags;

	if (fcntl(fd, F_GET_SEALS) >= 0)
		return true;
	flags = fcntl(fd, F_GETFL);
	return flags >= 0 && flags & O_PATH;
}

static void *close_all(void *data)
{
	struct shared *shared = data;
	struct item *item;

	pthread_mutex_lock(&shared->lock);
	for (;;) {
		while (!(item = STAILQ_FIRST(&shared->waiting)))
			pthread_cond_wait(&shared->more, &shared->lock);
		STAILQ_REMOVE_HEAD(&shared->waiting, link);
		shared->busy = item;
		pthread_mutex_unlock(&shared->lock);
		close(item->fd); /* may take for ever */
		pthread_mutex_lock(&shared->lock);
		shared->busy = NULL;
		STAILQ_INSERT_TAIL(&shared->closed, item, link);
		if (shared->wake)
			uv_async_send(shared->wake);
	}
	return NULL;
}

static void settle(struct item *item)
{
	qda_charge_deinit(&item->charge);
	if (item->client)
		qda_client_unref(item->client);
}

static void free_items(struct item_list *list)
{
	struct item *item;

	while ((item = STAILQ_FIRST(list))) {
		STAILQ_REMOVE_HEAD(list, link);
		settle(item);
		free(item);
	}
}

static void on_closed(uv_async_t *async)
{
	struct qda_disposer *disposer = async->data;
	struct item_list closed = STAILQ_HEAD_INITIALIZER(closed);

	qda_stall_mark();
	pthread_mutex_lock(&disposer->shared->lock);
	STAILQ_CONCAT(&closed, &disposer->shared->closed);
	pthread_mutex_unlock(&disposer->shared->lock);
	free_items(&closed);
}

int qda_disposer_new(uv_loop_t *loop, struct qda_disposer **out)
{
	struct qda_disposer *disposer = calloc(1, sizeof(*disposer));
	struct shared *shared = calloc(1, sizeof(*shared));

	if (!disposer || !shared || uv_async_init(loop, &disposer->wake, on_closed) < 0) {
		free(disposer);
		free(shared);
		return -ENOMEM;
	}
	uv_unref((uv_handle_t *)&disposer->wake);
	disposer->wake.data = disposer;
	disposer->shared = shared;
	pthread_mutex_init(&shared->lock, NULL);
	pthread_cond_init(&shared->more, NULL);
	STAILQ_INIT(&shared->waiting);
	STAILQ_INIT(&shared->closed);
	shared->wake = &disposer->wake;
	*out = disposer;
	return 0;
}

void qda_disposer_stop(struct qda_disposer *disposer)
{
	struct item_list rest = STAILQ_HEAD_INITIALIZER(rest);
	struct item *item;

	pthread_mutex_lock(&disposer->shared->lock);
	disposer->shared->wake = NULL;
	STAILQ_CONCAT(&rest, &disposer->shared->closed);
	STAILQ_CONCAT(&rest, &disposer->shared->waiting);
	item = disposer->shared->busy;
	if (item) {
		settle(item);
		item->client = NULL;
	}
	pthread_mutex_unlock(&disposer->shared->lock);
	free_items(&rest);
	uv_close((uv_handle_t *)&disposer->wake, NULL);
}

struct qda_disposer *qda_disposer_free(struct qda_disposer *disposer)
{
	if (disposer && !disposer->has_thread)
		free(disposer->shared);
	free(disposer);
	return NULL;
}

static int start_thread(struct qda_disposer *disposer)
{
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	if (disposer->has_thread)
		return 0;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	r = pthread_create(&thread, &attr, close_all, disposer->shared);
	pthread_attr_destroy(&attr);
	disposer->has_thread = r == 0;
	return -r;
}

/* No end of a connection is worth waiting for. What is no socket does not mind. */
static void stop_lingering(int fd)
{
	const struct linger off = { .l_onoff = 0 };

	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off)) < 0)
		return;
}

/* A descriptor that cannot be charged is queued all the same: it is here already. */
static void hand_over(struct qda_disposer *disposer, struct qda_client *client, int fd)
{
	struct item *item = calloc(1, sizeof(*item));
	struct qda_fail fail;

	if (!item || start_thread(disposer) < 0) {
		free(item);
		close(fd); /* no memory for better */
		return;
	}
	item->fd = fd;
	stop_lingering(fd);
	if (client && qda_charge_init(&item->charge, &client->account, QDA_RES_FDS, 1, &fail) == 0)
		item->client = qda_client_ref(client);
	pthread_mutex_lock(&disposer->shared->lock);
	STAILQ_INSERT_TAIL(&disposer->shared->waiting, item, link);
	pthread_cond_signal(&disposer->shared->more);
	pthread_mutex_unlock(&disposer->shared->lock);
}

void qda_dispose(struct qda_disposer *disposer, struct qda_client *client, const int *fds,
		 unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (qda_closes_at_once(fds[i]))
			close(fds[i]);
		else
			hand_over(disposer, client, fds[i]);
	}
}

void qda_dispose_unread(struct qda_disposer *disposer, struct qda_client *client, int fd)
{
	const int on = 1;

	shutdown(fd, SHUT_RDWR);
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return;
	for (int i = 0; i < UNREAD_MAX; i++) {
		struct qda_packet packet;
		char byte;
		int r = qda_packet_recv_open(fd, &byte, 1, MSG_DONTWAIT, &packet);

		qda_dispose(disposer, client, packet.fds, packet.n_fds);
		if (packet.end || (r < 0 && r != -EMSGSIZE))
			return;
	}
}
