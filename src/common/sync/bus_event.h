#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/base/status.h"
#include "matricula.pb.h"

// What travels on the campus bus: one change of one record, as a topic and a JSON payload.
//
//   portal/admin/{aluno,professor,disciplina}/{create,update,delete}   the record; for delete just
//                                                                      its key field
//   portal/mat/{aluno,professor}/{add,del}    {"disciplina","idPessoa"}, for aluno also "vagas",
//                                             the seats left
namespace matricula::sync {

enum class Action { kCreate, kUpdate, kDelete };

// For kDelete only the key field is set.
template <class Record>
struct RecordEvent {
  Action action = Action::kCreate;
  Record record;
};
using AlunoEvent = RecordEvent<project::Aluno>;
using ProfessorEvent = RecordEvent<project::Professor>;
using DisciplinaEvent = RecordEvent<project::Disciplina>;

struct MatriculaEvent {
  enum class Who { kAluno, kProfessor };
  Who who = Who::kAluno;
  bool added = true;
  project::DisciplinaPessoa par;
  std::optional<int> vagas;  // seats left after it; of students' events only
};

using BusEvent = std::variant<AlunoEvent, ProfessorEvent, DisciplinaEvent, MatriculaEvent>;

std::string TopicOf(const BusEvent& event);
std::string PayloadOf(const BusEvent& event);

// The way back, for messages of strangers. Takes JSON objects (further fields are ignored) and the
// comma form: `11921BSI209,maycon`, `BSI034,prolog,30`, a lone key for delete, `BSI034,11921BSI209`
// for portal/mat. In the comma form the first comma ends the key and, of a discipline, the last one
// begins the seats, so that a name may hold commas.
// NotFound: the topic is none of ours. InvalidArgument: what is wrong with the payload. Whether the
// record keeps the rules of the domain is not checked here.
base::Result<BusEvent> ParseMessage(std::string_view topic, std::string_view payload);

}  // namespace matricula::sync
