/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The calculator: sums and compares int32 numbers. Read this one first to see what a skel is. It
 * keeps no state, so the handle it gives at open means nothing.
 */
#include "qda_sum.h"
#include "skel.h"

static int32_t element(const remote_arg *vec, size_t i)
{
	int32_t value;

	memcpy(&value, (const char *)vec->buf.pv + i * sizeof(value), sizeof(value));
	return value;
}

static int64_t sum(const remote_arg *vec, size_t n)
{
	int64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += element(vec, i);
	return total;
}

static int32_t max(const remote_arg *vec, size_t n)
{
	int32_t best = element(vec, 0);

	for (size_t i = 1; i < n; i++)
		if (element(vec, i) > best)
			best = element(vec, i);
	return best;
}

static int call_plain(uint32_t sc, remote_arg *pra)
{
	int64_t result;

	if (!skel_counts(sc, 1, 1, 0, 0) || pra[0].buf.nLen % sizeof(int32_t))
		return SKEL_REFUSE(sc, "wants one buffer of int32 and one for the sum");
	result = sum(&pra[0], pra[0].buf.nLen / sizeof(int32_t));
	return skel_put(&pra[1], &result, sizeof(result))
		       ? AEE_SUCCESS
		       : SKEL_REFUSE(sc, "the sum needs 8 bytes");
}

/* The checks that the IDL compiler generates for an in sequence and one primitive out. */
static int unpack(uint32_t sc, const remote_arg *pra, size_t out_size, size_t *n)
{
	struct qda_sum_in in;

	if (!skel_counts(sc, 2, 1, 0, 0) || !skel_get(&pra[0], &in, sizeof(in)) ||
	    pra[1].buf.nLen / sizeof(int32_t) < in.vec_length || pra[2].buf.nLen < out_size)
		return SKEL_REFUSE(sc, "counts or lengths do not fit the interface");
	*n = in.vec_length;
	return AEE_SUCCESS;
}

static int call_sum(uint32_t sc, remote_arg *pra)
{
	int64_t result;
	size_t n;
	int err = unpack(sc, pra, sizeof(result), &n);

	if (err)
		return err;
	result = sum(&pra[1], n);
	memcpy(pra[2].buf.pv, &result, sizeof(result));
	return AEE_SUCCESS;
}

static int call_max(uint32_t sc, remote_arg *pra)
{
	int32_t result;
	size_t n;
	int err = unpack(sc, pra, sizeof(result), &n);

	if (err)
		return err;
	if (n == 0)
		return SKEL_REFUSE(sc, "nothing has no maximum");
	result = max(&pra[1], n);
	memcpy(pra[2].buf.pv, &result, sizeof(result));
	return AEE_SUCCESS;
}

SKEL_ENTRY int qda_sum_skel_handle_invoke(remote_handle64 handle, uint32_t sc, remote_arg *pra);

int qda_sum_skel_handle_invoke(remote_handle64 handle, uint32_t sc, remote_arg *pra)
{
	switch (REMOTE_SCALARS_METHOD(sc)) {
	case REMOTE_METHOD_OPEN:
		if (!skel_open_ok(sc, pra))
			return SKEL_REFUSE(sc, "not an open");
		pra[2].h64 = 1;
		return AEE_SUCCESS;
	case REMOTE_METHOD_CLOSE:
		return skel_close_ok(sc) ? AEE_SUCCESS : SKEL_REFUSE(sc, "not a close");
	case QDA_SUM_PLAIN:
		return call_plain(sc, pra);
	case QDA_SUM_SUM:
		return call_sum(sc, pra);
	case QDA_SUM_MAX:
		return call_max(sc, pra);
	default:
		FARF(ERROR, "no method %u", REMOTE_SCALARS_METHOD(sc));
		return AEE_EUNSUPPORTED;
	}
}
