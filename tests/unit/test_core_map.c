/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers, and key maps of them: sizes, charges to the very end, races with unmap, close and loss.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core_scene.h"

#define LARGEST ((1ull << 32) - PAGE)

static struct scene s;
static struct guest g;

static int begin(void **state)
{
	scene_begin(&s);
	guest_come(&g, &s, 1000);
	return 0;
}

static int end(void **state)
{
	guest_free(&g);
	scene_end(&s);
	return 0;
}

/* --- buffers --- */

static int alloc(uint64_t size, struct qda_buffer **out)
{
	int fd;

	return qda_buffer_alloc(g.client, "", size, out, &fd, &s.fail);
}

static void assert_charged(uint64_t buffers, uint64_t bytes)
{
	assert_int_equal(used(&g, QDA_RES_BUFFERS), buffers);
	assert_int_equal(used(&g, QDA_RES_BUFFER_BYTES), bytes);
	assert_int_equal(used(&g, QDA_RES_FDS), 1 + buffers);
}

static void sizes_are_rounded_up_to_pages_and_charged_so(void **state)
{
	static const uint64_t sizes[][2] = { { 1, PAGE }, { PAGE - 1, PAGE }, { PAGE, PAGE },
					     { PAGE + 1, 2 * PAGE }, { LARGEST - 1, LARGEST },
					     { LARGEST, LARGEST } };

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct qda_buffer *buffer;

		assert_int_equal(alloc(sizes[i][0], &buffer), 0);
		assert_int_equal(buffer->size, sizes[i][1]);
		assert_charged(1, sizes[i][1]);
		assert_int_equal(qda_buffer_free(g.client, buffer->id, &s.fail), 0);
		assert_charged(0, 0);
		assert_int_equal(s.fake->n_buffers, 0);
	}
}

static void sizes_out_of_range_are_refused(void **state)
{
	static const uint64_t sizes[] = { 0, LARGEST + 1, 1ull << 32, 1ull << 63, UINT64_MAX - 1,
					  UINT64_MAX };
	struct qda_buffer *buffer;

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		assert_int_equal(alloc(sizes[i], &buffer), -EINVAL);
		assert_charged(0, 0);
	}
}

static void quota_counts_buffers_bytes_and_descriptors(void **state)
{
	struct qda_buffer *buffer;

	limit(&g, QDA_RES_BUFFER_BYTES, 2 * PAGE);
	assert_int_equal(alloc(2 * PAGE + 1, &buffer), -EDQUOT);
	assert_string_equal(s.fail.resource, "buffer_bytes");
	assert_charged(0, 0);
	assert_int_equal(alloc(2 * PAGE, &buffer), 0);
	limit(&g, QDA_RES_BUFFER_BYTES, 3 * PAGE);
	limit(&g, QDA_RES_BUFFERS, 1);
	assert_int_equal(alloc(1, &buffer), -EDQUOT);
	assert_string_equal(s.fail.resource, "buffers");
	limit(&g, QDA_RES_BUFFERS, 2);
	limit(&g, QDA_RES_FDS, 2);
	assert_int_equal(alloc(1, &buffer), -EDQUOT);
	assert_string_equal(s.fail.resource, "fds");
	assert_charged(1, 2 * PAGE);
	assert_int_equal(s.fake->n_buffers, 1);
}

static void memory_of_one_uid_is_shared_by_its_connections(void **state)
{
	struct guest other;
	struct qda_buffer *buffer;

	guest_come(&other, &s, 1000);
	g.client->user->limits[QDA_RES_BUFFER_BYTES] = 8 * PAGE;
	assert_int_equal(alloc(7 * PAGE, &buffer), 0);
	assert_int_equal(qda_buffer_alloc(other.client, "", 2 * PAGE, &buffer, &(int){ 0 },
					  &s.fail), -EDQUOT);
	assert_string_equal(s.fail.scope, "uid");
	assert_int_equal(s.fail.used, 7 * PAGE);
	assert_int_equal(used(&other, QDA_RES_BUFFER_BYTES), 0);
	new_buffer(&other, 1);
	guest_go(&g);
	assert_int_equal(s.core->total.used[QDA_RES_BUFFER_BYTES], PAGE);
	guest_free(&other);
}

static void device_that_has_no_memory_costs_nothing(void **state)
{
	struct qda_buffer *buffer;

	fake_refuse(s.fake, FAKE_CREATE, -ENOMEM, 1);
	assert_int_equal(alloc(PAGE, &buffer), -ENOMEM);
	assert_charged(0, 0);
	assert_int_equal(g.client->n_buffers, 0);
}

static int import(int fd, uint64_t size, struct qda_buffer **out)
{
	return qda_buffer_import(g.client, "", fd, size, false, out, &s.fail);
}

static void import_of_all_wants_whole_pages(void **state)
{
	static const uint64_t sizes[] = { PAGE, 3 * PAGE };
	int fd = memfd_create("test", MFD_CLOEXEC);
	struct qda_buffer *buffer;

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(ftruncate(fd, sizes[i]), 0);
		assert_int_equal(import(fd, 0, &buffer), 0);
		assert_int_equal(buffer->size, sizes[i]);
		assert_int_equal(qda_buffer_free(g.client, buffer->id, &s.fail), 0);
	}
	assert_int_equal(ftruncate(fd, PAGE - 1), 0);
	assert_int_equal(import(fd, 0, &buffer), -EINVAL);
	assert_int_equal(ftruncate(fd, PAGE + 5), 0);
	assert_int_equal(import(fd, 0, &buffer), -EINVAL);
	assert_non_null(strstr(s.fail.text, "4101 bytes"));
	close(fd);
	assert_int_equal(import(fd, 0, &buffer), -EINVAL);
	assert_charged(0, 0);
}

static void import_explains_what_the_device_refuses(void **state)
{
	int loose = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int fixed = memfd_create("fixed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const struct { int fd, err; const char *says; } rows[] = {
		{ 3, -EINVAL, "give a memfd" },
		{ loose, -EPERM, "add F_SEAL_SHRINK" },
		{ fixed, -EPERM, "import it read-only" },
		{ 3, -ERANGE, "smaller than 8192 bytes" },
		{ 3, -EMFILE, "Too many open files" },
	};
	struct qda_buffer *buffer;

	assert_int_equal(fcntl(fixed, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		fake_refuse(s.fake, FAKE_IMPORT, rows[i].err, 1);
		assert_int_equal(import(rows[i].fd, PAGE + 1, &buffer), rows[i].err);
		assert_non_null(strstr(s.fail.text, rows[i].says));
		assert_charged(0, 0);
	}
	assert_int_equal(import(3, PAGE + 1, &buffer), 0);
	assert_charged(1, 2 * PAGE);
	close(loose);
	close(fixed);
}

static void buffer_handle_is_gone_at_free(void **state)
{
	uint64_t buffer = new_buffer(&g, 1);

	assert_int_equal(qda_buffer_free(g.client, buffer, &s.fail), 0);
	assert_int_equal(qda_buffer_free(g.client, buffer, &s.fail), -ENOENT);
	assert_int_equal(qda_buffer_free(g.client, open_session(&g), &s.fail), -ENOENT);
	assert_int_equal(g.client->n_buffers, 0);
}

static void range_must_lie_inside(void **state)
{
	static const struct { uint64_t offset, length; int r; } rows[] = {
		{ 0, 0, 0 }, { 0, 2 * PAGE, 0 }, { 2 * PAGE, 0, 0 }, { 2 * PAGE - 1, 1, 0 },
		{ 0, 2 * PAGE + 1, -ERANGE }, { 2 * PAGE, 1, -ERANGE }, { UINT64_MAX, 1, -ERANGE },
		{ 1, UINT64_MAX, -ERANGE }, { UINT64_MAX, UINT64_MAX, -ERANGE },
	};
	struct qda_buffer *buffer;

	assert_int_equal(alloc(2 * PAGE, &buffer), 0);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(qda_buffer_check(buffer, rows[i].offset, rows[i].length, &s.fail),
				 rows[i].r);
}

static uint64_t ask_fill(uint64_t module, uint64_t buffer)
{
	struct qda_call_arg arg = { QDA_CALL_BUFFER, buffer, 100, 50 };
	struct qda_call_request request = {
		.module = module,
		.sc = fastrpc_sc(0, 1, 0, 1, 0, 0),
		.n_args = 1,
		.args = &arg,
	};

	return ask_invoke(&g, &request);
}

static void freed_buffer_lives_until_its_last_call_ended(void **state)
{
	uint64_t session = open_session(&g), module = open_module(&g, session, 0x80000010);
	uint64_t buffer = new_buffer(&g, 1), running, queued;
	struct fake_op *op;

	s.domain->session_in_flight_max = 1;
	running = ask_fill(module, buffer);
	queued = ask_fill(module, buffer);
	assert_int_equal(qda_buffer_free(g.client, buffer, &s.fail), 0);
	assert_int_equal(ask_fill(module, buffer), 0);
	assert_int_equal(s.fail.code, ENOENT);
	assert_int_equal(used(&g, QDA_RES_BUFFERS), 1);
	fake_done(fake_find(s.fake, FAKE_CALL), 0, 0);
	assert_success(&g, running);
	assert_int_equal(used(&g, QDA_RES_BUFFERS), 1);
	op = fake_find(s.fake, FAKE_CALL);
	assert_int_equal(op->args[0].offset, 100);
	assert_int_equal(op->args[0].length, 50);
	fake_done(op, 0, 0);
	assert_success(&g, queued);
	assert_int_equal(used(&g, QDA_RES_BUFFERS), 0);
	assert_int_equal(used(&g, QDA_RES_BUFFER_BYTES), QDA_STAGING_BYTES);
	assert_int_equal(s.fake->n_buffers, 1);
}

/* --- key maps --- */

static void map_answers_with_the_address_and_holds_the_buffer(void **state)
{
	uint64_t session = open_session(&g), buffer = new_buffer(&g, 2);
	uint64_t map = ask_map(&g, session, buffer, 7), unmap;
	struct fake_op *op = fake_find(s.fake, FAKE_MAP);

	assert_int_equal(op->key, 7);
	assert_int_equal(op->offset, 0);
	assert_int_equal(op->size, 2 * PAGE);
	fake_complete(op, &(struct qda_device_done){ .dsp_addr = 0x123456789 });
	assert_success(&g, map);
	assert_int_equal(answer(&g, map)->dsp_addr, 0x123456789);
	assert_int_equal(used(&g, QDA_RES_MAPS), 1);
	assert_int_equal(qda_buffer_free(g.client, buffer, &s.fail), 0);
	assert_int_equal(used(&g, QDA_RES_BUFFERS), 1);
	unmap = ask_unmap(&g, session, 7);
	assert_false(answered(&g, unmap));
	fake_done(fake_find(s.fake, FAKE_UNMAP), 0, 0);
	assert_success(&g, unmap);
	assert_int_equal(used(&g, QDA_RES_MAPS), 0);
	assert_int_equal(used(&g, QDA_RES_BUFFERS), 0);
	assert_int_equal(s.fake->n_buffers, 1);
}

static void key_and_range_are_checked(void **state)
{
	static const struct { uint32_t key; uint64_t offset, size; int r; } rows[] = {
		{ 0, 0, 4 * PAGE, 0 }, { 0x3fffffff, PAGE, 0, 0 }, { 1, 3 * PAGE, PAGE, 0 },
		{ 0, 0, PAGE, -EEXIST },
		{ 0x40000000, 0, 0, -EINVAL }, { 0xffffffff, 0, 0, -EINVAL },
		{ 2, 1, PAGE, -EINVAL }, { 2, 0, PAGE + 1, -EINVAL }, { 2, 4 * PAGE, 0, -EINVAL },
		{ 2, 4 * PAGE, PAGE, -ERANGE }, { 2, 0, 5 * PAGE, -ERANGE },
		{ 2, UINT64_MAX - PAGE + 1, 2 * PAGE, -ERANGE }, { 2, PAGE, 0 - PAGE, -ERANGE },
	};
	uint64_t session = open_session(&g), buffer = new_buffer(&g, 4);

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct qda_reply_to to = guest_to(&g);

		assert_int_equal(qda_session_map(g.client, session, buffer, rows[i].key,
						 rows[i].offset, rows[i].size, &to, &s.fail),
				 rows[i].r);
	}
	assert_int_equal(used(&g, QDA_RES_MAPS), 3);
	assert_int_equal(fake_count(s.fake, FAKE_MAP), 3);
}

static void refused_map_leaves_nothing(void **state)
{
	static const int errors[] = { -ENOSPC, -EEXIST, -ENOMEM, -ECONNRESET };
	uint64_t session = open_session(&g), buffer = new_buffer(&g, 1), map;
	uint32_t pending = s.core->pending.n_used;

	for (unsigned i = 0; i < 4; i++) {
		fake_refuse(s.fake, FAKE_MAP, errors[i], 1);
		assert_int_equal(ask_map(&g, session, buffer, 7), 0);
		assert_int_equal(s.fail.code, -errors[i]);
		assert_int_equal(used(&g, QDA_RES_MAPS), 0);
	}
	map = ask_map(&g, session, buffer, 7);
	fake_done(fake_find(s.fake, FAKE_MAP), -EREMOTEIO, (int32_t)FASTRPC_ENOMEMORY);
	assert_failure(&g, map, EREMOTEIO);
	assert_int_equal(answer(&g, map)->aee, FASTRPC_ENOMEMORY);
	assert_int_equal(used(&g, QDA_RES_MAPS), 0);
	assert_int_equal(s.core->pending.n_used, pending);
	limit(&g, QDA_RES_MAPS, 0);
	assert_int_equal(ask_map(&g, session, buffer, 7), 0);
	assert_int_equal(s.fail.code, EDQUOT);
}

static void unmap_needs_a_map_that_is_made(void **state)
{
	uint64_t session = open_session(&g), buffer = new_buffer(&g, 1);

	assert_int_equal(ask_unmap(&g, session, 7), 0);
	assert_int_equal(s.fail.code, ENOENT);
	ask_map(&g, session, buffer, 7);
	assert_int_equal(ask_unmap(&g, session, 7), 0);
	assert_int_equal(s.fail.code, ENOENT);
	fake_done(fake_find(s.fake, FAKE_MAP), 0, 0);
	assert_int_not_equal(ask_unmap(&g, session, 7), 0);
	assert_int_equal(ask_unmap(&g, session, 7), 0);
	assert_int_equal(s.fail.code, ENOENT);
	assert_int_equal(ask_map(&g, session, buffer, 7), 0);
	assert_int_equal(s.fail.code, EEXIST);
	fake_done(fake_find(s.fake, FAKE_UNMAP), 0, 0);
	assert_int_not_equal(ask_map(&g, session, buffer, 7), 0);
}

/* The DSP still sees the memory: it stays charged, and can be unmapped again. */
static void map_that_the_dsp_does_not_give_up_stays(void **state)
{
	uint64_t session = open_session(&g), buffer = new_buffer(&g, 1), unmap;

	ask_map(&g, session, buffer, 7);
	fake_done(fake_find(s.fake, FAKE_MAP), 0, 0);
	unmap = ask_unmap(&g, session, 7);
	fake_done(fake_find(s.fake, FAKE_UNMAP), -EREMOTEIO, (int32_t)FASTRPC_EFAILED);
	assert_failure(&g, unmap, EREMOTEIO);
	assert_int_equal(answer(&g, unmap)->aee, FASTRPC_EFAILED);
	assert_int_equal(qda_buffer_free(g.client, buffer, &s.fail), 0);
	assert_int_equal(used(&g, QDA_RES_MAPS), 1);
	assert_int_equal(used(&g, QDA_RES_BUFFERS), 1);
	unmap = ask_unmap(&g, session, 7);
	assert_int_not_equal(unmap, 0);
	fake_done(fake_find(s.fake, FAKE_UNMAP), 0, 0);
	assert_success(&g, unmap);
	assert_int_equal(used(&g, QDA_RES_MAPS), 0);
	assert_int_equal(used(&g, QDA_RES_BUFFERS), 0);
}

static void map_that_the_dsp_does_not_know_is_gone(void **state)
{
	uint64_t session = open_session(&g), buffer = new_buffer(&g, 1), unmap;

	ask_map(&g, session, buffer, 7);
	fake_done(fake_find(s.fake, FAKE_MAP), 0, 0);
	unmap = ask_unmap(&g, session, 7);
	fake_done(fake_find(s.fake, FAKE_UNMAP), -EREMOTEIO, (int32_t)FASTRPC_ENOSUCHMAP);
	assert_failure(&g, unmap, EREMOTEIO);
	assert_int_equal(used(&g, QDA_RES_MAPS), 0);
	assert_int_not_equal(ask_map(&g, session, buffer, 7), 0);
}

static void unmap_refused_at_once_keeps_the_map(void **state)
{
	uint64_t session = open_session(&g), buffer = new_buffer(&g, 1);

	ask_map(&g, session, buffer, 7);
	fake_done(fake_find(s.fake, FAKE_MAP), 0, 0);
	fake_refuse(s.fake, FAKE_UNMAP, -EBUSY, 1);
	assert_int_equal(ask_unmap(&g, session, 7), 0);
	assert_int_equal(s.fail.code, EBUSY);
	assert_int_equal(used(&g, QDA_RES_MAPS), 1);
	assert_int_not_equal(ask_unmap(&g, session, 7), 0);
	fake_done(fake_find(s.fake, FAKE_UNMAP), 0, 0);
	assert_int_equal(used(&g, QDA_RES_MAPS), 0);
}

/* One map in each state when the session ends. */
static void make_three(uint64_t session, uint64_t buffer, uint64_t *making, uint64_t *unmaking)
{
	for (uint32_t key = 1; key <= 2; key++) {
		ask_map(&g, session, buffer, key);
		fake_done(fake_find(s.fake, FAKE_MAP), 0, 0);
	}
	*making = ask_map(&g, session, buffer, 3);
	*unmaking = ask_unmap(&g, session, 1);
	assert_int_equal(qda_buffer_free(g.client, buffer, &s.fail), 0);
	assert_int_equal(used(&g, QDA_RES_MAPS), 3);
}

static void close_takes_maps_of_every_state_along(void **state)
{
	uint64_t session = open_session(&g), making, unmaking, close;

	make_three(session, new_buffer(&g, 1), &making, &unmaking);
	close = ask_close(&g, session);
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	assert_failure(&g, making, ECANCELED);
	assert_failure(&g, unmaking, ECANCELED);
	assert_success(&g, close);
	assert_int_equal(answer(&g, close)->order, g.n_given);
	assert_int_equal(used(&g, QDA_RES_MAPS), 0);
	assert_int_equal(used(&g, QDA_RES_BUFFERS), 0);
	assert_int_equal(s.fake->n_buffers, 0);
	assert_int_equal(s.core->pending.n_used, 0);
}

static void loss_takes_maps_of_every_state_along(void **state)
{
	uint64_t session = open_session(&g), making, unmaking;

	make_three(session, new_buffer(&g, 1), &making, &unmaking);
	fake_die(device_session_of(&g, session), -ECONNRESET);
	assert_failure(&g, making, ECONNRESET);
	assert_failure(&g, unmaking, ECONNRESET);
	fake_lost(device_session_of(&g, session), 11, "lost");
	assert_int_equal(ask_unmap(&g, session, 2), 0);
	assert_int_equal(s.fail.code, ECONNRESET);
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	assert_int_equal(used(&g, QDA_RES_MAPS), 0);
	assert_int_equal(used(&g, QDA_RES_BUFFERS), 0);
	assert_int_equal(s.core->pending.n_used, 0);
	assert_success(&g, ask_close(&g, session));
}

static void client_goes_with_maps_of_every_state(void **state)
{
	uint64_t session = open_session(&g), making, unmaking;

	make_three(session, new_buffer(&g, 1), &making, &unmaking);
	guest_go(&g);
	fake_done(fake_find(s.fake, FAKE_UNMAP), 0, 0);
	fake_done(fake_find(s.fake, FAKE_MAP), 0, 0);
	assert_int_equal(s.core->total.used[QDA_RES_MAPS], 2);
	fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
	assert_int_equal(s.core->total.used[QDA_RES_MAPS], 0);
	assert_true(RB_EMPTY(&s.core->users));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sizes_are_rounded_up_to_pages_and_charged_so),
		TEST(sizes_out_of_range_are_refused),
		TEST(quota_counts_buffers_bytes_and_descriptors),
		TEST(memory_of_one_uid_is_shared_by_its_connections),
		TEST(device_that_has_no_memory_costs_nothing),
		TEST(import_of_all_wants_whole_pages),
		TEST(import_explains_what_the_device_refuses),
		TEST(buffer_handle_is_gone_at_free),
		TEST(range_must_lie_inside),
		TEST(freed_buffer_lives_until_its_last_call_ended),
		TEST(map_answers_with_the_address_and_holds_the_buffer),
		TEST(key_and_range_are_checked),
		TEST(refused_map_leaves_nothing),
		TEST(unmap_needs_a_map_that_is_made),
		TEST(map_that_the_dsp_does_not_give_up_stays),
		TEST(map_that_the_dsp_does_not_know_is_gone),
		TEST(unmap_refused_at_once_keeps_the_map),
		TEST(close_takes_maps_of_every_state_along),
		TEST(loss_takes_maps_of_every_state_along),
		TEST(client_goes_with_maps_of_every_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
