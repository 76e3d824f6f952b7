#include "history_check.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

namespace matricula::domain {
namespace {

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

struct Change {
  Request request;
  int64_t revision = 0;
};

// All operations with one request id, or one without: together they make one change at most.
struct Cause {
  Request request;
  int64_t after = kForever;  // the change's revision is greater
  int64_t upto = kForever;
  bool certain = false;  // somebody was told ok
};

class Checker {
 public:
  Checker(const FakeKv& kv, const std::vector<Operation>& operations)
      : kv_(kv), operations_(operations) {}

  std::vector<std::string> Run() {
    Replay();
    for (const Operation& operation : operations_) CheckAnswer(operation);
    Attribute();
    return std::move(problems_);
  }

 private:
  void Replay() {
    models_.resize(static_cast<size_t>(kv_.revision()) + 1);
    for (int64_t r = 2; r <= kv_.revision(); ++r) {
      std::vector<std::string> broken;
      models_[At(r)] = Decode(kv_.StateAt(r), &broken);
      for (const std::string& what : broken) Problem("revision " + std::to_string(r) + ": " + what);
      const auto changes = Changes(models_[At(r - 1)], models_[At(r)], kv_.EventsAt(r));
      std::set<Request> seen;
      for (const Request& request : changes) {
        changes_.push_back({request, r});
        const std::string reason = Refusal(models_[At(r - 1)], request);
        // In a batch, one who drops makes room for one who comes.
        const bool room = reason == "não há vagas na disciplina" && changes.size() > 1;
        if (!reason.empty() && !room) {
          Problem("revision " + std::to_string(r) + ": " + ToString(request) + " although " +
                  reason);
        }
        if (!seen.insert(request).second) Problem(ToString(request) + " twice in one revision");
      }
    }
  }

  static size_t At(int64_t revision) { return static_cast<size_t>(revision); }

  void Problem(const std::string& text) { problems_.push_back(text); }

  // Whether something was true at some revision while the operation was under way.
  bool Ever(const Operation& operation, const std::function<bool(const Model&)>& holds) const {
    const int64_t last = std::min(operation.answered, kv_.revision());
    for (int64_t r = operation.called; r <= last; ++r) {
      if (holds(models_[At(r)])) return true;
    }
    return false;
  }

  void CheckAnswer(const Operation& operation) {
    using End = Operation::End;
    if (operation.reads && operation.end == End::kOk) {
      const bool seen = Ever(operation, [&](const Model& model) {
        return ReadAnswer(model, operation.request) == operation.text;
      });
      if (!seen) Problem(Describe(operation) + " was never so");
    }
    if (operation.end == End::kRefused) {
      const bool seen = Ever(operation, [&](const Model& model) {
        return Refusal(model, operation.request) == operation.text;
      });
      if (seen || EverFullWithin(operation)) return;
      Problem(Describe(operation) + " was never a reason");
    }
  }

  // A batch is one revision, but its requests have an order: those who come may fill the class for
  // a moment before others leave it.
  bool EverFullWithin(const Operation& operation) const {
    if (operation.text != "não há vagas na disciplina") return false;
    const std::string& sigla = operation.request.arguments[0];
    const int64_t last = std::min(operation.answered, kv_.revision());
    for (int64_t r = operation.called + 1; r <= last; ++r) {
      const Model& before = models_[At(r - 1)];
      const auto comes = [&](const Change& change) {
        return change.revision == r && change.request.name == "AdicionaAlunoTurma" &&
               change.request.arguments[0] == sigla;
      };
      const auto come = std::count_if(changes_.begin(), changes_.end(), comes);
      if (come > 0 && before.CountEnrolled(sigla) + come >= before.disciplinas.at(sigla).vagas) {
        return true;
      }
    }
    return false;
  }

  static std::string Describe(const Operation& operation) {
    return ToString(operation.request) + " id '" + operation.request_id + "' in " +
           std::to_string(operation.called) + ".." + std::to_string(operation.answered) + " \"" +
           operation.text + "\"";
  }

  std::map<Request, std::vector<Cause>> Causes() {
    using End = Operation::End;
    std::map<std::string, std::vector<const Operation*>> groups;
    for (const Operation& operation : operations_) {
      if (operation.reads) continue;
      const std::string own = "#" + std::to_string(groups.size());
      groups[operation.request_id.empty() ? own : operation.request_id].push_back(&operation);
    }
    std::map<Request, std::vector<Cause>> causes;
    for (const auto& [id, group] : groups) {
      Cause cause;
      cause.request = group[0]->request;
      bool possible = false;
      for (const Operation* operation : group) {
        if (operation->end == End::kRefused) continue;
        possible = true;
        cause.after = std::min(cause.after, operation->called);
        if (operation->end != End::kOk) continue;
        cause.certain = true;
        cause.upto = std::min(cause.upto, operation->answered);
      }
      if (possible) causes[cause.request].push_back(cause);
      for (const Operation* operation : group) {
        if (operation->end == End::kRefused && operation->called > cause.upto) {
          Problem(Describe(*operation) + " refused after it had been told ok");
        }
      }
    }
    return causes;
  }

  // Matches changes with causes. A matching that covers all changes and one that covers all
  // certain causes together imply one that covers both (Mendelsohn and Dulmage).
  void Attribute() {
    const auto causes = Causes();
    std::map<Request, std::vector<int64_t>> changes;
    for (const Change& change : changes_) changes[change.request].push_back(change.revision);
    for (const auto& [request, revisions] : changes) {
      const auto found = causes.find(request);
      Match(request, revisions, found == causes.end() ? std::vector<Cause>() : found->second);
    }
    for (const auto& [request, list] : causes) {
      if (!changes.contains(request)) Match(request, {}, list);
    }
  }

  void Match(const Request& request, const std::vector<int64_t>& revisions,
             const std::vector<Cause>& causes) {
    const auto fits = [&](size_t cause, size_t change) {
      return revisions[change] > causes[cause].after && revisions[change] <= causes[cause].upto;
    };
    const size_t covered = Cover(revisions.size(), causes.size(),
                                 [&](size_t change, size_t cause) { return fits(cause, change); });
    if (covered < revisions.size()) {
      Problem(ToString(request) + ": a change nobody asked for");
      Tell(request, revisions);
    }
    std::vector<size_t> certain;
    for (size_t i = 0; i < causes.size(); ++i) {
      if (causes[i].certain) certain.push_back(i);
    }
    const size_t kept = Cover(certain.size(), revisions.size(),
                              [&](size_t i, size_t change) { return fits(certain[i], change); });
    if (kept < certain.size()) {
      Problem(ToString(request) + ": told ok, but there is no change");
      Tell(request, revisions);
    }
  }

  // All that is known about one request.
  void Tell(const Request& request, const std::vector<int64_t>& revisions) {
    for (const int64_t revision : revisions) Problem("  changed at " + std::to_string(revision));
    for (const Operation& operation : operations_) {
      if (operation.request == request) Problem("  " + Describe(operation));
    }
  }

  // How many of `left` can be matched with a right one each (augmenting paths).
  static size_t Cover(size_t left, size_t right, const std::function<bool(size_t, size_t)>& fits) {
    constexpr size_t kNobody = std::numeric_limits<size_t>::max();
    std::vector<size_t> owner(right, kNobody);
    size_t covered = 0;
    for (size_t start = 0; start < left; ++start) {
      std::vector<bool> tried(right, false);
      const std::function<bool(size_t)> place = [&](size_t one) {
        for (size_t other = 0; other < right; ++other) {
          if (tried[other] || !fits(one, other)) continue;
          tried[other] = true;
          if (owner[other] == kNobody || place(owner[other])) {
            owner[other] = one;
            return true;
          }
        }
        return false;
      };
      if (place(start)) ++covered;
    }
    return covered;
  }

  const FakeKv& kv_;
  const std::vector<Operation>& operations_;
  std::vector<Model> models_;  // by revision
  std::vector<Change> changes_;
  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> CheckHistory(const FakeKv& kv, const std::vector<Operation>& operations) {
  return Checker(kv, operations).Run();
}

}  // namespace matricula::domain
