// SPDX-License-Identifier: GPL-2.0-only
/*
 * Context banks of a virtual DSP. Each is a struct device whose DMA operations are a software
 * IOMMU: mapping memory for it gives addresses in the bank, and viewers (mmap() of the control and
 * PD files) see what is mapped, until it is unmapped. The DMA operations sleep: they are for
 * process context, which is where qda.ko maps.
 */
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "vdsp.h"

/* Neither the first nor the last addresses are ever used: a NULL and a small negative are faults */
#define FIRST_PAGE	(SZ_1M >> PAGE_SHIFT)
#define LAST_PAGE	(VDSP_BANK_PAGES - (SZ_1M >> PAGE_SHIFT))

/* One fault fills in so many pages. */
#define FAULT_AROUND	64

/**
 * struct vdsp_range - addresses in use
 * @node: where; one page longer than what is mapped, so that running over the end is a fault
 * @read_only: the DSP may not write
 * @n: pages mapped
 * @pfn: of each page
 */
struct vdsp_range {
	struct drm_mm_node node;
	bool read_only;
	unsigned long n;
	unsigned long pfn[] __counted_by(n);
};

static struct vdsp_bank *to_bank(struct device *dev)
{
	return container_of(dev, struct vdsp_bank, dev);
}

static struct vdsp_range *find_range(struct vdsp_bank *bank, u64 page)
{
	struct drm_mm_node *node;

	lockdep_assert_held(&bank->lock);
	/* outside of what drm_mm manages, it would walk over its list head */
	if (page < FIRST_PAGE || page >= LAST_PAGE)
		return NULL;
	drm_mm_for_each_node_in_range(node, &bank->mm, page, page + 1) {
		struct vdsp_range *range = container_of(node, struct vdsp_range, node);

		return page - node->start < range->n ? range : NULL;
	}
	return NULL;
}

static struct vdsp_range *new_range(unsigned long n, enum dma_data_direction dir)
{
	struct vdsp_range *range;

	if (!n || n > LAST_PAGE - FIRST_PAGE)
		return NULL;
	range = kvzalloc(struct_size(range, pfn, n), GFP_KERNEL);
	if (!range)
		return NULL;
	range->n = n;
	range->read_only = dir == DMA_TO_DEVICE;
	return range;
}

/* Give a filled range its addresses; frees it when there are none. */
static int insert_range(struct vdsp_bank *bank, struct vdsp_range *range, dma_addr_t *addr)
{
	u64 size = range->n + 1;
	int ret;

	mutex_lock(&bank->lock);
	ret = drm_mm_insert_node_in_range(&bank->mm, &range->node, size, 0, 0, bank->next,
					  LAST_PAGE, DRM_MM_INSERT_LOW);
	if (ret)
		ret = drm_mm_insert_node_in_range(&bank->mm, &range->node, size, 0, 0, FIRST_PAGE,
						  LAST_PAGE, DRM_MM_INSERT_LOW);
	if (!ret) {
		bank->next = range->node.start + size;
		*addr = range->node.start << PAGE_SHIFT;
	}
	mutex_unlock(&bank->lock);
	if (!ret)
		return 0;
	kvfree(range);
	return -ENOMEM;
}

/* No viewer sees the pages any more when this returns. */
static void remove_range(struct vdsp_bank *bank, dma_addr_t addr)
{
	struct vdsp_range *range;
	loff_t start = (loff_t)bank->stream_id << 32 | (addr & PAGE_MASK);

	mutex_lock(&bank->lock);
	range = find_range(bank, addr >> PAGE_SHIFT);
	if (WARN_ON(!range || range->node.start != addr >> PAGE_SHIFT))
		goto out;
	drm_mm_remove_node(&range->node);
	if (bank->mapping)
		unmap_mapping_range(bank->mapping, start, (loff_t)range->n << PAGE_SHIFT, 1);
	kvfree(range);
out:
	mutex_unlock(&bank->lock);
}

static void *op_alloc(struct device *dev, size_t size, dma_addr_t *addr, gfp_t gfp,
		      unsigned long attrs)
{
	unsigned long n = PAGE_ALIGN(size) >> PAGE_SHIFT, i;
	struct vdsp_range *range = new_range(n, DMA_BIDIRECTIONAL);
	void *memory;

	if (!range)
		return NULL;
	memory = __vmalloc(n << PAGE_SHIFT, gfp | __GFP_ZERO);
	if (!memory) {
		kvfree(range);
		return NULL;
	}
	for (i = 0; i < n; i++)
		range->pfn[i] = vmalloc_to_pfn(memory + (i << PAGE_SHIFT));
	if (insert_range(to_bank(dev), range, addr)) {
		vfree(memory);
		return NULL;
	}
	return memory;
}

static void op_free(struct device *dev, size_t size, void *memory, dma_addr_t addr,
		    unsigned long attrs)
{
	remove_range(to_bank(dev), addr);
	vfree(memory);
}

static dma_addr_t op_map_page(struct device *dev, struct page *page, unsigned long offset,
			      size_t size, enum dma_data_direction dir, unsigned long attrs)
{
	phys_addr_t phys = page_to_phys(page) + offset;
	struct vdsp_range *range = new_range(PFN_UP(offset_in_page(phys) + size), dir);
	dma_addr_t addr;
	unsigned long i;

	if (!range)
		return DMA_MAPPING_ERROR;
	for (i = 0; i < range->n; i++)
		range->pfn[i] = PHYS_PFN(phys) + i;
	if (insert_range(to_bank(dev), range, &addr))
		return DMA_MAPPING_ERROR;
	return addr + offset_in_page(phys);
}

static void op_unmap_page(struct device *dev, dma_addr_t addr, size_t size,
			  enum dma_data_direction dir, unsigned long attrs)
{
	remove_range(to_bank(dev), addr);
}

/* Pages of the first @nents segments; 0 when one of them is not made of whole pages. */
static unsigned long count_pages(struct scatterlist *sg, int nents)
{
	struct scatterlist *s;
	unsigned long n = 0;
	int i;

	for_each_sg(sg, s, nents, i) {
		if (!PAGE_ALIGNED(sg_phys(s)) || !PAGE_ALIGNED(s->length))
			return 0;
		n += s->length >> PAGE_SHIFT;
	}
	return n;
}

/* The first @nents segments as one range. */
static int map_segments(struct vdsp_bank *bank, struct scatterlist *sg, int nents,
			enum dma_data_direction dir)
{
	unsigned long n = count_pages(sg, nents), page = 0, k;
	struct vdsp_range *range;
	struct scatterlist *s;
	dma_addr_t addr;
	int i;

	if (!n || n > UINT_MAX >> PAGE_SHIFT)
		return -EINVAL;
	range = new_range(n, dir);
	if (!range)
		return -ENOMEM;
	for_each_sg(sg, s, nents, i)
		for (k = 0; k < s->length >> PAGE_SHIFT; k++)
			range->pfn[page++] = PHYS_PFN(sg_phys(s)) + k;
	if (insert_range(bank, range, &addr))
		return -ENOMEM;
	sg_dma_address(sg) = addr;
	sg_dma_len(sg) = n << PAGE_SHIFT;
	return 0;
}

static void op_unmap_sg(struct device *dev, struct scatterlist *sg, int nents,
			enum dma_data_direction dir, unsigned long attrs)
{
	struct scatterlist *s;
	int i;

	for_each_sg(sg, s, nents, i) {
		if (!sg_dma_len(s))
			break;
		remove_range(to_bank(dev), sg_dma_address(s));
		sg_dma_len(s) = 0;
	}
}

/*
 * An IOMMU makes one range of what lies scattered in memory. With scatter=Y each segment stays by
 * itself, as without an IOMMU: what wants one range has to notice.
 */
static int op_map_sg(struct device *dev, struct scatterlist *sg, int nents,
		     enum dma_data_direction dir, unsigned long attrs)
{
	bool scatter = READ_ONCE(vdsp_scatter);
	struct scatterlist *s;
	int i, ret;

	for_each_sg(sg, s, nents, i)
		sg_dma_len(s) = 0;
	if (!scatter) {
		ret = map_segments(to_bank(dev), sg, nents, dir);
		return ret ? ret : 1;
	}
	for_each_sg(sg, s, nents, i) {
		ret = map_segments(to_bank(dev), s, 1, dir);
		if (ret) {
			op_unmap_sg(dev, sg, nents, dir, attrs);
			return ret;
		}
	}
	return nents;
}

static const struct dma_map_ops bank_dma_ops = {
	.alloc = op_alloc,
	.free = op_free,
	.map_page = op_map_page,
	.unmap_page = op_unmap_page,
	.map_sg = op_map_sg,
	.unmap_sg = op_unmap_sg,
};

/* What a viewer may touch there in this way, if anything. */
static struct vdsp_range *visible(struct vdsp_bank *bank, const u64 *boot, struct vm_fault *vmf)
{
	struct vdsp_range *range;

	if (!bank->boot || READ_ONCE(*boot) != bank->boot)
		return NULL;
	range = find_range(bank, vmf->pgoff & (VDSP_BANK_PAGES - 1));
	if (range && range->read_only && vmf->flags & FAULT_FLAG_WRITE)
		return NULL;
	return range;
}

/* The page that was touched, and some that follow. */
static vm_fault_t insert_pages(struct vdsp_range *range, struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	/* Not vm_page_prot: with a pfn_mkwrite(), no page is writable in that. */
	pgprot_t prot = vm_get_page_prot(range->read_only ? vma->vm_flags & ~VM_WRITE :
							    vma->vm_flags);
	unsigned long first = (vmf->pgoff & (VDSP_BANK_PAGES - 1)) - range->node.start;
	unsigned long n = min3(range->n - first, (vma->vm_end - vmf->address) >> PAGE_SHIFT,
			       (unsigned long)FAULT_AROUND);
	unsigned long i;
	vm_fault_t ret;

	ret = vmf_insert_pfn_prot(vma, vmf->address, range->pfn[first], prot);
	for (i = 1; i < n && ret == VM_FAULT_NOPAGE; i++)
		if (vmf_insert_pfn_prot(vma, vmf->address + (i << PAGE_SHIFT),
					range->pfn[first + i], prot) != VM_FAULT_NOPAGE)
			break;
	return ret;
}

/**
 * vdsp_bank_fault - a viewer touched a page it does not have
 * @bank: which bank
 * @boot: of the viewer's file
 * @vmf: the fault; its page offset counts from the start of all banks
 *
 * Return: VM_FAULT_NOPAGE with the page inserted, or VM_FAULT_SIGBUS.
 */
vm_fault_t vdsp_bank_fault(struct vdsp_bank *bank, const u64 *boot, struct vm_fault *vmf)
{
	struct vdsp_range *range;
	vm_fault_t ret = VM_FAULT_SIGBUS;

	mutex_lock(&bank->lock);
	range = visible(bank, boot, vmf);
	if (range)
		ret = insert_pages(range, vmf);
	mutex_unlock(&bank->lock);
	return ret;
}

/**
 * vdsp_bank_write_fault - a viewer wrote to a page that it has to read only
 * @bank: which bank
 * @boot: of the viewer's file
 * @vmf: the fault
 *
 * Return: 0, the page may become writable; or VM_FAULT_SIGBUS.
 */
vm_fault_t vdsp_bank_write_fault(struct vdsp_bank *bank, const u64 *boot, struct vm_fault *vmf)
{
	vm_fault_t ret;

	mutex_lock(&bank->lock);
	ret = visible(bank, boot, vmf) ? 0 : VM_FAULT_SIGBUS;
	mutex_unlock(&bank->lock);
	return ret;
}

/**
 * vdsp_bank_show - a DSP boots: its viewers may look
 * @bank: which bank
 * @mapping: theirs
 * @boot: the run of the DSP
 */
void vdsp_bank_show(struct vdsp_bank *bank, struct address_space *mapping, u64 boot)
{
	mutex_lock(&bank->lock);
	bank->mapping = mapping;
	bank->boot = boot;
	mutex_unlock(&bank->lock);
}

/**
 * vdsp_bank_hide - a DSP is gone: no viewer sees anything any more
 * @bank: which bank
 */
void vdsp_bank_hide(struct vdsp_bank *bank)
{
	mutex_lock(&bank->lock);
	if (bank->mapping)
		unmap_mapping_range(bank->mapping, (loff_t)bank->stream_id << 32, 1LL << 32, 1);
	bank->mapping = NULL;
	bank->boot = 0;
	mutex_unlock(&bank->lock);
}

/**
 * vdsp_bank_blink - all viewers have to look again, and those whose files have ended see nothing
 * @bank: which bank
 */
void vdsp_bank_blink(struct vdsp_bank *bank)
{
	mutex_lock(&bank->lock);
	if (bank->mapping)
		unmap_mapping_range(bank->mapping, (loff_t)bank->stream_id << 32, 1LL << 32, 1);
	mutex_unlock(&bank->lock);
}

/* Banks that are not released yet, and who waits for none to be left. */
static atomic_t n_alive = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(all_released);

static void bank_release(struct device *dev)
{
	kfree(to_bank(dev));
	if (atomic_dec_and_test(&n_alive))
		wake_up_all(&all_released);
}

/**
 * vdsp_banks_wait - wait until all banks are released
 *
 * Whoever has a reference to a bank's device may give it back late (with
 * CONFIG_DEBUG_KOBJECT_RELEASE, everybody does): the module must be there for it until then.
 */
void vdsp_banks_wait(void)
{
	wait_event(all_released, !atomic_read(&n_alive));
}

/**
 * vdsp_bank_create - make a context bank
 * @parent: of its device
 * @node: name of the DSP's device, for the name of the bank's
 * @stream_id: from 1
 *
 * Return: the bank or an ERR_PTR().
 */
struct vdsp_bank *vdsp_bank_create(struct device *parent, const char *node, u32 stream_id)
{
	struct vdsp_bank *bank = kzalloc(sizeof(*bank), GFP_KERNEL);
	int ret;

	if (!bank)
		return ERR_PTR(-ENOMEM);
	mutex_init(&bank->lock);
	bank->stream_id = stream_id;
	bank->next = FIRST_PAGE;
	drm_mm_init(&bank->mm, FIRST_PAGE, LAST_PAGE - FIRST_PAGE);
	atomic_inc(&n_alive);
	device_initialize(&bank->dev);
	bank->dev.parent = parent;
	bank->dev.release = bank_release;
	bank->dev.dma_parms = &bank->dma_parms;
	bank->dev.dma_mask = &bank->dma_mask;
#if defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU_ALL)
	bank->dev.dma_coherent = true; /* viewers look through the caches of CPUs */
#endif
	set_dma_ops(&bank->dev, &bank_dma_ops);
	dma_set_max_seg_size(&bank->dev, UINT_MAX);
	ret = dma_set_mask_and_coherent(&bank->dev, DMA_BIT_MASK(32));
	if (!ret)
		ret = dev_set_name(&bank->dev, "%s-cb%u", node, stream_id);
	if (!ret)
		ret = device_add(&bank->dev);
	if (!ret)
		return bank;
	drm_mm_takedown(&bank->mm);
	put_device(&bank->dev);
	return ERR_PTR(ret);
}

/**
 * vdsp_bank_destroy - nothing is mapped for the bank any more
 * @bank: the bank
 */
void vdsp_bank_destroy(struct vdsp_bank *bank)
{
	drm_mm_takedown(&bank->mm);
	device_unregister(&bank->dev);
}
