/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "qdad.h"

static const char usage[] =
	"Usage: qdad [--user] [OPTION]...\n"
	"Shares the DSP of this machine among programs. Without --user it is the system\n"
	"service.\n"
	"\n"
	"  --user          serve the programs of this user only, with a software DSP if\n"
	"                  nothing else is configured or can be opened; no root needed\n"
	"  --config FILE   read this file instead of\n"
	"                  " QDA_SYSCONFDIR "/qdad/qdad.conf and qdad.conf.d/*.conf\n"
	"                  (--user: qdad/qdad.conf in $XDG_CONFIG_HOME or ~/.config)\n"
	"  --socket PATH   listen here instead of /run/qdad/qdad.sock (--user:\n"
	"                  $XDG_RUNTIME_DIR/qdad/qdad.sock)\n"
	"  --modules DIR   where a software DSP that qdad starts looks for DSP libraries;\n"
	"                  may be repeated. Default: with --user $DSP_LIBRARY_PATH\n"
	"                  (directories with ; or : between them), then what is configured,\n"
	"                  then " QDA_MODULEDIR "\n"
	"  --ready-fd N    write \"ready\" and a newline there when clients may connect\n"
	"  --check-config  read the configuration, say what is wrong with it, and end\n"
	"  --help, --version\n"
	"\n"
	"SIGHUP reads the configuration anew; one with errors changes nothing. SIGTERM\n"
	"and SIGINT let calls end (drain_ms), then stop; a second one stops at once.\n";

/* What it says is for administrators to act on: in the journal a warning. */
void qdad_say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fputs(getenv("JOURNAL_STREAM") ? SD_WARNING : "qdad: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
}

int qda_options_add_modules(struct qda_options *o, char *list, const char *separators)
{
	char *save = NULL;

	for (char *dir = strtok_r(list, separators, &save); dir;
	     dir = strtok_r(NULL, separators, &save)) {
		if (o->n_modules == QDA_MODULE_DIRS_MAX)
			return -EINVAL;
		o->modules[o->n_modules++] = dir;
	}
	return 0;
}

static int parse_fd(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || n < 0 || n > 1 << 20) {
		qdad_say("--ready-fd %s: a descriptor number is wanted", text);
		exit(2);
	}
	fcntl(n, F_SETFD, FD_CLOEXEC); /* the software DSP must not keep it open */
	return n;
}

void qda_options_parse(int argc, char **argv, struct qda_options *o)
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

	*o = (struct qda_options){ .ready_fd = -1 };
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
			if (qda_options_add_modules(o, optarg, "") == 0)
				break;
			qdad_say("--modules %s: at most %u directories", optarg,
				 QDA_MODULE_DIRS_MAX);
			exit(2);
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
	qdad_say("%s: no arguments are taken; try qdad --help", argv[optind]);
	exit(2);
}

