//! The queue against receivers that fail in every way we know of.

mod flush;
mod http;
mod receiver;
mod scenarios;
mod seeds;
mod simulation;
