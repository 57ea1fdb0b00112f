/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of the codec share: the bump allocator that protobuf-c unpacks into, the checks of
 * strings, and a writer that packs one piece of a message after the other. For codec*.c only.
 */
#pragma once

#include "codec.h"
#include "frame.h"
#include "qda.pb-c.h"

/* Fill d->error; returns -EINVAL. */
int qda_codec_fail(struct qda_decoder *d, const char *format, ...)
	__attribute__((format(printf, 2, 3), cold));

/* Aligned for any type of a message; NULL when the decoder is full. */
void *qda_codec_alloc(struct qda_decoder *d, size_t size);

/* Forget what the decoder held and unpack a body of this type into it. 0, -EBADMSG, -EINVAL. */
int qda_codec_unpack(struct qda_decoder *d, const ProtobufCMessageDescriptor *type,
		     const uint8_t *body, size_t n, ProtobufCMessage **out);

/* A string that protobuf-c unpacked: at most `max` bytes of UTF-8 without control characters. */
int qda_codec_string(struct qda_decoder *d, const char *field, const char *string, size_t max,
		     const char **out);

/* A text fit for sending: itself, or a copy in `copy` (max + 1 bytes) without what is not
 * printable and cut at `max` bytes between two characters. */
char *qda_codec_clean(const char *text, char *copy, size_t max);

/* For names that are sent as they are. */
static inline char *qda_codec_plain(const char *s)
{
	return s ? (char *)s : (char *)"";
}

/* Administration, in codec_admin.c. */
struct qda_writer;
int qda_codec_take_quota_get(struct qda_decoder *d, const void *message,
			     struct qda_msg_request *out);
int qda_codec_take_quota_set(struct qda_decoder *d, const void *message,
			     struct qda_msg_request *out);
int qda_codec_take_kill(struct qda_decoder *d, const void *message, struct qda_msg_request *out);
int qda_codec_take_policy_check(struct qda_decoder *d, const void *message,
				struct qda_msg_request *out);
int qda_codec_take_reloaded(struct qda_decoder *d, const void *message, struct qda_msg_reply *out);
int qda_codec_take_quota_rows(struct qda_decoder *d, const void *message,
			      struct qda_msg_reply *out);
int qda_codec_take_verdict(struct qda_decoder *d, const void *message, struct qda_msg_reply *out);
void qda_codec_put_quota_get(struct qda_writer *w, const struct qda_msg_request *in);
void qda_codec_put_quota_set(struct qda_writer *w, const struct qda_msg_request *in);
void qda_codec_put_kill(struct qda_writer *w, const struct qda_msg_request *in);
void qda_codec_put_policy_check(struct qda_writer *w, const struct qda_msg_request *in);
void qda_codec_put_reloaded(struct qda_writer *w, const struct qda_msg_reply *in);
void qda_codec_put_quota_rows(struct qda_writer *w, const struct qda_msg_reply *in);
void qda_codec_put_verdict(struct qda_writer *w, const struct qda_msg_reply *in);

/* A message in the making. Fields may be packed in several goes, in the order of their numbers: the
 * bytes are the same as if one great message had been packed, without its arrays in memory. */
struct qda_writer {
	uint8_t *out;
	size_t size;
	size_t n;
	int error;
};

void qda_writer_init(struct qda_writer *w, uint8_t *out, size_t size);
void qda_writer_append(struct qda_writer *w, const ProtobufCMessage *message);
int qda_writer_finish(struct qda_writer *w, uint16_t type, uint8_t flags, uint64_t serial);
