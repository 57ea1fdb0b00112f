/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a configuration file: it is taken, or refused with a reason that names the file or a
 * section. What is taken must be rules in the order of their names, each complete.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
	if (!condition)
		abort();
}

static void check_rules(const struct qda_rules *rules)
{
	must(rules->n_policy <= QDA_RULES_MAX && rules->n_quotas <= QDA_RULES_MAX);
	for (unsigned i = 0; i < rules->n_policy; i++) {
		const struct qda_policy_rule *rule = &rules->policy[i];

		must(*rule->name && strlen(rule->name) <= QDA_RULE_NAME_MAX);
		must(i == 0 || strcmp(rule[-1].name, rule->name) < 0);
		must(rule->allow || (!rule->dirs && !rule->urgent && !rule->parked));
		must(!rule->admin || (!*rule->domain && !rule->kinds && !*rule->module));
		must(!rule->who.has_uid || rule->who.uid != (uid_t)-1);
	}
	for (unsigned i = 0; i < rules->n_quotas; i++) {
		must(i == 0 || strcmp(rules->quotas[i - 1].name, rules->quotas[i].name) < 0);
		must(rules->quotas[i].weight >= 1 && rules->quotas[i].weight <= QDA_WEIGHT_MAX);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qda_config config;
	char path[64];
	int fd = memfd_create("conf", MFD_CLOEXEC), r;

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	must(qda_config_init(&config, size & 1) == 0);
	r = qda_config_read(&config, path);
	must(r == 0 || r == -EINVAL);
	must(r == 0 || !strncmp(config.error, path, strlen(path)));
	if (r == 0)
		r = qda_config_check(&config);
	must((r == 0) == !*config.error);
	if (r == 0)
		check_rules(config.rules);
	qda_config_deinit(&config);
	close(fd);
	return 0;
}
