#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "matricula.pb.h"

// What is well-formed, and every text with which a request is refused.
namespace matricula::domain {

// Longest identifier or name, and longest request id, in bytes.
inline constexpr size_t kMaxTextBytes = 256;
inline constexpr size_t kMaxRequestIdBytes = 64;
// Shortest identifier or name in characters, unless configured otherwise.
inline constexpr int kDefaultMinLength = 4;

// Reasons of refusal, as the user reads them.
namespace recusa {
inline constexpr std::string_view kAlunoExiste = "aluno já cadastrado";
inline constexpr std::string_view kProfessorExiste = "professor já cadastrado";
inline constexpr std::string_view kDisciplinaExiste = "disciplina já cadastrada";
inline constexpr std::string_view kSemAluno = "aluno não encontrado";
inline constexpr std::string_view kSemProfessor = "professor não encontrado";
inline constexpr std::string_view kSemDisciplina = "disciplina não encontrada";
inline constexpr std::string_view kVagasAbaixo =
    "há mais alunos matriculados do que as novas vagas";
inline constexpr std::string_view kVagasInvalidas = "o número de vagas deve ser pelo menos 1";
inline constexpr std::string_view kJaMatriculado = "aluno já matriculado na disciplina";
inline constexpr std::string_view kNaoMatriculado = "aluno não está matriculado na disciplina";
inline constexpr std::string_view kSemVagas = "não há vagas na disciplina";
inline constexpr std::string_view kTemProfessor = "a disciplina já tem professor";
inline constexpr std::string_view kNaoLeciona = "o professor não leciona a disciplina";
inline constexpr std::string_view kPedidoInvalido =
    "identificador de pedido inválido (até 64 caracteres ASCII visíveis)";
inline constexpr std::string_view kPedidoDeOutraOperacao =
    "identificador de pedido já usado em outra operação";
}  // namespace recusa

// Status 0 with an empty msg; status 1 with the reason.
project::Status Feito();
project::Status Recusa(std::string_view reason);

// Number of characters (code points) of `text`, or nothing if it is not valid UTF-8 (RFC 3629: no
// overlong form, no surrogate, nothing above U+10FFFF).
std::optional<size_t> CountCharacters(std::string_view text);
// C0, DEL or C1. `text` must be valid UTF-8.
bool HasControlCharacter(std::string_view text);

// An identifier that some record might have: not empty, at most kMaxTextBytes, valid UTF-8, no
// control character. Anything else is answered "not found" without asking the store.
bool IsPossibleId(std::string_view id);
// Empty (none given), or at most kMaxRequestIdBytes of printable ASCII.
bool IsValidRequestId(std::string_view request_id);

// Checks what a client wants to write; the answer is the reason of the refusal, or nothing.
class Rules {
 public:
  explicit Rules(int min_length = kDefaultMinLength) : min_length_(min_length) {}

  std::optional<std::string> Check(const project::Aluno& aluno) const;
  std::optional<std::string> Check(const project::Professor& professor) const;
  std::optional<std::string> Check(const project::Disciplina& disciplina) const;
  // One text; `field` names it in the reason.
  std::optional<std::string> CheckText(std::string_view field, std::string_view text) const;

 private:
  int min_length_;  // characters
};

}  // namespace matricula::domain
