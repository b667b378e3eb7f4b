# native/core/log/log_remove.cc
# A truncation that fails half way leaves the durable offset where it was.
s/  dirty_\.Rewind\(first->has_value\(\)[^;]*;\n//
