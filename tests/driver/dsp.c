// SPDX-License-Identifier: BSD-3-Clause
/*
 * Firmware for the driver tests. Its thread reads payloads that may go away under it (a restart,
 * a session that ends), so every access to a bank in it is guarded against SIGBUS.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "dsp.h"

static __thread sigjmp_buf out_of_fault;
static __thread volatile sig_atomic_t guarded;

static void on_fault(int signal)
{
	if (guarded)
		siglongjmp(out_of_fault, 1);
	_exit(128 + signal);
}

/* Instead of a result: the test will answer. */
#define HELD INT64_MIN

static void catch_faults(void)
{
	const struct sigaction action = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
}

int touch(const volatile uint8_t *byte)
{
	volatile int value = -1;

	catch_faults();
	guarded = 1;
	if (!sigsetjmp(out_of_fault, 1))
		value = *byte;
	guarded = 0;
	return value;
}

int poke(volatile uint8_t *byte, uint8_t value)
{
	volatile int written = -1;

	catch_faults();
	guarded = 1;
	if (!sigsetjmp(out_of_fault, 1)) {
		*byte = value;
		written = value;
	}
	guarded = 0;
	return written;
}

static void respond(struct dsp *dsp, uint64_t ctx, int32_t result)
{
	const struct fastrpc_rsp rsp = { .ctx = ctx, .retval = result };

	if (write(dsp->fd, &rsp, sizeof(rsp)) != sizeof(rsp))
		abort();
}

uint8_t *dsp_memory(struct dsp *dsp, uint64_t address)
{
	const uint64_t stream_id = address >> 32;

	if (stream_id < 1 || stream_id > DSP_BANKS)
		abort();
	return dsp->bank[stream_id] + (uint32_t)address;
}

static void hold(struct dsp *dsp, const struct fastrpc_msg *msg)
{
	pthread_mutex_lock(&dsp->lock);
	if (dsp->n_held == sizeof(dsp->held) / sizeof(dsp->held[0]))
		abort();
	dsp->held[dsp->n_held++] = *msg;
	pthread_cond_broadcast(&dsp->changed);
	pthread_mutex_unlock(&dsp->lock);
}

static int64_t process_control(struct dsp *dsp, const struct fastrpc_msg *msg)
{
	struct fastrpc_place place;
	struct fastrpc_ctl ctl;
	char name[FASTRPC_CTL_NAME];
	uint32_t method;
	int64_t result;
	uint8_t *payload = dsp_memory(dsp, msg->addr);

	if (fastrpc_ctl_read(msg, payload, msg->size, &ctl, name, &place))
		return (int32_t)FASTRPC_EBADPARM;
	method = ctl.method == FASTRPC_PROCESS_CREATE_ATTR ? FASTRPC_PROCESS_CREATE : ctl.method;
	pthread_mutex_lock(&dsp->lock);
	if (place.length == 8)
		memcpy(payload + place.offset, &dsp->heap, 8);
	result = dsp->hold[method] ? HELD : dsp->refuse[method];
	ctl.name = NULL;
	dsp->control[method] = ctl;
	dsp->seen[method]++;
	pthread_cond_broadcast(&dsp->changed);
	pthread_mutex_unlock(&dsp->lock);
	return result;
}

static void echo_buffers(struct dsp *dsp, uint64_t base, uint32_t sc,
			 const struct fastrpc_dsp_arg *args)
{
	const uint32_t in = fastrpc_sc_in(sc), out = fastrpc_sc_out(sc);

	for (uint32_t i = 0; i < out; i++) {
		const struct fastrpc_dsp_arg *to = &args[in + i];
		const struct fastrpc_dsp_arg none = { 0 }, *from = i < in ? &args[i] : &none;
		const uint32_t n = from->length < to->length ? from->length : to->length;

		if (n)
			memmove(dsp_memory(dsp, base | to->addr), dsp_memory(dsp, base | from->addr),
				n);
		if (to->length > n)
			memset(dsp_memory(dsp, base | to->addr) + n, 0xa5, to->length - n);
	}
}

/* An echoed key comes back as offset << 32 | key. */
static void echo_handles(uint8_t *payload, uint32_t sc, const struct fastrpc_dsp_arg *args)
{
	const struct fastrpc_dsp_arg *in = args + fastrpc_sc_bufs(sc);

	for (uint32_t i = 0; i < fastrpc_sc_out_handles(sc); i++) {
		uint64_t number = 0xdddddddddddddddd;

		if (i < fastrpc_sc_in_handles(sc))
			number = in[i].kind == FASTRPC_ARG_KEY ?
				 (uint64_t)in[i].offset << 32 | in[i].key : in[i].number;
		fastrpc_set_out_handle(payload, sc, i, number);
	}
}

static int32_t attributes(struct dsp *dsp, uint64_t base, const struct fastrpc_dsp_arg *out)
{
	uint32_t *values;

	if (!dsp->arch || out->length < 6 * sizeof(*values))
		return (int32_t)FASTRPC_EUNSUPPORTED;
	values = (uint32_t *)dsp_memory(dsp, base | out->addr);
	memset(values, 0, out->length);
	values[6 - 1] = dsp->arch;
	return 0;
}

static int64_t method_call(struct dsp *dsp, const struct fastrpc_msg *msg)
{
	static __thread struct fastrpc_dsp_arg args[FASTRPC_MAX_ARGS];
	const uint64_t base = msg->addr & ~0xffffffffull;
	uint8_t *payload = msg->size ? dsp_memory(dsp, msg->addr) : NULL;
	const struct fastrpc_dsp_arg *out = &args[fastrpc_sc_in(msg->sc)];
	int32_t result = 0;

	if (fastrpc_parse(msg, payload, msg->size, args))
		return (int32_t)FASTRPC_EBADPARM;
	if (msg->handle == FASTRPC_HANDLE_UTIL)
		return attributes(dsp, base, out);
	switch (fastrpc_sc_method(msg->sc)) {
	case DSP_ECHO:
		echo_buffers(dsp, base, msg->sc, args);
		echo_handles(payload, msg->sc, args);
		break;
	case DSP_RETURN:
		memcpy(&result, dsp_memory(dsp, base | args[0].addr), sizeof(result));
		break;
	case DSP_LENGTHS:
		memcpy(dsp_memory(dsp, base | out->addr), args, out->length);
		break;
	case DSP_HOLD:
		return HELD;
	case DSP_SILENT:
		break;
	default:
		result = (int32_t)FASTRPC_EUNSUPPORTED;
	}
	return result;
}

static void serve(struct dsp *dsp, const struct fastrpc_msg *msg)
{
	volatile int64_t result = (int32_t)FASTRPC_EBADPARM;

	catch_faults();	/* cmocka has handlers of its own when a test begins */
	guarded = 1;
	if (!sigsetjmp(out_of_fault, 1))
		result = msg->handle == FASTRPC_HANDLE_PROCESS ? process_control(dsp, msg) :
								 method_call(dsp, msg);
	guarded = 0;
	if (result == HELD)
		hold(dsp, msg);
	else
		respond(dsp, msg->ctx, (int32_t)result);
}

static void *dsp_main(void *arg)
{
	struct dsp *dsp = arg;
	struct pollfd fds[] = { { .fd = dsp->fd, .events = POLLIN },
				{ .fd = dsp->stop, .events = POLLIN } };
	struct qda_vdsp_record record;
	struct fastrpc_msg msg;

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			abort();
		if (fds[1].revents)
			return NULL;
		if (!fds[0].revents)
			continue;
		if (read(dsp->fd, &record, sizeof(record)) != sizeof(record))
			abort();
		memcpy(&msg, record.msg, sizeof(msg));
		serve(dsp, &msg);
	}
}

void dsp_start(struct dsp *dsp)
{
	pthread_condattr_t attr;

	memset(dsp, 0, sizeof(*dsp));
	catch_faults();
	dsp->fd = open("/dev/qda-vdsp0", O_RDWR | O_CLOEXEC);
	assert_true(dsp->fd >= 0);
	dsp->stop = eventfd(0, EFD_CLOEXEC);
	assert_true(dsp->stop >= 0);
	dsp->heap = 0x5000000;
	for (uint64_t i = 1; i <= DSP_BANKS; i++) {
		dsp->bank[i] = mmap(NULL, 1ull << 32, PROT_READ | PROT_WRITE, MAP_SHARED, dsp->fd,
				    (off_t)(i << 32));
		assert_true(dsp->bank[i] != MAP_FAILED);
	}
	pthread_mutex_init(&dsp->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&dsp->changed, &attr);
	assert_int_equal(pthread_create(&dsp->thread, NULL, dsp_main, dsp), 0);
}

void dsp_stop(struct dsp *dsp)
{
	const uint64_t one = 1;

	assert_int_equal(write(dsp->stop, &one, sizeof(one)), sizeof(one));
	assert_int_equal(pthread_join(dsp->thread, NULL), 0);
	for (int i = 1; i <= DSP_BANKS; i++)
		munmap(dsp->bank[i], 1ull << 32);
	close(dsp->fd);
	close(dsp->stop);
}

/* Waits on dsp->changed, under dsp->lock; fails the test after a minute. */
static void wait_changed(struct dsp *dsp, const struct timespec *until, const char *for_what)
{
	if (pthread_cond_timedwait(&dsp->changed, &dsp->lock, until) == 0)
		return;
	pthread_mutex_unlock(&dsp->lock);
	fail_msg("no %s came", for_what);
}

static struct timespec in_a_minute(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += 60;
	return t;
}

void wait_gone(const volatile uint8_t *byte)
{
	const struct timespec until = in_a_minute();
	struct timespec now;

	while (touch(byte) >= 0) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec >= until.tv_sec)
			fail_msg("memory is not taken back");
		sched_yield();
	}
}

static unsigned find_held(struct dsp *dsp, uint64_t ctx)
{
	unsigned i = 0;

	while (i < dsp->n_held && ctx && dsp->held[i].ctx != ctx)
		i++;
	return i;
}

struct fastrpc_msg dsp_take(struct dsp *dsp, uint64_t ctx)
{
	const struct timespec until = in_a_minute();
	struct fastrpc_msg msg;
	unsigned i;

	pthread_mutex_lock(&dsp->lock);
	while ((i = find_held(dsp, ctx)) == dsp->n_held)
		wait_changed(dsp, &until, "held call");
	msg = dsp->held[i];
	dsp->n_held--;
	memmove(&dsp->held[i], &dsp->held[i + 1], (dsp->n_held - i) * sizeof(msg));
	pthread_mutex_unlock(&dsp->lock);
	return msg;
}

void dsp_wait_held(struct dsp *dsp, unsigned n)
{
	const struct timespec until = in_a_minute();

	pthread_mutex_lock(&dsp->lock);
	while (dsp->n_held < n)
		wait_changed(dsp, &until, "held call");
	pthread_mutex_unlock(&dsp->lock);
}

void dsp_wait_seen(struct dsp *dsp, uint32_t method, unsigned n)
{
	const struct timespec until = in_a_minute();

	pthread_mutex_lock(&dsp->lock);
	while (dsp->seen[method] < n)
		wait_changed(dsp, &until, "process control");
	pthread_mutex_unlock(&dsp->lock);
}

unsigned dsp_seen(struct dsp *dsp, uint32_t method)
{
	unsigned n;

	pthread_mutex_lock(&dsp->lock);
	n = dsp->seen[method];
	pthread_mutex_unlock(&dsp->lock);
	return n;
}

void dsp_refuse(struct dsp *dsp, uint32_t method, int32_t result)
{
	pthread_mutex_lock(&dsp->lock);
	dsp->refuse[method] = result;
	pthread_mutex_unlock(&dsp->lock);
}

void dsp_hold(struct dsp *dsp, uint32_t method, bool hold)
{
	pthread_mutex_lock(&dsp->lock);
	dsp->hold[method] = hold;
	pthread_mutex_unlock(&dsp->lock);
}

void dsp_answer(struct dsp *dsp, uint64_t ctx, int32_t result)
{
	respond(dsp, ctx, result);
}

void dsp_answer_all(struct dsp *dsp, int32_t result)
{
	pthread_mutex_lock(&dsp->lock);
	while (dsp->n_held)
		respond(dsp, dsp->held[--dsp->n_held].ctx, result);
	pthread_mutex_unlock(&dsp->lock);
}

void dsp_notify(struct dsp *dsp, int32_t client, uint32_t status)
{
	struct fastrpc_notification notification;

	fastrpc_notify(&notification, client, status);
	if (write(dsp->fd, &notification, sizeof(notification)) != sizeof(notification))
		abort();
}
