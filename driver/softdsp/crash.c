// SPDX-License-Identifier: BSD-3-Clause
/*
 * The obituary of a PD: see crash.h. Handlers do nothing but one atomic store into shared memory,
 * then the signal is delivered again with its default action, so that the supervisor sees the same
 * cause of death as without them.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "crash.h"
#include "order.h"

#define STACK_SIZE (64u * 1024)

static struct pd_status *the_status;
static _Thread_local struct pd_slot *my_slot;

static void mark(void)
{
	uint32_t none = 0;

	if (my_slot)
		atomic_compare_exchange_strong((_Atomic uint32_t *)&the_status->faulted, &none,
					       my_slot - the_status->slot + 1);
}

/* SA_RESETHAND put the default action back; the raised signal is blocked until we return. */
static void on_fatal(int signal)
{
	mark();
	raise(signal);
}

int crash_init(struct pd_status *status)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGSYS };
	struct sigaction action = { .sa_handler = on_fatal,
				    .sa_flags = SA_ONSTACK | SA_RESETHAND };

	the_status = status;
	sigemptyset(&action.sa_mask);
	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (sigaction(signals[i], &action, NULL) < 0)
			return -errno;
	return atexit(mark) ? -ENOMEM : 0;
}

int crash_thread(uint32_t index)
{
	stack_t stack = { .ss_size = STACK_SIZE };

	stack.ss_sp = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	if (stack.ss_sp == MAP_FAILED)
		return -errno;
	if (sigaltstack(&stack, NULL) < 0) {
		munmap(stack.ss_sp, STACK_SIZE);
		return -errno;
	}
	my_slot = &the_status->slot[index];
	return 0;
}

void crash_enter(const char module[64], uint32_t method)
{
	if (!my_slot)
		return;
	memcpy(my_slot->module, module, sizeof(my_slot->module));
	my_slot->method = method;
	atomic_signal_fence(memory_order_seq_cst);
	my_slot->in_call = 1;
}

void crash_leave(void)
{
	if (my_slot)
		my_slot->in_call = 0;
}
