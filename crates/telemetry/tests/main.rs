//! Telemetry from outside: real servers, real sockets, and every span and log line looked at.

// By the name under which the services know it.
extern crate throughline_telemetry as telemetry;

mod fixture;
mod interleaving;
