# native/core/log/log_view.cc
# An entry of a time index is followed without a look at where it leads.
s/ && !Names\(\*\*entry, \*found\)/ \&\& false \&\& !Names(**entry, *found)/
