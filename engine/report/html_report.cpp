#include "engine/report/html_report.h"

#include <fmt/format.h>

#include "engine/io/files.h"
#include "engine/report/html_parts.h"
#include "engine/report/html_style.h"

namespace salus::report {

std::string to_html(const ReportData& data) {
  const evaluate::Evaluation& e = data.evaluation;
  std::string body = header_section(data);
  for (const std::string& section :
       {headline_section(e), plot_section(data), operating_section(e), stays_section(e),
        label_section(e), subgroup_section(e), comparison_section(data), worst_section(data),
        example_stays_section(data), metrics_section(e),
        facts_section("Speed and stability", data.performance),
        facts_section("How this was made", data.provenance), limits_section(data)}) {
    body += section;
  }
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<meta name=\"generator\" content=\"Salus\"><title>{} - evaluation</title>\n"
      "<style>{}\n{}</style></head>\n<body><main>\n{}</main></body></html>\n",
      escape(data.title), plot_style(), kPageStyle, body);
}

void write_report(const std::string& path, const ReportData& data) {
  io::write_text(path, to_html(data));
}

}  // namespace salus::report
