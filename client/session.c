/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sessions: a protection domain of the program's own. A session owns its modules. It enters the
 * client's list while the reader holds its reply, so that an event about it can never come too
 * early.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIRS_MAX 8

int qda_domain_check(const char *domain, struct qda_error *err)
{
	if (domain && strlen(domain) > QDA_DOMAIN_MAX)
		return qda_fail(err, -EINVAL,
				"the domain's name has %zu bytes, at most %u are "
				"possible (\"adsp\", \"cdsp\", ...)",
				strlen(domain), QDA_DOMAIN_MAX);
	return 0;
}

struct qda_session *qda_session_find(struct qda_client *c, uint64_t number)
{
	struct qda_session *s;

	LIST_FOREACH(s, &c->sessions, link)
		if (s->number == number)
			return s;
	return NULL;
}

static void close_dirs(int *fds, unsigned n)
{
	while (n--)
		close(fds[n]);
}

/* Returns how many directories were opened, or a negative errno. */
static int open_dirs(const char *const *dirs, int *fds, struct qda_error *err)
{
	unsigned n = 0;

	for (; dirs && dirs[n]; n++) {
		if (n == DIRS_MAX) {
			close_dirs(fds, n);
			return qda_fail(err, -E2BIG, "more than %u module directories", DIRS_MAX);
		}
		fds[n] = open(dirs[n], O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fds[n] < 0) {
			int code = -errno;

			close_dirs(fds, n);
			return qda_fail(err, code, "module directory %s: %s", dirs[n],
					strerror(-code));
		}
	}
	return (int)n;
}

static int take_session(void *data, const struct qda_delivery *in, struct qda_error *err)
{
	struct qda_session *s = data;
	uint64_t number = in->reply->session_open.session;

	if (qda_session_find(s->client, number))
		return TAKE_BROKEN; /* two sessions of one number */
	s->number = number;
	LIST_INSERT_HEAD(&s->client->sessions, s, link);
	return 0;
}

static int open_session(struct qda_client *c, const struct qda_session_options *options,
			const int *fds, unsigned n_fds, struct qda_session **out,
			struct qda_error *err)
{
	struct qda_msg_request request = {
		.type = QDA_TYPE_SESSION_OPEN,
		.session_open = { .domain = options->domain, .kind = !!options->privileged,
				  .hang_ms = options->hang_ms, .wait_ms = options->wait_ms },
	};
	struct qda_session *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return qda_fail(err, -ENOMEM, "no memory for a session");
	s->client = c;
	LIST_INIT(&s->modules);
	r = qda_request(c, &request, fds, n_fds, take_session, s, err);
	if (r)
		free(s);
	else
		*out = s;
	return r;
}

int qda_session_open(struct qda_client *c, const struct qda_session_options *options,
		     struct qda_session **out, struct qda_error *err)
{
	static const struct qda_session_options none;
	const char *const *dirs;
	int fds[DIRS_MAX];
	int n, r;

	*out = NULL;
	if (!options)
		options = &none;
	r = qda_usable(c, err);
	if (r == 0)
		r = qda_domain_check(options->domain, err);
	if (r)
		return r;
	dirs = options->module_dirs;
	if (dirs && dirs[0] && !c->client_dirs)
		return qda_fail(err, -EPERM,
				"this broker takes no module directories from this program: that "
				"needs a software DSP with --client-dirs and a [policy] rule with "
				"dirs=yes; install the module, or use qdactl run");
	n = open_dirs(dirs, fds, err);
	if (n < 0)
		return n;
	r = open_session(c, options, fds, (unsigned)n, out, err);
	close_dirs(fds, (unsigned)n);
	return r;
}

struct qda_session *qda_session_close(struct qda_session *s)
{
	struct qda_msg_request request = { .type = QDA_TYPE_SESSION_CLOSE };
	struct qda_module *m;
	struct qda_client *c;

	/* In a forked child the lists may have been caught in the middle of a change. */
	if (!s || qda_usable(s->client, NULL))
		return NULL;
	c = s->client;
	request.session_close.session = s->number;
	(void)qda_request(c, &request, NULL, 0, NULL, NULL, NULL);
	pthread_mutex_lock(&c->lock);
	LIST_REMOVE(s, link);
	pthread_mutex_unlock(&c->lock);
	while ((m = LIST_FIRST(&s->modules))) {
		LIST_REMOVE(m, link);
		free(m);
	}
	free(s);
	return NULL;
}

int qda_session_alive(struct qda_session *s, struct qda_error *err)
{
	struct qda_client *c = s->client;
	int r;

	if (qda_usable(c, err))
		return 0;
	pthread_mutex_lock(&c->lock);
	if (s->lost)
		qda_fail(err, -ECONNRESET, "%s",
			 s->text[0] ? s->text : "the protection domain is gone");
	else if (c->lost)
		qda_fail(err, c->lost_why.code, "%s", c->lost_why.text);
	r = !s->lost && !c->lost;
	pthread_mutex_unlock(&c->lock);
	return r;
}
