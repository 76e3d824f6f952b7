// ctl member list|add|remove|promote
#include "roles/ctl/member_commands.h"

#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "roles/ctl/records.h"
#include "roles/ctl/store_client.h"

namespace matricula::ctl {
namespace {

using etcdserverpb::Member;

constexpr const char* kAddFooter =
    "O novo membro começa como aprendiz e passa a votante quando alcança os outros; com "
    "--aprendiz,\n"
    "só com `member promote`. Depois, inicie o processo dele com os mesmos endereços e --join:\n"
    "  matriculad --raft-listen ENDEREÇO --join --peer ENDEREÇO-DE-OUTRO\n";
constexpr const char* kRemoveFooter =
    "O membro removido para sozinho, e seus dados não servem mais. Recusado se os que ficam não\n"
    "têm maioria ativa.\n";

struct NoArguments {};

struct AddArguments {
  std::string address;
  bool learner = false;
};

struct IdArgument {
  std::string id;
};

// As etcd's tools write it; nothing: it is none.
std::optional<uint64_t> ParseId(const std::string& text) {
  uint64_t id = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, id, 16);
  if (error != std::errc() || rest != end) return std::nullopt;
  return id;
}

void PrintMembers(Session& session, const google::protobuf::RepeatedPtrField<Member>& members) {
  RecordPrinter printer(session, {{"membro", "MEMBRO"},
                                  {"nome", "NOME"},
                                  {"papel", "PAPEL"},
                                  {"clientes", "CLIENTES"},
                                  {"pares", "PARES"}});
  for (const Member& member : members) {
    printer.Add({{"membro", HexId(member.id())},
                 {"nome", member.name()},
                 {"papel", member.islearner() ? "aprendiz" : "votante"},
                 {"clientes", Joined(member.clienturls())},
                 {"pares", Joined(member.peerurls())}});
  }
}

ExitCode ListMembers(Session& session, const NoArguments&) {
  ExitCode failure = ExitCode::kOk;
  const auto list = FindMembers(session, &failure);
  if (!list) return failure;
  PrintMembers(session, list->members());
  return ExitCode::kOk;
}

// What the store says to a change that it does not make, in Portuguese.
std::string ExplainRefusal(const std::string& text) {
  static constexpr std::pair<const char*, const char*> kTexts[] = {
      {"etcdserver: member not found", "não há membro com este ID"},
      {"etcdserver: Peer URLs already exists", "já há um membro com este endereço"},
      {"etcdserver: given member URLs are invalid", "o endereço deve ser HOST:PORTA"},
      {"etcdserver: re-configuration failed due to not enough started members",
       "os membros que ficam não têm maioria ativa"},
      {"etcdserver: can only promote a learner member", "este membro já é votante"},
      {"etcdserver: can only promote a learner member which is in sync with leader",
       "este aprendiz ainda não alcançou o líder"},
      {"etcdserver: too many learner members in cluster", "já há aprendizes demais"},
      {"etcdserver: not capable",
       "este armazenamento tem um só membro e nenhum endereço para outros (--raft-listen)"},
  };
  for (const auto& [known, meaning] : kTexts) {
    if (text == known) return meaning;
  }
  return text;
}

// A change is sent to one server after the other only while it is certain that none has it.
template <class Call>
ExitCode Change(Session& session, Call call, const std::string& done) {
  const auto addresses = StoreAddresses(session.options());
  if (addresses.empty()) return session.Misused("--kv não diz onde está o armazenamento");
  std::string reason;
  for (const std::string& address : addresses) {
    StoreClient client(address, session.options());
    etcdserverpb::MemberListResponse list;
    grpc::Status status = client.ListMembers(&list);  // only whether it is there
    if (status.ok()) {
      status = call(client);
      if (status.ok()) return session.Done(done);
      if (status.error_message() == "etcdserver: no leader") {
        return session.Unreachable(ExplainStoreFailure(address, status));
      }
      if (!IsUnanswered(status)) return session.Refused(ExplainRefusal(status.error_message()));
      return session.Unreachable(ExplainStoreFailure(address, status) +
                                 "; não se sabe se a operação foi feita");
    }
    reason += (reason.empty() ? "" : "; ") + ExplainStoreFailure(address, status);
  }
  return session.Unreachable(reason);
}

ExitCode AddMember(Session& session, const AddArguments& arguments) {
  const std::string url = "http://" + AddressOfUrl(arguments.address);
  return Change(
      session,
      [&](StoreClient& client) {
        etcdserverpb::MemberAddRequest request;
        request.add_peerurls(url);
        request.set_islearner(arguments.learner);
        etcdserverpb::MemberAddResponse response;
        grpc::Status status = client.AddMember(request, &response);
        if (status.ok()) PrintMembers(session, response.members());
        return status;
      },
      "membro acrescentado: inicie-o com --join");
}

// A change that names the member and nothing else.
template <class Request>
ExitCode ChangeById(Session& session, const IdArgument& arguments,
                    grpc::Status (StoreClient::*call)(const Request&), const char* done) {
  const auto id = ParseId(arguments.id);
  if (!id) return session.Misused("o ID de um membro é um número hexadecimal: veja `member list`");
  return Change(
      session,
      [&](StoreClient& client) {
        Request request;
        request.set_id(*id);
        return (client.*call)(request);
      },
      done);
}

ExitCode RemoveMember(Session& session, const IdArgument& arguments) {
  return ChangeById(session, arguments, &StoreClient::RemoveMember, "membro removido");
}

ExitCode PromoteMember(Session& session, const IdArgument& arguments) {
  return ChangeById(session, arguments, &StoreClient::PromoteMember, "membro promovido a votante");
}

}  // namespace

void DescribeMember(CLI::App& root, CommandSet& set) {
  CLI::App& member = AddGroup(root, "member", "os membros do armazenamento");
  set.Add<NoArguments>(member, "list", "lista os membros", &ListMembers,
                       [](Command&, NoArguments&) {});
  set.Add<AddArguments>(
      member, "add", "acrescenta um membro", &AddMember,
      [](Command& command, AddArguments& arguments) {
        command.Argument("ENDEREÇO", "HOST:PORTA em que os outros o alcançam (--raft-listen)",
                         &arguments.address);
        command.app().add_flag("--aprendiz", arguments.learner, "não vota até ser promovido");
        command.app().footer(kAddFooter);
      });
  set.Add<IdArgument>(member, "remove", "remove um membro", &RemoveMember,
                      [](Command& command, IdArgument& arguments) {
                        command.Argument("ID", "do membro, como em `member list`", &arguments.id);
                        command.app().footer(kRemoveFooter);
                      });
  set.Add<IdArgument>(member, "promote", "faz de um aprendiz um votante", &PromoteMember,
                      [](Command& command, IdArgument& arguments) {
                        command.Argument("ID", "do membro, como em `member list`", &arguments.id);
                      });
}

}  // namespace matricula::ctl
