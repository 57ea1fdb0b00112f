/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records between a host (the daemon's soft device) and qda-softdsp over SOCK_SEQPACKET, one
 * record a datagram. They stand in for what rpmsg and the SMMU do on a board: CALL and RESPONSE
 * carry FastRPC messages unchanged, MAP and UNMAP are the page tables of a context bank.
 *
 * Two kinds of channel, both SEQPACKET:
 *  - control, one per DSP: process control (handle 1) and utilities (handle 2). End of file means
 *    that the DSP is gone.
 *  - PD, one per protection domain, handed over by a PD record when CREATE succeeds: all other
 *    calls of that session. End of file means that the PD is gone; an EXIT record on control says
 *    why.
 *
 * Maps are ordered: the host numbers the MAP and UNMAP records of a PD channel from 1 (`maps`),
 * and a CALL carries the number of the last one before it; the PD runs the call only after those
 * are done, so threads may share the channel. The descriptor of a MAP is a memfd sealed against
 * shrinking. Both ends run on one machine: native byte order, little endian only.
 */
#pragma once

#include <stdint.h>

#define SOFTDSP_VERSION 1
#define SOFTDSP_MAGIC 0x50534451u	/* "QDSP" */
#define SOFTDSP_TEXT_MAX 1024		/* bytes of text in LOG and EXIT */
#define SOFTDSP_MAX_DIRS 8
#define SOFTDSP_SHELL_MAGIC "qda-softdsp shell\n" /* a shell image of the software DSP begins so */

enum softdsp_kind {
	SOFTDSP_HELLO = 1,	/* DSP -> host, first on control; hello */
	SOFTDSP_CALL = 2,	/* host -> DSP, both channels; msg */
	SOFTDSP_RESPONSE = 3,	/* DSP -> host, both channels; rsp */
	SOFTDSP_MAP = 4,	/* host -> DSP, both, 1 fd; map: from now on the bank sees this */
	SOFTDSP_UNMAP = 5,	/* host -> DSP, both channels; map */
	SOFTDSP_DIRS = 6,	/* host -> DSP, control, 1..8 directory fds: more module directories
				 * for the next CREATE in `bank` (only with --client-dirs); they
				 * are searched first */
	SOFTDSP_PD = 7,		/* DSP -> host, control, 1 fd: the channel of client's PD; no union;
				 * before CREATE's response */
	SOFTDSP_EXIT = 8,	/* DSP -> host, control; exit + text: a PD ended without RELEASE */
	SOFTDSP_LOG = 9,	/* DSP -> host, PD channel; log + text: one line of the skel */
};

/* READ_ONLY keeps a skel from writing by mistake; a hostile one is kept only by a descriptor that
 * is itself not writable. */
enum softdsp_map_flags { SOFTDSP_MAP_READ_ONLY = 1 };

enum softdsp_confined {
	SOFTDSP_CONFINED_LANDLOCK = 1,	/* files: only what lies in module and system directories */
	SOFTDSP_CONFINED_SECCOMP = 2,	/* system calls: an allow-list */
	SOFTDSP_CONFINED_MEMORY = 4,	/* private memory is limited (not under a sanitizer) */
};

struct softdsp_hello {
	uint32_t version;
	uint32_t banks;		/* context banks: sessions at one time; stream ids are 1..banks */
	uint32_t confined;	/* enum softdsp_confined: what holds PDs in */
	uint32_t client_dirs;	/* 1: DIRS is honoured */
	char name[16];		/* domain: "cdsp" */
	uint32_t arch;		/* ARCH_VER low byte the DSP claims, e.g. 0x68 */
	uint32_t pad;
};

struct softdsp_map {
	uint64_t addr;		/* DSP address in the bank (32 bits), page aligned */
	uint64_t size;		/* page multiple */
	uint64_t offset;	/* in the fd */
	uint32_t flags;
	uint32_t maps;		/* number of this record on a PD channel */
};

struct softdsp_call {
	uint8_t msg[40];	/* struct fastrpc_msg */
	uint32_t maps;		/* PD channel: MAP/UNMAP records sent before */
	uint32_t pad;
};

struct softdsp_exit {
	int32_t signal;		/* 0: it exited by itself */
	int32_t status;
	uint32_t method;	/* of the call that the faulting thread was in */
	uint32_t in_call;	/* 1: module and method are known */
	char module[64];
	/* then text, not terminated */
};

struct softdsp_log {
	uint32_t level;		/* HAP level: 0 low, 1 medium, 2 high, 3 error, 4 fatal */
	uint32_t dropped;	/* lines lost before this one, since the channel was full */
	/* then text, not terminated */
};

struct softdsp_record {
	uint32_t kind;
	uint32_t bank;		/* stream id; on control: whose bank, or 0 */
	int32_t client;		/* client id; PD, EXIT */
	uint32_t pad;
	union {
		struct softdsp_hello hello;
		struct softdsp_call call;
		uint8_t rsp[16];	/* struct fastrpc_rsp */
		struct softdsp_map map;
		struct softdsp_exit exit;
		struct softdsp_log log;
	};
};

#define SOFTDSP_HEAD 16u		/* bytes before the union */
#define SOFTDSP_SIZE(member) \
	((uint32_t)(SOFTDSP_HEAD + sizeof(((struct softdsp_record *)0)->member)))
