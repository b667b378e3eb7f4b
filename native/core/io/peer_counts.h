#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <unordered_map>

#include "core/io/socket_address.h"

namespace millrace {

// Open connections by the address they come from. Loop thread only.
class PeerCounts {
 public:
  // False, and nothing counted, when the address has `limit` already.
  bool Add(const SocketAddress& peer, uint32_t limit) {
    uint32_t& count = counts_[peer.Ip()];
    if (count >= limit) return false;
    ++count;
    return true;
  }
  void Remove(const SocketAddress& peer) {
    const auto found = counts_.find(peer.Ip());
    if (found != counts_.end() && --found->second == 0) counts_.erase(found);
  }

 private:
  struct Hash {
    size_t operator()(const SocketAddress::IpBytes& ip) const {
      std::array<uint64_t, 2> words;
      std::memcpy(words.data(), ip.data(), sizeof words);
      return static_cast<size_t>((words[0] * 31 + words[1]) * 0x9e3779b97f4a7c15u >> 16);
    }
  };
  std::unordered_map<SocketAddress::IpBytes, uint32_t, Hash> counts_;
};

}  // namespace millrace
