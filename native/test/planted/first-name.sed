# native/core/log/log_impl.cc
# A log is rolled before the name of its first segment is durable.
s/if \(segments_\.size\(\) == 1\) \{\n    if \(Status status = dirty_\.SyncNewNames\(\)/if (false) {\n    if (Status status = dirty_.SyncNewNames()/
