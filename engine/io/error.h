#pragma once

#include <stdexcept>
#include <string>

namespace salus {

/// Something in the user's input, files or configuration is wrong. `what()` is a whole sentence for
/// the user: what is wrong, where (file, tag, row, key) and what to do. A command that ends with it
/// exits 1. Our own broken invariants are not this: they assert.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The command was called wrongly (unknown option, missing argument, unknown config key): exit 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

}  // namespace salus
