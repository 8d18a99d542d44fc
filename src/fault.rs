//! Named crash points: the places at which a build for fault tests dies, stops or fails when told.
//!
//! Without the feature `faults` the macro leaves nothing behind, not even a name. It refuses to
//! know who tells, and what is made of it.

#[cfg(all(feature = "faults", not(debug_assertions)))]
compile_error!("a build that knows crash points is for tests alone: build it without `--release`");

/// A place between two acts:
///
/// - `fault!("name", about)` may also fail, so it stands where `?` may.
/// - `fault!(here "name", about)` may not fail.
/// - `fault!(around "name", about => act)` is two of the first kind: before the act, and after one
///   that succeeded.
/// - `fault!(arm state)` looks for orders below this state directory from now on.
///
/// `about` says what the act is about, such as a step; it is optional.
#[cfg(feature = "faults")]
macro_rules! fault {
    (@about) => { "" };
    (@about $about:expr) => { ::std::convert::AsRef::<str>::as_ref(&$about) };
    (arm $state:expr) => {
        $crate::fault::arm($state)
    };
    (here $name:literal $(, $about:expr)?) => {
        let _ = $crate::fault::at($name, fault!(@about $($about)?));
    };
    (around $name:literal $(, $about:expr)? => $act:expr) => {{
        $crate::fault::at(concat!($name, ".before"), fault!(@about $($about)?))?;
        let done = $act;
        if done.is_ok() {
            $crate::fault::at(concat!($name, ".after"), fault!(@about $($about)?))?;
        }
        done
    }};
    ($name:literal $(, $about:expr)?) => {
        $crate::fault::at($name, fault!(@about $($about)?))?
    };
}

/// Nothing, around an act aside: that is the act.
#[cfg(not(feature = "faults"))]
macro_rules! fault {
    (around $name:literal $(, $about:expr)? => $act:expr) => {
        $act
    };
    ($($nothing:tt)*) => {};
}

#[cfg(feature = "faults")]
mod armed;
#[cfg(any(test, feature = "faults"))]
mod points;

#[cfg(feature = "faults")]
pub use armed::{arm, at, clock_set_by, event, verb};
#[cfg(any(test, feature = "faults"))]
pub use points::POINTS;
