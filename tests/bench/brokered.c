/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The same call through qdad, by libqdaclient. One daemon, connection and session serve all the
 * brokered ways.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <qda/client.h>

#include "qda_null.h"
#include "way.h"

#define BYTES 64
#define BIG   (16u << 20)

static char dir[] = "/tmp/qda-bench-XXXXXX";
static char path[64], config[64];
static pid_t daemon_pid;
static unsigned users;
static struct qda_client *client;
static struct qda_module *module;
static struct qda_buffer *buffer;
static char small_in[4096], small_out[4096];

/* Never that of this machine or user. */
static void write_config(void)
{
	FILE *file = fopen(config, "we");

	if (!file || fputs(on_accel ? "[domain cdsp]\ndevice=accel\n" : "", file) < 0 ||
	    fclose(file))
		die("%s cannot be written", config);
}

/* qdad with its own software DSP, or the one of the driver; ready when it says so. */
static void start_daemon(void)
{
	char word[8] = "";
	int ready[2];

	if (!mkdtemp(dir) || pipe(ready) < 0)
		die("no temporary directory");
	snprintf(path, sizeof(path), "%s/qdad.sock", dir);
	snprintf(config, sizeof(config), "%s/conf", dir);
	write_config();
	daemon_pid = fork();
	if (daemon_pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(ready[1], 3);
		execl(BENCH_QDAD, "qdad", "--user", "--socket", path, "--config", config,
		      "--ready-fd", "3", on_accel ? NULL : "--modules", BENCH_SKELS, NULL);
		_exit(127);
	}
	close(ready[1]);
	if (read(ready[0], word, 6) != 6)
		die("%s did not get ready", BENCH_QDAD);
	close(ready[0]);
}

static void start(void)
{
	struct qda_session *session;
	struct qda_error e;

	if (users++)
		return;
	start_daemon();
	if (qda_connect(path, "bench", &client, &e) ||
	    qda_session_open(client, NULL, &session, &e) ||
	    qda_module_open(session, QDA_NULL_URI, &module, &e) ||
	    qda_buffer_alloc(client, NULL, 2 * BIG, &buffer, &e))
		die("%s", e.text);
}

static void stop(void)
{
	if (--users)
		return;
	client = qda_disconnect(client);
	kill(daemon_pid, SIGTERM);
	waitpid(daemon_pid, NULL, 0);
	unlink(config);
	rmdir(dir);
}

static void invoke(const struct qda_arg *args)
{
	struct qda_error e;

	if (qda_invoke(module, QDA_NULL_NOTHING, args, 2, NULL, &e))
		die("%s", e.text);
}

static void call_buffer(void)
{
	struct qda_arg args[] = { qda_in_buffer(buffer, 0, BYTES),
				  qda_out_buffer(buffer, 2048, BYTES) };

	invoke(args);
}

static void call_16m(void)
{
	struct qda_arg args[] = { qda_in_buffer(buffer, 0, BIG), qda_out_buffer(buffer, BIG, BIG) };

	invoke(args);
}

static void call_inline(void)
{
	struct qda_arg args[] = { qda_in(small_in, BYTES), qda_out(small_out, BYTES) };

	invoke(args);
}

static void call_inline_4k(void)
{
	struct qda_arg args[] = { qda_in(small_in, 4096), qda_out(small_out, 4096) };

	invoke(args);
}

const struct way way_brokered = { "brokered", "libqdaclient and qdad, 64 B in a shared buffer",
				  start, call_buffer, stop };
const struct way way_brokered_16m = { "brokered-16m", "the same with 16 MiB in and out", start,
				      call_16m, stop };
const struct way way_brokered_inline = { "brokered-inline", "64 B in and out in the messages",
					 start, call_inline, stop };
const struct way way_brokered_inline_4k = { "brokered-inline-4k",
					    "4 KiB in and out in the messages", start,
					    call_inline_4k, stop };

/* --- throughput --- */

static unsigned left;

static void on_call(void *data, const struct qda_error *err, const struct qda_call_options *times)
{
	struct qda_arg args[] = { qda_in_buffer(buffer, 0, BYTES),
				  qda_out_buffer(buffer, 2048, BYTES) };
	struct qda_error e;

	if (err)
		die("%s", err->text);
	if (left && left-- &&
	    qda_submit(module, QDA_NULL_NOTHING, args, 2, NULL, on_call, data, NULL, &e))
		die("%s", e.text);
}

double brokered_throughput(unsigned depth, unsigned n)
{
	uint64_t begin = now_ns();
	unsigned done = 0;

	left = n;
	for (unsigned i = 0; i < depth; i++)
		on_call(NULL, NULL, NULL);
	while (done < n) {
		int r = qda_dispatch(client, -1);

		if (r < 0)
			die("the broker is gone");
		done += r;
	}
	return n * 1e9 / (now_ns() - begin);
}
