# native/core/log/recovery_apply.cc
# What recovery found counts as durable, but nobody has synced it.
s/return trust_ == OpenTrust::kClean \? Status::Ok\(\) : SyncAll\(\);/return Status::Ok();/
