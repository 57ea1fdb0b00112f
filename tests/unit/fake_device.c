/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The scripted device, see fake_device.h.
 */
#include "fake_device.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fastrpc.h"

void *fake_alloc(size_t n)
{
	size_t whole = (n + 63) / 64 * 64;
	void *memory = aligned_alloc(64, whole ? whole : 64);

	assert(memory);
	return memset(memory, 0, n);
}

static bool refused(struct fake_device *fake, enum fake_kind kind)
{
	if (!fake->refusals[kind])
		return false;
	fake->refusals[kind]--;
	return true;
}

static struct qda_device_buffer *buffer_ref(struct qda_device_buffer *buffer)
{
	assert(!buffer->released);
	buffer->refs++;
	return buffer;
}

static void buffer_unref(struct qda_device_buffer *buffer)
{
	if (--buffer->refs)
		return;
	buffer->fake->n_buffers--;
	free(buffer->bytes);
	free(buffer);
}

static uint8_t *look(struct qda_device_buffer *buffer)
{
	if (!buffer->bytes)
		buffer->bytes = fake_alloc(buffer->size);
	return buffer->bytes;
}

/* --- operations --- */

static struct fake_op *new_op(struct fake_device *fake, enum fake_kind kind,
			      struct qda_device_session *session, uint64_t cookie)
{
	struct fake_op *op = fake_alloc(sizeof(*op));

	op->kind = kind;
	op->session = session;
	op->cookie = cookie;
	TAILQ_INSERT_TAIL(&fake->ops, op, link);
	return op;
}

static void drop_op(struct fake_op *op)
{
	struct fake_device *fake = op->session->fake;

	TAILQ_REMOVE(&fake->ops, op, link);
	for (unsigned i = 0; i < op->n_args; i++)
		if (op->args[i].buffer)
			buffer_unref(op->args[i].buffer);
	if (op->buffer)
		buffer_unref(op->buffer);
	if (op->kind == FAKE_CALL)
		fake->n_calls--;
	free(op->args);
	free(op);
}

static void drop_key(struct qda_device_session *session, uint32_t key)
{
	struct fake_key *k;

	TAILQ_FOREACH (k, &session->keys, link)
		if (k->key == key)
			break;
	TAILQ_REMOVE(&session->keys, k, link);
	buffer_unref(k->buffer);
	free(k);
}

static void end_session(struct qda_device_session *session)
{
	while (!TAILQ_EMPTY(&session->keys))
		drop_key(session, TAILQ_FIRST(&session->keys)->key);
	session->fake->n_sessions--;
	free(session);
}

static struct fake_op *find_of(const struct qda_device_session *session, enum fake_kind kind)
{
	struct fake_op *op;

	TAILQ_FOREACH (op, &session->fake->ops, link)
		if (op->session == session && op->kind == kind)
			return op;
	return NULL;
}

static void fail_all(struct qda_device_session *session, int err)
{
	static const enum fake_kind kinds[] = { FAKE_CALL, FAKE_MAP, FAKE_UNMAP };
	struct fake_op *op;

	for (unsigned i = 0; i < 3; i++)
		while ((op = find_of(session, kinds[i])))
			fake_done(op, err, 0);
}

/* What the outcome of an operation does to the device itself. */
static void settle(struct fake_op *op, const struct qda_device_done *done)
{
	struct qda_device_session *session = op->session;
	bool unknown = (uint32_t)done->result == FASTRPC_ENOSUCHMAP;
	int err = done->err;

	switch (op->kind) {
	case FAKE_OPEN:
		session->open = !err;
		break;
	case FAKE_MAP:
		if (err)
			drop_key(session, op->key);
		break;
	case FAKE_UNMAP:
		if (!err || unknown)
			drop_key(session, op->key);
		break;
	case FAKE_CLOSE:
		fail_all(session, -ECANCELED);
		break;
	default:
		break;
	}
}

void fake_complete(struct fake_op *op, const struct qda_device_done *done)
{
	struct qda_device_session *session = op->session;
	struct fake_device *fake = session->fake;
	uint64_t cookie = op->cookie;
	bool ends = op->kind == FAKE_CLOSE || (op->kind == FAKE_OPEN && done->err);

	settle(op, done);
	drop_op(op);
	if (ends)
		end_session(session);
	fake->device.events->done(fake->device.owner, cookie, done);
}

void fake_done(struct fake_op *op, int err, int32_t result)
{
	fake_complete(op, &(struct qda_device_done){ .err = err, .result = result });
}

void fake_die(struct qda_device_session *session, int err)
{
	session->dead = true;
	fail_all(session, err);
}

void fake_lost(struct qda_device_session *session, uint32_t signal, const char *text)
{
	struct qda_device_lost lost = { signal, text };
	struct fake_device *fake = session->fake;

	session->dead = true;
	fake->device.events->lost(fake->device.owner, session->cookie, &lost);
}

/* --- the table --- */

static struct fake_device *fake_of(struct qda_device *dev)
{
	return (struct fake_device *)dev;
}

static void info(struct qda_device *dev, struct qda_device_info *out)
{
	*out = fake_of(dev)->info;
}

static int session_open(struct qda_device *dev, const struct qda_device_open *open, uint64_t cookie,
			struct qda_device_session **out)
{
	struct fake_device *fake = fake_of(dev);
	struct qda_device_session *session;

	if (refused(fake, FAKE_OPEN))
		return fake->refuse[FAKE_OPEN];
	if (fake->n_sessions == fake->info.sessions_max)
		return -EUSERS;
	session = fake_alloc(sizeof(*session));
	assert(cookie && open->session_cookie);
	session->fake = fake;
	session->cookie = open->session_cookie;
	session->n_dirs = open->n_dirs;
	session->privileged = open->privileged;
	TAILQ_INIT(&session->keys);
	snprintf(session->name, sizeof(session->name), "%s", open->name);
	fake->n_sessions++;
	new_op(fake, FAKE_OPEN, session, cookie);
	*out = session;
	return 0;
}

static void session_close(struct qda_device_session *session, uint64_t cookie)
{
	assert(cookie && !session->closing);
	session->closing = true;
	new_op(session->fake, FAKE_CLOSE, session, cookie);
}

static struct qda_device_buffer *new_buffer(struct fake_device *fake, uint64_t size)
{
	struct qda_device_buffer *buffer = fake_alloc(sizeof(*buffer));

	assert(size && size % 4096 == 0 && size < 1ull << 32);
	buffer->fake = fake;
	buffer->size = size;
	buffer->refs = 1;
	buffer->fd = ++fake->last_fd;
	fake->n_buffers++;
	return buffer;
}

static int buffer_create(struct qda_device *dev, uint64_t size, struct qda_device_buffer **out)
{
	if (refused(fake_of(dev), FAKE_CREATE))
		return fake_of(dev)->refuse[FAKE_CREATE];
	*out = new_buffer(fake_of(dev), size);
	return 0;
}

static int buffer_import(struct qda_device *dev, int fd, uint64_t size, bool read_only,
			 struct qda_device_buffer **out)
{
	if (refused(fake_of(dev), FAKE_IMPORT))
		return fake_of(dev)->refuse[FAKE_IMPORT];
	*out = new_buffer(fake_of(dev), size);
	(*out)->read_only = read_only;
	return 0;
}

static int buffer_fd(struct qda_device_buffer *buffer)
{
	return buffer->fd;
}

static void *buffer_view(struct qda_device_buffer *buffer)
{
	if (refused(buffer->fake, FAKE_VIEW))
		return NULL;
	return look(buffer);
}

static void buffer_release(struct qda_device_buffer *buffer)
{
	assert(!buffer->released);
	buffer->released = true;
	buffer_unref(buffer);
}

/* Core must not use a session that it closed, or that is not open yet. */
static int usable(const struct qda_device_session *session)
{
	assert(session->open && !session->closing);
	return session->dead ? -ECONNRESET : 0;
}

static int map(struct qda_device_session *session, struct qda_device_buffer *buffer, uint32_t key,
	       uint64_t offset, uint64_t size, uint64_t cookie)
{
	int r = usable(session);
	struct fake_op *op;
	struct fake_key *k;

	assert(offset % 4096 == 0 && size % 4096 == 0 && size && offset + size <= buffer->size);
	if (r == 0 && refused(session->fake, FAKE_MAP))
		r = session->fake->refuse[FAKE_MAP];
	if (r < 0)
		return r;
	TAILQ_FOREACH (k, &session->keys, link)
		if (k->key == key)
			return -EEXIST;
	k = fake_alloc(sizeof(*k));
	k->key = key;
	k->buffer = buffer_ref(buffer);
	TAILQ_INSERT_TAIL(&session->keys, k, link);
	op = new_op(session->fake, FAKE_MAP, session, cookie);
	op->buffer = buffer_ref(buffer);
	op->key = key;
	op->offset = offset;
	op->size = size;
	return 0;
}

static int unmap(struct qda_device_session *session, uint32_t key, uint64_t cookie)
{
	int r = usable(session);

	if (r == 0 && refused(session->fake, FAKE_UNMAP))
		r = session->fake->refuse[FAKE_UNMAP];
	if (r == 0)
		new_op(session->fake, FAKE_UNMAP, session, cookie)->key = key;
	return r;
}

/* The same checks of places as any device makes. */
static void check_arg(const struct qda_device_arg *arg, uint32_t sc, unsigned i)
{
	if (i >= fastrpc_sc_bufs(sc)) {
		assert(!arg->buffer && arg->kind != QDA_DEVICE_ARG_BUFFER);
		return;
	}
	assert(arg->kind == QDA_DEVICE_ARG_BUFFER);
	assert(!arg->length == !arg->buffer);
	if (!arg->buffer)
		return;
	assert(arg->offset <= arg->buffer->size);
	assert(arg->length <= arg->buffer->size - arg->offset);
	assert(i < fastrpc_sc_in(sc) || !arg->buffer->read_only);
}

static int submit(struct qda_device_session *session, const struct qda_device_call *call,
		  uint64_t cookie)
{
	struct fake_device *fake = session->fake;
	int r = usable(session);
	struct fake_op *op;

	fake->n_submits++;
	if (r == 0 && refused(fake, FAKE_CALL))
		r = fake->refuse[FAKE_CALL];
	if (r == 0 && fake->n_calls >= fake->room)
		r = -EBUSY;
	if (r < 0)
		return r;
	op = new_op(fake, FAKE_CALL, session, cookie);
	fake->n_calls++;
	op->handle = call->handle;
	op->sc = call->sc;
	op->args = fake_alloc((fastrpc_sc_args(call->sc) + 1) * sizeof(*op->args));
	for (op->n_args = 0; op->n_args < fastrpc_sc_args(call->sc); op->n_args++) {
		check_arg(&call->args[op->n_args], call->sc, op->n_args);
		op->args[op->n_args] = call->args[op->n_args];
		if (op->args[op->n_args].buffer)
			buffer_ref(op->args[op->n_args].buffer);
	}
	return 0;
}

static void free_device(struct qda_device *dev)
{
	struct fake_device *fake = fake_of(dev);

	assert(TAILQ_EMPTY(&fake->ops) && !fake->n_sessions && !fake->n_buffers);
	free(fake);
}

static const struct qda_device_ops ops = {
	.info = info,
	.session_open = session_open,
	.session_close = session_close,
	.buffer_create = buffer_create,
	.buffer_import = buffer_import,
	.buffer_fd = buffer_fd,
	.buffer_view = buffer_view,
	.buffer_release = buffer_release,
	.map = map,
	.unmap = unmap,
	.submit = submit,
	.free = free_device,
};

/* --- the test's side --- */

struct fake_device *fake_new(const struct qda_device_events *events, void *owner)
{
	struct fake_device *fake = fake_alloc(sizeof(*fake));

	fake->device = (struct qda_device){ &ops, events, owner };
	fake->info = (struct qda_device_info){
		.name = "cdsp",
		.kind = "fake",
		.arch = 0x68,
		.sessions_max = 12,
		.calls_max = 64,
		.session_calls_max = 32,
		.unsigned_pd = true,
		.client_dirs = true,
	};
	fake->room = 1000;
	fake->last_fd = 1000;
	TAILQ_INIT(&fake->ops);
	return fake;
}

void fake_up(struct fake_device *fake)
{
	fake->device.events->state(fake->device.owner, QDA_DEVICE_UP, NULL);
}

void fake_down(struct fake_device *fake, const char *why)
{
	fake->device.events->state(fake->device.owner, QDA_DEVICE_DOWN, why);
}

void fake_refuse(struct fake_device *fake, enum fake_kind kind, int err, unsigned times)
{
	fake->refuse[kind] = err;
	fake->refusals[kind] = times;
}

struct fake_op *fake_find(struct fake_device *fake, enum fake_kind kind)
{
	struct fake_op *op;

	TAILQ_FOREACH (op, &fake->ops, link)
		if (op->kind == kind)
			return op;
	return NULL;
}

unsigned fake_count(const struct fake_device *fake, enum fake_kind kind)
{
	const struct fake_op *op;
	unsigned n = 0;

	TAILQ_FOREACH (op, &fake->ops, link)
		n += op->kind == kind;
	return n;
}

uint8_t *fake_bytes(struct fake_op *op, unsigned i)
{
	assert(op->kind == FAKE_CALL && i < op->n_args && op->args[i].buffer);
	return look(op->args[i].buffer) + op->args[i].offset;
}
