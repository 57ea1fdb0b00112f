/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between qda.ko and whatever carries messages to a DSP: rpmsg on a board, the virtual DSP on any
 * machine. A transport registers a device for each DSP that runs, and unregisters it when that DSP
 * is gone; a DSP that restarts is a new device.
 */
#ifndef __QDA_TRANSPORT_H__
#define __QDA_TRANSPORT_H__

#include <linux/types.h>

struct device;
struct qda_device;

#define QDA_MESSAGE_SIZE 40	/* struct fastrpc_msg */
#define QDA_BANKS_MAX	 16	/* each has a message id for its own process control */

/**
 * struct qda_transport_bank - one context bank of the DSP
 * @dev: what memory is mapped for: DMA addresses made for it are addresses in this bank. They must
 *	lie in [4096, 4 GiB): the DMA mask is 32 bits and address 0 is never given out. It needs a
 *	large maximum segment size (dma_set_max_seg_size()). Only dma_map_sgtable() and its opposite
 *	are used, by this module and by those who export dma-bufs.
 * @stream_id: of the bank; added to the addresses that the DSP is told. Not 0.
 */
struct qda_transport_bank {
	struct device *dev;
	u32 stream_id;
};

/**
 * struct qda_transport_ops - what a transport can do
 * @ready: may be NULL. Called once, from qda_device_register() before anything can be sent, with
 *	what it will return; unless it fails after this.
 * @send: hand one message of QDA_MESSAGE_SIZE bytes to the DSP. Called in process context, from
 *	several threads at once, and may sleep for a short time, but not until the DSP has done
 *	something about an earlier message. 0 or a negative errno; with an error the DSP has not
 *	seen, and will not see, the message. Its response may come before this returns. Never called
 *	once qda_device_unregister() has returned.
 */
struct qda_transport_ops {
	void (*ready)(void *priv, struct qda_device *qdev);
	int (*send)(void *priv, const void *message);
};

/**
 * struct qda_transport_info - a DSP
 * @name: of the domain ("cdsp"); 1 to 15 characters, copied
 * @banks: its context banks, copied
 * @n_banks: 1 to QDA_BANKS_MAX
 * @stream_id_shift: where a stream id begins in an address: 32 but on some newer SoCs
 */
struct qda_transport_info {
	const char *name;
	const struct qda_transport_bank *banks;
	unsigned int n_banks;
	unsigned int stream_id_shift;
};

/**
 * qda_device_register - make an accel device for a DSP
 * @parent: of the DRM device. May be the parent of several in turn, not at once.
 * @ops: of the transport; must stay
 * @priv: first argument of @ops
 * @info: read during this call only
 *
 * Messages may be sent before this returns.
 *
 * Return: the device or an ERR_PTR().
 */
struct qda_device *qda_device_register(struct device *parent, const struct qda_transport_ops *ops,
				       void *priv, const struct qda_transport_info *info);

/**
 * qda_device_unregister - the DSP is gone
 * @qdev: what qda_device_register() returned; not to be used afterwards
 *
 * Calls under way end with -EPIPE, every DMA mapping in the banks is removed, and nothing of the
 * transport is used any more when this returns. It does not wait for users to close their files.
 * The DSP must not be able to reach memory any longer. Process context.
 */
void qda_device_unregister(struct qda_device *qdev);

/**
 * qda_transport_response - bytes came from the DSP
 * @qdev: the device
 * @bytes: as they came; nothing about them is trusted
 * @n: how many
 *
 * From any context, hard interrupts included. What is too short, unknown, late or a duplicate is
 * dropped. Must not run, nor be called, once qda_device_unregister() has returned.
 */
void qda_transport_response(struct qda_device *qdev, const void *bytes, unsigned int n);

#endif
