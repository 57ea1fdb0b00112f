/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers: memory that the program and the DSP both see. Mapped once, at most; the descriptor is
 * kept for sharing. The broker's word about a buffer's size is compared with the descriptor before
 * use.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int take_buffer(void *data, const struct qda_delivery *in, struct qda_error *err)
{
	struct qda_buffer *b = data;
	struct qda_packet *packet = in->packet;

	b->number = in->reply->buffer.buffer;
	b->size = (size_t)in->reply->buffer.size;
	if (in->reply->type == QDA_TYPE_BUFFER_ALLOC) {
		if (in->fds_lost)
			return qda_fail(err, -EMFILE, "this process can open no more descriptors: "
					"raise RLIMIT_NOFILE, or close some");
		if (packet->n_fds != 1)
			return TAKE_BROKEN;
		b->fd = packet->fds[0];
		packet->n_fds = 0;
	}
	LIST_INSERT_HEAD(&b->client->buffers, b, link);
	return 0;
}

static struct qda_buffer *buffer_new(struct qda_client *c, struct qda_error *err)
{
	struct qda_buffer *b = calloc(1, sizeof(*b));

	if (!b) {
		qda_fail(err, -ENOMEM, "no memory for a buffer object");
		return NULL;
	}
	b->client = c;
	b->fd = -1;
	return b;
}

/* Tell the broker; the caller keeps the object. */
static void give_back(struct qda_buffer *b)
{
	struct qda_msg_request request = {
		.type = QDA_TYPE_BUFFER_FREE,
		.buffer_free = { .buffer = b->number },
	};

	if (b->number)
		(void)qda_request(b->client, &request, NULL, 0, NULL, NULL, NULL);
}

/* How much is behind a descriptor. Files say so themselves; a dma-buf only says where its end is.
 * An imported descriptor shares its position with the program's own, so files are not to be sought
 * in. */
static off_t real_size(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	return S_ISREG(st.st_mode) ? st.st_size : lseek(fd, 0, SEEK_END);
}

/* Memory behind a descriptor, if it is there: touching what is beyond its end would kill us. */
static int map_buffer(struct qda_buffer *b, int prot)
{
	int seals = fcntl(b->fd, F_GET_SEALS);
	off_t end = real_size(b->fd);
	void *data;

	if (end < 0 || (uint64_t)end < b->size)
		return -ERANGE;
	/* A file that could shrink would end this program by SIGBUS. A dma-buf has no seals. */
	if (seals >= 0 && !(seals & F_SEAL_SHRINK))
		return -EPERM;
	data = mmap(NULL, b->size, prot, MAP_SHARED, b->fd, 0);
	if (data == MAP_FAILED)
		return -errno;
	b->data = data;
	return 0;
}

int qda_buffer_alloc(struct qda_client *c, const char *domain, size_t size, struct qda_buffer **out,
		     struct qda_error *err)
{
	struct qda_msg_request request = {
		.type = QDA_TYPE_BUFFER_ALLOC,
		.buffer_alloc = { .size = size, .domain = domain },
	};
	struct qda_buffer *b;
	int r;

	*out = NULL;
	r = qda_usable(c, err);
	if (r == 0)
		r = qda_domain_check(domain, err);
	if (r)
		return r;
	if (size == 0 || size > QDA_BUFFER_MAX)
		return qda_fail(err, -EINVAL, "a buffer of %zu bytes: 1 to %u are possible", size,
				QDA_BUFFER_MAX);
	b = buffer_new(c, err);
	if (!b)
		return -ENOMEM;
	r = qda_request(c, &request, NULL, 0, take_buffer, b, err);
	if (r) {
		give_back(b); /* it may have been made, but not come through */
		free(b);
		return r;
	}
	r = b->size < size ? -ERANGE : map_buffer(b, PROT_READ | PROT_WRITE);
	if (r) {
		qda_fail(err, r,
			 "the buffer of %zu bytes that the broker made cannot be mapped: %s",
			 b->size, strerror(-r));
		qda_buffer_free(b);
		return r;
	}
	*out = b;
	return 0;
}

/* As much as its access mode allows; it is no error if that is nothing. */
static void map_import(struct qda_buffer *b)
{
	int mode = fcntl(b->fd, F_GETFL);

	if (mode >= 0 && (mode & O_ACCMODE) == O_RDWR &&
	    map_buffer(b, PROT_READ | PROT_WRITE) == 0)
		return;
	if (mode >= 0 && (mode & O_ACCMODE) != O_WRONLY)
		(void)map_buffer(b, PROT_READ); /* also a memfd sealed against writing */
}

int qda_buffer_import(struct qda_client *c, const char *domain, int fd, size_t size, unsigned flags,
		      struct qda_buffer **out, struct qda_error *err)
{
	struct qda_msg_request request = {
		.type = QDA_TYPE_BUFFER_IMPORT,
		.buffer_import = { size, domain, flags & QDA_BUFFER_READ_ONLY },
	};
	struct qda_buffer *b;
	int r;

	*out = NULL;
	r = qda_usable(c, err);
	if (r == 0)
		r = qda_domain_check(domain, err);
	if (r)
		return r;
	if (flags & ~(unsigned)QDA_BUFFER_READ_ONLY)
		return qda_fail(err, -EINVAL, "flags %#x: only QDA_BUFFER_READ_ONLY is defined",
				flags);
	b = buffer_new(c, err);
	if (!b)
		return -ENOMEM;
	b->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (b->fd < 0)
		r = qda_fail(err, -errno, "descriptor %d: %s", fd, strerror(errno));
	else
		r = qda_request(c, &request, &b->fd, 1, take_buffer, b, err);
	if (r) {
		if (b->fd >= 0)
			close(b->fd);
		free(b);
		return r;
	}
	map_import(b);
	*out = b;
	return 0;
}

void *qda_buffer_data(const struct qda_buffer *b)
{
	return b->data;
}

size_t qda_buffer_size(const struct qda_buffer *b)
{
	return b->size;
}

int qda_buffer_fd(const struct qda_buffer *b)
{
	return b->fd;
}

struct qda_buffer *qda_buffer_free(struct qda_buffer *b)
{
	if (!b || qda_usable(b->client, NULL))
		return NULL;
	give_back(b);
	pthread_mutex_lock(&b->client->lock);
	LIST_REMOVE(b, link);
	pthread_mutex_unlock(&b->client->lock);
	if (b->data)
		munmap(b->data, b->size);
	close(b->fd);
	free(b);
	return NULL;
}

static int take_map(void *data, const struct qda_delivery *in, struct qda_error *err)
{
	*(uint64_t *)data = in->reply->buffer_map.dsp_addr;
	return 0;
}

int qda_buffer_map(struct qda_session *s, struct qda_buffer *b, uint32_t key, size_t offset,
		   size_t size, uint64_t *dsp_addr, struct qda_error *err)
{
	struct qda_msg_request request = {
		.type = QDA_TYPE_BUFFER_MAP,
		.buffer_map = { s->number, b->number, offset, size, key },
	};
	uint64_t addr = 0;
	int r;

	if (b->client != s->client)
		return qda_fail(err, -EINVAL, "buffer and session belong to two connections");
	r = qda_request(s->client, &request, NULL, 0, take_map, &addr, err);
	if (r == 0 && dsp_addr)
		*dsp_addr = addr;
	return r;
}

int qda_buffer_unmap(struct qda_session *s, uint32_t key, struct qda_error *err)
{
	struct qda_msg_request request = {
		.type = QDA_TYPE_BUFFER_UNMAP,
		.buffer_unmap = { s->number, key },
	};

	return qda_request(s->client, &request, NULL, 0, NULL, NULL, err);
}
