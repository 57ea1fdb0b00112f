/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Prints the messages that qda-protocol(7) shows, made by the codec that qdad and its clients use:
 * the page is compared with them.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <codec.h>
#include <frame.h>

static uint8_t message[QDA_MESSAGE_MAX];

static void print_line(const uint8_t *bytes, size_t at, size_t n)
{
	printf("%04zx ", at);
	for (size_t i = 0; i < 16; i++) {
		if (i < n)
			printf(" %02x", bytes[at + i]);
		else
			printf("   ");
	}
	printf("  ");
	for (size_t i = 0; i < n; i++)
		putchar(isprint(bytes[at + i]) ? bytes[at + i] : '.');
	putchar('\n');
}

/* n: what an encoder returned. */
static void print_message(const char *name, int n)
{
	if (n < 0) {
		fprintf(stderr, "%s: %s\n", name, strerrordesc_np(-n));
		exit(1);
	}
	printf("%s\n", name);
	for (int at = 0; at < n; at += 16)
		print_line(message, at, n - at < 16 ? n - at : 16);
	printf("\n");
}

static int put_request(uint64_t serial, const struct qda_msg_request *request)
{
	return qda_request_encode(message, sizeof(message), serial, request);
}

static int put_reply(uint64_t serial, const struct qda_msg_reply *reply)
{
	return qda_reply_encode(message, sizeof(message), serial, reply);
}

/* Inline data stands behind the body, and is no part of the body's length. */
static int add_inline(int n, const void *data, size_t size)
{
	if (n < 0)
		return n;
	memcpy(message + n, data, size);
	return n + (int)size;
}

static void print_hello(void)
{
	print_message("Hello", put_request(1, &(struct qda_msg_request){
		.type = QDA_TYPE_HELLO,
		.hello = { .min_version = 1, .max_version = 1, .name = "example" },
	}));
	print_message("HelloReply", put_reply(1, &(struct qda_msg_reply){
		.type = QDA_TYPE_HELLO,
		.hello = {
			.version = 1,
			.daemon = "qdad 0.1.0",
			.epoch = 0x1122334455667788,
			.limits = { .message_bytes = 65536, .fds = 16, .inline_bytes = 61440,
				    .buffers = 1024, .sessions = 8, .handles = 1024, .calls = 256,
				    .buffer_bytes = 1ull << 30 },
		},
	}));
}

static void print_session(void)
{
	print_message("SessionOpen", put_request(2, &(struct qda_msg_request){
		.type = QDA_TYPE_SESSION_OPEN,
	}));
	print_message("SessionReply", put_reply(2, &(struct qda_msg_reply){
		.type = QDA_TYPE_SESSION_OPEN,
		.session_open = { .session = 0x1000000002 },
	}));
	print_message("SessionReply, refused", put_reply(2, &(struct qda_msg_reply){
		.type = QDA_TYPE_SESSION_OPEN,
		.status = { .code = EDQUOT, .text = "8 of 8 sessions are in use",
			    .resource = "sessions", .scope = "connection", .limit = 8, .used = 8 },
	}));
}

/* Method 2 of the sum skel: one buffer in, one out. */
static void print_invoke(void)
{
	static const uint8_t numbers[16] = { 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4 };
	static const uint8_t sum[8] = { 10 };
	static const struct qda_msg_arg args[] = {
		{ .kind = QDA_ARG_INLINE, .ref = 4096, .length = sizeof(numbers) },
		{ .kind = QDA_ARG_INLINE, .ref = 8192, .length = sizeof(sum) },
	};
	int n = put_request(4, &(struct qda_msg_request){
		.type = QDA_TYPE_INVOKE,
		.invoke = { .handle = 0x1000000003, .sc = 0x02010100, .n_args = 2, .args = args },
	});

	print_message("Invoke", add_inline(n, numbers, sizeof(numbers)));
	n = put_reply(4, &(struct qda_msg_reply){
		.type = QDA_TYPE_INVOKE,
		.invoke = { .dsp_ns = 8000, .queue_ns = 500 },
	});
	print_message("InvokeReply", add_inline(n, sum, sizeof(sum)));
}

static void print_lost(void)
{
	print_message("SessionLost", qda_event_encode(message, sizeof(message),
		&(struct qda_msg_event){
			.type = QDA_TYPE_SESSION_LOST,
			.session_lost = { .session = 0x1000000002, .signal = 11,
					  .text = "SIGSEGV in method 4 of libqda_bad_skel.so" },
		}));
}

int main(void)
{
	print_hello();
	print_session();
	print_invoke();
	print_lost();
	return 0;
}
