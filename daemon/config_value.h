/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values of the configuration: where one stands, what is said when it is wrong, and one reader per
 * kind. Readers return false when the value is wrong; config->error says so then. Internal to the
 * files config*.c.
 */
#pragma once

#include "config.h"

struct qda_place {
	struct qda_config *config;
	const char *path;
	unsigned line;
	const char *key;
	const char *value;
};

/* What names of domains and rules are made of. */
#define QDA_NAME_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

/* "FILE:LINE: KEY=VALUE: ". Always false. */
bool qda_complain(const struct qda_place *at, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Frees what was there. */
bool qda_take_string(const struct qda_place *at, char **to);
/* "8", "64K", "256M", "4G", "25%" (of memory). */
bool qda_take_amount(const struct qda_place *at, uint64_t *to);
bool qda_take_u32(const struct qda_place *at, uint32_t low, uint32_t high, uint32_t *to);
bool qda_take_yes(const struct qda_place *at, bool *to);
/* A resource as key. */
bool qda_take_limit(const struct qda_place *at, uint64_t *limits);
/* Names with commas between them, each from names[n]; bit i of *bits is names[i]. `all` is what
 * means every one of them, or NULL. */
bool qda_take_names(const struct qda_place *at, const char *const *names, unsigned n,
		    const char *all, unsigned *bits);
/* A name or a number. Asks the name service: only while configuration is read. */
bool qda_take_user(const struct qda_place *at, uid_t *to);
bool qda_take_group(const struct qda_place *at, gid_t *to);

uint64_t qda_ram_share(unsigned percent);
