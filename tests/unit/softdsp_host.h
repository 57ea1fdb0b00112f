/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The host's side of the software DSP for its tests: starts the real qda-softdsp on one end of a
 * socket pair and plays the driver with driver/fastrpc. Every wait ends after WAIT_MS with a
 * failed test. One thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "driver/fastrpc/fastrpc.h"
#include "driver/softdsp/wire.h"

#define WAIT_MS		60000
#define PAGE_AT		0x10000u	/* control page in each bank */
#define SHELL_AT	0x20000u	/* shell image in each bank */
#define MESSAGES_AT	0x100000u	/* message memory of a session */
#define MESSAGES_SIZE	0x100000u
#define SLOT_SIZE	0x10000u	/* of it, for one call */

/* A record and the text behind it. */
struct line {
	struct softdsp_record record;
	char space[SOFTDSP_TEXT_MAX + 1];
};

const char *line_text(const struct line *line); /* of LOG and EXIT */

struct host {
	pid_t pid;
	int control;
	struct softdsp_hello hello;
	int page_fd[8], shell_fd;
	uint8_t *page[8];	/* control page of each bank, from 1 */
	struct line exit;	/* the last EXIT record */
	unsigned n_exits;
	int pd_fd;		/* of the last PD record, -1 none */
	uint64_t generation;
};

struct session {
	struct host *host;
	int32_t client;
	uint32_t bank;
	int fd;
	int memory_fd;
	uint8_t *memory; /* message memory */
	uint32_t maps;
	struct line log; /* the last LOG record */
	unsigned n_logs;
};

/* One argument of a call: bytes that travel inline, or a buffer or handle as it is. */
struct value {
	void *bytes;
	uint32_t length;
	struct fastrpc_arg handle; /* of a handle, and of a buffer when its kind is BUFFER */
};

int memory_new(size_t size, int seals);

/* `options`: more arguments, up to NULL. */
void host_start(struct host *host, const char *const *options);
/* Closes the control channel, waits for the DSP's end, expects status 0 and no process left. */
void host_end(struct host *host);

void host_send_record(struct host *host, const struct softdsp_record *record, size_t n, int fd);
/* Waits for the next record; kinds EXIT and PD are kept in host and skipped unless asked for. */
void host_wait(struct host *host, uint32_t kind, struct line *out);
/* A control call; *vaddr gets the answer when there is one. Returns the DSP's code. */
uint32_t host_control(struct host *host, uint32_t bank, const struct fastrpc_ctl *ctl,
		      uint64_t *vaddr);
uint32_t host_create(struct host *host, uint32_t bank, int32_t client);
uint32_t host_release(struct host *host, uint32_t bank, int32_t client);

void session_open(struct session *s, struct host *host, uint32_t bank, int32_t client);
/* Closes our side only. */
void session_drop(struct session *s);
/* RELEASE and drop. */
void session_close(struct session *s);

void session_send_record(struct session *s, const struct softdsp_record *record, size_t n, int fd);
void session_map(struct session *s, uint32_t kind, int fd, uint32_t addr, uint64_t size,
		 uint32_t flags);

/* Put a call into slot `slot` of message memory and send it with that slot as its id. */
void session_send(struct session *s, uint32_t slot, uint32_t handle, uint32_t sc,
		  const struct value *values);
/* The next response: its slot; *retval. */
uint32_t session_receive(struct session *s, uint32_t *retval);
/* Copy what the call left in its slot back into the out buffers; out handles into *handles. */
void session_collect(struct session *s, uint32_t slot, uint32_t sc, const struct value *values,
		     uint64_t *handles);
/* All three. Returns the response's value. */
uint32_t session_call(struct session *s, uint32_t handle, uint32_t sc,
		      const struct value *values, uint64_t *handles);

/* remotectl; returns dlerr, `text` has 512 bytes. */
uint32_t session_open_module(struct session *s, const char *uri, uint32_t *handle, char *text);
uint32_t session_close_module(struct session *s, uint32_t handle, char *text);

/* Waits until the PD's channel is at its end. */
void session_wait_end(struct session *s);

unsigned count_fds(pid_t pid);

/* The only child of the DSP. */
pid_t host_only_pd(const struct host *host);
