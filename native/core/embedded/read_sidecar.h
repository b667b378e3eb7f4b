#pragma once

#include <memory>
#include <string>
#include <utility>

#include "core/base/disk.h"
#include "core/embedded/open_batch.h"

namespace millrace {

// The page of an embedded log's writer (open_batch.h), as its readers see it. One thread.
class ReadSidecar {
 public:
  // kNotFound: no writer has the log open, nor was one killed since the machine came up.
  static Result<std::unique_ptr<ReadSidecar>> Open(const std::string& directory);

  // Whether this is still the log's page, as far as that can be told without opening it again.
  bool Current() const;
  // What the writer published last; none when it was caught in the middle, or the page is lost.
  std::optional<OpenBatch> Load(SidecarFacts* facts) const;

 private:
  ReadSidecar(std::shared_ptr<File> file, std::unique_ptr<Mapping> mapping)
      : file_(std::move(file)), mapping_(std::move(mapping)), page_(mapping_->data()) {}

  const std::shared_ptr<File> file_;
  const std::unique_ptr<Mapping> mapping_;
  const Sidecar page_;
};

}  // namespace millrace
