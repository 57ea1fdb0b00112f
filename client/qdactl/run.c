/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qdactl run: a program with a broker of its own, started before it and gone after it. Signals are
 * read from a descriptor, so there is no handler; the broker is in a process group of its own, so
 * that a Ctrl-C meant for the program does not take it away first, and dies with us.
 */
#include "qdactl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIRS_MAX 16
#define READY_MS 30000 /* for the broker to start */
#define STOP_MS 10000  /* and to end */

struct run {
	char dir[PATH_MAX];
	char socket[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char program[PATH_MAX]; /* qdad */
	const char *modules[DIRS_MAX];
	unsigned n_modules;
	sigset_t old_mask;
	int signals; /* signalfd */
	pid_t broker, child;
	int status; /* of the child */
};

/* --- the directory --- */

static bool make_dir(struct run *run, const char *base)
{
	if (!base || base[0] != '/')
		return false;
	/* The path of the socket is what must fit: the system allows 107 bytes. */
	if (snprintf(run->dir, sizeof(run->dir), "%s/qdad-run.XXXXXX", base) >=
		    (int)(sizeof(run->socket) - sizeof("/qdad.sock")) ||
	    !mkdtemp(run->dir)) {
		run->dir[0] = '\0';
		return false;
	}
	snprintf(run->socket, sizeof(run->socket), "%.90s/qdad.sock", run->dir);
	return true;
}

static void remove_dir(struct run *run)
{
	struct dirent *e;
	DIR *d;

	if (!run->dir[0])
		return;
	d = opendir(run->dir);
	while (d && (e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0); /* what is in it is the broker's, and flat */
	if (d)
		closedir(d);
	rmdir(run->dir);
}

/* --- finding qdad --- */

static bool try_program(struct run *run, const char *dir, const char *name)
{
	int n = snprintf(run->program, sizeof(run->program), "%s/%s", dir, name);

	return n < (int)sizeof(run->program) && access(run->program, X_OK) == 0;
}

static int find_program(struct run *run)
{
	const char *env = getenv("QDAD_PROGRAM");
	char self[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (env && env[0]) {
		snprintf(run->program, sizeof(run->program), "%s", env);
		return EXIT_OK;
	}
	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash) {
		*slash = '\0';
		if (try_program(run, self, "qdad") || try_program(run, self, "../daemon/qdad"))
			return EXIT_OK;
	}
	if (try_program(run, QDA_LIBEXECDIR, "qdad") || try_program(run, QDA_BINDIR, "qdad"))
		return EXIT_OK;
	return fail(-ENOENT,
		    "qdad was found neither beside qdactl nor in %s nor in %s: set QDAD_PROGRAM",
		    QDA_LIBEXECDIR, QDA_BINDIR);
}

/* --- processes --- */

static void child_signals(const struct run *run)
{
	sigprocmask(SIG_SETMASK, &run->old_mask, NULL);
}

/* In a forked child, which has nothing else to say. */
_Noreturn static void not_started(const char *program)
{
	int code = errno;

	fprintf(stderr, "qdactl: %s: %s\n", program, strerror(code));
	_exit(code == ENOENT ? 127 : 126);
}

static void exec_broker(const struct run *run, int ready)
{
	char number[16];
	const char *argv[2 * DIRS_MAX + 8] = {
		run->program, "--user", "--socket", run->socket, "--ready-fd", number,
	};
	unsigned n = 6;

	snprintf(number, sizeof(number), "%d", ready);
	for (unsigned i = 0; i < run->n_modules; i++) {
		argv[n++] = "--modules";
		argv[n++] = run->modules[i];
	}
	fcntl(ready, F_SETFD, 0);
	setpgid(0, 0);
	child_signals(run);
	execv(run->program, (char **)argv);
	not_started(run->program);
}

static int start_broker(struct run *run, int *ready)
{
	pid_t self = getpid();
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return fail(-errno, "pipe: %s", strerror(errno));
	run->broker = fork();
	if (run->broker == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != self)
			_exit(1); /* we were late */
		exec_broker(run, fds[1]);
	}
	close(fds[1]);
	if (run->broker < 0) {
		close(fds[0]);
		return fail(-errno, "fork: %s", strerror(errno));
	}
	*ready = fds[0];
	return EXIT_OK;
}

/* Until the broker says that it listens. Signals in the meantime end the whole thing. */
static int await_ready(struct run *run, int ready)
{
	struct pollfd p[2] = {
		{ .fd = ready, .events = POLLIN },
		{ .fd = run->signals, .events = POLLIN },
	};
	struct signalfd_siginfo info;
	char line[8] = "";
	size_t n = 0;

	for (;;) {
		int r = poll(p, 2, READY_MS);

		if (r == 0)
			return fail(-ETIMEDOUT, "qdad did not start within %d s", READY_MS / 1000);
		if (p[0].revents) {
			ssize_t got = read(ready, line + n, sizeof(line) - 1 - n);

			n += got > 0 ? (size_t)got : 0;
			if (!strncmp(line, "ready\n", 6))
				return EXIT_OK;
			if (got <= 0 || n == sizeof(line) - 1)
				return fail(-ECHILD, "qdad (%s) did not start", run->program);
		} else if (p[1].revents && read(run->signals, &info, sizeof(info)) > 0 &&
			   info.ssi_signo != SIGCHLD) {
			run->status = (int)info.ssi_signo; /* as if it had killed the program */
			return EXIT_FAILED;
		}
	}
}

static int start_child(struct run *run, char **argv)
{
	run->child = fork();
	if (run->child < 0)
		return fail(-errno, "fork: %s", strerror(errno));
	if (run->child == 0) {
		setenv("QDAD_SOCKET", run->socket, 1);
		child_signals(run);
		execvp(argv[0], argv);
		not_started(argv[0]);
	}
	return EXIT_OK;
}

/* Collect whoever has ended. True once the program has. */
static bool reap(struct run *run)
{
	bool ended = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == run->broker)
			run->broker = 0;
		if (pid == run->child) {
			run->child = 0;
			run->status = status;
			ended = true;
		}
	}
	return ended;
}

static void await_child(struct run *run)
{
	struct signalfd_siginfo info;

	for (;;) {
		if (read(run->signals, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo == SIGCHLD) {
			if (reap(run))
				return;
		} else if (info.ssi_code != SI_KERNEL) {
			/* What the terminal sends, the program has got already. */
			kill(run->child, (int)info.ssi_signo);
		}
	}
}

static void stop_broker(struct run *run)
{
	struct pollfd p = { .fd = run->signals, .events = POLLIN };
	struct signalfd_siginfo info;

	if (run->broker > 0)
		kill(run->broker, SIGTERM);
	while (run->broker > 0) {
		if (poll(&p, 1, STOP_MS) == 0) {
			fprintf(stderr, "qdactl: qdad did not end within %d s, killing it\n",
				STOP_MS / 1000);
			kill(run->broker, SIGKILL);
		}
		while (p.revents && read(run->signals, &info, sizeof(info)) == sizeof(info) &&
		       info.ssi_signo != SIGCHLD)
			if (info.ssi_code != SI_KERNEL || info.ssi_signo == SIGINT)
				kill(run->broker, SIGTERM); /* a second one: at once */
		reap(run);
	}
}

/* --- the whole --- */

static int take_signals(struct run *run)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, &run->old_mask);
	run->signals = signalfd(-1, &set, SFD_CLOEXEC);
	return run->signals < 0 ? fail(-errno, "signalfd: %s", strerror(errno)) : EXIT_OK;
}

/* The program's end becomes ours: its status, or the signal that killed it. */
static int pass_status(struct run *run)
{
	struct rlimit none = { 0, 0 };
	int signal = WTERMSIG(run->status);
	sigset_t set;

	if (WIFEXITED(run->status))
		return WEXITSTATUS(run->status);
	setrlimit(RLIMIT_CORE, &none); /* the core to look at is the program's */
	sigemptyset(&set);
	sigaddset(&set, signal);
	sigaction(signal, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	raise(signal);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return 128 + signal;
}

static int run_with_broker(struct run *run, char **argv)
{
	int ready = -1;
	int r = start_broker(run, &ready);

	if (r == EXIT_OK)
		r = await_ready(run, ready);
	if (ready >= 0)
		close(ready);
	if (r == EXIT_OK)
		r = start_child(run, argv);
	if (r == EXIT_OK)
		await_child(run);
	stop_broker(run);
	remove_dir(run);
	return r && !run->status ? r : pass_status(run);
}

static int parse_command(const struct verb *verb, struct run *run, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' },
		{ "modules", required_argument, NULL, 'm' },
		{ 0 },
	};
	int c, r;

	while ((c = getopt_long(argc, argv, "+hm:", options, NULL)) >= 0) {
		if (c == 'm' && run->n_modules == DIRS_MAX)
			return usage_error(verb, "more than %d times --modules", DIRS_MAX);
		if (c == 'm') {
			run->modules[run->n_modules++] = optarg;
			continue;
		}
		r = common_option(verb, c);
		if (r >= 0)
			return r;
	}
	return optind == argc ? usage_error(verb, "which program?") : -1;
}

/* Those that were named come in front of the installed ones. Where none was, qdad knows itself. */
static void add_installed(struct run *run)
{
	if (run->n_modules && run->n_modules < DIRS_MAX && access(QDA_MODULEDIR, F_OK) == 0)
		run->modules[run->n_modules++] = QDA_MODULEDIR;
}

static int run_run(const struct verb *verb, int argc, char **argv)
{
	struct run run = { 0 };
	int r = parse_command(verb, &run, argc, argv);

	if (r >= 0)
		return r;
	add_installed(&run);
	r = find_program(&run);
	if (r)
		return r;
	r = take_signals(&run);
	if (r)
		return r;
	if (!make_dir(&run, getenv("XDG_RUNTIME_DIR")) && !make_dir(&run, getenv("TMPDIR")) &&
	    !make_dir(&run, "/tmp"))
		return fail(-errno,
			    "no directory for the socket in $XDG_RUNTIME_DIR, $TMPDIR or /tmp: %s",
			    strerror(errno));
	return run_with_broker(&run, argv + optind);
}

const struct verb verb_run = {
	"run",
	"run a program with a broker of its own",
	"Usage: qdactl run [--modules DIR]... [--] PROGRAM [ARGUMENT]...\n"
	"Starts a private qdad with a software DSP, runs PROGRAM with QDAD_SOCKET set to\n"
	"its socket, and ends it afterwards. No root is needed and nothing is left behind.\n"
	"\n"
	"  -m, --modules DIR  where DSP libraries are looked for, before the installed ones\n"
	"                     (" QDA_MODULEDIR "); may be repeated.\n"
	"                     Without it, $DSP_LIBRARY_PATH is looked at\n"
	"\n"
	"Signals are passed on to PROGRAM. qdad is $QDAD_PROGRAM, or the one beside\n"
	"qdactl, or the installed one.\n"
	"Exit status: PROGRAM's, or the signal that killed it; 127 or 126 if it could not\n"
	"be started, 1 if the broker could not.\n",
	run_run,
};
