/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_broker.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* In the script's thread cmocka cannot jump out of a failed assertion: stop at once. */
#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

bool fake_recv(struct fake *f)
{
	int r;

	qda_packet_close_fds(&f->packet);
	r = qda_packet_recv(f->fd, f->in, sizeof(f->in), 0, &f->packet);
	if (r == 0 || r == -ECONNRESET)
		return false;
	must(r == 1);
	must(qda_frame_read(f->in, f->packet.n, &f->frame) == 0);
	must(f->frame.version == QDA_PROTOCOL_VERSION && f->frame.flags == 0);
	must(qda_request_decode(&f->decoder, f->frame.type, f->in + QDA_FRAME_SIZE,
				f->frame.body_len, &f->request) == 0);
	f->tail = f->in + QDA_FRAME_SIZE + f->frame.body_len;
	f->n_tail = f->packet.n - QDA_FRAME_SIZE - f->frame.body_len;
	return true;
}

static void put(struct fake *f, struct iovec *iov, unsigned n, const int *fds, unsigned n_fds)
{
	int r = qda_packet_send(f->fd, iov, n, fds, n_fds, 0);

	must(r == 0 || r == -EPIPE || r == -ECONNRESET);
}

void fake_reply(struct fake *f, uint64_t serial, struct qda_msg_reply *reply, const void *tail,
		size_t n_tail, const int *fds, unsigned n_fds)
{
	struct iovec iov[2] = { { f->out, 0 }, { (void *)tail, n_tail } };
	int n;

	if (!reply->type)
		reply->type = f->frame.type;
	n = qda_reply_encode(f->out, sizeof(f->out), serial, reply);
	must(n > 0);
	iov[0].iov_len = (size_t)n;
	put(f, iov, 2, fds, n_fds);
}

void fake_event(struct fake *f, const struct qda_msg_event *event)
{
	int n = qda_event_encode(f->out, sizeof(f->out), event);

	must(n > 0);
	fake_bytes(f, f->out, (size_t)n);
}

void fake_bytes(struct fake *f, const void *bytes, size_t n)
{
	struct iovec iov = { (void *)bytes, n };

	put(f, &iov, 1, NULL, 0);
}

bool fake_usual(struct fake *f)
{
	struct qda_msg_reply reply = { 0 };

	switch (f->frame.type) {
	case QDA_TYPE_SESSION_OPEN:
		reply.session_open.session = 0x50 + 0x100 * f->n_sessions++;
		break;
	case QDA_TYPE_MODULE_OPEN:
		reply.module_open.handle = 0x60;
		break;
	case QDA_TYPE_SESSION_CLOSE:
	case QDA_TYPE_MODULE_CLOSE:
	case QDA_TYPE_BUFFER_FREE:
	case QDA_TYPE_SUBSCRIBE:
		break;
	default:
		return false;
	}
	fake_reply(f, f->frame.serial, &reply, NULL, 0, NULL, 0);
	return true;
}

static void *serve(void *data)
{
	struct fake *f = data;
	struct qda_msg_reply hello = {
		.hello = { .version = 1, .daemon = "fake", .limits = f->limits },
	};

	f->fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	must(f->fd >= 0);
	if (!f->no_hello) {
		must(fake_recv(f) && f->frame.type == QDA_TYPE_HELLO);
		fake_reply(f, f->frame.serial, &hello, NULL, 0, NULL, 0);
	}
	f->script(f);
	qda_packet_close_fds(&f->packet);
	close(f->fd);
	return NULL;
}

void fake_start(struct fake *f, void (*script)(struct fake *f))
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	f->script = script;
	f->packet.n_fds = 0;
	f->n_sessions = 0;
	snprintf(f->dir, sizeof(f->dir), "/tmp/qda-fake.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/sock", f->dir);
	memcpy(addr.sun_path, f->path, strlen(f->path) + 1);
	f->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_true(f->listener >= 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(f->listener, 1), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
}

struct qda_client *fake_connect(struct fake *f)
{
	struct qda_client *client;
	struct qda_error e;

	if (qda_connect(f->path, "test", &client, &e))
		fail_msg("%s", e.text);
	return client;
}

void fake_stop(struct fake *f, struct qda_client *client)
{
	qda_disconnect(client);
	pthread_join(f->thread, NULL);
	close(f->listener);
	unlink(f->path);
	rmdir(f->dir);
}

struct qda_module *fake_module(struct qda_client *client)
{
	struct qda_session *session;
	struct qda_module *module = NULL;
	struct qda_error e;

	if (qda_session_open(client, NULL, &session, &e) ||
	    qda_module_open(session, "file:///a", &module, &e))
		fail_msg("%s", e.text);
	return module;
}

unsigned count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}
