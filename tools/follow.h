#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "engine/infer/session.h"
#include "engine/stream/stream_pool.h"

namespace salus::tools {

/// `salus predict --follow`.
struct FollowOptions {
  bool on = false;
  std::string snapshot, discharge;
  double snapshot_every = 60;  ///< seconds
  stream::StreamOptions stream;
  stream::PoolOptions pool;

  void add_to(CLI::App& app);
};

/// Reads rows of events from `input` ("-": standard input, or a file that grows) and writes a line of
/// JSON for each batch of rows and stay, until the input ends or SIGINT or SIGTERM comes. What became of
/// the rows is then told on standard error (stream::stream_remarks()).
///
/// A snapshot that cannot be written is told and tried again when the next one is due.
/// \param statics  file of static values, or "".
/// \returns the exit status: kSomeSkipped if rows were skipped: unreadable, refused by the bundle's rules,
///          or of stays without room.
/// \throws Error as those of engine/stream; before a row is read if the snapshot's file cannot be
///         written, and at the end if the last snapshot cannot.
int follow(const infer::Session& session, const FollowOptions& options, const std::string& input,
           const std::string& statics);

}  // namespace salus::tools
