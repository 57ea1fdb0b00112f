/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libqdaclient fed by any bytes: the input is a row of datagrams (u16 length, u8 descriptors,
 * bytes) that a broker sends after its greeting, whatever was asked for. The program that uses the
 * library must keep its memory and its descriptors.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <codec.h>
#include <frame.h>
#include <qda/client.h>

static const uint8_t *input;
static size_t input_size;
static int listener, memory;
static char path[64];
static pthread_barrier_t over;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static void greet(int fd)
{
	struct qda_msg_reply hello = { .type = QDA_TYPE_HELLO,
				       .hello = { .version = 1, .client_dirs = true } };
	uint8_t out[256];
	int n = qda_reply_encode(out, sizeof(out), 1, &hello);
	struct iovec iov = { out, (size_t)n };

	must(n > 0);
	(void)qda_packet_send(fd, &iov, 1, NULL, 0, 0);
}

static void *broker(void *unused)
{
	for (;;) {
		const uint8_t *p = input, *end;
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		char byte;

		must(fd >= 0);
		p = input;
		end = input + input_size;
		greet(fd);
		while (end - p > 3) {
			size_t n = p[0] | p[1] << 8;
			unsigned n_fds = p[2] % 4;
			int fds[] = { memory, memory, memory };
			struct iovec iov = { (void *)(p + 3), n };

			p += 3;
			if (n > (size_t)(end - p))
				iov.iov_len = n = (size_t)(end - p);
			if (qda_packet_send(fd, &iov, 1, fds, n_fds, 0))
				break;
			p += n;
		}
		shutdown(fd, SHUT_WR);
		while (recv(fd, &byte, 1, 0) > 0)
			;
		close(fd);
		pthread_barrier_wait(&over);
	}
	return unused;
}

static void stop(void)
{
	unlink(path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	pthread_t thread;

	snprintf(path, sizeof(path), "/tmp/qda-fuzz.%d", getpid());
	memcpy(addr.sun_path, path, strlen(path) + 1);
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	memory = memfd_create("fuzz", MFD_CLOEXEC);
	must(ftruncate(memory, 8192) == 0);
	must(bind(listener, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	must(listen(listener, 1) == 0);
	atexit(stop);
	pthread_barrier_init(&over, NULL, 2);
	must(pthread_create(&thread, NULL, broker, NULL) == 0);
	return 0;
}

static void on_end(void *data, const struct qda_error *err, const struct qda_call_options *times)
{
	(*(int *)data)++;
}

static void on_log(void *data, struct qda_session *session, unsigned level, const char *text,
		   unsigned dropped)
{
	must(strlen(text) <= QDA_TEXT_MAX && level <= 4);
}

static void use(struct qda_client *c)
{
	struct {
		uint8_t before[32], bytes[16], after[32];
	} out;
	struct qda_module *module, *made = NULL;
	struct qda_domain domains[4];
	struct qda_session *session;
	struct qda_buffer *buffer;
	struct qda_error e;
	uint64_t number;
	int ended = 0;
	struct qda_arg args[] = { qda_in("abcd", 4), qda_out(out.bytes, 12),
				  qda_out(out.bytes + 12, 4), qda_out_module(&made),
				  qda_out_number(&number) };

	memset(&out, 0x5a, sizeof(out));
	if (qda_session_open(c, NULL, &session, &e) ||
	    qda_module_open(session, "file:///a", &module, &e))
		return;
	qda_log(c, on_log, NULL, &e);
	qda_invoke(module, 2, args, 5, NULL, &e);
	if (qda_buffer_alloc(c, NULL, 8192, &buffer, &e) == 0)
		memset(qda_buffer_data(buffer), 1, qda_buffer_size(buffer));
	must(qda_submit(module, 3, args, 3, NULL, on_end, &ended, NULL, &e) == 0 || e.text[0]);
	qda_domains(c, domains, 4, &e);
	while (qda_dispatch(c, -1) >= 0)
		;
	qda_session_alive(session, &e);
	for (unsigned i = 0; i < sizeof(out.before); i++)
		must(out.before[i] == 0x5a && out.after[i] == 0x5a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int first = -1;
	struct qda_client *c;
	int lowest;

	input = data;
	input_size = size;
	if (qda_connect(path, "fuzz", &c, NULL) == 0)
		use(c);
	qda_disconnect(c);
	pthread_barrier_wait(&over);
	/* libFuzzer's own thread opens one now and then; ours would pile up. */
	lowest = dup(memory);
	close(lowest);
	if (first < 0)
		first = lowest;
	must(lowest <= first + 2);
	return 0;
}
