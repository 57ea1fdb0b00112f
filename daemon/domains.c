/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Domains of the configuration, each made with its device.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/domain.h"
#include "qdad.h"

/* qda-softdsp stands beside this program where both are installed, else in a build tree's sister
 * folder. */
static const char *find_softdsp(char *path, size_t size)
{
	static const char *const places[] = { "qda-softdsp", "../driver/softdsp/qda-softdsp" };
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	char *name;

	if (n <= 0)
		return QDA_BINDIR "/qda-softdsp";
	path[n] = '\0';
	name = strrchr(path, '/') + 1;
	for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++) {
		snprintf(name, size - (name - path), "%s", places[i]);
		if (access(path, X_OK) == 0)
			return path;
	}
	return QDA_BINDIR "/qda-softdsp";
}

static int make_soft(struct qdad *q, const struct qda_domain_config *config,
		     struct qda_domain *domain, struct qda_device **device)
{
	char path[4096];
	struct qda_soft_config soft = {
		.name = config->name,
		.socket_path = config->socket,
		.program = config->program ? config->program : find_softdsp(path, sizeof(path)),
		.module_dirs = (const char *const *)config->modules,
		.client_dirs = true, /* the policy says whose */
	};

	return qda_soft_new(&q->loop, &soft, &qda_domain_events, domain, device);
}

static int make_accel(struct qdad *q, const struct qda_domain_config *config,
		      struct qda_domain *domain, struct qda_device **device)
{
	struct qda_accel_config accel = {
		.name = config->name,
		.node = config->node,
		.shell = config->shell,
	};

	return qda_accel_new(&q->loop, &accel, &qda_domain_events, domain, device);
}

int qdad_make_domain(struct qdad *q, const struct qda_domain_config *config)
{
	struct qda_domain *domain;
	struct qda_device *device;
	int r = qda_domain_new(q->core, config->name, config->in_flight, &domain);

	if (r == 0)
		r = (config->accel ? make_accel : make_soft)(q, config, domain, &device);
	if (r < 0) {
		qdad_say("domain %s: %s", config->name, qda_strerror(r));
		return r;
	}
	domain->hang_ms = config->hang_ms;
	domain->reserved_wanted = config->reserved_sessions;
	qda_domain_attach(domain, device);
	return 0;
}
