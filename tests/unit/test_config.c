/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration: every key, its limits, and what is said about what is wrong, word for word where
 * people will look for it.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "core/domain.h"

static struct qda_config config;
static char dir[64];

static int begin(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/qdad-config-XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(mkdir("qdad.conf.d", 0700), 0);
	assert_int_equal(qda_config_init(&config, false), 0);
	return 0;
}

static int end(void **state)
{
	char command[128];

	qda_config_deinit(&config);
	assert_int_equal(chdir("/"), 0);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void put(const char *path, const char *bytes, size_t n)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, n, file), n);
	assert_int_equal(fclose(file), 0);
}

static int read_text(const char *text)
{
	*config.error = '\0';
	put("qdad.conf", text, strlen(text));
	return qda_config_read(&config, "qdad.conf");
}

static void accept(const char *text)
{
	assert_int_equal(read_text(text), 0);
	assert_string_equal(config.error, "");
}

/* `where` begins the message; `says` is in it. */
static void refuse(const char *text, const char *where, const char *says)
{
	assert_int_equal(read_text(text), -EINVAL);
	if (strncmp(config.error, where, strlen(where)) || !strstr(config.error, says))
		fail_msg("%s: %s ... %s was expected", config.error, where, says);
}

static uint64_t memory(unsigned percent)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 100 * percent;
}

/* --- keys --- */

static void defaults_are_as_documented(void **state)
{
	assert_int_equal(config.hello_ms, 5000);
	assert_int_equal(config.drain_ms, 5000);
	assert_int_equal(config.rules->session_in_flight, 32);
	assert_int_equal(config.rules->client_in_flight, 64);
	assert_int_equal(config.rules->connection_limits[QDA_RES_PARKED], 16);
	assert_int_equal(config.rules->connection_limits[QDA_RES_SESSIONS], 8);
	assert_int_equal(config.rules->fallback.limits[QDA_RES_SESSIONS], 8);
	assert_int_equal(config.rules->total_limits[QDA_RES_SESSIONS], 256);
	assert_int_equal(config.rules->connection_limits[QDA_RES_BUFFER_BYTES], memory(25));
	assert_int_equal(config.rules->total_limits[QDA_RES_BUFFER_BYTES], memory(50));
	assert_null(config.socket);
	assert_int_equal(config.n_domains, 0);
	for (unsigned i = 0; i < QDA_RES_N; i++) {
		assert_true(config.rules->connection_limits[i] <= config.rules->fallback.limits[i]);
		assert_true(config.rules->fallback.limits[i] <= config.rules->total_limits[i]);
	}
	qda_config_deinit(&config);
	assert_int_equal(qda_config_init(&config, true), 0);
	assert_int_equal(config.rules->fallback.limits[QDA_RES_SESSIONS], 256);
	assert_int_equal(config.rules->connection_limits[QDA_RES_SESSIONS], 32);
	accept("[domain x]\ndevice=soft\n");
	assert_int_equal(config.domains[0].reserved_sessions, 0);
}

static void daemon_takes_its_keys(void **state)
{
	accept("[daemon]\nsocket = /run/x/y.sock\nhello_ms=1\ndrain_ms=0\n"
	       "session_in_flight=127\nclient_in_flight=255\n");
	assert_string_equal(config.socket, "/run/x/y.sock");
	assert_int_equal(config.hello_ms, 1);
	assert_int_equal(config.drain_ms, 0);
	assert_int_equal(config.rules->session_in_flight, 127);
	assert_int_equal(config.rules->client_in_flight, 255);
	accept("[daemon]\nsocket=/other\nhello_ms=3600000\nhello_ms=2\nsession_in_flight=1\n");
	assert_string_equal(config.socket, "/other");
	assert_int_equal(config.hello_ms, 2);
	assert_int_equal(config.rules->session_in_flight, 1);
}

static void numbers_out_of_range_name_the_range(void **state)
{
	refuse("[daemon]\nhello_ms=0\n", "qdad.conf:2: hello_ms=0: ", "must be 1 to 3600000");
	refuse("[daemon]\nhello_ms=3600001\n", "qdad.conf:2: hello_ms=3600001: ", "must be 1 to");
	refuse("[daemon]\ndrain_ms=3600001\n", "qdad.conf:2: drain_ms=", "must be 0 to 3600000");
	refuse("[daemon]\nsession_in_flight=0\n", "qdad.conf:2: ", "must be 1 to 127");
	refuse("[daemon]\nsession_in_flight=128\n", "qdad.conf:2: ", "must be 1 to 127");
	refuse("[daemon]\nclient_in_flight=256\n", "qdad.conf:2: ", "must be 1 to 255");
	refuse("[domain x]\nin_flight=0\n", "qdad.conf:2: in_flight=0: ", "must be 1 to 255");
	refuse("[domain x]\nin_flight=256\n", "qdad.conf:2: in_flight=256: ", "must be 1 to 255");
	refuse("[domain x]\nin_flight=4294967297\n", "qdad.conf:2: ", "must be 1 to 255");
	refuse("[domain x]\nreserved_sessions=256\n", "qdad.conf:2: ", "must be 0 to 255");
	assert_int_equal(config.hello_ms, 5000);
}

static void what_is_no_number_is_refused(void **state)
{
	static const char *const values[] = { "", "-1", "x", "1x", "1 K", "0x10", "1.5", "1KK", "K",
					      "101%", "% 1", "1e3", "18446744073709551616",
					      "17179869184G", "99999999999999999999999999" };

	for (unsigned i = 0; i < sizeof(values) / sizeof(*values); i++) {
		char text[128], where[128];

		snprintf(text, sizeof(text), "[total]\nbuffers=%s\n", values[i]);
		snprintf(where, sizeof(where), "qdad.conf:2: buffers=%s: ", values[i]);
		refuse(text, where, "a number is wanted");
		assert_int_equal(config.rules->total_limits[QDA_RES_BUFFERS], 8192);
	}
}

static void amounts_have_units(void **state)
{
	const struct { const char *text; uint64_t n; } rows[] = {
		{ "0", 0 }, { "7", 7 }, { "64K", 65536 }, { "256M", 256ull << 20 },
		{ "4G", 4ull << 30 }, { "25%", memory(25) }, { "0%", 0 }, { "100%", memory(100) },
		{ "18446744073709551615", UINT64_MAX },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char text[128];

		snprintf(text, sizeof(text), "[quota default]\nbuffer_bytes=%s\n", rows[i].text);
		accept(text);
		assert_int_equal(config.rules->fallback.limits[QDA_RES_BUFFER_BYTES], rows[i].n);
	}
}

static void each_scope_takes_each_resource(void **state)
{
	static const char *const sections[] = { "connection", "quota default", "total" };
	const uint64_t *const limits[] = { config.rules->connection_limits, config.rules->fallback.limits,
					   config.rules->total_limits };

	for (unsigned s = 0; s < 3; s++) {
		for (unsigned r = 0; r < QDA_RES_N; r++) {
			uint64_t n = 1000 + 100 * s + r;
			char text[128];

			snprintf(text, sizeof(text), "[%s]\n%s=%" PRIu64 "\n", sections[s],
				 qda_resource_name(r), n);
			accept(text);
			assert_int_equal(limits[s][r], n);
		}
	}
	for (unsigned s = 0; s < 3; s++)
		for (unsigned r = 0; r < QDA_RES_N; r++)
			assert_int_equal(limits[s][r], 1000 + 100 * s + r);
}

static void unknown_names_are_refused_with_those_there_are(void **state)
{
	refuse("[daemon]\nsokcet=/x\n", "qdad.conf:2: sokcet=/x: ", "socket, bus, hello_ms");
	refuse("[total]\nsession=1\n", "qdad.conf:2: session=1: ", "connections, sessions,");
	refuse("[domain x]\ncolour=1\n", "qdad.conf:2: ", "device, in_flight, hang_ms, reserved_sessions; of soft: socket");
	refuse("[quota]\nsessions=1\n", "qdad.conf:2: ", "no such section");
	refuse("[domainx]\nin_flight=1\n", "qdad.conf:2: ", "no such section");
	refuse("sessions=1\n", "qdad.conf:1: sessions=1: ", "no such section");
	refuse("[Daemon]\nhello_ms=1\n", "qdad.conf:2: ", "no such section");
}

static void a_domain_of_which_nothing_is_said_is_refused(void **state)
{
	refuse("[domain x]\n", "qdad.conf:1: ", "nothing in this section");
	refuse("\n[domain x]\n; device=soft\n[domain y]\ndevice=soft\n", "qdad.conf:2: ", "nothing");
	refuse("[domain x]\ndevice=soft\n[domain y]", "qdad.conf:3: ", "nothing in this section");
}

static void empty_strings_are_refused(void **state)
{
	refuse("[daemon]\nsocket=\n", "qdad.conf:2: socket=: ", "wanted");
	refuse("[domain x]\nsocket=\n", "qdad.conf:2: socket=: ", "wanted");
	refuse("[domain x]\nprogram= ; nothing\n", "qdad.conf:2: program=: ", "wanted");
	refuse("[domain x]\nmodules=\n", "qdad.conf:2: modules=: ", "wanted");
	refuse("[domain x]\nmodules=:::\n", "qdad.conf:2: modules=:::: ", "wanted");
}

/* --- domains --- */

static void domains_are_merged_by_name(void **state)
{
	accept("[domain cdsp]\nin_flight=4\nsocket=/s\n[domain adsp]\ndevice=soft\nprogram=/p\n"
	       "[domain cdsp]\nin_flight=255\nmodules=/a:/b/c\n");
	assert_int_equal(config.n_domains, 2);
	assert_string_equal(config.domains[0].name, "cdsp");
	assert_string_equal(config.domains[0].socket, "/s");
	assert_int_equal(config.domains[0].in_flight, 255);
	assert_string_equal(config.domains[0].modules[0], "/a");
	assert_string_equal(config.domains[0].modules[1], "/b/c");
	assert_null(config.domains[0].modules[2]);
	assert_string_equal(config.domains[1].name, "adsp");
	assert_string_equal(config.domains[1].program, "/p");
	assert_int_equal(config.domains[1].in_flight, 0);
	assert_int_equal(config.domains[1].reserved_sessions, QDA_RESERVED_USUAL);
	accept("[domain cdsp]\nmodules=/z\n");
	assert_int_equal(config.n_domains, 2);
	assert_string_equal(config.domains[0].modules[0], "/z");
	assert_null(config.domains[0].modules[1]);
}

static void domain_names_have_1_to_15_characters(void **state)
{
	refuse("[domain ]\nin_flight=1\n", "qdad.conf:2: ", "1 to 15 characters");
	refuse("[domain 1234567890123456]\nin_flight=1\n", "qdad.conf:2: ", "1 to 15 characters");
	refuse("[domain 12345678901234567890123456789012345678901234567890]\nin_flight=1\n",
	       "qdad.conf:2: ", "1 to 15 characters");
	refuse("[domain c dsp]\nin_flight=1\n", "qdad.conf:2: ", "1 to 15 characters");
	refuse("[domain ../x]\nin_flight=1\n", "qdad.conf:2: ", "1 to 15 characters");
	accept("[domain 123456789012345]\nin_flight=1\n[domain a-b_1]\nin_flight=1\n");
	assert_string_equal(config.domains[0].name, "123456789012345");
}

static void domains_are_at_most_8(void **state)
{
	for (unsigned i = 0; i < 9; i++) {
		char text[64];

		snprintf(text, sizeof(text), "[domain d%u]\nin_flight=1\n", i);
		if (i < 8)
			accept(text);
		else
			refuse(text, "qdad.conf:2: ", "more than 8 domains");
	}
	accept("[domain d7]\nin_flight=2\n");
	assert_int_equal(config.domains[7].in_flight, 2);
}

static void module_directories_are_at_most_16(void **state)
{
	accept("[domain x]\nmodules=/0:/1:/2:/3:/4:/5:/6:/7:/8:/9:/a:/b:/c:/d:/e:/f\n");
	assert_string_equal(config.domains[0].modules[15], "/f");
	assert_null(config.domains[0].modules[16]);
	refuse("[domain x]\nmodules=/0:/1:/2:/3:/4:/5:/6:/7:/8:/9:/a:/b:/c:/d:/e:/f:/10\n",
	       "qdad.conf:2: ", "16 directories");
}

static void device_is_soft_or_accel(void **state)
{
	accept("[domain x]\ndevice=soft\n[domain y]\ndevice=accel\nnode=/dev/accel/accel3\n"
	       "shell=/lib/firmware/shell\n");
	assert_false(config.domains[0].accel);
	assert_true(config.domains[1].accel);
	assert_string_equal(config.domains[1].node, "/dev/accel/accel3");
	assert_string_equal(config.domains[1].shell, "/lib/firmware/shell");
	assert_int_equal(qda_config_check(&config), 0);
	refuse("[domain x]\ndevice=accelerator\n", "qdad.conf:2: device=accelerator: ",
	       "soft or accel");
}

static void keys_of_the_other_device_are_refused(void **state)
{
	static const char *const of_accel[] = { "node", "shell" };
	static const char *const of_soft[] = { "socket", "program", "modules" };
	char text[128];

	for (unsigned i = 0; i < 5; i++) {
		const char *key = i < 2 ? of_accel[i] : of_soft[i - 2];

		qda_config_deinit(&config);
		assert_int_equal(qda_config_init(&config, false), 0);
		snprintf(text, sizeof(text), "[domain x]\n%s=/y\ndevice=%s\n", key,
			 i < 2 ? "soft" : "accel");
		accept(text);
		assert_int_equal(qda_config_check(&config), -EINVAL);
		snprintf(text, sizeof(text), "qdad.conf:2: [domain x]: %s goes with device=%s only",
			 key, i < 2 ? "accel" : "soft");
		assert_non_null(strstr(config.error, text));
	}
}

/* --- files --- */

static void comments_blanks_and_case(void **state)
{
	accept("\n# one\n; two\n\n[daemon] ; the daemon\n  # three\nhello_ms = 7 ; seven\n"
	       "socket = a#b\n\r\n");
	assert_int_equal(config.hello_ms, 7);
	assert_string_equal(config.socket, "a#b");
}

static void lines_that_are_nothing_are_refused_by_number(void **state)
{
	refuse("[daemon]\nhello_ms=7\nwhat is this\n", "qdad.conf:3: ", "neither [section]");
	refuse("[daemon\n", "qdad.conf:1: ", "neither [section]");
	refuse("\n\n\n[daemon]\n\nhello_ms=x\n", "qdad.conf:6: ", "a number is wanted");
	refuse("[daemon]\nhello_ms=x\ndrain_ms=y\n", "qdad.conf:2: hello_ms=x", "");
}

/* libinih takes an indented line for more of the value before it. */
static void indented_lines_are_refused(void **state)
{
	refuse("[daemon]\nsocket=/a\n  hello_ms=1\n", "qdad.conf:3: ", "begin");
	refuse("[daemon]\nsocket=/a\n\thello_ms=1\n", "qdad.conf:3: ", "begin");
	accept("[daemon]\nsocket=/a\n   \n\t# comment\n  ; comment\n");
}

static void long_lines_are_refused_not_cut(void **state)
{
	static const unsigned lengths[] = { 183, 184, 190, 191, 192, 193, 200, 391, 400, 8000 };
	char text[8192];

	snprintf(text, sizeof(text), "[daemon]\nsocket=%0182u\n", 0);
	accept(text);
	assert_int_equal(strlen(config.socket), 182);
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		snprintf(text, sizeof(text), "[daemon]\nsocket=%0*u\n", (int)lengths[i], 0);
		refuse(text, "qdad.conf:2: the line is longer than 190 bytes", "");
	}
	assert_int_equal(strlen(config.socket), 182);
}

static void last_line_needs_no_newline(void **state)
{
	accept("[daemon]\nhello_ms=9");
	assert_int_equal(config.hello_ms, 9);
	refuse("[daemon]\nhello_ms=0", "qdad.conf:2: ", "must be");
}

static void empty_file_changes_nothing(void **state)
{
	accept("");
	accept("\n\n\n");
	accept("\xef\xbb\xbf");
	assert_int_equal(config.hello_ms, 5000);
}

static void binary_file_is_refused(void **state)
{
	static const char with_nul[] = "[daemon]\nhello_ms=7\0 and more\ndrain_ms=3\n";
	char bytes[4096];

	put("qdad.conf", with_nul, sizeof(with_nul) - 1);
	assert_int_equal(qda_config_read(&config, "qdad.conf"), -EINVAL);
	assert_non_null(strstr(config.error, "qdad.conf:2: "));
	for (unsigned seed = 0; seed < 200; seed++) {
		for (unsigned i = 0; i < sizeof(bytes); i++)
			bytes[i] = (char)((seed * 7919 + i * 104729 + i * i * 31) >> 5);
		*config.error = '\0';
		put("qdad.conf", bytes, sizeof(bytes));
		assert_int_equal(qda_config_read(&config, "qdad.conf"), -EINVAL);
		assert_memory_equal(config.error, "qdad.conf:", 10);
	}
}

static void huge_file_is_read_to_its_end(void **state)
{
	FILE *file = fopen("qdad.conf", "w");

	fputs("[daemon]\n", file);
	for (unsigned i = 0; i < 200000; i++)
		fprintf(file, "hello_ms=%u\n", i % 1000 + 1);
	fputs("hello_ms=77\n", file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(qda_config_read(&config, "qdad.conf"), 0);
	assert_int_equal(config.hello_ms, 77);
}

static void what_cannot_be_read_is_said(void **state)
{
	assert_int_equal(qda_config_read(&config, "missing.conf"), -ENOENT);
	assert_string_equal(config.error, "missing.conf: No such file or directory");
	*config.error = '\0';
	assert_int_equal(qda_config_read(&config, "qdad.conf.d"), -EISDIR);
	assert_string_equal(config.error, "qdad.conf.d: Is a directory");
}

static void hard_values_leave_room_for_the_message(void **state)
{
	char path[600], text[256];

	memset(path, 'p', sizeof(path));
	path[599] = '\0';
	assert_int_equal(qda_config_read(&config, path), -ENAMETOOLONG);
	assert_string_equal(config.error + 400, ": File name too long");
	snprintf(text, sizeof(text), "[total]\nfds=%0150u%%%%%%s%%n\n", 0);
	assert_int_equal(read_text(text), -EINVAL);
	assert_non_null(strstr(config.error, "0%%%s%n: a number is wanted"));
}

/* --- drop-ins --- */

static void drop_ins_come_last_in_order_of_their_names(void **state)
{
	put("qdad.conf", "[daemon]\nhello_ms=1\ndrain_ms=1\n", 31);
	put("qdad.conf.d/20-b.conf", "[daemon]\nhello_ms=3\n", 20);
	put("qdad.conf.d/10-a.conf", "[daemon]\nhello_ms=2\nsocket=a\n", 29);
	put("qdad.conf.d/30-c.conf~", "[daemon]\nhello_ms=4\n", 20);
	put("qdad.conf.d/.40.conf", "[daemon]\nhello_ms=5\n", 20);
	put("qdad.conf.d/.conf", "[daemon]\nhello_ms=6\n", 20);
	put("qdad.conf.d/50.confx", "[daemon]\nhello_ms=7\n", 20);
	assert_int_equal(qda_config_read_default(&config, "qdad.conf"), 0);
	assert_int_equal(config.hello_ms, 3);
	assert_int_equal(config.drain_ms, 1);
	assert_string_equal(config.socket, "a");
}

static void drop_ins_need_no_main_file(void **state)
{
	put("qdad.conf.d/x.conf", "[daemon]\nhello_ms=3\n", 20);
	assert_int_equal(qda_config_read_default(&config, "qdad.conf"), 0);
	assert_int_equal(config.hello_ms, 3);
	assert_int_equal(qda_config_read_default(&config, "nothing/here.conf"), 0);
}

static void first_bad_drop_in_ends_it(void **state)
{
	put("qdad.conf.d/1.conf", "[daemon]\nhello_ms=0\n", 20);
	put("qdad.conf.d/2.conf", "[daemon]\ndrain_ms=3\n", 20);
	assert_int_equal(qda_config_read_default(&config, "qdad.conf"), -EINVAL);
	assert_memory_equal(config.error, "qdad.conf.d/1.conf:2: hello_ms=0", 32);
	assert_int_equal(config.drain_ms, 5000);
}

/* Limits that an administrator set are not to be overlooked. */
static void drop_ins_that_cannot_be_listed_are_an_error(void **state)
{
	assert_int_equal(rmdir("qdad.conf.d"), 0);
	put("qdad.conf.d", "", 0);
	assert_int_equal(qda_config_read_default(&config, "qdad.conf"), -ENOTDIR);
	assert_string_equal(config.error, "qdad.conf.d: Not a directory");
	assert_int_equal(unlink("qdad.conf.d"), 0);
	*config.error = '\0';
	assert_int_equal(qda_config_read_default(&config, "qdad.conf"), 0);
	assert_int_equal(symlink("qdad.conf", "qdad.conf"), 0);
	assert_int_equal(qda_config_read_default(&config, "qdad.conf"), -ELOOP);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(defaults_are_as_documented),
		TEST(daemon_takes_its_keys),
		TEST(numbers_out_of_range_name_the_range),
		TEST(what_is_no_number_is_refused),
		TEST(amounts_have_units),
		TEST(each_scope_takes_each_resource),
		TEST(unknown_names_are_refused_with_those_there_are),
		TEST(a_domain_of_which_nothing_is_said_is_refused),
		TEST(empty_strings_are_refused),
		TEST(domains_are_merged_by_name),
		TEST(domain_names_have_1_to_15_characters),
		TEST(domains_are_at_most_8),
		TEST(module_directories_are_at_most_16),
		TEST(device_is_soft_or_accel),
		TEST(keys_of_the_other_device_are_refused),
		TEST(comments_blanks_and_case),
		TEST(lines_that_are_nothing_are_refused_by_number),
		TEST(indented_lines_are_refused),
		TEST(long_lines_are_refused_not_cut),
		TEST(last_line_needs_no_newline),
		TEST(empty_file_changes_nothing),
		TEST(binary_file_is_refused),
		TEST(huge_file_is_read_to_its_end),
		TEST(what_cannot_be_read_is_said),
		TEST(hard_values_leave_room_for_the_message),
		TEST(drop_ins_come_last_in_order_of_their_names),
		TEST(drop_ins_need_no_main_file),
		TEST(first_bad_drop_in_ends_it),
		TEST(drop_ins_that_cannot_be_listed_are_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
