/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qda-image: a normal program without privileges that has a DSP filter a picture. It decodes a PNG
 * straight into memory shared with the DSP, calls two methods of libqda_image_skel on it, and
 * writes the results. Pixels are never copied between the program and the DSP.
 */
#include <errno.h>
#include <getopt.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <qda/client.h>

#include "qda_image.h"

struct job {
	const char *file;      /* the PNG, as named by the user */
	const char *directory; /* for results */
	const char *domain;    /* NULL: the first */
	uint32_t radius;

	png_image png;
	struct qda_client *client;
	struct qda_session *session;
	struct qda_module *module;
	struct qda_buffer *source, *result;
	struct qda_image_in in;
	uint64_t copied, shared; /* bytes that went by message, and that lay in shared memory */
	unsigned calls;
};

static int fail(const char *what, const char *why)
{
	fflush(stdout);
	fprintf(stderr, "qda-image: %s: %s\n", what, why);
	return -1;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static const char *channel_words(uint32_t channels)
{
	static const char *const words[] = { "grey", "grey with alpha", "RGB", "RGBA" };

	return words[channels - 1];
}

/* libpng calls a file that is shorter than its mark unreadable. */
static int check_mark(const char *path)
{
	unsigned char mark[8] = { 0 };
	FILE *file = fopen(path, "rb");
	size_t n;

	if (!file)
		return fail(path, strerror(errno));
	n = fread(mark, 1, sizeof(mark), file);
	fclose(file);
	if (n < sizeof(mark) || png_sig_cmp(mark, 0, sizeof(mark)))
		return fail(path, "is no PNG file: it does not begin like one");
	return 0;
}

/* Read the header, choose the form that pixels take in memory: 8 bit, no palette, as many
 * channels as there are. */
static int picture_open(struct job *job)
{
	png_image *png = &job->png;
	struct qda_image_in *in = &job->in;
	uint64_t bytes;

	if (check_mark(job->file) < 0)
		return -1;
	png->version = PNG_IMAGE_VERSION;
	if (!png_image_begin_read_from_file(png, job->file))
		return fail(job->file, png->message);
	png->format &= PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_ALPHA;
	in->width = png->width;
	in->height = png->height;
	in->channels = PNG_IMAGE_SAMPLE_CHANNELS(png->format);
	bytes = (uint64_t)in->width * in->height * in->channels;
	if (in->width > QDA_IMAGE_SIDE_MAX || in->height > QDA_IMAGE_SIDE_MAX ||
	    bytes > INT32_MAX) {
		char why[128];

		snprintf(why, sizeof(why),
			 "too large: %u x %u; at most %u on a side and 2 GiB in all", in->width,
			 in->height, QDA_IMAGE_SIDE_MAX);
		return fail(job->file, why);
	}
	in->src_length = in->dst_length = (uint32_t)bytes;
	in->src_stride = in->dst_stride = in->width * in->channels;
	in->radius = job->radius;
	printf("picture   %s, %u x %u, %s, %.1f MB of pixels\n", job->file, in->width, in->height,
	       channel_words(in->channels), (double)bytes / 1e6);
	return 0;
}

static int dsp_open(struct job *job)
{
	struct qda_session_options options = { .domain = job->domain };
	struct qda_domain domains[8];
	struct qda_error err;
	int n;

	if (qda_connect(NULL, "qda-image", &job->client, &err))
		return fail("no broker", err.text);
	if (qda_session_open(job->client, &options, &job->session, &err))
		return fail("no session on the DSP", err.text);
	if (qda_module_open(job->session, QDA_IMAGE_URI, &job->module, &err))
		return fail("the DSP cannot load libqda_image_skel.so", err.text);
	n = qda_domains(job->client, domains, 8, &err);
	for (int i = 0; i < n && i < 8; i++)
		if (!job->domain || !strcmp(job->domain, domains[i].name)) {
			printf("session   on %s, %s\n", domains[i].name,
			       strcmp(domains[i].device, "soft") ? "the DSP of this machine"
								 : "the software DSP");
			break;
		}
	return 0;
}

/* The decoder writes where the DSP will read. */
static int picture_load(struct job *job)
{
	struct qda_error err;

	if (qda_buffer_alloc(job->client, job->domain, job->in.src_length, &job->source, &err) ||
	    qda_buffer_alloc(job->client, job->domain, job->in.dst_length, &job->result, &err))
		return fail("no memory shared with the DSP", err.text);
	if (!png_image_finish_read(&job->png, NULL, qda_buffer_data(job->source),
				   (png_int_32)job->in.src_stride, NULL))
		return fail(job->file, job->png.message);
	return 0;
}

/* DIRECTORY/NAME-suffix.png, where NAME is the picture's without directory and .png. */
static int result_path(const struct job *job, const char *suffix, char *path, size_t size)
{
	const char *slash = strrchr(job->file, '/'), *name = slash ? slash + 1 : job->file;
	size_t length = strlen(name);
	int n;

	if (length > 4 && !strcasecmp(name + length - 4, ".png"))
		length -= 4;
	n = snprintf(path, size, "%s/%.*s-%s.png", job->directory, (int)length, name, suffix);
	return n < 0 || (size_t)n >= size ? fail(job->file, "the name is too long") : 0;
}

static int result_write(const struct job *job, const char *path)
{
	png_image png = {
		.version = PNG_IMAGE_VERSION,
		.width = job->in.width,
		.height = job->in.height,
		.format = job->png.format,
	};

	if (png_image_write_to_file(&png, path, 0, qda_buffer_data(job->result),
				    (png_int_32)job->in.dst_stride, NULL))
		return 0;
	return fail(path, png.message);
}

static int run(struct job *job, uint32_t method, const char *name)
{
	struct qda_call_options call = { 0 };
	struct qda_arg args[] = {
		qda_in(&job->in, sizeof(job->in)),
		qda_in_buffer(job->source, 0, job->in.src_length),
		qda_out_buffer(job->result, 0, job->in.dst_length),
	};
	char path[4096];
	struct qda_error err;
	uint64_t start, whole;

	if (result_path(job, name, path, sizeof(path)))
		return -1;
	start = now_ns();
	if (qda_invoke(job->module, method, args, 3, &call, &err))
		return fail(name, err.text);
	whole = now_ns() - start;
	if (result_write(job, path))
		return -1;
	printf("%-9s %.2f ms, of it %.2f ms on the DSP  ->  %s\n", name, (double)whole / 1e6,
	       (double)call.dsp_ns / 1e6, path);
	job->copied += sizeof(job->in);
	job->shared += (uint64_t)job->in.src_length + job->in.dst_length;
	job->calls++;
	return 0;
}

static int process(struct job *job)
{
	if (picture_open(job) || dsp_open(job) || picture_load(job))
		return -1;
	if (mkdir(job->directory, 0777) && errno != EEXIST)
		return fail(job->directory, strerror(errno));
	if (run(job, QDA_IMAGE_EDGES, "edges") || run(job, QDA_IMAGE_BLUR, "blur"))
		return -1;
	printf("moved     %llu bytes copied in messages, %.1f MB used in place, for %u calls\n",
	       (unsigned long long)job->copied, (double)job->shared / 1e6, job->calls);
	return 0;
}

static int usage(FILE *to)
{
	fputs("usage: qda-image [-o DIRECTORY] [-r RADIUS] [-d DOMAIN] FILE.png\n"
	      "\n"
	      "Has a DSP find the edges of a picture and blur it. Writes FILE-edges.png and "
	      "FILE-blur.png.\n"
	      "  -o DIRECTORY  where to (made if it is not there; default: the current one)\n"
	      "  -r RADIUS     of the blur, 0 to 255 pixels (default: 6)\n"
	      "  -d DOMAIN     the DSP, for example cdsp (default: the first that the broker "
	      "has)\n",
	      to);
	return to == stdout ? 0 : 2;
}

static int radius_parse(const char *text, uint32_t *radius)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (!*text || *end || value > QDA_IMAGE_RADIUS_MAX)
		return fail(text, "the radius is a number from 0 to 255");
	*radius = (uint32_t)value;
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	struct job job = { .directory = ".", .radius = 6 };
	int option, err;

	while ((option = getopt_long(argc, argv, "o:r:d:h", options, NULL)) != -1) {
		switch (option) {
		case 'o':
			job.directory = optarg;
			break;
		case 'r':
			if (radius_parse(optarg, &job.radius))
				return 2;
			break;
		case 'd':
			job.domain = optarg;
			break;
		default:
			return usage(option == 'h' ? stdout : stderr);
		}
	}
	if (optind != argc - 1)
		return usage(stderr);
	job.file = argv[optind];
	err = process(&job);
	png_image_free(&job.png);
	qda_disconnect(job.client);
	return err || fflush(stdout) ? 1 : 0;
}
