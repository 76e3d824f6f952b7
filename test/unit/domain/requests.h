#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/base/done.h"
#include "model.h"
#include "server.h"

namespace matricula::domain {

// How many of each there are, and the most seats of a class: few enough to get in each other's way.
struct Sizes {
  int alunos = 0;
  int disciplinas = 0;
  int professores = 0;
  int most_vagas = 0;
};

// Requests as chance has them.
class RequestDraw {
 public:
  using Random = std::function<int64_t(int64_t least, int64_t most)>;
  RequestDraw(Sizes sizes, Random random) : sizes_(sizes), random_(std::move(random)) {}

  // The first requests of a history fill the store.
  int first_requests() const { return sizes_.alunos + sizes_.disciplinas; }
  Request First(int number);
  // One of the registrar's with that probability, else one of the enrollment portal's.
  Request Draw(int admin_percent);

 private:
  Request DrawAdmin();
  Request DrawPortal();
  std::string Aluno() { return Id("alu", sizes_.alunos); }
  std::string Professor() { return Id("prof", sizes_.professores); }
  std::string Disciplina() { return Id("dis", sizes_.disciplinas); }
  std::string Nome() { return Id("nome", 3); }
  std::string Vagas() { return Id("", sizes_.most_vagas); }
  std::string Id(const std::string& prefix, int most) {
    return prefix + std::to_string(random_(1, most));
  }

  const Sizes sizes_;
  const Random random_;
};

bool IsRead(const Request& request);
// Asks a server. A read's answer is its text, as ReadAnswer would say it.
void Dispatch(Server& server, const Request& request, const std::string& request_id, Answer done);
void DispatchRead(Server& server, const Request& request, base::Done<std::string> done);

}  // namespace matricula::domain
