/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Firmware for the driver tests: a thread that serves /dev/qda-vdspN. Process control it does
 * itself, as a test told it to. Calls on any other handle go by their method; those it was told to
 * hold are the test's to answer: late, twice, wrongly or never.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "fastrpc.h"
#include "qda_vdsp.h"

#define DSP_BANKS 4	/* what the tests load the module with */
#define DSP_HANDLE 0x1000

/* Methods of every handle from 3 on. */
enum dsp_method {
	DSP_ECHO = 2,	/* buffer out i becomes buffer in i, followed by 0xa5; handles likewise */
	DSP_RETURN = 3,	/* returns the first buffer in, an int */
	DSP_HOLD = 4,	/* answered by the test */
	DSP_SILENT = 5,	/* leaves the buffers out alone */
	DSP_LENGTHS = 6,/* buffer out 0: struct fastrpc_dsp_arg of each argument, as parsed */
};

struct dsp {
	int fd;
	int stop;
	pthread_t thread;
	pthread_mutex_t lock;	/* protects what follows */
	pthread_cond_t changed;
	uint8_t *bank[DSP_BANKS + 1];		/* by stream id */
	int32_t refuse[32];			/* process control: what to return; by method */
	bool hold[32];				/* process control: the test answers */
	unsigned seen[32];			/* process control: how many there were */
	struct fastrpc_ctl control[32];		/* the last of each */
	struct fastrpc_msg held[512];		/* oldest first */
	unsigned n_held;
	uint64_t heap;				/* what the next MMAP returns */
	uint32_t arch;				/* attribute 6; 0: attributes are not known */
};

/* Open the device and serve it. */
void dsp_start(struct dsp *dsp);
/* Close the device: the DSP is gone. */
void dsp_stop(struct dsp *dsp);

/* Take the oldest held call that `ctx` names (0: any), waited for. */
struct fastrpc_msg dsp_take(struct dsp *dsp, uint64_t ctx);
/* Wait until so many calls are held. */
void dsp_wait_held(struct dsp *dsp, unsigned n);
/* Wait until process control has seen `method` n times. */
void dsp_wait_seen(struct dsp *dsp, uint32_t method, unsigned n);
unsigned dsp_seen(struct dsp *dsp, uint32_t method);
void dsp_refuse(struct dsp *dsp, uint32_t method, int32_t result);
void dsp_hold(struct dsp *dsp, uint32_t method, bool hold);

void dsp_answer(struct dsp *dsp, uint64_t ctx, int32_t result);
/* Say, unasked, what became of a client's PD: enum fastrpc_pd_status. */
void dsp_notify(struct dsp *dsp, int32_t client, uint32_t status);
/* Answer everything that is held. */
void dsp_answer_all(struct dsp *dsp, int32_t result);

/* What the DSP sees at a DSP address (stream id << 32 | address). */
uint8_t *dsp_memory(struct dsp *dsp, uint64_t address);

/* Read one byte: it, or -1 where an access is a SIGBUS. Any thread. */
int touch(const volatile uint8_t *byte);
/* Write one byte: it, or -1 where that is a fault. Any thread. */
int poke(volatile uint8_t *byte, uint8_t value);
/* Wait until an access is a SIGBUS: memory is taken back in the background. */
void wait_gone(const volatile uint8_t *byte);
