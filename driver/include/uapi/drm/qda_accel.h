/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The contract between the qda driver and user space: calls to a Qualcomm DSP (or a virtual one)
 * over FastRPC, through a DRM accel device. This file is meant to be enough to write a caller from;
 * a complete one stands at the end.
 *
 * THE PICTURE
 *
 * /dev/accel/accelN is one DSP. An open file of it is one client, whoever has it, by fork() too;
 * only mmap() asks whether it was opened to read or to write. A file may have one session: a
 * protection domain (PD) on the DSP with an address space, or "context bank", of its own, which
 * INIT_CREATE starts and RELEASE, or the end of the file, ends. In it, the DSP loads libraries
 * ("modules") and answers calls on them.
 *
 *	QUERY		what is behind this device
 *	GEM_CREATE	memory both sides can see; GEM_MMAP_OFFSET says where to mmap() it
 *	INIT_CREATE	start a PD (the normal way); INIT_ATTACH joins one that exists
 *	RELEASE		end it, and know when it has ended
 *	INVOKE		call and wait; arguments are copied or lie in buffers
 *	SUBMIT		call and go on; arguments lie in buffers; an event tells of the end
 *	CANCEL		do not wait for a submitted call any longer
 *	MAP, UNMAP	show the PD a buffer under a number ("key"), or give it memory for its heap
 *
 * All structs have the same layout on 32 and 64 bit. Fields marked [in] are read, [out] only
 * written. What else is not used must be 0: padding, flags that are not defined here, members of an
 * argument that its kind does not have; otherwise -EINVAL. Structs may grow at their end: a caller
 * built against an older header means 0 in what it does not know, and what a newer one puts in
 * members that the driver does not know is ignored (DRM_IOCTL_VERSION tells; this is 1.0).
 *
 * WORDS ON THE WIRE
 *
 * A call goes to a remote handle, a 32-bit number: what the DSP gave when a module was opened. Some
 * are fixed: 8 opens and closes modules, 3 and 7 serve calls from the PD back to its host, 4 is the
 * PD itself (method 2 ends it), 0 is an older form of 8. 1 and 2 belong to the kernel. Methods of
 * 8, with the buffers in; the buffers out:
 *
 *	2 open	{u32 bytes of the name with its 0, u32 room for a text}, name; {u32 handle,
 *		u32 error}, text
 *	3 close	{u32 handle, u32 room for a text}; {u32 error}, text
 *
 * The name is "file:///LIBRARY?FUNCTION&_modver=1.0". When FUNCTION, which takes all calls of the
 * module, ends in "_handle_invoke", the module's own methods begin at 2: 0 and 1 are its open and
 * close, which 8 calls. Otherwise they begin at 0. error is a number as `result` below, or 0; the
 * text says more.
 *
 * The scalars word says which method is called and how many arguments of which kind there are. See
 * DRM_QDA_SC(). The argument array has exactly that many elements, in this order: buffers in,
 * buffers out, handles in, handles out. See struct drm_qda_arg.
 *
 * What the called method returned is `result`: 0 for success, other numbers are the DSP's own
 * (AEEStdErr.h of its SDK; 0x80000400 is added to those that its FastRPC layer makes: 0x80000402 no
 * memory, ...06 cannot be loaded, ...0d the PD is gone, ...0e bad argument, ...14 no such method or
 * fixed handle, ...2c no such remote handle). They never mix with errno: a call that reached the
 * DSP and came back with another number fails with -EREMOTEIO and has the number in `result`. A
 * struct is copied back also when the command fails.
 *
 * OWNERSHIP
 *
 * A buffer lives as long as a handle, a dma-buf, a mapping of the CPU, a key or a call uses it.
 * GEM_CLOSE during a call is harmless: the call keeps what it uses. Holding a handle is the right
 * to use the buffer; handles are numbers of one file and mean nothing in another. To share a
 * buffer, use PRIME (DRM_IOCTL_PRIME_HANDLE_TO_FD, _FD_TO_HANDLE), also for memory of others: an
 * import is attached to the DSP when it is first used, and must then be one contiguous range for
 * it. Memory of others that may only be read stays so for the DSP; a buffer of this device that
 * comes back is the buffer itself, writable for all who import it.
 *
 * The PD can reach every buffer that this file has named in a call or mapped, until its handle is
 * closed and no key and no call uses it, and may write to it at any time. A buffer's contents after
 * a call are what the PD left there, checked by nobody.
 *
 * A call that is under way cannot be taken back. When its caller is killed or cancels it, it goes
 * on at the DSP, and what it uses stays in use, until the DSP answers or the session has ended.
 * The file ends when nothing has it any more: no descriptor in any process, and no mmap() of a
 * buffer of it, for mappings keep it, and with it its session and context bank. Its end does not
 * wait: the PD is ended in the background, and the bank can be used again when the DSP has
 * confirmed that. RELEASE ends the PD whatever else has the file, and tells when that is done.
 *
 * A PD may end by itself: its code crashes, or the DSP kills it. All calls of the session then fail
 * with -ECONNRESET, those under way and those that come, and a DRM_QDA_EVENT_ENDED says why. The
 * bank and all that the PD could reach stay with the session until RELEASE or the file's end; after
 * RELEASE, INIT_CREATE starts another. (On a DSP whose firmware does not tell, attribute 10 of
 * DRM_QDA_QUERY_CAPABILITY being 0, calls return 0x8000040d instead.)
 *
 * THREADS
 *
 * Any thread may do anything at any time on one file. Commands that wait, such as INVOKE, are ended
 * by fatal signals only; a process that must not block uses SUBMIT and DRM_QDA_ASYNC. (read() and
 * poll() are no commands: any signal ends them.)
 *
 * ERRORS OF EVERY COMMAND
 *
 *	-EINVAL		a field has a value that this file does not allow, or no such command
 *	-EFAULT		a user address cannot be read or written
 *	-ENOENT		no such GEM handle in this file, such as 0 (also: no such key, call)
 *	-ENOMEM		out of memory, or out of the bank's address space
 *	-ENODEV		the device is gone (the DSP crashed or went away). Close the file; a new
 *			device appears when the DSP is back
 *
 * and of commands that need the session or talk to the DSP:
 *
 *	-ENOTCONN	there is no session yet, or no more
 *	-ECONNRESET	its PD has ended, by itself or by RELEASE
 *	-ENOTRECOVERABLE  its PD could not be ended: see RELEASE
 *	-EPIPE		the DSP went away meanwhile
 *	-EREMOTEIO	the DSP answered with another number than 0; it is in `result`
 *	-EBUSY		too much at once; it ends when something that is under way does:
 *			calls in flight (of this file: DRM_QDA_QUERY_FILE_CALLS, of the whole DSP:
 *			DRM_QDA_QUERY_CALLS), message memory, or events not read. Of the whole
 *			DSP's calls, the last quarter is kept for files that have fewer in
 *			flight than their bank's part of it (a quarter divided by
 *			DRM_QDA_QUERY_BANKS): nobody can keep others from the DSP
 *	-EIO		the DSP could not be reached, though it has not gone away
 *
 * No command returns -EAGAIN or -EINTR.
 */
#ifndef _UAPI_QDA_ACCEL_H_
#define _UAPI_QDA_ACCEL_H_

#include "drm.h"	/* the kernel's drm/drm.h, or libdrm's: pkg-config --cflags libdrm */

#if defined(__cplusplus)
extern "C" {
#endif

#define DRM_QDA_QUERY		0x00
#define DRM_QDA_GEM_CREATE	0x01
#define DRM_QDA_GEM_MMAP_OFFSET	0x02
#define DRM_QDA_INIT_ATTACH	0x03
#define DRM_QDA_INIT_CREATE	0x04
#define DRM_QDA_MAP		0x05
#define DRM_QDA_UNMAP		0x06
#define DRM_QDA_INVOKE		0x07
/* 0x08 to 0x2f are left free */
#define DRM_QDA_SUBMIT		0x30
#define DRM_QDA_CANCEL		0x31
#define DRM_QDA_RELEASE		0x32

/*
 * --- scalars ---
 * bits 31:29 must be 0, 28:24 method, 23:16 buffers in, 15:8 buffers out, 7:4 handles in,
 * 3:0 handles out. Methods from 31 on are sent as 31, with the number as the first 32-bit word of
 * the first buffer in.
 */
#define DRM_QDA_SC(method, in, out, in_handles, out_handles)                        \
	((((__u32)(method) & 31) << 24) | (((__u32)(in) & 255) << 16) |             \
	 (((__u32)(out) & 255) << 8) | (((__u32)(in_handles) & 15) << 4) |          \
	 ((__u32)(out_handles) & 15))
#define DRM_QDA_SC_METHOD(sc)		(((__u32)(sc) >> 24) & 31)
#define DRM_QDA_SC_IN(sc)		(((__u32)(sc) >> 16) & 255)
#define DRM_QDA_SC_OUT(sc)		(((__u32)(sc) >> 8) & 255)
#define DRM_QDA_SC_IN_HANDLES(sc)	(((__u32)(sc) >> 4) & 15)
#define DRM_QDA_SC_OUT_HANDLES(sc)	((__u32)(sc) & 15)
/* How many arguments there are: at most 540. */
#define DRM_QDA_SC_ARGS(sc)                                                         \
	(DRM_QDA_SC_IN(sc) + DRM_QDA_SC_OUT(sc) + DRM_QDA_SC_IN_HANDLES(sc) +       \
	 DRM_QDA_SC_OUT_HANDLES(sc))

/*
 * What an argument is; which kinds a place takes depends on its group:
 *
 *			buffer in	buffer out	handle in	handle out
 *	INLINE		INVOKE		INVOKE
 *	BUFFER		yes		yes
 *	KEY						yes
 *	NUMBER						yes		yes
 */
#define DRM_QDA_ARG_INLINE	0
#define DRM_QDA_ARG_BUFFER	1
#define DRM_QDA_ARG_KEY		2
#define DRM_QDA_ARG_NUMBER	3

/* What is wanted of a handle out. DSPs that know no difference ignore it. */
#define DRM_QDA_OUT_NUMBER	0	/* what the method leaves, as it is */
#define DRM_QDA_OUT_REMOTE	1	/* a remote handle, to call */

/**
 * struct drm_qda_arg - one argument of a call
 * @value: INLINE: user address of the data, which is copied to the DSP (buffer in) or from it
 *	(buffer out). Arguments that overlap at the caller overlap at the DSP in the same way. What
 *	the DSP did not write of a buffer out is 0, or what a buffer in had put there.
 *	NUMBER: handle in: a remote handle of this PD, which the method sees as its module knows it,
 *	or any other number, as it is. The DSP cannot tell a number from a handle that is open under
 *	it: send numbers in a buffer. Handle out: [in] DRM_QDA_OUT_*; [out] INVOKE: what the DSP
 *	left there, written back when the call returned (SUBMIT has it in the event).
 *	Otherwise 0.
 * @length: INLINE, BUFFER: bytes; may be 0. KEY: the same, within what is mapped; sent along, but
 *	it confines nothing, and methods see only key and offset. NUMBER: 0.
 * @offset: BUFFER, KEY: of the first byte, from the start of the buffer, or of what is mapped under
 *	the key. Otherwise 0.
 * @handle: BUFFER: GEM handle (0 when @length is 0). KEY: the key. Otherwise 0.
 * @kind: DRM_QDA_ARG_*
 *
 * The array is read once, before the call.
 */
struct drm_qda_arg {
	__u64 value;
	__u64 length;
	__u64 offset;
	__u32 handle;
	__u32 kind;
};

/* --- events, for SUBMIT and for commands with DRM_QDA_ASYNC --- */

/*
 * A flag of INIT_ATTACH, INIT_CREATE, RELEASE, MAP and UNMAP: return as soon as the request is
 * under way; a DRM_QDA_EVENT_DONE with the same user_data tells how it ended. Without it, user_data
 * is 0.
 */
#define DRM_QDA_ASYNC		(1u << 0)

#define DRM_QDA_EVENT_DONE	0x80000000u
#define DRM_QDA_EVENT_LOST	0x80000001u
#define DRM_QDA_EVENT_ENDED	0x80000002u

/* Why a PD has ended by itself. */
#define DRM_QDA_ENDED_EXIT	1	/* its program has */
#define DRM_QDA_ENDED_KILLED	2	/* the DSP wanted it to */
#define DRM_QDA_ENDED_EXCEPTION	3	/* its code did what it must not */

/**
 * struct drm_qda_event - what read() of the file gives
 * @base: type DRM_QDA_EVENT_*; length of the whole event
 * @user_data: DONE: as given with the command
 * @error: DONE: 0, or negative errno as the command would have returned it: -EREMOTEIO (see
 *	@result), -EPIPE, -ECANCELED (by CANCEL), -ECONNRESET (the PD has ended),
 *	-ENOTRECOVERABLE (see RELEASE). LOST: -EPIPE. ENDED: -ECONNRESET
 * @result: what the DSP returned. ENDED: DRM_QDA_ENDED_*
 * @value: MAP: DSP address. Otherwise 0.
 *
 * One read() gives as many whole events as fit, 0 when the next does not (160 bytes are enough for
 * each); poll() reports POLLIN when there are any. When there are none, read() waits, or fails with
 * EAGAIN on a file with O_NONBLOCK; after LOST it would wait for ever, and poll() too, without
 * POLLHUP: close the file. Each
 * command that was accepted gives exactly one DONE event. ENDED tells that the file's PD has ended
 * by itself: once, after the DONE of all its calls and before that of a RELEASE; never of a PD that
 * a RELEASE ends. LOST tells once, last of all, that the DSP has gone.
 *
 * The event of a SUBMIT with handles out is followed, within its length, by what the DSP left in
 * each of them: DRM_QDA_EVENT_OUT_HANDLES(event)[0 .. DRM_QDA_SC_OUT_HANDLES(sc) - 1].
 *
 * A file has room for 4096 bytes of events that are expected or not read: LOST, one for the end of
 * its PD (ENDED, or DONE of RELEASE), and those of its calls. A command that finds no room for its
 * own fails with -EBUSY.
 */
struct drm_qda_event {
	struct drm_event base;
	__u64 user_data;
	__s32 error;
	__s32 result;
	__u64 value;
};

#define DRM_QDA_EVENT_OUT_HANDLES(event) ((const __u64 *)((event) + 1))

/* --- commands --- */

#define DRM_QDA_QUERY_NAME	  0	/* only the name; value 0 */
#define DRM_QDA_QUERY_ATTRS	  1	/* mask of DRM_QDA_ATTR_* that INIT_CREATE takes */
#define DRM_QDA_QUERY_BANKS	  2	/* context banks: sessions at one time */
#define DRM_QDA_QUERY_BANKS_FREE  3	/* of which can be had now */
#define DRM_QDA_QUERY_CALLS	  4	/* calls in flight on the whole DSP, at most: see -EBUSY */
#define DRM_QDA_QUERY_FILE_CALLS  5	/* of one file, at most */
#define DRM_QDA_QUERY_PAYLOAD	  6	/* bytes one call may need: see INVOKE */
#define DRM_QDA_QUERY_BUFFER	  7	/* bytes of the largest buffer */
#define DRM_QDA_QUERY_CAPABILITY  8	/* attribute `index` of the DSP itself, 0 to 255 */
#define DRM_QDA_QUERY_BANKS_LOST  9	/* banks whose PD could not be ended: see RELEASE */

/**
 * struct drm_qda_query - what is behind this device
 * @dsp_name: [out] name of the domain, with its 0: "adsp", "cdsp", ... Always given.
 * @type: [in] DRM_QDA_QUERY_*
 * @index: [in] CAPABILITY: which. Otherwise 0.
 * @value: [out] the answer
 *
 * CAPABILITY is asked of the DSP once in a session and remembered for it; -EOPNOTSUPP when its
 * firmware cannot say, -ENOTCONN when this file has no session to ask through. It may wait for the
 * DSP, for 10 seconds at most: then -ETIMEDOUT. Attributes are as its SDK numbers them: 1 unsigned
 * PDs; 2, 3 HVX of 64, 128 bytes; 4, 5 size and number of VTCM pages; 6 architecture, 0x68 for v68;
 * 7, 8 HMX; 9 asynchronous calls; 10 the end of a PD is told. What it does not know is 0.
 *
 * -EINVAL: unknown type, index out of range.
 */
struct drm_qda_query {
	__u8 dsp_name[16];
	__u32 type;
	__u32 index;
	__u64 value;
};

/**
 * struct drm_qda_gem_create - make a buffer
 * @size: [in] bytes, rounded up to whole pages
 * @handle: [out] GEM handle; DRM_IOCTL_GEM_CLOSE gives it back
 * @pad: 0
 *
 * The buffer is zeroed. Pages are taken when it is first used.
 *
 * -EINVAL: size is 0. -E2BIG: larger than DRM_QDA_QUERY_BUFFER.
 */
struct drm_qda_gem_create {
	__u64 size;
	__u32 handle;
	__u32 pad;
};

/**
 * struct drm_qda_gem_mmap_offset - where to mmap() a buffer
 * @offset: [out] offset for mmap() of the device's file
 * @handle: [in] GEM handle
 * @pad: 0
 *
 * -EOPNOTSUPP: the buffer is an import of others' memory: map it where it came from. (One of this
 * device that came back by PRIME is no import.)
 */
struct drm_qda_gem_mmap_offset {
	__u64 offset;
	__u32 handle;
	__u32 pad;
};

#define DRM_QDA_PD_ROOT		0
#define DRM_QDA_PD_SENSORS	2

/**
 * struct drm_qda_init_attach - make a session in a PD that exists
 * @pd: [in] DRM_QDA_PD_*
 * @flags: [in] DRM_QDA_ASYNC
 * @user_data: [in] for the event
 * @result: [out] what the DSP returned
 * @pad: 0
 *
 * Who joins such a PD can disturb all others, so whoever opened the file must have had
 * CAP_SYS_ADMIN (in the initial user namespace) then. After a failure, it may be tried again.
 *
 * -EACCES: the opener had no such right. -EISCONN: the file has a session, or is about to.
 * -EUSERS: no context bank is free.
 */
struct drm_qda_init_attach {
	__u32 pd;
	__u32 flags;
	__u64 user_data;
	__s32 result;
	__u32 pad;
};

/* Attributes of a PD, as firmware knows them. */
#define DRM_QDA_ATTR_DEBUG	  (1u << 0)
#define DRM_QDA_ATTR_PTRACE	  (1u << 1)
#define DRM_QDA_ATTR_UNSIGNED	  (1u << 3)
#define DRM_QDA_ATTR_ADAPTIVE_QOS (1u << 4)

/**
 * struct drm_qda_init_create - start a PD
 * @shell: [in] GEM handle of the buffer that holds the shell image: the program every PD runs, from
 *	the firmware of the board ("fastrpc_shell_3", "fastrpc_shell_unsigned_3"). A virtual DSP has
 *	its own idea of one: for qda-softdsp, the line "qda-softdsp shell" and its newline
 * @shell_size: [in] its bytes, from the start of the buffer
 * @memory: [in] GEM handle of the PD's initial memory, or 0 for none. Hardware wants some, 3 MiB
 *	and more; how much depends on the shell. It belongs to the PD until the session has ended.
 * @attrs: [in] DRM_QDA_ATTR_*
 * @siglen: [in] bytes of a signature at the end of the image, if any
 * @flags: [in] DRM_QDA_ASYNC
 * @user_data: [in] for the event
 * @name: [in] what the DSP calls the PD in its messages, with a 0 in it. Empty: the caller's.
 * @result: [out] what the DSP returned
 * @pad: 0
 *
 * A PD without DRM_QDA_ATTR_UNSIGNED may do more on the DSP: whoever opened the file must have had
 * CAP_SYS_ADMIN (in the initial user namespace) then. After a failure, it may be tried again.
 *
 * -EACCES: the opener had no such right. -EISCONN: the file has a session, or is about to.
 * -EUSERS: no context bank is free. -EOPNOTSUPP: an attribute that this DSP does not take.
 * -EINVAL: @shell_size is 0 or more than the buffer holds, @siglen is more than @shell_size.
 */
struct drm_qda_init_create {
	__u32 shell;
	__u32 shell_size;
	__u32 memory;
	__u32 attrs;
	__u32 siglen;
	__u32 flags;
	__u64 user_data;
	__u8 name[32];
	__s32 result;
	__u32 pad;
};

/**
 * struct drm_qda_release - end the session
 * @user_data: [in] for the event
 * @flags: [in] DRM_QDA_ASYNC
 * @result: [out] what the DSP returned, when it refused
 *
 * When this is done, without an error, the PD is gone and its context bank free, whatever the PD
 * did, and the file may have a session again. Calls still under way have ended with -ECONNRESET.
 * New calls fail with -ENOTCONN from the beginning. Keys and heap memory are gone, buffers are not.
 *
 * The DSP may refuse: -ENOTRECOVERABLE. Since nothing will tell when the PD is gone, its bank is
 * nobody's until the DSP restarts, all that it could reach stays as it is, and the file can have no
 * other session; close it. When a file is closed, the same may happen without a word.
 *
 * -ENOTCONN: no session, or one that is about to begin or being ended. -EBUSY, -EIO, -EPIPE: the
 * DSP was not asked, the session is as before.
 */
struct drm_qda_release {
	__u64 user_data;
	__u32 flags;
	__s32 result;
};

#define DRM_QDA_MAP_KEY		0	/* a buffer under a key */
#define DRM_QDA_MAP_HEAP	1	/* memory for the PD's heap, as it asks for */

/*
 * Attributes of a MAP: of HEAP, and of KEY, as the DSP's HAP_mmap() knows them. These say what the
 * PD does with it; calls may name each of them by key.
 */
#define DRM_QDA_MAP_STATIC	0	/* KEY: mapped from now on */
#define DRM_QDA_MAP_FD		2	/* KEY: mapped from now on, found by key */
#define DRM_QDA_MAP_FD_DELAYED	3	/* KEY: mapped when the PD asks for it */
#define DRM_QDA_MAP_FD_NOMAP	16	/* KEY: known, mapped by the PD itself */
#define DRM_QDA_MAP_LLC		1	/* HEAP: through the last level cache */

/**
 * struct drm_qda_map - show memory to the PD
 * @handle: [in] GEM handle
 * @kind: [in] DRM_QDA_MAP_KEY or DRM_QDA_MAP_HEAP
 * @key: [in] KEY: 0 to INT_MAX, free in this session. HEAP: 0
 * @attrs: [in] of the kind; 0 is right for most
 * @offset: [in] of the first byte to map; whole pages
 * @size: [in] bytes to map; whole pages, not 0
 * @dsp_addr: [out] where the PD sees it, or will; HEAP: also its name for UNMAP. (`value` of the
 *	event)
 * @user_data: [in] for the event
 * @flags: [in] DRM_QDA_ASYNC
 * @result: [out] what the DSP returned
 *
 * The buffer stays in use until UNMAP or the end of the session, with or without its handle.
 *
 * -EINVAL: also for a range that the buffer does not have. -EEXIST: the key is in use. -ENOSPC:
 * 4096 mappings exist already. -ERANGE: the DSP cannot address the buffer as one range.
 */
struct drm_qda_map {
	__u32 handle;
	__u32 kind;
	__u32 key;
	__u32 attrs;
	__u64 offset;
	__u64 size;
	__u64 dsp_addr;
	__u64 user_data;
	__u32 flags;
	__s32 result;
};

/**
 * struct drm_qda_unmap - take a mapping back
 * @kind: [in] DRM_QDA_MAP_KEY or DRM_QDA_MAP_HEAP
 * @key: [in] KEY: which. HEAP: 0
 * @dsp_addr: [in] HEAP: which. KEY: 0
 * @user_data: [in] for the event
 * @flags: [in] DRM_QDA_ASYNC
 * @result: [out] what the DSP returned
 *
 * When the DSP refuses, the mapping stays, unless it knew of none (result 0x80000448). Calls that
 * were given the key before are not disturbed.
 *
 * -ENOENT: no such mapping. -EALREADY: it is being mapped or unmapped.
 */
struct drm_qda_unmap {
	__u32 kind;
	__u32 key;
	__u64 dsp_addr;
	__u64 user_data;
	__u32 flags;
	__s32 result;
};

/**
 * struct drm_qda_invoke - call and wait
 * @handle: [in] remote handle
 * @sc: [in] scalars: DRM_QDA_SC()
 * @args: [in] user address of DRM_QDA_SC_ARGS(sc) elements of struct drm_qda_arg; 0 when that is 0
 * @result: [out] what the DSP returned; 0 when the call did not get that far
 * @pad: 0
 *
 * Buffers out and handles out are written whatever the method returned. When writing them fails
 * (-EFAULT), the call was made nevertheless.
 *
 * A call needs 40 bytes of payload for each argument, 384 more, and room for INLINE data, each
 * argument from a multiple of 128: at most DRM_QDA_QUERY_PAYLOAD.
 *
 * -EPERM: remote handle 1 or 2. -E2BIG: the payload is larger than that. -EOVERFLOW: an argument
 * leaves its buffer, or its address wraps. -EACCES: a buffer out lies in others' memory that may
 * only be read. -ERANGE: the DSP cannot address a buffer as one range. -ENOENT: also for an unknown
 * key. -EINVAL: also for @args that is 0 although there are arguments, or the other way round.
 */
struct drm_qda_invoke {
	__u32 handle;
	__u32 sc;
	__u64 args;
	__s32 result;
	__u32 pad;
};

/**
 * struct drm_qda_submit - call and go on
 * @handle: [in] remote handle
 * @sc: [in] scalars: DRM_QDA_SC()
 * @args: [in] as of INVOKE, without DRM_QDA_ARG_INLINE
 * @user_data: [in] for the event
 * @call: [out] name of the call for CANCEL; never 0, used once in a file
 * @flags: [in] 0
 * @pad: 0
 *
 * When this returns 0, exactly one DONE event will come. It may come before this returns.
 *
 * Errors: as of INVOKE.
 */
struct drm_qda_submit {
	__u32 handle;
	__u32 sc;
	__u64 args;
	__u64 user_data;
	__u64 call;
	__u32 flags;
	__u32 pad;
};

/**
 * struct drm_qda_cancel - do not wait for a submitted call any longer
 * @call: [in] as SUBMIT gave it
 *
 * The call's event comes at once, with -ECANCELED. The DSP is not told (it could not stop); the
 * call counts as in flight until the DSP has answered it.
 *
 * -ENOENT: no such call, or it has ended.
 */
struct drm_qda_cancel {
	__u64 call;
};

#define DRM_IOCTL_QDA_QUERY DRM_IOWR(DRM_COMMAND_BASE + DRM_QDA_QUERY, struct drm_qda_query)
#define DRM_IOCTL_QDA_GEM_CREATE \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_QDA_GEM_CREATE, struct drm_qda_gem_create)
#define DRM_IOCTL_QDA_GEM_MMAP_OFFSET \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_QDA_GEM_MMAP_OFFSET, struct drm_qda_gem_mmap_offset)
#define DRM_IOCTL_QDA_INIT_ATTACH \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_QDA_INIT_ATTACH, struct drm_qda_init_attach)
#define DRM_IOCTL_QDA_INIT_CREATE \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_QDA_INIT_CREATE, struct drm_qda_init_create)
#define DRM_IOCTL_QDA_MAP DRM_IOWR(DRM_COMMAND_BASE + DRM_QDA_MAP, struct drm_qda_map)
#define DRM_IOCTL_QDA_UNMAP DRM_IOWR(DRM_COMMAND_BASE + DRM_QDA_UNMAP, struct drm_qda_unmap)
#define DRM_IOCTL_QDA_INVOKE DRM_IOWR(DRM_COMMAND_BASE + DRM_QDA_INVOKE, struct drm_qda_invoke)
#define DRM_IOCTL_QDA_SUBMIT DRM_IOWR(DRM_COMMAND_BASE + DRM_QDA_SUBMIT, struct drm_qda_submit)
#define DRM_IOCTL_QDA_CANCEL DRM_IOW(DRM_COMMAND_BASE + DRM_QDA_CANCEL, struct drm_qda_cancel)
#define DRM_IOCTL_QDA_RELEASE DRM_IOWR(DRM_COMMAND_BASE + DRM_QDA_RELEASE, struct drm_qda_release)

/*
 * AN EXAMPLE
 *
 * Adds numbers on the DSP: the first method of the module ("2"; 0 and 1 open and close it) gets a
 * buffer of 32-bit numbers and gives their 64-bit sum. With a shell that it takes, a virtual DSP is
 * content with this as it is; hardware wants initial memory for the PD, too. Get the program out of
 * here with
 *
 *	sed -n 's/^ \*|//p' qda_accel.h >sum.c
 *
 * and compile it with the directory above drm/ and libdrm's (pkg-config --cflags libdrm) in the
 * include path.
 *
 *|#include <errno.h>
 *|#include <fcntl.h>
 *|#include <stdint.h>
 *|#include <stdio.h>
 *|#include <stdlib.h>
 *|#include <string.h>
 *|#include <sys/ioctl.h>
 *|#include <sys/mman.h>
 *|#include <unistd.h>
 *|#include <drm/qda_accel.h>
 *|
 *|static void die(const char *what)
 *|{
 *|	perror(what);
 *|	exit(1);
 *|}
 *|
 *|static void refused(const char *what, int32_t result)
 *|{
 *|	if (errno == EREMOTEIO)
 *|		fprintf(stderr, "%s: the DSP returned %#x\n", what, (uint32_t)result);
 *|	die(what);
 *|}
 *|
 *|static void *new_buffer(int fd, uint64_t size, uint32_t *handle)
 *|{
 *|	struct drm_qda_gem_create create = { .size = size };
 *|	struct drm_qda_gem_mmap_offset where = { 0 };
 *|	void *memory;
 *|
 *|	if (ioctl(fd, DRM_IOCTL_QDA_GEM_CREATE, &create))
 *|		die("GEM_CREATE");
 *|	where.handle = *handle = create.handle;
 *|	if (ioctl(fd, DRM_IOCTL_QDA_GEM_MMAP_OFFSET, &where))
 *|		die("GEM_MMAP_OFFSET");
 *|	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, where.offset);
 *|	if (memory == MAP_FAILED)
 *|		die("mmap");
 *|	return memory;
 *|}
 *|
 *|static void start(int fd, const char *path)
 *|{
 *|	struct drm_qda_init_create create = { .attrs = DRM_QDA_ATTR_UNSIGNED };
 *|	int file = open(path, O_RDONLY);
 *|	off_t size = file < 0 ? -1 : lseek(file, 0, SEEK_END);
 *|	void *memory;
 *|
 *|	if (size <= 0)
 *|		die(path);
 *|	memory = new_buffer(fd, size, &create.shell);
 *|	if (pread(file, memory, size, 0) != size)
 *|		die(path);
 *|	munmap(memory, size);
 *|	close(file);
 *|	create.shell_size = size;
 *|	if (ioctl(fd, DRM_IOCTL_QDA_INIT_CREATE, &create))
 *|		refused("INIT_CREATE", create.result);
 *|}
 *|
 *|static struct drm_qda_arg bytes(const void *data, uint64_t length)
 *|{
 *|	return (struct drm_qda_arg){ .value = (uintptr_t)data, .length = length,
 *|				     .kind = DRM_QDA_ARG_INLINE };
 *|}
 *|
 *|static void call(int fd, uint32_t handle, uint32_t sc, struct drm_qda_arg *args)
 *|{
 *|	struct drm_qda_invoke invoke = { .handle = handle, .sc = sc,
 *|					 .args = (uintptr_t)args };
 *|
 *|	if (ioctl(fd, DRM_IOCTL_QDA_INVOKE, &invoke))
 *|		refused("INVOKE", invoke.result);
 *|}
 *|
 *|static uint32_t open_module(int fd, const char *uri)
 *|{
 *|	struct { uint32_t handle, error; } out = { 0, 0 };
 *|	char text[256] = "";
 *|	const uint32_t in[2] = { strlen(uri) + 1, sizeof(text) };
 *|	struct drm_qda_arg args[4] = {
 *|		bytes(in, sizeof(in)), bytes(uri, in[0]),
 *|		bytes(&out, sizeof(out)), bytes(text, sizeof(text)),
 *|	};
 *|
 *|	call(fd, 8, DRM_QDA_SC(2, 2, 2, 0, 0), args);
 *|	if (out.error) {
 *|		fprintf(stderr, "%s: %#x %.256s\n", uri, out.error, text);
 *|		exit(1);
 *|	}
 *|	return out.handle;
 *|}
 *|
 *|int main(int argc, char **argv)
 *|{
 *|	struct drm_qda_query query = { .type = DRM_QDA_QUERY_NAME };
 *|	struct drm_qda_arg args[2];
 *|	uint32_t module;
 *|	int32_t *numbers;
 *|	int64_t sum = 0;
 *|	int fd, i;
 *|
 *|	if (argc < 5)
 *|		return fprintf(stderr, "usage: sum DEVICE SHELL URI NUMBER...\n"), 2;
 *|	fd = open(argv[1], O_RDWR | O_CLOEXEC);
 *|	if (fd < 0 || ioctl(fd, DRM_IOCTL_QDA_QUERY, &query))
 *|		die(argv[1]);
 *|	start(fd, argv[2]);
 *|	module = open_module(fd, argv[3]);
 *|
 *|	args[0] = (struct drm_qda_arg){ .length = (argc - 4) * sizeof(*numbers),
 *|					.kind = DRM_QDA_ARG_BUFFER };
 *|	numbers = new_buffer(fd, args[0].length, &args[0].handle);
 *|	for (i = 4; i < argc; i++)
 *|		numbers[i - 4] = atoi(argv[i]);
 *|	args[1] = bytes(&sum, sizeof(sum));
 *|	call(fd, module, DRM_QDA_SC(2, 1, 1, 0, 0), args);
 *|	printf("%s says %lld\n", query.dsp_name, (long long)sum);
 *|	munmap(numbers, args[0].length);
 *|	close(fd);
 *|	return 0;
 *|}
 */

#if defined(__cplusplus)
}
#endif

#endif
