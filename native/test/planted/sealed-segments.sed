# native/core/log/dirty_files.cc
# A flush after a roll leaves out the rest of the segment that was rolled.
s/if \(Status status = SyncLog\(dirty\); !status\.ok\(\)\) return status;\n(    if \(Status status = SyncIndex)/\1/
