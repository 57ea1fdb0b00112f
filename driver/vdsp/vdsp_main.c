// SPDX-License-Identifier: GPL-2.0-only
/*
 * qda_vdsp.ko: virtual DSPs, so that qda.ko runs on any machine. For each DSP that the parameters
 * name there is /dev/qda-vdspN; a program that opens it and answers is the DSP. What such a program
 * can do is written in include/uapi/drm/qda_vdsp.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/slab.h>
#include <linux/stringify.h>

#include "vdsp.h"

#ifndef CONFIG_ARCH_HAS_DMA_OPS
#error "a software IOMMU needs a kernel with CONFIG_ARCH_HAS_DMA_OPS"
#endif

#define DSPS_MAX 8

static char *name[DSPS_MAX] = { "cdsp" };
static int n_names = 1;
module_param_array(name, charp, &n_names, 0444);
MODULE_PARM_DESC(name, "domain of each virtual DSP, at most 8 (cdsp)");

static unsigned int banks = 8;
module_param(banks, uint, 0444);
MODULE_PARM_DESC(banks, "context banks of each DSP, 1 to " __stringify(QDA_BANKS_MAX) " (8)");

bool vdsp_scatter;
module_param_named(scatter, vdsp_scatter, bool, 0644);
MODULE_PARM_DESC(scatter, "do not join scattered memory, as if there were no IOMMU (N)");

bool vdsp_hard_irq = true;
module_param_named(irq, vdsp_hard_irq, bool, 0644);
MODULE_PARM_DESC(irq, "deliver responses in hard interrupt context (Y)");

static struct vdsp *dsps;
static int n_dsps;
static struct device *root;

static void destroy_banks(struct vdsp *dsp)
{
	while (dsp->n_banks)
		vdsp_bank_destroy(dsp->banks[--dsp->n_banks]);
	kfree(dsp->banks);
}

static int create_banks(struct vdsp *dsp)
{
	struct vdsp_bank *bank;

	dsp->banks = kcalloc(banks, sizeof(*dsp->banks), GFP_KERNEL);
	if (!dsp->banks)
		return -ENOMEM;
	while (dsp->n_banks < banks) {
		bank = vdsp_bank_create(root, dsp->node, dsp->n_banks + 1);
		if (IS_ERR(bank)) {
			destroy_banks(dsp);
			return PTR_ERR(bank);
		}
		dsp->banks[dsp->n_banks++] = bank;
	}
	return 0;
}

static int create_dsp(struct vdsp *dsp, int number)
{
	int ret;

	snprintf(dsp->node, sizeof(dsp->node), "qda-vdsp%d", number);
	strscpy(dsp->name, name[number], sizeof(dsp->name));
	dsp->parent = root;
	init_rwsem(&dsp->life);
	spin_lock_init(&dsp->lock);
	INIT_LIST_HEAD(&dsp->pds);
	ret = create_banks(dsp);
	if (ret)
		return ret;
	dsp->misc.minor = MISC_DYNAMIC_MINOR;
	dsp->misc.name = dsp->node;
	dsp->misc.fops = &vdsp_control_fops;
	dsp->misc.parent = root;
	dsp->misc.mode = 0600;
	ret = misc_register(&dsp->misc);
	if (ret)
		destroy_banks(dsp);
	return ret;
}

static void destroy_all(void)
{
	while (n_dsps) {
		misc_deregister(&dsps[--n_dsps].misc);
		destroy_banks(&dsps[n_dsps]);
	}
	vdsp_banks_wait();
	root_device_unregister(root);
	kfree(dsps);
}

static int check_parameters(void)
{
	int i;

	if (banks < 1 || banks > QDA_BANKS_MAX) {
		pr_err("banks=%u: there can be 1 to %d\n", banks, QDA_BANKS_MAX);
		return -EINVAL;
	}
	for (i = 0; i < n_names; i++)
		if (!*name[i] || strlen(name[i]) >= sizeof(dsps->name)) {
			pr_err("name=%s: a name has 1 to %zu characters\n", name[i],
			       sizeof(dsps->name) - 1);
			return -EINVAL;
		}
	return 0;
}

static int __init vdsp_init(void)
{
	int ret = check_parameters();

	if (ret)
		return ret;
	dsps = kcalloc(n_names, sizeof(*dsps), GFP_KERNEL);
	if (!dsps)
		return -ENOMEM;
	root = root_device_register("qda_vdsp");
	if (IS_ERR(root)) {
		kfree(dsps);
		return PTR_ERR(root);
	}
	for (; n_dsps < n_names; n_dsps++) {
		ret = create_dsp(&dsps[n_dsps], n_dsps);
		if (ret) {
			destroy_all();
			return ret;
		}
	}
	return 0;
}

static void __exit vdsp_exit(void)
{
	destroy_all();
}

module_init(vdsp_init);
module_exit(vdsp_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Virtual DSP for the qda accel driver");
