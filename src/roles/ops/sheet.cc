#include "roles/ops/sheet.h"

#include <limits>

#include <prometheus/text_serializer.h>

namespace matricula::roles {

prometheus::ClientMetric& Sheet::Add(std::string_view name, std::string_view help,
                                     prometheus::MetricType type, const Labels& labels) {
  if (families_.empty() || families_.back().name != name) {
    families_.push_back({std::string(name), std::string(help), type, {}});
  }
  prometheus::ClientMetric& metric = families_.back().metric.emplace_back();
  for (const auto& [label, value] : labels) metric.label.push_back({label, value});
  return metric;
}

void Sheet::Counter(std::string_view name, std::string_view help, double value,
                    const Labels& labels) {
  Add(name, help, prometheus::MetricType::Counter, labels).counter.value = value;
}

void Sheet::Gauge(std::string_view name, std::string_view help, double value,
                  const Labels& labels) {
  Add(name, help, prometheus::MetricType::Gauge, labels).gauge.value = value;
}

void Sheet::Histogram(std::string_view name, std::string_view help,
                      const base::HistogramSnapshot& snapshot, double unit, const Labels& labels) {
  auto& histogram = Add(name, help, prometheus::MetricType::Histogram, labels).histogram;
  uint64_t count = 0;
  for (size_t i = 0; i < snapshot.bounds.size(); ++i) {
    count += snapshot.counts[i];
    histogram.bucket.push_back({count, static_cast<double>(snapshot.bounds[i]) * unit});
  }
  histogram.sample_count = snapshot.total();
  histogram.sample_sum = static_cast<double>(snapshot.sum) * unit;
  histogram.bucket.push_back({histogram.sample_count, std::numeric_limits<double>::infinity()});
}

std::string Sheet::Render() const { return prometheus::TextSerializer().Serialize(families_); }

}  // namespace matricula::roles
