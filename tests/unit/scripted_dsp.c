// SPDX-License-Identifier: BSD-3-Clause
/*
 * The scripted DSP, see scripted_dsp.h.
 */
#include "scripted_dsp.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define CTL_ADDR 0x1000u
#define CTL_PAGES 3
#define MESSAGE_BYTES (1u << 20)
#define COOKIE_OWN (1ull << 41)

/* --- the socket --- */

void dsp_start(struct dsp *dsp, struct rig *rig)
{
	struct qda_soft_config config = { .name = "cdsp" };

	*dsp = (struct dsp){ .rig = rig, .listener = -1, .control = -1 };
	snprintf(dsp->dir, sizeof(dsp->dir), "/tmp/qda-test-XXXXXX");
	assert_non_null(mkdtemp(dsp->dir));
	snprintf(dsp->path, sizeof(dsp->path), "%s/dsp.sock", dsp->dir);
	config.socket_path = dsp->path;
	rig_start(rig, &config);
}

void dsp_listen(struct dsp *dsp)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	memcpy(addr.sun_path, dsp->path, strlen(dsp->path));
	dsp->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_true(dsp->listener >= 0);
	assert_int_equal(bind(dsp->listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(dsp->listener, 4), 0);
}

void dsp_accept(struct dsp *dsp)
{
	assert_true(dsp->control < 0);
	rig_wait_fd(dsp->rig, dsp->listener);
	dsp->control = accept4(dsp->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(dsp->control >= 0);
}

void dsp_hello(struct dsp *dsp, uint32_t banks, bool client_dirs)
{
	const struct softdsp_record record = {
		.kind = SOFTDSP_HELLO,
		.hello = {
			.version = SOFTDSP_VERSION,
			.banks = banks,
			.client_dirs = client_dirs,
			.name = "cdsp",
			.arch = 0x73,
		},
	};

	dsp_send(dsp->control, &record, SOFTDSP_SIZE(hello), NULL, 0);
}

void dsp_up(struct dsp *dsp, struct rig *rig)
{
	dsp_start(dsp, rig);
	dsp_listen(dsp);
	dsp_accept(dsp);
	dsp_hello(dsp, DSP_BANKS, false);
	rig_wait_state(rig, QDA_DEVICE_UP);
}

void dsp_hang_up(struct dsp *dsp)
{
	close(dsp->control);
	dsp->control = -1;
}

void dsp_stop(struct dsp *dsp)
{
	if (dsp->control >= 0)
		dsp_hang_up(dsp);
	if (dsp->listener >= 0)
		close(dsp->listener);
	unlink(dsp->path);
	rmdir(dsp->dir);
	rig_stop(dsp->rig);
}

/* --- records --- */

void dsp_send(int channel, const void *bytes, size_t size, const int *fds, unsigned n_fds)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * 253)];
	} control;
	struct iovec vector = { .iov_base = (void *)bytes, .iov_len = size };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };

	if (n_fds) {
		memset(&control, 0, sizeof(control));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n_fds);
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
	}
	assert_int_equal(sendmsg(channel, &message, MSG_NOSIGNAL), size);
}

void dsp_respond(int channel, uint64_t ctx, int32_t result)
{
	const struct fastrpc_rsp rsp = { .ctx = ctx, .retval = result };
	struct softdsp_record record = { .kind = SOFTDSP_RESPONSE };

	memcpy(record.rsp, &rsp, sizeof(rsp));
	dsp_send(channel, &record, SOFTDSP_SIZE(rsp), NULL, 0);
}

void dsp_exit(struct dsp *dsp, const struct dsp_pd *pd, int32_t signal, const char *text)
{
	union {
		struct softdsp_record record;
		char bytes[2048];
	} u = { .record = { .kind = SOFTDSP_EXIT, .bank = pd->bank, .client = pd->client } };

	u.record.exit.signal = signal;
	u.record.exit.status = 9;
	memcpy(u.bytes + SOFTDSP_SIZE(exit), text, strlen(text));
	dsp_send(dsp->control, &u, SOFTDSP_SIZE(exit) + strlen(text), NULL, 0);
}

struct dsp_got dsp_expect(struct dsp *dsp, int channel, enum softdsp_kind kind, size_t size)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * SOFTDSP_MAX_DIRS)];
	} control;
	struct dsp_got got = { .fd = -1 };
	struct iovec vector = { .iov_base = &got.record, .iov_len = sizeof(got.record) };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	ssize_t n;

	rig_wait_fd(dsp->rig, channel);
	n = recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	assert_int_equal(n, size);
	assert_int_equal(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC), 0);
	assert_int_equal(got.record.kind, kind);
	c = CMSG_FIRSTHDR(&message);
	if (c) {
		assert_int_equal(c->cmsg_len, CMSG_LEN(sizeof(int)));
		memcpy(&got.fd, CMSG_DATA(c), sizeof(int));
	}
	if (kind == SOFTDSP_CALL)
		memcpy(&got.msg, got.record.call.msg, sizeof(got.msg));
	return got;
}

void dsp_expect_nothing(struct dsp *dsp, int channel)
{
	char byte;

	rig_settle(dsp->rig);
	assert_int_equal(recv(channel, &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	assert_int_equal(errno, EAGAIN);
}

struct dsp_got dsp_expect_ctl(struct dsp *dsp, const struct dsp_pd *pd, uint32_t method,
			      struct fastrpc_ctl *ctl, char *name, struct fastrpc_place *rsp)
{
	struct dsp_got got = dsp_expect(dsp, dsp->control, SOFTDSP_CALL, SOFTDSP_SIZE(call));
	uint8_t payload[FASTRPC_CTL_PAYLOAD];
	uint32_t addr = (uint32_t)got.msg.addr;

	assert_int_equal(got.fd, -1);
	assert_int_equal(got.msg.handle, FASTRPC_HANDLE_PROCESS);
	assert_int_equal(got.msg.client_id, 0);
	assert_int_equal(got.msg.addr >> 32, pd->bank);
	assert_int_equal(got.msg.size, FASTRPC_CTL_PAYLOAD);
	assert_in_range(addr, CTL_ADDR, CTL_ADDR + (CTL_PAGES - 1) * FASTRPC_PAGE);
	assert_int_equal(pread(pd->control_memory, payload, sizeof(payload), addr - CTL_ADDR),
			 sizeof(payload));
	assert_int_equal(fastrpc_ctl_read(&got.msg, payload, sizeof(payload), ctl, name, rsp), 0);
	assert_int_equal(ctl->method, method);
	assert_int_equal(ctl->client_id, pd->client);
	return got;
}

/* --- protection domains --- */

void dsp_begin_pd(struct dsp *dsp, struct dsp_pd *pd, uint64_t cookie, uint64_t open_cookie)
{
	const struct qda_device_open open = { .session_cookie = cookie, .name = "a name" };
	char magic[sizeof(SOFTDSP_SHELL_MAGIC) - 1], name[FASTRPC_CTL_NAME];
	struct fastrpc_place rsp;
	struct fastrpc_ctl ctl;
	struct dsp_got got;
	int channels[2];

	assert_int_equal(rig_open(dsp->rig, &open, open_cookie, &pd->session), 0);
	got = dsp_expect(dsp, dsp->control, SOFTDSP_MAP, SOFTDSP_SIZE(map));
	assert_int_equal(got.record.map.addr, CTL_ADDR);
	assert_int_equal(got.record.map.size, CTL_PAGES * FASTRPC_PAGE);
	assert_int_equal(got.record.map.offset, 0);
	assert_int_equal(got.record.map.flags, 0);
	assert_true(fcntl(got.fd, F_GET_SEALS) & F_SEAL_SHRINK);
	pd->control_memory = got.fd;
	pd->bank = got.record.bank;
	got = dsp_expect(dsp, dsp->control, SOFTDSP_CALL, SOFTDSP_SIZE(call));
	/* The client id is in the body; it is read again below with the rest of it. */
	pd->client = got.record.client;
	assert_true(pd->client > 0);
	assert_int_equal(got.msg.addr, (uint64_t)pd->bank << 32 | CTL_ADDR);
	{
		uint8_t payload[FASTRPC_CTL_PAYLOAD];

		assert_int_equal(pread(pd->control_memory, payload, sizeof(payload), 0),
				 sizeof(payload));
		assert_int_equal(fastrpc_ctl_read(&got.msg, payload, sizeof(payload), &ctl, name,
						  &rsp), 0);
	}
	assert_int_equal(ctl.method, FASTRPC_PROCESS_CREATE_ATTR);
	assert_int_equal(ctl.client_id, pd->client);
	assert_int_equal(ctl.attrs, FASTRPC_ATTR_UNSIGNED);
	assert_string_equal(name, "a name");
	assert_int_equal(ctl.file_addr >> 32, pd->bank);
	assert_int_equal(ctl.file_len, sizeof(magic));
	assert_int_equal(pread(pd->control_memory, magic, sizeof(magic),
			       (uint32_t)ctl.file_addr - CTL_ADDR), sizeof(magic));
	assert_memory_equal(magic, SOFTDSP_SHELL_MAGIC, sizeof(magic));
	assert_int_equal(fastrpc_ctx_pd_type(got.msg.ctx), FASTRPC_PD_USER);
	assert_in_range(fastrpc_ctx_id(got.msg.ctx), 1, 16);
	pd->create_ctx = got.msg.ctx;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channels), 0);
	pd->channel = channels[0];
	pd->theirs = channels[1];
	pd->messages = -1;
}

void dsp_grant_pd(struct dsp *dsp, struct dsp_pd *pd, int sndbuf)
{
	const struct softdsp_record record = {
		.kind = SOFTDSP_PD,
		.bank = pd->bank,
		.client = pd->client,
	};

	if (sndbuf)
		assert_int_equal(setsockopt(pd->theirs, SOL_SOCKET, SO_SNDBUF, &sndbuf,
					    sizeof(sndbuf)), 0);
	dsp_send(dsp->control, &record, SOFTDSP_HEAD, &pd->theirs, 1);
	close(pd->theirs);
	dsp_respond(dsp->control, pd->create_ctx, 0);
}

void dsp_pd(struct dsp *dsp, struct dsp_pd *pd, uint64_t cookie)
{
	struct dsp_got got;

	dsp_begin_pd(dsp, pd, cookie, COOKIE_OWN);
	dsp_grant_pd(dsp, pd, 0);
	assert_int_equal(rig_wait(dsp->rig, COOKIE_OWN).err, 0);
	got = dsp_expect(dsp, pd->channel, SOFTDSP_MAP, SOFTDSP_SIZE(map));
	assert_int_equal(got.record.bank, pd->bank);
	assert_int_equal(got.record.map.size, MESSAGE_BYTES);
	assert_int_equal(got.record.map.maps, 1);
	assert_true(fcntl(got.fd, F_GET_SEALS) & F_SEAL_SHRINK);
	pd->messages = got.fd;
	pd->messages_addr = (uint32_t)got.record.map.addr;
}

void dsp_drop_pd(struct dsp_pd *pd)
{
	close(pd->channel);
	close(pd->control_memory);
	if (pd->messages >= 0)
		close(pd->messages);
}

void dsp_end_pd(struct dsp *dsp, struct dsp_pd *pd)
{
	char name[FASTRPC_CTL_NAME];
	struct fastrpc_place rsp;
	struct fastrpc_ctl ctl;
	struct dsp_got got;

	rig_close(dsp->rig, pd->session, COOKIE_OWN);
	got = dsp_expect_ctl(dsp, pd, FASTRPC_PROCESS_RELEASE, &ctl, name, &rsp);
	dsp_respond(dsp->control, got.msg.ctx, 0);
	assert_int_equal(rig_wait(dsp->rig, COOKIE_OWN).err, 0);
	got = dsp_expect(dsp, dsp->control, SOFTDSP_UNMAP, SOFTDSP_SIZE(map));
	assert_int_equal(got.record.bank, pd->bank);
	assert_int_equal(got.record.map.addr, CTL_ADDR);
	assert_int_equal(got.record.map.size, CTL_PAGES * FASTRPC_PAGE);
	dsp_drop_pd(pd);
}
