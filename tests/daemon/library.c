/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Steps through libqdaclient: see library.h.
 */
#include "library.h"

struct qda_error library_error;

void must_(int r, const char *what, const char *file, int line)
{
	if (r >= 0)
		return;
	print_error("%s:%d: %s: %d: %s\n", file, line, what, r, library_error.text);
	_fail(file, line);
}

struct qda_client *library_connect(const struct broker *b)
{
	struct qda_client *c;

	must(qda_connect(b->socket, "test", &c, &library_error));
	return c;
}

struct qda_session *library_session(struct qda_client *c)
{
	struct qda_session *s;

	must(qda_session_open(c, NULL, &s, &library_error));
	return s;
}

struct qda_module *library_module(struct qda_session *s, const char *uri)
{
	struct qda_module *m;

	must(qda_module_open(s, uri, &m, &library_error));
	return m;
}

struct qda_buffer *library_buffer(struct qda_client *c, size_t size)
{
	struct qda_buffer *buffer;

	must(qda_buffer_alloc(c, NULL, size, &buffer, &library_error));
	return buffer;
}

struct user user_new(const struct broker *b, const char *uri)
{
	struct user u;

	u.client = library_connect(b);
	u.session = library_session(u.client);
	u.module = library_module(u.session, uri);
	return u;
}

void user_free(struct user *u)
{
	u->client = qda_disconnect(u->client);
}
