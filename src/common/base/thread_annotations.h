#pragma once

// Clang's thread-safety analysis under our own names; other compilers see nothing.
#if defined(__clang__)
#define MATRICULA_TSA(x) __attribute__((x))
#else
#define MATRICULA_TSA(x)
#endif

#define CAPABILITY(name) MATRICULA_TSA(capability(name))
#define SCOPED_CAPABILITY MATRICULA_TSA(scoped_lockable)
#ifndef GUARDED_BY  // Abseil, which gRPC's headers bring along, has it too, meaning the same
#define GUARDED_BY(mutex) MATRICULA_TSA(guarded_by(mutex))
#endif
#define REQUIRES(mutex) MATRICULA_TSA(requires_capability(mutex))
#define EXCLUDES(mutex) MATRICULA_TSA(locks_excluded(mutex))
#define ACQUIRE(...) MATRICULA_TSA(acquire_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) MATRICULA_TSA(try_acquire_capability(__VA_ARGS__))
#define RELEASE(...) MATRICULA_TSA(release_capability(__VA_ARGS__))
