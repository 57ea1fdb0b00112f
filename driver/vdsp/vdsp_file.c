// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files a firmware program holds: control, which is the DSP being there, and one for each
 * protection domain. Both are channels; they differ in which answers they may give and which banks
 * they see.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/irq_work.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "vdsp.h"

struct delivery {
	struct irq_work work;
	struct qda_device *qdev;
	const u8 *bytes;
	u32 n;
};

static void deliver_now(struct irq_work *work)
{
	struct delivery *d = container_of(work, struct delivery, work);

	qda_transport_response(d->qdev, d->bytes, d->n);
}

/* As on a board, where the mailbox interrupt brings it: what may not sleep is found out. */
static void deliver(struct vdsp *dsp, const u8 *bytes, u32 n)
{
	struct delivery d = {
		.work = IRQ_WORK_INIT_HARD(deliver_now),
		.qdev = dsp->qdev,
		.bytes = bytes,
		.n = n,
	};

	if (!READ_ONCE(vdsp_hard_irq)) {
		deliver_now(&d.work);
		return;
	}
	irq_work_queue(&d.work);
	irq_work_sync(&d.work);
}

static ssize_t channel_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	struct vdsp_channel *ch = file->private_data;
	struct qda_vdsp_record record;
	bool alive;
	u64 seq;

	if (count < sizeof(record))
		return -EINVAL;
	while (!(seq = vdsp_channel_take(ch, &record))) {
		if (vdsp_channel_ready(ch, &alive) && !alive)
			return 0;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible_exclusive(ch->wait, vdsp_channel_ready(ch, &alive)))
			return -ERESTARTSYS;
	}
	if (copy_to_user(buf, &record, sizeof(record))) {
		vdsp_channel_untake(ch, seq);
		return -EFAULT;
	}
	return sizeof(record);
}

static __poll_t channel_poll(struct file *file, poll_table *wait)
{
	struct vdsp_channel *ch = file->private_data;
	__poll_t mask = 0;
	bool alive;

	poll_wait(file, &ch->wait, wait);
	if (vdsp_channel_ready(ch, &alive))
		mask |= EPOLLIN | EPOLLRDNORM;
	return mask | (alive ? EPOLLOUT | EPOLLWRNORM : EPOLLHUP);
}

static u64 ctx_of(const u8 *bytes)
{
	u64 ctx;

	memcpy(&ctx, bytes, sizeof(ctx));
	return ctx;
}

static ssize_t control_write(struct file *file, const char __user *buf, size_t count, loff_t *pos)
{
	struct vdsp_channel *ch = file->private_data;
	u8 bytes[QDA_VDSP_RESPONSE_MAX];

	if (!count || count > sizeof(bytes))
		return -EINVAL;
	if (copy_from_user(bytes, buf, count))
		return -EFAULT;
	if (count >= sizeof(struct fastrpc_rsp))
		vdsp_channel_settle(ch, ctx_of(bytes));
	deliver(ch->dsp, bytes, count);
	return count;
}

static ssize_t pd_write(struct file *file, const char __user *buf, size_t count, loff_t *pos)
{
	struct vdsp_channel *ch = file->private_data;
	u8 bytes[QDA_VDSP_RESPONSE_MAX];
	ssize_t ret = count;
	bool alive;

	if (count < sizeof(struct fastrpc_rsp) || count > sizeof(bytes))
		return -EINVAL;
	if (copy_from_user(bytes, buf, count))
		return -EFAULT;
	down_read(&ch->dsp->life);
	if (vdsp_channel_settle(ch, ctx_of(bytes))) {
		deliver(ch->dsp, bytes, count);
	} else {
		vdsp_channel_ready(ch, &alive);
		ret = alive ? -ENOENT : -EPIPE;
	}
	up_read(&ch->dsp->life);
	return ret;
}

static vm_fault_t view_fault(struct vm_fault *vmf)
{
	struct vdsp_channel *ch = vmf->vma->vm_file->private_data;

	return vdsp_bank_fault(vmf->vma->vm_private_data, &ch->boot, vmf);
}

static vm_fault_t view_write_fault(struct vm_fault *vmf)
{
	struct vdsp_channel *ch = vmf->vma->vm_file->private_data;

	return vdsp_bank_write_fault(vmf->vma->vm_private_data, &ch->boot, vmf);
}

static const struct vm_operations_struct view_ops = {
	.fault = view_fault,
	.pfn_mkwrite = view_write_fault,
};

/* All viewers share the offsets of one address_space: stream id << 32 | address in the bank. */
static int view(struct vm_area_struct *vma, struct vdsp_bank *bank)
{
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EPERM;
	vm_flags_mod(vma, VM_PFNMAP | VM_IO | VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP,
		     VM_MAYEXEC);
	vma->vm_private_data = bank;
	vma->vm_ops = &view_ops;
	return 0;
}

static bool inside_bank(u64 page, struct vm_area_struct *vma)
{
	return page < VDSP_BANK_PAGES && vma_pages(vma) <= VDSP_BANK_PAGES - page;
}

static int control_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vdsp *dsp = ((struct vdsp_channel *)file->private_data)->dsp;
	u64 stream_id = vma->vm_pgoff / VDSP_BANK_PAGES;

	if (stream_id < 1 || stream_id > dsp->n_banks)
		return -EINVAL;
	if (!inside_bank(vma->vm_pgoff % VDSP_BANK_PAGES, vma))
		return -EINVAL;
	return view(vma, dsp->banks[stream_id - 1]);
}

static int pd_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vdsp_channel *ch = file->private_data;

	if (!inside_bank(vma->vm_pgoff, vma))
		return -EINVAL;
	vma->vm_pgoff += ch->bank->stream_id * VDSP_BANK_PAGES;
	return view(vma, ch->bank);
}

static int pd_release(struct inode *inode, struct file *file)
{
	struct vdsp_channel *ch = file->private_data;

	vdsp_channel_end_pd(ch);
	vdsp_channel_free(ch);
	return 0;
}

static const struct file_operations pd_fops = {
	.owner = THIS_MODULE,
	.read = channel_read,
	.write = pd_write,
	.poll = channel_poll,
	.mmap = pd_mmap,
	.release = pd_release,
};

static long pd_open(struct vdsp_channel *control, struct vdsp_bank *bank, s32 client)
{
	struct vdsp_channel *pd = vdsp_channel_new(control->dsp, client, bank, control->mapping);
	struct file *file;
	int fd, ret;

	if (!pd)
		return -ENOMEM;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		ret = fd;
		goto free;
	}
	ret = vdsp_channel_add_pd(pd, control->boot);
	if (ret)
		goto put_fd;
	file = anon_inode_getfile("[qda-vdsp-pd]", &pd_fops, pd, O_RDWR);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		goto end;
	}
	file->f_mapping = control->mapping;
	fd_install(fd, file);
	return fd;

end:
	vdsp_channel_end_pd(pd);
put_fd:
	put_unused_fd(fd);
free:
	vdsp_channel_free(pd);
	return ret;
}

static long control_info(struct vdsp *dsp, struct qda_vdsp_info __user *user)
{
	struct qda_vdsp_info info = { .banks = dsp->n_banks };

	strscpy(info.name, dsp->name, sizeof(info.name));
	return copy_to_user(user, &info, sizeof(info)) ? -EFAULT : 0;
}

static long control_pd_open(struct vdsp_channel *control, struct qda_vdsp_pd_open __user *user)
{
	struct qda_vdsp_pd_open open;

	if (copy_from_user(&open, user, sizeof(open)))
		return -EFAULT;
	if (!open.client || open.bank < 1 || open.bank > control->dsp->n_banks)
		return -EINVAL;
	return pd_open(control, control->dsp->banks[open.bank - 1], open.client);
}

static long control_pd_end(struct vdsp_channel *control, struct qda_vdsp_pd_end __user *user)
{
	struct qda_vdsp_pd_end end;
	struct vdsp_bank *bank;

	if (copy_from_user(&end, user, sizeof(end)))
		return -EFAULT;
	if (end.pad)
		return -EINVAL;
	bank = vdsp_channel_end_client(control->dsp, end.client);
	if (!bank)
		return -ENOENT;
	vdsp_bank_blink(bank);
	return 0;
}

static long control_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vdsp_channel *ch = file->private_data;

	switch (cmd) {
	case QDA_VDSP_INFO:
		return control_info(ch->dsp, (void __user *)arg);
	case QDA_VDSP_PD_OPEN:
		return control_pd_open(ch, (void __user *)arg);
	case QDA_VDSP_PD_END:
		return control_pd_end(ch, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static int send(void *priv, const void *message)
{
	return vdsp_channel_send(priv, message);
}

static const struct qda_transport_ops transport_ops = { .send = send };

static struct qda_device *plug_in(struct vdsp *dsp)
{
	struct qda_transport_bank banks[QDA_BANKS_MAX];
	struct qda_transport_info info = {
		.name = dsp->name,
		.banks = banks,
		.n_banks = dsp->n_banks,
		.stream_id_shift = 32,
	};
	u32 i;

	for (i = 0; i < dsp->n_banks; i++) {
		banks[i].dev = &dsp->banks[i]->dev;
		banks[i].stream_id = dsp->banks[i]->stream_id;
	}
	return qda_device_register(dsp->parent, &transport_ops, dsp, &info);
}

/* The DSP is halted first, then loses sight of memory, then qda.ko may give the memory back. */
static void stop(struct vdsp *dsp)
{
	u32 i;

	down_write(&dsp->life);
	vdsp_channel_stop(dsp);
	up_write(&dsp->life);
	for (i = 0; i < dsp->n_banks; i++)
		vdsp_bank_hide(dsp->banks[i]);
	if (dsp->qdev)
		qda_device_unregister(dsp->qdev);
	dsp->qdev = NULL;
	spin_lock(&dsp->lock);
	dsp->held = false;
	spin_unlock(&dsp->lock);
}

static int control_open(struct inode *inode, struct file *file)
{
	struct vdsp *dsp = container_of(file->private_data, struct vdsp, misc);
	struct vdsp_channel *ch = vdsp_channel_new(dsp, 0, NULL, file->f_mapping);
	struct qda_device *qdev;
	int ret;
	u32 i;

	if (!ch)
		return -ENOMEM;
	ret = vdsp_channel_start(dsp, ch);
	if (ret)
		goto free;
	for (i = 0; i < dsp->n_banks; i++)
		vdsp_bank_show(dsp->banks[i], ch->mapping, ch->boot);
	qdev = plug_in(dsp);
	if (IS_ERR(qdev)) {
		ret = PTR_ERR(qdev);
		goto stop;
	}
	dsp->qdev = qdev;
	file->private_data = ch;
	return 0;

stop:
	stop(dsp);
free:
	vdsp_channel_free(ch);
	return ret;
}

static int control_release(struct inode *inode, struct file *file)
{
	struct vdsp_channel *ch = file->private_data;

	stop(ch->dsp);
	vdsp_channel_free(ch);
	return 0;
}

const struct file_operations vdsp_control_fops = {
	.owner = THIS_MODULE,
	.open = control_open,
	.release = control_release,
	.read = channel_read,
	.write = control_write,
	.poll = channel_poll,
	.mmap = control_mmap,
	.unlocked_ioctl = control_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};
