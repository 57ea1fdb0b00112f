/* SPDX-License-Identifier: BSD-3-Clause */
/* The older kind of skel: no handle, no open, no close. State is the library's own, one for the
 * whole PD. */
#include <stdatomic.h>

#include "qda_old.h"
#include "skel.h"

static atomic_uint calls;

static int reverse(uint32_t sc, remote_arg *pra)
{
	struct qda_old_in in;
	const uint8_t *from;
	uint8_t *to;

	if (!skel_counts(sc, 2, 1, 0, 0) || !skel_get(&pra[0], &in, sizeof(in)) ||
	    in.in_length != in.out_length || pra[1].buf.nLen < in.in_length ||
	    pra[2].buf.nLen < in.out_length)
		return SKEL_REFUSE(sc, "wants as many bytes out as in");
	from = pra[1].buf.pv;
	to = pra[2].buf.pv;
	for (uint32_t i = 0; i < in.in_length; i++)
		to[i] = from[in.in_length - 1 - i];
	return AEE_SUCCESS;
}

static int multiply(uint32_t sc, remote_arg *pra)
{
	uint32_t in[2], product;

	if (!skel_counts(sc, 1, 1, 0, 0) || !skel_get(&pra[0], in, sizeof(in)))
		return SKEL_REFUSE(sc, "wants two numbers");
	product = in[0] * in[1];
	return skel_put(&pra[1], &product, sizeof(product))
		       ? AEE_SUCCESS
		       : SKEL_REFUSE(sc, "the product needs 4 bytes");
}

static int count(uint32_t sc, remote_arg *pra, uint32_t now)
{
	if (!skel_counts(sc, 0, 1, 0, 0) || !skel_put(&pra[0], &now, sizeof(now)))
		return SKEL_REFUSE(sc, "wants room for one number");
	return AEE_SUCCESS;
}

static int numbers(uint32_t sc, remote_arg *pra)
{
	unsigned n = REMOTE_SCALARS_INHANDLES(sc);

	if (!skel_counts(sc, 0, 0, n, n))
		return SKEL_REFUSE(sc, "wants as many numbers out as in");
	for (unsigned i = 0; i < n; i++)
		pra[n + i].h64 = pra[i].h64 + 1;
	return AEE_SUCCESS;
}

SKEL_ENTRY int qda_old_skel_invoke(uint32_t sc, remote_arg *pra);

int qda_old_skel_invoke(uint32_t sc, remote_arg *pra)
{
	uint32_t now = atomic_fetch_add(&calls, 1) + 1;

	switch (REMOTE_SCALARS_METHOD(sc)) {
	case QDA_OLD_REVERSE:
		return reverse(sc, pra);
	case QDA_OLD_MULTIPLY:
		return multiply(sc, pra);
	case QDA_OLD_CALLS:
		return count(sc, pra, now);
	case QDA_OLD_NUMBERS:
		return numbers(sc, pra);
	default:
		return AEE_EUNSUPPORTED;
	}
}
