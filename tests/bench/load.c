/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * usage: load CLIENTS SECONDS [HOLD_US [UID]]
 *
 * Many clients of the broker at $QDAD_SOCKET that call without a pause: something to look at with
 * qdactl top. Client i holds the DSP HOLD_US * (1 + i % 4) microseconds a call (1000), keeps
 * 1 + i % 3 calls on their way, and has i % 8 MiB in buffers. Started by root with a UID, client i
 * is user UID + i.
 */
#include <err.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <qda/client.h>

#include "qda_null.h"

static struct qda_module *module;
static uint32_t hold_us;

static void call(void);

static void on_end(void *data, const struct qda_error *e, const struct qda_call_options *times)
{
	if (e)
		errx(1, "%s", e->text);
	call();
}

static void call(void)
{
	struct qda_arg args[] = { qda_in(&hold_us, sizeof(hold_us)) };
	struct qda_error e;

	if (qda_submit(module, QDA_NULL_HOLD, args, 1, NULL, on_end, NULL, NULL, &e))
		errx(1, "%s", e.text);
}

static void run_client(unsigned i, uid_t uid)
{
	struct qda_session_options options = { .wait_ms = 10000 };
	struct qda_session *session;
	struct qda_buffer *buffer;
	struct qda_client *client;
	struct qda_error e;
	char name[32];

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (uid && (setgid(uid + i) || setuid(uid + i)))
		err(1, "setuid");
	snprintf(name, sizeof(name), "load %u", i);
	if (qda_connect(NULL, name, &client, &e) ||
	    qda_session_open(client, &options, &session, &e) ||
	    qda_module_open(session, QDA_NULL_URI, &module, &e) ||
	    (i % 8 && qda_buffer_alloc(client, NULL, (size_t)(i % 8) << 20, &buffer, &e)))
		errx(1, "%s: %s", name, e.text);
	hold_us *= 1 + i % 4;
	for (unsigned n = 0; n <= i % 3; n++)
		call();
	while (qda_dispatch(client, -1) >= 0)
		;
	errx(1, "%s: the broker is gone", name);
}

int main(int argc, char **argv)
{
	unsigned n = argc > 2 ? (unsigned)atoi(argv[1]) : 0;
	uid_t uid = argc > 4 ? (uid_t)atoi(argv[4]) : 0;
	pid_t *pids = calloc(n + 1, sizeof(*pids));

	if (!n || !pids) {
		fprintf(stderr, "usage: load CLIENTS SECONDS [HOLD_US [UID]]\n");
		return 2;
	}
	hold_us = argc > 3 ? (uint32_t)atoi(argv[3]) : 1000;
	for (unsigned i = 0; i < n; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			err(1, "fork");
		if (!pids[i])
			run_client(i, uid);
	}
	sleep((unsigned)atoi(argv[2]));
	for (unsigned i = 0; i < n; i++)
		kill(pids[i], SIGTERM);
	while (wait(NULL) > 0)
		;
	free(pids);
	return 0;
}
