#include "bench/day/report.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>

namespace matricula::day {
namespace {

// 12345 → "12.345".
std::string Count(int64_t value) {
  std::string digits = fmt::format("{}", std::abs(value));
  for (int i = static_cast<int>(digits.size()) - 3; i > 0; i -= 3) digits.insert(i, ".");
  return value < 0 ? "-" + digits : digits;
}

// With one decimal: 1234.56 → "1.234,6".
std::string Decimal(double value) {
  const int64_t tenths = std::llround(value * 10);
  return fmt::format("{},{}", Count(tenths / 10), std::abs(tenths % 10));
}

double Percent(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

// Pads to `width` characters; fmt and std count bytes or screen columns, not what we need here.
std::string Padded(std::string_view text, size_t width) {
  size_t characters = 0;
  for (const char c : text) characters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return std::string(text) + std::string(width > characters ? width - characters : 0, ' ');
}

class Text {
 public:
  void Title(const std::string& title) { out_ += "\n" + title + "\n"; }
  void Row(std::string_view name, const std::string& value, const std::string& note = "") {
    out_ +=
        fmt::format("  {}{:>12}{}{}\n", Padded(name, 44), value, note.empty() ? "" : "  ", note);
  }
  void Line(const std::string& line) { out_ += "  " + line + "\n"; }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

void WriteRequests(const Tally& tally, Text& text) {
  text.Title("Pedidos");
  text.Row("Pedidos", Count(tally.requests()),
           fmt::format("{} matrículas, {} desistências", Count(tally.enrolls), Count(tally.drops)));
  text.Row("  enviados duas vezes", Count(tally.duplicates));
  text.Row("  repetidos após desligar", Count(tally.repeats));
  text.Row("  tentados de novo após erro", Count(tally.retried));
  text.Row("Confirmados", Count(tally.ok()),
           fmt::format("{} matrículas, {} desistências", Count(tally.enrolls_ok),
                       Count(tally.drops_ok)));
  text.Row("Recusados", Count(tally.all_refused()));
  for (const auto& [reason, count] : tally.refused) text.Row("  " + reason, Count(count));
  text.Row("Sem resposta (resultado desconhecido)", Count(tally.unknown));
}

void WriteSpeed(const DayReport& report, Text& text) {
  const Tally& tally = report.tally;
  text.Title("Desempenho");
  text.Row("Duração", Decimal(static_cast<double>(tally.elapsed_ns) / 1e9) + " s");
  text.Row("Vazão média", Decimal(tally.MeanRate()) + "/s");
  text.Row("Vazão no segundo mais cheio", Decimal(tally.PeakRate()) + "/s");
  text.Row("Tempo de resposta p50", Decimal(tally.latency.QuantileMs(0.5)) + " ms");
  text.Row("Tempo de resposta p99", Decimal(tally.latency.QuantileMs(0.99)) + " ms");
  text.Row("Tempo de resposta p99,9", Decimal(tally.latency.QuantileMs(0.999)) + " ms");
  text.Row("Tempo de resposta máximo", Decimal(tally.latency.MaxMs()) + " ms");
  text.Row("Espera antes do envio p99", Decimal(tally.lag.QuantileMs(0.99)) + " ms",
           "pedidos além do limite em andamento");
}

void WriteChecks(const DayReport& report, Text& text) {
  const AuditResult& audit = report.audit;
  text.Title("Conferência");
  text.Row("Turmas relidas", Count(audit.classes), fmt::format("de {}", Count(report.classes)));
  text.Row("Matrículas nas listas", Count(audit.enrolled),
           fmt::format("{} confirmadas", Count(report.totals.in)));
  text.Row(
      "De resultado desconhecido", Count(report.totals.possible),
      fmt::format("{} constam, {} não", Count(audit.possible_taken), Count(audit.possible_absent)));
  text.Row("Alunos relidos", Count(audit.students));
  text.Row("Relatórios lidos durante o dia", Count(report.tally.reports));
  for (const auto& [kind, found] : report.findings.kinds()) {
    text.Row("ERRO: " + kind, Count(found.count));
    for (const std::string& example : found.examples) text.Line("    " + example);
  }
  text.Line(report.passed()
                ? "Tudo confere: ninguém perdeu a vaga, nenhuma vaga foi vendida duas vezes."
                : "NÃO CONFERE.");
}

nlohmann::json FindingsJson(const Findings& findings) {
  auto json = nlohmann::json::object();
  for (const auto& [kind, found] : findings.kinds()) {
    json[kind] = {{"count", found.count}, {"examples", found.examples}};
  }
  return json;
}

nlohmann::json LatencyJson(const Latencies& latencies) {
  return {{"p50_ms", latencies.QuantileMs(0.5)},
          {"p99_ms", latencies.QuantileMs(0.99)},
          {"p999_ms", latencies.QuantileMs(0.999)},
          {"max_ms", latencies.MaxMs()}};
}

}  // namespace

std::string ReportText(const DayReport& report) {
  Text text;
  text.Title(fmt::format("Dia de matrícula: {} alunos, {} turmas (semente {}, {}× o tempo real)",
                         Count(report.students), Count(report.classes), report.seed,
                         Decimal(report.speed)));
  if (report.load.records > 0) {
    text.Row("Cadastros carregados", Count(report.load.records),
             fmt::format("em {} s", Decimal(static_cast<double>(report.load.elapsed_ns) / 1e9)));
    for (const auto& [reason, count] : report.load.refused) text.Row("  " + reason, Count(count));
    if (report.load.unknown > 0) text.Row("  sem resposta", Count(report.load.unknown));
  }
  WriteRequests(report.tally, text);
  text.Title("Vagas");
  text.Row("Vagas oferecidas", Count(report.totals.vagas));
  text.Row("Vagas ocupadas no fim do dia", Count(report.audit.enrolled),
           Decimal(Percent(report.audit.enrolled, report.totals.vagas)) + " %");
  WriteSpeed(report, text);
  WriteChecks(report, text);
  return text.Take();
}

std::string ReportJson(const DayReport& report) {
  const Tally& tally = report.tally;
  const nlohmann::json json = {
      {"seed", report.seed},
      {"speed", report.speed},
      {"students", report.students},
      {"classes", report.classes},
      {"loaded",
       {{"records", report.load.records},
        {"refused", report.load.refused},
        {"unknown", report.load.unknown},
        {"seconds", static_cast<double>(report.load.elapsed_ns) / 1e9}}},
      {"requests",
       {{"all", tally.requests()},
        {"enrolls", tally.enrolls},
        {"drops", tally.drops},
        {"duplicates", tally.duplicates},
        {"repeats", tally.repeats},
        {"retried", tally.retried}}},
      {"ok", {{"enrolls", tally.enrolls_ok}, {"drops", tally.drops_ok}}},
      {"refused", tally.refused},
      {"unknown", tally.unknown},
      {"seats", {{"offered", report.totals.vagas}, {"taken", report.audit.enrolled}}},
      {"seconds", static_cast<double>(tally.elapsed_ns) / 1e9},
      {"rate_per_second", {{"mean", tally.MeanRate()}, {"peak", tally.PeakRate()}}},
      {"latency", LatencyJson(tally.latency)},
      {"lag", LatencyJson(tally.lag)},
      {"checks",
       {{"passed", report.passed()},
        {"classes", report.audit.classes},
        {"students", report.audit.students},
        {"reports_in_between", tally.reports},
        {"reports_lost", tally.reports_lost},
        {"confirmed", report.totals.in},
        {"possible_taken", report.audit.possible_taken},
        {"possible_absent", report.audit.possible_absent},
        {"findings", FindingsJson(report.findings)}}}};
  return json.dump(2) + "\n";
}

}  // namespace matricula::day
