#pragma once

#include <string>

#include "engine/core/config.h"
#include "engine/evaluate/alarm_rule.h"

// The keys of evaluate::AlarmTimes, in hours: of [alarms] in a bundle and of [evaluate] in a
// configuration.

namespace salus::infer {

/// `refractory` and `longest_lead`, each by default as without it. Does not judge them: problem_of().
evaluate::AlarmTimes read_alarms(const Config& table);

/// The table [alarms]; "" where all is as without it, which older programs do not know.
std::string write_alarms(const evaluate::AlarmTimes& times);

}  // namespace salus::infer
