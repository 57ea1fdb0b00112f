// SPDX-License-Identifier: BSD-3-Clause
/*
 * Buffers of the accel device. Making one takes no pages, importing one only keeps the dma-buf:
 * neither waits. Pages are taken, and foreign memory is attached, when a session first uses it,
 * which is a worker's business; so is closing, which may free or unmap gigabytes.
 */
#include <assert.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/udmabuf.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "device/accel.h"

static int compare(const struct accel_memory *a, const struct accel_memory *b)
{
	return a->handle < b->handle ? -1 : a->handle > b->handle;
}

RB_GENERATE_STATIC(accel_handles, accel_memory, node, compare)

/* --- handles in a file; none of these sleeps for long: no pages, no attachment --- */

static int import_handle(int file, int dma_buf, uint32_t *handle)
{
	struct drm_prime_handle prime = { .fd = dma_buf };
	int r = accel_ioctl(file, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime);

	*handle = prime.handle;
	return r;
}

static void close_handle(int file, uint32_t handle)
{
	struct drm_gem_close close = { .handle = handle };

	if (handle)
		accel_ioctl(file, DRM_IOCTL_GEM_CLOSE, &close);
}

/* --- memory --- */

/* All that wait at one time, so that nobody can let go of memory faster than it is closed. */
static void run_closer(struct accel_job *job)
{
	struct accel *accel = job->queue->accel;
	struct accel_memory *memory;

	TAILQ_FOREACH(memory, &accel->burning, link) {
		if (memory->is_memfd && memory->dma_buf >= 0)
			close(memory->dma_buf);
		close(memory->fd);
	}
}

static void start_closer(struct accel *accel);

static bool on_closed(struct accel_job *job)
{
	struct accel *accel = job->queue->accel;
	struct accel_memory *memory;

	while ((memory = TAILQ_FIRST(&accel->burning))) {
		TAILQ_REMOVE(&accel->burning, memory, link);
		accel->n_dead--;
		free(memory);
	}
	accel->closer_started = false;
	if (!TAILQ_EMPTY(&accel->dead))
		start_closer(accel);
	return false;
}

static void start_closer(struct accel *accel)
{
	TAILQ_CONCAT(&accel->burning, &accel->dead, link);
	accel->closer_started = true;
	accel->closer.run = run_closer;
	accel->closer.done = on_closed;
	accel_job_start(&accel->queue, &accel->closer);
}

int accel_memory_new(struct accel *accel, uint32_t handle, int fd, uint64_t size,
		     struct accel_memory **out)
{
	struct accel_memory *memory = calloc(1, sizeof(*memory));

	if (!memory)
		return -ENOMEM;
	memory->accel = accel;
	memory->refs = 1;
	memory->handle = handle;
	memory->fd = fd;
	memory->is_memfd = !handle;
	memory->dma_buf = handle ? fd : -1;
	memory->size = size;
	LIST_INIT(&memory->uses);
	TAILQ_INSERT_TAIL(&accel->memories, memory, link);
	if (handle)
		RB_INSERT(accel_handles, &accel->handles, memory);
	*out = memory;
	return 0;
}

struct accel_memory *accel_memory_ref(struct accel_memory *memory)
{
	memory->refs++;
	return memory;
}

/* No job names it any more. A file that is being closed takes its handles along, and no more jobs.
 */
static void use_close(struct accel_use *use)
{
	LIST_REMOVE(use, of_memory);
	if (use->handle && use->session->state != ACCEL_ENDING)
		accel_job_start(&use->session->queue, &use->close);
	else
		use->close.done(&use->close);
}

/* The handle goes at once, so that nobody finds it again; what it stands for is kept by fd. */
void accel_memory_unref(struct accel_memory *memory)
{
	struct accel *accel = memory->accel;
	struct accel_use *use;

	if (--memory->refs)
		return;
	while ((use = LIST_FIRST(&memory->uses)))
		use_close(use);
	if (memory->handle) {
		RB_REMOVE(accel_handles, &accel->handles, memory);
		close_handle(accel->fd, memory->handle);
	}
	TAILQ_REMOVE(&accel->memories, memory, link);
	TAILQ_INSERT_TAIL(&accel->dead, memory, link);
	accel->n_dead++;
	if (!accel->closer_started)
		start_closer(accel);
}

void accel_memories_forget(struct accel *accel)
{
	struct accel_memory *memory;

	TAILQ_FOREACH(memory, &accel->memories, link)
		memory->handle = 0;
	RB_INIT(&accel->handles);
}

/* What cannot be entered is merely not recognised when it comes again. */
void accel_memories_enter(struct accel *accel)
{
	struct accel_memory *memory;

	TAILQ_FOREACH(memory, &accel->memories, link) {
		/* Nobody else has the dma-buf that was made of a memfd. */
		if (memory->is_memfd)
			continue;
		if (import_handle(accel->fd, memory->dma_buf, &memory->handle) < 0)
			memory->handle = 0;
		else if (RB_INSERT(accel_handles, &accel->handles, memory))
			memory->handle = 0;
	}
}

/* --- a memory in a session --- */

static struct accel_use *use_of(struct accel_job *close)
{
	return (struct accel_use *)((char *)close - offsetof(struct accel_use, close));
}

static void run_close_use(struct accel_job *job)
{
	struct accel_use *use = use_of(job);

	close_handle(use->session->fd, use->handle);
}

/* Dropped: the file is about to be closed, with all its handles. */
static bool on_use_closed(struct accel_job *job)
{
	struct accel_use *use = use_of(job);

	LIST_REMOVE(use, of_session);
	free(use);
	return false;
}

int accel_use_get(struct qda_device_session *session, struct accel_memory *memory,
		  struct accel_use **out)
{
	struct accel_use *use;

	LIST_FOREACH(use, &memory->uses, of_memory) {
		if (use->session == session) {
			*out = use;
			return 0;
		}
	}
	use = calloc(1, sizeof(*use));
	if (!use)
		return -ENOMEM;
	use->session = session;
	use->memory = memory;
	use->close.run = run_close_use;
	use->close.done = on_use_closed;
	LIST_INSERT_HEAD(&memory->uses, use, of_memory);
	LIST_INSERT_HEAD(&session->uses, use, of_session);
	*out = use;
	return 0;
}

/* The memory's own seals were checked when it came. This takes all its pages. */
static int convert(struct accel_memory *memory)
{
	struct udmabuf_create create = {
		.memfd = (uint32_t)memory->fd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = memory->size,
	};
	int fd = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = ioctl(fd, UDMABUF_CREATE, &create);
	if (r < 0)
		r = -errno;
	close(fd);
	return r;
}

static int dma_buf_of(struct accel_memory *memory)
{
	struct accel *accel = memory->accel;
	int r;

	uv_mutex_lock(&accel->convert);
	r = memory->dma_buf < 0 ? convert(memory) : memory->dma_buf;
	if (r >= 0)
		memory->dma_buf = r;
	uv_mutex_unlock(&accel->convert);
	return r;
}

int accel_use_import(struct accel_use *use)
{
	int r;

	if (use->handle)
		return 0;
	r = dma_buf_of(use->memory);
	return r < 0 ? r : import_handle(use->session->fd, r, &use->handle);
}

void accel_uses_drop(struct qda_device_session *session)
{
	struct accel_use *use;

	while ((use = LIST_FIRST(&session->uses))) {
		LIST_REMOVE(use, of_memory);
		LIST_REMOVE(use, of_session);
		free(use);
	}
}

/* --- buffers --- */

static int check_size(uint64_t size)
{
	return !size || size % ACCEL_PAGE || size > (1ull << 32) - ACCEL_PAGE ? -EINVAL : 0;
}

/* Takes over the reference on success. */
static int buffer_new(struct accel_memory *memory, uint64_t size, bool read_only,
		      struct qda_device_buffer **out)
{
	struct qda_device_buffer *buffer = calloc(1, sizeof(*buffer));

	if (!buffer)
		return -ENOMEM;
	buffer->memory = memory;
	buffer->size = size;
	buffer->read_only = read_only;
	*out = buffer;
	return 0;
}

static int export_handle(int file, uint32_t handle)
{
	struct drm_prime_handle prime = { .handle = handle, .flags = DRM_CLOEXEC | DRM_RDWR };
	int r = accel_ioctl(file, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime);

	return r < 0 ? r : prime.fd;
}

int accel_buffer_create(struct qda_device *dev, uint64_t size, struct qda_device_buffer **out)
{
	struct accel *accel = accel_of(dev);
	struct drm_qda_gem_create create = { .size = size };
	struct accel_memory *memory;
	int fd, r = check_size(size);

	if (r < 0)
		return r;
	if (accel->link != ACCEL_LINK_UP)
		return -ENOTCONN;
	if (accel->n_dead >= ACCEL_DEAD_MAX)
		return -EAGAIN;
	r = accel_ioctl(accel->fd, DRM_IOCTL_QDA_GEM_CREATE, &create);
	if (r < 0)
		return r;
	fd = export_handle(accel->fd, create.handle);
	r = fd < 0 ? fd : accel_memory_new(accel, create.handle, fd, size, &memory);
	if (r < 0) {
		close_handle(accel->fd, create.handle);
		if (fd >= 0)
			close(fd);
		return r;
	}
	r = buffer_new(memory, size, false, out);
	if (r < 0)
		accel_memory_unref(memory);
	return r;
}

/*
 * A memfd, by way of a udmabuf, which gives the DSP all of it for reading and writing whatever the
 * descriptor allows: so the descriptor must allow it, also when only reading is wanted.
 */
static int check_memfd(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS), flags = fcntl(fd, F_GETFL);
	struct statfs fs;

	if (seals < 0 || flags < 0 || flags & O_PATH || fstatfs(fd, &fs) < 0 ||
	    fs.f_type != TMPFS_MAGIC || access("/dev/udmabuf", R_OK | W_OK) < 0)
		return -EINVAL;
	if (!(seals & F_SEAL_SHRINK) || seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) ||
	    (flags & O_ACCMODE) != O_RDWR)
		return -EPERM;
	return 0;
}

static int check_access(int fd, bool read_only)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -EINVAL;
	if ((flags & O_ACCMODE) == O_RDWR || (read_only && (flags & O_ACCMODE) == O_RDONLY))
		return 0;
	return -EPERM;
}

/* The memory of a descriptor with one more reference: one that is there, or a new one. */
static int memory_of_fd(struct accel *accel, int fd, uint64_t size, bool read_only,
			struct accel_memory **out)
{
	struct accel_memory wanted = { 0 };
	int copy, r = import_handle(accel->fd, fd, &wanted.handle);

	if (r == -EINVAL || r == -EBADF)
		r = check_memfd(fd);
	else if (!r)
		r = check_access(fd, read_only);
	*out = wanted.handle ? RB_FIND(accel_handles, &accel->handles, &wanted) : NULL;
	if (*out) {
		if (!r)
			accel_memory_ref(*out);
		return r;
	}
	copy = r < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (!r && copy < 0)
		r = -errno;
	if (!r)
		r = accel_memory_new(accel, wanted.handle, copy, size, out);
	if (r < 0) {
		close_handle(accel->fd, wanted.handle);
		if (copy >= 0)
			close(copy);
	}
	return r;
}

int accel_buffer_import(struct qda_device *dev, int fd, uint64_t size, bool read_only,
			struct qda_device_buffer **out)
{
	struct accel *accel = accel_of(dev);
	struct accel_memory *memory;
	struct stat st;
	int r = check_size(size);

	if (r < 0)
		return r;
	if (accel->link != ACCEL_LINK_UP)
		return -ENOTCONN;
	r = memory_of_fd(accel, fd, size, read_only, &memory);
	if (r < 0)
		return r;
	/* Only now: of a file that somebody serves the size may never come. */
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < size)
		r = -ERANGE;
	else
		r = buffer_new(memory, size, read_only, out);
	if (r < 0)
		accel_memory_unref(memory);
	return r;
}

int accel_buffer_fd(struct qda_device_buffer *buffer)
{
	return buffer->memory->fd;
}

/* The daemon's own memory is small: its pages are taken here. */
void *accel_buffer_view(struct qda_device_buffer *buffer)
{
	void *view = buffer->view;

	if (!view) {
		view = mmap(NULL, buffer->size, PROT_READ | (buffer->read_only ? 0 : PROT_WRITE),
			    MAP_SHARED, buffer->memory->fd, 0);
		if (view == MAP_FAILED)
			return NULL;
		buffer->view = view;
	}
	return view;
}

void accel_buffer_release(struct qda_device_buffer *buffer)
{
	if (buffer->view)
		munmap(buffer->view, buffer->size);
	accel_memory_unref(buffer->memory);
	free(buffer);
}
