// SPDX-License-Identifier: BSD-3-Clause
/*
 * A running protection domain: what it sends, and how its end becomes known. A PD runs code of
 * clients: every record is checked, and a bad one ends that PD alone.
 */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device/soft.h"

/* Batches read before a PD that ended is taken for one that floods. */
#define DRAIN_MAX 64

/* --- its end --- */

static void tell_lost(struct qda_device_session *session)
{
	struct soft *soft = session->soft;
	struct qda_device_lost lost = {
		.signal = session->exit_signal,
		.text = session->exit_text,
	};

	session->state = SOFT_LOST;
	soft_undying(session);
	if (!soft->freed && !session->closing)
		soft->device.events->lost(soft->device.owner, session->cookie, &lost);
}

/* The channel is of no use any more; the reason may be known already, or come by EXIT. */
static void pd_ended(struct qda_device_session *session, int err)
{
	soft_channel_mute(&session->pd);
	session->state = SOFT_DYING;
	soft_calls_fail(session, err);
	soft_keys_fail(session, err);
	if (session->exited)
		tell_lost(session);
	else
		soft_dying(session);
}

static void set_reason(struct qda_device_session *session, const char *text, size_t n)
{
	if (n >= sizeof(session->exit_text))
		n = sizeof(session->exit_text) - 1;
	for (size_t i = 0; i < n; i++)
		session->exit_text[i] = iscntrl((unsigned char)text[i]) ? '?' : text[i];
	session->exit_text[n] = '\0';
	session->exited = true;
}

void soft_pd_gone(struct qda_device_session *session, int err, const char *why)
{
	if (!session->exited)
		set_reason(session, why, strlen(why));
	if (session->state == SOFT_DYING)
		tell_lost(session);
	else
		pd_ended(session, err);
}

static void __attribute__((format(printf, 2, 3)))
misbehaved(struct qda_device_session *session, const char *format, ...)
{
	char why[128];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	soft_pd_gone(session, -ECONNRESET, why);
}

void soft_pd_give_up(struct qda_device_session *session)
{
	soft_pd_gone(session, -ECONNRESET, "the PD ended without a word");
}

static void describe_exit(struct qda_device_session *session, const struct softdsp_exit *exit)
{
	char text[64];
	int n;

	if (exit->signal > 0)
		n = snprintf(text, sizeof(text), "the PD was killed by signal %d", exit->signal);
	else
		n = snprintf(text, sizeof(text), "the PD exited with status %d", exit->status);
	set_reason(session, text, (size_t)n);
}

/* Everything that a PD sent before its end is in the channel by now, and counts. */
static void drain(struct qda_device_session *session)
{
	for (int i = 0; i < DRAIN_MAX && session->state == SOFT_OPEN; i++)
		soft_pd_ready(&session->pd);
}

void soft_pd_exit(struct qda_device_session *session, const struct softdsp_record *record,
		  size_t size)
{
	const char *text = (const char *)record + SOFTDSP_SIZE(exit);
	size_t n = size - SOFTDSP_SIZE(exit);

	if (session->exited)
		return;
	session->exit_signal = record->exit.signal > 0 && record->exit.signal <= SIGRTMAX
				       ? (uint32_t)record->exit.signal
				       : 0;
	if (n)
		set_reason(session, text, n);
	else
		describe_exit(session, &record->exit);
	drain(session);
	if (session->state == SOFT_OPEN)
		pd_ended(session, -ECONNRESET);
	else if (session->state == SOFT_DYING)
		tell_lost(session);
}

/* --- its channel --- */

static bool is_channel(int fd)
{
	int domain = 0, type = 0;
	socklen_t size = sizeof(int);

	return !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) && domain == AF_UNIX &&
	       !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) && type == SOCK_SEQPACKET;
}

void soft_pd_channel(struct qda_device_session *session, int fd)
{
	if (session->state == SOFT_OPENING && session->pd_fd < 0 && is_channel(fd))
		session->pd_fd = fd;
	else
		close(fd);
}

/* A response that nobody in this session waits for is late, doubled or forged: it is dropped. */
static void on_response(struct qda_device_session *session, const struct softdsp_record *record)
{
	struct fastrpc_rsp rsp = { 0 };
	struct soft_wait *wait;

	if (fastrpc_response(record->rsp, sizeof(record->rsp), &rsp) < 0) {
		misbehaved(session, "the PD sent a response with context word %#llx",
			   (unsigned long long)rsp.ctx);
		return;
	}
	wait = soft_ids_find(&session->soft->ids, rsp.ctx);
	if (wait && wait->kind == SOFT_WAIT_CALL && wait->session == session &&
	    !((struct soft_call *)wait)->item.queued)
		soft_call_response((struct soft_call *)wait, rsp.retval);
}

static void on_log(struct qda_device_session *session, const struct softdsp_record *record,
		   size_t size)
{
	struct soft *soft = session->soft;
	struct qda_log_line line = {
		.level = record->log.level < 4 ? record->log.level : 4,
		.dropped = record->log.dropped,
		.text = (const char *)record + SOFTDSP_SIZE(log),
		.n = size - SOFTDSP_SIZE(log),
	};

	if (!soft->freed)
		soft->device.events->log(soft->device.owner, session->cookie, &line);
}

static void on_record(struct qda_device_session *session, const struct softdsp_record *record,
		      int size)
{
	if (size == 0)
		pd_ended(session, -ECONNRESET);
	else if (size < (int)SOFTDSP_HEAD)
		misbehaved(session, "the PD sent a record that was cut or carried descriptors");
	else if (record->kind == SOFTDSP_RESPONSE && size == (int)SOFTDSP_SIZE(rsp))
		on_response(session, record);
	else if (record->kind == SOFTDSP_LOG && size >= (int)SOFTDSP_SIZE(log))
		on_log(session, record, (size_t)size);
	else
		misbehaved(session, "the PD sent a record of kind %u and %d bytes", record->kind,
			   size);
}

void soft_pd_ready(struct soft_channel *channel)
{
	struct qda_device_session *session =
		(struct qda_device_session *)((char *)channel -
					      offsetof(struct qda_device_session, pd));
	struct soft_batch *batch = &session->soft->batch;
	int n = soft_batch_read(batch, channel->fd);

	if (n < 0 && n != -EAGAIN)
		misbehaved(session, "the PD's channel failed: %s", strerrordesc_np(-n));
	for (int i = 0; i < n && session->state == SOFT_OPEN && channel->on_readable; i++)
		on_record(session, &batch->buffers[i].record, soft_batch_size(batch, i));
}
