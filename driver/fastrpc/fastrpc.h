/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * FastRPC wire format: what the host (kernel driver, daemon's soft device) writes and what the
 * DSP (software DSP) reads. Pure functions over memory that the caller gives and owns; no
 * allocation, no library call, no recursion, no lock, so they may be called from anywhere. The
 * same source is linked into the kernel module and into user space: only linux/ headers that both
 * have are used.
 *
 * Trust: everything the other side wrote is hostile. The host keeps its own copy of every place
 * and length (struct fastrpc_place) and never reads a descriptor back from the payload. The DSP
 * side copies each descriptor once, checks the copy, and uses only the copy.
 *
 * Words: "payload" is the shared memory of one invocation: descriptors ("metadata"), then the
 * inline data. A payload begins at a page boundary. A "bank" is the 4 GiB address space of one
 * session; a DSP address is the address in the bank in bits 31:0 and the bank's stream id in bits
 * 63:32.
 */
#ifndef QDA_FASTRPC_H
#define QDA_FASTRPC_H

#include <linux/types.h>

#define FASTRPC_MAX_BUFS	510	/* 255 in + 255 out */
#define FASTRPC_MAX_ARGS	540	/* and 15 in handles, 15 out handles */
#define FASTRPC_ALIGN		128	/* an inline argument begins at a multiple of this */
#define FASTRPC_PAGE		4096
#define FASTRPC_MAX_FDLIST	16
#define FASTRPC_MAX_CRCLIST	64
#define FASTRPC_MAX_ID		255	/* ids on the wire are 1..255 */

/*
 * Static remote handles. Users may name neither 1 nor 2; the daemon's core lets no client name any
 * wire handle.
 */
#define FASTRPC_HANDLE_PROCESS	 1	/* process control: methods below; client id 0 */
#define FASTRPC_HANDLE_UTIL	 2	/* DSP utilities: method 0, attributes */
#define FASTRPC_HANDLE_CURRENT	 4	/* adsp_current_process1 */
#define FASTRPC_HANDLE_REMOTECTL 8	/* remotectl1: method 2 open, 3 close */

/* Methods of FASTRPC_HANDLE_PROCESS. */
enum fastrpc_process_method {
	FASTRPC_PROCESS_ATTACH = 0,
	FASTRPC_PROCESS_RELEASE = 1,
	FASTRPC_PROCESS_MMAP = 4,
	FASTRPC_PROCESS_MUNMAP = 5,
	FASTRPC_PROCESS_CREATE = 6,
	FASTRPC_PROCESS_CREATE_ATTR = 7,
	FASTRPC_PROCESS_MEM_MAP = 10,
	FASTRPC_PROCESS_MEM_UNMAP = 11,
};

/* Methods of FASTRPC_HANDLE_REMOTECTL. */
enum fastrpc_remotectl_method {
	/* in {u32 name_len, err_len}, name; out {u32 handle, dlerr}, errstr */
	FASTRPC_REMOTECTL_OPEN = 2,
	/* in {u32 handle, err_len}; out {u32 dlerr}, errstr */
	FASTRPC_REMOTECTL_CLOSE = 3,
};

/* Process attributes of CREATE (uapi/misc/fastrpc.h of the legacy driver). */
#define FASTRPC_ATTR_UNSIGNED	(1u << 3)

/* Result codes that originate on a DSP carry this offset. */
#define FASTRPC_DSP_OFFSET	0x80000400u
#define FASTRPC_EFAILED		0x80000401u
#define FASTRPC_ENOMEMORY	0x80000402u
#define FASTRPC_EUNABLETOLOAD	0x80000406u	/* library missing or not loadable */
#define FASTRPC_EBADSTATE	0x8000040du	/* bad state, PD gone */
#define FASTRPC_EBADPARM	0x8000040eu
#define FASTRPC_EUNSUPPORTED	0x80000414u
#define FASTRPC_EINVHANDLE	0x8000042cu
#define FASTRPC_ENOSUCHSYMBOL	0x80000442u
#define FASTRPC_ENOSUCHMAP	0x80000448u
#define FASTRPC_EVERSION	0x80000594u	/* stub and skel have other interface versions */

/*
 * --- scalars ---
 * attributes 31:29, method 28:24, in bufs 23:16, out bufs 15:8, in handles 7:4, out handles 3:0
 */

static inline __u32 fastrpc_sc(__u32 attr, __u32 method, __u32 in, __u32 out, __u32 in_handles,
			       __u32 out_handles)
{
	return (attr & 7) << 29 | (method & 31) << 24 | (in & 255) << 16 | (out & 255) << 8 |
	       (in_handles & 15) << 4 | (out_handles & 15);
}

static inline __u32 fastrpc_sc_attr(__u32 sc)
{
	return sc >> 29;
}

static inline __u32 fastrpc_sc_method(__u32 sc)
{
	return sc >> 24 & 31;
}

static inline __u32 fastrpc_sc_in(__u32 sc)
{
	return sc >> 16 & 255;
}

static inline __u32 fastrpc_sc_out(__u32 sc)
{
	return sc >> 8 & 255;
}

static inline __u32 fastrpc_sc_in_handles(__u32 sc)
{
	return sc >> 4 & 15;
}

static inline __u32 fastrpc_sc_out_handles(__u32 sc)
{
	return sc & 15;
}

static inline __u32 fastrpc_sc_bufs(__u32 sc)
{
	return fastrpc_sc_in(sc) + fastrpc_sc_out(sc);
}

static inline __u32 fastrpc_sc_args(__u32 sc)
{
	return fastrpc_sc_bufs(sc) + fastrpc_sc_in_handles(sc) + fastrpc_sc_out_handles(sc);
}

/* --- host side: checks, layout --- */

enum fastrpc_arg_kind {
	FASTRPC_ARG_INLINE = 0,	/* in or out buffer whose bytes travel in the payload */
	FASTRPC_ARG_BUFFER = 1,	/* in or out buffer that the DSP sees already */
	FASTRPC_ARG_KEY = 2,	/* in handle: a mapped buffer's key, with a range inside it */
	FASTRPC_ARG_NUMBER = 3,	/* in handle: a plain number; out handle: which kind is wanted */
};

/*
 * What the host leaves in the place of an out handle. Firmware writes over it unread; the software
 * DSP makes a remote handle only where one is wanted, and else passes the skel's number on.
 */
enum fastrpc_out_handle { FASTRPC_OUT_NUMBER = 0, FASTRPC_OUT_REMOTE = 1 };

/*
 * One argument, in a private copy of the host's. Order: in buffers, out buffers, in handles, out
 * handles.
 */
struct fastrpc_arg {
	__u64 addr;	/* INLINE: where it stands at the caller (only overlaps are read from it);
			 * BUFFER: DSP address of the first byte; KEY: DSP address of the whole
			 * buffer; NUMBER: the number, or enum fastrpc_out_handle */
	__u64 length;	/* bytes; KEY: length of the range; NUMBER: 0 */
	__u32 kind;	/* enum fastrpc_arg_kind */
	__u32 key;	/* KEY: 0..INT_MAX */
	__u32 offset;	/* KEY: offset of the range in the buffer */
	__u32 size;	/* KEY: bytes of the whole buffer; 0: as far as the range reaches */
};

/* Where an inline argument lies in the payload. The host's own truth about it after the call. */
struct fastrpc_place {
	__u32 offset;	/* from the start of the payload */
	__u32 length;	/* 0: the argument has no bytes in the payload */
};

/*
 * Is this table of `n` arguments what `sc` says, and can each element be carried? To be called on a
 * private copy before anything else here sees it.
 * 0; -EINVAL: n differs from the scalars' count, a kind that its group does not take, a key beyond
 * INT_MAX, a NUMBER with a length; -EOVERFLOW: 4 GiB or more, addr + length wraps or leaves the
 * bank, a KEY's range leaves its buffer.
 */
int fastrpc_check(__u32 sc, const struct fastrpc_arg *args, __u32 n);

/* Bytes of metadata for `sc`: 40 n + 384. */
__u32 fastrpc_meta_size(__u32 sc);

/*
 * Lay the inline arguments out behind `head` bytes (fastrpc_meta_size(sc) for a payload; 0 for a
 * bare data area). Arguments that overlap at the caller overlap in the payload in the same way;
 * each one that overlaps nothing before it begins at a multiple of FASTRPC_ALIGN. Only INLINE
 * arguments take part: the others get the place {0, 0}. `places` has room for fastrpc_sc_args(sc)
 * elements, `order` (scratch) for fastrpc_sc_bufs(sc). The whole size, not rounded to pages, goes
 * to *size. 0, or -E2BIG when it would pass `limit`. args must have passed fastrpc_check().
 */
int fastrpc_plan(__u32 sc, const struct fastrpc_arg *args, __u32 head, __u32 limit,
		 struct fastrpc_place *places, __u16 *order, __u32 *size);

/*
 * Write the metadata (zeroed first) of a planned payload that the DSP sees at `payload_addr`. The
 * addresses in it are DSP addresses, never host pointers. The payload lies within its bank: that is
 * for whoever allocated it to ensure.
 */
void fastrpc_write_meta(void *payload, __u64 payload_addr, __u32 sc, const struct fastrpc_arg *args,
			const struct fastrpc_place *places);

/*
 * The number the DSP left for out handle `i` (0-based among the out handles; 0 for one that `sc`
 * lacks). Read once; any value is possible.
 */
__u64 fastrpc_out_handle(const void *payload, __u32 sc, __u32 i);

/* --- messages --- */

struct fastrpc_msg {		/* host to DSP, 40 bytes */
	__s32 client_id;	/* session on the DSP; 0 for process control */
	__s32 tid;
	__u64 ctx;		/* echoed by the response */
	__u32 handle;
	__u32 sc;
	__u64 addr;		/* DSP address of the payload; 0 when there is none */
	__u64 size;		/* bytes of payload, rounded up to pages */
};

struct fastrpc_rsp {		/* DSP to host, 16 bytes of which 12 mean something */
	__u64 ctx;
	__s32 retval;
	__u32 pad;
};

enum fastrpc_pd_type { FASTRPC_PD_ROOT = 0, FASTRPC_PD_USER = 1, FASTRPC_PD_SENSORS = 2 };

/* Context word: generation 63:16, id 15:8, reserved 7:5, async 4, PD type 3:0. */
static inline __u64 fastrpc_ctx(__u64 generation, __u32 id, __u32 pd_type)
{
	return generation << 16 | (__u64)(id & 255) << 8 | (pd_type & 15);
}

static inline __u32 fastrpc_ctx_id(__u64 ctx)
{
	return ctx >> 8 & 255;
}

static inline __u64 fastrpc_ctx_generation(__u64 ctx)
{
	return ctx >> 16;
}

static inline __u32 fastrpc_ctx_pd_type(__u64 ctx)
{
	return ctx & 15;
}

void fastrpc_request(struct fastrpc_msg *msg, __s32 client_id, __s32 tid, __u64 ctx, __u32 handle,
		     __u32 sc, __u64 addr, __u32 size);

/*
 * Bytes from the DSP to a response, pad cleared: 0; -EBADMSG when there are fewer than 16, the id
 * is 0 or reserved bits are set. Whether id and generation name a call in flight is the caller's
 * to look up.
 */
int fastrpc_response(const void *bytes, __u32 n, struct fastrpc_rsp *rsp);

/*
 * The DSP may also say, unasked, what became of a user PD: a message of this form in place of a
 * response, as the drivers of Qualcomm's own kernels read it. Its context word is reserved: no
 * response can have it, since it has reserved bits set. The client id is the one of CREATE.
 */
#define FASTRPC_NOTIFICATION_CTX	0xabcdabcdull
#define FASTRPC_NOTIFICATION_STATUS	4	/* the one type there is */

enum fastrpc_pd_status {
	FASTRPC_PD_UP = 0,
	FASTRPC_PD_EXIT = 1,
	FASTRPC_PD_KILLED = 2,
	FASTRPC_PD_EXCEPTION = 3,
};

struct fastrpc_notification {	/* DSP to host, 24 bytes of which 20 mean something */
	__u64 ctx;
	__u32 type;
	__s32 client_id;
	__u32 status;		/* enum fastrpc_pd_status */
	__u32 pad;
};

void fastrpc_notify(struct fastrpc_notification *notification, __s32 client_id, __u32 status);

/*
 * Bytes from the DSP to a notification, pad cleared: 0; -EBADMSG when they are not one: fewer than
 * 24, another context or type, no client. Any status is possible, and whether there is such a
 * client is the caller's to look up.
 */
int fastrpc_notification(const void *bytes, __u32 n, struct fastrpc_notification *notification);

/* --- DSP side --- */

struct fastrpc_dsp_arg {
	__u32 kind;	/* BUFFER (all in and out buffers), KEY, NUMBER */
	__u32 addr;	/* BUFFER: address in the bank; 0 when length is 0 */
	__u32 length;	/* BUFFER, KEY */
	__u32 key;	/* KEY */
	__u32 offset;	/* KEY */
	__u32 pad;
	__u64 number;	/* NUMBER: of an in handle; of an out handle enum fastrpc_out_handle */
};

/*
 * Read a request's descriptors out of shared memory, each word once, into checked private copies.
 * `msg` is private already; `payload` is where msg->addr is mapped and `readable` how much of it
 * is. `args` has room for fastrpc_sc_args(msg->sc) elements (FASTRPC_MAX_ARGS suffice for any). A
 * buffer is found as a DSP finds it, by its page entry and the low bits of its pv word, and the
 * two must agree. A KEY is to be looked up by the caller: its page entry is not read.
 * 0; -EBADMSG for sizes or descriptors that do not fit; -EFAULT for a buffer that leaves the bank
 * or lies in another one.
 */
int fastrpc_parse(const struct fastrpc_msg *msg, const void *payload, __u64 readable,
		  struct fastrpc_dsp_arg *args);

/* Leave out handle `i` for the host; nothing happens for one that `sc` lacks. */
void fastrpc_set_out_handle(void *payload, __u32 sc, __u32 i, __u64 number);

/* --- process control bodies (handle 1), both sides --- */

/*
 * A control call in plain form. Which fields count depends on `method` (enum
 * fastrpc_process_method); CREATE stands for CREATE_ATTR too. Reading clears the others.
 */
struct fastrpc_ctl {
	__u32 method;
	__s32 client_id;
	const char *name;	/* CREATE: shown by the DSP; cut to 127 bytes and the terminator */
	__u64 file_addr;	/* CREATE: DSP address of the shell image */
	__u32 file_len;		/* CREATE: not 0 */
	__u64 mem_addr;		/* CREATE: initial memory, if any; MEM_MAP, MMAP: whole pages */
	__u64 mem_len;		/* and MEM_UNMAP, MUNMAP */
	__u32 attrs;		/* CREATE */
	__u32 siglen;		/* CREATE */
	__s32 key;		/* MEM_MAP, MEM_UNMAP */
	__u32 offset;		/* MEM_MAP */
	__u32 flags;		/* MEM_MAP, MMAP */
	__u64 vaddr;		/* MEM_MAP, MMAP: wished; MEM_UNMAP, MUNMAP: DSP address */
};

#define FASTRPC_CTL_PAYLOAD	FASTRPC_PAGE	/* one page holds any control call */
#define FASTRPC_CTL_NAME	128

/*
 * Write a control call into one page, cleared first, that the DSP sees at `payload_addr`; *sc gets
 * its scalars, *rsp the place of the 8-byte answer (length 0 when the method has none). Firmware
 * reads attributes from CREATE_ATTR only: a CREATE with attrs or siglen goes out as one.
 * 0, or -EINVAL for a method or a field that cannot be sent; then nothing was written.
 */
int fastrpc_ctl_write(void *payload, __u64 payload_addr, const struct fastrpc_ctl *ctl, __u32 *sc,
		      struct fastrpc_place *rsp);

/*
 * The DSP's reading of it. `name` is storage for the name (FASTRPC_CTL_NAME bytes, always
 * terminated; ctl->name points there for CREATE). *rsp is where the answer goes in the payload.
 * 0; -EBADMSG; -EFAULT as fastrpc_parse(); -EOPNOTSUPP for a method not known.
 */
int fastrpc_ctl_read(const struct fastrpc_msg *msg, const void *payload, __u64 readable,
		     struct fastrpc_ctl *ctl, char *name, struct fastrpc_place *rsp);

_Static_assert(sizeof(struct fastrpc_msg) == 40, "request is 40 bytes");
_Static_assert(sizeof(struct fastrpc_rsp) == 16, "response is 16 bytes");
_Static_assert(sizeof(struct fastrpc_notification) == 24, "notification is 24 bytes");
_Static_assert(sizeof(struct fastrpc_arg) == 32, "no holes");
_Static_assert(sizeof(struct fastrpc_dsp_arg) == 32, "no holes");

#endif
