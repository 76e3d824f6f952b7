#pragma once

namespace matricula::rpc {

// What gRPC, protobuf and Abseil need to be told once per process. First line of main(), before any
// thread: Abseil's deadlock detector must not abort over gRPC's own mutexes (leave it on in tests),
// and what the libraries want to say goes to our log, at most a few lines a minute. Starts no
// thread.
void SetUpLibraries();

// Keeps gRPC initialised until the process ends. Everything in this folder that uses gRPC calls it:
// gRPC shuts itself down with the last object, and that may take ten seconds.
void KeepGrpc();

}  // namespace matricula::rpc
