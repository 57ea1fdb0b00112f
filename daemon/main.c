/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdad: puts the parts together and takes them apart again. Options, configuration, one loop with
 * its signals and the deadline timer, drain at the end. Nothing here is on the path of a request.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "config.h"
#include "core/domain.h"
#include "front/front.h"

#define FDS_KEPT 64u   /* beside what clients are charged for */
#define CLOSE_MS 3000u /* for the DSP to let sessions go at the end */

struct qdad {
	uv_loop_t loop;
	uv_prepare_t before_wait;
	uv_timer_t deadline; /* the next one of a call */
	uv_timer_t patience; /* with drain, then with closing */
	uv_signal_t term, interrupt;
	struct qda_config config;
	struct qda_core *core;
	struct qda_front *front;
	uint64_t armed_ns;
	int ready_fd;
	enum { RUNNING, DRAINING, CLOSING, GIVEN_UP } state;
};

struct options {
	const char *config, *socket;
	char *modules[QDA_MODULE_DIRS_MAX + 1];
	unsigned n_modules;
	int ready_fd;
	bool user_mode, check_only;
};

static const char usage[] =
	"Usage: qdad [--user] [OPTION]...\n"
	"Shares the DSP of this machine among programs. Without --user it is the system service.\n"
	"\n"
	"  --user             serve the programs of this user only, with a software DSP if "
	"nothing\n"
	"                     else is configured or can be opened; no root needed\n"
	"  --config FILE      read this file instead of /etc/qdad/qdad.conf and "
	"qdad.conf.d/*.conf\n"
	"                     (--user: qdad/qdad.conf in $XDG_CONFIG_HOME or ~/.config)\n"
	"  --socket PATH      listen here instead of /run/qdad/qdad.sock (--user:\n"
	"                     $XDG_RUNTIME_DIR/qdad/qdad.sock)\n"
	"  --modules DIR      with --user: where DSP libraries are looked for; may be repeated.\n"
	"                     Default: $DSP_LIBRARY_PATH (directories with ; or : between them),\n"
	"                     then " QDA_MODULEDIR "\n"
	"  --ready-fd N       write \"ready\" and a newline there when clients may connect\n"
	"  --check-config     read the configuration, say what is wrong with it, and end\n"
	"  --help, --version\n"
	"\n"
	"SIGTERM and SIGINT let calls end (drain_ms), then stop; a second one stops at once.\n";

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fputs("qdad: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
}

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
	struct qda_domain *domain;

	if (q->ready_fd < 0)
		return;
	TAILQ_FOREACH (domain, &q->core->domains, link)
		if (domain->state == QDA_DEVICE_STARTING)
			return;
	if (write(q->ready_fd, "ready\n", 6) != 6)
		say("--ready-fd %d: nobody reads there", q->ready_fd);
	close(q->ready_fd);
	q->ready_fd = -1;
}

static void close_handle(uv_handle_t *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* The last step: devices go, then the loop runs dry. */
static void finish(struct qdad *q)
{
	struct qda_domain *domain;

	while ((domain = TAILQ_FIRST(&q->core->domains)))
		qda_domain_free(domain);
	close_handle((uv_handle_t *)&q->before_wait);
	close_handle((uv_handle_t *)&q->deadline);
	close_handle((uv_handle_t *)&q->patience);
	close_handle((uv_handle_t *)&q->term);
	close_handle((uv_handle_t *)&q->interrupt);
}

static void on_close_late(uv_timer_t *timer)
{
	struct qdad *q = timer->data;

	say("the DSP did not end %" PRIu32 " sessions within %u ms; leaving them to it",
	    q->core->n_sessions, CLOSE_MS);
	q->state = GIVEN_UP;
	uv_stop(&q->loop);
}

static void begin_close(struct qdad *q)
{
	q->state = CLOSING;
	qda_front_close(q->front);
	uv_timer_start(&q->patience, on_close_late, CLOSE_MS, 0);
}

static void on_drain_late(uv_timer_t *timer)
{
	begin_close(timer->data);
}

static void on_stop(uv_signal_t *signal, int number)
{
	struct qdad *q = signal->data;

	if (q->state == RUNNING) {
		q->state = DRAINING;
		qda_front_stop(q->front);
		qda_core_drain(q->core);
		uv_timer_start(&q->patience, on_drain_late, q->config.drain_ms, 0);
	} else if (q->state == DRAINING) {
		begin_close(q);
	}
}

static void on_before_wait(uv_prepare_t *prepare)
{
	struct qdad *q = prepare->data;

	arm_deadline(q);
	report_ready(q);
	if (q->state == DRAINING && qda_core_idle(q->core))
		begin_close(q);
	if (q->state == CLOSING && !q->core->n_sessions)
		finish(q);
}

static void init_loop(struct qdad *q)
{
	uv_loop_init(&q->loop);
	q->before_wait.data = q->deadline.data = q->patience.data = q->term.data =
		q->interrupt.data = q;
	uv_prepare_init(&q->loop, &q->before_wait);
	uv_prepare_start(&q->before_wait, on_before_wait);
	uv_timer_init(&q->loop, &q->deadline);
	uv_timer_init(&q->loop, &q->patience);
	uv_signal_init(&q->loop, &q->term);
	uv_signal_start(&q->term, on_stop, SIGTERM);
	uv_signal_init(&q->loop, &q->interrupt);
	uv_signal_start(&q->interrupt, on_stop, SIGINT);
}

/* --- start --- */

/* As many descriptors as the hard limit gives; what clients may hold in all must fit. */
static void fit_fds(struct qda_config *config)
{
	struct rlimit limit;
	uint64_t room;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 && getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	room = limit.rlim_cur > 2 * FDS_KEPT ? limit.rlim_cur - FDS_KEPT : FDS_KEPT;
	if (config->rules->total_limits[QDA_RES_FDS] <= room)
		return;
	say("[total] fds=%" PRIu64 " is more than RLIMIT_NOFILE leaves: using %" PRIu64,
	    config->rules->total_limits[QDA_RES_FDS], room);
	config->rules->total_limits[QDA_RES_FDS] = room;
}

/* Of the system service: members of one group may use unprivileged sessions. */
static int add_group(struct qda_config *config)
{
	struct qda_rules *rules = config->rules;
	const struct group *group = config->user_mode ? NULL : getgrnam(config->group);

	if (!group)
		return 0;
	rules->policy = calloc(1, sizeof(*rules->policy));
	if (!rules->policy)
		return -ENOMEM;
	rules->n_policy = 1;
	*rules->policy = (struct qda_policy_rule){
		.name = "default",
		.who = { .has_gid = true, .gid = group->gr_gid },
		.kinds = 1u << QDA_SESSION_UNSIGNED,
		.allow = true,
	};
	return 0;
}

static int make_core(struct qdad *q)
{
	struct qda_core_config core = {
		.now = uv_hrtime,
		.random = next_random,
		.user_mode = q->config.user_mode,
		.daemon_uid = getuid(),
	};
	int r = add_group(&q->config);

	if (r == 0)
		r = qda_core_new(&core, q->config.rules, &q->core);
	if (r == 0)
		q->config.rules = NULL; /* core's from here on */
	return r;
}

/* qda-softdsp stands beside this program where both are installed, else in a build tree's sister
 * folder. */
static const char *find_softdsp(char *path, size_t size)
{
	static const char *const places[] = { "qda-softdsp", "../driver/softdsp/qda-softdsp" };
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	char *name;

	if (n <= 0)
		return QDA_BINDIR "/qda-softdsp";
	path[n] = '\0';
	name = strrchr(path, '/') + 1;
	for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++) {
		snprintf(name, size - (name - path), "%s", places[i]);
		if (access(path, X_OK) == 0)
			return path;
	}
	return QDA_BINDIR "/qda-softdsp";
}

static int make_soft(struct qdad *q, const struct qda_domain_config *config,
		     struct qda_domain *domain, struct qda_device **device)
{
	char path[4096];
	struct qda_soft_config soft = {
		.name = config->name,
		.socket_path = config->socket,
		.program = config->program ? config->program : find_softdsp(path, sizeof(path)),
		.module_dirs = (const char *const *)config->modules,
		.client_dirs = q->config.user_mode,
	};

	return qda_soft_new(&q->loop, &soft, &qda_domain_events, domain, device);
}

static int make_accel(struct qdad *q, const struct qda_domain_config *config,
		      struct qda_domain *domain, struct qda_device **device)
{
	struct qda_accel_config accel = {
		.name = config->name,
		.node = config->node,
		.shell = config->shell,
	};

	return qda_accel_new(&q->loop, &accel, &qda_domain_events, domain, device);
}

static int make_domain(struct qdad *q, const struct qda_domain_config *config)
{
	struct qda_domain *domain;
	struct qda_device *device;
	int r = qda_domain_new(q->core, config->name, config->in_flight, &domain);

	if (r == 0)
		r = (config->accel ? make_accel : make_soft)(q, config, domain, &device);
	if (r < 0) {
		say("domain %s: %s", config->name, qda_strerror(r));
		return r;
	}
	qda_domain_attach(domain, device);
	return 0;
}

static int make_front(struct qdad *q)
{
	struct qda_front_config front = {
		.socket_path = q->config.socket,
		.mode = q->config.user_mode ? 0600 : 0666,
		.hello_ms = q->config.hello_ms,
		.version = "qdad " QDA_VERSION,
	};
	int r = qda_front_new(&q->loop, q->core, &front, &q->front);

	if (r == -EADDRINUSE)
		say("%s: another qdad listens there; stop it, or give another --socket",
		    q->config.socket);
	else if (r < 0)
		say("%s: cannot listen: %s; is the directory there and yours? (qdad --user needs "
		    "none)",
		    q->config.socket, qda_strerror(r));
	return r;
}

static int run(struct qdad *q)
{
	int r = make_core(q);

	if (r < 0)
		return r;
	init_loop(q);
	for (unsigned i = 0; i < q->config.n_domains; i++) {
		r = make_domain(q, &q->config.domains[i]);
		if (r < 0)
			return r;
	}
	r = make_front(q);
	if (r < 0)
		return r;
	if (isatty(STDERR_FILENO))
		say("listening at %s", q->config.socket);
	uv_run(&q->loop, UV_RUN_DEFAULT);
	if (q->state == GIVEN_UP)
		return 0; /* the DSP holds what is left */
	q->front = qda_front_free(q->front);
	q->core = qda_core_free(q->core);
	return uv_loop_close(&q->loop);
}

/* --- options and configuration --- */

static int add_modules(struct options *o, char *list, const char *separators)
{
	char *save = NULL;

	for (char *dir = strtok_r(list, separators, &save); dir;
	     dir = strtok_r(NULL, separators, &save)) {
		if (o->n_modules == QDA_MODULE_DIRS_MAX) {
			say("--modules %s: at most %u directories", dir, QDA_MODULE_DIRS_MAX);
			return -EINVAL;
		}
		o->modules[o->n_modules++] = dir;
	}
	return 0;
}

static int parse_fd(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || n < 0 || n > 1 << 20) {
		say("--ready-fd %s: a descriptor number is wanted", text);
		exit(2);
	}
	fcntl(n, F_SETFD, FD_CLOEXEC); /* the software DSP must not keep it open */
	return n;
}

static void parse_options(int argc, char **argv, struct options *o)
{
	enum { USER = 1, CONFIG, SOCKET, MODULES, READY, CHECK, HELP, VERSION };
	static const struct option table[] = {
		{ "user", no_argument, NULL, USER },
		{ "config", required_argument, NULL, CONFIG },
		{ "socket", required_argument, NULL, SOCKET },
		{ "modules", required_argument, NULL, MODULES },
		{ "ready-fd", required_argument, NULL, READY },
		{ "check-config", no_argument, NULL, CHECK },
		{ "help", no_argument, NULL, HELP },
		{ "version", no_argument, NULL, VERSION },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
		switch (c) {
		case USER:
			o->user_mode = true;
			break;
		case CONFIG:
			o->config = optarg;
			break;
		case SOCKET:
			o->socket = optarg;
			break;
		case MODULES:
			if (add_modules(o, optarg, "") < 0)
				exit(2);
			break;
		case READY:
			o->ready_fd = parse_fd(optarg);
			break;
		case CHECK:
			o->check_only = true;
			break;
		case HELP:
			fputs(usage, stdout);
			exit(0);
		case VERSION:
			puts("qdad " QDA_VERSION);
			exit(0);
		default:
			fputs("Try qdad --help.\n", stderr);
			exit(2);
		}
	}
	if (optind == argc)
		return;
	say("%s: no arguments are taken; try qdad --help", argv[optind]);
	exit(2);
}

static char *join(const char *dir, const char *rest)
{
	char *path;

	return asprintf(&path, "%s%s", dir, rest) < 0 ? NULL : path;
}

static int read_config(struct qda_config *config, const struct options *o)
{
	const char *home = getenv("XDG_CONFIG_HOME");
	char *path;
	int r;

	if (o->config)
		return qda_config_read(config, o->config);
	if (!o->user_mode)
		path = strdup("/etc/qdad/qdad.conf");
	else if (home && *home)
		path = join(home, "/qdad/qdad.conf");
	else
		path = join(getenv("HOME") ? getenv("HOME") : "", "/.config/qdad/qdad.conf");
	if (!path)
		return -ENOMEM;
	r = qda_config_read_default(config, path);
	free(path);
	return r;
}

/* --modules, else $DSP_LIBRARY_PATH, in front of what the configuration says; else where modules
 * are installed. */
static int choose_modules(struct qda_domain_config *domain, struct options *o)
{
	const char *variable = getenv("DSP_LIBRARY_PATH");
	unsigned n = 0;

	if (!o->n_modules && variable && o->user_mode) {
		static char list[4096];

		snprintf(list, sizeof(list), "%s", variable);
		if (add_modules(o, list, ";:") < 0)
			return -EINVAL;
	}
	if (!o->n_modules && domain->modules[0])
		return 0;
	for (char **dir = domain->modules; *dir; dir++)
		free(*dir);
	memset(domain->modules, 0, sizeof(domain->modules));
	for (; n < o->n_modules; n++)
		if (!(domain->modules[n] = strdup(o->modules[n])))
			return -ENOMEM;
	if (!n && access(QDA_MODULEDIR, F_OK) == 0)
		domain->modules[0] = strdup(QDA_MODULEDIR);
	return 0;
}

/* Without a configured domain: the DSPs that can be opened; else a software DSP, our own or the
 * system's. Who names modules wants one that is looking for them here. */
static int default_domain(struct qda_config *config, const struct options *o)
{
	struct qda_domain_config *domain = &config->domains[0];
	char names[QDA_DOMAINS_MAX][16];

	if (config->n_domains)
		return 0;
	if (!o->n_modules)
		config->n_domains = qda_accel_find(names, QDA_DOMAINS_MAX);
	for (unsigned i = 0; i < config->n_domains; i++) {
		config->domains[i].accel = true;
		memcpy(config->domains[i].name, names[i], sizeof(names[i]));
	}
	if (config->n_domains)
		return 0;
	config->n_domains = 1;
	snprintf(domain->name, sizeof(domain->name), "cdsp");
	if (!config->user_mode)
		domain->socket = strdup("/run/qda-softdsp/cdsp.sock");
	return config->user_mode || domain->socket ? 0 : -ENOMEM;
}

/* The directory of the user's socket is made; others must exist. */
static int choose_socket(struct qda_config *config, const struct options *o)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char *dir;

	if (o->socket) {
		free(config->socket);
		config->socket = strdup(o->socket);
	}
	if (config->socket)
		return 0;
	if (!config->user_mode) {
		config->socket = strdup("/run/qdad/qdad.sock");
		return config->socket ? 0 : -ENOMEM;
	}
	if (!runtime || !*runtime) {
		say("XDG_RUNTIME_DIR is not set: say where to listen with --socket PATH");
		return -ENOENT;
	}
	dir = join(runtime, "/qdad");
	if (!dir)
		return -ENOMEM;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		say("%s: cannot be made: %s", dir, qda_strerror(-errno));
		free(dir);
		return -errno;
	}
	config->socket = join(dir, "/qdad.sock");
	free(dir);
	return config->socket ? 0 : -ENOMEM;
}

/* What a domain would only fail on later, and less clearly. */
static int check_domain(const struct qda_domain_config *domain)
{
	for (char *const *dir = domain->modules; *dir; dir++) {
		if (access(*dir, R_OK | X_OK) == 0)
			continue;
		say("domain %s: the module directory %s cannot be used: %s", domain->name, *dir,
		    qda_strerror(-errno));
		return -ENOENT;
	}
	if (!domain->program || access(domain->program, X_OK) == 0)
		return 0;
	say("domain %s: the program %s cannot be run: %s", domain->name, domain->program,
	    qda_strerror(-errno));
	return -ENOENT;
}

static int prepare(struct qda_config *config, struct options *o)
{
	int r = read_config(config, o);

	if (r < 0) {
		say("%s", *config->error ? config->error : qda_strerror(r));
		return r;
	}
	if (!config->group)
		config->group = strdup("qda");
	r = qda_config_check(config);
	if (r < 0) {
		say("%s", config->error);
		return r;
	}
	r = default_domain(config, o);
	for (unsigned i = 0; r == 0 && i < config->n_domains; i++)
		if (!config->domains[i].accel)
			r = choose_modules(&config->domains[i], o);
	for (unsigned i = 0; r == 0 && i < config->n_domains; i++)
		r = check_domain(&config->domains[i]);
	if (r < 0 || o->check_only)
		return r;
	fit_fds(config);
	return choose_socket(config, o);
}

int main(int argc, char **argv)
{
	struct options options = { .ready_fd = -1 };
	struct qdad q = { .ready_fd = -1 };
	int r;

	parse_options(argc, argv, &options);
	signal(SIGPIPE, SIG_IGN);
	umask(0077);
	q.ready_fd = options.ready_fd;
	r = qda_config_init(&q.config, options.user_mode);
	if (r == 0)
		r = prepare(&q.config, &options);
	if (r == 0 && !options.check_only)
		r = run(&q);
	qda_config_deinit(&q.config);
	return r < 0 ? 1 : 0;
}
