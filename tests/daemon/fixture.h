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
#define PATIENCE_MS 20000

struct heap;

struct broker {
	char dir[64];
	char socket[96];
	char conf[96];
	pid_t pid;
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

/* False when whoever runs the tests has set QDAD_TEST_ACCEL: the domain is then a DSP behind the
 * driver, which is there already, with the skels of the tests; its processes are none of the
 * broker's. */
bool broker_has_own_dsp(void);

/* Its open descriptors, CPU time used, and processes below it whose name begins so. */
unsigned broker_fds(const struct broker *b);
uint64_t broker_cpu_ms(const struct broker *b);
unsigned broker_processes(const struct broker *b, const char *name);
/* The pid of one of just this name. */
pid_t broker_process(const struct broker *b, const char *name);
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
