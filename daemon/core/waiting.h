/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting for a session: a domain has few context banks. A request that finds none free may wait
 * until its own deadline. It is charged as the session that it will be, so nobody can have more
 * requests waiting than sessions.
 *
 * A bank that comes back goes to the user (account of a uid) that holds the fewest of the domain
 * then; among its requests, and among users that hold the same, to who came first. Nobody goes
 * before those who wait and hold as few.
 *
 * The last banks, as many as the domain reserves, are for users that hold none: however much the
 * others want, the next one finds something.
 */
#pragma once

#include "core/client.h"

struct qda_domain;
struct qda_session;
struct qda_session_request;

TAILQ_HEAD(qda_waiting_list, qda_waiting);

/* Is one free that its user may have? */
bool qda_waiting_has_bank(const struct qda_session *session);
/* A session that is asked for now: would it be the next to get one? */
bool qda_waiting_is_next(const struct qda_session *session);
/* Always -EUSERS: how many hold the context banks and wait for them. */
int qda_waiting_explain(const struct qda_session *session, struct qda_fail *fail);

/* Wait: 0, or the reason why it cannot. Descriptors of directories are duplicated and charged. */
int qda_waiting_add(struct qda_session *session, const struct qda_session_request *request,
		    struct qda_fail *fail);
/* It waits no more. */
void qda_waiting_remove(struct qda_session *session);

/* Start as many as there are banks for. */
void qda_waiting_serve(struct qda_domain *domain);
/* None will come: all are answered so. */
void qda_waiting_end(struct qda_domain *domain, const struct qda_fail *fail);
/* The client takes back the request with that serial. false: it does not wait. */
bool qda_waiting_cancel(struct qda_client *client, uint64_t serial);
/* How many wait. */
uint32_t qda_waiting_count(const struct qda_domain *domain);
