#include "common/rpc/reflection.h"

#include <set>
#include <utility>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include "common/rpc/server.h"

namespace matricula::rpc {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using Response = Reflection::Response;

const DescriptorPool& Pool() { return *DescriptorPool::generated_pool(); }

void SetError(Response& response, const std::string& what) {
  response.mutable_error_response()->set_error_code(static_cast<int>(base::Code::kNotFound));
  response.mutable_error_response()->set_error_message(what + " not found");
}

// A file after everything that it imports, each once.
void AddFile(const FileDescriptor* file, std::set<const FileDescriptor*>& seen,
             Response& response) {
  if (!seen.insert(file).second) return;
  for (int i = 0; i < file->dependency_count(); ++i) AddFile(file->dependency(i), seen, response);
  google::protobuf::FileDescriptorProto proto;
  file->CopyTo(&proto);
  response.mutable_file_descriptor_response()->add_file_descriptor_proto(proto.SerializeAsString());
}

void AnswerFile(const FileDescriptor* file, const std::string& what, Response& response) {
  if (file == nullptr) {
    SetError(response, what);
    return;
  }
  std::set<const FileDescriptor*> seen;
  AddFile(file, seen, response);
}

void AnswerExtension(const grpc::reflection::v1alpha::ExtensionRequest& request,
                     Response& response) {
  const auto* type = Pool().FindMessageTypeByName(request.containing_type());
  const FieldDescriptor* extension =
      type == nullptr ? nullptr : Pool().FindExtensionByNumber(type, request.extension_number());
  AnswerFile(extension == nullptr ? nullptr : extension->file(), request.containing_type(),
             response);
}

void AnswerExtensionNumbers(const std::string& name, Response& response) {
  const auto* type = Pool().FindMessageTypeByName(name);
  if (type == nullptr) {
    SetError(response, name);
    return;
  }
  std::vector<const FieldDescriptor*> extensions;
  Pool().FindAllExtensions(type, &extensions);
  auto* answer = response.mutable_all_extension_numbers_response();
  answer->set_base_type_name(name);
  for (const FieldDescriptor* extension : extensions) {
    answer->add_extension_number(extension->number());
  }
}

}  // namespace

void Reflection::RegisterOn(Server& server) {
  server.Bidi("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", this,
              &Reflection::Serve);
}

void Reflection::Serve(const CallContext&, BidiStream<Request, Response> stream) {
  ReadNext(std::move(stream));
}

void Reflection::ReadNext(BidiStream<Request, Response> stream) const {
  auto reader = stream;
  reader.Read([this, stream = std::move(stream)](const Request* request) mutable {
    if (request == nullptr) {
      stream.Finish();
      return;
    }
    if (stream.Send(Answer(*request)) == SendResult::kFull) {
      stream.Finish({base::Code::kResourceExhausted, "too many answers are waiting to be read"});
      return;
    }
    ReadNext(std::move(stream));
  });
}

Response Reflection::Answer(const Request& request) const {
  Response response;
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case Request::kFileByFilename:
      AnswerFile(Pool().FindFileByName(request.file_by_filename()), request.file_by_filename(),
                 response);
      break;
    case Request::kFileContainingSymbol:
      AnswerFile(Pool().FindFileContainingSymbol(request.file_containing_symbol()),
                 request.file_containing_symbol(), response);
      break;
    case Request::kFileContainingExtension:
      AnswerExtension(request.file_containing_extension(), response);
      break;
    case Request::kAllExtensionNumbersOfType:
      AnswerExtensionNumbers(request.all_extension_numbers_of_type(), response);
      break;
    case Request::kListServices:
      for (const std::string& service : services_) {
        response.mutable_list_services_response()->add_service()->set_name(service);
      }
      break;
    case Request::MESSAGE_REQUEST_NOT_SET:
      response.mutable_error_response()->set_error_code(
          static_cast<int>(base::Code::kInvalidArgument));
      response.mutable_error_response()->set_error_message("the request asks for nothing");
      break;
  }
  return response;
}

}  // namespace matricula::rpc
