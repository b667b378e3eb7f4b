# native/core/log/segment_lookup.cc
# An entry of an offset index is followed without a look at where it leads.
s/\|\| cursor\.header\(\)\.last_offset != entry\.last_offset/|| false/
