// SPDX-License-Identifier: BSD-3-Clause
/*
 * The HAP interface for skels: log lines, clocks, named buffers, power votes. Called by skels on
 * any thread, at any moment, with anything: nothing here may end the PD or wait for the host.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "AEEStdErr.h"
#include "HAP_debug.h"
#include "HAP_mem.h"
#include "HAP_perf.h"
#include "HAP_power.h"
#include "hap.h"
#include "keys.h"
#include "transport.h"
#include "wire.h"

#define EXPORT __attribute__((visibility("default")))
#define QTIMER_HZ 19200000ull
#define NS_PER_S 1000000000ull

static struct transport *the_transport;

void hap_init(struct transport *transport)
{
	the_transport = transport;
}

/* --- log --- */

static uint32_t clamp_level(int level)
{
	level &= ~HAP_LEVEL_RUNTIME;
	if (level < HAP_LEVEL_LOW)
		return HAP_LEVEL_LOW;
	return level > HAP_LEVEL_FATAL ? HAP_LEVEL_FATAL : level;
}

__attribute__((format(printf, 4, 0)))
static void say(int level, const char *file, int line, const char *format, va_list args)
{
	const char *slash = file ? strrchr(file, '/') : NULL;
	char text[SOFTDSP_TEXT_MAX];
	size_t n;

	snprintf(text, sizeof(text), "%.128s:%d: ", slash ? slash + 1 : file ? file : "?", line);
	n = strlen(text);
	vsnprintf(text + n, sizeof(text) - n, format, args);
	n = strlen(text);
	while (n && text[n - 1] == '\n')
		n--;
	the_transport->ops->log(the_transport, clamp_level(level), text, n);
}

EXPORT void HAP_debug_v2(int level, const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(level, file, line, format, args);
	va_end(args);
}

EXPORT void HAP_debug_runtime(int level, const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(level, file, line, format, args);
	va_end(args);
}

EXPORT void HAP_debug(const char *msg, int level, const char *filename, int line)
{
	HAP_debug_v2(level, filename, line, "%s", msg ? msg : "");
}

/* --- clocks --- */

EXPORT uint64_t HAP_perf_get_pcycles(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

EXPORT uint64_t HAP_perf_get_time_us(void)
{
	return HAP_perf_get_pcycles() / 1000;
}

EXPORT uint64_t HAP_perf_get_qtimer_count(void)
{
	const uint64_t ns = HAP_perf_get_pcycles();

	return ns / NS_PER_S * QTIMER_HZ + ns % NS_PER_S * QTIMER_HZ / NS_PER_S;
}

/* --- named buffers: they are mapped already, so a mapping here is only an answer --- */

EXPORT int HAP_mmap_get(int fd, void **vaddr, uint64_t *paddr)
{
	uint64_t size;
	uint32_t addr;
	int err = fd < 0 ? AEE_ENOSUCHMAP : keys_find(fd, &addr, &size);

	if (err)
		return err;
	if (vaddr)
		*vaddr = the_transport->base + addr;
	if (paddr)
		*paddr = addr;
	return 0;
}

EXPORT int HAP_mmap_put(int fd)
{
	return HAP_mmap_get(fd, NULL, NULL);
}

EXPORT void *HAP_mmap(void *addr, int len, int prot, int flags, int fd, long offset)
{
	uint64_t size;
	uint32_t start;

	if (fd < 0 || len <= 0 || offset < 0 || keys_find(fd, &start, &size))
		return (void *)-1;
	if ((uint64_t)offset > size || (uint64_t)len > size - offset)
		return (void *)-1;
	return the_transport->base + start + offset;
}

EXPORT int HAP_munmap(void *addr, int len)
{
	const uint8_t *at = addr;

	if (len <= 0 || at < the_transport->base || at >= the_transport->base + (1ull << 32))
		return AEE_EBADPARM;
	return 0;
}

EXPORT int adsp_mmap_fd_getinfo(int fd, uint32_t *len)
{
	uint64_t size;
	uint32_t addr;
	int err = fd < 0 ? AEE_ENOSUCHMAP : keys_find(fd, &addr, &size);

	if (err)
		return err;
	if (!len)
		return AEE_EBADPARM;
	*len = size > UINT32_MAX ? UINT32_MAX : size;
	return 0;
}

/* --- power votes: a host processor has no such thing --- */

EXPORT int HAP_power_set(void *context, HAP_power_request_t *request)
{
	return request ? 0 : AEE_EBADPARM;
}

EXPORT int HAP_power_get(void *context, HAP_power_response_t *response)
{
	HAP_Power_response_type type;

	if (!response)
		return AEE_EBADPARM;
	type = response->type;
	memset(response, 0, sizeof(*response));
	response->type = type;
	return 0;
}
