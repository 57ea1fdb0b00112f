/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arguments of qdactl invoke: from their words on the command line to what the library takes, and
 * outputs back to text, JSON or files.
 */
#include "qdactl.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The rest of `spec` behind `prefix`, or NULL. */
static const char *behind(const char *spec, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(spec, prefix, n) ? NULL : spec + n;
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *p = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return p ? (int)(p - digits) : -1;
}

/* Why it cannot be read: said together with the argument. */
static int wrong(struct argument *out, const char *why)
{
	out->why = why;
	return -1;
}

/* --- inputs: each makes memory, which the argument owns, and its length --- */

static int read_hex(const char *s, struct argument *out, size_t *n)
{
	uint8_t *bytes = malloc(strlen(s) / 2 + 1);

	out->memory = bytes;
	if (!bytes)
		return fail(-ENOMEM, "out of memory");
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		return wrong(out, "hex digits are wanted without 0x in front");
	for (*n = 0; *s; s++) {
		int high, low;

		if (*s == ' ' || *s == ':')
			continue;
		high = hex_digit(s[0]);
		low = high < 0 ? -1 : hex_digit(s[1]);
		if (high < 0 || (low < 0 && s[1] && s[1] != ' ' && s[1] != ':'))
			return wrong(out, "that is no hex digit");
		if (low < 0)
			return wrong(out, "two hex digits are wanted for each byte");
		bytes[(*n)++] = (uint8_t)(high << 4 | low);
		s++;
	}
	return 0;
}

static int read_text(const char *s, struct argument *out, size_t *n)
{
	*n = strlen(s);
	out->memory = strdup(s);
	return out->memory ? 0 : fail(-ENOMEM, "out of memory");
}

static int read_u32(const char *s, struct argument *out, size_t *n)
{
	uint32_t *numbers = malloc((strlen(s) + 1) * sizeof(*numbers));

	out->memory = numbers;
	if (!numbers)
		return fail(-ENOMEM, "out of memory");
	*n = 0;
	do {
		char *end;
		long long v;

		errno = 0;
		v = strtoll(s, &end, 0);
		if (end == s || (*end && *end != ','))
			return wrong(out, "numbers are wanted, with commas between them");
		if (errno || v < INT32_MIN || v > UINT32_MAX)
			return wrong(out, "a number does not fit 32 bits");
		numbers[*n / sizeof(*numbers)] = (uint32_t)v;
		*n += sizeof(*numbers);
		s = end;
	} while (*s++ == ',');
	return 0;
}

static int open_input(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		fail(-errno, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		fail(-EINVAL, "%s: not a regular file", path);
		close(fd);
		return -1;
	}
	*size = (size_t)st.st_size;
	return fd;
}

static int read_all(int fd, const char *path, void *to, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = read(fd, (char *)to + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(n ? -errno : -EIO, "%s: %s", path,
				    n ? strerror(errno) : "it became shorter");
		done += (size_t)n;
	}
	return 0;
}

static int read_file(const char *path, struct argument *out, size_t *n)
{
	int fd = open_input(path, n), r;

	if (fd < 0)
		return EXIT_FAILED;
	out->memory = malloc(*n ? *n : 1);
	r = out->memory ? read_all(fd, path, out->memory, *n) : fail(-ENOMEM, "out of memory");
	close(fd);
	return r;
}

static const struct {
	const char *prefix;
	int (*read)(const char *s, struct argument *out, size_t *n);
} inputs[] = {
	{ "hex:", read_hex }, { "text:", read_text }, { "u32:", read_u32 }, { "file:", read_file },
};

static int read_input(const char *s, struct argument *out, size_t *n)
{
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		const char *rest = behind(s, inputs[i].prefix);

		if (rest)
			return inputs[i].read(rest, out, n);
	}
	return wrong(out, "an input is one of hex:, text:, u32: and file:");
}

static int make_buffer(struct qda_client *client, const char *domain, size_t size,
		       struct argument *out)
{
	struct qda_error e;

	if (qda_buffer_alloc(client, domain, size ? size : 1, &out->buffer, &e))
		return fail_error(&e);
	return 0;
}

static int parse_in(const char *s, struct argument *out)
{
	size_t n;
	int r = read_input(s, out, &n);

	if (r == 0)
		out->arg = qda_in(out->memory, n);
	return r;
}

static int parse_in_buffer(struct qda_client *client, const char *domain, const char *s,
			   struct argument *out)
{
	size_t n;
	int r = read_input(s, out, &n);

	if (r == 0)
		r = make_buffer(client, domain, n, out);
	if (r)
		return r;
	memcpy(qda_buffer_data(out->buffer), out->memory, n);
	out->arg = qda_in_buffer(out->buffer, 0, n);
	return 0;
}

/* --- outputs --- */

/* "LEN" and perhaps how to show it. */
static int parse_output(const char *s, struct argument *out, size_t *length)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(s, &end, 0);
	if (end == s || *s == '-')
		return wrong(out, "an output begins with its length in bytes");
	if (errno || v > UINT32_MAX)
		return wrong(out, "the length does not fit 32 bits");
	*length = (size_t)v;
	if (!*end || !strcmp(end, ":hex"))
		out->show = SHOW_HEX;
	else if (!strcmp(end, ":text"))
		out->show = SHOW_TEXT;
	else if (!strcmp(end, ":u32"))
		out->show = SHOW_U32;
	else if ((out->path = behind(end, ":file:")) && out->path[0])
		out->show = SHOW_FILE;
	else
		return wrong(out, "behind the length comes nothing, or :hex, :text, :u32 or "
				  ":file:PATH");
	return 0;
}

static int parse_out(const char *s, struct argument *out)
{
	size_t length;

	if (parse_output(s, out, &length))
		return -1;
	out->memory = calloc(1, length ? length : 1);
	if (!out->memory)
		return fail(-ENOMEM, "out of memory");
	out->arg = qda_out(out->memory, length);
	return 0;
}

static int parse_out_buffer(struct qda_client *client, const char *domain, const char *s,
			    struct argument *out)
{
	size_t length;

	if (parse_output(s, out, &length))
		return -1;
	if (make_buffer(client, domain, length, out))
		return EXIT_FAILED;
	out->arg = qda_out_buffer(out->buffer, 0, length);
	return 0;
}

static int parse_number(const char *s, struct argument *out)
{
	char *end;

	errno = 0;
	out->arg = qda_in_number(strtoull(s, &end, 0));
	return errno || end == s || *end ? wrong(out, "a number of 64 bits is wanted") : 0;
}

/* --- all of them --- */

static int parse(struct qda_client *client, const char *domain, const char *spec,
		 struct argument *out)
{
	const char *rest;

	if ((rest = behind(spec, "in:")))
		return parse_in(rest, out);
	if ((rest = behind(spec, "inbuf:")))
		return parse_in_buffer(client, domain, rest, out);
	if ((rest = behind(spec, "out:")))
		return parse_out(rest, out);
	if ((rest = behind(spec, "outbuf:")))
		return parse_out_buffer(client, domain, rest, out);
	if ((rest = behind(spec, "num:")))
		return parse_number(rest, out);
	return wrong(out, "it is none of in:, inbuf:, out:, outbuf: and num:");
}

int argument_parse(const struct verb *verb, struct qda_client *client, const char *domain,
		   const char *spec, struct argument *out)
{
	int r;

	*out = (struct argument){ 0 };
	r = parse(client, domain, spec, out);
	if (r < 0)
		r = usage_error(verb, "cannot read the argument \"%s\": %s", spec, out->why);
	if (r)
		argument_free(out);
	return r;
}

void argument_free(struct argument *a)
{
	free(a->memory);
	a->memory = NULL;
	a->buffer = qda_buffer_free(a->buffer);
}

static bool is_output(const struct argument *a)
{
	return a->arg.type == QDA_OUT || a->arg.type == QDA_OUT_BUFFER;
}

static const uint8_t *bytes(const struct argument *a)
{
	return a->buffer ? qda_buffer_data(a->buffer) : a->memory;
}

static void show_hex(const uint8_t *p, size_t n)
{
	for (size_t line = 0; line < n; line += 16) {
		printf("  %08zx ", line);
		for (size_t i = line; i < line + 16; i++) {
			if (i < n)
				printf(" %02x", p[i]);
			else
				printf("   ");
		}
		printf("  ");
		for (size_t i = line; i < line + 16 && i < n; i++)
			putchar(isprint(p[i]) && p[i] < 0x80 ? p[i] : '.');
		putchar('\n');
	}
}

static void show_text(const uint8_t *p, size_t n)
{
	printf("  ");
	put_text(stdout, (const char *)p, n);
	printf("%s\n", n && !p[0] ? "(it begins with a NUL)" : "");
}

static void show_u32(const uint8_t *p, size_t n)
{
	printf("  ");
	for (size_t i = 0; i + 4 <= n; i += 4) {
		uint32_t v;

		memcpy(&v, p + i, sizeof(v));
		printf("%s%u", i ? " " : "", v);
	}
	putchar('\n');
}

static int write_file(const char *path, const uint8_t *p, size_t n)
{
	FILE *f = fopen(path, "we");
	size_t done;

	if (!f)
		return fail(-errno, "%s: %s", path, strerror(errno));
	done = fwrite(p, 1, n, f);
	if (fclose(f) || done != n)
		return fail(-errno, "%s: %s", path, strerror(errno));
	return EXIT_OK;
}

int argument_save(const struct argument *a)
{
	if (!is_output(a) || a->show != SHOW_FILE)
		return EXIT_OK;
	return write_file(a->path, bytes(a), a->arg.length);
}

void argument_show(const struct argument *a, unsigned index)
{
	size_t n = a->arg.length;

	if (!is_output(a))
		return;
	if (a->show == SHOW_FILE) {
		printf("argument %u: %zu bytes in %s\n", index, n, a->path);
		return;
	}
	printf("argument %u: %zu bytes\n", index, n);
	if (a->show == SHOW_TEXT)
		show_text(bytes(a), n);
	else if (a->show == SHOW_U32)
		show_u32(bytes(a), n);
	else
		show_hex(bytes(a), n);
}

static struct json_object *hex_string(const uint8_t *p, size_t n)
{
	struct json_object *s;
	char *hex = malloc(2 * n + 1);

	if (!hex)
		return NULL;
	for (size_t i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", p[i]);
	s = json_object_new_string_len(hex, (int)(2 * n));
	free(hex);
	return s;
}

struct json_object *argument_json(const struct argument *a, unsigned index)
{
	struct json_object *o;

	if (!is_output(a))
		return NULL;
	o = json_object_new_object();
	json_object_object_add(o, "argument", json_object_new_int((int)index));
	json_object_object_add(o, "bytes", json_object_new_uint64(a->arg.length));
	if (a->show != SHOW_FILE)
		json_object_object_add(o, "hex", hex_string(bytes(a), a->arg.length));
	else
		json_object_object_add(o, "file", json_object_new_string(a->path));
	return o;
}
