/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A software DSP that does what a test tells it, one record at a time, in the thread of the test:
 * for what the real one would not do. Waiting for a record runs the loop of the rig.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "device_rig.h"
#include "fastrpc.h"
#include "wire.h"

struct dsp {
	struct rig *rig;
	char dir[64];
	char path[96];
	int listener;
	int control;
};

/* A record from the host, and the one descriptor that may come with it. */
struct dsp_got {
	struct softdsp_record record;
	struct fastrpc_msg msg;		/* of a CALL */
	int fd;
};

/* One PD as the scripted DSP knows it. */
struct dsp_pd {
	int channel;
	int theirs;		/* the host's end, before it was handed over */
	int control_memory, messages;
	uint32_t bank;
	int32_t client;
	uint64_t create_ctx;
	uint32_t messages_addr;
	struct qda_device_session *session;
};

#define DSP_BANKS 3

/* Rig and socket; nobody listens there before dsp_listen(). */
void dsp_start(struct dsp *dsp, struct rig *rig);
void dsp_listen(struct dsp *dsp);
void dsp_accept(struct dsp *dsp);
void dsp_hello(struct dsp *dsp, uint32_t banks, bool client_dirs);
/* All of these; the device is up. */
void dsp_up(struct dsp *dsp, struct rig *rig);
void dsp_hang_up(struct dsp *dsp);
void dsp_stop(struct dsp *dsp);

void dsp_send(int channel, const void *bytes, size_t size, const int *fds, unsigned n_fds);
void dsp_respond(int channel, uint64_t ctx, int32_t result);
void dsp_exit(struct dsp *dsp, const struct dsp_pd *pd, int32_t signal, const char *text);

/* The next record from the host, which must be of this kind and size. */
struct dsp_got dsp_expect(struct dsp *dsp, int channel, enum softdsp_kind kind, size_t size);
/* No record is waiting, after all that the loop has to do. */
void dsp_expect_nothing(struct dsp *dsp, int channel);
/* A process control call; its body, read as a DSP reads it. */
struct dsp_got dsp_expect_ctl(struct dsp *dsp, const struct dsp_pd *pd, uint32_t method,
			      struct fastrpc_ctl *ctl, char *name, struct fastrpc_place *rsp);

/* Start a session up to CREATE, which waits for its answer. */
void dsp_begin_pd(struct dsp *dsp, struct dsp_pd *pd, uint64_t cookie, uint64_t open_cookie);
/* Hand the channel over and grant it. sndbuf 0: as it is; else how much the host can send ahead. */
void dsp_grant_pd(struct dsp *dsp, struct dsp_pd *pd, int sndbuf);
/* Both, and the completion of the open. */
void dsp_pd(struct dsp *dsp, struct dsp_pd *pd, uint64_t cookie);
/* Close it as the host wants it closed. */
void dsp_end_pd(struct dsp *dsp, struct dsp_pd *pd);
/* Forget the DSP's ends. */
void dsp_drop_pd(struct dsp_pd *pd);
