// SPDX-License-Identifier: BSD-3-Clause
/*
 * Buffers of the soft device, memfds that can not shrink, and their mappings in sessions. The
 * daemon itself maps none but its own staging and message memory: a client's pages are only passed
 * on.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <linux/magic.h>
#include <unistd.h>

#include "device/soft.h"
#include "util/container.h"
#include "util/stall.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U	/* Linux 6.3 */
#endif

#define BLOCKS_AT_ONCE 2048	/* of 512 bytes: 1 MiB */

static int check_size(uint64_t size)
{
	return !size || size % SOFT_PAGE || size > (1ull << 32) - SOFT_PAGE ? -EINVAL : 0;
}

/* Takes over fd on success. */
static int new_buffer(struct qda_device *dev, int fd, uint64_t size, bool read_only,
		      struct qda_device_buffer **out)
{
	struct qda_device_buffer *buffer = calloc(1, sizeof(*buffer));

	if (!buffer)
		return -ENOMEM;
	buffer->fd = fd;
	buffer->size = size;
	buffer->read_only = read_only;
	buffer->refs = 1;
	buffer->loop = soft_of(dev)->loop;
	LIST_INIT(&buffer->mappings);
	*out = buffer;
	return 0;
}

static int memory(uint64_t size)
{
	int fd = memfd_create("qda", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	int r;

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("qda", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

int soft_buffer_create(struct qda_device *dev, uint64_t size, struct qda_device_buffer **out)
{
	int fd, r = check_size(size);

	if (r < 0)
		return r;
	fd = memory(size);
	if (fd < 0)
		return fd;
	r = new_buffer(dev, fd, size, false, out);
	if (r < 0)
		close(fd);
	return r;
}

/*
 * Only pages that stay: a file that shrinks would fault the DSP, and reading a file of a foreign
 * file system may block for ever. Huge pages are refused because the DSP's pages are small.
 */
static int check_memory(int fd, uint64_t size, bool read_only)
{
	int seals = fcntl(fd, F_GET_SEALS), flags = fcntl(fd, F_GETFL);
	struct statfs fs;
	struct stat st;

	if (seals < 0 || flags < 0 || flags & O_PATH || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return -EINVAL;
	if (!S_ISREG(st.st_mode) || fs.f_type != TMPFS_MAGIC)
		return -EINVAL;
	if (!(seals & F_SEAL_SHRINK) || (flags & O_ACCMODE) == O_WRONLY)
		return -EPERM;
	if (!read_only && ((flags & O_ACCMODE) != O_RDWR ||
			   seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
		return -EPERM;
	return (uint64_t)st.st_size < size ? -ERANGE : 0;
}

/* A skel could make its mapping writable again if the descriptor behind it were. */
static int reopen_read_only(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	/* Not to wait for the holder of a lease. */
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

int soft_buffer_import(struct qda_device *dev, int fd, uint64_t size, bool read_only,
		       struct qda_device_buffer **out)
{
	int copy, r = check_size(size);

	if (!r)
		r = check_memory(fd, size, read_only);
	if (r < 0)
		return r;
	copy = read_only ? reopen_read_only(fd) : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -errno;
	r = new_buffer(dev, copy, size, read_only, out);
	if (r < 0)
		close(copy);
	return r;
}

int soft_buffer_fd(struct qda_device_buffer *buffer)
{
	return buffer->fd;
}

void *soft_buffer_view(struct qda_device_buffer *buffer)
{
	void *view = buffer->view;

	if (!view) {
		view = mmap(NULL, buffer->size, PROT_READ | (buffer->read_only ? 0 : PROT_WRITE),
			    MAP_SHARED, buffer->fd, 0);
		if (view == MAP_FAILED)
			return NULL;
		buffer->view = view;
	}
	return view;
}

static void close_memory(uv_work_t *work)
{
	struct qda_device_buffer *buffer = container_of(work, struct qda_device_buffer, closing);

	if (buffer->view)
		munmap(buffer->view, buffer->size);
	close(buffer->fd);
}

static void on_closed(uv_work_t *work, int status)
{
	qda_stall_mark();
	free(container_of(work, struct qda_device_buffer, closing));
}

/* Giving back much memory takes its time, on a thread of libuv's: 50 us for 1 MiB. */
static void buffer_unref(struct qda_device_buffer *buffer)
{
	struct stat st;

	if (--buffer->refs)
		return;
	if (fstat(buffer->fd, &st) == 0 && st.st_blocks > BLOCKS_AT_ONCE &&
	    uv_queue_work(buffer->loop, &buffer->closing, close_memory, on_closed) == 0)
		return;
	close_memory(&buffer->closing);
	free(buffer);
}

/* --- mappings --- */

static struct soft_mapping *mapping_of(struct soft_item *unmap)
{
	return (struct soft_mapping *)((char *)unmap - offsetof(struct soft_mapping, unmap));
}

static void mapping_free(struct soft_mapping *mapping)
{
	TAILQ_REMOVE(mapping->uses ? &mapping->session->mapped : &mapping->session->idle, mapping,
		     of_session);
	if (!mapping->going)
		LIST_REMOVE(mapping, of_buffer);
	buffer_unref(mapping->buffer);
	free(mapping);
}

/* The DSP will see UNMAP before anything that is sent from now on: the addresses may be used again.
 */
static void on_unmap_sent(struct soft_item *item)
{
	struct soft_mapping *mapping = mapping_of(item);

	space_give(&mapping->session->space, &mapping->range);
	mapping->session->n_going--;
	mapping_free(mapping);
}

static void fill_record(struct softdsp_record *record, enum softdsp_kind kind,
			const struct soft_mapping *mapping, uint32_t number)
{
	*record = (struct softdsp_record){
		.kind = kind,
		.bank = mapping->session->bank,
		.map = {
			.addr = space_addr(&mapping->range),
			.size = mapping->buffer->size,
			.flags = mapping->buffer->read_only ? SOFTDSP_MAP_READ_ONLY : 0,
			.maps = number,
		},
	};
}

/* A mapping nobody uses. In a session that is not open it goes with the session. */
static void unmap(struct soft_mapping *mapping)
{
	struct qda_device_session *session = mapping->session;

	assert(!mapping->uses && !mapping->going);
	if (session->state != SOFT_OPEN || session->closing)
		return;
	LIST_REMOVE(mapping, of_buffer);
	mapping->going = true;
	session->n_going++;
	fill_record(&mapping->unmap_record, SOFTDSP_UNMAP, mapping, ++session->maps);
	mapping->unmap = (struct soft_item){
		.record = &mapping->unmap_record,
		.size = SOFTDSP_SIZE(map),
		.sent = on_unmap_sent,
	};
	soft_channel_send(&session->pd, &mapping->unmap);
}

/* Unmap what waits for its next use, longest idle first, until the addresses suffice. */
static int take_space(struct qda_device_session *session, struct soft_mapping *mapping)
{
	uint32_t pages = (uint32_t)(mapping->buffer->size / SOFT_PAGE);
	struct soft_mapping *idle, *next;
	int r = space_take(&session->space, &mapping->range, pages);

	for (idle = TAILQ_FIRST(&session->idle); r < 0 && idle; idle = next) {
		next = TAILQ_NEXT(idle, of_session);
		if (idle->going)
			continue;
		unmap(idle);
		r = space_take(&session->space, &mapping->range, pages);
	}
	return r;
}

static int mapping_new(struct qda_device_session *session, struct qda_device_buffer *buffer,
		       struct soft_mapping **out)
{
	struct soft_mapping *mapping;
	int r;

	/* A PD that takes in no more UNMAP records keeps memory that nobody pays for. */
	if (session->n_going >= SOFT_GOING_MAX)
		return -EBUSY;
	mapping = calloc(1, sizeof(*mapping));
	if (!mapping)
		return -ENOMEM;
	mapping->session = session;
	mapping->buffer = buffer;
	r = take_space(session, mapping);
	if (r < 0) {
		free(mapping);
		return r;
	}
	buffer->refs++;
	mapping->uses = 1;
	LIST_INSERT_HEAD(&buffer->mappings, mapping, of_buffer);
	TAILQ_INSERT_TAIL(&session->mapped, mapping, of_session);
	fill_record(&mapping->map_record, SOFTDSP_MAP, mapping, ++session->maps);
	mapping->map = (struct soft_item){
		.record = &mapping->map_record,
		.size = SOFTDSP_SIZE(map),
		.fds = &buffer->fd,
		.n_fds = 1,
	};
	soft_channel_send(&session->pd, &mapping->map);
	*out = mapping;
	return 0;
}

int soft_mapping_get(struct qda_device_session *session, struct qda_device_buffer *buffer,
		     struct soft_mapping **out)
{
	struct soft_mapping *mapping;

	LIST_FOREACH(mapping, &buffer->mappings, of_buffer)
		if (mapping->session == session)
			break;
	if (!mapping)
		return mapping_new(session, buffer, out);
	if (!mapping->uses++) {
		TAILQ_REMOVE(&session->idle, mapping, of_session);
		TAILQ_INSERT_TAIL(&session->mapped, mapping, of_session);
	}
	*out = mapping;
	return 0;
}

void soft_mapping_put(struct soft_mapping *mapping)
{
	if (--mapping->uses)
		return;
	TAILQ_REMOVE(&mapping->session->mapped, mapping, of_session);
	TAILQ_INSERT_TAIL(&mapping->session->idle, mapping, of_session);
	if (mapping->buffer->released)
		unmap(mapping);
}

void soft_buffer_release(struct qda_device_buffer *buffer)
{
	struct soft_mapping *mapping, *next;

	assert(!buffer->released);
	buffer->released = true;
	for (mapping = LIST_FIRST(&buffer->mappings); mapping; mapping = next) {
		next = LIST_NEXT(mapping, of_buffer);
		if (!mapping->uses)
			unmap(mapping);
	}
	buffer_unref(buffer);
}

void soft_mappings_drop(struct qda_device_session *session)
{
	struct soft_mapping *mapping;

	while ((mapping = TAILQ_FIRST(&session->mapped)) || (mapping = TAILQ_FIRST(&session->idle)))
		mapping_free(mapping);
}
