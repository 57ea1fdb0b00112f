/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One way to get a request answered, as the benchmark sees it: start it once, call it many times,
 * stop it. All processes of a way inherit the benchmark's CPU, so that a round trip is work and not
 * the cost of waking another core.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct way {
	const char *name;
	const char *what;
	void (*start)(void);	/* ends the program with a text when it cannot */
	void (*call)(void);	/* one round trip, checked */
	void (*stop)(void);
};

extern const struct way way_ping_pong;	/* two processes, bare SEQPACKET */
extern const struct way way_relay;	/* a third one with epoll between them */
extern const struct way way_direct;	/* the device, no broker */
extern const struct way way_brokered;	/* libqdaclient, qdad, the same null skel */
extern const struct way way_brokered_inline;	/* 64 bytes in and out in the messages */
extern const struct way way_brokered_inline_4k;
extern const struct way way_brokered_16m;	/* 16 MiB in a shared buffer */
/* Only on a DSP behind the driver: its ioctls and nothing else. */
extern const struct way way_raw_submit;
extern const struct way way_raw_invoke;
extern const struct way way_raw_16m;

/* On a DSP behind the driver, which is there already with the skels; else on the soft device. */
extern bool on_accel;

/* Calls per second with `depth` calls on their way, over `n` calls. way_brokered must be
 * started. */
double brokered_throughput(unsigned depth, unsigned n);

void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
uint64_t now_ns(void);
