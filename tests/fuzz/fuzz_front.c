/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The front and the core behind it, fed by any bytes: the input is a row of steps. Clients come,
 * say something well formed or not, read or do not read, and go; the device, which is scripted,
 * completes, refuses, loses; time passes. Every request is answered at most once and with a
 * message that can be decoded, and at the end core asserts that all accounts are back at zero.
 *
 * Clients remember what they were given, so that an input can name it, mostly of the right kind.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/domain.h"
#include "core/session.h"
#include "fake_device.h"
#include "fastrpc.h"
#include "front/conn.h"
#include "front/disposer.h"

#define PEERS		4u
#define SESSIONS	16u
#define SERIALS		1024u
#define IDS		16u /* that a client remembers of a kind */
#define STEPS		400u
#define SMALLEST_SNDBUF 1 /* the kernel makes some KiB of it: replies wait soon */

enum kind { BUFFER, SESSION, MODULE, KINDS };

struct peer {
	int fd; /* -1: not there */
	uint64_t serial;
	uint64_t ids[KINDS][IDS];
	unsigned n_ids[KINDS];
	bool answered[SERIALS];
};

static struct peer peers[PEERS];
static struct qda_device_session *sessions[SESSIONS]; /* that the device has */
static struct qda_device_ops ops;		      /* the fake's, but for two */
static const struct qda_device_ops *fake_ops;
static struct qda_front front;
static struct qda_core *core;
static struct qda_domain *domain;
static struct fake_device *fake;
static uv_loop_t loop;
static uint64_t the_time;
static const uint8_t *input, *input_end;
static struct qda_decoder decoder;
static uint8_t in[QDA_MESSAGE_MAX], out[QDA_MESSAGE_MAX];
static int null_fd, memory_fd;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static uint8_t byte(void)
{
	return input < input_end ? *input++ : 0;
}

static uint32_t word(void)
{
	uint32_t low = byte();

	return low | (uint32_t)byte() << 8;
}

/* Something that one of the clients was given; now and then of another kind or client. */
static uint64_t id(const struct peer *p, enum kind kind)
{
	uint8_t b = byte();

	if (b >= 240)
		kind = b % KINDS;
	if (b >= 232)
		p = &peers[b / 4 % PEERS];
	return p->n_ids[kind] ? p->ids[kind][b % p->n_ids[kind] % IDS] : b;
}

static void learn(struct peer *p, enum kind kind, uint64_t number)
{
	if (number)
		p->ids[kind][p->n_ids[kind]++ % IDS] = number;
}

static uint64_t now(void)
{
	return the_time;
}

static uint32_t no_random(void)
{
	return 0;
}

static int open_fd(struct qda_device_buffer *buffer)
{
	return null_fd;
}

static void turn(unsigned n)
{
	while (n--)
		uv_run(&loop, UV_RUN_NOWAIT);
}

/* --- the device --- */

static int session_open(struct qda_device *dev, const struct qda_device_open *open, uint64_t cookie,
			struct qda_device_session **session)
{
	int r = fake_ops->session_open(dev, open, cookie, session);

	for (unsigned i = 0; r == 0 && i < SESSIONS; i++) {
		if (sessions[i])
			continue;
		sessions[i] = *session;
		break;
	}
	return r;
}

static void forget(const struct qda_device_session *session)
{
	for (unsigned i = 0; i < SESSIONS; i++)
		if (sessions[i] == session)
			sessions[i] = NULL;
}

/* What the DSP leaves in memory: nothing, the answer to a module's open, or any bytes. */
static void leave_outs(struct fake_op *op, uint8_t what)
{
	const uint32_t module[2] = { 0x80000000u | what, 0 };

	for (unsigned i = fastrpc_sc_in(op->sc); what && i < fastrpc_sc_bufs(op->sc); i++) {
		if (!op->args[i].buffer)
			continue;
		if (op->args[i].length == sizeof(module) && what < 128)
			memcpy(fake_bytes(op, i), module, sizeof(module));
		else
			memset(fake_bytes(op, i), what, op->args[i].length);
	}
}

static void complete(struct fake_op *op, struct qda_device_done *done)
{
	if (op->kind == FAKE_CLOSE)
		done->err = 0;
	if (op->kind == FAKE_CLOSE || (op->kind == FAKE_OPEN && done->err))
		forget(op->session);
	fake_complete(op, done);
}

static void step_complete(void)
{
	static const int errors[] = {
		0, 0, 0, 0, 0, 0, -EREMOTEIO, -ECONNRESET, -EPIPE, -ECANCELED
	};
	struct qda_device_done done = { 0 };
	struct fake_op *op = TAILQ_FIRST(&fake->ops);
	unsigned skip = byte() % 8;

	for (; op && skip && TAILQ_NEXT(op, link); skip--)
		op = TAILQ_NEXT(op, link);
	if (!op)
		return;
	done.err = errors[byte() % (sizeof(errors) / sizeof(errors[0]))];
	done.result = byte() % 4 ? 0 : (int32_t)(word() << 16 | word());
	done.dsp_addr = word();
	for (unsigned i = 0; i < fastrpc_sc_out_handles(op->sc) && op->kind == FAKE_CALL; i++)
		done.out_handles[i] = (uint64_t)word() << (byte() % 48);
	if (op->kind == FAKE_CALL)
		leave_outs(op, byte());
	complete(op, &done);
}

static void step_session(void)
{
	struct qda_device_session *session = sessions[byte() % SESSIONS];
	uint8_t what = byte();
	struct qda_log_line line = { what / 4 % 5, what / 32, (const char *)input, 0 };

	line.n = (size_t)(input_end - input) < 64 ? (size_t)(input_end - input) : 64;
	if (!session || !session->open || session->closing)
		return;
	if (what % 4 == 0) {
		fake_die(session, -ECONNRESET);
	} else if (what % 4 == 1) {
		fake_die(session, -EPIPE);
		fake_lost(session, what % 65, "died");
	} else {
		fake->device.events->log(fake->device.owner, session->cookie, &line);
	}
}

/* Sessions are lost before the domain is told to be down; it may come back. */
static void step_domain(void)
{
	uint8_t what = byte();

	if (what % 8) {
		fake->room = what;
		fake_refuse(fake, word() % FAKE_KINDS, -ENOMEM, what % 3);
		return;
	}
	for (unsigned i = 0; i < SESSIONS; i++) {
		struct qda_device_session *session = sessions[i];

		if (!session || !session->open || session->closing)
			continue;
		fake_die(session, -EPIPE);
		fake_lost(session, 0, "the DSP went");
	}
	fake_down(fake, "gone");
	if (what & 8)
		fake_up(fake);
}

/* --- clients --- */

static void hang_up(struct peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

static void learn_reply(struct peer *p, const struct qda_msg_reply *reply)
{
	switch (reply->type) {
	case QDA_TYPE_BUFFER_ALLOC:
	case QDA_TYPE_BUFFER_IMPORT:
		learn(p, BUFFER, reply->buffer.buffer);
		break;
	case QDA_TYPE_SESSION_OPEN:
		learn(p, SESSION, reply->session_open.session);
		break;
	case QDA_TYPE_MODULE_OPEN:
		learn(p, MODULE, reply->module_open.handle);
		break;
	case QDA_TYPE_INVOKE:
		for (uint32_t i = 0; i < reply->invoke.n_out_handles; i++)
			learn(p, MODULE, reply->invoke.out_handles[i].handle);
		break;
	}
}

static void take_message(struct peer *p, const struct qda_packet *packet)
{
	struct qda_frame frame;
	struct qda_msg_event event;
	struct qda_msg_reply reply;
	int r;

	must(qda_frame_read(in, packet->n, &frame) == 0);
	if (frame.flags & QDA_FRAME_EVENT) {
		must(!frame.serial && !packet->n_fds);
		must(qda_event_decode(&decoder, frame.type, in + QDA_FRAME_SIZE, frame.body_len,
				      &event) == 0);
		return;
	}
	must(frame.flags == QDA_FRAME_REPLY && frame.serial <= p->serial);
	must(!p->answered[frame.serial % SERIALS]);
	p->answered[frame.serial % SERIALS] = true;
	r = qda_reply_decode(&decoder, frame.type, in + QDA_FRAME_SIZE, frame.body_len, &reply);
	must(r == 0 || r == -EOPNOTSUPP); /* a type that is not known is refused as what it is */
	if (r == 0 && !reply.status.code)
		learn_reply(p, &reply);
	must(r || packet->n_fds == (frame.type == QDA_TYPE_BUFFER_ALLOC && !reply.status.code));
}

static void read_all(struct peer *p)
{
	struct qda_packet packet;
	int r = p->fd < 0 ? 0 : 1;

	while (r == 1) {
		r = qda_packet_recv(p->fd, in, sizeof(in), MSG_DONTWAIT, &packet);
		if (r == 1)
			take_message(p, &packet);
		qda_packet_close_fds(&packet);
	}
	if (r != -EAGAIN)
		hang_up(p);
}

static unsigned fill_args(const struct peer *p, struct qda_msg_arg *args, uint32_t sc, size_t *n_in)
{
	unsigned n_ins = fastrpc_sc_in(sc), bufs = fastrpc_sc_bufs(sc);
	unsigned n = fastrpc_sc_args(sc);

	for (unsigned i = 0; i < n; i++) {
		uint8_t kind = byte();
		struct qda_msg_arg *a = &args[i];

		*a = (struct qda_msg_arg){ .kind = i < bufs ? kind % 2 : kind % 3 + 2 };
		if (i >= bufs + fastrpc_sc_in_handles(sc)) {
			a->kind = 3 + kind % 2;
			continue;
		}
		a->ref = a->kind == QDA_ARG_INLINE   ? word()
			 : a->kind == QDA_ARG_KEY    ? byte() % 4
			 : a->kind == QDA_ARG_NUMBER ? byte()
						     : id(p, i < bufs ? BUFFER : MODULE);
		if (i < bufs)
			a->length = kind & 128 ? word() : byte();
		if (a->kind == QDA_ARG_BUFFER && kind & 64)
			a->offset = word();
		if (a->kind == QDA_ARG_INLINE && i < n_ins)
			*n_in += a->length;
	}
	return n;
}

static void fill_request(const struct peer *p, struct qda_msg_request *q, struct qda_msg_arg *args,
			 size_t *n_in)
{
	static const char *const domains[] = { "", "cdsp", "", "none" };
	uint8_t b;

	switch (q->type) {
	case QDA_TYPE_HELLO:
		b = byte();
		q->hello.min_version = b & 1;
		q->hello.max_version = b & 2 ? 0 : 1;
		q->hello.name = "fuzz";
		break;
	case QDA_TYPE_GET_STATUS:
		q->get_status.kind = byte() % 4;
		q->get_status.cursor = (uint64_t)byte() << (byte() % 33);
		break;
	case QDA_TYPE_BUFFER_ALLOC:
		q->buffer_alloc.size = word() + 1;
		q->buffer_alloc.domain = domains[byte() % 4];
		break;
	case QDA_TYPE_BUFFER_IMPORT:
		q->buffer_import.size = word();
		q->buffer_import.domain = domains[byte() % 4];
		q->buffer_import.read_only = byte() & 1;
		break;
	case QDA_TYPE_BUFFER_FREE:
		q->buffer_free.buffer = id(p, BUFFER);
		break;
	case QDA_TYPE_SESSION_OPEN:
		q->session_open.domain = domains[byte() % 4];
		break;
	case QDA_TYPE_SESSION_CLOSE:
		q->session_close.session = id(p, SESSION);
		break;
	case QDA_TYPE_BUFFER_MAP:
		q->buffer_map.session = id(p, SESSION);
		q->buffer_map.buffer = id(p, BUFFER);
		b = byte();
		q->buffer_map.key = b % 4;
		q->buffer_map.offset = b / 4 % 4 * 4096;
		q->buffer_map.size = b / 16 % 4 * 4096;
		break;
	case QDA_TYPE_BUFFER_UNMAP:
		q->buffer_unmap.session = id(p, SESSION);
		q->buffer_unmap.key = byte() % 4;
		break;
	case QDA_TYPE_MODULE_OPEN:
		q->module_open.session = id(p, SESSION);
		q->module_open.uri = "file:///a?b";
		break;
	case QDA_TYPE_MODULE_CLOSE:
		q->module_close.handle = id(p, MODULE);
		break;
	case QDA_TYPE_INVOKE:
		q->invoke.handle = id(p, MODULE);
		b = byte();
		q->invoke.sc = fastrpc_sc(0, 2, b & 7, b >> 3 & 3, b >> 5 & 3, byte() % 4);
		q->invoke.timeout_us = byte();
		q->invoke.n_args = fill_args(p, args, q->invoke.sc, n_in);
		q->invoke.args = args;
		break;
	case QDA_TYPE_CANCEL:
		q->cancel.serial = byte();
		break;
	case QDA_TYPE_SUBSCRIBE:
		q->subscribe.mask = byte() & 1;
		break;
	}
}

static void send_it(struct peer *p, size_t n, uint8_t n_fds)
{
	const int fds[3] = { memory_fd, null_fd, null_fd };
	struct iovec iov = { out, n };

	if (qda_packet_send(p->fd, &iov, 1, fds, n_fds > 3 ? 3 : n_fds, MSG_DONTWAIT))
		read_all(p);
}

static void ask(struct peer *p)
{
	static const uint8_t types[] = { 1, 1, 7, 7, 7, 12, 12, 12, 14, 14, 14, 14, 14, 4,  4,
					 4, 5, 6, 6, 9, 9,  10, 10, 11, 13, 2,	3,  15, 15, 16 };
	struct qda_msg_arg args[QDA_ARGS_MAX];
	uint8_t how = byte();
	struct qda_msg_request q = { .type = types[byte() % sizeof(types)] };
	size_t n_in = 0;
	int n;

	if (p->fd < 0 || p->serial + 2 >= SERIALS)
		return;
	fill_request(p, &q, args, &n_in);
	p->serial += 1 + (how % 32 == 31);
	n = qda_request_encode(out, sizeof(out), p->serial, &q);
	if (n >= 0 && how % 64 == 62)
		n_in += 7; /* more than it says */
	if (n < 0 || n_in > sizeof(out) - (size_t)n)
		return;
	memset(out + n, how, n_in);
	send_it(p, (size_t)n + n_in, q.type == QDA_TYPE_BUFFER_IMPORT ? 1 : how % 16 == 15);
}

/* A body of any bytes under a good header, or bytes alone. */
static void babble(struct peer *p)
{
	size_t n = byte();
	struct qda_frame frame = { .version = 1, .type = byte() % 20 };
	uint8_t how = byte();

	if (p->fd < 0 || p->serial + 2 >= SERIALS)
		return;
	if (n > (size_t)(input_end - input))
		n = (size_t)(input_end - input);
	memcpy(out + QDA_FRAME_SIZE, input, n);
	input += n;
	frame.serial = ++p->serial;
	frame.body_len = (uint16_t)n;
	frame.flags = how % 32 == 31 ? how / 32 : 0;
	qda_frame_write(out, &frame);
	if (how % 32 == 30)
		memset(out, how, 8);
	send_it(p, QDA_FRAME_SIZE + n, how % 16 == 3);
}

static void say(struct peer *p, const struct qda_msg_request *q)
{
	int n = qda_request_encode(out, sizeof(out), ++p->serial, q);

	must(n > 0);
	send_it(p, (size_t)n, 0);
	turn(1);
}

/* Have the first operation of this kind succeed. */
static void grant(enum fake_kind kind)
{
	struct fake_op *op = fake_find(fake, kind);

	if (!op)
		return;
	if (kind == FAKE_CALL)
		leave_outs(op, 1);
	complete(op, &(struct qda_device_done){ 0 });
}

/* What most clients begin with: Hello, a session, a module, a buffer. */
static void settle_in(struct peer *p, uint8_t how_far)
{
	struct qda_msg_request hello = { .type = QDA_TYPE_HELLO, .hello = { 1, 1, "fuzz" } };
	struct qda_msg_request open = { .type = QDA_TYPE_SESSION_OPEN };
	struct qda_msg_request load = { .type = QDA_TYPE_MODULE_OPEN };
	struct qda_msg_request alloc = { .type = QDA_TYPE_BUFFER_ALLOC, .buffer_alloc.size = 9000 };

	if (p->fd >= 0 && how_far & 7)
		say(p, &hello);
	if (p->fd >= 0 && how_far & 8)
		say(p, &alloc);
	if (p->fd < 0 || !(how_far & 48))
		return;
	say(p, &open);
	grant(FAKE_OPEN);
	read_all(p);
	if (p->fd < 0 || !(how_far & 32) || !p->n_ids[SESSION])
		return;
	load.module_open.session = p->ids[SESSION][0];
	load.module_open.uri = "file:///a?b";
	say(p, &load);
	grant(FAKE_CALL);
	read_all(p);
}

static void come(struct peer *p)
{
	struct qda_principal who = { .uid = 999 + byte() % 2, .pid = 1 };
	int size = SMALLEST_SNDBUF, fds[2];
	struct qda_fail fail;

	if (p->fd >= 0)
		return;
	who.gid = byte() % 8 ? 1 : 0;
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	memset(p, 0, sizeof(*p));
	p->fd = fds[1];
	if (qda_conn_new(&front, fds[0], &who, -1, &fail) < 0)
		hang_up(p); /* with a refusal, whose serial is 0 */
	settle_in(p, byte());
}

/* --- all of it --- */

static void step(void)
{
	uint8_t b = byte();
	struct peer *p = &peers[b / 64];

	switch (b % 16) {
	case 0:
		come(p);
		break;
	case 1:
		if (byte() % 4 == 0)
			hang_up(p);
		break;
	case 2:
		babble(p);
		break;
	case 3:
		step_session();
		break;
	case 4:
		step_domain();
		break;
	case 5:
		the_time += (uint64_t)byte() * 1000;
		qda_core_expire(core);
		break;
	case 6:
		read_all(p);
		break;
	case 7:
	case 8:
	case 9:
		step_complete();
		break;
	default:
		ask(p);
		break;
	}
	if (!(b & 32))
		turn(1);
}

static void begin(void)
{
	static const uint64_t limits[QDA_RES_N] = {
		[QDA_RES_CONNECTIONS] = 1,   [QDA_RES_SESSIONS] = 3,
		[QDA_RES_BUFFERS] = 6,	     [QDA_RES_BUFFER_BYTES] = 1 << 20,
		[QDA_RES_HANDLES] = 8,	     [QDA_RES_MAPS] = 4,
		[QDA_RES_CALLS] = 6,	     [QDA_RES_INLINE_BYTES] = 100000,
		[QDA_RES_OUT_BYTES] = 12000, [QDA_RES_FDS] = 30,
	};
	struct qda_core_config config = {
		.now = now,
		.random = no_random,
		.daemon_uid = 999,
		.user_mode = byte() & 1,
	};
	struct qda_rules *rules = qda_rules_new();

	must(rules != NULL);
	for (unsigned i = 0; i < QDA_RES_N; i++) {
		rules->connection_limits[i] = limits[i];
		rules->fallback.limits[i] = limits[i] * 2;
		rules->total_limits[i] = limits[i] * 3;
	}
	rules->session_in_flight = 3;
	must((rules->policy = calloc(1, sizeof(*rules->policy))) != NULL);
	rules->n_policy = 1;
	*rules->policy = (struct qda_policy_rule){
		.allow = true,
		.parked = true,
		.who = { .has_gid = true, .gid = 1 },
	};
	the_time = 1000000;
	must(qda_core_new(&config, rules, &core) == 0);
	must(qda_domain_new(core, "cdsp", 5, &domain) == 0);
	fake = fake_new(&qda_domain_events, domain);
	fake_ops = fake->device.ops;
	ops = *fake_ops;
	ops.buffer_fd = open_fd;
	ops.session_open = session_open;
	fake->device.ops = &ops;
	qda_domain_attach(domain, &fake->device);
	front.core = core;
	front.loop = &loop;
	front.config = (struct qda_front_config){ .socket_path = "/fuzz",
						  .hello_ms = 60000,
						  .version = "qdad fuzz" };
	TAILQ_INIT(&front.conns);
	for (unsigned i = 0; i < PEERS; i++)
		peers[i].fd = -1;
}

/* In place of the disposer and its thread: nothing here takes long to close. */
void qda_dispose(struct qda_disposer *disposer, struct qda_client *client, const int *fds,
		 unsigned n)
{
	while (n)
		close(fds[--n]);
}

void qda_dispose_socket(struct qda_disposer *disposer, int fd)
{
	close(fd);
}

bool qda_disposer_is_full(const struct qda_disposer *disposer)
{
	return false;
}

bool qda_disposer_is_owed(const struct qda_disposer *disposer)
{
	return false;
}

int qda_disposer_new(uv_loop_t *of, struct qda_disposer **disposer)
{
	return 0;
}

void qda_disposer_stop(struct qda_disposer *disposer)
{
}

struct qda_disposer *qda_disposer_free(struct qda_disposer *disposer)
{
	return NULL;
}

/* Like main's end: connections go, the device lets go, and nothing is left. */
static void end(void)
{
	struct qda_conn *conn;
	struct fake_op *op;

	turn(3);
	for (unsigned i = 0; i < PEERS; i++)
		read_all(&peers[i]);
	while ((conn = TAILQ_FIRST(&front.conns)))
		qda_conn_close(conn);
	for (unsigned i = 0; i < PEERS; i++)
		hang_up(&peers[i]);
	while ((op = TAILQ_FIRST(&fake->ops)))
		complete(op, &(struct qda_device_done){ .err = op->kind == FAKE_CALL ? -ECANCELED
										     : 0 });
	turn(3);
	must(!uv_loop_alive(&loop));
	qda_domain_free(domain);
	qda_core_free(core);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	memory_fd = memfd_create("fuzz", MFD_CLOEXEC);
	must(null_fd >= 0 && ftruncate(memory_fd, 8192) == 0);
	must(uv_loop_init(&loop) == 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input = data;
	input_end = data + size;
	begin();
	fake_up(fake);
	for (unsigned i = 0; i < STEPS && input < input_end; i++)
		step();
	end();
	return 0;
}
