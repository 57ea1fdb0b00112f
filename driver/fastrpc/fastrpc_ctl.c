// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/*
 * The bodies of process control calls (handle 1), written by the host and read by the DSP. Owns
 * nothing and keeps nothing; may be called from anywhere. Built on the same planning, metadata and
 * parsing as every other call, so that there is one layout and one set of checks.
 */
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/types.h>

#include "fastrpc.h"
#include "payload.h"

#define CTL_ARGS   4	/* the most that a method has */
#define CTL_ANSWER 8

struct body_id {
	__s32 client_id;
};

struct body_mmap {
	__s32 client_id;
	__u32 flags;
	__u64 vaddr;
	__s32 num;		/* bytes of the page list */
	__u32 pad;
};

struct body_munmap {
	__s32 client_id;
	__u32 pad;
	__u64 vaddr;
	__u64 size;
};

struct body_create {
	__s32 client_id;
	__u32 name_len;
	__u32 file_len;
	__u32 pages;		/* entries of the page list */
	__u32 attrs;
	__u32 siglen;
};

struct body_mem_map {
	__s32 client_id;
	__s32 fd;
	__s32 offset;
	__u32 flags;
	__u64 vaddr;
	__s32 num;		/* bytes of the page list */
	__s32 data_len;
};

struct body_mem_unmap {
	__s32 client_id;
	__s32 fd;
	__u64 vaddr;
	__u64 size;
};

union body {
	struct body_id id;
	struct body_mmap mmap;
	struct body_munmap munmap;
	struct body_create create;
	struct body_mem_map mem_map;
	struct body_mem_unmap mem_unmap;
};

_Static_assert(sizeof(struct body_mmap) == 24, "as firmware reads it");
_Static_assert(sizeof(struct body_munmap) == 24, "as firmware reads it");
_Static_assert(sizeof(struct body_create) == 24, "as firmware reads it");
_Static_assert(sizeof(struct body_mem_map) == 32, "as firmware reads it");
_Static_assert(sizeof(struct body_mem_unmap) == 24, "as firmware reads it");

/* The arguments of a method: the body is the first, an answer is the last. */
struct shape {
	__u8 method;
	__u8 in;
	__u8 out;
	__u8 page;		/* which argument is the page list of one entry; 0: none */
	__u8 body;		/* bytes of it */
};

#define CREATE_NAME 1		/* arguments of CREATE */
#define CREATE_FILE 2

static const struct shape shapes[] = {
	{ FASTRPC_PROCESS_ATTACH, 1, 0, 0, sizeof(struct body_id) },
	{ FASTRPC_PROCESS_RELEASE, 1, 0, 0, sizeof(struct body_id) },
	{ FASTRPC_PROCESS_MMAP, 2, 1, 1, sizeof(struct body_mmap) },
	{ FASTRPC_PROCESS_MUNMAP, 1, 0, 0, sizeof(struct body_munmap) },
	{ FASTRPC_PROCESS_CREATE, 4, 0, 3, sizeof(struct body_create) },
	{ FASTRPC_PROCESS_CREATE_ATTR, 4, 0, 3, sizeof(struct body_create) },
	{ FASTRPC_PROCESS_MEM_MAP, 3, 1, 1, sizeof(struct body_mem_map) },
	{ FASTRPC_PROCESS_MEM_UNMAP, 1, 0, 0, sizeof(struct body_mem_unmap) },
};

static const struct shape *find_shape(__u32 method)
{
	__u32 i;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if (shapes[i].method == method)
			return &shapes[i];
	}
	return NULL;
}

static __u32 shape_sc(const struct shape *shape)
{
	return fastrpc_sc(0, shape->method, shape->in, shape->out, 0, 0);
}

static int is_create(__u32 method)
{
	return method == FASTRPC_PROCESS_CREATE || method == FASTRPC_PROCESS_CREATE_ATTR;
}

/* Whole pages of one bank; none at all only where the method can do without. */
static int mem_ok(__u32 method, __u64 addr, __u64 length)
{
	if (addr != page_floor(addr) || length != page_floor(length))
		return 0;
	return length ? in_bank(addr, length) : is_create(method);
}

/* --- host --- */

static __u32 name_length(const char *name)
{
	__u32 n = 0;

	while (n < FASTRPC_CTL_NAME - 1 && name[n])
		n++;
	return n + 1;
}

static int ctl_ok(const struct fastrpc_ctl *ctl, const struct shape *shape)
{
	const int mem_map = shape->method == FASTRPC_PROCESS_MEM_MAP;

	if (is_create(shape->method) && (!ctl->name || !ctl->file_len))
		return 0;
	if (mem_map && (__s32)ctl->offset < 0)
		return 0;
	if ((mem_map || shape->method == FASTRPC_PROCESS_MEM_UNMAP) && ctl->key < 0)
		return 0;
	return !shape->page || mem_ok(shape->method, ctl->mem_addr, ctl->mem_len);
}

static void fill_body(const struct fastrpc_ctl *ctl, union body *body)
{
	switch (ctl->method) {
	case FASTRPC_PROCESS_ATTACH:
	case FASTRPC_PROCESS_RELEASE:
		body->id = (struct body_id){ .client_id = ctl->client_id };
		break;
	case FASTRPC_PROCESS_MMAP:
		body->mmap = (struct body_mmap){
			.client_id = ctl->client_id,
			.flags = ctl->flags,
			.vaddr = ctl->vaddr,
			.num = sizeof(struct payload_page),
		};
		break;
	case FASTRPC_PROCESS_MUNMAP:
		body->munmap = (struct body_munmap){
			.client_id = ctl->client_id,
			.vaddr = ctl->vaddr,
			.size = ctl->mem_len,
		};
		break;
	case FASTRPC_PROCESS_CREATE:
	case FASTRPC_PROCESS_CREATE_ATTR:
		body->create = (struct body_create){
			.client_id = ctl->client_id,
			.name_len = name_length(ctl->name),
			.file_len = ctl->file_len,
			.pages = 1,
			.attrs = ctl->attrs,
			.siglen = ctl->siglen,
		};
		break;
	case FASTRPC_PROCESS_MEM_MAP:
		body->mem_map = (struct body_mem_map){
			.client_id = ctl->client_id,
			.fd = ctl->key,
			.offset = ctl->offset,
			.flags = ctl->flags,
			.vaddr = ctl->vaddr,
			.num = sizeof(struct payload_page),
		};
		break;
	case FASTRPC_PROCESS_MEM_UNMAP:
		body->mem_unmap = (struct body_mem_unmap){
			.client_id = ctl->client_id,
			.fd = ctl->key,
			.vaddr = ctl->vaddr,
			.size = ctl->mem_len,
		};
		break;
	}
}

/* Describe the arguments, each at a made-up address of its own so that none overlap. */
static void fill_args(const struct fastrpc_ctl *ctl, const struct shape *shape,
		      struct fastrpc_arg *args)
{
	const __u32 n = shape->in + shape->out;
	__u32 i;

	for (i = 0; i < n; i++)
		args[i] = (struct fastrpc_arg){ .addr = i * FASTRPC_PAGE };
	args[0].length = shape->body;
	if (shape->page)
		args[shape->page].length = sizeof(struct payload_page);
	if (shape->out)
		args[n - 1].length = CTL_ANSWER;
	if (is_create(shape->method)) {
		args[CREATE_NAME].length = name_length(ctl->name);
		args[CREATE_FILE].kind = FASTRPC_ARG_BUFFER;
		args[CREATE_FILE].addr = ctl->file_addr;
		args[CREATE_FILE].length = ctl->file_len;
	}
}

static void write_bodies(char *payload, const struct fastrpc_ctl *ctl, const struct shape *shape,
			 const struct fastrpc_place *places)
{
	const struct payload_page page = { ctl->mem_addr, ctl->mem_len };
	union body body;

	fill_body(ctl, &body);
	memcpy(payload + places[0].offset, &body, shape->body);
	if (shape->page)
		memcpy(payload + places[shape->page].offset, &page, sizeof(page));
	/* The page is zero already: the terminator is not copied. */
	if (is_create(shape->method))
		memcpy(payload + places[CREATE_NAME].offset, ctl->name,
		       places[CREATE_NAME].length - 1);
}

int fastrpc_ctl_write(void *payload, __u64 payload_addr, const struct fastrpc_ctl *ctl, __u32 *sc,
		      struct fastrpc_place *rsp)
{
	struct fastrpc_place places[CTL_ARGS];
	struct fastrpc_arg args[CTL_ARGS];
	__u16 order[CTL_ARGS];
	__u32 method = ctl->method, n, size;
	const struct shape *shape;

	if (method == FASTRPC_PROCESS_CREATE && (ctl->attrs || ctl->siglen))
		method = FASTRPC_PROCESS_CREATE_ATTR;
	shape = find_shape(method);
	if (!shape || !ctl_ok(ctl, shape))
		return -EINVAL;
	n = shape->in + shape->out;
	fill_args(ctl, shape, args);
	if (fastrpc_check(shape_sc(shape), args, n))
		return -EINVAL;
	if (fastrpc_plan(shape_sc(shape), args, fastrpc_meta_size(shape_sc(shape)),
			 FASTRPC_CTL_PAYLOAD, places, order, &size))
		return -EINVAL;

	memset(payload, 0, FASTRPC_CTL_PAYLOAD);
	fastrpc_write_meta(payload, payload_addr, shape_sc(shape), args, places);
	write_bodies(payload, ctl, shape, places);
	*sc = shape_sc(shape);
	*rsp = shape->out ? places[n - 1] : (struct fastrpc_place){ 0 };
	return 0;
}

/* --- DSP --- */

/* Where an argument lies in the payload, if it lies there whole. */
static int find_place(const struct fastrpc_msg *msg, const struct fastrpc_dsp_arg *arg,
		      __u32 length, struct fastrpc_place *place)
{
	const __u32 base = msg->addr;

	if (arg->length != length || arg->addr < base)
		return -EBADMSG;
	if ((__u64)(arg->addr - base) + length > msg->size)
		return -EBADMSG;
	place->offset = arg->addr - base;
	place->length = length;
	return 0;
}

/* Copy an argument out of shared memory, each byte once. */
static int take(const struct fastrpc_msg *msg, const void *payload,
		const struct fastrpc_dsp_arg *arg, __u32 length, void *to)
{
	const volatile __u8 *from = payload;
	struct fastrpc_place place;
	__u32 i;

	if (find_place(msg, arg, length, &place))
		return -EBADMSG;
	for (i = 0; i < length; i++)
		((__u8 *)to)[i] = from[place.offset + i];
	return 0;
}

static int take_name(const struct fastrpc_msg *msg, const void *payload,
		     const struct fastrpc_dsp_arg *arg, char *name)
{
	if (!arg->length || arg->length > FASTRPC_CTL_NAME)
		return -EBADMSG;
	if (take(msg, payload, arg, arg->length, name))
		return -EBADMSG;
	name[arg->length - 1] = '\0';
	return 0;
}

static int take_mem(const struct fastrpc_msg *msg, const void *payload,
		    const struct fastrpc_dsp_arg *arg, struct fastrpc_ctl *ctl)
{
	struct payload_page page = { 0 };

	if (take(msg, payload, arg, sizeof(page), &page) ||
	    !mem_ok(ctl->method, page.addr, page.size))
		return -EBADMSG;
	if (page.size && !same_bank(page.addr, msg->addr))
		return -EFAULT;
	ctl->mem_addr = page.addr;
	ctl->mem_len = page.size;
	return 0;
}

static int read_create(const struct body_create *body, const struct fastrpc_msg *msg,
		       const struct fastrpc_dsp_arg *args, struct fastrpc_ctl *ctl)
{
	if (body->name_len != args[CREATE_NAME].length || body->pages != 1)
		return -EBADMSG;
	if (!body->file_len || body->file_len != args[CREATE_FILE].length)
		return -EBADMSG;
	ctl->file_addr = (msg->addr & ~(BANK_SIZE - 1)) | args[CREATE_FILE].addr;
	ctl->file_len = body->file_len;
	ctl->attrs = body->attrs;
	ctl->siglen = body->siglen;
	return 0;
}

static int read_mmap(const struct body_mmap *body, struct fastrpc_ctl *ctl)
{
	if (body->num != sizeof(struct payload_page))
		return -EBADMSG;
	ctl->flags = body->flags;
	ctl->vaddr = body->vaddr;
	return 0;
}

static int read_munmap(const struct body_munmap *body, struct fastrpc_ctl *ctl)
{
	ctl->vaddr = body->vaddr;
	ctl->mem_len = body->size;
	return 0;
}

static int read_mem_map(const struct body_mem_map *body, struct fastrpc_ctl *ctl)
{
	if (body->num != sizeof(struct payload_page) || body->data_len)
		return -EBADMSG;
	if (body->fd < 0 || body->offset < 0)
		return -EBADMSG;
	ctl->key = body->fd;
	ctl->offset = body->offset;
	ctl->flags = body->flags;
	ctl->vaddr = body->vaddr;
	return 0;
}

static int read_mem_unmap(const struct body_mem_unmap *body, struct fastrpc_ctl *ctl)
{
	if (body->fd < 0)
		return -EBADMSG;
	ctl->key = body->fd;
	ctl->vaddr = body->vaddr;
	ctl->mem_len = body->size;
	return 0;
}

static int read_body(const union body *body, const struct fastrpc_msg *msg,
		     const struct fastrpc_dsp_arg *args, struct fastrpc_ctl *ctl)
{
	ctl->client_id = body->id.client_id;
	switch (ctl->method) {
	case FASTRPC_PROCESS_CREATE:
	case FASTRPC_PROCESS_CREATE_ATTR:
		return read_create(&body->create, msg, args, ctl);
	case FASTRPC_PROCESS_MMAP:
		return read_mmap(&body->mmap, ctl);
	case FASTRPC_PROCESS_MUNMAP:
		return read_munmap(&body->munmap, ctl);
	case FASTRPC_PROCESS_MEM_MAP:
		return read_mem_map(&body->mem_map, ctl);
	case FASTRPC_PROCESS_MEM_UNMAP:
		return read_mem_unmap(&body->mem_unmap, ctl);
	default:
		return 0;
	}
}

/* The parts beside the body: the name, the page list, room for the answer. */
static int read_parts(const struct fastrpc_msg *msg, const void *payload, const struct shape *shape,
		      const struct fastrpc_dsp_arg *args, struct fastrpc_ctl *ctl, char *name,
		      struct fastrpc_place *rsp)
{
	int err = 0;

	if (is_create(shape->method)) {
		err = take_name(msg, payload, &args[CREATE_NAME], name);
		ctl->name = name;
	}
	if (!err && shape->page)
		err = take_mem(msg, payload, &args[shape->page], ctl);
	if (!err && shape->out)
		err = find_place(msg, &args[shape->in], CTL_ANSWER, rsp);
	return err;
}

int fastrpc_ctl_read(const struct fastrpc_msg *msg, const void *payload, __u64 readable,
		     struct fastrpc_ctl *ctl, char *name, struct fastrpc_place *rsp)
{
	const struct shape *shape = find_shape(fastrpc_sc_method(msg->sc));
	struct fastrpc_dsp_arg args[CTL_ARGS];
	union body body;
	int err;

	name[0] = '\0';
	*ctl = (struct fastrpc_ctl){ .method = fastrpc_sc_method(msg->sc) };
	*rsp = (struct fastrpc_place){ 0 };
	if (msg->handle != FASTRPC_HANDLE_PROCESS)
		return -EBADMSG;
	if (!shape)
		return -EOPNOTSUPP;
	if (msg->sc != shape_sc(shape))
		return -EBADMSG;
	err = fastrpc_parse(msg, payload, readable, args);
	if (!err)
		err = take(msg, payload, &args[0], shape->body, &body);
	if (!err)
		err = read_body(&body, msg, args, ctl);
	if (!err)
		err = read_parts(msg, payload, shape, args, ctl, name, rsp);
	return err;
}
