/* SPDX-License-Identifier: BSD-3-Clause */
/* png FILE: "WIDTH HEIGHT CHANNELS" and a newline, then the pixels as qda-image reads them. */
#include <err.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	png_image png = { .version = PNG_IMAGE_VERSION };
	png_bytep pixels;

	if (argc != 2 || !png_image_begin_read_from_file(&png, argv[1]))
		errx(1, "usage: png FILE (%s)", png.message);
	png.format &= PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_ALPHA;
	pixels = malloc(PNG_IMAGE_SIZE(png));
	if (!pixels || !png_image_finish_read(&png, NULL, pixels, 0, NULL))
		errx(1, "%s: %s", argv[1], png.message);
	printf("%u %u %u\n", png.width, png.height, PNG_IMAGE_SAMPLE_CHANNELS(png.format));
	fwrite(pixels, 1, PNG_IMAGE_SIZE(png), stdout);
	free(pixels);
	return fflush(stdout) ? 1 : 0;
}
