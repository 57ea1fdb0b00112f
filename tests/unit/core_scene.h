/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A core with one domain on a scripted device, a clock that stands until it is moved, and guests:
 * clients with a front that records every answer and fails the test at a second one, or at one that
 * comes after the guest has gone. The test owns the scene; scene_end() checks that nothing is left.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/buffer.h"
#include "core/call_internal.h"
#include "core/domain.h"
#include "core/module.h"
#include "core/session.h"
#include "fake_device.h"

#define PAGE 4096ull

struct scene {
	struct qda_core *core;
	struct qda_domain *domain;
	struct fake_device *fake;
	struct qda_fail fail;	/* of the last request that was refused */
};

/* What became of a request. */
struct answer {
	bool accepted, given;
	unsigned order;		/* among the answers of its guest, from 1 */
	int code;
	uint32_t aee;
	const char *resource, *scope;
	uint64_t limit, used;
	char text[512];
	uint64_t id, dsp_addr;
	int32_t dsp_result;
	uint64_t dsp_ns, queue_ns;
	uint32_t n_out_handles;
	struct qda_out_handle out_handles[QDA_CALL_MAX_OUT_HANDLES];
	size_t n_outs;
	uint8_t outs[512];
	uint64_t reserved;	/* of the connection's out_bytes, while it was given */
};

struct guest {
	struct scene *scene;
	struct qda_client *client;
	struct answer *answers;	/* by serial */
	size_t room;		/* there */
	uint64_t serial;	/* the last one used */
	unsigned n_given;
	bool gone;
	unsigned n_lost, n_logs, n_changed;
	uint64_t lost_session, log_session;
	uint32_t lost_signal;
	char lost_text[512], log_text[128], state[16];
};

/* Nanoseconds. */
extern uint64_t scene_clock;

void scene_begin(struct scene *s);
void scene_end(struct scene *s);

void guest_come(struct guest *g, struct scene *s, uid_t uid);
void guest_go(struct guest *g);
/* For scene_end(): all answers were seen. */
void guest_free(struct guest *g);

/* Where the answer to the guest's next request goes. Its serial is g->serial. */
struct qda_reply_to guest_to(struct guest *g);
bool answered(const struct guest *g, uint64_t serial);
/* The answer to a request; fails the test when there is none yet. */
const struct answer *answer(const struct guest *g, uint64_t serial);
void assert_success(const struct guest *g, uint64_t serial);
void assert_failure(const struct guest *g, uint64_t serial, int code);

/* Start it; returns the serial, or 0 when it was refused at once (s->fail). */
uint64_t ask_open(struct guest *g);
uint64_t ask_open_as(struct guest *g, const struct qda_session_request *request);
uint64_t ask_close(struct guest *g, uint64_t session);
uint64_t ask_map(struct guest *g, uint64_t session, uint64_t buffer, uint32_t key);
uint64_t ask_unmap(struct guest *g, uint64_t session, uint32_t key);
uint64_t ask_module(struct guest *g, uint64_t session, const char *uri);
uint64_t ask_module_close(struct guest *g, uint64_t module);
uint64_t ask_invoke(struct guest *g, const struct qda_call_request *request);
/* A call without arguments; one with n inline bytes in (counting up from 1) and as many out. */
uint64_t ask_ping(struct guest *g, uint64_t module);
uint64_t ask_copy(struct guest *g, uint64_t module, uint32_t n);
uint64_t ask_ping_until(struct guest *g, uint64_t module, uint64_t timeout_us);

/* The whole way: session, module with that wire handle, buffer. */
uint64_t open_session(struct guest *g);
uint64_t open_module(struct guest *g, uint64_t session, uint32_t wire);
uint64_t new_buffer(struct guest *g, uint64_t pages);

/* The core's object behind a handle, and the device's. */
struct qda_session *session_of(struct guest *g, uint64_t handle);
struct qda_device_session *device_session_of(struct guest *g, uint64_t handle);

/* The DSP answers a remotectl open. */
void finish_module(struct fake_op *op, uint32_t wire, uint32_t dlerr, const char *text);

/* Units of a resource that this guest's connection uses. */
uint64_t used(const struct guest *g, enum qda_resource resource);
void limit(struct guest *g, enum qda_resource resource, uint64_t n);
