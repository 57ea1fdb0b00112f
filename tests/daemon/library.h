/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests that go through libqdaclient: the usual steps, each of which fails the calling test
 * when it does not work. From the main thread only; other threads look at return values themselves.
 */
#pragma once

#include <qda/client.h>
#include <stdio.h>

#include "fixture.h"

/* A client with one session and one module in it. */
struct user {
	struct qda_client *client;
	struct qda_session *session;
	struct qda_module *module;
};

#define must(call) must_(call, #call, __FILE__, __LINE__)
/* The errors of must() are to be found here. */
extern struct qda_error library_error;
void must_(int r, const char *what, const char *file, int line);

struct user user_new(const struct broker *b, const char *uri);
void user_free(struct user *u);
struct qda_client *library_connect(const struct broker *b);
struct qda_session *library_session(struct qda_client *c);
struct qda_module *library_module(struct qda_session *s, const char *uri);
struct qda_buffer *library_buffer(struct qda_client *c, size_t size);

#define INVOKE(module, method, ...)                                                                \
	do {                                                                                       \
		struct qda_arg args_[] = { __VA_ARGS__ };                                          \
                                                                                                   \
		must(qda_invoke(module, method, args_, sizeof(args_) / sizeof(*args_), NULL,       \
				&library_error));                                                  \
	} while (0)

/* The same for a call that must fail with this. */
#define INVOKE_FAILS(err, module, method, ...)                                                    \
	do {                                                                                       \
		struct qda_arg args_[] = { __VA_ARGS__ };                                          \
                                                                                                   \
		assert_int_equal(qda_invoke(module, method, args_,                                 \
					    sizeof(args_) / sizeof(*args_), NULL, &library_error), \
				 err);                                                             \
		assert_int_equal(library_error.code, err);                                        \
	} while (0)
