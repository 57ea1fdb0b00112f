/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qda-softdsp as the firmware of a virtual DSP, for tests that want to see modules run and not just
 * messages go by: a process, what it says, and calls on its modules through the driver.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "accel.h"

struct firmware {
	pid_t pid;
	int said;	/* its stderr */
	int uevents;	/* of the kernel, from before it was started */
	char text[4096]; /* read from `said`, not given out yet */
	size_t n;
};

/* Started, and its accel device is there. */
void firmware_start(struct firmware *f);
/* Asked to end: it must do so by itself and cleanly, and its device must go. */
void firmware_stop(struct firmware *f);
/* Killed: its device goes. */
void firmware_crash(struct firmware *f);
/* The next line it says, waited for; until the next call. */
const char *firmware_line(struct firmware *f);
/* Has it said nothing more at this moment? */
bool firmware_quiet(const struct firmware *f);

/* A file with a session on it; or INIT_CREATE's result with an image of n bytes. */
int firmware_session(void);
int firmware_create(int fd, const void *image, size_t n, int32_t *result);

/* A remote handle of a module, or the DSP's error. */
int32_t firmware_open(int fd, const char *uri, uint32_t *handle);
uint32_t firmware_open_probe(int fd);
