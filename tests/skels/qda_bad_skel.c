/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The skel from hell: what a broken or hostile DSP library can do to those around it, on request.
 * Nothing here may hurt more than its own session.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "qda_bad.h"
#include "skel.h"

static volatile int zero; /* volatile, so that the compiler cannot see what is done with it */

static int open_module(uint32_t sc, remote_arg *pra)
{
	static const char key[] = "&_idlver=";
	const char *version;

	if (!skel_open_ok(sc, pra))
		return SKEL_REFUSE(sc, "not an open");
	version = strstr(pra[1].buf.pv, key);
	if (version) {
		version += sizeof(key) - 1;
		if (strncmp(version, QDA_BAD_IDLVER, sizeof(QDA_BAD_IDLVER) - 1) ||
		    (version[sizeof(QDA_BAD_IDLVER) - 1] &&
		     version[sizeof(QDA_BAD_IDLVER) - 1] != '&'))
			return AEE_ESTUBSKELVERMISMATCH;
	}
	pra[2].h64 = 1;
	return AEE_SUCCESS;
}

/* In 0 holds one number, and nothing else matters. */
static bool number(uint32_t sc, const remote_arg *pra, void *to, size_t size)
{
	return REMOTE_SCALARS_INBUFS(sc) >= 1 && skel_get(&pra[0], to, size);
}

static int die(uint32_t signal)
{
	volatile int *null = NULL;

	switch (signal) {
	case SIGSEGV:
		return *null;
	case SIGFPE:
#if defined(__x86_64__)
		return (int)signal / zero; /* 1 / zero needs no division: compilers know that */
#else
		return raise(SIGFPE); /* elsewhere division by zero is no fault */
#endif
	case SIGABRT:
		abort();
	case SIGILL:
		__builtin_trap();
	default:
		return raise((int)signal);
	}
}

static void wait_ms(uint32_t ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000L };

	do {
		while (nanosleep(&left, &left) && errno == EINTR)
			;
	} while (ms == QDA_BAD_FOREVER);
}

static void spin_ms(uint32_t ms)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (ms == QDA_BAD_FOREVER ||
		 (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < ms);
}

__attribute__((no_sanitize("address"))) static void overwrite(volatile uint8_t *from,
							      volatile uint8_t *to)
{
	while (from < to)
		*from++ = QDA_BAD_BYTE;
}

static int scribble(uint32_t sc, remote_arg *pra)
{
	unsigned n = REMOTE_SCALARS_INBUFS(sc) + REMOTE_SCALARS_OUTBUFS(sc);

	for (unsigned i = 0; i < n; i++) {
		uintptr_t from = (uintptr_t)pra[i].buf.pv & ~4095ull;
		uintptr_t to = ((uintptr_t)pra[i].buf.pv + pra[i].buf.nLen + 4095) & ~4095ull;

		if (pra[i].buf.nLen)
			overwrite((uint8_t *)from, (uint8_t *)to);
	}
	return AEE_SUCCESS;
}

static int overrun(uint32_t sc, remote_arg *pra)
{
	uint8_t *out;
	uint32_t beyond;

	if (!skel_counts(sc, 1, 1, 0, 0) || !number(sc, pra, &beyond, sizeof(beyond)))
		return SKEL_REFUSE(sc, "wants a number of bytes and an out buffer");
	out = pra[1].buf.pv;
	overwrite(out, out + pra[1].buf.nLen + beyond);
	pra[1].buf.pv = (void *)0x41414141;
	pra[1].buf.nLen = UINT32_MAX;
	return AEE_SUCCESS;
}

static void *write_for_ever(void *data)
{
	volatile uint8_t *out = data;

	for (;;)
		(*out)++;
	return NULL;
}

static int threads(uint32_t sc, remote_arg *pra)
{
	uint32_t n;

	if (!skel_counts(sc, 1, 1, 0, 0) || !number(sc, pra, &n, sizeof(n)) || !pra[1].buf.nLen)
		return SKEL_REFUSE(sc, "wants a number of threads and an out buffer");
	for (uint32_t i = 0; i < n; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, write_for_ever, pra[1].buf.pv))
			return AEE_ENOMEMORY;
		pthread_detach(thread);
	}
	return AEE_SUCCESS;
}

static int logs(uint32_t sc, remote_arg *pra)
{
	struct qda_bad_logs in;
	char *line;

	if (!number(sc, pra, &in, sizeof(in)))
		return SKEL_REFUSE(sc, "wants a number of lines and a length");
	line = malloc((size_t)in.length + 1);
	if (!line)
		return AEE_ENOMEMORY;
	memset(line, 'x', in.length);
	line[in.length] = 0;
	for (uint32_t i = 0; i < in.lines; i++)
		FARF(ALWAYS, "%s", line);
	free(line);
	return AEE_SUCCESS;
}

static int system_call(uint32_t sc, remote_arg *pra)
{
	unsigned in = REMOTE_SCALARS_INBUFS(sc);
	struct qda_bad_syscall call;
	struct qda_bad_result result = { 0 };

	if (!number(sc, pra, &call, sizeof(call)) || in > 2 || REMOTE_SCALARS_OUTBUFS(sc) != 1)
		return SKEL_REFUSE(sc, "wants a system call and room for its result");
	for (int i = 0; i < 6; i++)
		if (in == 2 && call.args[i] == QDA_BAD_IN1)
			call.args[i] = (intptr_t)pra[1].buf.pv;
	result.value = syscall(call.number, call.args[0], call.args[1], call.args[2], call.args[3],
			       call.args[4], call.args[5]);
	result.error = result.value == -1 ? errno : 0;
	return skel_put(&pra[in], &result, sizeof(result))
		       ? AEE_SUCCESS
		       : SKEL_REFUSE(sc, "the result needs 16 bytes");
}

/* A MiB at a time, each page written, until it is enough or there is no more. It is never given
 * back. */
static int eat(uint32_t sc, remote_arg *pra)
{
	const size_t piece = 1 << 20;
	uint64_t wanted, had = 0;

	if (!skel_counts(sc, 1, 1, 0, 0) || !number(sc, pra, &wanted, sizeof(wanted)))
		return SKEL_REFUSE(sc, "wants a number of bytes and room for one");
	while (had < wanted) {
		uint8_t *p = mmap(NULL, piece, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);

		if (p == MAP_FAILED)
			break;
		for (size_t i = 0; i < piece; i += 4096)
			p[i] = 1;
		had += piece;
	}
	return skel_put(&pra[1], &had, sizeof(had)) ? AEE_SUCCESS
						    : SKEL_REFUSE(sc, "the answer needs 8 bytes");
}

static int false_handles(uint32_t sc, remote_arg *pra)
{
	for (unsigned i = 1; i <= REMOTE_SCALARS_OUTHANDLES(sc); i++)
		pra[REMOTE_SCALARS_LENGTH(sc) - i].h64 = QDA_BAD_HANDLE;
	return AEE_SUCCESS;
}

/* The methods that want one number. */
static int with_number(uint32_t sc, remote_arg *pra)
{
	uint32_t n;

	if (!number(sc, pra, &n, sizeof(n)))
		return SKEL_REFUSE(sc, "wants a number");
	switch (REMOTE_SCALARS_METHOD(sc)) {
	case QDA_BAD_SIGNAL:
		return die(n);
	case QDA_BAD_EXIT:
		exit((int)n);
	case QDA_BAD_HANG:
		wait_ms(n);
		return AEE_SUCCESS;
	case QDA_BAD_SPIN:
		spin_ms(n);
		return AEE_SUCCESS;
	default: /* QDA_BAD_RETURN */
		return (int)n;
	}
}

SKEL_ENTRY int qda_bad_skel_handle_invoke(remote_handle64 handle, uint32_t sc, remote_arg *pra);

int qda_bad_skel_handle_invoke(remote_handle64 handle, uint32_t sc, remote_arg *pra)
{
	switch (REMOTE_SCALARS_METHOD(sc)) {
	case REMOTE_METHOD_OPEN:
		return open_module(sc, pra);
	case REMOTE_METHOD_CLOSE:
		return AEE_SUCCESS;
	case QDA_BAD_SIGNAL:
	case QDA_BAD_EXIT:
	case QDA_BAD_HANG:
	case QDA_BAD_SPIN:
	case QDA_BAD_RETURN:
		return with_number(sc, pra);
	case QDA_BAD_SCRIBBLE:
		return scribble(sc, pra);
	case QDA_BAD_OVERRUN:
		return overrun(sc, pra);
	case QDA_BAD_THREADS:
		return threads(sc, pra);
	case QDA_BAD_LOGS:
		return logs(sc, pra);
	case QDA_BAD_SYSCALL:
		return system_call(sc, pra);
	case QDA_BAD_EAT:
		return eat(sc, pra);
	case QDA_BAD_HANDLES:
		return false_handles(sc, pra);
	default:
		return AEE_EUNSUPPORTED;
	}
}
