/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The disposer: two lists that the loop fills and threads empty, and the way back for the charges.
 * The threads touch descriptors and the lists, nothing of core.
 */
#include "front/disposer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/nudge.h"
#include "util/stall.h"

#define UNREAD_MAX  1024 /* more messages than a socket holds by default */
#define SOCKETS_MAX 64u /* that wait; then no more connections are made */
#define BLOCKS_AT_ONCE 2048 /* of 512 bytes: giving back 1 MiB of memory takes 50 us */

struct item {
	STAILQ_ENTRY(item) link;
	struct qda_client *client; /* ref, or NULL */
	struct qda_charge charge;
	unsigned *count; /* of the disposer: of those like this one */
	int fd;
};

STAILQ_HEAD(item_list, item);

struct shared;

/* What one thread closes, in order. */
struct line {
	struct shared *shared;
	pthread_cond_t more;
	struct item_list waiting;
	struct item *busy; /* being closed */
};

/* Shared with the threads; outlives the disposer when one is stuck. */
struct shared {
	pthread_mutex_t lock; /* of all below */
	struct line foreign, sockets;
	struct item_list closed;
	uv_async_t *wake; /* NULL: nobody wants to know any more */
};

struct qda_disposer {
	uv_async_t wake;
	struct shared *shared;
	unsigned n_paid, n_unpaid, n_sockets; /* waiting */
	bool has_foreign, has_sockets;	      /* threads */
	bool stopped;
};

bool qda_closes_at_once(int fd)
{
	struct stat st;
	int flags;

	if (fcntl(fd, F_GET_SEALS) >= 0)
		return fstat(fd, &st) == 0 && st.st_blocks <= BLOCKS_AT_ONCE;
	flags = fcntl(fd, F_GETFL);
	return flags >= 0 && flags & O_PATH;
}

/* That no more can come is known. An empty message is told from the end by who sent it. */
static bool is_empty(int fd)
{
	char byte, control[CMSG_SPACE(sizeof(struct ucred))]; /* no room for descriptors */
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	const int on = 1;

	return setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0 &&
	       recvmsg(fd, &msg, MSG_PEEK | MSG_DONTWAIT) == 0 && !msg.msg_controllen;
}

/* Who reads the end of a connection is not to hear that something was left unread. */
static void drain(int fd)
{
	char byte;

	for (int i = 0; i < UNREAD_MAX && !is_empty(fd); i++)
		if (recv(fd, &byte, 1, MSG_DONTWAIT) < 0)
			return;
}

static void *close_all(void *data)
{
	struct line *line = data;
	struct shared *shared = line->shared;
	struct item *item;
	struct qda_nudge nudge;

	qda_nudge_init(&nudge);
	qda_nudge_begin(&nudge);
	pthread_mutex_lock(&shared->lock);
	for (;;) {
		while (!(item = STAILQ_FIRST(&line->waiting))) {
			qda_nudge_end(&nudge);
			pthread_cond_wait(&line->more, &shared->lock);
			qda_nudge_begin(&nudge);
		}
		STAILQ_REMOVE_HEAD(&line->waiting, link);
		line->busy = item;
		pthread_mutex_unlock(&shared->lock);
		if (line == &shared->sockets)
			drain(item->fd);
		close(item->fd); /* may take for ever, where the file is somebody else's */
		pthread_mutex_lock(&shared->lock);
		line->busy = NULL;
		STAILQ_INSERT_TAIL(&shared->closed, item, link);
		if (shared->wake)
			uv_async_send(shared->wake);
	}
	return NULL;
}

static void settle(struct item *item)
{
	--*item->count;
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

static void line_init(struct line *line, struct shared *shared)
{
	line->shared = shared;
	pthread_cond_init(&line->more, NULL);
	STAILQ_INIT(&line->waiting);
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
	line_init(&shared->foreign, shared);
	line_init(&shared->sockets, shared);
	STAILQ_INIT(&shared->closed);
	shared->wake = &disposer->wake;
	*out = disposer;
	return 0;
}

/* What the thread is at stays its own. */
static void line_stop(struct line *line, struct item_list *rest)
{
	STAILQ_CONCAT(rest, &line->waiting);
	if (!line->busy)
		return;
	settle(line->busy);
	line->busy->client = NULL;
}

void qda_disposer_stop(struct qda_disposer *disposer)
{
	struct item_list rest = STAILQ_HEAD_INITIALIZER(rest);
	struct shared *shared = disposer->shared;

	pthread_mutex_lock(&shared->lock);
	shared->wake = NULL;
	STAILQ_CONCAT(&rest, &shared->closed);
	line_stop(&shared->foreign, &rest);
	line_stop(&shared->sockets, &rest);
	pthread_mutex_unlock(&shared->lock);
	free_items(&rest);
	disposer->stopped = true;
	uv_close((uv_handle_t *)&disposer->wake, NULL);
}

struct qda_disposer *qda_disposer_free(struct qda_disposer *disposer)
{
	if (disposer && !disposer->has_foreign && !disposer->has_sockets)
		free(disposer->shared);
	free(disposer);
	return NULL;
}

static int start_thread(struct line *line, bool *has)
{
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	if (*has)
		return 0;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	r = pthread_create(&thread, &attr, close_all, line);
	pthread_attr_destroy(&attr);
	*has = r == 0;
	return -r;
}

/* NULL: there is no memory for better, and it was closed here. Takes the descriptor over. */
static struct item *item_new(struct line *line, bool *has, unsigned *count, int fd)
{
	struct item *item = calloc(1, sizeof(*item));

	if (!item || start_thread(line, has) < 0) {
		free(item);
		close(fd);
		return NULL;
	}
	item->fd = fd;
	item->count = count;
	return item;
}

static void hand_over(struct line *line, struct item *item)
{
	++*item->count;
	pthread_mutex_lock(&line->shared->lock);
	STAILQ_INSERT_TAIL(&line->waiting, item, link);
	pthread_cond_signal(&line->more);
	pthread_mutex_unlock(&line->shared->lock);
}

/* No end of a connection is worth waiting for. Fails for what is no socket, which does not mind. */
static void stop_lingering(int fd)
{
	const struct linger off = { .l_onoff = 0 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
}

/* A descriptor that cannot be charged is queued all the same: it is here already. */
static void dispose_later(struct qda_disposer *disposer, struct qda_client *client, int fd)
{
	struct line *line = &disposer->shared->foreign;
	struct item *item = item_new(line, &disposer->has_foreign, &disposer->n_paid, fd);
	struct qda_fail fail;

	if (!item)
		return;
	stop_lingering(fd);
	if (qda_charge_init(&item->charge, &client->account, QDA_RES_FDS, 1, &fail) == 0)
		item->client = qda_client_ref(client);
	else
		item->count = &disposer->n_unpaid;
	hand_over(line, item);
}

void qda_dispose(struct qda_disposer *disposer, struct qda_client *client, const int *fds,
		 unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (qda_closes_at_once(fds[i]))
			close(fds[i]);
		else
			dispose_later(disposer, client, fds[i]);
	}
}

void qda_dispose_socket(struct qda_disposer *disposer, int fd)
{
	struct line *line = &disposer->shared->sockets;
	struct item *item;

	shutdown(fd, SHUT_RDWR);
	if (is_empty(fd)) {
		close(fd);
		return;
	}
	if (disposer->stopped)
		return; /* it goes with the process */
	item = item_new(line, &disposer->has_sockets, &disposer->n_sockets, fd);
	if (item)
		hand_over(line, item);
}

bool qda_disposer_is_full(const struct qda_disposer *disposer)
{
	return disposer->n_sockets >= SOCKETS_MAX;
}

bool qda_disposer_is_owed(const struct qda_disposer *disposer)
{
	return disposer->n_unpaid;
}
