#include "bench/load/workload.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>

#include "bench.pb.h"
#include "etcd_rpc.pb.h"
#include "matricula.pb.h"

namespace matricula::bench {
namespace {

// More seats than any run can sell.
constexpr int kManySeats = 1'000'000'000;
// Classes that the hot workload goes through, each with every student once.
constexpr uint64_t kHotClasses = 64;

constexpr std::string_view kNovoAluno = "/project.PortalAdministrativo/NovoAluno";
constexpr std::string_view kObtemAluno = "/project.PortalAdministrativo/ObtemAluno";
constexpr std::string_view kNovaDisciplina = "/project.PortalAdministrativo/NovaDisciplina";
constexpr std::string_view kAdicionaAluno = "/project.PortalMatricula/AdicionaAluno";
constexpr std::string_view kRange = "/etcdserverpb.KV/Range";
constexpr std::string_view kPut = "/etcdserverpb.KV/Put";

grpc::ByteBuffer Bytes(const google::protobuf::MessageLite& message) {
  grpc::Slice slice(message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(const_cast<uint8_t*>(slice.begin()));
  return {&slice, 1};
}

template <class Message>
bool Parse(grpc::ByteBuffer& bytes, Message& message) {
  grpc::ProtoBufferReader reader(&bytes);
  return reader.status().ok() && message.ParseFromZeroCopyStream(&reader);
}

// Visits the numbers below `size` in an order without neighbours.
uint64_t Scatter(uint64_t number, uint64_t size) {
  return (number * 0x9E3779B97F4A7C15U >> 20) % size;
}

// ---- portals ----

std::string Student(uint64_t number) { return fmt::format("carga{:08}", number); }
std::string Class(const WorkloadOptions& options, uint64_t number) {
  return fmt::format("TURMA{}-{:04}", options.run, number);
}

std::string_view JudgeStatus(grpc::ByteBuffer& bytes) {
  project::Status status;
  if (!Parse(bytes, status)) return "unreadable";
  return status.status() == 0 ? "" : "refused";
}

std::string_view AnyAnswer(grpc::ByteBuffer&) { return ""; }

grpc::ByteBuffer AlunoBytes(const std::string& matricula) {
  project::Aluno aluno;
  aluno.set_matricula(matricula);
  aluno.set_nome("Estudante " + matricula);
  return Bytes(aluno);
}

// Those of an earlier run are refused and serve as well.
Workload::Step PrepareStudents(const WorkloadOptions& options) {
  return {{std::string(kNovoAluno), [](uint64_t n) { return AlunoBytes(Student(n)); }, AnyAnswer},
          options.students};
}

Workload::Step PrepareClasses(const WorkloadOptions& options, uint64_t count) {
  const auto request = [options](uint64_t n) {
    project::Disciplina disciplina;
    disciplina.set_sigla(Class(options, n));
    disciplina.set_nome("Disciplina de carga");
    disciplina.set_vagas(kManySeats);
    return Bytes(disciplina);
  };
  return {{std::string(kNovaDisciplina), request, AnyAnswer}, count};
}

Workload NovoAluno(const WorkloadOptions& options) {
  const auto request = [run = options.run](uint64_t n) {
    return AlunoBytes(fmt::format("novo{}-{:09}", run, n));
  };
  return {{}, {std::string(kNovoAluno), request, JudgeStatus}};
}

Workload ObtemAluno(const WorkloadOptions& options) {
  const auto request = [students = options.students](uint64_t n) {
    project::Identificador id;
    id.set_id(Student(Scatter(n, students)));
    return Bytes(id);
  };
  const auto judge = [](grpc::ByteBuffer& bytes) -> std::string_view {
    project::Aluno aluno;
    if (!Parse(bytes, aluno)) return "unreadable";
    return aluno.matricula().empty() ? "not found" : "";
  };
  return {{PrepareStudents(options)}, {std::string(kObtemAluno), request, judge}};
}

grpc::ByteBuffer Enrollment(const std::string& disciplina, const std::string& aluno) {
  project::DisciplinaPessoa pair;
  pair.set_disciplina(disciplina);
  pair.set_idpessoa(aluno);
  return Bytes(pair);
}

// All students into one class, then all into the next one.
Workload AdicionaAlunoHot(const WorkloadOptions& options) {
  const auto request = [options](uint64_t n) {
    return Enrollment(Class(options, n / options.students % kHotClasses),
                      Student(n % options.students));
  };
  return {{PrepareStudents(options), PrepareClasses(options, kHotClasses)},
          {std::string(kAdicionaAluno), request, JudgeStatus}};
}

// Every class in turn.
Workload AdicionaAlunoSpread(const WorkloadOptions& options) {
  const auto request = [options](uint64_t n) {
    return Enrollment(Class(options, n % options.classes),
                      Student(n / options.classes % options.students));
  };
  return {{PrepareStudents(options), PrepareClasses(options, options.classes)},
          {std::string(kAdicionaAluno), request, JudgeStatus}};
}

// ---- etcd ----

std::string Key(uint64_t number) { return fmt::format("bench/{:08}", number); }

std::string_view JudgePut(grpc::ByteBuffer& bytes) {
  etcdserverpb::PutResponse response;
  if (!Parse(bytes, response)) return "unreadable";
  return response.header().revision() > 0 ? "" : "no revision";
}

CallSeries Puts(const WorkloadOptions& options, bool scattered) {
  const auto request = [options, scattered](uint64_t n) {
    etcdserverpb::PutRequest put;
    put.set_key(Key(scattered ? Scatter(n, options.keys) : n));
    put.set_value(std::string(options.value_bytes, static_cast<char>('a' + n % 26)));
    return Bytes(put);
  };
  return {std::string(kPut), request, JudgePut};
}

Workload EtcdPut(const WorkloadOptions& options) {
  return {{{Puts(options, false), options.keys}}, Puts(options, true)};
}

Workload EtcdGet(const WorkloadOptions& options, bool serializable) {
  const auto request = [keys = options.keys, serializable](uint64_t n) {
    etcdserverpb::RangeRequest range;
    range.set_key(Key(Scatter(n, keys)));
    range.set_serializable(serializable);
    return Bytes(range);
  };
  const auto judge = [](grpc::ByteBuffer& bytes) -> std::string_view {
    etcdserverpb::RangeResponse response;
    if (!Parse(bytes, response)) return "unreadable";
    return response.kvs_size() == 1 ? "" : "not found";
  };
  return {{{Puts(options, false), options.keys}}, {std::string(kRange), request, judge}};
}

Workload EtcdLinearizableGet(const WorkloadOptions& options) { return EtcdGet(options, false); }
Workload EtcdSerializableGet(const WorkloadOptions& options) { return EtcdGet(options, true); }

// ---- echo ----

Workload Echo(const WorkloadOptions&) {
  const auto request = [](uint64_t n) {
    EchoMessage message;
    message.set_payload(fmt::format("carga{:08} Estudante de carga", n));
    return Bytes(message);
  };
  const auto judge = [](grpc::ByteBuffer& bytes) -> std::string_view {
    EchoMessage message;
    return Parse(bytes, message) && !message.payload().empty() ? "" : "unreadable";
  };
  return {{}, {"/matricula.bench.EchoService/Echo", request, judge}};
}

struct Entry {
  std::string_view name;
  std::string_view meaning;
  Workload (*make)(const WorkloadOptions&);
};

constexpr std::array<Entry, 8> kWorkloads{{
    {"echo", "matricula_echo answers the message itself", Echo},
    {"novo-aluno", "NovoAluno with keys never used before", NovoAluno},
    {"obtem-aluno", "ObtemAluno of the prepared students", ObtemAluno},
    {"adiciona-hot", "AdicionaAluno, everybody into one class", AdicionaAlunoHot},
    {"adiciona-spread", "AdicionaAluno over --classes classes", AdicionaAlunoSpread},
    {"etcd-put", "KV.Put over --keys keys", EtcdPut},
    {"etcd-get", "KV.Range of one key, linearizable", EtcdLinearizableGet},
    {"etcd-get-serializable", "KV.Range of one key, serializable", EtcdSerializableGet},
}};

}  // namespace

base::Result<Workload> MakeWorkload(const WorkloadOptions& options) {
  const auto* found = std::find_if(kWorkloads.begin(), kWorkloads.end(),
                                   [&](const Entry& entry) { return entry.name == options.name; });
  if (found == kWorkloads.end()) {
    return base::Status(base::Code::kInvalidArgument,
                        fmt::format("there is no workload \"{}\"", options.name));
  }
  return found->make(options);
}

std::string DescribeWorkloads() {
  std::string text = "Workloads:\n";
  for (const Entry& entry : kWorkloads) {
    text += fmt::format("  {:<22} {}\n", entry.name, entry.meaning);
  }
  return text;
}

}  // namespace matricula::bench
