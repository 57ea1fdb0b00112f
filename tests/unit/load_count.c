// SPDX-License-Identifier: BSD-3-Clause
/* Loads counted by fault and single step: see load_count.h. */
#include "load_count.h"

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define TRAP_FLAG 0x100

static char *watched;
static size_t watched_size;
static unsigned char counts[LOAD_COUNT_MAX];
static struct sigaction old_segv, old_trap;

static void step(void *context, int on)
{
#if LOAD_COUNT_WORKS
	ucontext_t *uc = context;

	if (on)
		uc->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
	else
		uc->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
#else
	abort();
#endif
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	const uintptr_t at = (uintptr_t)info->si_addr - (uintptr_t)watched;

	if (at >= watched_size) {
		sigaction(SIGSEGV, &old_segv, NULL); /* a real fault: let it happen again */
		return;
	}
	if (counts[at] < 255)
		counts[at]++;
	mprotect(watched, watched_size, PROT_READ | PROT_WRITE);
	step(context, 1);
}

static void on_step(int sig, siginfo_t *info, void *context)
{
	mprotect(watched, watched_size, PROT_NONE);
	step(context, 0);
}

void load_count_start(void *pages, size_t size)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO };

	if (size > LOAD_COUNT_MAX)
		abort();
	memset(counts, 0, sizeof(counts));
	watched = pages;
	watched_size = size;
	action.sa_sigaction = on_fault;
	sigaction(SIGSEGV, &action, &old_segv);
	action.sa_sigaction = on_step;
	sigaction(SIGTRAP, &action, &old_trap);
	if (mprotect(pages, size, PROT_NONE))
		abort();
}

void load_count_stop(void)
{
	mprotect(watched, watched_size, PROT_READ | PROT_WRITE);
	sigaction(SIGSEGV, &old_segv, NULL);
	sigaction(SIGTRAP, &old_trap, NULL);
}

unsigned load_count_most(void)
{
	unsigned most = 0;
	size_t i;

	for (i = 0; i < watched_size; i++)
		most = counts[i] > most ? counts[i] : most;
	return most;
}

unsigned load_count_addresses(void)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < watched_size; i++)
		n += counts[i] != 0;
	return n;
}
