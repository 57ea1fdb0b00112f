// SPDX-License-Identifier: BSD-3-Clause
/*
 * Starting a PD process: see spawn.h. The child gets the descriptors of order.h, an empty
 * environment, and nothing else of ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dsp.h"
#include "order.h"
#include "spawn.h"

#define N_NUMBERS 8 /* arguments between the name and the module directories */

static int make_status(int *out)
{
	*out = memfd_create("qda-pd-status", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*out < 0 || ftruncate(*out, sizeof(struct pd_status)) < 0)
		return -errno;
	if (fcntl(*out, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	return 0;
}

static int make_pair(int *ours, int *theirs)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	*ours = fds[0];
	*theirs = fds[1];
	return 0;
}

int pd_sockets_open(struct pd_sockets *s)
{
	int err = make_pair(&s->orders, &s->pd_orders);

	if (!err)
		err = make_status(&s->status);
	return err;
}

void pd_sockets_close(struct pd_sockets *s)
{
	const int fds[] = { s->host, s->pd_channel, s->orders, s->pd_orders, s->status };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	*s = (struct pd_sockets)PD_SOCKETS_NULL;
}

static void set(uv_stdio_container_t *stdio, int fd)
{
	stdio->flags = UV_INHERIT_FD;
	stdio->data.fd = fd;
}

/* A sanitizer has something to say on stderr; nobody else in there has. */
static unsigned fill_stdio(uv_stdio_container_t *stdio, const struct pd_sockets *s,
			   const struct bank *bank)
{
	stdio[0].flags = UV_IGNORE;
	stdio[1].flags = UV_IGNORE;
	stdio[2].flags = UV_IGNORE;
#ifdef SOFTDSP_SANITIZED
	set(&stdio[2], STDERR_FILENO);
#endif
	set(&stdio[PD_FD_CHANNEL], s->pd_channel);
	set(&stdio[PD_FD_ORDERS], s->pd_orders);
	set(&stdio[PD_FD_STATUS], s->status);
	for (unsigned i = 0; i < bank->n_dirs; i++)
		set(&stdio[PD_FD_DIRS + i], bank->dirs[i]);
	return PD_FD_DIRS + bank->n_dirs;
}

int spawn(struct dsp *dsp, int32_t client, uint32_t stream, const struct bank *bank,
	  const struct pd_sockets *s, uv_process_t *process, uv_exit_cb on_exit)
{
	const struct dsp_config *c = dsp->config;
	const uint64_t numbers[N_NUMBERS] = { c->arch, client, stream, c->pd_threads, c->pd_memory,
					      c->pd_cpu_seconds, bank->n_dirs, getpid() };
	uv_stdio_container_t stdio[PD_FD_DIRS + SOFTDSP_MAX_DIRS];
	char *args[2 + N_NUMBERS + DSP_MODULES_MAX + 1] = { c->pd_program, (char *)c->name };
	char texts[N_NUMBERS][24];
	char *nothing[] = { NULL };
	uv_process_options_t options = {
		.exit_cb = on_exit,
		.file = c->pd_program,
		.args = args,
		.stdio = stdio,
		.stdio_count = fill_stdio(stdio, s, bank),
	};

#ifndef SOFTDSP_SANITIZED
	options.env = nothing;
#else
	(void)nothing;
#endif
	for (unsigned i = 0; i < N_NUMBERS; i++) {
		snprintf(texts[i], sizeof(texts[i]), "%llu", (unsigned long long)numbers[i]);
		args[2 + i] = texts[i];
	}
	for (unsigned i = 0; i < c->n_modules; i++)
		args[2 + N_NUMBERS + i] = c->modules[i];
	return uv_spawn(dsp->loop, process, &options);
}

void spawn_report_failure(const char *why, int signal, int status)
{
	if (*why)
		fprintf(stderr, "qda-softdsp: a PD did not start: %s\n", why);
	else
		fprintf(stderr, "qda-softdsp: a PD did not start: signal %d, status %d\n", signal,
			status);
}
