// SPDX-License-Identifier: BSD-3-Clause
/*
 * The program at the end of qda_accel.h, as it stands there: what a person would type who has only
 * that header. The software DSP serves it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "driver/softdsp/wire.h"
#include "firmware.h"

#define MODULE " 'file:///libqda_sum_skel.so?qda_sum_skel_handle_invoke&_modver=1.0'"

static void write_shell(const char *text)
{
	FILE *shell = fopen("/tmp/shell", "w");

	assert_non_null(shell);
	fputs(text, shell);
	fclose(shell);
}

/* The first line it prints on either output; its exit status. */
static int run(const char *arguments, char *line, int n)
{
	char command[256], more[256];
	FILE *out;

	snprintf(command, sizeof(command), "qda_example /dev/accel/accel0 /tmp/shell %s 2>&1",
		 arguments);
	out = popen(command, "r");
	assert_non_null(out);
	if (!fgets(line, n, out))
		line[0] = 0;
	while (fgets(more, sizeof(more), out))
		;
	return WEXITSTATUS(pclose(out));
}

static void the_example_of_the_header_runs(void **state)
{
	struct firmware firmware;
	char line[256];

	write_shell(SOFTDSP_SHELL_MAGIC);
	firmware_start(&firmware);
	assert_int_equal(run(MODULE " 1 -2 300 2147483647", line, sizeof(line)), 0);
	assert_string_equal(line, "cdsp says 2147483946\n");
	assert_int_equal(run("'file:///libnone_skel.so?none&_modver=1.0' 1", line, sizeof(line)), 1);
	if (!strstr(line, "libnone_skel.so?none&_modver=1.0: 0x80000406"))
		fail_msg("%s", line);
	write_shell("something else\n");
	assert_int_equal(run(MODULE " 1", line, sizeof(line)), 1);
	assert_string_equal(line, "INIT_CREATE: the DSP returned 0x80000406\n");
	firmware_stop(&firmware);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_the_header_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
