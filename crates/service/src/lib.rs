#![doc = include_str!("../README.md")]

pub mod debug;
pub mod identity;
pub mod origin;
pub mod problem;
pub mod server;
pub mod upstream;

pub use problem::Problem;
