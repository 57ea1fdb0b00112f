/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers. The daemon never maps a client's memory: it passes descriptors.
 */
#include "core/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/domain.h"

#define PAGE 4096ull
#define SIZE_MAX_BYTES                                                                             \
	(0x100000000ull - PAGE) /* of one buffer: a bank's address space less page 0 */

static void release_charges(struct qda_buffer *buffer)
{
	qda_charge_deinit(&buffer->fd);
	qda_charge_deinit(&buffer->bytes);
	qda_charge_deinit(&buffer->count);
}

static int charge(struct qda_buffer *buffer, struct qda_fail *fail)
{
	struct qda_account *account = &buffer->client->account;
	int r = qda_charge_init(&buffer->count, account, QDA_RES_BUFFERS, 1, fail);

	if (r < 0)
		return r;
	r = qda_charge_init(&buffer->bytes, account, QDA_RES_BUFFER_BYTES, buffer->size, fail);
	if (r < 0)
		return r;
	return qda_charge_init(&buffer->fd, account, QDA_RES_FDS, 1, fail);
}

/* The object, charged, without its memory. */
static int new_buffer(struct qda_client *client, struct qda_domain *domain, uint64_t size,
		      struct qda_buffer **out, struct qda_fail *fail)
{
	struct qda_buffer *buffer;
	int r;

	if (!size || size > SIZE_MAX_BYTES)
		return qda_fail(fail, EINVAL,
				"buffer of %" PRIu64 " bytes: the size must be 1 to %llu", size,
				SIZE_MAX_BYTES);
	buffer = calloc(1, sizeof(*buffer));
	if (!buffer)
		return qda_fail(fail, ENOMEM, "the daemon is out of memory for a buffer");
	buffer->client = client;
	buffer->domain = domain;
	buffer->refs = 1;
	buffer->size = (size + PAGE - 1) & ~(PAGE - 1);
	r = charge(buffer, fail);
	if (r < 0) {
		release_charges(buffer);
		free(buffer);
		return r;
	}
	qda_client_ref(client);
	*out = buffer;
	return 0;
}

static int publish(struct qda_buffer *buffer, struct qda_buffer **out, struct qda_fail *fail)
{
	int r = qda_client_add_handle(buffer->client, buffer, QDA_HANDLE_BUFFER, &buffer->id, fail);

	if (r < 0)
		return r;
	buffer->client->n_buffers++;
	*out = buffer;
	return 0;
}

int qda_buffer_alloc(struct qda_client *client, const char *name, uint64_t size,
		     struct qda_buffer **out, int *fd, struct qda_fail *fail)
{
	struct qda_domain *domain = qda_domain_get_up(client->core, name, fail);
	struct qda_buffer *buffer;
	int r;

	if (!domain)
		return -fail->code;
	r = new_buffer(client, domain, size, &buffer, fail);
	if (r < 0)
		return r;
	r = domain->device->ops->buffer_create(domain->device, buffer->size, &buffer->device);
	if (r == -EAGAIN)
		r = qda_fail(fail, EAGAIN,
			     "domain %s is still giving back many buffers that were freed: try again",
			     domain->name);
	else if (r < 0)
		r = qda_fail(fail, -r, "domain %s could not make a buffer of %" PRIu64 " bytes: %s",
			     domain->name, buffer->size, qda_strerror(r));
	else
		r = publish(buffer, out, fail);
	if (r < 0) {
		qda_buffer_unref(buffer);
		return r;
	}
	*fd = domain->device->ops->buffer_fd(buffer->device);
	return 0;
}

static int explain_import(int err, int fd, uint64_t size, struct qda_fail *fail)
{
	int seals = fcntl(fd, F_GET_SEALS);

	if (err == -EINVAL)
		return qda_fail(fail, EINVAL,
				"the descriptor is no memory the DSP can be shown: give a memfd");
	if (err == -EPERM && seals >= 0 && !(seals & F_SEAL_SHRINK))
		return qda_fail(fail, EPERM,
				"the memory could shrink under the DSP: make it with "
				"MFD_ALLOW_SEALING and add F_SEAL_SHRINK");
	if (err == -EPERM)
		return qda_fail(fail, EPERM,
				"the descriptor's access mode or seals are too narrow: "
				"open it for reading and writing, or import it read-only");
	if (err == -ERANGE)
		return qda_fail(fail, ERANGE,
				"the memory is smaller than %" PRIu64
				" bytes (sizes are rounded up to "
				"4096): ftruncate() it to that",
				size);
	return qda_fail(fail, -err, "the memory could not be imported: %s", qda_strerror(err));
}

/* size 0 means all of it, as the kernel knows it. */
static int whole_size(int fd, uint64_t *size, struct qda_fail *fail)
{
	struct stat st;

	if (*size)
		return 0;
	/* Asking a file that somebody else serves for its size may take as long as he likes. */
	if (fcntl(fd, F_GET_SEALS) < 0 || fstat(fd, &st) < 0)
		return qda_fail(
			fail, EINVAL,
			"the descriptor is no memfd: give one, or say how many bytes to import");
	if (st.st_size <= 0 || st.st_size % PAGE)
		return qda_fail(fail, EINVAL,
				"the descriptor has %lld bytes: all of it can be imported when "
				"that is a multiple of 4096; ftruncate() it, or say how much",
				(long long)st.st_size);
	*size = st.st_size;
	return 0;
}

int qda_buffer_import(struct qda_client *client, const char *name, int fd, uint64_t size,
		      bool read_only, struct qda_buffer **out, struct qda_fail *fail)
{
	struct qda_domain *domain = qda_domain_get_up(client->core, name, fail);
	struct qda_buffer *buffer;
	int r;

	if (!domain)
		return -fail->code;
	r = whole_size(fd, &size, fail);
	if (r < 0)
		return r;
	r = new_buffer(client, domain, size, &buffer, fail);
	if (r < 0)
		return r;
	buffer->read_only = read_only;
	r = domain->device->ops->buffer_import(domain->device, fd, buffer->size, read_only,
					       &buffer->device);
	if (r < 0)
		r = explain_import(r, fd, buffer->size, fail);
	else
		r = publish(buffer, out, fail);
	if (r < 0)
		qda_buffer_unref(buffer);
	return r;
}

struct qda_buffer *qda_buffer_find(struct qda_client *client, uint64_t id, struct qda_fail *fail)
{
	struct qda_buffer *buffer = qda_slots_get(&client->handles, id, QDA_HANDLE_BUFFER);

	if (!buffer)
		qda_fail(fail, ENOENT, "no buffer %#" PRIx64 " on this connection", id);
	return buffer;
}

int qda_buffer_free(struct qda_client *client, uint64_t id, struct qda_fail *fail)
{
	struct qda_buffer *buffer = qda_buffer_find(client, id, fail);

	if (!buffer)
		return -fail->code;
	qda_slots_remove(&client->handles, id);
	client->n_buffers--;
	qda_buffer_unref(buffer);
	return 0;
}

struct qda_buffer *qda_buffer_ref(struct qda_buffer *buffer)
{
	buffer->refs++;
	return buffer;
}

void qda_buffer_unref(struct qda_buffer *buffer)
{
	if (--buffer->refs)
		return;
	if (buffer->device)
		buffer->domain->device->ops->buffer_release(buffer->device);
	release_charges(buffer);
	qda_client_unref(buffer->client);
	free(buffer);
}

int qda_buffer_check(const struct qda_buffer *buffer, uint64_t offset, uint64_t length,
		     struct qda_fail *fail)
{
	uint64_t end;

	if (__builtin_add_overflow(offset, length, &end) || end > buffer->size)
		return qda_fail(fail, ERANGE,
				"offset %" PRIu64 " and length %" PRIu64
				" leave the buffer of %" PRIu64 " bytes",
				offset, length, buffer->size);
	return 0;
}
