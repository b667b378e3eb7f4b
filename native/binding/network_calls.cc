// The transport's functions. Frames arrive by Delivery; replies leave by one submit per turn.
#include <utility>

#include "binding/call_args.h"
#include "binding/call_block.h"
#include "binding/engine.h"
#include "binding/status_to_js.h"

namespace millrace {
namespace {

// One part of a reply as JavaScript packs it: connection; index of the byte array, or -1 for a
// region; position in it, or the region's number; length; 1 when it ends the reply.
constexpr size_t kPartNumbers = 5;

napi_value NotStarted(napi_env env) {
  return ThrowStatus(env, Status(Code::kClosed),
                     "use the network before it is started or after it was stopped");
}

// startTransport: max frame bytes, frame budget bytes, in-flight bytes and unsent bytes of a
// connection, max connections, idle timeout, sender threads, max connections of an address.
napi_value StartTransport(napi_env env, napi_callback_info info) {
  Engine& engine = CallOwner<Engine>(env, info);
  if (!engine.open()) return ToJs(env, static_cast<int32_t>(Code::kClosed));
  if (engine.transport() != nullptr) return engine.Answer(env, Status(Code::kExists));
  BlockReader reader(engine.block());
  TransportOptions options;
  options.max_frame_bytes = reader.Uint32(kArgument);
  options.frame_budget_bytes =
      static_cast<uint64_t>(reader.Integer<int64_t>(kArgument + 1, 0, int64_t{1} << 53));
  options.connection_inflight_bytes = reader.Uint32(kArgument + 2);
  options.connection_unsent_bytes = reader.Uint32(kArgument + 3);
  options.max_connections = reader.Uint32(kArgument + 4);
  options.idle_timeout_ms = reader.Saturated(kArgument + 5);
  options.sender_threads = reader.Uint32(kArgument + 6);
  options.max_connections_per_ip = reader.Uint32(kArgument + 7);
  if (!reader.ok()) return engine.Answer(env, Status(Code::kInvalidArgument));
  return engine.Answer(env, engine.StartTransport(options));
}

napi_value StopTransport(napi_env env, napi_callback_info info) {
  CallOwner<Engine>(env, info).StopTransport();
  return nullptr;
}

// listen(address, port, backlog): a status; listener and port are left in the block.
napi_value Listen(napi_env env, napi_callback_info info) {
  CallArgs<3> args(env, info);
  Engine& engine = args.Owner<Engine>();
  const auto address = args.String(0);
  const auto port = args.Uint32(1);
  const auto backlog = args.Uint32(2);
  if (!address || !port || *port > UINT16_MAX || !backlog || *backlog > INT32_MAX) {
    return ThrowArgument(env, "listen takes an address, a port and a backlog");
  }
  Transport* transport = engine.transport();
  if (transport == nullptr) return NotStarted(env);
  const auto listener =
      transport->Listen(*address, static_cast<uint16_t>(*port), static_cast<int>(*backlog));
  if (!listener.ok()) return engine.Answer(env, listener.status());
  engine.KeepAlive(true);  // a server keeps its process alive until it is stopped
  engine.block().numbers()[kListener] = *listener;
  engine.block().numbers()[kPort] = transport->listener_port(*listener);
  return engine.Answer(env, Status::Ok());
}

napi_value ListenerAddress(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  Transport* transport = args.Owner<Engine>().transport();
  const auto listener = args.Uint32(0);
  if (transport == nullptr || !listener) return NotStarted(env);
  return ToJs(env, transport->listener_address(*listener));
}

napi_value StopListening(napi_env env, napi_callback_info info) {
  Transport* transport = CallOwner<Engine>(env, info).transport();
  if (transport != nullptr) transport->StopListening();
  return nullptr;
}

// limitConnections(most, most of an address): a status.
napi_value LimitConnections(napi_env env, napi_callback_info info) {
  CallArgs<2> args(env, info);
  Engine& engine = args.Owner<Engine>();
  const auto most = args.Uint32(0);
  const auto most_per_ip = args.Uint32(1);
  if (!most || !most_per_ip) return ThrowArgument(env, "limitConnections takes two numbers");
  if (engine.transport() == nullptr) return NotStarted(env);
  return engine.Answer(env, engine.transport()->LimitConnections(*most, *most_per_ip));
}

// arena(id): its ArrayBuffer, or undefined when there is no such arena.
napi_value Arena(napi_env env, napi_callback_info info) {
  CallArgs<1> args(env, info);
  Engine& engine = args.Owner<Engine>();
  const auto arena = args.Uint32(0);
  if (engine.transport() == nullptr || !arena) return NotStarted(env);
  return engine.arenas().Get(env, *arena);
}

// releaseFrame: arena, position.
napi_value ReleaseFrame(napi_env env, napi_callback_info info) {
  Engine& engine = CallOwner<Engine>(env, info);
  Transport* transport = engine.transport();
  if (transport == nullptr) return nullptr;  // went with the transport
  BlockReader reader(engine.block());
  const uint32_t arena = reader.Uint32(kArgument);
  const uint32_t position = reader.Uint32(kArgument + 1);
  if (!reader.ok() || position >= engine.arenas().memory(arena).size()) {
    return ThrowArgument(env, "releaseFrame was given no frame");
  }
  transport->ReleaseFrame(arena, position);
  return nullptr;
}

// The parts of one submit call, checked before anything is sent: half a batch of replies would
// leave connections with half a reply.
class PartReader {
 public:
  PartReader(napi_env env, napi_value parts, napi_value buffers) : env_(env), buffers_(buffers) {
    napi_typedarray_type type;
    void* data;
    if (parts == nullptr ||
        napi_get_typedarray_info(env, parts, &type, &numbers_, &data, nullptr, nullptr) !=
            napi_ok ||
        type != napi_float64_array) {
      return;
    }
    if (buffers == nullptr || napi_get_array_length(env, buffers, &buffer_count_) != napi_ok)
      return;
    data_ = static_cast<const double*>(data);
  }

  bool Read(size_t count, SlotTable<FileRegion>& regions, std::vector<ReplyPart>& into) {
    if (data_ == nullptr || count > numbers_ / kPartNumbers) return false;
    for (size_t index = 0; index < count; ++index) {
      const double* part = data_ + index * kPartNumbers;
      const double length = part[3];
      if (!(part[0] >= 0 && part[0] < 9e15) || !(length >= 0 && length <= UINT32_MAX)) return false;
      ReplyPart reply;
      reply.connection = static_cast<uint64_t>(part[0]);
      reply.last = part[4] != 0;
      if (part[1] < 0) {
        const FileRegion* region = regions.Find(part[2]);
        if (region == nullptr || static_cast<double>(region->length()) != length) return false;
      } else if (!SetBytes(part, reply)) {
        return false;
      }
      into.push_back(std::move(reply));
    }
    return true;
  }

  // After Read succeeded: takes the regions out of the table.
  void TakeRegions(SlotTable<FileRegion>& regions, std::vector<ReplyPart>& parts) {
    for (size_t index = 0; index < parts.size(); ++index) {
      const double* part = data_ + index * kPartNumbers;
      if (part[1] >= 0) continue;
      std::optional<FileRegion> region = regions.Take(part[2]);
      if (region.has_value())
        parts[index].region = std::move(*region);  // none: named twice, sent once
    }
  }

 private:
  bool SetBytes(const double* part, ReplyPart& reply) {
    if (!(part[1] < buffer_count_)) return false;
    const auto buffer = static_cast<uint32_t>(part[1]);
    if (buffer != current_) {
      napi_value value;
      if (napi_get_element(env_, buffers_, buffer, &value) != napi_ok) return false;
      const auto bytes = CallArgs<1>::BytesOf(env_, value);
      if (!bytes) return false;
      current_ = buffer;
      bytes_ = *bytes;
    }
    if (!(part[2] >= 0 && part[2] + part[3] <= static_cast<double>(bytes_.size()))) return false;
    reply.bytes = bytes_.data() + static_cast<size_t>(part[2]);
    reply.length = static_cast<uint32_t>(part[3]);
    return true;
  }

  napi_env env_;
  napi_value buffers_;
  const double* data_ = nullptr;
  size_t numbers_ = 0;
  uint32_t buffer_count_ = 0;
  uint32_t current_ =
      UINT32_MAX;  // the byte array looked up last: replies of a turn mostly share one
  std::span<std::byte> bytes_;
};

// submit(parts, count, buffers)
napi_value Submit(napi_env env, napi_callback_info info) {
  CallArgs<3> args(env, info);
  Engine& engine = args.Owner<Engine>();
  const auto count = args.Uint32(1);
  if (engine.transport() == nullptr) return NotStarted(env);
  std::vector<ReplyPart>& parts = engine.part_scratch();
  parts.clear();
  PartReader reader(env, args[0], args[2]);
  if (!count || !reader.Read(*count, engine.regions(), parts)) {
    parts.clear();
    return ThrowArgument(env,
                         "a reply part names no such bytes or region, or the wrong length of it");
  }
  reader.TakeRegions(engine.regions(), parts);
  engine.transport()->Submit(parts);
  parts.clear();  // lets go of regions that were not taken
  return nullptr;
}

// The functions of one connection do nothing when it is gone: its close event may still be on the
// way.
template <typename Act>
napi_value OnConnection(napi_env env, napi_callback_info info, Act act) {
  CallArgs<2> args(env, info);
  const auto connection = args.Number(0);
  if (!connection || !(*connection >= 0 && *connection < 9e15))
    return ThrowArgument(env, "a connection is a number");
  Transport* transport = args.Owner<Engine>().transport();
  return transport == nullptr ? nullptr : act(*transport, static_cast<uint64_t>(*connection), args);
}

napi_value Pause(napi_env env, napi_callback_info info) {
  return OnConnection(env, info, [](Transport& transport, uint64_t connection, const CallArgs<2>&) {
    transport.Pause(connection);
    return napi_value{};
  });
}

napi_value Resume(napi_env env, napi_callback_info info) {
  return OnConnection(env, info, [](Transport& transport, uint64_t connection, const CallArgs<2>&) {
    transport.Resume(connection);
    return napi_value{};
  });
}

// setPatient(connection, patient)
napi_value SetPatient(napi_env env, napi_callback_info info) {
  return OnConnection(env, info,
                      [](Transport& transport, uint64_t connection, const CallArgs<2>& args) {
                        transport.SetPatient(connection, args.Boolean(1).value_or(false));
                        return napi_value{};
                      });
}

// closeConnection(connection, afterReplies)
napi_value CloseConnection(napi_env env, napi_callback_info info) {
  return OnConnection(env, info,
                      [](Transport& transport, uint64_t connection, const CallArgs<2>& args) {
                        transport.Close(connection, args.Boolean(1).value_or(false));
                        return napi_value{};
                      });
}

napi_value PeerAddress(napi_env env, napi_callback_info info) {
  return OnConnection(env, info,
                      [env](Transport& transport, uint64_t connection, const CallArgs<2>&) {
                        return ToJs(env, transport.peer_address(connection));
                      });
}

}  // namespace

void AppendNetworkCalls(std::vector<napi_property_descriptor>& properties, Engine* engine) {
  const napi_property_descriptor calls[] = {
      Method("startTransport", StartTransport, engine),
      Method("stopTransport", StopTransport, engine),
      Method("listen", Listen, engine),
      Method("listenerAddress", ListenerAddress, engine),
      Method("stopListening", StopListening, engine),
      Method("limitConnections", LimitConnections, engine),
      Method("arena", Arena, engine),
      Method("releaseFrame", ReleaseFrame, engine),
      Method("submit", Submit, engine),
      Method("pause", Pause, engine),
      Method("resume", Resume, engine),
      Method("setPatient", SetPatient, engine),
      Method("closeConnection", CloseConnection, engine),
      Method("peerAddress", PeerAddress, engine),
  };
  properties.insert(properties.end(), std::begin(calls), std::end(calls));
}

}  // namespace millrace
