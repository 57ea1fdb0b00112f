// SPDX-License-Identifier: BSD-3-Clause
/*
 * The soft device against a PD that runs hostile code: what it sends reaches its own session at
 * most. Also the records that the device sends, field by field.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "scripted_dsp.h"

#define PAGE 4096u
#define HANDLE 0x80000123u

struct fixture {
	struct rig rig;
	struct dsp dsp;
	struct dsp_pd a, b;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	dsp_up(&f->dsp, &f->rig);
	dsp_pd(&f->dsp, &f->a, 1);
	dsp_pd(&f->dsp, &f->b, 2);
	*state = f;
	return 0;
}

static const struct qda_device_call null_call = { .handle = HANDLE, .sc = 2u << 24 };

/* Whatever happened to a, b was not to notice. */
static int teardown(void **state)
{
	struct fixture *f = *state;
	struct dsp_got got;

	assert_int_equal(rig_submit(&f->rig, f->b.session, &null_call, 900), 0);
	got = dsp_expect(&f->dsp, f->b.channel, SOFTDSP_CALL, SOFTDSP_SIZE(call));
	dsp_respond(f->b.channel, got.msg.ctx, 5);
	assert_int_equal(rig_wait(&f->rig, 900).result, 5);
	dsp_end_pd(&f->dsp, &f->a);
	dsp_end_pd(&f->dsp, &f->b);
	dsp_stop(&f->dsp);
	free(f);
	return 0;
}

static struct dsp_got submit(struct fixture *f, struct dsp_pd *pd, uint64_t cookie)
{
	assert_int_equal(rig_submit(&f->rig, pd->session, &null_call, cookie), 0);
	return dsp_expect(&f->dsp, pd->channel, SOFTDSP_CALL, SOFTDSP_SIZE(call));
}

/* --- what is sent --- */

static void a_call_is_sent_as_the_format_says(void **state)
{
	struct fixture *f = *state;
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(&f->rig, 4 * PAGE, &view);
	const struct qda_device_arg args[] = {
		{ .buffer = buffer, .offset = 5000, .length = 100 },
		{ .length = 0 },
		{ .buffer = buffer, .offset = 3 * PAGE, .length = PAGE },
		{ .kind = QDA_DEVICE_ARG_NUMBER, .number = 0x1122334455667788ull },
		{ .kind = QDA_DEVICE_ARG_NUMBER },
	};
	const struct qda_device_call call = { .handle = HANDLE,
					      .sc = fastrpc_sc(0, 9, 2, 1, 1, 1),
					      .args = args };
	struct fastrpc_dsp_arg seen[FASTRPC_MAX_ARGS];
	uint8_t payload[PAGE];
	struct qda_device_done done;
	struct dsp_got map, got;
	uint64_t number = 0xfeedfacecafebeefull;

	assert_int_equal(rig_submit(&f->rig, f->a.session, &call, 10), 0);
	map = dsp_expect(&f->dsp, f->a.channel, SOFTDSP_MAP, SOFTDSP_SIZE(map));
	assert_int_equal(map.record.map.maps, 2);
	assert_int_equal(map.record.map.size, 4 * PAGE);
	assert_true(map.record.map.addr >= PAGE);
	close(map.fd);
	got = dsp_expect(&f->dsp, f->a.channel, SOFTDSP_CALL, SOFTDSP_SIZE(call));
	assert_int_equal(got.record.bank, f->a.bank);
	assert_int_equal(got.record.call.maps, 2);
	assert_int_equal(got.msg.client_id, f->a.client);
	assert_int_equal(got.msg.handle, HANDLE);
	assert_int_equal(got.msg.sc, call.sc);
	assert_int_equal(got.msg.size, PAGE);
	assert_int_equal(got.msg.addr, (uint64_t)f->a.bank << 32 | f->a.messages_addr);
	assert_in_range(fastrpc_ctx_id(got.msg.ctx), 17, 255);
	assert_int_equal(pread(f->a.messages, payload, PAGE, 0), PAGE);
	assert_int_equal(fastrpc_parse(&got.msg, payload, PAGE, seen), 0);
	assert_int_equal(seen[0].addr, map.record.map.addr + 5000);
	assert_int_equal(seen[0].length, 100);
	assert_int_equal(seen[1].length, 0);
	assert_int_equal(seen[2].addr, map.record.map.addr + 3 * PAGE);
	assert_int_equal(seen[2].length, PAGE);
	assert_int_equal(seen[3].kind, FASTRPC_ARG_NUMBER);
	assert_true(seen[3].number == 0x1122334455667788ull);
	fastrpc_set_out_handle(payload, call.sc, 0, number);
	assert_int_equal(pwrite(f->a.messages, payload, PAGE, 0), PAGE);
	dsp_respond(f->a.channel, got.msg.ctx, 0);
	done = rig_wait(&f->rig, 10);
	assert_int_equal(done.err, 0);
	assert_true(done.out_handles[0] == number);
	f->rig.ops->buffer_release(buffer);
	dsp_expect(&f->dsp, f->a.channel, SOFTDSP_UNMAP, SOFTDSP_SIZE(map));
}

static void a_buffer_is_mapped_once_and_unmapped_when_released(void **state)
{
	struct fixture *f = *state;
	uint64_t last = 0;

	for (uint32_t i = 0; i < 3; i++) {
		void *view;
		struct qda_device_buffer *buffer = rig_buffer(&f->rig, PAGE, &view);
		const struct qda_device_arg arg = { .buffer = buffer, .length = 8 };
		const struct qda_device_call call = {
			.handle = HANDLE,
			.sc = fastrpc_sc(0, 2, 1, 0, 0, 0),
			.args = &arg,
		};
		struct dsp_got map, first, second, unmap;

		assert_int_equal(rig_submit(&f->rig, f->a.session, &call, 10), 0);
		assert_int_equal(rig_submit(&f->rig, f->a.session, &call, 11), 0);
		f->rig.ops->buffer_release(buffer);
		map = dsp_expect(&f->dsp, f->a.channel, SOFTDSP_MAP, SOFTDSP_SIZE(map));
		first = dsp_expect(&f->dsp, f->a.channel, SOFTDSP_CALL, SOFTDSP_SIZE(call));
		second = dsp_expect(&f->dsp, f->a.channel, SOFTDSP_CALL, SOFTDSP_SIZE(call));
		assert_int_equal(map.record.map.maps, 2 + 2 * i);
		assert_int_equal(first.record.call.maps, 2 + 2 * i);
		assert_int_equal(second.record.call.maps, 2 + 2 * i);
		assert_true(map.record.map.addr > last);
		last = map.record.map.addr;
		dsp_respond(f->a.channel, second.msg.ctx, 0);
		assert_int_equal(rig_wait(&f->rig, 11).err, 0);
		dsp_expect_nothing(&f->dsp, f->a.channel);
		dsp_respond(f->a.channel, first.msg.ctx, 0);
		assert_int_equal(rig_wait(&f->rig, 10).err, 0);
		unmap = dsp_expect(&f->dsp, f->a.channel, SOFTDSP_UNMAP, SOFTDSP_SIZE(map));
		assert_int_equal(unmap.record.map.maps, 3 + 2 * i);
		assert_int_equal(unmap.record.map.addr, map.record.map.addr);
		assert_int_equal(unmap.record.map.size, PAGE);
		assert_int_equal(unmap.fd, -1);
		close(map.fd);
	}
}

static void a_read_only_buffer_is_mapped_read_only(void **state)
{
	struct fixture *f = *state;
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(&f->rig, PAGE, &view), *copy;
	struct dsp_got got;

	assert_int_equal(f->rig.ops->buffer_import(f->rig.device, f->rig.ops->buffer_fd(buffer),
						   PAGE, true, &copy), 0);
	assert_int_equal(rig_map(&f->rig, f->a.session, copy, 1, 0, PAGE, 10), 0);
	got = dsp_expect(&f->dsp, f->a.channel, SOFTDSP_MAP, SOFTDSP_SIZE(map));
	assert_int_equal(got.record.map.flags, SOFTDSP_MAP_READ_ONLY);
	close(got.fd);
	got = dsp_expect(&f->dsp, f->dsp.control, SOFTDSP_CALL, SOFTDSP_SIZE(call));
	dsp_respond(f->dsp.control, got.msg.ctx, 0);
	assert_int_equal(rig_wait(&f->rig, 10).err, 0);
	f->rig.ops->buffer_release(copy);
	f->rig.ops->buffer_release(buffer);
}

/* --- responses --- */

static bool nothing_there(int channel)
{
	char byte;

	return recv(channel, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}

/* The first at once, since the PD has nothing to do; the others with the last of eight, or before
 * the loop waits. */
static void calls_of_one_round_go_together(void **state)
{
	struct fixture *f = *state;
	struct dsp_got got;
	uint64_t last;

	assert_int_equal(rig_submit(&f->rig, f->a.session, &null_call, 10), 0);
	assert_false(nothing_there(f->a.channel));
	got = dsp_expect(&f->dsp, f->a.channel, SOFTDSP_CALL, SOFTDSP_SIZE(call));
	dsp_respond(f->a.channel, got.msg.ctx, 0);
	for (unsigned i = 1; i < 11; i++) {
		assert_int_equal(nothing_there(f->a.channel), i <= 8);
		assert_int_equal(rig_submit(&f->rig, f->a.session, &null_call, 10 + i), 0);
	}
	for (unsigned i = 1; i < 11; i++) {
		last = got.msg.ctx;
		got = dsp_expect(&f->dsp, f->a.channel, SOFTDSP_CALL, SOFTDSP_SIZE(call));
		assert_int_equal(fastrpc_ctx_generation(got.msg.ctx),
				 fastrpc_ctx_generation(last) + 1);
		dsp_respond(f->a.channel, got.msg.ctx, (int32_t)i);
	}
	for (unsigned i = 0; i < 11; i++)
		assert_int_equal(rig_wait(&f->rig, 10 + i).result, i);
}

static struct dsp_got take(int channel)
{
	struct dsp_got got = { .fd = -1 };

	assert_int_equal(recv(channel, &got.record, sizeof(got.record), MSG_DONTWAIT),
			 SOFTDSP_SIZE(call));
	memcpy(&got.msg, got.record.call.msg, sizeof(got.msg));
	return got;
}

static void calls_wait_for_none_of_another_pd(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(rig_submit(&f->rig, f->a.session, &null_call, 10 + i), 0);
	dsp_respond(f->a.channel, take(f->a.channel).msg.ctx, 0);
	assert_true(nothing_there(f->a.channel));
	assert_int_equal(rig_submit(&f->rig, f->b.session, &null_call, 12), 0);
	dsp_respond(f->a.channel, take(f->a.channel).msg.ctx, 0);
	dsp_respond(f->b.channel, take(f->b.channel).msg.ctx, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(rig_wait(&f->rig, 10 + i).err, 0);
}

/* What is sent at once takes along what waits for the end of the round. */
static void a_mapping_does_not_overtake_a_call(void **state)
{
	struct fixture *f = *state;
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(&f->rig, PAGE, &view);
	const struct qda_device_arg arg = { .buffer = buffer, .length = 8 };
	const struct qda_device_call call = { .handle = HANDLE,
					      .sc = fastrpc_sc(0, 2, 1, 0, 0, 0),
					      .args = &arg };
	static const uint32_t kinds[] = { SOFTDSP_CALL, SOFTDSP_CALL, SOFTDSP_MAP, SOFTDSP_CALL };
	struct dsp_got got[4];

	assert_int_equal(rig_submit(&f->rig, f->a.session, &null_call, 10), 0);
	assert_int_equal(rig_submit(&f->rig, f->a.session, &null_call, 11), 0);
	assert_int_equal(rig_submit(&f->rig, f->a.session, &call, 12), 0);
	for (unsigned i = 0; i < 4; i++)
		got[i] = dsp_expect(&f->dsp, f->a.channel, kinds[i],
				    i == 2 ? SOFTDSP_SIZE(map) : SOFTDSP_SIZE(call));
	close(got[2].fd);
	assert_int_equal(got[1].record.call.maps, 1);
	assert_int_equal(got[2].record.map.maps, 2);
	assert_int_equal(got[3].record.call.maps, 2);
	dsp_respond(f->a.channel, got[0].msg.ctx, 0);
	dsp_respond(f->a.channel, got[1].msg.ctx, 0);
	dsp_respond(f->a.channel, got[3].msg.ctx, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(rig_wait(&f->rig, 10 + i).err, 0);
	f->rig.ops->buffer_release(buffer);
	dsp_expect(&f->dsp, f->a.channel, SOFTDSP_UNMAP, SOFTDSP_SIZE(map));
}

static void a_doubled_response_is_dropped(void **state)
{
	struct fixture *f = *state;
	struct dsp_got first = submit(f, &f->a, 10), second;

	dsp_respond(f->a.channel, first.msg.ctx, 1);
	dsp_respond(f->a.channel, first.msg.ctx, 2);
	assert_int_equal(rig_wait(&f->rig, 10).result, 1);
	second = submit(f, &f->a, 11);
	assert_true(second.msg.ctx != first.msg.ctx);
	dsp_respond(f->a.channel, first.msg.ctx, 3);
	dsp_respond(f->a.channel, second.msg.ctx, 4);
	assert_int_equal(rig_wait(&f->rig, 11).result, 4);
}

static void forged_context_words_are_dropped(void **state)
{
	struct fixture *f = *state;
	struct dsp_got mine = submit(f, &f->a, 10);

	for (uint64_t generation = 0; generation < 64; generation++) {
		for (uint32_t id = 1; id < 256; id++)
			if (fastrpc_ctx(generation, id, FASTRPC_PD_USER) != mine.msg.ctx)
				dsp_respond(f->a.channel,
					    fastrpc_ctx(generation, id, FASTRPC_PD_USER), 9);
		rig_settle(&f->rig);
	}
	dsp_respond(f->a.channel, mine.msg.ctx ^ 1, 9);
	dsp_respond(f->a.channel, mine.msg.ctx ^ 1ull << 63, 9);
	rig_settle(&f->rig);
	assert_false(rig_has(&f->rig, 10));
	dsp_respond(f->a.channel, mine.msg.ctx, 7);
	assert_int_equal(rig_wait(&f->rig, 10).result, 7);
}

static void a_pd_cannot_answer_for_another(void **state)
{
	struct fixture *f = *state;
	struct dsp_got theirs = submit(f, &f->b, 10);

	dsp_respond(f->a.channel, theirs.msg.ctx, 9);
	dsp_respond(f->dsp.control, theirs.msg.ctx, 9);
	rig_settle(&f->rig);
	assert_false(rig_has(&f->rig, 10));
	dsp_respond(f->b.channel, theirs.msg.ctx, 6);
	assert_int_equal(rig_wait(&f->rig, 10).result, 6);
}

static void a_pd_cannot_answer_process_control(void **state)
{
	struct fixture *f = *state;
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(&f->rig, PAGE, &view);
	struct dsp_got map, got;
	struct qda_device_done done;

	assert_int_equal(rig_map(&f->rig, f->a.session, buffer, 3, 0, PAGE, 10), 0);
	map = dsp_expect(&f->dsp, f->a.channel, SOFTDSP_MAP, SOFTDSP_SIZE(map));
	got = dsp_expect(&f->dsp, f->dsp.control, SOFTDSP_CALL, SOFTDSP_SIZE(call));
	dsp_respond(f->a.channel, got.msg.ctx, 0);
	rig_settle(&f->rig);
	assert_false(rig_has(&f->rig, 10));
	dsp_respond(f->dsp.control, got.msg.ctx, (int32_t)FASTRPC_ENOMEMORY);
	done = rig_wait(&f->rig, 10);
	assert_int_equal(done.err, -EREMOTEIO);
	assert_int_equal(done.result, (int32_t)FASTRPC_ENOMEMORY);
	/* A key that was refused is free again, and its buffer unmapped when that is released. */
	assert_int_equal(rig_unmap(&f->rig, f->a.session, 3, 11), -ENOENT);
	f->rig.ops->buffer_release(buffer);
	dsp_expect(&f->dsp, f->a.channel, SOFTDSP_UNMAP, SOFTDSP_SIZE(map));
	close(map.fd);
}

/* What a PD may not send, and the words for it. */
static void expect_end(struct fixture *f, const char *why)
{
	const struct rig_lost *lost = rig_wait_lost(&f->rig, 1);

	assert_string_equal(lost->text, why);
	assert_int_equal(lost->signal, 0);
	assert_true(rig_has(&f->rig, 10));
	assert_int_equal(rig_wait(&f->rig, 10).err, -ECONNRESET);
	assert_int_equal(rig_submit(&f->rig, f->a.session, &null_call, 11), -ECONNRESET);
}

static void response_of(void **state, size_t size, const char *why)
{
	struct fixture *f = *state;
	struct dsp_got got = submit(f, &f->a, 10);
	const struct fastrpc_rsp rsp = { .ctx = got.msg.ctx };
	union {
		struct softdsp_record record;
		char bytes[2048];
	} u = { .record.kind = SOFTDSP_RESPONSE };

	memcpy(u.record.rsp, &rsp, sizeof(rsp));
	dsp_send(f->a.channel, &u, size, NULL, 0);
	expect_end(f, why);
}

static void a_short_response_ends_the_pd(void **state)
{
	response_of(state, SOFTDSP_SIZE(rsp) - 1, "the PD sent a record of kind 3 and 31 bytes");
}

static void a_long_response_ends_the_pd(void **state)
{
	response_of(state, SOFTDSP_SIZE(rsp) + 1, "the PD sent a record of kind 3 and 33 bytes");
}

static void a_record_without_a_head_ends_the_pd(void **state)
{
	response_of(state, 15, "the PD sent a record that was cut or carried descriptors");
}

static void a_record_too_large_ends_the_pd(void **state)
{
	response_of(state, 2048, "the PD sent a record that was cut or carried descriptors");
}

static void an_impossible_context_word_ends_the_pd(void **state)
{
	struct fixture *f = *state;
	struct dsp_got got = submit(f, &f->a, 10);
	char why[96];

	dsp_respond(f->a.channel, got.msg.ctx | 0x80, 0);
	snprintf(why, sizeof(why), "the PD sent a response with context word %#llx",
		 (unsigned long long)got.msg.ctx | 0x80);
	expect_end(f, why);
}

static void records_of_the_control_channel_end_the_pd(void **state)
{
	struct fixture *f = *state;
	const struct softdsp_record record = { .kind = SOFTDSP_EXIT, .client = f->b.client };

	submit(f, &f->a, 10);
	dsp_send(f->a.channel, &record, SOFTDSP_SIZE(exit), NULL, 0);
	expect_end(f, "the PD sent a record of kind 8 and 96 bytes");
}

static void descriptors_end_the_pd_and_are_closed(void **state)
{
	struct fixture *f = *state;
	struct dsp_got got = submit(f, &f->a, 10);
	const struct fastrpc_rsp rsp = { .ctx = got.msg.ctx };
	struct softdsp_record record = { .kind = SOFTDSP_RESPONSE };
	int fds[253];

	for (unsigned i = 0; i < 253; i++)
		fds[i] = f->a.messages;
	memcpy(record.rsp, &rsp, sizeof(rsp));
	dsp_send(f->a.channel, &record, SOFTDSP_SIZE(rsp), fds, 253);
	expect_end(f, "the PD sent a record that was cut or carried descriptors");
}

static void log_lines_are_bounded(void **state)
{
	struct fixture *f = *state;
	union {
		struct softdsp_record record;
		char bytes[2048];
	} u = { .record = { .kind = SOFTDSP_LOG, .log.level = 77 } };

	memcpy(u.bytes + SOFTDSP_SIZE(log), "no end", 6);
	dsp_send(f->a.channel, &u, SOFTDSP_SIZE(log) + 6, NULL, 0);
	dsp_send(f->a.channel, &u, SOFTDSP_SIZE(log), NULL, 0);
	rig_wait_log(&f->rig, 2);
	assert_int_equal(f->rig.log[0].cookie, 1);
	assert_int_equal(f->rig.log[0].level, 4);
	assert_string_equal(f->rig.log[0].text, "no end");
	assert_string_equal(f->rig.log[1].text, "");
	submit(f, &f->a, 10);
	dsp_send(f->a.channel, &u, SOFTDSP_SIZE(log) - 1, NULL, 0);
	expect_end(f, "the PD sent a record of kind 9 and 23 bytes");
}

/* --- the end of a PD --- */

static void exit_comes_after_the_channel_ended(void **state)
{
	struct fixture *f = *state;
	const struct rig_lost *lost;

	submit(f, &f->a, 10);
	shutdown(f->a.channel, SHUT_RDWR);
	assert_int_equal(rig_wait(&f->rig, 10).err, -ECONNRESET);
	assert_int_equal(f->rig.n_lost, 0);
	dsp_exit(&f->dsp, &f->a, SIGSEGV, "SIGSEGV in\nmethod 7");
	lost = rig_wait_lost(&f->rig, 1);
	assert_int_equal(lost->signal, SIGSEGV);
	assert_string_equal(lost->text, "SIGSEGV in?method 7");
}

static void exit_comes_before_the_channel_ended(void **state)
{
	struct fixture *f = *state;
	struct dsp_got answered = submit(f, &f->a, 9);
	const struct rig_lost *lost;

	submit(f, &f->a, 10);
	/* An answer that was sent before the end counts, whichever is read first. */
	dsp_exit(&f->dsp, &f->a, SIGKILL, "");
	dsp_respond(f->a.channel, answered.msg.ctx, 3);
	lost = rig_wait_lost(&f->rig, 1);
	assert_string_equal(lost->text, "the PD was killed by signal 9");
	assert_int_equal(lost->n_done, f->rig.n_done);
	assert_int_equal(rig_wait(&f->rig, 9).result, 3);
	assert_int_equal(rig_wait(&f->rig, 10).err, -ECONNRESET);
	shutdown(f->a.channel, SHUT_RDWR);
	dsp_exit(&f->dsp, &f->a, SIGSEGV, "and again");
	rig_settle(&f->rig);
	assert_int_equal(f->rig.n_lost, 1);
}

static void no_exit_at_all_is_waited_for_a_second(void **state)
{
	struct fixture *f = *state;
	uint64_t before;

	submit(f, &f->a, 10);
	uv_update_time(&f->rig.loop);
	before = uv_now(&f->rig.loop);
	shutdown(f->a.channel, SHUT_RDWR);
	expect_end(f, "the PD ended without a word");
	assert_in_range(uv_now(&f->rig.loop) - before, 900, 10000);
}

static void exit_of_nobody_is_ignored(void **state)
{
	struct fixture *f = *state;
	struct dsp_pd nobody = { .client = 12345, .bank = 1 };

	dsp_exit(&f->dsp, &nobody, SIGSEGV, "nobody");
	rig_settle(&f->rig);
	assert_int_equal(f->rig.n_lost, 0);
}

static void closing_while_the_exit_is_waited_for_tells_no_loss(void **state)
{
	struct fixture *f = *state;
	struct dsp_pd c;

	dsp_pd(&f->dsp, &c, 3);
	shutdown(c.channel, SHUT_RDWR);
	rig_settle(&f->rig);
	dsp_end_pd(&f->dsp, &c);
	dsp_exit(&f->dsp, &c, SIGSEGV, "late");
	rig_settle(&f->rig);
	assert_int_equal(f->rig.n_lost, 0);
}

/* A closing session is not taken for a dying one, however long its RELEASE takes. */
static void a_close_outlives_the_wait_for_exit(void **state)
{
	struct fixture *f = *state;
	struct dsp_pd c;

	dsp_pd(&f->dsp, &c, 3);
	shutdown(c.channel, SHUT_RDWR);
	rig_settle(&f->rig);
	rig_close(&f->rig, c.session, 20);
	dsp_expect(&f->dsp, f->dsp.control, SOFTDSP_CALL, SOFTDSP_SIZE(call));
	/* The end of a, which came later, is the clock. */
	shutdown(f->a.channel, SHUT_RDWR);
	assert_string_equal(rig_wait_lost(&f->rig, 1)->text, "the PD ended without a word");
	dsp_hang_up(&f->dsp);
	assert_int_equal(rig_wait(&f->rig, 20).err, 0);
	assert_string_equal(rig_wait_lost(&f->rig, 2)->text, "the software DSP is gone");
	dsp_drop_pd(&c);
	/* Another DSP, so that there is something to end with. */
	rig_close(&f->rig, f->a.session, 21);
	rig_close(&f->rig, f->b.session, 22);
	assert_int_equal(rig_wait(&f->rig, 21).err, 0);
	assert_int_equal(rig_wait(&f->rig, 22).err, 0);
	dsp_drop_pd(&f->a);
	dsp_drop_pd(&f->b);
	dsp_accept(&f->dsp);
	dsp_hello(&f->dsp, DSP_BANKS, false);
	rig_wait_state(&f->rig, QDA_DEVICE_UP);
	dsp_pd(&f->dsp, &f->a, 1);
	dsp_pd(&f->dsp, &f->b, 2);
}

/* --- a PD that does not read --- */

/* A session whose channel holds very little; calls 1000.. are submitted to it. */
static void begin_slow(struct fixture *f, struct dsp_pd *pd, unsigned calls)
{
	dsp_begin_pd(&f->dsp, pd, 3, 20);
	dsp_grant_pd(&f->dsp, pd, 1);
	assert_int_equal(rig_wait(&f->rig, 20).err, 0);
	for (unsigned i = 0; i < calls; i++)
		assert_int_equal(rig_submit(&f->rig, pd->session, &null_call, 1000 + i), 0);
}

static void what_does_not_fit_waits_in_order(void **state)
{
	struct fixture *f = *state;
	struct dsp_pd slow;
	struct dsp_got got;
	uint64_t ctx[127];

	begin_slow(f, &slow, 126);
	rig_settle(&f->rig);
	slow.messages = dsp_expect(&f->dsp, slow.channel, SOFTDSP_MAP, SOFTDSP_SIZE(map)).fd;
	/* There is room again now, but the last call has to queue behind the others. */
	assert_int_equal(rig_submit(&f->rig, slow.session, &null_call, 1126), 0);
	assert_int_equal(rig_submit(&f->rig, slow.session, &null_call, 5), -EBUSY);
	for (unsigned i = 0; i < 127; i++) {
		got = dsp_expect(&f->dsp, slow.channel, SOFTDSP_CALL, SOFTDSP_SIZE(call));
		ctx[i] = got.msg.ctx;
		assert_int_equal(got.record.call.maps, 1);
		assert_true(!i || fastrpc_ctx_generation(ctx[i]) ==
					  fastrpc_ctx_generation(ctx[i - 1]) + 1);
	}
	for (unsigned i = 127; i-- > 0;)
		dsp_respond(slow.channel, ctx[i], (int32_t)i);
	for (unsigned i = 0; i < 127; i++)
		assert_int_equal(rig_wait(&f->rig, 1000 + i).result, i);
	dsp_end_pd(&f->dsp, &slow);
}

static void a_call_that_was_not_sent_cannot_be_answered(void **state)
{
	struct fixture *f = *state;
	struct dsp_pd slow;
	struct dsp_got first;

	begin_slow(f, &slow, 100);
	slow.messages = dsp_expect(&f->dsp, slow.channel, SOFTDSP_MAP, SOFTDSP_SIZE(map)).fd;
	first = dsp_expect(&f->dsp, slow.channel, SOFTDSP_CALL, SOFTDSP_SIZE(call));
	for (uint64_t i = 0; i < 100; i++) {
		for (uint32_t id = 17; id < 256; id++)
			dsp_respond(slow.channel,
				    fastrpc_ctx(fastrpc_ctx_generation(first.msg.ctx) + i, id,
						FASTRPC_PD_USER), 5);
		rig_settle(&f->rig);
	}
	/* Those that had been sent may be answered so; the others are still to come. */
	assert_true(rig_has(&f->rig, 1000));
	assert_false(rig_has(&f->rig, 1099));
	for (unsigned i = 0; i < 100; i++)
		if (rig_has(&f->rig, 1000 + i))
			assert_int_equal(rig_wait(&f->rig, 1000 + i).result, 5);
	rig_close(&f->rig, slow.session, 21);
	first = dsp_expect(&f->dsp, f->dsp.control, SOFTDSP_CALL, SOFTDSP_SIZE(call));
	for (unsigned i = 0; i < 100; i++)
		if (rig_has(&f->rig, 1000 + i))
			assert_int_equal(rig_wait(&f->rig, 1000 + i).err, -ECANCELED);
	dsp_respond(f->dsp.control, first.msg.ctx, 0);
	assert_int_equal(rig_wait(&f->rig, 21).err, 0);
	dsp_expect(&f->dsp, f->dsp.control, SOFTDSP_UNMAP, SOFTDSP_SIZE(map));
	dsp_drop_pd(&slow);
}

static void a_queue_ends_with_its_pd(void **state)
{
	struct fixture *f = *state;
	struct dsp_pd slow;

	begin_slow(f, &slow, 127);
	close(slow.channel);
	slow.channel = -1;
	dsp_exit(&f->dsp, &slow, SIGABRT, "SIGABRT");
	assert_string_equal(rig_wait_lost(&f->rig, 3)->text, "SIGABRT");
	for (unsigned i = 0; i < 127; i++)
		assert_int_equal(rig_wait(&f->rig, 1000 + i).err, -ECONNRESET);
	dsp_end_pd(&f->dsp, &slow);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_call_is_sent_as_the_format_says),
		TEST(a_buffer_is_mapped_once_and_unmapped_when_released),
		TEST(a_read_only_buffer_is_mapped_read_only),
		TEST(calls_of_one_round_go_together),
		TEST(calls_wait_for_none_of_another_pd),
		TEST(a_mapping_does_not_overtake_a_call),
		TEST(a_doubled_response_is_dropped),
		TEST(forged_context_words_are_dropped),
		TEST(a_pd_cannot_answer_for_another),
		TEST(a_pd_cannot_answer_process_control),
		TEST(a_short_response_ends_the_pd),
		TEST(a_long_response_ends_the_pd),
		TEST(a_record_without_a_head_ends_the_pd),
		TEST(a_record_too_large_ends_the_pd),
		TEST(an_impossible_context_word_ends_the_pd),
		TEST(records_of_the_control_channel_end_the_pd),
		TEST(descriptors_end_the_pd_and_are_closed),
		TEST(log_lines_are_bounded),
		TEST(exit_comes_after_the_channel_ended),
		TEST(exit_comes_before_the_channel_ended),
		TEST(no_exit_at_all_is_waited_for_a_second),
		TEST(exit_of_nobody_is_ignored),
		TEST(closing_while_the_exit_is_waited_for_tells_no_loss),
		TEST(a_close_outlives_the_wait_for_exit),
		TEST(what_does_not_fit_waits_in_order),
		TEST(a_call_that_was_not_sent_cannot_be_answered),
		TEST(a_queue_ends_with_its_pd),
	};

	return cmocka_run_group_tests_name("device_hostile", tests, NULL, NULL);
}
