"""Clients in the manner of the course's: small Python programs over the two services.

    python_clients.py admin  --port 50051 --op create|get|getall|update|delete
                             --base aluno|professor|disciplina [--key K] [--val V]
    python_clients.py portal --port 50051 COMMAND [ARGUMENT…]
        add_aluno  DISCIPLINA MATRICULA      rem_aluno DISCIPLINA MATRICULA
        add_prof   DISCIPLINA SIAPE          rem_prof  DISCIPLINA SIAPE
        rel_disc   DISCIPLINA                rel_aluno MATRICULA      rel_prof SIAPE

A discipline's --val is "nome,vagas". They know nothing of the server but proto/matricula.proto.
"""

import argparse
import sys

import grpc

import harness


def _record(base, key, val):
    messages = harness.pb()
    if base == "aluno":
        return messages.Aluno(matricula=key, nome=val)
    if base == "professor":
        return messages.Professor(siape=key, nome=val)
    nome, vagas = val.rsplit(",", 1)
    return messages.Disciplina(sigla=key, nome=nome, vagas=int(vagas))


_ADMIN_METHODS = {
    ("create", "aluno"): "NovoAluno",
    ("create", "professor"): "NovoProfessor",
    ("create", "disciplina"): "NovaDisciplina",
    ("update", "aluno"): "EditaAluno",
    ("update", "professor"): "EditaProfessor",
    ("update", "disciplina"): "EditaDisciplina",
    ("delete", "aluno"): "RemoveAluno",
    ("delete", "professor"): "RemoveProfessor",
    ("delete", "disciplina"): "RemoveDisciplina",
    ("get", "aluno"): "ObtemAluno",
    ("get", "professor"): "ObtemProfessor",
    ("get", "disciplina"): "ObtemDisciplina",
    ("getall", "aluno"): "ObtemTodosAlunos",
    ("getall", "professor"): "ObtemTodosProfessores",
    ("getall", "disciplina"): "ObtemTodasDisciplinas",
}


def run_admin(channel, op, base, key="", val=""):
    """What the administrative client prints: a list of messages."""
    method = getattr(harness.admin(channel), _ADMIN_METHODS[op, base])
    if op in ("create", "update"):
        return [method(_record(base, key, val))]
    if op == "getall":
        return list(method(harness.pb().Vazia()))
    return [method(harness.pb().Identificador(id=key))]


_PORTAL_CHANGES = {
    "add_aluno": "AdicionaAluno",
    "rem_aluno": "RemoveAluno",
    "add_prof": "AdicionaProfessor",
    "rem_prof": "RemoveProfessor",
}


def run_portal(channel, command, *arguments):
    """What the enrollment client prints: a list of messages."""
    portal = harness.portal(channel)
    if command in _PORTAL_CHANGES:
        disciplina, pessoa = arguments
        method = getattr(portal, _PORTAL_CHANGES[command])
        return [method(harness.pb().DisciplinaPessoa(disciplina=disciplina, idPessoa=pessoa))]
    identifier = harness.pb().Identificador(id=arguments[0])
    if command == "rel_disc":
        return [portal.DetalhaDisciplina(identifier)]
    if command == "rel_prof":
        return list(portal.ObtemDisciplinasProfessor(identifier))
    assert command == "rel_aluno", command
    return list(portal.ObtemDisciplinasAluno(identifier))


def main(argv):
    parser = argparse.ArgumentParser()
    clients = parser.add_subparsers(dest="client", required=True)
    admin = clients.add_parser("admin")
    admin.add_argument("--port", required=True)
    admin.add_argument("--op", required=True)
    admin.add_argument("--base", required=True)
    admin.add_argument("--key", default="")
    admin.add_argument("--val", default="")
    portal = clients.add_parser("portal")
    portal.add_argument("--port", required=True)
    portal.add_argument("command")
    portal.add_argument("arguments", nargs="*")
    options = parser.parse_args(argv)

    with grpc.insecure_channel("localhost:" + options.port) as channel:
        if options.client == "admin":
            messages = run_admin(channel, options.op, options.base, options.key, options.val)
        else:
            messages = run_portal(channel, options.command, *options.arguments)
        for message in messages:
            print(message)


if __name__ == "__main__":
    main(sys.argv[1:])
