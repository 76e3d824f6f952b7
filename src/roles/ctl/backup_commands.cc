// ctl backup FILE, ctl verify FILE (or ctl backup verify FILE), ctl restore FILE --data DIR
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "common/base/clock.h"
#include "common/store/backup.h"
#include "roles/ctl/commands.h"
#include "roles/ctl/download.h"
#include "roles/ctl/interrupt.h"
#include "roles/ctl/portal_client.h"
#include "roles/ctl/progress.h"
#include "roles/ctl/store_client.h"
#include "roles/ctl/utf8.h"

namespace matricula::ctl {
namespace {

using etcdserverpb::SnapshotResponse;

constexpr const char* kBackupFooter =
    "Copia todo o armazenamento (--kv), como está em um só momento, sem parar ninguém. O arquivo "
    "só\n"
    "aparece com o seu nome quando está completo, conferido e gravado; um que já existe não é\n"
    "substituído. De um etcd, o arquivo é um snapshot do etcd, que só o etcdctl restaura.\n\n"
    "matriculad ctl backup verify ARQUIVO é o mesmo que matriculad ctl verify ARQUIVO.\n";
constexpr const char* kRestoreFooter =
    "Desempacota uma cópia na pasta --data, que deve estar vazia ou não existir. O armazenamento\n"
    "restaurado tem o conteúdo e a história da cópia, e é um novo cluster: inicie com ele\n"
    "  matriculad --data PASTA\n"
    "Um arquivo danificado é recusado (código de saída 2), e nada fica na pasta.\n";

struct Arguments {
  std::string file;
  std::string data;
  std::string verified;  // of `backup verify FILE`
};

std::string WhyNot() { return std::strerror(errno); }

// Streams the snapshot of one server into the file; what went wrong has been said.
class Backup {
 public:
  Backup(Session& session, const std::string& file)
      : session_(session), file_(file), download_(file) {}

  ExitCode Run(const std::string& address) {
    if (!download_.Open()) return DiskTrouble();
    StoreClient client(address, session_.options());
    grpc::ClientContext context;
    StreamQueue queue(context, session_.options().timeout_ms());
    const auto reader = client.maintenance->PrepareAsyncSnapshot(&context, {}, queue.queue());
    reader->StartCall(queue.tag());
    const bool began = queue.Wait();
    const ExitCode code = began ? Receive(*reader, queue) : ExitCode::kOk;
    if (code != ExitCode::kOk) {
      context.TryCancel();
    }
    grpc::Status status;
    reader->Finish(&status, queue.tag());
    queue.Wait();
    if (code != ExitCode::kOk) return code;
    if (queue.timed_out()) return Trouble(fmt::format("{} parou de responder", address));
    if (!status.ok()) return Trouble(ExplainStoreFailure(address, status));
    return Finish();
  }

 private:
  ExitCode Receive(grpc::ClientAsyncReader<SnapshotResponse>& reader, StreamQueue& queue) {
    const InterruptGuard guard;
    Progress progress(session_.console(), base::SystemClock(), file_);
    SnapshotResponse response;
    reader.Read(&response, queue.tag());
    while (queue.Wait()) {
      if (!download_.Write(response.blob())) return DiskTrouble();
      bytes_ += static_cast<int64_t>(response.blob().size());
      progress.UpdateBytes(bytes_, bytes_ + static_cast<int64_t>(response.remaining_bytes()));
      if (guard.interrupted()) {
        progress.Clear();
        session_.Unreachable("interrompido; nenhum arquivo foi criado");
        return ExitCode::kInterrupted;
      }
      reader.Read(&response, queue.tag());
    }
    return ExitCode::kOk;
  }

  ExitCode Finish() {
    download_.CloseDigest();
    if (!download_.IsSound())
      return Trouble("a cópia chegou danificada; nenhum arquivo foi criado");
    if (!download_.Finish()) return DiskTrouble();
    if (session_.json()) {
      session_.PrintJson({{"arquivo", file_}, {"bytes", bytes_}});
      return ExitCode::kOk;
    }
    return session_.Done(fmt::format("{}: {} bytes", file_, WithThousands(bytes_)));
  }

  ExitCode DiskTrouble() {
    return Trouble(fmt::format("não foi possível escrever {}: {}", file_, WhyNot()));
  }
  ExitCode Trouble(const std::string& reason) { return session_.Unreachable(reason); }

  Session& session_;
  const std::string file_;
  Download download_;
  int64_t bytes_ = 0;
};

// The first server that answers gives the copy: they all have the same.
ExitCode TakeBackup(Session& session, const Arguments& arguments) {
  std::error_code error;
  if (std::filesystem::exists(arguments.file, error)) {
    return session.Misused(fmt::format("{} já existe", arguments.file));
  }
  const auto addresses = StoreAddresses(session.options());
  if (addresses.empty()) return session.Misused("--kv não diz onde está o armazenamento");
  std::string chosen = addresses.front();
  for (const std::string& address : addresses) {
    etcdserverpb::StatusResponse ignored;
    if (addresses.size() > 1 && StoreClient(address, session.options()).GetStatus(&ignored).ok()) {
      chosen = address;
      break;
    }
  }
  return Backup(session, arguments.file).Run(chosen);
}

// How a look at a backup ended; `done` is what people read if it was well.
ExitCode Judge(Session& session, const base::Status& status, const std::string& done) {
  switch (status.code()) {
    case base::Code::kOk:
      return session.Done(done);
    case base::Code::kDataLoss:
      return session.Misused("não é uma cópia íntegra: " + status.message());
    case base::Code::kUnimplemented:
      return session.Misused("a cópia é de uma versão mais nova deste programa");
    case base::Code::kFailedPrecondition:
      return session.Refused("a pasta não está vazia: " + status.message());
    default:
      return session.Unreachable(status.message());
  }
}

bool IsReadable(const std::string& file) {
  std::error_code error;
  return std::filesystem::is_regular_file(file, error);
}

ExitCode RunVerify(Session& session, const Arguments& arguments) {
  if (!IsReadable(arguments.file)) return session.Misused(arguments.file + " não é um arquivo");
  return Judge(session, store::VerifyBackup(arguments.file), arguments.file + " está íntegro");
}

// Who looks for the check of backups looks for it here, too.
ExitCode RunBackup(Session& session, const Arguments& arguments) {
  if (arguments.verified.empty()) return TakeBackup(session, arguments);
  if (arguments.file != "verify") {
    return session.Misused("argumento inesperado: " + Printable(arguments.verified));
  }
  return RunVerify(session, {arguments.verified, {}, {}});
}

ExitCode RunRestore(Session& session, const Arguments& arguments) {
  if (!IsReadable(arguments.file)) return session.Misused(arguments.file + " não é um arquivo");
  return Judge(session, store::RestoreBackup(arguments.file, arguments.data),
               fmt::format("{} restaurado em {}", arguments.file, arguments.data));
}

void DescribeFile(Command& command, Arguments& arguments) {
  command.Argument("ARQUIVO", "a cópia", &arguments.file);
}

}  // namespace

void DescribeBackup(CLI::App& root, CommandSet& set) {
  set.Add<Arguments>(root, "backup", "copia todo o armazenamento para um arquivo", &RunBackup,
                     [](Command& command, Arguments& arguments) {
                       DescribeFile(command, arguments);
                       command.app().add_option("VERIFICADO", arguments.verified)->group("");
                       command.app().footer(kBackupFooter);
                     });
  set.Add<Arguments>(root, "verify", "confere se uma cópia está íntegra", &RunVerify,
                     &DescribeFile);
  set.Add<Arguments>(root, "restore", "faz de uma cópia um novo armazenamento", &RunRestore,
                     [](Command& command, Arguments& arguments) {
                       DescribeFile(command, arguments);
                       command.app()
                           .add_option("--data", arguments.data, "a pasta do novo armazenamento")
                           ->option_text("PASTA")
                           ->required();
                       command.app().footer(kRestoreFooter);
                     });
}

}  // namespace matricula::ctl
