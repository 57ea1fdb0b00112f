/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a message of the protocol: header, then request, reply or event as the header says.
 * What is accepted must survive being sent again: encoded, decoded and encoded once more, to the
 * same bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <codec.h>
#include <frame.h>

static struct qda_decoder decoder, again;
static uint8_t first[QDA_MESSAGE_MAX], second[QDA_MESSAGE_MAX];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
	if (!condition)
		abort();
}

static void try_request(uint16_t type, const uint8_t *body, size_t n)
{
	struct qda_msg_request a, b;
	uint32_t in, out;
	int na, nb;

	if (qda_request_decode(&decoder, type, body, n, &a))
		return;
	if (type == QDA_TYPE_INVOKE) {
		must(a.invoke.n_args <= QDA_ARGS_MAX);
		must(qda_inline_sizes(a.invoke.sc, a.invoke.args, &in, &out) == 0);
		must(in + out <= QDA_MESSAGE_MAX);
	}
	na = qda_request_encode(first, sizeof(first), 1, &a);
	must(na >= (int)QDA_FRAME_SIZE);
	must(qda_request_decode(&again, type, first + QDA_FRAME_SIZE, (size_t)na - QDA_FRAME_SIZE,
				&b) == 0);
	nb = qda_request_encode(second, sizeof(second), 1, &b);
	must(na == nb && memcmp(first, second, (size_t)na) == 0);
}

static void try_reply(uint16_t type, const uint8_t *body, size_t n)
{
	struct qda_msg_reply a, b;
	int na, nb;

	if (qda_reply_decode(&decoder, type, body, n, &a))
		return;
	na = qda_reply_encode(first, sizeof(first), 1, &a);
	must(na >= (int)QDA_FRAME_SIZE);
	must(qda_reply_decode(&again, type, first + QDA_FRAME_SIZE, (size_t)na - QDA_FRAME_SIZE,
			      &b) == 0);
	nb = qda_reply_encode(second, sizeof(second), 1, &b);
	must(na == nb && memcmp(first, second, (size_t)na) == 0);
}

static void try_event(uint16_t type, const uint8_t *body, size_t n)
{
	struct qda_msg_event a, b;
	int na, nb;

	if (qda_event_decode(&decoder, type, body, n, &a))
		return;
	na = qda_event_encode(first, sizeof(first), &a);
	must(na >= (int)QDA_FRAME_SIZE);
	must(qda_event_decode(&again, type, first + QDA_FRAME_SIZE, (size_t)na - QDA_FRAME_SIZE,
			      &b) == 0);
	nb = qda_event_encode(second, sizeof(second), &b);
	must(na == nb && memcmp(first, second, (size_t)na) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qda_frame frame;
	const uint8_t *body = data + QDA_FRAME_SIZE;

	if (qda_frame_read(data, size, &frame))
		return 0;
	if (frame.flags & QDA_FRAME_EVENT)
		try_event(frame.type, body, frame.body_len);
	else if (frame.flags & QDA_FRAME_REPLY)
		try_reply(frame.type, body, frame.body_len);
	else
		try_request(frame.type, body, frame.body_len);
	return 0;
}
