/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The token bucket.
 */
#include "core/rate.h"

#define SECOND 1000000000ull
#define MINUTE 60 /* seconds */

void qda_rate_init(struct qda_rate *rate, uint64_t burst, uint64_t now_ns)
{
	rate->tokens = burst;
	rate->at_ns = now_ns;
}

/* Only whole tokens come back; the time that makes no whole one stays to be counted. */
static void refill(struct qda_rate *rate, uint64_t per_second, uint64_t burst, uint64_t now_ns)
{
	uint64_t passed = now_ns - rate->at_ns, seconds = passed / SECOND;
	uint64_t whole, more;

	/* per_second * passed / SECOND, in two parts since the product may not fit. */
	if (__builtin_mul_overflow(seconds, per_second, &whole) ||
	    __builtin_mul_overflow(passed % SECOND, per_second, &more) ||
	    __builtin_add_overflow(whole, more / SECOND, &whole) ||
	    rate->tokens >= burst || whole >= burst - rate->tokens) {
		qda_rate_init(rate, burst, now_ns);
		return;
	}
	rate->tokens += whole;
	rate->at_ns = now_ns - more % SECOND / per_second;
}

bool qda_rate_take(struct qda_rate *rate, uint64_t per_second, uint64_t burst, uint64_t now_ns,
		   uint64_t *wait_ns)
{
	uint64_t token_ns;

	*wait_ns = UINT64_MAX;
	if (!per_second || !burst)
		return false;
	refill(rate, per_second, burst, now_ns);
	if (rate->tokens) {
		rate->tokens--;
		return true;
	}
	token_ns = (SECOND + per_second - 1) / per_second;
	*wait_ns = token_ns - (now_ns - rate->at_ns < token_ns ? now_ns - rate->at_ns : 0);
	return false;
}

uint64_t qda_rate_rest_ns(struct qda_rate *rate, uint64_t per_second, uint64_t burst,
			  uint64_t now_ns)
{
	uint64_t seconds;

	if (!per_second || !burst)
		return MINUTE * SECOND;
	refill(rate, per_second, burst, now_ns);
	if (rate->tokens >= burst)
		return 0;
	seconds = (burst - rate->tokens) / per_second + 1;
	return (seconds < MINUTE ? seconds : MINUTE) * SECOND;
}
