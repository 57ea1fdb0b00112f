/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading the configuration anew. Files are read and names looked up in the loop's thread, as at
 * the start: it takes as long as the name service takes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/domain.h"
#include "core/monitor.h"
#include "front/front.h"
#include "journal.h"
#include "qdad.h"

/* What cannot change while running, for people: "socket, [domain cdsp] node". */
struct remarks {
	char text[256];
	size_t used;
};

static void remark(struct remarks *remarks, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void remark(struct remarks *remarks, const char *format, ...)
{
	char one[64];
	va_list ap;

	va_start(ap, format);
	vsnprintf(one, sizeof(one), format, ap);
	va_end(ap);
	if (remarks->used < sizeof(remarks->text))
		remarks->used += snprintf(remarks->text + remarks->used,
					  sizeof(remarks->text) - remarks->used, "%s%s",
					  remarks->used ? ", " : "", one);
}

static bool is_same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool are_same(char *const *a, char *const *b)
{
	while (*a && *b && !strcmp(*a, *b))
		a++, b++;
	return !*a && !*b;
}

static const struct qda_domain_config *find(const struct qda_config *config, const char *name)
{
	for (unsigned i = 0; i < config->n_domains; i++)
		if (!strcmp(config->domains[i].name, name))
			return &config->domains[i];
	return NULL;
}

static void compare_domain(const struct qda_domain_config *was, const struct qda_domain_config *is,
			   struct remarks *remarks)
{
	if (was->accel != is->accel)
		remark(remarks, "[domain %s] device", was->name);
	if (!is_same(was->node, is->node))
		remark(remarks, "[domain %s] node", was->name);
	if (!is_same(was->shell, is->shell))
		remark(remarks, "[domain %s] shell", was->name);
	if (!is_same(was->socket, is->socket))
		remark(remarks, "[domain %s] socket", was->name);
	if (!is_same(was->program, is->program))
		remark(remarks, "[domain %s] program", was->name);
	if (!are_same(was->modules, is->modules))
		remark(remarks, "[domain %s] modules", was->name);
}

/* Domains that nobody configured, then and now, are as they were. */
static void compare(const struct qda_config *was, const struct qda_config *is,
		    struct remarks *remarks)
{
	if (!is_same(was->socket, is->socket))
		remark(remarks, "[daemon] socket");
	if (!is_same(was->metrics, is->metrics))
		remark(remarks, "[daemon] metrics");
	if (!is_same(was->bus, is->bus))
		remark(remarks, "[daemon] bus");
	if (was->found_domains && is->found_domains)
		return;
	for (unsigned i = 0; i < was->n_domains; i++) {
		const struct qda_domain_config *now = find(is, was->domains[i].name);

		if (now)
			compare_domain(&was->domains[i], now, remarks);
		else
			remark(remarks, "no [domain %s]", was->domains[i].name);
	}
	for (unsigned i = 0; i < is->n_domains; i++)
		if (!find(was, is->domains[i].name))
			remark(remarks, "[domain %s]", is->domains[i].name);
}

static void apply(struct qdad *q, struct qda_config *config)
{
	struct qda_domain_config usual = { .in_flight = 0 };
	struct qda_domain *domain;

	qda_domain_defaults(config, &usual);
	qda_core_apply(q->core, config->rules);
	config->rules = NULL; /* core's from here on */
	qda_front_set_hello_ms(q->front, config->hello_ms);
	q->config.drain_ms = config->drain_ms;
	TAILQ_FOREACH (domain, &q->core->domains, link) {
		const struct qda_domain_config *now = find(config, domain->name);

		if (!now)
			now = &usual;
		qda_domain_configure(domain, now->in_flight, now->hang_ms,
				     now->reserved_sessions);
	}
}

static int read_anew(struct qdad *q, struct qda_fail *fail)
{
	struct remarks remarks = { .used = 0 };
	struct qda_config config;
	int r = qda_config_init(&config, q->options.user_mode);

	if (r == 0)
		r = qdad_prepare(&config, &q->options, true);
	if (r == 0) {
		compare(&q->config, &config, &remarks);
		apply(q, &config);
		qda_fail(fail, 0, "%s%s", remarks.text, remarks.used ? ": needs a restart" : "");
	} else {
		qda_fail(fail, -r, "%s", *config.error ? config.error : qda_strerror(r));
	}
	qda_config_deinit(&config);
	return r;
}

/* What stands in the configuration is not for everybody. */
static void tell(const struct qdad *q, const struct qda_client *by, const struct qda_fail *fail)
{
	qda_monitor(q->core, &(struct qda_happening){ .what = "reload",
						      .client = by,
						      .is_private = true,
						      .code = fail->code,
						      .text = fail->text });
	if (qda_journal_is_open())
		return;
	if (fail->code)
		qdad_say("%s; the configuration that was read before is kept", fail->text);
	else
		qdad_say("the configuration was read anew%s%s", *fail->text ? "; " : "",
			 fail->text);
}

int qdad_reload(struct qdad *q, const struct qda_client *by, struct qda_fail *fail)
{
	int r;

	if (q->state != QDAD_RUNNING)
		return qda_fail(fail, ESHUTDOWN, "the daemon is stopping: it reads nothing anew");
	qda_notify_reloading(&q->notify);
	r = read_anew(q, fail);
	tell(q, by, fail);
	qda_notify_reloaded(&q->notify);
	return r;
}
