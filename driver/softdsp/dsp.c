// SPDX-License-Identifier: BSD-3-Clause
/*
 * The machine's life with a host: see dsp.h. A host that goes takes all its PDs and maps with it,
 * as if the DSP had been restarted; only then may the next one come.
 */
#include <string.h>

#include "dsp.h"
#include "pd.h"

int dsp_attach(struct dsp *dsp, int fd)
{
	const struct dsp_config *config = dsp->config;
	struct softdsp_record hello = {
		.kind = SOFTDSP_HELLO,
		.hello = {
			.version = SOFTDSP_VERSION,
			.banks = config->n_banks,
			.confined = dsp->confined,
			.client_dirs = config->client_dirs,
			.arch = config->arch,
		},
	};
	int err = host_open(&dsp->host, dsp, fd);

	if (err)
		return err;
	strncpy(hello.hello.name, config->name, sizeof(hello.hello.name) - 1);
	host_send(&dsp->host, &hello, SOFTDSP_SIZE(hello), -1);
	return 0;
}

void dsp_detach(struct dsp *dsp)
{
	host_close(&dsp->host);
	for (uint32_t i = 1; i <= dsp->config->n_banks; i++) {
		bank_clear(&dsp->banks[i]);
		if (dsp->pds[i])
			pd_abandon(dsp->pds[i]);
	}
}

void dsp_settle(struct dsp *dsp)
{
	if (!dsp->n_pds && host_is_closed(&dsp->host))
		dsp->on_vacant(dsp);
}
