// SPDX-License-Identifier: BSD-3-Clause
/*
 * The command line: see options.h. A value that cannot be is named, with what it may be.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "order.h"

#define MIB (1024ull * 1024)
#define PD_PROGRAM "qda-softdsp-pd"

static const char usage[] =
	"qda-softdsp (--socket PATH | --fd N | --vdsp DEVICE) [options]\n"
	"The software DSP: runs skels for a host, as a DSP's firmware does.\n"
	"\n"
	"  --socket PATH      listen for a host here; one at a time\n"
	"  --fd N             the host is at the other end of this descriptor; end with it\n"
	"  --vdsp DEVICE      be the firmware of a virtual DSP: /dev/qda-vdsp0; its name and\n"
	"                     number of banks are the device's\n"
	"  --name NAME        the domain: adsp, cdsp, ... (cdsp)\n"
	"  --modules DIR      look for skels here; may be given 16 times\n"
	"  --client-dirs      let the host name more directories for its sessions\n"
	"  --banks N          context banks, that is sessions at one time: 1 to 64 (16)\n"
	"  --arch vNN         the architecture to claim (v68)\n"
	"  --pd-memory SIZE   private memory of a PD, in bytes, KiB, MiB or GiB (512MiB)\n"
	"  --pd-cpu SECONDS   CPU time of a PD, 0 for no limit (0)\n"
	"  --pd-threads N     calls a PD runs at one time: 1 to 512 (128)\n"
	"  --help, --version\n";

enum { OPT_SOCKET = 256, OPT_FD, OPT_VDSP, OPT_NAME, OPT_MODULES, OPT_CLIENT_DIRS, OPT_BANKS,
	      OPT_ARCH, OPT_PD_MEMORY, OPT_PD_CPU, OPT_PD_THREADS, OPT_HELP, OPT_VERSION };

static const struct option long_options[] = {
	{ "socket", required_argument, NULL, OPT_SOCKET },
	{ "fd", required_argument, NULL, OPT_FD },
	{ "vdsp", required_argument, NULL, OPT_VDSP },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "modules", required_argument, NULL, OPT_MODULES },
	{ "client-dirs", no_argument, NULL, OPT_CLIENT_DIRS },
	{ "banks", required_argument, NULL, OPT_BANKS },
	{ "arch", required_argument, NULL, OPT_ARCH },
	{ "pd-memory", required_argument, NULL, OPT_PD_MEMORY },
	{ "pd-cpu", required_argument, NULL, OPT_PD_CPU },
	{ "pd-threads", required_argument, NULL, OPT_PD_THREADS },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ 0 },
};

static int refuse(const char *option, const char *value, const char *may_be)
{
	fprintf(stderr, "qda-softdsp: --%s %s: it is to be %s\n", option, value, may_be);
	return EXIT_FAILURE;
}

static bool parse_number(const char *text, int base, uint64_t low, uint64_t high, uint64_t *out)
{
	char *end;

	if (*text < '0' || *text > 'f')
		return false;
	errno = 0;
	*out = strtoull(text, &end, base);
	return !errno && end != text && !*end && *out >= low && *out <= high;
}

static bool parse_size(const char *text, uint64_t *out)
{
	static const struct { const char *name; unsigned shift; } units[] = {
		{ "", 0 }, { "K", 10 }, { "KiB", 10 }, { "M", 20 }, { "MiB", 20 }, { "G", 30 },
		{ "GiB", 30 },
	};
	uint64_t factor = 0, n;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	n = strtoull(text, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].name))
			factor = 1ull << units[i].shift;
	return !errno && factor && !__builtin_mul_overflow(n, factor, out);
}

static bool is_domain(const char *name)
{
	const size_t n = strlen(name);

	return n > 0 && n < sizeof(((struct softdsp_hello *)0)->name) &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n;
}

static int take_modules(struct dsp_config *dsp, const char *dir)
{
	char *path;

	if (dsp->n_modules == DSP_MODULES_MAX)
		return refuse("modules", dir, "given 16 times at most");
	path = realpath(dir, NULL);
	if (!path) {
		fprintf(stderr, "qda-softdsp: --modules %s: %s; name a directory that is there\n",
			dir, strerror(errno));
		return EXIT_FAILURE;
	}
	dsp->modules[dsp->n_modules++] = path;
	return -1;
}

static int take_number(struct options *o, int option, const char *value)
{
	struct dsp_config *dsp = &o->dsp;
	uint64_t n;

	switch (option) {
	case OPT_FD:
		if (!parse_number(value, 10, 0, INT_MAX, &n))
			return refuse("fd", value, "the number of an open descriptor");
		o->fd = n;
		break;
	case OPT_BANKS:
		if (!parse_number(value, 10, 1, DSP_BANKS_MAX, &n))
			return refuse("banks", value, "1 to 64");
		dsp->n_banks = n;
		o->named = true;
		break;
	case OPT_ARCH:
		if (*value != 'v' || !parse_number(value + 1, 16, 1, 255, &n))
			return refuse("arch", value, "v and two digits, as in v68");
		dsp->arch = n;
		break;
	case OPT_PD_MEMORY:
		if (!parse_size(value, &n) || n < 16 * MIB)
			return refuse("pd-memory", value, "16MiB or more, as in 512MiB");
		dsp->pd_memory = n;
		break;
	case OPT_PD_CPU:
		if (!parse_number(value, 10, 0, INT_MAX, &n))
			return refuse("pd-cpu", value, "a number of seconds, 0 for no limit");
		dsp->pd_cpu_seconds = n;
		break;
	case OPT_PD_THREADS:
		if (!parse_number(value, 10, 1, PD_THREADS_MAX, &n))
			return refuse("pd-threads", value, "1 to 512");
		dsp->pd_threads = n;
		break;
	}
	return -1;
}

static int take(struct options *o, int option, const char *value)
{
	switch (option) {
	case OPT_HELP:
		fputs(usage, stdout);
		return EXIT_SUCCESS;
	case OPT_VERSION:
		puts("qda-softdsp " QDA_VERSION);
		return EXIT_SUCCESS;
	case OPT_SOCKET:
		o->socket_path = value;
		return -1;
	case OPT_VDSP:
		o->vdsp_path = value;
		return -1;
	case OPT_NAME:
		if (!is_domain(value))
			return refuse("name", value, "up to 15 small letters and digits");
		o->dsp.name = value;
		o->named = true;
		return -1;
	case OPT_MODULES:
		return take_modules(&o->dsp, value);
	case OPT_CLIENT_DIRS:
		o->dsp.client_dirs = true;
		return -1;
	case '?':
	case ':':
		fputs("qda-softdsp: see --help\n", stderr);
		return EXIT_FAILURE;
	}
	return take_number(o, option, value);
}

/* Beside ourselves in a build tree, in libexecdir once installed. */
static int find_program(struct dsp_config *dsp)
{
	static const char installed[] = SOFTDSP_LIBEXECDIR "/" PD_PROGRAM;
	char self[PATH_MAX];
	const ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash) {
		slash[1] = '\0';
		if (asprintf(&dsp->pd_program, "%s" PD_PROGRAM, self) < 0)
			return EXIT_FAILURE;
	}
	if (slash && !access(dsp->pd_program, X_OK))
		return -1;
	free(dsp->pd_program);
	dsp->pd_program = strdup(installed);
	if (dsp->pd_program && !access(installed, X_OK))
		return -1;
	fprintf(stderr, "qda-softdsp: " PD_PROGRAM " is neither beside this program nor at %s\n",
		installed);
	return EXIT_FAILURE;
}

static int check_host(const struct options *o)
{
	const int hosts = !!o->socket_path + (o->fd >= 0) + !!o->vdsp_path;

	if (hosts != 1)
		fputs("qda-softdsp: one of --socket PATH, --fd N and --vdsp DEVICE is needed; "
		      "see --help\n", stderr);
	else if (o->vdsp_path && (o->named || o->dsp.client_dirs))
		fputs("qda-softdsp: --name, --banks and --client-dirs do not go with --vdsp: "
		      "the device says what it is, and hands over no directories\n", stderr);
	else
		return -1;
	return EXIT_FAILURE;
}

int options_parse(struct options *o, int argc, char **argv)
{
	int option, code = -1;

	*o = (struct options){ .fd = -1,
			       .dsp = { .name = "cdsp",
					.arch = 0x68,
					.n_banks = 16,
					.pd_threads = 128,
					.pd_memory = 512 * MIB } };
	while (code < 0 && (option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		code = take(o, option, optarg);
	if (code >= 0)
		return code;
	if (optind < argc) {
		fprintf(stderr, "qda-softdsp: %s: not an option; see --help\n", argv[optind]);
		return EXIT_FAILURE;
	}
	code = check_host(o);
	return code >= 0 ? code : find_program(&o->dsp);
}

bool options_take_device(struct options *o, const char *name, uint32_t n_banks)
{
	if (!is_domain(name) || n_banks < 1 || n_banks > DSP_BANKS_MAX)
		return false;
	o->dsp.name = name;
	o->dsp.n_banks = n_banks;
	return true;
}

void options_free(struct options *o)
{
	for (unsigned i = 0; i < o->dsp.n_modules; i++)
		free(o->dsp.modules[i]);
	free(o->dsp.pd_program);
}
