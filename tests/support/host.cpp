// Executes CUDA kernels on the host, thread by thread, so that they can be tested where there is no GPU. Every thread of every block
// is a context of its own. A warp goes on as far as it can before the next one has its turn, in either order, so that what is read or
// added up too early shows. Threads that wait for what nobody does end the process with a message instead of hanging.

#include "host.h"

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

namespace host {

namespace {

constexpr size_t STACK = 128 * 1024;

struct Block {
    std::vector<char> memory;
    std::vector<Warp> warps;
    Meeting meeting;
};

struct Thread {
    ucontext_t context;
    jmp_buf at;
    void *stack;
    unsigned block, thread;
    bool started = false, ended = false;
};

std::vector<Block> blocks;
Thread *current;
jmp_buf scheduler;
int threads_of_block;
void (*kernel)(const void *);
const void *given;
// How often in a row threads have had nothing to do.
long long waits;

void enter() {
    kernel(given);
    current->ended = true;
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

float *memory_of_block() {
    const size_t start = reinterpret_cast<size_t>(blocks[block_index.x].memory.data());
    return reinterpret_cast<float *>((start + 15) / 16 * 16);
}

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

void meet_block() { meet(blocks[block_index.x].meeting, threads_of_block); }

void run(unsigned n_blocks, unsigned n_threads, size_t memory, bool reverse, void (*body)(const void *), const void *argument) {
    kernel = body;
    given = argument;
    grid_size.x = n_blocks;
    threads_of_block = n_threads;
    blocks.assign(n_blocks, Block());
    std::vector<std::unique_ptr<Thread>> threads;
    for (unsigned b = 0; b < n_blocks; ++b) {
        // What a kernel reads before it has written it is no number.
        blocks[b].memory.assign(memory + 16, static_cast<char>(0xff));
        blocks[b].warps.resize(n_threads / WARP);
        for (unsigned t = 0; t < n_threads; ++t) {
            threads.push_back(std::make_unique<Thread>());
            threads.back()->block = b;
            threads.back()->thread = t;
            start(*threads.back());
        }
    }
    waits = 0;
    const size_t n_warps = threads.size() / WARP;
    for (size_t left = threads.size(); left > 0;) {
        for (size_t i = 0; i < n_warps; ++i) left -= run_warp(&threads[(reverse ? n_warps - 1 - i : i) * WARP]);
        if (waits > 100 * static_cast<long long>(threads.size())) {
            std::fprintf(stderr, "threads wait for what nobody does\n");
            std::abort();
        }
    }
}

}  // namespace host
