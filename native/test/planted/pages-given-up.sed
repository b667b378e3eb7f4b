# native/core/log/recovery_apply.cc
# What a failed sync gave up is not written again after the restart that finds it in the cache.
s/if \(found\.checked_bytes > 0\)/if (false)/
