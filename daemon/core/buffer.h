/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A buffer: memory that a client shares with the DSP. Belongs to its client, not to a session. The
 * handle goes at free; the object, its memory and its charges stay until the last call or key map
 * that names it has ended.
 */
#pragma once

#include "core/client.h"

struct qda_device_buffer;

struct qda_buffer {
	struct qda_client *client;	/* ref */
	struct qda_domain *domain;
	struct qda_device_buffer *device;
	uint64_t id;
	uint64_t size;
	unsigned refs;
	bool read_only;
	struct qda_charge count, bytes, fd;
};

/* `domain` may be empty: the first one. Size is rounded up to pages. *fd is lent for the answer. */
int qda_buffer_alloc(struct qda_client *client, const char *domain, uint64_t size,
		     struct qda_buffer **out, int *fd, struct qda_fail *fail);
/* fd stays the caller's. size 0: all of it. */
int qda_buffer_import(struct qda_client *client, const char *domain, int fd, uint64_t size,
		      bool read_only, struct qda_buffer **out, struct qda_fail *fail);
int qda_buffer_free(struct qda_client *client, uint64_t id, struct qda_fail *fail);

/* The client's buffer of that number, or NULL and ENOENT in *fail. */
struct qda_buffer *qda_buffer_find(struct qda_client *client, uint64_t id, struct qda_fail *fail);
struct qda_buffer *qda_buffer_ref(struct qda_buffer *buffer);
void qda_buffer_unref(struct qda_buffer *buffer);
/* offset + length lie inside. */
int qda_buffer_check(const struct qda_buffer *buffer, uint64_t offset, uint64_t length,
		     struct qda_fail *fail);
