/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between the supervisor (qda-softdsp) and one PD process (qda-softdsp-pd): the descriptors it is
 * started with, the records on their private socket, and the status page that outlives a crash.
 * Nobody else includes this.
 *
 * Trust: once a skel runs, everything that comes from the PD is hostile. The supervisor checks
 * each report, never maps the status page, and never waits for a PD.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Codes of the DSP that only this directory speaks of. */
#define SOFTDSP_EALREADY	0x8000041au /* the key is taken */

/* Descriptors of a PD process: 0..2 are /dev/null (2 is the supervisor's under a sanitizer). */
enum pd_fd {
	PD_FD_CHANNEL = 3,	/* to the host: a SEQPACKET socket (wire.h) or a PD file of a
				 * virtual DSP (qda_vdsp.h) */
	PD_FD_ORDERS = 4,	/* SEQPACKET to the supervisor, below */
	PD_FD_STATUS = 5,	/* memfd with struct pd_status */
	PD_FD_DIRS = 6,		/* the client's module directories, if any, from here on */
};

#define PD_THREADS_MAX	512u
#define PD_TEXT_MAX	512u

/* Supervisor to PD, one at a time; each is answered by PD_REPORT_DONE. */
enum pd_order_kind {
	PD_ORDER_MAP_KEY = 1,	/* [addr, addr + size) gets the name `key` */
	PD_ORDER_UNMAP_KEY = 2,	/* by key */
	PD_ORDER_GROW = 3,	/* [addr, addr + size) becomes heap of the PD */
	PD_ORDER_SHRINK = 4,	/* by the same addr and size */
};

struct pd_order {
	uint32_t kind;
	uint32_t key;
	uint64_t addr;
	uint64_t size;
};

/* PD to supervisor. */
enum pd_report_kind {
	PD_REPORT_READY = 1,	/* once, when it is confined and its first thread listens */
	PD_REPORT_FAILED = 2,	/* instead: `text` says why; the PD exits */
	PD_REPORT_DONE = 3,	/* an order: `result`, `addr` */
	PD_REPORT_LOG = 4,	/* vdsp only: a line of the skel: `result` is its level */
};

struct pd_report {
	uint32_t kind;
	uint32_t confined;	/* READY: enum softdsp_confined */
	uint32_t result;	/* DONE: 0 or a code of the DSP; LOG: HAP level */
	uint32_t lost;		/* LOG: lines before this one that did not fit */
	uint64_t addr;		/* DONE of MAP_KEY, GROW: the DSP address */
	char text[PD_TEXT_MAX];	/* FAILED, LOG */
};

/* What a thread of the PD is doing, for the obituary. Written by that thread only. */
struct pd_slot {
	uint32_t in_call;
	uint32_t method;
	char module[64];
};

struct pd_status {
	uint32_t faulted;	/* slot + 1 of the thread that ended it; 0 unknown */
	uint32_t n_slots;
	struct pd_slot slot[PD_THREADS_MAX];
};

/* How a PD process ends by itself. */
enum pd_exit {
	PD_EXIT_DONE = 0,	/* asked to, or the host closed the channel */
	PD_EXIT_START = 2,	/* could not start: a FAILED report says why */
	PD_EXIT_PROTOCOL = 3,	/* the host broke the order of maps */
};
