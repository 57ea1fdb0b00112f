/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Landlock, without a library: the few calls a PD needs. Only the PD restricts itself; the
 * supervisor asks what the kernel has.
 */
#pragma once

/* The kernel's version of Landlock; 0 when it has none or it is switched off. */
int landlock_version(void);

/* A rule set that forbids every access to files (and what else this kernel knows). fd or -errno. */
int landlock_new(int version);

/* Allow reading files beneath a directory, or one file. `dir_fd` may be O_PATH. 0 or -errno. */
int landlock_allow_read(int ruleset, int dir_fd);

/* Hold this thread and all it starts to the rules; closes `ruleset`. 0 or -errno. */
int landlock_enforce(int ruleset);
