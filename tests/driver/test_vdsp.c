// SPDX-License-Identifier: BSD-3-Clause
/*
 * The virtual DSP's character device, as its header describes it. Here the test itself is the
 * firmware: it reads every record and writes every answer by hand.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "accel.h"
#include "dsp.h"

#define NODE "/dev/qda-vdsp0"
#define KERNEL_ADDRESS ((void *)0xffffffff81000000)

struct world {
	int control;
	int file;	/* of the accel device, with a session */
	int32_t client;
	uint32_t bank;
	uint32_t buffer;
	uint8_t *memory;
};

static struct qda_vdsp_record record_next(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	struct qda_vdsp_record record;

	assert_int_equal(poll(&poll_fd, 1, 60000), 1);
	assert_int_equal(read(fd, &record, sizeof(record)), sizeof(record));
	return record;
}

static struct fastrpc_msg msg_of(const struct qda_vdsp_record *record)
{
	struct fastrpc_msg msg;

	memcpy(&msg, record->msg, sizeof(msg));
	return msg;
}

/* 0 or negative errno */
static int answer(int fd, uint64_t ctx, int32_t result)
{
	const struct fastrpc_rsp rsp = { .ctx = ctx, .retval = result };
	const ssize_t ret = write(fd, &rsp, sizeof(rsp));

	return ret == sizeof(rsp) ? 0 : -errno;
}

static int pd_open(const struct world *w, int32_t client, uint32_t bank)
{
	struct qda_vdsp_pd_open open = { .client = client, .bank = bank };
	const int fd = ioctl(w->control, QDA_VDSP_PD_OPEN, &open);

	return fd < 0 ? -errno : fd;
}

/* Boot, and bring a session up by hand. */
static int setup(void **state)
{
	static struct world world;
	struct world *w = &world;
	struct drm_qda_init_create create = { .attrs = DRM_QDA_ATTR_UNSIGNED,
					      .shell_size = 4096,
					      .flags = DRM_QDA_ASYNC,
					      .user_data = 7 };
	struct qda_vdsp_record record;
	struct drm_qda_event event;
	struct fastrpc_place place;
	struct fastrpc_ctl ctl;
	struct fastrpc_msg msg;
	char name[FASTRPC_CTL_NAME];
	uint8_t *view;

	w->control = open(NODE, O_RDWR | O_CLOEXEC);
	assert_true(w->control >= 0);
	w->file = accel_open();
	w->buffer = buffer_new(w->file, 4 * 4096, (void **)&w->memory);
	create.shell = w->buffer;
	assert_int_equal(accel_ioctl(w->file, DRM_IOCTL_QDA_INIT_CREATE, &create), 0);

	record = record_next(w->control);
	assert_int_equal(record.kind, QDA_VDSP_CALL);
	assert_int_equal(record.client, 0);
	assert_int_equal(record.seq, 1);
	assert_int_equal(record.pad, 0);
	msg = msg_of(&record);
	assert_int_equal(msg.handle, FASTRPC_HANDLE_PROCESS);
	w->bank = msg.addr >> 32;
	view = mmap(NULL, msg.size, PROT_READ, MAP_SHARED, w->control, (off_t)msg.addr);
	assert_true(view != MAP_FAILED);
	assert_int_equal(fastrpc_ctl_read(&msg, view, msg.size, &ctl, name, &place), 0);
	w->client = ctl.client_id;
	assert_int_not_equal(w->client, 0);
	munmap(view, msg.size);
	assert_int_equal(answer(w->control, msg.ctx, 0), 0);
	event = event_next(w->file);
	assert_int_equal(event.user_data, 7);
	assert_int_equal(event.error, 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	munmap(w->memory, 4 * 4096);
	close(w->control);
	close(w->file);
	return 0;
}

static void hold_call(const struct world *w, uint64_t user_data)
{
	assert_int_equal(submit(w->file, DSP_HANDLE, DRM_QDA_SC(DSP_HOLD, 0, 0, 0, 0), NULL,
				user_data, NULL),
			 0);
}

static void one_program_is_the_dsp(void **state)
{
	struct drm_qda_query query = { .type = DRM_QDA_QUERY_BANKS };
	struct qda_vdsp_info info;
	struct world *w = *state;

	assert_int_equal(open(NODE, O_RDWR), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(ioctl(w->control, QDA_VDSP_INFO, &info), 0);
	assert_string_equal(info.name, "cdsp");
	assert_int_equal(info.banks, DSP_BANKS);
	assert_int_equal(info.pad, 0);
	assert_int_equal(ioctl(w->control, QDA_VDSP_INFO, KERNEL_ADDRESS), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(ioctl(w->control, _IO(QDA_VDSP_IOCTL_BASE, 0x7f), 0), -1);
	assert_int_equal(errno, ENOTTY);
	assert_int_equal(accel_ioctl(w->file, DRM_IOCTL_QDA_QUERY, &query), 0);
	assert_string_equal((char *)query.dsp_name, "cdsp");
	assert_int_equal(query.value, DSP_BANKS);
}

static void a_message_that_cannot_be_handed_over_is_not_lost(void **state)
{
	struct qda_vdsp_record record;
	struct world *w = *state;

	hold_call(w, 1);
	assert_int_equal(read(w->control, &record, sizeof(record) - 1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(read(w->control, KERNEL_ADDRESS, sizeof(record)), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(read(w->control, page(PROT_READ), sizeof(record)), -1);
	assert_int_equal(errno, EFAULT);
	record = record_next(w->control);
	assert_int_equal(record.seq, 2);
	assert_int_equal(record.client, w->client);
	assert_int_equal(msg_of(&record).client_id, w->client);

	fcntl(w->control, F_SETFL, O_NONBLOCK);
	assert_int_equal(read(w->control, &record, sizeof(record)), -1);
	assert_int_equal(errno, EAGAIN);
}

static void what_is_no_response_is_dropped(void **state)
{
	uint8_t bytes[QDA_VDSP_RESPONSE_MAX + 1];
	struct world *w = *state;
	struct qda_vdsp_record record;
	struct fastrpc_msg msg;

	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(write(w->control, bytes, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(write(w->control, bytes, sizeof(bytes)), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(write(w->control, KERNEL_ADDRESS, 16), -1);
	assert_int_equal(errno, EFAULT);

	hold_call(w, 5);
	record = record_next(w->control);
	msg = msg_of(&record);
	memcpy(bytes, &msg.ctx, sizeof(msg.ctx));
	for (int n = 1; n < 16; n++)	/* its start, too short */
		assert_int_equal(write(w->control, bytes, n), n);
	for (int bit = 0; bit < 64; bit++)	/* its neighbours */
		assert_int_equal(answer(w->control, msg.ctx ^ 1ull << bit, 0), 0);
	assert_true(event_none(w->file));
	assert_int_equal(answer(w->control, msg.ctx, 11), 0);
	assert_int_equal(event_next(w->file).result, 11);
	assert_int_equal(answer(w->control, msg.ctx, 12), 0);
	assert_true(event_none(w->file));
}

static void a_pd_file_is_for_one_client_and_one_bank(void **state)
{
	struct world *w = *state;
	const uint32_t other = w->bank % DSP_BANKS + 1;
	const int pd = pd_open(w, w->client, w->bank);

	assert_true(pd >= 0);
	assert_int_equal(fcntl(pd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(pd_open(w, w->client, other), -EBUSY);
	assert_int_equal(pd_open(w, w->client + 1, w->bank), -EBUSY);
	assert_int_equal(pd_open(w, 0, other), -EINVAL);
	assert_int_equal(pd_open(w, w->client + 1, 0), -EINVAL);
	assert_int_equal(pd_open(w, w->client + 1, DSP_BANKS + 1), -EINVAL);
	assert_int_equal(pd_open(w, w->client + 1, UINT32_MAX), -EINVAL);
	assert_int_equal(ioctl(w->control, QDA_VDSP_PD_OPEN, KERNEL_ADDRESS), -1);
	assert_int_equal(errno, EFAULT);
	close(pd);
	close(pd_open(w, w->client, w->bank));
}

static void a_pd_answers_what_it_has_read_once(void **state)
{
	struct world *w = *state;
	const int pd = pd_open(w, w->client, w->bank);
	struct pollfd poll_control = { .fd = w->control, .events = POLLIN };
	struct fastrpc_msg msg;
	struct qda_vdsp_record record;
	struct drm_qda_event event;

	hold_call(w, 21);
	record = record_next(pd);
	assert_int_equal(poll(&poll_control, 1, 0), 0);
	assert_int_equal(record.kind, QDA_VDSP_CALL);
	assert_int_equal(record.client, w->client);
	msg = msg_of(&record);
	assert_int_equal(write(pd, &msg.ctx, sizeof(msg.ctx)), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(answer(pd, msg.ctx ^ 0x100, 0), -ENOENT);
	assert_int_equal(answer(pd, msg.ctx, 22), 0);
	event = event_next(w->file);
	assert_int_equal(event.user_data, 21);
	assert_int_equal(event.error, -EREMOTEIO);
	assert_int_equal(event.result, 22);
	assert_int_equal(answer(pd, msg.ctx, 23), -ENOENT);

	/* what it has not read is not its to answer, however well it guesses */
	hold_call(w, 31);
	for (uint64_t ctx = msg.ctx & 0xff; ctx < 64 << 16; ctx += 0x100)
		assert_int_equal(answer(pd, (msg.ctx & ~0xffffull) + ctx, 0), -ENOENT);
	assert_true(event_none(w->file));
	record = record_next(pd);
	assert_int_equal(answer(pd, msg_of(&record).ctx, 0), 0);
	assert_int_equal(event_next(w->file).user_data, 31);
	close(pd);
}

/* The buffer's DSP address, by a call that is left open. */
static uint64_t show_buffer(const struct world *w, struct fastrpc_msg *msg)
{
	struct drm_qda_arg arg = arg_buffer(w->buffer, 0, 4 * 4096);
	struct qda_vdsp_record record;
	struct fastrpc_dsp_arg parsed;
	uint8_t *view;

	assert_int_equal(submit(w->file, DSP_HANDLE, DRM_QDA_SC(DSP_HOLD, 1, 0, 0, 0), &arg, 60,
				NULL),
			 0);
	record = record_next(w->control);
	*msg = msg_of(&record);
	view = mmap(NULL, msg->size, PROT_READ, MAP_SHARED, w->control, (off_t)msg->addr);
	assert_true(view != MAP_FAILED);
	assert_int_equal(fastrpc_parse(msg, view, msg->size, &parsed), 0);
	assert_int_equal(parsed.length, 4 * 4096);
	munmap(view, msg->size);
	return parsed.addr;
}

/* Not even for itself: that is the firmware's to say. */
static void a_pd_cannot_say_that_one_has_ended(void **state)
{
	struct world *w = *state;
	const int pd = pd_open(w, w->client, w->bank);
	struct fastrpc_notification notification;

	hold_call(w, 1);
	record_next(pd);
	for (int32_t client = 1; client <= w->client + 1; client++) {
		fastrpc_notify(&notification, client, FASTRPC_PD_EXCEPTION);
		assert_int_equal(write(pd, &notification, sizeof(notification)), -1);
		assert_int_equal(errno, ENOENT);
	}
	assert_true(event_none(w->file));
	close(pd);
}

static int pd_end(const struct world *w, int32_t client)
{
	struct qda_vdsp_pd_end end = { .client = client };

	return ioctl(w->control, QDA_VDSP_PD_END, &end) < 0 ? -errno : 0;
}

static void a_pd_can_be_ended_while_its_file_is_open(void **state)
{
	struct world *w = *state;
	struct fastrpc_msg msg;
	const uint64_t addr = show_buffer(w, &msg);
	const int pd = pd_open(w, w->client, w->bank);
	uint8_t *bank = mmap(NULL, 1ull << 32, PROT_READ | PROT_WRITE, MAP_SHARED, pd, 0);
	struct qda_vdsp_pd_end bad = { .client = w->client, .pad = 1 };
	struct pollfd poll_pd = { .fd = pd, .events = POLLIN | POLLOUT };
	struct qda_vdsp_record record;
	uint64_t seq;
	int next;

	assert_int_equal(touch(bank + addr), 0);
	for (uint64_t i = 0; i < 2; i++)
		hold_call(w, 40 + i);
	seq = record_next(pd).seq;
	assert_int_equal(ioctl(w->control, QDA_VDSP_PD_END, &bad), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(ioctl(w->control, QDA_VDSP_PD_END, KERNEL_ADDRESS), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(ioctl(pd, QDA_VDSP_PD_END, &bad), -1);
	assert_int_equal(errno, ENOTTY);
	assert_int_equal(pd_end(w, w->client + 1), -ENOENT);
	assert_int_equal(pd_end(w, 0), -ENOENT);
	assert_int_equal(touch(bank + addr), 0);
	assert_int_equal(pd_end(w, w->client), 0);
	assert_int_equal(pd_end(w, w->client), -ENOENT);

	assert_int_equal(touch(bank + addr), -1);
	assert_int_equal(poll(&poll_pd, 1, 0), 1);
	assert_int_equal(poll_pd.revents, POLLIN | POLLHUP);
	assert_int_equal(read(pd, &record, sizeof(record)), 0);
	assert_int_equal(answer(pd, msg.ctx, 0), -EPIPE);
	for (uint64_t i = 0; i < 2; i++) {
		record = record_next(w->control);
		assert_int_equal(record.kind, QDA_VDSP_ORPHAN);
		assert_int_equal(record.seq, seq + i);
	}
	/* the next one in the bank sees it, the last one never again */
	next = pd_open(w, w->client, w->bank);
	assert_true(next >= 0);
	hold_call(w, 50);
	record_next(next);
	assert_int_equal(touch(bank + addr), -1);
	assert_int_equal(read(pd, &record, sizeof(record)), 0);
	close(pd);
	assert_int_equal(touch(bank + addr), -1);
	munmap(bank, 1ull << 32);
	hold_call(w, 51);
	assert_int_equal(record_next(next).kind, QDA_VDSP_CALL);
	close(next);
}

struct reader {
	int pd;
	_Atomic int tid;
	_Atomic int *answers;
	pthread_t thread;
};

static void *read_and_answer(void *arg)
{
	struct reader *reader = arg;
	struct qda_vdsp_record record;

	reader->tid = (int)syscall(SYS_gettid);
	while (read(reader->pd, &record, sizeof(record)) == sizeof(record)) {
		(*reader->answers)++;
		answer(reader->pd, msg_of(&record).ctx, 0);
	}
	return NULL;
}

/* How often these have gone to sleep. */
static unsigned long sleeps(const struct reader *readers, size_t n)
{
	unsigned long sum = 0, one;
	char path[64], line[128];

	for (size_t i = 0; i < n; i++) {
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%d/status", readers[i].tid);
		file = fopen(path, "r");
		assert_non_null(file);
		while (fgets(line, sizeof(line), file))
			if (sscanf(line, "voluntary_ctxt_switches: %lu", &one) == 1)
				sum += one;
		fclose(file);
	}
	return sum;
}

static bool asleep(const struct reader *reader)
{
	char path[64], line[512];
	FILE *file;
	bool is;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", reader->tid);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	fclose(file);
	is = strstr(line, ") S ");
	return is;
}

static void settle_down(const struct reader *readers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		while (!readers[i].tid || !asleep(&readers[i]))
			sched_yield();
}

/* Of twenty that wait, a message wakes one, and the end of the PD all. */
static void a_message_wakes_one_reader(void **state)
{
	struct world *w = *state;
	static struct reader readers[20];
	static _Atomic int answers;
	const int pd = pd_open(w, w->client, w->bank);
	unsigned long before;

	answers = 0;
	for (size_t i = 0; i < DIM(readers); i++) {
		readers[i] = (struct reader){ .pd = pd, .answers = &answers };
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_and_answer,
						&readers[i]), 0);
	}
	settle_down(readers, DIM(readers));
	before = sleeps(readers, DIM(readers));
	for (uint64_t i = 0; i < 50; i++) {
		hold_call(w, i);
		assert_int_equal(event_next(w->file).user_data, i);
		settle_down(readers, DIM(readers));
	}
	assert_int_equal(answers, 50);
	/* One each, and some for locks and page faults; all of them each time would be 1000. */
	assert_in_range(sleeps(readers, DIM(readers)) - before, 50, 500);
	assert_int_equal(pd_end(w, w->client), 0);
	for (size_t i = 0; i < DIM(readers); i++)
		assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
	close(pd);
}

/* An import that may only be read is not writable for the DSP either, read before or not. */
static void memory_that_is_only_read_cannot_be_written(void **state)
{
	struct dma_heap_allocation_data heap = { .len = 2 * 4096,
						 .fd_flags = O_RDONLY | O_CLOEXEC };
	struct drm_prime_handle prime = { 0 };
	struct world *w = *state;
	const int heap_fd = open("/dev/dma_heap/system", O_RDONLY | O_CLOEXEC);
	struct fastrpc_dsp_arg parsed;
	struct drm_qda_arg arg;
	struct fastrpc_msg msg;
	struct qda_vdsp_record record;
	uint8_t *bank, *payload;

	assert_true(heap_fd >= 0);
	assert_int_equal(ioctl(heap_fd, DMA_HEAP_IOCTL_ALLOC, &heap), 0);
	prime.fd = (int)heap.fd;
	assert_int_equal(accel_ioctl(w->file, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime), 0);
	arg = arg_buffer(prime.handle, 0, 2 * 4096);
	assert_int_equal(submit(w->file, DSP_HANDLE, DRM_QDA_SC(DSP_HOLD, 1, 0, 0, 0), &arg, 1,
				NULL), 0);
	record = record_next(w->control);
	msg = msg_of(&record);
	bank = mmap(NULL, 1ull << 32, PROT_READ | PROT_WRITE, MAP_SHARED, w->control,
		    (off_t)w->bank << 32);
	assert_true(bank != MAP_FAILED);
	payload = bank + (uint32_t)msg.addr;
	assert_int_equal(fastrpc_parse(&msg, payload, msg.size, &parsed), 0);
	assert_int_equal(poke(bank + parsed.addr, 1), -1);
	assert_int_equal(touch(bank + parsed.addr), 0);
	assert_int_equal(touch(bank + parsed.addr + 4096), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(poke(bank + parsed.addr + i * 4096, 1), -1);
	assert_int_equal(touch(bank + parsed.addr), 0);
	/* the payload beside it is written and read in any order */
	assert_int_equal(touch(payload + 4095), 0);
	assert_int_equal(poke(payload + 4095, 7), 7);
	assert_int_equal(touch(payload + 4095), 7);
	munmap(bank, 1ull << 32);
	close(heap_fd);
	close((int)heap.fd);
}

static void what_a_pd_leaves_behind_control_answers(void **state)
{
	struct world *w = *state;
	const int pd = pd_open(w, w->client, w->bank);
	struct qda_vdsp_record read_one, record;

	for (uint64_t i = 0; i < 3; i++)
		hold_call(w, 40 + i);
	read_one = record_next(pd);
	close(pd);
	for (uint64_t i = 0; i < 3; i++) {
		record = record_next(w->control);
		assert_int_equal(record.kind, QDA_VDSP_ORPHAN);
		assert_int_equal(record.seq, read_one.seq + i);
		assert_int_equal(record.client, w->client);
		assert_int_equal(answer(w->control, msg_of(&record).ctx, (int32_t)i), 0);
		assert_int_equal(event_next(w->file).result, i);
	}
	hold_call(w, 50);
	record = record_next(w->control);
	assert_int_equal(record.kind, QDA_VDSP_CALL);
	assert_int_equal(record.client, w->client);
}

static void a_view_shows_what_is_mapped_until_it_is_not(void **state)
{
	struct world *w = *state;
	struct fastrpc_msg msg;
	const uint64_t addr = show_buffer(w, &msg);
	const int pd = pd_open(w, w->client, w->bank);
	uint8_t *bank = mmap(NULL, 1ull << 32, PROT_READ | PROT_WRITE, MAP_SHARED, pd, 0);
	uint8_t *control = mmap(NULL, 4 * 4096, PROT_READ, MAP_SHARED, w->control,
				(off_t)((uint64_t)w->bank << 32 | addr));

	assert_true(bank != MAP_FAILED);
	assert_true(control != MAP_FAILED);
	pattern(w->memory, 4 * 4096, 1);
	assert_memory_equal(bank + addr, w->memory, 4 * 4096);
	assert_memory_equal(control, w->memory, 4 * 4096);
	pattern(bank + addr, 4 * 4096, 2);
	assert_memory_equal(control, w->memory, 4 * 4096);
	assert_memory_equal(bank + addr, w->memory, 4 * 4096);

	assert_int_equal(touch(bank), -1);
	assert_int_equal(touch(bank + addr - 1), -1);
	assert_int_equal(touch(bank + addr + 4 * 4096), -1);
	assert_int_equal(touch(bank + 0xffffffff), -1);

	assert_int_equal(answer(w->control, msg.ctx, 0), 0);
	assert_int_equal(event_next(w->file).user_data, 60);
	assert_int_equal(touch(bank + addr), w->memory[0]);	/* the handle keeps it */
	buffer_close(w->file, w->buffer);
	wait_gone(bank + addr);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(touch(bank + addr + i * 4096), -1);
		assert_int_equal(touch(control + i * 4096), -1);
	}
	munmap(control, 4 * 4096);
	munmap(bank, 1ull << 32);
	close(pd);
}

static void nobody_else_reads_through_a_view(void **state)
{
	struct world *w = *state;
	struct fastrpc_msg msg;
	const uint64_t addr = show_buffer(w, &msg);
	uint8_t *view = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, w->control,
			     (off_t)((uint64_t)w->bank << 32 | addr));
	uint8_t copy[16];
	const struct iovec here = { copy, sizeof(copy) };
	const struct iovec there = { view, sizeof(copy) };
	int status;
	pid_t child;

	assert_true(view != MAP_FAILED);
	assert_int_equal(touch(view), 0);
	assert_int_equal(process_vm_readv(getpid(), &here, 1, &there, 1, 0), -1);
	assert_int_equal(errno, EFAULT);
	child = fork();
	if (child == 0)
		_exit(touch(view) < 0 ? 42 : 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
	munmap(view, 4096);
}

static void a_view_lies_in_one_bank(void **state)
{
	struct world *w = *state;
	const int pd = pd_open(w, w->client, w->bank);
	static const struct {
		uint64_t offset, size;
		int control, pd;	/* 0: may be mapped */
	} table[] = {
		{ 0, 4096, EINVAL, 0 },
		{ 0, 1ull << 32, EINVAL, 0 },
		{ 0, (1ull << 32) + 4096, EINVAL, EINVAL },
		{ 0xfffff000, 4096, EINVAL, 0 },
		{ 0xfffff000, 8192, EINVAL, EINVAL },
		{ 1ull << 32, 4096, 0, EINVAL },
		{ 1ull << 32, 1ull << 32, 0, EINVAL },
		{ 1ull << 32, (1ull << 32) + 4096, EINVAL, EINVAL },
		{ (1ull << 32) + 4096, 1ull << 32, EINVAL, EINVAL },
		{ (uint64_t)DSP_BANKS << 32, 4096, 0, EINVAL },
		{ (uint64_t)(DSP_BANKS + 1) << 32, 4096, EINVAL, EINVAL },
		{ 0x7ffffffffffff000, 4096, EOVERFLOW, EOVERFLOW },
		{ 0x8000000000000000, 4096, EOVERFLOW, EOVERFLOW },
	};

	for (size_t i = 0; i < 2 * DIM(table); i++) {
		const int expected = i % 2 ? table[i / 2].pd : table[i / 2].control;
		void *view = mmap(NULL, table[i / 2].size, PROT_READ, MAP_SHARED,
				  i % 2 ? pd : w->control, (off_t)table[i / 2].offset);

		if (!expected) {
			assert_true(view != MAP_FAILED);
			munmap(view, table[i / 2].size);
		} else {
			assert_true(view == MAP_FAILED);
			assert_true(errno == expected || (expected == EOVERFLOW && errno == EINVAL));
		}
	}
	assert_true(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, pd, 0) == MAP_FAILED);
	assert_int_equal(errno, EINVAL);
	assert_true(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, pd, 0) == MAP_FAILED);
	assert_int_equal(errno, EPERM);
	close(pd);
}

static void a_restart_ends_everything_of_the_old_run(void **state)
{
	struct world *w = *state;
	struct fastrpc_msg msg;
	const uint64_t addr = show_buffer(w, &msg);
	const int pd = pd_open(w, w->client, w->bank);
	uint8_t *bank = mmap(NULL, 1ull << 32, PROT_READ, MAP_SHARED, pd, 0);
	struct pollfd poll_pd = { .fd = pd, .events = POLLIN | POLLOUT };
	struct drm_qda_query query = { .type = DRM_QDA_QUERY_NAME };
	struct qda_vdsp_record record;
	struct drm_qda_event event;

	assert_int_equal(touch(bank + addr), 0);
	hold_call(w, 70);
	assert_int_equal(poll(&poll_pd, 1, 60000), 1);
	close(w->control);
	assert_int_equal(touch(bank + addr), -1);
	assert_int_equal(poll(&poll_pd, 1, 0), 1);
	assert_int_equal(poll_pd.revents, POLLIN | POLLHUP);
	assert_int_equal(read(pd, &record, sizeof(record)), 0);
	assert_int_equal(answer(pd, msg.ctx, 0), -EPIPE);
	event = event_next(w->file);
	assert_int_equal(event.user_data, 60);
	assert_int_equal(event.error, -EPIPE);
	event = event_next(w->file);
	assert_int_equal(event.user_data, 70);
	assert_int_equal(event.error, -EPIPE);
	event = event_next(w->file);
	assert_int_equal(event.base.type, DRM_QDA_EVENT_LOST);
	assert_int_equal(accel_ioctl(w->file, DRM_IOCTL_QDA_QUERY, &query), -ENODEV);
	munmap(w->memory, 4 * 4096);
	close(w->file);

	/* The next run: the old PD file shows nothing of it and disturbs nothing in it. */
	setup(state);
	for (uint64_t page = 0; page < 4096; page++)
		assert_int_equal(touch(bank + page * 4096), -1);
	assert_int_equal(read(pd, &record, sizeof(record)), 0);
	assert_int_equal(answer(pd, msg.ctx, 0), -EPIPE);
	munmap(bank, 1ull << 32);
	close(pd);
	hold_call(w, 80);
	record = record_next(w->control);
	assert_int_equal(record.kind, QDA_VDSP_CALL);
	assert_int_equal(record.seq, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(one_program_is_the_dsp),
		TEST(a_message_that_cannot_be_handed_over_is_not_lost),
		TEST(what_is_no_response_is_dropped),
		TEST(a_pd_file_is_for_one_client_and_one_bank),
		TEST(a_pd_answers_what_it_has_read_once),
		TEST(what_a_pd_leaves_behind_control_answers),
		TEST(a_view_shows_what_is_mapped_until_it_is_not),
		TEST(nobody_else_reads_through_a_view),
		TEST(a_view_lies_in_one_bank),
		TEST(a_restart_ends_everything_of_the_old_run),
		TEST(a_pd_cannot_say_that_one_has_ended),
		TEST(a_pd_can_be_ended_while_its_file_is_open),
		TEST(a_message_wakes_one_reader),
		TEST(memory_that_is_only_read_cannot_be_written),
	};

	alarm(600);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
