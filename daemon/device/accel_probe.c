// SPDX-License-Identifier: BSD-3-Clause
/*
 * What is behind a node of /dev/accel: whose driver it is, which DSP, what it can do; and the shell
 * image in a buffer of its memory. All of this runs on a worker, or before the loop does.
 */
#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "device/accel.h"
#include "wire.h"

#define FOLDER "/dev/accel"
#define SHELL_MAX (64u << 20)	/* images have a few MiB */

static int __attribute__((format(printf, 3, 4)))
fail(struct accel_probe *probe, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(probe->why, sizeof(probe->why), format, args);
	va_end(args);
	return err;
}

/* --- the node --- */

int accel_query(int fd, uint32_t type, uint32_t index, uint64_t *value)
{
	struct drm_qda_query query = { .type = type, .index = index };
	int r = accel_ioctl(fd, DRM_IOCTL_QDA_QUERY, &query);

	*value = query.value;
	return r;
}

/* Other drivers have other commands under the same numbers: the driver's name comes first. */
int accel_query_name(int fd, char *name)
{
	drmVersion *version = drmGetVersion(fd);
	bool ours = version && version->name && !strcmp(version->name, "qda");
	struct drm_qda_query answer = { .type = DRM_QDA_QUERY_NAME };
	int r;

	drmFreeVersion(version);
	if (!ours)
		return -ENOTTY;
	r = accel_ioctl(fd, DRM_IOCTL_QDA_QUERY, &answer);
	if (r < 0)
		return r;
	if (!memchr(answer.dsp_name, '\0', sizeof(answer.dsp_name)))
		return -EPROTO;
	memcpy(name, answer.dsp_name, sizeof(answer.dsp_name));
	return 0;
}

static int open_node(const char *path, char *name)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK), r;

	if (fd < 0)
		return -errno;
	r = accel_query_name(fd, name);
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

static int open_named(struct accel_probe *probe, const char *path, const char *wanted)
{
	char name[16] = "";
	int fd = open_node(path, name);

	if (fd == -ENOTTY)
		return fail(probe, fd, "%s is not a device of the qda driver", path);
	if (fd < 0)
		return fail(probe, fd, "%s: %s", path, strerrordesc_np(-fd));
	if (strcmp(name, wanted)) {
		close(fd);
		return fail(probe, -ENODEV, "%s is domain %s, not %s", path, name, wanted);
	}
	snprintf(probe->path, sizeof(probe->path), "%s", path);
	probe->fd = fd;
	return 0;
}

static int is_node(const struct dirent *entry)
{
	return !strncmp(entry->d_name, "accel", 5) && strlen(entry->d_name) < 16;
}

/* The nodes there are, as visit() wants to see them, until it returns true. */
static void walk(bool (*visit)(const char *path, void *data), void *data)
{
	struct dirent **entries;
	int n = scandir(FOLDER, &entries, is_node, versionsort);
	bool done = false;
	char path[64];

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), FOLDER "/%.15s", entries[i]->d_name);
		done = done || visit(path, data);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

struct search {
	struct accel_probe *probe;
	const char *name;
};

static bool is_wanted(const char *path, void *data)
{
	struct search *search = data;

	return !open_named(search->probe, path, search->name);
}

static int find_node(struct accel *accel, struct accel_probe *probe)
{
	struct search search = { probe, accel->name };

	if (accel->node)
		return open_named(probe, accel->node, accel->name);
	walk(is_wanted, &search);
	if (probe->fd >= 0)
		return 0;
	return fail(probe, -ENODEV, "no device in " FOLDER " is domain %s of the qda driver",
		    accel->name);
}

struct list {
	char (*names)[16];
	unsigned n, room;
};

static bool add_name(const char *path, void *data)
{
	struct list *list = data;
	char *name = list->names[list->n];
	int fd = open_node(path, name);

	if (fd < 0)
		return false;
	close(fd);
	for (unsigned i = 0; i < list->n; i++)
		if (!strcmp(list->names[i], name))
			return false;
	return ++list->n == list->room;
}

unsigned qda_accel_find(char (*names)[16], unsigned room)
{
	struct list list = { names, 0, room };

	if (room)
		walk(add_name, &list);
	return list.n;
}

/* --- what it can do --- */

static int read_limits(struct accel_probe *probe)
{
	static const uint32_t types[] = { DRM_QDA_QUERY_ATTRS, DRM_QDA_QUERY_BANKS,
					  DRM_QDA_QUERY_CALLS, DRM_QDA_QUERY_FILE_CALLS };
	uint64_t *limits[] = { &probe->limits.attrs, &probe->limits.banks, &probe->limits.calls,
			       &probe->limits.file_calls };

	for (unsigned i = 0; i < sizeof(types) / sizeof(*types); i++) {
		int r = accel_query(probe->fd, types[i], 0, limits[i]);

		if (r < 0)
			return fail(probe, r, "%s: query %u: %s", probe->path, types[i],
				    strerrordesc_np(-r));
	}
	return 0;
}

/* The driver does not say; its parent in sysfs does. */
static bool is_virtual(int fd)
{
	char path[64], target[256];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return false;
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/device", major(st.st_rdev),
		 minor(st.st_rdev));
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = '\0';
	return !strcmp(basename(target), "qda_vdsp");
}

/* --- the shell image --- */

/* A buffer for it: handle and dma-buf in *probe, the size in pages. */
static int make_shell(struct accel_probe *probe, uint64_t size)
{
	struct drm_qda_gem_create create = { .size = size };
	struct drm_prime_handle prime = { .flags = DRM_CLOEXEC | DRM_RDWR };
	int r = accel_ioctl(probe->fd, DRM_IOCTL_QDA_GEM_CREATE, &create);

	prime.handle = create.handle;
	if (!r)
		r = accel_ioctl(probe->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime);
	if (r < 0)
		return fail(probe, r, "%s: no memory for the shell image: %s", probe->path,
			    strerrordesc_np(-r));
	probe->shell_handle = create.handle;
	probe->shell_fd = prime.fd;
	probe->shell_size = (uint32_t)size;
	return 0;
}

static int fill_shell(struct accel_probe *probe, int file, const char *bytes)
{
	size_t size = probe->shell_size;
	char *view = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, probe->shell_fd, 0);
	ssize_t n = 0;

	if (view == MAP_FAILED)
		return fail(probe, -errno, "the shell image's memory cannot be mapped: %s",
			    strerrordesc_np(errno));
	if (bytes)
		memcpy(view, bytes, size);
	for (size_t at = 0; !bytes && at < size; at += (size_t)n) {
		n = read(file, view + at, size - at);
		if (n <= 0)
			break;
	}
	munmap(view, size);
	if (bytes || n > 0)
		return 0;
	return fail(probe, -EIO, "the shell image cannot be read: %s",
		    n < 0 ? strerrordesc_np(errno) : "it became shorter");
}

static int load_file(struct accel_probe *probe, const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), r;
	struct stat st;

	if (file < 0 || fstat(file, &st) < 0)
		r = fail(probe, -errno, "shell=%s: %s", path, strerrordesc_np(errno));
	else if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > SHELL_MAX)
		r = fail(probe, -EINVAL, "shell=%s: not a file of 1 byte to 64 MiB", path);
	else
		r = make_shell(probe, (uint64_t)st.st_size);
	if (!r)
		r = fill_shell(probe, file, NULL);
	if (file >= 0)
		close(file);
	return r;
}

static int load_builtin(struct accel_probe *probe)
{
	int r = make_shell(probe, sizeof(SOFTDSP_SHELL_MAGIC) - 1);

	return r < 0 ? r : fill_shell(probe, -1, SOFTDSP_SHELL_MAGIC);
}

static int load_shell(struct accel *accel, struct accel_probe *probe)
{
	const char *path = accel->shell_path;

	if (path ? !strcmp(path, QDA_ACCEL_SHELL_BUILTIN) : probe->is_virtual)
		return load_builtin(probe);
	if (path)
		return load_file(probe, path);
	return fail(probe, -ENOENT,
		    "no shell image: give the firmware's, shell=FILE in [domain %s]", accel->name);
}

/* --- all of it --- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void accel_probe_close(struct accel_probe *probe)
{
	close_fd(&probe->stale_fd);
	close_fd(&probe->shell_fd);
	close_fd(&probe->fd);
}

void accel_probe_run(struct accel *accel, struct accel_probe *probe)
{
	int r;

	close_fd(&probe->stale_fd);
	probe->fd = probe->shell_fd = -1;
	r = find_node(accel, probe);
	if (!r)
		r = read_limits(probe);
	if (!r) {
		probe->is_virtual = is_virtual(probe->fd);
		r = load_shell(accel, probe);
	}
	if (r < 0)
		accel_probe_close(probe);
	probe->err = r;
}
