//! The binary: one expression. Everything it does lives in the library.

fn main() {}
