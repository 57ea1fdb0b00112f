/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The journal: a table of what is written, and the limit.
 */
#include "journal.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "core/monitor.h"

#define MINUTE_NS 60000000000ull
#define FAILED	  (-1)

/* What is not here is not written. Ids are as in systemd/qdad.catalog. */
static const struct kind {
	const char *what, *id;
	int priority;
	int code;		/* which of them: errno, FAILED any; 0: all */
	const char *says;
} kinds[] = {
	{ "domain-up", "3c0d2f6b8a5e4a0f9b7d1c2e4f6a8b01", LOG_INFO, 0, "is up" },
	{ "domain-down", "3c0d2f6b8a5e4a0f9b7d1c2e4f6a8b02", LOG_WARNING, 0, "is down" },
	{ "session-lost", "3c0d2f6b8a5e4a0f9b7d1c2e4f6a8b03", LOG_WARNING, 0, "a session was lost" },
	{ "session-hung", "3c0d2f6b8a5e4a0f9b7d1c2e4f6a8b04", LOG_WARNING, 0,
	  "a session was ended, since a call held the DSP too long" },
	{ "refused", "3c0d2f6b8a5e4a0f9b7d1c2e4f6a8b05", LOG_NOTICE, EACCES, "refused by the policy" },
	{ "refused", "3c0d2f6b8a5e4a0f9b7d1c2e4f6a8b06", LOG_NOTICE, EDQUOT, "refused by a quota" },
	{ "kill", "3c0d2f6b8a5e4a0f9b7d1c2e4f6a8b07", LOG_NOTICE, 0, "ended by an administrator" },
	{ "reload", "3c0d2f6b8a5e4a0f9b7d1c2e4f6a8b0a", LOG_ERR, FAILED,
	  "the configuration is wrong, that which was read before is kept" },
	{ "reload", "3c0d2f6b8a5e4a0f9b7d1c2e4f6a8b08", LOG_NOTICE, 0, "the configuration was read anew" },
	{ "quota-set", "3c0d2f6b8a5e4a0f9b7d1c2e4f6a8b09", LOG_NOTICE, 0, "a quota was changed" },
};

static struct {
	uint64_t (*now)(void);	/* NULL: nothing is written */
	bool plain;		/* to standard error */
	struct qda_journal_limit limit;
} journal;

bool qda_journal_take(struct qda_journal_limit *limit, uid_t uid, unsigned kind, uint64_t now_ns,
		      unsigned *left_out)
{
	struct qda_journal_slot *slot =
		&limit->slot[(uid * 2654435761u + kind * 40503u) >> 8 & (QDA_JOURNAL_SLOTS - 1)];
	bool same = slot->used && slot->uid == uid && slot->kind == kind;

	*left_out = 0;
	/* One that others still count in is shared, so that many users cannot write without limit.
	 */
	if (!slot->used || now_ns - slot->since_ns >= MINUTE_NS) {
		if (same && slot->n > QDA_JOURNAL_BURST)
			*left_out = slot->n - QDA_JOURNAL_BURST;
		*slot = (struct qda_journal_slot){ now_ns, uid, kind, 0, true };
	}
	return ++slot->n <= QDA_JOURNAL_BURST;
}

bool qda_journal_begin(uint64_t (*now)(void), bool plain)
{
	journal.plain = !getenv("JOURNAL_STREAM");
	journal.now = plain || !journal.plain ? now : NULL;
	return journal.now;
}

bool qda_journal_is_open(void)
{
	return journal.now && !journal.plain;
}

static bool is_of(const struct qda_happening *happening, const struct kind *kind)
{
	if (strcmp(kind->what, happening->what))
		return false;
	if (journal.plain && !strcmp(kind->what, "reload"))
		return false; /* who reloads says it, as with --user */
	if (kind->code == FAILED)
		return happening->code;
	return !kind->code || kind->code == happening->code;
}

static const struct kind *find(const struct qda_happening *happening)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (is_of(happening, &kinds[i]))
			return &kinds[i];
	return NULL;
}

struct entry {
	char text[8][320];
	struct iovec field[8];
	int n;
};

static void add(struct entry *entry, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct entry *entry, const char *format, ...)
{
	char *text = entry->text[entry->n];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(entry->text[0]), format, args);
	va_end(args);
	if (n >= (int)sizeof(entry->text[0]))
		n = sizeof(entry->text[0]) - 1;
	entry->field[entry->n++] = (struct iovec){ text, (size_t)n };
}

/* Whom it is about, where the text does not say so (the policy's does). */
static void say_who(const struct qda_happening *happening, char *text, size_t size)
{
	const struct qda_client *client = happening->client;
	const struct qda_principal *who = &client->principal;

	if (happening->code == EDQUOT)
		snprintf(text, size, "uid %u%s%.64s: ", who->uid, *who->unit ? " in " : "",
			 who->unit);
	else if (!strcmp(happening->what, "kill") && happening->session)
		snprintf(text, size, "session %" PRIu64 " of client %" PRIu64 " (uid %u), ",
			 happening->session, client->id, who->uid);
	else if (!strcmp(happening->what, "kill"))
		snprintf(text, size, "client %" PRIu64 " (uid %u), ", client->id, who->uid);
}

/* The message, in one line: some of it is the DSP's. It is lost where it would have to be waited
 * for: a pipe that nobody reads. */
static void write_line(char *message, const struct qda_client *client, unsigned left_out)
{
	struct pollfd p = { STDERR_FILENO, POLLOUT, 0 };
	char about[64] = "", more[64] = "";

	if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
		return;

	message += strlen("MESSAGE=");
	for (char *c = message; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	if (client)
		snprintf(about, sizeof(about), " [client %" PRIu64 ", uid %u]", client->id,
			 client->principal.uid);
	if (left_out)
		snprintf(more, sizeof(more), " (%u more were left out before)", left_out);
	fprintf(stderr, "qdad: %s%s%s\n", message, about, more);
}

void qda_journal_happened(const struct qda_happening *happening)
{
	const struct kind *kind = journal.now ? find(happening) : NULL;
	const struct qda_client *client = happening->client;
	uid_t uid = client ? client->principal.uid : (uid_t)-1;
	struct entry entry = { .n = 0 };
	unsigned left_out;
	char who[96] = "";

	if (!kind || !qda_journal_take(&journal.limit, uid, (unsigned)(kind - kinds), journal.now(),
				       &left_out))
		return;
	add(&entry, "MESSAGE_ID=%s", kind->id);
	add(&entry, "PRIORITY=%d", kind->priority);
	if (client) {
		add(&entry, "QDA_UID=%u", uid);
		add(&entry, "QDA_CLIENT=%" PRIu64, client->id);
	}
	if (happening->session)
		add(&entry, "QDA_SESSION=%" PRIu64, happening->session);
	if (happening->domain)
		add(&entry, "QDA_DOMAIN=%s", happening->domain);
	if (client)
		say_who(happening, who, sizeof(who));
	add(&entry, "MESSAGE=%s%s%s%s%s%s", happening->domain ? happening->domain : "",
	    happening->domain ? ": " : "", kind->says,
	    happening->text && *happening->text ? ": " : "", who,
	    happening->text ? happening->text : "");
	if (journal.plain) {
		write_line(entry.text[entry.n - 1], client, left_out);
		return;
	}
	if (left_out)
		add(&entry, "QDA_LEFT_OUT=%u", left_out);
	sd_journal_sendv(entry.field, entry.n);
}
