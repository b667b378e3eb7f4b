# native/test/support/log_host.cc
# The broker persists a log's start only after the files below it went.
s/  if \(!SetAndWrite\(log_starts_, log, (std::max\(offset, log_starts_\.Of\(name\)\))\)\) return false;\n  return topic\.model\.AdvanceStart\(offset\);/  return topic.model.AdvanceStart(offset) \&\& SetAndWrite(log_starts_, log, \1);/
