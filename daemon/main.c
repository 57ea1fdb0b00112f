/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdad: puts the parts together and takes them apart again. Options, configuration, one loop with
 * its signals and the deadline timer, drain at the end. Nothing here is on the path of a request.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/domain.h"
#include "device/device.h"
#include "front/dbus/dbus.h"
#include "front/front.h"
#include "front/metrics.h"
#include "journal.h"
#include "qdad.h"
#include "util/stall.h"

#define CLOSE_MS 3000u /* for the DSP to let sessions go at the end */

/* --- what core is handed --- */

static uint32_t next_random(void)
{
	static uint32_t pool[64];
	static unsigned left;

	if (!left) {
		if (getrandom(pool, sizeof(pool), 0) != sizeof(pool))
			abort(); /* cannot happen for 256 bytes after boot */
		left = sizeof(pool) / sizeof(*pool);
	}
	return pool[--left];
}

/* --- the loop --- */

static void on_deadline(uv_timer_t *timer)
{
	struct qdad *q = timer->data;

	qda_stall_mark();
	q->armed_ns = 0;
	qda_core_expire(q->core);
}

static void arm_deadline(struct qdad *q)
{
	uint64_t next = qda_core_next_deadline(q->core), now;

	if (!next || (q->armed_ns && q->armed_ns <= next))
		return;
	q->armed_ns = next;
	now = uv_hrtime();
	uv_update_time(&q->loop);
	uv_timer_start(&q->deadline, on_deadline, next > now ? (next - now + 999999) / 1000000 : 0,
		       0);
}

static void report_ready(struct qdad *q)
{
	qda_notify_ready(&q->notify);
	if (q->options.ready_fd < 0)
		return;
	if (write(q->options.ready_fd, "ready\n", 6) != 6)
		qdad_say("--ready-fd %d: nobody reads there", q->options.ready_fd);
	close(q->options.ready_fd);
	q->options.ready_fd = -1;
}

/* By default the service is on the system's bus, and nobody's own broker on any. */
static void join_bus(struct qdad *q)
{
	struct qda_dbus_config dbus = {
		.bus = q->config.bus ? q->config.bus : q->config.user_mode ? "none" : "system",
		.say = qdad_say,
	};

	if (strcmp(dbus.bus, "none") && qda_dbus_new(q->front, &dbus, &q->dbus) < 0)
		qdad_say("D-Bus (%s): out of memory: not served there", dbus.bus);
}

/* When each domain has been known to be up or down: who asks for the daemon to be started wants a
 * DSP, not to hear that it is starting. Once is enough: software DSPs that say nothing are tried
 * again and again. */
static void try_serve(struct qdad *q)
{
	struct qda_domain *domain;

	if (q->serving || q->state != QDAD_RUNNING)
		return;
	TAILQ_FOREACH (domain, &q->core->domains, link)
		if (!domain->known)
			return;
	q->serving = true;
	qda_front_begin(q->front);
	join_bus(q);
	report_ready(q);
}

static void close_handle(uv_handle_t *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void on_end_late(uv_timer_t *timer)
{
	struct qdad *q = timer->data;

	qda_stall_mark();
	qdad_say("a device did not let go within %u ms; leaving it to the kernel", CLOSE_MS);
	q->state = QDAD_GIVEN_UP;
	uv_stop(&q->loop);
}

/* The last step: devices go, then the loop runs dry; but for the timer, which does not keep it. */
static void finish(struct qdad *q)
{
	struct qda_domain *domain;

	q->state = QDAD_FINISHED;
	uv_timer_start(&q->patience, on_end_late, CLOSE_MS, 0);
	uv_unref((uv_handle_t *)&q->patience);
	while ((domain = TAILQ_FIRST(&q->core->domains)))
		qda_domain_free(domain);
	close_handle((uv_handle_t *)&q->before_wait);
	close_handle((uv_handle_t *)&q->deadline);
	close_handle((uv_handle_t *)&q->term);
	close_handle((uv_handle_t *)&q->interrupt);
	close_handle((uv_handle_t *)&q->hangup);
	qda_notify_deinit(&q->notify);
}

static void on_close_late(uv_timer_t *timer)
{
	struct qdad *q = timer->data;

	qdad_say("the DSP did not end %" PRIu32 " sessions within %u ms; leaving them to it",
	    q->core->n_sessions, CLOSE_MS);
	q->state = QDAD_GIVEN_UP;
	uv_stop(&q->loop);
}

static void begin_close(struct qdad *q)
{
	q->state = QDAD_CLOSING;
	qda_dbus_close(q->dbus);
	q->dbus = NULL;
	qda_metrics_close(q->metrics); /* uses the front's disposer */
	qda_front_close(q->front);
	uv_timer_start(&q->patience, on_close_late, CLOSE_MS, 0);
}

static void on_drain_late(uv_timer_t *timer)
{
	qda_stall_mark();
	begin_close(timer->data);
}

static void on_stop(uv_signal_t *signal, int number)
{
	struct qdad *q = signal->data;

	qda_stall_mark();
	if (q->state == QDAD_RUNNING) {
		q->state = QDAD_DRAINING;
		qda_notify_stopping(&q->notify);
		qda_front_stop(q->front);
		qda_core_drain(q->core);
		uv_timer_start(&q->patience, on_drain_late, q->config.drain_ms, 0);
	} else if (q->state == QDAD_DRAINING) {
		begin_close(q);
	}
}

/* Of whoever asked for it; or the kernel's, when the terminal that we were started from is gone. */
static void on_hangup(uv_signal_t *signal, int number)
{
	struct qdad *q = signal->data;
	struct qda_fail fail;

	if (!isatty(STDIN_FILENO) && errno == EIO) {
		on_stop(signal, number);
		return;
	}
	qda_stall_mark();
	qdad_reload(q, NULL, &fail); /* it tells those who are to know */
}

static void on_before_wait(uv_prepare_t *prepare)
{
	struct qdad *q = prepare->data;

	arm_deadline(q);
	try_serve(q);
	qda_notify_look(&q->notify);
	if (q->state == QDAD_DRAINING && qda_core_idle(q->core))
		begin_close(q);
	if (q->state == QDAD_CLOSING && !q->core->n_sessions)
		finish(q);
	qda_stall_rest();
}

static void init_loop(struct qdad *q)
{
	uv_loop_init(&q->loop);
	q->before_wait.data = q->deadline.data = q->patience.data = q->term.data =
		q->interrupt.data = q->hangup.data = q;
	uv_prepare_init(&q->loop, &q->before_wait);
	uv_prepare_start(&q->before_wait, on_before_wait);
	uv_timer_init(&q->loop, &q->deadline);
	uv_timer_init(&q->loop, &q->patience);
	uv_signal_init(&q->loop, &q->term);
	uv_signal_start(&q->term, on_stop, SIGTERM);
	uv_signal_init(&q->loop, &q->interrupt);
	uv_signal_start(&q->interrupt, on_stop, SIGINT);
	uv_signal_init(&q->loop, &q->hangup);
	uv_signal_start(&q->hangup, on_hangup, SIGHUP);
}

/* --- start --- */

static int make_core(struct qdad *q)
{
	struct qda_core_config core = {
		.now = uv_hrtime,
		.random = next_random,
		.user_mode = q->config.user_mode,
		.daemon_uid = getuid(),
		/* Who has a broker of their own sees what their programs print. */
		.happened = qda_journal_begin(uv_hrtime, !q->config.user_mode) ?
				    qda_journal_happened : NULL,
	};
	int r = qda_core_new(&core, q->config.rules, &q->core);

	if (r == 0)
		q->config.rules = NULL; /* core's from here on */
	return r;
}

static int reload(void *owner, const struct qda_client *by, struct qda_fail *fail)
{
	return qdad_reload(owner, by, fail);
}

static int make_front(struct qdad *q)
{
	struct qda_front_config front = {
		.socket_path = q->config.socket,
		.handed_fd = q->handed.requests,
		.mode = q->config.user_mode ? 0600 : 0666,
		.hello_ms = q->config.hello_ms,
		.version = "qdad " QDA_VERSION,
		.reload = reload,
		.owner = q,
	};
	int r = qda_front_new(&q->loop, q->core, &front, &q->front);

	if (r == -EADDRINUSE)
		qdad_say("%s: another qdad listens there; stop it, or give another --socket",
		    q->config.socket);
	else if (r == -EEXIST)
		qdad_say("%s: there is something that is no socket, which is left alone; give another "
			 "--socket", q->config.socket);
	else if (r < 0)
		qdad_say("%s: cannot listen: %s; is the directory there and yours? (qdad --user needs "
		    "none)",
		    q->config.socket, qda_strerror(r));
	return r;
}

static int make_metrics(struct qdad *q)
{
	int r = 0;

	if (q->config.metrics || q->handed.metrics >= 0)
		r = qda_metrics_new(&q->loop, q->front, q->handed.metrics, q->config.metrics,
				    &q->metrics);
	if (r == 0)
		return 0;
	qdad_say("%s: cannot listen for metrics: %s; [daemon] metrics=PATH puts its socket elsewhere, "
		 "metrics=none leaves it out",
		 q->config.metrics, qda_strerror(r));
	qda_front_stop(q->front); /* its socket file goes */
	return r;
}

/* Nothing of the daemon needs what is out of reach now; without, it runs all the same. */
static void confine(void)
{
	const char *mode = secure_getenv("QDAD_SECCOMP");
	int r;

	if (mode && !strcmp(mode, "off"))
		return;
	r = qda_device_confine(mode && !strcmp(mode, "kill"));
	if (r < 0)
		qdad_say("ioctls are not limited to those of the drivers: %s", qda_strerror(r));
}

static int run(struct qdad *q)
{
	int r = make_core(q);

	if (r < 0)
		return r;
	confine();
	init_loop(q);
	r = qda_notify_init(&q->notify, &q->loop, q->core);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < q->config.n_domains; i++) {
		r = qdad_make_domain(q, &q->config.domains[i]);
		if (r < 0)
			return r;
	}
	r = make_front(q);
	if (r == 0)
		r = make_metrics(q);
	if (r < 0)
		return r;
	if (isatty(STDERR_FILENO))
		qdad_say("listening at %s", q->config.socket);
	qda_stall_begin();
	uv_run(&q->loop, UV_RUN_DEFAULT);
	if (q->state == QDAD_GIVEN_UP)
		_exit(0); /* what is left is held by a DSP, or by threads that wait for a driver */
	close_handle((uv_handle_t *)&q->patience);
	uv_run(&q->loop, UV_RUN_DEFAULT);
	q->front = qda_front_free(q->front);
	q->core = qda_core_free(q->core);
	return uv_loop_close(&q->loop);
}

int main(int argc, char **argv)
{
	struct qdad q = { 0 };
	const char *why;
	int r;

	r = qda_notify_take_sockets(&q.handed, &why);
	qda_options_parse(argc, argv, &q.options);
	if (r < 0) {
		qdad_say("the sockets handed over by the service manager: %s", why);
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	umask(0077);
	r = qda_config_init(&q.config, q.options.user_mode);
	if (r == 0)
		r = qdad_prepare(&q.config, &q.options, false);
	if (r < 0)
		qdad_say("%s", *q.config.error ? q.config.error : qda_strerror(r));
	else if (!q.options.check_only)
		r = run(&q);
	qda_config_deinit(&q.config);
	return r < 0 ? 1 : 0;
}
