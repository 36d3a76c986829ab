/*
 * A KVM machine that uses known pages of its memory, each a known number of times a round.
 *
 *   kvm_machine NODE PAGES HOT SEED PAUSE_MS   run forever; one line of JSON once it has run
 *   kvm_machine truth PAGES HOT SEED           print "page times", a line for each hot page
 *
 * Its memory has PAGES pages of 4 KiB on NUMA node NODE: the code, a table, and data. The table has
 * the physical address of a page for each access of a round. HOT data pages are drawn by SEED; one
 * of four is used once a round, others two, four and eight times. An access adds one to the first
 * word of the page, so that the pages say themselves how often they were used. After each round the
 * machine writes to a port, which ends KVM_RUN, and rests for PAUSE_MS.
 *
 * The virtual CPU runs in flat 32-bit mode without paging: its addresses are physical ones.
 *
 * Exit code: 1 and a line of JSON with an error; 2 bad arguments.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/mempolicy.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, WORDS = PAGE / 4, KINDS = 4, MOST_PAGES = 1 << 20 };

/* Entries of the table: 1 + 2 + 4 + 8 for each four pages. */
static uint32_t times_of(uint32_t number) { return 1u << number % KINDS; }

struct plan {
    uint32_t pages, hot, entries, first; /* first: of the data pages */
    uint32_t *drawn;                     /* pages, the hot ones first */
    uint32_t *table;                     /* physical addresses */
};

static void fail(const char *what)
{
    printf("{\"error\": \"kvm: %s: %s\"}\n", what, strerror(errno));
    exit(1);
}

/* splitmix64, of Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (2014). */
static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* The first `chosen` of `size` numbers are a random choice of them, in random order. */
static void shuffle(uint32_t *numbers, uint32_t size, uint32_t chosen, uint64_t *state)
{
    for (uint32_t i = 0; i < chosen; i++) {
        uint32_t other = i + next(state) % (size - i), kept = numbers[i];
        numbers[i] = numbers[other];
        numbers[other] = kept;
    }
}

static void *allocated(size_t words)
{
    void *memory = calloc(words, 4);
    if (!memory)
        fail("memory");
    return memory;
}

static int made(struct plan *plan, uint32_t pages, uint32_t hot, uint64_t seed)
{
    uint32_t entries = 0, data, at = 0;
    for (uint32_t i = 0; i < hot; i++)
        entries += times_of(i);
    plan->first = 1 + (entries + WORDS - 1) / WORDS;
    if (hot < 1 || pages > MOST_PAGES || plan->first + hot > pages)
        return 0;
    data = pages - plan->first;
    plan->pages = pages, plan->hot = hot, plan->entries = entries;
    plan->drawn = allocated(data), plan->table = allocated(entries);
    for (uint32_t i = 0; i < data; i++)
        plan->drawn[i] = plan->first + i;
    shuffle(plan->drawn, data, hot, &seed);
    for (uint32_t i = 0; i < hot; i++)
        for (uint32_t k = 0; k < times_of(i); k++)
            plan->table[at++] = plan->drawn[i] * PAGE;
    shuffle(plan->table, entries, entries, &seed);
    return 1;
}

static void filled(const struct plan *plan, unsigned char *memory)
{
    unsigned char code[] = {
        0xbe, 0, 0, 0, 0, /* mov esi, table */
        0xb9, 0, 0, 0, 0, /* mov ecx, entries */
        0x8b, 0x3e,       /* mov edi, [esi] */
        0xff, 0x07,       /* inc dword [edi] */
        0x83, 0xc6, 4,    /* add esi, 4 */
        0x49, 0x75, 0xf6, /* dec ecx; jnz to mov edi */
        0xe6, 0x10,       /* out 0x10, al */
        0xeb, 0xe8,       /* jmp to the begin */
    };
    uint32_t table = PAGE;
    memcpy(code + 1, &table, 4);
    memcpy(code + 6, &plan->entries, 4);
    memcpy(memory, code, sizeof code);
    memcpy(memory + PAGE, plan->table, 4 * (size_t)plan->entries);
}

/* All of it on that node, with no policy left on it. */
static unsigned char *memory_on(unsigned node, uint32_t pages)
{
    size_t size = (size_t)pages * PAGE;
    unsigned long mask = 1ul << node;
    unsigned char *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || madvise(memory, size, MADV_NOHUGEPAGE))
        fail("mmap");
    if (syscall(SYS_set_mempolicy, MPOL_BIND, &mask, 8 * sizeof mask + 1))
        fail("set_mempolicy");
    memset(memory, 0, size);
    if (syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0))
        fail("set_mempolicy");
    return memory;
}

static struct kvm_segment flat(uint16_t selector, uint8_t type)
{
    return (struct kvm_segment){.limit = 0xffffffff, .selector = selector, .type = type,
                                .present = 1, .db = 1, .s = 1, .g = 1};
}

static void set_registers(int cpu)
{
    struct kvm_regs regs = {.rflags = 2};
    struct kvm_sregs sregs;
    if (ioctl(cpu, KVM_GET_SREGS, &sregs))
        fail("KVM_GET_SREGS");
    sregs.cs = flat(0x08, 11); /* code that is executed and read */
    sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat(0x10, 3);
    sregs.cr0 |= 1; /* protected mode */
    if (ioctl(cpu, KVM_SET_SREGS, &sregs) || ioctl(cpu, KVM_SET_REGS, &regs))
        fail("KVM_SET_REGS");
}

static int virtual_cpu(unsigned char *memory, uint32_t pages, struct kvm_run **run)
{
    struct kvm_userspace_memory_region region = {
        .memory_size = (uint64_t)pages * PAGE, .userspace_addr = (uintptr_t)memory};
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), machine, cpu, size;
    if (kvm < 0)
        fail("/dev/kvm");
    if ((machine = ioctl(kvm, KVM_CREATE_VM, 0)) < 0)
        fail("KVM_CREATE_VM");
    if (ioctl(machine, KVM_SET_USER_MEMORY_REGION, &region))
        fail("KVM_SET_USER_MEMORY_REGION");
    cpu = ioctl(machine, KVM_CREATE_VCPU, 0);
    size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (cpu < 0 || size < 0)
        fail("KVM_CREATE_VCPU");
    *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
    if (*run == MAP_FAILED)
        fail("mmap");
    set_registers(cpu);
    return cpu;
}

static void run_round(int cpu, const struct kvm_run *run)
{
    while (ioctl(cpu, KVM_RUN, 0))
        if (errno != EINTR)
            fail("KVM_RUN");
    if (run->exit_reason != KVM_EXIT_IO) {
        printf("{\"error\": \"kvm: it stopped with exit reason %u\"}\n", run->exit_reason);
        exit(1);
    }
}

static void used(const struct plan *plan, unsigned node, long pause_ms)
{
    struct timespec pause = {pause_ms / 1000, pause_ms % 1000 * 1000000};
    unsigned char *memory = memory_on(node, plan->pages);
    struct kvm_run *run;
    int cpu;
    filled(plan, memory);
    cpu = virtual_cpu(memory, plan->pages, &run);
    run_round(cpu, run);
    printf("{\"name\": \"kvm\", \"pid\": %d, \"address\": %llu, \"pages\": %u}\n", getpid(),
           (unsigned long long)(uintptr_t)memory, plan->pages);
    fflush(stdout);
    for (;;) {
        nanosleep(&pause, NULL);
        run_round(cpu, run);
    }
}

int main(int argc, char **argv)
{
    int truth = argc == 5 && !strcmp(argv[1], "truth");
    struct plan plan;
    if (!truth && argc != 6)
        return 2;
    if (!made(&plan, atoi(argv[2]), atoi(argv[3]), strtoull(argv[4], NULL, 10)))
        return 2;
    if (truth)
        for (uint32_t i = 0; i < plan.hot; i++)
            printf("%u %u\n", plan.drawn[i], times_of(i));
    else
        used(&plan, atoi(argv[1]), atol(argv[5]));
    return 0;
}
