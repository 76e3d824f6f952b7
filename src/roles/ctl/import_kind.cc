#include "roles/ctl/import_kind.h"

#include <array>
#include <filesystem>

#include <absl/strings/ascii.h>

#include "common/domain/rules.h"

namespace matricula::ctl {
namespace {

using google::protobuf::Message;

template <class Request>
std::unique_ptr<Message> New() {
  return std::make_unique<Request>();
}

template <class Request>
std::optional<std::string> CheckRecord(const Message& request) {
  return domain::Rules().Check(static_cast<const Request&>(request));
}

std::optional<std::string> CheckPair(const Message& request) {
  const auto& pair = static_cast<const project::DisciplinaPessoa&>(request);
  const domain::Rules rules;
  const auto reason = rules.CheckText("disciplina", pair.disciplina());
  return reason ? reason : rules.CheckText("pessoa", pair.idpessoa());
}

// Makes an ImportKind::start of a stub's asynchronous method.
template <class Request, auto kStub, auto kMethod>
std::unique_ptr<ImportKind::Answer> Start(PortalClient& client, grpc::ClientContext* context,
                                          const Message& request, grpc::CompletionQueue* queue) {
  return ((client.*kStub)().*kMethod)(context, static_cast<const Request&>(request), queue);
}

using Admin = project::PortalAdministrativo::Stub;
using Portal = project::PortalMatricula::Stub;
using project::Aluno;
using project::Disciplina;
using project::DisciplinaPessoa;
using project::Professor;

template <class Request, auto kMethod>
constexpr auto kStartAdmin = &Start<Request, &PortalClient::admin, kMethod>;
template <auto kMethod>
constexpr auto kStartPortal = &Start<DisciplinaPessoa, &PortalClient::portal, kMethod>;

}  // namespace

std::span<const ImportKind> ImportKinds() {
  static const std::array kKinds = {
      ImportKind{"alunos",
                 {{"matricula", "matrícula"}, {"nome", ""}},
                 1,
                 &New<Aluno>,
                 &CheckRecord<Aluno>,
                 kStartAdmin<Aluno, &Admin::AsyncNovoAluno>},
      ImportKind{"professores",
                 {{"siape", ""}, {"nome", ""}},
                 1,
                 &New<Professor>,
                 &CheckRecord<Professor>,
                 kStartAdmin<Professor, &Admin::AsyncNovoProfessor>},
      ImportKind{"disciplinas",
                 {{"sigla", ""}, {"nome", ""}, {"vagas", ""}},
                 1,
                 &New<Disciplina>,
                 &CheckRecord<Disciplina>,
                 kStartAdmin<Disciplina, &Admin::AsyncNovaDisciplina>},
      ImportKind{"docentes",
                 {{"disciplina", "sigla"}, {"siape", "professor"}},
                 1,
                 &New<DisciplinaPessoa>,
                 &CheckPair,
                 kStartPortal<&Portal::AsyncAdicionaProfessor>},
      ImportKind{"matriculas",
                 {{"disciplina", "sigla"}, {"matricula", "matrícula"}},
                 2,
                 &New<DisciplinaPessoa>,
                 &CheckPair,
                 kStartPortal<&Portal::AsyncAdicionaAluno>},
  };
  return kKinds;
}

const ImportKind* FindKind(std::string_view name) {
  for (const ImportKind& kind : ImportKinds()) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

const ImportKind* FindKindOfFile(std::string_view path) {
  const std::string stem = absl::AsciiStrToLower(std::filesystem::path(path).stem().string());
  const size_t letters = stem.find_first_not_of("abcdefghijklmnopqrstuvwxyz");
  return FindKind(std::string_view(stem).substr(0, letters));
}

}  // namespace matricula::ctl
