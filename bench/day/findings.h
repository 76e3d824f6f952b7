#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace matricula::day {

// What the checks found wrong: how often, with a few examples of each kind. Texts are Portuguese,
// they end up in the report.
class Findings {
 public:
  static constexpr size_t kMostExamples = 5;

  struct Kind {
    int64_t count = 0;
    std::vector<std::string> examples;
  };

  void Add(std::string_view kind, std::string example) {
    Kind& entry = kinds_[std::string(kind)];
    ++entry.count;
    if (entry.examples.size() < kMostExamples) entry.examples.push_back(std::move(example));
  }
  bool none() const { return kinds_.empty(); }
  const std::map<std::string, Kind>& kinds() const { return kinds_; }

 private:
  std::map<std::string, Kind> kinds_;
};

// The kinds there are.
namespace achado {
inline constexpr std::string_view kVagaVendidaDuasVezes = "mais alunos do que vagas";
inline constexpr std::string_view kMatriculaPerdida = "matrícula confirmada que não consta";
inline constexpr std::string_view kMatriculaIndevida = "consta sem ter sido confirmada";
inline constexpr std::string_view kAlunoRepetido = "aluno repetido na turma";
inline constexpr std::string_view kConfirmadaDuasVezes =
    "dois pedidos confirmados para uma vaga só";
inline constexpr std::string_view kRepeticaoNegada = "pedido confirmado e negado ao ser repetido";
inline constexpr std::string_view kRecusaIndevida = "recusa sem motivo";
inline constexpr std::string_view kSemResposta = "servidores sem resposta";
inline constexpr std::string_view kCadastroDiferente = "cadastro diferente do carregado";
inline constexpr std::string_view kEspelhoDiferente = "turmas do aluno diferem das listas";
}  // namespace achado

}  // namespace matricula::day
