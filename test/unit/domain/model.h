#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "etcd_rpc.pb.h"
#include "matricula.pb.h"

namespace matricula::domain {

// What the portals mean, without a store, a queue or a transaction: a handful of maps, and what
// each request does to them. Decoded from the keys of one revision, written down independently of
// the code under test.
struct Model {
  struct Disciplina {
    std::string nome;
    int vagas = 0;
  };
  std::map<std::string, std::string> alunos;  // matricula → nome
  std::map<std::string, std::string> professores;
  std::map<std::string, Disciplina> disciplinas;
  std::set<std::pair<std::string, std::string>> matriculas;  // sigla, matricula
  std::map<std::string, std::string> docentes;               // sigla → siape
  std::map<std::string, int> ocupadas;                       // by sigla, where there is a class
  std::set<std::string> removals;                            // kind/id

  int CountEnrolled(const std::string& sigla) const;
  // As a reader is to see it: without whom or what is just being removed.
  bool Shows(const std::string& sigla, const std::string& matricula) const;
  std::string ProfessorOf(const std::string& sigla) const;  // with a record; else ""
};

// From all keys at one revision. `problems` gets whatever breaks the promises: the seat invariant,
// an index that does not mirror, somebody without a record whose removal is not under way.
Model Decode(const std::map<std::string, mvccpb::KeyValue>& state,
             std::vector<std::string>* problems);

// A request, by name and arguments.
struct Request {
  std::string name;  // as in the portals' API; the four of the enrollment portal end in "Turma"
  std::vector<std::string> arguments;
  friend auto operator<=>(const Request&, const Request&) = default;
};
std::string ToString(const Request& request);

// The reason why the portals would refuse it now, or "".
std::string Refusal(const Model& model, const Request& request);
// What a read would answer now, as text.
std::string ReadAnswer(const Model& model, const Request& request);

// The changes from one revision to the next, as the requests that mean them. Whatever a removal
// drags along is part of the removal.
std::vector<Request> Changes(const Model& before, const Model& after,
                             const std::vector<mvccpb::Event>& events);

std::string Text(const project::Aluno& aluno);
std::string Text(const project::RelatorioDisciplina& report);
std::string Text(const project::ResumoDisciplina& resumo);

}  // namespace matricula::domain
