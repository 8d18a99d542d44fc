//! What always holds, sentence by sentence; the numbers are the contract's.
//!
//! 1 and 4 are shown by `way_back`, 2 and 3 by `images`, 5 by `data` and `rollback`, 6 by
//! `rollback`, 7 by `downtime`, 8 by `lock`, 10 by `secrets`, 11 by `notifications`. The ninth, what
//! is left when somebody dies, is shown by `tests/faults` and by the saga's proof.

mod data;
mod downtime;
mod images;
mod lock;
mod notifications;
mod rollback;
mod secrets;
mod way_back;
