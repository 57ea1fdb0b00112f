/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who gets how much of a DSP with four slots, whose calls hold theirs for a millisecond:
 *
 *   alone    9 polite users with one call each
 *   greedy   the same, and one with 32 calls queued
 *   weights  three users of weights 1, 2 and 4 with 8 calls queued each
 *
 * Each user is a process with a uid of its own, so this runs as root. The call sleeps on the DSP:
 * it holds its slot and no processor. Nothing here passes or fails.
 */
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <qda/client.h>

#include "qda_null.h"
#include "way.h"

#define USERS	  10u
#define FIRST_UID 61000u
#define HOLD_US	  1000u
#define TIMES_MAX 65536u

/* What a user's process tells the one that asked: all in shared memory. */
struct user {
	unsigned depth, weight;
	uint64_t dsp_ns;
	atomic_uint n_times;
	uint32_t times[TIMES_MAX]; /* round trips, ns */
};

struct board {
	atomic_uint ready;
	atomic_bool begun, ended;
	struct user users[USERS];
};

struct scenario {
	const char *name;
	unsigned n, depth, weights[3];
	bool greedy;
};

struct result {
	double share[USERS], jain, p50, p99;
};

static const struct scenario scenarios[] = {
	{ .name = "alone", .n = 9, .depth = 1 },
	{ .name = "greedy", .n = 10, .depth = 1, .greedy = true },
	{ .name = "weights", .n = 3, .depth = 8, .weights = { 1, 2, 4 } },
};

enum { ALONE, GREEDY, WEIGHTS, N_SCENARIOS };

static char dir[] = "/tmp/qda-fairness-XXXXXX";
static char path[64], conf[64];
static struct board *board;

void die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fputs("fairness: ", stderr);
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

/* --- the broker --- */

static void write_config(const struct scenario *s)
{
	FILE *file = fopen(conf, "we");

	if (!file)
		die("%s: cannot be written", conf);
	fprintf(file, "[daemon]\nbus=none\n[policy all]\nallow=yes\n[domain cdsp]\ndevice=soft\nprogram=%s\n"
		"modules=%s\nin_flight=4\n", BENCH_SOFTDSP, BENCH_SKELS);
	for (unsigned i = 0; i < s->n; i++)
		fprintf(file, "[quota u%u]\nuser=%u\nweight=%u\n", i, FIRST_UID + i,
			100 * (s->weights[0] ? s->weights[i] : 1));
	fclose(file);
}

static pid_t start_broker(void)
{
	char word[8] = "";
	int ready[2];
	pid_t pid;

	if (pipe(ready) < 0)
		die("pipe failed");
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(ready[1], 3);
		execl(BENCH_QDAD, "qdad", "--config", conf, "--socket", path, "--ready-fd", "3",
		      NULL);
		_exit(127);
	}
	close(ready[1]);
	if (read(ready[0], word, 6) != 6)
		die("%s did not get ready", BENCH_QDAD);
	close(ready[0]);
	return pid;
}

/* --- a user --- */

struct caller {
	struct user *user;
	struct qda_module *module;
	uint64_t began[64];
};

struct slot {
	struct caller *caller;
	unsigned n;
};

static void submit(struct slot *slot);

static void on_end(void *data, const struct qda_error *err, const struct qda_call_options *times)
{
	struct slot *slot = data;
	struct user *user = slot->caller->user;

	if (err)
		die("%s", err->text);
	if (board->begun && !board->ended) {
		user->dsp_ns += times->dsp_ns;
		if (user->n_times < TIMES_MAX)
			user->times[user->n_times++] =
				now_ns() - slot->caller->began[slot->n];
	}
	if (!board->ended)
		submit(slot);
}

static void submit(struct slot *slot)
{
	static const uint32_t us = HOLD_US;
	struct qda_arg args[] = { qda_in(&us, sizeof(us)) };
	struct qda_error e;

	slot->caller->began[slot->n] = now_ns();
	if (qda_submit(slot->caller->module, QDA_NULL_HOLD, args, 1, NULL, on_end, slot, NULL, &e))
		die("%s", e.text);
}

static void be_user(unsigned i)
{
	struct caller caller = { .user = &board->users[i] };
	struct slot slots[64];
	struct qda_client *client;
	struct qda_session *session;
	struct qda_error e;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setgid(FIRST_UID + i) < 0 || setuid(FIRST_UID + i) < 0)
		die("uid %u cannot be taken: this runs as root only", FIRST_UID + i);
	if (qda_connect(path, "fairness", &client, &e) ||
	    qda_session_open(client, NULL, &session, &e) ||
	    qda_module_open(session, QDA_NULL_URI, &caller.module, &e))
		die("%s", e.text);
	for (unsigned n = 0; n < caller.user->depth; n++) {
		slots[n] = (struct slot){ &caller, n };
		submit(&slots[n]);
	}
	board->ready++;
	while (!board->ended)
		if (qda_dispatch(client, 100) < 0)
			die("the broker is gone");
	qda_disconnect(client);
	_exit(0);
}

/* --- a scenario --- */

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Of all users want more than they get: four slots are fewer than calls. */
static void reduce(const struct scenario *s, struct result *r)
{
	static uint32_t all[USERS * TIMES_MAX];
	unsigned n_all = 0, n_polite = s->greedy ? s->n - 1 : s->n;
	double sum = 0, squares = 0;

	for (unsigned i = 0; i < s->n; i++) {
		const struct user *u = &board->users[i];
		double x = (double)u->dsp_ns / u->weight;

		sum += x;
		squares += x * x;
		r->share[i] = u->dsp_ns;
		if (i >= n_polite)
			continue;
		memcpy(all + n_all, u->times, u->n_times * sizeof(*all));
		n_all += u->n_times;
	}
	r->jain = sum * sum / (s->n * squares);
	qsort(all, n_all, sizeof(*all), compare);
	r->p50 = all[n_all / 2] / 1e6;
	r->p99 = all[n_all * 99ull / 100] / 1e6;
	sum = 0;
	for (unsigned i = 0; i < s->n; i++)
		sum += r->share[i];
	for (unsigned i = 0; i < s->n; i++)
		r->share[i] = 100 * r->share[i] / sum;
}

/* Of each user one, however slow the machine is. */
static void await_calls(const struct scenario *s)
{
	for (unsigned i = 0; i < s->n; i++)
		while (!board->users[i].n_times) {
			if (waitpid(-1, NULL, WNOHANG) > 0)
				die("a user has ended");
			usleep(1000);
		}
}

static void run(const struct scenario *s, unsigned ms, struct result *r)
{
	pid_t broker, pids[USERS];

	write_config(s);
	broker = start_broker();
	memset(board, 0, sizeof(*board));
	for (unsigned i = 0; i < s->n; i++) {
		board->users[i].depth = s->greedy && i == s->n - 1 ? 32 : s->depth;
		board->users[i].weight = s->weights[0] ? s->weights[i] : 1;
		pids[i] = fork();
		if (pids[i] == 0)
			be_user(i);
	}
	for (uint64_t late = now_ns() + 30000000000ull; board->ready < s->n;) {
		if (waitpid(-1, NULL, WNOHANG) > 0 || now_ns() > late)
			die("a user did not start");
		usleep(1000);
	}
	usleep(ms * 1000 / 10);
	board->begun = true;
	usleep(ms * 1000);
	await_calls(s);
	board->ended = true;
	for (unsigned i = 0; i < s->n; i++)
		waitpid(pids[i], NULL, 0);
	kill(broker, SIGTERM);
	waitpid(broker, NULL, 0);
	reduce(s, r);
}

/* --- results --- */

static void print_text(const struct result *results)
{
	for (unsigned k = 0; k < N_SCENARIOS; k++) {
		const struct scenario *s = &scenarios[k];
		const struct result *r = &results[k];

		printf("%-8s DSP time, %%:", s->name);
		for (unsigned i = 0; i < s->n; i++)
			printf(" %5.2f", r->share[i]);
		printf("\n         Jain's index %.4f%s; round trip p50 %.2f ms, p99 %.2f ms%s\n",
		       r->jain, s->weights[0] ? " of time by weight" : "", r->p50, r->p99,
		       s->greedy ? " (polite ones; the last is greedy)" : "");
	}
	printf("polite p99, with the greedy one by without: %.2f\n",
	       results[GREEDY].p99 / results[ALONE].p99);
}

static void print_json(const struct result *results)
{
	printf("{");
	for (unsigned k = 0; k < N_SCENARIOS; k++) {
		const struct result *r = &results[k];

		printf("\"%s\": {\"share\": [", scenarios[k].name);
		for (unsigned i = 0; i < scenarios[k].n; i++)
			printf("%s%.3f", i ? ", " : "", r->share[i]);
		printf("], \"jain\": %.5f, \"p50_ms\": %.3f, \"p99_ms\": %.3f}, ", r->jain, r->p50,
		       r->p99);
	}
	printf("\"p99_ratio\": %.3f}\n", results[GREEDY].p99 / results[ALONE].p99);
}

/* A row of bars for each scenario: as high as the share, and a line where it should end. */
static void plot(const char *name, const struct result *results)
{
	FILE *f = fopen(name, "we");

	if (!f)
		die("%s: cannot be written", name);
	fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" height=\"600\" "
		"font-family=\"sans-serif\" font-size=\"12\">\n"
		"<rect width=\"640\" height=\"600\" fill=\"white\"/>\n");
	for (unsigned k = 0; k < N_SCENARIOS; k++) {
		const struct scenario *s = &scenarios[k];
		const struct result *r = &results[k];
		unsigned base = 170 + 190 * k, sum = 0;

		for (unsigned i = 0; i < s->n; i++)
			sum += s->weights[0] ? s->weights[i] : 1;
		fprintf(f, "<text x=\"20\" y=\"%u\">%s: share of DSP time, %% (line: fair). Jain "
			"%.4f, p99 %.2f ms</text>\n", base - 140, s->name, r->jain, r->p99);
		for (unsigned i = 0; i < s->n; i++) {
			double fair = 100.0 * (s->weights[0] ? s->weights[i] : 1) / sum;
			unsigned x = 30 + 60 * i;

			fprintf(f, "<rect x=\"%u\" y=\"%.1f\" width=\"40\" height=\"%.1f\" "
				"fill=\"%s\"/>\n<line x1=\"%u\" x2=\"%u\" y1=\"%.1f\" y2=\"%.1f\" "
				"stroke=\"black\"/>\n<text x=\"%u\" y=\"%u\">%.1f</text>\n",
				x, base - 2 * r->share[i], 2 * r->share[i],
				s->greedy && i == s->n - 1 ? "#c0392b" : "#2e86c1", x - 5, x + 45,
				base - 2 * fair, base - 2 * fair, x + 5, base + 15, r->share[i]);
		}
	}
	fprintf(f, "</svg>\n");
	fclose(f);
}

static const char usage[] =
	"Usage: fairness [--json] [--svg FILE] [--ms N]\n"
	"Measures how users share a DSP with four slots, N milliseconds a scenario (default 3000).\n";

int main(int argc, char **argv)
{
	static const struct option table[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "svg", required_argument, NULL, 's' },
		{ "ms", required_argument, NULL, 'm' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct result results[N_SCENARIOS];
	const char *svg = NULL;
	unsigned ms = 3000;
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (c == 'j')
			json = true;
		else if (c == 's')
			svg = optarg;
		else if (c == 'm' && atoi(optarg) >= 10 && atoi(optarg) <= 60000)
			ms = atoi(optarg);
		else
			exit(c == 'h' ? (fputs(usage, stdout), 0) : (fputs(usage, stderr), 2));
	}
	if (geteuid()) {
		puts("skipped: users are uids, and only root can take several");
		return 77;
	}
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED || !mkdtemp(dir) || chmod(dir, 0755) < 0)
		die("no memory or temporary directory");
	snprintf(path, sizeof(path), "%s/qdad.sock", dir);
	snprintf(conf, sizeof(conf), "%s/qdad.conf", dir);
	for (unsigned k = 0; k < N_SCENARIOS; k++)
		run(&scenarios[k], ms, &results[k]);
	unlink(conf);
	unlink(path);
	rmdir(dir);
	(json ? print_json : print_text)(results);
	if (svg)
		plot(svg, results);
	return 0;
}
