// SPDX-License-Identifier: BSD-3-Clause
/*
 * The software DSP does what a DSP does: sessions, modules, calls, handles, named buffers, log
 * lines, and the death of one PD beside another. The real programs, over a socket pair.
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
#include <time.h>
#include <unistd.h>

#include "softdsp_fixture.h"

#define MINE "file:///libmine_skel.so" PROBE_ENTRY

/* --- calls and modules --- */

static void hello_says_what_it_is(void **state)
{
	assert_int_equal(host.hello.version, SOFTDSP_VERSION);
	assert_int_equal(host.hello.banks, 16);
	assert_int_equal(host.hello.arch, 0x68);
	assert_int_equal(host.hello.client_dirs, 0);
	assert_string_equal(host.hello.name, "cdsp");
}

static void a_call_inverts_its_bytes(void **state)
{
	struct session s;
	uint32_t handle = open_probe(&s, 1, 1);

	assert_true(handle & 0x80000000u);
	assert_inverts(&s, handle);
	assert_int_equal(session_close_module(&s, handle, text), 0);
	session_close(&s);
}

static void a_skels_return_value_arrives_untouched(void **state)
{
	static const uint32_t values[] = { 0, 1, 0x14, 0x7fffffff, 0x80000000, 0x8000040d, ~0u };
	struct session s;
	uint32_t handle = open_probe(&s, 1, 1);

	for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		assert_int_equal(call_with(&s, handle, PROBE_RETURN, values[i]), values[i]);
	session_close(&s);
}

static void two_sessions_are_apart(void **state)
{
	struct session a, b;
	uint32_t in_a = open_probe(&a, 1, 1), in_b = open_probe(&b, 2, 2);

	assert_inverts(&a, in_a);
	assert_inverts(&b, in_b);
	session_close(&a);
	assert_inverts(&b, in_b);
	session_close(&b);
}

static void as_many_calls_run_at_once_as_threads_allow(void **state)
{
	enum { N = 16 };
	const uint32_t sc = fastrpc_sc(0, PROBE_RENDEZVOUS, 1, 0, 0, 0);
	uint32_t number = N, retval, seen = 0;
	const struct value values[] = { { &number, 4 } };
	struct session s;
	uint32_t handle = open_probe(&s, 1, 1);

	for (uint32_t i = 0; i < N; i++)
		session_send(&s, i, handle, sc, values);
	for (uint32_t i = 0; i < N; i++) {
		seen |= 1u << session_receive(&s, &retval);
		assert_int_equal(retval, 0);
	}
	assert_int_equal(seen, 0xffff);
	session_close(&s);
}

static void a_missing_module_names_what_was_tried(void **state)
{
	struct session s;
	uint32_t handle = 7;

	session_open(&s, &host, 1, 1);
	assert_int_equal(session_open_module(&s, "file:///libnone_skel.so?none_skel_handle_invoke",
					     &handle, text), FASTRPC_EUNABLETOLOAD);
	assert_int_equal(handle, 0);
	assert_string_equal(text, "libnone_skel.so not found; tried "
			    SOFTDSP_TEST_MODULES "/cdsp/libnone_skel.so, "
			    SOFTDSP_TEST_MODULES "/libnone_skel.so");
	assert_int_equal(session_open_module(&s, "none", &handle, text), FASTRPC_EUNABLETOLOAD);
	assert_non_null(strstr(text, "libnone_skel.so not found"));
	session_close(&s);
}

static void a_missing_symbol_is_named(void **state)
{
	struct session s;
	uint32_t handle;

	session_open(&s, &host, 1, 1);
	assert_int_equal(session_open_module(&s, "file:///libsoftdsp_probe_skel.so?nope_invoke",
					     &handle, text), FASTRPC_ENOSUCHSYMBOL);
	assert_string_equal(text, "libsoftdsp_probe_skel.so has no function nope_invoke");
	session_close(&s);
}

static void another_interface_version_is_refused_by_the_skel(void **state)
{
	struct session s;
	uint32_t handle;

	session_open(&s, &host, 1, 1);
	assert_int_equal(session_open_module(&s, PROBE_URI "&_idlver=9.0", &handle, text),
			 FASTRPC_EVERSION);
	assert_non_null(strstr(text, "another version"));
	session_close(&s);
}

static void hostile_names_find_nothing(void **state)
{
	static const char *const uris[] = {
		"", "file:///", "?", "file:///../../lib/libc.so.6?puts", "file:////etc/passwd?x",
		"file:///.hidden?x_invoke", "file:///a..b?x_invoke", "a/b", "..", "&", "%s%s%n",
		"file:///libsoftdsp_probe_skel.so?", "file:///libsoftdsp_probe_skel.so",
		"file:///libsoftdsp_probe_skel.so?a b",
	};
	struct session s;
	uint32_t handle;

	session_open(&s, &host, 1, 1);
	for (unsigned i = 0; i < sizeof(uris) / sizeof(uris[0]); i++)
		assert_int_equal(session_open_module(&s, uris[i], &handle, text), FASTRPC_EBADPARM);
	session_close(&s);
}

static void the_older_entry_works_through_the_older_handle(void **state)
{
	uint32_t in[2] = { sizeof("softdsp_probe"), 512 }, out[2] = { 9, 9 };
	const struct value open[] = { { in, 8 }, { (void *)"softdsp_probe", in[0] }, { out, 8 },
				      { text, 512 } };
	uint32_t close_in[2], dlerr = 9;
	const struct value close[] = { { close_in, 8 }, { &dlerr, 4 }, { text, 512 } };
	struct session s;

	session_open(&s, &host, 1, 1);
	assert_int_equal(session_call(&s, 0, 0x00020200, open, NULL), 0);
	assert_int_equal(out[1], 0);
	assert_inverts(&s, out[0]);
	close_in[0] = out[0];
	close_in[1] = 512;
	assert_int_equal(session_call(&s, 0, 0x01010200, close, NULL), 0);
	assert_int_equal(dlerr, 0);
	session_close(&s);
}

static void a_closed_handle_is_not_found_again(void **state)
{
	struct session s;
	uint32_t handle = open_probe(&s, 1, 1), again;

	assert_int_equal(session_close_module(&s, handle, text), 0);
	assert_int_equal(call_with(&s, handle, PROBE_RETURN, 0), FASTRPC_EINVHANDLE);
	assert_int_equal(session_close_module(&s, handle, text), FASTRPC_EINVHANDLE);
	assert_int_equal(session_open_module(&s, PROBE_URI, &again, text), 0);
	assert_int_not_equal(again, handle);
	assert_int_equal(call_with(&s, handle, PROBE_RETURN, 0), FASTRPC_EINVHANDLE);
	assert_inverts(&s, again);
	session_close(&s);
}

static void static_and_unknown_handles_are_told_apart(void **state)
{
	struct session s;

	session_open(&s, &host, 1, 1);
	assert_int_equal(call_with(&s, 1, 6, 0), FASTRPC_EUNSUPPORTED);
	assert_int_equal(call_with(&s, 3, 4, 0), FASTRPC_EUNSUPPORTED);
	assert_int_equal(call_with(&s, 8, 4, 0), FASTRPC_EUNSUPPORTED);
	assert_int_equal(call_with(&s, 8, 2, 0), FASTRPC_EBADPARM);
	assert_int_equal(call_with(&s, 0x80000000, 2, 0), FASTRPC_EINVHANDLE);
	assert_int_equal(call_with(&s, 0xffffffff, 2, 0), FASTRPC_EINVHANDLE);
	session_close(&s);
}

/* --- handles and keys --- */

static uint64_t shown(struct session *s, uint32_t handle, struct fastrpc_arg given)
{
	uint64_t seen = 0;
	const struct value values[] = { { &seen, 8 }, { .handle = given } };

	assert_int_equal(session_call(s, handle, fastrpc_sc(0, PROBE_SHOW_HANDLE, 0, 1, 1, 0),
				      values, NULL), 0);
	return seen;
}

static uint64_t self(struct session *s, uint32_t handle)
{
	uint64_t value = 0;
	const struct value values[] = { { &value, 8 } };

	assert_int_equal(session_call(s, handle, fastrpc_sc(0, PROBE_SELF, 0, 1, 0, 0), values,
				      NULL), 0);
	return value;
}

static void out_handles_can_be_called_given_and_closed(void **state)
{
	struct fastrpc_arg number = { .kind = FASTRPC_ARG_NUMBER, .addr = FASTRPC_OUT_NUMBER };
	struct fastrpc_arg remote = { .kind = FASTRPC_ARG_NUMBER, .addr = FASTRPC_OUT_REMOTE };
	const struct value outs[] = { { .handle = remote }, { .handle = remote } };
	const struct value plain[] = { { .handle = number }, { .handle = remote } };
	uint64_t derived[2];
	uint32_t closed = 0;
	const struct value count[] = { { &closed, 4 } };
	struct session s;
	uint32_t handle = open_probe(&s, 1, 1);

	/* Where a number is wanted, the skel's own arrives as it is. */
	assert_int_equal(session_call(&s, handle, fastrpc_sc(0, PROBE_DERIVE, 0, 0, 0, 2), plain,
				      derived), 0);
	assert_int_equal(derived[0], 0x1122334455661000);
	assert_true(derived[1] >> 31 == 1);
	assert_int_equal(session_close_module(&s, derived[1], text), 0);
	assert_int_equal(session_call(&s, handle, fastrpc_sc(0, PROBE_DERIVE, 0, 0, 0, 2), outs,
				      derived), 0);
	assert_true(derived[0] >> 31 == 1 && derived[1] >> 31 == 1 && derived[0] != derived[1]);
	assert_int_equal(self(&s, derived[0]), 0x1122334455661000);
	assert_int_equal(self(&s, derived[1]), 0x1122334455661001);
	assert_int_equal(shown(&s, handle, (struct fastrpc_arg){ .kind = FASTRPC_ARG_NUMBER,
								 .addr = derived[1] }),
			 0x1122334455661001);
	assert_int_equal(shown(&s, handle, (struct fastrpc_arg){ .kind = FASTRPC_ARG_NUMBER,
								 .addr = 0xabcdef0123456789 }),
			 0xabcdef0123456789);
	assert_int_equal(session_close_module(&s, derived[0], text), 0);
	assert_int_equal(session_call(&s, handle, fastrpc_sc(0, PROBE_CLOSED, 0, 1, 0, 0), count,
				      NULL), 0);
	assert_int_equal(closed, 2);
	/* The module lives on in what was derived from it. */
	assert_int_equal(session_close_module(&s, handle, text), 0);
	assert_int_equal(self(&s, derived[1]), 0x1122334455661001);
	session_close(&s);
}

static void a_key_names_a_buffer(void **state)
{
	const int fd = memory_new(8192, F_SEAL_SHRINK);
	struct probe_key seen = { 0 };
	const struct value values[] = {
		{ &seen, sizeof(seen) },
		{ .handle = { .kind = FASTRPC_ARG_KEY, .key = 77, .offset = 16, .length = 100,
			      .addr = 1ull << 32 | 0x400000 } },
	};
	const uint32_t sc = fastrpc_sc(0, PROBE_KEY, 0, 1, 1, 0);
	uint64_t got = 0;
	uint8_t byte;
	struct session s;
	uint32_t handle = open_probe(&s, 1, 1);

	assert_int_equal(pwrite(fd, "0123456789abcdefGHIJKLMN", 24, 0), 24);
	session_map(&s, SOFTDSP_MAP, fd, 0x400000, 8192, 0);
	assert_int_equal(session_call(&s, handle, sc, values, NULL), 0x48);
	assert_int_equal(map_key(1, 1, 77, 0x400000, &got), 0);
	assert_int_equal(got, 0x400000);
	assert_int_equal(map_key(1, 1, 77, 0x400000, NULL), 0x8000041a);
	assert_int_equal(session_call(&s, handle, sc, values, NULL), 0);
	assert_int_equal(seen.length, 8192);
	assert_int_equal(seen.offset, 16);
	assert_int_equal(seen.address, 0x400000);
	assert_memory_equal(seen.bytes, "GHIJKLMN", 8);
	assert_int_equal(pread(fd, &byte, 1, 16), 1);
	assert_int_equal(byte, (uint8_t)~'G');
	assert_int_equal(unmap_key(1, 1, 77), 0);
	assert_int_equal(unmap_key(1, 1, 77), FASTRPC_ENOSUCHMAP);
	assert_int_equal(session_call(&s, handle, sc, values, NULL), 0x48);
	close(fd);
	session_close(&s);
}

static void heap_grows_and_shrinks_by_its_exact_size(void **state)
{
	const uint64_t bank = 1ull << 32;
	struct fastrpc_ctl grow = { .method = FASTRPC_PROCESS_MMAP, .client_id = 1,
				    .mem_addr = bank | 0x800000, .mem_len = 0x10000,
				    .flags = 0x1000 };
	struct fastrpc_ctl shrink = { .method = FASTRPC_PROCESS_MUNMAP, .client_id = 1,
				      .vaddr = 0x800000, .mem_len = 0x8000 };
	uint64_t got = 0;
	struct session s;

	session_open(&s, &host, 1, 1);
	assert_int_equal(host_control(&host, 1, &grow, &got), 0);
	assert_int_equal(got, 0x800000);
	assert_int_equal(host_control(&host, 1, &shrink, NULL), FASTRPC_ENOSUCHMAP);
	shrink.mem_len = 0x10000;
	assert_int_equal(host_control(&host, 1, &shrink, NULL), 0);
	assert_int_equal(host_control(&host, 1, &shrink, NULL), FASTRPC_ENOSUCHMAP);
	session_close(&s);
}

/* So many threads listen afterwards. */
static void wake_threads(struct session *s, uint32_t handle, uint32_t n)
{
	const struct value values[] = { { &n, 4 } };
	uint32_t retval;

	for (uint32_t i = 0; i < n; i++)
		session_send(s, i, handle, fastrpc_sc(0, PROBE_RENDEZVOUS, 1, 0, 0, 0), values);
	for (uint32_t i = 0; i < n; i++)
		session_receive(s, &retval);
}

/* Each call returns the number that stands in the memory mapped just before it. */
static void maps_come_before_the_calls_that_need_them(void **state)
{
	const uint32_t sc = fastrpc_sc(0, PROBE_RETURN, 1, 0, 0, 0);
	const struct value values[] = { { .handle = { .kind = FASTRPC_ARG_BUFFER, .length = 4,
						      .addr = 1ull << 32 | 0x500000 } } };
	struct session s;
	uint32_t handle = open_probe(&s, 1, 1);
	int fds[2];

	for (uint32_t i = 0; i < 2; i++) {
		fds[i] = memory_new(4096, F_SEAL_SHRINK);
		assert_int_equal(pwrite(fds[i], &i, sizeof(i), 0), sizeof(i));
	}
	wake_threads(&s, handle, 8);
	for (uint32_t i = 0; i < 5000; i++) {
		uint32_t retval;

		session_map(&s, SOFTDSP_MAP, fds[i % 2], 0x500000, 4096, 0);
		session_send(&s, 0, handle, sc, values);
		session_receive(&s, &retval);
		assert_int_equal(retval, i % 2);
		session_map(&s, SOFTDSP_UNMAP, -1, 0x500000, 4096, 0);
	}
	close(fds[0]);
	close(fds[1]);
	session_close(&s);
}

static void a_library_is_unloaded_with_its_last_handle(void **state)
{
	uint32_t closed = 9;
	const struct value count[] = { { &closed, 4 } };
	const uint32_t sc = fastrpc_sc(0, PROBE_CLOSED, 0, 1, 0, 0);
	struct session s;
	uint32_t handle = open_probe(&s, 1, 1), other;

	assert_int_equal(session_open_module(&s, PROBE_URI, &other, text), 0);
	assert_int_equal(session_close_module(&s, other, text), 0);
	assert_int_equal(session_call(&s, handle, sc, count, NULL), 0);
	assert_int_equal(closed, 1);
	assert_int_equal(shown(&s, handle, (struct fastrpc_arg){ .kind = FASTRPC_ARG_NUMBER,
								 .addr = handle }),
			 0x1122334455660000);
	assert_int_equal(session_close_module(&s, handle, text), 0);
	/* Loaded anew, it counts from 0. */
	assert_int_equal(session_open_module(&s, PROBE_URI, &handle, text), 0);
	assert_int_equal(session_call(&s, handle, sc, count, NULL), 0);
	assert_int_equal(closed, 0);
	session_close(&s);
}

/* --- log, attributes, clocks --- */

static void log_lines_reach_the_host(void **state)
{
	char in[] = "\3\0\0\0hello %s";
	const struct value values[] = { { in, sizeof(in) - 1 } };
	struct session s;
	uint32_t handle = open_probe(&s, 1, 1);

	assert_int_equal(session_call(&s, handle, fastrpc_sc(0, PROBE_LOG, 1, 0, 0, 0), values,
				      NULL), 0);
	assert_int_equal(s.n_logs, 1);
	assert_int_equal(s.log.record.log.level, 3);
	assert_int_equal(s.log.record.client, 1);
	assert_string_equal(line_text(&s.log), "probe.c:7: hello %s");
	session_close(&s);
}

static void a_flood_of_lines_costs_lines_only(void **state)
{
	struct session s;
	uint32_t handle = open_probe(&s, 1, 1);

	assert_int_equal(call_with(&s, handle, PROBE_FLOOD, 100000), 0);
	assert_true(s.n_logs > 10 && s.n_logs < 100000);
	assert_inverts(&s, handle);
	assert_int_equal(call_with(&s, handle, PROBE_FLOOD, 1), 0);
	assert_string_equal(line_text(&s.log), "probe.c:0: again");
	session_close(&s);
}

static void attributes_are_told_on_both_channels(void **state)
{
	uint32_t n = 10, out[10];
	const struct value values[] = { { &n, 4 }, { out, sizeof(out) } };
	static const uint32_t expected[10] = { [0] = 1, [5] = 0x68, [9] = 1 };
	struct session s;

	session_open(&s, &host, 1, 1);
	assert_int_equal(session_call(&s, 2, fastrpc_sc(0, 0, 1, 1, 0, 0), values, NULL), 0);
	assert_memory_equal(out, expected, sizeof(out));
	n = 11;
	assert_int_equal(session_call(&s, 2, fastrpc_sc(0, 0, 1, 1, 0, 0), values, NULL),
			 FASTRPC_EBADPARM);
	assert_int_equal(session_call(&s, 2, fastrpc_sc(0, 1, 1, 1, 0, 0), values, NULL),
			 FASTRPC_EUNSUPPORTED);
	session_close(&s);
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ull + now.tv_nsec / 1000;
}

static void clocks_agree_with_each_other(void **state)
{
	uint64_t t[3], before, after;
	const struct value values[] = { { t, sizeof(t) } };
	struct session s;
	uint32_t handle = open_probe(&s, 1, 1);

	before = now_us();
	assert_int_equal(session_call(&s, handle, fastrpc_sc(0, PROBE_CLOCKS, 0, 1, 0, 0), values,
				      NULL), 0);
	after = now_us();
	assert_in_range(t[0], before, after);
	assert_in_range(t[1], t[0] * 96 / 5, (after + 1) * 96 / 5);
	assert_in_range(t[2], t[0] * 1000, after * 1000 + 999);
	session_close(&s);
}

/* --- directories of the client --- */

static void client_directories_are_searched_first(void **state)
{
	struct softdsp_record dirs = { .kind = SOFTDSP_DIRS, .bank = 1 };
	char dir[] = "/tmp/softdsp-test-XXXXXX", path[64];
	struct session s;
	uint32_t handle;
	int fd;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/libmine_skel.so", dir);
	assert_int_equal(symlink(SOFTDSP_TEST_MODULES "/libsoftdsp_probe_skel.so", path), 0);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	host_send_record(&host, &dirs, SOFTDSP_HEAD, fd);
	session_open(&s, &host, 1, 1);
	assert_int_equal(session_open_module(&s, MINE, &handle, text),
			 host.hello.client_dirs ? 0 : FASTRPC_EUNABLETOLOAD);
	if (host.hello.client_dirs) {
		assert_inverts(&s, handle);
		assert_int_equal(session_open_module(&s, "no", &handle, text),
				 FASTRPC_EUNABLETOLOAD);
		assert_non_null(strstr(text, dir));
	}
	session_close(&s);
	/* They were for one session. */
	session_open(&s, &host, 1, 1);
	assert_int_equal(session_open_module(&s, MINE, &handle, text), FASTRPC_EUNABLETOLOAD);
	assert_null(strstr(text, dir));
	session_close(&s);
	close(fd);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	static const char *const with_dirs[] = { "--client-dirs", NULL };
	const struct CMUnitTest tests[] = {
		T(hello_says_what_it_is),
		T(a_call_inverts_its_bytes),
		T(a_skels_return_value_arrives_untouched),
		T(two_sessions_are_apart),
		T(as_many_calls_run_at_once_as_threads_allow),
		T(a_missing_module_names_what_was_tried),
		T(a_missing_symbol_is_named),
		T(another_interface_version_is_refused_by_the_skel),
		T(hostile_names_find_nothing),
		T(the_older_entry_works_through_the_older_handle),
		T(a_closed_handle_is_not_found_again),
		T(static_and_unknown_handles_are_told_apart),
		T(out_handles_can_be_called_given_and_closed),
		T(a_key_names_a_buffer),
		T(heap_grows_and_shrinks_by_its_exact_size),
		T(maps_come_before_the_calls_that_need_them),
		T(a_library_is_unloaded_with_its_last_handle),
		T(log_lines_reach_the_host),
		T(a_flood_of_lines_costs_lines_only),
		T(attributes_are_told_on_both_channels),
		T(clocks_agree_with_each_other),
		T(client_directories_are_searched_first),
		T_WITH(client_directories_are_searched_first, with_dirs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
