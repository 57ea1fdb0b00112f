/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connection: finding the broker, greeting it, the end of everything. The client owns all that
 * was obtained through it. In a forked child nothing here talks to the broker.
 */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SYSTEM_SOCKET "/run/qdad/qdad.sock"
#define PAGE 4096

/* --- finding it --- */

static int connect_to(int fd, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	int r;

	if (n == 0 || n >= sizeof(addr.sun_path))
		return n ? -ENAMETOOLONG : -ENOENT;
	memcpy(addr.sun_path, path, n);
	do
		r = connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

/* remedy: what to do when nobody is there. */
static int refuse_path(struct qda_error *err, int code, const char *path, const char *remedy)
{
	if (code == -EACCES || code == -EPERM)
		return qda_fail(err, code, "no permission to connect to the broker at %s (%s)",
				path, strerror(-code));
	return qda_fail(err, code, "no broker at %s (%s)%s", path, strerror(-code), remedy);
}

/* Of two places, the code is that of the one where there is something. */
static int refuse_both(struct qda_error *err, int system, int user, const char *user_path)
{
	return qda_fail(err, system == -ENOENT ? user : system,
			"no broker at %s (%s) nor at %s (%s): start qdad, or set QDAD_SOCKET",
			SYSTEM_SOCKET, strerror(-system), user_path, strerror(-user));
}

/* The path that was given, else the environment's, else the system's socket and then the user's. */
static int find_broker(int fd, const char *path, struct qda_error *err)
{
	char user[sizeof(((struct sockaddr_un *)0)->sun_path)] = "";
	const char *dir = secure_getenv("XDG_RUNTIME_DIR");
	const char *remedy = ", which is the path that was given: start qdad there";
	int r, r_user;

	if (!path) {
		path = secure_getenv("QDAD_SOCKET");
		remedy = ", which is what QDAD_SOCKET says: start qdad there";
	}
	if (path && path[0]) {
		r = connect_to(fd, path);
		return r ? refuse_path(err, r, path, remedy) : 0;
	}
	r = connect_to(fd, SYSTEM_SOCKET);
	if (r == 0)
		return 0;
	if (dir && dir[0] == '/' &&
	    snprintf(user, sizeof(user), "%s/qdad/qdad.sock", dir) >= (int)sizeof(user))
		user[0] = '\0';
	if (!user[0])
		return refuse_path(err, r, SYSTEM_SOCKET,
				   ": start qdad, or set QDAD_SOCKET");
	r_user = connect_to(fd, user);
	return r_user ? refuse_both(err, r, r_user, user) : 0;
}

/* --- greeting it --- */

static int take_hello(void *data, const struct qda_delivery *in, struct qda_error *err)
{
	struct qda_client *c = data;
	struct qda_msg_limits *l = &c->limits;

	if (in->reply->hello.version != QDA_PROTOCOL_VERSION)
		return qda_fail(err, -EPROTONOSUPPORT,
				"the broker speaks version %u of the protocol, this library %u: "
				"update the older one", in->reply->hello.version,
				QDA_PROTOCOL_VERSION);
	*l = in->reply->hello.limits;
	if (!l->inline_bytes || l->inline_bytes > QDA_MESSAGE_MAX)
		l->inline_bytes = QDA_MESSAGE_MAX;
	c->client_dirs = in->reply->hello.client_dirs;
	return 0;
}

static int greet(struct qda_client *c, const char *name, struct qda_error *err)
{
	struct qda_msg_request hello = {
		.type = QDA_TYPE_HELLO,
		.hello = {
			.min_version = QDA_PROTOCOL_VERSION,
			.max_version = QDA_PROTOCOL_VERSION,
			.name = name ? name : program_invocation_short_name,
		},
	};

	return qda_request(c, &hello, NULL, 0, take_hello, c, err);
}

/* --- life --- */

static int init_fork_page(struct qda_client *c)
{
	c->alive = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (c->alive == MAP_FAILED) {
		c->alive = NULL;
		return -errno;
	}
	/* An emulator may take any advice and follow none: one that takes -1 is not believed. */
	if (madvise(c->alive, PAGE, -1) == 0 || madvise(c->alive, PAGE, MADV_WIPEONFORK) < 0)
		c->pid = getpid();
	*c->alive = 1;
	return 0;
}

static int init_locks(struct qda_client *c)
{
	pthread_condattr_t attr;
	int r;

	r = pthread_condattr_init(&attr);
	if (r)
		return -r;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	r = pthread_cond_init(&c->idle, &attr);
	pthread_condattr_destroy(&attr);
	if (r)
		return -r;
	pthread_mutex_init(&c->sending, NULL);
	pthread_mutex_init(&c->lock, NULL);
	return 0;
}

static struct qda_client *client_new(struct qda_error *err)
{
	struct qda_client *c = calloc(1, sizeof(*c));

	if (!c) {
		qda_fail(err, -ENOMEM, "no memory for a connection");
		return NULL;
	}
	c->fd = -1;
	TAILQ_INIT(&c->waiters);
	TAILQ_INIT(&c->completed);
	TAILQ_INIT(&c->free_calls);
	SLIST_INIT(&c->all_calls);
	LIST_INIT(&c->sessions);
	LIST_INIT(&c->buffers);
	for (unsigned i = 0; i < CALL_BUCKETS; i++)
		TAILQ_INIT(&c->pending[i]);
	if (init_locks(c) || init_fork_page(c)) {
		qda_fail(err, -ENOMEM, "no memory for a connection");
		free(c);
		return NULL;
	}
	return c;
}

int qda_connect(const char *path, const char *name, struct qda_client **out, struct qda_error *err)
{
	struct qda_client *c = client_new(err);
	int r;

	*out = NULL;
	if (!c)
		return -ENOMEM;
	c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		r = qda_fail(err, -errno, "no socket: %s", strerror(errno));
	else
		r = find_broker(c->fd, path, err);
	if (r == 0)
		r = greet(c, name, err);
	if (r)
		qda_disconnect(c);
	else
		*out = c;
	return r;
}

static void free_session(struct qda_session *s)
{
	struct qda_module *m;

	while ((m = LIST_FIRST(&s->modules))) {
		LIST_REMOVE(m, link);
		free(m);
	}
	free(s);
}

struct qda_client *qda_disconnect(struct qda_client *c)
{
	struct qda_session *s;
	struct qda_buffer *b;

	if (!c)
		return NULL;
	while ((s = LIST_FIRST(&c->sessions))) {
		LIST_REMOVE(s, link);
		free_session(s);
	}
	while ((b = LIST_FIRST(&c->buffers))) {
		LIST_REMOVE(b, link);
		if (b->data)
			munmap(b->data, b->size);
		if (b->fd >= 0)
			close(b->fd);
		free(b);
	}
	qda_calls_free(c);
	if (c->fd >= 0)
		close(c->fd);
	munmap(c->alive, PAGE);
	free(c);
	return NULL;
}

int qda_fd(const struct qda_client *c)
{
	return qda_usable(c, NULL) ? -ECHILD : c->fd;
}

/* --- what the broker has --- */

struct domains {
	struct qda_domain *out;
	size_t max;
	int n;
};

static int take_domains(void *data, const struct qda_delivery *in, struct qda_error *err)
{
	struct domains *d = data;

	d->n = (int)in->reply->list_domains.n;
	for (size_t i = 0; i < d->max && i < in->reply->list_domains.n; i++) {
		const struct qda_msg_domain *row = &in->reply->list_domains.rows[i];
		struct qda_domain *out = &d->out[i];

		*out = (struct qda_domain){
			.arch = row->arch,
			.unsigned_pd = row->unsigned_pd,
			.sessions_max = row->sessions_max,
			.sessions = row->sessions,
			.in_flight = row->in_flight,
			.queued = row->queued,
			.calls = row->calls,
			.busy_ns = row->busy_ns,
		};
		snprintf(out->name, sizeof(out->name), "%s", row->name);
		snprintf(out->state, sizeof(out->state), "%s", row->state);
		snprintf(out->device, sizeof(out->device), "%s", row->device);
	}
	return 0;
}

int qda_domains(struct qda_client *c, struct qda_domain *domains, size_t max, struct qda_error *err)
{
	struct qda_msg_request request = { .type = QDA_TYPE_LIST_DOMAINS };
	struct domains d = { domains, max, 0 };
	int r = qda_request(c, &request, NULL, 0, take_domains, &d, err);

	return r ? r : d.n;
}

int qda_log(struct qda_client *c, qda_log_fn fn, void *data, struct qda_error *err)
{
	struct qda_msg_request request = {
		.type = QDA_TYPE_SUBSCRIBE,
		.subscribe = { .mask = fn ? 1 : 0 },
	};
	int r = qda_usable(c, err);

	if (r)
		return r;
	/* Before the answer: lines may come with it. */
	pthread_mutex_lock(&c->lock);
	c->log = fn;
	c->log_data = data;
	pthread_mutex_unlock(&c->lock);
	return qda_request(c, &request, NULL, 0, NULL, NULL, err);
}
