//! The binary: one expression. Everything it does lives in the library.

fn main() -> std::process::ExitCode {
    landfall::face::run()
}
