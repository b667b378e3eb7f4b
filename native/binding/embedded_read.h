#pragma once

#include <node_api.h>

#include <memory>
#include <vector>

#include "binding/shared_array.h"
#include "binding/slot_table.h"
#include "core/embedded/read_segment.h"
#include "core/embedded/read_sidecar.h"

namespace millrace {

class Environment;

// What the readers of embedded logs in one environment have mapped, by number. JavaScript sees a
// segment as one external ArrayBuffer, made when it is first asked for and held weakly here, since
// whoever holds a view of it keeps its reader, and with that the segment. Closing a segment
// detaches the buffer, so that every view of it has length 0 from then on; the addresses outlive
// all of that (lent_range.h), for those whom detaching does not reach: threads that were handed a
// view, and buffers that were moved to another owner. One thread, the environment's.
class EmbeddedReads {
 public:
  explicit EmbeddedReads(napi_env env) : env_(env) {}
  // Lets go of everything, at the latest when the environment ends.
  void Clear();
  EmbeddedReads(const EmbeddedReads&) = delete;
  EmbeddedReads& operator=(const EmbeddedReads&) = delete;

  struct Segment {
    std::unique_ptr<ReadSegment> file;
    napi_ref buffer = nullptr;  // weak; null: not asked for
  };

  SlotTable<Segment>& segments() { return segments_; }
  SlotTable<std::unique_ptr<ReadSidecar>>& sidecars() { return sidecars_; }
  const SharedArray& block() const { return block_; }

  // Null with a JavaScript exception pending.
  napi_value Buffer(Segment& segment);
  void Close(Segment segment);
  // The array that loadSidecar fills.
  napi_value Block();

 private:
  const napi_env env_;
  SlotTable<Segment> segments_;
  SlotTable<std::unique_ptr<ReadSidecar>> sidecars_;
  SharedArray block_;
};

void AppendEmbeddedRead(std::vector<napi_property_descriptor>& properties,
                        Environment* environment);

}  // namespace millrace
