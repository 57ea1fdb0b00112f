/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Administration: requests and replies about configuration, quotas and policy. See codec.h.
 */
#include "codec_internal.h"

#include <errno.h>
#include <inttypes.h>

/* --- requests --- */

int qda_codec_take_quota_get(struct qda_decoder *d, const void *message,
			     struct qda_msg_request *out)
{
	out->quota_get.cursor = ((const Qda__QuotaGet *)message)->cursor;
	return 0;
}

int qda_codec_take_quota_set(struct qda_decoder *d, const void *message,
			     struct qda_msg_request *out)
{
	const Qda__QuotaSet *m = message;

	if (m->scope > QDA_QUOTA_CONNECTION)
		return qda_codec_fail(d, "QuotaSet.scope: %u; total (0), uid (1), connection (2)",
				      m->scope);
	out->quota_set.scope = m->scope;
	out->quota_set.uid = m->uid;
	out->quota_set.client = m->client;
	out->quota_set.limit = m->limit;
	if (qda_codec_string(d, "QuotaSet.rule", m->rule, QDA_NAME_MAX, &out->quota_set.rule))
		return -EINVAL;
	return qda_codec_string(d, "QuotaSet.resource", m->resource, QDA_WORD_MAX,
				&out->quota_set.resource);
}

int qda_codec_take_kill(struct qda_decoder *d, const void *message, struct qda_msg_request *out)
{
	const Qda__Kill *m = message;

	if (m->kind > QDA_KILL_SESSION)
		return qda_codec_fail(d, "Kill.kind: %u; client (0) or session (1)", m->kind);
	out->kill.kind = m->kind;
	out->kill.id = m->id;
	return 0;
}

int qda_codec_take_policy_check(struct qda_decoder *d, const void *message,
				struct qda_msg_request *out)
{
	const Qda__PolicyCheck *m = message;

	if (m->n_groups > QDA_GROUPS_MAX)
		return qda_codec_fail(d, "PolicyCheck.groups: %zu, at most %u are allowed",
				      m->n_groups, QDA_GROUPS_MAX);
	if (m->kind > 1)
		return qda_codec_fail(d, "PolicyCheck.kind: %u; unsigned (0) or privileged (1)",
				      m->kind);
	out->policy_check.uid = m->uid;
	out->policy_check.gid = m->gid;
	out->policy_check.kind = m->kind;
	out->policy_check.n_groups = (uint32_t)m->n_groups;
	out->policy_check.groups = m->groups;
	if (qda_codec_string(d, "PolicyCheck.unit", m->unit, QDA_LABEL_MAX,
			     &out->policy_check.unit) ||
	    qda_codec_string(d, "PolicyCheck.action", m->action, QDA_WORD_MAX,
			     &out->policy_check.action) ||
	    qda_codec_string(d, "PolicyCheck.domain", m->domain, QDA_DOMAIN_MAX,
			     &out->policy_check.domain))
		return -EINVAL;
	return qda_codec_string(d, "PolicyCheck.module", m->module, QDA_URI_MAX,
				&out->policy_check.module);
}

void qda_codec_put_quota_get(struct qda_writer *w, const struct qda_msg_request *in)
{
	Qda__QuotaGet m = QDA__QUOTA_GET__INIT;

	m.cursor = in->quota_get.cursor;
	qda_writer_append(w, &m.base);
}

void qda_codec_put_quota_set(struct qda_writer *w, const struct qda_msg_request *in)
{
	Qda__QuotaSet m = QDA__QUOTA_SET__INIT;

	m.scope = in->quota_set.scope;
	m.uid = in->quota_set.uid;
	m.rule = qda_codec_plain(in->quota_set.rule);
	m.client = in->quota_set.client;
	m.resource = qda_codec_plain(in->quota_set.resource);
	m.limit = in->quota_set.limit;
	qda_writer_append(w, &m.base);
}

void qda_codec_put_kill(struct qda_writer *w, const struct qda_msg_request *in)
{
	Qda__Kill m = QDA__KILL__INIT;

	m.kind = in->kill.kind;
	m.id = in->kill.id;
	qda_writer_append(w, &m.base);
}

void qda_codec_put_policy_check(struct qda_writer *w, const struct qda_msg_request *in)
{
	Qda__PolicyCheck m = QDA__POLICY_CHECK__INIT;

	m.uid = in->policy_check.uid;
	m.gid = in->policy_check.gid;
	m.n_groups = in->policy_check.n_groups;
	m.groups = (uint32_t *)in->policy_check.groups;
	m.unit = qda_codec_plain(in->policy_check.unit);
	m.action = qda_codec_plain(in->policy_check.action);
	m.domain = qda_codec_plain(in->policy_check.domain);
	m.kind = in->policy_check.kind;
	m.module = qda_codec_plain(in->policy_check.module);
	qda_writer_append(w, &m.base);
}

/* --- replies --- */

int qda_codec_take_reloaded(struct qda_decoder *d, const void *message, struct qda_msg_reply *out)
{
	return qda_codec_string(d, "ReloadReply.text", ((const Qda__ReloadReply *)message)->text,
				QDA_TEXT_MAX, &out->reload.text);
}

static int take_entries(struct qda_decoder *d, const Qda__QuotaRow *m,
			struct qda_msg_quota_row *out)
{
	struct qda_msg_quota_entry *entries;

	if (m->n_entries > QDA_QUOTA_ENTRIES_MAX)
		return qda_codec_fail(d, "QuotaRow.entries: %zu, at most %u are allowed",
				      m->n_entries, QDA_QUOTA_ENTRIES_MAX);
	entries = qda_codec_alloc(d, m->n_entries * sizeof(*entries));
	if (!entries)
		return qda_codec_fail(d, "QuotaRow.entries: no room for %zu", m->n_entries);
	for (size_t i = 0; i < m->n_entries; i++) {
		const Qda__QuotaEntry *e = m->entries[i];

		entries[i] = (struct qda_msg_quota_entry){
			NULL, e->limit, e->used, e->peak, e->refused
		};
		if (qda_codec_string(d, "QuotaEntry.resource", e->resource, QDA_WORD_MAX,
				     &entries[i].resource))
			return -EINVAL;
	}
	out->n_entries = (uint32_t)m->n_entries;
	out->entries = entries;
	return 0;
}

static int take_row(struct qda_decoder *d, const Qda__QuotaRow *m, struct qda_msg_quota_row *out)
{
	if (m->scope > QDA_QUOTA_CONNECTION)
		return qda_codec_fail(d, "QuotaRow.scope: %u, at most 2 is allowed", m->scope);
	*out = (struct qda_msg_quota_row){
		.scope = m->scope,
		.uid = m->uid,
		.weight = m->weight,
		.client = m->client,
		.requests = m->requests,
		.burst = m->burst,
	};
	if (qda_codec_string(d, "QuotaRow.rule", m->rule, QDA_NAME_MAX, &out->rule) ||
	    qda_codec_string(d, "QuotaRow.name", m->name, QDA_NAME_MAX, &out->name))
		return -EINVAL;
	return take_entries(d, m, out);
}

int qda_codec_take_quota_rows(struct qda_decoder *d, const void *message,
			      struct qda_msg_reply *out)
{
	const Qda__QuotaGetReply *m = message;
	struct qda_msg_quota_row *rows;

	if (m->n_rows > QDA_QUOTA_ROWS_MAX)
		return qda_codec_fail(d, "QuotaGetReply.rows: %zu, at most %u are allowed",
				      m->n_rows, QDA_QUOTA_ROWS_MAX);
	rows = qda_codec_alloc(d, m->n_rows * sizeof(*rows));
	if (!rows)
		return qda_codec_fail(d, "QuotaGetReply.rows: no room for %zu", m->n_rows);
	for (size_t i = 0; i < m->n_rows; i++)
		if (take_row(d, m->rows[i], &rows[i]))
			return -EINVAL;
	out->quota_get.n = (uint32_t)m->n_rows;
	out->quota_get.rows = rows;
	out->quota_get.next = m->next;
	return 0;
}

int qda_codec_take_verdict(struct qda_decoder *d, const void *message, struct qda_msg_reply *out)
{
	const Qda__PolicyCheckReply *m = message;

	out->policy_check.allow = m->allow;
	return qda_codec_string(d, "PolicyCheckReply.rule", m->rule, QDA_NAME_MAX,
				&out->policy_check.rule);
}

void qda_codec_put_reloaded(struct qda_writer *w, const struct qda_msg_reply *in)
{
	Qda__ReloadReply m = QDA__RELOAD_REPLY__INIT;
	char text[QDA_TEXT_MAX + 1];

	m.text = qda_codec_clean(in->reload.text, text, QDA_TEXT_MAX);
	qda_writer_append(w, &m.base);
}

static void put_row(struct qda_writer *w, const struct qda_msg_quota_row *in)
{
	Qda__QuotaGetReply m = QDA__QUOTA_GET_REPLY__INIT;
	Qda__QuotaRow row = QDA__QUOTA_ROW__INIT, *rows = &row;
	Qda__QuotaEntry entries[QDA_QUOTA_ENTRIES_MAX], *list[QDA_QUOTA_ENTRIES_MAX];
	char name[QDA_NAME_MAX + 1], rule[QDA_NAME_MAX + 1];

	if (in->n_entries > QDA_QUOTA_ENTRIES_MAX) {
		w->error = -EMSGSIZE;
		return;
	}
	for (uint32_t i = 0; i < in->n_entries; i++) {
		const struct qda_msg_quota_entry *e = &in->entries[i];

		entries[i] = (Qda__QuotaEntry){
			PROTOBUF_C_MESSAGE_INIT(&qda__quota_entry__descriptor),
			qda_codec_plain(e->resource), e->limit, e->used, e->peak, e->refused,
		};
		list[i] = &entries[i];
	}
	row.scope = in->scope;
	row.uid = in->uid;
	row.rule = qda_codec_clean(in->rule, rule, QDA_NAME_MAX);
	row.client = in->client;
	row.name = qda_codec_clean(in->name, name, QDA_NAME_MAX);
	row.weight = in->weight;
	row.requests = in->requests;
	row.burst = in->burst;
	row.n_entries = in->n_entries;
	row.entries = list;
	m.n_rows = 1;
	m.rows = &rows;
	qda_writer_append(w, &m.base);
}

void qda_codec_put_quota_rows(struct qda_writer *w, const struct qda_msg_reply *in)
{
	Qda__QuotaGetReply last = QDA__QUOTA_GET_REPLY__INIT;

	for (uint32_t i = 0; i < in->quota_get.n; i++)
		put_row(w, &in->quota_get.rows[i]);
	last.next = in->quota_get.next;
	qda_writer_append(w, &last.base);
}

void qda_codec_put_verdict(struct qda_writer *w, const struct qda_msg_reply *in)
{
	Qda__PolicyCheckReply m = QDA__POLICY_CHECK_REPLY__INIT;
	char rule[QDA_NAME_MAX + 1];

	m.allow = in->policy_check.allow;
	m.rule = qda_codec_clean(in->policy_check.rule, rule, QDA_NAME_MAX);
	qda_writer_append(w, &m.base);
}
