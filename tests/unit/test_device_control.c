// SPDX-License-Identifier: BSD-3-Clause
/*
 * The soft device's link to its DSP, against a DSP that follows a script: it is absent, speaks
 * nonsense, refuses, never answers, or goes away in the middle.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "scripted_dsp.h"

#define PAGE 4096u

struct fixture {
	struct rig rig;
	struct dsp dsp;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	dsp_up(&f->dsp, &f->rig);
	*state = f;
	return 0;
}

static int setup_alone(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	dsp_start(&f->dsp, &f->rig);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	dsp_stop(&f->dsp);
	free(f);
	return 0;
}

static const struct qda_device_call null_call = { .handle = 0x80000001u, .sc = 2u << 24 };

/* --- coming up --- */

static void an_absent_dsp_is_named_and_waited_for(void **state)
{
	struct fixture *f = *state;
	char why[256];

	rig_wait_states(&f->rig, 1);
	snprintf(why, sizeof(why), "no software DSP at %s (No such file or directory): "
		 "start qda-softdsp.service", f->dsp.path);
	assert_int_equal(f->rig.state, QDA_DEVICE_DOWN);
	assert_string_equal(f->rig.why, why);
	dsp_listen(&f->dsp);
	dsp_accept(&f->dsp);
	/* Said once, however often it was tried. */
	assert_int_equal(f->rig.n_states, 2);
	assert_int_equal(f->rig.state, QDA_DEVICE_STARTING);
	dsp_hello(&f->dsp, 7, true);
	rig_wait_state(&f->rig, QDA_DEVICE_UP);
}

/* As a software DSP that serves one host, and has no room for more to wait. */
static void a_dsp_of_another_host_is_said_to_be(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	const int host = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	rig_wait_states(&f->rig, 1);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.100s.new", f->dsp.path);
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(connect(host, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(rename(addr.sun_path, f->dsp.path), 0);
	rig_wait_states(&f->rig, 2);
	assert_int_equal(f->rig.state, QDA_DEVICE_DOWN);
	assert_non_null(strstr(f->rig.why, "it serves another host"));
	assert_int_equal(unlink(f->dsp.path), 0);
	close(host);
	close(listener);
}

static void info_is_the_hello(void **state)
{
	struct fixture *f = *state;
	struct qda_device_info info;

	f->rig.ops->info(f->rig.device, &info);
	assert_string_equal(info.name, "cdsp");
	assert_int_equal(info.sessions_max, DSP_BANKS);
	assert_int_equal(info.arch, 0x73);
	assert_false(info.client_dirs);
	assert_string_equal(f->rig.why, "PDs are not confined: system calls are not filtered "
					"(no seccomp)");
}

/* One bad greeting, and the words for it. */
static void greet(struct fixture *f, const struct softdsp_record *record, size_t size,
		  const char *why)
{
	dsp_listen(&f->dsp);
	dsp_accept(&f->dsp);
	dsp_send(f->dsp.control, record, size, NULL, 0);
	rig_wait_state(&f->rig, QDA_DEVICE_DOWN);
	assert_string_equal(f->rig.why, why);
}

#define GOOD_HELLO { .version = SOFTDSP_VERSION, .banks = 1, .name = "cdsp" }

static void another_version_is_refused(void **state)
{
	struct softdsp_record record = { .kind = SOFTDSP_HELLO, .hello = GOOD_HELLO };

	record.hello.version = 2;
	greet(*state, &record, SOFTDSP_SIZE(hello),
	      "the software DSP speaks version 2, this daemon 1");
}

static void no_banks_are_refused(void **state)
{
	struct softdsp_record record = { .kind = SOFTDSP_HELLO, .hello = GOOD_HELLO };

	record.hello.banks = 0;
	greet(*state, &record, SOFTDSP_SIZE(hello),
	      "the software DSP has 0 context banks: 1 to 255 are possible");
}

static void too_many_banks_are_refused(void **state)
{
	struct softdsp_record record = { .kind = SOFTDSP_HELLO, .hello = GOOD_HELLO };

	record.hello.banks = UINT32_MAX;
	greet(*state, &record, SOFTDSP_SIZE(hello),
	      "the software DSP has 4294967295 context banks: 1 to 255 are possible");
}

static void another_domain_is_refused(void **state)
{
	struct softdsp_record record = { .kind = SOFTDSP_HELLO, .hello = GOOD_HELLO };

	memcpy(record.hello.name, "cdspxxxxxxxxxxxx", 16);
	greet(*state, &record, SOFTDSP_SIZE(hello),
	      "the software DSP is called 'cdspxxxxxxxxxxxx', not 'cdsp'");
}

static void a_short_hello_is_refused(void **state)
{
	const struct softdsp_record record = { .kind = SOFTDSP_HELLO, .hello = GOOD_HELLO };

	greet(*state, &record, SOFTDSP_SIZE(hello) - 1,
	      "the software DSP did not begin with a HELLO");
}

static void another_record_before_hello_is_refused(void **state)
{
	const struct softdsp_record record = { .kind = SOFTDSP_RESPONSE };

	greet(*state, &record, SOFTDSP_SIZE(rsp), "the software DSP did not begin with a HELLO");
}

static void after_a_refusal_it_is_tried_again(void **state)
{
	struct fixture *f = *state;

	const struct softdsp_record record = { .kind = SOFTDSP_RESPONSE };

	another_record_before_hello_is_refused(state);
	dsp_hang_up(&f->dsp);
	dsp_accept(&f->dsp);
	/* The same fault again is told again: it was on its way up in between. */
	assert_int_equal(f->rig.state, QDA_DEVICE_STARTING);
	dsp_send(f->dsp.control, &record, SOFTDSP_SIZE(rsp), NULL, 0);
	rig_wait_state(&f->rig, QDA_DEVICE_DOWN);
	dsp_hang_up(&f->dsp);
	dsp_accept(&f->dsp);
	dsp_hello(&f->dsp, 255, false);
	rig_wait_state(&f->rig, QDA_DEVICE_UP);
}

static void nothing_opens_before_hello(void **state)
{
	struct fixture *f = *state;
	const struct qda_device_open open = { .session_cookie = 1 };
	struct qda_device_session *session;

	assert_int_equal(rig_open(&f->rig, &open, 2, &session), -ENOTCONN);
	dsp_listen(&f->dsp);
	dsp_accept(&f->dsp);
	assert_int_equal(rig_open(&f->rig, &open, 2, &session), -ENOTCONN);
}

/* --- open --- */

static void a_refused_open_gives_its_code_and_its_bank_back(void **state)
{
	struct fixture *f = *state;
	struct qda_device_done done;
	struct dsp_pd pd;

	for (unsigned i = 0; i < 2 * DSP_BANKS; i++) {
		dsp_begin_pd(&f->dsp, &pd, 1, 2);
		assert_int_equal(pd.bank, i % DSP_BANKS + 1);
		dsp_respond(f->dsp.control, pd.create_ctx, (int32_t)FASTRPC_ENOMEMORY);
		done = rig_wait(&f->rig, 2);
		assert_int_equal(done.err, -EREMOTEIO);
		assert_int_equal(done.result, (int32_t)FASTRPC_ENOMEMORY);
		dsp_expect(&f->dsp, f->dsp.control, SOFTDSP_UNMAP, SOFTDSP_SIZE(map));
		close(pd.theirs);
		dsp_drop_pd(&pd);
	}
}

/* CREATE was granted, but its channel is missing or none: the PD is released again. */
static void expect_no_channel(struct fixture *f, struct dsp_pd *pd)
{
	char name[FASTRPC_CTL_NAME];
	struct fastrpc_place rsp;
	struct fastrpc_ctl ctl;
	struct dsp_got got;

	dsp_respond(f->dsp.control, pd->create_ctx, 0);
	got = dsp_expect_ctl(&f->dsp, pd, FASTRPC_PROCESS_RELEASE, &ctl, name, &rsp);
	assert_false(rig_has(&f->rig, 2));
	dsp_respond(f->dsp.control, got.msg.ctx, 0);
	assert_int_equal(rig_wait(&f->rig, 2).err, -EMFILE);
	dsp_expect(&f->dsp, f->dsp.control, SOFTDSP_UNMAP, SOFTDSP_SIZE(map));
	close(pd->theirs);
	dsp_drop_pd(pd);
}

static void an_open_without_a_channel_fails(void **state)
{
	struct fixture *f = *state;
	struct dsp_pd pd;

	dsp_begin_pd(&f->dsp, &pd, 1, 2);
	expect_no_channel(f, &pd);
}

static void channels_that_are_none_are_closed(void **state)
{
	struct fixture *f = *state;
	struct softdsp_record record = { .kind = SOFTDSP_PD };
	int stream[2], file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct dsp_pd pd;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream), 0);
	dsp_begin_pd(&f->dsp, &pd, 1, 2);
	record.client = pd.client;
	record.bank = pd.bank;
	dsp_send(f->dsp.control, &record, SOFTDSP_HEAD, &file, 1);
	dsp_send(f->dsp.control, &record, SOFTDSP_HEAD, &stream[0], 1);
	dsp_send(f->dsp.control, &record, SOFTDSP_HEAD, stream, 2);
	dsp_send(f->dsp.control, &record, SOFTDSP_HEAD, NULL, 0);
	record.client++;
	dsp_send(f->dsp.control, &record, SOFTDSP_HEAD, &pd.theirs, 1);
	expect_no_channel(f, &pd);
	close(stream[0]);
	close(stream[1]);
	close(file);
}

static void a_second_channel_is_closed(void **state)
{
	struct fixture *f = *state;
	struct softdsp_record record = { .kind = SOFTDSP_PD };
	struct dsp_pd pd;
	struct dsp_got got;

	dsp_begin_pd(&f->dsp, &pd, 1, 2);
	record.client = pd.client;
	dsp_grant_pd(&f->dsp, &pd, 0);
	dsp_send(f->dsp.control, &record, SOFTDSP_HEAD, &pd.control_memory, 1);
	assert_int_equal(rig_wait(&f->rig, 2).err, 0);
	dsp_send(f->dsp.control, &record, SOFTDSP_HEAD, &pd.control_memory, 1);
	got = dsp_expect(&f->dsp, pd.channel, SOFTDSP_MAP, SOFTDSP_SIZE(map));
	pd.messages = got.fd;
	dsp_end_pd(&f->dsp, &pd);
}

static void descriptors_with_other_records_are_closed(void **state)
{
	struct fixture *f = *state;
	struct softdsp_record record = { .kind = SOFTDSP_RESPONSE };
	struct fastrpc_rsp rsp = { .retval = 1 };
	struct dsp_pd pd;
	int fds[100];

	dsp_begin_pd(&f->dsp, &pd, 1, 2);
	for (unsigned i = 0; i < 100; i++)
		fds[i] = pd.control_memory;
	rsp.ctx = fastrpc_ctx(12345, 9, FASTRPC_PD_USER);
	memcpy(record.rsp, &rsp, sizeof(rsp));
	for (unsigned n = 1; n <= 100; n += 33)
		dsp_send(f->dsp.control, &record, SOFTDSP_SIZE(rsp), fds, n);
	dsp_grant_pd(&f->dsp, &pd, 0);
	assert_int_equal(rig_wait(&f->rig, 2).err, 0);
	pd.messages = dsp_expect(&f->dsp, pd.channel, SOFTDSP_MAP, SOFTDSP_SIZE(map)).fd;
	dsp_end_pd(&f->dsp, &pd);
}

static void a_close_during_create_waits_for_its_answer(void **state)
{
	struct fixture *f = *state;
	char name[FASTRPC_CTL_NAME];
	struct fastrpc_place rsp;
	struct fastrpc_ctl ctl;
	struct dsp_got got;
	struct dsp_pd pd;

	dsp_begin_pd(&f->dsp, &pd, 1, 2);
	rig_close(&f->rig, pd.session, 3);
	assert_int_equal(rig_wait(&f->rig, 2).err, -ECANCELED);
	dsp_expect_nothing(&f->dsp, f->dsp.control);
	dsp_grant_pd(&f->dsp, &pd, 0);
	got = dsp_expect_ctl(&f->dsp, &pd, FASTRPC_PROCESS_RELEASE, &ctl, name, &rsp);
	assert_false(rig_has(&f->rig, 3));
	dsp_respond(f->dsp.control, got.msg.ctx, 0);
	assert_int_equal(rig_wait(&f->rig, 3).err, 0);
	dsp_expect(&f->dsp, f->dsp.control, SOFTDSP_UNMAP, SOFTDSP_SIZE(map));
	dsp_drop_pd(&pd);
}

static void an_exit_before_the_answer_to_create_is_kept(void **state)
{
	struct fixture *f = *state;
	struct dsp_pd pd;

	dsp_begin_pd(&f->dsp, &pd, 1, 2);
	close(pd.channel);
	pd.channel = -1;
	dsp_exit(&f->dsp, &pd, 11, "SIGSEGV at once");
	dsp_grant_pd(&f->dsp, &pd, 0);
	assert_int_equal(rig_wait(&f->rig, 2).err, 0);
	assert_string_equal(rig_wait_lost(&f->rig, 1)->text, "SIGSEGV at once");
	dsp_end_pd(&f->dsp, &pd);
}

static void opens_without_an_id_wait_for_one(void **state)
{
	struct fixture *f = *state;
	const struct qda_device_open open = { .session_cookie = 1 };
	struct qda_device_session *sessions[20];
	uint64_t ctx[20];

	dsp_listen(&f->dsp);
	dsp_accept(&f->dsp);
	dsp_hello(&f->dsp, 20, false);
	rig_wait_state(&f->rig, QDA_DEVICE_UP);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(rig_open(&f->rig, &open, 100 + i, &sessions[i]), 0);
		close(dsp_expect(&f->dsp, f->dsp.control, SOFTDSP_MAP, SOFTDSP_SIZE(map)).fd);
		if (i < 16)
			ctx[i] = dsp_expect(&f->dsp, f->dsp.control, SOFTDSP_CALL,
					    SOFTDSP_SIZE(call)).msg.ctx;
	}
	dsp_expect_nothing(&f->dsp, f->dsp.control);
	for (unsigned i = 0; i < 20; i++) {
		dsp_respond(f->dsp.control, ctx[i], 1);
		assert_int_equal(rig_wait(&f->rig, 100 + i).err, -EREMOTEIO);
		dsp_expect(&f->dsp, f->dsp.control, SOFTDSP_UNMAP, SOFTDSP_SIZE(map));
		if (i < 4)
			ctx[16 + i] = dsp_expect(&f->dsp, f->dsp.control, SOFTDSP_CALL,
						 SOFTDSP_SIZE(call)).msg.ctx;
	}
}

static void directories_go_before_create(void **state)
{
	struct fixture *f = *state;
	const int dirs[1] = { open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) };
	const struct qda_device_open open = { .session_cookie = 1, .dir_fds = dirs, .n_dirs = 1 };
	struct qda_device_session *session;
	struct dsp_got map, got;

	dsp_listen(&f->dsp);
	dsp_accept(&f->dsp);
	dsp_hello(&f->dsp, 1, true);
	rig_wait_state(&f->rig, QDA_DEVICE_UP);
	assert_int_equal(rig_open(&f->rig, &open, 2, &session), 0);
	close(dirs[0]);
	map = dsp_expect(&f->dsp, f->dsp.control, SOFTDSP_MAP, SOFTDSP_SIZE(map));
	got = dsp_expect(&f->dsp, f->dsp.control, SOFTDSP_DIRS, SOFTDSP_HEAD);
	assert_int_equal(got.record.bank, 1);
	assert_true(fcntl(got.fd, F_GETFL) & O_DIRECTORY);
	close(got.fd);
	close(map.fd);
	got = dsp_expect(&f->dsp, f->dsp.control, SOFTDSP_CALL, SOFTDSP_SIZE(call));
	dsp_respond(f->dsp.control, got.msg.ctx, 1);
	assert_int_equal(rig_wait(&f->rig, 2).err, -EREMOTEIO);
}

/* --- release --- */

static void a_release_without_answer_keeps_its_bank_only(void **state)
{
	struct fixture *f = *state;
	const struct qda_device_open open = { .session_cookie = 9 };
	struct qda_device_session *none;
	struct dsp_pd pds[DSP_BANKS];
	char name[FASTRPC_CTL_NAME];
	struct fastrpc_place rsp;
	struct fastrpc_ctl ctl;

	for (unsigned i = 0; i < DSP_BANKS; i++)
		dsp_pd(&f->dsp, &pds[i], 1 + i);
	assert_int_equal(rig_submit(&f->rig, pds[0].session, &null_call, 20), 0);
	rig_close(&f->rig, pds[0].session, 21);
	dsp_expect_ctl(&f->dsp, &pds[0], FASTRPC_PROCESS_RELEASE, &ctl, name, &rsp);
	assert_int_equal(rig_wait(&f->rig, 20).err, -ECANCELED);
	assert_int_equal(rig_open(&f->rig, &open, 22, &none), -EUSERS);
	for (unsigned i = 0; i < 2 * DSP_BANKS; i++) {
		uint32_t bank = pds[1].bank;

		dsp_end_pd(&f->dsp, &pds[1]);
		dsp_pd(&f->dsp, &pds[1], 2);
		assert_int_equal(pds[1].bank, bank);
	}
	assert_false(rig_has(&f->rig, 21));
	dsp_end_pd(&f->dsp, &pds[1]);
	dsp_end_pd(&f->dsp, &pds[2]);
	/* The restart of the DSP ends the waiting. */
	dsp_hang_up(&f->dsp);
	assert_int_equal(rig_wait(&f->rig, 21).err, 0);
	dsp_drop_pd(&pds[0]);
}

static void a_refused_release_keeps_its_bank(void **state)
{
	struct fixture *f = *state;
	char name[FASTRPC_CTL_NAME];
	struct fastrpc_place rsp;
	struct fastrpc_ctl ctl;
	struct dsp_got got;
	struct dsp_pd pd;
	uint32_t banks = 0;

	dsp_pd(&f->dsp, &pd, 1);
	rig_close(&f->rig, pd.session, 2);
	got = dsp_expect_ctl(&f->dsp, &pd, FASTRPC_PROCESS_RELEASE, &ctl, name, &rsp);
	dsp_respond(f->dsp.control, got.msg.ctx, (int32_t)FASTRPC_EFAILED);
	assert_int_equal(rig_wait(&f->rig, 2).err, 0);
	dsp_expect_nothing(&f->dsp, f->dsp.control);
	dsp_drop_pd(&pd);
	for (unsigned i = 0; i < 2 * DSP_BANKS; i++) {
		struct dsp_pd other;

		dsp_pd(&f->dsp, &other, 1);
		banks |= 1u << other.bank;
		dsp_end_pd(&f->dsp, &other);
	}
	assert_int_equal(banks, 1u << 2 | 1u << 3);
}

static void a_release_of_a_pd_that_is_gone_frees_its_bank(void **state)
{
	struct fixture *f = *state;
	char name[FASTRPC_CTL_NAME];
	struct fastrpc_place rsp;
	struct fastrpc_ctl ctl;
	struct dsp_got got;
	struct dsp_pd pd;

	for (unsigned i = 0; i < 2 * DSP_BANKS; i++) {
		dsp_pd(&f->dsp, &pd, 1);
		assert_int_equal(pd.bank, i % DSP_BANKS + 1);
		rig_close(&f->rig, pd.session, 2);
		got = dsp_expect_ctl(&f->dsp, &pd, FASTRPC_PROCESS_RELEASE, &ctl, name, &rsp);
		dsp_respond(f->dsp.control, got.msg.ctx, (int32_t)FASTRPC_EBADSTATE);
		assert_int_equal(rig_wait(&f->rig, 2).err, 0);
		dsp_expect(&f->dsp, f->dsp.control, SOFTDSP_UNMAP, SOFTDSP_SIZE(map));
		dsp_drop_pd(&pd);
	}
}

static void a_late_answer_to_a_map_is_dropped(void **state)
{
	struct fixture *f = *state;
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(&f->rig, PAGE, &view);
	char name[FASTRPC_CTL_NAME];
	struct fastrpc_place rsp;
	struct fastrpc_ctl ctl;
	struct dsp_got map, release;
	struct dsp_pd pd;

	dsp_pd(&f->dsp, &pd, 1);
	for (uint32_t key = 0; key < 3; key++)
		assert_int_equal(rig_map(&f->rig, pd.session, buffer, key, 0, PAGE, 10 + key), 0);
	close(dsp_expect(&f->dsp, pd.channel, SOFTDSP_MAP, SOFTDSP_SIZE(map)).fd);
	map = dsp_expect_ctl(&f->dsp, &pd, FASTRPC_PROCESS_MEM_MAP, &ctl, name, &rsp);
	assert_int_equal(ctl.key, 0);
	assert_int_equal(ctl.mem_len, PAGE);
	rig_close(&f->rig, pd.session, 2);
	release = dsp_expect_ctl(&f->dsp, &pd, FASTRPC_PROCESS_RELEASE, &ctl, name, &rsp);
	/* The DSP may still read the one while it gets the other. */
	assert_true(release.msg.addr != map.msg.addr);
	for (uint32_t key = 0; key < 3; key++)
		assert_int_equal(rig_wait(&f->rig, 10 + key).err, -ECANCELED);
	dsp_respond(f->dsp.control, map.msg.ctx, 0);
	dsp_respond(f->dsp.control, release.msg.ctx, 0);
	assert_int_equal(rig_wait(&f->rig, 2).err, 0);
	dsp_expect(&f->dsp, f->dsp.control, SOFTDSP_UNMAP, SOFTDSP_SIZE(map));
	f->rig.ops->buffer_release(buffer);
	dsp_drop_pd(&pd);
}

static void a_map_answers_with_the_dsp_s_address(void **state)
{
	struct fixture *f = *state;
	const uint64_t answer = 0x1234567890abcdefull;
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(&f->rig, 4 * PAGE, &view);
	char name[FASTRPC_CTL_NAME];
	struct qda_device_done done;
	struct fastrpc_place rsp;
	struct fastrpc_ctl ctl;
	struct dsp_got got, map;
	struct dsp_pd pd;

	dsp_pd(&f->dsp, &pd, 1);
	assert_int_equal(rig_map(&f->rig, pd.session, buffer, 77, PAGE, 2 * PAGE, 10), 0);
	map = dsp_expect(&f->dsp, pd.channel, SOFTDSP_MAP, SOFTDSP_SIZE(map));
	got = dsp_expect_ctl(&f->dsp, &pd, FASTRPC_PROCESS_MEM_MAP, &ctl, name, &rsp);
	assert_int_equal(ctl.key, 77);
	assert_int_equal(ctl.offset, 0);
	assert_true(ctl.mem_addr == ((uint64_t)pd.bank << 32 | (map.record.map.addr + PAGE)));
	assert_int_equal(ctl.mem_len, 2 * PAGE);
	assert_int_equal(pwrite(pd.control_memory, &answer, sizeof(answer), rsp.offset),
			 sizeof(answer));
	dsp_respond(f->dsp.control, got.msg.ctx, 0);
	done = rig_wait(&f->rig, 10);
	assert_int_equal(done.err, 0);
	assert_true(done.dsp_addr == answer);
	assert_int_equal(rig_unmap(&f->rig, pd.session, 77, 11), 0);
	got = dsp_expect_ctl(&f->dsp, &pd, FASTRPC_PROCESS_MEM_UNMAP, &ctl, name, &rsp);
	assert_int_equal(ctl.key, 77);
	assert_true(ctl.vaddr == answer);
	dsp_respond(f->dsp.control, got.msg.ctx, (int32_t)FASTRPC_EFAILED);
	assert_int_equal(rig_wait(&f->rig, 11).err, -EREMOTEIO);
	/* A refused unmap leaves it mapped; one of a key that the DSP does not know does not. */
	assert_int_equal(rig_unmap(&f->rig, pd.session, 77, 12), 0);
	got = dsp_expect_ctl(&f->dsp, &pd, FASTRPC_PROCESS_MEM_UNMAP, &ctl, name, &rsp);
	dsp_respond(f->dsp.control, got.msg.ctx, (int32_t)FASTRPC_ENOSUCHMAP);
	assert_int_equal(rig_wait(&f->rig, 12).err, -EREMOTEIO);
	assert_int_equal(rig_unmap(&f->rig, pd.session, 77, 13), -ENOENT);
	close(map.fd);
	f->rig.ops->buffer_release(buffer);
	dsp_expect(&f->dsp, pd.channel, SOFTDSP_UNMAP, SOFTDSP_SIZE(map));
	dsp_end_pd(&f->dsp, &pd);
}

/* --- the end of the DSP --- */

static void a_dsp_that_goes_ends_everything_on_it(void **state)
{
	struct fixture *f = *state;
	void *view;
	struct qda_device_buffer *buffer = rig_buffer(&f->rig, PAGE, &view);
	struct dsp_pd open, opening, closing, again;
	const struct rig_lost *lost;

	dsp_pd(&f->dsp, &open, 1);
	dsp_pd(&f->dsp, &closing, 2);
	dsp_begin_pd(&f->dsp, &opening, 3, 30);
	assert_int_equal(rig_submit(&f->rig, open.session, &null_call, 10), 0);
	assert_int_equal(rig_map(&f->rig, open.session, buffer, 1, 0, PAGE, 11), 0);
	rig_close(&f->rig, closing.session, 20);
	rig_settle(&f->rig);
	dsp_hang_up(&f->dsp);
	lost = rig_wait_lost(&f->rig, 1);
	assert_string_equal(lost->text, "the software DSP is gone");
	assert_int_equal(rig_wait(&f->rig, 10).err, -EPIPE);
	assert_int_equal(rig_wait(&f->rig, 11).err, -EPIPE);
	assert_int_equal(rig_wait(&f->rig, 20).err, 0);
	assert_int_equal(rig_wait(&f->rig, 30).err, -EPIPE);
	assert_int_equal(f->rig.state, QDA_DEVICE_DOWN);
	assert_string_equal(f->rig.why, "the software DSP is gone");
	close(opening.theirs);
	dsp_drop_pd(&opening);
	dsp_drop_pd(&closing);
	dsp_drop_pd(&open);
	/* The next DSP has all its banks, whatever is still to be closed. */
	dsp_accept(&f->dsp);
	dsp_hello(&f->dsp, 1, false);
	rig_wait_state(&f->rig, QDA_DEVICE_UP);
	dsp_pd(&f->dsp, &again, 4);
	rig_close(&f->rig, open.session, 40);
	assert_int_equal(rig_wait(&f->rig, 40).err, 0);
	dsp_expect_nothing(&f->dsp, f->dsp.control);
	f->rig.ops->buffer_release(buffer);
	dsp_end_pd(&f->dsp, &again);
}

static struct {
	struct qda_device_session *others[2];
	struct qda_device_buffer *buffer;
	unsigned n_refused;
} reaction;

/* What core might do when it hears of the first lost call. */
static void use_the_other_sessions(struct rig *rig, uint64_t cookie)
{
	if (cookie != 10 && cookie != 11)
		return;
	for (unsigned i = 0; i < 2; i++) {
		int r = rig_map(rig, reaction.others[i], reaction.buffer, 5, 0, PAGE, 50);

		assert_true(r == -EPIPE || r == -ECONNRESET);
		r = rig_unmap(rig, reaction.others[i], 5, 51);
		assert_true(r == -EPIPE || r == -ECONNRESET);
		reaction.n_refused++;
	}
}

static void other_sessions_may_be_used_while_one_hears_of_the_end(void **state)
{
	struct fixture *f = *state;
	void *view;
	struct dsp_pd pds[2];

	reaction.buffer = rig_buffer(&f->rig, PAGE, &view);
	reaction.n_refused = 0;
	for (unsigned i = 0; i < 2; i++) {
		dsp_pd(&f->dsp, &pds[i], 1 + i);
		assert_int_equal(rig_submit(&f->rig, pds[i].session, &null_call, 10 + i), 0);
		reaction.others[i] = pds[i].session;
	}
	f->rig.on_done = use_the_other_sessions;
	dsp_hang_up(&f->dsp);
	for (unsigned i = 0; i < 2; i++) {
		rig_wait_lost(&f->rig, 1 + i);
		assert_int_equal(rig_wait(&f->rig, 10 + i).err, -EPIPE);
	}
	f->rig.on_done = NULL;
	assert_int_equal(reaction.n_refused, 4);
	for (unsigned i = 0; i < 2; i++) {
		rig_close(&f->rig, pds[i].session, 20 + i);
		assert_int_equal(rig_wait(&f->rig, 20 + i).err, 0);
		dsp_drop_pd(&pds[i]);
	}
	f->rig.ops->buffer_release(reaction.buffer);
}

static void nonsense(void **state, const void *bytes, size_t size, const char *why)
{
	struct fixture *f = *state;
	struct dsp_pd pd;

	dsp_pd(&f->dsp, &pd, 1);
	assert_int_equal(rig_submit(&f->rig, pd.session, &null_call, 10), 0);
	dsp_send(f->dsp.control, bytes, size, NULL, 0);
	assert_string_equal(rig_wait_lost(&f->rig, 1)->text, why);
	assert_int_equal(rig_wait(&f->rig, 10).err, -EPIPE);
	rig_wait_state(&f->rig, QDA_DEVICE_DOWN);
	assert_string_equal(f->rig.why, why);
	rig_close(&f->rig, pd.session, 11);
	assert_int_equal(rig_wait(&f->rig, 11).err, 0);
	dsp_drop_pd(&pd);
}

static void an_unknown_record_ends_the_connection(void **state)
{
	const struct softdsp_record record = { .kind = 99 };

	nonsense(state, &record, SOFTDSP_HEAD,
		 "the software DSP sent a record of kind 99 and 16 bytes");
}

static void a_second_hello_ends_the_connection(void **state)
{
	const struct softdsp_record record = { .kind = SOFTDSP_HELLO };

	nonsense(state, &record, SOFTDSP_SIZE(hello),
		 "the software DSP sent a record of kind 1 and 56 bytes");
}

static void a_short_exit_ends_the_connection(void **state)
{
	const struct softdsp_record record = { .kind = SOFTDSP_EXIT };

	nonsense(state, &record, SOFTDSP_SIZE(exit) - 1,
		 "the software DSP sent a record of kind 8 and 95 bytes");
}

static void a_record_too_large_ends_the_connection(void **state)
{
	const uint8_t bytes[4096] = { SOFTDSP_EXIT };

	nonsense(state, bytes, sizeof(bytes), "the software DSP's channel failed: Bad message");
}

static void a_host_s_record_ends_the_connection(void **state)
{
	const struct softdsp_record record = { .kind = SOFTDSP_MAP };

	nonsense(state, &record, SOFTDSP_SIZE(map),
		 "the software DSP sent a record of kind 4 and 48 bytes");
}

static void an_impossible_context_word_ends_the_connection(void **state)
{
	const struct softdsp_record record = { .kind = SOFTDSP_RESPONSE };

	nonsense(state, &record, SOFTDSP_SIZE(rsp),
		 "the software DSP sent a response with context word 0");
}

static void free_waits_for_nobody(void **state)
{
	struct fixture *f = *state;
	struct dsp_pd open, opening, closing;

	dsp_pd(&f->dsp, &open, 1);
	dsp_pd(&f->dsp, &closing, 2);
	dsp_begin_pd(&f->dsp, &opening, 3, 30);
	assert_int_equal(rig_submit(&f->rig, open.session, &null_call, 10), 0);
	rig_close(&f->rig, closing.session, 20);
	rig_settle(&f->rig);
	rig_close(&f->rig, open.session, 21);
	close(opening.theirs);
	dsp_drop_pd(&opening);
	dsp_drop_pd(&closing);
	dsp_drop_pd(&open);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define ALONE(name) cmocka_unit_test_setup_teardown(name, setup_alone, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALONE(an_absent_dsp_is_named_and_waited_for),
		ALONE(a_dsp_of_another_host_is_said_to_be),
		TEST(info_is_the_hello),
		ALONE(another_version_is_refused),
		ALONE(no_banks_are_refused),
		ALONE(too_many_banks_are_refused),
		ALONE(another_domain_is_refused),
		ALONE(a_short_hello_is_refused),
		ALONE(another_record_before_hello_is_refused),
		ALONE(after_a_refusal_it_is_tried_again),
		ALONE(nothing_opens_before_hello),
		TEST(a_refused_open_gives_its_code_and_its_bank_back),
		TEST(an_open_without_a_channel_fails),
		TEST(channels_that_are_none_are_closed),
		TEST(a_second_channel_is_closed),
		TEST(descriptors_with_other_records_are_closed),
		TEST(a_close_during_create_waits_for_its_answer),
		TEST(an_exit_before_the_answer_to_create_is_kept),
		ALONE(opens_without_an_id_wait_for_one),
		ALONE(directories_go_before_create),
		TEST(a_release_without_answer_keeps_its_bank_only),
		TEST(a_refused_release_keeps_its_bank),
		TEST(a_release_of_a_pd_that_is_gone_frees_its_bank),
		TEST(a_late_answer_to_a_map_is_dropped),
		TEST(a_map_answers_with_the_dsp_s_address),
		TEST(a_dsp_that_goes_ends_everything_on_it),
		TEST(other_sessions_may_be_used_while_one_hears_of_the_end),
		TEST(an_unknown_record_ends_the_connection),
		TEST(a_second_hello_ends_the_connection),
		TEST(a_short_exit_ends_the_connection),
		TEST(a_record_too_large_ends_the_connection),
		TEST(a_host_s_record_ends_the_connection),
		TEST(an_impossible_context_word_ends_the_connection),
		TEST(free_waits_for_nobody),
	};

	return cmocka_run_group_tests_name("device_control", tests, NULL, NULL);
}
