// SPDX-License-Identifier: BSD-3-Clause
/*
 * Remote handles: see handle.h. Free places wait in a queue, so that an index comes back as late
 * as possible; its generation is then another.
 */
#include <errno.h>
#include <pthread.h>
#include <stddef.h>

#include "handle.h"
#include "module.h"

#define DYNAMIC		0x80000000u
#define INDEX_BITS	12
#define GENERATION_MASK	0x7ffffu

_Static_assert(HANDLES_MAX == 1u << INDEX_BITS, "an index is 12 bits of the handle");

struct place {
	uint32_t generation;
	struct module *module; /* NULL: free or reserved */
	uint64_t value;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all below */
static struct place places[HANDLES_MAX];
static uint16_t queue[HANDLES_MAX]; /* given back: n_free of them from `first` on, round */
static uint32_t first, n_free;
static uint32_t n_used_ever;

static uint32_t name(uint32_t index)
{
	return DYNAMIC | places[index].generation << INDEX_BITS | index;
}

/* Places never used go first; the queue holds those that were given back. */
static uint32_t take_index(void)
{
	uint32_t index;

	if (n_used_ever < HANDLES_MAX)
		return n_used_ever++;
	index = queue[first];
	first = (first + 1) % HANDLES_MAX;
	n_free--;
	return index;
}

static void give_index(uint32_t index)
{
	places[index].generation = (places[index].generation + 1) & GENERATION_MASK;
	places[index].module = NULL;
	queue[(first + n_free) % HANDLES_MAX] = index;
	n_free++;
}

static struct place *find(uint32_t handle)
{
	const uint32_t index = handle & (HANDLES_MAX - 1);

	return places[index].module && name(index) == handle ? &places[index] : NULL;
}

int handle_reserve(uint32_t *out, uint32_t n)
{
	int err = 0;

	if (!n)
		return 0;
	pthread_mutex_lock(&lock);
	if (HANDLES_MAX - n_used_ever + n_free < n)
		err = -ENOSPC;
	for (uint32_t i = 0; i < n && !err; i++)
		out[i] = name(take_index());
	pthread_mutex_unlock(&lock);
	return err;
}

void handle_open(uint32_t handle, struct module *module, uint64_t value)
{
	struct place *place = &places[handle & (HANDLES_MAX - 1)];

	module_ref(module);
	pthread_mutex_lock(&lock);
	place->module = module;
	place->value = value;
	pthread_mutex_unlock(&lock);
}

void handle_cancel(uint32_t handle)
{
	pthread_mutex_lock(&lock);
	give_index(handle & (HANDLES_MAX - 1));
	pthread_mutex_unlock(&lock);
}

int handle_get(uint32_t handle, struct module **module, uint64_t *value)
{
	const struct place *place;
	int err = -ENOENT;

	pthread_mutex_lock(&lock);
	place = find(handle);
	if (place) {
		module_ref(place->module);
		*module = place->module;
		*value = place->value;
		err = 0;
	}
	pthread_mutex_unlock(&lock);
	return err;
}

int handle_close(uint32_t handle, struct module **module, uint64_t *value)
{
	const struct place *place;
	int err = -ENOENT;

	pthread_mutex_lock(&lock);
	place = find(handle);
	if (place) {
		*module = place->module;
		*value = place->value;
		give_index(handle & (HANDLES_MAX - 1));
		err = 0;
	}
	pthread_mutex_unlock(&lock);
	return err;
}
