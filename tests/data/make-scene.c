/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Renders lighthouse.png, the picture that the demo and the tests filter: a lighthouse in the
 * evening. Not part of the build, since the picture is kept beside it. To make it again:
 *
 *	cc -O3 -ffast-math make-scene.c -o make-scene -lpng -lm && ./make-scene lighthouse.png
 *
 * A ray is followed through a field that says how far the nearest surface is ("sphere tracing").
 * Lengths are metres.
 */
#include <math.h>
#include <png.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { WIDTH = 640, HEIGHT = 427, SAMPLES = 3 };
enum material { SKY, ROCK, TOWER, IRON, LAMP, WALL, ROOF, CHIMNEY, PATH };

struct vec {
	float x, y, z;
};

static struct vec v(float x, float y, float z)
{
	return (struct vec){ x, y, z };
}

static struct vec add(struct vec a, struct vec b)
{
	return v(a.x + b.x, a.y + b.y, a.z + b.z);
}

static struct vec mul(struct vec a, float k)
{
	return v(a.x * k, a.y * k, a.z * k);
}

static struct vec tint(struct vec a, struct vec b)
{
	return v(a.x * b.x, a.y * b.y, a.z * b.z);
}

static float dot(struct vec a, struct vec b)
{
	return a.x * b.x + a.y * b.y + a.z * b.z;
}

static struct vec norm(struct vec a)
{
	return mul(a, 1 / sqrtf(dot(a, a)));
}

static float clamp(float x, float low, float high)
{
	return x < low ? low : x > high ? high : x;
}

static float smooth(float from, float to, float x)
{
	float t = clamp((x - from) / (to - from), 0, 1);

	return t * t * (3 - 2 * t);
}

static struct vec mix(struct vec a, struct vec b, float t)
{
	return add(mul(a, 1 - t), mul(b, t));
}

/* --- noise --- */

static float hash(int x, int y)
{
	uint32_t h = (uint32_t)x * 0x8da6b343u ^ (uint32_t)y * 0xd8163841u;

	h = (h ^ h >> 13) * 0x5bd1e995u;
	h ^= h >> 15;
	return (float)(h & 0xffff) / 65535.0f;
}

static float noise(float x, float y)
{
	float fx = floorf(x), fy = floorf(y), u = smooth(0, 1, x - fx), w = smooth(0, 1, y - fy);
	int i = (int)fx, j = (int)fy;
	float low = hash(i, j) + u * (hash(i + 1, j) - hash(i, j));
	float high = hash(i, j + 1) + u * (hash(i + 1, j + 1) - hash(i, j + 1));

	return low + w * (high - low);
}

static float fractal(float x, float y, int octaves)
{
	float sum = 0, size = 0.5f;

	for (; octaves > 0; octaves--, size /= 2) {
		sum += size * noise(x, y);
		float turned = 1.6f * x - 1.2f * y;
		y = 1.2f * x + 1.6f * y;
		x = turned;
	}
	return sum;
}

/* --- shapes --- */

static float box(struct vec p, struct vec half, float round)
{
	struct vec q = v(fabsf(p.x) - half.x + round, fabsf(p.y) - half.y + round,
			 fabsf(p.z) - half.z + round);
	struct vec o = v(fmaxf(q.x, 0), fmaxf(q.y, 0), fmaxf(q.z, 0));

	return sqrtf(dot(o, o)) + fminf(fmaxf(q.x, fmaxf(q.y, q.z)), 0) - round;
}

/* Upright, from y = 0 to height, radius changing from bottom to top. */
static float cone(struct vec p, float height, float bottom, float top)
{
	float radius = bottom + (top - bottom) * clamp(p.y / height, 0, 1);
	float side = (sqrtf(p.x * p.x + p.z * p.z) - radius) * 0.97f;

	return fmaxf(side, fmaxf(-p.y, p.y - height));
}

static float ground(float x, float z)
{
	float far = sqrtf((x + 2) * (x + 2) * 0.35f + (z + 1) * (z + 1) * 0.8f);
	float hill = 3.6f * (1 - smooth(1.6f, 6.2f, far)) - 1.2f;
	float rough = fabsf(fractal(x * 0.55f + 3, z * 0.55f + 7, 6) - 0.5f) * 2;

	return hill + (1 - rough) * 1.5f * smooth(1.5f, 4, far) - 0.5f + rough * 0.12f;
}

static void nearer(float distance, enum material is, float *best, enum material *which)
{
	if (distance < *best) {
		*best = distance;
		*which = is;
	}
}

static void lighthouse(struct vec p, float *best, enum material *which)
{
	float round = sqrtf(p.x * p.x + p.z * p.z), angle = atan2f(p.z, p.x);
	float step = 6.2831853f / 16, near = (angle - roundf(angle / step) * step) * round;

	nearer(cone(p, 8.2f, 1.25f, 0.78f), TOWER, best, which);
	nearer(cone(add(p, v(0, -8.2f, 0)), 0.22f, 1.0f, 1.25f), IRON, best, which);
	nearer(cone(add(p, v(0, -8.42f, 0)), 1.25f, 0.56f, 0.56f), LAMP, best, which);
	nearer(cone(add(p, v(0, -9.67f, 0)), 0.75f, 0.85f, 0.05f), ROOF, best, which);
	nearer(cone(add(p, v(0, -10.3f, 0)), 0.7f, 0.035f, 0.02f), IRON, best, which);
	/* The railing: 16 posts and two rings. */
	nearer(fmaxf(sqrtf(near * near + (round - 1.18f) * (round - 1.18f)) - 0.025f,
		     fabsf(p.y - 8.75f) - 0.35f),
	       IRON, best, which);
	for (int i = 0; i < 2; i++) {
		float y = p.y - 8.78f - 0.3f * (float)i;

		nearer(sqrtf(y * y + (round - 1.18f) * (round - 1.18f)) - 0.025f, IRON, best,
		       which);
	}
}

static void house(struct vec p, float *best, enum material *which)
{
	float slope = fmaxf((p.y - 2.95f + fabsf(p.z) * 0.85f) * 0.76f, fabsf(p.x) - 2.15f);

	nearer(fmaxf(box(add(p, v(0, -1, 0)), v(1.95f, 2.0f, 1.3f), 0.03f),
		     (p.y - 2.85f + fabsf(p.z) * 0.85f) * 0.76f),
	       WALL, best, which);
	nearer(fmaxf(fmaxf(slope, (2.78f - p.y - fabsf(p.z) * 0.85f) * 0.76f), fabsf(p.z) - 1.6f),
	       ROOF, best, which);
	nearer(box(add(p, v(-1.2f, -2.8f, 0)), v(0.24f, 0.75f, 0.24f), 0.02f), CHIMNEY, best,
	       which);
}

static const struct vec tower_at = { 2.2f, 2.2f, 0.2f }, house_at = { -2.7f, 2.1f, 0.1f };

/* The house stands at an angle, so that two of its sides are seen. */
static struct vec in_house(struct vec p)
{
	const float c = 0.857f, s = -0.515f;
	struct vec q = add(p, mul(house_at, -1));

	return v(c * q.x - s * q.z, q.y, s * q.x + c * q.z);
}

static float field(struct vec p, enum material *which)
{
	float best = (p.y - ground(p.x, p.z)) * 0.55f;

	*which = ROCK;
	lighthouse(add(p, mul(tower_at, -1)), &best, which);
	house(in_house(p), &best, which);
	return best;
}

static float march(struct vec from, struct vec to, float most, enum material *which)
{
	float t = 0.02f;

	for (int i = 0; i < 220 && t < most; i++) {
		float d = field(add(from, mul(to, t)), which);

		if (d < 0.0006f * t)
			return t;
		t += d;
	}
	*which = SKY;
	return most;
}

static struct vec slope_of(struct vec p)
{
	enum material m;
	float e = 0.004f;

	return norm(v(field(add(p, v(e, 0, 0)), &m) - field(add(p, v(-e, 0, 0)), &m),
		      field(add(p, v(0, e, 0)), &m) - field(add(p, v(0, -e, 0)), &m),
		      field(add(p, v(0, 0, e)), &m) - field(add(p, v(0, 0, -e)), &m)));
}

/* --- light --- */

static struct vec sun(void)
{
	return norm(v(-0.72f, 0.34f, -0.42f));
}

static struct vec sky(struct vec d)
{
	float up = clamp(d.y, 0, 1), at = atan2f(d.x, d.z);
	float glow = clamp(dot(d, norm(v(-0.75f, 0.06f, 0.75f))), 0, 1);
	struct vec colour = mix(v(0.98f, 0.66f, 0.42f), v(0.16f, 0.33f, 0.62f), powf(up, 0.42f));
	float cx = d.x / (up + 0.12f), cz = d.z / (up + 0.12f);
	float cloud = smooth(0.45f, 0.68f, fractal(cx * 0.8f + 11, cz * 1.9f + 4, 6)) *
		      smooth(0, 0.12f, d.y);

	colour = add(colour, mul(v(1.0f, 0.55f, 0.2f), 0.55f * powf(glow, 9)));
	colour = mix(colour, mix(v(0.98f, 0.72f, 0.55f), v(0.9f, 0.9f, 0.95f), up * 1.6f),
		     0.75f * cloud);
	for (int range = 0; range < 2; range++) {
		float line = 0.015f +
			     0.17f * (range ? 0.5f : 1) *
				     powf(fractal(at * (range ? 5.0f : 3.0f) + 5 + 9 * (float)range,
						  1.5f, 6),
					  1.3f);
		struct vec hill = range ? v(0.27f, 0.30f, 0.40f) : v(0.50f, 0.47f, 0.55f);

		colour = mix(colour, hill, smooth(0.0015f, -0.0015f, d.y - line));
	}
	return colour;
}

static float shadow(struct vec p, struct vec to)
{
	enum material m;
	float light = 1, t = 0.05f;

	for (int i = 0; i < 90 && t < 24 && light > 0.01f; i++) {
		float d = field(add(p, mul(to, t)), &m);

		light = fminf(light, 14 * d / t);
		t += clamp(d, 0.02f, 0.6f);
	}
	return clamp(light, 0, 1);
}

static float openness(struct vec p, struct vec n)
{
	enum material m;
	float hidden = 0;

	for (int i = 1; i <= 5; i++) {
		float h = 0.12f * (float)i;

		hidden += (h - field(add(p, mul(n, h)), &m)) / (float)(1 << i);
	}
	return clamp(1 - 1.6f * hidden, 0.1f, 1);
}

static struct vec rock_colour(struct vec p, struct vec n)
{
	float grain = fractal(p.x * 3, p.z * 3 + p.y * 4, 5),
	      grass = smooth(0.72f, 0.93f, n.y) * smooth(0.9f, 1.7f, p.y);
	struct vec rock = mix(v(0.20f, 0.17f, 0.15f), v(0.52f, 0.45f, 0.38f), grain);
	struct vec green =
		mix(v(0.16f, 0.22f, 0.07f), v(0.38f, 0.40f, 0.14f), fractal(p.x * 7, p.z * 7, 4));

	return mul(mix(rock, green, grass), 0.45f + 0.55f * smooth(-0.1f, 0.5f, p.y));
}

static struct vec wall_colour(struct vec p, float *lamp)
{
	struct vec q = in_house(p);
	float wx = fabsf(fabsf(q.x) - 1.0f), wy = fabsf(q.y - 0.95f);
	int front = fabsf(q.z) > 1.25f;

	if (front && wx < 0.34f && wy < 0.42f) {
		if (wx < 0.03f || fabsf(wx - 0.34f) < 0.05f || wy < 0.03f ||
		    fabsf(wy - 0.42f) < 0.05f)
			return v(0.85f, 0.85f, 0.82f);
		*lamp = 0.9f;
		return v(0.9f, 0.62f, 0.25f);
	}
	if (front && fabsf(q.x) < 0.3f && q.y < 1.25f)
		return v(0.12f, 0.26f, 0.30f);
	return mul(v(0.86f, 0.83f, 0.76f), 0.9f + 0.12f * fractal(q.x * 9, q.y * 9, 3));
}

static struct vec tower_colour(struct vec p)
{
	struct vec q = add(p, mul(tower_at, -1));
	float angle = atan2f(q.z, q.x) + 1.75f;
	int band = (int)floorf(q.y / 1.64f);

	for (int i = 0; i < 3; i++)
		if (fabsf(angle) < 0.2f && fabsf(q.y - 2.46f - 2.0f * (float)i) < 0.34f)
			return v(0.07f, 0.08f, 0.10f);
	if (fabsf(angle) < 0.34f && q.y < 1.0f)
		return v(0.18f, 0.11f, 0.07f);
	return mul(band & 1 ? v(0.68f, 0.09f, 0.07f) : v(0.88f, 0.86f, 0.80f),
		   0.92f + 0.12f * fractal(angle * 9, q.y * 6, 3));
}

static struct vec surface(struct vec p, struct vec n, enum material which, float *lamp)
{
	float row;

	switch (which) {
	case TOWER:
		return tower_colour(p);
	case WALL:
		return wall_colour(p, lamp);
	case LAMP:
		*lamp = fmodf(fabsf(atan2f(p.z - tower_at.z, p.x - tower_at.x)) + 0.05f, 0.7854f) <
					0.1f
				? 0
				: 1.6f;
		return *lamp > 0 ? v(1, 0.8f, 0.42f) : v(0.1f, 0.1f, 0.1f);
	case ROOF:
		row = p.y * 7 - floorf(p.y * 7);
		return mul(p.x > 0.4f ? v(0.42f, 0.08f, 0.06f) : v(0.45f, 0.20f, 0.13f),
			   p.x > 0.4f ? 1
				      : (row < 0.16f ? 0.6f
						     : 0.9f + 0.2f * hash((int)floorf(p.y * 7),
									  (int)floorf(p.x * 5))));
	case IRON:
		return v(0.09f, 0.09f, 0.10f);
	case CHIMNEY:
		return v(0.45f, 0.26f, 0.20f);
	default:
		return rock_colour(p, n);
	}
}

static struct vec solid(struct vec from, struct vec to, float t, enum material which)
{
	struct vec p = add(from, mul(to, t)), n = slope_of(p), colour, light;
	float lamp = 0, direct = fmaxf(dot(n, sun()), 0), open = openness(p, n);

	if (direct > 0)
		direct *= shadow(add(p, mul(n, 0.01f)), sun());
	colour = surface(p, n, which, &lamp);
	light = add(mul(v(1.9f, 1.32f, 0.82f), direct),
		    mul(v(0.30f, 0.40f, 0.58f), open * (0.6f + 0.4f * n.y)));
	light = add(light, mul(v(0.36f, 0.22f, 0.14f), open * fmaxf(0, 0.5f - 0.5f * n.y)));
	colour = mix(tint(colour, light), mul(colour, 1.5f), clamp(lamp, 0, 1));
	return mix(colour, v(0.80f, 0.66f, 0.56f), 1 - expf(-t * 0.004f));
}

static struct vec water(struct vec from, struct vec to, float t)
{
	struct vec p = add(from, mul(to, t)), n, back, seen;
	float calm = 1 / (1 + t * 0.035f), e = 0.05f, x = p.x * 0.7f, z = p.z * 1.7f, foam;
	float h = fractal(x, z, 5), bounce, mirror;
	enum material which;

	n = norm(v((h - fractal(x + e, z, 5)) / e * 0.20f * calm, 1,
		   (h - fractal(x, z + e, 5)) / e * 0.34f * calm));
	back = add(to, mul(n, -2 * dot(to, n)));
	back.y = fabsf(back.y) + 0.002f;
	back = norm(back);
	bounce = march(add(p, v(0, 0.02f, 0)), back, 40, &which);
	seen = which == SKY ? sky(back) : solid(p, back, bounce, which);
	mirror = 0.04f + 0.96f * powf(1 - clamp(-dot(to, n), 0, 1), 4);
	seen = mix(v(0.03f, 0.11f, 0.14f), seen, clamp(mirror + 0.1f, 0, 1));
	foam = smooth(-0.42f, -0.02f,
		      ground(p.x, p.z) + 0.25f * (fractal(p.x * 3, p.z * 3, 4) - 0.5f));
	seen = mix(seen, v(0.82f, 0.80f, 0.78f), 0.75f * foam);
	return mix(seen, sky(norm(v(to.x, 0.02f, to.z))), 1 - expf(-t * 0.0035f));
}

static struct vec look(struct vec from, struct vec to)
{
	float sea = to.y < 0 ? -from.y / to.y : 1e9f;
	enum material which;
	float t = march(from, to, fminf(sea, 90), &which);

	if (which != SKY)
		return solid(from, to, t, which);
	return sea < 1e8f ? water(from, to, sea) : sky(to);
}

/* Film: soft shoulder, sRGB, corners a little darker. */
static uint8_t develop(float light, float corner)
{
	float x = fmaxf(light, 0) * corner * 0.56f;

	x = clamp(x * (2.51f * x + 0.03f) / (x * (2.43f * x + 0.59f) + 0.14f), 0, 1);
	return (uint8_t)(255 * powf(x, 1 / 1.95f) + 0.5f);
}

static void pixel(int column, int row, uint8_t *out)
{
	struct vec from = v(-6.5f, 3.3f, -24), sum = v(0, 0, 0);
	float cx = ((float)column - WIDTH / 2.0f) / WIDTH,
	      cy = ((float)row - HEIGHT / 2.0f) / WIDTH;
	float corner = 1 - 0.7f * (cx * cx + cy * cy), grey;

	for (int i = 0; i < SAMPLES * SAMPLES; i++) {
		float x = (float)column + ((float)(i % SAMPLES) + 0.5f) / SAMPLES - WIDTH / 2.0f;
		float y = (float)row + ((float)(i / SAMPLES) + 0.5f) / SAMPLES - HEIGHT / 2.0f;

		sum = add(sum, look(from, norm(v(x / WIDTH + 0.19f, 0.155f - y / WIDTH, 1.0f))));
	}
	sum = mul(sum, 1.0f / (SAMPLES * SAMPLES));
	grey = dot(sum, v(0.3f, 0.6f, 0.1f));
	sum = mix(v(grey, grey, grey), sum, 1.35f);
	out[0] = develop(sum.x, corner);
	out[1] = develop(sum.y, corner);
	out[2] = develop(sum.z, corner);
}

int main(int argc, char **argv)
{
	static uint8_t pixels[HEIGHT][WIDTH][3];
	png_image png = { .version = PNG_IMAGE_VERSION,
			  .width = WIDTH,
			  .height = HEIGHT,
			  .format = PNG_FORMAT_RGB };

	if (argc != 2)
		return 2;
	for (int y = 0; y < HEIGHT; y++)
		for (int x = 0; x < WIDTH; x++)
			pixel(x, y, pixels[y][x]);
	return !png_image_write_to_file(&png, argv[1], 0, pixels, 0, NULL);
}
