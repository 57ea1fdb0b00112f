/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is going on, as rows of the protocol. Lists are walked in the order of ids; a page ends when
 * it is full.
 */
#include <unistd.h>

#include "core/domain.h"
#include "core/session.h"
#include "front/conn.h"

enum status_kind { STATUS_DAEMON, STATUS_DOMAINS, STATUS_CLIENTS, STATUS_SESSIONS };

#define PAGE_ROWS 32u

void qda_rows_domains(struct qda_core *core, struct qda_rows *rows, uint32_t *n)
{
	const struct qda_domain *domain;

	*n = 0;
	TAILQ_FOREACH (domain, &core->domains, link) {
		if (*n == QDA_ROWS_MAX)
			break;
		rows->domains[(*n)++] = (struct qda_msg_domain){
			.name = domain->name,
			.state = qda_domain_state_name(domain->state),
			.device = domain->info.kind,
			.text = domain->state == QDA_DEVICE_UP ? domain->note : domain->why,
			.arch = domain->info.arch,
			.sessions_max = domain->info.sessions_max,
			.sessions = domain->sessions,
			.in_flight = domain->in_flight,
			.queued = domain->queued,
			.calls = domain->calls,
			.busy_ns = domain->busy_ns,
			.unsigned_pd = domain->info.unsigned_pd,
			.in_flight_max = domain->in_flight_max,
			.parked = domain->parked,
			.quarantined = domain->quarantined,
			.waiting = qda_waiting_count(domain),
		};
	}
}

static void fill_daemon(const struct qda_conn *conn, struct qda_msg_daemon_row *row)
{
	const struct qda_core *core = conn->front->core;

	*row = (struct qda_msg_daemon_row){
		.version = conn->front->config.version,
		.state = core->draining ? "draining" : "running",
		.socket = conn->front->config.socket_path,
		.pid = getpid(),
		.uid = core->config.daemon_uid,
		.user_mode = core->config.user_mode,
		.uptime_ns = qda_core_now(core) - core->started_ns,
		.clients = core->n_clients,
		.sessions = core->n_sessions,
		.buffer_bytes = core->total.used[QDA_RES_BUFFER_BYTES],
		.calls = core->calls,
		.refused = core->refused,
	};
}

static uint32_t in_flight(const struct qda_client *client)
{
	const struct qda_session *session;
	uint32_t n = 0;

	TAILQ_FOREACH (session, &client->sessions, link)
		n += session->in_flight;
	return n;
}

static void fill_client(const struct qda_client *client, struct qda_msg_client_row *row)
{
	*row = (struct qda_msg_client_row){
		.id = client->id,
		.name = client->name,
		.uid = client->principal.uid,
		.pid = client->principal.pid,
		.sessions = client->n_sessions,
		.buffers = client->n_buffers,
		.buffer_bytes = client->account.used[QDA_RES_BUFFER_BYTES],
		.handles = client->n_modules,
		.calls_now = client->account.used[QDA_RES_CALLS],
		.calls = client->n_calls,
		.refused = client->n_refused,
		.busy_ns = client->busy_ns,
		.age_ns = qda_core_now(client->core) - client->since_ns,
		.unit = client->principal.unit,
		.program = client->principal.program,
		.label = client->principal.label,
		.rule = client->user->rule,
		.in_flight = in_flight(client),
	};
}

static void clients(const struct qda_conn *conn, uint64_t cursor, struct qda_rows *rows,
		    struct qda_msg_reply *reply)
{
	const struct qda_client *client;

	TAILQ_FOREACH (client, &conn->front->core->clients, link) {
		if (client->id <= cursor ||
		    !qda_client_may_see(conn->client, client->principal.uid))
			continue;
		if (reply->get_status.n_clients == PAGE_ROWS) {
			reply->get_status.next = rows->clients[PAGE_ROWS - 1].id;
			break;
		}
		fill_client(client, &rows->clients[reply->get_status.n_clients++]);
	}
	reply->get_status.clients = rows->clients;
}

static void fill_session(const struct qda_session *session, struct qda_msg_session_row *row)
{
	*row = (struct qda_msg_session_row){
		.id = session->number,
		.client = session->client->id,
		.domain = session->domain->name,
		.state = qda_session_state_name(session->state),
		.modules = session->n_modules,
		.calls_now = session->in_flight,
		.calls = session->n_calls,
		.busy_ns = session->busy_ns,
		.age_ns = qda_core_now(session->client->core) - session->since_ns,
		.kind = session->kind,
		.queued = session->queued,
		.parked = session->parked,
	};
}

/* The cursor is a client's id and how many of its sessions were shown: a page may end inside a
 * client. */
static void sessions(const struct qda_conn *conn, uint64_t cursor, struct qda_rows *rows,
		     struct qda_msg_reply *reply)
{
	const struct qda_client *client;
	const struct qda_session *session;
	uint64_t skip;

	TAILQ_FOREACH (client, &conn->front->core->clients, link) {
		if (client->id < cursor >> 16 ||
		    !qda_client_may_see(conn->client, client->principal.uid))
			continue;
		skip = client->id == cursor >> 16 ? cursor & 0xffff : 0;
		uint64_t at = 0;

		TAILQ_FOREACH (session, &client->sessions, link) {
			if (at++ < skip)
				continue;
			if (reply->get_status.n_sessions == PAGE_ROWS) {
				reply->get_status.next = client->id << 16 | (at - 1);
				goto out;
			}
			fill_session(session, &rows->sessions[reply->get_status.n_sessions++]);
		}
	}
out:
	reply->get_status.sessions = rows->sessions;
}

void qda_rows_status(struct qda_conn *conn, uint32_t kind, uint64_t cursor, struct qda_rows *rows,
		     struct qda_msg_reply *reply)
{
	switch ((enum status_kind)kind) {
	case STATUS_DAEMON:
		reply->get_status.has_daemon = true;
		fill_daemon(conn, &reply->get_status.daemon);
		break;
	case STATUS_DOMAINS:
		qda_rows_domains(conn->front->core, rows, &reply->get_status.n_domains);
		reply->get_status.domains = rows->domains;
		break;
	case STATUS_CLIENTS:
		clients(conn, cursor, rows, reply);
		break;
	case STATUS_SESSIONS:
		sessions(conn, cursor, rows, reply);
		break;
	}
}
