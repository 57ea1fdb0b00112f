/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration: tables of keys per section, one parser per kind of value.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_rules.h"
#include "core/domain.h"

#define MIB	       (1024ull * 1024)
#define LINE_MAX_BYTES 190u /* libinih breaks longer ones silently */

static const uint64_t default_connection[QDA_RES_N] = {
	[QDA_RES_CONNECTIONS] = 1,	  [QDA_RES_SESSIONS] = 8,	 [QDA_RES_BUFFERS] = 1024,
	[QDA_RES_HANDLES] = 1024,	  [QDA_RES_MAPS] = 256,		 [QDA_RES_CALLS] = 256,
	[QDA_RES_INLINE_BYTES] = 4 * MIB, [QDA_RES_OUT_BYTES] = 4 * MIB, [QDA_RES_FDS] = 1100,
	[QDA_RES_PARKED] = 16,
};

static const uint64_t default_uid[QDA_RES_N] = {
	[QDA_RES_CONNECTIONS] = 64,	  [QDA_RES_SESSIONS] = 8,	 [QDA_RES_BUFFERS] = 2048,
	[QDA_RES_HANDLES] = 2048,	  [QDA_RES_MAPS] = 512,		 [QDA_RES_CALLS] = 512,
	[QDA_RES_INLINE_BYTES] = 8 * MIB, [QDA_RES_OUT_BYTES] = 8 * MIB, [QDA_RES_FDS] = 2400,
	[QDA_RES_PARKED] = 32,
};

static const uint64_t default_total[QDA_RES_N] = {
	[QDA_RES_CONNECTIONS] = 1024,	   [QDA_RES_SESSIONS] = 256,	   [QDA_RES_BUFFERS] = 8192,
	[QDA_RES_HANDLES] = 65536,	   [QDA_RES_MAPS] = 8192,	   [QDA_RES_CALLS] = 8192,
	[QDA_RES_INLINE_BYTES] = 64 * MIB, [QDA_RES_OUT_BYTES] = 64 * MIB, [QDA_RES_FDS] = 12000,
	[QDA_RES_PARKED] = 512,
};

int qda_config_init(struct qda_config *config, bool user_mode)
{
	*config = (struct qda_config){
		.user_mode = user_mode,
		.hello_ms = 5000,
		.drain_ms = 5000,
		.rules = qda_rules_new(),
	};
	struct qda_rules *rules = config->rules;

	if (!rules || qda_drafts_new(&config->drafts) < 0)
		return -ENOMEM;
	memcpy(rules->connection_limits, default_connection, sizeof(default_connection));
	memcpy(rules->fallback.limits, default_uid, sizeof(default_uid));
	memcpy(rules->total_limits, default_total, sizeof(default_total));
	rules->connection_limits[QDA_RES_BUFFER_BYTES] = qda_ram_share(25);
	rules->fallback.limits[QDA_RES_BUFFER_BYTES] = qda_ram_share(25);
	rules->total_limits[QDA_RES_BUFFER_BYTES] = qda_ram_share(50);
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
	qda_drafts_free(config->drafts);
	free(config->socket);
	free(config->metrics);
	free(config->bus);
	for (unsigned i = 0; i < config->n_domains; i++) {
		free(config->domains[i].node);
		free(config->domains[i].shell);
		free(config->domains[i].socket);
		free(config->domains[i].program);
		for (char **dir = config->domains[i].modules; *dir; dir++)
			free(*dir);
	}
}

static bool take_bus(const struct qda_place *at, char **bus)
{
	if (strcmp(at->value, "system") && strcmp(at->value, "session") &&
	    strcmp(at->value, "none") && !strchr(at->value, ':'))
		return qda_complain(at, "the bus is system, session, none, or an address like "
					"unix:path=/run/dbus/system_bus_socket");
	return qda_take_string(at, bus);
}

static bool take_daemon(const struct qda_place *at)
{
	struct qda_config *config = at->config;

	if (!strcmp(at->key, "socket"))
		return qda_take_string(at, &config->socket);
	if (!strcmp(at->key, "metrics"))
		return qda_take_string(at, &config->metrics);
	if (!strcmp(at->key, "bus"))
		return take_bus(at, &config->bus);
	if (!strcmp(at->key, "hello_ms"))
		return qda_take_u32(at, 1, 3600000, &config->hello_ms);
	if (!strcmp(at->key, "drain_ms"))
		return qda_take_u32(at, 0, 3600000, &config->drain_ms);
	if (!strcmp(at->key, "session_in_flight"))
		return qda_take_u32(at, 1, 127, &config->rules->session_in_flight);
	if (!strcmp(at->key, "client_in_flight"))
		return qda_take_u32(at, 1, 255, &config->rules->client_in_flight);
	return qda_complain(at, "no such key in [daemon]: socket, bus, hello_ms, drain_ms, metrics, "
				"session_in_flight, client_in_flight");
}

static struct qda_domain_config *find_domain(struct qda_config *config, const char *name)
{
	for (unsigned i = 0; i < config->n_domains; i++)
		if (!strcmp(config->domains[i].name, name))
			return &config->domains[i];
	return NULL;
}

static bool take_dirs(const struct qda_place *at, char **dirs)
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
			return qda_complain(at, "more than 16 directories");
		}
		dirs[n] = strdup(dir);
		if (!dirs[n++]) {
			free(copy);
			return qda_complain(at, "out of memory");
		}
	}
	free(copy);
	return n || qda_complain(at, "directories are wanted, with : between them");
}

static bool take_device(const struct qda_place *at, bool *accel)
{
	*accel = !strcmp(at->value, "accel");
	return *accel || !strcmp(at->value, "soft") ||
	       qda_complain(at, "the device must be soft or accel");
}

void qda_domain_defaults(const struct qda_config *config, struct qda_domain_config *domain)
{
	domain->hang_ms = 120000;
	/* Where all clients have one uid, nobody is left to reserve for. */
	domain->reserved_sessions = config->user_mode ? 0 : QDA_RESERVED_USUAL;
}

static bool take_domain(const struct qda_place *at, const char *name)
{
	struct qda_domain_config *domain = find_domain(at->config, name);

	if (!domain) {
		if (at->config->n_domains == QDA_DOMAINS_MAX)
			return qda_complain(at, "more than 8 domains");
		if (!*name || strlen(name) >= sizeof(domain->name) || name[strspn(name, QDA_NAME_BYTES)])
			return qda_complain(at, "the domain's name must have 1 to 15 characters: "
					    "letters, digits, - and _");
		domain = &at->config->domains[at->config->n_domains++];
		qda_domain_defaults(at->config, domain);
		snprintf(domain->name, sizeof(domain->name), "%s", name);
		snprintf(domain->where, sizeof(domain->where), "%.200s:%u: ", at->path, at->line);
	}
	if (!strcmp(at->key, "device"))
		return take_device(at, &domain->accel);
	if (!strcmp(at->key, "node"))
		return qda_take_string(at, &domain->node);
	if (!strcmp(at->key, "shell"))
		return qda_take_string(at, &domain->shell);
	if (!strcmp(at->key, "socket"))
		return qda_take_string(at, &domain->socket);
	if (!strcmp(at->key, "program"))
		return qda_take_string(at, &domain->program);
	if (!strcmp(at->key, "modules"))
		return take_dirs(at, domain->modules);
	if (!strcmp(at->key, "in_flight"))
		return qda_take_u32(at, 1, 255, &domain->in_flight);
	if (!strcmp(at->key, "hang_ms"))
		return qda_take_u32(at, 0, 86400000, &domain->hang_ms);
	if (!strcmp(at->key, "reserved_sessions"))
		return qda_take_u32(at, 0, 255, &domain->reserved_sessions);
	return qda_complain(at, "no such key in [domain]: device, in_flight, hang_ms, "
			    "reserved_sessions; of soft: socket, program, modules; of accel: node, "
			    "shell");
}

static bool take_value(const struct qda_place *at, const char *section)
{
	if (!strcmp(section, "daemon"))
		return take_daemon(at);
	if (!strncmp(section, "domain ", 7))
		return take_domain(at, section + 7);
	if (!strcmp(section, "connection"))
		return qda_take_limit(at, at->config->rules->connection_limits);
	if (!strncmp(section, "quota ", 6))
		return qda_take_quota(at, section + 6);
	if (!strncmp(section, "policy ", 7))
		return qda_take_policy(at, section + 7);
	if (!strcmp(section, "total"))
		return qda_take_limit(at, at->config->rules->total_limits);
	return qda_complain(at, "in [%.60s]: no such section: [daemon], [domain NAME], [policy NAME], "
			    "[connection], [quota NAME], [total]", section);
}

/* One file being read. */
struct reader {
	struct qda_place at;
	FILE *file;
	unsigned wrong; /* the line of the last value looked at */
	unsigned domain; /* the line of a [domain NAME] of which no key was read yet, or 0 */
	int err;	/* of reading */
};

/* What libinih would misread: it breaks long lines in two, ends a line at a NUL byte, and takes an
 * indented one for more of the value before it. NULL when there is nothing. */
static const char *find_fault(const struct reader *reader, const char *line)
{
	size_t n = strlen(line), blanks = strspn(line, " \t\v\f\r");

	if (n > LINE_MAX_BYTES)
		return "the line is longer than 190 bytes";
	if (!n || (line[n - 1] != '\n' && !feof(reader->file)))
		return "there is a NUL byte in the line";
	if (blanks && !strchr(";#\n", line[blanks]))
		return "a line must not begin with blanks";
	return NULL;
}

/* libinih's handler: 0 is an error, and the first one is what counts. */
static int on_value(void *user, const char *section, const char *key, const char *value)
{
	struct reader *reader = user;

	if (*reader->at.config->error)
		return 0;
	reader->at.key = key;
	reader->at.value = value;
	reader->wrong = reader->at.line;
	reader->domain = 0;
	return take_value(&reader->at, section);
}

/* libinih does not tell of sections without keys. Of others, nothing is lost. */
static void look_for_empty_domain(struct reader *reader, const char *line)
{
	struct qda_config *config = reader->at.config;

	if (line && *line != '[')
		return;
	if (reader->domain && !*config->error)
		snprintf(config->error, sizeof(config->error),
			 "%.200s:%u: there is nothing in this section: device=soft or device=accel "
			 "is wanted",
			 reader->at.path, reader->domain);
	reader->domain = line && !strncmp(line, "[domain ", 8) ? reader->at.line : 0;
}

/* libinih's reader: counts lines, and ends at one that libinih would misread. */
static char *read_line(char *to, int size, void *stream)
{
	struct reader *reader = stream;
	struct qda_config *config = reader->at.config;
	char *line = fgets(to, size, reader->file);
	const char *fault;

	if (!line) {
		reader->err = ferror(reader->file) ? errno : 0;
		look_for_empty_domain(reader, NULL);
		return NULL;
	}
	reader->at.line++;
	look_for_empty_domain(reader, line);
	fault = find_fault(reader, line);
	if (!fault)
		return line;
	if (!*config->error)
		snprintf(config->error, sizeof(config->error), "%.200s:%u: %s", reader->at.path,
			 reader->at.line, fault);
	return NULL;
}

static int cannot_read(struct qda_config *config, const char *path, int err)
{
	snprintf(config->error, sizeof(config->error), "%.400s: %s", path, strerrordesc_np(err));
	return -err;
}

int qda_config_read(struct qda_config *config, const char *path)
{
	struct reader reader = {
		.at = { .config = config, .path = path },
		.file = fopen(path, "re"),
	};
	int line;

	if (!reader.file)
		return cannot_read(config, path, errno);
	line = ini_parse_stream(read_line, &reader, on_value, &reader);
	fclose(reader.file);
	if (reader.err)
		return cannot_read(config, path, reader.err);
	/* libinih goes on behind a line that it cannot read. */
	if (line && (!*config->error || (unsigned)line < reader.wrong))
		snprintf(config->error, sizeof(config->error),
			 "%.200s:%d: neither [section], key=value nor ; comment", path, line);
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

static int check_domain(struct qda_config *config, const struct qda_domain_config *domain)
{
	const char *key = NULL;

	if (domain->accel)
		key = domain->socket	 ? "socket" :
		      domain->program	 ? "program" :
		      domain->modules[0] ? "modules" :
					   NULL;
	else
		key = domain->node ? "node" : domain->shell ? "shell" : NULL;
	if (!key)
		return 0;
	snprintf(config->error, sizeof(config->error), "%s[domain %s]: %s goes with device=%s only",
		 domain->where, domain->name, key, domain->accel ? "soft" : "accel");
	return -EINVAL;
}

int qda_config_check(struct qda_config *config)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < config->n_domains; i++)
		r = check_domain(config, &config->domains[i]);
	return r == 0 ? qda_drafts_finish(config) : r;
}
