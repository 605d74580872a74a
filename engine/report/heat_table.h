#pragma once

#include <string>
#include <vector>

namespace salus::report {

/// A table of signed numbers as colours: a picture (SVG) of its own.
struct HeatTable {
  std::string title;
  std::vector<std::string> rows;            ///< names, from the top; without any there is no axis
  std::vector<std::vector<double>> values;  ///< [rows][columns]; NaN is left white
  std::string columns = "hours since the stay began";
  double column_step = 1;  ///< of the axis, per column
  /// Where a dot stands, [rows][columns] or empty: what it says is `mark`. Cells too narrow for a dot
  /// have none.
  std::vector<std::vector<bool>> marked;
  std::string mark = "measured";
  struct Single {
    std::string name;
    double value = 0;
  };
  std::vector<Single> singles;  ///< rows of one value without a column, below the others
};

/// Red where a value is above 0, blue below, white at 0; the darkest is the largest magnitude, which the
/// picture states. Self-contained SVG with its own white ground.
std::string heat_table_svg(const HeatTable& table);

}  // namespace salus::report
