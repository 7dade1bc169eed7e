// C++ of the host's own, bridged by the host's own cxx.
#pragma once

#include <cstdint>
#include <memory>

// Bars of a level meter from 0 to 10 for a share from 0 to 1; throws for anything else.
int32_t bars(double share);
