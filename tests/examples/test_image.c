/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * qda-image as its users see it: pictures of every kind go in, and what comes out is compared, byte
 * for byte, with filters written here in the plainest way; files that cannot be read give an error
 * that names them.
 */
#include "../daemon/fixture.h"

#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Pictures, results and what the program said; gone at the end. */
static char dir[] = "/tmp/qda-image.XXXXXX";
static char said[4096];

struct pixels {
	unsigned width, height, channels;
	uint32_t format;
	uint8_t *data;
};

/* --- the plainest filters --- */

static int at(const struct pixels *p, int x, int y, unsigned c)
{
	x = x < 0 ? 0 : x >= (int)p->width ? (int)p->width - 1 : x;
	y = y < 0 ? 0 : y >= (int)p->height ? (int)p->height - 1 : y;
	return p->data[((size_t)y * p->width + (size_t)x) * p->channels + c];
}

static int blurred(const struct pixels *p, int x, int y, unsigned c, int radius)
{
	long sum = 0, area = (2 * radius + 1) * (2 * radius + 1);

	for (int j = -radius; j <= radius; j++)
		for (int i = -radius; i <= radius; i++)
			sum += at(p, x + i, y + j, c);
	return (int)((sum + area / 2) / area);
}

static int edge(const struct pixels *p, int x, int y, unsigned c)
{
	static const int weight[3] = { 1, 2, 1 };
	int gx = 0, gy = 0, length;

	for (int i = -1; i <= 1; i++) {
		gx += weight[i + 1] * (at(p, x + 1, y + i, c) - at(p, x - 1, y + i, c));
		gy += weight[i + 1] * (at(p, x + i, y + 1, c) - at(p, x + i, y - 1, c));
	}
	length = (int)floor(sqrt(gx * gx + gy * gy));
	return length > 255 ? 255 : length;
}

/* Radius -1: edges. `step`: look at each so manieth pixel. */
static void compare(const struct pixels *in, const struct pixels *out, int radius, size_t step)
{
	size_t n = (size_t)in->width * in->height;

	assert_int_equal(in->width, out->width);
	assert_int_equal(in->height, out->height);
	for (size_t i = 0; i < n; i += step)
		for (unsigned c = 0; c < in->channels; c++) {
			int x = (int)(i % in->width), y = (int)(i / in->width), wanted;

			if (in->channels % 2 == 0 && c == in->channels - 1)
				wanted = at(in, x, y, c);
			else
				wanted = radius < 0 ? edge(in, x, y, c)
						    : blurred(in, x, y, c, radius);
			if (at(out, x, y, c) != wanted)
				fail_msg("pixel %d,%d channel %u is %d, not %d", x, y, c,
					 at(out, x, y, c), wanted);
		}
}

/* --- files --- */

static void in_dir(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s", dir, name);
}

/* Format 0: 8 bit, no palette, as many channels as the file has. */
static struct pixels png_load(const char *name, uint32_t format)
{
	png_image png = { .version = PNG_IMAGE_VERSION };
	struct pixels p;
	char path[512];

	in_dir(path, sizeof(path), name);
	if (!png_image_begin_read_from_file(&png, *name == '/' ? name : path))
		fail_msg("%s: %s", name, png.message);
	png.format = format ? format : png.format & (PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_ALPHA);
	p.width = png.width;
	p.height = png.height;
	p.format = png.format;
	p.channels = PNG_IMAGE_SAMPLE_CHANNELS(png.format);
	p.data = malloc(PNG_IMAGE_SIZE(png));
	assert_non_null(p.data);
	if (!png_image_finish_read(&png, NULL, p.data, 0, NULL))
		fail_msg("%s: %s", name, png.message);
	return p;
}

static void png_store(const char *name, uint32_t format, unsigned width, unsigned height,
		      const void *data, const void *palette)
{
	png_image png = {
		.version = PNG_IMAGE_VERSION, .width = width, .height = height, .format = format
	};
	char path[512];

	png.colormap_entries = palette ? 256 : 0;
	png.flags = PNG_IMAGE_FLAG_FAST;
	in_dir(path, sizeof(path), name);
	if (!png_image_write_to_file(&png, path, 0, data, 0, palette))
		fail_msg("%s: %s", name, png.message);
}

static void make_noise(uint8_t *to, size_t n)
{
	uint32_t state = 12345;

	for (size_t i = 0; i < n; i++) {
		state = state * 1664525 + 1013904223;
		to[i] = (uint8_t)(state >> 24);
	}
}

/* Its exit status; what it said is in `said`. */
static int run_image(const struct broker *broker, const char *file, int radius)
{
	char path[512], results[512], number[16];
	const char *argv[] = { QDA_IMAGE, "-r", number, "-o", results, path, NULL };

	in_dir(path, sizeof(path), file);
	in_dir(results, sizeof(results), "results");
	snprintf(number, sizeof(number), "%d", radius);
	return run_program(broker, argv, said, sizeof(said));
}

static void assert_said(const char *what)
{
	if (!strstr(said, what))
		fail_msg("\"%s\" is not in: %s", what, said);
}

/* One of the two results: it was announced, and it is there. */
static struct pixels result_load(const char *stem, const char *filter, uint32_t format)
{
	char name[128];

	snprintf(name, sizeof(name), "results/%s-%s.png", stem, filter);
	assert_said(name);
	return png_load(name, format);
}

/* Run on a picture that is there and look at all that comes out. */
static void filter_and_compare(const struct broker *broker, const char *stem, int radius,
			       size_t step)
{
	struct pixels in, edges, blur;
	char name[64];

	snprintf(name, sizeof(name), "%s.png", stem);
	if (run_image(broker, name, radius))
		fail_msg("it said: %s", said);
	in = png_load(name, 0);
	edges = result_load(stem, "edges", in.format);
	blur = result_load(stem, "blur", in.format);
	compare(&in, &edges, -1, step);
	compare(&in, &blur, radius, step);
	free(in.data);
	free(edges.data);
	free(blur.data);
}

/* Write a picture of that kind and filter it. */
static void check_format(void **state, const char *stem, uint32_t format, unsigned width,
			 unsigned height, int radius)
{
	size_t size = (size_t)width * height * PNG_IMAGE_PIXEL_SIZE(format);
	uint8_t *data = malloc(size), palette[256 * 4];
	char name[64];

	assert_non_null(data);
	make_noise(data, size);
	make_noise(palette, sizeof(palette));
	snprintf(name, sizeof(name), "%s.png", stem);
	png_store(name, format, width, height, data,
		  format & PNG_FORMAT_FLAG_COLORMAP ? palette : NULL);
	free(data);
	filter_and_compare(*state, stem, radius, 1);
}

/* --- pictures --- */

static void grey_picture(void **state)
{
	check_format(state, "grey", PNG_FORMAT_GRAY, 37, 23, 6);
}

static void grey_with_alpha_keeps_alpha(void **state)
{
	check_format(state, "grey-alpha", PNG_FORMAT_GA, 19, 41, 3);
}

static void rgb_picture(void **state)
{
	check_format(state, "rgb", PNG_FORMAT_RGB, 64, 48, 4);
}

static void rgba_keeps_alpha(void **state)
{
	check_format(state, "rgba", PNG_FORMAT_RGBA, 33, 31, 5);
}

static void palette_picture(void **state)
{
	check_format(state, "palette", PNG_FORMAT_RGB_COLORMAP, 40, 30, 2);
}

static void palette_with_alpha(void **state)
{
	check_format(state, "palette-alpha", PNG_FORMAT_RGBA_COLORMAP, 17, 13, 2);
}

static void sixteen_bit_picture(void **state)
{
	check_format(state, "deep", PNG_FORMAT_LINEAR_RGB, 21, 22, 3);
}

static void one_pixel(void **state)
{
	check_format(state, "one", PNG_FORMAT_RGB, 1, 1, 6);
}

static void one_row_and_one_column(void **state)
{
	check_format(state, "row", PNG_FORMAT_RGBA, 300, 1, 6);
	check_format(state, "column", PNG_FORMAT_GRAY, 1, 300, 6);
}

static void radius_zero_changes_nothing(void **state)
{
	check_format(state, "sharp", PNG_FORMAT_RGB, 20, 20, 0);
}

static void radius_beyond_the_picture(void **state)
{
	check_format(state, "small", PNG_FORMAT_RGB, 9, 7, 255);
}

static void twelve_megapixels(void **state)
{
	const unsigned width = 4000, height = 3000;
	uint8_t *data = malloc((size_t)width * height * 3);

	assert_non_null(data);
	for (size_t i = 0; i < (size_t)width * height * 3; i++)
		data[i] = (uint8_t)(i / 3 % width / 50 * (i / 3 / width / 40));
	png_store("large.png", PNG_FORMAT_RGB, width, height, data, NULL);
	free(data);
	filter_and_compare(*state, "large", 6, 997);
}

static void the_picture_of_the_demo(void **state)
{
	char link[512];

	in_dir(link, sizeof(link), "lighthouse.png");
	assert_int_equal(symlink(LIGHTHOUSE, link), 0);
	filter_and_compare(*state, "lighthouse", 6, 1);
}

/* --- what is no picture --- */

static void store(const char *name, const void *data, size_t size)
{
	char path[512];
	FILE *file;

	in_dir(path, sizeof(path), name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void assert_refused(const struct broker *broker, const char *name, const char *why)
{
	char result[512], stem[64];

	assert_int_equal(run_image(broker, name, 6), 1);
	assert_said(name);
	assert_said(why);
	snprintf(stem, sizeof(stem), "results/%.*s-edges.png", (int)strlen(name) - 4, name);
	in_dir(result, sizeof(result), stem);
	assert_int_equal(access(result, F_OK), -1);
}

static void missing_file_is_named(void **state)
{
	assert_refused(*state, "missing.png", "No such file");
}

static void text_is_no_picture(void **state)
{
	store("text.png", "This is not a picture.\n", 23);
	assert_refused(*state, "text.png", "PNG");
}

static void empty_file_is_no_picture(void **state)
{
	store("empty.png", "", 0);
	assert_refused(*state, "empty.png", "empty.png: is no PNG file");
}

static void cut_file_is_refused(void **state)
{
	uint8_t data[64 * 64 * 3];
	char path[512];
	struct stat st;

	make_noise(data, sizeof(data));
	png_store("cut.png", PNG_FORMAT_RGB, 64, 64, data, NULL);
	in_dir(path, sizeof(path), "cut.png");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size / 2), 0);
	assert_refused(*state, "cut.png", "cut.png: ");
}

/* A header that promises more than there can be, with the check sum it needs. */
static void giant_is_refused(void **state)
{
	uint8_t head[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x9c\x40\0\0\x9c\x40\x08\x02\0\0\0...."
			 "\0\0\0\1IDAT";
	uint32_t crc = 0xffffffff;

	for (size_t i = 12; i < 29; i++) {
		crc ^= head[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	for (size_t i = 0; i < 4; i++)
		head[29 + i] = (uint8_t)(~crc >> (24 - 8 * i));
	store("giant.png", head, sizeof(head) - 1);
	assert_refused(*state, "giant.png", "40000 x 40000");
}

static void a_broker_that_is_not_there_is_named(void **state)
{
	png_store("alone.png", PNG_FORMAT_GRAY, 1, 1, "x", NULL);
	setenv("QDAD_SOCKET", "/nonexistent/qdad.sock", 1);
	assert_int_equal(run_image(NULL, "alone.png", 6), 1);
	unsetenv("QDAD_SOCKET");
	assert_said("/nonexistent/qdad.sock");
}

static int setup(void **state)
{
	return mkdtemp(dir) ? broker_setup(state) : -1;
}

static int teardown(void **state)
{
	const char *argv[] = { "/bin/rm", "-r", dir, NULL };

	return broker_teardown(state) || run_program(NULL, argv, said, sizeof(said));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grey_picture),
		cmocka_unit_test(grey_with_alpha_keeps_alpha),
		cmocka_unit_test(rgb_picture),
		cmocka_unit_test(rgba_keeps_alpha),
		cmocka_unit_test(palette_picture),
		cmocka_unit_test(palette_with_alpha),
		cmocka_unit_test(sixteen_bit_picture),
		cmocka_unit_test(one_pixel),
		cmocka_unit_test(one_row_and_one_column),
		cmocka_unit_test(radius_zero_changes_nothing),
		cmocka_unit_test(radius_beyond_the_picture),
		cmocka_unit_test(twelve_megapixels),
		cmocka_unit_test(the_picture_of_the_demo),
		cmocka_unit_test(missing_file_is_named),
		cmocka_unit_test(text_is_no_picture),
		cmocka_unit_test(empty_file_is_no_picture),
		cmocka_unit_test(cut_file_is_refused),
		cmocka_unit_test(giant_is_refused),
		cmocka_unit_test(a_broker_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
