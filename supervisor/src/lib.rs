//! Starts, watches and stops local processes
