/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rig for tests of a device: plays the daemon's core, keeps every event, and runs the loop until
 * the one that a test waits for has come. What a test has not asked for is an error at the end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "device/device.h"

#define RIG_EVENTS 4096

struct rig_done {
	uint64_t cookie;
	struct qda_device_done done;
	bool taken;
};

struct rig_lost {
	uint64_t cookie;
	uint32_t signal;
	size_t n_done;		/* completions that came before */
	char text[256];
	bool taken;
};

struct rig_log {
	uint64_t cookie;
	uint32_t level;
	char text[256];
};

struct rig {
	uv_loop_t loop;
	uv_timer_t watchdog;
	struct qda_device *device;
	const struct qda_device_ops *ops;
	enum qda_device_state state;
	unsigned n_states;
	char why[300];
	struct rig_done done[RIG_EVENTS];
	struct rig_lost lost[64];
	struct rig_log log[RIG_EVENTS];
	size_t n_done, n_lost, n_log;
	bool inside;		/* an operation is running: no event may come */
	void (*on_done)(struct rig *rig, uint64_t cookie);	/* what core does then, or NULL */
	unsigned n_fds, n_children;		/* at the start */
};

/* The device is made, but its loop has not run yet. */
void rig_start(struct rig *rig, const struct qda_soft_config *config);
void rig_start_accel(struct rig *rig, const struct qda_accel_config *config);
/* Frees it and checks that every completion was taken, and no descriptor and no child is left. */
void rig_stop(struct rig *rig);

void rig_wait_state(struct rig *rig, enum qda_device_state state);
/* `n` state events since the start. */
void rig_wait_states(struct rig *rig, unsigned n);
/* The completion for `cookie`, which is then taken. Fails when it does not come. */
struct qda_device_done rig_wait(struct rig *rig, uint64_t cookie);
/* Whether it came already; does not run the loop. */
bool rig_has(const struct rig *rig, uint64_t cookie);
const struct rig_lost *rig_wait_lost(struct rig *rig, uint64_t session_cookie);
/* Run the loop until fd can be read. */
void rig_wait_fd(struct rig *rig, int fd);
void rig_wait_log(struct rig *rig, size_t n);
/* Whatever the loop has to do without waiting for anything. */
void rig_settle(struct rig *rig);

/* Operations, with the rule that no event comes from inside them. */
int rig_open(struct rig *rig, const struct qda_device_open *open, uint64_t cookie,
	     struct qda_device_session **out);
int rig_submit(struct rig *rig, struct qda_device_session *session,
	       const struct qda_device_call *call, uint64_t cookie);
int rig_map(struct rig *rig, struct qda_device_session *session, struct qda_device_buffer *buffer,
	    uint32_t key, uint64_t offset, uint64_t size, uint64_t cookie);
int rig_unmap(struct rig *rig, struct qda_device_session *session, uint32_t key, uint64_t cookie);
void rig_close(struct rig *rig, struct qda_device_session *session, uint64_t cookie);

/* The common cases, which must succeed: a session whose cookie is `cookie`; its end. */
struct qda_device_session *rig_session(struct rig *rig, uint64_t cookie);
void rig_end(struct rig *rig, struct qda_device_session *session);
struct qda_device_buffer *rig_buffer(struct rig *rig, uint64_t size, void **view);
/* Open a module: its handle, or 0 with the DSP's dlerr. */
uint32_t rig_module(struct rig *rig, struct qda_device_session *session, const char *uri,
		    uint32_t *dlerr);
