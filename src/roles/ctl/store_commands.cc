// ctl status
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <map>
#include <vector>

#include <fmt/format.h>

#include "roles/ctl/member_commands.h"
#include "roles/ctl/records.h"
#include "roles/ctl/store_client.h"

namespace matricula::ctl {
namespace {

using etcdserverpb::Member;
using etcdserverpb::StatusResponse;
using nlohmann::ordered_json;

constexpr const char* kStatusFooter =
    "Pergunta a cada membro do armazenamento (--kv) como está. ATRASO é quantos passos do "
    "registro\n"
    "comum ele ainda não aplicou, dos que o mais adiantado sabe acordados.\n"
    "Código de saída: 0 todos respondem, há líder, nenhum alarme, e o broker, se foi pedido;\n"
    "1 algo está errado; 69 nenhum servidor de --kv responde.\n";

struct NoArguments {};

// A member, what it said, and what is wrong with it.
struct View {
  Member member;
  std::string address;
  bool answered = false;
  StatusResponse answer;
  std::string problems;
  std::string alarms;
};

void Append(std::string& texts, const std::string& text) {
  if (texts.find(text) == std::string::npos) texts += (texts.empty() ? "" : ", ") + text;
}

View AskMember(const Member& member, const Options& options) {
  View view;
  view.member = member;
  view.problems = "não diz onde atende";
  for (int i = 0; i < member.clienturls_size() && !view.answered; ++i) {
    view.address = AddressOfUrl(member.clienturls(i));
    const grpc::Status status = StoreClient(view.address, options).GetStatus(&view.answer);
    view.answered = status.ok();
    view.problems = status.ok() ? "" : ExplainStoreFailure(view.address, status);
  }
  return view;
}

// Each member tells all alarms there are, as text: whose they are, and which.
void SortErrors(std::vector<View>& views) {
  for (View& view : views) {
    for (const std::string& error : view.answer.errors()) {
      uint64_t id = 0;
      char name[32] = "";
      const bool of_member =
          std::sscanf(error.c_str(), "memberID:%" SCNu64 " alarm:%31s", &id, name) == 2;
      const bool of_all = !of_member && std::sscanf(error.c_str(), "alarm:%31s", name) == 1;
      if (!of_member && !of_all) {
        Append(view.problems, error);
        continue;
      }
      for (View& whose : views) {
        if (of_all || whose.member.id() == id) Append(whose.alarms, name);
      }
    }
  }
}

std::string RoleOf(const View& view) {
  if (view.answer.islearner()) return "aprendiz";
  return view.answer.leader() != 0 && view.answer.leader() == view.member.id() ? "líder"
                                                                               : "seguidor";
}

ordered_json Describe(const View& view, uint64_t newest_index) {
  ordered_json record = {{"membro", HexId(view.member.id())}, {"endereco", view.address}};
  if (!view.answered) {
    for (const char* key : {"papel", "revisao", "termo", "indice", "atraso", "bytes", "versao"}) {
      record[key] = nullptr;
    }
  } else {
    const uint64_t applied = view.answer.raftappliedindex();
    record["papel"] = RoleOf(view);
    record["revisao"] = view.answer.header().revision();
    record["termo"] = view.answer.raftterm();
    record["indice"] = applied;
    record["atraso"] = newest_index - std::min(newest_index, applied);
    record["bytes"] = view.answer.dbsize();
    record["versao"] = view.answer.version();
  }
  record["alarmes"] = view.alarms;
  record["problemas"] = view.problems;
  return record;
}

ExitCode ShowStatus(Session& session, const NoArguments&) {
  ExitCode failure = ExitCode::kOk;
  const auto list = FindMembers(session, &failure);
  if (!list) return failure;
  std::vector<View> views;
  uint64_t newest_index = 0;
  for (const Member& member : list->members()) {
    views.push_back(AskMember(member, session.options()));
    newest_index = std::max(newest_index, views.back().answer.raftindex());
  }
  SortErrors(views);
  RecordPrinter printer(session, {{"membro", "MEMBRO"},
                                  {"endereco", "ENDEREÇO"},
                                  {"papel", "PAPEL"},
                                  {"revisao", "REVISÃO"},
                                  {"termo", "TERMO"},
                                  {"indice", "ÍNDICE"},
                                  {"atraso", "ATRASO"},
                                  {"bytes", "BYTES"},
                                  {"alarmes", "ALARMES"},
                                  {"problemas", "PROBLEMAS"}});
  int troubled = 0;
  for (const View& view : views) {
    if (!view.problems.empty() || !view.alarms.empty()) ++troubled;
    printer.Add(Describe(view, newest_index));
  }
  printer.Flush();
  if (troubled == 0) return ExitCode::kOk;
  return session.Refused(fmt::format("membros com problemas: {}", troubled));
}

}  // namespace

void DescribeStore(CLI::App& root, CommandSet& set) {
  DescribeMember(root, set);
  set.Add<NoArguments>(root, "status", "mostra como está cada membro do armazenamento", &ShowStatus,
                       [](Command& command, NoArguments&) { command.app().footer(kStatusFooter); });
}

}  // namespace matricula::ctl
