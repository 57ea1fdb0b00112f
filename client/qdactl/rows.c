/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rows of GetStatus as JSON, with the names they have in the protocol. The one request that the
 * library has no public function for.
 */
#include "qdactl.h"

#include "internal.h"

#include <errno.h>

#define PAGES_MAX 100000 /* of a broker that never comes to an end */

struct page {
	struct json_object *rows;
	uint64_t next;
};

static void add_number(struct json_object *o, const char *key, uint64_t n)
{
	json_object_object_add(o, key, json_object_new_uint64(n));
}

static void add_text(struct json_object *o, const char *key, const char *s)
{
	json_object_object_add(o, key, json_object_new_string(s));
}

static void add_flag(struct json_object *o, const char *key, bool b)
{
	json_object_object_add(o, key, json_object_new_boolean(b));
}

static struct json_object *daemon_row(const struct qda_msg_daemon_row *row)
{
	struct json_object *o = json_object_new_object();

	add_text(o, "version", row->version);
	add_text(o, "state", row->state);
	add_text(o, "socket", row->socket);
	add_number(o, "pid", row->pid);
	add_number(o, "uid", row->uid);
	add_flag(o, "user_mode", row->user_mode);
	add_number(o, "uptime_ns", row->uptime_ns);
	add_number(o, "clients", row->clients);
	add_number(o, "sessions", row->sessions);
	add_number(o, "buffer_bytes", row->buffer_bytes);
	add_number(o, "calls", row->calls);
	add_number(o, "refused", row->refused);
	return o;
}

static struct json_object *domain_row(const struct qda_msg_domain *row)
{
	struct json_object *o = json_object_new_object();

	add_text(o, "name", row->name);
	add_text(o, "state", row->state);
	add_text(o, "text", row->text);
	add_text(o, "device", row->device);
	add_number(o, "arch", row->arch);
	add_flag(o, "unsigned_pd", row->unsigned_pd);
	add_number(o, "sessions", row->sessions);
	add_number(o, "sessions_max", row->sessions_max);
	add_number(o, "in_flight", row->in_flight);
	add_number(o, "queued", row->queued);
	add_number(o, "calls", row->calls);
	add_number(o, "busy_ns", row->busy_ns);
	add_number(o, "in_flight_max", row->in_flight_max);
	add_number(o, "parked", row->parked);
	add_number(o, "quarantined", row->quarantined);
	add_number(o, "waiting", row->waiting);
	return o;
}

static struct json_object *client_row(const struct qda_msg_client_row *row)
{
	struct json_object *o = json_object_new_object();

	add_number(o, "id", row->id);
	add_text(o, "name", row->name);
	add_number(o, "pid", row->pid);
	add_number(o, "uid", row->uid);
	add_number(o, "sessions", row->sessions);
	add_number(o, "buffers", row->buffers);
	add_number(o, "buffer_bytes", row->buffer_bytes);
	add_number(o, "handles", row->handles);
	add_number(o, "calls_now", row->calls_now);
	add_number(o, "calls", row->calls);
	add_number(o, "refused", row->refused);
	add_number(o, "busy_ns", row->busy_ns);
	add_number(o, "age_ns", row->age_ns);
	add_text(o, "unit", row->unit);
	add_text(o, "program", row->program);
	add_text(o, "label", row->label);
	add_text(o, "rule", row->rule);
	add_number(o, "in_flight", row->in_flight);
	return o;
}

static struct json_object *session_row(const struct qda_msg_session_row *row)
{
	struct json_object *o = json_object_new_object();

	add_number(o, "id", row->id);
	add_number(o, "client", row->client);
	add_text(o, "domain", row->domain);
	add_text(o, "state", row->state);
	add_number(o, "modules", row->modules);
	add_number(o, "calls_now", row->calls_now);
	add_number(o, "calls", row->calls);
	add_number(o, "busy_ns", row->busy_ns);
	add_number(o, "age_ns", row->age_ns);
	add_text(o, "kind", row->kind ? "privileged" : "unsigned");
	add_number(o, "queued", row->queued);
	add_number(o, "parked", row->parked);
	return o;
}

static int take_page(void *data, const struct qda_delivery *in, struct qda_error *err)
{
	const struct qda_msg_reply *r = in->reply;
	struct page *page = data;

	if (r->get_status.has_daemon)
		json_object_array_add(page->rows, daemon_row(&r->get_status.daemon));
	for (uint32_t i = 0; i < r->get_status.n_domains; i++)
		json_object_array_add(page->rows, domain_row(&r->get_status.domains[i]));
	for (uint32_t i = 0; i < r->get_status.n_clients; i++)
		json_object_array_add(page->rows, client_row(&r->get_status.clients[i]));
	for (uint32_t i = 0; i < r->get_status.n_sessions; i++)
		json_object_array_add(page->rows, session_row(&r->get_status.sessions[i]));
	page->next = r->get_status.next;
	return 0;
}

int get_rows(struct qda_client *client, enum status_kind kind, struct json_object **out,
	     struct qda_error *err)
{
	struct page page = { json_object_new_array(), 0 };
	int r = 0;

	for (unsigned n = 0; n < PAGES_MAX; n++) {
		struct qda_msg_request request = {
			.type = QDA_TYPE_GET_STATUS,
			.get_status = { kind, page.next },
		};

		r = qda_request(client, &request, NULL, 0, take_page, &page, err);
		if (r || !page.next)
			break;
	}
	if (r)
		json_object_put(page.rows);
	else
		*out = page.rows;
	return r;
}
