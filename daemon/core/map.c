/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Key maps of a session: buffers that a skel finds by number.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/buffer.h"
#include "core/call_internal.h"

#define OWN_KEYS 0x40000000u /* keys from here up are the daemon's */

static struct qda_map *find_map(struct qda_session *session, uint32_t key)
{
	struct qda_map *map;

	TAILQ_FOREACH (map, &session->maps, link)
		if (map->key == key)
			return map;
	return NULL;
}

static void free_map(struct qda_map *map)
{
	TAILQ_REMOVE(&map->session->maps, map, link);
	qda_slots_remove(&map->session->client->core->pending, map->cookie);
	qda_buffer_unref(map->buffer);
	qda_charge_deinit(&map->charge);
	free(map);
}

void qda_session_drop_maps(struct qda_session *session)
{
	struct qda_map *map;

	while ((map = TAILQ_FIRST(&session->maps))) {
		struct qda_fail fail;

		qda_fail(&fail, ECANCELED, "the session was closed");
		qda_reply_fail(session->client, &map->to, &fail);
		free_map(map);
	}
}

static int check_range(const struct qda_buffer *buffer, uint64_t offset, uint64_t *size,
		       struct qda_fail *fail)
{
	if (!*size && offset < buffer->size)
		*size = buffer->size - offset;
	if (!*size || offset % 4096 || *size % 4096)
		return qda_fail(fail, EINVAL,
				"offset %" PRIu64 " and size %" PRIu64
				" must be multiples of 4096 inside the buffer of %" PRIu64 " bytes",
				offset, *size, buffer->size);
	return qda_buffer_check(buffer, offset, *size, fail);
}

static int new_map(struct qda_session *session, struct qda_buffer *buffer, uint32_t key,
		   struct qda_map **out, struct qda_fail *fail)
{
	struct qda_map *map = calloc(1, sizeof(*map));
	int r;

	if (!map)
		return qda_fail(fail, ENOMEM, "the daemon is out of memory for a map");
	r = qda_charge_init(&map->charge, &session->client->account, QDA_RES_MAPS, 1, fail);
	if (r < 0) {
		free(map);
		return r;
	}
	map->session = session;
	map->buffer = qda_buffer_ref(buffer);
	map->key = key;
	TAILQ_INSERT_TAIL(&session->maps, map, link);
	*out = map;
	return 0;
}

static int check_key(struct qda_session *session, uint32_t key, struct qda_fail *fail)
{
	if (key >= OWN_KEYS)
		return qda_fail(fail, EINVAL, "key %#x: keys are 0 to %#x", key, OWN_KEYS - 1);
	if (find_map(session, key))
		return qda_fail(fail, EEXIST, "key %u is in use in this session: unmap it first",
				key);
	return 0;
}

int qda_session_check_key(struct qda_session *session, uint64_t key, uint64_t offset,
			  uint64_t length, struct qda_fail *fail)
{
	const struct qda_map *map = key < OWN_KEYS ? find_map(session, key) : NULL;
	uint64_t end;

	if (!map || map->state != QDA_MAP_MADE)
		return qda_fail(fail, ENOENT,
				"no buffer is mapped under key %" PRIu64 " in this session", key);
	if (__builtin_add_overflow(offset, length, &end) || end > map->size)
		return qda_fail(fail, ERANGE,
				"offset %" PRIu64 " and length %" PRIu64 " leave the %" PRIu64
				" bytes mapped under key %" PRIu64,
				offset, length, map->size, key);
	return 0;
}

static int start_map(struct qda_map *map, uint64_t offset, uint64_t size, struct qda_fail *fail)
{
	struct qda_session *session = map->session;
	int r = qda_slots_add(&session->client->core->pending, map, QDA_PENDING_MAP, 0,
			      &map->cookie);

	if (r == 0)
		r = session->domain->device->ops->map(session->device, map->buffer->device,
						      map->key, offset, size, map->cookie);
	if (r == -ENOSPC)
		return qda_fail(fail, ENOSPC,
				"no room for %" PRIu64 " bytes in the session's address space of "
				"4 GiB: unmap or free something",
				size);
	return r < 0 ? qda_fail(fail, -r, "the DSP cannot be shown the buffer: %s", qda_strerror(r))
		     : 0;
}

int qda_session_map(struct qda_client *client, uint64_t handle, uint64_t id, uint32_t key,
		    uint64_t offset, uint64_t size, const struct qda_reply_to *to,
		    struct qda_fail *fail)
{
	struct qda_session *session = qda_session_find_open(client, handle, fail);
	struct qda_buffer *buffer = session ? qda_buffer_find(client, id, fail) : NULL;
	struct qda_map *map = NULL;
	int r;

	if (!buffer)
		return -fail->code;
	if (buffer->domain != session->domain)
		return qda_fail(fail, EXDEV, "the buffer is of domain %s, the session of %s",
				buffer->domain->name, session->domain->name);
	r = check_range(buffer, offset, &size, fail);
	if (r == 0)
		r = check_key(session, key, fail);
	if (r == 0)
		r = new_map(session, buffer, key, &map, fail);
	if (r < 0)
		return r;
	map->size = size;
	r = start_map(map, offset, size, fail);
	if (r < 0)
		free_map(map);
	else
		map->to = *to;
	return r;
}

static void explain_refusal(const struct qda_map *map, const struct qda_device_done *done,
			    struct qda_fail *fail)
{
	if (map->session->state == QDA_SESSION_LOST)
		qda_session_check_open(map->session, fail);
	else
		qda_fail(fail, -done->err, "the DSP did not %s key %u: %s",
			 map->state == QDA_MAP_UNMAKING ? "give up" : "take", map->key,
			 qda_strerror(done->err));
	if (done->err == -EREMOTEIO)
		fail->aee = done->result;
}

void qda_map_done(struct qda_map *map, const struct qda_device_done *done)
{
	struct qda_client *client = map->session->client;
	struct qda_fail fail;

	qda_slots_remove(&client->core->pending, map->cookie);
	map->cookie = 0;
	if (!done->err) {
		map->state = QDA_MAP_MADE;
		qda_reply(client, &map->to, &(struct qda_outcome){ .dsp_addr = done->dsp_addr });
		return;
	}
	explain_refusal(map, done, &fail);
	qda_reply_fail(client, &map->to, &fail);
	free_map(map);
}

int qda_session_unmap(struct qda_client *client, uint64_t handle, uint32_t key,
		      const struct qda_reply_to *to, struct qda_fail *fail)
{
	struct qda_session *session = qda_session_find_open(client, handle, fail);
	struct qda_map *map = session ? find_map(session, key) : NULL;
	int r;

	if (!session)
		return -fail->code;
	if (!map || map->state != QDA_MAP_MADE)
		return qda_fail(fail, ENOENT, "no buffer is mapped under key %u in this session",
				key);
	r = qda_slots_add(&client->core->pending, map, QDA_PENDING_UNMAP, 0, &map->cookie);
	if (r == 0)
		r = session->domain->device->ops->unmap(session->device, key, map->cookie);
	if (r < 0) {
		qda_slots_remove(&client->core->pending, map->cookie);
		map->cookie = 0;
		return qda_fail(fail, -r, "key %u could not be unmapped: %s", key, qda_strerror(r));
	}
	map->state = QDA_MAP_UNMAKING;
	map->to = *to;
	return 0;
}

void qda_unmap_done(struct qda_map *map, const struct qda_device_done *done)
{
	struct qda_client *client = map->session->client;
	bool unknown = (uint32_t)done->result == FASTRPC_ENOSUCHMAP;
	struct qda_fail fail;

	qda_slots_remove(&client->core->pending, map->cookie);
	map->cookie = 0;
	if (done->err) {
		explain_refusal(map, done, &fail);
		qda_reply_fail(client, &map->to, &fail);
	} else {
		qda_reply(client, &map->to, &(struct qda_outcome){ 0 });
	}
	if (!done->err || unknown)
		free_map(map);
	else
		map->state = QDA_MAP_MADE; /* still in the DSP's sight, so still charged */
}
