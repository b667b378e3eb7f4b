# native/core/log/replacement.cc
# The segments that a cleaned one replaces go before its name is durable.
s/Status status = SyncNames\(disk_, services_\.files\(\), directory_\);/Status status;/
