/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a brokered call costs beside the least that any broker must cost. All ways run on one core
 * and in turns, so that a noisy moment hits them alike:
 *
 *     hop_ratio = (brokered - direct) / (relay - ping-pong)
 *
 * is the price of our hop in hops of a relay that checks nothing. With 16 MiB in and out it should
 * be the same, since nothing is copied. Behind the driver, the same against bare ioctls, which
 * daemon's own device code has no part in. Nothing here passes or fails.
 */
#include <getopt.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "way.h"

static const struct way *const ways[] = {
	&way_ping_pong,	   &way_relay,		 &way_direct,
	&way_brokered,	   &way_brokered_inline, &way_brokered_inline_4k,
	&way_brokered_16m, &way_raw_submit,	 &way_raw_invoke,
	&way_raw_16m,
};

enum {
	PING_PONG, RELAY, DIRECT, BROKERED, BROKERED_16M = 6, RAW_SUBMIT, RAW_INVOKE, RAW_16M, N_WAYS
};

bool on_accel;
static bool raw;

/* The raw ways, which are the last ones, are there with the driver only, and when wanted. */
static unsigned count_ways(void)
{
	return raw ? N_WAYS : RAW_SUBMIT;
}

struct options {
	unsigned rounds, calls, cpu;
	bool json;
};

struct result {
	double p50, p99; /* microseconds */
};

void die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fputs("bench: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		die("--cpu %u: there is no such core to pin to", cpu);
}

static void run_round(const struct way *way, uint32_t *times, unsigned calls)
{
	for (unsigned i = 0; i < calls / 10 + 1; i++)
		way->call(); /* warm again after the others' turn */
	for (unsigned i = 0; i < calls; i++) {
		uint64_t begin = now_ns();

		way->call();
		times[i] = now_ns() - begin;
	}
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static struct result reduce(uint32_t *times, size_t n)
{
	qsort(times, n, sizeof(*times), compare);
	return (struct result){ times[n / 2] / 1e3, times[n * 99 / 100] / 1e3 };
}

static void measure(const struct options *o, struct result *results)
{
	size_t n = (size_t)o->rounds * o->calls;
	uint32_t *times = calloc(N_WAYS * n, sizeof(*times));

	if (!times)
		die("no memory for %zu times", N_WAYS * n);
	for (unsigned r = 0; r < o->rounds; r++)
		for (unsigned w = 0; w < count_ways(); w++)
			run_round(ways[w], times + w * n + (size_t)r * o->calls, o->calls);
	for (unsigned w = 0; w < count_ways(); w++)
		results[w] = reduce(times + w * n, n);
	free(times);
}

/* What a broker adds to a way without one, in hops of the relay. */
struct ratio {
	const char *name, *key, *formula;
	unsigned with, without;
};

static const struct ratio ratios[] = {
	{ "hop_ratio 64 B", "hop_ratio", "(brokered - direct)", BROKERED, DIRECT },
	{ "hop_ratio 16 MiB", "hop_ratio_16m", "(brokered-16m - direct)", BROKERED_16M, DIRECT },
	{ "raw_ratio 64 B", "raw_ratio", "(brokered - raw-submit)", BROKERED, RAW_SUBMIT },
	{ "raw_ratio 16 MiB", "raw_ratio_16m", "(brokered-16m - raw-submit-16m)", BROKERED_16M,
	  RAW_16M },
};

static unsigned count_ratios(void)
{
	return raw ? 4 : 2;
}

static struct result reckon(const struct result *results, const struct ratio *r)
{
	const struct result *with = &results[r->with], *without = &results[r->without];
	const struct result *relay = &results[RELAY], *bare = &results[PING_PONG];

	return (struct result){ (with->p50 - without->p50) / (relay->p50 - bare->p50),
				(with->p99 - without->p99) / (relay->p99 - bare->p99) };
}

static const char *device(void)
{
	return on_accel ? "accel" : "soft";
}

static void print_text(const struct result *results, double per_second)
{
	printf("%-20s %9s %9s   %s device\n", "round trip, us", "p50", "p99", device());
	for (unsigned w = 0; w < count_ways(); w++)
		printf("%-20s %9.2f %9.2f   %s\n", ways[w]->name, results[w].p50, results[w].p99,
		       ways[w]->what);
	printf("\n");
	for (unsigned i = 0; i < count_ratios(); i++) {
		struct result r = reckon(results, &ratios[i]);

		printf("%-20s %9.2f %9.2f   %s / (relay - ping-pong)\n", ratios[i].name, r.p50,
		       r.p99, ratios[i].formula);
	}
	printf("throughput           %9.0f calls/s with 16 on their way\n", per_second);
}

static void print_json(const struct result *results, double per_second)
{
	printf("{\"device\": \"%s\", \"unit\": \"us\", \"ways\": {", device());
	for (unsigned w = 0; w < count_ways(); w++)
		printf("%s\"%s\": {\"p50\": %.3f, \"p99\": %.3f}", w ? ", " : "", ways[w]->name,
		       results[w].p50, results[w].p99);
	printf("}");
	for (unsigned i = 0; i < count_ratios(); i++) {
		struct result r = reckon(results, &ratios[i]);

		printf(", \"%s\": {\"p50\": %.3f, \"p99\": %.3f}", ratios[i].key, r.p50, r.p99);
	}
	printf(", \"calls_per_second_16\": %.0f}\n", per_second);
}

static const char usage[] =
	"Usage: invoke [--accel] [--raw] [--json] [--rounds N] [--calls N] [--cpu N]\n"
	"Measures a brokered call beside bare sockets, a bare relay and the device without a "
	"broker,\n"
	"all on one core and in turns. Defaults: 9 rounds of 5000 calls on core 0. With --accel on\n"
	"a DSP behind the driver, else on the soft device. --raw: with bare ioctls of it, too.\n";

static unsigned number(const char *name, const char *text, unsigned low)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || !*text || n < low || n > 1000000)
		die("--%s %s: a number from %u to 1000000 is wanted", name, text, low);
	return n;
}

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option table[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "calls", required_argument, NULL, 'c' },
		{ "accel", no_argument, NULL, 'a' },
		{ "raw", no_argument, NULL, 'w' },
		{ "cpu", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (c == 'j')
			o->json = true;
		else if (c == 'a')
			on_accel = true;
		else if (c == 'w')
			on_accel = raw = true;
		else if (c == 'r')
			o->rounds = number("rounds", optarg, 1);
		else if (c == 'c')
			o->calls = number("calls", optarg, 1);
		else if (c == 'p')
			o->cpu = number("cpu", optarg, 0);
		else
			exit(c == 'h' ? (fputs(usage, stdout), 0) : (fputs(usage, stderr), 2));
	}
}

int main(int argc, char **argv)
{
	struct options o = { .rounds = 9, .calls = 5000 };
	struct result results[N_WAYS];
	double per_second;

	parse(argc, argv, &o);
	pin(o.cpu);
	for (unsigned w = 0; w < count_ways(); w++)
		ways[w]->start();
	measure(&o, results);
	per_second = brokered_throughput(16, o.rounds * o.calls);
	for (unsigned w = 0; w < count_ways(); w++)
		ways[w]->stop();
	if (o.json)
		print_json(results, per_second);
	else
		print_text(results, per_second);
	return 0;
}
