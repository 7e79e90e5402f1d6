//! The one binary: chooses a role and runs it.
fn main() {}
