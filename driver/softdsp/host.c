// SPDX-License-Identifier: BSD-3-Clause
/*
 * What both forms of a host have in common: see host.h.
 */
#include <errno.h>
#include <unistd.h>

#include "dsp.h"
#include "host.h"

int host_init(struct host *host, struct dsp *dsp, int fd, const struct host_ops *ops)
{
	int err = uv_poll_init(dsp->loop, &host->poll, fd);

	if (err) {
		close(fd);
		return err;
	}
	host->ops = ops;
	host->dsp = dsp;
	host->poll.data = host;
	host->fd = fd;
	host->state = HOST_OPEN;
	host->noted = false;
	host->scratch = -1;
	STAILQ_INIT(&host->queue);
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct host *host = handle->data;

	close(host->fd);
	if (host->scratch >= 0)
		close(host->scratch);
	host->state = HOST_CLOSED;
	dsp_settle(host->dsp);
}

void host_close(struct host *host)
{
	if (host->state != HOST_OPEN)
		return;
	host->ops->drop(host);
	host->state = HOST_CLOSING;
	uv_close((uv_handle_t *)&host->poll, on_closed);
}

bool host_is_closed(const struct host *host)
{
	return host->state == HOST_CLOSED;
}

int host_pd_channel(struct host *host, uint32_t bank, int32_t client, int *pd_end, int *host_end)
{
	if (host->state != HOST_OPEN)
		return -EPIPE;
	return host->ops->pd_channel(host, bank, client, pd_end, host_end);
}

void host_pd_up(struct host *host, uint32_t bank, int32_t client, int host_end)
{
	if (host->state == HOST_OPEN)
		host->ops->pd_up(host, bank, client, host_end);
	else if (host_end >= 0)
		close(host_end);
}

bool host_pd_log(struct host *host, uint32_t bank, int32_t client, const struct pd_report *report)
{
	return host->state != HOST_OPEN || host->ops->pd_log(host, bank, client, report);
}

void host_pd_exit(struct host *host, const struct obituary *obituary, size_t n)
{
	if (host->state == HOST_OPEN)
		host->ops->pd_exit(host, obituary, n);
}

void host_pd_ended(struct host *host, int32_t client, int signal)
{
	if (host->state == HOST_OPEN)
		host->ops->pd_ended(host, client, signal);
}

void host_pd_gone(struct host *host, int32_t client)
{
	if (host->state == HOST_OPEN)
		host->ops->pd_gone(host, client);
}

void host_respond(struct host *host, uint64_t ctx, uint32_t retval)
{
	if (host->state == HOST_OPEN)
		host->ops->respond(host, ctx, retval);
}
