// SPDX-License-Identifier: BSD-3-Clause
/*
 * Sessions of the soft device: a context bank and a protection domain in it. Opening and closing
 * are process control calls; what a running PD sends, and how it ends, is in soft_pd.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/soft.h"

/* --- context banks --- */

/* The bank used longest ago; 0 when all are taken. */
static uint32_t bank_take(struct soft *soft)
{
	uint32_t bank = soft->last_bank;

	for (uint32_t i = 0; i < soft->hello.banks; i++) {
		bank = bank % soft->hello.banks + 1;
		if (soft->banks[bank].taken)
			continue;
		soft->banks[bank].taken = true;
		soft->last_bank = bank;
		return bank;
	}
	return 0;
}

static void on_bank_unmapped(struct soft_item *item)
{
	struct soft_bank *bank =
		(struct soft_bank *)((char *)item - offsetof(struct soft_bank, unmap));

	bank->taken = false;
}

static void fill_control_record(struct softdsp_record *record, enum softdsp_kind kind,
				uint32_t bank)
{
	*record = (struct softdsp_record){
		.kind = kind,
		.bank = bank,
		.map = { .addr = SOFT_CTL_ADDR, .size = SOFT_CTL_PAGES * SOFT_PAGE },
	};
}

/* Nothing runs in the bank any more: it is free when its control memory is out of the DSP's sight.
 */
static void bank_give(struct qda_device_session *session)
{
	struct soft_bank *bank = &session->soft->banks[session->bank];

	fill_control_record(&bank->record, SOFTDSP_UNMAP, session->bank);
	bank->unmap = (struct soft_item){
		.record = &bank->record,
		.size = SOFTDSP_SIZE(map),
		.sent = on_bank_unmapped,
	};
	session->bank = 0;
	soft_channel_send(session->soft->control, &bank->unmap);
}

/* --- end --- */

static void close_dirs(struct soft_item *item)
{
	struct qda_device_session *session =
		(struct qda_device_session *)((char *)item -
					      offsetof(struct qda_device_session, dirs));

	while (item->n_fds)
		close(session->dir_fds[--item->n_fds]);
}

static void on_pd_closed(uv_handle_t *handle)
{
	struct soft_channel *channel = handle->data;
	struct soft *soft = channel->soft;

	free((char *)channel - offsetof(struct qda_device_session, pd));
	soft_handle_closed(soft);
}

void soft_session_destroy(struct qda_device_session *session)
{
	struct soft *soft = session->soft;

	soft_channel_mute(&session->pd);
	soft_op_cancel(&session->create);
	soft_op_cancel(&session->release);
	soft_calls_drop(session);
	soft_keys_drop(session);
	soft_mappings_drop(session);
	if (session->messages)
		soft_buffer_release(session->messages);
	if (session->control)
		soft_buffer_release(session->control);
	close_dirs(&session->dirs);
	if (session->pd_fd >= 0)
		close(session->pd_fd);
	TAILQ_REMOVE(&soft->sessions, session, link);
	if (session->later)
		TAILQ_REMOVE(&soft->later, session, later_link);
	soft_undying(session);
	if (!soft_channel_close(&session->pd, on_pd_closed))
		free(session);
}

/* The session is gone: tell who waits for that. `err` is for an open without an answer yet. */
static void session_end(struct qda_device_session *session, int err, int32_t result)
{
	struct soft *soft = session->soft;
	uint64_t open_cookie = session->open_cookie, close_cookie = session->close_cookie;
	bool opening = !session->open_told, closing = session->closing;

	soft_session_destroy(session);
	if (opening)
		soft_done_err(soft, open_cookie, err, result);
	if (closing)
		soft_done_err(soft, close_cookie, 0, 0);
}

/* A refusal leaves the bank taken: nobody knows what still runs there. */
static void on_released(struct soft_op *op, int err, int32_t result, uint64_t answer)
{
	struct qda_device_session *session = op->wait.session;

	if (!err || (uint32_t)result == FASTRPC_EBADSTATE)
		bank_give(session);
	session_end(session, session->open_err ? session->open_err : -ECANCELED, 0);
}

/* From here on nothing but the answer to RELEASE is awaited. */
static void release(struct qda_device_session *session)
{
	session->state = SOFT_CLOSING;
	session->release.done = on_released;
	session->release.pool = SOFT_POOL_CONTROL;
	session->release.page = SOFT_CTL_RELEASE;
	session->release.ctl = (struct fastrpc_ctl){
		.method = FASTRPC_PROCESS_RELEASE,
		.client_id = session->client,
	};
	soft_op_start(session, &session->release);
}

void soft_session_close(struct qda_device_session *session, uint64_t cookie)
{
	session->closing = true;
	session->close_cookie = cookie;
	soft_later(session);
}

void soft_session_step(struct qda_device_session *session)
{
	if (!session->closing)
		return;
	if (session->state == SOFT_OPENING || session->state == SOFT_CLOSING) {
		/* The answer to CREATE, or to RELEASE, goes on from here. */
		if (!session->open_told) {
			session->open_told = true;
			soft_done_err(session->soft, session->open_cookie, -ECANCELED, 0);
		}
		return;
	}
	soft_channel_mute(&session->pd);
	soft_undying(session);
	session->state = SOFT_CLOSING;
	soft_calls_fail(session, -ECANCELED);
	soft_keys_fail(session, -ECANCELED);
	if (session->bank)
		release(session);
	else
		session_end(session, 0, 0);
}

void soft_session_dsp_gone(struct qda_device_session *session, const char *why)
{
	session->bank = 0;
	soft_op_cancel(&session->create);
	soft_op_cancel(&session->release);
	if (session->state == SOFT_OPENING || session->state == SOFT_CLOSING)
		session_end(session, -EPIPE, 0);
	else if (session->state != SOFT_LOST)
		soft_pd_gone(session, -EPIPE, why);
}

/* --- open --- */

static int start_pd(struct qda_device_session *session)
{
	int r;

	if (session->pd_fd < 0)
		return -EMFILE;
	r = soft_channel_start(&session->pd, session->soft->loop, session->pd_fd, soft_pd_ready);
	session->soft->handles += session->pd.polled;
	if (r < 0)
		return r;
	session->pd_fd = -1;
	session->state = SOFT_OPEN;
	return soft_mapping_get(session, session->messages, &session->messages_mapping);
}

static void on_created(struct soft_op *op, int err, int32_t result, uint64_t answer)
{
	struct qda_device_session *session = op->wait.session;

	if (err) {
		bank_give(session);
		session_end(session, err, result);
		return;
	}
	if (session->closing) {
		release(session);
		return;
	}
	err = start_pd(session);
	if (err) {
		session->open_err = err;
		soft_channel_mute(&session->pd);
		release(session);
		return;
	}
	session->open_told = true;
	soft_done_err(session->soft, session->open_cookie, 0, 0);
}

static void send_create(struct qda_device_session *session, bool privileged)
{
	session->create.done = on_created;
	session->create.pool = SOFT_POOL_CONTROL;
	session->create.page = SOFT_CTL_OP;
	session->create.ctl = (struct fastrpc_ctl){
		.method = FASTRPC_PROCESS_CREATE_ATTR,
		.client_id = session->client,
		.name = session->name,
		.file_addr = soft_addr(session->bank, SOFT_CTL_ADDR + SOFT_CTL_SHELL * SOFT_PAGE),
		.file_len = sizeof(SOFTDSP_SHELL_MAGIC) - 1,
		.attrs = privileged ? 0 : FASTRPC_ATTR_UNSIGNED,
	};
	soft_op_start(session, &session->create);
}

/* Everything the DSP needs before CREATE; order on the channel is order on the DSP. */
static void send_bank(struct qda_device_session *session)
{
	struct soft_channel *control = session->soft->control;

	fill_control_record(&session->control_record, SOFTDSP_MAP, session->bank);
	session->control_map = (struct soft_item){
		.record = &session->control_record,
		.size = SOFTDSP_SIZE(map),
		.fds = &session->control->fd,
		.n_fds = 1,
	};
	soft_channel_send(control, &session->control_map);
	if (!session->dirs.n_fds)
		return;
	session->dirs_record = (struct softdsp_record){
		.kind = SOFTDSP_DIRS,
		.bank = session->bank,
		.client = session->client,
	};
	session->dirs.record = &session->dirs_record;
	session->dirs.size = SOFTDSP_HEAD;
	session->dirs.fds = session->dir_fds;
	session->dirs.sent = close_dirs;
	soft_channel_send(control, &session->dirs);
}

static int fill_memory(struct qda_device_session *session)
{
	struct qda_device *dev = &session->soft->device;
	uint8_t *view;
	int r;

	r = soft_buffer_create(dev, SOFT_CTL_PAGES * SOFT_PAGE, &session->control);
	if (r < 0)
		return r;
	view = soft_buffer_view(session->control);
	if (!view)
		return -errno;
	memcpy(view + SOFT_CTL_SHELL * SOFT_PAGE, SOFTDSP_SHELL_MAGIC,
	       sizeof(SOFTDSP_SHELL_MAGIC) - 1);
	r = soft_buffer_create(dev, SOFT_MESSAGE_PAGES * SOFT_PAGE, &session->messages);
	if (r < 0)
		return r;
	return soft_buffer_view(session->messages) ? 0 : -errno;
}

static int copy_dirs(struct qda_device_session *session, const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			return -errno;
		session->dir_fds[session->dirs.n_fds++] = fd;
	}
	return 0;
}

static struct qda_device_session *session_new(struct soft *soft, uint32_t bank)
{
	struct qda_device_session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->soft = soft;
	session->bank = bank;
	session->pd_fd = -1;
	session->client = soft->last_client =
		soft->last_client == INT32_MAX ? 1 : soft->last_client + 1;
	soft_channel_init(&session->pd, soft);
	space_init(&session->space, SOFT_SPACE_LOW);
	qda_runs_init(&session->runs, SOFT_MESSAGE_PAGES);
	TAILQ_INIT(&session->mapped);
	TAILQ_INIT(&session->idle);
	TAILQ_INIT(&session->calls);
	TAILQ_INIT(&session->spare);
	TAILQ_INIT(&session->key_queue);
	RB_INIT(&session->keys);
	TAILQ_INSERT_TAIL(&soft->sessions, session, link);
	return session;
}

int soft_session_open(struct qda_device *dev, const struct qda_device_open *open, uint64_t cookie,
		      struct qda_device_session **out)
{
	struct soft *soft = soft_of(dev);
	struct qda_device_session *session;
	uint32_t bank;
	int r;

	if (soft->link != SOFT_LINK_UP)
		return -ENOTCONN;
	if (open->n_dirs && (!soft->hello.client_dirs || open->n_dirs > SOFTDSP_MAX_DIRS))
		return soft->hello.client_dirs ? -E2BIG : -EOPNOTSUPP;
	bank = bank_take(soft);
	if (!bank)
		return -EUSERS;
	session = session_new(soft, bank);
	r = session ? fill_memory(session) : -ENOMEM;
	if (!r)
		r = copy_dirs(session, open->dir_fds, open->n_dirs);
	if (r < 0) {
		soft->banks[bank].taken = false;
		if (session)
			soft_session_destroy(session);
		return r;
	}
	session->cookie = open->session_cookie;
	session->open_cookie = cookie;
	snprintf(session->name, sizeof(session->name), "%s", open->name ? open->name : "");
	send_bank(session);
	send_create(session, open->privileged);
	*out = session;
	return 0;
}
