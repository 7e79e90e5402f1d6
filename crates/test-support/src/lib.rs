#![doc = include_str!("../README.md")]

mod database;
mod patience;
mod ports;
mod signer;
mod spans;

pub use database::{TestDb, postgres};
pub use patience::{eventually, patience};
pub use ports::free_port;
pub use signer::Signer;
pub use spans::{Span, span_tree};
