#include "scale.h"

#include <stdexcept>
#include <string>

int32_t bars(double share) {
  // A local static and a thread-local with constructors: the things that two C++ sides in one program may mix up.
  static const std::string complaint = "a share is from 0 to 1, not ";
  thread_local std::string last;
  last = std::to_string(share);
  if (!(share >= 0.0 && share <= 1.0)) throw std::out_of_range(complaint + last);
  return static_cast<int32_t>(share * 10.0);
}
