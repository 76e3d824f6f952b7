#include "roles/ctl/import_run.h"

#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <system_error>

#include <fmt/format.h>

#include "common/base/crc32c.h"
#include "roles/ctl/records.h"
#include "roles/ctl/utf8.h"

namespace matricula::ctl {
namespace {

using nlohmann::ordered_json;

// How long Ctrl-C and the progress line may have to wait.
constexpr int64_t kWaitMs = 100;

std::optional<int64_t> SizeOf(const std::string& path) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  return error ? std::nullopt : std::optional<int64_t>(bytes);
}

std::string NameOf(const ImportSource& source) {
  if (source.path == "-") return "entrada padrão";
  return std::filesystem::path(source.path).filename().string();
}

}  // namespace

ImportRun::ImportRun(Session& session, ImportSettings settings)
    : session_(session), settings_(std::move(settings)) {}

ExitCode ImportRun::Run(const std::vector<ImportSource>& sources) {
  if (!settings_.dry_run) {
    const grpc::Status status = session_.client().WaitUntilConnected();
    if (!status.ok()) return session_.Failed(status, Effect::kRead);
  }
  for (const ImportSource& source : sources) {
    if (!ImportOne(source)) break;
  }
  progress_.reset();
  return Summarise();
}

// False if there is no point in going on with the next file.
bool ImportRun::ImportOne(const ImportSource& source) {
  std::ifstream file_stream;
  if (source.path != "-") file_stream.open(source.path, std::ios::binary);
  std::istream& in = source.path == "-" ? std::cin : file_stream;
  Tally& tally = tallies_.emplace_back();
  tally.name = NameOf(source);
  tally.kind = source.kind->name;
  if (!in) {
    unreadable_ = source.path;
    return false;
  }
  ImportFile file(*source.kind, in, settings_.dry_run);
  const std::optional<int64_t> size = SizeOf(source.path);
  progress_ = std::make_unique<Progress>(session_.console(), base::SystemClock(), tally.name);

  const int64_t timeout_ms = session_.options().timeout_ms();
  ImportPipeline pipeline(session_.client(), *source.kind,
                          {settings_.in_flight, timeout_ms, timeout_ms}, base::SystemClock());
  bool more = true;
  while (more || !pipeline.empty()) {
    more = more && !interrupt_.interrupted() && !pipeline.broken();
    if (more && !pipeline.full()) more = Send(file, pipeline);
    const bool wait = pipeline.full() || !more;
    if (!pipeline.empty()) {
      pipeline.Wait(wait ? kWaitMs : 0, [this](const LineAnswer& answer) { Take(answer); });
    }
    progress_->Update(tally.lines, file.bytes_read(), size);
  }
  if (in.bad()) unreadable_ = source.path;
  trouble_ = pipeline.trouble();
  return !pipeline.broken() && !interrupt_.interrupted() && unreadable_.empty();
}

// Reads one line and sends it on its way. False at the end of the file.
bool ImportRun::Send(ImportFile& file, ImportPipeline& pipeline) {
  ImportLine line;
  if (!file.Next(&line)) return false;
  Tally& tally = tallies_.back();
  ++tally.lines;
  tally.last_line = line.number;
  if (line.request == nullptr) {
    ++tally.bad;
    ReportLine(line.number, line.problem);
  } else if (settings_.dry_run) {
    ++tally.done;
  } else {
    std::string id = RequestId(line);
    pipeline.Submit(line.number, std::move(line.request), std::move(id));
  }
  return true;
}

void ImportRun::Take(const LineAnswer& answer) {
  Tally& tally = tallies_.back();
  switch (answer.kind) {
    case LineAnswer::Kind::kDone:
      ++tally.done;
      break;
    case LineAnswer::Kind::kRefused:
      ++tally.refused;
      ReportLine(answer.line, answer.reason);
      break;
    case LineAnswer::Kind::kNone:
      ++tally.unanswered;
      tally.first_unanswered = std::min(tally.first_unanswered, answer.line);
      break;
  }
}

void ImportRun::ReportLine(int64_t line, const std::string& reason) {
  const std::string& name = tallies_.back().name;
  if (session_.json()) {
    session_.PrintJson({{"arquivo", name}, {"linha", line}, {"motivo", reason}});
    return;
  }
  progress_->Clear();
  session_.console().err << fmt::format("{}:{}: {}\n", Printable(name), line, Printable(reason));
}

std::string ImportRun::RequestId(const ImportLine& line) const {
  const Tally& tally = tallies_.back();
  uint32_t content = base::Crc32c(0, tally.name);
  content = base::Crc32c(content, line.request->SerializeAsString());
  return fmt::format("{}-{}-{}-{:08x}", settings_.run_id, tally.kind, line.number, content);
}

ExitCode ImportRun::Verdict() const {
  if (!trouble_.ok()) return ExitCode::kUnreachable;
  if (!unreadable_.empty()) return ExitCode::kUsage;
  if (interrupt_.interrupted()) return ExitCode::kInterrupted;
  for (const Tally& tally : tallies_) {
    if (tally.refused + tally.bad > 0) return ExitCode::kRefused;
  }
  return ExitCode::kOk;
}

std::string ImportRun::Explanation(ExitCode code) const {
  const Tally& last = tallies_.back();
  const int64_t line = std::min(last.last_line, last.first_unanswered - 1);
  const std::string stopped = fmt::format(
      "parou em {}: até a linha {} todas têm resposta; para continuar, repita o comando com "
      "--resume {}",
      last.name, line, settings_.run_id);
  switch (code) {
    case ExitCode::kUnreachable:
      return ExplainFailure(trouble_, Effect::kRead, session_.options()) + "\n" + stopped;
    case ExitCode::kInterrupted:
      return "interrompido; " + stopped;
    case ExitCode::kUsage:
      return fmt::format("não foi possível ler {}", unreadable_);
    case ExitCode::kRefused:
      return "há linhas que não entraram";
    case ExitCode::kOk:
      break;
  }
  return "";
}

ExitCode ImportRun::Summarise() {
  const ExitCode code = Verdict();
  const std::string explanation = Explanation(code);
  if (!session_.json()) {
    PrintTable();
    if (!explanation.empty()) session_.console().err << explanation << '\n';
    return code;
  }
  auto files = ordered_json::array();
  for (const Tally& tally : tallies_) {
    files.push_back({{"arquivo", tally.name},
                     {"tipo", tally.kind},
                     {"linhas", tally.lines},
                     {"boas", tally.done},
                     {"recusadas", tally.refused},
                     {"invalidas", tally.bad},
                     {"sem_resposta", tally.unanswered}});
  }
  session_.PrintJson({{"status", static_cast<int>(code)},
                      {"msg", explanation},
                      {"simulacao", settings_.dry_run},
                      {"execucao", settings_.run_id},
                      {"arquivos", files}});
  return code;
}

void ImportRun::PrintTable() const {
  Table table(session_.console().out,
              {"ARQUIVO", "LINHAS", settings_.dry_run ? "BOAS" : "INCLUÍDAS", "RECUSADAS",
               "INVÁLIDAS", "SEM RESPOSTA"});
  for (const Tally& tally : tallies_) {
    table.Add({tally.name, tally.lines, tally.done, tally.refused, tally.bad, tally.unanswered});
  }
}

std::string NewRunId() {
  std::random_device chance;
  return fmt::format("{:08x}{:08x}", chance(), chance());
}

}  // namespace matricula::ctl
