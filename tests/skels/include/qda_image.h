/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libqda_image_skel: two filters over pictures of 8 bit per channel. Method numbers and argument
 * layout. In IDL the methods would be
 *
 *	long blur(in sequence<octet> src, rout sequence<octet> dst, in unsigned long width, ...);
 *
 * so each takes in 0: struct qda_image_in; in 1: source pixels; out 0: destination pixels. Source
 * and destination must not overlap. With 2 or 4 channels the last one is alpha and is copied as it
 * is. At the border the outermost pixel is repeated.
 */
#pragma once

#include <stdint.h>

#define QDA_IMAGE_URI "file:///libqda_image_skel.so?qda_image_skel_handle_invoke&_modver=1.0"

#define QDA_IMAGE_SIDE_MAX 32768u
#define QDA_IMAGE_RADIUS_MAX 255u

enum qda_image_method {
	/* Mean over the square of 2 * radius + 1 pixels around each pixel, rounded to nearest. */
	QDA_IMAGE_BLUR = 2,
	/* Sobel: length of the gradient, per channel, rounded down, at most 255. Radius is not
	 * used. */
	QDA_IMAGE_EDGES = 3,
};

struct qda_image_in {
	uint32_t src_length;	/* bytes of in 1 */
	uint32_t dst_length;	/* bytes of out 0 */
	uint32_t width;		/* 1..QDA_IMAGE_SIDE_MAX pixels */
	uint32_t height;
	uint32_t channels;	/* 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA */
	uint32_t src_stride;	/* bytes from row to row, at least width * channels */
	uint32_t dst_stride;
	uint32_t radius;	/* 0..QDA_IMAGE_RADIUS_MAX */
};
