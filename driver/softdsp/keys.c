// SPDX-License-Identifier: BSD-3-Clause
/*
 * Named memory of the PD: see keys.h. A sorted array, since look-ups are calls' work and changes
 * are rare. The host decides when a name goes; a skel that still uses the memory then faults, as
 * it would behind an IOMMU.
 */
#include <pthread.h>
#include <string.h>

#include "AEEStdErr.h"
#include "driver/fastrpc/fastrpc.h"
#include "keys.h"
#include "order.h"

#define MAX_NAMES	4096u
#define BANK_SIZE	(1ull << 32)
#define HEAP		(1ull << 32) /* heap is named by its address, apart from the keys */

struct name {
	uint64_t id;
	uint64_t size;
	uint32_t addr;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the table */
static struct name names[MAX_NAMES];
static unsigned n_names;

/* The first whose id is not less. */
static unsigned lower_bound(uint64_t id)
{
	unsigned low = 0, high = n_names;

	while (low < high) {
		const unsigned middle = (low + high) / 2;

		if (names[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static uint32_t add(uint64_t id, uint64_t addr, uint64_t size)
{
	const unsigned at = lower_bound(id);

	if (at < n_names && names[at].id == id)
		return SOFTDSP_EALREADY;
	if (n_names == MAX_NAMES)
		return FASTRPC_ENOMEMORY;
	memmove(&names[at + 1], &names[at], (n_names - at) * sizeof(names[0]));
	names[at] = (struct name){ .id = id, .addr = (uint32_t)addr, .size = size };
	n_names++;
	return 0;
}

/* `size` 0: whatever it is. */
static uint32_t drop(uint64_t id, uint64_t size)
{
	const unsigned at = lower_bound(id);

	if (at == n_names || names[at].id != id || (size && names[at].size != size))
		return FASTRPC_ENOSUCHMAP;
	n_names--;
	memmove(&names[at], &names[at + 1], (n_names - at) * sizeof(names[0]));
	return 0;
}

uint32_t keys_order(const struct pd_order *order, uint64_t *addr)
{
	uint32_t result = FASTRPC_EUNSUPPORTED;

	*addr = order->addr;
	if (order->addr >= BANK_SIZE || order->size > BANK_SIZE - order->addr)
		return FASTRPC_EBADPARM;
	pthread_mutex_lock(&lock);
	switch (order->kind) {
	case PD_ORDER_MAP_KEY:
		result = add(order->key, order->addr, order->size);
		break;
	case PD_ORDER_UNMAP_KEY:
		result = drop(order->key, 0);
		break;
	case PD_ORDER_GROW:
		result = add(HEAP | order->addr, order->addr, order->size);
		break;
	case PD_ORDER_SHRINK:
		result = drop(HEAP | order->addr, order->size);
		break;
	}
	pthread_mutex_unlock(&lock);
	return result;
}

int keys_find(uint32_t key, uint32_t *addr, uint64_t *size)
{
	unsigned at;
	int err = AEE_ENOSUCHMAP;

	pthread_mutex_lock(&lock);
	at = lower_bound(key);
	if (at < n_names && names[at].id == key) {
		*addr = names[at].addr;
		*size = names[at].size;
		err = 0;
	}
	pthread_mutex_unlock(&lock);
	return err;
}
