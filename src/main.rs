//! The binary: one expression. Everything it does lives in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    landfall::run(std::env::args_os())
}
