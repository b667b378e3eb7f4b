# native/core/log/dirty_files.cc
# The directory is not synced after a roll, so that new segments may have no name after a power loss.
s/(std::pair\(work\.names_dirty, directory_\)\}\) \{\n    if \(!dirty)\)/\1 || path == directory_)/
