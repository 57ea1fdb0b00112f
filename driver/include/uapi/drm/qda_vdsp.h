/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * /dev/qda-vdspN: the firmware's side of a virtual DSP. A program that opens it is the DSP: while
 * it holds the file, a DSP is plugged in and qda.ko offers it to everybody as /dev/accel/accelN;
 * when the file is closed, the DSP has crashed. Root's node: whoever opens it sees the memory that
 * callers share with the DSP.
 *
 * Control (what open() gives; one holder, else -EBUSY)
 *   read    one struct qda_vdsp_record, the oldest; a smaller buffer is -EINVAL. Blocks, or -EAGAIN
 *           with O_NONBLOCK. Calls for process control (handle 1) and of clients that no PD file
 *           stands for come here, and those that a closed PD file left unanswered.
 *   write   a response as the bytes that go over the wire (struct fastrpc_rsp: u64 ctx, s32 retval,
 *           u32 pad), or a notification that a PD has ended (struct fastrpc_notification): 1 to 64
 *           of them, else -EINVAL. Nothing is checked here, as on a board: qda.ko has to live with
 *           what is short, forged, late or said twice. Delivered in hard interrupt context before
 *           write() returns.
 *   poll    readable when a record waits; always writable.
 *   mmap    MAP_SHARED; offset is a DSP address as messages carry it: stream id << 32 | address in
 *           the bank; within one bank.
 *   ioctl   QDA_VDSP_INFO, QDA_VDSP_PD_OPEN, QDA_VDSP_PD_END
 *   close   the DSP restarts: every call ends with -EPIPE at its caller, PD files die, no mapping
 *           shows memory any more.
 *
 * PD (what QDA_VDSP_PD_OPEN returns): one protection domain, for the process that runs it
 *   read    as above, this client's calls only (not handle 1). 0 when the DSP has restarted, or the
 *           PD was ended. Of several that wait, one is woken for each message.
 *   write   as above, but 16 bytes at least, and only the answer to a call that was read here and
 *           not answered yet: else -ENOENT. A PD cannot answer for another, nor say that one has
 *           ended. -EPIPE after a restart or the PD's end.
 *   poll    as above; POLLHUP after a restart or the PD's end.
 *   mmap    MAP_SHARED; offset is an address in this PD's bank (0 to 4 GiB).
 *   close   unanswered calls go to control as ORPHAN. A mapping keeps the file open, and so does
 *           whoever looks at the process in /proc: QDA_VDSP_PD_END does not wait for them.
 *
 * A mapping of a bank may be made before anything is in it: it shows what is mapped for the DSP at
 * the time of each access. Where nothing is, and where something was, an access is a SIGBUS, as it
 * would be a fault of the board's SMMU; so is writing to memory that is only to be read. Mappings are not inherited by fork(), and neither core
 * dumps nor other processes' system calls read through them.
 */
#ifndef _UAPI_QDA_VDSP_H_
#define _UAPI_QDA_VDSP_H_

#include <linux/ioctl.h>
#include <linux/types.h>

#define QDA_VDSP_RESPONSE_MAX	64

enum qda_vdsp_kind {
	QDA_VDSP_CALL = 1,	/* a message from the host */
	QDA_VDSP_ORPHAN = 2,	/* the same message again: its PD file closed without an answer */
};

/**
 * struct qda_vdsp_record - one message from the host
 * @kind: enum qda_vdsp_kind
 * @client: client id of the message; 0 for process control
 * @seq: number of the message since the DSP booted, from 1; an ORPHAN keeps its number
 * @msg: the message as on the wire (struct fastrpc_msg)
 * @pad: 0
 */
struct qda_vdsp_record {
	__u32 kind;
	__s32 client;
	__u64 seq;
	__u8 msg[40];
	__u64 pad;
};

/**
 * struct qda_vdsp_info - which DSP this is
 * @name: of the domain, terminated ("cdsp")
 * @banks: context banks; their stream ids are 1 to @banks
 * @pad: 0
 */
struct qda_vdsp_info {
	char name[16];
	__u32 banks;
	__u32 pad;
};

/**
 * struct qda_vdsp_pd_open - a file for one protection domain
 * @client: its client id, not 0
 * @bank: stream id of its bank
 *
 * The ioctl returns the descriptor (O_CLOEXEC). -EINVAL: no such bank, or client 0; -EBUSY: a PD
 * file for this client or this bank is open still.
 */
struct qda_vdsp_pd_open {
	__s32 client;
	__u32 bank;
};

/**
 * struct qda_vdsp_pd_end - a protection domain is gone
 * @client: its client id
 * @pad: 0
 *
 * Its file, if it is still open, brings no more calls, takes no more answers, and its mappings show
 * nothing any more; what was unanswered comes to control as ORPHAN. The program does this before it
 * answers the call that ends the session: the bank belongs to somebody else afterwards. -ENOENT: no
 * such file; it was closed already.
 */
struct qda_vdsp_pd_end {
	__s32 client;
	__u32 pad;
};

#define QDA_VDSP_IOCTL_BASE	0xDA
#define QDA_VDSP_INFO		_IOR(QDA_VDSP_IOCTL_BASE, 0x40, struct qda_vdsp_info)
#define QDA_VDSP_PD_OPEN	_IOW(QDA_VDSP_IOCTL_BASE, 0x41, struct qda_vdsp_pd_open)
#define QDA_VDSP_PD_END		_IOW(QDA_VDSP_IOCTL_BASE, 0x42, struct qda_vdsp_pd_end)

#endif
