/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rate of requests: a token bucket. `burst` tokens fit; `per_second` come back; each request takes
 * one. Both numbers may change at any time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct qda_rate {
	uint64_t tokens;
	uint64_t at_ns;		/* what came back until then is counted */
};

/* Full. */
void qda_rate_init(struct qda_rate *rate, uint64_t burst, uint64_t now_ns);
/* Take a token. false: there is none; *wait_ns says when there will be one, UINT64_MAX: never. */
/* How long it takes to be full again, in whole seconds; a minute when that is longer, or for ever.
 */
uint64_t qda_rate_rest_ns(struct qda_rate *rate, uint64_t per_second, uint64_t burst,
			  uint64_t now_ns);
bool qda_rate_take(struct qda_rate *rate, uint64_t per_second, uint64_t burst, uint64_t now_ns,
		   uint64_t *wait_ns);
