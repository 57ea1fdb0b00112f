/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Seeds for fuzz_proto and fuzz_proto_client: messages as they should be. usage: seed_proto DIR DIR
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <codec.h>
#include <frame.h>

static uint8_t message[QDA_MESSAGE_MAX];
static uint8_t talk[QDA_MESSAGE_MAX];
static size_t n_talk;

static int save(const char *dir, const char *name, const void *bytes, size_t n)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	if (!f || fwrite(bytes, 1, n, f) != n || fclose(f)) {
		perror(path);
		return 1;
	}
	return 0;
}

/* A datagram of the conversation that fuzz_proto_client has. */
static void say(int n, const void *tail, size_t n_tail, uint8_t n_fds)
{
	size_t all = (size_t)n + n_tail;

	talk[n_talk++] = all & 255;
	talk[n_talk++] = (uint8_t)(all >> 8);
	talk[n_talk++] = n_fds;
	memcpy(talk + n_talk, message, (size_t)n);
	memcpy(talk + n_talk + n, tail, n_tail);
	n_talk += all;
}

static int seed_requests(const char *dir)
{
	static const struct qda_msg_arg args[] = {
		{ QDA_ARG_INLINE, 4, 0, 4 }, { QDA_ARG_BUFFER, 1, 4096, 77 },
		{ QDA_ARG_KEY, 5, 0, 9 },    { QDA_ARG_NUMBER, 0, 0, 0 },
	};
	static const struct qda_msg_request requests[] = {
		{ .type = QDA_TYPE_HELLO, .hello = { 1, 1, "seed" } },
		{ .type = QDA_TYPE_GET_STATUS, .get_status = { 1, 7 } },
		{ .type = QDA_TYPE_BUFFER_ALLOC, .buffer_alloc = { 4096, "cdsp" } },
		{ .type = QDA_TYPE_BUFFER_IMPORT, .buffer_import = { 4096, "cdsp", true } },
		{ .type = QDA_TYPE_SESSION_OPEN, .session_open = { "cdsp" } },
		{ .type = QDA_TYPE_BUFFER_MAP, .buffer_map = { 1, 2, 4096, 4096, 5 } },
		{ .type = QDA_TYPE_BUFFER_UNMAP, .buffer_unmap = { 1, 5 } },
		{ .type = QDA_TYPE_MODULE_OPEN,
		  .module_open = { 1, "file:///a.so?b&_modver=1.0" } },
		{ .type = QDA_TYPE_INVOKE, .invoke = { 7, 1000, 0x02010111, 4, args } },
		{ .type = QDA_TYPE_CANCEL, .cancel = { 9 } },
		{ .type = QDA_TYPE_SUBSCRIBE, .subscribe = { 1 } },
	};
	int failed = 0;

	for (unsigned i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		int n = qda_request_encode(message, sizeof(message), i, &requests[i]);
		char name[32];

		snprintf(name, sizeof(name), "request-%u", requests[i].type);
		failed |= save(dir, name, message, (size_t)n);
	}
	return failed;
}

static int seed_replies(const char *dir)
{
	static const struct qda_msg_domain domain = { .name = "cdsp",
						      .state = "up",
						      .device = "soft",
						      .text = "",
						      .arch = 0x68,
						      .calls = 5 };
	static const struct qda_msg_client_row client = { .id = 1, .name = "seed", .uid = 2 };
	static const struct qda_msg_session_row session = { .id = 1, .domain = "cdsp",
							    .state = "open" };
	static const struct qda_msg_out_handle handles[] = { { 7, 0 }, { 0, 8 } };
	/* in the order of what fuzz_proto_client asks for: serials from 2 */
	static const struct qda_msg_reply replies[] = {
		{ .type = QDA_TYPE_SESSION_OPEN, .session_open = { 0x50 } },
		{ .type = QDA_TYPE_MODULE_OPEN, .module_open = { 0x60 } },
		{ .type = QDA_TYPE_SUBSCRIBE },
		{ .type = QDA_TYPE_INVOKE, .invoke = { 0, 2, 5, 6, handles } },
		{ .type = QDA_TYPE_BUFFER_ALLOC, .buffer = { 0x70, 8192 } },
		{ .type = QDA_TYPE_INVOKE, .invoke = { 0, 0, 5, 6, NULL } },
		{ .type = QDA_TYPE_LIST_DOMAINS, .list_domains = { 1, &domain } },
		{ .type = QDA_TYPE_HELLO,
		  .hello = { 1, "seed", 3, true, { 1, 2, 3, 4, 5, 6, 7, 8 } } },
		{ .type = QDA_TYPE_GET_STATUS,
		  .get_status = { true,
				  { .version = "1", .pid = 3 },
				  1,
				  1,
				  1,
				  &domain,
				  &client,
				  &session,
				  9 } },
		{ .type = QDA_TYPE_CANCEL, .cancel = { 2 } },
		{ .type = QDA_TYPE_INVOKE,
		  .status = { 122, 0x8000040d, "no", "calls", "uid", 1, 2, 3 } },
	};
	int failed = 0;

	for (unsigned i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		int n = qda_reply_encode(message, sizeof(message), i + 2, &replies[i]);
		char name[32];

		snprintf(name, sizeof(name), "reply-%u-%u", replies[i].type, i);
		failed |= save(dir, name, message, (size_t)n);
		if (i < 7)
			say(n, "0123456789abcdef", i == 3 || i == 5 ? 16 : 0, i == 4);
	}
	return failed;
}

static int seed_events(const char *dir)
{
	static const struct qda_msg_event events[] = {
		{ .type = QDA_TYPE_LOG, .log = { 0x50, 3, 1, "a line" } },
		{ .type = QDA_TYPE_DOMAIN_CHANGED, .domain_changed = { "cdsp", "down" } },
		{ .type = QDA_TYPE_SESSION_LOST, .session_lost = { 0x50, 11, "crash" } },
	};
	int failed = 0;

	for (unsigned i = 0; i < 3; i++) {
		int n = qda_event_encode(message, sizeof(message), &events[i]);
		char name[32];

		snprintf(name, sizeof(name), "event-%u", events[i].type);
		failed |= save(dir, name, message, (size_t)n);
		say(n, "", 0, 0);
	}
	return failed;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	mkdir(argv[1], 0777);
	mkdir(argv[2], 0777);
	return seed_requests(argv[1]) | seed_replies(argv[1]) | seed_events(argv[1]) |
	       save(argv[2], "talk", talk, n_talk);
}
