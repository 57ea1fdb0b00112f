// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages to a real DSP over its rpmsg channel. The device tree node of the channel has a child
 * for each context bank ("qcom,fastrpc-compute-cb", reg = stream id) and the domain's name as
 * "label".
 */
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/of_platform.h>
#include <linux/platform_device.h>
#include <linux/rpmsg.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "qda_rpmsg.h"
#include "qda_transport.h"

#define STREAM_ID_SHIFT 32

/**
 * struct channel - one DSP
 * @rpdev: its channel
 * @lock: taken for responses, too, which come from an interrupt
 * @qdev: NULL while it is not registered
 * @banks: as their devices were found
 * @n_banks: of which there are
 */
struct channel {
	struct rpmsg_device *rpdev;
	spinlock_t lock;	/* protects qdev */
	struct qda_device *qdev;
	struct qda_transport_bank banks[QDA_BANKS_MAX];
	unsigned int n_banks;
};

static int send(void *priv, const void *message)
{
	struct channel *channel = priv;

	return rpmsg_send(channel->rpdev->ept, (void *)message, QDA_MESSAGE_SIZE);
}

static void set_device(struct channel *channel, struct qda_device *qdev)
{
	unsigned long flags;

	spin_lock_irqsave(&channel->lock, flags);
	channel->qdev = qdev;
	spin_unlock_irqrestore(&channel->lock, flags);
}

/* Before anything is sent: an answer finds its device. */
static void ready(void *priv, struct qda_device *qdev)
{
	set_device(priv, qdev);
}

static const struct qda_transport_ops ops = {
	.ready = ready,
	.send = send,
};

static int callback(struct rpmsg_device *rpdev, void *data, int len, void *priv, u32 addr)
{
	struct channel *channel = dev_get_drvdata(&rpdev->dev);
	unsigned long flags;

	if (!channel || len < 0)
		return 0;
	spin_lock_irqsave(&channel->lock, flags);
	if (channel->qdev)
		qda_transport_response(channel->qdev, data, len);
	spin_unlock_irqrestore(&channel->lock, flags);
	return 0;
}

/* --- banks: platform devices, for that is how they get their part of the IOMMU --- */

static struct rpmsg_driver rpmsg_driver;

static int bank_probe(struct platform_device *pdev)
{
	struct channel *channel = dev_get_drvdata(pdev->dev.parent);
	struct qda_transport_bank *bank;
	u32 stream_id;
	int err;

	/* Another driver's channel has banks of the same name. */
	if (pdev->dev.parent->driver != &rpmsg_driver.drv || channel->n_banks == QDA_BANKS_MAX)
		return -ENODEV;
	err = of_property_read_u32(pdev->dev.of_node, "reg", &stream_id);
	if (!err && !stream_id)
		err = -EINVAL;
	if (!err)
		err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(32));
	if (err)
		return err;
	dma_set_max_seg_size(&pdev->dev, UINT_MAX);
	bank = &channel->banks[channel->n_banks++];
	bank->dev = &pdev->dev;
	bank->stream_id = stream_id;
	return 0;
}

static const struct of_device_id bank_match[] = {
	{ .compatible = "qcom,fastrpc-compute-cb" },
	{ }
};

/* Taken away only with the channel: a bank in use must not lose its device. */
static struct platform_driver bank_driver = {
	.probe = bank_probe,
	.driver = {
		.name = "qda-bank",
		.of_match_table = bank_match,
		.suppress_bind_attrs = true,
	},
};

/* All of them or none: a bank whose IOMMU is not there yet will be tried again with the channel. */
static int add_banks(struct channel *channel)
{
	struct device_node *parent = channel->rpdev->dev.of_node, *node;
	unsigned int n = 0;
	int err;

	for_each_available_child_of_node(parent, node)
		n += !!of_device_is_compatible(node, "qcom,fastrpc-compute-cb");
	if (!n)
		return -ENODEV;
	err = of_platform_populate(parent, NULL, NULL, &channel->rpdev->dev);
	if (!err && channel->n_banks < min(n, QDA_BANKS_MAX))
		err = -EPROBE_DEFER;
	if (err)
		of_platform_depopulate(&channel->rpdev->dev);
	return err;
}

/* --- the channel --- */

static int register_device(struct channel *channel)
{
	struct device *dev = &channel->rpdev->dev;
	struct qda_transport_info info = {
		.banks = channel->banks,
		.n_banks = channel->n_banks,
		.stream_id_shift = STREAM_ID_SHIFT,
	};
	struct qda_device *qdev;
	int err;

	err = of_property_read_string(dev->of_node, "label", &info.name);
	if (err)
		return err;
	qdev = qda_device_register(dev, &ops, channel, &info);
	if (!IS_ERR(qdev))
		return 0;
	set_device(channel, NULL);
	return PTR_ERR(qdev);
}

static int probe(struct rpmsg_device *rpdev)
{
	struct channel *channel;
	int err;

	channel = devm_kzalloc(&rpdev->dev, sizeof(*channel), GFP_KERNEL);
	if (!channel)
		return -ENOMEM;
	channel->rpdev = rpdev;
	spin_lock_init(&channel->lock);
	dev_set_drvdata(&rpdev->dev, channel);
	err = add_banks(channel);
	if (err)
		return err;
	err = register_device(channel);
	if (err)
		of_platform_depopulate(&rpdev->dev);
	return err;
}

static void remove(struct rpmsg_device *rpdev)
{
	struct channel *channel = dev_get_drvdata(&rpdev->dev);
	struct qda_device *qdev = channel->qdev;

	set_device(channel, NULL);
	qda_device_unregister(qdev);
	of_platform_depopulate(&rpdev->dev);
}

static const struct of_device_id of_match[] = {
	{ .compatible = "qcom,fastrpc" },
	{ }
};
MODULE_DEVICE_TABLE(of, of_match);

static struct rpmsg_driver rpmsg_driver = {
	.probe = probe,
	.remove = remove,
	.callback = callback,
	.drv = {
		.name = "qda",
		.of_match_table = of_match,
	},
};

int qda_rpmsg_init(void)
{
	int err = platform_driver_register(&bank_driver);

	if (err)
		return err;
	err = register_rpmsg_driver(&rpmsg_driver);
	if (err)
		platform_driver_unregister(&bank_driver);
	return err;
}

void qda_rpmsg_exit(void)
{
	unregister_rpmsg_driver(&rpmsg_driver);
	platform_driver_unregister(&bank_driver);
}
