// SPDX-License-Identifier: BSD-3-Clause
/*
 * A host at a socket: see host.h and wire.h. Records come from it and are hostile: what is not a
 * record of its kind is dropped with its descriptors, and a person is told once per host.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver/fastrpc/fastrpc.h"
#include "dsp.h"
#include "host.h"
#include "obituary.h"
#include "process.h"
#include "record.h"

#define RECORDS_A_ROUND 16 /* then other sockets get their turn */

struct host_out {
	STAILQ_ENTRY(host_out) link;
	int fd; /* owned, -1 none */
	size_t n;
	char record[];
};

static void on_ready(uv_poll_t *poll, int status, int events);

static void watch(struct host *host)
{
	const int events = STAILQ_EMPTY(&host->queue) ? UV_READABLE : UV_WRITABLE;

	if (host->state == HOST_OPEN)
		uv_poll_start(&host->poll, events, on_ready);
}

static void out_free(struct host_out *out)
{
	if (out->fd >= 0)
		close(out->fd);
	free(out);
}

/* --- in --- */

static void refuse(struct host *host, const struct softdsp_record *record, const char *why)
{
	if (!host->noted)
		fprintf(stderr, "qda-softdsp: record of kind %u for bank %u refused: %s "
				"(more from this host are not reported)\n",
			record->kind, record->bank, why);
	host->noted = true;
}

static void take_dirs(struct host *host, struct bank *bank, const struct softdsp_record *record,
		      struct record_fds *fds)
{
	if (!host->dsp->config->client_dirs) {
		refuse(host, record, "not started with --client-dirs");
		return;
	}
	if (!fds->n || fds->cut) {
		refuse(host, record, "1 to 8 descriptors are to come with it");
		return;
	}
	bank_clear_dirs(bank);
	memcpy(bank->dirs, fds->fd, fds->n * sizeof(int));
	bank->n_dirs = fds->n;
	fds->n = 0;
}

static void take_map(struct host *host, struct bank *bank, const struct softdsp_record *record,
		     struct record_fds *fds)
{
	int err = -EBADF;

	if (record->kind == SOFTDSP_UNMAP)
		err = bank_unmap(bank, &record->map);
	else if (fds->n == 1 && !fds->cut)
		err = bank_map(bank, &record->map, &fds->fd[0]);
	if (err)
		refuse(host, record, strerror(-err));
}

static size_t size_of(uint32_t kind)
{
	switch (kind) {
	case SOFTDSP_CALL:
		return SOFTDSP_SIZE(call);
	case SOFTDSP_MAP:
	case SOFTDSP_UNMAP:
		return SOFTDSP_SIZE(map);
	case SOFTDSP_DIRS:
		return SOFTDSP_HEAD;
	}
	return 0;
}

static void handle(struct host *host, const struct softdsp_record *record, size_t n,
		   struct record_fds *fds)
{
	struct dsp *dsp = host->dsp;
	struct fastrpc_msg msg;

	if (n < SOFTDSP_HEAD || n != size_of(record->kind)) {
		refuse(host, record, "no such record, or of another size");
		return;
	}
	if (record->kind == SOFTDSP_CALL) {
		memcpy(&msg, record->call.msg, sizeof(msg));
		process_call(dsp, &msg);
		return;
	}
	if (!record->bank || record->bank > dsp->config->n_banks)
		refuse(host, record, "no such bank");
	else if (record->kind == SOFTDSP_DIRS)
		take_dirs(host, &dsp->banks[record->bank], record, fds);
	else
		take_map(host, &dsp->banks[record->bank], record, fds);
}

/* False when nothing more is to be read now. */
static bool read_one(struct host *host)
{
	struct softdsp_record record = { 0 };
	struct record_fds fds;
	long n = record_recv(host->fd, &record, sizeof(record), &fds, MSG_DONTWAIT);

	if (n == -EAGAIN || n == -ENOMEM || n == -ENOBUFS)
		return false;
	if (n <= 0) {
		dsp_detach(host->dsp);
		return false;
	}
	handle(host, &record, n, &fds);
	record_fds_close(&fds);
	return host->state == HOST_OPEN && STAILQ_EMPTY(&host->queue);
}

/* --- out --- */

/* 0, -EAGAIN, or the host is gone. */
static int flush(struct host *host)
{
	struct host_out *out;
	int err;

	while ((out = STAILQ_FIRST(&host->queue))) {
		err = record_send(host->fd, out->record, out->n, out->fd, MSG_DONTWAIT);
		if (err)
			return err;
		STAILQ_REMOVE_HEAD(&host->queue, link);
		out_free(out);
	}
	return 0;
}

static bool lasts(int err)
{
	return err && err != -EAGAIN && err != -ENOBUFS && err != -ENOMEM;
}

static int enqueue(struct host *host, const void *record, size_t n, int fd)
{
	struct host_out *out = malloc(sizeof(*out) + n);

	if (!out) {
		if (fd >= 0)
			close(fd);
		return -ENOMEM;
	}
	out->fd = fd;
	out->n = n;
	memcpy(out->record, record, n);
	STAILQ_INSERT_TAIL(&host->queue, out, link);
	return 0;
}

/* Takes fd (-1: none). A failure ends the host. Shut down, not closed at once: the caller may be in
 * the middle of something, and the loop will find the end of file. */
static void send_record(struct host *host, const void *record, size_t n, int fd)
{
	int err = enqueue(host, record, n, fd);

	if (!err)
		err = flush(host);
	if (lasts(err) || err == -ENOMEM)
		shutdown(host->fd, SHUT_RDWR);
	watch(host);
}

static void respond(struct host *host, uint64_t ctx, uint32_t retval)
{
	const struct fastrpc_rsp rsp = { .ctx = ctx, .retval = (int32_t)retval };
	struct softdsp_record record = { .kind = SOFTDSP_RESPONSE };

	memcpy(record.rsp, &rsp, sizeof(record.rsp));
	send_record(host, &record, SOFTDSP_SIZE(rsp), -1);
}

static void greet(struct host *host)
{
	const struct dsp_config *config = host->dsp->config;
	struct softdsp_record hello = {
		.kind = SOFTDSP_HELLO,
		.hello = {
			.version = SOFTDSP_VERSION,
			.banks = config->n_banks,
			.confined = host->dsp->confined,
			.client_dirs = config->client_dirs,
			.arch = config->arch,
		},
	};

	strncpy(hello.hello.name, config->name, sizeof(hello.hello.name) - 1);
	send_record(host, &hello, SOFTDSP_SIZE(hello), -1);
}

/* --- PDs --- */

static int pd_channel(struct host *host, uint32_t bank, int32_t client, int *pd_end,
		      int *host_end)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	*host_end = fds[0];
	*pd_end = fds[1];
	return 0;
}

static void pd_up(struct host *host, uint32_t bank, int32_t client, int host_end)
{
	const struct softdsp_record record = { .kind = SOFTDSP_PD,
					       .bank = bank,
					       .client = client };

	send_record(host, &record, SOFTDSP_HEAD, host_end);
}

/* They go over the PD's channel. */
static bool pd_log(struct host *host, uint32_t bank, int32_t client,
		   const struct pd_report *report)
{
	return false;
}

static void pd_exit(struct host *host, const struct obituary *obituary, size_t n)
{
	send_record(host, obituary, n, -1);
}

/* The host sees the end of the PD's channel, and knows what it sent there; a record says why. */
static void pd_ended(struct host *host, int32_t client, int signal)
{
}

static void pd_gone(struct host *host, int32_t client)
{
}

/* --- life --- */

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct host *host = poll->data;

	if (status < 0 || lasts(flush(host))) {
		dsp_detach(host->dsp);
		return;
	}
	for (int i = 0; i < RECORDS_A_ROUND && STAILQ_EMPTY(&host->queue); i++)
		if (!read_one(host))
			break;
	watch(host);
}

static void drop(struct host *host)
{
	struct host_out *out;

	while ((out = STAILQ_FIRST(&host->queue))) {
		STAILQ_REMOVE_HEAD(&host->queue, link);
		out_free(out);
	}
}

static const struct host_ops socket_ops = {
	.pd_channel = pd_channel,
	.pd_up = pd_up,
	.pd_log = pd_log,
	.pd_exit = pd_exit,
	.pd_ended = pd_ended,
	.pd_gone = pd_gone,
	.respond = respond,
	.drop = drop,
};

int host_open_socket(struct host *host, struct dsp *dsp, int fd)
{
	int err = host_init(host, dsp, fd, &socket_ops);

	if (err)
		return err;
	greet(host);
	return 0;
}
