// SPDX-License-Identifier: BSD-3-Clause
/*
 * The socket transport of a PD: all idle threads wait in recvmsg() on one shared channel, the
 * kernel wakes one a record, and that one handles it. MAP and UNMAP records are applied in their
 * order under a lock; a call waits until those before it are done.
 *
 * The bank is 4 GiB of reserved addresses. Which of its pages are mapped is kept in a bitmap that
 * is read without a lock: a host that unmaps what it is calling with harms its own PD only.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/fastrpc/fastrpc.h"
#include "order.h"
#include "record.h"
#include "transport.h"

#define BANK_SIZE	(1ull << 32)
#define PAGE		4096ull
#define WORD_PAGES	64u

struct socket_transport {
	struct transport transport; /* first */
	int fd;
	uint32_t max_threads;
	pthread_mutex_t order; /* serialises maps; guards the writing of `applied` and `mapped` */
	pthread_cond_t moved;
	_Atomic uint32_t applied;	/* number of the last MAP or UNMAP that is done */
	_Atomic uint32_t lost_lines;	/* log lines since the last one that was sent */
	_Atomic uint64_t mapped[BANK_SIZE / PAGE / WORD_PAGES];
};

static struct socket_transport the_transport;

static struct socket_transport *from(struct transport *t)
{
	return (struct socket_transport *)t;
}

/* --- the bank --- */

static void mark(struct socket_transport *t, uint64_t addr, uint64_t size, bool mapped)
{
	uint64_t page = addr / PAGE;
	const uint64_t end = (addr + size) / PAGE;

	while (page < end) {
		const unsigned bit = page % WORD_PAGES;
		const uint64_t n = end - page < WORD_PAGES - bit ? end - page : WORD_PAGES - bit;
		const uint64_t mask = (n == WORD_PAGES ? ~0ull : (1ull << n) - 1) << bit;

		if (mapped)
			atomic_fetch_or(&t->mapped[page / WORD_PAGES], mask);
		else
			atomic_fetch_and(&t->mapped[page / WORD_PAGES], ~mask);
		page += n;
	}
}

static uint64_t readable(struct transport *transport, uint32_t addr, uint64_t want)
{
	struct socket_transport *t = from(transport);
	const uint64_t end = want > BANK_SIZE - addr ? BANK_SIZE : addr + want;
	uint64_t page = addr / PAGE;

	while (page * PAGE < end) {
		const uint64_t word = atomic_load_explicit(&t->mapped[page / WORD_PAGES],
							   memory_order_relaxed);

		if (!(word >> page % WORD_PAGES & 1))
			break;
		page++;
	}
	if (page * PAGE >= end)
		return end - addr;
	return page * PAGE > addr ? page * PAGE - addr : 0;
}

static int check_range(const struct softdsp_map *map)
{
	uint64_t end;

	if (!map->size || map->addr % PAGE || map->size % PAGE || map->offset % PAGE)
		return -EINVAL;
	if (__builtin_add_overflow(map->addr, map->size, &end) || end > BANK_SIZE)
		return -ERANGE;
	return 0;
}

/* Memory that can shrink would let the host kill the PD with SIGBUS long after it was shown. */
static int check_memory(int fd, const struct softdsp_map *map)
{
	const int seals = fcntl(fd, F_GET_SEALS);
	uint64_t end;
	struct stat st;

	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return -EPERM;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (__builtin_add_overflow(map->offset, map->size, &end) || end > (uint64_t)st.st_size)
		return -ERANGE;
	return 0;
}

static int apply_map(struct socket_transport *t, const struct softdsp_map *map, int fd)
{
	const int prot = map->flags & SOFTDSP_MAP_READ_ONLY ? PROT_READ : PROT_READ | PROT_WRITE;
	int err;

	if (fd < 0 || map->flags & ~(uint32_t)SOFTDSP_MAP_READ_ONLY)
		return -EINVAL;
	err = check_range(map);
	if (!err)
		err = check_memory(fd, map);
	if (err)
		return err;
	if (mmap(t->transport.base + map->addr, map->size, prot, MAP_SHARED | MAP_FIXED, fd,
		 (off_t)map->offset) == MAP_FAILED)
		return -errno;
	mark(t, map->addr, map->size, true);
	return 0;
}

static int apply_unmap(struct socket_transport *t, const struct softdsp_map *map)
{
	int err = check_range(map);

	if (err)
		return err;
	mark(t, map->addr, map->size, false);
	if (mmap(t->transport.base + map->addr, map->size, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		return -errno;
	return 0;
}

/* --- order --- */

/* Each thread holds at most one record, so a number further ahead than there are threads is one
 * that will never be reached: the host counts wrongly, and waiting for it would hang for ever. */
static void check_number(struct socket_transport *t, uint32_t ahead)
{
	static const char text[] = "the host numbered its maps wrongly: this PD ends";

	if ((int32_t)ahead >= 0 && ahead <= t->max_threads)
		return;
	t->transport.ops->log(&t->transport, 4, text, sizeof(text) - 1);
	_exit(PD_EXIT_PROTOCOL);
}

static void wait_for(struct socket_transport *t, uint32_t number)
{
	if ((int32_t)(atomic_load(&t->applied) - number) >= 0)
		return;
	pthread_mutex_lock(&t->order);
	while ((int32_t)(t->applied - number) < 0) {
		check_number(t, number - t->applied);
		pthread_cond_wait(&t->moved, &t->order);
	}
	pthread_mutex_unlock(&t->order);
}

static void report_refused(struct socket_transport *t, const struct softdsp_map *map, int err)
{
	char text[160];
	const int n = snprintf(text, sizeof(text), "map of %#llx bytes at %#llx refused: %s",
			       (unsigned long long)map->size, (unsigned long long)map->addr,
			       strerror(-err));

	t->transport.ops->log(&t->transport, 3, text, n);
}

/* A refused map counts as done: what was to be seen there is not, and who reads it faults. The host
 * is told before a call that waits for the map can answer. */
static void apply(struct socket_transport *t, const struct softdsp_record *record, int fd)
{
	const struct softdsp_map *map = &record->map;
	int err;

	wait_for(t, map->maps - 1);
	pthread_mutex_lock(&t->order);
	check_number(t, map->maps - t->applied - 1);
	err = record->kind == SOFTDSP_MAP ? apply_map(t, map, fd) : apply_unmap(t, map);
	if (err)
		report_refused(t, map, err);
	t->applied = map->maps;
	pthread_cond_broadcast(&t->moved);
	pthread_mutex_unlock(&t->order);
}

/* --- records --- */

/* A record that is neither of these is dropped: there is nothing to answer it with. */
static bool handle(struct socket_transport *t, const struct softdsp_record *record, long n,
		   const struct record_fds *fds, struct fastrpc_msg *msg)
{
	if (n == SOFTDSP_SIZE(map) &&
	    (record->kind == SOFTDSP_MAP || record->kind == SOFTDSP_UNMAP)) {
		apply(t, record, fds->n == 1 && !fds->cut ? fds->fd[0] : -1);
		return false;
	}
	if (n != SOFTDSP_SIZE(call) || record->kind != SOFTDSP_CALL)
		return false;
	memcpy(msg, record->call.msg, sizeof(*msg));
	wait_for(t, record->call.maps);
	return true;
}

static int next(struct transport *transport, struct fastrpc_msg *msg)
{
	struct socket_transport *t = from(transport);
	struct softdsp_record record;
	struct record_fds fds;
	bool call = false;
	long n;

	while (!call) {
		n = record_recv(t->fd, &record, sizeof(record), &fds, 0);
		if (n < 0 && (n == -ENOMEM || n == -ENOBUFS))
			continue;
		if (n <= 0)
			return 0;
		call = handle(t, &record, n, &fds, msg);
		record_fds_close(&fds);
	}
	return 1;
}

static void reply(struct transport *transport, uint64_t ctx, int32_t retval)
{
	const struct fastrpc_rsp rsp = { .ctx = ctx, .retval = retval };
	struct softdsp_record record = { .kind = SOFTDSP_RESPONSE,
					 .bank = transport->bank,
					 .client = transport->client };

	memcpy(record.rsp, &rsp, sizeof(record.rsp));
	record_send(from(transport)->fd, &record, SOFTDSP_SIZE(rsp), -1, 0);
}

/* Never waits: a line that finds the channel full is lost, and the next one says so. */
static void send_log(struct transport *transport, uint32_t level, const char *text, size_t n)
{
	struct socket_transport *t = from(transport);
	const uint32_t dropped = atomic_exchange(&t->lost_lines, 0);
	struct {
		struct softdsp_record record;
		char space[SOFTDSP_TEXT_MAX];
	} line = { .record = { .kind = SOFTDSP_LOG,
			       .bank = transport->bank,
			       .client = transport->client,
			       .log = { .level = level, .dropped = dropped } } };

	if (n > SOFTDSP_TEXT_MAX)
		n = SOFTDSP_TEXT_MAX;
	memcpy((char *)&line + SOFTDSP_SIZE(log), text, n);
	if (record_send(t->fd, &line, SOFTDSP_SIZE(log) + n, -1, MSG_DONTWAIT) < 0)
		atomic_fetch_add(&t->lost_lines, dropped + 1);
}

static const struct transport_ops socket_ops = {
	.next = next,
	.reply = reply,
	.log = send_log,
	.readable = readable,
};

int transport_socket_init(int fd, int32_t client, uint32_t bank, uint32_t max_threads,
			  struct transport **out)
{
	struct socket_transport *t = &the_transport;

	t->fd = fd;
	t->max_threads = max_threads;
	pthread_mutex_init(&t->order, NULL);
	pthread_cond_init(&t->moved, NULL);
	t->transport = (struct transport){ .ops = &socket_ops, .client = client, .bank = bank };
	t->transport.base = mmap(NULL, BANK_SIZE, PROT_NONE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->transport.base == MAP_FAILED)
		return -errno;
	*out = &t->transport;
	return 0;
}
