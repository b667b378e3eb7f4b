# native/core/clean/cleaned_segment.cc
# A cleaned segment takes the place of others before its bytes are on the disk.
s/if \(Status status = log_->Sync\(\); !status\.ok\(\)\) return status;/(void)0;/
