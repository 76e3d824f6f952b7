// ctl member list, ctl status
#include <optional>

#include <fmt/format.h>

#include "roles/ctl/commands.h"
#include "roles/ctl/records.h"
#include "roles/ctl/store_client.h"

namespace matricula::ctl {
namespace {

using etcdserverpb::Member;
using etcdserverpb::MemberListResponse;
using etcdserverpb::StatusResponse;
using nlohmann::ordered_json;

constexpr const char* kStatusFooter =
    "Pergunta a cada membro do armazenamento (--kv) como está.\n"
    "Código de saída: 0 todos respondem, há líder e nenhum alarme; 1 algo está errado;\n"
    "69 nenhum servidor de --kv responde.\n";

struct NoArguments {};

// Asks one address of --kv after the other. Absent: none answered, and that has been said.
std::optional<MemberListResponse> FindMembers(Session& session, ExitCode* failure) {
  const auto addresses = StoreAddresses(session.options());
  if (addresses.empty()) {
    *failure = session.Misused("--kv não diz onde está o armazenamento");
    return std::nullopt;
  }
  std::string reason;
  for (const std::string& address : addresses) {
    MemberListResponse response;
    const grpc::Status status = StoreClient(address, session.options()).ListMembers(&response);
    if (status.ok()) return response;
    reason += (reason.empty() ? "" : "; ") + ExplainStoreFailure(address, status);
  }
  *failure = session.Unreachable(reason);
  return std::nullopt;
}

std::string Joined(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  return fmt::format("{}", fmt::join(texts.begin(), texts.end(), ","));
}

ExitCode ListMembers(Session& session, const NoArguments&) {
  ExitCode failure = ExitCode::kOk;
  const auto list = FindMembers(session, &failure);
  if (!list) return failure;
  RecordPrinter printer(session, {{"membro", "MEMBRO"},
                                  {"nome", "NOME"},
                                  {"papel", "PAPEL"},
                                  {"clientes", "CLIENTES"},
                                  {"pares", "PARES"}});
  for (const Member& member : list->members()) {
    printer.Add({{"membro", HexId(member.id())},
                 {"nome", member.name()},
                 {"papel", member.islearner() ? "aprendiz" : "votante"},
                 {"clientes", Joined(member.clienturls())},
                 {"pares", Joined(member.peerurls())}});
  }
  return ExitCode::kOk;
}

// What one member says, or why it says nothing.
ordered_json AskMember(const Member& member, const Options& options) {
  std::string problem = "não diz onde atende";
  std::string address;
  StatusResponse answer;
  bool answered = false;
  for (int i = 0; i < member.clienturls_size() && !answered; ++i) {
    address = AddressOfUrl(member.clienturls(i));
    const grpc::Status status = StoreClient(address, options).GetStatus(&answer);
    answered = status.ok();
    if (!answered) problem = ExplainStoreFailure(address, status);
  }
  ordered_json record = {{"membro", HexId(member.id())}, {"endereco", address}};
  if (!answered) {
    for (const char* key : {"papel", "revisao", "termo", "bytes", "versao"}) record[key] = nullptr;
    record["problemas"] = problem;
    return record;
  }
  const bool leads = answer.leader() != 0 && answer.leader() == answer.header().member_id();
  record["papel"] = leads ? "líder" : answer.islearner() ? "aprendiz" : "seguidor";
  record["revisao"] = answer.header().revision();
  record["termo"] = answer.raftterm();
  record["bytes"] = answer.dbsize();
  record["versao"] = answer.version();
  record["problemas"] = Joined(answer.errors());
  return record;
}

ExitCode ShowStatus(Session& session, const NoArguments&) {
  ExitCode failure = ExitCode::kOk;
  const auto list = FindMembers(session, &failure);
  if (!list) return failure;
  RecordPrinter printer(session, {{"membro", "MEMBRO"},
                                  {"endereco", "ENDEREÇO"},
                                  {"papel", "PAPEL"},
                                  {"revisao", "REVISÃO"},
                                  {"termo", "TERMO"},
                                  {"bytes", "BYTES"},
                                  {"problemas", "PROBLEMAS"}});
  int troubled = 0;
  for (const Member& member : list->members()) {
    const ordered_json record = AskMember(member, session.options());
    if (record.at("problemas") != "") ++troubled;
    printer.Add(record);
  }
  printer.Flush();
  if (troubled == 0) return ExitCode::kOk;
  return session.Refused(fmt::format("membros com problemas: {}", troubled));
}

}  // namespace

void DescribeStore(CLI::App& root, CommandSet& set) {
  CLI::App& member = AddGroup(root, "member", "os membros do armazenamento");
  set.Add<NoArguments>(member, "list", "lista os membros", &ListMembers,
                       [](Command&, NoArguments&) {});
  set.Add<NoArguments>(root, "status", "mostra como está cada membro do armazenamento", &ShowStatus,
                       [](Command& command, NoArguments&) { command.app().footer(kStatusFooter); });
}

}  // namespace matricula::ctl
