/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every kind of argument, seen from the DSP. What it returns depends on what really arrived: a byte
 * lost, a buffer swapped or a length wrong on the way shows in the answer.
 */
#include <stdatomic.h>

#include "HAP_mem.h"
#include "HAP_perf.h"
#include "qda_args.h"
#include "skel.h"

/* What a handle names: the place in this table, counted from 1. The module itself is an object
 * too. */
#define OBJECTS 4096u

enum kind { FREE, MODULE, COUNTER };

static struct object {
	atomic_int kind;
	atomic_int value;
} objects[OBJECTS];

static int object_new(enum kind kind, int32_t value, remote_handle64 *out)
{
	for (unsigned i = 0; i < OBJECTS; i++) {
		int expected = FREE;

		if (!atomic_compare_exchange_strong(&objects[i].kind, &expected, kind))
			continue;
		atomic_store(&objects[i].value, value);
		*out = i + 1;
		return AEE_SUCCESS;
	}
	return AEE_EOUTOFHANDLES;
}

static int object_close(remote_handle64 handle)
{
	if (handle - 1 >= OBJECTS || atomic_exchange(&objects[handle - 1].kind, FREE) == FREE)
		return AEE_EINVHANDLE;
	return AEE_SUCCESS;
}

static int echo(uint32_t sc, remote_arg *pra)
{
	unsigned n = REMOTE_SCALARS_INBUFS(sc);

	if (!skel_counts(sc, n, n, 0, 0))
		return SKEL_REFUSE(sc, "wants as many out buffers as in");
	for (unsigned i = 0; i < n; i++)
		if (pra[i].buf.nLen != pra[n + i].buf.nLen)
			return SKEL_REFUSE(sc, "an out buffer has another length than its in");
	for (unsigned i = 0; i < n; i++)
		if (pra[i].buf.nLen)
			memmove(pra[n + i].buf.pv, pra[i].buf.pv, pra[i].buf.nLen);
	return AEE_SUCCESS;
}

static int checksum(uint32_t sc, remote_arg *pra)
{
	unsigned n = REMOTE_SCALARS_INBUFS(sc);
	struct qda_args_sum sum = { .fnv = QDA_ARGS_FNV_START };

	if (!skel_counts(sc, n, 1, 0, 0))
		return SKEL_REFUSE(sc, "wants one out buffer");
	for (unsigned i = 0; i < n; i++) {
		sum.bytes += pra[i].buf.nLen;
		sum.fnv = qda_args_fnv(sum.fnv, pra[i].buf.pv, pra[i].buf.nLen);
	}
	return skel_put(&pra[n], &sum, sizeof(sum)) ? AEE_SUCCESS
						    : SKEL_REFUSE(sc, "the sum needs 16 bytes");
}

static void fill_bytes(uint8_t *to, size_t n, uint32_t seed, uint32_t buffer)
{
	for (size_t i = 0; i < n; i++)
		to[i] = qda_args_byte(seed, buffer, (uint32_t)i);
}

static int fill(uint32_t sc, remote_arg *pra)
{
	unsigned n = REMOTE_SCALARS_OUTBUFS(sc);
	struct qda_args_fill in;

	if (!skel_counts(sc, 1, n, 0, 0) || !skel_get(&pra[0], &in, sizeof(in)))
		return SKEL_REFUSE(sc, "wants a seed");
	for (unsigned k = 0; k < n; k++)
		fill_bytes(pra[1 + k].buf.pv, pra[1 + k].buf.nLen, in.seed, k);
	return AEE_SUCCESS;
}

static int view(uint32_t sc, remote_arg *pra)
{
	unsigned in = REMOTE_SCALARS_INBUFS(sc), out = REMOTE_SCALARS_OUTBUFS(sc), n = in + out;
	uint8_t *to = out ? pra[n - 1].buf.pv : NULL;

	if (!skel_counts(sc, in, out, 0, 0) || !out ||
	    pra[n - 1].buf.nLen < n * sizeof(struct qda_args_view))
		return SKEL_REFUSE(sc, "wants a last out buffer of 16 bytes for each buffer");
	for (unsigned i = 0; i < n; i++) {
		const remote_buf *buf = &pra[i].buf;
		struct qda_args_view view = { .length = (uint32_t)buf->nLen };

		if (buf->nLen) {
			view.misalign = (uintptr_t)buf->pv % 4096;
			view.distance = (intptr_t)buf->pv - (intptr_t)pra[0].buf.pv;
		}
		memcpy(to + i * sizeof(view), &view, sizeof(view));
	}
	return AEE_SUCCESS;
}

static int add_one(uint32_t sc, remote_arg *pra)
{
	uint8_t *to;
	size_t n;

	if (!skel_counts(sc, 1, 1, 0, 0) || pra[0].buf.nLen != pra[1].buf.nLen)
		return SKEL_REFUSE(sc, "wants as many bytes out as in");
	n = pra[0].buf.nLen;
	if (!n)
		return AEE_SUCCESS;
	to = pra[1].buf.pv;
	memmove(to, pra[0].buf.pv, n);
	for (size_t i = 0; i < n; i++)
		to[i]++;
	return AEE_SUCCESS;
}

static int counter_new(uint32_t sc, remote_arg *pra)
{
	int32_t start;

	if (!skel_counts(sc, 1, 0, 0, 1) || !skel_get(&pra[0], &start, sizeof(start)))
		return SKEL_REFUSE(sc, "wants a start and gives a handle");
	return object_new(COUNTER, start, &pra[1].h64);
}

static int counter_add(remote_handle64 handle, uint32_t sc, remote_arg *pra)
{
	int32_t by, now;

	if (handle - 1 >= OBJECTS || atomic_load(&objects[handle - 1].kind) != COUNTER)
		return AEE_EINVHANDLE;
	if (!skel_counts(sc, 1, 1, 0, 0) || !skel_get(&pra[0], &by, sizeof(by)) ||
	    pra[1].buf.nLen < sizeof(now))
		return SKEL_REFUSE(sc, "wants a number and room for one");
	now = atomic_fetch_add(&objects[handle - 1].value, by) + by;
	memcpy(pra[1].buf.pv, &now, sizeof(now));
	return AEE_SUCCESS;
}

static int handles(uint32_t sc, remote_arg *pra)
{
	unsigned n = REMOTE_SCALARS_INHANDLES(sc), m = REMOTE_SCALARS_OUTHANDLES(sc);
	const remote_arg *in = pra + 1;
	remote_arg *out = pra + 1 + n;

	if (!skel_counts(sc, 0, 1, n, m) || pra[0].buf.nLen < n * sizeof(uint64_t))
		return SKEL_REFUSE(sc, "wants an out buffer of 8 bytes for each in handle");
	for (unsigned i = 0; i < n; i++)
		memcpy((uint8_t *)pra[0].buf.pv + i * sizeof(uint64_t), &in[i].h64,
		       sizeof(uint64_t));
	for (unsigned i = 0; i < m; i++)
		out[i].h64 = i < n ? in[i].h64 : QDA_ARGS_NUMBER + i;
	return AEE_SUCCESS;
}

static bool inside(uint32_t size, uint32_t offset, uint32_t length)
{
	return offset <= size && length <= size - offset;
}

static int key_sum(uint32_t sc, remote_arg *pra)
{
	struct qda_args_key result = { 0 };
	uint32_t length;
	uint8_t *data;
	int err;

	if (!skel_counts(sc, 1, 1, 1, 0) || !skel_get(&pra[0], &length, sizeof(length)) ||
	    pra[1].buf.nLen < sizeof(result))
		return SKEL_REFUSE(sc, "wants a length, a key and room for 24 bytes");
	result.key = (uint32_t)pra[2].dma.fd;
	result.offset = pra[2].dma.offset;
	err = adsp_mmap_fd_getinfo(pra[2].dma.fd, &result.size);
	if (err)
		return err;
	if (!inside(result.size, result.offset, length))
		return SKEL_REFUSE(sc, "the part is not inside the buffer");
	data = HAP_mmap(NULL, (int)result.size, HAP_PROT_READ, 0, pra[2].dma.fd, 0);
	if (data == (void *)-1)
		return AEE_ENOSUCHMAP;
	result.fnv = qda_args_fnv(QDA_ARGS_FNV_START, data + result.offset, length);
	memcpy(pra[1].buf.pv, &result, sizeof(result));
	return HAP_munmap(data, (int)result.size);
}

static int key_fill(uint32_t sc, remote_arg *pra)
{
	struct qda_args_key_fill in;
	uint32_t size;
	uint64_t address;
	void *data;
	int err;

	if (!skel_counts(sc, 1, 0, 0, 0) || !skel_get(&pra[0], &in, sizeof(in)))
		return SKEL_REFUSE(sc, "wants a key, a part of its buffer and a seed");
	err = adsp_mmap_fd_getinfo((int)in.key, &size);
	if (err)
		return err;
	if (!inside(size, in.offset, in.length))
		return SKEL_REFUSE(sc, "the part is not inside the buffer");
	err = HAP_mmap_get((int)in.key, &data, &address);
	if (err)
		return err;
	fill_bytes((uint8_t *)data + in.offset, in.length, in.seed, 0);
	return HAP_mmap_put((int)in.key);
}

static int take_time(uint32_t sc, remote_arg *pra)
{
	struct qda_args_time t;
	uint32_t us;

	if (!skel_counts(sc, 1, 1, 0, 0) || !skel_get(&pra[0], &us, sizeof(us)))
		return SKEL_REFUSE(sc, "wants a number of microseconds");
	t.before_us = HAP_perf_get_time_us();
	t.before_ticks = HAP_perf_get_qtimer_count();
	t.before_cycles = HAP_perf_get_pcycles();
	do {
		t.after_us = HAP_perf_get_time_us();
	} while (t.after_us - t.before_us < us);
	t.after_ticks = HAP_perf_get_qtimer_count();
	t.after_cycles = HAP_perf_get_pcycles();
	return skel_put(&pra[1], &t, sizeof(t)) ? AEE_SUCCESS
						: SKEL_REFUSE(sc, "the times need 48 bytes");
}

static int log_lines(uint32_t sc, remote_arg *pra)
{
	struct qda_args_log in;
	const char *text;

	if (!skel_counts(sc, 2, 0, 0, 0) || !skel_get(&pra[0], &in, sizeof(in)) ||
	    !in.text_length || in.text_length > pra[1].buf.nLen || in.level > HAP_LEVEL_FATAL)
		return SKEL_REFUSE(sc, "wants a level, a number of lines and a text");
	text = pra[1].buf.pv;
	for (uint32_t i = 0; i < in.lines; i++)
		HAP_debug_v2((int)in.level, __FILE__, __LINE__, "%.*s %u", (int)in.text_length - 1,
			     text, i);
	return AEE_SUCCESS;
}

static int count_objects(uint32_t sc, remote_arg *pra)
{
	uint32_t now = 0;

	for (unsigned i = 0; i < OBJECTS; i++)
		now += atomic_load(&objects[i].kind) != FREE;
	if (!skel_counts(sc, 0, 1, 0, 0) || !skel_put(&pra[0], &now, sizeof(now)))
		return SKEL_REFUSE(sc, "wants room for one number");
	return AEE_SUCCESS;
}

static int extended(uint32_t sc, remote_arg *pra)
{
	struct qda_args_extended in;
	int32_t result;

	if (!skel_counts(sc, 1, 1, 0, 0) || !skel_get(&pra[0], &in, sizeof(in)) ||
	    __builtin_sub_overflow(in.a, in.b, &result) ||
	    !skel_put(&pra[1], &result, sizeof(result)))
		return SKEL_REFUSE(sc, "wants two numbers and room for their difference");
	return AEE_SUCCESS;
}

SKEL_ENTRY int qda_args_skel_handle_invoke(remote_handle64 handle, uint32_t sc, remote_arg *pra);

int qda_args_skel_handle_invoke(remote_handle64 handle, uint32_t sc, remote_arg *pra)
{
	switch (skel_method(sc, pra)) {
	case REMOTE_METHOD_OPEN:
		return skel_open_ok(sc, pra) ? object_new(MODULE, 0, &pra[2].h64)
					     : SKEL_REFUSE(sc, "not an open");
	case REMOTE_METHOD_CLOSE:
		return skel_close_ok(sc) ? object_close(pra[0].h64)
					 : SKEL_REFUSE(sc, "not a close");
	case QDA_ARGS_ECHO:
		return echo(sc, pra);
	case QDA_ARGS_CHECKSUM:
		return checksum(sc, pra);
	case QDA_ARGS_FILL:
		return fill(sc, pra);
	case QDA_ARGS_VIEW:
		return view(sc, pra);
	case QDA_ARGS_ADD_ONE:
		return add_one(sc, pra);
	case QDA_ARGS_COUNTER_NEW:
		return counter_new(sc, pra);
	case QDA_ARGS_COUNTER_ADD:
		return counter_add(handle, sc, pra);
	case QDA_ARGS_HANDLES:
		return handles(sc, pra);
	case QDA_ARGS_KEY_SUM:
		return key_sum(sc, pra);
	case QDA_ARGS_KEY_FILL:
		return key_fill(sc, pra);
	case QDA_ARGS_TIME:
		return take_time(sc, pra);
	case QDA_ARGS_LOG:
		return log_lines(sc, pra);
	case QDA_ARGS_OBJECTS:
		return count_objects(sc, pra);
	case QDA_ARGS_EXTENDED:
		return extended(sc, pra);
	default:
		FARF(ERROR, "no method %u", skel_method(sc, pra));
		return AEE_EUNSUPPORTED;
	}
}
