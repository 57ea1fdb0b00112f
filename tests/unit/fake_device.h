/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that a test steps by hand: every operation that core starts waits here until the test
 * completes it, with the outcome and in the order that the test likes. It holds core to the
 * contract of device/device.h (asserts) and keeps it itself, but for what a test asks for by name.
 * The test owns the device through the domain it is attached to.
 */
#pragma once

#include <sys/queue.h>

#include "device/device.h"

enum fake_kind {
	FAKE_OPEN,
	FAKE_CLOSE,
	FAKE_MAP,
	FAKE_UNMAP,
	FAKE_CALL,
	FAKE_CREATE,	/* the rest have no operation, but can be refused */
	FAKE_IMPORT,
	FAKE_VIEW,
	FAKE_KINDS,
};

struct fake_device;

/* An operation under way. */
struct fake_op {
	TAILQ_ENTRY(fake_op) link;	/* device->ops, in the order of their start */
	enum fake_kind kind;
	uint64_t cookie;
	struct qda_device_session *session;
	struct qda_device_buffer *buffer;	/* MAP: ref */
	uint64_t offset, size;			/* MAP */
	uint32_t key;				/* MAP, UNMAP */
	uint32_t handle, sc, n_args;		/* CALL */
	struct qda_device_arg *args;		/* CALL: copies; buffers are refs */
};

struct fake_key {
	TAILQ_ENTRY(fake_key) link;	/* session->keys */
	struct qda_device_buffer *buffer;	/* ref */
	uint32_t key;
};

TAILQ_HEAD(fake_ops, fake_op);
TAILQ_HEAD(fake_keys, fake_key);

struct qda_device_session {
	struct fake_device *fake;
	struct fake_keys keys;
	uint64_t cookie;
	char name[32];
	unsigned n_dirs;
	bool open, dead, closing, privileged;
};

struct qda_device_buffer {
	struct fake_device *fake;
	uint64_t size;
	uint8_t *bytes;		/* when somebody looked */
	unsigned refs;
	int fd;
	bool read_only, released;
};

struct fake_device {
	struct qda_device device;
	struct qda_device_info info;
	struct fake_ops ops;
	int refuse[FAKE_KINDS];			/* what to refuse with */
	unsigned refusals[FAKE_KINDS];		/* how many times from now on */
	unsigned room;				/* calls that fit; then -EBUSY */
	unsigned n_sessions, n_buffers, n_calls, n_submits;
	int last_fd;
};

/* owner: of the events. Up at once when the test says fake_up(). */
struct fake_device *fake_new(const struct qda_device_events *events, void *owner);
void fake_up(struct fake_device *fake);
void fake_down(struct fake_device *fake, const char *why);

/* The next `times` operations of that kind are refused. */
void fake_refuse(struct fake_device *fake, enum fake_kind kind, int err, unsigned times);

/* The first operation of a kind that waits, or NULL; how many wait. */
struct fake_op *fake_find(struct fake_device *fake, enum fake_kind kind);
unsigned fake_count(const struct fake_device *fake, enum fake_kind kind);

/* Complete it. CLOSE first completes what else waits in that session with -ECANCELED. */
void fake_complete(struct fake_op *op, const struct qda_device_done *done);
void fake_done(struct fake_op *op, int err, int32_t result);

/* The PD dies: all operations of the session complete with err, further ones are refused. */
void fake_die(struct qda_device_session *session, int err);
/* And its owner is told why. */
void fake_lost(struct qda_device_session *session, uint32_t signal, const char *text);

/* Zeroed memory that cannot be had from malloc() and its like, which a test may make fail; for
 * free(). */
void *fake_alloc(size_t n);

/* The memory behind argument i of a call, as the DSP sees it. */
uint8_t *fake_bytes(struct fake_op *op, unsigned i);
