// The only file of cxx/ that asks the system for something: flags of a descriptor that libtorrent opened and that Rust
// could not borrow safely. On Windows a program inherits only what it is meant to.
#include "vozduxan/cxx/children.h"

#include <memory>

#include <libtorrent/error_code.hpp>
#include <libtorrent/peer_connection.hpp>
#include <libtorrent/socket_type.hpp>

#ifndef _WIN32
#include <cstdlib>

#include <dirent.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#endif

namespace vozduxan {

#ifdef _WIN32

void keep_from_children(std::set<std::uint16_t> const&) {}
void keep_from_children(lt::peer_connection_handle const&) {}

#else

namespace {

// In the form that asio's sockets take.
struct CloseOnExec {
  int name() const { return static_cast<int>(FIOCLEX); }
  void* data() { return nullptr; }
};

// 0: no socket of the internet.
std::uint16_t port_of(int const descriptor) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<sockaddr_in const&>(address).sin_port);
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<sockaddr_in6 const&>(address).sin6_port);
  return 0;
}

}  // namespace

void keep_from_children(std::set<std::uint16_t> const& ports) {
  // libtorrent gives nobody its listening sockets: they are looked for among all. Where the system does not show them
  // they stay as they are.
  std::unique_ptr<DIR, int (*)(DIR*)> const open(::opendir("/dev/fd"), ::closedir);
  if (!open) return;
  while (dirent const* const entry = ::readdir(open.get())) {
    char* end = nullptr;
    long const descriptor = std::strtol(entry->d_name, &end, 10);
    if (end == entry->d_name || *end != '\0') continue;
    std::uint16_t const port = port_of(static_cast<int>(descriptor));
    if (port != 0 && ports.count(port) != 0) ::ioctl(static_cast<int>(descriptor), FIOCLEX);
  }
}

void keep_from_children(lt::peer_connection_handle const& peer) {
  std::shared_ptr<lt::peer_connection> const connection = peer.native_handle();
  if (!connection || !connection->get_socket().is_open()) return;
  CloseOnExec command;
  lt::error_code ignored;
  // Those of uTP have no descriptor of their own and do nothing.
  connection->get_socket().io_control(command, ignored);
}

#endif

}  // namespace vozduxan
