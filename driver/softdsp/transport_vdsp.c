// SPDX-License-Identifier: BSD-3-Clause
/*
 * The vdsp transport of a PD: its file of a virtual DSP brings its calls and takes its answers, and
 * the bank is one mapping of that file, made before the PD confines itself. What is mapped in the
 * bank is the kernel's to say at each access; where nothing is, the access is a SIGBUS, which plays
 * the fault of an SMMU.
 *
 * Such a file carries no log lines: they go to the supervisor.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver/fastrpc/fastrpc.h"
#include "driver/include/uapi/drm/qda_vdsp.h"
#include "order.h"
#include "record.h"
#include "transport.h"

#define BANK_SIZE (1ull << 32)

struct vdsp_transport {
	struct transport transport; /* first */
	int fd;
	_Atomic uint32_t lost_lines; /* since the last one that was sent */
};

static struct vdsp_transport the_transport;

static struct vdsp_transport *from(struct transport *t)
{
	return (struct vdsp_transport *)t;
}

static int next(struct transport *transport, struct fastrpc_msg *msg)
{
	struct qda_vdsp_record record;
	ssize_t n;

	do
		n = read(from(transport)->fd, &record, sizeof(record));
	while (n < 0 && errno == EINTR);
	if (n != sizeof(record))
		return 0;
	memcpy(msg, record.msg, sizeof(*msg));
	return 1;
}

/* Fails only when the DSP has restarted, and then next() says so. */
static void reply(struct transport *transport, uint64_t ctx, int32_t retval)
{
	const struct fastrpc_rsp rsp = { .ctx = ctx, .retval = retval };

	if (write(from(transport)->fd, &rsp, sizeof(rsp)) < 0)
		return;
}

/* Never waits: a line that finds the socket full is lost, and the next one says so. */
static void send_log(struct transport *transport, uint32_t level, const char *text, size_t n)
{
	struct vdsp_transport *t = from(transport);
	const uint32_t lost = atomic_exchange(&t->lost_lines, 0);
	struct pd_report report = { .kind = PD_REPORT_LOG, .result = level, .lost = lost };

	memcpy(report.text, text, n < PD_TEXT_MAX ? n : PD_TEXT_MAX);
	if (record_send(PD_FD_ORDERS, &report, sizeof(report), -1, MSG_DONTWAIT) < 0)
		atomic_fetch_add(&t->lost_lines, lost + 1);
}

/* The kernel keeps a message's memory mapped until the answer. */
static uint64_t readable(struct transport *transport, uint32_t addr, uint64_t want)
{
	return want > BANK_SIZE - addr ? BANK_SIZE - addr : want;
}

static const struct transport_ops vdsp_ops = {
	.next = next,
	.reply = reply,
	.log = send_log,
	.readable = readable,
};

int transport_vdsp_init(int fd, int32_t client, uint32_t bank, struct transport **out)
{
	struct vdsp_transport *t = &the_transport;

	t->fd = fd;
	t->transport = (struct transport){ .ops = &vdsp_ops, .client = client, .bank = bank };
	t->transport.base = mmap(NULL, BANK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (t->transport.base == MAP_FAILED)
		return -errno;
	*out = &t->transport;
	return 0;
}
