/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Picture filters: a box blur whose cost does not depend on the radius, and Sobel edges. Pixels are
 * read and written where they lie, in memory shared with the host; nothing is copied but one row of
 * sums.
 *
 * The host may change the pixels while a filter runs: then the picture is wrong, but no index here
 * depends on a pixel.
 */
#include <math.h>
#include <stdlib.h>

#include "qda_image.h"
#include "skel.h"

struct picture {
	const uint8_t *src;
	uint8_t *dst;
	size_t width, height, channels;
	size_t colours; /* channels without alpha */
	size_t src_stride, dst_stride;
	size_t radius;
};

/* Row y, or the outermost one where y lies outside. */
static const uint8_t *src_row(const struct picture *p, ptrdiff_t y)
{
	size_t row = y < 0 ? 0 : (size_t)y >= p->height ? p->height - 1 : (size_t)y;

	return p->src + row * p->src_stride;
}

static size_t clamp_x(const struct picture *p, ptrdiff_t x)
{
	return x < 0 ? 0 : (size_t)x >= p->width ? p->width - 1 : (size_t)x;
}

static void copy_alpha(const struct picture *p)
{
	if (p->colours == p->channels)
		return;
	for (size_t y = 0; y < p->height; y++)
		for (size_t at = p->colours; at < p->width * p->channels; at += p->channels)
			p->dst[y * p->dst_stride + at] = p->src[y * p->src_stride + at];
}

/* One row of results from the sums of the columns: a window slides over them. */
static void blur_row(const struct picture *p, const uint32_t *columns, uint8_t *dst, size_t channel)
{
	ptrdiff_t radius = (ptrdiff_t)p->radius;
	uint32_t side = 2 * (uint32_t)p->radius + 1, area = side * side, sum = 0;

	for (ptrdiff_t x = -radius; x <= radius; x++)
		sum += columns[clamp_x(p, x) * p->channels + channel];
	for (ptrdiff_t x = 0; (size_t)x < p->width; x++) {
		dst[(size_t)x * p->channels + channel] = (uint8_t)((sum + area / 2) / area);
		sum += columns[clamp_x(p, x + radius + 1) * p->channels + channel];
		sum -= columns[clamp_x(p, x - radius) * p->channels + channel];
	}
}

/*
 * Each element of `columns` is the sum over the 2 * radius + 1 rows around y; going down one row
 * costs one addition and one subtraction. 255 * 511 * 511 fits 32 bits. Unsigned, so that a source
 * that changes meanwhile makes wrong colours and nothing else.
 */
static int blur(const struct picture *p)
{
	size_t n = p->width * p->channels;
	ptrdiff_t radius = (ptrdiff_t)p->radius;
	uint32_t *columns = calloc(n, sizeof(*columns));

	if (!columns)
		return AEE_ENOMEMORY;
	for (ptrdiff_t y = -radius; y <= radius; y++)
		for (size_t i = 0; i < n; i++)
			columns[i] += src_row(p, y)[i];
	for (ptrdiff_t y = 0; (size_t)y < p->height; y++) {
		const uint8_t *enters = src_row(p, y + radius + 1),
			      *leaves = src_row(p, y - radius);

		for (size_t channel = 0; channel < p->colours; channel++)
			blur_row(p, columns, p->dst + (size_t)y * p->dst_stride, channel);
		for (size_t i = 0; i < n; i++)
			columns[i] += (uint32_t)enters[i] - leaves[i];
	}
	free(columns);
	copy_alpha(p);
	return AEE_SUCCESS;
}

static uint8_t gradient(const uint8_t *const row[3], size_t left, size_t here, size_t right)
{
	int gx = row[0][right] + 2 * row[1][right] + row[2][right] -
		 (row[0][left] + 2 * row[1][left] + row[2][left]);
	int gy = row[2][left] + 2 * row[2][here] + row[2][right] -
		 (row[0][left] + 2 * row[0][here] + row[0][right]);
	/* At most 2 * 1020 * 1020: a float holds it exactly, so the root rounds down correctly. */
	float length = sqrtf((float)(gx * gx + gy * gy));

	return length > 255 ? 255 : (uint8_t)length;
}

static int edges(const struct picture *p)
{
	for (ptrdiff_t y = 0; (size_t)y < p->height; y++) {
		const uint8_t *const row[3] = { src_row(p, y - 1), src_row(p, y),
						src_row(p, y + 1) };
		uint8_t *dst = p->dst + (size_t)y * p->dst_stride;

		for (ptrdiff_t x = 0; (size_t)x < p->width; x++) {
			size_t left = clamp_x(p, x - 1) * p->channels,
			       here = (size_t)x * p->channels;
			size_t right = clamp_x(p, x + 1) * p->channels;

			for (size_t c = 0; c < p->colours; c++)
				dst[here + c] = gradient(row, left + c, here + c, right + c);
		}
	}
	copy_alpha(p);
	return AEE_SUCCESS;
}

/* Rows of `stride` bytes with `row` bytes used, the last one without its tail, lie inside
 * `length`. */
static bool rows_fit(size_t length, size_t stride, size_t row, size_t height)
{
	return stride >= row && (height - 1) * stride + row <= length;
}

static bool overlap(const remote_arg *a, const remote_arg *b)
{
	uintptr_t from_a = (uintptr_t)a->buf.pv, from_b = (uintptr_t)b->buf.pv;

	return from_a < from_b + b->buf.nLen && from_b < from_a + a->buf.nLen;
}

/* Every number comes from the host. With sides bounded, no product here passes 2^47. */
static int unpack(uint32_t sc, const remote_arg *pra, struct picture *p)
{
	struct qda_image_in in;

	if (!skel_counts(sc, 2, 1, 0, 0) || !skel_get(&pra[0], &in, sizeof(in)))
		return SKEL_REFUSE(sc, "counts do not fit the interface");
	if (in.src_length > pra[1].buf.nLen || in.dst_length > pra[2].buf.nLen)
		return SKEL_REFUSE(sc, "a buffer is shorter than it says");
	if (in.width - 1 >= QDA_IMAGE_SIDE_MAX || in.height - 1 >= QDA_IMAGE_SIDE_MAX)
		return SKEL_REFUSE(sc, "width and height are 1..32768");
	if (in.channels - 1 >= 4 || in.radius > QDA_IMAGE_RADIUS_MAX)
		return SKEL_REFUSE(sc, "channels are 1..4, radius 0..255");
	if (!rows_fit(in.src_length, in.src_stride, (size_t)in.width * in.channels, in.height) ||
	    !rows_fit(in.dst_length, in.dst_stride, (size_t)in.width * in.channels, in.height))
		return SKEL_REFUSE(sc, "the picture does not fit its buffer");
	if (overlap(&pra[1], &pra[2]))
		return SKEL_REFUSE(sc, "source and destination overlap");
	*p = (struct picture){
		.src = pra[1].buf.pv,
		.dst = pra[2].buf.pv,
		.width = in.width,
		.height = in.height,
		.channels = in.channels,
		.colours = in.channels - (in.channels % 2 == 0),
		.src_stride = in.src_stride,
		.dst_stride = in.dst_stride,
		.radius = in.radius,
	};
	return AEE_SUCCESS;
}

SKEL_ENTRY int qda_image_skel_handle_invoke(remote_handle64 handle, uint32_t sc, remote_arg *pra);

int qda_image_skel_handle_invoke(remote_handle64 handle, uint32_t sc, remote_arg *pra)
{
	struct picture p;
	int err;

	switch (REMOTE_SCALARS_METHOD(sc)) {
	case REMOTE_METHOD_OPEN:
		if (!skel_open_ok(sc, pra))
			return SKEL_REFUSE(sc, "not an open");
		pra[2].h64 = 1;
		return AEE_SUCCESS;
	case REMOTE_METHOD_CLOSE:
		return skel_close_ok(sc) ? AEE_SUCCESS : SKEL_REFUSE(sc, "not a close");
	case QDA_IMAGE_BLUR:
		err = unpack(sc, pra, &p);
		return err ? err : blur(&p);
	case QDA_IMAGE_EDGES:
		err = unpack(sc, pra, &p);
		return err ? err : edges(&p);
	default:
		FARF(ERROR, "no method %u", REMOTE_SCALARS_METHOD(sc));
		return AEE_EUNSUPPORTED;
	}
}
