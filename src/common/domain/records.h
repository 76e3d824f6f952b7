#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/status.h"
#include "matricula.pb.h"

// The stored values: JSON objects with the fields named in keys.h. Encoding is exact (one spelling
// per record); decoding takes any JSON that has the fields with the right types, ignores further
// fields, and answers DataLoss for anything else.
namespace matricula::domain {

// The class that a discipline holds: its teacher (empty: none) and its seat counter.
struct Turma {
  std::string professor;
  int32_t ocupadas = 0;
  friend bool operator==(const Turma&, const Turma&) = default;
};

// One enrollment; `em` is the UTC time of it, RFC 3339 with milliseconds.
struct Matricula {
  std::string disciplina;
  std::string id_pessoa;
  std::string em;
  friend bool operator==(const Matricula&, const Matricula&) = default;
};

std::string EncodeAluno(const project::Aluno& aluno);
std::string EncodeProfessor(const project::Professor& professor);
std::string EncodeDisciplina(const project::Disciplina& disciplina);
std::string EncodeTurma(const Turma& turma);
std::string EncodeMatricula(std::string_view disciplina, std::string_view id_pessoa,
                            std::string_view em);
std::string EncodePedido(std::string_view op);
std::string EncodeMudanca(std::string_view token);
std::string EncodeRemocao(std::string_view id);
inline constexpr std::string_view kEmptyRecord = "{}";

base::Result<project::Aluno> DecodeAluno(std::string_view json);
base::Result<project::Professor> DecodeProfessor(std::string_view json);
base::Result<project::Disciplina> DecodeDisciplina(std::string_view json);
base::Result<Turma> DecodeTurma(std::string_view json);
base::Result<Matricula> DecodeMatricula(std::string_view json);
// The "op" of a request id's record; the "por" of `mudanca`; the "id" of a removal marker.
base::Result<std::string> DecodePedido(std::string_view json);
base::Result<std::string> DecodeMudanca(std::string_view json);
base::Result<std::string> DecodeRemocao(std::string_view json);

// Milliseconds since 1970-01-01 UTC as RFC 3339: 2026-01-31T12:00:00.000Z.
std::string FormatTime(int64_t wall_ms);

}  // namespace matricula::domain
