/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The core when memory runs out: one script, run as often as it allocates, and each time another
 * allocation fails (alone, or with all that follow). Whatever is refused says ENOMEM, whatever was
 * accepted is answered, and nothing is left at the end. Linked with malloc, calloc and realloc
 * wrapped.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core_scene.h"

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t n);
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t n);

static struct {
	bool armed;
	bool all_that_follow;
	unsigned until;		/* allocations that still succeed */
	unsigned n_failed;
} memory;

static bool fails(void)
{
	if (!memory.armed)
		return false;
	if (memory.until) {
		memory.until--;
		return false;
	}
	if (memory.n_failed && !memory.all_that_follow)
		return false;
	memory.n_failed++;
	return true;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t n)
{
	return fails() ? NULL : __real_realloc(old, n);
}

static struct scene s;
static struct guest g;

static bool come(void)
{
	static const struct qda_client_ops ops;
	struct qda_principal principal = { .uid = 1000 };
	int r;

	g = (struct guest){ .scene = &s };
	r = qda_client_new(s.core, &principal, &ops, &g, 1, &g.client, &s.fail);
	assert_true(r == 0 || r == -ENOMEM);
	return r == 0;
}

/* 0: it was refused or failed, for want of memory and nothing else. */
static uint64_t outcome(uint64_t serial)
{
	if (!serial) {
		assert_int_equal(s.fail.code, ENOMEM);
		return 0;
	}
	if (answer(&g, serial)->code)
		assert_int_equal(answer(&g, serial)->code, ENOMEM);
	return answer(&g, serial)->code ? 0 : serial;
}

static uint64_t finish(uint64_t serial, enum fake_kind kind)
{
	struct fake_op *op = fake_find(s.fake, kind);

	if (op)
		fake_done(op, 0, 0);
	return outcome(serial);
}

static uint64_t play_session(void)
{
	uint64_t serial = finish(ask_open(&g), FAKE_OPEN);

	return serial ? answer(&g, serial)->id : 0;
}

static uint64_t play_module(uint64_t session)
{
	uint64_t serial = ask_module(&g, session, "file:///a");
	struct fake_op *op = fake_find(s.fake, FAKE_CALL);

	if (op)
		finish_module(op, 0x80000010, 0, NULL);
	serial = outcome(serial);
	return serial ? answer(&g, serial)->id : 0;
}

static void play_map(uint64_t session)
{
	struct qda_buffer *buffer;
	int fd, r = qda_buffer_alloc(g.client, "", PAGE, &buffer, &fd, &s.fail);

	assert_true(r == 0 || r == -ENOMEM);
	if (r == 0 && finish(ask_map(&g, session, buffer->id, 1), FAKE_MAP))
		finish(ask_unmap(&g, session, 1), FAKE_UNMAP);
}

static uint64_t ask_outs(uint64_t module)
{
	static struct qda_call_arg args[QDA_CALL_FEW_ARGS + 2];
	struct qda_call_request request = {
		.module = module,
		.sc = fastrpc_sc(0, 1, QDA_CALL_FEW_ARGS, 0, 0, 2),
		.n_args = QDA_CALL_FEW_ARGS + 2,
		.args = args,
	};

	args[QDA_CALL_FEW_ARGS].kind = args[QDA_CALL_FEW_ARGS + 1].kind = QDA_CALL_MODULE;
	return ask_invoke(&g, &request);
}

/* One that runs, one whose bytes are held, and one that leaves handles. */
static void play_calls(uint64_t module)
{
	struct qda_device_done done = { .out_handles = { 0x80000011, 0x80000012 } };
	uint64_t first = ask_copy(&g, module, QDA_STAGING_BYTES / 2);
	uint64_t second = ask_copy(&g, module, 100), third;

	finish(first, FAKE_CALL);
	finish(second, FAKE_CALL);
	third = ask_outs(module);
	if (third && !answered(&g, third))
		fake_complete(fake_find(s.fake, FAKE_CALL), &done);
	outcome(third);
	while (fake_find(s.fake, FAKE_CALL))
		fake_done(fake_find(s.fake, FAKE_CALL), 0, 0);
}

static void play(void)
{
	uint64_t session = play_session(), module = session ? play_module(session) : 0;

	if (session)
		play_map(session);
	if (module) {
		play_calls(module);
		finish(ask_module_close(&g, module), FAKE_CALL);
	}
	if (session)
		assert_int_not_equal(finish(ask_close(&g, session), FAKE_CLOSE), 0);
	else if (fake_find(s.fake, FAKE_CLOSE)) /* it opened, but found no handle */
		fake_done(fake_find(s.fake, FAKE_CLOSE), 0, 0);
}

/* How many allocations failed. */
static unsigned run(unsigned until, bool all_that_follow)
{
	scene_begin(&s);
	memory.all_that_follow = all_that_follow;
	memory.until = until;
	memory.n_failed = 0;
	memory.armed = true;
	if (come()) {
		play();
		assert_int_equal(used(&g, QDA_RES_SESSIONS), 0);
		assert_int_equal(used(&g, QDA_RES_CALLS), 0);
		assert_int_equal(used(&g, QDA_RES_MAPS), 0);
		guest_free(&g);
	}
	scene_end(&s);
	memory.armed = false;
	return memory.n_failed;
}

static void one_allocation_fails(void **state)
{
	unsigned n = 0;

	while (run(n, false))
		n++;
	assert_true(n >= 10);
}

static void all_allocations_fail_from_one_on(void **state)
{
	unsigned n = 0;

	while (run(n, true))
		n++;
	assert_true(n >= 10);
}

static void core_itself_finds_no_memory(void **state)
{
	struct qda_core_config config = { .daemon_uid = 1 };
	struct qda_rules *rules = qda_rules_new();
	struct qda_core *core = NULL;

	assert_non_null(rules);
	for (unsigned n = 0; n < 2; n++) {
		memory.all_that_follow = false;
		memory.until = n;
		memory.n_failed = 0;
		memory.armed = true;
		assert_int_equal(qda_core_new(&config, rules, &core), -ENOMEM);
		memory.armed = false;
	}
	qda_rules_free(rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_allocation_fails),
		cmocka_unit_test(all_allocations_fail_from_one_on),
		cmocka_unit_test(core_itself_finds_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
