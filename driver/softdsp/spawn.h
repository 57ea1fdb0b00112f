/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting a PD process: its sockets, its status page, its arguments. Loop thread only.
 */
#pragma once

#include <stdint.h>

#include <uv.h>

struct bank;
struct dsp;

/* All owned; -1 where there is none. */
struct pd_sockets {
	int host;	/* the host's end of the channel, if any, until it is handed over */
	int pd_channel; /* the PD's end, until it runs */
	int orders;	/* ours */
	int pd_orders;	/* the PD's, until it runs */
	int status;	/* struct pd_status; kept to the end */
};

#define PD_SOCKETS_NULL { -1, -1, -1, -1, -1 }

/* All but the channel. 0 or -errno; what was opened is closed by pd_sockets_close() in any case. */
int pd_sockets_open(struct pd_sockets *s);
void pd_sockets_close(struct pd_sockets *s);

/* 0 or -errno; `process` is to be closed with uv_close() in both cases. */
int spawn(struct dsp *dsp, int32_t client, uint32_t stream, const struct bank *bank,
	  const struct pd_sockets *s, uv_process_t *process, uv_exit_cb on_exit);

/* Tell a person why a PD did not start. */
void spawn_report_failure(const char *why, int signal, int status);
