/* SPDX-License-Identifier: BSD-3-Clause */
/* Does nothing: what a call of it costs is the cost of everything else. */
#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include "qda_null.h"
#include "skel.h"

static atomic_ullong calls;

static int hold(uint32_t sc, remote_arg *pra)
{
	struct timespec until;
	uint32_t us;

	if (!skel_counts(sc, 1, 0, 0, 0) || !skel_get(&pra[0], &us, sizeof(us)))
		return SKEL_REFUSE(sc, "wants a number of microseconds");
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += us / 1000000;
	until.tv_nsec += us % 1000000 * 1000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
	return AEE_SUCCESS;
}

static int count(uint32_t sc, remote_arg *pra)
{
	uint64_t now = atomic_fetch_add(&calls, 1) + 1;

	if (!skel_counts(sc, 0, 1, 0, 0) || !skel_put(&pra[0], &now, sizeof(now)))
		return SKEL_REFUSE(sc, "wants room for one number");
	return AEE_SUCCESS;
}

SKEL_ENTRY int qda_null_skel_handle_invoke(remote_handle64 handle, uint32_t sc, remote_arg *pra);

int qda_null_skel_handle_invoke(remote_handle64 handle, uint32_t sc, remote_arg *pra)
{
	switch (REMOTE_SCALARS_METHOD(sc)) {
	case REMOTE_METHOD_OPEN:
		if (!skel_open_ok(sc, pra))
			return SKEL_REFUSE(sc, "not an open");
		pra[2].h64 = 1;
		return AEE_SUCCESS;
	case REMOTE_METHOD_CLOSE:
	case QDA_NULL_NOTHING:
		return AEE_SUCCESS;
	case QDA_NULL_HOLD:
		return hold(sc, pra);
	case QDA_NULL_COUNT:
		return count(sc, pra);
	default:
		return AEE_EUNSUPPORTED;
	}
}
