#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>

#include "common/base/histogram.h"

namespace matricula::roles {

// What one scrape finds, filled in by whoever has numbers. Modules know nothing of Prometheus: they
// hand out plain structs, and the collectors here turn those into metrics.
class Sheet {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;
  static constexpr double kSecondsPerNs = 1e-9;

  // Values of one name must be added one after the other; the first one's help counts.
  void Counter(std::string_view name, std::string_view help, double value,
               const Labels& labels = {});
  void Gauge(std::string_view name, std::string_view help, double value, const Labels& labels = {});
  // `unit`: what a bound of the snapshot is multiplied with.
  void Histogram(std::string_view name, std::string_view help,
                 const base::HistogramSnapshot& snapshot, double unit, const Labels& labels = {});

  // In Prometheus' text format, version 0.0.4.
  std::string Render() const;

 private:
  prometheus::ClientMetric& Add(std::string_view name, std::string_view help,
                                prometheus::MetricType type, const Labels& labels);

  std::vector<prometheus::MetricFamily> families_;
};

}  // namespace matricula::roles
