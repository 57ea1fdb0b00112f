/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whoever uses this DSP at the moment, as the supervisor sees it: calls for process control come
 * in, answers go out. There are two forms: a program at the other end of a socket (wire.h), and
 * the kernel behind /dev/qda-vdspN. Loop thread only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <uv.h>

struct dsp;
struct host;
struct host_out;
struct obituary;
struct pd_report;

enum host_state { HOST_CLOSED = 0, HOST_OPEN, HOST_CLOSING };

/* Called through the functions below, and only while the host is open. */
struct host_ops {
	int (*pd_channel)(struct host *host, uint32_t bank, int32_t client, int *pd_end,
			  int *host_end);
	void (*pd_up)(struct host *host, uint32_t bank, int32_t client, int host_end);
	bool (*pd_log)(struct host *host, uint32_t bank, int32_t client,
		       const struct pd_report *report);
	void (*pd_exit)(struct host *host, const struct obituary *obituary, size_t n);
	void (*pd_ended)(struct host *host, int32_t client, int signal);
	void (*pd_gone)(struct host *host, int32_t client);
	void (*respond)(struct host *host, uint64_t ctx, uint32_t retval);
	void (*drop)(struct host *host); /* what waits to be sent */
};

struct host {
	const struct host_ops *ops;
	struct dsp *dsp;
	uv_poll_t poll;
	int fd;
	enum host_state state;
	STAILQ_HEAD(, host_out) queue;	/* socket: records that did not fit yet */
	bool noted;			/* socket: a record was refused, and a person told */
	int scratch;			/* vdsp: see view.h; otherwise -1 */
};

/* A host is there, at the other end of a SEQPACKET socket: greet it. Takes fd (also when it fails).
 * What does not fit into the socket waits in a queue; while something waits, nothing more is read,
 * so the queue is bounded by what PDs can cause. 0 or -errno. */
int host_open_socket(struct host *host, struct dsp *dsp, int fd);

/* The host is the kernel; fd is the control file of a virtual DSP. The same otherwise. */
int host_open_vdsp(struct host *host, struct dsp *dsp, int fd);

/* For the two forms: begin to watch fd. Takes it (also when it fails). */
int host_init(struct host *host, struct dsp *dsp, int fd, const struct host_ops *ops);

/* Drops what waits; the host is closed when dsp_settle() finds it so. */
void host_close(struct host *host);
bool host_is_closed(const struct host *host);

/* Where calls of a PD to be will come from: *pd_end is for the PD, *host_end (or -1) for
 * host_pd_up(). 0 or -errno. */
int host_pd_channel(struct host *host, uint32_t bank, int32_t client, int *pd_end, int *host_end);

/* The PD is there. Takes host_end. */
void host_pd_up(struct host *host, uint32_t bank, int32_t client, int host_end);

/* A line of a skel came to the supervisor. False: it should not have, the PD has another way. */
bool host_pd_log(struct host *host, uint32_t bank, int32_t client, const struct pd_report *report);

/* The PD ended without being released. `n` bytes of the record. */
void host_pd_exit(struct host *host, const struct obituary *obituary, size_t n);

/* The PD of an open session has ended, by this signal or (0) by itself: nothing that it has left is
 * answered before the host knows. */
void host_pd_ended(struct host *host, int32_t client, int signal);

/* No process of the PD is left: what it has left unanswered is to be answered before its bank is
 * given away. May do anything that a call from the host does. */
void host_pd_gone(struct host *host, int32_t client);

/* The answer to a call. Nothing once the host is closed. */
void host_respond(struct host *host, uint64_t ctx, uint32_t retval);
