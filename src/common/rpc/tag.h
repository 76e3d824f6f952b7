#pragma once

namespace matricula::rpc {

// What a completion queue hands back: whose operation ended, and whether it succeeded.
class Tag {
 public:
  virtual void Complete(bool ok) = 0;

 protected:
  ~Tag() = default;
};

// Calls one member function of its owner.
template <class Owner, void (Owner::*kMember)(bool)>
class MemberTag final : public Tag {
 public:
  explicit MemberTag(Owner* owner) : owner_(owner) {}
  void Complete(bool ok) override { (owner_->*kMember)(ok); }

 private:
  Owner* owner_;
};

}  // namespace matricula::rpc
