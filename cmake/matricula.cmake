# What every folder of the house is built with: packages, warnings, and three functions:
#   matricula_module(<name> DEPS ...)         a library of all *.cc in this folder
#   matricula_unit_test(<name> DEPS ...)      a Catch2 program of all *.cc in this folder
#   matricula_fuzz_target(<name> DEPS ...)    a fuzz target; without libFuzzer it runs its corpus as a test

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

find_package(Threads REQUIRED)
find_package(absl REQUIRED CONFIG)
find_package(fmt REQUIRED CONFIG)
find_package(PkgConfig REQUIRED)
pkg_check_modules(GRPC REQUIRED IMPORTED_TARGET grpc++)
pkg_check_modules(PROTOBUF REQUIRED IMPORTED_TARGET protobuf)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
pkg_check_modules(ISAL REQUIRED IMPORTED_TARGET libisal)
pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)
pkg_check_modules(PROMETHEUS REQUIRED IMPORTED_TARGET prometheus-cpp-core)
pkg_check_modules(MOSQUITTO REQUIRED IMPORTED_TARGET libmosquitto)
find_package(civetweb REQUIRED CONFIG)
find_package(RocksDB REQUIRED CONFIG)
find_program(PROTOC protoc REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

add_library(matricula_flags INTERFACE)
target_include_directories(matricula_flags INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(matricula_flags INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
  -Wcast-align -Wnull-dereference -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(matricula_flags INTERFACE -Wthread-safety)
else()
  # g++ 12 reports these inside the standard library's own inlined code.
  target_compile_options(matricula_flags INTERFACE
    -Wno-null-dereference -Wno-restrict -Wno-maybe-uninitialized)
endif()
target_link_libraries(matricula_flags INTERFACE Threads::Threads)

if(MATRICULA_SANITIZE)
  add_compile_options(-fsanitize=${MATRICULA_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${MATRICULA_SANITIZE})
  if(MATRICULA_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
    # RocksDB and gRPC come without type information.
    add_compile_options(-fno-sanitize=vptr)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
      # clang 14 cannot emit this check's data for coroutines.
      add_compile_options(-fno-sanitize=function)
    endif()
  endif()
  if(MATRICULA_SANITIZE MATCHES "thread")
    add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  endif()
endif()

# What every test that runs our programs needs in its environment: the sanitizers' options, with the
# noise of libraries that are not instrumented suppressed by name.
set(MATRICULA_TEST_ENVIRONMENT "")
if(MATRICULA_SANITIZE)
  set(suppressions ${PROJECT_SOURCE_DIR}/test/sanitizers)
  set(MATRICULA_TEST_ENVIRONMENT
    "TSAN_OPTIONS=suppressions=${suppressions}/tsan.supp ignore_noninstrumented_modules=1"
    "LSAN_OPTIONS=suppressions=${suppressions}/asan.supp print_suppressions=0"
    "ASAN_OPTIONS=detect_stack_use_after_return=1"
    "MATRICULA_SANITIZED=1"
    "UBSAN_OPTIONS=suppressions=${suppressions}/ubsan.supp print_stacktrace=1")
endif()

function(matricula_module name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC matricula_flags ${ARG_DEPS})
    if(name IN_LIST MATRICULA_COVERAGE)
      target_compile_options(${name} PRIVATE --coverage -O0)
      target_link_options(${name} PUBLIC --coverage)
    endif()
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE matricula_flags ${ARG_DEPS})
  endif()
endfunction()

function(matricula_unit_test name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  add_executable(${name} ${sources})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE matricula_catch_main ${ARG_DEPS})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 600 ENVIRONMENT "${MATRICULA_TEST_ENVIRONMENT}")
endfunction()

function(matricula_fuzz_target name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  add_executable(${name} ${name}.cc)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} matricula_flags)
  if(MATRICULA_FUZZ)
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_link_libraries(${name} PRIVATE matricula_corpus_main)
    add_test(NAME ${name} COMMAND ${name} ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT 300
                         ENVIRONMENT "${MATRICULA_TEST_ENVIRONMENT}")
  endif()
endfunction()
