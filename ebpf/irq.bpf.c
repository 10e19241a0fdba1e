// SPDX-License-Identifier: Apache-2.0
/*
 * Interrupts that took the CPU from a thread of the target: who it was that was
 * interrupted says the current task. All are added up by CPU and by what
 * interrupted; a long one is a record as well.
 */
#include "sums.bpf.h"

struct irqaction {
	const char *name;
} ANAROS_KERNEL_TYPE;

/* What the number of an interrupt belongs to: the bits above it in an object. */
#define IRQ_LINE    0x00000
#define IRQ_SOFTIRQ 0x10000
#define IRQ_VECTOR  0x20000

/* What interrupts the CPU now; 0: nothing, or not the target. */
struct interrupted {
	u64 hard_ns;
	u64 soft_ns;
	u64 hard_sum_ns;    /* all hard ones so far */
	u64 hard_before_ns; /* the same when the soft one began */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct interrupted);
} interrupts SEC(".maps");

struct stolen_key {
	u32 object;
	u32 cpu;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct stolen_key);
	__type(value, struct sum);
} stolen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, u8);
} interrupts_named SEC(".maps");

#define SOFTIRQS 10
static const char softirq_names[SOFTIRQS][16] = {
    "HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU",
};

static __always_inline struct interrupted *this_cpu(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&interrupts, &zero);
}

static __always_inline bool interrupt_begin(u64 *since_ns)
{
	struct task_struct *task = bpf_get_current_task_btf();

	*since_ns = 0;
	if (!anaros_task(task)) {
		anaros_count(ANAROS_PROBE_IRQ, ANAROS_COUNTER_OTHERS);
		return false;
	}
	*since_ns = bpf_ktime_get_ns();
	return true;
}

/* Tells once what a number stands for. */
static __always_inline void name_it(u32 object, const char *text, u64 now)
{
	struct anaros_text *name;
	u8 one = 1;
	long length;

	if (bpf_map_lookup_elem(&interrupts_named, &object))
		return;
	bpf_map_update_elem(&interrupts_named, &object, &one, BPF_ANY);
	name = anaros_name(ANAROS_PROBE_IRQ);
	if (!name)
		return;
	length = bpf_probe_read_kernel_str(name->text, 64, text);
	if (length > 1)
		anaros_ship_name(ANAROS_PROBE_IRQ, name, now, 0, ANAROS_NAME_INTERRUPT, object,
				 length - 1);
}

static __always_inline void interrupt_add(u32 object, u64 ns, u64 now)
{
	struct stolen_key key = {.object = object, .cpu = bpf_get_smp_processor_id()};
	struct sum *sum = sum_of(&stolen, &key, now - ns, ANAROS_PROBE_IRQ);

	if (!sum)
		return;
	sum->count++;
	sum->ns += ns;
}

static __always_inline void interrupt_end(u32 object, u16 kind, u64 start, u64 now, u64 ns,
					  const char *text)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct anaros_record *record;

	name_it(object, text, now);
	interrupt_add(object, ns, now);
	if (ns < config.irq_min_ns) {
		anaros_count(ANAROS_PROBE_IRQ, ANAROS_COUNTER_BELOW_MINIMUM);
		return;
	}
	record = anaros_reserve(ANAROS_PROBE_IRQ, kind);
	if (!record)
		return;
	record->start_ns = start;
	record->duration_ns = ns;
	record->pid = task->tgid;
	record->tid = task->pid;
	record->object = object;
	record->address = bpf_get_smp_processor_id();
	anaros_submit(record);
}

static __always_inline int hard_begin(void)
{
	struct interrupted *cpu = this_cpu();

	if (cpu)
		interrupt_begin(&cpu->hard_ns);
	return 0;
}

static __always_inline int hard_end(u32 object, const char *text)
{
	struct interrupted *cpu = this_cpu();
	u64 now, start;

	if (!cpu || !cpu->hard_ns)
		return 0;
	now = bpf_ktime_get_ns();
	start = cpu->hard_ns;
	cpu->hard_ns = 0;
	cpu->hard_sum_ns += now - start;
	interrupt_end(object, ANAROS_KIND_IRQ_HARD, start, now, now - start, text);
	return 0;
}

SEC("tp_btf/irq_handler_entry")
int irq_begin(u64 *ctx)
{
	return hard_begin();
}

SEC("tp_btf/irq_handler_exit")
int irq_end(u64 *ctx)
{
	const struct irqaction *action = anaros_look_as(struct irqaction, ctx[1]);

	return hard_end(IRQ_LINE + (u32)ctx[0], action->name);
}

SEC("tp_btf/local_timer_entry")
int irq_timer_begin(u64 *ctx)
{
	return hard_begin();
}

SEC("tp_btf/local_timer_exit")
int irq_timer_end(u64 *ctx)
{
	static const char name[] = "local timer";

	return hard_end(IRQ_VECTOR + (u32)ctx[0], name);
}

SEC("tp_btf/call_function_entry")
int irq_call_begin(u64 *ctx)
{
	return hard_begin();
}

SEC("tp_btf/call_function_exit")
int irq_call_end(u64 *ctx)
{
	static const char name[] = "function call";

	return hard_end(IRQ_VECTOR + (u32)ctx[0], name);
}

SEC("tp_btf/call_function_single_entry")
int irq_single_begin(u64 *ctx)
{
	return hard_begin();
}

SEC("tp_btf/call_function_single_exit")
int irq_single_end(u64 *ctx)
{
	static const char name[] = "single function call";

	return hard_end(IRQ_VECTOR + (u32)ctx[0], name);
}

SEC("tp_btf/softirq_entry")
int irq_soft_begin(u64 *ctx)
{
	struct interrupted *cpu = this_cpu();

	if (cpu && interrupt_begin(&cpu->soft_ns))
		cpu->hard_before_ns = cpu->hard_sum_ns;
	return 0;
}

/* Hard interrupts meanwhile have their own share. */
SEC("tp_btf/softirq_exit")
int irq_soft_end(u64 *ctx)
{
	struct interrupted *cpu = this_cpu();
	u32 vector = ctx[0];
	u64 now, start, ns, hard;

	if (!cpu || !cpu->soft_ns)
		return 0;
	now = bpf_ktime_get_ns();
	start = cpu->soft_ns;
	cpu->soft_ns = 0;
	ns = now - start;
	hard = cpu->hard_sum_ns - cpu->hard_before_ns;
	interrupt_end(IRQ_SOFTIRQ + vector, ANAROS_KIND_IRQ_SOFT, start, now,
		      hard < ns ? ns - hard : 0, softirq_names[vector < SOFTIRQS ? vector : 0]);
	return 0;
}

/* Run once a second. */
SEC("iter/bpf_map_elem")
int irq_totals(struct bpf_iter__bpf_map_elem *ctx)
{
	struct stolen_key *at = ctx->key, key;
	struct anaros_record *record;

	if (!at)
		return 0;
	key = *at;
	record =
	    sum_tell(bpf_map_lookup_elem(&stolen, &key), ANAROS_PROBE_IRQ, ANAROS_KIND_IRQ_TOTAL);
	if (!record)
		return 0;
	record->object = key.object;
	record->address = key.cpu;
	anaros_submit(record);
	return 0;
}
