/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration: tables of keys per section, one parser per kind of value.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB	       (1024ull * 1024)
#define LINE_MAX_BYTES 190u /* libinih breaks longer ones silently */
#define NAME	       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

static const uint64_t default_connection[QDA_RES_N] = {
	[QDA_RES_CONNECTIONS] = 1,	  [QDA_RES_SESSIONS] = 8,	 [QDA_RES_BUFFERS] = 1024,
	[QDA_RES_HANDLES] = 1024,	  [QDA_RES_MAPS] = 256,		 [QDA_RES_CALLS] = 256,
	[QDA_RES_INLINE_BYTES] = 4 * MIB, [QDA_RES_OUT_BYTES] = 4 * MIB, [QDA_RES_FDS] = 1100,
};

static const uint64_t default_uid[QDA_RES_N] = {
	[QDA_RES_CONNECTIONS] = 64,	  [QDA_RES_SESSIONS] = 8,	 [QDA_RES_BUFFERS] = 2048,
	[QDA_RES_HANDLES] = 2048,	  [QDA_RES_MAPS] = 512,		 [QDA_RES_CALLS] = 512,
	[QDA_RES_INLINE_BYTES] = 8 * MIB, [QDA_RES_OUT_BYTES] = 8 * MIB, [QDA_RES_FDS] = 2400,
};

static const uint64_t default_total[QDA_RES_N] = {
	[QDA_RES_CONNECTIONS] = 1024,	   [QDA_RES_SESSIONS] = 256,	   [QDA_RES_BUFFERS] = 8192,
	[QDA_RES_HANDLES] = 65536,	   [QDA_RES_MAPS] = 8192,	   [QDA_RES_CALLS] = 8192,
	[QDA_RES_INLINE_BYTES] = 64 * MIB, [QDA_RES_OUT_BYTES] = 64 * MIB, [QDA_RES_FDS] = 12000,
};

static uint64_t ram_share(unsigned percent)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 100 * percent;
}

int qda_config_init(struct qda_config *config, bool user_mode)
{
	*config = (struct qda_config){
		.user_mode = user_mode,
		.hello_ms = 5000,
		.drain_ms = 5000,
		.rules = qda_rules_new(),
	};
	struct qda_rules *rules = config->rules;

	if (!rules)
		return -ENOMEM;
	memcpy(rules->connection_limits, default_connection, sizeof(default_connection));
	memcpy(rules->fallback.limits, default_uid, sizeof(default_uid));
	memcpy(rules->total_limits, default_total, sizeof(default_total));
	rules->connection_limits[QDA_RES_BUFFER_BYTES] = ram_share(25);
	rules->fallback.limits[QDA_RES_BUFFER_BYTES] = ram_share(25);
	rules->total_limits[QDA_RES_BUFFER_BYTES] = ram_share(50);
	if (!user_mode)
		return 0;
	/* All clients have one uid here: it may have what there is. */
	rules->fallback.limits[QDA_RES_SESSIONS] = default_total[QDA_RES_SESSIONS];
	rules->connection_limits[QDA_RES_SESSIONS] = 32;
	return 0;
}

void qda_config_deinit(struct qda_config *config)
{
	qda_rules_free(config->rules);
	free(config->socket);
	free(config->group);
	for (unsigned i = 0; i < config->n_domains; i++) {
		free(config->domains[i].node);
		free(config->domains[i].shell);
		free(config->domains[i].socket);
		free(config->domains[i].program);
		for (char **dir = config->domains[i].modules; *dir; dir++)
			free(*dir);
	}
}

/* Where a value stands, for errors. */
struct place {
	struct qda_config *config;
	FILE *file;
	const char *path;
	unsigned line;
	unsigned wrong; /* the line of the last value looked at */
	int err;	/* of reading */
	const char *key;
	const char *value;
};

static bool complain(const struct place *at, const char *wanted)
{
	snprintf(at->config->error, sizeof(at->config->error), "%s:%u: %s=%s: %s", at->path,
		 at->line, at->key, at->value, wanted);
	return false;
}

static bool take_string(const struct place *at, char **to)
{
	char *copy;

	if (!*at->value)
		return complain(at, "a value is wanted");
	copy = strdup(at->value);
	if (!copy)
		return complain(at, "out of memory");
	free(*to);
	*to = copy;
	return true;
}

/* "8", "64K", "256M", "4G", "25%" (of memory). */
static bool take_amount(const struct place *at, uint64_t *to)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(at->value, &end, 10);
	if (errno || end == at->value || *at->value == '-')
		return complain(
			at,
			"a number is wanted, with K, M, G or % (of memory) behind it if you like");
	if (!strcmp(end, "%") && n <= 100)
		n = ram_share(n);
	else if (!strcmp(end, "K") && n < UINT64_MAX >> 10)
		n <<= 10;
	else if (!strcmp(end, "M") && n < UINT64_MAX >> 20)
		n <<= 20;
	else if (!strcmp(end, "G") && n < UINT64_MAX >> 30)
		n <<= 30;
	else if (*end)
		return complain(
			at,
			"a number is wanted, with K, M, G or % (of memory, at most 100) behind it "
			"if you like");
	*to = n;
	return true;
}

static bool take_u32(const struct place *at, uint32_t low, uint32_t high, uint32_t *to)
{
	char text[64];
	uint64_t n;

	if (!take_amount(at, &n))
		return false;
	snprintf(text, sizeof(text), "must be %" PRIu32 " to %" PRIu32, low, high);
	if (n < low || n > high)
		return complain(at, text);
	*to = n;
	return true;
}

static bool take_limit(const struct place *at, uint64_t *limits)
{
	for (unsigned i = 0; i < QDA_RES_N; i++)
		if (!strcmp(at->key, qda_resource_name(i)))
			return take_amount(at, &limits[i]);
	return complain(at, "no such resource: connections, sessions, buffers, buffer_bytes, "
			    "handles, maps, calls, "
			    "inline_bytes, out_bytes, fds");
}

static bool take_daemon(const struct place *at)
{
	struct qda_config *config = at->config;

	if (!strcmp(at->key, "socket"))
		return take_string(at, &config->socket);
	if (!strcmp(at->key, "group"))
		return take_string(at, &config->group);
	if (!strcmp(at->key, "hello_ms"))
		return take_u32(at, 1, 3600000, &config->hello_ms);
	if (!strcmp(at->key, "drain_ms"))
		return take_u32(at, 0, 3600000, &config->drain_ms);
	if (!strcmp(at->key, "session_in_flight"))
		return take_u32(at, 1, 127, &config->rules->session_in_flight);
	return complain(
		at,
		"no such key in [daemon]: socket, group, hello_ms, drain_ms, session_in_flight");
}

static struct qda_domain_config *find_domain(struct qda_config *config, const char *name)
{
	for (unsigned i = 0; i < config->n_domains; i++)
		if (!strcmp(config->domains[i].name, name))
			return &config->domains[i];
	return NULL;
}

static bool take_dirs(const struct place *at, char **dirs)
{
	unsigned n = 0;
	char *copy = strdup(at->value), *save = NULL;

	for (char **dir = dirs; *dir; dir++) {
		free(*dir);
		*dir = NULL;
	}
	for (char *dir = copy ? strtok_r(copy, ":", &save) : NULL; dir;
	     dir = strtok_r(NULL, ":", &save)) {
		if (n == QDA_MODULE_DIRS_MAX) {
			free(copy);
			return complain(at, "more than 16 directories");
		}
		dirs[n] = strdup(dir);
		if (!dirs[n++]) {
			free(copy);
			return complain(at, "out of memory");
		}
	}
	free(copy);
	return n || complain(at, "directories are wanted, with : between them");
}

static bool take_device(const struct place *at, bool *accel)
{
	*accel = !strcmp(at->value, "accel");
	return *accel || !strcmp(at->value, "soft") ||
	       complain(at, "the device must be soft or accel");
}

static bool take_domain(const struct place *at, const char *name)
{
	struct qda_domain_config *domain = find_domain(at->config, name);

	if (!domain) {
		if (at->config->n_domains == QDA_DOMAINS_MAX)
			return complain(at, "more than 8 domains");
		if (!*name || strlen(name) >= sizeof(domain->name) || name[strspn(name, NAME)])
			return complain(at, "the domain's name must have 1 to 15 characters: "
					    "letters, digits, - and _");
		domain = &at->config->domains[at->config->n_domains++];
		snprintf(domain->name, sizeof(domain->name), "%s", name);
	}
	if (!strcmp(at->key, "device"))
		return take_device(at, &domain->accel);
	if (!strcmp(at->key, "node"))
		return take_string(at, &domain->node);
	if (!strcmp(at->key, "shell"))
		return take_string(at, &domain->shell);
	if (!strcmp(at->key, "socket"))
		return take_string(at, &domain->socket);
	if (!strcmp(at->key, "program"))
		return take_string(at, &domain->program);
	if (!strcmp(at->key, "modules"))
		return take_dirs(at, domain->modules);
	if (!strcmp(at->key, "in_flight"))
		return take_u32(at, 1, 255, &domain->in_flight);
	return complain(at, "no such key in [domain]: device, in_flight; of soft: socket, program, "
			    "modules; of accel: node, shell");
}

static bool take_value(const struct place *at, const char *section)
{
	if (!strcmp(section, "daemon"))
		return take_daemon(at);
	if (!strncmp(section, "domain ", 7))
		return take_domain(at, section + 7);
	if (!strcmp(section, "connection"))
		return take_limit(at, at->config->rules->connection_limits);
	if (!strcmp(section, "quota default"))
		return take_limit(at, at->config->rules->fallback.limits);
	if (!strcmp(section, "total"))
		return take_limit(at, at->config->rules->total_limits);
	return complain(
		at,
		"no such section: [daemon], [domain NAME], [connection], [quota default], [total]");
}

/* What libinih would misread: it breaks long lines in two, ends a line at a NUL byte, and takes an
 * indented one for more of the value before it. NULL when there is nothing. */
static const char *find_fault(struct place *at, const char *line)
{
	size_t n = strlen(line), blanks = strspn(line, " \t\v\f\r");

	if (n > LINE_MAX_BYTES)
		return "the line is longer than 190 bytes";
	if (!n || (line[n - 1] != '\n' && !feof(at->file)))
		return "there is a NUL byte in the line";
	if (blanks && !strchr(";#\n", line[blanks]))
		return "a line must not begin with blanks";
	return NULL;
}

/* libinih's handler: 0 is an error, and the first one is what counts. */
static int on_value(void *user, const char *section, const char *key, const char *value)
{
	struct place *at = user;

	if (*at->config->error)
		return 0;
	at->key = key;
	at->value = value;
	at->wrong = at->line;
	return take_value(at, section);
}

/* libinih's reader: counts lines, and ends at one that libinih would misread. */
static char *read_line(char *to, int size, void *stream)
{
	struct place *at = stream;
	char *line = fgets(to, size, at->file);
	const char *fault;

	if (!line) {
		at->err = ferror(at->file) ? errno : 0;
		return NULL;
	}
	at->line++;
	fault = find_fault(at, line);
	if (!fault)
		return line;
	if (!*at->config->error)
		snprintf(at->config->error, sizeof(at->config->error), "%s:%u: %s", at->path,
			 at->line, fault);
	return NULL;
}

static int cannot_read(struct qda_config *config, const char *path, int err)
{
	snprintf(config->error, sizeof(config->error), "%.400s: %s", path, strerrordesc_np(err));
	return -err;
}

int qda_config_read(struct qda_config *config, const char *path)
{
	struct place at = { .config = config, .path = path, .file = fopen(path, "re") };
	int line;

	if (!at.file)
		return cannot_read(config, path, errno);
	line = ini_parse_stream(read_line, &at, on_value, &at);
	fclose(at.file);
	if (at.err)
		return cannot_read(config, path, at.err);
	/* libinih goes on behind a line that it cannot read. */
	if (line && (!*config->error || (unsigned)line < at.wrong))
		snprintf(config->error, sizeof(config->error),
			 "%s:%d: neither [section], key=value nor ; comment", path, line);
	return *config->error ? -EINVAL : 0;
}

static int is_conf(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return *entry->d_name != '.' && n > 5 && !strcmp(entry->d_name + n - 5, ".conf");
}

static int read_dropins(struct qda_config *config, const char *dir)
{
	struct dirent **entries;
	int n = scandir(dir, &entries, is_conf, alphasort), r = 0;

	if (n < 0)
		return errno == ENOENT ? 0 : cannot_read(config, dir, errno);
	for (int i = 0; i < n; i++) {
		char path[4096 + 256];

		snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
		if (r == 0)
			r = qda_config_read(config, path);
		free(entries[i]);
	}
	free(entries);
	return r;
}

int qda_config_read_default(struct qda_config *config, const char *path)
{
	char dir[4096];
	bool missing = access(path, F_OK) < 0 && errno == ENOENT;
	int r = missing ? 0 : qda_config_read(config, path);

	if (r < 0)
		return r;
	snprintf(dir, sizeof(dir), "%s.d", path);
	return read_dropins(config, dir);
}

int qda_config_check(struct qda_config *config)
{
	for (unsigned i = 0; i < config->n_domains; i++) {
		const struct qda_domain_config *domain = &config->domains[i];
		const char *key = NULL;

		if (domain->accel)
			key = domain->socket ? "socket" : domain->program ? "program" :
			      domain->modules[0] ? "modules" : NULL;
		else
			key = domain->node ? "node" : domain->shell ? "shell" : NULL;
		if (!key)
			continue;
		snprintf(config->error, sizeof(config->error),
			 "[domain %s]: %s goes with device=%s only", domain->name, key,
			 domain->accel ? "soft" : "accel");
		return -EINVAL;
	}
	return 0;
}
