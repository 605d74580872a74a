#pragma once

#include <functional>
#include <nlohmann/json.hpp>

namespace salus::bench {

/// Our side of a benchmark: a process that tests/bench/run.py starts, and that measures one
/// repetition each time a line comes on standard input, so that ours and a peer's repetitions
/// alternate. Python peers speak the same protocol (peers/worker.py).
///
/// One JSON object per line on standard output: first {"ready": true, "check": [...], ...}, then
/// per repetition {"seconds": s, "items": n}.
void say_ready(const nlohmann::json& about);
/// Waits for the next repetition; false when the runner has had enough.
bool wait_for_turn();
void report(double seconds, double items);

/// Seconds on a clock that never goes back.
double now();

/// The usual worker: warms `work` up, finds how often to call it for a repetition of at least
/// `least_seconds`, then measures on request.
///
/// \param items  what one call of `work` gets done (images, say).
void serve(const nlohmann::json& about, double items, const std::function<void()>& work,
           double least_seconds = 0.3);

}  // namespace salus::bench
