// SPDX-License-Identifier: BSD-3-Clause
/*
 * The machine's life with a host: see dsp.h. A host that goes takes all its PDs and maps with it,
 * as if the DSP had been restarted; only then may the next one come.
 */
#include "dsp.h"
#include "pd.h"

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
