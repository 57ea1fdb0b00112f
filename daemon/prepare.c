/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From options and files to a configuration that the daemon can run with: where it is read, which
 * domains there are when it names none, where modules and the socket are.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/device.h"
#include "qdad.h"

#define FDS_KEPT 64u /* beside what clients are charged for */

static int fail(struct qda_config *config, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct qda_config *config, int err, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(config->error, sizeof(config->error), format, ap);
	va_end(ap);
	return -err;
}

/* As many descriptors as the hard limit gives; what clients may hold in all must fit. */
static void fit_fds(struct qda_config *config)
{
	struct rlimit limit;
	uint64_t room;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 && getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	room = limit.rlim_cur > 2 * FDS_KEPT ? limit.rlim_cur - FDS_KEPT : FDS_KEPT;
	if (config->rules->total_limits[QDA_RES_FDS] <= room)
		return;
	qdad_say("[total] fds=%" PRIu64 " is more than RLIMIT_NOFILE leaves: using %" PRIu64,
		 config->rules->total_limits[QDA_RES_FDS], room);
	config->rules->total_limits[QDA_RES_FDS] = room;
}

static char *join(const char *dir, const char *rest)
{
	char *path;

	return asprintf(&path, "%s%s", dir, rest) < 0 ? NULL : path;
}

static int read_config(struct qda_config *config, const struct qda_options *o)
{
	const char *home = getenv("XDG_CONFIG_HOME");
	char *path;
	int r;

	if (o->config)
		return qda_config_read(config, o->config);
	if (!o->user_mode)
		path = strdup(QDA_SYSCONFDIR "/qdad/qdad.conf");
	else if (home && *home)
		path = join(home, "/qdad/qdad.conf");
	else
		path = join(getenv("HOME") ? getenv("HOME") : "", "/.config/qdad/qdad.conf");
	if (!path)
		return -ENOMEM;
	r = qda_config_read_default(config, path);
	free(path);
	return r;
}

/* --modules, else $DSP_LIBRARY_PATH, in front of what the configuration says; else where modules
 * are installed. */
static int choose_modules(struct qda_config *config, struct qda_domain_config *domain,
			  struct qda_options *o)
{
	const char *variable = getenv("DSP_LIBRARY_PATH");
	unsigned n = 0;

	if (!o->n_modules && variable && o->user_mode) {
		static char list[4096];

		snprintf(list, sizeof(list), "%s", variable);
		if (qda_options_add_modules(o, list, ";:") < 0)
			return fail(config, EINVAL, "DSP_LIBRARY_PATH: at most %u directories",
				    QDA_MODULE_DIRS_MAX);
	}
	if (!o->n_modules && domain->modules[0])
		return 0;
	for (char **dir = domain->modules; *dir; dir++)
		free(*dir);
	memset(domain->modules, 0, sizeof(domain->modules));
	for (; n < o->n_modules; n++)
		if (!(domain->modules[n] = strdup(o->modules[n])))
			return -ENOMEM;
	if (n)
		domain->where[0] = '\0'; /* no file said that */
	else if (access(QDA_MODULEDIR, F_OK) == 0)
		domain->modules[0] = strdup(QDA_MODULEDIR);
	return 0;
}

/* Without a configured domain: the DSPs that can be opened; else a software DSP, our own or the
 * system's. Who names modules wants one that is looking for them here. */
static int find_domains(struct qda_config *config, const struct qda_options *o)
{
	struct qda_domain_config *domain = &config->domains[0];
	char names[QDA_DOMAINS_MAX][16];

	if (config->n_domains)
		return 0;
	if (!o->n_modules)
		config->n_domains = qda_accel_find(names, QDA_DOMAINS_MAX);
	for (unsigned i = 0; i < config->n_domains; i++) {
		config->domains[i].accel = true;
		qda_domain_defaults(config, &config->domains[i]);
		memcpy(config->domains[i].name, names[i], sizeof(names[i]));
	}
	if (config->n_domains)
		return 0;
	config->n_domains = 1;
	snprintf(domain->name, sizeof(domain->name), "cdsp");
	qda_domain_defaults(config, domain);
	return 0;
}

/* The socket of metrics has its default place only where that of requests has: there is one qdad
 * for the latter, so none takes it from another. */
static int choose_metrics(struct qda_config *config)
{
	const char *sock = config->socket;
	int n = (int)(strrchr(sock, '/') - sock);

	if (config->metrics && strcmp(config->metrics, "none") != 0)
		return 0;
	if (config->metrics || config->named_socket) {
		free(config->metrics);
		config->metrics = NULL;
		return 0;
	}
	if (asprintf(&config->metrics, "%.*s/metrics.sock", n, sock) < 0) {
		config->metrics = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* The directory of the user's socket is made; others must exist. */
static int choose_socket(struct qda_config *config, const struct qda_options *o)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char *dir;

	if (o->socket) {
		free(config->socket);
		config->socket = strdup(o->socket);
	}
	config->named_socket = config->socket;
	if (config->socket)
		return 0;
	if (!config->user_mode) {
		config->socket = strdup("/run/qdad/qdad.sock");
		return config->socket ? 0 : -ENOMEM;
	}
	if (!runtime || !*runtime)
		return fail(config, ENOENT,
			    "XDG_RUNTIME_DIR is not set: say where to listen with --socket PATH");
	dir = join(runtime, "/qdad");
	if (!dir)
		return -ENOMEM;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		int err = errno;

		fail(config, err, "%s: cannot be made: %s", dir, qda_strerror(-err));
		free(dir);
		return -err;
	}
	config->socket = join(dir, "/qdad.sock");
	free(dir);
	return config->socket ? 0 : -ENOMEM;
}

/* What a domain would only fail on later, and less clearly. */
static int check_domain(struct qda_config *config, const struct qda_domain_config *domain)
{
	for (char *const *dir = domain->modules; *dir; dir++) {
		if (access(*dir, R_OK | X_OK) == 0)
			continue;
		return fail(config, ENOENT, "%sdomain %s: the module directory %s cannot be used: %s",
			    domain->where, domain->name, *dir, qda_strerror(-errno));
	}
	if (!domain->program || access(domain->program, X_OK) == 0)
		return 0;
	return fail(config, ENOENT, "%sdomain %s: the program %s cannot be run: %s", domain->where,
		    domain->name, domain->program, qda_strerror(-errno));
}

/* The system's software DSPs are services of their own, unless the configuration has qdad start
 * one. */
static int choose_socket_of(const struct qda_config *config, struct qda_domain_config *domain,
			    const struct qda_options *o)
{
	if (config->user_mode || domain->accel || domain->socket || domain->program ||
	    domain->modules[0] || o->n_modules)
		return 0;
	if (asprintf(&domain->socket, "/run/qda-softdsp/%s.sock", domain->name) >= 0)
		return 0;
	domain->socket = NULL;
	return -ENOMEM;
}

static int finish_domains(struct qda_config *config, struct qda_options *o)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < config->n_domains; i++)
		r = choose_socket_of(config, &config->domains[i], o);
	for (unsigned i = 0; r == 0 && i < config->n_domains; i++)
		if (!config->domains[i].accel)
			r = choose_modules(config, &config->domains[i], o);
	for (unsigned i = 0; r == 0 && i < config->n_domains; i++)
		r = check_domain(config, &config->domains[i]);
	return r;
}

int qdad_prepare(struct qda_config *config, struct qda_options *o, bool running)
{
	int r = read_config(config, o);

	if (r == 0)
		r = qda_config_check(config);
	config->found_domains = !config->n_domains;
	if (r == 0 && !running)
		r = find_domains(config, o);
	if (r == 0)
		r = finish_domains(config, o);
	if (r < 0 || o->check_only)
		return r;
	fit_fds(config);
	r = choose_socket(config, o);
	return r == 0 ? choose_metrics(config) : r;
}
