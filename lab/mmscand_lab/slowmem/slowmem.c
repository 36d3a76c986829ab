/*
 * A QEMU plug-in (TCG) that gives each memory node of the guest a latency and a bandwidth.
 *
 * Loads and stores of chosen user code go through a model of a cache, one for each virtual CPU. A
 * hit is free. A miss waits until its node would have delivered the line: after the latency, unless
 * a stream of lines was prefetched, and not before the link of the node is free again. Work between
 * two misses is hidden behind the second one, up to half of its latency: a core does so, and what
 * an emulated access takes by itself, on this host at this moment, leaves no trace.
 *
 * All settings come from a file that is mapped here and written by mmscand_lab/slowmem: see
 * `struct control`. Nothing is instrumented, and nothing slowed down, until it names code.
 * Counters are in the same file, at any time.
 *
 * SPDX-License-Identifier: MIT
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

/* The part of qemu-plugin.h (API version 1, QEMU 6.0 and later) that is used here: Debian 12 has no
 * package with that header. */
#define EXPORT __attribute__((visibility("default")))
typedef uint64_t plugin_id;
typedef uint32_t meminfo;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;
typedef void (*tb_cb)(plugin_id, struct qemu_plugin_tb *);
typedef void (*mem_cb)(unsigned int, meminfo, uint64_t, void *);
typedef void (*vcpu_cb)(plugin_id, unsigned int);
typedef void (*simple_cb)(plugin_id);
enum { NO_REGISTERS = 0, LOADS_AND_STORES = 3 };
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, tb_cb);
void qemu_plugin_register_vcpu_idle_cb(plugin_id, vcpu_cb);
void qemu_plugin_register_vcpu_resume_cb(plugin_id, vcpu_cb);
void qemu_plugin_reset(plugin_id, simple_cb);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, mem_cb, int, int, void *);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(meminfo, uint64_t);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *);
EXPORT int qemu_plugin_version = 1;

enum {
	MAGIC = 0x31776f6c73, /* "slow1" */
	NODES = 8, RANGES = 32, CODES = 32, VCPUS = 16,
	LINE_SHIFT = 6,
	/* 512 KiB: small beside a workload, as a server's cache is beside its memory. */
	LINES = 8192,
	/* What a core keeps track of; Intel's optimization manual says 32 for the L2 prefetcher. */
	STREAMS = 16,
	/* Lines that may come at once after a pause: without them a host that takes the CPU away for a
	 * moment would cost bandwidth that the guest had left unused. */
	BURST_LINES = 64,
};

struct node {
	uint64_t latency_ps, line_ps; /* of this host's clock; a line is 64 bytes of bandwidth */
	uint64_t bytes, real_latency_ps, real_line_ps; /* not used here: what the guest's memory is */
};
struct range {
	uint64_t from, to, node; /* addresses as qemu_plugin_hwaddr_phys_addr gives them */
};
struct code {
	uint64_t from, to; /* virtual addresses of the guest */
};
struct counts {
	uint64_t hits[NODES], misses[NODES], waited_ns;
	uint64_t pad[15];
};
/* Python's side of this is slowmem/control.py. */
struct control {
	uint64_t magic, wanted, applied; /* settings are taken when `wanted` has changed */
	uint64_t codes, ranges;          /* without code nothing is instrumented */
	struct node nodes[NODES];
	struct range range[RANGES];
	struct code code[CODES];
	struct counts counts[VCPUS];
};

static struct control *control;
static struct control now; /* the settings in force */
static double cycles_per_ps;
static uint64_t latency_cycles[NODES], line_cycles[NODES];
static _Atomic uint64_t link_free[NODES]; /* when the link has carried all lines asked for so far */
static struct cpu {
	uint64_t tag[LINES];
	uint64_t next[STREAMS]; /* the line that would go on with each stream */
	unsigned int victim;
	uint64_t delivered; /* when the last miss was over */
} cpus[VCPUS];

static unsigned int node_of(uint64_t address)
{
	for (uint64_t i = 0; i < now.ranges; i++)
		if (address >= now.range[i].from && address < now.range[i].to)
			return now.range[i].node;
	return 0;
}

/* Whether the line goes on with a stream, which then expects the next one. */
static bool prefetched(struct cpu *cpu, uint64_t line)
{
	for (unsigned int i = 0; i < STREAMS; i++) {
		if (cpu->next[i] == line) {
			cpu->next[i] = line + 1;
			return true;
		}
	}
	cpu->next[cpu->victim++ % STREAMS] = line + 1;
	return false;
}

/* When the link of the node has carried one line more. */
static uint64_t carried(unsigned int node, uint64_t at)
{
	uint64_t cost = line_cycles[node], burst = cost * BURST_LINES, before, done;

	before = atomic_load_explicit(&link_free[node], memory_order_relaxed);
	do {
		done = (before + burst > at ? before : at - burst) + cost;
	} while (!atomic_compare_exchange_weak(&link_free[node], &before, done));
	return done;
}

static void on_access(unsigned int index, meminfo info, uint64_t address, void *unused)
{
	struct qemu_plugin_hwaddr *place = qemu_plugin_get_hwaddr(info, address);
	struct cpu *cpu = &cpus[index % VCPUS];
	struct counts *counts = &control->counts[index % VCPUS];
	uint64_t line, *tag, at, until, sent, work, most;
	unsigned int node;

	if (!place || qemu_plugin_hwaddr_is_io(place))
		return;
	address = qemu_plugin_hwaddr_phys_addr(place);
	line = address >> LINE_SHIFT;
	node = node_of(address);
	tag = &cpu->tag[(line ^ line >> 13) % LINES];
	if (*tag == line) {
		counts->hits[node]++;
		return;
	}
	*tag = line;
	counts->misses[node]++;
	at = __rdtsc();
	work = at - cpu->delivered;
	most = latency_cycles[node] / 2;
	until = prefetched(cpu, line) ? at : at + latency_cycles[node] - (work < most ? work : most);
	sent = carried(node, at);
	if (sent > until)
		until = sent;
	if (until > at)
		counts->waited_ns += (until - at) / cycles_per_ps / 1000;
	while (__rdtsc() < until)
		_mm_pause();
	cpu->delivered = until;
}

static bool is_instrumented(uint64_t address)
{
	for (uint64_t i = 0; i < now.codes; i++)
		if (address >= now.code[i].from && address < now.code[i].to)
			return true;
	return false;
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *tb)
{
	size_t count = qemu_plugin_tb_n_insns(tb);

	for (size_t i = 0; i < count; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (is_instrumented(qemu_plugin_insn_vaddr(insn)))
			qemu_plugin_register_vcpu_mem_cb(insn, on_access, NO_REGISTERS,
							 LOADS_AND_STORES, NULL);
	}
}

static void begin(plugin_id id);

/* A virtual CPU goes to sleep or wakes: the only moments that cost nothing to look at. */
static void look(plugin_id id, unsigned int index)
{
	static atomic_flag busy = ATOMIC_FLAG_INIT;

	if (control->wanted == now.wanted || atomic_flag_test_and_set(&busy))
		return;
	if (control->wanted != now.wanted) {
		bool other_code = control->codes != now.codes ||
				  memcmp(control->code, now.code, sizeof now.code);

		now = *control;
		for (int i = 0; i < NODES; i++) {
			latency_cycles[i] = now.nodes[i].latency_ps * cycles_per_ps;
			line_cycles[i] = now.nodes[i].line_ps * cycles_per_ps;
		}
		if (other_code)
			qemu_plugin_reset(id, begin); /* what is translated already, is so again */
		else
			control->applied = now.wanted;
	}
	atomic_flag_clear(&busy);
}

static void begin(plugin_id id)
{
	qemu_plugin_register_vcpu_idle_cb(id, look);
	qemu_plugin_register_vcpu_resume_cb(id, look);
	/* The hook alone makes translation slower, so there is none without code. */
	if (now.codes)
		qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	control->applied = now.wanted;
}

static double measured_cycles_per_ps(void)
{
	struct timespec from, to;
	uint64_t cycles;
	double ns;

	clock_gettime(CLOCK_MONOTONIC, &from);
	cycles = __rdtsc();
	do {
		clock_gettime(CLOCK_MONOTONIC, &to);
		ns = (to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec);
	} while (ns < 20e6);
	return (__rdtsc() - cycles) / ns / 1000;
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
	static const char option[] = "control=";
	int file = -1;

	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], option, strlen(option)))
			file = open(argv[i] + strlen(option), O_RDWR | O_CLOEXEC);
	if (file >= 0) {
		control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
		close(file);
	}
	if (file < 0 || control == MAP_FAILED || control->magic != MAGIC) {
		fprintf(stderr, "slowmem: say control=FILE, a file made by mmscand_lab/slowmem\n");
		return 1;
	}
	cycles_per_ps = measured_cycles_per_ps();
	begin(id);
	return 0;
}
