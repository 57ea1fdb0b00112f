/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A real qdad with a real software DSP in a fresh directory, for one test: started, watched from
 * outside, and stopped with the claim that it left nothing behind. Everything here fails the test
 * that calls it when something is not as it should be; only the main thread may call it.
 */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

/* The longest that anything may take which is to happen at once: much more than it needs, for a
 * machine that is busy with other things. */
#define PATIENCE_MS 60000

/* How many times slower than others this machine is, as whoever runs the tests says by
 * QDAD_TEST_SLOWNESS; else 1. What is done very often is done that much less often. An emulated
 * machine would need an hour for it. */
unsigned slowness(void);

struct heap;

struct broker {
	char dir[64];
	char socket[96];
	char conf[96];
	pid_t pid;
	bool system;		/* not --user */
	int log;		/* memfd: what it wrote to standard output and error */
	struct heap *heap;	/* shared with its malloc hook; NULL: not hooked */
	bool ended;		/* reaped already */
	int wait_status;
};

struct broker_options {
	const char *config;	/* text of the configuration file; NULL: empty */
	const char *modules;	/* directory of skels; NULL: those of the tests */
	unsigned nofile;	/* its RLIMIT_NOFILE; 0: as it is */
	bool system;		/* not --user: for everybody in the configured group */
	bool stale;		/* somebody who died has left a socket where it will listen */
	bool heap;		/* count its heap, where that can be done */
};

/* Its configuration file: this text, and what every broker of the tests has. It is read at the
 * start, or when it is told so. */
void broker_configure(const struct broker *b, const char *text);
/* Start and wait until it is ready. */
void broker_start(struct broker *b, const struct broker_options *options);
/* End it by SIGTERM: it must exit with 0, soon, and leave no process and no file. */
void broker_stop(struct broker *b);
/* The same after something else has told it to end. */
void broker_wait_end(struct broker *b);
void broker_signal(struct broker *b, int signal);
/* It was killed: reap it and what it left, and clear up for it. */
void broker_forget(struct broker *b);

/* For cmocka: a broker with default options as *state. */
int broker_setup(void **state);
int broker_setup_with(void **state, const struct broker_options *options);
int broker_teardown(void **state);

/* What not every device has. By default the tests run on the soft device. When whoever runs them
 * has set QDAD_TEST_ACCEL, the domain is a DSP behind the driver: there already, the only one of
 * the machine, started again by somebody when it is killed, and with the skels of the tests. */
enum device_trait {
	DEVICE_OWN_DSP,		/* the broker starts its DSP, in a place and with modules it is told */
	DEVICE_LAST_WORDS,	/* a PD's end is told with its signal and method */
	DEVICE_LOG_LINES,	/* what skels log reaches their clients */
	DEVICE_CLIENT_DIRS,	/* sessions may bring module directories */
	DEVICE_READS_ONLY,	/* memory that is only for reading can be shown to it */
};

bool device_has(enum device_trait trait);
/* Skip the test, with the reason, where the device has it not. */
void device_need(enum device_trait trait);
/* As status calls it. */
const char *device_kind(void);

/* Its open descriptors, CPU time used, and processes of its DSP whose name begins so. */
unsigned broker_fds(const struct broker *b);
unsigned broker_threads(const struct broker *b);
uint64_t broker_cpu_ms(const struct broker *b);
unsigned broker_processes(const struct broker *b, const char *name);
/* The pid of one of just this name. */
pid_t broker_process(const struct broker *b, const char *name);
/* The only PD of its DSP stands still until it gets SIGCONT: calls that reach it neither begin nor
 * end meanwhile, however long that takes. Its pid. */
pid_t broker_pause_pd(const struct broker *b);
/* Live heap bytes, and allocations made since it started. A test that wants them says so before
 * anything else: it is skipped where they cannot be had. */
void broker_need_heap(const struct broker *b);
int64_t broker_heap(const struct broker *b);
uint64_t broker_allocations(const struct broker *b);
/* What it has written so far, terminated; static. */
const char *broker_log(const struct broker *b);

/* Run a program (argv[0] with a slash) to its end with the broker's socket in $QDAD_SOCKET. Returns
 * its exit status, 128 + signal. `out` gets what it wrote to both outputs, terminated. */
int run_program(const struct broker *b, const char *const *argv, char *out, size_t size);

/* What may come a moment later: look again until it is so, at most PATIENCE_MS. */
#define UNTIL(condition)                                                                           \
	for (uint64_t since_ = clock_ms(); !(condition);                                           \
	     look_again(since_, #condition, __FILE__, __LINE__))
void look_again(uint64_t since_ms, const char *what, const char *file, int line);
uint64_t clock_ms(void);

/* Bytes that differ from place to place. */
void fill_pattern(void *to, size_t n, uint32_t seed);

/* End the test as skipped, for this reason. */
#define SKIP(reason)                                                                               \
	do {                                                                                       \
		print_message("# " reason "\n");                                                   \
		skip();                                                                            \
	} while (0)

#define TEST(name) cmocka_unit_test_setup_teardown(name, broker_setup, broker_teardown)
#define TEST_WITH(name, setup) cmocka_unit_test_setup_teardown(name, setup, broker_teardown)
