#pragma once

#include <optional>
#include <string>
#include <string_view>

// The key schema: one function per kind of key, and the way back. Inside an identifier `/` becomes
// `%2F` and `%` becomes `%25`, so that a `/` in a key always separates.
//
//   aluno/<matricula>                    {"matricula","nome"}
//   professor/<siape>                    {"siape","nome"}
//   disciplina/<sigla>                   {"sigla","nome","vagas"}
//   turma/<sigla>                        {"professor","ocupadas"}   lives as long as the discipline
//   matricula/<sigla>/<matricula>        {"disciplina","idPessoa","em"}
//   aluno-turma/<matricula>/<sigla>      {}   reverse index of the enrollments
//   professor-turma/<siape>/<sigla>      {}   reverse index of the teachers
//   pedido/<request id>                  {"op"}   under a lease
//   cerca/<writer token>                 {}   under a lease: this write must not take effect any
//   more remocao/<kind>/<id>                  {"id"}   a removal in steps is under way mudanca
//   {"por": writer token}   put by every change of the above
namespace matricula::domain {

inline constexpr std::string_view kMudancaKey = "mudanca";
inline constexpr std::string_view kAlunoPrefix = "aluno/";
inline constexpr std::string_view kProfessorPrefix = "professor/";
inline constexpr std::string_view kDisciplinaPrefix = "disciplina/";
inline constexpr std::string_view kTurmaPrefix = "turma/";
inline constexpr std::string_view kMatriculaPrefix = "matricula/";
inline constexpr std::string_view kAlunoTurmaPrefix = "aluno-turma/";
inline constexpr std::string_view kProfessorTurmaPrefix = "professor-turma/";
inline constexpr std::string_view kPedidoPrefix = "pedido/";
inline constexpr std::string_view kCercaPrefix = "cerca/";
inline constexpr std::string_view kRemocaoPrefix = "remocao/";

// What a removal marker is about; the text is the second part of its key.
inline constexpr std::string_view kKindAluno = "aluno";
inline constexpr std::string_view kKindProfessor = "professor";
inline constexpr std::string_view kKindDisciplina = "disciplina";

std::string AlunoKey(std::string_view matricula);
std::string ProfessorKey(std::string_view siape);
std::string DisciplinaKey(std::string_view sigla);
std::string TurmaKey(std::string_view sigla);
std::string MatriculaKey(std::string_view sigla, std::string_view matricula);
std::string AlunoTurmaKey(std::string_view matricula, std::string_view sigla);
std::string ProfessorTurmaKey(std::string_view siape, std::string_view sigla);
std::string PedidoKey(std::string_view request_id);
std::string CercaKey(std::string_view token);
std::string RemocaoKey(std::string_view kind, std::string_view id);

// All enrollments of one discipline; all classes of one student or professor; all removals of one
// kind. Each ends in `/`.
std::string RosterPrefix(std::string_view sigla);
std::string AlunoTurmaPrefix(std::string_view matricula);
std::string ProfessorTurmaPrefix(std::string_view siape);
std::string RemocaoKindPrefix(std::string_view kind);

// The first key after all keys that begin with `prefix` (etcd's range_end for a prefix); "\0" if
// there is none.
std::string PrefixEnd(std::string_view prefix);

std::string EncodeId(std::string_view id);
void AppendEncodedId(std::string& out, std::string_view id);
// Nothing unless `part` is exactly what EncodeId makes of some identifier: every identifier has
// one spelling only.
std::optional<std::string> DecodeId(std::string_view part);

// The identifier(s) behind `prefix` in `key`: one part, or two separated by `/`.
struct TwoIds {
  std::string first;
  std::string second;
  friend bool operator==(const TwoIds&, const TwoIds&) = default;
};
std::optional<std::string> IdOfKey(std::string_view key, std::string_view prefix);
std::optional<TwoIds> IdsOfKey(std::string_view key, std::string_view prefix);

}  // namespace matricula::domain
