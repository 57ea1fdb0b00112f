// SPDX-License-Identifier: BSD-3-Clause
/*
 * What the software DSP must withstand: skels that try to get out, records of every wrong kind
 * from the host, forged calls. After each, the neighbour is still served and nothing is left
 * behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "softdsp_fixture.h"

/* --- records --- */

/* Deterministic, so that a failure can be had again. */
static uint32_t random_state = 1;

static uint32_t next_random(void)
{
	random_state = random_state * 1664525 + 1013904223;
	return random_state >> 8;
}

static void records_of_no_kind_are_dropped_on_control(void **state)
{
	uint8_t bytes[4096];
	const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	unsigned before;

	assert_serves(1, 1);
	before = count_fds(host.pid);
	for (uint32_t i = 0; i < 3000; i++) {
		struct softdsp_record *record = (struct softdsp_record *)bytes;
		const size_t n = 1 + next_random() % (i % 50 ? 120 : sizeof(bytes));

		for (size_t k = 0; k < sizeof(bytes); k++)
			bytes[k] = next_random();
		record->kind = next_random() % 12;
		record->bank = next_random() % 20;
		/* A call is answered; that is another test. */
		if (record->kind == SOFTDSP_CALL && n == SOFTDSP_SIZE(call))
			continue;
		host_send_record(&host, record, n, i % 3 ? -1 : fd);
	}
	close(fd);
	assert_serves(2, 2);
	assert_int_equal(count_fds(host.pid), before);
}

static void records_of_no_kind_are_dropped_on_the_pd_channel(void **state)
{
	uint8_t bytes[4096];
	const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct session s;
	uint32_t handle = open_probe(&s, 1, 1);

	for (uint32_t i = 0; i < 3000; i++) {
		struct softdsp_record *record = (struct softdsp_record *)bytes;
		const size_t n = 1 + next_random() % (i % 50 ? 120 : sizeof(bytes));

		for (size_t k = 0; k < sizeof(bytes); k++)
			bytes[k] = next_random();
		record->kind = next_random() % 12;
		if (n == SOFTDSP_SIZE(call) || n == SOFTDSP_SIZE(map))
			continue;
		assert_int_equal(send(s.fd, bytes, n, MSG_NOSIGNAL), n);
	}
	close(fd);
	assert_int_equal(call_with(&s, handle, PROBE_RETURN, 4711), 4711);
	session_close(&s);
}

static uint32_t call_control(const struct fastrpc_msg *msg)
{
	struct softdsp_record record = { .kind = SOFTDSP_CALL };
	struct fastrpc_rsp rsp;
	struct line line;

	memcpy(record.call.msg, msg, sizeof(*msg));
	host_send_record(&host, &record, SOFTDSP_SIZE(call), -1);
	host_wait(&host, SOFTDSP_RESPONSE, &line);
	memcpy(&rsp, line.record.rsp, sizeof(rsp));
	assert_int_equal(rsp.ctx, msg->ctx);
	return rsp.retval;
}

static void forged_control_calls_are_answered_and_harmless(void **state)
{
	struct fastrpc_msg msg;
	uint32_t code;

	for (uint32_t i = 0; i < 5000; i++) {
		const uint32_t bank = 1 + next_random() % 7;
		uint8_t *page = host.page[bank];

		for (uint32_t k = 0; k < 4096; k += 4)
			*(uint32_t *)(page + k) = i % 2 ? next_random() : next_random() % 64;
		fastrpc_request(&msg, 0, 1, fastrpc_ctx(i, 1, 0), 1 + next_random() % 2,
				i % 3 ? (next_random() % 12) << 24 | 0x010100 : next_random(),
				(uint64_t)bank << 32 | (i % 5 ? PAGE_AT : next_random()),
				i % 7 ? 4096 : next_random());
		code = call_control(&msg);
		assert_true(code == FASTRPC_EBADPARM || code == FASTRPC_EUNSUPPORTED ||
			    code == FASTRPC_EBADSTATE || code == FASTRPC_EUNABLETOLOAD);
	}
	assert_serves(1, 1);
}

/* Every field of a well-made create, wrong in its turn. */
static void creates_that_lie_are_refused(void **state)
{
	const uint64_t bank = 1ull << 32;
	const struct fastrpc_ctl good = { .method = FASTRPC_PROCESS_CREATE_ATTR,
					  .client_id = 1,
					  .name = "x",
					  .file_addr = bank | SHELL_AT,
					  .file_len = 18,
					  .attrs = FASTRPC_ATTR_UNSIGNED };
	struct fastrpc_ctl ctl = good;

	ctl.client_id = 0;
	assert_int_equal(host_control(&host, 1, &ctl, NULL), FASTRPC_EBADPARM);
	ctl.client_id = -1;
	assert_int_equal(host_control(&host, 1, &ctl, NULL), FASTRPC_EBADPARM);
	ctl = good;
	ctl.file_len = 17;
	assert_int_equal(host_control(&host, 1, &ctl, NULL), FASTRPC_EUNABLETOLOAD);
	ctl = good;
	ctl.file_addr = bank | (SHELL_AT + 1);
	assert_int_equal(host_control(&host, 1, &ctl, NULL), FASTRPC_EUNABLETOLOAD);
	ctl.file_addr = bank | 0xfffff000;
	assert_int_equal(host_control(&host, 1, &ctl, NULL), FASTRPC_EUNABLETOLOAD);
	ctl = good;
	assert_int_equal(host_control(&host, 1, &ctl, NULL), 0);
	close(host.pd_fd);
	host.pd_fd = -1;
}

static void only_sealed_memory_is_mapped(void **state)
{
	const int fds[] = { memory_new(8192, 0), memory_new(8192, F_SEAL_GROW),
			    memory_new(4096, F_SEAL_SHRINK), open("/dev/zero", O_RDWR | O_CLOEXEC),
			    open("/", O_RDONLY | O_CLOEXEC) };
	struct softdsp_record record = { .kind = SOFTDSP_MAP, .bank = 1,
					 .map = { .addr = 0x600000, .size = 8192 } };
	struct session s, other;
	uint32_t in_other = open_probe(&other, 2, 2);

	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		const struct fastrpc_ctl ctl = { .method = FASTRPC_PROCESS_MEM_UNMAP,
						 .client_id = 9 };
		struct fastrpc_place place;
		struct fastrpc_msg msg;
		uint8_t page[4096];
		uint32_t sc;

		/* On control: a call that lies in it is refused, well-made as it is. */
		host_send_record(&host, &record, SOFTDSP_SIZE(map), fds[i]);
		fastrpc_ctl_write(page, 1ull << 32 | 0x600000, &ctl, &sc, &place);
		if (i < 3)
			assert_int_equal(pwrite(fds[i], page, 4096, 0), 4096);
		fastrpc_request(&msg, 0, 1, fastrpc_ctx(1, 1, 0), 1, sc, 1ull << 32 | 0x600000,
				4096);
		assert_int_equal(call_control(&msg), FASTRPC_EBADPARM);
		/* On the PD channel: nothing is seen there, and the host is told. */
		session_open(&s, &host, 1, 1);
		session_map(&s, SOFTDSP_MAP, fds[i], 0x600000, 8192, 0);
		fastrpc_request(&msg, 1, 1, fastrpc_ctx(1, 1, 1), 8, 0x02020200,
				1ull << 32 | 0x600000, 4096);
		record.kind = SOFTDSP_CALL;
		memcpy(record.call.msg, &msg, sizeof(msg));
		record.call.maps = s.maps;
		assert_int_equal(send(s.fd, &record, SOFTDSP_SIZE(call), 0), SOFTDSP_SIZE(call));
		assert_int_equal(session_receive(&s, &sc), 0);
		assert_int_equal(sc, FASTRPC_EBADPARM);
		assert_int_equal(s.n_logs, 1);
		assert_non_null(strstr(line_text(&s.log), "refused"));
		session_close(&s);
		record = (struct softdsp_record){ .kind = SOFTDSP_MAP, .bank = 1,
						  .map = { .addr = 0x600000, .size = 8192 } };
		close(fds[i]);
	}
	assert_int_equal(call_with(&other, in_other, PROBE_RETURN, 3), 3);
	session_close(&other);
}

static void maps_beyond_the_bank_are_refused(void **state)
{
	static const struct softdsp_map maps[] = {
		{ .addr = 0x600001, .size = 4096 },
		{ .addr = 0x600000, .size = 4095 },
		{ .addr = 0x600000, .size = 0 },
		{ .addr = 0xfffff000, .size = 8192 },
		{ .addr = 1ull << 32, .size = 4096 },
		{ .addr = ~0xfffull, .size = 8192 },
		{ .addr = 0x600000, .size = ~0xfffull },
		{ .addr = 0x600000, .size = 4096, .offset = ~0xfffull },
		{ .addr = 0x600000, .size = 4096, .offset = 8192 },
		{ .addr = 0x600000, .size = 4096, .offset = 1 },
		{ .addr = 0x600000, .size = 4096, .flags = 2 },
	};
	const unsigned n = sizeof(maps) / sizeof(maps[0]);
	const int fd = memory_new(8192, F_SEAL_SHRINK);
	struct session s;
	uint32_t handle = open_probe(&s, 1, 1);

	for (unsigned i = 0; i < n; i++) {
		struct softdsp_record record = { .kind = SOFTDSP_MAP, .bank = 1, .map = maps[i] };

		host_send_record(&host, &record, SOFTDSP_SIZE(map), fd);
		record.kind = SOFTDSP_UNMAP;
		host_send_record(&host, &record, SOFTDSP_SIZE(map), -1);
	}
	assert_int_equal(call_with(&s, handle, PROBE_RETURN, 1), 1);
	for (unsigned i = 0; i < n; i++) {
		struct softdsp_record record = { .kind = SOFTDSP_MAP, .map = maps[i] };

		/* Sent without a descriptor: well-made ones are refused for that. */
		record.map.maps = ++s.maps;
		assert_int_equal(send(s.fd, &record, SOFTDSP_SIZE(map), 0), SOFTDSP_SIZE(map));
	}
	assert_int_equal(call_with(&s, handle, PROBE_RETURN, 1), 1);
	assert_int_equal(s.n_logs, n);
	for (unsigned i = 0; i < n; i++) {
		struct softdsp_record record = { .kind = SOFTDSP_MAP, .map = maps[i] };

		record.map.maps = ++s.maps;
		session_send_record(&s, &record, SOFTDSP_SIZE(map), fd);
	}
	assert_int_equal(call_with(&s, handle, PROBE_RETURN, 1), 1);
	assert_int_equal(s.n_logs, 2 * n);
	close(fd);
	session_close(&s);
}

static void maps_counted_wrongly_end_that_pd_only(void **state)
{
	static const uint32_t numbers[] = { 0, 1, 200, 0x80000000, 0xffffffff };
	struct session s, other;
	uint32_t in_other = open_probe(&other, 2, 2);
	struct line line;

	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct softdsp_record record = {
			.kind = SOFTDSP_UNMAP,
			.map = { .addr = 0x600000, .size = 4096, .maps = numbers[i] },
		};

		session_open(&s, &host, 1, 1);
		assert_int_equal(send(s.fd, &record, SOFTDSP_SIZE(map), 0), SOFTDSP_SIZE(map));
		session_wait_end(&s);
		host_wait(&host, SOFTDSP_EXIT, &line);
		assert_int_equal(line.record.exit.status, 3);
		session_close(&s);
	}
	assert_int_equal(call_with(&other, in_other, PROBE_RETURN, 3), 3);
	session_close(&other);
}

static void a_call_whose_payload_is_gone_is_refused(void **state)
{
	uint32_t retval;
	struct session s;
	uint32_t handle = open_probe(&s, 1, 1), number = 1;
	const struct value values[] = { { &number, 4 } };
	const uint32_t sc = fastrpc_sc(0, PROBE_RETURN, 1, 0, 0, 0);

	session_map(&s, SOFTDSP_UNMAP, -1, MESSAGES_AT, MESSAGES_SIZE, 0);
	session_send(&s, 0, handle, sc, values);
	session_receive(&s, &retval);
	assert_int_equal(retval, FASTRPC_EBADPARM);
	session_map(&s, SOFTDSP_MAP, s.memory_fd, MESSAGES_AT, MESSAGES_SIZE, 0);
	assert_int_equal(call_with(&s, handle, PROBE_RETURN, 1), 1);
	session_close(&s);
}

static void a_call_for_another_bank_is_refused(void **state)
{
	struct session s;
	uint32_t handle = open_probe(&s, 1, 1);

	s.bank = 2;
	assert_int_equal(call_with(&s, handle, PROBE_RETURN, 1), FASTRPC_EBADPARM);
	s.bank = 1;
	assert_int_equal(call_with(&s, handle, PROBE_RETURN, 1), 1);
	session_close(&s);
}

static void control_maps_come_and_go(void **state)
{
	const struct softdsp_map map = { .addr = 0x600000, .size = 4096 };
	const int fd = memory_new(4096, F_SEAL_SHRINK);
	unsigned before;

	assert_serves(1, 1);
	before = count_fds(host.pid);
	for (unsigned i = 0; i < 100; i++) {
		struct softdsp_record record = { .kind = SOFTDSP_MAP, .bank = 1, .map = map };

		host_send_record(&host, &record, SOFTDSP_SIZE(map), fd);
		record.kind = SOFTDSP_UNMAP;
		host_send_record(&host, &record, SOFTDSP_SIZE(map), -1);
	}
	assert_serves(1, 1);
	assert_int_equal(count_fds(host.pid), before);
	close(fd);
}

/* Descriptors of a good call, each word wrong in its turn; and the message's own fields. */
static void forged_calls_are_refused(void **state)
{
	static const uint64_t words[] = { 1, 0xfff, 1ull << 31, 1ull << 32, 1ull << 63, ~0ull };
	struct session s;
	uint32_t handle = open_probe(&s, 1, 1);
	uint8_t in[64] = { 1 }, out[64];
	const struct value values[] = { { in, 64 }, { out, 64 } };
	const uint32_t sc = fastrpc_sc(0, PROBE_INVERT, 1, 1, 0, 0);
	struct softdsp_record record = { .kind = SOFTDSP_CALL };
	struct fastrpc_msg good, msg;
	uint8_t keep[512];
	uint32_t retval;

	assert_int_equal(session_call(&s, handle, sc, values, NULL), 0);
	memcpy(keep, s.memory, sizeof(keep));
	fastrpc_request(&good, 1, 1, fastrpc_ctx(9, 1, 1), handle, sc, 1ull << 32 | MESSAGES_AT,
			4096);
	record.call.maps = s.maps;
	/* pv of both, length of both, then counts, indexes and pages. */
	for (unsigned at = 0; at < 80; at += 8) {
		for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (!memcmp(keep + at, &words[i], 8))
				continue; /* true */
			memcpy(s.memory, keep, sizeof(keep));
			memcpy(s.memory + at, &words[i], 8);
			memcpy(record.call.msg, &good, sizeof(good));
			assert_int_equal(send(s.fd, &record, SOFTDSP_SIZE(call), 0),
					 SOFTDSP_SIZE(call));
			session_receive(&s, &retval);
			/* Another length that fits is the skel's to refuse. */
			if (retval != 0xe || (at != 8 && at != 24))
				assert_int_equal(retval, FASTRPC_EBADPARM);
		}
	}
	memcpy(s.memory, keep, sizeof(keep));
	for (unsigned i = 0; i < 8; i++) {
		msg = good;
		msg.client_id = i == 0 ? 2 : 1;
		msg.addr = i == 1 ? MESSAGES_AT : i == 2 ? 2ull << 32 | MESSAGES_AT
			 : i == 3 ? 1ull << 32 | 0x900000 : i == 4 ? good.addr + 8 : good.addr;
		msg.size = i == 5 ? 0 : i == 6 ? 1ull << 40 : i == 7 ? 4095 : 4096;
		memcpy(record.call.msg, &msg, sizeof(msg));
		assert_int_equal(send(s.fd, &record, SOFTDSP_SIZE(call), 0), SOFTDSP_SIZE(call));
		session_receive(&s, &retval);
		assert_int_equal(retval, FASTRPC_EBADPARM);
	}
	assert_int_equal(session_call(&s, handle, sc, values, NULL), 0);
	assert_int_equal(out[0], 0xfe);
	session_close(&s);
}

static void an_open_that_lies_about_its_lengths_is_refused(void **state)
{
	struct session s;
	uint32_t in[2], out[2];
	char name[] = PROBE_URI;
	const struct value values[] = { { in, 8 }, { name, sizeof(name) }, { out, 8 },
					{ text, 512 } };
	static const uint32_t lies[][2] = { { 0, 512 }, { sizeof(name) + 1, 512 }, { ~0u, 512 },
					    { sizeof(name), 511 }, { sizeof(name), ~0u } };

	session_open(&s, &host, 1, 1);
	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		memcpy(in, lies[i], sizeof(in));
		assert_int_equal(session_call(&s, 8, 0x02020200, values, NULL), FASTRPC_EBADPARM);
	}
	session_close(&s);
}

static void handles_run_out_at_4096_and_come_back(void **state)
{
	struct value outs[15] = { 0 };
	uint64_t got[15], last[15];
	uint32_t n = 0;
	const uint32_t sc = fastrpc_sc(0, PROBE_DERIVE, 0, 0, 0, 15);
	struct session s;
	uint32_t handle = open_probe(&s, 1, 1);

	for (unsigned i = 0; i < 15; i++)
		outs[i].handle = (struct fastrpc_arg){ .kind = FASTRPC_ARG_NUMBER,
						       .addr = FASTRPC_OUT_REMOTE };
	for (; n < 4095; n += 15)
		assert_int_equal(session_call(&s, handle, sc, outs, last), 0);
	assert_int_equal(session_call(&s, handle, sc, outs, got), FASTRPC_ENOMEMORY);
	assert_int_equal(call_with(&s, handle, PROBE_RETURN, 8), 8);
	for (unsigned i = 0; i < 15; i++)
		assert_int_equal(session_close_module(&s, last[i], text), 0);
	assert_int_equal(session_call(&s, handle, sc, outs, got), 0);
	for (unsigned i = 0; i < 15; i++)
		assert_int_equal(session_close_module(&s, last[i], text), FASTRPC_EINVHANDLE);
	session_close(&s);
}

/* Opens, calls, derived handles and closes of one library on many threads at once. The handles are
 * closed while calls on them may be running; each answer is one of the two that make sense. */
static void opens_calls_and_closes_race_safely(void **state)
{
	enum { N = 12, ROUNDS = 60 };
	const uint32_t open_sc = 0x02020200, close_sc = 0x03010200;
	const uint32_t call_sc = fastrpc_sc(0, PROBE_RETURN, 1, 0, 0, 0);
	uint32_t in[2] = { sizeof(PROBE_URI), 0 }, out[N][2], close_in[N][2];
	uint32_t dlerr, number = 9, retval;
	struct session s;

	session_open(&s, &host, 1, 1);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct value values[] = { { in, 8 }, { (void *)PROBE_URI, sizeof(PROBE_URI) },
					  { out, 8 }, { text } };
		const struct value call[] = { { &number, 4 } };

		for (uint32_t i = 0; i < N; i++)
			session_send(&s, i, 8, open_sc, values);
		for (uint32_t i = 0; i < N; i++) {
			const uint32_t slot = session_receive(&s, &retval);

			assert_int_equal(retval, 0);
			values[2].bytes = out[slot];
			session_collect(&s, slot, open_sc, values, NULL);
			assert_int_equal(out[slot][1], 0);
		}
		for (uint32_t i = 0; i < N / 2; i++) {
			const struct value close[] = { { close_in[i], 8 }, { &dlerr, 4 },
						       { text } };

			close_in[i][0] = out[i][0];
			close_in[i][1] = 0;
			session_send(&s, N / 2 + i, out[i][0], call_sc, call);
			session_send(&s, i, 8, close_sc, close);
		}
		for (uint32_t i = 0; i < N; i++) {
			const uint32_t slot = session_receive(&s, &retval);

			if (slot < N / 2)
				assert_int_equal(retval, 0);
			else if (retval != FASTRPC_EINVHANDLE)
				assert_int_equal(retval, 9);
		}
		for (uint32_t i = N / 2; i < N; i++)
			assert_int_equal(session_close_module(&s, out[i][0], text), 0);
	}
	session_close(&s);
}

static void directories_of_a_refused_session_are_not_the_next_ones(void **state)
{
	struct softdsp_record dirs = { .kind = SOFTDSP_DIRS, .bank = 1 };
	const int fd = open("/usr", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct session s;
	uint32_t handle;

	host_send_record(&host, &dirs, SOFTDSP_HEAD, fd);
	assert_int_equal(host_create(&host, 1, -5), FASTRPC_EBADPARM);
	session_open(&s, &host, 1, 1);
	assert_int_equal(session_open_module(&s, "no", &handle, text), FASTRPC_EUNABLETOLOAD);
	assert_null(strstr(text, "/usr/libno"));
	session_close(&s);
	close(fd);
}

int main(void)
{
	static const char *const with_dirs[] = { "--client-dirs", NULL };
	const struct CMUnitTest tests[] = {
		T(records_of_no_kind_are_dropped_on_control),
		T(records_of_no_kind_are_dropped_on_the_pd_channel),
		T(forged_control_calls_are_answered_and_harmless),
		T(creates_that_lie_are_refused),
		T(only_sealed_memory_is_mapped),
		T(maps_beyond_the_bank_are_refused),
		T(maps_counted_wrongly_end_that_pd_only),
		T(a_call_whose_payload_is_gone_is_refused),
		T(a_call_for_another_bank_is_refused),
		T(control_maps_come_and_go),
		T(forged_calls_are_refused),
		T(an_open_that_lies_about_its_lengths_is_refused),
		T(handles_run_out_at_4096_and_come_back),
		T(opens_calls_and_closes_race_safely),
		T_WITH(directories_of_a_refused_session_are_not_the_next_ones, with_dirs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
