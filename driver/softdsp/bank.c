// SPDX-License-Identifier: BSD-3-Clause
/*
 * Control maps of a context bank: see bank.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bank.h"

#define BANK_SIZE	(1ull << 32)
#define PAGE		4096ull

static int check(const struct softdsp_map *map)
{
	uint64_t end;

	if (!map->size || map->addr % PAGE || map->size % PAGE || map->offset % PAGE)
		return -EINVAL;
	if (__builtin_add_overflow(map->addr, map->size, &end) || end > BANK_SIZE)
		return -EINVAL;
	if (__builtin_add_overflow(map->offset, map->size, &end) || end > INT64_MAX)
		return -EINVAL;
	return 0;
}

/* The seals say that it is memory: reading any other kind of file might block. */
static int check_memory(int fd, const struct softdsp_map *map)
{
	const int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return -EPERM;
	if (fstat(fd, &st) < 0)
		return -errno;
	return map->offset + map->size > (uint64_t)st.st_size ? -ERANGE : 0;
}

static struct bank_map *find_overlap(struct bank *bank, const struct softdsp_map *map)
{
	for (unsigned i = 0; i < BANK_MAPS_MAX; i++) {
		struct bank_map *m = &bank->maps[i];

		if (m->size && m->addr < map->addr + map->size && map->addr < m->addr + m->size)
			return m;
	}
	return NULL;
}

static struct bank_map *find_unused(struct bank *bank)
{
	for (unsigned i = 0; i < BANK_MAPS_MAX; i++)
		if (!bank->maps[i].size)
			return &bank->maps[i];
	return NULL;
}

int bank_map(struct bank *bank, const struct softdsp_map *map, int *fd)
{
	struct bank_map *place;
	int err = check(map);

	if (!err)
		err = check_memory(*fd, map);
	if (err)
		return err;
	if (find_overlap(bank, map))
		return -EEXIST;
	place = find_unused(bank);
	if (!place)
		return -ENOSPC;
	*place = (struct bank_map){ map->addr, map->size, map->offset, *fd };
	*fd = -1;
	return 0;
}

static void drop(struct bank_map *map)
{
	close(map->fd);
	map->size = 0;
}

int bank_unmap(struct bank *bank, const struct softdsp_map *map)
{
	struct bank_map *found = check(map) ? NULL : find_overlap(bank, map);

	if (!found || found->addr != map->addr || found->size != map->size)
		return -ENOENT;
	drop(found);
	return 0;
}

/* The map that holds all of [addr, addr + n). */
static const struct bank_map *find(const struct bank *bank, uint64_t addr, size_t n)
{
	for (unsigned i = 0; i < BANK_MAPS_MAX; i++) {
		const struct bank_map *m = &bank->maps[i];

		if (m->size && addr >= m->addr && n <= m->size && addr - m->addr <= m->size - n)
			return m;
	}
	return NULL;
}

int bank_read(const struct bank *bank, uint64_t addr, void *buf, size_t n)
{
	const struct bank_map *map = find(bank, addr, n);

	if (bank->view.base)
		return view_read(&bank->view, addr, buf, n);
	if (!map || pread(map->fd, buf, n, map->offset + (addr - map->addr)) != (ssize_t)n)
		return -EFAULT;
	return 0;
}

int bank_write(const struct bank *bank, uint64_t addr, const void *buf, size_t n)
{
	const struct bank_map *map = find(bank, addr, n);

	if (bank->view.base)
		return view_write(&bank->view, addr, buf, n);
	if (!map || pwrite(map->fd, buf, n, map->offset + (addr - map->addr)) != (ssize_t)n)
		return -EFAULT;
	return 0;
}

void bank_clear_dirs(struct bank *bank)
{
	for (unsigned i = 0; i < bank->n_dirs; i++)
		close(bank->dirs[i]);
	bank->n_dirs = 0;
}

void bank_clear(struct bank *bank)
{
	for (unsigned i = 0; i < BANK_MAPS_MAX; i++)
		if (bank->maps[i].size)
			drop(&bank->maps[i]);
	bank_clear_dirs(bank);
	view_close(&bank->view);
}
