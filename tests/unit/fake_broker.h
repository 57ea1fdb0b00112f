/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A broker for tests of the client: a thread that accepts one connection, answers Hello, and then
 * does what the test's script says, right or wrong. What it sends it may send byte by byte.
 */
#pragma once

#include <codec.h>
#include <frame.h>
#include <pthread.h>
#include <qda/client.h>

struct fake {
	unsigned n_sessions;		/* opened so far; the first has number 0x50 */
	void (*script)(struct fake *f); /* after Hello; returns to hang up */
	void *data;
	bool no_hello; /* the script answers Hello too */
	struct qda_msg_limits limits; /* else what Hello says of them */
	char dir[64], path[96];
	pthread_t thread;
	int listener, fd;
	/* the last request */
	struct qda_frame frame;
	struct qda_msg_request request;
	struct qda_packet packet;
	const uint8_t *tail;
	size_t n_tail;
	uint8_t in[QDA_MESSAGE_MAX], out[QDA_MESSAGE_MAX];
	struct qda_decoder decoder;
};

/* Start it, and connect the library to it. The test fails when that does. */
void fake_start(struct fake *f, void (*script)(struct fake *f));
struct qda_client *fake_connect(struct fake *f);
/* Disconnect (client may be NULL) and wait until the script has returned. */
void fake_stop(struct fake *f, struct qda_client *client);

/* For scripts. Receive a request into f; false at the end of file. */
bool fake_recv(struct fake *f);
/* Send a reply (its type is taken from the last request) with inline data and descriptors. */
void fake_reply(struct fake *f, uint64_t serial, struct qda_msg_reply *reply, const void *tail,
		size_t n_tail, const int *fds, unsigned n_fds);
void fake_event(struct fake *f, const struct qda_msg_event *event);
void fake_bytes(struct fake *f, const void *bytes, size_t n);
/* Answer the last request if it is none of the test's business (opening and closing of things):
 * sessions are 0x50, modules 0x60. */
bool fake_usual(struct fake *f);

/* A session and a module on a client. */
struct qda_module *fake_module(struct qda_client *client);

unsigned count_fds(void);
