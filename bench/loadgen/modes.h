#pragma once

#include "options.h"

namespace millrace::loadgen {

// Each runs to its end, prints one line of JSON and returns the exit code: 0, or 1 if anything was
// refused, lost, stored wrongly or left unanswered.
int RunProduce(const Options& options);
int RunFetch(const Options& options);
int RunTransactions(const Options& options);
int RunTouch(const Options& options);
int RunEvict(const Options& options);
int RunPercentiles();
// Prints `echo on HOST:PORT` and serves until its standard input ends.
int RunEcho(const Options& options);

}  // namespace millrace::loadgen
