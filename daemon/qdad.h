/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon as a whole: what main.c puts together, and the steps before that. Only for the files
 * beside this one; nothing here is on the path of a request.
 */
#pragma once

#include <uv.h>

#include "config.h"
#include "core/core.h"
#include "notify.h"

struct qda_client;
struct qda_domain;
struct qda_dbus;
struct qda_front;
struct qda_metrics;

struct qda_options {
	const char *config, *socket;
	char *modules[QDA_MODULE_DIRS_MAX + 1];
	unsigned n_modules;
	int ready_fd;
	bool user_mode, check_only;
};

struct qdad {
	uv_loop_t loop;
	uv_prepare_t before_wait;
	uv_timer_t deadline; /* the next one of core */
	uv_timer_t patience; /* with drain, then with closing */
	uv_signal_t term, interrupt, hangup;
	struct qda_options options;
	struct qda_config config;
	struct qda_core *core;
	struct qda_front *front;
	struct qda_dbus *dbus;
	struct qda_metrics *metrics;
	struct qda_notify notify;
	struct qda_handed handed;	/* the service manager's sockets */
	uint64_t armed_ns;
	bool serving;		/* clients: from the start on, once domains are known to be up or down */
	enum { QDAD_RUNNING, QDAD_DRAINING, QDAD_CLOSING, QDAD_FINISHED, QDAD_GIVEN_UP } state;
};

/* In options.c. Ends the program where that is what an option wants, or where one is wrong. */
void qda_options_parse(int argc, char **argv, struct qda_options *options);
/* Directories, one for each part between separators. -EINVAL: more than fit. Keeps pointers. */
int qda_options_add_modules(struct qda_options *options, char *list, const char *separators);
/* A line to standard error. */
void qdad_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* In prepare.c: read the configuration that the options name, check it, and complete it with what
 * this machine has; with domains when it names none, unless the daemon is running and has its own.
 * config is fresh from qda_config_init(). 0, or a negative errno with config->error unless memory
 * is short. */
int qdad_prepare(struct qda_config *config, struct qda_options *options, bool running);

/* In domains.c: make the domain and its device, as configured. */
int qdad_make_domain(struct qdad *q, const struct qda_domain_config *config);

/* In reload.c: read the configuration anew and apply what can change while running: rules, limits,
 * weights, in_flight, hang_ms, reserved_sessions, hello_ms, drain_ms, session_in_flight,
 * client_in_flight. 0: it holds now; fail->text
 * says what of it needs a restart, and is empty when nothing does. Else a negative errno with
 * *fail: nothing has changed. Good or not, the service manager, the journal (else standard error)
 * and those who watch are told. by: the client who asked for it, NULL: a signal. */
int qdad_reload(struct qdad *q, const struct qda_client *by, struct qda_fail *fail);
