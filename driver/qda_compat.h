/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What changed between kernel 6.12 and later ones, so that the rest reads as for one kernel.
 */
#ifndef __QDA_COMPAT_H__
#define __QDA_COMPAT_H__

#include <linux/version.h>

#if KERNEL_VERSION(6, 13, 0) > LINUX_VERSION_CODE
#define QDA_IMPORT_NS(name) MODULE_IMPORT_NS(name)
#else
#define QDA_IMPORT_NS(name) MODULE_IMPORT_NS(#name)
#endif

/* drm_driver.date was removed in 6.14. */
#if KERNEL_VERSION(6, 14, 0) > LINUX_VERSION_CODE
#define QDA_DRIVER_DATE .date = "20261122",
#else
#define QDA_DRIVER_DATE
#endif

/* The functions that take the lock themselves lost their suffix in 6.16. */
#if KERNEL_VERSION(6, 16, 0) > LINUX_VERSION_CODE
#define qda_gem_vmap	drm_gem_vmap_unlocked
#define qda_gem_vunmap	drm_gem_vunmap_unlocked
#else
#define qda_gem_vmap	drm_gem_vmap
#define qda_gem_vunmap	drm_gem_vunmap
#endif

#endif
