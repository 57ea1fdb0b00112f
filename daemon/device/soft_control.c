// SPDX-License-Identifier: BSD-3-Clause
/*
 * What the software DSP says on its control channel. It is its own program and its own user: every
 * record is checked, and a bad one ends the connection with a reason, never the daemon.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "device/soft.h"

#define ROUND 16	/* records a callback; the loop comes back for more */

static struct qda_device_session *find_client(struct soft *soft, int32_t client)
{
	struct qda_device_session *session;

	TAILQ_FOREACH(session, &soft->sessions, link)
		if (session->client == client)
			return session;
	return NULL;
}

static void on_hello(struct soft *soft, const struct softdsp_record *record)
{
	const struct softdsp_hello *hello = &record->hello;

	if (hello->version != SOFTDSP_VERSION)
		soft_link_gone(soft, true, "the software DSP speaks version %u, this daemon %u",
			       hello->version, SOFTDSP_VERSION);
	else if (hello->banks < 1 || hello->banks > SOFT_BANKS_MAX)
		soft_link_gone(soft, true,
			       "the software DSP has %u context banks: 1 to %u are possible",
			       hello->banks, SOFT_BANKS_MAX);
	else if (strncmp(hello->name, soft->name, sizeof(hello->name)))
		soft_link_gone(soft, true, "the software DSP is called '%.16s', not '%s'",
			       hello->name, soft->name);
	else
		soft_link_up(soft, hello);
}

static void on_response(struct soft *soft, const struct softdsp_record *record)
{
	struct fastrpc_rsp rsp = { 0 };
	struct soft_wait *wait;

	if (fastrpc_response(record->rsp, sizeof(record->rsp), &rsp) < 0) {
		soft_link_gone(soft, true,
			       "the software DSP sent a response with context word %#llx",
			       (unsigned long long)rsp.ctx);
		return;
	}
	wait = soft_ids_find(&soft->ids, rsp.ctx);
	if (wait && wait->kind == SOFT_WAIT_OP && !((struct soft_op *)wait)->item.queued)
		soft_op_response((struct soft_op *)wait, rsp.retval);
}

/* Takes over the descriptor. */
static void on_pd(struct soft *soft, const struct softdsp_record *record, int fd)
{
	struct qda_device_session *session = find_client(soft, record->client);

	if (session)
		soft_pd_channel(session, fd);
	else
		close(fd);
}

static void on_exit_record(struct soft *soft, const struct softdsp_record *record, int size)
{
	struct qda_device_session *session = find_client(soft, record->client);

	if (session)
		soft_pd_exit(session, record, (size_t)size);
}

/* Descriptors that nobody asked for are closed by the caller: *n_fds is what is left of them. */
static void on_record(struct soft *soft, const struct softdsp_record *record, int size,
		      const int *fds, unsigned *n_fds)
{
	uint32_t kind = size >= (int)SOFTDSP_HEAD ? record->kind : 0;

	if (soft->link == SOFT_LINK_HELLO && kind == SOFTDSP_HELLO &&
	    size == (int)SOFTDSP_SIZE(hello))
		on_hello(soft, record);
	else if (soft->link != SOFT_LINK_UP)
		soft_link_gone(soft, true, "the software DSP did not begin with a HELLO");
	else if (kind == SOFTDSP_RESPONSE && size == (int)SOFTDSP_SIZE(rsp))
		on_response(soft, record);
	else if (kind == SOFTDSP_PD && *n_fds == 1)
		on_pd(soft, record, fds[--*n_fds]);
	else if (kind == SOFTDSP_PD)
		return;	/* its session learns that there is no channel from CREATE's answer */
	else if (kind == SOFTDSP_EXIT && size >= (int)SOFTDSP_SIZE(exit))
		on_exit_record(soft, record, size);
	else
		soft_link_gone(soft, true, "the software DSP sent a record of kind %u and %d bytes",
			       kind, size);
}

void soft_control_ready(struct soft_channel *channel)
{
	struct soft *soft = channel->soft;
	union soft_buffer buffer;
	int fds[SOFT_FDS_MAX];
	unsigned n_fds;

	for (int i = 0; i < ROUND && soft->control == channel; i++) {
		int size = soft_channel_read(channel->fd, &buffer, fds, &n_fds);

		if (size == -EAGAIN)
			return;
		if (size == 0)
			soft_link_gone(soft, false, "the software DSP is gone");
		else if (size < 0)
			soft_link_gone(soft, true, "the software DSP's channel failed: %s",
				       strerrordesc_np(-size));
		else
			on_record(soft, &buffer.record, size, fds, &n_fds);
		while (n_fds)
			close(fds[--n_fds]);
	}
}
