/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client that speaks the protocol itself, message by message, so that a test can also say what no
 * library would. Everything fails the calling test when it does not go as told.
 */
#pragma once

#include <codec.h>
#include <frame.h>

#include "fixture.h"

struct peer {
	int fd;
	uint64_t serial;		/* of the last request */
	/* The last message that came in. */
	struct qda_frame frame;
	struct qda_msg_reply reply;	/* when it is a reply */
	struct qda_msg_event event;	/* when it is an event */
	struct qda_packet packet;	/* its descriptors, closed when the next one comes */
	const uint8_t *tail;		/* inline data behind the body */
	size_t n_tail;
	unsigned n_events;		/* so far */
	struct qda_decoder decoder;
	uint8_t in[QDA_MESSAGE_MAX];
	uint8_t out[QDA_MESSAGE_MAX];
};

/* Connected, nothing said yet. */
struct peer *peer_connect(const struct broker *b);
/* The same for a process that is no part of the test and may not fail it: NULL. */
struct peer *peer_try_connect(const char *socket);
/* And greeted. */
struct peer *peer_new(const struct broker *b);
struct peer *peer_free(struct peer *p);

/* Send bytes as they are. False when the connection is gone. */
bool peer_send_raw(struct peer *p, const void *bytes, size_t n, const int *fds, unsigned n_fds);
/* Send a request with inline data; returns its serial. */
uint64_t peer_post(struct peer *p, const struct qda_msg_request *request, const void *data,
		   size_t n_data, const int *fds, unsigned n_fds);

/* Take the next message in, within PATIENCE_MS. False at the end of the connection. */
bool peer_next(struct peer *p);
/* Nothing has come (yet). */
bool peer_is_silent(struct peer *p);
/* The connection ends, and nothing comes before. */
void peer_expect_end(struct peer *p);
/* The next reply is that to `serial`; events before it are counted and let go. */
const struct qda_msg_reply *peer_await(struct peer *p, uint64_t serial);
/* The next event of this type; replies must not come before. */
const struct qda_msg_event *peer_await_event(struct peer *p, uint16_t type);

/* A request and its reply: any; a success; a refusal with this errno. */
const struct qda_msg_reply *peer_call(struct peer *p, const struct qda_msg_request *request);
const struct qda_msg_reply *peer_ok(struct peer *p, const struct qda_msg_request *request);
const struct qda_msg_status *peer_refused(struct peer *p, const struct qda_msg_request *request,
					  int code);
/* A refusal for quota that says all of it. */
void peer_refused_quota(struct peer *p, const struct qda_msg_request *request, const char *resource,
			const char *scope, uint64_t limit, uint64_t used);

/* --- requests --- */

#define REQUEST(t, ...) (&(struct qda_msg_request){ .type = QDA_TYPE_##t, ##__VA_ARGS__ })

uint64_t peer_session(struct peer *p);
uint64_t peer_module(struct peer *p, uint64_t session, const char *uri);
/* A new session with this module in it. */
uint64_t peer_open(struct peer *p, const char *uri);
/* fd may be NULL. */
uint64_t peer_buffer(struct peer *p, uint64_t size, int *fd);

/* A call in the making: scalars are counted from the arguments, which are added in their order. */
struct invocation {
	struct qda_msg_request request;
	unsigned in, out, in_handles, out_handles;
	uint8_t *data;			/* bytes of the inline in arguments */
	size_t n_data;
	struct qda_msg_arg args[QDA_ARGS_MAX];
	uint8_t bytes[QDA_MESSAGE_MAX];
};

struct invocation *invocation_new(uint64_t handle, unsigned method);
void invocation_in(struct invocation *i, const void *data, size_t n);
void invocation_out(struct invocation *i, size_t n);
/* Any argument: which = 0 in, 1 out, 2 in handle, 3 out handle. */
void invocation_arg(struct invocation *i, unsigned which, enum qda_arg_kind kind, uint64_t ref,
		    uint64_t offset, uint64_t length);
/* Send it, and free it. */
uint64_t invocation_post(struct peer *p, struct invocation *i);
/* And await a success with dsp_result 0. Inline outputs stand at p->tail. */
const struct qda_msg_reply *invocation_run(struct peer *p, struct invocation *i);
/* And await a refusal. */
const struct qda_msg_status *invocation_refused(struct peer *p, struct invocation *i, int code);

/* The usual ones. All with one inline in argument of 4 bytes and no output. */
uint64_t post_number(struct peer *p, uint64_t handle, unsigned method, uint32_t number,
		     uint64_t timeout_us);

/* Cancel a call: what it was, and what it was answered. No other answer may come meanwhile. */
uint32_t peer_cancel(struct peer *p, uint64_t victim, uint32_t *code);

/* --- status --- */

struct counts {
	unsigned clients, sessions, buffers, modules, calls_now, in_flight, queued;
	uint64_t buffer_bytes;
};
/* What all rows of all pages add up to. */
struct counts peer_counts(struct peer *p);
void assert_counts_equal(const struct counts *a, const struct counts *b);
/* The daemon's own row; its texts live until the next message. */
struct qda_msg_daemon_row peer_daemon_row(struct peer *p);
struct qda_msg_domain peer_domain_row(struct peer *p);

/* A socket with unsent data, and an owner who wants close() to wait for it: until the other end,
 * which is put into *other, is closed. */
int peer_lingering(int *other);
