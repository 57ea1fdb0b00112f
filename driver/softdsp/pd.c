// SPDX-License-Identifier: BSD-3-Clause
/*
 * Protection domains: see pd.h. The child runs what clients gave it and is hostile: a report that
 * is not in order is its end, its status page is read and never mapped, nothing here waits for it.
 *
 * One order at a time is on the private socket, so that it never fills; the others wait here.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver/fastrpc/fastrpc.h"
#include "dsp.h"
#include "obituary.h"
#include "order.h"
#include "pd.h"
#include "record.h"
#include "spawn.h"

#define ORDERS_MAX 64u

enum pd_state {
	PD_STARTING,	/* the create call is not answered yet */
	PD_UP,
	PD_DEAD,	/* reaped, not released */
	PD_ENDING,	/* being killed: for a release, or for nobody */
};

struct order_entry {
	STAILQ_ENTRY(order_entry) link;
	struct pd_order order;
	struct pd_answer answer;
};

struct pd {
	struct dsp *dsp;
	uint32_t bank;
	int32_t client;
	enum pd_state state;
	bool listed;	/* in dsp->pds[bank] */
	bool reaped;
	bool answer;	/* ctx waits: of the create while STARTING, of the release while ENDING */
	uint64_t ctx;
	unsigned n_handles; /* of the loop that are not closed */
	uv_process_t process;
	uv_poll_t poll;
	struct pd_sockets sockets;
	STAILQ_HEAD(, order_entry) orders; /* the first one is with the PD */
	unsigned n_orders;
	char why[PD_TEXT_MAX]; /* it could not start */
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* --- the end --- */

static void unlist(struct pd *pd)
{
	if (pd->listed)
		pd->dsp->pds[pd->bank] = NULL;
	pd->listed = false;
}

static void answer(struct pd *pd, uint32_t code)
{
	if (pd->answer)
		host_respond(&pd->dsp->host, pd->ctx, code);
	pd->answer = false;
}

/* All that the process was is gone. A dead PD stays in its bank until it is released. */
static void settle(struct pd *pd)
{
	struct dsp *dsp = pd->dsp;

	if (pd->n_handles)
		return;
	pd_sockets_close(&pd->sockets);
	if (pd->state == PD_DEAD)
		return;
	unlist(pd);
	answer(pd, pd->state == PD_STARTING ? FASTRPC_EFAILED : 0);
	dsp->n_pds--;
	free(pd);
	dsp_settle(dsp);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct pd *pd = handle->data;

	pd->n_handles--;
	settle(pd);
}

static void drop_orders(struct pd *pd)
{
	struct order_entry *entry;

	while ((entry = STAILQ_FIRST(&pd->orders))) {
		STAILQ_REMOVE_HEAD(&pd->orders, link);
		host_respond(&pd->dsp->host, entry->answer.ctx, FASTRPC_EBADSTATE);
		free(entry);
	}
	pd->n_orders = 0;
}

static void send_exit(struct pd *pd, int signal, int status)
{
	struct obituary obituary;
	size_t n = obituary_write(&obituary, pd->sockets.status, signal, status,
				  pd->dsp->config->pd_cpu_seconds);

	obituary.record.bank = pd->bank;
	obituary.record.client = pd->client;
	host_pd_exit(&pd->dsp->host, &obituary, n);
}

static void on_reaped(uv_process_t *process, int64_t status, int signal)
{
	struct pd *pd = process->data;

	if (pd->state == PD_UP)
		host_pd_ended(&pd->dsp->host, pd->client, signal);
	pd->reaped = true;
	drop_orders(pd);
	if (pd->state == PD_UP) {
		send_exit(pd, signal, (int)status);
		pd->state = PD_DEAD;
	} else if (pd->state == PD_STARTING) {
		spawn_report_failure(pd->why, signal, (int)status);
	}
	uv_close((uv_handle_t *)&pd->process, on_handle_closed);
	uv_close((uv_handle_t *)&pd->poll, on_handle_closed);
	host_pd_gone(&pd->dsp->host, pd->client);
}

/* Its number may be somebody else's once it is reaped. */
static void kill_it(struct pd *pd)
{
	if (!pd->reaped)
		uv_process_kill(&pd->process, SIGKILL);
}

void pd_release(struct pd *pd, uint64_t ctx)
{
	if (pd->state == PD_ENDING) {
		host_respond(&pd->dsp->host, ctx, FASTRPC_EBADSTATE);
		return;
	}
	answer(pd, FASTRPC_EBADSTATE); /* the create, if it waits */
	pd->state = PD_ENDING;
	pd->ctx = ctx;
	pd->answer = true;
	kill_it(pd);
	settle(pd);
}

void pd_abandon(struct pd *pd)
{
	pd->state = PD_ENDING;
	pd->answer = false;
	unlist(pd);
	kill_it(pd);
	settle(pd);
}

/* --- orders --- */

static void send_first(struct pd *pd)
{
	const struct order_entry *entry = STAILQ_FIRST(&pd->orders);

	if (entry && record_send(pd->sockets.orders, &entry->order, sizeof(entry->order), -1,
				 MSG_DONTWAIT) < 0)
		kill_it(pd);
}

uint32_t pd_order(struct pd *pd, const struct pd_order *order, const struct pd_answer *to)
{
	struct order_entry *entry;

	if (pd->state != PD_UP)
		return FASTRPC_EBADSTATE;
	if (pd->n_orders == ORDERS_MAX)
		return FASTRPC_ENOMEMORY;
	entry = malloc(sizeof(*entry));
	if (!entry)
		return FASTRPC_ENOMEMORY;
	entry->order = *order;
	entry->answer = *to;
	STAILQ_INSERT_TAIL(&pd->orders, entry, link);
	if (!pd->n_orders++)
		send_first(pd);
	return 0;
}

static bool on_done(struct pd *pd, const struct pd_report *report)
{
	struct order_entry *entry = STAILQ_FIRST(&pd->orders);
	const struct bank *bank = &pd->dsp->banks[pd->bank];
	uint32_t code = report->result;

	if (!entry)
		return false;
	STAILQ_REMOVE_HEAD(&pd->orders, link);
	pd->n_orders--;
	if (!code && entry->answer.addr &&
	    bank_write(bank, entry->answer.addr, &report->addr, sizeof(report->addr)) < 0)
		code = FASTRPC_EBADPARM;
	host_respond(&pd->dsp->host, entry->answer.ctx, code);
	free(entry);
	send_first(pd);
	return true;
}

static bool on_started(struct pd *pd, const struct pd_report *report)
{
	if (pd->state != PD_STARTING || report->confined != pd->dsp->confined)
		return false;
	pd->state = PD_UP;
	host_pd_up(&pd->dsp->host, pd->bank, pd->client, pd->sockets.host);
	pd->sockets.host = -1;
	answer(pd, 0);
	return true;
}

static bool on_failed(struct pd *pd, struct pd_report *report)
{
	report->text[PD_TEXT_MAX - 1] = '\0';
	memcpy(pd->why, report->text, sizeof(pd->why));
	return false;
}

static bool on_report(struct pd *pd, struct pd_report *report)
{
	switch (report->kind) {
	case PD_REPORT_READY:
		return on_started(pd, report);
	case PD_REPORT_FAILED:
		return on_failed(pd, report);
	case PD_REPORT_DONE:
		return on_done(pd, report);
	case PD_REPORT_LOG:
		return host_pd_log(&pd->dsp->host, pd->bank, pd->client, report);
	}
	return false;
}

/* One report a round: a PD that floods takes its turn like the others. */
static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct pd *pd = poll->data;
	struct pd_report report;
	long n = record_recv(pd->sockets.orders, &report, sizeof(report), NULL, MSG_DONTWAIT);

	if (n == -EAGAIN || n == -ENOMEM || n == -ENOBUFS)
		return;
	if (n == sizeof(report) && on_report(pd, &report))
		return;
	uv_poll_stop(&pd->poll);
	kill_it(pd);
}

/* --- the beginning --- */

static int start(struct pd *pd)
{
	struct dsp *dsp = pd->dsp;
	int err = host_pd_channel(&dsp->host, pd->bank, pd->client, &pd->sockets.pd_channel,
				  &pd->sockets.host);

	if (!err)
		err = pd_sockets_open(&pd->sockets);
	if (!err)
		err = uv_poll_init(dsp->loop, &pd->poll, pd->sockets.orders);
	if (err)
		return err;
	pd->n_handles++;
	err = uv_poll_start(&pd->poll, UV_READABLE, on_readable);
	if (err)
		return err;
	/* The last step: what was spawned must be waited for. */
	pd->n_handles++;
	err = spawn(dsp, pd->client, pd->bank, &dsp->banks[pd->bank], &pd->sockets, &pd->process,
		    on_reaped);
	close_fd(&pd->sockets.pd_channel);
	close_fd(&pd->sockets.pd_orders);
	return err;
}

uint32_t pd_create(struct dsp *dsp, uint32_t bank, int32_t client, uint64_t ctx)
{
	struct pd *pd = calloc(1, sizeof(*pd));
	int err;

	if (!pd)
		return FASTRPC_ENOMEMORY;
	*pd = (struct pd){ .dsp = dsp, .bank = bank, .client = client, .ctx = ctx };
	pd->sockets = (struct pd_sockets)PD_SOCKETS_NULL;
	pd->process.data = pd;
	pd->poll.data = pd;
	STAILQ_INIT(&pd->orders);
	dsp->n_pds++;
	err = start(pd);
	if (!err) {
		pd->answer = true;
		pd->listed = true;
		dsp->pds[bank] = pd;
		return 0;
	}
	spawn_report_failure(strerror(-err), 0, 0);
	if (pd->n_handles > 0)
		uv_close((uv_handle_t *)&pd->poll, on_handle_closed);
	if (pd->n_handles > 1)
		uv_close((uv_handle_t *)&pd->process, on_handle_closed);
	settle(pd);
	return err == -EMFILE || err == -ENFILE || err == -ENOMEM ? FASTRPC_ENOMEMORY
								  : FASTRPC_EFAILED;
}

struct pd *pd_find(struct dsp *dsp, int32_t client)
{
	for (uint32_t i = 1; i <= dsp->config->n_banks; i++)
		if (dsp->pds[i] && dsp->pds[i]->client == client)
			return dsp->pds[i];
	return NULL;
}

uint32_t pd_bank(const struct pd *pd)
{
	return pd->bank;
}

bool pd_runs(const struct pd *pd)
{
	return !pd->reaped;
}
