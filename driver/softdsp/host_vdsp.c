// SPDX-License-Identifier: BSD-3-Clause
/*
 * The kernel as host: see host.h. A virtual DSP's control file brings process control, and what PDs
 * that are gone have left unanswered. PDs have files of their own; the supervisor keeps none of
 * them, so that a PD that dies lets go of its bank by itself.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "driver/fastrpc/fastrpc.h"
#include "driver/include/uapi/drm/qda_vdsp.h"
#include "dsp.h"
#include "host.h"
#include "obituary.h"
#include "order.h"
#include "pd.h"
#include "process.h"

/* More than the kernel keeps unanswered at one time: a round leaves nothing that was there when it
 * began. Then PDs get their turn. */
#define RECORDS_A_ROUND 512
#define LEVEL_FATAL	4

/* What the kernel is to hear only when it knows that the PD has ended: its file is closed a little
 * before its process is reaped. No more than can be in flight. */
static struct orphan {
	uint64_t ctx;
	int32_t client;
} orphans[FASTRPC_MAX_ID];
static unsigned n_orphans;

/* Taken whole and at once; it is the kernel's to make something of it. */
static void respond(struct host *host, uint64_t ctx, uint32_t retval)
{
	const struct fastrpc_rsp rsp = { .ctx = ctx, .retval = (int32_t)retval };

	if (write(host->fd, &rsp, sizeof(rsp)) < 0)
		perror("qda-softdsp: an answer was not taken");
}

/* Whoever speaks to a PD that is not there learns that it is gone. */
static void handle(struct host *host, const struct qda_vdsp_record *record)
{
	struct fastrpc_msg msg;
	const struct pd *pd;

	memcpy(&msg, record->msg, sizeof(msg));
	if (record->kind == QDA_VDSP_CALL && !msg.client_id) {
		process_call(host->dsp, &msg);
		return;
	}
	pd = pd_find(host->dsp, msg.client_id);
	if (pd && pd_runs(pd) && n_orphans < FASTRPC_MAX_ID)
		orphans[n_orphans++] = (struct orphan){ msg.ctx, msg.client_id };
	else
		respond(host, msg.ctx, FASTRPC_EBADSTATE);
}

static void answer_orphans(struct host *host, int32_t client)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n_orphans; i++)
		if (orphans[i].client == client)
			respond(host, orphans[i].ctx, FASTRPC_EBADSTATE);
		else
			orphans[kept++] = orphans[i];
	n_orphans = kept;
}

/* False when nothing more is to be read now. */
static bool read_one(struct host *host)
{
	struct qda_vdsp_record record;
	ssize_t n;

	do
		n = read(host->fd, &record, sizeof(record));
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n != sizeof(record)) {
		dsp_detach(host->dsp);
		return false;
	}
	handle(host, &record);
	return true;
}

static void read_round(struct host *host)
{
	for (int i = 0; i < RECORDS_A_ROUND; i++)
		if (!read_one(host))
			break;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	read_round(poll->data);
}

/* --- PDs --- */

static int pd_channel(struct host *host, uint32_t bank, int32_t client, int *pd_end,
		      int *host_end)
{
	struct qda_vdsp_pd_open open = { .client = client, .bank = bank };
	const int fd = ioctl(host->fd, QDA_VDSP_PD_OPEN, &open);

	if (fd < 0)
		return -errno;
	*pd_end = fd;
	*host_end = -1;
	return 0;
}

/* The kernel sends the client's calls to the PD's file as long as that is open. */
static void pd_up(struct host *host, uint32_t bank, int32_t client, int host_end)
{
}

static bool pd_log(struct host *host, uint32_t bank, int32_t client,
		   const struct pd_report *report)
{
	struct dsp *dsp = host->dsp;

	line_write(&dsp->banks[bank].lines, uv_now(dsp->loop), dsp->config->name, client,
		   report->result, report->lost, report->text,
		   strnlen(report->text, sizeof(report->text)));
	return true;
}

static void pd_exit(struct host *host, const struct obituary *obituary, size_t n)
{
	const struct softdsp_record *record = &obituary->record;
	struct dsp *dsp = host->dsp;

	line_write(&dsp->banks[record->bank].lines, uv_now(dsp->loop), dsp->config->name,
		   record->client, LEVEL_FATAL, 0, (const char *)obituary + SOFTDSP_SIZE(exit),
		   n - SOFTDSP_SIZE(exit));
}

/* In the words of firmware, which has no others. */
static void pd_ended(struct host *host, int32_t client, int signal)
{
	struct fastrpc_notification notification;
	uint32_t status = FASTRPC_PD_EXCEPTION;

	if (!signal)
		status = FASTRPC_PD_EXIT;
	else if (signal == SIGKILL)
		status = FASTRPC_PD_KILLED;
	fastrpc_notify(&notification, client, status);
	if (write(host->fd, &notification, sizeof(notification)) < 0)
		perror("qda-softdsp: a notification was not taken");
}

/* The PD's file can outlive its process: while somebody looks at that in /proc, its address space
 * stays. */
static void pd_gone(struct host *host, int32_t client)
{
	const struct qda_vdsp_pd_end end = { .client = client };

	if (ioctl(host->fd, QDA_VDSP_PD_END, &end) < 0 && errno != ENOENT)
		perror("qda-softdsp: the file of a PD cannot be ended");
	read_round(host);
	answer_orphans(host, client);
}

/* Nothing ever waits: the kernel takes every answer. */
static void drop(struct host *host)
{
}

static const struct host_ops vdsp_ops = {
	.pd_channel = pd_channel,
	.pd_up = pd_up,
	.pd_log = pd_log,
	.pd_exit = pd_exit,
	.pd_ended = pd_ended,
	.pd_gone = pd_gone,
	.respond = respond,
	.drop = drop,
};

/* --- */

static int open_views(struct host *host)
{
	struct dsp *dsp = host->dsp;
	int err = 0;

	host->scratch = view_scratch();
	if (host->scratch < 0)
		return host->scratch;
	for (uint32_t i = 1; i <= dsp->config->n_banks && !err; i++)
		err = view_open(&dsp->banks[i].view, host->fd, i, host->scratch);
	return err;
}

int host_open_vdsp(struct host *host, struct dsp *dsp, int fd)
{
	int err = host_init(host, dsp, fd, &vdsp_ops);

	if (err)
		return err;
	n_orphans = 0;
	err = open_views(host);
	if (!err)
		err = uv_poll_start(&host->poll, UV_READABLE, on_ready);
	if (err)
		dsp_detach(dsp);
	return err;
}
