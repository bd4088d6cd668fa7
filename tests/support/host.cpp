// Executes CUDA kernels on the host, thread by thread, so that they can be tested where there is no GPU. Every thread of every block
// is a context of its own. A warp goes on as far as it can before the next one has its turn, in either order, or a block as far as
// it can before the next block, so that what is read or added up too early shows. Threads that wait for what nobody does end the
// launch with a message instead of hanging.

#include "host.h"

#include <csetjmp>
#include <cstring>
#include <memory>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

namespace host {

namespace {

constexpr size_t STACK = 128 * 1024;
// Behind the memory of a block: what nobody may write.
constexpr size_t GUARD = 256;
constexpr char UNTOUCHED = static_cast<char>(0xa5);

struct Block {
    std::vector<char> memory;
    std::vector<Warp> warps;
    Meeting meeting;
    unsigned threads_ended = 0;
};

struct Thread {
    ucontext_t context;
    jmp_buf at;
    void *stack;
    unsigned block, thread;
    // Of the cluster's meetings, that which it has come to last.
    unsigned came_to = 0;
    bool started = false, ended = false;
};

std::vector<Block> blocks;
std::vector<Meeting> clusters;
unsigned blocks_of_cluster;
const char *failure;
Thread *current;
jmp_buf scheduler;
int threads_of_block;
void (*kernel)(const void *);
const void *given;
// How often in a row threads have had nothing to do, and how often any had a turn.
long long waits, resumed;

void enter() {
    kernel(given);
    current->ended = true;
    ++blocks[current->block].threads_ended;
    go_on();
    _longjmp(scheduler, 1);
}

void start(Thread &thread) {
    thread.stack = mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack;
    thread.context.uc_stack.ss_size = STACK;
    thread.context.uc_link = nullptr;
    makecontext(&thread.context, enter, 0);
}

// Runs a thread until it waits or ends.
void resume(Thread &thread) {
    ++resumed;
    current = &thread;
    thread_index.x = thread.thread;
    block_index.x = thread.block;
    if (_setjmp(scheduler) != 0) return;
    if (thread.started) _longjmp(thread.at, 1);
    thread.started = true;
    setcontext(&thread.context);
}

// Runs the threads of a warp until all wait for others. Gives the number of those that have ended.
size_t run_warp(std::unique_ptr<Thread> *threads) {
    size_t ended = 0;
    for (bool goes_on = true; goes_on;) {
        goes_on = false;
        for (int lane = 0; lane < WARP; ++lane) {
            Thread &thread = *threads[lane];
            if (thread.ended) continue;
            const long long before = waits;
            resume(thread);
            if (failure != nullptr) return ended;
            goes_on |= waits <= before;
            if (!thread.ended) continue;
            ++ended;
            munmap(thread.stack, STACK);
        }
    }
    return ended;
}

}  // namespace

Dim thread_index, block_index, grid_size;

Warp &warp() { return blocks[block_index.x].warps[thread_index.x / WARP]; }

float *memory_of(Block &block) { return reinterpret_cast<float *>((reinterpret_cast<size_t>(block.memory.data()) + 15) / 16 * 16); }

float *memory_of_block() { return memory_of(blocks[block_index.x]); }

void wait() {
    ++waits;
    if (_setjmp(current->at) == 0) _longjmp(scheduler, 1);
}

void go_on() { waits = 0; }

void meet(Meeting &meeting, int size) {
    const unsigned generation = meeting.generation;
    if (++meeting.arrived == size) {
        meeting.arrived = 0;
        ++meeting.generation;
        go_on();
        return;
    }
    while (meeting.generation == generation) wait();
}

void stop(const char *why) {
    failure = why;
    _longjmp(scheduler, 1);
}

void arrive_in_cluster() {
    Meeting &meeting = clusters[block_index.x / blocks_of_cluster];
    if (current->came_to == meeting.generation + 1) stop("a thread arrives twice without waiting");
    current->came_to = meeting.generation + 1;
    if (++meeting.arrived < static_cast<int>(blocks_of_cluster) * threads_of_block) return;
    meeting.arrived = 0;
    ++meeting.generation;
    go_on();
}

void wait_in_cluster() {
    const Meeting &meeting = clusters[block_index.x / blocks_of_cluster];
    while (static_cast<int>(meeting.generation - current->came_to) < 0) wait();
}

float *in_cluster(const float *own, int block) {
    Block &other = blocks[block_index.x / blocks_of_cluster * blocks_of_cluster + block];
    if (other.threads_ended > 0) stop("a block reads or writes the memory of one that has ended");
    return memory_of(other) + (own - memory_of_block());
}

void meet_block() { meet(blocks[block_index.x].meeting, threads_of_block); }

const char *run(unsigned n_blocks, unsigned of_cluster, unsigned n_threads, size_t memory, Order order, void (*body)(const void *),
                const void *argument) {
    kernel = body;
    given = argument;
    failure = nullptr;
    grid_size.x = n_blocks;
    threads_of_block = n_threads;
    blocks_of_cluster = of_cluster;
    blocks.assign(n_blocks, Block());
    clusters.assign(n_blocks / of_cluster, Meeting());
    std::vector<std::unique_ptr<Thread>> threads;
    for (unsigned b = 0; b < n_blocks; ++b) {
        // What a kernel reads before it has written it is no number.
        blocks[b].memory.assign(memory + 16 + GUARD, static_cast<char>(0xff));
        std::memset(reinterpret_cast<char *>(memory_of(blocks[b])) + memory, UNTOUCHED, GUARD);
        blocks[b].warps.resize(n_threads / WARP);
        for (unsigned t = 0; t < n_threads; ++t) {
            threads.push_back(std::make_unique<Thread>());
            threads.back()->block = b;
            threads.back()->thread = t;
            start(*threads.back());
        }
    }
    waits = 0;
    const unsigned turns = order == BLOCKS ? n_blocks : 1;
    const size_t n_warps = threads.size() / WARP, of_turn = n_warps / turns;
    for (size_t left = threads.size(); left > 0 && failure == nullptr;) {
        for (unsigned turn = 0; turn < turns; ++turn) {
            for (bool goes_on = true; goes_on;) {
                const long long waited = waits, had = resumed;
                for (size_t i = turn * of_turn; i < (turn + 1) * of_turn && failure == nullptr; ++i) {
                    left -= run_warp(&threads[(order == REVERSE ? n_warps - 1 - i : i) * WARP]);
                }
                // All that still run of this block have waited, and nothing else.
                goes_on = order == BLOCKS && failure == nullptr && waits - waited < resumed - had;
            }
        }
        // Longer than a block looks whether others have come.
        if (waits > 2ll * MOST_POLLS * static_cast<long long>(threads.size())) failure = "threads wait for what nobody does";
    }
    for (const auto &thread : threads) {
        if (!thread->ended) munmap(thread->stack, STACK);
    }
    for (Block &block : blocks) {
        const char *behind = reinterpret_cast<const char *>(memory_of(block)) + memory;
        for (size_t i = 0; i < GUARD && failure == nullptr; ++i) {
            if (behind[i] != UNTOUCHED) failure = "a block writes behind its memory";
        }
    }
    return failure;
}

}  // namespace host
