/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connection that cannot be made: nothing of it is left, and its principal is still the caller's.
 */
#include "core_scene.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "front/conn.h"
#include "front/disposer.h"

/* /dev/null stands for a socket that the kernel has no memory to watch. */
static void test_what_cannot_be_watched(void **state)
{
	static struct qda_front front;
	struct qda_principal who = { .uid = 1, .n_groups = 1 };
	struct qda_fail fail;
	struct scene s;
	uv_loop_t loop;

	scene_begin(&s);
	uv_loop_init(&loop);
	assert_int_equal(qda_disposer_new(&loop, &front.disposer), 0);
	front.core = s.core;
	front.loop = &loop;
	TAILQ_INIT(&front.conns);
	who.groups = calloc(1, sizeof(*who.groups));
	assert_non_null(who.groups);
	assert_true(qda_conn_new(&front, open("/dev/null", O_RDWR | O_CLOEXEC), &who, -1, &fail) <
		    0);
	assert_int_equal(who.groups[0], 0);
	free(who.groups);
	assert_int_equal(s.core->n_clients, 0);
	qda_disposer_stop(front.disposer);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	qda_disposer_free(front.disposer);
	scene_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_cannot_be_watched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
