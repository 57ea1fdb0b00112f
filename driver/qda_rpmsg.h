/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The transport of real hardware, where the kernel has rpmsg.
 */
#ifndef __QDA_RPMSG_H__
#define __QDA_RPMSG_H__

#include <linux/kconfig.h>

#if IS_ENABLED(CONFIG_RPMSG) && IS_ENABLED(CONFIG_OF)
int qda_rpmsg_init(void);
void qda_rpmsg_exit(void);
#else
static inline int qda_rpmsg_init(void)
{
	return 0;
}

static inline void qda_rpmsg_exit(void)
{
}
#endif

#endif
