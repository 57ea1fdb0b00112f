// SPDX-License-Identifier: BSD-3-Clause
/*
 * Process control: see process.h. The payload is copied out of shared memory in one piece and read
 * there; answers are written back by address.
 */
#include <errno.h>
#include <string.h>

#include "attributes.h"
#include "driver/fastrpc/fastrpc.h"
#include "dsp.h"
#include "order.h"
#include "pd.h"
#include "process.h"

#define PENDING 0xffffffffu /* no code of a DSP: the answer comes later */
#define LEVEL_ERROR 3

struct request {
	struct dsp *dsp;
	const struct fastrpc_msg *msg;
	uint32_t stream; /* names the bank */
	struct fastrpc_ctl ctl;
	struct fastrpc_place rsp;
	char name[FASTRPC_CTL_NAME];
	_Alignas(16) uint8_t payload[FASTRPC_CTL_PAYLOAD];
};

static bool has_bank(struct request *r)
{
	r->stream = r->msg->addr >> 32;
	return r->stream && r->stream <= r->dsp->config->n_banks;
}

/* 0, or a code. */
static uint32_t read_payload(struct request *r)
{
	const struct fastrpc_msg *msg = r->msg;

	if (!has_bank(r) || msg->size > sizeof(r->payload))
		return FASTRPC_EBADPARM;
	if (bank_read(&r->dsp->banks[r->stream], (uint32_t)msg->addr, r->payload, msg->size) < 0)
		return FASTRPC_EBADPARM;
	return 0;
}

static bool is_shell(const struct bank *bank, const struct fastrpc_ctl *ctl)
{
	static const char magic[] = SOFTDSP_SHELL_MAGIC;
	char head[sizeof(magic) - 1];

	return ctl->file_len >= sizeof(head) &&
	       !bank_read(bank, (uint32_t)ctl->file_addr, head, sizeof(head)) &&
	       !memcmp(head, magic, sizeof(head));
}

/* Who has only this program and a device to try cannot know, and the code does not say it. */
static void tell_shell(struct request *r, struct bank *bank)
{
	static const char text[] = "no PD: the shell image of this DSP begins with the line "
				   "\"qda-softdsp shell\", this one does not";

	line_write(&bank->lines, uv_now(r->dsp->loop), r->dsp->config->name, r->ctl.client_id,
		   LEVEL_ERROR, 0, text, sizeof(text) - 1);
}

static uint32_t create(struct request *r, struct bank *bank)
{
	uint32_t code;

	if (r->ctl.client_id <= 0)
		return FASTRPC_EBADPARM;
	if (r->dsp->pds[r->stream] || pd_find(r->dsp, r->ctl.client_id))
		return FASTRPC_EBADSTATE;
	if (!is_shell(bank, &r->ctl)) {
		tell_shell(r, bank);
		return FASTRPC_EUNABLETOLOAD;
	}
	code = pd_create(r->dsp, r->stream, r->ctl.client_id, r->msg->ctx);
	return code ? code : PENDING;
}

/* Directories are for this attempt, also when it fails: the next one may be another client's. */
static uint32_t do_create(struct request *r)
{
	struct bank *bank = &r->dsp->banks[r->stream];
	const uint32_t code = create(r, bank);

	bank_clear_dirs(bank);
	return code;
}

/* Behind a driver, the payload lies in the PD's own bank. A PD that could change what is said there
 * would never end, or have another one ended: so the message alone says which one is meant. */
static uint32_t do_release(struct request *r)
{
	struct pd *pd;

	if (!has_bank(r))
		return FASTRPC_EBADPARM;
	pd = r->dsp->pds[r->stream];
	if (!pd)
		return FASTRPC_EBADSTATE;
	pd_release(pd, r->msg->ctx);
	return PENDING;
}

/* Addresses of orders are those of the PD's own bank. */
static uint32_t do_order(struct request *r, struct pd_order order)
{
	struct pd *pd = pd_find(r->dsp, r->ctl.client_id);
	const struct pd_answer answer = {
		.ctx = r->msg->ctx,
		.addr = r->rsp.length ? (uint32_t)r->msg->addr + r->rsp.offset : 0,
	};
	uint32_t code;

	if (!pd)
		return FASTRPC_EBADSTATE;
	if (r->stream != pd_bank(pd))
		return FASTRPC_EBADPARM;
	order.addr = (uint32_t)order.addr;
	code = pd_order(pd, &order, &answer);
	return code ? code : PENDING;
}

static uint32_t dispatch(struct request *r)
{
	const struct fastrpc_ctl *c = &r->ctl;

	switch (c->method) {
	case FASTRPC_PROCESS_CREATE:
	case FASTRPC_PROCESS_CREATE_ATTR:
		return do_create(r);
	case FASTRPC_PROCESS_MEM_MAP:
		return do_order(r, (struct pd_order){ PD_ORDER_MAP_KEY, c->key, c->mem_addr,
						      c->mem_len });
	case FASTRPC_PROCESS_MEM_UNMAP:
		return do_order(r, (struct pd_order){ .kind = PD_ORDER_UNMAP_KEY, .key = c->key });
	case FASTRPC_PROCESS_MMAP:
		return do_order(r, (struct pd_order){ PD_ORDER_GROW, 0, c->mem_addr, c->mem_len });
	case FASTRPC_PROCESS_MUNMAP:
		return do_order(r, (struct pd_order){ PD_ORDER_SHRINK, 0, c->vaddr, c->mem_len });
	}
	return FASTRPC_EUNSUPPORTED; /* ATTACH too: there is no root PD a host could join */
}

static uint32_t do_control(struct request *r)
{
	uint32_t code;
	int err;

	if (fastrpc_sc_method(r->msg->sc) == FASTRPC_PROCESS_RELEASE)
		return do_release(r);
	code = read_payload(r);
	if (code)
		return code;
	err = fastrpc_ctl_read(r->msg, r->payload, r->msg->size, &r->ctl, r->name, &r->rsp);
	if (err)
		return err == -EOPNOTSUPP ? FASTRPC_EUNSUPPORTED : FASTRPC_EBADPARM;
	return dispatch(r);
}

static uint32_t do_attributes(struct request *r)
{
	struct fastrpc_dsp_arg args[FASTRPC_MAX_ARGS];
	const struct bank *bank;
	uint32_t values[ATTRIBUTES_MAX];
	uint32_t code = read_payload(r);
	uint32_t n;

	if (fastrpc_sc_method(r->msg->sc))
		return FASTRPC_EUNSUPPORTED;
	if (code || (r->msg->sc & 0xffffff) != 0x010100 ||
	    fastrpc_parse(r->msg, r->payload, r->msg->size, args) < 0)
		return FASTRPC_EBADPARM;
	bank = &r->dsp->banks[r->stream];
	if (args[0].length != sizeof(n) || bank_read(bank, args[0].addr, &n, sizeof(n)) < 0 ||
	    n > ATTRIBUTES_MAX || args[1].length != n * sizeof(n))
		return FASTRPC_EBADPARM;
	attributes_fill(values, n);
	if (n && bank_write(bank, args[1].addr, values, n * sizeof(n)) < 0)
		return FASTRPC_EBADPARM;
	return 0;
}

void process_call(struct dsp *dsp, const struct fastrpc_msg *msg)
{
	struct request r = { .dsp = dsp, .msg = msg };
	uint32_t code = FASTRPC_EUNSUPPORTED;

	if (msg->handle == FASTRPC_HANDLE_PROCESS)
		code = do_control(&r);
	else if (msg->handle == FASTRPC_HANDLE_UTIL)
		code = do_attributes(&r);
	if (code != PENDING)
		host_respond(&dsp->host, msg->ctx, code);
}
