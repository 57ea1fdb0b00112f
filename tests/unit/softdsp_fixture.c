// SPDX-License-Identifier: BSD-3-Clause
/*
 * The fixture of the software DSP's tests: see softdsp_fixture.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "softdsp_fixture.h"

struct host host;
char text[512];
static unsigned fds_before;

int fixture_setup(void **state)
{
	fds_before = count_fds(getpid());
	host_start(&host, (const char *const *)*state);
	return 0;
}

int fixture_teardown(void **state)
{
	host_end(&host);
	assert_int_equal(count_fds(getpid()), fds_before);
	return 0;
}

uint32_t open_probe(struct session *s, uint32_t bank, int32_t client)
{
	uint32_t handle;

	session_open(s, &host, bank, client);
	assert_int_equal(session_open_module(s, PROBE_URI, &handle, text), 0);
	assert_string_equal(text, "");
	return handle;
}

uint32_t call_with(struct session *s, uint32_t handle, uint32_t method, uint32_t number)
{
	const struct value values[] = { { &number, 4 } };

	return session_call(s, handle, fastrpc_sc(0, method, 1, 0, 0, 0), values, NULL);
}

void assert_inverts(struct session *s, uint32_t handle)
{
	uint8_t in[1000], out[1000];
	const struct value values[] = { { in, sizeof(in) }, { out, sizeof(out) } };

	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = i * 7;
	memset(out, 0, sizeof(out));
	assert_int_equal(session_call(s, handle, fastrpc_sc(0, PROBE_INVERT, 1, 1, 0, 0), values,
				      NULL), 0);
	for (unsigned i = 0; i < sizeof(out); i++)
		assert_int_equal(out[i], (uint8_t)~in[i]);
}

void assert_serves(uint32_t bank, int32_t client)
{
	struct session s;
	uint32_t handle = open_probe(&s, bank, client);

	assert_int_equal(call_with(&s, handle, PROBE_RETURN, 4711), 4711);
	session_close(&s);
}

uint32_t map_key(uint32_t bank, int32_t client, int32_t key, uint32_t addr, uint64_t *got)
{
	const struct fastrpc_ctl ctl = { .method = FASTRPC_PROCESS_MEM_MAP,
					 .client_id = client,
					 .key = key,
					 .mem_addr = (uint64_t)bank << 32 | addr,
					 .mem_len = 8192 };

	return host_control(&host, bank, &ctl, got);
}

uint32_t unmap_key(uint32_t bank, int32_t client, int32_t key)
{
	const struct fastrpc_ctl ctl = { .method = FASTRPC_PROCESS_MEM_UNMAP,
					 .client_id = client,
					 .key = key };

	return host_control(&host, bank, &ctl, NULL);
}
