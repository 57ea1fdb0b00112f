/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's configuration: INI files (libinih), read at start before anything else is opened,
 * and anew at each reload. Every key is checked; an error names file, line, key, value and what is
 * allowed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/rules.h"

#define QDA_DOMAINS_MAX 8u
#define QDA_MODULE_DIRS_MAX 16u

struct qda_domain_config {
	char name[16];
	bool accel;			/* behind the qda driver; else a software DSP */
	char *node;			/* accel: /dev/accel/accelN; NULL: found by name */
	char *shell;			/* accel: image to start PDs from; NULL: see device.h */
	char *socket;			/* where its software DSP listens; NULL: start one */
	char *program;			/* qda-softdsp to start; NULL: the installed one */
	char *modules[QDA_MODULE_DIRS_MAX + 1];	/* NULL-terminated */
	uint32_t in_flight;		/* 0: what the device can do */
	uint32_t hang_ms;		/* how long a call may hold its slot; 0: for ever */
	uint32_t reserved_sessions;	/* for users that have none; QDA_RESERVED_USUAL: not said */
	char where[256];		/* its first key: "FILE:LINE: "; empty: it is in no file */
};

struct qda_drafts;

struct qda_config {
	bool user_mode;
	char *socket;
	char *metrics;			/* its socket; NULL: not said, and once prepared: none */
	char *bus;			/* system, session, none or an address; NULL: not said */
	bool named_socket;		/* not the default one */
	uint32_t hello_ms;
	uint32_t drain_ms;
	struct qda_rules *rules;	/* without [policy] and [quota NAME] until all is checked */
	struct qda_drafts *drafts;	/* of these; NULL when all is checked */
	struct qda_domain_config domains[QDA_DOMAINS_MAX];
	unsigned n_domains;
	bool found_domains;		/* not configured: the daemon looked for them itself */
	char error[512];
};

/* Defaults for a system service or for --user. 0 or -ENOMEM. */
int qda_config_init(struct qda_config *config, bool user_mode);
void qda_config_deinit(struct qda_config *config);
/* Of a domain of which nothing was read. */
void qda_domain_defaults(const struct qda_config *config, struct qda_domain_config *domain);

/* Read one file on top. 0, or a negative errno with config->error. */
int qda_config_read(struct qda_config *config, const char *path);
/* Read PATH if it is there, then *.conf of PATH.d in the order of their names. */
int qda_config_read_default(struct qda_config *config, const char *path);

/* When all is read: do the keys of each section go together? Completes config->rules. Once; 0, or a
 * negative errno, with config->error unless memory is short. */
int qda_config_check(struct qda_config *config);
